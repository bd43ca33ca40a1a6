/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stddef.h>
#include <string.h>

#include "pv_choice.h"


static int pv_choice_is_ahead(const pv_choice_t *c, const pv_policy_t *in_force);
static void pv_choice_bind(pv_record_t *r, const pv_choice_t *c, const pv_consent_t *base, uint32_t reach);
static void pv_choice_ahead(pv_record_t *r, const pv_choice_t *c, const pv_consent_t *base,
    const pv_policy_t *in_force);
static void pv_choice_carry(pv_record_t *r, const pv_consent_t *base, int64_t now);
static int pv_choice_answers_same(const pv_record_t *r, const pv_consent_t *base);
static void pv_choice_valid(const pv_consent_t *base, const pv_policy_t *in_force, int64_t now, uint64_t *decided,
    uint64_t *granted);


int
pv_choice_resolve(pv_choice_t *c, const pv_choice_input_t *in, const pv_policy_t *shown)
{
    size_t               i;
    uint64_t             bit, yes, optional;
    const pv_purpose_t  *purpose;

    memset(c, 0, sizeof(pv_choice_t));
    c->how = in->how;
    c->version = shown->sequence;

    optional = shown->all & ~shown->necessary;

    if (in->answer.data != NULL) {
        /* answers a notice, and is none to a banner */
        return PV_INVALID;
    }

    if (in->how == PV_HOW_AGREE) {
        /* to the terms: it decides no purpose, whatever boxes come along */
        return PV_OK;
    }

    if (in->how != PV_HOW_CUSTOM) {
        /* a form sends its boxes along whichever button is pressed: the button counts */

        c->named = (in->how == PV_HOW_ACCEPT_ALL) ? optional & ~shown->separate : optional;
        c->granted = (in->how == PV_HOW_ACCEPT_ALL) ? c->named : 0;
        c->everything = (in->how != PV_HOW_ACCEPT_ALL);

        return PV_OK;
    }

    yes = 0;

    for (i = 0; i < in->count; i++) {
        purpose = pv_policy_purpose(shown, in->id[i]);

        if (purpose == NULL) {
            return PV_INVALID;
        }

        bit = (uint64_t) 1 << purpose->bit;

        if (purpose->necessary) {
            /* nothing to decide; who says no to it expects what will not happen */
            if (!(in->granted >> i & 1)) {
                return PV_INVALID;
            }

            continue;
        }

        c->named |= bit;
        yes |= (in->granted >> i & 1) ? bit : 0;
    }

    if (in->complete) {
        c->named = optional;
    }

    c->granted = yes;

    return (c->named || in->complete) ? PV_OK : PV_INVALID;
}


void
pv_choice_answer(pv_choice_t *c, int how, const pv_policy_t *version)
{
    memset(c, 0, sizeof(pv_choice_t));

    c->how = how;
    c->version = version->sequence;
    c->answer = 1;
    c->named = pv_policy_changed_by(version, version->sequence);

    if (how == PV_HOW_AGREE) {
        c->named &= ~version->separate;
        c->granted = c->named;
    }
}


/* Agreed to before it is in force: nothing of it is granted yet. */

static int
pv_choice_is_ahead(const pv_choice_t *c, const pv_policy_t *in_force)
{
    return c->answer && c->how == PV_HOW_AGREE && c->version > in_force->sequence;
}


/* What base still says under the version in force: as worded then, and within its term. */

static void
pv_choice_valid(const pv_consent_t *base, const pv_policy_t *in_force, int64_t now, uint64_t *decided,
    uint64_t *granted)
{
    *decided = 0;
    *granted = 0;

    if (base == NULL || now - (int64_t) base->chosen > (int64_t) in_force->choice_days * PV_DAY) {
        return;
    }

    if (base->decided_version > in_force->sequence) {
        *decided = base->decided;
        *granted = base->granted;
        return;
    }

    pv_policy_holds(in_force, base, decided, granted);
}


