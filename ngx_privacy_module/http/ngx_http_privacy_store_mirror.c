/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_store_private.h"
#include "ngx_http_privacy_task.h"


/*
 * A node keeps all that was published: entries that its folder has not, or has
 * not whole, are copied there from Redis, one after another, with pauses.  The
 * worker that does so holds a lock, which goes with it when it is killed.
 */

#define NGX_HTTP_PRIVACY_STORE_LOOKED    256        /* files that are looked at in one go */
#define NGX_HTTP_PRIVACY_STORE_PAUSE     20         /* ms between two entries */
#define NGX_HTTP_PRIVACY_STORE_FIRST     1000       /* ms, at most, before the first look */
#define NGX_HTTP_PRIVACY_STORE_LOCKED    5000       /* ms until another worker's lock is tried again */


typedef struct {
    uint32_t                   sequence;
    uint32_t                   size;
} ngx_http_privacy_store_file_t;


typedef struct ngx_http_privacy_store_mirror_s {
    ngx_http_privacy_store_t  *store;
    ngx_event_t                timer;
    ngx_fd_t                   lock;
    uint32_t                   from;        /* entries below are in the folder, or could not be had in this round */
    ngx_uint_t                 busy;        /* a thread looks, or an entry is on its way */
    ngx_uint_t                 again;       /* some could not be had: from the first, with the next round */

    /* The thread's while busy. */
    ngx_uint_t                 nfiles;
    ngx_uint_t                 missing;     /* the first of files that is; nfiles: none */
    ngx_http_privacy_store_file_t  files[NGX_HTTP_PRIVACY_STORE_LOOKED];
} ngx_http_privacy_store_mirror_t;


static ngx_http_privacy_store_mirror_t *ngx_http_privacy_store_mirror_create(ngx_http_privacy_store_t *store);
static void ngx_http_privacy_store_mirror_timer(ngx_event_t *ev);
static void ngx_http_privacy_store_mirror_look(void *data);
static void ngx_http_privacy_store_mirror_looked(void *data);
static void ngx_http_privacy_store_mirror_copy(ngx_http_privacy_store_mirror_t *mirror, uint32_t sequence);
static void ngx_http_privacy_store_mirror_copied(void *data, ngx_int_t rc);
static ngx_int_t ngx_http_privacy_store_mirror_lock(ngx_http_privacy_store_mirror_t *mirror);
static void ngx_http_privacy_store_mirror_unlock(ngx_http_privacy_store_mirror_t *mirror);


void
ngx_http_privacy_store_mirror(ngx_http_privacy_store_t *store)
{
    ngx_http_privacy_store_mirror_t  *mirror;

    if (store->folder.len == 0 || store->redis == NULL) {
        return;
    }

    if (store->mirror == NULL) {
        store->mirror = ngx_http_privacy_store_mirror_create(store);
    }

    mirror = store->mirror;

    if (mirror == NULL || mirror->busy || mirror->timer.timer_set) {
        return;
    }

    if (mirror->again) {
        mirror->again = 0;
        mirror->from = 0;
    }

    ngx_add_timer(&mirror->timer, 1 + ngx_random() % NGX_HTTP_PRIVACY_STORE_FIRST);
}


static ngx_http_privacy_store_mirror_t *
ngx_http_privacy_store_mirror_create(ngx_http_privacy_store_t *store)
{
    ngx_http_privacy_store_mirror_t  *mirror;

    mirror = ngx_pcalloc(store->pool, sizeof(ngx_http_privacy_store_mirror_t));
    if (mirror == NULL) {
        return NULL;
    }

    mirror->store = store;
    mirror->lock = NGX_INVALID_FILE;

    mirror->timer.handler = ngx_http_privacy_store_mirror_timer;
    mirror->timer.data = mirror;
    mirror->timer.log = store->log;
    mirror->timer.cancelable = 1;

    return mirror;
}


void
ngx_http_privacy_store_mirror_stop(ngx_http_privacy_store_t *store)
{
    if (store->mirror == NULL) {
        return;
    }

    if (store->mirror->timer.timer_set) {
        ngx_del_timer(&store->mirror->timer);
    }

    ngx_http_privacy_store_mirror_unlock(store->mirror);
    store->mirror = NULL;
}


static void
ngx_http_privacy_store_mirror_timer(ngx_event_t *ev)
{
    size_t                            i, n;
    const pv_log_t                   *entries;
    const pv_head_t                  *head;
    ngx_http_privacy_store_mirror_t  *mirror;

    mirror = ev->data;
    entries = mirror->store->chain;

    n = pv_log_count(entries);
    mirror->nfiles = 0;

    for (i = pv_log_place(entries, mirror->from); i < n && mirror->nfiles < NGX_HTTP_PRIVACY_STORE_LOOKED; i++) {
        head = pv_log_entry(entries, i);
        mirror->files[mirror->nfiles].sequence = head->sequence;
        mirror->files[mirror->nfiles].size = head->size;
        mirror->nfiles++;
    }

    if (mirror->nfiles == 0 || ngx_exiting) {
        ngx_http_privacy_store_mirror_unlock(mirror);
        return;
    }

    if (ngx_http_privacy_task_post(ngx_http_privacy_store_mirror_look, ngx_http_privacy_store_mirror_looked, mirror)
        != NGX_OK)
    {
        ngx_add_timer(&mirror->timer, NGX_HTTP_PRIVACY_STORE_FIRST);
        return;
    }

    mirror->busy = 1;
}


