/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * Which block of A became which of B. Blocks with the same text come first:
 * those that stand once on each side are chained so that as much text as can
 * be keeps its place, and what lies between is compared as a sequence. What is
 * the same and long enough but out of place has moved. The rest is matched by
 * the words that two blocks share; only blocks that share a word which is not
 * everywhere are looked at together, and all of them in small gaps.
 */

#include <stdlib.h>
#include <string.h>

#include "pv_diff_match.h"


static int pv_match_classes(pv_match_t *m);
static int pv_match_same(const pv_doc_t *known, uint32_t number, const pv_doc_t *doc, const pv_block_t *block);
static int pv_match_equal(pv_match_t *m);
static int pv_match_unique(pv_match_t *m, uint32_t from, uint32_t a_to, uint32_t b_to);
static int pv_match_between(pv_match_t *m);
static int pv_match_moved(pv_match_t *m);
static int pv_match_extend(pv_match_t *m, uint32_t a, uint32_t b);
static int pv_match_free(const pv_match_t *m, uint32_t a, uint32_t b);
static void pv_match_number(pv_match_t *m);
static int pv_pairing_order(const void *x, const void *y);


int
pv_diff_match(pv_diff_t *diff)
{
    int         rc;
    pv_match_t  m;

    memset(&m, 0, sizeof(m));
    m.a = &diff->doc[0];
    m.b = &diff->doc[1];
    m.work = &diff->work;

    rc = pv_match_classes(&m);
    rc = rc == PV_OK ? pv_match_equal(&m) : rc;
    rc = rc == PV_OK ? pv_match_moved(&m) : rc;
    rc = rc == PV_OK ? pv_match_similar(&m) : rc;

    if (rc == PV_OK) {
        pv_match_number(&m);
    }

    free(m.pairings);

    return rc;
}


/* Numbers the blocks so that the same text has the same number. */
static int
pv_match_classes(pv_match_t *m)
{
    size_t       i, k, size, side;
    uint32_t    *slots;
    pv_doc_t    *doc, *docs[2];
    pv_block_t  *block;

    docs[0] = m->a;
    docs[1] = m->b;

    for (size = 64; size < 2 * (m->a->blocks_count + m->b->blocks_count); size *= 2) { /* void */ }

    /* Of each class, the first block that has it, from 1: twice its number, and the side. */
    slots = calloc(size, sizeof(uint32_t));
    if (slots == NULL) {
        return PV_ERROR;
    }

    for (side = 0; side < 2; side++) {
        doc = docs[side];

        for (i = 0; i < doc->blocks_count; i++) {
            block = &doc->blocks[i];

            for (k = block->hash & (size - 1);
                 slots[k] != 0 && !pv_match_same(docs[slots[k] & 1], (slots[k] >> 1) - 1, doc, block);
                 k = (k + 1) & (size - 1))
            { /* void */ }

            if (slots[k] == 0) {
                slots[k] = (uint32_t) ((i + 1) << 1 | side);
                block->class = m->classes++;

            } else {
                block->class = docs[slots[k] & 1]->blocks[(slots[k] >> 1) - 1].class;
            }
        }
    }

    free(slots);

    return PV_OK;
}


/* A row is no paragraph, whatever its text. */
static int
pv_match_same(const pv_doc_t *known, uint32_t number, const pv_doc_t *doc, const pv_block_t *block)
{
    const pv_block_t  *other = &known->blocks[number];

    return other->hash == block->hash && other->len == block->len
           && (other->kind == PV_BLOCK_ROW) == (block->kind == PV_BLOCK_ROW)
           && memcmp(known->text + other->at, doc->text + block->at, block->len) == 0;
}


/* What is the same, in the same order. */
static int
pv_match_equal(pv_match_t *m)
{
    int       rc;
    uint32_t  from, a_to, b_to;

    a_to = (uint32_t) m->a->blocks_count;
    b_to = (uint32_t) m->b->blocks_count;

    for (from = 0; from < a_to && from < b_to && m->a->blocks[from].class == m->b->blocks[from].class; from++) {
        pv_match(m, from, from);
    }

    while (a_to > from && b_to > from && m->a->blocks[a_to - 1].class == m->b->blocks[b_to - 1].class) {
        pv_match(m, --a_to, --b_to);
    }

    m->work->spent += from + m->a->blocks_count - a_to;

    if (from == a_to || from == b_to) {
        return PV_OK;
    }

    rc = pv_match_unique(m, from, a_to, b_to);

    return rc == PV_OK ? pv_match_between(m) : rc;
}


void
pv_match(pv_match_t *m, uint32_t a, uint32_t b)
{
    m->a->blocks[a].match = b;
    m->b->blocks[b].match = a;
}


