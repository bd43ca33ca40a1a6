/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "ctl_route.h"

#define CTL_REDIS_COMMAND  4096


static int ctl_redis_find(ctl_redis_t *redis);
static int ctl_redis_stands(ctl_redis_t *redis);
static int ctl_redis_moving(ctl_redis_t *redis, size_t node);
static int ctl_redis_digest(const ctl_redis_t *redis, char text[CTL_REDIS_SLOTS]);


int
ctl_redis_open(ctl_redis_t **out, const char *text)
{
    int           rc;
    ctl_link_t   *link;
    ctl_redis_t  *redis;

    *out = NULL;

    redis = calloc(1, sizeof(ctl_redis_t));

    if (redis != NULL) {
        redis->servers = calloc(CTL_SERVERS_MAX, sizeof(ctl_server_t));
    }

    if (redis == NULL || redis->servers == NULL) {
        free(redis);
        return ctl_fail(CTL_UNREACHABLE, "out of memory");
    }

    rc = ctl_url_redis(&redis->url, text);

    if (rc == CTL_OK) {
        rc = ctl_redis_find(redis);
        rc = rc == CTL_OK && redis->url.kind == CTL_URL_SERVER ? ctl_servers_link(redis, 0, &link) : rc;
        rc = rc == CTL_OK ? rc : ctl_fail(rc, "%s", ctl_link_why());
    }

    if (rc != CTL_OK) {
        ctl_redis_close(redis);
        return rc;
    }

    *out = redis;

    return CTL_OK;
}


/* Also while a master is being made: then it is waited for. */

static int
ctl_redis_find(ctl_redis_t *redis)
{
    int     rc, said;
    time_t  began, passed;

    began = ctl_servers_now();
    said = 0;

    for ( ;; ) {
        rc = ctl_servers_find(redis);
        passed = ctl_servers_now() - began;

        if (rc == CTL_OK || !redis->settling || passed >= CTL_SERVERS_SECONDS) {
            return rc;
        }

        ctl_servers_wait(passed, &said);
    }
}


int
ctl_redis_run(ctl_redis_t *redis, pv_buf_t *commands, redisReply **replies, size_t n)
{
    int  rc;

    if (commands->failed) {
        memset(replies, 0, n * sizeof(redisReply *));
        return ctl_fail(CTL_UNREACHABLE, "a command for Redis is too large");
    }

    rc = ctl_route(redis, SIZE_MAX, (pv_str_t) { commands->data, commands->len }, replies, n);

    return rc == CTL_OK ? rc : ctl_fail(rc, "%s", ctl_link_why());
}


int
ctl_redis_run_on(ctl_redis_t *redis, size_t node, pv_buf_t *commands, redisReply **replies, size_t n)
{
    int     rc;
    size_t  server;

    server = ctl_servers_master(redis, node);

    if (commands->failed || server == SIZE_MAX) {
        memset(replies, 0, n * sizeof(redisReply *));
        return ctl_fail(CTL_UNREACHABLE, commands->failed ? "a command for Redis is too large"
                        : "a server is not there any more");
    }

    rc = ctl_route(redis, server, (pv_str_t) { commands->data, commands->len }, replies, n);

    return rc == CTL_OK ? rc : ctl_fail(rc, "%s", ctl_link_why());
}


size_t
ctl_redis_nodes(const ctl_redis_t *redis)
{
    size_t  i, n;

    for (i = 0, n = 0; i < redis->count; i++) {
        n += redis->servers[i].master != 0;
    }

    return n;
}


int
ctl_redis_many(const ctl_redis_t *redis)
{
    return redis->url.kind != CTL_URL_SERVER;
}


unsigned
ctl_redis_lost(const ctl_redis_t *redis)
{
    return redis->lost;
}


int
ctl_redis_other(const ctl_redis_t *redis, uint64_t *by)
{
    if (*by != 0 && *by != redis->answered) {
        *by = 0;
        return 1;
    }

    *by = redis->answered;

    return 0;
}


