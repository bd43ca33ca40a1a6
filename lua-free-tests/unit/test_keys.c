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
        "cookie 03 AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8 Next",
        "cookie 03 AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8 next more",
        "cookie 01 AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8 next",
        "pseudonym 02 BQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8 next",
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
    int                kind, i, rc;
    uint8_t            first;
    pv_buf_t           text, next;
    pv_keys_t         *keys;
    pv_problems_t      p;
    pv_keys_change_t   change;

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
        assert_int_equal(pv_keys_rotate(&next, (pv_str_t) { text.data, text.len }, PV_KEY_COOKIE, &change, &p), PV_OK);
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
    rc = pv_keys_rotate(&next, (pv_str_t) { text.data, text.len }, PV_KEY_COOKIE, &change, &p);
    assert_int_equal(rc, PV_INVALID);
    pv_problems_free(&p);

    rc = pv_keys_rotate(&next, (pv_str_t) { text.data, text.len }, PV_KEY_PSEUDONYM, &change, &p);
    assert_int_equal(rc, PV_INVALID);
    pv_problems_free(&p);

    rc = pv_keys_rotate(&next, pv_str("cookie 01 nonsense\n"), PV_KEY_FORM, &change, &p);
    assert_int_equal(rc, PV_INVALID);
    pv_problems_free(&p);

    pv_buf_free(&next);
    pv_buf_free(&text);
}


/* It verifies from the beginning, never signs before it is rotated to, and all else of the file stays as it is. */

static void
test_next(void **state)
{
    size_t             i;
    pv_buf_t           text, same, out;
    pv_keys_t         *keys, *signs;
    pv_problems_t      p;
    pv_keys_change_t   change;
    unsigned char      one[PV_MAC_LEN], other[PV_MAC_LEN];

    static const char  waiting[] = "cookie    03 BQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8 next\n";

    static const struct {
        const char  *old;
        const char  *rotated;
    } files[] = {
        { "# a\ncookie 02 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
          "%scookie 01 AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
          "form 01 AgECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\nledger ff AwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
          "pseudonym 01 BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
          "# a\ncookie    03 BQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\ncookie 02 AAEC" },
        { "pseudonym 01 BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
          "form 01 AgECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\nledger ff AwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
          "cookie 02 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n%s",
          "cookie    03 BQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\ncookie 02 AAEC" }
    };

    (void) state;

    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        pv_buf_init(&text, PV_KEYS_FILE_MAX);
        pv_buf_init(&same, PV_KEYS_FILE_MAX);
        pv_buf_init(&out, PV_KEYS_FILE_MAX);
        pv_buf_printf(&text, files[i].old, waiting);

        assert_int_equal(parse(&keys, (pv_str_t) { text.data, text.len }, &p), PV_OK);
        assert_int_equal(pv_keys_first(keys, PV_KEY_COOKIE)->id, 2);
        assert_int_equal(pv_keys_waiting(keys, PV_KEY_COOKIE)->id, 3);
        assert_null(pv_keys_waiting(keys, PV_KEY_FORM));
        assert_int_equal(pv_keys_mac(one, pv_keys_find(keys, PV_KEY_COOKIE, 3), "d", pv_str("site"), NULL, 0), PV_OK);

        assert_int_equal(pv_keys_next(&same, (pv_str_t) { text.data, text.len }, PV_KEY_COOKIE, &change, &p), PV_OK);
        assert_true(change.waited && change.id == 3);
        assert_int_equal(same.len, text.len);
        assert_memory_equal(same.data, text.data, text.len);

        assert_int_equal(pv_keys_rotate(&out, (pv_str_t) { text.data, text.len }, PV_KEY_COOKIE, &change, &p), PV_OK);
        assert_true(change.waited && change.id == 3);
        assert_int_equal(out.len, text.len - strlen(" next"));
        assert_non_null(memmem(out.data, out.len, files[i].rotated, strlen(files[i].rotated)));

        assert_int_equal(parse(&signs, (pv_str_t) { out.data, out.len }, &p), PV_OK);
        assert_int_equal(pv_keys_first(signs, PV_KEY_COOKIE)->id, 3);
        assert_null(pv_keys_waiting(signs, PV_KEY_COOKIE));
        assert_int_equal(signs->count[PV_KEY_COOKIE], keys->count[PV_KEY_COOKIE]);
        assert_int_equal(pv_keys_mac(other, pv_keys_first(signs, PV_KEY_COOKIE), "d", pv_str("site"), NULL, 0), PV_OK);
        assert_memory_equal(one, other, PV_MAC_LEN);

        pv_keys_free(keys);
        pv_keys_free(signs);
        pv_buf_free(&text);
        pv_buf_free(&same);
        pv_buf_free(&out);
    }
}


/* A new one goes behind the last of its kind, also where the file ends there without a line end. */

static void
test_next_new(void **state)
{
    pv_buf_t           text;
    pv_keys_t         *keys;
    pv_problems_t      p;
    pv_keys_change_t   change;

    static const char  second[] = "cookie 03 AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8 next\n";
    static const char  end[] =
        "form 01 AgECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\nledger ff AwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
        "pseudonym 01 BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
        "cookie 01 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    (void) state;

    pv_problems_init(&p);
    pv_buf_init(&text, PV_KEYS_FILE_MAX);
    assert_int_equal(pv_keys_next(&text, pv_str(end), PV_KEY_COOKIE, &change, &p), PV_OK);
    assert_true(!change.waited && change.id == 2);
    assert_memory_equal(text.data, end, strlen(end));
    assert_int_equal(text.data[strlen(end)], '\n');
    pv_problems_free(&p);

    assert_int_equal(parse(&keys, (pv_str_t) { text.data, text.len }, &p), PV_OK);
    assert_int_equal(pv_keys_first(keys, PV_KEY_COOKIE)->id, 1);
    assert_int_equal(pv_keys_waiting(keys, PV_KEY_COOKIE)->id, 2);
    pv_keys_free(keys);
    pv_problems_free(&p);

    /* a second one that waits, and one that waits and is the first: no file has these */

    pv_buf_puts(&text, second);
    assert_int_equal(parse(&keys, (pv_str_t) { text.data, text.len }, &p), PV_INVALID);
    assert_string_equal(p.list[0].reason, "a second one that is \"next\"");
    pv_problems_free(&p);
    pv_buf_free(&text);

    assert_int_equal(parse(&keys, pv_str(second), &p), PV_INVALID);
    assert_string_equal(p.list[0].reason, "the first of a kind signs: it cannot be \"next\"");
    pv_problems_free(&p);
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
        cmocka_unit_test(test_next),
        cmocka_unit_test(test_next_new),
        cmocka_unit_test(test_mac_separation),
        cmocka_unit_test(test_publication_keys)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
