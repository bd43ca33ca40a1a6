/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <string.h>

#include "pv_diff_doc.h"


static int pv_diff_items(pv_diff_t *diff);
static int pv_diff_left(pv_diff_t *diff, uint32_t *a);
static int pv_diff_pair(pv_diff_t *diff, uint32_t *a, uint32_t *b);
static int pv_diff_joined(pv_diff_t *diff, uint32_t a, uint32_t a_last, uint32_t b, uint32_t b_last);
static int pv_diff_rest(pv_diff_t *diff, size_t first, uint32_t b);
static pv_item_t *pv_item_new(pv_diff_t *diff, pv_item_kind_t kind, uint32_t a, uint32_t b);
static int pv_diff_item(pv_diff_t *diff, pv_item_kind_t kind, uint32_t a, uint32_t b);
static int pv_item_operations(pv_diff_t *diff, pv_item_t *item);
static int pv_item_links(pv_diff_t *diff, pv_item_t *item);
static int pv_link_range(pv_diff_t *diff, pv_item_t *item, const pv_diff_op_t *op, uint32_t run[2]);
static int pv_link_changed(pv_diff_t *diff, pv_item_t *item, pv_diff_link_t link);
static uint32_t pv_link_at(const pv_doc_t *doc, uint32_t *run, uint32_t at, uint32_t *end);
static int pv_diff_script(pv_diff_t *diff);
static int pv_op_join(pv_diff_op_t *last, const pv_diff_op_t *op);
static void pv_diff_count(pv_diff_t *diff);
static size_t pv_characters(const pv_doc_t *doc, uint32_t at, uint32_t len);


int
pv_diff_create(pv_diff_t **out, pv_str_t a_html, pv_str_t b_html, uint64_t work)
{
    int         rc;
    pv_diff_t  *diff;

    if (a_html.len > PV_DIFF_HTML_MAX || b_html.len > PV_DIFF_HTML_MAX) {
        return PV_INVALID;
    }

    diff = calloc(1, sizeof(pv_diff_t));
    if (diff == NULL) {
        return PV_ERROR;
    }

    diff->work.limit = work;
    diff->work.spent = (a_html.len + b_html.len) / 4;
    pv_arena_init(&diff->links.memory);

    /* The first address is none: runs of text that is no link have its number. */
    rc = pv_more((void **) &diff->links.list, &diff->links.size, 0, sizeof(pv_str_t)) == NULL ? PV_ERROR : PV_OK;

    if (rc == PV_OK) {
        diff->links.list[0] = pv_str("");
        diff->links.count = 1;
        rc = pv_doc_parse(&diff->doc[0], &diff->links, a_html);
    }

    rc = rc == PV_OK ? pv_doc_parse(&diff->doc[1], &diff->links, b_html) : rc;
    rc = rc == PV_OK ? pv_diff_match(diff) : rc;
    rc = rc == PV_OK ? pv_diff_items(diff) : rc;
    rc = rc == PV_OK ? pv_diff_script(diff) : rc;

    if (rc != PV_OK) {
        pv_diff_free(diff);
        return rc;
    }

    pv_diff_containers(diff);
    pv_diff_count(diff);
    *out = diff;

    return PV_OK;
}


void
pv_diff_free(pv_diff_t *diff)
{
    if (diff == NULL) {
        return;
    }

    pv_doc_free(&diff->doc[0]);
    pv_doc_free(&diff->doc[1]);
    pv_arena_free(&diff->links.memory);
    free(diff->links.list);
    free(diff->items);
    free(diff->ops);
    free(diff->script);
    free(diff->pairs);
    free(diff->changed);
    free(diff);
}


