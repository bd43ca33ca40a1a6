/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "page_check.h"
#include "pv_html.h"


static pv_ui_t  *ui;


static void
check_end(pv_str_t part, const char *end)
{
    size_t  len;

    len = strlen(end);
    assert_true(part.len > len);
    assert_memory_equal(part.data + part.len - len, end, len);
}


static void
banner_cut(void **state)
{
    size_t       i, language;
    char         whole[16384];
    pv_page_t    page;
    pv_banner_t  banner;

    (void) state;

    for (language = 0; language < 2; language++) {
        page = page_of(ui, page_fixture(2), language);
        page.token = pv_str("must-not-be-in-it");
        page.return_to = pv_str("/nor-this");

        assert_int_equal(pv_page_banner(&banner, &page), PV_OK);

        assert_true(banner.bytes.len < 2500);
        assert_int_equal(banner.parts[0].len + banner.parts[1].len + banner.parts[2].len, banner.bytes.len);
        check_end(banner.parts[0], "name=\"token\" value=\"");
        check_end(banner.parts[1], "name=\"return\" value=\"");

        snprintf(whole, sizeof(whole), "%.*sTOKEN%.*sRETURN%.*s",
                 (int) banner.parts[0].len, banner.parts[0].data, (int) banner.parts[1].len,
                 banner.parts[1].data, (int) banner.parts[2].len, banner.parts[2].data);

        check_ascii(whole);
        check_balanced(whole);
        assert_non_null(strstr(whole, "name=\"token\" value=\"TOKEN\""));
        assert_non_null(strstr(whole, "name=\"return\" value=\"RETURN\""));
        assert_null(strstr(whole, "must-not"));
        assert_null(strstr(whole, "nor-this"));
        assert_int_equal(check_count(whole, "value=\"accept_all\""), 1);
        assert_int_equal(check_count(whole, "value=\"reject_all\""), 1);
        assert_int_equal(check_count(whole, "href=\"/privacy/choices\""), 1);
        assert_int_equal(check_count(whole, "action=\"/privacy/choices\""), 1);
        assert_int_equal(check_count(whole, "<b>"), 2);       /* neither the necessary nor the separate one */
        assert_null(strstr(whole, "style="));
        assert_null(strstr(whole, "<script"));
        assert_null(strchr(whole, '\n'));

        for (i = 0; i < 3; i++) {
            assert_true(banner.parts[i].data >= banner.bytes.data);
        }

        pv_banner_free(&banner);
    }
}


static uint64_t
form(pv_policy_t *policy, size_t language, const char *signal, const char *prefix)
{
    uint64_t      number;
    pv_page_t     page;
    pv_banner_t   banner;
    pv_consent_t  consent;
    pv_verdict_t  verdict;

    memset(&consent, 0, sizeof(pv_consent_t));
    memset(&verdict, 0, sizeof(pv_verdict_t));

    page = page_of(ui, policy, language);
    page.signal = signal;
    page.prefix = pv_str(prefix);
    page.consent = &consent;
    page.verdict = &verdict;

    assert_int_equal(pv_page_banner(&banner, &page), PV_OK);
    number = banner.form;
    pv_banner_free(&banner);

    return number;
}


static void
form_number(void **state)
{
    size_t    i, j;
    uint64_t  n[6];

    (void) state;

    n[0] = form(page_fixture(2), 0, NULL, "/privacy/");
    n[1] = form(page_fixture(2), 1, NULL, "/privacy/");
    n[2] = form(page_fixture(3), 0, NULL, "/privacy/");
    n[3] = form(page_fixture(2), 0, "gpc", "/privacy/");
    n[4] = form(page_fixture(2), 0, "dnt", "/privacy/");
    n[5] = form(page_fixture(2), 0, NULL, "/p/");

    for (i = 0; i < 6; i++) {
        assert_true(n[i] != 0);

        for (j = 0; j < i; j++) {
            assert_true(n[i] != n[j]);
        }
    }

    assert_true(n[0] == form(page_fixture(2), 0, NULL, "/privacy/"));
}


