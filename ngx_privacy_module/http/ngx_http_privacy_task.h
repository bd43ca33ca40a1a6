/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_PRIVACY_TASK_H
#define NGX_HTTP_PRIVACY_TASK_H

/*
 * Work that is too long for the event loop: in nginx's thread pool `default`,
 * or, where nginx or its event method knows no threads, in a turn of the event
 * loop of its own.  And requests that wait for something.
 *
 * What runs in a thread calls core, reads and writes files, and touches memory
 * from malloc() that is its own until it is done: no pool, no request, no
 * store, no log of nginx.  (A pv_policy_t or pv_ui_t that is held may be read.)
 *
 * A few run at a time, a bounded number waits behind them; past it: NGX_BUSY,
 * to be answered with 503 and Retry-After.
 */

#include "ngx_http_privacy.h"


#define NGX_HTTP_PRIVACY_TASKS_RUNNING  4           /* a worker */
#define NGX_HTTP_PRIVACY_TASKS_WAITING  64
#define NGX_HTTP_PRIVACY_BUSY           2           /* Retry-After, seconds */


/* At configuration time: the pool has to be there when workers start. */
ngx_int_t ngx_http_privacy_task_init(ngx_conf_t *cf);

typedef void (*ngx_http_privacy_task_pt)(void *data);

/*
 * work(data) in a thread, then done(data) on the event loop, exactly once and
 * never from within this call.  NGX_BUSY, NGX_ERROR (no memory): neither is called.
 */
ngx_int_t ngx_http_privacy_task_post(ngx_http_privacy_task_pt work, ngx_http_privacy_task_pt done, void *data);
/* The same for what the version in force hangs on: before all others, and never NGX_BUSY. */
ngx_int_t ngx_http_privacy_task_post_urgent(ngx_http_privacy_task_pt work, ngx_http_privacy_task_pt done,
    void *data);


/*
 * Requests that wait: any number for the same thing, in a queue of whoever
 * brings it about.  A waiting request is held (r->main->count); it leaves the
 * queue by itself when its client goes away or its deadline passes, so what is
 * waited for must not belong to it.
 *
 * resume() is called when the wait is over, or its deadline passed: then rc is
 * 503, else what ngx_http_privacy_wait_over() was told.  What it returns is for
 * ngx_http_finalize_request(); NGX_DONE after another wait.
 */
typedef ngx_int_t (*ngx_http_privacy_resume_pt)(ngx_http_privacy_ctx_t *ctx, ngx_int_t rc, void *data);

/* Returns what a content handler returns: NGX_DONE, or 500. */
ngx_int_t ngx_http_privacy_wait(ngx_http_privacy_ctx_t *ctx, ngx_queue_t *waiting,
    ngx_http_privacy_resume_pt resume, void *data);
/* Lets everybody in the queue go on. From the event loop, not from within a request's handler. */
void ngx_http_privacy_wait_over(ngx_queue_t *waiting, ngx_int_t rc);

/*
 * Both at once, for one request: work(data) in a thread, then resume(ctx,
 * NGX_OK, data), then release(data) (may be NULL) in any case, also when the
 * client is gone: there a result can be put into a cache first.  data from
 * malloc(), taken over; resume must not touch it when rc is not NGX_OK (the
 * deadline passed, the thread still has it).  Returns what a content handler
 * returns; when too much is under way, 503 was answered.
 */
ngx_int_t ngx_http_privacy_task_request(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_task_pt work,
    ngx_http_privacy_resume_pt resume, ngx_http_privacy_task_pt release, void *data);


/*
 * Whole versions, archived ones too, by their numbers: from memory at once,
 * else read from the node's folder, else from Redis, verified against the head
 * that is known, and opened, in a thread.  n: 1 or 2.  handler is called when
 * they are there (perhaps within this call) or cannot be had:
 *
 *   NGX_OK                            policies[0..n-1], held until the request ends
 *   NGX_HTTP_NOT_FOUND                no such version is known
 *   NGX_HTTP_SERVICE_UNAVAILABLE      known, but neither here nor in Redis now, or too much is under way
 *
 * policies is gone when handler returns, what it points to is not.  Returns what
 * a content handler returns.
 */
typedef ngx_int_t (*ngx_http_privacy_archive_pt)(ngx_http_privacy_ctx_t *ctx, ngx_int_t rc, pv_policy_t **policies,
    void *data);

ngx_int_t ngx_http_privacy_archive_get(ngx_http_privacy_ctx_t *ctx, const uint32_t *sequences, ngx_uint_t n,
    ngx_http_privacy_archive_pt handler, void *data);
/* The plain sentence for an rc that is not NGX_OK; for handlers that have nothing better to do. */
ngx_int_t ngx_http_privacy_archive_refuse(ngx_http_privacy_ctx_t *ctx, ngx_int_t rc);

#endif /* NGX_HTTP_PRIVACY_TASK_H */
