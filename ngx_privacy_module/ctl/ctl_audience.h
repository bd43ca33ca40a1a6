/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_AUDIENCE_H
#define CTL_AUDIENCE_H

/* The list of a notice: pseudonyms, and the set in Redis that is named by their digest. 16 bytes of memory each. */

#include "ctl_redis.h"
#include "pv_notice.h"

#define CTL_AUDIENCE_MAX  10000000      /* users of one list */
#define CTL_CURSOR_MAX    24

typedef struct {
    unsigned char  (*subjects)[PV_SUBJECT_LEN];     /* sorted, each once */
    size_t           count, size;
    size_t           lines;                         /* as many were in the file */
    unsigned char    digest[PV_SHA256_LEN];
} ctl_audience_t;

/* From a file, as ctl_subjects_read(). An exit code, said; also when nobody is on it. Freed in any case. */
int ctl_audience_read(ctl_audience_t *audience, const char *path, const pv_keys_t *keys, pv_str_t site);
/* Puts it into Redis, and makes sure that nothing else is there. Repeating it is harmless. An exit code, said. */
int ctl_audience_write(const ctl_audience_t *audience, ctl_redis_t *redis, pv_str_t site);
/* Reads the set that a notice names. CTL_WRONG, said, when it is not whole, or another one. */
int ctl_audience_fetch(ctl_audience_t *audience, ctl_redis_t *redis, pv_str_t site,
    const unsigned char digest[PV_SHA256_LEN]);
void ctl_audience_free(ctl_audience_t *audience);

/* Of the reply to a scan: where it goes on, "0" when that was all, and how many items it has; 0: it is none. */
int ctl_cursor(char cursor[CTL_CURSOR_MAX], size_t *n, const redisReply *reply);

#endif /* CTL_AUDIENCE_H */
