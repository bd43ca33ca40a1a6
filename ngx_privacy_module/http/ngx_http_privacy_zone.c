/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <ngx_config.h>
#include <ngx_core.h>

#include "pv_crypto.h"
#include "ngx_http_privacy_zone_shared.h"


/* Raised with every change of the structures in the zone that sizeof() does not show. */
#define NGX_HTTP_PRIVACY_ZONE_FORMAT  3

/* The part of a token that flows back in a millisecond, in thousandths, is rate / 60. */
#define NGX_HTTP_PRIVACY_TOKEN        1000
#define NGX_HTTP_PRIVACY_BUCKET_TIME  (3600 * 1000)


static ngx_int_t ngx_http_privacy_zone_init(ngx_shm_zone_t *zone, void *data);
static uint64_t ngx_http_privacy_zone_layout(void);
static volatile uint64_t *ngx_http_privacy_zone_form_places(ngx_shm_zone_t *zone, ngx_int_t site, uint64_t form);
static ngx_int_t ngx_http_privacy_zone_table(ngx_slab_pool_t *pool, pv_table_t *table, size_t size, size_t entries,
    size_t payload, size_t group, size_t key);
static ngx_int_t ngx_http_privacy_zone_site_find(ngx_http_privacy_zone_shared_t *shared, ngx_str_t *site);
static ngx_int_t ngx_http_privacy_zone_site_add(ngx_http_privacy_zone_t *ctx, ngx_str_t *site);


const char *ngx_http_privacy_counter_names[NGX_HTTP_PRIVACY_COUNTERS] = {
    "pages_personal",
    "pages_shared",
    "pages_undecided",
    "skipped_subrequest",
    "skipped_status",
    "skipped_type",
    "skipped_no_transform",
    "skipped_charset",
    "skipped_fragment",
    "skipped_encoding",
    "skipped_frameset",
    "skipped_no_policy",
    "cookies_passed_request",
    "cookies_passed_response",
    "cookies_dropped_request",
    "cookies_dropped_response",
    "cookies_expired",
    "cookies_invalid",
    "signal_gpc",
    "signal_dnt",
    "choice_accept_all",
    "choice_reject_all",
    "choice_custom",
    "choice_withdraw",
    "choice_agree",
    "choice_decline",
    "choice_stale",
    "choice_refused",
    "choice_flooding",
    "choice_unavailable",
    "pending_recorded",
    "lease_refreshed",
    "lease_failed",
    "lease_expired",
    "lease_waited",
    "revoked",
    "ledger_missing",
    "ledger_damaged",
    "users_bound",
    "users_ignored",
    "notices_bars",
    "notices_written",
    "notices_seen",
    "notices_acknowledged",
    "notices_agreed",
    "notices_declined",
    "notices_later",
    "notices_refused",
    "notices_failed",
    "streams_opened",
    "streams_refused",
    "streams_slow",
    "streams_capped",
    "streams_replaced"
};


ngx_shm_zone_t *
ngx_http_privacy_zone_add(ngx_conf_t *cf, ngx_str_t *name, size_t size, void *tag)
{
    ngx_shm_zone_t           *zone;
    ngx_http_privacy_zone_t  *ctx;

    ctx = ngx_pcalloc(cf->pool, sizeof(ngx_http_privacy_zone_t));
    if (ctx == NULL) {
        return NULL;
    }

    zone = ngx_shared_memory_add(cf, name, size, tag);
    if (zone == NULL) {
        return NULL;
    }

    zone->init = ngx_http_privacy_zone_init;
    zone->data = ctx;

    return zone;
}


