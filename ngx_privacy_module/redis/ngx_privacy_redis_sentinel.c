/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_privacy_redis_private.h"


/*
 * One endpoint, at the address that a sentinel gives for the master's name.
 * One connection to one of them, the next one when it fails:
 *
 *   SENTINEL get-master-addr-by-name NAME, SUBSCRIBE +switch-master
 *
 * in one write, so that nothing happens in between that is not heard; now and
 * then, and after each failure of the master, the same again behind an
 * UNSUBSCRIBE. Whom they name has to call itself a master (ROLE): a sentinel
 * may be cut off and not know yet.
 *
 * Source: Redis' "Guidelines for Redis clients with support for Redis Sentinel".
 */

#define NGX_PRIVACY_REDIS_ASK_EVERY   5000  /* ms */
#define NGX_PRIVACY_REDIS_ASK_SOON    100   /* and as much at random */
#define NGX_PRIVACY_REDIS_ASK_ANSWER  2000
#define NGX_PRIVACY_REDIS_ASK_DOUBTS  3     /* failures of whom one sentinel names, then another one is asked */
#define NGX_PRIVACY_REDIS_ASK_BYTES   4096


/* What comes next on the connection; messages may come before a LEAVING one. */
typedef enum {
    NGX_PRIVACY_REDIS_LISTENING = 0,
    NGX_PRIVACY_REDIS_LEAVING,      /* the answer to UNSUBSCRIBE */
    NGX_PRIVACY_REDIS_ASKED,        /* the address */
    NGX_PRIVACY_REDIS_JOINING       /* the answer to SUBSCRIBE */
} ngx_privacy_redis_asked_e;


struct ngx_privacy_redis_sentinel_s {
    ngx_privacy_redis_t             *redis;
    ngx_privacy_redis_server_t       servers[NGX_PRIVACY_REDIS_HOSTS];
    ngx_uint_t                       current;
    ngx_privacy_redis_link_t         link;
    ngx_privacy_redis_asked_e        state;
    ngx_event_t                      soon;
    ngx_uint_t                       doubts;
    ngx_msec_t                       moved;         /* when another master was named last */
    pv_buf_t                         out;
    size_t                           sent;
};


static ngx_int_t ngx_privacy_redis_sentinel_start(ngx_privacy_redis_t *redis);
static void ngx_privacy_redis_sentinel_found(ngx_privacy_redis_server_t *server);
static ngx_privacy_redis_endpoint_t *ngx_privacy_redis_sentinel_route(ngx_privacy_redis_t *redis, ngx_uint_t slot);
static void ngx_privacy_redis_sentinel_trusted(ngx_privacy_redis_endpoint_t *endpoint);
static void ngx_privacy_redis_sentinel_failed(ngx_privacy_redis_endpoint_t *endpoint);
static void ngx_privacy_redis_sentinel_later(ngx_privacy_redis_sentinel_t *sentinel);
static ngx_int_t ngx_privacy_redis_sentinel_refused(ngx_privacy_redis_request_t *request, const redisReply *reply);
static void ngx_privacy_redis_sentinel_stop(ngx_privacy_redis_t *redis);
static void ngx_privacy_redis_sentinel_soon(ngx_event_t *ev);
static void ngx_privacy_redis_sentinel_next(ngx_privacy_redis_sentinel_t *sentinel);
static void ngx_privacy_redis_sentinel_ready(ngx_privacy_redis_link_t *link);
static void ngx_privacy_redis_sentinel_ask(ngx_privacy_redis_sentinel_t *sentinel, ngx_uint_t leave);
static void ngx_privacy_redis_sentinel_word(pv_buf_t *out, const char *word);
static size_t ngx_privacy_redis_sentinel_fill(ngx_privacy_redis_link_t *link, u_char *out, size_t size);
static ngx_int_t ngx_privacy_redis_sentinel_reply(ngx_privacy_redis_link_t *link, redisReply **reply);
static ngx_int_t ngx_privacy_redis_sentinel_message(ngx_privacy_redis_sentinel_t *sentinel, const redisReply *reply);
static ngx_int_t ngx_privacy_redis_sentinel_answer(ngx_privacy_redis_sentinel_t *sentinel, const redisReply *reply);
static ngx_uint_t ngx_privacy_redis_sentinel_is(const redisReply *reply, const char *kind);
static void ngx_privacy_redis_sentinel_master(ngx_privacy_redis_sentinel_t *sentinel, const pvr_address_t *address);
static void ngx_privacy_redis_sentinel_closed(ngx_privacy_redis_link_t *link, pvr_status_t status);
static ngx_int_t ngx_privacy_redis_sentinel_silent(ngx_privacy_redis_link_t *link);
static ngx_uint_t ngx_privacy_redis_sentinel_idle(ngx_privacy_redis_link_t *link);


