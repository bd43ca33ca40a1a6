/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pv_bytes.h"
#include "pv_table.h"


/*
 * A set is the heads of its slots, then two copies of each slot's payload:
 * whoever looks for a key reads one or two cache lines of heads, and as a rule
 * no payload but the one that it finds.
 */
typedef struct {
    uint32_t  state;            /* 0: free; else a part of the hash, and which copy counts. The final write. */
    uint32_t  used;             /* when it was last used */
} head_t;


#define STATE_COPY  3           /* 1, 2: the copy that counts */


static size_t
stride_of(size_t payload_len)
{
    return sizeof(head_t) + 2 * ((payload_len + 7) & ~(size_t) 7);
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


static head_t *
set_at(const pv_table_t *table, size_t set)
{
    return (head_t *) (table->slots + set * PV_TABLE_WAYS * table->stride);
}


static head_t *
set_of(const pv_table_t *table, uint64_t h)
{
    return set_at(table, h % table->sets);
}


/* What the heads of a group have in their state, beside the copy. */
static uint32_t
tag_of(uint64_t h)
{
    return (uint32_t) (h >> 32) & ~(uint32_t) STATE_COPY;
}


static unsigned char *
copy_of(const pv_table_t *table, head_t *set, unsigned way, uint32_t copy)
{
    return (unsigned char *) (set + PV_TABLE_WAYS) + (way * 2 + copy - 1) * table->payload_len;
}


/* The payload that counts, or NULL for a free slot. */
static unsigned char *
payload_of(const pv_table_t *table, head_t *set, unsigned way)
{
    uint32_t  copy;

    copy = __atomic_load_n(&set[way].state, __ATOMIC_ACQUIRE) & STATE_COPY;

    return (copy == 1 || copy == 2) ? copy_of(table, set, way, copy) : NULL;
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


/* The slot with that key, or PV_TABLE_WAYS. Slots are taken in order and never given back: none follows a free one. */
static unsigned
find_slot(const pv_table_t *table, head_t *set, uint64_t h, const void *key)
{
    unsigned              way;
    const unsigned char  *payload;

    for (way = 0; way < PV_TABLE_WAYS && set[way].state != 0; way++) {

        if ((set[way].state & ~(uint32_t) STATE_COPY) != tag_of(h)) {
            continue;
        }

        payload = payload_of(table, set, way);

        if (payload != NULL && memcmp(payload, key, table->key_len) == 0) {
            return way;
        }
    }

    return PV_TABLE_WAYS;
}


const void *
pv_table_find(pv_table_t *table, const void *key, uint32_t now)
{
    head_t    *set;
    uint64_t   h;
    unsigned   way;

    h = hash(table, key);
    set = set_of(table, h);
    way = find_slot(table, set, h, key);

    if (way == PV_TABLE_WAYS) {
        return NULL;
    }

    set[way].used = now;

    return payload_of(table, set, way);
}


/* A free slot of the set, else the one whose payload is to go. */
static unsigned
victim(const pv_table_t *table, head_t *set, uint32_t now, pv_table_worth_pt worth_of)
{
    unsigned  way, found, worth, least;

    found = PV_TABLE_WAYS;
    least = 0;

    for (way = 0; way < PV_TABLE_WAYS; way++) {

        if (set[way].state == 0) {
            return way;
        }

        worth = worth_of ? worth_of(payload_of(table, set, way)) : 0;

        /* Differences, so that a time that wrapped around does no harm. */
        if (found == PV_TABLE_WAYS || worth < least
            || (worth == least && now - set[way].used > now - set[found].used))
        {
            found = way;
            least = worth;
        }
    }

    return found;
}


int
pv_table_put(pv_table_t *table, const void *payload, uint32_t now, pv_table_worth_pt worth, uint32_t *idle)
{
    int        evicts;
    head_t    *set;
    uint32_t   copy;
    uint64_t   h;
    unsigned   way;

    evicts = 0;
    h = hash(table, payload);
    set = set_of(table, h);
    way = find_slot(table, set, h, payload);

    if (way == PV_TABLE_WAYS) {
        way = victim(table, set, now, worth);

        if (set[way].state == 0) {
            table->used++;

        } else {
            evicts = 1;

            if (idle != NULL) {
                *idle = now - set[way].used;
            }
        }
    }

    copy = ((set[way].state & STATE_COPY) == 1) ? 2 : 1;

    memcpy(copy_of(table, set, way, copy), payload, table->payload_len);
    set[way].used = now;

    __atomic_store_n(&set[way].state, tag_of(h) | copy, __ATOMIC_RELEASE);

    return evicts;
}


size_t
pv_table_group(pv_table_t *table, const void *group, const void **found, size_t max)
{
    size_t                n;
    head_t               *set;
    unsigned              way;
    const unsigned char  *payload;

    n = 0;
    set = set_of(table, hash(table, group));

    for (way = 0; way < PV_TABLE_WAYS && n < max; way++) {
        payload = payload_of(table, set, way);

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
    return payload_of(table, set_at(table, slot / PV_TABLE_WAYS), slot % PV_TABLE_WAYS);
}
