/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_KEYS_H
#define PV_KEYS_H

/*
 * The node's key file. Four kinds, each with its own life:
 *
 *   cookie, form   rotate freely: the first signs, all verify
 *   ledger         its id is in each record; old ones are kept for ever
 *   pseudonym      exactly one, never rotates
 *
 * Text, one key a line, '#' comments:  KIND ID BASE64URL(32 bytes) ["next"]
 * with ID two hex digits, unique within its kind. At most one of a kind, not
 * its first, is "next": it waits until all nodes verify with it, to sign then.
 *
 * The publication key pair (Ed25519) lives in files of its own: NAME.key (the
 * publisher's, 0600) and NAME.pub (what nginx is given), each one line:
 *   privacy-publication-key BASE64URL(32)    /    privacy-publication-public BASE64URL(32)
 */

#include "pv_crypto.h"

#define PV_KEY_LEN       32
#define PV_KEYS_MAX      32      /* a kind */
#define PV_KEYS_FILE_MAX (64 * 1024)

typedef enum { PV_KEY_COOKIE, PV_KEY_FORM, PV_KEY_LEDGER, PV_KEY_PSEUDONYM, PV_KEY_KINDS } pv_key_kind_t;

typedef struct {
    uint8_t     id;
    unsigned    next;           /* waits to sign */
    pv_hmac_t  *hmac;
} pv_key_t;

typedef struct {
    pv_key_t  key[PV_KEY_KINDS][PV_KEYS_MAX];
    size_t    count[PV_KEY_KINDS];
} pv_keys_t;

typedef struct {
    uint8_t   id;               /* of the key that it is about */
    unsigned  waited;           /* it was there before, and waited */
} pv_keys_change_t;

/* Every problem of the text is reported, with its line. *keys is freed by pv_keys_free(). */
int pv_keys_parse(pv_keys_t **keys, pv_str_t text, const char *file, pv_problems_t *problems);
void pv_keys_free(pv_keys_t *keys);

const pv_key_t *pv_keys_first(const pv_keys_t *keys, pv_key_kind_t kind);
const pv_key_t *pv_keys_find(const pv_keys_t *keys, pv_key_kind_t kind, uint8_t id);
const pv_key_t *pv_keys_waiting(const pv_keys_t *keys, pv_key_kind_t kind);

/*
 * What every MAC of ours is made of: HMAC(key, domain NUL length-of-site site
 * parts...), truncated. domain says what the MAC is for, so that nothing that
 * was signed as one thing passes as another. At most 4 parts; the caller
 * separates them unambiguously.
 */
int pv_keys_mac(unsigned char mac[PV_MAC_LEN], const pv_key_t *key, const char *domain, pv_str_t site,
    const pv_str_t *parts, size_t n);

/* A fresh key file, all four kinds. */
int pv_keys_generate(pv_buf_t *text);
/*
 * The same file, changed for a kind that rotates (cookie, form, ledger). next: with a key more, which waits behind the
 * others; as it was where one waits already. rotate: with the one that waits first, or with a new one where none does.
 */
int pv_keys_next(pv_buf_t *text, pv_str_t old, pv_key_kind_t kind, pv_keys_change_t *change, pv_problems_t *problems);
int pv_keys_rotate(pv_buf_t *text, pv_str_t old, pv_key_kind_t kind, pv_keys_change_t *change, pv_problems_t *problems);

int pv_public_key_parse(unsigned char pub[PV_ED25519_PUBLIC], pv_str_t text);
int pv_secret_key_parse(unsigned char secret[PV_ED25519_SECRET], pv_str_t text);

#endif /* PV_KEYS_H */
