/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * diff/A/B: what changed between two versions. Comparing and rendering take
 * milliseconds, so they are done in a thread; what comes out is the same for
 * everybody (but for `mine`) and kept for the next ones who ask.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_privacy_center.h"
#include "ngx_http_privacy_task.h"


#define NGX_HTTP_PRIVACY_DIFF_TYPES                                                                               \
    (1 << NGX_HTTP_PRIVACY_HTML | 1 << NGX_HTTP_PRIVACY_JSON)

#define NGX_HTTP_PRIVACY_DIFF_RATE      60                  /* a minute, an address prefix, of those not kept */
#define NGX_HTTP_PRIVACY_DIFF_BURST     30

#define NGX_HTTP_PRIVACY_DIFF_KEPT      (4 * 1024 * 1024)   /* bytes, a worker */
#define NGX_HTTP_PRIVACY_DIFF_BETWEEN   24                  /* versions whose own words are repeated */
#define NGX_HTTP_PRIVACY_DIFF_KEPT_ONE  (1024 * 1024)       /* larger ones are made anew each time */


/* What is asked for: the two versions by their numbers, and as what. */
typedef struct {
    uint32_t                     sequences[2];
    ngx_http_privacy_type_t      type;
    ngx_uint_t                   mine;
    const char                  *vary;
} ngx_http_privacy_diff_t;


/* What makes one redline another one. */
typedef struct {
    ngx_http_privacy_srv_conf_t *server;
    const pv_ui_t               *ui;
    uint32_t                     sequences[2];
    uint32_t                     in_force;
    size_t                       entries;       /* of the log: a withdrawal says something new of old versions */
    ngx_http_privacy_type_t      type;
    size_t                       language;
} ngx_http_privacy_diff_key_t;


typedef struct {
    ngx_queue_t                  queue;
    ngx_http_privacy_diff_key_t  key;
    size_t                       len;
    u_char                       bytes[1];
} ngx_http_privacy_diff_kept_t;


/* What the thread works on: all that it reads is held, or of its own. */
typedef struct {
    ngx_http_privacy_whole_t    *wholes[3];     /* from, to, in force */
    pv_page_t                    page;
    pv_page_diff_t               diff;
    pv_page_version_t            bound;
    pv_page_version_t            between[NGX_HTTP_PRIVACY_DIFF_BETWEEN];
    char                         token[PV_TOKEN_MAX + 1];
    char                         missed[64];
    ngx_uint_t                   common;        /* they have a language in common */
    ngx_http_privacy_type_t      type;
    const char                  *vary;
    ngx_uint_t                   keep;
    ngx_http_privacy_diff_key_t  key;
    int                          rc;
    pv_buf_t                     body;
} ngx_http_privacy_diff_job_t;


static ngx_int_t ngx_http_privacy_diff_side(ngx_http_privacy_ctx_t *ctx, pv_str_t name, uint32_t *sequence);
static ngx_int_t ngx_http_privacy_diff_got(ngx_http_privacy_ctx_t *ctx, ngx_int_t rc, pv_policy_t **policies,
    void *data);
static ngx_http_privacy_diff_job_t *ngx_http_privacy_diff_job(ngx_http_privacy_ctx_t *ctx,
    ngx_http_privacy_diff_t *diff);
static void ngx_http_privacy_diff_language(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_diff_job_t *job);
static void ngx_http_privacy_diff_between(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_diff_job_t *job);
static void ngx_http_privacy_diff_mine(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_diff_job_t *job);
static void ngx_http_privacy_diff_work(void *data);
static int ngx_http_privacy_diff_text(ngx_http_privacy_diff_job_t *job, pv_diff_t **text);
static ngx_int_t ngx_http_privacy_diff_done(ngx_http_privacy_ctx_t *ctx, ngx_int_t rc, void *data);
static void ngx_http_privacy_diff_release(void *data);
static ngx_int_t ngx_http_privacy_diff_send(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_diff_job_t *job);
static ngx_http_privacy_diff_kept_t *ngx_http_privacy_diff_find(ngx_http_privacy_diff_key_t *key);
static void ngx_http_privacy_diff_keep(ngx_http_privacy_diff_job_t *job);


