/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * The publication log over heads: what is in it, and what follows from it.
 * Which heads get in is in pv_log_settle.c.
 */

#include <stdlib.h>
#include <string.h>

#include "pv_log_private.h"

#define PV_LOG_FIRST  16


static int pv_log_grow(pv_log_t *log);
static int pv_log_counts(const pv_log_slot_t *slot);


pv_log_t *
pv_log_create(const unsigned char pub[PV_ED25519_PUBLIC])
{
    pv_log_t  *log;

    log = calloc(1, sizeof(pv_log_t));
    if (log != NULL) {
        memcpy(log->pub, pub, PV_ED25519_PUBLIC);
    }

    return log;
}


void
pv_log_free(pv_log_t *log)
{
    size_t  i;

    if (log == NULL) {
        return;
    }

    for (i = 0; i < log->count; i++) {
        pv_head_free(log->slots[i].head);
    }

    free(log->slots);
    free(log);
}


int
pv_log_add(pv_log_t *log, pv_head_t *head, const pv_head_t **known)
{
    size_t  place;

    place = pv_log_place(log, head->sequence);

    if (place < log->count && log->slots[place].head->sequence == head->sequence) {
        if (known != NULL) {
            *known = log->slots[place].head;
        }
        return PV_INVALID;
    }

    if (pv_log_grow(log) != PV_OK) {
        return PV_ERROR;
    }

    memmove(log->slots + place + 1, log->slots + place, (log->count - place) * sizeof(pv_log_slot_t));

    memset(&log->slots[place], 0, sizeof(pv_log_slot_t));
    log->slots[place].head = head;
    log->count++;

    return PV_OK;
}


static int
pv_log_grow(pv_log_t *log)
{
    size_t          size;
    pv_log_slot_t  *slots;

    if (log->count < log->size) {
        return PV_OK;
    }

    size = log->size ? log->size * 2 : PV_LOG_FIRST;

    slots = realloc(log->slots, size * sizeof(pv_log_slot_t));
    if (slots == NULL) {
        return PV_ERROR;
    }

    log->slots = slots;
    log->size = size;

    return PV_OK;
}


size_t
pv_log_count(const pv_log_t *log)
{
    return log->count;
}


const pv_head_t *
pv_log_entry(const pv_log_t *log, size_t i)
{
    return log->slots[i].head;
}


size_t
pv_log_place(const pv_log_t *log, uint32_t sequence)
{
    size_t  low, high, middle;

    low = 0;
    high = log->count;

    while (low < high) {
        middle = low + (high - low) / 2;

        if (log->slots[middle].head->sequence < sequence) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }

    return low;
}


const pv_head_t *
pv_log_find(const pv_log_t *log, uint32_t sequence)
{
    size_t  place;

    place = pv_log_place(log, sequence);

    return place < log->count && log->slots[place].head->sequence == sequence ? log->slots[place].head : NULL;
}


const pv_head_t *
pv_log_version(const pv_log_t *log, pv_str_t version)
{
    size_t            i;
    const pv_head_t  *head;

    for (i = log->count; i > 0; i--) {
        head = log->slots[i - 1].head;

        if (head->kind == PV_ENTRY_VERSION && pv_str_eq(head->version, version)) {
            return head;
        }
    }

    return NULL;
}


uint32_t
pv_log_complete(const pv_log_t *log)
{
    size_t  low, high, middle;

    /* slots[i] has number i + 1 up to the first gap, and never after it */

    low = 0;
    high = log->count;

    while (low < high) {
        middle = low + (high - low) / 2;

        if (log->slots[middle].head->sequence == middle + 1) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }

    return (uint32_t) low;
}


const pv_head_t *
pv_log_withdrawal(const pv_log_t *log, uint32_t sequence)
{
    size_t  place;

    place = pv_log_place(log, sequence);

    if (place == log->count || log->slots[place].head->sequence != sequence || !log->slots[place].withdrawn) {
        return NULL;
    }

    return pv_log_find(log, log->slots[place].withdrawn);
}


const pv_head_t *
pv_log_in_force(const pv_log_t *log, int64_t now, uint32_t floor)
{
    size_t            i;
    const pv_head_t  *head;

    for (i = log->count; i > 0; i--) {
        head = log->slots[i - 1].head;

        /* what once was in force stays: the clock may have been set back */

        if (pv_log_counts(&log->slots[i - 1]) && (head->effective <= now || head->sequence <= floor)) {
            return head;
        }
    }

    return NULL;
}


/* A version that was not withdrawn. */
static int
pv_log_counts(const pv_log_slot_t *slot)
{
    return slot->head->kind == PV_ENTRY_VERSION && !slot->withdrawn;
}


int64_t
pv_log_next(const pv_log_t *log, uint32_t in_force)
{
    size_t            i;
    int64_t           next;
    const pv_head_t  *head;

    next = 0;

    for (i = log->count; i > 0; i--) {
        head = log->slots[i - 1].head;

        if (head->sequence <= in_force) {
            break;
        }

        if (pv_log_counts(&log->slots[i - 1]) && (next == 0 || head->effective < next)) {
            next = head->effective;
        }
    }

    return next;
}


const pv_head_t *
pv_log_before(const pv_log_t *log, uint32_t sequence)
{
    size_t  i;

    for (i = pv_log_place(log, sequence); i > 0; i--) {
        if (pv_log_counts(&log->slots[i - 1])) {
            return log->slots[i - 1].head;
        }
    }

    return NULL;
}


const pv_head_t *
pv_log_after(const pv_log_t *log, uint32_t sequence)
{
    size_t  i;

    for (i = pv_log_place(log, sequence); i < log->count; i++) {
        if (log->slots[i].head->sequence > sequence && pv_log_counts(&log->slots[i])) {
            return log->slots[i].head;
        }
    }

    return NULL;
}


const pv_head_t *
pv_log_bound(const pv_log_t *log, uint32_t bound, uint32_t in_force)
{
    size_t            i;
    const pv_head_t  *stands, *head;

    i = pv_log_place(log, bound);
    stands = pv_log_find(log, bound);

    if (stands == NULL || stands->kind != PV_ENTRY_VERSION) {
        return NULL;
    }

    if (bound > in_force) {
        /* agreed to in advance, and so to all that is before it */
        return pv_log_find(log, in_force);
    }

    if (!pv_log_counts(&log->slots[i])) {
        /* agreed to, and withdrawn before it was in force: back where it would have been moved along from */
        stands = pv_log_before(log, bound);
    }

    for (i++; i < log->count; i++) {
        head = log->slots[i].head;

        /* a number that is not known may have been one that reduces rights */

        if (head->sequence > in_force || head->sequence != log->slots[i - 1].head->sequence + 1) {
            break;
        }

        if (!pv_log_counts(&log->slots[i])) {
            continue;
        }

        if (head->reduces_rights) {
            break;
        }

        stands = head;
    }

    return stands;
}
