/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * POST notices/ID/ack: what a user answers to a notice.  Agreeing and declining
 * are choices: first the ledger, then the mark on the notice, then everybody is
 * told.  Where a mark gets lost after the ledger was written, the notice comes
 * again, and answering it again changes nothing.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_privacy_choice.h"
#include "ngx_http_privacy_center.h"
#include "ngx_http_privacy_task.h"


#define NGX_HTTP_PRIVACY_ANSWER_MAX  (64 * 1024)


static ngx_int_t ngx_http_privacy_notice_read(ngx_http_privacy_choice_t *choice, pv_str_t body, const char **key);
static ngx_uint_t ngx_http_privacy_notice_is_due(ngx_http_privacy_choice_t *choice);
static void ngx_http_privacy_notice_whose(void *data, ngx_int_t rc, ngx_http_privacy_due_t *due);
static void ngx_http_privacy_notice_take(ngx_http_privacy_choice_t *choice);
static ngx_int_t ngx_http_privacy_notice_screen(ngx_http_privacy_ctx_t *ctx, ngx_int_t rc, pv_policy_t **policies,
    void *data);
static void ngx_http_privacy_notice_marked(void *data, pvr_status_t status);
static void ngx_http_privacy_notice_tell(ngx_http_privacy_choice_t *choice);
static ngx_int_t ngx_http_privacy_notice_saved(ngx_http_privacy_choice_t *choice);
static ngx_int_t ngx_http_privacy_notice_saved_json(ngx_http_privacy_choice_t *choice);


/* By what is recorded. */

static const char *const  ngx_http_privacy_notice_answers[] = {
    [NGX_HTTP_PRIVACY_MARK_SEEN] = "seen",
    [NGX_HTTP_PRIVACY_MARK_LATER] = "later",
    [NGX_HTTP_PRIVACY_MARK_ACKNOWLEDGED] = "acknowledged",
    [NGX_HTTP_PRIVACY_MARK_AGREED] = "agreed",
    [NGX_HTTP_PRIVACY_MARK_DECLINED] = "declined"
};


ngx_int_t
ngx_http_privacy_notice_answer_handler(ngx_http_privacy_ctx_t *ctx, pv_str_t id)
{
    ngx_http_privacy_notice_t  *notice;

    notice = ngx_http_privacy_notice_find(ctx->site, id);

    if (notice == NULL) {
        return ngx_http_privacy_refuse(ctx, NGX_HTTP_NOT_FOUND, "notice_gone", 0);
    }

    return ngx_http_privacy_choice_start(ctx, 0, notice);
}


void
ngx_http_privacy_notice_answer(ngx_http_privacy_choice_t *choice, pv_str_t body)
{
    ngx_int_t                status;
    const char              *key;
    ngx_http_privacy_ctx_t  *ctx;

    ctx = choice->ctx;

    status = ngx_http_privacy_notice_read(choice, body, &key);

    if (status != NGX_OK) {
        ngx_http_privacy_choice_refuse(choice, status, key);
        return;
    }

    choice->end = ngx_current_msec + NGX_HTTP_PRIVACY_CHOICE_DEADLINE;

    if (ngx_http_privacy_notice_is_due(choice)) {
        ngx_http_privacy_notice_take(choice);
        return;
    }

    /* the zone does not know him, or it was answered already, or is another one's: Redis says which */

    if (ngx_http_privacy_notice_look_up(ctx->site, &choice->reader, NGX_HTTP_PRIVACY_CHOICE_DEADLINE / 2,
                                        ngx_http_privacy_notice_whose, choice, &choice->look_up)
        == NGX_AGAIN)
    {
        choice->waiting = 1;
    }
}


/* NGX_OK, or the status to refuse it with. */

