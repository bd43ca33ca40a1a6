/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_PRIVACY_H
#define NGX_HTTP_PRIVACY_H

/*
 * The only room that knows ngx_http_request_t. One file a task:
 *
 *   module      directives, create and merge, life cycle; declares only
 *   conf        what the directives' arguments mean, and whether they fit together; conf_user: who the user is
 *   setup       what is made once every server is known
 *   request     the context of a request: who, what state, which cookies go on (a header of its own)
 *   headers     reading, adding, removing header lines of both directions
 *   user        who is logged in: binding cookie, user header, privacy_user
 *   lease       keeping a signed state fresh against the ledger
 *   pending     recording a refusal that Redis could not take at once
 *   filter      the one filter position: what is done to a response's headers
 *   gate        Set-Cookie lines: let through, dropped, expired
 *   caching     what Cache-Control and its like say, and making a response private
 *   validators  ETag variants, and conditional requests translated back
 *   page        the body filter that drives the HTML machine
 *   view        what is inserted: fragments and forms, rendered once a version
 *   store       the publication log as this worker knows it, and whole versions in memory
 *   load        whole versions for a request
 *   task        work in threads, and requests that wait (a header of its own)
 *   log         the log and its entries, as they are
 *   notices     what is to be told to users (a header of its own)
 *   zone        what the workers share
 *   variables   $privacy_...
 *   center      the addresses under the centre's prefix
 *   negotiate   what is asked for there: type, language, page of a list
 *   document    a version as a document, the same for everybody
 *   answer      sending them, and plain sentences
 *   choice      writing: choices and withdrawal
 *   ledger      appending to and reading a subject's ledger in Redis
 *   terms       which version's terms bind a visitor
 *   status      privacy_status
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "pv_bytes.h"
#include "pv_cookie.h"
#include "pv_gate.h"
#include "pv_html.h"
#include "pv_language.h"
#include "pv_memo.h"
#include "pv_notice.h"
#include "pv_page.h"
#include "pv_policy.h"
#include "pvr.h"
#include "ngx_privacy_redis.h"
#include "ngx_http_privacy_compat.h"
#include "ngx_http_privacy_store.h"
#include "ngx_http_privacy_zone.h"


#define NGX_HTTP_PRIVACY_OFF       0
#define NGX_HTTP_PRIVACY_OBSERVE   1
#define NGX_HTTP_PRIVACY_ENFORCE   2

#define NGX_HTTP_PRIVACY_AUTO      0
#define NGX_HTTP_PRIVACY_PERSONAL  1
#define NGX_HTTP_PRIVACY_SHARED    2

#define NGX_HTTP_PRIVACY_START     0
#define NGX_HTTP_PRIVACY_END       1

#define NGX_HTTP_PRIVACY_SIGNAL_NONE  0
#define NGX_HTTP_PRIVACY_GPC       1
#define NGX_HTTP_PRIVACY_DNT       2
#define NGX_HTTP_PRIVACY_SIGNALS   3

#define NGX_HTTP_PRIVACY_STREAMS     8      /* of one user, unless privacy_streams says otherwise */
#define NGX_HTTP_PRIVACY_STREAMS_MAX 1000

#define NGX_HTTP_PRIVACY_EXPIRE_MAX  20     /* expiring Set-Cookie lines in one response */
#define NGX_HTTP_PRIVACY_SESSION_MAX (16 * 1024)    /* bytes of the session cookies' values */


/* A namespace for policies and records; several servers may share one. */
typedef struct {
    ngx_str_t                  name;
    u_char                     public_key[PV_ED25519_PUBLIC];
    ngx_str_t                  public_key_file;
    ngx_int_t                  slot;            /* in the zone */
    ngx_http_privacy_store_t  *store;           /* set in init_process */
    struct ngx_http_privacy_notices_s  *notices;    /* the worker's; set with the store */
    pv_memo_t                 *memo;            /* the worker's verified consent cookies; NULL: none are kept */
} ngx_http_privacy_site_t;


