/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* The stream of a site's notices, as privacyctl reads and extends it. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctl_notice.h"
#include "pvr_notice.h"

#define CTL_STREAM_COMMAND  (PV_NOTICE_SEALED_MAX + 4096)
#define CTL_STREAM_BATCH    64      /* notices of up to 64 KB in one reply */


static int ctl_stream_last(ctl_notice_t *c);
static int ctl_stream_batch(ctl_notice_t *c, uint32_t after, unsigned count, size_t *n);
static int ctl_stream_add(ctl_notice_t *c, const redisReply *reply);
static int ctl_stream_change(ctl_notice_t *c, pv_notice_t **notice, const pv_head_t *head, const char *id);
static int ctl_stream_is_ours(ctl_notice_t *c, uint32_t number, pv_str_t sealed, int *ours);
static void ctl_stream_wake(ctl_notice_t *c, uint32_t number);


int
ctl_notice_read(ctl_notice_t *c)
{
    int  rc;

    rc = ctl_stream_last(c);

    return rc == CTL_OK ? ctl_notice_window(c, c->last > PV_NOTICES_MAX ? c->last - PV_NOTICES_MAX + 1 : 1) : rc;
}


static int
ctl_stream_last(ctl_notice_t *c)
{
    int                  rc;
    pv_buf_t             command;
    redisReply          *reply;
    pvr_notice_entry_t   newest;

    c->last = 0;
    newest.number = 0;
    pv_buf_init(&command, CTL_STREAM_COMMAND);

    rc = pvr_notices_newest(&command, c->site_name, 1);
    rc = rc == PV_OK ? ctl_log_run(c->redis, &command, &reply) : ctl_fail(CTL_WRONG, "out of memory");

    if (rc != CTL_OK) {
        return rc;
    }

    rc = ctl_log_error(reply, "the notices cannot be read");

    if (rc == CTL_OK && (reply->type != REDIS_REPLY_ARRAY
                         || (reply->elements != 0 && pvr_notice_entry(&newest, reply, 0) != PV_OK)))
    {
        rc = ctl_fail(CTL_WRONG, "the stream of notices is not what it has to be");
    }

    c->last = newest.number;
    freeReplyObject(reply);

    return rc;
}


int
ctl_notice_window(ctl_notice_t *c, uint32_t first)
{
    int       rc;
    size_t    n, count;
    uint32_t  after;

    pv_problems_free(&c->problems);
    pv_problems_init(&c->problems);
    pv_notices_free(c->notices);

    c->notices = pv_notices_create(c->site_name);
    if (c->notices == NULL) {
        return ctl_fail(CTL_WRONG, "out of memory");
    }

    rc = CTL_OK;
    after = first - 1;

    for (count = 0; rc == CTL_OK && count < PV_NOTICES_MAX; count += n) {
        rc = ctl_stream_batch(c, after, CTL_STREAM_BATCH, &n);

        if (rc != CTL_OK || n == 0) {
            break;
        }

        after = pv_notices_last(c->notices);
    }

    if (rc == CTL_OK && pv_notices_settle(c->notices, c->chain, &c->problems) == PV_ERROR) {
        rc = ctl_fail(CTL_WRONG, "out of memory");
    }

    return rc;
}


static int
ctl_stream_batch(ctl_notice_t *c, uint32_t after, unsigned count, size_t *n)
{
    int          rc;
    pv_buf_t     command;
    redisReply  *reply;

    *n = 0;
    pv_buf_init(&command, CTL_STREAM_COMMAND);

    rc = pvr_notices_read(&command, c->site_name, after, count);
    rc = rc == PV_OK ? ctl_log_run(c->redis, &command, &reply) : ctl_fail(CTL_WRONG, "out of memory");

    if (rc != CTL_OK) {
        return rc;
    }

    rc = ctl_log_error(reply, "the notices cannot be read");
    rc = rc == CTL_OK ? ctl_stream_add(c, reply) : rc;
    *n = rc == CTL_OK ? reply->elements : 0;
    freeReplyObject(reply);

    return rc;
}


static int
ctl_stream_add(ctl_notice_t *c, const redisReply *reply)
{
    size_t               i, k;
    pv_problems_t        problems;
    pvr_notice_entry_t   entry;

    if (reply->type != REDIS_REPLY_ARRAY) {
        return ctl_fail(CTL_WRONG, "the stream of notices is not what it has to be");
    }

    for (i = 0; i < reply->elements; i++) {
        if (pvr_notice_entry(&entry, reply, i) != PV_OK) {
            return ctl_fail(CTL_WRONG, "an entry of the stream of notices is not one of ours");
        }

        pv_problems_init(&problems);

        if (pv_notices_add(c->notices, entry.number, entry.sealed, &problems) == PV_ERROR) {
            pv_problems_free(&problems);
            return ctl_fail(CTL_WRONG, "out of memory");
        }

        for (k = 0; k < problems.count; k++) {
            pv_problem(&c->problems, NULL, entry.number, NULL, "%s", problems.list[k].reason);
        }

        pv_problems_free(&problems);
    }

    return CTL_OK;
}


