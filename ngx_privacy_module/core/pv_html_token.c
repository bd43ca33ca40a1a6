/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pv_html_token.h"


/* Longer names are not of elements that matter before the body. */
#define PV_HTML_DECISIVE  9

#define PV_ATTRIBUTE_MARK    1
#define PV_ATTRIBUTE_SOURCE  2

#define PV_ESCAPED         1
#define PV_DOUBLE_ESCAPED  2

#define pv_html_space(ch)   ((ch) == ' ' || (ch) == '\n' || (ch) == '\t' || (ch) == '\r' || (ch) == '\f')
#define pv_html_letter(ch)  ((unsigned) (((ch) | 0x20) - 'a') < 26)
#define pv_html_lower(ch)   ((unsigned char) ((unsigned) ((ch) - 'A') < 26 ? (ch) | 0x20 : (ch)))


static void pv_html_data(pv_html_t *h);
static void pv_html_tag_start(pv_html_t *h);
static void pv_html_step_open(pv_html_t *h);
static void pv_html_tag_name(pv_html_t *h);
static void pv_html_name_complete(pv_html_t *h);
static void pv_html_step_tag(pv_html_t *h);
static void pv_html_attribute_name(pv_html_t *h);
static void pv_html_attribute_known(pv_html_t *h);
static void pv_html_value(pv_html_t *h, unsigned char quote);
static void pv_html_value_unquoted(pv_html_t *h);
static void pv_html_value_add(pv_html_t *h, const unsigned char *data, size_t len);
static void pv_html_tag_complete(pv_html_t *h);
static void pv_html_start_tag_complete(pv_html_t *h, unsigned flags);
static void pv_html_end_tag_complete(pv_html_t *h);
static int pv_html_foreign(const pv_html_t *h);
static void pv_html_enter(pv_html_t *h, unsigned tag);
static void pv_html_leave_foreign(pv_html_t *h);
static pv_html_marked_t pv_html_mark(const pv_html_t *h);
static void pv_html_step_markup(pv_html_t *h);
static void pv_html_step_comment(pv_html_t *h);
static void pv_html_cdata(pv_html_t *h);
static void pv_html_step_raw(pv_html_t *h);
static void pv_html_raw(pv_html_t *h);
static void pv_html_raw_open(pv_html_t *h);
static void pv_html_raw_end_name(pv_html_t *h);
static void pv_html_script_name(pv_html_t *h);


/* The names of the states and what they do are those of the HTML standard's tokenization. */
void
pv_html_read(pv_html_t *h)
{
    static const unsigned char  bom[] = { 0xEF, 0xBB, 0xBF };

    /* a frameset has no content to mark: where its pieces are cut must not matter either */

    while (h->pos != h->end && !h->pending && !h->held_release && h->mode != PV_MODE_FRAMESET) {

        if (h->state == PV_S_DATA) {
            pv_html_data(h);

        } else if (h->state == PV_S_BOM) {
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

            } else if (h->step != 0) {
                h->state = PV_S_DATA;
                pv_html_place_text(h, 1);

            } else {
                h->state = PV_S_DATA;
            }

        } else if (h->state <= PV_S_END_TAG_OPEN) {
            pv_html_step_open(h);

        } else if (h->state == PV_S_TAG_NAME) {
            pv_html_tag_name(h);

        } else if (h->state <= PV_S_SELF_CLOSING) {
            pv_html_step_tag(h);

        } else if (h->state <= PV_S_BOGUS_COMMENT) {
            pv_html_step_markup(h);

        } else if (h->state <= PV_S_COMMENT_BANG) {
            pv_html_step_comment(h);

        } else if (h->state == PV_S_CDATA) {
            pv_html_cdata(h);

        } else if (h->state == PV_S_PLAINTEXT) {
            h->pos = h->end;

        } else {
            pv_html_step_raw(h);
        }
    }
}


