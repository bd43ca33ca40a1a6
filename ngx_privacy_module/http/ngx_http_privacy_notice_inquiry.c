/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_notices.h"


/*
 * A user is looked up in Redis: when he was met first (now, if never: that puts
 * him into the index of users), what he did with the open notices, and whether
 * he is on the lists of those that have one.  Each key is asked on its own
 * route.  The answer is kept in the zone.
 */

#define NGX_HTTP_PRIVACY_INQUIRY_BYTES  4096        /* of a command */
#define NGX_HTTP_PRIVACY_INQUIRY_LATER  86400       /* s: where no session says when the next one begins */


/* One question of a look-up to Redis. */
typedef struct ngx_http_privacy_inquiry_s  ngx_http_privacy_inquiry_t;

typedef struct {
    ngx_http_privacy_inquiry_t        *inquiry;
    ngx_uint_t                        i;            /* of notices: is he on its list? */
} ngx_http_privacy_question_t;


/* Its memory is its own: nobody need wait for it. */
struct ngx_http_privacy_inquiry_s {
    ngx_http_privacy_main_conf_t     *main;
    ngx_http_privacy_site_t          *site;
    ngx_http_privacy_reader_t         reader;
    ngx_http_privacy_due_wait_t      *wait;         /* NULL: nobody does, or not any more */
    ngx_msec_t                        deadline;
    uint32_t                          epoch;
    pv_cursor_t                       cursor;
    ngx_uint_t                        pending;      /* answers that are still to come */
    ngx_uint_t                        n;
    ngx_http_privacy_notice_t        *notices[PV_NOTICES_OPEN_MAX];     /* held, in the order of arrival */
    ngx_http_privacy_question_t       questions[PV_NOTICES_OPEN_MAX];
    u_char                            listed[PV_NOTICES_OPEN_MAX];
    u_char                            mine[PV_NOTICES_OPEN_MAX];
    pv_notice_states_t                states;
    unsigned                          failed:1;
};


struct ngx_http_privacy_due_wait_s {
    ngx_http_privacy_inquiry_t        *inquiry;
    ngx_http_privacy_due_pt           handler;
    void                             *data;
};


static ngx_http_privacy_inquiry_t *ngx_http_privacy_inquiry_begin(ngx_http_privacy_main_conf_t *pmcf,
    ngx_http_privacy_site_t *site, const ngx_http_privacy_reader_t *reader, uint32_t epoch, ngx_msec_t deadline);
static void ngx_http_privacy_inquiry_ask_state(ngx_http_privacy_inquiry_t *inquiry);
static void ngx_http_privacy_inquiry_ask_met(ngx_http_privacy_inquiry_t *inquiry);
static void ngx_http_privacy_inquiry_ask_listed(ngx_http_privacy_inquiry_t *inquiry, ngx_uint_t i);
static void ngx_http_privacy_inquiry_send(ngx_http_privacy_inquiry_t *inquiry, pv_buf_t *commands, ngx_uint_t n,
    ngx_privacy_redis_handler_pt handler, void *data);
static void ngx_http_privacy_inquiry_state(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n);
static void ngx_http_privacy_inquiry_met(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n);
static void ngx_http_privacy_inquiry_listed(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n);
static void ngx_http_privacy_inquiry_answered(ngx_http_privacy_inquiry_t *inquiry, ngx_uint_t failed);
static void ngx_http_privacy_inquiry_keep(ngx_http_privacy_inquiry_t *inquiry, ngx_http_privacy_zone_user_t *user);


