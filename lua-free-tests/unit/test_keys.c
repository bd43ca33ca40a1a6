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

#include <stdio.h>

#include "pv_keys.h"


static const char  good[] =
    "# a comment\n"
    "\n"
    "cookie    02 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
    "  cookie 01\tAQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8  \r\n"
    "form      01 AgECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
    "ledger    ff AwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
    "pseudonym 01 BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";


static int
parse(pv_keys_t **keys, pv_str_t text, pv_problems_t *p)
{
    pv_problems_init(p);

    return pv_keys_parse(keys, text, "keys", p);
}


static void
test_good(void **state)
{
    pv_keys_t      *keys;
    pv_problems_t   p;

    (void) state;

    assert_int_equal(parse(&keys, pv_str(good), &p), PV_OK);
    assert_int_equal(p.errors, 0);
    assert_int_equal(keys->count[PV_KEY_COOKIE], 2);
    assert_int_equal(pv_keys_first(keys, PV_KEY_COOKIE)->id, 2);
    assert_int_equal(pv_keys_find(keys, PV_KEY_COOKIE, 1)->id, 1);
    assert_null(pv_keys_find(keys, PV_KEY_COOKIE, 0xFF));
    assert_int_equal(pv_keys_first(keys, PV_KEY_LEDGER)->id, 0xFF);

    pv_keys_free(keys);
    pv_keys_free(NULL);
    pv_problems_free(&p);
}


/* Appended to a good file, each gives one error on its line. */

static void
test_bad_lines(void **state)
{
    size_t          i;
    char            text[1024];
    pv_keys_t      *keys;
    pv_problems_t   p;

    static const char *const  bad[] = {
        "cookie",
        "cookie 03",
        "cookie 03 AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8 more",
        "cookies 03 AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "Cookie 03 AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "cookie 3 AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "cookie 0G AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "cookie 003 AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "cookie 01 AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "cookie 03 AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9",
        "cookie 03 AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh",
        "cookie 03 AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8A",
        "pseudonym 02 BQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        (void) snprintf(text, sizeof(text), "%s\n%s\n", good, bad[i]);

        assert_int_equal(parse(&keys, pv_str(text), &p), PV_INVALID);
        assert_null(keys);
        assert_int_equal(p.errors, 1);
        assert_int_equal(p.list[0].line, 8);
        assert_string_equal(p.list[0].file, "keys");
        /* no key may be said */
        assert_null(strstr(p.list[0].reason, "AwQFBg"));
        pv_problems_free(&p);
    }
}


static void
test_incomplete(void **state)
{
    size_t          len;
    pv_keys_t      *keys;
    pv_problems_t   p;

    (void) state;

    assert_int_equal(parse(&keys, pv_str(""), &p), PV_INVALID);
    assert_int_equal(p.errors, PV_KEY_KINDS);
    pv_problems_free(&p);

    /* every truncation */

    for (len = 0; len < sizeof(good) - 1; len++) {
        assert_int_equal(parse(&keys, (pv_str_t) { (const unsigned char *) good, len }, &p), PV_INVALID);
        assert_null(keys);
        assert_true(p.errors != 0);
        pv_problems_free(&p);
    }
}


static void
test_limits(void **state)
{
    int             i, rc;
    char            line[128];
    pv_buf_t        text;
    pv_keys_t      *keys;
    pv_problems_t   p;

    (void) state;

    pv_buf_init(&text, 1024 * 1024);
    pv_buf_puts(&text, good);
    pv_buf_puts(&text, "\n");

    for (i = 3; i <= PV_KEYS_MAX + 1; i++) {
        (void) snprintf(line, sizeof(line), "cookie %02x AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n", i);
        pv_buf_puts(&text, line);

        rc = parse(&keys, (pv_str_t) { text.data, text.len }, &p);
        assert_int_equal(rc, (i <= PV_KEYS_MAX) ? PV_OK : PV_INVALID);
        pv_keys_free(keys);
        pv_problems_free(&p);
    }

    while (text.len <= PV_KEYS_FILE_MAX) {
        pv_buf_puts(&text, "# and so on and so on and so on\n");
    }

    assert_int_equal(parse(&keys, (pv_str_t) { text.data, text.len }, &p), PV_INVALID);
    assert_int_equal(p.errors, 1);
    pv_problems_free(&p);
    pv_buf_free(&text);
}


