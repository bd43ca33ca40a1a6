/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "ctl.h"
#include "ctl_redis.h"
#include "ctl_tls.h"
#include "ctl_url.h"
#include "pvr_limit.h"


#define CTL_REDIS_CONNECT_SECONDS  5
#define CTL_REDIS_COMMAND_SECONDS  30
#define CTL_REDIS_CHUNK            16384


struct ctl_redis_s {
    redisContext  *context;
    ctl_tls_t     *tls;         /* NULL: not encrypted */
    pvr_limit_t    limit;
};


static int ctl_redis_connect(ctl_redis_t *redis, const ctl_url_t *url);
static int ctl_redis_sign_in(ctl_redis_t *redis, const ctl_url_t *url);
static int ctl_redis_command(ctl_redis_t *redis, const char *what, int argc, const char **argv);
static int ctl_redis_write(ctl_redis_t *redis, const pv_buf_t *commands);
static int ctl_redis_read(ctl_redis_t *redis, redisReply **reply);
static int ctl_redis_fill(ctl_redis_t *redis);
static void ctl_redis_lost(const char *why);


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

    if (rc == CTL_OK && url.tls) {
        rc = ctl_tls_open(&redis->tls, redis->context->fd, &url);
    }

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

    pvr_limit_init(&redis->limit);
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
    int          rc, len;
    char        *command;
    pv_buf_t     bytes;
    redisReply  *reply;

    len = redisFormatCommandArgv(&command, argc, argv, NULL);
    if (len < 0) {
        return ctl_fail(CTL_UNREACHABLE, "out of memory");
    }

    pv_buf_init(&bytes, (size_t) len);
    pv_buf_add(&bytes, command, (size_t) len);
    redisFreeCommand(command);

    rc = ctl_redis_run(redis, &bytes, &reply, 1);
    pv_buf_free(&bytes);

    if (rc != CTL_OK) {
        return rc;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        rc = ctl_fail(CTL_UNREACHABLE, "Redis: cannot %s: %s", what, reply->str);
    }

    freeReplyObject(reply);

    return rc;
}


int
ctl_redis_run(ctl_redis_t *redis, pv_buf_t *commands, redisReply **replies, size_t n)
{
    size_t  i;

    memset(replies, 0, n * sizeof(redisReply *));

    if (commands->failed) {
        return ctl_fail(CTL_UNREACHABLE, "a command for Redis is too large");
    }

    if (ctl_redis_write(redis, commands) != CTL_OK) {
        ctl_redis_lost(errno == EAGAIN ? "no answer in time" : strerror(errno));
        return CTL_UNREACHABLE;
    }

    for (i = 0; i < n; i++) {
        if (ctl_redis_read(redis, &replies[i]) != CTL_OK) {
            ctl_redis_replies_free(replies, i);
            return CTL_UNREACHABLE;
        }
    }

    return CTL_OK;
}


static int
ctl_redis_write(ctl_redis_t *redis, const pv_buf_t *commands)
{
    size_t   done;
    ssize_t  n;

    for (done = 0; done < commands->len; done += (size_t) n) {

        n = (redis->tls != NULL)
            ? ctl_tls_write(redis->tls, commands->data + done, commands->len - done)
            : send(redis->context->fd, commands->data + done, commands->len - done, MSG_NOSIGNAL);

        if (n == -1 && errno == EINTR) {
            n = 0;
            continue;
        }

        if (n <= 0) {
            return CTL_UNREACHABLE;
        }
    }

    return CTL_OK;
}


static int
ctl_redis_read(ctl_redis_t *redis, redisReply **out)
{
    void  *reply;

    for ( ;; ) {
        reply = NULL;

        if (redisReaderGetReply(redis->context->reader, &reply) != REDIS_OK) {
            ctl_redis_lost(redis->context->reader->errstr);
            return CTL_UNREACHABLE;
        }

        if (reply != NULL) {
            *out = reply;
            return CTL_OK;
        }

        if (ctl_redis_fill(redis) != CTL_OK) {
            return CTL_UNREACHABLE;
        }
    }
}


/* Reads for ourselves, so that pvr_limit sees every byte before hiredis takes memory for what it promises. */

static int
ctl_redis_fill(ctl_redis_t *redis)
{
    char     chunk[CTL_REDIS_CHUNK];
    ssize_t  n;

    do {
        n = (redis->tls != NULL) ? ctl_tls_read(redis->tls, chunk, sizeof(chunk))
                                 : read(redis->context->fd, chunk, sizeof(chunk));
    } while (n == -1 && errno == EINTR);

    if (n <= 0) {
        ctl_redis_lost((n == 0) ? "it was closed" : (errno == EAGAIN) ? "no answer in time" : strerror(errno));
        return CTL_UNREACHABLE;
    }

    if (pvr_limit_feed(&redis->limit, (unsigned char *) chunk, (size_t) n) != PV_OK) {
        ctl_redis_lost("the answer is not one of Redis, or past every limit");
        return CTL_UNREACHABLE;
    }

    if (redisReaderFeed(redis->context->reader, chunk, (size_t) n) != REDIS_OK) {
        ctl_redis_lost(redis->context->reader->errstr);
        return CTL_UNREACHABLE;
    }

    return CTL_OK;
}


static void
ctl_redis_lost(const char *why)
{
    (void) ctl_fail(0, "the connection to Redis was lost: %s", why);
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

    ctl_tls_close(redis->tls);

    if (redis->context != NULL) {
        redisFree(redis->context);
    }

    free(redis);
}
