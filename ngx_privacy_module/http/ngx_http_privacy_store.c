/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_store_private.h"


#define NGX_HTTP_PRIVACY_STORE_LOOK        60000    /* the wall clock may be set: look at it so often, ms */
#define NGX_HTTP_PRIVACY_STORE_CANDIDATES  16       /* versions that are tried, where the newest cannot be had */


static ngx_int_t ngx_http_privacy_store_name(ngx_str_t *site);
static ngx_http_privacy_whole_t *ngx_http_privacy_store_newest(ngx_http_privacy_store_t *store, time_t now);
static ngx_uint_t ngx_http_privacy_store_wants(ngx_http_privacy_store_t *store, const pv_head_t *head);
static ngx_http_privacy_whole_t *ngx_http_privacy_store_have(ngx_http_privacy_store_t *store,
    const pv_head_t *head, ngx_int_t *rc);
static void ngx_http_privacy_store_ahead(ngx_http_privacy_store_t *store, time_t now);
static void ngx_http_privacy_store_schedule(ngx_http_privacy_store_t *store, time_t now);
static void ngx_http_privacy_store_effective(ngx_event_t *ev);


ngx_http_privacy_store_t *
ngx_http_privacy_store_create(ngx_pool_t *pool, ngx_log_t *log, ngx_str_t *site, u_char *public_key,
    ngx_str_t *folder, ngx_privacy_redis_t *redis)
{
    u_char                    *p;
    ngx_http_privacy_store_t  *store;

    if (ngx_http_privacy_store_name(site) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, log, 0, "privacy: \"%V\" is no name for a site", site);
        return NULL;
    }

    store = ngx_pcalloc(pool, sizeof(ngx_http_privacy_store_t));
    if (store == NULL) {
        return NULL;
    }

    store->pool = pool;
    store->log = log;
    store->site = *site;
    store->redis = redis;
    ngx_memcpy(store->public_key, public_key, PV_ED25519_PUBLIC);

    ngx_queue_init(&store->wholes);
    ngx_queue_init(&store->loads);

    store->chain = pv_log_create(public_key);
    if (store->chain == NULL) {
        return NULL;
    }

    if (folder && folder->len) {
        p = ngx_pnalloc(pool, folder->len + 1 + site->len + 1);
        if (p == NULL) {
            return NULL;
        }

        store->folder.data = p;
        store->folder.len = ngx_sprintf(p, "%V/%V%Z", folder, site) - p - 1;
    }

    store->effective.handler = ngx_http_privacy_store_effective;
    store->effective.data = store;
    store->effective.log = log;
    store->effective.cancelable = 1;

    return store;
}


/* It becomes part of keys and of a path. */

static ngx_int_t
ngx_http_privacy_store_name(ngx_str_t *site)
{
    u_char  c;
    size_t  i;

    if (site->len == 0 || site->len > PV_SITE_MAX || site->data[0] == '.') {
        return NGX_ERROR;
    }

    for (i = 0; i < site->len; i++) {
        c = site->data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
              || c == '.' || c == '_' || c == '-'))
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_privacy_store_open(ngx_http_privacy_store_t *store)
{
    if (ngx_http_privacy_store_load_heads(store) == NGX_ERROR) {
        return NGX_ERROR;
    }

    store->opening = 1;
    ngx_http_privacy_store_update(store, pv_log_count(store->chain) != 0);
    store->opening = 0;

    return NGX_OK;
}


void
ngx_http_privacy_store_destroy(ngx_http_privacy_store_t *store)
{
    ngx_http_privacy_store_sync_stop(store);
    ngx_http_privacy_store_mirror_stop(store);
    ngx_http_privacy_store_loads_stop(store);

    if (store->effective.timer_set) {
        ngx_del_timer(&store->effective);
    }

    store->in_force = NULL;
    store->upcoming = NULL;

    ngx_http_privacy_store_wholes_free(store);

    pv_log_free(store->chain);
    store->chain = NULL;
}


size_t
ngx_http_privacy_store_versions(ngx_http_privacy_store_t *store)
{
    size_t  i, n, versions;

    n = pv_log_count(store->chain);
    versions = 0;

    for (i = 0; i < n; i++) {
        versions += (pv_log_entry(store->chain, i)->kind == PV_ENTRY_VERSION);
    }

    return versions;
}


pv_policy_t *
ngx_http_privacy_store_in_force(ngx_http_privacy_store_t *store)
{
    if (store->next && store->next <= ngx_time()) {
        ngx_http_privacy_store_update(store, 0);
    }

    return store->in_force ? store->in_force->policy : NULL;
}