int
ctl_notice_find(ctl_notice_t *c, pv_notice_t **notice, const char *id)
{
    int               rc;
    char              source;
    uint32_t          number;
    const pv_head_t  *head;

    *notice = NULL;
    head = pv_log_version(c->chain, pv_str(id));

    if (pv_notice_id_read(&source, &number, pv_str(id)) != PV_OK) {
        return ctl_stream_change(c, notice, head, id);
    }

    /* a version may be called v7, or n3, too */

    if (head != NULL && !(source == 'v' && head->sequence == number)) {
        fprintf(stderr, "privacyctl: a version has the id %s, too: its notice is v%" PRIu32 "\n", id, head->sequence);
    }

    if (source == 'v') {
        return ctl_stream_change(c, notice, pv_log_find(c->chain, number), id);
    }

    rc = ctl_notice_read(c);

    if (rc == CTL_OK && number + PV_NOTICES_MAX <= c->last) {
        rc = ctl_notice_window(c, number > 1 ? number - 1 : 1);
    }

    if (rc != CTL_OK) {
        return rc;
    }

    *notice = pv_notices_find(c->notices, pv_str(id));

    if (*notice == NULL) {
        ctl_problems(&c->problems);
        return ctl_fail(CTL_WRONG, "there is no notice %s that holds: `privacyctl notice list` has them all", id);
    }

    (void) pv_notice_hold(*notice);

    return CTL_OK;
}


static int
ctl_stream_change(ctl_notice_t *c, pv_notice_t **notice, const pv_head_t *head, const char *id)
{
    if (head == NULL || head->kind != PV_ENTRY_VERSION) {
        return ctl_fail(CTL_WRONG, "there is no notice %.80s, and no such version: `privacyctl notice list` has them "
                        "all", id);
    }

    if (pv_notice_from_head(notice, head) != PV_OK) {
        return ctl_fail(CTL_WRONG, "out of memory");
    }

    if (*notice == NULL) {
        return ctl_fail(CTL_WRONG, "version %s is no notice: %s", (const char *) head->version.data,
                        head->sequence == 1 ? "it is the first" : "nothing material changed with it");
    }

    return ctl_notice_read(c);
}


pv_notice_standing_t
ctl_notice_standing(const ctl_notice_t *c, const pv_notice_t *notice)
{
    int64_t             now;
    const pv_notice_t  *known;

    now = time(NULL);
    known = pv_notices_find(c->notices, pv_str(notice->id));

    if (known != NULL) {
        return pv_notices_standing(c->notices, known, now);
    }

    /* a change that is older than what is kept of them */

    return pv_log_withdrawal(c->chain, notice->number) != NULL ? PV_NOTICE_RETRACTED : PV_NOTICE_ENDED;
}


const char *
ctl_notice_standing_name(pv_notice_standing_t standing)
{
    return standing == PV_NOTICE_OPEN ? "open" : standing == PV_NOTICE_RETRACTED ? "retracted" : "ended";
}


int
ctl_notice_append(ctl_notice_t *c, uint32_t number, pv_str_t sealed, int *taken)
{
    int           rc, ours;
    pv_buf_t      command;
    redisReply   *reply;
    pvr_status_t  status;

    *taken = 0;
    pv_buf_init(&command, CTL_STREAM_COMMAND);

    rc = pvr_notices_append(&command, c->site_name, number, sealed);
    rc = rc == PV_OK ? ctl_log_run(c->redis, &command, &reply) : ctl_fail(CTL_WRONG, "out of memory");

    if (rc != CTL_OK) {
        return rc;
    }

    status = pvr_status(reply);
    rc = status == PVR_EXISTS ? CTL_OK : ctl_log_error(reply, "the notice cannot be appended");
    freeReplyObject(reply);

    if (status == PVR_EXISTS) {
        rc = ctl_stream_is_ours(c, number, sealed, &ours);
        *taken = rc == CTL_OK && !ours;
    }

    if (rc == CTL_OK && !*taken) {
        ctl_redis_replicas(c->redis);
        ctl_stream_wake(c, number);
    }

    return rc;
}


/* Whether what has the number is this very notice: whoever sends what was sent changes nothing. */
static int
ctl_stream_is_ours(ctl_notice_t *c, uint32_t number, pv_str_t sealed, int *ours)
{
    int                  rc;
    pv_buf_t             command;
    redisReply          *reply;
    pvr_notice_entry_t   there;

    *ours = 0;
    pv_buf_init(&command, CTL_STREAM_COMMAND);

    rc = pvr_notices_read(&command, c->site_name, number - 1, 1);
    rc = rc == PV_OK ? ctl_log_run(c->redis, &command, &reply) : ctl_fail(CTL_WRONG, "out of memory");

    if (rc != CTL_OK) {
        return rc;
    }

    rc = ctl_log_error(reply, "the notices cannot be read");
    *ours = rc == CTL_OK && reply->type == REDIS_REPLY_ARRAY && reply->elements == 1
            && pvr_notice_entry(&there, reply, 0) == PV_OK && there.number == number
            && pv_str_eq(there.sealed, sealed);
    freeReplyObject(reply);

    return rc;
}


/* To wake only: nodes that miss it read the stream by themselves. */
static void
ctl_stream_wake(ctl_notice_t *c, uint32_t number)
{
    pv_buf_t     command;
    redisReply  *reply;

    pv_buf_init(&command, 4096);

    if (pvr_event_noticed(&command, c->site_name, number) == PV_OK
        && ctl_log_run(c->redis, &command, &reply) == CTL_OK)
    {
        freeReplyObject(reply);
        return;
    }

    fprintf(stderr, "privacyctl: sent, but the nodes could not be woken: they will see it a little later\n");
}
