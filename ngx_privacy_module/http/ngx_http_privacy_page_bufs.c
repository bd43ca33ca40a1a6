/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_page_private.h"


static ngx_buf_t *ngx_http_privacy_page_new(ngx_http_privacy_page_t *page, ngx_http_request_t *r);
static ngx_int_t ngx_http_privacy_page_copy(ngx_http_privacy_page_t *page, ngx_http_request_t *r, pv_str_t bytes);


/*
 * The upstream's buffer is read: the last of ours that lies within it gives it
 * back when it was sent, the last of all carries its flags on.
 */

ngx_int_t
ngx_http_privacy_page_close(ngx_http_privacy_page_t *page, ngx_http_request_t *r)
{
    ngx_buf_t  *b;

    b = page->source;
    page->source = NULL;

    if (page->shadow != NULL) {
        page->shadow->shadow = b;
        page->shadow->last_shadow = 1;
        page->shadow->recycled = b->recycled;

    } else if (ngx_buf_in_memory(b)) {
        b->pos = b->last;           /* nothing of ours lies in it */
    }

    if (!page->ended && !b->last_in_chain && !b->flush && !b->sync) {
        return NGX_OK;
    }

    if (page->tail == NULL) {
        page->tail = ngx_http_privacy_page_new(page, r);
        if (page->tail == NULL) {
            return NGX_ERROR;
        }

        page->tail->sync = 1;       /* without bytes, and meant to be */
    }

    page->tail->last_buf = page->ended;
    page->tail->last_in_chain = b->last_in_chain;
    page->tail->flush = b->flush;

    return NGX_OK;
}


static ngx_buf_t *
ngx_http_privacy_page_new(ngx_http_privacy_page_t *page, ngx_http_request_t *r)
{
    ngx_buf_t                *b;
    ngx_chain_t              *cl;
    ngx_http_privacy_link_t  *own;

    if (page->free == NULL && page->links_used < NGX_HTTP_PRIVACY_LINKS) {
        own = &page->links[page->links_used++];
        cl = &own->link;
        cl->buf = &own->buf;

    } else {
        cl = ngx_chain_get_free_buf(r->main->pool, &page->free);
        if (cl == NULL) {
            return NULL;
        }
    }

    b = cl->buf;
    ngx_memzero(b, sizeof(ngx_buf_t));
    b->tag = (ngx_buf_tag_t) &ngx_http_privacy_module;

    cl->next = NULL;
    *page->last = cl;
    page->last = &cl->next;

    page->tail = b;

    return b;
}


/* Bytes that outlive the request. */

ngx_int_t
ngx_http_privacy_page_insert(ngx_http_privacy_page_t *page, ngx_http_request_t *r, pv_str_t bytes)
{
    ngx_buf_t  *b;

    if (bytes.len == 0) {
        return NGX_OK;
    }

    b = ngx_http_privacy_page_new(page, r);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->memory = 1;
    b->start = (u_char *) bytes.data;
    b->pos = b->start;
    b->last = b->pos + bytes.len;
    b->end = b->last;

    page->inserted += bytes.len;

    return NGX_OK;
}


static ngx_int_t
ngx_http_privacy_page_copy(ngx_http_privacy_page_t *page, ngx_http_request_t *r, pv_str_t bytes)
{
    pv_str_t  copy;
    u_char   *p;

    if (bytes.len == 0) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->main->pool, bytes.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, bytes.data, bytes.len);

    copy.data = p;
    copy.len = bytes.len;

    return ngx_http_privacy_page_insert(page, r, copy);
}


/* The page's own bytes: a shadow of the upstream's buffer, or a copy of what the machine held. */

ngx_int_t
ngx_http_privacy_page_pass(ngx_http_privacy_page_t *page, ngx_http_request_t *r, pv_str_t bytes)
{
    ngx_buf_t  *source;

    source = page->source;
    page->inserted -= bytes.len;        /* the page's own: they were counted as they came */

    if (source == NULL || bytes.data < source->pos || bytes.data >= source->last) {
        return ngx_http_privacy_page_copy(page, r, bytes);
    }

    if (ngx_http_privacy_page_insert(page, r, bytes) != NGX_OK) {
        return NGX_ERROR;
    }

    if (bytes.len) {
        page->shadow = page->tail;
    }

    return NGX_OK;
}


void
ngx_http_privacy_page_reclaim(ngx_http_privacy_page_t *page)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    while (page->busy != NULL) {
        cl = page->busy;
        b = cl->buf;

        if (ngx_buf_size(b) != 0) {
            break;
        }

        page->busy = cl->next;

        if (b->shadow != NULL) {
            b->shadow->pos = b->shadow->last;
        }

        /* Without bytes it may not have been looked at yet: only what had some is known to be done with. */

        if (ngx_buf_in_memory(b)) {
            cl->next = page->free;
            page->free = cl;
        }
    }
}
