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

#include "pv_bundle.h"
#include "pv_redline.h"


/* Short, so that what is expected can be read. */
static const pv_redline_strings_t  strings = {
    pv_string("(+"), pv_string("+)"), pv_string("(-"), pv_string("-)"), pv_string("from {n}"), pv_string("to {n}"),
    pv_string("<{from}|{to}>"), pv_string("<|{to}>"), pv_string("<{from}|>"), pv_string("{n} same"),
    pv_string("one same")
};

#define INS(text)  "<ins><span class=\"privacy-mark\">(+</span>" text "<span class=\"privacy-mark\">+)</span></ins>"
#define DEL(text)  "<del><span class=\"privacy-mark\">(-</span>" text "<span class=\"privacy-mark\">-)</span></del>"
#define AT(n)      "<span id=\"privacy-change-" n "\"></span>"
#define TABLE      "<div class=\"privacy-table\" tabindex=\"0\"><table>\n"


static pv_diff_t *
diffed(const char *a, const char *b)
{
    pv_buf_t    x, y;
    pv_diff_t  *diff;

    pv_buf_init(&x, PV_BUNDLE_HTML_MAX);
    pv_buf_init(&y, PV_BUNDLE_HTML_MAX);
    assert_int_equal(pv_markdown_html(&x, pv_str(a)), PV_OK);
    assert_int_equal(pv_markdown_html(&y, pv_str(b)), PV_OK);
    assert_int_equal(pv_diff_create(&diff, (pv_str_t) { x.data, x.len }, (pv_str_t) { y.data, y.len }, PV_DIFF_WORK),
                     PV_OK);
    pv_buf_free(&x);
    pv_buf_free(&y);

    return diff;
}


static void
assert_page(const char *a, const char *b, unsigned fold, const char *expected, size_t changes)
{
    size_t         n;
    pv_buf_t       html;
    pv_diff_t     *diff;
    pv_redline_t   how = { &strings, 1, fold, 0 };

    diff = diffed(a, b);
    pv_buf_init(&html, PV_REDLINE_MAX);
    assert_int_equal(pv_redline_html(&html, diff, &how, &n), PV_OK);
    assert_string_equal(html.data != NULL ? (const char *) html.data : "", expected);
    assert_int_equal(n, changes);
    pv_buf_free(&html);
    pv_diff_free(diff);
}


static void
test_blocks(void **state)
{
    (void) state;

    assert_page("", "", 0, "", 0);
    assert_page("a & b", "a & b", 0, "<p>a &amp; b</p>\n", 0);
    assert_page("a one", "a two", 0, "<p class=\"privacy-changed\">" AT("1") "a " DEL("one") INS("two") "</p>\n", 1);
    assert_page("x", "x\n\n`<y>` *z*", 0, "<p>x</p>\n<p class=\"privacy-inserted\">" AT("1")
                INS("<code>&lt;y&gt;</code> <em>z</em>") "</p>\n", 1);
    assert_page("x\n\n## gone", "x", 0, "<p>x</p>\n<h2 class=\"privacy-deleted\">" AT("1") DEL("gone") "</h2>\n", 1);
    assert_page("## old name of it", "## new name of it", 0, "<h2 id=\"privacy-section-1\" class=\"privacy-changed\">"
                AT("1") DEL("old") INS("new") " name of it</h2>\n", 1);
    assert_page("```\na b\nc d\n```", "```\na b\nc e\n```", 0,
                "<pre class=\"privacy-changed\">" AT("1") "<code>a b\nc " DEL("d") INS("e") "</code></pre>\n", 1);
    assert_page("a  \nb &eacute; one", "a  \nb &eacute; two", 0,
                "<p class=\"privacy-changed\">" AT("1") "a<br>\nb &eacute; " DEL("one") INS("two") "</p>\n", 1);
    assert_page("> one here", "> two here\n\n---\n\nnew", 0, "<blockquote>\n<p class=\"privacy-changed\">" AT("1")
                DEL("one") INS("two") " here</p>\n</blockquote>\n<hr>\n<p class=\"privacy-inserted\">" INS("new")
                "</p>\n", 1);
}


/* Formatting does not nest across changes: each piece stands for itself. */
static void
test_formatting(void **state)
{
    (void) state;

    assert_page("a **b c d** e", "a **b x d** e", 0, "<p class=\"privacy-changed\">" AT("1") "a <strong>b </strong>"
                DEL("<strong>c</strong>") INS("<strong>x</strong>") "<strong> d</strong> e</p>\n", 1);
}


