/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_privacy_redis_cluster.h"


/*
 * Which master has which slot: asked of any of them with CLUSTER SLOTS when
 * one is connected, after each failure or MOVED, and now and then. Whom to ask
 * may be who is away, and does not say so: after a moment another one is asked
 * beside it, and the first answer counts. What is sent before that is known
 * goes to any server, which says where it belongs. A shard that is away holds
 * up the requests of its own slots only.
 *
 * Source: the Redis Cluster specification, "Redirection and resharding".
 */

#define NGX_PRIVACY_REDIS_SLOTS_SOON     50     /* ms, and up to as much again at random */
#define NGX_PRIVACY_REDIS_SLOTS_AGAIN    250    /* while who has some slots is away; never more often */
#define NGX_PRIVACY_REDIS_SLOTS_RANGES   16     /* of a table make that a millisecond more: reading takes a 100th of it */
#define NGX_PRIVACY_REDIS_SLOTS_EVERY    10000  /* where all is well, and a millisecond more for each range */
#define NGX_PRIVACY_REDIS_SLOTS_BESIDE   250    /* then another one is asked, too */
#define NGX_PRIVACY_REDIS_SLOTS_ANSWER   1000
#define NGX_PRIVACY_REDIS_SLOTS_BYTES    64


static ngx_int_t ngx_privacy_redis_cluster_start(ngx_privacy_redis_t *redis);
static ngx_privacy_redis_endpoint_t *ngx_privacy_redis_cluster_route(ngx_privacy_redis_t *redis, ngx_uint_t slot);
static void ngx_privacy_redis_cluster_ready(ngx_privacy_redis_endpoint_t *endpoint);
static void ngx_privacy_redis_cluster_failed(ngx_privacy_redis_endpoint_t *endpoint);
static ngx_int_t ngx_privacy_redis_cluster_refused(ngx_privacy_redis_request_t *request, const redisReply *reply);
static void ngx_privacy_redis_cluster_redirect(ngx_privacy_redis_request_t *request, const redisReply *reply);
static void ngx_privacy_redis_cluster_stop(ngx_privacy_redis_t *redis);
static void ngx_privacy_redis_cluster_refresh(ngx_privacy_redis_t *redis, ngx_msec_t delay);
static void ngx_privacy_redis_cluster_ask(ngx_event_t *ev);
static ngx_privacy_redis_endpoint_t *ngx_privacy_redis_cluster_whom(ngx_privacy_redis_t *redis);
static ngx_int_t ngx_privacy_redis_cluster_send(ngx_privacy_redis_endpoint_t *endpoint);
static void ngx_privacy_redis_cluster_answered(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n);
static void ngx_privacy_redis_cluster_enough(ngx_privacy_redis_t *redis);
static ngx_int_t ngx_privacy_redis_cluster_read(ngx_privacy_redis_endpoint_t *asked, const redisReply *reply,
    u_char *owner);
static void ngx_privacy_redis_cluster_take(ngx_privacy_redis_t *redis, u_char *owner);
static void ngx_privacy_redis_cluster_newly(ngx_privacy_redis_endpoint_t *endpoint);
static ngx_uint_t ngx_privacy_redis_cluster_failing(ngx_privacy_redis_t *redis);


const ngx_privacy_redis_topology_t  ngx_privacy_redis_slots = {
    .name = "cluster",
    .start = ngx_privacy_redis_cluster_start,
    .route = ngx_privacy_redis_cluster_route,
    .ready = ngx_privacy_redis_cluster_ready,
    .failed = ngx_privacy_redis_cluster_failed,
    .refused = ngx_privacy_redis_cluster_refused,
    .stop = ngx_privacy_redis_cluster_stop
};


static ngx_int_t
ngx_privacy_redis_cluster_start(ngx_privacy_redis_t *redis)
{
    ngx_uint_t                     i;
    ngx_privacy_redis_cluster_t   *cluster;
    ngx_privacy_redis_endpoint_t  *endpoint;

    cluster = ngx_pcalloc(redis->pool, sizeof(ngx_privacy_redis_cluster_t));
    if (cluster == NULL) {
        return NGX_ERROR;
    }

    redis->cluster = cluster;
    cluster->pause = NGX_PRIVACY_REDIS_SLOTS_AGAIN;

    cluster->refresh.handler = ngx_privacy_redis_cluster_ask;
    cluster->refresh.data = redis;
    cluster->refresh.log = redis->log;
    cluster->refresh.cancelable = 1;

    for (i = 0; i < redis->conf->nhosts; i++) {
        endpoint = ngx_privacy_redis_endpoint_add(redis, NGX_PRIVACY_REDIS_ANY_ROLE);
        if (endpoint == NULL) {
            return NGX_ERROR;
        }

        endpoint->seed = 1;

        ngx_privacy_redis_server_set_host(&endpoint->server, &redis->conf->hosts[i]);
        ngx_privacy_redis_link_wake(&endpoint->link);
    }

    /* workers do not all ask the same one */
    cluster->next = (ngx_uint_t) ngx_random() % redis->nendpoints;

    return NGX_OK;
}


