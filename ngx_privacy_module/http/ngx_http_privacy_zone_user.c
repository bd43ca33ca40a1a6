/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_privacy_zone_shared.h"


static void ngx_http_privacy_zone_user_load(ngx_http_privacy_zone_t *ctx, ngx_int_t site, const u_char *subject,
    ngx_http_privacy_zone_entry_t *entry);
static void ngx_http_privacy_zone_user_store(ngx_http_privacy_zone_t *ctx, ngx_http_privacy_zone_entry_t *entry);
static ngx_http_privacy_zone_due_t *ngx_http_privacy_zone_user_due(ngx_http_privacy_zone_entry_t *entry,
    uint32_t id);


ngx_int_t
ngx_http_privacy_zone_user(ngx_shm_zone_t *zone, ngx_int_t site, const u_char *subject,
    ngx_http_privacy_zone_user_t *user)
{
    ngx_http_privacy_zone_t        *ctx;
    ngx_http_privacy_zone_entry_t   entry;

    ctx = ngx_http_privacy_zone_of(zone);

    if (ctx == NULL || site < 0) {
        return NGX_DECLINED;
    }

    ngx_shmtx_lock(&ctx->pool->mutex);
    ngx_http_privacy_zone_user_load(ctx, site, subject, &entry);
    ngx_shmtx_unlock(&ctx->pool->mutex);

    if (entry.looked == 0) {
        return NGX_DECLINED;
    }

    ngx_memcpy(user->subject, subject, PV_SUBJECT_LEN);
    ngx_memcpy(user->due, entry.due, sizeof(entry.due));
    user->log = entry.log;
    user->number = entry.number;
    user->met = entry.met;
    user->epoch = entry.epoch;
    user->n = ngx_min(entry.n, NGX_HTTP_PRIVACY_ZONE_DUE);
    user->age = ngx_http_privacy_zone_now() - entry.looked;

    return NGX_OK;
}


ngx_int_t
ngx_http_privacy_zone_user_claim(ngx_shm_zone_t *zone, ngx_int_t site, const u_char *subject, time_t hold,
    uint32_t *epoch)
{
    uint32_t                        now;
    ngx_int_t                       rc;
    ngx_http_privacy_zone_t        *ctx;
    ngx_http_privacy_zone_entry_t   entry;

    ctx = ngx_http_privacy_zone_of(zone);
    *epoch = 0;

    if (ctx == NULL || site < 0) {
        return NGX_OK;
    }

    now = ngx_http_privacy_zone_now() | 1;
    rc = NGX_OK;

    ngx_shmtx_lock(&ctx->pool->mutex);

    ngx_http_privacy_zone_user_load(ctx, site, subject, &entry);

    if (hold && entry.claimed != 0 && now - entry.claimed < (uint32_t) hold) {
        rc = NGX_BUSY;

    } else {
        entry.claimed = now;
        ngx_http_privacy_zone_user_store(ctx, &entry);
    }

    *epoch = entry.epoch;

    ngx_shmtx_unlock(&ctx->pool->mutex);

    return rc;
}


ngx_int_t
ngx_http_privacy_zone_set_user(ngx_shm_zone_t *zone, ngx_int_t site, ngx_http_privacy_zone_user_t *user)
{
    ngx_int_t                       rc;
    ngx_http_privacy_zone_t        *ctx;
    ngx_http_privacy_zone_entry_t   entry;

    ctx = ngx_http_privacy_zone_of(zone);

    if (ctx == NULL || site < 0) {
        return NGX_DECLINED;
    }

    rc = NGX_DECLINED;

    ngx_shmtx_lock(&ctx->pool->mutex);

    ngx_http_privacy_zone_user_load(ctx, site, user->subject, &entry);

    if (entry.epoch == user->epoch) {
        entry.looked = ngx_http_privacy_zone_now() | 1;
        entry.log = user->log;
        entry.number = user->number;
        entry.met = user->met;
        entry.n = ngx_min(user->n, NGX_HTTP_PRIVACY_ZONE_DUE);

        ngx_memzero(entry.due, sizeof(entry.due));
        ngx_memcpy(entry.due, user->due, entry.n * sizeof(ngx_http_privacy_zone_due_t));

        ngx_http_privacy_zone_user_store(ctx, &entry);
        rc = NGX_OK;
    }

    ngx_shmtx_unlock(&ctx->pool->mutex);

    return rc;
}


/*
 * Where nothing is known of the subject there is nothing to forget: who looks
 * it up now has claimed it before he asked.
 */

