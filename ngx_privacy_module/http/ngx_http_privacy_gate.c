/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy.h"


#define NGX_HTTP_PRIVACY_LEARNED_MAX  8         /* Domain and Path variants of one name */


static ngx_uint_t ngx_http_privacy_gate_is_own(ngx_http_privacy_ctx_t *ctx, ngx_str_t *line);
static ngx_uint_t ngx_http_privacy_gate_line(ngx_http_privacy_ctx_t *ctx, pv_str_t line, uint64_t *purposes);
static void ngx_http_privacy_gate_learn(ngx_http_privacy_ctx_t *ctx, pv_set_cookie_t *c, pv_str_t line,
    uint64_t purposes, ngx_uint_t passes);
static const pv_cookie_declaration_t *ngx_http_privacy_gate_declared(pv_policy_t *policy, pv_str_t name);
static ngx_int_t ngx_http_privacy_gate_expire_name(ngx_http_privacy_ctx_t *ctx, ngx_str_t *name, ngx_uint_t *left);
static ngx_uint_t ngx_http_privacy_gate_same(ngx_str_t *a, ngx_str_t *b);
static ngx_uint_t ngx_http_privacy_gate_safe(ngx_str_t *s);
static ngx_int_t ngx_http_privacy_gate_expire_line(ngx_http_privacy_ctx_t *ctx, ngx_str_t *name, ngx_str_t *domain,
    ngx_str_t *path, ngx_uint_t partitioned, ngx_uint_t *left);


/*
 * Attributes are not ours to judge: a line passes as it is or not at all.
 * Whatever wrote it (upstream, add_header, userid, njs, error_page), it is in
 * the list by now.
 */

ngx_int_t
ngx_http_privacy_gate_response(ngx_http_privacy_ctx_t *ctx, ngx_uint_t *passed, ngx_uint_t *consented)
{
    uint64_t          purposes, necessary;
    ngx_uint_t        i, passes, dropped;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    *passed = 0;
    *consented = 0;
    dropped = 0;
    necessary = ctx->policy ? ctx->policy->necessary : 1;

    for (part = &ctx->request->headers_out.headers.part; part != NULL; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (!ngx_http_privacy_is_set_cookie(&h[i])) {
                continue;
            }

            if (ctx->own && ngx_http_privacy_gate_is_own(ctx, &h[i].value)) {
                continue;           /* with the answer to a choice; from anybody else it is an attack */
            }

            passes = ngx_http_privacy_gate_line(ctx, ngx_http_privacy_str(&h[i].value), &purposes);

            if (passes) {
                (*passed)++;

                if (!(purposes & necessary)) {
                    (*consented)++;
                }

                continue;
            }

            dropped++;
            ngx_http_privacy_zone_dropped(ctx->main->zone, ctx->site->slot, 1, purposes);

            if (ctx->enforced) {
                h[i].hash = 0;
                h[i].value.len = 0;
            }
        }
    }

    if (*passed) {
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_COOKIES_PASSED_RESPONSE, *passed);
    }

    if (dropped) {
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_COOKIES_DROPPED_RESPONSE, dropped);
    }

    return NGX_OK;
}


/* Written by us just now, or of our name: attributes are for those that have to be judged. */

static ngx_uint_t
ngx_http_privacy_gate_is_own(ngx_http_privacy_ctx_t *ctx, ngx_str_t *line)
{
    pv_set_cookie_t  c;

    if (line->data == ctx->written[NGX_HTTP_PRIVACY_CONSENT_COOKIE]
        || line->data == ctx->written[NGX_HTTP_PRIVACY_USER_COOKIE])
    {
        return 1;
    }

    return pv_set_cookie_parse(&c, ngx_http_privacy_str(line)) == PV_OK && ngx_http_privacy_own_cookie(c.name);
}


/* 1 when it passes. What is new of a cookie is learned; most are the same as in the last response. */

