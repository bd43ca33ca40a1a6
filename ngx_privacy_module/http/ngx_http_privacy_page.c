/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_page_private.h"


/* r->buffered has four bits, three are taken: bytes of a tag's name that may still come after an insertion. */
#define NGX_HTTP_PRIVACY_BUFFERED    0x08


static ngx_int_t ngx_http_privacy_page_behind(ngx_http_privacy_page_t *page, ngx_http_request_t *r, ngx_chain_t *in,
    ngx_http_output_body_filter_pt next);
static void ngx_http_privacy_page_drop(ngx_chain_t *in);
static ngx_int_t ngx_http_privacy_page_send_header(ngx_http_privacy_page_t *page, ngx_http_request_t *r);
static ngx_int_t ngx_http_privacy_page_read(ngx_http_privacy_page_t *page, ngx_http_request_t *r, ngx_chain_t **in);
static ngx_int_t ngx_http_privacy_page_buf(ngx_http_privacy_page_t *page, ngx_http_request_t *r, ngx_chain_t *in);
static ngx_int_t ngx_http_privacy_page_events(ngx_http_privacy_page_t *page, ngx_http_request_t *r);
static ngx_int_t ngx_http_privacy_page_event(ngx_http_privacy_page_t *page, ngx_http_request_t *r,
    pv_html_event_t event, pv_str_t *piece);
static void ngx_http_privacy_page_look_ahead(ngx_http_privacy_page_t *page);
static ngx_uint_t ngx_http_privacy_page_end_is_here(ngx_http_privacy_page_t *page);
static ngx_int_t ngx_http_privacy_page_body(ngx_http_privacy_page_t *page, ngx_http_request_t *r);


ngx_int_t
ngx_http_privacy_page_start(ngx_http_privacy_ctx_t *ctx, ngx_uint_t decoration)
{
    unsigned                      want;
    ngx_http_privacy_page_t      *page;
    ngx_http_privacy_loc_conf_t  *plcf;

    page = ngx_pcalloc(ctx->request->pool, sizeof(ngx_http_privacy_page_t));
    if (page == NULL) {
        return NGX_ERROR;
    }

    page->ctx = ctx;
    page->decoration = decoration;
    page->view = ngx_http_privacy_view(ctx, decoration);
    page->last = &page->out;

    if (page->view == NULL) {
        return NGX_ERROR;
    }

    plcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_privacy_module);

    want = PV_HTML_WANT_HEAD | (plcf->place == NGX_HTTP_PRIVACY_END ? PV_HTML_WANT_END : PV_HTML_WANT_BODY);

    if (plcf->marked) {
        want |= PV_HTML_WANT_MARKED;
    }

    pv_html_init(&page->html, want);

    /*
     * Without a length the page would have to be chunked, and its last chunk
     * sent by a call of its own: that costs a small page more than all the
     * rest of what is done here.
     */

    page->length = ctx->request->headers_out.content_length_n;
    page->postponed = page->length >= 0;

    page->head = (decoration == NGX_HTTP_PRIVACY_SHARED) ? page->view->head_shared : page->view->head;

    if (decoration == NGX_HTTP_PRIVACY_PERSONAL && ctx->has_user && ngx_http_privacy_page_head_user(page) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->page = page;

    return ngx_http_privacy_page_notices(page);
}


ngx_uint_t
ngx_http_privacy_page_postpones(ngx_http_privacy_ctx_t *ctx)
{
    return ctx->page != NULL && ctx->page->postponed;
}


