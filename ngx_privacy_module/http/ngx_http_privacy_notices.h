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
 *   notices_follow reading that stream
 *   notice_user    what one user has to be shown, as the zone knows it
 *   notice_inquiry and as Redis does
 *   notice_mark    what became of it, recorded
 *   notice_bar     the bars in pages
 *   notice_answer  POST notices/ID/ack
 *   notice_page    GET notices, notices/ID
 *
 * Looking at a site's notices, and at what the zone knows of a user, waits for
 * nothing.
 */

#include "ngx_http_privacy.h"
#include "pv_notices.h"
#include "pv_page_notice.h"
#include "pvr_notice.h"


#define NGX_HTTP_PRIVACY_DUE_MAX      8         /* that one user is shown at a time */
#define NGX_HTTP_PRIVACY_NOTICE_BATCH 64        /* users in one request to Redis */
#define NGX_HTTP_PRIVACY_NOTICE_WRITTEN 256     /* the same, where it is recorded that it was written to them */


typedef struct ngx_http_privacy_notices_s  ngx_http_privacy_notices_t;      /* site->notices */

/*
 * A notice in this worker. Whoever keeps it past the turn of the event loop in
 * which he was handed it holds it; then notice and the bytes of its events stay.
 */
typedef struct {
    ngx_queue_t               queue;        /* of the site, in the order of arrival */
    ngx_http_privacy_site_t  *site;
    pv_notice_t              *notice;       /* id, kind, texts, audience: see pv_notice.h */
    pv_cursor_t               cursor;       /* of its event: what stands up to there came before it, or is it */
    ngx_uint_t                held;
    pv_str_t                 *events;       /* by language, and once more without titles; data NULL: not rendered yet */
    ngx_msec_t                patience;     /* until when it waits to be announced */
    unsigned                  announced:1;
    unsigned                  closed:1;     /* retracted, ended, or pushed out: not to be shown any more */
} ngx_http_privacy_notice_t;

/* Who reads. What streams remember of a user: 48 bytes, no pointers. */
typedef struct {
    u_char                    subject[PV_SUBJECT_LEN];
    u_char                    session[PV_SESSION_TAG_LEN];
    uint32_t                  met;          /* Unix seconds of the first meeting; 0: not known */
    uint32_t                  bound;        /* the version that the last record binds to; 0: none is known */
    uint64_t                  granted;      /* purpose bits */
    unsigned                  sessions:1;   /* session cookies are configured: *later* lasts as long as one */
} ngx_http_privacy_reader_t;


/*
 * Who is told what happens to the notices of a site, in this worker: its
 * streams. close: subject NULL: for everybody; why: "answered", "retracted".
 * left: the login session with that tag is over.
 */
typedef struct {
    void (*notice)(ngx_http_privacy_notice_t *notice);
    void (*close)(ngx_http_privacy_site_t *site, pv_str_t id, const u_char *subject, const char *why);
    void (*left)(ngx_http_privacy_site_t *site, const u_char *subject, const u_char *session);
} ngx_http_privacy_listener_t;


/* notices */

/* In init_process; follows log and stream from then on. NGX_ERROR: no memory. */
ngx_int_t ngx_http_privacy_notices_start(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site,
    ngx_pool_t *pool);
void ngx_http_privacy_notices_listen(ngx_http_privacy_site_t *site, const ngx_http_privacy_listener_t *listener);
/* In exit_process. */
void ngx_http_privacy_notices_stop(ngx_http_privacy_site_t *site);
/* The log has grown. */
void ngx_http_privacy_notices_update(ngx_http_privacy_site_t *site);
/* "noticed N", "answered SUBJECT ID", "left SUBJECT TAG", and NULL: the channel was (re)subscribed. */
void ngx_http_privacy_notices_event(ngx_http_privacy_site_t *site, ngx_str_t *text);

/* The user answered it, here or elsewhere: the zone forgets it, his streams close it, and what it answers with it. */
void ngx_http_privacy_notice_answered(ngx_http_privacy_site_t *site, const u_char *subject, pv_str_t id);

/* All that are trusted, ended and retracted ones too, for lists: good until the event loop turns. */
const pv_notices_t *ngx_http_privacy_notices_all(ngx_http_privacy_site_t *site);
/* Open notices in the order of arrival: the first with notice NULL. NULL: there is no further one. */
ngx_http_privacy_notice_t *ngx_http_privacy_notice_next(ngx_http_privacy_site_t *site,
    ngx_http_privacy_notice_t *notice);
