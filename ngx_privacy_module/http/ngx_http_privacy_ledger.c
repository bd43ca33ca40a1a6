/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * A subject's ledger in Redis: reading its newest records and appending one.
 * Both are chains of a few commands with one deadline over all of them. Their
 * memory is their own, not a request's: an append goes on when the client has
 * gone, because what may have been carried out has to be carried to its end.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_privacy.h"


#define NGX_HTTP_PRIVACY_LEDGER_WINDOW  (NGX_HTTP_PRIVACY_LEDGER_RECORDS + 1)
#define NGX_HTTP_PRIVACY_LEDGER_STEPS   8           /* commands of one reading */
#define NGX_HTTP_PRIVACY_LEDGER_BYTES   8192        /* of one reading command */
#define NGX_HTTP_PRIVACY_FORM_BYTES     (4 * 1024 * 1024)
#define NGX_HTTP_PRIVACY_LEDGER_TERM    86400       /* s that a ledger is kept at least: 0 would remove it */
#define NGX_HTTP_PRIVACY_FORM_TRUST     60          /* s until a form is put again: Redis may have lost it */


struct ngx_http_privacy_ledger_read_s {
    ngx_http_privacy_main_conf_t  *main;
    ngx_http_privacy_site_t       *site;
    ngx_privacy_redis_request_t   *request;
    ngx_http_privacy_ledger_pt     handler;
    void                          *data;

    ngx_msec_t                     end;             /* ngx_current_msec when it has to be over */
    ngx_uint_t                     steps;

    u_char                         subject[PV_SUBJECT_LEN];
    u_char                         link[PV_LINK_LEN];   /* of the record at `from`, when from > 0 */
    uint32_t                       from;
    uint32_t                       first;           /* position of window[0] */

    pv_record_t                    window[NGX_HTTP_PRIVACY_LEDGER_WINDOW];
    ngx_uint_t                     n;
    ngx_uint_t                     newer;           /* the format of a record that this node does not know */

    unsigned                       tail:1;          /* the window was placed by the ledger's length */
};


struct ngx_http_privacy_append_s {
    ngx_http_privacy_main_conf_t  *main;
    ngx_http_privacy_srv_conf_t   *server;
    ngx_http_privacy_append_pt     handler;         /* NULL: nobody waits for it any more */
    void                          *data;

    ngx_msec_t                     end;
    u_char                         subject[PV_SUBJECT_LEN];
    uint32_t                       position;
    int64_t                        term;            /* s that the ledger is kept */
    u_char                         record[PV_RECORD_MAX];
    size_t                         record_len;

    uint64_t                       form;            /* that is being stored first; 0: none */
    uint32_t                       form_version;
};


static ngx_int_t ngx_http_privacy_ledger_send(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site,
    const u_char *subject, pv_buf_t *commands, ngx_uint_t n, ngx_msec_t end,
    ngx_privacy_redis_handler_pt handler, void *data, ngx_privacy_redis_request_t **request);
static ngx_int_t ngx_http_privacy_ledger_send_to(ngx_http_privacy_main_conf_t *pmcf, ngx_str_t *route,
    pv_buf_t *commands, ngx_uint_t n, ngx_msec_t end, ngx_privacy_redis_handler_pt handler, void *data,
    ngx_privacy_redis_request_t **request);
static ngx_int_t ngx_http_privacy_ledger_read_length(ngx_http_privacy_ledger_read_t *read);
static void ngx_http_privacy_ledger_length_done(void *data, pvr_status_t status, redisReply **replies,
    ngx_uint_t n);
static ngx_int_t ngx_http_privacy_ledger_read_window(ngx_http_privacy_ledger_read_t *read);
static void ngx_http_privacy_ledger_window_done(void *data, pvr_status_t status, redisReply **replies,
    ngx_uint_t n);
static ngx_int_t ngx_http_privacy_ledger_take(ngx_http_privacy_ledger_read_t *read, const redisReply *reply);
static ngx_int_t ngx_http_privacy_ledger_verify(ngx_http_privacy_ledger_read_t *read);
static void ngx_http_privacy_ledger_found(ngx_http_privacy_ledger_read_t *read);
static void ngx_http_privacy_ledger_finish(ngx_http_privacy_ledger_read_t *read,
    ngx_http_privacy_ledger_result_t result, pv_consent_t *consent, pv_record_t *records, ngx_uint_t nrecords);

