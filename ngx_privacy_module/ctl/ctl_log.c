/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* The publication log of a site, as privacyctl reads and extends it. */

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "ctl_bundle.h"
#include "ctl_file.h"

#define CTL_LOG_BATCH  256
#define CTL_LOG_MAX    100000


typedef struct {
    const ctl_log_t      *log;
    ctl_redis_t          *redis;
    pv_str_t              site;
    const unsigned char  *pub;
    pv_policy_t          *last;
    int                   write;
    size_t                written;
} ctl_refill_t;


static int ctl_log_batch(ctl_log_t *log, const redisReply *reply);
static int ctl_log_get(pv_buf_t *sealed, ctl_redis_t *redis, pv_str_t site, const unsigned char *digest);
static int ctl_log_put_bundle(ctl_redis_t *redis, pv_str_t sealed, const pv_policy_t *policy);
static int ctl_log_add(ctl_redis_t *redis, const pv_policy_t *policy);
static int ctl_log_taken(ctl_redis_t *redis, const pv_policy_t *policy);
static void ctl_log_wake(ctl_redis_t *redis, const pv_policy_t *policy);
static int ctl_log_run(ctl_redis_t *redis, pv_buf_t *command, redisReply **reply);
static int ctl_log_error(const redisReply *reply, const char *what);
static int ctl_log_is_sealed(const struct dirent *entry);
static int ctl_log_refill_one(ctl_refill_t *r, const char *folder, const char *name);
static int ctl_log_refill_fits(const ctl_refill_t *r, const pv_policy_t *policy, const char *file);


int
ctl_log_read(ctl_log_t *log, ctl_redis_t *redis, pv_str_t site)
{
    int          rc;
    size_t       before;
    pv_buf_t     command;
    redisReply  *reply;

    log->entries = NULL;
    log->count = 0;

    do {
        before = log->count;

        pv_buf_init(&command, 4096);
        rc = pvr_policies_read(&command, site, before ? log->entries[before - 1].sequence : 0, CTL_LOG_BATCH);
        rc = rc == PV_OK ? ctl_log_run(redis, &command, &reply) : ctl_fail(CTL_WRONG, "out of memory");

        if (rc != CTL_OK) {
            return rc;
        }

        rc = ctl_log_error(reply, "the publication log cannot be read");
        rc = rc == CTL_OK ? ctl_log_batch(log, reply) : rc;
        freeReplyObject(reply);

    } while (rc == CTL_OK && log->count - before == CTL_LOG_BATCH && log->count < CTL_LOG_MAX);

    return rc;
}


void
ctl_log_free(ctl_log_t *log)
{
    free(log->entries);
    log->entries = NULL;
    log->count = 0;
}


static int
ctl_log_batch(ctl_log_t *log, const redisReply *reply)
{
    size_t               i;
    ctl_log_entry_t     *entries, *e;
    pvr_policy_entry_t   entry;

    if (reply->type != REDIS_REPLY_ARRAY) {
        return ctl_fail(CTL_WRONG, "the publication log is not what it has to be");
    }

    entries = realloc(log->entries, (log->count + reply->elements + 1) * sizeof(ctl_log_entry_t));
    if (entries == NULL) {
        return ctl_fail(CTL_WRONG, "out of memory");
    }

    log->entries = entries;

    for (i = 0; i < reply->elements; i++) {
        if (pvr_policy_entry(&entry, reply, i) != PV_OK || entry.version.len > PV_VERSION_MAX) {
            return ctl_fail(CTL_WRONG, "entry %zu of the publication log is not one of ours", log->count + 1);
        }

        e = &log->entries[log->count++];
        e->sequence = entry.sequence;
        e->effective = entry.effective;
        memcpy(e->digest, entry.digest, PV_SHA256_LEN);
        memcpy(e->version, entry.version.data, entry.version.len);
        e->version[entry.version.len] = '\0';
    }

    return CTL_OK;
}


