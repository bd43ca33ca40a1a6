/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_privacy_stream.h"


#define NGX_HTTP_PRIVACY_STREAM_BEAT      25000     /* ms between two comments */
#define NGX_HTTP_PRIVACY_STREAM_CAP       600000    /* then a client proves again who is logged in; up to a fifth less */
#define NGX_HTTP_PRIVACY_STREAM_TICK      1000
#define NGX_HTTP_PRIVACY_STREAM_QUEUE     16        /* events that wait for a client */
#define NGX_HTTP_PRIVACY_STREAM_DEADLINE  2000      /* ms, for Redis to say what is due */
#define NGX_HTTP_PRIVACY_STREAM_SLICE     256       /* streams in a turn of the event loop */
#define NGX_HTTP_PRIVACY_STREAM_BUCKETS   4096
#define NGX_HTTP_PRIVACY_STREAM_ASK       1000      /* ms until Redis is asked again who is on a list */
#define NGX_HTTP_PRIVACY_STREAM_ASKED     20        /* times */


/* An event on its way through the filter chain. */
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
    ngx_queue_t                   dead;         /* of those that are to be let go */
    ngx_http_privacy_ctx_t       *ctx;
    ngx_http_privacy_reader_t     reader;
    ngx_http_privacy_due_wait_t  *wait;
    pv_cursor_t                   last;         /* what the client has */
    pv_cursor_t                   begun;        /* what had arrived when it came */
    ngx_msec_t                    beat;
    ngx_msec_t                    end;
    ngx_http_privacy_piece_t     *pieces;       /* not taken yet, oldest first */
    ngx_http_privacy_piece_t     *free;
    ngx_uint_t                    queued;
    unsigned                      behind:1;     /* something arrived while it waits to hear what is due */
    unsigned                      dying:1;
    unsigned                      slow:1;
};


/* What is told to all streams of a site, or to those whom a notice addresses. */
typedef struct {
    ngx_queue_t                   queue;        /* of those that go on */
    ngx_queue_t                  *place;        /* the stream that is next */
    ngx_event_t                   event;        /* the next slice */
    ngx_http_privacy_site_t      *site;
    ngx_http_privacy_notice_t    *notice;       /* held; NULL: bytes are for everybody */
    ngx_http_privacy_event_t    **bytes;        /* by language of the notice; one of them without */
    ngx_uint_t                    n;
} ngx_http_privacy_telling_t;


/* Streams of users of whom only Redis knows whether they are on a notice's list. */
typedef struct {
    ngx_event_t                   event;        /* asks again */
    ngx_http_privacy_notice_t    *notice;       /* held */
    ngx_uint_t                    asked;
    ngx_uint_t                    n;
    u_char                        subjects[NGX_HTTP_PRIVACY_NOTICE_BATCH][PV_SUBJECT_LEN];
} ngx_http_privacy_asking_t;


static void ngx_http_privacy_streams_init(void);
static ngx_queue_t *ngx_http_privacy_stream_bucket(const u_char *subject);
static void ngx_http_privacy_stream_limit(ngx_http_privacy_stream_t *stream);
static ngx_msec_t ngx_http_privacy_stream_term(ngx_http_privacy_ctx_t *ctx);
static void ngx_http_privacy_stream_cleanup(void *data);
static void ngx_http_privacy_stream_remove(ngx_http_privacy_stream_t *stream);
static void ngx_http_privacy_stream_due(void *data, ngx_int_t rc, ngx_http_privacy_due_t *due);
static void ngx_http_privacy_stream_catch_up(ngx_http_privacy_stream_t *stream, ngx_http_privacy_due_t *due);
static ngx_uint_t ngx_http_privacy_stream_covers(pv_cursor_t cursor, const pv_notice_t *notice);
static void ngx_http_privacy_stream_show(ngx_http_privacy_stream_t *stream, ngx_http_privacy_notice_t *notice);
static ngx_http_privacy_piece_t *ngx_http_privacy_stream_piece(ngx_http_privacy_stream_t *stream);
static ngx_int_t ngx_http_privacy_stream_output(ngx_http_privacy_stream_t *stream, ngx_chain_t *out);
static void ngx_http_privacy_stream_write(ngx_http_request_t *r);
static void ngx_http_privacy_stream_let_go(ngx_http_privacy_stream_t *stream, ngx_uint_t slow);
static void ngx_http_privacy_streams_dead(ngx_event_t *ev);
static void ngx_http_privacy_streams_tick(ngx_event_t *ev);

