/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * The pages and documents under the centre's prefix, and gpc.json. What is the
 * same for everybody may be cached by anybody; what is one visitor's is private.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_privacy_center.h"


#define NGX_HTTP_NOT_ACCEPTABLE        406

#define NGX_HTTP_PRIVACY_READ          (NGX_HTTP_GET|NGX_HTTP_HEAD)

#define NGX_HTTP_PRIVACY_POLICY_TYPES                                                                             \
    (1 << NGX_HTTP_PRIVACY_HTML | 1 << NGX_HTTP_PRIVACY_MARKDOWN | 1 << NGX_HTTP_PRIVACY_JSON)


typedef ngx_int_t (*ngx_http_privacy_route_pt)(ngx_http_privacy_ctx_t *ctx, pv_str_t rest);

typedef struct {
    ngx_str_t                  path;
    ngx_uint_t                 below;       /* also everything below path: what follows is handed over */
    ngx_uint_t                 methods;
    ngx_http_privacy_route_pt  handler;
} ngx_http_privacy_route_t;


static ngx_int_t ngx_http_privacy_route_policy(ngx_http_privacy_ctx_t *ctx, pv_str_t rest);
static ngx_int_t ngx_http_privacy_route_choices(ngx_http_privacy_ctx_t *ctx, pv_str_t rest);
static ngx_int_t ngx_http_privacy_route_withdraw(ngx_http_privacy_ctx_t *ctx, pv_str_t rest);
static ngx_int_t ngx_http_privacy_route_state_css(ngx_http_privacy_ctx_t *ctx, pv_str_t rest);
static ngx_int_t ngx_http_privacy_route_state_js(ngx_http_privacy_ctx_t *ctx, pv_str_t rest);
static ngx_int_t ngx_http_privacy_route_asset(ngx_http_privacy_ctx_t *ctx, pv_str_t rest);

static ngx_int_t ngx_http_privacy_center_redirect(ngx_http_privacy_ctx_t *ctx);


static const ngx_http_privacy_route_t  ngx_http_privacy_routes[] = {

    { ngx_string(""), 0, NGX_HTTP_PRIVACY_READ, ngx_http_privacy_route_policy },
    { ngx_string("versions/"), 1, NGX_HTTP_PRIVACY_READ, ngx_http_privacy_route_version },
    { ngx_string("versions"), 1, NGX_HTTP_PRIVACY_READ, ngx_http_privacy_route_versions },
    { ngx_string("diff"), 0, NGX_HTTP_PRIVACY_READ, ngx_http_privacy_route_compare },
    { ngx_string("diff/"), 1, NGX_HTTP_PRIVACY_READ, ngx_http_privacy_route_diff },
    { ngx_string("timegate"), 0, NGX_HTTP_PRIVACY_READ, ngx_http_privacy_route_timegate },
    { ngx_string("timemap"), 0, NGX_HTTP_PRIVACY_READ, ngx_http_privacy_route_timemap },
    { ngx_string("log"), 0, NGX_HTTP_PRIVACY_READ, ngx_http_privacy_route_log },
    { ngx_string("log/"), 1, NGX_HTTP_PRIVACY_READ, ngx_http_privacy_route_log },
    { ngx_string("choices"), 0, NGX_HTTP_PRIVACY_READ|NGX_HTTP_POST, ngx_http_privacy_route_choices },
    { ngx_string("me/withdraw"), 0, NGX_HTTP_POST, ngx_http_privacy_route_withdraw },
    { ngx_string("events"), 0, NGX_HTTP_PRIVACY_READ, ngx_http_privacy_route_events },
    { ngx_string("notices/"), 1, NGX_HTTP_PRIVACY_READ|NGX_HTTP_POST, ngx_http_privacy_route_notice },
    { ngx_string("notices"), 1, NGX_HTTP_PRIVACY_READ, ngx_http_privacy_route_notices },
    { ngx_string("state.css"), 0, NGX_HTTP_PRIVACY_READ, ngx_http_privacy_route_state_css },
    { ngx_string("state.js"), 0, NGX_HTTP_PRIVACY_READ, ngx_http_privacy_route_state_js },
    { ngx_string("assets/"), 1, NGX_HTTP_PRIVACY_READ, ngx_http_privacy_route_asset },

    { ngx_null_string, 0, 0, NULL }
};


