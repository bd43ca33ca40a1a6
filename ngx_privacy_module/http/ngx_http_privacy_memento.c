/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* Which version was in force at a time: for programs by RFC 7089, for people by ?at=. */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "pv_memento.h"
#include "pv_text.h"
#include "ngx_http_privacy_center.h"


static ngx_int_t ngx_http_privacy_memento_redirect(ngx_http_privacy_ctx_t *ctx, const pv_head_t *version,
    ngx_str_t *at, ngx_http_privacy_answer_t *answer);
static const pv_head_t *ngx_http_privacy_memento_in_force(ngx_http_privacy_ctx_t *ctx);
static ngx_int_t ngx_http_privacy_memento_header(ngx_http_privacy_ctx_t *ctx, const char *key, pv_buf_t *value);


static const pv_head_t *
ngx_http_privacy_memento_in_force(ngx_http_privacy_ctx_t *ctx)
{
    return ctx->policy ? pv_log_find(ngx_http_privacy_store_log(ctx->site->store), ctx->policy->sequence) : NULL;
}


/* Frees the value. */

static ngx_int_t
ngx_http_privacy_memento_header(ngx_http_privacy_ctx_t *ctx, const char *key, pv_buf_t *value)
{
    ngx_int_t  rc;
    ngx_str_t  s;

    rc = NGX_ERROR;

    if (!value->failed) {
        s.len = value->len;
        s.data = ngx_pnalloc(ctx->request->pool, s.len);

        if (s.data) {
            ngx_memcpy(s.data, value->data, s.len);
            rc = ngx_http_privacy_header_out(ctx->request, key, &s);
        }
    }

    pv_buf_free(value);

    return rc;
}


ngx_int_t
ngx_http_privacy_original_links(ngx_http_privacy_ctx_t *ctx)
{
    pv_buf_t          value;
    const pv_head_t  *in_force;

    in_force = ngx_http_privacy_memento_in_force(ctx);

    if (in_force == NULL) {
        return NGX_OK;
    }

    pv_buf_init(&value, PV_MEMENTO_LINKS_MAX);
    pv_memento_original_links(&value, ngx_http_privacy_store_log(ctx->site->store), in_force,
                              ngx_http_privacy_str(&ctx->server->prefix));

    return ngx_http_privacy_memento_header(ctx, "Link", &value);
}


