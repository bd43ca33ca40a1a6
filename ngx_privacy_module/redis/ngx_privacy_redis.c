/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_privacy_redis_link.h"


/* A server that says nothing for so long after the first answer in flight was due is taken for dead. */
#define NGX_PRIVACY_REDIS_SILENCE  500
#define NGX_PRIVACY_REDIS_BUSY     2500     /* but a slow disk may hold up a healthy one for so long */


struct ngx_privacy_redis_request_s {
    ngx_queue_t                      queue;
    ngx_privacy_redis_t             *redis;
    ngx_privacy_redis_handler_pt     handler;       /* NULL: nobody waits any more; replies are skipped */
    void                            *data;
    ngx_queue_t                      overdue;       /* while the deadlines that passed are gone through */
    ngx_msec_t                       deadline;      /* ngx_current_msec when it is due */
    ngx_msec_t                       sent_at;
    ngx_uint_t                       retry;
    ngx_uint_t                       in_flight;
    ngx_uint_t                       tried;         /* some of it was sent once: the outcome is unknown */
    ngx_uint_t                       late;          /* it is in the queue of those that are overdue */

    redisReply                     **replies;
    ngx_uint_t                       n;
    ngx_uint_t                       got;

    size_t                           sent;
    size_t                           len;
    u_char                          *commands;
};


static pv_str_t ngx_privacy_redis_text(ngx_str_t *s);
static ngx_int_t ngx_privacy_redis_greeting(ngx_privacy_redis_t *redis);
static void ngx_privacy_redis_command(pv_buf_t *out, pv_str_t *words, int n);
static void ngx_privacy_redis_ready(ngx_privacy_redis_link_t *link);
static size_t ngx_privacy_redis_fill(ngx_privacy_redis_link_t *link, u_char *out, size_t size);
static ngx_int_t ngx_privacy_redis_reply(ngx_privacy_redis_link_t *link, redisReply **reply);
static void ngx_privacy_redis_closed(ngx_privacy_redis_link_t *link, pvr_status_t status);
static ngx_int_t ngx_privacy_redis_silent(ngx_privacy_redis_link_t *link);
static ngx_uint_t ngx_privacy_redis_idle(ngx_privacy_redis_link_t *link);
static void ngx_privacy_redis_expect(ngx_privacy_redis_t *redis);
static void ngx_privacy_redis_watch(ngx_privacy_redis_t *redis, ngx_msec_t deadline);
static void ngx_privacy_redis_deadline(ngx_event_t *ev);
static ngx_uint_t ngx_privacy_redis_overdue(ngx_queue_t *requests, ngx_queue_t *late, ngx_msec_t *next);
static void ngx_privacy_redis_timeout(ngx_privacy_redis_request_t *request);
static ngx_privacy_redis_handler_pt ngx_privacy_redis_unwatch(ngx_privacy_redis_request_t *request);
static void ngx_privacy_redis_forget(ngx_privacy_redis_request_t *request);
static void ngx_privacy_redis_answer(ngx_privacy_redis_request_t *request, pvr_status_t status);
static void ngx_privacy_redis_free(ngx_privacy_redis_request_t *request);


ngx_privacy_redis_t *
ngx_privacy_redis_create(ngx_pool_t *pool, ngx_privacy_redis_conf_t *conf, ngx_log_t *log)
{
    ngx_privacy_redis_t  *redis;

    redis = ngx_pcalloc(pool, sizeof(ngx_privacy_redis_t));
    if (redis == NULL) {
        return NULL;
    }

    redis->conf = conf;
    redis->pool = pool;
    redis->log = log;

    ngx_queue_init(&redis->waiting);
    ngx_queue_init(&redis->flight);

    /* not cancelable: a worker that exits has to wait for the answer, as the client does */

    redis->deadline.handler = ngx_privacy_redis_deadline;
    redis->deadline.data = redis;
    redis->deadline.log = log;

    if (ngx_privacy_redis_greeting(redis) != NGX_OK) {
        pv_buf_free(&redis->greeting);
        return NULL;
    }

    ngx_privacy_redis_link_init(&redis->commands, redis, "commands");

    redis->commands.ready = ngx_privacy_redis_ready;
    redis->commands.fill = ngx_privacy_redis_fill;
    redis->commands.reply = ngx_privacy_redis_reply;
    redis->commands.closed = ngx_privacy_redis_closed;
    redis->commands.silent = ngx_privacy_redis_silent;
    redis->commands.idle = ngx_privacy_redis_idle;

    ngx_privacy_redis_subscribe_init(redis);

    ngx_privacy_redis_link_wake(&redis->commands);

    return redis;
}


