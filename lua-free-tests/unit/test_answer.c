/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* What agreeing to a new version, and declining it, leaves: before it is in force, under it, and under later ones. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "keys_fixture.h"
#include "pv_choice.h"

#define NOW        1800000000
#define NECESSARY  0x01u
#define ADS        0x02u
#define MAPS       0x04u
#define ABROAD     0x08u        /* separate */
#define MAIL       0x10u
#define OPTIONAL   0x1eu
#define PURPOSES   5
#define VERSIONS   5


static pv_purpose_t  purposes[VERSIONS + 1][PURPOSES];
static pv_policy_t   policies[VERSIONS + 1];

/*
 * Since when each purpose means what it means, by version: 3 changed ads and
 * abroad, 4 maps, and mail without saying so, 5 ads again. 2 is no version but
 * a hand-over.
 */
static const uint32_t  since[VERSIONS + 1][PURPOSES] = {
    { 0 }, { 1, 1, 1, 1, 1 }, { 0 }, { 3, 3, 1, 3, 1 }, { 3, 3, 4, 3, 4 }, { 3, 5, 4, 3, 4 }
};


static int
make_policies(void **state)
{
    size_t        v, i;
    pv_policy_t  *p;

    (void) state;

    for (v = 1; v <= VERSIONS; v++) {
        p = &policies[v];
        p->sequence = (uint32_t) v;
        p->choice_days = 180;
        p->purposes = purposes[v];
        p->purposes_count = PURPOSES;
        p->all = NECESSARY | OPTIONAL;
        p->necessary = NECESSARY;
        p->separate = ABROAD;

        for (i = 0; i < PURPOSES; i++) {
            purposes[v][i].bit = (unsigned) i;
            purposes[v][i].asked_since = since[v][i];
            purposes[v][i].necessary = i == 0;
            purposes[v][i].separate = i == 3;
            purposes[v][i].unnamed = i == 4 && v >= 4;
        }
    }

    return keys_fixture_setup(state);
}


/* A subject, and what was recorded last. */
typedef struct {
    int           any;
    pv_consent_t  consent;
    int64_t       now;
} subject_t;


static const pv_consent_t *
base_of(const subject_t *s)
{
    return s->any ? &s->consent : NULL;
}


/* What may pass when that version is in force; asked: what the banner asks for. */
static uint64_t
allowed(const subject_t *s, uint32_t in_force, uint64_t *asked)
{
    pv_verdict_t  v;

    pv_policy_judge(&v, &policies[in_force], base_of(s), s->now);

    if (asked != NULL) {
        *asked = v.asked;
    }

    return v.allowed & ~(uint64_t) NECESSARY;
}


/* Records the choice through everything that a record goes through; 0: it was stale, or there already. */
static int
take(subject_t *s, const pv_choice_t *c, uint32_t in_force)
{
    uint32_t       position, reach;
    pv_str_t       bytes;
    pv_record_t    r, back;
    unsigned char  packed[PV_RECORD_MAX];
    char           cookie[PV_COOKIE_MAX + 1];
    long           len;

    position = s->any ? s->consent.position : 0;

    if (pv_choice_stale(c, position, 0, base_of(s), &policies[in_force], s->now)) {
        return 0;
    }

    /* as where each version reduces rights */

    reach = s->any ? s->consent.bound_version : c->how == PV_HOW_DECLINE ? c->version - 1 : 0;
    pv_choice_merge(&r, c, 7, base_of(s), reach, &policies[in_force], s->now);

    if (pv_choice_same(&r, base_of(s), s->now)) {
        return 0;
    }

    assert_int_equal(pv_record_seal(&r, keys, site, subject, position + 1, position ? s->consent.head : NULL), PV_OK);
    bytes = (pv_str_t) { packed, pv_record_encode(packed, &r) };
    assert_int_not_equal(bytes.len, 0);
    assert_int_equal(pv_record_decode(&back, bytes), PV_OK);
    assert_memory_equal(&back, &r, sizeof(r));

    pv_consent_from_record(&s->consent, &back, subject, position + 1, (uint32_t) s->now);

    len = pv_consent_encode(cookie, &s->consent, keys, site);
    assert_true(len > 0);
    assert_int_equal(pv_consent_decode(&s->consent, (pv_str_t) { (unsigned char *) cookie, (size_t) len }, keys, site),
                     PV_OK);
    s->any = 1;

    return 1;
}


