/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* What proves a version, for people who check it by hand and for programs that do. */

#include <string.h>

#include "pv_page_ui.h"
#include "pv_text.h"


#define PV_HEX_MAX  128

/* DER of an Ed25519 public key up to the key itself: 12 bytes, so that base64 goes on after it. */
#define PV_KEY_PREFIX  "MCowBQYDK2VwAyEA"


static int pv_proof_typed(pv_str_t origin);
static int pv_proof_head(pv_str_t *head, pv_str_t sealed);
static pv_str_t pv_proof_hex(char hex[PV_HEX_MAX], const unsigned char *data, size_t len);
static void pv_proof_base64(char *out, const unsigned char *data, size_t len, int url);
static json_t *pv_proof_part(pv_view_t *v, const pv_head_t *head, pv_body_t body, size_t language);
static json_t *pv_proof_parts(pv_view_t *v, const pv_head_t *head);
static void pv_proof_fields(pv_view_t *v, json_t *o, const pv_page_proof_t *proof);
static void pv_proof_words(pv_view_t *v, const pv_page_proof_t *proof);


static const char *const  pv_body_names[] = { "declared", "markdown", "html" };


int
pv_page_proof(pv_buf_t *out, const pv_page_t *page, const pv_page_proof_t *proof)
{
    char        key[64];
    pv_buf_t    b;
    pv_str_t    head;
    pv_view_t   v;
    pv_fill_t   fill;

    if (page->policy == NULL || pv_proof_head(&head, proof->sealed) != PV_OK) {
        return PV_INVALID;
    }

    pv_view_init(&v, page, NULL);
    pv_view_assets(&v);
    pv_view_bool(&v, v.root, "archive", 1);

    fill.name = "version";
    fill.value = page->policy->version;
    pv_view_fill(&v, v.root, "page_title", pv_view_string(&v, "proof_title"), &fill, 1);

    pv_proof_fields(&v, v.root, proof);
    pv_view_set(&v, v.root, "parts", pv_proof_parts(&v, proof->head));
    pv_view_str(&v, v.root, "head", head);
    pv_view_str(&v, v.root, "site", page->policy->site);
    pv_view_str(&v, v.root, "origin", pv_proof_typed(page->origin) ? page->origin : pv_str("https://..."));
    pv_view_set(&v, v.root, "before_number", json_integer((json_int_t) proof->head->sequence - 1));
    pv_proof_words(&v, proof);

    pv_proof_base64(key, proof->head->key, PV_ED25519_PUBLIC, 0);
    pv_buf_init(&b, 256);
    pv_buf_puts(&b, PV_KEY_PREFIX);
    pv_buf_puts(&b, key);
    pv_view_take(&v, v.root, "key_der", &b);

    return pv_view_render(&v, out, "proof.html");
}


int
pv_json_proof(pv_buf_t *out, const pv_page_t *page, const pv_page_proof_t *proof)
{
    char        number[16], published[PV_RFC3339_SIZE];
    json_t     *o;
    pv_str_t    head;
    pv_view_t   v = { page, NULL, NULL, 0 };

    if (page->policy == NULL || pv_proof_head(&head, proof->sealed) != PV_OK) {
        return PV_INVALID;
    }

    pv_rfc3339_format(published, proof->head->published);
    snprintf(number, sizeof(number), "%u", (unsigned) proof->head->sequence);

    o = json_object();
    pv_view_str(&v, o, "site", page->policy->site);
    pv_view_str(&v, o, "version", page->policy->version);
    pv_view_str(&v, o, "published", pv_str(published));
    pv_proof_fields(&v, o, proof);
    pv_view_set(&v, o, "bodies", pv_proof_parts(&v, proof->head));
    pv_view_str(&v, o, "head", head);
    pv_json_address(&v, o, "entry", "log/", pv_str(number), "");

    return pv_json_dump(out, o, v.failed);
}


/* 1 for an origin that may stand in a command: it can come from a request, and is typed into a shell. */

static int
pv_proof_typed(pv_str_t origin)
{
    size_t  i;

    for (i = 0; i < origin.len; i++) {
        if (origin.data[i] == '\0' || strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:/-_[]",
                                             origin.data[i]) == NULL)
        {
            return 0;
        }
    }

    return origin.len != 0;
}


/* The third line of the entry. */

static int
pv_proof_head(pv_str_t *head, pv_str_t sealed)
{
    size_t                i;
    const unsigned char  *p, *end, *line;

    p = sealed.data;
    end = p + sealed.len;
    line = p;

    for (i = 0; i < 3; i++) {
        line = p;
        p = p < end ? memchr(p, '\n', (size_t) (end - p)) : NULL;

        if (p == NULL) {
            return PV_INVALID;
        }

        p++;
    }

    head->data = line;
    head->len = (size_t) (p - 1 - line);

    return PV_OK;
}


