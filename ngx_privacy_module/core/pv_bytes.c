/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pv_bytes.h"


#define PV_BUF_FIRST    256
#define PV_REPLACEMENT  0xFFFD


static int pv_buf_reserve(pv_buf_t *b, size_t more);
static uint32_t pv_utf8_next(pv_str_t s, size_t *at, int *valid);
static int pv_base64url_four(const unsigned char *in);
static void pv_problem_add(pv_problems_t *p, unsigned warning, const char *file, unsigned line, const char *field,
    const char *fmt, va_list args);
static char *pv_copy(const char *s);
static int pv_hex_value(unsigned char ch);


static const char  pv_base64url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const signed char  pv_base64url_values[128] = {
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 62, -1, -1,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, -1, -1, -1, -1, -1, -1,
    -1,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, -1, -1, -1, -1, 63,
    -1, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, -1, -1, -1, -1, -1
};

static const char  pv_hex_digits[] = "0123456789abcdef";


pv_str_t
pv_str(const char *s)
{
    pv_str_t  str;

    str.data = (const unsigned char *) s;
    str.len = (s == NULL) ? 0 : strlen(s);

    return str;
}


int
pv_str_eq(pv_str_t a, pv_str_t b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}


int
pv_str_eqs(pv_str_t a, const char *s)
{
    return pv_str_eq(a, pv_str(s));
}


void
pv_buf_init(pv_buf_t *b, size_t max)
{
    memset(b, 0, sizeof(pv_buf_t));
    b->max = (max == SIZE_MAX) ? max - 1 : max;     /* the zero behind the bytes */
}


void
pv_buf_free(pv_buf_t *b)
{
    size_t  max;

    max = b->max;

    free(b->data);
    pv_buf_init(b, max);
}


/* Room for more bytes and the zero behind them; 0 when there can be none. */

static int
pv_buf_reserve(pv_buf_t *b, size_t more)
{
    size_t          need, size;
    unsigned char  *data;

    if (b->failed) {
        return 0;
    }

    if (more > b->max || b->len > b->max - more) {
        b->failed = 1;
        return 0;
    }

    need = b->len + more + 1;

    if (need <= b->size) {
        return 1;
    }

    size = (b->size == 0) ? PV_BUF_FIRST : b->size;

    while (size < need) {
        size = (size > SIZE_MAX / 2) ? need : size * 2;
    }

    if (size > b->max + 1) {
        size = b->max + 1;
    }

    data = realloc(b->data, size);
    if (data == NULL) {
        b->failed = 1;
        return 0;
    }

    b->data = data;
    b->size = size;

    return 1;
}


void
pv_buf_add(pv_buf_t *b, const void *data, size_t len)
{
    if (!pv_buf_reserve(b, len)) {
        return;
    }

    if (len != 0) {
        memcpy(b->data + b->len, data, len);
        b->len += len;
    }

    b->data[b->len] = '\0';
}


unsigned char *
pv_buf_room(pv_buf_t *b, size_t more)
{
    return pv_buf_reserve(b, more) ? b->data + b->len : NULL;
}


void
pv_buf_took(pv_buf_t *b, const unsigned char *end)
{
    b->len = (size_t) (end - b->data);
    b->data[b->len] = '\0';
}


void
pv_buf_str(pv_buf_t *b, pv_str_t s)
{
    pv_buf_add(b, s.data, s.len);
}


void
pv_buf_puts(pv_buf_t *b, const char *s)
{
    pv_buf_str(b, pv_str(s));
}


void
pv_buf_printf(pv_buf_t *b, const char *fmt, ...)
{
    int      n;
    va_list  args;

    va_start(args, fmt);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);

    if (n < 0) {
        b->failed = 1;
        return;
    }

    if (!pv_buf_reserve(b, (size_t) n)) {
        return;
    }

    va_start(args, fmt);
    (void) vsnprintf((char *) b->data + b->len, (size_t) n + 1, fmt, args);
    va_end(args);

    b->len += (size_t) n;
}


void
pv_buf_html(pv_buf_t *b, pv_str_t s)
{
    size_t       i, from;
    const char  *escaped;

    for (i = 0, from = 0; i < s.len; i++) {

        switch (s.data[i]) {
        case '&':
            escaped = "&amp;";
            break;
        case '<':
            escaped = "&lt;";
            break;
        case '>':
            escaped = "&gt;";
            break;
        case '"':
            escaped = "&quot;";
            break;
        case '\'':
            escaped = "&#39;";
            break;
        default:
            continue;
        }

        pv_buf_add(b, s.data + from, i - from);
        pv_buf_puts(b, escaped);
        from = i + 1;
    }

    if (from < s.len) {
        pv_buf_add(b, s.data + from, s.len - from);
    }
}


