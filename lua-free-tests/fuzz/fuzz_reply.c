/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * What a server may send. The first byte says how the rest is cut. What the
 * scanner lets through, hiredis must read within the limits, and where hiredis
 * finds no fault both count the same replies.  With our objects and with its
 * own it reads the same.
 */

#include <stdlib.h>
#include <string.h>

#include "pvr_cluster.h"
#include "pvr_durability.h"
#include "pvr_limit.h"
#include "pvr_reader.h"


static size_t
measure(const redisReply *reply, unsigned depth)
{
    size_t  i, n;

    if (depth > PVR_REPLY_DEPTH + 1) {
        abort();
    }

    n = reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;

    for (i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        n += measure(reply->element[i], depth + 1);
    }

    return n;
}


static void
same(const redisReply *a, const redisReply *b)
{
    size_t  i;

    if (a->type != b->type || a->integer != b->integer || a->len != b->len || a->elements != b->elements
        || (a->str == NULL) != (b->str == NULL) || (a->str != NULL && memcmp(a->str, b->str, a->len + 1) != 0))
    {
        abort();
    }

    for (i = 0; i < a->elements; i++) {
        same(a->element[i], b->element[i]);
    }
}


/* The same reply to all that is asked: what is said of it fits where nginx keeps it, and can stand in a log. */

static void
judge(redisReply *reply)
{
    size_t             i, n;
    pv_buf_t           warning, unknown;
    redisReply        *replies[PVR_SETTINGS_MAX];
    pvr_durability_t   durability = { PVR_MEMORY, 0 };

    for (i = 0; i < PVR_SETTINGS_MAX; i++) {
        replies[i] = reply;
    }

    for (n = 0; n <= PVR_SETTINGS_MAX; n++) {
        durability.mode = n % 3;
        durability.replicas = (durability.mode == PVR_REPLICAS) ? PVR_REPLICAS_MAX : 0;

        pv_buf_init(&warning, 512);
        pv_buf_init(&unknown, 128);
        pvr_settings_judge(&warning, &unknown, &durability, replies, n);

        if (warning.failed || unknown.failed) {
            abort();
        }

        for (i = 0; i < warning.len; i++) {
            if (warning.data[i] < ' ' || warning.data[i] > '~') {
                abort();
            }
        }

        pv_buf_free(&warning);
        pv_buf_free(&unknown);
    }

    (void) pvr_settings_run_id(replies, PVR_SETTINGS_MAX);
    (void) pvr_waited(reply);
    (void) pvr_touched(reply);
}


static void
use(redisReply *reply)
{
    size_t              i;
    pvr_range_t         range;
    pvr_address_t       master;
    pvr_redirect_t      redirect;
    pvr_policy_entry_t  e;

    if (measure(reply, 1) > PVR_REPLY_ELEMENTS) {
        abort();
    }

    (void) pvr_status(reply);
    (void) pvr_ledger_appended(reply);
    (void) pvr_is_master(reply);
    (void) pvr_cluster_moving(reply);
    judge(reply);

    if (pvr_redirect(&redirect, reply) == PV_OK
        && (redirect.slot >= PVR_SLOTS || redirect.address.port < 1 || redirect.address.port > 65535))
    {
        abort();
    }

    if (pvr_sentinel_master(&master, reply) == PV_OK && (master.host[0] == '\0' || master.port < 1)) {
        abort();
    }

    for (i = 0; i < 8; i++) {
        if (pvr_cluster_range(&range, reply, i) == PV_OK && (range.first > range.last || range.last >= PVR_SLOTS)) {
            abort();
        }

        if (pvr_policy_entry(&e, reply, i) == PV_OK
            && (e.sequence == 0 || (e.kind == PV_ENTRY_VERSION) != (e.version.len != 0)))
        {
            abort();
        }
    }
}


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    void         *reply, *other;
    size_t        piece, i, n;
    uint64_t      replies;
    pvr_limit_t   limit;
    redisReader  *reader, *plain;

    if (size < 2) {
        return 0;
    }

    piece = data[0] ? data[0] : size;
    data++;
    size--;

    reader = pvr_reader_create();
    plain = redisReaderCreate();
    pvr_limit_init(&limit);
    replies = 0;

    for (i = 0; i < size; i += n) {
        n = (size - i < piece) ? size - i : piece;

        if (pvr_limit_feed(&limit, data + i, n) != PV_OK) {
            break;
        }

        if (redisReaderFeed(reader, (const char *) data + i, n) != REDIS_OK
            || redisReaderFeed(plain, (const char *) data + i, n) != REDIS_OK)
        {
            break;
        }

        while (redisReaderGetReply(reader, &reply) == REDIS_OK && reply) {
            if (redisReaderGetReply(plain, &other) != REDIS_OK || other == NULL) {
                abort();
            }

            same(reply, other);
            freeReplyObject(other);

            use(reply);
            pvr_reply_free(reply);
            replies++;
        }

        if (reader->err) {
            break;
        }

        if (replies != limit.replies) {
            abort();
        }
    }

    redisReaderFree(reader);
    redisReaderFree(plain);

    return 0;
}
