/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * What changed within a block, so that it reads as if a person had marked it:
 * compared token by token, then joined where less stays between two changes
 * than changes on either side, then shifted to where a sentence, a clause or a
 * word begins.
 */

#include <stdlib.h>
#include <string.h>

#include "pv_diff_doc.h"

#define PV_CELLS_MAX  64        /* rows with more are compared cell by cell in order */
#define PV_JOIN_MAX   8         /* what stays is kept from so much on: a word is 2, a character of a word 1 */


/* Tokens a0 to a1 of A became b0 to b1 of B; tokens are counted in their documents. */
typedef struct {
    uint32_t  a0, a1, b0, b1;
    uint32_t  deleted, inserted;    /* characters */
    uint32_t  equal;                /* characters between the hunk before and this one */
    uint32_t  words;                /* the same, as PV_JOIN_MAX counts */
} pv_hunk_t;

/* A stretch of one block of either side: bytes, and the tokens in them. */
typedef struct {
    uint32_t  at, end;
    uint32_t  token, token_end;
} pv_stretch_t;

typedef struct {
    pv_diff_t        *diff;
    const pv_item_t  *item;
    pv_doc_t         *a, *b;
    pv_stretch_t      in_a, in_b;
    pv_hunk_t        *hunks;
    size_t            count, size;
} pv_words_t;


static int pv_words_stretch(pv_words_t *w);
static int pv_words_hunks(pv_words_t *w, const uint8_t *a_changed, const uint8_t *b_changed);
static void pv_words_join(pv_words_t *w);
static int pv_words_joins(const pv_hunk_t *before, const pv_hunk_t *h);
static void pv_words_rewritten(pv_words_t *w);
static void pv_words_shift(pv_words_t *w);
static void pv_words_shift_one(const pv_doc_t *doc, const pv_stretch_t *in, uint32_t *from, uint32_t *to,
    uint32_t low, uint32_t high, uint32_t *other_from, uint32_t *other_to);
static int pv_words_edge(const pv_doc_t *doc, const pv_stretch_t *in, uint32_t token);
static int pv_words_operations(pv_words_t *w);
static int pv_words_equal(pv_words_t *w, uint32_t a, uint32_t a_to, uint32_t b);
static int pv_words_gap(pv_words_t *w, const pv_hunk_t *h);
static int pv_words_add(pv_words_t *w, pv_diff_kind_t kind, uint32_t a, uint32_t a_len, uint32_t b, uint32_t b_len);
static uint32_t pv_words_characters(const pv_doc_t *doc, const pv_stretch_t *in, uint32_t from, uint32_t to);
static uint32_t pv_words_weight(const pv_doc_t *doc, uint32_t from, uint32_t to);
static int pv_words_row(pv_words_t *w, pv_item_t *item);
static int pv_words_cells(pv_words_t *w, pv_item_t *item);
static int pv_words_cell(pv_words_t *w, const pv_block_t *a, const pv_block_t *b, const pv_pair_t *pair);
static int pv_row_pairs(pv_diff_t *diff, pv_item_t *item);
static int pv_row_align(pv_diff_t *diff, pv_item_t *item, const pv_block_t *a, const pv_block_t *b);
static unsigned pv_cell_alike(const pv_diff_t *diff, const pv_cell_t *x, const pv_cell_t *y);
static int pv_row_pair(pv_diff_t *diff, pv_item_t *item, uint32_t a, uint32_t b);


int
pv_diff_words(pv_diff_t *diff, pv_item_t *item, uint32_t a_last, uint32_t b_last)
{
    int                rc;
    pv_words_t         w;
    const pv_block_t  *a, *b, *x, *y;

    memset(&w, 0, sizeof(w));
    w.diff = diff;
    w.item = item;
    w.a = &diff->doc[0];
    w.b = &diff->doc[1];
    a = &w.a->blocks[item->a];
    b = &w.b->blocks[item->b];

    if (a->kind == PV_BLOCK_ROW && b->kind == PV_BLOCK_ROW) {
        rc = pv_words_row(&w, item);

    } else {
        /* Between joined blocks, the line end is white space. */
        x = &w.a->blocks[a_last];
        y = &w.b->blocks[b_last];
        w.in_a = (pv_stretch_t) { a->at, x->at + x->len, a->token, x->token + x->tokens };
        w.in_b = (pv_stretch_t) { b->at, y->at + y->len, b->token, y->token + y->tokens };
        rc = pv_words_stretch(&w);
    }

    free(w.hunks);

    return rc;
}


