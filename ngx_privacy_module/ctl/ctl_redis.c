/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "ctl.h"
#include "ctl_redis.h"
#include "ctl_url.h"


#define CTL_REDIS_CONNECT_SECONDS  5
#define CTL_REDIS_COMMAND_SECONDS  30


struct ctl_redis_s {
    redisContext  *context;
};


static int ctl_redis_connect(ctl_redis_t *redis, const ctl_url_t *url);
static int ctl_redis_sign_in(ctl_redis_t *redis, const ctl_url_t *url);
static int ctl_redis_command(ctl_redis_t *redis, const char *what, int argc, const char **argv);
static void ctl_redis_lost(ctl_redis_t *redis);


int
ctl_redis_open(ctl_redis_t **out, const char *text)
{
    int           rc;
    ctl_url_t     url;
    ctl_redis_t  *redis;

    *out = NULL;

    rc = ctl_url_redis(&url, text);
    if (rc != CTL_OK) {
        return rc;
    }

    redis = calloc(1, sizeof(ctl_redis_t));
    if (redis == NULL) {
        return ctl_fail(CTL_UNREACHABLE, "out of memory");
    }

    rc = ctl_redis_connect(redis, &url);

    if (rc == CTL_OK) {
        rc = ctl_redis_sign_in(redis, &url);
    }

    if (rc != CTL_OK) {
        ctl_redis_close(redis);
        return rc;
    }

    *out = redis;

    return CTL_OK;
}


static int
ctl_redis_connect(ctl_redis_t *redis, const ctl_url_t *url)
{
    struct timeval  timeout;

    timeout.tv_sec = CTL_REDIS_CONNECT_SECONDS;
    timeout.tv_usec = 0;

    if (url->path[0] != '\0') {
        redis->context = redisConnectUnixWithTimeout(url->path, timeout);

    } else {
        redis->context = redisConnectWithTimeout(url->host, url->port, timeout);
    }

    if (redis->context == NULL || redis->context->err) {
        return ctl_fail(CTL_UNREACHABLE, "cannot reach Redis at %s: %s",
                        url->path[0] != '\0' ? url->path : url->host,
                        redis->context == NULL ? "out of memory" : redis->context->errstr);
    }

    timeout.tv_sec = CTL_REDIS_COMMAND_SECONDS;

    if (redisSetTimeout(redis->context, timeout) != REDIS_OK) {
        return ctl_fail(CTL_UNREACHABLE, "cannot set a timeout: %s", redis->context->errstr);
    }

    return CTL_OK;
}


static int
ctl_redis_sign_in(ctl_redis_t *redis, const ctl_url_t *url)
{
    int          rc;
    char         number[16];
    const char  *argv[3];

    if (url->password[0] != '\0') {
        argv[0] = "AUTH";
        argv[1] = url->user;
        argv[2] = url->password;

        if (url->user[0] == '\0') {
            argv[1] = url->password;
        }

        rc = ctl_redis_command(redis, "sign in", (url->user[0] == '\0') ? 2 : 3, argv);
        if (rc != CTL_OK) {
            return rc;
        }
    }

    if (url->database == 0) {
        return CTL_OK;
    }

    (void) snprintf(number, sizeof(number), "%ld", url->database);
    argv[0] = "SELECT";
    argv[1] = number;

    return ctl_redis_command(redis, "select the database", 2, argv);
}


static int
ctl_redis_command(ctl_redis_t *redis, const char *what, int argc, const char **argv)
{
    int          rc;
    redisReply  *reply;

    reply = redisCommandArgv(redis->context, argc, argv, NULL);

    if (reply == NULL) {
        ctl_redis_lost(redis);
        return CTL_UNREACHABLE;
    }

    rc = CTL_OK;

    if (reply->type == REDIS_REPLY_ERROR) {
        rc = ctl_fail(CTL_UNREACHABLE, "Redis: cannot %s: %s", what, reply->str);
    }

    freeReplyObject(reply);

    return rc;
}


int
ctl_redis_run(ctl_redis_t *redis, pv_buf_t *commands, redisReply **replies, size_t n)
{
    void    *reply;
    size_t   i;

    memset(replies, 0, n * sizeof(redisReply *));

    if (commands->failed) {
        return ctl_fail(CTL_UNREACHABLE, "a command for Redis is too large");
    }

    if (redisAppendFormattedCommand(redis->context, (char *) commands->data, commands->len) != REDIS_OK) {
        ctl_redis_lost(redis);
        return CTL_UNREACHABLE;
    }

    for (i = 0; i < n; i++) {

        if (redisGetReply(redis->context, &reply) != REDIS_OK) {
            ctl_redis_replies_free(replies, i);
            ctl_redis_lost(redis);
            return CTL_UNREACHABLE;
        }

        replies[i] = reply;
    }

    return CTL_OK;
}


static void
ctl_redis_lost(ctl_redis_t *redis)
{
    (void) ctl_fail(0, "the connection to Redis was lost: %s",
                    redis->context->err ? redis->context->errstr : "no answer");
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
    if (redis == NULL) {
        return;
    }

    if (redis->context != NULL) {
        redisFree(redis->context);
    }

    free(redis);
}
