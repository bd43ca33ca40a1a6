/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_privacy_redis_wait.h"


/*
 * One server, the requests that wait for it, and those it has not answered.
 * Its breaker: after some failures in a row requests are refused at once
 * instead of waiting for their deadlines, but for one now and then that tries
 * (half-open); the first answer closes it.
 */

/* A server that says nothing for so long after the first answer in flight was due is taken for dead. */
#define NGX_PRIVACY_REDIS_SILENCE     500
#define NGX_PRIVACY_REDIS_BUSY        2500  /* but a slow disk may hold up a healthy one for so long */

#define NGX_PRIVACY_REDIS_FAILURES    3     /* connects in a row that failed */
#define NGX_PRIVACY_REDIS_OUTAGE      1500  /* ms, and for so long: a restart is waited for */
#define NGX_PRIVACY_REDIS_UNANSWERED  5     /* requests in a row that timed out on a connection that looks alive */
#define NGX_PRIVACY_REDIS_PATIENCE    1000  /* ms of silence, too, before what can wait longer than a page is refused */
#define NGX_PRIVACY_REDIS_PROBE       1000  /* ms between those that try, with jitter */


static void ngx_privacy_redis_endpoint_found(ngx_privacy_redis_server_t *server);
static void ngx_privacy_redis_ready(ngx_privacy_redis_link_t *link);
static size_t ngx_privacy_redis_fill(ngx_privacy_redis_link_t *link, u_char *out, size_t size);
static ngx_privacy_redis_request_t *ngx_privacy_redis_fill_next(ngx_privacy_redis_endpoint_t *endpoint);
static ngx_uint_t ngx_privacy_redis_sent(ngx_privacy_redis_request_t *request);
static ngx_int_t ngx_privacy_redis_reply(ngx_privacy_redis_link_t *link, redisReply **reply);
static void ngx_privacy_redis_replied(ngx_privacy_redis_endpoint_t *endpoint, ngx_privacy_redis_request_t *request);
static void ngx_privacy_redis_closed(ngx_privacy_redis_link_t *link, pvr_status_t status);
static ngx_int_t ngx_privacy_redis_silent(ngx_privacy_redis_link_t *link);
static ngx_uint_t ngx_privacy_redis_idle(ngx_privacy_redis_link_t *link);
static void ngx_privacy_redis_expect(ngx_privacy_redis_endpoint_t *endpoint);
static ngx_uint_t ngx_privacy_redis_breaker_tripped(ngx_privacy_redis_endpoint_t *endpoint, ngx_msec_t patience);
static ngx_uint_t ngx_privacy_redis_unanswered(ngx_privacy_redis_endpoint_t *endpoint, ngx_msec_t patience);


ngx_privacy_redis_endpoint_t *
ngx_privacy_redis_endpoint_add(ngx_privacy_redis_t *redis, ngx_privacy_redis_role_e role)
{
    ngx_privacy_redis_endpoint_t  *endpoint;

    if (redis->nendpoints == NGX_PRIVACY_REDIS_ENDPOINTS) {
        return NULL;
    }

    endpoint = ngx_calloc(sizeof(ngx_privacy_redis_endpoint_t), redis->log);
    if (endpoint == NULL) {
        return NULL;
    }

    endpoint->redis = redis;
    endpoint->index = redis->nendpoints;

    ngx_queue_init(&endpoint->waiting);
    ngx_queue_init(&endpoint->flight);

    if (ngx_privacy_redis_server_init(&endpoint->server, redis->conf, role, redis->log) != NGX_OK) {
        ngx_privacy_redis_server_close(&endpoint->server);
        ngx_free(endpoint);
        return NULL;
    }

    endpoint->server.found = ngx_privacy_redis_endpoint_found;
    endpoint->server.data = endpoint;

    ngx_privacy_redis_link_init(&endpoint->link, &endpoint->server, endpoint, "commands");

    endpoint->link.ready = ngx_privacy_redis_ready;
    endpoint->link.fill = ngx_privacy_redis_fill;
    endpoint->link.reply = ngx_privacy_redis_reply;
    endpoint->link.closed = ngx_privacy_redis_closed;
    endpoint->link.silent = ngx_privacy_redis_silent;
    endpoint->link.idle = ngx_privacy_redis_idle;

    if (redis->conf->durability.mode == PVR_REPLICAS) {

        endpoint->wait = ngx_privacy_redis_wait_create(endpoint);
        if (endpoint->wait == NULL) {
            ngx_privacy_redis_server_close(&endpoint->server);
            ngx_free(endpoint);
            return NULL;
        }
    }

    redis->endpoints[redis->nendpoints++] = endpoint;

    return endpoint;
}


