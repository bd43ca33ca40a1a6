/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_stream_private.h"


/* A list is long, and in Redis; of those who are online it is asked who is on it. */

#define NGX_HTTP_PRIVACY_STREAM_ASK       1000      /* ms until Redis is asked again */
#define NGX_HTTP_PRIVACY_STREAM_ASKED     20        /* times */


struct ngx_http_privacy_asking_s {
    ngx_event_t                   event;        /* asks again */
    ngx_http_privacy_notice_t    *notice;       /* held */
    ngx_uint_t                    asked;
    ngx_uint_t                    n;
    u_char                        subjects[NGX_HTTP_PRIVACY_NOTICE_BATCH][PV_SUBJECT_LEN];
};


static void ngx_http_privacy_asking_again(ngx_event_t *ev);
static void ngx_http_privacy_asking_said(void *data, const u_char *listed);
static void ngx_http_privacy_asking_end(ngx_http_privacy_asking_t *asking);


void
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


void
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

            if (stream->site == asking->notice->site && !stream->dying
                && !ngx_http_privacy_stream_covers(stream->begun, asking->notice->notice)
                && ngx_memcmp(stream->reader.subject, subject, PV_SUBJECT_LEN) == 0)
            {
                told |= ngx_http_privacy_stream_show(stream, asking->notice);
            }
        }

        if (told) {
            ngx_http_privacy_notice_written(asking->notice, &subject, 1, 0);
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
