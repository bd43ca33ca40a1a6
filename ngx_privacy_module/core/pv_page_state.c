/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * A visitor's state as JSON. Each choice that a script sends is answered with
 * it, so it is written straight into the answer: no tree is built first, and
 * room is made piece by piece for what each can be at most.
 */

#include <string.h>

#include <utf8proc.h>

#include "pv_pack.h"
#include "pv_page.h"


#define PV_STATE_ESCAPED  6         /* what a byte becomes at most: \uXXXX */
#define PV_STATE_SYNTAX   192       /* names, numbers and punctuation of what is not in a purpose */
#define PV_STATE_PURPOSE  128       /* of a purpose */


static inline unsigned char *pv_state_text(unsigned char *p, const char *text);
static int pv_state_head(pv_buf_t *out, const pv_page_t *page, const pv_verdict_t *verdict);
static int pv_state_purpose(pv_buf_t *out, const pv_page_t *page, const pv_purpose_t *purpose);
static size_t pv_state_plain(pv_str_t s, size_t from);
static unsigned char *pv_state_ascii(unsigned char *p, pv_str_t s);
static unsigned char *pv_state_escape(unsigned char *p, utf8proc_int32_t ch);
static unsigned char *pv_state_bool(unsigned char *p, int value);
static unsigned char *pv_state_number(unsigned char *p, uint32_t value);


static const pv_verdict_t  pv_state_nobody = { PV_UNDECIDED, 0, 0, 0 };


int
pv_json_state(pv_buf_t *out, const pv_page_t *page)
{
    size_t              i;
    const pv_policy_t  *policy;

    policy = page->policy;

    if (policy == NULL) {
        return PV_INVALID;
    }

    if (pv_state_head(out, page, (page->verdict != NULL) ? page->verdict : &pv_state_nobody) != PV_OK) {
        return PV_ERROR;
    }

    for (i = 0; i < policy->purposes_count; i++) {
        if (i != 0) {
            pv_buf_add(out, ",", 1);
        }

        if (pv_state_purpose(out, page, &policy->purposes[i]) != PV_OK) {
            return PV_ERROR;
        }
    }

    pv_buf_add(out, "]}", 2);

    return out->failed ? PV_ERROR : PV_OK;
}


static int
pv_state_head(pv_buf_t *out, const pv_page_t *page, const pv_verdict_t *verdict)
{
    int             plain;
    size_t          size;
    pv_str_t        language, standing, signal;
    unsigned char  *p;

    language = page->policy->texts[page->language].language;
    standing = pv_str(pv_standing_name(verdict->standing));
    signal = pv_str(page->signal);

    /* a token is long, and has nothing to be escaped */

    plain = (page->token.len != 0 && pv_state_plain(page->token, 0) == page->token.len);
    size = (page->policy->version.len + language.len + standing.len + signal.len) * PV_STATE_ESCAPED
           + page->token.len * (plain ? 1 : PV_STATE_ESCAPED);

    p = pv_buf_room(out, size + PV_STATE_SYNTAX);
    if (p == NULL) {
        return PV_ERROR;
    }

    p = pv_state_text(p, "{\"version\":\"");
    p = pv_state_ascii(p, page->policy->version);
    p = pv_state_text(p, "\",\"sequence\":");
    p = pv_state_number(p, page->policy->sequence);
    p = pv_state_text(p, ",\"language\":\"");
    p = pv_state_ascii(p, language);
    p = pv_state_text(p, "\",\"standing\":\"");
    p = pv_state_ascii(p, standing);

    if (page->signal != NULL) {
        p = pv_state_text(p, "\",\"signal\":\"");
        p = pv_state_ascii(p, signal);
        p = pv_state_text(p, "\",\"position\":");

    } else {
        p = pv_state_text(p, "\",\"signal\":null,\"position\":");
    }

    p = pv_state_number(p, page->consent ? page->consent->position : 0);
    p = pv_state_text(p, ",\"pending\":");
    p = pv_state_bool(p, page->pending);
    p = pv_state_text(p, ",\"token\":\"");
    p = plain ? pv_pack_bytes(p, page->token.data, page->token.len) : pv_state_ascii(p, page->token);
    p = pv_state_text(p, "\",\"purposes\":[");

    pv_buf_took(out, p);

    return PV_OK;
}


