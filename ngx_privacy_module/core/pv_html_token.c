/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pv_html_token.h"


/* Longer names are not of elements that matter before the body. */
#define PV_HTML_DECISIVE  9


static void pv_html_bom(pv_html_t *h);
static void pv_html_data(pv_html_t *h);
static void pv_html_tag_at_once(pv_html_t *h);
static void pv_html_step_open(pv_html_t *h);
static void pv_html_tag_name(pv_html_t *h);
static void pv_html_name_complete(pv_html_t *h);
static void pv_html_start_tag_complete(pv_html_t *h, unsigned flags);
static void pv_html_end_tag_complete(pv_html_t *h);
static void pv_html_enter(pv_html_t *h, unsigned tag);
static void pv_html_leave_foreign(pv_html_t *h);
static pv_html_marked_t pv_html_mark(const pv_html_t *h);


/* The names of the states and what they do are those of the HTML standard's tokenization. */
void
pv_html_read(pv_html_t *h)
{
    /* a frameset has no content to mark: where its pieces are cut must not matter either */

    while (h->pos != h->end && !h->pending && !h->held_release && h->mode != PV_MODE_FRAMESET) {

        switch (h->state) {

        case PV_S_BOM:
            pv_html_bom(h);
            break;

        case PV_S_DATA:
            pv_html_data(h);
            break;

        case PV_S_TAG_OPEN:
        case PV_S_END_TAG_OPEN:
            pv_html_step_open(h);
            break;

        case PV_S_TAG_NAME:
            pv_html_tag_name(h);
            break;

        case PV_S_BEFORE_ATTRIBUTE:
        case PV_S_ATTRIBUTE_NAME:
        case PV_S_AFTER_ATTRIBUTE_NAME:
        case PV_S_BEFORE_VALUE:
        case PV_S_VALUE_DOUBLE:
        case PV_S_VALUE_SINGLE:
        case PV_S_VALUE_UNQUOTED:
        case PV_S_AFTER_VALUE:
        case PV_S_SELF_CLOSING:
            pv_html_step_tag(h);
            break;

        case PV_S_MARKUP:
        case PV_S_BOGUS_COMMENT:
            pv_html_step_markup(h);
            break;

        case PV_S_COMMENT_START:
        case PV_S_COMMENT_START_DASH:
        case PV_S_COMMENT:
        case PV_S_COMMENT_DASH:
        case PV_S_COMMENT_END:
        case PV_S_COMMENT_BANG:
            pv_html_step_comment(h);
            break;

        case PV_S_CDATA:
            pv_html_cdata(h);
            break;

        case PV_S_RAW:
        case PV_S_RAW_OPEN:
        case PV_S_RAW_END_NAME:
        case PV_S_SCRIPT_BANG:
        case PV_S_SCRIPT_NAME:
            pv_html_step_raw(h);
            break;

        default: /* PV_S_PLAINTEXT */
            h->pos = h->end;
        }
    }
}


static void
pv_html_bom(pv_html_t *h)
{
    static const unsigned char  bom[] = { 0xEF, 0xBB, 0xBF };

    if (h->step == 0) {
        h->tag = h->pos;
    }

    if (h->step < 3 && *h->pos == bom[h->step]) {
        h->pos++;
        h->step++;

        if (h->step == 3) {
            h->state = PV_S_DATA;
            pv_html_no_place(h);
        }

        return;
    }

    h->state = PV_S_DATA;

    if (h->step != 0) {
        pv_html_place_text(h, 1);
    }
}


static void
pv_html_data(pv_html_t *h)
{
    int  open;

    /* nothing is placed inside of svg, math and template, nor where these were too deep to tell */
    open = (h->context_len == 0 && !h->closed_to_marks);

    if (h->late && open) {
        h->pending |= h->late;
        h->late = 0;
        h->cut = h->pos;
        return;
    }

    if (h->mode < PV_MODE_IN_BODY && open) {

        /* sources would have to be read */

        if (h->mode == PV_MODE_IN_HEAD && !(h->want & PV_HTML_WANT_SOURCES) && !pv_html_exact) {
            h->pos = pv_html_skip_head(h->pos, h->end);
        }

        while (h->pos != h->end && pv_html_is_space(*h->pos)) {
            h->pos++;
        }

        if (h->pos == h->end) {
            return;
        }

        if (*h->pos != '<') {
            pv_html_place_text(h, 0);
            return;
        }

    } else {
        if (open) {
            h->pos = pv_html_scan(h->pos, h->end, h->want);

        } else {
            h->pos = memchr(h->pos, '<', (size_t) (h->end - h->pos));
        }

        if (h->pos == NULL || h->pos == h->end) {
            h->pos = h->end;
            return;
        }
    }

    pv_html_tag_start(h);

    if (!pv_html_exact) {
        pv_html_tag_at_once(h);
    }
}


