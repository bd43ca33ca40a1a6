/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_PRIVACY_STATUS_H
#define NGX_HTTP_PRIVACY_STATUS_H

/* Private to privacy_status: what both of its formats say. */

#include "ngx_http_privacy_stream.h"


#define NGX_HTTP_PRIVACY_UNDECLARED  64     /* the purpose bit of cookies that no purpose covers */


/* 1 when this worker hears what the other nodes do, about this site. */
ngx_uint_t ngx_http_privacy_status_subscribed(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site);

/* Appends all metrics. */
void ngx_http_privacy_status_text(pv_buf_t *b, ngx_http_privacy_main_conf_t *pmcf);

#endif /* NGX_HTTP_PRIVACY_STATUS_H */