int
ctl_log_open(pv_policy_t **policy, ctl_redis_t *redis, pv_str_t site, const ctl_log_entry_t *entry,
    const unsigned char pub[PV_ED25519_PUBLIC], pv_problems_t *problems)
{
    int       rc;
    pv_buf_t  sealed;

    *policy = NULL;
    pv_buf_init(&sealed, PV_SEALED_MAX);

    rc = ctl_log_get(&sealed, redis, site, entry->digest);

    if (rc == CTL_OK && sealed.len == 0) {
        pv_problem(problems, NULL, 0, NULL, "its bundle is not in Redis");
        rc = CTL_WRONG;
    }

    if (rc == CTL_OK && pv_policy_open(policy, (pv_str_t) { sealed.data, sealed.len }, site, pub, problems) != PV_OK) {
        rc = CTL_WRONG;
    }

    pv_buf_free(&sealed);

    if (rc != CTL_OK) {
        return rc;
    }

    if ((*policy)->sequence != entry->sequence || (*policy)->effective != entry->effective
        || memcmp((*policy)->digest, entry->digest, PV_SHA256_LEN) != 0
        || !pv_str_eqs((*policy)->version, entry->version))
    {
        pv_problem(problems, NULL, 0, NULL, "the log's entry is not what was signed");
        pv_policy_free(*policy);
        *policy = NULL;
        return CTL_WRONG;
    }

    return CTL_OK;
}


/* An absent one leaves sealed empty. */
static int
ctl_log_get(pv_buf_t *sealed, ctl_redis_t *redis, pv_str_t site, const unsigned char *digest)
{
    int          rc;
    pv_buf_t     command;
    redisReply  *reply;

    pv_buf_init(&command, 4096);

    rc = pvr_bundle_get(&command, site, digest);
    rc = rc == PV_OK ? ctl_log_run(redis, &command, &reply) : ctl_fail(CTL_WRONG, "out of memory");

    if (rc != CTL_OK) {
        return rc;
    }

    rc = ctl_log_error(reply, "a bundle cannot be read");

    if (rc == CTL_OK && reply->type == REDIS_REPLY_STRING) {
        pv_buf_add(sealed, reply->str, (size_t) reply->len);
    }

    freeReplyObject(reply);

    return rc;
}


int
ctl_log_append(ctl_redis_t *redis, pv_str_t sealed, const pv_policy_t *policy)
{
    int  rc;

    rc = ctl_log_put_bundle(redis, sealed, policy);
    rc = rc == CTL_OK ? ctl_log_add(redis, policy) : rc;

    if (rc == CTL_OK) {
        ctl_log_wake(redis, policy);
    }

    return rc;
}


static int
ctl_log_put_bundle(ctl_redis_t *redis, pv_str_t sealed, const pv_policy_t *policy)
{
    int          rc, exists;
    pv_buf_t     command, there;
    redisReply  *reply;

    pv_buf_init(&command, PV_SEALED_MAX + 4096);

    rc = pvr_bundle_put(&command, policy->site, policy->digest, sealed);
    rc = rc == PV_OK ? ctl_log_run(redis, &command, &reply) : ctl_fail(CTL_WRONG, "out of memory");

    if (rc != CTL_OK) {
        return rc;
    }

    rc = ctl_log_error(reply, "the bundle cannot be written");
    exists = reply->type == REDIS_REPLY_NIL;
    freeReplyObject(reply);

    if (rc != CTL_OK || !exists) {
        return rc;
    }

    /* Write once: the same bytes are a repeat, others stand where they must not. */
    pv_buf_init(&there, PV_SEALED_MAX);
    rc = ctl_log_get(&there, redis, policy->site, policy->digest);

    if (rc == CTL_OK && !pv_str_eq(sealed, (pv_str_t) { there.data, there.len })) {
        rc = ctl_fail(CTL_WRONG, "under the digest of this bundle Redis has something else");
    }

    pv_buf_free(&there);

    return rc;
}


