/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pv_language.h"

#define PV_ACCEPT_MAX    4096       /* bytes of a header that are looked at */
#define PV_ACCEPT_ITEMS  64
#define PV_TAG_MAX       35


/* One element of Accept or Accept-Language. */
typedef struct {
    pv_str_t  value;
    unsigned  quality;      /* 0 to 1000 */
} pv_accept_item_t;


static size_t pv_accept_parse(pv_accept_item_t *items, pv_str_t header);
static size_t pv_accept_element(pv_accept_item_t *item, pv_str_t header, size_t at);
static int pv_accept_quality(unsigned *quality, pv_str_t text);
static pv_str_t pv_trim(pv_str_t s);
static size_t pv_language_find(const pv_str_t *tags, size_t n, pv_str_t range);
static const char *pv_language_script(pv_str_t tag);
static size_t pv_language_chinese(const pv_str_t *tags, size_t n, const char *script);
static int pv_language_serves(pv_str_t tag, pv_str_t range);
static int pv_same_word(pv_str_t a, pv_str_t b);
static int pv_has_part(pv_str_t tag, const char *part);
static pv_str_t pv_media_type(pv_str_t value);
static unsigned pv_accept_offer(const pv_accept_item_t *items, size_t n, pv_str_t offer);


size_t
pv_language_choose(const pv_str_t *tags, size_t n, pv_str_t accept, pv_str_t wanted)
{
    size_t            i, k, found, count, best;
    unsigned          quality;
    pv_accept_item_t  items[PV_ACCEPT_ITEMS];

    if (wanted.len > 0 && wanted.len <= PV_TAG_MAX) {
        found = pv_language_lookup(tags, n, wanted);
        if (found != PV_LANGUAGE_NONE) {
            return found;
        }
    }

    count = pv_accept_parse(items, accept);
    best = 0;
    quality = 0;

    for (i = 0; i < count; i++) {
        if (items[i].quality <= quality) {
            continue;       /* also q=0: not acceptable */
        }

        k = pv_str_eqs(items[i].value, "*") ? 0 : pv_language_lookup(tags, n, items[i].value);
        if (k != PV_LANGUAGE_NONE) {
            best = k;
            quality = items[i].quality;
        }
    }

    return best;
}


/* RFC 4647 3.4: the range is shortened from its end until something matches. */
size_t
pv_language_lookup(const pv_str_t *tags, size_t n, pv_str_t range)
{
    size_t       found;
    const char  *script;

    if (range.len == 0 || range.len > PV_TAG_MAX) {
        return PV_LANGUAGE_NONE;
    }

    found = pv_language_find(tags, n, range);
    if (found != PV_LANGUAGE_NONE) {
        return found;
    }

    /*
     * Shortening zh-TW to zh would land a reader of traditional characters on
     * the simplified text although there is a traditional one: script first.
     */
    script = pv_language_script(range);
    if (script != NULL) {
        found = pv_language_chinese(tags, n, script);
        if (found != PV_LANGUAGE_NONE) {
            return found;
        }
    }

    for ( ;; ) {
        while (range.len > 0 && range.data[range.len - 1] != '-') {
            range.len--;
        }

        if (range.len == 0) {
            return PV_LANGUAGE_NONE;
        }

        range.len--;

        if (range.len >= 2 && range.data[range.len - 2] == '-') {
            range.len -= 2;         /* a singleton goes with what it introduced */
        }

        found = pv_language_find(tags, n, range);
        if (found != PV_LANGUAGE_NONE) {
            return found;
        }
    }
}


/* The tag itself, else the first that is more exact: zh-CN for "zh", en-GB for "en". */
static size_t
pv_language_find(const pv_str_t *tags, size_t n, pv_str_t range)
{
    size_t    i;
    pv_str_t  head;

    for (i = 0; i < n; i++) {
        if (pv_same_word(tags[i], range)) {
            return i;
        }
    }

    if (pv_same_word(range, pv_str("zh"))) {
        i = pv_language_chinese(tags, n, "hans");
        if (i != PV_LANGUAGE_NONE) {
            return i;
        }
    }

    for (i = 0; i < n; i++) {
        if (tags[i].len > range.len && tags[i].data[range.len] == '-') {
            head.data = tags[i].data;
            head.len = range.len;

            if (pv_same_word(head, range)) {
                return i;
            }
        }
    }

    return PV_LANGUAGE_NONE;
}


