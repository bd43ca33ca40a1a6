/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_privacy_redis_private.h"


/*
 * A connection that only listens. Pub/sub forgets what nobody heard: after
 * each (re)subscription the handler is called with NULL, to read what it missed
 * where it is kept. A half-open connection would be silent for ever: PING.
 */

#define NGX_PRIVACY_REDIS_PING       4000      /* ms of silence, then it is asked whether it is there */
#define NGX_PRIVACY_REDIS_PONG       3000      /* a slow disk may hold up a healthy one for most of that */
#define NGX_PRIVACY_REDIS_LISTEN     (64 * 1024)


static void ngx_privacy_redis_subscribe_ready(ngx_privacy_redis_link_t *link);
static void ngx_privacy_redis_subscribe_send(ngx_privacy_redis_t *redis);
static void ngx_privacy_redis_subscribe_word(pv_buf_t *out, const char *word, ngx_str_t *argument);
static size_t ngx_privacy_redis_subscribe_fill(ngx_privacy_redis_link_t *link, u_char *out, size_t size);
static ngx_int_t ngx_privacy_redis_subscribe_reply(ngx_privacy_redis_link_t *link, redisReply **reply);
static void ngx_privacy_redis_subscribe_message(ngx_privacy_redis_t *redis, redisReply *channel,
    redisReply *message);
static void ngx_privacy_redis_subscribe_closed(ngx_privacy_redis_link_t *link, pvr_status_t status);
static void ngx_privacy_redis_subscribe_elsewhere(ngx_privacy_redis_t *redis);
static ngx_int_t ngx_privacy_redis_subscribe_silent(ngx_privacy_redis_link_t *link);
static ngx_uint_t ngx_privacy_redis_subscribe_idle(ngx_privacy_redis_link_t *link);


void
ngx_privacy_redis_subscribe_init(ngx_privacy_redis_t *redis)
{
    ngx_privacy_redis_link_t  *link;

    link = &redis->events;

    pv_buf_init(&redis->listen, NGX_PRIVACY_REDIS_LISTEN);

    ngx_privacy_redis_link_init(link, &redis->endpoints[0]->server, redis, "events");

    link->ready = ngx_privacy_redis_subscribe_ready;
    link->fill = ngx_privacy_redis_subscribe_fill;
    link->reply = ngx_privacy_redis_subscribe_reply;
    link->closed = ngx_privacy_redis_subscribe_closed;
    link->silent = ngx_privacy_redis_subscribe_silent;
    link->idle = ngx_privacy_redis_subscribe_idle;
}


void
ngx_privacy_redis_subscribe_close(ngx_privacy_redis_t *redis)
{
    ngx_queue_t                       *q;
    ngx_privacy_redis_subscription_t  *s;

    ngx_privacy_redis_link_stop(&redis->events);

    while (!ngx_queue_empty(&redis->subscriptions)) {
        q = ngx_queue_head(&redis->subscriptions);
        s = ngx_queue_data(q, ngx_privacy_redis_subscription_t, queue);

        ngx_queue_remove(q);
        ngx_free(s);
    }

    pv_buf_free(&redis->listen);
}


ngx_int_t
ngx_privacy_redis_subscribe(ngx_privacy_redis_t *redis, ngx_str_t *channel, ngx_privacy_redis_message_pt handler,
    void *data)
{
    ngx_privacy_redis_subscription_t  *s;

    s = ngx_alloc(sizeof(ngx_privacy_redis_subscription_t) + channel->len, redis->log);
    if (s == NULL) {
        return NGX_ERROR;
    }

    s->channel.len = channel->len;
    s->channel.data = (u_char *) s + sizeof(ngx_privacy_redis_subscription_t);
    ngx_memcpy(s->channel.data, channel->data, channel->len);
    s->handler = handler;
    s->data = data;
    s->sent = 0;
    s->heard = 0;

    ngx_queue_insert_tail(&redis->subscriptions, &s->queue);

    if (redis->events.state == NGX_PRIVACY_REDIS_READY) {
        ngx_privacy_redis_subscribe_send(redis);

    } else {
        ngx_privacy_redis_link_wake(&redis->events);
    }

    return NGX_OK;
}


