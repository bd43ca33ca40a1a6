/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_PREVIEW_VIEW_H
#define CTL_PREVIEW_VIEW_H

/* What the sources of the preview's pages share. */

#include "ctl_preview.h"
#include "pv_page_notice.h"

#define CTL_PREVIEW_PREFIX  "/privacy/"

typedef struct {
    const ctl_preview_t  *preview;
    const ctl_request_t  *request;
    ctl_response_t       *response;
    pv_page_t             page;
    pv_verdict_t          undecided;
    char                  wanted[64];         /* ?lang= */
    pv_page_version_t     around[3];
    pv_page_version_t     versions[PV_PAGE_VERSIONS];
    pv_page_list_t        list;
    pv_policy_t          *opened[2];          /* out of the log, for this page */
    size_t                opened_count;
} ctl_view_t;

typedef enum { CTL_HTML, CTL_MARKDOWN, CTL_JSON, CTL_ATOM, CTL_TYPES } ctl_type_t;


/* ctl_preview_page.c */
void ctl_view_listed(const ctl_view_t *v, const pv_head_t *head, pv_page_version_t *version);
void ctl_view_drafted(const ctl_view_t *v, pv_page_version_t *version);
void ctl_view_language(ctl_view_t *v, const pv_policy_t *policy);
const pv_policy_t *ctl_view_find(ctl_view_t *v, pv_str_t name);
ctl_type_t ctl_view_negotiate(const ctl_view_t *v, ctl_type_t n);
void ctl_view_missing(ctl_view_t *v);
void ctl_view_done(ctl_view_t *v, int rc, ctl_type_t type);

/* ctl_preview_notice.c: all that the versions make, suffix: "", ".json", ".atom"; one of them; a page with the draft's. */
void ctl_view_notices(ctl_view_t *v, const char *suffix);
void ctl_view_notice(ctl_view_t *v, pv_str_t id);
void ctl_view_notice_sample(ctl_view_t *v);

#endif /* CTL_PREVIEW_VIEW_H */
