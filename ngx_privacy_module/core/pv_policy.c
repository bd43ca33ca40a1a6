/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* What a consent is worth under a policy. */

#include "pv_policy.h"


static uint64_t pv_policy_valid(const pv_policy_t *policy, const pv_consent_t *consent);


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
            changed |= (uint64_t) 1 << policy->purposes[i].bit;
        }
    }

    return changed;
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
    uint64_t  valid, granted;

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

    valid = pv_policy_valid(policy, consent);
    granted = consent->granted & valid;

    verdict->decided = valid;
    verdict->allowed |= granted;
    verdict->asked &= ~valid;

    if (consent->decided == 0) {
        /* Agreed to terms, and chose nothing. */
        return;
    }

    if ((consent->flags & PV_STATE_WITHDRAWN) && (granted & ~policy->necessary) == 0) {
        verdict->standing = PV_WITHDRAWN;

    } else {
        verdict->standing = verdict->asked ? PV_STALE : PV_CURRENT;
    }
}


/* The purposes of this policy on which the choice still says something. */
static uint64_t
pv_policy_valid(const pv_policy_t *policy, const pv_consent_t *consent)
{
    return consent->decided & policy->all & ~pv_policy_changed_since(policy, consent->decided_version);
}
