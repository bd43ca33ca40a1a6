/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* What a request below the centre asks for: the type, the language, the page of a list. */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_privacy_center.h"


#define NGX_HTTP_PRIVACY_PAGES         1000000      /* of any list: past it, it is no page's number */


/* By ngx_http_privacy_type_t. */

const char *const  ngx_http_privacy_types[] = { "text/html", "text/markdown", "application/json", PV_ATOM_TYPE };

static const ngx_str_t  ngx_http_privacy_suffixes[] = {
    ngx_string(".html"), ngx_string(".md"), ngx_string(".json"), ngx_string(".atom")
};


pv_str_t
ngx_http_privacy_header_text(ngx_http_request_t *r, const char *lowcase)
{
    ngx_table_elt_t  *h;

    h = ngx_http_privacy_header_in(r, lowcase);

    return h ? ngx_http_privacy_str(&h->value) : pv_str("");
}


pv_str_t
ngx_http_privacy_argument(ngx_http_request_t *r, const char *name)
{
    u_char     *dst, *src;
    pv_str_t    value;
    ngx_str_t   arg;

    value = pv_str("");

    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), &arg) != NGX_OK) {
        return value;
    }

    dst = ngx_pnalloc(r->pool, arg.len);
    if (dst == NULL) {
        return value;
    }

    src = arg.data;
    value.data = dst;
    ngx_unescape_uri(&dst, &src, arg.len, 0);
    value.len = dst - value.data;

    return value;
}


ngx_uint_t
ngx_http_privacy_page_number(ngx_http_request_t *r)
{
    ngx_int_t  n;
    ngx_str_t  arg;

    if (ngx_http_arg(r, (u_char *) "page", 4, &arg) != NGX_OK) {
        return 1;
    }

    n = ngx_atoi(arg.data, arg.len);

    return (n > 0 && n <= NGX_HTTP_PRIVACY_PAGES) ? (ngx_uint_t) n : 0;
}


ngx_http_privacy_type_t
ngx_http_privacy_negotiate(ngx_http_privacy_ctx_t *ctx, ngx_uint_t types)
{
    int                      chosen;
    size_t                   n;
    pv_str_t                 offers[NGX_HTTP_PRIVACY_ANY];
    ngx_uint_t               i;
    ngx_http_privacy_type_t  offered[NGX_HTTP_PRIVACY_ANY];

    for (i = 0, n = 0; i < NGX_HTTP_PRIVACY_ANY; i++) {
        if (types & (1 << i)) {
            offered[n] = (ngx_http_privacy_type_t) i;
            offers[n++] = pv_str(ngx_http_privacy_types[i]);
        }
    }

    chosen = pv_accept_choose(offers, n, ngx_http_privacy_header_text(ctx->request, "accept"));

    return (chosen < 0) ? NGX_HTTP_PRIVACY_ANY : offered[chosen];
}


ngx_http_privacy_type_t
ngx_http_privacy_suffix(pv_str_t *name, ngx_uint_t types)
{
    ngx_uint_t        i;
    const ngx_str_t  *suffix;

    for (i = 0; i < NGX_HTTP_PRIVACY_ANY; i++) {
        suffix = &ngx_http_privacy_suffixes[i];

        if ((types & (1 << i)) && name->len >= suffix->len
            && ngx_memcmp(name->data + name->len - suffix->len, suffix->data, suffix->len) == 0)
        {
            name->len -= suffix->len;
            return (ngx_http_privacy_type_t) i;
        }
    }

    return NGX_HTTP_PRIVACY_ANY;
}


ngx_uint_t
ngx_http_privacy_wants_json(ngx_http_request_t *r)
{
    pv_str_t  accept, offers[2];

    offers[0] = pv_str("text/html");
    offers[1] = pv_str("application/json");

    accept = ngx_http_privacy_header_text(r, "accept");

    if (pv_str_eq(accept, offers[1])) {
        return 1;                       /* as scripts say it */
    }

    return accept.len && pv_accept_choose(offers, 2, accept) == 1;
}


size_t
ngx_http_privacy_choose_language(ngx_http_privacy_ctx_t *ctx, const pv_str_t *tags, size_t n)
{
    return pv_language_choose(tags, n, ngx_http_privacy_header_text(ctx->request, "accept-language"),
                              ngx_http_privacy_argument(ctx->request, "lang"));
}


size_t
ngx_http_privacy_language(ngx_http_privacy_ctx_t *ctx, const pv_policy_t *policy)
{
    size_t    i;
    pv_str_t  tags[PV_LANGUAGES_MAX];

    for (i = 0; i < policy->texts_count && i < PV_LANGUAGES_MAX; i++) {
        tags[i] = policy->texts[i].language;
    }

    return ngx_http_privacy_choose_language(ctx, tags, i);
}
