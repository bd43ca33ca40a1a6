/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * Changed blocks, matched by what they share. A block's features are its words,
 * and pairs of neighbours in scripts without spaces: single characters are
 * everywhere. Each has a weight, about its length.
 */

#include <stdlib.h>
#include <string.h>

#include "pv_diff_match.h"

#define PV_COMMON         24        /* a feature of more blocks than that says nothing */
#define PV_CANDIDATES     4         /* blocks that one is compared with closely */
#define PV_SMALL_GAP      256       /* pairs */
#define PV_SHORT_BLOCK    24        /* tokens */
#define PV_JOIN_WEIGHT    12        /* of words, for a part of a paragraph to be known */
#define PV_WEIGHT_BITS    3u
#define PV_WEIGHT_MAX     7u

#define pv_weight(f)      ((f) & PV_WEIGHT_MAX)


/* A block's features: feature[from] and on, sorted once they are compared. */
typedef struct {
    uint32_t  from, count;
    uint32_t  weight;
    uint32_t  sorted;
} pv_features_t;

/* Which blocks of A have a feature: entries of a list. */
typedef struct {
    uint32_t  feature;
    uint32_t  count;
    uint32_t  first;
} pv_index_slot_t;

typedef struct {
    uint32_t  block, next;
} pv_index_entry_t;

typedef struct {
    pv_match_t        *match;
    pv_features_t     *of[2];
    uint32_t          *features;
    size_t             features_count, features_size;
    pv_index_slot_t   *slots;
    size_t             slots_size;
    pv_index_entry_t  *entries;
    uint32_t          *shared;      /* by block of A: weight shared with the block that is looked at */
    uint32_t          *touched;
    uint32_t          *gap;         /* by block of A, then of B */
} pv_similar_t;


static int pv_similar_features(pv_similar_t *s);
static int pv_block_features(pv_similar_t *s, const pv_doc_t *doc, const pv_block_t *block, pv_features_t *f);
static int pv_feature_add(pv_similar_t *s, pv_features_t *f, uint32_t hash, uint32_t weight);
static int pv_similar_index(pv_similar_t *s);
static void pv_index_add(pv_similar_t *s, uint32_t feature, uint32_t block, uint32_t entry);
static pv_index_slot_t *pv_index_find(const pv_similar_t *s, uint32_t feature);
static int pv_similar_candidates(pv_similar_t *s);
static int pv_similar_candidate(pv_similar_t *s, uint32_t b);
static void pv_similar_gaps(pv_similar_t *s);
static void pv_similar_moves(pv_similar_t *s, pv_pairing_t *moves, size_t n);
static int pv_similar_small_gaps(pv_similar_t *s);
static void pv_similar_joins(pv_similar_t *s, int side);
static int pv_similar_join(pv_similar_t *s, int side, uint32_t number, uint32_t neighbour);
static uint32_t pv_similar(pv_similar_t *s, uint32_t a, uint32_t b, uint32_t *weight);
static void pv_sort(uint32_t *list, size_t n);
static int pv_similar_order(const void *x, const void *y);


int
pv_match_similar(pv_match_t *m)
{
    int           rc;
    size_t        n, k;
    pv_similar_t  s;

    n = m->a->blocks_count;
    k = m->b->blocks_count;

    memset(&s, 0, sizeof(s));
    s.match = m;
    s.of[0] = calloc(n + k + 1, sizeof(pv_features_t));
    s.gap = malloc((3 * n + k + 1) * sizeof(uint32_t));
    rc = s.of[0] == NULL || s.gap == NULL ? PV_ERROR : PV_OK;

    if (rc == PV_OK) {
        s.of[1] = s.of[0] + n;
        s.shared = s.gap + n + k;
        s.touched = s.shared + n;
        memset(s.shared, 0, n * sizeof(uint32_t));

        rc = pv_similar_features(&s);
    }

    /* Past the limit, blocks are replaced as a whole: there is nothing to be gained by matching them. */
    if (rc == PV_OK && !m->work->over) {
        rc = pv_similar_index(&s);
        rc = rc == PV_OK ? pv_similar_candidates(&s) : rc;
        rc = rc == PV_OK ? pv_similar_small_gaps(&s) : rc;

        if (rc == PV_OK && !m->work->over) {
            pv_similar_joins(&s, 0);
            pv_similar_joins(&s, 1);
        }
    }

    free(s.of[0]);
    free(s.gap);
    free(s.features);
    free(s.slots);
    free(s.entries);

    return rc;
}