ngx_int_t
ngx_http_privacy_center_handler(ngx_http_request_t *r)
{
    pv_str_t                         rest;
    ngx_int_t                        rc;
    ngx_str_t                        prefix;
    ngx_http_privacy_ctx_t          *ctx;
    const ngx_http_privacy_route_t  *route;

    ctx = ngx_http_privacy_ctx_create(r);

    if (ctx == NULL || r != r->main) {
        return NGX_HTTP_NOT_FOUND;
    }

    prefix = ctx->server->prefix;

    if (r->uri.len < prefix.len || ngx_memcmp(r->uri.data, prefix.data, prefix.len) != 0) {
        /* "/privacy" for "/privacy/" */
        return ngx_http_privacy_center_redirect(ctx);
    }

    if (r->method & NGX_HTTP_PRIVACY_READ) {
        rc = ngx_http_discard_request_body(r);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (ctx->policy) {
        ctx->language = ngx_http_privacy_language(ctx, ctx->policy);
    }

    rest.data = r->uri.data + prefix.len;
    rest.len = r->uri.len - prefix.len;

    for (route = ngx_http_privacy_routes; route->handler; route++) {

        if (rest.len < route->path.len || ngx_memcmp(rest.data, route->path.data, route->path.len) != 0
            || (!route->below && rest.len != route->path.len))
        {
            continue;
        }

        if (!(r->method & route->methods)) {
            return ngx_http_privacy_not_allowed(ctx, route->methods);
        }

        rest.data += route->path.len;
        rest.len -= route->path.len;

        return route->handler(ctx, rest);
    }

    return ngx_http_privacy_send_message(ctx, NGX_HTTP_NOT_FOUND, "not_found", 0);
}


static ngx_int_t
ngx_http_privacy_center_redirect(ngx_http_privacy_ctx_t *ctx)
{
    ngx_http_privacy_answer_t  answer;

    if (ctx->request->uri.len + 1 != ctx->server->prefix.len) {
        return NGX_HTTP_NOT_FOUND;
    }

    ngx_memzero(&answer, sizeof(ngx_http_privacy_answer_t));
    answer.cache = "public, max-age=3600";

    return ngx_http_privacy_redirect(ctx, NGX_HTTP_MOVED_PERMANENTLY, &ctx->server->prefix, &answer);
}


ngx_int_t
ngx_http_privacy_redirect(ngx_http_privacy_ctx_t *ctx, ngx_uint_t status, ngx_str_t *location,
    ngx_http_privacy_answer_t *answer)
{
    pv_buf_t  body;

    if (ngx_http_privacy_header_out(ctx->request, "Location", location) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    answer->status = status;
    answer->type = "text/plain";

    pv_buf_init(&body, 1);

    return ngx_http_privacy_send(ctx, answer, &body);
}


ngx_int_t
ngx_http_privacy_not_allowed(ngx_http_privacy_ctx_t *ctx, ngx_uint_t methods)
{
    ngx_str_t  allow;

    if (methods == NGX_HTTP_POST) {
        ngx_str_set(&allow, "POST");

    } else if (methods & NGX_HTTP_POST) {
        ngx_str_set(&allow, "GET, HEAD, POST");

    } else {
        ngx_str_set(&allow, "GET, HEAD");
    }

    if (ngx_http_privacy_header_out(ctx->request, "Allow", &allow) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_privacy_send_message(ctx, NGX_HTTP_NOT_ALLOWED, "method", 0);
}


ngx_int_t
ngx_http_privacy_not_acceptable(ngx_http_privacy_ctx_t *ctx, ngx_uint_t types)
{
    pv_buf_t                   body;
    ngx_uint_t                 i, n;
    ngx_http_privacy_answer_t  answer;

    ngx_memzero(&answer, sizeof(ngx_http_privacy_answer_t));
    answer.status = NGX_HTTP_NOT_ACCEPTABLE;
    answer.type = "text/plain";
    answer.cache = NGX_HTTP_PRIVACY_REVALIDATE;
    answer.vary = "Accept, Accept-Language";

    pv_buf_init(&body, NGX_HTTP_PRIVACY_DOCUMENT_MAX);
    pv_buf_puts(&body, "This is available as");

    for (i = 0, n = 0; i < NGX_HTTP_PRIVACY_ANY; i++) {
        if (types & (1 << i)) {
            pv_buf_printf(&body, "%s %s", n++ ? "," : "", ngx_http_privacy_types[i]);
        }
    }

    pv_buf_puts(&body, ".\n");

    return ngx_http_privacy_send(ctx, &answer, &body);
}


static ngx_int_t
ngx_http_privacy_route_policy(ngx_http_privacy_ctx_t *ctx, pv_str_t rest)
{
    pv_str_t                   at;
    pv_page_t                  page;
    ngx_http_privacy_type_t    type;
    ngx_http_privacy_answer_t  answer;

    if (ctx->policy == NULL) {
        return ngx_http_privacy_send_message(ctx, NGX_HTTP_SERVICE_UNAVAILABLE, "no_policy", 5);
    }

    at = ngx_http_privacy_argument(ctx->request, "at");

    if (at.len) {
        return ngx_http_privacy_route_at(ctx, at);
    }

    type = ngx_http_privacy_negotiate(ctx, NGX_HTTP_PRIVACY_POLICY_TYPES);

    if (type == NGX_HTTP_PRIVACY_ANY) {
        return ngx_http_privacy_not_acceptable(ctx, NGX_HTTP_PRIVACY_POLICY_TYPES);
    }

    if (ngx_http_privacy_original_links(ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&answer, sizeof(ngx_http_privacy_answer_t));
    answer.status = NGX_HTTP_OK;
    answer.cache = NGX_HTTP_PRIVACY_REVALIDATE;
    answer.vary = "Accept, Accept-Language";

    ngx_http_privacy_public_page(ctx, &page, ctx->policy);

    return ngx_http_privacy_document(ctx, &page, type, &answer);
}


static ngx_int_t
ngx_http_privacy_route_choices(ngx_http_privacy_ctx_t *ctx, pv_str_t rest)
{
    if (ctx->request->method == NGX_HTTP_POST) {
        return ngx_http_privacy_choice_handler(ctx);
    }

    return ngx_http_privacy_send_choices(ctx, 0, NULL, ngx_http_privacy_wants_json(ctx->request));
}


static ngx_int_t
ngx_http_privacy_route_withdraw(ngx_http_privacy_ctx_t *ctx, pv_str_t rest)
{
    return ngx_http_privacy_withdraw_handler(ctx);
}


static ngx_int_t
ngx_http_privacy_route_state_css(ngx_http_privacy_ctx_t *ctx, pv_str_t rest)
{
    pv_buf_t                   body;
    pv_page_t                  page;
    ngx_http_privacy_answer_t  answer;

    ngx_memzero(&answer, sizeof(ngx_http_privacy_answer_t));
    answer.status = NGX_HTTP_OK;
    answer.type = "text/css";
    answer.cache = "private, no-cache";

    pv_buf_init(&body, NGX_HTTP_PRIVACY_DOCUMENT_MAX);

    if (ctx->policy && !ngx_http_privacy_foreign(ctx->request)) {
        ngx_http_privacy_page(ctx, &page);

        if (pv_state_css(&body, &page) != PV_OK) {
            body.failed = 1;
        }
    }

    if (ngx_http_privacy_body_tag(ctx, &body, &answer.etag) != NGX_OK) {
        body.failed = 1;
    }

    return ngx_http_privacy_send(ctx, &answer, &body);
}


/*
 * The token in it is masked anew each time: the ETag is of the state without
 * it, and of the hour, so that a script that was revalidated has a good token.
 */

static ngx_int_t
ngx_http_privacy_route_state_js(ngx_http_privacy_ctx_t *ctx, pv_str_t rest)
{
    char                       token[PV_TOKEN_MAX + 1];
    pv_buf_t                   body, plain;
    pv_page_t                  page;
    ngx_int_t                  len;
    ngx_http_privacy_answer_t  answer;

    ngx_memzero(&answer, sizeof(ngx_http_privacy_answer_t));
    answer.status = NGX_HTTP_OK;
    answer.type = "application/javascript";
    answer.cache = "private, no-cache";

    pv_buf_init(&body, NGX_HTTP_PRIVACY_DOCUMENT_MAX);

    if (ctx->policy == NULL || ngx_http_privacy_foreign(ctx->request)) {
        return ngx_http_privacy_send(ctx, &answer, &body);
    }

    pv_buf_init(&plain, NGX_HTTP_PRIVACY_DOCUMENT_MAX);

    ngx_http_privacy_page(ctx, &page);

    /* of the session one byte, as in the variants of pages: an ETag outlives it */

    page.session_tag.len = 0;

    if (pv_state_js(&plain, &page) != PV_OK) {
        body.failed = 1;
    }

    pv_buf_printf(&plain, "%ld %d %d", (long) (ngx_time() / 3600), ctx->has_session_tag,
                  ctx->has_session_tag ? ctx->session_tag[0] : 0);

    ngx_http_privacy_page_session(ctx, &page);

    if (ngx_http_privacy_body_tag(ctx, &plain, &answer.etag) != NGX_OK) {
        body.failed = 1;
    }

    pv_buf_free(&plain);

    len = ngx_http_privacy_token(ctx, ngx_http_privacy_form_choices(ctx), token);

    page.token.data = (unsigned char *) token;
    page.token.len = (len > 0) ? len : 0;

    if (pv_state_js(&body, &page) != PV_OK) {
        body.failed = 1;
    }

    return ngx_http_privacy_send(ctx, &answer, &body);
}


ngx_uint_t
ngx_http_privacy_foreign(ngx_http_request_t *r)
{
    pv_str_t  site;

    site = ngx_http_privacy_header_text(r, "sec-fetch-site");

    return pv_str_eqs(site, "cross-site") || pv_str_eqs(site, "same-site");
}


/* HASH/NAME. A hash that is not ours any more (a page from a cache) gets what there is, to be asked for again. */

static ngx_int_t
ngx_http_privacy_route_asset(ngx_http_privacy_ctx_t *ctx, pv_str_t rest)
{
    size_t                     i;
    pv_str_t                   hash, name;
    const pv_asset_t          *asset;
    ngx_http_privacy_answer_t  answer;

    for (i = 0; i < rest.len && rest.data[i] != '/'; i++) { /* void */ }

    hash.data = rest.data;
    hash.len = i;

    name.data = rest.data + i + 1;
    name.len = (i < rest.len) ? rest.len - i - 1 : 0;

    asset = name.len ? pv_ui_asset(ctx->main->ui, name) : NULL;

    if (asset == NULL || hash.len != sizeof(asset->hash) - 1) {
        return ngx_http_privacy_send_message(ctx, NGX_HTTP_NOT_FOUND, "not_found", 0);
    }

    ngx_memzero(&answer, sizeof(ngx_http_privacy_answer_t));
    answer.status = NGX_HTTP_OK;
    answer.type = asset->type;
    answer.etag = pv_str(asset->hash);
    answer.cache = pv_str_eqs(hash, asset->hash) ? NGX_HTTP_PRIVACY_IMMUTABLE : NGX_HTTP_PRIVACY_REVALIDATE;

    return ngx_http_privacy_send_bytes(ctx, &answer, asset->bytes);
}


/* The support resource of Global Privacy Control: that we honour it, and since when what we say about it holds. */

ngx_int_t
ngx_http_privacy_gpc_handler(ngx_http_request_t *r)
{
    pv_buf_t                   body;
    pv_str_t                   day;
    ngx_int_t                  rc;
    ngx_http_privacy_ctx_t    *ctx;
    ngx_http_privacy_answer_t  answer;

    ctx = ngx_http_privacy_ctx_create(r);

    if (ctx == NULL || r != r->main) {
        return NGX_HTTP_NOT_FOUND;
    }

    if (!(r->method & NGX_HTTP_PRIVACY_READ)) {
        return ngx_http_privacy_not_allowed(ctx, NGX_HTTP_PRIVACY_READ);
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_memzero(&answer, sizeof(ngx_http_privacy_answer_t));
    answer.status = NGX_HTTP_OK;
    answer.type = "application/json";
    answer.cache = NGX_HTTP_PRIVACY_REVALIDATE;

    pv_buf_init(&body, NGX_HTTP_PRIVACY_DOCUMENT_MAX);
    pv_buf_puts(&body, "{\"gpc\":true");

    if (ctx->policy) {
        /* the day as the publisher wrote it, in their own zone */
        day.data = ctx->policy->effective_text.data;
        day.len = ngx_min(ctx->policy->effective_text.len, sizeof("2026-12-01") - 1);

        pv_buf_puts(&body, ",\"lastUpdate\":");
        pv_buf_json(&body, day);
    }

    pv_buf_puts(&body, "}");

    if (ngx_http_privacy_body_tag(ctx, &body, &answer.etag) != NGX_OK) {
        body.failed = 1;
    }

    return ngx_http_privacy_send(ctx, &answer, &body);
}
