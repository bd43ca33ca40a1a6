/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "ctl_progress.h"

#define CTL_PROGRESS_MSEC  200


void
ctl_progress(ctl_progress_t *progress, const char *fmt, ...)
{
    long             msec;
    va_list          args;
    struct timespec  now;

    if (!isatty(STDERR_FILENO) || clock_gettime(CLOCK_MONOTONIC, &now) != 0) {
        return;
    }

    msec = (now.tv_sec - progress->last.tv_sec) * 1000 + (now.tv_nsec - progress->last.tv_nsec) / 1000000;

    if (progress->shown && msec < CTL_PROGRESS_MSEC) {
        return;
    }

    progress->last = now;
    progress->shown = 1;

    fputc('\r', stderr);

    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);

    fputs("\033[K", stderr);
    fflush(stderr);
}


void
ctl_progress_end(ctl_progress_t *progress)
{
    if (progress->shown) {
        fputs("\r\033[K", stderr);
        progress->shown = 0;
    }
}
