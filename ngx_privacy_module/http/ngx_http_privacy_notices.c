/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_notices_private.h"


/*
 * The notices of a site in this worker.  Which are trusted and open is worked
 * out in core (pv_notices.h), from the log and from the site's stream in Redis.
 * What is open stands in a queue of its own, in the order in which this worker
 * came to know it: that is the order of events, and of the cursors that say how
 * far somebody has read.
 */

#define NGX_HTTP_PRIVACY_EVENT_MAX         (256 * 1024)
#define NGX_HTTP_PRIVACY_NOTICES_LOOK      10       /* ms between two looks whether a version is in memory */
#define NGX_HTTP_PRIVACY_NOTICES_PATIENCE  400      /* ms in which it has to be; then its notice goes without titles */


static void ngx_http_privacy_notices_close(ngx_http_privacy_notices_t *notices, pv_notice_t **open, size_t n);
static void ngx_http_privacy_notices_tell_closed(ngx_http_privacy_site_t *site, ngx_http_privacy_notice_t *notice,
    const u_char *subject, const char *why);
static void ngx_http_privacy_notices_add(ngx_http_privacy_notices_t *notices, pv_notice_t *notice);
static void ngx_http_privacy_notices_announce(ngx_event_t *ev);
static ngx_http_privacy_notice_t *ngx_http_privacy_notices_known(ngx_http_privacy_notices_t *notices,
    pv_notice_t *notice);
static void ngx_http_privacy_notice_render(ngx_http_privacy_notice_t *notice, size_t language,
    const pv_policy_t *policy, pv_str_t *event);
static void ngx_http_privacy_notice_free(ngx_http_privacy_notice_t *notice);
static ngx_uint_t ngx_http_privacy_notice_is_open(ngx_http_privacy_notice_t *notice);


ngx_int_t
ngx_http_privacy_notices_start(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site, ngx_pool_t *pool)
{
    ngx_http_privacy_notices_t  *notices;

    notices = ngx_pcalloc(pool, sizeof(ngx_http_privacy_notices_t));
    if (notices == NULL) {
        return NGX_ERROR;
    }

    notices->main = pmcf;
    notices->site = site;
    ngx_queue_init(&notices->open);

    notices->announce.handler = ngx_http_privacy_notices_announce;
    notices->announce.data = notices;
    notices->announce.log = ngx_cycle->log;
    notices->announce.cancelable = 1;

    notices->all = pv_notices_create(ngx_http_privacy_str(&site->name));
    if (notices->all == NULL) {
        return NGX_ERROR;
    }

    site->notices = notices;

    ngx_http_privacy_notices_settle(notices);

    ngx_http_privacy_notices_follow(notices);

    return NGX_OK;
}


void
ngx_http_privacy_notices_listen(ngx_http_privacy_site_t *site, const ngx_http_privacy_listener_t *listener)
{
    site->notices->listener = listener;
}


void
ngx_http_privacy_notices_stop(ngx_http_privacy_site_t *site)
{
    ngx_queue_t                 *q;
    ngx_http_privacy_notices_t  *notices;

    notices = site->notices;

    if (notices == NULL) {
        return;
    }

    ngx_http_privacy_notices_follow_stop(notices);

    if (notices->announce.timer_set) {
        ngx_del_timer(&notices->announce);
    }

    while (!ngx_queue_empty(&notices->open)) {
        q = ngx_queue_head(&notices->open);
        ngx_queue_remove(q);
        ngx_http_privacy_notice_let_go(ngx_queue_data(q, ngx_http_privacy_notice_t, queue));
    }

    pv_notices_free(notices->all);
    site->notices = NULL;
}


void
ngx_http_privacy_notices_update(ngx_http_privacy_site_t *site)
{
    if (site->notices != NULL) {
        ngx_http_privacy_notices_settle(site->notices);
    }
}


