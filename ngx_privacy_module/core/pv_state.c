/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pv_pack.h"
#include "pv_state.h"


/*
 * Consent, packed:  format  key_id  flags  subject(16)  pair(position, chosen)
 *                   pair(decided_version, bound_version)  pair(decided, granted)
 *                   checked(4)  user_tag(8 with PV_STATE_USER)  head(16)
 *                   length, record (with PV_STATE_PENDING)  mac(16)
 *
 * 163 bytes or 218 characters at most; 90 characters for most visitors.
 */

#define PV_CONSENT_FORMAT   1
#define PV_CONSENT_DOMAIN   "privacy consent 1"
#define PV_CONSENT_BYTES    (PV_COOKIE_MAX * 3 / 4)

#define PV_USER_FORMAT      1
#define PV_USER_DOMAIN      "privacy user 1"
#define PV_USER_BYTES       (2 + PV_SUBJECT_LEN + 4 + PV_MAC_LEN)
#define PV_USER_TAG_DOMAIN  "privacy user tag 1"

#define PV_TOKEN_FORMAT     1
#define PV_TOKEN_DOMAIN     "privacy form 1"


static int pv_consent_valid(const pv_consent_t *c);
static int pv_consent_pending_valid(const pv_consent_t *c);
static int pv_consent_unpack(pv_consent_t *c, const unsigned char *data, size_t len);
static long pv_sign(char *out, unsigned char *data, size_t len, const pv_key_t *key, const char *domain,
    pv_str_t site, pv_str_t context);
static int pv_signed(const unsigned char *data, size_t len, const pv_keys_t *keys, pv_key_kind_t kind,
    const char *domain, pv_str_t site, pv_str_t context);


static const pv_str_t  pv_no_context = { NULL, 0 };


long
pv_consent_encode(char out[PV_COOKIE_MAX + 1], const pv_consent_t *c, const pv_keys_t *keys, pv_str_t site)
{
    const pv_key_t  *key;
    unsigned char   *p, packed[PV_CONSENT_BYTES];

    key = pv_keys_first(keys, PV_KEY_COOKIE);

    if (key == NULL || !pv_consent_valid(c)) {
        return PV_ERROR;
    }

    p = packed;

    *p++ = PV_CONSENT_FORMAT;
    *p++ = key->id;
    *p++ = c->flags;

    p = pv_pack_bytes(p, c->subject, PV_SUBJECT_LEN);
    p = pv_pack_pair(p, c->position, c->chosen);
    p = pv_pack_pair(p, c->decided_version, c->bound_version);
    p = pv_pack_pair(p, c->decided, c->granted);
    p = pv_pack_u32(p, c->checked);

    if (c->flags & PV_STATE_USER) {
        p = pv_pack_bytes(p, c->user_tag, PV_USER_TAG_LEN);
    }

    p = pv_pack_bytes(p, c->head, PV_LINK_LEN);

    if (c->flags & PV_STATE_PENDING) {
        *p++ = c->pending_len;
        p = pv_pack_bytes(p, c->pending, c->pending_len);
    }

    return pv_sign(out, packed, (size_t) (p - packed), key, PV_CONSENT_DOMAIN, site, pv_no_context);
}


int
pv_consent_decode(pv_consent_t *c, pv_str_t cookie, const pv_keys_t *keys, pv_str_t site)
{
    int            rc;
    long           len;
    unsigned char  packed[PV_CONSENT_BYTES];

    memset(c, 0, sizeof(pv_consent_t));

    if (cookie.len > PV_COOKIE_MAX) {
        return PV_INVALID;
    }

    len = pv_base64url_decode(packed, sizeof(packed), cookie);

    if (len < 2 + PV_MAC_LEN || packed[0] != PV_CONSENT_FORMAT) {
        return PV_INVALID;
    }

    rc = pv_signed(packed, (size_t) len, keys, PV_KEY_COOKIE, PV_CONSENT_DOMAIN, site, pv_no_context);
    if (rc != PV_OK) {
        return rc;
    }

    if (!pv_consent_unpack(c, packed + 2, (size_t) len - 2 - PV_MAC_LEN)) {
        memset(c, 0, sizeof(pv_consent_t));
        return PV_INVALID;
    }

    return PV_OK;
}


