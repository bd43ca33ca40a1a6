/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_PRIVACY_STREAM_H
#define NGX_HTTP_PRIVACY_STREAM_H

/*
 * The open streams of a worker. A stream is a request whose response does not
 * end: what it says goes through the filter chain, in whatever protocol. What
 * is said to many is in memory once; a client that takes it too slowly is let
 * go, comes back and is told what it missed.
 */

#include "ngx_http_privacy_notices.h"


typedef struct ngx_http_privacy_stream_s  ngx_http_privacy_stream_t;

/* Bytes on their way to clients; refs: who hands them over has one. */
typedef struct {
    ngx_uint_t  refs;
    pv_buf_t    bytes;
} ngx_http_privacy_event_t;

/* A copy of bytes; NULL: no memory. */
ngx_http_privacy_event_t *ngx_http_privacy_event(pv_str_t bytes);
void ngx_http_privacy_event_free(ngx_http_privacy_event_t *event);

/* In init_process, once the site's notices are there: streams hear of them from then on. */
void ngx_http_privacy_streams_start(ngx_http_privacy_site_t *site);

/*
 * Takes over a request whose header is sent: NGX_DONE is then what its handler
 * returns. Of one user's streams the oldest closes past NGX_HTTP_PRIVACY_STREAMS.
 * NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_privacy_stream_open(ngx_http_privacy_stream_t **stream, ngx_http_privacy_ctx_t *ctx,
    const ngx_http_privacy_reader_t *reader, pv_cursor_t last);
/* Looks up what is due, and says what the client does not have. */
void ngx_http_privacy_stream_replay(ngx_http_privacy_stream_t *stream);
/* Says it, or lets the client go, in a turn of the event loop of its own. */
void ngx_http_privacy_stream_say(ngx_http_privacy_stream_t *stream, ngx_http_privacy_event_t *event);

#define NGX_HTTP_PRIVACY_STREAMS  8

#endif /* NGX_HTTP_PRIVACY_STREAM_H */
