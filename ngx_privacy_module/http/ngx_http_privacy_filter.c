/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_notices.h"


static ngx_int_t ngx_http_privacy_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_privacy_body_filter(ngx_http_request_t *r, ngx_chain_t *in);
static ngx_int_t ngx_http_privacy_enforce(ngx_http_privacy_ctx_t *ctx);
static ngx_int_t ngx_http_privacy_decorate(ngx_http_privacy_ctx_t *ctx, ngx_uint_t cookies);
static ngx_int_t ngx_http_privacy_not_modified(ngx_http_privacy_ctx_t *ctx);
static ngx_int_t ngx_http_privacy_personal_cookies(ngx_http_privacy_ctx_t *ctx);
static ngx_uint_t ngx_http_privacy_decoration(ngx_http_privacy_ctx_t *ctx, ngx_uint_t cookies);
static ngx_uint_t ngx_http_privacy_is_html(ngx_http_request_t *r);
static ngx_uint_t ngx_http_privacy_is_wide(ngx_http_request_t *r);
static void ngx_http_privacy_clear_digests(ngx_http_request_t *r);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


ngx_int_t
ngx_http_privacy_filter_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_privacy_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_privacy_body_filter;

    ngx_http_privacy_hints_init();

    return NGX_OK;
}


static ngx_int_t
ngx_http_privacy_header_filter(ngx_http_request_t *r)
{
    ngx_uint_t                    passed, consented;
    ngx_http_privacy_ctx_t       *ctx;
    ngx_http_privacy_srv_conf_t  *pscf;

    if (r != r->main) {
        return ngx_http_next_header_filter(r);
    }

    ctx = ngx_http_privacy_ctx(r);

    if (ctx == NULL) {
        pscf = ngx_http_get_module_srv_conf(r, ngx_http_privacy_module);

        if (pscf->mode == NGX_HTTP_PRIVACY_OFF) {
            return ngx_http_next_header_filter(r);
        }

        /* A request that failed before its first phase: nobody in particular. */

        ctx = ngx_http_privacy_ctx_create(r);
        if (ctx == NULL) {
            return NGX_ERROR;
        }
    }

    ctx->decoration = 0;
    ctx->page = NULL;

    if (ctx->enforced) {
        if (ngx_http_privacy_enforce(ctx) != NGX_OK) {
            return NGX_ERROR;
        }

        /* The header waits for the first piece of the page, which mostly says how long all of it will be. */

        return ngx_http_privacy_page_postpones(ctx) ? NGX_OK : ngx_http_next_header_filter(r);
    }

    (void) ngx_http_privacy_gate_response(ctx, &passed, &consented);

    if (ctx->policy != NULL && !ctx->own) {
        if (ngx_http_privacy_is_html(r)) {
            (void) ngx_http_privacy_decoration(ctx, passed);

        } else {
            ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_SKIPPED_TYPE, 1);
        }
    }

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_http_privacy_enforce(ngx_http_privacy_ctx_t *ctx)
{
    ngx_uint_t           passed, consented, bind;
    ngx_http_request_t  *r;

    r = ctx->request;

#if (NGX_HTTP_GZIP)

    /* What was said to gunzip and gzip_static is not for gzip, which comes next. */

    if (ctx->ready && ctx->navigation) {
        r->gzip_tested = 0;
        r->gzip_ok = 0;
    }

#endif

    if (ngx_http_privacy_user_response(ctx, &bind) != NGX_OK
        || ngx_http_privacy_gate_response(ctx, &passed, &consented) != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* A cookie that passed because this visitor agreed must not reach another one through a cache. */

    if ((consented || bind) && ngx_http_privacy_make_private(r) != NGX_OK) {
        return NGX_ERROR;
    }

    if (bind && ngx_http_privacy_user_set_cookie(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->user_asserted) {
        ngx_http_privacy_notice_meet(ctx);
    }

    if (ctx->own) {
        if (ctx->choice_made) {
            return ngx_http_privacy_gate_expire(ctx);
        }

        return NGX_OK;
    }

    if (ctx->policy == NULL || ctx->server->prefix.len == 0) {
        if (ngx_http_privacy_is_html(r)) {
            ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_SKIPPED_NO_POLICY, 1);
        }

        return NGX_OK;
    }

    if (r->headers_out.status == NGX_HTTP_NOT_MODIFIED) {
        return ngx_http_privacy_not_modified(ctx);
    }

    return ngx_http_privacy_decorate(ctx, passed);
}


static ngx_int_t
ngx_http_privacy_decorate(ngx_http_privacy_ctx_t *ctx, ngx_uint_t cookies)
{
    ngx_uint_t           decoration;
    ngx_http_request_t  *r;

    r = ctx->request;

    if (!ngx_http_privacy_is_html(r)) {
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_SKIPPED_TYPE, 1);
        return NGX_OK;
    }

    if (ngx_http_privacy_header_out(r, "Link", &ctx->server->link) != NGX_OK) {
        return NGX_ERROR;
    }

    decoration = ngx_http_privacy_decoration(ctx, cookies);

    if (decoration == 0) {
        return NGX_OK;
    }

    if (ngx_http_privacy_validators_out(ctx, decoration) != NGX_OK) {
        return NGX_ERROR;
    }

    if (decoration == NGX_HTTP_PRIVACY_PERSONAL) {
        if (ngx_http_privacy_make_personal(r) != NGX_OK || ngx_http_privacy_personal_cookies(ctx) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    ngx_http_clear_accept_ranges(r);
    ngx_http_privacy_clear_digests(r);

    ctx->decoration = decoration;

    if (r->header_only) {
        ngx_http_clear_content_length(r);
        return NGX_OK;
    }

    r->main_filter_need_in_memory = 1;

    return ngx_http_privacy_page_start(ctx, decoration);
}


/* They are of the bytes that came, not of those that go. */

static void
ngx_http_privacy_clear_digests(ngx_http_request_t *r)
{
    u_char            last;
    ngx_uint_t        i, n;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    static const ngx_str_t  digests[] = {
        ngx_string("Content-Digest"), ngx_string("Repr-Digest"), ngx_string("Digest"), ngx_string("Content-MD5")
    };

    for (part = &r->headers_out.headers.part; part != NULL; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            last = h[i].key.len ? h[i].key.data[h[i].key.len - 1] | 0x20 : 0;

            if (last != 't' && last != '5') {
                continue;
            }

            for (n = 0; n < sizeof(digests) / sizeof(digests[0]); n++) {
                if (h[i].key.len == digests[n].len
                    && ngx_strncasecmp(h[i].key.data, digests[n].data, digests[n].len) == 0)
                {
                    h[i].hash = 0;
                }
            }
        }
    }
}


static ngx_int_t
ngx_http_privacy_not_modified(ngx_http_privacy_ctx_t *ctx)
{
    ngx_uint_t  decoration;

    if (ngx_http_privacy_validators_not_modified(ctx, &decoration) != NGX_OK) {
        return NGX_ERROR;
    }

    /* A 304 renews what the browser stored: it must not become fresh or public by it. */

    if (decoration == NGX_HTTP_PRIVACY_PERSONAL) {
        return ngx_http_privacy_make_personal(ctx->request);
    }

    return NGX_OK;
}


/* The response is private: what is fresher than the browser's own goes with it, what it may not hold is expired. */

static ngx_int_t
ngx_http_privacy_personal_cookies(ngx_http_privacy_ctx_t *ctx)
{
    if (ctx->has_consent && ctx->renew && ngx_http_privacy_set_consent_cookie(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->denied == NULL) {
        return NGX_OK;
    }

    return ngx_http_privacy_gate_expire(ctx);
}


/* What is to be done to this page, or 0 (and why: counted). */

static ngx_uint_t
ngx_http_privacy_decoration(ngx_http_privacy_ctx_t *ctx, ngx_uint_t cookies)
{
    ngx_uint_t                     status, why, decoration;
    ngx_http_request_t            *r;
    ngx_http_privacy_loc_conf_t   *plcf;

    r = ctx->request;
    status = r->headers_out.status;

    if (status < NGX_HTTP_OK || status == NGX_HTTP_NO_CONTENT || (status >= 205 && status < 400)) {
        why = NGX_HTTP_PRIVACY_SKIPPED_STATUS;

    } else if (!ctx->navigation || !ctx->ready) {
        why = NGX_HTTP_PRIVACY_SKIPPED_FRAGMENT;

    } else if (r->headers_out.content_length_n == 0
               || ngx_http_privacy_header_out_has(r, "content-disposition", "attachment"))
    {
        why = NGX_HTTP_PRIVACY_SKIPPED_TYPE;

    } else if (r->headers_out.content_encoding && r->headers_out.content_encoding->value.len
               && r->headers_out.content_encoding->hash)
    {
        why = NGX_HTTP_PRIVACY_SKIPPED_ENCODING;

    } else if (ngx_http_privacy_is_wide(r)) {
        why = NGX_HTTP_PRIVACY_SKIPPED_CHARSET;

    } else if (ngx_http_privacy_header_out_has(r, "cache-control", "no-transform")) {
        why = NGX_HTTP_PRIVACY_SKIPPED_NO_TRANSFORM;

    } else {
        why = NGX_HTTP_PRIVACY_COUNTERS;
    }

    if (why != NGX_HTTP_PRIVACY_COUNTERS) {
        ngx_http_privacy_count(ctx, why, 1);
        return 0;
    }

    if (ctx->verdict.asked) {
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_PAGES_UNDECIDED, 1);
    }

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_privacy_module);

    decoration = (plcf->decorate == NGX_HTTP_PRIVACY_SHARED
                  || (plcf->decorate == NGX_HTTP_PRIVACY_AUTO && cookies == 0 && ngx_http_privacy_cacheable(r)))
                 ? NGX_HTTP_PRIVACY_SHARED : NGX_HTTP_PRIVACY_PERSONAL;

    /* What cannot be rendered is not shown, but the site is served. */

    if (ngx_http_privacy_view(ctx, decoration) == NULL) {
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_SKIPPED_NO_POLICY, 1);
        return 0;
    }

    ngx_http_privacy_count(ctx, decoration == NGX_HTTP_PRIVACY_SHARED ? NGX_HTTP_PRIVACY_PAGES_SHARED
                                                                      : NGX_HTTP_PRIVACY_PAGES_PERSONAL, 1);

    return decoration;
}


