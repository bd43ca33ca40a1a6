/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * E. W. Myers, "An O(ND) Difference Algorithm and Its Variations" (1986), in
 * linear space: from both corners of a box until the paths meet, then the two
 * boxes on either side. A box that needs too many edits is cut where a path
 * came furthest: a cut there is seldom the best one, and never a wrong one.
 */

#include <stdlib.h>
#include <string.h>

#include "pv_diff_doc.h"

/* From one corner, before a box is cut. */
#define PV_EDITS_MIN  4
#define PV_EDITS_MAX  1024


typedef struct {
    const uint32_t  *a, *b;
    uint8_t         *a_changed, *b_changed;
    int32_t         *forward, *backward;    /* by diagonal, the middle one at most */
    int32_t          most;                  /* edits from one corner */
    pv_work_t       *work;
} pv_sequence_t;

typedef struct { int32_t a0, a1, b0, b1; } pv_box_t;


static void pv_sequence_box(pv_sequence_t *s, pv_box_t box);
static int pv_sequence_cut(pv_sequence_t *s, const pv_box_t *box, int32_t *a, int32_t *b);
static int pv_sequence_furthest(const pv_sequence_t *s, const pv_box_t *box, int32_t d, int32_t *a, int32_t *b);


int
pv_sequence_diff(const uint32_t *a, size_t n, const uint32_t *b, size_t m, uint8_t *a_changed,
    uint8_t *b_changed, pv_work_t *work)
{
    size_t         from;
    int32_t       *diagonals;
    uint64_t       left;
    pv_sequence_t  s;

    for (from = 0; from < n && from < m && a[from] == b[from]; from++) { /* void */ }
    for ( /* void */ ; n > from && m > from && a[n - 1] == b[m - 1]; n--, m--) { /* void */ }

    work->spent += from;

    if (n == from || m == from) {
        memset(a_changed + from, 1, n - from);
        memset(b_changed + from, 1, m - from);
        return PV_OK;
    }

    s.a = a;
    s.b = b;
    s.a_changed = a_changed;
    s.b_changed = b_changed;
    s.work = work;

    /* Long texts are cut more coarsely, so that the work that is left reaches to their ends. */
    left = work->limit > work->spent ? (work->limit - work->spent) / (8 * (n + m)) : 0;
    s.most = left > PV_EDITS_MAX ? PV_EDITS_MAX : left < PV_EDITS_MIN ? PV_EDITS_MIN : (int32_t) left;

    diagonals = malloc(2 * (2 * (size_t) s.most + 3) * sizeof(int32_t));
    if (diagonals == NULL) {
        return PV_ERROR;
    }

    s.forward = diagonals + s.most + 1;
    s.backward = s.forward + 2 * s.most + 3;

    pv_sequence_box(&s, (pv_box_t) { (int32_t) from, (int32_t) n, (int32_t) from, (int32_t) m });
    free(diagonals);

    return PV_OK;
}


/* The smaller part by recursion, the larger one in turn: as deep as the logarithm of the size. */
static void
pv_sequence_box(pv_sequence_t *s, pv_box_t box)
{
    int32_t   a, b;
    pv_box_t  first, second;

    for ( ;; ) {

        for ( /* void */ ; box.a0 < box.a1 && box.b0 < box.b1 && s->a[box.a0] == s->b[box.b0]; box.a0++) {
            box.b0++;
        }

        for ( /* void */ ; box.a0 < box.a1 && box.b0 < box.b1 && s->a[box.a1 - 1] == s->b[box.b1 - 1]; box.a1--) {
            box.b1--;
        }

        if (box.a0 == box.a1 || box.b0 == box.b1 || !pv_sequence_cut(s, &box, &a, &b)) {
            memset(s->a_changed + box.a0, 1, (size_t) (box.a1 - box.a0));
            memset(s->b_changed + box.b0, 1, (size_t) (box.b1 - box.b0));
            return;
        }

        first = (pv_box_t) { box.a0, a, box.b0, b };
        second = (pv_box_t) { a, box.a1, b, box.b1 };

        if (first.a1 - first.a0 + first.b1 - first.b0 < second.a1 - second.a0 + second.b1 - second.b0) {
            pv_sequence_box(s, first);
            box = second;

        } else {
            pv_sequence_box(s, second);
            box = first;
        }
    }
}


