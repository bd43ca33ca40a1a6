/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* What a consent is worth under a policy. */

#include "pv_policy.h"


static uint64_t pv_policy_bit(const pv_purpose_t *purpose);


const pv_purpose_t *
pv_policy_purpose(const pv_policy_t *policy, pv_str_t id)
{
    size_t  i;

    for (i = 0; i < policy->purposes_count; i++) {
        if (pv_str_eq(policy->purposes[i].id, id)) {
            return &policy->purposes[i];
        }
    }

    return NULL;
}


pv_str_t
pv_translation(const pv_policy_t *policy, const pv_translation_t *list, size_t language)
{
    static const pv_str_t  none = pv_string("");

    if (list == NULL) {
        return none;
    }

    return list[language < policy->texts_count ? language : 0].text;
}


uint64_t
pv_policy_changed_since(const pv_policy_t *policy, uint32_t decided)
{
    size_t    i;
    uint64_t  changed;

    changed = 0;

    for (i = 0; i < policy->purposes_count; i++) {
        if (policy->purposes[i].asked_since > decided) {
            changed |= pv_policy_bit(&policy->purposes[i]);
        }
    }

    return changed;
}


uint64_t
pv_policy_changed_by(const pv_policy_t *policy, uint32_t version)
{
    size_t               i;
    uint64_t             changed;
    const pv_purpose_t  *purpose;

    changed = 0;

    for (i = 0; i < policy->purposes_count; i++) {
        purpose = &policy->purposes[i];

        if (purpose->asked_since == version && !purpose->unnamed && !purpose->necessary) {
            changed |= pv_policy_bit(purpose);
        }
    }

    return changed;
}


static uint64_t
pv_policy_bit(const pv_purpose_t *purpose)
{
    return (uint64_t) 1 << purpose->bit;
}


void
pv_policy_holds(const pv_policy_t *policy, const pv_consent_t *consent, uint64_t *decided, uint64_t *granted)
{
    uint64_t  refused, agreed;

    /* What was declined in advance is refused under that version, too. */

    refused = consent->decided & ~consent->granted
              & ~pv_policy_changed_since(policy, consent->decided_version + pv_state_declined_ahead(consent->flags));
    *granted = consent->granted & consent->decided & ~pv_policy_changed_since(policy, consent->decided_version);

    agreed = 0;

    if ((consent->flags & PV_STATE_AGREED_AHEAD) && consent->bound_version <= policy->sequence) {
        agreed = pv_policy_changed_by(policy, consent->bound_version) & ~policy->separate;
    }

    *granted |= agreed;
    *decided = *granted | (refused & ~agreed);
}


const char *
pv_standing_name(pv_standing_t s)
{
    switch (s) {

    case PV_CURRENT:
        return "current";

    case PV_STALE:
        return "stale";

    case PV_WITHDRAWN:
        return "withdrawn";

    case PV_MINOR:
        return "minor";

    case PV_UNDECIDED:
        break;
    }

    return "undecided";
}


void
pv_policy_judge(pv_verdict_t *verdict, const pv_policy_t *policy, const pv_consent_t *consent, int64_t now)
{
    int64_t   chosen;
    uint64_t  decided, granted;

    verdict->standing = PV_UNDECIDED;
    verdict->allowed = policy->necessary;
    verdict->decided = 0;
    verdict->asked = policy->all & ~policy->necessary & ~policy->separate;

    if (consent == NULL) {
        return;
    }

    if (consent->flags & PV_STATE_MINOR) {
        /* A guardian decides, elsewhere: nothing that the banner could ask this visitor for. */
        verdict->standing = PV_MINOR;
        verdict->asked = 0;
        return;
    }

    chosen = consent->chosen;

    if (chosen > now + PV_DAY || chosen + (int64_t) policy->choice_days * PV_DAY <= now) {
        return;
    }

    if (consent->decided_version > policy->sequence) {
        /* Another node is ahead of this one: do not ask on terms that are about to go. */
        verdict->standing = PV_STALE;
        verdict->asked = 0;
        return;
    }

    pv_policy_holds(policy, consent, &decided, &granted);

    decided &= policy->all;
    granted &= policy->all;

    verdict->decided = decided;
    verdict->allowed |= granted;
    verdict->asked &= ~decided;

    if (consent->decided == 0 && decided == 0) {
        /* Agreed to terms, and chose nothing. */
        return;
    }

    if ((consent->flags & PV_STATE_WITHDRAWN) && (granted & ~policy->necessary) == 0) {
        verdict->standing = PV_WITHDRAWN;

    } else {
        verdict->standing = verdict->asked ? PV_STALE : PV_CURRENT;
    }
}
