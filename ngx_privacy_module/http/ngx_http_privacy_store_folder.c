/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_store_private.h"


/*
 * The node's own copy of every sealed entry: FOLDER/SITE/NNNNNNNNNN.bundle.
 * What is read here is verified as if it came from anywhere.
 */

#define NGX_HTTP_PRIVACY_STORE_DIGITS    10
#define NGX_HTTP_PRIVACY_STORE_LEFTOVER  3600       /* s after which a file that nobody finished is removed */


static ngx_int_t ngx_http_privacy_store_list(ngx_http_privacy_store_t *store, ngx_array_t *sequences);
static uint32_t ngx_http_privacy_store_file_sequence(u_char *name, size_t len);
static void ngx_http_privacy_store_leftover(ngx_http_privacy_store_t *store, u_char *name, size_t len);
static int ngx_libc_cdecl ngx_http_privacy_store_compare(const void *one, const void *two);
static void ngx_http_privacy_store_load_head(ngx_http_privacy_store_t *store, uint32_t sequence);
static int ngx_http_privacy_store_verify_file(void *data, const pv_head_t *head);
static ngx_int_t ngx_http_privacy_store_prefix(ngx_http_privacy_store_t *store, uint32_t sequence, u_char *data,
    size_t *len);
static ngx_int_t ngx_http_privacy_store_path(ngx_http_privacy_store_t *store, uint32_t sequence, u_char *path);
static ngx_int_t ngx_http_privacy_store_read_fd(ngx_http_privacy_store_load_t *load, ngx_fd_t fd);
static ngx_int_t ngx_http_privacy_store_write_file(ngx_http_privacy_store_load_t *load, u_char *path);


static ngx_atomic_t  ngx_http_privacy_store_written;    /* tells the files apart that threads are writing */


ngx_int_t
ngx_http_privacy_store_load_heads(ngx_http_privacy_store_t *store)
{
    uint32_t     *sequence;
    ngx_int_t     rc;
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
        ngx_http_privacy_store_load_head(store, sequence[i]);
    }

    rc = ngx_http_privacy_store_settle(store, ngx_http_privacy_store_verify_file, store, "in the node's folder");

    ngx_destroy_pool(pool);

    return rc;
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
            ngx_http_privacy_store_leftover(store, ngx_de_name(&dir), ngx_de_namelen(&dir));
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


/* A process that was killed left it: NNNNNNNNNN.bundle.PID.N.tmp. Another one may be writing such a file just now. */

static void
ngx_http_privacy_store_leftover(ngx_http_privacy_store_t *store, u_char *name, size_t len)
{
    u_char           path[NGX_MAX_PATH];
    ngx_file_info_t  fi;

    if (len < 4 || ngx_memcmp(name + len - 4, ".tmp", 4) != 0 || store->folder.len + 1 + len + 1 > sizeof(path)) {
        return;
    }

    ngx_sprintf(path, "%V/%*s%Z", &store->folder, len, name);

    if (ngx_file_info(path, &fi) != NGX_FILE_ERROR
        && ngx_time() - ngx_file_mtime(&fi) > NGX_HTTP_PRIVACY_STORE_LEFTOVER)
    {
        (void) ngx_delete_file(path);
    }
}


static int ngx_libc_cdecl
ngx_http_privacy_store_compare(const void *one, const void *two)
{
    uint32_t  a, b;

    a = *(const uint32_t *) one;
    b = *(const uint32_t *) two;

    return (a > b) - (a < b);
}


/* A bad one is logged, and fetched from Redis later as if it were not there. */

static void
ngx_http_privacy_store_load_head(ngx_http_privacy_store_t *store, uint32_t sequence)
{
    u_char     data[PV_HEAD_PREFIX_MAX];
    size_t     len, need;
    pv_str_t   prefix;
    ngx_int_t  rc;

    need = PV_HEAD_PREFIX;

    do {
        len = ngx_min(need, PV_HEAD_PREFIX_MAX);

        if (ngx_http_privacy_store_prefix(store, sequence, data, &len) != NGX_OK) {
            return;
        }

        prefix.data = data;
        prefix.len = len;

        rc = ngx_http_privacy_store_put(store, prefix, sequence, NULL, "in the node's folder", &need);

    } while (rc == NGX_AGAIN && need > len && len >= PV_HEAD_PREFIX);

    if (rc == NGX_AGAIN) {
        ngx_http_privacy_store_refuse(store, "bundle %uD in the node's folder is refused: it is cut", sequence);
    }
}


/* For pv_log_settle(): asked for few. */

static int
ngx_http_privacy_store_verify_file(void *data, const pv_head_t *head)
{
    ngx_http_privacy_store_t  *store = data;

    u_char    bytes[PV_HEAD_PREFIX_MAX];
    size_t    len;
    pv_str_t  prefix;

    len = ngx_min((size_t) head->bodies, PV_HEAD_PREFIX_MAX);

    if (ngx_http_privacy_store_prefix(store, head->sequence, bytes, &len) != NGX_OK) {
        return PV_ERROR;
    }

    prefix.data = bytes;
    prefix.len = len;

    return pv_head_verify(prefix, ngx_http_privacy_store_site(store), head->key);
}


/* The first *len bytes of an entry's file, or as many as there are. */

