/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <string.h>

#include "pv_bundle.h"
#include "pv_markdown_link.h"
#include "pv_markdown_outline.h"

#define PV_HTML_SHOWN  24
#define PV_LINK_SHOWN  64

/* md4c reads a few bytes past a text that ends within a link: see pv_markdown.c */
#define PV_OUTLINE_MARGIN  "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n"


typedef struct {
    pv_outline_t   *outline;
    pv_str_t        source;
    const char     *file;
    pv_problems_t  *problems;
    size_t          at;             /* the last place that is known, and its line */
    unsigned        line;
    unsigned        in_heading:1;
    unsigned        in_head:1;      /* of a table */
    unsigned        in_html:1;      /* that was said already */
    unsigned        image:1;        /* these two wait for a text that tells where they stand: */
    char           *link;           /* a target that is refused */
} pv_outliner_t;


static int pv_outline_enter_block(MD_BLOCKTYPE type, void *detail, void *data);
static int pv_outline_leave_block(MD_BLOCKTYPE type, void *detail, void *data);
static int pv_outline_enter_span(MD_SPANTYPE type, void *detail, void *data);
static int pv_outline_leave_span(MD_SPANTYPE type, void *detail, void *data);
static int pv_outline_text(MD_TEXTTYPE type, const MD_CHAR *text, MD_SIZE size, void *data);
static void pv_outline_html(pv_outliner_t *o, pv_str_t html);
static int pv_outline_heading(pv_outliner_t *o, unsigned level);
static void pv_outline_title(pv_outliner_t *o, pv_str_t text);
static int pv_outline_link(pv_outliner_t *o, const MD_SPAN_A_DETAIL *detail);
static void pv_outline_waiting(pv_outliner_t *o);
static void pv_outline_place(pv_outliner_t *o, pv_str_t text);
static size_t pv_whole(pv_str_t text, size_t max);


int
pv_outline_read(pv_outline_t *outline, pv_str_t markdown, const char *file, pv_problems_t *problems)
{
    int            rc;
    pv_buf_t       source;
    pv_outliner_t  o;

    static const MD_PARSER  parser = {
        0, MD_FLAG_TABLES,
        pv_outline_enter_block, pv_outline_leave_block, pv_outline_enter_span, pv_outline_leave_span,
        pv_outline_text, NULL, NULL
    };

    memset(outline, 0, sizeof(*outline));
    memset(&o, 0, sizeof(o));

    pv_buf_init(&source, 2 * PV_BUNDLE_TEXT_MAX);
    pv_buf_str(&source, markdown);
    pv_buf_puts(&source, PV_OUTLINE_MARGIN);

    o.outline = outline;
    o.file = file;
    o.problems = problems;
    o.line = 1;
    o.source = (pv_str_t) { source.data, markdown.len };

    rc = source.failed ? -1 : md_parse((const MD_CHAR *) source.data, (MD_SIZE) markdown.len + 1, &parser, &o);

    free(o.link);
    pv_buf_free(&source);

    return rc == 0 ? PV_OK : PV_ERROR;
}


void
pv_outline_free(pv_outline_t *outline)
{
    free(outline->headings);
    memset(outline, 0, sizeof(*outline));
}


static int
pv_outline_enter_block(MD_BLOCKTYPE type, void *detail, void *data)
{
    pv_outliner_t  *o = data;

    o->in_html = 0;

    switch (type) {
    case MD_BLOCK_H:
        return pv_outline_heading(o, ((MD_BLOCK_H_DETAIL *) detail)->level);
    case MD_BLOCK_TABLE:
        o->outline->tables++;
        break;
    case MD_BLOCK_THEAD:
        o->in_head = 1;
        break;
    case MD_BLOCK_TR:
        o->outline->rows += !o->in_head;
        break;
    default:
        break;
    }

    return 0;
}


static int
pv_outline_leave_block(MD_BLOCKTYPE type, void *detail, void *data)
{
    pv_outliner_t  *o = data;

    (void) detail;

    o->in_heading &= type != MD_BLOCK_H;
    o->in_head &= type != MD_BLOCK_THEAD;

    return 0;
}


static int
pv_outline_enter_span(MD_SPANTYPE type, void *detail, void *data)
{
    pv_outliner_t  *o = data;

    o->image |= type == MD_SPAN_IMG;

    return type == MD_SPAN_A ? pv_outline_link(o, detail) : 0;
}


