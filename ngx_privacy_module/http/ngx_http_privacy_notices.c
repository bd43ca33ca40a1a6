/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_notices.h"


/*
 * The notices of a site in this worker.  Which are trusted and open is worked
 * out in core (pv_notices.h), from the log that the store follows and from the
 * site's stream in Redis, which is followed here in the same way: after each
 * (re)subscription, when woken, and now and then.  What is open stands in a
 * queue of its own, in the order in which this worker came to know it: that is
 * the order of events, and of the cursors that say how far somebody has read.
 */

#define NGX_HTTP_PRIVACY_NOTICES_PAGE   32
#define NGX_HTTP_PRIVACY_NOTICES_AGAIN  8           /* of the newest: Redis may have lost its tail, and got another */
#define NGX_HTTP_PRIVACY_NOTICES_POLL   60000
#define NGX_HTTP_PRIVACY_NOTICES_RETRY  1000
#define NGX_HTTP_PRIVACY_NOTICES_READ   3000        /* deadline */
#define NGX_HTTP_PRIVACY_NOTICES_BYTES  4096        /* of a command */
#define NGX_HTTP_PRIVACY_EVENT_MAX      (256 * 1024)


struct ngx_http_privacy_notices_s {
    ngx_http_privacy_main_conf_t  *main;
    ngx_http_privacy_site_t       *site;

    pv_notices_t                  *all;
    ngx_queue_t                    open;            /* of ngx_http_privacy_notice_t; those that ended since, too */
    pv_cursor_t                    cursor;          /* what was considered */

    const ngx_http_privacy_listener_t  *listener;   /* NULL: nobody listens */

    ngx_event_t                    poll;
    ngx_privacy_redis_request_t   *request;
    uint32_t                       asked;           /* the page being read begins after this number */
    ngx_uint_t                     failures;
    unsigned                       begun:1;         /* the stream was read once */
    unsigned                       syncing:1;
    unsigned                       again:1;         /* woken meanwhile: read once more afterwards */
    unsigned                       lost:1;          /* Redis has not what we know */
};


static void ngx_http_privacy_notices_settle(ngx_http_privacy_notices_t *notices);
static void ngx_http_privacy_notices_close(ngx_http_privacy_notices_t *notices, pv_notice_t **open, size_t n);
static void ngx_http_privacy_notices_tell_closed(ngx_http_privacy_site_t *site, ngx_http_privacy_notice_t *notice,
    const u_char *subject, const char *why);
static void ngx_http_privacy_notices_add(ngx_http_privacy_notices_t *notices, pv_notice_t *notice);
static ngx_http_privacy_notice_t *ngx_http_privacy_notices_known(ngx_http_privacy_notices_t *notices,
    pv_notice_t *notice);
static void ngx_http_privacy_notice_free(ngx_http_privacy_notice_t *notice);
static ngx_uint_t ngx_http_privacy_notice_is_open(ngx_http_privacy_notice_t *notice);

