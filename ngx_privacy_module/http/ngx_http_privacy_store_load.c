/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_store_private.h"
#include "ngx_http_privacy_task.h"


/*
 * Whole entries into memory: the node's folder first, read and verified in a
 * thread; where it is not there or damaged, Redis, and then the folder gets it
 * again.  An entry is what its head says, byte for byte, or it is refused.
 */

#define NGX_HTTP_PRIVACY_STORE_LOADS    64                  /* under way that requests wait for, a worker */
#define NGX_HTTP_PRIVACY_STORE_FETCHED  (64 * 1024 * 1024)  /* bytes from Redis under way, a worker */
#define NGX_HTTP_PRIVACY_STORE_ARENA    (64 * 1024)         /* what an opened policy takes beyond its texts */


static ngx_http_privacy_store_load_t *ngx_http_privacy_store_loading(ngx_http_privacy_store_t *store,
    const pv_head_t *version);
static ngx_int_t ngx_http_privacy_store_load_post(ngx_http_privacy_store_load_t *load);
static ngx_http_privacy_store_load_t *ngx_http_privacy_store_load_create(ngx_http_privacy_store_t *store,
    const pv_head_t *entry, ngx_uint_t sealed);
static ngx_uint_t ngx_http_privacy_store_missed(ngx_http_privacy_store_t *store, uint32_t sequence);
static void ngx_http_privacy_store_work(void *data);
static void ngx_http_privacy_store_verify(ngx_http_privacy_store_load_t *load);
static int ngx_http_privacy_store_intact(const pv_head_t *head, pv_str_t sealed, pv_str_t site,
    pv_problems_t *problems);
static void ngx_http_privacy_store_worked(void *data);
static void ngx_http_privacy_store_say(ngx_http_privacy_store_load_t *load);
static void ngx_http_privacy_store_fetch(ngx_http_privacy_store_load_t *load);
static void ngx_http_privacy_store_fetched(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n);
static void ngx_http_privacy_store_loaded(ngx_http_privacy_store_load_t *load, ngx_int_t rc);
static ngx_http_privacy_whole_t *ngx_http_privacy_store_load_keep(ngx_http_privacy_store_load_t *load);
static void ngx_http_privacy_store_load_free(ngx_http_privacy_store_load_t *load);


static size_t      ngx_http_privacy_store_fetched_bytes;
static ngx_uint_t  ngx_http_privacy_store_nloads;


