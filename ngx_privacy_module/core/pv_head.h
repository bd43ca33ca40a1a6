/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_HEAD_H
#define PV_HEAD_H

/*
 * The head of one entry of a site's publication log, opened. Every entry is
 * one sealed string, the same in Redis, in a node's folder and on the wire:
 *
 *   "privacy-bundle 1\n"
 *   BASE64URL(Ed25519 signature) "\n"
 *   HEAD "\n"                  canonical JSON (sorted, compact), one line
 *   bodies                     whose sizes and digests stand in HEAD
 *
 * Signed is "privacy-bundle 1\n" SITE "\n" HEAD. The digest of an entry is
 * SHA-256 of HEAD, and HEAD names the digest of the entry before: heads alone
 * are the chain. Each can be verified without its bodies, and each body
 * without the others.
 *
 * Of a version the bodies are policy.json in canonical form, then for each
 * language, in the order of the head, Markdown and HTML. The other kinds have
 * none.
 */

#include "pv_signed.h"
#include "pv_state.h"

#define PV_SEALED_MAGIC      "privacy-bundle 1\n"
#define PV_SEALED_MAX        (32 * 1024 * 1024)
#define PV_HEAD_MAX          (64 * 1024)
/* So many bytes of a sealed entry hold its head, whatever is in it; what to read first: most heads end before. */
#define PV_HEAD_PREFIX_MAX   (PV_HEAD_MAX + 128)
#define PV_HEAD_PREFIX       (4 * 1024)

#define PV_BUNDLE_TEXT_MAX   (2 * 1024 * 1024)
#define PV_BUNDLE_HTML_MAX   (8 * 1024 * 1024)
#define PV_DECLARED_MAX      (4 * 1024 * 1024)      /* policy.json in canonical form */

#define PV_LANGUAGES_MAX     32
#define PV_VERSION_MAX       64
#define PV_REASON_MAX        1024

typedef struct { pv_str_t language, text; } pv_translation_t;

typedef struct {
    pv_str_t           kind;
    pv_str_t          *purposes;
    size_t             purposes_count;
    /*
     * One entry a language of the version, in the same order; where there is
     * no translation, the default language's, which says so in .language.
     */
    pv_translation_t  *summary;
    size_t             summary_count;       /* 0: none was given */
} pv_change_t;

typedef enum { PV_ENTRY_VERSION = 1, PV_ENTRY_WITHDRAWAL, PV_ENTRY_KEY } pv_entry_kind_t;

typedef struct {
    uint32_t       size;
    unsigned char  digest[PV_SHA256_LEN];
} pv_part_t;

typedef struct {
    pv_str_t   language;            /* BCP 47 */
    pv_str_t   title;
    pv_part_t  markdown, html;
} pv_head_text_t;

/*
 * Immutable; owns all that it points to, in one piece of memory (1 to 2 KB for
 * a version in three languages). Strings have a zero behind them.
 */
typedef struct {
    pv_entry_kind_t   kind;
    uint32_t          sequence;                     /* number in the log, from 1 */
    int64_t           published;                    /* Unix seconds */
    unsigned char     digest[PV_SHA256_LEN];
    unsigned char     previous[PV_SHA256_LEN];      /* digest of the entry before; zeros at 1 */
    unsigned char     key[PV_ED25519_PUBLIC];       /* who signed, as the head says: see pv_head_verify() */
    unsigned char     signature[PV_ED25519_SIG];
    uint32_t          bodies;                       /* where they begin in the sealed entry */
    uint32_t          size;                         /* of the whole sealed entry */
    uint32_t          memory;                       /* bytes that this head takes, for who counts */
    void             *block;                        /* it is in */

    /* A version. */
    pv_str_t          version;
    int64_t           effective;
    pv_str_t          effective_text;               /* RFC 3339 as written */
    unsigned          reduces_rights:1;
    pv_str_t          urgent;                       /* why there was no lead time; empty: there was */
    pv_part_t         declared;
    pv_head_text_t   *texts;                        /* the first is the default language */
    size_t            texts_count;
    pv_change_t      *changes;
    size_t            changes_count;

    /* A withdrawal. */
    uint32_t          withdraws;                    /* number of a version */
    pv_str_t          reason;

    /* A new key: signs from the next entry on. Its countersignature was verified. */
    unsigned char     new_key[PV_ED25519_PUBLIC];
} pv_head_t;

/*
 * Opens the head in the first bytes of a sealed entry; the bodies need not be
 * there, nor are they looked at. Everything in it is validated, fields that
 * are not known are refused, and so is any other spelling of the same head.
 * PV_SHORT: *need bytes have to be there (at most PV_HEAD_PREFIX_MAX), or the
 * entry is cut. PV_INVALID: the reason is in problems. The signature is not
 * verified, except that of a new key over its own entry.
 */
int pv_head_open(pv_head_t **head, pv_str_t prefix, pv_str_t site, size_t *need, pv_problems_t *problems);
void pv_head_free(pv_head_t *head);

/* PV_OK when the head in these first bytes was signed with pub, for that site; else PV_INVALID. */
int pv_head_verify(pv_str_t prefix, pv_str_t site, const unsigned char pub[PV_ED25519_PUBLIC]);

/* "version", "withdrawal", "key". The way back: 0 for anything else. */
const char *pv_entry_kind_name(pv_entry_kind_t kind);
pv_entry_kind_t pv_entry_kind(pv_str_t name);

/* 1 for a site's name: 1 to PV_SITE_MAX of A-Z a-z 0-9 . _ - */
int pv_site_valid(pv_str_t site);


/* Bodies. language: an index of texts; not looked at for PV_BODY_DECLARED. */
typedef enum { PV_BODY_DECLARED, PV_BODY_MARKDOWN, PV_BODY_HTML } pv_body_t;

const pv_part_t *pv_head_part(const pv_head_t *head, pv_body_t body, size_t language);
/* Where it begins in the sealed entry: what to read from a file, or by GETRANGE. */
size_t pv_head_offset(const pv_head_t *head, pv_body_t body, size_t language);
/* PV_OK when these bytes are that body: size and digest. */
int pv_head_body_verify(const pv_head_t *head, pv_body_t body, size_t language, pv_str_t bytes);
/* The body out of the whole sealed entry, borrowed, verified. PV_INVALID: altered, or the entry is cut or too long. */
int pv_head_body(pv_str_t *out, const pv_head_t *head, pv_str_t sealed, pv_body_t body, size_t language);

/*
 * The parts of a sealed entry, borrowed: no check but of the frame. signature
 * is its base64url text; bodies is what is there of them. PV_SHORT and *need
 * as above (need may be NULL).
 */
int pv_sealed_split(pv_str_t sealed, pv_str_t *signature, pv_str_t *head, pv_str_t *bodies, size_t *need);

#endif /* PV_HEAD_H */
