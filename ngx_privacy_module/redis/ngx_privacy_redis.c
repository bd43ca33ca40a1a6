/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_privacy_redis_private.h"


static ngx_uint_t ngx_privacy_redis_slot(ngx_privacy_redis_t *redis, ngx_str_t *key);
static ngx_uint_t ngx_privacy_redis_full(ngx_privacy_redis_endpoint_t *endpoint, ngx_uint_t slot, size_t len);


ngx_privacy_redis_t *
ngx_privacy_redis_create(ngx_pool_t *pool, ngx_privacy_redis_conf_t *conf, ngx_log_t *log)
{
    ngx_privacy_redis_t  *redis;

    static const ngx_privacy_redis_topology_t  *const  topologies[] = {
        &ngx_privacy_redis_single, &ngx_privacy_redis_sentinels, &ngx_privacy_redis_slots
    };

    redis = ngx_pcalloc(pool, sizeof(ngx_privacy_redis_t));
    if (redis == NULL) {
        return NULL;
    }

    redis->conf = conf;
    redis->pool = pool;
    redis->log = log;
    redis->topology = topologies[conf->kind];

    ngx_queue_init(&redis->parked);

    /* a worker that exits has to wait for the answer, as the client does: cancelable only with questions of our own */

    redis->deadline.handler = ngx_privacy_redis_deadline;
    redis->deadline.data = redis;
    redis->deadline.log = log;

    redis->park.handler = ngx_privacy_redis_unpark;
    redis->park.data = redis;
    redis->park.log = log;

    ngx_queue_init(&redis->subscriptions);

    if (redis->topology->start(redis) != NGX_OK) {
        return NULL;
    }

    ngx_privacy_redis_subscribe_init(redis);

    return redis;
}


void
ngx_privacy_redis_close(ngx_privacy_redis_t *redis)
{
    ngx_uint_t                    i;
    ngx_queue_t                  *q;
    ngx_privacy_redis_request_t  *request;

    if (redis->topology->stop) {
        redis->topology->stop(redis);
    }

    while (!ngx_queue_empty(&redis->parked)) {
        q = ngx_queue_head(&redis->parked);
        request = ngx_queue_data(q, ngx_privacy_redis_request_t, queue);

        ngx_queue_remove(q);
        ngx_privacy_redis_free(request);
    }

    if (redis->park.timer_set) {
        ngx_del_timer(&redis->park);
    }

    ngx_privacy_redis_subscribe_close(redis);

    for (i = 0; i < redis->nendpoints; i++) {
        ngx_privacy_redis_endpoint_close(redis->endpoints[i]);
    }

    for (i = 0; i < redis->nendpoints; i++) {
        ngx_free(redis->endpoints[i]);
    }

    redis->nendpoints = 0;
}


static ngx_uint_t
ngx_privacy_redis_slot(ngx_privacy_redis_t *redis, ngx_str_t *key)
{
    return (redis->conf->kind == NGX_PRIVACY_REDIS_CLUSTER && key) ? pvr_slot(key->data, key->len) : 0;
}


ngx_privacy_redis_request_t *
ngx_privacy_redis_send(ngx_privacy_redis_t *redis, ngx_str_t *route, u_char *commands, size_t len, ngx_uint_t n,
    ngx_msec_t deadline, ngx_uint_t retry, ngx_privacy_redis_handler_pt handler, void *data)
{
    ngx_uint_t                     slot;
    ngx_privacy_redis_endpoint_t  *endpoint;

    slot = ngx_privacy_redis_slot(redis, route);
    endpoint = redis->topology->route(redis, slot);

    if (ngx_privacy_redis_breaker_open(endpoint, 1)) {
        endpoint->refused++;
        return NULL;
    }

    return ngx_privacy_redis_send_to(endpoint, slot, commands, len, n, deadline, retry, handler, data);
}


ngx_privacy_redis_request_t *
ngx_privacy_redis_send_to(ngx_privacy_redis_endpoint_t *endpoint, ngx_uint_t slot, u_char *commands, size_t len,
    ngx_uint_t n, ngx_msec_t deadline, ngx_uint_t retry, ngx_privacy_redis_handler_pt handler, void *data)
{
    u_char                       *p;
    ngx_privacy_redis_t          *redis;
    ngx_privacy_redis_request_t  *request;

    redis = endpoint->redis;

    if (len == 0 || n == 0 || endpoint->link.stopped || ngx_privacy_redis_full(endpoint, slot, len)) {
        endpoint->refused++;
        return NULL;
    }

    p = ngx_alloc(sizeof(ngx_privacy_redis_request_t) + n * sizeof(redisReply *) + NGX_PRIVACY_REDIS_PREFIX + len,
                  redis->log);
    if (p == NULL) {
        endpoint->refused++;
        return NULL;
    }

    request = (ngx_privacy_redis_request_t *) p;
    ngx_memzero(request, sizeof(ngx_privacy_redis_request_t) + n * sizeof(redisReply *));

    request->redis = redis;
    request->handler = handler;
    request->data = data;
    request->deadline = ngx_current_msec + deadline;
    request->slot = slot;
    request->retry = retry;
    request->n = n;
    request->replies = (redisReply **) (p + sizeof(ngx_privacy_redis_request_t));
    request->len = len;
    request->commands = (u_char *) (request->replies + n) + NGX_PRIVACY_REDIS_PREFIX;
    ngx_memcpy(request->commands, commands, len);

    if (handler) {
        redis->watched++;
        redis->own += (slot == NGX_PRIVACY_REDIS_NO_SLOT);
        ngx_privacy_redis_watch(redis, request->deadline);
    }

    ngx_privacy_redis_endpoint_queue(endpoint, request);

    return request;
}


