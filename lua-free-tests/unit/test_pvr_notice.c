/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* What is said to Redis about notices, against RESP written by hand and against a redis-server. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pvr_notice.h"
#include "redis_fixture.h"

#define SUBJECT  "AAECAwQFBgcICQoLDA0O_w"


static const pv_str_t       site = pv_string("example");
static const unsigned char  digest[PV_SHA256_LEN] = { 0xab, 0xcd };
static const unsigned char  session[PV_SESSION_TAG_LEN] = { 0xab, 1, 2, 3, 4, 5, 6, 7 };

/* Bytes that text protocols stumble over. */
static const unsigned char  subjects[3][PV_SUBJECT_LEN] = {
    { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255 },
    { 0, '\r', '\n', ' ', '*', '$', '3', 0, 0, '\r', '\n', 255, 254, '"', '\\', 1 },
    { 0xff, 1 }
};


static redisReply *
parse(const char *resp)
{
    void         *reply;
    redisReader  *reader;

    reply = NULL;
    reader = redisReaderCreate();
    assert_int_equal(redisReaderFeed(reader, resp, strlen(resp)), REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    redisReaderFree(reader);
    assert_non_null(reply);

    return reply;
}


static void
test_keys(void **state)
{
    char  key[PVR_KEY_MAX];

    (void) state;

    assert_int_equal(pvr_key_notice_stream(key, site), 23);
    assert_string_equal(key, "privacy:example:notices");
    pvr_key_audience(key, site, digest);
    assert_string_equal(key, "privacy:example:audience:abcd000000000000000000000000000000000000000000000000000000000000");
    pvr_key_users(key, site, 0xff);
    assert_string_equal(key, "privacy:example:users:ff");
    pvr_key_users(key, site, 0);
    assert_string_equal(key, "privacy:example:users:00");
    pvr_key_notices(key, site, subjects[0]);
    assert_string_equal(key, "privacy:{example:" SUBJECT "}:notices");
}


static void
test_commands(void **state)
{
    pv_buf_t  out;

    (void) state;

    pv_buf_init(&out, 65536);
    assert_int_equal(pvr_notices_append(&out, site, 3, pv_str("x\n")), PV_OK);
    assert_string_equal((char *) out.data, "*5\r\n$4\r\nXADD\r\n$23\r\nprivacy:example:notices\r\n$3\r\n3-0\r\n$6\r\nsealed\r\n"
                        "$2\r\nx\n\r\n");
    out.len = 0;
    assert_int_equal(pvr_notices_newest(&out, site, 100000), PV_OK);
    assert_string_equal((char *) out.data, "*6\r\n$9\r\nXREVRANGE\r\n$23\r\nprivacy:example:notices\r\n$1\r\n+\r\n$1\r\n-\r\n"
                        "$5\r\nCOUNT\r\n$3\r\n256\r\n");
    out.len = 0;
    assert_int_equal(pvr_notice_set(&out, site, subjects[0], "v7", PV_NOTICE_LATER, 17, 0, session), PV_OK);
    assert_string_equal((char *) out.data, "*4\r\n$4\r\nHSET\r\n$48\r\nprivacy:{example:" SUBJECT "}:notices\r\n"
                        "$8\r\nv7:later\r\n$19\r\nab01020304050607 17\r\n");
    pv_buf_free(&out);

    /* too many, or none */

    pv_buf_init(&out, 65536);
    assert_int_equal(pvr_audience_add(&out, site, digest, subjects, 0), PV_ERROR);
    assert_true(out.failed);
    pv_buf_free(&out);
    pv_buf_init(&out, 65536);
    assert_int_equal(pvr_audience_members(&out, site, digest, NULL, PVR_SUBJECTS_MAX + 1), PV_ERROR);
    pv_buf_free(&out);
    pv_buf_init(&out, 65536);
    assert_int_equal(pvr_notice_marks(&out, site, subjects[0], NULL, PV_NOTICES_OPEN_MAX + 1), PV_ERROR);
    pv_buf_free(&out);
}


static void
test_entries(void **state)
{
    size_t               i;
    redisReply          *reply;
    pvr_notice_entry_t   e;

    static const struct { const char *resp; int rc; uint32_t number; } cases[] = {
        { "*1\r\n*2\r\n$3\r\n3-0\r\n*2\r\n$6\r\nsealed\r\n$2\r\nab\r\n", PV_OK, 3 },
        { "*1\r\n*2\r\n$12\r\n4294967295-0\r\n*2\r\n$6\r\nsealed\r\n$0\r\n\r\n", PV_OK, UINT32_MAX },
        /* somebody else's: to be read on behind it */
        { "*1\r\n*2\r\n$3\r\n3-0\r\n*2\r\n$5\r\nother\r\n$2\r\nab\r\n", PV_INVALID, 3 },
        { "*1\r\n*2\r\n$3\r\n3-0\r\n*4\r\n$6\r\nsealed\r\n$2\r\nab\r\n$1\r\na\r\n$1\r\nb\r\n", PV_INVALID, 3 },
        { "*1\r\n*2\r\n$3\r\n3-0\r\n*2\r\n$6\r\nsealed\r\n:1\r\n", PV_INVALID, 3 },
        { "*1\r\n*2\r\n$3\r\n3-0\r\n*-1\r\n", PV_INVALID, 3 },
        { "*1\r\n*2\r\n$3\r\n3-1\r\n*2\r\n$6\r\nsealed\r\n$2\r\nab\r\n", PV_INVALID, 0 },
        { "*1\r\n*2\r\n$3\r\n0-0\r\n*2\r\n$6\r\nsealed\r\n$2\r\nab\r\n", PV_INVALID, 0 },
        { "*1\r\n*2\r\n$12\r\n4294967296-0\r\n*2\r\n$6\r\nsealed\r\n$2\r\nab\r\n", PV_INVALID, 0 },
        { "*1\r\n*2\r\n:3\r\n*2\r\n$6\r\nsealed\r\n$2\r\nab\r\n", PV_INVALID, 0 },
        { "*1\r\n*1\r\n$3\r\n3-0\r\n", PV_INVALID, 0 }, { "*1\r\n$3\r\n3-0\r\n", PV_INVALID, 0 },
        { "*0\r\n", PV_INVALID, 0 }, { "$3\r\n3-0\r\n", PV_INVALID, 0 }, { "*-1\r\n", PV_INVALID, 0 }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        reply = parse(cases[i].resp);
        memset(&e, 0xee, sizeof(e));

        if (pvr_notice_entry(&e, reply, 0) != cases[i].rc || e.number != cases[i].number) {
            fail_msg("case %zu", i);
        }

        freeReplyObject(reply);
    }

    assert_int_equal(pvr_notice_entry(&e, NULL, 0), PV_INVALID);
}


static void
test_odd_replies(void **state)
{
    size_t               i, n;
    int64_t              met;
    pv_str_t             cursor;
    redisReply          *reply;
    unsigned char        listed[2], who[PV_SUBJECT_LEN];
    pv_notice_states_t   states;
    pv_notice_state_t    marks[1];

    static const char *const  odd[] = {
        "*-1\r\n", ":1\r\n", "$2\r\nab\r\n", "+OK\r\n", "-ERR x\r\n", "*1\r\n:1\r\n", "*3\r\n:1\r\n:0\r\n:1\r\n",
        "*2\r\n$1\r\n1\r\n:0\r\n", "*2\r\n$0\r\n\r\n*0\r\n", "*2\r\n$1\r\nx\r\n*0\r\n",
        "*2\r\n$21\r\n123456789012345678901\r\n*0\r\n"
    };

    (void) state;

    for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        reply = parse(odd[i]);
        memset(&states, 0, sizeof(states));
        memset(marks, 0, sizeof(marks));
        assert_int_equal(pvr_audience_listed(listed, 2, reply), PV_INVALID);
        assert_int_equal(pvr_scan(&cursor, &n, reply), PV_INVALID);
        assert_int_equal(pvr_user_time(reply), 0);
        assert_int_equal(pvr_notice_marks_read(marks, 1, reply), PV_INVALID);
        assert_int_equal(pvr_notice_recorded(reply), i == 6 ? PV_OK : PV_INVALID);
        if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 2) {
            assert_int_equal(pvr_notice_state_read(&states, reply), PV_INVALID);
        }
        freeReplyObject(reply);
    }

    /* a subject that is none is passed over, and so is a time */

    reply = parse("*2\r\n$1\r\n0\r\n*5\r\n$3\r\nabc\r\n$2\r\n17\r\n$16\r\n0123456789abcdef\r\n$1\r\nx\r\n$16\r\n0123456789abcdef\r\n");
    assert_int_equal(pvr_scan(&cursor, &n, reply), PV_OK);
    assert_int_equal(pvr_scan_users(n), 2);
    assert_int_equal(pvr_scan_user(who, &met, reply, 0), PV_INVALID);
    assert_int_equal(pvr_scan_user(who, &met, reply, 1), PV_INVALID);
    assert_int_equal(pvr_scan_user(who, &met, reply, 2), PV_INVALID);
    assert_int_equal(pvr_scan_member(who, reply, 4), PV_OK);
    assert_int_equal(pvr_scan_member(who, reply, 5), PV_INVALID);
    freeReplyObject(reply);
}


