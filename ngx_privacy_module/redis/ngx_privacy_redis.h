/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_PRIVACY_REDIS_H
#define NGX_PRIVACY_REDIS_H

/*
 * A Redis client on nginx's own sockets: one per worker and URL, pipelined,
 * never blocking. hiredis formats commands (pvr.h) and reads replies. It
 * speaks to one server, to the master that Sentinels name, or to the masters
 * of a Cluster; each of them is an endpoint.
 *
 *  - Each request (one or more commands appended by pvr_*) gets its handler
 *    called exactly once: with all replies, or with a named status. Never from
 *    within ngx_privacy_redis_send() itself.
 *  - Each has a deadline of its own; one that passes answers PVR_TIMEOUT to its
 *    handler (PVR_UNREACHABLE when nothing of it was ever sent), and its late
 *    replies are skipped when they come: neighbours keep theirs.
 *  - The queue of each endpoint is bounded (requests and bytes); past it:
 *    PVR_UNREACHABLE. The client's own questions (what a server is set to, who
 *    has which slot) are not counted: they are few, and have deadlines.
 *  - Requests wait for a connection only up to their deadline, and not at all
 *    while the endpoint's breaker is open: after an outage of 1.5 s, or once
 *    five requests in a row were not answered in time and the server has been
 *    silent for a second (a page does not wait for that second). Reconnects
 *    back off with jitter (100 ms to 5 s); never more than two in a second to
 *    one server.
 *  - `retry`: where the outcome is unknown (closed after sending), the same
 *    bytes are sent again on the next connection, within the deadline. Only
 *    for commands that are harmless to repeat. They are sent again, too, where
 *    a Cluster says that a slot is elsewhere (at most five times), and where a
 *    master turns out to be a replica now.
 *  - Idle connections let old workers leave (c->idle, c->close); timers are
 *    cancelable, except the deadline of a request that somebody waits for.
 *  - A server that falls silent (stopped, half-open TCP) is noticed and left:
 *    nothing piles up on a dead connection.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>

#include "pvr.h"
#include "pvr_durability.h"


typedef struct ngx_privacy_redis_s          ngx_privacy_redis_t;
typedef struct ngx_privacy_redis_request_s  ngx_privacy_redis_request_t;
typedef struct ngx_privacy_redis_settle_s   ngx_privacy_redis_settle_t;

typedef enum {
    NGX_PRIVACY_REDIS_SINGLE = 0,
    NGX_PRIVACY_REDIS_SENTINEL,
    NGX_PRIVACY_REDIS_CLUSTER
} ngx_privacy_redis_kind_e;

#define NGX_PRIVACY_REDIS_HOSTS  16

/* A server, or a sentinel, that the configuration names. */
typedef struct {
    ngx_str_t     text;             /* as written */
    ngx_str_t     host;             /* without the brackets of IPv6, zero-terminated; empty: a socket's path */
    in_port_t     port;
    ngx_addr_t   *addrs;            /* in turn; none: its name was not found when nginx started */
    ngx_uint_t    naddrs;
} ngx_privacy_redis_host_t;

/* What privacy_redis said; made at configuration time, from cf->pool. */
typedef struct {
    ngx_str_t                  url;             /* as written, but for what is secret: for logs and the status page */
    ngx_privacy_redis_kind_e   kind;
    ngx_privacy_redis_host_t   hosts[NGX_PRIVACY_REDIS_HOSTS];     /* sentinels; servers of a cluster; else one */
    ngx_uint_t                 nhosts;
    ngx_str_t                  master;          /* how sentinels call it */
    ngx_str_t                  user;
    ngx_str_t                  password;
    ngx_str_t                  sentinel_user;
    ngx_str_t                  sentinel_password;
    ngx_uint_t                 database;
    ngx_str_t                  name;            /* that certificates have to be for; empty: of the server's host */
    ngx_uint_t                 encrypted;
#if (NGX_SSL)
    ngx_ssl_t                 *tls;             /* NULL: not encrypted */
#endif
    ngx_str_t                  ca;              /* files; ca empty: the system's */
    ngx_str_t                  certificate;
    ngx_str_t                  certificate_key;
    ngx_uint_t                 unverified;
    ngx_msec_t                 connect_timeout; /* 1 s */
    ngx_uint_t                 max_queued;      /* requests to one endpoint, 1024 */
    size_t                     max_bytes;       /* of queued commands, 16 MiB */
    ngx_resolver_t            *resolver;        /* for names that have to be found again; set before _create(); or NULL */
    ngx_msec_t                 resolver_timeout;
    pvr_durability_t           durability;      /* likewise; memory */
} ngx_privacy_redis_conf_t;

