/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pv_html_token.h"


static inline int pv_html_skip_spaces(const unsigned char **p, const unsigned char *end);


const unsigned char  pv_html_ends_name[256] = {
    [' '] = 1, ['\n'] = 1, ['\t'] = 1, ['\r'] = 1, ['\f'] = 1, ['/'] = 2, ['>'] = 2, ['='] = 4
};


const unsigned char *
pv_html_skip_attributes(const unsigned char *p, const unsigned char *end, unsigned *found)
{
    unsigned char         ch;
    const unsigned char  *name;

    *found = 0;

    while (p != end) {
        ch = *p++;

        if (ch == '>') {
            return p;
        }

        if (pv_html_is_space(ch)) {
            continue;
        }

        if (ch == '/') {
            if (p != end && *p == '>') {
                *found |= PV_SKIPPED_SELF_CLOSING;
                return p + 1;
            }

            continue;
        }

        /* whatever else begins a name, also a '=' */

        name = p - 1;

        while (p != end && !pv_html_ends_name[*p]) {
            p++;
        }

        if (p - name == PV_HTML_MARK_LEN && (name[5] | 0x20) == 'p') {
            *found |= PV_SKIPPED_MARK;
        }

        if (!pv_html_skip_spaces(&p, end)) {
            return NULL;
        }

        if (*p != '=') {
            continue;
        }

        p++;

        if (!pv_html_skip_spaces(&p, end)) {
            return NULL;
        }

        if (*p == '"' || *p == '\'') {
            p = memchr(p + 1, *p, (size_t) (end - p - 1));

            if (p == NULL) {
                return NULL;
            }

            p++;
            continue;
        }

        while (p != end && *p != '>' && !pv_html_is_space(*p)) {
            p++;
        }
    }

    return NULL;
}


/* Returns 0 when there is nothing else. */
static inline int
pv_html_skip_spaces(const unsigned char **p, const unsigned char *end)
{
    while (*p != end && pv_html_is_space(**p)) {
        (*p)++;
    }

    return *p != end;
}
