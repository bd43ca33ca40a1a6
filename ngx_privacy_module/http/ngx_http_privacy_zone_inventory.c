/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_privacy_zone_shared.h"


#define NGX_HTTP_PRIVACY_NOTES        64       /* a power of two */
#define NGX_HTTP_PRIVACY_NOTE_TEXT    256
#define NGX_HTTP_PRIVACY_NOTE_TIME    1000      /* ms: then all that was noted is told */


/* A cookie that this worker told of, and how often it was seen since: count, dropped and the times of seen. */
typedef struct {
    ngx_int_t                site;
    ngx_http_privacy_seen_t  seen;              /* name.len 0: nothing here. Name and attributes lie in text */
    u_char                   text[NGX_HTTP_PRIVACY_NOTE_TEXT];
} ngx_http_privacy_zone_note_t;


/*
 * A site sets the same few cookies again and again, and nothing but counts
 * changes: these are kept here for a moment, so that workers do not queue for
 * the zone's lock at every response.
 */
struct ngx_http_privacy_zone_notes_s {
    ngx_http_privacy_zone_note_t  notes[NGX_HTTP_PRIVACY_NOTES];
    ngx_event_t                   timer;
};


static ngx_http_privacy_zone_note_t *ngx_http_privacy_zone_note(ngx_http_privacy_zone_t *ctx, ngx_int_t site,
    ngx_str_t *name);
static ngx_int_t ngx_http_privacy_zone_notes(ngx_http_privacy_zone_t *ctx);
static void ngx_http_privacy_zone_note_count(ngx_http_privacy_zone_t *ctx, ngx_http_privacy_zone_note_t *note,
    ngx_uint_t dropped, ngx_uint_t necessary);
static ngx_uint_t ngx_http_privacy_zone_note_same(ngx_http_privacy_zone_note_t *note, ngx_int_t site,
    ngx_http_privacy_seen_t *seen);
static void ngx_http_privacy_zone_note_text(ngx_http_privacy_zone_note_t *note, ngx_http_privacy_seen_t *seen);
static ngx_uint_t ngx_http_privacy_zone_equal(ngx_str_t *a, ngx_str_t *b);
static void ngx_http_privacy_zone_tell_noted(ngx_http_privacy_zone_t *ctx);
static void ngx_http_privacy_zone_tell_handler(ngx_event_t *ev);
static void ngx_http_privacy_zone_tell(ngx_http_privacy_zone_t *ctx, ngx_int_t site, ngx_http_privacy_seen_t *seen);
static void ngx_http_privacy_zone_seen_key(ngx_http_privacy_zone_seen_t *entry, ngx_http_privacy_seen_t *seen);
static void ngx_http_privacy_zone_seen_merge(ngx_http_privacy_zone_seen_t *entry, ngx_http_privacy_seen_t *seen);
static unsigned ngx_http_privacy_zone_seen_worth(const void *payload);
static ngx_int_t ngx_http_privacy_zone_seen_copy(ngx_http_privacy_seen_t *seen,
    const ngx_http_privacy_zone_seen_t *entry, ngx_pool_t *pool);
static ngx_int_t ngx_http_privacy_zone_text(ngx_str_t *out, const u_char *text, size_t len, ngx_pool_t *pool);


ngx_uint_t
ngx_http_privacy_zone_saw_again(ngx_shm_zone_t *zone, ngx_int_t site, ngx_str_t *name, ngx_str_t *attributes,
    uint64_t purposes, ngx_uint_t dropped, ngx_uint_t necessary)
{
    ngx_http_privacy_zone_t       *ctx;
    ngx_http_privacy_zone_note_t  *note;

    ctx = ngx_http_privacy_zone_of(zone);

    if (ctx == NULL || ctx->notes == NULL) {
        return 0;
    }

    note = ngx_http_privacy_zone_note(ctx, site, name);

    if (note->site != site || note->seen.purposes != purposes
        || !ngx_http_privacy_zone_equal(&note->seen.name, name)
        || !ngx_http_privacy_zone_equal(&note->seen.attributes, attributes))
    {
        return 0;
    }

    ngx_http_privacy_zone_note_count(ctx, note, dropped, necessary);

    return 1;
}