static void
test_event_texts(void **state)
{
    size_t              i;
    pvr_notice_event_t  e;

    static const char *const  bad[] = {
        "", "noticed", "noticed ", "noticed 0", "noticed 03", "noticed -1", "noticed 4294967296", "noticed 3 ",
        "published 3", "revoked " SUBJECT " 3", "answered", "answered " SUBJECT, "answered " SUBJECT " ",
        "answered " SUBJECT " x7",
        "answered " SUBJECT "  v7", "answered AAE v7", "left " SUBJECT, "left " SUBJECT " ab",
        "left " SUBJECT " AB01020304050607",
        "left " SUBJECT " ab01020304050607 ", "LEFT " SUBJECT " ab01020304050607", "answered " SUBJECT "A v7"
    };

    (void) state;

    assert_int_equal(pvr_notice_event_read(&e, pv_str("noticed 4294967295")), PV_OK);
    assert_int_equal(e.kind, PVR_NOTICED);
    assert_int_equal(e.number, UINT32_MAX);
    assert_int_equal(pvr_notice_event_read(&e, pv_str("answered " SUBJECT " v7")), PV_OK);
    assert_int_equal(e.kind, PVR_ANSWERED);
    assert_string_equal(e.id, "v7");
    assert_memory_equal(e.subject, subjects[0], PV_SUBJECT_LEN);
    assert_int_equal(pvr_notice_event_read(&e, pv_str("left " SUBJECT " ab01020304050607")), PV_OK);
    assert_int_equal(e.kind, PVR_LEFT);
    assert_memory_equal(e.session, session, sizeof(session));

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (pvr_notice_event_read(&e, pv_str(bad[i])) != PV_INVALID) {
            fail_msg("%s", bad[i]);
        }
    }
}


