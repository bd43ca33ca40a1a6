/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_PRIVACY_REQUEST_H
#define NGX_HTTP_PRIVACY_REQUEST_H

/*
 * Between the files of a request's own side: request.c has the contexts and
 * the phases, request_read.c what the request says, request_apply.c what
 * others get to see of it.
 */

#include "ngx_http_privacy_notices.h"


/* Signal, language, destination, our cookies, and who the user is. */
void ngx_http_privacy_read(ngx_http_privacy_ctx_t *ctx);

/* Cookies that may not pass, headers that are not the client's to say, encodings. */
ngx_int_t ngx_http_privacy_apply(ngx_http_privacy_ctx_t *ctx);
/* The parts of it that are done anew where the user is known later. */
ngx_int_t ngx_http_privacy_strip_cookies(ngx_http_privacy_ctx_t *ctx);
ngx_int_t ngx_http_privacy_forward(ngx_http_privacy_ctx_t *ctx);

#endif /* NGX_HTTP_PRIVACY_REQUEST_H */
