/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_notices.h"
#include "ngx_http_privacy_center.h"


/*
 * Notices inside the site's pages: the most urgent one that is due to who is
 * logged in, as a form, and the newest that is for everybody, as a link.  What
 * is rendered is kept by server, a bounded number, the newest used first.
 */

#define NGX_HTTP_PRIVACY_BARS_KEPT  64
#define NGX_HTTP_PRIVACY_BAR_MAX    (256 * 1024)


struct ngx_http_privacy_bar_s {
    ngx_queue_t                 queue;
    ngx_http_privacy_notice_t  *notice;         /* held */
    uint32_t                    version;        /* of the policy that it was rendered with */
    size_t                      language;       /* of the policy */
    size_t                      text;           /* of the notice */
    size_t                      waiting;
    unsigned                    all:1;          /* the one for everybody */
    pv_banner_t                 banner;         /* its bytes only, when it is that */
    uint32_t                    crc;
};


typedef struct ngx_http_privacy_bars_kept_s {
    ngx_queue_t                 queue;
    ngx_uint_t                  n;
} ngx_http_privacy_bars_kept_t;


static ngx_uint_t ngx_http_privacy_bar_urgency(ngx_http_privacy_notice_t *notice);
static void ngx_http_privacy_bar_personal(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_bars_t *bars);
static void ngx_http_privacy_bar_all(ngx_http_privacy_ctx_t *ctx, ngx_uint_t decoration,
    ngx_http_privacy_bars_t *bars);
static ngx_http_privacy_bar_t *ngx_http_privacy_bar(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_bar_t *wanted,
    pv_policy_t *policy);
static ngx_http_privacy_bar_t *ngx_http_privacy_bar_render(ngx_http_privacy_ctx_t *ctx,
    ngx_http_privacy_bar_t *wanted, pv_policy_t *policy);
static void ngx_http_privacy_bar_free(ngx_http_privacy_bar_t *bar);
static ngx_http_privacy_whole_t *ngx_http_privacy_bar_policy(ngx_http_privacy_ctx_t *ctx,
    ngx_http_privacy_notice_t *notice);
static ngx_uint_t ngx_http_privacy_bar_by_form(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_notice_t *notice,
    uint64_t number, pv_str_t *bytes, size_t *language);
static ngx_http_privacy_form_t *ngx_http_privacy_notice_form_make(ngx_http_privacy_ctx_t *ctx, pv_page_t *page,
    uint64_t number, pv_str_t html);


void
ngx_http_privacy_bars(ngx_http_privacy_ctx_t *ctx, ngx_uint_t decoration, ngx_http_privacy_bars_t *bars)
{
    ngx_memzero(bars, sizeof(ngx_http_privacy_bars_t));

    if (ngx_http_privacy_notice_next(ctx->site, NULL) == NULL) {
        return;
    }

    if (decoration == NGX_HTTP_PRIVACY_PERSONAL && ctx->has_user
        && ngx_http_privacy_notice_due_now(ctx, &bars->due) == NGX_OK && bars->due.n)
    {
        ngx_http_privacy_bar_personal(ctx, bars);
    }

    ngx_http_privacy_bar_all(ctx, decoration, bars);
}


/* An incident before a change before the rest; of equals the newest: those that arrived later stand behind. */

static ngx_uint_t
ngx_http_privacy_bar_urgency(ngx_http_privacy_notice_t *notice)
{
    switch (notice->notice->kind) {

    case PV_NOTICE_INCIDENT:
        return 3;

    case PV_NOTICE_CHANGE:
        return 2;

    default:
        return 1;
    }
}