static ngx_int_t ngx_http_privacy_append_form(ngx_http_privacy_append_t *append, ngx_http_privacy_form_t *form);
static void ngx_http_privacy_append_form_done(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n);
static ngx_int_t ngx_http_privacy_append_record(ngx_http_privacy_append_t *append);
static void ngx_http_privacy_append_record_done(void *data, pvr_status_t status, redisReply **replies,
    ngx_uint_t n);
static ngx_int_t ngx_http_privacy_append_compare(ngx_http_privacy_append_t *append);
static void ngx_http_privacy_append_compare_done(void *data, pvr_status_t status, redisReply **replies,
    ngx_uint_t n);
static void ngx_http_privacy_append_settle(ngx_http_privacy_append_t *append);
static void ngx_http_privacy_append_settled(void *data, pvr_status_t status);
static void ngx_http_privacy_append_finish(ngx_http_privacy_append_t *append,
    ngx_http_privacy_append_result_t result, pvr_status_t status);

static pvr_status_t ngx_http_privacy_replies_status(pvr_status_t status, redisReply **replies, ngx_uint_t n);
static void ngx_http_privacy_ledger_ignore(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n);


/* Sends what was formatted, on the subject's own route, with what is left of the deadline. */

static ngx_int_t
ngx_http_privacy_ledger_send(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site,
    const u_char *subject, pv_buf_t *commands, ngx_uint_t n, ngx_msec_t end,
    ngx_privacy_redis_handler_pt handler, void *data, ngx_privacy_redis_request_t **request)
{
    char       key[PVR_KEY_MAX];
    ngx_str_t  route;

    route.data = (u_char *) key;
    route.len = pvr_key_ledger(key, ngx_http_privacy_str(&site->name), subject);

    return ngx_http_privacy_ledger_send_to(pmcf, &route, commands, n, end, handler, data, request);
}


/* Frees the commands. */

static ngx_int_t
ngx_http_privacy_ledger_send_to(ngx_http_privacy_main_conf_t *pmcf, ngx_str_t *route, pv_buf_t *commands,
    ngx_uint_t n, ngx_msec_t end, ngx_privacy_redis_handler_pt handler, void *data,
    ngx_privacy_redis_request_t **request)
{
    ngx_msec_int_t                left;
    ngx_privacy_redis_request_t  *sent;

    left = (ngx_msec_int_t) (end - ngx_current_msec);

    if (pmcf->redis == NULL || commands->failed || left <= 0) {
        pv_buf_free(commands);
        return NGX_ERROR;
    }

    sent = ngx_privacy_redis_send(pmcf->redis, route, commands->data, commands->len, n, (ngx_msec_t) left, 1,
                                  handler, data);

    pv_buf_free(commands);

    if (request) {
        *request = sent;
    }

    return sent ? NGX_OK : NGX_ERROR;
}


ngx_uint_t
ngx_http_privacy_ledger_reachable(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site,
    const u_char *subject)
{
    char       key[PVR_KEY_MAX];
    ngx_str_t  route;

    route.data = (u_char *) key;
    route.len = pvr_key_ledger(key, ngx_http_privacy_str(&site->name), subject);

    return pmcf->redis != NULL && ngx_privacy_redis_reachable(pmcf->redis, &route);
}


ngx_http_privacy_ledger_read_t *
ngx_http_privacy_ledger_read(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site,
    const u_char *subject, uint32_t from, const u_char *link, ngx_msec_t deadline,
    ngx_http_privacy_ledger_pt handler, void *data)
{
    ngx_int_t                        rc;
    ngx_http_privacy_ledger_read_t  *read;

    if (pmcf->redis == NULL || pmcf->keys == NULL) {
        return NULL;
    }

    read = ngx_calloc(sizeof(ngx_http_privacy_ledger_read_t), ngx_cycle->log);
    if (read == NULL) {
        return NULL;
    }

    read->main = pmcf;
    read->site = site;
    read->handler = handler;
    read->data = data;
    read->end = ngx_current_msec + deadline;
    read->from = from;
    ngx_memcpy(read->subject, subject, PV_SUBJECT_LEN);

    if (from) {
        ngx_memcpy(read->link, link, PV_LINK_LEN);

        /* one before it too: without the link in front, the record at `from` cannot be verified */
        read->first = (from > 1) ? from - 1 : 1;

        rc = ngx_http_privacy_ledger_read_window(read);

    } else {
        rc = ngx_http_privacy_ledger_read_length(read);
    }

    if (rc != NGX_OK) {
        ngx_free(read);
        return NULL;
    }

    return read;
}


