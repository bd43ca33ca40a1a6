/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <string.h>

#include "pv_cookie.h"


static void
within(pv_str_t outer, pv_str_t inner)
{
    if (inner.len != 0 && (inner.data < outer.data || inner.data + inner.len > outer.data + outer.len)) {
        abort();
    }
}


int LLVMFuzzerTestOneInput(const unsigned char *data, size_t len);

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t len)
{
    size_t             cursor, before;
    int64_t            date;
    pv_str_t           line;
    pv_set_cookie_t    c;
    pv_cookie_pair_t   pair;

    line.data = data;
    line.len = len;
    cursor = 0;

    for ( ;; ) {
        before = cursor;

        if (!pv_cookie_next(line, &cursor, &pair)) {
            break;
        }

        if (cursor <= before || pair.raw.len == 0 || memchr(pair.raw.data, ';', pair.raw.len) != NULL
            || (pair.name.len != 0 && memchr(pair.name.data, '=', pair.name.len) != NULL))
        {
            abort();
        }

        within(line, pair.raw);
        within(pair.raw, pair.name);
        within(pair.raw, pair.value);
    }

    if (pv_set_cookie_parse(&c, line) == PV_OK) {
        within(line, c.name);
        within(line, c.value);
        within(line, c.domain);
        within(line, c.path);

        if (c.name.len == 0 && c.value.len == 0) {
            abort();
        }
    }

    if (pv_cookie_date(&date, line) == PV_OK && (date < -11644473600 || date > 253402300799)) {
        abort();
    }

    return 0;
}
