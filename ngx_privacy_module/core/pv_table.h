/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_TABLE_H
#define PV_TABLE_H

/*
 * A bounded table in memory that several processes share, any of which may die
 * at any instruction. Fixed slots and no links, so nothing can dangle: a slot
 * holds two copies of its payload, a change is written to the copy that nobody
 * reads and becomes visible by one final write.
 *
 * The first group_len bytes of a payload choose a set of PV_TABLE_WAYS slots,
 * its first key_len bytes name it: what shares a group shares a set. In a full
 * set the payload of least worth goes, of those the one not used for longest.
 *
 * The caller holds a lock around every call. Time is in any unit that only
 * rises; it serves to find the oldest.
 */

#include <stddef.h>
#include <stdint.h>

#define PV_TABLE_WAYS  16

/* What a payload is worth; least goes first. */
typedef unsigned (*pv_table_worth_pt)(const void *payload);

/* Lives in the shared memory itself, so it holds no address of code, which differs from process to process. */
typedef struct {
    size_t          sets;
    size_t          stride;         /* bytes of a slot, its head included */
    size_t          payload_len;    /* a multiple of 8 */
    size_t          group_len;      /* at most key_len */
    size_t          key_len;        /* at most payload_len */
    uint64_t        seed;           /* not to be guessed by who chooses keys */
    size_t          used;           /* slots that were ever taken: they are reused, not freed */
    unsigned char  *slots;
} pv_table_t;

/* What a table of at least `entries` takes. */
size_t pv_table_size(size_t payload_len, size_t entries);

/*
 * Prepares a table in `size` bytes of zeroed memory (aligned to 8), with as
 * many sets as fit. PV_INVALID when not even one does.
 */
int pv_table_init(pv_table_t *table, void *memory, size_t size, size_t payload_len, size_t group_len,
    size_t key_len, uint64_t seed);

/* The payload under that key, or NULL; good until the next put. It counts as used now. */
const void *pv_table_find(pv_table_t *table, const void *key, uint32_t now);

/*
 * Keeps a copy of payload, in place of what had its key. Returns 1 when the
 * payload of another key had to go for it; *idle (may be NULL) then says for
 * how long that one was not used. worth may be NULL: all are worth the same.
 */
int pv_table_put(pv_table_t *table, const void *payload, uint32_t now, pv_table_worth_pt worth, uint32_t *idle);

/* The payloads that share the group, at most max. Returns how many. */
size_t pv_table_group(pv_table_t *table, const void *group, const void **found, size_t max);

/* For walking: slots there are; the payload in one, or NULL when it is free. */
size_t pv_table_slots(const pv_table_t *table);
const void *pv_table_at(const pv_table_t *table, size_t slot);

#endif /* PV_TABLE_H */