/* Blocks that stand once on each side between from and to: the chain of them that is longest by text. */
static int
pv_match_unique(pv_match_t *m, uint32_t from, uint32_t a_to, uint32_t b_to)
{
    int        rc;
    uint32_t   i, class;
    struct { uint32_t a, b, at; }  *seen;

    seen = calloc(m->classes, sizeof(*seen));
    if (seen == NULL) {
        return PV_ERROR;
    }

    for (i = from; i < a_to; i++) {
        seen[m->a->blocks[i].class].a++;
    }

    for (i = from; i < b_to; i++) {
        class = m->b->blocks[i].class;
        seen[class].b++;
        seen[class].at = i;
    }

    m->pairings_count = 0;
    rc = PV_OK;

    for (i = from; i < a_to && rc == PV_OK; i++) {
        class = m->a->blocks[i].class;

        if (seen[class].a == 1 && seen[class].b == 1) {
            rc = pv_pairing(m, i, seen[class].at, m->a->blocks[i].len + 1, PV_SIMILAR_SAME);
        }
    }

    m->work->spent += a_to - from + b_to - from;
    free(seen);

    return rc == PV_OK ? pv_match_chain(m) : rc;
}


int
pv_pairing(pv_match_t *m, uint32_t a, uint32_t b, uint32_t weight, uint32_t similar)
{
    pv_pairing_t  *p;

    p = pv_more((void **) &m->pairings, &m->pairings_size, m->pairings_count, sizeof(pv_pairing_t));
    if (p == NULL) {
        return PV_ERROR;
    }

    p->a = a;
    p->b = b;
    p->weight = weight;
    p->similar = similar;
    m->pairings_count++;

    return PV_OK;
}


static int
pv_pairing_order(const void *x, const void *y)
{
    const pv_pairing_t  *p = x, *q = y;

    if (p->a != q->a) {
        return p->a < q->a ? -1 : 1;
    }

    /* Of one block's pairings, at most one can be in a chain: the later ones come first. */
    return p->b < q->b ? 1 : p->b > q->b ? -1 : 0;
}


/*
 * Matches the heaviest chain of pairings in which both sides go on. best[] is
 * a Fenwick tree over B: the pairing that ends the heaviest chain up to there.
 */
int
pv_match_chain(pv_match_t *m)
{
    size_t         i, n;
    uint64_t      *total;
    uint32_t      *best, *before, k, end;
    pv_pairing_t  *p;

    n = m->b->blocks_count + 1;

    if (m->pairings_count == 0) {
        return PV_OK;
    }

    qsort(m->pairings, m->pairings_count, sizeof(pv_pairing_t), pv_pairing_order);

    best = malloc((n + m->pairings_count) * sizeof(uint32_t));
    total = malloc(m->pairings_count * sizeof(uint64_t));

    if (best == NULL || total == NULL) {
        free(best);
        free(total);
        return PV_ERROR;
    }

    memset(best, 0xff, n * sizeof(uint32_t));
    before = best + n;
    end = PV_NONE;

    for (i = 0; i < m->pairings_count; i++) {
        p = &m->pairings[i];
        before[i] = PV_NONE;

        for (k = p->b; k > 0; k &= k - 1) {
            if (best[k] != PV_NONE && (before[i] == PV_NONE || total[best[k]] > total[before[i]])) {
                before[i] = best[k];
            }
        }

        total[i] = p->weight + (before[i] == PV_NONE ? 0 : total[before[i]]);

        for (k = p->b + 1; k < n; k += k & -k) {
            if (best[k] == PV_NONE || total[best[k]] < total[i]) {
                best[k] = (uint32_t) i;
            }
        }

        if (end == PV_NONE || total[end] < total[i]) {
            end = (uint32_t) i;
        }
    }

    for ( /* void */ ; end != PV_NONE; end = before[end]) {
        pv_match(m, m->pairings[end].a, m->pairings[end].b);
    }

    m->work->spent += 16 * m->pairings_count;
    free(best);
    free(total);

    return PV_OK;
}


int
pv_next_gap(const pv_match_t *m, pv_gap_t *g)
{
    for ( ;; ) {

        if (g->a_to > m->a->blocks_count || g->b_to > m->b->blocks_count) {
            return 0;
        }

        g->a = g->a_to;
        g->b = g->b_to;

        while (g->a_to < m->a->blocks_count
               && (m->a->blocks[g->a_to].match == PV_NONE || m->a->blocks[g->a_to].move != 0))
        {
            g->a_to++;
        }

        g->b_to = g->a_to < m->a->blocks_count ? m->a->blocks[g->a_to].match : (uint32_t) m->b->blocks_count;

        if (g->a_to > g->a && g->b_to > g->b) {
            return 1;
        }

        g->a_to++;
        g->b_to++;
    }
}


