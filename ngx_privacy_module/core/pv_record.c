/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pv_pack.h"
#include "pv_record.h"


/*
 * Packed:  format  key_id  how  client_len  time(4)  form(8)
 *          pair(decided_version, bound_version)  pair(decided, granted)
 *          [how = agree or decline: withdrawal(1 bit) ahead(3) carried(12)]
 *          client(client_len)  link(16)
 *
 * 64 bytes at most, 40 with one version and a few purposes.
 */

#define PV_RECORD_WITHDRAWAL    0x8000
#define PV_RECORD_AHEAD         12              /* where it stands */
#define PV_RECORD_CARRIED       0x0fff
#define PV_RECORD_VERSIONS      (1 << 24)       /* who answers a notice does so on versions below it */

#define PV_RECORD_DOMAIN_FIRST  "privacy record first 1"
#define PV_RECORD_DOMAIN_SALT   "privacy record salt 1"
#define PV_RECORD_DOMAIN_LINK   "privacy record link 1"
#define PV_PSEUDONYM_DOMAIN     "privacy pseudonym 1"


static int pv_record_carries(const pv_record_t *r);
static int pv_record_valid(const pv_record_t *r);
static int pv_record_link(unsigned char link[PV_LINK_LEN], const pv_record_t *r, const pv_keys_t *keys,
    pv_str_t site, const unsigned char subject[PV_SUBJECT_LEN], uint32_t position, const unsigned char *previous);


static const char *const  pv_how_names[] = {
    NULL, "accept_all", "reject_all", "custom", "signal", "withdraw", "agree", "guardian", "api", "expire",
    "decline"
};


const char *
pv_how_name(int how)
{
    return (how >= PV_HOW_ACCEPT_ALL && how <= PV_HOW_DECLINE) ? pv_how_names[how] : NULL;
}


size_t
pv_record_encode(unsigned char out[PV_RECORD_MAX], const pv_record_t *r)
{
    unsigned char  *p;

    if (!pv_record_valid(r)) {
        return 0;
    }

    p = out;

    *p++ = PV_RECORD_FORMAT;
    *p++ = r->key_id;
    *p++ = r->how;
    *p++ = r->client_len;

    p = pv_pack_u32(p, r->time);
    p = pv_pack_u64(p, r->form);
    p = pv_pack_pair(p, r->decided_version, r->bound_version);
    p = pv_pack_pair(p, r->decided, r->granted);

    if (pv_record_carries(r)) {
        p = pv_pack_u16(p, (uint16_t) (r->carried | r->ahead << PV_RECORD_AHEAD
                                       | (r->carried_withdrawal ? PV_RECORD_WITHDRAWAL : 0)));
    }

    p = pv_pack_bytes(p, r->client, r->client_len);
    p = pv_pack_bytes(p, r->link, PV_LINK_LEN);

    return (size_t) (p - out);
}


int
pv_record_decode(pv_record_t *r, pv_str_t bytes)
{
    uint8_t      format;
    uint16_t     carried;
    uint64_t     decided_version, bound_version;
    pv_unpack_t  u;

    memset(r, 0, sizeof(pv_record_t));

    if (bytes.len > PV_RECORD_MAX) {
        return PV_INVALID;
    }

    pv_unpack_init(&u, bytes.data, bytes.len);

    format = pv_unpack_u8(&u);
    r->key_id = pv_unpack_u8(&u);
    r->how = pv_unpack_u8(&u);
    r->client_len = pv_unpack_u8(&u);
    r->time = pv_unpack_u32(&u);
    r->form = pv_unpack_u64(&u);
    pv_unpack_pair(&u, &decided_version, &bound_version, 4);
    pv_unpack_pair(&u, &r->decided, &r->granted, 8);

    r->decided_version = (uint32_t) decided_version;
    r->bound_version = (uint32_t) bound_version;

    if (pv_record_carries(r)) {
        carried = pv_unpack_u16(&u);
        r->carried = carried & PV_RECORD_CARRIED;
        r->ahead = (carried >> PV_RECORD_AHEAD) & PV_AHEAD_MAX;
        r->carried_withdrawal = (carried & PV_RECORD_WITHDRAWAL) != 0;
    }

    if (format == PV_RECORD_FORMAT && pv_record_valid(r)) {
        pv_unpack_bytes(&u, r->client, r->client_len);
        pv_unpack_bytes(&u, r->link, PV_LINK_LEN);

        if (pv_unpack_done(&u)) {
            return PV_OK;
        }
    }

    memset(r, 0, sizeof(pv_record_t));

    return PV_INVALID;
}


unsigned
pv_record_newer(pv_str_t bytes)
{
    return (bytes.len != 0 && bytes.data[0] > PV_RECORD_FORMAT && bytes.data[0] <= PV_RECORD_FORMATS)
           ? bytes.data[0] : 0;
}


/* The answer to a notice. */

static int
pv_record_carries(const pv_record_t *r)
{
    return r->how == PV_HOW_AGREE || r->how == PV_HOW_DECLINE;
}