static int
pv_words_stretch(pv_words_t *w)
{
    int        rc;
    size_t     i, n, m;
    uint8_t   *changed;
    uint32_t  *ids;

    n = w->in_a.token_end - w->in_a.token;
    m = w->in_b.token_end - w->in_b.token;

    ids = malloc((n + m + 1) * (sizeof(uint32_t) + 1));
    if (ids == NULL) {
        return PV_ERROR;
    }

    changed = (uint8_t *) (ids + n + m);
    memset(changed, 0, n + m);

    for (i = 0; i < n; i++) {
        ids[i] = w->a->tokens[w->in_a.token + i].id;
    }

    for (i = 0; i < m; i++) {
        ids[n + i] = w->b->tokens[w->in_b.token + i].id;
    }

    w->count = 0;
    w->diff->work.spent += n + m;

    rc = pv_sequence_diff(ids, n, ids + n, m, changed, changed + n, &w->diff->work);
    rc = rc == PV_OK ? pv_words_hunks(w, changed, changed + n) : rc;
    free(ids);

    if (rc == PV_OK) {
        pv_words_join(w);
        pv_words_rewritten(w);
        pv_words_shift(w);
        rc = pv_words_operations(w);
    }

    return rc;
}


static int
pv_words_hunks(pv_words_t *w, const uint8_t *a_changed, const uint8_t *b_changed)
{
    uint32_t    i, j, n, m, equal_from;
    pv_hunk_t  *h;

    n = w->in_a.token_end - w->in_a.token;
    m = w->in_b.token_end - w->in_b.token;

    for (i = 0, j = 0, equal_from = 0; i < n || j < m; /* void */) {

        if (!(i < n && a_changed[i]) && !(j < m && b_changed[j])) {
            i++;
            j++;
            continue;
        }

        h = pv_more((void **) &w->hunks, &w->size, w->count, sizeof(pv_hunk_t));
        if (h == NULL) {
            return PV_ERROR;
        }

        w->count++;
        h->a0 = w->in_a.token + i;
        h->b0 = w->in_b.token + j;
        h->equal = pv_words_characters(w->a, &w->in_a, w->in_a.token + equal_from, h->a0);
        h->words = pv_words_weight(w->a, w->in_a.token + equal_from, h->a0);

        for ( /* void */ ; i < n && a_changed[i]; i++) { /* void */ }
        for ( /* void */ ; j < m && b_changed[j]; j++) { /* void */ }

        h->a1 = w->in_a.token + i;
        h->b1 = w->in_b.token + j;
        h->deleted = pv_words_characters(w->a, &w->in_a, h->a0, h->a1);
        h->inserted = pv_words_characters(w->b, &w->in_b, h->b0, h->b1);
        equal_from = i;
    }

    return PV_OK;
}


/* Of the tokens, with the white space behind each. */
static uint32_t
pv_words_characters(const pv_doc_t *doc, const pv_stretch_t *in, uint32_t from, uint32_t to)
{
    uint32_t                n, end;
    const pv_diff_token_t  *token;

    for (n = 0; from < to; from++) {
        token = &doc->tokens[from];
        end = from + 1 < in->token_end ? token[1].at : in->end;
        n += token->characters + (end - token->at - token->len);
    }

    return n;
}


static uint32_t
pv_words_weight(const pv_doc_t *doc, uint32_t from, uint32_t to)
{
    uint32_t  n;

    for (n = 0; from < to && n < PV_JOIN_MAX; from++) {
        n += doc->tokens[from].kind == PV_TOKEN_WORD ? 2 : doc->tokens[from].kind == PV_TOKEN_CHARACTER;
    }

    return n;
}


/* No confetti: two changes with little between them are one. */
static void
pv_words_join(pv_words_t *w)
{
    size_t      i, n;
    pv_hunk_t  *h;

    for (n = 0, i = 0; i < w->count; i++) {
        w->hunks[n++] = w->hunks[i];

        while (n > 1 && pv_words_joins(&w->hunks[n - 2], &w->hunks[n - 1])) {
            h = &w->hunks[n - 2];
            h->a1 = h[1].a1;
            h->b1 = h[1].b1;
            h->deleted += h[1].equal + h[1].deleted;
            h->inserted += h[1].equal + h[1].inserted;
            n--;
        }
    }

    w->count = n;
}


