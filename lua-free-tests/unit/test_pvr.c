/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * What is said to Redis, byte for byte, and what its answers mean: against
 * RESP written by hand, and against a redis-server of our own on a private
 * Unix socket.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "pvr_notice.h"
#include "pvr_limit.h"
#include "redis_fixture.h"


static const pv_str_t       site = pv_string("example");
static const unsigned char  subject[PV_SUBJECT_LEN] = {
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255
};
static const unsigned char  digest[PV_SHA256_LEN] = { 0xab, 0xcd };

#define DIGEST   "abcd000000000000000000000000000000000000000000000000000000000000"
#define SUBJECT  "AAECAwQFBgcICQoLDA0O_w"
#define LEDGER   "privacy:{example:" SUBJECT "}:ledger"


static pv_str_t
text(const char *s)
{
    return (pv_str_t) { (const unsigned char *) s, strlen(s) };
}


/* The first reply in the bytes, or NULL when they are not a whole one. */

static redisReply *
parse(const char *resp, size_t len)
{
    void         *reply;
    redisReader  *reader;

    reader = redisReaderCreate();
    assert_non_null(reader);
    assert_int_equal(redisReaderFeed(reader, resp, len), REDIS_OK);

    reply = NULL;
    (void) redisReaderGetReply(reader, &reply);
    redisReaderFree(reader);

    return reply;
}


static pvr_status_t
status_of(const char *resp)
{
    redisReply    *reply;
    pvr_status_t   status;

    reply = parse(resp, strlen(resp));
    status = pvr_status(reply);
    freeReplyObject(reply);

    return status;
}


static void
test_keys(void **state)
{
    char      key[PVR_KEY_MAX], longest[PV_SITE_MAX];
    pv_str_t  wide = { (unsigned char *) longest, PV_SITE_MAX };

    (void) state;

    assert_int_equal(pvr_key_bundle(key, site, digest), strlen("privacy:example:bundle:" DIGEST));
    assert_string_equal(key, "privacy:example:bundle:" DIGEST);
    pvr_key_policies(key, site);
    assert_string_equal(key, "privacy:example:policies");
    pvr_key_form(key, site, 0xab);
    assert_string_equal(key, "privacy:example:form:00000000000000ab");
    pvr_key_ledger(key, site, subject);
    assert_string_equal(key, LEDGER);
    pvr_key_notices(key, site, subject);
    assert_string_equal(key, "privacy:{example:" SUBJECT "}:notices");
    pvr_key_events(key, site);
    assert_string_equal(key, "privacy:example:events");

    memset(longest, 'x', PV_SITE_MAX);
    assert_true(pvr_key_bundle(key, wide, digest) > 0);
    assert_true(pvr_key_ledger(key, wide, subject) > 0);
}


/* A name that does not fit is no command at all, never one with a cut key. */

static void
test_key_too_long(void **state)
{
    char      key[PVR_KEY_MAX], name[PVR_KEY_MAX];
    pv_buf_t  out;
    pv_str_t  wide = { (unsigned char *) name, sizeof(name) };

    (void) state;

    memset(name, 'x', sizeof(name));
    assert_int_equal(pvr_key_policies(key, wide), 0);

    pv_buf_init(&out, 4096);
    assert_int_equal(pvr_policies_read(&out, wide, 0, 1), PV_ERROR);
    assert_int_equal(out.len, 0);
    assert_true(out.failed);
    pv_buf_free(&out);

    pv_buf_init(&out, 4096);
    assert_int_equal(pvr_ledger_read(&out, wide, subject, 1, 1), PV_ERROR);
    assert_true(out.failed);
    pv_buf_free(&out);

    pv_buf_init(&out, 4096);
    assert_int_equal(pvr_ledger_append(&out, wide, subject, 1, text("a"), 1900000000), PV_ERROR);
    assert_true(out.failed);
    assert_int_equal(out.len, 0);
    pv_buf_free(&out);
}


/* Each as hiredis formats it, whatever was appended before: same sizes, other sizes, another site. */

