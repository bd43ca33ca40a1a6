/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * A choice is taken in: who may send one, how often, what it says, which form
 * it was made on, and for whom.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_privacy_choice.h"
#include "ngx_http_privacy_task.h"


#define NGX_HTTP_PRIVACY_RATE        30         /* choices a minute, an address prefix */
#define NGX_HTTP_PRIVACY_BURST       20
#define NGX_HTTP_PRIVACY_ACKS        600        /* answers to notices: those of an office come from one address */
#define NGX_HTTP_PRIVACY_ACKS_BURST  200
#define NGX_HTTP_PRIVACY_FORM_TERM   86400      /* seconds in which a form can grant something */
#define NGX_HTTP_PRIVACY_FORM_SKEW   60         /* seconds that another node's clock may be ahead */
#define NGX_HTTP_PRIVACY_IDS         64         /* random ids that are drawn at a time */


static ngx_int_t ngx_http_privacy_choice_headers(ngx_http_privacy_choice_t *choice, const char **key,
    ngx_uint_t *retry_after);
static ngx_uint_t ngx_http_privacy_choice_same_origin(ngx_http_privacy_ctx_t *ctx);
static ngx_int_t ngx_http_privacy_choice_type(ngx_http_privacy_choice_t *choice);
static void ngx_http_privacy_choice_cleanup(void *data);
static void ngx_http_privacy_choice_body(ngx_http_request_t *r);
static ngx_int_t ngx_http_privacy_choice_collect(ngx_http_request_t *r, pv_str_t *body);
static ngx_int_t ngx_http_privacy_choice_read(ngx_http_privacy_choice_t *choice, pv_str_t body);
static ngx_int_t ngx_http_privacy_choice_screen(ngx_http_privacy_ctx_t *ctx, ngx_int_t rc, pv_policy_t **policies,
    void *data);
static ngx_int_t ngx_http_privacy_choice_understand(ngx_http_privacy_choice_t *choice);
static ngx_int_t ngx_http_privacy_choice_subject(ngx_http_privacy_choice_t *choice);
static void ngx_http_privacy_choice_history(ngx_http_privacy_choice_t *choice);
static ngx_int_t ngx_http_privacy_choice_id(u_char subject[PV_SUBJECT_LEN]);
static ngx_uint_t ngx_http_privacy_choice_mine(ngx_http_privacy_choice_t *choice);


ngx_int_t
ngx_http_privacy_choice_handler(ngx_http_privacy_ctx_t *ctx)
{
    return ngx_http_privacy_choice_start(ctx, 0, NULL);
}


ngx_int_t
ngx_http_privacy_withdraw_handler(ngx_http_privacy_ctx_t *ctx)
{
    return ngx_http_privacy_choice_start(ctx, 1, NULL);
}


ngx_int_t
ngx_http_privacy_choice_start(ngx_http_privacy_ctx_t *ctx, ngx_uint_t withdraw, ngx_http_privacy_notice_t *notice)
{
    ngx_int_t                   rc, status;
    const char                 *key;
    ngx_uint_t                  retry_after;
    ngx_http_request_t         *r;
    ngx_pool_cleanup_t         *cln;
    ngx_http_privacy_choice_t  *choice;

    r = ctx->request;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_privacy_choice_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    choice = cln->data;
    ngx_memzero(choice, offsetof(ngx_http_privacy_choice_t, input));
    choice->input.json = NULL;
    choice->ctx = ctx;
    choice->withdraw = withdraw;
    choice->notice = notice;
    choice->json = ngx_http_privacy_wants_json(r);

    if (notice) {
        ngx_http_privacy_notice_hold(notice);
    }

    cln->handler = ngx_http_privacy_choice_cleanup;

    status = ngx_http_privacy_choice_headers(choice, &key, &retry_after);

    if (status != NGX_OK) {
        return choice->json ? ngx_http_privacy_send_error(ctx, status, key, retry_after)
                            : ngx_http_privacy_send_message(ctx, status, key, retry_after);
    }

    ngx_http_set_ctx(r, ctx, ngx_http_privacy_module);

    r->request_body_in_single_buf = 1;

    rc = ngx_http_read_client_request_body(r, ngx_http_privacy_choice_body);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    return NGX_DONE;
}