static int
pv_words_joins(const pv_hunk_t *before, const pv_hunk_t *h)
{
    uint32_t  left, right;

    left = before->deleted > before->inserted ? before->deleted : before->inserted;
    right = h->deleted > h->inserted ? h->deleted : h->inserted;

    return h->words < PV_JOIN_MAX && h->equal <= left && h->equal <= right;
}


/* Where next to nothing stays, the whole was written anew. */
static void
pv_words_rewritten(pv_words_t *w)
{
    size_t      i;
    uint32_t    deleted, inserted, a, b;
    pv_hunk_t  *h;

    if (w->count < 2) {
        return;
    }

    for (deleted = 0, inserted = 0, i = 0; i < w->count; i++) {
        deleted += w->hunks[i].deleted;
        inserted += w->hunks[i].inserted;
    }

    a = pv_words_characters(w->a, &w->in_a, w->in_a.token, w->in_a.token_end);
    b = pv_words_characters(w->b, &w->in_b, w->in_b.token, w->in_b.token_end);

    if (5 * (uint64_t) (a - deleted) >= (a > b ? a : b)) {
        return;
    }

    h = w->hunks;
    *h = (pv_hunk_t) { w->in_a.token, w->in_a.token_end, w->in_b.token, w->in_b.token_end, a, b, 0, 0 };
    w->count = 1;
}


/* What was only inserted, or only deleted, can often be said in more than one place. Two changes never touch. */
static void
pv_words_shift(pv_words_t *w)
{
    size_t      i;
    pv_hunk_t  *h, *before, *after;

    for (i = 0; i < w->count; i++) {
        h = &w->hunks[i];
        before = i > 0 ? h - 1 : NULL;
        after = i + 1 < w->count ? h + 1 : NULL;

        if (h->a0 == h->a1) {
            pv_words_shift_one(w->b, &w->in_b, &h->b0, &h->b1, before != NULL ? before->b1 + 1 : w->in_b.token,
                               after != NULL ? after->b0 - 1 : w->in_b.token_end, &h->a0, &h->a1);

        } else if (h->b0 == h->b1) {
            pv_words_shift_one(w->a, &w->in_a, &h->a0, &h->a1, before != NULL ? before->a1 + 1 : w->in_a.token,
                               after != NULL ? after->a0 - 1 : w->in_a.token_end, &h->b0, &h->b1);
        }
    }
}


static void
pv_words_shift_one(const pv_doc_t *doc, const pv_stretch_t *in, uint32_t *from, uint32_t *to, uint32_t low,
    uint32_t high, uint32_t *other_from, uint32_t *other_to)
{
    int                     score, best_score;
    uint32_t                x, y, best;
    const pv_diff_token_t  *t = doc->tokens;

    x = *from;
    y = *to;

    for ( /* void */ ; x > low && t[x - 1].id == t[y - 1].id; x--, y--) { /* void */ }

    for (best = x, best_score = -1; ; x++, y++) {
        score = pv_words_edge(doc, in, x) + pv_words_edge(doc, in, y);

        if (score > best_score || (score == best_score && x <= *from)) {
            best_score = score;
            best = x;
        }

        if (y >= high || t[x].id != t[y].id) {
            break;
        }
    }

    *other_from = *other_from - *from + best;
    *other_to = *other_from;
    *to = *to - *from + best;
    *from = best;
}


/* How good a place it is for a change to begin or end: before this token. */
static int
pv_words_edge(const pv_doc_t *doc, const pv_stretch_t *in, uint32_t token)
{
    const pv_diff_token_t  *before, *after;

    if (token == in->token || token == in->token_end) {
        return 6;
    }

    after = &doc->tokens[token];
    before = after - 1;

    if (before->at + before->len < after->at) {
        return doc->text[after->at - 1] == '\n' ? 6 : before->kind == PV_TOKEN_STOP ? 5
               : before->kind == PV_TOKEN_CLAUSE ? 4 : 3;
    }

    switch (before->kind) {
    case PV_TOKEN_STOP:
        return 5;
    case PV_TOKEN_CLAUSE:
        return 4;
    case PV_TOKEN_OPEN:
        return 1;
    default:
        break;
    }

    switch (after->kind) {
    case PV_TOKEN_OPEN:
        return 3;
    case PV_TOKEN_STOP:
    case PV_TOKEN_CLAUSE:
        return 2;
    case PV_TOKEN_CHARACTER:
        return before->kind == PV_TOKEN_CHARACTER ? 0 : 1;
    default:
        return 1;
    }
}