static int
pv_outline_leave_span(MD_SPANTYPE type, void *detail, void *data)
{
    pv_outliner_t       *o = data;
    const MD_ATTRIBUTE  *href;

    /* What still waits has no text: where the target itself stands will do. */
    if (type == MD_SPAN_A && o->link != NULL) {
        href = &((MD_SPAN_A_DETAIL *) detail)->href;
        pv_outline_place(o, (pv_str_t) { (const unsigned char *) href->text, href->size });
    }

    if (type == MD_SPAN_A || type == MD_SPAN_IMG) {
        pv_outline_waiting(o);
    }

    return 0;
}


static int
pv_outline_text(MD_TEXTTYPE type, const MD_CHAR *text, MD_SIZE size, void *data)
{
    pv_str_t        s;
    pv_outliner_t  *o = data;

    s = (pv_str_t) { (const unsigned char *) text, size };

    pv_outline_place(o, s);
    pv_outline_waiting(o);

    if (type == MD_TEXT_HTML && !o->in_html) {
        pv_outline_html(o, s);
    }

    o->in_html = type == MD_TEXT_HTML;

    if (o->in_heading) {
        pv_outline_title(o, s);
    }

    return 0;
}


static void
pv_outline_html(pv_outliner_t *o, pv_str_t html)
{
    size_t                len;
    const unsigned char  *end;

    end = memchr(html.data, '\n', html.len);
    html.len = end != NULL ? (size_t) (end - html.data) : html.len;
    len = pv_whole(html, PV_HTML_SHOWN);

    pv_problem(o->problems, o->file, o->line, NULL, "has HTML in it, %.*s%s: a text is written in Markdown; what is "
               "to be read as it stands goes between backquotes", (int) len, (const char *) html.data,
               html.len > len ? "..." : "");
}


static int
pv_outline_heading(pv_outliner_t *o, unsigned level)
{
    pv_outline_t  *outline;
    pv_heading_t  *list;

    outline = o->outline;

    if (outline->count == PV_HEADINGS_MAX) {
        return 0;
    }

    if (outline->headings == NULL) {
        list = calloc(PV_HEADINGS_MAX, sizeof(pv_heading_t));
        if (list == NULL) {
            return -1;
        }
        outline->headings = list;
    }

    outline->headings[outline->count++].level = level;
    o->in_heading = 1;

    return 0;
}


static void
pv_outline_title(pv_outliner_t *o, pv_str_t text)
{
    size_t         len, n;
    pv_heading_t  *heading;

    heading = &o->outline->headings[o->outline->count - 1];

    if (heading->line == 0) {
        heading->line = o->line;
    }

    len = strlen(heading->text);
    n = pv_whole(text, PV_HEADING_TEXT_MAX - 1 - len);
    memcpy(heading->text + len, text.data, n);
    heading->text[len + n] = '\0';
}


static int
pv_outline_link(pv_outliner_t *o, const MD_SPAN_A_DETAIL *detail)
{
    int       elsewhere;
    pv_buf_t  href;

    pv_buf_init(&href, PV_BUNDLE_TEXT_MAX);

    if (pv_attribute_decode(&href, &detail->href) != PV_OK || href.failed
        || !pv_link_allowed((pv_str_t) { href.data, href.len }, &elsewhere))
    {
        free(o->link);
        o->link = strndup(detail->href.text != NULL ? detail->href.text : "",
                          pv_whole((pv_str_t) { (const unsigned char *) detail->href.text, detail->href.size },
                                   PV_LINK_SHOWN));
    }

    pv_buf_free(&href);

    return 0;
}


static void
pv_outline_waiting(pv_outliner_t *o)
{
    if (o->image) {
        pv_warning(o->problems, o->file, o->line, NULL, "has an image: it is not shown, its description is");
        o->image = 0;
    }

    if (o->link != NULL) {
        pv_problem(o->problems, o->file, o->line, NULL, "has a link to \"%s\", where none may lead: http, https, "
                   "mailto, tel, or within the site", o->link);
        free(o->link);
        o->link = NULL;
    }
}


/* Where the text stands in the source, when it is a part of it: the parser hands out line ends of its own. */
static void
pv_outline_place(pv_outliner_t *o, pv_str_t text)
{
    size_t  to;

    if (text.data < o->source.data || text.data >= o->source.data + o->source.len) {
        return;
    }

    to = (size_t) (text.data - o->source.data);

    if (to < o->at) {
        o->at = 0;
        o->line = 1;
    }

    for ( /* void */ ; o->at < to; o->at++) {
        o->line += o->source.data[o->at] == '\n';
    }
}


/* As many bytes, at most max, as are whole characters. */
static size_t
pv_whole(pv_str_t text, size_t max)
{
    if (text.len <= max) {
        return text.len;
    }

    while (max > 0 && (text.data[max] & 0xc0) == 0x80) {
        max--;
    }

    return max;
}
