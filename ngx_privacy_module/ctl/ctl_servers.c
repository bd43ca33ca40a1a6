/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "ctl_servers.h"

#define CTL_SERVERS_COMMAND   4096
#define CTL_SERVERS_PATIENCE  5             /* seconds, for what servers say of each other */
#define CTL_SERVERS_QUIET     3             /* seconds, after which it is said that somebody is waited for */
#define CTL_SERVERS_PAUSE     100000000     /* nanoseconds */


static int ctl_servers_sentinel(ctl_redis_t *redis);
static int ctl_servers_ask_sentinel(ctl_redis_t *redis, const ctl_url_host_t *sentinel, pvr_address_t *master);
static int ctl_servers_named(const pvr_address_t *named, size_t n, size_t i);
static int ctl_servers_is_master(ctl_redis_t *redis, const pvr_address_t *address);
static int ctl_servers_cluster(ctl_redis_t *redis);
static int ctl_servers_slots(ctl_redis_t *redis, size_t by);
static int ctl_servers_take(ctl_redis_t *redis, const redisReply *slots, size_t by);
static int ctl_servers_command(ctl_link_t *link, pv_buf_t *command, redisReply **reply);


int
ctl_servers_find(ctl_redis_t *redis)
{
    pvr_address_t  own;

    redis->settling = 0;

    switch (redis->url.kind) {

    case CTL_URL_SENTINEL:
        return ctl_servers_sentinel(redis);

    case CTL_URL_CLUSTER:
        return ctl_servers_cluster(redis);

    default:
        memset(&own, 0, sizeof(own));
        redis->servers[ctl_servers_at(redis, &own, SIZE_MAX)].master = 1;
        return CTL_OK;
    }
}


/* The master that most of the sentinels name: one that was cut off may still name the one before. */

static int
ctl_servers_sentinel(ctl_redis_t *redis)
{
    int            votes, most;
    size_t         i, n, best;
    pvr_address_t  named[CTL_URL_HOSTS];

    n = 0;
    most = 0;
    best = 0;

    for (i = 0; i < redis->url.hosts_count && 2 * (size_t) most <= redis->url.hosts_count; i++) {
        if (ctl_servers_ask_sentinel(redis, &redis->url.hosts[i], &named[n]) == CTL_OK) {
            votes = ctl_servers_named(named, n, n) + 1;

            if (votes > most) {
                most = votes;
                best = n;
            }

            n++;

        } else if (ctl_link_lasts()) {
            return CTL_UNREACHABLE;
        }
    }

    return n != 0 ? ctl_servers_is_master(redis, &named[best]) : CTL_UNREACHABLE;
}


/* How many of the first n name the same as number i. */

static int
ctl_servers_named(const pvr_address_t *named, size_t n, size_t i)
{
    int     count;
    size_t  k;

    for (k = 0, count = 0; k < n; k++) {
        count += named[k].port == named[i].port && strcmp(named[k].host, named[i].host) == 0;
    }

    return count;
}


static int
ctl_servers_ask_sentinel(ctl_redis_t *redis, const ctl_url_host_t *sentinel, pvr_address_t *master)
{
    int          rc;
    pv_buf_t     command;
    ctl_url_t    url;
    ctl_link_t  *link;
    redisReply  *reply;

    url = redis->url;
    (void) snprintf(url.host, sizeof(url.host), "%s", sentinel->host);
    url.port = sentinel->port;

    rc = ctl_link_open(&link, &url, CTL_LINK_SENTINEL);
    if (rc != CTL_OK) {
        return rc;
    }

    pv_buf_init(&command, CTL_SERVERS_COMMAND);
    (void) pvr_sentinel_ask(&command, pv_str(url.master));
    rc = ctl_servers_command(link, &command, &reply);

    if (rc == CTL_OK) {
        if (pvr_sentinel_master(master, reply) != PV_OK) {
            rc = reply->type == REDIS_REPLY_ERROR
                 ? ctl_link_failed(CTL_UNREACHABLE, "the sentinel at %s:%d says %.200s", url.host, url.port, reply->str)
                 : ctl_link_failed(CTL_UNREACHABLE, "the sentinel at %s:%d knows no master named %s", url.host,
                                   url.port, url.master);
        }

        freeReplyObject(reply);
    }

    ctl_link_close(link);

    return rc;
}


/* It may have been demoted, and the sentinel not know that yet. */

