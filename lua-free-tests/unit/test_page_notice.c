/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "page_check.h"
#include "pv_page_notice.h"


#define HOSTILE  "\"'><script>alert(1)</script>\r\ndata: {{{t.policy}}}"


static pv_ui_t  *ui;

static const unsigned char  digest[PV_SHA256_LEN] = { 7 };


/* The change that the fixture's second version is, and that version. */
static pv_page_notice_t
change(const pv_policy_t *policy, size_t language)
{
    pv_page_notice_t          notice;

    static pv_page_version_t  version;

    pv_page_version_policy(&version, policy);
    version.before = pv_str("2026-09-01");

    memset(&notice, 0, sizeof(pv_page_notice_t));
    notice.id = pv_str("v2");
    notice.kind = "change";
    notice.language = policy->texts[language].language;
    notice.title = policy->texts[language].title;
    notice.summary = policy->changes[0].summary[language].text;
    notice.digest = policy->digest;
    notice.published = policy->published;
    notice.version = &version;
    notice.listed = 1;

    return notice;
}


static pv_page_notice_t
incident(const char *text)
{
    size_t            i;
    pv_page_notice_t  notice;

    memset(&notice, 0, sizeof(pv_page_notice_t));
    notice.id = pv_str("n3");
    notice.kind = "incident";
    notice.language = pv_str("en");
    notice.title = pv_str(text);
    notice.digest = digest;
    notice.published = PAGE_NOW;
    notice.corrects = 2;

    for (i = 0; i < PV_NOTICE_PARTS; i++) {
        notice.parts[i] = pv_str(text);
    }

    return notice;
}


/* The bar with something in its slots; freed by the caller. */
static char *
bar_of(const pv_page_t *page, const pv_page_notice_t *notice, size_t waiting, uint64_t *form)
{
    char         *whole;
    size_t        size;
    pv_banner_t   bar;

    assert_int_equal(pv_page_notice_bar(&bar, page, notice, waiting), PV_OK);

    size = bar.bytes.len + 16;
    whole = malloc(size);
    assert_non_null(whole);
    snprintf(whole, size, "%.*sTOKEN%.*sRETURN%.*s", (int) bar.parts[0].len, bar.parts[0].data,
             (int) bar.parts[1].len, bar.parts[1].data, (int) bar.parts[2].len, bar.parts[2].data);

    if (form != NULL) {
        *form = bar.form;
    }

    check_ascii(whole);
    check_balanced(whole);
    assert_null(strstr(whole, "style="));
    assert_null(strstr(whole, "<script"));

    pv_banner_free(&bar);

    return whole;
}


/* Agreeing and refusing: both there, alike, and each says what it does. */
static void
bar_change(void **state)
{
    char              *whole;
    pv_page_t          page;
    pv_page_notice_t   notice;

    (void) state;

    page = page_of(ui, page_fixture(2), 1);
    page.token = pv_str("must-not-be-in-it");
    page.return_to = pv_str("/nor-this");
    notice = change(page.policy, 1);
    whole = bar_of(&page, &notice, 0, NULL);

    assert_null(strchr(whole, '\n'));
    assert_non_null(strstr(whole, "action=\"/privacy/notices/v2/ack\""));
    assert_int_equal(check_count(whole, "name=\"token\" value=\"TOKEN\""), 1);
    assert_int_equal(check_count(whole, "name=\"return\" value=\"RETURN\""), 1);
    assert_null(strstr(whole, "must-not"));
    assert_null(strstr(whole, "nor-this"));

    assert_non_null(strstr(whole, "<button name=\"answer\" value=\"agree\">Agree</button>"
                                  "<button name=\"answer\" value=\"decline\">Decline</button>"
                                  "<button name=\"answer\" value=\"later\">Later</button>"));
    assert_null(strstr(whole, "acknowledge"));
    assert_non_null(strstr(whole, "allows: Personalised advertising."));
    assert_non_null(strstr(whole, "switches off: Personalised advertising."));
    assert_non_null(strstr(whole, "href=\"/privacy/diff/mine/2026-11-01\""));
    assert_non_null(strstr(whole, "Effective date: 2026-11-15."));
    assert_non_null(strstr(whole, "A second advertising partner"));
    assert_null(strstr(whole, "more notice"));
    free(whole);

    whole = bar_of(&page, &notice, 1, NULL);
    assert_non_null(strstr(whole, ">1 more notice waits for you</a>"));
    free(whole);

    page.language = 0;
    notice = change(page.policy, 0);
    whole = bar_of(&page, &notice, 3, NULL);
    assert_non_null(strstr(whole, "lang=\"zh-CN\" dir=\"ltr\""));
    free(whole);
}


