/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_privacy_redis_private.h"


/*
 * What a server refuses is said in its own words, with the command and the
 * key that it was about: an account that lacks a rule, a server without room
 * or without its replicas is then found by the log alone. Of each kind of
 * error a line a minute.
 */

#define NGX_PRIVACY_REDIS_REFUSED_AGAIN  60     /* s */


static ngx_uint_t ngx_privacy_redis_refused_matters(ngx_privacy_redis_request_t *request, pvr_status_t status);
static void ngx_privacy_redis_refused_command(ngx_privacy_redis_request_t *request, pv_str_t *name, pv_str_t *key);
static size_t ngx_privacy_redis_refused_key(u_char *buf, size_t size, pv_str_t key);


void
ngx_privacy_redis_refused(ngx_privacy_redis_request_t *request, const redisReply *reply)
{
    char                           words[NGX_PRIVACY_REDIS_WORDS + 1];
    u_char                         key[PVR_KEY_MAX];
    size_t                         len;
    pv_str_t                       name, of;
    pvr_status_t                   status;
    ngx_privacy_redis_endpoint_t  *endpoint;

    status = pvr_status(reply);

    if (!ngx_privacy_redis_refused_matters(request, status)) {
        return;
    }

    endpoint = request->endpoint;
    endpoint->server.last_error = status;

    if (endpoint->refused_at[status]
        && ngx_time() - endpoint->refused_at[status] < NGX_PRIVACY_REDIS_REFUSED_AGAIN)
    {
        return;
    }

    endpoint->refused_at[status] = ngx_time();

    ngx_privacy_redis_refused_command(request, &name, &of);
    len = ngx_privacy_redis_refused_key(key, sizeof(key), of);

    ngx_log_error(NGX_LOG_ERR, endpoint->redis->log, 0, "privacy: Redis at %V refuses %*s%s%*s: %s",
                  &endpoint->server.name, name.len, name.data, len ? " " : "", len, key,
                  ngx_privacy_redis_words(words, reply));
}


/*
 * What is an answer to go by is none of it, nor what follows from an error
 * before, nor questions of our own that need not be allowed.
 */

static ngx_uint_t
ngx_privacy_redis_refused_matters(ngx_privacy_redis_request_t *request, pvr_status_t status)
{
    ngx_uint_t  i;

    if (request->slot == NGX_PRIVACY_REDIS_NO_SLOT) {
        return 0;
    }

    switch (status) {

    case PVR_OK:
    case PVR_EXISTS:
    case PVR_MOVED:
    case PVR_ASK:
    case PVR_TRYAGAIN:
        return 0;

    default:
        break;
    }

    for (i = 0; request->handler && i < request->got; i++) {
        if (request->replies[i]->type == REDIS_REPLY_ERROR) {
            return 0;
        }
    }

    return 1;
}


static void
ngx_privacy_redis_refused_command(ngx_privacy_redis_request_t *request, pv_str_t *name, pv_str_t *key)
{
    size_t      at;
    pv_str_t    rest, command;
    ngx_uint_t  i;

    rest.data = request->commands;
    rest.len = request->len;
    command = pv_str("");
    *name = pv_str("a command");
    *key = pv_str("");

    for (i = 0; i <= request->got; i++) {
        if (pvr_command_next(&rest, &command, key) != PV_OK) {
            return;
        }
    }

    /* *N CRLF $LENGTH CRLF NAME CRLF */

    for (at = 0, i = 0; at < command.len && i < 2; at++) {
        i += (command.data[at] == LF);
    }

    name->data = command.data + at;

    for (name->len = 0; at + name->len < command.len && command.data[at + name->len] != CR; name->len++) {
        /* void */
    }
}


/* Without the subject in it, which is nothing for a log: "privacy:{example:*}:ledger", as in the rules of an account. */

static size_t
ngx_privacy_redis_refused_key(u_char *buf, size_t size, pv_str_t key)
{
    size_t  from, to;

    for (to = 0; to < key.len && key.data[to] != '}'; to++) { /* void */ }

    if (to == key.len) {
        return (size_t) (ngx_snprintf(buf, size, "%*s", key.len, key.data) - buf);
    }

    for (from = to; from > 0 && key.data[from - 1] != ':'; from--) { /* void */ }

    return (size_t) (ngx_snprintf(buf, size, "%*s*%*s", from, key.data, key.len - to, key.data + to) - buf);
}