static int
ctl_servers_is_master(ctl_redis_t *redis, const pvr_address_t *address)
{
    int          rc;
    size_t       server, i;
    pv_buf_t     command;
    ctl_link_t  *link;
    redisReply  *reply;

    server = ctl_servers_at(redis, address, SIZE_MAX);

    if (server == SIZE_MAX) {
        return ctl_link_failed(CTL_UNREACHABLE, "there are too many servers");
    }

    rc = ctl_servers_link(redis, server, &link);
    redis->settling = !(rc != CTL_OK && ctl_link_lasts());

    if (rc != CTL_OK) {
        return rc;
    }

    pv_buf_init(&command, CTL_SERVERS_COMMAND);
    (void) pvr_role(&command);
    rc = ctl_servers_command(link, &command, &reply);

    if (rc == CTL_OK && pvr_is_master(reply) != 1) {
        rc = ctl_link_failed(CTL_UNREACHABLE, "Redis at %s:%d is not the master: %.200s", address->host, address->port,
                             reply->type == REDIS_REPLY_ERROR ? reply->str : "it is a replica");
    }

    if (reply != NULL) {
        freeReplyObject(reply);
    }

    if (rc != CTL_OK) {
        ctl_servers_lost(redis, server);
        return rc;
    }

    for (i = 0; i < redis->count; i++) {
        redis->servers[i].master = (i == server);
    }

    return CTL_OK;
}


/*
 * From whoever is connected already, then from the others, then from those
 * that the URL names. Each time somebody else is the first: one that was cut
 * off from its cluster answers, too.
 */

static int
ctl_servers_cluster(ctl_redis_t *redis)
{
    int            rc, connected;
    size_t         i, k, known, by;
    pvr_address_t  address;

    rc = CTL_UNREACHABLE;
    known = redis->count;
    redis->turn++;

    for (connected = 1; connected >= 0; connected--) {
        for (k = 0; rc != CTL_OK && k < known; k++) {
            i = (k + redis->turn) % known;

            if ((redis->servers[i].link != NULL || redis->turn % 2) == connected) {
                rc = ctl_servers_slots(redis, i);
            }
        }
    }

    for (i = 0; rc != CTL_OK && i < redis->url.hosts_count; i++) {
        (void) snprintf(address.host, sizeof(address.host), "%s", redis->url.hosts[i].host);
        address.port = redis->url.hosts[i].port;
        by = ctl_servers_at(redis, &address, SIZE_MAX);

        if (by != SIZE_MAX && by >= known) {
            rc = ctl_servers_slots(redis, by);
        }

        if (rc != CTL_OK && ctl_link_lasts()) {
            return rc;
        }
    }

    return rc;
}


static int
ctl_servers_slots(ctl_redis_t *redis, size_t by)
{
    int          rc;
    pv_buf_t     command;
    ctl_link_t  *link;
    redisReply  *reply;

    rc = ctl_servers_link(redis, by, &link);
    if (rc != CTL_OK) {
        return rc;
    }

    pv_buf_init(&command, CTL_SERVERS_COMMAND);
    (void) pvr_cluster_slots(&command);
    rc = ctl_servers_command(link, &command, &reply);

    if (rc != CTL_OK) {
        ctl_servers_lost(redis, by);
        return rc;
    }

    rc = reply->type == REDIS_REPLY_ERROR ? ctl_link_failed(CTL_UNREACHABLE, "Redis at %s:%d: %.200s",
                                                           redis->servers[by].address.host,
                                                           redis->servers[by].address.port, reply->str)
         : ctl_servers_take(redis, reply, by);

    freeReplyObject(reply);

    return rc;
}


static int
ctl_servers_take(ctl_redis_t *redis, const redisReply *slots, size_t by)
{
    size_t       i, s, server;
    pvr_range_t  range;

    if (slots->type != REDIS_REPLY_ARRAY || slots->elements == 0) {
        return ctl_link_failed(CTL_UNREACHABLE, "Redis at %s:%d knows no slots: it is not in a cluster yet",
                               redis->servers[by].address.host, redis->servers[by].address.port);
    }

    memset(redis->slot, 0, sizeof(redis->slot));

    for (i = 0; i < redis->count; i++) {
        redis->servers[i].master = 0;
    }

    for (i = 0; i < slots->elements; i++) {
        if (pvr_cluster_range(&range, slots, i) != PV_OK) {
            return ctl_link_failed(CTL_UNREACHABLE, "what Redis says of the cluster's slots cannot be read");
        }

        server = ctl_servers_at(redis, &range.master, by);
        if (server == SIZE_MAX) {
            return ctl_link_failed(CTL_UNREACHABLE, "there are too many servers");
        }

        redis->servers[server].master = 1;

        for (s = range.first; s <= range.last; s++) {
            redis->slot[s] = (uint16_t) (server + 1);
        }
    }

    return CTL_OK;
}


