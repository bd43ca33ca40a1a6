/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "page_fixture.h"
#include "pv_choice.h"


#define NOW        1800000000
#define ANALYTICS  0x02u
#define MARKETING  0x04u        /* version 2 changed what it means */
#define SEPARATE   0x08u
#define OPTIONAL   0x0eu

#define HISTORY    24


static int
read_form(pv_choice_input_t *in, const char *text, int how)
{
    static unsigned char  body[PV_CHOICE_BODY_MAX];

    memcpy(body, text, strlen(text));

    return pv_choice_read_form(in, body, strlen(text), how);
}


static int
read_json(pv_choice_input_t *in, const char *text, int how)
{
    int  rc;

    rc = pv_choice_read_json(in, pv_str(text), how);

    if (rc != PV_OK) {
        pv_choice_input_free(in);
    }

    return rc;
}


static void
test_form(void **state)
{
    size_t             i;
    pv_choice_input_t  in;

    static const char *const  bad[] = {
        "", "choice=accept_all", "token=x", "token=&choice=accept_all", "token=x&choice=",
        "token=x&choice=Accept_all", "token=x&token=x&choice=custom", "token=x&choice=custom&choice=custom",
        "token=x&choice=accept_all&return=/&return=/", "token=%4&choice=accept_all", "token=%&choice=accept_all",
        "token=%zz&choice=accept_all", "token=x&choice=accept_all&lonely", "tok%en=x&choice=accept_all"
    };

    (void) state;

    assert_int_equal(read_form(&in, "token=a%2Db+c&return=%2fx%3Fy%3d1&choice=custom&purpose=p1&&purpose=p%32&purpose=p1"
                                    "&more=1", 0), PV_OK);
    assert_int_equal(in.how, PV_HOW_CUSTOM);
    assert_true(in.complete);
    assert_true(pv_str_eqs(in.token, "a-b c"));
    assert_true(pv_str_eqs(in.return_to, "/x?y=1"));
    assert_int_equal(in.count, 2);
    assert_true(pv_str_eqs(in.id[1], "p2"));
    assert_int_equal(in.granted, 3);

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(read_form(&in, bad[i], 0), PV_INVALID);
    }

    /* asked for by address: the choice need not be named, but no other one may be */

    assert_int_equal(read_form(&in, "token=x", PV_HOW_WITHDRAW), PV_OK);
    assert_int_equal(in.how, PV_HOW_WITHDRAW);
    assert_int_equal(read_form(&in, "token=x&choice=withdraw", PV_HOW_WITHDRAW), PV_OK);
    assert_int_equal(read_form(&in, "token=x&choice=accept_all", PV_HOW_WITHDRAW), PV_INVALID);
}


/* More boxes than there can be purposes, more fields than a form has. */

static void
test_form_bounds(void **state)
{
    int                i;
    char               text[PV_CHOICE_BODY_MAX], *p;
    pv_choice_input_t  in;

    (void) state;

    p = text + sprintf(text, "token=x&choice=custom");

    for (i = 0; i < PV_PURPOSES_MAX; i++) {
        p += sprintf(p, "&purpose=p%d", i);
    }

    assert_int_equal(read_form(&in, text, 0), PV_OK);
    assert_int_equal(in.count, PV_PURPOSES_MAX);
    assert_true(in.granted == UINT64_MAX);

    sprintf(p, "&purpose=q");
    assert_int_equal(read_form(&in, text, 0), PV_INVALID);

    p = text + sprintf(text, "token=x&choice=reject_all");

    for (i = 0; i < 300; i++) {
        p += sprintf(p, "&a=b");
    }

    assert_int_equal(read_form(&in, text, 0), PV_INVALID);
}