/* What stands more than once: compared as a sequence, gap by gap, without what is on one side only. */
static int
pv_match_between(pv_match_t *m)
{
    int        rc;
    size_t     n, k, i, j;
    uint8_t   *seen, *changed;
    uint32_t  *list, *a, *b, *a_at, *b_at, x;
    pv_gap_t   g;

    n = m->a->blocks_count;
    k = m->b->blocks_count;

    list = malloc(2 * (n + k) * sizeof(uint32_t));
    changed = malloc(n + k);
    seen = calloc(m->classes, 1);
    rc = list == NULL || changed == NULL || seen == NULL ? PV_ERROR : PV_OK;

    a = list;
    b = a + n;
    a_at = b + k;
    b_at = a_at + n;

    for (memset(&g, 0, sizeof(g)); rc == PV_OK && pv_next_gap(m, &g); g.a_to++, g.b_to++) {

        for (x = g.a; x < g.a_to; x++) {
            seen[m->a->blocks[x].class] = 1;
        }

        for (k = 0, x = g.b; x < g.b_to; x++) {
            if (seen[m->b->blocks[x].class] & 1) {
                seen[m->b->blocks[x].class] |= 2;
                b[k] = m->b->blocks[x].class;
                b_at[k++] = x;
            }
        }

        for (n = 0, x = g.a; x < g.a_to; x++) {
            if (seen[m->a->blocks[x].class] & 2) {
                a[n] = m->a->blocks[x].class;
                a_at[n++] = x;
            }
        }

        memset(changed, 0, n + k);
        rc = n != 0 ? pv_sequence_diff(a, n, b, k, changed, changed + n, m->work) : PV_OK;

        for (i = 0, j = 0; rc == PV_OK && i < n && j < k; /* void */) {
            if (changed[i]) {
                i++;
            } else if (changed[n + j]) {
                j++;
            } else {
                pv_match(m, a_at[i++], b_at[j++]);
            }
        }

        for (x = g.a; x < g.a_to; x++) {
            seen[m->a->blocks[x].class] = 0;
        }

        m->work->spent += g.a_to - g.a + g.b_to - g.b;
    }

    free(list);
    free(changed);
    free(seen);

    return rc;
}


/* The same text elsewhere: a long block, or some that stay together and are long enough as one. */
static int
pv_match_moved(pv_match_t *m)
{
    uint32_t     i, k, n, *first, *next;
    pv_block_t  *block;

    first = malloc((m->classes + m->b->blocks_count) * sizeof(uint32_t) + 1);
    if (first == NULL) {
        return PV_ERROR;
    }

    next = first + m->classes;
    memset(first, 0xff, m->classes * sizeof(uint32_t));

    for (i = (uint32_t) m->b->blocks_count; i-- > 0; /* void */) {
        block = &m->b->blocks[i];

        if (block->match == PV_NONE) {
            next[i] = first[block->class];
            first[block->class] = i;
        }
    }

    for (i = 0; i < m->a->blocks_count; i++) {
        block = &m->a->blocks[i];

        if (block->match != PV_NONE) {
            continue;
        }

        for (n = 0, k = first[block->class]; k != PV_NONE && n < PV_MOVE_TRIES; k = next[k]) {

            if (m->b->blocks[k].match != PV_NONE) {
                first[block->class] = n == 0 ? next[k] : first[block->class];
                continue;
            }

            if (pv_match_extend(m, i, k)) {
                break;
            }
            n++;
        }

        m->work->spent += n;
    }

    free(first);

    return PV_OK;
}


void
pv_match_move(pv_match_t *m, uint32_t a, uint32_t b)
{
    pv_match(m, a, b);
    m->a->blocks[a].move = 1;
    m->b->blocks[b].move = 1;
}


/*
 * What is the same beside a block has moved with it, short as it may be:
 * headings, above all. 0 when all of it is too short to be called moved.
 */
static int
pv_match_extend(pv_match_t *m, uint32_t a, uint32_t b)
{
    size_t    len;
    uint32_t  before, after;

    for (before = 0, len = 0; before < a && before < b && pv_match_free(m, a - before - 1, b - before - 1); before++) {
        len += m->a->blocks[a - before - 1].len;
    }

    for (after = 0; a + after < m->a->blocks_count && b + after < m->b->blocks_count
                    && pv_match_free(m, a + after, b + after); after++)
    {
        len += m->a->blocks[a + after].len;
    }

    m->work->spent += before + after;

    if (len < PV_MOVE_MIN) {
        return 0;
    }

    for (a -= before, b -= before, after += before; after > 0; after--) {
        pv_match_move(m, a++, b++);
    }

    return 1;
}


/* 1: the same text, and not matched yet. */
static int
pv_match_free(const pv_match_t *m, uint32_t a, uint32_t b)
{
    const pv_block_t  *x = &m->a->blocks[a], *y = &m->b->blocks[b];

    return x->match == PV_NONE && y->match == PV_NONE && x->class == y->class;
}


/* Moved blocks that stay together are one move. */
static void
pv_match_number(pv_match_t *m)
{
    uint32_t     i, number;
    pv_block_t  *block, *before;

    for (number = 0, i = 0; i < m->b->blocks_count; i++) {
        block = &m->b->blocks[i];

        if (block->move == 0) {
            continue;
        }

        before = i > 0 && m->b->blocks[i - 1].move != 0 ? &m->b->blocks[i - 1] : NULL;

        if (before == NULL || before->match + 1 != block->match) {
            number++;
        }

        block->move = number;
        m->a->blocks[block->match].move = number;
    }
}
