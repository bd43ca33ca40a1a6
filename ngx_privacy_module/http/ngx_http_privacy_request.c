/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_request.h"


static void ngx_http_privacy_cleanup(void *data);
static ngx_int_t ngx_http_privacy_begin(ngx_http_privacy_ctx_t *ctx);
static ngx_int_t ngx_http_privacy_unready(ngx_http_request_t *r, ngx_http_privacy_ctx_t **ctx);


/*
 * ngx_http_get_module_ctx() is wiped by error_page and internal redirects; the
 * cleanup of the request's pool is not.
 */

ngx_http_privacy_ctx_t *
ngx_http_privacy_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t      *cln;
    ngx_http_privacy_ctx_t  *ctx;

    r = r->main;
    ctx = ngx_http_get_module_ctx(r, ngx_http_privacy_module);

    if (ctx != NULL) {
        return ctx;
    }

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_privacy_cleanup) {
            ctx = cln->data;
            ngx_http_set_ctx(r, ctx, ngx_http_privacy_module);
            return ctx;
        }
    }

    return NULL;
}


ngx_http_privacy_ctx_t *
ngx_http_privacy_ctx_create(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t           *cln;
    ngx_http_privacy_ctx_t       *ctx;
    ngx_http_privacy_srv_conf_t  *pscf;

    r = r->main;
    ctx = ngx_http_privacy_ctx(r);

    if (ctx != NULL) {
        return ctx;
    }

    pscf = ngx_http_get_module_srv_conf(r, ngx_http_privacy_module);

    if (pscf->mode == NGX_HTTP_PRIVACY_OFF || pscf->site->store == NULL) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_privacy_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_http_privacy_ctx_t));

    cln->handler = ngx_http_privacy_cleanup;

    ctx->request = r;
    ctx->server = pscf;
    ctx->site = pscf->site;
    ctx->main = ngx_http_get_module_main_conf(r, ngx_http_privacy_module);
    ctx->policy = ngx_http_privacy_store_in_force(pscf->site->store);
    ctx->whole = ngx_http_privacy_store_hold_in_force(pscf->site->store);

    /* Nothing known and nothing declared: there is nothing to enforce. Status raises the alarm. */

    ctx->enforced = pscf->mode == NGX_HTTP_PRIVACY_ENFORCE && (ctx->policy != NULL || pscf->necessary_gate != NULL);

    ngx_http_set_ctx(r, ctx, ngx_http_privacy_module);

    ngx_http_privacy_judge(ctx);

    return ctx;
}


static void
ngx_http_privacy_cleanup(void *data)
{
    ngx_http_privacy_ctx_t  *ctx = data;

    ngx_http_privacy_lease_cancel(ctx);
    ngx_http_privacy_store_let_go(ctx->whole);
}


void
ngx_http_privacy_judge(ngx_http_privacy_ctx_t *ctx)
{
    uint64_t  before;

    before = ctx->verdict.allowed;

    if (ctx->policy == NULL) {
        ngx_memzero(&ctx->verdict, sizeof(pv_verdict_t));
        ctx->verdict.allowed = 1;           /* the only bit of the gate of privacy_necessary */
        return;
    }

    pv_policy_judge(&ctx->verdict, ctx->policy, ctx->has_consent ? &ctx->consent : NULL, ngx_time());

    if (ctx->restricted) {
        ctx->verdict.allowed &= before;
    }
}


ngx_uint_t
ngx_http_privacy_own_cookie(pv_str_t name)
{
    u_char  last;
    size_t  skip;

    /* "privacy" or "privacy-user" */

    if (name.len < 7 || ((last = name.data[name.len - 1] | 0x20) != 'y' && last != 'r')) {
        return 0;
    }

    skip = 0;

    if (name.len > 7 && ngx_strncasecmp((u_char *) name.data, (u_char *) "__Host-", 7) == 0) {
        skip = 7;

    } else if (name.len > 9 && ngx_strncasecmp((u_char *) name.data, (u_char *) "__Secure-", 9) == 0) {
        skip = 9;
    }

    name.data += skip;
    name.len -= skip;

    return (name.len == 7 && ngx_strncasecmp((u_char *) name.data, (u_char *) "privacy", 7) == 0)
           || (name.len == 12 && ngx_strncasecmp((u_char *) name.data, (u_char *) "privacy-user", 12) == 0);
}