const ngx_privacy_redis_topology_t  ngx_privacy_redis_sentinels = {
    .name = "sentinel",
    .start = ngx_privacy_redis_sentinel_start,
    .route = ngx_privacy_redis_sentinel_route,
    .ready = ngx_privacy_redis_sentinel_trusted,
    .failed = ngx_privacy_redis_sentinel_failed,
    .refused = ngx_privacy_redis_sentinel_refused,
    .stop = ngx_privacy_redis_sentinel_stop
};


static ngx_int_t
ngx_privacy_redis_sentinel_start(ngx_privacy_redis_t *redis)
{
    ngx_uint_t                     i;
    ngx_privacy_redis_link_t      *link;
    ngx_privacy_redis_server_t    *server;
    ngx_privacy_redis_sentinel_t  *sentinel;

    sentinel = ngx_pcalloc(redis->pool, sizeof(ngx_privacy_redis_sentinel_t));

    if (sentinel == NULL || ngx_privacy_redis_endpoint_add(redis, NGX_PRIVACY_REDIS_MASTER) == NULL) {
        return NGX_ERROR;
    }

    redis->sentinel = sentinel;
    sentinel->redis = redis;
    pv_buf_init(&sentinel->out, NGX_PRIVACY_REDIS_ASK_BYTES);

    sentinel->soon.handler = ngx_privacy_redis_sentinel_soon;
    sentinel->soon.data = sentinel;
    sentinel->soon.log = redis->log;
    sentinel->soon.cancelable = 1;

    for (i = 0; i < redis->conf->nhosts; i++) {
        server = &sentinel->servers[i];

        if (ngx_privacy_redis_server_init(server, redis->conf, NGX_PRIVACY_REDIS_A_SENTINEL, redis->log) != NGX_OK) {
            return NGX_ERROR;
        }

        server->found = ngx_privacy_redis_sentinel_found;
        server->data = sentinel;

        ngx_privacy_redis_server_set_host(server, &redis->conf->hosts[i]);
    }

    link = &sentinel->link;
    sentinel->current = (ngx_uint_t) ngx_random() % redis->conf->nhosts;

    ngx_privacy_redis_link_init(link, &sentinel->servers[sentinel->current], sentinel, "sentinel");

    link->ready = ngx_privacy_redis_sentinel_ready;
    link->fill = ngx_privacy_redis_sentinel_fill;
    link->reply = ngx_privacy_redis_sentinel_reply;
    link->closed = ngx_privacy_redis_sentinel_closed;
    link->silent = ngx_privacy_redis_sentinel_silent;
    link->idle = ngx_privacy_redis_sentinel_idle;

    if (link->server->naddrs == 0) {
        ngx_privacy_redis_sentinel_next(sentinel);
    }

    ngx_privacy_redis_link_wake(link);

    return NGX_OK;
}


static void
ngx_privacy_redis_sentinel_found(ngx_privacy_redis_server_t *server)
{
    ngx_privacy_redis_sentinel_t  *sentinel;

    sentinel = server->data;

    if (server == sentinel->link.server) {
        ngx_privacy_redis_link_wake(&sentinel->link);
    }
}


static ngx_privacy_redis_endpoint_t *
ngx_privacy_redis_sentinel_route(ngx_privacy_redis_t *redis, ngx_uint_t slot)
{
    (void) slot;

    return redis->endpoints[0];
}


static void
ngx_privacy_redis_sentinel_trusted(ngx_privacy_redis_endpoint_t *endpoint)
{
    endpoint->redis->sentinel->doubts = 0;
}


static void
ngx_privacy_redis_sentinel_failed(ngx_privacy_redis_endpoint_t *endpoint)
{
    ngx_privacy_redis_sentinel_t  *sentinel;

    sentinel = endpoint->redis->sentinel;
    sentinel->doubts++;

    ngx_privacy_redis_sentinel_later(sentinel);
}


static void
ngx_privacy_redis_sentinel_later(ngx_privacy_redis_sentinel_t *sentinel)
{
    if (!sentinel->soon.timer_set && !ngx_exiting) {
        ngx_add_timer(&sentinel->soon, NGX_PRIVACY_REDIS_ASK_SOON
                                       + (ngx_msec_t) ngx_random() % NGX_PRIVACY_REDIS_ASK_SOON);
    }
}


/* A master that was put back is asked for nothing more; what it refused was not done. */

static ngx_int_t
ngx_privacy_redis_sentinel_refused(ngx_privacy_redis_request_t *request, const redisReply *reply)
{
    if (pvr_status(reply) != PVR_READONLY) {
        return NGX_OK;
    }

    request->again = PVR_READONLY;

    return NGX_ABORT;
}


