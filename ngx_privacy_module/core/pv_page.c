/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pv_page_ui.h"
#include "pv_text.h"


/* The version that is agreed to, and the one that binds until then. */
void
pv_view_agree(pv_view_t *v)
{
    json_t           *bound;
    const pv_page_t  *page;

    page = v->page;

    pv_view_str(v, v->root, "agree_token", page->agree_token);
    pv_view_bool(v, v->root, "must_agree", page->must_agree && page->bound != NULL);

    if (page->bound != NULL) {
        bound = json_object();
        pv_view_version(v, bound, page->bound);
        pv_view_set(v, v->root, "bound", bound);
    }
}


/* What a choices page says of this visitor, around the form. */
static void
view_standing(pv_view_t *v)
{
    char              key[64];
    const pv_page_t  *page;

    page = v->page;

    pv_view_bool(v, v->root, "saved", page->saved);
    pv_view_bool(v, v->root, "pending", page->pending);
    pv_view_bool(v, v->root, "user", page->user && page->consent != NULL);

    if (page->verdict == NULL) {
        return;
    }

    pv_view_bool(v, v->root, "stale", page->verdict->standing == PV_STALE && page->verdict->asked != 0);
    pv_view_bool(v, v->root, "minor", page->verdict->standing == PV_MINOR);

    snprintf(key, sizeof(key), "state_%s", pv_standing_name(page->verdict->standing));
    pv_view_str(v, v->root, "standing_sentence", pv_view_string(v, key));

    if (page->consent == NULL || page->verdict->standing == PV_UNDECIDED) {
        return;
    }

    pv_view_time(v, v->root, "chosen_date", page->consent->chosen, pv_str(""));

    /* Only who has something to take back is offered to take it back. */
    pv_view_bool(v, v->root, "chosen", ((page->consent->granted | page->verdict->allowed) & ~page->policy->necessary) != 0);
}


int
pv_page_choices_form(pv_buf_t *out, const pv_page_t *page)
{
    pv_page_t  neutral;
    pv_view_t  v;

    if (page->policy == NULL) {
        return PV_INVALID;
    }

    neutral = *page;
    neutral.consent = NULL;
    neutral.verdict = NULL;
    neutral.token = pv_str("");
    neutral.return_to = pv_str("");

    pv_view_init(&v, &neutral, NULL);
    pv_view_signal(&v);
    pv_view_purposes(&v, 0);

    return pv_view_render(&v, out, "choices_form.html");
}


int
pv_page_agree_form(pv_buf_t *out, const pv_page_t *page)
{
    pv_page_t  neutral;
    pv_view_t  v;

    if (page->policy == NULL) {
        return PV_INVALID;
    }

    neutral = *page;
    neutral.consent = NULL;
    neutral.verdict = NULL;
    neutral.agree_token = pv_str("");
    neutral.return_to = pv_str("");

    pv_view_init(&v, &neutral, NULL);
    pv_view_agree(&v);

    return pv_view_render(&v, out, "agree_form.html");
}


int
pv_page_choices(pv_buf_t *out, const pv_page_t *page)
{
    pv_view_t  v;

    if (page->policy == NULL) {
        return PV_INVALID;
    }

    pv_view_init(&v, page, "choices_title");
    pv_view_assets(&v);
    pv_view_signal(&v);
    pv_view_purposes(&v, 1);
    view_standing(&v);
    pv_view_agree(&v);
    pv_view_bool(&v, v.root, "at_choices", 1);

    if (page->message != NULL) {
        pv_view_str(&v, v.root, "message",
                    pv_page_sentence(page->ui, page->policy->texts[page->language].language, page->message));
    }

    return pv_view_render(&v, out, "choices.html");
}


static void
view_neighbour(pv_view_t *v, const char *name, const pv_page_version_t *version)
{
    json_t     *o;
    pv_fill_t   fill;

    if (version == NULL) {
        return;
    }

    o = json_object();

    fill.name = "version";
    fill.value = version->version;
    pv_view_fill(v, o, "text", pv_view_string(v, name), &fill, 1);
    pv_view_str(v, o, "version", version->version);
    pv_view_set(v, v->root, name, o);
}