static int
ctl_log_add(ctl_redis_t *redis, const pv_policy_t *policy)
{
    int           rc;
    pv_buf_t      command;
    redisReply   *reply;
    pvr_status_t  status;

    pv_buf_init(&command, 4096);

    rc = pvr_policies_append(&command, policy->site, policy->sequence, policy->digest, policy->version,
                             policy->effective);
    rc = rc == PV_OK ? ctl_log_run(redis, &command, &reply) : ctl_fail(CTL_WRONG, "out of memory");

    if (rc != CTL_OK) {
        return rc;
    }

    status = pvr_status(reply);
    rc = status == PVR_EXISTS ? CTL_OK : ctl_log_error(reply, "the version cannot be appended to the log");
    freeReplyObject(reply);

    return status == PVR_EXISTS ? ctl_log_taken(redis, policy) : rc;
}


/* The number is taken: by this very bundle, or by another admin's. */
static int
ctl_log_taken(ctl_redis_t *redis, const pv_policy_t *policy)
{
    int        rc;
    size_t     i;
    ctl_log_t  log;

    rc = ctl_log_read(&log, redis, policy->site);

    if (rc == CTL_OK) {
        rc = CTL_WRONG;

        for (i = 0; i < log.count; i++) {
            if (log.entries[i].sequence == policy->sequence
                && memcmp(log.entries[i].digest, policy->digest, PV_SHA256_LEN) == 0)
            {
                rc = CTL_OK;
            }
        }

        if (rc != CTL_OK) {
            ctl_fail(CTL_WRONG, "somebody else published number %" PRIu32 " in the meantime: nothing was changed; "
                     "look at it with `privacyctl versions`, then publish again", policy->sequence);
        }
    }

    ctl_log_free(&log);

    return rc;
}


/* To wake only: nodes that miss it read the log by themselves. */
static void
ctl_log_wake(ctl_redis_t *redis, const pv_policy_t *policy)
{
    char         text[64];
    pv_buf_t     command;
    redisReply  *reply;

    snprintf(text, sizeof(text), PVR_EVENT_PUBLISHED " %" PRIu32, policy->sequence);
    pv_buf_init(&command, 4096);

    if (pvr_event_publish(&command, policy->site, pv_str(text)) == PV_OK
        && ctl_log_run(redis, &command, &reply) == CTL_OK)
    {
        freeReplyObject(reply);
        return;
    }

    fprintf(stderr, "privacyctl: published, but the nodes could not be woken: they will see it a little later\n");
}


/* One command, freed; one reply. */
static int
ctl_log_run(ctl_redis_t *redis, pv_buf_t *command, redisReply **reply)
{
    int  rc;

    rc = command->failed ? ctl_fail(CTL_WRONG, "out of memory") : ctl_redis_run(redis, command, reply, 1);
    pv_buf_free(command);

    return rc;
}


static int
ctl_log_error(const redisReply *reply, const char *what)
{
    if (reply->type != REDIS_REPLY_ERROR) {
        return CTL_OK;
    }

    return ctl_fail(pvr_status(reply) == PVR_ERROR ? CTL_WRONG : CTL_UNREACHABLE, "%s: Redis says %.200s", what,
                    reply->str);
}


