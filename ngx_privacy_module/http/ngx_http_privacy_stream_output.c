/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_stream_private.h"


/*
 * One client's side.  A connection of the stream's own is written to directly:
 * the same bytes to each, nothing is copied or allocated unless a client does
 * not take them at once.  Over HTTP/2 and HTTP/3 they go through the filters.
 */

static void ngx_http_privacy_stream_drop_piece(ngx_http_privacy_stream_t *stream);
static ngx_http_privacy_piece_t *ngx_http_privacy_stream_piece(ngx_http_privacy_stream_t *stream);
static ngx_http_privacy_piece_t *ngx_http_privacy_stream_queue(ngx_http_privacy_stream_t *stream,
    ngx_http_privacy_event_t *event, pv_str_t bytes);
static ngx_int_t ngx_http_privacy_stream_send(ngx_http_privacy_stream_t *stream, ngx_http_privacy_event_t *event);
static ngx_int_t ngx_http_privacy_stream_filter(ngx_http_privacy_stream_t *stream,
    ngx_http_privacy_event_t *event);
static ngx_int_t ngx_http_privacy_stream_output(ngx_http_privacy_stream_t *stream, ngx_chain_t *out);
static ngx_int_t ngx_http_privacy_stream_flush(ngx_http_privacy_stream_t *stream);
static void ngx_http_privacy_stream_writable(ngx_event_t *wev);
static void ngx_http_privacy_stream_readable(ngx_event_t *rev);
static ngx_uint_t ngx_http_privacy_stream_owns(ngx_http_privacy_stream_t *stream);
static void ngx_http_privacy_stream_forget_request(ngx_connection_t *c, ngx_http_connection_t *hc);


ngx_http_privacy_event_t *
ngx_http_privacy_event(pv_str_t bytes)
{
    ngx_http_privacy_event_t  *event;

    if (bytes.len == 0) {
        return NULL;
    }

    event = ngx_alloc(sizeof(ngx_http_privacy_event_t), ngx_cycle->log);
    if (event == NULL) {
        return NULL;
    }

    event->refs = 1;
    pv_buf_init(&event->memory, bytes.len + 32);

    pv_buf_printf(&event->memory, "%zx\r\n", bytes.len);
    event->bytes.len = event->memory.len;       /* of what stands before them */
    pv_buf_str(&event->memory, bytes);
    pv_buf_puts(&event->memory, "\r\n");

    if (event->memory.failed) {
        ngx_http_privacy_event_free(event);
        return NULL;
    }

    event->bytes.data = event->memory.data + event->bytes.len;
    event->bytes.len = bytes.len;
    event->chunk.data = event->memory.data;
    event->chunk.len = event->memory.len;

    return event;
}


void
ngx_http_privacy_event_free(ngx_http_privacy_event_t *event)
{
    if (event != NULL && --event->refs == 0) {
        pv_buf_free(&event->memory);
        ngx_free(event);
    }
}


void
ngx_http_privacy_stream_say(ngx_http_privacy_stream_t *stream, ngx_http_privacy_event_t *event)
{
    ngx_int_t  rc;

    if (stream->dying) {
        return;
    }

    if (stream->request == NULL) {
        rc = ngx_http_privacy_stream_send(stream, event);

    } else {
        rc = ngx_http_privacy_stream_filter(stream, event);
    }

    if (rc != NGX_OK) {
        ngx_http_privacy_stream_let_go(stream, 1);
    }
}


/*
 * The chunked filter looks at buffers that were sent when the next ones come: what a request's filters were handed has to
 * last as long as the request.
 */

static ngx_http_privacy_piece_t *
ngx_http_privacy_stream_piece(ngx_http_privacy_stream_t *stream)
{
    ngx_http_privacy_piece_t  *piece;

    if (stream->request == NULL) {
        return ngx_alloc(sizeof(ngx_http_privacy_piece_t), ngx_cycle->log);
    }

    piece = stream->spare;

    if (piece == NULL) {
        return ngx_palloc(stream->request->pool, sizeof(ngx_http_privacy_piece_t));
    }

    stream->spare = piece->next;

    return piece;
}


