/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "ctl_audience.h"
#include "ctl_bundle.h"
#include "ctl_subjects.h"
#include "pvr_notice.h"

#define CTL_AUDIENCE_BATCH    PVR_SUBJECTS_MAX      /* members in one SADD; asked for by one SSCAN */
#define CTL_AUDIENCE_COMMAND  (64 * 1024)


static int ctl_audience_add(void *data, pv_str_t user, const unsigned char *subject);
static int ctl_audience_settle(ctl_audience_t *audience);
static int ctl_audience_batch(ctl_redis_t *redis, pv_str_t site, const ctl_audience_t *audience, size_t first, size_t n);
static int ctl_audience_whole(ctl_redis_t *redis, pv_str_t site, const ctl_audience_t *audience);
static int ctl_audience_scan(ctl_audience_t *audience, ctl_redis_t *redis, pv_str_t site, const unsigned char *digest,
    char cursor[CTL_CURSOR_MAX]);
static int ctl_audience_members(ctl_audience_t *audience, const redisReply *reply, char cursor[CTL_CURSOR_MAX]);


int
ctl_audience_read(ctl_audience_t *audience, const char *path, const pv_keys_t *keys, pv_str_t site)
{
    int  rc;

    memset(audience, 0, sizeof(*audience));

    rc = ctl_subjects_read(path, keys, site, ctl_audience_add, audience);
    audience->lines = audience->count;

    if (rc == CTL_OK && audience->count == 0) {
        return ctl_fail(CTL_WRONG, "nobody is on the list in %s", path);
    }

    return rc == CTL_OK ? ctl_audience_settle(audience) : rc;
}


static int
ctl_audience_add(void *data, pv_str_t user, const unsigned char *subject)
{
    void            *grown;
    size_t           size;
    ctl_audience_t  *audience;

    (void) user;
    audience = data;

    if (audience->count == CTL_AUDIENCE_MAX) {
        return ctl_fail(CTL_WRONG, "more than %d users are on the list: address all users, or send two notices",
                        CTL_AUDIENCE_MAX);
    }

    if (audience->count == audience->size) {
        size = audience->size ? 2 * audience->size : 1024;
        grown = realloc(audience->subjects, size * PV_SUBJECT_LEN);

        if (grown == NULL) {
            return ctl_fail(CTL_WRONG, "out of memory");
        }

        audience->subjects = grown;
        audience->size = size;
    }

    memcpy(audience->subjects[audience->count++], subject, PV_SUBJECT_LEN);

    return CTL_OK;
}


static int
ctl_audience_settle(ctl_audience_t *audience)
{
    if (pv_audience_digest(audience->digest, audience->subjects, &audience->count) != PV_OK) {
        return ctl_fail(CTL_WRONG, "the cryptographic library failed");
    }

    return CTL_OK;
}


int
ctl_audience_write(const ctl_audience_t *audience, ctl_redis_t *redis, pv_str_t site)
{
    int     rc;
    size_t  i, n;

    rc = CTL_OK;

    for (i = 0; rc == CTL_OK && i < audience->count; i += n) {
        n = audience->count - i;
        n = n < CTL_AUDIENCE_BATCH ? n : CTL_AUDIENCE_BATCH;
        rc = ctl_audience_batch(redis, site, audience, i, n);
    }

    return rc == CTL_OK ? ctl_audience_whole(redis, site, audience) : rc;
}


static int
ctl_audience_batch(ctl_redis_t *redis, pv_str_t site, const ctl_audience_t *audience, size_t first, size_t n)
{
    int          rc;
    pv_buf_t     command;
    redisReply  *reply;

    pv_buf_init(&command, CTL_AUDIENCE_COMMAND);

    rc = pvr_audience_add(&command, site, audience->digest, &audience->subjects[first], n);
    rc = rc == PV_OK ? ctl_log_run(redis, &command, &reply) : ctl_fail(CTL_WRONG, "out of memory");

    if (rc == CTL_OK) {
        rc = ctl_log_error(reply, "the list cannot be written");
        freeReplyObject(reply);
    }

    return rc;
}