static void
choices_form(void **state)
{
    pv_buf_t      a, b, c;
    pv_page_t     page;
    pv_consent_t  consent;
    pv_verdict_t  verdict;

    (void) state;

    pv_buf_init(&a, 1 << 20);
    pv_buf_init(&b, 1 << 20);
    pv_buf_init(&c, 1 << 20);

    page = page_of(ui, page_fixture(2), 0);
    assert_int_equal(pv_page_choices_form(&a, &page), PV_OK);
    check_balanced(check_text(&a));
    assert_null(strstr(check_text(&a), " checked"));
    assert_null(strstr(check_text(&a), "withdraw"));

    /* The same for who has chosen, with a token and somewhere to go back to. */
    memset(&consent, 0, sizeof(pv_consent_t));
    consent.decided = consent.granted = 0x0e;
    consent.decided_version = 2;
    consent.chosen = PAGE_NOW - 100;
    pv_policy_judge(&verdict, page.policy, &consent, PAGE_NOW);
    page.consent = &consent;
    page.verdict = &verdict;
    page.token = pv_str("TOKEN");
    page.return_to = pv_str("/back?a=\"><b>&c");
    page.saved = 1;
    assert_int_equal(pv_page_choices_form(&b, &page), PV_OK);
    assert_string_equal(check_text(&a), check_text(&b));

    assert_int_equal(pv_page_choices(&c, &page), PV_OK);
    check_balanced(check_text(&c));
    assert_int_equal(check_count(check_text(&c), " checked"), 3);
    assert_int_equal(check_count(check_text(&c), "value=\"withdraw\""), 1);
    assert_int_equal(check_count(check_text(&c), "name=\"token\" value=\"TOKEN\""), 1);
    assert_null(strstr(check_text(&c), "a=\">"));
    assert_non_null(strstr(check_text(&c), "/back?a=&quot;&gt;&lt;b&gt;&amp;c"));
    assert_int_equal(check_count(check_text(&c), "name=\"purpose\""), 3);
    assert_int_equal(check_count(check_text(&c), "role=\"status\""), 1);

    pv_buf_free(&a);
    pv_buf_free(&b);
    pv_buf_free(&c);
}


/* What changed since is marked and off; what was refused without a change is not marked. */
static void
choices_stale(void **state)
{
    pv_buf_t      b;
    pv_page_t     page;
    pv_consent_t  consent;
    pv_verdict_t  verdict;

    (void) state;

    page = page_of(ui, page_fixture(2), 1);
    memset(&consent, 0, sizeof(pv_consent_t));
    consent.decided = 0x0e;
    consent.granted = 0x04;
    consent.decided_version = 1;
    consent.chosen = PAGE_NOW - 100;
    pv_policy_judge(&verdict, page.policy, &consent, PAGE_NOW);
    page.consent = &consent;
    page.verdict = &verdict;

    pv_buf_init(&b, 1 << 20);
    assert_int_equal(pv_page_choices(&b, &page), PV_OK);
    assert_int_equal(check_count(check_text(&b), "badge new"), 1);
    assert_null(strstr(check_text(&b), " checked"));
    assert_int_equal(check_count(check_text(&b), "value=\"withdraw\""), 1);
    assert_int_equal(check_count(check_text(&b), "role=\"alert\""), 0);

    /* Why a choice was not taken stands above the fresh form, once. */
    b.len = 0;
    page.message = "refusal_pending";
    page.pending = 1;
    assert_int_equal(pv_page_choices(&b, &page), PV_OK);
    assert_int_equal(check_count(check_text(&b), "role=\"alert\""), 1);
    assert_int_equal(check_count(check_text(&b), "Your refusal is in effect"), 1);

    pv_buf_free(&b);
}