/* Lists stay lists, numbers are those of each text. */
static void
test_lists(void **state)
{
    (void) state;

    assert_page("1. a one\n2. b two\n3. c three", "1. a one\n2. c three", 0,
                "<ol>\n<li value=\"1\">a one</li>\n<li value=\"2\"><div class=\"privacy-deleted\">" AT("1") DEL("b two")
                "</div>\n</li>\n<li value=\"2\">c three</li>\n</ol>\n", 1);
    assert_page("- a one", "- a one\n  - new", 0, "<ul>\n<li>a one<ul>\n<li><div class=\"privacy-inserted\">" AT("1")
                INS("new") "</div>\n</li>\n</ul>\n</li>\n</ul>\n", 1);
}


static void
test_tables(void **state)
{
    (void) state;

    assert_page("|n|d|\n|---|--:|\n|a|1|\n|b x|2|", "|n|d|\n|---|--:|\n|b x|3|", 0,
                TABLE "<thead>\n<tr><th scope=\"col\">n</th><th scope=\"col\" class=\"privacy-right\">d</th></tr>\n"
                "</thead>\n<tbody>\n<tr class=\"privacy-deleted\"><td>" AT("1") DEL("a")
                "</td><td class=\"privacy-right\">" DEL("1") "</td></tr>\n"
                "<tr class=\"privacy-changed\"><td>b x</td><td class=\"privacy-right\">" DEL("2") INS("3")
                "</td></tr>\n</tbody>\n</table></div>\n", 1);

    /* A column. The table keeps one head, though no row of it is the same. */
    assert_page("|n|\n|---|\n|a|", "|n|d|\n|---|---|\n|a|1|", 0,
                TABLE "<thead>\n<tr class=\"privacy-changed\"><th scope=\"col\">" AT("1") "n</th><th scope=\"col\">"
                INS("d") "</th></tr>\n</thead>\n<tbody>\n<tr class=\"privacy-changed\"><td>a</td><td>" INS("1")
                "</td></tr>\n</tbody>\n</table></div>\n", 1);
    assert_page("|n|\n|---|\n|a b|", "|zzz|\n|---|\n|a b|", 0,
                TABLE "<thead>\n<tr class=\"privacy-deleted\"><th scope=\"col\">" AT("1") DEL("n")
                "</th></tr>\n<tr class=\"privacy-inserted\"><th scope=\"col\">" INS("zzz")
                "</th></tr>\n</thead>\n<tbody>\n<tr><td>a b</td></tr>\n</tbody>\n</table></div>\n", 1);
}


static void
test_moves(void **state)
{
    (void) state;

#define LONG   "This paragraph is long enough to be called moved."
#define STAYS  "What stays is longer than what moves, so that it is this that stays."

    assert_page(LONG "\n\n" STAYS, STAYS "\n\n" LONG, 0,
                "<p class=\"privacy-moved-from\">" AT("1") "<a class=\"privacy-move\" id=\"privacy-move-1-from\" "
                "href=\"#privacy-move-1-to\">to 1</a> " DEL(LONG) "</p>\n<p>" STAYS "</p>\n"
                "<p class=\"privacy-moved-to\">" AT("2") "<a class=\"privacy-move\" id=\"privacy-move-1-to\" "
                "href=\"#privacy-move-1-from\">from 1</a> <ins class=\"privacy-moved\">" LONG "</ins></p>\n", 2);
}


static void
test_links(void **state)
{
    (void) state;

    assert_page("see [it](/a?x=1&y=2) now", "see [it](/b) now", 0, "<p class=\"privacy-changed\">" AT("1")
                "see <a href=\"/b\" rel=\"noopener noreferrer\">it</a> <span class=\"privacy-link\">"
                "&lt;/a?x=1&amp;y=2|/b&gt;</span> now</p>\n", 1);
    assert_page("see it", "see [it](/b)", 0, "<p class=\"privacy-changed\">" AT("1")
                "see <a href=\"/b\" rel=\"noopener noreferrer\">it</a> <span class=\"privacy-link\">"
                "&lt;|/b&gt;</span></p>\n", 1);
}


