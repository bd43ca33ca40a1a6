/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_privacy_zone_shared.h"


#define NGX_HTTP_PRIVACY_CLOCK_SKEW  60     /* s between nodes */

/* A lease that is pushed out although it was used this recently: the zone is too small. */
#define NGX_HTTP_PRIVACY_LEASE_RECENT  300


static void ngx_http_privacy_zone_lease_load(ngx_http_privacy_zone_t *ctx, ngx_int_t site, const u_char *subject,
    ngx_http_privacy_zone_lease_t *entry);
static ngx_uint_t ngx_http_privacy_zone_lease_store(ngx_http_privacy_zone_t *ctx,
    ngx_http_privacy_zone_lease_t *entry);
static ngx_uint_t ngx_http_privacy_zone_lease_newer(ngx_http_privacy_zone_lease_t *entry,
    ngx_http_privacy_lease_t *lease);
static void ngx_http_privacy_zone_lease_warn(ngx_shm_zone_t *zone, ngx_uint_t small);


ngx_int_t
ngx_http_privacy_zone_lease(ngx_shm_zone_t *zone, ngx_int_t site, const u_char *subject,
    ngx_http_privacy_lease_t *lease)
{
    ngx_http_privacy_zone_t        *ctx;
    ngx_http_privacy_zone_lease_t   entry;

    ctx = ngx_http_privacy_zone_of(zone);
    lease->floor = 0;

    if (ctx == NULL || site < 0) {
        return NGX_DECLINED;
    }

    ngx_shmtx_lock(&ctx->pool->mutex);
    ngx_http_privacy_zone_lease_load(ctx, site, subject, &entry);
    ngx_shmtx_unlock(&ctx->pool->mutex);

    lease->floor = entry.floor;

    if (entry.known == NGX_HTTP_PRIVACY_KNOWN_NOTHING) {
        return NGX_DECLINED;
    }

    if (entry.known == NGX_HTTP_PRIVACY_KNOWN_CONSENT && entry.consent.position < entry.floor) {
        return NGX_DECLINED;
    }

    lease->consent = entry.consent;
    lease->settled = entry.settled;
    lease->missing = (entry.known == NGX_HTTP_PRIVACY_KNOWN_MISSING);

    return NGX_OK;
}


ngx_int_t
ngx_http_privacy_zone_set_lease(ngx_shm_zone_t *zone, ngx_int_t site, ngx_http_privacy_lease_t *lease)
{
    ngx_uint_t                      small;
    ngx_http_privacy_zone_t        *ctx;
    ngx_http_privacy_zone_lease_t   entry;

    ctx = ngx_http_privacy_zone_of(zone);

    if (ctx == NULL || site < 0) {
        return NGX_DECLINED;
    }

    small = 0;

    ngx_shmtx_lock(&ctx->pool->mutex);

    ngx_http_privacy_zone_lease_load(ctx, site, lease->consent.subject, &entry);

    if (lease->settled) {
        entry.settled = lease->settled;
    }

    if (!ngx_http_privacy_zone_lease_newer(&entry, lease)) {
        if (lease->settled) {
            (void) ngx_http_privacy_zone_lease_store(ctx, &entry);
        }

        ngx_shmtx_unlock(&ctx->pool->mutex);
        return NGX_DECLINED;
    }

    entry.consent = lease->consent;
    entry.known = lease->missing ? NGX_HTTP_PRIVACY_KNOWN_MISSING : NGX_HTTP_PRIVACY_KNOWN_CONSENT;

    if (lease->missing) {

        /* A ledger that is gone begins again at position 1: what was revoked in the old one says nothing of that. */
        entry.floor = 0;
    }

    small = ngx_http_privacy_zone_lease_store(ctx, &entry);

    ngx_shmtx_unlock(&ctx->pool->mutex);

    ngx_http_privacy_zone_lease_warn(zone, small);

    return NGX_OK;
}


/*
 * Answers may come in another order than the questions went out. A reading
 * that found nothing counts only when it is later than what is known: a first
 * choice may have been recorded in between. In doubt what was found counts,
 * for nothing but a record that verified can have been found.
 */
static ngx_uint_t
ngx_http_privacy_zone_lease_newer(ngx_http_privacy_zone_lease_t *entry, ngx_http_privacy_lease_t *lease)
{
    if (!lease->missing && lease->consent.position < entry->floor) {
        return 0;
    }

    switch (entry->known) {

    case NGX_HTTP_PRIVACY_KNOWN_CONSENT:

        if (lease->missing) {
            return lease->consent.checked > entry->consent.checked;
        }

        if (lease->consent.position != entry->consent.position) {
            return lease->consent.position > entry->consent.position;
        }

        return lease->consent.checked >= entry->consent.checked;

    case NGX_HTTP_PRIVACY_KNOWN_MISSING:
        return lease->consent.checked >= entry->consent.checked;

    default:
        return 1;
    }
}


