/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* Dates as HTTP writes them. */

#include <stdio.h>
#include <string.h>

#include "pv_memento.h"
#include "pv_text.h"


/* "Sun, 06 Nov 1994 08:49:37 GMT": where the parts are. */
#define PV_HTTP_DAY     5
#define PV_HTTP_MONTH   8
#define PV_HTTP_YEAR    12
#define PV_HTTP_CLOCK   17


static const char  pv_http_weekdays[7][4] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };    /* 1970-01-01: Thu */

static const char  pv_http_months[12][4] = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
};


int
pv_http_date_parse(int64_t *time, pv_str_t text)
{
    char      again[PV_HTTP_DATE_SIZE], rfc3339[PV_RFC3339_SIZE + 8];
    unsigned  month;

    if (text.len != PV_HTTP_DATE_SIZE - 1) {
        return PV_INVALID;
    }

    for (month = 0; month < 12; month++) {
        if (memcmp(text.data + PV_HTTP_MONTH, pv_http_months[month], 3) == 0) {
            break;
        }
    }

    if (month == 12) {
        return PV_INVALID;
    }

    snprintf(rfc3339, sizeof(rfc3339), "%.4s-%02u-%.2sT%.8sZ", (const char *) text.data + PV_HTTP_YEAR, month + 1,
             (const char *) text.data + PV_HTTP_DAY, (const char *) text.data + PV_HTTP_CLOCK);

    if (pv_rfc3339_parse(time, pv_str(rfc3339)) != PV_OK) {
        return PV_INVALID;
    }

    /* One spelling: what is not written like this again is wrong somewhere, if only in its weekday. */

    pv_http_date_format(again, *time);

    return memcmp(again, text.data, text.len) == 0 ? PV_OK : PV_INVALID;
}


void
pv_http_date_format(char out[PV_HTTP_DATE_SIZE], int64_t time)
{
    char         rfc3339[PV_RFC3339_SIZE];
    int64_t      days;
    const char  *month;

    pv_rfc3339_format(rfc3339, time);

    /* as the year was bounded, so is the weekday */
    (void) pv_rfc3339_parse(&days, pv_str(rfc3339));
    days /= PV_DAY;

    month = pv_http_months[((rfc3339[5] - '0') * 10 + rfc3339[6] - '0' - 1) % 12];

    snprintf(out, PV_HTTP_DATE_SIZE, "%s, %.2s %s %.4s %.8s GMT", pv_http_weekdays[days % 7], rfc3339 + 8, month,
             rfc3339, rfc3339 + 11);
}
