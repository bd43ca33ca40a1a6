/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * Replies in one piece of memory: the same as those of hiredis' own reader, in
 * pieces of any size, and nothing of them left behind (the sanitizers look).
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pv_bytes.h"
#include "pvr_reader.h"


static void
assert_same(const redisReply *a, const redisReply *b)
{
    size_t  i;

    assert_int_equal(a->type, b->type);
    assert_int_equal(a->integer, b->integer);
    assert_int_equal(a->len, b->len);
    assert_int_equal(a->elements, b->elements);
    assert_int_equal(a->str == NULL, b->str == NULL);

    if (a->str != NULL) {
        assert_memory_equal(a->str, b->str, a->len + 1);
    }

    for (i = 0; i < a->elements; i++) {
        assert_same(a->element[i], b->element[i]);
    }
}


/* Both readers are fed the same pieces; all replies are compared when the last has come, and freed in turn. */
static void
compare(const char *resp, size_t len, size_t piece)
{
    void         *one, *other;
    size_t        i, n, count;
    redisReply   *replies[64];
    redisReader  *ours, *plain;

    ours = pvr_reader_create();
    plain = redisReaderCreate();
    assert_non_null(ours);
    count = 0;

    for (i = 0; i < len; i += n) {
        n = (len - i < piece) ? len - i : piece;
        assert_int_equal(redisReaderFeed(ours, resp + i, n), REDIS_OK);
        assert_int_equal(redisReaderFeed(plain, resp + i, n), REDIS_OK);

        for ( ;; ) {
            assert_int_equal(redisReaderGetReply(ours, &one), REDIS_OK);
            assert_int_equal(redisReaderGetReply(plain, &other), REDIS_OK);
            assert_int_equal(one == NULL, other == NULL);

            if (one == NULL) {
                break;
            }

            assert_true(count + 2 <= 64);
            replies[count++] = one;
            replies[count++] = other;
        }
    }

    for (i = 0; i < count; i += 2) {
        assert_same(replies[i], replies[i + 1]);
        pvr_reply_free(replies[i]);
        freeReplyObject(replies[i + 1]);
    }

    redisReaderFree(ours);
    redisReaderFree(plain);
}


static void
kinds(void **state)
{
    size_t  i, piece;

    static const char *const  resp[] = {
        "+OK\r\n", "+\r\n", "-ERR no\r\n", ":-42\r\n", "$5\r\na\0b\r\n\r\n", "$0\r\n\r\n", "$-1\r\n", "*-1\r\n", "*0\r\n",
        "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n:0\r\n",
        "*3\r\n$-1\r\n*2\r\n+a\r\n*1\r\n$3\r\nxyz\r\n-ERR within\r\n", "*2\r\n*0\r\n*2\r\n*-1\r\n:7\r\n:1\r\n"
    };
    static const size_t  len[] = { 5, 3, 9, 6, 11, 6, 5, 5, 4 };

    (void) state;

    for (i = 0; i < sizeof(resp) / sizeof(resp[0]); i++) {
        for (piece = 1; piece < 20; piece++) {
            compare(resp[i], i < 9 ? len[i] : strlen(resp[i]), piece);
        }
    }
}


/* Past a block: strings of every length around its end, and arrays whose elements lie in many. */
static void
sizes(void **state)
{
    size_t    i, n;
    pv_buf_t  resp;

    static const size_t  many[] = { 0, 1, 17, 60, 61, 100, 5000 };

    (void) state;

    for (n = 0; n < 1200; n += (n > 300 && n < 600) ? 1 : 37) {
        pv_buf_init(&resp, 1 << 20);
        pv_buf_printf(&resp, "*3\r\n:1\r\n$%zu\r\n", n);
        for (i = 0; i < n; i++) {
            pv_buf_add(&resp, "x", 1);
        }
        pv_buf_printf(&resp, "\r\n+end\r\n+next\r\n");
        compare((const char *) resp.data, resp.len, 100);
        pv_buf_free(&resp);
    }

    for (i = 0; i < sizeof(many) / sizeof(many[0]); i++) {
        pv_buf_init(&resp, 1 << 20);
        pv_buf_printf(&resp, "*%zu\r\n", many[i]);
        for (n = 0; n < many[i]; n++) {
            pv_buf_printf(&resp, n % 3 ? "*1\r\n$6\r\nvalue%zu\r\n" : ":%zu\r\n", n % 10);
        }
        compare((const char *) resp.data, resp.len, 1000);
        pv_buf_free(&resp);
    }
}


/* A connection that breaks leaves a reply half read; and what is no RESP ends one. */
static void
unfinished(void **state)
{
    void         *reply;
    size_t        i;
    redisReader  *reader;

    static const char  resp[] = "*3\r\n$3\r\nabc\r\n*2\r\n:1\r\n$700\r\n";

    (void) state;

    for (i = 1; i < sizeof(resp); i++) {
        reader = pvr_reader_create();
        assert_int_equal(redisReaderFeed(reader, resp, i), REDIS_OK);
        assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
        assert_null(reply);
        redisReaderFree(reader);
    }

    reader = pvr_reader_create();
    assert_int_equal(redisReaderFeed(reader, "*2\r\n*1\r\n:1\r\nrubbish\r\n", 21), REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_ERR);
    redisReaderFree(reader);

    pvr_reply_free(NULL);
}


/* More replies at once than blocks are kept. */
static void
together(void **state)
{
    int           len;
    char          resp[32];
    void         *reply;
    size_t        i;
    redisReply   *replies[1000];
    redisReader  *reader;

    (void) state;

    reader = pvr_reader_create();

    for (i = 0; i < 2000; i++) {
        if (i >= 1000) {
            assert_int_equal(replies[i % 1000]->integer, (long long) i - 1000);
            pvr_reply_free(replies[i % 1000]);
        }

        len = snprintf(resp, sizeof(resp), ":%zu\r\n", i);
        assert_int_equal(redisReaderFeed(reader, resp, (size_t) len), REDIS_OK);
        assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
        replies[i % 1000] = reply;
    }

    for (i = 0; i < 1000; i++) {
        assert_int_equal(replies[i]->integer, (long long) i + 1000);
        pvr_reply_free(replies[i]);
    }

    redisReaderFree(reader);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(kinds),
        cmocka_unit_test(sizes),
        cmocka_unit_test(unfinished),
        cmocka_unit_test(together)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