static void
test_stream(void **state)
{
    char                 sealed[] = "a\r\nb";
    pv_buf_t             out;
    redisReply          *reply;
    pvr_notice_entry_t   e;

    (void) state;

    if (redis == NULL) {
        skip();
    }

    pv_buf_init(&out, 65536);

    pvr_notices_append(&out, site, 1, pv_str(sealed));
    reply = redis_ask(redis, &out, 1);
    assert_int_equal(pvr_status(reply), PVR_OK);
    freeReplyObject(reply);

    /* once only, whatever it says */

    pvr_notices_append(&out, site, 1, pv_str("other"));
    reply = redis_ask(redis, &out, 1);
    assert_int_equal(pvr_status(reply), PVR_EXISTS);
    freeReplyObject(reply);

    pvr_notices_append(&out, site, 3, pv_str("c"));
    freeReplyObject(redis_ask(redis, &out, 1));

    pvr_notices_read(&out, site, 0, 10);
    reply = redis_ask(redis, &out, 1);
    assert_int_equal(reply->elements, 2);
    assert_int_equal(pvr_notice_entry(&e, reply, 0), PV_OK);
    assert_int_equal(e.number, 1);
    assert_true(pv_str_eqs(e.sealed, sealed));
    freeReplyObject(reply);

    pvr_notices_read(&out, site, 1, 10);
    reply = redis_ask(redis, &out, 1);
    assert_int_equal(reply->elements, 1);
    assert_int_equal(pvr_notice_entry(&e, reply, 0), PV_OK);
    assert_int_equal(e.number, 3);
    freeReplyObject(reply);

    pvr_notices_newest(&out, site, 1);
    reply = redis_ask(redis, &out, 1);
    assert_int_equal(reply->elements, 1);
    assert_int_equal(pvr_notice_entry(&e, reply, 0), PV_OK);
    assert_int_equal(e.number, 3);
    freeReplyObject(reply);

    pv_buf_free(&out);
}


