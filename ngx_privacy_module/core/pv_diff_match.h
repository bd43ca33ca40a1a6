/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_DIFF_MATCH_H
#define PV_DIFF_MATCH_H

/* Between pv_diff_match.c and pv_diff_similar.c. */

#include "pv_diff_doc.h"

/* In thousandths: how much of two blocks is words that both have. */
#define PV_SIMILAR_SAME   1000
#define PV_SIMILAR_MOVED  750       /* enough to be the same block elsewhere */
#define PV_SIMILAR        350       /* in the same gap */
#define PV_SIMILAR_NEAR   250       /* in the same small gap */
#define PV_SIMILAR_ONLY   150       /* the only two in a gap */

/* Bytes: what is shorter is not worth the words "moved from". */
#define PV_MOVE_MIN       48
#define PV_MOVE_TRIES     4         /* places that a block is looked for in */

typedef struct {
    uint32_t  a, b;
    uint32_t  weight;
    uint32_t  similar;
} pv_pairing_t;

typedef struct {
    pv_doc_t      *a, *b;
    pv_work_t     *work;
    uint32_t       classes;
    pv_pairing_t  *pairings;
    size_t         pairings_count, pairings_size;
} pv_match_t;

/* Between two blocks that are matched in place: from a to before a_to, from b to before b_to. */
typedef struct { uint32_t a, a_to, b, b_to; } pv_gap_t;

void pv_match(pv_match_t *m, uint32_t a, uint32_t b);
void pv_match_move(pv_match_t *m, uint32_t a, uint32_t b);
int pv_pairing(pv_match_t *m, uint32_t a, uint32_t b, uint32_t weight, uint32_t similar);
int pv_match_chain(pv_match_t *m);

/*
 * The next gap with something on both sides, g zeroed at first; the caller
 * steps over its end (both _to + 1) before asking again. Moved blocks are
 * within gaps.
 */
int pv_next_gap(const pv_match_t *m, pv_gap_t *g);

/* What is left, by its words. Tokens of these blocks are made here. */
int pv_match_similar(pv_match_t *m);

#endif /* PV_DIFF_MATCH_H */