static ngx_privacy_redis_endpoint_t *
ngx_privacy_redis_cluster_route(ngx_privacy_redis_t *redis, ngx_uint_t slot)
{
    ngx_uint_t                     i;
    ngx_privacy_redis_cluster_t   *cluster;
    ngx_privacy_redis_endpoint_t  *endpoint;

    cluster = redis->cluster;

    if (cluster->owner[slot]) {
        return redis->endpoints[cluster->owner[slot] - 1];
    }

    for (i = 0; i < redis->nendpoints; i++) {
        endpoint = redis->endpoints[(cluster->next + i) % redis->nendpoints];

        if (ngx_privacy_redis_endpoint_ready(endpoint)) {
            return endpoint;
        }
    }

    return redis->endpoints[cluster->next % redis->nendpoints];
}


static void
ngx_privacy_redis_cluster_ready(ngx_privacy_redis_endpoint_t *endpoint)
{
    ngx_privacy_redis_cluster_refresh(endpoint->redis, 0);
}


static void
ngx_privacy_redis_cluster_failed(ngx_privacy_redis_endpoint_t *endpoint)
{
    ngx_privacy_redis_cluster_refresh(endpoint->redis, NGX_PRIVACY_REDIS_SLOTS_SOON);
}


static ngx_int_t
ngx_privacy_redis_cluster_refused(ngx_privacy_redis_request_t *request, const redisReply *reply)
{
    switch (pvr_status(reply)) {

    case PVR_MOVED:
    case PVR_ASK:
        ngx_privacy_redis_cluster_redirect(request, reply);
        break;

    case PVR_TRYAGAIN:
        /* some of its keys are here, some there: the rest follows */
        request->again = PVR_TRYAGAIN;
        break;

    case PVR_CLUSTERDOWN:
        ngx_privacy_redis_cluster_refresh(request->redis, NGX_PRIVACY_REDIS_SLOTS_SOON);
        break;

    default:
        break;
    }

    return NGX_OK;
}


static void
ngx_privacy_redis_cluster_redirect(ngx_privacy_redis_request_t *request, const redisReply *reply)
{
    ngx_privacy_redis_t           *redis;
    pvr_redirect_t                 redirect;
    ngx_privacy_redis_endpoint_t  *target;

    redis = request->redis;

    if (pvr_redirect(&redirect, reply) != PV_OK || redirect.slot != request->slot) {
        return;
    }

    target = ngx_privacy_redis_cluster_endpoint(request->endpoint, &redirect.address);
    if (target == NULL) {
        return;
    }

    if (redirect.kind == PVR_MOVED) {
        redis->cluster->owner[redirect.slot] = (u_char) (target->index + 1);
        ngx_privacy_redis_cluster_refresh(redis, NGX_PRIVACY_REDIS_SLOTS_SOON);
    }

    request->again = redirect.kind;
    request->target = target;
}


static void
ngx_privacy_redis_cluster_stop(ngx_privacy_redis_t *redis)
{
    if (redis->cluster->refresh.timer_set) {
        ngx_del_timer(&redis->cluster->refresh);
    }
}


/* Not more often than four times a second, whatever happens; a long table less often. */

static void
ngx_privacy_redis_cluster_refresh(ngx_privacy_redis_t *redis, ngx_msec_t delay)
{
    ngx_msec_t                    since;
    ngx_privacy_redis_cluster_t  *cluster;

    cluster = redis->cluster;

    if (ngx_exiting || cluster->asked) {
        return;
    }

    since = ngx_current_msec - cluster->asked_at;

    if (delay) {
        delay += (ngx_msec_t) ngx_random() % delay;
    }

    if (cluster->asked_at && since < cluster->pause) {
        delay = ngx_max(delay, cluster->pause - since);
    }

    if (cluster->refresh.timer_set) {

        if ((ngx_msec_int_t) (cluster->refresh.timer.key - (ngx_current_msec + delay)) <= 0) {
            return;
        }

        ngx_del_timer(&cluster->refresh);
    }

    ngx_add_timer(&cluster->refresh, delay);
}


