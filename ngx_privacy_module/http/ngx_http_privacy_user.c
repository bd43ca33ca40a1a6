/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_notices.h"


/* Short-lived: the application asserts it again with each page it makes for the user. */
#define NGX_HTTP_PRIVACY_USER_LIFE   3600

#define NGX_HTTP_PRIVACY_USER_MAX    512        /* bytes of a user's name */


static void ngx_http_privacy_user_become(ngx_http_privacy_ctx_t *ctx, const u_char *subject);
static void ngx_http_privacy_user_forget(ngx_http_privacy_ctx_t *ctx);
static void ngx_http_privacy_session_requested(ngx_http_privacy_ctx_t *ctx, pv_str_t name, pv_buf_t *out);
static ngx_int_t ngx_http_privacy_session_set(ngx_http_privacy_ctx_t *ctx, pv_str_t name, pv_buf_t *out);
static ngx_uint_t ngx_http_privacy_session_renewed(ngx_http_privacy_ctx_t *ctx);
static ngx_int_t ngx_http_privacy_session_name(ngx_http_privacy_ctx_t *ctx, const u_char *subject, pv_buf_t *session,
    u_char tag[PV_SESSION_TAG_LEN]);
static ngx_uint_t ngx_http_privacy_response_is_cached(ngx_http_request_t *r);


void
ngx_http_privacy_user_read(ngx_http_privacy_ctx_t *ctx, ngx_str_t *binding)
{
    int        rc;
    pv_buf_t   session;

    pv_buf_init(&session, NGX_HTTP_PRIVACY_SESSION_MAX);

    ngx_http_privacy_user_session(ctx, &session);

    rc = PV_ERROR;

    if (!session.failed) {
        pv_str_t  s = { session.data, session.len };

        rc = pv_user_decode(&ctx->user, ngx_http_privacy_str(binding), s, ctx->main->keys,
                            ngx_http_privacy_str(&ctx->site->name), ngx_time());
    }

    pv_buf_free(&session);

    if (rc == PV_OK && pv_user_tag(ctx->user_tag, ctx->user.subject) == PV_OK) {
        ctx->has_user = 1;
        ctx->was_bound = 1;
        ngx_memcpy(ctx->bound_subject, ctx->user.subject, PV_SUBJECT_LEN);
    }
}


/*
 * What the login hangs on: the values of the session cookies as the browser
 * will have them after this response.  Each is prefixed with its length.
 */

void
ngx_http_privacy_user_session(ngx_http_privacy_ctx_t *ctx, pv_buf_t *out)
{
    pv_str_t     name;
    ngx_str_t   *names;
    ngx_uint_t   i;

    if (ctx->server->sessions == NULL) {
        return;
    }

    names = ctx->server->sessions->elts;

    for (i = 0; i < ctx->server->sessions->nelts; i++) {
        name = ngx_http_privacy_str(&names[i]);

        if (ngx_http_privacy_session_set(ctx, name, out) == NGX_DECLINED) {
            ngx_http_privacy_session_requested(ctx, name, out);
        }

        pv_buf_puts(out, ";");
    }
}


static void
ngx_http_privacy_session_requested(ngx_http_privacy_ctx_t *ctx, pv_str_t name, pv_buf_t *out)
{
    size_t             cursor;
    pv_str_t           line;
    ngx_table_elt_t   *h;
    pv_cookie_pair_t   pair;

    h = NULL;

    ngx_http_privacy_each_cookie_line(ctx->request, h, i) {
        line = ngx_http_privacy_str(&h->value);
        cursor = 0;

        while (pv_cookie_next(line, &cursor, &pair)) {
            if (pv_str_eq(pair.name, name)) {
                pv_buf_printf(out, "%zu:", pair.value.len);
                pv_buf_str(out, pair.value);
            }
        }
    }
}


/* NGX_DECLINED: this response does not touch the cookie. */

static ngx_int_t
ngx_http_privacy_session_set(ngx_http_privacy_ctx_t *ctx, pv_str_t name, pv_buf_t *out)
{
    size_t            before;
    ngx_int_t         rc;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;
    pv_set_cookie_t   c;

    rc = NGX_DECLINED;
    before = out->len;

    for (part = &ctx->request->headers_out.headers.part; part != NULL; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (!ngx_http_privacy_is_set_cookie(&h[i])
                || pv_set_cookie_parse(&c, ngx_http_privacy_str(&h[i].value)) != PV_OK
                || !pv_str_eq(c.name, name))
            {
                continue;
            }

            rc = NGX_OK;
            out->len = before;      /* the last one wins */

            if ((c.has_max_age && c.max_age <= 0) || (!c.has_max_age && c.has_expires && c.expires <= ngx_time())) {
                continue;
            }

            pv_buf_printf(out, "%zu:", c.value.len);
            pv_buf_str(out, c.value);
        }
    }

    return rc;
}


/* A binding to the old value would be void with the next request. */