typedef struct {
    ngx_shm_zone_t            *zone;
    ngx_privacy_redis_conf_t  *redis_conf;      /* NULL: no privacy_redis: nothing can be recorded */
    pvr_durability_t           durability;      /* what an acknowledged choice survives */
    ngx_uint_t                 durability_set;
    ngx_str_t                  keys_file;
    pv_keys_t                 *keys;            /* NULL: no privacy_keys */
    ngx_path_t                *cache_path;      /* NULL: no privacy_cache_path */
    ngx_str_t                  templates;       /* privacy_templates: folder of overrides */
    pv_ui_t                   *ui;
    ngx_array_t                sites;           /* ngx_http_privacy_site_t * */
    ngx_array_t                servers;         /* ngx_http_privacy_srv_conf_t *, those that are not off */
    ngx_uint_t                 enabled;         /* some server observes or enforces */
    ngx_uint_t                 streams_user;    /* privacy_streams: of one user, in a worker; 0: not said */
    ngx_uint_t                 streams_total;   /* of all, in a worker; 0: three quarters of its connections */

    ngx_privacy_redis_t       *redis;           /* the worker's client; NULL without privacy_redis */
} ngx_http_privacy_main_conf_t;


typedef struct ngx_http_privacy_views_s  ngx_http_privacy_views_t;

typedef struct {
    ngx_uint_t                 mode;            /* off, observe, enforce */
    ngx_http_privacy_site_t   *site;
    ngx_str_t                  site_name;
    ngx_str_t                  prefix;          /* of the centre: "/privacy/"; empty: none in this server */
    ngx_str_t                  link;            /* what the Link header says of it */
    ngx_str_t                  origin;          /* privacy_origin: "https://www.example" */
    ngx_str_t                  cookie_domain;   /* ".example.com"; empty: __Host- */
    time_t                     lease;           /* seconds */
    time_t                     grace;
    ngx_array_t               *necessary;       /* ngx_str_t: let pass while no bundle is known */
    pv_gate_t                 *necessary_gate;
    ngx_array_t               *sessions;        /* ngx_str_t: names of privacy_session, of all locations */
    ngx_flag_t                 forward;
    ngx_uint_t                 proof_days;      /* records are kept this long past the choice's own term */
    u_char                    *file;            /* where `privacy` stands, for messages */
    ngx_uint_t                 line;
    ngx_http_privacy_views_t  *views;           /* the worker's rendered fragments and forms */
    struct ngx_http_privacy_bars_kept_s  *bars; /* and its bars of notices */
} ngx_http_privacy_srv_conf_t;


typedef struct {
    ngx_uint_t                 decorate;        /* auto, personal, shared */
    ngx_uint_t                 place;           /* start, end */
    ngx_flag_t                 marked;
    ngx_str_t                  user_header;     /* lower case; empty: none */
    ngx_http_complex_value_t  *user;            /* privacy_user */
} ngx_http_privacy_loc_conf_t;


/* The cookies of ours: "privacy" and "privacy-user", under a prefix wherever there is TLS. */
typedef enum {
    NGX_HTTP_PRIVACY_CONSENT_COOKIE = 0,
    NGX_HTTP_PRIVACY_USER_COOKIE
} ngx_http_privacy_cookie_t;


/* Where in the wait for a ledger a request is. */
typedef enum {
    NGX_HTTP_PRIVACY_LOOKUP_NONE,
    NGX_HTTP_PRIVACY_LOOKUP_WAITING,
    NGX_HTTP_PRIVACY_LOOKUP_DONE
} ngx_http_privacy_lookup_t;


/*
 * The context of a main request. It is found again after internal redirects
 * (which wipe r->ctx) through its pool cleanup.
 */