void
pv_html_tag_start(pv_html_t *h)
{
    h->tag = h->pos++;
    h->state = PV_S_TAG_OPEN;
    h->tag_id = PV_TAG_OTHER;
    h->tag_flushed = 0;
    h->tag_decided = 0;
    h->end_tag = 0;
    h->self_closing = 0;
    h->after_tag = 0;
    h->attribute = 0;
    h->seen = 0;
    h->name_len = 0;
    memset(h->name, 0, PV_HTML_NAME_MAX);
    h->value_len = 0;
    h->source.len = 0;
    h->source.truncated = 0;
}


/*
 * A tag that is complete in this piece, and of which no attribute matters.
 * Otherwise it is read only as far as everything before is complete.
 */
static void
pv_html_tag_at_once(pv_html_t *h)
{
    unsigned              end_tag, found;
    const unsigned char  *p;

    p = h->pos;
    end_tag = (p != h->end && *p == '/');
    p += end_tag;

    if (p == h->end || !pv_html_is_letter(*p)) {
        return;
    }

    p = pv_html_read_name(h, p);

    if (p == h->end) {
        /* byte by byte then: something may have to be held */
        h->name_len = 0;
        memset(h->name, 0, PV_HTML_NAME_MAX);
        return;
    }

    h->pos = p;
    h->end_tag = (end_tag != 0);
    h->state = PV_S_BEFORE_ATTRIBUTE;
    pv_html_name_complete(h);

    if (h->pending || h->mode == PV_MODE_FRAMESET
        || ((h->want & PV_HTML_WANT_SOURCES) && (h->flags & PV_ELEMENT_SOURCE)))
    {
        return;
    }

    if (*p == '>') {
        h->pos = p + 1;

    } else {
        p = pv_html_skip_attributes(p, h->end, &found);

        if (p == NULL || (found & PV_SKIPPED_MARK)) {
            return;
        }

        h->pos = p;
        h->self_closing = (found & PV_SKIPPED_SELF_CLOSING) != 0;
    }

    pv_html_tag_complete(h);
}


/* Behind '<' or '</'. */
static void
pv_html_step_open(pv_html_t *h)
{
    unsigned char  ch;

    ch = *h->pos;

    if (pv_html_is_letter(ch)) {
        h->end_tag = (h->state == PV_S_END_TAG_OPEN);
        h->state = PV_S_TAG_NAME;
        return;
    }

    if (h->state == PV_S_TAG_OPEN) {
        if (ch == '/') {
            h->state = PV_S_END_TAG_OPEN;
            h->pos++;
            return;
        }

        if (ch != '!' && ch != '?') {
            h->state = PV_S_DATA;
            pv_html_place_text(h, 1);
            return;
        }
    }

    h->state = ch == '!' && h->state == PV_S_TAG_OPEN ? PV_S_MARKUP : PV_S_BOGUS_COMMENT;
    h->step = 0;

    if (h->state == PV_S_MARKUP) {
        h->pos++;
    }

    pv_html_no_place(h);
}


static void
pv_html_tag_name(pv_html_t *h)
{
    unsigned char  ch;

    while (h->pos != h->end) {
        ch = *h->pos;

        if (ch == '>' || ch == '/' || pv_html_is_space(ch)) {
            pv_html_name_complete(h);
            h->state = PV_S_BEFORE_ATTRIBUTE;
            return;
        }

        h->pos++;

        if (h->name_len < PV_HTML_NAME_MAX) {
            h->name[h->name_len++] = pv_html_lower(ch);
        }

        if (h->name_len >= PV_HTML_DECISIVE && !h->tag_decided) {
            pv_html_place_tag(h, PV_TAG_OTHER, 0);
            return;
        }
    }
}


static void
pv_html_name_complete(pv_html_t *h)
{
    unsigned       flags;
    pv_html_tag_t  tag;

    tag = PV_TAG_OTHER;
    flags = 0;

    if (h->name_len < PV_HTML_NAME_MAX) {
        tag = pv_html_element(h->name, h->name_len, &flags);
    }

    h->tag_id = (unsigned char) tag;
    h->flags = (unsigned char) flags;
    h->name_len = 0;

    if (!h->tag_decided) {
        pv_html_place_tag(h, tag, flags);
    }
}


