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
#include "pv_html.h"
#include "pv_page_ui.h"


static pv_ui_t            *ui;
static pv_buf_t            out;
static pv_policy_t        *policies[3];
static pv_page_version_t   versions[4];


/* One to come, one that was withdrawn, one in force that reduces rights, the first. */
static pv_page_list_t
four(void)
{
    size_t           i;
    pv_page_list_t   list;

    for (i = 0; i < 3; i++) {
        policies[i] = page_fixture((unsigned) i + 1);
    }

    list = page_fixture_list(policies, 3);
    versions[0] = list.versions[0];
    versions[1] = list.versions[0];
    versions[2] = list.versions[1];
    versions[3] = list.versions[2];

    versions[1].version = pv_str("2026-11-20");
    versions[1].withdrawn = 1;
    versions[1].withdrawn_at = PAGE_NOW - 86400;
    versions[1].reason = pv_str("A <partner> did not sign.");
    versions[2].reduces_rights = 1;

    list.versions = versions;
    list.n = list.total = 4;

    return list;
}


static void
lists(void **state)
{
    pv_page_t        page;
    pv_page_list_t   list;
    const char      *html;

    (void) state;

    list = four();
    page = page_of(ui, policies[1], 1);
    assert_int_equal(pv_page_versions(&out, &page, &list), PV_OK);
    html = check_text(&out);
    check_balanced(html);

    assert_int_equal(check_count(html, "<li class=\"card"), 4);
    assert_int_equal(check_count(html, "badge on"), 1);
    assert_int_equal(check_count(html, "badge gone"), 1);
    assert_int_equal(check_count(html, ">Not in force yet<"), 1);
    assert_int_equal(check_count(html, ">Reduces rights<"), 1);
    assert_non_null(strstr(html, "A &lt;partner&gt; did not sign."));
    assert_non_null(strstr(html, "href=\"/privacy/diff/2026-09-01/2026-11-01?lang=en\""));
    assert_non_null(strstr(html, "href=\"/privacy/versions/2026-09-01/proof?lang=en\""));
    assert_null(strstr(html, "class=\"pages\""));

    /* The forms work without scripts; what is in force is compared with what was before. */
    assert_int_equal(check_count(html, "method=\"get\" action=\"/privacy/diff\""), 1);
    assert_int_equal(check_count(html, "method=\"get\" action=\"/privacy/\""), 1);
    assert_non_null(strstr(html, "<option value=\"2026-09-01\" selected>"));
    assert_non_null(strstr(html, "<option value=\"2026-11-01\" selected>"));
    assert_int_equal(check_count(html, " selected>"), 2);

    /* A page in the middle leads both ways, and to the same page in the other language. */
    list.page = 3;
    list.pages = 7;
    out.len = 0;
    assert_int_equal(pv_page_versions(&out, &page, &list), PV_OK);
    html = check_text(&out);
    assert_non_null(strstr(html, "href=\"?page=2&amp;lang=en\" rel=\"prev\""));
    assert_non_null(strstr(html, "href=\"?page=4&amp;lang=en\" rel=\"next\""));
    assert_non_null(strstr(html, "href=\"?page=7&amp;lang=en\""));
    assert_non_null(strstr(html, "hreflang=\"zh-CN\" href=\"?page=3&amp;lang=zh-CN\""));
    assert_non_null(strstr(html, "Page 3 of 7"));

    /* One alone has nothing to be compared with. */
    list = page_fixture_list(policies, 1);
    out.len = 0;
    assert_int_equal(pv_page_versions(&out, &page, &list), PV_OK);
    assert_null(strstr(check_text(&out), "<select"));

    list = four();
    out.len = 0;
    assert_int_equal(pv_page_not_found(&out, &page, &list), PV_OK);
    html = check_text(&out);
    check_balanced(html);
    assert_non_null(strstr(html, "There is no such version"));
    assert_int_equal(check_count(html, "href=\"/privacy/versions/2026-"), 5);      /* and one at the foot */
}


