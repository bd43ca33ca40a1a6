/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_VERIFY_BACKUP_H
#define CTL_VERIFY_BACKUP_H

/* privacyctl verify-backup: what its files share. */

#include "ctl_backup.h"
#include "ctl_bundle.h"
#include "pv_chain.h"

#define CTL_PROVEN_STREAMS  4

/* An entry of the log, and the first bytes of the sealed one. */
typedef struct {
    ctl_log_entry_t   entry;
    pv_buf_t          prefix;       /* empty: no such sealed entry was there */
    pv_head_t        *head;         /* until the chain has it */
} ctl_proven_t;

/* Numbers, sorted when they are asked for. */
typedef struct {
    uint64_t  *list;
    size_t     count, size;
} ctl_numbers_t;

/* A notice of the stream, until it is known who signs at its place. */
typedef struct {
    uint32_t  number;
    pv_buf_t  sealed;
} ctl_kept_notice_t;

typedef struct {
    const char         *site, *public, *keys_file;
    int                 json;

    pv_str_t            site_name;
    char                name[PV_SITE_MAX + 1];
    char                began[CTL_TIME_MAX], ended[CTL_TIME_MAX];
    int                 whole;
    unsigned char       pub[PV_ED25519_PUBLIC];
    pv_keys_t          *keys;
    ctl_backup_in_t     in;
    ctl_progress_t      progress;

    uint64_t            items[CTL_ITEM_KEYS];
    uint64_t            records, users, members;
    uint64_t            entries[CTL_PROVEN_STREAMS];    /* of policies, notices, requests, tombstones */
    uint64_t            unchecked;                      /* audience lists that are too long to be kept */
    uint64_t            wrong;

    ctl_proven_t       *log;
    size_t              log_count;
    ctl_kept_notice_t  *notices;
    size_t              notices_count, notices_size;

    pv_chain_entry_t   *chain;          /* of one ledger at a time */
    ctl_numbers_t       forms, named;   /* that are there; that records name */

    char                audience[CTL_BACKUP_HEX];       /* the list that is being read */
    pv_buf_t            audience_members;
} ctl_prove_t;

/* "WRONG: ..." to standard output, or the list of the JSON; counted. */
void ctl_prove_wrong(ctl_prove_t *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Exit codes: CTL_OK also when something is wrong, which was said. */
int ctl_prove_entry(ctl_prove_t *p, const ctl_item_t *item);
int ctl_prove_bundle(ctl_prove_t *p, const ctl_item_t *item);
int ctl_prove_log(ctl_prove_t *p);
int ctl_prove_notice(ctl_prove_t *p, const ctl_item_t *item);
/* log: settled; NULL when nobody said by whose key. */
int ctl_prove_notices(ctl_prove_t *p, const pv_log_t *log);
int ctl_prove_ledger(ctl_prove_t *p, const ctl_item_t *item);
int ctl_prove_users(ctl_prove_t *p, const ctl_item_t *item);
int ctl_prove_form(ctl_prove_t *p, const ctl_item_t *item);
int ctl_prove_forms(ctl_prove_t *p);
int ctl_prove_audience(ctl_prove_t *p, const ctl_item_t *item);
/* The list that was being read is complete. */
int ctl_prove_audience_end(ctl_prove_t *p);

#endif /* CTL_VERIFY_BACKUP_H */