static void
test_append(void **state)
{
    int           pass;
    char          key[PVR_KEY_MAX], at[32], field[32], *formatted;
    size_t        i, len[4];
    pv_buf_t      out, want;
    const char   *argv[4];
    long          size;

    static const struct {
        const char  *site;
        const char  *record;
        uint32_t     position;
        int64_t      term;
    } appends[] = {
        { "example", "0123456789", 1, 1900000000 },
        { "example", "9876543210", 2, 1900000001 },
        { "another", "\1\2\3\4\5\1\2\3\4\5", 9, 1999999999 },
        { "example", "0123456789", 10, 1900000000 },
        { "example", "01234567890", 10, 1900000000 },
        { "x", "01234567890", 4294967295u, 99999999999 },
        { "example", "0123456789", 1, 0 },
        { "example", "0123456789", 1, -1 }
    };

    (void) state;

    pv_buf_init(&out, 4096);
    pv_buf_init(&want, 4096);

    for (pass = 0; pass < 2; pass++) {
        for (i = 0; i < sizeof(appends) / sizeof(appends[0]); i++) {
            snprintf(field, sizeof(field), "%u", appends[i].position);
            snprintf(at, sizeof(at), "%lld", appends[i].term > 0 ? (long long) appends[i].term : 0);

            want.len = 0;
            pv_buf_puts(&want, "*1\r\n$5\r\nMULTI\r\n");

            argv[0] = "HSETNX";
            argv[1] = key;
            argv[2] = field;
            argv[3] = appends[i].record;
            len[0] = 6;
            len[1] = pvr_key_ledger(key, pv_str(appends[i].site), subject);
            len[2] = strlen(field);
            len[3] = strlen(appends[i].record);

            size = redisFormatCommandArgv(&formatted, 4, argv, len);
            pv_buf_add(&want, formatted, (size_t) size);
            redisFreeCommand(formatted);

            argv[0] = "EXPIRE";
            argv[2] = at;
            len[0] = 6;
            len[2] = strlen(at);

            size = redisFormatCommandArgv(&formatted, 3, argv, len);
            pv_buf_add(&want, formatted, (size_t) size);
            redisFreeCommand(formatted);

            pv_buf_puts(&want, "*1\r\n$4\r\nEXEC\r\n");

            out.len = 0;
            assert_int_equal(pvr_ledger_append(&out, pv_str(appends[i].site), subject, appends[i].position,
                                               text(appends[i].record), appends[i].term), PV_OK);
            assert_int_equal(out.len, want.len);
            assert_memory_equal(out.data, want.data, want.len);
        }
    }

    pv_buf_free(&out);
    pv_buf_free(&want);

    /* nothing is sent half */

    pv_buf_init(&out, 100);
    assert_int_equal(pvr_ledger_append(&out, site, subject, 1, text("a"), 1900000000), PV_ERROR);
    assert_true(out.failed);
    assert_int_equal(out.len, 0);
    pv_buf_free(&out);

    pv_buf_init(&out, 4096);
    assert_int_equal(pvr_ledger_append(&out, site, subject, 1, text(""), 1900000000), PV_ERROR);
    assert_true(out.failed);
    pv_buf_free(&out);
}


static void
test_commands(void **state)
{
    pv_buf_t  out;

    (void) state;

    pv_buf_init(&out, 65536);

    assert_int_equal(pvr_ledger_append(&out, site, subject, 7, text("a\nb"), 1900000000), PV_OK);
    assert_string_equal((char *) out.data,
                        "*1\r\n$5\r\nMULTI\r\n"
                        "*4\r\n$6\r\nHSETNX\r\n$47\r\n" LEDGER "\r\n$1\r\n7\r\n$3\r\na\nb\r\n"
                        "*3\r\n$6\r\nEXPIRE\r\n$47\r\n" LEDGER "\r\n$10\r\n1900000000\r\n"
                        "*1\r\n$4\r\nEXEC\r\n");

    out.len = 0;
    assert_int_equal(pvr_ledger_read(&out, site, subject, 4294967295u, 2), PV_OK);
    assert_string_equal((char *) out.data, "*4\r\n$5\r\nHMGET\r\n$47\r\n" LEDGER
                                           "\r\n$10\r\n4294967295\r\n$10\r\n4294967296\r\n");

    out.len = 0;
    assert_int_equal(pvr_policies_read(&out, site, 3, 10), PV_OK);
    assert_string_equal((char *) out.data, "*6\r\n$6\r\nXRANGE\r\n$24\r\nprivacy:example:policies\r\n"
                                           "$4\r\n(3-0\r\n$1\r\n+\r\n$5\r\nCOUNT\r\n$2\r\n10\r\n");

    out.len = 0;
    assert_int_equal(pvr_subscribe(&out, site), PV_OK);
    assert_string_equal((char *) out.data, "*2\r\n$9\r\nSUBSCRIBE\r\n$22\r\nprivacy:example:events\r\n");

    out.len = 0;
    assert_int_equal(pvr_ledger_read(&out, site, subject, 1, 0), PV_ERROR);
    assert_true(out.failed);
    pv_buf_free(&out);

    pv_buf_init(&out, 16);
    assert_int_equal(pvr_ledger_length(&out, site, subject), PV_ERROR);
    assert_true(out.failed);
    pv_buf_free(&out);
}


