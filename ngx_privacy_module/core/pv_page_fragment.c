/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pv_html.h"
#include "pv_page_notice.h"
#include "pv_page_ui.h"
#include "pv_record.h"


int
pv_fragment_render(pv_view_t *v, pv_buf_t *out, const char *template)
{
    int       rc;
    pv_buf_t  b;
    pv_str_t  s;

    pv_buf_init(&b, PV_FRAGMENT_MAX);

    rc = pv_view_render(v, &b, template);

    if (rc == PV_OK) {
        s.data = b.data;
        s.len = b.len;
        pv_buf_ascii(out, s);
        rc = out->failed ? PV_ERROR : PV_OK;
    }

    pv_buf_free(&b);

    return rc;
}


/* Cuts what was rendered at its two slots, each part made ASCII by itself. */
static int
cut_parts(pv_banner_t *banner, const pv_buf_t *rendered, const pv_template_cuts_t *cuts, const char *const slots[2])
{
    size_t    i, from, to, end[3];
    pv_str_t  s;

    if (cuts->count != 2 || !pv_str_eqs(cuts->cut[0].name, slots[0]) || !pv_str_eqs(cuts->cut[1].name, slots[1])) {
        return PV_INVALID;
    }

    for (i = 0, from = 0; i < 3; i++) {
        to = i < 2 ? cuts->cut[i].offset : rendered->len;
        s.data = rendered->data + from;
        s.len = to - from;
        pv_buf_ascii(&banner->bytes, s);
        end[i] = banner->bytes.len;
        from = to;
    }

    if (banner->bytes.failed) {
        return PV_ERROR;
    }

    /* Only now: the buffer may have moved while it grew. */
    for (i = 0; i < 3; i++) {
        from = i ? end[i - 1] : 0;
        banner->parts[i].data = banner->bytes.data + from;
        banner->parts[i].len = end[i] - from;
    }

    s.data = banner->bytes.data;
    s.len = banner->bytes.len;
    banner->form = pv_form_number(s);

    return PV_OK;
}


int
pv_fragment_cut(pv_banner_t *cut, pv_view_t *v, const char *template, const char *const slots[2])
{
    int                   rc;
    pv_buf_t              b;
    const pv_ui_t        *ui;
    pv_template_cuts_t    cuts;
    const pv_template_t  *t;

    memset(cut, 0, sizeof(pv_banner_t));
    pv_buf_init(&cut->bytes, PV_FRAGMENT_MAX);
    pv_buf_init(&b, PV_FRAGMENT_MAX);

    ui = v->page->ui;
    t = pv_ui_template(ui, template);

    rc = v->failed || t == NULL ? PV_ERROR : pv_template_render(&b, t, v->root, pv_ui_partial, ui, &cuts);

    if (rc == PV_OK) {
        rc = cut_parts(cut, &b, &cuts, slots);
    }

    if (rc != PV_OK) {
        pv_banner_free(cut);
    }

    pv_view_free(v);
    pv_buf_free(&b);

    return rc;
}


int
pv_page_banner(pv_banner_t *banner, const pv_page_t *page)
{
    pv_view_t  v;

    static const char *const  slots[] = { "token", "return" };

    memset(banner, 0, sizeof(pv_banner_t));

    if (page->policy == NULL) {
        return PV_INVALID;
    }

    pv_view_init(&v, page, NULL);
    pv_view_signal(&v);
    pv_view_purposes(&v, 0);

    return pv_fragment_cut(banner, &v, "banner.html", slots);
}


void
pv_banner_free(pv_banner_t *banner)
{
    pv_buf_free(&banner->bytes);
    memset(banner->parts, 0, sizeof(banner->parts));
}


int
pv_page_banner_shared(pv_buf_t *out, const pv_page_t *page)
{
    int        rc;
    pv_page_t  anybody;
    pv_view_t  v;

    if (page->policy == NULL) {
        return PV_INVALID;
    }

    /* Nothing of this visitor may get in here: the bytes go into shared caches. */
    anybody = *page;
    anybody.consent = NULL;
    anybody.verdict = NULL;
    anybody.signal = NULL;
    anybody.token = pv_str("");
    anybody.return_to = pv_str("");
    anybody.user = 0;

    pv_view_init(&v, &anybody, NULL);
    pv_view_purposes(&v, 0);

    rc = pv_fragment_render(&v, out, "banner_shared.html");

    return rc == PV_OK ? pv_page_settings(out, &anybody) : rc;
}


int
pv_page_settings(pv_buf_t *out, const pv_page_t *page)
{
    pv_view_t  v;

    pv_view_init(&v, page, NULL);

    return pv_fragment_render(&v, out, "settings.html");
}


