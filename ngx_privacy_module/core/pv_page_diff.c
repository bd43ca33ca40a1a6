/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* The redline page: two versions side by side in words, then in what they declare, then in their text. */

#include <string.h>

#include "pv_declared_diff.h"
#include "pv_page_ui.h"
#include "pv_redline.h"


#define PV_DIFF_PAGE_PLACES  99         /* changes that a link each leads to */


static void pv_diff_title(pv_view_t *v, const pv_page_diff_t *diff);
static void pv_diff_side(pv_view_t *v, const char *name, const pv_policy_t *policy, int withdrawn);
static void pv_diff_languages(pv_view_t *v, const pv_page_diff_t *diff);
static void pv_diff_between(pv_view_t *v, const pv_page_diff_t *diff);
static int pv_diff_declared(pv_view_t *v, const pv_page_diff_t *diff);
static json_t *pv_diff_section(pv_view_t *v, const pv_page_diff_t *diff, const pv_differences_t *d,
    const char *section);
static json_t *pv_diff_item(pv_view_t *v, const pv_page_diff_t *diff, const pv_difference_t *e);
static pv_str_t pv_diff_name(pv_view_t *v, const pv_difference_t *e);
static void pv_diff_value(pv_view_t *v, json_t *item, const char *name, const pv_difference_t *e, pv_str_t value);
static pv_str_t pv_diff_purpose(pv_view_t *v, const pv_page_diff_t *diff, pv_str_t id);
static void pv_diff_redline_strings(pv_view_t *v, pv_redline_strings_t *s);
static void pv_diff_text_part(pv_view_t *v, const pv_diff_t *text);
static void pv_diff_places(pv_view_t *v, size_t changes);
static void pv_diff_counts(pv_view_t *v, const pv_diff_stats_t *stats);


/* In the order in which they are told. */
static const char *const  pv_diff_sections[] = {
    "purposes", "cookies", "sources", "recipients", "retention", "contact", "terms", "languages"
};


size_t
pv_page_diff_languages(size_t *languages, const pv_policy_t *from, const pv_policy_t *to)
{
    size_t  i, j, n;

    for (i = 0, n = 0; i < to->texts_count && n < PV_LANGUAGES_MAX; i++) {
        for (j = 0; j < from->texts_count; j++) {
            if (pv_str_eq(to->texts[i].language, from->texts[j].language)) {
                languages[n++] = i;
                break;
            }
        }
    }

    return n;
}


int
pv_page_diff(pv_buf_t *out, const pv_page_t *page, const pv_page_diff_t *diff)
{
    int        same;
    pv_view_t  v;

    if (page->policy == NULL || page->policy != diff->to) {
        return PV_INVALID;
    }

    pv_view_init(&v, page, NULL);
    pv_view_assets(&v);
    pv_view_asset(&v, "redline_style", "redline.css");
    pv_view_bool(&v, v.root, "archive", 1);
    pv_view_bool(&v, v.root, "mine", diff->mine);

    pv_diff_title(&v, diff);
    pv_diff_side(&v, "from", diff->from, diff->from_withdrawn);
    pv_diff_side(&v, "to", diff->to, diff->to_withdrawn);
    pv_diff_languages(&v, diff);
    pv_diff_between(&v, diff);
    pv_view_agree(&v);

    same = pv_diff_declared(&v, diff);
    pv_view_bool(&v, v.root, "no_language", diff->text == NULL);

    if (diff->text != NULL) {
        pv_diff_text_part(&v, diff->text);
        same = same && pv_diff_same(diff->text);
    }

    pv_view_bool(&v, v.root, "equal", same && diff->text != NULL);

    return pv_view_render(&v, out, "diff.html");
}


/* As text, and as a heading in which no version's id is broken in two. */

