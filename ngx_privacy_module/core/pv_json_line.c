/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <string.h>

#include "pv_declared.h"
#include "pv_json_line.h"


typedef struct {
    const unsigned char  *at, *end;
    unsigned              line;
} pv_scan_t;


static int pv_scan_member(pv_scan_t *s, const char **path, unsigned *line);
static int pv_scan_item(pv_scan_t *s, const char **path);
static void pv_scan_space(pv_scan_t *s);
static void pv_scan_value(pv_scan_t *s);
static void pv_scan_string(pv_scan_t *s);
static int pv_scan_char(pv_scan_t *s, int c);
static void pv_scan_name(pv_path_t *name, const unsigned char *start, const unsigned char *end);
static size_t pv_scan_escape(char out[4], const unsigned char *p, const unsigned char *end);
static size_t pv_path_begins(const char *path, const char *name);


unsigned
pv_json_line(pv_str_t json, const char *path)
{
    unsigned   line;
    pv_scan_t  s;

    s.at = json.data;
    s.end = json.data + json.len;
    s.line = 1;

    if (json.len >= 3 && memcmp(json.data, "\xef\xbb\xbf", 3) == 0) {
        s.at += 3;
    }

    pv_scan_space(&s);
    if (s.at >= s.end) {
        return 0;
    }

    line = s.line;

    while (*path != '\0') {
        if (*path == '[') {
            if (!pv_scan_item(&s, &path)) {
                break;
            }
            line = s.line;

        } else {
            path += *path == '.';
            if (!pv_scan_member(&s, &path, &line)) {
                break;
            }
        }
    }

    return line;
}


/* On to the value of the member that the path names next; line: where its name stands. */
static int
pv_scan_member(pv_scan_t *s, const char **path, unsigned *line)
{
    size_t                len, best_len;
    unsigned              at_line;
    pv_path_t             name;
    pv_scan_t             best;
    const unsigned char  *start;

    if (!pv_scan_char(s, '{')) {
        return 0;
    }

    best = *s;
    best_len = 0;

    while (s->at < s->end && *s->at == '"') {
        start = s->at + 1;
        at_line = s->line;

        pv_scan_string(s);
        pv_scan_name(&name, start, s->at > start ? s->at - 1 : start);
        pv_scan_space(s);

        if (!pv_scan_char(s, ':')) {
            break;
        }

        /* A name may hold what parts a path ("a.b"): the longest that fits is meant. */
        len = pv_path_begins(*path, name.text);
        if (len > best_len) {
            best = *s;
            best_len = len;
            *line = at_line;
        }

        pv_scan_value(s);
        pv_scan_space(s);

        if (!pv_scan_char(s, ',')) {
            break;
        }
    }

    *s = best;
    *path += best_len;

    return best_len != 0;
}


/* On to the item whose number the path gives, "[2]". */
static int
pv_scan_item(pv_scan_t *s, const char **path)
{
    char           *end;
    unsigned long   i, n;

    n = strtoul(*path + 1, &end, 10);

    if (end == *path + 1 || *end != ']' || !pv_scan_char(s, '[')) {
        return 0;
    }

    for (i = 0; i < n; i++) {
        pv_scan_value(s);
        pv_scan_space(s);

        if (!pv_scan_char(s, ',')) {
            return 0;
        }
    }

    *path = end + 1;

    return s->at < s->end && *s->at != ']';
}


/* Over the character c and the space behind it. */
static int
pv_scan_char(pv_scan_t *s, int c)
{
    if (s->at >= s->end || *s->at != c) {
        return 0;
    }

    s->at++;
    pv_scan_space(s);

    return 1;
}


static void
pv_scan_space(pv_scan_t *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\r' || *s->at == '\n')) {
        s->line += *s->at == '\n';
        s->at++;
    }
}


static void
pv_scan_value(pv_scan_t *s)
{
    size_t  depth;

    for (depth = 0; s->at < s->end; /* void */ ) {

        switch (*s->at) {

        case '"':
            pv_scan_string(s);
            break;

        case '{': case '[':
            depth++;
            s->at++;
            break;

        case '}': case ']':
            if (depth == 0) {
                return;
            }
            depth--;
            s->at++;
            break;

        case ',':
            if (depth == 0) {
                return;
            }
            s->at++;
            break;

        default:
            s->line += *s->at == '\n';
            s->at++;
        }
    }
}


static void
pv_scan_string(pv_scan_t *s)
{
    for (s->at++; s->at < s->end && *s->at != '"'; s->at++) {
        s->line += *s->at == '\n';
        s->at += *s->at == '\\' && s->at + 1 < s->end;
    }

    s->at += s->at < s->end;
}


/* A member's name as pv_path_key() spells it. */
static void
pv_scan_name(pv_path_t *name, const unsigned char *start, const unsigned char *end)
{
    char    text[64 + 4];
    size_t  n;

    for (n = 0; start < end && n < 64; /* void */ ) {
        if (*start != '\\') {
            text[n++] = (char) *start++;
            continue;
        }

        n += pv_scan_escape(text + n, start, end);
        start += start + 1 < end && start[1] == 'u' ? 6 : 2;
    }

    text[n] = '\0';
    *name = pv_path_key(NULL, text);
}


/* As many bytes as the escape stands for; those that are no ASCII matter by their number only. */
static size_t
pv_scan_escape(char out[4], const unsigned char *p, const unsigned char *end)
{
    char      digits[5];
    unsigned  c;

    memset(out, '?', 4);

    if (p + 5 >= end || p[1] != 'u') {
        out[0] = p + 1 < end && strchr("\"\\/", p[1]) != NULL ? (char) p[1] : '?';
        return 1;
    }

    memcpy(digits, p + 2, 4);
    digits[4] = '\0';
    c = (unsigned) strtoul(digits, NULL, 16);

    if (c < 0x80) {
        out[0] = (char) (c != 0 ? c : '?');
        return 1;
    }

    /* Each half of a pair gives two of the four bytes. */
    return c < 0x800 || (c >= 0xd800 && c <= 0xdfff) ? 2 : 3;
}


/* The length of name when the path begins with it, as a whole part; else 0. */
static size_t
pv_path_begins(const char *path, const char *name)
{
    size_t  len;

    len = strlen(name);

    return strncmp(path, name, len) == 0 && (path[len] == '\0' || path[len] == '.' || path[len] == '[') ? len : 0;
}


void
pv_problems_lines(pv_problems_t *problems, size_t first, const char *file, pv_str_t json)
{
    size_t         i;
    pv_problem_t  *p;

    for (i = first; i < problems->count; i++) {
        p = &problems->list[i];

        if (p->line == 0 && p->field != NULL && p->file != NULL && file != NULL && strcmp(p->file, file) == 0) {
            p->line = pv_json_line(json, p->field);
        }
    }
}
