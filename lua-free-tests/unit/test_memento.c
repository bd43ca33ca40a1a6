/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* Dates of HTTP, which version was in force when, and the links of Memento. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bundle_fixture.h"
#include "pv_memento.h"
#include "pv_seal.h"
#include "pv_text.h"


static void
test_http_date(void **state)
{
    size_t   i;
    int64_t  time;
    char     text[PV_HTTP_DATE_SIZE];

    static const struct { const char *text; int64_t time; }  dates[] = {
        { "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
        { "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },         /* RFC 9110, 5.6.7 */
        { "Thu, 31 May 2007 20:35:00 GMT", 1180643700 },        /* RFC 7089, 2.1.1 */
        { "Tue, 29 Feb 2028 23:59:59 GMT", 1835481599 }
    };

    static const char *const  wrong[] = {
        "", "Sun", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC", "Mon, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Sun,  6 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 31 Nov 1994 08:49:37 GMT",
        "Thu, 29 Feb 2029 00:00:00 GMT", "Sun, 06 Nov 1994 08:49:37 GMT ", "Sun, 06 Nov 1994 08:49:37 GM\0",
        "1994-11-06T08:49:37Z", "Sun, 06 Nov 1894 08:49:37 GMT", "Sun, +6 Nov 1994 08:49:37 GMT"
    };

    (void) state;

    for (i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
        assert_int_equal(pv_http_date_parse(&time, pv_str(dates[i].text)), PV_OK);
        assert_int_equal(time, dates[i].time);
        pv_http_date_format(text, time);
        assert_string_equal(text, dates[i].text);
    }

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(pv_http_date_parse(&time, pv_str(wrong[i])), PV_INVALID);
    }
}


/* Every day from 1970 on, there and back. */

static void
test_http_date_days(void **state)
{
    int64_t  day, time;
    char     text[PV_HTTP_DATE_SIZE];

    (void) state;

    for (day = 0; day < 49000; day++) {
        pv_http_date_format(text, day * 86400 + day % 86400);
        assert_int_equal(pv_http_date_parse(&time, pv_str(text)), PV_OK);
        assert_int_equal(time, day * 86400 + day % 86400);
    }
}


/*
 * A log in which the second version came at noon, the third was withdrawn, and
 * the fifth is not yet in force. All were published on 2026-12-01.
 */

static const struct { const char *version, *effective; }  entries[] = {
    { "one", "2026-12-20T00:00:00+08:00" },
    { "two", "2027-01-01T12:00:00+08:00" },
    { "gone", "2027-01-15T00:00:00Z" },
    { NULL, NULL },                             /* withdraws it */
    { "three", "2027-02-01T00:00:00-05:00" },
    { "four", "2027-03-01T00:00:00Z" }
};


static int
trusted(void *data, const pv_head_t *head)
{
    (void) data;
    (void) head;

    return PV_OK;
}


static void
add(pv_log_t *log, pv_buf_t *sealed)
{
    size_t          need;
    pv_head_t      *head;
    pv_problems_t   problems;

    pv_problems_init(&problems);
    assert_int_equal(pv_head_open(&head, (pv_str_t) { sealed->data, sealed->len }, pv_str("shop"), &need, &problems),
                     PV_OK);
    assert_int_equal(pv_log_add(log, head, NULL), PV_OK);
    pv_problems_free(&problems);
    pv_buf_free(sealed);
}


static pv_policy_t *
add_version(pv_log_t *log, const char *version, const char *effective, const pv_bundle_context_t *context)
{
    char           *json;
    pv_buf_t        sealed;
    pv_policy_t    *policy;
    pv_problems_t   problems;
    unsigned char   pub[PV_ED25519_PUBLIC];

    json = fixture_json(version, effective, context->previous != NULL ? "{\"kind\":\"editorial\"}" : "",
                        fixture_purposes);
    pv_buf_init(&sealed, PV_SEALED_MAX);
    pv_problems_init(&problems);
    fixture_public(pub);

    assert_int_equal(fixture_seal_as(&sealed, json, context, &problems), PV_OK);
    assert_int_equal(pv_policy_open(&policy, (pv_str_t) { sealed.data, sealed.len }, pv_str("shop"), pub, &problems),
                     PV_OK);
    add(log, &sealed);

    pv_problems_free(&problems);
    free(json);

    return policy;
}


static pv_log_t *
history(void)
{
    size_t                i;
    pv_log_t             *log;
    pv_buf_t              sealed;
    pv_policy_t          *policies[6];
    pv_problems_t         problems;
    unsigned char         pub[PV_ED25519_PUBLIC], last[PV_SHA256_LEN];
    pv_bundle_context_t   context;

    fixture_public(pub);
    log = pv_log_create(pub);
    assert_non_null(log);
    pv_problems_init(&problems);
    memset(policies, 0, sizeof(policies));

    for (i = 0; i < 6; i++) {
        fixture_context(&context, i > 0 ? policies[i == 4 ? 1 : (i == 5 ? 4 : i - 1)] : NULL);
        context.sequence = (uint32_t) i + 1;
        context.last = i > 0 ? last : NULL;
        context.newest = (i == 4) ? policies[2] : NULL;

        if (entries[i].version == NULL) {
            pv_buf_init(&sealed, PV_SEALED_MAX);
            assert_int_equal(pv_seal_withdrawal(&sealed, &context, 3, "a mistake", fixture_secret, &problems), PV_OK);
            add(log, &sealed);

        } else {
            policies[i] = add_version(log, entries[i].version, entries[i].effective, &context);
        }

        assert_int_equal(pv_log_count(log), i + 1);
        memcpy(last, pv_log_entry(log, i)->digest, PV_SHA256_LEN);
    }

    assert_int_equal(pv_log_settle(log, trusted, NULL, &problems), PV_OK);

    for (i = 0; i < 6; i++) {
        pv_policy_free(policies[i]);
    }

    pv_problems_free(&problems);

    return log;
}


static void
assert_version(const pv_head_t *head, const char *version)
{
    assert_non_null(head);
    assert_true(pv_str_eqs(head->version, version));
}


static void
test_at(void **state)
{
    size_t            i;
    int64_t           time;
    pv_log_t         *log;
    const pv_head_t  *in_force, *found;

    static const struct { const char *time, *version; }  moments[] = {
        { "2021-04-02T00:00:00Z", "one" },              /* before the first: the first */
        { "2026-12-19T16:00:00Z", "one" },
        { "2027-01-01T03:59:59Z", "one" },
        { "2027-01-01T04:00:00Z", "two" },
        { "2027-01-20T00:00:00Z", "two" },              /* the third never came into force */
        { "2027-02-01T04:59:59Z", "two" },
        { "2027-02-01T05:00:00Z", "three" },
        { "2099-01-01T00:00:00Z", "three" }             /* the fourth has not yet */
    };

    static const struct { const char *day, *version; }  days[] = {
        { "2021-04-02", "one" }, { "2026-12-20", "one" }, { "2026-12-31", "one" },
        { "2027-01-01", "two" },                        /* at the end of that day */
        { "2027-01-31", "two" }, { "2027-02-01", "three" }, { "2099-01-01", "three" }
    };

    static const char *const  wrong[] = {
        "", "2027", "2027-1-1", "2027-02-30", "2027-13-01", "2027-01-01T", "2027/01/01", "0000-00-00", "2027-01-0a"
    };

    (void) state;

    log = history();
    in_force = pv_log_version(log, pv_str("three"));
    assert_non_null(in_force);

    for (i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
        assert_int_equal(pv_rfc3339_parse(&time, pv_str(moments[i].time)), PV_OK);
        assert_version(pv_memento_at(log, in_force, time), moments[i].version);
    }

    for (i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
        assert_int_equal(pv_memento_on(&found, log, in_force, pv_str(days[i].day)), PV_OK);
        assert_version(found, days[i].version);
    }

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(pv_memento_on(&found, log, in_force, pv_str(wrong[i])), PV_INVALID);
    }

    assert_true(pv_memento_is(log, in_force, in_force));
    assert_false(pv_memento_is(log, in_force, pv_log_version(log, pv_str("gone"))));
    assert_false(pv_memento_is(log, in_force, pv_log_version(log, pv_str("four"))));
    assert_false(pv_memento_is(log, in_force, pv_log_find(log, 4)));

    pv_log_free(log);
}


