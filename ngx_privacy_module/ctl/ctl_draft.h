/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_DRAFT_H
#define CTL_DRAFT_H

#include "pv_bundle.h"

/*
 * The version that a bundle would become, opened as a node would open it:
 * sealed with a key that nobody keeps. *policy is to be freed by
 * pv_policy_free(). PV_INVALID: what is wrong with it is in problems.
 */
int ctl_draft_open(pv_policy_t **policy, const pv_bundle_source_t *source, const pv_bundle_context_t *context,
    pv_problems_t *problems);

#endif /* CTL_DRAFT_H */
