/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_privacy_redis_link.h"


/* What goes over a link, both ways: bytes out, replies in, the greeting's before all others. */

#define NGX_PRIVACY_REDIS_RECV       16384
#define NGX_PRIVACY_REDIS_RECV_TURN  (1024 * 1024)  /* then other connections have their turn */


static size_t ngx_privacy_redis_link_fill(ngx_privacy_redis_link_t *link);
static ngx_int_t ngx_privacy_redis_link_exiting(ngx_privacy_redis_link_t *link, ngx_connection_t *c);
static ngx_int_t ngx_privacy_redis_link_feed(ngx_privacy_redis_link_t *link, u_char *data, size_t len);
static pvr_status_t ngx_privacy_redis_link_greeted(ngx_privacy_redis_link_t *link, redisReply *reply,
    const char **why);


static const char  ngx_privacy_redis_replica[] = "it is a replica, or no server of data";


void
ngx_privacy_redis_link_write_handler(ngx_event_t *wev)
{
    ngx_connection_t          *c;
    ngx_privacy_redis_link_t  *link;

    c = wev->data;
    link = c->data;

    if (link->state == NGX_PRIVACY_REDIS_CONNECTING) {
        ngx_privacy_redis_link_connected(link);
        return;
    }

    ngx_privacy_redis_link_send(link);
}


void
ngx_privacy_redis_link_flush_handler(ngx_event_t *ev)
{
    ngx_privacy_redis_link_t  *link;

    link = ev->data;

    if (link->state == NGX_PRIVACY_REDIS_READY) {
        ngx_privacy_redis_link_send(link);
    }
}


void
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


void
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
    char           words[NGX_PRIVACY_REDIS_WORDS + 1];

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
            ngx_privacy_redis_link_fail(link, status, (r && r->type == REDIS_REPLY_ERROR)
                                                      ? ngx_privacy_redis_words(words, r) : why);
        }

        pvr_reply_free(r);

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


char *
ngx_privacy_redis_words(char buf[NGX_PRIVACY_REDIS_WORDS + 1], const redisReply *reply)
{
    size_t  i, len;

    len = ngx_min((size_t) reply->len, (size_t) NGX_PRIVACY_REDIS_WORDS);

    for (i = 0; i < len; i++) {
        buf[i] = (reply->str[i] >= 0x20 && reply->str[i] < 0x7f) ? reply->str[i] : '?';
    }

    buf[len] = '\0';

    return buf;
}
