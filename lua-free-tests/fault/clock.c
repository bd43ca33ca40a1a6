/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * LD_PRELOAD for a program whose clock is to be wrong: FAULT_CLOCK names a
 * file of 8 bytes, seconds (int64_t) that are added to what the clock on the
 * wall says. It is mapped: who writes it moves the clock at once. The
 * monotonic clock is left alone, as it is on a machine, but where 8 bytes more
 * say how far it is ahead: then time passes that nobody has to wait for.
 */

#define _GNU_SOURCE

#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>


static volatile int64_t  *offset;


static void __attribute__((constructor))
open_clock(void)
{
    int          fd;
    void        *map;
    const char  *name;

    name = getenv("FAULT_CLOCK");
    fd = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;

    if (fd == -1) {
        abort();
    }

    map = mmap(NULL, 2 * sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);

    if (map == MAP_FAILED) {
        abort();
    }

    offset = map;
}


int
clock_gettime(clockid_t id, struct timespec *ts)
{
    static int  (*next)(clockid_t, struct timespec *);

    int  rc;

    if (next == NULL) {
        next = (int (*)(clockid_t, struct timespec *)) dlsym(RTLD_NEXT, "clock_gettime");
    }

    rc = next(id, ts);

    if (rc == 0 && offset && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        ts->tv_sec += offset[0];
    }

    if (rc == 0 && offset && (id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE)) {
        /* zeros behind the end of a file of 8 bytes */
        ts->tv_sec += offset[1];
    }

    return rc;
}


int
gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
    struct timespec  ts;

    (void) tz;

    if (clock_gettime(CLOCK_REALTIME, &ts) == -1) {
        return -1;
    }

    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;

    return 0;
}


time_t
time(time_t *t)
{
    struct timespec  ts;

    if (clock_gettime(CLOCK_REALTIME, &ts) == -1) {
        return -1;
    }

    if (t) {
        *t = ts.tv_sec;
    }

    return ts.tv_sec;
}
