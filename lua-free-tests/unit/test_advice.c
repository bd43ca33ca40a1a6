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

#include "bundle_fixture.h"
#include "pv_bundle_advice.h"


static const char  complete[] =
    "{\"version\":\"1\",\"effective\":\"2026-12-01T00:00:00Z\",\"languages\":[\"zh-CN\",\"en\"],\n"
    "\"controller\":{\"name\":\"n\",\"mail\":\"m\",\"address\":\"a\",\"department\":\"d\",\"complaint\":\"c\",\n"
    "\"country\":{\"zh-CN\":\"\xe4\xb8\xad\xe5\x9b\xbd\",\"en\":\"China\"}},\n"
    "\"choice_days\":180,\"minor_age\":14,\n"
    "\"purposes\":[{\"id\":\"a\",\"title\":{\"zh-CN\":\"t\",\"en\":\"t\"},\"text\":{\"zh-CN\":\"t\",\"en\":\"t\"},\n"
    "\"retention\":{\"zh-CN\":\"t\",\"en\":\"t\"},\"cookies\":[{\"name\":\"x\",\"lifetime\":\"1\"}],\n"
    "\"recipients\":[\"home\"]},\n"
    "{\"id\":\"b\",\"title\":{\"zh-CN\":\"t\",\"en\":\"t\"},\"text\":{\"zh-CN\":\"t\",\"en\":\"t\"},\n"
    "\"retention\":{\"zh-CN\":\"t\",\"en\":\"t\"},\"separate\":true,\"recipients\":[\"away\"]}],\n"
    "\"recipients\":[{\"id\":\"home\",\"name\":\"h\",\"data\":{\"zh-CN\":\"t\",\"en\":\"t\"},\n"
    "\"use\":{\"zh-CN\":\"t\",\"en\":\"t\"},\"policy\":\"https://h.example/\",\"country\":\"china\"},\n"
    "{\"id\":\"away\",\"name\":\"h\",\"data\":{\"zh-CN\":\"t\",\"en\":\"t\"},\"use\":{\"zh-CN\":\"t\",\"en\":\"t\"},\n"
    "\"policy\":\"https://h.example/\",\"country\":{\"zh-CN\":\"\xe6\x96\xb0\",\"en\":\"Singapore\"}}]}\n";

static const char  english[] =
    "# Policy\n\n## Rights\n\nYour rights: withdraw, complain. What we keep, changes, children.\n\n"
    "| a |\n| --- |\n| 1 |\n| 2 |\n";

/* Rights, kept until, minors, withdraw, complain, changes. */
static const char  chinese[] =
    "# \xe6\x94\xbf\xe7\xad\x96\n\n## \xe6\x9d\x83\xe5\x88\xa9\n\n\xe4\xbf\x9d\xe5\xad\x98\xe8\x87\xb3 "
    "\xe6\x9c\xaa\xe6\x88\x90\xe5\xb9\xb4 \xe6\x92\xa4\xe5\x9b\x9e \xe6\x8a\x95\xe8\xaf\x89 \xe5\x8f\x98\xe6\x9b\xb4\n\n"
    "| a |\n| --- |\n| 1 |\n| 2 |\n";


static void
advise(pv_problems_t *problems, const char *json, const char *zh, const char *en)
{
    pv_bundle_text_t    texts[2];
    pv_bundle_source_t  source;

    texts[0] = (pv_bundle_text_t) { pv_str("en"), pv_str(en), "policy.en.md" };
    texts[1] = (pv_bundle_text_t) { pv_str("zh-CN"), pv_str(zh), "policy.zh-CN.md" };
    source = (pv_bundle_source_t) { pv_str(json), "policy.json", texts, 2 };

    pv_problems_init(problems);
    assert_int_equal(pv_bundle_advise(&source, problems), PV_OK);
    assert_int_equal(problems->errors, 0);
}


static void
test_nothing_is_said_of_a_complete_one(void **state)
{
    pv_problems_t  problems;

    (void) state;

    advise(&problems, complete, chinese, english);

    if (problems.count != 0) {
        fail_msg("%s: %s", problems.list[0].field, problems.list[0].reason);
    }

    pv_problems_free(&problems);
}


