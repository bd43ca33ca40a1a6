/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_PRIVACY_REDIS_LINK_H
#define NGX_PRIVACY_REDIS_LINK_H

/*
 * Private to the Redis client. A server is whom one connects to, and how one
 * says who one is. A link is one connection to it that is kept up: connect,
 * greet (AUTH, SELECT, ROLE, PING), carry bytes both ways, and after a failure
 * connect again, later each time. What travels on it is its owner's: commands
 * in flight (_endpoint.c), messages (_subscribe.c), questions to a sentinel.
 */

#include "ngx_privacy_redis.h"
#include "pvr_cluster.h"
#include "pvr_limit.h"
#include "pvr_reader.h"


#define NGX_PRIVACY_REDIS_BACKOFF_MIN  100
#define NGX_PRIVACY_REDIS_BACKOFF_MAX  5000
#define NGX_PRIVACY_REDIS_TRIES        2       /* connects of a worker in a second: a server that comes back has others */
#define NGX_PRIVACY_REDIS_OUT          16384
#define NGX_PRIVACY_REDIS_TLS_NAME     253
#define NGX_PRIVACY_REDIS_ADDRESS      (PVR_HOST_MAX + sizeof("[]:65535"))


typedef struct ngx_privacy_redis_server_s        ngx_privacy_redis_server_t;
typedef struct ngx_privacy_redis_link_s          ngx_privacy_redis_link_t;


typedef enum {
    NGX_PRIVACY_REDIS_DOWN = 0,     /* no connection; the timer may be set */
    NGX_PRIVACY_REDIS_CONNECTING,
    NGX_PRIVACY_REDIS_HANDSHAKE,    /* of TLS */
    NGX_PRIVACY_REDIS_GREETING,     /* sent; not all of it answered */
    NGX_PRIVACY_REDIS_READY
} ngx_privacy_redis_link_state_e;


/* What it has to be, so that it is not left at once. */
typedef enum {
    NGX_PRIVACY_REDIS_ANY_ROLE = 0,
    NGX_PRIVACY_REDIS_MASTER,
    NGX_PRIVACY_REDIS_A_SENTINEL    /* which has an account of its own, and no databases */
} ngx_privacy_redis_role_e;


struct ngx_privacy_redis_server_s {
    ngx_privacy_redis_conf_t        *conf;
    ngx_log_t                       *log;

    ngx_str_t                        name;          /* for logs and the status page */
    u_char                           name_data[NGX_PRIVACY_REDIS_ADDRESS];
    ngx_str_t                        host;          /* zero-terminated; empty: a socket's path */
    u_char                           host_data[PVR_HOST_MAX];
    in_port_t                        port;

    ngx_addr_t                      *addrs;         /* one after another; none: nobody knows yet where it is */
    ngx_uint_t                       naddrs;
    void                            *resolved;      /* what addrs lie in, when they are not the configuration's */
    ngx_resolver_ctx_t              *resolving;
    ngx_msec_t                       asked;         /* when the resolver was */
    ngx_uint_t                       unresolved;    /* and it did not find the name; said once */
    /* It has other addresses, or still none. May be NULL. */
    void                           (*found)(ngx_privacy_redis_server_t *server);
    void                            *data;

    pv_buf_t                         greeting;      /* the same on each connection */
    ngx_uint_t                       greeting_n;
    ngx_uint_t                       role;          /* the reply, from 1, that has to say "master"; 0: none */

    ngx_msec_t                       tried[NGX_PRIVACY_REDIS_TRIES];    /* when it was connected last, all links */
    ngx_uint_t                       tries;
    pvr_status_t                     last_error;
};


struct ngx_privacy_redis_link_s {
    ngx_privacy_redis_server_t      *server;
    ngx_privacy_redis_link_t        *beside;        /* only to where that one is connected, while it is; or NULL */
    void                            *data;          /* the owner */
    ngx_log_t                       *log;
    ngx_log_t                        quiet;
    const char                      *name;          /* for the log */
    const char                      *why;           /* the owner's words when it aborts; NULL: it is no master */

    /* The owner's side. None may close the link; each may send and detach. */
    void                           (*ready)(ngx_privacy_redis_link_t *link);
    /* Copies the next bytes to send; 0: none. */
    size_t                         (*fill)(ngx_privacy_redis_link_t *link, u_char *out, size_t size);
    /* Takes one reply. NGX_ERROR: nobody waits for it, garbage; NGX_ABORT: it was taken, and this is not the server
     * that was meant. Both end the connection. The link frees what is left in *reply. */
    ngx_int_t                      (*reply)(ngx_privacy_redis_link_t *link, redisReply **reply);
    /* The connection is gone, ready or not. */
    void                           (*closed)(ngx_privacy_redis_link_t *link, pvr_status_t status);
    /* The read timer ran out while ready. NGX_OK: go on. */
    ngx_int_t                      (*silent)(ngx_privacy_redis_link_t *link);
    /* 1: nothing is under way, so that a worker that exits may close it. */
    ngx_uint_t                     (*idle)(ngx_privacy_redis_link_t *link);

