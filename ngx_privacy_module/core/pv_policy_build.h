/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_POLICY_BUILD_H
#define PV_POLICY_BUILD_H

#include <jansson.h>

#include "pv_policy.h"

/* The policy from a payload that was checked in full; copies everything into its own arena. */
int pv_policy_build(pv_policy_t **policy, const json_t *payload, const unsigned char digest[PV_SHA256_LEN]);

#endif /* PV_POLICY_BUILD_H */