/* "hans" or "hant" for a Chinese tag that says or implies one, else NULL. */
static const char *
pv_language_script(pv_str_t tag)
{
    pv_str_t  head;

    head.data = tag.data;
    head.len = 2;

    if (tag.len < 2 || !pv_same_word(head, pv_str("zh")) || (tag.len > 2 && tag.data[2] != '-')) {
        return NULL;
    }

    if (pv_has_part(tag, "hant")) {
        return "hant";
    }

    if (pv_has_part(tag, "hans")) {
        return "hans";
    }

    if (pv_has_part(tag, "tw") || pv_has_part(tag, "hk") || pv_has_part(tag, "mo")) {
        return "hant";
    }

    if (pv_has_part(tag, "cn") || pv_has_part(tag, "sg") || pv_has_part(tag, "my")) {
        return "hans";
    }

    return NULL;
}


static size_t
pv_language_chinese(const pv_str_t *tags, size_t n, const char *script)
{
    size_t       i;
    const char  *has;

    for (i = 0; i < n; i++) {
        has = pv_language_script(tags[i]);
        if (has != NULL && strcmp(has, script) == 0) {
            return i;
        }
    }

    return PV_LANGUAGE_NONE;
}


pv_str_t
pv_language_missed(pv_str_t chosen, pv_str_t accept, pv_str_t wanted)
{
    size_t            i, count, first;
    pv_str_t          none = { NULL, 0 };
    pv_accept_item_t  items[PV_ACCEPT_ITEMS];

    if (wanted.len > 0 && wanted.len <= PV_TAG_MAX) {
        return pv_language_serves(chosen, wanted) ? none : wanted;
    }

    count = pv_accept_parse(items, accept);
    first = PV_LANGUAGE_NONE;

    for (i = 0; i < count; i++) {

        if (items[i].quality == 0) {
            continue;
        }

        if (pv_str_eqs(items[i].value, "*") || pv_language_serves(chosen, items[i].value)) {
            return none;
        }

        if (items[i].value.len <= PV_TAG_MAX && (first == PV_LANGUAGE_NONE || items[i].quality > items[first].quality)) {
            first = i;
        }
    }

    return first != PV_LANGUAGE_NONE ? items[first].value : none;
}


/* 1 when a text in `tag` is what a reader of `range` asked for, be it of another region. */
static int
pv_language_serves(pv_str_t tag, pv_str_t range)
{
    const char  *has, *asked;

    if (pv_language_lookup(&tag, 1, range) == PV_LANGUAGE_NONE) {
        return 0;
    }

    has = pv_language_script(tag);
    asked = pv_language_script(range);

    return has == NULL || asked == NULL || strcmp(has, asked) == 0;
}


int
pv_accept_choose(const pv_str_t *offers, size_t n, pv_str_t accept)
{
    int               best;
    size_t            i, count;
    unsigned          quality, q;
    pv_accept_item_t  items[PV_ACCEPT_ITEMS];

    if (n == 0) {
        return -1;
    }

    accept = pv_trim(accept);
    count = pv_accept_parse(items, accept);

    if (accept.len == 0 || count == 0) {
        return 0;
    }

    best = -1;
    quality = 0;

    for (i = 0; i < n; i++) {
        q = pv_accept_offer(items, count, offers[i]);
        if (q > quality) {
            quality = q;
            best = (int) i;
        }
    }

    return best;
}


/* The quality that the most exact range gives to an offer (RFC 9110 12.5.1). */
static unsigned
pv_accept_offer(const pv_accept_item_t *items, size_t n, pv_str_t offer)
{
    size_t                i, major;
    unsigned              exact, best, quality;
    pv_str_t              range, head;
    const unsigned char  *slash;

    offer = pv_media_type(offer);
    slash = offer.len ? memchr(offer.data, '/', offer.len) : NULL;
    major = slash != NULL ? (size_t) (slash - offer.data) + 1 : offer.len;

    best = 0;
    quality = 0;

    for (i = 0; i < n; i++) {
        range = pv_media_type(items[i].value);
        exact = 0;

        if (pv_same_word(range, offer)) {
            exact = 3;

        } else if (range.len == major + 1 && range.data[major] == '*') {
            head.data = range.data;
            head.len = major;
            exact = pv_same_word(head, (pv_str_t) { offer.data, major }) ? 2 : 0;

        } else if (pv_str_eqs(range, "*/*")) {
            exact = 1;
        }

        if (exact > best || (exact != 0 && exact == best && items[i].quality > quality)) {
            best = exact;
            quality = items[i].quality;
        }
    }

    return quality;
}


