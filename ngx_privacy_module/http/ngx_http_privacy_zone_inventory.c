/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_privacy_zone_shared.h"


static void ngx_http_privacy_zone_seen_key(ngx_http_privacy_zone_seen_t *entry, ngx_http_privacy_seen_t *seen);
static void ngx_http_privacy_zone_seen_merge(ngx_http_privacy_zone_seen_t *entry, ngx_http_privacy_seen_t *seen);
static unsigned ngx_http_privacy_zone_seen_worth(const void *payload);
static ngx_int_t ngx_http_privacy_zone_seen_copy(ngx_http_privacy_seen_t *seen,
    const ngx_http_privacy_zone_seen_t *entry, ngx_pool_t *pool);
static ngx_int_t ngx_http_privacy_zone_text(ngx_str_t *out, const u_char *text, size_t len, ngx_pool_t *pool);


void
ngx_http_privacy_zone_saw(ngx_shm_zone_t *zone, ngx_int_t site, ngx_http_privacy_seen_t *seen, ngx_uint_t dropped,
    ngx_uint_t necessary)
{
    uint32_t                             now;
    ngx_http_privacy_zone_t             *ctx;
    ngx_http_privacy_zone_site_t        *s;
    ngx_http_privacy_zone_seen_t         entry;
    const ngx_http_privacy_zone_seen_t  *known;

    s = ngx_http_privacy_zone_site_of(zone, site);

    if (s == NULL || seen->name.len == 0) {
        return;
    }

    ctx = zone->data;
    now = ngx_http_privacy_zone_now();

    ngx_http_privacy_zone_seen_key(&entry, seen);

    ngx_shmtx_lock(&ctx->pool->mutex);

    known = pv_table_find(&s->inventory, &entry, now);

    if (known != NULL) {
        entry = *known;
    }

    ngx_http_privacy_zone_seen_merge(&entry, seen);

    if (dropped) {
        entry.dropped++;

    } else if (necessary) {
        entry.last_necessary = entry.last;
    }

    (void) pv_table_put(&s->inventory, &entry, now, ngx_http_privacy_zone_seen_worth, NULL);

    ngx_shmtx_unlock(&ctx->pool->mutex);
}


/*
 * As browsers compare them: the domain without a leading dot and in lower
 * case; a path that does not start with a slash counts as none. A name that is
 * too long is cut, a domain or path left out: the cookie is listed anyway.
 */
static void
ngx_http_privacy_zone_seen_key(ngx_http_privacy_zone_seen_t *entry, ngx_http_privacy_seen_t *seen)
{
    ngx_str_t  domain;

    ngx_memzero(entry, sizeof(ngx_http_privacy_zone_seen_t));

    entry->name_len = ngx_min(seen->name.len, NGX_HTTP_PRIVACY_SEEN_TEXT);
    ngx_memcpy(entry->name, seen->name.data, entry->name_len);

    domain = seen->domain;

    if (domain.len && domain.data[0] == '.') {
        domain.data++;
        domain.len--;
    }

    if (domain.len <= NGX_HTTP_PRIVACY_SEEN_TEXT) {
        entry->domain_len = domain.len;
        ngx_strlow(entry->domain, domain.data, domain.len);
    }

    if (seen->path.len && seen->path.data[0] == '/' && seen->path.len <= NGX_HTTP_PRIVACY_SEEN_TEXT) {
        entry->path_len = seen->path.len;
        ngx_memcpy(entry->path, seen->path.data, seen->path.len);
    }
}


static void
ngx_http_privacy_zone_seen_merge(ngx_http_privacy_zone_seen_t *entry, ngx_http_privacy_seen_t *seen)
{
    if (entry->count == 0 || seen->lifetime > entry->lifetime) {
        entry->lifetime = seen->lifetime;
    }

    entry->count++;
    entry->purposes = seen->purposes;
    entry->last = ngx_time();
    entry->http_only = seen->http_only;
    entry->partitioned = seen->partitioned;
}


/* An application that makes names up must not push declared cookies out. */
static unsigned
ngx_http_privacy_zone_seen_worth(const void *payload)
{
    const ngx_http_privacy_zone_seen_t  *entry = payload;

    return entry->purposes != 0;
}


