/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_REDLINE_VIEW_H
#define PV_REDLINE_VIEW_H

/* Between the sources behind pv_redline.h: where an item stands, and whether it is shown. */

#include "pv_diff_doc.h"
#include "pv_redline.h"

typedef struct {
    const pv_diff_t             *diff;
    const pv_redline_t          *how;
    const pv_redline_strings_t  *strings;
    uint8_t                     *shown;         /* by item; 0: may be folded */
    pv_buf_t                    *out;
    size_t                       link;          /* the next of diff->changed */
    size_t                       changes;
} pv_redline_view_t;

/* From the root (which is not in it) inwards. */
typedef struct {
    const pv_container_t  *node[PV_DEPTH_MAX];
    uint32_t          depth;
} pv_place_t;

int pv_redline_open(pv_redline_view_t *v, pv_buf_t *out, const pv_diff_t *diff, const pv_redline_t *how);
void pv_redline_close(pv_redline_view_t *v);

/* The side that an item's structure is of: B where it has one, but for where a block moved from. */
int pv_item_side(const pv_item_t *item);
const pv_block_t *pv_item_block(const pv_diff_t *diff, const pv_item_t *item);
void pv_item_place(const pv_diff_t *diff, const pv_item_t *item, pv_place_t *path);
/* How many containers are the same, from the outside. */
uint32_t pv_place_common(const pv_place_t *a, const pv_place_t *b);
/* 1: the first block of its move; the others follow it in both texts. */
int pv_item_first_of_move(const pv_diff_t *diff, size_t item);

/* Appends a string with its {n}, {from} and {to} put in, through add (pv_buf_html, or plain). */
void pv_redline_say(pv_buf_t *out, pv_str_t string, size_t n, pv_str_t from, pv_str_t to,
    void (*add)(pv_buf_t *out, pv_str_t s));

/* The string of a link note. */
pv_str_t pv_redline_link_string(const pv_redline_strings_t *s, const pv_diff_link_t *link);

#endif /* PV_REDLINE_VIEW_H */
