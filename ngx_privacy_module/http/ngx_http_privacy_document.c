/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* A version as a document, the same for everybody, and sentences about what cannot be shown. */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_privacy_center.h"


static ngx_uint_t ngx_http_privacy_plain(ngx_http_privacy_ctx_t *ctx, pv_page_t *page);
static ngx_int_t ngx_http_privacy_send_kept(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_answer_t *answer,
    ngx_http_privacy_kept_t *kept);


/* 1 for the version in force and nothing else: the document is the same until another one comes into force. */

static ngx_uint_t
ngx_http_privacy_plain(ngx_http_privacy_ctx_t *ctx, pv_page_t *page)
{
    return page->policy == ctx->policy && page->in_force == ctx->policy && page->language == ctx->language
           && page->message == NULL && page->missed.len == 0 && page->bound == NULL && page->shown == NULL
           && page->earlier == NULL && page->later == NULL && page->at == 0;
}


static ngx_int_t
ngx_http_privacy_send_kept(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_answer_t *answer,
    ngx_http_privacy_kept_t *kept)
{
    answer->etag.data = kept->tag;
    answer->etag.len = sizeof(kept->tag);

    return ngx_http_privacy_send_bytes(ctx, answer, kept->bytes);
}


void
ngx_http_privacy_public_page(ngx_http_privacy_ctx_t *ctx, pv_page_t *page, const pv_policy_t *policy)
{
    ngx_http_privacy_page(ctx, page);

    page->policy = policy;
    page->consent = NULL;
    page->verdict = NULL;
    page->signal = NULL;
    page->user = 0;
    page->session_tag.len = 0;
    page->pending = 0;

    ngx_http_privacy_page_language(ctx, page, ngx_http_privacy_language(ctx, policy));
}


void
ngx_http_privacy_page_language(ngx_http_privacy_ctx_t *ctx, pv_page_t *page, size_t language)
{
    page->language = language;
    page->missed = pv_language_missed(page->policy->texts[language].language,
                                      ngx_http_privacy_header_text(ctx->request, "accept-language"),
                                      ngx_http_privacy_argument(ctx->request, "lang"));
}


ngx_int_t
ngx_http_privacy_refuse(ngx_http_privacy_ctx_t *ctx, ngx_uint_t status, const char *key, ngx_uint_t retry_after)
{
    return ngx_http_privacy_wants_json(ctx->request)
           ? ngx_http_privacy_send_error(ctx, status, key, retry_after)
           : ngx_http_privacy_send_message(ctx, status, key, retry_after);
}


ngx_int_t
ngx_http_privacy_send_tagged(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_answer_t *answer, pv_buf_t *body, int rc)
{
    if (rc != PV_OK || ngx_http_privacy_body_tag(ctx, body, &answer->etag) != NGX_OK) {
        body->failed = 1;
    }

    return ngx_http_privacy_send(ctx, answer, body);
}


ngx_int_t
ngx_http_privacy_document(ngx_http_privacy_ctx_t *ctx, pv_page_t *page, ngx_http_privacy_type_t type,
    ngx_http_privacy_answer_t *answer)
{
    int                       rc;
    pv_buf_t                  body;
    const pv_text_t          *text;
    ngx_http_privacy_kept_t  *kept;

    text = &page->policy->texts[page->language];

    if (type != NGX_HTTP_PRIVACY_JSON) {
        answer->language = text->language;
    }

    answer->type = ngx_http_privacy_types[type];

    kept = ngx_http_privacy_plain(ctx, page) ? ngx_http_privacy_kept(ctx, type) : NULL;

    if (kept && kept->bytes.data) {
        return ngx_http_privacy_send_kept(ctx, answer, kept);
    }

    pv_buf_init(&body, NGX_HTTP_PRIVACY_DOCUMENT_MAX);
    rc = PV_OK;

    switch (type) {

    case NGX_HTTP_PRIVACY_MARKDOWN:
        pv_buf_str(&body, text->markdown);
        break;

    case NGX_HTTP_PRIVACY_JSON:
        rc = pv_json_policy(&body, page);
        break;

    default:
        rc = pv_page_policy(&body, page);
        break;
    }

    if (kept && rc == PV_OK && !body.failed) {
        return (ngx_http_privacy_keep(ctx, kept, &body) == NGX_OK) ? ngx_http_privacy_send_kept(ctx, answer, kept)
                                                                  : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_privacy_send_tagged(ctx, answer, &body, rc);
}