void
pv_buf_json(pv_buf_t *b, pv_str_t s)
{
    int       valid;
    size_t    i, from;
    uint32_t  ch;

    pv_buf_add(b, "\"", 1);

    for (i = 0; i < s.len; /* void */) {
        from = i;
        ch = pv_utf8_next(s, &i, &valid);

        if (!valid) {
            pv_buf_puts(b, "\xEF\xBF\xBD");

        } else if (ch == '"' || ch == '\\') {
            pv_buf_printf(b, "\\%c", (int) ch);

        } else if (ch == '\n') {
            pv_buf_puts(b, "\\n");

        } else if (ch < 0x20 || ch == 0x7F) {
            pv_buf_printf(b, "\\u%04x", (unsigned) ch);

        } else {
            pv_buf_add(b, s.data + from, i - from);
        }
    }

    pv_buf_add(b, "\"", 1);
}


void
pv_buf_ascii(pv_buf_t *b, pv_str_t html)
{
    int       valid;
    size_t    i, from;
    uint32_t  ch;

    for (i = 0; i < html.len; /* void */) {
        from = i;

        while (i < html.len && html.data[i] < 0x80) {
            i++;
        }

        if (i != from) {
            pv_buf_add(b, html.data + from, i - from);
            continue;
        }

        ch = pv_utf8_next(html, &i, &valid);

        /* HTML reads &#128; to &#159; as windows-1252: a control would become a letter. */

        if (!valid || (ch >= 0x80 && ch < 0xA0)) {
            ch = PV_REPLACEMENT;
        }

        pv_buf_printf(b, "&#%u;", (unsigned) ch);
    }
}


/*
 * The code point at *at, which moves past it. What is invalid is taken as
 * browsers do: one replacement for each maximal part of a sequence.
 */

static uint32_t
pv_utf8_next(pv_str_t s, size_t *at, int *valid)
{
    uint32_t       ch;
    unsigned       more;
    unsigned char  c, low, high;

    c = s.data[(*at)++];
    low = 0x80;
    high = 0xBF;
    *valid = 1;

    if (c < 0x80) {
        return c;
    }

    *valid = 0;

    if (c >= 0xC2 && c <= 0xDF) {
        more = 1;
        ch = c & 0x1F;

    } else if (c >= 0xE0 && c <= 0xEF) {
        more = 2;
        ch = c & 0x0F;
        low = (c == 0xE0) ? 0xA0 : 0x80;        /* overlong */
        high = (c == 0xED) ? 0x9F : 0xBF;       /* surrogates */

    } else if (c >= 0xF0 && c <= 0xF4) {
        more = 3;
        ch = c & 0x07;
        low = (c == 0xF0) ? 0x90 : 0x80;        /* overlong */
        high = (c == 0xF4) ? 0x8F : 0xBF;       /* past U+10FFFF */

    } else {
        return PV_REPLACEMENT;
    }

    for ( /* void */ ; more != 0; more--) {

        if (*at == s.len || s.data[*at] < low || s.data[*at] > high) {
            return PV_REPLACEMENT;
        }

        ch = (ch << 6) | (s.data[(*at)++] & 0x3F);
        low = 0x80;
        high = 0xBF;
    }

    *valid = 1;

    return ch;
}


void
pv_problems_init(pv_problems_t *p)
{
    memset(p, 0, sizeof(pv_problems_t));
}


void
pv_problems_free(pv_problems_t *p)
{
    size_t  i;

    for (i = 0; i < p->count; i++) {
        free(p->list[i].file);
        free(p->list[i].field);
        free(p->list[i].reason);
    }

    free(p->list);
    pv_problems_init(p);
}


void
pv_problem(pv_problems_t *p, const char *file, unsigned line, const char *field, const char *fmt, ...)
{
    va_list  args;

    if (p == NULL) {
        return;
    }

    p->errors++;

    va_start(args, fmt);
    pv_problem_add(p, 0, file, line, field, fmt, args);
    va_end(args);
}


void
pv_warning(pv_problems_t *p, const char *file, unsigned line, const char *field, const char *fmt, ...)
{
    va_list  args;

    if (p == NULL) {
        return;
    }

    p->warnings++;

    va_start(args, fmt);
    pv_problem_add(p, 1, file, line, field, fmt, args);
    va_end(args);
}


/* Out of memory loses the words only: the problem was counted already. */

static void
pv_problem_add(pv_problems_t *p, unsigned warning, const char *file, unsigned line, const char *field,
    const char *fmt, va_list args)
{
    char           text[1024];
    pv_problem_t  *list, *e;

    if (p->count == PV_PROBLEMS_MAX) {
        return;
    }

    list = realloc(p->list, (p->count + 1) * sizeof(pv_problem_t));
    if (list == NULL) {
        return;
    }

    p->list = list;
    e = &list[p->count];

    (void) vsnprintf(text, sizeof(text), fmt, args);

    e->file = pv_copy(file);
    e->field = pv_copy(field);
    e->reason = pv_copy(text);
    e->line = line;
    e->warning = warning;

    if (e->reason == NULL) {
        free(e->file);
        free(e->field);
        return;
    }

    p->count++;
}


static char *
pv_copy(const char *s)
{
    char    *copy;
    size_t   len;

    if (s == NULL) {
        return NULL;
    }

    len = strlen(s) + 1;

    copy = malloc(len);
    if (copy != NULL) {
        memcpy(copy, s, len);
    }

    return copy;
}