static ngx_uint_t
ngx_http_privacy_is_html(ngx_http_request_t *r)
{
    ngx_str_t  *type;

    type = &r->headers_out.content_type;

    return type->len >= 9 && ngx_http_privacy_eight(type->data, "text/htm") && (type->data[8] | 0x20) == 'l'
           && (type->len == 9 || type->data[9] == ';' || type->data[9] == ' ' || type->data[9] == '\t');
}


/* Encodings in which ASCII bytes are not ASCII characters. */

static ngx_uint_t
ngx_http_privacy_is_wide(ngx_http_request_t *r)
{
    u_char      *p, *last;
    ngx_str_t    charset;

    charset = r->headers_out.charset;

    if (charset.len == 0) {
        p = r->headers_out.content_type.data + sizeof("text/html") - 1;
        last = r->headers_out.content_type.data + r->headers_out.content_type.len;

        if (last - p < 8) {
            return 0;
        }

        p = ngx_strlcasestrn(p, last, (u_char *) "charset=", 8 - 1);

        if (p == NULL) {
            return 0;
        }

        p += 8;

        if (p < last && *p == '"') {
            p++;
        }

        charset.data = p;
        charset.len = last - p;
    }

    return (charset.len >= 6 && ngx_strncasecmp(charset.data, (u_char *) "utf-16", 6) == 0)
           || (charset.len >= 6 && ngx_strncasecmp(charset.data, (u_char *) "utf-32", 6) == 0)
           || (charset.len >= 5 && ngx_strncasecmp(charset.data, (u_char *) "utf-7", 5) == 0)
           || (charset.len >= 5 && ngx_strncasecmp(charset.data, (u_char *) "ucs-2", 5) == 0)
           || (charset.len >= 8 && ngx_strncasecmp(charset.data, (u_char *) "iso-2022", 8) == 0)
           || (charset.len >= 5 && ngx_strncasecmp(charset.data, (u_char *) "hz-gb", 5) == 0);
}


ngx_int_t
ngx_http_privacy_send_header(ngx_http_request_t *r)
{
    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_http_privacy_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_http_privacy_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r->main, ngx_http_privacy_module);

    if (ctx == NULL || ctx->page == NULL) {
        return ngx_http_next_body_filter(r, in);
    }

    return ngx_http_privacy_page_filter(r, in, ngx_http_next_body_filter);
}
