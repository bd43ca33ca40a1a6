/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pvr_limit.h"


enum {
    PVR_LIMIT_TYPE = 0,
    PVR_LIMIT_TEXT,             /* of a status or an error */
    PVR_LIMIT_NUMBER,
    PVR_LIMIT_LF,
    PVR_LIMIT_SKIP,             /* inside of a bulk string */
    PVR_LIMIT_END_CR,
    PVR_LIMIT_END_LF,
    PVR_LIMIT_BAD
};


static size_t pvr_limit_text(pvr_limit_t *limit, const unsigned char *data, size_t len);
static int pvr_limit_type(pvr_limit_t *limit, unsigned char c);
static int pvr_limit_digit(pvr_limit_t *limit, unsigned char c);
static int pvr_limit_header(pvr_limit_t *limit);
static int pvr_limit_array(pvr_limit_t *limit);
static void pvr_limit_item(pvr_limit_t *limit);


void
pvr_limit_init(pvr_limit_t *limit)
{
    memset(limit, 0, sizeof(pvr_limit_t));
}


int
pvr_limit_feed(pvr_limit_t *limit, const unsigned char *data, size_t len)
{
    int     rc;
    size_t  i, n;

    for (i = 0; i < len; i++) {

        if (limit->state == PVR_LIMIT_BAD) {
            return PV_INVALID;
        }

        rc = PV_OK;

        if (limit->state == PVR_LIMIT_SKIP) {
            n = len - i;
            n = (limit->skip < n) ? (size_t) limit->skip : n;
            limit->skip -= n;
            i += n - 1;

            if (limit->skip == 0) {
                limit->state = PVR_LIMIT_END_CR;
            }

            continue;
        }

        if (limit->state == PVR_LIMIT_TEXT) {
            i += pvr_limit_text(limit, data + i, len - i) - 1;
            continue;
        }

        if (++limit->bytes > PVR_REPLY_MAX) {
            limit->state = PVR_LIMIT_BAD;
            return PV_INVALID;
        }

        switch (limit->state) {

        case PVR_LIMIT_TYPE:
            rc = pvr_limit_type(limit, data[i]);
            break;

        case PVR_LIMIT_NUMBER:
            rc = pvr_limit_digit(limit, data[i]);
            break;

        case PVR_LIMIT_LF:
            rc = (data[i] == '\n') ? pvr_limit_header(limit) : PV_INVALID;
            break;

        case PVR_LIMIT_END_CR:
            limit->state = PVR_LIMIT_END_LF;
            rc = (data[i] == '\r') ? PV_OK : PV_INVALID;
            break;

        case PVR_LIMIT_END_LF:
            rc = (data[i] == '\n') ? PV_OK : PV_INVALID;
            pvr_limit_item(limit);
            break;
        }

        if (rc != PV_OK) {
            limit->state = PVR_LIMIT_BAD;
            return PV_INVALID;
        }
    }

    return (limit->state == PVR_LIMIT_BAD) ? PV_INVALID : PV_OK;
}


/* As much of a status or an error as there is, its CR included.  Returns how many bytes that is, at least one. */

static size_t
pvr_limit_text(pvr_limit_t *limit, const unsigned char *data, size_t len)
{
    size_t  n;

    for (n = 0; n < len && data[n] != '\r' && data[n] != '\n'; n++) { /* void */ }

    limit->line += n;

    if (n < len) {
        limit->state = (data[n] == '\r') ? PVR_LIMIT_LF : PVR_LIMIT_BAD;
        n++;
    }

    limit->bytes += n;

    if (limit->line > PVR_LIMIT_LINE || limit->bytes > PVR_REPLY_MAX) {
        limit->state = PVR_LIMIT_BAD;
    }

    return n;
}


static int
pvr_limit_type(pvr_limit_t *limit, unsigned char c)
{
    limit->type = c;
    limit->line = 0;
    limit->number = 0;
    limit->digits = 0;
    limit->negative = 0;

    switch (c) {

    case '+':
    case '-':
        limit->state = PVR_LIMIT_TEXT;
        return PV_OK;

    case ':':
    case '$':
    case '*':
        limit->state = PVR_LIMIT_NUMBER;
        return PV_OK;
    }

    return PV_INVALID;
}


static int
pvr_limit_digit(pvr_limit_t *limit, unsigned char c)
{
    if (c == '-' && limit->digits == 0 && !limit->negative) {
        limit->negative = 1;
        return PV_OK;
    }

    if (c == '\r' && limit->digits != 0) {
        limit->state = PVR_LIMIT_LF;
        return PV_OK;
    }

    /* 18 digits: any number that Redis counts with here, and no overflow; integers alone may have 19 */

    if (c < '0' || c > '9' || ++limit->digits > 19) {
        return PV_INVALID;
    }

    if (limit->digits == 19 && limit->type != ':') {
        return PV_INVALID;
    }

    limit->number = limit->number * 10 + (c - '0');

    return PV_OK;
}


/* A whole line was read. */

static int
pvr_limit_header(pvr_limit_t *limit)
{
    if (limit->type == '$' || limit->type == '*') {

        if (limit->negative) {
            /* nil */
            if (limit->number != 1) {
                return PV_INVALID;
            }

        } else if (limit->type == '*') {
            return pvr_limit_array(limit);

        } else {
            if (limit->number > PVR_REPLY_MAX - limit->bytes) {
                return PV_INVALID;
            }

            limit->bytes += (size_t) limit->number;
            limit->skip = limit->number;
            limit->state = limit->skip ? PVR_LIMIT_SKIP : PVR_LIMIT_END_CR;
            return PV_OK;
        }
    }

    pvr_limit_item(limit);

    return PV_OK;
}


static int
pvr_limit_array(pvr_limit_t *limit)
{
    if (limit->number > PVR_REPLY_ELEMENTS - limit->elements) {
        return PV_INVALID;
    }

    limit->elements += (size_t) limit->number;

    if (limit->number == 0) {
        pvr_limit_item(limit);
        return PV_OK;
    }

    if (limit->depth == PVR_REPLY_DEPTH) {
        return PV_INVALID;
    }

    limit->left[limit->depth++] = (uint32_t) limit->number;
    limit->state = PVR_LIMIT_TYPE;

    return PV_OK;
}


/* An item is complete, and with it perhaps the arrays that it ends. */

static void
pvr_limit_item(pvr_limit_t *limit)
{
    limit->state = PVR_LIMIT_TYPE;

    while (limit->depth > 0) {
        if (--limit->left[limit->depth - 1] > 0) {
            return;
        }

        limit->depth--;
    }

    limit->replies++;
    limit->bytes = 0;
    limit->elements = 0;
}
