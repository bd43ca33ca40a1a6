/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_PRIVACY_STREAM_PRIVATE_H
#define NGX_HTTP_PRIVACY_STREAM_PRIVATE_H

/* Between the files of streams: see ngx_http_privacy_stream.h. */

#include "ngx_http_privacy_stream.h"


#define NGX_HTTP_PRIVACY_STREAM_QUEUE     16        /* events that wait for a client */
#define NGX_HTTP_PRIVACY_STREAM_SLICE     256       /* streams in a turn of the event loop */
#define NGX_HTTP_PRIVACY_STREAM_SHOWN     16        /* of what was shown last, it is known that it was */
#define NGX_HTTP_PRIVACY_STREAM_DISCARD   65536     /* bytes that a client may send and nobody asked for */
#define NGX_HTTP_PRIVACY_STREAM_TONGUES   64        /* languages that readers have, in a worker; past it: the first */
#define NGX_HTTP_PRIVACY_STREAM_TONGUE    36        /* a tag's length, at most (RFC 5646, 4.4.1) */


/* An event on its way to one client: in the request's pool as long as there is one, for filters keep links to it. */
typedef struct ngx_http_privacy_piece_s  ngx_http_privacy_piece_t;

struct ngx_http_privacy_piece_s {
    ngx_buf_t                     buf;
    ngx_http_privacy_event_t     *event;
    ngx_http_privacy_piece_t     *next;
};


struct ngx_http_privacy_stream_s {
    ngx_queue_t                   queue;        /* of the worker, newest first */
    ngx_queue_t                   beats;        /* the same, by the time of its next comment */
    ngx_queue_t                   user;         /* of those whose subjects begin alike, oldest first */
    ngx_queue_t                   dead;         /* of those that are to be let go, or whose request is */
    ngx_queue_t                   unsure;       /* of those for whom Redis could not be asked what is due, oldest first */
    ngx_connection_t             *connection;
    ngx_http_request_t           *request;      /* NULL: let go, the connection is the stream's own */
    ngx_http_privacy_site_t      *site;
    ngx_http_privacy_reader_t     reader;
    ngx_http_privacy_due_wait_t  *wait;
    pv_cursor_t                   last;         /* what the client has */
    pv_cursor_t                   begun;        /* what had arrived when it came, and what was dealt with since */
    pv_cursor_t                   asked;        /* what had arrived when Redis was asked again */
    ngx_msec_t                    beat;
    ngx_msec_t                    end;
    ngx_msec_t                    again;        /* when Redis is asked again */
    ngx_http_privacy_piece_t     *spare;        /* of the request's pool, to be used again */
    ngx_http_privacy_piece_t     *pieces;       /* not taken yet, oldest first */
    uint32_t                      shown[NGX_HTTP_PRIVACY_STREAM_SHOWN];     /* ngx_http_privacy_notice_zone_id() */
    uint32_t                      shown_count;
    uint32_t                      discarded;    /* bytes that the client sent */
    uint16_t                      queued;
    uint16_t                      tongue;       /* the reader's language: ngx_http_privacy_stream_tag() */
    unsigned                      chunked:1;
    unsigned                      kept:1;       /* what is recorded of the user has a term by now */
    unsigned                      fresh:1;      /* its request is to be let go */
    unsigned                      dying:1;
    unsigned                      slow:1;
};


extern ngx_queue_t  ngx_http_privacy_streams;


/* It is said to this client: what Redis says later to be due, too, is not said again. */

static ngx_inline void
ngx_http_privacy_stream_note(ngx_http_privacy_stream_t *stream, ngx_http_privacy_notice_t *notice)
{
    stream->shown[stream->shown_count++ % NGX_HTTP_PRIVACY_STREAM_SHOWN] = ngx_http_privacy_notice_zone_id(notice);
}


/* stream */
ngx_queue_t *ngx_http_privacy_stream_bucket(const u_char *subject);
void ngx_http_privacy_stream_let_go(ngx_http_privacy_stream_t *stream, ngx_uint_t slow);
/* Is no longer among the streams; its request or connection ends, and its memory is free. */
void ngx_http_privacy_stream_free(ngx_http_privacy_stream_t *stream);
/* Its request is let go in a turn of the event loop of its own, if that can be. */
void ngx_http_privacy_stream_freshen(ngx_http_privacy_stream_t *stream);
/* 1 when what stands up to the cursor has the notice. */
ngx_uint_t ngx_http_privacy_stream_covers(pv_cursor_t cursor, const pv_notice_t *notice);
/* Says it, once. */
/* 1: it was said now. 0: it was before, or the client is gone. */
ngx_uint_t ngx_http_privacy_stream_show(ngx_http_privacy_stream_t *stream, ngx_http_privacy_notice_t *notice);
/* The language tag with that number. */
pv_str_t ngx_http_privacy_stream_tag(ngx_uint_t tongue);

/* stream_output */
void ngx_http_privacy_stream_write(ngx_http_request_t *r);
/* The request is let go, where it can be: in a turn of the event loop in which nobody works on it. */
void ngx_http_privacy_stream_take(ngx_http_privacy_stream_t *stream);
/* The end: of its connection, where it has one of its own, else of its request. */
void ngx_http_privacy_stream_finish(ngx_http_privacy_stream_t *stream);
void ngx_http_privacy_stream_drop_pieces(ngx_http_privacy_stream_t *stream);

/* stream_tell */
void ngx_http_privacy_tellings_init(void);
/* A stream goes: who is about to speak to it speaks to the next. */
void ngx_http_privacy_tellings_skip(ngx_http_privacy_stream_t *stream);
extern const ngx_http_privacy_listener_t  ngx_http_privacy_stream_listener;

/* stream_list */
typedef struct ngx_http_privacy_asking_s  ngx_http_privacy_asking_t;

/* Adds a subject to those that are asked about; *asking: NULL in the beginning. */
void ngx_http_privacy_asking_add(ngx_http_privacy_asking_t **asking, ngx_http_privacy_notice_t *notice,
    const u_char *subject);
void ngx_http_privacy_asking_send(ngx_http_privacy_asking_t *asking);

#endif /* NGX_HTTP_PRIVACY_STREAM_PRIVATE_H */
