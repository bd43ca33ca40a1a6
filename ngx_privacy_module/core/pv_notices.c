/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* The notices of a site: what is there, and which of them are open. Which get in is in pv_notices_settle.c. */

#include <stdlib.h>
#include <string.h>

#include "pv_notices_private.h"


static int pv_notices_room(pv_notices_t *notices, pv_problems_t *problems);
static int pv_notices_before(const pv_notice_t *a, const pv_notice_t *b);
static pv_notice_t *pv_notices_that(const pv_notices_t *notices, const pv_notice_t *notice, int corrects);
static int pv_notices_lasts(const pv_notices_t *notices, const pv_notice_t *notice, int64_t now);
static int pv_notices_withdrawn(const pv_notices_t *notices, const pv_notice_t *notice);


pv_notices_t *
pv_notices_create(pv_str_t site)
{
    pv_notices_t  *notices;

    notices = site.len <= PV_SITE_MAX ? calloc(1, sizeof(pv_notices_t)) : NULL;

    if (notices != NULL) {
        memcpy(notices->site_name, site.data, site.len);
        notices->site = (pv_str_t) { notices->site_name, site.len };
    }

    return notices;
}


void
pv_notices_free(pv_notices_t *notices)
{
    size_t  i;

    if (notices == NULL) {
        return;
    }

    for (i = 0; i < notices->slots_count; i++) {
        pv_notice_free(notices->slots[i].notice);
        free(notices->slots[i].sealed);
    }

    for (i = 0; i < notices->changes_count; i++) {
        pv_notice_free(notices->changes[i].notice);
    }

    free(notices);
}


int
pv_notices_add(pv_notices_t *notices, uint32_t number, pv_str_t sealed, pv_problems_t *problems)
{
    int                 rc;
    size_t              i;
    pv_notice_t        *notice;
    unsigned char      *copy;
    pv_notices_slot_t  *slot;

    notices->last = number > notices->last ? number : notices->last;

    rc = pv_notice_open(&notice, sealed, notices->site, problems);
    if (rc != PV_OK) {
        return rc;
    }

    if (notice->number != number) {
        pv_problem(problems, NULL, number, "number", "is another one than that of its entry");
        pv_notice_free(notice);
        return PV_INVALID;
    }

    i = pv_notices_place(notices, number);

    while (i < notices->slots_count && pv_notices_before(notices->slots[i].notice, notice)) {
        i++;
    }

    if (i < notices->slots_count && notices->slots[i].size == sealed.len
        && memcmp(notices->slots[i].sealed, sealed.data, sealed.len) == 0)
    {
        pv_notice_free(notice);
        return PV_INVALID;
    }

    copy = malloc(sealed.len);
    if (copy == NULL) {
        pv_notice_free(notice);
        return PV_ERROR;
    }

    memcpy(copy, sealed.data, sealed.len);

    slot = &notices->slots[i];
    memmove(slot + 1, slot, (notices->slots_count - i) * sizeof(pv_notices_slot_t));
    memset(slot, 0, sizeof(pv_notices_slot_t));

    slot->notice = notice;
    slot->sealed = copy;
    slot->size = sealed.len;
    notices->slots_count++;

    return pv_notices_room(notices, problems);
}


/*
 * There is always room for one more. Of those that wait, what goes first is
 * what says that it knows the most of the log: a true one waits for little.
 */
static int
pv_notices_room(pv_notices_t *notices, pv_problems_t *problems)
{
    size_t  i, first;

    if (notices->slots_count < sizeof(notices->slots) / sizeof(notices->slots[0])) {
        return PV_OK;
    }

    first = notices->slots_count;

    for (i = 0; i < notices->slots_count; i++) {
        if (!notices->slots[i].trusted
            && (first == notices->slots_count || notices->slots[i].notice->log > notices->slots[first].notice->log))
        {
            first = i;
        }
    }

    if (first == notices->slots_count) {
        first = 0;
    }

    pv_notices_drop(notices, first, "is one of too many that wait for the log", problems);

    return PV_OK;
}


/* In the order of the slots: by number, then by what it knew of the log, and by when it was published. */
static int
pv_notices_before(const pv_notice_t *a, const pv_notice_t *b)
{
    int  same;

    if (a->number != b->number) {
        return a->number < b->number;
    }

    if (a->log != b->log) {
        return a->log < b->log;
    }

    if (a->published != b->published) {
        return a->published < b->published;
    }

    same = memcmp(a->digest, b->digest, PV_SHA256_LEN);

    return same != 0 ? same < 0 : memcmp(a->signature, b->signature, PV_ED25519_SIG) < 0;
}


size_t
pv_notices_place(const pv_notices_t *notices, uint32_t number)
{
    size_t  i;

    for (i = notices->slots_count; i > 0 && notices->slots[i - 1].notice->number >= number; i--) { /* void */ }

    return i;
}