/* An open notice by its id, "v7" or "n3"; NULL: there is none. */
ngx_http_privacy_notice_t *ngx_http_privacy_notice_find(ngx_http_privacy_site_t *site, pv_str_t id);
/* What was considered by now: what a stream that has nothing outstanding stands at. */
pv_cursor_t ngx_http_privacy_notices_cursor(ngx_http_privacy_site_t *site);
/* For the status page: when the stream was last read to its end (0: never), and whether it lacks what is known. */
time_t ngx_http_privacy_notices_last_sync(ngx_http_privacy_site_t *site);
ngx_uint_t ngx_http_privacy_notices_lost(ngx_http_privacy_site_t *site);

void ngx_http_privacy_notice_hold(ngx_http_privacy_notice_t *notice);
void ngx_http_privacy_notice_let_go(ngx_http_privacy_notice_t *notice);

static ngx_inline uint32_t
ngx_http_privacy_notice_zone_id(ngx_http_privacy_notice_t *notice)
{
    return ngx_http_privacy_zone_notice_id(notice->notice->kind == PV_NOTICE_CHANGE, notice->notice->number);
}

/* The version that a change is, held; NULL: it is not in memory (and is being loaded), or the notice is none. */
ngx_http_privacy_whole_t *ngx_http_privacy_notice_version(ngx_http_privacy_notice_t *notice);

/* Its event as it goes out, "id: ..." to the empty line; language: pv_notice_language(). Good while held. */
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
    u_char                        written[NGX_HTTP_PRIVACY_DUE_MAX];    /* 1: that it was is known to be recorded */
    /* Where Redis was asked: which of the open ones are for him, and what he did with them; NULL: not known. */
    const u_char                 *mine;     /* by the index of states */
    const pv_notice_states_t     *states;
} ngx_http_privacy_due_t;

typedef void (*ngx_http_privacy_due_pt)(void *data, ngx_int_t rc, ngx_http_privacy_due_t *due);

typedef struct ngx_http_privacy_due_wait_s  ngx_http_privacy_due_wait_t;

/* Fills reader for the logged-in user of a request, from its consent and session cookies. NGX_DECLINED: nobody is. */
ngx_int_t ngx_http_privacy_reader(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_reader_t *reader);
/* NGX_AGAIN and *wait, or NGX_OK: handler was called. */
ngx_int_t ngx_http_privacy_notice_due(ngx_http_privacy_site_t *site, const ngx_http_privacy_reader_t *reader,
    ngx_msec_t deadline, ngx_http_privacy_due_pt handler, void *data, ngx_http_privacy_due_wait_t **wait);
/* The same, and Redis is asked in any case. */
ngx_int_t ngx_http_privacy_notice_look_up(ngx_http_privacy_site_t *site, const ngx_http_privacy_reader_t *reader,
    ngx_msec_t deadline, ngx_http_privacy_due_pt handler, void *data, ngx_http_privacy_due_wait_t **wait);
void ngx_http_privacy_notice_due_detach(ngx_http_privacy_due_wait_t *wait);

/* A request of a logged-in user has come: he is looked up in the background, where that is worth it. */
void ngx_http_privacy_notice_meet(ngx_http_privacy_ctx_t *ctx);
/* What the zone knows of the request's user, waiting for nothing. NGX_DECLINED: nothing. */
ngx_int_t ngx_http_privacy_notice_due_now(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_due_t *due);

/* Between notice_user and notice_inquiry. */
ngx_uint_t ngx_http_privacy_notice_known(ngx_http_privacy_site_t *site, const u_char *subject,
    ngx_http_privacy_zone_user_t *user);
void ngx_http_privacy_notice_collect(ngx_http_privacy_site_t *site, ngx_http_privacy_zone_user_t *user,
    ngx_http_privacy_due_t *due);
/* As pv_notice_addresses(). */
int ngx_http_privacy_notice_for(ngx_http_privacy_notice_t *notice, const ngx_http_privacy_reader_t *reader,
    int listed);
/* In the background; epoch: of the zone's claim. */
void ngx_http_privacy_notice_inquire(ngx_http_privacy_site_t *site, const ngx_http_privacy_reader_t *reader,
    uint32_t epoch, ngx_msec_t deadline);

/*
 * Whether a notice that has just arrived is for this reader, asking the zone for what is newer than what he remembers
 * (which is brought up to date). NGX_OK, NGX_DECLINED: no. NGX_AGAIN: only Redis can say (the audience is a list).
 */
ngx_int_t ngx_http_privacy_notice_addresses(ngx_http_privacy_notice_t *notice, ngx_http_privacy_reader_t *reader);

/*
 * Which of n (at most NGX_HTTP_PRIVACY_NOTICE_BATCH) subjects are on the notice's list. handler is called exactly
 * once, never from within the call; listed[i] in their order; NULL: Redis did not say, ask again. NGX_ERROR: could not
 * be asked.
 */
