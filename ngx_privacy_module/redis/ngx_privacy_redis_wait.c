/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_privacy_redis_wait.h"


/*
 * A batch is a write of ours and WAIT. The write is needed: up to Redis 7.0
 * the offset that WAIT goes by was moved by any command of the connection, but
 * from 7.2 on (and in Valkey) only by one that was itself sent to replicas. On
 * a connection that never wrote, WAIT then counts every replica that is
 * connected, whatever it has. So the term of the newest record's ledger is
 * said once more (pvr_ledger_touch()), and it is looked at whether it was.
 */

#define NGX_PRIVACY_REDIS_WAIT      1000        /* ms that Redis waits at most */
#define NGX_PRIVACY_REDIS_GRACE     500         /* and the answer may be late by */
#define NGX_PRIVACY_REDIS_COMMANDS  4096


struct ngx_privacy_redis_settle_s {
    ngx_queue_t                      queue;
    ngx_privacy_redis_wait_t        *wait;
    ngx_privacy_redis_settled_pt     handler;
    void                            *data;
    ngx_msec_t                       deadline;
    size_t                           len;
    u_char                           touch[1];
};


static void ngx_privacy_redis_wait_connected(ngx_privacy_redis_link_t *link);
static size_t ngx_privacy_redis_wait_fill(ngx_privacy_redis_link_t *link, u_char *out, size_t size);
static void ngx_privacy_redis_wait_begin(ngx_privacy_redis_wait_t *wait);
static ngx_int_t ngx_privacy_redis_wait_reply(ngx_privacy_redis_link_t *link, redisReply **reply);
static ngx_int_t ngx_privacy_redis_wait_identify(ngx_privacy_redis_wait_t *wait, const redisReply *reply);
static ngx_uint_t ngx_privacy_redis_wait_same(ngx_privacy_redis_wait_t *wait);
static void ngx_privacy_redis_wait_counted(ngx_privacy_redis_wait_t *wait, const redisReply *reply);
static void ngx_privacy_redis_wait_say(ngx_privacy_redis_wait_t *wait, pvr_status_t status);
static void ngx_privacy_redis_wait_gone(ngx_privacy_redis_link_t *link, pvr_status_t status);
static ngx_int_t ngx_privacy_redis_wait_silent(ngx_privacy_redis_link_t *link);
static ngx_uint_t ngx_privacy_redis_wait_idle(ngx_privacy_redis_link_t *link);
static void ngx_privacy_redis_wait_end(ngx_privacy_redis_wait_t *wait, ngx_queue_t *settles, pvr_status_t status);
static void ngx_privacy_redis_wait_take(ngx_queue_t *to, ngx_queue_t *from);
static void ngx_privacy_redis_wait_watch(ngx_privacy_redis_wait_t *wait, ngx_msec_t deadline);
static void ngx_privacy_redis_wait_deadline(ngx_event_t *ev);
static void ngx_privacy_redis_wait_overdue(ngx_privacy_redis_wait_t *wait, ngx_queue_t *settles, ngx_queue_t *late);


ngx_privacy_redis_wait_t *
ngx_privacy_redis_wait_create(ngx_privacy_redis_endpoint_t *endpoint)
{
    ngx_privacy_redis_wait_t  *wait;

    wait = ngx_calloc(sizeof(ngx_privacy_redis_wait_t), endpoint->redis->log);
    if (wait == NULL) {
        return NULL;
    }

    wait->endpoint = endpoint;
    wait->last = -1;

    ngx_queue_init(&wait->waiting);
    ngx_queue_init(&wait->batch);
    pv_buf_init(&wait->commands, NGX_PRIVACY_REDIS_COMMANDS);

    /* not cancelable: somebody waits for the answer */

    wait->deadline.handler = ngx_privacy_redis_wait_deadline;
    wait->deadline.data = wait;
    wait->deadline.log = endpoint->redis->log;

    ngx_privacy_redis_link_init(&wait->link, &endpoint->server, wait, "replicas");

    wait->link.beside = &endpoint->link;
    wait->link.ready = ngx_privacy_redis_wait_connected;
    wait->link.fill = ngx_privacy_redis_wait_fill;
    wait->link.reply = ngx_privacy_redis_wait_reply;
    wait->link.closed = ngx_privacy_redis_wait_gone;
    wait->link.silent = ngx_privacy_redis_wait_silent;
    wait->link.idle = ngx_privacy_redis_wait_idle;

    return wait;
}


