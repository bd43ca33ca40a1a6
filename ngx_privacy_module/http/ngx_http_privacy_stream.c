/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_stream_private.h"


#define NGX_HTTP_PRIVACY_STREAM_BEAT      25000     /* ms between two comments */
#define NGX_HTTP_PRIVACY_STREAM_CAP       600000    /* then a client proves again who is logged in; up to a fifth less */
#define NGX_HTTP_PRIVACY_STREAM_TICK      1000
#define NGX_HTTP_PRIVACY_STREAM_DEADLINE  2000      /* ms, for Redis to say what is due */
#define NGX_HTTP_PRIVACY_STREAM_AGAIN     3000      /* ms until it is asked again */
#define NGX_HTTP_PRIVACY_STREAM_BUCKETS   4096


static void ngx_http_privacy_streams_init(void);
static uint16_t ngx_http_privacy_stream_tongue(pv_str_t tag);
static void ngx_http_privacy_stream_limit(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_stream_t *stream);
static ngx_msec_t ngx_http_privacy_stream_term(ngx_http_privacy_ctx_t *ctx);
static void ngx_http_privacy_stream_cleanup(void *data);
static void ngx_http_privacy_stream_remove(ngx_http_privacy_stream_t *stream);
static void ngx_http_privacy_stream_due(void *data, ngx_int_t rc, ngx_http_privacy_due_t *due);
static ngx_int_t ngx_http_privacy_stream_catch_up(ngx_http_privacy_stream_t *stream, ngx_http_privacy_due_t *due);
static void ngx_http_privacy_stream_look_up(ngx_http_privacy_stream_t *stream);
static void ngx_http_privacy_streams_turn(ngx_event_t *ev);
static void ngx_http_privacy_streams_tick(ngx_event_t *ev);
static void ngx_http_privacy_streams_ask_again(void);


ngx_queue_t              ngx_http_privacy_streams;

static ngx_queue_t       ngx_http_privacy_stream_beats;
static ngx_queue_t       ngx_http_privacy_stream_fresh;     /* whose requests are to be let go */
static ngx_queue_t       ngx_http_privacy_stream_dying;
static ngx_queue_t       ngx_http_privacy_stream_unsure;
static ngx_queue_t       ngx_http_privacy_stream_users[NGX_HTTP_PRIVACY_STREAM_BUCKETS];
static ngx_uint_t        ngx_http_privacy_streams_open;
static ngx_event_t       ngx_http_privacy_stream_tick;
static ngx_event_t       ngx_http_privacy_stream_turn;
static ngx_connection_t  ngx_http_privacy_stream_nobody = { .fd = (ngx_socket_t) -1 };     /* whom events log for */

static char              ngx_http_privacy_stream_tags[NGX_HTTP_PRIVACY_STREAM_TONGUES][NGX_HTTP_PRIVACY_STREAM_TONGUE];
static uint16_t          ngx_http_privacy_stream_tags_count;


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
    ngx_queue_init(&ngx_http_privacy_stream_fresh);
    ngx_queue_init(&ngx_http_privacy_stream_dying);
    ngx_queue_init(&ngx_http_privacy_stream_unsure);

    for (i = 0; i < NGX_HTTP_PRIVACY_STREAM_BUCKETS; i++) {
        ngx_queue_init(&ngx_http_privacy_stream_users[i]);
    }

    ngx_http_privacy_stream_tick.handler = ngx_http_privacy_streams_tick;
    ngx_http_privacy_stream_tick.data = &ngx_http_privacy_stream_nobody;
    ngx_http_privacy_stream_tick.log = ngx_cycle->log;

    ngx_http_privacy_stream_turn.handler = ngx_http_privacy_streams_turn;
    ngx_http_privacy_stream_turn.data = &ngx_http_privacy_stream_nobody;
    ngx_http_privacy_stream_turn.log = ngx_cycle->log;

    ngx_http_privacy_tellings_init();
}


