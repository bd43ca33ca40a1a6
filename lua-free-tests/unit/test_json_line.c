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

#include "pv_json_line.h"


static const char  document[] =
    "\n"                                            /* 1 */
    "{\n"
    "  \"version\": \"1\",\n"
    "  \"a.b\": {\n"
    "    \"x\\\"[y\\\\\": 1, \"tail\":\n"           /* 5 */
    "      2\n"
    "  },\n"
    "  \"a\": { \"b\": { \"deep\": 0 },\n"
    "    \"\\u0041\": 3, \"caf\\u00e9\": 4, \"\\ud83d\\ude00\": 5,\n"
    "    \"caf\xc3\xa9s\": 6 },\n"                  /* 10 */
    "  \"list\": [ 1, [ 2,\n"
    "      { \"k\": \"],}{\" } ],\n"
    "    { \"k\": [\n"
    "        true,\n"
    "        { \"z\": null } ] } ],\n"              /* 15 */
    "  \"empty\": [], \"last\": { }\n"
    "}\n";


static void
test_a_path_is_found(void **state)
{
    size_t  i;

    static const struct { const char *path; unsigned line; }  cases[] = {
        { "", 2 }, { "version", 3 }, { "a.b", 4 }, { "a.b.tail", 5 }, { "a.b.x\"[y\\", 5 }, { "a.A", 9 },
        { "a.caf??", 9 }, { "a.caf??s", 10 }, { "a.????", 9 }, { "list", 11 }, { "list[0]", 11 }, { "list[1]", 11 },
        { "list[1][1].k", 12 }, { "list[2]", 13 }, { "list[2].k[0]", 14 }, { "list[2].k[1].z", 15 }, { "last", 16 }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (pv_json_line(pv_str(document), cases[i].path) != cases[i].line) {
            fail_msg("%s: %u", cases[i].path, pv_json_line(pv_str(document), cases[i].path));
        }
    }
}


static void
test_what_is_missing_is_missing_in_what_is_around_it(void **state)
{
    (void) state;

    assert_int_equal(pv_json_line(pv_str(document), "nothing"), 2);
    assert_int_equal(pv_json_line(pv_str(document), "versio"), 2);
    assert_int_equal(pv_json_line(pv_str(document), "version.of"), 3);
    assert_int_equal(pv_json_line(pv_str(document), "a.b.none"), 4);
    assert_int_equal(pv_json_line(pv_str(document), "list[2].none"), 13);
    assert_int_equal(pv_json_line(pv_str(document), "list[3]"), 11);
    assert_int_equal(pv_json_line(pv_str(document), "empty[0]"), 16);
    assert_int_equal(pv_json_line(pv_str(document), "last.x[1]"), 16);
    assert_int_equal(pv_json_line(pv_str(document), "list[x].y"), 11);
    assert_int_equal(pv_json_line(pv_str(""), "a"), 0);
    assert_int_equal(pv_json_line(pv_str(" \n"), "a"), 0);
    assert_int_equal(pv_json_line(pv_str("\xef\xbb\xbf\n{\"a\":1}"), "a"), 2);
}


/* Documents that end anywhere, in memory that ends there too. */
static void
test_truncated_documents_are_read_to_their_end(void **state)
{
    size_t   len, i;
    char    *copy;

    static const char  *paths[] = { "list[2].k[1].z", "a.b.x\"[y\\", "a.????", "last", "empty[0]" };

    (void) state;

    for (len = 1; len < sizeof(document); len++) {
        copy = malloc(len);
        assert_non_null(copy);
        memcpy(copy, document, len);

        for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
            assert_true(pv_json_line((pv_str_t) { (const unsigned char *) copy, len }, paths[i]) <= 17);
        }

        free(copy);
    }
}


static void
test_problems_get_their_lines(void **state)
{
    pv_problems_t  problems;

    (void) state;

    pv_problems_init(&problems);
    pv_problem(&problems, "f", 0, "version", "before");
    pv_problem(&problems, "f", 0, "list[2].k", "x");
    pv_problem(&problems, "f", 7, "version", "has one");
    pv_problem(&problems, "g", 0, "version", "another file");
    pv_problem(&problems, "f", 0, NULL, "no field");

    pv_problems_lines(&problems, 1, "f", pv_str(document));

    assert_int_equal(problems.list[0].line, 0);
    assert_int_equal(problems.list[1].line, 13);
    assert_int_equal(problems.list[2].line, 7);
    assert_int_equal(problems.list[3].line, 0);
    assert_int_equal(problems.list[4].line, 0);

    pv_problems_free(&problems);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_a_path_is_found),
        cmocka_unit_test(test_what_is_missing_is_missing_in_what_is_around_it),
        cmocka_unit_test(test_truncated_documents_are_read_to_their_end),
        cmocka_unit_test(test_problems_get_their_lines)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