static ngx_uint_t
ngx_http_privacy_gate_line(ngx_http_privacy_ctx_t *ctx, pv_str_t line, uint64_t *purposes)
{
    pv_str_t         name, attributes;
    uint64_t         necessary;
    ngx_str_t        n, a;
    ngx_uint_t       passes;
    pv_set_cookie_t  c;

    *purposes = 0;
    necessary = ctx->policy ? ctx->policy->necessary : 0;

    if (pv_set_cookie_name(line, &name, &attributes) == PV_OK) {

        if (ngx_http_privacy_own_cookie(name)) {
            return 0;
        }

        passes = ngx_http_privacy_allows(ctx, name, purposes);

        n.data = (u_char *) name.data;
        n.len = name.len;
        a.data = (u_char *) attributes.data;
        a.len = attributes.len;

        if (ngx_http_privacy_zone_saw_again(ctx->main->zone, ctx->site->slot, &n, &a, *purposes, !passes,
                                            passes && (*purposes & necessary)))
        {
            return passes;
        }
    }

    if (pv_set_cookie_parse(&c, line) != PV_OK || ngx_http_privacy_own_cookie(c.name)) {
        return 0;
    }

    passes = ngx_http_privacy_allows(ctx, c.name, purposes);
    ngx_http_privacy_gate_learn(ctx, &c, line, *purposes, passes);

    return passes;
}


static void
ngx_http_privacy_gate_learn(ngx_http_privacy_ctx_t *ctx, pv_set_cookie_t *c, pv_str_t line, uint64_t purposes,
    ngx_uint_t passes)
{
    uint64_t                 necessary;
    ngx_http_privacy_seen_t  seen;

    ngx_memzero(&seen, sizeof(ngx_http_privacy_seen_t));

    seen.name.data = (u_char *) c->name.data;
    seen.name.len = c->name.len;
    seen.attributes.data = (u_char *) c->value.data + c->value.len;
    seen.attributes.len = line.data + line.len - seen.attributes.data;
    seen.domain.data = (u_char *) c->domain.data;
    seen.domain.len = c->domain.len;
    seen.path.data = (u_char *) c->path.data;
    seen.path.len = c->path.len;
    seen.lifetime = c->has_max_age ? c->max_age : c->has_expires ? c->expires - ngx_time() : -1;
    seen.purposes = purposes;
    seen.http_only = c->http_only;
    seen.partitioned = c->partitioned;

    necessary = ctx->policy ? ctx->policy->necessary : 0;

    ngx_http_privacy_zone_saw(ctx->main->zone, ctx->site->slot, &seen, !passes, passes && (purposes & necessary));
}


/*
 * What the browser holds and may not: what was denied on the way in, and after
 * a choice what was let in and is not allowed any more.
 */

