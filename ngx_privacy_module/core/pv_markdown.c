/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * CommonMark with tables to HTML. The HTML is made here, tag by tag, from what
 * the parser reports: nothing of the source reaches it unescaped, there is no
 * element or attribute that this file does not name, and no inline style
 * (strict Content-Security-Policy). Images are not fetched: their text stands
 * in their place.
 */

#include <stdio.h>
#include <string.h>

#include <md4c.h>

#include "pv_bundle.h"
#include "pv_markdown.h"
#include "pv_markdown_link.h"
#include "pv_text.h"

#define PV_LINK_MAX   4096
#define PV_TITLE_MAX  1024

#define PV_MARGIN_LINES  "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n"
#define PV_MARGIN        (sizeof(PV_MARGIN_LINES) - 1)


typedef struct {
    pv_buf_t  *html;
    pv_buf_t  *title;
    unsigned   headings;
    unsigned   dropped;
    unsigned   image_depth;     /* no links within an image's text */
    unsigned   in_title:1;
    unsigned   has_title:1;
    const unsigned char  *end, *limit;      /* of the source, and of the margin behind it */
    uint64_t   links;           /* bit stack: was the link at this depth opened in the HTML */
    unsigned   link_depth;
} pv_render_t;


static int pv_render_enter_block(MD_BLOCKTYPE type, void *detail, void *data);
static int pv_render_leave_block(MD_BLOCKTYPE type, void *detail, void *data);
static int pv_render_enter_span(MD_SPANTYPE type, void *detail, void *data);
static int pv_render_leave_span(MD_SPANTYPE type, void *detail, void *data);
static int pv_render_text(MD_TEXTTYPE type, const MD_CHAR *text, MD_SIZE size, void *data);
static void pv_render_heading(pv_render_t *r, unsigned level);
static void pv_render_cell(pv_render_t *r, const char *tag, const MD_BLOCK_TD_DETAIL *detail);
static void pv_render_link(pv_render_t *r, const MD_SPAN_A_DETAIL *detail);
static void pv_render_entity(pv_render_t *r, pv_str_t entity);
static void pv_render_words(pv_render_t *r, pv_str_t text);


int
pv_markdown_html(pv_buf_t *out, pv_str_t markdown)
{
    return pv_markdown_render(out, NULL, NULL, markdown);
}


int
pv_markdown_render(pv_buf_t *html, pv_buf_t *title, unsigned *dropped, pv_str_t markdown)
{
    int          rc;
    pv_buf_t     source;
    pv_render_t  r;

    static const MD_PARSER  parser = {
        0, MD_FLAG_NOHTML | MD_FLAG_TABLES,
        pv_render_enter_block, pv_render_leave_block, pv_render_enter_span, pv_render_leave_span,
        pv_render_text, NULL, NULL
    };

    if (markdown.len >= PV_BUNDLE_TEXT_MAX) {
        return PV_INVALID;
    }

    /*
     * md4c (0.4.8) reads, and hands out, a few bytes past the end of a text
     * that ends within a link: it gets a copy with a margin of line ends.
     */
    pv_buf_init(&source, PV_BUNDLE_TEXT_MAX + PV_MARGIN);
    pv_buf_str(&source, markdown);
    pv_buf_str(&source, (pv_str_t) pv_string(PV_MARGIN_LINES));

    if (source.failed) {
        pv_buf_free(&source);
        return PV_ERROR;
    }

    memset(&r, 0, sizeof(r));
    r.html = html;
    r.title = title;
    r.end = source.data + markdown.len + 1;
    r.limit = source.data + source.len;

    rc = md_parse((const MD_CHAR *) source.data, (MD_SIZE) markdown.len + 1, &parser, &r);
    pv_buf_free(&source);

    if (dropped != NULL) {
        *dropped = r.dropped;
    }

    return rc != 0 || html->failed || (title != NULL && title->failed) ? PV_ERROR : PV_OK;
}