void
ngx_http_privacy_notices_settle(ngx_http_privacy_notices_t *notices)
{
    size_t           i, n;
    pv_notice_t     *open[PV_NOTICES_OPEN_MAX];
    pv_problems_t    problems;
    const pv_log_t  *log;

    log = ngx_http_privacy_store_log(notices->site->store);

    pv_problems_init(&problems);

    if (pv_notices_settle(notices->all, log, &problems) == PV_ERROR) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0, "privacy: site %V: the notices could not be judged: out of "
                      "memory", &notices->site->name);
    }

    ngx_http_privacy_notices_problems(notices, &problems);
    pv_problems_free(&problems);

    n = pv_notices_open(notices->all, ngx_time(), open);

    ngx_http_privacy_notices_close(notices, open, n);

    for (i = 0; i < n; i++) {
        if (ngx_http_privacy_notices_known(notices, open[i]) == NULL) {
            ngx_http_privacy_notices_add(notices, open[i]);
        }
    }

    /* what does not wait for anything was considered, whether it is open or not */

    n = pv_log_count(log);

    if (n) {
        notices->cursor.log = ngx_max(notices->cursor.log, pv_log_entry(log, n - 1)->sequence);
    }

    if (pv_notices_waiting(notices->all) == 0) {
        notices->cursor.number = ngx_max(notices->cursor.number, pv_notices_last(notices->all));
    }
}


/* Those that are not open any more: the streams of those who look at a retracted one are told. */

static void
ngx_http_privacy_notices_close(ngx_http_privacy_notices_t *notices, pv_notice_t **open, size_t n)
{
    size_t                      i;
    ngx_queue_t                *q, *next;
    ngx_http_privacy_notice_t  *notice;

    for (q = ngx_queue_head(&notices->open); q != ngx_queue_sentinel(&notices->open); q = next) {
        next = ngx_queue_next(q);
        notice = ngx_queue_data(q, ngx_http_privacy_notice_t, queue);

        for (i = 0; i < n && ngx_memcmp(open[i]->digest, notice->notice->digest, PV_SHA256_LEN) != 0; i++) {
            /* void */
        }

        if (i < n) {
            continue;
        }

        ngx_queue_remove(q);
        notice->closed = 1;

        if (pv_notices_standing(notices->all, notice->notice, ngx_time()) != PV_NOTICE_ENDED) {
            ngx_http_privacy_notices_tell_closed(notices->site, notice, NULL, "retracted");
        }

        ngx_http_privacy_notice_let_go(notice);
    }
}


static void
ngx_http_privacy_notices_tell_closed(ngx_http_privacy_site_t *site, ngx_http_privacy_notice_t *notice,
    const u_char *subject, const char *why)
{
    if (site->notices->listener) {
        site->notices->listener->close(site, pv_str(notice->notice->id), subject, why);
    }
}


static void
ngx_http_privacy_notices_add(ngx_http_privacy_notices_t *notices, pv_notice_t *notice)
{
    ngx_http_privacy_notice_t  *added;

    added = ngx_calloc(sizeof(ngx_http_privacy_notice_t) + 2 * notice->texts_count * sizeof(pv_str_t),
                       ngx_cycle->log);
    if (added == NULL) {
        return;
    }

    if (notice->kind == PV_NOTICE_CHANGE) {
        notices->cursor.log = ngx_max(notices->cursor.log, notice->number);

    } else {
        notices->cursor.number = ngx_max(notices->cursor.number, notice->number);
    }

    added->site = notices->site;
    added->notice = pv_notice_hold(notice);
    added->cursor = notices->cursor;
    added->events = (pv_str_t *) (added + 1);
    added->held = 1;

    ngx_queue_insert_tail(&notices->open, &added->queue);

    if (notices->listener == NULL) {
        added->announced = 1;
        return;
    }

    added->patience = ngx_current_msec + NGX_HTTP_PRIVACY_NOTICES_PATIENCE;

    if (!notices->announce.timer_set) {
        ngx_add_timer(&notices->announce, 1);
    }
}


/*
 * In the order of arrival, which is that of the cursors. A change waits a
 * moment for its version, in which the titles of its purposes stand.
 */

static void
ngx_http_privacy_notices_announce(ngx_event_t *ev)
{
    ngx_queue_t                 *q;
    ngx_http_privacy_whole_t    *whole;
    ngx_http_privacy_notice_t   *notice;
    ngx_http_privacy_notices_t  *notices;

    notices = ev->data;

    for (q = ngx_queue_head(&notices->open); q != ngx_queue_sentinel(&notices->open); q = ngx_queue_next(q)) {
        notice = ngx_queue_data(q, ngx_http_privacy_notice_t, queue);

        if (notice->announced) {
            continue;
        }

        whole = ngx_http_privacy_notice_version(notice);

        if (whole == NULL && notice->notice->purposes_count
            && (ngx_msec_int_t) (notice->patience - ngx_current_msec) > 0)
        {
            ngx_add_timer(&notices->announce, NGX_HTTP_PRIVACY_NOTICES_LOOK);
            return;
        }

        notice->announced = 1;
        notices->listener->notice(notice);

        ngx_http_privacy_store_let_go(whole);
    }
}


