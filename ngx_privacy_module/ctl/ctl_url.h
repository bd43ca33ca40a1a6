/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_URL_H
#define CTL_URL_H

/* Where Redis or a status page is. */

#include <stddef.h>

#define CTL_URL_PATH  108       /* of a unix socket, sun_path */

typedef struct {
    char  host[256];
    int   port;
    char  path[CTL_URL_PATH];   /* of a unix socket; empty: host and port */
    char  user[256];
    char  password[256];
    long  database;
    char  uri[1024];            /* of http://: with its first slash */
} ctl_url_t;

/* redis://[[USER]:PASSWORD@]HOST[:PORT][/DB] or unix:PATH[?db=N]. CTL_OK, or CTL_USAGE and said. */
int ctl_url_redis(ctl_url_t *url, const char *text);
/* http://HOST[:PORT]/URI or unix:PATH:/URI. */
int ctl_url_http(ctl_url_t *url, const char *text);

#endif /* CTL_URL_H */
