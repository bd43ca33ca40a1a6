/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "ctl_route.h"

#define CTL_ROUTE_BUFFER  (512u * 1024 * 1024)


typedef struct {
    pv_str_t  bytes;
    int       slot;             /* -1: any server may have it */
    int       ordered;          /* 1: what has the same key must not come before it */
    size_t    server;           /* of this round; SIZE_MAX: not sent */
    size_t    asked;            /* the server that it was sent on to, for once; SIZE_MAX: none */
    unsigned  redirects;
} ctl_routed_t;

/* Of a slot, for commands whose order counts. */
typedef enum { CTL_ROUTE_UNKNOWN, CTL_ROUTE_TRIED, CTL_ROUTE_GOOD } ctl_route_slot_t;

typedef struct {
    ctl_redis_t    *redis;
    ctl_routed_t   *list;
    redisReply    **replies;
    size_t          n;
    int             lasting;    /* 1: there is nobody else to ask, what is answered is the answer */
    int             find;       /* 1: which servers there are has to be found out again */
    unsigned char   slot[PVR_SLOTS];    /* ctl_route_slot_t */
} ctl_route_t;


static int ctl_route_rounds(ctl_route_t *r, size_t server);
static int ctl_route_read(ctl_route_t *r, pv_str_t commands);
static int ctl_route_is_ordered(pv_str_t command);
static void ctl_route_choose(ctl_route_t *r, size_t server);
static int ctl_route_may_go(ctl_route_t *r, const ctl_routed_t *one);
static int ctl_route_round(ctl_route_t *r);
static int ctl_route_send(ctl_route_t *r, size_t server);
static int ctl_route_replies(ctl_route_t *r, size_t server);
static void ctl_route_reply(ctl_route_t *r, size_t i, redisReply *reply);
static int ctl_route_redirect(ctl_route_t *r, size_t i, const redisReply *reply);
static size_t ctl_route_left(const ctl_route_t *r);


int
ctl_route(ctl_redis_t *redis, size_t server, pv_str_t commands, redisReply **replies, size_t n)
{
    int           rc;
    size_t        i;
    ctl_route_t  *r;

    memset(replies, 0, n * sizeof(redisReply *));

    r = calloc(1, sizeof(ctl_route_t));
    if (r == NULL || (r->list = calloc(n + 1, sizeof(ctl_routed_t))) == NULL) {
        free(r);
        return ctl_link_failed(CTL_UNREACHABLE, "out of memory");
    }

    r->redis = redis;
    r->replies = replies;
    r->n = n;
    r->lasting = server != SIZE_MAX || redis->url.kind == CTL_URL_SERVER;

    rc = ctl_route_read(r, commands);
    rc = rc == CTL_OK ? ctl_route_rounds(r, server) : rc;

    for (i = 0; rc != CTL_OK && i < n; i++) {
        if (replies[i] != NULL) {
            freeReplyObject(replies[i]);
            replies[i] = NULL;
        }
    }

    free(r->list);
    free(r);

    return rc;
}


/* Until each has its reply, or the time is up. */

static int
ctl_route_rounds(ctl_route_t *r, size_t server)
{
    int     rc, said;
    time_t  began, passed;

    began = ctl_servers_now();
    said = 0;

    for ( ;; ) {
        ctl_route_choose(r, server);
        rc = ctl_route_round(r);

        if (ctl_route_left(r) == 0) {
            return CTL_OK;
        }

        passed = ctl_servers_now() - began;

        if (rc != CTL_OK && (r->lasting || ctl_link_lasts() || passed >= CTL_SERVERS_SECONDS)) {
            return rc;
        }

        if (!r->find) {
            continue;
        }

        if (r->lasting) {
            return CTL_UNREACHABLE;
        }

        /* past the time, what is answered is the answer */
        r->lasting = passed >= CTL_SERVERS_SECONDS;

        ctl_servers_wait(passed, &said);
        r->find = 0;

        if (ctl_servers_find(r->redis) != CTL_OK && ctl_link_lasts()) {
            return CTL_UNREACHABLE;
        }
    }
}


