/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * Slots against values that Redis' own CLUSTER KEYSLOT gave; what servers say
 * of each other against RESP written by hand, and cut at every byte.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pvr_cluster.h"


static redisReply *
parse(const char *resp)
{
    void         *reply;
    redisReader  *reader;

    reply = NULL;
    reader = redisReaderCreate();
    redisReaderFeed(reader, resp, strlen(resp));
    (void) redisReaderGetReply(reader, &reply);
    redisReaderFree(reader);

    return reply;
}


static void
slots(void **state)
{
    size_t  i;

    static const struct { const char *key; unsigned slot; }  known[] = {
        { "", 0 }, { "foo", 12182 }, { "bar", 5061 }, { "123456789", 12739 },
        { "{user1000}.following", 3443 }, { "{user1000}.followers", 3443 }, { "user1000", 3443 },
        { "foo{}{bar}", 8363 }, { "foo{{bar}}zap", 4015 }, { "{bar", 4015 }, { "foo{bar}{zap}", 5061 },
        { "}{", 12793 }, { "\xff\x80", 4727 }
    };

    (void) state;

    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        assert_int_equal(pvr_slot(known[i].key, strlen(known[i].key)), known[i].slot);
    }

    /* all of a subject's keys share one */
    assert_int_equal(pvr_slot("privacy:{example:A}:ledger", 26), pvr_slot("privacy:{example:A}:notices", 27));
}


static void
redirects(void **state)
{
    size_t           i;
    redisReply      *reply;
    pvr_redirect_t   r;

    static const char *const  none[] = {
        "+MOVED 1 a:1\r\n", "-MOVED \r\n", "-MOVED 1 a\r\n", "-MOVED 16384 a:1\r\n", "-MOVED -1 a:1\r\n", "-MOVED 1 a:0\r\n",
        "-MOVED 1 a:65536\r\n", "-MOVED x a:1\r\n", "-MOVED  1 a:1\r\n", "-ERR MOVED 1 a:1\r\n", "-TRYAGAIN 1 a:1\r\n",
        "-MOVED 1 a\tb:1\r\n", "-MOVED 1 a\"b:1\r\n", "-ASK 1 \x1b[2J:1\r\n", "-MOVED 1 \xff:1\r\n"
    };

    (void) state;

    reply = parse("-MOVED 3999 127.0.0.1:6381\r\n");
    assert_int_equal(pvr_redirect(&r, reply), PV_OK);
    assert_int_equal(r.kind, PVR_MOVED);
    assert_int_equal(r.slot, 3999);
    assert_string_equal(r.address.host, "127.0.0.1");
    assert_int_equal(r.address.port, 6381);
    freeReplyObject(reply);

    reply = parse("-ASK 0 2001:db8::1:6381\r\n");
    assert_int_equal(pvr_redirect(&r, reply), PV_OK);
    assert_int_equal(r.kind, PVR_ASK);
    assert_string_equal(r.address.host, "2001:db8::1");
    freeReplyObject(reply);

    /* the server that was asked */
    reply = parse("-MOVED 16383 :6379\r\n");
    assert_int_equal(pvr_redirect(&r, reply), PV_OK);
    assert_string_equal(r.address.host, "");
    freeReplyObject(reply);

    for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        reply = parse(none[i]);
        assert_int_equal(pvr_redirect(&r, reply), PV_INVALID);
        freeReplyObject(reply);
    }

    assert_int_equal(pvr_redirect(&r, NULL), PV_INVALID);
}