static ngx_uint_t
ngx_http_privacy_session_renewed(ngx_http_privacy_ctx_t *ctx)
{
    pv_buf_t     value;
    ngx_str_t   *names;
    ngx_uint_t   i, renewed;

    if (ctx->server->sessions == NULL) {
        return 0;
    }

    renewed = 0;
    names = ctx->server->sessions->elts;

    pv_buf_init(&value, NGX_HTTP_PRIVACY_SESSION_MAX);

    for (i = 0; i < ctx->server->sessions->nelts && !renewed; i++) {
        renewed = ngx_http_privacy_session_set(ctx, ngx_http_privacy_str(&names[i]), &value) != NGX_DECLINED;
    }

    pv_buf_free(&value);

    return renewed;
}


ngx_int_t
ngx_http_privacy_user_assert(ngx_http_privacy_ctx_t *ctx, ngx_str_t *user)
{
    u_char  subject[PV_SUBJECT_LEN];

    if (user->len == 0) {
        if (ctx->has_user || ctx->binding_present) {
            ngx_http_privacy_user_forget(ctx);
        }

        return NGX_OK;
    }

    if (user->len > NGX_HTTP_PRIVACY_USER_MAX) {
        ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0, "the name of a logged-in user is longer than "
                      "%d bytes: ignored", NGX_HTTP_PRIVACY_USER_MAX);
        ngx_http_privacy_user_forget(ctx);
        return NGX_OK;
    }

    if (pv_pseudonym(subject, ctx->main->keys, ngx_http_privacy_str(&ctx->site->name), ngx_http_privacy_str(user))
        != PV_OK)
    {
        return NGX_ERROR;
    }

    ctx->user_asserted = 1;

    if (!ctx->has_user || ngx_memcmp(ctx->user.subject, subject, PV_SUBJECT_LEN) != 0) {
        ngx_http_privacy_user_become(ctx, subject);
    }

    return NGX_OK;
}


static void
ngx_http_privacy_user_become(ngx_http_privacy_ctx_t *ctx, const u_char *subject)
{
    ngx_http_privacy_lease_t  lease;

    ngx_memcpy(ctx->user.subject, subject, PV_SUBJECT_LEN);
    ctx->user.expires = 0;
    (void) pv_user_tag(ctx->user_tag, subject);

    ctx->has_user = 1;
    ctx->has_session_tag = 0;
    ctx->has_consent = 0;
    ctx->has_past = 0;
    ctx->renew = 0;
    ctx->restricted = 1;

    if (ngx_http_privacy_zone_lease(ctx->main->zone, ctx->site->slot, subject, &lease) == NGX_OK && !lease.missing
        && ngx_time() - (time_t) lease.consent.checked <= ctx->server->lease)
    {
        ctx->consent = lease.consent;
        ctx->has_consent = 1;
        ctx->renew = 1;
    }

    ngx_http_privacy_judge(ctx);
}


static void
ngx_http_privacy_user_forget(ngx_http_privacy_ctx_t *ctx)
{
    ctx->user_logged_out = 1;
    ctx->has_user = 0;
    ctx->restricted = 1;
    ngx_memzero(ctx->user_tag, PV_USER_TAG_LEN);

    if ((ctx->has_consent || ctx->has_past) && (ctx->consent.flags & PV_STATE_USER)) {
        ctx->has_consent = 0;
        ctx->has_past = 0;
        ctx->renew = 0;
    }

    ngx_http_privacy_judge(ctx);
}


/*
 * The application's word, in a header of the response.  Not from a cache, and
 * not on a response that a cache may keep: it would make many people one.
 */

ngx_int_t
ngx_http_privacy_user_response(ngx_http_privacy_ctx_t *ctx, ngx_uint_t *set)
{
    ngx_str_t                    *user;
    ngx_uint_t                    i;
    ngx_list_part_t              *part;
    ngx_table_elt_t              *h;
    ngx_http_request_t           *r;
    ngx_http_privacy_loc_conf_t  *plcf;

    r = ctx->request;
    user = NULL;
    plcf = ngx_http_get_module_loc_conf(r, ngx_http_privacy_module);

    for (part = &r->headers_out.headers.part; plcf->user_header.len && part != NULL; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].hash && h[i].key.len == plcf->user_header.len
                && ngx_strncasecmp(h[i].key.data, plcf->user_header.data, h[i].key.len) == 0)
            {
                h[i].hash = 0;
                user = &h[i].value;
            }
        }
    }

    if (user != NULL) {
        if (ngx_http_privacy_response_is_cached(r)) {
            ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_USERS_IGNORED, 1);

        } else if (ngx_http_privacy_user_assert(ctx, user) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    /* the response may set the session's cookies anew */

    ctx->has_session_tag = 0;
    ngx_http_privacy_user_left(ctx);

    *set = (ctx->user_asserted && ((time_t) ctx->user.expires < ngx_time() + NGX_HTTP_PRIVACY_USER_LIFE / 2
                                   || ngx_http_privacy_session_renewed(ctx)))
           || (ctx->user_logged_out && ctx->binding_present);

    return NGX_OK;
}