void
ngx_http_privacy_ledger_detach(ngx_http_privacy_ledger_read_t *read)
{
    if (read->request) {
        ngx_privacy_redis_detach(read->request);
    }

    ngx_free(read);
}


static ngx_int_t
ngx_http_privacy_ledger_read_length(ngx_http_privacy_ledger_read_t *read)
{
    pv_buf_t  commands;

    if (read->steps++ == NGX_HTTP_PRIVACY_LEDGER_STEPS) {
        return NGX_ERROR;
    }

    pv_buf_init(&commands, NGX_HTTP_PRIVACY_LEDGER_BYTES);
    pvr_ledger_length(&commands, ngx_http_privacy_str(&read->site->name), read->subject);

    return ngx_http_privacy_ledger_send(read->main, read->site, read->subject, &commands, 1, read->end,
                                        ngx_http_privacy_ledger_length_done, read, &read->request);
}


static void
ngx_http_privacy_ledger_length_done(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n)
{
    ngx_http_privacy_ledger_read_t  *read = data;

    long long  length;

    read->request = NULL;

    if (ngx_http_privacy_replies_status(status, replies, n) != PVR_OK
        || replies[0]->type != REDIS_REPLY_INTEGER || replies[0]->integer < 0)
    {
        ngx_http_privacy_ledger_finish(read, NGX_HTTP_PRIVACY_LEDGER_UNAVAILABLE, NULL, NULL, 0);
        return;
    }

    length = replies[0]->integer;

    if (length == 0) {
        ngx_http_privacy_ledger_finish(read, NGX_HTTP_PRIVACY_LEDGER_MISSING, NULL, NULL, 0);
        return;
    }

    if (length > NGX_HTTP_PRIVACY_POSITION_MAX) {
        ngx_http_privacy_ledger_finish(read, NGX_HTTP_PRIVACY_LEDGER_DAMAGED, NULL, NULL, 0);
        return;
    }

    /*
     * Half of the window lies before the length and half after it: records
     * may be appended between the two commands, and a ledger with a hole has
     * higher positions than it has records.
     */

    read->tail = 1;
    read->first = (length > NGX_HTTP_PRIVACY_LEDGER_WINDOW / 2)
                  ? (uint32_t) length - NGX_HTTP_PRIVACY_LEDGER_WINDOW / 2 : 1;

    if (ngx_http_privacy_ledger_read_window(read) != NGX_OK) {
        ngx_http_privacy_ledger_finish(read, NGX_HTTP_PRIVACY_LEDGER_UNAVAILABLE, NULL, NULL, 0);
    }
}


static ngx_int_t
ngx_http_privacy_ledger_read_window(ngx_http_privacy_ledger_read_t *read)
{
    pv_buf_t  commands;

    if (read->steps++ == NGX_HTTP_PRIVACY_LEDGER_STEPS) {
        return NGX_ERROR;
    }

    pv_buf_init(&commands, NGX_HTTP_PRIVACY_LEDGER_BYTES);
    pvr_ledger_read(&commands, ngx_http_privacy_str(&read->site->name), read->subject, read->first,
                    NGX_HTTP_PRIVACY_LEDGER_WINDOW);

    return ngx_http_privacy_ledger_send(read->main, read->site, read->subject, &commands, 1, read->end,
                                        ngx_http_privacy_ledger_window_done, read, &read->request);
}


