/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_privacy_redis_link.h"


#define NGX_PRIVACY_REDIS_POOL  512


static void ngx_privacy_redis_link_connect(ngx_event_t *ev);
static void ngx_privacy_redis_link_lost(ngx_privacy_redis_link_t *link);
static void ngx_privacy_redis_link_peer(ngx_privacy_redis_link_t *link);
static void ngx_privacy_redis_link_open(ngx_privacy_redis_link_t *link);
static ngx_int_t ngx_privacy_redis_link_test(ngx_connection_t *c);
static void ngx_privacy_redis_link_later(ngx_privacy_redis_link_t *link);


void
ngx_privacy_redis_link_init(ngx_privacy_redis_link_t *link, ngx_privacy_redis_server_t *server, void *data,
    const char *name)
{
    link->server = server;
    link->data = data;
    link->log = server->log;
    link->name = name;

    link->quiet = *server->log;
    link->quiet.log_level = NGX_LOG_EMERG;

    link->timer.handler = ngx_privacy_redis_link_connect;
    link->timer.data = link;
    link->timer.log = server->log;
    link->timer.cancelable = 1;

    link->flush.handler = ngx_privacy_redis_link_flush_handler;
    link->flush.data = link;
    link->flush.log = server->log;

    link->pos = link->out;
    link->last = link->out;

    /* workers do not all begin with the same address */
    link->addr = (ngx_uint_t) ngx_random();
}


void
ngx_privacy_redis_link_wake(ngx_privacy_redis_link_t *link)
{
    link->resting = 0;

    if (link->state == NGX_PRIVACY_REDIS_DOWN && !link->timer.timer_set && !link->stopped) {
        ngx_add_timer(&link->timer, 0);
    }
}


void
ngx_privacy_redis_link_anew(ngx_privacy_redis_link_t *link)
{
    link->failures = 0;

    if (link->state == NGX_PRIVACY_REDIS_DOWN && link->timer.timer_set) {
        ngx_del_timer(&link->timer);
    }

    ngx_privacy_redis_link_wake(link);
}


void
ngx_privacy_redis_link_flush(ngx_privacy_redis_link_t *link)
{
    if (link->state != NGX_PRIVACY_REDIS_READY) {
        ngx_privacy_redis_link_wake(link);
        return;
    }

    if (!link->flush.posted) {
        ngx_post_event(&link->flush, &ngx_posted_events);
    }
}


void
ngx_privacy_redis_link_move(ngx_privacy_redis_link_t *link, ngx_privacy_redis_server_t *server)
{
    if (link->stopped) {
        return;
    }

    if (link->timer.timer_set) {
        ngx_del_timer(&link->timer);
    }

    ngx_privacy_redis_link_drop(link);

    link->server = server;
    link->failures = 0;
    link->closed(link, PVR_CLOSED);

    ngx_privacy_redis_link_wake(link);
}


void
ngx_privacy_redis_link_stop(ngx_privacy_redis_link_t *link)
{
    link->stopped = 1;

    if (link->timer.timer_set) {
        ngx_del_timer(&link->timer);
    }

    ngx_privacy_redis_link_drop(link);
    link->closed(link, PVR_CLOSED);
}


void
ngx_privacy_redis_link_expect(ngx_privacy_redis_link_t *link, ngx_msec_t msec)
{
    ngx_event_t  *rev;

    if (link->state != NGX_PRIVACY_REDIS_READY) {
        return;
    }

    rev = link->peer.connection->read;

    if (msec) {
        ngx_add_timer(rev, msec);

    } else if (rev->timer_set) {
        ngx_del_timer(rev);
    }
}


