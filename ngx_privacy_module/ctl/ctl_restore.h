/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_RESTORE_H
#define CTL_RESTORE_H

/*
 * Writing items of a backup into Redis, many in one round trip. Everything is
 * write once, so that repeating it is harmless: what stands there already is
 * compared, and what differs is a conflict, which is said and kept as it is.
 */

#include "ctl_backup_item.h"
#include "ctl_redis.h"

typedef struct ctl_batch_s  ctl_batch_t;

typedef struct {
    uint64_t  written;      /* items of which anything was new */
    uint64_t  there;        /* items that were there already, as they are */
    uint64_t  expired;      /* items whose time had run out */
    uint64_t  conflicts;    /* single values that differ */
} ctl_restored_t;

/* NULL: out of memory. */
ctl_batch_t *ctl_batch_create(ctl_redis_t *redis, pv_str_t site);
void ctl_batch_free(ctl_batch_t *batch);

/* Takes an item in, and writes the batch when it is full. An exit code, and said. */
int ctl_batch_add(ctl_batch_t *batch, const ctl_item_t *item);
/* Writes what is in it. */
int ctl_batch_flush(ctl_batch_t *batch);

const ctl_restored_t *ctl_batch_restored(const ctl_batch_t *batch);

#endif /* CTL_RESTORE_H */