/* What stands between key id and MAC; 0 when it is not exactly a consent. */

static int
pv_consent_unpack(pv_consent_t *c, const unsigned char *data, size_t len)
{
    uint64_t     position, chosen, decided_version, bound_version;
    pv_unpack_t  u;

    pv_unpack_init(&u, data, len);

    c->flags = pv_unpack_u8(&u);
    pv_unpack_bytes(&u, c->subject, PV_SUBJECT_LEN);
    pv_unpack_pair(&u, &position, &chosen, 4);
    pv_unpack_pair(&u, &decided_version, &bound_version, 4);
    pv_unpack_pair(&u, &c->decided, &c->granted, 8);
    c->checked = pv_unpack_u32(&u);

    if (c->flags & PV_STATE_USER) {
        pv_unpack_bytes(&u, c->user_tag, PV_USER_TAG_LEN);
    }

    pv_unpack_bytes(&u, c->head, PV_LINK_LEN);

    if (c->flags & PV_STATE_PENDING) {
        c->pending_len = pv_unpack_u8(&u);

        if (c->pending_len > PV_RECORD_MAX) {
            return 0;
        }

        pv_unpack_bytes(&u, c->pending, c->pending_len);
    }

    c->position = (uint32_t) position;
    c->chosen = (uint32_t) chosen;
    c->decided_version = (uint32_t) decided_version;
    c->bound_version = (uint32_t) bound_version;

    return pv_unpack_done(&u) && pv_consent_valid(c);
}


static int
pv_consent_valid(const pv_consent_t *c)
{
    /* agreed to one version, or declined one: the answer to the newest notice */

    if ((c->flags & PV_STATE_AGREED_AHEAD) && (c->flags & PV_STATE_AHEAD) != PV_STATE_AGREED_AHEAD) {
        return 0;
    }

    if ((c->granted & ~c->decided) || (c->decided != 0 && c->decided_version == 0)) {
        return 0;
    }

    if (c->flags & PV_STATE_PENDING) {
        return pv_consent_pending_valid(c);
    }

    return c->position != 0 && c->pending_len == 0;
}


/*
 * A refusal on its way: it may be the first record (position 0), and what is
 * granted is what it leaves granted, never what stood before it.
 */

static int
pv_consent_pending_valid(const pv_consent_t *c)
{
    pv_str_t     bytes;
    pv_record_t  record;

    if (c->pending_len > PV_RECORD_MAX || c->position == UINT32_MAX) {
        return 0;
    }

    bytes.data = c->pending;
    bytes.len = c->pending_len;

    if (pv_record_decode(&record, bytes) != PV_OK || (c->granted & ~record.granted)) {
        return 0;
    }

    return c->position != 0 || c->granted == 0;
}


void
pv_consent_from_record(pv_consent_t *c, const pv_record_t *r, const unsigned char subject[PV_SUBJECT_LEN],
    uint32_t position, uint32_t now)
{
    uint32_t  carried;

    carried = (uint32_t) r->carried * PV_DAY;

    memset(c, 0, sizeof(pv_consent_t));

    memcpy(c->subject, subject, PV_SUBJECT_LEN);
    memcpy(c->head, r->link, PV_LINK_LEN);

    c->position = position;
    c->decided_version = r->decided_version;
    c->bound_version = r->bound_version;
    c->decided = r->decided;
    c->granted = r->granted;
    c->chosen = (r->time > carried) ? r->time - carried : 0;
    c->checked = now;

    if (r->how == PV_HOW_WITHDRAW || r->carried_withdrawal) {
        c->flags |= PV_STATE_WITHDRAWN;
    }

    if (r->how == PV_HOW_AGREE && r->ahead) {
        c->flags |= PV_STATE_AGREED_AHEAD;

    } else if (r->how == PV_HOW_DECLINE) {
        c->flags |= (uint8_t) (r->ahead << 5);
    }
}