/* What RFC 7089 and RFC 5829 ask for, written out once for this history. */

static void
test_links(void **state)
{
    pv_buf_t          out;
    pv_log_t         *log;
    pv_str_t          base;
    const pv_head_t  *in_force;

    (void) state;

    log = history();
    base = pv_str("/p/");
    in_force = pv_log_version(log, pv_str("three"));

#define TIMEMAP                                                                                                   \
    "</p/timemap>; rel=\"timemap\"; type=\"application/link-format\"; from=\"Sat, 19 Dec 2026 16:00:00 GMT\"; "       \
    "until=\"Mon, 01 Feb 2027 05:00:00 GMT\", "

    pv_buf_init(&out, PV_MEMENTO_LINKS_MAX);
    pv_memento_original_links(&out, log, in_force, base);
    assert_string_equal(out.data,
        "</p/timegate>; rel=\"timegate\", " TIMEMAP "</p/versions>; rel=\"version-history\", "
        "</p/versions/three>; rel=\"memento last latest-version\"; datetime=\"Mon, 01 Feb 2027 05:00:00 GMT\", "
        "</p/versions/two>; rel=\"predecessor-version\"");
    out.len = 0;

    pv_memento_version_links(&out, log, in_force, pv_log_version(log, pv_str("two")), base);
    assert_string_equal(out.data,
        "</p/>; rel=\"original latest-version\", </p/timegate>; rel=\"timegate\", " TIMEMAP
        "</p/versions>; rel=\"version-history\", "
        "</p/versions/two>; rel=\"memento\"; datetime=\"Fri, 01 Jan 2027 04:00:00 GMT\", "
        "</p/versions/one>; rel=\"memento first prev predecessor-version\"; "
        "datetime=\"Sat, 19 Dec 2026 16:00:00 GMT\", "
        "</p/versions/three>; rel=\"memento next successor-version last\"; "
        "datetime=\"Mon, 01 Feb 2027 05:00:00 GMT\"");
    out.len = 0;

    pv_memento_version_links(&out, log, in_force, pv_log_version(log, pv_str("four")), base);
    assert_string_equal(out.data, "</p/versions>; rel=\"version-history\"");
    out.len = 0;

    pv_memento_timegate_links(&out, log, in_force, pv_log_version(log, pv_str("one")), base);
    assert_string_equal(out.data,
        "</p/>; rel=\"original\", " TIMEMAP
        "</p/versions/one>; rel=\"memento first\"; datetime=\"Sat, 19 Dec 2026 16:00:00 GMT\", "
        "</p/versions/three>; rel=\"memento last\"; datetime=\"Mon, 01 Feb 2027 05:00:00 GMT\"");
    out.len = 0;

    assert_int_equal(pv_memento_timemap(&out, log, in_force, pv_str("https://a.example/p/"), 1), PV_OK);
    assert_string_equal(out.data,
        "<https://a.example/p/>; rel=\"original\",\n"
        "<https://a.example/p/timegate>; rel=\"timegate\",\n"
        "<https://a.example/p/timemap>; rel=\"self\"; type=\"application/link-format\"; "
        "from=\"Sat, 19 Dec 2026 16:00:00 GMT\"; until=\"Mon, 01 Feb 2027 05:00:00 GMT\",\n"
        "<https://a.example/p/versions/one>; rel=\"memento\"; datetime=\"Sat, 19 Dec 2026 16:00:00 GMT\",\n"
        "<https://a.example/p/versions/two>; rel=\"memento\"; datetime=\"Fri, 01 Jan 2027 04:00:00 GMT\",\n"
        "<https://a.example/p/versions/three>; rel=\"memento\"; datetime=\"Mon, 01 Feb 2027 05:00:00 GMT\"\n");

    assert_int_equal(pv_memento_timemap(&out, log, in_force, base, 0), PV_INVALID);
    assert_int_equal(pv_memento_timemap(&out, log, in_force, base, 2), PV_INVALID);

    pv_buf_free(&out);
    pv_log_free(log);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_http_date),
        cmocka_unit_test(test_http_date_days),
        cmocka_unit_test(test_at),
        cmocka_unit_test(test_links)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