static void
test_generate_and_rotate(void **state)
{
    int             kind, i, rc;
    uint8_t         first;
    pv_buf_t        text, next;
    pv_keys_t      *keys;
    pv_problems_t   p;

    (void) state;

    pv_buf_init(&text, PV_KEYS_FILE_MAX);
    assert_int_equal(pv_keys_generate(&text), PV_OK);
    assert_int_equal(parse(&keys, (pv_str_t) { text.data, text.len }, &p), PV_OK);

    for (kind = 0; kind < PV_KEY_KINDS; kind++) {
        assert_int_equal(keys->count[kind], 1);
    }

    first = pv_keys_first(keys, PV_KEY_COOKIE)->id;
    pv_keys_free(keys);

    for (i = 1; i < PV_KEYS_MAX; i++) {
        pv_buf_init(&next, PV_KEYS_FILE_MAX);
        assert_int_equal(pv_keys_rotate(&next, (pv_str_t) { text.data, text.len }, PV_KEY_COOKIE, &p), PV_OK);
        pv_buf_free(&text);
        text = next;

        assert_int_equal(parse(&keys, (pv_str_t) { text.data, text.len }, &p), PV_OK);
        assert_int_equal(keys->count[PV_KEY_COOKIE], i + 1);
        assert_int_equal(keys->count[PV_KEY_LEDGER], 1);
        assert_int_not_equal(pv_keys_first(keys, PV_KEY_COOKIE)->id, first);
        assert_non_null(pv_keys_find(keys, PV_KEY_COOKIE, first));
        first = pv_keys_first(keys, PV_KEY_COOKIE)->id;
        pv_keys_free(keys);
    }

    pv_buf_init(&next, PV_KEYS_FILE_MAX);
    rc = pv_keys_rotate(&next, (pv_str_t) { text.data, text.len }, PV_KEY_COOKIE, &p);
    assert_int_equal(rc, PV_INVALID);
    pv_problems_free(&p);

    rc = pv_keys_rotate(&next, (pv_str_t) { text.data, text.len }, PV_KEY_PSEUDONYM, &p);
    assert_int_equal(rc, PV_INVALID);
    pv_problems_free(&p);

    rc = pv_keys_rotate(&next, pv_str("cookie 01 nonsense\n"), PV_KEY_FORM, &p);
    assert_int_equal(rc, PV_INVALID);
    pv_problems_free(&p);

    pv_buf_free(&next);
    pv_buf_free(&text);
}


static void
test_mac_separation(void **state)
{
    pv_str_t        a[2] = { pv_string("ab"), pv_string("c") };
    pv_keys_t      *keys;
    pv_problems_t   p;
    unsigned char   one[PV_MAC_LEN], other[PV_MAC_LEN], more[PV_MAC_LEN];

    const pv_key_t  *key;

    (void) state;

    assert_int_equal(parse(&keys, pv_str(good), &p), PV_OK);
    key = pv_keys_first(keys, PV_KEY_COOKIE);

    assert_int_equal(pv_keys_mac(one, key, "domain", pv_str("site"), a, 2), PV_OK);
    assert_int_equal(pv_keys_mac(other, key, "domai", pv_str("nsite"), a, 2), PV_OK);
    assert_int_equal(pv_keys_mac(more, key, "domain", pv_str("sit"), a, 2), PV_OK);
    assert_memory_not_equal(one, other, PV_MAC_LEN);
    assert_memory_not_equal(one, more, PV_MAC_LEN);

    assert_int_equal(pv_keys_mac(other, pv_keys_find(keys, PV_KEY_COOKIE, 1), "domain", pv_str("site"), a, 2), PV_OK);
    assert_memory_not_equal(one, other, PV_MAC_LEN);

    assert_int_equal(pv_keys_mac(other, key, "domain", pv_str(""), a, 2), PV_ERROR);
    pv_keys_free(keys);
}


static void
test_publication_keys(void **state)
{
    size_t         i, len;
    unsigned char  key[32];

    static const char  pub[] = "privacy-publication-public AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    static const char  secret[] = "privacy-publication-key AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n";

    (void) state;

    assert_int_equal(pv_public_key_parse(key, pv_str(pub)), PV_OK);

    for (i = 0; i < 32; i++) {
        assert_int_equal(key[i], i);
    }

    assert_int_equal(pv_secret_key_parse(key, pv_str(secret)), PV_OK);
    /* one is not the other */
    assert_int_equal(pv_public_key_parse(key, pv_str(secret)), PV_INVALID);
    assert_int_equal(pv_secret_key_parse(key, pv_str(pub)), PV_INVALID);
    assert_int_equal(pv_public_key_parse(key, pv_str("")), PV_INVALID);

    for (len = 0; len < sizeof(pub) - 1; len++) {
        assert_int_equal(pv_public_key_parse(key, (pv_str_t) { (const unsigned char *) pub, len }), PV_INVALID);
    }
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_incomplete),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_generate_and_rotate),
        cmocka_unit_test(test_mac_separation),
        cmocka_unit_test(test_publication_keys)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
