/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_store_private.h"


#define NGX_HTTP_PRIVACY_STORE_LOOK  60000      /* the wall clock may be set: look at it so often, ms */


static ngx_int_t ngx_http_privacy_store_name(ngx_str_t *site);
static ngx_int_t ngx_http_privacy_store_grow(ngx_http_privacy_store_t *store);
static void ngx_http_privacy_store_insert(ngx_http_privacy_store_t *store, pv_policy_t *policy);
static int ngx_http_privacy_store_verified(void *data, const pv_head_t *head);
static size_t ngx_http_privacy_store_place(ngx_http_privacy_store_t *store, uint32_t sequence);
static pv_policy_t *ngx_http_privacy_store_newest(ngx_http_privacy_store_t *store, time_t now);
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


void
ngx_http_privacy_store_destroy(ngx_http_privacy_store_t *store)
{
    size_t  i;

    ngx_http_privacy_store_sync_stop(store);

    if (store->effective.timer_set) {
        ngx_del_timer(&store->effective);
    }

    for (i = 0; i < store->count; i++) {
        pv_policy_free(store->versions[i]);
    }

    if (store->versions) {
        ngx_free(store->versions);
    }

    pv_log_free(store->chain);

    store->chain = NULL;
    store->versions = NULL;
    store->count = 0;
    store->in_force = NULL;
}


const pv_log_t *
ngx_http_privacy_store_chain(ngx_http_privacy_store_t *store)
{
    return store->chain;
}


pv_policy_t *const *
ngx_http_privacy_store_versions(ngx_http_privacy_store_t *store, size_t *n)
{
    *n = store->count;

    return store->versions;
}


pv_policy_t *
ngx_http_privacy_store_sequence(ngx_http_privacy_store_t *store, uint32_t sequence)
{
    size_t  place;

    place = ngx_http_privacy_store_place(store, sequence);

    if (place < store->count && store->versions[place]->sequence == sequence) {
        return store->versions[place];
    }

    return NULL;
}


pv_policy_t *
ngx_http_privacy_store_version(ngx_http_privacy_store_t *store, pv_str_t version)
{
    size_t  i;

    for (i = store->count; i > 0; i--) {
        if (pv_str_eq(store->versions[i - 1]->version, version)) {
            return store->versions[i - 1];
        }
    }

    return NULL;
}


pv_policy_t *
ngx_http_privacy_store_in_force(ngx_http_privacy_store_t *store)
{
    if (store->next && store->next <= ngx_time()) {
        ngx_http_privacy_store_update(store, 0);
    }

    return store->in_force;
}


void
ngx_http_privacy_store_set_floor(ngx_http_privacy_store_t *store, uint32_t sequence)
{
    if (sequence > store->floor) {
        store->floor = sequence;

        if (store->in_force == NULL || store->in_force->sequence < sequence) {
            ngx_http_privacy_store_update(store, 0);
        }
    }
}


/* Its signature is verified with the key that it names; whether that one may sign is the chain's to say. */