static void
ngx_privacy_redis_cluster_ask(ngx_event_t *ev)
{
    ngx_privacy_redis_t           *redis;
    ngx_privacy_redis_cluster_t   *cluster;
    ngx_privacy_redis_endpoint_t  *endpoint;

    redis = ev->data;
    cluster = redis->cluster;
    cluster->asked_at = ngx_current_msec;

    endpoint = ngx_privacy_redis_cluster_whom(redis);

    if (endpoint && ngx_privacy_redis_cluster_send(endpoint) == NGX_OK) {
        cluster->next = (endpoint->index + 1) % redis->nendpoints;

        if (!ngx_exiting) {
            ngx_add_timer(&cluster->refresh, NGX_PRIVACY_REDIS_SLOTS_BESIDE);
        }

        return;
    }

    if (cluster->asked) {
        return;
    }

    /* nobody is connected: one after another is tried, replicas too, for they may be masters by now */

    ngx_privacy_redis_link_wake(&redis->endpoints[cluster->next++ % redis->nendpoints]->link);

    ngx_privacy_redis_cluster_refresh(redis, NGX_PRIVACY_REDIS_SLOTS_AGAIN);
}


/* One after another; those that keep somebody waiting come last. NULL: each that is connected was asked. */

static ngx_privacy_redis_endpoint_t *
ngx_privacy_redis_cluster_whom(ngx_privacy_redis_t *redis)
{
    ngx_uint_t                     i;
    ngx_privacy_redis_endpoint_t  *endpoint, *silent;

    silent = NULL;

    for (i = 0; i < redis->nendpoints; i++) {
        endpoint = redis->endpoints[(redis->cluster->next + i) % redis->nendpoints];

        if (!ngx_privacy_redis_endpoint_ready(endpoint) || endpoint->slots_asked) {
            continue;
        }

        if (!ngx_privacy_redis_endpoint_silent(endpoint, NGX_PRIVACY_REDIS_SLOTS_BESIDE)) {
            return endpoint;
        }

        silent = silent ? silent : endpoint;
    }

    return silent;
}


static ngx_int_t
ngx_privacy_redis_cluster_send(ngx_privacy_redis_endpoint_t *endpoint)
{
    pv_buf_t  out;

    pv_buf_init(&out, NGX_PRIVACY_REDIS_SLOTS_BYTES);
    (void) pvr_cluster_slots(&out);

    if (!out.failed) {
        endpoint->slots_asked = ngx_privacy_redis_send_to(endpoint, NGX_PRIVACY_REDIS_NO_SLOT, out.data, out.len, 1,
                                                          NGX_PRIVACY_REDIS_SLOTS_ANSWER, 0,
                                                          ngx_privacy_redis_cluster_answered, endpoint);
    }

    pv_buf_free(&out);

    if (endpoint->slots_asked == NULL) {
        return NGX_ERROR;
    }

    endpoint->redis->cluster->asked++;

    return NGX_OK;
}


static void
ngx_privacy_redis_cluster_answered(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n)
{
    ngx_uint_t                     level;
    ngx_privacy_redis_t           *redis;
    ngx_privacy_redis_endpoint_t  *endpoint;
    u_char                         owner[PVR_SLOTS];

    (void) n;

    endpoint = data;
    redis = endpoint->redis;

    endpoint->slots_asked = NULL;
    redis->cluster->asked--;

    if (status == PVR_OK) {
        status = pvr_status(replies[0]);
    }

    if (status != PVR_OK) {
        ngx_log_error(NGX_LOG_INFO, redis->log, 0, "privacy: Redis at %V does not say who has which slot: %s",
                      &endpoint->server.name, pvr_status_name(status));
        ngx_privacy_redis_cluster_refresh(redis, NGX_PRIVACY_REDIS_SLOTS_AGAIN);
        return;
    }

    redis->cluster->pause = NGX_PRIVACY_REDIS_SLOTS_AGAIN + replies[0]->elements / NGX_PRIVACY_REDIS_SLOTS_RANGES;

    if (ngx_privacy_redis_cluster_read(endpoint, replies[0], owner) != NGX_OK) {
        level = redis->cluster->unusable ? NGX_LOG_INFO : NGX_LOG_ERR;

        ngx_log_error(level, redis->log, 0, "privacy: Redis at %V knows of no cluster that can be used",
                      &endpoint->server.name);
        redis->cluster->unusable = 1;
        ngx_privacy_redis_cluster_refresh(redis, NGX_PRIVACY_REDIS_SLOTS_AGAIN);
        return;
    }

    redis->cluster->unusable = 0;
    ngx_privacy_redis_cluster_enough(redis);
    ngx_privacy_redis_cluster_take(redis, owner);
    ngx_privacy_redis_cluster_refresh(redis, ngx_privacy_redis_cluster_failing(redis)
                                             ? NGX_PRIVACY_REDIS_SLOTS_AGAIN
                                             : NGX_PRIVACY_REDIS_SLOTS_EVERY + replies[0]->elements);
}


/* What others would say was asked before this, and may be older: nobody waits for it any more. */

