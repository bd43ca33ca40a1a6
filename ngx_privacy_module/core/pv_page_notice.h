/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_PAGE_NOTICE_H
#define PV_PAGE_NOTICE_H

/*
 * Notices as people see them: the bar inside the site's pages, the centre's
 * pages, feed and JSON, and what the script that shows them live has to know.
 *
 * page->policy: of a change, that very version (it is what is agreed to, and it
 * knows its purposes' titles) in the bar, the form, the page and the JSON of
 * one notice; of everything else, and in lists, the one in force.
 */

#include "pv_notice.h"
#include "pv_page.h"

#define PV_NOTICE_BAR_TEXT   4096       /* bytes of text; a longer notice is read on its own page */

/*
 * A notice as it is shown in one language, everything borrowed. Filled by
 * pv_page_notice_of(); what only who knows the site's other notices, or the
 * user, can say is set by them: zeros for nobody in particular.
 */
typedef struct {
    pv_str_t              id;           /* "v7", "n3" */
    const char           *kind;         /* "change", "incident", "announcement", "retraction" */
    pv_str_t              language;     /* of title, summary and parts */
    pv_str_t              title;        /* empty of a retraction */
    pv_str_t              summary;      /* paragraphs by newline; of a change, one for each of its changes */
    /* Of an incident. */
    pv_str_t              parts[PV_NOTICE_PARTS];
    const unsigned char  *digest;       /* PV_SHA256_LEN bytes */
    int64_t               published;
    int64_t               until;        /* 0: no end */
    uint32_t              corrects;     /* number of a notice n...; 0: none. The same for the next two */
    uint32_t              retracts;
    /* Of a change. */
    const pv_page_version_t  *version;

    uint32_t              corrected;    /* by this one */
    int64_t               retracted;    /* when; 0: it stands */
    pv_str_t              reason;       /* why it was retracted, or why it retracts; empty: not said */

    /* Of who is logged in. */
    const char           *answer;       /* "agreed", "declined", "acknowledged", "later"; NULL: none */
    int64_t               answered;     /* when */
    unsigned              mine:1;       /* addressed to him */
    unsigned              due:1;        /* waits for his answer: with the form */
    unsigned              listed:1;     /* public: in the feed */
} pv_page_notice_t;

typedef struct {
    const pv_page_notice_t  *notices;   /* in the order in which they are shown */
    size_t                   n;
} pv_page_notices_t;

/* text: of pv_notice_language(). version: of a change, its version; else not looked at. */
void pv_page_notice_of(pv_page_notice_t *item, const pv_notice_t *notice, size_t text,
    const pv_page_version_t *version);


/*
 * The bar of who is logged in, ASCII, before the banner at the start of the
 * body: cut at token and return_to, and numbered, like the banner. waiting: how
 * many more are due. Pages that have it have the head of pv_page_head_user().
 */
int pv_page_notice_bar(pv_banner_t *bar, const pv_page_t *page, const pv_page_notice_t *notice, size_t waiting);
/* The bar of a public notice: the same bytes for everybody, a link to read it. Brings its own style and script. */
int pv_page_notice_public(pv_buf_t *out, const pv_page_t *page, const pv_page_notice_t *notice);
/*
 * <link> and <script> of personal pages of who is logged in; the 16 hex digits
 * of his session tag go in at *cut.
 */
int pv_page_head_user(pv_buf_t *out, size_t *cut, const pv_page_t *page);

/* The form of a notice's own page and of the script's panel, state-neutral: numbered and stored as kind "notice". */
int pv_page_notice_form(pv_buf_t *out, const pv_page_t *page, const pv_page_notice_t *notice);

/* Whole pages. page->token: for the form of a notice that is due. */
int pv_page_notices(pv_buf_t *out, const pv_page_t *page, const pv_page_notices_t *list);
int pv_page_notice(pv_buf_t *out, const pv_page_t *page, const pv_page_notice_t *notice);
/* RFC 4287: public notices only, the others are left out. PV_ATOM_TYPE. */
int pv_atom_notices(pv_buf_t *out, const pv_page_t *page, const pv_page_notices_t *list);

/*
 * {"user": page->session_tag or null, "notices":[...]}, each
 * {"id","kind","language","title","summary","published","url", "parts":[{"title","text"}], "effective","version","diff",
 *  "reduces_rights","purposes":[{"id","title","separate"}], "corrects","corrected","retracted","reason","until",
 *  "answer","answered","due"}; what there is not is not there.
 */
int pv_json_notices(pv_buf_t *out, const pv_page_t *page, const pv_page_notices_t *list);
/* One of these, with "user", and "token" where it is due. */
int pv_json_notice(pv_buf_t *out, const pv_page_t *page, const pv_page_notice_t *notice);

/*
 * What the first event of a stream says after the user: "language":"..","direction":"..","labels":{...}, ASCII, the same
 * for everybody.
 */
int pv_page_hello(pv_buf_t *out, const pv_ui_t *ui, pv_str_t language);

#endif /* PV_PAGE_NOTICE_H */
