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

#include "pv_memo.h"


static const char  keys_text[] =
    "cookie    01 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
    "form      01 AgECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
    "ledger    01 AwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
    "pseudonym 01 BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n";

static pv_keys_t  *keys;

static const pv_str_t  site = pv_string("example");


static int
setup(void **state)
{
    pv_problems_t  p;

    (void) state;

    pv_problems_init(&p);

    return pv_keys_parse(&keys, pv_str(keys_text), "keys", &p);
}


static int
teardown(void **state)
{
    (void) state;

    pv_keys_free(keys);

    return 0;
}


/* Visitors that differ in what was granted, so that one that is taken for another shows. */
static pv_str_t
cookie(char out[PV_COOKIE_MAX + 1], unsigned visitor)
{
    long          n;
    pv_consent_t  c;

    memset(&c, 0, sizeof(c));
    memcpy(c.subject, &visitor, sizeof(visitor));
    c.position = 1 + visitor;
    c.decided_version = 1;
    c.bound_version = 1;
    c.decided = UINT64_MAX;
    c.granted = visitor;
    c.chosen = 1764547200;
    c.checked = 1764547300;

    n = pv_consent_encode(out, &c, keys, site);
    assert_true(n > 0);

    return (pv_str_t) { (const unsigned char *) out, (size_t) n };
}


static void
test_remembered(void **state)
{
    char          text[PV_COOKIE_MAX + 1];
    pv_str_t      sent;
    pv_memo_t    *memo;
    pv_consent_t  first, again, plain;

    (void) state;

    memo = pv_memo_create(8);
    assert_non_null(memo);
    sent = cookie(text, 5);

    assert_int_equal(pv_consent_decode(&plain, sent, keys, site), PV_OK);
    assert_int_equal(pv_memo_consent(memo, &first, sent, keys, site), PV_OK);
    assert_int_equal(pv_memo_consent(memo, &again, sent, keys, site), PV_OK);
    assert_memory_equal(&first, &plain, sizeof(plain));
    assert_memory_equal(&again, &plain, sizeof(plain));

    /* it is the memo that answers: without keys nothing verifies */
    assert_int_equal(pv_memo_consent(memo, &again, sent, &(pv_keys_t) { .count = { 0 } }, site), PV_OK);
    assert_int_not_equal(pv_memo_consent(memo, &again, cookie(text, 6), &(pv_keys_t) { .count = { 0 } }, site),
                         PV_OK);

    pv_memo_free(memo);
}


/* Nothing but the very bytes that verified is let through by having been seen. */
static void
test_altered(void **state)
{
    char          text[PV_COOKIE_MAX + 1], altered[PV_COOKIE_MAX + 2];
    size_t        i, bit;
    pv_str_t      sent, other;
    pv_memo_t    *memo;
    pv_consent_t  c, zero;

    (void) state;

    memset(&zero, 0, sizeof(zero));
    memo = pv_memo_create(1);           /* every cookie has the same place */
    sent = cookie(text, 9);
    other.data = (const unsigned char *) altered;

    for (i = 0; i < sent.len; i++) {
        for (bit = 0; bit < 8; bit++) {
            assert_int_equal(pv_memo_consent(memo, &c, sent, keys, site), PV_OK);

            memcpy(altered, text, sent.len);
            altered[i] ^= (char) (1 << bit);
            other.len = sent.len;
            assert_int_not_equal(pv_memo_consent(memo, &c, other, keys, site), PV_OK);
            assert_memory_equal(&c, &zero, sizeof(c));
            assert_int_not_equal(pv_memo_consent(memo, &c, other, keys, site), PV_OK);
        }

        other.len = i;
        memcpy(altered, text, sent.len);
        assert_int_not_equal(pv_memo_consent(memo, &c, other, keys, site), PV_OK);
    }

    memset(altered, 'A', sizeof(altered));
    memcpy(altered, text, sent.len);

    for (other.len = sent.len + 1; other.len <= PV_COOKIE_MAX + 1; other.len++) {
        assert_int_not_equal(pv_memo_consent(memo, &c, other, keys, site), PV_OK);
    }

    pv_memo_free(memo);
}


/* More visitors than places. */
static void
test_crowded(void **state)
{
    char          text[PV_COOKIE_MAX + 1];
    unsigned      i, visitor;
    pv_memo_t    *memo;
    pv_consent_t  c;

    (void) state;

    memo = pv_memo_create(16);

    for (i = 0; i < 5000; i++) {
        visitor = (i * 7) % 61;
        assert_int_equal(pv_memo_consent(memo, &c, cookie(text, visitor), keys, site), PV_OK);
        assert_int_equal(c.granted, visitor);
        assert_int_equal(c.position, 1 + visitor);
    }

    pv_memo_free(memo);
}


static void
test_none(void **state)
{
    char          text[PV_COOKIE_MAX + 1];
    pv_consent_t  c;

    (void) state;

    assert_int_equal(pv_memo_consent(NULL, &c, cookie(text, 3), keys, site), PV_OK);
    assert_int_equal(c.granted, 3);
    assert_int_not_equal(pv_memo_consent(NULL, &c, (pv_str_t) { NULL, 0 }, keys, site), PV_OK);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_remembered),
        cmocka_unit_test(test_altered),
        cmocka_unit_test(test_crowded),
        cmocka_unit_test(test_none)
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