void
pv_html_tag_complete(pv_html_t *h)
{
    h->state = PV_S_DATA;

    if (h->end_tag) {
        pv_html_end_tag_complete(h);

    } else {
        pv_html_start_tag_complete(h, h->flags);
    }
}


static void
pv_html_start_tag_complete(pv_html_t *h, unsigned flags)
{
    unsigned          places;
    pv_html_marked_t  marked;

    places = h->after_tag & h->want & ~h->found;

    if (pv_html_foreign(h)) {
        if (!(flags & PV_ELEMENT_BREAKOUT)) {
            if (!h->self_closing && (h->tag_id == PV_TAG_TITLE
                                     || (h->tag_id >= PV_TAG_SVG && h->tag_id <= PV_TAG_MTEXT)))
            {
                pv_html_enter(h, h->tag_id);
            }

            return;
        }

        pv_html_leave_foreign(h);
    }

    marked = h->value_len != 0 ? pv_html_mark(h) : PV_MARKED_NONE;

    if (marked != PV_MARKED_NONE && h->context_len == 0 && !h->closed_to_marks
        && !(flags & (PV_ELEMENT_VOID|PV_ELEMENT_RAW|PV_ELEMENT_UNMARKED)))
    {
        h->marked = marked;
        places |= h->want & PV_HTML_WANT_MARKED;
    }

    if ((flags & PV_ELEMENT_SOURCE) && (h->seen & PV_ATTRIBUTE_SOURCE)) {
        h->source.tag = h->tag_id;
        places |= h->want & PV_HTML_WANT_SOURCES;
    }

    h->pending |= (unsigned char) places;
    h->cut = h->pos;

    if (h->tag_id == PV_TAG_TEMPLATE
        || ((h->tag_id == PV_TAG_SVG || h->tag_id == PV_TAG_MATH) && !h->self_closing))
    {
        pv_html_enter(h, h->tag_id);

    } else if (flags & PV_ELEMENT_RAW) {
        h->raw = h->tag_id;
        h->state = PV_S_RAW;
        h->escape = 0;
        h->step = 0;

    } else if (h->tag_id == PV_TAG_PLAINTEXT) {
        h->state = PV_S_PLAINTEXT;
    }
}


static void
pv_html_end_tag_complete(pv_html_t *h)
{
    unsigned  i;

    if (h->context_len == 0) {
        return;
    }

    if (h->tag_id == PV_TAG_TEMPLATE) {
        for (i = h->context_len; i > 0; i--) {
            if (h->context[i - 1] == PV_TAG_TEMPLATE) {
                h->context_len = (unsigned char) (i - 1);
                return;
            }
        }

        return;
    }

    if (h->tag_id != PV_TAG_OTHER && h->context[h->context_len - 1] == h->tag_id) {
        h->context_len--;

    } else if (pv_html_foreign(h) && (h->tag_id == PV_TAG_P || h->tag_id == PV_TAG_BR)) {
        pv_html_leave_foreign(h);
    }
}


/* The innermost of what we follow is svg or math, not HTML inside of it. */
int
pv_html_foreign(const pv_html_t *h)
{
    unsigned  top;

    if (h->context_len == 0) {
        return 0;
    }

    top = h->context[h->context_len - 1];

    return top == PV_TAG_SVG || top == PV_TAG_MATH;
}


static void
pv_html_enter(pv_html_t *h, unsigned tag)
{
    if (h->context_len == PV_HTML_CONTEXT_MAX) {
        h->closed_to_marks = 1;
        return;
    }

    h->context[h->context_len++] = (unsigned char) tag;
}


static void
pv_html_leave_foreign(pv_html_t *h)
{
    while (pv_html_foreign(h)) {
        h->context_len--;
    }
}


static pv_html_marked_t
pv_html_mark(const pv_html_t *h)
{
    unsigned  i;

    static const struct { const char *text; size_t len; pv_html_marked_t marked; }  marks[] = {
        { "policy", 6, PV_MARKED_POLICY },
        { "cookies", 7, PV_MARKED_COOKIES },
        { "settings", 8, PV_MARKED_SETTINGS },
        { "version", 7, PV_MARKED_VERSION },
        { "changes", 7, PV_MARKED_CHANGES }
    };

    for (i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        if (h->value_len == marks[i].len && memcmp(h->value, marks[i].text, marks[i].len) == 0) {
            return marks[i].marked;
        }
    }

    return PV_MARKED_NONE;
}