/* Held; NULL: it is not in memory, and being loaded, or it has none. */

ngx_http_privacy_whole_t *
ngx_http_privacy_notice_version(ngx_http_privacy_notice_t *notice)
{
    ngx_queue_t               *waiting;
    const pv_head_t           *head;
    ngx_http_privacy_store_t  *store;
    ngx_http_privacy_whole_t  *whole;

    if (notice->notice->kind != PV_NOTICE_CHANGE) {
        return NULL;
    }

    store = notice->site->store;
    whole = ngx_http_privacy_store_hold(store, notice->notice->number);

    if (whole == NULL) {
        head = pv_log_find(ngx_http_privacy_store_log(store), notice->notice->number);

        if (head != NULL) {
            (void) ngx_http_privacy_store_load(store, head, &waiting);
        }
    }

    return whole;
}


static ngx_http_privacy_notice_t *
ngx_http_privacy_notices_known(ngx_http_privacy_notices_t *notices, pv_notice_t *notice)
{
    ngx_queue_t                *q;
    ngx_http_privacy_notice_t  *known;

    for (q = ngx_queue_head(&notices->open); q != ngx_queue_sentinel(&notices->open); q = ngx_queue_next(q)) {
        known = ngx_queue_data(q, ngx_http_privacy_notice_t, queue);

        if (ngx_memcmp(known->notice->digest, notice->digest, PV_SHA256_LEN) == 0) {
            return known;
        }
    }

    return NULL;
}


static void
ngx_http_privacy_notice_free(ngx_http_privacy_notice_t *notice)
{
    size_t  i;

    for (i = 0; i < 2 * notice->notice->texts_count; i++) {
        ngx_free((void *) notice->events[i].data);
    }

    pv_notice_free(notice->notice);
    ngx_free(notice);
}


static ngx_uint_t
ngx_http_privacy_notice_is_open(ngx_http_privacy_notice_t *notice)
{
    return !notice->closed && (notice->notice->until == 0 || notice->notice->until > ngx_time());
}


const pv_notices_t *
ngx_http_privacy_notices_all(ngx_http_privacy_site_t *site)
{
    return site->notices->all;
}


ngx_http_privacy_notice_t *
ngx_http_privacy_notice_next(ngx_http_privacy_site_t *site, ngx_http_privacy_notice_t *notice)
{
    ngx_queue_t                 *q;
    ngx_http_privacy_notices_t  *notices;

    notices = site->notices;

    if (notices == NULL) {
        return NULL;
    }

    q = notice ? ngx_queue_next(&notice->queue) : ngx_queue_head(&notices->open);

    for ( /* void */ ; q != ngx_queue_sentinel(&notices->open); q = ngx_queue_next(q)) {
        notice = ngx_queue_data(q, ngx_http_privacy_notice_t, queue);

        if (ngx_http_privacy_notice_is_open(notice)) {
            return notice;
        }
    }

    return NULL;
}


ngx_http_privacy_notice_t *
ngx_http_privacy_notice_find(ngx_http_privacy_site_t *site, pv_str_t id)
{
    ngx_http_privacy_notice_t  *notice;

    for (notice = ngx_http_privacy_notice_next(site, NULL);
         notice != NULL;
         notice = ngx_http_privacy_notice_next(site, notice))
    {
        if (pv_str_eqs(id, notice->notice->id)) {
            return notice;
        }
    }

    return NULL;
}


pv_cursor_t
ngx_http_privacy_notices_cursor(ngx_http_privacy_site_t *site)
{
    return site->notices->cursor;
}


time_t
ngx_http_privacy_notices_last_sync(ngx_http_privacy_site_t *site)
{
    return site->notices->last_sync;
}


ngx_uint_t
ngx_http_privacy_notices_lost(ngx_http_privacy_site_t *site)
{
    return site->notices->lost;
}


void
ngx_http_privacy_notice_hold(ngx_http_privacy_notice_t *notice)
{
    notice->held++;
}