/* Purposes that need a consent of their own are not agreed to here; they are refused with the others. */
static void
bar_terms(void **state)
{
    char              *whole;
    pv_page_t          page;
    pv_policy_t       *policy;
    pv_page_notice_t   notice;

    (void) state;

    /* Changed by this version: all but the third; the fourth on its own, the first necessary. */
    policy = page_fixture(2);
    policy->purposes[0].asked_since = policy->purposes[1].asked_since = policy->purposes[3].asked_since = 2;
    policy->purposes[2].asked_since = 1;
    page = page_of(ui, policy, 1);

    notice = change(policy, 1);
    whole = bar_of(&page, &notice, 0, NULL);
    assert_non_null(strstr(whole, "allows: Statistics.<"));
    assert_non_null(strstr(whole, "does not include what needs your separate consent: Transfer abroad.<"));
    assert_non_null(strstr(whole, "switches off: Statistics, Transfer abroad."));
    assert_null(strstr(whole, "reduces"));
    free(whole);

    /* Without any purpose the answer switches nothing, and that is said; nor is what was changed and not named agreed to. */
    policy->purposes[1].unnamed = policy->purposes[3].unnamed = 1;
    notice = change(policy, 1);
    whole = bar_of(&page, &notice, 0, NULL);
    assert_null(strstr(whole, "allows:"));
    assert_non_null(strstr(whole, "switches nothing on or off"));
    free(whole);

    policy->reduces_rights = 1;
    notice = change(policy, 1);
    whole = bar_of(&page, &notice, 0, NULL);
    assert_non_null(strstr(whole, "It binds you only if you agree"));
    assert_null(strstr(whole, "switches nothing on or off"));
    free(whole);
}


static void
bar_incident(void **state)
{
    char              *whole, *text;
    pv_page_t          page;
    pv_page_notice_t   notice;

    (void) state;

    page = page_of(ui, page_fixture(2), 1);
    notice = incident("First.\nSecond.");
    notice.title = pv_str("Title");
    whole = bar_of(&page, &notice, 0, NULL);

    assert_null(strchr(whole, '\n'));
    assert_int_equal(check_count(whole, "<details"), PV_NOTICE_PARTS);
    assert_int_equal(check_count(whole, "<details open>"), 1);
    assert_int_equal(check_count(whole, "<p lang=\"en\" dir=\"auto\">First.</p><p lang=\"en\" dir=\"auto\">Second.</p>"),
                     PV_NOTICE_PARTS);
    assert_int_equal(check_count(whole, "value=\"acknowledge\""), 1);
    assert_int_equal(check_count(whole, "value=\"later\""), 1);
    assert_null(strstr(whole, "value=\"agree\""));
    assert_non_null(strstr(whole, "href=\"/privacy/notices/n2\""));
    free(whole);

    /* What is too long for other people's pages is read on its own, and answered there. */
    text = malloc(2001);
    memset(text, 'x', 2000);
    text[2000] = '\0';
    notice = incident(text);
    notice.title = pv_str("A long one");
    whole = bar_of(&page, &notice, 0, NULL);
    assert_null(strstr(whole, "xxx"));
    assert_null(strstr(whole, "value=\"acknowledge\""));
    assert_int_equal(check_count(whole, "value=\"later\""), 1);
    assert_non_null(strstr(whole, "href=\"/privacy/notices/n3\""));
    free(whole);
    free(text);
}


