/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pv_html_token.h"


#define PV_ESCAPED         1
#define PV_DOUBLE_ESCAPED  2


static void pv_html_raw(pv_html_t *h);
static void pv_html_raw_open(pv_html_t *h);
static void pv_html_raw_end_name(pv_html_t *h);
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


/* step: the dashes that were just read, in an escaped script. */
static void
pv_html_raw(pv_html_t *h)
{
    unsigned char         ch;
    const unsigned char  *p;

    if (!h->escape) {
        for (p = h->pos; (p = memchr(p, '<', (size_t) (h->end - p))) != NULL; p++) {
            if (h->end - p < 2 || p[1] == '/' || p[1] == '!') {
                h->pos = p + 1;
                h->state = PV_S_RAW_OPEN;
                return;
            }
        }

        h->pos = h->end;
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
    unsigned       flags;
    unsigned char  ch;

    while (h->pos != h->end) {
        ch = *h->pos;

        if (pv_html_is_letter(ch) && h->name_len < PV_HTML_NAME_MAX) {
            h->name[h->name_len++] = pv_html_lower(ch);
            h->pos++;
            continue;
        }

        if ((ch == '>' || ch == '/' || pv_html_is_space(ch)) && h->name_len != 0
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
