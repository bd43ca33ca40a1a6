/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_PRIVACY_REDIS_WAIT_H
#define NGX_PRIVACY_REDIS_WAIT_H

/*
 * Private to the Redis client. Whether replicas have what an endpoint wrote:
 * WAIT, on a connection of its own, for it blocks the one that it is said on.
 * One batch at a time: all that was written while one is under way goes into
 * the next.
 *
 * That connection has to be to the very server that answered the write. It is
 * made to the address of the commands' connection while that one holds, and is
 * given up with it; what waits is then not known to be anywhere. Behind an
 * address that stands for several servers they are told apart by their run id,
 * where the account may see it.
 */

#include "ngx_privacy_redis_private.h"
#include "pvr_durability.h"

#define NGX_PRIVACY_REDIS_RUN_ID  40


struct ngx_privacy_redis_wait_s {
    ngx_privacy_redis_endpoint_t    *endpoint;
    ngx_privacy_redis_link_t         link;

    ngx_queue_t                      waiting;       /* settles, for the next batch */
    ngx_queue_t                      batch;         /* settles, under way; those past their deadline have left */
    ngx_uint_t                       count;         /* in both */
    ngx_event_t                      deadline;      /* of those, the earliest */

    pv_buf_t                         commands;      /* of the batch */
    size_t                           sent;
    ngx_uint_t                       asked;         /* replies that it has */
    ngx_uint_t                       answered;
    pvr_status_t                     status;        /* of its write */

    ngx_uint_t                       identified;    /* INFO was answered on this connection */
    u_char                           run_id[NGX_PRIVACY_REDIS_RUN_ID];      /* of the server here; zeros: not told */
    ngx_uint_t                       told;          /* the same of the commands' connection */
    u_char                           commands_run_id[NGX_PRIVACY_REDIS_RUN_ID];

    ngx_uint_t                       failing;       /* the last batch was; said once */
    ngx_uint_t                       batches;
    ngx_uint_t                       unsettled;     /* settles that were not, since the worker started */
    ngx_int_t                        last;          /* how many had the last batch; -1: none was answered */
};


/* NULL: no memory. */
ngx_privacy_redis_wait_t *ngx_privacy_redis_wait_create(ngx_privacy_redis_endpoint_t *endpoint);
void ngx_privacy_redis_wait_close(ngx_privacy_redis_wait_t *wait);

/* The commands' connection is up; it is gone, or leads elsewhere. */
void ngx_privacy_redis_wait_ready(ngx_privacy_redis_wait_t *wait);
void ngx_privacy_redis_wait_closed(ngx_privacy_redis_wait_t *wait);
/* Which process answers on it; empty: it does not say. */
void ngx_privacy_redis_wait_told(ngx_privacy_redis_wait_t *wait, pv_str_t run_id);

#endif /* NGX_PRIVACY_REDIS_WAIT_H */