/* Tokens and features of what is not matched, where both sides have such. */
static int
pv_similar_features(pv_similar_t *s)
{
    int           rc;
    size_t        i, bytes[2];
    uint32_t      side;
    pv_doc_t     *docs[2];
    pv_intern_t  *intern;

    docs[0] = s->match->a;
    docs[1] = s->match->b;

    for (side = 0; side < 2; side++) {
        for (bytes[side] = 0, i = 0; i < docs[side]->blocks_count; i++) {
            bytes[side] += docs[side]->blocks[i].match == PV_NONE ? docs[side]->blocks[i].len + 1 : 0;
        }
    }

    if (bytes[0] == 0 || bytes[1] == 0) {
        return PV_OK;
    }

    s->match->work->spent += 3 * (bytes[0] + bytes[1]);

    if (s->match->work->spent > s->match->work->limit) {
        s->match->work->over = 1;
        return PV_OK;
    }

    intern = pv_intern_create((bytes[0] + bytes[1]) / 16);
    if (intern == NULL) {
        return PV_ERROR;
    }

    for (rc = PV_OK, side = 0; side < 2; side++) {
        for (i = 0; i < docs[side]->blocks_count && rc == PV_OK; i++) {

            if (docs[side]->blocks[i].match == PV_NONE) {
                rc = pv_doc_tokens(docs[side], (uint32_t) i, intern);
                rc = rc == PV_OK ? pv_block_features(s, docs[side], &docs[side]->blocks[i], &s->of[side][i]) : rc;
            }
        }
    }

    pv_intern_free(intern);

    return rc;
}


static int
pv_block_features(pv_similar_t *s, const pv_doc_t *doc, const pv_block_t *block, pv_features_t *f)
{
    int                     rc;
    uint32_t                i, hash;
    const pv_diff_token_t  *token, *before;

    f->from = (uint32_t) s->features_count;

    for (rc = PV_OK, i = 0, before = NULL; i < block->tokens && rc == PV_OK; i++, before = token) {
        token = &doc->tokens[block->token + i];
        hash = token->id * 0x9e3779b1u;

        if (token->kind == PV_TOKEN_WORD) {
            rc = pv_feature_add(s, f, hash, token->characters);
            continue;
        }

        if (token->kind != PV_TOKEN_CHARACTER) {
            continue;
        }

        /* A short block has few pairs, and one character may part them all. */
        if (block->tokens <= PV_SHORT_BLOCK) {
            rc = pv_feature_add(s, f, hash, 1);
        }

        if (before != NULL && before->kind == PV_TOKEN_CHARACTER && rc == PV_OK) {
            rc = pv_feature_add(s, f, (hash ^ before->id) * 0x85ebca6bu, 2);
        }
    }

    return rc;
}


static int
pv_feature_add(pv_similar_t *s, pv_features_t *f, uint32_t hash, uint32_t weight)
{
    uint32_t  *feature;

    feature = pv_more((void **) &s->features, &s->features_size, s->features_count, sizeof(uint32_t));
    if (feature == NULL) {
        return PV_ERROR;
    }

    weight = weight > PV_WEIGHT_MAX ? PV_WEIGHT_MAX : weight;
    *feature = ((hash ^ hash >> 15) & ~PV_WEIGHT_MAX) | weight;
    f->weight += weight;
    f->count++;
    s->features_count++;

    return PV_OK;
}


static int
pv_similar_index(pv_similar_t *s)
{
    size_t                i, k, n;
    const pv_features_t  *f;

    n = 0;

    for (i = 0; i < s->match->a->blocks_count; i++) {
        n += s->of[0][i].count;
    }

    for (s->slots_size = 64; s->slots_size < 2 * n; s->slots_size *= 2) { /* void */ }

    s->slots = calloc(s->slots_size, sizeof(pv_index_slot_t));
    s->entries = malloc((n + 1) * sizeof(pv_index_entry_t));

    if (s->slots == NULL || s->entries == NULL) {
        return PV_ERROR;
    }

    for (i = 0, n = 0; i < s->match->a->blocks_count; i++) {
        f = &s->of[0][i];

        for (k = 0; k < f->count; k++) {
            pv_index_add(s, s->features[f->from + k], (uint32_t) i, (uint32_t) n++);
        }
    }

    s->match->work->spent += 4 * n;

    return PV_OK;
}