/* The number says what was shown, whoever saw it and where from. */
static void
form_numbers(void **state)
{
    size_t             i, j;
    uint64_t           n[5];
    pv_buf_t           a, b;
    pv_page_t          page;
    pv_page_notice_t   notice;

    (void) state;

    page = page_of(ui, page_fixture(2), 1);
    notice = change(page.policy, 1);
    free(bar_of(&page, &notice, 0, &n[0]));
    notice.id = pv_str("v3");
    free(bar_of(&page, &notice, 0, &n[1]));
    notice.id = pv_str("v2");
    notice.summary = pv_str("Something else.");
    free(bar_of(&page, &notice, 0, &n[2]));
    page.language = 0;
    free(bar_of(&page, &notice, 0, &n[3]));
    notice = incident("text");
    free(bar_of(&page, &notice, 0, &n[4]));

    for (i = 0; i < 5; i++) {
        for (j = 0; j < i; j++) {
            assert_true(n[i] != n[j]);
        }
    }

    page = page_of(ui, page_fixture(2), 1);
    notice = change(page.policy, 1);
    pv_buf_init(&a, 1 << 20);
    pv_buf_init(&b, 1 << 20);
    assert_int_equal(pv_page_notice_form(&a, &page, &notice), PV_OK);

    page.token = pv_str("TOKEN");
    page.return_to = pv_str("/back");
    page.session_tag = pv_str("0123456789abcdef");
    notice.mine = notice.due = 1;
    notice.answer = "later";
    notice.answered = PAGE_NOW;
    assert_int_equal(pv_page_notice_form(&b, &page, &notice), PV_OK);
    assert_string_equal(check_text(&a), check_text(&b));
    check_balanced(check_text(&a));

    pv_buf_free(&a);
    pv_buf_free(&b);
}


static void
page_of_one(void **state)
{
    pv_buf_t           b;
    pv_page_t          page;
    pv_page_notice_t   notice;

    (void) state;

    pv_buf_init(&b, 1 << 20);
    page = page_of(ui, page_fixture(2), 1);
    page.token = pv_str("TOKEN");
    page.return_to = pv_str("/back?a=\"><b>");

    /* Nobody in particular: nothing to answer, and the redline is with the version before. */
    notice = change(page.policy, 1);
    assert_int_equal(pv_page_notice(&b, &page, &notice), PV_OK);
    check_balanced(check_text(&b));
    assert_null(strstr(check_text(&b), "<form"));
    assert_null(strstr(check_text(&b), "TOKEN"));
    assert_non_null(strstr(check_text(&b), "/privacy/diff/2026-09-01/2026-11-01"));
    assert_null(strstr(check_text(&b), "notices.js\" data-user"));
    assert_int_equal(check_count(check_text(&b), "<h1"), 1);

    /* Due: with its form. */
    b.len = 0;
    notice.mine = notice.due = 1;
    page.session_tag = pv_str("0123456789abcdef");
    assert_int_equal(pv_page_notice(&b, &page, &notice), PV_OK);
    check_balanced(check_text(&b));
    assert_int_equal(check_count(check_text(&b), "action=\"/privacy/notices/v2/ack\""), 1);
    assert_int_equal(check_count(check_text(&b), "value=\"TOKEN\""), 1);
    assert_non_null(strstr(check_text(&b), "/privacy/diff/mine/2026-11-01"));
    assert_non_null(strstr(check_text(&b), "data-user=\"0123456789abcdef\" defer"));
    assert_null(strstr(check_text(&b), "<b>"));

    /* Answered: what, and when. */
    b.len = 0;
    notice.due = 0;
    notice.answer = "declined";
    notice.answered = PAGE_NOW;
    assert_int_equal(pv_page_notice(&b, &page, &notice), PV_OK);
    check_balanced(check_text(&b));
    assert_null(strstr(check_text(&b), "<form"));
    assert_non_null(strstr(check_text(&b), "You declined on 2026-11-23."));

    /* Taken back, and corrected. */
    b.len = 0;
    notice = incident("Text");
    notice.retracted = PAGE_NOW;
    notice.reason = pv_str("It was not us.");
    notice.corrected = 5;
    assert_int_equal(pv_page_notice(&b, &page, &notice), PV_OK);
    check_balanced(check_text(&b));
    assert_non_null(strstr(check_text(&b), "This notice was withdrawn on 2026-11-23."));
    assert_non_null(strstr(check_text(&b), "It was not us."));
    assert_non_null(strstr(check_text(&b), "href=\"/privacy/notices/n5"));
    assert_non_null(strstr(check_text(&b), "href=\"/privacy/notices/n2"));
    assert_int_equal(check_count(check_text(&b), "class=\"card part\""), PV_NOTICE_PARTS);

    pv_buf_free(&b);
}


