/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pv_html_token.h"


static void pv_html_attribute_name(pv_html_t *h);
static void pv_html_attribute_known(pv_html_t *h);
static void pv_html_value(pv_html_t *h, unsigned char quote);
static void pv_html_value_unquoted(pv_html_t *h);
static void pv_html_value_add(pv_html_t *h, const unsigned char *data, size_t len);


void
pv_html_step_tag(pv_html_t *h)
{
    unsigned char  ch;

    ch = *h->pos;

    switch (h->state) {

    case PV_S_AFTER_VALUE:
    case PV_S_BEFORE_ATTRIBUTE:
    case PV_S_AFTER_ATTRIBUTE_NAME:
        h->pos++;

        if (pv_html_is_space(ch)) {
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
        if (pv_html_is_space(ch)) {
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

        if (ch == '=' || ch == '>' || ch == '/' || pv_html_is_space(ch)) {
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

    for (p = h->pos; p != h->end && *p != '>' && !pv_html_is_space(*p); p++) { /* void */ }

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
