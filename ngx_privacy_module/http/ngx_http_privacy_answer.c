/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * Whole answers of ours: headers that every one has, the body, and the three
 * kinds that several handlers send: a plain sentence, the choices, the state.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_privacy.h"


#define NGX_HTTP_PRIVACY_PAGE_MAX   (32 * 1024 * 1024)
#define NGX_HTTP_PRIVACY_LOCAL_MAX  2048
#define NGX_HTTP_PRIVACY_STATE      1000            /* bytes of most states as JSON */


static ngx_int_t ngx_http_privacy_answer_send(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_answer_t *answer,
    ngx_buf_t *b);
static ngx_int_t ngx_http_privacy_answer_headers(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_answer_t *answer);
static ngx_int_t ngx_http_privacy_answer_content(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_answer_t *answer);
static ngx_int_t ngx_http_privacy_answer_page(ngx_http_privacy_ctx_t *ctx);
static ngx_int_t ngx_http_privacy_answer_header(ngx_http_request_t *r, const char *key, const char *value);
static ngx_int_t ngx_http_privacy_answer_etag(ngx_http_request_t *r, pv_str_t tag);
static void ngx_http_privacy_answer_free(void *data);
static void ngx_http_privacy_return_to(ngx_http_privacy_ctx_t *ctx, pv_page_t *page);


