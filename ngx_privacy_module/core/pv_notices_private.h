/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_NOTICES_PRIVATE_H
#define PV_NOTICES_PRIVATE_H

/* Between the files of the list. */

#include "pv_notices.h"

/* Of the stream. Several may have one number until it is settled which one counts. */
typedef struct {
    pv_notice_t    *notice;
    unsigned char  *sealed;
    size_t          size;
    unsigned char   key[PV_ED25519_PUBLIC];     /* that its signature was verified with */
    unsigned        verified:1;
    unsigned        trusted:1;
    unsigned        told:1;         /* that it names another one before it */
} pv_notices_slot_t;

/* Of the log. */
typedef struct {
    pv_notice_t  *notice;
    unsigned      withdrawn:1;
} pv_notices_change_t;

struct pv_notices_s {
    unsigned char         site_name[PV_SITE_MAX];
    pv_str_t              site;
    pv_notices_slot_t     slots[2 * PV_NOTICES_MAX];    /* ascending; as many may wait as are trusted */
    size_t                slots_count;
    pv_notices_change_t   changes[PV_NOTICES_MAX];      /* ascending */
    size_t                changes_count;
    pv_notice_t          *order[2 * PV_NOTICES_MAX];    /* what is trusted, of both */
    size_t                count, waiting;
    uint32_t              last;
};

/* Takes the slot out, and says why (NULL: without a word). */
void pv_notices_drop(pv_notices_t *notices, size_t i, const char *reason, pv_problems_t *problems);
/* Index of the first slot whose number is not below. */
size_t pv_notices_place(const pv_notices_t *notices, uint32_t number);

#endif /* PV_NOTICES_PRIVATE_H */