static void
test_statuses(void **state)
{
    unsigned  i, j;

    (void) state;

    assert_int_equal(status_of("+OK\r\n"), PVR_OK);
    assert_int_equal(status_of("$-1\r\n"), PVR_OK);
    assert_int_equal(status_of("-LOADING Redis is loading the dataset in memory\r\n"), PVR_LOADING);
    assert_int_equal(status_of("-READONLY You can't write against a read only replica.\r\n"), PVR_READONLY);
    assert_int_equal(status_of("-OOM command not allowed\r\n"), PVR_OOM);
    assert_int_equal(status_of("-MISCONF Redis is configured to save\r\n"), PVR_MISCONF);
    assert_int_equal(status_of("-NOREPLICAS Not enough good replicas\r\n"), PVR_NOREPLICAS);
    assert_int_equal(status_of("-CLUSTERDOWN Hash slot not served\r\n"), PVR_CLUSTERDOWN);
    assert_int_equal(status_of("-MOVED 3999 127.0.0.1:6381\r\n"), PVR_MOVED);
    assert_int_equal(status_of("-ASK 3999 127.0.0.1:6381\r\n"), PVR_ASK);
    assert_int_equal(status_of("-TRYAGAIN Multiple keys\r\n"), PVR_TRYAGAIN);
    assert_int_equal(status_of("-NOPERM this user\r\n"), PVR_NOPERM);
    assert_int_equal(status_of("-NOAUTH Authentication required.\r\n"), PVR_NOAUTH);
    assert_int_equal(status_of("-WRONGPASS invalid username-password pair\r\n"), PVR_NOAUTH);
    assert_int_equal(status_of("-ERR whatever\r\n"), PVR_ERROR);
    assert_int_equal(status_of("-ASKED is another word\r\n"), PVR_ERROR);
    assert_int_equal(status_of("-\r\n"), PVR_ERROR);
    assert_int_equal(pvr_status(NULL), PVR_PROTOCOL);

    for (i = 0; i < PVR_STATUSES; i++) {
        for (j = 0; j < i; j++) {
            assert_string_not_equal(pvr_status_name(i), pvr_status_name(j));
        }
    }

    assert_true(pvr_unknown(PVR_TIMEOUT) && pvr_unknown(PVR_CLOSED) && pvr_unknown(PVR_PROTOCOL));
    assert_false(pvr_unknown(PVR_OK) || pvr_unknown(PVR_UNREACHABLE) || pvr_unknown(PVR_OOM));
}


static void
test_appended(void **state)
{
    size_t       i;
    redisReply  *reply;

    static const struct { const char *resp; int result; } cases[] = {
        { "*2\r\n:1\r\n:1\r\n", 1 },
        { "*2\r\n:0\r\n:1\r\n", 0 },
        { "*2\r\n:2\r\n:1\r\n", -1 },
        { "*2\r\n-WRONGTYPE x\r\n:1\r\n", -1 },
        { "*2\r\n:1\r\n-ERR x\r\n", -1 },
        { "*1\r\n:1\r\n", -1 },
        { "*-1\r\n", -1 },
        { ":1\r\n", -1 },
        { "-EXECABORT Transaction discarded\r\n", -1 }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        reply = parse(cases[i].resp, strlen(cases[i].resp));
        assert_int_equal(pvr_ledger_appended(reply), cases[i].result);
        freeReplyObject(reply);
    }
}


static int
entry_of(pvr_policy_entry_t *e, const char *id, const char *fields)
{
    int          rc, n;
    char         resp[1024];
    redisReply  *reply;

    n = snprintf(resp, sizeof(resp), "*1\r\n*2\r\n$%zu\r\n%s\r\n%s", strlen(id), id, fields);
    reply = parse(resp, (size_t) n);
    assert_non_null(reply);

    rc = pvr_policy_entry(e, reply, 0);
    freeReplyObject(reply);

    return rc;
}


