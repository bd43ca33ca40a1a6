/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>
#include <strings.h>

#include "pv_markdown_link.h"
#include "pv_text.h"


int
pv_attribute_decode(pv_buf_t *out, const MD_ATTRIBUTE *a)
{
    size_t    i;
    pv_str_t  part;
    uint32_t  code_point;

    for (i = 0; a->size != 0 && a->substr_offsets[i] < a->size; i++) {
        part.data = (const unsigned char *) a->text + a->substr_offsets[i];
        part.len = a->substr_offsets[i + 1] - a->substr_offsets[i];

        switch (a->substr_types[i]) {

        case MD_TEXT_NORMAL:
            pv_buf_str(out, part);
            break;

        case MD_TEXT_ENTITY:
            if (pv_entity_decode(&code_point, part) != PV_OK) {
                return PV_INVALID;
            }
            pv_text_add_code_point(out, code_point);
            break;

        default:
            return PV_INVALID;
        }
    }

    return PV_OK;
}


int
pv_entity_decode(uint32_t *code_point, pv_str_t e)
{
    size_t    i;
    uint32_t  n, digit, base;
    static const struct { const char *name; uint32_t code_point; }  named[] = {
        { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' }, { "&apos;", '\'' },
        { "&colon;", ':' }, { "&nbsp;", 0xa0 }, { "&copy;", 0xa9 }, { "&mdash;", 0x2014 }, { "&hellip;", 0x2026 }
    };

    for (i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
        if (pv_str_eqs(e, named[i].name)) {
            *code_point = named[i].code_point;
            return PV_OK;
        }
    }

    if (e.len < 4 || e.len > 12 || e.data[0] != '&' || e.data[1] != '#' || e.data[e.len - 1] != ';') {
        return PV_INVALID;
    }

    base = (e.data[2] | 0x20) == 'x' ? 16 : 10;

    for (n = 0, i = base == 16 ? 3 : 2; i < e.len - 1; i++) {
        digit = e.data[i];
        digit = digit >= '0' && digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10;

        if (digit >= base) {
            return PV_INVALID;
        }
        n = n * base + digit;
        n = n > 0x10ffff ? 0x110000 : n;
    }

    *code_point = n;

    return PV_OK;
}


/*
 * Judged after decoding. A scheme is what stands before the first ':' that
 * comes before any '/', '?' or '#'; control characters and spaces are refused
 * anywhere because browsers drop some of them before they look for a scheme.
 */
int
pv_link_allowed(pv_str_t link, int *elsewhere)
{
    size_t  i, k;
    static const struct { const char *name; int elsewhere; }  schemes[] = {
        { "http", 1 }, { "https", 1 }, { "mailto", 0 }, { "tel", 0 }
    };

    if (link.len == 0 || pv_text_problem(link, 0) != NULL || memchr(link.data, '\\', link.len) != NULL
        || memchr(link.data, ' ', link.len) != NULL)
    {
        return 0;
    }

    *elsewhere = link.len >= 2 && link.data[0] == '/' && link.data[1] == '/';

    for (i = 0; i < link.len && strchr("/?#:", link.data[i]) == NULL; i++) { /* void */ }

    if (i == link.len || link.data[i] != ':') {
        return 1;       /* relative */
    }

    for (k = 0; k < sizeof(schemes) / sizeof(schemes[0]); k++) {
        if (strlen(schemes[k].name) == i && strncasecmp((const char *) link.data, schemes[k].name, i) == 0) {
            *elsewhere = schemes[k].elsewhere;
            return 1;
        }
    }

    return 0;
}


/* Percent-encodes what cannot stand in a URL; an existing %XX stays as it is. */
void
pv_link_escape(pv_buf_t *out, pv_str_t link)
{
    size_t         i;
    unsigned char  c;

    for (i = 0; i < link.len; i++) {
        c = link.data[i];

        if (c == '&') {
            pv_buf_puts(out, "&amp;");

        } else if (c == '\'') {
            pv_buf_puts(out, "&#39;");

        } else if (c > 0x20 && c < 0x7f && strchr("\"<>\\^`{|}", c) == NULL) {
            pv_buf_add(out, &c, 1);

        } else {
            pv_buf_printf(out, "%%%02X", c);
        }
    }
}