void
ngx_privacy_redis_close(ngx_privacy_redis_t *redis)
{
    ngx_queue_t                  *q;
    ngx_privacy_redis_request_t  *request;

    for (q = ngx_queue_head(&redis->flight); q != ngx_queue_sentinel(&redis->flight); q = ngx_queue_next(q)) {
        request = ngx_queue_data(q, ngx_privacy_redis_request_t, queue);
        ngx_privacy_redis_forget(request);
    }

    while (!ngx_queue_empty(&redis->waiting)) {
        q = ngx_queue_head(&redis->waiting);
        request = ngx_queue_data(q, ngx_privacy_redis_request_t, queue);

        ngx_queue_remove(q);
        ngx_privacy_redis_free(request);
    }

    ngx_privacy_redis_check_close(redis);
    ngx_privacy_redis_subscribe_close(redis);
    ngx_privacy_redis_link_stop(&redis->commands);

    pv_buf_free(&redis->greeting);
}


static pv_str_t
ngx_privacy_redis_text(ngx_str_t *s)
{
    pv_str_t  text;

    text.data = s->data;
    text.len = s->len;

    return text;
}


static ngx_int_t
ngx_privacy_redis_greeting(ngx_privacy_redis_t *redis)
{
    u_char                    *last, db[NGX_INT_T_LEN];
    pv_str_t                   words[3];
    ngx_privacy_redis_conf_t  *conf;

    conf = redis->conf;
    pv_buf_init(&redis->greeting, 64 * 1024);

    if (conf->password.len) {
        words[0] = pv_str("AUTH");
        words[1] = ngx_privacy_redis_text(&conf->user);
        words[2] = ngx_privacy_redis_text(&conf->password);

        if (conf->user.len) {
            ngx_privacy_redis_command(&redis->greeting, words, 3);

        } else {
            words[1] = words[2];
            ngx_privacy_redis_command(&redis->greeting, words, 2);
        }

        redis->greeting_n++;
    }

    if (conf->database) {
        last = ngx_sprintf(db, "%ui", conf->database);

        words[0] = pv_str("SELECT");
        words[1].data = db;
        words[1].len = last - db;
        ngx_privacy_redis_command(&redis->greeting, words, 2);

        redis->greeting_n++;
    }

    words[0] = pv_str("PING");
    ngx_privacy_redis_command(&redis->greeting, words, 1);

    redis->greeting_n++;

    return redis->greeting.failed ? NGX_ERROR : NGX_OK;
}


static void
ngx_privacy_redis_command(pv_buf_t *out, pv_str_t *words, int n)
{
    int          i, size;
    char        *formatted;
    size_t       len[3];
    const char  *argv[3];

    for (i = 0; i < n; i++) {
        argv[i] = (const char *) words[i].data;
        len[i] = words[i].len;
    }

    size = redisFormatCommandArgv(&formatted, n, argv, len);
    if (size < 0) {
        out->failed = 1;
        return;
    }

    pv_buf_add(out, formatted, size);
    redisFreeCommand(formatted);
}


ngx_privacy_redis_request_t *
ngx_privacy_redis_send(ngx_privacy_redis_t *redis, ngx_str_t *route, u_char *commands, size_t len, ngx_uint_t n,
    ngx_msec_t deadline, ngx_uint_t retry, ngx_privacy_redis_handler_pt handler, void *data)
{
    u_char                       *p;
    ngx_privacy_redis_request_t  *request;

    /* one endpoint today: the route is for a cluster */
    (void) route;

    if (len == 0 || n == 0
        || redis->commands.stopped
        || redis->status.queued + redis->status.in_flight >= redis->conf->max_queued
        || len > redis->conf->max_bytes - redis->bytes)
    {
        redis->status.refused++;
        return NULL;
    }

    p = ngx_alloc(sizeof(ngx_privacy_redis_request_t) + n * sizeof(redisReply *) + len, redis->log);
    if (p == NULL) {
        redis->status.refused++;
        return NULL;
    }

    request = (ngx_privacy_redis_request_t *) p;
    ngx_memzero(request, sizeof(ngx_privacy_redis_request_t) + n * sizeof(redisReply *));

    request->redis = redis;
    request->handler = handler;
    request->data = data;
    request->deadline = ngx_current_msec + deadline;
    request->retry = retry;
    request->n = n;
    request->replies = (redisReply **) (p + sizeof(ngx_privacy_redis_request_t));
    request->len = len;
    request->commands = p + sizeof(ngx_privacy_redis_request_t) + n * sizeof(redisReply *);
    ngx_memcpy(request->commands, commands, len);

    if (handler) {
        redis->watched++;
        ngx_privacy_redis_watch(redis, request->deadline);
    }

    ngx_queue_insert_tail(&redis->waiting, &request->queue);
    redis->status.queued++;
    redis->bytes += len;

    ngx_privacy_redis_link_flush(&redis->commands);

    return request;
}


