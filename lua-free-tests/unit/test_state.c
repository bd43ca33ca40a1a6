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
#include "pv_state.h"


static const pv_str_t  session = pv_string("\0\0\0\5abcde");
static const pv_str_t  no_session = { NULL, 0 };


static pv_consent_t
sample(void)
{
    pv_consent_t  c;

    memset(&c, 0, sizeof(c));
    memcpy(c.subject, subject, PV_SUBJECT_LEN);
    c.position = 2;
    c.decided_version = 3;
    c.bound_version = 2;
    c.decided = 0x0E;
    c.granted = 0x06;
    c.chosen = 1764547200;
    c.checked = 1764547300;
    memset(c.head, 0x5A, PV_LINK_LEN);

    return c;
}


static void
add_pending(pv_consent_t *c, pv_record_t *r)
{
    memset(r, 0, sizeof(pv_record_t));
    r->how = PV_HOW_REJECT_ALL;
    r->time = c->chosen;
    r->form = 7;
    r->decided_version = c->decided_version;
    r->bound_version = c->bound_version;
    r->decided = c->decided;
    r->granted = c->granted;

    assert_int_equal(pv_record_seal(r, keys, site, c->subject, c->position + 1, c->head), PV_OK);
    c->pending_len = (uint8_t) pv_record_encode(c->pending, r);
    c->flags |= PV_STATE_PENDING;
}


static pv_str_t
text(const char *data, long len)
{
    return (pv_str_t) { (const unsigned char *) data, (size_t) len };
}


static void
same(const pv_consent_t *a, const pv_consent_t *b)
{
    assert_memory_equal(a->subject, b->subject, PV_SUBJECT_LEN);
    assert_memory_equal(a->head, b->head, PV_LINK_LEN);
    assert_memory_equal(a->user_tag, b->user_tag, PV_USER_TAG_LEN);
    assert_memory_equal(a->pending, b->pending, PV_RECORD_MAX);
    assert_true(a->decided == b->decided && a->granted == b->granted);
    assert_int_equal(a->position, b->position);
    assert_int_equal(a->decided_version, b->decided_version);
    assert_int_equal(a->bound_version, b->bound_version);
    assert_int_equal(a->chosen, b->chosen);
    assert_int_equal(a->checked, b->checked);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->pending_len, b->pending_len);
}


static void
test_consent(void **state)
{
    long          n;
    char          out[PV_COOKIE_MAX + 1];
    pv_consent_t  c, back;

    (void) state;

    c = sample();
    n = pv_consent_encode(out, &c, keys, site);
    assert_in_range(n, 1, 100);
    assert_int_equal(strlen(out), n);
    assert_int_equal(pv_consent_decode(&back, text(out, n), keys, site), PV_OK);
    same(&c, &back);
}


static void
test_consent_largest(void **state)
{
    long          n;
    char          out[PV_COOKIE_MAX + 1];
    pv_record_t   r;
    pv_consent_t  c, back;

    (void) state;

    c = sample();
    c.position = UINT32_MAX - 1;
    c.decided_version = c.bound_version = UINT32_MAX;
    c.decided = UINT64_MAX;
    c.granted = UINT64_MAX;
    c.chosen = c.checked = UINT32_MAX;
    c.flags = PV_STATE_USER|PV_STATE_WITHDRAWN|PV_STATE_MINOR;
    memset(c.user_tag, 0xFF, PV_USER_TAG_LEN);
    add_pending(&c, &r);

    /* the same record with a client: the full 64 bytes */
    r.client_len = 6;
    r.form = UINT64_MAX;
    memset(r.client, 0xFF, 6);
    assert_int_equal(pv_record_encode(c.pending, &r), PV_RECORD_MAX);
    c.pending_len = PV_RECORD_MAX;

    n = pv_consent_encode(out, &c, keys, site);
    assert_in_range(n, 1, PV_COOKIE_MAX);
    assert_int_equal(pv_consent_decode(&back, text(out, n), keys, site), PV_OK);
    same(&c, &back);
}