static void
ngx_privacy_redis_cluster_enough(ngx_privacy_redis_t *redis)
{
    ngx_uint_t                    i;
    ngx_privacy_redis_request_t  *request;

    for (i = 0; i < redis->nendpoints; i++) {
        request = redis->endpoints[i]->slots_asked;

        if (request) {
            redis->endpoints[i]->slots_asked = NULL;
            ngx_privacy_redis_detach(request);
        }
    }

    redis->cluster->asked = 0;

    if (redis->cluster->refresh.timer_set) {
        ngx_del_timer(&redis->cluster->refresh);
    }
}


/* Into a table of its own: nothing is changed by half an answer. */

static ngx_int_t
ngx_privacy_redis_cluster_read(ngx_privacy_redis_endpoint_t *asked, const redisReply *reply, u_char *owner)
{
    size_t                         i, k;
    ngx_uint_t                     level;
    pvr_range_t                    range;
    pvr_address_t                  replica;
    ngx_privacy_redis_endpoint_t  *endpoint;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0 || reply->elements > PVR_SLOTS) {
        return NGX_ERROR;
    }

    ngx_memzero(owner, PVR_SLOTS);
    asked->redis->cluster->tables++;

    for (i = 0; i < reply->elements; i++) {

        if (pvr_cluster_range(&range, reply, i) != PV_OK) {
            return NGX_ERROR;
        }

        endpoint = ngx_privacy_redis_cluster_endpoint(asked, &range.master);

        if (endpoint == NULL) {
            level = asked->redis->cluster->unusable ? NGX_LOG_INFO : NGX_LOG_ERR;

            ngx_log_error(level, asked->redis->log, 0, "privacy: a Redis cluster of more than %d masters",
                          NGX_PRIVACY_REDIS_ENDPOINTS);
            return NGX_ERROR;
        }

        endpoint->named = asked->redis->cluster->tables;
        ngx_memset(owner + range.first, (int) (endpoint->index + 1), range.last - range.first + 1);

        for (k = 0; pvr_cluster_replica(&replica, reply, i, k) == PV_OK; k++) {
            /* known by name only, to be asked when all masters are gone; too many are left out */
            (void) ngx_privacy_redis_cluster_endpoint(asked, &replica);
        }
    }

    return NGX_OK;
}


static void
ngx_privacy_redis_cluster_take(ngx_privacy_redis_t *redis, u_char *owner)
{
    ngx_uint_t                     i, newly, slots[NGX_PRIVACY_REDIS_ENDPOINTS];
    ngx_privacy_redis_cluster_t   *cluster;
    ngx_privacy_redis_endpoint_t  *endpoint;

    cluster = redis->cluster;

    if (ngx_memcmp(cluster->owner, owner, PVR_SLOTS) != 0) {
        redis->changed = ngx_time();
    }

    ngx_memcpy(cluster->owner, owner, PVR_SLOTS);

    ngx_memzero(slots, sizeof(slots));

    for (i = 0; i < PVR_SLOTS; i++) {
        if (owner[i]) {
            slots[owner[i] - 1]++;
        }
    }

    for (i = 0; i < redis->nendpoints; i++) {
        endpoint = redis->endpoints[i];

        newly = (endpoint->slots == 0 && slots[i] != 0);
        endpoint->slots = slots[i];

        if (newly) {
            ngx_privacy_redis_cluster_newly(endpoint);
        }
    }

    ngx_privacy_redis_reroute(redis);

    for (i = 0; i < redis->nendpoints; i++) {
        endpoint = redis->endpoints[i];

        if (endpoint->slots) {
            ngx_privacy_redis_link_wake(&endpoint->link);

        } else {
            endpoint->link.resting = 1;
            endpoint->warning.len = 0;
        }
    }

    /* who has no slots may not be in the cluster any more, and hear nothing */

    if (redis->endpoints[redis->listening]->slots == 0) {
        ngx_privacy_redis_subscribe_move(redis);
    }
}


/* Others take it for a master that is there, whatever became of connects to it when it was none. */

static void
ngx_privacy_redis_cluster_newly(ngx_privacy_redis_endpoint_t *endpoint)
{
    if (ngx_privacy_redis_endpoint_ready(endpoint)) {
        ngx_privacy_redis_check(endpoint);
        return;
    }

    endpoint->unanswered = 0;
    ngx_privacy_redis_link_anew(&endpoint->link);
}


/* A master is away: who takes over is not said by it, and connects to it are tried more and more seldom. */

static ngx_uint_t
ngx_privacy_redis_cluster_failing(ngx_privacy_redis_t *redis)
{
    ngx_uint_t                     i;
    ngx_privacy_redis_endpoint_t  *endpoint;

    for (i = 0; i < redis->nendpoints; i++) {
        endpoint = redis->endpoints[i];

        if (endpoint->slots && endpoint->link.failures && !ngx_privacy_redis_endpoint_ready(endpoint)) {
            return 1;
        }
    }

    return 0;
}
