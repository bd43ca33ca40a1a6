/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * Text into what is compared: words where a script has spaces, grapheme
 * clusters where it has none (Han, Kana, Thai and its neighbours), each mark
 * by itself. After UAX #29, with what it leaves to dictionaries left out.
 */

#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "pv_diff_doc.h"

#define PV_INTERN_FIRST  1024

/* Ids of tokens that are one code point, or one stray byte; the others' are counted from 0. */
#define PV_ID_CHARACTER  0x80000000u
#define PV_ID_BYTE       0x80200000u


typedef struct {
    uint32_t  hash;
    uint32_t  id;           /* + 1; 0: free */
} pv_slot_t;

struct pv_intern_s {
    pv_slot_t  *slots;
    size_t      size;       /* a power of two */
    pv_str_t   *tokens;
    size_t      count, tokens_size;
};

/* What a cluster is to a word. */
typedef enum { PV_SPACE, PV_LETTER, PV_DIGIT, PV_KATAKANA, PV_UNSPACED, PV_MARK } pv_script_t;


static const unsigned char *pv_word_end(const unsigned char *p, const unsigned char *end, pv_script_t script);
static int pv_joins(int32_t c, pv_script_t before, pv_script_t after);
static pv_script_t pv_script(const unsigned char *p, const unsigned char *next, int32_t c);
static pv_diff_token_kind_t pv_mark_kind(int32_t c);
static int pv_intern(pv_intern_t *n, pv_diff_token_t *token, const unsigned char *p, int32_t first);
static int pv_intern_grow(pv_intern_t *n);


pv_intern_t *
pv_intern_create(size_t words)
{
    pv_intern_t  *n;

    n = calloc(1, sizeof(pv_intern_t));
    if (n == NULL) {
        return NULL;
    }

    for (n->size = PV_INTERN_FIRST; n->size < words; n->size *= 2) { /* void */ }

    n->slots = calloc(n->size, sizeof(pv_slot_t));
    if (n->slots == NULL) {
        free(n);
        return NULL;
    }

    return n;
}


void
pv_intern_free(pv_intern_t *n)
{
    if (n != NULL) {
        free(n->slots);
        free(n->tokens);
        free(n);
    }
}


int
pv_doc_tokens(pv_doc_t *doc, uint32_t number, pv_intern_t *intern)
{
    int32_t               c;
    pv_block_t           *block;
    pv_diff_token_t      *token;
    pv_script_t           script;
    const unsigned char  *p, *end, *next;

    block = &doc->blocks[number];
    block->token = (uint32_t) doc->tokens_count;
    p = doc->text + block->at;
    end = p + block->len;

    for ( /* void */ ; p < end; p = next) {

        next = pv_cluster_end(p, end, &c);
        script = pv_script(p, next, c);

        if (script == PV_SPACE) {
            continue;
        }

        token = pv_more((void **) &doc->tokens, &doc->tokens_size, doc->tokens_count, sizeof(pv_diff_token_t));
        if (token == NULL) {
            return PV_ERROR;
        }

        token->at = (uint32_t) (p - doc->text);
        token->kind = script == PV_MARK ? pv_mark_kind(c) : script == PV_UNSPACED ? PV_TOKEN_CHARACTER : PV_TOKEN_WORD;

        if (script == PV_LETTER || script == PV_DIGIT || script == PV_KATAKANA) {
            next = pv_word_end(next, end, script);
        }

        token->len = (uint32_t) (next - p);

        if (pv_intern(intern, token, p, c) != PV_OK) {
            return PV_ERROR;
        }

        doc->tokens_count++;
    }

    block->tokens = (uint32_t) (doc->tokens_count - block->token);

    return PV_OK;
}