static pv_str_t
pv_proof_hex(char hex[PV_HEX_MAX], const unsigned char *data, size_t len)
{
    pv_str_t  s;

    s.data = (const unsigned char *) hex;
    s.len = pv_hex_encode(hex, data, len);

    return s;
}


/* url: in the alphabet of the entry itself, without padding; else as openssl reads it. */

static void
pv_proof_base64(char *out, const unsigned char *data, size_t len, int url)
{
    size_t    i, n;
    pv_str_t  s;

    s.data = data;
    s.len = len;
    n = pv_base64url_encode((unsigned char *) out, s);

    for (i = 0; i < n && !url; i++) {
        out[i] = out[i] == '-' ? '+' : out[i] == '_' ? '/' : out[i];
    }

    for ( /* void */ ; n % 4 != 0 && !url; n++) {
        out[n] = '=';
    }

    out[n] = '\0';
}


static json_t *
pv_proof_part(pv_view_t *v, const pv_head_t *head, pv_body_t body, size_t language)
{
    char              hex[PV_HEX_MAX];
    json_t           *o;
    const pv_part_t  *part;

    part = pv_head_part(head, body, language);
    o = json_object();

    pv_view_str(v, o, "body", pv_str(pv_body_names[body]));

    if (body != PV_BODY_DECLARED) {
        pv_view_str(v, o, "language", head->texts[language].language);
    }

    pv_view_set(v, o, "offset", json_integer((json_int_t) pv_head_offset(head, body, language)));
    pv_view_set(v, o, "size", json_integer(part->size));
    pv_view_str(v, o, "sha256", pv_proof_hex(hex, part->digest, PV_SHA256_LEN));

    return o;
}


static json_t *
pv_proof_parts(pv_view_t *v, const pv_head_t *head)
{
    size_t   i;
    json_t  *list;

    list = json_array();
    pv_view_add(v, list, pv_proof_part(v, head, PV_BODY_DECLARED, 0));

    for (i = 0; i < head->texts_count; i++) {
        pv_view_add(v, list, pv_proof_part(v, head, PV_BODY_MARKDOWN, i));
        pv_view_add(v, list, pv_proof_part(v, head, PV_BODY_HTML, i));
    }

    return list;
}


/* What a reader and a program are told alike. */

static void
pv_proof_fields(pv_view_t *v, json_t *o, const pv_page_proof_t *proof)
{
    char              hex[PV_HEX_MAX], text[96];
    const pv_head_t  *head;

    head = proof->head;

    pv_view_set(v, o, "sequence", json_integer(head->sequence));
    pv_view_set(v, o, "newest", json_integer(proof->newest));
    pv_view_set(v, o, "size", json_integer(head->size));
    pv_view_str(v, o, "digest", pv_proof_hex(hex, head->digest, PV_SHA256_LEN));
    pv_view_str(v, o, "previous", pv_proof_hex(hex, head->previous, PV_SHA256_LEN));

    pv_proof_base64(text, head->key, PV_ED25519_PUBLIC, 1);
    pv_view_str(v, o, "key", pv_str(text));
    pv_proof_base64(text, head->signature, PV_ED25519_SIG, 1);
    pv_view_str(v, o, "signature", pv_str(text));
}


/* The parts' names, where tail and head find them, and the place in the log. */

static void
pv_proof_words(pv_view_t *v, const pv_page_proof_t *proof)
{
    char        key[32], number[2][16];
    size_t      i;
    json_t     *part;
    pv_str_t    language;
    pv_fill_t   fills[2];

    json_array_foreach(json_object_get(v->root, "parts"), i, part) {
        snprintf(key, sizeof(key), "proof_%s", json_string_value(json_object_get(part, "body")));
        pv_view_str(v, part, "name", pv_view_string(v, key));

        if (json_object_get(part, "language") != NULL) {
            language = pv_str(json_string_value(json_object_get(part, "language")));
            pv_view_str(v, part, "language_name", pv_ui_language_name(v->page->ui, language));
        }

        pv_view_set(v, part, "from", json_integer(json_integer_value(json_object_get(part, "offset")) + 1));
    }

    snprintf(number[0], sizeof(number[0]), "%u", (unsigned) proof->head->sequence);
    snprintf(number[1], sizeof(number[1]), "%u", (unsigned) proof->newest);

    fills[0].name = "number";
    fills[0].value = pv_str(number[0]);
    fills[1].name = "newest";
    fills[1].value = pv_str(number[1]);
    pv_view_fill(v, v->root, "place", pv_view_string(v, "proof_place"), fills, 2);
    pv_view_bool(v, v->root, "has_previous", proof->head->sequence > 1);
}
