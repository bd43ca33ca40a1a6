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

#include "keys_fixture.h"
#include "pv_chain.h"


static pv_record_t
sample(void)
{
    pv_record_t  r;

    memset(&r, 0, sizeof(r));
    r.how = PV_HOW_CUSTOM;
    r.time = 1764547200;
    r.form = 0x0123456789ABCDEF;
    r.decided_version = 3;
    r.bound_version = 2;
    r.decided = 0x0E;
    r.granted = 0x06;
    r.client_len = 3;
    memcpy(r.client, "\x7F\x00\x01", 3);

    return r;
}


static void
test_size(void **state)
{
    size_t         len;
    pv_record_t    r, back;
    unsigned char  out[PV_RECORD_MAX];

    (void) state;

    r = sample();
    assert_int_equal(pv_record_seal(&r, keys, site, subject, 1, NULL), PV_OK);
    len = pv_record_encode(out, &r);
    assert_true(len <= 44);

    /* the largest of everything */
    r.decided = UINT64_MAX;
    r.granted = UINT64_MAX - 1;
    r.decided_version = UINT32_MAX;
    r.bound_version = UINT32_MAX;
    r.time = UINT32_MAX;
    r.form = UINT64_MAX;
    r.client_len = 6;
    memset(r.client, 0xFF, 6);
    r.how = PV_HOW_EXPIRE;
    r.key_id = 255;

    len = pv_record_encode(out, &r);
    assert_int_equal(len, PV_RECORD_MAX);
    assert_int_equal(pv_record_decode(&back, (pv_str_t) { out, len }), PV_OK);
    assert_memory_equal(&back.client, &r.client, 6);
    assert_true(back.decided == r.decided && back.granted == r.granted && back.form == r.form);
    assert_int_equal(back.bound_version, UINT32_MAX);

    /* with the age of what is carried along, too */
    r.how = PV_HOW_AGREE;
    assert_int_equal(pv_record_encode(out, &r), 0);
    r.decided_version = r.bound_version = (1 << 24) - 1;
    r.carried = PV_CARRIED_MAX;
    r.carried_withdrawal = 1;

    len = pv_record_encode(out, &r);
    assert_int_equal(len, PV_RECORD_MAX);
    assert_int_equal(pv_record_decode(&back, (pv_str_t) { out, len }), PV_OK);
    assert_int_equal(back.carried, PV_CARRIED_MAX);
    assert_int_equal(back.carried_withdrawal, 1);

    r.carried++;
    assert_int_equal(pv_record_encode(out, &r), 0);
    r.carried = 1;
    r.how = PV_HOW_CUSTOM;
    assert_int_equal(pv_record_encode(out, &r), 0);
    r.carried = 0;
    assert_int_equal(pv_record_encode(out, &r), 0);
    r.carried_withdrawal = 0;
    assert_int_not_equal(pv_record_encode(out, &r), 0);
}


static void
test_refused_fields(void **state)
{
    pv_record_t    r;
    unsigned char  out[PV_RECORD_MAX];

    (void) state;

    r = sample();
    assert_int_not_equal(pv_record_encode(out, &r), 0);

    r.granted = 0x10;
    assert_int_equal(pv_record_encode(out, &r), 0);
    assert_int_equal(pv_record_seal(&r, keys, site, subject, 1, NULL), PV_INVALID);

    r = sample();
    r.how = 0;
    assert_int_equal(pv_record_encode(out, &r), 0);
    r.how = PV_HOW_DECLINE + 1;
    assert_int_equal(pv_record_encode(out, &r), 0);

    r = sample();
    r.client_len = 4;
    assert_int_equal(pv_record_encode(out, &r), 0);

    r = sample();
    r.decided_version = 0;
    assert_int_equal(pv_record_encode(out, &r), 0);

    r = sample();
    assert_int_equal(pv_record_seal(&r, keys, site, subject, 0, NULL), PV_INVALID);
    assert_int_equal(pv_record_seal(&r, keys, site, subject, 2, NULL), PV_INVALID);
    assert_null(pv_how_name(0));
    assert_null(pv_how_name(-1));
    assert_string_equal(pv_how_name(PV_HOW_WITHDRAW), "withdraw");
}


