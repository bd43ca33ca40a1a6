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

#include "pv_diff.h"
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

/*
 * A version as lists, links and feeds name it: filled from an open policy or
 * from a head of the log, everything borrowed from there.
 */
typedef struct {
    uint32_t              sequence;
    pv_str_t              version;          /* its id */
    int64_t               effective;
    int64_t               published;
    pv_str_t              effective_text;   /* as written */
    const unsigned char  *digest;           /* PV_SHA256_LEN bytes */
    pv_str_t              languages[PV_LANGUAGES_MAX];
    size_t                languages_count;
    const pv_change_t    *changes;
    size_t                changes_count;
    pv_str_t              urgent;           /* empty: it had its lead time */
    unsigned              reduces_rights:1;
    /* The rest is set by who knows the log. */
    unsigned              withdrawn:1;      /* before it came into force: it never does */
    pv_str_t              reason;           /* why it was withdrawn */
    int64_t               withdrawn_at;
    pv_str_t              before;           /* id of the version that a redline compares it with; empty: the first */
} pv_page_version_t;

void pv_page_version_policy(pv_page_version_t *version, const pv_policy_t *policy);
/* head: of a version. withdrawal: NULL, or the head of the entry that withdraws it. before is left empty. */
void pv_page_version_head(pv_page_version_t *version, const pv_head_t *head, const pv_head_t *withdrawal);

#define PV_PAGE_VERSIONS  50        /* on one page of the list */

/* One page of the list of versions, newest first. */
typedef struct {
    const pv_page_version_t  *versions;
    size_t                    n;
    size_t                    page;         /* from 1 */
    size_t                    pages;        /* at least 1 */
    size_t                    total;        /* versions in all pages */
} pv_page_list_t;

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
    /* 16 hex digits of pv_session_tag(): who is logged in, for our script; empty: nobody, or a page for everybody. */
    pv_str_t             session_tag;
    const char          *message;       /* NULL, or a key as of pv_page_message(): said above the choices */
    pv_str_t             origin;        /* "https://www.example", for addresses in feeds; empty: relative ones */
    pv_str_t             missed;        /* of pv_language_missed(): what there is no text in; the page says so */
    /* The version whose terms hold for this visitor, when it is not the one in force. */
    const pv_page_version_t *bound;
    pv_str_t             agree_token;   /* for the form of pv_page_agree_form() */
    /* The version shown as the log knows it (withdrawn, before), and its neighbours; NULL: none, or not known. */
    const pv_page_version_t *shown, *earlier, *later;
    int64_t              at;            /* reached by this date (?at=); 0: by its name */
    unsigned             must_agree:1;  /* a version since the bound one reduces rights: offer to agree */
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
/*
 * The form that agrees to the version in force (choice=agree), apart from the
 * choices and the same for everybody: numbered and stored as those are, kind
 * "agree". pv_page_choices() and the redline of `mine` show it when must_agree.
 */
int pv_page_agree_form(pv_buf_t *out, const pv_page_t *page);
/* What is stored under privacy:NAME:form:N: JSON {"site","version","sequence","language","kind","html"}. */
int pv_form_document(pv_buf_t *out, const pv_page_t *page, const char *kind, pv_str_t html);

/* Whole pages, UTF-8. */
int pv_page_choices(pv_buf_t *out, const pv_page_t *page);
int pv_page_policy(pv_buf_t *out, const pv_page_t *page);          /* in force, or archived when policy != in_force */
int pv_page_versions(pv_buf_t *out, const pv_page_t *page, const pv_page_list_t *list);
/* There is no such version, but there are these. */
int pv_page_not_found(pv_buf_t *out, const pv_page_t *page, const pv_page_list_t *list);
/* RFC 4287, an entry a version; PV_ATOM_TYPE. */
int pv_atom_versions(pv_buf_t *out, const pv_page_t *page, const pv_page_list_t *list);
#define PV_ATOM_TYPE  "application/atom+xml"

/*
 * What changed between two versions, in the language that page->language names
 * in `to`, which is also page->policy. The languages that both have are found
 * by pv_page_diff_languages(); where there is none, or not the one that is
 * shown, the texts are not compared, and the page says so. Reads page->ui only:
 * may run in another thread.
 */
typedef struct {
    const pv_policy_t  *from, *to;
    const pv_diff_t    *text;       /* of the two texts' HTML; NULL: no common language */
    /* Versions after `from` up to `to`, newest first, that were not withdrawn: what they said of themselves. */
    const pv_page_version_t *between;
    size_t              between_count;
    unsigned            from_withdrawn:1;   /* as the log says; such a version never comes into force */
    unsigned            to_withdrawn:1;
    unsigned            mine:1;     /* `from` is the version that binds this visitor */
} pv_page_diff_t;

/* Indices into to->texts of the languages that both have, at most PV_LANGUAGES_MAX; returns how many. */
size_t pv_page_diff_languages(size_t *languages, const pv_policy_t *from, const pv_policy_t *to);
int pv_page_diff(pv_buf_t *out, const pv_page_t *page, const pv_page_diff_t *diff);
/* {"from":{...},"to":{...},"language","declared":[as of pv_differences_json()],"text":as of pv_diff_json() or null} */
int pv_json_diff(pv_buf_t *out, const pv_page_t *page, const pv_page_diff_t *diff);

/* How anybody can check the version that page->policy is. */
typedef struct {
    const pv_head_t  *head;
    pv_str_t          sealed;       /* the entry, or its first bytes as far as its head goes, with the "\n" behind it */
    uint32_t          newest;       /* number of the newest entry of the log */
} pv_page_proof_t;

int pv_page_proof(pv_buf_t *out, const pv_page_t *page, const pv_page_proof_t *proof);
/*
 * {"site","version","sequence","newest","published","size","digest","previous","key","signature","head","entry",
 *  "bodies":[{"body":"declared"|"markdown"|"html","language","offset","size","sha256"}]}
 */
int pv_json_proof(pv_buf_t *out, const pv_page_t *page, const pv_page_proof_t *proof);

/* Sent with each: only what we serve ourselves is ever loaded by a page of ours, and no other site may frame it. */
#define PV_PAGE_CSP                                                                                                   \
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "                   \
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

/* A plain sentence with a way back. key: "not_found", "stale_form", "cross_site", "bad_form", "unknown_purpose",
 * "too_large", "too_many", "too_many_diffs", "bad_date", "unavailable", "refusal_pending", "archive_away", "no_policy",
 * "method". */
int pv_page_message(pv_buf_t *out, const pv_page_t *page, const char *key);
/* The same sentence as plain text, for JSON answers. */
pv_str_t pv_page_sentence(const pv_ui_t *ui, pv_str_t language, const char *key);

/* JSON documents. */
int pv_json_policy(pv_buf_t *out, const pv_page_t *page);
int pv_json_versions(pv_buf_t *out, const pv_page_t *page, const pv_page_list_t *list);
/* Machine state: what state.js and GET choices (JSON) answer: purposes, granted, asked, token, version, signal. */
int pv_json_state(pv_buf_t *out, const pv_page_t *page);

/* This visitor's state.css and state.js. */
int pv_state_css(pv_buf_t *out, const pv_page_t *page);
int pv_state_js(pv_buf_t *out, const pv_page_t *page);

#endif /* PV_PAGE_H */