/* A paragraph on each side stays, and the headings that lead to the change. */
static void
test_folding(void **state)
{
    (void) state;

    assert_page("# T\n\na\n\n## S\n\nb\n\nc\n\nd\n\ne old\n\nf\n\ng\n\nh\n\n## U\n\ni",
                "# T\n\na\n\n## S\n\nb\n\nc\n\nd\n\ne new\n\nf\n\ng\n\nh\n\n## U\n\ni", 2,
                "<h1 id=\"privacy-section-1\">T</h1>\n<p>a</p>\n<h2 id=\"privacy-section-2\">S</h2>\n"
                "<details class=\"privacy-fold\"><summary>2 same</summary>\n<p>b</p>\n<p>c</p>\n</details>\n<p>d</p>\n"
                "<p class=\"privacy-changed\">" AT("1") "e " DEL("old") INS("new") "</p>\n<p>f</p>\n"
                "<details class=\"privacy-fold\"><summary>4 same</summary>\n<p>g</p>\n<p>h</p>\n"
                "<h2 id=\"privacy-section-3\">U</h2>\n<p>i</p>\n</details>\n", 1);

    /* Within a list, and within a table. */
    assert_page("- a\n- b\n- c\n- d old", "- a\n- b\n- c\n- d new", 2,
                "<ul>\n<li class=\"privacy-fold-item\"><details class=\"privacy-fold\"><summary>2 same</summary>\n"
                "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n</details></li>\n<li>c</li>\n"
                "<li><div class=\"privacy-changed\">" AT("1") "d " DEL("old") INS("new") "</div>\n</li>\n</ul>\n", 1);
    assert_page("|h|\n|---|\n|a|\n|b|\n|c|\n|d old|", "|h|\n|---|\n|a|\n|b|\n|c|\n|d new|", 2,
                TABLE "<thead>\n<tr><th scope=\"col\">h</th></tr>\n</thead>\n<tbody>\n<tr class=\"privacy-fold-row\">"
                "<td colspan=\"1\"><details class=\"privacy-fold\"><summary>2 same</summary>\n"
                "<div class=\"privacy-table\" tabindex=\"0\"><table><tbody>\n<tr><td>a</td></tr>\n"
                "<tr><td>b</td></tr>\n</tbody></table></div>\n</details></td></tr>\n"
                "<tr><td>c</td></tr>\n<tr class=\"privacy-changed\"><td>" AT("1") "d " DEL("old") INS("new")
                "</td></tr>\n</tbody>\n</table></div>\n", 1);
    assert_page("a", "a", 1, "<details class=\"privacy-fold\"><summary>one same</summary>\n<p>a</p>\n</details>\n", 0);
}


static void
test_terminal(void **state)
{
    pv_buf_t       text;
    pv_diff_t     *diff;
    pv_redline_t   how = { &strings, 1, 2, 0 };

    (void) state;

    diff = diffed("# T\n\na\n\nb\n\nc\n\n1. x old [l](/a)\n\n> q",
                  "# T\n\na\n\nb\n\nc\n\n1. x new [l](/b)\n\n> q\n> r");
    pv_buf_init(&text, 4096);
    assert_int_equal(pv_redline_text(&text, diff, &how), PV_OK);
    assert_string_equal((const char *) text.data, "# T\n\n... 2 same\n\nc\n\n 1. x [-old-]{+new+} l </a|/b>\n"
                        "> q{+ r+}\n\n");

    text.len = 0;
    how.colour = 1;
    assert_int_equal(pv_redline_text(&text, diff, &how), PV_OK);
    assert_non_null(strstr((const char *) text.data, "x \033[31;9mold\033[0m\033[32mnew\033[0m l"));
    pv_buf_free(&text);
    pv_diff_free(diff);
}


/* What a terminal would obey, and what turns the reading direction, does not reach it. */
static void
test_terminal_is_safe(void **state)
{
    pv_buf_t       text;
    pv_diff_t     *diff;
    pv_redline_t   how = { &strings, 1, 0, 0 };

    static const char  html[] = "<p>a\033[31mb\x07 c\xc2\x9b d\xe2\x80\xae e\xe2\x81\xa6 f\x7f</p>";

    (void) state;

    assert_int_equal(pv_diff_create(&diff, pv_str(""), pv_str(html), PV_DIFF_WORK), PV_OK);
    pv_buf_init(&text, 4096);
    assert_int_equal(pv_redline_text(&text, diff, &how), PV_OK);
    assert_string_equal((const char *) text.data, "{+a\xef\xbf\xbd[31mb\xef\xbf\xbd c\xef\xbf\xbd d\xef\xbf\xbd "
                        "e\xef\xbf\xbd f\xef\xbf\xbd+}\n\n");
    pv_buf_free(&text);
    pv_diff_free(diff);
}


static void
test_too_long(void **state)
{
    pv_buf_t       out;
    pv_diff_t     *diff;
    pv_redline_t   how = PV_REDLINE_DEFAULT;

    (void) state;

    diff = diffed("one two three", "one four three");
    pv_buf_init(&out, 10);
    assert_int_equal(pv_redline_html(&out, diff, &how, NULL), PV_ERROR);
    pv_buf_free(&out);

    pv_buf_init(&out, 10);
    assert_int_equal(pv_redline_text(&out, diff, &how), PV_ERROR);
    pv_buf_free(&out);
    pv_diff_free(diff);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_formatting),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_folding),
        cmocka_unit_test(test_terminal),
        cmocka_unit_test(test_terminal_is_safe),
        cmocka_unit_test(test_too_long)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