ngx_int_t
ngx_http_privacy_page_filter(ngx_http_request_t *r, ngx_chain_t *in, ngx_http_output_body_filter_pt next)
{
    ngx_int_t                 rc;
    ngx_uint_t                asked;
    ngx_chain_t              *cl, **rest;
    ngx_http_privacy_page_t  *page;

    page = ((ngx_http_privacy_ctx_t *) ngx_http_get_module_ctx(r->main, ngx_http_privacy_module))->page;

    if (page->ended && !page->postponed) {
        return ngx_http_privacy_page_behind(page, r, in, next);
    }

    if (page->rest && !page->postponed) {
        rc = next(r, in);
        ngx_http_privacy_page_reclaim(page);

        return rc;
    }

    asked = (in == NULL);

    if (asked && !page->rest) {

        /* Somebody waits for what there is. */

        pv_html_flush(&page->html);

        if (ngx_http_privacy_page_events(page, r) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (ngx_http_privacy_page_read(page, r, &in) != NGX_OK) {
        return NGX_ERROR;
    }

    /* What needs no reading passes in the upstream's own links, behind ours. */

    rest = page->last;
    *rest = in;

    if (page->out == NULL && page->busy == NULL && !asked) {
        return NGX_OK;          /* all of it is held for now */
    }

    if (page->postponed) {
        rc = ngx_http_privacy_page_send_header(page, r->main);

        if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
            return rc;
        }
    }

    rc = next(r, page->out);

    *rest = NULL;

    if (page->busy == NULL) {
        page->busy = page->out;

    } else {
        for (cl = page->busy; cl->next; cl = cl->next) { /* void */ }
        cl->next = page->out;
    }

    page->out = NULL;
    page->last = &page->out;

    ngx_http_privacy_page_reclaim(page);

    return rc;
}


/*
 * The last byte went out as the last, so that the end of the page took no call
 * of its own. What comes now is only the upstream saying so.
 */

static ngx_int_t
ngx_http_privacy_page_behind(ngx_http_privacy_page_t *page, ngx_http_request_t *r, ngx_chain_t *in,
    ngx_http_output_body_filter_pt next)
{
    ngx_int_t  rc;

    ngx_http_privacy_page_drop(in);

    if (r->out == NULL && !r->buffered && !r->connection->buffered) {
        return NGX_OK;
    }

    rc = next(r, NULL);
    ngx_http_privacy_page_reclaim(page);

    return rc;
}


/* More than was promised is no part of the page. */

static void
ngx_http_privacy_page_drop(ngx_chain_t *in)
{
    for ( /* void */ ; in != NULL; in = in->next) {
        if (ngx_buf_in_memory(in->buf)) {
            in->buf->pos = in->buf->last;
        }

        if (in->buf->in_file) {
            in->buf->file_pos = in->buf->file_last;
        }
    }
}


static ngx_int_t
ngx_http_privacy_page_send_header(ngx_http_privacy_page_t *page, ngx_http_request_t *r)
{
    page->postponed = 0;

    ngx_http_clear_content_length(r);

    if (page->rest || page->ended) {
        r->headers_out.content_length_n = page->length + page->inserted;
    }

    return ngx_http_privacy_send_header(r);
}


/* *in: on return, what needs no reading. */

static ngx_int_t
ngx_http_privacy_page_read(ngx_http_privacy_page_t *page, ngx_http_request_t *r, ngx_chain_t **in)
{
    ngx_int_t  rc;

    while (*in != NULL && !page->rest && !page->ended) {
        rc = ngx_http_privacy_page_buf(page, r, *in);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_DECLINED) {
            break;
        }

        *in = (*in)->next;
    }

    if (page->ended) {
        ngx_http_privacy_page_drop(*in);
        *in = NULL;
    }

    if (!page->rest && pv_html_held(&page->html)) {
        r->main->buffered |= NGX_HTTP_PRIVACY_BUFFERED;

    } else {
        r->main->buffered &= ~NGX_HTTP_PRIVACY_BUFFERED;
    }

    return NGX_OK;
}


/* NGX_DECLINED: it is to pass as it is. */

