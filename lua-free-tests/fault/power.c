/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * LD_PRELOAD for redis-server: notes how much of the append-only file was
 * forced to the disk, so that a test can take away what the loss of power
 * would, after kill -9. FAULT_POWER names the file to which it is noted, one
 * line "BYTES PATH" with each fdatasync() that succeeded. What was written
 * while it ran does not count. FAULT_POWER_SLOW: milliseconds that each takes,
 * as on a disk that has other things to do.
 */

#define _GNU_SOURCE

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>


static int           notes = -1;
static unsigned int  slow;


static void __attribute__((constructor))
open_notes(void)
{
    const char  *name;

    name = getenv("FAULT_POWER");
    notes = name ? open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    name = getenv("FAULT_POWER_SLOW");
    slow = name ? (unsigned int) atoi(name) : 0;

    if (notes == -1) {
        abort();
    }
}


static void
note(int fd, off_t size)
{
    int      n;
    char     link[64], path[4096], line[4200];
    ssize_t  len;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    len = readlink(link, path, sizeof(path) - 1);

    if (len <= 0) {
        return;
    }

    path[len] = '\0';
    n = snprintf(line, sizeof(line), "%lld %s\n", (long long) size, path);

    if (write(notes, line, (size_t) n) != n) {
        abort();
    }
}


int
fdatasync(int fd)
{
    static int  (*next)(int);

    int          rc;
    struct stat  st;

    if (next == NULL) {
        next = (int (*)(int)) dlsym(RTLD_NEXT, "fdatasync");
    }

    if (fstat(fd, &st) == -1) {
        return -1;
    }

    poll(NULL, 0, (int) slow);
    rc = next(fd);

    if (rc == 0) {
        note(fd, st.st_size);
    }

    return rc;
}