void
ngx_privacy_redis_detach(ngx_privacy_redis_request_t *request)
{
    ngx_privacy_redis_forget(request);

    if (!request->in_flight) {
        ngx_queue_remove(&request->queue);
        ngx_privacy_redis_free(request);
    }
}


ngx_uint_t
ngx_privacy_redis_endpoints(ngx_privacy_redis_t *redis)
{
    return 1;
}


ngx_uint_t
ngx_privacy_redis_endpoint(ngx_privacy_redis_t *redis, ngx_str_t *key)
{
    return 0;
}


void
ngx_privacy_redis_status(ngx_privacy_redis_t *redis, ngx_privacy_redis_status_t *status)
{
    *status = redis->status;

    status->connected = (redis->commands.state == NGX_PRIVACY_REDIS_READY);
    status->reconnects = redis->commands.connects ? redis->commands.connects - 1 : 0;
    status->latency = redis->latency / 256;
}


static void
ngx_privacy_redis_ready(ngx_privacy_redis_link_t *link)
{
    link->redis->status.last_error = PVR_OK;

    ngx_privacy_redis_check(link->redis);
}


/* The link asks for more to write. A request is in flight from its first byte on. */

static size_t
ngx_privacy_redis_fill(ngx_privacy_redis_link_t *link, u_char *out, size_t size)
{
    size_t                        n, total;
    ngx_queue_t                  *q;
    ngx_privacy_redis_t          *redis;
    ngx_privacy_redis_request_t  *request;

    redis = link->redis;
    total = 0;

    while (total < size) {

        /* the newest in flight may be half sent */

        request = NULL;

        if (!ngx_queue_empty(&redis->flight)) {
            q = ngx_queue_last(&redis->flight);
            request = ngx_queue_data(q, ngx_privacy_redis_request_t, queue);
        }

        if (request == NULL || request->sent == request->len) {

            if (ngx_queue_empty(&redis->waiting)) {
                break;
            }

            q = ngx_queue_head(&redis->waiting);
            request = ngx_queue_data(q, ngx_privacy_redis_request_t, queue);

            ngx_queue_remove(q);
            redis->status.queued--;

            request->in_flight = 1;
            request->tried = 1;
            request->sent_at = ngx_current_msec;

            ngx_queue_insert_tail(&redis->flight, q);

            if (redis->status.in_flight++ == 0) {
                ngx_privacy_redis_expect(redis);
            }
        }

        n = ngx_min(size - total, request->len - request->sent);
        ngx_memcpy(out + total, request->commands + request->sent, n);

        request->sent += n;
        total += n;
    }

    return total;
}


static ngx_int_t
ngx_privacy_redis_reply(ngx_privacy_redis_link_t *link, redisReply **reply)
{
    ngx_queue_t                  *q;
    ngx_privacy_redis_t          *redis;
    ngx_privacy_redis_request_t  *request;

    redis = link->redis;

    if (ngx_queue_empty(&redis->flight)) {
        return NGX_ERROR;
    }

    q = ngx_queue_head(&redis->flight);
    request = ngx_queue_data(q, ngx_privacy_redis_request_t, queue);

    if (request->sent < request->len && request->got + 1 >= request->n) {
        /* answered before it was asked */
        return NGX_ERROR;
    }

    if (request->handler) {
        request->replies[request->got] = *reply;
        *reply = NULL;
    }

    if (++request->got == request->n) {
        ngx_queue_remove(q);
        redis->status.in_flight--;

        ngx_privacy_redis_answer(request, PVR_OK);
        ngx_privacy_redis_free(request);
    }

    ngx_privacy_redis_expect(redis);

    return NGX_OK;
}


