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

#include "bundle_fixture.h"
#include "page_check.h"
#include "page_diff_fixture.h"


static pv_ui_t             *ui;
static pv_buf_t             out;
static pv_policy_t         *from, *to;
static pv_page_diff_t       diff;
static pv_page_version_t    bound;


static pv_page_t
page_in(const char *language)
{
    pv_diff_t  *text;
    pv_page_t   page;

    page = page_of(ui, to, page_diff_language(to, language));

    assert_int_equal(pv_diff_create(&text, from->texts[page.language].html, to->texts[page.language].html, PV_DIFF_WORK),
                     PV_OK);

    memset(&diff, 0, sizeof(pv_page_diff_t));
    diff.from = from;
    diff.to = to;
    diff.text = text;

    return page;
}


static const char *
render(const pv_page_t *page)
{
    out.len = 0;
    assert_int_equal(pv_page_diff(&out, page, &diff), PV_OK);
    check_balanced(check_text(&out));

    return check_text(&out);
}


static void
redline(void **state)
{
    pv_page_t           page;
    const char         *html;
    pv_page_version_t   between;

    (void) state;

    page = page_in("en");
    pv_page_version_policy(&between, to);
    between.reduces_rights = 1;
    diff.between = &between;
    diff.between_count = 1;

    html = render(&page);
    assert_non_null(strstr(html, "<title>What changed from 2026-09-01 to 2026-11-01"));
    assert_non_null(strstr(html, "<bdi class=\"id\">2026-09-01</bdi> to <bdi class=\"id\">2026-11-01</bdi></h1>"));

    /* What the publisher says, what is declared, what the text says. */
    assert_non_null(strstr(html, "A second advertising partner was added"));
    assert_non_null(strstr(html, ">Reduces rights<"));
    assert_non_null(strstr(html, "<code dir=\"ltr\">track_id</code>: kept for"));
    assert_non_null(strstr(html, "<del dir=\"auto\">90 \xe5\xa4\xa9</del>"));
    assert_non_null(strstr(html, "<ins dir=\"auto\">180 \xe5\xa4\xa9</ins>"));
    assert_non_null(strstr(html, "<ins><code dir=\"ltr\">uid_map</code></ins>"));
    assert_non_null(strstr(html, "<del><code dir=\"ltr\">ad*</code></del>"));
    assert_non_null(strstr(html, "<ins><bdi>Ads Ltd</bdi></ins>"));
    assert_non_null(strstr(html, "<th scope=\"row\">mail</th>"));
    assert_non_null(strstr(html, "<ins dir=\"auto\">yes</ins>"));

    assert_non_null(strstr(html, "[inserted: </span>with whom we share it, "));
    assert_non_null(strstr(html, "<article class=\"text redline\" lang=\"en\" dir=\"ltr\">"));
    assert_non_null(strstr(html, "href=\"#privacy-change-1\">1</a>"));
    assert_int_equal(check_count(html, "id=\"privacy-change-1\""), 1);
    assert_non_null(strstr(html, "unchanged paragraphs</summary>"));
    assert_non_null(strstr(html, "1 paragraph moved"));
    assert_null(strstr(html, "<form"));

    /* Offered are the languages in which the two can be compared. */
    from->texts_count = 3;
    html = render(&page);
    assert_int_equal(check_count(html, "rel=\"alternate\" hreflang="), 3);
    assert_null(strstr(html, "hreflang=\"ar\""));
    from->texts_count = 4;

    pv_diff_free((pv_diff_t *) diff.text);
}


static void
other_scripts(void **state)
{
    pv_page_t    page;
    const char  *html;

    (void) state;

    page = page_in("zh-CN");
    html = render(&page);
    assert_non_null(strstr(html, "[\xe6\x96\xb0\xe5\xa2\x9e\xef\xbc\x9a</span>"));   /* the mark, in Chinese */
    assert_null(strstr(html, "[inserted"));
    pv_diff_free((pv_diff_t *) diff.text);

    /* The interface has no Arabic: around the text it is English, and runs the other way. */
    page = page_in("ar");
    html = render(&page);
    assert_non_null(strstr(html, "<html lang=\"en\" dir=\"ltr\">"));
    assert_non_null(strstr(html, "<article class=\"text redline\" lang=\"ar\" dir=\"rtl\">"));
    pv_diff_free((pv_diff_t *) diff.text);
}