ngx_int_t
ngx_http_privacy_notice_look_up(ngx_http_privacy_site_t *site, const ngx_http_privacy_reader_t *reader,
    ngx_msec_t deadline, ngx_http_privacy_due_pt handler, void *data, ngx_http_privacy_due_wait_t **wait)
{
    uint32_t                       epoch;
    ngx_http_privacy_due_t         due;
    ngx_http_privacy_inquiry_t     *inquiry;
    ngx_http_privacy_zone_user_t   user;
    ngx_http_privacy_main_conf_t  *pmcf;

    pmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle, ngx_http_privacy_module);

    *wait = ngx_alloc(sizeof(ngx_http_privacy_due_wait_t), ngx_cycle->log);

    if (*wait != NULL) {
        (void) ngx_http_privacy_zone_user_claim(pmcf->zone, site->slot, reader->subject, 0, &epoch);

        inquiry = ngx_http_privacy_inquiry_begin(pmcf, site, reader, epoch, deadline);

        if (inquiry != NULL) {
            (*wait)->inquiry = inquiry;
            (*wait)->handler = handler;
            (*wait)->data = data;
            inquiry->wait = *wait;
            return NGX_AGAIN;
        }

        ngx_free(*wait);
        *wait = NULL;
    }

    ngx_memzero(&due, sizeof(ngx_http_privacy_due_t));
    due.reader = *reader;

    if (ngx_http_privacy_notice_known(site, reader->subject, &user)) {
        ngx_http_privacy_notice_collect(site, &user, &due);
    }

    handler(data, NGX_DECLINED, &due);

    return NGX_OK;
}


void
ngx_http_privacy_notice_due_detach(ngx_http_privacy_due_wait_t *wait)
{
    wait->inquiry->wait = NULL;
    ngx_free(wait);
}


void
ngx_http_privacy_notice_inquire(ngx_http_privacy_site_t *site, const ngx_http_privacy_reader_t *reader,
    uint32_t epoch, ngx_msec_t deadline)
{
    ngx_http_privacy_main_conf_t  *pmcf;

    pmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle, ngx_http_privacy_module);

    (void) ngx_http_privacy_inquiry_begin(pmcf, site, reader, epoch, deadline);
}


/* NULL: nothing was asked. A list is asked for only where the notice has one. */

static ngx_http_privacy_inquiry_t *
ngx_http_privacy_inquiry_begin(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site,
    const ngx_http_privacy_reader_t *reader, uint32_t epoch, ngx_msec_t deadline)
{
    ngx_uint_t                  i;
    ngx_http_privacy_notice_t  *notice;
    ngx_http_privacy_inquiry_t  *inquiry;

    if (pmcf->redis == NULL) {
        return NULL;
    }

    inquiry = ngx_calloc(sizeof(ngx_http_privacy_inquiry_t), ngx_cycle->log);
    if (inquiry == NULL) {
        return NULL;
    }

    inquiry->main = pmcf;
    inquiry->site = site;
    inquiry->reader = *reader;
    inquiry->epoch = epoch;
    inquiry->deadline = deadline;
    inquiry->cursor = ngx_http_privacy_notices_cursor(site);
    inquiry->pending = 1;

    for (notice = ngx_http_privacy_notice_next(site, NULL);
         notice != NULL && inquiry->n < PV_NOTICES_OPEN_MAX;
         notice = ngx_http_privacy_notice_next(site, notice))
    {
        ngx_http_privacy_notice_hold(notice);
        ngx_memcpy(inquiry->states.states[inquiry->n].id, notice->notice->id, PV_NOTICE_ID_SIZE);
        inquiry->notices[inquiry->n++] = notice;
    }

    inquiry->states.count = inquiry->n;

    ngx_http_privacy_inquiry_ask_state(inquiry);
    ngx_http_privacy_inquiry_ask_met(inquiry);

    for (i = 0; i < inquiry->n; i++) {
        if (inquiry->notices[i]->notice->audience.kind == PV_AUDIENCE_LIST
            && inquiry->notices[i]->notice->kind != PV_NOTICE_CHANGE)
        {
            ngx_http_privacy_inquiry_ask_listed(inquiry, i);
        }
    }

    /* the answers come with a later turn of the event loop: there is one at least, or none was asked for */

    if (inquiry->pending == 1) {
        ngx_http_privacy_inquiry_answered(inquiry, 1);
        return NULL;
    }

    inquiry->pending--;

    return inquiry;
}


/* Who comes is kept on from then: that it cannot be said (READONLY) is no reason not to answer. */