int
ctl_log_refill(const ctl_log_t *log, ctl_redis_t *redis, const char *cache, pv_str_t site,
    const unsigned char pub[PV_ED25519_PUBLIC], size_t *n)
{
    int              i, count, rc;
    char            *folder;
    ctl_refill_t     r;
    struct dirent  **entries;

    *n = 0;
    rc = CTL_OK;

    if (asprintf(&folder, "%s/%.*s", cache, (int) site.len, (const char *) site.data) < 0) {
        return ctl_fail(CTL_WRONG, "out of memory");
    }

    count = scandir(folder, &entries, ctl_log_is_sealed, alphasort);
    if (count < 0) {
        rc = errno == ENOENT ? CTL_OK : ctl_fail(CTL_WRONG, "cannot read the folder %s: %s", folder, strerror(errno));
        free(folder);
        return rc;
    }

    r = (ctl_refill_t) { log, redis, site, pub, NULL, 0, 0 };

    /* All are verified before the first is written: never half of a log. */
    for (i = 0; rc == CTL_OK && i < 2 * count; i++) {
        if (i == count) {
            pv_policy_free(r.last);
            r.last = NULL;
            r.write = 1;
        }
        rc = ctl_log_refill_one(&r, folder, entries[i % count]->d_name);
    }

    for (i = 0; i < count; i++) {
        free(entries[i]);
    }

    *n = r.written;
    pv_policy_free(r.last);
    free(entries);
    free(folder);

    return rc;
}


/* Ten digits, ".bundle": sorted by name is sorted by number. */
static int
ctl_log_is_sealed(const struct dirent *entry)
{
    return strlen(entry->d_name) == 17 && strspn(entry->d_name, "0123456789") == 10
           && strcmp(entry->d_name + 10, ".bundle") == 0;
}


static int
ctl_log_refill_one(ctl_refill_t *r, const char *folder, const char *name)
{
    int             rc;
    char           *file;
    pv_buf_t        sealed;
    pv_policy_t    *policy;
    pv_problems_t   problems;

    if (asprintf(&file, "%s/%s", folder, name) < 0) {
        return ctl_fail(CTL_WRONG, "out of memory");
    }

    policy = NULL;
    pv_buf_init(&sealed, PV_SEALED_MAX);
    pv_problems_init(&problems);

    rc = ctl_file_read(&sealed, file, PV_SEALED_MAX) == PV_OK ? CTL_OK : CTL_WRONG;

    if (rc == CTL_OK
        && pv_policy_open(&policy, (pv_str_t) { sealed.data, sealed.len }, r->site, r->pub, &problems) != PV_OK)
    {
        ctl_problems(&problems);
        rc = ctl_fail(CTL_WRONG, "%s is not a bundle of this site and key: the log is not refilled", file);
    }

    rc = rc == CTL_OK ? ctl_log_refill_fits(r, policy, file) : rc;

    if (rc == CTL_OK && r->write && policy->sequence > r->log->count) {
        rc = ctl_log_append(r->redis, (pv_str_t) { sealed.data, sealed.len }, policy);
        r->written += rc == CTL_OK;
    }

    if (rc == CTL_OK) {
        pv_policy_free(r->last);
        r->last = policy;
        policy = NULL;
    }

    pv_policy_free(policy);
    pv_problems_free(&problems);
    pv_buf_free(&sealed);
    free(file);

    return rc;
}


/* It follows the one before it, in the folder or in the log, and is the log's own as far as the log goes. */
static int
ctl_log_refill_fits(const ctl_refill_t *r, const pv_policy_t *policy, const char *file)
{
    const unsigned char  *before;

    before = NULL;

    if (r->last != NULL && r->last->sequence + 1 == policy->sequence) {
        before = r->last->digest;

    } else if (policy->sequence > 1 && policy->sequence - 2 < r->log->count) {
        before = r->log->entries[policy->sequence - 2].digest;
    }

    if (policy->sequence != 1 && (before == NULL || memcmp(policy->previous, before, PV_SHA256_LEN) != 0)) {
        return ctl_fail(CTL_WRONG, "%s does not follow the version before it: the folder has a gap", file);
    }

    if (policy->sequence <= r->log->count
        && memcmp(policy->digest, r->log->entries[policy->sequence - 1].digest, PV_SHA256_LEN) != 0)
    {
        return ctl_fail(CTL_WRONG, "%s is not what the log in Redis has as number %" PRIu32 ": another log", file,
                        policy->sequence);
    }

    return CTL_OK;
}
