/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * A choice is carried to the ledger: read what is there, judge the choice
 * again on it, append, and begin anew when somebody was faster. Only what Redis
 * acknowledged is said to be saved; a refusal that it did not take holds in the
 * browser that made it and rides along until it is taken.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_privacy_choice.h"


#define NGX_HTTP_PRIVACY_CONFLICTS_MAX  8


static ngx_int_t ngx_http_privacy_record_read(ngx_http_privacy_choice_t *choice);
static void ngx_http_privacy_record_read_done(void *data, ngx_http_privacy_ledger_result_t result,
    pv_consent_t *consent, pv_record_t *records, ngx_uint_t nrecords);
static ngx_uint_t ngx_http_privacy_record_remembered(ngx_http_privacy_choice_t *choice, pv_consent_t *newest,
    pv_record_t *records, ngx_uint_t nrecords);
static void ngx_http_privacy_record_pending(ngx_http_privacy_choice_t *choice, pv_record_t *records,
    ngx_uint_t nrecords);
static void ngx_http_privacy_record_gone(ngx_http_privacy_choice_t *choice,
    ngx_http_privacy_ledger_result_t result);
static void ngx_http_privacy_record_apply(ngx_http_privacy_choice_t *choice);
static ngx_int_t ngx_http_privacy_record_append(ngx_http_privacy_choice_t *choice);
static void ngx_http_privacy_record_append_done(void *data, ngx_http_privacy_append_result_t result,
    pvr_status_t status);
static void ngx_http_privacy_record_settle(ngx_http_privacy_choice_t *choice);
static void ngx_http_privacy_record_settled(void *data, pvr_status_t status);


void
ngx_http_privacy_choice_record(ngx_http_privacy_choice_t *choice)
{
    if (choice->known) {
        ngx_http_privacy_record_apply(choice);
        return;
    }

    if (ngx_http_privacy_record_read(choice) != NGX_OK) {
        ngx_http_privacy_record_failed(choice);
    }
}


