/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bundle_fixture.h"
#include "pv_declared_diff.h"


/* The fixture's version, and the same with one text in its JSON replaced by another. */
typedef struct {
    pv_policy_t       *a, *b;
    pv_differences_t   d;
} compared_t;


static void
compare(compared_t *c, const char *from, const char *to, const char *language)
{
    char  *before, *after;

    before = fixture_json("v1", "2026-12-01T00:00:00Z", "", fixture_purposes);
    after = fixture_replace(before, from, to);
    c->a = fixture_policy(before, NULL);
    c->b = fixture_policy(after, NULL);
    assert_int_equal(pv_declared_diff(&c->d, c->a, c->b, pv_str(language)), PV_OK);

    free(before);
    free(after);
}


static void
done(compared_t *c)
{
    pv_differences_free(&c->d);
    pv_policy_free(c->a);
    pv_policy_free(c->b);
}


static void
assert_str(pv_str_t s, const char *expected)
{
    char  text[256];

    assert_true(s.len < sizeof(text));
    memcpy(text, s.len != 0 ? (const char *) s.data : "", s.len);
    text[s.len] = '\0';
    assert_string_equal(text, expected);
}


/* One change in policy.json, one entry: what it says, and what it needs. */
static void
test_each_field(void **state)
{
    size_t                  i;
    compared_t              c;
    const pv_difference_t  *e;

    static const struct {
        const char           *from, *to;
        pv_difference_how_t   how;
        const char           *section, *field, *purpose, *id, *name, *before, *after;
        unsigned              kinds;
    }  cases[] = {
        { "\"mail\":\"p@shop.example\"", "\"mail\":\"q@shop.example\"", PV_DIFFERENCE_ALTERED, "contact", "mail", "",
          "mail", "mail", "p@shop.example", "q@shop.example", PV_KIND_CONTACT },
        { "\"name\":\"Shop\"", "\"name\":\"Shop Ltd\"", PV_DIFFERENCE_ALTERED, "contact", "name", "", "name", "name",
          "Shop", "Shop Ltd", PV_KIND_ORGANISATION },
        { "\"mail\":\"p@shop.example\"", "\"mail\":\"p@shop.example\",\"telephone\":\"1\"", PV_DIFFERENCE_ADDED,
          "contact", "telephone", "", "telephone", "telephone", "", "1", PV_KIND_CONTACT },
        { "{\"name\":\"_ga*\"}", "{\"name\":\"_ga*\"},{\"name\":\"_pk\"}", PV_DIFFERENCE_ADDED, "cookies", "",
          "analytics", "_pk", "_pk", "", "", PV_KIND_PURPOSES },
        { "{\"name\":\"_ga*\"}", "", PV_DIFFERENCE_REMOVED, "cookies", "", "analytics", "_ga*", "_ga*", "", "",
          PV_KIND_PURPOSES },
        { "\"_ga*\"", "\"_ga*\",\"lifetime\":\"1 d\"", PV_DIFFERENCE_ALTERED, "cookies", "lifetime", "analytics",
          "_ga*", "_ga*", "", "1 d", PV_KIND_PURPOSES },
        { "[\"stats.example.net\"]", "[\"stats.example.net\",\"x.example\"]", PV_DIFFERENCE_ADDED, "sources", "",
          "analytics", "x.example", "x.example", "", "", PV_KIND_PURPOSES | PV_KIND_RECIPIENTS },
        { "\"90 d\"", "\"180 d\"", PV_DIFFERENCE_ALTERED, "retention", "retention", "ads", "ads", "Ads", "90 d",
          "180 d", PV_KIND_PURPOSES | PV_KIND_RIGHTS },
        { ",\"retention\":\"90 d\"", "", PV_DIFFERENCE_REMOVED, "retention", "retention", "ads", "ads", "Ads", "90 d",
          "", PV_KIND_PURPOSES | PV_KIND_RIGHTS },
        { "\"separate\":true", "\"separate\":false", PV_DIFFERENCE_ALTERED, "purposes", "separate", "abroad",
          "abroad", "Abroad", "true", "false", PV_KIND_PURPOSES | PV_KIND_RIGHTS },
        { "\"title\":\"Ads\"", "\"title\":\"Adverts\"", PV_DIFFERENCE_ALTERED, "purposes", "title", "ads", "ads",
          "Adverts", "Ads", "Adverts", 0 },
        { "{\"id\":\"abroad\",\"title\":\"Abroad\",\"text\":\"t\",\"separate\":true}",
          "{\"id\":\"abroad\",\"title\":\"Abroad\",\"text\":\"t\",\"separate\":true},"
          "{\"id\":\"new\",\"title\":\"New\",\"text\":\"t\",\"cookies\":[{\"name\":\"n\"}]}",
          PV_DIFFERENCE_ADDED, "purposes", "", "", "new", "New", "", "", PV_KIND_PURPOSES },
        { ",{\"id\":\"abroad\",\"title\":\"Abroad\",\"text\":\"t\",\"separate\":true}", "", PV_DIFFERENCE_REMOVED,
          "purposes", "", "", "abroad", "Abroad", "", "", PV_KIND_PURPOSES },
        { "\"country\":\"China\"", "\"country\":\"Singapore\"", PV_DIFFERENCE_ALTERED, "recipients", "country", "",
          "acme", "Acme", "China", "Singapore", PV_KIND_RECIPIENTS | PV_KIND_RISK },
        { "\"country\":\"China\"}", "\"country\":\"China\"},{\"id\":\"b\",\"name\":\"B\",\"data\":\"d\",\"use\":\"u\"}",
          PV_DIFFERENCE_ADDED, "recipients", "", "", "b", "B", "", "", PV_KIND_RECIPIENTS },
        { "\"effective\"", "\"choice_days\":90,\"effective\"", PV_DIFFERENCE_ALTERED, "terms", "choice_days", "",
          "choice_days", "choice_days", "180", "90", PV_KIND_PURPOSES | PV_KIND_RIGHTS },
        { "\"effective\"", "\"minor_age\":16,\"effective\"", PV_DIFFERENCE_ALTERED, "terms", "minor_age", "",
          "minor_age", "minor_age", "14", "16", PV_KIND_RIGHTS }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        compare(&c, cases[i].from, cases[i].to, "en");
        assert_int_equal(c.d.count, 1);
        e = &c.d.list[0];

        assert_int_equal(e->how, cases[i].how);
        assert_string_equal(e->section, cases[i].section);
        assert_string_equal(e->field, cases[i].field);
        assert_str(e->purpose, cases[i].purpose);
        assert_str(e->id, cases[i].id);
        assert_str(e->name, cases[i].name);
        assert_str(e->before, cases[i].before);
        assert_str(e->after, cases[i].after);
        assert_int_equal(e->kinds, cases[i].kinds);
        done(&c);
    }
}


