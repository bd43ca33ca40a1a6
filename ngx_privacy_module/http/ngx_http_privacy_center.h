/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_PRIVACY_CENTER_H
#define NGX_HTTP_PRIVACY_CENTER_H

/*
 * Between the files that answer below the centre's prefix: center.c routes,
 * negotiate.c reads what is asked for, document.c shows a version, versions.c,
 * diff.c and memento.c have the archive's addresses.
 */

#include "ngx_http_privacy.h"


#define NGX_HTTP_PRIVACY_DOCUMENT_MAX  (32 * 1024 * 1024)

#define NGX_HTTP_PRIVACY_IMMUTABLE     "public, max-age=31536000, immutable"
#define NGX_HTTP_PRIVACY_REVALIDATE    "no-cache"


/* What a document is asked for as. */
typedef enum {
    NGX_HTTP_PRIVACY_HTML = 0,
    NGX_HTTP_PRIVACY_MARKDOWN,
    NGX_HTTP_PRIVACY_JSON,
    NGX_HTTP_PRIVACY_ATOM,
    NGX_HTTP_PRIVACY_ANY        /* nothing that is acceptable */
} ngx_http_privacy_type_t;

/* By Accept, among the types whose bits are set. */
ngx_http_privacy_type_t ngx_http_privacy_negotiate(ngx_http_privacy_ctx_t *ctx, ngx_uint_t types);
/* 406, naming the same types. */
ngx_int_t ngx_http_privacy_not_acceptable(ngx_http_privacy_ctx_t *ctx, ngx_uint_t types);
/* Takes ".json" and the like off a name, if it is of one of the types; else NGX_HTTP_PRIVACY_ANY and name as it was. */
ngx_http_privacy_type_t ngx_http_privacy_suffix(pv_str_t *name, ngx_uint_t types);
extern const char *const  ngx_http_privacy_types[];

/* The first line of a request header, or an empty string. */
pv_str_t ngx_http_privacy_header_text(ngx_http_request_t *r, const char *lowcase);
/* An argument of the request without its escapes, in the request's pool; empty when it is not there. */
pv_str_t ngx_http_privacy_argument(ngx_http_request_t *r, const char *name);
/* ?page=, from 1; 0: it is no number. */
ngx_uint_t ngx_http_privacy_page_number(ngx_http_request_t *r);
/* ?lang= goes before Accept-Language. An index of tags. */
size_t ngx_http_privacy_choose_language(ngx_http_privacy_ctx_t *ctx, const pv_str_t *tags, size_t n);
size_t ngx_http_privacy_language(ngx_http_privacy_ctx_t *ctx, const pv_policy_t *policy);

/* A page about what is the same for everybody, shown for a version: nothing in it is about who asks. */
void ngx_http_privacy_public_page(ngx_http_privacy_ctx_t *ctx, pv_page_t *page, const pv_policy_t *policy);
/* Sets the page's language, and what was asked for in vain. */
void ngx_http_privacy_page_language(ngx_http_privacy_ctx_t *ctx, pv_page_t *page, size_t language);
/* A version as a document for everybody. */
ngx_int_t ngx_http_privacy_document(ngx_http_privacy_ctx_t *ctx, pv_page_t *page, ngx_http_privacy_type_t type,
    ngx_http_privacy_answer_t *answer);
/* A plain sentence, see pv_page_message(): as JSON for who asks for that, else as a page. */
ngx_int_t ngx_http_privacy_refuse(ngx_http_privacy_ctx_t *ctx, ngx_uint_t status, const char *key,
    ngx_uint_t retry_after);
/* Tags the body and sends it; rc: what rendering it returned. */
ngx_int_t ngx_http_privacy_send_tagged(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_answer_t *answer, pv_buf_t *body,
    int rc);
/* An empty answer with a Location below the prefix; path in the request's pool. */
ngx_int_t ngx_http_privacy_redirect(ngx_http_privacy_ctx_t *ctx, ngx_uint_t status, ngx_str_t *location,
    ngx_http_privacy_answer_t *answer);
/* 405, naming the methods. */
ngx_int_t ngx_http_privacy_not_allowed(ngx_http_privacy_ctx_t *ctx, ngx_uint_t methods);
/* 1 when another origin loads what is one visitor's: it learns nothing. */
ngx_uint_t ngx_http_privacy_foreign(ngx_http_request_t *r);


/* notice_page, notice_answer */
ngx_int_t ngx_http_privacy_route_notices(ngx_http_privacy_ctx_t *ctx, pv_str_t rest);
ngx_int_t ngx_http_privacy_route_notice(ngx_http_privacy_ctx_t *ctx, pv_str_t rest);
/* POST notices/ID/ack. */
ngx_int_t ngx_http_privacy_notice_answer_handler(ngx_http_privacy_ctx_t *ctx, pv_str_t id);
/* A notice's own page; message: NULL, or the key of a sentence that is said above its form. Looks the user up first. */
ngx_int_t ngx_http_privacy_notice_send(ngx_http_privacy_ctx_t *ctx, pv_notice_t *notice, ngx_http_privacy_type_t type,
    ngx_uint_t status, const char *message, pv_str_t return_to);

/* events */
ngx_int_t ngx_http_privacy_route_events(ngx_http_privacy_ctx_t *ctx, pv_str_t rest);

/* versions */
ngx_int_t ngx_http_privacy_route_versions(ngx_http_privacy_ctx_t *ctx, pv_str_t rest);
ngx_int_t ngx_http_privacy_route_version(ngx_http_privacy_ctx_t *ctx, pv_str_t rest);
/* 404, with the versions that there are. */
ngx_int_t ngx_http_privacy_no_version(ngx_http_privacy_ctx_t *ctx);
/* A version as pages name it, with its withdrawal and the version before. */
void ngx_http_privacy_listed(ngx_http_privacy_ctx_t *ctx, const pv_head_t *head, pv_page_version_t *version);

/* diff */
ngx_int_t ngx_http_privacy_route_diff(ngx_http_privacy_ctx_t *ctx, pv_str_t rest);
ngx_int_t ngx_http_privacy_route_compare(ngx_http_privacy_ctx_t *ctx, pv_str_t rest);

/* memento */
ngx_int_t ngx_http_privacy_route_timegate(ngx_http_privacy_ctx_t *ctx, pv_str_t rest);
ngx_int_t ngx_http_privacy_route_timemap(ngx_http_privacy_ctx_t *ctx, pv_str_t rest);
/* ./?at=: leads to the version that was in force. */
ngx_int_t ngx_http_privacy_route_at(ngx_http_privacy_ctx_t *ctx, pv_str_t at);
/* The moment that ?at= names, for showing it: a day's first, in UTC. 0: it is no date. */
int64_t ngx_http_privacy_at_moment(pv_str_t at);
/* Link headers of the policy's own address, and Link and Memento-Datetime of a version's. */
ngx_int_t ngx_http_privacy_original_links(ngx_http_privacy_ctx_t *ctx);
ngx_int_t ngx_http_privacy_version_links(ngx_http_privacy_ctx_t *ctx, const pv_head_t *head);

#endif /* NGX_HTTP_PRIVACY_CENTER_H */