static void ngx_http_privacy_notices_poll(ngx_event_t *ev);
static void ngx_http_privacy_notices_sync(ngx_http_privacy_notices_t *notices);
static void ngx_http_privacy_notices_read(ngx_http_privacy_notices_t *notices);
static void ngx_http_privacy_notices_page(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n);
static void ngx_http_privacy_notices_take(ngx_http_privacy_notices_t *notices, redisReply *page);
static void ngx_http_privacy_notices_problems(ngx_http_privacy_notices_t *notices, pv_problems_t *problems);
static void ngx_http_privacy_notices_failed(ngx_http_privacy_notices_t *notices, pvr_status_t status);
static void ngx_http_privacy_notices_done(ngx_http_privacy_notices_t *notices, ngx_msec_t next);


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

    notices->poll.handler = ngx_http_privacy_notices_poll;
    notices->poll.data = notices;
    notices->poll.log = ngx_cycle->log;
    notices->poll.cancelable = 1;

    notices->all = pv_notices_create(ngx_http_privacy_str(&site->name));
    if (notices->all == NULL) {
        return NGX_ERROR;
    }

    site->notices = notices;

    ngx_http_privacy_notices_settle(notices);

    if (pmcf->redis != NULL) {
        ngx_add_timer(&notices->poll, 1);
    }

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

    if (notices->poll.timer_set) {
        ngx_del_timer(&notices->poll);
    }

    if (notices->request) {
        ngx_privacy_redis_detach(notices->request);
        notices->request = NULL;
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


/* What came in is judged, and what is open by now compared with what was. */

static void
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

    added = ngx_calloc(sizeof(ngx_http_privacy_notice_t) + notice->texts_count * sizeof(pv_str_t), ngx_cycle->log);
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

    if (notices->listener) {
        notices->listener->notice(added);
    }
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

    for (i = 0; i < notice->notice->texts_count; i++) {
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
    pv_buf_t                   b;
    pv_str_t                  *event, none = { NULL, 0 };
    ngx_http_privacy_whole_t  *whole;

    event = &notice->events[language];

    if (event->data) {
        return *event;
    }

    /* the titles of a change's purposes stand in its version, which mostly is in memory: it comes into force next */

    whole = (notice->notice->kind == PV_NOTICE_CHANGE)
            ? ngx_http_privacy_store_hold(notice->site->store, notice->notice->number) : NULL;

    pv_buf_init(&b, NGX_HTTP_PRIVACY_EVENT_MAX);
    pv_notice_event(&b, notice->notice, language, notice->cursor, whole ? whole->policy : NULL, NULL);

    ngx_http_privacy_store_let_go(whole);

    if (b.failed) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0, "privacy: site %V: notice %s could not be rendered",
                      &notice->site->name, notice->notice->id);
        pv_buf_free(&b);
        return none;
    }

    event->data = b.data;
    event->len = b.len;

    return *event;
}


static void
ngx_http_privacy_notices_poll(ngx_event_t *ev)
{
    ngx_http_privacy_notices_sync(ev->data);
}


static void
ngx_http_privacy_notices_sync(ngx_http_privacy_notices_t *notices)
{
    uint32_t  last;

    if (notices->main->redis == NULL || ngx_exiting) {
        return;
    }

    if (notices->syncing) {
        notices->again = 1;
        return;
    }

    notices->syncing = 1;
    notices->again = 0;

    if (notices->poll.timer_set) {
        ngx_del_timer(&notices->poll);
    }

    last = pv_notices_last(notices->all);
    notices->asked = (last > NGX_HTTP_PRIVACY_NOTICES_AGAIN) ? last - NGX_HTTP_PRIVACY_NOTICES_AGAIN : 0;

    ngx_http_privacy_notices_read(notices);
}


static void
ngx_http_privacy_notices_read(ngx_http_privacy_notices_t *notices)
{
    char       key[PVR_KEY_MAX];
    pv_buf_t   command;
    pv_str_t   site;
    ngx_str_t  route;

    site = ngx_http_privacy_str(&notices->site->name);

    route.len = pvr_key_notice_stream(key, site);
    route.data = (u_char *) key;

    pv_buf_init(&command, NGX_HTTP_PRIVACY_NOTICES_BYTES);

    if (notices->begun) {
        (void) pvr_notices_read(&command, site, notices->asked, NGX_HTTP_PRIVACY_NOTICES_PAGE);

    } else {
        (void) pvr_notices_newest(&command, site, PV_NOTICES_MAX);
    }

    if (!command.failed) {
        notices->request = ngx_privacy_redis_send(notices->main->redis, &route, command.data, command.len, 1,
                                                  NGX_HTTP_PRIVACY_NOTICES_READ, 1, ngx_http_privacy_notices_page,
                                                  notices);
    }

    pv_buf_free(&command);

    if (notices->request == NULL) {
        ngx_http_privacy_notices_failed(notices, PVR_UNREACHABLE);
    }
}


