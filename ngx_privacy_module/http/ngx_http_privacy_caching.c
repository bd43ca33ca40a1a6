/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy.h"


/* What a header line says about caches. */
#define NGX_HTTP_PRIVACY_CACHE_NONE      0
#define NGX_HTTP_PRIVACY_CACHE_CONTROL   1
#define NGX_HTTP_PRIVACY_CACHE_TARGETED  2

typedef struct {
    unsigned  public:1;
    unsigned  private:1;
    unsigned  lifetime:1;
} ngx_http_privacy_caching_t;


static ngx_uint_t ngx_http_privacy_cache_header(ngx_table_elt_t *h);
static void ngx_http_privacy_caching(ngx_http_privacy_caching_t *caching, ngx_str_t *value);
static ngx_uint_t ngx_http_privacy_next_directive(u_char **cursor, u_char *last, ngx_str_t *directive);
static ngx_uint_t ngx_http_privacy_directive_is(ngx_str_t *directive, const char *name);
static ngx_uint_t ngx_http_privacy_max_age(ngx_str_t *directive);


/*
 * Cache-Control, and what says the same to some caches only and is heard there
 * before it: CDN-Cache-Control and its like (RFC 9213), and their forerunners.
 */

static ngx_uint_t
ngx_http_privacy_cache_header(ngx_table_elt_t *h)
{
    u_char     *tail, last;
    ngx_uint_t  i;

    static const ngx_str_t  targeted[] = {
        ngx_string("Surrogate-Control"), ngx_string("Edge-Control"), ngx_string("X-Accel-Expires")
    };

    if (h->hash == 0 || h->key.len < 12) {
        return NGX_HTTP_PRIVACY_CACHE_NONE;
    }

    /* most lines end otherwise than "Control" and "Expires" */

    last = h->key.data[h->key.len - 1] | 0x20;

    if (last != 'l' && last != 's') {
        return NGX_HTTP_PRIVACY_CACHE_NONE;
    }

    if (h->key.len >= 13) {
        tail = h->key.data + h->key.len - 13;

        if (ngx_strncasecmp(tail, (u_char *) "Cache-Control", 13) == 0) {
            return tail == h->key.data ? NGX_HTTP_PRIVACY_CACHE_CONTROL
                                       : tail[-1] == '-' ? NGX_HTTP_PRIVACY_CACHE_TARGETED
                                                         : NGX_HTTP_PRIVACY_CACHE_NONE;
        }
    }

    for (i = 0; i < sizeof(targeted) / sizeof(targeted[0]); i++) {
        if (h->key.len == targeted[i].len
            && ngx_strncasecmp(h->key.data, targeted[i].data, targeted[i].len) == 0)
        {
            return NGX_HTTP_PRIVACY_CACHE_TARGETED;
        }
    }

    return NGX_HTTP_PRIVACY_CACHE_NONE;
}


ngx_uint_t
ngx_http_privacy_cacheable(ngx_http_request_t *r)
{
    ngx_uint_t                    i, which;
    ngx_list_part_t              *part;
    ngx_table_elt_t              *h;
    ngx_http_privacy_caching_t    caching, targeted;

    ngx_memzero(&caching, sizeof(ngx_http_privacy_caching_t));

    for (part = &r->headers_out.headers.part; part != NULL; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            which = ngx_http_privacy_cache_header(&h[i]);

            if (which == NGX_HTTP_PRIVACY_CACHE_CONTROL) {
                ngx_http_privacy_caching(&caching, &h[i].value);

            } else if (which == NGX_HTTP_PRIVACY_CACHE_TARGETED) {
                ngx_memzero(&targeted, sizeof(ngx_http_privacy_caching_t));
                ngx_http_privacy_caching(&targeted, &h[i].value);

                /* X-Accel-Expires is a bare number, or @ and a time */

                if (!targeted.private && (targeted.public || targeted.lifetime || (h[i].value.len
                    && ((h[i].value.data[0] >= '1' && h[i].value.data[0] <= '9') || h[i].value.data[0] == '@'))))
                {
                    return 1;
                }
            }
        }
    }

    if (!caching.lifetime && r->headers_out.expires && r->headers_out.expires->hash) {
        caching.lifetime = ngx_parse_http_time(r->headers_out.expires->value.data, r->headers_out.expires->value.len)
                           > ngx_time();
    }

    return !caching.private && (caching.public || caching.lifetime);
}


static void
ngx_http_privacy_caching(ngx_http_privacy_caching_t *caching, ngx_str_t *value)
{
    u_char     *p, *last;
    ngx_str_t   directive;

    p = value->data;
    last = p + value->len;

    while (ngx_http_privacy_next_directive(&p, last, &directive)) {

        if (ngx_http_privacy_directive_is(&directive, "private")
            || ngx_http_privacy_directive_is(&directive, "no-store")
            || ngx_http_privacy_directive_is(&directive, "no-cache"))
        {
            caching->private = 1;

        } else if (ngx_http_privacy_directive_is(&directive, "public")
                   || ngx_http_privacy_directive_is(&directive, "s-maxage"))
        {
            caching->public = 1;

        } else if (ngx_http_privacy_directive_is(&directive, "max-age")) {
            caching->lifetime = ngx_http_privacy_max_age(&directive);
        }
    }
}


