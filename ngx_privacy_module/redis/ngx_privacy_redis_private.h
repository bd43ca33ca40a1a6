/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_PRIVACY_REDIS_PRIVATE_H
#define NGX_PRIVACY_REDIS_PRIVATE_H

/*
 * Private to the Redis client: what its files know of each other.
 *
 *   ngx_privacy_redis.c            the client: takes requests, says how things are
 *   ngx_privacy_redis_each.c       commands about keys that may be anywhere
 *   ngx_privacy_redis_request.c    a request: deadline, answer, end
 *   ngx_privacy_redis_endpoint.c   one server and the requests that wait for it or are under way; its breaker
 *   ngx_privacy_redis_topology.c   one server only
 *   ngx_privacy_redis_sentinel.c   the master that sentinels name
 *   ngx_privacy_redis_cluster.c    slots, and who has them; _cluster_server.c: who is meant by an address
 *   ngx_privacy_redis_subscribe.c  messages
 *   ngx_privacy_redis_wait.c       whether its replicas have it
 *   ngx_privacy_redis_check.c      whether a server keeps what it acknowledges
 *   ngx_privacy_redis_refused.c    what a server refuses, in the log
 *   ngx_privacy_redis_server.c     addresses, names, greeting
 *   ngx_privacy_redis_link.c       a connection: made, left, made again; _link_io.c: what goes over it
 *   ngx_privacy_redis_tls.c        the same, encrypted
 */

#include "ngx_privacy_redis_link.h"


#define NGX_PRIVACY_REDIS_ENDPOINTS   250           /* an index and 1 fits into a byte */
#define NGX_PRIVACY_REDIS_NO_SLOT     PVR_SLOTS     /* of a request that is for one endpoint, not for a key */


typedef struct ngx_privacy_redis_endpoint_s      ngx_privacy_redis_endpoint_t;
typedef struct ngx_privacy_redis_wait_s          ngx_privacy_redis_wait_t;
typedef struct ngx_privacy_redis_subscription_s  ngx_privacy_redis_subscription_t;
typedef struct ngx_privacy_redis_topology_s      ngx_privacy_redis_topology_t;
typedef struct ngx_privacy_redis_sentinel_s      ngx_privacy_redis_sentinel_t;
typedef struct ngx_privacy_redis_cluster_s       ngx_privacy_redis_cluster_t;
typedef struct ngx_privacy_redis_parts_s         ngx_privacy_redis_parts_t;


struct ngx_privacy_redis_request_s {
    ngx_queue_t                      queue;
    ngx_privacy_redis_t             *redis;
    ngx_privacy_redis_endpoint_t    *endpoint;
    ngx_privacy_redis_handler_pt     handler;       /* NULL: nobody waits any more; replies are skipped */
    void                            *data;
    ngx_queue_t                      overdue;       /* while the deadlines that passed are gone through */
    ngx_msec_t                       deadline;      /* ngx_current_msec when it is due */
    ngx_msec_t                       sent_at;
    ngx_uint_t                       slot;
    ngx_uint_t                       retry;
    ngx_uint_t                       in_flight;
    ngx_uint_t                       tried;         /* some of it was sent once: the outcome is unknown */
    ngx_uint_t                       late;          /* it is in the queue of those that are overdue */

    pvr_status_t                     again;         /* why it has to be sent again; PVR_OK: it has not */
    ngx_privacy_redis_endpoint_t    *target;        /* there; NULL: where its slot is then */
    ngx_uint_t                       redirects;
    ngx_uint_t                       asking;        /* ASKING goes before it */
    ngx_uint_t                       skip;          /* replies of it that come before ours */

    ngx_privacy_redis_parts_t       *parts;         /* it is in no queue, its commands are requests (_each.c) */

    redisReply                     **replies;
    ngx_uint_t                       n;
    ngx_uint_t                       got;

    size_t                           sent;
    size_t                           len;
    u_char                          *commands;      /* with room for ASKING in front */
};

#define NGX_PRIVACY_REDIS_ASKING  "*1\r\n$6\r\nASKING\r\n"
#define NGX_PRIVACY_REDIS_PREFIX  (sizeof(NGX_PRIVACY_REDIS_ASKING) - 1)


/* Never gone while the client is: an index is the same endpoint as long as its slots, its requests or its link live. */
struct ngx_privacy_redis_endpoint_s {
    ngx_privacy_redis_t             *redis;
    ngx_uint_t                       index;
    ngx_privacy_redis_server_t       server;
    ngx_privacy_redis_link_t         link;

