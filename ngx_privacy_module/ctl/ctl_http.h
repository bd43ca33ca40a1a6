/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_HTTP_H
#define CTL_HTTP_H

/* One GET of a status page. */

#include "ctl_url.h"
#include "pv_bytes.h"

#define CTL_HTTP_MAX      (32 * 1024 * 1024)
#define CTL_HTTP_SECONDS  10

/* The body of a 200, appended to body. An exit code of ctl.h; what is wrong is said. */
int ctl_http_get(pv_buf_t *body, const ctl_url_t *url);

#endif /* CTL_HTTP_H */
