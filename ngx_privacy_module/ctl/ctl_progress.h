/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_PROGRESS_H
#define CTL_PROGRESS_H

/* How far a long run is: one line on standard error that is written over, only where that is a terminal. */

#include <time.h>

typedef struct {
    struct timespec  last;
    int              shown;
} ctl_progress_t;

/* At most a few times a second; zeroed is ready. */
void ctl_progress(ctl_progress_t *progress, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Takes the line away again. */
void ctl_progress_end(ctl_progress_t *progress);

#endif /* CTL_PROGRESS_H */
