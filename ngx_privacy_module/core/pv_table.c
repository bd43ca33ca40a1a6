/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pv_bytes.h"
#include "pv_table.h"


/* The two copies of the payload follow. */
typedef struct {
    uint32_t  current;          /* 0: free; 1, 2: the copy that counts. The final write of every change. */
    uint32_t  used;             /* when it was last used */
} slot_t;


#define slot_copy(table, slot, i)                                             \
    ((unsigned char *) (slot) + sizeof(slot_t) + (i) * (table)->payload_len)


static size_t
stride_of(size_t payload_len)
{
    return (sizeof(slot_t) + 2 * payload_len + 7) & ~(size_t) 7;
}


static uint64_t
mix(uint64_t h)
{
    h ^= h >> 32;
    h *= UINT64_C(0xd6e8feb86659fd93);
    h ^= h >> 32;
    h *= UINT64_C(0xd6e8feb86659fd93);
    h ^= h >> 32;

    return h;
}


static uint64_t
hash(const pv_table_t *table, const unsigned char *group)
{
    size_t    len;
    uint64_t  h, word;

    h = mix(table->seed ^ table->group_len);

    for (len = table->group_len; len >= sizeof(word); len -= sizeof(word)) {
        memcpy(&word, group, sizeof(word));
        group += sizeof(word);
        h = mix(h ^ word) + table->seed;
    }

    if (len) {
        word = 0;
        memcpy(&word, group, len);
        h = mix(h ^ word) + table->seed;
    }

    return mix(h);
}


static unsigned char *
set_of(const pv_table_t *table, const void *group)
{
    return table->slots + hash(table, group) % table->sets * PV_TABLE_WAYS * table->stride;
}


static const unsigned char *
payload_of(const pv_table_t *table, const slot_t *slot)
{
    uint32_t  current;

    current = __atomic_load_n(&slot->current, __ATOMIC_ACQUIRE);

    if (current != 1 && current != 2) {
        return NULL;
    }

    return slot_copy(table, slot, current - 1);
}


size_t
pv_table_size(size_t payload_len, size_t entries)
{
    size_t  sets;

    sets = (entries + PV_TABLE_WAYS - 1) / PV_TABLE_WAYS;

    return sets * PV_TABLE_WAYS * stride_of(payload_len);
}


int
pv_table_init(pv_table_t *table, void *memory, size_t size, size_t payload_len, size_t group_len,
    size_t key_len, uint64_t seed)
{
    memset(table, 0, sizeof(pv_table_t));

    table->stride = stride_of(payload_len);
    table->sets = size / (PV_TABLE_WAYS * table->stride);
    table->payload_len = payload_len;
    table->group_len = group_len;
    table->key_len = key_len;
    table->seed = seed;
    table->slots = memory;

    return table->sets ? PV_OK : PV_INVALID;
}


static slot_t *
find_slot(const pv_table_t *table, const void *key)
{
    unsigned              i;
    unsigned char        *set;
    const unsigned char  *payload;

    set = set_of(table, key);

    for (i = 0; i < PV_TABLE_WAYS; i++) {
        payload = payload_of(table, (slot_t *) (set + i * table->stride));

        if (payload != NULL && memcmp(payload, key, table->key_len) == 0) {
            return (slot_t *) (set + i * table->stride);
        }
    }

    return NULL;
}


const void *
pv_table_find(pv_table_t *table, const void *key, uint32_t now)
{
    slot_t  *slot;

    slot = find_slot(table, key);

    if (slot == NULL) {
        return NULL;
    }

    slot->used = now;

    return payload_of(table, slot);
}


/* A free slot of the set, else the one whose payload is to go. */
static slot_t *
victim(const pv_table_t *table, unsigned char *set, uint32_t now, pv_table_worth_pt worth_of)
{
    slot_t               *slot, *found;
    unsigned              i, worth, least;
    const unsigned char  *payload;

    found = NULL;
    least = 0;

    for (i = 0; i < PV_TABLE_WAYS; i++) {
        slot = (slot_t *) (set + i * table->stride);
        payload = payload_of(table, slot);

        if (payload == NULL) {
            return slot;
        }

        worth = worth_of ? worth_of(payload) : 0;

        /* Differences, so that a time that wrapped around does no harm. */
        if (found == NULL || worth < least || (worth == least && now - slot->used > now - found->used)) {
            found = slot;
            least = worth;
        }
    }

    return found;
}


int
pv_table_put(pv_table_t *table, const void *payload, uint32_t now, pv_table_worth_pt worth, uint32_t *idle)
{
    int       evicts;
    slot_t   *slot;
    uint32_t  next;

    evicts = 0;
    slot = find_slot(table, payload);

    if (slot == NULL) {
        slot = victim(table, set_of(table, payload), now, worth);

        if (payload_of(table, slot) == NULL) {
            table->used++;

        } else {
            evicts = 1;

            if (idle != NULL) {
                *idle = now - slot->used;
            }
        }
    }

    next = (slot->current == 1) ? 2 : 1;

    memcpy(slot_copy(table, slot, next - 1), payload, table->payload_len);
    slot->used = now;

    __atomic_store_n(&slot->current, next, __ATOMIC_RELEASE);

    return evicts;
}


size_t
pv_table_group(pv_table_t *table, const void *group, const void **found, size_t max)
{
    size_t                n;
    unsigned              i;
    unsigned char        *set;
    const unsigned char  *payload;

    n = 0;
    set = set_of(table, group);

    for (i = 0; i < PV_TABLE_WAYS && n < max; i++) {
        payload = payload_of(table, (slot_t *) (set + i * table->stride));

        if (payload != NULL && memcmp(payload, group, table->group_len) == 0) {
            found[n++] = payload;
        }
    }

    return n;
}


size_t
pv_table_slots(const pv_table_t *table)
{
    return table->sets * PV_TABLE_WAYS;
}


const void *
pv_table_at(const pv_table_t *table, size_t slot)
{
    return payload_of(table, (const slot_t *) (table->slots + slot * table->stride));
}