static ngx_int_t
ngx_http_privacy_notice_read(ngx_http_privacy_choice_t *choice, pv_str_t body, const char **key)
{
    int                      rc;
    pv_choice_input_t       *in;
    ngx_http_privacy_ctx_t  *ctx;

    ctx = choice->ctx;
    in = &choice->input;

    rc = choice->body_json ? pv_choice_read_json(in, body, 0)
                           : pv_choice_read_form(in, (unsigned char *) body.data, body.len, 0);

    *key = "bad_form";

    if (rc != PV_OK || in->answer.data == NULL) {
        return NGX_HTTP_BAD_REQUEST;
    }

    choice->answer = pv_str_eqs(in->answer, "seen") ? NGX_HTTP_PRIVACY_MARK_SEEN
                     : pv_str_eqs(in->answer, "later") ? NGX_HTTP_PRIVACY_MARK_LATER
                     : in->how == PV_HOW_AGREE ? NGX_HTTP_PRIVACY_MARK_AGREED
                     : in->how == PV_HOW_DECLINE ? NGX_HTTP_PRIVACY_MARK_DECLINED
                     : NGX_HTTP_PRIVACY_MARK_ACKNOWLEDGED;

    if (in->how != 0 && choice->notice->notice->kind != PV_NOTICE_CHANGE) {
        return NGX_HTTP_BAD_REQUEST;
    }

    if (ngx_http_privacy_reader(ctx, &choice->reader) != NGX_OK) {
        *key = "notice_gone";
        return NGX_HTTP_NOT_FOUND;
    }

    if (choice->answer == NGX_HTTP_PRIVACY_MARK_SEEN) {
        return NGX_OK;
    }

    rc = pv_token_decode(&choice->token, in->token, ctx->main->keys, ngx_http_privacy_str(&ctx->site->name));

    /* agreed to is what was on the screen: a token of another form is of no use */

    if (rc != PV_OK || (in->how != 0 && choice->token.version != choice->notice->notice->number)) {
        return NGX_HTTP_BAD_REQUEST;
    }

    if (ngx_http_privacy_local_path(in->return_to)) {
        choice->return_to = in->return_to;
    }

    if (ngx_memcmp(choice->token.user_tag, ctx->user_tag, PV_USER_TAG_LEN) != 0) {
        *key = "stale_form";
        return NGX_HTTP_CONFLICT;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_privacy_notice_is_due(ngx_http_privacy_choice_t *choice)
{
    ngx_uint_t              i;
    ngx_http_privacy_due_t  due;

    if (ngx_http_privacy_notice_due_now(choice->ctx, &due) != NGX_OK) {
        return 0;
    }

    for (i = 0; i < due.n; i++) {
        if (due.notices[i] == choice->notice) {
            return 1;
        }
    }

    return 0;
}


static void
ngx_http_privacy_notice_whose(void *data, ngx_int_t rc, ngx_http_privacy_due_t *due)
{
    ngx_http_privacy_choice_t  *choice = data;

    size_t       i;
    const char  *id;

    choice->look_up = NULL;

    if (choice->waiting) {
        ngx_http_set_log_request(choice->ctx->request->connection->log, choice->ctx->request);
    }

    if (due->states == NULL) {
        ngx_http_privacy_choice_unsaved(choice, "notice_unsaved");
        return;
    }

    id = choice->notice->notice->id;

    for (i = 0; i < due->states->count; i++) {
        if (ngx_strcmp(due->states->states[i].id, id) == 0 && due->mine[i]) {
            ngx_http_privacy_notice_take(choice);
            return;
        }
    }

    ngx_http_privacy_choice_refuse(choice, NGX_HTTP_NOT_FOUND, "notice_gone");
}


/* It is for this user: agreeing and declining are chosen on its version, in force or not. */

static void
ngx_http_privacy_notice_take(ngx_http_privacy_choice_t *choice)
{
    ngx_int_t            rc;
    ngx_uint_t           waiting;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    if (choice->answer < NGX_HTTP_PRIVACY_MARK_AGREED) {
        ngx_http_privacy_notice_decided(choice);
        return;
    }

    r = choice->ctx->request;
    c = r->connection;
    waiting = choice->waiting;

    rc = ngx_http_privacy_archive_get(choice->ctx, &choice->notice->notice->number, 1,
                                      ngx_http_privacy_notice_screen, choice);

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }

    if (waiting) {
        ngx_http_run_posted_requests(c);
    }
}


static ngx_int_t
ngx_http_privacy_notice_screen(ngx_http_privacy_ctx_t *ctx, ngx_int_t rc, pv_policy_t **policies, void *data)
{
    ngx_http_privacy_choice_t  *choice = data;

    if (rc != NGX_OK) {
        return ngx_http_privacy_notice_refuse(choice, NGX_HTTP_SERVICE_UNAVAILABLE, "notice_away", 5);
    }

    choice->screen = policies[0];
    ngx_http_privacy_choice_judge(choice);

    return NGX_DONE;
}


void
ngx_http_privacy_notice_decided(ngx_http_privacy_choice_t *choice)
{
    ngx_msec_int_t           left;
    ngx_http_privacy_ctx_t  *ctx;

    ctx = choice->ctx;
    left = (ngx_msec_int_t) (choice->end - ngx_current_msec);

    choice->mark = (left > 0) ? ngx_http_privacy_notice_mark(ctx->main, choice->notice, &choice->reader,
                                                             choice->answer, (ngx_msec_t) left,
                                                             ngx_http_privacy_notice_marked, choice)
                              : NULL;

    if (choice->mark == NULL) {
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_NOTICES_FAILED, 1);
        ngx_http_privacy_choice_unsaved(choice, "notice_unsaved");
    }
}


