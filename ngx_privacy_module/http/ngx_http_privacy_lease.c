/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy.h"


/*
 * A signed state is trusted for the lease; past it the ledger is looked up in
 * the background while the state holds on, and past the grace it counts for
 * nothing until the ledger answered.  Answers are kept in the zone.
 */


#define NGX_HTTP_PRIVACY_REFRESH_DEADLINE  2000     /* ms */
#define NGX_HTTP_PRIVACY_REFRESH_HOLD      5        /* s between two look-ups of one subject */
#define NGX_HTTP_PRIVACY_WAIT_DEADLINE     250      /* ms: the first page of a user without a consent cookie */


/* A look-up that no request waits for: it has its own memory. */
typedef struct {
    ngx_http_privacy_main_conf_t  *main;
    ngx_http_privacy_site_t       *site;
    pv_consent_t                   consent;     /* what was known when it began */
} ngx_http_privacy_refresh_t;


static void ngx_http_privacy_lease_adopt(ngx_http_privacy_ctx_t *ctx);
static ngx_uint_t ngx_http_privacy_lease_settled(pv_consent_t *consent, ngx_http_privacy_lease_t *lease);
static void ngx_http_privacy_lease_refresh(ngx_http_privacy_ctx_t *ctx);
static void ngx_http_privacy_lease_refreshed(void *data, ngx_http_privacy_ledger_result_t result,
    pv_consent_t *consent, pv_record_t *records, ngx_uint_t nrecords);
static void ngx_http_privacy_lease_store(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site,
    pv_consent_t *known, ngx_http_privacy_ledger_result_t result, pv_consent_t *found);
static void ngx_http_privacy_lease_waited(void *data, ngx_http_privacy_ledger_result_t result, pv_consent_t *consent,
    pv_record_t *records, ngx_uint_t nrecords);


/* ctx->consent came from a valid cookie: is it still the newest? */

void
ngx_http_privacy_lease_check(ngx_http_privacy_ctx_t *ctx)
{
    time_t  age;

    ctx->consent.checked = ngx_http_privacy_zone_lease_checked(ctx->consent.checked);

    ngx_http_privacy_lease_adopt(ctx);

    if (!ctx->has_consent) {
        return;
    }

    if (ctx->consent.flags & PV_STATE_PENDING) {
        ngx_http_privacy_pending_record(ctx);

        if (ctx->consent.position == 0) {
            return;                 /* nothing in the ledger yet that could be newer, and nothing granted */
        }
    }

    age = ngx_time() - (time_t) ctx->consent.checked;

    if (age <= ctx->server->lease) {
        return;
    }

    ngx_http_privacy_lease_refresh(ctx);

    if (age > ctx->server->lease + ctx->server->grace) {
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_LEASE_EXPIRED, 1);

        /* A refusal on its way holds, however old: only what was granted beside it is gone. */

        if (ctx->consent.flags & PV_STATE_PENDING) {
            ctx->consent.granted = 0;
            ctx->consent.flags &= ~PV_STATE_AHEAD;
            return;
        }

        ctx->has_consent = 0;
        ctx->has_past = 1;
    }
}


static void
ngx_http_privacy_lease_adopt(ngx_http_privacy_ctx_t *ctx)
{
    pv_consent_t              *c;
    ngx_http_privacy_lease_t   lease;

    c = &ctx->consent;

    if (ngx_http_privacy_zone_lease(ctx->main->zone, ctx->site->slot, c->subject, &lease) == NGX_OK) {

        if (lease.missing) {
            if (lease.consent.checked >= c->checked && !(c->flags & PV_STATE_PENDING)) {
                ctx->has_consent = 0;
                return;
            }

        } else if (lease.consent.position > c->position
                   || (lease.consent.position == c->position && lease.consent.checked > c->checked))
        {
            /* The same position with another link is another ledger. */

            if (lease.consent.position == c->position
                && ngx_memcmp(lease.consent.head, c->head, PV_LINK_LEN) != 0)
            {
                ctx->has_consent = 0;
                return;
            }

            if (!(c->flags & PV_STATE_PENDING)
                || (lease.consent.position > c->position && ngx_http_privacy_lease_settled(c, &lease)))
            {
                *c = lease.consent;
                ctx->renew = 1;

            } else if (lease.consent.position > c->position) {

                /* Somebody else chose since: the refusal goes on top of that, and holds until it stands there. */

                c->granted &= lease.consent.granted;
            }
        }
    }

    if (c->position >= lease.floor) {
        return;
    }

    if (c->flags & PV_STATE_PENDING) {
        c->granted = 0;             /* what is newer will be known when the refusal was recorded */
        c->flags &= ~PV_STATE_AHEAD;
        return;
    }

    ngx_http_privacy_lease_refresh(ctx);
    ctx->has_consent = 0;
    ctx->has_past = 1;
}