static void
ngx_http_privacy_notices_page(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n)
{
    ngx_http_privacy_notices_t  *notices = data;

    uint32_t    asked;
    ngx_uint_t  lost;

    notices->request = NULL;

    if (status == PVR_OK) {
        status = (n == 1) ? pvr_status(replies[0]) : PVR_PROTOCOL;
    }

    if (status == PVR_OK && replies[0]->type != REDIS_REPLY_ARRAY) {
        status = PVR_PROTOCOL;
    }

    if (status != PVR_OK) {
        ngx_http_privacy_notices_failed(notices, status);
        return;
    }

    asked = notices->asked;

    ngx_http_privacy_notices_take(notices, replies[0]);
    ngx_http_privacy_notices_settle(notices);

    notices->failures = 0;

    if (notices->begun && replies[0]->elements == NGX_HTTP_PRIVACY_NOTICES_PAGE && notices->asked > asked) {
        ngx_http_privacy_notices_read(notices);
        return;
    }

    lost = notices->asked < pv_notices_last(notices->all);

    if (lost && !notices->lost) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0, "privacy: site %V: Redis has lost notices: this node knows "
                      "them up to n%uD", &notices->site->name, pv_notices_last(notices->all));
    }

    notices->lost = lost;
    notices->begun = 1;

    ngx_http_privacy_notices_done(notices, NGX_HTTP_PRIVACY_NOTICES_POLL);
}


static void
ngx_http_privacy_notices_take(ngx_http_privacy_notices_t *notices, redisReply *page)
{
    size_t              i;
    pv_problems_t       problems;
    pvr_notice_entry_t  entry;

    pv_problems_init(&problems);

    for (i = 0; i < page->elements; i++) {

        if (pvr_notice_entry(&entry, page, i) != PV_OK) {
            pv_problem(&problems, NULL, entry.number, NULL, "is no notice");
            notices->asked = ngx_max(notices->asked, entry.number);
            continue;
        }

        notices->asked = ngx_max(notices->asked, entry.number);

        (void) pv_notices_add(notices->all, entry.number, entry.sealed, &problems);
    }

    ngx_http_privacy_notices_problems(notices, &problems);
    pv_problems_free(&problems);
}


static void
ngx_http_privacy_notices_problems(ngx_http_privacy_notices_t *notices, pv_problems_t *problems)
{
    size_t         i;
    ngx_uint_t     level;
    pv_problem_t  *p;

    for (i = 0; i < problems->count; i++) {
        p = &problems->list[i];

        level = p->warning ? NGX_LOG_WARN : NGX_LOG_ERR;

        ngx_log_error(level, ngx_cycle->log, 0,
                      "privacy: site %V: notice n%uD in Redis%s: it %s%s%s", &notices->site->name,
                      (uint32_t) p->line, p->warning ? "" : " is refused", p->field ? p->field : "",
                      p->field ? ": " : "", p->reason);
    }

    if (problems->errors) {
        ngx_http_privacy_zone_count(notices->main->zone, notices->site->slot, NGX_HTTP_PRIVACY_NOTICES_REFUSED,
                                    problems->errors);
    }
}


static void
ngx_http_privacy_notices_failed(ngx_http_privacy_notices_t *notices, pvr_status_t status)
{
    ngx_uint_t  level;
    ngx_msec_t  delay;

    level = notices->failures ? NGX_LOG_INFO : NGX_LOG_ERR;

    ngx_log_error(level, ngx_cycle->log, 0, "privacy: site %V: cannot read the notices: %s",
                  &notices->site->name, pvr_status_name(status));

    delay = NGX_HTTP_PRIVACY_NOTICES_RETRY << ngx_min(notices->failures, 6);
    delay = ngx_min(delay, NGX_HTTP_PRIVACY_NOTICES_POLL);

    notices->failures++;

    ngx_http_privacy_notices_done(notices, delay / 2 + (ngx_msec_t) ngx_random() % (delay / 2 + 1));
}


static void
ngx_http_privacy_notices_done(ngx_http_privacy_notices_t *notices, ngx_msec_t next)
{
    notices->syncing = 0;

    if (notices->failures == 0 && notices->again) {
        next = 1;
    }

    if (!notices->poll.timer_set) {
        ngx_add_timer(&notices->poll, next);
    }
}


void
ngx_http_privacy_notices_event(ngx_http_privacy_site_t *site, ngx_str_t *text)
{
    pvr_notice_event_t  event;

    if (text == NULL) {
        /* what was said while nobody listened is in the stream */
        ngx_http_privacy_notices_sync(site->notices);
        return;
    }

    if (pvr_notice_event_read(&event, ngx_http_privacy_str(text)) != PV_OK) {
        return;
    }

    switch (event.kind) {

    case PVR_NOTICED:
        ngx_http_privacy_notices_sync(site->notices);
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
