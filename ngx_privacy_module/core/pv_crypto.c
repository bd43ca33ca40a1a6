/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * SHA-256 is called directly: through EVP each copy of a state and each digest
 * is an allocation, which costs more than the hashing of what we sign, and a
 * context that is kept instead would tie threads together.  OpenSSL 3 names
 * these functions deprecated, and has no others that work on a caller's memory.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "pv_crypto.h"


#define PV_SHA256_BLOCK   64
#define PV_SHA256_BLOCKS  4         /* a message that fits is padded here: all that is signed in a request */
#define PV_SHA256_END     9         /* the bit behind a message, and its length */
#define PV_RANDOM_BATCH   4096


/* Have hashed their padded key block; a MAC goes on with a copy of each. */
struct pv_hmac_s {
    SHA256_CTX  inner;
    SHA256_CTX  outer;
};


static int pv_hmac_pad(SHA256_CTX *ctx, const unsigned char block[PV_SHA256_BLOCK], unsigned char with);
static int pv_digest_parts(SHA256_CTX *ctx, unsigned char out[PV_SHA256_LEN], const pv_str_t *parts, size_t n);
static void pv_digest_short(SHA256_CTX *ctx, unsigned char out[PV_SHA256_LEN], const pv_str_t *parts, size_t n,
    size_t len);
static void pv_put_u32(unsigned char out[4], uint32_t value);


int
pv_sha256(unsigned char out[PV_SHA256_LEN], const pv_str_t *parts, size_t n)
{
    SHA256_CTX  ctx;

    if (SHA256_Init(&ctx) != 1) {
        return PV_ERROR;
    }

    return pv_digest_parts(&ctx, out, parts, n);
}


static int
pv_digest_parts(SHA256_CTX *ctx, unsigned char out[PV_SHA256_LEN], const pv_str_t *parts, size_t n)
{
    size_t  i, len;

    for (i = 0, len = 0; i < n && len <= PV_SHA256_BLOCKS * PV_SHA256_BLOCK; i++) {
        len += parts[i].len;
    }

    if (i == n && len <= PV_SHA256_BLOCKS * PV_SHA256_BLOCK - PV_SHA256_END) {
        pv_digest_short(ctx, out, parts, n, len);
        return PV_OK;
    }

    for (i = 0; i < n; i++) {
        if (parts[i].len != 0 && SHA256_Update(ctx, parts[i].data, parts[i].len) != 1) {
            return PV_ERROR;
        }
    }

    return (SHA256_Final(out, ctx) == 1) ? PV_OK : PV_ERROR;
}


/*
 * What ctx has hashed so far are whole blocks.  The rest is put together and
 * padded in one place: for a few short parts, feeding them one by one costs as
 * much as hashing them.
 */
static void
pv_digest_short(SHA256_CTX *ctx, unsigned char out[PV_SHA256_LEN], const pv_str_t *parts, size_t n, size_t len)
{
    size_t          i, size;
    uint64_t        bits;
    unsigned char  *p, blocks[PV_SHA256_BLOCKS * PV_SHA256_BLOCK];

    p = blocks;

    for (i = 0; i < n; i++) {
        if (parts[i].len != 0) {
            memcpy(p, parts[i].data, parts[i].len);
            p += parts[i].len;
        }
    }

    size = (len + PV_SHA256_END + PV_SHA256_BLOCK - 1) / PV_SHA256_BLOCK * PV_SHA256_BLOCK;
    bits = ((uint64_t) ctx->Nh << 32 | ctx->Nl) + (uint64_t) len * 8;

    *p++ = 0x80;
    memset(p, 0, (size_t) (blocks + size - p));
    pv_put_u32(blocks + size - 8, (uint32_t) (bits >> 32));
    pv_put_u32(blocks + size - 4, (uint32_t) bits);

    for (i = 0; i < size; i += PV_SHA256_BLOCK) {
        SHA256_Transform(ctx, blocks + i);
    }

    for (i = 0; i < PV_SHA256_LEN / 4; i++) {
        pv_put_u32(out + i * 4, ctx->h[i]);
    }

    OPENSSL_cleanse(blocks, size);
}


static void
pv_put_u32(unsigned char out[4], uint32_t value)
{
    out[0] = (unsigned char) (value >> 24);
    out[1] = (unsigned char) (value >> 16);
    out[2] = (unsigned char) (value >> 8);
    out[3] = (unsigned char) value;
}


pv_hmac_t *
pv_hmac_create(pv_str_t key)
{
    pv_hmac_t      *h;
    unsigned char   block[PV_SHA256_BLOCK];

    memset(block, 0, sizeof(block));

    if (key.len > PV_SHA256_BLOCK) {
        if (pv_sha256(block, &key, 1) != PV_OK) {
            return NULL;
        }

    } else if (key.len != 0) {
        memcpy(block, key.data, key.len);
    }

    h = malloc(sizeof(pv_hmac_t));

    if (h != NULL && (pv_hmac_pad(&h->inner, block, 0x36) != PV_OK || pv_hmac_pad(&h->outer, block, 0x5C) != PV_OK)) {
        pv_hmac_free(h);
        h = NULL;
    }

    OPENSSL_cleanse(block, sizeof(block));

    return h;
}


