/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * A visitor's state as JSON. Each choice that a script sends is answered with
 * it, so it is written straight into the answer: no tree is built first.
 */

#include <utf8proc.h>

#include "pv_page.h"


static void pv_state_string(pv_buf_t *out, const char *name, pv_str_t s);
static void pv_state_ascii(pv_buf_t *out, pv_str_t s);
static void pv_state_escape(pv_buf_t *out, utf8proc_int32_t ch);
static void pv_state_bool(pv_buf_t *out, const char *name, int value);
static void pv_state_number(pv_buf_t *out, const char *name, uint32_t value);
static void pv_state_purpose(pv_buf_t *out, const pv_page_t *page, const pv_purpose_t *purpose);


static const pv_verdict_t  pv_state_nobody = { PV_UNDECIDED, 0, 0, 0 };


int
pv_json_state(pv_buf_t *out, const pv_page_t *page)
{
    size_t               i;
    const pv_policy_t   *policy;
    const pv_verdict_t  *verdict;

    policy = page->policy;
    verdict = (page->verdict != NULL) ? page->verdict : &pv_state_nobody;

    if (policy == NULL) {
        return PV_INVALID;
    }

    pv_state_string(out, "{\"version\":", policy->version);
    pv_state_number(out, ",\"sequence\":", policy->sequence);
    pv_state_string(out, ",\"language\":", policy->texts[page->language].language);
    pv_state_string(out, ",\"standing\":", pv_str(pv_standing_name(verdict->standing)));

    if (page->signal != NULL) {
        pv_state_string(out, ",\"signal\":", pv_str(page->signal));

    } else {
        pv_buf_puts(out, ",\"signal\":null");
    }

    pv_state_number(out, ",\"position\":", page->consent ? page->consent->position : 0);
    pv_state_bool(out, ",\"pending\":", page->pending);
    pv_state_string(out, ",\"token\":", page->token);
    pv_buf_puts(out, ",\"purposes\":[");

    for (i = 0; i < policy->purposes_count; i++) {
        if (i != 0) {
            pv_buf_puts(out, ",");
        }

        pv_state_purpose(out, page, &policy->purposes[i]);
    }

    pv_buf_puts(out, "]}");

    return out->failed ? PV_ERROR : PV_OK;
}


static void
pv_state_purpose(pv_buf_t *out, const pv_page_t *page, const pv_purpose_t *purpose)
{
    uint64_t             bit;
    const pv_verdict_t  *verdict;

    bit = (uint64_t) 1 << purpose->bit;
    verdict = (page->verdict != NULL) ? page->verdict : &pv_state_nobody;

    pv_state_string(out, "{\"id\":", purpose->id);
    pv_state_string(out, ",\"title\":", pv_translation(page->policy, purpose->title, page->language));
    pv_state_bool(out, ",\"necessary\":", purpose->necessary);
    pv_state_bool(out, ",\"separate\":", purpose->separate);
    pv_state_bool(out, ",\"granted\":", purpose->necessary || (verdict->allowed & bit) != 0);
    pv_state_bool(out, ",\"decided\":", (verdict->decided & bit) != 0);
    pv_state_bool(out, ",\"asked\":", (verdict->asked & bit) != 0);
    pv_buf_puts(out, "}");
}


static void
pv_state_string(pv_buf_t *out, const char *name, pv_str_t s)
{
    pv_buf_puts(out, name);
    pv_buf_puts(out, "\"");
    pv_state_ascii(out, s);
    pv_buf_puts(out, "\"");
}


/* Pure ASCII: the same bytes are right in a script of any charset. */

static void
pv_state_ascii(pv_buf_t *out, pv_str_t s)
{
    size_t              i, from;
    utf8proc_int32_t    ch;
    utf8proc_ssize_t    n;

    for (i = 0, from = 0; i < s.len; /* void */) {

        if (s.data[i] >= 0x20 && s.data[i] < 0x7F && s.data[i] != '"' && s.data[i] != '\\') {
            i++;
            continue;
        }

        pv_buf_add(out, s.data + from, i - from);

        n = utf8proc_iterate(s.data + i, (utf8proc_ssize_t) (s.len - i), &ch);

        if (n <= 0) {
            n = 1;
            ch = 0xFFFD;
        }

        pv_state_escape(out, ch);

        i += (size_t) n;
        from = i;
    }

    pv_buf_add(out, s.data + from, i - from);
}


static void
pv_state_escape(pv_buf_t *out, utf8proc_int32_t ch)
{
    char      text[12];
    size_t    i, len;
    unsigned  unit;

    static const char  hex[] = "0123456789ABCDEF";

    len = (ch > 0xFFFF) ? 2 : 1;

    for (i = 0; i < len; i++) {
        unit = (unsigned) ch;

        if (len == 2) {
            unit = (i == 0) ? 0xD7C0 + (unit >> 10) : 0xDC00 + (unit & 0x3FF);
        }

        text[6 * i] = '\\';
        text[6 * i + 1] = 'u';
        text[6 * i + 2] = hex[unit >> 12];
        text[6 * i + 3] = hex[unit >> 8 & 15];
        text[6 * i + 4] = hex[unit >> 4 & 15];
        text[6 * i + 5] = hex[unit & 15];
    }

    pv_buf_add(out, text, 6 * len);
}


static void
pv_state_bool(pv_buf_t *out, const char *name, int value)
{
    pv_buf_puts(out, name);
    pv_buf_puts(out, value ? "true" : "false");
}


static void
pv_state_number(pv_buf_t *out, const char *name, uint32_t value)
{
    char  text[10], *p;

    p = text + sizeof(text);

    do {
        *--p = (char) ('0' + value % 10);
        value /= 10;
    } while (value != 0);

    pv_buf_puts(out, name);
    pv_buf_add(out, p, (size_t) (text + sizeof(text) - p));
}
