/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * Appending one record to a subject's ledger: a chain of a few commands with
 * one deadline over all of them. It goes on when the client has gone, because
 * what may have been carried out has to be carried to its end.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_privacy_ledger_private.h"


#define NGX_HTTP_PRIVACY_FORM_BYTES   (4 * 1024 * 1024)
#define NGX_HTTP_PRIVACY_LEDGER_TERM  86400     /* s that a ledger is kept at least: 0 would remove it */
#define NGX_HTTP_PRIVACY_FORM_TRUST   60        /* s until a form is put again: Redis may have lost it */
#define NGX_HTTP_PRIVACY_FORM_AGAIN   5         /* s between two attempts of a node at that */


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
    ngx_uint_t                     moves;
};


/* A form is put into Redis. */
typedef struct {
    ngx_http_privacy_main_conf_t  *main;
    ngx_http_privacy_srv_conf_t   *server;
    ngx_http_privacy_append_t     *append;          /* goes on when it is there; NULL: it went on already */
    uint64_t                       number;
    uint32_t                       version;
} ngx_http_privacy_append_form_t;


static ngx_uint_t ngx_http_privacy_append_form_due(ngx_http_privacy_append_t *append, ngx_http_privacy_form_t *form);
static ngx_uint_t ngx_http_privacy_append_form_trusted(time_t stored);
static ngx_int_t ngx_http_privacy_append_form(ngx_http_privacy_append_t *append, ngx_http_privacy_form_t *form,
    ngx_uint_t wait);
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

    if (form && ngx_http_privacy_append_form_due(append, form)) {
        rc = ngx_http_privacy_append_form(append, form, 1);

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


/*
 * No record may name a form that is not kept: one that this node has not
 * stored yet comes first.  What was stored is told again after a while, also
 * when Redis had it, for it may have lost it; but nobody waits for that: in a
 * cluster the form may lie on a shard that is away, and the ledger on another.
 */

static ngx_uint_t
ngx_http_privacy_append_form_due(ngx_http_privacy_append_t *append, ngx_http_privacy_form_t *form)
{
    time_t                    known;
    ngx_int_t                 slot;
    ngx_shm_zone_t           *zone;
    ngx_http_privacy_site_t  *site;

    site = append->server->site;
    zone = append->main->zone;
    slot = site->slot;

    if (site->store && site->store->log_missing) {
        return 1;
    }

    if (!ngx_http_privacy_append_form_trusted(form->stored)) {
        known = ngx_http_privacy_zone_form(zone, slot, form->number);
        form->stored = ngx_max(form->stored, known);
    }

    if (form->stored && !ngx_http_privacy_append_form_trusted(form->stored)) {
        form->stored = ngx_time() - NGX_HTTP_PRIVACY_FORM_TRUST + NGX_HTTP_PRIVACY_FORM_AGAIN;
        ngx_http_privacy_zone_set_form(zone, slot, form->number, form->stored);

        (void) ngx_http_privacy_append_form(append, form, 0);

        return 0;
    }

    return form->stored == 0;
}


/* A clock that was ahead, and is right again, says nothing. */

static ngx_uint_t
ngx_http_privacy_append_form_trusted(time_t stored)
{
    time_t  age;

    age = ngx_time() - stored;

    return age >= 0 && age < NGX_HTTP_PRIVACY_FORM_TRUST;
}


static ngx_int_t
ngx_http_privacy_append_form(ngx_http_privacy_append_t *append, ngx_http_privacy_form_t *form, ngx_uint_t wait)
{
    char                             key[PVR_KEY_MAX];
    ngx_int_t                        rc;
    pv_str_t                         document;
    pv_buf_t                         commands;
    ngx_str_t                        route;
    ngx_http_privacy_append_form_t  *put;

    put = ngx_alloc(sizeof(ngx_http_privacy_append_form_t), ngx_cycle->log);
    if (put == NULL) {
        return NGX_ERROR;
    }

    put->main = append->main;
    put->server = append->server;
    put->append = wait ? append : NULL;
    put->number = form->number;
    put->version = form->policy->sequence;

    document.data = form->document.data;
    document.len = form->document.len;

    pv_buf_init(&commands, NGX_HTTP_PRIVACY_FORM_BYTES);
    pvr_form_put(&commands, ngx_http_privacy_str(&append->server->site->name), form->number, document);

    route.data = (u_char *) key;
    route.len = pvr_key_form(key, ngx_http_privacy_str(&append->server->site->name), form->number);

    rc = ngx_http_privacy_ledger_send_to(append->main, &route, &commands, 1, append->end,
                                         ngx_http_privacy_append_form_done, put, NULL);

    if (rc != NGX_OK) {
        ngx_free(put);
    }

    return rc;
}


static void
ngx_http_privacy_append_form_done(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n)
{
    ngx_http_privacy_append_form_t  *put = data;

    ngx_http_privacy_form_t    *form;
    ngx_http_privacy_append_t  *append;

    append = put->append;
    status = ngx_http_privacy_replies_status(status, replies, n);

    if (status == PVR_OK) {
        ngx_http_privacy_zone_set_form(put->main->zone, put->server->site->slot, put->number, ngx_time());

        /* looked up again: what was rendered then may have been replaced since */

        form = ngx_http_privacy_form_find(put->server, put->main, put->number, put->version);
        if (form) {
            form->stored = ngx_time();
        }
    }

    ngx_free(put);

    if (append == NULL) {
        return;
    }

    /* nothing was written to the ledger yet: whatever went wrong, the outcome is known */

    if (status != PVR_OK) {
        ngx_http_privacy_append_finish(append, NGX_HTTP_PRIVACY_NOT_APPENDED, status);

    } else if (ngx_http_privacy_append_record(append) != NGX_OK) {
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
    ngx_http_privacy_append_t  *append = data;

    /* the record is found to be where the ledger went, or put again */

    if (ngx_http_privacy_settle_again(status, &append->moves) && ngx_http_privacy_append_record(append) == NGX_OK) {
        return;
    }

    ngx_http_privacy_append_finish(append,
                                   (status == PVR_OK) ? NGX_HTTP_PRIVACY_APPENDED : NGX_HTTP_PRIVACY_NOT_APPENDED,
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