static void
ngx_privacy_redis_sentinel_stop(ngx_privacy_redis_t *redis)
{
    ngx_uint_t                     i;
    ngx_privacy_redis_sentinel_t  *sentinel;

    sentinel = redis->sentinel;

    if (sentinel->soon.timer_set) {
        ngx_del_timer(&sentinel->soon);
    }

    ngx_privacy_redis_link_stop(&sentinel->link);

    for (i = 0; i < redis->conf->nhosts; i++) {
        ngx_privacy_redis_server_close(&sentinel->servers[i]);
    }

    pv_buf_free(&sentinel->out);
}


static void
ngx_privacy_redis_sentinel_soon(ngx_event_t *ev)
{
    ngx_privacy_redis_sentinel_t  *sentinel;

    sentinel = ev->data;

    if (sentinel->doubts >= NGX_PRIVACY_REDIS_ASK_DOUBTS && sentinel->redis->conf->nhosts > 1) {
        sentinel->doubts = 0;
        ngx_privacy_redis_sentinel_next(sentinel);
        ngx_privacy_redis_link_move(&sentinel->link, &sentinel->servers[sentinel->current]);
        return;
    }

    if (sentinel->link.state == NGX_PRIVACY_REDIS_READY && sentinel->state == NGX_PRIVACY_REDIS_LISTENING) {
        ngx_privacy_redis_sentinel_ask(sentinel, 1);
    }
}


/* The next one whose address is known; those whose is not are looked for. */

static void
ngx_privacy_redis_sentinel_next(ngx_privacy_redis_sentinel_t *sentinel)
{
    ngx_uint_t  i, n;

    n = sentinel->redis->conf->nhosts;

    for (i = 0; i < n; i++) {
        sentinel->current = (sentinel->current + 1) % n;

        if (sentinel->servers[sentinel->current].naddrs) {
            break;
        }

        ngx_privacy_redis_server_resolve(&sentinel->servers[sentinel->current]);
    }

    sentinel->link.server = &sentinel->servers[sentinel->current];
}


static void
ngx_privacy_redis_sentinel_ready(ngx_privacy_redis_link_t *link)
{
    ngx_privacy_redis_sentinel_ask(link->data, 0);
}


static void
ngx_privacy_redis_sentinel_ask(ngx_privacy_redis_sentinel_t *sentinel, ngx_uint_t leave)
{
    pv_str_t                   name;
    ngx_privacy_redis_conf_t  *conf;

    conf = sentinel->redis->conf;

    name.data = conf->master.data;
    name.len = conf->master.len;

    pv_buf_free(&sentinel->out);
    pv_buf_init(&sentinel->out, NGX_PRIVACY_REDIS_ASK_BYTES);
    sentinel->sent = 0;

    if (leave) {
        ngx_privacy_redis_sentinel_word(&sentinel->out, "UNSUBSCRIBE");
    }

    (void) pvr_sentinel_ask(&sentinel->out, name);
    ngx_privacy_redis_sentinel_word(&sentinel->out, "SUBSCRIBE");

    sentinel->state = leave ? NGX_PRIVACY_REDIS_LEAVING : NGX_PRIVACY_REDIS_ASKED;

    ngx_privacy_redis_link_expect(&sentinel->link, NGX_PRIVACY_REDIS_ASK_ANSWER);
    ngx_privacy_redis_link_flush(&sentinel->link);
}


static void
ngx_privacy_redis_sentinel_word(pv_buf_t *out, const char *word)
{
    pv_buf_printf(out, "*2\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(word), word, sizeof(PVR_SWITCH_MASTER) - 1,
                  PVR_SWITCH_MASTER);
}


static size_t
ngx_privacy_redis_sentinel_fill(ngx_privacy_redis_link_t *link, u_char *out, size_t size)
{
    size_t                         n;
    ngx_privacy_redis_sentinel_t  *sentinel;

    sentinel = link->data;

    n = sentinel->out.failed ? 0 : ngx_min(size, sentinel->out.len - sentinel->sent);

    ngx_memcpy(out, sentinel->out.data + sentinel->sent, n);
    sentinel->sent += n;

    return n;
}