/* NULL: too many wait already, or no memory. */

static ngx_http_privacy_piece_t *
ngx_http_privacy_stream_queue(ngx_http_privacy_stream_t *stream, ngx_http_privacy_event_t *event, pv_str_t bytes)
{
    ngx_http_privacy_piece_t  *piece, **last;

    if (stream->queued == NGX_HTTP_PRIVACY_STREAM_QUEUE) {
        ngx_http_privacy_stream_count(stream->site, NGX_HTTP_PRIVACY_STREAMS_SLOW);
        return NULL;
    }

    piece = ngx_http_privacy_stream_piece(stream);
    if (piece == NULL) {
        return NULL;
    }

    ngx_memzero(piece, sizeof(ngx_http_privacy_piece_t));
    piece->event = event;
    event->refs++;

    piece->buf.start = piece->buf.pos = (u_char *) bytes.data;
    piece->buf.end = piece->buf.last = (u_char *) bytes.data + bytes.len;
    piece->buf.tag = (ngx_buf_tag_t) &ngx_http_privacy_module;
    piece->buf.memory = 1;
    piece->buf.flush = 1;

    for (last = &stream->pieces; *last; last = &(*last)->next) { /* void */ }

    *last = piece;
    stream->queued++;

    return piece;
}


static void
ngx_http_privacy_stream_drop_piece(ngx_http_privacy_stream_t *stream)
{
    ngx_http_privacy_piece_t  *piece;

    piece = stream->pieces;
    stream->pieces = piece->next;
    stream->queued--;

    ngx_http_privacy_event_free(piece->event);

    if (stream->request != NULL) {
        piece->next = stream->spare;
        stream->spare = piece;

    } else {
        ngx_free(piece);
    }
}


void
ngx_http_privacy_stream_drop_pieces(ngx_http_privacy_stream_t *stream)
{
    while (stream->pieces) {
        ngx_http_privacy_stream_drop_piece(stream);
    }
}


static ngx_int_t
ngx_http_privacy_stream_send(ngx_http_privacy_stream_t *stream, ngx_http_privacy_event_t *event)
{
    ssize_t            n;
    pv_str_t           bytes;
    ngx_connection_t  *c;

    c = stream->connection;
    bytes = stream->chunked ? event->chunk : event->bytes;

    if (stream->pieces == NULL) {
        n = c->send(c, (u_char *) bytes.data, bytes.len);

        if (n == (ssize_t) bytes.len) {
            return NGX_OK;
        }

        if (n != NGX_AGAIN && n < 0) {
            return NGX_ERROR;
        }

        if (n > 0) {
            bytes.data += n;
            bytes.len -= n;
        }
    }

    if (ngx_http_privacy_stream_queue(stream, event, bytes) == NULL) {
        return NGX_ERROR;
    }

    return ngx_handle_write_event(c->write, 0);
}


static ngx_int_t
ngx_http_privacy_stream_flush(ngx_http_privacy_stream_t *stream)
{
    ssize_t            n;
    ngx_buf_t         *b;
    ngx_connection_t  *c;

    c = stream->connection;

    while (stream->pieces) {
        b = &stream->pieces->buf;
        n = c->send(c, b->pos, b->last - b->pos);

        if (n == NGX_AGAIN) {
            break;
        }

        if (n < 0) {
            return NGX_ERROR;
        }

        b->pos += n;

        if (b->pos == b->last) {
            ngx_http_privacy_stream_drop_piece(stream);
        }
    }

    return ngx_handle_write_event(c->write, 0);
}