static void
ngx_http_privacy_notice_marked(void *data, pvr_status_t status)
{
    ngx_http_privacy_choice_t  *choice = data;

    ngx_http_privacy_ctx_t  *ctx;

    ctx = choice->ctx;

    choice->mark = NULL;
    choice->waiting = 1;

    ngx_http_set_log_request(ctx->request->connection->log, ctx->request);

    if (status != PVR_OK) {
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_NOTICES_FAILED, 1);
        ngx_http_privacy_choice_unsaved(choice, "notice_unsaved");
        return;
    }

    ngx_http_privacy_notice_tell(choice);
    ngx_http_privacy_choice_finish(choice, ngx_http_privacy_notice_saved(choice));
}


/* The user's other devices, wherever their connections are, and this node first. */

static void
ngx_http_privacy_notice_tell(ngx_http_privacy_choice_t *choice)
{
    u_char                   later[8];
    pv_buf_t                 event;
    ngx_http_privacy_ctx_t  *ctx;

    ctx = choice->ctx;

    switch (choice->answer) {

    case NGX_HTTP_PRIVACY_MARK_SEEN:
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_NOTICES_SEEN, 1);
        return;

    case NGX_HTTP_PRIVACY_MARK_LATER:
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_NOTICES_LATER, 1);
        ngx_http_privacy_notice_later_mark(later, &choice->reader, choice->reader.session, ngx_time());
        ngx_http_privacy_zone_user_later(ctx->main->zone, ctx->site->slot, choice->reader.subject,
                                         ngx_http_privacy_notice_zone_id(choice->notice), later);
        return;

    case NGX_HTTP_PRIVACY_MARK_AGREED:
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_NOTICES_AGREED, 1);
        break;

    case NGX_HTTP_PRIVACY_MARK_DECLINED:
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_NOTICES_DECLINED, 1);
        break;

    default:
        break;
    }

    ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_NOTICES_ACKNOWLEDGED, 1);
    ngx_http_privacy_notice_answered(ctx->site, choice->reader.subject, pv_str(choice->notice->notice->id));

    pv_buf_init(&event, NGX_HTTP_PRIVACY_EVENT_BYTES);
    pvr_event_answered(&event, ngx_http_privacy_str(&ctx->site->name), choice->reader.subject,
                       choice->notice->notice->id);
    ngx_http_privacy_publish(ctx->main, ctx->site, choice->reader.subject, &event);
}