/* Whatever decodes is encoded to the same bytes: one value, one spelling. */

static void
test_truncated_and_flipped(void **state)
{
    size_t         len, i, decoded;
    pv_record_t    r, back;
    unsigned char  out[PV_RECORD_MAX + 1], again[PV_RECORD_MAX];

    (void) state;

    r = sample();
    assert_int_equal(pv_record_seal(&r, keys, site, subject, 1, NULL), PV_OK);
    len = pv_record_encode(out, &r);
    out[len] = 0;

    for (i = 0; i < len; i++) {
        assert_int_equal(pv_record_decode(&back, (pv_str_t) { out, i }), PV_INVALID);
    }

    assert_int_equal(pv_record_decode(&back, (pv_str_t) { out, len + 1 }), PV_INVALID);

    for (i = 0, decoded = 0; i < len * 8; i++) {
        out[i / 8] ^= (unsigned char) (1u << i % 8);

        if (pv_record_decode(&back, (pv_str_t) { out, len }) == PV_OK) {
            decoded++;
            assert_int_equal(pv_record_encode(again, &back), len);
            assert_memory_equal(again, out, len);
            assert_int_equal(pv_record_verify(&back, keys, site, subject, 1, NULL), PV_INVALID);
        }

        out[i / 8] ^= (unsigned char) (1u << i % 8);
    }

    assert_true(decoded > 100);
    assert_int_equal(pv_record_decode(&back, (pv_str_t) { out, len }), PV_OK);
    assert_int_equal(pv_record_verify(&back, keys, site, subject, 1, NULL), PV_OK);
}


static void
test_bound_to_its_place(void **state)
{
    pv_record_t    r, second;
    unsigned char  first[PV_LINK_LEN];

    (void) state;

    r = sample();
    second = sample();
    assert_int_equal(pv_record_seal(&r, keys, site, subject, 1, NULL), PV_OK);
    assert_int_equal(pv_record_seal(&second, keys, site, subject, 2, r.link), PV_OK);

    assert_int_equal(pv_record_verify(&r, keys, site, subject, 1, NULL), PV_OK);
    assert_int_equal(pv_record_verify(&second, keys, site, subject, 2, r.link), PV_OK);

    assert_int_equal(pv_record_verify(&r, keys, other_site, subject, 1, NULL), PV_INVALID);
    assert_int_equal(pv_record_verify(&r, keys, site, other_subject, 1, NULL), PV_INVALID);
    assert_int_equal(pv_record_verify(&r, foreign, site, subject, 1, NULL), PV_INVALID);
    assert_int_equal(pv_record_verify(&second, keys, site, subject, 3, r.link), PV_INVALID);
    assert_int_equal(pv_record_verify(&second, keys, site, subject, 2, second.link), PV_INVALID);
    assert_int_equal(pv_record_verify(&second, keys, site, subject, 2, NULL), PV_INVALID);
    assert_int_equal(pv_record_verify(&second, keys, site, subject, 1, NULL), PV_INVALID);

    /* even with the link before position 1 as its previous, position 1 is not position 2 */
    assert_int_equal(pv_record_first_link(first, keys, 1, site, subject), PV_OK);
    assert_int_equal(pv_record_verify(&r, keys, site, subject, 2, first), PV_INVALID);
    assert_int_equal(pv_record_first_link(first, keys, 9, site, subject), PV_INVALID);
}


