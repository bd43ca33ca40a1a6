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

#include "pvr.h"
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
    pvr_policy_entry_t  e;

    if (measure(reply, 1) > PVR_REPLY_ELEMENTS) {
        abort();
    }

    (void) pvr_status(reply);
    (void) pvr_ledger_appended(reply);

    for (i = 0; i < 8; i++) {
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
