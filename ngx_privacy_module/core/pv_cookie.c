/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pv_cookie.h"


/* A longer attribute value is ignored by browsers (RFC 6265bis, 5.6). */
#define PV_COOKIE_ATTRIBUTE_MAX  1024

/* The four fields of a cookie-date, each filled by the first token that fits. */
typedef struct {
    unsigned  hour, minute, second;
    unsigned  day, month, year;
    unsigned  has_time:1;
    unsigned  has_day:1;
    unsigned  has_month:1;
    unsigned  has_year:1;
} pv_cookie_date_t;


static inline pv_str_t pv_cookie_trim(const unsigned char *start, const unsigned char *end);
static inline pv_str_t pv_cookie_part(pv_str_t line, size_t *cursor);
static inline void pv_cookie_split(pv_str_t part, pv_str_t *name, pv_str_t *value, int *has_equals);
static int pv_cookie_name_is(pv_str_t name, const char *lower);
static size_t pv_cookie_line_end(pv_str_t line);
static void pv_set_cookie_attribute(pv_set_cookie_t *c, pv_str_t name, pv_str_t value);
static int pv_cookie_max_age(int64_t *out, pv_str_t text);
static unsigned pv_cookie_same_site(pv_str_t value);
static int pv_cookie_date_delimiter(unsigned char ch);
static void pv_cookie_date_token(pv_cookie_date_t *d, pv_str_t token);
static size_t pv_cookie_digits(pv_str_t token, size_t from, size_t most, unsigned *out);
static int pv_cookie_date_time(pv_cookie_date_t *d, pv_str_t token);
static int pv_cookie_date_number(pv_str_t token, size_t least, size_t most, unsigned *out);
static int pv_cookie_date_month(pv_str_t token, unsigned *out);
static int64_t pv_cookie_days(unsigned year, unsigned month, unsigned day);


int
pv_cookie_next(pv_str_t line, size_t *cursor, pv_cookie_pair_t *pair)
{
    int       has_equals;
    pv_str_t  part;

    while (*cursor < line.len) {
        part = pv_cookie_part(line, cursor);

        if (part.len == 0) {
            continue;
        }

        pair->raw = part;
        pv_cookie_split(part, &pair->name, &pair->value, &has_equals);

        return 1;
    }

    return 0;
}


int
pv_cookie_next_of(pv_str_t line, size_t *cursor, pv_str_t prefix, pv_cookie_pair_t *pair)
{
    int                   has_equals;
    const unsigned char  *start, *end;

    while (*cursor < line.len) {
        start = line.data + *cursor;
        end = line.data + line.len;

        while (start < end && (*start == ' ' || *start == '\t')) {
            start++;
        }

        if ((size_t) (end - start) >= prefix.len && memcmp(start, prefix.data, prefix.len) == 0) {
            pair->raw = pv_cookie_part(line, cursor);
            pv_cookie_split(pair->raw, &pair->name, &pair->value, &has_equals);

            if (has_equals) {
                return 1;
            }

            continue;
        }

        end = start < end ? memchr(start, ';', (size_t) (end - start)) : NULL;
        *cursor = end != NULL ? (size_t) (end - line.data) + 1 : line.len;
    }

    return 0;
}


int
pv_set_cookie_name(pv_str_t line, pv_str_t *name, pv_str_t *attributes)
{
    int                   has_equals;
    size_t                cursor;
    pv_str_t              part, value;
    const unsigned char  *semicolon;

    semicolon = line.len != 0 ? memchr(line.data, ';', line.len) : NULL;

    attributes->data = semicolon != NULL ? semicolon : line.data + line.len;
    attributes->len = (size_t) (line.data + line.len - attributes->data);

    part.data = line.data;
    part.len = line.len - attributes->len;
    cursor = 0;

    if (pv_cookie_line_end(part) != part.len) {
        return PV_INVALID;
    }

    pv_cookie_split(pv_cookie_part(part, &cursor), name, &value, &has_equals);

    return name->len != 0 ? PV_OK : PV_INVALID;
}


int
pv_set_cookie_parse(pv_set_cookie_t *c, pv_str_t line)
{
    int       has_equals;
    size_t    cursor;
    pv_str_t  name, value;

    memset(c, 0, sizeof(pv_set_cookie_t));

    line.len = pv_cookie_line_end(line);
    cursor = 0;
    pv_cookie_split(pv_cookie_part(line, &cursor), &c->name, &c->value, &has_equals);

    if (c->name.len == 0 && c->value.len == 0) {
        return PV_INVALID;
    }

    while (cursor < line.len) {
        pv_cookie_split(pv_cookie_part(line, &cursor), &name, &value, &has_equals);

        if (!has_equals) {
            name = value;
            value.data += value.len;
            value.len = 0;
        }

        if (name.len != 0 && value.len <= PV_COOKIE_ATTRIBUTE_MAX) {
            pv_set_cookie_attribute(c, name, value);
        }
    }

    return PV_OK;
}


