/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "ctl.h"
#include "ctl_link.h"
#include "ctl_tls.h"
#include "pvr_limit.h"


#define CTL_LINK_CONNECT_SECONDS  5
#define CTL_LINK_CHUNK            16384


struct ctl_link_s {
    redisContext  *context;
    ctl_tls_t     *tls;         /* NULL: not encrypted */
    pvr_limit_t    limit;
};


static int ctl_link_connect(ctl_link_t *link, const ctl_url_t *url);
static int ctl_link_sign_in(ctl_link_t *link, const ctl_url_t *url, ctl_link_as_t as);
static int ctl_link_ask(ctl_link_t *link, const char *what, int argc, const char **argv);
static int ctl_link_fill(ctl_link_t *link);


static char  ctl_link_reason[512];
static int   ctl_link_lasting;


int
ctl_link_open(ctl_link_t **out, const ctl_url_t *url, ctl_link_as_t as)
{
    int          rc;
    ctl_link_t  *link;

    *out = NULL;

    link = calloc(1, sizeof(ctl_link_t));
    if (link == NULL) {
        return ctl_link_failed(CTL_UNREACHABLE, "out of memory");
    }

    rc = ctl_link_connect(link, url);

    if (rc == CTL_OK && url->tls) {
        rc = ctl_tls_open(&link->tls, link->context->fd, url);
    }

    if (rc == CTL_OK) {
        rc = ctl_link_sign_in(link, url, as);
    }

    if (rc != CTL_OK) {
        ctl_link_close(link);
        return rc;
    }

    ctl_link_patience(link, CTL_LINK_PATIENCE);
    *out = link;

    return CTL_OK;
}


static int
ctl_link_connect(ctl_link_t *link, const ctl_url_t *url)
{
    struct timeval  timeout;

    timeout.tv_sec = CTL_LINK_CONNECT_SECONDS;
    timeout.tv_usec = 0;

    if (url->path[0] != '\0') {
        link->context = redisConnectUnixWithTimeout(url->path, timeout);

    } else {
        link->context = redisConnectWithTimeout(url->host, url->port, timeout);
    }

    if (link->context == NULL || link->context->err) {
        return ctl_link_failed(CTL_UNREACHABLE, "cannot reach Redis at %s: %s",
                               url->path[0] != '\0' ? url->path : url->host,
                               link->context == NULL ? "out of memory" : link->context->errstr);
    }

    pvr_limit_init(&link->limit);
    ctl_link_patience(link, CTL_LINK_CONNECT_SECONDS);

    return CTL_OK;
}


void
ctl_link_patience(ctl_link_t *link, int seconds)
{
    struct timeval  timeout;

    timeout.tv_sec = seconds;
    timeout.tv_usec = 0;

    (void) redisSetTimeout(link->context, timeout);
}


static int
ctl_link_sign_in(ctl_link_t *link, const ctl_url_t *url, ctl_link_as_t as)
{
    int          rc;
    char         number[16];
    const char  *argv[3], *user, *password;

    user = as == CTL_LINK_SENTINEL ? url->sentinel_user : url->user;
    password = as == CTL_LINK_SENTINEL ? url->sentinel_password : url->password;

    if (password[0] != '\0') {
        argv[0] = "AUTH";
        argv[1] = user[0] != '\0' ? user : password;
        argv[2] = password;

        rc = ctl_link_ask(link, "sign in", user[0] != '\0' ? 3 : 2, argv);
        if (rc != CTL_OK) {
            return rc;
        }
    }

    if (url->database == 0 || as == CTL_LINK_SENTINEL) {
        return CTL_OK;
    }

    (void) snprintf(number, sizeof(number), "%ld", url->database);
    argv[0] = "SELECT";
    argv[1] = number;

    return ctl_link_ask(link, "select the database", 2, argv);
}


/* A command that has to succeed. */