static int
ctl_route_read(ctl_route_t *r, pv_str_t commands)
{
    size_t    i;
    pv_str_t  key;

    for (i = 0; i < r->n; i++) {
        if (pvr_command_next(&commands, &r->list[i].bytes, &key) != PV_OK) {
            return ctl_link_failed(CTL_UNREACHABLE, "a command for Redis is none");
        }

        r->list[i].slot = key.len != 0 ? (int) pvr_slot(key.data, key.len) : -1;
        r->list[i].ordered = ctl_route_is_ordered(r->list[i].bytes);
        r->list[i].asked = SIZE_MAX;
    }

    return commands.len == 0 ? CTL_OK : ctl_link_failed(CTL_UNREACHABLE, "there are more commands than replies");
}


/* "*5\r\n$4\r\nXADD\r\n" */

static int
ctl_route_is_ordered(pv_str_t command)
{
    const unsigned char  *name;

    static const char  append[] = "$4\r\nXADD\r\n";

    name = memchr(command.data, '$', command.len);

    return name != NULL && command.len - (size_t) (name - command.data) >= sizeof(append) - 1
           && memcmp(name, append, sizeof(append) - 1) == 0;
}


static void
ctl_route_choose(ctl_route_t *r, size_t server)
{
    size_t         i, any;
    ctl_routed_t  *one;

    any = ctl_servers_any(r->redis);

    for (i = 0; i < r->n; i++) {
        one = &r->list[i];

        if (r->replies[i] != NULL || !ctl_route_may_go(r, one)) {
            one->server = SIZE_MAX;

        } else if (server != SIZE_MAX) {
            one->server = server;

        } else if (one->asked != SIZE_MAX) {
            one->server = one->asked;

        } else if (r->redis->url.kind == CTL_URL_CLUSTER && one->slot >= 0 && r->redis->slot[one->slot] != 0) {
            one->server = (size_t) r->redis->slot[one->slot] - 1;

        } else {
            /* one that has not this slot either will say who has */
            one->server = any;
            r->find |= (any == SIZE_MAX);
        }
    }
}


/*
 * An entry of a stream is refused when a later one is there already. So the
 * first goes alone, until the server that has the slot took one: it could
 * refuse this one, because it is not the master yet, and take the next.
 */

static int
ctl_route_may_go(ctl_route_t *r, const ctl_routed_t *one)
{
    if (!one->ordered || one->slot < 0 || r->lasting || r->slot[one->slot] == CTL_ROUTE_GOOD) {
        return 1;
    }

    if (r->slot[one->slot] == CTL_ROUTE_TRIED) {
        return 0;
    }

    r->slot[one->slot] = CTL_ROUTE_TRIED;

    return 1;
}


/* All of them are sent before the first answer is waited for. */

static int
ctl_route_round(ctl_route_t *r)
{
    int            rc, failed;
    size_t         i, server, count;
    ctl_routed_t  *one;

    rc = CTL_OK;
    count = r->redis->count;

    for (server = 0; server < count; server++) {
        failed = ctl_route_send(r, server);
        rc = failed != CTL_OK ? failed : rc;
    }

    for (server = 0; server < count; server++) {
        failed = ctl_route_replies(r, server);
        rc = failed != CTL_OK ? failed : rc;
    }

    if (rc != CTL_OK) {
        r->find = 1;
    }

    for (i = 0; i < r->n; i++) {
        one = &r->list[i];

        if (one->ordered && one->slot >= 0 && one->server != SIZE_MAX) {
            r->slot[one->slot] = r->replies[i] != NULL ? CTL_ROUTE_GOOD : CTL_ROUTE_UNKNOWN;
        }

        /* it was sent on, and not answered: from the beginning again */

        if (one->asked == one->server) {
            one->asked = SIZE_MAX;
        }
    }

    return rc;
}


