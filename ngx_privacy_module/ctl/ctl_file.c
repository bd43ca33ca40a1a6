/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "ctl.h"
#include "ctl_file.h"


#define CTL_FILE_CHUNK  65536


static int ctl_file_read_all(pv_buf_t *out, int fd, const char *path, size_t max);
static int ctl_file_fill(int fd, pv_str_t bytes);
static int ctl_file_place(const char *from, const char *path, int how);
static int ctl_file_sync_folder(const char *path);
static void ctl_folder_above(const char *path, mode_t mode);
static int ctl_file_error(const char *what, const char *path);


int
ctl_file_read(pv_buf_t *out, const char *path, size_t max)
{
    int          fd, rc;
    struct stat  st;

    if (strcmp(path, "-") == 0) {
        return ctl_file_read_all(out, STDIN_FILENO, "standard input", max);
    }

    /* O_NONBLOCK: a FIFO must not hold us before we have seen that it is one */

    fd = open(path, O_RDONLY|O_CLOEXEC|O_NONBLOCK);
    if (fd == -1) {
        return ctl_file_error("cannot open", path);
    }

    if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
        close(fd);
        ctl_fail(0, "%s is not a file", path);
        return PV_ERROR;
    }

    rc = ctl_file_read_all(out, fd, path, max);

    close(fd);

    return rc;
}


static int
ctl_file_read_all(pv_buf_t *out, int fd, const char *path, size_t max)
{
    char     chunk[CTL_FILE_CHUNK];
    size_t   total;
    ssize_t  n;

    for (total = 0; /* void */ ; total += (size_t) n) {
        n = read(fd, chunk, sizeof(chunk));

        if (n == -1 && errno == EINTR) {
            n = 0;
            continue;
        }

        if (n == -1) {
            return ctl_file_error("cannot read", path);
        }

        if (n == 0) {
            break;
        }

        if ((size_t) n > max - total) {
            ctl_fail(0, "%s has more than %zu bytes", path, max);
            return PV_ERROR;
        }

        pv_buf_add(out, chunk, (size_t) n);
    }

    OPENSSL_cleanse(chunk, sizeof(chunk));

    if (out->failed) {
        ctl_fail(0, "out of memory for %s", path);
        return PV_ERROR;
    }

    return PV_OK;
}


int
ctl_file_write(const char *path, pv_str_t bytes, mode_t mode, int how)
{
    int          fd, rc;
    char         temporary[PATH_MAX];
    struct stat  st;

    if ((size_t) snprintf(temporary, sizeof(temporary), "%s.%ld.tmp", path, (long) getpid()) >= sizeof(temporary)) {
        errno = ENAMETOOLONG;
        return ctl_file_error("cannot write", path);
    }

    fd = open(temporary, O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC|O_NOFOLLOW, 0600);
    if (fd == -1) {
        return ctl_file_error("cannot create", temporary);
    }

    rc = PV_OK;

    if (how == CTL_FILE_REPLACE && stat(path, &st) == 0) {
        mode = st.st_mode & 07777;

        if ((st.st_uid != geteuid() || st.st_gid != getegid()) && fchown(fd, st.st_uid, st.st_gid) == -1) {
            rc = ctl_file_error("cannot keep the owner of", path);
        }
    }

    if (rc == PV_OK && (fchmod(fd, mode) == -1 || ctl_file_fill(fd, bytes) == -1 || fsync(fd) == -1)) {
        rc = ctl_file_error("cannot write", temporary);
    }

    if (close(fd) == -1 && rc == PV_OK) {
        rc = ctl_file_error("cannot write", temporary);
    }

    if (rc == PV_OK) {
        rc = ctl_file_place(temporary, path, how);
    }

    /* after a rename there is none any more */
    (void) unlink(temporary);

    return (rc == PV_OK) ? ctl_file_sync_folder(path) : rc;
}


static int
ctl_file_fill(int fd, pv_str_t bytes)
{
    ssize_t  n;

    while (bytes.len != 0) {
        n = write(fd, bytes.data, bytes.len);

        if (n == -1 && errno != EINTR) {
            return -1;
        }

        if (n > 0) {
            bytes.data += n;
            bytes.len -= (size_t) n;
        }
    }

    return 0;
}


/* link() refuses what is there already, rename() replaces it; each at once. */

