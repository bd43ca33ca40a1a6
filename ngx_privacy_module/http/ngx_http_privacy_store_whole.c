/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_store_private.h"


/*
 * Whole policies in memory.  Those that somebody holds are few: what is in
 * force, what comes next, and what requests are being answered from.  The
 * others are a cache of the worker, bounded in bytes, over all its sites.
 */


static void ngx_http_privacy_store_evict(void);
static void ngx_http_privacy_store_drop(ngx_http_privacy_whole_t *whole);


static struct {
    ngx_queue_t  queue;         /* longest unused last */
    size_t       bytes;
} ngx_http_privacy_store_unused;


ngx_http_privacy_whole_t *
ngx_http_privacy_store_hold(ngx_http_privacy_store_t *store, uint32_t sequence)
{
    ngx_queue_t               *q;
    ngx_http_privacy_whole_t  *whole;

    for (q = ngx_queue_head(&store->wholes); q != ngx_queue_sentinel(&store->wholes); q = ngx_queue_next(q)) {
        whole = ngx_queue_data(q, ngx_http_privacy_whole_t, queue);

        if (whole->policy->sequence != sequence) {
            continue;
        }

        if (whole->held++ == 0) {
            ngx_queue_remove(&whole->unused);
            ngx_http_privacy_store_unused.bytes -= whole->bytes;
        }

        return whole;
    }

    return NULL;
}


void
ngx_http_privacy_store_let_go(ngx_http_privacy_whole_t *whole)
{
    if (whole == NULL || --whole->held) {
        return;
    }

    if (ngx_http_privacy_store_unused.queue.next == NULL) {
        ngx_queue_init(&ngx_http_privacy_store_unused.queue);
    }

    ngx_queue_insert_head(&ngx_http_privacy_store_unused.queue, &whole->unused);
    ngx_http_privacy_store_unused.bytes += whole->bytes;

    ngx_http_privacy_store_evict();
}


void
ngx_http_privacy_store_weigh(ngx_http_privacy_whole_t *whole, size_t bytes)
{
    whole->bytes += bytes;

    if (whole->held == 0) {
        ngx_http_privacy_store_unused.bytes += bytes;
        ngx_http_privacy_store_evict();
    }
}


ngx_http_privacy_whole_t *
ngx_http_privacy_store_add(ngx_http_privacy_store_t *store, pv_policy_t *policy, size_t bytes)
{
    ngx_http_privacy_whole_t  *whole;

    whole = ngx_calloc(sizeof(ngx_http_privacy_whole_t), store->log);
    if (whole == NULL) {
        pv_policy_free(policy);
        return NULL;
    }

    whole->store = store;
    whole->policy = policy;
    whole->held = 1;
    whole->bytes = sizeof(ngx_http_privacy_whole_t) + bytes;

    ngx_queue_insert_head(&store->wholes, &whole->queue);

    return whole;
}


size_t
ngx_http_privacy_store_memory(void)
{
    return ngx_http_privacy_store_unused.bytes;
}


static void
ngx_http_privacy_store_evict(void)
{
    ngx_queue_t  *q;

    while (ngx_http_privacy_store_unused.bytes > NGX_HTTP_PRIVACY_STORE_MEMORY) {
        q = ngx_queue_last(&ngx_http_privacy_store_unused.queue);

        if (q == ngx_queue_head(&ngx_http_privacy_store_unused.queue)) {
            /* the one that was let go just now may still be looked at in this turn of the event loop */
            break;
        }

        ngx_http_privacy_store_drop(ngx_queue_data(q, ngx_http_privacy_whole_t, unused));
    }
}


/* Nobody holds it. */

static void
ngx_http_privacy_store_drop(ngx_http_privacy_whole_t *whole)
{
    ngx_queue_remove(&whole->queue);
    ngx_queue_remove(&whole->unused);
    ngx_http_privacy_store_unused.bytes -= whole->bytes;

    if (whole->store->on_drop) {
        whole->store->on_drop(whole->store->data, whole->policy);
    }

    pv_policy_free(whole->policy);
    ngx_free(whole);
}


void
ngx_http_privacy_store_wholes_free(ngx_http_privacy_store_t *store)
{
    ngx_queue_t               *q;
    ngx_http_privacy_whole_t  *whole;

    while (!ngx_queue_empty(&store->wholes)) {
        q = ngx_queue_head(&store->wholes);
        ngx_queue_remove(q);

        whole = ngx_queue_data(q, ngx_http_privacy_whole_t, queue);

        if (whole->held == 0) {
            ngx_queue_remove(&whole->unused);
            ngx_http_privacy_store_unused.bytes -= whole->bytes;
        }

        pv_policy_free(whole->policy);
        ngx_free(whole);
    }
}