static void
hostile(void **state)
{
    int           marked;
    size_t        i;
    char          whole[32768];
    pv_buf_t      b;
    pv_page_t     page;
    pv_banner_t   banner;
    pv_policy_t  *versions[1];
    pv_page_list_t  list;

    (void) state;

    versions[0] = page_fixture_hostile();
    pv_buf_init(&b, 1 << 20);

    for (i = 0; i < 2; i++) {
        page = page_of(ui, versions[0], i);
        page.token = pv_str("\"><script>alert(1)</script>");
        page.return_to = pv_str("\"><script>alert(1)</script>");

        assert_int_equal(pv_page_banner(&banner, &page), PV_OK);
        snprintf(whole, sizeof(whole), "%.*s", (int) banner.bytes.len, banner.bytes.data);
        check_harmless(whole);
        check_ascii(whole);
        pv_banner_free(&banner);

        b.len = 0;
        assert_int_equal(pv_page_choices(&b, &page), PV_OK);
        check_harmless(check_text(&b));

        b.len = 0;
        assert_int_equal(pv_page_policy(&b, &page), PV_OK);
        check_harmless(check_text(&b));
        assert_null(strstr(check_text(&b), "javascript:alert(1)\""));

        b.len = 0;
        list = page_fixture_list(versions, 1);
        assert_int_equal(pv_page_versions(&b, &page, &list), PV_OK);
        check_harmless(check_text(&b));

        b.len = 0;
        assert_int_equal(pv_page_message(&b, &page, "stale_form"), PV_OK);
        check_harmless(check_text(&b));

        for (marked = PV_MARKED_POLICY; marked <= PV_MARKED_CHANGES; marked++) {
            b.len = 0;
            assert_int_equal(pv_page_marked(&b, &page, marked), PV_OK);
            check_harmless(check_text(&b));
            check_ascii(check_text(&b));
        }
    }

    pv_buf_free(&b);
}


static void
fragments(void **state)
{
    pv_buf_t      a, b;
    pv_page_t     page;
    pv_consent_t  consent;
    pv_verdict_t  verdict;

    (void) state;

    pv_buf_init(&a, 1 << 20);
    pv_buf_init(&b, 1 << 20);

    /* Shared: nothing of a visitor in it. */
    page = page_of(ui, page_fixture(2), 0);
    assert_int_equal(pv_page_banner_shared(&a, &page), PV_OK);

    memset(&consent, 0, sizeof(pv_consent_t));
    memset(&verdict, 0, sizeof(pv_verdict_t));
    consent.position = 9;
    page.consent = &consent;
    page.verdict = &verdict;
    page.signal = "gpc";
    page.token = pv_str("TOKEN");
    page.return_to = pv_str("/secret");
    page.user = page.saved = page.pending = 1;
    assert_int_equal(pv_page_banner_shared(&b, &page), PV_OK);
    assert_string_equal(check_text(&a), check_text(&b));
    check_balanced(check_text(&a));
    check_ascii(check_text(&a));
    assert_non_null(strstr(check_text(&a), "id=\"privacy-settings\""));

    a.len = 0;
    assert_int_equal(pv_page_settings(&a, &page), PV_OK);
    check_balanced(check_text(&a));
    check_ascii(check_text(&a));

    a.len = 0;
    assert_int_equal(pv_page_head(&a, &page, 0), PV_OK);
    check_balanced(check_text(&a));
    assert_int_equal(check_count(check_text(&a), "<link"), 1);
    assert_int_equal(check_count(check_text(&a), "<script"), 1);
    assert_null(strstr(check_text(&a), "state.css"));

    a.len = 0;
    assert_int_equal(pv_page_head(&a, &page, 1), PV_OK);
    assert_int_equal(check_count(check_text(&a), "state.css"), 1);
    assert_int_equal(check_count(check_text(&a), "state.js"), 1);

    a.len = 0;
    assert_int_equal(pv_state_css(&a, &page), PV_OK);
    assert_non_null(strstr(check_text(&a), "#privacy-banner{display:none"));
    verdict.asked = 2;
    a.len = 0;
    assert_int_equal(pv_state_css(&a, &page), PV_OK);
    assert_non_null(strstr(check_text(&a), "#privacy-settings{display:none"));

    pv_buf_free(&a);
    pv_buf_free(&b);
}


