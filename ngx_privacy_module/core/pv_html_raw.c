/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pv_html_token.h"


#define PV_ESCAPED         1
#define PV_DOUBLE_ESCAPED  2


static void pv_html_raw_plain(pv_html_t *h);
static void pv_html_raw_name_start(pv_html_t *h);
static void pv_html_raw(pv_html_t *h);
static void pv_html_raw_open(pv_html_t *h);
static void pv_html_raw_end_name(pv_html_t *h);
static int pv_html_raw_ends(const pv_html_t *h);
static void pv_html_raw_end(pv_html_t *h);
static void pv_html_script_name(pv_html_t *h);


void
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


/* All but what may be the element's own end tag, or "<!" of a script, is skipped. */
static void
pv_html_raw_plain(pv_html_t *h)
{
    const unsigned char  *p, *q;

    static const unsigned char  letters[] = {
        [PV_TAG_NOSCRIPT] = 'n', [PV_TAG_SCRIPT] = 's', [PV_TAG_STYLE] = 's', [PV_TAG_TITLE] = 't',
        [PV_TAG_TEXTAREA] = 't', [PV_TAG_XMP] = 'x', [PV_TAG_IFRAME] = 'i', [PV_TAG_NOEMBED] = 'n',
        [PV_TAG_NOFRAMES] = 'n'
    };

    for (p = h->pos; (p = memchr(p, '<', (size_t) (h->end - p))) != NULL; p++) {
        if (h->end - p < 3 || p[1] == '!') {
            h->pos = p + 1;
            h->state = PV_S_RAW_OPEN;
            return;
        }

        if (p[1] != '/' || (p[2] | 0x20) != letters[h->raw]) {
            continue;
        }

        q = pv_html_read_name(h, p + 2);

        if (q == h->end) {
            /* letter by letter, over the end of the piece */
            h->pos = p + 2;
            h->state = PV_S_RAW_END_NAME;
            h->step = 0;
            pv_html_raw_name_start(h);
            return;
        }

        if (pv_html_raw_ends(h)) {
            h->pos = q;
            pv_html_raw_end(h);
            return;
        }
    }

    h->pos = h->end;
}


static void
pv_html_raw_name_start(pv_html_t *h)
{
    h->name_len = 0;
    memset(h->name, 0, PV_HTML_NAME_MAX);
}


/* step: the dashes that were just read, in an escaped script. */
static void
pv_html_raw(pv_html_t *h)
{
    unsigned char  ch;

    if (!h->escape) {
        pv_html_raw_plain(h);
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
    pv_html_raw_name_start(h);

    if (ch == '/') {
        h->pos++;
        h->state = h->escape == PV_DOUBLE_ESCAPED ? PV_S_SCRIPT_NAME : PV_S_RAW_END_NAME;

    } else if (ch == '!' && h->raw == PV_TAG_SCRIPT && !h->escape) {
        h->pos++;
        h->state = PV_S_SCRIPT_BANG;

    } else if (h->escape == PV_ESCAPED && pv_html_is_letter(ch)) {
        h->state = PV_S_SCRIPT_NAME;

    } else {
        h->state = PV_S_RAW;
    }
}


/* Only the end tag of the element itself ends its text. */
static void
pv_html_raw_end_name(pv_html_t *h)
{
    unsigned char  ch;

    while (h->pos != h->end) {
        ch = *h->pos;

        if (pv_html_is_letter(ch) && h->name_len < PV_HTML_NAME_MAX) {
            h->name[h->name_len++] = pv_html_lower(ch);
            h->pos++;
            continue;
        }

        if ((ch == '>' || ch == '/' || pv_html_is_space(ch)) && pv_html_raw_ends(h)) {
            pv_html_raw_end(h);

        } else {
            h->state = PV_S_RAW;
        }

        return;
    }
}


/* Is the name that of the element? */
static int
pv_html_raw_ends(const pv_html_t *h)
{
    unsigned  flags;

    return h->name_len < PV_HTML_NAME_MAX
           && (unsigned) pv_html_element(h->name, h->name_len, &flags) == h->raw;
}


/* pos: right behind the name of its end tag. */
static void
pv_html_raw_end(pv_html_t *h)
{
    pv_html_tag_start(h);
    h->pos--;
    h->tag = NULL;
    h->end_tag = 1;
    h->tag_decided = 1;
    h->tag_id = h->raw;
    h->state = PV_S_BEFORE_ATTRIBUTE;

    if (*h->pos == '>') {
        h->pos++;
        pv_html_tag_complete(h);
    }
}


/* "<script" in an escaped script, "</script" in a doubly escaped one: one level up, one down. */
static void
pv_html_script_name(pv_html_t *h)
{
    unsigned char  ch;

    while (h->pos != h->end) {
        ch = *h->pos;

        if (pv_html_is_letter(ch)) {
            h->pos++;

            if (h->name_len < PV_HTML_NAME_MAX) {
                h->name[h->name_len++] = pv_html_lower(ch);
            }

            continue;
        }

        h->state = PV_S_RAW;

        if (ch == '>' || ch == '/' || pv_html_is_space(ch)) {
            h->pos++;

            if (h->name_len == 6 && memcmp(h->name, "script", 6) == 0) {
                h->escape = h->escape == PV_ESCAPED ? PV_DOUBLE_ESCAPED : PV_ESCAPED;
            }
        }

        return;
    }
}
