/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "redis_fixture.h"


char           redis_address[128];
redisContext  *redis;

static char    folder[64] = "/tmp/pvr_test.XXXXXX";
static pid_t   server;


int
redis_fixture_start(void **state)
{
    int          i;
    const char  *binary = getenv("TEST_REDIS_BINARY");

    (void) state;

    if (binary == NULL || *binary == '\0') {
        binary = "redis-server";
    }

    if (mkdtemp(folder) == NULL) {
        return -1;
    }

    snprintf(redis_address, sizeof(redis_address), "%s/redis.sock", folder);

    server = fork();

    if (server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execlp(binary, binary, "--port", "0", "--unixsocket", redis_address, "--dir", folder, "--save", "",
               "--appendonly", "no", "--logfile", "/dev/null", (char *) NULL);
        _exit(127);
    }

    for (i = 0; i < 100; i++) {
        redis = redisConnectUnix(redis_address);

        if (redis && redis->err == 0) {
            return 0;
        }

        redisFree(redis);
        redis = NULL;

        if (waitpid(server, NULL, WNOHANG) == server) {
            server = 0;
            break;
        }

        usleep(50000);
    }

    /* no redis-server on this machine: those tests say that they were skipped */

    return 0;
}


int
redis_fixture_stop(void **state)
{
    (void) state;

    if (redis) {
        redisFree(redis);
    }

    if (server > 0) {
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
    }

    unlink(redis_address);
    rmdir(folder);

    return 0;
}


/* Sends what is in out and gives the last of n replies. */

redisReply *
redis_ask(redisContext *c, pv_buf_t *out, int n)
{
    void  *reply;

    assert_false(out->failed);
    assert_int_equal(redisAppendFormattedCommand(c, (char *) out->data, out->len), REDIS_OK);
    out->len = 0;

    for (reply = NULL; n > 0; n--) {
        if (reply) {
            freeReplyObject(reply);
        }

        assert_int_equal(redisGetReply(c, &reply), REDIS_OK);
    }

    return reply;
}


long long
redis_number(redisContext *c, pv_buf_t *out)
{
    long long    n;
    redisReply  *reply;

    reply = redis_ask(c, out, 1);
    assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
    n = reply->integer;
    freeReplyObject(reply);

    return n;
}
