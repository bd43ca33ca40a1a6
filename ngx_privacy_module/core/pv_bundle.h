/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_BUNDLE_H
#define PV_BUNDLE_H

/*
 * From a bundle folder (policy.json and policy.LANG.md files, given as bytes)
 * to a sealed bundle: validated, canonicalised, rendered, digested, signed.
 * What a sealed bundle looks like: pv_head.h.
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
    pv_str_t              site;
    uint32_t              sequence;     /* 1 + that of the log's last entry */
    const unsigned char  *last;         /* that entry's digest; NULL: that of previous, if there is one */
    int64_t               now;          /* when it is published */
    unsigned              notice_days;  /* lead time of a material change */
    const char           *urgent;       /* NULL, or the reason that is published */
    /* The version before: the newest that was not withdrawn. NULL: there is none. */
    const pv_policy_t    *previous;
    /*
     * The newest version of all, also when it was withdrawn: its bits are
     * every one that was ever given. NULL: previous.
     */
    const pv_policy_t    *newest;
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