    ngx_queue_t                      waiting;       /* requests, not yet on the wire */
    ngx_queue_t                      flight;        /* requests, in the order that replies come */
    size_t                           bytes;         /* of commands in both */
    ngx_uint_t                       queued, in_flight;
    ngx_uint_t                       answered, timed_out, refused;
    ngx_uint_t                       latency;       /* moving average in 1/256 ms */

    ngx_uint_t                       unanswered;    /* deadlines in a row that passed, without any reply */
    ngx_msec_t                       probe;         /* the breaker is open, but for one request from then on */

    ngx_uint_t                       slots;         /* that it has, in a cluster */
    ngx_privacy_redis_request_t     *slots_asked;   /* who has which is being asked of it; NULL: it is not */
    ngx_uint_t                       named;         /* in the table that is being read, or was last */
    ngx_uint_t                       seed;          /* the configuration names it */

    time_t                           refused_at[PVR_STATUSES];      /* when such an error was said last */
    ngx_privacy_redis_wait_t        *wait;          /* for replicas; NULL: for none */

    ngx_event_t                      check;         /* settings may change while the connection holds */
    ngx_str_t                        warning;
    u_char                           warning_data[512];
    ngx_str_t                        unverified;
    u_char                           unverified_data[128];
};


/* Which endpoint a key is at, and what follows when one fails. All but route may be NULL. */
struct ngx_privacy_redis_topology_s {
    const char                      *name;
    ngx_int_t                      (*start)(ngx_privacy_redis_t *redis);
    /* Never NULL: where nothing is known yet, whoever may know. */
    ngx_privacy_redis_endpoint_t  *(*route)(ngx_privacy_redis_t *redis, ngx_uint_t slot);
    void                           (*ready)(ngx_privacy_redis_endpoint_t *endpoint);
    void                           (*failed)(ngx_privacy_redis_endpoint_t *endpoint);
    /* An error reply: says in request->again and ->target whether the request is sent again. NGX_ABORT: this is not
     * the server that it has to be. */
    ngx_int_t                      (*refused)(ngx_privacy_redis_request_t *request, const redisReply *reply);
    void                           (*stop)(ngx_privacy_redis_t *redis);
};

extern const ngx_privacy_redis_topology_t  ngx_privacy_redis_single;
extern const ngx_privacy_redis_topology_t  ngx_privacy_redis_sentinels;
extern const ngx_privacy_redis_topology_t  ngx_privacy_redis_slots;


struct ngx_privacy_redis_subscription_s {
    ngx_queue_t                      queue;
    ngx_str_t                        channel;
    ngx_privacy_redis_message_pt     handler;
    void                            *data;
    ngx_uint_t                       sent;          /* SUBSCRIBE went out on this connection */
    ngx_uint_t                       heard;         /* and was answered: messages come */
};


struct ngx_privacy_redis_s {
    ngx_privacy_redis_conf_t            *conf;
    ngx_pool_t                          *pool;
    ngx_log_t                           *log;

    const ngx_privacy_redis_topology_t  *topology;
    ngx_privacy_redis_sentinel_t        *sentinel;
    ngx_privacy_redis_cluster_t         *cluster;
    time_t                               changed;   /* when another master or another table of slots was heard of */

    ngx_privacy_redis_endpoint_t        *endpoints[NGX_PRIVACY_REDIS_ENDPOINTS];
    ngx_uint_t                           nendpoints;

    ngx_queue_t                          parked;    /* requests that are sent again in a little while */
    ngx_event_t                          park;
    ngx_uint_t                           watched;   /* requests that somebody waits for */
    ngx_uint_t                           own;       /* of those, questions of the client's own: no exit waits for them */
    ngx_event_t                          deadline;  /* of those, the earliest */
    ngx_uint_t                           redirected;
    ngx_privacy_redis_endpoint_t        *answering; /* whose reply is being handed to its handler */

    ngx_privacy_redis_link_t             events;
    ngx_uint_t                           listening; /* the endpoint whose server it is connected to */
    ngx_queue_t                          subscriptions;
    ngx_uint_t                           ping;      /* sent on the event link, not answered */
    pv_buf_t                             listen;    /* SUBSCRIBE and PING commands to be written */
    size_t                               listen_sent;
};


