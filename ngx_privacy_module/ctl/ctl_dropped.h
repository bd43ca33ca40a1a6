/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_DROPPED_H
#define CTL_DROPPED_H

#include "pv_policy.h"

/*
 * Nobody is to be logged out by a forgotten line: which cookies that pass as
 * necessary under the version before would be dropped by the next one, each
 * said as a problem. inventory: what `privacyctl inventory --json` wrote, then
 * only those count that were seen; NULL: all that were declared.
 * PV_OK, or PV_INVALID when the inventory cannot be read.
 */
int ctl_dropped(const pv_policy_t *before, const pv_policy_t *next, const pv_str_t *inventory,
    pv_problems_t *problems);

#endif /* CTL_DROPPED_H */