ngx_int_t
ngx_http_privacy_user_session_tag(ngx_http_privacy_ctx_t *ctx)
{
    pv_buf_t  session;

    if (!ctx->has_user) {
        return NGX_DECLINED;
    }

    if (ctx->has_session_tag) {
        return NGX_OK;
    }

    pv_buf_init(&session, NGX_HTTP_PRIVACY_SESSION_MAX);

    ngx_http_privacy_user_session(ctx, &session);

    if (ngx_http_privacy_session_name(ctx, ctx->user.subject, &session, ctx->session_tag) == NGX_OK) {
        (void) pv_hex_encode((char *) ctx->session_text, ctx->session_tag, PV_SESSION_TAG_LEN);
        ctx->has_session_tag = 1;
    }

    pv_buf_free(&session);

    return ctx->has_session_tag ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_privacy_session_name(ngx_http_privacy_ctx_t *ctx, const u_char *subject, pv_buf_t *session,
    u_char tag[PV_SESSION_TAG_LEN])
{
    pv_str_t  s = { session->data, session->len };

    if (session->failed || ctx->main->keys == NULL) {
        return NGX_ERROR;
    }

    return (pv_session_tag(tag, ctx->main->keys, ngx_http_privacy_str(&ctx->site->name), subject, s) == PV_OK)
           ? NGX_OK : NGX_ERROR;
}


/*
 * The login session that the request came with ends with this response: nobody
 * is logged in any more, or somebody else, or its cookies change. Its streams
 * are closed wherever they are.
 */

void
ngx_http_privacy_user_left(ngx_http_privacy_ctx_t *ctx)
{
    u_char       tag[PV_SESSION_TAG_LEN];
    pv_buf_t     before, after, event;
    pv_str_t     name;
    ngx_str_t   *names;
    ngx_uint_t   i, left;

    if (!ctx->was_bound) {
        return;
    }

    left = !ctx->has_user || ngx_memcmp(ctx->bound_subject, ctx->user.subject, PV_SUBJECT_LEN) != 0;

    if (!left && !ngx_http_privacy_session_renewed(ctx)) {
        return;
    }

    pv_buf_init(&before, NGX_HTTP_PRIVACY_SESSION_MAX);
    pv_buf_init(&after, NGX_HTTP_PRIVACY_SESSION_MAX);

    names = ctx->server->sessions ? ctx->server->sessions->elts : NULL;

    for (i = 0; names && i < ctx->server->sessions->nelts; i++) {
        name = ngx_http_privacy_str(&names[i]);
        ngx_http_privacy_session_requested(ctx, name, &before);
        pv_buf_puts(&before, ";");
    }

    ngx_http_privacy_user_session(ctx, &after);

    left = left || before.len != after.len || (after.len && ngx_memcmp(before.data, after.data, after.len) != 0);

    if (left && ngx_http_privacy_session_name(ctx, ctx->bound_subject, &before, tag) == NGX_OK) {
        pv_buf_init(&event, NGX_HTTP_PRIVACY_EVENT_BYTES);
        pvr_event_left(&event, ngx_http_privacy_str(&ctx->site->name), ctx->bound_subject, tag);

        ngx_http_privacy_publish(ctx->main, ctx->site, ctx->bound_subject, &event);
        ctx->was_bound = 0;
    }

    pv_buf_free(&before);
    pv_buf_free(&after);
}


static ngx_uint_t
ngx_http_privacy_response_is_cached(ngx_http_request_t *r)
{
#if (NGX_HTTP_CACHE)
    if (r->cached || (r->upstream && r->upstream->cacheable)) {
        return 1;
    }
#endif

    return ngx_http_privacy_cacheable(r);
}


ngx_int_t
ngx_http_privacy_user_set_cookie(ngx_http_privacy_ctx_t *ctx)
{
    char       text[PV_USER_COOKIE_MAX + 1];
    long       n;
    pv_buf_t   session;
    ngx_str_t  value;

    ngx_str_null(&value);

    if (!ctx->has_user) {
        return ngx_http_privacy_set_cookie(ctx, NGX_HTTP_PRIVACY_USER_COOKIE, &value, -1);
    }

    ctx->user.expires = ngx_time() + NGX_HTTP_PRIVACY_USER_LIFE;

    pv_buf_init(&session, NGX_HTTP_PRIVACY_SESSION_MAX);

    ngx_http_privacy_user_session(ctx, &session);

    n = PV_ERROR;

    if (!session.failed) {
        pv_str_t  s = { session.data, session.len };

        n = pv_user_encode(text, &ctx->user, s, ctx->main->keys, ngx_http_privacy_str(&ctx->site->name));
    }

    pv_buf_free(&session);

    if (n < 0) {
        ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0, "the user binding could not be signed");
        return NGX_ERROR;
    }

    value.data = (u_char *) text;
    value.len = n;

    ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_USERS_BOUND, 1);

    return ngx_http_privacy_set_cookie(ctx, NGX_HTTP_PRIVACY_USER_COOKIE, &value, NGX_HTTP_PRIVACY_USER_LIFE);
}