static int
choose(subject_t *s, int how, uint32_t in_force, uint64_t named, uint64_t granted)
{
    pv_choice_t  c;

    memset(&c, 0, sizeof(c));
    c.how = how;
    c.version = in_force;
    c.named = named;
    c.granted = granted;
    c.everything = how == PV_HOW_REJECT_ALL || how == PV_HOW_WITHDRAW;

    return take(s, &c, in_force);
}


static int
answer(subject_t *s, int how, uint32_t version, uint32_t in_force)
{
    pv_choice_t  c;

    pv_choice_answer(&c, how, &policies[version]);

    return take(s, &c, in_force);
}


static void
test_changed_by(void **state)
{
    (void) state;

    assert_int_equal(pv_policy_changed_by(&policies[3], 3), ADS | ABROAD);
    assert_int_equal(pv_policy_changed_by(&policies[4], 4), MAPS);          /* mail was not named */
    assert_int_equal(pv_policy_changed_by(&policies[5], 5), ADS);
    assert_int_equal(pv_policy_changed_by(&policies[5], 3), ABROAD);        /* ads were changed again since */
}


static void
test_agree_in_force(void **state)
{
    uint64_t   asked;
    subject_t  s = { .now = NOW };

    (void) state;

    assert_true(choose(&s, PV_HOW_CUSTOM, 1, OPTIONAL, MAPS | ABROAD));
    s.now += 10 * PV_DAY;
    assert_int_equal(allowed(&s, 3, &asked), MAPS);
    assert_int_equal(asked, ADS);

    assert_true(answer(&s, PV_HOW_AGREE, 3, 3));
    assert_int_equal(allowed(&s, 3, &asked), ADS | MAPS);       /* what is separate has to be said yes to by itself */
    assert_int_equal(asked, 0);
    assert_int_equal(s.consent.bound_version, 3);

    /* what was chosen before keeps its age, and takes what was agreed to along */

    assert_true(s.consent.chosen <= NOW);
    s.now = NOW + 180 * PV_DAY;
    assert_int_equal(allowed(&s, 3, NULL), 0);
}


static void
test_agree_ahead(void **state)
{
    uint64_t   asked;
    subject_t  s = { .now = NOW };

    (void) state;

    assert_true(choose(&s, PV_HOW_CUSTOM, 1, OPTIONAL, MAPS));
    assert_true(answer(&s, PV_HOW_AGREE, 3, 1));

    /* until it is in force, nothing passes that did not, and all that did */

    assert_int_equal(allowed(&s, 1, &asked), MAPS);
    assert_int_equal(asked, 0);
    assert_int_equal(s.consent.bound_version, 3);

    assert_int_equal(allowed(&s, 3, &asked), ADS | MAPS);
    assert_int_equal(asked, 0);

    /* under later versions what they did not change again; mail was never agreed to */

    assert_int_equal(allowed(&s, 4, &asked), ADS);
    assert_int_equal(asked, MAPS | MAIL);
    assert_int_equal(allowed(&s, 5, &asked), 0);
    assert_int_equal(asked, ADS | MAPS | MAIL);

    /* the same answer again is none, also when it is in force */

    assert_false(answer(&s, PV_HOW_AGREE, 3, 1));

    /* of two versions to come, the one that was agreed to */

    assert_true(answer(&s, PV_HOW_AGREE, 4, 1));
    assert_int_equal(allowed(&s, 3, &asked), MAPS);
    assert_int_equal(allowed(&s, 4, &asked), MAPS);
    assert_int_equal(asked, ADS | MAIL);
}


static void
test_agree_ahead_without_a_choice(void **state)
{
    uint64_t   asked;
    subject_t  s = { .now = NOW };

    (void) state;

    assert_true(answer(&s, PV_HOW_AGREE, 3, 1));
    assert_int_equal(allowed(&s, 1, &asked), 0);
    assert_int_equal(asked, ADS | MAPS | MAIL);
    assert_int_equal(allowed(&s, 3, &asked), ADS);
    assert_int_equal(asked, MAPS | MAIL);
    assert_false(answer(&s, PV_HOW_AGREE, 3, 1));

    /* it runs out as every choice does */

    s.now += 180 * PV_DAY;
    assert_int_equal(allowed(&s, 3, &asked), 0);
}