ngx_int_t
ngx_http_privacy_store_load(ngx_http_privacy_store_t *store, const pv_head_t *version, ngx_queue_t **waiting)
{
    ngx_int_t                       rc;
    ngx_http_privacy_store_load_t  *load;

    load = ngx_http_privacy_store_loading(store, version);

    if (load == NULL) {

        if (ngx_http_privacy_store_missed(store, version->sequence)) {
            return NGX_DECLINED;
        }

        rc = ngx_http_privacy_store_load_begin(store, version, 0, 0, NULL, NULL, &load);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    *waiting = &load->waiting;

    return NGX_OK;
}


ngx_int_t
ngx_http_privacy_store_load_urgent(ngx_http_privacy_store_t *store, const pv_head_t *version)
{
    ngx_http_privacy_store_load_t  *load;

    if (ngx_http_privacy_store_loading(store, version)) {
        return NGX_OK;
    }

    if (ngx_http_privacy_store_missed(store, version->sequence)) {
        return NGX_DECLINED;
    }

    return ngx_http_privacy_store_load_begin(store, version, 0, 1, NULL, NULL, &load);
}


static ngx_http_privacy_store_load_t *
ngx_http_privacy_store_loading(ngx_http_privacy_store_t *store, const pv_head_t *version)
{
    ngx_queue_t                    *q;
    ngx_http_privacy_store_load_t  *load;

    for (q = ngx_queue_head(&store->loads); q != ngx_queue_sentinel(&store->loads); q = ngx_queue_next(q)) {
        load = ngx_queue_data(q, ngx_http_privacy_store_load_t, queue);

        if (load->head == version && !load->sealed) {
            return load;
        }
    }

    return NULL;
}


ngx_int_t
ngx_http_privacy_store_load_sealed(ngx_http_privacy_store_t *store, const pv_head_t *entry,
    ngx_http_privacy_store_load_t **load, ngx_queue_t **waiting)
{
    ngx_int_t  rc;

    if (ngx_http_privacy_store_missed(store, entry->sequence)) {
        return NGX_DECLINED;
    }

    rc = ngx_http_privacy_store_load_begin(store, entry, 1, 0, NULL, NULL, load);

    if (rc == NGX_OK) {
        *waiting = &(*load)->waiting;
    }

    return rc;
}


void
ngx_http_privacy_store_take_sealed(ngx_http_privacy_store_load_t *load, ngx_fd_t *fd, pv_buf_t *bytes)
{
    *fd = load->fd;
    load->fd = NGX_INVALID_FILE;

    pv_buf_init(bytes, PV_SEALED_MAX);

    if (load->bytes) {
        bytes->data = load->bytes;
        bytes->len = load->len;
        bytes->size = load->len;
        load->bytes = NULL;
    }
}


ngx_int_t
ngx_http_privacy_store_load_begin(ngx_http_privacy_store_t *store, const pv_head_t *entry, ngx_uint_t sealed,
    ngx_uint_t urgent, ngx_http_privacy_store_over_pt over, void *data, ngx_http_privacy_store_load_t **load)
{
    ngx_int_t                       rc;
    ngx_http_privacy_store_load_t  *created;

    if (!urgent && ngx_http_privacy_store_nloads >= NGX_HTTP_PRIVACY_STORE_LOADS) {
        return NGX_BUSY;
    }

    created = ngx_http_privacy_store_load_create(store, entry, sealed);
    if (created == NULL) {
        return NGX_ERROR;
    }

    created->urgent = urgent;
    created->over = over;
    created->data = data;

    rc = ngx_http_privacy_store_load_post(created);

    if (rc != NGX_OK) {
        ngx_free(created);
        return rc;
    }

    ngx_queue_insert_tail(&store->loads, &created->queue);
    ngx_http_privacy_store_nloads++;

    *load = created;

    return NGX_OK;
}


static ngx_int_t
ngx_http_privacy_store_load_post(ngx_http_privacy_store_load_t *load)
{
    return load->urgent
           ? ngx_http_privacy_task_post_urgent(ngx_http_privacy_store_work, ngx_http_privacy_store_worked, load)
           : ngx_http_privacy_task_post(ngx_http_privacy_store_work, ngx_http_privacy_store_worked, load);
}


static ngx_http_privacy_store_load_t *
ngx_http_privacy_store_load_create(ngx_http_privacy_store_t *store, const pv_head_t *entry, ngx_uint_t sealed)
{
    ngx_http_privacy_store_load_t  *load;

    load = ngx_calloc(sizeof(ngx_http_privacy_store_load_t), store->log);
    if (load == NULL) {
        return NULL;
    }

    ngx_queue_init(&load->waiting);
    load->store = store;
    load->head = entry;
    load->sealed = sealed;
    load->fd = NGX_INVALID_FILE;

    return load;
}


ngx_int_t
ngx_http_privacy_store_load_now(ngx_http_privacy_store_t *store, const pv_head_t *version)
{
    ngx_int_t                       rc;
    ngx_http_privacy_store_load_t  *load;

    load = ngx_http_privacy_store_load_create(store, version, 0);
    if (load == NULL) {
        return NGX_ERROR;
    }

    ngx_http_privacy_store_work(load);
    ngx_http_privacy_store_say(load);

    rc = load->rc;

    if (rc == NGX_OK) {
        ngx_http_privacy_store_let_go(ngx_http_privacy_store_load_keep(load));
    }

    ngx_http_privacy_store_load_free(load);

    return rc;
}


/* 1: it could not be had a moment ago, and is not looked for again yet. */

static ngx_uint_t
ngx_http_privacy_store_missed(ngx_http_privacy_store_t *store, uint32_t sequence)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_PRIVACY_STORE_MISSED; i++) {
        if (store->missed[i].sequence == sequence) {
            return store->missed[i].until > ngx_time();
        }
    }

    return 0;
}


/* In a thread. */

static void
ngx_http_privacy_store_work(void *data)
{
    ngx_http_privacy_store_load_t  *load = data;

    load->rc = NGX_OK;

    if (!load->fetched) {
        load->rc = ngx_http_privacy_store_read(load);
    }

    if (load->rc == NGX_OK) {
        ngx_http_privacy_store_verify(load);
    }

    if (load->rc == NGX_OK && load->fetched) {
        ngx_http_privacy_store_write(load);

    } else if (load->rc != NGX_OK && load->fd != NGX_INVALID_FILE) {
        (void) ngx_close_file(load->fd);
        load->fd = NGX_INVALID_FILE;
    }

    /* opened, or in the file: of no use any more */

    if (load->rc != NGX_OK || !load->sealed || load->fd != NGX_INVALID_FILE) {
        ngx_free(load->bytes);
        load->bytes = NULL;
    }
}