static void
ranges(void **state)
{
    size_t          i;
    redisReply     *reply;
    pvr_range_t     range;
    pvr_address_t   replica;

    static const char *const  none[] = {
        "+OK\r\n", "*0\r\n", "*1\r\n:1\r\n", "*1\r\n*2\r\n:0\r\n:1\r\n", "*1\r\n*3\r\n:2\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n", "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:0\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*1\r\n$1\r\na\r\n", "*1\r\n*3\r\n:0\r\n:1\r\n$1\r\na\r\n",
        "*1\r\n*3\r\n:-1\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n", "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$3\r\na\nb\r\n:1\r\n"
    };

    (void) state;

    reply = parse("*2\r\n"
                  "*4\r\n:0\r\n:5460\r\n*4\r\n$9\r\n127.0.0.1\r\n:7000\r\n$2\r\nid\r\n*0\r\n*3\r\n$1\r\nr\r\n:7003\r\n$2\r\nid\r\n"
                  "*3\r\n:5461\r\n:16383\r\n*3\r\n$-1\r\n:7001\r\n$2\r\nid\r\n");
    assert_int_equal(pvr_cluster_range(&range, reply, 0), PV_OK);
    assert_int_equal(range.first, 0);
    assert_int_equal(range.last, 5460);
    assert_string_equal(range.master.host, "127.0.0.1");
    assert_int_equal(range.master.port, 7000);
    assert_int_equal(pvr_cluster_range(&range, reply, 1), PV_OK);
    assert_int_equal(range.last, 16383);
    assert_string_equal(range.master.host, "");
    assert_int_equal(pvr_cluster_range(&range, reply, 2), PV_INVALID);

    assert_int_equal(pvr_cluster_replica(&replica, reply, 0, 0), PV_OK);
    assert_string_equal(replica.host, "r");
    assert_int_equal(replica.port, 7003);
    assert_int_equal(pvr_cluster_replica(&replica, reply, 0, 1), PV_INVALID);
    assert_int_equal(pvr_cluster_replica(&replica, reply, 0, SIZE_MAX), PV_INVALID);
    assert_int_equal(pvr_cluster_replica(&replica, reply, 1, 0), PV_INVALID);
    assert_int_equal(pvr_cluster_replica(&replica, reply, 2, 0), PV_INVALID);
    freeReplyObject(reply);

    for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        reply = parse(none[i]);
        assert_int_equal(pvr_cluster_range(&range, reply, 0), PV_INVALID);
        freeReplyObject(reply);
    }
}


static int
moving(const char *text)
{
    int         rc;
    redisReply  reply;

    memset(&reply, 0, sizeof(reply));
    reply.type = REDIS_REPLY_STRING;
    reply.str = (char *) text;
    reply.len = (int) strlen(text);
    rc = pvr_cluster_moving(&reply);

    return rc;
}


static void
nodes(void **state)
{
    (void) state;

    assert_int_equal(moving("a 127.0.0.1:1@2 master - 0 0 1 connected 5461-10922 [93-<-b]\n"
                            "b 127.0.0.1:2@3 myself,master - 0 0 2 connected 0-5460\n"), 0);
    assert_int_equal(moving("b 127.0.0.1:2@3 myself,master - 0 0 2 connected 0-5460 [93->-a]\n"), 1);
    assert_int_equal(moving("b 127.0.0.1:2@3 myself,master - 0 0 2 connected [93-<-a]"), 1);
    assert_int_equal(moving("b 127.0.0.1:2@3 master - 0 0 2 connected 0-5460\n"), PV_INVALID);
    assert_int_equal(moving(""), PV_INVALID);
    assert_int_equal(pvr_cluster_moving(NULL), PV_INVALID);
}


static int
role(const char *resp)
{
    int          rc;
    redisReply  *reply;

    reply = parse(resp);
    rc = pvr_is_master(reply);
    freeReplyObject(reply);

    return rc;
}


static void
roles(void **state)
{
    (void) state;

    assert_int_equal(role("*3\r\n$6\r\nmaster\r\n:3129659\r\n*0\r\n"), 1);
    assert_int_equal(role("*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:9000\r\n$9\r\nconnected\r\n:3\r\n"), 0);
    assert_int_equal(role("*2\r\n$8\r\nsentinel\r\n*0\r\n"), 0);
    assert_int_equal(role("*1\r\n$7\r\nmasters\r\n"), PV_INVALID);
    assert_int_equal(role("-NOPERM no\r\n"), PV_INVALID);
    assert_int_equal(role("*0\r\n"), PV_INVALID);
}


static long
replicas(const char *resp)
{
    long         n;
    redisReply  *reply;

    reply = parse(resp);
    n = pvr_replicas(reply);
    freeReplyObject(reply);

    return n;
}


static void
replicas_of_a_master(void **state)
{
    (void) state;

    assert_int_equal(replicas("*3\r\n$6\r\nmaster\r\n:3129659\r\n*0\r\n"), 0);
    assert_int_equal(replicas("*3\r\n$6\r\nmaster\r\n:3129659\r\n*2\r\n"
                              "*3\r\n$9\r\n127.0.0.1\r\n$4\r\n9001\r\n$7\r\n3129242\r\n"
                              "*3\r\n$9\r\n127.0.0.1\r\n$4\r\n9002\r\n$7\r\n3129543\r\n"), 2);
    assert_int_equal(replicas("*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:9000\r\n$9\r\nconnected\r\n:3\r\n"), -1);
    assert_int_equal(replicas("*1\r\n$6\r\nmaster\r\n"), -1);
    assert_int_equal(replicas("*3\r\n$6\r\nmaster\r\n:1\r\n:2\r\n"), -1);
    assert_int_equal(replicas("-NOPERM no\r\n"), -1);
}


