/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "pv_keys.h"


#define PV_KEYS_MAC_PARTS  4
#define PV_KEYS_WORDS      4       /* of a line: KIND ID KEY, and "next" where it waits */


typedef struct {
    pv_key_kind_t  kind;
    uint8_t        id;
    unsigned       next;
    unsigned char  key[PV_KEY_LEN];
} pv_keys_line_t;


static int pv_keys_lines(pv_keys_t *keys, pv_str_t text, const char *file, pv_problems_t *problems);
static int pv_keys_line(pv_keys_line_t *out, pv_str_t line, const char *file, unsigned number,
    pv_problems_t *problems);
static int pv_keys_add(pv_keys_t *keys, const pv_keys_line_t *line, const char *file, unsigned number,
    pv_problems_t *problems);
static void pv_keys_complete(const pv_keys_t *keys, const char *file, pv_problems_t *problems);
static int pv_keys_change(pv_keys_change_t *change, pv_str_t old, pv_key_kind_t kind, pv_problems_t *problems);
static void pv_keys_promote(pv_buf_t *text, pv_str_t old, pv_key_kind_t kind);
static int pv_keys_next_line(pv_str_t text, size_t *at, pv_str_t *line);
static pv_str_t pv_keys_word(pv_str_t *line);
static unsigned pv_keys_words(pv_str_t words[PV_KEYS_WORDS], pv_str_t line);
static int pv_keys_kind(pv_str_t word);
static int pv_keys_write(pv_buf_t *text, pv_key_kind_t kind, uint8_t id, const char *end);
static int pv_keys_single(unsigned char key[PV_KEY_LEN], pv_str_t text, const char *name);


static const char *const  pv_key_kinds[PV_KEY_KINDS] = { "cookie", "form", "ledger", "pseudonym" };
static const char         pv_keys_mark[] = "next";


int
pv_keys_parse(pv_keys_t **out, pv_str_t text, const char *file, pv_problems_t *problems)
{
    int         rc;
    size_t      errors;
    pv_keys_t  *keys;

    *out = NULL;
    errors = problems->errors;

    if (text.len > PV_KEYS_FILE_MAX) {
        pv_problem(problems, file, 0, NULL, "a key file has at most %d bytes", PV_KEYS_FILE_MAX);
        return PV_INVALID;
    }

    keys = calloc(1, sizeof(pv_keys_t));
    if (keys == NULL) {
        return PV_ERROR;
    }

    rc = pv_keys_lines(keys, text, file, problems);

    if (rc == PV_OK) {
        pv_keys_complete(keys, file, problems);

        if (problems->errors != errors) {
            rc = PV_INVALID;
        }
    }

    if (rc != PV_OK) {
        pv_keys_free(keys);
        return rc;
    }

    *out = keys;

    return PV_OK;
}


/* PV_ERROR only: what is wrong with a line is in problems, and the next is read. */

static int
pv_keys_lines(pv_keys_t *keys, pv_str_t text, const char *file, pv_problems_t *problems)
{
    int             rc;
    size_t          at;
    unsigned        number;
    pv_str_t        line;
    pv_keys_line_t  parsed;

    rc = PV_OK;

    for (at = 0, number = 1; rc == PV_OK && pv_keys_next_line(text, &at, &line); number++) {

        if (pv_keys_line(&parsed, line, file, number, problems)) {
            rc = pv_keys_add(keys, &parsed, file, number, problems);
        }
    }

    OPENSSL_cleanse(&parsed, sizeof(parsed));

    return rc;
}


/* 1 when the line holds a key. */

static int
pv_keys_line(pv_keys_line_t *out, pv_str_t line, const char *file, unsigned number, pv_problems_t *problems)
{
    int       kind;
    unsigned  n;
    pv_str_t  words[PV_KEYS_WORDS];

    n = pv_keys_words(words, line);

    if (words[0].len == 0 || words[0].data[0] == '#') {
        return 0;
    }

    if (n != 3 && (n != PV_KEYS_WORDS || !pv_str_eqs(words[3], pv_keys_mark))) {
        pv_problem(problems, file, number, NULL, "a line is \"KIND ID KEY\", or \"KIND ID KEY next\"");
        return 0;
    }

    kind = pv_keys_kind(words[0]);

    if (kind < 0) {
        pv_problem(problems, file, number, NULL, "the kind of a key is cookie, form, ledger or pseudonym");
        return 0;
    }

    if (pv_hex_decode(&out->id, 1, words[1]) != PV_OK) {
        pv_problem(problems, file, number, pv_key_kinds[kind], "the id is two digits of 0-9a-f");
        return 0;
    }

    if (pv_base64url_decode(out->key, PV_KEY_LEN, words[2]) != PV_KEY_LEN) {
        /* the key itself is not said: messages end up in logs */
        pv_problem(problems, file, number, pv_key_kinds[kind], "the key is not base64url of %d bytes", PV_KEY_LEN);
        return 0;
    }

    out->kind = (pv_key_kind_t) kind;
    out->next = (n == PV_KEYS_WORDS);

    return 1;
}