/*
 * The connection is gone. What was in flight has an unknown outcome: it is
 * asked again, in its old order and before all that is new, where that is
 * harmless and its deadline allows; else the handler is told.
 */

static void
ngx_privacy_redis_closed(ngx_privacy_redis_link_t *link, pvr_status_t status)
{
    ngx_uint_t                    i;
    ngx_queue_t                  *q, lost;
    ngx_privacy_redis_t          *redis;
    ngx_privacy_redis_request_t  *request;

    redis = link->redis;
    ngx_queue_init(&lost);

    while (!ngx_queue_empty(&redis->flight)) {
        q = ngx_queue_last(&redis->flight);
        request = ngx_queue_data(q, ngx_privacy_redis_request_t, queue);

        ngx_queue_remove(q);
        redis->status.in_flight--;

        for (i = 0; i < request->got; i++) {
            if (request->replies[i]) {
                freeReplyObject(request->replies[i]);
                request->replies[i] = NULL;
            }
        }

        request->got = 0;
        request->sent = 0;

        if (request->handler && request->retry && !link->stopped) {
            request->in_flight = 0;
            ngx_queue_insert_head(&redis->waiting, q);
            redis->status.queued++;
            continue;
        }

        ngx_queue_insert_head(&lost, q);
    }

    while (!ngx_queue_empty(&lost)) {
        q = ngx_queue_head(&lost);
        request = ngx_queue_data(q, ngx_privacy_redis_request_t, queue);

        ngx_queue_remove(q);

        ngx_privacy_redis_answer(request, (status == PVR_PROTOCOL) ? PVR_PROTOCOL : PVR_CLOSED);
        ngx_privacy_redis_free(request);
    }

    if (!ngx_queue_empty(&redis->waiting)) {
        ngx_privacy_redis_link_wake(link);
    }
}


static ngx_int_t
ngx_privacy_redis_silent(ngx_privacy_redis_link_t *link)
{
    return ngx_queue_empty(&link->redis->flight) ? NGX_OK : NGX_ERROR;
}


static ngx_uint_t
ngx_privacy_redis_idle(ngx_privacy_redis_link_t *link)
{
    return ngx_queue_empty(&link->redis->flight) && ngx_queue_empty(&link->redis->waiting);
}


/* How long the server may now say nothing at all. */

static void
ngx_privacy_redis_expect(ngx_privacy_redis_t *redis)
{
    ngx_queue_t                  *q;
    ngx_msec_int_t                left;
    ngx_privacy_redis_request_t  *request;

    if (ngx_queue_empty(&redis->flight)) {
        ngx_privacy_redis_link_expect(&redis->commands, 0);
        return;
    }

    q = ngx_queue_head(&redis->flight);
    request = ngx_queue_data(q, ngx_privacy_redis_request_t, queue);

    left = (ngx_msec_int_t) (request->deadline - ngx_current_msec);
    left = ngx_max(left, NGX_PRIVACY_REDIS_BUSY);

    ngx_privacy_redis_link_expect(&redis->commands, left + NGX_PRIVACY_REDIS_SILENCE);
}


/*
 * One timer for all requests, at the earliest deadline of those that somebody
 * waits for or before it: most are answered long before theirs, and a timer of
 * their own would be put into the tree and taken out again for nothing.
 */

static void
ngx_privacy_redis_watch(ngx_privacy_redis_t *redis, ngx_msec_t deadline)
{
    ngx_msec_int_t  left;

    if (redis->deadline.timer_set) {

        if ((ngx_msec_int_t) (redis->deadline.timer.key - deadline) <= 0) {
            return;
        }

        /* ngx_add_timer() leaves a timer as it is that is a little late */
        ngx_del_timer(&redis->deadline);
    }

    left = (ngx_msec_int_t) (deadline - ngx_current_msec);

    ngx_add_timer(&redis->deadline, (ngx_msec_t) ngx_max(left, 0));
}


static void
ngx_privacy_redis_deadline(ngx_event_t *ev)
{
    ngx_uint_t                    left;
    ngx_msec_t                    next;
    ngx_queue_t                  *q, late;
    ngx_privacy_redis_t          *redis;
    ngx_privacy_redis_request_t  *request;

    redis = ev->data;

    ngx_queue_init(&late);
    next = ngx_current_msec + NGX_MAX_INT32_VALUE;

    left = ngx_privacy_redis_overdue(&redis->flight, &late, &next);
    left += ngx_privacy_redis_overdue(&redis->waiting, &late, &next);

    if (left) {
        ngx_privacy_redis_watch(redis, next);
    }

    /* handlers may send, and let others of the queue go */

    while (!ngx_queue_empty(&late)) {
        q = ngx_queue_head(&late);
        request = ngx_queue_data(q, ngx_privacy_redis_request_t, overdue);

        ngx_privacy_redis_timeout(request);
    }
}


