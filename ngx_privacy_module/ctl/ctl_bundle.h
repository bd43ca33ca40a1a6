/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_BUNDLE_H
#define CTL_BUNDLE_H

/* Bundle folders, sealed bundles in a node's folder, and the site's publication log in Redis. */

#include "ctl_redis.h"
#include "pv_bundle.h"

/* A bundle folder in memory. */
typedef struct {
    pv_bundle_source_t  source;
    char               *json_file;
    pv_buf_t            json;
    pv_buf_t            texts[PV_LANGUAGES_MAX];
    char               *files[PV_LANGUAGES_MAX];
    pv_bundle_text_t    list[PV_LANGUAGES_MAX];
} ctl_folder_bundle_t;

/*
 * CTL_OK when there is something to check: what cannot be read of it is a
 * problem, so that all are said at once. Else an exit code, and said. To be
 * freed in any case.
 */
int ctl_bundle_read(ctl_folder_bundle_t *bundle, const char *folder, pv_problems_t *problems);
void ctl_bundle_free(ctl_folder_bundle_t *bundle);


typedef struct {
    uint32_t       sequence;
    unsigned char  digest[PV_SHA256_LEN];
    char           version[PV_VERSION_MAX + 1];
    int64_t        effective;
} ctl_log_entry_t;

typedef struct {
    ctl_log_entry_t  *entries;      /* in order */
    size_t            count;
} ctl_log_t;

/* Exit codes, all of them. */
int ctl_log_read(ctl_log_t *log, ctl_redis_t *redis, pv_str_t site);
void ctl_log_free(ctl_log_t *log);

/*
 * Fetches the bundle of an entry and opens it: signature, and that it is the
 * entry's. CTL_WRONG, with the reason in problems, when it is not there or
 * does not hold.
 */
int ctl_log_open(pv_policy_t **policy, ctl_redis_t *redis, pv_str_t site, const ctl_log_entry_t *entry,
    const unsigned char pub[PV_ED25519_PUBLIC], pv_problems_t *problems);

/*
 * Puts the sealed bundle, then appends it to the log, in that order, and wakes
 * the nodes. Repeating it with the same bytes is harmless. CTL_WRONG when the
 * number is taken by another bundle.
 */
int ctl_log_append(ctl_redis_t *redis, pv_str_t sealed, const pv_policy_t *policy);

/*
 * Appends what the log lacks (all of it, when Redis was emptied) from the
 * sealed bundles in CACHE/SITE/NUMBER.bundle; *n: how many. Nothing, when one
 * of them does not verify, follow, or agree with the log as far as that goes.
 */
int ctl_log_refill(const ctl_log_t *log, ctl_redis_t *redis, const char *cache, pv_str_t site,
    const unsigned char pub[PV_ED25519_PUBLIC], size_t *n);

#endif /* CTL_BUNDLE_H */
