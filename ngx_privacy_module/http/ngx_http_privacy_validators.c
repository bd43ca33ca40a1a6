/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_notices.h"


/*
 * What we insert is part of the representation, so its validator says so:
 *
 *     upstream "abc"                   browser "abc~p1f0c9a3e"
 *     upstream Last-Modified only      browser W/"lm-5f3c12ab~p1f0c9a3e"
 *
 * "~p" stands for personal, "~s" for shared decoration; the eight digits say
 * what was inserted.  On the way in, a tag whose variant is what this request
 * would get today is translated back, so that the upstream (or nginx's cache)
 * can answer 304; any other variant of ours is taken out, so that it can not.
 *
 * A variant holds nothing of who the visitor is: an ETag outlives cookies.
 */


#define NGX_HTTP_PRIVACY_VARIANT_LEN  10        /* ~p and eight digits */
#define NGX_HTTP_PRIVACY_ETAG_MAX     1024

/* A token in a page is good for a day: a page that is revalidated longer gets a new one. */
#define NGX_HTTP_PRIVACY_VARIANT_AGE  (12 * 3600)


static ngx_uint_t ngx_http_privacy_is_ours(ngx_http_privacy_ctx_t *ctx);
static ngx_int_t ngx_http_privacy_mark_etag(ngx_http_request_t *r, ngx_uint_t decoration, const u_char *variant);
static ngx_int_t ngx_http_privacy_variant(ngx_http_privacy_ctx_t *ctx, ngx_uint_t decoration, u_char *out);
static u_char *ngx_http_privacy_hex(u_char *p, uint64_t number, ngx_uint_t digits);
static ngx_uint_t ngx_http_privacy_etag_next(ngx_str_t *list, ngx_str_t *tag);
static ngx_uint_t ngx_http_privacy_etag_variant(ngx_str_t *tag);
static ngx_int_t ngx_http_privacy_if_none_match(ngx_http_privacy_ctx_t *ctx, ngx_table_elt_t *h);
static void ngx_http_privacy_if_range(ngx_http_privacy_ctx_t *ctx);
static ngx_int_t ngx_http_privacy_modified_since(ngx_http_privacy_ctx_t *ctx, ngx_str_t *tag);
static void ngx_http_privacy_clear_etag(ngx_http_request_t *r);
static ngx_int_t ngx_http_privacy_set_etag(ngx_http_request_t *r, ngx_str_t *value);


ngx_int_t
ngx_http_privacy_validators_in(ngx_http_privacy_ctx_t *ctx)
{
    ngx_table_elt_t  *h;

    ngx_http_privacy_if_range(ctx);

    h = ctx->request->headers_in.if_none_match;

    if (h != NULL && ngx_strlchr(h->value.data, h->value.data + h->value.len, '~') != NULL) {
        return ngx_http_privacy_if_none_match(ctx, h);
    }

    /*
     * A page without a tag of ours was stored from before we were there, or
     * fetched by a script: shown to a visitor, it would be one without a banner.
     */

    if (ctx->document && !ngx_http_privacy_is_ours(ctx)) {
        ngx_http_privacy_validators_forget(ctx);
    }

    return NGX_OK;
}


/* The centre's own pages are not decorated. */

static ngx_uint_t
ngx_http_privacy_is_ours(ngx_http_privacy_ctx_t *ctx)
{
    ngx_str_t  *uri, *prefix;

    uri = &ctx->request->uri;
    prefix = &ctx->server->prefix;

    return prefix->len && uri->len >= prefix->len && ngx_memcmp(uri->data, prefix->data, prefix->len) == 0;
}


void
ngx_http_privacy_validators_forget(ngx_http_privacy_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request;
    ngx_str_null(&ctx->matched);

    if (r->headers_in.if_none_match != NULL) {
        ngx_http_privacy_header_in_detach(r, r->headers_in.if_none_match);
        r->headers_in.if_none_match = NULL;
    }

    if (r->headers_in.if_modified_since != NULL) {
        ngx_http_privacy_header_in_detach(r, r->headers_in.if_modified_since);
        r->headers_in.if_modified_since = NULL;
    }
}