ngx_uint_t
ngx_http_privacy_streams_count(void)
{
    return ngx_http_privacy_streams_open;
}


/* Streams must not take the connections that pages need. */

ngx_uint_t
ngx_http_privacy_streams_most(ngx_http_privacy_main_conf_t *pmcf)
{
    return pmcf->streams_total ? pmcf->streams_total : ngx_cycle->connection_n / 4 * 3;
}


/* Readers share few languages: a stream keeps a number, and what is said is looked for once a language. */

static uint16_t
ngx_http_privacy_stream_tongue(pv_str_t tag)
{
    uint16_t  i;

    for (i = 0; i < ngx_http_privacy_stream_tags_count; i++) {
        if (pv_str_eq(ngx_http_privacy_stream_tag(i), tag)) {
            return i;
        }
    }

    if (i == NGX_HTTP_PRIVACY_STREAM_TONGUES || tag.len >= NGX_HTTP_PRIVACY_STREAM_TONGUE) {
        return 0;
    }

    ngx_memcpy(ngx_http_privacy_stream_tags[i], tag.data, tag.len);
    ngx_http_privacy_stream_tags_count++;

    return i;
}


pv_str_t
ngx_http_privacy_stream_tag(ngx_uint_t tongue)
{
    return pv_str(ngx_http_privacy_stream_tags[tongue]);
}


ngx_int_t
ngx_http_privacy_stream_open(ngx_http_privacy_stream_t **out, ngx_http_privacy_ctx_t *ctx,
    const ngx_http_privacy_reader_t *reader, pv_cursor_t last)
{
    ngx_http_request_t         *r;
    ngx_pool_cleanup_t         *cln;
    ngx_http_privacy_stream_t  *stream;

    r = ctx->request;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    stream = ngx_calloc(sizeof(ngx_http_privacy_stream_t), r->connection->log);

    if (cln == NULL || stream == NULL) {
        ngx_free(stream);
        return NGX_ERROR;
    }

    stream->request = r;
    stream->connection = r->connection;
    stream->site = ctx->site;
    stream->reader = *reader;
    stream->tongue = ngx_http_privacy_stream_tongue(ctx->policy->texts[ctx->language].language);
    stream->last = last;
    stream->begun = ngx_http_privacy_notices_cursor(ctx->site);
    stream->beat = ngx_current_msec + NGX_HTTP_PRIVACY_STREAM_BEAT;
    stream->end = ngx_current_msec + ngx_http_privacy_stream_term(ctx);

    ngx_queue_insert_head(&ngx_http_privacy_streams, &stream->queue);
    ngx_queue_insert_tail(&ngx_http_privacy_stream_beats, &stream->beats);
    ngx_queue_insert_tail(ngx_http_privacy_stream_bucket(reader->subject), &stream->user);
    ngx_http_privacy_streams_open++;

    cln->handler = ngx_http_privacy_stream_cleanup;
    cln->data = stream;

    if (!ngx_http_privacy_stream_tick.timer_set) {
        ngx_add_timer(&ngx_http_privacy_stream_tick, NGX_HTTP_PRIVACY_STREAM_TICK);
    }

    ngx_http_privacy_stream_limit(ctx->main, stream);

    r->main->count++;
    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_privacy_stream_write;

    ngx_http_privacy_stream_freshen(stream);
    ngx_http_privacy_stream_count(ctx->site, NGX_HTTP_PRIVACY_STREAMS_OPENED);

    *out = stream;

    return NGX_OK;
}


void
ngx_http_privacy_stream_freshen(ngx_http_privacy_stream_t *stream)
{
    if (stream->dying || stream->fresh || stream->request->http_version > NGX_HTTP_VERSION_11) {
        return;
    }

    stream->fresh = 1;
    ngx_queue_insert_tail(&ngx_http_privacy_stream_fresh, &stream->dead);
    ngx_post_event(&ngx_http_privacy_stream_turn, &ngx_posted_events);
}