void
ngx_privacy_redis_endpoint_close(ngx_privacy_redis_endpoint_t *endpoint)
{
    ngx_queue_t                  *q;
    ngx_privacy_redis_request_t  *request;

    for (q = ngx_queue_head(&endpoint->flight); q != ngx_queue_sentinel(&endpoint->flight); q = ngx_queue_next(q)) {
        request = ngx_queue_data(q, ngx_privacy_redis_request_t, queue);
        ngx_privacy_redis_forget(request);
    }

    while (!ngx_queue_empty(&endpoint->waiting)) {
        q = ngx_queue_head(&endpoint->waiting);
        request = ngx_queue_data(q, ngx_privacy_redis_request_t, queue);

        ngx_queue_remove(q);
        ngx_privacy_redis_free(request);
    }

    if (endpoint->wait) {
        ngx_privacy_redis_wait_close(endpoint->wait);
        endpoint->wait = NULL;
    }

    ngx_privacy_redis_check_close(endpoint);
    ngx_privacy_redis_link_stop(&endpoint->link);
    ngx_privacy_redis_server_close(&endpoint->server);
}


/* Its name was resolved, or could not be: then each link tries again later. */

static void
ngx_privacy_redis_endpoint_found(ngx_privacy_redis_server_t *server)
{
    ngx_privacy_redis_endpoint_t  *endpoint;

    endpoint = server->data;

    if (!endpoint->link.resting || !ngx_queue_empty(&endpoint->waiting)) {
        ngx_privacy_redis_link_wake(&endpoint->link);
    }

    ngx_privacy_redis_subscribe_found(endpoint);
}


void
ngx_privacy_redis_endpoint_queue(ngx_privacy_redis_endpoint_t *endpoint, ngx_privacy_redis_request_t *request)
{
    request->endpoint = endpoint;
    request->in_flight = 0;

    ngx_queue_insert_tail(&endpoint->waiting, &request->queue);
    endpoint->queued++;
    endpoint->bytes += request->len;

    ngx_privacy_redis_link_flush(&endpoint->link);
}


void
ngx_privacy_redis_endpoint_unqueue(ngx_privacy_redis_request_t *request)
{
    ngx_queue_remove(&request->queue);

    request->endpoint->queued--;
    request->endpoint->bytes -= request->len;
}


ngx_uint_t
ngx_privacy_redis_endpoint_ready(ngx_privacy_redis_endpoint_t *endpoint)
{
    return endpoint->link.state == NGX_PRIVACY_REDIS_READY;
}


ngx_uint_t
ngx_privacy_redis_endpoint_silent(ngx_privacy_redis_endpoint_t *endpoint, ngx_msec_t msec)
{
    ngx_queue_t                  *q;
    ngx_privacy_redis_request_t  *oldest;

    if (ngx_queue_empty(&endpoint->flight)) {
        return 0;
    }

    q = ngx_queue_head(&endpoint->flight);
    oldest = ngx_queue_data(q, ngx_privacy_redis_request_t, queue);

    return ngx_current_msec - oldest->sent_at >= msec;
}


static void
ngx_privacy_redis_ready(ngx_privacy_redis_link_t *link)
{
    ngx_privacy_redis_endpoint_t  *endpoint;

    endpoint = link->data;
    endpoint->unanswered = 0;

    if (endpoint->wait) {
        ngx_privacy_redis_wait_ready(endpoint->wait);
    }

    ngx_privacy_redis_check(endpoint);

    if (endpoint->redis->topology->ready) {
        endpoint->redis->topology->ready(endpoint);
    }
}


/* The link asks for more to write. */

static size_t
ngx_privacy_redis_fill(ngx_privacy_redis_link_t *link, u_char *out, size_t size)
{
    u_char                        *from;
    size_t                         n, total, len;
    ngx_privacy_redis_request_t   *request;
    ngx_privacy_redis_endpoint_t  *endpoint;

    endpoint = link->data;
    total = 0;

    while (total < size) {
        request = ngx_privacy_redis_fill_next(endpoint);

        if (request == NULL) {
            break;
        }

        from = request->commands;
        len = request->len;

        if (request->asking) {
            from -= NGX_PRIVACY_REDIS_PREFIX;
            len += NGX_PRIVACY_REDIS_PREFIX;
        }

        n = ngx_min(size - total, len - request->sent);
        ngx_memcpy(out + total, from + request->sent, n);

        request->sent += n;
        total += n;
    }

    return total;
}


/* What is to be written next: the newest in flight when it is half sent, else the first that waits, in flight from now
 * on. */

