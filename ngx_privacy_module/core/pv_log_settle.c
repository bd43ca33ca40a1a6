/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * Which heads of a log are to be trusted. They are looked at run by run: a run
 * is a piece of the chain without gaps, whose heads name each other's digests
 * and hand the key over as they have to. In a run, what is proven of the
 * newest head holds for all before it, so that few signatures are verified:
 * from the newest head of the run whose key is known, that one, the key
 * entries after it, and the newest of all.
 */

#include <string.h>

#include "pv_log_private.h"


typedef struct {
    pv_log_t          *log;
    pv_log_verify_pt   verify;
    void              *data;
    pv_problems_t     *problems;
    size_t             dropped;
} pv_settle_t;


static int pv_settle_prune(pv_settle_t *s);
static int pv_settle_late(pv_settle_t *s);
static int pv_settle_pair(pv_settle_t *s, size_t i);
static int pv_settle_confirmed(const pv_log_t *log, size_t i);
static size_t pv_settle_run(const pv_log_t *log, size_t first, int *open);
static int pv_settle_authenticate(pv_settle_t *s, size_t first, size_t end);
static int pv_settle_known(const pv_log_t *log, const pv_head_t *head, const unsigned char *key);
static int pv_settle_hands_over(const pv_log_t *log, const pv_head_t *head);
static const unsigned char *pv_settle_key(const pv_log_t *log, uint32_t sequence);
static const unsigned char *pv_settle_successor(const pv_head_t *head);
static void pv_settle_drop(pv_settle_t *s, size_t i, const char *reason);
static void pv_settle_withdrawals(pv_log_t *log);


int
pv_log_settle(pv_log_t *log, pv_log_verify_pt verify, void *data, pv_problems_t *problems)
{
    int          open, progress;
    size_t       i, end;
    pv_settle_t  s;

    s = (pv_settle_t) { log, verify, data, problems, 0 };

    /* The oldest run first: a key that was handed over there signs nothing behind the gap. */
    do {
        progress = pv_settle_prune(&s);

        for (i = 0; !progress && i < log->count; i = end) {
            end = pv_settle_run(log, i, &open);
            progress = open && pv_settle_authenticate(&s, i, end);
        }
    } while (progress);

    for (i = log->count; i > 0; i--) {
        if (!log->slots[i - 1].trusted) {
            pv_settle_drop(&s, i - 1, "is signed with a key that this log does not hand over to");
        }
    }

    pv_settle_withdrawals(log);

    return s.dropped ? PV_INVALID : PV_OK;
}


/* Takes out what contradicts a neighbour that is trusted, or that it names itself. 1 when there was something. */
static int
pv_settle_prune(pv_settle_t *s)
{
    size_t  i;

    for (i = 1; i < s->log->count; i++) {
        if (pv_settle_pair(s, i)) {
            return 1;
        }
    }

    return pv_settle_late(s);
}


/* Was trusted behind a gap, before the hand-over in that gap was seen. */
static int
pv_settle_late(pv_settle_t *s)
{
    size_t                i;
    pv_head_t            *head;
    const unsigned char  *key;

    key = NULL;

    for (i = 0; i < s->log->count; i++) {
        head = s->log->slots[i].head;

        if (!s->log->slots[i].trusted) {
            continue;
        }

        if (key != NULL && memcmp(head->key, key, PV_ED25519_PUBLIC) != 0) {
            pv_settle_drop(s, i, "is not signed with the key that signs at its place");
            return 1;
        }

        key = head->kind == PV_ENTRY_KEY ? head->new_key : key;
    }

    return 0;
}


static int
pv_settle_pair(pv_settle_t *s, size_t i)
{
    int             confirmed;
    pv_log_slot_t  *before, *slot;

    before = &s->log->slots[i - 1];
    slot = &s->log->slots[i];

    if ((before->trusted && slot->trusted) || before->head->sequence + 1 != slot->head->sequence) {
        return 0;
    }

    if (memcmp(slot->head->previous, before->head->digest, PV_SHA256_LEN) != 0) {

        if (slot->trusted) {
            pv_settle_drop(s, i - 1, "is not the one that the entry after it names");
            return 1;
        }

        if (before->trusted) {
            confirmed = pv_settle_confirmed(s->log, i);
            pv_settle_drop(s, confirmed ? i - 1 : i, confirmed ? "is not the one that the entry after it names"
                           : "does not name the entry before it");
            return 1;
        }

        return 0;
    }

    if (memcmp(slot->head->key, pv_settle_successor(before->head), PV_ED25519_PUBLIC) != 0) {
        pv_settle_drop(s, slot->trusted ? i - 1 : i, "is not signed with the key that signs at its place");
        return 1;
    }

    return 0;
}


/* 1 when a trusted entry names it: of two that contradict each other, the newer one is believed. */
static int
pv_settle_confirmed(const pv_log_t *log, size_t i)
{
    return i + 1 < log->count && log->slots[i + 1].trusted
           && log->slots[i + 1].head->sequence == log->slots[i].head->sequence + 1
           && memcmp(log->slots[i + 1].head->previous, log->slots[i].head->digest, PV_SHA256_LEN) == 0;
}