/* In a thread. */

static void
ngx_http_privacy_store_mirror_look(void *data)
{
    ngx_uint_t                        i;
    ngx_http_privacy_store_mirror_t  *mirror = data;

    for (i = 0; i < mirror->nfiles; i++) {
        if (!ngx_http_privacy_store_has(mirror->store, mirror->files[i].sequence, mirror->files[i].size)) {
            break;
        }
    }

    mirror->missing = i;
}


static void
ngx_http_privacy_store_mirror_looked(void *data)
{
    ngx_int_t                         rc;
    ngx_http_privacy_store_mirror_t  *mirror = data;

    mirror->busy = 0;

    if (mirror->missing == mirror->nfiles) {
        mirror->from = mirror->files[mirror->nfiles - 1].sequence + 1;
        ngx_add_timer(&mirror->timer, 1);
        return;
    }

    mirror->from = mirror->files[mirror->missing].sequence;

    /* who had the lock may have copied it meanwhile: it is looked for again under it */

    if (mirror->lock == NGX_INVALID_FILE) {
        rc = ngx_http_privacy_store_mirror_lock(mirror);
        ngx_add_timer(&mirror->timer, (rc == NGX_OK) ? 1 : NGX_HTTP_PRIVACY_STORE_LOCKED);
        return;
    }

    ngx_http_privacy_store_mirror_copy(mirror, mirror->from);
}


/* A load that finds no good file gets the entry from Redis, and the folder with it. */

static void
ngx_http_privacy_store_mirror_copy(ngx_http_privacy_store_mirror_t *mirror, uint32_t sequence)
{
    const pv_head_t                *head;
    ngx_http_privacy_store_load_t  *load;

    head = pv_log_find(mirror->store->chain, sequence);

    if (head == NULL
        || ngx_http_privacy_store_load_begin(mirror->store, head, 1, 0, ngx_http_privacy_store_mirror_copied,
                                             mirror, &load)
           != NGX_OK)
    {
        ngx_add_timer(&mirror->timer, NGX_HTTP_PRIVACY_STORE_FIRST);
        return;
    }

    mirror->busy = 1;
}


static void
ngx_http_privacy_store_mirror_copied(void *data, ngx_int_t rc)
{
    ngx_http_privacy_store_mirror_t  *mirror = data;

    mirror->busy = 0;
    mirror->from++;

    if (rc != NGX_OK) {
        mirror->again = 1;
    }

    ngx_add_timer(&mirror->timer, NGX_HTTP_PRIVACY_STORE_PAUSE);
}


static ngx_int_t
ngx_http_privacy_store_mirror_lock(ngx_http_privacy_store_mirror_t *mirror)
{
    u_char                     path[NGX_MAX_PATH];
    ngx_err_t                  err;
    ngx_http_privacy_store_t  *store;

    store = mirror->store;

    if (store->folder.len > NGX_MAX_PATH - 64) {
        return NGX_ERROR;
    }

    if (ngx_create_dir(store->folder.data, 0755) == NGX_FILE_ERROR && ngx_errno != NGX_EEXIST) {
        ngx_log_error(NGX_LOG_ERR, store->log, ngx_errno, "privacy: " ngx_create_dir_n " \"%V\" failed",
                      &store->folder);
        return NGX_ERROR;
    }

    ngx_sprintf(path, "%V/mirror.lock%Z", &store->folder);

    mirror->lock = ngx_open_file(path, NGX_FILE_RDWR|O_NOFOLLOW|O_CLOEXEC, NGX_FILE_CREATE_OR_OPEN, 0644);

    if (mirror->lock == NGX_INVALID_FILE) {
        ngx_log_error(NGX_LOG_ERR, store->log, ngx_errno, "privacy: " ngx_open_file_n " \"%s\" failed", path);
        return NGX_ERROR;
    }

    err = ngx_trylock_fd(mirror->lock);

    if (err == 0) {
        return NGX_OK;
    }

    if (err != NGX_EBUSY) {
        ngx_log_error(NGX_LOG_ERR, store->log, err, "privacy: " ngx_trylock_fd_n " \"%s\" failed", path);
    }

    ngx_http_privacy_store_mirror_unlock(mirror);

    return NGX_DECLINED;
}


static void
ngx_http_privacy_store_mirror_unlock(ngx_http_privacy_store_mirror_t *mirror)
{
    if (mirror->lock != NGX_INVALID_FILE) {
        (void) ngx_close_file(mirror->lock);
        mirror->lock = NGX_INVALID_FILE;
    }
}