uint64_t
pv_choice_wanted(const pv_choice_t *c, const pv_consent_t *base, const pv_policy_t *in_force, int64_t now)
{
    uint64_t  decided, granted;

    pv_choice_valid(base, in_force, now, &decided, &granted);

    if (pv_choice_is_ahead(c, in_force)) {
        /* what is granted now is so as it is worded now */
        return c->granted;
    }

    if (c->answer) {
        return c->granted & ~granted & ~pv_policy_changed_since(in_force, c->version);
    }

    return c->granted & ~granted;
}


uint64_t
pv_choice_refused(const pv_record_t *records, size_t n, uint32_t first, uint32_t shown, uint64_t before)
{
    size_t    i;
    uint64_t  since, now;

    since = 0;

    for (i = 0; i < n; i++) {
        now = records[i].decided & ~records[i].granted;

        if (first + i > shown) {
            since |= now & ~before;

            if (records[i].how == PV_HOW_REJECT_ALL || records[i].how == PV_HOW_WITHDRAW) {
                since = UINT64_MAX;
            }
        }

        before = now;
    }

    return since;
}


int
pv_choice_stale(const pv_choice_t *c, uint32_t shown, uint64_t refused, const pv_consent_t *base,
    const pv_policy_t *in_force, int64_t now)
{
    uint64_t  wanted;

    wanted = pv_choice_wanted(c, base, in_force, now);

    if (wanted == 0) {
        return 0;
    }

    if ((c->version != in_force->sequence && !c->answer)
        || (base && base->decided_version > in_force->sequence))
    {
        return 1;
    }

    if (shown > (base ? base->position : 0)) {
        /* made for a ledger that is not there any more */
        return 1;
    }

    return (wanted & refused) != 0;
}


void
pv_choice_fold(pv_consent_t *base, const pv_record_t *pending)
{
    uint64_t  refused;

    refused = pending->decided & ~pending->granted;

    if (base->position == 0) {
        base->decided_version = pending->decided_version;
        base->bound_version = pending->bound_version;
        base->chosen = pending->time;
    }

    base->decided |= refused;
    base->granted &= ~refused;
    base->flags &= (uint8_t) ~PV_STATE_AHEAD;

    if (pending->how == PV_HOW_WITHDRAW) {
        base->flags |= PV_STATE_WITHDRAWN;
        base->granted = 0;
    }
}


void
pv_choice_merge(pv_record_t *r, const pv_choice_t *c, uint64_t form, const pv_consent_t *base, uint32_t reach,
    const pv_policy_t *in_force, int64_t now)
{
    uint64_t  decided, granted, named, current;

    memset(r, 0, sizeof(pv_record_t));

    pv_choice_valid(base, in_force, now, &decided, &granted);

    /* what an older form said counts where the purpose still means the same; a no counts anyhow */

    named = pv_choice_is_ahead(c, in_force) ? 0 : c->named;
    current = named;

    if (c->version < in_force->sequence) {
        current &= ~pv_policy_changed_since(in_force, c->version);
    }

    if (c->how == PV_HOW_WITHDRAW) {
        current |= in_force->all & ~in_force->necessary;
    }

    if (c->everything) {
        granted = 0;
    }

    if (c->how == PV_HOW_AGREE) {
        /* takes nothing back, also of what means something else by now */
        named = current;
    }

    r->decided = decided | current;
    r->granted = (granted & ~named) | (c->granted & current);
    r->granted &= r->decided;

    r->how = (uint8_t) c->how;
    r->time = (uint32_t) now;
    r->form = form;

    /* A node that is behind takes back what was chosen on a newer version, and leaves the version to it. */

    r->decided_version = in_force->sequence;

    if (base && base->decided_version > in_force->sequence) {
        r->decided_version = base->decided_version;
    }

    pv_choice_bind(r, c, base, reach);
    pv_choice_ahead(r, c, base, in_force);

    if ((c->how == PV_HOW_AGREE || c->how == PV_HOW_DECLINE) && decided != 0) {
        pv_choice_carry(r, base, now);
    }
}


/* Terms that reduce rights bind only who agrees to them; who declines stays where he was, or is said to be. */