static void
test_json(void **state)
{
    size_t             i, len;
    char              *copy;
    pv_str_t           cut;
    pv_choice_input_t  in;

    static const char  good[] =
        "{\"token\":\"t\",\"choice\":\"custom\",\"return\":\"/x\",\"purposes\":{\"a\":true,\"b\":false}}";

    static const char *const  bad[] = {
        "", "[]", "null", "{}", "{\"token\":1,\"choice\":\"custom\"}", "{\"token\":\"t\",\"choice\":true}",
        "{\"token\":\"t\",\"choice\":\"custom\",\"purposes\":[]}",
        "{\"token\":\"t\",\"choice\":\"custom\",\"purposes\":{\"a\":1}}",
        "{\"token\":\"t\",\"token\":\"t\",\"choice\":\"withdraw\"}",
        "{\"token\":\"t\",\"choice\":\"custom\",\"purposes\":{\"a\":true,\"a\":false}}",
        "{\"token\":\"\",\"choice\":\"withdraw\"}", "{\"token\":\"\xff\",\"choice\":\"withdraw\"}",
        "{\"token\":\"t\",\"choice\":\"withdraw\"} x"
    };

    (void) state;

    assert_int_equal(read_json(&in, good, 0), PV_OK);
    assert_false(in.complete);
    assert_int_equal(in.count, 2);
    assert_int_equal(__builtin_popcountll(in.granted), 1);
    pv_choice_input_free(&in);

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(read_json(&in, bad[i], 0), PV_INVALID);
    }

    for (len = 0; len < sizeof(good) - 1; len++) {
        copy = malloc(len + 1);             /* exactly as long: a sanitizer sees what is read past it */
        memcpy(copy, good, len);
        cut.data = (unsigned char *) copy;
        cut.len = len;

        assert_int_equal(pv_choice_read_json(&in, cut, 0), PV_INVALID);
        pv_choice_input_free(&in);
        free(copy);
    }
}


static void
input(pv_choice_input_t *in, int how, int complete, const char *id, int granted)
{
    memset(in, 0, sizeof(pv_choice_input_t));

    in->how = how;
    in->complete = complete ? 1 : 0;

    if (id) {
        in->id[0] = pv_str(id);
        in->count = 1;
        in->granted = (uint64_t) granted;
    }
}


static void
test_resolve(void **state)
{
    pv_choice_t         c;
    const pv_policy_t  *policy;
    pv_choice_input_t   in;

    (void) state;

    policy = page_fixture(1);

    input(&in, PV_HOW_ACCEPT_ALL, 1, NULL, 0);
    assert_int_equal(pv_choice_resolve(&c, &in, policy), PV_OK);
    assert_int_equal(c.granted, ANALYTICS | MARKETING);         /* never what is separate */
    assert_int_equal(c.named, ANALYTICS | MARKETING);

    input(&in, PV_HOW_REJECT_ALL, 1, "analytics", 1);           /* a ticked box: the button counts */
    assert_int_equal(pv_choice_resolve(&c, &in, policy), PV_OK);
    assert_int_equal(c.granted, 0);
    assert_int_equal(c.named, OPTIONAL);

    input(&in, PV_HOW_CUSTOM, 1, "analytics", 1);
    assert_int_equal(pv_choice_resolve(&c, &in, policy), PV_OK);
    assert_int_equal(c.granted, ANALYTICS);
    assert_int_equal(c.named, OPTIONAL);

    input(&in, PV_HOW_CUSTOM, 0, "analytics", 1);
    assert_int_equal(pv_choice_resolve(&c, &in, policy), PV_OK);
    assert_int_equal(c.named, ANALYTICS);

    input(&in, PV_HOW_CUSTOM, 0, "telepathy", 1);
    assert_int_equal(pv_choice_resolve(&c, &in, policy), PV_INVALID);
    input(&in, PV_HOW_CUSTOM, 0, "necessary", 0);
    assert_int_equal(pv_choice_resolve(&c, &in, policy), PV_INVALID);
    input(&in, PV_HOW_CUSTOM, 0, NULL, 0);
    assert_int_equal(pv_choice_resolve(&c, &in, policy), PV_INVALID);
}


static void
consent(pv_consent_t *c, uint32_t position, uint32_t version, uint64_t decided, uint64_t granted)
{
    memset(c, 0, sizeof(pv_consent_t));

    c->position = position;
    c->decided_version = version;
    c->bound_version = version;
    c->decided = decided;
    c->granted = granted;
    c->chosen = NOW - 100;
}