static int
ctl_servers_command(ctl_link_t *link, pv_buf_t *command, redisReply **reply)
{
    int  rc;

    *reply = NULL;
    ctl_link_patience(link, CTL_SERVERS_PATIENCE);

    rc = command->failed ? ctl_link_failed(CTL_UNREACHABLE, "out of memory")
         : ctl_link_send(link, command->data, command->len);
    rc = rc == CTL_OK ? ctl_link_reply(link, reply) : rc;

    ctl_link_patience(link, CTL_LINK_PATIENCE);
    pv_buf_free(command);

    return rc;
}


int
ctl_servers_link(ctl_redis_t *redis, size_t server, ctl_link_t **link)
{
    int            rc;
    ctl_url_t      url;
    ctl_server_t  *s;

    s = &redis->servers[server];

    if (s->link == NULL) {
        url = redis->url;

        if (s->address.host[0] != '\0') {
            (void) snprintf(url.host, sizeof(url.host), "%s", s->address.host);
            url.port = s->address.port;
        }

        rc = ctl_link_open(&s->link, &url, CTL_LINK_SERVER);
        if (rc != CTL_OK) {
            return rc;
        }

        s->links++;
    }

    *link = s->link;

    return CTL_OK;
}


void
ctl_servers_lost(ctl_redis_t *redis, size_t server)
{
    redis->lost += redis->servers[server].link != NULL;
    ctl_link_close(redis->servers[server].link);
    redis->servers[server].link = NULL;

    /* whoever answers there next has to say first that it is the master still */

    if (redis->url.kind == CTL_URL_SENTINEL) {
        redis->servers[server].master = 0;
    }
}


size_t
ctl_servers_at(ctl_redis_t *redis, const pvr_address_t *address, size_t by)
{
    size_t       i;
    const char  *host;

    host = address->host[0] == '\0' && by != SIZE_MAX ? redis->servers[by].address.host : address->host;

    for (i = 0; i < redis->count; i++) {
        if (redis->servers[i].address.port == address->port && strcmp(redis->servers[i].address.host, host) == 0) {
            return i;
        }
    }

    if (i == CTL_SERVERS_MAX) {
        return SIZE_MAX;
    }

    memset(&redis->servers[i], 0, sizeof(ctl_server_t));
    (void) snprintf(redis->servers[i].address.host, PVR_HOST_MAX, "%s", host);
    redis->servers[i].address.port = address->port;
    redis->count++;

    return i;
}


size_t
ctl_servers_master(const ctl_redis_t *redis, size_t node)
{
    size_t  i;

    for (i = 0; i < redis->count; i++) {
        if (redis->servers[i].master && node-- == 0) {
            return i;
        }
    }

    return SIZE_MAX;
}


size_t
ctl_servers_any(const ctl_redis_t *redis)
{
    size_t  i;

    for (i = 0; i < redis->count; i++) {
        if (redis->servers[i].master && redis->servers[i].link != NULL) {
            return i;
        }
    }

    return ctl_servers_master(redis, 0);
}


time_t
ctl_servers_now(void)
{
    struct timespec  now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);

    return now.tv_sec;
}


void
ctl_servers_wait(time_t passed, int *said)
{
    struct timespec  pause;

    if (passed >= CTL_SERVERS_QUIET && !*said) {
        *said = 1;
        ctl_fail(0, "waiting for Redis, for %d s at most: %s", CTL_SERVERS_SECONDS, ctl_link_why());
    }

    pause.tv_sec = 0;
    pause.tv_nsec = CTL_SERVERS_PAUSE;
    (void) nanosleep(&pause, NULL);
}


void
ctl_servers_close(ctl_redis_t *redis)
{
    size_t  i;

    for (i = 0; redis->servers != NULL && i < redis->count; i++) {
        ctl_link_close(redis->servers[i].link);
    }

    free(redis->servers);
}
