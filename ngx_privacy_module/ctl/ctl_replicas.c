/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>

#include "ctl.h"
#include "ctl_route.h"
#include "pvr_durability.h"

/*
 * What a master acknowledged is lost when it dies before a replica has it, and
 * that replica takes its place. WAIT goes by what its own connection wrote: it
 * is sent over those that the writes went over.
 */

#define CTL_REPLICAS_COMMAND  4096
#define CTL_REPLICAS_WAIT     5000      /* milliseconds */


static int ctl_replicas_wait(ctl_redis_t *redis, size_t server);
static int ctl_replicas_ask(ctl_redis_t *redis, size_t server, pv_buf_t *command, redisReply **reply);


void
ctl_redis_replicas(ctl_redis_t *redis)
{
    size_t         i;
    ctl_server_t  *s;

    for (i = 0; ctl_redis_many(redis) && i < redis->count; i++) {
        s = &redis->servers[i];

        if (s->master && s->link != NULL && !s->short_of && ctl_replicas_wait(redis, i) != CTL_OK) {
            s->short_of = 1;
            fprintf(stderr, "privacyctl: written, but whether a replica of Redis at %s:%d has it is not known: %s\n",
                    s->address.host, s->address.port, ctl_link_why());
        }
    }
}


static int
ctl_replicas_wait(ctl_redis_t *redis, size_t server)
{
    int          rc;
    long         replicas, waited;
    pv_buf_t     command;
    redisReply  *reply;

    pv_buf_init(&command, CTL_REPLICAS_COMMAND);
    (void) pvr_role(&command);
    rc = ctl_replicas_ask(redis, server, &command, &reply);

    if (rc != CTL_OK) {
        return rc;
    }

    replicas = pvr_replicas(reply);
    freeReplyObject(reply);

    if (replicas <= 0) {
        return replicas == 0 ? CTL_OK : ctl_link_failed(CTL_UNREACHABLE, "it is not the master any more");
    }

    pv_buf_init(&command, CTL_REPLICAS_COMMAND);
    (void) pvr_wait(&command, (unsigned) replicas, CTL_REPLICAS_WAIT);
    rc = ctl_replicas_ask(redis, server, &command, &reply);

    if (rc != CTL_OK) {
        return rc;
    }

    waited = pvr_waited(reply);
    freeReplyObject(reply);

    return waited >= replicas ? CTL_OK
           : ctl_link_failed(CTL_UNREACHABLE, "%ld of %ld said so; should that server be lost now, look whether it is "
                             "there, and write it again", waited, replicas);
}


static int
ctl_replicas_ask(ctl_redis_t *redis, size_t server, pv_buf_t *command, redisReply **reply)
{
    int  rc;

    rc = command->failed ? ctl_link_failed(CTL_UNREACHABLE, "out of memory")
         : ctl_route(redis, server, (pv_str_t) { command->data, command->len }, reply, 1);
    pv_buf_free(command);

    if (rc == CTL_OK && (*reply)->type == REDIS_REPLY_ERROR) {
        rc = ctl_link_failed(CTL_UNREACHABLE, "Redis says %.200s", (*reply)->str);
        freeReplyObject(*reply);
    }

    return rc;
}
