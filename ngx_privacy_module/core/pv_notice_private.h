/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_NOTICE_PRIVATE_H
#define PV_NOTICE_PRIVATE_H

/* Between the files that write and open notices. */

#include "pv_arena.h"
#include "pv_declared.h"
#include "pv_notice.h"

#define PV_NOTICE_FORMAT  1

/*
 * Makes a notice in one piece of memory. fill is called twice: once to learn
 * how much that takes, once in a piece of that size. It sets every field but
 * id, memory, refs and block; PV_OK or PV_ERROR.
 */
typedef int (*pv_notice_fill_pt)(pv_notice_t *notice, pv_arena_t *arena, const void *data);

int pv_notice_make(pv_notice_t **notice, pv_notice_fill_pt fill, const void *data);

/* The JSON of a notice, every field checked. PV_INVALID: see problems. */
int pv_notice_read(json_t **root, pv_notice_kind_t *kind, pv_str_t text, pv_str_t site, pv_problems_t *problems);

/* What one text of a notice of that kind may and has to have: "title", and "summary" or the four parts. */
const pv_field_t *pv_notice_text_fields(pv_notice_kind_t kind);
/* What is wrong with the field of a text, or NULL. */
const char *pv_notice_text_problem(const char *field, pv_str_t text);

#endif /* PV_NOTICE_PRIVATE_H */
