/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_task.h"


ngx_int_t
ngx_http_privacy_archive_get(ngx_http_privacy_ctx_t *ctx, const uint32_t *sequences, ngx_uint_t n,
    ngx_http_privacy_archive_pt handler, void *data)
{
    ngx_uint_t    i;
    pv_policy_t  *policies[2];

    for (i = 0; i < n && i < 2; i++) {
        policies[i] = ngx_http_privacy_store_sequence(ctx->site->store, sequences[i]);

        if (policies[i] == NULL) {
            return handler(ctx, NGX_HTTP_NOT_FOUND, NULL, data);
        }
    }

    return handler(ctx, NGX_OK, policies, data);
}


ngx_int_t
ngx_http_privacy_archive_refuse(ngx_http_privacy_ctx_t *ctx, ngx_int_t rc)
{
    if (rc == NGX_HTTP_NOT_FOUND) {
        return ngx_http_privacy_send_message(ctx, NGX_HTTP_NOT_FOUND, "not_found", 0);
    }

    return ngx_http_privacy_send_message(ctx, NGX_HTTP_SERVICE_UNAVAILABLE, "archive_away",
                                         NGX_HTTP_PRIVACY_BUSY);
}
