/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "pv_cookie.h"


static pv_str_t
text(const char *s)
{
    return (pv_str_t) { (const unsigned char *) s, strlen(s) };
}


static void
same(pv_str_t got, const char *want)
{
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.data, want, got.len);
}


/* expected: name|value|raw for each pair, then NULL */
static void
pairs(const char *line, ...)
{
    size_t             cursor;
    va_list            args;
    const char        *want;
    pv_cookie_pair_t   pair;

    cursor = 0;
    va_start(args, line);

    while ((want = va_arg(args, const char *)) != NULL) {
        assert_int_equal(pv_cookie_next(text(line), &cursor, &pair), 1);
        same(pair.name, want);
        same(pair.value, va_arg(args, const char *));
        same(pair.raw, va_arg(args, const char *));
    }

    va_end(args);
    assert_int_equal(pv_cookie_next(text(line), &cursor, &pair), 0);
    assert_int_equal(pv_cookie_next(text(line), &cursor, &pair), 0);
}


static void
test_request_pairs(void **state)
{
    (void) state;

    pairs("", NULL);
    pairs(" ; ;\t;", NULL);
    pairs("a=b", "a", "b", "a=b", NULL);
    pairs("a=b; c=d", "a", "b", "a=b", "c", "d", "c=d", NULL);
    pairs("a=b;c=d;", "a", "b", "a=b", "c", "d", "c=d", NULL);
    pairs(" \ta = b=c ; d", "a", "b=c", "a = b=c", "", "d", "d", NULL);
    pairs("a=\"x y\"; A=", "a", "\"x y\"", "a=\"x y\"", "A", "", "A=", NULL);
    pairs("=v; =", "", "v", "=v", "", "", "=", NULL);
    pairs("a=1; a=2", "a", "1", "a=1", "a", "2", "a=2", NULL);
    pairs("a=\"x;y\"", "a", "\"x", "a=\"x", "", "y\"", "y\"", NULL);
    pairs("a,b=c", "a,b", "c", "a,b=c", NULL);
}


static void
test_set_cookie(void **state)
{
    pv_set_cookie_t  c;

    (void) state;

    assert_int_equal(pv_set_cookie_parse(&c,
        text("id=a3f; Domain=.Example.com; Path=/x; Max-Age=3600; Secure;"
        " HttpOnly; SameSite=Lax; Partitioned; Priority=High; Expires=Wed, 21 Oct 2015 07:28:00 GMT")),
        PV_OK);
    same(c.name, "id");
    same(c.value, "a3f");
    same(c.domain, ".Example.com");
    same(c.path, "/x");
    assert_true(c.has_max_age && c.max_age == 3600);
    assert_true(c.has_expires && c.expires == 1445412480);
    assert_true(c.secure && c.http_only && c.partitioned && c.same_site == 2);

    assert_int_equal(pv_set_cookie_parse(&c, text("a = b c ;MAX-AGE=-5;secure=no;samesite=NONE;httponlyx")),
        PV_OK);
    same(c.name, "a");
    same(c.value, "b c");
    assert_true(c.has_max_age && c.max_age == -5);
    assert_true(c.secure && !c.http_only && c.same_site == 3 && !c.has_expires);

    /* the last one wins, a broken one changes nothing */
    assert_int_equal(pv_set_cookie_parse(&c, text("a=b; path=/1; path=/2; max-age=1; max-age=x; max-age=")),
        PV_OK);
    same(c.path, "/2");
    assert_true(c.has_max_age && c.max_age == 1);

    assert_int_equal(pv_set_cookie_parse(&c, text("a=b; max-age=99999999999999999999999")), PV_OK);
    assert_true(c.has_max_age && c.max_age > 1000000000);
    assert_int_equal(pv_set_cookie_parse(&c, text("a=b; max-age=-; samesite=odd")), PV_OK);
    assert_true(!c.has_max_age && c.same_site == 0);

    assert_int_equal(pv_set_cookie_parse(&c, text("novalue; path=/")), PV_OK);
    same(c.name, "");
    same(c.value, "novalue");
    assert_int_equal(pv_set_cookie_parse(&c, text("=v")), PV_OK);
    assert_int_equal(pv_set_cookie_parse(&c, text("n=")), PV_OK);
    assert_int_equal(pv_set_cookie_parse(&c, text("=; path=/")), PV_INVALID);
    assert_int_equal(pv_set_cookie_parse(&c, text(" ; path=/")), PV_INVALID);
    assert_int_equal(pv_set_cookie_parse(&c, text("")), PV_INVALID);

    /* what stands behind a line break is not ours to believe */
    assert_int_equal(pv_set_cookie_parse(&c, text("a=b\r\nSet-Cookie: c=d; secure")), PV_OK);
    same(c.value, "b");
    assert_false(c.secure);
}