ngx_int_t
ngx_http_privacy_version_links(ngx_http_privacy_ctx_t *ctx, const pv_head_t *head)
{
    char              date[PV_HTTP_DATE_SIZE];
    pv_buf_t          value;
    const pv_log_t   *log;
    const pv_head_t  *in_force;

    log = ngx_http_privacy_store_log(ctx->site->store);
    in_force = ngx_http_privacy_memento_in_force(ctx);

    pv_buf_init(&value, PV_MEMENTO_LINKS_MAX);
    pv_memento_version_links(&value, log, in_force, head, ngx_http_privacy_str(&ctx->server->prefix));

    if (ngx_http_privacy_memento_header(ctx, "Link", &value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (in_force == NULL || !pv_memento_is(log, in_force, head)) {
        return NGX_OK;
    }

    pv_http_date_format(date, pv_memento_datetime(head));
    pv_buf_init(&value, PV_HTTP_DATE_SIZE);
    pv_buf_puts(&value, date);

    return ngx_http_privacy_memento_header(ctx, "Memento-Datetime", &value);
}


ngx_int_t
ngx_http_privacy_route_timegate(ngx_http_privacy_ctx_t *ctx, pv_str_t rest)
{
    int64_t                    time;
    pv_buf_t                   value;
    const pv_log_t            *log;
    ngx_table_elt_t           *accept;
    const pv_head_t           *in_force, *version;
    ngx_http_privacy_answer_t  answer;

    log = ngx_http_privacy_store_log(ctx->site->store);
    in_force = ngx_http_privacy_memento_in_force(ctx);

    if (in_force == NULL) {
        return ngx_http_privacy_refuse(ctx, NGX_HTTP_SERVICE_UNAVAILABLE, "no_policy", 5);
    }

    version = in_force;
    accept = ngx_http_privacy_header_in(ctx->request, "accept-datetime");

    if (accept) {
        version = (pv_http_date_parse(&time, ngx_http_privacy_str(&accept->value)) == PV_OK)
                  ? pv_memento_at(log, in_force, time) : NULL;
    }

    pv_buf_init(&value, PV_MEMENTO_LINKS_MAX);
    pv_memento_timegate_links(&value, log, in_force, version, ngx_http_privacy_str(&ctx->server->prefix));

    if (ngx_http_privacy_memento_header(ctx, "Link", &value) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&answer, sizeof(ngx_http_privacy_answer_t));
    answer.vary = "Accept-Datetime";
    answer.cache = NGX_HTTP_PRIVACY_REVALIDATE;

    if (version) {
        return ngx_http_privacy_memento_redirect(ctx, version, NULL, &answer);
    }

    answer.status = NGX_HTTP_BAD_REQUEST;
    answer.type = "text/plain";

    pv_buf_init(&value, NGX_HTTP_PRIVACY_DOCUMENT_MAX);
    pv_buf_puts(&value, "Accept-Datetime has to be a date as HTTP writes it, such as "
                "\"Thu, 31 May 2007 20:35:00 GMT\".\n");

    return ngx_http_privacy_send(ctx, &answer, &value);
}


ngx_int_t
ngx_http_privacy_route_timemap(ngx_http_privacy_ctx_t *ctx, pv_str_t rest)
{
    int                        rc;
    pv_buf_t                   body, base;
    pv_str_t                   address;
    ngx_str_t                  origin;
    const pv_head_t           *in_force;
    ngx_http_privacy_answer_t  answer;

    in_force = ngx_http_privacy_memento_in_force(ctx);

    if (in_force == NULL) {
        return ngx_http_privacy_refuse(ctx, NGX_HTTP_SERVICE_UNAVAILABLE, "no_policy", 5);
    }

    ngx_memzero(&answer, sizeof(ngx_http_privacy_answer_t));
    answer.status = NGX_HTTP_OK;
    answer.type = "application/link-format";
    answer.cache = NGX_HTTP_PRIVACY_REVALIDATE;

    /* who gathers TimeMaps reads them elsewhere: addresses are whole */

    pv_buf_init(&base, PV_MEMENTO_LINKS_MAX);

    if (ngx_http_privacy_origin(ctx, &origin) == NGX_OK) {
        pv_buf_str(&base, ngx_http_privacy_str(&origin));
    }

    pv_buf_str(&base, ngx_http_privacy_str(&ctx->server->prefix));

    if (base.failed) {
        pv_buf_free(&base);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    address.data = base.data;
    address.len = base.len;

    pv_buf_init(&body, PV_TIMEMAP_MAX);

    rc = pv_memento_timemap(&body, ngx_http_privacy_store_log(ctx->site->store), in_force, address,
                            (unsigned) ngx_http_privacy_page_number(ctx->request));

    pv_buf_free(&base);

    if (rc == PV_INVALID) {
        pv_buf_free(&body);
        return ngx_http_privacy_refuse(ctx, NGX_HTTP_NOT_FOUND, "not_found", 0);
    }

    return ngx_http_privacy_send_tagged(ctx, &answer, &body, rc);
}


int64_t
ngx_http_privacy_at_moment(pv_str_t at)
{
    int64_t   time;
    pv_buf_t  midnight;

    if (pv_rfc3339_parse(&time, at) == PV_OK) {
        return time;
    }

    time = 0;

    pv_buf_init(&midnight, 2 * PV_RFC3339_SIZE);
    pv_buf_str(&midnight, at);
    pv_buf_puts(&midnight, "T00:00:00Z");

    if (!midnight.failed && pv_rfc3339_parse(&time, (pv_str_t) { midnight.data, midnight.len }) != PV_OK) {
        time = 0;
    }

    pv_buf_free(&midnight);

    return time;
}


/* A day, or a moment as RFC 3339 has it. */

ngx_int_t
ngx_http_privacy_route_at(ngx_http_privacy_ctx_t *ctx, pv_str_t at)
{
    int64_t                    time;
    ngx_str_t                  arg;
    const pv_log_t            *log;
    const pv_head_t           *in_force, *version;
    ngx_http_privacy_answer_t  answer;

    log = ngx_http_privacy_store_log(ctx->site->store);
    in_force = ngx_http_privacy_memento_in_force(ctx);

    if (in_force == NULL) {
        return ngx_http_privacy_refuse(ctx, NGX_HTTP_SERVICE_UNAVAILABLE, "no_policy", 5);
    }

    if (pv_rfc3339_parse(&time, at) == PV_OK) {
        version = pv_memento_at(log, in_force, time);

    } else if (pv_memento_on(&version, log, in_force, at) != PV_OK) {
        return ngx_http_privacy_refuse(ctx, NGX_HTTP_BAD_REQUEST, "bad_date", 0);
    }

    ngx_memzero(&answer, sizeof(ngx_http_privacy_answer_t));
    answer.cache = NGX_HTTP_PRIVACY_REVALIDATE;

    /* as it came, escapes and all */
    ngx_str_null(&arg);
    (void) ngx_http_arg(ctx->request, (u_char *) "at", 2, &arg);

    return ngx_http_privacy_memento_redirect(ctx, version, &arg, &answer);
}


/* at: kept, so that the page can say how it was reached; so is the language that was asked for. */

static ngx_int_t
ngx_http_privacy_memento_redirect(ngx_http_privacy_ctx_t *ctx, const pv_head_t *version, ngx_str_t *at,
    ngx_http_privacy_answer_t *answer)
{
    u_char     *p;
    ngx_str_t   location, lang;

    ngx_str_null(&lang);
    (void) ngx_http_arg(ctx->request, (u_char *) "lang", 4, &lang);

    location.data = ngx_pnalloc(ctx->request->pool, ctx->server->prefix.len + sizeof("versions/?at=&lang=")
                                + version->version.len + (at ? at->len : 0) + lang.len);
    if (location.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_sprintf(location.data, "%Vversions/%*s", &ctx->server->prefix, version->version.len,
                    version->version.data);

    if (at) {
        p = ngx_sprintf(p, "?at=%V", at);
    }

    if (lang.len) {
        p = ngx_sprintf(p, "%clang=%V", at ? '&' : '?', &lang);
    }

    location.len = p - location.data;

    return ngx_http_privacy_redirect(ctx, NGX_HTTP_MOVED_TEMPORARILY, &location, answer);
}
