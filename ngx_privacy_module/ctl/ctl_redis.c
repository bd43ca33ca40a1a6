/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "ctl_link.h"
#include "ctl_redis.h"


struct ctl_redis_s {
    ctl_url_t    url;
    ctl_link_t  *link;
};


int
ctl_redis_open(ctl_redis_t **out, const char *text)
{
    int           rc;
    ctl_redis_t  *redis;

    *out = NULL;

    redis = calloc(1, sizeof(ctl_redis_t));
    if (redis == NULL) {
        return ctl_fail(CTL_UNREACHABLE, "out of memory");
    }

    rc = ctl_url_redis(&redis->url, text);

    if (rc == CTL_OK) {
        rc = ctl_link_open(&redis->link, &redis->url, CTL_LINK_SERVER);
        rc = rc == CTL_OK ? rc : ctl_fail(rc, "%s", ctl_link_why());
    }

    if (rc != CTL_OK) {
        ctl_redis_close(redis);
        return rc;
    }

    *out = redis;

    return CTL_OK;
}


int
ctl_redis_run(ctl_redis_t *redis, pv_buf_t *commands, redisReply **replies, size_t n)
{
    return ctl_redis_run_on(redis, 0, commands, replies, n);
}


size_t
ctl_redis_nodes(const ctl_redis_t *redis)
{
    (void) redis;

    return 1;
}


int
ctl_redis_slots(ctl_redis_t *redis, char text[CTL_REDIS_SLOTS])
{
    (void) redis;

    strcpy(text, "all");

    return CTL_OK;
}


int
ctl_redis_run_on(ctl_redis_t *redis, size_t node, pv_buf_t *commands, redisReply **replies, size_t n)
{
    int     rc;
    size_t  i;

    (void) node;

    memset(replies, 0, n * sizeof(redisReply *));

    if (commands->failed) {
        return ctl_fail(CTL_UNREACHABLE, "a command for Redis is too large");
    }

    rc = ctl_link_send(redis->link, commands->data, commands->len);

    for (i = 0; rc == CTL_OK && i < n; i++) {
        rc = ctl_link_reply(redis->link, &replies[i]);
    }

    if (rc != CTL_OK) {
        ctl_redis_replies_free(replies, n);
        return ctl_fail(rc, "%s", ctl_link_why());
    }

    return CTL_OK;
}


void
ctl_redis_add(pv_buf_t *commands, int argc, const char **argv, const size_t *len)
{
    int    size;
    char  *formatted;

    size = redisFormatCommandArgv(&formatted, argc, argv, len);
    if (size < 0) {
        commands->failed = 1;
        return;
    }

    pv_buf_add(commands, formatted, (size_t) size);
    redisFreeCommand(formatted);
}


void
ctl_redis_replies_free(redisReply **replies, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (replies[i] != NULL) {
            freeReplyObject(replies[i]);
            replies[i] = NULL;
        }
    }
}


void
ctl_redis_close(ctl_redis_t *redis)
{
    if (redis != NULL) {
        ctl_link_close(redis->link);
        free(redis);
    }
}