/* Where to cut the box, whose corners differ; 0 when it cannot be cut, or the work is over. */
static int
pv_sequence_cut(pv_sequence_t *s, const pv_box_t *box, int32_t *a, int32_t *b)
{
    int32_t   d, k, x, y, n, m, delta, other, low, high, low_back, high_back;
    uint64_t  steps;

    n = box->a1 - box->a0;
    m = box->b1 - box->b0;
    delta = n - m;
    low = high = low_back = high_back = 0;
    s->forward[1] = s->backward[1] = 0;

    for (d = 0; d <= s->most; d++) {

        if (s->work->spent >= s->work->limit) {
            s->work->over = 1;
            return 0;
        }

        steps = 2 * (uint64_t) d + 2;

        /* Diagonals that ran off the box are left out from then on: low and high of them at the ends. */
        if (d != 0) {
            s->forward[d] = s->forward[-d] = s->backward[d] = s->backward[-d] = INT32_MIN / 2;
        }

        for (k = -d + low; k <= d - high; k += 2) {
            x = k == -d || (k != d && s->forward[k - 1] < s->forward[k + 1]) ? s->forward[k + 1]
                                                                            : s->forward[k - 1] + 1;
            y = x - k;

            for ( /* void */ ; x < n && y < m && s->a[box->a0 + x] == s->b[box->b0 + y]; x++, y++) {
                steps++;
            }

            s->forward[k] = x;

            if (x > n) {
                high += 2;

            } else if (y > m) {
                low += 2;

            } else if (delta & 1) {
                other = delta - k;

                if (other > -d && other < d && s->backward[other] >= n - x) {
                    *a = box->a0 + x;
                    *b = box->b0 + y;
                    s->work->spent += steps;
                    return 1;
                }
            }
        }

        for (k = -d + low_back; k <= d - high_back; k += 2) {
            x = k == -d || (k != d && s->backward[k - 1] < s->backward[k + 1]) ? s->backward[k + 1]
                                                                              : s->backward[k - 1] + 1;
            y = x - k;

            for ( /* void */ ; x < n && y < m && s->a[box->a1 - 1 - x] == s->b[box->b1 - 1 - y]; x++, y++) {
                steps++;
            }

            s->backward[k] = x;

            if (x > n) {
                high_back += 2;

            } else if (y > m) {
                low_back += 2;

            } else if (!(delta & 1)) {
                other = delta - k;

                if (other >= -d && other <= d && s->forward[other] >= n - x) {
                    *a = box->a1 - x;
                    *b = box->b1 - y;
                    s->work->spent += steps;
                    return 1;
                }
            }
        }

        s->work->spent += steps;
    }

    return pv_sequence_furthest(s, box, s->most, a, b);
}


/* Of the paths with d edits from either corner, the end of the one that covers most. */
static int
pv_sequence_furthest(const pv_sequence_t *s, const pv_box_t *box, int32_t d, int32_t *a, int32_t *b)
{
    int32_t  k, x, y, n, m, best;

    n = box->a1 - box->a0;
    m = box->b1 - box->b0;
    best = 0;

    for (k = -d; k <= d; k += 2) {
        x = s->forward[k];
        y = x - k;

        if (x >= 0 && x <= n && y >= 0 && y <= m && x + y > best && x + y < n + m) {
            best = x + y;
            *a = box->a0 + x;
            *b = box->b0 + y;
        }

        x = s->backward[k];
        y = x - k;

        if (x >= 0 && x <= n && y >= 0 && y <= m && x + y > best && x + y < n + m) {
            best = x + y;
            *a = box->a1 - x;
            *b = box->b1 - y;
        }
    }

    return best > 0;
}