int
pv_page_head(pv_buf_t *out, const pv_page_t *page, int shared)
{
    pv_view_t  v;

    pv_view_init(&v, page, NULL);
    pv_view_assets(&v);
    pv_view_bool(&v, v.root, "shared", shared);

    return pv_fragment_render(&v, out, "head.html");
}


int
pv_page_head_user(pv_buf_t *out, size_t *cut, const pv_page_t *page)
{
    int                   rc;
    pv_buf_t              b;
    pv_str_t              part;
    pv_view_t             v;
    pv_template_cuts_t    cuts;
    const pv_template_t  *t;

    pv_view_init(&v, page, NULL);
    pv_view_assets(&v);
    pv_buf_init(&b, PV_FRAGMENT_MAX);

    t = pv_ui_template(page->ui, "head_user.html");
    rc = v.failed || t == NULL ? PV_ERROR : pv_template_render(&b, t, v.root, pv_ui_partial, page->ui, &cuts);

    if (rc == PV_OK && cuts.count != 1) {
        rc = PV_INVALID;
    }

    if (rc == PV_OK) {
        part.data = b.data;
        part.len = cuts.cut[0].offset;
        pv_buf_ascii(out, part);
        *cut = out->len;

        part.data = b.data + part.len;
        part.len = b.len - cuts.cut[0].offset;
        pv_buf_ascii(out, part);
        rc = out->failed ? PV_ERROR : PV_OK;
    }

    pv_view_free(&v);
    pv_buf_free(&b);

    return rc;
}


/* As far as a policy knows what came before it. */
static const pv_page_version_t *
listed(pv_page_version_t *version, const pv_policy_t *policy)
{
    pv_page_version_policy(version, policy);

    return version;
}


int
pv_page_marked(pv_buf_t *out, const pv_page_t *page, int marked)
{
    pv_view_t           v;
    pv_page_version_t   version;
    const pv_policy_t  *policy;

    policy = page->policy;

    if (policy == NULL) {
        return PV_INVALID;
    }

    pv_view_init(&v, page, NULL);

    switch (marked) {

    case PV_MARKED_POLICY:
        pv_view_text(&v);
        return pv_fragment_render(&v, out, "marked_policy.html");

    case PV_MARKED_COOKIES:
        pv_view_purposes(&v, 0);
        return pv_fragment_render(&v, out, "marked_cookies.html");

    case PV_MARKED_SETTINGS:
        return pv_fragment_render(&v, out, "marked_settings.html");

    case PV_MARKED_VERSION:
        return pv_fragment_render(&v, out, "marked_version.html");

    case PV_MARKED_CHANGES:
        pv_view_listed(&v, v.root, page->shown != NULL ? page->shown : listed(&version, policy));
        return pv_fragment_render(&v, out, "marked_changes.html");

    default:
        pv_view_free(&v);
        return PV_INVALID;
    }
}


/* state.css: one rule hides what is not for this visitor. */
int
pv_state_css(pv_buf_t *out, const pv_page_t *page)
{
    int  asked;

    asked = page->verdict != NULL && page->verdict->asked != 0;

    pv_buf_printf(out, "#privacy-%s{display:none!important}\n", asked ? "settings" : "banner");

    return out->failed ? PV_ERROR : PV_OK;
}


/* Who is logged in, and what shows notices: a page for everybody cannot know. */
static int
state_user(pv_buf_t *out, const pv_page_t *page)
{
    json_t     *o;
    pv_view_t   v;

    pv_view_init(&v, page, NULL);

    o = json_object();
    pv_view_str(&v, o, "tag", page->session_tag);
    pv_view_asset(&v, "script", "notices.js");
    pv_view_asset(&v, "style", "notices.css");
    pv_view_set(&v, o, "script", json_incref(json_object_get(v.root, "script")));
    pv_view_set(&v, o, "style", json_incref(json_object_get(v.root, "style")));
    pv_view_free(&v);

    return pv_json_dump(out, o, v.failed);
}


int
pv_state_js(pv_buf_t *out, const pv_page_t *page)
{
    int  rc;

    pv_buf_puts(out, "window.__privacyState=");
    rc = pv_json_state(out, page);
    pv_buf_puts(out, ";\n");

    if (rc == PV_OK && page->session_tag.len) {
        pv_buf_puts(out, "window.__privacyUser=");
        rc = state_user(out, page);
        pv_buf_puts(out, ";\n");
    }

    return rc == PV_OK && out->failed ? PV_ERROR : rc;
}