static void
choice(pv_choice_t *c, int how, uint32_t version, uint64_t named, uint64_t granted)
{
    memset(c, 0, sizeof(pv_choice_t));

    c->how = how;
    c->version = version;
    c->named = named;
    c->granted = granted;
    c->everything = (how == PV_HOW_REJECT_ALL || how == PV_HOW_WITHDRAW);
}


static void
test_merge(void **state)
{
    pv_choice_t         c;
    pv_record_t         r;
    pv_consent_t        base;
    pv_policy_t        *first, *second;

    (void) state;

    first = page_fixture(1);
    second = page_fixture(2);

    /* what is not named stays as it was */

    consent(&base, 3, 1, OPTIONAL, ANALYTICS | SEPARATE);
    choice(&c, PV_HOW_ACCEPT_ALL, 1, ANALYTICS | MARKETING, ANALYTICS | MARKETING);
    pv_choice_merge(&r, &c, 7, &base, 2, first, NOW);
    assert_int_equal(r.granted, OPTIONAL);
    assert_int_equal(r.decided_version, 1);
    assert_int_equal(r.form, 7);

    /* a grant on the old wording is no grant on the new one */

    consent(&base, 3, 1, OPTIONAL, OPTIONAL);
    choice(&c, PV_HOW_CUSTOM, 2, ANALYTICS, 0);
    pv_choice_merge(&r, &c, 7, &base, 2, second, NOW);
    assert_int_equal(r.granted, SEPARATE);
    assert_int_equal(r.decided, ANALYTICS | SEPARATE);

    /* nor is one whose term is over: a later choice on something else does not revive it */

    base.chosen = NOW - (first->choice_days + 1) * 86400;
    choice(&c, PV_HOW_CUSTOM, 1, ANALYTICS, ANALYTICS);
    pv_choice_merge(&r, &c, 7, &base, 2, first, NOW);
    assert_int_equal(r.granted, ANALYTICS);
    assert_int_equal(r.decided, ANALYTICS);

    /* rejecting on an old form rejects all there is, but decides only what means the same */

    consent(&base, 3, 2, OPTIONAL, OPTIONAL);
    choice(&c, PV_HOW_REJECT_ALL, 1, OPTIONAL, 0);
    pv_choice_merge(&r, &c, 7, NULL, 0, second, NOW);
    assert_int_equal(r.granted, 0);
    assert_int_equal(r.decided, ANALYTICS | SEPARATE);
    pv_choice_merge(&r, &c, 7, &base, 2, second, NOW);
    assert_int_equal(r.granted, 0);
    assert_int_equal(r.decided, OPTIONAL);

    /* withdrawing needs no form that is up to date */

    choice(&c, PV_HOW_WITHDRAW, 1, OPTIONAL, 0);
    pv_choice_merge(&r, &c, 7, NULL, 0, second, NOW);
    assert_int_equal(r.decided, OPTIONAL);

    /* a node that is behind takes back what was given on a newer version, and does not date it back */

    consent(&base, 3, 2, OPTIONAL, OPTIONAL);
    choice(&c, PV_HOW_CUSTOM, 1, MARKETING, 0);
    pv_choice_merge(&r, &c, 7, &base, 2, first, NOW);
    assert_int_equal(r.granted, ANALYTICS | SEPARATE);
    assert_int_equal(r.decided_version, 2);

    /* terms that reduce rights do not bind along with a choice */

    consent(&base, 3, 1, OPTIONAL, 0);
    choice(&c, PV_HOW_CUSTOM, 2, ANALYTICS, ANALYTICS);
    pv_choice_merge(&r, &c, 7, &base, 2, second, NOW);
    assert_int_equal(r.bound_version, 2);
    pv_choice_merge(&r, &c, 7, &base, 1, second, NOW);
    assert_int_equal(r.bound_version, 1);
    pv_choice_merge(&r, &c, 7, NULL, 0, second, NOW);
    assert_int_equal(r.bound_version, 2);

    /* nor does an old form bind back */

    consent(&base, 3, 2, OPTIONAL, 0);
    choice(&c, PV_HOW_CUSTOM, 1, ANALYTICS, 0);
    pv_choice_merge(&r, &c, 7, &base, 2, second, NOW);
    assert_int_equal(r.bound_version, 2);
}