static void
mine(void **state)
{
    pv_page_t    page;
    const char  *html;

    (void) state;

    page = page_in("en");
    pv_page_version_policy(&bound, from);
    page.bound = &bound;
    page.agree_token = pv_str("TOKEN");
    diff.mine = 1;

    html = render(&page);
    assert_non_null(strstr(html, "since the version that binds you</h1>"));
    assert_null(strstr(html, "<form"));

    page.must_agree = 1;
    html = render(&page);
    assert_int_equal(check_count(html, "<form "), 1);
    assert_non_null(strstr(html, "method=\"post\" action=\"/privacy/choices\""));
    assert_non_null(strstr(html, "name=\"token\" value=\"TOKEN\""));
    assert_non_null(strstr(html, "name=\"choice\" value=\"agree\""));
    assert_non_null(strstr(html, "href=\"#agree\""));
    assert_null(strstr(html, "diff/mine"));

    pv_diff_free((pv_diff_t *) diff.text);
}


static void
nothing_to_compare(void **state)
{
    pv_page_t    page;
    const char  *html;

    (void) state;

    page = page_in("en");
    pv_diff_free((pv_diff_t *) diff.text);
    diff.text = NULL;

    html = render(&page);
    assert_non_null(strstr(html, "no language in common"));
    assert_non_null(strstr(html, "class=\"differences\""));
    assert_null(strstr(html, "<article"));

    diff.from = to;
    assert_int_equal(pv_diff_create((pv_diff_t **) &diff.text, to->texts[1].html, to->texts[1].html, PV_DIFF_WORK), PV_OK);
    html = render(&page);
    assert_non_null(strstr(html, "The two versions say the same."));
    assert_null(strstr(html, "class=\"differences\""));
    assert_null(strstr(html, "<article"));
    pv_diff_free((pv_diff_t *) diff.text);

    page.policy = from;
    assert_int_equal(pv_page_diff(&out, &page, &diff), PV_INVALID);
}


