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
    char  sentinel_user[256];
    char  sentinel_password[256];
    /* Of rediss://. Files; empty: the system's authorities, and no certificate of our own. */
    int   tls;
    int   unverified;
    char  name[256];            /* whom the server's certificate has to name */
    char  ca[512];
    char  certificate[512];
    char  certificate_key[512];
} ctl_url_t;

/*
 * redis[s]://[[USER]:PASSWORD@]HOST[:PORT][/DB][?PARAMETERS] or
 * unix:PATH[?PARAMETERS], as privacy_redis has them: db, user, password,
 * password_file; with rediss also ca, cert, key, name, verify=off.
 * CTL_OK, or CTL_USAGE and said.
 */
int ctl_url_redis(ctl_url_t *url, const char *text);

#endif /* CTL_URL_H */