/*
 * Logs what is wrong with cf. One of
 *
 *   redis[s]://[USER:PASSWORD@]HOST[:PORT][/DATABASE][?PARAMETERS]
 *   unix:PATH[?PARAMETERS]
 *   sentinel://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]]... /MASTER[?PARAMETERS]
 *   cluster://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]]...[?PARAMETERS]
 *
 * Parameters: user, password (unix), password_file (its first line), db (unix,
 * sentinel), sentinel_user and sentinel_password_file; tls=on (sentinel,
 * cluster); with TLS also ca, cert, key, name (instead of the host), verify=off.
 */
ngx_privacy_redis_conf_t *ngx_privacy_redis_parse(ngx_conf_t *cf, ngx_str_t *url);

/* In init_process; connects in the background. log: the cycle's. */
ngx_privacy_redis_t *ngx_privacy_redis_create(ngx_pool_t *pool, ngx_privacy_redis_conf_t *conf, ngx_log_t *log);
/*
 * In exit_process. Handlers are not called any more: nginx drops the requests
 * that wait as well, and what they need may be gone.
 */
void ngx_privacy_redis_close(ngx_privacy_redis_t *redis);

/*
 * replies: n of them when status is PVR_OK (any of them may be an error reply:
 * see pvr_status()), else none. Owned by the client; gone when the handler returns.
 */
typedef void (*ngx_privacy_redis_handler_pt)(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n);

/*
 * Queues `commands` (bytes of RESP that hold exactly n commands; copied).
 * route: the key that decides the endpoint, and whose slot all of them are in. Returns NULL when it could not be
 * queued (queue full or out of memory): then the handler is not called.
 */
ngx_privacy_redis_request_t *ngx_privacy_redis_send(ngx_privacy_redis_t *redis, ngx_str_t *route,
    u_char *commands, size_t len, ngx_uint_t n, ngx_msec_t deadline, ngx_uint_t retry,
    ngx_privacy_redis_handler_pt handler, void *data);
/* As that, where each command goes by its own key (pvr_command_next()): none of them is a transaction. */
ngx_privacy_redis_request_t *ngx_privacy_redis_send_each(ngx_privacy_redis_t *redis, u_char *commands, size_t len,
    ngx_uint_t n, ngx_msec_t deadline, ngx_uint_t retry, ngx_privacy_redis_handler_pt handler, void *data);
/*
 * For callers that put commands about many keys into one request: the keys of one endpoint may share it, and those that
 * moved meanwhile are answered with an error. endpoint is an index below endpoints.
 */
ngx_uint_t ngx_privacy_redis_endpoints(ngx_privacy_redis_t *redis);
ngx_uint_t ngx_privacy_redis_endpoint(ngx_privacy_redis_t *redis, ngx_str_t *key);

/* 1 when a request about the key could be sent now, and would probably be answered. */
ngx_uint_t ngx_privacy_redis_reachable(ngx_privacy_redis_t *redis, ngx_str_t *key);

/* The handler will not be called any more (the HTTP request went away). The command itself may still be carried out. */
void ngx_privacy_redis_detach(ngx_privacy_redis_request_t *request);