/* 1 when the refusal that rides along is known to be in the ledger. */

static ngx_uint_t
ngx_http_privacy_lease_settled(pv_consent_t *consent, ngx_http_privacy_lease_t *lease)
{
    return ngx_http_privacy_pending_mark(consent) == lease->settled;
}


static void
ngx_http_privacy_lease_refresh(ngx_http_privacy_ctx_t *ctx)
{
    ngx_http_privacy_refresh_t  *refresh;

    if (ctx->main->redis == NULL
        || ngx_http_privacy_zone_claim(ctx->main->zone, ctx->site->slot, ctx->consent.subject,
                                       NGX_HTTP_PRIVACY_REFRESH_HOLD)
           != NGX_OK)
    {
        return;
    }

    refresh = ngx_alloc(sizeof(ngx_http_privacy_refresh_t), ngx_cycle->log);
    if (refresh == NULL) {
        return;
    }

    refresh->main = ctx->main;
    refresh->site = ctx->site;
    refresh->consent = ctx->consent;

    if (ngx_http_privacy_ledger_read(ctx->main, ctx->site, ctx->consent.subject, ctx->consent.position,
                                     ctx->consent.head, NGX_HTTP_PRIVACY_REFRESH_DEADLINE,
                                     ngx_http_privacy_lease_refreshed, refresh)
        == NULL)
    {
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_LEASE_FAILED, 1);
        ngx_free(refresh);
    }
}


static void
ngx_http_privacy_lease_refreshed(void *data, ngx_http_privacy_ledger_result_t result, pv_consent_t *consent,
    pv_record_t *records, ngx_uint_t nrecords)
{
    ngx_http_privacy_refresh_t  *refresh = data;

    ngx_http_privacy_lease_store(refresh->main, refresh->site, &refresh->consent, result, consent);

    ngx_free(refresh);
}


static void
ngx_http_privacy_lease_store(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site, pv_consent_t *known,
    ngx_http_privacy_ledger_result_t result, pv_consent_t *found)
{
    ngx_http_privacy_lease_t    lease;
    ngx_http_privacy_counter_t  counter;

    ngx_memzero(&lease, sizeof(ngx_http_privacy_lease_t));

    switch (result) {

    case NGX_HTTP_PRIVACY_LEDGER_FOUND:
        counter = NGX_HTTP_PRIVACY_LEASE_REFRESHED;
        lease.consent = *found;
        lease.consent.flags |= known->flags & PV_STATE_USER;
        ngx_memcpy(lease.consent.user_tag, known->user_tag, PV_USER_TAG_LEN);
        break;

    case NGX_HTTP_PRIVACY_LEDGER_MISSING:
    case NGX_HTTP_PRIVACY_LEDGER_DAMAGED:
        /* a user who has not chosen yet has no ledger, and misses none */
        counter = result == NGX_HTTP_PRIVACY_LEDGER_DAMAGED ? NGX_HTTP_PRIVACY_LEDGERS_DAMAGED
                  : known->position ? NGX_HTTP_PRIVACY_LEDGERS_MISSING : NGX_HTTP_PRIVACY_LEASE_REFRESHED;
        lease.missing = 1;
        lease.consent = *known;
        lease.consent.granted = 0;
        lease.consent.flags &= ~(PV_STATE_PENDING|PV_STATE_AHEAD);
        lease.consent.pending_len = 0;
        break;

    default:
        ngx_http_privacy_zone_count(pmcf->zone, site->slot, NGX_HTTP_PRIVACY_LEASE_FAILED, 1);
        return;
    }

    lease.consent.checked = ngx_time();

    ngx_http_privacy_zone_count(pmcf->zone, site->slot, counter, 1);
    (void) ngx_http_privacy_zone_set_lease(pmcf->zone, site->slot, &lease);
}


