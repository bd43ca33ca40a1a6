/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_CHAIN_H
#define PV_CHAIN_H

/*
 * A ledger as a whole: which of its records stand where they were written, as
 * they were written. What a chain cannot show is a cut tail: compare its end
 * with what a browser remembers.
 */

#include "pv_record.h"

#define PV_CHAIN_MAX  65536     /* records of one ledger */

typedef enum {
    PV_CHAIN_HOLDS,
    PV_CHAIN_MISSING,       /* nothing stands at this position, but something behind it */
    PV_CHAIN_UNREADABLE,    /* not a record */
    PV_CHAIN_NEWER,         /* of a later version of the software: what stands behind it cannot be checked either */
    PV_CHAIN_CHANGED,       /* not what was written at this position */
    PV_CHAIN_MOVED,         /* another stands here; what belongs here stands at `elsewhere` */
    PV_CHAIN_UNPROVEN,      /* the one before is missing or changed, so that this one cannot be checked */
    PV_CHAIN_STATES
} pv_chain_state_t;

const char *pv_chain_state_name(pv_chain_state_t s);

typedef struct {
    unsigned char     data[PV_RECORD_MAX];
    uint8_t           len;          /* 0: nothing is there, or (too_long) more than any record has */
    uint8_t           too_long;
    /* Out: */
    uint8_t           readable;
    uint8_t           state;        /* pv_chain_state_t */
    uint32_t          elsewhere;
    pv_record_t       record;       /* when readable: what stands here, true or not */
} pv_chain_entry_t;

/* entries[0] is position 1. PV_OK when every record holds, PV_INVALID when one does not. */
int pv_chain_verify(pv_chain_entry_t *entries, size_t n, const pv_keys_t *keys, pv_str_t site,
    const unsigned char subject[PV_SUBJECT_LEN]);

#endif /* PV_CHAIN_H */
