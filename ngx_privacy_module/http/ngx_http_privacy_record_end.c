/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * What became of a choice: it stands on the ledger, it is not known to, or its
 * form was passed by. What holds in this browser then, and what it is told.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_privacy_choice.h"


static ngx_int_t ngx_http_privacy_record_pend(ngx_http_privacy_choice_t *choice);
static void ngx_http_privacy_record_adopt(ngx_http_privacy_choice_t *choice, const pv_consent_t *consent);


/* On the ledger, by this request or before it. */

void
ngx_http_privacy_record_done(ngx_http_privacy_choice_t *choice, ngx_uint_t recorded)
{
    ngx_http_privacy_ctx_t  *ctx;

    static const ngx_http_privacy_counter_t  counters[] = {
        [PV_HOW_ACCEPT_ALL] = NGX_HTTP_PRIVACY_CHOICE_ACCEPT_ALL,
        [PV_HOW_REJECT_ALL] = NGX_HTTP_PRIVACY_CHOICE_REJECT_ALL,
        [PV_HOW_CUSTOM] = NGX_HTTP_PRIVACY_CHOICE_CUSTOM,
        [PV_HOW_WITHDRAW] = NGX_HTTP_PRIVACY_CHOICE_WITHDRAW,
        [PV_HOW_AGREE] = NGX_HTTP_PRIVACY_CHOICE_AGREE,
        [PV_HOW_DECLINE] = NGX_HTTP_PRIVACY_CHOICE_DECLINE
    };

    ctx = choice->ctx;

    if (recorded) {
        ngx_http_privacy_count(ctx, counters[choice->choice.how], 1);
    }

    if (choice->pending_there || (recorded && choice->has_pending)) {
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_PENDING_RECORDED, 1);
    }

    if (choice->pending_there
        || (recorded && (choice->revoked || (choice->choice.everything && choice->base.position > 1))))
    {
        ngx_http_privacy_ledger_revoked(ctx->main, ctx->site, choice->subject, choice->base.position);
    }

    ngx_http_privacy_record_adopt(choice, &choice->base);

    if (ngx_http_privacy_set_consent_cookie(ctx) != NGX_OK) {
        ngx_http_privacy_choice_finish(choice, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    if (choice->notice) {
        ngx_http_privacy_notice_decided(choice);
        return;
    }

    ngx_http_privacy_choice_finish(choice, choice->json ? ngx_http_privacy_send_choices(ctx, NGX_HTTP_OK, NULL, 1)
                                                        : ngx_http_privacy_choice_redirect(choice));
}


/* What holds from now on, here and, where the ledger says so, on this node. */

static void
ngx_http_privacy_record_adopt(ngx_http_privacy_choice_t *choice, const pv_consent_t *consent)
{
    ngx_http_privacy_ctx_t    *ctx;
    ngx_http_privacy_lease_t   lease;

    ctx = choice->ctx;

    ctx->consent = *consent;
    ctx->has_consent = 1;
    ctx->choice_made = 1;
    ctx->consent_cleared = 0;

    ngx_http_privacy_judge(ctx);

    if (consent->flags & PV_STATE_PENDING) {
        return;
    }

    ngx_memzero(&lease, sizeof(ngx_http_privacy_lease_t));
    lease.consent = *consent;

    (void) ngx_http_privacy_zone_set_lease(ctx->main->zone, ctx->site->slot, &lease);

    if (consent->flags & PV_STATE_USER) {
        ngx_http_privacy_zone_user_chose(ctx->main->zone, ctx->site->slot, consent->subject);
    }
}


void
ngx_http_privacy_record_whose(ngx_http_privacy_choice_t *choice, pv_consent_t *consent)
{
    if (choice->ctx->has_user) {
        consent->flags |= PV_STATE_USER;
        ngx_memcpy(consent->user_tag, choice->ctx->user_tag, PV_USER_TAG_LEN);
    }
}


/* Not known to be on the ledger. What it grants does not hold; what it refuses holds here. */

void
ngx_http_privacy_record_failed(ngx_http_privacy_choice_t *choice)
{
    uint64_t                 wanted;
    pv_consent_t             state;
    const pv_consent_t      *base;
    ngx_http_privacy_ctx_t  *ctx;

    ctx = choice->ctx;

    ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_CHOICE_UNAVAILABLE, 1);

    base = ngx_http_privacy_record_state(choice, &state);
    wanted = pv_choice_wanted(&choice->choice, base, ctx->policy, ngx_time());

    if (wanted || choice->choice.how == PV_HOW_AGREE) {
        choice->sealed = 0;
        choice->choice.named &= ~wanted;
        choice->choice.granted &= ~wanted;

        if (base == NULL || (pv_choice_held(base) & choice->choice.named & ~choice->choice.granted) == 0) {
            /* nothing is taken back: there is nothing that would hold without the ledger */

            ngx_http_privacy_choice_unsaved(choice, "unavailable");
            return;
        }
    }

    if (ngx_http_privacy_record_pend(choice) != NGX_OK) {
        ngx_http_privacy_choice_finish(choice, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    ngx_http_privacy_choice_unsaved(choice, "refusal_pending");
}


/*
 * The browser takes the refusal along, packed and sealed for the position
 * after what is known. A record that may have been written already is taken
 * as it was sent: sent again, it is then found to be there.
 */

static ngx_int_t
ngx_http_privacy_record_pend(ngx_http_privacy_choice_t *choice)
{
    uint32_t                 position;
    pv_consent_t             state, consent;
    const pv_consent_t      *base;
    ngx_http_privacy_ctx_t  *ctx;

    ctx = choice->ctx;
    base = ngx_http_privacy_record_state(choice, &state);
    position = base ? base->position : 0;

    if (!choice->sealed) {
        pv_choice_merge(&choice->record, &choice->choice, choice->token.form, base,
                        ngx_http_privacy_record_reach(choice, base), ctx->policy, ngx_time());
        ngx_http_privacy_record_client(&choice->record, ctx->request->connection->sockaddr);

        if (pv_record_seal(&choice->record, ctx->main->keys, ngx_http_privacy_str(&ctx->site->name),
                           choice->subject, position + 1, position ? base->head : NULL)
            != PV_OK)
        {
            return NGX_ERROR;
        }
    }

    pv_consent_from_record(&consent, &choice->record, choice->subject, position,
                           position ? base->checked : (uint32_t) ngx_time());
    ngx_http_privacy_record_whose(choice, &consent);

    ngx_memzero(consent.head, PV_LINK_LEN);

    if (position) {
        ngx_memcpy(consent.head, base->head, PV_LINK_LEN);
    }

    consent.flags |= PV_STATE_PENDING;
    consent.pending_len = (uint8_t) pv_record_encode(consent.pending, &choice->record);

    ngx_http_privacy_record_adopt(choice, &consent);

    return ngx_http_privacy_set_consent_cookie(ctx);
}


/* Where from, coarsely: nothing of a unix socket. */

void
ngx_http_privacy_record_client(pv_record_t *record, struct sockaddr *sockaddr)
{
    record->client_len = (uint8_t) ngx_http_privacy_network(record->client, sockaddr);
}


void
ngx_http_privacy_choice_stale(ngx_http_privacy_choice_t *choice)
{
    ngx_str_t                nothing;
    ngx_http_privacy_ctx_t  *ctx;

    ctx = choice->ctx;

    ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_CHOICE_STALE, 1);

    /* the fresh form is for the newest state; what the browser refused meanwhile stays with it */

    if (choice->known && choice->base.position && !choice->has_pending) {
        ngx_http_privacy_record_adopt(choice, &choice->base);

        if (ngx_http_privacy_set_consent_cookie(ctx) != NGX_OK) {
            ngx_http_privacy_choice_finish(choice, NGX_HTTP_INTERNAL_SERVER_ERROR);
            return;
        }

    } else if (ctx->consent_cleared) {
        ngx_str_null(&nothing);
        ngx_http_privacy_judge(ctx);

        if (ngx_http_privacy_set_cookie(ctx, NGX_HTTP_PRIVACY_CONSENT_COOKIE, &nothing, -1) != NGX_OK) {
            ngx_http_privacy_choice_finish(choice, NGX_HTTP_INTERNAL_SERVER_ERROR);
            return;
        }
    }

    ngx_http_privacy_choice_finish(choice, choice->notice
        ? ngx_http_privacy_notice_refuse(choice, NGX_HTTP_CONFLICT, "stale_form", 0)
        : ngx_http_privacy_send_choices(ctx, NGX_HTTP_CONFLICT, "stale_form", choice->json));
}
