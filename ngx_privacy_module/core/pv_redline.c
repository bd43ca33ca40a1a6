/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pv_redline_view.h"


static void pv_redline_show(pv_redline_view_t *v);
static void pv_redline_show_headings(pv_redline_view_t *v, const size_t headings[7], const pv_block_t *block);


const pv_redline_strings_t  pv_redline_english = {
    pv_string("[inserted: "), pv_string("]"), pv_string("[deleted: "), pv_string("]"),
    pv_string("Moved here from another place ({n})"), pv_string("Moved to another place ({n})"),
    pv_string("[link: now {to}, before {from}]"), pv_string("[link: now {to}, before none]"),
    pv_string("[link: now none, before {from}]"), pv_string("{n} unchanged paragraphs"),
    pv_string("1 unchanged paragraph")
};


int
pv_redline_open(pv_redline_view_t *v, pv_buf_t *out, const pv_diff_t *diff, const pv_redline_t *how)
{
    memset(v, 0, sizeof(pv_redline_view_t));
    v->diff = diff;
    v->how = how;
    v->strings = how->strings != NULL ? how->strings : &pv_redline_english;
    v->out = out;
    v->shown = calloc(diff->items_count + 1, 1);

    if (v->shown == NULL) {
        return PV_ERROR;
    }

    pv_redline_show(v);

    return PV_OK;
}


void
pv_redline_close(pv_redline_view_t *v)
{
    free(v->shown);
}


/* What changed, what is around it, and the headings that it stands under. */
static void
pv_redline_show(pv_redline_view_t *v)
{
    size_t             i, k, from, to, headings[7];
    const pv_block_t  *block;

    if (v->how->fold == 0) {
        memset(v->shown, 1, v->diff->items_count);
        return;
    }

    memset(headings, 0xff, sizeof(headings));

    for (i = 0; i < v->diff->items_count; i++) {
        block = pv_item_block(v->diff, &v->diff->items[i]);

        if (v->diff->items[i].kind != PV_ITEM_SAME) {
            from = i > v->how->context ? i - v->how->context : 0;
            to = v->diff->items_count - i > v->how->context ? i + v->how->context : v->diff->items_count - 1;
            memset(v->shown + from, 1, to - from + 1);
            pv_redline_show_headings(v, headings, block);

        } else if (block->kind == PV_BLOCK_HEADING) {
            headings[block->level] = i;

            for (k = block->level + 1; k < 7; k++) {
                headings[k] = SIZE_MAX;
            }
        }
    }
}


static void
pv_redline_show_headings(pv_redline_view_t *v, const size_t headings[7], const pv_block_t *block)
{
    size_t  k, level;

    level = block->kind == PV_BLOCK_HEADING ? block->level : 7;

    for (k = 1; k < level; k++) {
        if (headings[k] != SIZE_MAX) {
            v->shown[headings[k]] = 1;
        }
    }
}


int
pv_item_side(const pv_item_t *item)
{
    return item->kind != PV_ITEM_DELETED && item->kind != PV_ITEM_MOVED_FROM;
}


const pv_block_t *
pv_item_block(const pv_diff_t *diff, const pv_item_t *item)
{
    return pv_item_side(item) ? &diff->doc[1].blocks[item->b] : &diff->doc[0].blocks[item->a];
}


void
pv_item_place(const pv_diff_t *diff, const pv_item_t *item, pv_place_t *path)
{
    uint32_t               at;
    const pv_container_t  *nodes;

    nodes = diff->doc[pv_item_side(item)].nodes;
    at = pv_item_block(diff, item)->node;

    for (path->depth = nodes[at].depth; at != 0; at = nodes[at].parent) {
        path->node[nodes[at].depth - 1] = &nodes[at];
    }
}


uint32_t
pv_place_common(const pv_place_t *a, const pv_place_t *b)
{
    uint32_t  n;

    for (n = 0; n < a->depth && n < b->depth && a->node[n]->merged == b->node[n]->merged; n++) { /* void */ }

    return n;
}


int
pv_item_first_of_move(const pv_diff_t *diff, size_t i)
{
    const pv_item_t  *item = &diff->items[i];

    return item->move != 0 && (i == 0 || item[-1].kind != item->kind || item[-1].move != item->move);
}


void
pv_redline_say(pv_buf_t *out, pv_str_t string, size_t n, pv_str_t from, pv_str_t to,
    void (*add)(pv_buf_t *out, pv_str_t s))
{
    char      number[24];
    size_t    i, k, at;
    pv_str_t  values[3];

    static const pv_str_t  names[3] = { pv_string("{n}"), pv_string("{from}"), pv_string("{to}") };

    (void) snprintf(number, sizeof(number), "%zu", n);
    values[0] = pv_str(number);
    values[1] = from;
    values[2] = to;

    for (i = 0, at = 0; i < string.len; /* void */) {

        for (k = 0; k < 3; k++) {
            if (string.len - i >= names[k].len && memcmp(string.data + i, names[k].data, names[k].len) == 0) {
                break;
            }
        }

        if (k == 3) {
            i++;
            continue;
        }

        add(out, (pv_str_t) { string.data + at, i - at });
        add(out, values[k]);
        i += names[k].len;
        at = i;
    }

    add(out, (pv_str_t) { string.data + at, i - at });
}


pv_str_t
pv_redline_link_string(const pv_redline_strings_t *s, const pv_diff_link_t *link)
{
    return link->from.len == 0 ? s->link_added : link->to.len == 0 ? s->link_removed : s->link_changed;
}