#define DIGEST_FIELD     "$6\r\ndigest\r\n$64\r\n" DIGEST "\r\n"
#define VERSION_FIELD    "$7\r\nversion\r\n$2\r\nv1\r\n"
#define KIND_FIELD       "$4\r\nkind\r\n$7\r\nversion\r\n"
#define KEY_FIELD        "$4\r\nkind\r\n$3\r\nkey\r\n"
#define EFFECTIVE_FIELD  "$9\r\neffective\r\n$10\r\n1900000000\r\n"

static void
test_policy_entry(void **state)
{
    pvr_policy_entry_t  e;

    static const char  good[] = "*8\r\n" KIND_FIELD DIGEST_FIELD VERSION_FIELD EFFECTIVE_FIELD;

    (void) state;

    assert_int_equal(entry_of(&e, "3-0", good), PV_OK);
    assert_int_equal(e.sequence, 3);
    assert_int_equal(e.kind, PV_ENTRY_VERSION);
    assert_memory_equal(e.digest, digest, PV_SHA256_LEN);
    assert_int_equal(e.effective, 1900000000);
    assert_int_equal(e.version.len, 2);

    assert_int_equal(entry_of(&e, "4294967295-0", good), PV_OK);
    assert_int_equal(entry_of(&e, "3-0", "*10\r\n" DIGEST_FIELD "$1\r\nx\r\n$1\r\ny\r\n" VERSION_FIELD KIND_FIELD
                                         EFFECTIVE_FIELD), PV_OK);

    assert_int_equal(entry_of(&e, "4-0", "*4\r\n" KEY_FIELD DIGEST_FIELD), PV_OK);
    assert_int_equal(e.kind, PV_ENTRY_KEY);
    assert_int_equal(e.version.len, 0);
    assert_int_equal(e.effective, 0);

    assert_int_equal(entry_of(&e, "3-1", good), PV_INVALID);
    assert_int_equal(entry_of(&e, "0-0", good), PV_INVALID);
    assert_int_equal(entry_of(&e, "-0", good), PV_INVALID);
    assert_int_equal(entry_of(&e, "03-0", good), PV_INVALID);
    assert_int_equal(entry_of(&e, "4294967296-0", good), PV_INVALID);
    assert_int_equal(entry_of(&e, "99999999999999999999-0", good), PV_INVALID);
    assert_int_equal(entry_of(&e, "3-0", "*6\r\n" DIGEST_FIELD VERSION_FIELD EFFECTIVE_FIELD), PV_INVALID);
    assert_int_equal(entry_of(&e, "3-0", "*6\r\n" KIND_FIELD DIGEST_FIELD VERSION_FIELD), PV_INVALID);
    assert_int_equal(entry_of(&e, "3-0", "*8\r\n" KEY_FIELD DIGEST_FIELD VERSION_FIELD EFFECTIVE_FIELD), PV_INVALID);
    assert_int_equal(entry_of(&e, "3-0", "*4\r\n$4\r\nkind\r\n$4\r\nnote\r\n" DIGEST_FIELD), PV_INVALID);
    assert_int_equal(entry_of(&e, "3-0", "*7\r\n" KIND_FIELD DIGEST_FIELD VERSION_FIELD "$1\r\nx\r\n"), PV_INVALID);
    assert_int_equal(entry_of(&e, "3-0", "*10\r\n" KIND_FIELD DIGEST_FIELD VERSION_FIELD EFFECTIVE_FIELD VERSION_FIELD),
                     PV_INVALID);
    assert_int_equal(entry_of(&e, "3-0", "*8\r\n" KIND_FIELD "$6\r\ndigest\r\n$2\r\nab\r\n" VERSION_FIELD
                                         EFFECTIVE_FIELD), PV_INVALID);
    assert_int_equal(entry_of(&e, "3-0", "*8\r\n" KIND_FIELD "$6\r\ndigest\r\n:5\r\n" VERSION_FIELD EFFECTIVE_FIELD),
                     PV_INVALID);
    assert_int_equal(entry_of(&e, "3-0", "*8\r\n" KIND_FIELD DIGEST_FIELD VERSION_FIELD
                                         "$9\r\neffective\r\n$2\r\n1x\r\n"), PV_INVALID);
    assert_int_equal(entry_of(&e, "3-0", "*-1\r\n"), PV_INVALID);
    assert_int_equal(pvr_policy_entry(&e, NULL, 0), PV_INVALID);
}