static void
ngx_http_privacy_inquiry_ask_state(ngx_http_privacy_inquiry_t *inquiry)
{
    pv_buf_t  commands;
    pv_str_t  site;

    site = ngx_http_privacy_str(&inquiry->site->name);

    pv_buf_init(&commands, NGX_HTTP_PRIVACY_INQUIRY_BYTES);
    (void) pvr_notice_state(&commands, site, inquiry->reader.subject);
    (void) pvr_notice_expire(&commands, site, inquiry->reader.subject,
                             ngx_http_privacy_notice_term(inquiry->main, inquiry->site));

    ngx_http_privacy_inquiry_send(inquiry, &commands, 2, ngx_http_privacy_inquiry_state, inquiry);
}


/* The first meeting counts: it is set where it is not there, and read in any case. */

static void
ngx_http_privacy_inquiry_ask_met(ngx_http_privacy_inquiry_t *inquiry)
{
    pv_buf_t  commands;
    pv_str_t  site;

    site = ngx_http_privacy_str(&inquiry->site->name);

    pv_buf_init(&commands, NGX_HTTP_PRIVACY_INQUIRY_BYTES);
    (void) pvr_user_meet(&commands, site, inquiry->reader.subject, (int64_t) ngx_time());
    (void) pvr_user_met(&commands, site, inquiry->reader.subject);

    ngx_http_privacy_inquiry_send(inquiry, &commands, 2, ngx_http_privacy_inquiry_met, inquiry);
}


static void
ngx_http_privacy_inquiry_ask_listed(ngx_http_privacy_inquiry_t *inquiry, ngx_uint_t i)
{
    pv_buf_t                      commands;
    pv_str_t                      site;
    const u_char                 *subject;
    pv_notice_t                  *notice;
    ngx_http_privacy_question_t  *question;

    site = ngx_http_privacy_str(&inquiry->site->name);
    notice = inquiry->notices[i]->notice;
    subject = inquiry->reader.subject;

    question = &inquiry->questions[i];
    question->inquiry = inquiry;
    question->i = i;

    pv_buf_init(&commands, NGX_HTTP_PRIVACY_INQUIRY_BYTES);
    (void) pvr_audience_members(&commands, site, notice->audience.digest, &subject, 1);

    ngx_http_privacy_inquiry_send(inquiry, &commands, 1, ngx_http_privacy_inquiry_listed, question);
}


/* Not as one: where a slot is on its way, ASKING holds for one command. */

static void
ngx_http_privacy_inquiry_send(ngx_http_privacy_inquiry_t *inquiry, pv_buf_t *commands, ngx_uint_t n,
    ngx_privacy_redis_handler_pt handler, void *data)
{
    ngx_privacy_redis_request_t  *sent;

    sent = commands->failed ? NULL : ngx_privacy_redis_send_each(inquiry->main->redis, commands->data, commands->len,
                                                                 n, inquiry->deadline, 1, handler, data);
    pv_buf_free(commands);

    if (sent == NULL) {
        inquiry->failed = 1;
        return;
    }

    inquiry->pending++;
}


static void
ngx_http_privacy_inquiry_state(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n)
{
    ngx_http_privacy_inquiry_t  *inquiry = data;

    ngx_http_privacy_inquiry_answered(inquiry, status != PVR_OK || n != 2
                                               || pvr_notice_state_read(&inquiry->states, replies[0]) != PV_OK);
}


static void
ngx_http_privacy_inquiry_met(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n)
{
    ngx_http_privacy_inquiry_t  *inquiry = data;

    int64_t  met;

    /* READONLY, OOM: he is not in the index; what he has to be shown can still be told */

    met = (status == PVR_OK && n == 2) ? pvr_user_time(replies[1]) : 0;

    if (met > 0) {
        inquiry->reader.met = (uint32_t) ngx_min(met, (int64_t) UINT32_MAX);
    }

    ngx_http_privacy_inquiry_answered(inquiry, status != PVR_OK);
}


static void
ngx_http_privacy_inquiry_listed(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n)
{
    ngx_http_privacy_question_t  *question = data;

    ngx_http_privacy_inquiry_t  *inquiry;

    inquiry = question->inquiry;

    if (status != PVR_OK || n != 1 || pvr_audience_listed(&inquiry->listed[question->i], 1, replies[0]) != PV_OK) {
        ngx_http_privacy_inquiry_answered(inquiry, 1);
        return;
    }

    ngx_http_privacy_inquiry_answered(inquiry, 0);
}