static void
ngx_http_privacy_stream_writable(ngx_event_t *wev)
{
    ngx_connection_t           *c;
    ngx_http_privacy_stream_t  *stream;

    c = wev->data;
    stream = c->data;

    if (!stream->dying && ngx_http_privacy_stream_flush(stream) != NGX_OK) {
        ngx_http_privacy_stream_let_go(stream, 1);
    }
}


/* What a client says is of no interest, but that it is gone; or the worker is told to go. */

static void
ngx_http_privacy_stream_readable(ngx_event_t *rev)
{
    u_char                      bytes[4096];
    ssize_t                     n;
    ngx_connection_t           *c;
    ngx_http_privacy_stream_t  *stream;

    c = rev->data;
    stream = c->data;

    if (stream->dying) {
        return;
    }

    if (c->close) {
        ngx_http_privacy_stream_let_go(stream, 0);
        return;
    }

    do {
        n = c->recv(c, bytes, sizeof(bytes));

        if (n == 0 || (n < 0 && n != NGX_AGAIN)) {
            ngx_http_privacy_stream_let_go(stream, 1);
            return;
        }

        if (n > 0) {
            stream->discarded += (uint32_t) n;
        }

    } while (n > 0 && stream->discarded < NGX_HTTP_PRIVACY_STREAM_DISCARD);

    if (n > 0 || ngx_handle_read_event(rev, 0) != NGX_OK) {
        ngx_http_privacy_stream_let_go(stream, 1);
    }
}


static ngx_int_t
ngx_http_privacy_stream_filter(ngx_http_privacy_stream_t *stream, ngx_http_privacy_event_t *event)
{
    ngx_chain_t                out;
    ngx_http_privacy_piece_t  *piece;

    piece = ngx_http_privacy_stream_queue(stream, event, event->bytes);
    if (piece == NULL) {
        return NGX_ERROR;
    }

    out.buf = &piece->buf;
    out.next = NULL;

    return ngx_http_privacy_stream_output(stream, &out);
}


/* out: NULL: what could not be written before. */

