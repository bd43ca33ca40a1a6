/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_privacy.h"


uint32_t
ngx_http_privacy_reach(ngx_http_privacy_ctx_t *ctx, const pv_consent_t *consent)
{
    const pv_head_t  *bound;

    if (consent == NULL || consent->bound_version == 0) {
        return 0;
    }

    bound = pv_log_bound(ngx_http_privacy_store_log(ctx->site->store), consent->bound_version, ctx->policy->sequence);

    return bound ? bound->sequence : consent->bound_version;
}