static void
ngx_http_privacy_choice_cleanup(void *data)
{
    ngx_http_privacy_choice_t  *choice = data;

    pv_choice_input_free(&choice->input);

    if (choice->read) {
        ngx_http_privacy_ledger_detach(choice->read);
        choice->read = NULL;
    }

    if (choice->append) {
        ngx_http_privacy_append_detach(choice->append);
        choice->append = NULL;
    }

    if (choice->settle) {
        ngx_privacy_redis_settle_detach(choice->settle);
        choice->settle = NULL;
    }

    if (choice->look_up) {
        ngx_http_privacy_notice_due_detach(choice->look_up);
        choice->look_up = NULL;
    }

    if (choice->mark) {
        ngx_http_privacy_notice_mark_detach(choice->mark);
        choice->mark = NULL;
    }

    if (choice->notice) {
        ngx_http_privacy_notice_let_go(choice->notice);
        choice->notice = NULL;
    }
}


/* What can be said before the body is read. */

static ngx_int_t
ngx_http_privacy_choice_headers(ngx_http_privacy_choice_t *choice, const char **key, ngx_uint_t *retry_after)
{
    ngx_int_t                rc;
    ngx_http_request_t      *r;
    ngx_http_privacy_ctx_t  *ctx;

    ctx = choice->ctx;
    r = ctx->request;

    *retry_after = 0;

    rc = choice->notice
         ? ngx_http_privacy_zone_take(ctx->main->zone, NGX_HTTP_PRIVACY_BUCKET_NOTICES, r->connection->sockaddr,
                                      NGX_HTTP_PRIVACY_ACKS, NGX_HTTP_PRIVACY_ACKS_BURST)
         : ngx_http_privacy_zone_take(ctx->main->zone, NGX_HTTP_PRIVACY_BUCKET_CHOICES, r->connection->sockaddr,
                                      NGX_HTTP_PRIVACY_RATE, NGX_HTTP_PRIVACY_BURST);

    if (rc != NGX_OK) {
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_CHOICE_FLOODING, 1);
        *key = "too_many";
        *retry_after = 60 / NGX_HTTP_PRIVACY_RATE;
        return NGX_HTTP_TOO_MANY_REQUESTS;
    }

    if (ctx->policy == NULL || ctx->main->keys == NULL) {
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_CHOICE_UNAVAILABLE, 1);
        *key = ctx->policy ? "unavailable" : "no_policy";
        *retry_after = 5;
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    if (!ngx_http_privacy_choice_same_origin(ctx)) {
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_CHOICE_REFUSED, 1);
        *key = "cross_site";
        return NGX_HTTP_FORBIDDEN;
    }

    if (ngx_http_privacy_choice_type(choice) != NGX_OK) {
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_CHOICE_REFUSED, 1);
        *key = "bad_form";
        return NGX_HTTP_UNSUPPORTED_MEDIA_TYPE;
    }

    if (r->headers_in.content_length_n > PV_CHOICE_BODY_MAX) {
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_CHOICE_REFUSED, 1);
        *key = "too_large";
        return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
    }

    return NGX_OK;
}


/*
 * The browser's own word first: with no-referrer it sends Origin: null for a
 * form of this very site. Neither header: not a browser, or an old one that
 * cannot be told from an attack: refused.
 */

static ngx_uint_t
ngx_http_privacy_choice_same_origin(ngx_http_privacy_ctx_t *ctx)
{
    ngx_str_t         own;
    ngx_table_elt_t  *h;

    h = ngx_http_privacy_header_in(ctx->request, "sec-fetch-site");

    if (h) {
        return h->value.len == sizeof("same-origin") - 1
               && ngx_memcmp(h->value.data, "same-origin", h->value.len) == 0;
    }

    h = ngx_http_privacy_header_in(ctx->request, "origin");

    return h && ngx_http_privacy_origin(ctx, &own) == NGX_OK && h->value.len == own.len
           && ngx_strncasecmp(h->value.data, own.data, own.len) == 0;
}


