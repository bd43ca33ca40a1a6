/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* Versions as they are listed: what each says of itself, and the pages that have many of them. */

#include <string.h>

#include "pv_page_ui.h"


void
pv_page_version_policy(pv_page_version_t *version, const pv_policy_t *policy)
{
    size_t  i;

    memset(version, 0, sizeof(pv_page_version_t));

    version->sequence = policy->sequence;
    version->version = policy->version;
    version->effective = policy->effective;
    version->published = policy->published;
    version->effective_text = policy->effective_text;
    version->digest = policy->digest;
    version->changes = policy->changes;
    version->changes_count = policy->changes_count;
    version->urgent = policy->urgent;
    version->reduces_rights = policy->reduces_rights;

    for (i = 0; i < policy->texts_count && i < PV_LANGUAGES_MAX; i++) {
        version->languages[i] = policy->texts[i].language;
    }

    version->languages_count = i;
}


void
pv_page_version_head(pv_page_version_t *version, const pv_head_t *head, const pv_head_t *withdrawal)
{
    size_t  i;

    memset(version, 0, sizeof(pv_page_version_t));

    version->sequence = head->sequence;
    version->version = head->version;
    version->effective = head->effective;
    version->published = head->published;
    version->effective_text = head->effective_text;
    version->digest = head->digest;
    version->changes = head->changes;
    version->changes_count = head->changes_count;
    version->urgent = head->urgent;
    version->reduces_rights = head->reduces_rights;

    for (i = 0; i < head->texts_count && i < PV_LANGUAGES_MAX; i++) {
        version->languages[i] = head->texts[i].language;
    }

    version->languages_count = i;

    if (withdrawal != NULL) {
        version->withdrawn = 1;
        version->reason = withdrawal->reason;
        version->withdrawn_at = withdrawal->published;
    }
}


void
pv_view_version(pv_view_t *v, json_t *object, const pv_page_version_t *version)
{
    char      hex[PV_SHA256_LEN * 2];
    char      since[PV_RFC3339_SIZE];
    pv_str_t  digest, none;

    digest.data = (const unsigned char *) hex;
    digest.len = pv_hex_encode(hex, version->digest, PV_SHA256_LEN);
    none = pv_str("");

    pv_view_str(v, object, "version", version->version);
    pv_view_str(v, object, "digest", digest);
    pv_view_str(v, object, "urgent", version->urgent);
    pv_view_time(v, object, "effective", version->effective, pv_page_version_since(version, since));
    pv_view_time(v, object, "published", version->published, none);
}


pv_str_t
pv_page_version_since(const pv_page_version_t *version, char room[PV_RFC3339_SIZE])
{
    if (version->published <= version->effective) {
        return version->effective_text;
    }

    pv_rfc3339_format(room, version->published);

    return pv_str(room);
}


/* In the language, else in the version's default, else the first there is. */
static const pv_translation_t *
summary(const pv_change_t *change, const pv_page_version_t *version, pv_str_t language)
{
    size_t                   i;
    const pv_translation_t  *best;

    best = change->summary_count ? &change->summary[0] : NULL;

    for (i = 0; i < change->summary_count; i++) {
        if (pv_str_eq(change->summary[i].language, language)) {
            return &change->summary[i];
        }

        if (version->languages_count && pv_str_eq(change->summary[i].language, version->languages[0])) {
            best = &change->summary[i];
        }
    }

    return best;
}


void
pv_view_changes(pv_view_t *v, json_t *object, const pv_page_version_t *version)
{
    char                     key[64];
    size_t                   i;
    json_t                  *list, *item;
    pv_str_t                 kind, language;
    const pv_change_t       *change;
    const pv_translation_t  *text;

    list = json_array();
    language = pv_page_language(v->page);

    for (i = 0; i < version->changes_count; i++) {
        change = &version->changes[i];
        text = summary(change, version, language);

        snprintf(key, sizeof(key), "kind_%.*s", (int) change->kind.len, (const char *) change->kind.data);
        kind = pv_view_string(v, key);

        item = json_object();
        pv_view_str(v, item, "kind", change->kind);
        pv_view_str(v, item, "kind_name", kind.len ? kind : change->kind);
        pv_view_str(v, item, "language", text ? text->language : language);
        pv_view_str(v, item, "summary", text ? text->text : pv_str(""));
        pv_view_add(v, list, item);
    }

    pv_view_bool(v, object, "has_changes", version->changes_count > 0);
    pv_view_set(v, object, "changes", list);
}


int
pv_page_is_upcoming(const pv_page_t *page, const pv_page_version_t *version)
{
    if (version->withdrawn) {
        return 0;
    }

    return page->in_force ? version->sequence > page->in_force->sequence : version->effective > page->now;
}


int
pv_page_is_current(const pv_page_t *page, const pv_page_version_t *version)
{
    return page->in_force != NULL && page->in_force->sequence == version->sequence;
}