static void
pv_diff_title(pv_view_t *v, const pv_page_diff_t *diff)
{
    size_t      i;
    pv_buf_t    sentence, ids[2];
    pv_str_t    text;
    pv_fill_t   fills[2];

    fills[0].name = "from";
    fills[0].value = diff->from->version;
    fills[1].name = "to";
    fills[1].value = diff->to->version;

    text = pv_view_string(v, diff->mine ? "diff_mine_title" : "diff_title");
    pv_view_fill(v, v->root, "page_title", text, fills, 2);

    pv_buf_init(&sentence, PV_SENTENCE_MAX);
    pv_buf_html(&sentence, text);

    for (i = 0; i < 2; i++) {
        pv_buf_init(&ids[i], PV_SENTENCE_MAX);
        pv_buf_puts(&ids[i], "<bdi class=\"id\">");
        pv_buf_html(&ids[i], fills[i].value);
        pv_buf_puts(&ids[i], "</bdi>");

        v->failed |= ids[i].failed;
        fills[i].value.data = ids[i].data;
        fills[i].value.len = ids[i].len;
    }

    v->failed |= sentence.failed;
    text.data = sentence.data;
    text.len = sentence.len;
    pv_view_fill(v, v->root, "heading", text, fills, 2);

    pv_buf_free(&sentence);
    pv_buf_free(&ids[0]);
    pv_buf_free(&ids[1]);
}


static void
pv_diff_side(pv_view_t *v, const char *name, const pv_policy_t *policy, int withdrawn)
{
    json_t             *o;
    pv_page_version_t   version;

    o = json_object();
    pv_page_version_policy(&version, policy);

    pv_view_version(v, o, &version);
    pv_view_bool(v, o, "current", pv_page_is_current(v->page, &version));
    pv_view_bool(v, o, "future", !withdrawn && pv_page_is_upcoming(v->page, &version));
    pv_view_bool(v, o, "withdrawn", withdrawn);
    pv_view_set(v, v->root, name, o);
}


/* Offered are the languages in which the two can be compared; where there is none, those of the newer one. */

static void
pv_diff_languages(pv_view_t *v, const pv_page_diff_t *diff)
{
    size_t   i, n, languages[PV_LANGUAGES_MAX];
    json_t  *all, *list;

    n = pv_page_diff_languages(languages, diff->from, diff->to);

    if (n == 0) {
        return;
    }

    all = json_object_get(v->root, "languages");
    list = json_array();

    for (i = 0; i < n; i++) {
        pv_view_add(v, list, json_incref(json_array_get(all, languages[i])));
    }

    pv_view_set(v, v->root, "languages", list);
    pv_view_bool(v, v->root, "languages_offered", n > 1);
}


/* What each version said of itself that came after the older one, up to the newer one. */

static void
pv_diff_between(pv_view_t *v, const pv_page_diff_t *diff)
{
    size_t              i;
    json_t             *list, *item;
    pv_page_version_t   version;

    list = json_array();

    for (i = 0; i < diff->between_count; i++) {
        version = diff->between[i];
        item = json_object();

        pv_view_version(v, item, &version);
        pv_view_changes(v, item, &version);
        pv_view_bool(v, item, "reduces_rights", version.reduces_rights);
        pv_view_add(v, list, item);
    }

    pv_view_bool(v, v->root, "has_between", diff->between_count > 0);
    pv_view_set(v, v->root, "between", list);
}


/* Returns 1 when there is no difference. */

static int
pv_diff_declared(pv_view_t *v, const pv_page_diff_t *diff)
{
    int                same;
    size_t             i;
    json_t            *sections, *section;
    pv_differences_t   d;

    sections = json_array();

    if (pv_declared_diff(&d, diff->from, diff->to, pv_page_language(v->page)) != PV_OK) {
        v->failed = 1;
        json_decref(sections);
        return 0;
    }

    for (i = 0; i < sizeof(pv_diff_sections) / sizeof(pv_diff_sections[0]); i++) {
        section = pv_diff_section(v, diff, &d, pv_diff_sections[i]);

        if (section != NULL) {
            pv_view_add(v, sections, section);
        }
    }

    same = d.count == 0;
    pv_differences_free(&d);

    pv_view_bool(v, v->root, "declared_differs", !same);
    pv_view_set(v, v->root, "sections", sections);

    return same;
}


/* NULL: nothing in it differs. */