static ngx_int_t
ngx_http_privacy_choice_type(ngx_http_privacy_choice_t *choice)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_table_elt_t  *h;

    static const ngx_str_t  types[] = {
        ngx_string("application/x-www-form-urlencoded"), ngx_string("application/json")
    };

    h = choice->ctx->request->headers_in.content_type;

    if (h == NULL) {
        return NGX_DECLINED;
    }

    for (len = 0; len < h->value.len; len++) {
        if (h->value.data[len] == ';' || h->value.data[len] == ' ' || h->value.data[len] == '\t') {
            break;
        }
    }

    for (i = 0; i < 2; i++) {
        if (len == types[i].len && (ngx_memcmp(h->value.data, types[i].data, len) == 0
                                    || ngx_strncasecmp(h->value.data, types[i].data, len) == 0))
        {
            choice->body_json = i;
            choice->json |= i;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static void
ngx_http_privacy_choice_body(ngx_http_request_t *r)
{
    pv_str_t                    body;
    ngx_int_t                   rc;
    ngx_pool_cleanup_t         *cln;
    ngx_http_privacy_choice_t  *choice;

    choice = NULL;

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_privacy_choice_cleanup) {
            choice = cln->data;
            break;
        }
    }

    if (choice == NULL) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    rc = ngx_http_privacy_choice_collect(r, &body);

    if (rc == NGX_ERROR) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    if (rc == NGX_DECLINED) {
        ngx_http_privacy_choice_refuse(choice, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE, "too_large");
        return;
    }

    if (choice->notice) {
        ngx_http_privacy_notice_answer(choice, body);
        return;
    }

    if (ngx_http_privacy_choice_read(choice, body) != NGX_OK) {
        ngx_http_privacy_choice_refuse(choice, NGX_HTTP_BAD_REQUEST, "bad_form");
        return;
    }

    if (choice->token.version == choice->ctx->policy->sequence) {
        choice->screen = choice->ctx->policy;
        ngx_http_privacy_choice_judge(choice);
        return;
    }

    /* made on a page from before another version came into force: it may have to be loaded */

    rc = ngx_http_privacy_archive_get(choice->ctx, &choice->token.version, 1, ngx_http_privacy_choice_screen, choice);

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }
}


static ngx_int_t
ngx_http_privacy_choice_screen(ngx_http_privacy_ctx_t *ctx, ngx_int_t rc, pv_policy_t **policies, void *data)
{
    ngx_http_privacy_choice_t  *choice = data;

    if (rc == NGX_OK) {
        choice->screen = policies[0];
    }

    ngx_http_privacy_choice_judge(choice);

    return NGX_DONE;
}


/* The body in one piece, in the request's pool. NGX_DECLINED: more than a choice can be. */