static void
lists(void **state)
{
    pv_buf_t            b;
    pv_page_t           page;
    const char         *html;
    pv_page_notice_t    notices[3];
    pv_page_notices_t   list;

    (void) state;

    pv_buf_init(&b, 1 << 20);
    page = page_of(ui, page_fixture(2), 1);
    page.origin = pv_str("https://shop.example");
    list.notices = notices;
    list.n = 0;

    assert_int_equal(pv_page_notices(&b, &page, &list), PV_OK);
    check_balanced(check_text(&b));
    assert_non_null(strstr(check_text(&b), "There are no notices."));

    notices[0] = incident("Only for me");
    notices[0].mine = notices[0].due = 1;
    notices[1] = change(page.policy, 1);
    notices[2] = incident("For everybody");
    notices[2].id = pv_str("n1");
    notices[2].listed = 1;
    notices[2].retracted = PAGE_NOW + 60;
    list.n = 3;

    b.len = 0;
    assert_int_equal(pv_page_notices(&b, &page, &list), PV_OK);
    html = check_text(&b);
    check_balanced(html);
    assert_int_equal(check_count(html, "<li class=\"card"), 3);
    assert_int_equal(check_count(html, "Waits for your answer"), 1);
    assert_true(strstr(html, "id=\"own\"") < strstr(html, "Only for me"));
    assert_true(strstr(html, "Only for me") < strstr(html, "id=\"others\""));
    assert_true(strstr(html, "id=\"others\"") < strstr(html, "For everybody"));

    /* The feed is for everybody. */
    b.len = 0;
    assert_int_equal(pv_atom_notices(&b, &page, &list), PV_OK);
    html = check_text(&b);
    assert_true(strcmp(html + strlen(html) - strlen("</feed>\n"), "</feed>\n") == 0);
    assert_int_equal(check_count(html, "<entry>"), 2);
    assert_null(strstr(html, "Only for me"));
    assert_non_null(strstr(html, "<title>Withdrawn: For everybody</title>"));
    assert_non_null(strstr(html, "href=\"https://shop.example/privacy/notices/v2?lang=en\""));
    assert_int_equal(check_count(html, "<id>urn:uuid:"), 3);
    assert_int_equal(check_count(html, "<updated>2026-11-23T08:01:00Z</updated>"), 2);

    pv_buf_free(&b);
}