static void
ngx_privacy_redis_link_connect(ngx_event_t *ev)
{
    ngx_int_t                  rc;
    ngx_msec_t                 wait;
    ngx_connection_t          *c;
    ngx_privacy_redis_link_t  *link;

    link = ev->data;

    if (link->beside && link->beside->state != NGX_PRIVACY_REDIS_READY) {
        return;
    }

    if (link->server->naddrs == 0) {
        ngx_privacy_redis_link_lost(link);
        return;
    }

    wait = ngx_privacy_redis_server_try(link->server);

    if (wait) {
        ngx_add_timer(&link->timer, wait);
        return;
    }

    link->greeting_sent = 0;
    link->greeting_answered = 0;
    link->pos = link->out;
    link->last = link->out;
    pvr_limit_init(&link->limit);

    link->reader = pvr_reader_create();
    link->pool = ngx_create_pool(NGX_PRIVACY_REDIS_POOL, link->log);

    if (link->reader == NULL || link->pool == NULL) {
        ngx_privacy_redis_link_drop(link);
        ngx_privacy_redis_link_later(link);
        return;
    }

    ngx_privacy_redis_link_peer(link);

    link->peer.get = ngx_event_get_peer;
    /* nginx's own word on why a connect or a handshake failed: once, not with each attempt */
    link->peer.log = link->failures ? &link->quiet : link->log;
    link->peer.log_error = NGX_ERROR_ERR;

    link->state = NGX_PRIVACY_REDIS_CONNECTING;

    rc = ngx_event_connect_peer(&link->peer);

    if (rc != NGX_OK && rc != NGX_AGAIN) {
        ngx_privacy_redis_link_fail(link, PVR_UNREACHABLE, "connect failed");
        return;
    }

    c = link->peer.connection;
    c->data = link;
    c->pool = link->pool;
    c->idle = 1;
    c->read->cancelable = 1;

    ngx_privacy_redis_link_handlers(link);

    /* for the greeting too: a stopped server accepts, and says nothing */
    ngx_add_timer(c->read, link->server->conf->connect_timeout);

    if (rc == NGX_OK) {
        ngx_privacy_redis_link_open(link);
    }
}


/*
 * Nobody knows where the server is: the resolver is asked, and tells all links
 * of it how that ended (found). Where it was asked just now, or there is none,
 * this is an attempt that failed as any other. Of a server that was not named
 * yet there is nothing to say; but requests for it do not wait for ever, either.
 */

static void
ngx_privacy_redis_link_lost(ngx_privacy_redis_link_t *link)
{
    ngx_privacy_redis_server_resolve(link->server);

    if (link->server->resolving) {
        return;
    }

    if (link->server->host.len) {
        ngx_privacy_redis_link_fail(link, PVR_UNREACHABLE, "its address is not known");
        return;
    }

    if (link->failures++ == 0) {
        link->down_since = ngx_current_msec;
    }
}


/* Copied: the server's addresses may be others before the connection is made. */

static void
ngx_privacy_redis_link_peer(ngx_privacy_redis_link_t *link)
{
    ngx_addr_t  *addr;

    ngx_memzero(&link->peer, sizeof(ngx_peer_connection_t));

    link->peer.sockaddr = &link->sockaddr.sockaddr;
    link->peer.name = &link->text;
    link->text.data = link->text_data;

    if (link->beside) {
        link->sockaddr = link->beside->sockaddr;
        link->peer.socklen = link->beside->peer.socklen;

        link->text.len = link->beside->text.len;
        ngx_memcpy(link->text.data, link->beside->text.data, link->text.len);

        return;
    }

    addr = &link->server->addrs[link->addr % link->server->naddrs];

    ngx_memcpy(&link->sockaddr, addr->sockaddr, addr->socklen);

    link->text.len = ngx_min(addr->name.len, NGX_SOCKADDR_STRLEN);
    ngx_memcpy(link->text.data, addr->name.data, link->text.len);

    link->peer.socklen = addr->socklen;
}


void
ngx_privacy_redis_link_handlers(ngx_privacy_redis_link_t *link)
{
    ngx_connection_t  *c;

    c = link->peer.connection;

    c->read->handler = ngx_privacy_redis_link_read_handler;
    c->write->handler = ngx_privacy_redis_link_write_handler;
}


