/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_store_private.h"


/*
 * Follows the publication log: reads it page by page from the newest entry
 * that is known, and the heads of those that are not: the first bytes of each
 * sealed entry, a batch at a time. One read at a time; a wake-up during one
 * makes another follow.
 */

#define NGX_HTTP_PRIVACY_STORE_PAGE     128
#define NGX_HTTP_PRIVACY_STORE_BATCH    32
#define NGX_HTTP_PRIVACY_STORE_POLL     60000
#define NGX_HTTP_PRIVACY_STORE_RETRY    1000
#define NGX_HTTP_PRIVACY_STORE_READ     3000        /* deadlines */
#define NGX_HTTP_PRIVACY_STORE_HEADS    5000


typedef struct ngx_http_privacy_store_entry_s {
    uint32_t  sequence;
    u_char    digest[PV_SHA256_LEN];
} ngx_http_privacy_store_entry_t;

/* The heads that one answer brought, for who verifies their signatures. */
typedef struct {
    ngx_http_privacy_store_t  *store;
    redisReply               **replies;
    ngx_uint_t                 n;
} ngx_http_privacy_store_batch_t;


static void ngx_http_privacy_store_message(void *data, ngx_str_t *channel, ngx_str_t *message);
static void ngx_http_privacy_store_poll(ngx_event_t *ev);
static void ngx_http_privacy_store_wake(ngx_http_privacy_store_t *store);
static void ngx_http_privacy_store_sync(ngx_http_privacy_store_t *store);
static void ngx_http_privacy_store_read_page(ngx_http_privacy_store_t *store);
static void ngx_http_privacy_store_page(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n);
static void ngx_http_privacy_store_emptied(ngx_http_privacy_store_t *store, redisReply *page);
static void ngx_http_privacy_store_want(ngx_http_privacy_store_t *store, redisReply *page);
static void ngx_http_privacy_store_heads(ngx_http_privacy_store_t *store);
static void ngx_http_privacy_store_heads_read(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n);
static ngx_uint_t ngx_http_privacy_store_take(ngx_http_privacy_store_t *store, redisReply **replies, ngx_uint_t n,
    size_t *need);
static int ngx_http_privacy_store_verify_batch(void *data, const pv_head_t *head);
static void ngx_http_privacy_store_send(ngx_http_privacy_store_t *store, pv_buf_t *command, ngx_uint_t n,
    ngx_msec_t deadline, ngx_privacy_redis_handler_pt handler);
static void ngx_http_privacy_store_failed(ngx_http_privacy_store_t *store, pvr_status_t status);
static void ngx_http_privacy_store_show(ngx_http_privacy_store_t *store);
static void ngx_http_privacy_store_done(ngx_http_privacy_store_t *store, ngx_msec_t next);


void
ngx_http_privacy_store_start(ngx_http_privacy_store_t *store)
{
    char       key[PVR_KEY_MAX];
    ngx_str_t  channel;

    if (store->redis == NULL) {
        return;
    }

    store->wanted = ngx_pcalloc(store->pool, NGX_HTTP_PRIVACY_STORE_PAGE * sizeof(ngx_http_privacy_store_entry_t));
    if (store->wanted == NULL) {
        return;
    }

    store->poll.handler = ngx_http_privacy_store_poll;
    store->poll.data = store;
    store->poll.log = store->log;
    store->poll.cancelable = 1;

    channel.len = pvr_key_events(key, ngx_http_privacy_store_site(store));
    channel.data = (u_char *) key;

    if (ngx_privacy_redis_subscribe(store->redis, &channel, ngx_http_privacy_store_message, store) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, store->log, 0, "privacy: site %V cannot subscribe to its events", &store->site);
    }

    ngx_add_timer(&store->poll, 1);
}


void
ngx_http_privacy_store_sync_stop(ngx_http_privacy_store_t *store)
{
    if (store->poll.timer_set) {
        ngx_del_timer(&store->poll);
    }

    if (store->request) {
        ngx_privacy_redis_detach(store->request);
        store->request = NULL;
    }

    store->syncing = 0;
    store->redis = NULL;
}


