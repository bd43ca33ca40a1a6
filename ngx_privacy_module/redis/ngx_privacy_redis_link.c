/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_privacy_redis_link.h"


#define NGX_PRIVACY_REDIS_RECV       16384
#define NGX_PRIVACY_REDIS_POOL       512
#define NGX_PRIVACY_REDIS_RECV_TURN  (1024 * 1024)  /* then other connections have their turn */


static const char  ngx_privacy_redis_replica[] = "it is a replica, or no server of data";


static void ngx_privacy_redis_link_connect(ngx_event_t *ev);
static void ngx_privacy_redis_link_lost(ngx_privacy_redis_link_t *link);
static void ngx_privacy_redis_link_peer(ngx_privacy_redis_link_t *link);
static void ngx_privacy_redis_link_connected(ngx_privacy_redis_link_t *link);
static ngx_int_t ngx_privacy_redis_link_test(ngx_connection_t *c);
static void ngx_privacy_redis_link_write_handler(ngx_event_t *wev);
static void ngx_privacy_redis_link_flush_handler(ngx_event_t *ev);
static void ngx_privacy_redis_link_send(ngx_privacy_redis_link_t *link);
static size_t ngx_privacy_redis_link_fill(ngx_privacy_redis_link_t *link);
static void ngx_privacy_redis_link_read_handler(ngx_event_t *rev);
static ngx_int_t ngx_privacy_redis_link_exiting(ngx_privacy_redis_link_t *link, ngx_connection_t *c);
static ngx_int_t ngx_privacy_redis_link_feed(ngx_privacy_redis_link_t *link, u_char *data, size_t len);
static pvr_status_t ngx_privacy_redis_link_greeted(ngx_privacy_redis_link_t *link, redisReply *reply,
    const char **why);
static void ngx_privacy_redis_link_drop(ngx_privacy_redis_link_t *link);
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

    link->reader = redisReaderCreate();
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
        ngx_privacy_redis_link_connected(link);
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
ngx_privacy_redis_link_connected(ngx_privacy_redis_link_t *link)
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


static void
ngx_privacy_redis_link_write_handler(ngx_event_t *wev)
{
    ngx_connection_t          *c;
    ngx_privacy_redis_link_t  *link;

    c = wev->data;
    link = c->data;

    if (link->state == NGX_PRIVACY_REDIS_CONNECTING) {

        if (ngx_privacy_redis_link_test(c) != NGX_OK) {
            ngx_privacy_redis_link_fail(link, PVR_UNREACHABLE, "connect failed");
            return;
        }

        ngx_privacy_redis_link_connected(link);
        return;
    }

    ngx_privacy_redis_link_send(link);
}


static void
ngx_privacy_redis_link_flush_handler(ngx_event_t *ev)
{
    ngx_privacy_redis_link_t  *link;

    link = ev->data;

    if (link->state == NGX_PRIVACY_REDIS_READY) {
        ngx_privacy_redis_link_send(link);
    }
}


static void
ngx_privacy_redis_link_send(ngx_privacy_redis_link_t *link)
{
    ssize_t            n;
    ngx_connection_t  *c;

    c = link->peer.connection;

    for ( ;; ) {

        if (link->pos == link->last && ngx_privacy_redis_link_fill(link) == 0) {
            break;
        }

        n = c->send(c, link->pos, link->last - link->pos);

        if (n == NGX_ERROR) {
            ngx_privacy_redis_link_fail(link, PVR_CLOSED, "send failed");
            return;
        }

        if (n == NGX_AGAIN) {
            break;
        }

        link->pos += n;
    }

    if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
        ngx_privacy_redis_link_fail(link, PVR_CLOSED, "event failed");
    }
}


static size_t
ngx_privacy_redis_link_fill(ngx_privacy_redis_link_t *link)
{
    size_t     n;
    pv_buf_t  *greeting;

    link->pos = link->out;
    link->last = link->out;

    if (link->state == NGX_PRIVACY_REDIS_READY) {
        n = link->fill(link, link->out, NGX_PRIVACY_REDIS_OUT);

    } else {
        greeting = &link->server->greeting;
        n = ngx_min(greeting->len - link->greeting_sent, NGX_PRIVACY_REDIS_OUT);
        ngx_memcpy(link->out, greeting->data + link->greeting_sent, n);
        link->greeting_sent += n;
    }

    link->last += n;

    return n;
}


