/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_PRIVACY_COMPAT_H
#define NGX_HTTP_PRIVACY_COMPAT_H

/*
 * What differs between the nginx versions that we build against, and nothing
 * else. Since 1.23 repeated headers are linked lists (h->next) and the
 * request's cookies are one; before, headers_in.cookies was an array.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


#if (nginx_version >= 1023000)
#define NGX_HTTP_PRIVACY_LINKED_HEADERS  1
#else
#define NGX_HTTP_PRIVACY_LINKED_HEADERS  0
#endif


/* A table element made by hand: the link has to be set where there is one. */
#if (NGX_HTTP_PRIVACY_LINKED_HEADERS)
#define ngx_http_privacy_header_unlink(h)  (h)->next = NULL
#else
#define ngx_http_privacy_header_unlink(h)
#endif

#endif /* NGX_HTTP_PRIVACY_COMPAT_H */