static void
ngx_privacy_redis_subscribe_ready(ngx_privacy_redis_link_t *link)
{
    ngx_privacy_redis_link_expect(link, NGX_PRIVACY_REDIS_PING);
    ngx_privacy_redis_subscribe_send(link->data);
}


/* SUBSCRIBE for each channel that was not asked for on this connection. */

static void
ngx_privacy_redis_subscribe_send(ngx_privacy_redis_t *redis)
{
    ngx_queue_t                       *q;
    ngx_privacy_redis_subscription_t  *s;

    for (q = ngx_queue_head(&redis->subscriptions);
         q != ngx_queue_sentinel(&redis->subscriptions);
         q = ngx_queue_next(q))
    {
        s = ngx_queue_data(q, ngx_privacy_redis_subscription_t, queue);

        if (!s->sent) {
            s->sent = 1;
            ngx_privacy_redis_subscribe_word(&redis->listen, "SUBSCRIBE", &s->channel);
        }
    }

    ngx_privacy_redis_link_flush(&redis->events);
}


static void
ngx_privacy_redis_subscribe_word(pv_buf_t *out, const char *word, ngx_str_t *argument)
{
    int          size;
    char        *formatted;
    size_t       len[2];
    const char  *argv[2];

    argv[0] = word;
    len[0] = ngx_strlen(word);

    if (argument) {
        argv[1] = (const char *) argument->data;
        len[1] = argument->len;
    }

    size = redisFormatCommandArgv(&formatted, argument ? 2 : 1, argv, len);
    if (size < 0) {
        out->failed = 1;
        return;
    }

    pv_buf_add(out, formatted, size);
    redisFreeCommand(formatted);
}


static size_t
ngx_privacy_redis_subscribe_fill(ngx_privacy_redis_link_t *link, u_char *out, size_t size)
{
    size_t                n;
    pv_buf_t             *listen;
    ngx_privacy_redis_t  *redis;

    redis = link->data;
    listen = &redis->listen;

    n = ngx_min(size, listen->len - redis->listen_sent);

    if (n) {
        ngx_memcpy(out, listen->data + redis->listen_sent, n);
        redis->listen_sent += n;
        return n;
    }

    if (listen->len) {
        pv_buf_free(listen);
        pv_buf_init(listen, NGX_PRIVACY_REDIS_LISTEN);
        redis->listen_sent = 0;
    }

    return 0;
}