static void
json_diff(void **state)
{
    json_t     *o, *text;
    pv_page_t   page;

    (void) state;

    page = page_in("en");
    assert_int_equal(pv_json_diff(&out, &page, &diff), PV_OK);
    o = json_loadb(check_text(&out), out.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(o);
    assert_string_equal(json_string_value(json_object_get(json_object_get(o, "from"), "version")), "2026-09-01");
    assert_string_equal(json_string_value(json_object_get(json_object_get(o, "to"), "version")), "2026-11-01");
    assert_string_equal(json_string_value(json_object_get(o, "language")), "en");
    assert_true(json_array_size(json_object_get(o, "declared")) >= 5);
    text = json_object_get(o, "text");
    assert_true(json_is_false(json_object_get(text, "same")));
    assert_true(json_array_size(json_object_get(text, "script")) > 5);
    json_decref(o);
    pv_diff_free((pv_diff_t *) diff.text);

    diff.text = NULL;
    out.len = 0;
    assert_int_equal(pv_json_diff(&out, &page, &diff), PV_OK);
    o = json_loadb(check_text(&out), out.len, 0, NULL);
    assert_true(json_is_null(json_object_get(o, "text")));
    json_decref(o);
}


/* Markup in every field that a publisher writes. */
static void
hostile(void **state)
{
    pv_page_t     page;
    const char   *html;
    pv_policy_t  *bad;

    (void) state;

    bad = page_fixture_hostile();
    page = page_of(ui, bad, 1);
    memset(&diff, 0, sizeof(pv_page_diff_t));
    diff.from = from;
    diff.to = bad;
    assert_int_equal(pv_diff_create((pv_diff_t **) &diff.text, from->texts[1].html, bad->texts[1].html, PV_DIFF_WORK),
                     PV_OK);

    html = render(&page);
    check_harmless(html);
    assert_non_null(strstr(html, "&lt;script&gt;alert(1)"));

    page = page_of(ui, from, 1);
    diff.from = bad;
    diff.to = from;
    check_harmless(render(&page));
    pv_diff_free((pv_diff_t *) diff.text);
}


static void
proof(void **state)
{
    char             *json, *end, hex[65];
    size_t            i, need;
    json_t           *o, *bodies;
    pv_buf_t          sealed;
    pv_str_t          bytes, part;
    pv_head_t        *head;
    pv_page_t         page;
    const char       *html;
    pv_policy_t      *policy;
    unsigned char     pub[PV_ED25519_PUBLIC], digest[PV_SHA256_LEN];
    pv_problems_t     problems;
    pv_page_proof_t   p;

    (void) state;

    pv_problems_init(&problems);
    pv_buf_init(&sealed, PV_SEALED_MAX);
    fixture_public(pub);

    json = fixture_json("2026-12-01", "2026-12-15T00:00:00+08:00",
                        "{\"kind\":\"editorial\",\"summary\":{\"zh-CN\":\"a\",\"en\":\"b<i>\"}}", fixture_purposes);
    assert_int_equal(fixture_seal(&sealed, json, NULL, "test", &problems), PV_OK);
    bytes.data = sealed.data;
    bytes.len = sealed.len;
    assert_int_equal(pv_head_open(&head, bytes, pv_str("shop"), &need, &problems), PV_OK);
    assert_int_equal(pv_policy_open(&policy, bytes, pv_str("shop"), pub, &problems), PV_OK);

    page = page_of(ui, policy, 1);
    page.origin = pv_str("https://www.shop.example");
    p.head = head;
    p.sealed = bytes;
    p.newest = 7;

    assert_int_equal(pv_page_proof(&out, &page, &p), PV_OK);
    html = check_text(&out);
    check_balanced(html);
    assert_non_null(strstr(html, "1 of 7 entries"));
    assert_non_null(strstr(html, "https://www.shop.example/privacy/log/1"));
    assert_non_null(strstr(html, "b&lt;i&gt;"));
    assert_non_null(strstr(html, "There is none: this is the first."));
    assert_int_equal(check_count(html, "<tr><th scope=\"row\">"), 5);

    /* What somebody else may have put into the address is not to be typed. */
    out.len = 0;
    page.origin = pv_str("https://x'; id; '");
    assert_int_equal(pv_page_proof(&out, &page, &p), PV_OK);
    assert_null(strstr(check_text(&out), "id;"));
    assert_non_null(strstr(check_text(&out), "https://.../privacy/log/1"));

    /* The head's prefix is enough; less is not. */
    p.sealed.len = head->bodies;
    out.len = 0;
    assert_int_equal(pv_json_proof(&out, &page, &p), PV_OK);

    o = json_loadb(check_text(&out), out.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(o);
    assert_string_equal(json_string_value(json_object_get(o, "entry")), "/privacy/log/1");

    /* Each part lies where it is said to, and is what is said. */
    bodies = json_object_get(o, "bodies");
    assert_int_equal(json_array_size(bodies), 5);

    for (i = 0; i < 5; i++) {
        part.data = bytes.data + json_integer_value(json_object_get(json_array_get(bodies, i), "offset"));
        part.len = (size_t) json_integer_value(json_object_get(json_array_get(bodies, i), "size"));
        assert_int_equal(pv_sha256(digest, &part, 1), PV_OK);
        hex[pv_hex_encode(hex, digest, PV_SHA256_LEN)] = '\0';
        assert_string_equal(json_string_value(json_object_get(json_array_get(bodies, i), "sha256")), hex);
    }

    assert_int_equal(part.data + part.len - bytes.data, bytes.len);

    /* And so is the head. */
    part = pv_str(json_string_value(json_object_get(o, "head")));
    assert_int_equal(pv_sha256(digest, &part, 1), PV_OK);
    hex[pv_hex_encode(hex, digest, PV_SHA256_LEN)] = '\0';
    assert_string_equal(json_string_value(json_object_get(o, "digest")), hex);
    json_decref(o);

    end = memchr(bytes.data + 20, '\n', bytes.len - 20);
    p.sealed.len = (size_t) ((unsigned char *) end - bytes.data) + 10;
    assert_int_equal(pv_page_proof(&out, &page, &p), PV_INVALID);

    pv_policy_free(policy);
    pv_head_free(head);
    pv_problems_free(&problems);
    pv_buf_free(&sealed);
    free(json);
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

    pv_buf_init(&out, PV_DIFF_JSON_MAX);
    page_diff_fixture(&from, &to);

    return 0;
}


static int
finish(void **state)
{
    (void) state;

    pv_buf_free(&out);

    return 0;
}


#define page_test(f)  cmocka_unit_test_setup_teardown(f, begin, finish)


int
main(void)
{
    const struct CMUnitTest tests[] = {
        page_test(redline),
        page_test(other_scripts),
        page_test(mine),
        page_test(nothing_to_compare),
        page_test(json_diff),
        page_test(hostile),
        page_test(proof)
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