static void
ngx_http_privacy_store_verify(ngx_http_privacy_store_load_t *load)
{
    int            rc;
    u_char        *p;
    pv_str_t       sealed, site;
    const char    *field, *reason;
    pv_problems_t  problems;

    sealed.data = load->bytes;
    sealed.len = load->len;
    site = ngx_http_privacy_store_site(load->store);

    pv_problems_init(&problems);

    if (load->sealed) {
        rc = ngx_http_privacy_store_intact(load->head, sealed, site, &problems);

    } else {
        rc = pv_policy_open(&load->policy, sealed, site, load->head->key, &problems);

        if (rc == PV_OK && !pv_equal(load->policy->digest, load->head->digest, PV_SHA256_LEN)) {
            pv_problem(&problems, NULL, 0, NULL, "it is not the one that was announced");
            rc = PV_INVALID;
        }
    }

    if (rc != PV_OK) {
        field = problems.count ? problems.list[0].field : NULL;
        reason = problems.count ? problems.list[0].reason : "out of memory";

        p = ngx_slprintf(load->problem, load->problem + NGX_HTTP_PRIVACY_STORE_ERROR - 1, "%s%s%s",
                         field ? field : "", field ? ": " : "", reason);
        *p = '\0';

        load->rc = NGX_ERROR;
    }

    pv_problems_free(&problems);
}


/* The very bytes that the head speaks of: it is trusted, and says of each body what it is. */

static int
ngx_http_privacy_store_intact(const pv_head_t *head, pv_str_t sealed, pv_str_t site, pv_problems_t *problems)
{
    int         rc;
    size_t      i, need;
    pv_str_t    body;
    pv_head_t  *found;

    rc = pv_head_open(&found, sealed, site, &need, problems);

    if (rc != PV_OK) {

        if (rc == PV_SHORT) {
            pv_problem(problems, NULL, 0, NULL, "it is cut");
        }

        return rc;
    }

    rc = (pv_equal(found->digest, head->digest, PV_SHA256_LEN)
          && pv_equal(found->signature, head->signature, PV_ED25519_SIG))
         ? PV_OK : PV_INVALID;

    pv_head_free(found);

    if (rc != PV_OK) {
        pv_problem(problems, NULL, 0, NULL, "it is not the one that was announced");
        return rc;
    }

    if (sealed.len != head->size) {
        pv_problem(problems, NULL, 0, NULL, "it is not as long as its head says");
        return PV_INVALID;
    }

    if (head->kind != PV_ENTRY_VERSION) {
        return PV_OK;
    }

    rc = pv_head_body(&body, head, sealed, PV_BODY_DECLARED, 0);

    for (i = 0; rc == PV_OK && i < head->texts_count; i++) {
        rc = pv_head_body(&body, head, sealed, PV_BODY_MARKDOWN, i);

        if (rc == PV_OK) {
            rc = pv_head_body(&body, head, sealed, PV_BODY_HTML, i);
        }
    }

    if (rc != PV_OK) {
        pv_problem(problems, NULL, 0, NULL, "its texts are not those that its head names");
    }

    return rc;
}


static void
ngx_http_privacy_store_worked(void *data)
{
    ngx_http_privacy_store_load_t  *load = data;

    if (load->fetched) {
        ngx_http_privacy_store_fetched_bytes -= load->len;
    }

    ngx_http_privacy_store_say(load);

    if (load->rc == NGX_OK) {
        ngx_http_privacy_store_loaded(load, NGX_OK);

    } else if (load->fetched || load->store->redis == NULL) {
        ngx_http_privacy_store_loaded(load, NGX_HTTP_SERVICE_UNAVAILABLE);

    } else {
        ngx_http_privacy_store_fetch(load);
    }
}


/* What a thread could not log. */

static void
ngx_http_privacy_store_say(ngx_http_privacy_store_load_t *load)
{
    if (load->failed) {
        ngx_log_error(NGX_LOG_ERR, load->store->log, load->err, "privacy: site %V: bundle %uD in \"%V\": %s failed",
                      &load->store->site, load->head->sequence, &load->store->folder, load->failed);
        load->failed = NULL;
    }

    if (load->problem[0]) {
        ngx_http_privacy_store_refuse(load->store, "bundle %uD %s is refused: %s", load->head->sequence,
                                      load->fetched ? "in Redis" : "in the node's folder", load->problem);
        load->problem[0] = '\0';
    }
}


static void
ngx_http_privacy_store_fetch(ngx_http_privacy_store_load_t *load)
{
    char       key[PVR_KEY_MAX];
    pv_str_t   site;
    pv_buf_t   command;
    ngx_str_t  route;

    site = ngx_http_privacy_store_site(load->store);

    route.len = pvr_key_bundle(key, site, load->head->digest);
    route.data = (u_char *) key;

    pv_buf_init(&command, 4096);
    (void) pvr_bundle_get(&command, site, load->head->digest);

    if (!command.failed) {
        load->request = ngx_privacy_redis_send(load->store->redis, &route, command.data, command.len, 1,
                                               NGX_HTTP_PRIVACY_STORE_FETCH, 1, ngx_http_privacy_store_fetched,
                                               load);
    }

    pv_buf_free(&command);

    if (load->request == NULL) {
        ngx_http_privacy_store_loaded(load, NGX_HTTP_SERVICE_UNAVAILABLE);
    }
}


