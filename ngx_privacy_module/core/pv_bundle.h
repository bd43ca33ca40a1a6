/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_BUNDLE_H
#define PV_BUNDLE_H

/*
 * From a bundle folder (policy.json and policy.LANG.md files, given as bytes)
 * to a sealed bundle: validated, canonicalised, rendered, digested, signed.
 *
 * A sealed bundle is one string, the same in Redis, in a node's folder and in
 * the archive:
 *
 *   "privacy-bundle 1\n"
 *   BASE64URL(Ed25519 signature) "\n"
 *   payload: canonical JSON (sorted keys, no white space, NFC)
 *
 * The signature is over "privacy-bundle 1\n" SITE "\n" payload. The digest of
 * the version is SHA-256 of the payload. The payload names site, sequence
 * number and the digest of the version before: the log is a chain.
 */

#include "pv_policy.h"

#define PV_BUNDLE_JSON_MAX   (1024 * 1024)

typedef struct {
    pv_str_t     language;
    pv_str_t     bytes;         /* data NULL, also of policy.json: could not be read, which was said */
    const char  *file;          /* for messages */
} pv_bundle_text_t;

typedef struct {
    pv_str_t           json;
    const char        *json_file;
    pv_bundle_text_t  *texts;
    size_t             texts_count;
} pv_bundle_source_t;

typedef struct {
    pv_str_t     site;
    uint32_t     sequence;              /* 1 + previous */
    int64_t      now;                   /* when it is published */
    unsigned     notice_days;           /* lead time of a material change */
    const char  *urgent;                /* NULL, or the reason that is published */
    /* The version before (NULL for the first) and every purpose id that ever had a bit. */
    const pv_policy_t *previous;
} pv_bundle_context_t;

/* All errors and warnings at once. PV_INVALID when there is an error. context may be NULL: no log to fit. */
int pv_bundle_check(const pv_bundle_source_t *source, const pv_bundle_context_t *context, pv_problems_t *problems);

/* Checks, then appends the sealed bundle to out. */
int pv_bundle_seal(pv_buf_t *out, const pv_bundle_source_t *source, const pv_bundle_context_t *context,
    const unsigned char secret[PV_ED25519_SECRET], pv_problems_t *problems);

/*
 * 1 when the source declares and says exactly what the published version does
 * (publishing it again would change nothing), 0 when it differs or has errors.
 */
int pv_bundle_same(const pv_bundle_source_t *source, const pv_policy_t *published);

/* CommonMark with tables to sanitised HTML: raw HTML off, link schemes http, https, mailto, tel and relative. */
int pv_markdown_html(pv_buf_t *out, pv_str_t markdown);

#endif /* PV_BUNDLE_H */
