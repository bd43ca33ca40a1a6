/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_notices.h"


/*
 * What one user has to be shown: the open notices that are for him, less those
 * that he is done with.  Looked up in the background when he is met, and kept
 * in the zone; what arrived since is judged by what is known of him.  Nothing
 * waits for it but who opens a stream, and that a bounded time.
 */

#define NGX_HTTP_PRIVACY_NOTICE_FRESH     10        /* s: an answer this young is as good as a new one */
#define NGX_HTTP_PRIVACY_NOTICE_TERM      300       /* s until it is looked up again in the background */
#define NGX_HTTP_PRIVACY_NOTICE_HOLD      5         /* s between two look-ups of one user in the background */
#define NGX_HTTP_PRIVACY_NOTICE_DEADLINE  2000      /* ms */


static ngx_uint_t ngx_http_privacy_notice_behind(ngx_http_privacy_site_t *site, ngx_http_privacy_zone_user_t *user);
static ngx_uint_t ngx_http_privacy_notice_covered(ngx_http_privacy_notice_t *notice,
    ngx_http_privacy_zone_user_t *user);
static ngx_uint_t ngx_http_privacy_notice_put_off(ngx_http_privacy_zone_due_t *due,
    const ngx_http_privacy_reader_t *reader);



ngx_int_t
ngx_http_privacy_reader(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_reader_t *reader)
{
    if (ngx_http_privacy_user_session_tag(ctx) != NGX_OK) {
        return NGX_DECLINED;
    }

    ngx_memzero(reader, sizeof(ngx_http_privacy_reader_t));
    ngx_memcpy(reader->subject, ctx->user.subject, PV_SUBJECT_LEN);
    ngx_memcpy(reader->session, ctx->session_tag, PV_SESSION_TAG_LEN);
    reader->sessions = (ctx->server->sessions != NULL);

    if (ctx->has_consent) {
        reader->bound = ctx->consent.bound_version;
        reader->granted = ctx->verdict.allowed;
    }

    return NGX_OK;
}


/* Met: whoever is logged in is looked up in the background, unless that was done a moment ago. */

void
ngx_http_privacy_notice_meet(ngx_http_privacy_ctx_t *ctx)
{
    uint32_t                       epoch;
    ngx_http_privacy_reader_t      reader;
    ngx_http_privacy_zone_user_t   user;

    if (!ctx->has_user || !ctx->enforced || ctx->policy == NULL || ctx->main->redis == NULL) {
        return;
    }

    if (ngx_http_privacy_notice_known(ctx->site, ctx->user.subject, &user) && user.met
        && (ngx_http_privacy_notice_next(ctx->site, NULL) == NULL
            || (user.age <= NGX_HTTP_PRIVACY_NOTICE_TERM && !ngx_http_privacy_notice_behind(ctx->site, &user))))
    {
        return;
    }

    if (ngx_http_privacy_zone_user_claim(ctx->main->zone, ctx->site->slot, ctx->user.subject,
                                         NGX_HTTP_PRIVACY_NOTICE_HOLD, &epoch)
        != NGX_OK
        || ngx_http_privacy_reader(ctx, &reader) != NGX_OK)
    {
        return;
    }

    ngx_http_privacy_notice_inquire(ctx->site, &reader, epoch, NGX_HTTP_PRIVACY_NOTICE_DEADLINE);
}


/* What is known now. NGX_DECLINED: nothing yet; it is being looked up. */

ngx_int_t
ngx_http_privacy_notice_due_now(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_due_t *due)
{
    ngx_http_privacy_zone_user_t  user;

    ngx_memzero(due, sizeof(ngx_http_privacy_due_t));

    if (ngx_http_privacy_notice_next(ctx->site, NULL) == NULL) {
        return NGX_OK;
    }

    if (ngx_http_privacy_reader(ctx, &due->reader) != NGX_OK
        || !ngx_http_privacy_notice_known(ctx->site, due->reader.subject, &user))
    {
        return NGX_DECLINED;
    }

    ngx_http_privacy_notice_collect(ctx->site, &user, due);

    return NGX_OK;
}


ngx_int_t
ngx_http_privacy_notice_due(ngx_http_privacy_site_t *site, const ngx_http_privacy_reader_t *reader,
    ngx_msec_t deadline, ngx_http_privacy_due_pt handler, void *data, ngx_http_privacy_due_wait_t **wait)
{
    ngx_http_privacy_due_t        due;
    ngx_http_privacy_zone_user_t  user;

    if (!ngx_http_privacy_notice_known(site, reader->subject, &user) || user.age > NGX_HTTP_PRIVACY_NOTICE_FRESH
        || ngx_http_privacy_notice_behind(site, &user))
    {
        return ngx_http_privacy_notice_look_up(site, reader, deadline, handler, data, wait);
    }

    ngx_memzero(&due, sizeof(ngx_http_privacy_due_t));
    due.reader = *reader;

    ngx_http_privacy_notice_collect(site, &user, &due);
    handler(data, NGX_OK, &due);

    return NGX_OK;
}