/* The worker's. Newest used first. */

static struct {
    ngx_queue_t  kept;
    size_t       bytes;
    ngx_uint_t   ready;
} ngx_http_privacy_diffs;


/* diff?from=A&to=B, as a form sends it. */

ngx_int_t
ngx_http_privacy_route_compare(ngx_http_privacy_ctx_t *ctx, pv_str_t rest)
{
    u_char                     *p;
    uint32_t                    sequence;
    pv_str_t                    from, to;
    ngx_str_t                   location, lang;
    ngx_http_privacy_answer_t   answer;

    from = ngx_http_privacy_argument(ctx->request, "from");
    to = ngx_http_privacy_argument(ctx->request, "to");

    if (ngx_http_privacy_diff_side(ctx, from, &sequence) != NGX_OK
        || ngx_http_privacy_diff_side(ctx, to, &sequence) != NGX_OK)
    {
        return ngx_http_privacy_no_version(ctx);
    }

    ngx_str_null(&lang);
    (void) ngx_http_arg(ctx->request, (u_char *) "lang", 4, &lang);

    location.data = ngx_pnalloc(ctx->request->pool, ctx->server->prefix.len + sizeof("diff//?lang=") + from.len
                                + to.len + lang.len);
    if (location.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_sprintf(location.data, "%Vdiff/%*s/%*s", &ctx->server->prefix, from.len, from.data, to.len, to.data);

    if (lang.len) {
        p = ngx_sprintf(p, "?lang=%V", &lang);
    }

    location.len = p - location.data;

    ngx_memzero(&answer, sizeof(ngx_http_privacy_answer_t));
    answer.cache = NGX_HTTP_PRIVACY_REVALIDATE;

    return ngx_http_privacy_redirect(ctx, NGX_HTTP_MOVED_TEMPORARILY, &location, &answer);
}


ngx_int_t
ngx_http_privacy_route_diff(ngx_http_privacy_ctx_t *ctx, pv_str_t rest)
{
    u_char                   *slash;
    pv_str_t                  from, to;
    ngx_http_privacy_diff_t  *diff;

    slash = ngx_strlchr((u_char *) rest.data, (u_char *) rest.data + rest.len, '/');

    if (slash == NULL) {
        return ngx_http_privacy_no_version(ctx);
    }

    diff = ngx_pcalloc(ctx->request->pool, sizeof(ngx_http_privacy_diff_t));
    if (diff == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    from.data = rest.data;
    from.len = slash - rest.data;
    to.data = slash + 1;
    to.len = rest.len - from.len - 1;

    diff->mine = pv_str_eqs(from, "mine");
    diff->type = NGX_HTTP_PRIVACY_ANY;

    if (ngx_http_privacy_diff_side(ctx, to, &diff->sequences[1]) != NGX_OK) {
        diff->type = ngx_http_privacy_suffix(&to, NGX_HTTP_PRIVACY_DIFF_TYPES);
    }

    if (ngx_http_privacy_diff_side(ctx, from, &diff->sequences[0]) != NGX_OK
        || ngx_http_privacy_diff_side(ctx, to, &diff->sequences[1]) != NGX_OK)
    {
        return ngx_http_privacy_no_version(ctx);
    }

    diff->vary = "Accept-Language";

    if (diff->type == NGX_HTTP_PRIVACY_ANY) {
        diff->vary = "Accept, Accept-Language";
        diff->type = ngx_http_privacy_negotiate(ctx, NGX_HTTP_PRIVACY_DIFF_TYPES);

        if (diff->type == NGX_HTTP_PRIVACY_ANY) {
            return ngx_http_privacy_not_acceptable(ctx, NGX_HTTP_PRIVACY_DIFF_TYPES);
        }
    }

    return ngx_http_privacy_archive_get(ctx, diff->sequences, 2, ngx_http_privacy_diff_got, diff);
}


/* A version by its id, `current`, or `mine`: the one that binds this visitor, else the one in force. */

static ngx_int_t
ngx_http_privacy_diff_side(ngx_http_privacy_ctx_t *ctx, pv_str_t name, uint32_t *sequence)
{
    const pv_head_t  *head;

    if (ctx->policy && (pv_str_eqs(name, "current") || pv_str_eqs(name, "mine"))) {
        *sequence = ctx->policy->sequence;

        if (name.data[0] == 'm' && ctx->has_consent && ngx_http_privacy_reach(ctx, &ctx->consent)) {
            *sequence = ngx_http_privacy_reach(ctx, &ctx->consent);
        }

        return NGX_OK;
    }

    head = pv_log_version(ngx_http_privacy_store_log(ctx->site->store), name);

    if (head == NULL) {
        return NGX_DECLINED;
    }

    *sequence = head->sequence;

    return NGX_OK;
}


static ngx_int_t
ngx_http_privacy_diff_got(ngx_http_privacy_ctx_t *ctx, ngx_int_t rc, pv_policy_t **policies, void *data)
{
    ngx_http_privacy_diff_t *diff = data;

    ngx_http_privacy_diff_job_t   *job;
    ngx_http_privacy_diff_kept_t  *kept;

    if (rc != NGX_OK) {
        return ngx_http_privacy_archive_refuse(ctx, rc);
    }

    job = ngx_http_privacy_diff_job(ctx, diff);

    if (job == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    kept = job->keep ? ngx_http_privacy_diff_find(&job->key) : NULL;

    if (kept) {
        pv_buf_add(&job->body, kept->bytes, kept->len);
        rc = ngx_http_privacy_diff_send(ctx, job);
        ngx_http_privacy_diff_release(job);
        return rc;
    }

    if (ngx_http_privacy_zone_take(ctx->main->zone, NGX_HTTP_PRIVACY_BUCKET_DIFFS, ctx->request->connection->sockaddr,
                                   NGX_HTTP_PRIVACY_DIFF_RATE, NGX_HTTP_PRIVACY_DIFF_BURST)
        != NGX_OK)
    {
        ngx_http_privacy_diff_release(job);
        return ngx_http_privacy_refuse(ctx, NGX_HTTP_TOO_MANY_REQUESTS, "too_many_diffs",
                                       60 / NGX_HTTP_PRIVACY_DIFF_RATE);
    }

    return ngx_http_privacy_task_request(ctx, ngx_http_privacy_diff_work, ngx_http_privacy_diff_done,
                                         ngx_http_privacy_diff_release, job);
}


/* NULL: no memory, or the versions went away meanwhile. */

static ngx_http_privacy_diff_job_t *
ngx_http_privacy_diff_job(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_diff_t *diff)
{
    const pv_log_t               *log;
    ngx_http_privacy_store_t     *store;
    ngx_http_privacy_diff_job_t  *job;

    job = ngx_calloc(sizeof(ngx_http_privacy_diff_job_t), ngx_cycle->log);
    if (job == NULL) {
        return NULL;
    }

    pv_buf_init(&job->body, NGX_HTTP_PRIVACY_DOCUMENT_MAX);

    store = ctx->site->store;
    log = ngx_http_privacy_store_log(store);
    job->wholes[0] = ngx_http_privacy_store_hold(store, diff->sequences[0]);
    job->wholes[1] = ngx_http_privacy_store_hold(store, diff->sequences[1]);
    job->wholes[2] = ctx->policy ? ngx_http_privacy_store_hold(store, ctx->policy->sequence) : NULL;

    if (job->wholes[0] == NULL || job->wholes[1] == NULL) {
        ngx_http_privacy_diff_release(job);
        return NULL;
    }

    job->diff.from = job->wholes[0]->policy;
    job->diff.to = job->wholes[1]->policy;
    job->diff.from_withdrawn = (pv_log_withdrawal(log, diff->sequences[0]) != NULL);
    job->diff.to_withdrawn = (pv_log_withdrawal(log, diff->sequences[1]) != NULL);
    job->diff.mine = diff->mine;
    job->type = diff->type;
    job->vary = diff->vary;

    ngx_http_privacy_public_page(ctx, &job->page, job->diff.to);
    job->page.in_force = job->wholes[2] ? job->wholes[2]->policy : NULL;

    ngx_http_privacy_diff_language(ctx, job);
    ngx_http_privacy_diff_between(ctx, job);

    if (diff->mine) {
        ngx_http_privacy_diff_mine(ctx, job);
        return job;
    }

    job->key.server = ctx->server;
    job->key.ui = ctx->main->ui;
    job->key.sequences[0] = diff->sequences[0];
    job->key.sequences[1] = diff->sequences[1];
    job->key.in_force = ctx->policy ? ctx->policy->sequence : 0;
    job->key.entries = pv_log_count(log);
    job->key.type = diff->type;
    job->key.language = job->page.language;

    /* what is said to be missing depends on who asks */
    job->keep = (job->page.missed.len == 0);

    return job;
}


/* One that both have; where there is none, that of the later text's reader. */

static void
ngx_http_privacy_diff_language(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_diff_job_t *job)
{
    size_t     i, n, languages[PV_LANGUAGES_MAX];
    pv_str_t   tags[PV_LANGUAGES_MAX];
    pv_str_t  *missed;

    n = pv_page_diff_languages(languages, job->diff.from, job->diff.to);

    for (i = 0; i < n; i++) {
        tags[i] = job->diff.to->texts[languages[i]].language;
    }

    job->common = (n != 0);

    if (n) {
        ngx_http_privacy_page_language(ctx, &job->page, languages[ngx_http_privacy_choose_language(ctx, tags, n)]);
    }

    /* the request may be gone before the thread is done */

    missed = &job->page.missed;

    if (missed->len) {
        missed->len = ngx_min(missed->len, sizeof(job->missed));
        ngx_memcpy(job->missed, missed->data, missed->len);
        missed->data = (unsigned char *) job->missed;
    }
}


/* What the versions after the one said of themselves, up to the other, the newest of them. */

static void
ngx_http_privacy_diff_between(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_diff_job_t *job)
{
    size_t            n;
    const pv_log_t   *log;
    const pv_head_t  *head;

    log = ngx_http_privacy_store_log(ctx->site->store);
    head = pv_log_find(log, job->diff.to->sequence);

    for (n = 0; head && head->sequence > job->diff.from->sequence && n < NGX_HTTP_PRIVACY_DIFF_BETWEEN; n++) {
        ngx_http_privacy_listed(ctx, head, &job->between[n]);
        head = pv_log_before(log, head->sequence);
    }

    job->diff.between = job->between;
    job->diff.between_count = n;
}


static void
ngx_http_privacy_diff_mine(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_diff_job_t *job)
{
    if (ctx->policy && job->diff.to->sequence == ctx->policy->sequence) {
        ngx_http_privacy_terms_page(ctx, &job->page, &job->bound, job->token);
    }
}


static void
ngx_http_privacy_diff_work(void *data)
{
    ngx_http_privacy_diff_job_t *job = data;

    pv_diff_t  *text;

    text = NULL;
    job->rc = job->common ? ngx_http_privacy_diff_text(job, &text) : PV_OK;

    if (job->rc == PV_OK) {
        job->diff.text = text;
        job->rc = (job->type == NGX_HTTP_PRIVACY_JSON) ? pv_json_diff(&job->body, &job->page, &job->diff)
                                                       : pv_page_diff(&job->body, &job->page, &job->diff);
    }

    job->diff.text = NULL;
    pv_diff_free(text);
}


static int
ngx_http_privacy_diff_text(ngx_http_privacy_diff_job_t *job, pv_diff_t **text)
{
    size_t              i;
    const pv_text_t    *to;
    const pv_policy_t  *from;

    from = job->diff.from;
    to = &job->diff.to->texts[job->page.language];

    for (i = 0; i < from->texts_count; i++) {
        if (pv_str_eq(from->texts[i].language, to->language)) {
            return pv_diff_create(text, from->texts[i].html, to->html, PV_DIFF_WORK);
        }
    }

    return PV_OK;
}


static ngx_int_t
ngx_http_privacy_diff_done(ngx_http_privacy_ctx_t *ctx, ngx_int_t rc, void *data)
{
    ngx_http_privacy_diff_job_t *job = data;

    if (rc != NGX_OK) {
        return ngx_http_privacy_archive_refuse(ctx, NGX_HTTP_SERVICE_UNAVAILABLE);
    }

    if (job->rc != PV_OK || job->body.failed) {
        ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0, "privacy: versions %uD and %uD could not be compared",
                      job->diff.from->sequence, job->diff.to->sequence);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (job->keep) {
        ngx_http_privacy_diff_keep(job);
    }

    return ngx_http_privacy_diff_send(ctx, job);
}


static void
ngx_http_privacy_diff_release(void *data)
{
    ngx_uint_t                    i;
    ngx_http_privacy_diff_job_t  *job = data;

    for (i = 0; i < 3; i++) {
        ngx_http_privacy_store_let_go(job->wholes[i]);
    }

    pv_buf_free(&job->body);
    ngx_free(job);
}


static ngx_int_t
ngx_http_privacy_diff_send(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_diff_job_t *job)
{
    pv_buf_t                   body;
    ngx_http_privacy_answer_t  answer;

    ngx_memzero(&answer, sizeof(ngx_http_privacy_answer_t));
    answer.status = NGX_HTTP_OK;
    answer.type = ngx_http_privacy_types[job->type];
    answer.vary = job->vary;
    answer.language = job->page.policy->texts[job->page.language].language;

    /* the answer takes the bytes along */
    body = job->body;
    pv_buf_init(&job->body, NGX_HTTP_PRIVACY_DOCUMENT_MAX);

    if (job->diff.mine) {
        return ngx_http_privacy_send(ctx, &answer, &body);
    }

    answer.cache = NGX_HTTP_PRIVACY_REVALIDATE;

    return ngx_http_privacy_send_tagged(ctx, &answer, &body, PV_OK);
}


static ngx_http_privacy_diff_kept_t *
ngx_http_privacy_diff_find(ngx_http_privacy_diff_key_t *key)
{
    ngx_queue_t                   *q;
    ngx_http_privacy_diff_kept_t  *kept;

    if (!ngx_http_privacy_diffs.ready) {
        ngx_queue_init(&ngx_http_privacy_diffs.kept);
        ngx_http_privacy_diffs.ready = 1;
    }

    for (q = ngx_queue_head(&ngx_http_privacy_diffs.kept);
         q != ngx_queue_sentinel(&ngx_http_privacy_diffs.kept);
         q = ngx_queue_next(q))
    {
        kept = ngx_queue_data(q, ngx_http_privacy_diff_kept_t, queue);

        if (ngx_memcmp(&kept->key, key, sizeof(ngx_http_privacy_diff_key_t)) == 0) {
            ngx_queue_remove(q);
            ngx_queue_insert_head(&ngx_http_privacy_diffs.kept, q);
            return kept;
        }
    }

    return NULL;
}


static void
ngx_http_privacy_diff_keep(ngx_http_privacy_diff_job_t *job)
{
    ngx_queue_t                   *q;
    ngx_http_privacy_diff_kept_t  *kept;

    if (job->body.len > NGX_HTTP_PRIVACY_DIFF_KEPT_ONE || ngx_http_privacy_diff_find(&job->key)) {
        return;
    }

    kept = ngx_alloc(sizeof(ngx_http_privacy_diff_kept_t) + job->body.len, ngx_cycle->log);
    if (kept == NULL) {
        return;
    }

    ngx_memcpy(&kept->key, &job->key, sizeof(ngx_http_privacy_diff_key_t));
    kept->len = job->body.len;
    ngx_memcpy(kept->bytes, job->body.data, kept->len);

    ngx_queue_insert_head(&ngx_http_privacy_diffs.kept, &kept->queue);
    ngx_http_privacy_diffs.bytes += kept->len;

    while (ngx_http_privacy_diffs.bytes > NGX_HTTP_PRIVACY_DIFF_KEPT) {
        q = ngx_queue_last(&ngx_http_privacy_diffs.kept);
        kept = ngx_queue_data(q, ngx_http_privacy_diff_kept_t, queue);

        ngx_queue_remove(q);
        ngx_http_privacy_diffs.bytes -= kept->len;
        ngx_free(kept);
    }
}
