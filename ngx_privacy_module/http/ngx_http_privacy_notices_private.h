/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_PRIVACY_NOTICES_PRIVATE_H
#define NGX_HTTP_PRIVACY_NOTICES_PRIVATE_H

/* Between notices, which judges and tells, and notices_follow, which reads the stream in Redis. */

#include "ngx_http_privacy_notices.h"


struct ngx_http_privacy_notices_s {
    ngx_http_privacy_main_conf_t  *main;
    ngx_http_privacy_site_t       *site;

    pv_notices_t                  *all;
    ngx_queue_t                    open;            /* of ngx_http_privacy_notice_t; those that ended since, too */
    pv_cursor_t                    cursor;          /* what was considered */

    const ngx_http_privacy_listener_t  *listener;   /* NULL: nobody listens */

    ngx_event_t                    announce;        /* what was added is told, once its version is in memory */

    ngx_event_t                    poll;
    ngx_privacy_redis_request_t   *request;
    uint32_t                       asked;           /* the page being read begins after this number */
    ngx_uint_t                     failures;
    time_t                         last_sync;       /* when it was last read to its end; 0: never */
    unsigned                       begun:1;         /* the stream was read once */
    unsigned                       syncing:1;
    unsigned                       again:1;         /* woken meanwhile: read once more afterwards */
    unsigned                       lost:1;          /* Redis has not what we know */
};


/* What came in is judged, and what is open by now compared with what was. */
void ngx_http_privacy_notices_settle(ngx_http_privacy_notices_t *notices);
/* Logs and counts. */
void ngx_http_privacy_notices_problems(ngx_http_privacy_notices_t *notices, pv_problems_t *problems);

/* notices_follow: begins with a timer, reads once more when woken. */
void ngx_http_privacy_notices_follow(ngx_http_privacy_notices_t *notices);
void ngx_http_privacy_notices_wake(ngx_http_privacy_notices_t *notices);
void ngx_http_privacy_notices_follow_stop(ngx_http_privacy_notices_t *notices);

#endif /* NGX_HTTP_PRIVACY_NOTICES_PRIVATE_H */
