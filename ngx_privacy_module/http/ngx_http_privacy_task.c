/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <jansson.h>

#include "ngx_http_privacy_task.h"


#define NGX_HTTP_PRIVACY_TASK_DEADLINE  10000       /* ms that a request waits at most */


typedef struct {
    ngx_queue_t                 queue;
    ngx_http_privacy_task_pt    work;
    ngx_http_privacy_task_pt    done;
    void                       *data;
    ngx_event_t                 event;      /* where there are no threads */
#if (NGX_THREADS)
    ngx_thread_task_t           task;
#endif
} ngx_http_privacy_task_t;


typedef struct {
    ngx_queue_t                 queue;
    ngx_http_privacy_ctx_t     *ctx;
    ngx_http_privacy_resume_pt  resume;
    void                       *data;
    ngx_event_t                 deadline;
    ngx_uint_t                  waiting;
} ngx_http_privacy_wait_t;


/* A task that one request waits for; it outlives the request. */
typedef struct {
    ngx_queue_t                 waiting;
    ngx_http_privacy_task_pt    work;
    ngx_http_privacy_task_pt    release;
    void                       *data;
} ngx_http_privacy_task_request_t;


static ngx_int_t ngx_http_privacy_task_add(ngx_http_privacy_task_pt work, ngx_http_privacy_task_pt done, void *data,
    ngx_uint_t urgent);
static void ngx_http_privacy_task_next(void);
static ngx_int_t ngx_http_privacy_task_start(ngx_http_privacy_task_t *task);
static void ngx_http_privacy_task_inline(ngx_event_t *ev);
static void ngx_http_privacy_task_finish(ngx_http_privacy_task_t *task);
static void ngx_http_privacy_wait_cleanup(void *data);
static void ngx_http_privacy_wait_deadline(ngx_event_t *ev);
static void ngx_http_privacy_wait_leave(ngx_http_privacy_wait_t *wait);
static void ngx_http_privacy_wait_resume(ngx_http_privacy_wait_t *wait, ngx_int_t rc);
static void ngx_http_privacy_task_request_work(void *data);
static void ngx_http_privacy_task_request_done(void *data);


/* The worker's. */

static struct {
    ngx_queue_t  waiting;
    ngx_uint_t   nwaiting;
    ngx_uint_t   running;
    ngx_uint_t   ready;
} ngx_http_privacy_tasks;


#if (NGX_THREADS)

static void ngx_http_privacy_task_thread(void *data, ngx_log_t *log);
static void ngx_http_privacy_task_thread_done(ngx_event_t *ev);
static ngx_uint_t ngx_http_privacy_task_threads(ngx_conf_t *cf);


static ngx_str_t  ngx_http_privacy_task_pool = ngx_string("default");


ngx_int_t
ngx_http_privacy_task_init(ngx_conf_t *cf)
{
    /* of jansson's hashes: made once, before there are threads */
    json_object_seed(0);

    if (!ngx_http_privacy_task_threads(cf)) {
        return NGX_OK;
    }

    return ngx_thread_pool_add(cf, &ngx_http_privacy_task_pool) ? NGX_OK : NGX_ERROR;
}


/* With an event method that a thread cannot wake (select, poll), workers would not start with a pool. */

static ngx_uint_t
ngx_http_privacy_task_threads(ngx_conf_t *cf)
{
    ngx_uint_t            m;
    ngx_event_conf_t     *ecf;
    ngx_event_module_t   *module;

    if (ngx_get_conf(cf->cycle->conf_ctx, ngx_events_module) == NULL) {
        return 1;
    }

    ecf = ngx_event_get_conf(cf->cycle->conf_ctx, ngx_event_core_module);

    if (ecf == NULL || ecf->use == NGX_CONF_UNSET_UINT) {
        return 1;
    }

    for (m = 0; cf->cycle->modules[m]; m++) {

        if (cf->cycle->modules[m]->type == NGX_EVENT_MODULE && cf->cycle->modules[m]->ctx_index == ecf->use) {
            module = cf->cycle->modules[m]->ctx;
            return module->actions.notify != NULL;
        }
    }

    return 1;
}


static void
ngx_http_privacy_task_thread(void *data, ngx_log_t *log)
{
    ngx_http_privacy_task_t  *task = data;

    task->work(task->data);
}


static void
ngx_http_privacy_task_thread_done(ngx_event_t *ev)
{
    ngx_http_privacy_task_finish(ev->data);
}