static int
sentinel(pvr_address_t *master, const char *resp)
{
    int          rc;
    redisReply  *reply;

    reply = parse(resp);
    rc = pvr_sentinel_master(master, reply);
    freeReplyObject(reply);

    return rc;
}


static void
sentinels(void **state)
{
    pvr_address_t  master;

    (void) state;

    assert_int_equal(sentinel(&master, "*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6380\r\n"), PV_OK);
    assert_string_equal(master.host, "127.0.0.1");
    assert_int_equal(master.port, 6380);
    assert_int_equal(sentinel(&master, "*-1\r\n"), PV_INVALID);
    assert_int_equal(sentinel(&master, "*2\r\n$0\r\n\r\n$4\r\n6380\r\n"), PV_INVALID);
    assert_int_equal(sentinel(&master, "*2\r\n$1\r\na\r\n:6380\r\n"), PV_INVALID);
    assert_int_equal(sentinel(&master, "*2\r\n$3\r\na\0b\r\n$4\r\n6380\r\n"), PV_INVALID);

    assert_int_equal(pvr_switch_master(&master, pv_str("mine 10.0.0.1 6379 10.0.0.2 6380"), pv_str("mine")), PV_OK);
    assert_string_equal(master.host, "10.0.0.2");
    assert_int_equal(master.port, 6380);
    assert_int_equal(pvr_switch_master(&master, pv_str("mine 10.0.0.1 6379 10.0.0.2"), pv_str("mine")), PV_INVALID);
    assert_int_equal(pvr_switch_master(&master, pv_str("mine2 10.0.0.1 1 10.0.0.2 2"), pv_str("mine")), PV_INVALID);
    assert_int_equal(pvr_switch_master(&master, pv_str(""), pv_str("mine")), PV_INVALID);

    /* it is said in the log */
    assert_int_equal(sentinel(&master, "*2\r\n$3\r\na\nb\r\n$4\r\n6380\r\n"), PV_INVALID);
    assert_int_equal(pvr_switch_master(&master, pv_str("mine a 1 b\nalert 1"), pv_str("mine")), PV_INVALID);
}


/* What was formatted is read again, and every cut of it is refused. */

static void
commands(void **state)
{
    size_t    i, whole;
    pv_buf_t  out;
    pv_str_t  rest, command, key, cut;

    (void) state;

    pv_buf_init(&out, 4096);
    assert_int_equal(pvr_form_put(&out, pv_str("example"), 1, pv_str("bytes\r\n")), PV_OK);
    whole = out.len;
    assert_int_equal(pvr_event_publish(&out, pv_str("example"), pv_str("published 1")), PV_OK);
    assert_int_equal(pvr_asking(&out), PV_OK);
    assert_int_equal(pvr_sentinel_ask(&out, pv_str("mine")), PV_OK);

    rest = (pv_str_t) { out.data, out.len };

    assert_int_equal(pvr_command_next(&rest, &command, &key), PV_OK);
    assert_int_equal(command.len, whole);
    assert_true(pv_str_eqs(key, "privacy:example:form:0000000000000001"));

    assert_int_equal(pvr_command_next(&rest, &command, &key), PV_OK);
    assert_int_equal(key.len, 0);
    assert_int_equal(pvr_command_next(&rest, &command, &key), PV_OK);
    assert_true(pv_str_eqs(command, "*1\r\n$6\r\nASKING\r\n"));
    assert_int_equal(pvr_command_next(&rest, &command, &key), PV_OK);
    assert_int_equal(rest.len, 0);
    assert_int_equal(pvr_command_next(&rest, &command, &key), PV_INVALID);

    for (i = 0; i < whole; i++) {
        cut = (pv_str_t) { out.data, i };
        assert_int_equal(pvr_command_next(&cut, &command, &key), PV_INVALID);
        assert_int_equal(cut.len, i);
    }

    pv_buf_free(&out);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(slots),
        cmocka_unit_test(redirects),
        cmocka_unit_test(ranges),
        cmocka_unit_test(nodes),
        cmocka_unit_test(roles),
        cmocka_unit_test(replicas_of_a_master),
        cmocka_unit_test(sentinels),
        cmocka_unit_test(commands)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
