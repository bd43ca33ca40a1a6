/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_STATE_H
#define PV_STATE_H

/*
 * What a browser carries: the signed consent cookie and the signed user
 * binding. Binary in base64url, under 240 bytes, HMAC-SHA256 truncated to 128
 * bits over a domain separator, the site and the payload. Whatever does not
 * decode exactly is no cookie at all: undecided, never granted.
 */

#include "pv_record.h"

#define PV_COOKIE_MAX    239        /* base64url characters */
#define PV_USER_TAG_LEN  8

#define PV_STATE_USER       0x01    /* the subject is a logged-in user; user_tag is set */
#define PV_STATE_WITHDRAWN  0x02    /* the newest choice was a withdrawal */
#define PV_STATE_MINOR      0x04
#define PV_STATE_PENDING    0x08    /* pending[] rides along: a refusal not yet recorded */
#define PV_STATE_AGREED_AHEAD    0x10   /* to bound_version before it was in force, and to what that changes */
#define PV_STATE_DECLINED_AHEAD  0xe0   /* so many versions after decided_version, which was in force then */

#define PV_STATE_AHEAD           (PV_STATE_AGREED_AHEAD|PV_STATE_DECLINED_AHEAD)

#define pv_state_declined_ahead(flags)  ((uint32_t) ((flags) & PV_STATE_DECLINED_AHEAD) >> 5)

/* A subject's consent as one node knows it: from a cookie, the zone or the ledger. */
typedef struct {
    unsigned char  subject[PV_SUBJECT_LEN];
    uint32_t       position;            /* of the record that this reflects; 0 only with PV_STATE_PENDING */
    uint32_t       decided_version;
    uint32_t       bound_version;
    uint64_t       decided;
    uint64_t       granted;
    uint32_t       chosen;              /* when, Unix seconds: the record's time */
    uint32_t       checked;             /* when it was last known to be the newest: the lease runs from here */
    uint8_t        flags;               /* PV_STATE_* */
    unsigned char  user_tag[PV_USER_TAG_LEN];   /* zeros unless PV_STATE_USER */
    unsigned char  head[PV_LINK_LEN];   /* the link of the record at position */
    uint8_t        pending_len;         /* of the packed record for position + 1 */
    unsigned char  pending[PV_RECORD_MAX];
} pv_consent_t;

/*
 * With PV_STATE_PENDING, decided, granted and the rest are the state that the
 * refusal leaves, not the one before: granted has to be a subset of what the
 * pending record grants, and nothing at position 0 (a first choice that is not
 * recorded). A state that breaks this is neither encoded nor decoded.
 */

/* Encodes with the first cookie key; returns the number of characters (no NUL), or PV_ERROR. */
long pv_consent_encode(char out[PV_COOKIE_MAX + 1], const pv_consent_t *c, const pv_keys_t *keys, pv_str_t site);
int pv_consent_decode(pv_consent_t *c, pv_str_t cookie, const pv_keys_t *keys, pv_str_t site);

/* Fills c from a record that was verified (subject, position given); checked = now; no pending. */
void pv_consent_from_record(pv_consent_t *c, const pv_record_t *r, const unsigned char subject[PV_SUBJECT_LEN],
    uint32_t position, uint32_t now);


/*
 * The user binding: who is logged in, as the application said, tied to the
 * values of the session cookies. Void when they change, go, or after expires.
 */
typedef struct {
    unsigned char  subject[PV_SUBJECT_LEN];     /* the pseudonym */
    uint32_t       expires;                     /* Unix seconds */
} pv_user_t;

#define PV_USER_COOKIE_MAX  120

/* session: the concatenation, length-prefixed, of the session cookies' values (may be empty). */
long pv_user_encode(char out[PV_USER_COOKIE_MAX + 1], const pv_user_t *u, pv_str_t session,
    const pv_keys_t *keys, pv_str_t site);
int pv_user_decode(pv_user_t *u, pv_str_t cookie, pv_str_t session, const pv_keys_t *keys, pv_str_t site,
    uint32_t now);
/* The first bytes of a hash of the pseudonym: what a consent cookie carries to say whose it is. */
int pv_user_tag(unsigned char tag[PV_USER_TAG_LEN], const unsigned char subject[PV_SUBJECT_LEN]);


/*
 * The form token: what was on the screen when a choice was made. base64url,
 * masked with a random pad so that no two look alike (BREACH).
 */
typedef struct {
    uint64_t       form;                        /* the form's number */
    uint32_t       version;                     /* sequence number of the version shown */
    uint32_t       issued;                      /* Unix seconds */
    uint32_t       position;                    /* of the ledger, when shown; 0: no choice yet */
    unsigned char  subject_tag[PV_USER_TAG_LEN];/* whose ledger; zeros when there was none */
    unsigned char  user_tag[PV_USER_TAG_LEN];   /* zeros when nobody was logged in */
} pv_token_t;

#define PV_TOKEN_MAX    160
#define PV_TOKEN_BYTES  (2 + 8 + 3 * 4 + 2 * PV_USER_TAG_LEN + PV_MAC_LEN)

long pv_token_encode(char out[PV_TOKEN_MAX + 1], const pv_token_t *t, const pv_keys_t *keys, pv_str_t site);
/*
 * The two halves of it: the signed bytes, the same for everybody who is shown the same form in the same second and has
 * no ledger yet; and the text under a fresh pad. Returns the text's length, or PV_ERROR.
 */
int pv_token_sign(unsigned char packed[PV_TOKEN_BYTES], const pv_token_t *t, const pv_keys_t *keys, pv_str_t site);
long pv_token_mask(char out[PV_TOKEN_MAX + 1], const unsigned char packed[PV_TOKEN_BYTES]);
int pv_token_decode(pv_token_t *t, pv_str_t token, const pv_keys_t *keys, pv_str_t site);

#endif /* PV_STATE_H */