static void
test_nothing(void **state)
{
    compared_t  c;

    (void) state;

    compare(&c, "\"version\":\"v1\"", "\"version\":\"v2\"", "en");
    assert_int_equal(c.d.count, 0);
    done(&c);
}


/* A purpose that gets another recipient: the recipient, and where it is used. */
static void
test_recipient_of_a_purpose(void **state)
{
    compared_t  c;

    (void) state;

    compare(&c, "\"sources\":[\"stats.example.net\"]", "\"sources\":[\"stats.example.net\"],\"recipients\":[\"acme\"]",
            "en");
    assert_int_equal(c.d.count, 1);
    assert_string_equal(c.d.list[0].section, "recipients");
    assert_str(c.d.list[0].purpose, "analytics");
    assert_str(c.d.list[0].name, "Acme");
    assert_int_equal(pv_difference_uncovered(&c.d.list[0], PV_KIND_RECIPIENTS), 0);
    assert_int_equal(pv_difference_uncovered(&c.d.list[0], PV_KIND_EDITORIAL | PV_KIND_CONTACT), 1);
    done(&c);
}


/* In the reader's language; a better translation is no other meaning, the default language's words are. */
static void
test_languages(void **state)
{
    compared_t  c;

    (void) state;

    compare(&c, "\"en\":\"Needed\"", "\"en\":\"Required\"", "en");
    assert_int_equal(c.d.count, 1);
    assert_str(c.d.list[0].before, "Needed");
    assert_int_equal(c.d.list[0].words, 1);
    done(&c);

    compare(&c, "\"en\":\"Needed\"", "\"en\":\"Required\"", "zh-CN");
    assert_int_equal(c.d.count, 0);
    done(&c);

    compare(&c, "\"zh-CN\":\"N\"", "\"zh-CN\":\"M\"", "en");
    assert_int_equal(c.d.count, 1);
    assert_str(c.d.list[0].name, "Needed");
    assert_str(c.d.list[0].before, "N");
    done(&c);

    compare(&c, "\"retention\":\"90 d\"", "\"retention\":{\"zh-CN\":\"90 d\",\"en\":\"ninety days\"}", "en");
    assert_int_equal(c.d.count, 1);
    assert_str(c.d.list[0].after, "ninety days");
    assert_int_equal(c.d.list[0].kinds, 0);
    done(&c);
}


static void
test_reduced_rights(void **state)
{
    compared_t  c;

    (void) state;

    compare(&c, "\"effective\"", "\"reduces_rights\":true,\"effective\"", "en");
    assert_int_equal(c.d.count, 1);
    assert_string_equal(c.d.list[0].field, "reduces_rights");
    assert_int_equal(pv_difference_uncovered(&c.d.list[0], PV_KIND_EDITORIAL | PV_KIND_PURPOSES), 1);
    assert_int_equal(pv_difference_uncovered(&c.d.list[0], PV_KIND_RIGHTS), 0);
    done(&c);
}


static void
test_json(void **state)
{
    pv_buf_t    json;
    compared_t  c;

    (void) state;

    compare(&c, "\"90 d\"", "\"1 \\\"y\\\"\"", "en");
    pv_buf_init(&json, 4096);
    assert_int_equal(pv_differences_json(&json, &c.d), PV_OK);
    assert_string_equal((const char *) json.data,
        "[{\"how\":\"altered\",\"section\":\"retention\",\"field\":\"retention\",\"purpose\":\"ads\",\"id\":\"ads\","
        "\"name\":\"Ads\",\"before\":\"90 d\",\"after\":\"1 \\\"y\\\"\",\"kinds\":[\"purposes\",\"rights\"]}]");
    pv_buf_free(&json);
    done(&c);
}


static void
test_kinds(void **state)
{
    char         *json;
    pv_policy_t  *policy;

    (void) state;

    assert_int_equal(pv_kind(pv_str("rights")), PV_KIND_RIGHTS);
    assert_int_equal(pv_kind(pv_str("right")), 0);
    assert_int_equal(pv_kind(pv_str("")), 0);

    json = fixture_json("v1", "2026-12-01T00:00:00Z", "{\"kind\":\"editorial\"},"
                        "{\"kind\":\"contact\",\"summary\":{\"zh-CN\":\"s\",\"en\":\"s\"}}", fixture_purposes);
    policy = fixture_policy(json, NULL);
    assert_int_equal(pv_kinds_declared(policy), PV_KIND_EDITORIAL | PV_KIND_CONTACT);
    pv_policy_free(policy);
    free(json);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_each_field),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_recipient_of_a_purpose),
        cmocka_unit_test(test_languages),
        cmocka_unit_test(test_reduced_rights),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_kinds)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