static void
test_rotation(void **state)
{
    pv_record_t  r, second;

    (void) state;

    r = sample();
    second = sample();
    assert_int_equal(pv_record_seal(&r, keys, site, subject, 1, NULL), PV_OK);
    assert_int_equal(pv_record_seal(&second, rotated, site, subject, 2, r.link), PV_OK);

    assert_int_equal(r.key_id, 1);
    assert_int_equal(second.key_id, 2);
    assert_int_equal(pv_record_verify(&r, rotated, site, subject, 1, NULL), PV_OK);
    assert_int_equal(pv_record_verify(&second, rotated, site, subject, 2, r.link), PV_OK);
    assert_int_equal(pv_record_verify(&second, keys, site, subject, 2, r.link), PV_INVALID);

    /* a record signed with one key does not pass as the other's */
    r.key_id = 2;
    assert_int_equal(pv_record_verify(&r, rotated, site, subject, 1, NULL), PV_INVALID);
}


static void
test_form_and_pseudonym(void **state)
{
    unsigned char  a[PV_SUBJECT_LEN], b[PV_SUBJECT_LEN];

    (void) state;

    /* SHA-256("abc") begins with ba7816bf8f01cfea */
    assert_true(pv_form_number(pv_str("abc")) == 0xBA7816BF8F01CFEA);

    assert_int_equal(pv_pseudonym(a, keys, site, pv_str("alice")), PV_OK);
    assert_int_equal(pv_pseudonym(b, keys, site, pv_str("alice")), PV_OK);
    assert_memory_equal(a, b, sizeof(a));
    assert_int_equal(pv_pseudonym(b, rotated, site, pv_str("alice")), PV_OK);
    assert_memory_equal(a, b, sizeof(a));

    assert_int_equal(pv_pseudonym(b, keys, site, pv_str("alicf")), PV_OK);
    assert_memory_not_equal(a, b, sizeof(a));
    assert_int_equal(pv_pseudonym(b, keys, other_site, pv_str("alice")), PV_OK);
    assert_memory_not_equal(a, b, sizeof(a));
    assert_int_equal(pv_pseudonym(b, foreign, site, pv_str("alice")), PV_OK);
    assert_memory_not_equal(a, b, sizeof(a));
    assert_int_equal(pv_pseudonym(b, keys, site, pv_str("")), PV_INVALID);
}


/* Ledgers. */

#define N  9

static pv_chain_entry_t  ledger[N];


static void
build(void)
{
    size_t         i;
    pv_record_t    r;
    unsigned char  previous[PV_LINK_LEN];

    memset(ledger, 0, sizeof(ledger));

    for (i = 0; i < N; i++) {
        r = sample();
        r.time += (uint32_t) i;

        /* the key rotates in the middle */
        assert_int_equal(pv_record_seal(&r, (i < N / 2) ? keys : rotated, site, subject, (uint32_t) i + 1,
                                        i ? previous : NULL), PV_OK);
        memcpy(previous, r.link, PV_LINK_LEN);
        ledger[i].len = (uint8_t) pv_record_encode(ledger[i].data, &r);
    }
}


/* want: a letter a position: o holds, x missing, u unreadable, n newer, c changed, m moved, ? unproven */

static void
verify(const char *want)
{
    int     rc;
    char    got[N + 1];
    size_t  i;

    rc = pv_chain_verify(ledger, N, rotated, site, subject);

    for (i = 0; i < N; i++) {
        got[i] = "oxuncm?"[ledger[i].state];
    }

    got[N] = '\0';

    assert_string_equal(got, want);
    assert_int_equal(rc, strspn(want, "o") == N ? PV_OK : PV_INVALID);
}


static void
swap(size_t a, size_t b)
{
    pv_chain_entry_t  e;

    e = ledger[a];
    ledger[a] = ledger[b];
    ledger[b] = e;
}


static void
test_chain(void **state)
{
    (void) state;

    build();
    verify("ooooooooo");
    assert_int_equal(pv_chain_verify(ledger, 0, rotated, site, subject), PV_OK);
    assert_int_equal(pv_chain_verify(ledger, N, rotated, site, other_subject), PV_INVALID);
    assert_int_equal(pv_chain_verify(ledger, N, rotated, other_site, subject), PV_INVALID);
    assert_int_equal(pv_chain_verify(ledger, N, foreign, site, subject), PV_INVALID);
}