/* The merged text, line by line: in the order of B, with what is gone before what is new in its place. */
static int
pv_diff_items(pv_diff_t *diff)
{
    int                rc;
    uint32_t           a, b;
    pv_doc_t          *docs = diff->doc;
    const pv_block_t  *block;

    rc = PV_OK;

    for (a = 0, b = 0; b < docs[1].blocks_count && rc == PV_OK; b++) {
        block = &docs[1].blocks[b];

        if (block->match != PV_NONE && block->move == 0) {

            while (a < block->match && rc == PV_OK) {
                rc = pv_diff_left(diff, &a);
            }

            rc = rc == PV_OK ? pv_diff_pair(diff, &a, &b) : rc;
            continue;
        }

        while (a < docs[0].blocks_count && rc == PV_OK
               && (docs[0].blocks[a].match == PV_NONE || docs[0].blocks[a].move != 0))
        {
            rc = pv_diff_left(diff, &a);
        }

        rc = rc == PV_OK ? pv_diff_item(diff, block->match == PV_NONE ? PV_ITEM_INSERTED : PV_ITEM_MOVED_TO,
                                        block->match, b) : rc;
    }

    while (a < docs[0].blocks_count && rc == PV_OK) {
        rc = pv_diff_left(diff, &a);
    }

    return rc;
}


/* What is not in its place any more. */
static int
pv_diff_left(pv_diff_t *diff, uint32_t *a)
{
    uint32_t     at;
    pv_block_t  *block;

    at = (*a)++;
    block = &diff->doc[0].blocks[at];

    return pv_diff_item(diff, block->match == PV_NONE ? PV_ITEM_DELETED : PV_ITEM_MOVED_FROM, at, block->match);
}


/* Two blocks that are matched in place, with what is joined to them: *a steps over A's, *b to the last of B's. */
static int
pv_diff_pair(pv_diff_t *diff, uint32_t *a, uint32_t *b)
{
    int        rc;
    size_t     first;
    uint32_t   from_a, from_b, k;
    pv_doc_t  *docs = diff->doc;

    from_a = docs[1].blocks[*b].match;
    from_b = *b;

    for (*a = from_a + 1; *a < docs[0].blocks_count && docs[0].blocks[*a].joined; (*a)++) { /* void */ }
    for ( /* void */ ; *b + 1 < docs[1].blocks_count && docs[1].blocks[*b + 1].joined; (*b)++) { /* void */ }

    if (*a == from_a + 1 && *b == from_b) {
        return pv_diff_item(diff, docs[0].blocks[from_a].class == docs[1].blocks[from_b].class
                                  ? PV_ITEM_SAME : PV_ITEM_CHANGED, from_a, from_b);
    }

    first = diff->items_count;
    rc = pv_diff_joined(diff, from_a, *a - 1, from_b, *b);

    for (k = from_b + 1; k <= *b && rc == PV_OK; k++) {
        rc = pv_diff_rest(diff, first, k);
    }

    for ( /* void */ ; rc == PV_OK && first < diff->items_count && diff->links.count > 1; first++) {
        rc = pv_item_links(diff, &diff->items[first]);
    }

    return rc;
}


/* Blocks that became others, more or fewer of them: compared as one, said by the first item. */
static int
pv_diff_joined(pv_diff_t *diff, uint32_t a, uint32_t a_last, uint32_t b, uint32_t b_last)
{
    int                rc;
    pv_item_t         *item;
    const pv_block_t  *x, *y;

    item = pv_item_new(diff, PV_ITEM_CHANGED, a, b);
    if (item == NULL) {
        return PV_ERROR;
    }

    x = &diff->doc[0].blocks[a_last];
    y = &diff->doc[1].blocks[b_last];
    item->a_end = x->at + x->len;

    rc = pv_diff_words(diff, item, a_last, b_last);
    rc = rc == PV_OK ? pv_diff_add(diff, item,
             (pv_diff_op_t) { PV_DIFF_EQUAL, 0, x->at + x->len, 1, y->at + y->len, 1 }) : rc;
    item->ops = (uint32_t) (diff->ops_count - item->op);

    return rc;
}


