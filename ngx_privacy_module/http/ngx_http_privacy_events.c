/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* GET events: the notices of who is logged in, as they come. Nobody is: 204, and the browser does not come back. */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_privacy_stream.h"
#include "ngx_http_privacy_center.h"


#define NGX_HTTP_PRIVACY_EVENTS_RETRY   3000    /* ms until a browser comes back, and as much again by chance, or more */
#define NGX_HTTP_PRIVACY_EVENTS_SPREAD  5000
#define NGX_HTTP_PRIVACY_EVENTS_MAX     (64 * 1024)
#define NGX_HTTP_PRIVACY_EVENTS_FULL    30      /* s until who found no room comes back */


static void ngx_http_privacy_events_last(ngx_http_request_t *r, pv_cursor_t *last);
static ngx_int_t ngx_http_privacy_events_none(ngx_http_privacy_ctx_t *ctx);
static ngx_int_t ngx_http_privacy_events_header(ngx_http_request_t *r);
static ngx_int_t ngx_http_privacy_events_hello(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_stream_t *stream,
    ngx_http_privacy_reader_t *reader);


ngx_int_t
ngx_http_privacy_route_events(ngx_http_privacy_ctx_t *ctx, pv_str_t rest)
{
    pv_cursor_t                 last;
    ngx_http_request_t         *r;
    ngx_http_privacy_stream_t  *stream;
    ngx_http_privacy_reader_t   reader;

    r = ctx->request;

    if (ctx->policy == NULL || ctx->main->redis == NULL || ngx_http_privacy_foreign(r)
        || ngx_http_privacy_reader(ctx, &reader) != NGX_OK)
    {
        return ngx_http_privacy_events_none(ctx);
    }

    if (ngx_exiting || ngx_terminate) {
        return ngx_http_privacy_refuse(ctx, NGX_HTTP_SERVICE_UNAVAILABLE, "notice_away", 1);
    }

    if (ngx_http_privacy_streams_count() >= ngx_http_privacy_streams_most(ctx->main)) {
        ngx_http_privacy_stream_count(ctx->site, NGX_HTTP_PRIVACY_STREAMS_REFUSED);
        return ngx_http_privacy_refuse(ctx, NGX_HTTP_SERVICE_UNAVAILABLE, "notice_away", NGX_HTTP_PRIVACY_EVENTS_FULL);
    }

    if (ngx_http_privacy_events_header(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (r->method == NGX_HTTP_HEAD) {
        r->header_only = 1;
    }

    if (ngx_http_send_header(r) == NGX_ERROR || r->header_only) {
        return r->header_only ? NGX_OK : NGX_ERROR;
    }

    ngx_http_privacy_events_last(r, &last);

    if (ngx_http_privacy_stream_open(&stream, ctx, &reader, last) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_privacy_events_hello(ctx, stream, &reader);
}


/* What a client says that it has: browsers in a header, scripts that open a stream anew in ?last=. Else nothing. */

static void
ngx_http_privacy_events_last(ngx_http_request_t *r, pv_cursor_t *last)
{
    pv_str_t   said;
    ngx_str_t  value;

    said = ngx_http_privacy_header_text(r, "last-event-id");

    if (said.len == 0 && ngx_http_arg(r, (u_char *) "last", 4, &value) == NGX_OK) {
        said = ngx_http_privacy_str(&value);
    }

    (void) pv_cursor_read(last, said);
}


static ngx_int_t
ngx_http_privacy_events_none(ngx_http_privacy_ctx_t *ctx)
{
    pv_buf_t                   body;
    ngx_http_privacy_answer_t  answer;

    ngx_memzero(&answer, sizeof(ngx_http_privacy_answer_t));
    answer.status = NGX_HTTP_NO_CONTENT;
    answer.type = "text/event-stream";

    pv_buf_init(&body, 1);

    return ngx_http_privacy_send(ctx, &answer, &body);
}


static ngx_int_t
ngx_http_privacy_events_header(ngx_http_request_t *r)
{
    ngx_str_t  value;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = -1;
    ngx_str_set(&r->headers_out.content_type, "text/event-stream");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    /* each event has to arrive when it is said: nothing collects it */

    ngx_http_privacy_ctx(r)->navigation = 0;
    r->gzip_tested = 1;
    r->gzip_ok = 0;

    ngx_str_set(&value, "private, no-store");

    if (ngx_http_privacy_header_out(r, "Cache-Control", &value) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_str_set(&value, "no");

    if (ngx_http_privacy_header_out(r, "X-Accel-Buffering", &value) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_str_set(&value, "nosniff");

    return ngx_http_privacy_header_out(r, "X-Content-Type-Options", &value);
}


static ngx_int_t
ngx_http_privacy_events_hello(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_stream_t *stream,
    ngx_http_privacy_reader_t *reader)
{
    int                        rc;
    pv_buf_t                   words, out;
    pv_str_t                   s;
    ngx_http_privacy_event_t  *event;

    pv_buf_init(&words, NGX_HTTP_PRIVACY_EVENTS_MAX);
    pv_buf_init(&out, NGX_HTTP_PRIVACY_EVENTS_MAX);

    rc = pv_page_hello(&words, ctx->main->ui, ctx->policy->texts[ctx->language].language);

    s.data = words.data;
    s.len = words.len;
    pv_notice_hello_event(&out, NGX_HTTP_PRIVACY_EVENTS_RETRY + ngx_random() % NGX_HTTP_PRIVACY_EVENTS_SPREAD,
                          reader->session, s);

    s.data = out.data;
    s.len = out.len;
    event = (rc == PV_OK && !out.failed) ? ngx_http_privacy_event(s) : NULL;

    pv_buf_free(&words);
    pv_buf_free(&out);

    if (event == NULL) {
        return NGX_ERROR;
    }

    ngx_http_privacy_stream_say(stream, event);
    ngx_http_privacy_event_free(event);
    ngx_http_privacy_stream_replay(stream);

    return NGX_DONE;
}
