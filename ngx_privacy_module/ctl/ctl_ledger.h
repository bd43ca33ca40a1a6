/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_LEDGER_H
#define CTL_LEDGER_H

/* One subject's ledger as it stands in Redis, and the versions that it speaks of. */

#include "ctl_redis.h"
#include "pv_chain.h"
#include "pv_policy.h"

typedef struct {
    pv_chain_entry_t  *entries;     /* position 1 and on */
    size_t             count;       /* up to the last position where something stands */
    size_t             present;
    long long          foreign;     /* fields whose names are no positions */
} ctl_ledger_t;

/* An exit code of ctl.h; what is wrong is said. */
int ctl_ledger_read(ctl_ledger_t *ledger, ctl_redis_t *redis, pv_str_t site,
    const unsigned char subject[PV_SUBJECT_LEN]);
void ctl_ledger_free(ctl_ledger_t *ledger);

/* Versions by sequence number, each read once and believed only with its signature. */
#define CTL_POLICIES_MAX  256

typedef struct {
    ctl_redis_t          *redis;
    pv_str_t              site;
    const unsigned char  *pub;              /* NULL: none is read */
    size_t                count;
    uint32_t              sequence[CTL_POLICIES_MAX];
    pv_policy_t          *policy[CTL_POLICIES_MAX];     /* NULL: not there, or not to be believed */
} ctl_policies_t;

/* NULL when it is not there; borrowed. */
const pv_policy_t *ctl_policies_get(ctl_policies_t *policies, uint32_t sequence);
void ctl_policies_free(ctl_policies_t *policies);

#endif /* CTL_LEDGER_H */
