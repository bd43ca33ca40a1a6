/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * What an acknowledged choice survives: as it is written, as the server's
 * settings are judged (by replies written by hand, and by a redis-server of
 * our own), and how WAIT is asked.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "pvr_durability.h"
#include "redis_fixture.h"


#define NOEVICTION  "*2\r\n$16\r\nmaxmemory-policy\r\n$10\r\nnoeviction\r\n"
#define AOF         "$30\r\n# Persistence\r\naof_enabled:1\r\n\r\n"
#define REWRITE     "*2\r\n$25\r\nno-appendfsync-on-rewrite\r\n$2\r\nno\r\n"
#define DENIED      "-NOPERM this user has no permissions to run the 'config|get' command\r\n"
#define RUN_ID      "0123456789abcdef0123456789abcdef01234567"


static const unsigned char  subject[PV_SUBJECT_LEN] = { 1 };

static char  warning[512], unknown[512];


static pv_str_t
text(const char *s)
{
    return (pv_str_t) { (const unsigned char *) s, strlen(s) };
}


/* Judges replies as they come on the wire; what is said is in warning and unknown. */

static void
judge(const char *mode, const char *resp)
{
    size_t             i, n;
    void              *reply;
    pv_buf_t           said, untold;
    redisReader       *reader;
    redisReply        *replies[PVR_SETTINGS_MAX];
    pvr_durability_t   durability;

    reader = redisReaderCreate();
    assert_int_equal(redisReaderFeed(reader, resp, strlen(resp)), REDIS_OK);

    for (n = 0; n < PVR_SETTINGS_MAX; n++) {
        assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);

        if (reply == NULL) {
            break;
        }

        replies[n] = reply;
    }

    redisReaderFree(reader);

    assert_int_equal(pvr_durability_parse(&durability, text(mode)), PV_OK);
    pv_buf_init(&said, sizeof(warning));
    pv_buf_init(&untold, sizeof(unknown));

    pvr_settings_judge(&said, &untold, &durability, replies, n);

    assert_false(said.failed || untold.failed);
    snprintf(warning, sizeof(warning), "%s", said.len ? (char *) said.data : "");
    snprintf(unknown, sizeof(unknown), "%s", untold.len ? (char *) untold.data : "");

    pv_buf_free(&said);
    pv_buf_free(&untold);

    for (i = 0; i < n; i++) {
        freeReplyObject(replies[i]);
    }
}


/* INFO, as a reply. */

static const char *
info(const char *lines)
{
    static char  resp[512];

    snprintf(resp, sizeof(resp), "$%zu\r\n%s\r\n", strlen(lines), lines);

    return resp;
}


static void
written(void **state)
{
    size_t            i;
    char              out[PVR_DURABILITY_TEXT];
    pvr_durability_t  d;

    static const char *const  good[] = { "memory", "fsync", "replicas=1", "replicas=16" };
    static const char *const  bad[] = {
        "", "Memory", "memory ", "fsync=1", "replicas", "replicas=", "replicas=0", "replicas=17", "replicas=01",
        "replicas=1x", "replicas=-1", "replicas=99999999999999999999", "replica=1"
    };

    (void) state;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(pvr_durability_parse(&d, text(good[i])), PV_OK);
        assert_int_equal(pvr_durability_text(out, &d), strlen(good[i]));
        assert_string_equal(out, good[i]);
    }

    assert_int_equal(d.mode, PVR_REPLICAS);
    assert_int_equal(d.replicas, 16);

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(pvr_durability_parse(&d, text(bad[i])), PV_INVALID);
    }
}


static void
memory(void **state)
{
    (void) state;

    judge("memory", NOEVICTION AOF);
    assert_string_equal(warning, "");
    assert_string_equal(unknown, "");

    judge("memory", "*2\r\n$16\r\nmaxmemory-policy\r\n$11\r\nallkeys-lru\r\n$15\r\naof_enabled:0\r\n\r\n");
    assert_string_equal(warning, "maxmemory-policy is \"allkeys-lru\", it has to be \"noeviction\"; "
                        "appendonly is \"no\", what came since the last snapshot is lost with the process");

    judge("memory", NOEVICTION "$42\r\naof_enabled:1\r\naof_last_write_status:err\r\n\r\n");
    assert_string_equal(warning, "the last write of the append-only file failed");

    /* not held against it, but said */
    judge("memory", DENIED DENIED);
    assert_string_equal(warning, "");
    assert_string_equal(unknown, "maxmemory-policy; appendonly");

    judge("memory", "*0\r\n$2\r\nno\r\n");
    assert_string_equal(unknown, "maxmemory-policy; appendonly");
}