static void ngx_http_privacy_streams_notice(ngx_http_privacy_notice_t *notice);
static void ngx_http_privacy_streams_close(ngx_http_privacy_site_t *site, pv_str_t id, const u_char *subject,
    const char *why);
static void ngx_http_privacy_streams_left(ngx_http_privacy_site_t *site, const u_char *subject,
    const u_char *session);
static ngx_http_privacy_telling_t *ngx_http_privacy_telling(ngx_http_privacy_site_t *site,
    ngx_http_privacy_notice_t *notice, ngx_uint_t n);
static void ngx_http_privacy_telling_slice(ngx_event_t *ev);
static ngx_uint_t ngx_http_privacy_telling_one(ngx_http_privacy_telling_t *telling,
    ngx_http_privacy_stream_t *stream, ngx_http_privacy_asking_t **asking);
static ngx_http_privacy_event_t *ngx_http_privacy_telling_bytes(ngx_http_privacy_telling_t *telling,
    ngx_http_privacy_stream_t *stream);
static void ngx_http_privacy_telling_end(ngx_http_privacy_telling_t *telling);
static void ngx_http_privacy_asking_add(ngx_http_privacy_asking_t **asking, ngx_http_privacy_notice_t *notice,
    const u_char *subject);
static void ngx_http_privacy_asking_send(ngx_http_privacy_asking_t *asking);
static void ngx_http_privacy_asking_again(ngx_event_t *ev);
static void ngx_http_privacy_asking_said(void *data, const u_char *listed);
static void ngx_http_privacy_asking_end(ngx_http_privacy_asking_t *asking);


static ngx_queue_t       ngx_http_privacy_streams;
static ngx_queue_t       ngx_http_privacy_stream_beats;
static ngx_queue_t       ngx_http_privacy_stream_dying;
static ngx_queue_t       ngx_http_privacy_tellings;
static ngx_queue_t       ngx_http_privacy_stream_users[NGX_HTTP_PRIVACY_STREAM_BUCKETS];
static ngx_event_t       ngx_http_privacy_stream_tick;
static ngx_event_t       ngx_http_privacy_stream_end;
static ngx_connection_t  ngx_http_privacy_stream_nobody = { .fd = (ngx_socket_t) -1 };     /* whom events log for */

static const ngx_http_privacy_listener_t  ngx_http_privacy_stream_listener = {
    ngx_http_privacy_streams_notice, ngx_http_privacy_streams_close, ngx_http_privacy_streams_left
};


void
ngx_http_privacy_streams_start(ngx_http_privacy_site_t *site)
{
    if (ngx_http_privacy_streams.next == NULL) {
        ngx_http_privacy_streams_init();
    }

    ngx_http_privacy_notices_listen(site, &ngx_http_privacy_stream_listener);
}


static void
ngx_http_privacy_streams_init(void)
{
    ngx_uint_t  i;

    ngx_queue_init(&ngx_http_privacy_streams);
    ngx_queue_init(&ngx_http_privacy_stream_beats);
    ngx_queue_init(&ngx_http_privacy_stream_dying);
    ngx_queue_init(&ngx_http_privacy_tellings);

    for (i = 0; i < NGX_HTTP_PRIVACY_STREAM_BUCKETS; i++) {
        ngx_queue_init(&ngx_http_privacy_stream_users[i]);
    }

    ngx_http_privacy_stream_tick.handler = ngx_http_privacy_streams_tick;
    ngx_http_privacy_stream_tick.data = &ngx_http_privacy_stream_nobody;
    ngx_http_privacy_stream_tick.log = ngx_cycle->log;

    ngx_http_privacy_stream_end.handler = ngx_http_privacy_streams_dead;
    ngx_http_privacy_stream_end.data = &ngx_http_privacy_stream_nobody;
    ngx_http_privacy_stream_end.log = ngx_cycle->log;
}


ngx_http_privacy_event_t *
ngx_http_privacy_event(pv_str_t bytes)
{
    ngx_http_privacy_event_t  *event;

    event = ngx_alloc(sizeof(ngx_http_privacy_event_t), ngx_cycle->log);
    if (event == NULL) {
        return NULL;
    }

    event->refs = 1;
    pv_buf_init(&event->bytes, bytes.len);
    pv_buf_str(&event->bytes, bytes);

    if (event->bytes.failed || bytes.len == 0) {
        ngx_http_privacy_event_free(event);
        return NULL;
    }

    return event;
}


void
ngx_http_privacy_event_free(ngx_http_privacy_event_t *event)
{
    if (event != NULL && --event->refs == 0) {
        pv_buf_free(&event->bytes);
        ngx_free(event);
    }
}