static ngx_int_t
ngx_http_privacy_store_prefix(ngx_http_privacy_store_t *store, uint32_t sequence, u_char *data, size_t *len)
{
    u_char    path[NGX_MAX_PATH];
    ssize_t   n;
    ngx_fd_t  fd;

    if (ngx_http_privacy_store_path(store, sequence, path) != NGX_OK) {
        return NGX_ERROR;
    }

    fd = ngx_open_file(path, NGX_FILE_RDONLY|O_CLOEXEC, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_log_error(NGX_LOG_ERR, store->log, ngx_errno, "privacy: " ngx_open_file_n " \"%s\" failed", path);
        return NGX_ERROR;
    }

    n = ngx_read_fd(fd, data, *len);

    if (n == -1) {
        ngx_log_error(NGX_LOG_ERR, store->log, ngx_errno, "privacy: " ngx_read_fd_n " \"%s\" failed", path);
    }

    (void) ngx_close_file(fd);

    if (n == -1) {
        return NGX_ERROR;
    }

    *len = n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_privacy_store_path(ngx_http_privacy_store_t *store, uint32_t sequence, u_char *path)
{
    if (store->folder.len == 0 || store->folder.len > NGX_MAX_PATH - 64) {
        return NGX_DECLINED;
    }

    ngx_sprintf(path, "%V/%010uD.bundle%Z", &store->folder, sequence);

    return NGX_OK;
}


ngx_uint_t
ngx_http_privacy_store_has(ngx_http_privacy_store_t *store, uint32_t sequence, size_t size)
{
    u_char           path[NGX_MAX_PATH];
    ngx_file_info_t  fi;

    return ngx_http_privacy_store_path(store, sequence, path) == NGX_OK
           && ngx_file_info(path, &fi) != NGX_FILE_ERROR
           && ngx_file_size(&fi) == (off_t) size;
}


ngx_int_t
ngx_http_privacy_store_read(ngx_http_privacy_store_load_t *load)
{
    u_char     path[NGX_MAX_PATH];
    ngx_fd_t   fd;
    ngx_int_t  rc;

    if (ngx_http_privacy_store_path(load->store, load->head->sequence, path) != NGX_OK) {
        return NGX_DECLINED;
    }

    fd = ngx_open_file(path, NGX_FILE_RDONLY|O_CLOEXEC, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        load->err = ngx_errno;

        if (load->err != NGX_ENOENT) {
            load->failed = ngx_open_file_n;
        }

        return NGX_DECLINED;
    }

    rc = ngx_http_privacy_store_read_fd(load, fd);

    if (rc == NGX_OK && load->sealed) {
        load->fd = fd;

    } else {
        (void) ngx_close_file(fd);
    }

    return rc;
}


static ngx_int_t
ngx_http_privacy_store_read_fd(ngx_http_privacy_store_load_t *load, ngx_fd_t fd)
{
    off_t            size;
    ssize_t          n;
    ngx_file_info_t  fi;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        load->err = ngx_errno;
        load->failed = ngx_fd_info_n;
        return NGX_ERROR;
    }

    size = ngx_file_size(&fi);

    if (size != (off_t) load->head->size) {
        ngx_sprintf(load->problem, "it is not as long as its head says%Z");
        return NGX_ERROR;
    }

    load->bytes = malloc(size + 1);
    if (load->bytes == NULL) {
        load->err = NGX_ENOMEM;
        load->failed = "malloc()";
        return NGX_ERROR;
    }

    for (load->len = 0; load->len < (size_t) size; load->len += n) {
        n = ngx_read_fd(fd, load->bytes + load->len, size - load->len);

        if (n <= 0) {
            load->err = (n == 0) ? 0 : ngx_errno;
            load->failed = ngx_read_fd_n;
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* Another worker, or another thread of this one, may be at it: each writes a file of its own, and renames it. */

void
ngx_http_privacy_store_write(ngx_http_privacy_store_load_t *load)
{
    u_char      path[NGX_MAX_PATH], tmp[NGX_MAX_PATH];
    ngx_str_t  *folder;

    folder = &load->store->folder;

    if (ngx_http_privacy_store_path(load->store, load->head->sequence, path) != NGX_OK) {
        return;
    }

    ngx_sprintf(tmp, "%s.%P.%uA.tmp%Z", path, ngx_pid, ngx_atomic_fetch_add(&ngx_http_privacy_store_written, 1));

    if (ngx_create_dir(folder->data, 0755) == NGX_FILE_ERROR && ngx_errno != NGX_EEXIST) {
        load->err = ngx_errno;
        load->failed = ngx_create_dir_n;
        return;
    }

    if (ngx_http_privacy_store_write_file(load, tmp) != NGX_OK) {
        (void) ngx_delete_file(tmp);
        return;
    }

    if (ngx_rename_file(tmp, path) == NGX_FILE_ERROR) {
        load->err = ngx_errno;
        load->failed = ngx_rename_file_n;
        (void) ngx_delete_file(tmp);
    }
}


static ngx_int_t
ngx_http_privacy_store_write_file(ngx_http_privacy_store_load_t *load, u_char *path)
{
    size_t    done;
    ssize_t   n;
    ngx_fd_t  fd;

    fd = ngx_open_file(path, NGX_FILE_WRONLY|O_NOFOLLOW|O_CLOEXEC, NGX_FILE_TRUNCATE, 0644);

    if (fd == NGX_INVALID_FILE) {
        load->err = ngx_errno;
        load->failed = ngx_open_file_n;
        return NGX_ERROR;
    }

    for (done = 0; done < load->len; done += n) {
        n = ngx_write_fd(fd, load->bytes + done, load->len - done);

        if (n <= 0) {
            load->err = ngx_errno;
            load->failed = "write()";
            break;
        }
    }

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        load->err = ngx_errno;
        load->failed = ngx_close_file_n;
    }

    return load->failed ? NGX_ERROR : NGX_OK;
}
