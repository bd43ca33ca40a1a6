/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "pv_text.h"

#define PV_TIME_LAST  4291747199LL      /* 2105-12-31T23:59:59Z */


static const char *pv_text_code_point_problem(int32_t code_point, int multiline);
static int pv_rfc3339_number(unsigned *out, pv_str_t text, size_t at, size_t digits);
static int64_t pv_days_from_civil(int64_t year, unsigned month, unsigned day);


const char *
pv_text_problem(pv_str_t text, int multiline)
{
    int32_t      code_point;
    size_t       at;
    ssize_t      n;
    const char  *problem;

    for (at = 0; at < text.len; at += (size_t) n) {

        if (text.data[at] >= 0x20 && text.data[at] < 0x7f) {
            n = 1;
            continue;
        }

        n = utf8proc_iterate(text.data + at, (utf8proc_ssize_t) (text.len - at), &code_point);
        if (n <= 0) {
            return "is not valid UTF-8";
        }

        problem = pv_text_code_point_problem(code_point, multiline);
        if (problem != NULL) {
            return problem;
        }
    }

    return NULL;
}


static const char *
pv_text_code_point_problem(int32_t c, int multiline)
{
    if (c == '\n' || c == '\r' || c == '\t') {
        return multiline ? NULL : "has a line break or a tab in it";
    }

    if (c < 0x20 || (c >= 0x7f && c < 0xa0)) {
        return "has a control character in it";
    }

    if ((c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069)) {
        return "has a bidirectional control in it (U+202A to U+202E, U+2066 to U+2069): "
               "it would read differently from what it says";
    }

    return NULL;
}


int
pv_text_nfc(pv_buf_t *out, pv_str_t text)
{
    utf8proc_uint8_t    *composed;
    utf8proc_ssize_t     n;
    static const int     options = UTF8PROC_STABLE | UTF8PROC_COMPOSE;

    if (text.len == 0) {
        return PV_OK;
    }

    composed = NULL;
    n = utf8proc_map(text.data, (utf8proc_ssize_t) text.len, &composed, (utf8proc_option_t) options);
    if (n < 0) {
        return n == UTF8PROC_ERROR_NOMEM ? PV_ERROR : PV_INVALID;
    }

    pv_buf_add(out, composed, (size_t) n);
    free(composed);

    return out->failed ? PV_ERROR : PV_OK;
}


void
pv_text_add_code_point(pv_buf_t *out, uint32_t code_point)
{
    utf8proc_uint8_t   bytes[4];
    utf8proc_ssize_t   n;

    if (code_point == 0 || code_point > 0x10ffff || !utf8proc_codepoint_valid((int32_t) code_point)) {
        code_point = 0xfffd;
    }

    n = utf8proc_encode_char((int32_t) code_point, bytes);
    pv_buf_add(out, bytes, (size_t) n);
}


int
pv_rfc3339_parse(int64_t *out, pv_str_t t)
{
    size_t         at;
    int64_t        offset, time;
    unsigned       year, month, day, hour, minute, second, off_hour, off_minute, leap;
    static const unsigned char  days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    if (pv_rfc3339_number(&year, t, 0, 4) != PV_OK || pv_rfc3339_number(&month, t, 5, 2) != PV_OK
        || pv_rfc3339_number(&day, t, 8, 2) != PV_OK || pv_rfc3339_number(&hour, t, 11, 2) != PV_OK
        || pv_rfc3339_number(&minute, t, 14, 2) != PV_OK || pv_rfc3339_number(&second, t, 17, 2) != PV_OK
        || t.data[4] != '-' || t.data[7] != '-' || t.data[10] != 'T' || t.data[13] != ':' || t.data[16] != ':')
    {
        return PV_INVALID;
    }

    leap = month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    if (year < 1970 || year > 2105 || month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59
        || day < 1 || day > days[month - 1] + leap)
    {
        return PV_INVALID;
    }

    at = 19;

    if (at < t.len && t.data[at] == '.') {
        for (at++; at < t.len && t.data[at] >= '0' && t.data[at] <= '9'; at++) { /* fractions do not matter */ }
        if (at == 20) {
            return PV_INVALID;
        }
    }

    if (t.len == at + 1 && t.data[at] == 'Z') {
        offset = 0;

    } else if (t.len == at + 6 && (t.data[at] == '+' || t.data[at] == '-') && t.data[at + 3] == ':'
               && pv_rfc3339_number(&off_hour, t, at + 1, 2) == PV_OK && off_hour <= 23
               && pv_rfc3339_number(&off_minute, t, at + 4, 2) == PV_OK && off_minute <= 59)
    {
        offset = (int64_t) off_hour * 3600 + off_minute * 60;
        offset = t.data[at] == '-' ? -offset : offset;

    } else {
        return PV_INVALID;
    }

    time = pv_days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
    if (time < 0 || time > PV_TIME_LAST) {
        return PV_INVALID;
    }

    *out = time;

    return PV_OK;
}


static int
pv_rfc3339_number(unsigned *out, pv_str_t text, size_t at, size_t digits)
{
    unsigned  n;

    if (text.len < at + digits) {
        return PV_INVALID;
    }

    for (n = 0; digits; digits--, at++) {
        if (text.data[at] < '0' || text.data[at] > '9') {
            return PV_INVALID;
        }
        n = n * 10 + (text.data[at] - '0');
    }

    *out = n;

    return PV_OK;
}


/* Days since 1970-01-01 in the proleptic Gregorian calendar. */
static int64_t
pv_days_from_civil(int64_t year, unsigned month, unsigned day)
{
    int64_t  era, year_of_era, day_of_year;

    if (month <= 2) {
        year--;
        month += 12;
    }

    era = year / 400;
    year_of_era = year - era * 400;
    day_of_year = (153 * (month - 3) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}


void
pv_rfc3339_format(char out[PV_RFC3339_SIZE], int64_t time)
{
    char       buf[80];
    int64_t    days, z, era, day_of_era, year_of_era, day_of_year, month, year;
    unsigned   second;

    time = time < 0 ? 0 : time > PV_TIME_LAST ? PV_TIME_LAST : time;
    days = time / 86400;
    second = (unsigned) (time % 86400);

    z = days + 719468;
    era = z / 146097;
    day_of_era = z - era * 146097;
    year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    month = (5 * day_of_year + 2) / 153;
    year = year_of_era + era * 400 + (month >= 10);

    snprintf(buf, sizeof(buf), "%04u-%02u-%02uT%02u:%02u:%02uZ", (unsigned) year,
             (unsigned) (month < 10 ? month + 3 : month - 9),
             (unsigned) (day_of_year - (153 * month + 2) / 5 + 1),
             second / 3600, second / 60 % 60, second % 60);

    memcpy(out, buf, PV_RFC3339_SIZE - 1);
    out[PV_RFC3339_SIZE - 1] = '\0';
}
