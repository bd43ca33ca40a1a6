/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "pv_markdown_outline.h"


static void
test_headings_tables_and_lists(void **state)
{
    pv_outline_t   outline;
    pv_problems_t  problems;

    static const char  text[] =
        "# One *two* `three`\n\nText\n\n"
        "| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |\n\n"
        "Under\nlined\n-----\n\n- x\n- y\n\n1. z\n\n### \xe4\xb8\x89 &amp; [l](/a)\n\n"
        "| c |\n| --- |\n\n```\n# not one\n<b>\n```\n\n`<i>` a < b <https://x.example/> <m@x.example>\n";

    (void) state;

    pv_problems_init(&problems);
    assert_int_equal(pv_outline_read(&outline, pv_str(text), "t", &problems), PV_OK);

    assert_int_equal(problems.count, 0);
    assert_int_equal(outline.count, 3);
    assert_int_equal(outline.headings[0].level, 1);
    assert_int_equal(outline.headings[0].line, 1);
    assert_string_equal(outline.headings[0].text, "One two three");
    assert_int_equal(outline.headings[1].level, 2);
    assert_int_equal(outline.headings[1].line, 10);
    assert_int_equal(outline.headings[2].level, 3);
    assert_int_equal(outline.headings[2].line, 19);
    assert_string_equal(outline.headings[2].text, "\xe4\xb8\x89 &amp; l");
    assert_int_equal(outline.tables, 2);
    assert_int_equal(outline.rows, 2);

    pv_outline_free(&outline);
    pv_problems_free(&problems);
}


static void
test_what_may_not_stand_there_is_said_by_line(void **state)
{
    size_t         i;
    pv_outline_t   outline;
    pv_problems_t  problems;

    static const char  text[] =
        "# T\n\n"
        "<script>\nalert(1)\n</script>\n\n"                 /* 3 */
        "a <b>c</b>\n\n"                                    /* 7: twice */
        "text\n[x](javascript:alert(1))\n\n"                /* 10 */
        "[y][r] ![z](data:x)\n\n"                           /* 12: a link, an image */
        "| a |\n| --- |\n| [](vbscript:1) <i> |\n\n"        /* 16: twice */
        "<!-- c -->\n\n"                                    /* 18 */
        "[e](java&#115;cript:1) [n](&NewLine;x)\n\n"        /* 20: twice */
        "[r]: file:///x\n";
    static const struct { unsigned line, warning; const char *reason; }  cases[] = {
        { 3, 0, "<script>" }, { 7, 0, "<b>" }, { 7, 0, "</b>" }, { 10, 0, "javascript:alert(1)" },
        { 12, 0, "file:///x" }, { 12, 1, "image" }, { 16, 0, "vbscript:1" }, { 16, 0, "<i>" }, { 18, 0, "<!-- c -->" },
        { 20, 0, "java&#115;cript:1" }, { 20, 0, "&NewLine;x" }
    };

    (void) state;

    pv_problems_init(&problems);
    assert_int_equal(pv_outline_read(&outline, pv_str(text), "t", &problems), PV_OK);

    for (i = 0; i < problems.count && i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (problems.list[i].line != cases[i].line || problems.list[i].warning != cases[i].warning
            || strstr(problems.list[i].reason, cases[i].reason) == NULL)
        {
            fail_msg("%zu: line %u: %s", i, problems.list[i].line, problems.list[i].reason);
        }
    }

    assert_int_equal(problems.count, sizeof(cases) / sizeof(cases[0]));

    pv_outline_free(&outline);
    pv_problems_free(&problems);
}


static void
test_headings_are_cut_between_characters_and_bounded(void **state)
{
    size_t         i;
    pv_buf_t       text;
    pv_outline_t   outline;
    pv_problems_t  problems;

    (void) state;

    pv_problems_init(&problems);
    pv_buf_init(&text, 1024 * 1024);

    pv_buf_puts(&text, "# a");
    for (i = 0; i < 100; i++) {
        pv_buf_puts(&text, "\xe4\xb8\x89");
    }
    for (i = 0; i < PV_HEADINGS_MAX; i++) {
        pv_buf_puts(&text, "\n\n## b");
    }

    assert_int_equal(pv_outline_read(&outline, (pv_str_t) { text.data, text.len }, "t", &problems), PV_OK);
    assert_int_equal(outline.count, PV_HEADINGS_MAX);
    assert_int_equal(strlen(outline.headings[0].text), 1 + 42 * 3);
    assert_int_equal(outline.headings[PV_HEADINGS_MAX - 1].line, 2 * PV_HEADINGS_MAX - 1);

    pv_outline_free(&outline);
    pv_buf_free(&text);
    pv_problems_free(&problems);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_headings_tables_and_lists),
        cmocka_unit_test(test_what_may_not_stand_there_is_said_by_line),
        cmocka_unit_test(test_headings_are_cut_between_characters_and_bounded)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