void
ngx_http_privacy_notice_let_go(ngx_http_privacy_notice_t *notice)
{
    if (--notice->held == 0) {
        ngx_http_privacy_notice_free(notice);
    }
}


pv_str_t
ngx_http_privacy_notice_event_bytes(ngx_http_privacy_notice_t *notice, size_t language)
{
    pv_str_t                  *event, bytes;
    ngx_http_privacy_whole_t  *whole;

    event = &notice->events[language];

    if (event->data) {
        return *event;
    }

    /* the titles of a change's purposes stand in its version: without it there is an event of a second kind */

    whole = ngx_http_privacy_notice_version(notice);

    if (whole == NULL && notice->notice->purposes_count) {
        event = &notice->events[notice->notice->texts_count + language];
    }

    if (event->data == NULL) {
        ngx_http_privacy_notice_render(notice, language, whole ? whole->policy : NULL, event);
    }

    bytes = *event;
    ngx_http_privacy_store_let_go(whole);

    return bytes;
}


static void
ngx_http_privacy_notice_render(ngx_http_privacy_notice_t *notice, size_t language, const pv_policy_t *policy,
    pv_str_t *event)
{
    pv_buf_t  b;

    pv_buf_init(&b, NGX_HTTP_PRIVACY_EVENT_MAX);
    pv_notice_event(&b, notice->notice, language, notice->cursor, policy, NULL);

    if (b.failed) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0, "privacy: site %V: notice %s could not be rendered",
                      &notice->site->name, notice->notice->id);
        pv_buf_free(&b);
        return;
    }

    event->data = b.data;
    event->len = b.len;
}


void
ngx_http_privacy_notices_problems(ngx_http_privacy_notices_t *notices, pv_problems_t *problems)
{
    size_t         i;
    ngx_uint_t     level;
    pv_problem_t  *p;

    for (i = 0; i < problems->count; i++) {
        p = &problems->list[i];

        level = p->warning ? NGX_LOG_WARN : NGX_LOG_ERR;

        ngx_log_error(level, ngx_cycle->log, 0,
                      "privacy: site %V: notice n%uD in Redis%s: %s%s%s", &notices->site->name,
                      (uint32_t) p->line, p->warning ? "" : " is refused", p->field ? p->field : "",
                      p->field ? ": " : "", p->reason);
    }

    if (problems->errors) {
        ngx_http_privacy_zone_count(notices->main->zone, notices->site->slot, NGX_HTTP_PRIVACY_NOTICES_REFUSED,
                                    problems->errors);
    }
}


void
ngx_http_privacy_notices_event(ngx_http_privacy_site_t *site, ngx_str_t *text)
{
    pvr_notice_event_t  event;

    if (text == NULL) {
        /* what was said while nobody listened is in the stream */
        ngx_http_privacy_notices_wake(site->notices);
        return;
    }

    if (pvr_notice_event_read(&event, ngx_http_privacy_str(text)) != PV_OK) {
        return;
    }

    switch (event.kind) {

    case PVR_NOTICED:
        ngx_http_privacy_notices_wake(site->notices);
        break;

    case PVR_ANSWERED:
        ngx_http_privacy_notice_answered(site, event.subject, pv_str(event.id));
        break;

    case PVR_LEFT:
        if (site->notices->listener) {
            site->notices->listener->left(site, event.subject, event.session);
        }

        break;
    }
}


void
ngx_http_privacy_notice_answered(ngx_http_privacy_site_t *site, const u_char *subject, pv_str_t id)
{
    ngx_http_privacy_notice_t  *notice, *older;

    notice = ngx_http_privacy_notice_find(site, id);

    if (notice == NULL) {
        return;
    }

    ngx_http_privacy_zone_user_answered(site->notices->main->zone, site->slot, subject,
                                        ngx_http_privacy_notice_zone_id(notice));
    ngx_http_privacy_notices_tell_closed(site, notice, subject, "answered");

    if (notice->notice->kind != PV_NOTICE_CHANGE) {
        return;
    }

    /* who has answered a change has answered those before it */

    for (older = ngx_http_privacy_notice_next(site, NULL);
         older != NULL;
         older = ngx_http_privacy_notice_next(site, older))
    {
        if (older->notice->kind == PV_NOTICE_CHANGE && older->notice->number < notice->notice->number) {
            ngx_http_privacy_notices_tell_closed(site, older, subject, "answered");
        }
    }
}
