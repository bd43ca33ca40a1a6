/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* The notices that the versions make, as who is logged in will have them. */

#include <string.h>

#include "ctl_preview_view.h"
#include "pv_language.h"


typedef struct {
    pv_notice_t        *notice[PV_NOTICES_OPEN_MAX];
    pv_page_version_t   version[PV_NOTICES_OPEN_MAX];
    pv_page_notice_t    item[PV_NOTICES_OPEN_MAX];
    size_t              n;
} ctl_notices_t;


static void ctl_notices_find(ctl_notices_t *list, const ctl_view_t *v);
static void ctl_notices_draft(ctl_notices_t *list, const ctl_view_t *v);
static void ctl_notices_add(ctl_notices_t *list, const ctl_view_t *v, const pv_head_t *head);
static const pv_page_notice_t *ctl_notices_named(const ctl_notices_t *list, pv_str_t id);
static void ctl_notices_free(ctl_notices_t *list);


void
ctl_view_notices(ctl_view_t *v, const char *suffix)
{
    int                rc;
    pv_buf_t          *out;
    ctl_type_t         type;
    ctl_notices_t      list;
    pv_page_notices_t  page;

    out = &v->response->body;
    type = strcmp(suffix, ".json") == 0 ? CTL_JSON : strcmp(suffix, ".atom") == 0 ? CTL_ATOM
           : *suffix == '\0' ? ctl_view_negotiate(v, CTL_TYPES) : CTL_TYPES;

    if (type == CTL_TYPES) {
        ctl_view_missing(v);
        return;
    }

    ctl_notices_find(&list, v);
    page.notices = list.item;
    page.n = list.n;

    rc = type == CTL_JSON ? pv_json_notices(out, &v->page, &page)
         : type == CTL_ATOM ? pv_atom_notices(out, &v->page, &page)
         : pv_page_notices(out, &v->page, &page);

    ctl_notices_free(&list);
    ctl_view_done(v, rc, type == CTL_MARKDOWN ? CTL_HTML : type);
}


void
ctl_view_notice(ctl_view_t *v, pv_str_t id)
{
    int                      rc;
    ctl_notices_t            list;
    const pv_policy_t       *policy;
    const pv_page_notice_t  *item;

    ctl_notices_find(&list, v);

    item = ctl_notices_named(&list, id);
    policy = item != NULL ? ctl_view_find(v, item->version->version) : NULL;

    if (policy == NULL) {
        ctl_view_missing(v);

    } else {
        v->page.policy = policy;
        ctl_view_language(v, policy);
        rc = pv_page_notice(&v->response->body, &v->page, item);
        ctl_view_done(v, rc, CTL_HTML);
    }

    ctl_notices_free(&list);
}


/* Somebody's page with the newest of them in it. */
void
ctl_view_notice_sample(ctl_view_t *v)
{
    int            rc;
    size_t         cut;
    pv_buf_t      *out;
    pv_banner_t    bar;
    ctl_notices_t  list;

    out = &v->response->body;
    ctl_notices_find(&list, v);

    memset(&bar, 0, sizeof(bar));
    rc = list.n != 0 ? pv_page_notice_bar(&bar, &v->page, &list.item[0], 0) : PV_OK;

    pv_buf_puts(out, "<!doctype html>\n<html>\n<head>");
    rc = rc == PV_OK ? pv_page_head_user(out, &cut, &v->page) : rc;
    pv_buf_puts(out, "\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n"
                "<title>Preview</title>\n</head>\n<body>");

    pv_buf_str(out, bar.parts[0]);
    pv_buf_str(out, bar.parts[1]);
    pv_buf_puts(out, list.n != 0 ? "/notice" : "");
    pv_buf_str(out, bar.parts[2]);

    pv_buf_puts(out, list.n != 0 ? "\n<h1>A page of your site</h1>\n<p>Who is logged in has the notice above it, until it "
                                   "is answered.</p>\n"
                                 : "\n<h1>A page of your site</h1>\n<p>No version has a material change: there is no "
                                   "notice.</p>\n");
    pv_buf_puts(out, "<p><a href=\"/\">Back</a></p>\n</body>\n</html>\n");

    pv_banner_free(&bar);
    ctl_notices_free(&list);
    ctl_view_done(v, rc, CTL_HTML);
}


/* Newest first. */
static void
ctl_notices_find(ctl_notices_t *list, const ctl_view_t *v)
{
    size_t            i;
    const pv_log_t   *chain;
    const pv_head_t  *head;

    list->n = 0;
    chain = v->preview->chain;

    if (chain == NULL || !v->preview->published) {
        ctl_notices_draft(list, v);
    }

    for (i = chain != NULL ? pv_log_count(chain) : 0; i > 0; i--) {
        head = pv_log_entry(chain, i - 1);

        if (pv_log_withdrawal(chain, head->sequence) == NULL) {
            ctl_notices_add(list, v, head);
        }
    }
}


/* What is shown was sealed, with a key that nobody kept, so it has a head. */
static void
ctl_notices_draft(ctl_notices_t *list, const ctl_view_t *v)
{
    size_t              n, need;
    pv_head_t          *head;
    pv_problems_t       problems;
    const pv_policy_t  *draft;

    draft = v->preview->draft;
    n = list->n;
    pv_problems_init(&problems);

    if (pv_head_open(&head, draft->sealed_head, draft->site, &need, &problems) == PV_OK) {
        ctl_notices_add(list, v, head);
        pv_head_free(head);
    }

    if (list->n > n) {
        ctl_view_drafted(v, &list->version[n]);
    }

    pv_problems_free(&problems);
}


static void
ctl_notices_add(ctl_notices_t *list, const ctl_view_t *v, const pv_head_t *head)
{
    size_t             text;
    pv_notice_t       *notice;
    pv_page_notice_t  *item;

    if (list->n == PV_NOTICES_OPEN_MAX || pv_notice_from_head(&notice, head) != PV_OK || notice == NULL) {
        return;
    }

    item = &list->item[list->n];
    list->notice[list->n] = notice;

    if (v->preview->chain != NULL && head == pv_log_find(v->preview->chain, head->sequence)) {
        ctl_view_listed(v, head, &list->version[list->n]);
    }

    text = pv_notice_language(notice, pv_str(v->request->accept_language), pv_str(v->wanted));
    pv_page_notice_of(item, notice, text, &list->version[list->n]);
    item->mine = item->due = 1;
    list->n++;
}


static const pv_page_notice_t *
ctl_notices_named(const ctl_notices_t *list, pv_str_t id)
{
    size_t  i;

    for (i = 0; i < list->n; i++) {
        if (pv_str_eq(list->item[i].id, id)) {
            return &list->item[i];
        }
    }

    return NULL;
}


static void
ctl_notices_free(ctl_notices_t *list)
{
    while (list->n != 0) {
        pv_notice_free(list->notice[--list->n]);
    }
}
