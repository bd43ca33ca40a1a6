/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_PRIVACY_CHOICE_H
#define NGX_HTTP_PRIVACY_CHOICE_H

/*
 * A choice on its way from the request to the ledger. choice.c takes it in and
 * judges it; record.c carries it to the ledger; record_end.c says what became of
 * it. An answer to a notice comes the same way; notice_answer.c says what is its
 * own.
 */

#include "ngx_http_privacy_notices.h"
#include "pv_choice.h"


#define NGX_HTTP_PRIVACY_CHOICE_DEADLINE  2000      /* ms, for all that is said to Redis */


typedef struct {
    ngx_http_privacy_ctx_t          *ctx;
    pv_token_t                       token;
    pv_choice_t                      choice;
    pv_str_t                         return_to;     /* a local path; empty: none */
    pv_policy_t                     *screen;        /* the version that was on it; NULL: not to be had */
    ngx_http_privacy_form_t         *form;          /* what was on the screen; NULL: not known here any more */

    u_char                           subject[PV_SUBJECT_LEN];
    uint32_t                         remembered;    /* the last position of the ledger that is known, with its link */
    u_char                           link[PV_LINK_LEN];
    uint32_t                         from;          /* where reading begins: there, or 0: at the ledger's tail */
    pv_consent_t                     base;          /* what the ledger says; position 0: it is empty */
    pv_record_t                      pending;       /* a refusal that the browser brought and no ledger has */
    pv_record_t                      record;
    uint64_t                         refused;       /* since the form was shown */
    uint64_t                         before;        /* refused by then at `from` */
    uint32_t                         shown;         /* the position that it was shown for */
    uint64_t                         revoked;       /* was granted on the ledger, and is no longer */

    ngx_msec_t                       end;           /* ngx_current_msec when it has to be over */
    ngx_uint_t                       conflicts;
    ngx_http_privacy_ledger_read_t  *read;
    ngx_http_privacy_append_t       *append;
    ngx_privacy_redis_settle_t      *settle;
    ngx_uint_t                       moves;         /* of the ledger, while replicas were waited for */

    ngx_http_privacy_notice_t       *notice;        /* that is answered, held; NULL: none is */
    ngx_http_privacy_reader_t        reader;        /* by whom */
    ngx_http_privacy_mark_what_t     answer;
    ngx_http_privacy_due_wait_t     *look_up;
    ngx_http_privacy_mark_t         *mark;

    unsigned                         json:1;        /* the answer is for a program */
    unsigned                         withdraw:1;    /* asked for by its own address */
    unsigned                         body_json:1;
    unsigned                         has_pending:1;
    unsigned                         pending_there:1;   /* what the browser brought is on the ledger */
    unsigned                         known:1;       /* base was read, or there can be nothing to read */
    unsigned                         refuse_only:1; /* its form is too old, or was another's: it can grant nothing */
    unsigned                         sealed:1;      /* record was: it may have reached the ledger */
    unsigned                         waiting:1;     /* answered from a reply of Redis, not from the request */

    pv_choice_input_t                input;         /* last, and large: it is set by who reads it */
} ngx_http_privacy_choice_t;


/* POST choices, me/withdraw, or notices/ID/ack: then notice is held for it. */
ngx_int_t ngx_http_privacy_choice_start(ngx_http_privacy_ctx_t *ctx, ngx_uint_t withdraw,
    ngx_http_privacy_notice_t *notice);
/* Read, and its screen is known: goes on to the ledger, or is refused. */
void ngx_http_privacy_choice_judge(ngx_http_privacy_choice_t *choice);
/* A visitor without a past: a new random id. */
ngx_int_t ngx_http_privacy_choice_somebody_new(ngx_http_privacy_choice_t *choice);
/* Judged and its subject set: carries it to the ledger and answers. */
void ngx_http_privacy_choice_record(ngx_http_privacy_choice_t *choice);
/* What ends it when it was saved: 303, to the page that it came from, or to the choices as they are now. */
ngx_int_t ngx_http_privacy_choice_redirect(ngx_http_privacy_choice_t *choice);
/* Ends the request with a page, or the same as JSON; 503: saved nowhere, or only in this browser. */
void ngx_http_privacy_choice_unsaved(ngx_http_privacy_choice_t *choice, const char *key);
void ngx_http_privacy_choice_refuse(ngx_http_privacy_choice_t *choice, ngx_uint_t status, const char *key);
void ngx_http_privacy_choice_finish(ngx_http_privacy_choice_t *choice, ngx_int_t rc);
/* The choice's form was passed by, or it would undo what came after it: the newest state with a fresh form. */
void ngx_http_privacy_choice_stale(ngx_http_privacy_choice_t *choice);


/* Between record and record_end. On the ledger: by this request (recorded), or before it. */
void ngx_http_privacy_record_done(ngx_http_privacy_choice_t *choice, ngx_uint_t recorded);
/* Not known to be on the ledger. What it grants does not hold; what it refuses holds here. */
void ngx_http_privacy_record_failed(ngx_http_privacy_choice_t *choice);
/* The ledger's newest state with the browser's pending refusal on it; NULL: nothing was ever chosen. */
const pv_consent_t *ngx_http_privacy_record_state(ngx_http_privacy_choice_t *choice, pv_consent_t *state);
/* The version that a choice binds to, at most. */
uint32_t ngx_http_privacy_record_reach(ngx_http_privacy_choice_t *choice, const pv_consent_t *base);
/* The user of the request, if there is one. */
void ngx_http_privacy_record_whose(ngx_http_privacy_choice_t *choice, pv_consent_t *consent);
/* Where from, coarsely: a /24 of IPv4, a /48 of IPv6, nothing of a unix socket. */
void ngx_http_privacy_record_client(pv_record_t *record, struct sockaddr *sockaddr);


/* notice_answer: the body of an answer to a notice has come. */
void ngx_http_privacy_notice_answer(ngx_http_privacy_choice_t *choice, pv_str_t body);
/* Its choice stands on the ledger: what it answers is marked, and everybody told. */
void ngx_http_privacy_notice_decided(ngx_http_privacy_choice_t *choice);
/* What ends its request when it was not taken, for ngx_http_privacy_choice_finish(). */
ngx_int_t ngx_http_privacy_notice_refuse(ngx_http_privacy_choice_t *choice, ngx_uint_t status, const char *key,
    ngx_uint_t retry_after);

#endif /* NGX_HTTP_PRIVACY_CHOICE_H */
