/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy.h"


/* What a browser keeps at most: RFC 6265bis, 400 days. */
#define NGX_HTTP_PRIVACY_COOKIE_LIFE  (400 * 86400)

#define NGX_HTTP_PRIVACY_HEADERS      4


static void ngx_http_privacy_header_part_remove(ngx_http_request_t *r, ngx_list_t *list, ngx_list_part_t *part,
    ngx_list_part_t *previous);


ngx_table_elt_t *
ngx_http_privacy_header_in(ngx_http_request_t *r, const char *lowcase)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = ngx_strlen(lowcase);

    for (part = &r->headers_in.headers.part; part != NULL; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].hash && h[i].key.len == len
                && (h[i].lowcase_key ? ngx_memcmp(h[i].lowcase_key, lowcase, len)
                                     : ngx_strncasecmp(h[i].key.data, (u_char *) lowcase, len)) == 0)
            {
                return &h[i];
            }
        }
    }

    return NULL;
}


ngx_int_t
ngx_http_privacy_header_in_add(ngx_http_request_t *r, const char *key, ngx_str_t *value)
{
    size_t            len;
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_in.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    len = ngx_strlen(key);

    h->lowcase_key = ngx_pnalloc(r->pool, len);
    if (h->lowcase_key == NULL) {
        h->hash = 0;
        h->key.len = 0;
        h->value.len = 0;
        return NGX_ERROR;
    }

    h->key.data = (u_char *) key;
    h->key.len = len;
    h->value = *value;
    h->hash = ngx_hash_strlow(h->lowcase_key, h->key.data, len);
    ngx_http_privacy_header_unlink(h);

    return NGX_OK;
}


/*
 * hash = 0 hides a response header only: a request header has to leave the
 * list.  Others point into its elements, so none may move: the part that holds
 * it is shortened, or split in two.  No part may stay empty behind the first:
 * nginx's own loops look at the first element of a next part unasked.
 */

void
ngx_http_privacy_header_in_detach(ngx_http_request_t *r, ngx_table_elt_t *header)
{
    ngx_uint_t        i;
    ngx_list_t       *list;
    ngx_list_part_t  *part, *previous, *rest;
    ngx_table_elt_t  *h;

    list = &r->headers_in.headers;
    previous = NULL;

    for (part = &list->part; part != NULL; previous = part, part = part->next) {
        h = part->elts;

        if (header >= h && header < h + part->nelts) {
            break;
        }
    }

    if (part == NULL) {
        return;
    }

    i = header - h;

    if (part->nelts == 1) {
        ngx_http_privacy_header_part_remove(r, list, part, previous);
        return;
    }

    if (i == part->nelts - 1) {
        part->nelts--;

        /* The freed place is not to be pushed over: others may still point there. */

        if (part == list->last) {
            list->nalloc = part->nelts;
        }

        return;
    }

    if (i == 0) {
        part->elts = h + 1;
        part->nelts--;

        if (part == list->last) {
            list->nalloc--;
        }

        return;
    }

    rest = ngx_palloc(r->pool, sizeof(ngx_list_part_t));

    if (rest == NULL) {

        /* Better an empty line than one that should not be there. */

        header->value.len = 0;
        return;
    }

    rest->elts = h + i + 1;
    rest->nelts = part->nelts - i - 1;
    rest->next = part->next;

    part->nelts = i;
    part->next = rest;

    if (part == list->last) {
        list->last = rest;
        list->nalloc -= i + 1;
    }
}


static void
ngx_http_privacy_header_part_remove(ngx_http_request_t *r, ngx_list_t *list, ngx_list_part_t *part,
    ngx_list_part_t *previous)
{
    void             *elts;
    ngx_list_part_t  *next;

    next = part->next;

    if (previous != NULL) {
        previous->next = next;

        if (list->last == part) {
            list->last = previous;
            list->nalloc = previous->nelts;
        }

        return;
    }

    if (next != NULL) {
        *part = *next;

        if (list->last == next) {
            list->last = part;
        }

        return;
    }

    /*
     * The only one: the next is put elsewhere. nalloc is also what a further
     * part is allocated by, so that it must never become 0.
     */

    elts = ngx_palloc(r->pool, NGX_HTTP_PRIVACY_HEADERS * list->size);

    if (elts == NULL) {
        ((ngx_table_elt_t *) part->elts)->value.len = 0;
        return;
    }

    part->elts = elts;
    part->nelts = 0;
    list->nalloc = NGX_HTTP_PRIVACY_HEADERS;
}


