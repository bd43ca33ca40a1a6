/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_BACKUP_ITEM_H
#define CTL_BACKUP_ITEM_H

/* What stands in a backup: one line as it is read again, and which key in Redis it is. */

#include <jansson.h>

#include "ctl_backup_line.h"
#include "pv_record.h"
#include "pvr.h"

typedef enum {
    CTL_ITEM_LEDGER,
    CTL_ITEM_NOTICES,       /* what one user was shown */
    CTL_ITEM_USERS,         /* id: a shard of the index */
    CTL_ITEM_ENTRY,         /* id: the stream's name */
    CTL_ITEM_AUDIENCE,
    CTL_ITEM_FORM,
    CTL_ITEM_BUNDLE,
    CTL_ITEM_KEYS,          /* those above have keys in Redis */
    CTL_ITEM_HEADER = CTL_ITEM_KEYS,
    CTL_ITEM_SECTION,
    CTL_ITEM_MARK,
    CTL_ITEM_END,
    CTL_ITEM_FOOTER,
    CTL_ITEM_KINDS
} ctl_item_kind_t;

const char *ctl_item_name(ctl_item_kind_t kind);

/* The key of an item, into buf (PVR_KEY_MAX); 0 when there is no such item. */
size_t ctl_item_key(char *buf, pv_str_t site, ctl_item_kind_t kind, const char *id);
/* The way back: id has room for PVR_KEY_MAX. 0 when the key is not one of the site's. */
int ctl_item_of_key(ctl_item_kind_t *kind, char *id, pv_str_t site, pv_str_t key);


typedef struct {
    ctl_item_kind_t   kind;
    const char       *id;
    json_t           *root;
    json_int_t        expires;      /* milliseconds; 0: never */
    const char       *entry;        /* of a stream's entry: its id */
    json_t           *list;         /* fields and values, or members; NULL: a value */
} ctl_item_t;

typedef struct {
    FILE        *file;
    const char  *path;
    ctl_sums_t   sums;
    uint64_t     offset;            /* in the file, behind the line */
    int          cut;               /* 1: the file ended within a line */
    pv_str_t     line;              /* borrowed, up to the next one */
    ctl_item_t   item;
    char        *data;
    size_t       len, size, at;
} ctl_backup_in_t;

/* path: "-" reads standard input. An exit code, and said. To be closed in any case. */
int ctl_backup_open(ctl_backup_in_t *in, const char *path);
void ctl_backup_close(ctl_backup_in_t *in);

#define CTL_BACKUP_LAST  (-1)

/*
 * The next line, in in->item: its sum holds, its format is known, it is what
 * its kind has to be, and sections and footer have the sums that they say.
 * CTL_OK; CTL_BACKUP_LAST at the end of the file; or an exit code, and said
 * with the line's number. in->item.root is freed with the next one, unless
 * json_incref() was called on it.
 */
int ctl_backup_next(ctl_backup_in_t *in);

/* A string's bytes, appended to out. PV_OK, or PV_INVALID: not spelled as it has to be. */
int ctl_backup_decode(pv_buf_t *out, const json_t *string);

#endif /* CTL_BACKUP_ITEM_H */
