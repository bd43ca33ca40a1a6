/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_PRIVACY_REDIS_LINK_H
#define NGX_PRIVACY_REDIS_LINK_H

/*
 * Private to the Redis client. A link is one connection that is kept up:
 * connect, greet (AUTH, SELECT, PING), carry bytes both ways, and after a
 * failure connect again, later each time. What travels on it is its owner's:
 * commands in flight (ngx_privacy_redis.c), or messages
 * (ngx_privacy_redis_subscribe.c).
 */

#include "ngx_privacy_redis.h"
#include "pvr_limit.h"


#define NGX_PRIVACY_REDIS_BACKOFF_MIN  100
#define NGX_PRIVACY_REDIS_BACKOFF_MAX  5000
#define NGX_PRIVACY_REDIS_TRIES        2       /* connects of a worker in a second: a server that comes back has others */
#define NGX_PRIVACY_REDIS_OUT          16384
#define NGX_PRIVACY_REDIS_TLS_NAME     253


typedef struct ngx_privacy_redis_link_s          ngx_privacy_redis_link_t;
typedef struct ngx_privacy_redis_subscription_s  ngx_privacy_redis_subscription_t;


typedef enum {
    NGX_PRIVACY_REDIS_DOWN = 0,     /* no connection; the timer may be set */
    NGX_PRIVACY_REDIS_CONNECTING,
    NGX_PRIVACY_REDIS_HANDSHAKE,    /* of TLS */
    NGX_PRIVACY_REDIS_GREETING,     /* sent; not all of it answered */
    NGX_PRIVACY_REDIS_READY
} ngx_privacy_redis_link_state_e;


struct ngx_privacy_redis_link_s {
    ngx_privacy_redis_t             *redis;
    ngx_log_t                       *log;
    ngx_log_t                        quiet;
    const char                      *name;          /* for the log */

    /* The owner's side. None may close the link; each may send and detach. */
    void                           (*ready)(ngx_privacy_redis_link_t *link);
    /* Copies the next bytes to send; 0: none. */
    size_t                         (*fill)(ngx_privacy_redis_link_t *link, u_char *out, size_t size);
    /* Takes one reply. NGX_ERROR: nobody waits for it: garbage. The link frees what is left in *reply. */
    ngx_int_t                      (*reply)(ngx_privacy_redis_link_t *link, redisReply **reply);
    /* The connection is gone, ready or not. */
    void                           (*closed)(ngx_privacy_redis_link_t *link, pvr_status_t status);
    /* The read timer ran out while ready. NGX_OK: go on. */
    ngx_int_t                      (*silent)(ngx_privacy_redis_link_t *link);
    /* 1: nothing is under way, so that a worker that exits may close it. */
    ngx_uint_t                     (*idle)(ngx_privacy_redis_link_t *link);

    ngx_privacy_redis_link_state_e   state;
    ngx_peer_connection_t            peer;
    ngx_pool_t                      *pool;          /* of the connection */
    ngx_uint_t                       addr;          /* index of the address in use */
    redisReader                     *reader;
    pvr_limit_t                      limit;

    size_t                           greeting_sent;
    ngx_uint_t                       greeting_answered;

    ngx_event_t                      timer;         /* to connect */
    ngx_event_t                      flush;         /* posted: one write for all that was queued in one turn */
    ngx_uint_t                       failures;      /* in a row */
    ngx_uint_t                       connects;
    ngx_msec_t                       ready_since;
    ngx_uint_t                       stopped;       /* not to be connected again */

    u_char                          *pos;           /* of what is still to be written, in out */
    u_char                          *last;
    u_char                           out[NGX_PRIVACY_REDIS_OUT];
};


struct ngx_privacy_redis_subscription_s {
    ngx_queue_t                      queue;
    ngx_str_t                        channel;
    ngx_privacy_redis_message_pt     handler;
    void                            *data;
    ngx_uint_t                       sent;          /* SUBSCRIBE went out on this connection */
};


struct ngx_privacy_redis_s {
    ngx_privacy_redis_conf_t        *conf;
    ngx_pool_t                      *pool;
    ngx_log_t                       *log;

    ngx_msec_t                       tried[NGX_PRIVACY_REDIS_TRIES];    /* when it was connected last, both links */
    ngx_uint_t                       tries;

    pv_buf_t                         greeting;      /* the same on each connection */
    ngx_uint_t                       greeting_n;

    ngx_privacy_redis_link_t         commands;
    ngx_queue_t                      waiting;       /* requests, not yet on the wire */
    ngx_queue_t                      flight;        /* requests, in the order that replies come */
    size_t                           bytes;         /* of commands in both */
    ngx_uint_t                       watched;       /* requests that somebody waits for */
    ngx_event_t                      deadline;      /* of those, the earliest */

    ngx_privacy_redis_link_t         events;
    ngx_queue_t                      subscriptions;
    ngx_uint_t                       ping;          /* sent on the event link, not answered */
    pv_buf_t                         listen;        /* SUBSCRIBE and PING commands to be written */
    size_t                           listen_sent;

    ngx_event_t                      check;         /* settings may change while the connection holds */
    ngx_privacy_redis_status_t       status;
    ngx_uint_t                       latency;       /* moving average in 1/256 ms */
    u_char                           warning[256];
};


void ngx_privacy_redis_link_init(ngx_privacy_redis_link_t *link, ngx_privacy_redis_t *redis, const char *name);
/* Connects in the next turn of the event loop, unless it is up, under way, or backing off. */
void ngx_privacy_redis_link_wake(ngx_privacy_redis_link_t *link);
/* There is something to fill: written at the end of this turn of the event loop. */
void ngx_privacy_redis_link_flush(ngx_privacy_redis_link_t *link);
/* For good; closed() is called. */
void ngx_privacy_redis_link_stop(ngx_privacy_redis_link_t *link);
/* While ready: silent() is called when nothing comes for so long; 0: no limit. */
void ngx_privacy_redis_link_expect(ngx_privacy_redis_link_t *link, ngx_msec_t msec);

/* Between link and tls. */
void ngx_privacy_redis_link_handlers(ngx_privacy_redis_link_t *link);
void ngx_privacy_redis_link_greet(ngx_privacy_redis_link_t *link);
void ngx_privacy_redis_link_fail(ngx_privacy_redis_link_t *link, pvr_status_t status, const char *why);
ngx_int_t ngx_privacy_redis_tls_conf(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf);
#if (NGX_SSL)
ngx_int_t ngx_privacy_redis_tls_start(ngx_privacy_redis_link_t *link);
void ngx_privacy_redis_tls_close(ngx_connection_t *c);
#endif

void ngx_privacy_redis_subscribe_init(ngx_privacy_redis_t *redis);
void ngx_privacy_redis_subscribe_close(ngx_privacy_redis_t *redis);

/* Asks the server whether it keeps what it acknowledges, and sets the warning; now and then again, until closed. */
void ngx_privacy_redis_check(ngx_privacy_redis_t *redis);
void ngx_privacy_redis_check_close(ngx_privacy_redis_t *redis);

#endif /* NGX_PRIVACY_REDIS_LINK_H */