void
ngx_http_privacy_zone_user_answered(ngx_shm_zone_t *zone, ngx_int_t site, const u_char *subject, uint32_t id)
{
    ngx_uint_t                      i, n, known, full;
    ngx_http_privacy_zone_t        *ctx;
    ngx_http_privacy_zone_entry_t   entry;

    ctx = ngx_http_privacy_zone_of(zone);

    if (ctx == NULL || site < 0) {
        return;
    }

    ngx_shmtx_lock(&ctx->pool->mutex);

    ngx_http_privacy_zone_user_load(ctx, site, subject, &entry);

    if (entry.claimed) {
        full = (entry.n == NGX_HTTP_PRIVACY_ZONE_DUE);
        known = 0;
        n = 0;

        for (i = 0; i < entry.n && i < NGX_HTTP_PRIVACY_ZONE_DUE; i++) {

            known |= (entry.due[i].id == id);

            /* ids of changes are even, and go up */

            if (entry.due[i].id != id && (((entry.due[i].id | id) & 1) || entry.due[i].id > id)) {
                entry.due[n++] = entry.due[i];
            }
        }

        entry.n = n;
        entry.epoch++;
        entry.claimed = 1;

        /*
         * A notice that arrived after the look-up would still be taken for a
         * new one, and where all places were taken there may be more of them.
         */

        if (full || (!known && id >> 1 > ((id & 1) ? entry.number : entry.log))) {
            entry.looked = 0;
        }

        ngx_http_privacy_zone_user_store(ctx, &entry);
    }

    ngx_shmtx_unlock(&ctx->pool->mutex);
}


void
ngx_http_privacy_zone_user_chose(ngx_shm_zone_t *zone, ngx_int_t site, const u_char *subject)
{
    ngx_http_privacy_zone_t        *ctx;
    ngx_http_privacy_zone_entry_t   entry;

    ctx = ngx_http_privacy_zone_of(zone);

    if (ctx == NULL || site < 0) {
        return;
    }

    ngx_shmtx_lock(&ctx->pool->mutex);

    ngx_http_privacy_zone_user_load(ctx, site, subject, &entry);

    if (entry.claimed) {
        entry.epoch++;
        entry.claimed = 1;
        entry.looked = 0;

        ngx_http_privacy_zone_user_store(ctx, &entry);
    }

    ngx_shmtx_unlock(&ctx->pool->mutex);
}


void
ngx_http_privacy_zone_user_later(ngx_shm_zone_t *zone, ngx_int_t site, const u_char *subject, uint32_t id,
    const u_char later[8])
{
    ngx_http_privacy_zone_t        *ctx;
    ngx_http_privacy_zone_due_t    *due;
    ngx_http_privacy_zone_entry_t   entry;

    ctx = ngx_http_privacy_zone_of(zone);

    if (ctx == NULL || site < 0) {
        return;
    }

    ngx_shmtx_lock(&ctx->pool->mutex);

    ngx_http_privacy_zone_user_load(ctx, site, subject, &entry);

    if (entry.claimed) {
        due = ngx_http_privacy_zone_user_due(&entry, id);

        if (due != NULL) {
            ngx_memcpy(due->later, later, sizeof(due->later));

        } else {
            entry.looked = 0;
        }

        entry.epoch++;
        entry.claimed = 1;

        ngx_http_privacy_zone_user_store(ctx, &entry);
    }

    ngx_shmtx_unlock(&ctx->pool->mutex);
}


void
ngx_http_privacy_zone_user_written(ngx_shm_zone_t *zone, ngx_int_t site, const u_char *subject, uint32_t id)
{
    ngx_http_privacy_zone_t        *ctx;
    ngx_http_privacy_zone_due_t    *due;
    ngx_http_privacy_zone_entry_t   entry;

    ctx = ngx_http_privacy_zone_of(zone);

    if (ctx == NULL || site < 0) {
        return;
    }

    ngx_shmtx_lock(&ctx->pool->mutex);

    ngx_http_privacy_zone_user_load(ctx, site, subject, &entry);
    due = ngx_http_privacy_zone_user_due(&entry, id);

    if (due != NULL && !due->written) {
        due->written = 1;
        ngx_http_privacy_zone_user_store(ctx, &entry);
    }

    ngx_shmtx_unlock(&ctx->pool->mutex);
}


/* A copy of what is there, or a fresh entry. Called with the lock held. */

static void
ngx_http_privacy_zone_user_load(ngx_http_privacy_zone_t *ctx, ngx_int_t site, const u_char *subject,
    ngx_http_privacy_zone_entry_t *entry)
{
    const ngx_http_privacy_zone_entry_t  *known;

    ngx_memcpy(entry->subject, subject, PV_SUBJECT_LEN);
    entry->site = site;

    known = pv_table_find(&ctx->shared->users, entry, ngx_http_privacy_zone_now());

    if (known != NULL) {
        *entry = *known;
        return;
    }

    ngx_memzero(entry, sizeof(ngx_http_privacy_zone_entry_t));
    ngx_memcpy(entry->subject, subject, PV_SUBJECT_LEN);
    entry->site = site;
}


static void
ngx_http_privacy_zone_user_store(ngx_http_privacy_zone_t *ctx, ngx_http_privacy_zone_entry_t *entry)
{
    (void) pv_table_put(&ctx->shared->users, entry, ngx_http_privacy_zone_now(), NULL, NULL);
}


static ngx_http_privacy_zone_due_t *
ngx_http_privacy_zone_user_due(ngx_http_privacy_zone_entry_t *entry, uint32_t id)
{
    ngx_uint_t  i;

    for (i = 0; i < entry->n && i < NGX_HTTP_PRIVACY_ZONE_DUE; i++) {
        if (entry->due[i].id == id) {
            return &entry->due[i];
        }
    }

    return NULL;
}