static int
pv_state_purpose(pv_buf_t *out, const pv_page_t *page, const pv_purpose_t *purpose)
{
    uint64_t             bit;
    pv_str_t             title;
    unsigned char       *p;
    const pv_verdict_t  *verdict;

    bit = (uint64_t) 1 << purpose->bit;
    title = pv_translation(page->policy, purpose->title, page->language);
    verdict = (page->verdict != NULL) ? page->verdict : &pv_state_nobody;

    p = pv_buf_room(out, (purpose->id.len + title.len) * PV_STATE_ESCAPED + PV_STATE_PURPOSE);
    if (p == NULL) {
        return PV_ERROR;
    }

    p = pv_state_text(p, "{\"id\":\"");
    p = pv_state_ascii(p, purpose->id);
    p = pv_state_text(p, "\",\"title\":\"");
    p = pv_state_ascii(p, title);
    p = pv_state_text(p, "\",\"necessary\":");
    p = pv_state_bool(p, purpose->necessary);
    p = pv_state_text(p, ",\"separate\":");
    p = pv_state_bool(p, purpose->separate);
    p = pv_state_text(p, ",\"granted\":");
    p = pv_state_bool(p, purpose->necessary || (verdict->allowed & bit) != 0);
    p = pv_state_text(p, ",\"decided\":");
    p = pv_state_bool(p, (verdict->decided & bit) != 0);
    p = pv_state_text(p, ",\"asked\":");
    p = pv_state_bool(p, (verdict->asked & bit) != 0);
    p = pv_state_text(p, "}");

    pv_buf_took(out, p);

    return PV_OK;
}


/* Of a literal: its length is known to the compiler. */

static inline unsigned char *
pv_state_text(unsigned char *p, const char *text)
{
    size_t  len;

    len = strlen(text);
    memcpy(p, text, len);

    return p + len;
}


/* Where what can stay as it is ends. */

static size_t
pv_state_plain(pv_str_t s, size_t from)
{
    static const unsigned char  plain[256] = { [' '] = 1, ['!'] = 1, ['#' ... '['] = 1, [']' ... '~'] = 1 };

    while (from < s.len && plain[s.data[from]]) {
        from++;
    }

    return from;
}


/* Pure ASCII: the same bytes are right in a script of any charset. */

static unsigned char *
pv_state_ascii(unsigned char *p, pv_str_t s)
{
    size_t              i, from;
    utf8proc_int32_t    ch;
    utf8proc_ssize_t    n;

    for (i = 0; i < s.len; /* void */) {

        from = i;
        i = pv_state_plain(s, from);

        memcpy(p, s.data + from, i - from);
        p += i - from;

        if (i == s.len) {
            break;
        }

        n = utf8proc_iterate(s.data + i, (utf8proc_ssize_t) (s.len - i), &ch);

        if (n <= 0) {
            n = 1;
            ch = 0xFFFD;
        }

        p = pv_state_escape(p, ch);
        i += (size_t) n;
    }

    return p;
}


static unsigned char *
pv_state_escape(unsigned char *p, utf8proc_int32_t ch)
{
    size_t    i, len;
    unsigned  unit;

    static const char  hex[] = "0123456789ABCDEF";

    len = (ch > 0xFFFF) ? 2 : 1;

    for (i = 0; i < len; i++) {
        unit = (unsigned) ch;

        if (len == 2) {
            unit = (i == 0) ? 0xD7C0 + (unit >> 10) : 0xDC00 + (unit & 0x3FF);
        }

        *p++ = '\\';
        *p++ = 'u';
        *p++ = (unsigned char) hex[unit >> 12];
        *p++ = (unsigned char) hex[unit >> 8 & 15];
        *p++ = (unsigned char) hex[unit >> 4 & 15];
        *p++ = (unsigned char) hex[unit & 15];
    }

    return p;
}


static unsigned char *
pv_state_bool(unsigned char *p, int value)
{
    return value ? pv_state_text(p, "true") : pv_state_text(p, "false");
}


static unsigned char *
pv_state_number(unsigned char *p, uint32_t value)
{
    size_t         len;
    unsigned char  text[10], *digit;

    digit = text + sizeof(text);

    do {
        *--digit = (unsigned char) ('0' + value % 10);
        value /= 10;
    } while (value != 0);

    len = (size_t) (text + sizeof(text) - digit);
    memcpy(p, digit, len);

    return p + len;
}