#else

ngx_int_t
ngx_http_privacy_task_init(ngx_conf_t *cf)
{
    json_object_seed(0);

    return NGX_OK;
}

#endif


ngx_int_t
ngx_http_privacy_task_post(ngx_http_privacy_task_pt work, ngx_http_privacy_task_pt done, void *data)
{
    if (ngx_http_privacy_tasks.nwaiting >= NGX_HTTP_PRIVACY_TASKS_WAITING) {
        return NGX_BUSY;
    }

    return ngx_http_privacy_task_add(work, done, data, 0);
}


ngx_int_t
ngx_http_privacy_task_post_urgent(ngx_http_privacy_task_pt work, ngx_http_privacy_task_pt done, void *data)
{
    return ngx_http_privacy_task_add(work, done, data, 1);
}


static ngx_int_t
ngx_http_privacy_task_add(ngx_http_privacy_task_pt work, ngx_http_privacy_task_pt done, void *data,
    ngx_uint_t urgent)
{
    ngx_http_privacy_task_t  *task;

    if (!ngx_http_privacy_tasks.ready) {
        ngx_queue_init(&ngx_http_privacy_tasks.waiting);
        ngx_http_privacy_tasks.ready = 1;
    }

    task = ngx_calloc(sizeof(ngx_http_privacy_task_t), ngx_cycle->log);
    if (task == NULL) {
        return NGX_ERROR;
    }

    task->work = work;
    task->done = done;
    task->data = data;

    if (ngx_http_privacy_tasks.running == NGX_HTTP_PRIVACY_TASKS_RUNNING) {

        if (urgent) {
            ngx_queue_insert_head(&ngx_http_privacy_tasks.waiting, &task->queue);

        } else {
            ngx_queue_insert_tail(&ngx_http_privacy_tasks.waiting, &task->queue);
        }

        ngx_http_privacy_tasks.nwaiting++;
        return NGX_OK;
    }

    if (ngx_http_privacy_task_start(task) != NGX_OK) {
        ngx_free(task);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_privacy_task_start(ngx_http_privacy_task_t *task)
{
#if (NGX_THREADS)
    ngx_thread_pool_t  *pool;

    pool = ngx_thread_pool_get((ngx_cycle_t *) ngx_cycle, &ngx_http_privacy_task_pool);

    if (pool) {
        task->task.ctx = task;
        task->task.handler = ngx_http_privacy_task_thread;
        task->task.event.data = task;
        task->task.event.log = ngx_cycle->log;
        task->task.event.handler = ngx_http_privacy_task_thread_done;

        if (ngx_thread_task_post(pool, &task->task) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_http_privacy_tasks.running++;

        return NGX_OK;
    }
#endif

    task->event.data = task;
    task->event.log = ngx_cycle->log;
    task->event.handler = ngx_http_privacy_task_inline;

    ngx_add_timer(&task->event, 0);
    ngx_http_privacy_tasks.running++;

    return NGX_OK;
}


static void
ngx_http_privacy_task_inline(ngx_event_t *ev)
{
    ngx_http_privacy_task_t  *task = ev->data;

    task->work(task->data);

    ngx_http_privacy_task_finish(task);
}


static void
ngx_http_privacy_task_finish(ngx_http_privacy_task_t *task)
{
    ngx_http_privacy_tasks.running--;

    ngx_http_privacy_task_next();

    task->done(task->data);

    ngx_free(task);
}


/* A task that cannot be given to a thread runs here after all: who waits for it has been promised an end. */

static void
ngx_http_privacy_task_next(void)
{
    ngx_queue_t              *q;
    ngx_http_privacy_task_t  *task;

    if (ngx_queue_empty(&ngx_http_privacy_tasks.waiting)
        || ngx_http_privacy_tasks.running == NGX_HTTP_PRIVACY_TASKS_RUNNING)
    {
        return;
    }

    q = ngx_queue_head(&ngx_http_privacy_tasks.waiting);
    ngx_queue_remove(q);
    ngx_http_privacy_tasks.nwaiting--;

    task = ngx_queue_data(q, ngx_http_privacy_task_t, queue);

    if (ngx_http_privacy_task_start(task) != NGX_OK) {
        ngx_http_privacy_tasks.running++;
        task->work(task->data);
        ngx_http_privacy_task_finish(task);
    }
}


ngx_int_t
ngx_http_privacy_wait(ngx_http_privacy_ctx_t *ctx, ngx_queue_t *waiting, ngx_http_privacy_resume_pt resume,
    void *data)
{
    ngx_http_request_t       *r;
    ngx_pool_cleanup_t       *cln;
    ngx_http_privacy_wait_t  *wait;

    r = ctx->request;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_privacy_wait_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    wait = cln->data;
    ngx_memzero(wait, sizeof(ngx_http_privacy_wait_t));

    cln->handler = ngx_http_privacy_wait_cleanup;

    wait->ctx = ctx;
    wait->resume = resume;
    wait->data = data;
    wait->waiting = 1;

    /* not cancelable: a worker that exits waits with the client */

    wait->deadline.handler = ngx_http_privacy_wait_deadline;
    wait->deadline.data = wait;
    wait->deadline.log = r->connection->log;

    ngx_add_timer(&wait->deadline, NGX_HTTP_PRIVACY_TASK_DEADLINE);
    ngx_queue_insert_tail(waiting, &wait->queue);

    r->main->count++;
    r->write_event_handler = ngx_http_request_empty_handler;

    if (!r->discard_body && r->reading_body == 0) {
        r->read_event_handler = ngx_http_test_reading;
    }

    return NGX_DONE;
}


static void
ngx_http_privacy_wait_cleanup(void *data)
{
    ngx_http_privacy_wait_leave(data);
}


static void
ngx_http_privacy_wait_leave(ngx_http_privacy_wait_t *wait)
{
    if (!wait->waiting) {
        return;
    }

    wait->waiting = 0;
    ngx_queue_remove(&wait->queue);

    if (wait->deadline.timer_set) {
        ngx_del_timer(&wait->deadline);
    }
}


static void
ngx_http_privacy_wait_deadline(ngx_event_t *ev)
{
    ngx_http_privacy_wait_resume(ev->data, NGX_HTTP_SERVICE_UNAVAILABLE);
}


void
ngx_http_privacy_wait_over(ngx_queue_t *waiting, ngx_int_t rc)
{
    ngx_queue_t  now;

    if (ngx_queue_empty(waiting)) {
        return;
    }

    /* who goes on may begin to wait here again, and may end others that wait here (a connection of HTTP/2) */

    ngx_queue_init(&now);
    ngx_queue_add(&now, waiting);
    ngx_queue_init(waiting);

    while (!ngx_queue_empty(&now)) {
        ngx_http_privacy_wait_resume(ngx_queue_data(ngx_queue_head(&now), ngx_http_privacy_wait_t, queue), rc);
    }
}


static void
ngx_http_privacy_wait_resume(ngx_http_privacy_wait_t *wait, ngx_int_t rc)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = wait->ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_http_privacy_wait_leave(wait);

    ngx_http_finalize_request(r, wait->resume(wait->ctx, rc, wait->data));
    ngx_http_run_posted_requests(c);
}


ngx_int_t
ngx_http_privacy_task_request(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_task_pt work,
    ngx_http_privacy_resume_pt resume, ngx_http_privacy_task_pt release, void *data)
{
    ngx_int_t                         rc;
    ngx_http_privacy_task_request_t  *tr;

    tr = ngx_calloc(sizeof(ngx_http_privacy_task_request_t), ngx_cycle->log);

    if (tr == NULL) {
        rc = NGX_ERROR;
        goto failed;
    }

    ngx_queue_init(&tr->waiting);
    tr->work = work;
    tr->release = release;
    tr->data = data;

    rc = ngx_http_privacy_task_post(ngx_http_privacy_task_request_work, ngx_http_privacy_task_request_done, tr);

    if (rc == NGX_OK) {
        return ngx_http_privacy_wait(ctx, &tr->waiting, resume, data);
    }

    ngx_free(tr);

failed:

    if (release) {
        release(data);
    }

    return (rc == NGX_BUSY) ? ngx_http_privacy_archive_refuse(ctx, NGX_HTTP_SERVICE_UNAVAILABLE)
                            : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static void
ngx_http_privacy_task_request_work(void *data)
{
    ngx_http_privacy_task_request_t  *tr = data;

    tr->work(tr->data);
}


static void
ngx_http_privacy_task_request_done(void *data)
{
    ngx_http_privacy_task_request_t  *tr = data;

    ngx_http_privacy_wait_over(&tr->waiting, NGX_OK);

    if (tr->release) {
        tr->release(tr->data);
    }

    ngx_free(tr);
}