static void
ngx_http_privacy_store_fetched(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n)
{
    ngx_http_privacy_store_load_t  *load = data;

    size_t  len;

    load->request = NULL;

    if (status == PVR_OK) {
        status = (n == 1) ? pvr_status(replies[0]) : PVR_PROTOCOL;
    }

    if (status != PVR_OK) {
        ngx_log_error(NGX_LOG_WARN, load->store->log, 0, "privacy: site %V: cannot read bundle %uD from Redis: %s",
                      &load->store->site, load->head->sequence, pvr_status_name(status));
        goto failed;
    }

    if (replies[0]->type != REDIS_REPLY_STRING || replies[0]->len > PV_SEALED_MAX) {
        ngx_http_privacy_store_refuse(load->store, "bundle %uD in Redis is refused: there is none, although the log "
                                      "names it", load->head->sequence);
        goto failed;
    }

    len = replies[0]->len;

    if (!load->urgent && ngx_http_privacy_store_fetched_bytes + len > NGX_HTTP_PRIVACY_STORE_FETCHED) {
        goto failed;
    }

    load->bytes = ngx_alloc(len + 1, load->store->log);
    if (load->bytes == NULL) {
        goto failed;
    }

    ngx_memcpy(load->bytes, replies[0]->str, len);
    load->len = len;
    load->fetched = 1;

    if (ngx_http_privacy_store_load_post(load) == NGX_OK) {
        ngx_http_privacy_store_fetched_bytes += len;
        return;
    }

failed:

    ngx_http_privacy_store_loaded(load, NGX_HTTP_SERVICE_UNAVAILABLE);
}


/* The end, whatever came of it: what is in force may hang on it, and so do those who wait. */

static void
ngx_http_privacy_store_loaded(ngx_http_privacy_store_load_t *load, ngx_int_t rc)
{
    ngx_http_privacy_store_t         *store;
    ngx_http_privacy_whole_t         *whole;
    ngx_http_privacy_store_missed_t  *missed;

    store = load->store;
    whole = NULL;

    ngx_queue_remove(&load->queue);
    ngx_http_privacy_store_nloads--;

    if (rc == NGX_OK && !load->sealed) {
        whole = ngx_http_privacy_store_load_keep(load);

        if (whole == NULL) {
            rc = NGX_HTTP_SERVICE_UNAVAILABLE;
        }
    }

    if (rc != NGX_OK) {
        missed = &store->missed[store->missed_next++ % NGX_HTTP_PRIVACY_STORE_MISSED];
        missed->sequence = load->head->sequence;
        missed->until = ngx_time() + NGX_HTTP_PRIVACY_STORE_MISS;
    }

    if (!load->sealed) {
        ngx_http_privacy_store_update(store, 0);
    }

    ngx_http_privacy_wait_over(&load->waiting, rc);

    if (load->over) {
        load->over(load->data, rc);
    }

    ngx_http_privacy_store_let_go(whole);
    ngx_http_privacy_store_load_free(load);
}


/* Held once. */

static ngx_http_privacy_whole_t *
ngx_http_privacy_store_load_keep(ngx_http_privacy_store_load_t *load)
{
    pv_policy_t  *policy;

    policy = load->policy;
    load->policy = NULL;

    return ngx_http_privacy_store_add(load->store, policy, load->head->size + NGX_HTTP_PRIVACY_STORE_ARENA);
}


static void
ngx_http_privacy_store_load_free(ngx_http_privacy_store_load_t *load)
{
    if (load->fd != NGX_INVALID_FILE) {
        (void) ngx_close_file(load->fd);
    }

    if (load->policy) {
        pv_policy_free(load->policy);
    }

    ngx_free(load->bytes);
    ngx_free(load);
}


/* In exit_process: no thread runs any more. */

void
ngx_http_privacy_store_loads_stop(ngx_http_privacy_store_t *store)
{
    ngx_queue_t                    *q;
    ngx_http_privacy_store_load_t  *load;

    while (!ngx_queue_empty(&store->loads)) {
        q = ngx_queue_head(&store->loads);
        ngx_queue_remove(q);

        load = ngx_queue_data(q, ngx_http_privacy_store_load_t, queue);

        if (load->request) {
            ngx_privacy_redis_detach(load->request);
        }

        ngx_http_privacy_store_load_free(load);
    }
}