/* Past the rest of a word whose first cluster ends at p. */
static const unsigned char *
pv_word_end(const unsigned char *p, const unsigned char *end, pv_script_t script)
{
    int32_t               c, mid;
    pv_script_t           s;
    const unsigned char  *next, *after;

    while (p < end) {

        if (script != PV_KATAKANA && ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z'))
            && (p + 1 == end || p[1] < 0x80))
        {
            script = PV_LETTER;
            p++;
            continue;
        }

        next = pv_cluster_end(p, end, &c);
        s = pv_script(p, next, c);

        if (script == PV_KATAKANA ? s == PV_KATAKANA : s == PV_LETTER || s == PV_DIGIT) {
            script = s;
            p = next;
            continue;
        }

        if (s != PV_MARK || next == end) {
            break;
        }

        mid = c;
        after = next;
        next = pv_cluster_end(after, end, &c);
        s = pv_script(after, next, c);

        if (!pv_joins(mid, script, s)) {
            break;
        }

        script = s;
        p = next;
    }

    return p;
}


/* One of these between two letters, or two digits, is within a word: "don't", "1,000.5", "shop.example". */
static int
pv_joins(int32_t c, pv_script_t before, pv_script_t after)
{
    if (before != after) {
        return 0;
    }

    switch (c) {
    case '.':
    case '\'':
    case 0x2019:
        return before == PV_LETTER || before == PV_DIGIT;
    case 0xb7:
    case 0x5f3:
    case 0x5f4:
        return before == PV_LETTER;
    case ',':
    case 0x66b:
    case 0x66c:
        return before == PV_DIGIT;
    default:
        return 0;
    }
}


/* A cluster is what its first code point is. */
static pv_script_t
pv_script(const unsigned char *p, const unsigned char *next, int32_t c)
{
    size_t  i;
    static const struct { int32_t first, last; }  unspaced[] = {
        { 0x0e00, 0x109f }, { 0x1780, 0x17ff }, { 0x1950, 0x19df }, { 0x1a20, 0x1aaf }, { 0x2e80, 0x2fdf },
        { 0x3005, 0x3007 }, { 0x3021, 0x3029 }, { 0x3041, 0x309f }, { 0x3100, 0x312f }, { 0x31a0, 0x31bf },
        { 0x3400, 0x4dbf }, { 0x4e00, 0x9fff }, { 0xa9e0, 0xa9ff }, { 0xaa60, 0xaadf }, { 0xf900, 0xfaff },
        { 0x16fe0, 0x18d8f }, { 0x1b000, 0x1b2ff }, { 0x20000, 0x3fffd }
    };

    if (c < 0x80) {
        if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
            return next - p == 1 || c == '\r' ? PV_SPACE : PV_MARK;
        }

        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ? PV_LETTER
               : c >= '0' && c <= '9' ? PV_DIGIT : PV_MARK;
    }

    if (c >= 0x4e00 && c <= 0x9fff) {
        return PV_UNSPACED;
    }

    if (c >= 0x0e00) {
        if ((c >= 0x30a1 && c <= 0x30fe && c != 0x30fb) || (c >= 0x31f0 && c <= 0x31ff)
            || (c >= 0xff66 && c <= 0xff9f))
        {
            return PV_KATAKANA;
        }
    }

    switch (utf8proc_category(c)) {

    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_NL:
        for (i = 0; i < sizeof(unspaced) / sizeof(unspaced[0]) && c >= unspaced[i].first; i++) {
            if (c <= unspaced[i].last) {
                return PV_UNSPACED;
            }
        }
        return PV_LETTER;

    case UTF8PROC_CATEGORY_ND:
        return PV_DIGIT;

    case UTF8PROC_CATEGORY_PC:
        return PV_LETTER;

    case UTF8PROC_CATEGORY_NO:
        return PV_DIGIT;

    default:
        return PV_MARK;
    }
}


static pv_diff_token_kind_t
pv_mark_kind(int32_t c)
{
    switch (c) {

    case '.':
    case '!':
    case '?':
    case 0x3002:
    case 0xff01:
    case 0xff1f:
    case 0xff0e:
    case 0x061f:
    case 0x06d4:
    case 0x0964:
        return PV_TOKEN_STOP;

    case ',':
    case ';':
    case ':':
    case 0x3001:
    case 0xff0c:
    case 0xff1b:
    case 0xff1a:
    case 0x060c:
    case 0x061b:
        return PV_TOKEN_CLAUSE;

    case '(':
    case '[':
    case '{':
        return PV_TOKEN_OPEN;
    }

    if (c >= 0x80) {
        switch (utf8proc_category(c)) {
        case UTF8PROC_CATEGORY_PS:
        case UTF8PROC_CATEGORY_PI:
            return PV_TOKEN_OPEN;
        default:
            break;
        }
    }

    return PV_TOKEN_OTHER;
}


