/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_TLS_H
#define CTL_TLS_H

/* TLS on a blocking socket to Redis; the socket's timeouts hold. */

#include <sys/types.h>

#include "ctl_url.h"

typedef struct ctl_tls_s  ctl_tls_t;

/* Shakes hands and verifies the server, as the URL says. An exit code of ctl.h; ctl_link_why(). */
int ctl_tls_open(ctl_tls_t **tls, int fd, const ctl_url_t *url);
/* As read() and write(): -1 when the connection is of no further use, errno EAGAIN when the time is up. */
ssize_t ctl_tls_read(ctl_tls_t *tls, void *data, size_t len);
ssize_t ctl_tls_write(ctl_tls_t *tls, const void *data, size_t len);
/* Leaves the socket open. */
void ctl_tls_close(ctl_tls_t *tls);

#endif /* CTL_TLS_H */
