/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * Which notices of a stream are to be trusted, given the publication log; and
 * those that the log makes. It is worked out anew each time, for the log may
 * say more by then, but no signature is verified twice with the same key.
 */

#include <string.h>

#include "pv_notices_private.h"

#define PV_NOTICES_CLOCKS  PV_DAY       /* that clocks may differ at a hand-over */


typedef enum { PV_NOTICES_TRUST, PV_NOTICES_WAIT, PV_NOTICES_REFUSE, PV_NOTICES_FAIL } pv_notices_judgement_t;


static pv_notices_judgement_t pv_notices_judge(pv_notices_t *notices, pv_notices_slot_t *slot, const pv_log_t *log,
    const char **reason);
static int pv_notices_key(unsigned char key[PV_ED25519_PUBLIC], const pv_log_t *log, uint32_t last);
static const pv_head_t *pv_notices_hand_over(const pv_log_t *log, uint32_t last);
static size_t pv_notices_rivals(pv_notices_t *notices, pv_problems_t *problems);
static void pv_notices_trim(pv_notices_t *notices);
static void pv_notices_tell(pv_notices_t *notices, pv_problems_t *problems);
static int pv_notices_changes(pv_notices_t *notices, const pv_log_t *log);
static int pv_notices_change(pv_notice_t **notice, pv_notices_t *notices, const pv_head_t *head, size_t *known);
static void pv_notices_order(pv_notices_t *notices);


int
pv_notices_settle(pv_notices_t *notices, const pv_log_t *log, pv_problems_t *problems)
{
    int                     rc;
    size_t                  i, dropped;
    const char             *reason;
    pv_notices_judgement_t  judgement;

    rc = PV_OK;
    dropped = 0;
    notices->waiting = 0;

    for (i = 0; i < notices->slots_count; /* void */) {
        judgement = pv_notices_judge(notices, &notices->slots[i], log, &reason);

        if (judgement == PV_NOTICES_REFUSE) {
            pv_notices_drop(notices, i, reason, problems);
            dropped++;
            continue;
        }

        notices->slots[i].trusted = judgement == PV_NOTICES_TRUST;
        notices->waiting += judgement != PV_NOTICES_TRUST;
        rc = judgement == PV_NOTICES_FAIL ? PV_ERROR : rc;
        i++;
    }

    dropped += pv_notices_rivals(notices, problems);
    pv_notices_trim(notices);
    pv_notices_tell(notices, problems);

    rc = pv_notices_changes(notices, log) == PV_OK ? rc : PV_ERROR;
    pv_notices_order(notices);

    return rc == PV_OK && dropped != 0 ? PV_INVALID : rc;
}


static pv_notices_judgement_t
pv_notices_judge(pv_notices_t *notices, pv_notices_slot_t *slot, const pv_log_t *log, const char **reason)
{
    int               rc;
    unsigned char     key[PV_ED25519_PUBLIC];
    const pv_head_t  *next;

    if (pv_notices_key(key, log, slot->notice->log) != PV_OK) {
        return PV_NOTICES_WAIT;
    }

    if (!slot->verified || memcmp(slot->key, key, PV_ED25519_PUBLIC) != 0) {
        rc = pv_notice_verify((pv_str_t) { slot->sealed, slot->size }, notices->site, key);

        if (rc == PV_ERROR) {
            return PV_NOTICES_FAIL;
        }

        if (rc != PV_OK) {
            *reason = "its signature does not hold: altered, of another site, or signed with another key";
            return PV_NOTICES_REFUSE;
        }

        memcpy(slot->key, key, PV_ED25519_PUBLIC);
        slot->verified = 1;
    }

    next = pv_notices_hand_over(log, slot->notice->log);

    if (next != NULL && slot->notice->published > next->published + PV_NOTICES_CLOCKS) {
        *reason = "was sent with a key that had been handed over";
        return PV_NOTICES_REFUSE;
    }

    return PV_NOTICES_TRUST;
}


/* The key that signs behind entry `last`, which has to be known itself: else a hand-over could hide in a gap. */
static int
pv_notices_key(unsigned char key[PV_ED25519_PUBLIC], const pv_log_t *log, uint32_t last)
{
    const pv_head_t  *head;

    if (last == 0) {
        pv_log_key(log, 1, key);
        return PV_OK;
    }

    head = pv_log_find(log, last);

    if (head == NULL) {
        return PV_INVALID;
    }

    memcpy(key, head->kind == PV_ENTRY_KEY ? head->new_key : head->key, PV_ED25519_PUBLIC);

    return PV_OK;
}