static ngx_int_t
ngx_privacy_redis_sentinel_reply(ngx_privacy_redis_link_t *link, redisReply **reply)
{
    redisReply                    *r;
    ngx_privacy_redis_sentinel_t  *sentinel;

    r = *reply;
    sentinel = link->data;

    switch (sentinel->state) {

    case NGX_PRIVACY_REDIS_ASKED:
        sentinel->state = NGX_PRIVACY_REDIS_JOINING;
        return ngx_privacy_redis_sentinel_answer(sentinel, r);

    case NGX_PRIVACY_REDIS_JOINING:
        if (!ngx_privacy_redis_sentinel_is(r, "subscribe")) {
            return NGX_ERROR;
        }

        sentinel->state = NGX_PRIVACY_REDIS_LISTENING;
        ngx_privacy_redis_link_expect(link, NGX_PRIVACY_REDIS_ASK_EVERY);
        return NGX_OK;

    case NGX_PRIVACY_REDIS_LEAVING:
        if (ngx_privacy_redis_sentinel_is(r, "unsubscribe")) {
            sentinel->state = NGX_PRIVACY_REDIS_ASKED;
            return NGX_OK;
        }

        return ngx_privacy_redis_sentinel_message(sentinel, r);

    default: /* NGX_PRIVACY_REDIS_LISTENING */
        return ngx_privacy_redis_sentinel_message(sentinel, r);
    }
}


static ngx_int_t
ngx_privacy_redis_sentinel_message(ngx_privacy_redis_sentinel_t *sentinel, const redisReply *reply)
{
    pv_str_t        text, name;
    pvr_address_t   address;
    ngx_str_t      *master;

    if (!ngx_privacy_redis_sentinel_is(reply, "message") || reply->element[2]->type != REDIS_REPLY_STRING) {
        return NGX_ERROR;
    }

    master = &sentinel->redis->conf->master;

    name.data = master->data;
    name.len = master->len;
    text.data = (u_char *) reply->element[2]->str;
    text.len = reply->element[2]->len;

    if (pvr_switch_master(&address, text, name) == PV_OK) {
        ngx_privacy_redis_sentinel_master(sentinel, &address);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_privacy_redis_sentinel_answer(ngx_privacy_redis_sentinel_t *sentinel, const redisReply *reply)
{
    pvr_address_t  address;

    if (reply->type == REDIS_REPLY_ERROR) {
        return NGX_ERROR;
    }

    if (pvr_sentinel_master(&address, reply) != PV_OK) {
        sentinel->link.why = "it knows no master of that name";
        return NGX_ABORT;
    }

    ngx_privacy_redis_sentinel_master(sentinel, &address);

    return NGX_OK;
}


static ngx_uint_t
ngx_privacy_redis_sentinel_is(const redisReply *reply, const char *kind)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements == 3
           && reply->element[0]->type == REDIS_REPLY_STRING && ngx_strcmp(reply->element[0]->str, kind) == 0;
}


static void
ngx_privacy_redis_sentinel_master(ngx_privacy_redis_sentinel_t *sentinel, const pvr_address_t *address)
{
    ngx_privacy_redis_t           *redis;
    ngx_privacy_redis_endpoint_t  *endpoint;

    redis = sentinel->redis;
    endpoint = redis->endpoints[0];

    if (sentinel->moved && ngx_current_msec - sentinel->moved < NGX_PRIVACY_REDIS_ASK_SOON) {
        /* it changes its mind all the time: what it says next is early enough */
        ngx_privacy_redis_sentinel_later(sentinel);
        return;
    }

    if (ngx_privacy_redis_server_set_address(&endpoint->server, address) != NGX_OK) {
        return;
    }

    sentinel->moved = ngx_current_msec;
    redis->changed = ngx_time();

    ngx_log_error(NGX_LOG_NOTICE, redis->log, 0, "privacy: %V: the master is at %V", &redis->conf->url,
                  &endpoint->server.name);

    ngx_privacy_redis_link_move(&endpoint->link, &endpoint->server);
    ngx_privacy_redis_subscribe_move(redis);
}


static void
ngx_privacy_redis_sentinel_closed(ngx_privacy_redis_link_t *link, pvr_status_t status)
{
    ngx_privacy_redis_sentinel_t  *sentinel;

    (void) status;

    sentinel = link->data;
    sentinel->state = NGX_PRIVACY_REDIS_LISTENING;

    pv_buf_free(&sentinel->out);
    pv_buf_init(&sentinel->out, NGX_PRIVACY_REDIS_ASK_BYTES);
    sentinel->sent = 0;

    if (link->failures && !link->stopped) {
        ngx_privacy_redis_server_resolve(link->server);
        ngx_privacy_redis_sentinel_next(sentinel);
    }
}


static ngx_int_t
ngx_privacy_redis_sentinel_silent(ngx_privacy_redis_link_t *link)
{
    ngx_privacy_redis_sentinel_t  *sentinel;

    sentinel = link->data;

    if (sentinel->state != NGX_PRIVACY_REDIS_LISTENING) {
        return NGX_ERROR;
    }

    ngx_privacy_redis_sentinel_ask(sentinel, 1);

    return NGX_OK;
}


static ngx_uint_t
ngx_privacy_redis_sentinel_idle(ngx_privacy_redis_link_t *link)
{
    (void) link;

    return 1;
}