static void
fsync_mode(void **state)
{
    (void) state;

    judge("fsync", NOEVICTION AOF "*2\r\n$11\r\nappendfsync\r\n$6\r\nalways\r\n" REWRITE);
    assert_string_equal(warning, "");
    assert_string_equal(unknown, "");

    judge("fsync", NOEVICTION AOF "*2\r\n$11\r\nappendfsync\r\n$8\r\neverysec\r\n" REWRITE);
    assert_string_equal(warning, "appendfsync is \"everysec\", it has to be \"always\"");

    judge("fsync", NOEVICTION AOF "*2\r\n$11\r\nappendfsync\r\n$6\r\nalways\r\n"
          "*2\r\n$25\r\nno-appendfsync-on-rewrite\r\n$3\r\nyes\r\n");
    assert_string_equal(warning, "no-appendfsync-on-rewrite is \"yes\", it has to be \"no\"");
    assert_string_equal(unknown, "");

    judge("fsync", NOEVICTION AOF DENIED DENIED);
    assert_string_equal(warning, "");
    assert_string_equal(unknown, "appendfsync; no-appendfsync-on-rewrite");

    /* what cannot stand in a log is cut off there */
    judge("fsync", NOEVICTION AOF "*2\r\n$11\r\nappendfsync\r\n$8\r\nno\n[warn\r\n" REWRITE);
    assert_string_equal(warning, "appendfsync is \"no\", it has to be \"always\"");

    /* fewer replies than were asked for */
    judge("fsync", NOEVICTION AOF);
    assert_string_equal(unknown, "appendfsync; no-appendfsync-on-rewrite");
}


static void
replicas(void **state)
{
    char  resp[1024];

    static const char  two[] = "*2\r\n$21\r\nmin-replicas-to-write\r\n$1\r\n2\r\n";

    (void) state;

    snprintf(resp, sizeof(resp), NOEVICTION AOF "%s%s", two,
             info("role:master\r\nconnected_slaves:2\r\nslave0:ip=::1,port=1,state=online,offset=1,lag=0\r\n"
                  "slave1:ip=::1,port=2,state=online,offset=1,lag=0\r\n"));
    judge("replicas=2", resp);
    assert_string_equal(warning, "");
    assert_string_equal(unknown, "");

    /* more than there are; and none that still copies counts */
    judge("replicas=3", resp);
    assert_string_equal(warning, "min-replicas-to-write is 2, it has to be 3; 2 of 3 replicas are connected");

    snprintf(resp, sizeof(resp), NOEVICTION AOF "%s%s", two,
             info("connected_slaves:1\r\nslave0:ip=::1,port=1,state=wait_bgsave,offset=0,lag=0\r\n"));
    judge("replicas=1", resp);
    assert_string_equal(warning, "0 of 1 replica is connected");

    /* a replica that was asked takes no choice, and needs none */
    snprintf(resp, sizeof(resp), NOEVICTION AOF "%s%s", two, info("role:slave\r\nconnected_slaves:0\r\n"));
    judge("replicas=1", resp);
    assert_string_equal(warning, "");

    judge("replicas=1", NOEVICTION AOF DENIED DENIED DENIED);
    assert_string_equal(warning, "");
    assert_string_equal(unknown, "min-replicas-to-write; replicas");
}


static void
processes(void **state)
{
    redisReply  reply = { .type = REDIS_REPLY_STRING };

    (void) state;

    reply.str = "# Server\r\nrun_id:" RUN_ID "\r\ntcp_port:0\r\n";
    reply.len = strlen(reply.str);
    assert_true(pv_str_eqs(pvr_run_id(&reply), RUN_ID));

    reply.str = "# Server\r\nother_run_id:1\r\nrun_id:";
    reply.len = strlen(reply.str);
    assert_int_equal(pvr_run_id(&reply).len, 0);

    reply.type = REDIS_REPLY_ERROR;
    assert_int_equal(pvr_run_id(&reply).len, 0);
    assert_int_equal(pvr_run_id(NULL).len, 0);
}