static int
pv_record_valid(const pv_record_t *r)
{
    if (pv_how_name(r->how) == NULL) {
        return 0;
    }

    if (r->client_len != 0 && r->client_len != 3 && r->client_len != 6) {
        return 0;
    }

    if (r->granted & ~r->decided) {
        return 0;
    }

    if (pv_record_carries(r)) {
        /* the bytes that the age takes are those that version numbers never need */

        if (r->carried > PV_CARRIED_MAX || r->ahead > (r->how == PV_HOW_AGREE ? 1 : PV_AHEAD_MAX)
            || r->decided_version >= PV_RECORD_VERSIONS
            || r->bound_version >= PV_RECORD_VERSIONS)
        {
            return 0;
        }

    } else if (r->carried != 0 || r->carried_withdrawal != 0 || r->ahead != 0) {
        return 0;
    }

    return r->decided == 0 || r->decided_version != 0;
}


int
pv_record_first_link(unsigned char link[PV_LINK_LEN], const pv_keys_t *keys, uint8_t key_id, pv_str_t site,
    const unsigned char subject[PV_SUBJECT_LEN])
{
    pv_str_t         part;
    const pv_key_t  *key;

    key = pv_keys_find(keys, PV_KEY_LEDGER, key_id);
    if (key == NULL) {
        return PV_INVALID;
    }

    part.data = subject;
    part.len = PV_SUBJECT_LEN;

    return pv_keys_mac(link, key, PV_RECORD_DOMAIN_FIRST, site, &part, 1);
}


int
pv_record_seal(pv_record_t *r, const pv_keys_t *keys, pv_str_t site, const unsigned char subject[PV_SUBJECT_LEN],
    uint32_t position, const unsigned char *previous)
{
    const pv_key_t  *key;

    key = pv_keys_first(keys, PV_KEY_LEDGER);
    if (key == NULL) {
        return PV_ERROR;
    }

    r->key_id = key->id;

    return pv_record_link(r->link, r, keys, site, subject, position, previous);
}


int
pv_record_verify(const pv_record_t *r, const pv_keys_t *keys, pv_str_t site,
    const unsigned char subject[PV_SUBJECT_LEN], uint32_t position, const unsigned char *previous)
{
    int            rc;
    unsigned char  link[PV_LINK_LEN];

    rc = pv_record_link(link, r, keys, site, subject, position, previous);
    if (rc != PV_OK) {
        return rc;
    }

    return pv_equal(link, r->link, PV_LINK_LEN) ? PV_OK : PV_INVALID;
}


static int
pv_record_link(unsigned char link[PV_LINK_LEN], const pv_record_t *r, const pv_keys_t *keys, pv_str_t site,
    const unsigned char subject[PV_SUBJECT_LEN], uint32_t position, const unsigned char *previous)
{
    int              rc;
    size_t           len;
    pv_str_t         parts[2];
    const pv_key_t  *key;
    unsigned char    packed[PV_RECORD_MAX], place[4], first[PV_LINK_LEN], salt[PV_MAC_LEN], hash[PV_SHA256_LEN];

    key = pv_keys_find(keys, PV_KEY_LEDGER, r->key_id);
    len = pv_record_encode(packed, r);

    if (key == NULL || len == 0 || position == 0 || (position > 1 && previous == NULL)) {
        return PV_INVALID;
    }

    if (position == 1) {
        rc = pv_record_first_link(first, keys, r->key_id, site, subject);
        if (rc != PV_OK) {
            return rc;
        }

        previous = first;
    }

    /* Without the key the salt cannot be guessed, nor a record from its hash; it also names the place. */

    (void) pv_pack_u32(place, position);

    parts[0].data = subject;
    parts[0].len = PV_SUBJECT_LEN;
    parts[1].data = place;
    parts[1].len = sizeof(place);

    if (pv_keys_mac(salt, key, PV_RECORD_DOMAIN_SALT, site, parts, 2) != PV_OK) {
        return PV_ERROR;
    }

    parts[0].data = salt;
    parts[0].len = PV_MAC_LEN;
    parts[1].data = packed;
    parts[1].len = len - PV_LINK_LEN;

    if (pv_sha256(hash, parts, 2) != PV_OK) {
        return PV_ERROR;
    }

    parts[0].data = previous;
    parts[0].len = PV_LINK_LEN;
    parts[1].data = hash;
    parts[1].len = PV_SHA256_LEN;

    return pv_keys_mac(link, key, PV_RECORD_DOMAIN_LINK, site, parts, 2);
}


uint64_t
pv_form_number(pv_str_t form)
{
    uint64_t       number;
    pv_unpack_t    u;
    unsigned char  digest[PV_SHA256_LEN];

    if (pv_sha256(digest, &form, 1) != PV_OK) {
        return 0;
    }

    pv_unpack_init(&u, digest, 8);
    number = pv_unpack_u64(&u);

    return (number != 0) ? number : 1;
}


int
pv_pseudonym(unsigned char subject[PV_SUBJECT_LEN], const pv_keys_t *keys, pv_str_t site, pv_str_t user)
{
    const pv_key_t  *key;

    if (user.len == 0) {
        return PV_INVALID;
    }

    key = pv_keys_first(keys, PV_KEY_PSEUDONYM);
    if (key == NULL) {
        return PV_ERROR;
    }

    return pv_keys_mac(subject, key, PV_PSEUDONYM_DOMAIN, site, &user, 1);
}