/* 303 back to where the bar stood, or to the notice, which says what was answered. */

static ngx_int_t
ngx_http_privacy_notice_saved(ngx_http_privacy_choice_t *choice)
{
    u_char                     *p;
    pv_buf_t                    nothing;
    ngx_str_t                   location;
    ngx_http_privacy_ctx_t     *ctx;
    ngx_http_privacy_answer_t   answer;

    ctx = choice->ctx;

    ngx_memzero(&answer, sizeof(ngx_http_privacy_answer_t));

    if (choice->answer == NGX_HTTP_PRIVACY_MARK_SEEN) {
        answer.status = NGX_HTTP_NO_CONTENT;
        pv_buf_init(&nothing, 1);

        return ngx_http_privacy_send(ctx, &answer, &nothing);
    }

    if (choice->json) {
        return ngx_http_privacy_notice_saved_json(choice);
    }

    if (choice->return_to.len) {
        location.data = (u_char *) choice->return_to.data;
        location.len = choice->return_to.len;

    } else {
        location.data = ngx_pnalloc(ctx->request->pool, ctx->server->prefix.len + sizeof("notices/")
                                                        + PV_NOTICE_ID_SIZE);
        if (location.data == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        p = ngx_sprintf(location.data, "%Vnotices/%s", &ctx->server->prefix, choice->notice->notice->id);
        location.len = p - location.data;
    }

    return ngx_http_privacy_redirect(ctx, NGX_HTTP_SEE_OTHER, &location, &answer);
}


static ngx_int_t
ngx_http_privacy_notice_saved_json(ngx_http_privacy_choice_t *choice)
{
    pv_buf_t                   body;
    ngx_http_privacy_answer_t  answer;

    ngx_memzero(&answer, sizeof(ngx_http_privacy_answer_t));
    answer.status = NGX_HTTP_OK;
    answer.type = "application/json";

    pv_buf_init(&body, NGX_HTTP_PRIVACY_ANSWER_MAX);
    pv_buf_printf(&body, "{\"saved\":true,\"answer\":\"%s\"}", ngx_http_privacy_notice_answers[choice->answer]);

    return ngx_http_privacy_send(choice->ctx, &answer, &body);
}


/* A form that was passed by is shown again, fresh; JSON says the sentence. */

ngx_int_t
ngx_http_privacy_notice_refuse(ngx_http_privacy_choice_t *choice, ngx_uint_t status, const char *key,
    ngx_uint_t retry_after)
{
    pv_buf_t                    body;
    ngx_http_privacy_ctx_t     *ctx;
    ngx_http_privacy_answer_t   answer;

    ctx = choice->ctx;

    if (!choice->json) {
        return (status == NGX_HTTP_CONFLICT)
               ? ngx_http_privacy_notice_send(ctx, choice->notice->notice, NGX_HTTP_PRIVACY_HTML, status, key,
                                              choice->return_to)
               : ngx_http_privacy_send_message(ctx, status, key, retry_after);
    }

    ngx_memzero(&answer, sizeof(ngx_http_privacy_answer_t));
    answer.status = status;
    answer.type = "application/json";
    answer.retry_after = retry_after;

    pv_buf_init(&body, NGX_HTTP_PRIVACY_ANSWER_MAX);
    pv_buf_puts(&body, "{\"saved\":false,\"error\":");
    pv_buf_json(&body, pv_str(key));
    pv_buf_puts(&body, ",\"message\":");
    pv_buf_json(&body, pv_page_sentence(ctx->main->ui, ctx->policy->texts[ctx->language].language, key));
    pv_buf_puts(&body, "}");

    return ngx_http_privacy_send(ctx, &answer, &body);
}
