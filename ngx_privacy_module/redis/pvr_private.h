/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PVR_PRIVATE_H
#define PVR_PRIVATE_H

/* What the files that make keys and commands share. */

#include "pvr.h"

#define PVR_ARGUMENTS_MAX  16
#define PVR_NUMBER_MAX     24

typedef struct {
    const char  *argv[PVR_ARGUMENTS_MAX];
    size_t       len[PVR_ARGUMENTS_MAX];
    int          n;
} pvr_command_t;

/* "privacy:SITE:KIND" and ID. */
size_t pvr_key(char *buf, pv_str_t site, const char *kind, pv_str_t id);
/* "privacy:{SITE:SUBJECT}:WHAT": the braces are the hash tag of Cluster, so that all of a subject's keys share a slot. */
size_t pvr_key_subject(char *buf, pv_str_t site, const unsigned char *subject, const char *what);

void pvr_add(pvr_command_t *command, const void *data, size_t len);
void pvr_word(pvr_command_t *command, const char *word);
size_t pvr_decimal(char buf[PVR_NUMBER_MAX], uint64_t number);
/* A command whose key is empty (what it was made of is too long) is refused. */
int pvr_emit(pv_buf_t *out, pvr_command_t *command);
int pvr_format(pv_buf_t *out, int n, const char **argv, const size_t *len);

/* A number as Redis writes it. */
int pvr_number(uint64_t *out, const char *text, size_t len);

#endif /* PVR_PRIVATE_H */