static void
test_consent_refused(void **state)
{
    char          out[PV_COOKIE_MAX + 1];
    pv_record_t   r;
    pv_consent_t  c;

    (void) state;

    c = sample();
    c.position = 0;
    assert_int_equal(pv_consent_encode(out, &c, keys, site), PV_ERROR);

    c = sample();
    c.granted |= 0x10;
    assert_int_equal(pv_consent_encode(out, &c, keys, site), PV_ERROR);

    c = sample();
    c.flags = PV_STATE_AGREED_AHEAD | 0x20;
    assert_int_equal(pv_consent_encode(out, &c, keys, site), PV_ERROR);

    c = sample();
    c.pending_len = 40;
    assert_int_equal(pv_consent_encode(out, &c, keys, site), PV_ERROR);

    c = sample();
    c.flags = PV_STATE_PENDING;
    assert_int_equal(pv_consent_encode(out, &c, keys, site), PV_ERROR);

    /* a pending refusal is what counts, not what was granted before it */
    c = sample();
    c.granted = 0x02;
    add_pending(&c, &r);
    assert_true(pv_consent_encode(out, &c, keys, site) > 0);
    c.granted = 0x06;
    assert_int_equal(pv_consent_encode(out, &c, keys, site), PV_ERROR);

    /* a first choice that is not recorded can only be a refusal */
    c = sample();
    c.granted = 0;
    add_pending(&c, &r);
    c.position = 0;
    assert_true(pv_consent_encode(out, &c, keys, site) > 0);

    c = sample();
    add_pending(&c, &r);
    c.position = 0;
    assert_int_equal(pv_consent_encode(out, &c, keys, site), PV_ERROR);
}


static void
refuse_everything_near(char *cookie, long n, int (*decode)(pv_str_t cookie))
{
    long           i, bit, len;
    char           longer[PV_COOKIE_MAX + 8];
    unsigned char  packed[256], flipped[PV_COOKIE_MAX + 8];

    for (i = 0; i < n; i++) {
        assert_int_equal(decode(text(cookie, i)), PV_INVALID);
        assert_int_equal(decode(text(cookie + i + 1, n - i - 1)), PV_INVALID);
    }

    for (i = 1; i < 4; i++) {
        memcpy(longer, cookie, (size_t) n);
        memset(longer + n, 'A', 4);
        assert_int_equal(decode(text(longer, n + i)), PV_INVALID);
    }

    len = pv_base64url_decode(packed, sizeof(packed), text(cookie, n));
    assert_true(len > 0);

    for (bit = 0; bit < len * 8; bit++) {
        packed[bit / 8] ^= (unsigned char) (1u << bit % 8);
        i = (long) pv_base64url_encode(flipped, (pv_str_t) { packed, (size_t) len });
        assert_int_equal(decode(text((char *) flipped, i)), PV_INVALID);
        packed[bit / 8] ^= (unsigned char) (1u << bit % 8);
    }

    /* and in the text, every bit */

    for (bit = 0; bit < n * 8; bit++) {
        cookie[bit / 8] ^= (char) (1u << bit % 8);
        assert_int_equal(decode(text(cookie, n)), PV_INVALID);
        cookie[bit / 8] ^= (char) (1u << bit % 8);
    }

    assert_int_equal(decode(text(cookie, n)), PV_OK);
}


static int
decode_consent(pv_str_t cookie)
{
    int           rc;
    pv_consent_t  c, zero;

    rc = pv_consent_decode(&c, cookie, keys, site);

    if (rc != PV_OK) {
        memset(&zero, 0, sizeof(zero));
        assert_memory_equal(&c, &zero, sizeof(c));
    }

    return rc;
}


static int
decode_user(pv_str_t cookie)
{
    pv_user_t  u;

    return pv_user_decode(&u, cookie, session, keys, site, 999);
}


static int
decode_token(pv_str_t token)
{
    pv_token_t  t;

    return pv_token_decode(&t, token, keys, site);
}