static void
json_list(void **state)
{
    json_t          *o, *list;
    pv_page_t        page;
    pv_page_list_t   all;

    (void) state;

    all = four();
    all.page = 2;
    all.pages = 3;
    all.total = 104;
    page = page_of(ui, policies[1], 1);
    assert_int_equal(pv_json_versions(&out, &page, &all), PV_OK);
    check_ascii(check_text(&out));

    o = json_loadb(check_text(&out), out.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(o);
    assert_string_equal(json_string_value(json_object_get(o, "in_force")), "2026-11-01");
    assert_int_equal(json_integer_value(json_object_get(o, "total")), 104);
    assert_string_equal(json_string_value(json_object_get(o, "newer")), "/privacy/versions.json?page=1");
    assert_string_equal(json_string_value(json_object_get(o, "older")), "/privacy/versions.json?page=3");

    list = json_object_get(o, "versions");
    assert_int_equal(json_array_size(list), 4);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 1), "reason")), "A <partner> did not sign.");
    assert_null(json_object_get(json_array_get(list, 0), "withdrawn"));
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 2), "diff")),
                        "/privacy/diff/2026-09-01/2026-11-01");
    assert_null(json_object_get(json_array_get(list, 3), "diff"));
    json_decref(o);
}


static void
atom(void **state)
{
    size_t           i;
    pv_buf_t         other;
    pv_page_t        page;
    pv_page_list_t   list;
    const char      *xml, *at;

    (void) state;

    list = four();
    page = page_of(ui, policies[1], 1);
    page.origin = pv_str("https://www.shop.example");
    list.page = 2;
    list.pages = 3;

    assert_int_equal(pv_atom_versions(&out, &page, &list), PV_OK);
    xml = check_text(&out);

    assert_int_equal(strncmp(xml, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed ", 45), 0);
    assert_non_null(strstr(xml, "xml:lang=\"en\""));
    assert_int_equal(check_count(xml, "<entry>"), 4);
    assert_int_equal(check_count(xml, "</entry>"), 4);
    assert_int_equal(check_count(xml, "<id>urn:uuid:"), 5);
    assert_int_equal(check_count(xml, "<updated>"), 5);
    assert_int_equal(check_count(xml, "<summary"), 4);
    assert_int_equal(check_count(xml, "<author><name>"), 1);
    assert_non_null(strstr(xml, "<link rel=\"self\" type=\"application/atom+xml\" "
                                "href=\"https://www.shop.example/privacy/versions.atom?page=2&amp;lang=en\"/>"));
    assert_int_equal(check_count(xml, "<link rel=\"next\""), 1);
    assert_int_equal(check_count(xml, "<link rel=\"previous\""), 1);
    assert_int_equal(check_count(xml, "<link rel=\"alternate\""), 5);
    assert_non_null(strstr(xml, "<category term=\"recipients\" label=\"Recipients\"/>"));
    assert_non_null(strstr(xml, "A &lt;partner&gt; did not sign."));

    /* The newest of what there is, which is the withdrawal. */
    assert_non_null(strstr(xml, "<updated>2026-11-22T08:00:00Z</updated>\n<author>"));

    /* Version 8, variant 10. */
    for (at = xml, i = 0; (at = strstr(at, "urn:uuid:")) != NULL; i++) {
        at += sizeof("urn:uuid:") - 1;
        assert_true(at[8] == '-' && at[14] == '8' && at[36] == '<' && strchr("89ab", at[19]) != NULL);
    }
    assert_int_equal(i, 5);

    /* Ids do not depend on the language, nor on the address. */
    page = page_of(ui, policies[1], 0);
    pv_buf_init(&other, 1 << 20);
    assert_int_equal(pv_atom_versions(&other, &page, &list), PV_OK);
    at = strstr(xml, "<id>");
    assert_non_null(strstr(check_text(&other), "<link rel=\"self\" type=\"application/atom+xml\" href=\"/privacy/"));
    assert_int_equal(strncmp(at, strstr((const char *) other.data, "<id>"), 54), 0);
    pv_buf_free(&other);
}


static void
archived(void **state)
{
    pv_page_t    page;
    const char  *html;

    (void) state;

    (void) four();
    page = page_of(ui, policies[1], 1);
    page.policy = policies[0];
    page.shown = &versions[3];
    page.later = &versions[2];
    page.at = PAGE_NOW - 40 * 86400;

    assert_int_equal(pv_page_policy(&out, &page), PV_OK);
    html = check_text(&out);
    check_balanced(html);
    assert_non_null(strstr(html, "in force on 2026-10-14"));
    assert_non_null(strstr(html, "earlier version"));
    assert_non_null(strstr(html, "href=\"/privacy/diff/2026-09-01/current?lang=en\""));
    assert_non_null(strstr(html, "rel=\"next\">Later: 2026-11-01"));
    assert_null(strstr(html, "rel=\"prev\""));
    assert_non_null(strstr(html, "href=\"?at=2026-10-14&amp;lang=zh-CN\""));

    /* What was withdrawn is neither old nor to come. */
    out.len = 0;
    page.policy = policies[2];
    page.shown = &versions[1];
    page.at = 0;
    assert_int_equal(pv_page_policy(&out, &page), PV_OK);
    html = check_text(&out);
    assert_non_null(strstr(html, "withdrawn before it came into force"));
    assert_null(strstr(html, "not yet in force"));
    assert_null(strstr(html, "in force on"));
    assert_non_null(strstr(html, "A &lt;partner&gt; did not sign."));
}


static void
missed(void **state)
{
    size_t       i;
    pv_page_t    page;

    static const struct { const char *missed, *said; }  cases[] = {
        { "zh-HK", "<p class=\"note warn\" lang=\"zh-TW\" dir=\"auto\">" },     /* in its own script */
        { "ja", "<p class=\"note warn\" lang=\"ja\" dir=\"auto\">" },
        { "fr", "There is no text in Français; this is the one in English." },
        { "tlh", "There is no text in tlh; this is the one in English." }
    };

    (void) state;

    page = page_of(ui, page_fixture(2), 1);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        page.missed = pv_str(cases[i].missed);
        out.len = 0;
        assert_int_equal(pv_page_policy(&out, &page), PV_OK);
        assert_non_null(strstr(check_text(&out), cases[i].said));
    }

    /* What cannot be a language is not repeated. */
    page.missed = pv_str("<b>");
    out.len = 0;
    assert_int_equal(pv_page_policy(&out, &page), PV_OK);
    assert_null(strstr(check_text(&out), "There is no text"));
}


/* A form of its own, the same for everybody; the page around it says who is bound by what. */
static void
agree(void **state)
{
    pv_buf_t      form, choices;
    pv_page_t     page;
    pv_verdict_t  verdict;
    const char   *html;

    (void) state;

    (void) four();
    pv_buf_init(&form, 1 << 20);
    pv_buf_init(&choices, 1 << 20);

    page = page_of(ui, policies[1], 1);
    assert_int_equal(pv_page_agree_form(&form, &page), PV_OK);
    check_balanced(check_text(&form));
    assert_int_equal(pv_page_choices_form(&choices, &page), PV_OK);

    pv_policy_judge(&verdict, page.policy, NULL, PAGE_NOW);
    page.verdict = &verdict;
    page.bound = &versions[3];
    page.must_agree = 1;
    page.agree_token = pv_str("AGREE");
    page.token = pv_str("CHOOSE");

    assert_int_equal(pv_page_agree_form(&out, &page), PV_OK);
    assert_string_equal(check_text(&out), check_text(&form));
    out.len = 0;
    assert_int_equal(pv_page_choices_form(&out, &page), PV_OK);
    assert_string_equal(check_text(&out), check_text(&choices));

    out.len = 0;
    assert_int_equal(pv_page_choices(&out, &page), PV_OK);
    html = check_text(&out);
    check_balanced(html);
    assert_int_equal(check_count(html, "<form "), 2);
    assert_int_equal(check_count(html, "name=\"choice\" value=\"agree\""), 1);
    assert_int_equal(check_count(html, "name=\"token\" value=\"AGREE\""), 1);
    assert_int_equal(check_count(html, "name=\"token\" value=\"CHOOSE\""), 1);
    assert_non_null(strstr(html, "href=\"/privacy/versions/2026-09-01?lang=en\""));
    assert_non_null(strstr(html, "href=\"/privacy/diff/mine/current?lang=en\""));

    out.len = 0;
    page.must_agree = 0;
    assert_int_equal(pv_page_choices(&out, &page), PV_OK);
    assert_null(strstr(check_text(&out), "value=\"agree\""));

    pv_buf_free(&form);
    pv_buf_free(&choices);
}


static void
marked(void **state)
{
    pv_page_t    page;
    const char  *html;

    (void) state;

    (void) four();
    page = page_of(ui, policies[1], 1);

    assert_int_equal(pv_page_marked(&out, &page, PV_MARKED_COOKIES), PV_OK);
    html = check_text(&out);
    check_balanced(html);
    check_ascii(html);
    assert_int_equal(check_count(html, "<table>"), 1);
    assert_int_equal(check_count(html, "<th scope=\"row\">"), 6);       /* a row a cookie */
    assert_int_equal(check_count(html, "<th scope=\"col\">"), 4);
    assert_non_null(strstr(html, "dir=\"auto\">Statistics</td>"));
    assert_null(strstr(html, "style="));

    out.len = 0;
    assert_int_equal(pv_page_marked(&out, &page, PV_MARKED_CHANGES), PV_OK);
    html = check_text(&out);
    check_balanced(html);
    check_ascii(html);
    assert_non_null(strstr(html, "<b class=\"privacy-kind\">Recipients</b>: "));
    assert_non_null(strstr(html, "href=\"/privacy/versions\""));
    assert_null(strstr(html, "/diff/"));

    out.len = 0;
    page.shown = &versions[2];
    assert_int_equal(pv_page_marked(&out, &page, PV_MARKED_CHANGES), PV_OK);
    assert_non_null(strstr(check_text(&out), "href=\"/privacy/diff/2026-09-01/2026-11-01\""));

    out.len = 0;
    page = page_of(ui, policies[0], 1);
    assert_int_equal(pv_page_marked(&out, &page, PV_MARKED_CHANGES), PV_OK);
    assert_non_null(strstr(check_text(&out), "The first version."));
}


static void
hostile(void **state)
{
    pv_page_t          page;
    pv_policy_t       *policy;
    pv_page_list_t     list;
    pv_page_version_t  version;

    (void) state;

    policy = page_fixture_hostile();
    page = page_of(ui, policy, 0);
    list = page_fixture_list(&policy, 1);
    version = list.versions[0];
    version.withdrawn = 1;
    version.reason = version.urgent = pv_str("\"'><script>alert(1)</script>");
    list.versions = &version;
    page.shown = page.earlier = page.later = page.bound = &version;
    page.must_agree = 1;
    page.missed = version.reason;
    page.agree_token = version.reason;

    assert_int_equal(pv_page_versions(&out, &page, &list), PV_OK);
    check_harmless(check_text(&out));
    out.len = 0;
    assert_int_equal(pv_page_policy(&out, &page), PV_OK);
    check_harmless(check_text(&out));
    out.len = 0;
    assert_int_equal(pv_page_choices(&out, &page), PV_OK);
    check_harmless(check_text(&out));
    out.len = 0;
    assert_int_equal(pv_atom_versions(&out, &page, &list), PV_OK);
    assert_null(strstr(check_text(&out), "<script"));
    assert_null(strstr(check_text(&out), "\"'>"));
}


static int
setup(void **state)
{
    int            rc;
    pv_problems_t  problems;

    (void) state;

    pv_problems_init(&problems);
    rc = pv_ui_create(&ui, NULL, NULL, &problems);
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


static int
begin(void **state)
{
    (void) state;

    pv_buf_init(&out, 1 << 20);

    return 0;
}


static int
finish(void **state)
{
    (void) state;

    pv_buf_free(&out);

    return 0;
}


/* A version that was published after its date does not say that it held before anybody could read it. */

static void
since_when(void **state)
{
    char               room[PV_RFC3339_SIZE];
    pv_page_version_t  version;

    (void) state;

    memset(&version, 0, sizeof(version));
    version.effective_text = pv_str("2026-12-01T00:00:00+08:00");
    version.effective = 1796054400;
    version.published = version.effective;
    assert_true(pv_str_eq(pv_page_version_since(&version, room), version.effective_text));

    version.published = version.effective + 3600;
    assert_true(pv_str_eqs(pv_page_version_since(&version, room), "2026-11-30T17:00:00Z"));
}


#define page_test(f)  cmocka_unit_test_setup_teardown(f, begin, finish)


int
main(void)
{
    const struct CMUnitTest tests[] = {
        page_test(lists),
        page_test(json_list),
        page_test(atom),
        page_test(archived),
        page_test(missed),
        page_test(agree),
        page_test(marked),
        page_test(hostile),
        page_test(since_when)
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