static void
ngx_http_privacy_ledger_window_done(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n)
{
    ngx_http_privacy_ledger_read_t  *read = data;

    read->request = NULL;

    if (ngx_http_privacy_replies_status(status, replies, n) != PVR_OK
        || replies[0]->type != REDIS_REPLY_ARRAY || replies[0]->elements != NGX_HTTP_PRIVACY_LEDGER_WINDOW)
    {
        ngx_http_privacy_ledger_finish(read, NGX_HTTP_PRIVACY_LEDGER_UNAVAILABLE, NULL, NULL, 0);
        return;
    }

    if (ngx_http_privacy_ledger_take(read, replies[0]) != NGX_OK
        || ngx_http_privacy_ledger_verify(read) != NGX_OK)
    {
        ngx_http_privacy_ledger_finish(read, NGX_HTTP_PRIVACY_LEDGER_DAMAGED, NULL, NULL, 0);
        return;
    }

    if (read->n == 0 || (!read->tail && read->from > 1 && read->n == 1)) {
        ngx_http_privacy_ledger_finish(read, read->tail ? NGX_HTTP_PRIVACY_LEDGER_DAMAGED
                                                        : NGX_HTTP_PRIVACY_LEDGER_MISSING, NULL, NULL, 0);
        return;
    }

    if (read->n == NGX_HTTP_PRIVACY_LEDGER_WINDOW) {
        /* the newest one lies further on */

        if (ngx_http_privacy_ledger_read_length(read) != NGX_OK) {
            ngx_http_privacy_ledger_finish(read, NGX_HTTP_PRIVACY_LEDGER_UNAVAILABLE, NULL, NULL, 0);
        }

        return;
    }

    ngx_http_privacy_ledger_found(read);
}


/* Decodes the records up to the first gap; a record after a gap means that one is missing. */

static ngx_int_t
ngx_http_privacy_ledger_take(ngx_http_privacy_ledger_read_t *read, const redisReply *reply)
{
    size_t             i;
    ngx_uint_t         gap;
    pv_str_t           bytes;
    const redisReply  *field;

    gap = 0;
    read->n = 0;

    for (i = 0; i < reply->elements; i++) {
        field = reply->element[i];

        if (field->type == REDIS_REPLY_NIL) {
            gap = 1;
            continue;
        }

        if (gap || field->type != REDIS_REPLY_STRING) {
            return NGX_ERROR;
        }

        bytes.data = (const unsigned char *) field->str;
        bytes.len = (size_t) field->len;

        if (pv_record_decode(&read->window[read->n], bytes) != PV_OK) {
            read->newer = pv_record_newer(bytes);
            return NGX_ERROR;
        }

        read->n++;
    }

    return NGX_OK;
}


/*
 * Every record but the first of the window has its predecessor's link beside
 * it; the first one is verified when nothing stands before it. In the window
 * that begins at a known position, that position has to hold what is known.
 */

static ngx_int_t
ngx_http_privacy_ledger_verify(ngx_http_privacy_ledger_read_t *read)
{
    uint32_t              position;
    ngx_uint_t            i;
    const unsigned char  *previous;

    for (i = 0; i < read->n; i++) {
        position = read->first + (uint32_t) i;

        if (i == 0 && position > 1) {
            continue;
        }

        previous = (i == 0) ? NULL : read->window[i - 1].link;

        if (pv_record_verify(&read->window[i], read->main->keys, ngx_http_privacy_str(&read->site->name),
                             read->subject, position, previous)
            != PV_OK)
        {
            return NGX_ERROR;
        }

        if (position == read->from && !pv_equal(read->window[i].link, read->link, PV_LINK_LEN)) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_http_privacy_ledger_found(ngx_http_privacy_ledger_read_t *read)
{
    uint32_t      newest, oldest;
    pv_consent_t  consent;

    newest = read->first + (uint32_t) read->n - 1;

    /* the first record of a window in the middle is there for its link only: it was not verified */

    oldest = (read->first > 1) ? read->first + 1 : 1;

    if (newest < oldest || newest < read->from) {
        ngx_http_privacy_ledger_finish(read, NGX_HTTP_PRIVACY_LEDGER_DAMAGED, NULL, NULL, 0);
        return;
    }

    if (oldest <= read->from) {
        oldest = read->from + 1;
    }

    pv_consent_from_record(&consent, &read->window[read->n - 1], read->subject, newest, (uint32_t) ngx_time());

    ngx_http_privacy_ledger_finish(read, NGX_HTTP_PRIVACY_LEDGER_FOUND, &consent,
                                   &read->window[oldest - read->first], newest + 1 - oldest);
}


static void
ngx_http_privacy_ledger_finish(ngx_http_privacy_ledger_read_t *read, ngx_http_privacy_ledger_result_t result,
    pv_consent_t *consent, pv_record_t *records, ngx_uint_t nrecords)
{
    if (result == NGX_HTTP_PRIVACY_LEDGER_DAMAGED && read->newer) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "privacy: a ledger of site \"%V\" has a record in format %ui near position %uD, and this node "
                      "reads formats up to %d: bring it up to date",
                      &read->site->name, read->newer, read->first, PV_RECORD_FORMAT);

    } else if (result == NGX_HTTP_PRIVACY_LEDGER_DAMAGED) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "privacy: a ledger of site \"%V\" does not verify near position %uD",
                      &read->site->name, read->first);
    }

    read->handler(read->data, result, consent, records, nrecords);

    ngx_free(read);
}


