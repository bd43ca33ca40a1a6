/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pv_signed.h"

#define PV_SIGNED_AROUND  256       /* bytes of magic and site, at most */


static int pv_signed_message(pv_buf_t *out, const char *magic, pv_str_t site, pv_str_t text);


int
pv_signed_split(pv_str_t bytes, const char *magic, size_t most, pv_str_t *signature, pv_str_t *text, pv_str_t *rest)
{
    size_t                len, before, there;
    const unsigned char  *end;

    len = strlen(magic);
    before = len + PV_SIGNATURE_TEXT + 1;

    if ((bytes.len != 0 && memcmp(bytes.data, magic, bytes.len < len ? bytes.len : len) != 0)
        || (bytes.len >= before && bytes.data[before - 1] != '\n'))
    {
        return PV_INVALID;
    }

    there = bytes.len > before ? bytes.len - before : 0;
    there = there > most + 1 ? most + 1 : there;
    end = there != 0 ? memchr(bytes.data + before, '\n', there) : NULL;

    if (end == NULL) {
        return there == most + 1 ? PV_INVALID : PV_SHORT;
    }

    *signature = (pv_str_t) { bytes.data + len, PV_SIGNATURE_TEXT };
    *text = (pv_str_t) { bytes.data + before, (size_t) (end - bytes.data) - before };
    *rest = (pv_str_t) { end + 1, bytes.len - (size_t) (end + 1 - bytes.data) };

    return text->len != 0 ? PV_OK : PV_INVALID;
}


int
pv_signed_signature(unsigned char raw[PV_ED25519_SIG], pv_str_t signature)
{
    unsigned char  room[PV_ED25519_SIG + 2];

    if (pv_base64url_decode(room, sizeof(room), signature) != PV_ED25519_SIG) {
        return PV_INVALID;
    }

    memcpy(raw, room, PV_ED25519_SIG);

    return PV_OK;
}


int
pv_signed_verify(pv_str_t bytes, const char *magic, size_t most, pv_str_t site,
    const unsigned char pub[PV_ED25519_PUBLIC])
{
    pv_str_t       signature, text, rest;
    unsigned char  raw[PV_ED25519_SIG];

    if (pv_signed_split(bytes, magic, most, &signature, &text, &rest) != PV_OK
        || pv_signed_signature(raw, signature) != PV_OK)
    {
        return PV_INVALID;
    }

    return pv_signed_holds(raw, magic, site, text, pub);
}


int
pv_signed_holds(const unsigned char raw[PV_ED25519_SIG], const char *magic, pv_str_t site, pv_str_t text,
    const unsigned char pub[PV_ED25519_PUBLIC])
{
    int       rc;
    pv_buf_t  message;

    rc = pv_signed_message(&message, magic, site, text);
    rc = rc == PV_OK ? pv_ed25519_verify(raw, pub, message.data, message.len) : rc;
    pv_buf_free(&message);

    return rc;
}


int
pv_signed_sign(unsigned char signature[PV_SIGNATURE_TEXT + 1], const char *magic, pv_str_t site, pv_str_t text,
    const unsigned char secret[PV_ED25519_SECRET])
{
    int            rc;
    pv_buf_t       message;
    unsigned char  raw[PV_ED25519_SIG];

    rc = pv_signed_message(&message, magic, site, text);
    rc = rc == PV_OK ? pv_ed25519_sign(raw, secret, message.data, message.len) : rc;
    pv_buf_free(&message);

    if (rc == PV_OK) {
        signature[pv_base64url_encode(signature, (pv_str_t) { raw, sizeof(raw) })] = '\0';
    }

    return rc;
}


int
pv_signed_seal(pv_buf_t *out, const char *magic, pv_str_t site, pv_str_t text,
    const unsigned char secret[PV_ED25519_SECRET])
{
    int            rc;
    unsigned char  signature[PV_SIGNATURE_TEXT + 1];

    rc = pv_signed_sign(signature, magic, site, text, secret);
    if (rc != PV_OK) {
        return rc;
    }

    pv_buf_puts(out, magic);
    pv_buf_puts(out, (const char *) signature);
    pv_buf_puts(out, "\n");
    pv_buf_str(out, text);
    pv_buf_puts(out, "\n");

    return out->failed ? PV_ERROR : PV_OK;
}


static int
pv_signed_message(pv_buf_t *out, const char *magic, pv_str_t site, pv_str_t text)
{
    pv_buf_init(out, PV_SIGNED_AROUND + text.len);
    pv_buf_puts(out, magic);
    pv_buf_str(out, site);
    pv_buf_puts(out, "\n");
    pv_buf_str(out, text);

    return out->failed ? PV_ERROR : PV_OK;
}
