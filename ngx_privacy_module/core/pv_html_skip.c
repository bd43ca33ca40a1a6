/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pv_html_token.h"


typedef struct {
    const char  *name;
    size_t       len;
    int          raw;
} pv_html_in_head_t;


static inline int pv_html_skip_spaces(const unsigned char **p, const unsigned char *end);
static const pv_html_in_head_t *pv_html_in_head(const unsigned char *name);
static int pv_html_is_name(const unsigned char *p, const pv_html_in_head_t *element);
static const unsigned char *pv_html_skip_raw(const unsigned char *p, const unsigned char *end,
    const pv_html_in_head_t *element);


const unsigned char  pv_html_ends_name[256] = {
    [' '] = 1, ['\n'] = 1, ['\t'] = 1, ['\r'] = 1, ['\f'] = 1, ['/'] = 2, ['>'] = 2, ['='] = 4
};


#define pv_row(from)                                                                                         \
    (from), (from) + 1, (from) + 2, (from) + 3, (from) + 4, (from) + 5, (from) + 6, (from) + 7, (from) + 8,  \
    (from) + 9, (from) + 10, (from) + 11, (from) + 12, (from) + 13, (from) + 14, (from) + 15

/* In lower case; 0: no part of a tag's name. A zero byte is one, though of no name that we know. */
static const unsigned char  pv_html_name_byte[256] = {
    1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 11, 0, 0, 14, 15,
    pv_row(16),
    0, '!', '"', '#', '$', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', 0,
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', 0, '?',
    '@', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o',
    'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', '[', '\\', ']', '^', '_',
    pv_row(96), pv_row(112), pv_row(128), pv_row(144), pv_row(160), pv_row(176), pv_row(192), pv_row(208),
    pv_row(224), pv_row(240)
};


const unsigned char *
pv_html_read_name(pv_html_t *h, const unsigned char *pos)
{
    size_t                len, room;
    unsigned char         ch;
    const unsigned char  *end;

    end = h->end;
    room = end - pos > PV_HTML_NAME_MAX ? PV_HTML_NAME_MAX : (size_t) (end - pos);
    memset(h->name, 0, PV_HTML_NAME_MAX);

    for (len = 0; len != room && (ch = pv_html_name_byte[pos[len]]) != 0; len++) {
        h->name[len] = ch;
    }

    h->name_len = (unsigned char) len;
    pos += len;

    if (len == PV_HTML_NAME_MAX) {
        while (pos != end && pv_html_name_byte[*pos] != 0) {
            pos++;
        }
    }

    return pos;
}


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


const unsigned char *
pv_html_skip_head(const unsigned char *p, const unsigned char *end)
{
    unsigned                  found;
    const unsigned char      *behind;
    const pv_html_in_head_t  *element;

    while (pv_html_skip_spaces(&p, end) && *p == '<' && end - p > 8) {
        element = pv_html_in_head(p + 1);

        if (element == NULL || !pv_html_is_name(p + 1, element)) {
            break;
        }

        behind = pv_html_skip_attributes(p + 1 + element->len, end, &found);

        if (behind != NULL && element->raw) {
            behind = pv_html_skip_raw(behind, end, element);
        }

        if (behind == NULL) {
            break;
        }

        p = behind;
    }

    return p;
}


static const pv_html_in_head_t *
pv_html_in_head(const unsigned char *name)
{
    static const pv_html_in_head_t  meta = { "meta", 4, 0 }, link = { "link", 4, 0 }, title = { "title", 5, 1 },
        script = { "script", 6, 1 }, style = { "style", 5, 1 };

    switch (name[0] | 0x20) {

    case 'm':
        return &meta;

    case 'l':
        return &link;

    case 't':
        return &title;

    case 's':
        return (name[1] | 0x20) == 'c' ? &script : &style;

    default:
        return NULL;
    }
}


/* And ends there; at least one byte more than the name is there to read. */
static int
pv_html_is_name(const unsigned char *p, const pv_html_in_head_t *element)
{
    size_t  i;

    for (i = 0; i < element->len; i++) {
        if ((p[i] | 0x20) != (unsigned char) element->name[i]) {
            return 0;
        }
    }

    return pv_html_ends_name[p[i]] & 3;
}


/* p: behind its start tag. A "<!" may escape what follows in a script: that is read with care. */
static const unsigned char *
pv_html_skip_raw(const unsigned char *p, const unsigned char *end, const pv_html_in_head_t *element)
{
    unsigned  found;

    for ( /* void */ ; (p = memchr(p, '<', (size_t) (end - p))) != NULL; p++) {
        if ((size_t) (end - p) < element->len + 3 || p[1] == '!') {
            return NULL;
        }

        if (p[1] == '/' && pv_html_is_name(p + 2, element)) {
            return pv_html_skip_attributes(p + 2 + element->len, end, &found);
        }
    }

    return NULL;
}
