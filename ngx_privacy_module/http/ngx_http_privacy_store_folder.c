/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_store_private.h"


/*
 * The node's own copy of every sealed bundle: FOLDER/SITE/NNNNNNNNNN.bundle.
 * What is read here is verified as if it came from anywhere.
 */

#define NGX_HTTP_PRIVACY_STORE_DIGITS  10


static ngx_int_t ngx_http_privacy_store_list(ngx_http_privacy_store_t *store, ngx_array_t *sequences);
static uint32_t ngx_http_privacy_store_file_sequence(u_char *name, size_t len);
static int ngx_libc_cdecl ngx_http_privacy_store_compare(const void *one, const void *two);
static void ngx_http_privacy_store_load_one(ngx_http_privacy_store_t *store, uint32_t sequence);
static u_char *ngx_http_privacy_store_read(ngx_http_privacy_store_t *store, u_char *path, size_t *len);
static ngx_int_t ngx_http_privacy_store_write(ngx_http_privacy_store_t *store, u_char *path, u_char *data,
    size_t len);


ngx_int_t
ngx_http_privacy_store_load(ngx_http_privacy_store_t *store)
{
    uint32_t     *sequence;
    ngx_uint_t    i;
    ngx_pool_t   *pool;
    ngx_array_t   sequences;

    if (store->folder.len == 0) {
        return NGX_OK;
    }

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, store->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    if (ngx_array_init(&sequences, pool, 64, sizeof(uint32_t)) != NGX_OK
        || ngx_http_privacy_store_list(store, &sequences) != NGX_OK)
    {
        ngx_destroy_pool(pool);
        return NGX_ERROR;
    }

    sequence = sequences.elts;
    ngx_qsort(sequence, sequences.nelts, sizeof(uint32_t), ngx_http_privacy_store_compare);

    for (i = 0; i < sequences.nelts; i++) {
        ngx_http_privacy_store_load_one(store, sequence[i]);
    }

    ngx_destroy_pool(pool);

    ngx_http_privacy_store_settle(store);
    ngx_http_privacy_store_update(store, store->count != 0);

    return NGX_OK;
}


static ngx_int_t
ngx_http_privacy_store_list(ngx_http_privacy_store_t *store, ngx_array_t *sequences)
{
    uint32_t    sequence, *p;
    ngx_dir_t   dir;
    ngx_err_t   err;

    if (ngx_open_dir(&store->folder, &dir) == NGX_ERROR) {
        err = ngx_errno;

        if (err != NGX_ENOENT) {
            ngx_log_error(NGX_LOG_ERR, store->log, err, "privacy: " ngx_open_dir_n " \"%V\" failed",
                          &store->folder);
        }

        return NGX_OK;
    }

    for ( ;; ) {
        ngx_set_errno(0);

        if (ngx_read_dir(&dir) == NGX_ERROR) {
            break;
        }

        sequence = ngx_http_privacy_store_file_sequence(ngx_de_name(&dir), ngx_de_namelen(&dir));

        if (sequence == 0) {
            continue;
        }

        if (sequences->nelts == NGX_HTTP_PRIVACY_STORE_VERSIONS) {
            ngx_http_privacy_store_refuse(store, "more than %d bundles in \"%V\"",
                                          NGX_HTTP_PRIVACY_STORE_VERSIONS, &store->folder);
            break;
        }

        p = ngx_array_push(sequences);
        if (p == NULL) {
            (void) ngx_close_dir(&dir);
            return NGX_ERROR;
        }

        *p = sequence;
    }

    (void) ngx_close_dir(&dir);

    return NGX_OK;
}


/* 0: not a bundle's name. */

static uint32_t
ngx_http_privacy_store_file_sequence(u_char *name, size_t len)
{
    ngx_int_t  n;

    if (len != NGX_HTTP_PRIVACY_STORE_DIGITS + sizeof(".bundle") - 1
        || ngx_memcmp(name + NGX_HTTP_PRIVACY_STORE_DIGITS, ".bundle", sizeof(".bundle") - 1) != 0)
    {
        return 0;
    }

    n = ngx_atoi(name, NGX_HTTP_PRIVACY_STORE_DIGITS);

    return (n > 0 && (uint64_t) n <= 0xffffffff) ? (uint32_t) n : 0;
}


static int ngx_libc_cdecl
ngx_http_privacy_store_compare(const void *one, const void *two)
{
    uint32_t  a, b;

    a = *(const uint32_t *) one;
    b = *(const uint32_t *) two;

    return (a > b) - (a < b);
}