static ngx_int_t
ngx_http_privacy_if_none_match(ngx_http_privacy_ctx_t *ctx, ngx_table_elt_t *h)
{
    u_char               variant[2][NGX_HTTP_PRIVACY_VARIANT_LEN], *p, *out;
    ngx_str_t            list, tag, modified;
    ngx_uint_t           i;
    ngx_http_request_t  *r;

    r = ctx->request;
    list = h->value;
    ngx_str_null(&modified);

    /* What cannot be rendered has no variant that could match. */

    for (i = 0; i < 2; i++) {
        if (ngx_http_privacy_variant(ctx, i ? NGX_HTTP_PRIVACY_SHARED : NGX_HTTP_PRIVACY_PERSONAL, variant[i])
            != NGX_OK)
        {
            ngx_memzero(variant[i], NGX_HTTP_PRIVACY_VARIANT_LEN);
        }
    }

    /* Two tags may stand side by side without anything between them. */

    out = ngx_pnalloc(r->pool, 2 * list.len + 1);
    if (out == NULL) {
        return NGX_ERROR;
    }

    p = out;

    while (ngx_http_privacy_etag_next(&list, &tag)) {

        if (ngx_http_privacy_etag_variant(&tag)) {
            for (i = 0; i < 2; i++) {
                if (ngx_memcmp(tag.data + tag.len - 1 - NGX_HTTP_PRIVACY_VARIANT_LEN, variant[i],
                               NGX_HTTP_PRIVACY_VARIANT_LEN)
                    == 0)
                {
                    break;
                }
            }

            if (i == 2 || !ctx->navigation) {
                continue;
            }

            ctx->matched = tag;
            ctx->matched_decoration = i ? NGX_HTTP_PRIVACY_SHARED : NGX_HTTP_PRIVACY_PERSONAL;

            tag.len -= NGX_HTTP_PRIVACY_VARIANT_LEN + 1;

            if (tag.len > 6 && ngx_strncmp(tag.data, "W/\"lm-", 6) == 0) {
                modified.data = tag.data + 6;
                modified.len = tag.len - 6;
                continue;
            }

            if (p != out) {
                *p++ = ',';
            }

            p = ngx_cpymem(p, tag.data, tag.len);
            *p++ = '"';
            continue;
        }

        if (p != out) {
            *p++ = ',';
        }

        p = ngx_cpymem(p, tag.data, tag.len);
    }

    if (p != out) {
        h->value.data = out;
        h->value.len = p - out;
        return NGX_OK;
    }

    ngx_http_privacy_header_in_detach(r, h);
    r->headers_in.if_none_match = NULL;

    if (modified.len) {
        return ngx_http_privacy_modified_since(ctx, &modified);
    }

    /* Without its tag a date must not match either: it says nothing of the variant. */

    if (r->headers_in.if_modified_since != NULL) {
        ngx_http_privacy_header_in_detach(r, r->headers_in.if_modified_since);
        r->headers_in.if_modified_since = NULL;
    }

    return NGX_OK;
}


/* Our own tag for a response that had a date only: ask by that date. */

static ngx_int_t
ngx_http_privacy_modified_since(ngx_http_privacy_ctx_t *ctx, ngx_str_t *digits)
{
    time_t               t;
    ngx_int_t            n;
    ngx_str_t            value;
    ngx_table_elt_t     *h;
    ngx_http_request_t  *r;

    r = ctx->request;
    n = ngx_hextoi(digits->data, digits->len);

    if (n == NGX_ERROR) {
        ngx_str_null(&ctx->matched);
        return NGX_OK;
    }

    t = (time_t) n;

    value.data = ngx_pnalloc(r->pool, sizeof("Mon, 28 Sep 1970 06:00:00 GMT"));
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_http_time(value.data, t) - value.data;

    h = r->headers_in.if_modified_since;

    if (h != NULL) {
        h->value = value;
        return NGX_OK;
    }

    if (ngx_http_privacy_header_in_add(r, "If-Modified-Since", &value) != NGX_OK) {
        return NGX_ERROR;
    }

    r->headers_in.if_modified_since = ngx_http_privacy_header_in(r, "if-modified-since");

    return NGX_OK;
}


/* A part of a decorated page can not be had: the whole of it is the right answer to such an If-Range. */