static void
archive(void **state)
{
    pv_buf_t      b;
    pv_page_t     page;
    pv_policy_t  *versions[3];
    pv_page_list_t  list;

    (void) state;

    versions[0] = page_fixture(1);
    versions[1] = page_fixture(2);
    versions[2] = page_fixture(3);
    pv_buf_init(&b, 1 << 20);

    page = page_of(ui, versions[1], 1);
    assert_int_equal(pv_page_policy(&b, &page), PV_OK);
    check_balanced(check_text(&b));
    assert_int_equal(check_count(check_text(&b), "note warn"), 0);
    assert_int_equal(check_count(check_text(&b), "<h1"), 1);
    assert_non_null(strstr(check_text(&b), "<a href=\"#collect\""));

    b.len = 0;
    page.policy = versions[0];
    assert_int_equal(pv_page_policy(&b, &page), PV_OK);
    assert_non_null(strstr(check_text(&b), "earlier version"));

    b.len = 0;
    page.policy = versions[2];
    assert_int_equal(pv_page_policy(&b, &page), PV_OK);
    assert_non_null(strstr(check_text(&b), "not yet in force"));

    b.len = 0;
    page.policy = versions[1];
    list = page_fixture_list(versions, 3);
    assert_int_equal(pv_page_versions(&b, &page, &list), PV_OK);
    check_balanced(check_text(&b));
    assert_non_null(strstr(check_text(&b), "><bdi>2026-11-01</bdi></a> <span class=\"badge on\""));
    assert_true(strstr(check_text(&b), ">2026-12-01</bdi></a>") < strstr(check_text(&b), ">2026-11-01</bdi></a>"));
    assert_int_equal(check_count(check_text(&b), "badge on"), 1);
    assert_int_equal(check_count(check_text(&b), "badge new"), 1);

    pv_buf_free(&b);
}


static void
messages(void **state)
{
    size_t     i;
    pv_str_t   zh, en;
    pv_buf_t   b;
    pv_page_t  page;

    static const char *const  keys[] = {
        "not_found", "stale_form", "cross_site", "bad_form", "unknown_purpose", "too_large", "too_many",
        "unavailable", "refusal_pending", "archive_away", "no_policy", "method"
    };

    (void) state;

    pv_buf_init(&b, 1 << 20);

    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        zh = pv_page_sentence(ui, pv_str("zh-CN"), keys[i]);
        en = pv_page_sentence(ui, pv_str("en-GB"), keys[i]);
        assert_true(zh.len > 20 && en.len > 20);
        assert_false(pv_str_eq(zh, en));
        assert_true(pv_str_eq(en, pv_page_sentence(ui, pv_str("fr"), keys[i])));

        b.len = 0;
        page = page_of(ui, page_fixture(1), 0);
        assert_int_equal(pv_page_message(&b, &page, keys[i]), PV_OK);
        assert_non_null(strstr(check_text(&b), (const char *) zh.data));
        check_balanced(check_text(&b));
    }

    /* Without a policy: in every language that the interface has. */
    b.len = 0;
    page = page_of(ui, NULL, 0);
    assert_int_equal(pv_page_message(&b, &page, "no_policy"), PV_OK);
    check_balanced(check_text(&b));
    assert_int_equal(check_count(check_text(&b), "class=\"lead\" lang="), 4);

    assert_int_equal(pv_page_choices(&b, &page), PV_INVALID);
    assert_int_equal(pv_page_policy(&b, &page), PV_INVALID);
    assert_int_equal(pv_json_state(&b, &page), PV_INVALID);

    pv_buf_free(&b);
}