/* One more; the last one ends it. */

static void
ngx_http_privacy_inquiry_answered(ngx_http_privacy_inquiry_t *inquiry, ngx_uint_t failed)
{
    ngx_uint_t                     i;
    ngx_http_privacy_due_t         due;
    ngx_http_privacy_due_wait_t   *wait;
    ngx_http_privacy_zone_user_t   user;

    inquiry->failed |= failed;

    if (--inquiry->pending) {
        return;
    }

    wait = inquiry->wait;

    ngx_memzero(&due, sizeof(ngx_http_privacy_due_t));
    due.reader = inquiry->reader;

    if (inquiry->failed) {
        ngx_http_privacy_zone_count(inquiry->main->zone, inquiry->site->slot, NGX_HTTP_PRIVACY_NOTICES_FAILED, 1);

        if (wait && ngx_http_privacy_notice_known(inquiry->site, inquiry->reader.subject, &user)) {
            ngx_http_privacy_notice_collect(inquiry->site, &user, &due);
        }

    } else {
        ngx_http_privacy_inquiry_keep(inquiry, &user);
        ngx_http_privacy_notice_collect(inquiry->site, &user, &due);
        due.mine = inquiry->mine;
        due.states = &inquiry->states;
    }

    if (wait) {
        wait->handler(wait->data, inquiry->failed ? NGX_DECLINED : NGX_OK, &due);
        ngx_free(wait);
    }

    for (i = 0; i < inquiry->n; i++) {
        ngx_http_privacy_notice_let_go(inquiry->notices[i]);
    }

    ngx_free(inquiry);
}


/* For all sessions of the user: what was put off in one of them is due in another. */

static void
ngx_http_privacy_inquiry_keep(ngx_http_privacy_inquiry_t *inquiry, ngx_http_privacy_zone_user_t *user)
{
    ngx_uint_t                    i;
    pv_notice_state_t            *state;
    ngx_http_privacy_notice_t    *notice;
    ngx_http_privacy_zone_due_t  *due;

    ngx_memzero(user, sizeof(ngx_http_privacy_zone_user_t));
    ngx_memcpy(user->subject, inquiry->reader.subject, PV_SUBJECT_LEN);

    user->log = inquiry->cursor.log;
    user->number = inquiry->cursor.number;
    user->met = inquiry->reader.met;
    user->epoch = inquiry->epoch;

    /* the newest that there is room for */

    for (i = inquiry->n; i > 0; i--) {
        notice = inquiry->notices[i - 1];
        state = &inquiry->states.states[i - 1];

        inquiry->mine[i - 1] = ngx_http_privacy_notice_for(notice, &inquiry->reader, inquiry->listed[i - 1]) == 1;

        if (!inquiry->mine[i - 1] || notice->closed || user->n == NGX_HTTP_PRIVACY_ZONE_DUE
            || pv_notice_done(notice->notice, state, inquiry->states.changes_done))
        {
            continue;
        }

        due = &user->due[user->n++];
        due->id = ngx_http_privacy_notice_zone_id(notice);
        due->written = (state->at[PV_NOTICE_WRITTEN] != 0);

        if (state->at[PV_NOTICE_LATER]) {
            ngx_http_privacy_notice_later_mark(due->later, &inquiry->reader, state->session,
                                               (time_t) state->at[PV_NOTICE_LATER]);
        }
    }

    (void) ngx_http_privacy_zone_set_user(inquiry->main->zone, inquiry->site->slot, user);
}


/* As the zone keeps it: the session, or where there are none when it is over. */

void
ngx_http_privacy_notice_later_mark(u_char later[8], const ngx_http_privacy_reader_t *reader, const u_char *session,
    time_t now)
{
    uint64_t  until;

    if (reader->sessions) {
        ngx_memcpy(later, session, PV_SESSION_TAG_LEN);
        return;
    }

    until = (uint64_t) now + NGX_HTTP_PRIVACY_INQUIRY_LATER;
    ngx_memcpy(later, &until, sizeof(until));
}
