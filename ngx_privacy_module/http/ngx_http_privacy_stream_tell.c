/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_stream_private.h"


/*
 * What is said to many streams, a slice in each turn of the event loop, so that
 * pages are served in between.  Of a notice it is recorded afterwards to whom
 * it was written: nobody waits for that.
 */

/* Users to whom it was written, which is to be recorded. */
typedef struct {
    u_char                      (*subjects)[PV_SUBJECT_LEN];
    ngx_uint_t                    count;
    ngx_uint_t                    size;
    ngx_uint_t                    recorded;
} ngx_http_privacy_told_t;


/* What is told to all streams of a site, or to those whom a notice addresses. */
typedef struct {
    ngx_queue_t                   queue;        /* of those that go on */
    ngx_queue_t                  *place;        /* the stream that is next */
    ngx_event_t                   event;        /* the next slice */
    ngx_http_privacy_site_t      *site;
    ngx_http_privacy_notice_t    *notice;       /* held; NULL: the first of events is for everybody */
    ngx_http_privacy_event_t     *events[NGX_HTTP_PRIVACY_STREAM_TONGUES];
    ngx_http_privacy_told_t       told[2];      /* whose marks have no term yet, and whose have */
} ngx_http_privacy_telling_t;


static void ngx_http_privacy_streams_notice(ngx_http_privacy_notice_t *notice);
static void ngx_http_privacy_streams_close(ngx_http_privacy_site_t *site, pv_str_t id, const u_char *subject,
    const char *why);
static void ngx_http_privacy_streams_left(ngx_http_privacy_site_t *site, const u_char *subject,
    const u_char *session);
static ngx_http_privacy_telling_t *ngx_http_privacy_telling(ngx_http_privacy_site_t *site,
    ngx_http_privacy_notice_t *notice);
static void ngx_http_privacy_telling_slice(ngx_event_t *ev);
static ngx_inline void ngx_http_privacy_telling_prefetch(ngx_queue_t *place);
static void ngx_http_privacy_telling_record(ngx_event_t *ev);
static ngx_uint_t ngx_http_privacy_telling_one(ngx_http_privacy_telling_t *telling,
    ngx_http_privacy_stream_t *stream, ngx_http_privacy_asking_t **asking);
static void ngx_http_privacy_telling_note(ngx_http_privacy_telling_t *telling, ngx_http_privacy_stream_t *stream);
static ngx_http_privacy_event_t *ngx_http_privacy_telling_event(ngx_http_privacy_telling_t *telling,
    ngx_http_privacy_stream_t *stream);
static void ngx_http_privacy_telling_end(ngx_http_privacy_telling_t *telling);


const ngx_http_privacy_listener_t  ngx_http_privacy_stream_listener = {
    ngx_http_privacy_streams_notice, ngx_http_privacy_streams_close, ngx_http_privacy_streams_left
};

static ngx_queue_t  ngx_http_privacy_tellings;


void
ngx_http_privacy_tellings_init(void)
{
    ngx_queue_init(&ngx_http_privacy_tellings);
}


void
ngx_http_privacy_tellings_skip(ngx_http_privacy_stream_t *stream)
{
    ngx_queue_t                 *q;
    ngx_http_privacy_telling_t  *telling;

    for (q = ngx_queue_head(&ngx_http_privacy_tellings);
         q != ngx_queue_sentinel(&ngx_http_privacy_tellings);
         q = ngx_queue_next(q))
    {
        telling = ngx_queue_data(q, ngx_http_privacy_telling_t, queue);

        if (telling->place == &stream->queue) {
            telling->place = ngx_queue_next(&stream->queue);
        }
    }
}


