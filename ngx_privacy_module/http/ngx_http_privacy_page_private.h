/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_PRIVACY_PAGE_PRIVATE_H
#define NGX_HTTP_PRIVACY_PAGE_PRIVATE_H

/*
 * Between the files of the page filter: _page.c reads the page, _page_parts.c
 * has what is composed for one visitor, _page_bufs.c the buffers that go out.
 */

#include "ngx_http_privacy_notices.h"


/* What most pages take: head, banner, and the page's own bytes around them. */
#define NGX_HTTP_PRIVACY_LINKS       6


typedef struct ngx_http_privacy_page_s  ngx_http_privacy_page_t;

typedef struct {
    ngx_chain_t  link;
    ngx_buf_t    buf;
} ngx_http_privacy_link_t;

struct ngx_http_privacy_page_s {
    pv_html_t                  html;
    ngx_http_privacy_ctx_t    *ctx;
    ngx_http_privacy_view_t   *view;
    ngx_uint_t                 decoration;
    pv_str_t                   head;
    pv_str_t                   notices;     /* bars */

    ngx_chain_t               *out;         /* not yet handed to the next filter */
    ngx_chain_t              **last;
    ngx_chain_t               *free;
    ngx_chain_t               *busy;
    ngx_http_privacy_link_t    links[NGX_HTTP_PRIVACY_LINKS];
    ngx_uint_t                 links_used;

    ngx_buf_t                 *source;      /* the upstream's buffer that is being read */
    ngx_chain_t               *ahead;       /* those behind it that are here already */
    ngx_buf_t                 *shadow;      /* the last of our buffers that lies within it */
    ngx_buf_t                 *tail;        /* the last of our buffers since it began */

    off_t                      length;      /* of the upstream's page; -1: not known */
    off_t                      fed;         /* bytes of it, up to the end of source */
    off_t                      searched;    /* bytes of it: up to there nothing can be said by searching */
    off_t                      inserted;

    unsigned                   rest:1;      /* nothing further is sought */
    unsigned                   ended:1;     /* the page is over, and so it was said with its last byte */
    unsigned                   postponed:1; /* the response header is still to be sent */
};


/* Composed for one visitor: into page->head and page->notices, and straight into what goes out. */
ngx_int_t ngx_http_privacy_page_head_user(ngx_http_privacy_page_t *page);
ngx_int_t ngx_http_privacy_page_notices(ngx_http_privacy_page_t *page);
ngx_int_t ngx_http_privacy_page_banner(ngx_http_privacy_page_t *page, ngx_http_request_t *r);

/* Appends to what goes out: bytes of ours, which outlive the request, and the page's own. */
ngx_int_t ngx_http_privacy_page_insert(ngx_http_privacy_page_t *page, ngx_http_request_t *r, pv_str_t bytes);
ngx_int_t ngx_http_privacy_page_pass(ngx_http_privacy_page_t *page, ngx_http_request_t *r, pv_str_t bytes);

/* The upstream's buffer is read. */
ngx_int_t ngx_http_privacy_page_close(ngx_http_privacy_page_t *page, ngx_http_request_t *r);
/* What was sent is used again, and given back to the upstream. */
void ngx_http_privacy_page_reclaim(ngx_http_privacy_page_t *page);

#endif /* NGX_HTTP_PRIVACY_PAGE_PRIVATE_H */