static int
pv_render_enter_block(MD_BLOCKTYPE type, void *detail, void *data)
{
    pv_render_t  *r = data;
    unsigned      start;

    switch (type) {
    case MD_BLOCK_QUOTE:
        pv_buf_puts(r->html, "<blockquote>\n");
        break;
    case MD_BLOCK_UL:
        pv_buf_puts(r->html, "<ul>\n");
        break;
    case MD_BLOCK_OL:
        start = ((MD_BLOCK_OL_DETAIL *) detail)->start;
        if (start == 1) {
            pv_buf_puts(r->html, "<ol>\n");
        } else {
            pv_buf_printf(r->html, "<ol start=\"%u\">\n", start);
        }
        break;
    case MD_BLOCK_LI:
        pv_buf_puts(r->html, "<li>");
        break;
    case MD_BLOCK_HR:
        pv_buf_puts(r->html, "<hr>\n");
        break;
    case MD_BLOCK_H:
        pv_render_heading(r, ((MD_BLOCK_H_DETAIL *) detail)->level);
        break;
    case MD_BLOCK_CODE:
        pv_buf_puts(r->html, "<pre><code>");
        break;
    case MD_BLOCK_P:
        pv_buf_puts(r->html, "<p>");
        break;
    case MD_BLOCK_TABLE:
        /* A wide table scrolls within itself, and by keyboard too. */
        pv_buf_puts(r->html, "<div class=\"privacy-table\" tabindex=\"0\"><table>\n");
        break;
    case MD_BLOCK_THEAD:
        pv_buf_puts(r->html, "<thead>\n");
        break;
    case MD_BLOCK_TBODY:
        pv_buf_puts(r->html, "<tbody>\n");
        break;
    case MD_BLOCK_TR:
        pv_buf_puts(r->html, "<tr>");
        break;
    case MD_BLOCK_TH:
        pv_render_cell(r, "th scope=\"col\"", detail);
        break;
    case MD_BLOCK_TD:
        pv_render_cell(r, "td", detail);
        break;
    case MD_BLOCK_DOC:
    case MD_BLOCK_HTML:
        break;
    }

    return r->html->failed;
}


static int
pv_render_leave_block(MD_BLOCKTYPE type, void *detail, void *data)
{
    pv_render_t        *r = data;
    static const char  *ends[] = {
        [MD_BLOCK_DOC] = "", [MD_BLOCK_QUOTE] = "</blockquote>\n", [MD_BLOCK_UL] = "</ul>\n",
        [MD_BLOCK_OL] = "</ol>\n", [MD_BLOCK_LI] = "</li>\n", [MD_BLOCK_HR] = "", [MD_BLOCK_H] = "",
        [MD_BLOCK_CODE] = "</code></pre>\n", [MD_BLOCK_HTML] = "", [MD_BLOCK_P] = "</p>\n",
        [MD_BLOCK_TABLE] = "</table></div>\n", [MD_BLOCK_THEAD] = "</thead>\n", [MD_BLOCK_TBODY] = "</tbody>\n",
        [MD_BLOCK_TR] = "</tr>\n", [MD_BLOCK_TH] = "</th>", [MD_BLOCK_TD] = "</td>"
    };

    if (type == MD_BLOCK_H) {
        pv_buf_printf(r->html, "</h%u>\n", ((MD_BLOCK_H_DETAIL *) detail)->level);
        r->in_title = 0;
    }

    pv_buf_puts(r->html, ends[type]);

    return r->html->failed;
}


/* Numbered ids, prefixed: the text may stand within a page that has ids of its own. */
static void
pv_render_heading(pv_render_t *r, unsigned level)
{
    r->headings++;
    pv_buf_printf(r->html, "<h%u id=\"privacy-section-%u\">", level, r->headings);

    if (!r->has_title) {
        r->has_title = 1;
        r->in_title = 1;
    }
}


static void
pv_render_cell(pv_render_t *r, const char *tag, const MD_BLOCK_TD_DETAIL *detail)
{
    pv_buf_printf(r->html, "<%s%s>", tag,
                  detail->align == MD_ALIGN_RIGHT ? " class=\"privacy-right\""
                  : detail->align == MD_ALIGN_CENTER ? " class=\"privacy-center\"" : "");
}


static int
pv_render_enter_span(MD_SPANTYPE type, void *detail, void *data)
{
    pv_render_t  *r = data;

    switch (type) {
    case MD_SPAN_EM:
        pv_buf_puts(r->html, "<em>");
        break;
    case MD_SPAN_STRONG:
        pv_buf_puts(r->html, "<strong>");
        break;
    case MD_SPAN_CODE:
        pv_buf_puts(r->html, "<code>");
        break;
    case MD_SPAN_A:
        pv_render_link(r, detail);
        break;
    case MD_SPAN_IMG:
        r->image_depth++;
        break;
    default:
        break;      /* extensions that are off */
    }

    return r->html->failed;
}


