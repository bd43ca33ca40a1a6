/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy.h"


/*
 * A refusal that Redis could not take rides along in the browser's cookie, as
 * the packed record for the next position.  Whoever sees it next records it:
 * the same bytes if the place is free, else merged onto what stands there.
 * Recorded once, however many nodes and tabs try.
 */


#define NGX_HTTP_PRIVACY_PENDING_DEADLINE  2000     /* ms */
#define NGX_HTTP_PRIVACY_PENDING_HOLD      5        /* s between two tries */
#define NGX_HTTP_PRIVACY_PENDING_TRIES     4


typedef struct {
    ngx_http_privacy_main_conf_t  *main;
    ngx_http_privacy_srv_conf_t   *server;
    ngx_http_privacy_site_t       *site;
    int64_t                        term;        /* s that the record is kept */
    pv_consent_t                   consent;     /* of the cookie; position and head move on when it is rebased */
    pv_record_t                    refusal;     /* as the visitor made it */
    pv_record_t                    record;      /* as it is being appended */
    pv_consent_t                   newest;      /* of a ledger that has it already */
    ngx_uint_t                     tries;
} ngx_http_privacy_pending_t;


static ngx_uint_t ngx_http_privacy_pending_form_ready(ngx_http_privacy_pending_t *pending);
static ngx_int_t ngx_http_privacy_pending_look(ngx_http_privacy_pending_t *pending);
static void ngx_http_privacy_pending_append(ngx_http_privacy_pending_t *pending);
static void ngx_http_privacy_pending_appended(void *data, ngx_http_privacy_append_result_t result,
    pvr_status_t status);
static void ngx_http_privacy_pending_read(void *data, ngx_http_privacy_ledger_result_t result,
    pv_consent_t *consent, pv_record_t *records, ngx_uint_t nrecords);
static void ngx_http_privacy_pending_found(ngx_http_privacy_pending_t *pending, pv_consent_t *newest);
static void ngx_http_privacy_pending_settled(void *data, pvr_status_t status);
static ngx_int_t ngx_http_privacy_pending_rebase(ngx_http_privacy_pending_t *pending, pv_consent_t *newest);
static void ngx_http_privacy_pending_done(ngx_http_privacy_pending_t *pending, pv_consent_t *newest);


void
ngx_http_privacy_pending_record(ngx_http_privacy_ctx_t *ctx)
{
    pv_str_t                     packed;
    ngx_http_privacy_pending_t  *pending;

    if (ctx->main->redis == NULL
        || ngx_http_privacy_zone_claim(ctx->main->zone, ctx->site->slot, ctx->consent.subject,
                                       NGX_HTTP_PRIVACY_PENDING_HOLD)
           != NGX_OK)
    {
        return;
    }

    pending = ngx_calloc(sizeof(ngx_http_privacy_pending_t), ngx_cycle->log);
    if (pending == NULL) {
        return;
    }

    pending->main = ctx->main;
    pending->server = ctx->server;
    pending->site = ctx->site;
    pending->term = ngx_http_privacy_ledger_expire_at(ctx->server, ctx->policy) - (int64_t) ngx_time();
    pending->consent = ctx->consent;

    packed.data = ctx->consent.pending;
    packed.len = ctx->consent.pending_len;

    if (pv_record_decode(&pending->refusal, packed) != PV_OK) {
        ngx_free(pending);
        return;
    }

    pending->record = pending->refusal;

    if (!ngx_http_privacy_pending_form_ready(pending)) {
        ngx_free(pending);
        return;
    }

    /* On top of what is not there any more it would stand alone, and spoil what is begun anew. */

    if (pending->consent.position == 0) {
        ngx_http_privacy_pending_append(pending);

    } else if (ngx_http_privacy_pending_look(pending) != NGX_OK) {
        ngx_free(pending);
    }
}


uint32_t
ngx_http_privacy_pending_mark(const pv_consent_t *consent)
{
    uint32_t  mark;

    mark = ngx_crc32_short((u_char *) consent->pending, consent->pending_len);

    return mark ? mark : 1;
}


/*
 * The form is stored with the record, and may be of a version that is not in
 * memory: 0 when that is on its way there; a later request of this visitor
 * finds it.
 */

static ngx_uint_t
ngx_http_privacy_pending_form_ready(ngx_http_privacy_pending_t *pending)
{
    ngx_queue_t               *waiting;
    const pv_head_t           *head;
    ngx_http_privacy_store_t  *store;
    ngx_http_privacy_whole_t  *whole;

    store = pending->site->store;

    whole = ngx_http_privacy_store_hold(store, pending->record.decided_version);

    if (whole) {
        ngx_http_privacy_store_let_go(whole);
        return 1;
    }

    head = pv_log_find(ngx_http_privacy_store_log(store), pending->record.decided_version);

    return head == NULL || head->kind != PV_ENTRY_VERSION
           || ngx_http_privacy_store_load(store, head, &waiting) != NGX_OK;
}


