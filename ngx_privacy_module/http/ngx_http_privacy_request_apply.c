/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_request.h"


/* Names of denied cookies that are remembered for expiring; the rest is only dropped. */
#define NGX_HTTP_PRIVACY_DENIED_MAX  32


static ngx_int_t ngx_http_privacy_strip_line(ngx_http_privacy_ctx_t *ctx, ngx_table_elt_t *h);
static void ngx_http_privacy_ask_identity(ngx_http_request_t *r);


/* What the rest of nginx and the upstream get to see of the request. */

ngx_int_t
ngx_http_privacy_apply(ngx_http_privacy_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    if (ngx_http_privacy_strip_cookies(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!ctx->enforced) {
        return NGX_OK;
    }

    if (ngx_http_privacy_forward(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->claims) {
        (void) ngx_http_privacy_header_in_remove(r, "x-privacy-user");
    }

    if (ctx->policy == NULL) {
        return NGX_OK;
    }

    if (ctx->navigation && (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD|NGX_HTTP_POST))) {
        ngx_http_privacy_ask_identity(r);
    }

    return ngx_http_privacy_validators_in(ctx);
}


ngx_int_t
ngx_http_privacy_strip_cookies(ngx_http_privacy_ctx_t *ctx)
{
    ngx_uint_t           n;
    ngx_table_elt_t     *h;
    ngx_http_request_t  *r;

    r = ctx->request;

    for (n = 0; (h = ngx_http_privacy_cookie_line(r, n)) != NULL; /* void */ ) {

        if (ngx_http_privacy_strip_line(ctx, h) != NGX_OK) {
            return NGX_ERROR;
        }

        if (ctx->enforced && h->value.len == 0) {
            ngx_http_privacy_cookie_line_remove(r, n);
            continue;
        }

        n++;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_privacy_strip_line(ngx_http_privacy_ctx_t *ctx, ngx_table_elt_t *h)
{
    u_char            *p, *kept;
    size_t             cursor;
    pv_str_t           line;
    uint64_t           purposes;
    ngx_str_t         *name;
    ngx_uint_t         passed, dropped, own;
    pv_cookie_pair_t   pair;

    line = ngx_http_privacy_str(&h->value);
    cursor = 0;
    passed = 0;
    dropped = 0;
    own = 0;

    /* A pair has a byte at least, and the space that we put in front of it may not have been there. */

    kept = ngx_pnalloc(ctx->request->pool, line.len + line.len / 2 + 2);
    if (kept == NULL) {
        return NGX_ERROR;
    }

    p = kept;

    while (pv_cookie_next(line, &cursor, &pair)) {

        if (ngx_http_privacy_own_cookie(pair.name)) {
            own++;
            continue;
        }

        if (ngx_http_privacy_allows(ctx, pair.name, &purposes)) {
            if (p != kept) {
                *p++ = ';';
                *p++ = ' ';
            }

            p = ngx_cpymem(p, pair.raw.data, pair.raw.len);
            passed++;
            continue;
        }

        dropped++;
        ngx_http_privacy_zone_dropped(ctx->main->zone, ctx->site->slot, 0, purposes);

        if (ctx->denied == NULL) {
            ctx->denied = ngx_array_create(ctx->request->pool, 4, sizeof(ngx_str_t));
            if (ctx->denied == NULL) {
                return NGX_ERROR;
            }
        }

        if (ctx->denied->nelts < NGX_HTTP_PRIVACY_DENIED_MAX && pair.name.len) {
            name = ngx_array_push(ctx->denied);
            if (name == NULL) {
                return NGX_ERROR;
            }

            name->data = (u_char *) pair.name.data;
            name->len = pair.name.len;
        }
    }

    if (passed) {
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_COOKIES_PASSED_REQUEST, passed);
    }

    if (dropped) {
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_COOKIES_DROPPED_REQUEST, dropped);
    }

    /* A line that stays whole stays as it was written. */

    if (ctx->enforced && (dropped || own)) {
        h->value.data = kept;
        h->value.len = p - kept;
    }

    return NGX_OK;
}


/*
 * An encoded body cannot be read: the upstream is asked for a plain one, and
 * nginx's own gunzip and gzip_static believe for now that this client takes no
 * gzip.  The header filter takes that back, so that gzip still compresses.
 */

static void
ngx_http_privacy_ask_identity(ngx_http_request_t *r)
{
#if (NGX_HTTP_GZIP || NGX_HTTP_HEADERS)
    if (r->headers_in.accept_encoding != NULL) {
        ngx_http_privacy_header_in_detach(r, r->headers_in.accept_encoding);
    }
#endif

#if (NGX_HTTP_GZIP)
    r->gzip_tested = 1;
    r->gzip_ok = 0;
#endif
}


/* A client's own line of that name is an attack, however it is spelled. */

ngx_int_t
ngx_http_privacy_forward(ngx_http_privacy_ctx_t *ctx)
{
    size_t               i;
    pv_buf_t             b;
    ngx_str_t            value;
    ngx_int_t            rc;
    pv_purpose_t        *p;
    ngx_http_request_t  *r;

    r = ctx->request;

    /* There are some too when they were written before: for who the visitor seemed to be. */

    if (ctx->claims || ctx->server->forward) {
        (void) ngx_http_privacy_header_in_remove(r, "x-privacy-consent");
        (void) ngx_http_privacy_header_in_remove(r, "x-privacy-version");
    }

    if (!ctx->server->forward || ctx->policy == NULL) {
        return NGX_OK;
    }

    pv_buf_init(&b, 64 * 1024);

    for (i = 0; i < ctx->policy->purposes_count; i++) {
        p = &ctx->policy->purposes[i];

        if (!p->necessary && (ctx->verdict.allowed & ((uint64_t) 1 << p->bit))) {
            if (b.len) {
                pv_buf_add(&b, ",", 1);
            }

            pv_buf_str(&b, p->id);
        }
    }

    rc = NGX_ERROR;

    if (b.failed) {
        goto done;
    }

    value.len = b.len;
    value.data = ngx_pnalloc(r->pool, b.len + 1);
    if (value.data == NULL) {
        goto done;
    }

    ngx_memcpy(value.data, b.data ? b.data : (u_char *) "", b.len);

    if (ngx_http_privacy_header_in_add(r, "X-Privacy-Consent", &value) != NGX_OK) {
        goto done;
    }

    value.data = (u_char *) ctx->policy->version.data;
    value.len = ctx->policy->version.len;

    rc = ngx_http_privacy_header_in_add(r, "X-Privacy-Version", &value);

done:

    pv_buf_free(&b);

    return rc;
}
