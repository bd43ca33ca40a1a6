/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy.h"


/*
 * Responses before the response: 103 Early Hints, which nginx passes on since
 * 1.29. They are for Link; a cookie or a user's name in one would go around
 * the gate, for they are sent before the response's own header is looked at.
 */

#if (NGX_HTTP_PRIVACY_EARLY_HINTS)

static ngx_int_t ngx_http_privacy_early_hints_filter(ngx_http_request_t *r);
static ngx_uint_t ngx_http_privacy_hint_hidden(ngx_http_privacy_loc_conf_t *plcf, ngx_table_elt_t *h);


static ngx_http_output_header_filter_pt  ngx_http_next_early_hints_filter;


void
ngx_http_privacy_hints_init(void)
{
    ngx_http_next_early_hints_filter = ngx_http_top_early_hints_filter;
    ngx_http_top_early_hints_filter = ngx_http_privacy_early_hints_filter;
}


static ngx_int_t
ngx_http_privacy_early_hints_filter(ngx_http_request_t *r)
{
    ngx_uint_t                    i;
    ngx_list_part_t              *part;
    ngx_table_elt_t              *h;
    ngx_http_privacy_ctx_t       *ctx;
    ngx_http_privacy_loc_conf_t  *plcf;

    ctx = ngx_http_privacy_ctx(r);

    if (ctx == NULL || !ctx->enforced) {
        return ngx_http_next_early_hints_filter(r);
    }

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_privacy_module);

    for (part = &r->headers_out.headers.part; part != NULL; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].hash && ngx_http_privacy_hint_hidden(plcf, &h[i])) {
                h[i].hash = 0;
            }
        }
    }

    return ngx_http_next_early_hints_filter(r);
}


static ngx_uint_t
ngx_http_privacy_hint_hidden(ngx_http_privacy_loc_conf_t *plcf, ngx_table_elt_t *h)
{
    if (h->key.len == sizeof("Set-Cookie") - 1
        && ngx_strncasecmp(h->key.data, (u_char *) "Set-Cookie", sizeof("Set-Cookie") - 1) == 0)
    {
        return 1;
    }

    return plcf->user_header.len != 0 && h->key.len == plcf->user_header.len
           && ngx_strncasecmp(h->key.data, plcf->user_header.data, h->key.len) == 0;
}

#else

void
ngx_http_privacy_hints_init(void)
{
}

#endif
