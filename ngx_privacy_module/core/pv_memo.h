/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_MEMO_H
#define PV_MEMO_H

/*
 * Consent cookies that were verified before: a browser sends the same one with
 * every request, and what it decodes to follows from its bytes alone. Nothing
 * that changes with time is kept: age, lease, revocation and policy are the
 * caller's to judge each time.
 *
 * Bounded: a cookie has one place, found by a hash with a secret seed, and the
 * newest there wins. So whoever tries cookies out can not aim at the place of
 * another one, and learns nothing from how long a comparison takes.
 */

#include "pv_state.h"

typedef struct pv_memo_s  pv_memo_t;

/* entries: a power of two; each takes about 450 bytes, once used. NULL: out of memory. */
pv_memo_t *pv_memo_create(size_t entries);
void pv_memo_free(pv_memo_t *memo);

/* pv_consent_decode() with a memo (may be NULL), which serves one site and one set of keys. */
int pv_memo_consent(pv_memo_t *memo, pv_consent_t *c, pv_str_t cookie, const pv_keys_t *keys, pv_str_t site);

#endif /* PV_MEMO_H */
