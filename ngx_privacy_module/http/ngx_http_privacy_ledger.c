/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * A subject's ledger in Redis: reading its newest records. A chain of a few
 * commands with one deadline over all of them; its memory is its own, not a
 * request's. (Appending one: _append.c.)
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_privacy_ledger_private.h"


#define NGX_HTTP_PRIVACY_LEDGER_WINDOW  (NGX_HTTP_PRIVACY_LEDGER_RECORDS + 1)
#define NGX_HTTP_PRIVACY_LEDGER_STEPS   8           /* commands of one reading */


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

static void ngx_http_privacy_ledger_ignore(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n);


ngx_int_t
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


ngx_int_t
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


pvr_status_t
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
