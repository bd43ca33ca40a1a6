/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pv_template.h"


static pv_template_t  *partial;


static const pv_template_t *
find(const void *data, pv_str_t name)
{
    (void) data;

    return pv_str_eqs(name, "part") ? partial : NULL;
}


/* Renders source over the JSON and compares. expected NULL: rendering has to fail. */
static void
check_flags(const char *source, const char *json, const char *expected, unsigned flags)
{
    int             rc;
    json_t         *context;
    pv_buf_t        out;
    pv_problems_t   problems;
    pv_template_t  *t;

    context = json_loads(json, JSON_DECODE_ANY, NULL);
    assert_non_null(context);

    pv_problems_init(&problems);
    assert_int_equal(pv_template_parse(&t, pv_str(source), "t.html", flags, &problems), PV_OK);
    assert_int_equal(problems.errors, 0);

    pv_buf_init(&out, 4096);
    rc = pv_template_render(&out, t, context, find, NULL, NULL);

    if (expected == NULL) {
        assert_int_equal(rc, PV_ERROR);

    } else {
        assert_int_equal(rc, PV_OK);
        assert_string_equal(out.len ? (char *) out.data : "", expected);
    }

    pv_buf_free(&out);
    pv_template_free(t);
    pv_problems_free(&problems);
    json_decref(context);
}


static void
check(const char *source, const char *json, const char *expected)
{
    check_flags(source, json, expected, 0);
}


