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

#include "page_check.h"


pv_page_t
page_of(pv_ui_t *ui, pv_policy_t *policy, size_t language)
{
    pv_page_t  page;

    memset(&page, 0, sizeof(pv_page_t));
    page.ui = ui;
    page.policy = page.in_force = policy;
    page.language = language;
    page.prefix = pv_str("/privacy/");
    page.now = PAGE_NOW;

    return page;
}


const char *
check_text(const pv_buf_t *b)
{
    assert_false(b->failed);
    assert_true(b->len > 0);

    return (const char *) b->data;
}


unsigned
check_count(const char *haystack, const char *needle)
{
    unsigned  n;

    for (n = 0; (haystack = strstr(haystack, needle)) != NULL; n++) {
        haystack += strlen(needle);
    }

    return n;
}


static int
is_void(const char *name)
{
    static const char *const  names[] = { "input", "link", "meta", "br", "hr", "img", "!DOCTYPE" };
    size_t                    i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0) {
            return 1;
        }
    }

    return 0;
}


/* Every start tag has its end tag, in order; attributes are quoted, so no '>' or '<' stands in one. */
void
check_balanced(const char *html)
{
    int          closing;
    char         stack[64][32], name[32];
    size_t       depth, len;
    const char  *p, *q;

    depth = 0;

    for (p = html; (p = strchr(p, '<')) != NULL; p++) {
        closing = p[1] == '/';
        len = strcspn(p + 1 + closing, " >\n");
        assert_true(len > 0 && len < sizeof(name));
        memcpy(name, p + 1 + closing, len);
        name[len] = '\0';

        q = strpbrk(p + 1, "<>");
        assert_non_null(q);
        assert_int_equal(*q, '>');

        if (closing) {
            assert_true(depth > 0);
            assert_string_equal(stack[--depth], name);

        } else if (!is_void(name)) {
            assert_true(depth < 64);
            strcpy(stack[depth++], name);
        }
    }

    assert_int_equal(depth, 0);
}


/* No markup that a publisher wrote into a field became markup, and no template was read out of one. */
void
check_harmless(const char *html)
{
    assert_null(strstr(html, "<script>alert"));
    assert_null(strstr(html, "href=\"javascript:"));
    assert_null(strstr(html, "\"'>"));
    check_balanced(html);
}


void
check_ascii(const char *html)
{
    for ( /* void */ ; *html; html++) {
        assert_in_range((unsigned char) *html, 1, 127);
    }
}
