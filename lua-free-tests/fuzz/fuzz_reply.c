/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * What a server may send. The first byte says how the rest is cut. What the
 * scanner lets through, hiredis must read within the limits, and where hiredis
 * finds no fault both count the same replies.
 */

#include <stdlib.h>

#include "pvr_cluster.h"
#include "pvr_limit.h"


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
use(const redisReply *reply)
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
    void         *reply;
    size_t        piece, i, n;
    uint64_t      replies;
    pvr_limit_t   limit;
    redisReader  *reader;

    if (size < 2) {
        return 0;
    }

    piece = data[0] ? data[0] : size;
    data++;
    size--;

    reader = redisReaderCreate();
    pvr_limit_init(&limit);
    replies = 0;

    for (i = 0; i < size; i += n) {
        n = (size - i < piece) ? size - i : piece;

        if (pvr_limit_feed(&limit, data + i, n) != PV_OK) {
            break;
        }

        if (redisReaderFeed(reader, (const char *) data + i, n) != REDIS_OK) {
            break;
        }

        while (redisReaderGetReply(reader, &reply) == REDIS_OK && reply) {
            use(reply);
            freeReplyObject(reply);
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

    return 0;
}
