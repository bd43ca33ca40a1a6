/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* Notices for scripts and readers: JSON documents, the feed, and the labels of the panel. */

#include <string.h>

#include "pv_crypto.h"
#include "pv_page_notice_view.h"


/* What the panel says by itself, but for the names of the parts. */
static const char *const  labels[] = {
    "notice_label", "notice_kind_change", "notice_kind_incident", "notice_kind_announcement", "notice_kind_retraction",
    "notice_happened", "notice_measures", "notice_advice", "notice_remedies", "notice_effective", "notice_diff",
    "notice_allows", "notice_separate", "notice_switches_off", "notice_reduces", "notice_nothing_switched",
    "notice_later_help", "notice_agree", "notice_decline", "notice_later", "notice_understood", "notice_close",
    "notice_next", "notice_said_agree", "notice_now_allowed", "notice_said_decline", "notice_now_off",
    "notice_said_later", "notice_said_acknowledge", "notice_change_mind", "notice_elsewhere", "notice_taken_back",
    "notice_stale", "notice_failed", "notice_offline", "notice_retry", "notice_arrived", "notice_waiting",
    "notice_waiting_one", "notice_corrects", "settings", "comma", "space"
};


static void
set_time(pv_view_t *v, json_t *o, const char *name, int64_t time)
{
    char  text[PV_RFC3339_SIZE];

    if (time) {
        pv_rfc3339_format(text, time);
        pv_view_str(v, o, name, pv_str(text));
    }
}


static void
set_some(pv_view_t *v, json_t *o, const char *name, pv_str_t s)
{
    if (s.len) {
        pv_view_str(v, o, name, s);
    }
}


static void
set_parts(pv_view_t *v, json_t *o, const pv_page_notice_t *notice)
{
    size_t   i;
    json_t  *list, *part;

    list = json_array();

    for (i = 0; i < PV_NOTICE_PARTS; i++) {
        if (notice->parts[i].len) {
            part = json_object();
            pv_view_str(v, part, "title", pv_view_string(v, pv_notice_part_key(i)));
            pv_view_str(v, part, "text", notice->parts[i]);
            pv_view_add(v, list, part);
        }
    }

    if (json_array_size(list)) {
        pv_view_set(v, o, "parts", list);
    } else {
        json_decref(list);
    }
}


static void
set_change(pv_view_t *v, json_t *o, const pv_page_notice_t *notice)
{
    char                 room[PV_NOTICE_DIFF_SIZE], since[PV_RFC3339_SIZE];
    size_t               i;
    json_t              *list, *item;
    const pv_policy_t   *policy;
    const pv_purpose_t  *purpose;

    policy = v->page->policy;
    list = json_array();

    for (i = 0; i < policy->purposes_count; i++) {
        purpose = &policy->purposes[i];

        if (pv_notice_changes(v->page, notice, purpose)) {
            item = json_object();
            pv_view_str(v, item, "id", purpose->id);
            pv_view_str(v, item, "title", pv_translation(policy, purpose->title, v->page->language));
            pv_view_bool(v, item, "separate", purpose->separate);
            pv_view_add(v, list, item);
        }
    }

    pv_view_str(v, o, "effective", pv_page_version_since(notice->version, since));
    pv_view_str(v, o, "version", notice->version->version);
    pv_json_address(v, o, "diff", "", pv_notice_diff(room, notice), "");
    pv_view_bool(v, o, "reduces_rights", notice->version->reduces_rights);
    pv_view_set(v, o, "purposes", list);
}


static json_t *
notice_json(pv_view_t *v, const pv_page_notice_t *notice)
{
    char     room[PV_NOTICE_ID_SIZE];
    json_t  *o;

    o = json_object();

    pv_view_str(v, o, "id", notice->id);
    pv_view_str(v, o, "kind", pv_str(notice->kind));
    pv_view_str(v, o, "language", notice->language);
    pv_view_str(v, o, "title", notice->title.len ? notice->title : pv_view_kind(v, notice));
    set_some(v, o, "summary", notice->summary);
    set_parts(v, o, notice);
    set_time(v, o, "published", notice->published);
    set_time(v, o, "until", notice->until);
    pv_json_address(v, o, "url", "notices/", notice->id, "");

    if (notice->version != NULL) {
        set_change(v, o, notice);
    }

    set_some(v, o, "corrects", pv_notice_other(room, notice->corrects));
    set_some(v, o, "corrected", pv_notice_other(room, notice->corrected));
    set_some(v, o, "retracts", pv_notice_other(room, notice->retracts));
    set_time(v, o, "retracted", notice->retracted);
    set_some(v, o, "reason", notice->reason);

    if (notice->mine) {
        pv_view_bool(v, o, "due", notice->due);
        set_some(v, o, "answer", pv_str(notice->answer));
        set_time(v, o, "answered", notice->answer ? notice->answered : 0);
    }

    return o;
}