void
ngx_privacy_redis_wait_close(ngx_privacy_redis_wait_t *wait)
{
    ngx_queue_t  *q;

    ngx_privacy_redis_wait_take(&wait->waiting, &wait->batch);

    while (!ngx_queue_empty(&wait->waiting)) {
        q = ngx_queue_head(&wait->waiting);
        ngx_queue_remove(q);
        ngx_free(ngx_queue_data(q, ngx_privacy_redis_settle_t, queue));
    }

    if (wait->deadline.timer_set) {
        ngx_del_timer(&wait->deadline);
    }

    ngx_privacy_redis_link_stop(&wait->link);
    pv_buf_free(&wait->commands);
    ngx_free(wait);
}


ngx_privacy_redis_settle_t *
ngx_privacy_redis_settle(ngx_privacy_redis_t *redis, u_char *touch, size_t len, ngx_msec_t deadline,
    ngx_privacy_redis_settled_pt handler, void *data)
{
    ngx_privacy_redis_wait_t    *wait;
    ngx_privacy_redis_settle_t  *settle;

    wait = redis->answering ? redis->answering->wait : NULL;

    if (wait == NULL || wait->link.stopped || len == 0 || len > NGX_PRIVACY_REDIS_COMMANDS / 2
        || wait->count >= redis->conf->max_queued)
    {
        return NULL;
    }

    settle = ngx_alloc(sizeof(ngx_privacy_redis_settle_t) + len, redis->log);
    if (settle == NULL) {
        return NULL;
    }

    settle->wait = wait;
    settle->handler = handler;
    settle->data = data;
    settle->deadline = ngx_current_msec + deadline;
    settle->len = len;
    ngx_memcpy(settle->touch, touch, len);

    ngx_queue_insert_tail(&wait->waiting, &settle->queue);
    wait->count++;

    ngx_privacy_redis_wait_watch(wait, settle->deadline);
    ngx_privacy_redis_link_flush(&wait->link);

    return settle;
}


void
ngx_privacy_redis_settle_detach(ngx_privacy_redis_settle_t *settle)
{
    ngx_privacy_redis_wait_t  *wait;

    wait = settle->wait;

    ngx_queue_remove(&settle->queue);
    ngx_free(settle);

    if (--wait->count == 0 && wait->deadline.timer_set) {
        ngx_del_timer(&wait->deadline);
    }
}


void
ngx_privacy_redis_wait_ready(ngx_privacy_redis_wait_t *wait)
{
    ngx_privacy_redis_link_wake(&wait->link);
}


void
ngx_privacy_redis_wait_closed(ngx_privacy_redis_wait_t *wait)
{
    wait->told = 0;

    if (!wait->link.stopped) {
        /* what was written is, for all that is known, on a server that is gone */
        ngx_privacy_redis_link_move(&wait->link, &wait->endpoint->server);
    }
}


void
ngx_privacy_redis_wait_told(ngx_privacy_redis_wait_t *wait, pv_str_t run_id)
{
    wait->told = 1;
    ngx_memzero(wait->commands_run_id, NGX_PRIVACY_REDIS_RUN_ID);

    if (run_id.len == NGX_PRIVACY_REDIS_RUN_ID) {
        ngx_memcpy(wait->commands_run_id, run_id.data, NGX_PRIVACY_REDIS_RUN_ID);
    }

    if (wait->identified && !ngx_privacy_redis_wait_same(wait)) {
        ngx_privacy_redis_wait_say(wait, PVR_CLOSED);
        ngx_privacy_redis_link_move(&wait->link, &wait->endpoint->server);
        return;
    }

    if (!ngx_queue_empty(&wait->waiting)) {
        ngx_privacy_redis_link_flush(&wait->link);
    }
}


/* Two processes are different ones when both say who they are. */

