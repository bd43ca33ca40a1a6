/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_PRIVACY_REDIS_H
#define NGX_PRIVACY_REDIS_H

/*
 * A Redis client on nginx's own sockets: one per worker and URL, pipelined,
 * never blocking. hiredis formats commands (pvr.h) and reads replies.
 *
 *  - Each request (one or more commands appended by pvr_*) gets its handler
 *    called exactly once: with all replies, or with a named status. Never from
 *    within ngx_privacy_redis_send() itself.
 *  - Each has a deadline of its own; one that passes answers PVR_TIMEOUT to its
 *    handler (PVR_UNREACHABLE when nothing of it was ever sent), and its late
 *    replies are skipped when they come: neighbours keep theirs.
 *  - The queue is bounded (requests and bytes); past it: PVR_UNREACHABLE.
 *  - Requests wait for a connection only up to their deadline. Reconnects back
 *    off with jitter (100 ms to 5 s); never more than two in a second.
 *  - `retry`: where the outcome is unknown (closed after sending), the same
 *    bytes are sent again on the next connection, within the deadline. Only
 *    for commands that are harmless to repeat.
 *  - Idle connections let old workers leave (c->idle, c->close); timers are
 *    cancelable, except the deadline of a request that somebody waits for.
 *  - A server that falls silent (stopped, half-open TCP) is noticed and left:
 *    nothing piles up on a dead connection.
 *
 * The route is chosen by key (seam for Cluster): today one endpoint.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>

#include "pvr.h"


typedef struct ngx_privacy_redis_s          ngx_privacy_redis_t;
typedef struct ngx_privacy_redis_request_s  ngx_privacy_redis_request_t;

/* What privacy_redis said; made at configuration time, from cf->pool. */
typedef struct {
    ngx_str_t     url;              /* as written, but for the password: fit for logs and the status page */
    ngx_addr_t   *addrs;            /* one or more, in turn */
    ngx_uint_t    naddrs;
    ngx_str_t     user;
    ngx_str_t     password;
    ngx_uint_t    database;
    ngx_str_t     name;             /* the host as written, zero-terminated: whom the certificate has to name */
#if (NGX_SSL)
    ngx_ssl_t    *tls;              /* NULL: not encrypted */
#endif
    ngx_str_t     ca;               /* files; ca empty: the system's */
    ngx_str_t     certificate;
    ngx_str_t     certificate_key;
    ngx_uint_t    unverified;
    ngx_msec_t    connect_timeout;  /* 1 s */
    ngx_uint_t    max_queued;       /* requests, 1024 */
    size_t        max_bytes;        /* of queued commands, 16 MiB */
} ngx_privacy_redis_conf_t;

/*
 * Parses redis[s]://[user:password@]host[:port][/db][?PARAMETERS] and
 * unix:PATH[?PARAMETERS]; logs what is wrong with cf. Parameters: db, user,
 * password, password_file (its first line); with rediss also ca, cert, key,
 * name (instead of the host), verify=off.
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
 * route: the key that decides the endpoint. Returns NULL when it could not be
 * queued (queue full or out of memory): then the handler is not called.
 */
ngx_privacy_redis_request_t *ngx_privacy_redis_send(ngx_privacy_redis_t *redis, ngx_str_t *route,
    u_char *commands, size_t len, ngx_uint_t n, ngx_msec_t deadline, ngx_uint_t retry,
    ngx_privacy_redis_handler_pt handler, void *data);
/*
 * For callers that put commands about many keys into one request: the keys of one endpoint may share it. endpoint is an
 * index below endpoints.
 */
ngx_uint_t ngx_privacy_redis_endpoints(ngx_privacy_redis_t *redis);
ngx_uint_t ngx_privacy_redis_endpoint(ngx_privacy_redis_t *redis, ngx_str_t *key);

/* The handler will not be called any more (the HTTP request went away). The command itself may still be carried out. */
void ngx_privacy_redis_detach(ngx_privacy_redis_request_t *request);

/* A connection of its own that only listens; calls back with each message, and with NULL after each (re)subscription:
 * what was missed has then to be read from the streams. */
typedef void (*ngx_privacy_redis_message_pt)(void *data, ngx_str_t *channel, ngx_str_t *message);
ngx_int_t ngx_privacy_redis_subscribe(ngx_privacy_redis_t *redis, ngx_str_t *channel,
    ngx_privacy_redis_message_pt handler, void *data);

/* For the status page. */
typedef struct {
    ngx_uint_t   connected;         /* 1 when commands can be sent now */
    ngx_uint_t   queued;
    ngx_uint_t   in_flight;
    ngx_uint_t   reconnects;
    ngx_uint_t   answered, timed_out, refused;      /* since the worker started */
    ngx_msec_t   latency;           /* moving average of answered ones, ms */
    pvr_status_t last_error;
    ngx_str_t    warning;           /* maxmemory-policy or persistence cannot keep P4; empty: none */
} ngx_privacy_redis_status_t;

void ngx_privacy_redis_status(ngx_privacy_redis_t *redis, ngx_privacy_redis_status_t *status);

#endif /* NGX_PRIVACY_REDIS_H */