/* Queues those that are due; returns how many are awaited and not due yet, the first of them at *next. */

static ngx_uint_t
ngx_privacy_redis_overdue(ngx_queue_t *requests, ngx_queue_t *late, ngx_msec_t *next)
{
    ngx_uint_t                    left;
    ngx_queue_t                  *q;
    ngx_privacy_redis_request_t  *request;

    left = 0;

    for (q = ngx_queue_head(requests); q != ngx_queue_sentinel(requests); q = ngx_queue_next(q)) {
        request = ngx_queue_data(q, ngx_privacy_redis_request_t, queue);

        if (request->handler == NULL) {
            continue;
        }

        if ((ngx_msec_int_t) (request->deadline - ngx_current_msec) <= 0) {
            request->late = 1;
            ngx_queue_insert_tail(late, &request->overdue);
            continue;
        }

        left++;

        if ((ngx_msec_int_t) (request->deadline - *next) < 0) {
            *next = request->deadline;
        }
    }

    return left;
}


static void
ngx_privacy_redis_timeout(ngx_privacy_redis_request_t *request)
{
    ngx_privacy_redis_t  *redis;

    redis = request->redis;

    if (request->in_flight) {
        redis->status.timed_out++;
        redis->status.last_error = PVR_TIMEOUT;
        /* stays in its place, so that its replies are told from its neighbours' */
        ngx_privacy_redis_answer(request, PVR_TIMEOUT);
        return;
    }

    if (request->tried) {
        redis->status.timed_out++;
    }

    ngx_queue_remove(&request->queue);
    ngx_privacy_redis_answer(request, request->tried ? PVR_TIMEOUT : PVR_UNREACHABLE);
    ngx_privacy_redis_free(request);
}


/* From here on nobody waits. Returns who did. */

static ngx_privacy_redis_handler_pt
ngx_privacy_redis_unwatch(ngx_privacy_redis_request_t *request)
{
    ngx_privacy_redis_t           *redis;
    ngx_privacy_redis_handler_pt   handler;

    redis = request->redis;
    handler = request->handler;

    if (handler == NULL) {
        return NULL;
    }

    request->handler = NULL;

    if (request->late) {
        request->late = 0;
        ngx_queue_remove(&request->overdue);
    }

    if (--redis->watched == 0 && redis->deadline.timer_set) {
        ngx_del_timer(&redis->deadline);
    }

    return handler;
}


static void
ngx_privacy_redis_forget(ngx_privacy_redis_request_t *request)
{
    ngx_uint_t  i;

    (void) ngx_privacy_redis_unwatch(request);

    for (i = 0; i < request->got; i++) {
        if (request->replies[i]) {
            freeReplyObject(request->replies[i]);
            request->replies[i] = NULL;
        }
    }
}


/* Calls the handler, once. */

static void
ngx_privacy_redis_answer(ngx_privacy_redis_request_t *request, pvr_status_t status)
{
    ngx_uint_t                    ms;
    ngx_privacy_redis_t          *redis;
    ngx_privacy_redis_handler_pt  handler;

    redis = request->redis;
    handler = ngx_privacy_redis_unwatch(request);

    if (handler == NULL) {
        return;
    }

    if (status == PVR_OK) {
        ms = ngx_current_msec - request->sent_at;
        redis->latency = redis->latency - redis->latency / 8 + ms * 256 / 8;
        redis->status.answered++;

        handler(request->data, status, request->replies, request->n);

    } else {
        if (status == PVR_UNREACHABLE) {
            redis->status.refused++;
        }

        handler(request->data, status, NULL, 0);
    }

    ngx_privacy_redis_forget(request);
}


/* It was taken out of its queue. */

static void
ngx_privacy_redis_free(ngx_privacy_redis_request_t *request)
{
    ngx_privacy_redis_forget(request);

    if (!request->in_flight) {
        request->redis->status.queued--;
    }

    request->redis->bytes -= request->len;

    ngx_free(request);
}