static ngx_privacy_redis_request_t *
ngx_privacy_redis_fill_next(ngx_privacy_redis_endpoint_t *endpoint)
{
    ngx_queue_t                  *q;
    ngx_privacy_redis_request_t  *request;

    if (!ngx_queue_empty(&endpoint->flight)) {
        q = ngx_queue_last(&endpoint->flight);
        request = ngx_queue_data(q, ngx_privacy_redis_request_t, queue);

        if (!ngx_privacy_redis_sent(request)) {
            return request;
        }
    }

    if (ngx_queue_empty(&endpoint->waiting)) {
        return NULL;
    }

    q = ngx_queue_head(&endpoint->waiting);
    request = ngx_queue_data(q, ngx_privacy_redis_request_t, queue);

    ngx_queue_remove(q);
    endpoint->queued--;

    request->in_flight = 1;
    request->tried = 1;
    request->skip = request->asking;
    request->sent_at = ngx_current_msec;

    ngx_queue_insert_tail(&endpoint->flight, q);

    if (endpoint->in_flight++ == 0) {
        ngx_privacy_redis_expect(endpoint);
    }

    return request;
}


static ngx_uint_t
ngx_privacy_redis_sent(ngx_privacy_redis_request_t *request)
{
    return request->sent == request->len + (request->asking ? NGX_PRIVACY_REDIS_PREFIX : 0);
}


static ngx_int_t
ngx_privacy_redis_reply(ngx_privacy_redis_link_t *link, redisReply **reply)
{
    ngx_int_t                      rc;
    ngx_queue_t                   *q;
    ngx_privacy_redis_request_t   *request;
    ngx_privacy_redis_endpoint_t  *endpoint;

    endpoint = link->data;
    endpoint->unanswered = 0;

    if (ngx_queue_empty(&endpoint->flight)) {
        return NGX_ERROR;
    }

    q = ngx_queue_head(&endpoint->flight);
    request = ngx_queue_data(q, ngx_privacy_redis_request_t, queue);

    if (request->skip && request->sent >= NGX_PRIVACY_REDIS_PREFIX) {
        request->skip--;
        return NGX_OK;
    }

    if (request->skip || (!ngx_privacy_redis_sent(request) && request->got + 1 >= request->n)) {
        /* answered before it was asked */
        return NGX_ERROR;
    }

    rc = NGX_OK;

    if ((*reply)->type == REDIS_REPLY_ERROR && request->again == PVR_OK && endpoint->redis->topology->refused) {
        rc = endpoint->redis->topology->refused(request, *reply);
    }

    if ((*reply)->type == REDIS_REPLY_ERROR && request->again == PVR_OK) {
        ngx_privacy_redis_refused(request, *reply);
    }

    if (request->handler) {
        request->replies[request->got] = *reply;
        *reply = NULL;
    }

    if (++request->got == request->n) {
        ngx_privacy_redis_replied(endpoint, request);
    }

    ngx_privacy_redis_expect(endpoint);

    return rc;
}


/* All of it was answered. */

static void
ngx_privacy_redis_replied(ngx_privacy_redis_endpoint_t *endpoint, ngx_privacy_redis_request_t *request)
{
    ngx_queue_remove(&request->queue);
    endpoint->in_flight--;
    endpoint->bytes -= request->len;

    if (request->again != PVR_OK && ngx_privacy_redis_again(request) == NGX_OK) {
        return;
    }

    ngx_privacy_redis_answer(request, PVR_OK);
    ngx_privacy_redis_free(request);
}


/*
 * The connection is gone. What was in flight has an unknown outcome: it is
 * asked again, in its old order and before all that is new, where that is
 * harmless and its deadline allows; else the handler is told.
 */

static void
ngx_privacy_redis_closed(ngx_privacy_redis_link_t *link, pvr_status_t status)
{
    ngx_queue_t                   *q, lost;
    ngx_privacy_redis_request_t   *request;
    ngx_privacy_redis_endpoint_t  *endpoint;

    endpoint = link->data;

    if (endpoint->wait) {
        ngx_privacy_redis_wait_closed(endpoint->wait);
    }

    ngx_queue_init(&lost);

    while (!ngx_queue_empty(&endpoint->flight)) {
        q = ngx_queue_last(&endpoint->flight);
        request = ngx_queue_data(q, ngx_privacy_redis_request_t, queue);

        ngx_queue_remove(q);
        endpoint->in_flight--;

        if (request->handler && request->retry && !link->stopped) {
            /* what a server was asked for once only, it has to be asked for anew where its slot is */
            ngx_privacy_redis_rewind(request);

            request->in_flight = 0;
            ngx_queue_insert_head(&endpoint->waiting, q);
            endpoint->queued++;
            continue;
        }

        endpoint->bytes -= request->len;
        ngx_queue_insert_head(&lost, q);
    }

    while (!ngx_queue_empty(&lost)) {
        q = ngx_queue_head(&lost);
        request = ngx_queue_data(q, ngx_privacy_redis_request_t, queue);

        ngx_queue_remove(q);

        ngx_privacy_redis_answer(request, (status == PVR_PROTOCOL) ? PVR_PROTOCOL : PVR_CLOSED);
        ngx_privacy_redis_free(request);
    }

    if (link->stopped) {
        return;
    }

    if (link->failures) {
        ngx_privacy_redis_server_resolve(&endpoint->server);

        if (endpoint->redis->topology->failed) {
            endpoint->redis->topology->failed(endpoint);
        }
    }

    if (!ngx_queue_empty(&endpoint->waiting)) {
        ngx_privacy_redis_link_wake(link);
    }
}


