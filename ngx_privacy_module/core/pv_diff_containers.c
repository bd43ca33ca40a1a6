/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "pv_diff_doc.h"


static void pv_container_parts(pv_diff_t *diff);
static int pv_container_pair(pv_diff_t *diff, uint32_t a, uint32_t b);


/*
 * A list that both have is one in the merged text, and so is a table or a
 * quotation: containers become the same from the outside in, where matched
 * blocks are within them. The others stay what they were in their own text.
 */
void
pv_diff_containers(pv_diff_t *diff)
{
    size_t            i;
    pv_doc_t         *docs = diff->doc;
    const pv_item_t  *item;

    docs[0].nodes[0].merged = 0;
    docs[1].nodes[0].merged = 0;

    for (i = 0; i < diff->items_count; i++) {
        item = &diff->items[i];

        if (item->kind == PV_ITEM_SAME || item->kind == PV_ITEM_CHANGED) {
            pv_container_pair(diff, docs[0].blocks[item->a].node, docs[1].blocks[item->b].node);
        }
    }

    pv_container_parts(diff);

    for (i = 0; i < docs[1].nodes_count; i++) {
        docs[1].nodes[i].merged = (uint32_t) i;
    }

    for (diff->merged = (uint32_t) i, i = 0; i < docs[0].nodes_count; i++) {
        if (docs[0].nodes[i].merged == PV_NONE) {
            docs[0].nodes[i].merged = diff->merged++;
        }
    }
}


/* 1 when the two are the same container now. */
static int
pv_container_pair(pv_diff_t *diff, uint32_t a, uint32_t b)
{
    pv_container_t  *x, *y;

    x = &diff->doc[0].nodes[a];
    y = &diff->doc[1].nodes[b];

    if (x->merged != PV_NONE || y->merged != PV_NONE) {
        return x->merged == b && y->merged == b;
    }

    /* One deeper than the other: it is within something that the other is not in. */
    if (x->depth != y->depth || x->kind != y->kind || !pv_container_pair(diff, x->parent, y->parent)) {
        return 0;
    }

    x->merged = b;
    y->merged = b;

    return 1;
}


/* A table has one head and one body: those of a table that both have are the same, even without a row in common. */
static void
pv_container_parts(pv_diff_t *diff)
{
    size_t           i;
    uint32_t         k, table;
    pv_container_t  *x, *y;

    for (i = 1; i < diff->doc[0].nodes_count; i++) {
        x = &diff->doc[0].nodes[i];
        table = diff->doc[0].nodes[x->parent].merged;

        if ((x->kind != PV_NODE_HEAD && x->kind != PV_NODE_BODY) || x->merged != PV_NONE || table == PV_NONE) {
            continue;
        }

        /* A table's own parts come right behind it. */
        for (k = table + 1; k < diff->doc[1].nodes_count; k++) {
            y = &diff->doc[1].nodes[k];

            if (y->parent != table) {
                break;
            }

            if (y->kind == x->kind && y->merged == PV_NONE) {
                x->merged = k;
                y->merged = k;
                break;
            }
        }
    }
}