static void
test_consent_forged(void **state)
{
    long          n;
    char          out[PV_COOKIE_MAX + 1];
    pv_record_t   r;
    pv_consent_t  c, back;

    (void) state;

    c = sample();
    n = pv_consent_encode(out, &c, keys, site);
    refuse_everything_near(out, n, decode_consent);

    assert_int_equal(pv_consent_decode(&back, text(out, n), keys, other_site), PV_INVALID);
    assert_int_equal(pv_consent_decode(&back, text(out, n), foreign, site), PV_INVALID);

    c.flags = PV_STATE_USER;
    add_pending(&c, &r);
    n = pv_consent_encode(out, &c, keys, site);
    refuse_everything_near(out, n, decode_consent);
}


static void
test_rotation(void **state)
{
    long          n;
    char          out[PV_COOKIE_MAX + 1];
    pv_user_t     u, user;
    pv_token_t    t, token;
    pv_consent_t  c, back;

    (void) state;

    c = sample();
    n = pv_consent_encode(out, &c, keys, site);
    assert_int_equal(pv_consent_decode(&back, text(out, n), rotated, site), PV_OK);
    n = pv_consent_encode(out, &c, rotated, site);
    assert_int_equal(pv_consent_decode(&back, text(out, n), rotated, site), PV_OK);
    assert_int_equal(pv_consent_decode(&back, text(out, n), keys, site), PV_INVALID);

    memset(&u, 1, sizeof(u));
    n = pv_user_encode(out, &u, session, rotated, site);
    assert_int_equal(pv_user_decode(&user, text(out, n), session, rotated, site, 1), PV_OK);
    assert_int_equal(pv_user_decode(&user, text(out, n), session, keys, site, 1), PV_INVALID);

    memset(&t, 1, sizeof(t));
    n = pv_token_encode(out, &t, rotated, site);
    assert_int_equal(pv_token_decode(&token, text(out, n), rotated, site), PV_OK);
    assert_int_equal(pv_token_decode(&token, text(out, n), keys, site), PV_INVALID);
}


static void
test_from_record(void **state)
{
    pv_record_t   r;
    pv_consent_t  c;

    (void) state;

    c = sample();
    add_pending(&c, &r);
    pv_consent_from_record(&c, &r, subject, 3, 42);
    assert_int_equal(c.position, 3);
    assert_int_equal(c.checked, 42);
    assert_int_equal(c.chosen, r.time);
    assert_int_equal(c.flags, 0);
    assert_int_equal(c.pending_len, 0);
    assert_memory_equal(c.head, r.link, PV_LINK_LEN);

    r.how = PV_HOW_WITHDRAW;
    pv_consent_from_record(&c, &r, subject, 3, 42);
    assert_int_equal(c.flags, PV_STATE_WITHDRAWN);
}


static void
test_user(void **state)
{
    long       n;
    char       out[PV_USER_COOKIE_MAX + 1];
    pv_user_t  u, back;

    (void) state;

    memcpy(u.subject, subject, PV_SUBJECT_LEN);
    u.expires = 1000;

    n = pv_user_encode(out, &u, session, keys, site);
    assert_in_range(n, 1, PV_USER_COOKIE_MAX);
    assert_int_equal(pv_user_decode(&back, text(out, n), session, keys, site, 999), PV_OK);
    assert_memory_equal(back.subject, subject, PV_SUBJECT_LEN);
    assert_int_equal(back.expires, 1000);

    /* over, another session, none, another site, another key */
    assert_int_equal(pv_user_decode(&back, text(out, n), session, keys, site, 1000), PV_INVALID);
    assert_int_equal(pv_user_decode(&back, text(out, n), pv_str("abcdf"), keys, site, 999), PV_INVALID);
    assert_int_equal(pv_user_decode(&back, text(out, n), no_session, keys, site, 999), PV_INVALID);
    assert_int_equal(pv_user_decode(&back, text(out, n), session, keys, other_site, 999), PV_INVALID);
    assert_int_equal(pv_user_decode(&back, text(out, n), session, foreign, site, 999), PV_INVALID);

    refuse_everything_near(out, n, decode_user);

    n = pv_user_encode(out, &u, no_session, keys, site);
    assert_int_equal(pv_user_decode(&back, text(out, n), no_session, keys, site, 999), PV_OK);
    assert_int_equal(pv_user_decode(&back, text(out, n), session, keys, site, 999), PV_INVALID);
}


