/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* The publication log of a site, as privacyctl reads and extends it. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "ctl_bundle.h"

#define CTL_LOG_BATCH  256
#define CTL_LOG_MAX    100000


static int ctl_log_batch(ctl_log_t *log, const redisReply *reply);
static int ctl_log_is_entry(const pv_policy_t *policy, const ctl_log_entry_t *entry);
static int ctl_log_put_bundle(ctl_redis_t *redis, pv_str_t site, pv_str_t sealed, const pv_head_t *head);
static int ctl_log_add(ctl_redis_t *redis, pv_str_t site, const pv_head_t *head);
static int ctl_log_taken(ctl_redis_t *redis, pv_str_t site, const pv_head_t *head);
static void ctl_log_wake(ctl_redis_t *redis, pv_str_t site, const pv_head_t *head);


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
        e->kind = entry.kind;
        e->effective = entry.effective;
        memcpy(e->digest, entry.digest, PV_SHA256_LEN);
        (void) snprintf(e->version, sizeof(e->version), "%.*s", (int) entry.version.len,
                        entry.version.len ? (const char *) entry.version.data : "");
    }

    return CTL_OK;
}


int
ctl_log_open(pv_policy_t **policy, ctl_redis_t *redis, pv_str_t site, const ctl_log_entry_t *entry,
    const unsigned char key[PV_ED25519_PUBLIC], pv_problems_t *problems)
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

    if (rc == CTL_OK && pv_policy_open(policy, (pv_str_t) { sealed.data, sealed.len }, site, key, problems) != PV_OK) {
        rc = CTL_WRONG;
    }

    pv_buf_free(&sealed);

    if (rc != CTL_OK) {
        return rc;
    }

    if (!ctl_log_is_entry(*policy, entry)) {
        pv_problem(problems, NULL, 0, NULL, "the log's entry is not what was signed");
        pv_policy_free(*policy);
        *policy = NULL;
        return CTL_WRONG;
    }

    return CTL_OK;
}


static int
ctl_log_is_entry(const pv_policy_t *policy, const ctl_log_entry_t *entry)
{
    return entry->kind == PV_ENTRY_VERSION && policy->sequence == entry->sequence
           && policy->effective == entry->effective && pv_str_eqs(policy->version, entry->version)
           && memcmp(policy->digest, entry->digest, PV_SHA256_LEN) == 0;
}


int
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
ctl_log_append(ctl_redis_t *redis, pv_str_t site, pv_str_t sealed)
{
    int             rc;
    pv_head_t      *head;
    pv_problems_t   problems;

    pv_problems_init(&problems);
    rc = pv_head_open(&head, sealed, site, NULL, &problems) == PV_OK ? CTL_OK : ctl_fail(CTL_WRONG, "is no entry");
    pv_problems_free(&problems);

    rc = rc == CTL_OK ? ctl_log_put_bundle(redis, site, sealed, head) : rc;
    rc = rc == CTL_OK ? ctl_log_add(redis, site, head) : rc;

    if (rc == CTL_OK) {
        ctl_redis_replicas(redis);
        ctl_log_wake(redis, site, head);
    }

    pv_head_free(head);

    return rc;
}


static int
ctl_log_put_bundle(ctl_redis_t *redis, pv_str_t site, pv_str_t sealed, const pv_head_t *head)
{
    int          rc, exists;
    pv_buf_t     command, there;
    redisReply  *reply;

    pv_buf_init(&command, PV_SEALED_MAX + 4096);

    rc = pvr_bundle_put(&command, site, head->digest, sealed);
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
    rc = ctl_log_get(&there, redis, site, head->digest);

    if (rc == CTL_OK && !pv_str_eq(sealed, (pv_str_t) { there.data, there.len })) {
        rc = ctl_fail(CTL_WRONG, "under the digest of this bundle Redis has something else");
    }

    pv_buf_free(&there);

    return rc;
}


static int
ctl_log_add(ctl_redis_t *redis, pv_str_t site, const pv_head_t *head)
{
    int           rc;
    pv_buf_t      command;
    redisReply   *reply;
    pvr_status_t  status;

    pv_buf_init(&command, 4096);

    rc = pvr_policies_append(&command, site, head);
    rc = rc == PV_OK ? ctl_log_run(redis, &command, &reply) : ctl_fail(CTL_WRONG, "out of memory");

    if (rc != CTL_OK) {
        return rc;
    }

    status = pvr_status(reply);
    rc = status == PVR_EXISTS ? CTL_OK : ctl_log_error(reply, "the entry cannot be appended to the log");
    freeReplyObject(reply);

    return status == PVR_EXISTS ? ctl_log_taken(redis, site, head) : rc;
}


/* The number is taken: by this very bundle, or by another admin's. */
static int
ctl_log_taken(ctl_redis_t *redis, pv_str_t site, const pv_head_t *head)
{
    int        rc;
    size_t     i;
    ctl_log_t  log;

    rc = ctl_log_read(&log, redis, site);

    if (rc == CTL_OK) {
        rc = CTL_WRONG;

        for (i = 0; i < log.count; i++) {
            if (log.entries[i].sequence == head->sequence
                && memcmp(log.entries[i].digest, head->digest, PV_SHA256_LEN) == 0)
            {
                rc = CTL_OK;
            }
        }

        if (rc != CTL_OK) {
            ctl_fail(CTL_WRONG, "somebody else published number %" PRIu32 " in the meantime: nothing was changed; "
                     "look at it with `privacyctl versions`, then try again", head->sequence);
        }
    }

    ctl_log_free(&log);

    return rc;
}


/* To wake only: nodes that miss it read the log by themselves. */
static void
ctl_log_wake(ctl_redis_t *redis, pv_str_t site, const pv_head_t *head)
{
    char         text[64];
    pv_buf_t     command;
    redisReply  *reply;

    snprintf(text, sizeof(text), PVR_EVENT_PUBLISHED " %" PRIu32, head->sequence);
    pv_buf_init(&command, 4096);

    if (pvr_event_publish(&command, site, pv_str(text)) == PV_OK
        && ctl_log_run(redis, &command, &reply) == CTL_OK)
    {
        freeReplyObject(reply);
        return;
    }

    fprintf(stderr, "privacyctl: published, but the nodes could not be woken: they will see it a little later\n");
}


int
ctl_log_run(ctl_redis_t *redis, pv_buf_t *command, redisReply **reply)
{
    int  rc;

    rc = command->failed ? ctl_fail(CTL_WRONG, "out of memory") : ctl_redis_run(redis, command, reply, 1);
    pv_buf_free(command);

    return rc;
}


int
ctl_log_error(const redisReply *reply, const char *what)
{
    if (reply->type != REDIS_REPLY_ERROR) {
        return CTL_OK;
    }

    return ctl_fail(pvr_status(reply) == PVR_ERROR ? CTL_WRONG : CTL_UNREACHABLE, "%s: Redis says %.200s", what,
                    reply->str);
}
