/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_privacy_redis_private.h"


/*
 * Whether the server keeps what it acknowledges: asked on each connect, since
 * it may be another one, and again while it holds, since it may be configured
 * anew. An account that may not ask, or a service that hides CONFIG, is not
 * held against it.
 */

#define NGX_PRIVACY_REDIS_CHECK        5000
#define NGX_PRIVACY_REDIS_CHECK_AGAIN  10000


static void ngx_privacy_redis_check_again(ngx_event_t *ev);
static void ngx_privacy_redis_check_ask(ngx_privacy_redis_endpoint_t *endpoint);
static void ngx_privacy_redis_checked(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n);
static u_char *ngx_privacy_redis_check_eviction(u_char *p, u_char *last, redisReply *reply);
static u_char *ngx_privacy_redis_check_persistence(u_char *p, u_char *last, ngx_uint_t more, redisReply *reply);


void
ngx_privacy_redis_check(ngx_privacy_redis_endpoint_t *endpoint)
{
    endpoint->check.handler = ngx_privacy_redis_check_again;
    endpoint->check.data = endpoint;
    endpoint->check.log = endpoint->redis->log;
    endpoint->check.cancelable = 1;

    if (ngx_exiting) {
        return;
    }

    if (ngx_privacy_redis_endpoint_ready(endpoint)) {
        ngx_privacy_redis_check_ask(endpoint);
    }

    ngx_add_timer(&endpoint->check, NGX_PRIVACY_REDIS_CHECK_AGAIN);
}


void
ngx_privacy_redis_check_close(ngx_privacy_redis_endpoint_t *endpoint)
{
    if (endpoint->check.timer_set) {
        ngx_del_timer(&endpoint->check);
    }
}


static void
ngx_privacy_redis_check_again(ngx_event_t *ev)
{
    ngx_privacy_redis_check(ev->data);
}


static void
ngx_privacy_redis_check_ask(ngx_privacy_redis_endpoint_t *endpoint)
{
    static u_char  commands[] = "*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$16\r\nmaxmemory-policy\r\n"
                                "*2\r\n$4\r\nINFO\r\n$11\r\npersistence\r\n";

    (void) ngx_privacy_redis_send_to(endpoint, NGX_PRIVACY_REDIS_NO_SLOT, commands, sizeof(commands) - 1, 2,
                                     NGX_PRIVACY_REDIS_CHECK, 0, ngx_privacy_redis_checked, endpoint);
}


static void
ngx_privacy_redis_checked(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n)
{
    u_char                *p, *last, text[sizeof(((ngx_privacy_redis_endpoint_t *) 0)->warning_data)];
    ngx_privacy_redis_endpoint_t  *endpoint;

    endpoint = data;

    if (status != PVR_OK || n != 2) {
        return;
    }

    p = text;
    last = text + sizeof(text);

    p = ngx_privacy_redis_check_eviction(p, last, replies[0]);
    p = ngx_privacy_redis_check_persistence(p, last, p != text, replies[1]);

    if ((size_t) (p - text) == endpoint->warning.len
        && ngx_memcmp(text, endpoint->warning_data, p - text) == 0)
    {
        return;
    }

    ngx_memcpy(endpoint->warning_data, text, p - text);
    endpoint->warning.data = endpoint->warning_data;
    endpoint->warning.len = p - text;

    if (p != text) {
        ngx_log_error(NGX_LOG_WARN, endpoint->redis->log, 0, "privacy: Redis at %V may lose choices: %V",
                      &endpoint->server.name, &endpoint->warning);
    }
}


static u_char *
ngx_privacy_redis_check_eviction(u_char *p, u_char *last, redisReply *reply)
{
    redisReply  *value;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2
        || reply->element[1]->type != REDIS_REPLY_STRING)
    {
        return p;
    }

    value = reply->element[1];

    if (ngx_strcmp(value->str, "noeviction") == 0) {
        return p;
    }

    return ngx_slprintf(p, last, "maxmemory-policy is \"%*s\", it has to be \"noeviction\"",
                        ngx_min(value->len, (size_t) 32), value->str);
}


static u_char *
ngx_privacy_redis_check_persistence(u_char *p, u_char *last, ngx_uint_t more, redisReply *reply)
{
    const char  *what;

    if (reply->type != REDIS_REPLY_STRING) {
        return p;
    }

    if (ngx_strstr(reply->str, "aof_enabled:0") != NULL) {
        what = "appendonly is \"no\", what came since the last snapshot is lost with the process";

    } else if (ngx_strstr(reply->str, "aof_last_write_status:err") != NULL) {
        what = "the last write of the append-only file failed";

    } else {
        return p;
    }

    return ngx_slprintf(p, last, "%s%s", more ? "; " : "", what);
}