static void
ngx_http_privacy_bar_personal(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_bars_t *bars)
{
    ngx_uint_t                  i, level;
    ngx_http_privacy_bar_t      wanted;
    ngx_http_privacy_whole_t   *whole;
    ngx_http_privacy_notice_t  *notice;

    for (level = 3; level > 0; level--) {

        for (i = bars->due.n; i > 0; i--) {
            notice = bars->due.notices[i - 1];

            if (ngx_http_privacy_bar_urgency(notice) != level) {
                continue;
            }

            /* a version that is not in memory is loaded for one of the next pages */

            whole = ngx_http_privacy_bar_policy(ctx, notice);
            if (whole == NULL) {
                continue;
            }

            ngx_memzero(&wanted, sizeof(ngx_http_privacy_bar_t));
            wanted.notice = notice;
            wanted.version = whole->policy->sequence;
            wanted.language = ngx_http_privacy_language(ctx, whole->policy);
            wanted.text = ngx_http_privacy_notice_language(ctx, notice->notice);
            wanted.waiting = bars->due.n - 1;

            bars->personal = ngx_http_privacy_bar(ctx, &wanted, whole->policy);
            bars->shown = i - 1;

            ngx_http_privacy_store_let_go(whole);

            if (bars->personal) {
                return;
            }
        }
    }
}


/*
 * In pages that are the same for everybody, whoever may be addressed besides;
 * in one's own page what is addressed to users is shown to them as theirs.
 */

static void
ngx_http_privacy_bar_all(ngx_http_privacy_ctx_t *ctx, ngx_uint_t decoration, ngx_http_privacy_bars_t *bars)
{
    ngx_http_privacy_bar_t      wanted;
    ngx_http_privacy_notice_t  *notice, *found;

    found = NULL;

    for (notice = ngx_http_privacy_notice_next(ctx->site, NULL);
         notice != NULL;
         notice = ngx_http_privacy_notice_next(ctx->site, notice))
    {
        if (!notice->notice->bar
            || (decoration == NGX_HTTP_PRIVACY_PERSONAL && ctx->has_user
                && notice->notice->audience.kind != PV_AUDIENCE_NONE))
        {
            continue;
        }

        if (found == NULL || ngx_http_privacy_bar_urgency(notice) >= ngx_http_privacy_bar_urgency(found)) {
            found = notice;
        }
    }

    if (found == NULL) {
        return;
    }

    ngx_memzero(&wanted, sizeof(ngx_http_privacy_bar_t));
    wanted.notice = found;
    wanted.version = ctx->policy->sequence;
    wanted.all = 1;

    if (decoration == NGX_HTTP_PRIVACY_PERSONAL) {
        wanted.language = ctx->language;
        wanted.text = ngx_http_privacy_notice_language(ctx, found->notice);
    }

    bars->all = ngx_http_privacy_bar(ctx, &wanted, ctx->policy);
}


/* The policy that a notice's pages are about, held; NULL: not in memory, and being loaded. */

static ngx_http_privacy_whole_t *
ngx_http_privacy_bar_policy(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_notice_t *notice)
{
    return (notice->notice->kind == PV_NOTICE_CHANGE)
           ? ngx_http_privacy_notice_version(notice)
           : ngx_http_privacy_store_hold(ctx->site->store, ctx->policy->sequence);
}


static ngx_http_privacy_bar_t *
ngx_http_privacy_bar(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_bar_t *wanted, pv_policy_t *policy)
{
    ngx_queue_t                   *q;
    ngx_http_privacy_bar_t        *bar;
    ngx_http_privacy_bars_kept_t  *kept;

    kept = ctx->server->bars;

    if (kept == NULL) {
        kept = ngx_calloc(sizeof(ngx_http_privacy_bars_kept_t), ngx_cycle->log);
        if (kept == NULL) {
            return NULL;
        }

        ngx_queue_init(&kept->queue);
        ctx->server->bars = kept;
    }

    for (q = ngx_queue_head(&kept->queue); q != ngx_queue_sentinel(&kept->queue); q = ngx_queue_next(q)) {
        bar = ngx_queue_data(q, ngx_http_privacy_bar_t, queue);

        if (bar->notice == wanted->notice && bar->version == wanted->version && bar->language == wanted->language
            && bar->text == wanted->text && bar->waiting == wanted->waiting && bar->all == wanted->all)
        {
            ngx_queue_remove(q);
            ngx_queue_insert_head(&kept->queue, q);
            return bar->banner.bytes.len ? bar : NULL;
        }
    }

    bar = ngx_http_privacy_bar_render(ctx, wanted, policy);

    if (bar == NULL) {
        return NULL;
    }

    ngx_queue_insert_head(&kept->queue, &bar->queue);

    if (kept->n++ == NGX_HTTP_PRIVACY_BARS_KEPT) {
        q = ngx_queue_last(&kept->queue);
        ngx_queue_remove(q);
        ngx_http_privacy_bar_free(ngx_queue_data(q, ngx_http_privacy_bar_t, queue));
        kept->n--;
    }

    return bar->banner.bytes.len ? bar : NULL;
}