static void
ngx_http_privacy_store_message(void *data, ngx_str_t *channel, ngx_str_t *message)
{
    size_t                     len;
    ngx_http_privacy_store_t  *store;

    (void) channel;

    store = data;
    len = sizeof(PVR_EVENT_PUBLISHED) - 1;

    if (message == NULL) {
        /* what was said while nobody listened is in the log */
        ngx_http_privacy_store_wake(store);

        if (store->on_event) {
            store->on_event(store->data, NULL);
        }

        return;
    }

    if (message->len >= len && ngx_memcmp(message->data, PVR_EVENT_PUBLISHED, len) == 0) {
        ngx_http_privacy_store_wake(store);
        return;
    }

    if (store->on_event) {
        store->on_event(store->data, message);
    }
}


static void
ngx_http_privacy_store_poll(ngx_event_t *ev)
{
    ngx_http_privacy_store_sync(ev->data);
}


/* There is something to read, or may be: what failed before, when a part of Redis was away, is no reason to wait. */

static void
ngx_http_privacy_store_wake(ngx_http_privacy_store_t *store)
{
    store->failures = ngx_min(store->failures, 1);

    ngx_http_privacy_store_sync(store);
}


static void
ngx_http_privacy_store_sync(ngx_http_privacy_store_t *store)
{
    if (store->redis == NULL || ngx_exiting) {
        return;
    }

    if (store->syncing) {
        store->again = 1;
        return;
    }

    store->syncing = 1;
    store->again = 0;
    store->refused = 0;
    store->wanted_count = 0;
    store->wanted_next = 0;
    store->prefix = PV_HEAD_PREFIX;

    if (store->poll.timer_set) {
        ngx_del_timer(&store->poll);
    }

    /* from the newest that is known, that one included: is the log still the same? */

    store->after = pv_log_complete(store->chain);
    store->after -= (store->after != 0);

    ngx_http_privacy_store_read_page(store);
}


static void
ngx_http_privacy_store_read_page(ngx_http_privacy_store_t *store)
{
    pv_buf_t  command;

    pv_buf_init(&command, 4096);
    (void) pvr_policies_read(&command, ngx_http_privacy_store_site(store), store->after,
                             NGX_HTTP_PRIVACY_STORE_PAGE);

    ngx_http_privacy_store_send(store, &command, 1, NGX_HTTP_PRIVACY_STORE_READ, ngx_http_privacy_store_page);
}


static void
ngx_http_privacy_store_page(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n)
{
    redisReply                *page;
    ngx_http_privacy_store_t  *store;

    store = data;
    store->request = NULL;

    if (status == PVR_OK) {
        status = (n == 1) ? pvr_status(replies[0]) : PVR_PROTOCOL;
    }

    if (status == PVR_OK && replies[0]->type != REDIS_REPLY_ARRAY) {
        status = PVR_PROTOCOL;
    }

    if (status != PVR_OK) {
        ngx_http_privacy_store_failed(store, status);
        return;
    }

    page = replies[0];

    ngx_http_privacy_store_emptied(store, page);
    ngx_http_privacy_store_want(store, page);
    ngx_http_privacy_store_heads(store);
}


/* The log has to hold the newest version that we know without a gap; when it does not, it is another log, or none. */

static void
ngx_http_privacy_store_emptied(ngx_http_privacy_store_t *store, redisReply *page)
{
    size_t              n;
    uint32_t            complete;
    ngx_uint_t          missing;
    pvr_policy_entry_t  entry;

    complete = pv_log_complete(store->chain);

    n = pv_log_count(store->chain);

    if (n == 0 || (complete && store->after != complete - 1) || (!complete && store->after)) {
        /* a later page, or nothing to compare with */
        return;
    }

    missing = (page->elements == 0);

    if (!missing && complete) {
        missing = (pvr_policy_entry(&entry, page, 0) != PV_OK || entry.sequence != complete);
    }

    if (missing && !store->log_missing) {
        ngx_log_error(NGX_LOG_ERR, store->log, 0,
                      "privacy: site %V: Redis has lost the publication log that this node knows up to entry %uD; "
                      "\"privacyctl publish --cache\" refills it", &store->site,
                      pv_log_entry(store->chain, n - 1)->sequence);
    }

    store->log_missing = missing;
}