static json_t *
pv_diff_section(pv_view_t *v, const pv_page_diff_t *diff, const pv_differences_t *d, const char *section)
{
    char     key[64];
    size_t   i;
    json_t  *o, *items;

    items = json_array();

    for (i = 0; i < d->count; i++) {
        if (strcmp(d->list[i].section, section) == 0) {
            pv_view_add(v, items, pv_diff_item(v, diff, &d->list[i]));
        }
    }

    if (json_array_size(items) == 0) {
        json_decref(items);
        return NULL;
    }

    snprintf(key, sizeof(key), "section_%s", section);

    o = json_object();
    pv_view_str(v, o, "id", pv_str(section));
    pv_view_str(v, o, "name", pv_view_string(v, key));
    pv_view_set(v, o, "items", items);

    return o;
}


static json_t *
pv_diff_item(pv_view_t *v, const pv_page_diff_t *diff, const pv_difference_t *e)
{
    char       key[64];
    json_t    *item;
    int        whole;
    pv_str_t   field;

    item = json_object();

    snprintf(key, sizeof(key), "how_%s", pv_difference_how_name(e->how));
    pv_view_str(v, item, "how", pv_str(pv_difference_how_name(e->how)));
    pv_view_str(v, item, "how_name", pv_view_string(v, key));

    snprintf(key, sizeof(key), "field_%s", e->field);
    field = e->field[0] ? pv_view_string(v, key) : pv_str("");
    pv_view_str(v, item, "field", field.len || !e->field[0] ? field : pv_str(e->field));

    pv_view_str(v, item, "name", pv_diff_name(v, e));
    pv_view_bool(v, item, "only_field", pv_diff_name(v, e).len == 0);
    pv_view_bool(v, item, "code", strcmp(e->section, "cookies") == 0 || strcmp(e->section, "sources") == 0);

    if (strcmp(e->section, "purposes") != 0) {
        pv_view_str(v, item, "purpose", pv_diff_purpose(v, diff, e->purpose));
    }

    pv_diff_value(v, item, "before", e, e->before);
    pv_diff_value(v, item, "after", e, e->after);

    /* What is new or gone as a whole is its own value. */
    whole = e->field[0] == '\0' && e->before.len == 0 && e->after.len == 0;
    pv_view_bool(v, item, "added", whole && e->how == PV_DIFFERENCE_ADDED);
    pv_view_bool(v, item, "removed", whole && e->how == PV_DIFFERENCE_REMOVED);
    pv_view_bool(v, item, "old", e->before.len > 0 || (whole && e->how == PV_DIFFERENCE_REMOVED));
    pv_view_bool(v, item, "new", e->after.len > 0 || (whole && e->how == PV_DIFFERENCE_ADDED));

    return item;
}


/* Contact and terms have but fields. */

static pv_str_t
pv_diff_name(pv_view_t *v, const pv_difference_t *e)
{
    if (strcmp(e->section, "contact") == 0 || strcmp(e->section, "terms") == 0) {
        return pv_str("");
    }

    if (strcmp(e->section, "languages") == 0) {
        return pv_ui_language_name(v->page->ui, e->id);
    }

    return e->name.len ? e->name : e->id;
}


static void
pv_diff_value(pv_view_t *v, json_t *item, const char *name, const pv_difference_t *e, pv_str_t value)
{
    if (!e->words && pv_str_eqs(value, "true")) {
        value = pv_view_string(v, "yes");

    } else if (!e->words && pv_str_eqs(value, "false")) {
        value = pv_view_string(v, "no");
    }

    pv_view_str(v, item, name, value);
}


/* Its title in the newer version, else in the older one; empty for no purpose. */

static pv_str_t
pv_diff_purpose(pv_view_t *v, const pv_page_diff_t *diff, pv_str_t id)
{
    size_t               i;
    pv_str_t             language;
    const pv_purpose_t  *purpose;

    language = pv_page_language(v->page);
    purpose = pv_policy_purpose(diff->to, id);

    if (purpose != NULL) {
        return pv_translation(diff->to, purpose->title, v->page->language);
    }

    purpose = pv_policy_purpose(diff->from, id);

    if (purpose == NULL) {
        return id;
    }

    for (i = 0; i < diff->from->texts_count; i++) {
        if (pv_str_eq(diff->from->texts[i].language, language)) {
            return pv_translation(diff->from, purpose->title, i);
        }
    }

    return pv_translation(diff->from, purpose->title, 0);
}


