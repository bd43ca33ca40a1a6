/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_SERVERS_H
#define CTL_SERVERS_H

/* Which servers there are, and which of them has which keys: what the files of ctl_redis.h share. */

#include <time.h>

#include "ctl_link.h"
#include "ctl_redis.h"

#define CTL_SERVERS_MAX  512

typedef struct {
    pvr_address_t   address;        /* host is empty: the URL's own, host or unix socket */
    ctl_link_t     *link;           /* NULL: not connected */
    unsigned        links;          /* that there were, this one included */
    int             master;         /* 1: it holds keys, as far as is known */
    int             short_of;       /* 1: its replicas were waited for in vain, which was said: not once more */
} ctl_server_t;

struct ctl_redis_s {
    ctl_url_t      url;
    ctl_server_t  *servers;
    size_t         count;
    uint16_t       slot[PVR_SLOTS];     /* of a cluster: the number of a server and 1; 0: nobody has it */
    uint64_t       answered;            /* which connection gave the last reply; never 0 then */
    unsigned       turn;                /* whom to ask first */
    unsigned       lost;                /* connections that were made, and are of no use any more */
    int            settling;            /* 1: somebody knew a master, which was none: one is being made */
};

/* How long is waited for servers that went away, and for slots that are on their way. */
#define CTL_SERVERS_SECONDS  30

/* All of them: exit codes; ctl_link_why() says why. */

/* Finds out which servers there are, again. */
int ctl_servers_find(ctl_redis_t *redis);
/* Seconds, by a clock that nobody sets. */
time_t ctl_servers_now(void);
/* Sleeps a tenth of one. Why, is said once when some have passed. */
void ctl_servers_wait(time_t passed, int *said);
/* The connection to a server, made when there is none. */
int ctl_servers_link(ctl_redis_t *redis, size_t server, ctl_link_t **link);
/* The connection is of no further use. */
void ctl_servers_lost(ctl_redis_t *redis, size_t server);
/* The server at that address, as `by` names it; SIZE_MAX when there are too many. */
size_t ctl_servers_at(ctl_redis_t *redis, const pvr_address_t *address, size_t by);
/* Number `node` of those that hold keys; SIZE_MAX: there are not so many. */
size_t ctl_servers_master(const ctl_redis_t *redis, size_t node);
/* One of them, connected if there is such a one; SIZE_MAX: there are none. */
size_t ctl_servers_any(const ctl_redis_t *redis);
void ctl_servers_close(ctl_redis_t *redis);

#endif /* CTL_SERVERS_H */