long
pv_user_encode(char out[PV_USER_COOKIE_MAX + 1], const pv_user_t *u, pv_str_t session, const pv_keys_t *keys,
    pv_str_t site)
{
    const pv_key_t  *key;
    unsigned char   *p, packed[PV_USER_BYTES];

    key = pv_keys_first(keys, PV_KEY_COOKIE);
    if (key == NULL) {
        return PV_ERROR;
    }

    p = packed;

    *p++ = PV_USER_FORMAT;
    *p++ = key->id;

    p = pv_pack_bytes(p, u->subject, PV_SUBJECT_LEN);
    p = pv_pack_u32(p, u->expires);

    return pv_sign(out, packed, (size_t) (p - packed), key, PV_USER_DOMAIN, site, session);
}


int
pv_user_decode(pv_user_t *u, pv_str_t cookie, pv_str_t session, const pv_keys_t *keys, pv_str_t site, uint32_t now)
{
    int            rc;
    pv_unpack_t    in;
    unsigned char  packed[PV_USER_BYTES];

    memset(u, 0, sizeof(pv_user_t));

    if (pv_base64url_decode(packed, sizeof(packed), cookie) != PV_USER_BYTES || packed[0] != PV_USER_FORMAT) {
        return PV_INVALID;
    }

    rc = pv_signed(packed, PV_USER_BYTES, keys, PV_KEY_COOKIE, PV_USER_DOMAIN, site, session);
    if (rc != PV_OK) {
        return rc;
    }

    pv_unpack_init(&in, packed + 2, PV_SUBJECT_LEN + 4);
    pv_unpack_bytes(&in, u->subject, PV_SUBJECT_LEN);
    u->expires = pv_unpack_u32(&in);

    if (now >= u->expires) {
        memset(u, 0, sizeof(pv_user_t));
        return PV_INVALID;
    }

    return PV_OK;
}


int
pv_user_tag(unsigned char tag[PV_USER_TAG_LEN], const unsigned char subject[PV_SUBJECT_LEN])
{
    pv_str_t       parts[2];
    unsigned char  digest[PV_SHA256_LEN];

    parts[0].data = (const unsigned char *) PV_USER_TAG_DOMAIN;
    parts[0].len = sizeof(PV_USER_TAG_DOMAIN);
    parts[1].data = subject;
    parts[1].len = PV_SUBJECT_LEN;

    if (pv_sha256(digest, parts, 2) != PV_OK) {
        return PV_ERROR;
    }

    memcpy(tag, digest, PV_USER_TAG_LEN);

    return PV_OK;
}


long
pv_token_encode(char out[PV_TOKEN_MAX + 1], const pv_token_t *t, const pv_keys_t *keys, pv_str_t site)
{
    unsigned char  packed[PV_TOKEN_BYTES];

    if (pv_token_sign(packed, t, keys, site) != PV_OK) {
        return PV_ERROR;
    }

    return pv_token_mask(out, packed);
}


int
pv_token_sign(unsigned char packed[PV_TOKEN_BYTES], const pv_token_t *t, const pv_keys_t *keys, pv_str_t site)
{
    pv_str_t         bytes;
    const pv_key_t  *key;
    unsigned char   *p;

    key = pv_keys_first(keys, PV_KEY_FORM);
    if (key == NULL) {
        return PV_ERROR;
    }

    p = packed;

    *p++ = PV_TOKEN_FORMAT;
    *p++ = key->id;

    p = pv_pack_u64(p, t->form);
    p = pv_pack_u32(p, t->version);
    p = pv_pack_u32(p, t->issued);
    p = pv_pack_u32(p, t->position);
    p = pv_pack_bytes(p, t->subject_tag, PV_USER_TAG_LEN);
    p = pv_pack_bytes(p, t->user_tag, PV_USER_TAG_LEN);

    bytes.data = packed;
    bytes.len = (size_t) (p - packed);

    return pv_keys_mac(p, key, PV_TOKEN_DOMAIN, site, &bytes, 1);
}


/* A pad of random bytes, then the signed token under it: no two look alike. */

