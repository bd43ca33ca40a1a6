/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_task.h"


/* Whole versions for a request, which holds them until it ends. */

typedef struct {
    ngx_http_privacy_ctx_t       *ctx;
    uint32_t                      sequences[2];
    ngx_http_privacy_whole_t     *wholes[2];
    ngx_uint_t                    n;
    ngx_http_privacy_archive_pt   handler;
    void                         *data;
} ngx_http_privacy_archive_t;


static void ngx_http_privacy_archive_cleanup(void *data);
static ngx_int_t ngx_http_privacy_archive_next(ngx_http_privacy_archive_t *archive);
static ngx_int_t ngx_http_privacy_archive_loaded(ngx_http_privacy_ctx_t *ctx, ngx_int_t rc, void *data);


ngx_int_t
ngx_http_privacy_archive_get(ngx_http_privacy_ctx_t *ctx, const uint32_t *sequences, ngx_uint_t n,
    ngx_http_privacy_archive_pt handler, void *data)
{
    ngx_uint_t                   i;
    ngx_pool_cleanup_t          *cln;
    ngx_http_privacy_archive_t  *archive;

    cln = ngx_pool_cleanup_add(ctx->request->pool, sizeof(ngx_http_privacy_archive_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    archive = cln->data;
    ngx_memzero(archive, sizeof(ngx_http_privacy_archive_t));

    cln->handler = ngx_http_privacy_archive_cleanup;

    archive->ctx = ctx;
    archive->handler = handler;
    archive->data = data;
    archive->n = ngx_min(n, 2);

    for (i = 0; i < archive->n; i++) {
        archive->sequences[i] = sequences[i];
    }

    return ngx_http_privacy_archive_next(archive);
}


static void
ngx_http_privacy_archive_cleanup(void *data)
{
    ngx_uint_t                   i;
    ngx_http_privacy_archive_t  *archive = data;

    for (i = 0; i < archive->n; i++) {
        ngx_http_privacy_store_let_go(archive->wholes[i]);
    }
}


/* One after another: each is held as soon as it is there. */

static ngx_int_t
ngx_http_privacy_archive_next(ngx_http_privacy_archive_t *archive)
{
    ngx_int_t                  rc;
    ngx_uint_t                 i;
    ngx_queue_t               *waiting;
    pv_policy_t               *policies[2];
    const pv_head_t           *head;
    ngx_http_privacy_ctx_t    *ctx;
    ngx_http_privacy_store_t  *store;

    ctx = archive->ctx;
    store = ctx->site->store;

    for (i = 0; i < archive->n; i++) {

        if (archive->wholes[i] == NULL) {
            archive->wholes[i] = ngx_http_privacy_store_hold(store, archive->sequences[i]);
        }

        if (archive->wholes[i]) {
            policies[i] = archive->wholes[i]->policy;
            continue;
        }

        head = pv_log_find(ngx_http_privacy_store_log(store), archive->sequences[i]);

        if (head == NULL || head->kind != PV_ENTRY_VERSION) {
            return archive->handler(ctx, NGX_HTTP_NOT_FOUND, NULL, archive->data);
        }

        rc = ngx_http_privacy_store_load(store, head, &waiting);

        if (rc != NGX_OK) {
            return archive->handler(ctx, NGX_HTTP_SERVICE_UNAVAILABLE, NULL, archive->data);
        }

        return ngx_http_privacy_wait(ctx, waiting, ngx_http_privacy_archive_loaded, archive);
    }

    return archive->handler(ctx, NGX_OK, policies, archive->data);
}


static ngx_int_t
ngx_http_privacy_archive_loaded(ngx_http_privacy_ctx_t *ctx, ngx_int_t rc, void *data)
{
    ngx_http_privacy_archive_t  *archive = data;

    if (rc != NGX_OK) {
        return archive->handler(ctx, rc, NULL, archive->data);
    }

    return ngx_http_privacy_archive_next(archive);
}


ngx_int_t
ngx_http_privacy_archive_refuse(ngx_http_privacy_ctx_t *ctx, ngx_int_t rc)
{
    if (rc == NGX_HTTP_NOT_FOUND) {
        return ngx_http_privacy_send_message(ctx, NGX_HTTP_NOT_FOUND, "not_found", 0);
    }

    return ngx_http_privacy_send_message(ctx, NGX_HTTP_SERVICE_UNAVAILABLE, "archive_away",
                                         NGX_HTTP_PRIVACY_BUSY);
}