static void
ngx_http_privacy_store_want(ngx_http_privacy_store_t *store, redisReply *page)
{
    size_t                           i;
    const pv_head_t                 *known;
    pvr_policy_entry_t               entry;
    ngx_http_privacy_store_entry_t  *wanted;

    store->wanted_count = 0;
    store->wanted_next = 0;
    store->more = (page->elements == NGX_HTTP_PRIVACY_STORE_PAGE);

    for (i = 0; i < page->elements && i < NGX_HTTP_PRIVACY_STORE_PAGE; i++) {

        if (pvr_policy_entry(&entry, page, i) != PV_OK || entry.sequence <= store->after) {
            ngx_http_privacy_store_refuse(store, "the publication log holds what is no entry, after %uD",
                                          store->after);
            store->more = 0;
            return;
        }

        store->after = entry.sequence;
        known = pv_log_find(store->chain, entry.sequence);

        if (known) {
            if (!pv_equal(known->digest, entry.digest, PV_SHA256_LEN)) {
                ngx_http_privacy_store_refuse(store, "the publication log names another bundle %uD than is known",
                                              entry.sequence);
            }

            continue;
        }

        wanted = &store->wanted[store->wanted_count++];
        wanted->sequence = entry.sequence;
        ngx_memcpy(wanted->digest, entry.digest, PV_SHA256_LEN);
    }
}


static void
ngx_http_privacy_store_heads(ngx_http_privacy_store_t *store)
{
    pv_buf_t    command;
    ngx_uint_t  i;

    if (store->wanted_next == store->wanted_count) {

        ngx_http_privacy_store_show(store);

        if (store->more) {
            ngx_http_privacy_store_read_page(store);
            return;
        }

        store->failures = 0;
        store->last_sync = ngx_time();

        if (!store->refused) {
            store->last_error.len = 0;
        }

        ngx_http_privacy_store_mirror(store);
        ngx_http_privacy_store_done(store, NGX_HTTP_PRIVACY_STORE_POLL);
        return;
    }

    /* one that is longer than most comes alone */

    store->batch = (store->prefix > PV_HEAD_PREFIX) ? 1 : NGX_HTTP_PRIVACY_STORE_BATCH;
    store->batch = ngx_min(store->batch, store->wanted_count - store->wanted_next);

    pv_buf_init(&command, 64 * 1024);

    for (i = 0; i < store->batch; i++) {
        (void) pvr_bundle_range(&command, ngx_http_privacy_store_site(store),
                                store->wanted[store->wanted_next + i].digest, 0, store->prefix - 1);
    }

    ngx_http_privacy_store_send(store, &command, store->batch, NGX_HTTP_PRIVACY_STORE_HEADS,
                                ngx_http_privacy_store_heads_read);
}


static void
ngx_http_privacy_store_heads_read(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n)
{
    size_t                          need;
    ngx_uint_t                      i;
    ngx_http_privacy_store_t       *store;
    ngx_http_privacy_store_batch_t  batch;

    store = data;
    store->request = NULL;

    if (status == PVR_OK && n != store->batch) {
        status = PVR_PROTOCOL;
    }

    for (i = 0; status == PVR_OK && i < n; i++) {
        status = pvr_status(replies[i]);
    }

    if (status != PVR_OK) {
        ngx_http_privacy_store_failed(store, status);
        return;
    }

    need = PV_HEAD_PREFIX;

    batch.store = store;
    batch.replies = replies;
    batch.n = ngx_http_privacy_store_take(store, replies, n, &need);

    if (ngx_http_privacy_store_settle(store, ngx_http_privacy_store_verify_batch, &batch, "in Redis") != NGX_OK) {
        ngx_http_privacy_store_failed(store, PVR_UNREACHABLE);
        return;
    }

    store->wanted_next += batch.n;
    store->prefix = need;

    ngx_http_privacy_store_heads(store);
}


/* Returns how many of the batch are dealt with; the one after them needs *need bytes. */

