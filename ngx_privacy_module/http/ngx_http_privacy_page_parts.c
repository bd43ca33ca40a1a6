/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_page_private.h"


#define NGX_HTTP_PRIVACY_RETURN_MAX  2048


static ngx_int_t ngx_http_privacy_page_return_to(ngx_http_request_t *r, ngx_str_t *back);


/* Says to our script whose page it is. */

ngx_int_t
ngx_http_privacy_page_head_user(ngx_http_privacy_page_t *page)
{
    u_char                   *p;
    ngx_http_privacy_view_t  *view;

    view = page->view;

    if (ngx_http_privacy_user_session_tag(page->ctx) != NGX_OK) {
        return NGX_OK;
    }

    p = ngx_pnalloc(page->ctx->request->pool, view->head_user.len + 2 * PV_SESSION_TAG_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    page->head.data = p;
    page->head.len = view->head_user.len + 2 * PV_SESSION_TAG_LEN;

    p = ngx_cpymem(p, view->head_user.data, view->head_cut);
    p = ngx_cpymem(p, page->ctx->session_text, 2 * PV_SESSION_TAG_LEN);
    ngx_memcpy(p, view->head_user.data + view->head_cut, view->head_user.len - view->head_cut);

    return NGX_OK;
}


ngx_int_t
ngx_http_privacy_page_notices(ngx_http_privacy_page_t *page)
{
    ngx_str_t                back;
    ngx_http_privacy_bars_t  bars;

    ngx_http_privacy_bars(page->ctx, page->decoration, &bars);

    if (bars.personal == NULL && bars.all == NULL) {
        return NGX_OK;
    }

    if (ngx_http_privacy_page_return_to(page->ctx->request, &back) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_privacy_bars_compose(page->ctx, &bars, &back, &page->notices);
}


/* Composed in one piece: it is small, and each buffer of a response costs more than the bytes in it. */

ngx_int_t
ngx_http_privacy_page_banner(ngx_http_privacy_page_t *page, ngx_http_request_t *r)
{
    u_char       *p;
    pv_str_t      whole;
    ngx_int_t     n;
    ngx_str_t     back;
    pv_banner_t  *banner;

    banner = &page->view->banner[page->ctx->signal];

    if (ngx_http_privacy_page_return_to(r->main, &back) != NGX_OK) {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(r->main->pool, banner->bytes.len + PV_TOKEN_MAX + 1 + back.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    whole.data = p;
    p = ngx_cpymem(p, banner->parts[0].data, banner->parts[0].len);

    n = ngx_http_privacy_token(page->ctx, banner->form, (char *) p);
    if (n < 0) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(p + n, banner->parts[1].data, banner->parts[1].len);
    p = ngx_cpymem(p, back.data, back.len);
    p = ngx_cpymem(p, banner->parts[2].data, banner->parts[2].len);

    whole.len = p - whole.data;

    return ngx_http_privacy_page_insert(page, r, whole);
}


/* As it is to stand in an attribute; empty when there is no way back. */

static ngx_int_t
ngx_http_privacy_page_return_to(ngx_http_request_t *r, ngx_str_t *back)
{
    size_t      i;
    pv_buf_t    b, ascii;
    pv_str_t    uri;
    ngx_int_t   rc;

    ngx_str_set(back, "");
    uri = ngx_http_privacy_str(&r->unparsed_uri);

    if (r->method != NGX_HTTP_GET || uri.len == 0 || uri.len > NGX_HTTP_PRIVACY_RETURN_MAX) {
        return NGX_OK;
    }

    for (i = 0; i < uri.len; i++) {
        if (uri.data[i] >= 0x80 || uri.data[i] == '&' || uri.data[i] == '<' || uri.data[i] == '>'
            || uri.data[i] == '"' || uri.data[i] == '\'')
        {
            break;
        }
    }

    if (i == uri.len) {
        *back = r->unparsed_uri;
        return NGX_OK;
    }

    pv_buf_init(&b, 8 * NGX_HTTP_PRIVACY_RETURN_MAX);
    pv_buf_init(&ascii, 16 * NGX_HTTP_PRIVACY_RETURN_MAX);

    pv_buf_html(&b, uri);
    uri.data = b.data;
    uri.len = b.len;
    pv_buf_ascii(&ascii, uri);

    rc = NGX_OK;

    if (!b.failed && !ascii.failed) {
        back->data = ngx_pnalloc(r->pool, ascii.len);

        if (back->data != NULL) {
            back->len = ascii.len;
            ngx_memcpy(back->data, ascii.data, ascii.len);

        } else {
            rc = NGX_ERROR;
        }
    }

    pv_buf_free(&b);
    pv_buf_free(&ascii);

    return rc;
}