static void
ngx_http_privacy_store_load_one(ngx_http_privacy_store_t *store, uint32_t sequence)
{
    u_char        path[NGX_MAX_PATH], *data;
    size_t        len;
    pv_str_t      sealed;
    pv_head_t    *head;
    pv_policy_t  *policy;

    ngx_snprintf(path, sizeof(path), "%V/%010uD.bundle%Z", &store->folder, sequence);
    path[sizeof(path) - 1] = '\0';

    data = ngx_http_privacy_store_read(store, path, &len);
    if (data == NULL) {
        return;
    }

    sealed.data = data;
    sealed.len = len;

    if (ngx_http_privacy_store_open(store, sealed, sequence, NULL, "in the node's folder", &head, &policy) == NGX_OK) {
        (void) ngx_http_privacy_store_add(store, head, policy);
    }

    ngx_free(data);
}


static u_char *
ngx_http_privacy_store_read(ngx_http_privacy_store_t *store, u_char *path, size_t *len)
{
    off_t             size;
    u_char           *data;
    ssize_t           n;
    ngx_fd_t          fd;
    ngx_file_info_t   fi;

    fd = ngx_open_file(path, NGX_FILE_RDONLY|O_CLOEXEC, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_log_error(NGX_LOG_ERR, store->log, ngx_errno, "privacy: " ngx_open_file_n " \"%s\" failed", path);
        return NULL;
    }

    data = NULL;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ERR, store->log, ngx_errno, "privacy: " ngx_fd_info_n " \"%s\" failed", path);
        goto done;
    }

    size = ngx_file_size(&fi);

    if (!ngx_is_file(&fi) || size <= 0 || size > PV_SEALED_MAX) {
        ngx_http_privacy_store_refuse(store, "\"%s\" is not a bundle", path);
        goto done;
    }

    data = ngx_alloc(size, store->log);
    if (data == NULL) {
        goto done;
    }

    for (*len = 0; *len < (size_t) size; *len += n) {
        n = ngx_read_fd(fd, data + *len, size - *len);

        if (n <= 0) {
            ngx_log_error(NGX_LOG_ERR, store->log, n ? ngx_errno : 0, "privacy: cannot read \"%s\"", path);
            ngx_free(data);
            data = NULL;
            break;
        }
    }

done:

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ALERT, store->log, ngx_errno, ngx_close_file_n " \"%s\" failed", path);
    }

    return data;
}


/*
 * Every worker writes what it fetched, under a name of its own, and renames:
 * the last one wins with the same bytes. No fsync here: it would stop the
 * event loop, and a file that a power cut has spoilt is refused and fetched
 * again.
 */

void
ngx_http_privacy_store_save(ngx_http_privacy_store_t *store, uint32_t sequence, u_char *sealed, size_t len)
{
    u_char  path[NGX_MAX_PATH], tmp[NGX_MAX_PATH];

    if (store->folder.len == 0 || store->folder.len > NGX_MAX_PATH - 64) {
        return;
    }

    ngx_snprintf(path, sizeof(path), "%V/%010uD.bundle%Z", &store->folder, sequence);
    ngx_snprintf(tmp, sizeof(tmp), "%V/%010uD.bundle.%P.tmp%Z", &store->folder, sequence, ngx_pid);

    if (ngx_create_dir(store->folder.data, 0755) == NGX_FILE_ERROR && ngx_errno != NGX_EEXIST) {
        ngx_log_error(NGX_LOG_ERR, store->log, ngx_errno, "privacy: " ngx_create_dir_n " \"%V\" failed",
                      &store->folder);
        return;
    }

    if (ngx_http_privacy_store_write(store, tmp, sealed, len) != NGX_OK) {
        (void) ngx_delete_file(tmp);
        return;
    }

    if (ngx_rename_file(tmp, path) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ERR, store->log, ngx_errno, "privacy: " ngx_rename_file_n " \"%s\" to \"%s\" failed",
                      tmp, path);
        (void) ngx_delete_file(tmp);
    }
}


static ngx_int_t
ngx_http_privacy_store_write(ngx_http_privacy_store_t *store, u_char *path, u_char *data, size_t len)
{
    size_t     done;
    ssize_t    n;
    ngx_fd_t   fd;
    ngx_int_t  rc;

    fd = ngx_open_file(path, NGX_FILE_WRONLY|O_NOFOLLOW|O_CLOEXEC, NGX_FILE_TRUNCATE, 0644);

    if (fd == NGX_INVALID_FILE) {
        ngx_log_error(NGX_LOG_ERR, store->log, ngx_errno, "privacy: " ngx_open_file_n " \"%s\" failed", path);
        return NGX_ERROR;
    }

    rc = NGX_OK;

    for (done = 0; done < len; done += n) {
        n = ngx_write_fd(fd, data + done, len - done);

        if (n <= 0) {
            ngx_log_error(NGX_LOG_ERR, store->log, ngx_errno, "privacy: cannot write \"%s\"", path);
            rc = NGX_ERROR;
            break;
        }
    }

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ERR, store->log, ngx_errno, "privacy: " ngx_close_file_n " \"%s\" failed", path);
        rc = NGX_ERROR;
    }

    return rc;
}