static ngx_uint_t
ngx_http_privacy_store_take(ngx_http_privacy_store_t *store, redisReply **replies, ngx_uint_t n, size_t *need)
{
    size_t                           len;
    pv_str_t                         prefix;
    ngx_int_t                        rc;
    ngx_uint_t                       i;
    ngx_http_privacy_store_entry_t  *wanted;

    for (i = 0; i < n; i++) {
        wanted = &store->wanted[store->wanted_next + i];

        if (replies[i]->type != REDIS_REPLY_STRING || replies[i]->len == 0) {
            ngx_http_privacy_store_refuse(store, "bundle %uD in Redis is refused: there is none, although the log "
                                          "names it", wanted->sequence);
            continue;
        }

        prefix.data = (u_char *) replies[i]->str;
        prefix.len = replies[i]->len;

        rc = ngx_http_privacy_store_put(store, prefix, wanted->sequence, wanted->digest, "in Redis", &len);

        if (rc == NGX_AGAIN && len > store->prefix && prefix.len == store->prefix) {
            *need = len;
            return i;
        }

        if (rc == NGX_AGAIN) {
            ngx_http_privacy_store_refuse(store, "bundle %uD in Redis is refused: it is cut", wanted->sequence);
        }

        if (rc == NGX_OK) {
            store->added = 1;
        }
    }

    return n;
}


static int
ngx_http_privacy_store_verify_batch(void *data, const pv_head_t *head)
{
    ngx_http_privacy_store_batch_t  *batch = data;

    pv_str_t                   prefix;
    ngx_uint_t                 i;
    ngx_http_privacy_store_t  *store;

    store = batch->store;

    for (i = 0; i < batch->n; i++) {
        if (store->wanted[store->wanted_next + i].sequence == head->sequence) {
            prefix.data = (u_char *) batch->replies[i]->str;
            prefix.len = batch->replies[i]->len;

            return pv_head_verify(prefix, ngx_http_privacy_store_site(store), head->key);
        }
    }

    return PV_ERROR;
}


/* Frees the command. */

static void
ngx_http_privacy_store_send(ngx_http_privacy_store_t *store, pv_buf_t *command, ngx_uint_t n, ngx_msec_t deadline,
    ngx_privacy_redis_handler_pt handler)
{
    if (!command->failed) {
        store->request = ngx_privacy_redis_send_each(store->redis, command->data, command->len, n, deadline, 1,
                                                     handler, store);
    }

    pv_buf_free(command);

    if (store->request == NULL) {
        ngx_http_privacy_store_failed(store, PVR_UNREACHABLE);
    }
}


static void
ngx_http_privacy_store_failed(ngx_http_privacy_store_t *store, pvr_status_t status)
{
    u_char      *p;
    ngx_uint_t   level;
    ngx_msec_t   delay;

    p = ngx_slprintf(store->error, store->error + NGX_HTTP_PRIVACY_STORE_ERROR,
                     "cannot read the publication log: %s", pvr_status_name(status));

    store->last_error.data = store->error;
    store->last_error.len = p - store->error;

    level = store->failures ? NGX_LOG_INFO : NGX_LOG_ERR;

    ngx_log_error(level, store->log, 0, "privacy: site %V: %V", &store->site, &store->last_error);

    delay = NGX_HTTP_PRIVACY_STORE_RETRY << ngx_min(store->failures, 6);
    delay = ngx_min(delay, NGX_HTTP_PRIVACY_STORE_POLL);

    store->failures++;

    ngx_http_privacy_store_show(store);
    ngx_http_privacy_store_done(store, delay / 2 + (ngx_msec_t) ngx_random() % (delay / 2 + 1));
}


/* A page at a time: a worker that catches up does not put each old version in force on its way. */

static void
ngx_http_privacy_store_show(ngx_http_privacy_store_t *store)
{
    if (store->added) {
        store->added = 0;
        ngx_http_privacy_store_update(store, 1);
    }
}


static void
ngx_http_privacy_store_done(ngx_http_privacy_store_t *store, ngx_msec_t next)
{
    store->syncing = 0;

    if (store->again) {
        next = store->failures ? ngx_min(next, NGX_HTTP_PRIVACY_STORE_RETRY) : 1;
    }

    if (!store->poll.timer_set) {
        ngx_add_timer(&store->poll, next);
    }
}