static int
ctl_file_place(const char *from, const char *path, int how)
{
    if (how == CTL_FILE_REPLACE) {
        return (rename(from, path) == -1) ? ctl_file_error("cannot write", path) : PV_OK;
    }

    if (link(from, path) == 0) {
        return PV_OK;
    }

    if (errno == EEXIST) {
        ctl_fail(0, "%s is there already: it is never overwritten", path);
        return PV_ERROR;
    }

    return ctl_file_error("cannot write", path);
}


static int
ctl_file_sync_folder(const char *path)
{
    int          fd, rc;
    char         folder[PATH_MAX];
    const char  *slash;

    slash = strrchr(path, '/');

    if (slash == NULL) {
        strcpy(folder, ".");

    } else {
        (void) snprintf(folder, sizeof(folder), "%.*s", (int) (slash - path + 1), path);
    }

    fd = open(folder, O_RDONLY|O_DIRECTORY|O_CLOEXEC);
    if (fd == -1) {
        return ctl_file_error("cannot open", folder);
    }

    rc = (fsync(fd) == -1 && errno != EINVAL) ? ctl_file_error("cannot sync", folder) : PV_OK;

    close(fd);

    return rc;
}


int
ctl_folder(const char *path, mode_t mode)
{
    struct stat  st;

    ctl_folder_above(path, mode);

    if (mkdir(path, mode) == 0) {
        return PV_OK;
    }

    if (errno != EEXIST) {
        return ctl_file_error("cannot create", path);
    }

    if (stat(path, &st) == -1 || !S_ISDIR(st.st_mode)) {
        ctl_fail(0, "%s is not a folder", path);
        return PV_ERROR;
    }

    return PV_OK;
}


/* Those that it is to be in. What cannot be made is said of the folder itself. */

static void
ctl_folder_above(const char *path, mode_t mode)
{
    char         above[PATH_MAX];
    const char  *slash;

    for (slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {

        if (slash != path && (size_t) (slash - path) < sizeof(above)) {
            (void) snprintf(above, sizeof(above), "%.*s", (int) (slash - path), path);
            (void) mkdir(above, mode);
        }
    }
}


int
ctl_secret_key(unsigned char secret[PV_ED25519_SECRET], const char *path)
{
    int       rc;
    pv_str_t  text;
    pv_buf_t  file;

    pv_buf_init(&file, PV_KEYS_FILE_MAX);

    rc = ctl_file_read(&file, path, PV_KEYS_FILE_MAX);

    if (rc == PV_OK) {
        text.data = file.data;
        text.len = file.len;

        rc = pv_secret_key_parse(secret, text);

        if (rc != PV_OK) {
            ctl_fail(0, "%s is not a publication key (the secret half, NAME.key of privacyctl keygen)", path);
        }

    }

    if (file.data != NULL) {
        OPENSSL_cleanse(file.data, file.len);
    }

    pv_buf_free(&file);

    return rc;
}


int
ctl_public_key(unsigned char pub[PV_ED25519_PUBLIC], const char *path)
{
    int       rc;
    pv_str_t  text;
    pv_buf_t  file;

    pv_buf_init(&file, PV_KEYS_FILE_MAX);

    rc = ctl_file_read(&file, path, PV_KEYS_FILE_MAX);

    if (rc == PV_OK) {
        text.data = file.data;
        text.len = file.len;

        rc = pv_public_key_parse(pub, text);

        if (rc != PV_OK) {
            ctl_fail(0, "%s is not the public half of a publication key (NAME.pub of privacyctl keygen)", path);
        }
    }

    pv_buf_free(&file);

    return rc;
}


int
ctl_keys(pv_keys_t **keys, const char *path)
{
    int            rc;
    pv_buf_t       file;
    pv_problems_t  problems;

    *keys = NULL;

    pv_buf_init(&file, PV_KEYS_FILE_MAX);
    pv_problems_init(&problems);

    rc = ctl_file_read(&file, path, PV_KEYS_FILE_MAX);

    if (rc == PV_OK) {
        rc = pv_keys_parse(keys, (pv_str_t) { file.data, file.len }, path, &problems);
        ctl_problems(&problems);
    }

    if (file.data != NULL) {
        OPENSSL_cleanse(file.data, file.len);
    }

    pv_problems_free(&problems);
    pv_buf_free(&file);

    return rc;
}


static int
ctl_file_error(const char *what, const char *path)
{
    ctl_fail(0, "%s %s: %s", what, path, strerror(errno));

    return PV_ERROR;
}
