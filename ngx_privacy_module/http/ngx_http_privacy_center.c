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
#define NGX_HTTP_PRIVACY_PAGES         1000000      /* of any list: past it, it is no page's number */

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
static ngx_uint_t ngx_http_privacy_plain(ngx_http_privacy_ctx_t *ctx, pv_page_t *page);
static ngx_int_t ngx_http_privacy_send_kept(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_answer_t *answer,
    ngx_http_privacy_kept_t *kept);


/* By ngx_http_privacy_type_t. */

const char *const  ngx_http_privacy_types[] = { "text/html", "text/markdown", "application/json", PV_ATOM_TYPE };

static const ngx_str_t  ngx_http_privacy_suffixes[] = {
    ngx_string(".html"), ngx_string(".md"), ngx_string(".json"), ngx_string(".atom")
};


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


pv_str_t
ngx_http_privacy_header_text(ngx_http_request_t *r, const char *lowcase)
{
    ngx_table_elt_t  *h;

    h = ngx_http_privacy_header_in(r, lowcase);

    return h ? ngx_http_privacy_str(&h->value) : pv_str("");
}


pv_str_t
ngx_http_privacy_argument(ngx_http_request_t *r, const char *name)
{
    u_char     *dst, *src;
    pv_str_t    value;
    ngx_str_t   arg;

    value = pv_str("");

    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), &arg) != NGX_OK) {
        return value;
    }

    dst = ngx_pnalloc(r->pool, arg.len);
    if (dst == NULL) {
        return value;
    }

    src = arg.data;
    value.data = dst;
    ngx_unescape_uri(&dst, &src, arg.len, 0);
    value.len = dst - value.data;

    return value;
}


ngx_uint_t
ngx_http_privacy_page_number(ngx_http_request_t *r)
{
    ngx_int_t  n;
    ngx_str_t  arg;

    if (ngx_http_arg(r, (u_char *) "page", 4, &arg) != NGX_OK) {
        return 1;
    }

    n = ngx_atoi(arg.data, arg.len);

    return (n > 0 && n <= NGX_HTTP_PRIVACY_PAGES) ? (ngx_uint_t) n : 0;
}


ngx_http_privacy_type_t
ngx_http_privacy_negotiate(ngx_http_privacy_ctx_t *ctx, ngx_uint_t types)
{
    int                      chosen;
    size_t                   n;
    pv_str_t                 offers[NGX_HTTP_PRIVACY_ANY];
    ngx_uint_t               i;
    ngx_http_privacy_type_t  offered[NGX_HTTP_PRIVACY_ANY];

    for (i = 0, n = 0; i < NGX_HTTP_PRIVACY_ANY; i++) {
        if (types & (1 << i)) {
            offered[n] = (ngx_http_privacy_type_t) i;
            offers[n++] = pv_str(ngx_http_privacy_types[i]);
        }
    }

    chosen = pv_accept_choose(offers, n, ngx_http_privacy_header_text(ctx->request, "accept"));

    return (chosen < 0) ? NGX_HTTP_PRIVACY_ANY : offered[chosen];
}


ngx_http_privacy_type_t
ngx_http_privacy_suffix(pv_str_t *name, ngx_uint_t types)
{
    ngx_uint_t        i;
    const ngx_str_t  *suffix;

    for (i = 0; i < NGX_HTTP_PRIVACY_ANY; i++) {
        suffix = &ngx_http_privacy_suffixes[i];

        if ((types & (1 << i)) && name->len >= suffix->len
            && ngx_memcmp(name->data + name->len - suffix->len, suffix->data, suffix->len) == 0)
        {
            name->len -= suffix->len;
            return (ngx_http_privacy_type_t) i;
        }
    }

    return NGX_HTTP_PRIVACY_ANY;
}


ngx_uint_t
ngx_http_privacy_wants_json(ngx_http_request_t *r)
{
    pv_str_t  accept, offers[2];

    offers[0] = pv_str("text/html");
    offers[1] = pv_str("application/json");

    accept = ngx_http_privacy_header_text(r, "accept");

    if (pv_str_eq(accept, offers[1])) {
        return 1;                       /* as scripts say it */
    }

    return accept.len && pv_accept_choose(offers, 2, accept) == 1;
}


size_t
ngx_http_privacy_choose_language(ngx_http_privacy_ctx_t *ctx, const pv_str_t *tags, size_t n)
{
    return pv_language_choose(tags, n, ngx_http_privacy_header_text(ctx->request, "accept-language"),
                              ngx_http_privacy_argument(ctx->request, "lang"));
}