/* For the client's own questions, which are few, there is always room: what waits may need their answers. */

static ngx_uint_t
ngx_privacy_redis_full(ngx_privacy_redis_endpoint_t *endpoint, ngx_uint_t slot, size_t len)
{
    ngx_privacy_redis_conf_t  *conf;

    conf = endpoint->redis->conf;

    if (slot == NGX_PRIVACY_REDIS_NO_SLOT) {
        return 0;
    }

    return endpoint->queued + endpoint->in_flight >= conf->max_queued
           || endpoint->bytes > conf->max_bytes || len > conf->max_bytes - endpoint->bytes;
}


void
ngx_privacy_redis_detach(ngx_privacy_redis_request_t *request)
{
    if (request->parts) {
        ngx_privacy_redis_detach_each(request);
        return;
    }

    ngx_privacy_redis_forget(request);

    if (!request->in_flight) {
        ngx_privacy_redis_endpoint_unqueue(request);
        ngx_privacy_redis_free(request);
    }
}


ngx_uint_t
ngx_privacy_redis_endpoints(ngx_privacy_redis_t *redis)
{
    return redis->nendpoints;
}


ngx_uint_t
ngx_privacy_redis_endpoint(ngx_privacy_redis_t *redis, ngx_str_t *key)
{
    return redis->topology->route(redis, ngx_privacy_redis_slot(redis, key))->index;
}


ngx_uint_t
ngx_privacy_redis_reachable(ngx_privacy_redis_t *redis, ngx_str_t *key)
{
    ngx_privacy_redis_endpoint_t  *endpoint;

    endpoint = redis->topology->route(redis, ngx_privacy_redis_slot(redis, key));

    return ngx_privacy_redis_endpoint_ready(endpoint) && !ngx_privacy_redis_breaker_open(endpoint, 0);
}


void
ngx_privacy_redis_status(ngx_privacy_redis_t *redis, ngx_privacy_redis_status_t *status)
{
    ngx_uint_t                           i, slots;
    ngx_privacy_redis_endpoint_status_t  one;

    ngx_memzero(status, sizeof(ngx_privacy_redis_status_t));

    status->topology = redis->topology->name;
    status->redirected = redis->redirected;
    status->changed = redis->changed;
    status->endpoints = redis->nendpoints;
    status->connected = 1;
    slots = 0;

    for (i = 0; i < redis->nendpoints; i++) {
        (void) ngx_privacy_redis_endpoint_status(redis, i, &one);

        if (!one.connected && (one.slots || redis->nendpoints == 1)) {
            status->connected = 0;
        }

        slots += one.slots;
        status->queued += one.queued;
        status->in_flight += one.in_flight;
        status->reconnects += one.reconnects;
        status->answered += one.answered;
        status->timed_out += one.timed_out;
        status->refused += one.refused;
        status->latency = ngx_max(status->latency, one.latency);

        if (one.last_error != PVR_OK) {
            status->last_error = one.last_error;
        }

        if (one.warning.len) {
            status->warning = one.warning;
        }
    }

    if (redis->conf->kind == NGX_PRIVACY_REDIS_CLUSTER && slots != PVR_SLOTS) {
        status->connected = 0;
    }
}


ngx_int_t
ngx_privacy_redis_endpoint_status(ngx_privacy_redis_t *redis, ngx_uint_t i,
    ngx_privacy_redis_endpoint_status_t *status)
{
    ngx_privacy_redis_link_t      *link;
    ngx_privacy_redis_endpoint_t  *endpoint;

    endpoint = redis->endpoints[i];
    link = &endpoint->link;

    status->address = endpoint->server.name;
    status->connected = ngx_privacy_redis_endpoint_ready(endpoint);
    status->breaker = ngx_privacy_redis_breaker_name(endpoint);
    status->slots = endpoint->slots;
    status->queued = endpoint->queued;
    status->in_flight = endpoint->in_flight;
    status->reconnects = link->connects ? link->connects - 1 : 0;
    status->answered = endpoint->answered;
    status->timed_out = endpoint->timed_out;
    status->refused = endpoint->refused;
    status->latency = endpoint->latency / 256;
    status->last_error = endpoint->server.last_error;
    status->warning = endpoint->warning;

    return (endpoint->slots == 0 && endpoint->link.state == NGX_PRIVACY_REDIS_DOWN && endpoint->link.resting)
           ? NGX_DECLINED : NGX_OK;
}