typedef void (*ngx_http_privacy_listed_pt)(void *data, const u_char *listed);

ngx_int_t ngx_http_privacy_notice_listed(ngx_http_privacy_notice_t *notice, const u_char *subjects[], ngx_uint_t n,
    ngx_http_privacy_listed_pt handler, void *data);


/*
 * notice_bar: what of the notices stands in pages. For one turn of the event
 * loop: what is rendered is kept by the worker, and goes when it has to.
 */
typedef struct ngx_http_privacy_bar_s  ngx_http_privacy_bar_t;

typedef struct {
    ngx_http_privacy_bar_t       *personal;     /* the most urgent one that is due to the request's user; NULL: none */
    ngx_http_privacy_bar_t       *all;          /* for everybody */
    ngx_http_privacy_due_t        due;          /* of a personal page */
    ngx_uint_t                    shown;        /* which of these is in the personal bar */
} ngx_http_privacy_bars_t;

void ngx_http_privacy_bars(ngx_http_privacy_ctx_t *ctx, ngx_uint_t decoration, ngx_http_privacy_bars_t *bars);
/* For ETag variants: 0: none. */
uint32_t ngx_http_privacy_bars_variant(ngx_http_privacy_bars_t *bars);
/* The bytes, in the request's pool, with token and the way back; counted, and recorded as written. */
ngx_int_t ngx_http_privacy_bars_compose(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_bars_t *bars, ngx_str_t *back,
    pv_str_t *out);
/* The form on which somebody answered, by its number: as it is stored, in the request's pool. NULL: not ours. */
ngx_http_privacy_form_t *ngx_http_privacy_notice_form_find(ngx_http_privacy_ctx_t *ctx,
    ngx_http_privacy_notice_t *notice, pv_policy_t *policy, uint64_t number);

/* A notice as pages show it, in the language with that index. */
typedef struct {
    pv_page_notice_t              shown;
    pv_page_version_t             version;
} ngx_http_privacy_shown_t;

void ngx_http_privacy_notice_shown(ngx_http_privacy_site_t *site, const pv_notice_t *notice, size_t language,
    ngx_http_privacy_shown_t *shown);
/* What the rendering of a notice is about. policy: of a change, its version, else the one in force. */
void ngx_http_privacy_notice_page(ngx_http_privacy_ctx_t *ctx, pv_page_t *page, pv_policy_t *policy);
size_t ngx_http_privacy_notice_language(ngx_http_privacy_ctx_t *ctx, const pv_notice_t *notice);
/* In exit_process. */
void ngx_http_privacy_bars_free(ngx_http_privacy_srv_conf_t *pscf);


/* notice_mark */

/*
 * The notice was written to connections of these subjects: recorded in batches, in the background. kept: what is
 * recorded of them has a term already, which is not set anew.
 */
void ngx_http_privacy_notice_written(ngx_http_privacy_notice_t *notice, const u_char *subjects[], ngx_uint_t n,
    ngx_uint_t kept);


/* How long what is recorded is kept, in seconds: as long as the ledger of somebody who chose now. */
int64_t ngx_http_privacy_notice_term(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site);

/* What the user did with it. handler is called exactly once, unless detached; NULL: could not be sent. */
typedef enum {
    NGX_HTTP_PRIVACY_MARK_SEEN,
    NGX_HTTP_PRIVACY_MARK_LATER,
    NGX_HTTP_PRIVACY_MARK_ACKNOWLEDGED,     /* from here on he is done with it */
    NGX_HTTP_PRIVACY_MARK_AGREED,
    NGX_HTTP_PRIVACY_MARK_DECLINED
} ngx_http_privacy_mark_what_t;

typedef void (*ngx_http_privacy_mark_pt)(void *data, pvr_status_t status);

typedef struct ngx_http_privacy_mark_s  ngx_http_privacy_mark_t;

ngx_http_privacy_mark_t *ngx_http_privacy_notice_mark(ngx_http_privacy_main_conf_t *pmcf,
    ngx_http_privacy_notice_t *notice, const ngx_http_privacy_reader_t *reader, ngx_http_privacy_mark_what_t what,
    ngx_msec_t deadline, ngx_http_privacy_mark_pt handler, void *data);
void ngx_http_privacy_notice_mark_detach(ngx_http_privacy_mark_t *mark);
/* How the zone keeps that he put it off then: for the session that is named, or where there are none for a day. */
void ngx_http_privacy_notice_later_mark(u_char later[8], const ngx_http_privacy_reader_t *reader,
    const u_char *session, time_t now);

#endif /* NGX_HTTP_PRIVACY_NOTICES_H */