static int
pv_render_leave_span(MD_SPANTYPE type, void *detail, void *data)
{
    pv_render_t  *r = data;

    (void) detail;

    switch (type) {
    case MD_SPAN_EM:
        pv_buf_puts(r->html, "</em>");
        break;
    case MD_SPAN_STRONG:
        pv_buf_puts(r->html, "</strong>");
        break;
    case MD_SPAN_CODE:
        pv_buf_puts(r->html, "</code>");
        break;
    case MD_SPAN_A:
        r->link_depth--;
        if (r->link_depth < 64 && (r->links & ((uint64_t) 1 << r->link_depth))) {
            pv_buf_puts(r->html, "</a>");
        }
        break;
    case MD_SPAN_IMG:
        r->image_depth--;
        break;
    default:
        break;
    }

    return r->html->failed;
}


/* Opens the link, or not: then its text stays without it. */
static void
pv_render_link(pv_render_t *r, const MD_SPAN_A_DETAIL *detail)
{
    int        elsewhere;
    unsigned   depth;
    pv_buf_t   href;

    depth = r->link_depth++;
    if (depth >= 64) {
        return;
    }

    r->links &= ~((uint64_t) 1 << depth);

    pv_buf_init(&href, PV_LINK_MAX);

    if (pv_attribute_decode(&href, &detail->href) == PV_OK && !href.failed && r->image_depth == 0
        && pv_link_allowed((pv_str_t) { href.data, href.len }, &elsewhere))
    {
        pv_buf_puts(r->html, "<a href=\"");
        pv_link_escape(r->html, (pv_str_t) { href.data, href.len });
        pv_buf_puts(r->html, elsewhere ? "\" rel=\"noopener noreferrer\">" : "\">");
        r->links |= (uint64_t) 1 << depth;

    } else {
        r->dropped++;
    }

    pv_buf_free(&href);
}


static int
pv_render_text(MD_TEXTTYPE type, const MD_CHAR *text, MD_SIZE size, void *data)
{
    pv_str_t      s;
    pv_render_t  *r = data;

    s = (pv_str_t) { (const unsigned char *) text, size };

    if (s.data <= r->limit && s.data + s.len > r->end && s.data + s.len <= r->limit) {
        s.len = s.data < r->end ? (size_t) (r->end - s.data) : 0;
    }

    switch (type) {
    case MD_TEXT_NULLCHAR:
        pv_render_words(r, pv_str("\xef\xbf\xbd"));
        break;
    case MD_TEXT_BR:
        pv_buf_puts(r->html, "<br>\n");
        break;
    case MD_TEXT_SOFTBR:
        pv_render_words(r, pv_str(r->in_title ? " " : "\n"));
        break;
    case MD_TEXT_ENTITY:
        pv_render_entity(r, s);
        break;
    default:
        pv_render_words(r, s);
    }

    return r->html->failed;
}


static void
pv_render_words(pv_render_t *r, pv_str_t text)
{
    pv_buf_html(r->html, text);

    /* What does not fit in a title is left out: it is a name, not a text. */
    if (r->in_title && r->title != NULL && r->title->len + text.len <= PV_TITLE_MAX) {
        pv_buf_str(r->title, text);
    }
}


/* Named ones that we do not decode are HTML already: the browser does, or shows them as they are. */
static void
pv_render_entity(pv_render_t *r, pv_str_t entity)
{
    pv_buf_t  decoded;
    uint32_t  code_point;

    if (pv_entity_decode(&code_point, entity) == PV_OK) {
        pv_buf_init(&decoded, 8);
        pv_text_add_code_point(&decoded, code_point);
        pv_render_words(r, (pv_str_t) { decoded.data, decoded.len });
        pv_buf_free(&decoded);
        return;
    }

    pv_buf_str(r->html, entity);

    if (r->in_title && r->title != NULL && r->title->len + entity.len <= PV_TITLE_MAX) {
        pv_buf_str(r->title, entity);
    }
}