size_t
pv_base64url_encode(unsigned char *out, pv_str_t in)
{
    size_t                i, n;
    uint32_t              bits;
    uint64_t              word;
    unsigned char        *p;
    const unsigned char  *from;

    p = out;

    /* six bytes at a time; what is read is a whole word */

    for (i = 0; in.len - i >= sizeof(word); i += 6) {
        from = in.data + i;
        word = (uint64_t) from[0] << 56 | (uint64_t) from[1] << 48 | (uint64_t) from[2] << 40
               | (uint64_t) from[3] << 32 | (uint64_t) from[4] << 24 | (uint64_t) from[5] << 16
               | (uint64_t) from[6] << 8 | from[7];

#pragma GCC unroll 8
        for (n = 0; n < 8; n++) {
            *p++ = (unsigned char) pv_base64url_digits[word >> 58];
            word <<= 6;
        }
    }

    for ( /* void */ ; i + 3 <= in.len; i += 3) {
        bits = (uint32_t) in.data[i] << 16 | (uint32_t) in.data[i + 1] << 8 | in.data[i + 2];

        *p++ = (unsigned char) pv_base64url_digits[bits >> 18];
        *p++ = (unsigned char) pv_base64url_digits[bits >> 12 & 63];
        *p++ = (unsigned char) pv_base64url_digits[bits >> 6 & 63];
        *p++ = (unsigned char) pv_base64url_digits[bits & 63];
    }

    if (in.len - i == 1) {
        bits = (uint32_t) in.data[i] << 16;

        *p++ = (unsigned char) pv_base64url_digits[bits >> 18];
        *p++ = (unsigned char) pv_base64url_digits[bits >> 12 & 63];

    } else if (in.len - i == 2) {
        bits = (uint32_t) in.data[i] << 16 | (uint32_t) in.data[i + 1] << 8;

        *p++ = (unsigned char) pv_base64url_digits[bits >> 18];
        *p++ = (unsigned char) pv_base64url_digits[bits >> 12 & 63];
        *p++ = (unsigned char) pv_base64url_digits[bits >> 6 & 63];
    }

    return (size_t) (p - out);
}


/* The 24 bits of four digits, or negative when one is none. */

static int
pv_base64url_four(const unsigned char *in)
{
    int  a, b, c, d;

    if ((in[0] | in[1] | in[2] | in[3]) & 0x80) {
        return PV_INVALID;
    }

    a = pv_base64url_values[in[0]];
    b = pv_base64url_values[in[1]];
    c = pv_base64url_values[in[2]];
    d = pv_base64url_values[in[3]];

    return ((a | b | c | d) < 0) ? PV_INVALID : (a << 18 | b << 12 | c << 6 | d);
}


long
pv_base64url_decode(unsigned char *out, size_t size, pv_str_t in)
{
    int             value;
    size_t          i, len;
    uint32_t        bits;
    unsigned        pending;
    unsigned char  *p;

    len = in.len / 4 * 3 + (in.len % 4) * 3 / 4;

    if (in.len % 4 == 1 || len > size) {
        return PV_INVALID;
    }

    p = out;
    bits = 0;
    pending = 0;

    for (i = 0; i + 4 <= in.len; i += 4) {
        value = pv_base64url_four(in.data + i);
        if (value < 0) {
            return PV_INVALID;
        }

        *p++ = (unsigned char) (value >> 16);
        *p++ = (unsigned char) (value >> 8);
        *p++ = (unsigned char) value;
    }

    for ( /* void */ ; i < in.len; i++) {
        value = (in.data[i] < 128) ? pv_base64url_values[in.data[i]] : -1;
        if (value < 0) {
            return PV_INVALID;
        }

        bits = (bits << 6) | (uint32_t) value;
        pending += 6;

        if (pending >= 8) {
            pending -= 8;
            *p++ = (unsigned char) (bits >> pending);
            bits &= (1u << pending) - 1;
        }
    }

    /* One value, one spelling. */

    if (bits != 0) {
        return PV_INVALID;
    }

    return (long) (p - out);
}


size_t
pv_hex_encode(char *out, const void *in, size_t len)
{
    size_t                i;
    const unsigned char  *p;

    p = in;

    for (i = 0; i < len; i++) {
        *out++ = pv_hex_digits[p[i] >> 4];
        *out++ = pv_hex_digits[p[i] & 15];
    }

    return len * 2;
}


int
pv_hex_decode(unsigned char *out, size_t len, pv_str_t in)
{
    int     high, low;
    size_t  i;

    if (in.len % 2 != 0 || in.len / 2 != len) {
        return PV_INVALID;
    }

    for (i = 0; i < len; i++) {
        high = pv_hex_value(in.data[i * 2]);
        low = pv_hex_value(in.data[i * 2 + 1]);

        if (high < 0 || low < 0) {
            return PV_INVALID;
        }

        out[i] = (unsigned char) (high << 4 | low);
    }

    return PV_OK;
}


/* Lower case only: one value, one spelling. */

static int
pv_hex_value(unsigned char ch)
{
    if (ch >= '0' && ch <= '9') {
        return ch - '0';
    }

    return (ch >= 'a' && ch <= 'f') ? ch - 'a' + 10 : -1;
}
