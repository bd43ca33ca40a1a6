/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_privacy_redis_private.h"


/* What became of a request: its one answer, its deadline, and when it has to be sent again, elsewhere or later. */

#define NGX_PRIVACY_REDIS_PARK  40          /* ms until what a server could not do now is tried again */


static ngx_uint_t ngx_privacy_redis_overdue(ngx_queue_t *requests, ngx_queue_t *late, ngx_msec_t *next);
static void ngx_privacy_redis_timeout(ngx_privacy_redis_request_t *request);
static ngx_privacy_redis_handler_pt ngx_privacy_redis_unwatch(ngx_privacy_redis_request_t *request);
static void ngx_privacy_redis_park(ngx_privacy_redis_request_t *request);
static void ngx_privacy_redis_place(ngx_privacy_redis_request_t *request, ngx_privacy_redis_endpoint_t *endpoint);


/*
 * One timer for all requests, at the earliest deadline of those that somebody
 * waits for or before it: most are answered long before theirs, and a timer of
 * their own would be put into the tree and taken out again for nothing.
 */

void
ngx_privacy_redis_watch(ngx_privacy_redis_t *redis, ngx_msec_t deadline)
{
    ngx_msec_int_t  left;

    redis->deadline.cancelable = (redis->watched == redis->own);

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


void
ngx_privacy_redis_deadline(ngx_event_t *ev)
{
    ngx_uint_t                    i, left;
    ngx_msec_t                    next;
    ngx_queue_t                  *q, late;
    ngx_privacy_redis_t          *redis;
    ngx_privacy_redis_request_t  *request;

    redis = ev->data;

    ngx_queue_init(&late);
    next = ngx_current_msec + NGX_MAX_INT32_VALUE;

    left = ngx_privacy_redis_overdue(&redis->parked, &late, &next);

    for (i = 0; i < redis->nendpoints; i++) {
        left += ngx_privacy_redis_overdue(&redis->endpoints[i]->flight, &late, &next);
        left += ngx_privacy_redis_overdue(&redis->endpoints[i]->waiting, &late, &next);
    }

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
    ngx_privacy_redis_endpoint_t  *endpoint;

    endpoint = request->endpoint;

    if (request->in_flight) {
        endpoint->timed_out++;
        endpoint->unanswered++;
        endpoint->server.last_error = PVR_TIMEOUT;
        /* stays in its place, so that its replies are told from its neighbours' */
        ngx_privacy_redis_answer(request, PVR_TIMEOUT);
        return;
    }

    if (request->tried) {
        endpoint->timed_out++;
    }

    ngx_privacy_redis_endpoint_unqueue(request);
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

    redis->own -= (request->slot == NGX_PRIVACY_REDIS_NO_SLOT);
    redis->deadline.cancelable = (--redis->watched == redis->own);

    if (redis->watched == 0 && redis->deadline.timer_set) {
        ngx_del_timer(&redis->deadline);
    }

    return handler;
}


void
ngx_privacy_redis_forget(ngx_privacy_redis_request_t *request)
{
    ngx_uint_t  i;

    (void) ngx_privacy_redis_unwatch(request);

    for (i = 0; i < request->got; i++) {
        pvr_reply_free(request->replies[i]);
        request->replies[i] = NULL;
    }
}


void
ngx_privacy_redis_answer(ngx_privacy_redis_request_t *request, pvr_status_t status)
{
    ngx_uint_t                     ms;
    ngx_privacy_redis_handler_pt   handler;
    ngx_privacy_redis_endpoint_t  *endpoint;

    endpoint = request->endpoint;
    handler = ngx_privacy_redis_unwatch(request);

    if (handler == NULL) {
        return;
    }

    if (status == PVR_OK) {
        ms = ngx_current_msec - request->sent_at;
        endpoint->latency = endpoint->latency - endpoint->latency / 8 + ms * 256 / 8;
        endpoint->answered++;

        request->redis->answering = endpoint;
        handler(request->data, status, request->replies, request->n);
        request->redis->answering = NULL;

    } else {
        if (status == PVR_UNREACHABLE) {
            endpoint->refused++;
        }

        handler(request->data, status, NULL, 0);
    }

    ngx_privacy_redis_forget(request);
}


void
ngx_privacy_redis_free(ngx_privacy_redis_request_t *request)
{
    ngx_privacy_redis_forget(request);

    ngx_free(request);
}


void
ngx_privacy_redis_rewind(ngx_privacy_redis_request_t *request)
{
    ngx_uint_t  i;

    for (i = 0; i < request->got; i++) {
        pvr_reply_free(request->replies[i]);
        request->replies[i] = NULL;
    }

    request->got = 0;
    request->sent = 0;
    request->skip = 0;
    request->asking = 0;
    request->again = PVR_OK;
    request->target = NULL;
}


/*
 * Whole, for it may be a transaction: one that was refused in part was not
 * carried out at all. What was carried out is harmless to repeat (retry).
 */

ngx_int_t
ngx_privacy_redis_again(ngx_privacy_redis_request_t *request)
{
    pvr_status_t                   why;
    ngx_privacy_redis_endpoint_t  *target;

    why = request->again;

    if (request->handler == NULL || !request->retry || request->slot == NGX_PRIVACY_REDIS_NO_SLOT
        || request->redirects == PVR_REDIRECTS_MAX
        || (ngx_msec_int_t) (request->deadline - ngx_current_msec) <= 0)
    {
        return NGX_DECLINED;
    }

    target = request->target;
    ngx_privacy_redis_rewind(request);

    if (why == PVR_MOVED || why == PVR_ASK) {
        request->redirects++;
        request->redis->redirected++;
    }

    if (target == NULL) {
        ngx_privacy_redis_park(request);
        return NGX_OK;
    }

    if (why == PVR_ASK) {
        request->asking = 1;
        ngx_memcpy(request->commands - NGX_PRIVACY_REDIS_PREFIX, NGX_PRIVACY_REDIS_ASKING, NGX_PRIVACY_REDIS_PREFIX);
    }

    ngx_privacy_redis_endpoint_queue(target, request);

    return NGX_OK;
}


/* Counted where it was, and with its deadline. */

static void
ngx_privacy_redis_park(ngx_privacy_redis_request_t *request)
{
    ngx_privacy_redis_t  *redis;

    redis = request->redis;

    ngx_privacy_redis_endpoint_queue(request->endpoint, request);

    ngx_queue_remove(&request->queue);
    ngx_queue_insert_tail(&redis->parked, &request->queue);

    if (!redis->park.timer_set) {
        ngx_add_timer(&redis->park, NGX_PRIVACY_REDIS_PARK);
    }
}


void
ngx_privacy_redis_unpark(ngx_event_t *ev)
{
    ngx_queue_t                  *q;
    ngx_privacy_redis_t          *redis;
    ngx_privacy_redis_request_t  *request;

    redis = ev->data;

    while (!ngx_queue_empty(&redis->parked)) {
        q = ngx_queue_head(&redis->parked);
        request = ngx_queue_data(q, ngx_privacy_redis_request_t, queue);

        ngx_privacy_redis_place(request, redis->topology->route(redis, request->slot));
    }
}


void
ngx_privacy_redis_reroute(ngx_privacy_redis_t *redis)
{
    ngx_uint_t                     i;
    ngx_queue_t                   *q, *next;
    ngx_privacy_redis_request_t   *request;
    ngx_privacy_redis_endpoint_t  *endpoint, *target;

    for (i = 0; i < redis->nendpoints; i++) {
        endpoint = redis->endpoints[i];

        for (q = ngx_queue_head(&endpoint->waiting); q != ngx_queue_sentinel(&endpoint->waiting); q = next) {
            next = ngx_queue_next(q);
            request = ngx_queue_data(q, ngx_privacy_redis_request_t, queue);

            if (request->slot == NGX_PRIVACY_REDIS_NO_SLOT || request->asking) {
                continue;
            }

            target = redis->topology->route(redis, request->slot);

            if (target != endpoint) {
                ngx_privacy_redis_place(request, target);
            }
        }
    }
}


static void
ngx_privacy_redis_place(ngx_privacy_redis_request_t *request, ngx_privacy_redis_endpoint_t *endpoint)
{
    ngx_privacy_redis_endpoint_unqueue(request);
    ngx_privacy_redis_endpoint_queue(endpoint, request);
}