void
pv_view_listed(pv_view_t *v, json_t *item, const pv_page_version_t *version)
{
    pv_fill_t  fill;

    pv_view_version(v, item, version);
    pv_view_changes(v, item, version);
    pv_view_str(v, item, "before", version->before);
    pv_view_bool(v, item, "first", version->sequence == 1);

    fill.name = "version";
    fill.value = version->before;
    pv_view_fill(v, item, "since_before", pv_view_string(v, "since_version"), &fill, 1);
}


static json_t *
version_item(pv_view_t *v, const pv_page_version_t *version)
{
    json_t  *item;

    item = json_object();

    pv_view_listed(v, item, version);
    pv_view_str(v, item, "reason", version->reason);
    pv_view_bool(v, item, "current", pv_page_is_current(v->page, version));
    pv_view_bool(v, item, "future", pv_page_is_upcoming(v->page, version));
    pv_view_bool(v, item, "withdrawn", version->withdrawn);
    pv_view_bool(v, item, "reduces_rights", version->reduces_rights);
    pv_view_bool(v, item, "from", 0);
    pv_view_bool(v, item, "to", 0);

    if (version->withdrawn) {
        pv_view_time(v, item, "withdrawn_on", version->withdrawn_at, pv_str(""));
    }

    return item;
}


/* What the form that compares two has chosen: the version in force and the one before, else the newest two. */
static void
choose_two(pv_view_t *v, json_t *items, const pv_page_list_t *list)
{
    size_t  i, to;

    pv_view_bool(v, v->root, "can_compare", list->n > 1);

    if (list->n < 2) {
        return;
    }

    for (i = 0, to = 0; i < list->n; i++) {
        if (pv_page_is_current(v->page, &list->versions[i])) {
            to = i;
        }
    }

    to = to < list->n - 1 ? to : list->n - 2;

    pv_view_bool(v, json_array_get(items, to), "to", 1);
    pv_view_bool(v, json_array_get(items, to + 1), "from", 1);
}


static void
view_versions(pv_view_t *v, const pv_page_list_t *list)
{
    size_t   i;
    json_t  *items;

    items = json_array();

    for (i = 0; i < list->n; i++) {
        pv_view_add(v, items, version_item(v, &list->versions[i]));
    }

    choose_two(v, items, list);
    pv_view_set(v, v->root, "versions", items);
}


static void
page_address(pv_view_t *v, const char *name, size_t page)
{
    pv_buf_t  b;

    pv_buf_init(&b, 256);
    pv_buf_printf(&b, "?page=%zu", page);

    if (v->page->policy != NULL && v->page->policy->texts_count > 1) {
        pv_buf_puts(&b, "&lang=");
        pv_buf_str(&b, pv_page_language(v->page));
    }

    pv_view_take(v, v->root, name, &b);
}


static void
view_pages(pv_view_t *v, const pv_page_list_t *list)
{
    char       number[2][24], keep[40];
    pv_fill_t  fills[2];

    if (list->pages < 2) {
        return;
    }

    if (list->page > 1) {
        page_address(v, "newer", list->page - 1);
        page_address(v, "newest", 1);
    }

    if (list->page < list->pages) {
        page_address(v, "older", list->page + 1);
        page_address(v, "oldest", list->pages);
    }

    snprintf(number[0], sizeof(number[0]), "%zu", list->page);
    snprintf(number[1], sizeof(number[1]), "%zu", list->pages);

    fills[0].name = "page";
    fills[0].value = pv_str(number[0]);
    fills[1].name = "pages";
    fills[1].value = pv_str(number[1]);
    pv_view_fill(v, v->root, "page_of", pv_view_string(v, "page_of"), fills, 2);
    pv_view_bool(v, v->root, "paged", 1);

    /* Another language of the same page. */
    snprintf(keep, sizeof(keep), "page=%zu&", list->page);
    pv_view_str(v, v->root, "keep", pv_str(keep));
}


int
pv_page_versions(pv_buf_t *out, const pv_page_t *page, const pv_page_list_t *list)
{
    pv_view_t  v;

    pv_view_init(&v, page, "versions_title");
    pv_view_assets(&v);
    pv_view_bool(&v, v.root, "at_versions", 1);
    pv_view_bool(&v, v.root, "archive", 1);
    view_versions(&v, list);
    view_pages(&v, list);

    return pv_view_render(&v, out, "versions.html");
}


int
pv_page_not_found(pv_buf_t *out, const pv_page_t *page, const pv_page_list_t *list)
{
    pv_view_t  v;

    pv_view_init(&v, page, "title_no_version");
    pv_view_assets(&v);
    pv_view_bool(&v, v.root, "archive", 1);
    view_versions(&v, list);

    return pv_view_render(&v, out, "not_found.html");
}
