/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_URL_H
#define CTL_URL_H

/* Where Redis is. */

#include <stddef.h>

#define CTL_URL_PATH  108       /* of a unix socket, sun_path */

typedef struct {
    char  host[256];
    int   port;
    char  path[CTL_URL_PATH];   /* of a unix socket; empty: host and port */
    char  user[256];
    char  password[256];
    long  database;
} ctl_url_t;

/* redis://[[USER]:PASSWORD@]HOST[:PORT][/DB] or unix:PATH[?db=N]. CTL_OK, or CTL_USAGE and said. */
int ctl_url_redis(ctl_url_t *url, const char *text);

#endif /* CTL_URL_H */