    ngx_privacy_redis_link_state_e   state;
    ngx_peer_connection_t            peer;
    ngx_sockaddr_t                   sockaddr;      /* of the peer, and how it is called: the server's may change */
    ngx_str_t                        text;
    u_char                           text_data[NGX_SOCKADDR_STRLEN];
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
    ngx_msec_t                       down_since;    /* of the first failure in a row */
    ngx_uint_t                       resting;       /* connected again only when there is something to say */
    ngx_uint_t                       stopped;       /* not to be connected again */

    u_char                          *pos;           /* of what is still to be written, in out */
    u_char                          *last;
    u_char                           out[NGX_PRIVACY_REDIS_OUT];
};


/* To be zeroed before. NGX_ERROR: no memory. It has no address yet. */
ngx_int_t ngx_privacy_redis_server_init(ngx_privacy_redis_server_t *server, ngx_privacy_redis_conf_t *conf,
    ngx_privacy_redis_role_e role, ngx_log_t *log);
void ngx_privacy_redis_server_close(ngx_privacy_redis_server_t *server);
/* One of those that the configuration names. */
void ngx_privacy_redis_server_set_host(ngx_privacy_redis_server_t *server, ngx_privacy_redis_host_t *host);
/* One that another server named. NGX_DECLINED: it is that one already. NGX_ERROR: no memory. */
ngx_int_t ngx_privacy_redis_server_set_address(ngx_privacy_redis_server_t *server, const pvr_address_t *address);
/* Asks the resolver for its name once more, if there is one and it was not asked just now. */
void ngx_privacy_redis_server_resolve(ngx_privacy_redis_server_t *server);
/* 1: an address of IPv4, or of IPv6 without brackets; 0: a name. */
ngx_uint_t ngx_privacy_redis_is_address(ngx_str_t *host);
/* How long until one more connect is not too many; 0: it is counted. */
ngx_msec_t ngx_privacy_redis_server_try(ngx_privacy_redis_server_t *server);

void ngx_privacy_redis_link_init(ngx_privacy_redis_link_t *link, ngx_privacy_redis_server_t *server, void *data,
    const char *name);
/* Connects in the next turn of the event loop, unless it is up, under way, or backing off. */
void ngx_privacy_redis_link_wake(ngx_privacy_redis_link_t *link);
/* There is reason to think that the server is there: connected in the next turn, whatever failed before. */
void ngx_privacy_redis_link_anew(ngx_privacy_redis_link_t *link);
/* There is something to fill: written at the end of this turn of the event loop. */
void ngx_privacy_redis_link_flush(ngx_privacy_redis_link_t *link);
/* The server is at another address, or it is another server: closed() is called, and it is connected at once.
 * Not from within the link's own callbacks. */
void ngx_privacy_redis_link_move(ngx_privacy_redis_link_t *link, ngx_privacy_redis_server_t *server);
/* For good; closed() is called. */
void ngx_privacy_redis_link_stop(ngx_privacy_redis_link_t *link);
/* While ready: silent() is called when nothing comes for so long; 0: no limit. */
void ngx_privacy_redis_link_expect(ngx_privacy_redis_link_t *link, ngx_msec_t msec);

/* What a server says of an error, for a log: of its bytes only those that can stand there. Zero-terminated; returns buf. */
#define NGX_PRIVACY_REDIS_WORDS  200

char *ngx_privacy_redis_words(char buf[NGX_PRIVACY_REDIS_WORDS + 1], const redisReply *reply);

/* Between a link's life (_link.c) and its bytes (_link_io.c). */
void ngx_privacy_redis_link_connected(ngx_privacy_redis_link_t *link);     /* or not: connect() ended */
void ngx_privacy_redis_link_drop(ngx_privacy_redis_link_t *link);          /* the connection, without a word */
void ngx_privacy_redis_link_send(ngx_privacy_redis_link_t *link);
void ngx_privacy_redis_link_write_handler(ngx_event_t *wev);
void ngx_privacy_redis_link_read_handler(ngx_event_t *rev);
void ngx_privacy_redis_link_flush_handler(ngx_event_t *ev);

/* Between link and tls. */
void ngx_privacy_redis_link_handlers(ngx_privacy_redis_link_t *link);
void ngx_privacy_redis_link_greet(ngx_privacy_redis_link_t *link);
void ngx_privacy_redis_link_fail(ngx_privacy_redis_link_t *link, pvr_status_t status, const char *why);
ngx_int_t ngx_privacy_redis_tls_conf(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf);
#if (NGX_SSL)
ngx_int_t ngx_privacy_redis_tls_start(ngx_privacy_redis_link_t *link);
void ngx_privacy_redis_tls_close(ngx_connection_t *c);
#endif

#endif /* NGX_PRIVACY_REDIS_LINK_H */
