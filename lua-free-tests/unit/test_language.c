/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pv_language.h"

#define MAX  8


/* have: the tags, space separated, the first is the default. */
static const char *
choose(const char *have, const char *accept, const char *wanted)
{
    size_t        n;
    char         *save, *one;
    pv_str_t      tags[MAX];
    static char   words[256];

    strcpy(words, have);

    for (n = 0, one = strtok_r(words, " ", &save); one != NULL; one = strtok_r(NULL, " ", &save)) {
        tags[n++] = pv_str(one);
    }

    return (const char *) tags[pv_language_choose(tags, n, pv_str(accept), pv_str(wanted))].data;
}


static void
test_languages(void **state)
{
    size_t  i;

    static const struct { const char *have, *accept, *wanted, *chosen; }  cases[] = {
        { "zh-CN en", "", "", "zh-CN" },
        { "zh-CN en", "en-GB,en;q=0.9", "", "en" },
        { "zh-CN en", "EN", "", "en" },
        { "zh-CN en", "fr,de;q=0.5", "", "zh-CN" },
        { "zh-CN en", "zh", "", "zh-CN" },
        { "zh-CN en", "en;q=0.3, zh;q=0.8", "", "zh-CN" },
        { "zh-CN en", "zh;q=0, en;q=0.1", "", "en" },
        { "zh-CN en", "*", "", "zh-CN" },
        { "en zh-CN", "fr, *;q=0.1", "", "en" },
        { "zh-CN en", "en", "zh", "zh-CN" },
        { "zh-CN en", "en", "xx", "en" },
        { "zh-CN en", "", "en-US", "en" },
        { "en-GB zh-CN", "en-US", "", "en-GB" },
        { "de en-x-legal en", "en-x-legal", "", "en-x-legal" },
        { "de en", "en-a-bcd-x-e", "", "en" },
        /* Chinese: script before region. */
        { "en zh-CN zh-TW", "zh-HK", "", "zh-TW" },
        { "en zh-CN zh-Hant", "zh-TW", "", "zh-Hant" },
        { "en zh-CN zh-TW", "zh-Hant", "", "zh-TW" },
        { "en zh-TW zh-CN", "zh", "", "zh-CN" },
        { "en zh-TW zh-Hans", "zh-SG", "", "zh-Hans" },
        { "en zh-TW zh-CN", "zh-Hans-HK", "", "zh-CN" },
        { "en zh-CN", "zh-TW", "", "zh-CN" },
        { "en zh-TW", "zh-CN", "", "zh-TW" },
        { "en zh-Hant-HK zh-CN", "zh-MO,zh;q=0.9", "", "zh-Hant-HK" },
        /* What is malformed counts for nothing. */
        { "zh-CN en", "en;q=2, zh;q=0.1", "", "zh-CN" },
        { "zh-CN en", "en;q=x", "", "zh-CN" },
        { "zh-CN en", ",,;q=1,en", "", "en" },
        { "zh-CN en", "en;q=0.5000", "", "zh-CN" },
        { "zh-CN en", "abcdefghijklmnopqrstuvwxyzabcdefghijklmnop,en", "", "en" },
        { "zh-CN en", "-,--,en", "", "en" },
        { "zh-CN en", "\"a,b\",en", "", "en" }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (strcmp(choose(cases[i].have, cases[i].accept, cases[i].wanted), cases[i].chosen) != 0) {
            fail_msg("\"%s\" of \"%s\": %s", cases[i].accept, cases[i].have,
                     choose(cases[i].have, cases[i].accept, cases[i].wanted));
        }
    }
}


static void
test_media_types(void **state)
{
    size_t           i;
    int              chosen;
    const pv_str_t   offers[] = { pv_string("text/html"), pv_string("text/markdown"), pv_string("application/json") };

    static const struct { const char *accept; int chosen; }  cases[] = {
        { "", 0 }, { "*/*", 0 }, { "text/html", 0 }, { "application/json", 2 }, { "Text/Markdown", 1 },
        { "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", 0 },
        { "application/json;q=0.5, text/markdown", 1 }, { "text/*", 0 }, { "text/*;q=0.5, application/json", 2 },
        { "*/*;q=0.1, application/json", 2 }, { "text/html;q=0, */*", 1 }, { "image/png", -1 },
        { "application/json;charset=utf-8", 2 }, { "application/json; q=0", -1 }, { "text/html;level=\"1,2\";q=0.1,"
          "application/json;q=0.2", 2 }, { "application/*", 2 }, { "*", -1 }, { "text/", -1 }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        chosen = pv_accept_choose(offers, 3, pv_str(cases[i].accept));
        if (chosen != cases[i].chosen) {
            fail_msg("\"%s\": %d", cases[i].accept, chosen);
        }
    }

    assert_int_equal(pv_accept_choose(offers, 0, pv_str("*/*")), -1);
}


