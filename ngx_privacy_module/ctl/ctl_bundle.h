/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_BUNDLE_H
#define CTL_BUNDLE_H

/* Bundle folders, sealed bundles in a node's folder, and the site's publication log in Redis. */

#include "ctl_redis.h"
#include "pv_bundle.h"
#include "pv_log.h"

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


/* One entry of the stream in Redis: what it says, not yet compared with what was signed. */
typedef struct {
    uint32_t         sequence;
    pv_entry_kind_t  kind;
    unsigned char    digest[PV_SHA256_LEN];
    char             version[PV_VERSION_MAX + 1];       /* of a version; else empty */
    int64_t          effective;
} ctl_log_entry_t;

typedef struct {
    ctl_log_entry_t  *entries;      /* in order */
    size_t            count;
} ctl_log_t;

/* Exit codes, all of them. */
int ctl_log_read(ctl_log_t *log, ctl_redis_t *redis, pv_str_t site);
void ctl_log_free(ctl_log_t *log);

/*
 * The chain of the log's heads, settled from pub; freed by pv_log_free().
 * CTL_LOG_NEWEST: as many as tell what a new entry follows: key entries and
 * all between them, withdrawals, the last entry, and the versions down to the
 * newest that was not withdrawn. CTL_LOG_ALL: every one. What is refused is in problems, with
 * its number as line, and then the answer is CTL_WRONG; *chain is there, too.
 */
#define CTL_LOG_NEWEST  0
#define CTL_LOG_ALL     1
int ctl_log_chain(pv_log_t **chain, const ctl_log_t *log, ctl_redis_t *redis, pv_str_t site,
    const unsigned char pub[PV_ED25519_PUBLIC], int which, pv_problems_t *problems);

/* The withdrawal of a version, or NULL; also of one whose head is not in the chain. */
const pv_head_t *ctl_log_withdrawal(const pv_log_t *chain, const ctl_log_entry_t *version);

/* The sealed entry with that digest, appended to sealed; nothing when it is not in Redis. */
int ctl_log_get(pv_buf_t *sealed, ctl_redis_t *redis, pv_str_t site, const unsigned char *digest);

/*
 * Fetches the bundle of a version's entry and opens it: signed with key, and
 * the entry's. CTL_WRONG, with the reason in problems, when it is not there or
 * does not hold.
 */
int ctl_log_open(pv_policy_t **policy, ctl_redis_t *redis, pv_str_t site, const ctl_log_entry_t *entry,
    const unsigned char key[PV_ED25519_PUBLIC], pv_problems_t *problems);

/*
 * Puts the sealed entry, then appends it to the log, in that order, and wakes
 * the nodes. Repeating it with the same bytes is harmless. CTL_WRONG when the
 * number is taken by another one.
 */
int ctl_log_append(ctl_redis_t *redis, pv_str_t site, pv_str_t sealed);

/*
 * Appends what the log lacks (all of it, when Redis was emptied) from the
 * sealed entries in CACHE/SITE/NUMBER.bundle; *n: how many. Nothing, when one
 * of them does not verify, follow, or agree with the log as far as that goes.
 */
int ctl_log_refill(const ctl_log_t *log, ctl_redis_t *redis, const char *cache, pv_str_t site,
    const unsigned char pub[PV_ED25519_PUBLIC], size_t *n);


/* For the files that make up the log: one command, which is freed, and its reply; what Redis said was wrong. */
int ctl_log_run(ctl_redis_t *redis, pv_buf_t *command, redisReply **reply);
int ctl_log_error(const redisReply *reply, const char *what);

#endif /* CTL_BUNDLE_H */