void
ngx_http_privacy_stream_count(ngx_http_privacy_site_t *site, ngx_http_privacy_counter_t counter)
{
    ngx_http_privacy_main_conf_t  *pmcf;

    pmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle, ngx_http_privacy_module);

    ngx_http_privacy_zone_count(pmcf->zone, site->slot, counter, 1);
}


ngx_queue_t *
ngx_http_privacy_stream_bucket(const u_char *subject)
{
    /* a pseudonym is spread evenly */

    return &ngx_http_privacy_stream_users[(subject[0] << 8 | subject[1]) % NGX_HTTP_PRIVACY_STREAM_BUCKETS];
}


/* More than that of one user are tabs that were forgotten, or a program: the oldest goes. */

static void
ngx_http_privacy_stream_limit(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_stream_t *stream)
{
    ngx_uint_t                  n;
    ngx_queue_t                *q, *users;
    ngx_http_privacy_stream_t  *other, *oldest;

    users = ngx_http_privacy_stream_bucket(stream->reader.subject);
    oldest = NULL;
    n = 0;

    for (q = ngx_queue_head(users); q != ngx_queue_sentinel(users); q = ngx_queue_next(q)) {
        other = ngx_queue_data(q, ngx_http_privacy_stream_t, user);

        if (other->site == stream->site && !other->dying
            && ngx_memcmp(other->reader.subject, stream->reader.subject, PV_SUBJECT_LEN) == 0)
        {
            oldest = oldest ? oldest : other;
            n++;
        }
    }

    if (n > (pmcf->streams_user ? pmcf->streams_user : NGX_HTTP_PRIVACY_STREAMS)) {
        ngx_http_privacy_stream_count(stream->site, NGX_HTTP_PRIVACY_STREAMS_REPLACED);
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


/* The request ends, and the stream with it, unless that has gone on without it. */

static void
ngx_http_privacy_stream_cleanup(void *data)
{
    ngx_http_privacy_stream_t *stream = data;

    if (stream->request != NULL) {
        ngx_http_privacy_stream_free(stream);
    }
}


void
ngx_http_privacy_stream_free(ngx_http_privacy_stream_t *stream)
{
    ngx_http_privacy_stream_remove(stream);
    ngx_http_privacy_stream_drop_pieces(stream);

    if (stream->dead.next != NULL) {
        ngx_queue_remove(&stream->dead);
    }

    ngx_free(stream);
}


/* Hears of nothing any more. */

static void
ngx_http_privacy_stream_remove(ngx_http_privacy_stream_t *stream)
{
    if (stream->wait) {
        ngx_http_privacy_notice_due_detach(stream->wait);
        stream->wait = NULL;
    }

    if (stream->queue.next == NULL) {
        return;
    }

    ngx_http_privacy_tellings_skip(stream);

    if (stream->again) {
        ngx_queue_remove(&stream->unsure);
        stream->again = 0;
    }

    ngx_queue_remove(&stream->queue);
    ngx_queue_remove(&stream->beats);
    ngx_queue_remove(&stream->user);
    stream->queue.next = NULL;
    ngx_http_privacy_streams_open--;
}


void
ngx_http_privacy_stream_replay(ngx_http_privacy_stream_t *stream)
{
    (void) ngx_http_privacy_notice_due(stream->site, &stream->reader, NGX_HTTP_PRIVACY_STREAM_DEADLINE,
                                       ngx_http_privacy_stream_due, stream, &stream->wait);
}


static void
ngx_http_privacy_stream_look_up(ngx_http_privacy_stream_t *stream)
{
    stream->asked = ngx_http_privacy_notices_cursor(stream->site);

    (void) ngx_http_privacy_notice_look_up(stream->site, &stream->reader, NGX_HTTP_PRIVACY_STREAM_DEADLINE,
                                           ngx_http_privacy_stream_due, stream, &stream->wait);
}


/* What is due and is not known to be with the client. Where Redis does not say, it is asked again. */

static void
ngx_http_privacy_stream_due(void *data, ngx_int_t rc, ngx_http_privacy_due_t *due)
{
    ngx_http_privacy_stream_t  *stream = data;

    const u_char               *subject;
    ngx_uint_t                  i;
    ngx_http_privacy_notice_t  *notice;

    stream->wait = NULL;

    if (rc != NGX_OK) {
        stream->again = ngx_current_msec + NGX_HTTP_PRIVACY_STREAM_AGAIN;
        ngx_queue_insert_tail(&ngx_http_privacy_stream_unsure, &stream->unsure);

    } else {
        stream->reader = due->reader;
    }

    for (i = 0; i < due->n; i++) {
        notice = due->notices[i];

        if (ngx_http_privacy_stream_covers(stream->last, notice->notice)) {
            continue;
        }

        if (ngx_http_privacy_stream_show(stream, notice) && !due->written[i]) {
            subject = stream->reader.subject;
            ngx_http_privacy_notice_written(notice, &subject, 1, 0);
        }
    }

    /* where Redis did not say, it is asked again in any case, and what was due before is still to be told */

    if (ngx_http_privacy_stream_catch_up(stream, due) == NGX_AGAIN && rc == NGX_OK) {
        stream->last = stream->begun;
        ngx_http_privacy_stream_look_up(stream);
    }
}


/*
 * What arrived since it was asked what is due, and that nobody told the stream while it waited.  NGX_AGAIN: only Redis
 * can say whether the next one is for this user, and was not asked.
 */

static ngx_int_t
ngx_http_privacy_stream_catch_up(ngx_http_privacy_stream_t *stream, ngx_http_privacy_due_t *due)
{
    const u_char               *subject;
    ngx_int_t                   rc;
    ngx_uint_t                  i;
    ngx_http_privacy_notice_t  *notice;

    subject = stream->reader.subject;

    for (notice = ngx_http_privacy_notice_next(stream->site, NULL);
         notice != NULL;
         notice = ngx_http_privacy_notice_next(stream->site, notice))
    {
        if (ngx_http_privacy_stream_covers(stream->begun, notice->notice)) {
            continue;
        }

        for (i = 0; i < due->n && due->notices[i] != notice; i++) { /* void */ }

        if (i == due->n) {
            rc = ngx_http_privacy_notice_addresses(notice, &stream->reader);

            if (rc == NGX_AGAIN && !ngx_http_privacy_stream_covers(stream->asked, notice->notice)) {
                return NGX_AGAIN;
            }

            if (rc == NGX_OK && ngx_http_privacy_stream_show(stream, notice)) {
                ngx_http_privacy_notice_written(notice, &subject, 1, 0);
            }
        }

        stream->begun = notice->cursor;
    }

    stream->begun = ngx_http_privacy_notices_cursor(stream->site);

    return NGX_OK;
}


ngx_uint_t
ngx_http_privacy_stream_covers(pv_cursor_t cursor, const pv_notice_t *notice)
{
    return notice->number <= (notice->kind == PV_NOTICE_CHANGE ? cursor.log : cursor.number);
}


ngx_uint_t
ngx_http_privacy_stream_show(ngx_http_privacy_stream_t *stream, ngx_http_privacy_notice_t *notice)
{
    size_t                     language;
    uint32_t                   id;
    ngx_uint_t                 i;
    ngx_http_privacy_event_t  *event;

    id = ngx_http_privacy_notice_zone_id(notice);

    for (i = 0; i < ngx_min(stream->shown_count, NGX_HTTP_PRIVACY_STREAM_SHOWN); i++) {
        if (stream->shown[i] == id) {
            return 0;
        }
    }

    ngx_http_privacy_stream_note(stream, notice);

    language = pv_notice_language(notice->notice, ngx_http_privacy_stream_tag(stream->tongue), pv_str(""));
    event = ngx_http_privacy_event(ngx_http_privacy_notice_event_bytes(notice, language));

    if (event == NULL) {
        ngx_http_privacy_stream_let_go(stream, 1);
        return 0;
    }

    ngx_http_privacy_stream_say(stream, event);
    ngx_http_privacy_event_free(event);

    return !stream->dying;
}


/* slow: what waits for it is dropped with it; else it is told that this is the end. */

void
ngx_http_privacy_stream_let_go(ngx_http_privacy_stream_t *stream, ngx_uint_t slow)
{
    if (stream->dying) {
        stream->slow |= slow;
        return;
    }

    stream->dying = 1;
    stream->slow = slow;

    if (stream->fresh) {
        stream->fresh = 0;
        ngx_queue_remove(&stream->dead);
    }

    ngx_queue_insert_tail(&ngx_http_privacy_stream_dying, &stream->dead);
    ngx_post_event(&ngx_http_privacy_stream_turn, &ngx_posted_events);
}


/*
 * Nobody works on a request here.  Ending one may end others of its connection: what is next is looked for anew.
 */

static void
ngx_http_privacy_streams_turn(ngx_event_t *ev)
{
    ngx_queue_t                *q;
    ngx_http_privacy_stream_t  *stream;

    while (!ngx_queue_empty(&ngx_http_privacy_stream_dying)) {
        q = ngx_queue_head(&ngx_http_privacy_stream_dying);
        stream = ngx_queue_data(q, ngx_http_privacy_stream_t, dead);

        ngx_queue_remove(q);
        stream->dead.next = NULL;
        ngx_http_privacy_stream_remove(stream);
        ngx_http_privacy_stream_finish(stream);
    }

    while (!ngx_queue_empty(&ngx_http_privacy_stream_fresh)) {
        q = ngx_queue_head(&ngx_http_privacy_stream_fresh);
        stream = ngx_queue_data(q, ngx_http_privacy_stream_t, dead);

        ngx_queue_remove(q);
        stream->dead.next = NULL;
        stream->fresh = 0;
        ngx_http_privacy_stream_take(stream);
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

        if (ngx_exiting) {
            ngx_http_privacy_stream_let_go(stream, 0);

        } else if ((ngx_msec_int_t) (stream->end - ngx_current_msec) <= 0) {
            ngx_http_privacy_stream_count(stream->site, NGX_HTTP_PRIVACY_STREAMS_CAPPED);
            ngx_http_privacy_stream_let_go(stream, 0);

        } else {
            ngx_http_privacy_stream_say(stream, comment);
        }
    }

    ngx_http_privacy_event_free(comment);

    ngx_http_privacy_streams_ask_again();

    if (!ngx_queue_empty(&ngx_http_privacy_streams)) {
        ngx_add_timer(ev, ngx_exiting ? NGX_HTTP_PRIVACY_STREAM_TICK / 20 : NGX_HTTP_PRIVACY_STREAM_TICK);
    }
}


/* Not more at a time than Redis is asked besides, also when it comes back and thousands wait. */

static void
ngx_http_privacy_streams_ask_again(void)
{
    ngx_uint_t                  n;
    ngx_queue_t                *q;
    ngx_http_privacy_stream_t  *stream;

    for (n = 0; n < NGX_HTTP_PRIVACY_STREAM_SLICE && !ngx_queue_empty(&ngx_http_privacy_stream_unsure); n++) {
        q = ngx_queue_head(&ngx_http_privacy_stream_unsure);
        stream = ngx_queue_data(q, ngx_http_privacy_stream_t, unsure);

        if ((ngx_msec_int_t) (stream->again - ngx_current_msec) > 0) {
            break;
        }

        ngx_queue_remove(q);
        stream->again = 0;
        ngx_http_privacy_stream_look_up(stream);
    }
}