void
ngx_http_privacy_store_set_floor(ngx_http_privacy_store_t *store, uint32_t sequence)
{
    if (sequence > store->floor) {
        store->floor = sequence;

        if (store->in_force == NULL || store->in_force->policy->sequence < sequence) {
            ngx_http_privacy_store_update(store, 0);
        }
    }
}


ngx_int_t
ngx_http_privacy_store_put(ngx_http_privacy_store_t *store, pv_str_t prefix, uint32_t sequence,
    const u_char *digest, const char *origin, size_t *need)
{
    int               rc;
    pv_head_t        *head;
    const char       *field, *reason;
    pv_problems_t     problems;
    const pv_head_t  *known;

    if (pv_log_count(store->chain) >= NGX_HTTP_PRIVACY_STORE_VERSIONS) {
        ngx_http_privacy_store_refuse(store, "more than %d entries", NGX_HTTP_PRIVACY_STORE_VERSIONS);
        return NGX_DECLINED;
    }

    pv_problems_init(&problems);

    rc = pv_head_open(&head, prefix, ngx_http_privacy_store_site(store), need, &problems);

    if (rc != PV_OK && rc != PV_SHORT) {
        field = problems.count ? problems.list[0].field : NULL;
        reason = problems.count ? problems.list[0].reason : "out of memory";

        ngx_http_privacy_store_refuse(store, "bundle %uD %s is refused: %s%s%s", sequence, origin,
                                      field ? field : "", field ? ": " : "", reason);
    }

    pv_problems_free(&problems);

    if (rc != PV_OK) {
        return (rc == PV_SHORT) ? NGX_AGAIN : NGX_DECLINED;
    }

    if (head->sequence != sequence || (digest && !pv_equal(head->digest, digest, PV_SHA256_LEN))) {
        ngx_http_privacy_store_refuse(store, "bundle %uD %s is refused: it is not the one that was announced",
                                      sequence, origin);
        pv_head_free(head);
        return NGX_DECLINED;
    }

    rc = pv_log_add(store->chain, head, &known);

    if (rc != PV_OK) {

        if (rc == PV_INVALID && !pv_equal(known->digest, head->digest, PV_SHA256_LEN)) {
            ngx_http_privacy_store_refuse(store, "a second bundle %uD is refused: one number, one bundle", sequence);
        }

        pv_head_free(head);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_privacy_store_settle(ngx_http_privacy_store_t *store, pv_log_verify_pt verify, void *data,
    const char *origin)
{
    int            rc;
    size_t         i;
    pv_problems_t  problems;

    pv_problems_init(&problems);

    rc = pv_log_settle(store->chain, verify, data, &problems);

    for (i = 0; i < problems.count; i++) {
        ngx_http_privacy_store_refuse(store, "bundle %uD %s is refused: it %s", (uint32_t) problems.list[i].line,
                                      origin, problems.list[i].reason);
    }

    pv_problems_free(&problems);

    return (rc == PV_ERROR) ? NGX_ERROR : NGX_OK;
}


void
ngx_http_privacy_store_update(ngx_http_privacy_store_t *store, ngx_uint_t added)
{
    time_t                     now;
    pv_policy_t               *policy;
    ngx_http_privacy_whole_t  *whole;

    now = ngx_time();
    store->lacking = 0;

    if (added) {
        store->changed = 1;
    }

    whole = ngx_http_privacy_store_newest(store, now);

    if (whole) {
        ngx_http_privacy_store_let_go(store->in_force);
        store->in_force = whole;
        store->changed = 1;

        policy = whole->policy;
        store->floor = ngx_max(store->floor, policy->sequence);

        ngx_log_error(NGX_LOG_NOTICE, store->log, 0, "privacy: site %V: version %uD \"%*s\" is in force",
                      &store->site, policy->sequence, policy->version.len, policy->version.data);
    }

    ngx_http_privacy_store_ahead(store, now);
    ngx_http_privacy_store_schedule(store, now);
}


/*
 * What is to come into force now, held; NULL: nothing, or it is on its way.
 * Where the newest cannot be had, the one before it is better than one that is
 * older still.
 */

static ngx_http_privacy_whole_t *
ngx_http_privacy_store_newest(ngx_http_privacy_store_t *store, time_t now)
{
    ngx_int_t                  rc;
    ngx_uint_t                 i;
    const pv_head_t           *head;
    ngx_http_privacy_whole_t  *whole;

    head = pv_log_in_force(store->chain, now, store->floor);

    for (i = 0; head && i < NGX_HTTP_PRIVACY_STORE_CANDIDATES; i++) {

        if (!ngx_http_privacy_store_wants(store, head)) {
            return NULL;
        }

        if (head->effective <= now || head->sequence <= store->floor) {
            whole = ngx_http_privacy_store_have(store, head, &rc);

            if (whole || rc == NGX_OK) {
                return whole;
            }

            store->lacking = 1;
        }

        head = pv_log_before(store->chain, head->sequence);
    }

    return NULL;
}


/* Never back; but a version that was withdrawn after all, which an early clock had in force, goes. */

static ngx_uint_t
ngx_http_privacy_store_wants(ngx_http_privacy_store_t *store, const pv_head_t *head)
{
    uint32_t  current;

    if (store->in_force == NULL) {
        return 1;
    }

    current = store->in_force->policy->sequence;

    return head->sequence > current
           || (head->sequence < current && pv_log_withdrawal(store->chain, current) != NULL);
}


/* In memory, held; else it is being loaded (NGX_OK), or cannot be had now. */

static ngx_http_privacy_whole_t *
ngx_http_privacy_store_have(ngx_http_privacy_store_t *store, const pv_head_t *head, ngx_int_t *rc)
{
    ngx_http_privacy_whole_t  *whole;

    whole = ngx_http_privacy_store_hold(store, head->sequence);

    if (whole) {
        return whole;
    }

    if (store->opening) {
        *rc = ngx_http_privacy_store_load_now(store, head);
        return (*rc == NGX_OK) ? ngx_http_privacy_store_hold(store, head->sequence) : NULL;
    }

    *rc = ngx_http_privacy_store_load_urgent(store, head);

    return NULL;
}


/* The version that is in force next is in memory before its time comes. */

static void
ngx_http_privacy_store_ahead(ngx_http_privacy_store_t *store, time_t now)
{
    uint32_t                   current;
    ngx_int_t                  rc;
    const pv_head_t           *head;
    ngx_http_privacy_whole_t  *whole;

    current = store->in_force ? store->in_force->policy->sequence : 0;
    store->next = (time_t) pv_log_next(store->chain, current);

    whole = NULL;
    head = store->next ? pv_log_in_force(store->chain, ngx_max(store->next, now), store->floor) : NULL;

    if (head && head->sequence > current) {
        whole = ngx_http_privacy_store_have(store, head, &rc);

        if (whole == NULL && rc != NGX_OK) {
            store->lacking = 1;
        }
    }

    ngx_http_privacy_store_let_go(store->upcoming);
    store->upcoming = whole;

    if (store->next && store->next <= now) {
        /* its time has come, and it is not here yet: it is not looked for with each request */
        store->next = now + 1;
    }
}


static void
ngx_http_privacy_store_schedule(ngx_http_privacy_store_t *store, time_t now)
{
    ngx_msec_t  delay;

    if (store->changed) {
        delay = 0;

    } else if (store->next || store->lacking) {
        delay = NGX_HTTP_PRIVACY_STORE_LOOK;

        if (store->next) {
            delay = ngx_min(delay, (ngx_msec_t) (store->next - now) * 1000);
        }

        if (store->lacking) {
            delay = ngx_min(delay, (NGX_HTTP_PRIVACY_STORE_MISS + 1) * 1000);
        }

    } else {
        return;
    }

    if (store->effective.timer_set) {
        ngx_del_timer(&store->effective);
    }

    ngx_add_timer(&store->effective, delay);
}


static void
ngx_http_privacy_store_effective(ngx_event_t *ev)
{
    ngx_http_privacy_store_t  *store;

    store = ev->data;

    if (store->changed) {
        store->changed = 0;

        if (store->on_change) {
            store->on_change(store->data, store);
        }
    }

    ngx_http_privacy_store_update(store, 0);
}


void
ngx_http_privacy_store_refuse(ngx_http_privacy_store_t *store, const char *fmt, ...)
{
    u_char   *p;
    va_list   args;

    va_start(args, fmt);
    p = ngx_vslprintf(store->error, store->error + NGX_HTTP_PRIVACY_STORE_ERROR, fmt, args);
    va_end(args);

    store->last_error.data = store->error;
    store->last_error.len = p - store->error;
    store->refused = 1;

    ngx_log_error(NGX_LOG_ERR, store->log, 0, "privacy: site %V: %V", &store->site, &store->last_error);
}
