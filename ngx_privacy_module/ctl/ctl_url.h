/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_URL_H
#define CTL_URL_H

/* Where Redis is. */

#include <stddef.h>

#define CTL_URL_PATH   108      /* of a unix socket, sun_path */
#define CTL_URL_HOSTS  16

typedef enum { CTL_URL_SERVER, CTL_URL_SENTINEL, CTL_URL_CLUSTER } ctl_url_kind_t;

typedef struct {
    char  host[256];
    int   port;
} ctl_url_host_t;

typedef struct {
    ctl_url_kind_t  kind;
    /* Of sentinel:// and cluster://, whom to ask which servers there are; host and port below are then empty. */
    ctl_url_host_t  hosts[CTL_URL_HOSTS];
    size_t          hosts_count;
    char            master[128];            /* the master's name, as sentinels know it */

    char            host[256];
    int             port;
    char            path[CTL_URL_PATH];     /* of a unix socket; empty: host and port */
    char            user[256];
    char            password[256];
    char            sentinel_user[256];
    char            sentinel_password[256];
    long            database;
    /* Files; empty: the system's authorities, and no certificate of our own. */
    int             tls;
    int             unverified;
    char            name[256];              /* whom the server's certificate has to name; empty: its host */
    char            ca[512];
    char            certificate[512];
    char            certificate_key[512];
} ctl_url_t;

/*
 * As privacy_redis has them:
 *
 *   redis[s]://[USER[:PASSWORD]@]HOST[:PORT][/DB][?PARAMETERS]
 *   unix:PATH[?PARAMETERS]
 *   sentinel://[USER[:PASSWORD]@]HOST[:PORT][,HOST[:PORT]].../NAME[?PARAMETERS]
 *   cluster://[USER[:PASSWORD]@]HOST[:PORT][,HOST[:PORT]]...[?PARAMETERS]
 *
 * PARAMETERS: db (unix, sentinel), user, password, password_file; with TLS
 * (rediss, or tls=on of sentinel and cluster) ca, cert, key, name, verify=off;
 * of sentinels sentinel_user, sentinel_password_file.
 * CTL_OK, or CTL_USAGE and said.
 */
int ctl_url_redis(ctl_url_t *url, const char *text);

#endif /* CTL_URL_H */