static int
pv_keys_add(pv_keys_t *keys, const pv_keys_line_t *line, const char *file, unsigned number,
    pv_problems_t *problems)
{
    pv_key_t  *key;
    pv_str_t   bytes;

    if (pv_keys_find(keys, line->kind, line->id) != NULL) {
        pv_problem(problems, file, number, pv_key_kinds[line->kind], "a second key with the id %02x", line->id);
        return PV_OK;
    }

    if (line->kind == PV_KEY_PSEUDONYM && keys->count[line->kind] == 1) {
        pv_problem(problems, file, number, pv_key_kinds[line->kind],
                   "there is exactly one: another would give every user a new name");
        return PV_OK;
    }

    if (line->next && (keys->count[line->kind] == 0 || pv_keys_waiting(keys, line->kind) != NULL)) {
        pv_problem(problems, file, number, pv_key_kinds[line->kind], keys->count[line->kind] == 0
                   ? "the first of a kind signs: it cannot be \"next\"" : "a second one that is \"next\"");
        return PV_OK;
    }

    if (keys->count[line->kind] == PV_KEYS_MAX) {
        pv_problem(problems, file, number, pv_key_kinds[line->kind], "at most %d keys of a kind", PV_KEYS_MAX);
        return PV_OK;
    }

    bytes.data = line->key;
    bytes.len = PV_KEY_LEN;

    key = &keys->key[line->kind][keys->count[line->kind]];
    key->id = line->id;
    key->next = line->next;
    key->hmac = pv_hmac_create(bytes);

    if (key->hmac == NULL) {
        return PV_ERROR;
    }

    keys->count[line->kind]++;

    return PV_OK;
}


static void
pv_keys_complete(const pv_keys_t *keys, const char *file, pv_problems_t *problems)
{
    int  kind;

    for (kind = 0; kind < PV_KEY_KINDS; kind++) {
        if (keys->count[kind] == 0) {
            pv_problem(problems, file, 0, pv_key_kinds[kind], "there is no key of this kind");
        }
    }
}


void
pv_keys_free(pv_keys_t *keys)
{
    int     kind;
    size_t  i;

    if (keys == NULL) {
        return;
    }

    for (kind = 0; kind < PV_KEY_KINDS; kind++) {
        for (i = 0; i < keys->count[kind]; i++) {
            pv_hmac_free(keys->key[kind][i].hmac);
        }
    }

    free(keys);
}


const pv_key_t *
pv_keys_first(const pv_keys_t *keys, pv_key_kind_t kind)
{
    return (keys->count[kind] != 0) ? &keys->key[kind][0] : NULL;
}


const pv_key_t *
pv_keys_find(const pv_keys_t *keys, pv_key_kind_t kind, uint8_t id)
{
    size_t  i;

    for (i = 0; i < keys->count[kind]; i++) {
        if (keys->key[kind][i].id == id) {
            return &keys->key[kind][i];
        }
    }

    return NULL;
}


const pv_key_t *
pv_keys_waiting(const pv_keys_t *keys, pv_key_kind_t kind)
{
    size_t  i;

    for (i = 0; i < keys->count[kind]; i++) {
        if (keys->key[kind][i].next) {
            return &keys->key[kind][i];
        }
    }

    return NULL;
}


int
pv_keys_mac(unsigned char mac[PV_MAC_LEN], const pv_key_t *key, const char *domain, pv_str_t site,
    const pv_str_t *parts, size_t n)
{
    size_t         i;
    pv_str_t       all[3 + PV_KEYS_MAC_PARTS];
    unsigned char  site_len, digest[PV_SHA256_LEN];

    if (site.len == 0 || site.len > UINT8_MAX || n > PV_KEYS_MAC_PARTS) {
        return PV_ERROR;
    }

    site_len = (unsigned char) site.len;

    all[0].data = (const unsigned char *) domain;
    all[0].len = strlen(domain) + 1;
    all[1].data = &site_len;
    all[1].len = 1;
    all[2] = site;

    for (i = 0; i < n; i++) {
        all[3 + i] = parts[i];
    }

    if (pv_hmac(key->hmac, digest, all, 3 + n) != PV_OK) {
        return PV_ERROR;
    }

    memcpy(mac, digest, PV_MAC_LEN);

    return PV_OK;
}


