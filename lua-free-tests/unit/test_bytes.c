/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pv_bytes.h"


static void
check(pv_buf_t *b, const char *want)
{
    assert_false(b->failed);
    assert_int_equal(b->len, strlen(want));
    assert_string_equal((char *) b->data, want);
    pv_buf_free(b);
}


static void
test_strings(void **state)
{
    pv_str_t  empty = { NULL, 0 };

    (void) state;

    assert_true(pv_str_eq(pv_str("a"), pv_str("a")));
    assert_false(pv_str_eq(pv_str("a"), pv_str("ab")));
    assert_true(pv_str_eq(empty, pv_str("")));
    assert_true(pv_str_eqs(pv_str("site"), "site"));
    assert_false(pv_str_eqs(pv_str("site"), "Site"));
}


static void
test_buffer_bounds(void **state)
{
    size_t    i;
    pv_buf_t  b;

    (void) state;

    for (i = 0; i < 600; i++) {
        pv_buf_init(&b, i);

        while (!b.failed) {
            pv_buf_add(&b, "abc", 3);
        }

        assert_int_equal(b.len, i / 3 * 3);
        assert_true(b.size <= i + 1);

        /* failed stays failed, also for what would fit */
        pv_buf_add(&b, "", 0);
        pv_buf_puts(&b, "");
        assert_int_equal(b.len, i / 3 * 3);
        assert_true(b.failed);
        pv_buf_free(&b);
    }

    pv_buf_init(&b, 5);
    pv_buf_printf(&b, "%s", "12345");
    check(&b, "12345");

    pv_buf_printf(&b, "%s", "123456");
    assert_true(b.failed);
    pv_buf_free(&b);

    pv_buf_init(&b, SIZE_MAX);
    pv_buf_puts(&b, "no bound");
    check(&b, "no bound");
}


/* What is written directly is bounded by the room that was asked for. */

static void
test_buffer_room(void **state)
{
    pv_buf_t        b;
    unsigned char  *p;

    (void) state;

    pv_buf_init(&b, 10);
    pv_buf_puts(&b, "ab");

    p = pv_buf_room(&b, 8);
    assert_non_null(p);
    memset(p, 'x', 8);
    pv_buf_took(&b, p + 3);
    check(&b, "abxxx");

    pv_buf_puts(&b, "ab");
    assert_null(pv_buf_room(&b, 9));
    assert_true(b.failed);
    assert_int_equal(b.len, 2);
    assert_null(pv_buf_room(&b, 1));
    pv_buf_free(&b);
}


static void
test_html(void **state)
{
    pv_buf_t  b;

    (void) state;

    pv_buf_init(&b, 1000);
    pv_buf_html(&b, pv_str("<a href=\"x'y\">&amp;</a>"));
    check(&b, "&lt;a href=&quot;x&#39;y&quot;&gt;&amp;amp;&lt;/a&gt;");

    pv_buf_html(&b, pv_str("\xE4\xB8\xAD"));
    check(&b, "\xE4\xB8\xAD");
}


