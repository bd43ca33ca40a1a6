/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef BUNDLE_FIXTURE_H
#define BUNDLE_FIXTURE_H

/* A small bundle to change one thing in, and the way from there to a policy. */

#include "pv_bundle.h"

#define FIXTURE_NOW  1796083200LL       /* 2026-12-01T00:00:00Z */

/* The JSON of a policy that is in order: version, effective, changes and the purposes filled in. */
char *fixture_json(const char *version, const char *effective, const char *changes, const char *purposes);
extern const char fixture_purposes[];

/* Seals json with the texts of zh-CN and en. Returns what pv_bundle_seal() does. */
int fixture_seal(pv_buf_t *sealed, const char *json, const pv_policy_t *previous, const char *urgent,
    pv_problems_t *problems);
/* The same with a context of one's own, begun by fixture_context(): published at FIXTURE_NOW, after previous. */
int fixture_seal_as(pv_buf_t *sealed, const char *json, const pv_bundle_context_t *context, pv_problems_t *problems);
void fixture_context(pv_bundle_context_t *context, const pv_policy_t *previous);
extern const unsigned char  fixture_secret[PV_ED25519_SECRET];
/* Seals and opens; fails the test when that does not work. */
pv_policy_t *fixture_policy(const char *json, const pv_policy_t *previous);
void fixture_public(unsigned char pub[PV_ED25519_PUBLIC]);
/* Whether there is a problem with that field whose reason has that text; field NULL: any. */
int fixture_has(const pv_problems_t *problems, const char *field, const char *reason);
/* s with the first occurrence of a replaced by b; fails the test when there is none. To be freed. */
char *fixture_replace(const char *s, const char *a, const char *b);

#endif /* BUNDLE_FIXTURE_H */