/* Another block of B that the operations of the first item are of: cuts A where they reach it. */
static int
pv_diff_rest(pv_diff_t *diff, size_t first, uint32_t b)
{
    uint32_t             i, at;
    pv_item_t           *item, *before;
    const pv_diff_op_t  *op;

    item = pv_item_new(diff, PV_ITEM_CHANGED, diff->items[first].a, b);
    if (item == NULL) {
        return PV_ERROR;
    }

    before = item - 1;
    item->op = diff->items[first].op;
    item->ops = diff->items[first].ops;
    item->a_end = before->a_end;

    for (at = before->a_at, i = 0; i < item->ops; i++) {
        op = &diff->ops[item->op + i];

        if (op->b_len != 0 && op->b + op->b_len >= item->b_at) {
            at = op->a_len != 0 ? op->a + (item->b_at - op->b) : at;
            break;
        }

        at = op->a_len != 0 ? op->a + op->a_len : at;
    }

    /* A line end that both have lies between the two. */
    item->a_at = at;
    before->a_end = at;
    before->broken = 1;

    return PV_OK;
}


static pv_item_t *
pv_item_new(pv_diff_t *diff, pv_item_kind_t kind, uint32_t a, uint32_t b)
{
    pv_item_t         *item;
    const pv_block_t  *block;

    item = pv_more((void **) &diff->items, &diff->items_size, diff->items_count, sizeof(pv_item_t));
    if (item == NULL) {
        return NULL;
    }

    memset(item, 0, sizeof(pv_item_t));
    item->kind = kind;
    item->a = a;
    item->b = b;
    item->op = (uint32_t) diff->ops_count;
    item->pair = (uint32_t) diff->pairs_count;
    diff->items_count++;

    if (a != PV_NONE) {
        block = &diff->doc[0].blocks[a];
        item->a_at = block->at;
        item->a_end = block->at + block->len;
    }

    if (b != PV_NONE) {
        block = &diff->doc[1].blocks[b];
        item->b_at = block->at;
        item->b_end = block->at + block->len;
    }

    return item;
}


static int
pv_diff_item(pv_diff_t *diff, pv_item_kind_t kind, uint32_t a, uint32_t b)
{
    int         rc;
    pv_item_t  *item;

    item = pv_item_new(diff, kind, a, b);
    if (item == NULL) {
        return PV_ERROR;
    }

    item->move = kind == PV_ITEM_MOVED_TO ? diff->doc[1].blocks[b].move
                 : kind == PV_ITEM_MOVED_FROM ? diff->doc[0].blocks[a].move : 0;

    rc = pv_item_operations(diff, item);
    item->ops = (uint32_t) (diff->ops_count - item->op);
    rc = rc == PV_OK && diff->links.count > 1 ? pv_item_links(diff, item) : rc;

    if (item->links != 0 && item->kind == PV_ITEM_SAME) {
        item->kind = PV_ITEM_CHANGED;
    }

    return rc;
}


/* A block goes with the line end behind it. */
static int
pv_item_operations(pv_diff_t *diff, pv_item_t *item)
{
    int          rc;
    pv_block_t  *a, *b;

    a = item->a != PV_NONE ? &diff->doc[0].blocks[item->a] : NULL;
    b = item->b != PV_NONE ? &diff->doc[1].blocks[item->b] : NULL;

    switch (item->kind) {

    case PV_ITEM_DELETED:
        return pv_diff_add(diff, item, (pv_diff_op_t) { PV_DIFF_DELETE, 0, a->at, a->len + 1, 0, 0 });

    case PV_ITEM_MOVED_FROM:
        return pv_diff_add(diff, item, (pv_diff_op_t) { PV_DIFF_MOVE_FROM, 0, a->at, a->len + 1, 0, 0 });

    case PV_ITEM_INSERTED:
        return pv_diff_add(diff, item, (pv_diff_op_t) { PV_DIFF_INSERT, 0, 0, 0, b->at, b->len + 1 });

    default:
        break;
    }

    rc = a->class == b->class
         ? pv_diff_add(diff, item, (pv_diff_op_t) { PV_DIFF_EQUAL, 0, a->at, a->len, b->at, b->len })
         : pv_diff_words(diff, item, item->a, item->b);

    return rc != PV_OK ? rc : pv_diff_add(diff, item,
        (pv_diff_op_t) { PV_DIFF_EQUAL, 0, a->at + a->len, 1, b->at + b->len, 1 });
}