typedef struct {
    ngx_http_request_t            *request;
    ngx_http_privacy_main_conf_t  *main;
    ngx_http_privacy_srv_conf_t   *server;
    ngx_http_privacy_site_t       *site;
    pv_policy_t                   *policy;      /* in force when the request began; NULL: none known */
    ngx_http_privacy_whole_t      *whole;       /* the same, held until the request ends */
    size_t                         language;    /* index into policy->texts */

    pv_consent_t                   consent;     /* valid when has_consent */
    pv_user_t                      user;        /* valid when has_user */
    u_char                         user_tag[PV_USER_TAG_LEN];
    u_char                         bound_subject[PV_SUBJECT_LEN];  /* whose binding came along, if was_bound */
    u_char                         session_tag[PV_SESSION_TAG_LEN];    /* if has_session_tag */
    u_char                         session_text[2 * PV_SESSION_TAG_LEN];
    pv_verdict_t                   verdict;     /* what holds for this request */
    ngx_uint_t                     signal;      /* NONE, GPC, DNT */

    ngx_array_t                   *denied;      /* ngx_str_t: names of denied cookies that the browser sent */
    ngx_http_privacy_lookup_t      lookup;
    void                          *lookup_request;  /* to detach when the client goes away */
    ngx_event_t                    lookup_timer;

    ngx_str_t                      matched;     /* the ETag of ours that a conditional request was translated from */
    ngx_uint_t                     matched_decoration;
    u_char                        *written[2];  /* Set-Cookie lines of ours in the response, by cookie */

    unsigned                       ready:1;     /* the request side was worked out */
    unsigned                       has_consent:1;
    unsigned                       has_past:1;  /* consent says whose ledger it is, but not any more what holds */
    unsigned                       has_user:1;
    unsigned                       was_bound:1;
    unsigned                       has_session_tag:1;
    unsigned                       user_asserted:1;     /* by privacy_user or the user header, in this request */
    unsigned                       user_logged_out:1;   /* the application said: nobody */
    unsigned                       consent_invalid:1;   /* a cookie of ours came that is none */
    unsigned                       binding_present:1;   /* a binding cookie came, valid or not */
    unsigned                       renew:1;     /* the consent cookie is worth setting again (fresher than the browser's) */
    unsigned                       navigation:1;/* what is answered may be decorated */
    unsigned                       claims:1;    /* it has header lines that only we may write */
    unsigned                       document:1;  /* the browser says that it will show it as a page */
    unsigned                       enforced:1;  /* enforce, and something to enforce is known */
    unsigned                       restricted:1;/* the user became another one: the verdict only narrows */
    unsigned                       own:1;       /* a page of the centre: it is not decorated */
    unsigned                       choice_made:1;/* the centre recorded a choice: consent is to be set */
    unsigned                       consent_cleared:1;   /* the consent cookie is to be taken away */

    ngx_uint_t                     decoration;  /* of the response: 0 none, PERSONAL, SHARED */
    struct ngx_http_privacy_page_s *page;       /* the page filter's own */
} ngx_http_privacy_ctx_t;


extern ngx_module_t  ngx_http_privacy_module;