void
pv_notices_drop(pv_notices_t *notices, size_t i, const char *reason, pv_problems_t *problems)
{
    pv_notices_slot_t  *slot;

    slot = &notices->slots[i];

    if (reason != NULL) {
        pv_problem(problems, NULL, slot->notice->number, NULL, "%s", reason);
    }

    pv_notice_free(slot->notice);
    free(slot->sealed);
    notices->slots_count--;
    memmove(slot, slot + 1, (notices->slots_count - i) * sizeof(pv_notices_slot_t));
}


uint32_t
pv_notices_last(const pv_notices_t *notices)
{
    return notices->last;
}


size_t
pv_notices_waiting(const pv_notices_t *notices)
{
    return notices->waiting;
}


size_t
pv_notices_count(const pv_notices_t *notices)
{
    return notices->count;
}


pv_notice_t *
pv_notices_at(const pv_notices_t *notices, size_t i)
{
    return notices->order[i];
}


pv_notice_t *
pv_notices_find(const pv_notices_t *notices, pv_str_t id)
{
    size_t  i;

    for (i = notices->count; i > 0; i--) {
        if (pv_str_eqs(id, notices->order[i - 1]->id)) {
            return notices->order[i - 1];
        }
    }

    return NULL;
}


pv_notice_t *
pv_notices_retraction(const pv_notices_t *notices, const pv_notice_t *notice)
{
    return pv_notices_that(notices, notice, 0);
}


pv_notice_t *
pv_notices_correction(const pv_notices_t *notices, const pv_notice_t *notice)
{
    return pv_notices_that(notices, notice, 1);
}


/* The newest that does that to it. */
static pv_notice_t *
pv_notices_that(const pv_notices_t *notices, const pv_notice_t *notice, int corrects)
{
    size_t        i;
    pv_notice_t  *n;

    if (notice->kind == PV_NOTICE_CHANGE) {
        return NULL;
    }

    for (i = notices->count; i > 0; i--) {
        n = notices->order[i - 1];

        if (n->kind != PV_NOTICE_CHANGE && (corrects ? n->corrects : n->retracts) == notice->number) {
            return n;
        }
    }

    return NULL;
}


pv_notice_standing_t
pv_notices_standing(const pv_notices_t *notices, const pv_notice_t *notice, int64_t now)
{
    size_t        i, n;
    pv_notice_t  *open[PV_NOTICES_OPEN_MAX];

    if (pv_notices_withdrawn(notices, notice)) {
        return PV_NOTICE_RETRACTED;
    }

    n = pv_notices_open(notices, now, open);

    for (i = 0; i < n; i++) {
        if (strcmp(open[i]->id, notice->id) == 0) {
            return PV_NOTICE_OPEN;
        }
    }

    return PV_NOTICE_ENDED;
}


size_t
pv_notices_open(const pv_notices_t *notices, int64_t now, pv_notice_t *open[PV_NOTICES_OPEN_MAX])
{
    size_t        i, n;
    pv_notice_t  *newest[PV_NOTICES_OPEN_MAX];

    n = 0;

    for (i = notices->count; i > 0 && n < PV_NOTICES_OPEN_MAX; i--) {
        if (pv_notices_lasts(notices, notices->order[i - 1], now)) {
            newest[n++] = notices->order[i - 1];
        }
    }

    for (i = 0; i < n; i++) {
        open[i] = newest[n - 1 - i];
    }

    return n;
}


static int
pv_notices_lasts(const pv_notices_t *notices, const pv_notice_t *notice, int64_t now)
{
    return notice->kind != PV_NOTICE_RETRACTION && (notice->until == 0 || notice->until > now)
           && !pv_notices_withdrawn(notices, notice);
}


static int
pv_notices_withdrawn(const pv_notices_t *notices, const pv_notice_t *notice)
{
    size_t  i;

    if (notice->kind != PV_NOTICE_CHANGE) {
        return pv_notices_retraction(notices, notice) != NULL;
    }

    for (i = 0; i < notices->changes_count; i++) {
        if (notices->changes[i].notice->number == notice->number) {
            return notices->changes[i].withdrawn;
        }
    }

    return 0;
}


int64_t
pv_notices_next(const pv_notices_t *notices, int64_t now)
{
    size_t        i, n;
    int64_t       next;
    pv_notice_t  *open[PV_NOTICES_OPEN_MAX];

    next = 0;
    n = pv_notices_open(notices, now, open);

    for (i = 0; i < n; i++) {
        if (open[i]->until != 0 && (next == 0 || open[i]->until < next)) {
            next = open[i]->until;
        }
    }

    return next;
}


pv_notice_t *
pv_notices_newest(const pv_notices_t *notices)
{
    size_t  i;

    for (i = notices->slots_count; i > 0; i--) {
        if (notices->slots[i - 1].trusted) {
            return notices->slots[i - 1].notice;
        }
    }

    return NULL;
}


int
pv_notices_chained(const pv_notices_t *notices, const pv_notice_t *notice)
{
    size_t  i;

    if (notice->kind == PV_NOTICE_CHANGE) {
        return 1;
    }

    for (i = pv_notices_place(notices, notice->number); i > 0; i--) {
        if (notices->slots[i - 1].trusted) {
            return memcmp(notices->slots[i - 1].notice->digest, notice->previous, PV_SHA256_LEN) == 0;
        }
    }

    return 1;
}