static void
ngx_http_privacy_streams_notice(ngx_http_privacy_notice_t *notice)
{
    if (!ngx_queue_empty(&ngx_http_privacy_streams)) {
        (void) ngx_http_privacy_telling(notice->site, notice);
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
        telling = ngx_http_privacy_telling(site, NULL);

        if (telling != NULL) {
            telling->events[0] = event;
        } else {
            ngx_http_privacy_event_free(event);
        }

        return;
    }

    users = ngx_http_privacy_stream_bucket(subject);

    for (q = ngx_queue_head(users); q != ngx_queue_sentinel(users); q = ngx_queue_next(q)) {
        stream = ngx_queue_data(q, ngx_http_privacy_stream_t, user);

        if (stream->site == site && ngx_memcmp(stream->reader.subject, subject, PV_SUBJECT_LEN) == 0) {
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

        if (stream->site != site || ngx_memcmp(stream->reader.subject, subject, PV_SUBJECT_LEN) != 0
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


/* Streams that come from here on are told what is due when they come. */

static ngx_http_privacy_telling_t *
ngx_http_privacy_telling(ngx_http_privacy_site_t *site, ngx_http_privacy_notice_t *notice)
{
    ngx_http_privacy_telling_t  *telling;

    telling = ngx_calloc(sizeof(ngx_http_privacy_telling_t), ngx_cycle->log);
    if (telling == NULL) {
        return NULL;
    }

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
    ngx_uint_t                   i;
    ngx_http_privacy_asking_t   *asking;
    ngx_http_privacy_stream_t   *stream;
    ngx_http_privacy_telling_t  *telling;

    telling = ev->data;
    asking = NULL;

    for (i = 0; i < NGX_HTTP_PRIVACY_STREAM_SLICE; i++) {

        if (telling->place == ngx_queue_sentinel(&ngx_http_privacy_streams)) {
            ev->handler = ngx_http_privacy_telling_record;
            break;
        }

        stream = ngx_queue_data(telling->place, ngx_http_privacy_stream_t, queue);
        telling->place = ngx_queue_next(telling->place);
        ngx_http_privacy_telling_prefetch(telling->place);

        if (ngx_http_privacy_telling_one(telling, stream, &asking)) {
            ngx_http_privacy_telling_note(telling, stream);
        }
    }

    if (asking) {
        ngx_http_privacy_asking_send(asking);
    }

    ngx_post_event(&telling->event, &ngx_posted_next_events);
}


/*
 * Of fifteen thousand streams none is in a cache when its turn comes: the next one's memory is fetched while the kernel
 * writes to this one.
 */

static ngx_inline void
ngx_http_privacy_telling_prefetch(ngx_queue_t *place)
{
    ngx_http_privacy_stream_t  *next;

    if (place == ngx_queue_sentinel(&ngx_http_privacy_streams)) {
        return;
    }

    next = ngx_queue_data(place, ngx_http_privacy_stream_t, queue);

    __builtin_prefetch(next->connection);
    __builtin_prefetch(next->connection->write);
    __builtin_prefetch(&next->reader);
    __builtin_prefetch(&next->pieces);
    __builtin_prefetch(ngx_queue_next(place));
}


static void
ngx_http_privacy_telling_record(ngx_event_t *ev)
{
    const u_char                *subjects[NGX_HTTP_PRIVACY_NOTICE_WRITTEN];
    ngx_uint_t                   i, n;
    ngx_http_privacy_told_t     *told;
    ngx_http_privacy_telling_t  *telling;

    telling = ev->data;

    for (i = 0; i < 2; i++) {
        told = &telling->told[i];

        for (n = 0; n < NGX_HTTP_PRIVACY_NOTICE_WRITTEN && told->recorded < told->count; n++) {
            subjects[n] = told->subjects[told->recorded++];
        }

        if (n) {
            ngx_http_privacy_notice_written(telling->notice, subjects, n, i);
            ngx_post_event(&telling->event, &ngx_posted_next_events);
            return;
        }
    }

    ngx_http_privacy_telling_end(telling);
}


/* 1 when the notice was said. */

static ngx_uint_t
ngx_http_privacy_telling_one(ngx_http_privacy_telling_t *telling, ngx_http_privacy_stream_t *stream,
    ngx_http_privacy_asking_t **asking)
{
    ngx_http_privacy_event_t  *event;

    if (stream->site != telling->site || stream->dying) {
        return 0;
    }

    if (telling->notice == NULL) {
        ngx_http_privacy_stream_say(stream, telling->events[0]);
        return 0;
    }

    if (stream->wait) {
        return 0;                   /* it catches up when it heard what is due */
    }

    if (ngx_http_privacy_stream_covers(stream->begun, telling->notice->notice)) {
        return 0;                   /* was due when it came, or not for him */
    }

    switch (ngx_http_privacy_notice_addresses(telling->notice, &stream->reader)) {

    case NGX_OK:
        event = ngx_http_privacy_telling_event(telling, stream);

        if (event == NULL) {
            return 0;
        }

        ngx_http_privacy_stream_note(stream, telling->notice);
        ngx_http_privacy_stream_say(stream, event);

        return !stream->dying;

    case NGX_AGAIN:
        ngx_http_privacy_asking_add(asking, telling->notice, stream->reader.subject);
        return 0;

    default:
        return 0;
    }
}


/* Without memory it is not recorded: the client is told again when it comes back. */

static void
ngx_http_privacy_telling_note(ngx_http_privacy_telling_t *telling, ngx_http_privacy_stream_t *stream)
{
    void                     *subjects;
    ngx_uint_t                size;
    ngx_http_privacy_told_t  *told;

    told = &telling->told[stream->kept];

    if (told->count == told->size) {
        size = told->size ? 2 * told->size : NGX_HTTP_PRIVACY_STREAM_SLICE;

        subjects = ngx_alloc(size * PV_SUBJECT_LEN, ngx_cycle->log);
        if (subjects == NULL) {
            return;
        }

        if (told->count) {
            ngx_memcpy(subjects, told->subjects, told->count * PV_SUBJECT_LEN);
        }

        ngx_free(told->subjects);
        told->subjects = subjects;
        told->size = size;
    }

    ngx_memcpy(told->subjects[told->count++], stream->reader.subject, PV_SUBJECT_LEN);
    stream->kept = 1;
}


static ngx_http_privacy_event_t *
ngx_http_privacy_telling_event(ngx_http_privacy_telling_t *telling, ngx_http_privacy_stream_t *stream)
{
    size_t                      language;
    ngx_http_privacy_event_t  **event;

    event = &telling->events[stream->tongue];

    if (*event == NULL) {
        language = pv_notice_language(telling->notice->notice, ngx_http_privacy_stream_tag(stream->tongue),
                                      pv_str(""));
        *event = ngx_http_privacy_event(ngx_http_privacy_notice_event_bytes(telling->notice, language));
    }

    return *event;
}


static void
ngx_http_privacy_telling_end(ngx_http_privacy_telling_t *telling)
{
    ngx_uint_t  i;

    ngx_queue_remove(&telling->queue);

    for (i = 0; i < NGX_HTTP_PRIVACY_STREAM_TONGUES; i++) {
        ngx_http_privacy_event_free(telling->events[i]);
    }

    if (telling->notice) {
        ngx_http_privacy_notice_let_go(telling->notice);
    }

    ngx_free(telling->told[0].subjects);
    ngx_free(telling->told[1].subjects);
    ngx_free(telling);
}