static void
pv_html_data(pv_html_t *h)
{
    if (h->late && h->context_len == 0) {
        h->pending |= h->late;
        h->late = 0;
        h->cut = h->pos;
        return;
    }

    if (h->mode < PV_MODE_IN_BODY && h->context_len == 0) {
        while (h->pos != h->end && pv_html_space(*h->pos)) {
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
        if (h->context_len == 0 && !h->closed_to_marks) {
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
}


static void
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
    h->value_len = 0;
    h->source.len = 0;
    h->source.truncated = 0;
}


/* Behind '<' or '</'. */
static void
pv_html_step_open(pv_html_t *h)
{
    unsigned char  ch;

    ch = *h->pos;

    if (pv_html_letter(ch)) {
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

        if (ch == '>' || ch == '/' || pv_html_space(ch)) {
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


static void
pv_html_step_tag(pv_html_t *h)
{
    unsigned char  ch;

    ch = *h->pos;

    switch (h->state) {

    case PV_S_AFTER_VALUE:
    case PV_S_BEFORE_ATTRIBUTE:
    case PV_S_AFTER_ATTRIBUTE_NAME:
        h->pos++;

        if (pv_html_space(ch)) {
            if (h->state == PV_S_AFTER_VALUE) {
                h->state = PV_S_BEFORE_ATTRIBUTE;
            }

        } else if (ch == '/') {
            h->state = PV_S_SELF_CLOSING;

        } else if (ch == '>') {
            pv_html_tag_complete(h);

        } else if (ch == '=' && h->state == PV_S_AFTER_ATTRIBUTE_NAME) {
            h->state = PV_S_BEFORE_VALUE;

        } else {
            /* also a '=' : here it begins a name */
            h->state = PV_S_ATTRIBUTE_NAME;
            h->attribute = 0;
            h->name[0] = pv_html_lower(ch);
            h->name_len = 1;
        }

        return;

    case PV_S_ATTRIBUTE_NAME:
        pv_html_attribute_name(h);
        return;

    case PV_S_BEFORE_VALUE:
        if (pv_html_space(ch)) {
            h->pos++;

        } else if (ch == '"' || ch == '\'') {
            h->pos++;
            h->state = ch == '"' ? PV_S_VALUE_DOUBLE : PV_S_VALUE_SINGLE;

        } else if (ch == '>') {
            h->pos++;
            pv_html_tag_complete(h);

        } else {
            h->state = PV_S_VALUE_UNQUOTED;
        }

        return;

    case PV_S_VALUE_DOUBLE:
        pv_html_value(h, '"');
        return;

    case PV_S_VALUE_SINGLE:
        pv_html_value(h, '\'');
        return;

    case PV_S_VALUE_UNQUOTED:
        pv_html_value_unquoted(h);
        return;

    default: /* PV_S_SELF_CLOSING */
        if (ch == '>') {
            h->pos++;
            h->self_closing = 1;
            pv_html_tag_complete(h);

        } else {
            h->state = PV_S_BEFORE_ATTRIBUTE;
        }
    }
}


static void
pv_html_attribute_name(pv_html_t *h)
{
    unsigned char  ch;

    while (h->pos != h->end) {
        ch = *h->pos;

        if (ch == '=' || ch == '>' || ch == '/' || pv_html_space(ch)) {
            pv_html_attribute_known(h);

            if (ch == '=') {
                h->pos++;
                h->state = PV_S_BEFORE_VALUE;

            } else {
                h->state = PV_S_AFTER_ATTRIBUTE_NAME;
            }

            return;
        }

        h->pos++;

        if (h->name_len < PV_HTML_NAME_MAX) {
            h->name[h->name_len++] = pv_html_lower(ch);
        }
    }
}


/* The first attribute of a name counts, even when it has no value. */
static void
pv_html_attribute_known(pv_html_t *h)
{
    unsigned  which;

    static const char  mark[] = "data-privacy";

    which = 0;

    if (h->end_tag) {
        return;
    }

    if (h->name_len == sizeof(mark) - 1 && memcmp(h->name, mark, sizeof(mark) - 1) == 0) {
        which = PV_ATTRIBUTE_MARK;

    } else if ((h->want & PV_HTML_WANT_SOURCES) && (h->flags & PV_ELEMENT_SOURCE)) {
        if ((h->tag_id == PV_TAG_LINK && h->name_len == 4 && memcmp(h->name, "href", 4) == 0)
            || (h->tag_id == PV_TAG_OBJECT && h->name_len == 4 && memcmp(h->name, "data", 4) == 0)
            || (h->tag_id != PV_TAG_LINK && h->tag_id != PV_TAG_OBJECT && h->name_len == 3
                && memcmp(h->name, "src", 3) == 0))
        {
            which = PV_ATTRIBUTE_SOURCE;
        }
    }

    h->attribute = (h->seen & which) ? 0 : (unsigned char) which;
    h->seen |= (unsigned char) which;
}


static void
pv_html_value(pv_html_t *h, unsigned char quote)
{
    const unsigned char  *close;

    close = memchr(h->pos, quote, (size_t) (h->end - h->pos));

    if (h->attribute) {
        pv_html_value_add(h, h->pos, (size_t) ((close != NULL ? close : h->end) - h->pos));
    }

    if (close == NULL) {
        h->pos = h->end;
        return;
    }

    h->pos = close + 1;
    h->state = PV_S_AFTER_VALUE;
    h->attribute = 0;
}


static void
pv_html_value_unquoted(pv_html_t *h)
{
    const unsigned char  *p;

    for (p = h->pos; p != h->end && *p != '>' && !pv_html_space(*p); p++) { /* void */ }

    if (h->attribute) {
        pv_html_value_add(h, h->pos, (size_t) (p - h->pos));
    }

    h->pos = p;

    if (p == h->end) {
        return;
    }

    h->pos++;
    h->attribute = 0;

    if (*p == '>') {
        pv_html_tag_complete(h);

    } else {
        h->state = PV_S_BEFORE_ATTRIBUTE;
    }
}


static void
pv_html_value_add(pv_html_t *h, const unsigned char *data, size_t len)
{
    size_t  room;

    if (h->attribute == PV_ATTRIBUTE_MARK) {
        /* one too long stays one too long: PV_HTML_VALUE_MAX is more than any value has */
        room = PV_HTML_VALUE_MAX - h->value_len;
        len = len < room ? len : room;

        memcpy(h->value + h->value_len, data, len);
        h->value_len += (unsigned char) len;
        return;
    }

    room = PV_HTML_SOURCE_MAX - h->source.len;

    if (len > room) {
        h->source.truncated = 1;
        len = room;
    }

    memcpy(h->source.url + h->source.len, data, len);
    h->source.len += len;
}


static void
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

    marked = pv_html_mark(h);

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
static int
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


/* Behind "<!", or in what is no comment but read like one: up to the first '>'; so is a doctype. */
static void
pv_html_step_markup(pv_html_t *h)
{
    const unsigned char  *close;

    static const unsigned char  cdata[] = "[CDATA[";

    if (h->state == PV_S_MARKUP) {
        /* step: 0 nothing yet, 1 to 6 of "[CDATA[", 0x80 one dash */

        if (h->step == 0x80 && *h->pos == '-') {
            h->pos++;
            h->state = PV_S_COMMENT_START;
            return;
        }

        if (h->step == 0 && *h->pos == '-') {
            h->pos++;
            h->step = 0x80;
            return;
        }

        if (h->step < 7 && *h->pos == cdata[h->step] && pv_html_foreign(h)) {
            h->pos++;

            if (++h->step == 7) {
                h->state = PV_S_CDATA;
                h->step = 0;
            }

            return;
        }

        h->state = PV_S_BOGUS_COMMENT;
    }

    close = memchr(h->pos, '>', (size_t) (h->end - h->pos));

    if (close == NULL) {
        h->pos = h->end;
        return;
    }

    h->pos = close + 1;
    h->state = PV_S_DATA;
}


static void
pv_html_step_comment(pv_html_t *h)
{
    unsigned char         ch;
    const unsigned char  *dash;

    if (h->state == PV_S_COMMENT) {
        dash = memchr(h->pos, '-', (size_t) (h->end - h->pos));

        if (dash == NULL) {
            h->pos = h->end;
            return;
        }

        h->pos = dash + 1;
        h->state = PV_S_COMMENT_DASH;
        return;
    }

    ch = *h->pos++;

    if (ch == '>' && h->state != PV_S_COMMENT_DASH) {
        h->state = PV_S_DATA;

    } else if (ch == '-') {
        h->state = h->state == PV_S_COMMENT_START ? PV_S_COMMENT_START_DASH
                   : h->state == PV_S_COMMENT_BANG ? PV_S_COMMENT_DASH : PV_S_COMMENT_END;

    } else if (ch == '!' && h->state == PV_S_COMMENT_END) {
        h->state = PV_S_COMMENT_BANG;

    } else {
        h->state = PV_S_COMMENT;
    }
}


static void
pv_html_cdata(pv_html_t *h)
{
    unsigned char         ch;
    const unsigned char  *bracket;

    if (h->step == 0) {
        bracket = memchr(h->pos, ']', (size_t) (h->end - h->pos));

        if (bracket == NULL) {
            h->pos = h->end;
            return;
        }

        h->pos = bracket + 1;
        h->step = 1;
        return;
    }

    ch = *h->pos++;

    if (ch == ']') {
        h->step = 2;

    } else if (ch == '>' && h->step == 2) {
        h->state = PV_S_DATA;

    } else {
        h->step = 0;
    }
}


static void
pv_html_step_raw(pv_html_t *h)
{
    unsigned char  ch;

    switch (h->state) {

    case PV_S_RAW:
        pv_html_raw(h);
        return;

    case PV_S_RAW_OPEN:
        pv_html_raw_open(h);
        return;

    case PV_S_RAW_END_NAME:
        pv_html_raw_end_name(h);
        return;

    case PV_S_SCRIPT_NAME:
        pv_html_script_name(h);
        return;

    default: /* PV_S_SCRIPT_BANG: behind "<!" of a script */
        ch = *h->pos;

        if (ch != '-') {
            h->state = PV_S_RAW;
            h->step = 0;
            return;
        }

        h->pos++;

        if (++h->step == 2) {
            h->escape = PV_ESCAPED;
            h->state = PV_S_RAW;
            /* step stays 2: these dashes count for "-->" too, so that "<!-->" is over at once */
        }
    }
}


/* step: the dashes that were just read, in an escaped script. */
static void
pv_html_raw(pv_html_t *h)
{
    unsigned char         ch;
    const unsigned char  *p;

    if (!h->escape) {
        p = memchr(h->pos, '<', (size_t) (h->end - h->pos));

        if (p == NULL) {
            h->pos = h->end;
            return;
        }

        h->pos = p + 1;
        h->state = PV_S_RAW_OPEN;
        return;
    }

    while (h->pos != h->end) {
        ch = *h->pos++;

        if (ch == '-') {
            h->step = h->step < 2 ? h->step + 1 : 2;
            continue;
        }

        if (ch == '>' && h->step == 2) {
            h->escape = 0;
            h->step = 0;
            return;
        }

        h->step = 0;

        if (ch == '<') {
            h->state = PV_S_RAW_OPEN;
            return;
        }
    }
}


static void
pv_html_raw_open(pv_html_t *h)
{
    unsigned char  ch;

    ch = *h->pos;
    h->step = 0;
    h->name_len = 0;

    if (ch == '/') {
        h->pos++;
        h->state = h->escape == PV_DOUBLE_ESCAPED ? PV_S_SCRIPT_NAME : PV_S_RAW_END_NAME;

    } else if (ch == '!' && h->raw == PV_TAG_SCRIPT && !h->escape) {
        h->pos++;
        h->state = PV_S_SCRIPT_BANG;

    } else if (h->escape == PV_ESCAPED && pv_html_letter(ch)) {
        h->state = PV_S_SCRIPT_NAME;

    } else {
        h->state = PV_S_RAW;
    }
}


/* Only the end tag of the element itself ends its text. */
static void
pv_html_raw_end_name(pv_html_t *h)
{
    unsigned       flags;
    unsigned char  ch;

    while (h->pos != h->end) {
        ch = *h->pos;

        if (pv_html_letter(ch) && h->name_len < PV_HTML_NAME_MAX) {
            h->name[h->name_len++] = pv_html_lower(ch);
            h->pos++;
            continue;
        }

        if ((ch == '>' || ch == '/' || pv_html_space(ch)) && h->name_len != 0
            && (unsigned) pv_html_element(h->name, h->name_len, &flags) == h->raw)
        {
            pv_html_tag_start(h);
            h->pos--;
            h->tag = NULL;
            h->end_tag = 1;
            h->tag_decided = 1;
            h->tag_id = h->raw;
            h->state = PV_S_BEFORE_ATTRIBUTE;

        } else {
            h->state = PV_S_RAW;
        }

        return;
    }
}


/* "<script" in an escaped script, "</script" in a doubly escaped one: one level up, one down. */
static void
pv_html_script_name(pv_html_t *h)
{
    unsigned char  ch;

    while (h->pos != h->end) {
        ch = *h->pos;

        if (pv_html_letter(ch)) {
            h->pos++;

            if (h->name_len < PV_HTML_NAME_MAX) {
                h->name[h->name_len++] = pv_html_lower(ch);
            }

            continue;
        }

        h->state = PV_S_RAW;

        if (ch == '>' || ch == '/' || pv_html_space(ch)) {
            h->pos++;

            if (h->name_len == 6 && memcmp(h->name, "script", 6) == 0) {
                h->escape = h->escape == PV_ESCAPED ? PV_DOUBLE_ESCAPED : PV_ESCAPED;
            }
        }

        return;
    }
}