/* The limits: what is refused, and on which byte at the latest. */

static void
test_limit_refuses(void **state)
{
    size_t       i, j;
    pvr_limit_t  limit;

    static const char *const  bad[] = {
        "$99999999999\r\n", "$67108865\r\n", "*999999\r\n", "*524289\r\n", "*9223372036854775807\r\n",
        "*300000\r\n:1\r\n*300000\r\n",
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
        "$-2\r\n", "*-2\r\n", "$\r\n", "*\r\n", ":\r\n", ":12x\r\n", "$1 \r\n", "+a\nb\r\n", "+a\rb\r\n", "HTTP/1.1",
        "$3\r\nabcd\r\n", "$0\r\nx", ":12345678901234567890\r\n", "%1\r\n", "\r\n", "$--1\r\n"
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        pvr_limit_init(&limit);
        assert_int_equal(pvr_limit_feed(&limit, (const unsigned char *) bad[i], strlen(bad[i])), PV_INVALID);
        assert_int_equal(pvr_limit_feed(&limit, (const unsigned char *) "+OK\r\n", 5), PV_INVALID);

        pvr_limit_init(&limit);

        for (j = 0; j < strlen(bad[i]); j++) {
            if (pvr_limit_feed(&limit, (const unsigned char *) bad[i] + j, 1) != PV_OK) {
                break;
            }
        }

        assert_true(j < strlen(bad[i]));
    }
}


static void
test_limit_long_line(void **state)
{
    int                rc;
    size_t             fed;
    pvr_limit_t        limit;
    unsigned char      piece[1024];

    (void) state;

    memset(piece, 'a', sizeof(piece));
    pvr_limit_init(&limit);
    assert_int_equal(pvr_limit_feed(&limit, (const unsigned char *) "+", 1), PV_OK);

    rc = PV_OK;

    for (fed = 0; rc == PV_OK && fed < 4 * PVR_LIMIT_LINE; fed += sizeof(piece)) {
        rc = pvr_limit_feed(&limit, piece, sizeof(piece));
    }

    assert_int_equal(rc, PV_INVALID);
    assert_true(fed <= PVR_LIMIT_LINE + sizeof(piece));
}


/* Cut at every two places, and truncated at each byte: the scanner counts the replies that hiredis reads. */

static void
test_limit_splits(void **state)
{
    void         *reply;
    size_t        i, j, len, replies;
    redisReader  *reader;
    pvr_limit_t   limit;

    static const char  resp[] = "+OK\r\n-ERR x\r\n:-12\r\n:9223372036854775807\r\n$-1\r\n*-1\r\n*0\r\n$0\r\n\r\n"
                                "$5\r\n\r\n*9\n\r\n*2\r\n*2\r\n:1\r\n*0\r\n*1\r\n*1\r\n$1\r\nx\r\n:7\r\n";

    (void) state;

    len = sizeof(resp) - 1;

    for (i = 0; i <= len; i++) {
        for (j = i; j <= len; j++) {
            pvr_limit_init(&limit);
            assert_int_equal(pvr_limit_feed(&limit, (const unsigned char *) resp, i), PV_OK);
            assert_int_equal(pvr_limit_feed(&limit, (const unsigned char *) resp + i, j - i), PV_OK);
            assert_int_equal(pvr_limit_feed(&limit, (const unsigned char *) resp + j, len - j), PV_OK);
            assert_int_equal(limit.replies, 11);
        }

        pvr_limit_init(&limit);
        assert_int_equal(pvr_limit_feed(&limit, (const unsigned char *) resp, i), PV_OK);

        reader = redisReaderCreate();
        redisReaderFeed(reader, resp, i);

        for (replies = 0; redisReaderGetReply(reader, &reply) == REDIS_OK && reply; replies++) {
            freeReplyObject(reply);
        }

        assert_int_equal(limit.replies, replies);
        redisReaderFree(reader);
    }
}


/* The limits are for one reply: many that are small pass. */

static void
test_limit_many(void **state)
{
    unsigned     i;
    pvr_limit_t  limit;

    (void) state;

    pvr_limit_init(&limit);

    for (i = 0; i < PVR_REPLY_ELEMENTS; i++) {
        assert_int_equal(pvr_limit_feed(&limit, (const unsigned char *) "*2\r\n:1\r\n$2\r\nab\r\n", 16), PV_OK);
    }

    assert_int_equal(limit.replies, PVR_REPLY_ELEMENTS);
}


