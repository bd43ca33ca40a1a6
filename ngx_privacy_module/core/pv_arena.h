/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_ARENA_H
#define PV_ARENA_H

/* Memory that is given back all at once. */

#include "pv_bytes.h"

typedef struct pv_arena_block_s  pv_arena_block_t;

typedef struct {
    pv_arena_block_t  *blocks;
    int                failed;      /* stays 1 once memory ran out: check it once, at the end */
} pv_arena_t;

void pv_arena_init(pv_arena_t *a);
void pv_arena_free(pv_arena_t *a);
/* The first block holds just so much: for who knows (from pv_arena_used() of a trial) what will be needed. */
void pv_arena_reserve(pv_arena_t *a, size_t size);
size_t pv_arena_used(const pv_arena_t *a);
/* n zeroed elements, aligned for anything; NULL when memory ran out, also for n == 0. */
void *pv_arena_array(pv_arena_t *a, size_t n, size_t size);
/* A copy, with a zero behind it. */
pv_str_t pv_arena_copy(pv_arena_t *a, const void *data, size_t len);

#endif /* PV_ARENA_H */