/* ngx_privacy_redis_conf_hosts.c. Each logs what is wrong. */
ngx_int_t ngx_privacy_redis_conf_hosts(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *hosts);
ngx_int_t ngx_privacy_redis_conf_host(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *host);

/* ngx_privacy_redis.c. To one endpoint, whatever its breaker says; as ngx_privacy_redis_send() else. */
ngx_privacy_redis_request_t *ngx_privacy_redis_send_to(ngx_privacy_redis_endpoint_t *endpoint, ngx_uint_t slot,
    u_char *commands, size_t len, ngx_uint_t n, ngx_msec_t deadline, ngx_uint_t retry,
    ngx_privacy_redis_handler_pt handler, void *data);

/* ngx_privacy_redis_each.c */
void ngx_privacy_redis_detach_each(ngx_privacy_redis_request_t *whole);

/* ngx_privacy_redis_request.c. Calls the handler, once. */
void ngx_privacy_redis_answer(ngx_privacy_redis_request_t *request, pvr_status_t status);
/* Frees what came so far; nobody waits any more. */
void ngx_privacy_redis_forget(ngx_privacy_redis_request_t *request);
/* It was taken out of its queue. */
void ngx_privacy_redis_free(ngx_privacy_redis_request_t *request);
/* Nothing of it was answered: as if it had not been sent. */
void ngx_privacy_redis_rewind(ngx_privacy_redis_request_t *request);
void ngx_privacy_redis_watch(ngx_privacy_redis_t *redis, ngx_msec_t deadline);
void ngx_privacy_redis_deadline(ngx_event_t *ev);
/* The answers were complete, and one of them said that it has to be sent again. NGX_DECLINED: no more. */
ngx_int_t ngx_privacy_redis_again(ngx_privacy_redis_request_t *request);
void ngx_privacy_redis_unpark(ngx_event_t *ev);
/* Those that wait go to where their slots are now. */
void ngx_privacy_redis_reroute(ngx_privacy_redis_t *redis);

/* ngx_privacy_redis_endpoint.c. NULL: no memory, or too many. */
ngx_privacy_redis_endpoint_t *ngx_privacy_redis_endpoint_add(ngx_privacy_redis_t *redis,
    ngx_privacy_redis_role_e role);
void ngx_privacy_redis_endpoint_close(ngx_privacy_redis_endpoint_t *endpoint);
void ngx_privacy_redis_endpoint_queue(ngx_privacy_redis_endpoint_t *endpoint, ngx_privacy_redis_request_t *request);
/* Nothing of it is in flight. */
void ngx_privacy_redis_endpoint_unqueue(ngx_privacy_redis_request_t *request);
ngx_uint_t ngx_privacy_redis_endpoint_ready(ngx_privacy_redis_endpoint_t *endpoint);
/* 1: a request waits for its answer, and has waited for so long (ms). */
ngx_uint_t ngx_privacy_redis_endpoint_silent(ngx_privacy_redis_endpoint_t *endpoint, ngx_msec_t msec);
/* 1: it is not worth a try. ask: the caller is going to send, it may be the one that is tried; 0: a page would wait. */
ngx_uint_t ngx_privacy_redis_breaker_open(ngx_privacy_redis_endpoint_t *endpoint, ngx_uint_t ask);
const char *ngx_privacy_redis_breaker_name(ngx_privacy_redis_endpoint_t *endpoint);

/* ngx_privacy_redis_refused.c. An error that the request will be answered with. */
void ngx_privacy_redis_refused(ngx_privacy_redis_request_t *request, const redisReply *reply);

void ngx_privacy_redis_subscribe_init(ngx_privacy_redis_t *redis);
void ngx_privacy_redis_subscribe_close(ngx_privacy_redis_t *redis);
/* The endpoint's address is another one now. */
void ngx_privacy_redis_subscribe_found(ngx_privacy_redis_endpoint_t *endpoint);
/* The server that it listens to is not one of those that matter any more. */
void ngx_privacy_redis_subscribe_move(ngx_privacy_redis_t *redis);

/* Asks the server whether it keeps what it acknowledges, and sets the warning; now and then again, until closed. */
void ngx_privacy_redis_check(ngx_privacy_redis_endpoint_t *endpoint);
void ngx_privacy_redis_check_close(ngx_privacy_redis_endpoint_t *endpoint);

#endif /* NGX_PRIVACY_REDIS_PRIVATE_H */