int
pv_diff_add(pv_diff_t *diff, const pv_item_t *item, pv_diff_op_t op)
{
    pv_diff_op_t  *next;

    if (op.a_len == 0 && op.b_len == 0) {
        return PV_OK;
    }

    op.move = item->move;
    op.kind = op.kind == PV_DIFF_EQUAL && op.move != 0 ? PV_DIFF_MOVE_TO : op.kind;

    if (diff->ops_count > item->op && pv_op_join(&diff->ops[diff->ops_count - 1], &op)) {
        return PV_OK;
    }

    next = pv_more((void **) &diff->ops, &diff->ops_size, diff->ops_count, sizeof(pv_diff_op_t));
    if (next == NULL) {
        return PV_ERROR;
    }

    *next = op;
    diff->ops_count++;

    return PV_OK;
}


static int
pv_op_join(pv_diff_op_t *last, const pv_diff_op_t *op)
{
    if (last->kind != op->kind || last->move != op->move || (op->a_len != 0 && last->a + last->a_len != op->a)
        || (op->b_len != 0 && last->b + last->b_len != op->b))
    {
        return 0;
    }

    last->a_len += op->a_len;
    last->b_len += op->b_len;

    return 1;
}


/* Links on words that stayed. */
static int
pv_item_links(pv_diff_t *diff, pv_item_t *item)
{
    int           rc;
    uint32_t      i, cut, end, run[2];
    pv_diff_op_t  op;

    if (item->kind == PV_ITEM_DELETED || item->kind == PV_ITEM_INSERTED || item->kind == PV_ITEM_MOVED_FROM) {
        return PV_OK;
    }

    run[0] = diff->doc[0].blocks[item->a].run;
    run[1] = diff->doc[1].blocks[item->b].run;

    for (rc = PV_OK, i = 0; i < item->ops && rc == PV_OK; i++) {
        op = diff->ops[item->op + i];

        if (op.a_len == 0 || op.b_len == 0 || op.b >= item->b_end || op.b + op.b_len <= item->b_at) {
            continue;
        }

        /* The line end behind a block looks like nothing; what is before it is another item's. */
        cut = op.b < item->b_at ? item->b_at - op.b : 0;
        end = op.b + op.b_len > item->b_end ? op.b + op.b_len - item->b_end : 0;
        op.a += cut;
        op.b += cut;
        op.a_len -= cut + end;
        op.b_len -= cut + end;

        rc = pv_link_range(diff, item, &op, run);
    }

    return rc;
}


static int
pv_link_range(pv_diff_t *diff, pv_item_t *item, const pv_diff_op_t *op, uint32_t run[2])
{
    int             rc;
    uint32_t        at, from, to, a_end, b_end, len;
    pv_diff_link_t  link;

    for (rc = PV_OK, at = 0; at < op->a_len && rc == PV_OK; at += len) {
        from = pv_link_at(&diff->doc[0], &run[0], op->a + at, &a_end);
        to = pv_link_at(&diff->doc[1], &run[1], op->b + at, &b_end);

        len = a_end - op->a < b_end - op->b ? a_end - op->a : b_end - op->b;
        len = (len < op->a_len ? len : op->a_len) - at;

        if (from != to && !pv_str_eq(diff->links.list[from], diff->links.list[to])) {
            link = (pv_diff_link_t) { op->a + at, op->b + at, len, diff->links.list[from], diff->links.list[to] };
            rc = pv_link_changed(diff, item, link);
        }
    }

    return rc;
}


static int
pv_link_changed(pv_diff_t *diff, pv_item_t *item, pv_diff_link_t link)
{
    pv_diff_link_t  *next, *last;

    /* The same change over words in another style is one. A space at a link's edge is no link. */
    last = diff->changed_count != 0 ? &diff->changed[diff->changed_count - 1] : NULL;

    if (last != NULL && last->a + last->len == link.a && last->b + last->len == link.b
        && pv_str_eq(last->from, link.from) && pv_str_eq(last->to, link.to))
    {
        last->len += link.len;
        return PV_OK;
    }

    if (link.len == 1 && (diff->doc[1].text[link.b] == ' ' || diff->doc[1].text[link.b] == '\n')) {
        return PV_OK;
    }

    next = pv_more((void **) &diff->changed, &diff->changed_size, diff->changed_count, sizeof(pv_diff_link_t));
    if (next == NULL) {
        return PV_ERROR;
    }

    *next = link;
    diff->changed_count++;
    item->links++;

    return PV_OK;
}