static void
waits(void **state)
{
    pv_buf_t    out;
    redisReply  reply = { .type = REDIS_REPLY_INTEGER };

    (void) state;

    pv_buf_init(&out, 4096);
    assert_int_equal(pvr_wait(&out, 2, 1500), PV_OK);
    assert_string_equal((char *) out.data, "*3\r\n$4\r\nWAIT\r\n$1\r\n2\r\n$4\r\n1500\r\n");

    /* never one that waits for ever, or ends a ledger */
    assert_int_equal(pvr_wait(&out, 1, 0), PV_ERROR);
    assert_true(out.failed);
    pv_buf_free(&out);

    pv_buf_init(&out, 4096);
    assert_int_equal(pvr_ledger_touch(&out, pv_str("example"), subject, 0), PV_ERROR);
    assert_true(out.failed);
    pv_buf_free(&out);

    reply.integer = 2;
    assert_int_equal(pvr_waited(&reply), 2);
    assert_false(pvr_touched(&reply));

    reply.integer = 1;
    assert_true(pvr_touched(&reply));

    reply.integer = -1;
    assert_int_equal(pvr_waited(&reply), -1);
    assert_false(pvr_touched(&reply));

    reply.type = REDIS_REPLY_ERROR;
    reply.integer = 1;
    assert_int_equal(pvr_waited(&reply), -1);
    assert_false(pvr_touched(&reply));
    assert_int_equal(pvr_waited(NULL), -1);
    assert_false(pvr_touched(NULL));

    assert_true(pvr_unknown(PVR_SHORT));
    assert_string_equal(pvr_status_name(PVR_SHORT), "short");
}


/* A real one: what is asked is answered, and a touch moves the offset that WAIT goes by. */

static void
of_a_server(void **state)
{
    int                n, i;
    void              *reply;
    pv_buf_t           out, said, untold;
    long long          before;
    redisReply        *replies[PVR_SETTINGS_MAX];
    pvr_durability_t   d = { PVR_REPLICAS, 1 };

    (void) state;

    if (redis == NULL) {
        skip();
    }

    pv_buf_init(&out, 4096);
    n = pvr_settings_ask(&out, &d);
    assert_int_equal(n, PVR_SETTINGS_MAX);
    assert_int_equal(redisAppendFormattedCommand(redis, (char *) out.data, out.len), REDIS_OK);
    out.len = 0;

    for (i = 0; i < n; i++) {
        assert_int_equal(redisGetReply(redis, &reply), REDIS_OK);
        replies[i] = reply;
    }

    pv_buf_init(&said, 512);
    pv_buf_init(&untold, 512);
    pvr_settings_judge(&said, &untold, &d, replies, n);
    assert_string_equal((char *) said.data,
                        "appendonly is \"no\", what came since the last snapshot is lost with the process; "
                        "min-replicas-to-write is 0, it has to be 1; 0 of 1 replica is connected");
    assert_int_equal(untold.len, 0);
    assert_int_equal(pvr_settings_run_id(replies, n).len, 40);
    pv_buf_free(&said);
    pv_buf_free(&untold);

    for (i = 0; i < n; i++) {
        freeReplyObject(replies[i]);
    }

    assert_int_equal(pvr_ledger_touch(&out, pv_str("example"), subject, 100), PV_OK);
    assert_int_equal(redis_number(redis, &out), 0);

    assert_int_equal(pvr_ledger_append(&out, pv_str("example"), subject, 1, text("record"), 100), PV_OK);
    freeReplyObject(redis_ask(redis, &out, PVR_LEDGER_APPEND_REPLIES));

    /* the same term once more is written all the same */
    assert_int_equal(pvr_ledger_touch(&out, pv_str("example"), subject, 100), PV_OK);
    reply = redis_ask(redis, &out, 1);
    assert_true(pvr_touched(reply));
    freeReplyObject(reply);

    reply = redisCommand(redis, "INFO persistence");
    before = 0;
    assert_int_equal(sscanf(strstr(((redisReply *) reply)->str, "rdb_changes_since_last_save:"),
                            "rdb_changes_since_last_save:%lld", &before), 1);
    freeReplyObject(reply);
    assert_int_equal(before, 3);            /* HSETNX, EXPIRE, EXPIRE */

    assert_int_equal(pvr_wait(&out, 1, 1), PV_OK);
    assert_int_equal(redis_number(redis, &out), 0);

    pv_buf_free(&out);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(written),
        cmocka_unit_test(memory),
        cmocka_unit_test(fsync_mode),
        cmocka_unit_test(replicas),
        cmocka_unit_test(processes),
        cmocka_unit_test(waits),
        cmocka_unit_test(of_a_server)
    };

    return cmocka_run_group_tests(tests, redis_fixture_start, redis_fixture_stop);
}