static void
set_user(pv_view_t *v, json_t *o)
{
    pv_str_t  tag;

    tag = v->page->session_tag;

    pv_view_set(v, o, "user", tag.len ? json_stringn((const char *) tag.data, tag.len) : json_null());
}


int
pv_json_notices(pv_buf_t *out, const pv_page_t *page, const pv_page_notices_t *list)
{
    size_t      i;
    json_t     *o, *notices;
    pv_view_t   v;

    if (page->policy == NULL) {
        return PV_INVALID;
    }

    pv_view_init(&v, page, NULL);

    o = json_object();
    notices = json_array();

    for (i = 0; i < list->n; i++) {
        pv_view_add(&v, notices, notice_json(&v, &list->notices[i]));
    }

    set_user(&v, o);
    pv_view_set(&v, o, "notices", notices);
    pv_view_free(&v);

    return pv_json_dump(out, o, v.failed);
}


int
pv_json_notice(pv_buf_t *out, const pv_page_t *page, const pv_page_notice_t *notice)
{
    json_t     *o;
    pv_view_t   v;

    if (page->policy == NULL) {
        return PV_INVALID;
    }

    pv_view_init(&v, page, NULL);

    o = notice_json(&v, notice);
    set_user(&v, o);

    if (notice->due) {
        pv_view_str(&v, o, "token", page->token);
    }

    pv_view_free(&v);

    return pv_json_dump(out, o, v.failed);
}


int
pv_page_hello(pv_buf_t *out, const pv_ui_t *ui, pv_str_t language)
{
    int          rc;
    size_t       i;
    pv_buf_t     b;
    json_t      *strings, *o, *said;
    pv_str_t     members;

    strings = pv_ui_strings(ui, language);
    o = json_object();
    said = json_object();

    for (i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
        json_object_set(said, labels[i], json_object_get(strings, labels[i]));
    }

    json_object_set(o, "language", json_object_get(strings, "tag"));
    json_object_set(o, "direction", json_object_get(strings, "direction"));
    json_object_set_new(o, "labels", said);

    pv_buf_init(&b, PV_FRAGMENT_MAX);
    rc = pv_json_dump(&b, o, 0);

    if (rc == PV_OK && b.len > 2 && !b.failed) {
        members.data = b.data + 1;
        members.len = b.len - 2;
        pv_buf_str(out, members);
    }

    rc = (rc != PV_OK || b.failed || out->failed) ? PV_ERROR : PV_OK;
    pv_buf_free(&b);

    return rc;
}


/* Not the digest itself: a version is an entry of the other feed, under that. */
static void
atom_id(pv_buf_t *out, const char *what, pv_str_t of)
{
    pv_str_t       parts[2];
    unsigned char  digest[PV_SHA256_LEN];

    parts[0] = pv_str(what);
    parts[1] = of;

    if (pv_sha256(digest, parts, 2) != PV_OK) {
        out->failed = 1;
        return;
    }

    pv_atom_id(out, digest);
}


static void
atom_link(pv_buf_t *out, pv_view_t *v, const char *rel, const char *type, const char *what, pv_str_t id)
{
    const pv_page_t  *page;

    page = v->page;

    pv_buf_printf(out, "<link rel=\"%s\" type=\"%s\" href=\"", rel, type);
    pv_buf_html(out, page->origin);
    pv_buf_html(out, page->prefix);
    pv_buf_puts(out, what);
    pv_buf_html(out, id);

    if (page->policy->texts_count > 1) {
        pv_buf_puts(out, "?lang=");
        pv_buf_html(out, pv_page_language(page));
    }

    pv_buf_puts(out, "\"/>\n");
}