static pv_index_slot_t *
pv_index_find(const pv_similar_t *s, uint32_t feature)
{
    size_t  i;

    for (i = feature >> PV_WEIGHT_BITS & (s->slots_size - 1);
         s->slots[i].count != 0 && s->slots[i].feature != feature;
         i = (i + 1) & (s->slots_size - 1))
    { /* void */ }

    return &s->slots[i];
}


static void
pv_index_add(pv_similar_t *s, uint32_t feature, uint32_t block, uint32_t entry)
{
    pv_index_slot_t  *slot;

    slot = pv_index_find(s, feature);

    if (slot->count > PV_COMMON || (slot->count != 0 && s->entries[slot->first].block == block)) {
        return;
    }

    s->entries[entry].block = block;
    s->entries[entry].next = slot->first;
    slot->feature = feature;
    slot->first = entry;
    slot->count++;
}


/* Pairings within gaps become matches in place; the others, where they are much alike, moves. */
static int
pv_similar_candidates(pv_similar_t *s)
{
    int            rc;
    size_t         i, n;
    uint32_t       b;
    pv_pairing_t  *all;
    pv_match_t    *m = s->match;

    m->pairings_count = 0;
    pv_similar_gaps(s);

    for (rc = PV_OK, b = 0; b < m->b->blocks_count && rc == PV_OK && !m->work->over; b++) {
        if (s->of[1][b].count != 0) {
            rc = pv_similar_candidate(s, b);
        }
    }

    n = m->pairings_count;
    if (rc != PV_OK || n == 0) {
        return rc;
    }

    all = malloc(n * sizeof(pv_pairing_t));
    if (all == NULL) {
        return PV_ERROR;
    }

    memcpy(all, m->pairings, n * sizeof(pv_pairing_t));

    for (m->pairings_count = 0, i = 0; i < n; i++) {
        if (s->gap[all[i].a] == s->gap[m->a->blocks_count + all[i].b]) {
            m->pairings[m->pairings_count++] = all[i];
        }
    }

    rc = pv_match_chain(m);

    if (rc == PV_OK) {
        pv_similar_moves(s, all, n);
    }

    free(all);

    return rc;
}


/* How many blocks before each are matched in place: the same number means the same gap. */
static void
pv_similar_gaps(pv_similar_t *s)
{
    size_t             i, side, at;
    uint32_t           gap;
    const pv_doc_t    *doc;
    const pv_block_t  *block;

    for (side = 0, at = 0; side < 2; side++) {
        doc = side ? s->match->b : s->match->a;

        for (gap = 0, i = 0; i < doc->blocks_count; i++) {
            block = &doc->blocks[i];
            s->gap[at++] = gap;
            gap += block->match != PV_NONE && block->move == 0;
        }
    }
}


/* The few blocks of A that share most with this one. */
static int
pv_similar_candidate(pv_similar_t *s, uint32_t b)
{
    int                     rc;
    size_t                  i, k, n, most;
    uint32_t                entry, a, similar, weight, best[PV_CANDIDATES];
    uint64_t                steps;
    pv_match_t             *m = s->match;
    const pv_features_t    *f = &s->of[1][b];
    const pv_index_slot_t  *slot;

    steps = f->count;

    for (n = 0, i = 0; i < f->count; i++) {
        slot = pv_index_find(s, s->features[f->from + i]);

        if (slot->count == 0 || slot->count > PV_COMMON) {
            continue;
        }

        for (k = 0, entry = slot->first; k < slot->count; k++, entry = s->entries[entry].next) {
            a = s->entries[entry].block;

            if (s->shared[a] == 0) {
                s->touched[n++] = a;
            }
            s->shared[a] += pv_weight(slot->feature);
        }

        steps += slot->count;
    }

    for (most = 0, i = 0; i < n; i++) {
        a = s->touched[i];

        for (k = most < PV_CANDIDATES ? most++ : PV_CANDIDATES; k > 0 && s->shared[best[k - 1]] < s->shared[a]; k--) {
            if (k < PV_CANDIDATES) {
                best[k] = best[k - 1];
            }
        }

        if (k < PV_CANDIDATES) {
            best[k] = a;
        }
    }

    for (i = 0; i < n; i++) {
        s->shared[s->touched[i]] = 0;
    }

    for (rc = PV_OK, i = 0; i < most && rc == PV_OK; i++) {
        similar = pv_similar(s, best[i], b, &weight);

        if (similar >= PV_SIMILAR) {
            rc = pv_pairing(m, best[i], b, weight + 1, similar);
        }
    }

    m->work->spent += 6 * steps;
    m->work->over |= m->work->spent > m->work->limit;

    return rc;
}


