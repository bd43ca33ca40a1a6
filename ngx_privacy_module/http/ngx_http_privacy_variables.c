/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy.h"


#define NGX_HTTP_PRIVACY_PURPOSE_PREFIX  "privacy_purpose_"


static ngx_int_t ngx_http_privacy_variable_state(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_privacy_variable_consent(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data);
static ngx_int_t ngx_http_privacy_variable_purpose(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data);
static ngx_int_t ngx_http_privacy_variable_version(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data);
static ngx_int_t ngx_http_privacy_variable_bound_version(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data);
static ngx_int_t ngx_http_privacy_variable_subject(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data);
static ngx_int_t ngx_http_privacy_variable_signal(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data);


/*
 * None is kept once evaluated: a choice, a login or a revocation changes them
 * within a request. None is known where `privacy` is off.
 */
static ngx_http_variable_t  ngx_http_privacy_variables[] = {

    { ngx_string("privacy_state"), NULL, ngx_http_privacy_variable_state, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("privacy_consent"), NULL, ngx_http_privacy_variable_consent, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string(NGX_HTTP_PRIVACY_PURPOSE_PREFIX), NULL, ngx_http_privacy_variable_purpose, 0,
      NGX_HTTP_VAR_NOCACHEABLE|NGX_HTTP_VAR_PREFIX, 0 },

    { ngx_string("privacy_version"), NULL, ngx_http_privacy_variable_version, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("privacy_bound_version"), NULL, ngx_http_privacy_variable_bound_version, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("privacy_subject"), NULL, ngx_http_privacy_variable_subject, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("privacy_signal"), NULL, ngx_http_privacy_variable_signal, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_privacy_variables_add(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_privacy_variables; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


/* The bytes have to live as long as the request. */
static ngx_int_t
ngx_http_privacy_variable_set(ngx_http_variable_value_t *v, u_char *data, size_t len)
{
    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;
    v->len = len;
    v->data = data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_privacy_variable_none(ngx_http_variable_value_t *v)
{
    v->not_found = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_http_privacy_variable_copy(ngx_http_request_t *r, ngx_http_variable_value_t *v, pv_str_t text)
{
    u_char  *p;

    p = ngx_pnalloc(r->pool, text.len ? text.len : 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, text.data, text.len);

    return ngx_http_privacy_variable_set(v, p, text.len);
}


static ngx_int_t
ngx_http_privacy_variable_state(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
    const char              *name;
    ngx_http_privacy_ctx_t  *ctx;

    ctx = ngx_http_privacy_ctx(r);

    if (ctx == NULL) {
        return ngx_http_privacy_variable_none(v);
    }

    name = pv_standing_name(ctx->verdict.standing);

    return ngx_http_privacy_variable_set(v, (u_char *) name, ngx_strlen(name));
}


/* What was granted and holds now; necessary purposes are nobody's to grant. */
static ngx_int_t
ngx_http_privacy_variable_consent(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                  *p, *start;
    size_t                   i, len;
    uint64_t                 granted;
    pv_policy_t             *policy;
    pv_purpose_t            *purpose;
    ngx_http_privacy_ctx_t  *ctx;

    ctx = ngx_http_privacy_ctx(r);

    if (ctx == NULL) {
        return ngx_http_privacy_variable_none(v);
    }

    policy = ctx->policy;

    if (policy == NULL) {
        return ngx_http_privacy_variable_set(v, (u_char *) "", 0);
    }

    granted = ctx->verdict.allowed & ~policy->necessary;
    len = 0;

    for (i = 0; i < policy->purposes_count; i++) {
        len += policy->purposes[i].id.len + 1;
    }

    start = ngx_pnalloc(r->pool, len + 1);
    if (start == NULL) {
        return NGX_ERROR;
    }

    p = start;

    for (i = 0; i < policy->purposes_count; i++) {
        purpose = &policy->purposes[i];

        if (!((granted >> purpose->bit) & 1)) {
            continue;
        }

        if (p != start) {
            *p++ = ',';
        }

        p = ngx_cpymem(p, purpose->id.data, purpose->id.len);
    }

    return ngx_http_privacy_variable_set(v, start, p - start);
}


/* Variable names are letters, digits and underscores, and nginx lowers them: so is a purpose's id here. */
static ngx_uint_t
ngx_http_privacy_variable_names(ngx_str_t *name, pv_str_t id)
{
    u_char  ch;
    size_t  i;

    if (name->len != id.len) {
        return 0;
    }

    for (i = 0; i < id.len; i++) {
        ch = ngx_tolower(id.data[i]);

        if (!((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9'))) {
            ch = '_';
        }

        if (name->data[i] != ch) {
            return 0;
        }
    }

    return 1;
}


static ngx_int_t
ngx_http_privacy_variable_purpose(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
    size_t                   i;
    uint64_t                 bit;
    ngx_str_t                name;
    ngx_uint_t               allowed;
    pv_policy_t             *policy;
    ngx_http_privacy_ctx_t  *ctx;

    ctx = ngx_http_privacy_ctx(r);

    if (ctx == NULL) {
        return ngx_http_privacy_variable_none(v);
    }

    name = *(ngx_str_t *) data;
    name.data += sizeof(NGX_HTTP_PRIVACY_PURPOSE_PREFIX) - 1;
    name.len -= sizeof(NGX_HTTP_PRIVACY_PURPOSE_PREFIX) - 1;

    policy = ctx->policy;
    allowed = 0;

    for (i = 0; policy != NULL && i < policy->purposes_count; i++) {

        if (!ngx_http_privacy_variable_names(&name, policy->purposes[i].id)) {
            continue;
        }

        bit = (uint64_t) 1 << policy->purposes[i].bit;

        /* Two ids may read the same here ("a-b", "a_b"): then both have to hold. */

        if (!(ctx->verdict.allowed & bit)) {
            allowed = 0;
            break;
        }

        allowed = 1;
    }

    return ngx_http_privacy_variable_set(v, (u_char *) (allowed ? "1" : "0"), 1);
}


static ngx_int_t
ngx_http_privacy_variable_version(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_privacy_ctx_t  *ctx;

    ctx = ngx_http_privacy_ctx(r);

    if (ctx == NULL || ctx->policy == NULL) {
        return ngx_http_privacy_variable_none(v);
    }

    return ngx_http_privacy_variable_copy(r, v, ctx->policy->version);
}


static ngx_int_t
ngx_http_privacy_variable_bound_version(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
    const pv_head_t         *bound;
    ngx_http_privacy_ctx_t  *ctx;

    ctx = ngx_http_privacy_ctx(r);

    if (ctx == NULL || !ctx->has_consent || ctx->policy == NULL || ctx->site->store == NULL) {
        return ngx_http_privacy_variable_none(v);
    }

    bound = pv_log_find(ngx_http_privacy_store_log(ctx->site->store), ngx_http_privacy_reach(ctx, &ctx->consent));

    if (bound == NULL) {
        return ngx_http_privacy_variable_none(v);
    }

    return ngx_http_privacy_variable_copy(r, v, bound->version);
}


/* Whose ledger a choice would go to: that of the consent, else of the user, else there is none yet. */
static ngx_int_t
ngx_http_privacy_variable_subject(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                  *p;
    pv_str_t                 subject;
    ngx_http_privacy_ctx_t  *ctx;

    ctx = ngx_http_privacy_ctx(r);

    if (ctx == NULL || (!ctx->has_consent && !ctx->has_user)) {
        return ngx_http_privacy_variable_none(v);
    }

    subject.data = ctx->has_consent ? ctx->consent.subject : ctx->user.subject;
    subject.len = PV_SUBJECT_LEN;

    p = ngx_pnalloc(r->pool, pv_base64url_size(PV_SUBJECT_LEN));
    if (p == NULL) {
        return NGX_ERROR;
    }

    return ngx_http_privacy_variable_set(v, p, pv_base64url_encode(p, subject));
}


static ngx_int_t
ngx_http_privacy_variable_signal(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_privacy_ctx_t  *ctx;

    ctx = ngx_http_privacy_ctx(r);

    if (ctx == NULL) {
        return ngx_http_privacy_variable_none(v);
    }

    switch (ctx->signal) {

    case NGX_HTTP_PRIVACY_GPC:
        return ngx_http_privacy_variable_set(v, (u_char *) "gpc", 3);

    case NGX_HTTP_PRIVACY_DNT:
        return ngx_http_privacy_variable_set(v, (u_char *) "dnt", 3);

    default:
        return ngx_http_privacy_variable_set(v, (u_char *) "", 0);
    }
}