/* P2: what is refused after an answer in advance does not come to be granted by it. */

static void
test_refused_after_agreeing_ahead(void **state)
{
    pv_record_t   pending;
    subject_t     s, agreed = { .now = NOW };
    static const int  hows[] = { PV_HOW_CUSTOM, PV_HOW_REJECT_ALL, PV_HOW_WITHDRAW };
    size_t        i;

    (void) state;

    assert_true(choose(&agreed, PV_HOW_CUSTOM, 1, OPTIONAL, MAPS));
    assert_true(answer(&agreed, PV_HOW_AGREE, 3, 1));
    agreed.now++;

    for (i = 0; i < 3; i++) {
        s = agreed;
        assert_true(choose(&s, hows[i], 1, hows[i] == PV_HOW_CUSTOM ? ADS : OPTIONAL, 0));
        assert_int_equal(allowed(&s, 3, NULL) & ADS, 0);
        assert_int_equal(allowed(&s, 4, NULL) & ADS, 0);
    }

    s = agreed;
    assert_true(answer(&s, PV_HOW_DECLINE, 3, 1));
    assert_int_equal(allowed(&s, 3, NULL), MAPS);

    s = agreed;
    assert_true(answer(&s, PV_HOW_DECLINE, 4, 1));
    assert_int_equal(allowed(&s, 3, NULL) & ADS, 0);

    /* nor while the refusal is only on its way, and others have to hear of it */

    memset(&pending, 0, sizeof(pending));
    pending.how = PV_HOW_CUSTOM;
    pending.decided = ADS;
    assert_true(pv_choice_held(&agreed.consent) & ADS);
    assert_true(pv_choice_revoked(&pending, &agreed.consent) & ADS);

    s = agreed;
    pv_choice_fold(&s.consent, &pending);
    assert_int_equal(allowed(&s, 3, NULL) & ADS, 0);
}


static void
test_decline(void **state)
{
    uint64_t   asked;
    subject_t  s = { .now = NOW };

    (void) state;

    assert_true(choose(&s, PV_HOW_CUSTOM, 1, OPTIONAL, OPTIONAL));
    s.now += 3 * PV_DAY;
    assert_true(answer(&s, PV_HOW_DECLINE, 3, 1));

    /* at once what it changes, and nothing else; it does not bind; and is not asked again when it is in force */

    assert_int_equal(allowed(&s, 1, &asked), MAPS | MAIL);
    assert_int_equal(asked, 0);
    assert_int_equal(allowed(&s, 3, &asked), MAPS | MAIL);
    assert_int_equal(asked, 0);
    assert_int_equal(s.consent.bound_version, 1);
    assert_true(s.consent.chosen <= NOW);

    assert_int_equal(allowed(&s, 5, &asked), 0);
    assert_int_equal(asked, ADS | MAPS | MAIL);

    assert_false(answer(&s, PV_HOW_DECLINE, 3, 1));

    /* who changes their mind */

    assert_true(answer(&s, PV_HOW_AGREE, 3, 1));
    assert_int_equal(allowed(&s, 1, NULL), MAPS | MAIL);
    assert_int_equal(allowed(&s, 3, NULL), ADS | MAPS | MAIL);

    /* without a choice before it */

    memset(&s, 0, sizeof(s));
    s.now = NOW;
    assert_true(answer(&s, PV_HOW_DECLINE, 3, 3));
    assert_int_equal(allowed(&s, 3, &asked), 0);
    assert_int_equal(asked, MAPS | MAIL);
    assert_int_equal(s.consent.bound_version, 2);
    assert_false(answer(&s, PV_HOW_DECLINE, 3, 3));

    /* what was declined does not come to bind by a choice of purposes, if it reduces rights */

    assert_true(choose(&s, PV_HOW_REJECT_ALL, 3, OPTIONAL, 0));
    assert_int_equal(s.consent.bound_version, 2);
}


/* The notice of an older version, while a newer one is in force. */