void
ngx_http_privacy_zone_saw(ngx_shm_zone_t *zone, ngx_int_t site, ngx_http_privacy_seen_t *seen, ngx_uint_t dropped,
    ngx_uint_t necessary)
{
    ngx_http_privacy_zone_t       *ctx;
    ngx_http_privacy_zone_note_t  *note;

    if (ngx_http_privacy_zone_site_of(zone, site) == NULL || seen->name.len == 0) {
        return;
    }

    ctx = zone->data;

    seen->count = 1;
    seen->dropped = dropped ? 1 : 0;
    seen->last = ngx_time();
    seen->last_necessary = (!dropped && necessary) ? seen->last : 0;

    if (seen->name.len + seen->attributes.len > NGX_HTTP_PRIVACY_NOTE_TEXT
        || ngx_http_privacy_zone_notes(ctx) != NGX_OK)
    {
        ngx_http_privacy_zone_tell(ctx, site, seen);
        return;
    }

    note = ngx_http_privacy_zone_note(ctx, site, &seen->name);

    if (ngx_http_privacy_zone_note_same(note, site, seen)) {
        ngx_http_privacy_zone_note_count(ctx, note, dropped, necessary);
        ngx_http_privacy_zone_note_text(note, seen);
        return;
    }

    if (note->seen.count) {
        ngx_http_privacy_zone_tell(ctx, note->site, &note->seen);
    }

    ngx_http_privacy_zone_tell(ctx, site, seen);

    note->site = site;
    note->seen = *seen;
    note->seen.count = 0;
    note->seen.dropped = 0;
    note->seen.last_necessary = 0;

    ngx_http_privacy_zone_note_text(note, seen);
}


/* The place that a name has among the notes. */
static ngx_http_privacy_zone_note_t *
ngx_http_privacy_zone_note(ngx_http_privacy_zone_t *ctx, ngx_int_t site, ngx_str_t *name)
{
    uint32_t  hash;

    hash = ngx_murmur_hash2(name->data, name->len) + site;

    return &ctx->notes->notes[hash % NGX_HTTP_PRIVACY_NOTES];
}


static ngx_int_t
ngx_http_privacy_zone_notes(ngx_http_privacy_zone_t *ctx)
{
    ngx_http_privacy_zone_notes_t  *notes;

    if (ctx->notes != NULL) {
        return NGX_OK;
    }

    notes = ngx_calloc(sizeof(ngx_http_privacy_zone_notes_t), ngx_cycle->log);
    if (notes == NULL) {
        return NGX_ERROR;
    }

    notes->timer.handler = ngx_http_privacy_zone_tell_handler;
    notes->timer.data = ctx;
    notes->timer.log = ngx_cycle->log;
    notes->timer.cancelable = 1;

    ctx->notes = notes;

    return NGX_OK;
}


static void
ngx_http_privacy_zone_note_count(ngx_http_privacy_zone_t *ctx, ngx_http_privacy_zone_note_t *note,
    ngx_uint_t dropped, ngx_uint_t necessary)
{
    note->seen.count++;
    note->seen.last = ngx_time();

    if (dropped) {
        note->seen.dropped++;

    } else if (necessary) {
        note->seen.last_necessary = note->seen.last;
    }

    if (!ctx->notes->timer.timer_set) {
        ngx_add_timer(&ctx->notes->timer, NGX_HTTP_PRIVACY_NOTE_TIME);
    }
}


