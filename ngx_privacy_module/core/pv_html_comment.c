/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pv_html_token.h"


/* Behind "<!", or in what is no comment but read like one: up to the first '>'; so is a doctype. */
void
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


void
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


void
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
