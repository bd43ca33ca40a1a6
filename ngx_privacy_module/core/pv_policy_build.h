/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_POLICY_BUILD_H
#define PV_POLICY_BUILD_H

#include <jansson.h>

#include "pv_policy.h"

/*
 * The policy from what was checked in full: the head, opened and as JSON, what is declared, and the whole sealed
 * entry, for its bodies. Copies everything into its own arena.
 */
int pv_policy_build(pv_policy_t **policy, const pv_head_t *head, const json_t *root, const json_t *declared,
    pv_str_t sealed);

#endif /* PV_POLICY_BUILD_H */
