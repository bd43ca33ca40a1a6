/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_PRIVACY_STREAM_H
#define NGX_HTTP_PRIVACY_STREAM_H

/*
 * The open event streams of a worker. A stream begins as a request whose
 * response does not end. Where that has a connection of its own (HTTP/1.1), the
 * request is let go as soon as the header is out: what stays is the connection
 * and a stream of a few hundred bytes. Over HTTP/2 and HTTP/3 the request stays,
 * and what is said goes through the filter chain.
 *
 *   stream         which there are, how long they last, what a new one is told
 *   stream_output  bytes on their way to one client, and taking over a connection
 *   stream_tell    what is said to many, a slice in each turn of the event loop
 *   stream_list    asking Redis which of those who are there are on a list
 *
 * What is said to many is in memory once. A client that takes it too slowly is
 * let go, comes back and is told what it missed.
 */

#include "ngx_http_privacy_notices.h"


typedef struct ngx_http_privacy_stream_s  ngx_http_privacy_stream_t;

/* Bytes on their way to clients, as they are and as a chunk (RFC 9112, 7.1); refs: who hands them over has one. */
typedef struct {
    ngx_uint_t  refs;
    pv_str_t    bytes;
    pv_str_t    chunk;
    pv_buf_t    memory;
} ngx_http_privacy_event_t;

/* A copy of bytes; NULL: no memory. */
ngx_http_privacy_event_t *ngx_http_privacy_event(pv_str_t bytes);
void ngx_http_privacy_event_free(ngx_http_privacy_event_t *event);

/* In init_process, once the site's notices are there: streams hear of them from then on. */
void ngx_http_privacy_streams_start(ngx_http_privacy_site_t *site);
/* How many there are in this worker, and how many there may be. */
ngx_uint_t ngx_http_privacy_streams_count(void);
ngx_uint_t ngx_http_privacy_streams_most(ngx_http_privacy_main_conf_t *pmcf);
void ngx_http_privacy_stream_count(ngx_http_privacy_site_t *site, ngx_http_privacy_counter_t counter);

/*
 * Takes over a request whose header is sent: NGX_DONE is then what its handler
 * returns, and its request may be gone with the next turn of the event loop. Of
 * one user's streams the oldest closes past privacy_streams. NGX_ERROR: no
 * memory.
 */
ngx_int_t ngx_http_privacy_stream_open(ngx_http_privacy_stream_t **stream, ngx_http_privacy_ctx_t *ctx,
    const ngx_http_privacy_reader_t *reader, pv_cursor_t last);
/* Looks up what is due, and says what the client does not have. */
void ngx_http_privacy_stream_replay(ngx_http_privacy_stream_t *stream);
/* Says it, or lets the client go, in a turn of the event loop of its own. */
void ngx_http_privacy_stream_say(ngx_http_privacy_stream_t *stream, ngx_http_privacy_event_t *event);

#endif /* NGX_HTTP_PRIVACY_STREAM_H */