static void
values(void **state)
{
    (void) state;

    check("", "{}", "");
    check("text", "{}", "text");
    check("a{{x}}b", "{\"x\":\"1\"}", "a1b");
    check("{{ x }}{{y}}", "{\"x\":7}", "7");
    check("{{x}}", "{\"x\":\"<a href='x'>&\\\"\"}", "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
    check("{{{x}}}{{&x}}", "{\"x\":\"<b>\"}", "<b><b>");
    check("{{x.y.z}}", "{\"x\":{\"y\":{\"z\":\"deep\"}}}", "deep");
    check("{{x.y.z}}{{x.q}}", "{\"x\":{\"y\":1}}", "");
    check("{{x}}", "{\"x\":\"{{y}}\",\"y\":\"no\"}", "{{y}}");
    check("{ {x} {{x}} }", "{\"x\":\"1\"}", "{ {x} 1 }");
    check("{{x}}", "{\"x\":[1]}", "");
}


static void
sections(void **state)
{
    (void) state;

    check("{{#x}}a{{/x}}{{^x}}b{{/x}}", "{\"x\":true}", "a");
    check("{{#x}}a{{/x}}{{^x}}b{{/x}}", "{\"x\":false}", "b");
    check("{{#x}}a{{/x}}{{^x}}b{{/x}}", "{}", "b");
    check("{{#x}}a{{/x}}{{^x}}b{{/x}}", "{\"x\":[]}", "b");
    check("{{#x}}a{{/x}}{{^x}}b{{/x}}", "{\"x\":\"\"}", "b");
    check("{{#x}}a{{/x}}{{^x}}b{{/x}}", "{\"x\":0}", "b");
    check("{{#x}}{{.}},{{/x}}", "{\"x\":[\"a\",\"<\",3]}", "a,&lt;,3,");
    check("{{#x}}{{a}}{{b}} {{/x}}", "{\"b\":\"B\",\"x\":[{\"a\":1},{\"a\":2,\"b\":\"C\"}]}", "1B 2C ");
    check("{{#x}}{{#y}}{{a}}{{/y}}{{/x}}{{a}}", "{\"a\":0,\"x\":{\"y\":[{\"a\":1},{\"a\":2}]}}", "120");
    check("{{#x}}{{#x}}{{v}}{{/x}}{{/x}}", "{\"x\":{\"v\":\"1\"}}", "1");
}


static void
lines(void **state)
{
    (void) state;

    check("a\n{{#x}}\nb\n{{/x}}\nc\n", "{\"x\":true}", "a\nb\nc\n");
    check("a\n  {{#x}}  \r\nb\n  {{/x}}", "{\"x\":true}", "a\nb\n");
    check("a\n{{! a\n comment }}\nb", "{}", "a\nb");
    check("{{v}} {{#x}}\nb{{/x}}\n", "{\"x\":true,\"v\":1}", "1 \nb\n");
    check("{{v}}\n{{v}}\n", "{\"v\":1}", "1\n1\n");

    check_flags("<p>\n  <b>{{v}}</b>\n\t</p>\r\n", "{\"v\":\"1\\n  2\"}", "<p><b>1\n  2</b></p>\r",
                PV_TEMPLATE_DENSE);
}


static void
partials(void **state)
{
    pv_problems_t  problems;

    (void) state;

    pv_problems_init(&problems);
    assert_int_equal(pv_template_parse(&partial, pv_str("[{{a}}]"), "part.html", 0, &problems), PV_OK);

    check("{{#x}}{{> part}}{{/x}}", "{\"x\":[{\"a\":1},{\"a\":2}]}", "[1][2]");
    check("{{> other}}", "{}", NULL);
    pv_template_free(partial);

    /* One that includes itself ends. */
    assert_int_equal(pv_template_parse(&partial, pv_str("x{{> part}}"), "part.html", 0, &problems), PV_OK);
    check("{{> part}}", "{}", NULL);
    pv_template_free(partial);

    partial = NULL;
    pv_problems_free(&problems);
}


static void
cuts(void **state)
{
    json_t              *context;
    pv_buf_t             out;
    pv_problems_t        problems;
    pv_template_t       *t;
    pv_template_cuts_t   found;

    (void) state;

    context = json_pack("{s:s}", "a", "{{slot.one}}");
    pv_problems_init(&problems);
    assert_int_equal(pv_template_parse(&t, pv_str("<{{a}}|{{slot.one}}|{{slot.two}}>"), "t", 0, &problems),
                     PV_OK);

    pv_buf_init(&out, 4096);
    assert_int_equal(pv_template_render(&out, t, context, NULL, NULL, &found), PV_OK);
    assert_string_equal((char *) out.data, "<{{slot.one}}||>");
    assert_int_equal(found.count, 2);
    assert_int_equal(found.cut[0].offset, 14);
    assert_int_equal(found.cut[1].offset, 15);
    assert_true(pv_str_eqs(found.cut[0].name, "one"));
    assert_true(pv_str_eqs(found.cut[1].name, "two"));

    pv_buf_free(&out);
    pv_template_free(t);
    pv_problems_free(&problems);
    json_decref(context);
}


static void
refused(const char *source, unsigned line)
{
    pv_problems_t   problems;
    pv_template_t  *t;

    pv_problems_init(&problems);
    assert_int_equal(pv_template_parse(&t, pv_str(source), "t.html", 0, &problems), PV_INVALID);
    assert_null(t);
    assert_true(problems.errors > 0);
    assert_string_equal(problems.list[0].file, "t.html");
    assert_int_equal(problems.list[0].line, line);
    pv_problems_free(&problems);
}


static void
broken(void **state)
{
    size_t  i;
    char    deep[(PV_TEMPLATE_DEPTH_MAX + 1) * 6 + 1];

    (void) state;

    refused("\n{{x", 2);
    refused("{{{x}}", 1);
    refused("a\n\n{{#x}}", 3);
    refused("{{/x}}", 1);
    refused("{{#x}}\n{{/y}}", 2);
    refused("{{}}", 1);
    refused("{{a b}}", 1);
    refused("{{#}}", 1);

    for (i = 0; i <= PV_TEMPLATE_DEPTH_MAX; i++) {
        memcpy(deep + i * 6, "{{#x}}", 7);
    }
    refused(deep, 1);
}


/* Every truncation either parses or is refused; nothing is read past the end. */
static void
truncated(void **state)
{
    size_t          len;
    char           *copy;
    json_t         *context;
    pv_buf_t        out;
    pv_str_t        s;
    pv_problems_t   problems;
    pv_template_t  *t;

    static const char  source[] = "a {{x}} {{{y}}}\n{{#l}}\n{{.}}{{^n}}-{{/n}}\n{{/l}}\n"
                                   "{{! c }}\n{{> part}}{{slot.a}}";

    (void) state;

    context = json_pack("{s:s,s:s,s:[i,i]}", "x", "1", "y", "<", "l", 1, 2);

    for (len = 0; len < sizeof(source); len++) {
        copy = malloc(len + 1);
        memcpy(copy, source, len);
        s.data = (unsigned char *) copy;
        s.len = len;

        pv_problems_init(&problems);
        if (pv_template_parse(&t, s, "t", 0, &problems) == PV_OK) {
            pv_buf_init(&out, 4096);
            pv_template_render(&out, t, context, find, NULL, NULL);
            pv_buf_free(&out);
            pv_template_free(t);
        } else {
            assert_true(problems.errors > 0);
        }

        pv_problems_free(&problems);
        free(copy);
    }

    json_decref(context);
}


static void
bounded(void **state)
{
    json_t         *context;
    pv_buf_t        out;
    pv_problems_t   problems;
    pv_template_t  *t;

    (void) state;

    context = json_pack("{s:[i,i,i,i]}", "l", 1, 2, 3, 4);
    pv_problems_init(&problems);
    assert_int_equal(pv_template_parse(&t, pv_str("{{#l}}0123456789{{/l}}"), "t", 0, &problems), PV_OK);

    pv_buf_init(&out, 39);
    assert_int_equal(pv_template_render(&out, t, context, NULL, NULL, NULL), PV_ERROR);
    pv_buf_free(&out);

    pv_buf_init(&out, 41);
    assert_int_equal(pv_template_render(&out, t, context, NULL, NULL, NULL), PV_OK);
    pv_buf_free(&out);

    pv_template_free(t);
    pv_problems_free(&problems);
    json_decref(context);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(sections),
        cmocka_unit_test(lines),
        cmocka_unit_test(partials),
        cmocka_unit_test(cuts),
        cmocka_unit_test(broken),
        cmocka_unit_test(truncated),
        cmocka_unit_test(bounded)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
