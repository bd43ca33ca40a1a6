/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_SEAL_H
#define PV_SEAL_H

/*
 * New entries of a log that are no versions (those: pv_bundle_seal()), and
 * what all kinds have in common. The context's site, sequence, last and now
 * count. Each appends the sealed entry to out; PV_INVALID: see problems.
 */

#include <jansson.h>

#include "pv_bundle.h"

/* Version number withdraws never comes into force. Whether it may still be withdrawn is the caller's to know. */
int pv_seal_withdrawal(pv_buf_t *out, const pv_bundle_context_t *context, uint32_t withdraws, const char *reason,
    const unsigned char secret[PV_ED25519_SECRET], pv_problems_t *problems);

/* From the next entry on, the key next signs instead of secret. */
int pv_seal_key(pv_buf_t *out, const pv_bundle_context_t *context, const unsigned char secret[PV_ED25519_SECRET],
    const unsigned char next[PV_ED25519_SECRET], pv_problems_t *problems);

/* The fields that all heads have; a new reference, or NULL. */
json_t *pv_seal_head(const pv_bundle_context_t *context, pv_entry_kind_t kind,
    const unsigned char secret[PV_ED25519_SECRET]);
/* Signs the head, and puts frame, head and bodies together. PV_INVALID when the head is too large. */
int pv_seal(pv_buf_t *out, pv_str_t site, const json_t *head, pv_str_t bodies,
    const unsigned char secret[PV_ED25519_SECRET], pv_problems_t *problems);

#endif /* PV_SEAL_H */