ngx_int_t
ngx_http_privacy_stream_open(ngx_http_privacy_stream_t **out, ngx_http_privacy_ctx_t *ctx,
    const ngx_http_privacy_reader_t *reader, pv_cursor_t last)
{
    ngx_http_request_t         *r;
    ngx_pool_cleanup_t         *cln;
    ngx_http_privacy_stream_t  *stream;

    r = ctx->request;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_privacy_stream_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    stream = cln->data;
    ngx_memzero(stream, sizeof(ngx_http_privacy_stream_t));

    stream->ctx = ctx;
    stream->reader = *reader;
    stream->last = last;
    stream->begun = ngx_http_privacy_notices_cursor(ctx->site);
    stream->beat = ngx_current_msec + NGX_HTTP_PRIVACY_STREAM_BEAT;
    stream->end = ngx_current_msec + ngx_http_privacy_stream_term(ctx);

    ngx_queue_insert_head(&ngx_http_privacy_streams, &stream->queue);
    ngx_queue_insert_tail(&ngx_http_privacy_stream_beats, &stream->beats);
    ngx_queue_insert_tail(ngx_http_privacy_stream_bucket(reader->subject), &stream->user);
    cln->handler = ngx_http_privacy_stream_cleanup;

    if (!ngx_http_privacy_stream_tick.timer_set) {
        ngx_add_timer(&ngx_http_privacy_stream_tick, NGX_HTTP_PRIVACY_STREAM_TICK);
    }

    ngx_http_privacy_stream_limit(stream);

    r->main->count++;
    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_privacy_stream_write;

    *out = stream;

    return NGX_OK;
}


static ngx_queue_t *
ngx_http_privacy_stream_bucket(const u_char *subject)
{
    /* a pseudonym is spread evenly */

    return &ngx_http_privacy_stream_users[(subject[0] << 8 | subject[1]) % NGX_HTTP_PRIVACY_STREAM_BUCKETS];
}


/* More than that of one user are tabs that were forgotten, or a program: the oldest goes. */

static void
ngx_http_privacy_stream_limit(ngx_http_privacy_stream_t *stream)
{
    ngx_uint_t                  n;
    ngx_queue_t                *q, *users;
    ngx_http_privacy_stream_t  *other, *oldest;

    users = ngx_http_privacy_stream_bucket(stream->reader.subject);
    oldest = NULL;
    n = 0;

    for (q = ngx_queue_head(users); q != ngx_queue_sentinel(users); q = ngx_queue_next(q)) {
        other = ngx_queue_data(q, ngx_http_privacy_stream_t, user);

        if (other->ctx->site == stream->ctx->site && !other->dying
            && ngx_memcmp(other->reader.subject, stream->reader.subject, PV_SUBJECT_LEN) == 0)
        {
            oldest = oldest ? oldest : other;
            n++;
        }
    }

    if (n > NGX_HTTP_PRIVACY_STREAMS) {
        ngx_http_privacy_stream_let_go(oldest, 0);
    }
}


/* Not longer than it is sure that the user is logged in; not all of them at once. */

static ngx_msec_t
ngx_http_privacy_stream_term(ngx_http_privacy_ctx_t *ctx)
{
    time_t      left;
    ngx_msec_t  term;

    term = NGX_HTTP_PRIVACY_STREAM_CAP - ngx_random() % (NGX_HTTP_PRIVACY_STREAM_CAP / 5);
    left = (time_t) ctx->user.expires - ngx_time();

    if (ctx->user.expires != 0 && left < (time_t) (term / 1000)) {
        term = (left > 0) ? (ngx_msec_t) left * 1000 : 0;
    }

    return term;
}


static void
ngx_http_privacy_stream_cleanup(void *data)
{
    ngx_http_privacy_piece_t   *piece;
    ngx_http_privacy_stream_t  *stream = data;

    ngx_http_privacy_stream_remove(stream);

    for (piece = stream->pieces; piece; piece = piece->next) {
        ngx_http_privacy_event_free(piece->event);
    }

    stream->pieces = NULL;

    if (stream->dying == 1 && stream->dead.next != NULL) {
        ngx_queue_remove(&stream->dead);
    }
}


/* Hears of nothing any more. */