/* The day that was asked for, as it was written: in UTC. */
static void
view_as_of(pv_view_t *v)
{
    char       moment[PV_RFC3339_SIZE], keep[32];
    pv_fill_t  fill;

    if (v->page->at == 0) {
        return;
    }

    pv_rfc3339_format(moment, v->page->at);

    fill.name = "date";
    fill.value.data = (const unsigned char *) moment;
    fill.value.len = sizeof("2026-12-01") - 1;

    pv_view_fill(v, v->root, "as_of", pv_view_string(v, "as_of"), &fill, 1);

    snprintf(keep, sizeof(keep), "at=%.10s&", moment);
    pv_view_str(v, v->root, "keep", pv_str(keep));
}


/* What the log knows of an archived version, and where to go from it. */
static void
view_archive(pv_view_t *v, int archived)
{
    const pv_page_version_t  *shown;

    shown = v->page->shown;

    pv_view_bool(v, v->root, "archived", archived);
    view_neighbour(v, "earlier", v->page->earlier);
    view_neighbour(v, "later", v->page->later);
    view_as_of(v);

    if (shown != NULL) {
        pv_view_str(v, v->root, "before", shown->before);
        pv_view_bool(v, v->root, "withdrawn", shown->withdrawn);
        pv_view_str(v, v->root, "reason", shown->reason);
    }

    if (shown != NULL && shown->withdrawn) {
        pv_view_bool(v, v->root, "archived", 0);
        pv_view_time(v, v->root, "withdrawn_on", shown->withdrawn_at, pv_str(""));
    }
}


int
pv_page_policy(pv_buf_t *out, const pv_page_t *page)
{
    int                 other;
    pv_view_t           v;
    pv_page_version_t   version;
    const pv_policy_t  *in_force;

    if (page->policy == NULL) {
        return PV_INVALID;
    }

    in_force = page->in_force;
    other = in_force != NULL && in_force->sequence != page->policy->sequence;

    pv_view_init(&v, page, NULL);
    pv_view_assets(&v);
    pv_view_text(&v);
    pv_view_purposes(&v, 0);
    pv_view_recipients(&v);
    pv_page_version_policy(&version, page->policy);
    pv_view_changes(&v, v.root, &version);

    view_archive(&v, other && in_force->sequence > page->policy->sequence);
    pv_view_bool(&v, v.root, "upcoming", pv_page_is_upcoming(page, page->shown ? page->shown : &version));
    pv_view_bool(&v, v.root, "archive", 1);
    pv_view_str(&v, v.root, "in_force_version", other ? in_force->version : pv_str(""));
    pv_view_bool(&v, v.root, "at_policy", !other);

    return pv_view_render(&v, out, "policy.html");
}


pv_str_t
pv_page_sentence(const pv_ui_t *ui, pv_str_t language, const char *key)
{
    char         name[64];
    const char  *s;

    snprintf(name, sizeof(name), "sentence_%s", key);
    s = json_string_value(json_object_get(pv_ui_strings(ui, language), name));

    return pv_str(s ? s : "");
}


static void
add_sentence(pv_view_t *v, json_t *list, json_t *strings, const char *key)
{
    json_t    *item;
    pv_str_t   language;

    language = pv_str(json_string_value(json_object_get(strings, "tag")));

    item = json_object();
    pv_view_str(v, item, "language", language);
    pv_view_str(v, item, "text", pv_page_sentence(v->page->ui, language, key));

    pv_view_add(v, list, item);
}


int
pv_page_message(pv_buf_t *out, const pv_page_t *page, const char *key)
{
    char        title[64];
    size_t      i;
    json_t     *list, *strings;
    pv_view_t   v;

    snprintf(title, sizeof(title), "title_%s", key);

    pv_view_init(&v, page, title);
    pv_view_assets(&v);

    list = json_array();

    if (page->policy != NULL) {
        add_sentence(&v, list, v.strings, key);

    } else {
        /* No policy, no language: say it in each that there is. */
        for (i = 0; (strings = pv_ui_strings_at(page->ui, i)) != NULL; i++) {
            add_sentence(&v, list, strings, key);
        }
    }

    pv_view_set(&v, v.root, "sentences", list);

    return pv_view_render(&v, out, "message.html");
}
