/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_BUNDLE_COVERED_H
#define PV_BUNDLE_COVERED_H

#include "pv_bundle.h"
#include "pv_declared_diff.h"

/*
 * Whether the kinds of change that a version declares cover what differs from
 * the version before: each difference that they do not is an error, at the
 * place in policy.json (json, as it is) where the new version has it. PV_OK,
 * PV_INVALID, PV_ERROR.
 */
int pv_bundle_covered(const pv_policy_t *previous, const pv_policy_t *next, const char *file, pv_str_t json,
    pv_problems_t *problems);

/* "recipients" "acme" was added: what a difference is, in a line, appended. */
void pv_difference_words(pv_buf_t *out, const pv_difference_t *e);
/* "purposes or recipients": any of the kinds, appended. */
void pv_kinds_words(pv_buf_t *out, unsigned kinds, const char *conjunction);

#endif /* PV_BUNDLE_COVERED_H */