static ngx_int_t
ngx_http_privacy_stream_output(ngx_http_privacy_stream_t *stream, ngx_chain_t *out)
{
    ngx_connection_t          *c;
    ngx_http_request_t        *r;
    ngx_http_core_loc_conf_t  *clcf;

    r = stream->request;
    c = r->connection;

    if (ngx_http_output_filter(r, out) == NGX_ERROR) {
        return NGX_ERROR;
    }

    while (stream->pieces && ngx_buf_size(&stream->pieces->buf) == 0) {
        ngx_http_privacy_stream_drop_piece(stream);
    }

    if (!c->write->delayed && (r->buffered || r->postponed || c->buffered)) {
        clcf = ngx_http_get_module_loc_conf(r->main, ngx_http_core_module);

        if (ngx_handle_write_event(c->write, clcf->send_lowat) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (stream->pieces == NULL) {
        ngx_http_privacy_stream_freshen(stream);
    }

    return NGX_OK;
}


void
ngx_http_privacy_stream_write(ngx_http_request_t *r)
{
    ngx_queue_t                *q, *users;
    ngx_http_privacy_ctx_t     *ctx;
    ngx_http_privacy_stream_t  *stream;

    ctx = ngx_http_privacy_ctx(r);
    if (ctx == NULL) {
        return;
    }

    users = ngx_http_privacy_stream_bucket(ctx->user.subject);

    for (q = ngx_queue_head(users); q != ngx_queue_sentinel(users); q = ngx_queue_next(q)) {
        stream = ngx_queue_data(q, ngx_http_privacy_stream_t, user);

        if (stream->request == r) {
            if (!stream->dying && ngx_http_privacy_stream_output(stream, NULL) != NGX_OK) {
                ngx_http_privacy_stream_let_go(stream, 1);
            }

            return;
        }
    }
}


/* 1 when the stream's request has a connection of its own, and nothing of it is under way any more. */

static ngx_uint_t
ngx_http_privacy_stream_owns(ngx_http_privacy_stream_t *stream)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = stream->request;
    c = r->connection;

    return r == r->main && r->count == 1 && !r->blocked && !r->buffered && !c->buffered && r->postponed == NULL
           && r->http_version <= NGX_HTTP_VERSION_11 && r->out == NULL && !c->write->delayed && !c->error
           && r->limit_rate == 0 && stream->pieces == NULL;
}


/*
 * As nginx does it between two requests of a connection (ngx_http_set_keepalive()): the request ends, and is written
 * into the access log.  Whatever the connection kept for further requests is not needed: there are none.
 */

void
ngx_http_privacy_stream_take(ngx_http_privacy_stream_t *stream)
{
    ngx_uint_t                 nodelay;
    ngx_connection_t          *c;
    ngx_http_request_t        *r;
    ngx_http_connection_t     *hc;
    ngx_http_core_loc_conf_t  *clcf;

    r = stream->request;
    c = r->connection;

    if (!ngx_http_privacy_stream_owns(stream)) {
        return;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    nodelay = clcf->tcp_nodelay;
    hc = r->http_connection;
    stream->chunked = r->chunked;
    stream->request = NULL;             /* the request's end is not the stream's */
    stream->spare = NULL;

    ngx_http_free_request(r, 0);
    ngx_http_privacy_stream_forget_request(c, hc);

    c->data = stream;
    c->log->action = "keeping an event stream";
    c->read->handler = ngx_http_privacy_stream_readable;
    c->write->handler = ngx_http_privacy_stream_writable;
    c->idle = 1;

    if (c->read->timer_set) {
        ngx_del_timer(c->read);
    }

    if (c->write->timer_set) {
        ngx_del_timer(c->write);
    }

    /* else the second of two events in a row waits until the client confirms the first */

    if ((nodelay && ngx_tcp_nodelay(c) != NGX_OK) || ngx_handle_read_event(c->read, 0) != NGX_OK) {
        ngx_http_privacy_stream_let_go(stream, 1);
        return;
    }

    if (c->read->ready) {
        ngx_post_event(c->read, &ngx_posted_events);
    }
}


static void
ngx_http_privacy_stream_forget_request(ngx_connection_t *c, ngx_http_connection_t *hc)
{
    ngx_uint_t    i;
    ngx_chain_t  *cl, *lists[2];

    lists[0] = hc->busy;
    lists[1] = hc->free;
    hc->busy = NULL;
    hc->free = NULL;
    hc->nbusy = 0;

    for (i = 0; i < 2; i++) {
        for (cl = lists[i]; cl != NULL; cl = cl->next) {
            (void) ngx_pfree(c->pool, cl->buf->start);
            cl->buf->start = NULL;
        }
    }

    if (c->buffer != NULL && c->buffer->start != NULL && ngx_pfree(c->pool, c->buffer->start) == NGX_OK) {
        c->buffer->start = NULL;
        c->buffer->pos = NULL;
        c->buffer->last = NULL;
    }

#if (NGX_HTTP_SSL)
    if (c->ssl) {
        ngx_ssl_free_buffer(c);
    }
#endif
}


void
ngx_http_privacy_stream_finish(ngx_http_privacy_stream_t *stream)
{
    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    c = stream->connection;
    r = stream->request;

    if (r != NULL) {
        ngx_http_set_log_request(c->log, r);

        rc = stream->slow ? NGX_ERROR : ngx_http_send_special(r, NGX_HTTP_LAST);

        ngx_http_finalize_request(r, rc);
        ngx_http_run_posted_requests(c);
        return;
    }

    if (!stream->slow && stream->chunked && stream->pieces == NULL) {
        (void) c->send(c, (u_char *) "0\r\n\r\n", 5);
    }

    /* over TLS nothing more is said to somebody who does not listen */

    c->timedout = stream->slow;

    ngx_http_privacy_stream_free(stream);
    c->data = NULL;
    c->idle = 0;
    ngx_http_close_connection(c);
}