ngx_uint_t
ngx_http_privacy_header_named(ngx_table_elt_t *h, const char *lowcase)
{
    u_char  c;
    size_t  i;

    for (i = 0; i < h->key.len; i++) {
        c = ngx_tolower(h->key.data[i]);

        if (c == '_') {
            c = '-';
        }

        if (c != (u_char) lowcase[i]) {
            return 0;
        }
    }

    return lowcase[i] == '\0';
}


ngx_uint_t
ngx_http_privacy_header_in_remove(ngx_http_request_t *r, const char *lowcase)
{
    size_t            len;
    ngx_uint_t        i, removed;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = ngx_strlen(lowcase);
    removed = 0;

again:

    for (part = &r->headers_in.headers.part; part != NULL; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == len && ngx_http_privacy_header_named(&h[i], lowcase)) {
                ngx_http_privacy_header_in_detach(r, &h[i]);
                removed++;
                goto again;
            }
        }
    }

    return removed;
}


ngx_int_t
ngx_http_privacy_header_out(ngx_http_request_t *r, const char *key, ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key.data = (u_char *) key;
    h->key.len = ngx_strlen(key);
    h->value = *value;
    h->lowcase_key = NULL;
    ngx_http_privacy_header_unlink(h);

    return NGX_OK;
}


ngx_uint_t
ngx_http_privacy_secure(ngx_http_privacy_ctx_t *ctx)
{
    if (ctx->server->origin.len) {
        return ctx->server->origin.len > 8 && ngx_strncmp(ctx->server->origin.data, "https://", 8) == 0;
    }

#if (NGX_HTTP_SSL)
    return ctx->request->connection->ssl != NULL;
#else
    return 0;
#endif
}


ngx_str_t
ngx_http_privacy_cookie_name(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_cookie_t cookie)
{
    static const ngx_str_t  names[3][2] = {
        { ngx_string("privacy"), ngx_string("privacy-user") },      /* plain HTTP is for development: no prefix there */
        { ngx_string("__Secure-privacy"), ngx_string("__Secure-privacy-user") },
        { ngx_string("__Host-privacy"), ngx_string("__Host-privacy-user") }
    };

    return names[!ngx_http_privacy_secure(ctx) ? 0 : ctx->server->cookie_domain.len ? 1 : 2][cookie];
}


ngx_int_t
ngx_http_privacy_set_cookie(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_cookie_t cookie, ngx_str_t *value,
    time_t max_age)
{
    u_char     *p;
    ngx_str_t   full, line;

    full = ngx_http_privacy_cookie_name(ctx, cookie);

    line.data = ngx_pnalloc(ctx->request->pool, full.len + value->len + ctx->server->cookie_domain.len
                            + sizeof("=; Max-Age=; Path=/; Domain=; HttpOnly; Secure; SameSite=Lax") + NGX_TIME_T_LEN);
    if (line.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(line.data, full.data, full.len);
    *p++ = '=';

    if (value->len) {                   /* a deletion has none, perhaps not even an address */
        p = ngx_cpymem(p, value->data, value->len);
    }

    p = ngx_cpymem(p, "; Max-Age=", sizeof("; Max-Age=") - 1);
    p = ngx_sprintf(p, "%T", max_age < 0 ? (time_t) 0 : max_age);
    p = ngx_cpymem(p, "; Path=/", sizeof("; Path=/") - 1);

    if (ctx->server->cookie_domain.len) {
        p = ngx_cpymem(p, "; Domain=", sizeof("; Domain=") - 1);
        p = ngx_cpymem(p, ctx->server->cookie_domain.data, ctx->server->cookie_domain.len);
    }

    p = ngx_cpymem(p, "; HttpOnly", sizeof("; HttpOnly") - 1);

    if (ngx_http_privacy_secure(ctx)) {
        p = ngx_cpymem(p, "; Secure", sizeof("; Secure") - 1);
    }

    p = ngx_cpymem(p, "; SameSite=Lax", sizeof("; SameSite=Lax") - 1);

    line.len = p - line.data;
    ctx->written[cookie] = line.data;

    return ngx_http_privacy_header_out(ctx->request, "Set-Cookie", &line);
}


ngx_int_t
ngx_http_privacy_set_consent_cookie(ngx_http_privacy_ctx_t *ctx)
{
    char       text[PV_COOKIE_MAX + 1];
    long       n;
    ngx_str_t  value;

    n = pv_consent_encode(text, &ctx->consent, ctx->main->keys, ngx_http_privacy_str(&ctx->site->name));

    if (n < 0) {
        ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0, "the consent cookie could not be signed");
        return NGX_ERROR;
    }

    value.data = (u_char *) text;
    value.len = n;

    return ngx_http_privacy_set_cookie(ctx, NGX_HTTP_PRIVACY_CONSENT_COOKIE, &value, NGX_HTTP_PRIVACY_COOKIE_LIFE);
}