static void
test_user_tag(void **state)
{
    unsigned char  a[PV_USER_TAG_LEN], b[PV_USER_TAG_LEN];

    (void) state;

    assert_int_equal(pv_user_tag(a, subject), PV_OK);
    assert_int_equal(pv_user_tag(b, subject), PV_OK);
    assert_memory_equal(a, b, sizeof(a));
    assert_int_equal(pv_user_tag(b, other_subject), PV_OK);
    assert_memory_not_equal(a, b, sizeof(a));
}


static void
test_token(void **state)
{
    long        n;
    char        out[PV_TOKEN_MAX + 1], again[PV_TOKEN_MAX + 1];
    pv_token_t  t, back;

    (void) state;

    memset(&t, 0, sizeof(t));
    t.form = 0x0123456789ABCDEF;
    t.version = 3;
    t.issued = 1764547200;
    t.position = 2;
    memset(t.subject_tag, 0x11, PV_USER_TAG_LEN);
    memset(t.user_tag, 0x22, PV_USER_TAG_LEN);

    n = pv_token_encode(out, &t, keys, site);
    assert_in_range(n, 1, PV_TOKEN_MAX);
    assert_int_equal(pv_token_decode(&back, text(out, n), keys, site), PV_OK);
    assert_true(back.form == t.form);
    assert_int_equal(back.version, t.version);
    assert_int_equal(back.issued, t.issued);
    assert_int_equal(back.position, t.position);
    assert_memory_equal(back.subject_tag, t.subject_tag, PV_USER_TAG_LEN);
    assert_memory_equal(back.user_tag, t.user_tag, PV_USER_TAG_LEN);

    /* no two look alike */
    assert_int_equal(pv_token_encode(again, &t, keys, site), n);
    assert_string_not_equal(out, again);
    assert_memory_not_equal(out + n / 2, again + n / 2, 16);

    assert_int_equal(pv_token_decode(&back, text(out, n), keys, other_site), PV_INVALID);
    assert_int_equal(pv_token_decode(&back, text(out, n), foreign, site), PV_INVALID);
    refuse_everything_near(out, n, decode_token);
}


/* None passes as another, even under one key of all kinds. */

static void
test_kinds_apart(void **state)
{
    long            n;
    char            out[PV_COOKIE_MAX + 1];
    pv_user_t       u;
    pv_keys_t      *one;
    pv_token_t      t;
    pv_consent_t    c;

    (void) state;

    one = keys_fixture_load("cookie 01 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
                            "form 01 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n",
                            "ledger 01 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
                            "pseudonym 01 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n");
    c = sample();
    n = pv_consent_encode(out, &c, one, site);
    assert_int_equal(pv_user_decode(&u, text(out, n), no_session, one, site, 1), PV_INVALID);
    assert_int_equal(pv_token_decode(&t, text(out, n), one, site), PV_INVALID);

    memset(&u, 0, sizeof(u));
    u.expires = 1000;
    n = pv_user_encode(out, &u, no_session, one, site);
    assert_int_equal(pv_consent_decode(&c, text(out, n), one, site), PV_INVALID);
    assert_int_equal(pv_token_decode(&t, text(out, n), one, site), PV_INVALID);

    memset(&t, 0, sizeof(t));
    n = pv_token_encode(out, &t, one, site);
    assert_int_equal(pv_consent_decode(&c, text(out, n), one, site), PV_INVALID);
    assert_int_equal(pv_user_decode(&u, text(out, n), no_session, one, site, 1), PV_INVALID);

    pv_keys_free(one);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_consent),
        cmocka_unit_test(test_consent_largest),
        cmocka_unit_test(test_consent_refused),
        cmocka_unit_test(test_consent_forged),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_from_record),
        cmocka_unit_test(test_user),
        cmocka_unit_test(test_user_tag),
        cmocka_unit_test(test_token),
        cmocka_unit_test(test_kinds_apart)
    };

    return cmocka_run_group_tests(tests, keys_fixture_setup, keys_fixture_teardown);
}