static ngx_int_t
ngx_privacy_redis_silent(ngx_privacy_redis_link_t *link)
{
    ngx_privacy_redis_endpoint_t  *endpoint;

    endpoint = link->data;

    return ngx_queue_empty(&endpoint->flight) ? NGX_OK : NGX_ERROR;
}


static ngx_uint_t
ngx_privacy_redis_idle(ngx_privacy_redis_link_t *link)
{
    ngx_privacy_redis_endpoint_t  *endpoint;

    endpoint = link->data;

    /* what waits for replicas was written here: closed, it would not be known anymore where */

    return ngx_queue_empty(&endpoint->flight) && ngx_queue_empty(&endpoint->waiting)
           && ngx_queue_empty(&endpoint->redis->parked) && (endpoint->wait == NULL || endpoint->wait->count == 0);
}


/* How long the server may now say nothing at all. */

static void
ngx_privacy_redis_expect(ngx_privacy_redis_endpoint_t *endpoint)
{
    ngx_queue_t                  *q;
    ngx_msec_int_t                left;
    ngx_privacy_redis_request_t  *request;

    if (ngx_queue_empty(&endpoint->flight)) {
        ngx_privacy_redis_link_expect(&endpoint->link, 0);
        return;
    }

    q = ngx_queue_head(&endpoint->flight);
    request = ngx_queue_data(q, ngx_privacy_redis_request_t, queue);

    left = (ngx_msec_int_t) (request->deadline - ngx_current_msec);
    left = ngx_max(left, NGX_PRIVACY_REDIS_BUSY);

    ngx_privacy_redis_link_expect(&endpoint->link, left + NGX_PRIVACY_REDIS_SILENCE);
}


ngx_uint_t
ngx_privacy_redis_breaker_open(ngx_privacy_redis_endpoint_t *endpoint, ngx_uint_t ask)
{
    if (!ngx_privacy_redis_breaker_tripped(endpoint, ask ? NGX_PRIVACY_REDIS_PATIENCE : 0)) {
        endpoint->probe = 0;
        return 0;
    }

    if (!ngx_privacy_redis_endpoint_ready(endpoint)) {
        /* the next connect is what tries */
        return 1;
    }

    if (endpoint->probe == 0) {
        endpoint->probe = ngx_current_msec + NGX_PRIVACY_REDIS_PROBE / 2
                          + (ngx_msec_t) ngx_random() % NGX_PRIVACY_REDIS_PROBE;
        return 1;
    }

    if ((ngx_msec_int_t) (endpoint->probe - ngx_current_msec) > 0) {
        return 1;
    }

    if (ask) {
        /* this one; then there is a pause again */
        endpoint->probe = 0;
    }

    return 0;
}


static ngx_uint_t
ngx_privacy_redis_breaker_tripped(ngx_privacy_redis_endpoint_t *endpoint, ngx_msec_t patience)
{
    ngx_privacy_redis_link_t  *link;

    link = &endpoint->link;

    if (ngx_privacy_redis_unanswered(endpoint, patience)) {
        return 1;
    }

    return link->state != NGX_PRIVACY_REDIS_READY
           && link->failures >= NGX_PRIVACY_REDIS_FAILURES
           && ngx_current_msec - link->down_since >= NGX_PRIVACY_REDIS_OUTAGE;
}


/* Deadlines are of any length: those of pages may have passed while a healthy server was slow for a moment. */

static ngx_uint_t
ngx_privacy_redis_unanswered(ngx_privacy_redis_endpoint_t *endpoint, ngx_msec_t patience)
{
    if (endpoint->unanswered < NGX_PRIVACY_REDIS_UNANSWERED) {
        return 0;
    }

    /* none in flight: given up since, and not connected again */

    return ngx_queue_empty(&endpoint->flight) || ngx_privacy_redis_endpoint_silent(endpoint, patience);
}


const char *
ngx_privacy_redis_breaker_name(ngx_privacy_redis_endpoint_t *endpoint)
{
    if (!ngx_privacy_redis_breaker_tripped(endpoint, NGX_PRIVACY_REDIS_PATIENCE)) {
        return "closed";
    }

    if (endpoint->link.state == NGX_PRIVACY_REDIS_READY) {
        return endpoint->probe ? "open" : "half-open";
    }

    return (endpoint->link.state == NGX_PRIVACY_REDIS_DOWN) ? "open" : "half-open";
}
