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

#include "pv_bundle.h"
#include "pv_markdown.h"


static void
render(pv_buf_t *html, const char *markdown)
{
    pv_buf_init(html, PV_BUNDLE_HTML_MAX);
    assert_int_equal(pv_markdown_html(html, pv_str(markdown)), PV_OK);
}


static void
test_what_comes_out(void **state)
{
    size_t    i;
    pv_buf_t  html;

    static const struct { const char *markdown, *html; }  cases[] = {
        { "# A & B\n\ntext", "<h1 id=\"privacy-section-1\">A &amp; B</h1>\n<p>text</p>\n" },
        { "## x\n# y", "<h2 id=\"privacy-section-1\">x</h2>\n<h1 id=\"privacy-section-2\">y</h1>\n" },
        { "*a* **b** `<c>`", "<p><em>a</em> <strong>b</strong> <code>&lt;c&gt;</code></p>\n" },
        { "- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n" },
        { "3. a", "<ol start=\"3\">\n<li>a</li>\n</ol>\n" },
        { "> q\n\n---", "<blockquote>\n<p>q</p>\n</blockquote>\n<hr>\n" },
        { "```x onload=y\n<b>\n```", "<pre><code>&lt;b&gt;\n</code></pre>\n" },
        { "a|b\n:---:|---:\n1|2", "<div class=\"privacy-table\" tabindex=\"0\"><table>\n<thead>\n<tr>"
          "<th scope=\"col\" class=\"privacy-center\">a</th><th scope=\"col\" class=\"privacy-right\">b</th></tr>\n"
          "</thead>\n<tbody>\n<tr><td class=\"privacy-center\">1</td><td class=\"privacy-right\">2</td></tr>\n"
          "</tbody>\n</table></div>\n" },
        { "[a](/b?c=d&e#f)", "<p><a href=\"/b?c=d&amp;e#f\">a</a></p>\n" },
        { "[a](https://x.example)", "<p><a href=\"https://x.example\" rel=\"noopener noreferrer\">a</a></p>\n" },
        { "[a](mailto:x@y.example)", "<p><a href=\"mailto:x@y.example\">a</a></p>\n" },
        { "[a](<b c>)", "<p>a</p>\n" },
        { "[a](/\xe4\xb8\xad'\")", "<p><a href=\"/%E4%B8%AD&#39;%22\">a</a></p>\n" },
        { "![alt](https://x.example/p.png)", "<p>alt</p>\n" },
        { "[![alt](/p.png)](/t)", "<p><a href=\"/t\">alt</a></p>\n" },
        { "![[x](/y)](/p.png)", "<p>x</p>\n" },
        { "&copy; &#169; &lt;b&gt; &unknown;", "<p>\xc2\xa9 \xc2\xa9 &lt;b&gt; &unknown;</p>\n" },
        { "&#0; &#xD800; &#x110000;", "<p>\xef\xbf\xbd \xef\xbf\xbd \xef\xbf\xbd</p>\n" },
        { "www.x.example http://x.example", "<p>www.x.example http://x.example</p>\n" },
        { "<https://x.example>", "<p><a href=\"https://x.example\" rel=\"noopener noreferrer\">https://x.example</a></p>\n" },
        { "", "" }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        render(&html, cases[i].markdown);
        assert_string_equal(html.data != NULL ? (const char *) html.data : "", cases[i].html);
        pv_buf_free(&html);
    }
}