static ngx_int_t
ngx_http_privacy_record_read(ngx_http_privacy_choice_t *choice)
{
    ngx_msec_int_t           left;
    ngx_http_privacy_ctx_t  *ctx;

    ctx = choice->ctx;
    left = (ngx_msec_int_t) (choice->end - ngx_current_msec);

    if (left <= 0) {
        return NGX_ERROR;
    }

    choice->read = ngx_http_privacy_ledger_read(ctx->main, ctx->site, choice->subject, choice->from, choice->link,
                                                (ngx_msec_t) left, ngx_http_privacy_record_read_done, choice);

    return choice->read ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_privacy_record_read_done(void *data, ngx_http_privacy_ledger_result_t result, pv_consent_t *consent,
    pv_record_t *records, ngx_uint_t nrecords)
{
    ngx_http_privacy_choice_t  *choice = data;

    choice->read = NULL;
    choice->waiting = 1;

    ngx_http_set_log_request(choice->ctx->request->connection->log, choice->ctx->request);

    switch (result) {

    case NGX_HTTP_PRIVACY_LEDGER_FOUND:
        if (!ngx_http_privacy_record_remembered(choice, consent, records, nrecords)) {
            ngx_http_privacy_record_gone(choice, NGX_HTTP_PRIVACY_LEDGER_MISSING);
            return;
        }

        ngx_http_privacy_record_pending(choice, records, nrecords);

        choice->refused |= pv_choice_refused(records, nrecords, consent->position + 1 - (uint32_t) nrecords,
                                             choice->shown, choice->before);
        choice->before = consent->decided & ~consent->granted;

        choice->base = *consent;
        ngx_http_privacy_record_whose(choice, &choice->base);

        choice->from = consent->position;
        choice->remembered = consent->position;
        ngx_memcpy(choice->link, consent->head, PV_LINK_LEN);

        choice->known = 1;
        ngx_http_privacy_record_apply(choice);
        return;

    case NGX_HTTP_PRIVACY_LEDGER_MISSING:
    case NGX_HTTP_PRIVACY_LEDGER_DAMAGED:
        ngx_http_privacy_record_gone(choice, result);
        return;

    default:
        ngx_http_privacy_record_failed(choice);
        return;
    }
}


/* The tail was read: it has to be of the ledger that the browser remembers. */

static ngx_uint_t
ngx_http_privacy_record_remembered(ngx_http_privacy_choice_t *choice, pv_consent_t *newest, pv_record_t *records,
    ngx_uint_t nrecords)
{
    uint32_t  behind;

    if (newest->position < choice->remembered) {
        return 0;
    }

    behind = newest->position - choice->remembered;

    /* further back than what was read, or known and compared by who read */

    if (choice->remembered == 0 || behind >= nrecords) {
        return 1;
    }

    return pv_equal(records[nrecords - 1 - behind].link, choice->link, PV_LINK_LEN);
}


/* What the browser brought may have been written when nobody could say so: then it is not written again. */

static void
ngx_http_privacy_record_pending(ngx_http_privacy_choice_t *choice, pv_record_t *records, ngx_uint_t nrecords)
{
    ngx_uint_t  i;

    for (i = 0; choice->has_pending && i < nrecords; i++) {

        if (records[i].how == choice->pending.how && records[i].time == choice->pending.time
            && records[i].form == choice->pending.form)
        {
            choice->has_pending = 0;
            choice->pending_there = 1;
        }
    }
}


/*
 * The ledger is not there, or not the one that the browser remembers. What
 * was chosen on it counts for nothing: old grants are not revived.
 */

static void
ngx_http_privacy_record_gone(ngx_http_privacy_choice_t *choice, ngx_http_privacy_ledger_result_t result)
{
    ngx_http_privacy_ctx_t    *ctx;
    ngx_http_privacy_lease_t   lease;

    ctx = choice->ctx;

    if (result == NGX_HTTP_PRIVACY_LEDGER_DAMAGED) {
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_LEDGERS_DAMAGED, 1);

        if (ctx->has_user) {
            /* nothing can be put on top of it, and a user has no other one: it is for the operator to look at */
            ngx_http_privacy_record_failed(choice);
            return;
        }

    } else if (choice->remembered) {
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_LEDGERS_MISSING, 1);

    } else {
        /* nobody has chosen yet */
        ngx_memzero(&choice->base, sizeof(pv_consent_t));
        choice->known = 1;
        ngx_http_privacy_record_apply(choice);
        return;
    }

    ngx_memzero(&lease, sizeof(ngx_http_privacy_lease_t));
    lease.missing = 1;
    lease.consent = ctx->consent;
    lease.consent.granted = 0;
    lease.consent.flags &= ~(PV_STATE_PENDING|PV_STATE_AHEAD);
    lease.consent.pending_len = 0;
    lease.consent.checked = (uint32_t) ngx_time();

    (void) ngx_http_privacy_zone_set_lease(ctx->main->zone, ctx->site->slot, &lease);

    ctx->has_consent = 0;
    ctx->has_past = 0;
    ctx->consent_cleared = 1;
    choice->from = 0;
    choice->remembered = 0;

    if (ctx->has_user) {
        ngx_memzero(&choice->base, sizeof(pv_consent_t));
        choice->known = 1;

    } else if (ngx_http_privacy_choice_somebody_new(choice) != NGX_OK) {
        ngx_http_privacy_choice_finish(choice, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    choice->refuse_only = 1;
    ngx_http_privacy_record_apply(choice);
}


/* The ledger's newest state with the browser's pending refusal on it; NULL: nothing was ever chosen. */

const pv_consent_t *
ngx_http_privacy_record_state(ngx_http_privacy_choice_t *choice, pv_consent_t *state)
{
    if (!choice->known) {
        /* the ledger does not answer: what the browser carries has its pending refusal in it */

        if (!choice->ctx->has_consent && !choice->ctx->has_past) {
            return NULL;
        }

        *state = choice->ctx->consent;

        if (!choice->ctx->has_consent) {
            /* too old to be built upon: only where the ledger stood is taken from it */
            state->decided = 0;
            state->granted = 0;
            state->flags &= ~PV_STATE_AHEAD;
        }

        return state;
    }

    *state = choice->base;

    if (choice->has_pending) {
        pv_choice_fold(state, &choice->pending);
        return state;
    }

    return state->position ? state : NULL;
}


/* Who declines a version before anything binds them is bound to the one before it, and not to it by their next choice. */

uint32_t
ngx_http_privacy_record_reach(ngx_http_privacy_choice_t *choice, const pv_consent_t *base)
{
    uint32_t          reach;
    const pv_head_t  *before;

    reach = ngx_http_privacy_reach(choice->ctx, base);

    if (reach != 0 || choice->choice.how != PV_HOW_DECLINE) {
        return reach;
    }

    before = pv_log_before(ngx_http_privacy_store_log(choice->ctx->site->store), choice->choice.version);

    return before ? before->sequence : 0;
}


static void
ngx_http_privacy_record_apply(ngx_http_privacy_choice_t *choice)
{
    time_t                   now;
    pv_consent_t             state;
    const pv_consent_t      *base;
    ngx_http_privacy_ctx_t  *ctx;

    ctx = choice->ctx;
    now = ngx_time();

    base = ngx_http_privacy_record_state(choice, &state);

    if ((choice->refuse_only && (choice->choice.how == PV_HOW_AGREE
                                 || pv_choice_wanted(&choice->choice, base, ctx->policy, now)))
        || pv_choice_stale(&choice->choice, choice->shown, choice->refused, base, ctx->policy, now))
    {
        ngx_http_privacy_choice_stale(choice);
        return;
    }

    pv_choice_merge(&choice->record, &choice->choice, choice->token.form, base,
                    ngx_http_privacy_record_reach(choice, base), ctx->policy, now);

    if (!choice->has_pending && pv_choice_same(&choice->record, base, now)) {
        ngx_http_privacy_record_settle(choice);
        return;
    }

    choice->revoked = pv_choice_revoked(&choice->record, &choice->base);

    if (ngx_http_privacy_record_append(choice) != NGX_OK) {
        ngx_http_privacy_record_failed(choice);
    }
}


static ngx_int_t
ngx_http_privacy_record_append(ngx_http_privacy_choice_t *choice)
{
    u_char                   packed[PV_RECORD_MAX];
    pv_str_t                 bytes;
    ngx_msec_int_t           left;
    ngx_http_privacy_ctx_t  *ctx;

    ctx = choice->ctx;
    left = (ngx_msec_int_t) (choice->end - ngx_current_msec);

    if (choice->base.position >= NGX_HTTP_PRIVACY_POSITION_MAX || left <= 0) {
        return NGX_ERROR;
    }

    ngx_http_privacy_record_client(&choice->record, ctx->request->connection->sockaddr);

    if (pv_record_seal(&choice->record, ctx->main->keys, ngx_http_privacy_str(&ctx->site->name), choice->subject,
                       choice->base.position + 1, choice->base.position ? choice->base.head : NULL)
        != PV_OK)
    {
        return NGX_ERROR;
    }

    bytes.data = packed;
    bytes.len = pv_record_encode(packed, &choice->record);

    if (bytes.len == 0) {
        return NGX_ERROR;
    }

    choice->sealed = 1;

    choice->append = ngx_http_privacy_ledger_append(ctx->main, ctx->server, choice->subject,
                                        choice->base.position + 1, bytes,
                                        ngx_http_privacy_ledger_expire_at(ctx->server, ctx->policy),
                                        choice->form, (ngx_msec_t) left,
                                        ngx_http_privacy_record_append_done, choice);

    return choice->append ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_privacy_record_append_done(void *data, ngx_http_privacy_append_result_t result, pvr_status_t status)
{
    ngx_http_privacy_choice_t  *choice = data;

    uint32_t  position;

    choice->append = NULL;
    choice->waiting = 1;

    ngx_http_set_log_request(choice->ctx->request->connection->log, choice->ctx->request);

    switch (result) {

    case NGX_HTTP_PRIVACY_APPENDED:
        position = choice->base.position + 1;

        pv_consent_from_record(&choice->base, &choice->record, choice->subject, position, (uint32_t) ngx_time());
        ngx_http_privacy_record_whose(choice, &choice->base);

        ngx_http_privacy_record_done(choice, 1);
        return;

    case NGX_HTTP_PRIVACY_TAKEN:
        choice->sealed = 0;

        if (choice->conflicts++ == NGX_HTTP_PRIVACY_CONFLICTS_MAX
            || ngx_http_privacy_record_read(choice) != NGX_OK)
        {
            ngx_http_privacy_record_failed(choice);
        }

        return;

    default:
        ngx_http_privacy_record_failed(choice);
        return;
    }
}


/* The ledger was read and says the same already: perhaps by a request that was not acknowledged. */

static void
ngx_http_privacy_record_settle(ngx_http_privacy_choice_t *choice)
{
    ngx_int_t                rc;
    ngx_http_privacy_ctx_t  *ctx;

    ctx = choice->ctx;

    rc = ngx_http_privacy_settle_ledger(ctx->main, ctx->site, choice->subject,
                                        ngx_http_privacy_ledger_expire_at(ctx->server, ctx->policy)
                                        - (int64_t) ngx_time(), choice->end,
                                        ngx_http_privacy_record_settled, choice, &choice->settle);

    if (rc == NGX_DECLINED) {
        ngx_http_privacy_record_done(choice, 0);

    } else if (rc != NGX_OK) {
        ngx_http_privacy_record_settled(choice, PVR_SHORT);
    }
}


static void
ngx_http_privacy_record_settled(void *data, pvr_status_t status)
{
    ngx_http_privacy_choice_t  *choice = data;

    choice->settle = NULL;
    choice->waiting = 1;

    ngx_http_set_log_request(choice->ctx->request->connection->log, choice->ctx->request);

    if (status == PVR_OK) {
        ngx_http_privacy_record_done(choice, 0);
        return;
    }

    /* found on the ledger, which went elsewhere: looked for there */

    if (ngx_http_privacy_settle_again(status, &choice->moves) && ngx_http_privacy_record_read(choice) == NGX_OK) {
        return;
    }

    if (choice->pending_there) {
        /* the browser goes on carrying it: the same record, not a second one */

        ngx_http_privacy_count(choice->ctx, NGX_HTTP_PRIVACY_CHOICE_UNAVAILABLE, 1);
        ngx_http_privacy_choice_unsaved(choice, "refusal_pending");
        return;
    }

    ngx_http_privacy_record_failed(choice);
}
