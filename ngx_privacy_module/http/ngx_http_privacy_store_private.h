/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_PRIVACY_STORE_PRIVATE_H
#define NGX_HTTP_PRIVACY_STORE_PRIVATE_H

/* Between the files of the policy store; nobody else's business. */

#include "ngx_http_privacy_store.h"


#define NGX_HTTP_PRIVACY_STORE_MISS   3             /* s until an entry that could not be had is looked for again */
#define NGX_HTTP_PRIVACY_STORE_FETCH  3000          /* ms: deadline of a whole entry from Redis */


typedef void (*ngx_http_privacy_store_over_pt)(void *data, ngx_int_t rc);

struct ngx_http_privacy_store_load_s {
    ngx_queue_t                      queue;         /* of the store's loads */
    ngx_http_privacy_store_t        *store;
    const pv_head_t                 *head;
    ngx_queue_t                      waiting;
    ngx_http_privacy_store_over_pt   over;          /* the store's own that wait; NULL: none */
    void                            *data;
    ngx_privacy_redis_request_t     *request;
    ngx_uint_t                       sealed;        /* wanted as it is, not opened */
    ngx_uint_t                       urgent;        /* what is in force hangs on it */

    /* The thread's while it has it, the event loop's otherwise. */
    u_char                          *bytes;         /* from Redis, or read from the file */
    size_t                           len;
    ngx_uint_t                       fetched;       /* from Redis: to be written to the folder */
    ngx_fd_t                         fd;            /* of the file, when sealed */
    pv_policy_t                     *policy;
    ngx_int_t                        rc;            /* NGX_DECLINED: no such file */
    ngx_err_t                        err;           /* of a call that failed */
    const char                      *failed;        /* its name; NULL: none */
    u_char                           problem[NGX_HTTP_PRIVACY_STORE_ERROR];     /* what is wrong with the entry */
};


/* store */

/* Works out anew what is in force and next; on_change follows in the next turn of the event loop. */
void ngx_http_privacy_store_update(ngx_http_privacy_store_t *store, ngx_uint_t added);
/*
 * Trusts what was put in since the last time, and takes the rest out: each is
 * refused, with where it came from. added: at least one stayed.
 */
ngx_int_t ngx_http_privacy_store_settle(ngx_http_privacy_store_t *store, pv_log_verify_pt verify, void *data,
    const char *origin);
/* Opens a head and puts it in. NGX_AGAIN: *need bytes are needed. NGX_DECLINED: refused, or known already. */
ngx_int_t ngx_http_privacy_store_put(ngx_http_privacy_store_t *store, pv_str_t prefix, uint32_t sequence,
    const u_char *digest, const char *origin, size_t *need);
/* Logs, and keeps for the status page. */
void ngx_http_privacy_store_refuse(ngx_http_privacy_store_t *store, const char *fmt, ...);

static ngx_inline pv_str_t
ngx_http_privacy_store_site(ngx_http_privacy_store_t *store)
{
    pv_str_t  site;

    site.data = store->site.data;
    site.len = store->site.len;

    return site;
}


/* store_whole: takes the policy over; held once. NULL: no memory, and the policy is gone. */
ngx_http_privacy_whole_t *ngx_http_privacy_store_add(ngx_http_privacy_store_t *store, pv_policy_t *policy,
    size_t bytes);
void ngx_http_privacy_store_wholes_free(ngx_http_privacy_store_t *store);

/* store_load: with plain blocking calls, from the folder only: for process start. */
ngx_int_t ngx_http_privacy_store_load_now(ngx_http_privacy_store_t *store, const pv_head_t *version);
/* For what is in force: before what requests ask for. */
ngx_int_t ngx_http_privacy_store_load_urgent(ngx_http_privacy_store_t *store, const pv_head_t *version);
/* Any load: over (may be NULL) is told its end. */
ngx_int_t ngx_http_privacy_store_load_begin(ngx_http_privacy_store_t *store, const pv_head_t *entry,
    ngx_uint_t sealed, ngx_uint_t urgent, ngx_http_privacy_store_over_pt over, void *data,
    ngx_http_privacy_store_load_t **load);
void ngx_http_privacy_store_loads_stop(ngx_http_privacy_store_t *store);

/*
 * store_folder. In a thread, too: nothing is logged, what failed is in load.
 * read: NGX_OK and load->bytes (and load->fd stays open when it is wanted
 * sealed), NGX_DECLINED: no such file. write: load->bytes.
 */
ngx_int_t ngx_http_privacy_store_load_heads(ngx_http_privacy_store_t *store);
ngx_int_t ngx_http_privacy_store_read(ngx_http_privacy_store_load_t *load);
void ngx_http_privacy_store_write(ngx_http_privacy_store_load_t *load);
/* 1 when the file of that entry is there and has that size. */
ngx_uint_t ngx_http_privacy_store_has(ngx_http_privacy_store_t *store, uint32_t sequence, size_t size);

/* store_log */
void ngx_http_privacy_store_sync_stop(ngx_http_privacy_store_t *store);

/* store_mirror: goes through what is known and not yet known to be in the folder. */
void ngx_http_privacy_store_mirror(ngx_http_privacy_store_t *store);
void ngx_http_privacy_store_mirror_stop(ngx_http_privacy_store_t *store);

#endif /* NGX_HTTP_PRIVACY_STORE_PRIVATE_H */
