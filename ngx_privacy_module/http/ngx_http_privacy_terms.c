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
    uint32_t      sequence, reach;
    pv_policy_t  *next;

    if (consent == NULL || consent->bound_version == 0) {
        return 0;
    }

    reach = consent->bound_version;

    for (sequence = reach + 1; sequence <= ctx->policy->sequence; sequence++) {
        next = ngx_http_privacy_store_sequence(ctx->site->store, sequence);

        if (next == NULL || next->reduces_rights) {
            break;
        }

        reach = sequence;
    }

    return reach;
}
