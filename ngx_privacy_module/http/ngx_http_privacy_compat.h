/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_PRIVACY_COMPAT_H
#define NGX_HTTP_PRIVACY_COMPAT_H

/*
 * What differs between the nginx versions that we build against, and nothing
 * else. Since 1.23 repeated headers are linked lists (h->next) and the
 * request's cookies are one; before, headers_in.cookies was an array.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


#if (nginx_version >= 1023000)
#define NGX_HTTP_PRIVACY_LINKED_HEADERS  1
#else
#define NGX_HTTP_PRIVACY_LINKED_HEADERS  0
#endif


/* 103 is passed on from upstreams, through filters of its own. */
#if (nginx_version >= 1029000)
#define NGX_HTTP_PRIVACY_EARLY_HINTS  1
#else
#define NGX_HTTP_PRIVACY_EARLY_HINTS  0
#endif


/* A table element made by hand: the link has to be set where there is one. */
#if (NGX_HTTP_PRIVACY_LINKED_HEADERS)
#define ngx_http_privacy_header_unlink(h)  (h)->next = NULL
#else
#define ngx_http_privacy_header_unlink(h)
#endif


/*
 * The n-th Cookie line of a request, or NULL; taking it off; and a loop over
 * all of them: ngx_http_privacy_each_cookie_line(r, h, i) { ... }
 */

static ngx_inline ngx_table_elt_t *
ngx_http_privacy_cookie_line(ngx_http_request_t *r, ngx_uint_t n)
{
#if (NGX_HTTP_PRIVACY_LINKED_HEADERS)
    ngx_table_elt_t  *h;

    for (h = r->headers_in.cookie; h != NULL && n; h = h->next) {
        n--;
    }

    return h;
#else
    ngx_table_elt_t  **h = r->headers_in.cookies.elts;

    return n < r->headers_in.cookies.nelts ? h[n] : NULL;
#endif
}


#define ngx_http_privacy_each_cookie_line(r, h, i)                                                                \
    for (ngx_uint_t i = 0; (h = ngx_http_privacy_cookie_line(r, i)) != NULL; i++)


void ngx_http_privacy_header_in_detach(ngx_http_request_t *r, ngx_table_elt_t *h);

static ngx_inline void
ngx_http_privacy_cookie_line_remove(ngx_http_request_t *r, ngx_uint_t n)
{
#if (NGX_HTTP_PRIVACY_LINKED_HEADERS)
    ngx_table_elt_t  *h, **link;

    for (link = &r->headers_in.cookie; *link != NULL && n; link = &(*link)->next) {
        n--;
    }

    h = *link;

    if (h != NULL) {
        *link = h->next;
        ngx_http_privacy_header_in_detach(r, h);
    }
#else
    ngx_table_elt_t  **h = r->headers_in.cookies.elts;

    if (n < r->headers_in.cookies.nelts) {
        ngx_http_privacy_header_in_detach(r, h[n]);

        r->headers_in.cookies.nelts--;
        ngx_memmove(&h[n], &h[n + 1], (r->headers_in.cookies.nelts - n) * sizeof(ngx_table_elt_t *));
    }
#endif
}


/* Who else looks at the response's Cache-Control (expires, proxy_cache) must not find the lines that were hidden. */

static ngx_inline void
ngx_http_privacy_cache_control_forget(ngx_http_request_t *r)
{
#if (NGX_HTTP_PRIVACY_LINKED_HEADERS)
    r->headers_out.cache_control = NULL;
#else
    r->headers_out.cache_control.nelts = 0;
#endif
}

#endif /* NGX_HTTP_PRIVACY_COMPAT_H */