/* Both sides, whole: the hunks, what is equal between them, and white space that differs there. */
static int
pv_words_operations(pv_words_t *w)
{
    int        rc;
    size_t     i;
    uint32_t   a, b;
    pv_hunk_t  none;

    a = w->in_a.token;
    b = w->in_b.token;
    memset(&none, 0, sizeof(none));
    rc = PV_OK;

    if (w->count == 0 || w->hunks[0].a0 != a || w->hunks[0].b0 != b) {
        none.a0 = none.a1 = a;
        none.b0 = none.b1 = b;
        rc = pv_words_gap(w, &none);
    }

    for (i = 0; i < w->count && rc == PV_OK; i++) {
        rc = pv_words_equal(w, a, w->hunks[i].a0, b);
        rc = rc == PV_OK ? pv_words_gap(w, &w->hunks[i]) : rc;
        a = w->hunks[i].a1;
        b = w->hunks[i].b1;
    }

    rc = rc == PV_OK ? pv_words_equal(w, a, w->in_a.token_end, b) : rc;

    if (rc == PV_OK && a != w->in_a.token_end) {
        none.a0 = none.a1 = w->in_a.token_end;
        none.b0 = none.b1 = w->in_b.token_end;
        rc = pv_words_gap(w, &none);
    }

    return rc;
}


/* Equal tokens, from the first one's begin to the last one's end. */
static int
pv_words_equal(pv_words_t *w, uint32_t a, uint32_t a_to, uint32_t b)
{
    int                     rc;
    uint32_t                len;
    pv_hunk_t               none;
    const pv_diff_token_t  *x, *y, *x_last, *y_last;

    if (a == a_to) {
        return PV_OK;
    }

    x = &w->a->tokens[a];
    y = &w->b->tokens[b];
    x_last = &w->a->tokens[a_to - 1];
    y_last = y + (x_last - x);
    len = x_last->at + x_last->len - x->at;

    if (len == y_last->at + y_last->len - y->at && memcmp(w->a->text + x->at, w->b->text + y->at, len) == 0) {
        return pv_words_add(w, PV_DIFF_EQUAL, x->at, len, y->at, len);
    }

    for (rc = PV_OK; rc == PV_OK && a < a_to; a++, b++) {
        x = &w->a->tokens[a];
        y = &w->b->tokens[b];
        rc = pv_words_add(w, PV_DIFF_EQUAL, x->at, x->len, y->at, y->len);

        if (rc == PV_OK && a + 1 < a_to) {
            memset(&none, 0, sizeof(none));
            none.a0 = none.a1 = a + 1;
            none.b0 = none.b1 = b + 1;
            rc = pv_words_gap(w, &none);
        }
    }

    return rc;
}


