/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_HTTP_H
#define CTL_HTTP_H

/* GET, by libcurl: http://, https:// (certificates are verified) and unix:PATH:/URI. */

#include "pv_bytes.h"

#define CTL_HTTP_MAX      (32 * 1024 * 1024)
#define CTL_HTTP_SECONDS  10        /* to connect, and without a byte */
#define CTL_HTTP_TOTAL    120

typedef struct ctl_http_s  ctl_http_t;

/* Connections are kept between requests. An exit code. */
int ctl_http_open(ctl_http_t **http);
void ctl_http_close(ctl_http_t *http);

/*
 * The body, whatever the status, appended to body, which bounds it. accept:
 * may be NULL. Redirections are not followed. CTL_UNREACHABLE, and said, when
 * there was no answer or one that is larger; CTL_USAGE for no such address.
 */
int ctl_http_request(ctl_http_t *http, const char *url, const char *accept, long *status, pv_buf_t *body);

/* One GET of a status page: the body of a 200. An exit code; what is wrong is said. */
int ctl_http_get(pv_buf_t *body, const char *url);

#endif /* CTL_HTTP_H */