ngx_int_t
ngx_http_privacy_send(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_answer_t *answer, pv_buf_t *body)
{
    pv_str_t             bytes;
    pv_buf_t            *kept;
    ngx_pool_cleanup_t  *cln;

    if (body->failed) {
        pv_buf_free(body);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln = ngx_pool_cleanup_add(ctx->request->pool, sizeof(pv_buf_t));
    if (cln == NULL) {
        pv_buf_free(body);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    kept = cln->data;
    *kept = *body;
    cln->handler = ngx_http_privacy_answer_free;

    bytes.data = kept->data;
    bytes.len = kept->len;

    return ngx_http_privacy_send_bytes(ctx, answer, bytes);
}


static void
ngx_http_privacy_answer_free(void *data)
{
    pv_buf_free(data);
}


ngx_int_t
ngx_http_privacy_send_bytes(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_answer_t *answer, pv_str_t bytes)
{
    ngx_buf_t  *b;

    b = ngx_calloc_buf(ctx->request->pool);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (bytes.len) {
        b->pos = (u_char *) bytes.data;
        b->last = b->pos + bytes.len;
        b->memory = 1;
    }

    return ngx_http_privacy_answer_send(ctx, answer, b);
}


ngx_int_t
ngx_http_privacy_send_file(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_answer_t *answer, ngx_fd_t fd, size_t len)
{
    ngx_buf_t                *b;
    ngx_pool_cleanup_t       *cln;
    ngx_http_request_t       *r;
    ngx_pool_cleanup_file_t  *file;

    r = ctx->request;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_pool_cleanup_file_t));
    if (cln == NULL) {
        (void) ngx_close_file(fd);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_pool_cleanup_file;
    file = cln->data;
    file->fd = fd;
    file->name = (u_char *) "";
    file->log = r->pool->log;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->file = ngx_pcalloc(r->pool, sizeof(ngx_file_t));
    if (b->file == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->file->fd = fd;
    b->file->log = r->connection->log;
    b->file_last = len;
    b->in_file = 1;

    r->allow_ranges = 1;

    return ngx_http_privacy_answer_send(ctx, answer, b);
}


static ngx_int_t
ngx_http_privacy_answer_send(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_answer_t *answer, ngx_buf_t *b)
{
    ngx_int_t            rc;
    ngx_chain_t          out;
    ngx_http_request_t  *r;

    r = ctx->request;
    ctx->own = 1;

    if (ngx_http_privacy_answer_headers(ctx, answer) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.content_length_n = ngx_buf_size(b);

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


static ngx_int_t
ngx_http_privacy_answer_headers(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_answer_t *answer)
{
    u_char              *number;
    ngx_str_t            language;
    ngx_http_request_t  *r;

    r = ctx->request;

    r->headers_out.status = answer->status;

    if (ngx_http_privacy_answer_header(r, "Cache-Control", answer->cache ? answer->cache : "private, no-store")
        != NGX_OK
        || ngx_http_privacy_answer_header(r, "Referrer-Policy", "same-origin") != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (answer->type && ngx_http_privacy_answer_content(ctx, answer) != NGX_OK) {
        return NGX_ERROR;
    }

    if (answer->vary && ngx_http_privacy_answer_header(r, "Vary", answer->vary) != NGX_OK) {
        return NGX_ERROR;
    }

    if (answer->language.len) {
        language.data = (u_char *) answer->language.data;
        language.len = answer->language.len;

        if (ngx_http_privacy_header_out(r, "Content-Language", &language) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (answer->retry_after) {
        number = ngx_pnalloc(r->pool, NGX_INT_T_LEN + 1);
        if (number == NULL) {
            return NGX_ERROR;
        }

        *ngx_sprintf(number, "%ui", answer->retry_after) = '\0';

        if (ngx_http_privacy_answer_header(r, "Retry-After", (char *) number) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (answer->etag.len) {
        return ngx_http_privacy_answer_etag(r, answer->etag);
    }

    return NGX_OK;
}


/* What has to be said of a body; a redirect has none. */

static ngx_int_t
ngx_http_privacy_answer_content(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_answer_t *answer)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    r->headers_out.content_type.data = (u_char *) answer->type;
    r->headers_out.content_type.len = ngx_strlen(answer->type);
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    if (ngx_strcmp(answer->type, "application/json") != 0
        && ngx_strcmp(answer->type, "application/octet-stream") != 0)
    {
        ngx_str_set(&r->headers_out.charset, "utf-8");
    }

    if (ngx_http_privacy_answer_header(r, "X-Content-Type-Options", "nosniff") != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_strcmp(answer->type, "text/html") == 0 && ngx_http_privacy_answer_page(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    /* what is somebody's own is not to be loaded into other origins' pages either */

    if (answer->cache == NULL || ngx_strncmp(answer->cache, "private", 7) == 0) {
        return ngx_http_privacy_answer_header(r, "Cross-Origin-Resource-Policy", "same-origin");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_privacy_answer_page(ngx_http_privacy_ctx_t *ctx)
{
    u_char     *p;
    ngx_str_t   link, *prefix;

    if (ngx_http_privacy_answer_header(ctx->request, "Content-Security-Policy", PV_PAGE_CSP) != NGX_OK) {
        return NGX_ERROR;
    }

    prefix = &ctx->server->prefix;

    link.data = ngx_pnalloc(ctx->request->pool, prefix->len + sizeof("<>; rel=\"privacy-policy\""));
    if (link.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(link.data, "<%V>; rel=\"privacy-policy\"", prefix);
    link.len = p - link.data;

    return ngx_http_privacy_header_out(ctx->request, "Link", &link);
}


/* The value is static, or of the request's pool. */

static ngx_int_t
ngx_http_privacy_answer_header(ngx_http_request_t *r, const char *key, const char *value)
{
    ngx_str_t  s;

    s.data = (u_char *) value;
    s.len = ngx_strlen(value);

    return ngx_http_privacy_header_out(r, key, &s);
}


/* Where nginx looks for it, so that If-None-Match is answered as for a file. */

static ngx_int_t
ngx_http_privacy_answer_etag(ngx_http_request_t *r, pv_str_t tag)
{
    ngx_table_elt_t  *etag;

    etag = ngx_list_push(&r->headers_out.headers);
    if (etag == NULL) {
        return NGX_ERROR;
    }

    etag->hash = 1;
    ngx_http_privacy_header_unlink(etag);
    ngx_str_set(&etag->key, "ETag");

    etag->value.data = ngx_pnalloc(r->pool, tag.len + 2);
    if (etag->value.data == NULL) {
        etag->hash = 0;
        return NGX_ERROR;
    }

    etag->value.len = ngx_sprintf(etag->value.data, "\"%*s\"", tag.len, tag.data) - etag->value.data;

    r->headers_out.etag = etag;

    return NGX_OK;
}


/* An ETag that is exact whatever the page was made of: of its bytes. */

ngx_int_t
ngx_http_privacy_body_tag(ngx_http_privacy_ctx_t *ctx, pv_buf_t *body, pv_str_t *tag)
{
    char           *hex;
    pv_str_t        bytes;
    unsigned char   hash[PV_SHA256_LEN];

    bytes.data = body->data;
    bytes.len = body->len;

    hex = ngx_pnalloc(ctx->request->pool, 32);
    if (hex == NULL || body->failed || pv_sha256(hash, &bytes, 1) != PV_OK) {
        return NGX_ERROR;
    }

    tag->data = (unsigned char *) hex;
    tag->len = pv_hex_encode(hex, hash, 16);

    return NGX_OK;
}


ngx_int_t
ngx_http_privacy_send_message(ngx_http_privacy_ctx_t *ctx, ngx_uint_t status, const char *key,
    ngx_uint_t retry_after)
{
    pv_buf_t                   body;
    ngx_int_t                  rc;
    pv_page_t                  page;
    ngx_http_privacy_answer_t  answer;

    rc = ngx_http_discard_request_body(ctx->request);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_memzero(&answer, sizeof(ngx_http_privacy_answer_t));
    answer.status = status;
    answer.type = "text/html";
    answer.retry_after = retry_after;

    ngx_http_privacy_page(ctx, &page);

    pv_buf_init(&body, NGX_HTTP_PRIVACY_PAGE_MAX);

    if (pv_page_message(&body, &page, key) != PV_OK) {
        body.failed = 1;
    }

    return ngx_http_privacy_send(ctx, &answer, &body);
}


ngx_int_t
ngx_http_privacy_send_error(ngx_http_privacy_ctx_t *ctx, ngx_uint_t status, const char *key,
    ngx_uint_t retry_after)
{
    pv_buf_t                   body;
    pv_str_t                   language;
    ngx_int_t                  rc;
    ngx_http_privacy_answer_t  answer;

    rc = ngx_http_discard_request_body(ctx->request);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_memzero(&answer, sizeof(ngx_http_privacy_answer_t));
    answer.status = status;
    answer.type = "application/json";
    answer.retry_after = retry_after;

    language = pv_str("");

    if (ctx->policy && ctx->language < ctx->policy->texts_count) {
        language = ctx->policy->texts[ctx->language].language;
    }

    pv_buf_init(&body, NGX_HTTP_PRIVACY_PAGE_MAX);
    pv_buf_puts(&body, "{\"error\":");
    pv_buf_json(&body, pv_str(key));
    pv_buf_puts(&body, ",\"message\":");
    pv_buf_json(&body, pv_page_sentence(ctx->main->ui, language, key));
    pv_buf_puts(&body, "}");

    return ngx_http_privacy_send(ctx, &answer, &body);
}


/*
 * key: NULL, or why a choice was not taken; then it is said. json: {"state":...}
 * with what became of a choice in front; a plain state for status 0.
 */

ngx_int_t
ngx_http_privacy_send_choices(ngx_http_privacy_ctx_t *ctx, ngx_uint_t status, const char *key, ngx_uint_t json)
{
    char                       token[PV_TOKEN_MAX + 1], agree[PV_TOKEN_MAX + 1];
    pv_buf_t                   body;
    ngx_int_t                  len, rc;
    pv_page_t                  page;
    pv_page_version_t          bound;
    ngx_http_privacy_answer_t  answer;

    if (ctx->policy == NULL) {
        return json ? ngx_http_privacy_send_error(ctx, NGX_HTTP_SERVICE_UNAVAILABLE, "no_policy", 5)
                    : ngx_http_privacy_send_message(ctx, NGX_HTTP_SERVICE_UNAVAILABLE, "no_policy", 5);
    }

    ngx_http_privacy_page(ctx, &page);
    ngx_http_privacy_return_to(ctx, &page);

    /* without a token the page still tells; only saving is refused */

    len = ngx_http_privacy_token(ctx, ngx_http_privacy_form_choices(ctx), token);

    page.token.data = (unsigned char *) token;
    page.token.len = (len > 0) ? len : 0;
    page.message = key;

    ngx_http_privacy_terms_page(ctx, &page, &bound, agree);

    ngx_memzero(&answer, sizeof(ngx_http_privacy_answer_t));
    answer.status = status ? status : NGX_HTTP_OK;
    answer.type = json ? "application/json" : "text/html";
    answer.vary = "Accept, Accept-Language";
    answer.language = page.policy->texts[page.language].language;

    pv_buf_init(&body, NGX_HTTP_PRIVACY_PAGE_MAX);

    if (!json) {
        rc = pv_page_choices(&body, &page);

    } else if (status == 0) {
        (void) pv_buf_room(&body, NGX_HTTP_PRIVACY_STATE);
        rc = pv_json_state(&body, &page);

    } else {

        if (key) {
            pv_buf_puts(&body, "{\"error\":");
            pv_buf_json(&body, pv_str(key));
            pv_buf_puts(&body, ",\"message\":");
            pv_buf_json(&body, pv_page_sentence(page.ui, answer.language, key));

        } else {
            (void) pv_buf_room(&body, NGX_HTTP_PRIVACY_STATE);
            pv_buf_puts(&body, "{\"saved\":true");
        }

        pv_buf_puts(&body, ",\"state\":");
        rc = pv_json_state(&body, &page);
        pv_buf_puts(&body, "}");
    }

    if (rc != PV_OK) {
        body.failed = 1;
    }

    if (status == NGX_HTTP_SERVICE_UNAVAILABLE) {
        answer.retry_after = 5;
    }

    return ngx_http_privacy_send(ctx, &answer, &body);
}


/* Where the visitor came from: ?return=, else the page of this site that linked here. */

static void
ngx_http_privacy_return_to(ngx_http_privacy_ctx_t *ctx, pv_page_t *page)
{
    u_char              *dst, *src;
    pv_str_t             path;
    ngx_str_t            arg, origin, prefix;
    ngx_table_elt_t     *referer;
    ngx_http_request_t  *r;

    r = ctx->request;

    if (ngx_http_arg(r, (u_char *) "saved", 5, &arg) == NGX_OK) {
        page->saved = (arg.len == 1 && arg.data[0] == '1' && ctx->has_consent
                       && !(ctx->consent.flags & PV_STATE_PENDING));
    }

    if (ngx_http_arg(r, (u_char *) "return", 6, &arg) == NGX_OK && arg.len <= NGX_HTTP_PRIVACY_LOCAL_MAX * 3) {
        src = arg.data;
        dst = ngx_pnalloc(r->pool, arg.len);
        if (dst == NULL) {
            return;
        }

        path.data = dst;
        ngx_unescape_uri(&dst, &src, arg.len, 0);
        path.len = dst - path.data;

        if (ngx_http_privacy_local_path(path)) {
            page->return_to = path;
        }

        return;
    }

    referer = ngx_http_privacy_header_in(r, "referer");

    if (referer == NULL || r->method == NGX_HTTP_POST || ngx_http_privacy_origin(ctx, &origin) != NGX_OK
        || referer->value.len <= origin.len
        || ngx_strncasecmp(referer->value.data, origin.data, origin.len) != 0)
    {
        return;
    }

    path.data = referer->value.data + origin.len;
    path.len = referer->value.len - origin.len;
    prefix = ctx->server->prefix;

    if (path.len >= prefix.len && ngx_memcmp(path.data, prefix.data, prefix.len) == 0) {
        return;
    }

    if (ngx_http_privacy_local_path(path)) {
        page->return_to = path;
    }
}


ngx_uint_t
ngx_http_privacy_local_path(pv_str_t path)
{
    size_t  i;

    if (path.len == 0 || path.len > NGX_HTTP_PRIVACY_LOCAL_MAX || path.data[0] != '/') {
        return 0;
    }

    /* "//host" and "/\host" lead away from this site */

    if (path.len > 1 && (path.data[1] == '/' || path.data[1] == '\\')) {
        return 0;
    }

    /* browsers drop tabs and line breaks inside a URL: "/\t/host"; and a header is a line of printable ASCII */

    for (i = 0; i < path.len; i++) {
        if (path.data[i] <= 0x20 || path.data[i] >= 0x7f) {
            return 0;
        }
    }

    return 1;
}


ngx_int_t
ngx_http_privacy_origin(ngx_http_privacy_ctx_t *ctx, ngx_str_t *origin)
{
    u_char           *p;
    ngx_table_elt_t  *host;

    if (ctx->server->origin.len) {
        *origin = ctx->server->origin;
        return NGX_OK;
    }

    host = ctx->request->headers_in.host;

    if (host == NULL || host->value.len == 0) {
        return NGX_DECLINED;
    }

    origin->data = ngx_pnalloc(ctx->request->pool, host->value.len + sizeof("https://"));
    if (origin->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(origin->data, "%s%V", ngx_http_privacy_secure(ctx) ? "https://" : "http://", &host->value);
    origin->len = p - origin->data;

    return NGX_OK;
}
