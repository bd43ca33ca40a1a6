/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "ctl_draft.h"


int
ctl_draft_open(pv_policy_t **policy, const pv_bundle_source_t *source, const pv_bundle_context_t *context,
    pv_problems_t *problems)
{
    int            rc;
    pv_buf_t       sealed;
    unsigned char  secret[PV_ED25519_SECRET], pub[PV_ED25519_PUBLIC];

    *policy = NULL;
    pv_buf_init(&sealed, PV_SEALED_MAX);

    rc = pv_random(secret, sizeof(secret));
    rc = rc == PV_OK ? pv_ed25519_public(pub, secret) : rc;
    rc = rc == PV_OK ? pv_bundle_seal(&sealed, source, context, secret, problems) : rc;

    if (rc == PV_OK) {
        rc = pv_policy_open(policy, (pv_str_t) { sealed.data, sealed.len }, context->site, pub, problems);
    }

    explicit_bzero(secret, sizeof(secret));
    pv_buf_free(&sealed);

    return rc;
}