static ngx_int_t
ngx_http_privacy_pending_look(ngx_http_privacy_pending_t *pending)
{
    return ngx_http_privacy_ledger_read(pending->main, pending->site, pending->consent.subject,
                                        pending->consent.position,
                                        pending->consent.position ? pending->consent.head : NULL,
                                        NGX_HTTP_PRIVACY_PENDING_DEADLINE, ngx_http_privacy_pending_read, pending)
           ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_privacy_pending_append(ngx_http_privacy_pending_t *pending)
{
    u_char    packed[PV_RECORD_MAX];
    pv_str_t  record;

    record.data = packed;
    record.len = pv_record_encode(packed, &pending->record);

    pending->tries++;

    if (ngx_http_privacy_ledger_append(pending->main, pending->server, pending->consent.subject,
                                       pending->consent.position + 1, record,
                                       (int64_t) ngx_time() + pending->term,
                                       ngx_http_privacy_form_find(pending->server, pending->main,
                                                                  pending->record.form,
                                                                  pending->record.decided_version),
                                       NGX_HTTP_PRIVACY_PENDING_DEADLINE, ngx_http_privacy_pending_appended, pending)
        == NULL)
    {
        ngx_free(pending);
    }
}


static void
ngx_http_privacy_pending_appended(void *data, ngx_http_privacy_append_result_t result, pvr_status_t status)
{
    ngx_http_privacy_pending_t  *pending = data;

    pv_consent_t  newest;

    switch (result) {

    case NGX_HTTP_PRIVACY_APPENDED:
        pv_consent_from_record(&newest, &pending->record, pending->consent.subject, pending->consent.position + 1,
                               ngx_time());
        ngx_http_privacy_pending_done(pending, &newest);
        return;

    case NGX_HTTP_PRIVACY_TAKEN:
        if (pending->tries < NGX_HTTP_PRIVACY_PENDING_TRIES && ngx_http_privacy_pending_look(pending) == NGX_OK) {
            return;
        }

        break;

    default:
        break;
    }

    ngx_free(pending);
}


static void
ngx_http_privacy_pending_read(void *data, ngx_http_privacy_ledger_result_t result, pv_consent_t *consent,
    pv_record_t *records, ngx_uint_t nrecords)
{
    ngx_http_privacy_pending_t  *pending = data;

    ngx_uint_t  i;

    if (result != NGX_HTTP_PRIVACY_LEDGER_FOUND) {
        ngx_free(pending);
        return;
    }

    if (nrecords == 0 && consent->position == pending->consent.position) {
        ngx_http_privacy_pending_append(pending);
        return;
    }

    for (i = 0; i < nrecords; i++) {

        /* Somebody else has been here: the same refusal, made the same second on the same form. */

        if (records[i].how == pending->refusal.how && records[i].time == pending->refusal.time
            && records[i].form == pending->refusal.form)
        {
            ngx_http_privacy_pending_found(pending, consent);
            return;
        }
    }

    if (ngx_http_privacy_pending_rebase(pending, consent) != NGX_OK) {
        ngx_free(pending);
        return;
    }

    ngx_http_privacy_pending_append(pending);
}


/* Recorded is not yet acknowledged: the browser carries it until replicas have it, where they have to. */

static void
ngx_http_privacy_pending_found(ngx_http_privacy_pending_t *pending, pv_consent_t *newest)
{
    ngx_int_t  rc;

    pending->newest = *newest;

    rc = ngx_http_privacy_settle_ledger(pending->main, pending->site, pending->consent.subject, pending->term,
                                        ngx_current_msec + NGX_HTTP_PRIVACY_PENDING_DEADLINE,
                                        ngx_http_privacy_pending_settled, pending, NULL);

    if (rc == NGX_DECLINED) {
        ngx_http_privacy_pending_done(pending, newest);

    } else if (rc != NGX_OK) {
        ngx_free(pending);
    }
}


static void
ngx_http_privacy_pending_settled(void *data, pvr_status_t status)
{
    ngx_http_privacy_pending_t  *pending = data;

    if (status == PVR_OK) {
        ngx_http_privacy_pending_done(pending, &pending->newest);

    } else {
        ngx_free(pending);
    }
}


/* What was refused is refused; the rest stays as it stands now. */

static ngx_int_t
ngx_http_privacy_pending_rebase(ngx_http_privacy_pending_t *pending, pv_consent_t *newest)
{
    uint64_t      denied;
    pv_record_t  *record;

    record = &pending->record;
    denied = pending->refusal.decided & ~pending->refusal.granted;

    *record = pending->refusal;
    record->decided = newest->decided | denied;
    record->granted = newest->granted & ~denied;
    record->decided_version = ngx_max(newest->decided_version, pending->refusal.decided_version);
    record->ahead = (record->decided_version == pending->refusal.decided_version) ? pending->refusal.ahead : 0;
    record->bound_version = ngx_max(newest->bound_version, pending->refusal.bound_version);

    pending->consent.position = newest->position;
    ngx_memcpy(pending->consent.head, newest->head, PV_LINK_LEN);

    return pv_record_seal(record, pending->main->keys, ngx_http_privacy_str(&pending->site->name),
                          pending->consent.subject, newest->position + 1, newest->head)
           == PV_OK ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_privacy_pending_done(ngx_http_privacy_pending_t *pending, pv_consent_t *newest)
{
    ngx_http_privacy_lease_t  lease;

    ngx_memzero(&lease, sizeof(ngx_http_privacy_lease_t));

    lease.consent = *newest;
    lease.settled = ngx_http_privacy_pending_mark(&pending->consent);
    lease.consent.checked = ngx_time();
    lease.consent.flags |= pending->consent.flags & PV_STATE_USER;
    ngx_memcpy(lease.consent.user_tag, pending->consent.user_tag, PV_USER_TAG_LEN);

    (void) ngx_http_privacy_zone_set_lease(pending->main->zone, pending->site->slot, &lease);

    ngx_http_privacy_zone_count(pending->main->zone, pending->site->slot, NGX_HTTP_PRIVACY_PENDING_RECORDED, 1);
    ngx_http_privacy_ledger_revoked(pending->main, pending->site, newest->subject, newest->position);

    ngx_free(pending);
}