static void
json(void **state)
{
    json_t             *o, *purpose;
    pv_buf_t            b;
    pv_page_t           page;
    pv_page_notice_t    notice;
    pv_page_notices_t   list;

    (void) state;

    pv_buf_init(&b, 1 << 20);
    page = page_of(ui, page_fixture(2), 1);
    page.token = pv_str("TOKEN");
    notice = change(page.policy, 1);

    /* Nobody: no token, no answer. */
    assert_int_equal(pv_json_notice(&b, &page, &notice), PV_OK);
    check_ascii(check_text(&b));
    o = json_loads(check_text(&b), 0, NULL);
    assert_non_null(o);
    assert_true(json_is_null(json_object_get(o, "user")));
    assert_null(json_object_get(o, "token"));
    assert_null(json_object_get(o, "due"));
    assert_null(json_object_get(o, "parts"));
    assert_string_equal(json_string_value(json_object_get(o, "id")), "v2");
    assert_string_equal(json_string_value(json_object_get(o, "url")), "/privacy/notices/v2");
    assert_string_equal(json_string_value(json_object_get(o, "diff")), "/privacy/diff/2026-09-01/2026-11-01");
    assert_int_equal(json_array_size(json_object_get(o, "purposes")), 1);
    purpose = json_array_get(json_object_get(o, "purposes"), 0);
    assert_string_equal(json_string_value(json_object_get(purpose, "id")), "marketing");
    assert_string_equal(json_string_value(json_object_get(purpose, "title")), "Personalised advertising");
    assert_true(json_is_false(json_object_get(purpose, "separate")));
    json_decref(o);

    b.len = 0;
    page.session_tag = pv_str("0123456789abcdef");
    notice.mine = notice.due = 1;
    assert_int_equal(pv_json_notice(&b, &page, &notice), PV_OK);
    o = json_loads(check_text(&b), 0, NULL);
    assert_string_equal(json_string_value(json_object_get(o, "user")), "0123456789abcdef");
    assert_string_equal(json_string_value(json_object_get(o, "token")), "TOKEN");
    assert_true(json_is_true(json_object_get(o, "due")));
    assert_string_equal(json_string_value(json_object_get(o, "diff")), "/privacy/diff/mine/2026-11-01");
    json_decref(o);

    b.len = 0;
    list.notices = &notice;
    list.n = 1;
    assert_int_equal(pv_json_notices(&b, &page, &list), PV_OK);
    o = json_loads(check_text(&b), 0, NULL);
    assert_int_equal(json_array_size(json_object_get(o, "notices")), 1);
    assert_null(json_object_get(json_array_get(json_object_get(o, "notices"), 0), "token"));
    json_decref(o);

    pv_buf_free(&b);
}


/* What is said on the wire can be put into one line of an event, and the panel misses no words. */
static void
hello(void **state)
{
    char         quoted[64];
    size_t       i, len;
    json_t      *o, *labels;
    pv_buf_t     b;
    const char  *script, *p, *end;

    static const char *const  languages[] = { "en", "zh-CN", "zh-TW", "ja", "ar" };

    (void) state;

    script = (const char *) pv_ui_asset(ui, pv_str("notices.js"))->bytes.data;

    for (i = 0; i < sizeof(languages) / sizeof(languages[0]); i++) {
        pv_buf_init(&b, 1 << 20);
        pv_buf_puts(&b, "{\"user\":\"x\",");
        assert_int_equal(pv_page_hello(&b, ui, pv_str(languages[i])), PV_OK);
        pv_buf_puts(&b, "}");
        check_ascii(check_text(&b));
        assert_null(strchr(check_text(&b), '\n'));

        o = json_loads(check_text(&b), 0, NULL);
        assert_non_null(o);
        labels = json_object_get(o, "labels");
        assert_string_equal(json_string_value(json_object_get(o, "direction")), "ltr");

        for (p = script; (p = strstr(p, "label(\"")) != NULL; p = end) {
            p += strlen("label(\"");
            end = strchr(p, '"');
            len = (size_t) (end - p);
            snprintf(quoted, sizeof(quoted), "notice_%.*s", (int) len, p);

            if (end[1] == ')' && json_object_get(labels, quoted) == NULL
                && json_object_get(labels, quoted + strlen("notice_")) == NULL)
            {
                fail_msg("%s: no label %s", languages[i], quoted);
            }
        }

        json_decref(o);
        pv_buf_free(&b);
    }
}