static void
ngx_http_privacy_stream_remove(ngx_http_privacy_stream_t *stream)
{
    ngx_queue_t                 *q;
    ngx_http_privacy_telling_t  *telling;

    if (stream->wait) {
        ngx_http_privacy_notice_due_detach(stream->wait);
        stream->wait = NULL;
    }

    if (stream->queue.next == NULL) {
        return;
    }

    for (q = ngx_queue_head(&ngx_http_privacy_tellings);
         q != ngx_queue_sentinel(&ngx_http_privacy_tellings);
         q = ngx_queue_next(q))
    {
        telling = ngx_queue_data(q, ngx_http_privacy_telling_t, queue);

        if (telling->place == &stream->queue) {
            telling->place = ngx_queue_next(&stream->queue);
        }
    }

    ngx_queue_remove(&stream->queue);
    ngx_queue_remove(&stream->beats);
    ngx_queue_remove(&stream->user);
    stream->queue.next = NULL;
}


void
ngx_http_privacy_stream_replay(ngx_http_privacy_stream_t *stream)
{
    (void) ngx_http_privacy_notice_due(stream->ctx->site, &stream->reader, NGX_HTTP_PRIVACY_STREAM_DEADLINE,
                                       ngx_http_privacy_stream_due, stream, &stream->wait);
}


/* What is due and is not known to be with the client. Where Redis is away, it is told at the next coming back. */

static void
ngx_http_privacy_stream_due(void *data, ngx_int_t rc, ngx_http_privacy_due_t *due)
{
    ngx_http_privacy_stream_t  *stream = data;

    const u_char               *subject;
    ngx_uint_t                  i;
    ngx_http_privacy_notice_t  *notice;

    stream->wait = NULL;

    if (rc != NGX_OK) {

        /* soon: the client comes back and asks again */

        if (stream->end - ngx_current_msec > NGX_HTTP_PRIVACY_STREAM_BEAT) {
            stream->end = ngx_current_msec + NGX_HTTP_PRIVACY_STREAM_BEAT;
        }

    } else {
        stream->reader = due->reader;
    }

    for (i = 0; i < due->n; i++) {
        notice = due->notices[i];

        if (ngx_http_privacy_stream_covers(stream->last, notice->notice)) {
            continue;
        }

        ngx_http_privacy_stream_show(stream, notice);

        if (!due->written[i]) {
            subject = stream->reader.subject;
            ngx_http_privacy_notice_written(notice, &subject, 1);
        }
    }

    if (stream->behind) {
        stream->behind = 0;
        ngx_http_privacy_stream_catch_up(stream, due);
    }
}


static void
ngx_http_privacy_stream_catch_up(ngx_http_privacy_stream_t *stream, ngx_http_privacy_due_t *due)
{
    const u_char               *subject;
    ngx_uint_t                  i;
    ngx_http_privacy_notice_t  *notice;

    subject = stream->reader.subject;

    for (notice = ngx_http_privacy_notice_next(stream->ctx->site, NULL);
         notice != NULL;
         notice = ngx_http_privacy_notice_next(stream->ctx->site, notice))
    {
        for (i = 0; i < due->n && due->notices[i] != notice; i++) { /* void */ }

        if (i == due->n && !ngx_http_privacy_stream_covers(stream->begun, notice->notice)
            && ngx_http_privacy_notice_addresses(notice, &stream->reader) == NGX_OK)
        {
            ngx_http_privacy_stream_show(stream, notice);
            ngx_http_privacy_notice_written(notice, &subject, 1);
        }
    }
}


static ngx_uint_t
ngx_http_privacy_stream_covers(pv_cursor_t cursor, const pv_notice_t *notice)
{
    return notice->number <= (notice->kind == PV_NOTICE_CHANGE ? cursor.log : cursor.number);
}


static void
ngx_http_privacy_stream_show(ngx_http_privacy_stream_t *stream, ngx_http_privacy_notice_t *notice)
{
    size_t                     language;
    ngx_http_privacy_event_t  *event;

    language = ngx_http_privacy_notice_language(stream->ctx, notice->notice);
    event = ngx_http_privacy_event(ngx_http_privacy_notice_event_bytes(notice, language));

    if (event == NULL) {
        ngx_http_privacy_stream_let_go(stream, 1);
        return;
    }

    ngx_http_privacy_stream_say(stream, event);
    ngx_http_privacy_event_free(event);
}


void
ngx_http_privacy_stream_say(ngx_http_privacy_stream_t *stream, ngx_http_privacy_event_t *event)
{
    ngx_chain_t                 out;
    ngx_http_privacy_piece_t   *piece, **last;

    if (stream->dying) {
        return;
    }

    piece = (stream->queued < NGX_HTTP_PRIVACY_STREAM_QUEUE) ? ngx_http_privacy_stream_piece(stream) : NULL;

    if (piece == NULL) {
        ngx_http_privacy_stream_let_go(stream, 1);
        return;
    }

    piece->event = event;
    event->refs++;

    ngx_memzero(&piece->buf, sizeof(ngx_buf_t));
    piece->buf.start = piece->buf.pos = event->bytes.data;
    piece->buf.end = piece->buf.last = event->bytes.data + event->bytes.len;
    piece->buf.tag = (ngx_buf_tag_t) &ngx_http_privacy_module;
    piece->buf.memory = 1;
    piece->buf.flush = 1;

    for (last = &stream->pieces; *last; last = &(*last)->next) { /* void */ }
    *last = piece;
    stream->queued++;

    out.buf = &piece->buf;
    out.next = NULL;

    if (ngx_http_privacy_stream_output(stream, &out) != NGX_OK) {
        ngx_http_privacy_stream_let_go(stream, 1);
    }
}