/* A hunk with the white space on both sides of it: what of that both have is equal. */
static int
pv_words_gap(pv_words_t *w, const pv_hunk_t *h)
{
    int               rc;
    uint32_t          i, a, b, a_end, b_end, a_lead, b_lead, a_tail, b_tail, lead, tail;
    pv_diff_token_t  *x = w->a->tokens, *y = w->b->tokens;
    unsigned char    *p = w->a->text, *q = w->b->text;

    a = h->a0 > w->in_a.token ? x[h->a0 - 1].at + x[h->a0 - 1].len : w->in_a.at;
    b = h->b0 > w->in_b.token ? y[h->b0 - 1].at + y[h->b0 - 1].len : w->in_b.at;
    a_end = h->a1 < w->in_a.token_end ? x[h->a1].at : w->in_a.end;
    b_end = h->b1 < w->in_b.token_end ? y[h->b1].at : w->in_b.end;

    a_lead = (h->a0 < h->a1 ? x[h->a0].at : a_end) - a;
    b_lead = (h->b0 < h->b1 ? y[h->b0].at : b_end) - b;
    a_tail = h->a0 < h->a1 ? a_end - (x[h->a1 - 1].at + x[h->a1 - 1].len) : a_lead;
    b_tail = h->b0 < h->b1 ? b_end - (y[h->b1 - 1].at + y[h->b1 - 1].len) : b_lead;

    for (lead = 0; lead < a_lead && lead < b_lead && p[a + lead] == q[b + lead]; lead++) { /* void */ }

    i = h->a0 < h->a1 ? a_tail : a_tail - lead;
    b_tail = h->b0 < h->b1 ? b_tail : b_tail - lead;

    for (tail = 0; tail < i && tail < b_tail && p[a_end - tail - 1] == q[b_end - tail - 1]; tail++) { /* void */ }

    rc = pv_words_add(w, PV_DIFF_EQUAL, a, lead, b, lead);
    rc = rc == PV_OK ? pv_words_add(w, PV_DIFF_DELETE, a + lead, a_end - tail - a - lead, b + lead, 0) : rc;
    rc = rc == PV_OK ? pv_words_add(w, PV_DIFF_INSERT, a_end - tail, 0, b + lead, b_end - tail - b - lead) : rc;

    return rc == PV_OK ? pv_words_add(w, PV_DIFF_EQUAL, a_end - tail, tail, b_end - tail, tail) : rc;
}


static int
pv_words_add(pv_words_t *w, pv_diff_kind_t kind, uint32_t a, uint32_t a_len, uint32_t b, uint32_t b_len)
{
    return pv_diff_add(w->diff, w->item, (pv_diff_op_t) { kind, 0, a, a_len, b, b_len });
}


/* Cells are compared one by one: no change goes across their borders. */
static int
pv_words_row(pv_words_t *w, pv_item_t *item)
{
    int  rc;

    rc = pv_row_pairs(w->diff, item);

    return rc == PV_OK ? pv_words_cells(w, item) : rc;
}


static int
pv_words_cells(pv_words_t *w, pv_item_t *item)
{
    int                rc;
    uint32_t           i, a_at, b_at;
    pv_pair_t         *pair;
    const pv_block_t  *a, *b;
    const pv_cell_t   *x, *y;

    a = &w->a->blocks[item->a];
    b = &w->b->blocks[item->b];
    w->in_a.token_end = a->token;
    w->in_b.token_end = b->token;

    for (rc = PV_OK, i = 0; i < item->pairs && rc == PV_OK; i++) {
        pair = &w->diff->pairs[item->pair + i];
        x = pair->a != PV_NONE ? &w->a->cells[a->cell + pair->a] : NULL;
        y = pair->b != PV_NONE ? &w->b->cells[b->cell + pair->b] : NULL;

        /* The tab before each cell but the first. */
        a_at = x != NULL && pair->a != 0 ? x->at - 1 : PV_NONE;
        b_at = y != NULL && pair->b != 0 ? y->at - 1 : PV_NONE;

        if (a_at != PV_NONE && b_at != PV_NONE) {
            rc = pv_words_add(w, PV_DIFF_EQUAL, a_at, 1, b_at, 1);

        } else if (a_at != PV_NONE) {
            rc = pv_words_add(w, PV_DIFF_DELETE, a_at, 1, 0, 0);

        } else if (b_at != PV_NONE) {
            rc = pv_words_add(w, PV_DIFF_INSERT, 0, 0, b_at, 1);
        }

        rc = rc == PV_OK ? pv_words_cell(w, a, b, pair) : rc;
    }

    return rc;
}


static int
pv_words_cell(pv_words_t *w, const pv_block_t *a, const pv_block_t *b, const pv_pair_t *pair)
{
    uint32_t          n;
    const pv_cell_t  *x, *y;

    x = pair->a != PV_NONE ? &w->a->cells[a->cell + pair->a] : NULL;
    y = pair->b != PV_NONE ? &w->b->cells[b->cell + pair->b] : NULL;

    if (x != NULL) {
        w->in_a = (pv_stretch_t) { x->at, x->at + x->len, w->in_a.token_end, 0 };

        for (n = w->in_a.token; n < a->token + a->tokens && w->a->tokens[n].at < x->at + x->len; n++) { /* void */ }
        w->in_a.token_end = n;
    }

    if (y != NULL) {
        w->in_b = (pv_stretch_t) { y->at, y->at + y->len, w->in_b.token_end, 0 };

        for (n = w->in_b.token; n < b->token + b->tokens && w->b->tokens[n].at < y->at + y->len; n++) { /* void */ }
        w->in_b.token_end = n;
    }

    if (x != NULL && y != NULL) {
        return pv_words_stretch(w);
    }

    return x != NULL ? pv_words_add(w, PV_DIFF_DELETE, x->at, x->len, 0, 0)
                     : pv_words_add(w, PV_DIFF_INSERT, 0, 0, y->at, y->len);
}