/* One that cannot be rendered is kept without bytes: that is said once. */

static ngx_http_privacy_bar_t *
ngx_http_privacy_bar_render(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_bar_t *wanted, pv_policy_t *policy)
{
    int                        rc;
    pv_page_t                  page;
    ngx_http_privacy_bar_t    *bar;
    ngx_http_privacy_shown_t   shown;

    bar = ngx_alloc(sizeof(ngx_http_privacy_bar_t), ngx_cycle->log);
    if (bar == NULL) {
        return NULL;
    }

    *bar = *wanted;
    ngx_http_privacy_notice_hold(bar->notice);

    ngx_http_privacy_notice_page(ctx, &page, policy);
    page.language = bar->language;

    ngx_http_privacy_notice_shown(ctx->site, bar->notice->notice, bar->text, &shown);

    if (bar->all) {
        pv_buf_init(&bar->banner.bytes, NGX_HTTP_PRIVACY_BAR_MAX);
        rc = pv_page_notice_public(&bar->banner.bytes, &page, &shown.shown);

    } else {
        shown.shown.mine = 1;
        shown.shown.due = 1;
        rc = pv_page_notice_bar(&bar->banner, &page, &shown.shown, bar->waiting);
    }

    if (rc != PV_OK || bar->banner.bytes.failed) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0, "privacy: site %V: notice %s could not be rendered",
                      &ctx->site->name, bar->notice->notice->id);
        pv_banner_free(&bar->banner);
        ngx_memzero(&bar->banner, sizeof(pv_banner_t));
    }

    bar->crc = ngx_crc32_long(bar->banner.bytes.data, bar->banner.bytes.len) | 1;

    return bar;
}


static void
ngx_http_privacy_bar_free(ngx_http_privacy_bar_t *bar)
{
    pv_banner_free(&bar->banner);
    ngx_http_privacy_notice_let_go(bar->notice);
    ngx_free(bar);
}


uint32_t
ngx_http_privacy_bars_variant(ngx_http_privacy_bars_t *bars)
{
    return (bars->personal ? bars->personal->crc : 0) ^ (bars->all ? bars->all->crc << 1 : 0);
}