static void
json_documents(void **state)
{
    json_t       *o, *purposes, *first;
    pv_buf_t      b;
    pv_page_t     page;
    pv_policy_t  *versions[2];
    pv_page_list_t  list;
    pv_consent_t  consent;
    pv_verdict_t  verdict;

    (void) state;

    pv_buf_init(&b, 1 << 20);
    versions[0] = page_fixture(1);
    versions[1] = page_fixture(2);

    page = page_of(ui, versions[1], 1);
    memset(&consent, 0, sizeof(pv_consent_t));
    consent.position = 4;
    consent.decided = 0x0e;
    consent.granted = 0x06;
    consent.decided_version = 1;
    consent.chosen = PAGE_NOW - 100;
    pv_policy_judge(&verdict, page.policy, &consent, PAGE_NOW);
    page.consent = &consent;
    page.verdict = &verdict;
    page.signal = "gpc";
    page.token = pv_str("TOKEN");

    assert_int_equal(pv_state_js(&b, &page), PV_OK);
    check_ascii(check_text(&b));
    assert_int_equal(strncmp(check_text(&b), "window.__privacyState=", 22), 0);
    o = json_loadb(check_text(&b) + 22, b.len - 24, 0, NULL);
    assert_non_null(o);
    assert_string_equal(json_string_value(json_object_get(o, "version")), "2026-11-01");
    assert_string_equal(json_string_value(json_object_get(o, "language")), "en");
    assert_string_equal(json_string_value(json_object_get(o, "standing")), "stale");
    assert_string_equal(json_string_value(json_object_get(o, "signal")), "gpc");
    assert_string_equal(json_string_value(json_object_get(o, "token")), "TOKEN");
    assert_int_equal(json_integer_value(json_object_get(o, "position")), 4);
    purposes = json_object_get(o, "purposes");
    assert_int_equal(json_array_size(purposes), 4);
    assert_true(json_is_true(json_object_get(json_array_get(purposes, 0), "granted")));
    assert_true(json_is_true(json_object_get(json_array_get(purposes, 1), "granted")));
    assert_true(json_is_false(json_object_get(json_array_get(purposes, 2), "granted")));
    assert_true(json_is_true(json_object_get(json_array_get(purposes, 2), "asked")));
    assert_true(json_is_true(json_object_get(json_array_get(purposes, 3), "separate")));
    json_decref(o);

    b.len = 0;
    assert_int_equal(pv_json_policy(&b, &page), PV_OK);
    o = json_loadb(check_text(&b), b.len, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(o, "title")), "Privacy policy");
    assert_true(json_is_true(json_object_get(o, "in_force")));
    assert_int_equal(json_array_size(json_object_get(o, "purposes")), 4);
    assert_int_equal(strlen(json_string_value(json_object_get(o, "digest"))), 64);
    json_decref(o);

    b.len = 0;
    list = page_fixture_list(versions, 2);
    assert_int_equal(pv_json_versions(&b, &page, &list), PV_OK);
    o = json_loadb(check_text(&b), b.len, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(o, "in_force")), "2026-11-01");
    first = json_array_get(json_object_get(o, "versions"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "url")), "/privacy/versions/2026-11-01");
    json_decref(o);

    b.len = 0;
    assert_int_equal(pv_form_document(&b, &page, "banner", pv_str("<p>\"\\</p>")), PV_OK);
    o = json_loadb(check_text(&b), b.len, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(o, "site")), "shop");
    assert_string_equal(json_string_value(json_object_get(o, "kind")), "banner");
    assert_string_equal(json_string_value(json_object_get(o, "html")), "<p>\"\\</p>");
    assert_int_equal(json_integer_value(json_object_get(o, "sequence")), 2);
    json_decref(o);

    pv_buf_free(&b);
}


/* Whatever a string holds, the document stays ASCII and says the same when it is read. */

