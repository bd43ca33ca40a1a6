/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_CRYPTO_H
#define PV_CRYPTO_H

/*
 * The cryptography that the module uses, on OpenSSL: SHA-256 (FIPS 180-4),
 * HMAC-SHA256 (RFC 2104), Ed25519 (RFC 8032), random bytes.
 */

#include "pv_bytes.h"

#define PV_SHA256_LEN      32
#define PV_MAC_LEN         16      /* HMAC-SHA256 truncated to 128 bits */
#define PV_ED25519_PUBLIC  32
#define PV_ED25519_SECRET  32
#define PV_ED25519_SIG     64

int pv_sha256(unsigned char out[PV_SHA256_LEN], const pv_str_t *parts, size_t n);

/*
 * A key made ready once (the two padded blocks already hashed), so that a MAC
 * on the hot path costs its message only. Owned by whoever made it.
 */
typedef struct pv_hmac_s  pv_hmac_t;

pv_hmac_t *pv_hmac_create(pv_str_t key);
void pv_hmac_free(pv_hmac_t *h);
/* MAC over the parts one after another; the caller separates them unambiguously. */
int pv_hmac(const pv_hmac_t *h, unsigned char out[PV_SHA256_LEN], const pv_str_t *parts, size_t n);

int pv_random(void *out, size_t len);
/*
 * The same, drawn from OpenSSL in batches: for pads that are public as soon as they are used, never for keys or ids. A
 * process that forks after the first use hands the rest of its batch to both.
 */
int pv_random_pad(void *out, size_t len);
/* 1 when equal, in time that depends on len only. */
int pv_equal(const void *a, const void *b, size_t len);

int pv_ed25519_keygen(unsigned char pub[PV_ED25519_PUBLIC], unsigned char secret[PV_ED25519_SECRET]);
int pv_ed25519_public(unsigned char pub[PV_ED25519_PUBLIC], const unsigned char secret[PV_ED25519_SECRET]);
int pv_ed25519_sign(unsigned char sig[PV_ED25519_SIG], const unsigned char secret[PV_ED25519_SECRET],
    const void *data, size_t len);
/* PV_OK when the signature holds, else PV_INVALID. */
int pv_ed25519_verify(const unsigned char sig[PV_ED25519_SIG], const unsigned char pub[PV_ED25519_PUBLIC],
    const void *data, size_t len);

#endif /* PV_CRYPTO_H */