/*
 * Going back in its history a browser takes what it stored, unasked and however old, unless Vary says that it was
 * made for somebody who sent other cookies: else the banner would be there again after the choice.
 */

ngx_int_t
ngx_http_privacy_make_personal(ngx_http_request_t *r)
{
    ngx_str_t  vary;

    ngx_str_set(&vary, "Cookie");

    if (ngx_http_privacy_make_private(r) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_privacy_header_out(r, "Vary", &vary);
}


/* Keeps what else Cache-Control says (no-transform, must-revalidate ...). */

ngx_int_t
ngx_http_privacy_make_private(ngx_http_request_t *r)
{
    u_char           *p, *last, *out;
    size_t            size;
    ngx_str_t         directive, value;
    ngx_uint_t        i, which;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    size = sizeof("private, no-cache");

    for (part = &r->headers_out.headers.part; part != NULL; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (ngx_http_privacy_cache_header(&h[i]) == NGX_HTTP_PRIVACY_CACHE_CONTROL) {

                /* a directive has a byte at least; a comma stands in front of each, and now a space too */

                size += 2 * h[i].value.len + 2;
            }
        }
    }

    value.data = ngx_pnalloc(r->pool, size);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    out = ngx_cpymem(value.data, "private, no-cache", sizeof("private, no-cache") - 1);

    for (part = &r->headers_out.headers.part; part != NULL; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            which = ngx_http_privacy_cache_header(&h[i]);

            if (which == NGX_HTTP_PRIVACY_CACHE_NONE) {
                continue;
            }

            if (which == NGX_HTTP_PRIVACY_CACHE_TARGETED) {
                h[i].hash = 0;
                continue;
            }

            p = h[i].value.data;
            last = p + h[i].value.len;

            while (ngx_http_privacy_next_directive(&p, last, &directive)) {

                if (ngx_http_privacy_directive_is(&directive, "public")
                    || ngx_http_privacy_directive_is(&directive, "private")
                    || ngx_http_privacy_directive_is(&directive, "no-cache")
                    || ngx_http_privacy_directive_is(&directive, "max-age")
                    || ngx_http_privacy_directive_is(&directive, "s-maxage")
                    || ngx_http_privacy_directive_is(&directive, "immutable")
                    || ngx_http_privacy_directive_is(&directive, "stale-while-revalidate")
                    || ngx_http_privacy_directive_is(&directive, "stale-if-error"))
                {
                    continue;
                }

                *out++ = ',';
                *out++ = ' ';
                out = ngx_cpymem(out, directive.data, directive.len);
            }

            h[i].hash = 0;
        }
    }

    value.len = out - value.data;

    if (r->headers_out.expires != NULL) {
        r->headers_out.expires->hash = 0;
        r->headers_out.expires = NULL;
    }

    ngx_http_privacy_cache_control_forget(r);

    return ngx_http_privacy_header_out(r, "Cache-Control", &value);
}


/* A token anywhere in a header of that name, as a word of its own. */

ngx_uint_t
ngx_http_privacy_header_out_has(ngx_http_request_t *r, const char *name, const char *token)
{
    size_t            len;
    u_char           *p, *last;
    ngx_str_t         directive;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = ngx_strlen(name);

    for (part = &r->headers_out.headers.part; part != NULL; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].hash == 0 || h[i].key.len != len || ngx_strncasecmp(h[i].key.data, (u_char *) name, len) != 0) {
                continue;
            }

            p = h[i].value.data;
            last = p + h[i].value.len;

            while (ngx_http_privacy_next_directive(&p, last, &directive)) {
                if (ngx_http_privacy_directive_is(&directive, token)) {
                    return 1;
                }
            }
        }
    }

    return 0;
}


/* The next of a comma separated list; a quoted string may hold commas. */

static ngx_uint_t
ngx_http_privacy_next_directive(u_char **cursor, u_char *last, ngx_str_t *directive)
{
    u_char      *p;
    ngx_uint_t   quoted;

    p = *cursor;
    quoted = 0;

    while (p < last && (*p == ' ' || *p == '\t' || *p == ',')) {
        p++;
    }

    if (p == last) {
        return 0;
    }

    directive->data = p;

    while (p < last && (quoted || *p != ',')) {
        if (*p == '"') {
            quoted = !quoted;
        }

        p++;
    }

    *cursor = p;

    while (p > directive->data && (p[-1] == ' ' || p[-1] == '\t')) {
        p--;
    }

    directive->len = p - directive->data;

    return 1;
}


static ngx_uint_t
ngx_http_privacy_directive_is(ngx_str_t *directive, const char *name)
{
    u_char  c;
    size_t  len;

    len = ngx_strlen(name);

    if (directive->len < len || ngx_strncasecmp(directive->data, (u_char *) name, len) != 0) {
        return 0;
    }

    if (directive->len == len) {
        return 1;
    }

    c = directive->data[len];

    return c == '=' || c == ';' || c == ' ' || c == '\t';
}


/* 1 when positive. */

static ngx_uint_t
ngx_http_privacy_max_age(ngx_str_t *directive)
{
    u_char  *p, *last;

    last = directive->data + directive->len;

    for (p = directive->data + sizeof("max-age") - 1; p < last; p++) {
        if (*p >= '1' && *p <= '9') {
            return 1;
        }
    }

    return 0;
}