/* 1 when nothing but a count is to be told. */
static ngx_uint_t
ngx_http_privacy_zone_note_same(ngx_http_privacy_zone_note_t *note, ngx_int_t site, ngx_http_privacy_seen_t *seen)
{
    ngx_http_privacy_seen_t  *known;

    known = &note->seen;

    return note->site == site && known->purposes == seen->purposes && known->lifetime >= seen->lifetime
           && known->http_only == seen->http_only && known->partitioned == seen->partitioned
           && ngx_http_privacy_zone_equal(&known->name, &seen->name)
           && ngx_http_privacy_zone_equal(&known->domain, &seen->domain)
           && ngx_http_privacy_zone_equal(&known->path, &seen->path);
}


static void
ngx_http_privacy_zone_note_text(ngx_http_privacy_zone_note_t *note, ngx_http_privacy_seen_t *seen)
{
    u_char  *p;

    note->seen.name.data = note->text;
    p = ngx_cpymem(note->text, seen->name.data, seen->name.len);

    note->seen.attributes.data = p;
    note->seen.attributes.len = seen->attributes.len;
    ngx_memcpy(p, seen->attributes.data, seen->attributes.len);

    if (seen->domain.len) {
        note->seen.domain.data = p + (seen->domain.data - seen->attributes.data);
    }

    if (seen->path.len) {
        note->seen.path.data = p + (seen->path.data - seen->attributes.data);
    }
}


static ngx_uint_t
ngx_http_privacy_zone_equal(ngx_str_t *a, ngx_str_t *b)
{
    return a->len == b->len && (a->len == 0 || ngx_memcmp(a->data, b->data, a->len) == 0);
}


static void
ngx_http_privacy_zone_tell_noted(ngx_http_privacy_zone_t *ctx)
{
    ngx_uint_t                     i;
    ngx_http_privacy_zone_note_t  *note;

    for (i = 0; ctx->notes != NULL && i < NGX_HTTP_PRIVACY_NOTES; i++) {
        note = &ctx->notes->notes[i];

        if (note->seen.count) {
            ngx_http_privacy_zone_tell(ctx, note->site, &note->seen);

            note->seen.count = 0;
            note->seen.dropped = 0;
            note->seen.last_necessary = 0;
        }
    }
}


static void
ngx_http_privacy_zone_tell_handler(ngx_event_t *ev)
{
    ngx_http_privacy_zone_tell_noted(ev->data);
}


void
ngx_http_privacy_zone_leave(ngx_shm_zone_t *zone)
{
    ngx_http_privacy_zone_t  *ctx;

    ctx = ngx_http_privacy_zone_of(zone);

    if (ctx == NULL || ctx->notes == NULL) {
        return;
    }

    ngx_http_privacy_zone_tell_noted(ctx);

    if (ctx->notes->timer.timer_set) {
        ngx_del_timer(&ctx->notes->timer);
    }

    ngx_free(ctx->notes);
    ctx->notes = NULL;
}


static void
ngx_http_privacy_zone_tell(ngx_http_privacy_zone_t *ctx, ngx_int_t site, ngx_http_privacy_seen_t *seen)
{
    uint32_t                             now;
    pv_table_t                          *inventory;
    ngx_http_privacy_zone_seen_t         entry;
    const ngx_http_privacy_zone_seen_t  *known;

    inventory = &ctx->shared->sites[site]->inventory;
    now = ngx_http_privacy_zone_now();

    ngx_http_privacy_zone_seen_key(&entry, seen);

    ngx_shmtx_lock(&ctx->pool->mutex);

    known = pv_table_find(inventory, &entry, now);

    if (known != NULL) {
        entry = *known;
    }

    ngx_http_privacy_zone_seen_merge(&entry, seen);

    (void) pv_table_put(inventory, &entry, now, ngx_http_privacy_zone_seen_worth, NULL);

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

    entry->count += seen->count;
    entry->dropped += seen->dropped;
    entry->purposes = seen->purposes;
    entry->last = ngx_max(entry->last, seen->last);
    entry->last_necessary = ngx_max(entry->last_necessary, seen->last_necessary);
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

    ngx_http_privacy_zone_tell_noted(ctx);

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
