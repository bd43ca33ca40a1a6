/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_PRIVACY_LEDGER_PRIVATE_H
#define NGX_HTTP_PRIVACY_LEDGER_PRIVATE_H

/* What reading a ledger and appending to it share. */

#include "ngx_http_privacy.h"

#define NGX_HTTP_PRIVACY_LEDGER_BYTES  8192        /* of one command */


/* Sends what was formatted, and frees it, on the subject's own route, with what is left of the deadline. */
ngx_int_t ngx_http_privacy_ledger_send(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site,
    const u_char *subject, pv_buf_t *commands, ngx_uint_t n, ngx_msec_t end,
    ngx_privacy_redis_handler_pt handler, void *data, ngx_privacy_redis_request_t **request);
/* The same about another key. */
ngx_int_t ngx_http_privacy_ledger_send_to(ngx_http_privacy_main_conf_t *pmcf, ngx_str_t *route, pv_buf_t *commands,
    ngx_uint_t n, ngx_msec_t end, ngx_privacy_redis_handler_pt handler, void *data,
    ngx_privacy_redis_request_t **request);
/* The first thing that went wrong, also inside the array that EXEC answers. */
pvr_status_t ngx_http_privacy_replies_status(pvr_status_t status, redisReply **replies, ngx_uint_t n);

#endif /* NGX_HTTP_PRIVACY_LEDGER_PRIVATE_H */
