/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_CHOICE_H
#define PV_CHOICE_H

/*
 * A choice as it was sent: read from a form or JSON, understood against the
 * version that was on the screen, merged with what the ledger says by now.
 */

#include "pv_policy.h"

#define PV_CHOICE_BODY_MAX    (16 * 1024)
#define PV_CHOICE_SECOND_MAX  86400     /* seconds in which the same choice again is no new one */

/* What was sent. Everything points into the body or into json. */
typedef struct {
    int       how;              /* PV_HOW_ACCEPT_ALL, REJECT_ALL, CUSTOM, WITHDRAW, AGREE; answers: AGREE, DECLINE, 0 */
    unsigned  complete:1;       /* a form: what it does not name is refused */
    pv_str_t  answer;           /* to a notice: "agree" "decline" "later" "acknowledge" "seen"; data NULL: it is a choice */
    pv_str_t  token;            /* len 0: there is none, which only "seen" may do without */
    pv_str_t  return_to;        /* as sent: not to be trusted */
    uint64_t  granted;          /* bit i: id[i] was said yes to */
    void     *json;
    size_t    count;
    pv_str_t  id[PV_PURPOSES_MAX];      /* of these, count are set */
} pv_choice_input_t;

/*
 * how: 0, or what the address alone says (a withdrawal): then the body need
 * not name a choice. The form is decoded in place. PV_INVALID: cannot be read.
 */
int pv_choice_read_form(pv_choice_input_t *in, unsigned char *body, size_t len, int how);
int pv_choice_read_json(pv_choice_input_t *in, pv_str_t body, int how);
void pv_choice_input_free(pv_choice_input_t *in);

/* What it means. */
typedef struct {
    int       how;
    uint32_t  version;          /* that was on the screen */
    uint64_t  named;            /* purposes that it decides */
    uint64_t  granted;          /* of these, the ones it says yes to */
    unsigned  everything:1;     /* says no to all there is, named or not */
    unsigned  answer:1;         /* to the notice of version, which need not be in force (yet, or any more) */
} pv_choice_t;

/* shown: the version that was on the screen. PV_INVALID: names a purpose that was not to be chosen there. */
int pv_choice_resolve(pv_choice_t *c, const pv_choice_input_t *in, const pv_policy_t *shown);

/*
 * The answer to the notice of a version: PV_HOW_AGREE binds, and grants what it
 * changed (pv_policy_changed_by()) and what needs no consent of its own;
 * PV_HOW_DECLINE refuses what it changed, at once. Nothing else changes. Where
 * the version is not in force yet, what is agreed to holds from then on.
 */
void pv_choice_answer(pv_choice_t *c, int how, const pv_policy_t *version);

/* The purposes that the choice would newly grant, given the state that it is made on (NULL: none). */
uint64_t pv_choice_wanted(const pv_choice_t *c, const pv_consent_t *base, const pv_policy_t *in_force, int64_t now);
/*
 * What records refused that stand after the position that a form was shown
 * for, by withdrawing, by rejecting all, or where it was not refused before.
 * first: the position of records[0]; before: what was refused in front of it.
 */
uint64_t pv_choice_refused(const pv_record_t *records, size_t n, uint32_t first, uint32_t shown, uint64_t before);
/*
 * 1 when it grants what was refused after its form was shown (for position
 * shown), or what the form did not say as it is said now: to be asked again. A
 * refusal never is.
 */
int pv_choice_stale(const pv_choice_t *c, uint32_t shown, uint64_t refused, const pv_consent_t *base,
    const pv_policy_t *in_force, int64_t now);
/* Takes back what a refusal that is not yet recorded refused. */
void pv_choice_fold(pv_consent_t *base, const pv_record_t *pending);
/*
 * The record of the choice on top of base (NULL: none): everything but client
 * and link. reach: the newest version to which base's bound version moves by
 * itself. Past it, only agreeing binds. Where nothing binds yet: the version
 * before the one that is declined, which binds then; else 0.
 */
void pv_choice_merge(pv_record_t *r, const pv_choice_t *c, uint64_t form, const pv_consent_t *base, uint32_t reach,
    const pv_policy_t *in_force, int64_t now);
/* What base grants, and the record does not: not 0 when others have to hear of it. */
uint64_t pv_choice_revoked(const pv_record_t *r, const pv_consent_t *base);
/* What base grants or may come to grant: what a refusal takes back. */
uint64_t pv_choice_held(const pv_consent_t *base);
/* 1 when the record would say what base says already. */
int pv_choice_same(const pv_record_t *r, const pv_consent_t *base, int64_t now);

#endif /* PV_CHOICE_H */
