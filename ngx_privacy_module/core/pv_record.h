/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_RECORD_H
#define PV_RECORD_H

/*
 * A record: one entry of a subject's ledger, at most PV_RECORD_MAX bytes so
 * that Redis keeps the hash in its small encoding. Records are numbered from
 * 1 (the position) and carry the whole state after the choice, so that the
 * newest one alone says what holds.
 *
 * The link is HMAC(ledger key, previous link || salted hash of this record),
 * truncated to 128 bits. The salt is derived from the ledger key over site,
 * subject and position, which also binds each record to its place: a record
 * moved to another position, subject or site does not verify even alone. The
 * link before position 1 is derived from site and subject.
 *
 * Answering the notice of a new version, by agreeing or declining, decides at
 * most the purposes that it changed: such a record carries along what was
 * chosen before, with its age in whole days (rounded up), so that answering
 * never prolongs a grant. What is answered before the version is in force is
 * not in decided and granted, which are about the one in force: `ahead` says
 * so, and what the version changed is worked out when it is in force.
 *
 * One codec for ledger, pending refusal and export.
 */

#include "pv_keys.h"
#include "pv_network.h"

#define PV_RECORD_FORMAT  1
#define PV_RECORD_FORMATS 31        /* there will never be more: other first bytes are no record's */
#define PV_RECORD_MAX     64
#define PV_SUBJECT_LEN    16
#define PV_SUBJECT_TEXT   22        /* base64url */
#define PV_LINK_LEN       16
#define PV_CLIENT_MAX     PV_NETWORK_MAX
#define PV_CARRIED_MAX    1000      /* days; longer than any choice holds */
#define PV_AHEAD_MAX      7
#define PV_DAY            86400     /* seconds */
#define PV_SITE_MAX       64        /* [A-Za-z0-9._-]{1,64} */

typedef enum {
    PV_HOW_ACCEPT_ALL = 1,
    PV_HOW_REJECT_ALL,
    PV_HOW_CUSTOM,
    PV_HOW_SIGNAL,
    PV_HOW_WITHDRAW,
    PV_HOW_AGREE,
    PV_HOW_GUARDIAN,
    PV_HOW_API,
    PV_HOW_EXPIRE,
    PV_HOW_DECLINE
} pv_how_t;

const char *pv_how_name(int how);           /* "accept_all" ...; NULL when unknown */

typedef struct {
    uint8_t        key_id;                  /* of the ledger key */
    uint8_t        how;                     /* pv_how_t */
    uint32_t       time;                    /* Unix seconds, to 2106 */
    uint64_t       form;                    /* which form was shown, see pv_form_number() */
    uint32_t       decided_version;         /* sequence number of the version chosen on; 0 only when decided is */
    uint32_t       bound_version;
    uint64_t       decided;                 /* purpose bits, the whole state after this choice */
    uint64_t       granted;                 /* a subset of decided */
    /* PV_HOW_AGREE and PV_HOW_DECLINE only, else 0: */
    uint16_t       carried;                 /* how many days ago decided was chosen */
    uint8_t        carried_withdrawal;      /* 1 when that choice was a withdrawal */
    uint8_t        ahead;                   /* agreed: 1 when bound_version was not in force yet; declined: how many
                                               numbers the version stands after decided_version, to PV_AHEAD_MAX */
    uint8_t        client_len;              /* 0, 3 or 6 */
    unsigned char  client[PV_CLIENT_MAX];
    unsigned char  link[PV_LINK_LEN];
} pv_record_t;

/* Returns the length, at most PV_RECORD_MAX; 0 when a field is out of range (pv_record_seal() refuses it too). */
size_t pv_record_encode(unsigned char out[PV_RECORD_MAX], const pv_record_t *r);
/* Every byte must be used, every field in range, granted within decided. */
int pv_record_decode(pv_record_t *r, pv_str_t bytes);
/* Of bytes that are no record here: the format that a later version of the software wrote them in, else 0. */
unsigned pv_record_newer(pv_str_t bytes);

/* The link that stands before position 1. */
int pv_record_first_link(unsigned char link[PV_LINK_LEN], const pv_keys_t *keys, uint8_t key_id,
    pv_str_t site, const unsigned char subject[PV_SUBJECT_LEN]);

/* Signs with the first ledger key: sets key_id and link. previous: the link of position - 1, NULL at 1. */
int pv_record_seal(pv_record_t *r, const pv_keys_t *keys, pv_str_t site,
    const unsigned char subject[PV_SUBJECT_LEN], uint32_t position, const unsigned char *previous);
/* PV_OK, or PV_INVALID: unknown key, or the link does not hold. */
int pv_record_verify(const pv_record_t *r, const pv_keys_t *keys, pv_str_t site,
    const unsigned char subject[PV_SUBJECT_LEN], uint32_t position, const unsigned char *previous);

/* The first 64 bits of SHA-256 over the exact form, never 0 (but when the crypto library failed). */
uint64_t pv_form_number(pv_str_t form);

/* The pseudonym of a logged-in user; the subject under which their ledger is kept. */
int pv_pseudonym(unsigned char subject[PV_SUBJECT_LEN], const pv_keys_t *keys, pv_str_t site, pv_str_t user);

#endif /* PV_RECORD_H */
