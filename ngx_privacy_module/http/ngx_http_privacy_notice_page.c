/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * GET notices and notices/ID: what is public, for everybody; and for who is
 * logged in, privately, what is for him, what he answered, and the form.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_privacy_notices.h"
#include "ngx_http_privacy_center.h"
#include "ngx_http_privacy_task.h"


#define NGX_HTTP_PRIVACY_NOTICES_SHOWN     200      /* in the list, the newest */
#define NGX_HTTP_PRIVACY_NOTICES_DEADLINE  1500     /* ms, for Redis to say what a user did; then it is left out */

#define NGX_HTTP_PRIVACY_NOTICES_TYPES                                                                            \
    (1 << NGX_HTTP_PRIVACY_HTML | 1 << NGX_HTTP_PRIVACY_JSON | 1 << NGX_HTTP_PRIVACY_ATOM)
#define NGX_HTTP_PRIVACY_NOTICE_TYPES                                                                             \
    (1 << NGX_HTTP_PRIVACY_HTML | 1 << NGX_HTTP_PRIVACY_JSON)


/* What is asked for, while it is looked up. */
typedef struct {
    ngx_http_privacy_ctx_t       *ctx;
    ngx_http_privacy_due_wait_t  *wait;
    ngx_http_privacy_type_t       type;
    pv_notice_t                  *notice;       /* held; NULL: the list */
    ngx_uint_t                    status;
    const char                   *message;      /* NULL, or why an answer was not taken */
    pv_str_t                      return_to;
    ngx_http_privacy_shown_t      shown;        /* of notice */
    ngx_int_t                     rc;           /* what came of it, when that was at once */
    unsigned                      waiting:1;
} ngx_http_privacy_reading_t;


static ngx_http_privacy_reading_t *ngx_http_privacy_reading(ngx_http_privacy_ctx_t *ctx);
static void ngx_http_privacy_reading_cleanup(void *data);
static ngx_int_t ngx_http_privacy_reading_begin(ngx_http_privacy_reading_t *reading);
static void ngx_http_privacy_reading_due(void *data, ngx_int_t rc, ngx_http_privacy_due_t *due);

static ngx_int_t ngx_http_privacy_notices_list(ngx_http_privacy_reading_t *reading, ngx_http_privacy_due_t *due);
static ngx_int_t ngx_http_privacy_notices_render(ngx_http_privacy_reading_t *reading, pv_page_notices_t *notices,
    ngx_uint_t own);
static ngx_int_t ngx_http_privacy_notice_one(ngx_http_privacy_reading_t *reading, ngx_http_privacy_due_t *due);
static ngx_int_t ngx_http_privacy_notice_got(ngx_http_privacy_ctx_t *ctx, ngx_int_t rc, pv_policy_t **policies,
    void *data);
static ngx_int_t ngx_http_privacy_notice_render(ngx_http_privacy_reading_t *reading, pv_policy_t *policy);
static void ngx_http_privacy_notice_was_read(ngx_http_privacy_reading_t *reading);
static ngx_int_t ngx_http_privacy_notice_token(ngx_http_privacy_reading_t *reading, pv_page_t *page,
    char token[PV_TOKEN_MAX + 1]);
static ngx_uint_t ngx_http_privacy_notice_whose(ngx_http_privacy_site_t *site, const pv_notice_t *notice,
    ngx_http_privacy_due_t *due, pv_page_notice_t *shown);
static void ngx_http_privacy_notice_user_page(ngx_http_privacy_ctx_t *ctx, pv_page_t *page);


/* Behind "notices": nothing, or a suffix that says as what. */