static void
test_audience_and_users(void **state)
{
    size_t                i, n, seen;
    int64_t               met;
    pv_buf_t              out;
    pv_str_t              cursor;
    redisReply           *reply;
    unsigned char         listed[3], who[PV_SUBJECT_LEN];
    const unsigned char  *asked[3] = { subjects[2], subjects[1], subjects[0] };

    (void) state;

    if (redis == NULL) {
        skip();
    }

    pv_buf_init(&out, 65536);

    pvr_audience_members(&out, site, digest, asked, 3);
    reply = redis_ask(redis, &out, 1);
    assert_int_equal(pvr_audience_listed(listed, 3, reply), PV_OK);        /* there is no such set: nobody */
    assert_int_equal(listed[0] | listed[1] | listed[2], 0);
    freeReplyObject(reply);

    pvr_audience_add(&out, site, digest, subjects, 2);
    assert_int_equal(redis_number(redis, &out), 2);
    pvr_audience_add(&out, site, digest, subjects, 2);
    assert_int_equal(redis_number(redis, &out), 0);
    pvr_audience_count(&out, site, digest);
    assert_int_equal(redis_number(redis, &out), 2);

    pvr_audience_members(&out, site, digest, asked, 3);
    reply = redis_ask(redis, &out, 1);
    assert_int_equal(pvr_audience_listed(listed, 3, reply), PV_OK);
    assert_memory_equal(listed, "\0\1\1", 3);
    freeReplyObject(reply);

    pvr_audience_scan(&out, site, digest, pv_str("0"), 10);
    reply = redis_ask(redis, &out, 1);
    assert_int_equal(pvr_scan(&cursor, &n, reply), PV_OK);
    assert_int_equal(n, 2);
    assert_true(pv_str_eqs(cursor, "0"));
    for (i = 0, seen = 0; i < n; i++) {
        assert_int_equal(pvr_scan_member(who, reply, i), PV_OK);
        seen |= memcmp(who, subjects[0], PV_SUBJECT_LEN) == 0 ? 1 : memcmp(who, subjects[1], PV_SUBJECT_LEN) == 0 ? 2 : 4;
    }
    assert_int_equal(seen, 3);
    freeReplyObject(reply);

    /* met once */

    pvr_user_meet(&out, site, subjects[1], 1700000000);
    assert_int_equal(redis_number(redis, &out), 1);
    pvr_user_meet(&out, site, subjects[1], 1800000000);
    assert_int_equal(redis_number(redis, &out), 0);
    pvr_user_met(&out, site, subjects[1]);
    reply = redis_ask(redis, &out, 1);
    assert_int_equal(pvr_user_time(reply), 1700000000);
    freeReplyObject(reply);
    pvr_user_met(&out, site, subjects[0]);
    reply = redis_ask(redis, &out, 1);
    assert_int_equal(pvr_user_time(reply), 0);
    freeReplyObject(reply);

    pvr_users_scan(&out, site, subjects[1][0], pv_str("0"), 10);
    reply = redis_ask(redis, &out, 1);
    assert_int_equal(pvr_scan(&cursor, &n, reply), PV_OK);
    assert_int_equal(pvr_scan_users(n), 1);
    assert_int_equal(pvr_scan_user(who, &met, reply, 0), PV_OK);
    assert_memory_equal(who, subjects[1], PV_SUBJECT_LEN);
    assert_int_equal(met, 1700000000);
    freeReplyObject(reply);

    pv_buf_free(&out);
}


/* One transaction, of that many commands and the term. */
static void
recorded(pv_buf_t *out, unsigned replies, size_t commands)
{
    redisReply  *reply;

    assert_int_equal(replies, commands + 2);
    reply = redis_ask(redis, out, replies);
    assert_int_equal(pvr_notice_recorded(reply), PV_OK);
    assert_int_equal(reply->elements, commands);
    freeReplyObject(reply);
}