static ngx_http_privacy_piece_t *
ngx_http_privacy_stream_piece(ngx_http_privacy_stream_t *stream)
{
    ngx_http_privacy_piece_t  *piece;

    piece = stream->free;

    if (piece != NULL) {
        stream->free = piece->next;

    } else {
        piece = ngx_palloc(stream->ctx->request->pool, sizeof(ngx_http_privacy_piece_t));
    }

    if (piece != NULL) {
        piece->next = NULL;
    }

    return piece;
}


/* out: NULL: what could not be written before. */

static ngx_int_t
ngx_http_privacy_stream_output(ngx_http_privacy_stream_t *stream, ngx_chain_t *out)
{
    ngx_connection_t           *c;
    ngx_http_request_t         *r;
    ngx_http_privacy_piece_t   *piece;
    ngx_http_core_loc_conf_t   *clcf;

    r = stream->ctx->request;
    c = r->connection;

    if (ngx_http_output_filter(r, out) == NGX_ERROR) {
        return NGX_ERROR;
    }

    while (stream->pieces && ngx_buf_size(&stream->pieces->buf) == 0) {
        piece = stream->pieces;
        stream->pieces = piece->next;
        stream->queued--;

        ngx_http_privacy_event_free(piece->event);
        piece->next = stream->free;
        stream->free = piece;
    }

    if (!c->write->delayed && (r->buffered || r->postponed || c->buffered)) {
        clcf = ngx_http_get_module_loc_conf(r->main, ngx_http_core_module);

        if (ngx_handle_write_event(c->write, clcf->send_lowat) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_http_privacy_stream_write(ngx_http_request_t *r)
{
    ngx_queue_t                *q;
    ngx_http_privacy_ctx_t     *ctx;
    ngx_http_privacy_stream_t  *stream;

    ctx = ngx_http_get_module_ctx(r, ngx_http_privacy_module);
    if (ctx == NULL) {
        return;
    }

    stream = NULL;

    for (q = ngx_queue_head(ngx_http_privacy_stream_bucket(ctx->user.subject));
         q != ngx_queue_sentinel(ngx_http_privacy_stream_bucket(ctx->user.subject));
         q = ngx_queue_next(q))
    {
        stream = ngx_queue_data(q, ngx_http_privacy_stream_t, user);

        if (stream->ctx == ctx) {
            break;
        }

        stream = NULL;
    }

    if (stream != NULL && !stream->dying && ngx_http_privacy_stream_output(stream, NULL) != NGX_OK) {
        ngx_http_privacy_stream_let_go(stream, 1);
    }
}


/* slow: what waits for it is dropped with it; else it is told that this is the end. */

static void
ngx_http_privacy_stream_let_go(ngx_http_privacy_stream_t *stream, ngx_uint_t slow)
{
    if (stream->dying) {
        stream->slow |= slow;
        return;
    }

    stream->dying = 1;
    stream->slow = slow;

    ngx_queue_insert_tail(&ngx_http_privacy_stream_dying, &stream->dead);
    ngx_post_event(&ngx_http_privacy_stream_end, &ngx_posted_events);
}


/* Ending one request may end others of its connection: what is next is looked for anew. */

static void
ngx_http_privacy_streams_dead(ngx_event_t *ev)
{
    ngx_int_t                   rc;
    ngx_queue_t                *q;
    ngx_connection_t           *c;
    ngx_http_request_t         *r;
    ngx_http_privacy_stream_t  *stream;

    while (!ngx_queue_empty(&ngx_http_privacy_stream_dying)) {
        q = ngx_queue_head(&ngx_http_privacy_stream_dying);
        stream = ngx_queue_data(q, ngx_http_privacy_stream_t, dead);

        ngx_queue_remove(q);
        stream->dead.next = NULL;
        ngx_http_privacy_stream_remove(stream);

        r = stream->ctx->request;
        c = r->connection;
        ngx_http_set_log_request(c->log, r);

        rc = stream->slow ? NGX_ERROR : ngx_http_send_special(r, NGX_HTTP_LAST);

        ngx_http_finalize_request(r, rc);
        ngx_http_run_posted_requests(c);
    }
}


/* One timer for all: comments, so that what stands between does not take them for dead; and ends. */

static void
ngx_http_privacy_streams_tick(ngx_event_t *ev)
{
    ngx_uint_t                  n;
    ngx_queue_t                *q;
    ngx_http_privacy_event_t   *comment;
    ngx_http_privacy_stream_t  *stream;

    comment = ngx_http_privacy_event(pv_str(":\n\n"));

    for (n = 0; comment != NULL && n < 4 * NGX_HTTP_PRIVACY_STREAM_SLICE; n++) {

        if (ngx_queue_empty(&ngx_http_privacy_stream_beats)) {
            break;
        }

        q = ngx_queue_head(&ngx_http_privacy_stream_beats);
        stream = ngx_queue_data(q, ngx_http_privacy_stream_t, beats);

        if (!ngx_exiting && (ngx_msec_int_t) (stream->beat - ngx_current_msec) > 0) {
            break;
        }

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&ngx_http_privacy_stream_beats, q);
        stream->beat = ngx_current_msec + NGX_HTTP_PRIVACY_STREAM_BEAT;

        if (ngx_exiting || (ngx_msec_int_t) (stream->end - ngx_current_msec) <= 0) {
            ngx_http_privacy_stream_let_go(stream, 0);

        } else {
            ngx_http_privacy_stream_say(stream, comment);
        }
    }

    ngx_http_privacy_event_free(comment);

    if (!ngx_queue_empty(&ngx_http_privacy_streams)) {
        ngx_add_timer(ev, ngx_exiting ? NGX_HTTP_PRIVACY_STREAM_TICK / 20 : NGX_HTTP_PRIVACY_STREAM_TICK);
    }
}


static void
ngx_http_privacy_streams_notice(ngx_http_privacy_notice_t *notice)
{
    if (!ngx_queue_empty(&ngx_http_privacy_streams)) {
        ngx_http_privacy_telling(notice->site, notice, notice->notice->texts_count);
    }
}


static void
ngx_http_privacy_streams_close(ngx_http_privacy_site_t *site, pv_str_t id, const u_char *subject, const char *why)
{
    u_char                       text[PV_NOTICE_ID_SIZE];
    pv_buf_t                     out;
    pv_str_t                     bytes;
    ngx_queue_t                 *q, *users;
    ngx_http_privacy_event_t    *event;
    ngx_http_privacy_stream_t   *stream;
    ngx_http_privacy_telling_t  *telling;

    if (ngx_queue_empty(&ngx_http_privacy_streams) || id.len >= sizeof(text)) {
        return;
    }

    *ngx_cpymem(text, id.data, id.len) = '\0';

    pv_buf_init(&out, NGX_MAX_ALLOC_FROM_POOL);
    pv_notice_closed_event(&out, (char *) text, why);

    bytes.data = out.data;
    bytes.len = out.len;
    event = out.failed ? NULL : ngx_http_privacy_event(bytes);
    pv_buf_free(&out);

    if (event == NULL) {
        return;
    }

    if (subject == NULL) {
        telling = ngx_http_privacy_telling(site, NULL, 1);

        if (telling != NULL) {
            telling->bytes[0] = event;
        } else {
            ngx_http_privacy_event_free(event);
        }

        return;
    }

    users = ngx_http_privacy_stream_bucket(subject);

    for (q = ngx_queue_head(users); q != ngx_queue_sentinel(users); q = ngx_queue_next(q)) {
        stream = ngx_queue_data(q, ngx_http_privacy_stream_t, user);

        if (stream->ctx->site == site && ngx_memcmp(stream->reader.subject, subject, PV_SUBJECT_LEN) == 0) {
            ngx_http_privacy_stream_say(stream, event);
        }
    }

    ngx_http_privacy_event_free(event);
}


static void
ngx_http_privacy_streams_left(ngx_http_privacy_site_t *site, const u_char *subject, const u_char *session)
{
    ngx_queue_t                *q, *users;
    ngx_http_privacy_event_t   *event;
    ngx_http_privacy_stream_t  *stream;

    event = ngx_http_privacy_event(pv_str("event: left\ndata: {}\n\n"));
    users = ngx_http_privacy_stream_bucket(subject);

    for (q = ngx_queue_head(users); q != ngx_queue_sentinel(users); q = ngx_queue_next(q)) {
        stream = ngx_queue_data(q, ngx_http_privacy_stream_t, user);

        if (stream->ctx->site != site || ngx_memcmp(stream->reader.subject, subject, PV_SUBJECT_LEN) != 0
            || (session && ngx_memcmp(stream->reader.session, session, PV_SESSION_TAG_LEN) != 0))
        {
            continue;
        }

        if (event != NULL) {
            ngx_http_privacy_stream_say(stream, event);
        }

        ngx_http_privacy_stream_let_go(stream, 0);
    }

    ngx_http_privacy_event_free(event);
}


/* n: how many different bytes there can be. Streams that come from here on are told what is due when they come. */

static ngx_http_privacy_telling_t *
ngx_http_privacy_telling(ngx_http_privacy_site_t *site, ngx_http_privacy_notice_t *notice, ngx_uint_t n)
{
    ngx_http_privacy_telling_t  *telling;

    telling = ngx_calloc(sizeof(ngx_http_privacy_telling_t) + n * sizeof(ngx_http_privacy_event_t *),
                         ngx_cycle->log);
    if (telling == NULL) {
        return NULL;
    }

    telling->bytes = (ngx_http_privacy_event_t **) (telling + 1);
    telling->n = n;
    telling->site = site;
    telling->notice = notice;
    telling->event.handler = ngx_http_privacy_telling_slice;
    telling->event.data = telling;
    telling->event.log = ngx_cycle->log;

    if (notice != NULL) {
        ngx_http_privacy_notice_hold(notice);
    }

    telling->place = ngx_queue_head(&ngx_http_privacy_streams);
    ngx_queue_insert_tail(&ngx_http_privacy_tellings, &telling->queue);
    ngx_post_event(&telling->event, &ngx_posted_events);

    return telling;
}


static void
ngx_http_privacy_telling_slice(ngx_event_t *ev)
{
    const u_char                *told[NGX_HTTP_PRIVACY_NOTICE_BATCH];
    ngx_uint_t                   i, n;
    ngx_http_privacy_asking_t   *asking;
    ngx_http_privacy_stream_t   *stream;
    ngx_http_privacy_telling_t  *telling;

    telling = ev->data;
    asking = NULL;
    n = 0;

    for (i = 0; i < NGX_HTTP_PRIVACY_STREAM_SLICE; i++) {

        if (telling->place == ngx_queue_sentinel(&ngx_http_privacy_streams)) {
            break;
        }

        stream = ngx_queue_data(telling->place, ngx_http_privacy_stream_t, queue);
        telling->place = ngx_queue_next(telling->place);

        if (ngx_http_privacy_telling_one(telling, stream, &asking)) {
            told[n++] = stream->reader.subject;
        }

        if (n == NGX_HTTP_PRIVACY_NOTICE_BATCH) {
            ngx_http_privacy_notice_written(telling->notice, told, n);
            n = 0;
        }
    }

    if (n) {
        ngx_http_privacy_notice_written(telling->notice, told, n);
    }

    if (asking) {
        ngx_http_privacy_asking_send(asking);
    }

    if (telling->place == ngx_queue_sentinel(&ngx_http_privacy_streams)) {
        ngx_http_privacy_telling_end(telling);

    } else {
        ngx_post_event(&telling->event, &ngx_posted_next_events);
    }
}


/* 1 when the notice was said. */

static ngx_uint_t
ngx_http_privacy_telling_one(ngx_http_privacy_telling_t *telling, ngx_http_privacy_stream_t *stream,
    ngx_http_privacy_asking_t **asking)
{
    ngx_http_privacy_event_t  *event;

    if (stream->ctx->site != telling->site || stream->dying) {
        return 0;
    }

    if (telling->notice == NULL) {
        ngx_http_privacy_stream_say(stream, telling->bytes[0]);
        return 0;
    }

    if (stream->wait) {
        stream->behind = 1;         /* what is due may not have it yet */
        return 0;
    }

    if (ngx_http_privacy_stream_covers(stream->begun, telling->notice->notice)) {
        return 0;                   /* was due when it came, or not for him */
    }

    switch (ngx_http_privacy_notice_addresses(telling->notice, &stream->reader)) {

    case NGX_OK:
        event = ngx_http_privacy_telling_bytes(telling, stream);

        if (event != NULL) {
            ngx_http_privacy_stream_say(stream, event);
        }

        return event != NULL;

    case NGX_AGAIN:
        ngx_http_privacy_asking_add(asking, telling->notice, stream->reader.subject);
        return 0;

    default:
        return 0;
    }
}


static ngx_http_privacy_event_t *
ngx_http_privacy_telling_bytes(ngx_http_privacy_telling_t *telling, ngx_http_privacy_stream_t *stream)
{
    size_t  language;

    language = ngx_http_privacy_notice_language(stream->ctx, telling->notice->notice);

    if (telling->bytes[language] == NULL) {
        telling->bytes[language] = ngx_http_privacy_event(ngx_http_privacy_notice_event_bytes(telling->notice, language));
    }

    return telling->bytes[language];
}


static void
ngx_http_privacy_telling_end(ngx_http_privacy_telling_t *telling)
{
    ngx_uint_t  i;

    ngx_queue_remove(&telling->queue);

    for (i = 0; i < telling->n; i++) {
        ngx_http_privacy_event_free(telling->bytes[i]);
    }

    if (telling->notice) {
        ngx_http_privacy_notice_let_go(telling->notice);
    }

    ngx_free(telling);
}


/* A list is long, and in Redis; of those who are online it is asked who is on it. */

static void
ngx_http_privacy_asking_add(ngx_http_privacy_asking_t **asking, ngx_http_privacy_notice_t *notice,
    const u_char *subject)
{
    ngx_uint_t                  i;
    ngx_http_privacy_asking_t  *ask;

    ask = *asking;

    if (ask == NULL) {
        ask = ngx_calloc(sizeof(ngx_http_privacy_asking_t), ngx_cycle->log);
        if (ask == NULL) {
            return;
        }

        ask->notice = notice;
        ask->event.handler = ngx_http_privacy_asking_again;
        ask->event.data = ask;
        ask->event.log = ngx_cycle->log;
        ask->event.cancelable = 1;
        ngx_http_privacy_notice_hold(notice);
        *asking = ask;
    }

    for (i = 0; i < ask->n; i++) {
        if (ngx_memcmp(ask->subjects[i], subject, PV_SUBJECT_LEN) == 0) {
            return;             /* another one of his streams */
        }
    }

    ngx_memcpy(ask->subjects[ask->n++], subject, PV_SUBJECT_LEN);

    if (ask->n == NGX_HTTP_PRIVACY_NOTICE_BATCH) {
        ngx_http_privacy_asking_send(ask);
        *asking = NULL;
    }
}


static void
ngx_http_privacy_asking_send(ngx_http_privacy_asking_t *asking)
{
    ngx_uint_t     i;
    const u_char  *subjects[NGX_HTTP_PRIVACY_NOTICE_BATCH];

    for (i = 0; i < asking->n; i++) {
        subjects[i] = asking->subjects[i];
    }

    if (asking->notice->closed
        || ngx_http_privacy_notice_listed(asking->notice, subjects, asking->n, ngx_http_privacy_asking_said, asking)
           != NGX_OK)
    {
        ngx_http_privacy_asking_said(asking, NULL);
    }
}


static void
ngx_http_privacy_asking_again(ngx_event_t *ev)
{
    ngx_http_privacy_asking_send(ev->data);
}


static void
ngx_http_privacy_asking_said(void *data, const u_char *listed)
{
    ngx_http_privacy_asking_t  *asking = data;

    const u_char               *subject;
    ngx_uint_t                  i, told;
    ngx_queue_t                *q, *users;
    ngx_http_privacy_stream_t  *stream;

    if (listed == NULL && !asking->notice->closed && ++asking->asked < NGX_HTTP_PRIVACY_STREAM_ASKED) {
        ngx_add_timer(&asking->event, NGX_HTTP_PRIVACY_STREAM_ASK);
        return;
    }

    for (i = 0; listed != NULL && !asking->notice->closed && i < asking->n; i++) {

        if (!listed[i]) {
            continue;
        }

        subject = asking->subjects[i];
        users = ngx_http_privacy_stream_bucket(subject);
        told = 0;

        for (q = ngx_queue_head(users); q != ngx_queue_sentinel(users); q = ngx_queue_next(q)) {
            stream = ngx_queue_data(q, ngx_http_privacy_stream_t, user);

            if (stream->ctx->site == asking->notice->site && !stream->dying
                && !ngx_http_privacy_stream_covers(stream->begun, asking->notice->notice)
                && ngx_memcmp(stream->reader.subject, subject, PV_SUBJECT_LEN) == 0)
            {
                ngx_http_privacy_stream_show(stream, asking->notice);
                told = 1;
            }
        }

        if (told) {
            ngx_http_privacy_notice_written(asking->notice, &subject, 1);
        }
    }

    ngx_http_privacy_asking_end(asking);
}


static void
ngx_http_privacy_asking_end(ngx_http_privacy_asking_t *asking)
{
    ngx_http_privacy_notice_let_go(asking->notice);
    ngx_free(asking);
}