static void
atom_content(pv_buf_t *out, pv_view_t *v, const pv_page_notice_t *notice)
{
    size_t  i;

    pv_buf_puts(out, "<content type=\"text\" xml:lang=\"");
    pv_buf_html(out, notice->language);
    pv_buf_puts(out, "\">");
    pv_buf_html(out, notice->summary);

    for (i = 0; i < PV_NOTICE_PARTS; i++) {
        if (notice->parts[i].len) {
            pv_buf_puts(out, i ? "\n\n" : "");
            pv_buf_html(out, pv_view_string(v, pv_notice_part_key(i)));
            pv_buf_puts(out, "\n");
            pv_buf_html(out, notice->parts[i]);
        }
    }

    pv_buf_puts(out, "</content>\n");
}


static void
atom_entry(pv_buf_t *out, pv_view_t *v, const pv_page_notice_t *notice)
{
    char      room[PV_NOTICE_ID_SIZE];
    json_t   *o;
    pv_str_t  digest, kind;

    digest.data = notice->digest;
    digest.len = PV_SHA256_LEN;
    kind = pv_view_kind(v, notice);

    pv_buf_puts(out, "<entry>\n");
    atom_id(out, "privacy notice\n", digest);

    pv_buf_puts(out, "<title>");
    if (notice->retracted) {
        pv_buf_html(out, pv_view_string(v, "withdrawn"));
        pv_buf_html(out, pv_view_string(v, "colon"));
    }

    o = json_object();
    pv_view_title(v, o, "title", notice);
    pv_buf_html(out, pv_str(json_string_value(json_object_get(o, "title"))));
    json_decref(o);
    pv_buf_puts(out, "</title>\n");

    pv_atom_time(out, "published", notice->published);
    pv_atom_time(out, "updated", notice->retracted ? notice->retracted : notice->published);
    atom_link(out, v, "alternate", "text/html", "notices/", notice->id);

    if (notice->corrects) {
        atom_link(out, v, "related", "text/html", "notices/", pv_notice_other(room, notice->corrects));
    }

    pv_buf_printf(out, "<category term=\"%s\" label=\"", notice->kind);
    pv_buf_html(out, kind);
    pv_buf_puts(out, "\"/>\n");

    atom_content(out, v, notice);
    pv_buf_puts(out, "</entry>\n");
}


static int64_t
atom_updated(const pv_page_notices_t *list)
{
    size_t                   i;
    int64_t                  updated, t;
    const pv_page_notice_t  *notice;

    for (i = 0, updated = 0; i < list->n; i++) {
        notice = &list->notices[i];
        t = notice->retracted ? notice->retracted : notice->published;

        if (notice->listed && t > updated) {
            updated = t;
        }
    }

    return updated;
}


int
pv_atom_notices(pv_buf_t *out, const pv_page_t *page, const pv_page_notices_t *list)
{
    int        failed;
    size_t     i;
    pv_view_t  v;

    if (page->policy == NULL) {
        return PV_INVALID;
    }

    pv_view_init(&v, page, NULL);

    pv_buf_puts(out, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
                     "<feed xmlns=\"http://www.w3.org/2005/Atom\" xml:lang=\"");
    pv_buf_html(out, pv_view_string(&v, "tag"));
    pv_buf_puts(out, "\">\n");

    atom_id(out, "privacy notices\n", page->policy->site);
    pv_atom_element(out, "title", pv_view_string(&v, "notices_title"));
    pv_atom_time(out, "updated", atom_updated(list));

    pv_buf_puts(out, "<author><name>");
    pv_buf_html(out, page->policy->controller.name);
    pv_buf_puts(out, "</name></author>\n");

    atom_link(out, &v, "alternate", "text/html", "notices", pv_str(""));
    atom_link(out, &v, "self", PV_ATOM_TYPE, "notices.atom", pv_str(""));

    for (i = 0; i < list->n; i++) {
        if (list->notices[i].listed) {
            atom_entry(out, &v, &list->notices[i]);
        }
    }

    pv_buf_puts(out, "</feed>\n");

    failed = v.failed;
    pv_view_free(&v);

    return failed || out->failed ? PV_ERROR : PV_OK;
}