ngx_int_t
ngx_http_privacy_bars_compose(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_bars_t *bars, ngx_str_t *back,
    pv_str_t *out)
{
    u_char        *p;
    size_t         len;
    ngx_int_t      n;
    uint32_t       version;
    const u_char  *subject;
    pv_banner_t   *banner;

    out->len = 0;

    if (bars->personal == NULL && bars->all == NULL) {
        return NGX_OK;
    }

    len = (bars->personal ? bars->personal->banner.bytes.len + PV_TOKEN_MAX + 1 + back->len : 0)
          + (bars->all ? bars->all->banner.bytes.len : 0);

    p = ngx_pnalloc(ctx->request->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    out->data = p;

    if (bars->personal) {
        banner = &bars->personal->banner;
        version = bars->personal->version;

        p = ngx_cpymem(p, banner->parts[0].data, banner->parts[0].len);

        n = ngx_http_privacy_token_of(ctx, banner->form, version, (char *) p);
        if (n < 0) {
            return NGX_ERROR;
        }

        p = ngx_cpymem(p + n, banner->parts[1].data, banner->parts[1].len);
        p = ngx_cpymem(p, back->data, back->len);
        p = ngx_cpymem(p, banner->parts[2].data, banner->parts[2].len);

        if (!bars->due.written[bars->shown]) {
            subject = ctx->user.subject;
            ngx_http_privacy_notice_written(bars->personal->notice, &subject, 1, 0);
            ngx_http_privacy_zone_user_written(ctx->main->zone, ctx->site->slot, subject,
                                               ngx_http_privacy_notice_zone_id(bars->personal->notice));
        }

        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_NOTICES_BARS, 1);
    }

    if (bars->all) {
        p = ngx_cpymem(p, bars->all->banner.bytes.data, bars->all->banner.bytes.len);
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_NOTICES_BARS, 1);
    }

    out->len = p - out->data;

    return NGX_OK;
}


void
ngx_http_privacy_bars_free(ngx_http_privacy_srv_conf_t *pscf)
{
    ngx_queue_t  *q;

    if (pscf->bars == NULL) {
        return;
    }

    while (!ngx_queue_empty(&pscf->bars->queue)) {
        q = ngx_queue_head(&pscf->bars->queue);
        ngx_queue_remove(q);
        ngx_http_privacy_bar_free(ngx_queue_data(q, ngx_http_privacy_bar_t, queue));
    }

    ngx_free(pscf->bars);
    pscf->bars = NULL;
}


size_t
ngx_http_privacy_notice_language(ngx_http_privacy_ctx_t *ctx, const pv_notice_t *notice)
{
    return pv_notice_language(notice, ngx_http_privacy_header_text(ctx->request, "accept-language"),
                              ngx_http_privacy_argument(ctx->request, "lang"));
}


void
ngx_http_privacy_notice_page(ngx_http_privacy_ctx_t *ctx, pv_page_t *page, pv_policy_t *policy)
{
    ngx_http_privacy_public_page(ctx, page, policy);
}


void
ngx_http_privacy_notice_shown(ngx_http_privacy_site_t *site, const pv_notice_t *notice, size_t language,
    ngx_http_privacy_shown_t *storage)
{
    const pv_log_t      *log;
    const pv_head_t     *head, *before;
    const pv_notice_t   *other;
    pv_page_notice_t    *shown;
    const pv_notices_t  *all;

    ngx_memzero(storage, sizeof(ngx_http_privacy_shown_t));

    all = ngx_http_privacy_notices_all(site);
    log = ngx_http_privacy_store_log(site->store);
    head = (notice->kind == PV_NOTICE_CHANGE) ? pv_log_find(log, notice->number) : NULL;
    shown = &storage->shown;

    if (head) {
        pv_page_version_head(&storage->version, head, pv_log_withdrawal(log, head->sequence));
        before = pv_log_before(log, head->sequence);

        if (before) {
            storage->version.before = before->version;
        }
    }

    pv_page_notice_of(shown, notice, language, head ? &storage->version : NULL);

    if (notice->kind == PV_NOTICE_CHANGE) {

        if (storage->version.withdrawn) {
            shown->retracted = storage->version.withdrawn_at;
            shown->reason = storage->version.reason;
        }

        return;
    }

    other = pv_notices_correction(all, notice);

    if (other) {
        shown->corrected = other->number;
    }

    other = pv_notices_retraction(all, notice);

    if (other) {
        shown->retracted = other->published;
        shown->reason = other->reason;
    }
}


/* One that this worker shows. */