int
ctl_redis_slots(ctl_redis_t *redis, char text[CTL_REDIS_SLOTS])
{
    int     rc, said;
    time_t  began, passed;

    strcpy(text, "all");
    began = ctl_servers_now();
    said = 0;

    for ( ;; ) {
        rc = redis->url.kind == CTL_URL_SERVER ? CTL_OK : ctl_redis_find(redis);
        rc = rc == CTL_OK && redis->url.kind == CTL_URL_CLUSTER ? ctl_redis_stands(redis) : rc;

        passed = ctl_servers_now() - began;

        if (rc == CTL_OK || ctl_link_lasts() || passed >= CTL_SERVERS_SECONDS) {
            break;
        }

        ctl_servers_wait(passed, &said);
    }

    if (rc != CTL_OK) {
        return ctl_fail(rc, "%s", ctl_link_why());
    }

    return redis->url.kind == CTL_URL_CLUSTER ? ctl_redis_digest(redis, text) : CTL_OK;
}


/* Each slot is somebody's, and none is on its way. */

static int
ctl_redis_stands(ctl_redis_t *redis)
{
    int     rc;
    size_t  i;

    for (i = 0; i < PVR_SLOTS; i++) {
        if (redis->slot[i] == 0) {
            return ctl_link_failed(CTL_UNREACHABLE, "no server of the cluster has slot %zu", i);
        }
    }

    rc = CTL_OK;

    for (i = 0; rc == CTL_OK && i < ctl_redis_nodes(redis); i++) {
        rc = ctl_redis_moving(redis, i);
    }

    return rc;
}


static int
ctl_redis_moving(ctl_redis_t *redis, size_t node)
{
    int          rc, moving;
    pv_buf_t     command;
    redisReply  *reply;

    pv_buf_init(&command, CTL_REDIS_COMMAND);
    (void) pvr_cluster_nodes(&command);
    rc = command.failed ? ctl_link_failed(CTL_UNREACHABLE, "out of memory")
         : ctl_route(redis, ctl_servers_master(redis, node), (pv_str_t) { command.data, command.len }, &reply, 1);
    pv_buf_free(&command);

    if (rc != CTL_OK) {
        return rc;
    }

    moving = pvr_cluster_moving(reply);

    if (moving == 1) {
        rc = ctl_link_failed(CTL_UNREACHABLE, "a slot is on its way from one server to another: try again when that "
                             "has ended");

    } else if (moving != 0) {
        rc = ctl_link_failed(CTL_UNREACHABLE, "whether slots are being moved cannot be told: Redis says %.200s",
                             reply->type == REDIS_REPLY_ERROR ? reply->str : "something else");
        rc = pvr_status(reply) == PVR_NOPERM ? ctl_link_for_good(rc) : rc;
    }

    freeReplyObject(reply);

    return rc;
}


static int
ctl_redis_digest(const ctl_redis_t *redis, char text[CTL_REDIS_SLOTS])
{
    int                  rc;
    size_t               i;
    pv_str_t             all;
    pv_buf_t             table;
    unsigned char        digest[PV_SHA256_LEN];
    const ctl_server_t  *server;

    pv_buf_init(&table, PVR_SLOTS * (PVR_HOST_MAX + 16));

    for (i = 0; i < PVR_SLOTS; i++) {
        server = &redis->servers[redis->slot[i] - 1];
        pv_buf_printf(&table, "%s %d\n", server->address.host, server->address.port);
    }

    all = (pv_str_t) { table.data, table.len };
    rc = !table.failed && pv_sha256(digest, &all, 1) == PV_OK ? CTL_OK : ctl_fail(CTL_WRONG, "out of memory");
    pv_buf_free(&table);

    if (rc == CTL_OK) {
        pv_hex_encode(text, digest, PV_SHA256_LEN);
        text[CTL_REDIS_SLOTS - 1] = '\0';
    }

    return rc;
}


void
ctl_redis_add(pv_buf_t *commands, int argc, const char **argv, const size_t *len)
{
    int    size;
    char  *formatted;

    size = redisFormatCommandArgv(&formatted, argc, argv, len);
    if (size < 0) {
        commands->failed = 1;
        return;
    }

    pv_buf_add(commands, formatted, (size_t) size);
    redisFreeCommand(formatted);
}


void
ctl_redis_replies_free(redisReply **replies, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (replies[i] != NULL) {
            freeReplyObject(replies[i]);
            replies[i] = NULL;
        }
    }
}


void
ctl_redis_close(ctl_redis_t *redis)
{
    if (redis != NULL) {
        ctl_servers_close(redis);
        free(redis);
    }
}