int64_t
ngx_http_privacy_ledger_expire_at(ngx_http_privacy_srv_conf_t *pscf, const pv_policy_t *policy)
{
    int64_t  days;

    days = (policy ? (int64_t) policy->choice_days : 0) + (int64_t) pscf->proof_days;

    return (int64_t) ngx_time() + days * 86400;
}


ngx_http_privacy_append_t *
ngx_http_privacy_ledger_append(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_srv_conf_t *pscf,
    const u_char *subject, uint32_t position, pv_str_t record, int64_t expire_at, ngx_http_privacy_form_t *form,
    ngx_msec_t deadline, ngx_http_privacy_append_pt handler, void *data)
{
    ngx_int_t                   rc;
    ngx_http_privacy_append_t  *append;

    if (pmcf->redis == NULL || record.len > PV_RECORD_MAX) {
        return NULL;
    }

    append = ngx_calloc(sizeof(ngx_http_privacy_append_t), ngx_cycle->log);
    if (append == NULL) {
        return NULL;
    }

    append->main = pmcf;
    append->server = pscf;
    append->handler = handler;
    append->data = data;
    append->end = ngx_current_msec + deadline;
    append->position = position;
    append->term = ngx_max(expire_at - (int64_t) ngx_time(), NGX_HTTP_PRIVACY_LEDGER_TERM);
    append->record_len = record.len;
    ngx_memcpy(append->subject, subject, PV_SUBJECT_LEN);
    ngx_memcpy(append->record, record.data, record.len);

    /* what Redis lost it has to be told again, also when we told it once */

    if (form && (!form->stored || ngx_time() - form->stored_time >= NGX_HTTP_PRIVACY_FORM_TRUST
                 || (pscf->site->store && pscf->site->store->log_missing)))
    {
        rc = ngx_http_privacy_append_form(append, form);

    } else {
        rc = ngx_http_privacy_append_record(append);
    }

    if (rc != NGX_OK) {
        ngx_free(append);
        return NULL;
    }

    return append;
}


void
ngx_http_privacy_append_detach(ngx_http_privacy_append_t *append)
{
    append->handler = NULL;
}


/* The form comes first: no record may name a form that is not kept. */

static ngx_int_t
ngx_http_privacy_append_form(ngx_http_privacy_append_t *append, ngx_http_privacy_form_t *form)
{
    char       key[PVR_KEY_MAX];
    pv_str_t   document;
    pv_buf_t   commands;
    ngx_str_t  route;

    append->form = form->number;
    append->form_version = form->policy->sequence;

    document.data = form->document.data;
    document.len = form->document.len;

    pv_buf_init(&commands, NGX_HTTP_PRIVACY_FORM_BYTES);
    pvr_form_put(&commands, ngx_http_privacy_str(&append->server->site->name), form->number, document);

    route.data = (u_char *) key;
    route.len = pvr_key_form(key, ngx_http_privacy_str(&append->server->site->name), form->number);

    return ngx_http_privacy_ledger_send_to(append->main, &route, &commands, 1, append->end,
                                           ngx_http_privacy_append_form_done, append, NULL);
}