static int
ctl_route_send(ctl_route_t *r, size_t server)
{
    int          rc;
    size_t       i, n;
    pv_buf_t     out;
    ctl_link_t  *link;

    pv_buf_init(&out, CTL_ROUTE_BUFFER);

    for (i = 0, n = 0; i < r->n; i++) {
        if (r->list[i].server != server) {
            continue;
        }

        if (r->list[i].asked == server) {
            (void) pvr_asking(&out);
        }

        pv_buf_str(&out, r->list[i].bytes);
        n++;
    }

    if (n == 0) {
        return CTL_OK;
    }

    rc = out.failed ? ctl_link_failed(CTL_UNREACHABLE, "out of memory") : ctl_servers_link(r->redis, server, &link);
    rc = rc == CTL_OK ? ctl_link_send(link, out.data, out.len) : rc;
    pv_buf_free(&out);

    if (rc != CTL_OK) {
        ctl_servers_lost(r->redis, server);
    }

    return rc;
}


static int
ctl_route_replies(ctl_route_t *r, size_t server)
{
    int          rc;
    size_t       i;
    ctl_link_t  *link;
    redisReply  *reply;

    link = r->redis->servers[server].link;
    rc = CTL_OK;

    for (i = 0; link != NULL && rc == CTL_OK && i < r->n; i++) {
        if (r->list[i].server != server) {
            continue;
        }

        if (r->list[i].asked == server) {
            rc = ctl_link_reply(link, &reply);
            r->list[i].asked = SIZE_MAX;

            if (rc == CTL_OK) {
                freeReplyObject(reply);
            }
        }

        rc = rc == CTL_OK ? ctl_link_reply(link, &reply) : rc;

        if (rc == CTL_OK) {
            r->redis->answered = (uint64_t) server << 32 | r->redis->servers[server].links;
            ctl_route_reply(r, i, reply);
        }
    }

    if (rc != CTL_OK) {
        ctl_servers_lost(r->redis, server);
    }

    return rc;
}


/* Keeps the reply, or has the command sent again. */

static void
ctl_route_reply(ctl_route_t *r, size_t i, redisReply *reply)
{
    int  again;

    again = 0;

    if (!r->lasting) {
        switch (pvr_status(reply)) {

        case PVR_MOVED:
        case PVR_ASK:
            again = ctl_route_redirect(r, i, reply);
            break;

        case PVR_LOADING:
        case PVR_READONLY:
        case PVR_CLUSTERDOWN:
        case PVR_TRYAGAIN:
            /* another one is being made the master, or a slot is being moved */
            again = 1;
            r->find = 1;
            break;

        default:
            break;
        }
    }

    if (again) {
        (void) ctl_link_failed(CTL_UNREACHABLE, "Redis says %.200s", reply->str);
        freeReplyObject(reply);
        return;
    }

    r->replies[i] = reply;
}


static int
ctl_route_redirect(ctl_route_t *r, size_t i, const redisReply *reply)
{
    size_t           server;
    ctl_routed_t    *one;
    pvr_redirect_t   redirect;

    one = &r->list[i];

    if (one->redirects++ >= PVR_REDIRECTS_MAX || pvr_redirect(&redirect, reply) != PV_OK) {
        return 0;
    }

    server = ctl_servers_at(r->redis, &redirect.address, one->server);
    if (server == SIZE_MAX) {
        return 0;
    }

    if (redirect.kind == PVR_ASK) {
        one->asked = server;
        return 1;
    }

    if (!r->redis->servers[server].master) {
        r->find = 1;
    }

    r->redis->slot[redirect.slot] = (uint16_t) (server + 1);

    return 1;
}


static size_t
ctl_route_left(const ctl_route_t *r)
{
    size_t  i, left;

    for (i = 0, left = 0; i < r->n; i++) {
        left += (r->replies[i] == NULL);
    }

    return left;
}