static ngx_int_t
ngx_http_privacy_zone_init(ngx_shm_zone_t *zone, void *data)
{
    size_t                           space;
    ngx_int_t                        rc;
    ngx_slab_pool_t                 *pool;
    ngx_http_privacy_zone_t         *ctx, *old;
    ngx_http_privacy_zone_shared_t  *shared;

    ctx = zone->data;
    old = data;

    pool = (ngx_slab_pool_t *) zone->shm.addr;
    ctx->pool = pool;

    if (old != NULL || zone->shm.exists) {
        ctx->shared = pool->data;

        if (ctx->shared->layout != ngx_http_privacy_zone_layout()) {
            ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0,
                          "privacy zone \"%V\" was made by another build of the module: "
                          "restart nginx instead of reloading it", &zone->shm.name);
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    shared = ngx_slab_calloc(pool, sizeof(ngx_http_privacy_zone_shared_t));
    if (shared == NULL) {
        goto small;
    }

    shared->layout = ngx_http_privacy_zone_layout();
    space = pool->pfree * ngx_pagesize;

    /* Half for leases, an eighth each for users' notices and token buckets; the rest is for the sites. */

    rc = ngx_http_privacy_zone_table(pool, &shared->leases, space / 2, 0,
                                     sizeof(ngx_http_privacy_zone_lease_t), PV_SUBJECT_LEN + sizeof(uint64_t),
                                     PV_SUBJECT_LEN + sizeof(uint64_t));
    if (rc != NGX_OK) {
        goto small;
    }

    rc = ngx_http_privacy_zone_table(pool, &shared->users, space / 8, 0,
                                     sizeof(ngx_http_privacy_zone_entry_t), PV_SUBJECT_LEN + sizeof(uint64_t),
                                     PV_SUBJECT_LEN + sizeof(uint64_t));
    if (rc != NGX_OK) {
        goto small;
    }

    rc = ngx_http_privacy_zone_table(pool, &shared->buckets, space / 8, 0,
                                     sizeof(ngx_http_privacy_zone_bucket_t), 8, 8);
    if (rc != NGX_OK) {
        goto small;
    }

    ctx->shared = shared;
    pool->data = shared;

    return NGX_OK;

small:

    ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0, "privacy zone \"%V\" of %uz bytes is too small",
                  &zone->shm.name, zone->shm.size);

    return NGX_ERROR;
}


/* A reload may bring another build of the module, which must not misread what is there. */
static uint64_t
ngx_http_privacy_zone_layout(void)
{
    return ((uint64_t) NGX_HTTP_PRIVACY_ZONE_FORMAT << 56)
           | ((uint64_t) sizeof(ngx_http_privacy_zone_shared_t) << 42)
           | ((uint64_t) sizeof(ngx_http_privacy_zone_site_t) << 28)
           | ((uint64_t) (sizeof(ngx_http_privacy_zone_lease_t) + 7 * sizeof(ngx_http_privacy_zone_entry_t)) << 14)
           | (uint64_t) sizeof(ngx_http_privacy_zone_seen_t);
}