ngx_uint_t
ngx_http_privacy_allows(ngx_http_privacy_ctx_t *ctx, pv_str_t name, uint64_t *purposes)
{
    uint64_t  covered;

    if (ctx->policy != NULL) {
        covered = pv_gate_purposes(ctx->policy->gate, name);

    } else if (ctx->server->necessary_gate != NULL) {
        covered = pv_gate_purposes(ctx->server->necessary_gate, name);

    } else {
        covered = 0;
    }

    if (purposes != NULL) {
        *purposes = covered;
    }

    return (covered & ctx->verdict.allowed) != 0;
}


/* NGX_OK and the context of a request whose own side is still to be worked out; anything else is a phase's answer. */

static ngx_int_t
ngx_http_privacy_unready(ngx_http_request_t *r, ngx_http_privacy_ctx_t **ctx)
{
    ngx_http_privacy_srv_conf_t  *pscf;

    if (r != r->main) {
        return NGX_DECLINED;
    }

    pscf = ngx_http_get_module_srv_conf(r, ngx_http_privacy_module);

    if (pscf->mode == NGX_HTTP_PRIVACY_OFF) {
        return NGX_DECLINED;
    }

    *ctx = ngx_http_privacy_ctx_create(r);

    if (*ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return (*ctx)->ready ? NGX_DECLINED : NGX_OK;
}


ngx_int_t
ngx_http_privacy_post_read_handler(ngx_http_request_t *r)
{
    ngx_int_t                rc;
    ngx_http_privacy_ctx_t  *ctx;

    rc = ngx_http_privacy_unready(r, &ctx);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ctx->lookup == NGX_HTTP_PRIVACY_LOOKUP_NONE) {
        ngx_http_privacy_read(ctx);
    }

    rc = ngx_http_privacy_lease_wait(ctx);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    return ngx_http_privacy_begin(ctx);
}


static ngx_int_t
ngx_http_privacy_begin(ngx_http_privacy_ctx_t *ctx)
{
    ctx->ready = 1;

    ngx_http_privacy_judge(ctx);

    /* asked now, it is mostly answered by the time the response comes */

    ngx_http_privacy_notice_meet(ctx);

    if (ngx_http_privacy_apply(ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_DECLINED;
}


/*
 * A request that nginx refused while it read its headers has been through no
 * phase, and an error_page begins in the rewrite phases, server's or location's:
 * what answers it is not to see more than it would have.
 */

ngx_int_t
ngx_http_privacy_rewrite_handler(ngx_http_request_t *r)
{
    ngx_int_t                rc;
    ngx_http_privacy_ctx_t  *ctx;

    rc = ngx_http_privacy_unready(r, &ctx);

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_http_privacy_read(ctx);

    return ngx_http_privacy_begin(ctx);
}


/*
 * privacy_user: the location has authenticated by now.  Cookies that its new
 * user did not agree to go too; none that is gone comes back.
 */

ngx_int_t
ngx_http_privacy_precontent_handler(ngx_http_request_t *r)
{
    ngx_str_t                     user;
    ngx_http_privacy_ctx_t       *ctx;
    ngx_http_privacy_loc_conf_t  *plcf;

    if (r != r->main) {
        return NGX_DECLINED;
    }

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_privacy_module);

    if (plcf->user == NULL) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_privacy_ctx(r);

    if (ctx == NULL || !ctx->enforced || ctx->user_asserted || ctx->user_logged_out) {
        return NGX_DECLINED;
    }

    if (ngx_http_complex_value(r, plcf->user, &user) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_privacy_user_assert(ctx, &user) != NGX_OK
        || ngx_http_privacy_strip_cookies(ctx) != NGX_OK
        || ngx_http_privacy_forward(ctx) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->restricted && ctx->matched.len) {
        ngx_http_privacy_validators_forget(ctx);
    }

    return NGX_DECLINED;
}