static void
test_answered_late(void **state)
{
    subject_t  s = { .now = NOW };

    (void) state;

    assert_true(choose(&s, PV_HOW_CUSTOM, 1, OPTIONAL, 0));
    assert_true(answer(&s, PV_HOW_AGREE, 4, 5));
    assert_int_equal(allowed(&s, 5, NULL), MAPS);
    assert_int_equal(s.consent.bound_version, 4);

    /* what version 3 said of ads is not what they mean now */

    assert_true(answer(&s, PV_HOW_AGREE, 3, 5) || 1);
    assert_int_equal(allowed(&s, 5, NULL), MAPS);
    assert_int_equal(s.consent.bound_version, 4);
}


static void
test_stale(void **state)
{
    pv_choice_t  c;
    subject_t    s = { .now = NOW };

    (void) state;

    assert_true(choose(&s, PV_HOW_CUSTOM, 1, OPTIONAL, OPTIONAL));

    /* refused on another device after the page was shown */

    pv_choice_answer(&c, PV_HOW_AGREE, &policies[3]);
    assert_int_equal(pv_choice_stale(&c, 1, ADS, &s.consent, &policies[1], NOW), 1);
    assert_int_equal(pv_choice_stale(&c, 1, MAPS, &s.consent, &policies[1], NOW), 0);
    assert_int_equal(pv_choice_stale(&c, 2, 0, &s.consent, &policies[1], NOW), 1);      /* of a ledger that is not there */

    pv_choice_answer(&c, PV_HOW_DECLINE, &policies[3]);
    assert_int_equal(pv_choice_stale(&c, 1, UINT64_MAX, &s.consent, &policies[1], NOW), 0);
    assert_int_equal(pv_choice_stale(&c, 2, UINT64_MAX, &s.consent, &policies[1], NOW), 0);

    /* a node that is behind grants nothing */

    s.consent.decided_version = 4;
    pv_choice_answer(&c, PV_HOW_AGREE, &policies[4]);
    assert_int_equal(pv_choice_stale(&c, 1, 0, &s.consent, &policies[3], NOW), 1);
}


static void
test_input(void **state)
{
    size_t             i;
    pv_policy_t       *p;
    pv_choice_t        c;
    pv_choice_input_t  in;
    unsigned char      form[64];

    static const struct { const char *text; int rc, how; } forms[] = {
        { "token=x&answer=agree", PV_OK, PV_HOW_AGREE }, { "answer=decline&token=x&return=/", PV_OK, PV_HOW_DECLINE },
        { "token=x&answer=later", PV_OK, 0 }, { "token=x&answer=acknowledge", PV_OK, 0 },
        { "answer=seen", PV_OK, 0 }, { "token=x&answer=seen", PV_OK, 0 },
        { "answer=agree", PV_INVALID, 0 }, { "answer=later", PV_INVALID, 0 }, { "token=x&answer=", PV_INVALID, 0 },
        { "token=x&answer=accept_all", PV_INVALID, 0 }, { "token=x&answer=agree&answer=agree", PV_INVALID, 0 },
        { "token=x&answer=agree&choice=agree", PV_INVALID, 0 }, { "token=x&choice=decline", PV_INVALID, 0 }
    };

    (void) state;

    p = &policies[3];

    for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        memcpy(form, forms[i].text, strlen(forms[i].text));

        if (pv_choice_read_form(&in, form, strlen(forms[i].text), 0) != forms[i].rc) {
            fail_msg("%s", forms[i].text);
        }

        if (forms[i].rc == PV_OK) {
            assert_int_equal(in.how, forms[i].how);
            assert_int_equal(pv_choice_resolve(&c, &in, p), PV_INVALID);        /* is no choice for a banner */
        }

        memcpy(form, forms[i].text, strlen(forms[i].text));
        assert_int_equal(pv_choice_read_form(&in, form, strlen(forms[i].text), PV_HOW_WITHDRAW), PV_INVALID);
    }

    assert_int_equal(pv_choice_read_json(&in, pv_str("{\"answer\":\"decline\",\"token\":\"t\"}"), 0), PV_OK);
    assert_int_equal(in.how, PV_HOW_DECLINE);
    pv_choice_input_free(&in);
    assert_int_equal(pv_choice_read_json(&in, pv_str("{\"answer\":\"decline\"}"), 0), PV_INVALID);
    pv_choice_input_free(&in);
}


/*
 * Histories at random, against the plain truth: for each purpose and each of
 * its meanings, what was last said. A no is to all meanings, also to those to
 * come. Never may pass what was not said yes to.
 */

#define YES  1
#define NO   2