static void
ngx_http_privacy_append_form_done(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n)
{
    ngx_http_privacy_append_t  *append = data;

    ngx_http_privacy_form_t  *form;

    /* nothing was written to the ledger yet: whatever went wrong, the outcome is known */

    status = ngx_http_privacy_replies_status(status, replies, n);

    if (status != PVR_OK) {
        ngx_http_privacy_append_finish(append, NGX_HTTP_PRIVACY_NOT_APPENDED, status);
        return;
    }

    /* looked up again: what was rendered then may have been replaced since */

    form = ngx_http_privacy_form_find(append->server, append->main, append->form, append->form_version);
    if (form) {
        form->stored = 1;
        form->stored_time = ngx_time();
    }

    if (ngx_http_privacy_append_record(append) != NGX_OK) {
        ngx_http_privacy_append_finish(append, NGX_HTTP_PRIVACY_NOT_APPENDED, PVR_UNREACHABLE);
    }
}


static ngx_int_t
ngx_http_privacy_append_record(ngx_http_privacy_append_t *append)
{
    pv_str_t  record;
    pv_buf_t  commands;

    record.data = append->record;
    record.len = append->record_len;

    pv_buf_init(&commands, NGX_HTTP_PRIVACY_LEDGER_BYTES);
    pvr_ledger_append(&commands, ngx_http_privacy_str(&append->server->site->name), append->subject,
                      append->position, record, append->term);

    return ngx_http_privacy_ledger_send(append->main, append->server->site, append->subject, &commands,
                                        PVR_LEDGER_APPEND_REPLIES, append->end,
                                        ngx_http_privacy_append_record_done, append, NULL);
}


static void
ngx_http_privacy_append_record_done(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n)
{
    ngx_http_privacy_append_t  *append = data;

    status = ngx_http_privacy_replies_status(status, replies, n);

    if (status != PVR_OK || n != PVR_LEDGER_APPEND_REPLIES) {
        ngx_http_privacy_append_finish(append, NGX_HTTP_PRIVACY_NOT_APPENDED,
                                       (status != PVR_OK) ? status : PVR_PROTOCOL);
        return;
    }

    switch (pvr_ledger_appended(replies[PVR_LEDGER_APPEND_REPLIES - 1])) {

    case 1:
        ngx_http_privacy_append_settle(append);
        return;

    case 0:
        /* taken: by this very record, sent before with its answer lost, or by another one */

        if (ngx_http_privacy_append_compare(append) != NGX_OK) {
            ngx_http_privacy_append_finish(append, NGX_HTTP_PRIVACY_NOT_APPENDED, PVR_UNREACHABLE);
        }

        return;

    default:
        ngx_http_privacy_append_finish(append, NGX_HTTP_PRIVACY_NOT_APPENDED, PVR_ERROR);
        return;
    }
}


static ngx_int_t
ngx_http_privacy_append_compare(ngx_http_privacy_append_t *append)
{
    pv_buf_t  commands;

    pv_buf_init(&commands, NGX_HTTP_PRIVACY_LEDGER_BYTES);
    pvr_ledger_read(&commands, ngx_http_privacy_str(&append->server->site->name), append->subject,
                    append->position, 1);

    return ngx_http_privacy_ledger_send(append->main, append->server->site, append->subject, &commands, 1,
                                        append->end, ngx_http_privacy_append_compare_done, append, NULL);
}


static void
ngx_http_privacy_append_compare_done(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n)
{
    ngx_http_privacy_append_t  *append = data;

    const redisReply  *field;

    status = ngx_http_privacy_replies_status(status, replies, n);

    if (status == PVR_OK && (replies[0]->type != REDIS_REPLY_ARRAY || replies[0]->elements != 1)) {
        status = PVR_PROTOCOL;
    }

    if (status != PVR_OK) {
        ngx_http_privacy_append_finish(append, NGX_HTTP_PRIVACY_NOT_APPENDED, status);
        return;
    }

    field = replies[0]->element[0];

    if (field->type == REDIS_REPLY_STRING && (size_t) field->len == append->record_len
        && ngx_memcmp(field->str, append->record, append->record_len) == 0)
    {
        ngx_http_privacy_append_settle(append);
        return;
    }

    ngx_http_privacy_append_finish(append, NGX_HTTP_PRIVACY_TAKEN, PVR_OK);
}