/* The link of the text at, and where the run ends that it is of. *run only goes on. */
static uint32_t
pv_link_at(const pv_doc_t *doc, uint32_t *run, uint32_t at, uint32_t *end)
{
    if (doc->runs_count == 0) {
        *end = doc->len;
        return 0;
    }

    while (*run + 1 < doc->runs_count && doc->runs[*run + 1].at <= at) {
        (*run)++;
    }

    *end = *run + 1 < doc->runs_count ? doc->runs[*run + 1].at : doc->len;

    return doc->runs[*run].link;
}


/* The items' operations as one list, neighbours joined. */
static int
pv_diff_script(pv_diff_t *diff)
{
    size_t         i;
    pv_diff_op_t  *next;

    for (i = 0; i < diff->ops_count; i++) {

        if (diff->script_count != 0 && pv_op_join(&diff->script[diff->script_count - 1], &diff->ops[i])) {
            continue;
        }

        next = pv_more((void **) &diff->script, &diff->script_size, diff->script_count, sizeof(pv_diff_op_t));
        if (next == NULL) {
            return PV_ERROR;
        }

        *next = diff->ops[i];
        diff->script_count++;
    }

    return PV_OK;
}


static void
pv_diff_count(pv_diff_t *diff)
{
    size_t               i;
    pv_diff_stats_t     *s = &diff->stats;
    const pv_diff_op_t  *op;

    for (i = 0; i < diff->ops_count; i++) {
        op = &diff->ops[i];

        switch (op->kind) {
        case PV_DIFF_DELETE:
            s->deleted += pv_characters(&diff->doc[0], op->a, op->a_len);
            break;
        case PV_DIFF_INSERT:
            s->inserted += pv_characters(&diff->doc[1], op->b, op->b_len);
            break;
        case PV_DIFF_MOVE_TO:
            s->moved += pv_characters(&diff->doc[1], op->b, op->b_len);
            break;
        default:
            break;
        }
    }

    for (i = 0; i < diff->items_count; i++) {
        switch (diff->items[i].kind) {
        case PV_ITEM_SAME:
            s->blocks_unchanged++;
            break;
        case PV_ITEM_CHANGED:
            s->blocks_changed++;
            break;
        case PV_ITEM_INSERTED:
            s->blocks_inserted++;
            break;
        case PV_ITEM_DELETED:
            s->blocks_deleted++;
            break;
        case PV_ITEM_MOVED_TO:
            s->blocks_moved++;
            break;
        case PV_ITEM_MOVED_FROM:
            break;
        }
    }

    s->characters[0] = pv_characters(&diff->doc[0], 0, diff->doc[0].len);
    s->characters[1] = pv_characters(&diff->doc[1], 0, diff->doc[1].len);
    s->links = diff->changed_count;
    s->work = diff->work.spent;
    s->limited = diff->work.over != 0;
}


static size_t
pv_characters(const pv_doc_t *doc, uint32_t at, uint32_t len)
{
    size_t                n;
    const unsigned char  *p, *end;

    p = doc->text + at;

    for (n = 0, end = p + len; p < end; p++) {
        n += (*p & 0xc0) != 0x80;
    }

    return n;
}


pv_str_t
pv_diff_text(const pv_diff_t *diff, int side)
{
    const pv_doc_t  *doc = &diff->doc[side != 0];

    return (pv_str_t) { doc->text, doc->len };
}


const pv_diff_op_t *
pv_diff_ops(const pv_diff_t *diff, size_t *n)
{
    *n = diff->script_count;

    return diff->script;
}


const pv_diff_link_t *
pv_diff_links(const pv_diff_t *diff, size_t *n)
{
    *n = diff->changed_count;

    return diff->changed;
}


const pv_diff_stats_t *
pv_diff_stats(const pv_diff_t *diff)
{
    return &diff->stats;
}


int
pv_diff_same(const pv_diff_t *diff)
{
    return diff->stats.blocks_unchanged == diff->items_count;
}