static ngx_uint_t
ngx_http_privacy_bar_by_form(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_notice_t *notice, uint64_t number,
    pv_str_t *bytes, size_t *language)
{
    ngx_queue_t                   *q;
    ngx_http_privacy_bar_t        *bar;
    ngx_http_privacy_bars_kept_t  *kept;

    kept = ctx->server->bars;

    if (kept == NULL) {
        return 0;
    }

    for (q = ngx_queue_head(&kept->queue); q != ngx_queue_sentinel(&kept->queue); q = ngx_queue_next(q)) {
        bar = ngx_queue_data(q, ngx_http_privacy_bar_t, queue);

        if (bar->notice == notice && !bar->all && bar->banner.form == number && bar->banner.bytes.len) {
            bytes->data = bar->banner.bytes.data;
            bytes->len = bar->banner.bytes.len;
            *language = bar->language;
            return 1;
        }
    }

    return 0;
}


/*
 * A form of a notice is one of few: the bar with so many others waiting, or
 * the one of its own page, each in the languages of its policy.
 */

ngx_http_privacy_form_t *
ngx_http_privacy_notice_form_find(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_notice_t *notice,
    pv_policy_t *policy, uint64_t number)
{
    size_t                     text, waiting;
    pv_buf_t                   html;
    pv_str_t                   bytes;
    pv_page_t                  page;
    pv_banner_t                bar;
    ngx_http_privacy_form_t   *form;
    ngx_http_privacy_shown_t   shown;

    form = NULL;
    ngx_http_privacy_notice_page(ctx, &page, policy);

    if (ngx_http_privacy_bar_by_form(ctx, notice, number, &bytes, &page.language)) {
        return ngx_http_privacy_notice_form_make(ctx, &page, number, bytes);
    }

    for (page.language = 0; page.language < policy->texts_count && form == NULL; page.language++) {

        for (text = 0; text < notice->notice->texts_count && form == NULL; text++) {

            if (notice->notice->kind == PV_NOTICE_CHANGE && text != page.language) {
                continue;           /* a version and its notice have the same languages */
            }

            ngx_http_privacy_notice_shown(ctx->site, notice->notice, text, &shown);
            shown.shown.mine = 1;
            shown.shown.due = 1;

            pv_buf_init(&html, NGX_HTTP_PRIVACY_BAR_MAX);

            if (pv_page_notice_form(&html, &page, &shown.shown) == PV_OK && !html.failed) {
                bytes.data = html.data;
                bytes.len = html.len;
                form = ngx_http_privacy_notice_form_make(ctx, &page, number, bytes);
            }

            pv_buf_free(&html);

            for (waiting = 0; waiting < NGX_HTTP_PRIVACY_DUE_MAX && form == NULL; waiting++) {

                if (pv_page_notice_bar(&bar, &page, &shown.shown, waiting) != PV_OK) {
                    continue;
                }

                bytes.data = bar.bytes.data;
                bytes.len = bar.bytes.len;
                form = ngx_http_privacy_notice_form_make(ctx, &page, number, bytes);

                pv_banner_free(&bar);
            }
        }
    }

    return form;
}


static ngx_http_privacy_form_t *
ngx_http_privacy_notice_form_make(ngx_http_privacy_ctx_t *ctx, pv_page_t *page, uint64_t number, pv_str_t html)
{
    pv_buf_t                  document;
    ngx_http_privacy_form_t  *form;

    if (pv_form_number(html) != number) {
        return NULL;
    }

    form = ngx_pcalloc(ctx->request->pool, sizeof(ngx_http_privacy_form_t));
    if (form == NULL) {
        return NULL;
    }

    form->number = number;
    form->policy = (pv_policy_t *) page->policy;
    form->language = page->language;

    pv_buf_init(&document, 2 * NGX_HTTP_PRIVACY_BAR_MAX);

    if (pv_form_document(&document, page, "notice", html) == PV_OK && !document.failed) {
        form->document = document;
        form->document.data = ngx_pnalloc(ctx->request->pool, document.len);
    }

    if (form->document.data == NULL) {
        pv_buf_free(&document);
        return NULL;
    }

    ngx_memcpy(form->document.data, document.data, document.len);
    pv_buf_free(&document);

    return form;
}