/* entries: as many as are useful; 0: as many as fit. NGX_DECLINED: there is no room for even one set. */
static ngx_int_t
ngx_http_privacy_zone_table(ngx_slab_pool_t *pool, pv_table_t *table, size_t size, size_t entries, size_t payload,
    size_t group, size_t key)
{
    void      *memory;
    size_t     useful;
    uint64_t   seed;

    if (entries) {
        useful = pv_table_size(payload, entries);
        size = ngx_min(size, useful);
    }

    if (size < pv_table_size(payload, 1)) {
        return NGX_DECLINED;
    }

    if (pv_random(&seed, sizeof(seed)) != PV_OK) {
        return NGX_ERROR;
    }

    memory = ngx_slab_calloc_locked(pool, size);
    if (memory == NULL) {
        return NGX_DECLINED;
    }

    if (pv_table_init(table, memory, size, payload, group, key, seed) != PV_OK) {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_privacy_zone_site(ngx_shm_zone_t *zone, ngx_str_t *site)
{
    ngx_int_t                 slot;
    ngx_http_privacy_zone_t  *ctx;

    ctx = ngx_http_privacy_zone_of(zone);

    if (ctx == NULL || site->len > PV_SITE_MAX) {
        return NGX_ERROR;
    }

    ngx_shmtx_lock(&ctx->pool->mutex);

    slot = ngx_http_privacy_zone_site_find(ctx->shared, site);

    if (slot == NGX_DECLINED) {
        slot = ngx_http_privacy_zone_site_add(ctx, site);
    }

    ngx_shmtx_unlock(&ctx->pool->mutex);

    if (slot == NGX_ERROR) {
        ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0,
                      "privacy zone \"%V\" has no room for site \"%V\" (it holds %d sites at most)",
                      &zone->shm.name, site, NGX_HTTP_PRIVACY_SITES_MAX);
    }

    return slot;
}


static ngx_int_t
ngx_http_privacy_zone_site_find(ngx_http_privacy_zone_shared_t *shared, ngx_str_t *site)
{
    ngx_uint_t                     i;
    ngx_http_privacy_zone_site_t  *s;

    for (i = 0; i < shared->sites_count; i++) {
        s = shared->sites[i];

        if (s->name_len == site->len && ngx_memcmp(s->name, site->data, site->len) == 0) {
            return i;
        }
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_privacy_zone_site_add(ngx_http_privacy_zone_t *ctx, ngx_str_t *site)
{
    size_t                           space, least;
    ngx_int_t                        rc, slot;
    ngx_http_privacy_zone_site_t    *s;
    ngx_http_privacy_zone_shared_t  *shared;

    shared = ctx->shared;
    slot = shared->sites_count;

    if (slot == NGX_HTTP_PRIVACY_SITES_MAX) {
        return NGX_ERROR;
    }

    s = ngx_slab_calloc_locked(ctx->pool, sizeof(ngx_http_privacy_zone_site_t));
    if (s == NULL) {
        return NGX_ERROR;
    }

    /* A quarter of what is left, so that sites which come with a later reload find room as well. */

    space = ctx->pool->pfree * ngx_pagesize / 4;
    least = pv_table_size(sizeof(ngx_http_privacy_zone_seen_t), 1);

    rc = ngx_http_privacy_zone_table(ctx->pool, &s->inventory, ngx_max(space, least), NGX_HTTP_PRIVACY_SEEN_MAX,
                                     sizeof(ngx_http_privacy_zone_seen_t),
                                     offsetof(ngx_http_privacy_zone_seen_t, domain_len),
                                     offsetof(ngx_http_privacy_zone_seen_t, lifetime));
    if (rc != NGX_OK) {
        ngx_slab_free_locked(ctx->pool, s);
        return NGX_ERROR;
    }

    s->name_len = site->len;
    ngx_memcpy(s->name, site->data, site->len);

    shared->sites[slot] = s;

    ngx_memory_barrier();

    shared->sites_count = slot + 1;

    return slot;
}


uint32_t
ngx_http_privacy_zone_in_force(ngx_shm_zone_t *zone, ngx_int_t site)
{
    ngx_http_privacy_zone_site_t  *s;

    s = ngx_http_privacy_zone_site_of(zone, site);

    return (s != NULL) ? (uint32_t) s->in_force : 0;
}


void
ngx_http_privacy_zone_set_in_force(ngx_shm_zone_t *zone, ngx_int_t site, uint32_t sequence)
{
    ngx_atomic_uint_t              known;
    ngx_http_privacy_zone_site_t  *s;

    s = ngx_http_privacy_zone_site_of(zone, site);

    if (s == NULL) {
        return;
    }

    do {
        known = s->in_force;

        if (known >= sequence) {
            return;
        }

    } while (!ngx_atomic_cmp_set(&s->in_force, known, sequence));
}


/*
 * A form has one of four places. A word of 64 bits is written at once, or
 * (where the machine's are shorter) in halves: then a form may be taken for
 * one that is kept longer ago, which is put again, or another that was kept
 * before for one kept just now. Two workers may take the same place: one of
 * them is forgotten.
 */

time_t
ngx_http_privacy_zone_form(ngx_shm_zone_t *zone, ngx_int_t site, uint64_t form)
{
    uint64_t            word;
    ngx_uint_t          i;
    volatile uint64_t  *places;

    places = ngx_http_privacy_zone_form_places(zone, site, form);

    for (i = 0; places && i < NGX_HTTP_PRIVACY_ZONE_FORM_PLACES; i++) {
        word = places[i];

        if (word >> 32 == form >> 32) {
            return (time_t) (uint32_t) word;
        }
    }

    return 0;
}


void
ngx_http_privacy_zone_set_form(ngx_shm_zone_t *zone, ngx_int_t site, uint64_t form, time_t found)
{
    uint64_t            word;
    ngx_uint_t          i, place;
    volatile uint64_t  *places;

    places = ngx_http_privacy_zone_form_places(zone, site, form);

    if (places == NULL) {
        return;
    }

    place = 0;

    for (i = 0; i < NGX_HTTP_PRIVACY_ZONE_FORM_PLACES; i++) {
        word = places[i];

        if (word >> 32 == form >> 32) {
            place = i;
            break;
        }

        if ((uint32_t) word < (uint32_t) places[place]) {
            place = i;
        }
    }

    places[place] = (form >> 32 << 32) | (uint32_t) found;
}


static volatile uint64_t *
ngx_http_privacy_zone_form_places(ngx_shm_zone_t *zone, ngx_int_t site, uint64_t form)
{
    ngx_http_privacy_zone_site_t  *s;

    s = ngx_http_privacy_zone_site_of(zone, site);

    return s ? s->forms[form % (sizeof(s->forms) / sizeof(s->forms[0]))] : NULL;
}


void
ngx_http_privacy_zone_count(ngx_shm_zone_t *zone, ngx_int_t site, ngx_http_privacy_counter_t counter, ngx_uint_t n)
{
    ngx_http_privacy_zone_site_t  *s;

    s = ngx_http_privacy_zone_site_of(zone, site);

    if (s != NULL && (ngx_uint_t) counter < NGX_HTTP_PRIVACY_COUNTERS) {
        (void) ngx_atomic_fetch_add(&s->counters[counter], n);
    }
}


ngx_atomic_uint_t
ngx_http_privacy_zone_counter(ngx_shm_zone_t *zone, ngx_int_t site, ngx_http_privacy_counter_t counter)
{
    ngx_http_privacy_zone_site_t  *s;

    s = ngx_http_privacy_zone_site_of(zone, site);

    if (s == NULL || (ngx_uint_t) counter >= NGX_HTTP_PRIVACY_COUNTERS) {
        return 0;
    }

    return s->counters[counter];
}


void
ngx_http_privacy_zone_dropped(ngx_shm_zone_t *zone, ngx_int_t site, ngx_uint_t response, uint64_t purposes)
{
    ngx_uint_t                     bit;
    ngx_http_privacy_zone_site_t  *s;

    s = ngx_http_privacy_zone_site_of(zone, site);

    if (s == NULL) {
        return;
    }

    response = response ? 1 : 0;

    if (purposes == 0) {
        (void) ngx_atomic_fetch_add(&s->dropped[response][NGX_HTTP_PRIVACY_UNDECLARED], 1);
        return;
    }

    for (bit = 0; purposes; bit++, purposes >>= 1) {
        if (purposes & 1) {
            (void) ngx_atomic_fetch_add(&s->dropped[response][bit], 1);
        }
    }
}


ngx_atomic_uint_t
ngx_http_privacy_zone_dropped_count(ngx_shm_zone_t *zone, ngx_int_t site, ngx_uint_t response, ngx_uint_t bit)
{
    ngx_http_privacy_zone_site_t  *s;

    s = ngx_http_privacy_zone_site_of(zone, site);

    if (s == NULL || bit > NGX_HTTP_PRIVACY_UNDECLARED) {
        return 0;
    }

    return s->dropped[response ? 1 : 0][bit];
}


ngx_int_t
ngx_http_privacy_zone_take(ngx_shm_zone_t *zone, ngx_http_privacy_bucket_t what, struct sockaddr *sockaddr,
    ngx_uint_t rate_per_minute, ngx_uint_t burst)
{
    uint32_t                               now;
    uint64_t                               passed, back;
    ngx_int_t                              rc;
    ngx_http_privacy_zone_t               *ctx;
    ngx_http_privacy_zone_bucket_t         bucket;
    const ngx_http_privacy_zone_bucket_t  *known;

    ctx = ngx_http_privacy_zone_of(zone);

    if (ctx == NULL) {
        return NGX_OK;
    }

    ngx_memzero(&bucket, sizeof(ngx_http_privacy_zone_bucket_t));
    /* unix sockets: whoever is behind them shares one */
    bucket.prefix[0] = (u_char) ngx_http_privacy_network(&bucket.prefix[1], sockaddr);
    bucket.prefix[7] = (u_char) what;
    bucket.last = ngx_current_msec;

    now = ngx_http_privacy_zone_now();
    rc = NGX_OK;

    ngx_shmtx_lock(&ctx->pool->mutex);

    known = pv_table_find(&ctx->shared->buckets, bucket.prefix, now);

    if (known != NULL) {
        /* A worker's clock may stand some milliseconds behind the one that wrote it. */
        passed = (bucket.last > known->last) ? bucket.last - known->last : 0;
        back = ngx_min(passed, NGX_HTTP_PRIVACY_BUCKET_TIME) * rate_per_minute / 60;

        bucket.excess = (known->excess > back) ? known->excess - back : 0;
        bucket.last = ngx_max(bucket.last, known->last);
    }

    if (bucket.excess + NGX_HTTP_PRIVACY_TOKEN > (uint64_t) burst * NGX_HTTP_PRIVACY_TOKEN) {
        rc = NGX_BUSY;

    } else {
        bucket.excess += NGX_HTTP_PRIVACY_TOKEN;
        (void) pv_table_put(&ctx->shared->buckets, &bucket, now, NULL, NULL);
    }

    ngx_shmtx_unlock(&ctx->pool->mutex);

    return rc;
}


size_t
ngx_http_privacy_network(u_char network[PV_NETWORK_MAX], struct sockaddr *sockaddr)
{
    switch (sockaddr->sa_family) {

    case AF_INET:
        return pv_network(network, (u_char *) &((struct sockaddr_in *) sockaddr)->sin_addr, 4);

#if (NGX_HAVE_INET6)
    case AF_INET6:
        return pv_network(network, (u_char *) &((struct sockaddr_in6 *) sockaddr)->sin6_addr, 16);
#endif

    default:
        return 0;
    }
}


void
ngx_http_privacy_zone_usage(ngx_shm_zone_t *zone, size_t *size, size_t *free)
{
    pv_table_t               *leases;
    ngx_http_privacy_zone_t  *ctx;

    *size = 0;
    *free = 0;

    ctx = ngx_http_privacy_zone_of(zone);

    if (ctx == NULL) {
        return;
    }

    leases = &ctx->shared->leases;

    *size = pv_table_slots(leases) * leases->stride;
    *free = *size - ngx_min(*size, leases->used * leases->stride);
}