static int
ctl_link_ask(ctl_link_t *link, const char *what, int argc, const char **argv)
{
    int          rc;
    redisReply  *reply;

    rc = ctl_link_command(link, &reply, argc, argv);

    if (rc == CTL_OK) {
        if (reply->type == REDIS_REPLY_ERROR) {
            rc = ctl_link_failed(CTL_UNREACHABLE, "Redis: cannot %s: %s", what, reply->str);
            (void) ctl_link_for_good(rc);
        }

        freeReplyObject(reply);
    }

    return rc;
}


int
ctl_link_command(ctl_link_t *link, redisReply **reply, int argc, const char **argv)
{
    int    rc, len;
    char  *command;

    *reply = NULL;

    len = redisFormatCommandArgv(&command, argc, argv, NULL);
    if (len < 0) {
        return ctl_link_failed(CTL_UNREACHABLE, "out of memory");
    }

    rc = ctl_link_send(link, command, (size_t) len);
    redisFreeCommand(command);

    return rc == CTL_OK ? ctl_link_reply(link, reply) : rc;
}


int
ctl_link_send(ctl_link_t *link, const void *data, size_t len)
{
    size_t   done;
    ssize_t  n;

    for (done = 0; done < len; done += (size_t) n) {

        n = (link->tls != NULL)
            ? ctl_tls_write(link->tls, (const char *) data + done, len - done)
            : send(link->context->fd, (const char *) data + done, len - done, MSG_NOSIGNAL);

        if (n == -1 && errno == EINTR) {
            n = 0;
            continue;
        }

        if (n <= 0) {
            return ctl_link_failed(CTL_UNREACHABLE, "the connection to Redis was lost: %s",
                                   errno == EAGAIN ? "no answer in time" : strerror(errno));
        }
    }

    return CTL_OK;
}


int
ctl_link_reply(ctl_link_t *link, redisReply **out)
{
    int    rc;
    void  *reply;

    for ( ;; ) {
        reply = NULL;

        if (redisReaderGetReply(link->context->reader, &reply) != REDIS_OK) {
            return ctl_link_failed(CTL_UNREACHABLE, "the connection to Redis was lost: %s",
                                   link->context->reader->errstr);
        }

        if (reply != NULL) {
            *out = reply;
            return CTL_OK;
        }

        rc = ctl_link_fill(link);
        if (rc != CTL_OK) {
            return rc;
        }
    }
}


/* Reads for ourselves, so that pvr_limit sees every byte before hiredis takes memory for what it promises. */

static int
ctl_link_fill(ctl_link_t *link)
{
    char         chunk[CTL_LINK_CHUNK];
    ssize_t      n;
    const char  *why;

    do {
        n = (link->tls != NULL) ? ctl_tls_read(link->tls, chunk, sizeof(chunk))
                                : read(link->context->fd, chunk, sizeof(chunk));
    } while (n == -1 && errno == EINTR);

    if (n <= 0) {
        why = (n == 0) ? "it was closed" : (errno == EAGAIN) ? "no answer in time" : strerror(errno);

    } else if (pvr_limit_feed(&link->limit, (unsigned char *) chunk, (size_t) n) != PV_OK) {
        why = "the answer is not one of Redis, or past every limit";

    } else if (redisReaderFeed(link->context->reader, chunk, (size_t) n) != REDIS_OK) {
        why = link->context->reader->errstr;

    } else {
        return CTL_OK;
    }

    return ctl_link_failed(CTL_UNREACHABLE, "the connection to Redis was lost: %s", why);
}


int
ctl_link_failed(int code, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    (void) vsnprintf(ctl_link_reason, sizeof(ctl_link_reason), fmt, args);
    va_end(args);

    ctl_link_lasting = (code != CTL_UNREACHABLE);

    return code;
}


int
ctl_link_for_good(int code)
{
    ctl_link_lasting = 1;

    return code;
}


int
ctl_link_lasts(void)
{
    return ctl_link_lasting;
}


const char *
ctl_link_why(void)
{
    return ctl_link_reason;
}


void
ctl_link_close(ctl_link_t *link)
{
    if (link == NULL) {
        return;
    }

    ctl_tls_close(link->tls);

    if (link->context != NULL) {
        redisFree(link->context);
    }

    free(link);
}