/* The index behind the run that begins at first; open: something in it is not trusted yet. */
static size_t
pv_settle_run(const pv_log_t *log, size_t first, int *open)
{
    size_t            i;
    const pv_head_t  *head;

    *open = !log->slots[first].trusted;

    for (i = first + 1; i < log->count; i++) {
        head = log->slots[i].head;

        if (head->sequence != log->slots[i - 1].head->sequence + 1
            || memcmp(head->previous, log->slots[i - 1].head->digest, PV_SHA256_LEN) != 0)
        {
            break;
        }

        *open |= !log->slots[i].trusted;
    }

    return i;
}


/* 1 when something changed: the run is trusted, or one of it is gone. */
static int
pv_settle_authenticate(pv_settle_t *s, size_t first, size_t end)
{
    size_t                i, anchor;
    const pv_head_t      *head;
    const unsigned char  *key;

    /* One for the whole run: behind what is trusted of it, no trusted entry hands the key over. */
    key = pv_settle_key(s->log, s->log->slots[end - 1].head->sequence);

    for (anchor = end; anchor > first; anchor--) {
        if (s->log->slots[anchor - 1].trusted || pv_settle_known(s->log, s->log->slots[anchor - 1].head, key)) {
            break;
        }
    }

    if (anchor == first) {
        return 0;
    }

    for (i = anchor - 1; i < end; i++) {
        head = s->log->slots[i].head;

        if (s->log->slots[i].trusted || (i + 1 != end && head->kind != PV_ENTRY_KEY)
            || (i == anchor - 1 && pv_settle_hands_over(s->log, head)))
        {
            continue;
        }

        if (s->verify == NULL || s->verify(s->data, head) != PV_OK) {
            pv_settle_drop(s, i, "its signature does not hold: altered, of another site, or signed with another key");
            return 1;
        }
    }

    for (i = first; i < end; i++) {
        s->log->slots[i].trusted = 1;
    }

    return 1;
}


static int
pv_settle_known(const pv_log_t *log, const pv_head_t *head, const unsigned char *key)
{
    return pv_settle_hands_over(log, head) || memcmp(head->key, key, PV_ED25519_PUBLIC) == 0;
}


/* The configured key countersigned it, which was verified when it was opened. */
static int
pv_settle_hands_over(const pv_log_t *log, const pv_head_t *head)
{
    return head->kind == PV_ENTRY_KEY && memcmp(head->new_key, log->pub, PV_ED25519_PUBLIC) == 0;
}


void
pv_log_key(const pv_log_t *log, uint32_t sequence, unsigned char pub[PV_ED25519_PUBLIC])
{
    memcpy(pub, pv_settle_key(log, sequence), PV_ED25519_PUBLIC);
}


/* Of the newest trusted key entry before; else of the oldest one after, whose own key it is; else as configured. */
static const unsigned char *
pv_settle_key(const pv_log_t *log, uint32_t sequence)
{
    size_t                i;
    const unsigned char  *key;

    key = log->pub;

    for (i = log->count; i > 0; i--) {
        if (!log->slots[i - 1].trusted || log->slots[i - 1].head->kind != PV_ENTRY_KEY) {
            continue;
        }

        if (log->slots[i - 1].head->sequence < sequence) {
            return log->slots[i - 1].head->new_key;
        }

        key = log->slots[i - 1].head->key;
    }

    return key;
}


static const unsigned char *
pv_settle_successor(const pv_head_t *head)
{
    return head->kind == PV_ENTRY_KEY ? head->new_key : head->key;
}


static void
pv_settle_drop(pv_settle_t *s, size_t i, const char *reason)
{
    pv_log_t  *log;

    log = s->log;

    pv_problem(s->problems, NULL, log->slots[i].head->sequence, NULL, "%s", reason);
    pv_head_free(log->slots[i].head);
    memmove(log->slots + i, log->slots + i + 1, (log->count - i - 1) * sizeof(pv_log_slot_t));

    log->count--;
    s->dropped++;
}


/* The first that was in time counts; one that came too late changes nothing. */
static void
pv_settle_withdrawals(pv_log_t *log)
{
    size_t            i, place;
    const pv_head_t  *head, *version;

    for (i = 0; i < log->count; i++) {
        log->slots[i].withdrawn = 0;
    }

    for (i = 0; i < log->count; i++) {
        head = log->slots[i].head;

        if (head->kind != PV_ENTRY_WITHDRAWAL) {
            continue;
        }

        place = pv_log_place(log, head->withdraws);
        version = log->slots[place].head;

        /* place is at most i: a withdrawal names a smaller number than its own */

        if (version->sequence == head->withdraws && version->kind == PV_ENTRY_VERSION
            && head->published < version->effective && log->slots[place].withdrawn == 0)
        {
            log->slots[place].withdrawn = head->sequence;
        }
    }
}