/* What is left of these, the most alike first. */
static void
pv_similar_moves(pv_similar_t *s, pv_pairing_t *moves, size_t n)
{
    size_t       i;
    pv_block_t  *a, *b;

    qsort(moves, n, sizeof(pv_pairing_t), pv_similar_order);

    for (i = 0; i < n && moves[i].similar >= PV_SIMILAR_MOVED; i++) {
        a = &s->match->a->blocks[moves[i].a];
        b = &s->match->b->blocks[moves[i].b];

        if (a->match == PV_NONE && b->match == PV_NONE && a->len >= PV_MOVE_MIN && b->len >= PV_MOVE_MIN) {
            pv_match_move(s->match, moves[i].a, moves[i].b);
        }
    }
}


static int
pv_similar_order(const void *x, const void *y)
{
    const pv_pairing_t  *p = x, *q = y;

    if (p->similar != q->similar) {
        return p->similar > q->similar ? -1 : 1;
    }

    return p->b != q->b ? (p->b < q->b ? -1 : 1) : p->a < q->a ? -1 : p->a > q->a;
}


/* Where few blocks face few, each is compared with each, also those without a rare word. */
static int
pv_similar_small_gaps(pv_similar_t *s)
{
    int          rc;
    uint32_t     a, b, na, nb, least, similar, weight;
    pv_gap_t     g;
    pv_match_t  *m = s->match;

    m->pairings_count = 0;

    for (rc = PV_OK, memset(&g, 0, sizeof(g)); rc == PV_OK && pv_next_gap(m, &g); g.a_to++, g.b_to++) {

        for (na = 0, a = g.a; a < g.a_to; a++) {
            na += m->a->blocks[a].match == PV_NONE;
        }

        for (nb = 0, b = g.b; b < g.b_to; b++) {
            nb += m->b->blocks[b].match == PV_NONE;
        }

        m->work->spent += g.a_to - g.a + g.b_to - g.b;

        if ((uint64_t) na * nb > PV_SMALL_GAP || m->work->over) {
            continue;
        }

        least = na == 1 && nb == 1 ? PV_SIMILAR_ONLY : PV_SIMILAR_NEAR;

        for (a = g.a; a < g.a_to; a++) {
            for (b = g.b; b < g.b_to && m->a->blocks[a].match == PV_NONE && rc == PV_OK && !m->work->over; b++) {

                if (m->b->blocks[b].match == PV_NONE) {
                    similar = pv_similar(s, a, b, &weight);
                    rc = similar >= least ? pv_pairing(m, a, b, weight + 1, similar) : PV_OK;
                }
            }
        }
    }

    return rc == PV_OK ? pv_match_chain(m) : rc;
}


/* Paragraphs that were cut in two (side 1), or put together (side 0): the parts go with the one that is matched. */
static void
pv_similar_joins(pv_similar_t *s, int side)
{
    uint32_t     i;
    pv_block_t  *block, *other;
    pv_doc_t    *doc;

    doc = side ? s->match->b : s->match->a;
    other = side ? s->match->a->blocks : s->match->b->blocks;

    for (i = 1; i < doc->blocks_count; i++) {
        block = &doc->blocks[i];

        if (block->match == PV_NONE && pv_similar_join(s, side, i, i - 1)) {
            block->match = block[-1].match;
            block->joined = 1;
        }
    }

    for (i = (uint32_t) doc->blocks_count; i-- > 1; /* void */) {
        block = &doc->blocks[i - 1];

        if (block->match == PV_NONE && pv_similar_join(s, side, i - 1, i)) {
            block->match = block[1].match;
            block[1].joined = 1;
            other[block->match].match = i - 1;
        }
    }
}