static void
test_long_attribute(void **state)
{
    char             line[1200];
    pv_set_cookie_t  c;

    (void) state;

    memcpy(line, "a=b; path=/", 11);
    memset(line + 11, 'x', 1024);

    assert_int_equal(pv_set_cookie_parse(&c, (pv_str_t) { (unsigned char *) line, 11 + 1023 }), PV_OK);
    assert_int_equal(c.path.len, 1024);
    assert_int_equal(pv_set_cookie_parse(&c, (pv_str_t) { (unsigned char *) line, 11 + 1024 }), PV_OK);
    assert_int_equal(c.path.len, 0);
}


static void
test_dates(void **state)
{
    size_t   i;
    int64_t  t;

    static const struct { const char *text; int64_t want; }  good[] = {
        { "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
        { "Wed, 21 Oct 2015 07:28:00 GMT", 1445412480 },
        { "Wednesday, 21-Oct-15 07:28:00 GMT", 1445412480 },
        { "Wed Oct 21 07:28:00 2015", 1445412480 },
        { "7:28:0 21 october 2015", 1445412480 },
        { "21 Oct 69 00:00:00", 3149539200 },
        { "21 Oct 70 00:00:00", 25315200 },
        { "29 Feb 2000 12:00:00", 951825600 },
        { "1 Jan 1601 00:00:00", -11644473600 },
        { "31 Dec 9999 23:59:59", 253402300799 },
        { "31x Dec 9999Z 23:59:59.123", 253402300799 },
    };

    static const char *const  bad[] = {
        "", "x", "21 Oct 2015", "21 Oct 07:28:00", "Oct 2015 07:28:00x:", "30 Feb 2000 00:00:00",
        "29 Feb 1900 00:00:00", "0 Jan 2000 00:00:00", "32 Jan 2000 00:00:00", "1 Jan 1600 00:00:00",
        "1 Jan 2000 24:00:00", "1 Jan 2000 00:60:00", "1 Jan 2000 00:00:60", "1 Jan 20000 00:00:00",
        "1 Jan 2000 000:00:00", "1 Jan 2000 00:00", "1 Foo 2000 00:00:00"
    };

    (void) state;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(pv_cookie_date(&t, text(good[i].text)), PV_OK);
        assert_true(t == good[i].want);
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(pv_cookie_date(&t, text(bad[i])), PV_INVALID);
    }
}


/* Every hour of a few hundred years against the C library's own calendar. */
static void
test_dates_against_libc(void **state)
{
    char       line[64];
    time_t     when;
    int64_t    t;
    struct tm  tm;

    (void) state;

    for (when = -5000000000; when < 9000000000; when += 1234567) {
        gmtime_r(&when, &tm);
        strftime(line, sizeof(line), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        assert_int_equal(pv_cookie_date(&t, text(line)), PV_OK);
        assert_true(t == (int64_t) when);
    }
}


/* Each truncation in a block of its own size, so that a byte read too far is seen by valgrind and ASan. */
static void
test_truncations(void **state)
{
    size_t             n, cursor;
    int64_t            t;
    unsigned char     *copy;
    pv_set_cookie_t    c;
    pv_cookie_pair_t   pair;

    static const char  line[] = "id = \"a=3f\" ; Expires=Wed, 21 Oct 2015 07:28:00 GMT;Max-Age=-3600; Domain=x;; =";

    (void) state;

    for (n = 0; n < sizeof(line); n++) {
        copy = malloc(n ? n : 1);
        memcpy(copy, line, n);

        pv_set_cookie_parse(&c, (pv_str_t) { copy, n });
        pv_cookie_date(&t, (pv_str_t) { copy, n });

        for (cursor = 0; pv_cookie_next((pv_str_t) { copy, n }, &cursor, &pair); /* void */ ) {
            assert_true(pair.raw.data >= copy && pair.raw.data + pair.raw.len <= copy + n);
            assert_true(pair.value.data + pair.value.len == pair.raw.data + pair.raw.len);
        }

        free(copy);
    }
}


static void
test_name_problem(void **state)
{
    size_t  i;
    char    longest[258];

    static const char *const  good[] = { "a", "_ga_*", "*_id", "*", "__Host-x", "a.b-c~d|e" };
    static const char *const  bad[] = { "", "a b", "a=b", "a;b", "a*b", "\"a\"", "a\x7f", "\xe4", "a\t", "a\\b", "[a]" };

    (void) state;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_null(pv_cookie_name_problem(pv_str(good[i]), 1));
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_non_null(pv_cookie_name_problem(pv_str(bad[i]), 1));
    }

    /* where nothing is a pattern, a star is a character as any other */
    assert_null(pv_cookie_name_problem(pv_str("a*b"), 0));
    assert_non_null(pv_cookie_name_problem((pv_str_t) { (const unsigned char *) "a\0b", 3 }, 0));

    memset(longest, 'a', sizeof(longest));
    assert_null(pv_cookie_name_problem((pv_str_t) { (const unsigned char *) longest, 256 }, 0));
    assert_non_null(pv_cookie_name_problem((pv_str_t) { (const unsigned char *) longest, 257 }, 0));
}