static ngx_int_t
ngx_privacy_redis_subscribe_reply(ngx_privacy_redis_link_t *link, redisReply **reply)
{
    redisReply           *r, *kind;
    ngx_privacy_redis_t  *redis;

    r = *reply;
    redis = link->data;

    redis->ping = 0;
    ngx_privacy_redis_link_expect(link, NGX_PRIVACY_REDIS_PING);

    if (r->type != REDIS_REPLY_ARRAY || r->elements < 2 || r->element[0]->type != REDIS_REPLY_STRING
        || r->element[1]->type != REDIS_REPLY_STRING)
    {
        /* an error (LOADING, NOPERM): the connection is given up, and tried again later */
        return NGX_ERROR;
    }

    kind = r->element[0];

    if (r->elements == 3 && ngx_strcmp(kind->str, "subscribe") == 0) {
        ngx_privacy_redis_subscribe_message(redis, r->element[1], NULL);

    } else if (r->elements == 3 && ngx_strcmp(kind->str, "message") == 0
               && r->element[2]->type == REDIS_REPLY_STRING)
    {
        ngx_privacy_redis_subscribe_message(redis, r->element[1], r->element[2]);

    } else if (ngx_strcmp(kind->str, "pong") != 0) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_privacy_redis_subscribe_message(ngx_privacy_redis_t *redis, redisReply *channel, redisReply *message)
{
    ngx_str_t                          text;
    ngx_queue_t                       *q;
    ngx_privacy_redis_subscription_t  *s;

    if (message) {
        text.len = message->len;
        text.data = (u_char *) message->str;
    }

    for (q = ngx_queue_head(&redis->subscriptions);
         q != ngx_queue_sentinel(&redis->subscriptions);
         q = ngx_queue_next(q))
    {
        s = ngx_queue_data(q, ngx_privacy_redis_subscription_t, queue);

        if (s->channel.len == channel->len && ngx_memcmp(s->channel.data, channel->str, channel->len) == 0) {
            s->heard = 1;
            s->handler(s->data, &s->channel, message ? &text : NULL);
        }
    }
}


static void
ngx_privacy_redis_subscribe_closed(ngx_privacy_redis_link_t *link, pvr_status_t status)
{
    ngx_queue_t                       *q;
    ngx_privacy_redis_t               *redis;
    ngx_privacy_redis_subscription_t  *s;

    (void) status;

    redis = link->data;

    redis->ping = 0;
    redis->listen_sent = 0;
    pv_buf_free(&redis->listen);
    pv_buf_init(&redis->listen, NGX_PRIVACY_REDIS_LISTEN);

    for (q = ngx_queue_head(&redis->subscriptions);
         q != ngx_queue_sentinel(&redis->subscriptions);
         q = ngx_queue_next(q))
    {
        s = ngx_queue_data(q, ngx_privacy_redis_subscription_t, queue);
        s->sent = 0;
        s->heard = 0;
    }

    if (link->failures && !link->stopped) {
        ngx_privacy_redis_subscribe_elsewhere(redis);
    }
}


ngx_uint_t
ngx_privacy_redis_subscribed(ngx_privacy_redis_t *redis, ngx_str_t *channel)
{
    ngx_queue_t                       *q;
    ngx_privacy_redis_subscription_t  *s;

    for (q = ngx_queue_head(&redis->subscriptions);
         q != ngx_queue_sentinel(&redis->subscriptions);
         q = ngx_queue_next(q))
    {
        s = ngx_queue_data(q, ngx_privacy_redis_subscription_t, queue);

        if (s->channel.len == channel->len && ngx_memcmp(s->channel.data, channel->data, channel->len) == 0) {
            return s->heard;
        }
    }

    return 0;
}


/* Each server of a cluster passes on what was published at any of them; one without slots may not be in it any more. */

static void
ngx_privacy_redis_subscribe_elsewhere(ngx_privacy_redis_t *redis)
{
    ngx_uint_t  i, at, next;

    next = redis->nendpoints;

    for (i = 1; i <= redis->nendpoints; i++) {
        at = (redis->listening + i) % redis->nendpoints;

        if (!ngx_privacy_redis_endpoint_ready(redis->endpoints[at])) {
            continue;
        }

        if (redis->endpoints[at]->slots) {
            next = at;
            break;
        }

        next = (next == redis->nendpoints) ? at : next;
    }

    if (next != redis->nendpoints) {
        redis->listening = next;
        redis->events.server = &redis->endpoints[next]->server;
    }
}


void
ngx_privacy_redis_subscribe_found(ngx_privacy_redis_endpoint_t *endpoint)
{
    ngx_privacy_redis_t  *redis;

    redis = endpoint->redis;

    if (redis->events.server == &endpoint->server && !ngx_queue_empty(&redis->subscriptions)) {
        ngx_privacy_redis_link_wake(&redis->events);
    }
}


void
ngx_privacy_redis_subscribe_move(ngx_privacy_redis_t *redis)
{
    ngx_privacy_redis_subscribe_elsewhere(redis);
    ngx_privacy_redis_link_move(&redis->events, &redis->endpoints[redis->listening]->server);
}


static ngx_int_t
ngx_privacy_redis_subscribe_silent(ngx_privacy_redis_link_t *link)
{
    ngx_privacy_redis_t  *redis;

    redis = link->data;

    if (redis->ping) {
        return NGX_ERROR;
    }

    redis->ping = 1;
    ngx_privacy_redis_subscribe_word(&redis->listen, "PING", NULL);
    ngx_privacy_redis_link_flush(link);
    ngx_privacy_redis_link_expect(link, NGX_PRIVACY_REDIS_PONG);

    return NGX_OK;
}


static ngx_uint_t
ngx_privacy_redis_subscribe_idle(ngx_privacy_redis_link_t *link)
{
    (void) link;

    return 1;
}
