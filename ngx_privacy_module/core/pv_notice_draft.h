/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_NOTICE_DRAFT_H
#define PV_NOTICE_DRAFT_H

/* Notices of the stream as they are written and sent: for privacyctl. */

#include "pv_notice.h"

/* Where a notice will stand, and what its author says beside the text. */
typedef struct {
    pv_str_t              site;
    uint32_t              number;       /* its own: the one after the stream's last entry */
    const unsigned char  *previous;     /* digest of the newest trusted notice; NULL: there is none */
    uint32_t              log;          /* number of the newest entry of the publication log */
    int64_t               now;
    int64_t               until;        /* 0: PV_NOTICE_DAYS from now */
    unsigned              public:1;
    pv_audience_t         audience;
    uint32_t              corrects;     /* 0: none */
    const pv_str_t       *languages;    /* those of the policy's texts: each has to be there; the first is the default */
    size_t                languages_count;      /* 0: whatever the draft has */
} pv_notice_context_t;

/*
 * Seals a draft, and appends it to out: the JSON
 *   {"kind": "incident", "texts": {"en": {"title", "happened", "measures", "advice", "remedies"}}}
 *   {"kind": "announcement", "texts": {"en": {"title", "summary"}}}
 * Each problem names file (may be NULL), the line, and the field. Nothing is
 * sealed that pv_notice_open() would refuse.
 */
int pv_notice_seal(pv_buf_t *out, const pv_notice_context_t *context, pv_str_t draft, const char *file,
    const unsigned char secret[PV_ED25519_SECRET], pv_problems_t *problems);
/* The same of a retraction; until, public, audience, corrects, languages of the context do not count. */
int pv_notice_seal_retraction(pv_buf_t *out, const pv_notice_context_t *context, uint32_t retracts, const char *reason,
    const unsigned char secret[PV_ED25519_SECRET], pv_problems_t *problems);

#endif /* PV_NOTICE_DRAFT_H */
