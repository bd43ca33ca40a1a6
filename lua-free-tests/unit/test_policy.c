/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bundle_fixture.h"
#include "pv_text.h"

#define DAY  86400

/* The bits of the fixture's purposes. */
#define NECESSARY  0x01
#define ANALYTICS  0x02
#define ADS        0x04
#define ABROAD     0x08     /* separate */


/* Version 2, in which ads changed its meaning. */
static pv_policy_t *
second(void)
{
    char         *a, *b;
    pv_policy_t  *v1, *v2;

    a = fixture_json("v1", "2026-12-01T00:00:00Z", "", fixture_purposes);
    b = fixture_json("v2", "2026-12-01T00:00:00Z",
                     "{\"kind\":\"purposes\",\"purposes\":[\"ads\"],\"summary\":{\"zh-CN\":\"s\",\"en\":\"s\"}}",
                     fixture_purposes);
    v1 = fixture_policy(a, NULL);
    v2 = fixture_policy(b, v1);

    pv_policy_free(v1);
    free(a);
    free(b);

    return v2;
}


static void
judge(const pv_policy_t *policy, uint32_t version, uint64_t decided, uint64_t granted, unsigned flags, int64_t age,
    pv_verdict_t *verdict)
{
    pv_consent_t  consent;

    memset(&consent, 0, sizeof(consent));
    consent.decided_version = version;
    consent.decided = decided;
    consent.granted = granted;
    consent.flags = (uint8_t) flags;
    consent.chosen = (uint32_t) (FIXTURE_NOW - age);

    pv_policy_judge(verdict, policy, &consent, FIXTURE_NOW);
}


static void
test_nobody_chose(void **state)
{
    pv_policy_t   *policy;
    pv_verdict_t   v;

    (void) state;

    policy = second();
    pv_policy_judge(&v, policy, NULL, FIXTURE_NOW);

    assert_int_equal(v.standing, PV_UNDECIDED);
    assert_int_equal(v.allowed, NECESSARY);
    assert_int_equal(v.decided, 0);
    assert_int_equal(v.asked, ANALYTICS | ADS);

    pv_policy_free(policy);
}


static void
test_choices(void **state)
{
    size_t         i;
    pv_policy_t   *policy;
    pv_verdict_t   v;

    static const struct {
        uint32_t version; uint64_t decided, granted; unsigned flags; int64_t age;
        int standing; uint64_t allowed, asked;
    }  cases[] = {
        /* All yes, on this version; the separate one is not asked for by the banner. */
        { 2, 0x07, 0x06, 0, 0, PV_CURRENT, 0x07, 0 },
        { 2, 0x0f, 0x0e, 0, 0, PV_CURRENT, 0x0f, 0 },
        { 2, 0x07, 0x00, 0, 0, PV_CURRENT, 0x01, 0 },
        /* Chosen on version 1: ads changed since, nothing else. */
        { 1, 0x0f, 0x0e, 0, 0, PV_STALE, NECESSARY | ANALYTICS | ABROAD, ADS },
        { 1, 0x0f, 0x00, 0, 0, PV_STALE, NECESSARY, ADS },
        /* Never decided on analytics. */
        { 2, 0x05, 0x04, 0, 0, PV_STALE, 0x05, ANALYTICS },
        /* A grant outside of what was decided, or of a purpose that there is not. */
        { 2, 0x02, 0x06, 0, 0, PV_STALE, 0x03, ADS },
        { 2, UINT64_MAX, UINT64_MAX, 0, 0, PV_CURRENT, 0x0f, 0 },
        /* Withdrawn. */
        { 2, 0x0f, 0x00, PV_STATE_WITHDRAWN, 0, PV_WITHDRAWN, 0x01, 0 },
        { 1, 0x0f, 0x00, PV_STATE_WITHDRAWN, 0, PV_WITHDRAWN, 0x01, ADS },
        { 2, 0x0f, 0x02, PV_STATE_WITHDRAWN, 0, PV_CURRENT, 0x03, 0 },
        /* A minor: nothing, whatever stands in the record. */
        { 2, 0x0f, 0x0e, PV_STATE_MINOR, 0, PV_MINOR, 0x01, 0 },
        /* Age: one second before, at, and after 180 days. */
        { 2, 0x0f, 0x0e, 0, 180 * DAY - 1, PV_CURRENT, 0x0f, 0 },
        { 2, 0x0f, 0x0e, 0, 180 * DAY, PV_UNDECIDED, 0x01, ANALYTICS | ADS },
        { 2, 0x0f, 0x00, PV_STATE_WITHDRAWN, 181 * DAY, PV_UNDECIDED, 0x01, ANALYTICS | ADS },
        /* From the future: a wrong clock, or nonsense. */
        { 2, 0x0f, 0x0e, 0, -DAY, PV_CURRENT, 0x0f, 0 },
        { 2, 0x0f, 0x0e, 0, -DAY - 1, PV_UNDECIDED, 0x01, ANALYTICS | ADS },
        /* On a version that this node does not know yet. */
        { 3, 0x0f, 0x0e, 0, 0, PV_STALE, 0x01, 0 },
        /* On none. */
        { 0, 0x0f, 0x0e, 0, 0, PV_STALE, 0x01, ANALYTICS | ADS }
    };

    (void) state;
    policy = second();

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        judge(policy, cases[i].version, cases[i].decided, cases[i].granted, cases[i].flags, cases[i].age, &v);

        if ((int) v.standing != cases[i].standing || v.allowed != cases[i].allowed || v.asked != cases[i].asked) {
            fail_msg("case %zu: %s allowed %x asked %x", i, pv_standing_name(v.standing), (unsigned) v.allowed,
                     (unsigned) v.asked);
        }
    }

    pv_policy_free(policy);
}


