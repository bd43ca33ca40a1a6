/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_PAGE_H
#define PV_PAGE_H

/*
 * Everything that a visitor sees, rendered from ui/ (templates, languages,
 * style, script: compiled in, each can be overridden by a folder).
 *
 * Fragments that go into other people's pages are pure ASCII (numeric
 * references). Our own pages are UTF-8 documents. All without inline script or
 * style; everything works with scripts off.
 */

#include "pv_policy.h"

/* The interface's own languages are compiled in; a policy language that has none falls back to English. */
typedef struct pv_ui_s  pv_ui_t;

typedef struct {
    char           name[32];        /* "privacy.css", "privacy.js" */
    const char    *type;            /* Content-Type */
    char           hash[17];        /* 16 hex digits of SHA-256 of bytes */
    pv_str_t       bytes;
} pv_asset_t;

/*
 * override: NULL, or a function that returns the bytes of an overriding file
 * (name such as "banner.html", "privacy.css", "zh-CN.json"), data NULL when
 * there is none; called only while creating.
 */
typedef pv_str_t (*pv_ui_override_pt)(void *data, const char *name);

int pv_ui_create(pv_ui_t **ui, pv_ui_override_pt override, void *data, pv_problems_t *problems);
void pv_ui_free(pv_ui_t *ui);
const pv_asset_t *pv_ui_asset(const pv_ui_t *ui, pv_str_t name);
/* All assets, for listing. */
const pv_asset_t *pv_ui_assets(const pv_ui_t *ui, size_t *n);

/* What a rendering is about. */
typedef struct {
    const pv_ui_t       *ui;
    const pv_policy_t   *policy;        /* the version shown (in force, or an archived one) */
    const pv_policy_t   *in_force;      /* may be NULL */
    size_t               language;      /* index into policy->texts */
    pv_str_t             prefix;        /* "/privacy/", with both slashes */
    const pv_consent_t  *consent;       /* NULL: none */
    const pv_verdict_t  *verdict;       /* NULL: nobody in particular (archive) */
    const char          *signal;        /* NULL, "gpc" or "dnt": shown as honoured */
    pv_str_t             token;         /* for forms */
    pv_str_t             return_to;     /* local path to go back to; empty: none */
    const char          *message;       /* NULL, or a key as of pv_page_message(): said above the choices */
    unsigned             user:1;        /* logged in */
    unsigned             saved:1;       /* just saved: say so */
    unsigned             pending:1;     /* a refusal is in effect here, not yet recorded */
    int64_t              now;
} pv_page_t;

/*
 * The banner, cut where the per-request values go: parts[0] token parts[1]
 * return_to (HTML-escaped by the caller with pv_buf_html) parts[2]. Rendered
 * once a version, language and signal; the form number is over all of it.
 */
typedef struct {
    pv_str_t  parts[3];         /* into bytes */
    pv_buf_t  bytes;
    uint64_t  form;
} pv_banner_t;

int pv_page_banner(pv_banner_t *banner, const pv_page_t *page);
void pv_banner_free(pv_banner_t *banner);
/* The banner of shared decoration: identical for everybody, a link to the choices page; state.js wakes it up. */
int pv_page_banner_shared(pv_buf_t *out, const pv_page_t *page);
/* The settings link that stays after a choice. */
int pv_page_settings(pv_buf_t *out, const pv_page_t *page);
/* <link> and <script> for the start of the head; shared: with state.css and state.js. */
int pv_page_head(pv_buf_t *out, const pv_page_t *page, int shared);
/* Content of a marked element (PV_MARKED_*), ASCII. */
int pv_page_marked(pv_buf_t *out, const pv_page_t *page, int marked);

/*
 * The form that a choices page shows, state-neutral: what pv_form_number() is
 * taken of and what is stored in Redis. Also for the banner: bytes with the
 * slots empty.
 */
int pv_page_choices_form(pv_buf_t *out, const pv_page_t *page);
/* What is stored under privacy:NAME:form:N: JSON {"site","version","sequence","language","kind","html"}. */
int pv_form_document(pv_buf_t *out, const pv_page_t *page, const char *kind, pv_str_t html);

/* Whole pages, UTF-8. */
int pv_page_choices(pv_buf_t *out, const pv_page_t *page);
int pv_page_policy(pv_buf_t *out, const pv_page_t *page);          /* in force, or archived when policy != in_force */
int pv_page_versions(pv_buf_t *out, const pv_page_t *page, pv_policy_t *const *versions, size_t n);
/* A plain sentence with a way back. key: "not_found", "stale_form", "cross_site", "bad_form", "unknown_purpose",
 * "too_large", "too_many", "unavailable", "refusal_pending", "archive_away", "no_policy", "method". */
int pv_page_message(pv_buf_t *out, const pv_page_t *page, const char *key);
/* The same sentence as plain text, for JSON answers. */
pv_str_t pv_page_sentence(const pv_ui_t *ui, pv_str_t language, const char *key);

/* JSON documents. */
int pv_json_policy(pv_buf_t *out, const pv_page_t *page);
int pv_json_versions(pv_buf_t *out, pv_policy_t *const *versions, size_t n, const pv_policy_t *in_force, pv_str_t prefix);
/* Machine state: what state.js and GET choices (JSON) answer: purposes, granted, asked, token, version, signal. */
int pv_json_state(pv_buf_t *out, const pv_page_t *page);

/* This visitor's state.css and state.js. */
int pv_state_css(pv_buf_t *out, const pv_page_t *page);
int pv_state_js(pv_buf_t *out, const pv_page_t *page);

#endif /* PV_PAGE_H */