static void
test_each_omission_is_said_with_its_law(void **state)
{
    size_t         i;
    char          *json;
    pv_problems_t  problems;

    static const struct { const char *from, *to, *field, *law; unsigned line; }  cases[] = {
        { "\"mail\":\"m\",", "", "controller", "PIPL Article 17", 2 },
        { "\"address\":\"a\",", "", "controller.address", "GDPR Article 13(1)(a)", 2 },
        { "\"department\":\"d\",", "", "controller.department", "PIPL Article 52", 2 },
        { "\"complaint\":\"c\",", "", "controller.complaint", "PIPL Articles 50 and 65", 2 },
        { ",\n\"country\":{\"zh-CN\":\"\xe4\xb8\xad\xe5\x9b\xbd\",\"en\":\"China\"}", "", "controller.country",
          "PIPL Articles 38", 2 },
        { "\"choice_days\":180", "\"choice_days\":366", "choice_days", "GDPR Article 7", 4 },
        { ",\"minor_age\":14", "", "minor_age", "PIPL Article 31", 1 },
        { "\"minor_age\":14", "\"minor_age\":12", "minor_age", "GDPR Article 8", 4 },
        { "\"retention\":{\"zh-CN\":\"t\",\"en\":\"t\"},\"cookies\"", "\"cookies\"", "purposes[0].retention",
          "GDPR Article 13(2)(a)", 5 },
        { ",\"lifetime\":\"1\"", "", "purposes[0].cookies[0].lifetime", "C-673/17", 6 },
        { "\"title\":{\"zh-CN\":\"t\",\"en\":\"t\"}", "\"title\":\"t\"", "purposes[0].title", "GDPR Article 12(1)", 5 },
        { "\"separate\":true,", "", "purposes[1].recipients[0]", "PIPL Article 39", 9 },
        { "\"recipients\":[\"home\"]", "\"recipients\":[\"home\",\"away\"]",
          "purposes[0].recipients[1]", "\xe6\x96\xb0", 7 },
        { "\"policy\":\"https://h.example/\",\"country\":\"china\"", "\"country\":\"china\"", "recipients[0].policy",
          "PIPL Article 23", 10 },
        { ",\"country\":\"china\"", "", "recipients[0].country", "GDPR Article 13(1)(f)", 10 }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json = fixture_replace(complete, cases[i].from, cases[i].to);
        advise(&problems, json, chinese, english);

        if (problems.count != 1 || problems.list[0].field == NULL
            || strcmp(problems.list[0].field, cases[i].field) != 0
            || strstr(problems.list[0].reason, cases[i].law) == NULL || problems.list[0].line != cases[i].line)
        {
            fail_msg("%s: %zu, %s, line %u: %s", cases[i].field, problems.count,
                     problems.count ? problems.list[0].field : "", problems.count ? problems.list[0].line : 0,
                     problems.count ? problems.list[0].reason : "");
        }

        pv_problems_free(&problems);
        free(json);
    }
}


static void
test_languages_that_are_out_of_step(void **state)
{
    size_t         i;
    char          *en;
    pv_problems_t  problems;

    static const struct { const char *from, *to, *reason; unsigned line; }  cases[] = {
        { "## Rights", "### Rights", "heading of level 3", 3 },
        { "## Rights", "Rights", "has 1 headings", 0 },
        { "| 2 |\n", "", "1 tables with 1 rows", 0 },
        { "children", "x", "minors", 0 },
        { "Your rights", "Your", NULL, 0 }              /* the heading says it */
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        en = fixture_replace(english, cases[i].from, cases[i].to);
        advise(&problems, complete, chinese, en);

        assert_int_equal(problems.count, cases[i].reason != NULL);

        if (cases[i].reason != NULL) {
            assert_string_equal(problems.list[0].file, "policy.en.md");
            assert_non_null(strstr(problems.list[0].reason, cases[i].reason));
            assert_int_equal(problems.list[0].line, cases[i].line);
        }

        pv_problems_free(&problems);
        free(en);
    }
}


/* What is no policy at all is another's to say. */
static void
test_odd_sources_are_read_as_far_as_they_go(void **state)
{
    size_t         i;
    pv_problems_t  problems;

    static const char  *odd[] = {
        "", "{", "[]", "{}", "{\"controller\":1,\"purposes\":{},\"recipients\":[1,{\"id\":2}],\"languages\":\"x\"}",
        "{\"purposes\":[1,{\"cookies\":[1],\"recipients\":[1,\"x\"],\"title\":[]}],\"choice_days\":\"x\"}"
    };

    (void) state;

    for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        advise(&problems, odd[i], "\xff", "");
        pv_problems_free(&problems);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_nothing_is_said_of_a_complete_one),
        cmocka_unit_test(test_each_omission_is_said_with_its_law),
        cmocka_unit_test(test_languages_that_are_out_of_step),
        cmocka_unit_test(test_odd_sources_are_read_as_far_as_they_go)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
