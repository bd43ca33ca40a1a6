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
    pv_str_t  digest, none;

    digest.data = (const unsigned char *) hex;
    digest.len = pv_hex_encode(hex, version->digest, PV_SHA256_LEN);
    none = pv_str("");

    pv_view_str(v, object, "version", version->version);
    pv_view_str(v, object, "digest", digest);
    pv_view_str(v, object, "urgent", version->urgent);
    pv_view_time(v, object, "effective", version->effective, version->effective_text);
    pv_view_time(v, object, "published", version->published, none);
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


static json_t *
version_item(pv_view_t *v, const pv_page_version_t *version)
{
    json_t             *item;
    const pv_policy_t  *in_force;

    item = json_object();
    in_force = v->page->in_force;

    pv_view_version(v, item, version);
    pv_view_changes(v, item, version);
    pv_view_bool(v, item, "first", version->sequence == 1);
    pv_view_bool(v, item, "current", in_force != NULL && in_force->sequence == version->sequence);
    pv_view_bool(v, item, "future", in_force == NULL ? version->effective > v->page->now
                                                     : version->sequence > in_force->sequence);

    return item;
}


int
pv_page_versions(pv_buf_t *out, const pv_page_t *page, const pv_page_list_t *list)
{
    size_t      i;
    json_t     *items;
    pv_view_t   v;

    pv_view_init(&v, page, "versions_title");
    pv_view_assets(&v);
    pv_view_bool(&v, v.root, "at_versions", 1);

    items = json_array();

    for (i = 0; i < list->n; i++) {
        pv_view_add(&v, items, version_item(&v, &list->versions[i]));
    }

    pv_view_set(&v, v.root, "versions", items);

    return pv_view_render(&v, out, "versions.html");
}