/* Its name is its digest: whoever stands in it beside those who were put there does not belong there. */
static int
ctl_audience_whole(ctl_redis_t *redis, pv_str_t site, const ctl_audience_t *audience)
{
    int          rc;
    pv_buf_t     command;
    redisReply  *reply;

    pv_buf_init(&command, CTL_AUDIENCE_COMMAND);

    rc = pvr_audience_count(&command, site, audience->digest);
    rc = rc == PV_OK ? ctl_log_run(redis, &command, &reply) : ctl_fail(CTL_WRONG, "out of memory");

    if (rc != CTL_OK) {
        return rc;
    }

    rc = ctl_log_error(reply, "the list cannot be read");

    if (rc == CTL_OK && (reply->type != REDIS_REPLY_INTEGER || reply->integer != (long long) audience->count)) {
        rc = ctl_fail(CTL_WRONG, "Redis has others on this list than the file has: nothing was sent");
    }

    freeReplyObject(reply);

    return rc;
}


int
ctl_audience_fetch(ctl_audience_t *audience, ctl_redis_t *redis, pv_str_t site,
    const unsigned char digest[PV_SHA256_LEN])
{
    int       rc, again;
    char      cursor[CTL_CURSOR_MAX];
    uint64_t  by;

    memset(audience, 0, sizeof(*audience));
    by = 0;
    strcpy(cursor, "0");

    do {
        rc = ctl_audience_scan(audience, redis, site, digest, cursor);
        again = ctl_redis_other(redis, &by);

        if (again) {
            strcpy(cursor, "0");
        }

    } while (rc == CTL_OK && (again || strcmp(cursor, "0") != 0));

    if (rc != CTL_OK) {
        return rc;
    }

    rc = audience->count != 0 ? ctl_audience_settle(audience) : CTL_OK;

    if (rc == CTL_OK && (audience->count == 0 || memcmp(audience->digest, digest, PV_SHA256_LEN) != 0)) {
        rc = ctl_fail(CTL_WRONG, "the list in Redis is not the one that the notice was sent to: it is gone, or changed");
    }

    return rc;
}


static int
ctl_audience_scan(ctl_audience_t *audience, ctl_redis_t *redis, pv_str_t site, const unsigned char *digest,
    char cursor[CTL_CURSOR_MAX])
{
    int          rc;
    pv_buf_t     command;
    redisReply  *reply;

    pv_buf_init(&command, CTL_AUDIENCE_COMMAND);

    rc = pvr_audience_scan(&command, site, digest, pv_str(cursor), CTL_AUDIENCE_BATCH);
    rc = rc == PV_OK ? ctl_log_run(redis, &command, &reply) : ctl_fail(CTL_WRONG, "out of memory");

    if (rc != CTL_OK) {
        return rc;
    }

    rc = ctl_log_error(reply, "the list cannot be read");
    rc = rc == CTL_OK ? ctl_audience_members(audience, reply, cursor) : rc;
    freeReplyObject(reply);

    return rc;
}


static int
ctl_audience_members(ctl_audience_t *audience, const redisReply *reply, char cursor[CTL_CURSOR_MAX])
{
    int            rc;
    size_t         i, n;
    unsigned char  subject[PV_SUBJECT_LEN];

    if (!ctl_cursor(cursor, &n, reply)) {
        return ctl_fail(CTL_WRONG, "the list is not what it has to be");
    }

    rc = CTL_OK;

    for (i = 0; rc == CTL_OK && i < n; i++) {
        rc = pvr_scan_member(subject, reply, i) == PV_OK ? ctl_audience_add(audience, (pv_str_t) { NULL, 0 }, subject)
             : ctl_fail(CTL_WRONG, "somebody is on the list who is no pseudonym");
    }

    return rc;
}


int
ctl_cursor(char cursor[CTL_CURSOR_MAX], size_t *n, const redisReply *reply)
{
    pv_str_t  next;

    if (pvr_scan(&next, n, reply) != PV_OK || next.len >= CTL_CURSOR_MAX) {
        return 0;
    }

    memcpy(cursor, next.data, next.len);
    cursor[next.len] = '\0';

    return 1;
}


void
ctl_audience_free(ctl_audience_t *audience)
{
    free(audience->subjects);
    memset(audience, 0, sizeof(*audience));
}
