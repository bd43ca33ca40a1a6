/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <string.h>

#include "pv_diff_doc.h"


static int pv_op_order(const void *x, const void *y);
static int pv_diff_apply_back(pv_buf_t *out, const pv_diff_t *diff, pv_str_t text);


int
pv_diff_apply(pv_buf_t *out, const pv_diff_t *diff, pv_str_t text, int reverse)
{
    size_t               i;
    const pv_diff_op_t  *op;

    if (text.len != diff->doc[reverse != 0].len) {
        return PV_INVALID;
    }

    if (reverse) {
        return pv_diff_apply_back(out, diff, text);
    }

    for (i = 0; i < diff->script_count; i++) {
        op = &diff->script[i];

        switch (op->kind) {
        case PV_DIFF_EQUAL:
        case PV_DIFF_MOVE_TO:
            pv_buf_add(out, text.data + op->a, op->a_len);
            break;
        case PV_DIFF_INSERT:
            pv_buf_add(out, diff->doc[1].text + op->b, op->b_len);
            break;
        case PV_DIFF_DELETE:
            if (memcmp(text.data + op->a, diff->doc[0].text + op->a, op->a_len) != 0) {
                return PV_INVALID;
            }
            break;
        case PV_DIFF_MOVE_FROM:
            break;
        }
    }

    return out->failed ? PV_ERROR : PV_OK;
}


/* In the order of A: what moved is put back by where it came from. */
static int
pv_diff_apply_back(pv_buf_t *out, const pv_diff_t *diff, pv_str_t text)
{
    size_t               i;
    const pv_diff_op_t  *op, **order;

    order = malloc((diff->script_count + 1) * sizeof(*order));
    if (order == NULL) {
        return PV_ERROR;
    }

    for (i = 0; i < diff->script_count; i++) {
        order[i] = &diff->script[i];
    }

    qsort(order, diff->script_count, sizeof(*order), pv_op_order);

    for (i = 0; i < diff->script_count; i++) {
        op = order[i];

        if (op->kind == PV_DIFF_DELETE) {
            pv_buf_add(out, diff->doc[0].text + op->a, op->a_len);

        } else if (op->kind == PV_DIFF_EQUAL || op->kind == PV_DIFF_MOVE_TO) {
            pv_buf_add(out, text.data + op->b, op->b_len);

        } else if (op->kind == PV_DIFF_INSERT
                   && memcmp(text.data + op->b, diff->doc[1].text + op->b, op->b_len) != 0)
        {
            free(order);
            return PV_INVALID;
        }
    }

    free(order);

    return out->failed ? PV_ERROR : PV_OK;
}


static int
pv_op_order(const void *x, const void *y)
{
    const pv_diff_op_t  *p = *(const pv_diff_op_t *const *) x, *q = *(const pv_diff_op_t *const *) y;

    return p->a < q->a ? -1 : p->a > q->a;
}