static ngx_uint_t
ngx_privacy_redis_wait_same(ngx_privacy_redis_wait_t *wait)
{
    static const u_char  nobody[NGX_PRIVACY_REDIS_RUN_ID];

    return ngx_memcmp(wait->run_id, wait->commands_run_id, NGX_PRIVACY_REDIS_RUN_ID) == 0
           || ngx_memcmp(wait->run_id, nobody, NGX_PRIVACY_REDIS_RUN_ID) == 0
           || ngx_memcmp(wait->commands_run_id, nobody, NGX_PRIVACY_REDIS_RUN_ID) == 0;
}


static void
ngx_privacy_redis_wait_connected(ngx_privacy_redis_link_t *link)
{
    ngx_privacy_redis_wait_t  *wait;

    wait = link->data;

    wait->commands.len = 0;
    (void) pvr_info_server(&wait->commands);

    wait->sent = 0;
    wait->answered = 0;
    wait->asked = 1;

    ngx_privacy_redis_link_expect(link, NGX_PRIVACY_REDIS_WAIT);
}


static size_t
ngx_privacy_redis_wait_fill(ngx_privacy_redis_link_t *link, u_char *out, size_t size)
{
    size_t                     n;
    ngx_privacy_redis_wait_t  *wait;

    wait = link->data;

    if (wait->answered == wait->asked && wait->identified && wait->told && !ngx_queue_empty(&wait->waiting)) {
        ngx_privacy_redis_wait_begin(wait);
    }

    n = ngx_min(size, wait->commands.len - wait->sent);
    ngx_memcpy(out, wait->commands.data + wait->sent, n);
    wait->sent += n;

    return n;
}


/* All that waits; the last of them has the latest deadline. */

static void
ngx_privacy_redis_wait_begin(ngx_privacy_redis_wait_t *wait)
{
    ngx_queue_t                 *q;
    ngx_msec_int_t               left;
    ngx_privacy_redis_settle_t  *newest;

    q = ngx_queue_last(&wait->waiting);
    newest = ngx_queue_data(q, ngx_privacy_redis_settle_t, queue);

    left = (ngx_msec_int_t) (newest->deadline - ngx_current_msec);
    left = ngx_max(left, 1);
    left = ngx_min(left, NGX_PRIVACY_REDIS_WAIT);

    wait->commands.len = 0;
    wait->sent = 0;
    wait->answered = 0;
    wait->asked = 2;
    wait->status = PVR_OK;

    if (wait->endpoint->redis->conf->kind == NGX_PRIVACY_REDIS_CLUSTER) {
        /* the ledger may be in a slot that is on its way to this server */
        (void) pvr_asking(&wait->commands);
        wait->asked++;
    }

    pv_buf_add(&wait->commands, newest->touch, newest->len);
    (void) pvr_wait(&wait->commands, wait->endpoint->redis->conf->durability.replicas, (unsigned) left);

    ngx_privacy_redis_wait_take(&wait->batch, &wait->waiting);
    wait->batches++;

    ngx_privacy_redis_link_expect(&wait->link, (ngx_msec_t) left + NGX_PRIVACY_REDIS_GRACE);
}


