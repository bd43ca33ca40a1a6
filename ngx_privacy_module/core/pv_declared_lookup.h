/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_DECLARED_LOOKUP_H
#define PV_DECLARED_LOOKUP_H

/* Between pv_declared_diff.c and pv_declared_lookup.c. */

#include "pv_arena.h"
#include "pv_declared_diff.h"

/* Entries of a list by their key, for looking them up. */
typedef struct {
    pv_str_t     key;
    const void  *entry;
} pv_keyed_t;

typedef struct {
    pv_keyed_t  *list;          /* in the order of the policy */
    pv_keyed_t  *sorted;
    size_t       count;
} pv_lookup_t;

typedef struct {
    pv_differences_t   *out;
    size_t              size;
    pv_arena_t         *arena;
    const pv_policy_t  *a, *b;
    pv_str_t            language;       /* the reader's */
    int                 failed;
} pv_declared_work_t;

/* Of no entries when memory ran out: the arena, or w, says so. */
pv_lookup_t pv_lookup_of_purposes(pv_declared_work_t *w, const pv_policy_t *policy);
pv_lookup_t pv_lookup_of_cookies(pv_declared_work_t *w, const pv_purpose_t *purpose);
pv_lookup_t pv_lookup_of_strings(pv_declared_work_t *w, const pv_str_t *list, size_t n);
pv_lookup_t pv_lookup_of_recipients(pv_declared_work_t *w, const pv_policy_t *policy);

/* NULL: none has that key. */
const void *pv_lookup_find(const pv_lookup_t *keys, pv_str_t key);

#endif /* PV_DECLARED_LOOKUP_H */