size_t
ngx_http_privacy_language(ngx_http_privacy_ctx_t *ctx, const pv_policy_t *policy)
{
    size_t    i;
    pv_str_t  tags[PV_LANGUAGES_MAX];

    for (i = 0; i < policy->texts_count && i < PV_LANGUAGES_MAX; i++) {
        tags[i] = policy->texts[i].language;
    }

    return ngx_http_privacy_choose_language(ctx, tags, i);
}


/* 1 for the version in force and nothing else: the document is the same until another one comes into force. */

static ngx_uint_t
ngx_http_privacy_plain(ngx_http_privacy_ctx_t *ctx, pv_page_t *page)
{
    return page->policy == ctx->policy && page->in_force == ctx->policy && page->language == ctx->language
           && page->message == NULL && page->missed.len == 0 && page->bound == NULL && page->shown == NULL
           && page->earlier == NULL && page->later == NULL && page->at == 0;
}


static ngx_int_t
ngx_http_privacy_send_kept(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_answer_t *answer,
    ngx_http_privacy_kept_t *kept)
{
    answer->etag.data = kept->tag;
    answer->etag.len = sizeof(kept->tag);

    return ngx_http_privacy_send_bytes(ctx, answer, kept->bytes);
}


void
ngx_http_privacy_public_page(ngx_http_privacy_ctx_t *ctx, pv_page_t *page, const pv_policy_t *policy)
{
    ngx_http_privacy_page(ctx, page);

    page->policy = policy;
    page->consent = NULL;
    page->verdict = NULL;
    page->signal = NULL;
    page->user = 0;
    page->session_tag.len = 0;
    page->pending = 0;

    ngx_http_privacy_page_language(ctx, page, ngx_http_privacy_language(ctx, policy));
}


void
ngx_http_privacy_page_language(ngx_http_privacy_ctx_t *ctx, pv_page_t *page, size_t language)
{
    page->language = language;
    page->missed = pv_language_missed(page->policy->texts[language].language,
                                      ngx_http_privacy_header_text(ctx->request, "accept-language"),
                                      ngx_http_privacy_argument(ctx->request, "lang"));
}


ngx_int_t
ngx_http_privacy_refuse(ngx_http_privacy_ctx_t *ctx, ngx_uint_t status, const char *key, ngx_uint_t retry_after)
{
    return ngx_http_privacy_wants_json(ctx->request)
           ? ngx_http_privacy_send_error(ctx, status, key, retry_after)
           : ngx_http_privacy_send_message(ctx, status, key, retry_after);
}


ngx_int_t
ngx_http_privacy_send_tagged(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_answer_t *answer, pv_buf_t *body, int rc)
{
    if (rc != PV_OK || ngx_http_privacy_body_tag(ctx, body, &answer->etag) != NGX_OK) {
        body->failed = 1;
    }

    return ngx_http_privacy_send(ctx, answer, body);
}


ngx_int_t
ngx_http_privacy_document(ngx_http_privacy_ctx_t *ctx, pv_page_t *page, ngx_http_privacy_type_t type,
    ngx_http_privacy_answer_t *answer)
{
    int                       rc;
    pv_buf_t                  body;
    const pv_text_t          *text;
    ngx_http_privacy_kept_t  *kept;

    text = &page->policy->texts[page->language];

    if (type != NGX_HTTP_PRIVACY_JSON) {
        answer->language = text->language;
    }

    answer->type = ngx_http_privacy_types[type];

    kept = ngx_http_privacy_plain(ctx, page) ? ngx_http_privacy_kept(ctx, type) : NULL;

    if (kept && kept->bytes.data) {
        return ngx_http_privacy_send_kept(ctx, answer, kept);
    }

    pv_buf_init(&body, NGX_HTTP_PRIVACY_DOCUMENT_MAX);
    rc = PV_OK;

    switch (type) {

    case NGX_HTTP_PRIVACY_MARKDOWN:
        pv_buf_str(&body, text->markdown);
        break;

    case NGX_HTTP_PRIVACY_JSON:
        rc = pv_json_policy(&body, page);
        break;

    default:
        rc = pv_page_policy(&body, page);
        break;
    }

    if (kept && rc == PV_OK && !body.failed) {
        return (ngx_http_privacy_keep(ctx, kept, &body) == NGX_OK) ? ngx_http_privacy_send_kept(ctx, answer, kept)
                                                                  : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_privacy_send_tagged(ctx, answer, &body, rc);
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