/* Whatever a cookie says, no more passes than it grants on valid terms. */
static void
test_never_more_than_granted(void **state)
{
    uint32_t       version;
    uint64_t       decided, granted, ceiling;
    unsigned       flags;
    pv_policy_t   *policy;
    pv_verdict_t   v;

    (void) state;
    policy = second();

    for (version = 0; version < 4; version++) {
        for (decided = 0; decided < 32; decided++) {
            for (granted = 0; granted < 32; granted++) {
                for (flags = 0; flags < 16; flags++) {
                    judge(policy, version, decided, granted, flags, 100, &v);
                    ceiling = NECESSARY | (granted & decided & 0x0f & ~(version < 2 ? (uint64_t) ADS : 0));

                    assert_int_equal(v.allowed & ~ceiling, 0);
                    assert_int_equal(v.asked & (NECESSARY | ABROAD), 0);
                    assert_int_equal(v.asked & v.allowed, 0);
                }
            }
        }
    }

    pv_policy_free(policy);
}


static void
test_names(void **state)
{
    (void) state;

    assert_string_equal(pv_standing_name(PV_UNDECIDED), "undecided");
    assert_string_equal(pv_standing_name(PV_CURRENT), "current");
    assert_string_equal(pv_standing_name(PV_STALE), "stale");
    assert_string_equal(pv_standing_name(PV_WITHDRAWN), "withdrawn");
    assert_string_equal(pv_standing_name(PV_MINOR), "minor");
}


static void
test_times(void **state)
{
    char      text[PV_RFC3339_SIZE];
    size_t    i;
    int64_t   time, again;

    static const struct { const char *text; int64_t time; }  good[] = {
        { "1970-01-01T00:00:00Z", 0 }, { "2026-12-01T00:00:00Z", 1796083200 },
        { "2026-12-01T08:00:00+08:00", 1796083200 }, { "2026-11-30T19:30:00.25-04:30", 1796083200 },
        { "2000-02-29T12:00:00Z", 951825600 }, { "2105-12-31T23:59:59Z", 4291747199 }
    };
    static const char  *bad[] = {
        "", "2026", "2026-12-01", "2026-12-01T00:00:00", "2026-12-01 00:00:00Z", "2026-12-01T00:00Z",
        "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2100-02-29T00:00:00Z", "2026-12-32T00:00:00Z",
        "2026-12-01T24:00:00Z", "2026-12-01T00:60:00Z", "2026-12-01T00:00:60Z", "2026-12-01T00:00:00.Z",
        "2026-12-01T00:00:00Zx", "2026-12-01T00:00:00+08", "2026-12-01T00:00:00+24:00", "2026-12-01T00:00:00z",
        "1969-12-31T23:59:59Z", "1970-01-01T00:00:00+01:00", "2106-01-01T00:00:00Z", "+026-12-01T00:00:00Z"
    };

    (void) state;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(pv_rfc3339_parse(&time, pv_str(good[i].text)), PV_OK);
        assert_int_equal(time, good[i].time);
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (pv_rfc3339_parse(&time, pv_str(bad[i])) == PV_OK) {
            fail_msg("\"%s\" was taken", bad[i]);
        }
    }

    for (time = 0; time < 4291747199LL; time += 86400LL * 3 + 12345) {
        pv_rfc3339_format(text, time);
        assert_int_equal(pv_rfc3339_parse(&again, pv_str(text)), PV_OK);
        assert_int_equal(again, time);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_nobody_chose),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_never_more_than_granted),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_times)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