static ngx_int_t
ngx_privacy_redis_wait_reply(ngx_privacy_redis_link_t *link, redisReply **reply)
{
    ngx_privacy_redis_wait_t  *wait;

    wait = link->data;

    if (wait->answered == wait->asked || wait->sent < wait->commands.len) {
        /* answered before it was asked */
        return NGX_ERROR;
    }

    wait->answered++;

    if (!wait->identified) {
        return ngx_privacy_redis_wait_identify(wait, *reply);
    }

    switch (wait->asked - wait->answered) {

    case 0:
        ngx_privacy_redis_link_expect(link, 0);
        ngx_privacy_redis_wait_counted(wait, *reply);

        if (!ngx_queue_empty(&wait->waiting)) {
            ngx_privacy_redis_link_flush(link);
        }

        break;

    case 1:
        if (!pvr_touched(*reply)) {
            wait->status = pvr_status(*reply);
            wait->status = (wait->status == PVR_OK) ? PVR_SHORT : wait->status;
        }

        break;

    default:
        /* of ASKING */
        break;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_privacy_redis_wait_identify(ngx_privacy_redis_wait_t *wait, const redisReply *reply)
{
    pv_str_t  run_id;

    wait->identified = 1;
    run_id = pvr_run_id(reply);

    if (run_id.len == NGX_PRIVACY_REDIS_RUN_ID) {
        ngx_memcpy(wait->run_id, run_id.data, NGX_PRIVACY_REDIS_RUN_ID);
    }

    if (wait->told && !ngx_privacy_redis_wait_same(wait)) {
        ngx_privacy_redis_wait_say(wait, PVR_CLOSED);
        wait->link.why = "it is another server than the one that was written to";
        return NGX_ABORT;
    }

    ngx_privacy_redis_link_expect(&wait->link, 0);

    ngx_privacy_redis_link_flush(&wait->link);

    return NGX_OK;
}


static void
ngx_privacy_redis_wait_counted(ngx_privacy_redis_wait_t *wait, const redisReply *reply)
{
    long          n;
    pvr_status_t  status;

    n = pvr_waited(reply);
    status = wait->status;

    if (n < 0) {
        wait->last = -1;

        if (status == PVR_OK) {
            status = pvr_status(reply);
            status = (status == PVR_OK) ? PVR_PROTOCOL : status;
        }

    } else {
        wait->last = n;

        if (status == PVR_OK && (ngx_uint_t) n < wait->endpoint->redis->conf->durability.replicas) {
            status = PVR_SHORT;
        }
    }

    ngx_privacy_redis_wait_say(wait, status);
    ngx_privacy_redis_wait_end(wait, &wait->batch, status);
}


/* Once when it begins to fail, and once when it is well again. */

static void
ngx_privacy_redis_wait_say(ngx_privacy_redis_wait_t *wait, pvr_status_t status)
{
    ngx_privacy_redis_endpoint_t  *endpoint;

    endpoint = wait->endpoint;

    if (wait->failing == (status != PVR_OK)) {
        return;
    }

    wait->failing = (status != PVR_OK);

    if (status == PVR_OK) {
        ngx_log_error(NGX_LOG_NOTICE, endpoint->redis->log, 0, "privacy: Redis at %V: replicas have what is written "
                      "again", &endpoint->server.name);

    } else if (status == PVR_SHORT) {
        ngx_log_error(NGX_LOG_ERR, endpoint->redis->log, 0, "privacy: Redis at %V: what was written is on %i of %ui "
                      "replicas: choices are not acknowledged", &endpoint->server.name, wait->last,
                      (ngx_uint_t) endpoint->redis->conf->durability.replicas);

    } else {
        ngx_log_error(NGX_LOG_ERR, endpoint->redis->log, 0, "privacy: Redis at %V: whether replicas have what was "
                      "written is not known: %s: choices are not acknowledged", &endpoint->server.name,
                      (status == PVR_CLOSED) ? "the address stands for several servers" : pvr_status_name(status));
    }
}


static void
ngx_privacy_redis_wait_gone(ngx_privacy_redis_link_t *link, pvr_status_t status)
{
    ngx_queue_t                settles;
    ngx_privacy_redis_wait_t  *wait;

    wait = link->data;

    wait->commands.len = 0;
    wait->sent = 0;
    wait->asked = 0;
    wait->answered = 0;
    wait->identified = 0;
    ngx_memzero(wait->run_id, NGX_PRIVACY_REDIS_RUN_ID);

    /* also what has not been asked yet, when that for which it was to be asked is over */

    ngx_queue_init(&settles);
    ngx_privacy_redis_wait_take(&settles, &wait->batch);

    if (!wait->told) {
        ngx_privacy_redis_wait_take(&settles, &wait->waiting);
    }

    ngx_privacy_redis_wait_end(wait, &settles, (status == PVR_PROTOCOL) ? PVR_PROTOCOL : PVR_CLOSED);
}


static ngx_int_t
ngx_privacy_redis_wait_silent(ngx_privacy_redis_link_t *link)
{
    ngx_privacy_redis_wait_t  *wait;

    wait = link->data;

    return (wait->answered == wait->asked) ? NGX_OK : NGX_ERROR;
}


static ngx_uint_t
ngx_privacy_redis_wait_idle(ngx_privacy_redis_link_t *link)
{
    ngx_privacy_redis_wait_t  *wait;

    wait = link->data;

    /* what is under way on the commands' connection may have to be waited for */

    return wait->count == 0 && wait->endpoint->link.idle(&wait->endpoint->link);
}


/* Tells each; they may send and settle anew. */

static void
ngx_privacy_redis_wait_end(ngx_privacy_redis_wait_t *wait, ngx_queue_t *settles, pvr_status_t status)
{
    ngx_queue_t                   *q, mine;
    ngx_privacy_redis_settle_t    *settle;
    ngx_privacy_redis_settled_pt   handler;
    void                          *data;

    ngx_queue_init(&mine);
    ngx_privacy_redis_wait_take(&mine, settles);

    while (!ngx_queue_empty(&mine)) {
        q = ngx_queue_head(&mine);
        settle = ngx_queue_data(q, ngx_privacy_redis_settle_t, queue);

        handler = settle->handler;
        data = settle->data;

        if (status != PVR_OK) {
            wait->unsettled++;
        }

        ngx_privacy_redis_settle_detach(settle);

        handler(data, status);
    }
}


static void
ngx_privacy_redis_wait_take(ngx_queue_t *to, ngx_queue_t *from)
{
    if (!ngx_queue_empty(from)) {
        ngx_queue_add(to, from);
        ngx_queue_init(from);
    }
}


/* One timer, at the earliest deadline or before it. */

static void
ngx_privacy_redis_wait_watch(ngx_privacy_redis_wait_t *wait, ngx_msec_t deadline)
{
    ngx_msec_int_t  left;

    if (wait->deadline.timer_set) {

        if ((ngx_msec_int_t) (wait->deadline.timer.key - deadline) <= 0) {
            return;
        }

        ngx_del_timer(&wait->deadline);
    }

    left = (ngx_msec_int_t) (deadline - ngx_current_msec);

    ngx_add_timer(&wait->deadline, (ngx_msec_t) ngx_max(left, 0));
}


static void
ngx_privacy_redis_wait_deadline(ngx_event_t *ev)
{
    ngx_queue_t                late;
    ngx_privacy_redis_wait_t  *wait;

    wait = ev->data;

    ngx_queue_init(&late);
    ngx_privacy_redis_wait_overdue(wait, &wait->batch, &late);
    ngx_privacy_redis_wait_overdue(wait, &wait->waiting, &late);

    ngx_privacy_redis_wait_end(wait, &late, PVR_TIMEOUT);
}


/* Those that are due go to late; for the others the timer is set. */

static void
ngx_privacy_redis_wait_overdue(ngx_privacy_redis_wait_t *wait, ngx_queue_t *settles, ngx_queue_t *late)
{
    ngx_queue_t                 *q, *next;
    ngx_privacy_redis_settle_t  *settle;

    for (q = ngx_queue_head(settles); q != ngx_queue_sentinel(settles); q = next) {
        next = ngx_queue_next(q);
        settle = ngx_queue_data(q, ngx_privacy_redis_settle_t, queue);

        if ((ngx_msec_int_t) (settle->deadline - ngx_current_msec) > 0) {
            ngx_privacy_redis_wait_watch(wait, settle->deadline);
            continue;
        }

        ngx_queue_remove(q);
        ngx_queue_insert_tail(late, q);
    }
}


void
ngx_privacy_redis_durability(ngx_privacy_redis_t *redis, ngx_uint_t i, ngx_privacy_redis_durability_t *durability)
{
    ngx_uint_t                     k;
    ngx_privacy_redis_wait_t      *wait;
    ngx_privacy_redis_endpoint_t  *endpoint;

    ngx_memzero(durability, sizeof(ngx_privacy_redis_durability_t));
    durability->last = -1;

    for (k = 0; k < redis->nendpoints; k++) {
        endpoint = redis->endpoints[k];
        wait = endpoint->wait;

        if (i != k && i < redis->nendpoints) {
            continue;
        }

        if (durability->unverified.len == 0) {
            durability->unverified = endpoint->unverified;
        }

        if (wait == NULL) {
            continue;
        }

        durability->waiting += wait->count;
        durability->waits += wait->batches;
        durability->unsettled += wait->unsettled;

        if (wait->last >= 0 && (durability->last < 0 || wait->last < durability->last)) {
            durability->last = wait->last;
        }
    }
}