static void
test_what_became_of_it(void **state)
{
    size_t               i;
    unsigned             n;
    pv_buf_t             out;
    redisReply          *reply;
    pv_notice_state_t    marks[2];
    pv_notice_states_t   states;
    const char *const    ids[] = { "v7", "n3" };

    (void) state;

    if (redis == NULL) {
        skip();
    }

    pv_buf_init(&out, 65536);

    pvr_notice_set(&out, site, subjects[1], "v7", PV_NOTICE_WRITTEN, 100, 0, NULL);
    assert_int_equal(redis_number(redis, &out), 1);
    pvr_notice_set(&out, site, subjects[1], "v7", PV_NOTICE_WRITTEN, 200, 0, NULL);
    assert_int_equal(redis_number(redis, &out), 0);
    pvr_notice_set(&out, site, subjects[1], "v7", PV_NOTICE_LATER, 150, 0, session);
    assert_int_equal(redis_number(redis, &out), 1);
    pvr_notice_set(&out, site, subjects[1], "v7", PV_NOTICE_LATER, 155, 0, session);
    assert_int_equal(redis_number(redis, &out), 0);

    /* seen; then answered: of each the first time counts, and the first answer */

    n = pvr_notice_record(&out, site, subjects[1], "v7", PV_NOTICE_SEEN, 250, PV_ANSWER_NONE, session, 1000);
    recorded(&out, n, 2);

    for (i = 0; i < 2; i++) {
        n = pvr_notice_record(&out, site, subjects[1], "v7", PV_NOTICE_ACKNOWLEDGED, 300 + (int64_t) i,
                              i ? PV_ANSWER_DECLINED : PV_ANSWER_AGREED, session, 1000);
        recorded(&out, n, 4);
    }

    n = pvr_notice_record(&out, site, subjects[1], "v7", PV_NOTICE_LATER, 160, PV_ANSWER_NONE, session, 1000);
    recorded(&out, n, 3);

    n = pvr_notice_record(&out, site, subjects[1], "n3", PV_NOTICE_ACKNOWLEDGED, 400, PV_ANSWER_NONE, session, 1000);
    recorded(&out, n, 3);

    memset(&states, 0, sizeof(states));
    strcpy(states.states[0].id, "n3");
    strcpy(states.states[1].id, "v7");
    states.count = 2;
    pvr_notice_state(&out, site, subjects[1]);
    reply = redis_ask(redis, &out, 1);
    assert_int_equal(pvr_notice_state_read(&states, reply), PV_OK);
    freeReplyObject(reply);
    assert_int_equal(states.states[1].at[PV_NOTICE_WRITTEN], 100);
    assert_int_equal(states.states[1].at[PV_NOTICE_SEEN], 250);
    assert_int_equal(states.states[1].at[PV_NOTICE_ACKNOWLEDGED], 300);
    assert_int_equal(states.states[1].at[PV_NOTICE_LATER], 160);
    assert_int_equal(states.states[1].answer, PV_ANSWER_AGREED);
    assert_memory_equal(states.states[1].session, session, sizeof(session));
    assert_int_equal(states.states[0].at[PV_NOTICE_ACKNOWLEDGED], 400);
    assert_int_equal(states.states[0].at[PV_NOTICE_SEEN], 400);
    assert_int_equal(states.states[0].answer, PV_ANSWER_NONE);
    assert_int_equal(states.changes_done, 7);

    memset(marks, 0, sizeof(marks));
    pvr_notice_marks(&out, site, subjects[1], ids, 2);
    reply = redis_ask(redis, &out, 1);
    assert_int_equal(pvr_notice_marks_read(marks, 2, reply), PV_OK);
    freeReplyObject(reply);
    assert_memory_equal(marks[0].at, states.states[1].at, sizeof(marks[0].at));
    assert_memory_equal(marks[1].at, states.states[0].at, sizeof(marks[1].at));

    pvr_notice_expire(&out, site, subjects[1], 500);
    assert_int_equal(redis_number(redis, &out), 1);
    reply = redisCommand(redis, "TTL privacy:{example:AA0KICokMwAADQr__iJcAQ}:notices");
    assert_in_range(reply->integer, 400, 500);
    freeReplyObject(reply);

    pv_buf_free(&out);
}


static void
test_events(void **state)
{
    int                  i;
    pv_buf_t             out;
    redisReply          *reply;
    redisContext        *listener;
    pvr_notice_event_t   e;

    (void) state;

    if (redis == NULL) {
        skip();
    }

    pv_buf_init(&out, 65536);
    listener = redisConnectUnix(redis_address);
    assert_non_null(listener);
    pvr_subscribe(&out, site);
    freeReplyObject(redis_ask(listener, &out, 1));

    for (i = PVR_NOTICED; i <= PVR_LEFT; i++) {
        if (i == PVR_NOTICED) {
            pvr_event_noticed(&out, site, 3);
        } else if (i == PVR_ANSWERED) {
            pvr_event_answered(&out, site, subjects[1], "n3");
        } else {
            pvr_event_left(&out, site, subjects[1], session);
        }

        assert_int_equal(redis_number(redis, &out), 1);
        assert_int_equal(redisGetReply(listener, (void **) &reply), REDIS_OK);
        assert_int_equal(pvr_notice_event_read(&e, (pv_str_t) { (unsigned char *) reply->element[2]->str,
                                                                reply->element[2]->len }), PV_OK);
        assert_int_equal(e.kind, i);
        if (i != PVR_NOTICED) {
            assert_memory_equal(e.subject, subjects[1], PV_SUBJECT_LEN);
        }
        freeReplyObject(reply);
    }

    redisFree(listener);
    pv_buf_free(&out);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_entries),
        cmocka_unit_test(test_odd_replies),
        cmocka_unit_test(test_event_texts),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_audience_and_users),
        cmocka_unit_test(test_what_became_of_it),
        cmocka_unit_test(test_events)
    };

    return cmocka_run_group_tests(tests, redis_fixture_start, redis_fixture_stop);
}