/*
 * From within the handler of a reply that came: whether as many replicas of the server that it came from as
 * conf->durability asks for have what that server had by then. touch: one command (pvr.h), copied, a write that changes
 * nothing there. The handler is called once, with PVR_OK, or with why that is not known or not so; never from within
 * this function. NULL: it cannot be asked, the handler is not called.
 */
typedef void (*ngx_privacy_redis_settled_pt)(void *data, pvr_status_t status);

ngx_privacy_redis_settle_t *ngx_privacy_redis_settle(ngx_privacy_redis_t *redis, u_char *touch, size_t len,
    ngx_msec_t deadline, ngx_privacy_redis_settled_pt handler, void *data);
/* The handler will not be called any more. */
void ngx_privacy_redis_settle_detach(ngx_privacy_redis_settle_t *settle);

/* A connection of its own that only listens; calls back with each message, and with NULL after each (re)subscription:
 * what was missed has then to be read from the streams. */
typedef void (*ngx_privacy_redis_message_pt)(void *data, ngx_str_t *channel, ngx_str_t *message);
ngx_int_t ngx_privacy_redis_subscribe(ngx_privacy_redis_t *redis, ngx_str_t *channel,
    ngx_privacy_redis_message_pt handler, void *data);

/* 1 while messages of that channel come. */
ngx_uint_t ngx_privacy_redis_subscribed(ngx_privacy_redis_t *redis, ngx_str_t *channel);

/* For the status page: the sums of all endpoints. */
typedef struct {
    const char   *topology;         /* "single", "sentinel", "cluster" */
    ngx_uint_t    connected;        /* 1 when commands can be sent now, whatever they are about */
    ngx_uint_t    queued;
    ngx_uint_t    in_flight;
    ngx_uint_t    reconnects;
    ngx_uint_t    answered, timed_out, refused;     /* since the worker started */
    ngx_uint_t    redirected;       /* requests that were sent again elsewhere */
    ngx_msec_t    latency;          /* moving average of answered ones, ms; of the slowest endpoint */
    pvr_status_t  last_error;
    ngx_str_t     warning;          /* maxmemory-policy or persistence cannot keep P4; empty: none */
    time_t        changed;          /* when another master or other slots were heard of last; 0: never */
    ngx_uint_t    endpoints;
} ngx_privacy_redis_status_t;

/* Of one of them. */
typedef struct {
    ngx_str_t     address;
    ngx_uint_t    connected;
    const char   *breaker;          /* "closed", "open", "half-open" */
    ngx_uint_t    slots;            /* in a cluster */
    ngx_uint_t    queued, in_flight, reconnects;
    ngx_uint_t    answered, timed_out, refused;
    ngx_msec_t    latency;
    pvr_status_t  last_error;
    ngx_str_t     warning;
} ngx_privacy_redis_endpoint_status_t;

void ngx_privacy_redis_status(ngx_privacy_redis_t *redis, ngx_privacy_redis_status_t *status);
/* i below endpoints. NGX_DECLINED: one that is known, and not needed now. */
ngx_int_t ngx_privacy_redis_endpoint_status(ngx_privacy_redis_t *redis, ngx_uint_t i,
    ngx_privacy_redis_endpoint_status_t *status);

/* Of one endpoint, or of all (i past the last): what is acknowledged, and how sure that is. */
typedef struct {
    ngx_str_t     unverified;       /* settings that a server does not tell; empty: none */
    ngx_uint_t    waiting;          /* settles, now */
    ngx_uint_t    waits;            /* WAIT commands, and settles that were not: since the worker started */
    ngx_uint_t    unsettled;
    ngx_int_t     last;             /* replicas that had what was waited for last, at the worst of them; -1: not known */
} ngx_privacy_redis_durability_t;

void ngx_privacy_redis_durability(ngx_privacy_redis_t *redis, ngx_uint_t i,
    ngx_privacy_redis_durability_t *durability);

#endif /* NGX_PRIVACY_REDIS_H */