ngx_uint_t
ngx_http_privacy_notice_known(ngx_http_privacy_site_t *site, const u_char *subject,
    ngx_http_privacy_zone_user_t *user)
{
    ngx_http_privacy_main_conf_t  *pmcf;

    pmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle, ngx_http_privacy_module);

    return ngx_http_privacy_zone_user(pmcf->zone, site->slot, subject, user) == NGX_OK;
}


/* 1 when something arrived since the user was looked up. */

static ngx_uint_t
ngx_http_privacy_notice_behind(ngx_http_privacy_site_t *site, ngx_http_privacy_zone_user_t *user)
{
    ngx_http_privacy_notice_t  *notice;

    for (notice = ngx_http_privacy_notice_next(site, NULL);
         notice != NULL;
         notice = ngx_http_privacy_notice_next(site, notice))
    {
        if (!ngx_http_privacy_notice_covered(notice, user)) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_privacy_notice_covered(ngx_http_privacy_notice_t *notice, ngx_http_privacy_zone_user_t *user)
{
    return notice->notice->number <= (notice->notice->kind == PV_NOTICE_CHANGE ? user->log : user->number);
}


static ngx_uint_t
ngx_http_privacy_notice_put_off(ngx_http_privacy_zone_due_t *due, const ngx_http_privacy_reader_t *reader)
{
    uint64_t  until;

    static const u_char  never[8];

    if (ngx_memcmp(due->later, never, sizeof(never)) == 0) {
        return 0;
    }

    if (reader->sessions) {
        return ngx_memcmp(due->later, reader->session, PV_SESSION_TAG_LEN) == 0;
    }

    ngx_memcpy(&until, due->later, sizeof(until));

    return until > (uint64_t) ngx_time();
}


/* By what was looked up, and for what arrived since by what is known of the user: the newest that there is room for. */

void
ngx_http_privacy_notice_collect(ngx_http_privacy_site_t *site, ngx_http_privacy_zone_user_t *user,
    ngx_http_privacy_due_t *due)
{
    uint32_t                    id;
    ngx_uint_t                  i, written;
    ngx_http_privacy_notice_t  *notice;

    due->n = 0;
    due->reader.met = user->met;

    for (notice = ngx_http_privacy_notice_next(site, NULL);
         notice != NULL;
         notice = ngx_http_privacy_notice_next(site, notice))
    {
        written = 0;

        if (ngx_http_privacy_notice_covered(notice, user)) {
            id = ngx_http_privacy_notice_zone_id(notice);

            for (i = 0; i < user->n && user->due[i].id != id; i++) { /* void */ }

            if (i == user->n || ngx_http_privacy_notice_put_off(&user->due[i], &due->reader)) {
                continue;
            }

            written = user->due[i].written;

        } else if (ngx_http_privacy_notice_for(notice, &due->reader, PV_NOTICE_ASK) != 1) {
            continue;
        }

        if (due->n == NGX_HTTP_PRIVACY_DUE_MAX) {
            due->n--;
            ngx_memmove(&due->notices[0], &due->notices[1], due->n * sizeof(ngx_http_privacy_notice_t *));
            ngx_memmove(&due->written[0], &due->written[1], due->n);
        }

        due->written[due->n] = (u_char) written;
        due->notices[due->n++] = notice;
    }
}


int
ngx_http_privacy_notice_for(ngx_http_privacy_notice_t *notice, const ngx_http_privacy_reader_t *reader, int listed)
{
    pv_notice_reader_t  r;

    r.bound = reader->bound;
    r.met = reader->met;
    r.granted = reader->granted;
    r.policy = ngx_http_privacy_store_in_force(notice->site->store);
    r.listed = listed;

    return pv_notice_addresses(notice->notice, &r);
}


ngx_int_t
ngx_http_privacy_notice_addresses(ngx_http_privacy_notice_t *notice, ngx_http_privacy_reader_t *reader)
{
    pv_policy_t                   *policy;
    pv_verdict_t                   verdict;
    ngx_http_privacy_lease_t       lease;
    ngx_http_privacy_main_conf_t  *pmcf;

    if (notice->notice->kind != PV_NOTICE_CHANGE && notice->notice->audience.kind == PV_AUDIENCE_USERS) {
        return NGX_OK;
    }

    pmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle, ngx_http_privacy_module);
    policy = ngx_http_privacy_store_in_force(notice->site->store);

    if (policy && ngx_http_privacy_zone_lease(pmcf->zone, notice->site->slot, reader->subject, &lease) == NGX_OK
        && !lease.missing)
    {
        pv_policy_judge(&verdict, policy, &lease.consent, ngx_time());

        reader->bound = lease.consent.bound_version;
        reader->granted = verdict.allowed;
    }

    switch (ngx_http_privacy_notice_for(notice, reader, PV_NOTICE_ASK)) {

    case 1:
        return NGX_OK;

    case PV_NOTICE_ASK:
        return NGX_AGAIN;

    default:
        return NGX_DECLINED;
    }
}
