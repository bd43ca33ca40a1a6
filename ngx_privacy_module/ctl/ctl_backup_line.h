/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_BACKUP_LINE_H
#define CTL_BACKUP_LINE_H

/*
 * The format of a backup: text, one JSON object a line, ASCII only.
 *
 *   {"v":1,"backup":"SITE","began":TIME,"sum":S}                   the first line
 *   {"v":1,"section":NAME,"slots":DIGEST,"sum":S}                  then for each section its beginning,
 *   {"v":1,"ledger":SUBJECT,"expires":MS,"fields":[...],"sum":S}   its items,
 *   {"v":1,"mark":NAME,"node":RUN,"cursor":TEXT,"sum":S}           where one that was interrupted goes on,
 *   {"v":1,"end":NAME,"lines":N,"sha256":DIGEST,"sum":S}           and its end
 *   {"v":1,"footer":SITE,"ended":TIME,"lines":N,"sha256":DIGEST,"sum":S}
 *
 * v is the format of the line. Items are ledger, notices (what one user was
 * shown), users (a shard of the index), entry (of a stream, with its id),
 * audience, form and bundle. Bytes are a JSON string: as they are when all of
 * them are printable ASCII without " and \, else "base64url:..." (RFC 4648, 5,
 * without padding).
 *
 * sum: the first 16 hex digits of SHA-256 over the sum of the line before (as
 * it stands there; 16 zeros in front of the first) and this line up to
 * `,"sum"`: a line that is altered, missing or moved is found by its number.
 * sha256 of a section is over its lines, the beginning included and the end
 * not; of the footer over every byte before it: `head -n -1 FILE | sha256sum`.
 */

#include <stdio.h>

#include <openssl/evp.h>

#include "pv_crypto.h"

#define CTL_BACKUP_FORMAT    1
#define CTL_BACKUP_LINE_MAX  (64u * 1024 * 1024)
#define CTL_BACKUP_SUM       16
#define CTL_BACKUP_HEX       (PV_SHA256_LEN * 2 + 1)

/* Running sums over lines, for who writes and who reads. */
typedef struct {
    EVP_MD_CTX  *whole;
    EVP_MD_CTX  *section;
    char         last[CTL_BACKUP_SUM + 1];
    uint64_t     lines;
    uint64_t     section_lines;
} ctl_sums_t;

/* PV_OK or PV_ERROR, all of them. */
int ctl_sums_open(ctl_sums_t *sums);
void ctl_sums_close(ctl_sums_t *sums);
int ctl_sums_copy(ctl_sums_t *to, const ctl_sums_t *from);
/* The sum that belongs to a line which begins with these bytes. */
int ctl_sums_next(const ctl_sums_t *sums, char sum[CTL_BACKUP_SUM + 1], pv_str_t content);
/* Takes a whole line in, its newline included; sum is the one that stands in it. */
int ctl_sums_line(ctl_sums_t *sums, pv_str_t line, const char *sum);
/* The section's sums begin here. */
int ctl_sums_section(ctl_sums_t *sums);
/* What whole or section is at this point, as hex. */
int ctl_sums_hex(char hex[CTL_BACKUP_HEX], const EVP_MD_CTX *context);


typedef struct {
    FILE        *file;
    const char  *path;
    ctl_sums_t   sums;
    uint64_t     bytes;
} ctl_backup_out_t;

/* Begins a line, {"v":1,"KIND":"ID"; the caller goes on in it. id needs no escapes. */
void ctl_backup_line(pv_buf_t *line, const char *kind, const char *id);
/* Bytes as a JSON string, as above. */
void ctl_backup_bytes(pv_buf_t *line, pv_str_t bytes);
/* Ends the line with its sum and writes it; frees it. An exit code, and said. */
int ctl_backup_put(ctl_backup_out_t *out, pv_buf_t *line);

#endif /* CTL_BACKUP_LINE_H */
