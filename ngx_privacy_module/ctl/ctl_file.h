/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_FILE_H
#define CTL_FILE_H

/* Files, whole: read within a bound, written so that a crash leaves the old or the new one. */

#include <sys/types.h>

#include "pv_keys.h"

/*
 * PV_OK; or PV_ERROR, said on standard error: not there, not a regular file,
 * longer than max. Appends to out (its own bound counts as well). "-" reads
 * standard input.
 */
int ctl_file_read(pv_buf_t *out, const char *path, size_t max);

#define CTL_FILE_REPLACE   0        /* keeps owner and mode of a file that is there */
#define CTL_FILE_NEW       1        /* fails, and says so, when something is there already */

/* A temporary file beside it, fsync, rename (or link for CTL_FILE_NEW), fsync of the folder. */
int ctl_file_write(const char *path, pv_str_t bytes, mode_t mode, int how);

/* The folder, when it is not there; its parent has to be. */
int ctl_folder(const char *path, mode_t mode);

/* The publication key pair's halves, from their files; what is wrong is said. */
int ctl_secret_key(unsigned char secret[32], const char *path);
int ctl_public_key(unsigned char pub[32], const char *path);

/* The node's key file, privacy_keys. */
int ctl_keys(pv_keys_t **keys, const char *path);

#endif /* CTL_FILE_H */