/* What old browsers cut off, new ones refuse: the part before it is what could be stored at most. */
static size_t
pv_cookie_line_end(pv_str_t line)
{
    size_t    i;
    uint64_t  word, low;

    /* eight bytes at a time, as long as none of them is a control character */

    for (i = 0; line.len - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, line.data + i, sizeof(word));
        low = (word - UINT64_C(0x2020202020202020)) & ~word & UINT64_C(0x8080808080808080);

        if (low != 0) {
            break;
        }
    }

    for ( /* void */ ; i < line.len; i++) {
        if (line.data[i] == '\0' || line.data[i] == '\r' || line.data[i] == '\n') {
            break;
        }
    }

    return i;
}


/* Up to the next ';', trimmed; the cursor is left behind it. */
static inline pv_str_t
pv_cookie_part(pv_str_t line, size_t *cursor)
{
    const unsigned char  *start, *end;

    if (*cursor >= line.len) {
        return (pv_str_t) { line.data, 0 };
    }

    start = line.data + *cursor;
    end = memchr(start, ';', line.len - *cursor);

    if (end == NULL) {
        end = line.data + line.len;
        *cursor = line.len;

    } else {
        *cursor = (size_t) (end - line.data) + 1;
    }

    return pv_cookie_trim(start, end);
}


static inline pv_str_t
pv_cookie_trim(const unsigned char *start, const unsigned char *end)
{
    while (start < end && (*start == ' ' || *start == '\t')) {
        start++;
    }

    while (end > start && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }

    return (pv_str_t) { start, (size_t) (end - start) };
}


/* Without '=' it is all value: so browsers store and send it. */
static inline void
pv_cookie_split(pv_str_t part, pv_str_t *name, pv_str_t *value, int *has_equals)
{
    const unsigned char  *equals;

    equals = part.len ? memchr(part.data, '=', part.len) : NULL;
    *has_equals = (equals != NULL);

    if (equals == NULL) {
        *name = (pv_str_t) { part.data, 0 };
        *value = part;
        return;
    }

    *name = pv_cookie_trim(part.data, equals);
    *value = pv_cookie_trim(equals + 1, part.data + part.len);
}


static void
pv_set_cookie_attribute(pv_set_cookie_t *c, pv_str_t name, pv_str_t value)
{
    int64_t  number;

    /* No two names of one length begin with the same letter. */

    switch (name.len << 8 | (name.data[0] | 0x20)) {

    case 4 << 8 | 'p':
        if (pv_cookie_name_is(name, "path")) {
            c->path = value;
        }
        break;

    case 6 << 8 | 'd':
        if (pv_cookie_name_is(name, "domain")) {
            c->domain = value;
        }
        break;

    case 6 << 8 | 's':
        if (pv_cookie_name_is(name, "secure")) {
            c->secure = 1;
        }
        break;

    case 7 << 8 | 'e':
        if (pv_cookie_name_is(name, "expires") && pv_cookie_date(&number, value) == PV_OK) {
            c->expires = number;
            c->has_expires = 1;
        }
        break;

    case 7 << 8 | 'm':
        if (pv_cookie_name_is(name, "max-age") && pv_cookie_max_age(&number, value) == PV_OK) {
            c->max_age = number;
            c->has_max_age = 1;
        }
        break;

    case 8 << 8 | 'h':
        if (pv_cookie_name_is(name, "httponly")) {
            c->http_only = 1;
        }
        break;

    case 8 << 8 | 's':
        if (pv_cookie_name_is(name, "samesite")) {
            c->same_site = pv_cookie_same_site(value) & 3;
        }
        break;

    case 11 << 8 | 'p':
        if (pv_cookie_name_is(name, "partitioned")) {
            c->partitioned = 1;
        }
        break;
    }
}


static int
pv_cookie_name_is(pv_str_t name, const char *lower)
{
    size_t         i;
    unsigned char  ch;

    for (i = 0; i < name.len; i++) {
        ch = name.data[i];

        if (ch >= 'A' && ch <= 'Z') {
            ch |= 0x20;
        }

        /* the terminating zero differs from every byte but a zero, which names do not hold */
        if (lower[i] == '\0' || ch != (unsigned char) lower[i]) {
            return 0;
        }
    }

    return lower[i] == '\0';
}


/* Zero and below expire at once; a number too large for us is "for ever". */
static int
pv_cookie_max_age(int64_t *out, pv_str_t text)
{
    size_t   i;
    int64_t  n;

    i = (text.len != 0 && text.data[0] == '-');

    if (i == text.len) {
        return PV_INVALID;
    }

    for (n = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return PV_INVALID;
        }

        if (n < INT64_MAX / 10 - 9) {
            n = n * 10 + (text.data[i] - '0');
        }
    }

    *out = text.data[0] == '-' ? -n : n;

    return PV_OK;
}


static unsigned
pv_cookie_same_site(pv_str_t value)
{
    if (pv_cookie_name_is(value, "strict")) {
        return 1;
    }

    if (pv_cookie_name_is(value, "lax")) {
        return 2;
    }

    return pv_cookie_name_is(value, "none") ? 3 : 0;
}