int
pv_keys_generate(pv_buf_t *text)
{
    int  kind;

    pv_buf_puts(text,
        "# Keys of a node, or of all nodes of a site together. Keep them secret, and keep a copy:\n"
        "# without the ledger keys no consent can be proven any more.\n"
        "#\n"
        "# KIND ID KEY. cookie and form: the first signs, all verify; a key can go once nothing\n"
        "# that it signed is in use. ledger: the first signs, none may go. pseudonym: never changes.\n"
        "# One with \"next\" behind it is to sign once all nodes have it.\n"
        "\n");

    for (kind = 0; kind < PV_KEY_KINDS; kind++) {
        if (pv_keys_write(text, (pv_key_kind_t) kind, 1, "") != PV_OK) {
            return PV_ERROR;
        }
    }

    return text->failed ? PV_ERROR : PV_OK;
}


int
pv_keys_next(pv_buf_t *text, pv_str_t old, pv_key_kind_t kind, pv_keys_change_t *change, pv_problems_t *problems)
{
    int       rc;
    size_t    at, end;
    pv_str_t  line;

    rc = pv_keys_change(change, old, kind, problems);
    if (rc != PV_OK) {
        return rc;
    }

    /* behind the last of its kind; there is one */

    for (at = 0, end = 0; pv_keys_next_line(old, &at, &line); /* void */) {
        if (pv_keys_kind(pv_keys_word(&line)) == (int) kind) {
            end = at;
        }
    }

    pv_buf_add(text, old.data, end);

    if (!change->waited) {
        if (old.data[end - 1] != '\n') {
            pv_buf_add(text, "\n", 1);
        }

        rc = pv_keys_write(text, kind, change->id, pv_keys_mark);
    }

    pv_buf_add(text, old.data + end, old.len - end);

    if (rc != PV_OK) {
        return rc;
    }

    return text->failed ? PV_ERROR : PV_OK;
}


int
pv_keys_rotate(pv_buf_t *text, pv_str_t old, pv_key_kind_t kind, pv_keys_change_t *change, pv_problems_t *problems)
{
    int       rc, written;
    size_t    at, from;
    pv_str_t  line, words[PV_KEYS_WORDS];

    rc = pv_keys_change(change, old, kind, problems);

    written = 0;

    for (at = 0; rc == PV_OK && (from = at, pv_keys_next_line(old, &at, &line)); /* void */) {

        if (pv_keys_words(words, line) && pv_keys_kind(words[0]) == (int) kind) {

            if (!written && change->waited) {
                pv_keys_promote(text, old, kind);

            } else if (!written) {
                rc = pv_keys_write(text, kind, change->id, "");
            }

            written = 1;

            if (words[3].len != 0) {
                continue;       /* the one that waited: it stands in front now */
            }
        }

        pv_buf_add(text, old.data + from, at - from);
    }

    if (rc != PV_OK) {
        return rc;
    }

    return text->failed ? PV_ERROR : PV_OK;
}


/* The key that waits, or an id for a new one, if there is room for it. */

static int
pv_keys_change(pv_keys_change_t *change, pv_str_t old, pv_key_kind_t kind, pv_problems_t *problems)
{
    int              rc;
    pv_keys_t       *keys;
    const pv_key_t  *waiting;

    if (kind != PV_KEY_COOKIE && kind != PV_KEY_FORM && kind != PV_KEY_LEDGER) {
        pv_problem(problems, NULL, 0, NULL, "only cookie, form and ledger keys rotate");
        return PV_INVALID;
    }

    rc = pv_keys_parse(&keys, old, NULL, problems);
    if (rc != PV_OK) {
        return rc;
    }

    waiting = pv_keys_waiting(keys, kind);
    change->waited = (waiting != NULL);
    change->id = waiting ? waiting->id : pv_keys_first(keys, kind)->id;

    while (!waiting && pv_keys_find(keys, kind, change->id) != NULL) {
        change->id++;           /* wraps: there are fewer keys than ids */
    }

    if (!waiting && keys->count[kind] == PV_KEYS_MAX) {
        pv_problem(problems, NULL, 0, pv_key_kinds[kind],
                   "there are %d keys of this kind already: take old ones away first", PV_KEYS_MAX);
        rc = PV_INVALID;
    }

    pv_keys_free(keys);

    return rc;
}


/* Its line as it is, without the mark. */