static void
test_chain_changed(void **state)
{
    (void) state;

    /* another time, its link left: only this one is wrong */
    build();
    ledger[3].data[7] ^= 1;
    verify("oooc" "ooooo");

    /* its link changed too: the one behind can not be checked any more, those behind that can */
    build();
    ledger[3].data[ledger[3].len - 1] ^= 1;
    verify("oooc?" "oooo");

    build();
    ledger[N - 1].data[7] ^= 1;
    verify("oooooooo" "c");

    build();
    ledger[0].data[7] ^= 1;
    verify("c" "oooooooo");
}


static void
test_chain_swapped(void **state)
{
    (void) state;

    build();
    swap(3, 4);
    verify("ooomm" "oooo");
    assert_int_equal(ledger[3].elsewhere, 5);
    assert_int_equal(ledger[4].elsewhere, 4);

    build();
    swap(0, 8);
    verify("m" "ooooooo" "m");
    assert_int_equal(ledger[0].elsewhere, 9);

    /* a circle of three */
    build();
    swap(2, 4);
    swap(4, 6);
    verify("oomomom" "oo");
}


static void
test_chain_missing(void **state)
{
    (void) state;

    build();
    memset(&ledger[4], 0, sizeof(ledger[4]));
    verify("oooox?" "ooo");

    build();
    memset(&ledger[0], 0, sizeof(ledger[0]));
    verify("x?" "ooooooo");

    build();
    memset(&ledger[2], 0, sizeof(ledger[2]));
    memset(&ledger[3], 0, sizeof(ledger[3]));
    verify("ooxx?" "oooo");
}


static void
test_chain_rewritten(void **state)
{
    size_t  i;

    (void) state;

    /* one taken out, and all behind it moved up to hide the gap */
    build();

    for (i = 4; i + 1 < N; i++) {
        ledger[i] = ledger[i + 1];
    }

    memset(&ledger[N - 1], 0, sizeof(ledger[0]));
    assert_int_equal(pv_chain_verify(ledger, N - 1, rotated, site, subject), PV_INVALID);
    assert_int_equal(ledger[3].state, PV_CHAIN_HOLDS);

    for (i = 4; i < N - 1; i++) {
        assert_int_not_equal(ledger[i].state, PV_CHAIN_HOLDS);
    }

    /* an old accept put over a later withdrawal */
    build();
    ledger[6] = ledger[2];
    verify("oooooo" "c?" "o");
}


static void
test_chain_unreadable(void **state)
{
    (void) state;

    build();
    ledger[4].len -= 3;
    verify("oooou?" "ooo");

    build();
    ledger[8].len = 0;
    ledger[8].too_long = 1;
    verify("oooooooo" "u");
}


/* What a later version of the software wrote is not taken for damage. */

static void
test_chain_newer(void **state)
{
    (void) state;

    build();
    ledger[8].data[0] = PV_RECORD_FORMAT + 1;
    verify("oooooooo" "n");

    build();
    ledger[4].data[0] = PV_RECORD_FORMAT + 1;
    ledger[4].len = PV_RECORD_MAX;
    verify("oooon?" "ooo");

    assert_int_equal(pv_record_newer((pv_str_t) { ledger[4].data, ledger[4].len }), PV_RECORD_FORMAT + 1);
    assert_int_equal(pv_record_newer((pv_str_t) { ledger[3].data, ledger[3].len }), 0);
    assert_int_equal(pv_record_newer(pv_str("no record")), 0);
    assert_int_equal(pv_record_newer(pv_str("")), 0);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_refused_fields),
        cmocka_unit_test(test_truncated_and_flipped),
        cmocka_unit_test(test_bound_to_its_place),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_form_and_pseudonym),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_chain_changed),
        cmocka_unit_test(test_chain_swapped),
        cmocka_unit_test(test_chain_missing),
        cmocka_unit_test(test_chain_rewritten),
        cmocka_unit_test(test_chain_unreadable),
        cmocka_unit_test(test_chain_newer)
    };

    return cmocka_run_group_tests(tests, keys_fixture_setup, keys_fixture_teardown);
}