/* Every truncation, in memory of exactly its length, and headers without end. */
static void
test_bounded(void **state)
{
    char            *copy, *large;
    size_t           len, i;
    const pv_str_t   tags[] = { pv_string("zh-CN"), pv_string("en") };

    static const char  header[] = "zh-Hant-TW;q=0.9, en-GB;q=\"0,8\", */*;q=0.1, x-y-z;q=1.000, -;q=0.";

    (void) state;

    for (len = 0; len < sizeof(header); len++) {
        copy = malloc(len + 1);
        memcpy(copy, header, len);
        copy = realloc(copy, len ? len : 1);

        assert_in_range(pv_language_choose(tags, 2, (pv_str_t) { (unsigned char *) copy, len }, pv_str("")), 0, 1);
        (void) pv_accept_choose(tags, 2, (pv_str_t) { (unsigned char *) copy, len });
        free(copy);
    }

    large = malloc(1000000);
    for (i = 0; i < 1000000; i++) {
        large[i] = ",;=-q"[i % 5];
    }
    assert_int_equal(pv_language_choose(tags, 2, (pv_str_t) { (unsigned char *) large, 1000000 }, pv_str("")), 0);
    free(large);
}


static void
test_missed(void **state)
{
    size_t    i;
    pv_str_t  got;

    static const struct { const char *chosen, *accept, *wanted, *missed; }  cases[] = {
        { "en", "", "", "" },
        { "en", "en-GB,en;q=0.9", "", "" },
        { "en-GB", "en-US", "", "" },
        { "en", "fr, en;q=0.2", "", "" },
        { "en", "fr, de;q=0.5", "", "fr" },
        { "en", "fr;q=0.4, de;q=0.5", "", "de" },
        { "en", "fr, *;q=0.1", "", "" },
        { "en", "fr;q=0", "", "" },
        { "zh-CN", "zh", "", "" },
        { "zh-CN", "zh-Hans-SG", "", "" },
        { "zh-CN", "zh-TW", "", "zh-TW" },
        { "zh-TW", "zh-HK", "", "" },
        { "en", "en", "fr", "fr" },
        { "en", "fr", "en-US", "" }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        got = pv_language_missed(pv_str(cases[i].chosen), pv_str(cases[i].accept), pv_str(cases[i].wanted));

        if (!pv_str_eqs(got, cases[i].missed)) {
            fail_msg("\"%s\" for \"%s\" and \"%s\" misses \"%.*s\"", cases[i].chosen, cases[i].accept,
                     cases[i].wanted, (int) got.len, got.data);
        }
    }
}


static void
test_direction(void **state)
{
    size_t  i;

    static const struct { const char *tag, *direction; }  cases[] = {
        { "ar", "rtl" }, { "AR-eg", "rtl" }, { "he", "rtl" }, { "fa-IR", "rtl" }, { "ur", "rtl" }, { "ug", "rtl" },
        { "az-Arab", "rtl" }, { "pa-arab-PK", "rtl" }, { "ug-Cyrl", "ltr" }, { "en", "ltr" }, { "zh-CN", "ltr" },
        { "arn", "ltr" }, { "fat", "ltr" }, { "en-x-arab", "ltr" }, { "ku", "ltr" }, { "ckb", "rtl" }, { "", "ltr" }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(pv_language_direction(pv_str(cases[i].tag)), cases[i].direction);
    }
}


static void
test_names(void **state)
{
    size_t                     i;
    const pv_language_name_t  *name, *before;

    (void) state;

    /* In order, each once, and found by its tag however it is spelled. */
    for (i = 0, before = NULL; (name = pv_language_name_at(i)) != NULL; i++, before = name) {
        assert_true(before == NULL || strcmp(before->tag, name->tag) < 0);
        assert_ptr_equal(pv_language_name(pv_str(name->tag)), name->name);
    }

    assert_true(i > 50);
    assert_string_equal(pv_language_name(pv_str("PT-br")), "Portugu\xc3\xaas (Brasil)");
    assert_null(pv_language_name(pv_str("de-AT")));
    assert_null(pv_language_name(pv_str("")));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_languages),
        cmocka_unit_test(test_media_types),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_missed),
        cmocka_unit_test(test_direction),
        cmocka_unit_test(test_names)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