/* conf: directive handlers; each logs what was expected. */
char *ngx_http_privacy_conf_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_privacy_conf_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_privacy_conf_durability(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_privacy_conf_keys(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_privacy_conf_cache_path(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_privacy_conf_templates(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_privacy_conf_streams(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_privacy_conf_mode(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_privacy_conf_site(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_privacy_conf_origin(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_privacy_conf_cookie_domain(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_privacy_conf_lease(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_privacy_conf_necessary(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_privacy_conf_session(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_privacy_conf_user_header(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_privacy_conf_user(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_privacy_conf_center(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_privacy_conf_handler(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);    /* cmd->post: the handler */
/* A server that is not off, after merging. */
char *ngx_http_privacy_conf_server(ngx_conf_t *cf, ngx_http_privacy_srv_conf_t *pscf);

/* setup: what is made when every server is known (zone, interface), and the files that are read for it. */
extern ngx_str_t  ngx_http_privacy_zone_name;
ngx_int_t ngx_http_privacy_conf_read_file(ngx_conf_t *cf, ngx_str_t *name, size_t max, ngx_str_t *text,
    struct stat *st);
/* Whether it is a folder; may_be_made: it need not be there yet. Says what is wrong. */
ngx_int_t ngx_http_privacy_conf_folder(ngx_conf_t *cf, ngx_command_t *cmd, ngx_str_t *name, ngx_uint_t may_be_made);
/* Whether it can be a cookie's name; patterns: "*" at either end. Says what is wrong. */
ngx_int_t ngx_http_privacy_conf_cookie(ngx_conf_t *cf, ngx_command_t *cmd, ngx_str_t *name, ngx_uint_t patterns);
/* 1: letters, digits and these only. */
ngx_uint_t ngx_http_privacy_conf_made_of(ngx_str_t *s, const char *more);
void ngx_http_privacy_conf_problems(ngx_conf_t *cf, pv_problems_t *problems);
ngx_int_t ngx_http_privacy_conf_check(ngx_conf_t *cf, ngx_http_privacy_main_conf_t *pmcf);

/* request: the context, made when needed; NULL: module off for this server, or out of memory. */
ngx_http_privacy_ctx_t *ngx_http_privacy_ctx(ngx_http_request_t *r);        /* finds */
ngx_http_privacy_ctx_t *ngx_http_privacy_ctx_create(ngx_http_request_t *r); /* finds or makes */
ngx_int_t ngx_http_privacy_post_read_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_privacy_rewrite_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_privacy_precontent_handler(ngx_http_request_t *r);
/* Works the verdict out anew from consent, user, signal and policy. */
void ngx_http_privacy_judge(ngx_http_privacy_ctx_t *ctx);
/* What the gate says of a cookie name: 1 passes. *purposes (may be NULL): those that cover it. */
ngx_uint_t ngx_http_privacy_allows(ngx_http_privacy_ctx_t *ctx, pv_str_t name, uint64_t *purposes);
/* 1 for the names of our own cookies, in any case (look-alikes too). */
ngx_uint_t ngx_http_privacy_own_cookie(pv_str_t name);

/* headers */
ngx_table_elt_t *ngx_http_privacy_header_in(ngx_http_request_t *r, const char *lowcase);    /* the first, or NULL */
ngx_int_t ngx_http_privacy_header_in_add(ngx_http_request_t *r, const char *key, ngx_str_t *value);
/* Takes every line of that name off the request (dashes and underscores count as equal). Returns how many. */
ngx_uint_t ngx_http_privacy_header_in_remove(ngx_http_request_t *r, const char *lowcase);
void ngx_http_privacy_header_in_detach(ngx_http_request_t *r, ngx_table_elt_t *h);
ngx_int_t ngx_http_privacy_header_out(ngx_http_request_t *r, const char *key, ngx_str_t *value);
/* 1 when it has that name, which is in lower case (dashes and underscores count as equal). */
ngx_uint_t ngx_http_privacy_header_named(ngx_table_elt_t *h, const char *lowcase);
/* Writes Set-Cookie. max_age < 0: a deletion. */
ngx_int_t ngx_http_privacy_set_cookie(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_cookie_t cookie, ngx_str_t *value,
    time_t max_age);
/* The full name under which a cookie of ours goes in this server over this connection. */
ngx_str_t ngx_http_privacy_cookie_name(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_cookie_t cookie);
/* 1 when the visitor's side of the connection is TLS (privacy_origin says so when a balancer ends it). */
ngx_uint_t ngx_http_privacy_secure(ngx_http_privacy_ctx_t *ctx);
/* Encodes ctx->consent and sets it as cookie. The response has to be private or the answer to a POST. */
ngx_int_t ngx_http_privacy_set_consent_cookie(ngx_http_privacy_ctx_t *ctx);

/* user: the response header from the application, taken off; *set: the binding cookie is to be set or cleared. */
ngx_int_t ngx_http_privacy_user_response(ngx_http_privacy_ctx_t *ctx, ngx_uint_t *set);
void ngx_http_privacy_user_read(ngx_http_privacy_ctx_t *ctx, ngx_str_t *binding);   /* from the request's cookie */
ngx_int_t ngx_http_privacy_user_assert(ngx_http_privacy_ctx_t *ctx, ngx_str_t *user);   /* empty: logged out */
ngx_int_t ngx_http_privacy_user_set_cookie(ngx_http_privacy_ctx_t *ctx);
void ngx_http_privacy_user_session(ngx_http_privacy_ctx_t *ctx, pv_buf_t *out);     /* the session cookies' values */
/*
 * The name of the user's login session, as it is after this response: see pv_session_tag(). Sets ctx->session_tag, and
 * session_text to the same in hex. NGX_DECLINED: nobody is logged in.
 */
ngx_int_t ngx_http_privacy_user_session_tag(ngx_http_privacy_ctx_t *ctx);
/* Tells all nodes when the login session that the request came with is over by this response. */
void ngx_http_privacy_user_left(ngx_http_privacy_ctx_t *ctx);

/* lease */
void ngx_http_privacy_lease_check(ngx_http_privacy_ctx_t *ctx);         /* zone and age; starts a background refresh */
/* The first page of a user without a consent cookie: NGX_AGAIN while it waits, NGX_OK otherwise. */
ngx_int_t ngx_http_privacy_lease_wait(ngx_http_privacy_ctx_t *ctx);
void ngx_http_privacy_lease_cancel(ngx_http_privacy_ctx_t *ctx);        /* the request goes away */
void ngx_http_privacy_lease_event(void *data, ngx_str_t *text);         /* "revoked SUBJECT POSITION" */

/*
 * terms: the newest version that consent's bound version has moved along to by itself: up to the one in force, or to
 * the last before one that reduces rights or is not known. 0: consent is NULL or binds to nothing.
 */
uint32_t ngx_http_privacy_reach(ngx_http_privacy_ctx_t *ctx, const pv_consent_t *consent);
/*
 * The same for a page: which version binds this visitor, and, where that is not the one in force, the form to agree.
 * bound and token belong to the caller and have to live as long as page.
 */
void ngx_http_privacy_terms_page(ngx_http_privacy_ctx_t *ctx, pv_page_t *page, pv_page_version_t *bound,
    char token[PV_TOKEN_MAX + 1]);

/* pending: ctx->consent carries an unrecorded refusal: record it in the background, with the next contact. */
void ngx_http_privacy_pending_record(ngx_http_privacy_ctx_t *ctx);
/* Tells the refusal that rides along apart from any other one; never 0. */
uint32_t ngx_http_privacy_pending_mark(const pv_consent_t *consent);

/*
 * ledger: a subject's newest verified record, read in the background or for a
 * waiting request. from: a position that is known with its link, or 0 (then
 * the ledger's length is asked for first). The handler is called exactly once,
 * unless detached.
 */
typedef enum {
    NGX_HTTP_PRIVACY_LEDGER_FOUND,      /* consent holds the newest state */
    NGX_HTTP_PRIVACY_LEDGER_MISSING,    /* nothing there */
    NGX_HTTP_PRIVACY_LEDGER_DAMAGED,    /* there, but it does not verify, or is not what the cookie stands on */
    NGX_HTTP_PRIVACY_LEDGER_UNAVAILABLE /* Redis did not say */
} ngx_http_privacy_ledger_result_t;

typedef void (*ngx_http_privacy_ledger_pt)(void *data, ngx_http_privacy_ledger_result_t result, pv_consent_t *consent,
    pv_record_t *records, ngx_uint_t nrecords);
/* records: those after `from` in order (at most 32 newest), for judging a stale choice; consent: from the newest. */

typedef struct ngx_http_privacy_ledger_read_s  ngx_http_privacy_ledger_read_t;

/* 1 when Redis could be asked for this subject now, and would probably answer. */
ngx_uint_t ngx_http_privacy_ledger_reachable(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site,
    const u_char *subject);

ngx_http_privacy_ledger_read_t *ngx_http_privacy_ledger_read(ngx_http_privacy_main_conf_t *pmcf,
    ngx_http_privacy_site_t *site, const u_char *subject, uint32_t from, const u_char *link, ngx_msec_t deadline,
    ngx_http_privacy_ledger_pt handler, void *data);
void ngx_http_privacy_ledger_detach(ngx_http_privacy_ledger_read_t *read);

#define NGX_HTTP_PRIVACY_LEDGER_RECORDS  32             /* the most that a reading hands out */
#define NGX_HTTP_PRIVACY_POSITION_MAX    1000000        /* of a ledger: past it, something is wrong */

/*
 * Appending one sealed record; the form that it names (NULL: known to be kept,
 * or no longer known here) is stored before it. Goes on when detached: only the
 * handler is not called then. NULL: nothing was sent.
 */
typedef enum {
    NGX_HTTP_PRIVACY_APPENDED,          /* it stands at its position: now, or the same bytes did already */
    NGX_HTTP_PRIVACY_TAKEN,             /* another record stands there; nothing was written */
    NGX_HTTP_PRIVACY_NOT_APPENDED       /* not known to be there; status says why */
} ngx_http_privacy_append_result_t;

typedef void (*ngx_http_privacy_append_pt)(void *data, ngx_http_privacy_append_result_t result, pvr_status_t status);

typedef struct ngx_http_privacy_append_s  ngx_http_privacy_append_t;
typedef struct ngx_http_privacy_form_s  ngx_http_privacy_form_t;

ngx_http_privacy_append_t *ngx_http_privacy_ledger_append(ngx_http_privacy_main_conf_t *pmcf,
    ngx_http_privacy_srv_conf_t *pscf, const u_char *subject, uint32_t position, pv_str_t record, int64_t expire_at,
    ngx_http_privacy_form_t *form, ngx_msec_t deadline, ngx_http_privacy_append_pt handler, void *data);
void ngx_http_privacy_append_detach(ngx_http_privacy_append_t *append);
/*
 * What a reply of Redis showed to be there, from within the handler of that reply: waits until as many replicas as
 * privacy_durability asks for have it too. touch, which is freed, is a write that changes nothing about the same key.
 * NGX_DECLINED: nothing has to be waited for, the handler is not called. NGX_ERROR: it cannot be known; it is not called.
 */
typedef void (*ngx_http_privacy_settled_pt)(void *data, pvr_status_t status);

ngx_int_t ngx_http_privacy_settle(ngx_http_privacy_main_conf_t *pmcf, pv_buf_t *touch, ngx_msec_t end,
    ngx_http_privacy_settled_pt handler, void *data, ngx_privacy_redis_settle_t **settle);
/* The same of a subject's ledger, which is kept for `term` seconds from now on. */
ngx_int_t ngx_http_privacy_settle_ledger(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site,
    const u_char *subject, int64_t term, ngx_msec_t end, ngx_http_privacy_settled_pt handler, void *data,
    ngx_privacy_redis_settle_t **settle);

/*
 * 1 where what was waited for went to another server meanwhile: replicas there have to have it. The caller writes or
 * reads it once more, harmless as that is, and waits anew where it is found. moves: 0 at first.
 */
ngx_uint_t ngx_http_privacy_settle_again(pvr_status_t status, ngx_uint_t *moves);

/* When a record that is written now may go: the choice's own term and the proof period from now. policy: may be NULL. */
int64_t ngx_http_privacy_ledger_expire_at(ngx_http_privacy_srv_conf_t *pscf, const pv_policy_t *policy);
/* Sends an event about a subject to all nodes, and frees it. It only wakes: what depends on it must not get lost with it. */
#define NGX_HTTP_PRIVACY_EVENT_BYTES  1024
void ngx_http_privacy_publish(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site,
    const u_char *subject, pv_buf_t *event);
/* Tells the other nodes that what they know of a subject below position is over. */
void ngx_http_privacy_ledger_revoked(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site,
    const u_char *subject, uint32_t position);

/*
 * view: what is inserted, rendered when first needed for a policy, language
 * and signal, and kept as long as the policy is in memory.
 */
typedef struct {
    pv_banner_t  banner[NGX_HTTP_PRIVACY_SIGNALS];      /* personal; form numbers inside */
    pv_str_t     banner_shared;
    pv_str_t     settings;
    pv_str_t     head;                                  /* personal */
    pv_str_t     head_user;                             /* of who is logged in: his session's tag goes in at head_cut */
    size_t       head_cut;
    pv_str_t     head_shared;
    pv_str_t     marked[PV_MARKED_CHANGES + 1];
    u_char       variant_banner[NGX_HTTP_PRIVACY_SIGNALS][8];   /* ETag variants: 8 hex digits */
    u_char       variant_settings[8];
    u_char       variant_user[8];                       /* of what head_user has more */
    u_char       variant_shared[8];
} ngx_http_privacy_view_t;

/* A whole document about the version in force, the same for everybody; kept with its view. */
typedef struct {
    pv_str_t     bytes;         /* data NULL: not rendered yet */
    u_char       tag[32];       /* for its ETag */
} ngx_http_privacy_kept_t;

#define NGX_HTTP_PRIVACY_KEPT  3                        /* of them a language: as HTML, Markdown, JSON */

/* The one of this request's language. NULL: its view cannot be rendered. */
ngx_http_privacy_kept_t *ngx_http_privacy_kept(ngx_http_privacy_ctx_t *ctx, ngx_uint_t which);
/* Takes the rendered body over. */
ngx_int_t ngx_http_privacy_keep(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_kept_t *kept, pv_buf_t *body);

/* What was rendered of a version that goes out of memory, for all servers of a site. */
void ngx_http_privacy_view_forget(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site,
    pv_policy_t *policy);
/* For personal or shared decoration; NULL: it cannot be rendered (logged), or no policy is known. */
ngx_http_privacy_view_t *ngx_http_privacy_view(ngx_http_privacy_ctx_t *ctx, ngx_uint_t decoration);
/* The page context of a rendering for this request: policy, language, prefix, verdict, signal, now. */
void ngx_http_privacy_page(ngx_http_privacy_ctx_t *ctx, pv_page_t *page);
/* Who is logged in, for our script: on answers that are private. */
void ngx_http_privacy_page_session(ngx_http_privacy_ctx_t *ctx, pv_page_t *page);
/* A fresh token for a form of this request. Returns its length. */
ngx_int_t ngx_http_privacy_token(ngx_http_privacy_ctx_t *ctx, uint64_t form, char out[PV_TOKEN_MAX + 1]);
/* The same for a form that shows another version than the one in force. */
ngx_int_t ngx_http_privacy_token_of(ngx_http_privacy_ctx_t *ctx, uint64_t form, uint32_t version,
    char out[PV_TOKEN_MAX + 1]);

/* A form that this server shows or has shown. */
struct ngx_http_privacy_form_s {
    uint64_t          number;
    pv_policy_t      *policy;
    size_t            language;
    pv_buf_t          document;         /* what is stored under its number */
    time_t            stored;           /* when it was known to be in Redis; 0: it is not known */
};

/*
 * By number; version: from the token, so that its forms can be rendered when they are not there yet. NULL: not ours,
 * or of a version that is not in memory. Good as long as that is: who keeps it holds the version.
 */
ngx_http_privacy_form_t *ngx_http_privacy_form_find(ngx_http_privacy_srv_conf_t *pscf,
    ngx_http_privacy_main_conf_t *pmcf, uint64_t number, uint32_t version);
/* The number of the choices form of policy, language (and signal). */
uint64_t ngx_http_privacy_form_choices(ngx_http_privacy_ctx_t *ctx);
/* The number of the form that agrees to policy, in language. */
uint64_t ngx_http_privacy_form_agree(ngx_http_privacy_ctx_t *ctx);

/* hints: 103 carries no cookies and no names. */
void ngx_http_privacy_hints_init(void);

/* gate: drops what is denied, learns the inventory. *consented: a cookie passed only because of a grant. */
ngx_int_t ngx_http_privacy_gate_response(ngx_http_privacy_ctx_t *ctx, ngx_uint_t *passed, ngx_uint_t *consented);
/* Expires denied cookies that the browser sent. The response has to be private or the answer to a POST. */
ngx_int_t ngx_http_privacy_gate_expire(ngx_http_privacy_ctx_t *ctx);

/* validators: the request's If-None-Match and If-Range are freed of our variants. */
ngx_int_t ngx_http_privacy_validators_in(ngx_http_privacy_ctx_t *ctx);
/* What was translated was for somebody else: the request asks for the whole response. */
void ngx_http_privacy_validators_forget(ngx_http_privacy_ctx_t *ctx);
/* The response's ETag and Last-Modified carry the variant of what was inserted. */
ngx_int_t ngx_http_privacy_validators_out(ngx_http_privacy_ctx_t *ctx, ngx_uint_t decoration);
/* A 304 to a request that was translated: the ETag as the browser knows it. Sets *decoration to what it has. */
ngx_int_t ngx_http_privacy_validators_not_modified(ngx_http_privacy_ctx_t *ctx, ngx_uint_t *decoration);

/* caching: 1 when a shared cache may keep the response, as its headers say. */
ngx_uint_t ngx_http_privacy_cacheable(ngx_http_request_t *r);
/* caching: private, revalidated before each use; keeps other directives of Cache-Control. */
ngx_int_t ngx_http_privacy_make_private(ngx_http_request_t *r);
/* The same for a page that was made for one visitor. */
ngx_int_t ngx_http_privacy_make_personal(ngx_http_request_t *r);
/* 1 when a response header of that name has the token as a word of its own. */
ngx_uint_t ngx_http_privacy_header_out_has(ngx_http_request_t *r, const char *name, const char *token);
/* filter */
ngx_int_t ngx_http_privacy_filter_init(ngx_conf_t *cf);

/* page: called by the header filter once it decided to decorate; then drives the HTML machine. */
ngx_int_t ngx_http_privacy_page_start(ngx_http_privacy_ctx_t *ctx, ngx_uint_t decoration);
/* 1: the response header is sent by the page filter, with the first piece. */
ngx_uint_t ngx_http_privacy_page_postpones(ngx_http_privacy_ctx_t *ctx);
ngx_int_t ngx_http_privacy_send_header(ngx_http_request_t *r);
ngx_int_t ngx_http_privacy_page_filter(ngx_http_request_t *r, ngx_chain_t *in, ngx_http_output_body_filter_pt next);

/* variables */
ngx_int_t ngx_http_privacy_variables_add(ngx_conf_t *cf);

/* answer: whole answers of ours. */
#define NGX_HTTP_PRIVACY_IMMUTABLE   "public, max-age=31536000, immutable"
#define NGX_HTTP_PRIVACY_REVALIDATE  "no-cache"

typedef struct {
    ngx_uint_t   status;
    const char  *type;          /* "text/html"; UTF-8 */
    const char  *cache;         /* Cache-Control; NULL: "private, no-store" */
    const char  *vary;          /* NULL: none */
    pv_str_t     language;      /* Content-Language; empty: none */
    pv_str_t     etag;          /* without quotes; empty: none. Conditional requests are then answered by nginx */
    ngx_uint_t   retry_after;   /* seconds; 0: none */
} ngx_http_privacy_answer_t;

/* Takes body over (also when it failed: then 500). What it returns is for ngx_http_finalize_request(). */
ngx_int_t ngx_http_privacy_send(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_answer_t *answer, pv_buf_t *body);
/* The same with bytes that outlive the request. */
ngx_int_t ngx_http_privacy_send_bytes(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_answer_t *answer, pv_str_t bytes);
/* The same with a file, taken over; for what nginx may cut into ranges. */
ngx_int_t ngx_http_privacy_send_file(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_answer_t *answer, ngx_fd_t fd,
    size_t len);
/* An ETag of the body's own bytes, in the request's pool. */
ngx_int_t ngx_http_privacy_body_tag(ngx_http_privacy_ctx_t *ctx, pv_buf_t *body, pv_str_t *tag);
/* A page with one plain sentence, see pv_page_message(); the request's body is discarded. */
ngx_int_t ngx_http_privacy_send_message(ngx_http_privacy_ctx_t *ctx, ngx_uint_t status, const char *key,
    ngx_uint_t retry_after);
/* The same as JSON: {"error":KEY,"message":SENTENCE}. */
ngx_int_t ngx_http_privacy_send_error(ngx_http_privacy_ctx_t *ctx, ngx_uint_t status, const char *key,
    ngx_uint_t retry_after);
/*
 * The choices page, or as JSON the state, with a fresh token. status 0: asked for with GET. After a choice, key says
 * why it was not taken (NULL: it was).
 */
ngx_int_t ngx_http_privacy_send_choices(ngx_http_privacy_ctx_t *ctx, ngx_uint_t status, const char *key,
    ngx_uint_t json);
/* 1 when a program asks, by Accept. */
ngx_uint_t ngx_http_privacy_wants_json(ngx_http_request_t *r);
/* A local path to go back to: starts with one slash, no control characters, at most 2 KB. 1 when it is one. */
ngx_uint_t ngx_http_privacy_local_path(pv_str_t path);
/* The origin that this server is reached by, as browsers write it. */
ngx_int_t ngx_http_privacy_origin(ngx_http_privacy_ctx_t *ctx, ngx_str_t *origin);

/* Content handlers, set by their directives. */
ngx_int_t ngx_http_privacy_center_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_privacy_choice_handler(ngx_http_privacy_ctx_t *ctx);     /* POST choices */
ngx_int_t ngx_http_privacy_withdraw_handler(ngx_http_privacy_ctx_t *ctx);   /* POST me/withdraw */
ngx_int_t ngx_http_privacy_route_log(ngx_http_privacy_ctx_t *ctx, pv_str_t rest);    /* GET log, log/N */
ngx_int_t ngx_http_privacy_gpc_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_privacy_status_handler(ngx_http_request_t *r);

#define ngx_http_privacy_count(ctx, counter, n)                                                                   \
    ngx_http_privacy_zone_count((ctx)->main->zone, (ctx)->site->slot, counter, n)

static ngx_inline pv_str_t
ngx_http_privacy_str(ngx_str_t *s)
{
    pv_str_t  p;

    p.data = s->data;
    p.len = s->len;

    return p;
}

/*
 * Eight bytes in any case; lowcase: letters, '-' and '/' only. What else | 0x20 makes these of is a control character
 * or '@', none of which is in a header's name or a type.
 */

static ngx_inline ngx_uint_t
ngx_http_privacy_eight(const u_char *bytes, const char lowcase[8])
{
    uint64_t  word, expected;

    ngx_memcpy(&word, bytes, sizeof(word));
    ngx_memcpy(&expected, lowcase, sizeof(expected));

    return (word | UINT64_C(0x2020202020202020)) == expected;
}


static ngx_inline ngx_uint_t
ngx_http_privacy_is_set_cookie(ngx_table_elt_t *h)
{
    return h->hash && h->key.len == 10 && ngx_http_privacy_eight(h->key.data, "set-cook")
           && (h->key.data[8] | 0x20) == 'i' && (h->key.data[9] | 0x20) == 'e';
}

#endif /* NGX_HTTP_PRIVACY_H */