const unsigned char *
pv_cluster_end(const unsigned char *p, const unsigned char *end, int32_t *first)
{
    int32_t           c, next, state;
    utf8proc_ssize_t  n;

    if (*p < 0x80) {
        *first = *p;
        p++;

        if (p == end || *p < 0x80) {
            return *first == '\r' && p < end && *p == '\n' ? p + 1 : p;
        }

        c = *first;

    } else {
        n = utf8proc_iterate(p, end - p, &c);
        if (n <= 0) {
            *first = 0xfffd;
            return p + 1;
        }

        *first = c;
        p += n;
    }

    for (state = 0; p < end; p += n, c = next) {

        /* Nothing joins a mark of ASCII, or a Han character, to what is before it but what is rare. */
        if (*p < 0x80 && c >= 0x20) {
            if (c < 0x600 || c >= 0x2e80) {
                break;
            }
        }

        if (*p >= 0xe4 && *p <= 0xe9 && c >= 0x2e80 && c < 0xa000) {
            break;
        }

        n = utf8proc_iterate(p, end - p, &next);
        if (n <= 0 || utf8proc_grapheme_break_stateful(c, next, &state)) {
            break;
        }
    }

    return p;
}


/* Sets id and characters. */
static int
pv_intern(pv_intern_t *n, pv_diff_token_t *token, const unsigned char *p, int32_t first)
{
    size_t     i;
    uint32_t   hash, characters;
    pv_str_t  *known;

    if (token->len <= 4) {
        if (token->len == 1) {
            token->id = *p < 0x80 ? PV_ID_CHARACTER | *p : PV_ID_BYTE | *p;
            token->characters = 1;
            return PV_OK;
        }

        if ((*p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : *p >= 0xc0 ? 2u : 1u) == token->len) {
            token->id = PV_ID_CHARACTER | (uint32_t) first;
            token->characters = 1;
            return PV_OK;
        }
    }

    for (hash = 2166136261u, characters = 0, i = 0; i < token->len; i++) {
        hash = (hash ^ p[i]) * 16777619u;
        characters += (p[i] & 0xc0) != 0x80;
    }

    hash ^= hash >> 15;
    token->characters = characters > UINT16_MAX ? UINT16_MAX : (uint16_t) characters;

    for (i = hash & (n->size - 1); n->slots[i].id != 0; i = (i + 1) & (n->size - 1)) {

        if (n->slots[i].hash == hash) {
            known = &n->tokens[n->slots[i].id - 1];

            if (known->len == token->len && memcmp(known->data, p, token->len) == 0) {
                token->id = n->slots[i].id - 1;
                return PV_OK;
            }
        }
    }

    known = pv_more((void **) &n->tokens, &n->tokens_size, n->count, sizeof(pv_str_t));
    if (known == NULL) {
        return PV_ERROR;
    }

    known->data = p;
    known->len = token->len;
    token->id = (uint32_t) n->count++;
    n->slots[i].hash = hash;
    n->slots[i].id = token->id + 1;

    return n->count < n->size / 2 ? PV_OK : pv_intern_grow(n);
}


static int
pv_intern_grow(pv_intern_t *n)
{
    size_t      i, k, size;
    pv_slot_t  *slots;

    size = n->size * 4;

    slots = calloc(size, sizeof(pv_slot_t));
    if (slots == NULL) {
        return PV_ERROR;
    }

    for (i = 0; i < n->size; i++) {
        if (n->slots[i].id != 0) {
            for (k = n->slots[i].hash & (size - 1); slots[k].id != 0; k = (k + 1) & (size - 1)) { /* void */ }
            slots[k] = n->slots[i];
        }
    }

    free(n->slots);
    n->slots = slots;
    n->size = size;

    return PV_OK;
}
