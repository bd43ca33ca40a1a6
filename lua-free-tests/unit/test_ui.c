/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "page_check.h"
#include "pv_page_ui.h"


static pv_ui_t  *ui;


/* How often a {name} stands in a sentence. */
static unsigned
placeholders(const char *s, const char *of, char *name, size_t size)
{
    size_t       len;
    unsigned     n;
    const char  *end;

    for (n = 0; (of = strchr(of, '{')) != NULL && (end = strchr(of, '}')) != NULL; of = end, n++) {
        len = (size_t) (end - of) + 1;
        assert_true(len < size);
        memcpy(name, of, len);
        name[len] = '\0';

        if (strstr(s, name) == NULL) {
            return n + 1000;
        }
    }

    return n;
}


/* Every interface language says everything, nothing else, and names the same things. */
static void
same_keys(void **state)
{
    char         name[64];
    size_t       i, languages;
    json_t      *english, *strings, *value;
    const char  *key, *said, *tag;

    (void) state;

    english = pv_ui_strings(ui, pv_str("en"));

    for (i = 0; (strings = pv_ui_strings_at(ui, i)) != NULL; i++) {
        tag = json_string_value(json_object_get(strings, "tag"));
        assert_int_equal(json_object_size(strings), json_object_size(english));

        json_object_foreach(english, key, value) {
            said = json_string_value(json_object_get(strings, key));

            if (said == NULL
                || placeholders(said, json_string_value(value), name, sizeof(name))
                   != placeholders(json_string_value(value), said, name, sizeof(name)))
            {
                fail_msg("%s: %s says \"%s\"", tag, key, said);
            }
        }
    }

    languages = i;
    assert_int_equal(languages, 4);
}


static void
nearest(void **state)
{
    size_t  i;

    static const struct { const char *policy, *interface; }  cases[] = {
        { "en", "en" }, { "en-GB", "en" }, { "zh-CN", "zh-CN" }, { "zh", "zh-CN" }, { "zh-Hans-SG", "zh-CN" },
        { "zh-TW", "zh-TW" }, { "zh-HK", "zh-TW" }, { "zh-Hant", "zh-TW" }, { "ja-JP", "ja" }, { "fr", "en" }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(json_string_value(json_object_get(pv_ui_strings(ui, pv_str(cases[i].policy)), "tag")),
                            cases[i].interface);
    }

    assert_true(pv_str_eqs(pv_ui_language_name(ui, pv_str("zh-TW")), "\xe7\xb9\x81\xe9\xab\x94\xe4\xb8\xad\xe6\x96\x87"));
    assert_true(pv_str_eqs(pv_ui_language_name(ui, pv_str("de")), "Deutsch"));
    assert_true(pv_str_eqs(pv_ui_language_name(ui, pv_str("de-AT")), "de-AT"));
}


static pv_str_t
arabic(void *data, const char *name)
{
    pv_str_t  none = { NULL, 0 };

    return strcmp(name, "ar.json") == 0 ? pv_str(data) : none;
}


/* A site can add a language: the whole page then runs its way. */
static void
more_languages(void **state)
{
    pv_buf_t       b;
    pv_ui_t       *site;
    pv_page_t      page;
    pv_policy_t   *policy;
    pv_problems_t  problems;

    static char       strings[] = "{\"tag\":\"ar\",\"name\":\"A\",\"direction\":\"rtl\",\"versions_title\":\"V\"}";
    static char       bad[] = "{\"tag\":\"ar\"";
    static pv_text_t  text;

    (void) state;

    pv_problems_init(&problems);
    pv_buf_init(&b, 1 << 20);

    assert_int_equal(pv_ui_create(&site, arabic, strings, &problems), PV_OK);

    policy = page_fixture(1);
    text = policy->texts[1];
    text.language = pv_str("ar");
    policy->texts = &text;
    policy->texts_count = 1;
    page = page_of(site, policy, 0);

    assert_int_equal(pv_page_policy(&b, &page), PV_OK);
    assert_non_null(strstr(check_text(&b), "<html lang=\"ar\" dir=\"rtl\">"));

    /* Without it, the text alone does. */
    b.len = 0;
    page.ui = ui;
    assert_int_equal(pv_page_policy(&b, &page), PV_OK);
    assert_non_null(strstr(check_text(&b), "<html lang=\"en\" dir=\"ltr\">"));
    assert_non_null(strstr(check_text(&b), "lang=\"ar\" dir=\"rtl\">"));
    pv_ui_free(site);

    pv_problems_free(&problems);
    pv_problems_init(&problems);
    assert_int_equal(pv_ui_create(&site, arabic, bad, &problems), PV_INVALID);
    assert_string_equal(problems.list[0].file, "ar.json");

    pv_problems_free(&problems);
    pv_buf_free(&b);
}


/* Logical properties only: what has a side in a style sheet is wrong in half of the languages. */
static void
no_sides(void **state)
{
    size_t             i, j, n;
    const pv_asset_t  *assets;

    static const char *const  sides[] = {
        "margin-left", "margin-right", "padding-left", "padding-right", "border-left", "border-right",
        "text-align: left", "text-align: right", "float: left", "float: right", "\n    left:", "\n    right:"
    };

    (void) state;

    assets = pv_ui_assets(ui, &n);

    for (i = 0; i < n; i++) {
        for (j = 0; j < sizeof(sides) / sizeof(sides[0]); j++) {
            if (strstr((const char *) assets[i].bytes.data, sides[j]) != NULL) {
                fail_msg("%s has %s", assets[i].name, sides[j]);
            }
        }
    }
}


static int
setup(void **state)
{
    int            rc;
    pv_problems_t  problems;

    (void) state;

    pv_problems_init(&problems);
    rc = pv_ui_create(&ui, NULL, NULL, &problems);

    if (problems.count) {
        print_error("%s: %s: %s\n", problems.list[0].file, problems.list[0].field, problems.list[0].reason);
    }

    pv_problems_free(&problems);

    return rc;
}


static int
teardown(void **state)
{
    (void) state;

    pv_ui_free(ui);

    return 0;
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_keys),
        cmocka_unit_test(nearest),
        cmocka_unit_test(more_languages),
        cmocka_unit_test(no_sides)
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