static void
ngx_privacy_redis_link_read_handler(ngx_event_t *rev)
{
    size_t                     total;
    ssize_t                    n;
    ngx_connection_t          *c;
    ngx_privacy_redis_link_t  *link;
    u_char                     buf[NGX_PRIVACY_REDIS_RECV];

    c = rev->data;
    link = c->data;

    if (c->close && ngx_privacy_redis_link_exiting(link, c) == NGX_DONE) {
        return;
    }

    if (rev->timedout) {
        rev->timedout = 0;

        if (link->state != NGX_PRIVACY_REDIS_READY || link->silent(link) != NGX_OK) {
            ngx_privacy_redis_link_fail(link, PVR_TIMEOUT, "no answer in time");
        }

        return;
    }

    if (link->state == NGX_PRIVACY_REDIS_CONNECTING) {
        /* the write event says how the connect ended */
        return;
    }

    total = 0;

    for ( ;; ) {
        n = c->recv(c, buf, NGX_PRIVACY_REDIS_RECV);

        if (n == NGX_AGAIN) {
            break;
        }

        if (n == NGX_ERROR || n == 0) {
            ngx_privacy_redis_link_fail(link, PVR_CLOSED, "the server closed the connection");
            return;
        }

        if (ngx_privacy_redis_link_feed(link, buf, n) != NGX_OK) {
            return;
        }

        total += n;

        if (total >= NGX_PRIVACY_REDIS_RECV_TURN) {
            ngx_post_event(rev, &ngx_posted_next_events);
            return;
        }
    }

    if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        ngx_privacy_redis_link_fail(link, PVR_CLOSED, "event failed");
    }
}


/*
 * nginx asks connections of a worker that exits to close: idle ones at once,
 * the others when worker_shutdown_timeout is over (c->error).
 */

static ngx_int_t
ngx_privacy_redis_link_exiting(ngx_privacy_redis_link_t *link, ngx_connection_t *c)
{
    if (!c->error && !link->idle(link)) {
        /* somebody waits for an answer; what is left is closed by exit_process */
        c->close = 0;
        return NGX_OK;
    }

    ngx_privacy_redis_link_drop(link);
    link->closed(link, PVR_CLOSED);

    return NGX_DONE;
}


static ngx_int_t
ngx_privacy_redis_link_feed(ngx_privacy_redis_link_t *link, u_char *data, size_t len)
{
    void          *reply;
    ngx_int_t      rc;
    redisReply    *r;
    const char    *why;
    pvr_status_t   status;

    if (pvr_limit_feed(&link->limit, data, len) != PV_OK) {
        ngx_privacy_redis_link_fail(link, PVR_PROTOCOL, "a reply past the limits, or no reply of Redis");
        return NGX_ERROR;
    }

    if (redisReaderFeed(link->reader, (char *) data, len) != REDIS_OK) {
        ngx_privacy_redis_link_fail(link, PVR_PROTOCOL, link->reader->errstr);
        return NGX_ERROR;
    }

    for ( ;; ) {

        if (redisReaderGetReply(link->reader, &reply) != REDIS_OK) {
            ngx_privacy_redis_link_fail(link, PVR_PROTOCOL, link->reader->errstr);
            return NGX_ERROR;
        }

        if (reply == NULL) {
            return NGX_OK;
        }

        r = reply;

        why = "a reply that nobody asked for";

        if (link->state == NGX_PRIVACY_REDIS_READY) {
            rc = link->reply(link, &r);
            status = PVR_OK;

            if (rc == NGX_ERROR) {
                status = pvr_status(r);
                status = (status == PVR_OK) ? PVR_PROTOCOL : status;
            }

            if (rc == NGX_ABORT) {
                status = link->why ? PVR_ERROR : PVR_READONLY;
                why = link->why ? link->why : ngx_privacy_redis_replica;
                link->why = NULL;
            }

        } else {
            status = ngx_privacy_redis_link_greeted(link, r, &why);
        }

        if (status != PVR_OK) {
            ngx_privacy_redis_link_fail(link, status, (r && r->type == REDIS_REPLY_ERROR) ? r->str : why);
        }

        if (r) {
            freeReplyObject(r);
        }

        if (status != PVR_OK) {
            return NGX_ERROR;
        }
    }
}


/*
 * AUTH and SELECT have to succeed. PING, the last, may be answered by an error
 * that we know: a server that loads, or wants a password, says so to each
 * request at once, which is better than to let them wait for their deadlines.
 */

static pvr_status_t
ngx_privacy_redis_link_greeted(ngx_privacy_redis_link_t *link, redisReply *reply, const char **why)
{
    pvr_status_t       status;
    ngx_connection_t  *c;

    status = pvr_status(reply);
    link->greeting_answered++;

    if (link->greeting_answered == link->server->role && status == PVR_OK && pvr_is_master(reply) != 1) {
        *why = ngx_privacy_redis_replica;
        return PVR_READONLY;
    }

    if (link->greeting_answered < link->server->greeting_n) {
        return status;
    }

    if (status == PVR_ERROR) {
        /* "max number of clients reached" */
        return status;
    }

    link->connects++;

    if (link->failures) {
        ngx_log_error(NGX_LOG_NOTICE, link->log, 0, "privacy: Redis at %V is back (%s)",
                      &link->server->name, link->name);
    }

    link->server->last_error = PVR_OK;
    link->state = NGX_PRIVACY_REDIS_READY;
    link->ready_since = ngx_current_msec;

    c = link->peer.connection;
    c->log = link->log;
    c->read->log = link->log;
    c->write->log = link->log;

    ngx_del_timer(c->read);

    link->ready(link);
    ngx_privacy_redis_link_flush(link);

    return PVR_OK;
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


static void
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