long
pv_token_mask(char out[PV_TOKEN_MAX + 1], const unsigned char packed[PV_TOKEN_BYTES])
{
    size_t          i, len;
    uint64_t        word, pad;
    pv_str_t        bytes;
    unsigned char   masked[2 * PV_TOKEN_BYTES];

    if (pv_random_pad(masked, PV_TOKEN_BYTES) != PV_OK) {
        return PV_ERROR;
    }

    for (i = 0; i + sizeof(word) <= PV_TOKEN_BYTES; i += sizeof(word)) {
        memcpy(&word, packed + i, sizeof(word));
        memcpy(&pad, masked + i, sizeof(pad));
        word ^= pad;
        memcpy(masked + PV_TOKEN_BYTES + i, &word, sizeof(word));
    }

    for ( /* void */ ; i < PV_TOKEN_BYTES; i++) {
        masked[PV_TOKEN_BYTES + i] = packed[i] ^ masked[i];
    }

    bytes.data = masked;
    bytes.len = sizeof(masked);

    len = pv_base64url_encode((unsigned char *) out, bytes);
    out[len] = '\0';

    return (long) len;
}


int
pv_token_decode(pv_token_t *t, pv_str_t token, const pv_keys_t *keys, pv_str_t site)
{
    int             rc;
    size_t          i;
    pv_unpack_t     u;
    unsigned char   masked[2 * PV_TOKEN_BYTES], *packed;

    memset(t, 0, sizeof(pv_token_t));

    if (pv_base64url_decode(masked, sizeof(masked), token) != (long) sizeof(masked)) {
        return PV_INVALID;
    }

    packed = masked + PV_TOKEN_BYTES;

    for (i = 0; i < PV_TOKEN_BYTES; i++) {
        packed[i] ^= masked[i];
    }

    if (packed[0] != PV_TOKEN_FORMAT) {
        return PV_INVALID;
    }

    rc = pv_signed(packed, PV_TOKEN_BYTES, keys, PV_KEY_FORM, PV_TOKEN_DOMAIN, site, pv_no_context);
    if (rc != PV_OK) {
        return rc;
    }

    pv_unpack_init(&u, packed + 2, PV_TOKEN_BYTES - 2 - PV_MAC_LEN);

    t->form = pv_unpack_u64(&u);
    t->version = pv_unpack_u32(&u);
    t->issued = pv_unpack_u32(&u);
    t->position = pv_unpack_u32(&u);
    pv_unpack_bytes(&u, t->subject_tag, PV_USER_TAG_LEN);
    pv_unpack_bytes(&u, t->user_tag, PV_USER_TAG_LEN);

    return PV_OK;
}


/*
 * Puts the MAC behind the len bytes of data, which has room, and writes all of
 * it as text. context is signed along but not carried: it may only be used
 * where len is always the same.
 */

static long
pv_sign(char *out, unsigned char *data, size_t len, const pv_key_t *key, const char *domain, pv_str_t site,
    pv_str_t context)
{
    pv_str_t  parts[2];

    parts[0].data = data;
    parts[0].len = len;
    parts[1] = context;

    if (pv_keys_mac(data + len, key, domain, site, parts, 2) != PV_OK) {
        return PV_ERROR;
    }

    parts[0].len += PV_MAC_LEN;

    len = pv_base64url_encode((unsigned char *) out, parts[0]);
    out[len] = '\0';

    return (long) len;
}


/* Of data with a key id as its second byte and the MAC as its last ones. */

static int
pv_signed(const unsigned char *data, size_t len, const pv_keys_t *keys, pv_key_kind_t kind, const char *domain,
    pv_str_t site, pv_str_t context)
{
    pv_str_t         parts[2];
    const pv_key_t  *key;
    unsigned char    mac[PV_MAC_LEN];

    key = pv_keys_find(keys, kind, data[1]);
    if (key == NULL) {
        return PV_INVALID;
    }

    parts[0].data = data;
    parts[0].len = len - PV_MAC_LEN;
    parts[1] = context;

    if (pv_keys_mac(mac, key, domain, site, parts, 2) != PV_OK) {
        return PV_ERROR;
    }

    return pv_equal(mac, data + len - PV_MAC_LEN, PV_MAC_LEN) ? PV_OK : PV_INVALID;
}