static void
pv_choice_bind(pv_record_t *r, const pv_choice_t *c, const pv_consent_t *base, uint32_t reach)
{
    if (base == NULL || base->bound_version == 0) {
        r->bound_version = (c->how == PV_HOW_DECLINE) ? reach : c->version;
        return;
    }

    r->bound_version = (c->how == PV_HOW_DECLINE) ? 0 : c->version;

    if (c->how != PV_HOW_AGREE && r->bound_version > reach) {
        r->bound_version = reach;
    }

    if (r->bound_version < base->bound_version) {
        r->bound_version = base->bound_version;
    }
}


/* Answered before it is in force: then it is not asked for again. What was agreed to before stays agreed to. */

static void
pv_choice_ahead(pv_record_t *r, const pv_choice_t *c, const pv_consent_t *base, const pv_policy_t *in_force)
{
    uint32_t  numbers;

    if (c->how == PV_HOW_DECLINE && c->version > r->decided_version) {
        numbers = c->version - r->decided_version;
        r->ahead = (numbers <= PV_AHEAD_MAX) ? (uint8_t) numbers : 0;
    }

    if (c->how == PV_HOW_AGREE && r->bound_version > in_force->sequence) {
        r->ahead = (r->bound_version == c->version && c->answer)
                   || (base && (base->flags & PV_STATE_AGREED_AHEAD) && r->bound_version == base->bound_version);
    }
}


/* Who answers a notice chooses nothing else anew: what was chosen keeps its age, rounded up. */

static void
pv_choice_carry(pv_record_t *r, const pv_consent_t *base, int64_t now)
{
    int64_t  days;

    days = (now - (int64_t) base->chosen + PV_DAY - 1) / PV_DAY;
    days = (days < 0) ? 0 : days;

    r->carried = (uint16_t) (days > PV_CARRIED_MAX ? PV_CARRIED_MAX : days);
    r->carried_withdrawal = (base->flags & PV_STATE_WITHDRAWN) != 0;
}


uint64_t
pv_choice_revoked(const pv_record_t *r, const pv_consent_t *base)
{
    return r->ahead && r->how == PV_HOW_AGREE ? base->granted & ~r->granted : pv_choice_held(base) & ~r->granted;
}


uint64_t
pv_choice_held(const pv_consent_t *base)
{
    /* what was agreed to in advance is not among the bits */

    return (base->flags & PV_STATE_AGREED_AHEAD) ? UINT64_MAX : base->granted;
}


int
pv_choice_same(const pv_record_t *r, const pv_consent_t *base, int64_t now)
{
    if (base == NULL || base->position == 0 || base->bound_version != r->bound_version) {
        return 0;
    }

    if (r->how == PV_HOW_AGREE || r->how == PV_HOW_DECLINE) {
        return pv_choice_answers_same(r, base);
    }

    return base->decided == r->decided && base->granted == r->granted
           && base->decided_version == r->decided_version
           && !(base->flags & PV_STATE_AGREED_AHEAD)        /* any other choice takes that back */
           && !(base->flags & PV_STATE_WITHDRAWN) == (r->how != PV_HOW_WITHDRAW)
           && now - (int64_t) base->chosen < PV_CHOICE_SECOND_MAX;
}


/* It adds nothing to what was answered before, and is not newer by more than a second click. */

static int
pv_choice_answers_same(const pv_record_t *r, const pv_consent_t *base)
{
    int64_t   newer;
    uint64_t  refused;

    refused = r->decided & ~r->granted;
    newer = (int64_t) r->time - (int64_t) r->carried * PV_DAY - (int64_t) base->chosen;

    if ((r->decided & ~base->decided) || (r->granted & ~base->granted) || (base->granted & refused)) {
        return 0;
    }

    if (r->how == PV_HOW_AGREE) {

        if (r->decided == 0 && !r->ahead) {
            /* to what binds already */
            return base->bound_version != 0;
        }

        return (!r->ahead || (base->flags & PV_STATE_AGREED_AHEAD)) && newer < PV_CHOICE_SECOND_MAX;
    }

    return !(base->flags & PV_STATE_AGREED_AHEAD)
           && r->decided_version + r->ahead <= base->decided_version + pv_state_declined_ahead(base->flags)
           && newer < PV_CHOICE_SECOND_MAX;
}