ngx_int_t
ngx_http_privacy_zone_claim(ngx_shm_zone_t *zone, ngx_int_t site, const u_char *subject, time_t hold)
{
    uint32_t                        now;
    ngx_uint_t                      small;
    ngx_http_privacy_zone_t        *ctx;
    ngx_http_privacy_zone_lease_t   entry;

    ctx = ngx_http_privacy_zone_of(zone);

    if (ctx == NULL || site < 0) {
        return NGX_OK;
    }

    now = ngx_http_privacy_zone_now();

    ngx_shmtx_lock(&ctx->pool->mutex);

    ngx_http_privacy_zone_lease_load(ctx, site, subject, &entry);

    if (entry.claimed != 0 && (int32_t) (entry.claimed - now) > 0) {
        ngx_shmtx_unlock(&ctx->pool->mutex);
        return NGX_BUSY;
    }

    entry.claimed = now + (uint32_t) hold;

    small = ngx_http_privacy_zone_lease_store(ctx, &entry);

    ngx_shmtx_unlock(&ctx->pool->mutex);

    ngx_http_privacy_zone_lease_warn(zone, small);

    return NGX_OK;
}


void
ngx_http_privacy_zone_revoke(ngx_shm_zone_t *zone, ngx_int_t site, const u_char *subject, uint32_t position)
{
    ngx_uint_t                      small;
    ngx_http_privacy_zone_t        *ctx;
    ngx_http_privacy_zone_lease_t   entry;

    ctx = ngx_http_privacy_zone_of(zone);

    if (ctx == NULL || site < 0) {
        return;
    }

    small = 0;

    ngx_shmtx_lock(&ctx->pool->mutex);

    ngx_http_privacy_zone_lease_load(ctx, site, subject, &entry);

    if (position > entry.floor) {
        entry.floor = position;

        /* Whoever looks it up now asked before: the next one is to ask again. */
        entry.claimed = 0;

        small = ngx_http_privacy_zone_lease_store(ctx, &entry);
    }

    ngx_shmtx_unlock(&ctx->pool->mutex);

    ngx_http_privacy_zone_lease_warn(zone, small);
}


uint32_t
ngx_http_privacy_zone_lease_checked(uint32_t checked)
{
    return (time_t) checked > ngx_time() + NGX_HTTP_PRIVACY_CLOCK_SKEW ? 0 : checked;
}


ngx_uint_t
ngx_http_privacy_zone_lease_count(ngx_shm_zone_t *zone, ngx_int_t site)
{
    size_t                                i, slots;
    ngx_uint_t                            n;
    ngx_http_privacy_zone_t              *ctx;
    const ngx_http_privacy_zone_lease_t  *entry;

    ctx = ngx_http_privacy_zone_of(zone);

    if (ctx == NULL || site < 0) {
        return 0;
    }

    n = 0;
    slots = pv_table_slots(&ctx->shared->leases);

    /* Without the lock: the number is for a human, and this is the one long walk. */

    for (i = 0; i < slots; i++) {
        entry = pv_table_at(&ctx->shared->leases, i);

        if (entry != NULL && entry->site == (uint64_t) site && entry->known == NGX_HTTP_PRIVACY_KNOWN_CONSENT) {
            n++;
        }
    }

    return n;
}


/* A copy of what is there, or a fresh entry. Called with the lock held. */
static void
ngx_http_privacy_zone_lease_load(ngx_http_privacy_zone_t *ctx, ngx_int_t site, const u_char *subject,
    ngx_http_privacy_zone_lease_t *entry)
{
    const ngx_http_privacy_zone_lease_t  *known;

    ngx_memcpy(entry->subject, subject, PV_SUBJECT_LEN);
    entry->site = site;

    known = pv_table_find(&ctx->shared->leases, entry, ngx_http_privacy_zone_now());

    if (known != NULL) {
        *entry = *known;
        entry->consent.checked = ngx_http_privacy_zone_lease_checked(entry->consent.checked);
        return;
    }

    ngx_memzero(entry, sizeof(ngx_http_privacy_zone_lease_t));
    ngx_memcpy(entry->subject, subject, PV_SUBJECT_LEN);
    entry->site = site;
}


/* Returns 1 when a lease that is still in use had to go for it. Called with the lock held. */
static ngx_uint_t
ngx_http_privacy_zone_lease_store(ngx_http_privacy_zone_t *ctx, ngx_http_privacy_zone_lease_t *entry)
{
    uint32_t  idle;

    if (!pv_table_put(&ctx->shared->leases, entry, ngx_http_privacy_zone_now(), NULL, &idle)) {
        return 0;
    }

    return idle < NGX_HTTP_PRIVACY_LEASE_RECENT;
}


static void
ngx_http_privacy_zone_lease_warn(ngx_shm_zone_t *zone, ngx_uint_t small)
{
    ngx_http_privacy_zone_t  *ctx;

    ctx = ngx_http_privacy_zone_of(zone);

    if (small && ngx_atomic_cmp_set(&ctx->shared->warned, 0, 1)) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "privacy zone \"%V\" is too small: leases used in the last %d seconds are pushed out; "
                      "they are looked up again (said once)", &zone->shm.name, NGX_HTTP_PRIVACY_LEASE_RECENT);
    }
}