/* Most of its words are in the other side's block, besides those that its neighbour took. */
static int
pv_similar_join(pv_similar_t *s, int side, uint32_t number, uint32_t neighbour)
{
    uint32_t              other, weight, taken;
    const pv_doc_t       *docs[2];
    const pv_block_t     *block, *beside, *match, *second;
    const pv_features_t  *f, *g;

    docs[0] = s->match->a;
    docs[1] = s->match->b;
    block = &docs[side]->blocks[number];
    beside = &docs[side]->blocks[neighbour];
    second = number > neighbour ? block : beside;
    other = beside->match;

    if (s->match->work->over || other == PV_NONE || beside->move != 0 || beside->node != block->node
        || block->kind > PV_BLOCK_P || beside->kind > PV_BLOCK_P || block->tokens == 0
        || second[-1].token + second[-1].tokens != second->token)
    {
        return 0;
    }

    /* The other side's is one block by itself, and was taken apart too. */
    match = &docs[!side]->blocks[other];

    if (match->kind > PV_BLOCK_P || match->tokens == 0 || match->joined || match->class == beside->class
        || (other + 1 < docs[!side]->blocks_count && match[1].joined))
    {
        return 0;
    }

    f = &s->of[side][number];
    g = &s->of[!side][other];

    (void) pv_similar(s, side ? other : neighbour, side ? neighbour : other, &taken);
    (void) pv_similar(s, side ? other : number, side ? number : other, &weight);

    return weight >= PV_JOIN_WEIGHT && 10 * weight >= 6 * f->weight && 10 * (weight + taken) <= 11 * g->weight;
}


/* In thousandths, 0 where one cannot become the other; weight: of what both have. */
static uint32_t
pv_similar(pv_similar_t *s, uint32_t a, uint32_t b, uint32_t *weight)
{
    uint32_t           i, k, similar, shared, *x, *y;
    pv_features_t     *f, *g;
    const pv_block_t  *p, *q;

    f = &s->of[0][a];
    g = &s->of[1][b];
    p = &s->match->a->blocks[a];
    q = &s->match->b->blocks[b];
    *weight = 0;

    if ((p->kind == PV_BLOCK_ROW) != (q->kind == PV_BLOCK_ROW) || f->weight + g->weight == 0) {
        return 0;
    }

    x = s->features + f->from;
    y = s->features + g->from;

    if (!f->sorted) {
        pv_sort(x, f->count);
        f->sorted = 1;
    }

    if (!g->sorted) {
        pv_sort(y, g->count);
        g->sorted = 1;
    }

    for (i = 0, k = 0, shared = 0; i < f->count && k < g->count; /* void */) {
        if (x[i] == y[k]) {
            shared += pv_weight(x[i]);
            i++;
            k++;

        } else if (x[i] < y[k]) {
            i++;

        } else {
            k++;
        }
    }

    s->match->work->spent += i + k;
    s->match->work->over |= s->match->work->spent > s->match->work->limit;
    *weight = shared;
    similar = (uint32_t) (2000 * (uint64_t) shared / (f->weight + g->weight));

    if (shared != 0 && p->kind == PV_BLOCK_HEADING && q->kind == PV_BLOCK_HEADING && p->level == q->level) {
        similar += 100;
    }

    if ((p->kind == PV_BLOCK_HEADING) != (q->kind == PV_BLOCK_HEADING)) {
        similar -= similar / 2;
    }

    return similar > PV_SIMILAR_SAME ? PV_SIMILAR_SAME : similar;
}


/* Shell's: short lists, mostly. */
static void
pv_sort(uint32_t *list, size_t n)
{
    size_t    i, k, gap;
    uint32_t  x;

    for (gap = 1; gap < n / 3; gap = gap * 3 + 1) { /* void */ }

    for ( /* void */ ; gap > 0; gap /= 3) {
        for (i = gap; i < n; i++) {
            x = list[i];

            for (k = i; k >= gap && list[k - gap] > x; k -= gap) {
                list[k] = list[k - gap];
            }

            list[k] = x;
        }
    }
}