ngx_int_t
ngx_http_privacy_gate_expire(ngx_http_privacy_ctx_t *ctx)
{
    size_t             cursor;
    pv_str_t           line;
    ngx_str_t         *names, name;
    ngx_uint_t         n, left;
    ngx_table_elt_t   *h;
    pv_cookie_pair_t   pair;

    left = NGX_HTTP_PRIVACY_EXPIRE_MAX;

    if (ctx->denied != NULL) {
        names = ctx->denied->elts;

        for (n = 0; n < ctx->denied->nelts && left; n++) {
            if (ngx_http_privacy_allows(ctx, ngx_http_privacy_str(&names[n]), NULL)) {
                continue;
            }

            if (ngx_http_privacy_gate_expire_name(ctx, &names[n], &left) != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }

    if (ctx->choice_made) {
        ngx_http_privacy_each_cookie_line(ctx->request, h, i) {
            line = ngx_http_privacy_str(&h->value);
            cursor = 0;

            while (left && pv_cookie_next(line, &cursor, &pair)) {
                if (pair.name.len == 0 || ngx_http_privacy_allows(ctx, pair.name, NULL)) {
                    continue;
                }

                name.data = (u_char *) pair.name.data;
                name.len = pair.name.len;

                if (ngx_http_privacy_gate_expire_name(ctx, &name, &left) != NGX_OK) {
                    return NGX_ERROR;
                }
            }
        }
    }

    if (left != NGX_HTTP_PRIVACY_EXPIRE_MAX) {
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_COOKIES_EXPIRED, NGX_HTTP_PRIVACY_EXPIRE_MAX - left);
    }

    return NGX_OK;
}


/* The gate numbers declarations through all purposes, in order. */

static const pv_cookie_declaration_t *
ngx_http_privacy_gate_declared(pv_policy_t *policy, pv_str_t name)
{
    long    n;
    size_t  i;

    if (policy == NULL) {
        return NULL;
    }

    n = pv_gate_declaration(policy->gate, name);

    for (i = 0; n >= 0 && i < policy->purposes_count; i++) {
        if ((size_t) n < policy->purposes[i].cookies_count) {
            return &policy->purposes[i].cookies[n];
        }

        n -= policy->purposes[i].cookies_count;
    }

    return NULL;
}


/* A browser deletes what has the same name, Domain and Path only: each that was declared or seen, and the plain one. */

static ngx_int_t
ngx_http_privacy_gate_expire_name(ngx_http_privacy_ctx_t *ctx, ngx_str_t *name, ngx_uint_t *left)
{
    ngx_str_t                 domain, path, root = ngx_string("/"), none = ngx_null_string;
    ngx_uint_t                i, n, plain;
    ngx_http_privacy_seen_t   seen[NGX_HTTP_PRIVACY_LEARNED_MAX];
    const pv_cookie_declaration_t  *declared;

    plain = 1;
    ngx_str_null(&domain);
    ngx_str_null(&path);
    declared = ngx_http_privacy_gate_declared(ctx->policy, ngx_http_privacy_str(name));

    if (declared != NULL && (declared->domain.len || declared->path.len)) {
        domain.data = (u_char *) declared->domain.data;
        domain.len = declared->domain.len;
        path.data = (u_char *) declared->path.data;
        path.len = declared->path.len;

        if (path.len == 0) {
            path = root;
        }

        if (ngx_http_privacy_gate_expire_line(ctx, name, &domain, &path, 0, left) != NGX_OK) {
            return NGX_ERROR;
        }

        plain = domain.len || path.len != 1;
    }

    n = ngx_http_privacy_zone_learned(ctx->main->zone, ctx->site->slot, name, seen, NGX_HTTP_PRIVACY_LEARNED_MAX,
                                      ctx->request->pool);

    for (i = 0; i < n; i++) {
        if (seen[i].path.len == 0) {
            seen[i].path = root;
        }

        if (!seen[i].partitioned && ngx_http_privacy_gate_same(&seen[i].domain, &domain)
            && ngx_http_privacy_gate_same(&seen[i].path, &path))
        {
            continue;
        }

        if (ngx_http_privacy_gate_expire_line(ctx, name, &seen[i].domain, &seen[i].path, seen[i].partitioned, left)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (!seen[i].partitioned && seen[i].domain.len == 0 && seen[i].path.len == 1) {
            plain = 0;
        }
    }

    if (!plain) {
        return NGX_OK;
    }

    return ngx_http_privacy_gate_expire_line(ctx, name, &none, &root, 0, left);
}


static ngx_uint_t
ngx_http_privacy_gate_same(ngx_str_t *a, ngx_str_t *b)
{
    return a->len == b->len && (a->len == 0 || ngx_memcmp(a->data, b->data, a->len) == 0);
}


static ngx_uint_t
ngx_http_privacy_gate_safe(ngx_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        if (s->data[i] < ' ' || s->data[i] == 0x7f || s->data[i] == ';') {
            return 0;
        }
    }

    return 1;
}


static ngx_int_t
ngx_http_privacy_gate_expire_line(ngx_http_privacy_ctx_t *ctx, ngx_str_t *name, ngx_str_t *domain, ngx_str_t *path,
    ngx_uint_t partitioned, ngx_uint_t *left)
{
    u_char     *p;
    ngx_str_t   line;

    /* The name comes from the client: it must not be able to write more than a name. */

    if (*left == 0 || !ngx_http_privacy_gate_safe(name) || !ngx_http_privacy_gate_safe(domain)
        || !ngx_http_privacy_gate_safe(path))
    {
        return NGX_OK;
    }

    line.data = ngx_pnalloc(ctx->request->pool, name->len + domain->len + path->len
                            + sizeof("=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=; Domain=; Secure"
                                     "; SameSite=None; Partitioned"));
    if (line.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(line.data, "%V=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=%V", name, path);

    if (domain->len) {
        p = ngx_sprintf(p, "; Domain=%V", domain);
    }

    /* Prefixed names and partitioned ones are not even deleted without Secure. */

    if (ngx_http_privacy_secure(ctx)) {
        p = ngx_sprintf(p, "; Secure%s", partitioned ? "; SameSite=None; Partitioned" : "");
    }

    line.len = p - line.data;
    (*left)--;

    return ngx_http_privacy_header_out(ctx->request, "Set-Cookie", &line);
}