static void
pv_diff_redline_strings(pv_view_t *v, pv_redline_strings_t *s)
{
    s->inserted = pv_view_string(v, "mark_inserted");
    s->inserted_end = pv_view_string(v, "mark_end");
    s->deleted = pv_view_string(v, "mark_deleted");
    s->deleted_end = pv_view_string(v, "mark_end");
    s->moved_from = pv_view_string(v, "moved_from");
    s->moved_to = pv_view_string(v, "moved_to");
    s->link_changed = pv_view_string(v, "link_changed");
    s->link_added = pv_view_string(v, "link_added");
    s->link_removed = pv_view_string(v, "link_removed");
    s->unchanged = pv_view_string(v, "unchanged");
    s->unchanged_one = pv_view_string(v, "unchanged_one");
}


static void
pv_diff_text_part(pv_view_t *v, const pv_diff_t *text)
{
    size_t                 changes;
    pv_buf_t               b;
    pv_redline_t           how = PV_REDLINE_DEFAULT;
    pv_redline_strings_t   strings;

    pv_diff_redline_strings(v, &strings);
    how.strings = &strings;

    pv_view_bool(v, v->root, "text_same", pv_diff_same(text));
    pv_view_bool(v, v->root, "limited", pv_diff_stats(text)->limited);

    pv_buf_init(&b, PV_REDLINE_MAX);
    changes = 0;

    if (!pv_diff_same(text) && pv_redline_html(&b, text, &how, &changes) != PV_OK) {
        b.failed = 1;
    }

    pv_view_take(v, v->root, "redline", &b);
    pv_diff_places(v, changes);
    pv_diff_counts(v, pv_diff_stats(text));
}


static void
pv_diff_places(pv_view_t *v, size_t changes)
{
    size_t   i;
    json_t  *list;

    list = json_array();

    for (i = 1; i <= changes && i <= PV_DIFF_PAGE_PLACES; i++) {
        pv_view_add(v, list, json_integer((json_int_t) i));
    }

    pv_view_count(v, v->root, "places_title", "diff_places", changes);
    pv_view_set(v, v->root, "places", list);
    pv_view_bool(v, v->root, "has_places", changes > 1);
}


static void
pv_diff_counts(pv_view_t *v, const pv_diff_stats_t *stats)
{
    size_t    i;
    json_t   *list, *item;

    const struct {
        const char  *key;
        size_t       n;
    } counts[] = {
        { "diff_changed", stats->blocks_changed },
        { "diff_inserted", stats->blocks_inserted },
        { "diff_deleted", stats->blocks_deleted },
        { "diff_moved", stats->blocks_moved },
        { "diff_links", stats->links }
    };

    list = json_array();

    for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        if (counts[i].n > 0) {
            item = json_object();
            pv_view_count(v, item, "text", counts[i].key, counts[i].n);
            pv_view_add(v, list, item);
        }
    }

    pv_view_set(v, v->root, "counts", list);
}


int
pv_json_diff(pv_buf_t *out, const pv_page_t *page, const pv_page_diff_t *diff)
{
    int                rc;
    pv_view_t          v = { page, NULL, NULL, 0 };
    pv_differences_t   d;

    if (page->policy == NULL || page->policy != diff->to) {
        return PV_INVALID;
    }

    rc = pv_declared_diff(&d, diff->from, diff->to, pv_page_language(page));
    if (rc != PV_OK) {
        return rc;
    }

    pv_buf_puts(out, "{\"from\":");
    rc = pv_json_dump(out, pv_json_version(&v, diff->from), 0);

    pv_buf_puts(out, ",\"to\":");
    if (pv_json_dump(out, pv_json_version(&v, diff->to), v.failed) != PV_OK) {
        rc = PV_ERROR;
    }

    pv_buf_puts(out, ",\"language\":");
    pv_buf_json(out, diff->text ? pv_page_language(page) : pv_str(""));

    pv_buf_puts(out, ",\"declared\":");
    if (pv_differences_json(out, &d) != PV_OK) {
        rc = PV_ERROR;
    }

    pv_buf_puts(out, ",\"text\":");

    if (diff->text == NULL) {
        pv_buf_puts(out, "null");

    } else if (pv_diff_json(out, diff->text) != PV_OK) {
        rc = PV_ERROR;
    }

    pv_buf_puts(out, "}");
    pv_differences_free(&d);

    return out->failed ? PV_ERROR : rc;
}