static void
json_strings(void **state)
{
    size_t     i;
    json_t    *o;
    pv_buf_t   b;
    pv_page_t  page;

    static const struct {
        const char  *said;
        const char  *read;
    } strings[] = {
        { "", "" },
        { "\"\\/<>&' ~", "\"\\/<>&' ~" },
        { "\b\f\n\r\t\x01\x1f\x7f", "\b\f\n\r\t\x01\x1f\x7f" },
        { "\xc2\x80\xdf\xbf\xe0\xa0\x80\xe2\x80\xa8", "\xc2\x80\xdf\xbf\xe0\xa0\x80\xe2\x80\xa8" },
        { "\xe9\x9a\x90\xe7\xa7\x81", "\xe9\x9a\x90\xe7\xa7\x81" },
        { "\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", "\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf" },
        { "a\xc3(b\xffz\xe9", "a\xef\xbf\xbd(b\xef\xbf\xbdz\xef\xbf\xbd" },
        { "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }
    };

    (void) state;

    pv_buf_init(&b, 1 << 20);
    page = page_of(ui, page_fixture_hostile(), 0);

    for (i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        page.token = pv_str(strings[i].said);

        b.len = 0;
        assert_int_equal(pv_json_state(&b, &page), PV_OK);
        check_ascii(check_text(&b));

        o = json_loadb(check_text(&b), b.len, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(o);
        assert_string_equal(json_string_value(json_object_get(o, "token")), strings[i].read);
        assert_true(json_is_null(json_object_get(o, "signal")));
        assert_int_equal(json_integer_value(json_object_get(o, "position")), 0);
        json_decref(o);
    }

    pv_buf_free(&b);
    pv_buf_init(&b, 200);
    assert_int_equal(pv_json_state(&b, &page), PV_ERROR);
    pv_buf_free(&b);
}


typedef struct {
    const char  *name;
    const char  *bytes;
} override_t;


static pv_str_t
override(void *data, const char *name)
{
    pv_str_t     none = { NULL, 0 };
    override_t  *o;

    o = data;

    return strcmp(o->name, name) == 0 ? pv_str(o->bytes) : none;
}


static void
override_refused(const char *name, const char *bytes)
{
    override_t     o = { name, bytes };
    pv_ui_t       *other;
    pv_problems_t  problems;

    pv_problems_init(&problems);
    assert_int_equal(pv_ui_create(&other, override, &o, &problems), PV_INVALID);
    assert_null(other);
    assert_true(problems.errors > 0);
    assert_string_equal(problems.list[0].file, name);
    pv_problems_free(&problems);
}


static void
overrides(void **state)
{
    pv_buf_t       b;
    pv_ui_t       *other;
    pv_page_t      page;
    override_t     css = { "privacy.css", "#privacy-banner{color:red}" };
    override_t     settings = { "settings.html", "<a href=\"{{prefix}}choices\">{{t.settings}}!</a>" };
    override_t     words = { "en.json", "{\"tag\":\"en\"}" };
    override_t     french = { "zh-CN.json", "{\"tag\":\"fr\",\"settings\":\"R\\u00e9glages\"}" };
    pv_problems_t  problems;

    (void) state;

    pv_problems_init(&problems);
    pv_buf_init(&b, 1 << 20);

    assert_int_equal(pv_ui_create(&other, override, &css, &problems), PV_OK);
    assert_string_equal((const char *) pv_ui_asset(other, pv_str("privacy.css"))->bytes.data, css.bytes);
    assert_string_not_equal(pv_ui_asset(other, pv_str("privacy.css"))->hash,
                            pv_ui_asset(ui, pv_str("privacy.css"))->hash);
    pv_ui_free(other);

    assert_int_equal(pv_ui_create(&other, override, &settings, &problems), PV_OK);
    page = page_of(ui, page_fixture(1), 1);
    page.ui = other;
    assert_int_equal(pv_page_settings(&b, &page), PV_OK);
    assert_string_equal(check_text(&b), "<a href=\"/privacy/choices\">Privacy settings!</a>");
    pv_ui_free(other);

    /* What a language does not say is said in English, with a warning. */
    assert_int_equal(pv_ui_create(&other, override, &french, &problems), PV_OK);
    assert_true(problems.warnings > 0);
    assert_true(pv_page_sentence(other, pv_str("fr"), "method").len > 20);
    pv_ui_free(other);

    override_refused("banner.html", "{{#x}}");
    override_refused("banner.html", "<p>no form</p>");
    override_refused("banner.html", "{{prefix}}{{slot.token}}{{slot.return}}{{slot.token}}");
    override_refused("choices_form.html", "<form></form>");
    override_refused("settings.html", "{{t.no_such_string}}");
    override_refused("settings.html", "{{> no_such_template}}");
    override_refused("settings.html", "{{> settings}}");
    override_refused("zh-CN.json", "{\"tag\":\"zh-CN\",");
    override_refused("zh-CN.json", "[]");
    override_refused("zh-CN.json", "{\"tag\":\"zh-CN\",\"comma\":3}");
    assert_int_equal(pv_ui_create(&other, override, &words, &problems), PV_INVALID);

    pv_problems_free(&problems);
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

    /* Both languages say everything. */
    if (problems.count) {
        print_error("%s: %s: %s\n", problems.list[0].file, problems.list[0].field, problems.list[0].reason);
        rc = PV_ERROR;
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
        cmocka_unit_test(banner_cut),
        cmocka_unit_test(form_number),
        cmocka_unit_test(choices_form),
        cmocka_unit_test(choices_stale),
        cmocka_unit_test(hostile),
        cmocka_unit_test(fragments),
        cmocka_unit_test(archive),
        cmocka_unit_test(messages),
        cmocka_unit_test(json_documents),
        cmocka_unit_test(json_strings),
        cmocka_unit_test(overrides)
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
