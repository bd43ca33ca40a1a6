/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_PRIVACY_NOTICES_H
#define NGX_HTTP_PRIVACY_NOTICES_H

/*
 * The notices of a site, and what of them a user has to be shown.
 *
 *   notices        the open notices as this worker knows them: from the heads of
 *                  the publication log and from the site's stream in Redis
 *   notice_user    what one user has to be shown, looked up in Redis and kept in
 *                  the zone; what became of it, recorded
 *   notice_answer  POST notices/ID/ack
 *   notice_page    GET notices, notices/ID; the bars in pages
 *
 * Looking at a site's notices, and at what the zone knows of a user, waits for
 * nothing.
 */

#include "ngx_http_privacy.h"
#include "pv_notice.h"


#define NGX_HTTP_PRIVACY_NOTICES_MAX  64        /* open ones of a site: past it the oldest is closed */
#define NGX_HTTP_PRIVACY_DUE_MAX      8         /* that one user is shown at a time */
#define NGX_HTTP_PRIVACY_NOTICE_BATCH 64        /* users in one request to Redis */


typedef struct ngx_http_privacy_notices_s  ngx_http_privacy_notices_t;      /* site->notices */

/*
 * A notice in this worker. Whoever keeps it past the turn of the event loop in
 * which he was handed it holds it; then notice and the bytes of its events stay.
 */
typedef struct {
    ngx_queue_t               queue;        /* of the site, in the order of arrival */
    ngx_http_privacy_site_t  *site;
    pv_notice_t              *notice;       /* id, kind, texts, audience: see pv_notice.h */
    uint32_t                  log;          /* the cursor of its event: entries of the log up to log, and notices up */
    uint32_t                  number;       /* to number, stand before it or are it */
    ngx_uint_t                held;
    pv_str_t                 *events;       /* by language; data NULL: not rendered yet */
    unsigned                  closed:1;     /* retracted, out of date, or pushed out: not to be shown any more */
} ngx_http_privacy_notice_t;

/* Who reads. What streams remember of a user: 56 bytes, no pointers. */
typedef struct {
    u_char                    subject[PV_SUBJECT_LEN];
    u_char                    session[PV_USER_TAG_LEN];     /* pv_session_tag(); zeros: no session cookies are configured */
    uint32_t                  met;          /* Unix seconds of the first meeting; 0: not known */
    uint32_t                  bound;        /* the version that the last record binds to; 0: none is known */
    uint64_t                  granted;      /* purpose bits */
} ngx_http_privacy_reader_t;


/* notices */

/* In init_process; follows log and stream from then on. NGX_ERROR: no memory. */
ngx_int_t ngx_http_privacy_notices_start(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site,
    ngx_pool_t *pool);
/* In exit_process. */
void ngx_http_privacy_notices_stop(ngx_http_privacy_site_t *site);
/* The log has grown. */
void ngx_http_privacy_notices_update(ngx_http_privacy_site_t *site);
/* "noticed N", "answered SUBJECT ID", "left SUBJECT TAG", and NULL: the channel was (re)subscribed. */
void ngx_http_privacy_notices_event(ngx_http_privacy_site_t *site, ngx_str_t *text);

/* Open notices in the order of arrival: the first with notice NULL. NULL: there is no further one. */
ngx_http_privacy_notice_t *ngx_http_privacy_notice_next(ngx_http_privacy_site_t *site,
    ngx_http_privacy_notice_t *notice);
/* An open notice by its id, "v7" or "n3"; NULL: there is none. */
ngx_http_privacy_notice_t *ngx_http_privacy_notice_find(ngx_http_privacy_site_t *site, pv_str_t id);
/* What was considered by now: what a stream that has nothing outstanding stands at. */
pv_cursor_t ngx_http_privacy_notices_cursor(ngx_http_privacy_site_t *site);

void ngx_http_privacy_notice_hold(ngx_http_privacy_notice_t *notice);
void ngx_http_privacy_notice_let_go(ngx_http_privacy_notice_t *notice);

/* Its event as it goes out on the wire, "id: ..." to the empty line; language: pv_notice_language(). Good while held. */
pv_str_t ngx_http_privacy_notice_event_bytes(ngx_http_privacy_notice_t *notice, size_t language);


/*
 * notice_user: what a user has to be shown, in the order of arrival. handler
 * is called exactly once, unless detached: perhaps from within the call, when
 * the zone knows. NGX_OK; NGX_DECLINED: Redis did not say within the deadline,
 * and due has what can be told without it (mostly nothing; reader->met is 0).
 */
typedef struct {
    ngx_http_privacy_reader_t     reader;
    ngx_http_privacy_notice_t    *notices[NGX_HTTP_PRIVACY_DUE_MAX];    /* not held: hold what is kept */
    ngx_uint_t                    n;
} ngx_http_privacy_due_t;

typedef void (*ngx_http_privacy_due_pt)(void *data, ngx_int_t rc, ngx_http_privacy_due_t *due);

typedef struct ngx_http_privacy_due_wait_s  ngx_http_privacy_due_wait_t;

/* Fills reader for the logged-in user of a request, from its consent and session cookies. NGX_DECLINED: there is none. */
ngx_int_t ngx_http_privacy_reader(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_reader_t *reader);
/* NGX_AGAIN and *wait, or NGX_OK: handler was called. */
ngx_int_t ngx_http_privacy_notice_due(ngx_http_privacy_site_t *site, const ngx_http_privacy_reader_t *reader,
    ngx_msec_t deadline, ngx_http_privacy_due_pt handler, void *data, ngx_http_privacy_due_wait_t **wait);
void ngx_http_privacy_notice_due_detach(ngx_http_privacy_due_wait_t *wait);

/*
 * Whether a notice that has just arrived is for this reader, asking the zone for what is newer than what he remembers
 * (which is brought up to date). NGX_OK, NGX_DECLINED: no. NGX_AGAIN: only Redis can say (the audience is a list).
 */
ngx_int_t ngx_http_privacy_notice_addresses(ngx_http_privacy_notice_t *notice, ngx_http_privacy_reader_t *reader);

/*
 * Which of n (at most NGX_HTTP_PRIVACY_NOTICE_BATCH) subjects are on the notice's list. handler is called exactly once,
 * never from within the call; listed[i] in their order; NULL: Redis did not say, ask again. NGX_ERROR: could not be asked.
 */
typedef void (*ngx_http_privacy_listed_pt)(void *data, const u_char *listed);

ngx_int_t ngx_http_privacy_notice_listed(ngx_http_privacy_notice_t *notice, const u_char *subjects[], ngx_uint_t n,
    ngx_http_privacy_listed_pt handler, void *data);

/* The notice was written to connections of these subjects: recorded in batches, in the background. */
void ngx_http_privacy_notice_written(ngx_http_privacy_notice_t *notice, const u_char *subjects[], ngx_uint_t n);

#endif /* NGX_HTTP_PRIVACY_NOTICES_H */