static int
pv_row_pairs(pv_diff_t *diff, pv_item_t *item)
{
    int                rc;
    uint32_t           i;
    const pv_block_t  *a, *b;

    a = &diff->doc[0].blocks[item->a];
    b = &diff->doc[1].blocks[item->b];
    item->pair = (uint32_t) diff->pairs_count;

    if (a->cells != b->cells && a->cells <= PV_CELLS_MAX && b->cells <= PV_CELLS_MAX) {
        return pv_row_align(diff, item, a, b);
    }

    for (rc = PV_OK, i = 0; (i < a->cells || i < b->cells) && rc == PV_OK; i++) {
        rc = pv_row_pair(diff, item, i < a->cells ? i : PV_NONE, i < b->cells ? i : PV_NONE);
    }

    return rc;
}


static int
pv_row_pair(pv_diff_t *diff, pv_item_t *item, uint32_t a, uint32_t b)
{
    pv_pair_t  *pair;

    pair = pv_more((void **) &diff->pairs, &diff->pairs_size, diff->pairs_count, sizeof(pv_pair_t));
    if (pair == NULL) {
        return PV_ERROR;
    }

    pair->a = a;
    pair->b = b;
    diff->pairs_count++;
    item->pairs++;

    return PV_OK;
}


/* A column came or went: the cells that are alike stay together, in order. */
static int
pv_row_align(pv_diff_t *diff, pv_item_t *item, const pv_block_t *a, const pv_block_t *b)
{
    int         rc;
    unsigned    score;
    uint32_t    i, k;
    uint16_t    best[PV_CELLS_MAX + 1][PV_CELLS_MAX + 1];
    pv_cell_t  *x, *y;

    x = diff->doc[0].cells + a->cell;
    y = diff->doc[1].cells + b->cell;
    memset(best, 0, sizeof(best));

    for (i = a->cells; i-- > 0; /* void */) {
        for (k = b->cells; k-- > 0; /* void */) {
            score = pv_cell_alike(diff, &x[i], &y[k]);
            score = score != 0 ? score + best[i + 1][k + 1] : 0;
            score = score < best[i + 1][k] ? best[i + 1][k] : score;
            best[i][k] = (uint16_t) (score < best[i][k + 1] ? best[i][k + 1] : score);
        }
    }

    diff->work.spent += (uint64_t) a->cells * b->cells;

    for (rc = PV_OK, i = 0, k = 0; (i < a->cells || k < b->cells) && rc == PV_OK; /* void */) {

        score = i < a->cells && k < b->cells ? pv_cell_alike(diff, &x[i], &y[k]) : 0;

        if (score != 0 && best[i][k] == score + best[i + 1][k + 1]) {
            rc = pv_row_pair(diff, item, i++, k++);

        } else if (i < a->cells && (k == b->cells || best[i][k] == best[i + 1][k])) {
            rc = pv_row_pair(diff, item, i++, PV_NONE);

        } else {
            rc = pv_row_pair(diff, item, PV_NONE, k++);
        }
    }

    return rc;
}


/* 8 for the same, 0 to 7 by how much of the shorter one begins or ends the same. */
static unsigned
pv_cell_alike(const pv_diff_t *diff, const pv_cell_t *x, const pv_cell_t *y)
{
    uint32_t              n, from, to;
    const unsigned char  *p, *q;

    p = diff->doc[0].text + x->at;
    q = diff->doc[1].text + y->at;
    n = x->len < y->len ? x->len : y->len;

    for (from = 0; from < n && p[from] == q[from]; from++) { /* void */ }

    if (from == n && x->len == y->len) {
        return 8;
    }

    for (to = 0; to < n - from && p[x->len - 1 - to] == q[y->len - 1 - to]; to++) { /* void */ }

    return n == 0 ? 0 : 7 * (from + to) / n;
}