static ngx_int_t
ngx_http_privacy_page_buf(ngx_http_privacy_page_t *page, ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_buf_t  *b;

    b = in->buf;

    page->source = b;
    page->ahead = in->next;
    page->shadow = NULL;
    page->tail = NULL;

    if (b->in_file && !ngx_buf_in_memory(b)) {

        /* Nothing that was asked for: what can not be read is not touched. */

        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0, "a page was not in memory: the rest of it passes as it is");

        page->source = NULL;
        pv_html_flush(&page->html);

        if (ngx_http_privacy_page_events(page, r) != NGX_OK) {
            return NGX_ERROR;
        }

        page->rest = 1;

        return NGX_DECLINED;
    }

    page->fed += b->last - b->pos;

    if (b->last_buf || b->last != b->pos) {
        page->ended = b->last_buf || page->fed == page->length;

        pv_html_feed(&page->html, b->pos, b->last - b->pos, page->ended);
        ngx_http_privacy_page_look_ahead(page);

        if (ngx_http_privacy_page_events(page, r) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (b->flush && !page->rest) {
        pv_html_flush(&page->html);

        if (ngx_http_privacy_page_events(page, r) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_http_privacy_page_close(page, r);
}


static ngx_int_t
ngx_http_privacy_page_events(ngx_http_privacy_page_t *page, ngx_http_request_t *r)
{
    pv_str_t         piece;
    pv_html_event_t  event;

    while (!page->rest && (event = pv_html_next(&page->html, &piece)) != PV_HTML_MORE) {
        if (ngx_http_privacy_page_event(page, r, event, &piece) != NGX_OK) {
            return NGX_ERROR;
        }

        if (event == PV_HTML_BODY_START || event == PV_HTML_MARKED) {
            ngx_http_privacy_page_look_ahead(page);
        }
    }

    return NGX_OK;
}


/*
 * With all the rest of a page at hand, searching it for the name of the
 * attribute that marks an element is many times faster than reading it as
 * HTML. Where there is none, nothing needs to be read, and the page's length
 * is known. The name may lie across buffers.
 */

static void
ngx_http_privacy_page_look_ahead(ngx_http_privacy_page_t *page)
{
    off_t             at;
    pv_str_t          left;
    ngx_chain_t      *cl;
    pv_html_search_t  search;

    if (page->source == NULL || !pv_html_only_marks(&page->html, &left)) {
        return;
    }

    at = page->fed - (off_t) left.len;

    if (at < page->searched || !ngx_http_privacy_page_end_is_here(page)) {
        return;
    }

    pv_html_search_init(&search);

    for (cl = page->ahead; /* void */ ; cl = cl->next) {

        if (pv_html_search(&search, left)) {
            page->searched = at + search.found;
            return;
        }

        if (cl == NULL) {
            break;
        }

        left.data = cl->buf->pos;
        left.len = ngx_buf_in_memory(cl->buf) ? cl->buf->last - cl->buf->pos : 0;
    }

    pv_html_no_marks(&page->html);
}


/* And all of it in memory. */

static ngx_uint_t
ngx_http_privacy_page_end_is_here(ngx_http_privacy_page_t *page)
{
    off_t         here;
    ngx_chain_t  *cl;

    if (page->ended) {
        return 1;
    }

    here = page->fed;

    for (cl = page->ahead; cl != NULL; cl = cl->next) {
        if (cl->buf->in_file && !ngx_buf_in_memory(cl->buf)) {
            return 0;
        }

        here += ngx_buf_size(cl->buf);

        if (cl->buf->last_buf) {
            return 1;
        }
    }

    return here == page->length;
}


static ngx_int_t
ngx_http_privacy_page_event(ngx_http_privacy_page_t *page, ngx_http_request_t *r, pv_html_event_t event,
    pv_str_t *piece)
{
    ngx_http_privacy_view_t  *view;

    view = page->view;

    switch (event) {

    case PV_HTML_BYTES:
        return ngx_http_privacy_page_pass(page, r, *piece);

    case PV_HTML_HEAD_START:
        return ngx_http_privacy_page_insert(page, r, page->head);

    case PV_HTML_BODY_START:
    case PV_HTML_BODY_END:
        return ngx_http_privacy_page_body(page, r);

    case PV_HTML_MARKED:
        return ngx_http_privacy_page_insert(page, r, view->marked[page->html.marked]);

    case PV_HTML_REST:
        page->rest = 1;

        if (pv_html_is_frameset(&page->html)) {
            ngx_http_privacy_count(page->ctx, NGX_HTTP_PRIVACY_SKIPPED_FRAMESET, 1);
        }

        return ngx_http_privacy_page_pass(page, r, *piece);

    default:
        return NGX_OK;
    }
}


static ngx_int_t
ngx_http_privacy_page_body(ngx_http_privacy_page_t *page, ngx_http_request_t *r)
{
    ngx_http_privacy_view_t  *view;

    view = page->view;

    if (ngx_http_privacy_page_insert(page, r, page->notices) != NGX_OK) {
        return NGX_ERROR;
    }

    if (page->decoration == NGX_HTTP_PRIVACY_SHARED) {
        return ngx_http_privacy_page_insert(page, r, view->banner_shared);
    }

    if (page->ctx->verdict.asked) {
        return ngx_http_privacy_page_banner(page, r);
    }

    return ngx_http_privacy_page_insert(page, r, view->settings);
}
