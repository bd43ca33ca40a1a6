/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* Markdown to HTML: only the tags that the renderer knows, only the schemes that it allows, UTF-8 if the source was. */

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "pv_bundle.h"
#include "pv_markdown.h"
#include "pv_markdown_outline.h"
#include "pv_text.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static void check_tag(const char *tag);
static void check_outline(pv_str_t markdown);
static int begins(const char *s, const char *const *list);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pv_buf_t     html, title;
    pv_str_t     markdown;
    unsigned     dropped;
    const char  *at;

    markdown.data = data;
    markdown.len = size;

    if (pv_text_problem(markdown, 1) != NULL) {
        return 0;       /* the validator does not let it come this far */
    }

    pv_buf_init(&html, PV_BUNDLE_HTML_MAX);
    pv_buf_init(&title, 1024);

    if (pv_markdown_render(&html, &title, &dropped, markdown) == PV_OK && html.len > 0) {

        if (memchr(html.data, '\0', html.len) != NULL) {
            abort();
        }

        for (at = strchr((char *) html.data, '<'); at != NULL; at = strchr(at + 1, '<')) {
            check_tag(at);
        }
    }

    check_outline(markdown);

    pv_buf_free(&html);
    pv_buf_free(&title);

    return 0;
}


/* Every heading and every problem is somewhere in the text. */
static void
check_outline(pv_str_t markdown)
{
    size_t         i, lines;
    pv_outline_t   outline;
    pv_problems_t  problems;

    for (i = 0, lines = 1; i < markdown.len; i++) {
        lines += markdown.data[i] == '\n';
    }

    pv_problems_init(&problems);

    if (pv_outline_read(&outline, markdown, "text", &problems) != PV_OK) {
        abort();
    }

    for (i = 0; i < outline.count; i++) {
        if (outline.headings[i].line > lines || outline.headings[i].level - 1 > 5
            || pv_text_problem(pv_str(outline.headings[i].text), 1) != NULL)
        {
            abort();
        }
    }

    for (i = 0; i < problems.count; i++) {
        if (problems.list[i].line == 0 || problems.list[i].line > lines
            || pv_text_problem(pv_str(problems.list[i].reason), 1) != NULL)
        {
            abort();
        }
    }

    pv_outline_free(&outline);
    pv_problems_free(&problems);
}


static void
check_tag(const char *tag)
{
    size_t       i;
    const char  *link;

    static const char *const  tags[] = {
        "<p>", "</p>", "<em>", "</em>", "<strong>", "</strong>", "<code>", "</code>", "<pre><code>", "</pre>",
        "<ul>", "</ul>", "<ol>", "<ol start=\"", "</ol>", "<li>", "</li>", "<hr>", "<br>", "<blockquote>",
        "</blockquote>", "<h", "</h", "<div class=\"privacy-table\" tabindex=\"0\"><table>", "<table>", "</table>",
        "</div>", "<thead>", "</thead>", "<tbody>", "</tbody>", "<tr>", "</tr>", "<th scope=\"col\"", "</th>", "<td",
        "</td>", "<a href=\"", "</a>", NULL
    };

    if (!begins(tag, tags)) {
        abort();
    }

    if (strncmp(tag, "<a href=\"", 9) != 0) {
        return;
    }

    link = tag + 9;

    for (i = 0; link[i] != '"' && link[i] != '\0' && strchr("/?#", link[i]) == NULL; i++) {
        if (link[i] != ':') {
            continue;
        }

        if (strncasecmp(link, "http:", i + 1) != 0 && strncasecmp(link, "https:", i + 1) != 0
            && strncasecmp(link, "mailto:", i + 1) != 0 && strncasecmp(link, "tel:", i + 1) != 0)
        {
            abort();
        }

        return;
    }
}


static int
begins(const char *s, const char *const *list)
{
    for ( /* void */ ; *list != NULL; list++) {
        if (strncmp(s, *list, strlen(*list)) == 0) {
            return 1;
        }
    }

    return 0;
}