/* No element or attribute of the source, no scheme but the four. */
static void
test_nothing_gets_through(void **state)
{
    size_t    i, k;
    pv_buf_t  html;

    static const char  *sources[] = {
        "<script>alert(1)</script>", "a <img src=x onerror=alert(1)> b", "<div onclick=x>\n\ny\n\n</div>",
        "<!-- x -->", "<?php x ?>", "<![CDATA[x]]>", "</p><script>",
        "[a](javascript:alert(1))", "[a](JaVaScRiPt:alert(1))", "[a](javascript&#58;alert(1))",
        "[a](javascript&#x3A;alert(1))", "[a](javascript&colon;alert(1))", "[a](java&#10;script:alert(1))",
        "[a](java&Tab;script&colon;alert(1))", "[a](&#1;javascript:alert(1))", "[a](&#106;avascript:alert(1))",
        "[a]( javascript:alert(1))", "[a](<java\tscript:alert(1)>)", "[a](vbscript:x)", "[a](data:text/html,<script>)",
        "[a](file:///etc/passwd)", "[a](blob:x)", "<javascript:alert(1)>", "[a]: javascript:alert(1)\n\n[a]",
        "[a](/x \"\" onclick=alert(1) \"\")", "[a](\\\\evil.example)", "![x](javascript:alert(1))",
        "```\"><script>\nx\n```", "# <script>", "a|b\n---|---\n<script>|x"
    };
    static const char  *never[] = {
        "<script", "<img", "<div o", "onerror=", " onclick=", "href=\"java", "href=\"vb", "href=\"data", "href=\"file",
        "href=\"blob", "<!--", "<?", "<!", "javascript:alert(1)\"", "\\evil", "href=\" "
    };

    (void) state;

    for (i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        render(&html, sources[i]);

        for (k = 0; k < sizeof(never) / sizeof(never[0]); k++) {
            char  *at = html.data != NULL ? strstr((char *) html.data, never[k]) : NULL;

            /* Within text it is only text. */
            if (at != NULL && (never[k][0] == '<' || strncmp(never[k], "href", 4) == 0
                               || strstr((char *) html.data, "<a href") != NULL))
            {
                fail_msg("%s: %s", sources[i], (char *) html.data);
            }
        }

        pv_buf_free(&html);
    }
}


static void
test_title_and_dropped_links(void **state)
{
    pv_buf_t  html, title;
    unsigned  dropped;

    (void) state;

    pv_buf_init(&html, PV_BUNDLE_HTML_MAX);
    pv_buf_init(&title, 1024);

    assert_int_equal(pv_markdown_render(&html, &title, &dropped,
                                        pv_str("x\n\n## The *first* &amp; `only`\n\n# Not this\n\n[a](x:y)")), PV_OK);
    assert_string_equal((const char *) title.data, "The first & only");
    assert_int_equal(dropped, 1);

    pv_buf_free(&html);
    pv_buf_free(&title);
}


/* Every truncation, in memory of exactly its length; nesting without end. */
static void
test_bounded(void **state)
{
    char      *copy, *deep;
    size_t     len, i;
    pv_buf_t   html;

    static const char  all[] = "# T &#x41;\n\n> - a [b](/c \"d\") ![e](f)\n\n|a|b|\n|---|---|\n|`x`|**y**|\n\n1. \\<z>\n\n"
                               "```c\nd\n```\n\n[r]: /s\n[r] <https://x.example/&amp;> &#9999999;";

    (void) state;

    for (len = 0; len < sizeof(all); len++) {
        copy = malloc(len ? len : 1);
        memcpy(copy, all, len);
        pv_buf_init(&html, PV_BUNDLE_HTML_MAX);
        assert_int_equal(pv_markdown_html(&html, (pv_str_t) { (unsigned char *) copy, len }), PV_OK);
        pv_buf_free(&html);
        free(copy);
    }

    deep = malloc(100000);
    for (i = 0; i < 3; i++) {
        memset(deep, ">[*"[i], 100000);
        pv_buf_init(&html, 1024 * 1024);
        (void) pv_markdown_html(&html, (pv_str_t) { (unsigned char *) deep, 100000 });
        pv_buf_free(&html);
    }
    free(deep);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_what_comes_out),
        cmocka_unit_test(test_nothing_gets_through),
        cmocka_unit_test(test_title_and_dropped_links),
        cmocka_unit_test(test_bounded)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