static int
pv_hmac_pad(SHA256_CTX *ctx, const unsigned char block[PV_SHA256_BLOCK], unsigned char with)
{
    int             ok;
    size_t          i;
    unsigned char   pad[PV_SHA256_BLOCK];

    for (i = 0; i < PV_SHA256_BLOCK; i++) {
        pad[i] = block[i] ^ with;
    }

    ok = SHA256_Init(ctx) == 1 && SHA256_Update(ctx, pad, PV_SHA256_BLOCK) == 1;

    OPENSSL_cleanse(pad, sizeof(pad));

    return ok ? PV_OK : PV_ERROR;
}


void
pv_hmac_free(pv_hmac_t *h)
{
    if (h == NULL) {
        return;
    }

    OPENSSL_cleanse(h, sizeof(pv_hmac_t));

    free(h);
}


int
pv_hmac(const pv_hmac_t *h, unsigned char out[PV_SHA256_LEN], const pv_str_t *parts, size_t n)
{
    pv_str_t       inner;
    SHA256_CTX     ctx;
    unsigned char  digest[PV_SHA256_LEN];

    ctx = h->inner;

    if (pv_digest_parts(&ctx, digest, parts, n) != PV_OK) {
        return PV_ERROR;
    }

    ctx = h->outer;

    inner.data = digest;
    inner.len = PV_SHA256_LEN;

    return pv_digest_parts(&ctx, out, &inner, 1);
}


int
pv_random(void *out, size_t len)
{
    if (len > INT32_MAX) {
        return PV_ERROR;
    }

    return (RAND_bytes(out, (int) len) == 1) ? PV_OK : PV_ERROR;
}


int
pv_random_pad(void *out, size_t len)
{
    static _Thread_local size_t         left;
    static _Thread_local unsigned char  batch[PV_RANDOM_BATCH];

    if (len > sizeof(batch)) {
        return pv_random(out, len);
    }

    if (left < len) {
        if (pv_random(batch, sizeof(batch)) != PV_OK) {
            return PV_ERROR;
        }

        left = sizeof(batch);
    }

    left -= len;
    memcpy(out, batch + left, len);

    return PV_OK;
}


int
pv_equal(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}


int
pv_ed25519_keygen(unsigned char pub[PV_ED25519_PUBLIC], unsigned char secret[PV_ED25519_SECRET])
{
    /* RFC 8032, 5.1.5: the secret is 32 random bytes. */

    if (pv_random(secret, PV_ED25519_SECRET) != PV_OK) {
        return PV_ERROR;
    }

    return pv_ed25519_public(pub, secret);
}


int
pv_ed25519_public(unsigned char pub[PV_ED25519_PUBLIC], const unsigned char secret[PV_ED25519_SECRET])
{
    int        rc;
    size_t     len;
    EVP_PKEY  *key;

    key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, PV_ED25519_SECRET);
    if (key == NULL) {
        return PV_ERROR;
    }

    len = PV_ED25519_PUBLIC;
    rc = (EVP_PKEY_get_raw_public_key(key, pub, &len) == 1 && len == PV_ED25519_PUBLIC) ? PV_OK : PV_ERROR;

    EVP_PKEY_free(key);

    return rc;
}


int
pv_ed25519_sign(unsigned char sig[PV_ED25519_SIG], const unsigned char secret[PV_ED25519_SECRET],
    const void *data, size_t len)
{
    int          rc;
    size_t       sig_len;
    EVP_PKEY    *key;
    EVP_MD_CTX  *ctx;

    rc = PV_ERROR;
    sig_len = PV_ED25519_SIG;

    key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, PV_ED25519_SECRET);
    ctx = EVP_MD_CTX_new();

    if (key != NULL && ctx != NULL
        && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1
        && EVP_DigestSign(ctx, sig, &sig_len, data, len) == 1
        && sig_len == PV_ED25519_SIG)
    {
        rc = PV_OK;
    }

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);

    return rc;
}


int
pv_ed25519_verify(const unsigned char sig[PV_ED25519_SIG], const unsigned char pub[PV_ED25519_PUBLIC],
    const void *data, size_t len)
{
    int          rc;
    EVP_PKEY    *key;
    EVP_MD_CTX  *ctx;

    rc = PV_INVALID;

    key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, pub, PV_ED25519_PUBLIC);
    ctx = EVP_MD_CTX_new();

    if (key != NULL && ctx != NULL
        && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1
        && EVP_DigestVerify(ctx, sig, PV_ED25519_SIG, data, len) == 1)
    {
        rc = PV_OK;
    }

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);

    return rc;
}
