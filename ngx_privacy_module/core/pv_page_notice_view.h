/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_PAGE_NOTICE_VIEW_H
#define PV_PAGE_NOTICE_VIEW_H

/* What the sources behind pv_page_notice.h share; nobody else includes it. */

#include "pv_page_notice.h"
#include "pv_page_ui.h"

#define PV_NOTICE_DIFF_SIZE  (2 * PV_VERSION_MAX + 16)

/* Everything that the templates say of a notice, into object. */
void pv_view_notice(pv_view_t *v, json_t *object, const pv_page_notice_t *notice);
pv_str_t pv_view_kind(const pv_view_t *v, const pv_page_notice_t *notice);
void pv_view_title(pv_view_t *v, json_t *object, const char *name, const pv_page_notice_t *notice);
/* The id of another notice, into room; empty: there is none. */
pv_str_t pv_notice_other(char room[PV_NOTICE_ID_SIZE], uint32_t number);
/* The string that heads part i of an incident. */
const char *pv_notice_part_key(size_t i);
/* 1 when an answer to the change decides on the purpose; page->policy has to be that version. */
int pv_notice_changes(const pv_page_t *page, const pv_page_notice_t *notice, const pv_purpose_t *purpose);
/* Below the prefix: where to see what changed; into room. */
pv_str_t pv_notice_diff(char room[PV_NOTICE_DIFF_SIZE], const pv_page_notice_t *notice);

#endif /* PV_PAGE_NOTICE_VIEW_H */
