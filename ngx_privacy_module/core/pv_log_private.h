/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_LOG_PRIVATE_H
#define PV_LOG_PRIVATE_H

/* Between the files of the log. */

#include "pv_log.h"

typedef struct {
    pv_head_t  *head;
    uint32_t    withdrawn;      /* number of the entry that withdrew this version; 0: none did */
    unsigned    trusted:1;
} pv_log_slot_t;

struct pv_log_s {
    unsigned char   pub[PV_ED25519_PUBLIC];
    pv_log_slot_t  *slots;      /* ascending; may have gaps */
    size_t          count, size;
};

#endif /* PV_LOG_PRIVATE_H */