int
pv_cookie_date(int64_t *out, pv_str_t text)
{
    size_t            i, start;
    int64_t           days;
    unsigned          leap_day;
    pv_cookie_date_t  d;

    static const unsigned char  month_days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    memset(&d, 0, sizeof(pv_cookie_date_t));

    for (i = 0; i < text.len; /* void */ ) {
        if (pv_cookie_date_delimiter(text.data[i])) {
            i++;
            continue;
        }

        for (start = i; i < text.len && !pv_cookie_date_delimiter(text.data[i]); i++) { /* void */ }

        pv_cookie_date_token(&d, (pv_str_t) { text.data + start, i - start });
    }

    if (!d.has_time || !d.has_day || !d.has_month || !d.has_year) {
        return PV_INVALID;
    }

    if (d.year < 100) {
        d.year += d.year >= 70 ? 1900 : 2000;
    }

    leap_day = (d.month == 2 && d.year % 4 == 0 && (d.year % 100 != 0 || d.year % 400 == 0));

    if (d.year < 1601 || d.hour > 23 || d.minute > 59 || d.second > 59 || d.day < 1
        || d.day > month_days[d.month - 1] + leap_day)
    {
        return PV_INVALID;
    }

    days = pv_cookie_days(d.year, d.month, d.day);
    *out = ((days * 24 + d.hour) * 60 + d.minute) * 60 + d.second;

    return PV_OK;
}


static int
pv_cookie_date_delimiter(unsigned char ch)
{
    return ch == 0x09 || (ch >= 0x20 && ch <= 0x2F) || (ch >= 0x3B && ch <= 0x40)
           || (ch >= 0x5B && ch <= 0x60) || (ch >= 0x7B && ch <= 0x7E);
}


static void
pv_cookie_date_token(pv_cookie_date_t *d, pv_str_t token)
{
    if (!d->has_time && pv_cookie_date_time(d, token)) {
        d->has_time = 1;

    } else if (!d->has_day && pv_cookie_date_number(token, 1, 2, &d->day)) {
        d->has_day = 1;

    } else if (!d->has_month && pv_cookie_date_month(token, &d->month)) {
        d->has_month = 1;

    } else if (!d->has_year && pv_cookie_date_number(token, 2, 4, &d->year)) {
        d->has_year = 1;
    }
}


/* Digits at token[from], at most `most` of them; returns how many, 0 when there are more. */
static size_t
pv_cookie_digits(pv_str_t token, size_t from, size_t most, unsigned *out)
{
    size_t    n;
    unsigned  value;

    value = 0;

    for (n = 0; from + n < token.len && token.data[from + n] >= '0' && token.data[from + n] <= '9'; n++) {
        if (n == most) {
            return 0;
        }

        value = value * 10 + (token.data[from + n] - '0');
    }

    *out = value;

    return n;
}


static int
pv_cookie_date_time(pv_cookie_date_t *d, pv_str_t token)
{
    size_t    i, n, field;
    unsigned  values[3];

    i = 0;

    for (field = 0; field < 3; field++) {
        if (field != 0) {
            if (i == token.len || token.data[i] != ':') {
                return 0;
            }

            i++;
        }

        n = pv_cookie_digits(token, i, 2, &values[field]);
        if (n == 0) {
            return 0;
        }

        i += n;
    }

    d->hour = values[0];
    d->minute = values[1];
    d->second = values[2];

    return 1;
}


static int
pv_cookie_date_number(pv_str_t token, size_t least, size_t most, unsigned *out)
{
    size_t    n;
    unsigned  value;

    n = pv_cookie_digits(token, 0, most, &value);

    if (n == 0 || n < least) {
        return 0;
    }

    *out = value;

    return 1;
}


static int
pv_cookie_date_month(pv_str_t token, unsigned *out)
{
    unsigned  i;

    static const char  months[] = "janfebmaraprmayjunjulaugsepoctnovdec";

    if (token.len < 3) {
        return 0;
    }

    token.len = 3;

    for (i = 0; i < 12; i++) {
        if ((token.data[0] | 0x20) == months[i * 3] && (token.data[1] | 0x20) == months[i * 3 + 1]
            && (token.data[2] | 0x20) == months[i * 3 + 2])
        {
            *out = i + 1;
            return 1;
        }
    }

    return 0;
}


/* Days from 1970-01-01 in the Gregorian calendar; years start in March so that the leap day comes last. */
static int64_t
pv_cookie_days(unsigned year, unsigned month, unsigned day)
{
    int64_t  y, m;

    y = (int64_t) year - (month <= 2);
    m = month > 2 ? month - 3 : month + 9;

    return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}


const char *
pv_cookie_name_problem(pv_str_t name, int patterns)
{
    size_t         i;
    unsigned char  c;

    if (name.len > 256) {
        return "is longer than 256 characters";
    }

    for (i = 0; i < name.len; i++) {
        c = name.data[i];

        if (patterns && c == '*') {
            if (i != 0 && i != name.len - 1) {
                return "can have \"*\" at its ends only";
            }

        } else if (c <= 0x20 || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c) != NULL) {
            return "is no cookie name: letters, digits and !#$%&'+-.^_`|~ (RFC 6265), \"*\" at either end";
        }
    }

    return name.len == 0 ? "is empty" : NULL;
}