ngx_array_t *
ngx_http_privacy_zone_inventory(ngx_shm_zone_t *zone, ngx_int_t site, ngx_pool_t *pool)
{
    size_t                               i, slots;
    ngx_array_t                         *all;
    ngx_http_privacy_zone_t             *ctx;
    ngx_http_privacy_seen_t             *seen;
    ngx_http_privacy_zone_site_t        *s;
    ngx_http_privacy_zone_seen_t         entry;
    const ngx_http_privacy_zone_seen_t  *found;

    all = ngx_array_create(pool, 32, sizeof(ngx_http_privacy_seen_t));
    s = ngx_http_privacy_zone_site_of(zone, site);

    if (all == NULL || s == NULL) {
        return all;
    }

    ctx = zone->data;
    slots = pv_table_slots(&s->inventory);

    for (i = 0; i < slots; i++) {

        /* One at a time, so that nobody waits for the whole list to be copied. */

        ngx_shmtx_lock(&ctx->pool->mutex);

        found = pv_table_at(&s->inventory, i);

        if (found != NULL) {
            entry = *found;
        }

        ngx_shmtx_unlock(&ctx->pool->mutex);

        if (found == NULL) {
            continue;
        }

        seen = ngx_array_push(all);

        if (seen == NULL || ngx_http_privacy_zone_seen_copy(seen, &entry, pool) != NGX_OK) {
            return NULL;
        }
    }

    return all;
}


ngx_uint_t
ngx_http_privacy_zone_learned(ngx_shm_zone_t *zone, ngx_int_t site, ngx_str_t *name, ngx_http_privacy_seen_t *seen,
    ngx_uint_t max, ngx_pool_t *pool)
{
    size_t                         i, n;
    const void                    *found[PV_TABLE_WAYS];
    ngx_http_privacy_zone_t       *ctx;
    ngx_http_privacy_seen_t        wanted;
    ngx_http_privacy_zone_site_t  *s;
    ngx_http_privacy_zone_seen_t   entry, entries[PV_TABLE_WAYS];

    s = ngx_http_privacy_zone_site_of(zone, site);

    if (s == NULL || name->len == 0 || name->len > NGX_HTTP_PRIVACY_SEEN_TEXT) {
        return 0;
    }

    ctx = zone->data;

    ngx_memzero(&wanted, sizeof(ngx_http_privacy_seen_t));
    wanted.name = *name;
    ngx_http_privacy_zone_seen_key(&entry, &wanted);

    ngx_shmtx_lock(&ctx->pool->mutex);

    n = pv_table_group(&s->inventory, &entry, found, ngx_min(max, PV_TABLE_WAYS));

    for (i = 0; i < n; i++) {
        ngx_memcpy(&entries[i], found[i], sizeof(ngx_http_privacy_zone_seen_t));
    }

    ngx_shmtx_unlock(&ctx->pool->mutex);

    for (i = 0; i < n; i++) {
        if (ngx_http_privacy_zone_seen_copy(&seen[i], &entries[i], pool) != NGX_OK) {
            break;
        }
    }

    return i;
}


static ngx_int_t
ngx_http_privacy_zone_seen_copy(ngx_http_privacy_seen_t *seen, const ngx_http_privacy_zone_seen_t *entry,
    ngx_pool_t *pool)
{
    if (ngx_http_privacy_zone_text(&seen->name, entry->name, entry->name_len, pool) != NGX_OK
        || ngx_http_privacy_zone_text(&seen->domain, entry->domain, entry->domain_len, pool) != NGX_OK
        || ngx_http_privacy_zone_text(&seen->path, entry->path, entry->path_len, pool) != NGX_OK)
    {
        return NGX_ERROR;
    }

    seen->lifetime = entry->lifetime;
    seen->purposes = entry->purposes;
    seen->count = entry->count;
    seen->dropped = entry->dropped;
    seen->http_only = entry->http_only ? 1 : 0;
    seen->partitioned = entry->partitioned ? 1 : 0;
    seen->last = entry->last;
    seen->last_necessary = entry->last_necessary;

    return NGX_OK;
}


static ngx_int_t
ngx_http_privacy_zone_text(ngx_str_t *out, const u_char *text, size_t len, ngx_pool_t *pool)
{
    out->len = len;
    out->data = ngx_pnalloc(pool, len + 1);

    if (out->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(out->data, text, len);
    out->data[len] = '\0';

    return NGX_OK;
}
