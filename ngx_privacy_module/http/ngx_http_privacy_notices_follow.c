/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_notices_private.h"


/*
 * Follows the stream of notices as the store follows the log: read after each
 * (re)subscription, when woken, and now and then; one read at a time, page by
 * page from a little before the newest that is known.
 */

#define NGX_HTTP_PRIVACY_NOTICES_PAGE   32
#define NGX_HTTP_PRIVACY_NOTICES_AGAIN  8           /* of the newest: Redis may have lost its tail, and got another */
#define NGX_HTTP_PRIVACY_NOTICES_POLL   60000
#define NGX_HTTP_PRIVACY_NOTICES_RETRY  1000
#define NGX_HTTP_PRIVACY_NOTICES_READ   3000        /* deadline */
#define NGX_HTTP_PRIVACY_NOTICES_BYTES  4096        /* of a command */


static void ngx_http_privacy_notices_poll(ngx_event_t *ev);
static void ngx_http_privacy_notices_sync(ngx_http_privacy_notices_t *notices);
static void ngx_http_privacy_notices_read(ngx_http_privacy_notices_t *notices);
static void ngx_http_privacy_notices_page(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n);
static void ngx_http_privacy_notices_take(ngx_http_privacy_notices_t *notices, redisReply *page);
static void ngx_http_privacy_notices_failed(ngx_http_privacy_notices_t *notices, pvr_status_t status);
static void ngx_http_privacy_notices_done(ngx_http_privacy_notices_t *notices, ngx_msec_t next);


void
ngx_http_privacy_notices_follow(ngx_http_privacy_notices_t *notices)
{
    notices->poll.handler = ngx_http_privacy_notices_poll;
    notices->poll.data = notices;
    notices->poll.log = ngx_cycle->log;
    notices->poll.cancelable = 1;

    if (notices->main->redis != NULL) {
        ngx_add_timer(&notices->poll, 1);
    }
}


void
ngx_http_privacy_notices_follow_stop(ngx_http_privacy_notices_t *notices)
{
    if (notices->poll.timer_set) {
        ngx_del_timer(&notices->poll);
    }

    if (notices->request) {
        ngx_privacy_redis_detach(notices->request);
        notices->request = NULL;
    }
}


static void
ngx_http_privacy_notices_poll(ngx_event_t *ev)
{
    ngx_http_privacy_notices_sync(ev->data);
}


/* There is something to read, or may be: what failed before, when a part of Redis was away, is no reason to wait. */

void
ngx_http_privacy_notices_wake(ngx_http_privacy_notices_t *notices)
{
    notices->failures = ngx_min(notices->failures, 1);

    ngx_http_privacy_notices_sync(notices);
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
    ngx_uint_t  lost, again;

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

    /* what comes after a loss has numbers that were others': from then on the newest are read, whatever theirs are */

    again = lost && notices->begun;

    notices->lost = lost;
    notices->begun = !lost;
    notices->last_sync = ngx_time();

    ngx_http_privacy_notices_done(notices, again ? 1 : NGX_HTTP_PRIVACY_NOTICES_POLL);
}


static void
ngx_http_privacy_notices_take(ngx_http_privacy_notices_t *notices, redisReply *page)
{
    size_t              i, first;
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

        first = problems.count;
        (void) pv_notices_add(notices->all, entry.number, entry.sealed, &problems);

        for ( /* void */ ; first < problems.count; first++) {
            problems.list[first].line = entry.number;
        }
    }

    ngx_http_privacy_notices_problems(notices, &problems);
    pv_problems_free(&problems);
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

    if (notices->again) {
        next = notices->failures ? ngx_min(next, NGX_HTTP_PRIVACY_NOTICES_RETRY) : 1;
    }

    if (!notices->poll.timer_set) {
        ngx_add_timer(&notices->poll, next);
    }
}
