/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * privacy_durability: what an acknowledged choice survives. In memory, and
 * with a server that syncs before it answers, its reply is the
 * acknowledgement; with replicas=N it is acknowledged once N of them have it.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_privacy.h"


#define NGX_HTTP_PRIVACY_TOUCH_BYTES  1024
#define NGX_HTTP_PRIVACY_MOVES        5         /* of a key to other servers of a cluster, while one waits for replicas */


char *
ngx_http_privacy_conf_durability(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_privacy_main_conf_t  *pmcf = conf;

    ngx_str_t  *value;

    if (pmcf->durability_set) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (pvr_durability_parse(&pmcf->durability, ngx_http_privacy_str(&value[1])) != PV_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid privacy_durability \"%V\": expected \"memory\", \"fsync\", or "
                           "\"replicas=N\" with N up to %d", &value[1], PVR_REPLICAS_MAX);
        return NGX_CONF_ERROR;
    }

    pmcf->durability_set = 1;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_privacy_settle(ngx_http_privacy_main_conf_t *pmcf, pv_buf_t *touch, ngx_msec_t end,
    ngx_http_privacy_settled_pt handler, void *data, ngx_privacy_redis_settle_t **settle)
{
    ngx_msec_int_t               left;
    ngx_privacy_redis_settle_t  *s;

    if (pmcf->durability.mode != PVR_REPLICAS) {
        pv_buf_free(touch);
        return NGX_DECLINED;
    }

    left = (ngx_msec_int_t) (end - ngx_current_msec);
    s = NULL;

    if (left > 0 && !touch->failed) {
        s = ngx_privacy_redis_settle(pmcf->redis, touch->data, touch->len, (ngx_msec_t) left, handler, data);
    }

    pv_buf_free(touch);

    if (settle) {
        *settle = s;
    }

    return s ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_privacy_settle_ledger(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site,
    const u_char *subject, int64_t term, ngx_msec_t end, ngx_http_privacy_settled_pt handler, void *data,
    ngx_privacy_redis_settle_t **settle)
{
    pv_buf_t  touch;

    if (pmcf->durability.mode != PVR_REPLICAS) {
        return NGX_DECLINED;
    }

    pv_buf_init(&touch, NGX_HTTP_PRIVACY_TOUCH_BYTES);
    (void) pvr_ledger_touch(&touch, ngx_http_privacy_str(&site->name), subject, term);

    return ngx_http_privacy_settle(pmcf, &touch, end, handler, data, settle);
}


ngx_uint_t
ngx_http_privacy_settle_again(pvr_status_t status, ngx_uint_t *moves)
{
    return (status == PVR_MOVED || status == PVR_ASK) && (*moves)++ < NGX_HTTP_PRIVACY_MOVES;
}