ngx_int_t
ngx_http_privacy_store_open(ngx_http_privacy_store_t *store, pv_str_t sealed, uint32_t sequence,
    const u_char *digest, const char *origin, pv_head_t **head, pv_policy_t **policy)
{
    int             rc;
    pv_str_t        site;
    const char     *field, *reason;
    pv_problems_t   problems;

    site.data = store->site.data;
    site.len = store->site.len;

    *policy = NULL;
    pv_problems_init(&problems);

    rc = pv_head_open(head, sealed, site, NULL, &problems);

    if (rc == PV_OK && (*head)->kind == PV_ENTRY_VERSION) {
        rc = pv_policy_open(policy, sealed, site, (*head)->key, &problems);

    } else if (rc == PV_OK) {
        rc = (sealed.len == (*head)->size) ? pv_head_verify(sealed, site, (*head)->key) : PV_INVALID;
    }

    if (rc == PV_OK && ((*head)->sequence != sequence
                        || (digest && !pv_equal((*head)->digest, digest, PV_SHA256_LEN))))
    {
        rc = PV_INVALID;
        pv_problem(&problems, NULL, 0, NULL, "it is not the one that was announced");
    }

    if (rc != PV_OK) {
        field = problems.count ? problems.list[0].field : NULL;
        reason = problems.count ? problems.list[0].reason
                 : (rc == PV_ERROR) ? "out of memory" : "it is cut, or its signature does not hold";

        ngx_http_privacy_store_refuse(store, "bundle %uD %s is refused: %s%s%s", sequence, origin,
                                      field ? field : "", field ? ": " : "", reason);

        pv_policy_free(*policy);
        pv_head_free(*head);
    }

    pv_problems_free(&problems);

    return (rc == PV_OK) ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_privacy_store_add(ngx_http_privacy_store_t *store, pv_head_t *head, pv_policy_t *policy)
{
    ngx_int_t         rc;
    const pv_head_t  *known;

    known = NULL;
    rc = ngx_http_privacy_store_grow(store);

    if (rc == NGX_OK && pv_log_add(store->chain, head, &known) != PV_OK) {
        rc = NGX_ERROR;
    }

    if (rc == NGX_OK) {
        ngx_http_privacy_store_insert(store, policy);
        return NGX_OK;
    }

    if (known && pv_equal(known->digest, head->digest, PV_SHA256_LEN)) {
        rc = NGX_DECLINED;

    } else if (known) {
        ngx_http_privacy_store_refuse(store, "a second bundle %uD is refused: one sequence number, one bundle",
                                      head->sequence);
    }

    pv_policy_free(policy);
    pv_head_free(head);

    return rc;
}


static void
ngx_http_privacy_store_insert(ngx_http_privacy_store_t *store, pv_policy_t *policy)
{
    size_t  place;

    if (policy == NULL) {
        return;
    }

    place = ngx_http_privacy_store_place(store, policy->sequence);

    ngx_memmove(store->versions + place + 1, store->versions + place,
                (store->count - place) * sizeof(pv_policy_t *));

    store->versions[place] = policy;
    store->count++;
}


void
ngx_http_privacy_store_settle(ngx_http_privacy_store_t *store)
{
    size_t         i, k;
    pv_policy_t   *policy;
    pv_problems_t  problems;

    pv_problems_init(&problems);

    if (pv_log_settle(store->chain, ngx_http_privacy_store_verified, NULL, &problems) != PV_OK) {

        for (i = 0; i < problems.count; i++) {
            ngx_http_privacy_store_refuse(store, "bundle %ui is refused: it %s", (ngx_uint_t) problems.list[i].line,
                                          problems.list[i].reason);
        }

        for (i = 0, k = 0; i < store->count; i++) {
            policy = store->versions[i];

            if (pv_log_find(store->chain, policy->sequence)) {
                store->versions[k++] = policy;
                continue;
            }

            pv_policy_free(policy);
        }

        store->count = k;
    }

    pv_problems_free(&problems);
}


/* When it was opened. */

static int
ngx_http_privacy_store_verified(void *data, const pv_head_t *head)
{
    (void) data;
    (void) head;

    return PV_OK;
}


static ngx_int_t
ngx_http_privacy_store_grow(ngx_http_privacy_store_t *store)
{
    size_t         size;
    pv_policy_t  **versions;

    if (pv_log_count(store->chain) >= NGX_HTTP_PRIVACY_STORE_VERSIONS) {
        ngx_http_privacy_store_refuse(store, "more than %d entries", NGX_HTTP_PRIVACY_STORE_VERSIONS);
        return NGX_ERROR;
    }

    if (store->count < store->size) {
        return NGX_OK;
    }

    size = store->size ? store->size * 2 : 16;
    size = ngx_min(size, NGX_HTTP_PRIVACY_STORE_VERSIONS);

    versions = ngx_alloc(size * sizeof(pv_policy_t *), store->log);
    if (versions == NULL) {
        return NGX_ERROR;
    }

    if (store->versions) {
        ngx_memcpy(versions, store->versions, store->count * sizeof(pv_policy_t *));
        ngx_free(store->versions);
    }

    store->versions = versions;
    store->size = size;

    return NGX_OK;
}


/* The index of the first version that is not before sequence. */

static size_t
ngx_http_privacy_store_place(ngx_http_privacy_store_t *store, uint32_t sequence)
{
    size_t  low, high, middle;

    low = 0;
    high = store->count;

    while (low < high) {
        middle = low + (high - low) / 2;

        if (store->versions[middle]->sequence < sequence) {
            low = middle + 1;

        } else {
            high = middle;
        }
    }

    return low;
}


void
ngx_http_privacy_store_update(ngx_http_privacy_store_t *store, ngx_uint_t added)
{
    time_t        now;
    pv_policy_t  *policy;

    now = ngx_time();
    policy = ngx_http_privacy_store_newest(store, now);

    if (added) {
        store->changed = 1;
    }

    if (policy && policy != store->in_force
        && (store->in_force == NULL || policy->sequence > store->in_force->sequence
            || pv_log_withdrawal(store->chain, store->in_force->sequence)))
    {
        store->in_force = policy;
        store->changed = 1;

        ngx_log_error(NGX_LOG_NOTICE, store->log, 0, "privacy: site %V: version %uD \"%*s\" is in force",
                      &store->site, policy->sequence, policy->version.len, policy->version.data);
    }

    ngx_http_privacy_store_schedule(store, now);
}


static pv_policy_t *
ngx_http_privacy_store_newest(ngx_http_privacy_store_t *store, time_t now)
{
    size_t        i;
    pv_policy_t  *policy;

    for (i = store->count; i > 0; i--) {
        policy = store->versions[i - 1];

        if (pv_log_withdrawal(store->chain, policy->sequence)) {
            continue;
        }

        /* what once was in force, here or in another worker, stays: the clock may have been set back */

        if (policy->effective <= now || policy->sequence <= store->floor) {
            return policy;
        }
    }

    return NULL;
}


static void
ngx_http_privacy_store_schedule(ngx_http_privacy_store_t *store, time_t now)
{
    size_t        i;
    time_t        next;
    ngx_msec_t    delay;
    pv_policy_t  *policy;

    next = 0;

    for (i = store->count; i > 0; i--) {
        policy = store->versions[i - 1];

        if (store->in_force && policy->sequence <= store->in_force->sequence) {
            break;
        }

        if (pv_log_withdrawal(store->chain, policy->sequence)) {
            continue;
        }

        if (next == 0 || policy->effective < next) {
            next = (time_t) policy->effective;
        }
    }

    store->next = next;

    if (store->changed) {
        delay = 0;

    } else if (next) {
        delay = (next - now < NGX_HTTP_PRIVACY_STORE_LOOK / 1000) ? (ngx_msec_t) (next - now) * 1000
                                                                 : NGX_HTTP_PRIVACY_STORE_LOOK;
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