/* Without its parameters. */
static pv_str_t
pv_media_type(pv_str_t value)
{
    const unsigned char  *end;

    end = value.len ? memchr(value.data, ';', value.len) : NULL;
    if (end != NULL) {
        value.len = (size_t) (end - value.data);
    }

    return pv_trim(value);
}


/* The elements of a list header, at most PV_ACCEPT_ITEMS; malformed ones are left out. */
static size_t
pv_accept_parse(pv_accept_item_t *items, pv_str_t header)
{
    size_t  at, n;

    if (header.len > PV_ACCEPT_MAX) {
        header.len = PV_ACCEPT_MAX;
    }

    for (at = 0, n = 0; at < header.len && n < PV_ACCEPT_ITEMS; /* void */ ) {
        at = pv_accept_element(&items[n], header, at);

        if (items[n].value.len != 0) {
            n++;
        }
    }

    return n;
}


/* Reads one element at `at`, returns where the next begins. An empty value: there was none that counts. */
static size_t
pv_accept_element(pv_accept_item_t *item, pv_str_t header, size_t at)
{
    int       quoted, first;
    size_t    start;
    pv_str_t  part;

    item->value = (pv_str_t) { NULL, 0 };
    item->quality = 1000;
    quoted = 0;
    first = 1;

    for (start = at; /* void */ ; at++) {

        if (at < header.len && header.data[at] == '"') {
            quoted = !quoted;
        }

        if (at < header.len && (quoted || (header.data[at] != ',' && header.data[at] != ';'))) {
            continue;
        }

        part = pv_trim((pv_str_t) { header.data + start, at - start });

        if (first) {
            item->value = part;

        } else if (part.len >= 2 && (part.data[0] | 0x20) == 'q' && part.data[1] == '=') {
            part.data += 2;
            part.len -= 2;

            if (pv_accept_quality(&item->quality, part) != PV_OK) {
                item->value.len = 0;
            }
        }

        first = 0;
        start = at + 1;

        if (at >= header.len || header.data[at] == ',') {
            return at + 1;
        }
    }
}


/* ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] ) */
static int
pv_accept_quality(unsigned *quality, pv_str_t text)
{
    size_t    i;
    unsigned  q, weight;

    if (text.len == 0 || text.len > 5 || (text.data[0] != '0' && text.data[0] != '1')
        || (text.len > 1 && text.data[1] != '.'))
    {
        return PV_INVALID;
    }

    q = (unsigned) (text.data[0] - '0') * 1000;

    for (i = 2, weight = 100; i < text.len; i++, weight /= 10) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return PV_INVALID;
        }
        q += (unsigned) (text.data[i] - '0') * weight;
    }

    if (q > 1000) {
        return PV_INVALID;
    }

    *quality = q;

    return PV_OK;
}


static pv_str_t
pv_trim(pv_str_t s)
{
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) {
        s.data++;
        s.len--;
    }

    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t')) {
        s.len--;
    }

    return s;
}


/* ASCII case does not matter. */
static int
pv_same_word(pv_str_t a, pv_str_t b)
{
    size_t         i;
    unsigned char  x, y;

    if (a.len != b.len) {
        return 0;
    }

    for (i = 0; i < a.len; i++) {
        x = a.data[i];
        y = b.data[i];
        x = x >= 'A' && x <= 'Z' ? (unsigned char) (x | 0x20) : x;
        y = y >= 'A' && y <= 'Z' ? (unsigned char) (y | 0x20) : y;

        if (x != y) {
            return 0;
        }
    }

    return 1;
}


/* Whether one of the parts between hyphens, after the first, is this. */
static int
pv_has_part(pv_str_t tag, const char *part)
{
    size_t    start, at;
    pv_str_t  one;

    for (start = 0, at = 0; at <= tag.len; at++) {

        if (at < tag.len && tag.data[at] != '-') {
            continue;
        }

        one = (pv_str_t) { tag.data + start, at - start };

        if (start != 0 && pv_same_word(one, pv_str(part))) {
            return 1;
        }

        start = at + 1;
    }

    return 0;
}