static void
test_json(void **state)
{
    pv_buf_t  b;
    pv_str_t  nul = { (const unsigned char *) "a\0b", 3 };

    (void) state;

    pv_buf_init(&b, 1000);
    pv_buf_json(&b, pv_str("q\"b\\n\nt\tz"));
    check(&b, "\"q\\\"b\\\\n\\nt\\u0009z\"");

    pv_buf_json(&b, nul);
    check(&b, "\"a\\u0000b\"");

    /* overlong, surrogate, past the end, cut: replaced */
    pv_buf_json(&b, pv_str("\xC0\xAF"));
    check(&b, "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
    pv_buf_json(&b, pv_str("\xED\xA0\x80"));
    check(&b, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
    pv_buf_json(&b, pv_str("\xF4\x90\x80\x80"));
    check(&b, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
    pv_buf_json(&b, pv_str("\xE4\xB8"));
    check(&b, "\"\xEF\xBF\xBD\"");
    pv_buf_json(&b, pv_str("\xF0\x9F\x98\x80"));
    check(&b, "\"\xF0\x9F\x98\x80\"");
}


static void
test_ascii(void **state)
{
    size_t         i;
    pv_buf_t       b;
    unsigned char  all[256];

    (void) state;

    pv_buf_init(&b, 10000);
    pv_buf_ascii(&b, pv_str("<p>\xE4\xB8\xAD\xC3\xA9 \xF0\x9F\x98\x80</p>"));
    check(&b, "<p>&#20013;&#233; &#128512;</p>");

    /* a C1 control would be read as windows-1252 */
    pv_buf_ascii(&b, pv_str("\xC2\x80\xC2\x9F\xC2\xA0"));
    check(&b, "&#65533;&#65533;&#160;");

    pv_buf_ascii(&b, pv_str("a\xE4"));
    check(&b, "a&#65533;");

    for (i = 0; i < 256; i++) {
        all[i] = (unsigned char) i;
    }

    pv_buf_ascii(&b, (pv_str_t) { all, sizeof(all) });
    assert_false(b.failed);

    for (i = 0; i < b.len; i++) {
        assert_true(b.data[i] < 0x80);
    }

    pv_buf_free(&b);
}


static void
test_problems(void **state)
{
    int            i;
    pv_problems_t  p;

    (void) state;

    pv_problems_init(&p);
    pv_problem(&p, "policy.json", 3, "purposes[0].id", "is %d", 7);
    pv_warning(&p, NULL, 0, NULL, "late");

    assert_int_equal(p.count, 2);
    assert_string_equal(p.list[0].file, "policy.json");
    assert_string_equal(p.list[0].field, "purposes[0].id");
    assert_string_equal(p.list[0].reason, "is 7");
    assert_int_equal(p.list[0].line, 3);
    assert_int_equal(p.list[0].warning, 0);
    assert_null(p.list[1].file);
    assert_int_equal(p.list[1].warning, 1);

    for (i = 0; i < 2 * PV_PROBLEMS_MAX; i++) {
        pv_problem(&p, NULL, 0, NULL, "again");
    }

    assert_int_equal(p.count, PV_PROBLEMS_MAX);
    assert_int_equal(p.errors, 2 * PV_PROBLEMS_MAX + 1);
    assert_int_equal(p.warnings, 1);
    pv_problems_free(&p);
    assert_int_equal(p.errors, 0);
}


static void
test_base64url_vectors(void **state)
{
    long           n;
    size_t         i;
    unsigned char  out[16];

    /* RFC 4648, 10, without padding */
    static const char *const  v[][2] = {
        { "", "" }, { "f", "Zg" }, { "fo", "Zm8" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg" }, { "fooba", "Zm9vYmE" },
        { "foobar", "Zm9vYmFy" }, { "\xFB\xFF\xBF", "-_-_" }
    };

    (void) state;

    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        n = (long) pv_base64url_encode(out, pv_str(v[i][0]));
        assert_int_equal(n, strlen(v[i][1]));
        assert_int_equal(n, pv_base64url_size(strlen(v[i][0])));
        assert_memory_equal(out, v[i][1], (size_t) n);

        n = pv_base64url_decode(out, sizeof(out), pv_str(v[i][1]));
        assert_int_equal(n, strlen(v[i][0]));
        assert_memory_equal(out, v[i][0], (size_t) n);
    }
}


static void
test_base64url_refused(void **state)
{
    int            a, b, accepted;
    size_t         i;
    char           text[3];
    unsigned char  out[16], back[4];

    static const char *const  bad[] = {
        "Z", "Zg==", "Zm9v\n", "Zm 9", "Zm+v", "Zm/v", "Zh", "Zm9", "Zm9vY", "\x80mVv", "Zm\xFFv"
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(pv_base64url_decode(out, sizeof(out), pv_str(bad[i])), PV_INVALID);
    }

    assert_int_equal(pv_base64url_decode(out, 2, pv_str("Zm9v")), PV_INVALID);

    /* every two characters: what is accepted has this one spelling */

    for (a = 0, accepted = 0; a < 256; a++) {
        for (b = 0; b < 256; b++) {
            text[0] = (char) a;
            text[1] = (char) b;

            if (pv_base64url_decode(out, sizeof(out), (pv_str_t) { (unsigned char *) text, 2 }) == 1) {
                accepted++;
                assert_int_equal(pv_base64url_encode(back, (pv_str_t) { out, 1 }), 2);
                assert_memory_equal(back, text, 2);
            }
        }
    }

    assert_int_equal(accepted, 256);
}


static void
test_hex(void **state)
{
    char           out[4];
    unsigned char  bytes[2];

    (void) state;

    assert_int_equal(pv_hex_encode(out, "\x0A\xFF", 2), 4);
    assert_memory_equal(out, "0aff", 4);

    assert_int_equal(pv_hex_decode(bytes, 2, pv_str("0aff")), PV_OK);
    assert_memory_equal(bytes, "\x0A\xFF", 2);

    assert_int_equal(pv_hex_decode(bytes, 2, pv_str("0aFF")), PV_INVALID);
    assert_int_equal(pv_hex_decode(bytes, 2, pv_str("0aff0")), PV_INVALID);
    assert_int_equal(pv_hex_decode(bytes, 2, pv_str("0af")), PV_INVALID);
    assert_int_equal(pv_hex_decode(bytes, 2, pv_str("0agf")), PV_INVALID);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_buffer_bounds),
        cmocka_unit_test(test_buffer_room),
        cmocka_unit_test(test_html),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_ascii),
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_base64url_vectors),
        cmocka_unit_test(test_base64url_refused),
        cmocka_unit_test(test_hex)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
