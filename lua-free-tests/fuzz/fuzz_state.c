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


/*
 * The same past the signature: the bytes are signed first, as a key holder
 * with a bug might, so that the fuzzer reaches what reads the payload. What is
 * accepted is written as the same text.
 */

static void
signed_payload(const uint8_t *data, size_t size, const pv_keys_t *keys)
{
    long            n;
    char            again[PV_COOKIE_MAX + 1];
    pv_str_t        part;
    pv_consent_t    c;
    unsigned char   packed[256], text[PV_COOKIE_MAX + 128];

    if (size > 200) {
        return;
    }

    packed[0] = 1;
    packed[1] = 1;

    if (size != 0) {
        memcpy(packed + 2, data, size);
    }

    part.data = packed;
    part.len = size + 2;

    if (pv_keys_mac(packed + part.len, pv_keys_first(keys, PV_KEY_COOKIE), "privacy consent 1", site, &part, 1)
        != PV_OK)
    {
        abort();
    }

    part.len += PV_MAC_LEN;
    part.len = pv_base64url_encode(text, part);
    part.data = text;

    if (pv_consent_decode(&c, part, keys, site) != PV_OK) {
        return;
    }

    n = pv_consent_encode(again, &c, keys, site);

    if (n != (long) part.len || memcmp(again, text, part.len) != 0 || (c.granted & ~c.decided)) {
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
    signed_payload(data, size, keys);

    return 0;
}