ngx_int_t
ngx_http_privacy_lease_wait(ngx_http_privacy_ctx_t *ctx)
{
    ngx_http_privacy_lease_t  lease;

    if (ctx->lookup == NGX_HTTP_PRIVACY_LOOKUP_WAITING) {
        return NGX_AGAIN;
    }

    if (ctx->lookup == NGX_HTTP_PRIVACY_LOOKUP_DONE || !ctx->has_user || ctx->has_consent) {
        return NGX_OK;
    }

    ctx->lookup = NGX_HTTP_PRIVACY_LOOKUP_DONE;

    if (ngx_http_privacy_zone_lease(ctx->main->zone, ctx->site->slot, ctx->user.subject, &lease) == NGX_OK
        && ngx_time() - (time_t) lease.consent.checked <= ctx->server->lease)
    {
        if (!lease.missing) {
            ctx->consent = lease.consent;
            ctx->has_consent = 1;
            ctx->renew = 1;
        }

        return NGX_OK;
    }

    if (!ctx->navigation || !ctx->enforced || ctx->main->redis == NULL) {
        return NGX_OK;
    }

    if (!ngx_http_privacy_ledger_reachable(ctx->main, ctx->site, ctx->user.subject)) {
        return NGX_OK;
    }

    ctx->lookup_request = ngx_http_privacy_ledger_read(ctx->main, ctx->site, ctx->user.subject, 0, NULL,
                                                       NGX_HTTP_PRIVACY_WAIT_DEADLINE, ngx_http_privacy_lease_waited,
                                                       ctx);
    if (ctx->lookup_request == NULL) {
        return NGX_OK;
    }

    ctx->lookup = NGX_HTTP_PRIVACY_LOOKUP_WAITING;
    ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_LEASE_WAITED, 1);

    return NGX_AGAIN;
}


static void
ngx_http_privacy_lease_waited(void *data, ngx_http_privacy_ledger_result_t result, pv_consent_t *consent,
    pv_record_t *records, ngx_uint_t nrecords)
{
    ngx_http_privacy_ctx_t  *ctx = data;

    pv_consent_t         known;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ctx->lookup_request = NULL;
    ctx->lookup = NGX_HTTP_PRIVACY_LOOKUP_DONE;

    ngx_memzero(&known, sizeof(pv_consent_t));
    ngx_memcpy(known.subject, ctx->user.subject, PV_SUBJECT_LEN);
    ngx_memcpy(known.user_tag, ctx->user_tag, PV_USER_TAG_LEN);
    known.flags = PV_STATE_USER;

    ngx_http_privacy_lease_store(ctx->main, ctx->site, &known, result, consent);

    if (result == NGX_HTTP_PRIVACY_LEDGER_FOUND) {
        ctx->consent = *consent;
        ctx->consent.flags |= PV_STATE_USER;
        ctx->consent.checked = ngx_time();
        ngx_memcpy(ctx->consent.user_tag, ctx->user_tag, PV_USER_TAG_LEN);
        ctx->has_consent = 1;
        ctx->renew = 1;
    }

    ngx_http_core_run_phases(r);
    ngx_http_run_posted_requests(c);
}


void
ngx_http_privacy_lease_cancel(ngx_http_privacy_ctx_t *ctx)
{
    if (ctx->lookup_request != NULL) {
        ngx_http_privacy_ledger_detach(ctx->lookup_request);
        ctx->lookup_request = NULL;
    }
}


/* "revoked SUBJECT POSITION", from whichever node recorded it. */

void
ngx_http_privacy_lease_event(void *data, ngx_str_t *text)
{
    ngx_http_privacy_site_t  *site = data;

    u_char                         subject[PV_SUBJECT_LEN + 2];
    pv_str_t                       encoded;
    ngx_int_t                      position;
    ngx_http_privacy_main_conf_t  *pmcf;

    if (text->len < sizeof(PVR_EVENT_REVOKED) + PV_SUBJECT_TEXT + 1
        || ngx_strncmp(text->data, PVR_EVENT_REVOKED " ", sizeof(PVR_EVENT_REVOKED)) != 0)
    {
        return;
    }

    encoded.data = text->data + sizeof(PVR_EVENT_REVOKED);
    encoded.len = PV_SUBJECT_TEXT;

    if (encoded.data[encoded.len] != ' '
        || pv_base64url_decode(subject, sizeof(subject), encoded) != PV_SUBJECT_LEN)
    {
        return;
    }

    position = ngx_atoi((u_char *) encoded.data + encoded.len + 1,
                        text->len - sizeof(PVR_EVENT_REVOKED) - PV_SUBJECT_TEXT - 1);

    if (position == NGX_ERROR || position > (ngx_int_t) 0xffffffff) {
        return;
    }

    pmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle, ngx_http_privacy_module);

    ngx_http_privacy_zone_count(pmcf->zone, site->slot, NGX_HTTP_PRIVACY_REVOKED, 1);
    ngx_http_privacy_zone_revoke(pmcf->zone, site->slot, subject, (uint32_t) position);
}