static void
ngx_privacy_redis_link_open(ngx_privacy_redis_link_t *link)
{
    int                on;
    ngx_connection_t  *c;

    c = link->peer.connection;
    on = 1;

    if (link->peer.sockaddr->sa_family != AF_UNIX) {

        if (ngx_tcp_nodelay(c) != NGX_OK
            || setsockopt(c->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(int)) == -1)
        {
            ngx_privacy_redis_link_fail(link, PVR_UNREACHABLE, "cannot set up the socket");
            return;
        }
    }

#if (NGX_SSL)
    if (link->server->conf->tls) {

        if (ngx_privacy_redis_tls_start(link) != NGX_OK) {
            ngx_privacy_redis_link_fail(link, PVR_UNREACHABLE, "cannot set up TLS");
        }

        return;
    }
#endif

    ngx_privacy_redis_link_greet(link);
}


void
ngx_privacy_redis_link_greet(ngx_privacy_redis_link_t *link)
{
    link->state = NGX_PRIVACY_REDIS_GREETING;

    ngx_privacy_redis_link_send(link);
}


void
ngx_privacy_redis_link_connected(ngx_privacy_redis_link_t *link)
{
    if (ngx_privacy_redis_link_test(link->peer.connection) != NGX_OK) {
        ngx_privacy_redis_link_fail(link, PVR_UNREACHABLE, "connect failed");
        return;
    }

    ngx_privacy_redis_link_open(link);
}


/* Whether a connect() that was under way succeeded. */

static ngx_int_t
ngx_privacy_redis_link_test(ngx_connection_t *c)
{
    int        err;
    socklen_t  len;

    err = 0;
    len = sizeof(int);

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1) {
        err = ngx_socket_errno;
    }

    if (err) {
        (void) ngx_connection_error(c, err, "connect() to Redis failed");
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_privacy_redis_link_fail(ngx_privacy_redis_link_t *link, pvr_status_t status, const char *why)
{
    ngx_uint_t  level;

    if (link->state == NGX_PRIVACY_REDIS_READY && ngx_current_msec - link->ready_since > 1000) {
        link->failures = 0;
    }

    if (link->failures == 0) {
        link->down_since = ngx_current_msec;
    }

    /* said loudly once, then quietly until it is back */
    level = link->failures ? NGX_LOG_INFO : NGX_LOG_ERR;

    ngx_log_error(level, link->log, 0, "privacy: Redis at %V (%s): %s: %s",
                  &link->server->name, link->name, pvr_status_name(status), why);

    link->server->last_error = status;

    ngx_privacy_redis_link_drop(link);
    ngx_privacy_redis_link_later(link);

    link->closed(link, status);
}


void
ngx_privacy_redis_link_drop(ngx_privacy_redis_link_t *link)
{
    link->state = NGX_PRIVACY_REDIS_DOWN;

    if (link->flush.posted) {
        ngx_delete_posted_event(&link->flush);
    }

    if (link->peer.connection) {
#if (NGX_SSL)
        if (link->peer.connection->ssl) {
            ngx_privacy_redis_tls_close(link->peer.connection);
        }
#endif
        ngx_close_connection(link->peer.connection);
        link->peer.connection = NULL;
    }

    if (link->pool) {
        ngx_destroy_pool(link->pool);
        link->pool = NULL;
    }

    if (link->reader) {
        redisReaderFree(link->reader);
        link->reader = NULL;
    }
}


/* The next attempt: at the next address, later each time, and not all workers at once. */

static void
ngx_privacy_redis_link_later(ngx_privacy_redis_link_t *link)
{
    ngx_msec_t  delay;

    link->state = NGX_PRIVACY_REDIS_DOWN;
    link->addr++;

    delay = NGX_PRIVACY_REDIS_BACKOFF_MIN << ngx_min(link->failures, 6);
    delay = ngx_min(delay, NGX_PRIVACY_REDIS_BACKOFF_MAX);
    delay = delay / 2 + (ngx_msec_t) ngx_random() % (delay / 2 + 1);

    link->failures++;

    if (!link->stopped && !link->resting && !link->timer.timer_set) {
        ngx_add_timer(&link->timer, delay);
    }
}