static void
heads(void **state)
{
    size_t            cut;
    pv_buf_t          b;
    pv_page_t         page;
    pv_page_notice_t  notice;

    (void) state;

    pv_buf_init(&b, 1 << 20);
    page = page_of(ui, page_fixture(2), 0);

    assert_int_equal(pv_page_head_user(&b, &cut, &page), PV_OK);
    check_balanced(check_text(&b));
    check_ascii(check_text(&b));
    assert_memory_equal(b.data + cut - strlen("data-user=\""), "data-user=\"\"", strlen("data-user=\"\""));
    assert_int_equal(check_count(check_text(&b), "<link"), 2);
    assert_int_equal(check_count(check_text(&b), "<script"), 2);

    /* Pages for everybody: the state says who is logged in, if somebody is. */
    b.len = 0;
    assert_int_equal(pv_state_js(&b, &page), PV_OK);
    assert_null(strstr(check_text(&b), "__privacyUser"));
    b.len = 0;
    page.session_tag = pv_str("0123456789abcdef");
    assert_int_equal(pv_state_js(&b, &page), PV_OK);
    assert_non_null(strstr(check_text(&b), "window.__privacyUser={\"tag\":\"0123456789abcdef\","
                                           "\"script\":\"/privacy/assets/"));

    /* The bar for everybody has nothing of anybody in it. */
    b.len = 0;
    page.token = pv_str("TOKEN");
    page.return_to = pv_str("/secret");
    notice = incident("For everybody");
    notice.mine = notice.due = 1;
    assert_int_equal(pv_page_notice_public(&b, &page, &notice), PV_OK);
    check_balanced(check_text(&b));
    check_ascii(check_text(&b));
    assert_null(strstr(check_text(&b), "TOKEN"));
    assert_null(strstr(check_text(&b), "secret"));
    assert_null(strstr(check_text(&b), "0123456789abcdef"));
    assert_null(strstr(check_text(&b), "<form"));
    assert_int_equal(check_count(check_text(&b), "href=\"/privacy/notices/n3\""), 1);

    pv_buf_free(&b);
}


static void
hostile(void **state)
{
    size_t              i;
    char               *whole;
    pv_buf_t            b;
    pv_page_t           page;
    pv_page_notice_t    notice[2];
    pv_page_notices_t   list;

    (void) state;

    pv_buf_init(&b, 1 << 20);
    page = page_of(ui, page_fixture_hostile(), 1);
    page.token = page.return_to = pv_str("\"><script>alert(1)</script>");

    notice[0] = change(page.policy, 1);
    notice[1] = incident(HOSTILE);
    notice[0].title = notice[0].summary = notice[1].language = notice[1].reason = pv_str(HOSTILE);
    notice[1].retracted = PAGE_NOW;
    notice[0].listed = notice[1].listed = 1;

    for (i = 0; i < 2; i++) {
        whole = bar_of(&page, &notice[i], 2, NULL);
        check_harmless(whole);
        free(whole);

        b.len = 0;
        assert_int_equal(pv_page_notice(&b, &page, &notice[i]), PV_OK);
        check_harmless(check_text(&b));
        notice[i].due = notice[i].mine = 1;
        b.len = 0;
        assert_int_equal(pv_page_notice(&b, &page, &notice[i]), PV_OK);
        check_harmless(check_text(&b));
    }

    list.notices = notice;
    list.n = 2;
    b.len = 0;
    assert_int_equal(pv_page_notices(&b, &page, &list), PV_OK);
    check_harmless(check_text(&b));

    b.len = 0;
    assert_int_equal(pv_atom_notices(&b, &page, &list), PV_OK);
    assert_null(strstr(check_text(&b), "<script>alert"));

    pv_buf_free(&b);
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
        print_error("%s: %s\n", problems.list[0].file, problems.list[0].reason);
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
        cmocka_unit_test(bar_change),
        cmocka_unit_test(bar_terms),
        cmocka_unit_test(bar_incident),
        cmocka_unit_test(form_numbers),
        cmocka_unit_test(page_of_one),
        cmocka_unit_test(lists),
        cmocka_unit_test(json),
        cmocka_unit_test(hello),
        cmocka_unit_test(heads),
        cmocka_unit_test(hostile)
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