/* Agreeing to terms binds, and leaves what was chosen as it was, with its age. */

static void
test_agree(void **state)
{
    pv_choice_t         c;
    pv_record_t         r;
    pv_consent_t        base, after;
    const pv_policy_t  *second;
    unsigned char       subject[PV_SUBJECT_LEN] = { 1 };

    (void) state;

    second = page_fixture(2);

    consent(&base, 3, 1, OPTIONAL, SEPARATE);
    base.chosen = NOW - 10 * 86400 - 1;
    choice(&c, PV_HOW_AGREE, 2, 0, 0);
    pv_choice_merge(&r, &c, 7, &base, 1, second, NOW);

    assert_int_equal(r.bound_version, 2);
    assert_int_equal(r.granted, SEPARATE);
    assert_int_equal(r.decided, ANALYTICS | SEPARATE);
    assert_int_equal(r.carried, 11);
    assert_int_equal(r.time, NOW);
    assert_false(pv_choice_same(&r, &base, NOW));

    pv_consent_from_record(&after, &r, subject, 4, NOW);
    assert_true(after.chosen <= base.chosen);
    assert_true(after.chosen > base.chosen - 86400);

    /* once is enough, however late */

    pv_choice_merge(&r, &c, 7, &after, 2, second, NOW + 5 * 86400);
    assert_true(pv_choice_same(&r, &after, NOW + 5 * 86400));

    /* a choice that is over is not carried on, and an old form binds to what it showed */

    base.chosen = NOW - ((int64_t) second->choice_days + 1) * 86400;
    pv_choice_merge(&r, &c, 7, &base, 1, second, NOW);
    assert_int_equal(r.decided, 0);
    assert_int_equal(r.granted, 0);
    assert_int_equal(r.carried, 0);
    c.version = 1;
    pv_choice_merge(&r, &c, 7, &base, 1, second, NOW);
    assert_int_equal(r.bound_version, 1);

    /* a withdrawal stays one */

    consent(&base, 3, 2, OPTIONAL, 0);
    base.flags = PV_STATE_WITHDRAWN;
    base.bound_version = 1;
    c.version = 2;
    pv_choice_merge(&r, &c, 7, &base, 1, second, NOW);
    pv_consent_from_record(&after, &r, subject, 4, NOW);
    assert_int_equal(after.flags, PV_STATE_WITHDRAWN);

    /* nobody who never chose is taken to have */

    pv_choice_merge(&r, &c, 7, NULL, 0, second, NOW);
    assert_int_equal(r.bound_version, 2);
    assert_int_equal(r.decided, 0);
    assert_int_equal(pv_choice_wanted(&c, NULL, second, NOW), 0);
}


static void
test_same(void **state)
{
    pv_choice_t         c;
    pv_record_t         r;
    pv_consent_t        base;
    const pv_policy_t  *policy;

    (void) state;

    policy = page_fixture(1);

    consent(&base, 3, 1, OPTIONAL, ANALYTICS);
    choice(&c, PV_HOW_CUSTOM, 1, OPTIONAL, ANALYTICS);
    pv_choice_merge(&r, &c, 7, &base, 2, policy, NOW);

    assert_true(pv_choice_same(&r, &base, NOW));
    assert_false(pv_choice_same(&r, NULL, NOW));
    assert_false(pv_choice_same(&r, &base, NOW + PV_CHOICE_SECOND_MAX));

    base.flags = PV_STATE_WITHDRAWN;
    assert_false(pv_choice_same(&r, &base, NOW));

    consent(&base, 3, 1, OPTIONAL, 0);
    choice(&c, PV_HOW_WITHDRAW, 1, OPTIONAL, 0);
    pv_choice_merge(&r, &c, 7, &base, 2, policy, NOW);
    assert_false(pv_choice_same(&r, &base, NOW));
}