static ngx_int_t
ngx_http_privacy_choice_collect(ngx_http_request_t *r, pv_str_t *body)
{
    off_t         size;
    size_t        len;
    ssize_t       n;
    u_char       *p;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    size = 0;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        size += ngx_buf_size(cl->buf);

        if (size > PV_CHOICE_BODY_MAX) {
            return NGX_DECLINED;
        }
    }

    p = ngx_pnalloc(r->pool, size + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    body->data = p;
    body->len = size;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        b = cl->buf;

        if (ngx_buf_size(b) == 0) {
            continue;
        }

        if (!b->in_file) {
            p = ngx_cpymem(p, b->pos, b->last - b->pos);
            continue;
        }

        /* client_body_buffer_size was made that small, or client_body_in_file_only is on */

        len = (size_t) (b->file_last - b->file_pos);
        n = ngx_read_file(b->file, p, len, b->file_pos);

        if (n != (ssize_t) len) {
            return NGX_ERROR;
        }

        p += len;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_privacy_choice_read(ngx_http_privacy_choice_t *choice, pv_str_t body)
{
    int                      rc, how;
    pv_choice_input_t       *in;
    ngx_http_privacy_ctx_t  *ctx;

    ctx = choice->ctx;
    in = &choice->input;
    how = choice->withdraw ? PV_HOW_WITHDRAW : 0;

    rc = choice->body_json ? pv_choice_read_json(in, body, how)
                           : pv_choice_read_form(in, (unsigned char *) body.data, body.len, how);

    if (rc != PV_OK) {
        return NGX_DECLINED;
    }

    rc = pv_token_decode(&choice->token, in->token, ctx->main->keys, ngx_http_privacy_str(&ctx->site->name));

    if (rc != PV_OK) {
        return NGX_DECLINED;
    }

    if (ngx_http_privacy_local_path(in->return_to)) {
        choice->return_to = in->return_to;
    }

    return NGX_OK;
}


/* The form was one of ours. Whether it is still good depends on what it was used for: a refusal always counts. */

void
ngx_http_privacy_choice_judge(ngx_http_privacy_choice_t *choice)
{
    time_t                   age;
    ngx_int_t                rc;
    ngx_http_privacy_ctx_t  *ctx;

    ctx = choice->ctx;
    age = ngx_time() - (time_t) choice->token.issued;

    if (age < -NGX_HTTP_PRIVACY_FORM_SKEW) {
        ngx_http_privacy_choice_refuse(choice, NGX_HTTP_BAD_REQUEST, "bad_form");
        return;
    }

    rc = ngx_http_privacy_choice_understand(choice);

    if (rc == NGX_DECLINED) {
        ngx_http_privacy_choice_refuse(choice, NGX_HTTP_BAD_REQUEST, "unknown_purpose");
        return;
    }

    if (rc == NGX_ABORT) {
        ngx_http_privacy_choice_stale(choice);
        return;
    }

    /* made while somebody else was logged in, or nobody: not this one's choice, whatever it says */

    if (ngx_memcmp(choice->token.user_tag, ctx->user_tag, PV_USER_TAG_LEN) != 0) {
        ngx_http_privacy_choice_stale(choice);
        return;
    }

    if (ngx_http_privacy_choice_subject(choice) != NGX_OK) {
        ngx_http_privacy_choice_finish(choice, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    choice->refuse_only = (age > NGX_HTTP_PRIVACY_FORM_TERM || !ngx_http_privacy_choice_mine(choice));

    if (choice->refuse_only
        && (choice->choice.how == PV_HOW_AGREE
            || pv_choice_wanted(&choice->choice, ctx->has_consent ? &ctx->consent : NULL, ctx->policy, ngx_time())))
    {
        ngx_http_privacy_choice_stale(choice);
        return;
    }

    choice->form = choice->notice
                   ? ngx_http_privacy_notice_form_find(ctx, choice->notice, choice->screen, choice->token.form)
                   : ngx_http_privacy_form_find(ctx->server, ctx->main, choice->token.form, choice->token.version);

    if (choice->notice == NULL) {
        choice->end = ngx_current_msec + NGX_HTTP_PRIVACY_CHOICE_DEADLINE;
    }

    ngx_http_privacy_choice_record(choice);
}


/*
 * NGX_DECLINED: a purpose that was not to be chosen. NGX_ABORT: the version is
 * not known here, so that nobody can say what was on the screen; only a choice
 * that refuses everything needs no form.
 */

static ngx_int_t
ngx_http_privacy_choice_understand(ngx_http_privacy_choice_t *choice)
{
    pv_policy_t             *shown;
    ngx_http_privacy_ctx_t  *ctx;

    ctx = choice->ctx;

    shown = choice->screen;

    if (choice->notice) {
        pv_choice_answer(&choice->choice, choice->input.how, shown);
        return NGX_OK;
    }

    if (shown == NULL || shown->sequence > ctx->policy->sequence) {

        if (choice->input.how != PV_HOW_REJECT_ALL && choice->input.how != PV_HOW_WITHDRAW) {
            return NGX_ABORT;
        }

        shown = ctx->policy;
    }

    return (pv_choice_resolve(&choice->choice, &choice->input, shown) == PV_OK) ? NGX_OK : NGX_DECLINED;
}


/* A user's own pseudonym; else who the browser was before; else somebody new. */

static ngx_int_t
ngx_http_privacy_choice_subject(ngx_http_privacy_choice_t *choice)
{
    ngx_http_privacy_ctx_t  *ctx;

    ctx = choice->ctx;
    choice->shown = choice->token.position;

    if (ctx->has_consent || ctx->has_past) {
        choice->from = ctx->consent.position;
        choice->remembered = ctx->consent.position;
        ngx_memcpy(choice->link, ctx->consent.head, PV_LINK_LEN);

        ngx_http_privacy_choice_history(choice);
    }

    if (ctx->has_user) {
        ngx_memcpy(choice->subject, ctx->user.subject, PV_SUBJECT_LEN);
        return NGX_OK;
    }

    if (ctx->has_consent || ctx->has_past) {
        ngx_memcpy(choice->subject, ctx->consent.subject, PV_SUBJECT_LEN);
        return NGX_OK;
    }

    return ngx_http_privacy_choice_somebody_new(choice);
}


/* What the browser's own state says about what was refused since the form was shown. */

static void
ngx_http_privacy_choice_history(ngx_http_privacy_choice_t *choice)
{
    pv_str_t       pending;
    uint64_t       refused;
    pv_consent_t  *consent;

    consent = &choice->ctx->consent;
    refused = consent->decided & ~consent->granted;

    if (choice->shown < consent->position) {
        /* what lies between is needed: the ledger's tail is read, and has to hold what is known */
        choice->from = 0;
        refused = 0;
    }

    if (!(consent->flags & PV_STATE_PENDING)) {
        choice->before = refused;
        return;
    }

    pending.data = consent->pending;
    pending.len = consent->pending_len;

    if (pv_record_decode(&choice->pending, pending) != PV_OK) {
        return;
    }

    choice->has_pending = 1;
    choice->refused |= pv_choice_refused(&choice->pending, 1, consent->position + 1, choice->shown, 0);

    /* a form that was shown with the refusal on its way knows it, but nothing else behind its position */
    choice->shown = ngx_min(choice->shown, consent->position);
}


ngx_int_t
ngx_http_privacy_choice_somebody_new(ngx_http_privacy_choice_t *choice)
{
    if (ngx_http_privacy_choice_id(choice->subject) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memzero(&choice->base, sizeof(pv_consent_t));

    choice->from = 0;
    choice->remembered = 0;
    choice->shown = 0;
    choice->known = 1;

    return NGX_OK;
}


/*
 * Ids are drawn many at a time: what a draw costs does not depend on how much
 * is drawn. What was drawn before a fork is not used after it, where it would
 * be somebody else's as well.
 */

static ngx_int_t
ngx_http_privacy_choice_id(u_char subject[PV_SUBJECT_LEN])
{
    static u_char      ids[NGX_HTTP_PRIVACY_IDS][PV_SUBJECT_LEN];
    static ngx_pid_t   drawn_by;
    static ngx_uint_t  left;

    if (left == 0 || drawn_by != ngx_pid) {
        left = 0;

        if (pv_random(ids, sizeof(ids)) != PV_OK) {
            return NGX_ERROR;
        }

        left = NGX_HTTP_PRIVACY_IDS;
        drawn_by = ngx_pid;
    }

    left--;
    ngx_memcpy(subject, ids[left], PV_SUBJECT_LEN);

    return NGX_OK;
}


/* 1 when the form was made for the ledger that the choice would go to, or for nobody's. */

static ngx_uint_t
ngx_http_privacy_choice_mine(ngx_http_privacy_choice_t *choice)
{
    u_char  tag[PV_USER_TAG_LEN];

    static const u_char  nobody[PV_USER_TAG_LEN];

    if (ngx_memcmp(choice->token.subject_tag, nobody, PV_USER_TAG_LEN) == 0) {
        return choice->token.position == 0;
    }

    return pv_user_tag(tag, choice->subject) == PV_OK
           && ngx_memcmp(tag, choice->token.subject_tag, PV_USER_TAG_LEN) == 0;
}