static void
test_ledger(void **state)
{
    pv_buf_t       out;
    redisReply    *reply;
    unsigned char  record[PV_RECORD_MAX];
    pv_str_t       bytes = { record, sizeof(record) };

    (void) state;

    if (redis == NULL) {
        skip();
    }

    memset(record, 0, sizeof(record));
    record[1] = '\r';
    pv_buf_init(&out, 65536);

    pvr_ledger_append(&out, site, subject, 1, bytes, 1000);
    reply = redis_ask(redis, &out, PVR_LEDGER_APPEND_REPLIES);
    assert_int_equal(pvr_ledger_appended(reply), 1);
    freeReplyObject(reply);

    /* the same position again: refused, nothing is overwritten, whatever the bytes */

    record[0] = 9;
    pvr_ledger_append(&out, site, subject, 1, bytes, 1000);
    reply = redis_ask(redis, &out, PVR_LEDGER_APPEND_REPLIES);
    assert_int_equal(pvr_ledger_appended(reply), 0);
    freeReplyObject(reply);

    pvr_ledger_read(&out, site, subject, 1, 2);
    reply = redis_ask(redis, &out, 1);
    assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
    assert_int_equal(reply->elements, 2);
    assert_int_equal(reply->element[0]->len, sizeof(record));
    record[0] = 0;
    assert_memory_equal(reply->element[0]->str, record, sizeof(record));
    assert_int_equal(reply->element[1]->type, REDIS_REPLY_NIL);
    freeReplyObject(reply);

    pvr_ledger_length(&out, site, subject);
    assert_int_equal(redis_number(redis, &out), 1);

    reply = redisCommand(redis, "TTL %s", LEDGER);
    assert_in_range(reply->integer, 990, 1000);
    freeReplyObject(reply);

    reply = redisCommand(redis, "OBJECT ENCODING %s", LEDGER);
    assert_string_equal(reply->str, "listpack");
    freeReplyObject(reply);

    pv_buf_free(&out);
}


static void
test_write_once(void **state)
{
    pv_buf_t     out;
    redisReply  *reply;

    (void) state;

    if (redis == NULL) {
        skip();
    }

    pv_buf_init(&out, 65536);

    pvr_form_exists(&out, site, 5);
    assert_int_equal(redis_number(redis, &out), 0);

    pvr_form_put(&out, site, 5, text("one"));
    pvr_form_put(&out, site, 5, text("two"));
    reply = redis_ask(redis, &out, 2);
    assert_int_equal(pvr_status(reply), PVR_OK);
    assert_int_equal(reply->type, REDIS_REPLY_NIL);
    freeReplyObject(reply);

    pvr_form_exists(&out, site, 5);
    assert_int_equal(redis_number(redis, &out), 1);

    pvr_bundle_put(&out, site, digest, text("sealed"));
    pvr_bundle_put(&out, site, digest, text("other"));
    pvr_bundle_get(&out, site, digest);
    reply = redis_ask(redis, &out, 3);
    assert_string_equal(reply->str, "sealed");
    freeReplyObject(reply);

    assert_int_equal(pvr_bundle_range(&out, site, digest, 1, 3), PV_OK);
    assert_int_equal(pvr_bundle_range(&out, site, digest, 4, 4096), PV_OK);
    reply = redis_ask(redis, &out, 1);
    assert_string_equal(reply->str, "eal");
    freeReplyObject(reply);
    assert_int_equal(redisGetReply(redis, (void **) &reply), REDIS_OK);
    assert_string_equal(reply->str, "ed");
    freeReplyObject(reply);

    pv_buf_free(&out);
}


