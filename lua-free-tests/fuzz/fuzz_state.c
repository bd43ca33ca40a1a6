/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pv_state.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static const char  keys_text[] =
    "cookie    01 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
    "form      01 AgECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
    "ledger    01 AwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
    "pseudonym 01 BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n";

static const pv_str_t  site = pv_string("example");


static pv_keys_t *
load(void)
{
    pv_keys_t      *keys;
    pv_problems_t   p;

    pv_problems_init(&p);

    if (pv_keys_parse(&keys, pv_str(keys_text), "keys", &p) != PV_OK) {
        abort();
    }

    return keys;
}


/* As text from a browser: nothing of it was signed by us, so that nothing may be believed. */

static void
foreign(pv_str_t text, const pv_keys_t *keys)
{
    pv_user_t     u;
    pv_token_t    t;
    pv_consent_t  c;

    (void) pv_consent_decode(&c, text, keys, site);
    (void) pv_user_decode(&u, text, text, keys, site, 0);
    (void) pv_token_decode(&t, text, keys, site);
}


/* data behind a format and a key id, and in front of a MAC; packed has room for 256. */

static pv_str_t
sign(unsigned char *packed, const uint8_t *data, size_t size, const pv_keys_t *keys, pv_key_kind_t kind,
    const char *domain)
{
    pv_str_t  part;

    packed[0] = 1;
    packed[1] = 1;

    if (size != 0) {
        memcpy(packed + 2, data, size);
    }

    part.data = packed;
    part.len = size + 2;

    if (pv_keys_mac(packed + part.len, pv_keys_first(keys, kind), domain, site, &part, 1) != PV_OK) {
        abort();
    }

    part.len += PV_MAC_LEN;

    return part;
}


/*
 * The same past the signature: the bytes are signed first, as a key holder
 * with a bug might, so that the fuzzer reaches what reads the payload. What is
 * accepted is written as the same text.
 */

static void
signed_consent(const uint8_t *data, size_t size, const pv_keys_t *keys)
{
    long           n;
    char           again[PV_COOKIE_MAX + 1];
    pv_str_t       text;
    pv_consent_t   c;
    unsigned char  packed[256], encoded[PV_COOKIE_MAX + 128];

    if (size > 200) {
        return;
    }

    text.data = encoded;
    text.len = pv_base64url_encode(encoded, sign(packed, data, size, keys, PV_KEY_COOKIE, "privacy consent 1"));

    if (pv_consent_decode(&c, text, keys, site) != PV_OK) {
        return;
    }

    n = pv_consent_encode(again, &c, keys, site);

    if (n != (long) text.len || memcmp(again, encoded, text.len) != 0 || (c.granted & ~c.decided)) {
        abort();
    }
}


static void
signed_user(const uint8_t *data, size_t size, const pv_keys_t *keys)
{
    char           again[PV_USER_COOKIE_MAX + 1];
    pv_str_t       text;
    pv_user_t      u;
    unsigned char  packed[256], encoded[PV_COOKIE_MAX + 128];

    static const pv_str_t  session = { NULL, 0 };

    if (size > 200) {
        return;
    }

    text.data = encoded;
    text.len = pv_base64url_encode(encoded, sign(packed, data, size, keys, PV_KEY_COOKIE, "privacy user 1"));

    if (pv_user_decode(&u, text, session, keys, site, 1) == PV_OK
        && (u.expires <= 1 || pv_user_encode(again, &u, session, keys, site) != (long) text.len
            || memcmp(again, encoded, text.len) != 0))
    {
        abort();
    }
}


/* A token's text is never the same twice: what is read is signed again. */

static void
signed_token(const uint8_t *data, size_t size, const pv_keys_t *keys)
{
    char           again[PV_TOKEN_MAX + 1];
    pv_str_t       bytes, text;
    pv_token_t     t;
    unsigned char  packed[256], masked[2 * 256], encoded[2 * sizeof(masked)], resigned[PV_TOKEN_BYTES];

    if (size > 200) {
        return;
    }

    bytes = sign(packed, data, size, keys, PV_KEY_FORM, "privacy form 1");

    memset(masked, 0, bytes.len);
    memcpy(masked + bytes.len, packed, bytes.len);
    text.data = encoded;
    text.len = pv_base64url_encode(encoded, (pv_str_t) { masked, 2 * bytes.len });

    if (pv_token_decode(&t, text, keys, site) != PV_OK) {
        return;
    }

    if (bytes.len != PV_TOKEN_BYTES || pv_token_sign(resigned, &t, keys, site) != PV_OK
        || memcmp(resigned, packed, PV_TOKEN_BYTES) != 0
        || pv_token_mask(again, packed) != (long) text.len
        || pv_token_decode(&t, pv_str(again), keys, site) != PV_OK)
    {
        abort();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static pv_keys_t  *keys;

    if (keys == NULL) {
        keys = load();
    }

    foreign((pv_str_t) { data, size }, keys);
    signed_consent(data, size, keys);
    signed_user(data, size, keys);
    signed_token(data, size, keys);

    return 0;
}