typedef struct { uint8_t said[PURPOSES][VERSIONS + 1]; } truth_t;


static void
truth_no(truth_t *t, uint64_t which)
{
    size_t  i;

    for (i = 0; i < PURPOSES; i++) {
        if (which >> i & 1) {
            memset(t->said[i], NO, sizeof(t->said[i]));
        }
    }
}


static void
truth_yes(truth_t *t, uint64_t which, uint32_t version)
{
    size_t  i;

    for (i = 0; i < PURPOSES; i++) {
        if (which >> i & 1) {
            t->said[i][since[version][i]] = YES;
        }
    }
}


static uint64_t
truth_allows(const truth_t *t, uint32_t in_force)
{
    size_t    i;
    uint64_t  yes;

    for (i = 1, yes = 0; i < PURPOSES; i++) {
        yes |= (uint64_t) (t->said[i][since[in_force][i]] == YES) << i;
    }

    return yes;
}


static void
act(subject_t *s, truth_t *t, uint32_t in_force)
{
    int       how, taken;
    uint32_t  version;
    uint64_t  named, granted, before, changed;

    before = allowed(s, in_force, NULL);
    named = (uint64_t) rand() & OPTIONAL;
    granted = (uint64_t) rand() & named;
    version = (uint32_t[]) { 1, 3, 4, 5 }[rand() % 4];
    changed = pv_policy_changed_by(&policies[version], version);

    switch (rand() % 6) {

    case 0:
        if (choose(s, PV_HOW_CUSTOM, in_force, named, granted)) {
            truth_no(t, named & ~granted);
            truth_yes(t, granted, in_force);
        }
        break;

    case 1:
        how = rand() % 2 ? PV_HOW_REJECT_ALL : PV_HOW_WITHDRAW;
        (void) choose(s, how, in_force, OPTIONAL, 0);
        truth_no(t, OPTIONAL);
        break;

    case 2:
        if (choose(s, PV_HOW_ACCEPT_ALL, in_force, OPTIONAL & ~ABROAD, OPTIONAL & ~ABROAD)) {
            truth_yes(t, OPTIONAL & ~ABROAD, in_force);
        }
        break;

    case 3:
        (void) answer(s, PV_HOW_DECLINE, version, in_force);
        truth_no(t, changed);
        assert_int_equal(allowed(s, in_force, NULL), before & ~changed);
        break;

    default:
        taken = answer(s, PV_HOW_AGREE, version, in_force);
        if (taken) {
            truth_yes(t, changed & ~ABROAD, version);
        }
        if (taken && version > in_force) {
            assert_int_equal(allowed(s, in_force, NULL), before);
        }
        if (taken && version > in_force && s->consent.bound_version == version) {
            assert_int_equal(allowed(s, version, NULL) & changed & ~ABROAD, changed & ~ABROAD);
        }
        assert_int_equal(before & ~allowed(s, in_force, NULL), 0);
        break;
    }
}


static void
test_model(void **state)
{
    int        n, k;
    size_t     v;
    truth_t    t;
    uint32_t   in_force;
    subject_t  s;

    static const uint32_t  versions[] = { 1, 3, 4, 5 };

    (void) state;

    srand(4);

    for (n = 0; n < 20000; n++) {
        memset(&s, 0, sizeof(s));
        memset(&t, 0, sizeof(t));
        s.now = NOW;

        for (v = 0; v < 4; v++) {
            in_force = versions[v];
            assert_int_equal(allowed(&s, in_force, NULL) & ~truth_allows(&t, in_force), 0);

            for (k = rand() % 4; k > 0; k--) {
                s.now += 1 + rand() % 3600;
                act(&s, &t, in_force);
                assert_int_equal(allowed(&s, in_force, NULL) & ~truth_allows(&t, in_force), 0);
            }
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_changed_by),
        cmocka_unit_test(test_agree_in_force),
        cmocka_unit_test(test_agree_ahead),
        cmocka_unit_test(test_agree_ahead_without_a_choice),
        cmocka_unit_test(test_refused_after_agreeing_ahead),
        cmocka_unit_test(test_decline),
        cmocka_unit_test(test_answered_late),
        cmocka_unit_test(test_stale),
        cmocka_unit_test(test_input),
        cmocka_unit_test(test_model)
    };

    return cmocka_run_group_tests(tests, make_policies, keys_fixture_teardown);
}
