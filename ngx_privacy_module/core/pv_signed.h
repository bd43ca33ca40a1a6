/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_SIGNED_H
#define PV_SIGNED_H

/*
 * One signed line, as the entries of a publication log and notices begin:
 *
 *   MAGIC BASE64URL(Ed25519 signature) "\n" TEXT "\n" ...
 *
 * Signed is MAGIC SITE "\n" TEXT: what was signed as one thing, or for one
 * site, never passes as another. MAGIC ends with a line break.
 */

#include "pv_crypto.h"

#define PV_SHORT  (-3)      /* the bytes end before TEXT does */

#define PV_SIGNATURE_TEXT  pv_base64url_size(PV_ED25519_SIG)

/*
 * The parts, borrowed: no check but of the frame. TEXT has 1 to most bytes;
 * rest is what is behind its line break.
 */
int pv_signed_split(pv_str_t bytes, const char *magic, size_t most, pv_str_t *signature, pv_str_t *text,
    pv_str_t *rest);
/* PV_OK when its text was signed with pub, for that site; PV_INVALID, also when it is no such line. */
int pv_signed_verify(pv_str_t bytes, const char *magic, size_t most, pv_str_t site,
    const unsigned char pub[PV_ED25519_PUBLIC]);
/* The raw signature, which is not verified. */
int pv_signed_signature(unsigned char raw[PV_ED25519_SIG], pv_str_t signature);
/* Whether raw is pub's signature of a text that stands alone. */
int pv_signed_holds(const unsigned char raw[PV_ED25519_SIG], const char *magic, pv_str_t site, pv_str_t text,
    const unsigned char pub[PV_ED25519_PUBLIC]);

/* The signature as text, with a zero behind it. */
int pv_signed_sign(unsigned char signature[PV_SIGNATURE_TEXT + 1], const char *magic, pv_str_t site, pv_str_t text,
    const unsigned char secret[PV_ED25519_SECRET]);
/* Appends the whole line. */
int pv_signed_seal(pv_buf_t *out, const char *magic, pv_str_t site, pv_str_t text,
    const unsigned char secret[PV_ED25519_SECRET]);

#endif /* PV_SIGNED_H */