static void
ngx_http_privacy_if_range(ngx_http_privacy_ctx_t *ctx)
{
    ngx_table_elt_t     *h;
    ngx_http_request_t  *r;

    r = ctx->request;
    h = r->headers_in.if_range;

    if (h == NULL || !ngx_http_privacy_etag_variant(&h->value)) {
        return;
    }

    ngx_http_privacy_header_in_detach(r, h);
    r->headers_in.if_range = NULL;

    if (r->headers_in.range != NULL) {
        ngx_http_privacy_header_in_detach(r, r->headers_in.range);
        r->headers_in.range = NULL;
    }
}


ngx_int_t
ngx_http_privacy_validators_out(ngx_http_privacy_ctx_t *ctx, ngx_uint_t decoration)
{
    u_char  variant[NGX_HTTP_PRIVACY_VARIANT_LEN];

    if (ngx_http_privacy_variant(ctx, decoration, variant) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_privacy_mark_etag(ctx->request, decoration, variant);
}


static ngx_int_t
ngx_http_privacy_mark_etag(ngx_http_request_t *r, ngx_uint_t decoration, const u_char *variant)
{
    u_char     *p;
    time_t      modified;
    ngx_str_t   etag, value;

    modified = r->headers_out.last_modified_time;

    if (r->headers_out.etag != NULL) {
        etag = r->headers_out.etag->value;

        if (etag.len < 2 || etag.len > NGX_HTTP_PRIVACY_ETAG_MAX || etag.data[etag.len - 1] != '"') {
            ngx_str_null(&etag);
        }

    } else {
        ngx_str_null(&etag);
    }

    ngx_http_privacy_clear_etag(r);
    ngx_http_clear_last_modified(r);

    /*
     * RFC 9110 8.8.1: the same tag only for the same bytes, and a form's token
     * is never the same twice: personal ones are weak.
     */

    value.data = ngx_pnalloc(r->pool, etag.len + NGX_HTTP_PRIVACY_VARIANT_LEN + sizeof("W/\"lm-\"") + 16);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    if (etag.len) {
        p = value.data;

        if (decoration == NGX_HTTP_PRIVACY_PERSONAL && etag.data[0] == '"') {
            p = ngx_cpymem(p, "W/", 2);
        }

        p = ngx_cpymem(p, etag.data, etag.len - 1);

    } else if (modified > 0) {
        p = ngx_cpymem(value.data, "W/\"lm-", 6);
        p = ngx_http_privacy_hex(p, modified, (uint64_t) modified >> 32 ? 16 : 8);

    } else {
        return NGX_OK;
    }

    p = ngx_cpymem(p, variant, NGX_HTTP_PRIVACY_VARIANT_LEN);
    *p++ = '"';

    value.len = p - value.data;

    return ngx_http_privacy_set_etag(r, &value);
}


ngx_int_t
ngx_http_privacy_validators_not_modified(ngx_http_privacy_ctx_t *ctx, ngx_uint_t *decoration)
{
    ngx_http_request_t  *r;

    r = ctx->request;
    *decoration = 0;

    if (ctx->matched.len == 0) {
        return NGX_OK;
    }

    *decoration = ctx->matched_decoration;

    /*
     * Of several tags only the upstream knows which one it was. The variant is
     * what the browser has, not what it would get by now: a notice may have
     * become known while the upstream answered.
     */

    if (r->headers_out.etag != NULL) {
        return ngx_http_privacy_mark_etag(r, *decoration, ctx->matched.data + ctx->matched.len - 1
                                                          - NGX_HTTP_PRIVACY_VARIANT_LEN);
    }

    ngx_http_privacy_clear_etag(r);
    ngx_http_clear_last_modified(r);

    return ngx_http_privacy_set_etag(r, &ctx->matched);
}


static ngx_int_t
ngx_http_privacy_variant(ngx_http_privacy_ctx_t *ctx, ngx_uint_t decoration, u_char *out)
{
    u_char                   *what, state[3];
    uint32_t                  crc, bars_crc;
    ngx_http_privacy_bars_t   bars;
    ngx_http_privacy_view_t  *view;

    view = ngx_http_privacy_view(ctx, decoration);
    if (view == NULL) {
        return NGX_ERROR;
    }

    ngx_http_privacy_bars(ctx, decoration, &bars);
    bars_crc = ngx_http_privacy_bars_variant(&bars);

    if (decoration == NGX_HTTP_PRIVACY_SHARED && bars_crc == 0) {
        out = ngx_cpymem(out, "~s", 2);
        ngx_memcpy(out, view->variant_shared, 8);
        return NGX_OK;
    }

    ngx_crc32_init(crc);

    if (decoration == NGX_HTTP_PRIVACY_SHARED) {
        ngx_crc32_update(&crc, view->variant_shared, 8);
        ngx_crc32_update(&crc, (u_char *) &bars_crc, sizeof(bars_crc));
        ngx_crc32_final(crc);

        out = ngx_cpymem(out, "~s", 2);
        (void) ngx_http_privacy_hex(out, crc, 8);
        return NGX_OK;
    }

    what = ctx->verdict.asked ? view->variant_banner[ctx->signal] : view->variant_settings;

    ngx_crc32_update(&crc, what, 8);
    ngx_crc32_update(&crc, (u_char *) &bars_crc, sizeof(bars_crc));

    if (ngx_http_privacy_user_session_tag(ctx) == NGX_OK) {

        /*
         * The page names the session to our script. One byte of that is enough
         * for what is stored of another one to be mostly no match, and too
         * little to know anybody by; where it matches, the script is silent.
         */

        ngx_crc32_update(&crc, view->variant_user, 8);
        ngx_crc32_update(&crc, ctx->session_tag, 1);
    }

    if (ctx->verdict.asked || bars.personal) {
        state[0] = (u_char) (ngx_time() / NGX_HTTP_PRIVACY_VARIANT_AGE);
        state[1] = ctx->has_user;
        state[2] = ctx->has_consent ? (u_char) ctx->consent.position : 0;

        ngx_crc32_update(&crc, state, 3);
    }

    ngx_crc32_final(crc);

    out = ngx_cpymem(out, "~p", 2);
    (void) ngx_http_privacy_hex(out, crc, 8);

    return NGX_OK;
}


static u_char *
ngx_http_privacy_hex(u_char *p, uint64_t number, ngx_uint_t digits)
{
    static const u_char  hex[] = "0123456789abcdef";

    while (digits-- != 0) {
        *p++ = hex[number >> 4 * digits & 15];
    }

    return p;
}


/* The next entity tag of a list, with its quotes and W/. */

static ngx_uint_t
ngx_http_privacy_etag_next(ngx_str_t *list, ngx_str_t *tag)
{
    u_char  *p, *last;

    p = list->data;
    last = p + list->len;

    while (p < last && (*p == ' ' || *p == '\t' || *p == ',')) {
        p++;
    }

    if (p == last) {
        return 0;
    }

    tag->data = p;

    while (p < last && *p != '"' && *p != ',') {
        p++;
    }

    if (p < last && *p == '"') {
        p++;

        while (p < last && *p != '"') {
            p++;
        }

        if (p < last) {
            p++;
        }
    }

    tag->len = p - tag->data;

    list->len = last - p;
    list->data = p;

    return tag->len != 0;
}


static ngx_uint_t
ngx_http_privacy_etag_variant(ngx_str_t *tag)
{
    u_char  *p;

    if (tag->len < NGX_HTTP_PRIVACY_VARIANT_LEN + 2 || tag->data[tag->len - 1] != '"') {
        return 0;
    }

    p = tag->data + tag->len - 1 - NGX_HTTP_PRIVACY_VARIANT_LEN;

    return p[0] == '~' && (p[1] == 'p' || p[1] == 's') && ngx_hextoi(p + 2, 8) != NGX_ERROR;
}


static void
ngx_http_privacy_clear_etag(ngx_http_request_t *r)
{
    if (r->headers_out.etag != NULL) {
        r->headers_out.etag->hash = 0;
        r->headers_out.etag = NULL;
    }
}


static ngx_int_t
ngx_http_privacy_set_etag(ngx_http_request_t *r, ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    ngx_str_set(&h->key, "ETag");
    h->value = *value;
    h->lowcase_key = NULL;
    ngx_http_privacy_header_unlink(h);

    r->headers_out.etag = h;

    return NGX_OK;
}