/* It is there: now, or since it was sent before. Where replicas have to have it, that is not enough. */

static void
ngx_http_privacy_append_settle(ngx_http_privacy_append_t *append)
{
    ngx_int_t  rc;

    rc = ngx_http_privacy_settle_ledger(append->main, append->server->site, append->subject, append->term, append->end,
                                        ngx_http_privacy_append_settled, append, NULL);

    if (rc == NGX_DECLINED) {
        ngx_http_privacy_append_finish(append, NGX_HTTP_PRIVACY_APPENDED, PVR_OK);

    } else if (rc != NGX_OK) {
        ngx_http_privacy_append_finish(append, NGX_HTTP_PRIVACY_NOT_APPENDED, PVR_SHORT);
    }
}


static void
ngx_http_privacy_append_settled(void *data, pvr_status_t status)
{
    ngx_http_privacy_append_finish(data, (status == PVR_OK) ? NGX_HTTP_PRIVACY_APPENDED : NGX_HTTP_PRIVACY_NOT_APPENDED,
                                   status);
}


static void
ngx_http_privacy_append_finish(ngx_http_privacy_append_t *append, ngx_http_privacy_append_result_t result,
    pvr_status_t status)
{
    if (result == NGX_HTTP_PRIVACY_NOT_APPENDED) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "privacy: a record of site \"%V\" could not be written: %s",
                      &append->server->site->name, pvr_status_name(status));
    }

    if (append->handler) {
        append->handler(append->data, result, status);
    }

    ngx_free(append);
}


void
ngx_http_privacy_ledger_revoked(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site,
    const u_char *subject, uint32_t position)
{
    char           text[sizeof(PVR_EVENT_REVOKED) + PV_SUBJECT_TEXT + NGX_INT32_LEN + 4];
    u_char         subject_text[PV_SUBJECT_TEXT + 2], *p;
    pv_str_t       in, event;
    pv_buf_t       commands;

    in.data = subject;
    in.len = PV_SUBJECT_LEN;
    subject_text[pv_base64url_encode(subject_text, in)] = '\0';

    p = ngx_snprintf((u_char *) text, sizeof(text), PVR_EVENT_REVOKED " %s %uD", subject_text, position);

    event.data = (u_char *) text;
    event.len = p - (u_char *) text;

    pv_buf_init(&commands, NGX_HTTP_PRIVACY_LEDGER_BYTES);
    pvr_event_publish(&commands, ngx_http_privacy_str(&site->name), event);

    /* where it gets lost the lease ends the grant */

    ngx_http_privacy_publish(pmcf, site, subject, &commands);
}


void
ngx_http_privacy_publish(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site, const u_char *subject,
    pv_buf_t *event)
{
    (void) ngx_http_privacy_ledger_send(pmcf, site, subject, event, 1, ngx_current_msec + 2000,
                                        ngx_http_privacy_ledger_ignore, NULL, NULL);
}


static void
ngx_http_privacy_ledger_ignore(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n)
{
    if (status != PVR_OK) {
        ngx_log_error(NGX_LOG_INFO, ngx_cycle->log, 0, "privacy: an event was not published: %s",
                      pvr_status_name(status));
    }
}


/* The first thing that went wrong, also inside the array that EXEC answers. */

static pvr_status_t
ngx_http_privacy_replies_status(pvr_status_t status, redisReply **replies, ngx_uint_t n)
{
    size_t        k;
    ngx_uint_t    i;
    pvr_status_t  s;

    if (status != PVR_OK) {
        return status;
    }

    if (n == 0) {
        return PVR_PROTOCOL;
    }

    for (i = 0; i < n; i++) {
        s = pvr_status(replies[i]);

        if (s != PVR_OK) {
            return s;
        }

        if (replies[i]->type != REDIS_REPLY_ARRAY) {
            continue;
        }

        for (k = 0; k < replies[i]->elements; k++) {
            s = pvr_status(replies[i]->element[k]);

            if (s != PVR_OK) {
                return s;
            }
        }
    }

    return PVR_OK;
}