ngx_int_t
ngx_http_privacy_route_notices(ngx_http_privacy_ctx_t *ctx, pv_str_t rest)
{
    ngx_http_privacy_type_t      type;
    ngx_http_privacy_reading_t  *reading;

    if (ctx->policy == NULL) {
        return ngx_http_privacy_refuse(ctx, NGX_HTTP_SERVICE_UNAVAILABLE, "no_policy", 5);
    }

    type = rest.len ? ngx_http_privacy_suffix(&rest, NGX_HTTP_PRIVACY_NOTICES_TYPES)
                    : ngx_http_privacy_negotiate(ctx, NGX_HTTP_PRIVACY_NOTICES_TYPES);

    if (rest.len) {
        return ngx_http_privacy_refuse(ctx, NGX_HTTP_NOT_FOUND, "not_found", 0);
    }

    if (type == NGX_HTTP_PRIVACY_ANY) {
        return ngx_http_privacy_not_acceptable(ctx, NGX_HTTP_PRIVACY_NOTICES_TYPES);
    }

    reading = ngx_http_privacy_reading(ctx);
    if (reading == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    reading->type = type;

    return ngx_http_privacy_reading_begin(reading);
}


/* Behind "notices/": ID, ID.json, or ID/ack, which is only written to. */

ngx_int_t
ngx_http_privacy_route_notice(ngx_http_privacy_ctx_t *ctx, pv_str_t rest)
{
    pv_str_t                 id;
    pv_notice_t             *notice;
    ngx_http_privacy_type_t  type;

    static const pv_str_t  ack = pv_string("/ack");

    id = rest;

    if (id.len > ack.len && ngx_memcmp(id.data + id.len - ack.len, ack.data, ack.len) == 0) {
        id.len -= ack.len;

        return (ctx->request->method == NGX_HTTP_POST) ? ngx_http_privacy_notice_answer_handler(ctx, id)
                                                      : ngx_http_privacy_not_allowed(ctx, NGX_HTTP_POST);
    }

    if (ctx->request->method == NGX_HTTP_POST) {
        return ngx_http_privacy_not_allowed(ctx, NGX_HTTP_GET|NGX_HTTP_HEAD);
    }

    if (ctx->policy == NULL) {
        return ngx_http_privacy_refuse(ctx, NGX_HTTP_SERVICE_UNAVAILABLE, "no_policy", 5);
    }

    type = ngx_http_privacy_suffix(&id, NGX_HTTP_PRIVACY_NOTICE_TYPES);

    if (type == NGX_HTTP_PRIVACY_ANY) {
        type = ngx_http_privacy_negotiate(ctx, NGX_HTTP_PRIVACY_NOTICE_TYPES);
    }

    if (type == NGX_HTTP_PRIVACY_ANY) {
        return ngx_http_privacy_not_acceptable(ctx, NGX_HTTP_PRIVACY_NOTICE_TYPES);
    }

    notice = pv_notices_find(ngx_http_privacy_notices_all(ctx->site), id);

    if (notice == NULL) {
        return ngx_http_privacy_refuse(ctx, NGX_HTTP_NOT_FOUND, "notice_gone", 0);
    }

    return ngx_http_privacy_notice_send(ctx, notice, type, NGX_HTTP_OK, NULL, pv_str(""));
}


ngx_int_t
ngx_http_privacy_notice_send(ngx_http_privacy_ctx_t *ctx, pv_notice_t *notice, ngx_http_privacy_type_t type,
    ngx_uint_t status, const char *message, pv_str_t return_to)
{
    ngx_http_privacy_reading_t  *reading;

    reading = ngx_http_privacy_reading(ctx);
    if (reading == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    reading->notice = pv_notice_hold(notice);
    reading->type = type;
    reading->status = status;
    reading->message = message;
    reading->return_to = return_to;

    ngx_http_privacy_notice_shown(ctx->site, notice, ngx_http_privacy_notice_language(ctx, notice), &reading->shown);

    return ngx_http_privacy_reading_begin(reading);
}


static ngx_http_privacy_reading_t *
ngx_http_privacy_reading(ngx_http_privacy_ctx_t *ctx)
{
    ngx_pool_cleanup_t          *cln;
    ngx_http_privacy_reading_t  *reading;

    cln = ngx_pool_cleanup_add(ctx->request->pool, sizeof(ngx_http_privacy_reading_t));
    if (cln == NULL) {
        return NULL;
    }

    reading = cln->data;
    ngx_memzero(reading, sizeof(ngx_http_privacy_reading_t));

    reading->ctx = ctx;
    reading->status = NGX_HTTP_OK;
    cln->handler = ngx_http_privacy_reading_cleanup;

    return reading;
}


static void
ngx_http_privacy_reading_cleanup(void *data)
{
    ngx_http_privacy_reading_t  *reading = data;

    if (reading->wait) {
        ngx_http_privacy_notice_due_detach(reading->wait);
        reading->wait = NULL;
    }

    pv_notice_free(reading->notice);
    reading->notice = NULL;
}


/* A feed is for everybody; whoever is not logged in is shown what everybody is. */

static ngx_int_t
ngx_http_privacy_reading_begin(ngx_http_privacy_reading_t *reading)
{
    ngx_http_request_t         *r;
    ngx_http_privacy_ctx_t     *ctx;
    ngx_http_privacy_reader_t   reader;

    ctx = reading->ctx;
    r = ctx->request;

    if (reading->type == NGX_HTTP_PRIVACY_ATOM || ngx_http_privacy_reader(ctx, &reader) != NGX_OK) {
        ngx_http_privacy_reading_due(reading, NGX_DECLINED, NULL);
        return reading->rc;
    }

    if (ngx_http_privacy_notice_look_up(ctx->site, &reader, NGX_HTTP_PRIVACY_NOTICES_DEADLINE,
                                        ngx_http_privacy_reading_due, reading, &reading->wait)
        == NGX_OK)
    {
        return reading->rc;
    }

    reading->waiting = 1;

    r->main->count++;
    r->write_event_handler = ngx_http_request_empty_handler;

    if (!r->discard_body && r->reading_body == 0) {
        r->read_event_handler = ngx_http_test_reading;
    }

    return NGX_DONE;
}


static void
ngx_http_privacy_reading_due(void *data, ngx_int_t rc, ngx_http_privacy_due_t *due)
{
    ngx_http_privacy_reading_t  *reading = data;

    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = reading->ctx->request;
    c = r->connection;
    reading->wait = NULL;

    if (reading->waiting) {
        ngx_http_set_log_request(c->log, r);
    }

    reading->rc = reading->notice ? ngx_http_privacy_notice_one(reading, due)
                                  : ngx_http_privacy_notices_list(reading, due);

    if (reading->waiting) {
        ngx_http_finalize_request(r, reading->rc);
        ngx_http_run_posted_requests(c);
    }
}


/* Newest first; due: NULL: nobody is logged in. */

static ngx_int_t
ngx_http_privacy_notices_list(ngx_http_privacy_reading_t *reading, ngx_http_privacy_due_t *due)
{
    size_t                      i, n;
    pv_notice_t                *notice;
    pv_page_notice_t           *list;
    pv_page_notices_t           notices;
    const pv_notices_t         *all;
    ngx_http_privacy_ctx_t     *ctx;
    ngx_http_privacy_shown_t   *items;

    ctx = reading->ctx;

    if (due && due->states == NULL && reading->type == NGX_HTTP_PRIVACY_JSON) {
        /* a script may not take for nothing to be answered what nobody knows: a page may be read */
        return ngx_http_privacy_refuse(ctx, NGX_HTTP_SERVICE_UNAVAILABLE, "notice_away", 5);
    }

    all = ngx_http_privacy_notices_all(ctx->site);

    items = ngx_palloc(ctx->request->pool, NGX_HTTP_PRIVACY_NOTICES_SHOWN * sizeof(ngx_http_privacy_shown_t));
    list = ngx_palloc(ctx->request->pool, NGX_HTTP_PRIVACY_NOTICES_SHOWN * sizeof(pv_page_notice_t));

    if (items == NULL || list == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    n = 0;

    for (i = pv_notices_count(all); i > 0 && n < NGX_HTTP_PRIVACY_NOTICES_SHOWN; i--) {
        notice = pv_notices_at(all, i - 1);

        if (notice->kind == PV_NOTICE_RETRACTION) {
            continue;           /* said of the one that it retracts */
        }

        ngx_http_privacy_notice_shown(ctx->site, notice, ngx_http_privacy_notice_language(ctx, notice), &items[n]);

        if (ngx_http_privacy_notice_whose(ctx->site, notice, due, &items[n].shown) || notice->public) {
            list[n] = items[n].shown;
            n++;
        }
    }

    notices.notices = list;
    notices.n = n;

    return ngx_http_privacy_notices_render(reading, &notices, due != NULL);
}


/* own: it is of who is logged in. */

static ngx_int_t
ngx_http_privacy_notices_render(ngx_http_privacy_reading_t *reading, pv_page_notices_t *notices, ngx_uint_t own)
{
    int                         rc;
    pv_buf_t                    body;
    pv_page_t                   page;
    ngx_str_t                   origin;
    ngx_http_privacy_ctx_t     *ctx;
    ngx_http_privacy_answer_t   answer;

    ctx = reading->ctx;

    ngx_memzero(&answer, sizeof(ngx_http_privacy_answer_t));
    answer.status = reading->status;
    answer.type = ngx_http_privacy_types[reading->type];
    answer.vary = "Accept, Accept-Language";

    ngx_http_privacy_public_page(ctx, &page, ctx->policy);
    answer.language = page.policy->texts[page.language].language;

    if (own) {
        ngx_http_privacy_notice_user_page(ctx, &page);

    } else {
        answer.cache = NGX_HTTP_PRIVACY_REVALIDATE;
    }

    pv_buf_init(&body, NGX_HTTP_PRIVACY_DOCUMENT_MAX);

    switch (reading->type) {

    case NGX_HTTP_PRIVACY_JSON:
        rc = pv_json_notices(&body, &page, notices);
        break;

    case NGX_HTTP_PRIVACY_ATOM:

        /* a feed is read elsewhere: its addresses have to be whole */

        if (ngx_http_privacy_origin(ctx, &origin) == NGX_OK) {
            page.origin = ngx_http_privacy_str(&origin);
        }

        rc = pv_atom_notices(&body, &page, notices);
        break;

    default:
        rc = pv_page_notices(&body, &page, notices);
        break;
    }

    if (!own) {
        return ngx_http_privacy_send_tagged(ctx, &answer, &body, rc);
    }

    if (rc != PV_OK) {
        body.failed = 1;
    }

    return ngx_http_privacy_send(ctx, &answer, &body);
}


static ngx_int_t
ngx_http_privacy_notice_one(ngx_http_privacy_reading_t *reading, ngx_http_privacy_due_t *due)
{
    ngx_uint_t               mine;
    ngx_http_privacy_ctx_t  *ctx;

    ctx = reading->ctx;
    mine = ngx_http_privacy_notice_whose(ctx->site, reading->notice, due, &reading->shown.shown);

    /*
     * Redis did not say whether it is for this user, or what he answered: it is
     * not there only for who is known not to be meant, and a script may not
     * take it for answered. The page of a public one anybody may read.
     */

    if (!mine && due && due->states == NULL
        && (!reading->notice->public || reading->type == NGX_HTTP_PRIVACY_JSON))
    {
        return ngx_http_privacy_refuse(ctx, NGX_HTTP_SERVICE_UNAVAILABLE, "notice_away", 5);
    }

    /* of one that is for others it is not even said that it is there */

    if (!mine && !reading->notice->public) {
        return ngx_http_privacy_refuse(ctx, NGX_HTTP_NOT_FOUND, "notice_gone", 0);
    }

    if (reading->notice->kind != PV_NOTICE_CHANGE) {
        return ngx_http_privacy_notice_render(reading, ctx->policy);
    }

    return ngx_http_privacy_archive_get(ctx, &reading->notice->number, 1, ngx_http_privacy_notice_got, reading);
}


static ngx_int_t
ngx_http_privacy_notice_got(ngx_http_privacy_ctx_t *ctx, ngx_int_t rc, pv_policy_t **policies, void *data)
{
    if (rc != NGX_OK) {
        return ngx_http_privacy_archive_refuse(ctx, rc);
    }

    return ngx_http_privacy_notice_render(data, policies[0]);
}


static ngx_int_t
ngx_http_privacy_notice_render(ngx_http_privacy_reading_t *reading, pv_policy_t *policy)
{
    int                         rc;
    char                        token[PV_TOKEN_MAX + 1];
    pv_buf_t                    body;
    pv_page_t                   page;
    pv_page_notice_t           *shown;
    ngx_http_privacy_ctx_t     *ctx;
    ngx_http_privacy_answer_t   answer;

    ctx = reading->ctx;
    shown = &reading->shown.shown;

    ngx_memzero(&answer, sizeof(ngx_http_privacy_answer_t));
    answer.status = reading->status;
    answer.type = ngx_http_privacy_types[reading->type];
    answer.vary = "Accept, Accept-Language";

    ngx_http_privacy_public_page(ctx, &page, policy);
    answer.language = page.policy->texts[page.language].language;

    page.message = reading->message;
    page.return_to = reading->return_to;

    if (ctx->has_user) {
        ngx_http_privacy_notice_user_page(ctx, &page);

        if (shown->due && ngx_http_privacy_notice_token(reading, &page, token) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

    } else {
        answer.cache = NGX_HTTP_PRIVACY_REVALIDATE;
    }

    if (shown->due && reading->type == NGX_HTTP_PRIVACY_HTML && ctx->request->method == NGX_HTTP_GET) {
        ngx_http_privacy_notice_was_read(reading);
    }

    pv_buf_init(&body, NGX_HTTP_PRIVACY_DOCUMENT_MAX);

    rc = (reading->type == NGX_HTTP_PRIVACY_JSON) ? pv_json_notice(&body, &page, shown)
                                                 : pv_page_notice(&body, &page, shown);

    if (!ctx->has_user && reading->status == NGX_HTTP_OK) {
        return ngx_http_privacy_send_tagged(ctx, &answer, &body, rc);
    }

    if (rc != PV_OK) {
        body.failed = 1;
    }

    return ngx_http_privacy_send(ctx, &answer, &body);
}


/* Whoever has its page has had it written to him. */

static void
ngx_http_privacy_notice_was_read(ngx_http_privacy_reading_t *reading)
{
    const u_char               *subject;
    ngx_http_privacy_notice_t  *notice;

    notice = ngx_http_privacy_notice_find(reading->ctx->site, pv_str(reading->notice->id));

    if (notice != NULL) {
        subject = reading->ctx->user.subject;
        ngx_http_privacy_notice_written(notice, &subject, 1, 0);
    }
}


/* For the form as it is the same for everybody, made on the version that is shown. */

static ngx_int_t
ngx_http_privacy_notice_token(ngx_http_privacy_reading_t *reading, pv_page_t *page, char token[PV_TOKEN_MAX + 1])
{
    pv_buf_t   html;
    pv_str_t   bytes;
    uint64_t   form;
    ngx_int_t  len;

    pv_buf_init(&html, NGX_HTTP_PRIVACY_DOCUMENT_MAX);

    if (pv_page_notice_form(&html, page, &reading->shown.shown) != PV_OK || html.failed) {
        pv_buf_free(&html);
        return NGX_ERROR;
    }

    bytes.data = html.data;
    bytes.len = html.len;
    form = pv_form_number(bytes);

    pv_buf_free(&html);

    len = ngx_http_privacy_token_of(reading->ctx, form, page->policy->sequence, token);

    if (len < 0) {
        return NGX_ERROR;
    }

    page->token.data = (unsigned char *) token;
    page->token.len = len;

    return NGX_OK;
}


/* 1 when it is for this user; says then what he did with it. */

static ngx_uint_t
ngx_http_privacy_notice_whose(ngx_http_privacy_site_t *site, const pv_notice_t *notice, ngx_http_privacy_due_t *due,
    pv_page_notice_t *shown)
{
    size_t                     i;
    const pv_notice_state_t   *state;

    if (due == NULL) {
        return 0;
    }

    if (due->states == NULL) {

        /* Redis did not say: what the zone knows to be due is for him at least */

        for (i = 0; i < due->n; i++) {
            if (due->notices[i]->notice == notice) {
                shown->mine = 1;
                shown->due = 1;
            }
        }

        return shown->mine;
    }

    for (i = 0; i < due->states->count; i++) {
        if (ngx_strcmp(due->states->states[i].id, notice->id) == 0) {
            break;
        }
    }

    if (i == due->states->count || !due->mine[i]) {
        return 0;
    }

    state = &due->states->states[i];
    shown->mine = 1;
    shown->due = !pv_notice_done(notice, state, due->states->changes_done)
                 && ngx_http_privacy_notice_find(site, pv_str(notice->id)) != NULL;

    if (state->answer != PV_ANSWER_NONE) {
        shown->answer = (state->answer == PV_ANSWER_AGREED) ? "agreed" : "declined";
        shown->answered = state->at[PV_NOTICE_ANSWER];

    } else if (state->at[PV_NOTICE_ACKNOWLEDGED]) {
        shown->answer = "acknowledged";
        shown->answered = state->at[PV_NOTICE_ACKNOWLEDGED];

    } else if (state->at[PV_NOTICE_LATER]) {
        shown->answer = "later";
        shown->answered = state->at[PV_NOTICE_LATER];
    }

    return 1;
}


static void
ngx_http_privacy_notice_user_page(ngx_http_privacy_ctx_t *ctx, pv_page_t *page)
{
    page->user = 1;
    ngx_http_privacy_page_session(ctx, page);
}