static void
pv_keys_promote(pv_buf_t *text, pv_str_t old, pv_key_kind_t kind)
{
    size_t    at;
    pv_str_t  line, words[PV_KEYS_WORDS];

    for (at = 0; pv_keys_next_line(old, &at, &line); /* void */) {

        if (pv_keys_words(words, line) == PV_KEYS_WORDS && pv_keys_kind(words[0]) == (int) kind) {
            pv_buf_printf(text, "%-9s ", pv_key_kinds[kind]);
            pv_buf_add(text, words[1].data, words[1].len);
            pv_buf_add(text, " ", 1);
            pv_buf_add(text, words[2].data, words[2].len);
            pv_buf_add(text, "\n", 1);
        }
    }
}


int
pv_public_key_parse(unsigned char pub[PV_ED25519_PUBLIC], pv_str_t text)
{
    return pv_keys_single(pub, text, "privacy-publication-public");
}


int
pv_secret_key_parse(unsigned char secret[PV_ED25519_SECRET], pv_str_t text)
{
    return pv_keys_single(secret, text, "privacy-publication-key");
}


/* A file of one line "NAME KEY"; comments and empty lines around it. */

static int
pv_keys_single(unsigned char key[PV_KEY_LEN], pv_str_t text, const char *name)
{
    size_t    at;
    pv_str_t  line, word, value;
    unsigned  found;

    if (text.len > PV_KEYS_FILE_MAX) {
        return PV_INVALID;
    }

    for (at = 0, found = 0; pv_keys_next_line(text, &at, &line); /* void */) {
        word = pv_keys_word(&line);

        if (word.len == 0 || word.data[0] == '#') {
            continue;
        }

        value = pv_keys_word(&line);

        if (!pv_str_eqs(word, name) || pv_keys_word(&line).len != 0 || found++
            || pv_base64url_decode(key, PV_KEY_LEN, value) != PV_KEY_LEN)
        {
            return PV_INVALID;
        }
    }

    return found ? PV_OK : PV_INVALID;
}


/* The line at *at without its end; *at moves behind it. 0 at the end of the text. */

static int
pv_keys_next_line(pv_str_t text, size_t *at, pv_str_t *line)
{
    const unsigned char  *end;

    if (*at >= text.len) {
        return 0;
    }

    line->data = text.data + *at;
    line->len = text.len - *at;

    end = memchr(line->data, '\n', line->len);

    if (end == NULL) {
        *at = text.len;
        return 1;
    }

    line->len = (size_t) (end - line->data);
    *at += line->len + 1;

    return 1;
}


/* Takes the next word off the line; empty at its end. */

static pv_str_t
pv_keys_word(pv_str_t *line)
{
    pv_str_t  word;

    while (line->len != 0 && (line->data[0] == ' ' || line->data[0] == '\t' || line->data[0] == '\r')) {
        line->data++;
        line->len--;
    }

    word.data = line->data;
    word.len = 0;

    while (line->len != 0 && line->data[0] != ' ' && line->data[0] != '\t' && line->data[0] != '\r') {
        line->data++;
        line->len--;
        word.len++;
    }

    return word;
}


/* How many there are, and the first ones; those that are not there are empty. */

static unsigned
pv_keys_words(pv_str_t words[PV_KEYS_WORDS], pv_str_t line)
{
    unsigned  i, n;

    for (i = 0, n = 0; i < PV_KEYS_WORDS; i++) {
        words[i] = pv_keys_word(&line);
        n += (words[i].len != 0);
    }

    return n + (pv_keys_word(&line).len != 0);
}


static int
pv_keys_kind(pv_str_t word)
{
    int  kind;

    for (kind = 0; kind < PV_KEY_KINDS; kind++) {
        if (pv_str_eqs(word, pv_key_kinds[kind])) {
            return kind;
        }
    }

    return -1;
}


static int
pv_keys_write(pv_buf_t *text, pv_key_kind_t kind, uint8_t id, const char *end)
{
    size_t         len;
    pv_str_t       bytes;
    unsigned char  key[PV_KEY_LEN], encoded[pv_base64url_size(PV_KEY_LEN)];

    if (pv_random(key, PV_KEY_LEN) != PV_OK) {
        return PV_ERROR;
    }

    bytes.data = key;
    bytes.len = PV_KEY_LEN;
    len = pv_base64url_encode(encoded, bytes);

    pv_buf_printf(text, "%-9s %02x ", pv_key_kinds[kind], id);
    pv_buf_add(text, encoded, len);
    pv_buf_printf(text, "%s%s\n", *end ? " " : "", end);

    OPENSSL_cleanse(key, sizeof(key));
    OPENSSL_cleanse(encoded, sizeof(encoded));

    return PV_OK;
}
