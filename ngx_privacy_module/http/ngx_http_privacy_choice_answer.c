/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* How the request ends that a choice came with. */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_privacy_choice.h"


ngx_int_t
ngx_http_privacy_choice_redirect(ngx_http_privacy_choice_t *choice)
{
    u_char                    *p;
    pv_buf_t                   body;
    pv_str_t                   language;
    ngx_str_t                  location;
    ngx_http_privacy_ctx_t    *ctx;
    ngx_http_privacy_answer_t  answer;

    ctx = choice->ctx;

    if (choice->return_to.len) {
        location.data = (u_char *) choice->return_to.data;
        location.len = choice->return_to.len;

    } else {
        language = ctx->policy->texts[ctx->language].language;

        if (choice->form && choice->form->language < choice->form->policy->texts_count) {
            language = choice->form->policy->texts[choice->form->language].language;
        }

        location.data = ngx_pnalloc(ctx->request->pool, ctx->server->prefix.len
                                    + sizeof("choices?saved=1&lang=") + language.len);
        if (location.data == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        p = ngx_sprintf(location.data, "%Vchoices?saved=1&lang=%*s", &ctx->server->prefix,
                        language.len, language.data);
        location.len = p - location.data;
    }

    if (ngx_http_privacy_header_out(ctx->request, "Location", &location) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&answer, sizeof(ngx_http_privacy_answer_t));
    answer.status = NGX_HTTP_SEE_OTHER;

    pv_buf_init(&body, 1);

    return ngx_http_privacy_send(ctx, &answer, &body);
}


void
ngx_http_privacy_choice_unsaved(ngx_http_privacy_choice_t *choice, const char *key)
{
    ngx_int_t                rc;
    ngx_http_privacy_ctx_t  *ctx;

    ctx = choice->ctx;

    if (choice->notice) {
        rc = ngx_http_privacy_notice_refuse(choice, NGX_HTTP_SERVICE_UNAVAILABLE, key, 5);

    } else if (!choice->json) {
        rc = ngx_http_privacy_send_message(ctx, NGX_HTTP_SERVICE_UNAVAILABLE, key, 5);

    } else if (ctx->choice_made) {
        rc = ngx_http_privacy_send_choices(ctx, NGX_HTTP_SERVICE_UNAVAILABLE, key, 1);

    } else {
        rc = ngx_http_privacy_send_error(ctx, NGX_HTTP_SERVICE_UNAVAILABLE, key, 5);
    }

    ngx_http_privacy_choice_finish(choice, rc);
}


void
ngx_http_privacy_choice_refuse(ngx_http_privacy_choice_t *choice, ngx_uint_t status, const char *key)
{
    ngx_http_privacy_ctx_t  *ctx;

    ctx = choice->ctx;

    ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_CHOICE_REFUSED, 1);

    if (choice->notice) {
        ngx_http_privacy_choice_finish(choice, ngx_http_privacy_notice_refuse(choice, status, key, 0));
        return;
    }

    ngx_http_privacy_choice_finish(choice, choice->json ? ngx_http_privacy_send_error(ctx, status, key, 0)
                                                        : ngx_http_privacy_send_message(ctx, status, key, 0));
}


void
ngx_http_privacy_choice_finish(ngx_http_privacy_choice_t *choice, ngx_int_t rc)
{
    ngx_uint_t           waiting;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = choice->ctx->request;
    c = r->connection;

    /* choice goes with the request */
    waiting = choice->waiting;

    ngx_http_finalize_request(r, rc);

    if (waiting) {
        ngx_http_run_posted_requests(c);
    }
}
