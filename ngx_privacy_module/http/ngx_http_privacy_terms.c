/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_privacy.h"


uint32_t
ngx_http_privacy_reach(ngx_http_privacy_ctx_t *ctx, const pv_consent_t *consent)
{
    const pv_head_t  *bound;

    if (consent == NULL || consent->bound_version == 0) {
        return 0;
    }

    bound = pv_log_bound(ngx_http_privacy_store_log(ctx->site->store), consent->bound_version, ctx->policy->sequence);

    return bound ? bound->sequence : consent->bound_version;
}


void
ngx_http_privacy_terms_page(ngx_http_privacy_ctx_t *ctx, pv_page_t *page, pv_page_version_t *bound,
    char token[PV_TOKEN_MAX + 1])
{
    uint32_t          sequence;
    ngx_int_t         len;
    const pv_log_t   *log;
    const pv_head_t  *head;

    if (!ctx->has_consent || ctx->policy == NULL) {
        return;
    }

    log = ngx_http_privacy_store_log(ctx->site->store);
    sequence = ngx_http_privacy_reach(ctx, &ctx->consent);

    if (sequence == 0 || sequence >= ctx->policy->sequence) {
        return;
    }

    head = pv_log_find(log, sequence);

    if (head == NULL || head->kind != PV_ENTRY_VERSION) {
        return;
    }

    pv_page_version_head(bound, head, pv_log_withdrawal(log, sequence));
    page->bound = bound;

    len = ngx_http_privacy_token(ctx, ngx_http_privacy_form_agree(ctx), token);

    if (len > 0) {
        page->agree_token.data = (unsigned char *) token;
        page->agree_token.len = len;
        page->must_agree = 1;
    }
}