static void
test_fold(void **state)
{
    pv_record_t   pending;
    pv_consent_t  base;

    (void) state;

    memset(&pending, 0, sizeof(pending));
    pending.how = PV_HOW_CUSTOM;
    pending.decided = ANALYTICS | MARKETING;
    pending.granted = MARKETING;
    pending.decided_version = 2;
    pending.time = NOW;

    consent(&base, 5, 1, OPTIONAL, ANALYTICS | SEPARATE);
    pv_choice_fold(&base, &pending);
    assert_int_equal(base.granted, SEPARATE);       /* what it left granted it does not grant */
    assert_int_equal(base.decided_version, 1);

    memset(&base, 0, sizeof(base));
    pv_choice_fold(&base, &pending);
    assert_int_equal(base.granted, 0);
    assert_int_equal(base.decided, ANALYTICS);
    assert_int_equal(base.decided_version, 2);

    consent(&base, 5, 1, OPTIONAL, OPTIONAL);
    pending.how = PV_HOW_WITHDRAW;
    pv_choice_fold(&base, &pending);
    assert_int_equal(base.granted, 0);
}


/*
 * Histories at random, against the plain truth: a choice that was recorded
 * once is sent again later. Whatever of it does not stand any more must have
 * been taken back in between, so that it has to be refused; and whatever is
 * refused is always taken.
 */

static void
test_replay(void **state)
{
    int            how, round, at;
    uint32_t       i, n, shown[HISTORY];
    uint64_t       refused;
    pv_choice_t    c, sent[HISTORY];
    pv_record_t    record, ledger[HISTORY];
    pv_consent_t   base;
    unsigned char  subject[PV_SUBJECT_LEN] = { 0 };
    const pv_policy_t  *policy;

    static const int  hows[] = { PV_HOW_ACCEPT_ALL, PV_HOW_REJECT_ALL, PV_HOW_CUSTOM, PV_HOW_WITHDRAW };

    (void) state;

    policy = page_fixture(1);
    srandom(1);

    for (round = 0; round < 20000; round++) {
        n = 0;
        memset(&base, 0, sizeof(base));

        while (n < HISTORY) {
            how = hows[random() & 3];

            if (how == PV_HOW_CUSTOM) {
                choice(&c, how, 1, random() & OPTIONAL, 0);
                c.granted = c.named & (uint64_t) random();

            } else {
                choice(&c, how, 1, how == PV_HOW_ACCEPT_ALL ? ANALYTICS | MARKETING : OPTIONAL, 0);
                c.granted = how == PV_HOW_ACCEPT_ALL ? c.named : 0;
            }

            at = (int) (random() % 3);
            shown[n] = n > (uint32_t) at ? n - (uint32_t) at : 0;
            refused = pv_choice_refused(ledger, n, 1, shown[n], 0);

            if (pv_choice_stale(&c, shown[n], refused, n ? &base : NULL, policy, NOW)) {
                assert_true(pv_choice_wanted(&c, n ? &base : NULL, policy, NOW) != 0);
                assert_true(shown[n] < n);      /* a form for the newest state is never passed by */

                if (random() & 1) {
                    break;
                }

                continue;
            }

            pv_choice_merge(&record, &c, 7, n ? &base : NULL, n ? 1 : 0, policy, NOW);

            assert_int_equal(record.granted & ~record.decided, 0);
            assert_int_equal(record.granted & c.named, c.granted);
            assert_int_equal(record.granted & ~c.named, c.everything ? 0 : base.granted & ~c.named);

            sent[n] = c;
            ledger[n++] = record;
            pv_consent_from_record(&base, &record, subject, n, NOW);
        }

        for (i = 0; i < n; i++) {
            refused = pv_choice_refused(ledger, n, 1, shown[i], 0);

            assert_int_equal(pv_choice_stale(&sent[i], shown[i], refused, &base, policy, NOW),
                             pv_choice_wanted(&sent[i], &base, policy, NOW) != 0);
        }
    }
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_form_bounds),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_agree),
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_fold),
        cmocka_unit_test(test_replay)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