static const pv_head_t *
pv_notices_hand_over(const pv_log_t *log, uint32_t last)
{
    size_t            i;
    const pv_head_t  *head;

    for (i = pv_log_place(log, last); i < pv_log_count(log); i++) {
        head = pv_log_entry(log, i);

        if (head->sequence > last && head->kind == PV_ENTRY_KEY) {
            return head;
        }
    }

    return NULL;
}


/* None knew less of the log than one before it; of several with one number, the last in their order counts. */
static size_t
pv_notices_rivals(pv_notices_t *notices, pv_problems_t *problems)
{
    size_t              i, dropped;
    uint32_t            known;
    pv_notices_slot_t  *slot;

    known = 0;
    dropped = 0;

    for (i = 0; i < notices->slots_count; /* void */) {
        slot = &notices->slots[i];

        if (!slot->trusted) {
            i++;

        } else if (slot->notice->log < known) {
            pv_notices_drop(notices, i, "knew less of the log than the notice before it", problems);
            dropped++;

        } else if (i + 1 < notices->slots_count && slot[1].trusted && slot[1].notice->number == slot->notice->number) {
            pv_notices_drop(notices, i, "another one has its number", problems);
            dropped++;

        } else {
            known = slot->notice->log;
            i++;
        }
    }

    return dropped;
}


/* The newest are kept. */
static void
pv_notices_trim(pv_notices_t *notices)
{
    size_t  i, trusted;

    trusted = 0;

    for (i = notices->slots_count; i > 0; i--) {
        if (notices->slots[i - 1].trusted && ++trusted > PV_NOTICES_MAX) {
            pv_notices_drop(notices, i - 1, NULL, NULL);
        }
    }
}


static void
pv_notices_tell(pv_notices_t *notices, pv_problems_t *problems)
{
    size_t              i;
    pv_notices_slot_t  *slot;

    for (i = 1; i < notices->slots_count; i++) {
        slot = &notices->slots[i];

        if (slot->trusted && !slot->told && slot[-1].trusted && slot[-1].notice->number + 1 == slot->notice->number
            && !pv_notices_chained(notices, slot->notice))
        {
            pv_warning(problems, NULL, slot->notice->number, NULL, "does not name the notice before it");
            slot->told = 1;
        }
    }
}


/* The newest of the log: those that are known already stay. */
static int
pv_notices_changes(pv_notices_t *notices, const pv_log_t *log)
{
    int                   rc;
    size_t                i, known, fresh;
    pv_notice_t          *notice;
    const pv_head_t      *head;
    pv_notices_change_t   found[PV_NOTICES_MAX];

    rc = PV_OK;
    fresh = PV_NOTICES_MAX;
    known = notices->changes_count;

    for (i = pv_log_count(log); i > 0 && fresh > 0 && rc == PV_OK; i--) {
        head = pv_log_entry(log, i - 1);

        /* the first one changes nothing */

        if (head->kind != PV_ENTRY_VERSION || pv_log_before(log, head->sequence) == NULL) {
            continue;
        }

        rc = pv_notices_change(&notice, notices, head, &known);

        if (rc == PV_OK && notice != NULL) {
            found[--fresh].notice = notice;
            found[fresh].withdrawn = pv_log_withdrawal(log, head->sequence) != NULL;
        }
    }

    for (i = 0; i < notices->changes_count; i++) {
        pv_notice_free(notices->changes[i].notice);
    }

    notices->changes_count = PV_NOTICES_MAX - fresh;
    memcpy(notices->changes, found + fresh, notices->changes_count * sizeof(pv_notices_change_t));

    return rc;
}


/* One reference to the notice of that entry. known: asked for from the newest on, how many are not newer than it. */
static int
pv_notices_change(pv_notice_t **notice, pv_notices_t *notices, const pv_head_t *head, size_t *known)
{
    pv_notice_t  *there;

    while (*known > 0 && notices->changes[*known - 1].notice->number > head->sequence) {
        (*known)--;
    }

    there = *known > 0 ? notices->changes[*known - 1].notice : NULL;

    if (there != NULL && memcmp(there->digest, head->digest, PV_SHA256_LEN) == 0) {
        *notice = pv_notice_hold(there);
        return PV_OK;
    }

    return pv_notice_from_head(notice, head);
}


/* A notice that knew the log up to 7 comes after version 7, and before version 8. */
static void
pv_notices_order(pv_notices_t *notices)
{
    size_t  i, k;

    notices->count = 0;

    for (i = 0, k = 0; i < notices->slots_count || k < notices->changes_count; /* void */) {

        if (i < notices->slots_count && !notices->slots[i].trusted) {
            i++;

        } else if (i == notices->slots_count
                   || (k < notices->changes_count
                       && notices->changes[k].notice->number <= notices->slots[i].notice->log))
        {
            notices->order[notices->count++] = notices->changes[k++].notice;

        } else {
            notices->order[notices->count++] = notices->slots[i++].notice;
        }
    }
}