static void
test_publication_log(void **state)
{
    unsigned             i;
    pv_buf_t             out;
    pv_head_t            head;
    redisReply          *reply;
    pvr_policy_entry_t   e;

    (void) state;

    if (redis == NULL) {
        skip();
    }

    pv_buf_init(&out, 65536);
    memset(&head, 0, sizeof(head));
    memcpy(head.digest, digest, PV_SHA256_LEN);

    for (i = 1; i <= 4; i++) {
        head.kind = i == 4 ? PV_ENTRY_WITHDRAWAL : PV_ENTRY_VERSION;
        head.sequence = i;
        head.version = text("2026-12-01");
        head.effective = 1900000000 + i;
        pvr_policies_append(&out, site, &head);
        reply = redis_ask(redis, &out, 1);
        assert_int_equal(pvr_status(reply), PVR_OK);
        freeReplyObject(reply);
    }

    /* the compare-and-set: who comes second is told */

    head.sequence = 3;
    pvr_policies_append(&out, site, &head);
    reply = redis_ask(redis, &out, 1);
    assert_int_equal(pvr_status(reply), PVR_EXISTS);
    freeReplyObject(reply);

    pvr_policies_read(&out, site, 1, 10);
    reply = redis_ask(redis, &out, 1);
    assert_int_equal(reply->elements, 3);
    assert_int_equal(pvr_policy_entry(&e, reply, 1), PV_OK);
    assert_int_equal(e.sequence, 3);
    assert_int_equal(e.effective, 1900000003);
    assert_true(pv_str_eqs(e.version, "2026-12-01"));
    assert_memory_equal(e.digest, digest, PV_SHA256_LEN);
    assert_int_equal(pvr_policy_entry(&e, reply, 2), PV_OK);
    assert_int_equal(e.kind, PV_ENTRY_WITHDRAWAL);
    assert_int_equal(pvr_policy_entry(&e, reply, 3), PV_INVALID);
    freeReplyObject(reply);

    pv_buf_free(&out);
}


static void
test_events(void **state)
{
    pv_buf_t       out;
    redisReply    *reply;
    redisContext  *listener;

    (void) state;

    if (redis == NULL) {
        skip();
    }

    pv_buf_init(&out, 65536);

    listener = redisConnectUnix(redis_address);
    assert_non_null(listener);
    pvr_subscribe(&out, site);
    reply = redis_ask(listener, &out, 1);
    assert_string_equal(reply->element[0]->str, "subscribe");
    freeReplyObject(reply);

    pvr_event_publish(&out, site, text("published 3"));
    assert_int_equal(redis_number(redis, &out), 1);

    assert_int_equal(redisGetReply(listener, (void **) &reply), REDIS_OK);
    assert_string_equal(reply->element[0]->str, "message");
    assert_string_equal(reply->element[2]->str, "published 3");
    freeReplyObject(reply);

    redisFree(listener);
    pv_buf_free(&out);
}


/* The errors that a server gives, and not only those that we remember. */

static void
test_real_errors(void **state)
{
    redisReply  *reply;

    (void) state;

    if (redis == NULL) {
        skip();
    }

    reply = redisCommand(redis, "CONFIG SET maxmemory 1");
    freeReplyObject(reply);
    reply = redisCommand(redis, "SET a b");
    assert_int_equal(pvr_status(reply), PVR_OOM);
    freeReplyObject(reply);
    reply = redisCommand(redis, "CONFIG SET maxmemory 0");
    freeReplyObject(reply);

    reply = redisCommand(redis, "CONFIG SET min-replicas-to-write 1");
    freeReplyObject(reply);
    reply = redisCommand(redis, "SET a b");
    assert_int_equal(pvr_status(reply), PVR_NOREPLICAS);
    freeReplyObject(reply);
    reply = redisCommand(redis, "CONFIG SET min-replicas-to-write 0");
    freeReplyObject(reply);

    reply = redisCommand(redis, "AUTH nobody nothing");
    assert_int_equal(pvr_status(reply), PVR_NOAUTH);
    freeReplyObject(reply);

    reply = redisCommand(redis, "ACL SETUSER weak on nopass ~* -@all +auth +acl");
    freeReplyObject(reply);
    reply = redisCommand(redis, "AUTH weak x");
    freeReplyObject(reply);
    reply = redisCommand(redis, "GET a");
    assert_int_equal(pvr_status(reply), PVR_NOPERM);
    freeReplyObject(reply);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_key_too_long),
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_appended),
        cmocka_unit_test(test_policy_entry),
        cmocka_unit_test(test_limit_refuses),
        cmocka_unit_test(test_limit_long_line),
        cmocka_unit_test(test_limit_splits),
        cmocka_unit_test(test_limit_many),
        cmocka_unit_test(test_ledger),
        cmocka_unit_test(test_write_once),
        cmocka_unit_test(test_publication_log),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_real_errors)
    };

    return cmocka_run_group_tests(tests, redis_fixture_start, redis_fixture_stop);
}