/* The short ways say what the long ones do, for lines of all kinds of bytes and each of their beginnings. */
static void
test_short_ways(void **state)
{
    size_t            i, len, whole, part;
    pv_str_t          line, name, attributes, prefix = pv_string("pri");
    pv_set_cookie_t   c;
    pv_cookie_pair_t  pair, one;

    static const char *const  lines[] = {
        "privacy=abc; privacy-user=d;pri=1", " privacy = a ; \tprivacy\t=b;; ;=x;privacy;priv=acy=",
        "Privacy=a; xprivacy=b; privacyx=c;pri", "a=b;privacy=\"x; y\"; pri =", ";;;pri=;", "= pri=a; \tpri\t = b\t",
        "sid=1; Path=/; HttpOnly", "sid = 1 ;Path=/", "sid", "=sid", " ; Path=/", "sid=a\x01" "b; Path=/\nX",
        "sid=12345678\r; Path=/", "s\nid=12345678; Path=/", "sid=\x80\xff\x7f\x1f; Domain=a", "\t sid\t=; Secure"
    };

    (void) state;

    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        for (len = 0; len <= strlen(lines[i]); len++) {
            line.data = (const unsigned char *) lines[i];
            line.len = len;

            for (whole = part = 0; pv_cookie_next(line, &whole, &pair); /* void */) {
                if (pair.name.len < prefix.len || memcmp(pair.name.data, prefix.data, prefix.len) != 0) {
                    continue;
                }

                assert_int_equal(pv_cookie_next_of(line, &part, prefix, &one), 1);
                assert_memory_equal(&one, &pair, sizeof(pair));
            }

            assert_int_equal(pv_cookie_next_of(line, &part, prefix, &one), 0);

            if (pv_set_cookie_name(line, &name, &attributes) == PV_OK) {
                assert_int_equal(pv_set_cookie_parse(&c, line), PV_OK);
                assert_ptr_equal(name.data, c.name.data);
                assert_int_equal(name.len, c.name.len);
                assert_ptr_equal(attributes.data + attributes.len, line.data + line.len);
                assert_true(attributes.len == 0 || attributes.data[0] == ';');
                assert_true(attributes.data >= c.value.data + c.value.len);
            }
        }
    }

    line = pv_str(lines[6]);
    assert_int_equal(pv_set_cookie_name(line, &name, &attributes), PV_OK);
    assert_int_equal(attributes.len, strlen("; Path=/; HttpOnly"));
    assert_int_equal(pv_set_cookie_name(pv_str(lines[12]), &name, &attributes), PV_INVALID);
    assert_int_equal(pv_set_cookie_name(pv_str(lines[13]), &name, &attributes), PV_INVALID);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_request_pairs),
        cmocka_unit_test(test_set_cookie),
        cmocka_unit_test(test_long_attribute),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_dates_against_libc),
        cmocka_unit_test(test_truncations),
        cmocka_unit_test(test_name_problem),
        cmocka_unit_test(test_short_ways)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
