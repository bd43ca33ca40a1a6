/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pv_page_ui.h"


/* The same value in a second list. */
static void
append_same(pv_view_t *v, json_t *list, json_t *value)
{
    if (json_array_append(list, value) != 0) {
        v->failed = 1;
    }
}


pv_str_t
pv_view_words(const pv_view_t *v, const pv_translation_t *list, pv_str_t written)
{
    return list ? pv_translation(v->page->policy, list, v->page->language) : written;
}


static void
add_about(pv_buf_t *b, const pv_view_t *v, pv_str_t s)
{
    if (s.len == 0) {
        return;
    }

    if (b->len) {
        pv_buf_str(b, pv_view_string(v, "comma"));
    }

    pv_buf_str(b, s);
}


static json_t *
cookies(pv_view_t *v, const pv_purpose_t *purpose)
{
    size_t                          i;
    json_t                         *list, *item;
    pv_buf_t                        b;
    pv_str_t                        about;
    const pv_cookie_declaration_t  *cookie;

    list = json_array();

    for (i = 0; i < purpose->cookies_count; i++) {
        cookie = &purpose->cookies[i];

        pv_buf_init(&b, 64 * 1024);
        add_about(&b, v, cookie->provider);
        add_about(&b, v, cookie->lifetime);
        about.data = b.data;
        about.len = b.len;

        item = json_object();
        pv_view_str(v, item, "name", cookie->name);
        pv_view_str(v, item, "domain", cookie->domain);
        pv_view_str(v, item, "path", cookie->path);
        pv_view_str(v, item, "provider", cookie->provider);
        pv_view_str(v, item, "lifetime", cookie->lifetime);
        pv_view_str(v, item, "about", about);
        pv_view_add(v, list, item);

        pv_buf_free(&b);
    }

    return list;
}


static const pv_recipient_t *
find_recipient(const pv_policy_t *policy, pv_str_t id)
{
    size_t  i;

    for (i = 0; i < policy->recipients_count; i++) {
        if (pv_str_eq(policy->recipients[i].id, id)) {
            return &policy->recipients[i];
        }
    }

    return NULL;
}


static json_t *
recipient(pv_view_t *v, const pv_recipient_t *r)
{
    json_t  *item;

    item = json_object();
    pv_view_str(v, item, "id", r->id);
    pv_view_str(v, item, "name", pv_view_words(v, r->name_in, r->name));
    pv_view_str(v, item, "data", pv_view_words(v, r->data_in, r->data));
    pv_view_str(v, item, "use", pv_view_words(v, r->use_in, r->use));
    pv_view_str(v, item, "country", pv_view_words(v, r->country_in, r->country));
    pv_view_str(v, item, "link", pv_is_web_address(r->policy) ? r->policy : pv_str(""));

    return item;
}


static json_t *
recipients(pv_view_t *v, const pv_purpose_t *purpose)
{
    size_t                 i;
    json_t                *list;
    const pv_recipient_t  *r;

    list = json_array();

    for (i = 0; i < purpose->recipients_count; i++) {
        r = find_recipient(v->page->policy, purpose->recipients[i]);
        if (r != NULL) {
            pv_view_add(v, list, recipient(v, r));
        }
    }

    return list;
}


static json_t *
sources(pv_view_t *v, const pv_purpose_t *purpose)
{
    size_t   i;
    json_t  *list;

    list = json_array();

    for (i = 0; i < purpose->sources_count; i++) {
        pv_view_add(v, list, json_stringn((const char *) purpose->sources[i].data, purpose->sources[i].len));
    }

    return list;
}


/* Chosen on once, and to be decided again now. */
static int
is_asked_again(const pv_page_t *page, const pv_purpose_t *purpose)
{
    uint64_t  bit;

    bit = (uint64_t) 1 << purpose->bit;

    return page->consent != NULL && page->verdict != NULL && (page->verdict->decided & bit) == 0
           && ((page->consent->decided & bit) != 0 || (page->verdict->asked & bit) != 0);
}


static json_t *
purpose_object(pv_view_t *v, const pv_purpose_t *purpose, int marks)
{
    json_t           *o;
    const pv_page_t  *page;

    page = v->page;
    o = json_object();

    pv_view_str(v, o, "id", purpose->id);
    pv_view_str(v, o, "title", pv_translation(page->policy, purpose->title, page->language));
    pv_view_str(v, o, "text", pv_translation(page->policy, purpose->text, page->language));
    pv_view_str(v, o, "exempt_reason", pv_view_words(v, purpose->exempt_reason_in, purpose->exempt_reason));
    pv_view_str(v, o, "retention", pv_view_words(v, purpose->retention_in, purpose->retention));
    pv_view_bool(v, o, "necessary", purpose->necessary);
    pv_view_bool(v, o, "is_separate", purpose->separate && !purpose->necessary);
    pv_view_bool(v, o, "is_optional", !purpose->separate && !purpose->necessary);

    pv_view_set(v, o, "cookies", cookies(v, purpose));
    pv_view_set(v, o, "sources", sources(v, purpose));
    pv_view_set(v, o, "recipients", recipients(v, purpose));
    pv_view_bool(v, o, "has_cookies", purpose->cookies_count > 0);
    pv_view_bool(v, o, "has_sources", purpose->sources_count > 0);
    pv_view_bool(v, o, "has_recipients", purpose->recipients_count > 0);
    pv_view_bool(v, o, "has_details", purpose->cookies_count || purpose->sources_count
                                      || purpose->recipients_count || purpose->retention.len);

    pv_view_bool(v, o, "granted", marks && page->verdict != NULL
                                  && (page->verdict->allowed >> purpose->bit & 1));
    pv_view_bool(v, o, "new", marks && !purpose->necessary && is_asked_again(page, purpose));
    pv_view_bool(v, o, "last", 0);

    return o;
}


void
pv_view_purposes(pv_view_t *v, int marks)
{
    size_t               i, last;
    json_t              *all, *optional, *separate, *necessary, *o;
    const pv_policy_t   *policy;
    const pv_purpose_t  *purpose;

    policy = v->page->policy;
    all = json_array();
    optional = json_array();
    separate = json_array();
    necessary = json_array();

    for (i = 0; i < policy->purposes_count; i++) {
        purpose = &policy->purposes[i];
        o = purpose_object(v, purpose, marks);
        append_same(v, purpose->necessary ? necessary : purpose->separate ? separate : optional, o);
        pv_view_add(v, all, o);
    }

    last = json_array_size(optional);
    if (last) {
        pv_view_bool(v, json_array_get(optional, last - 1), "last", 1);
    }

    pv_view_bool(v, v->root, "has_optional", last > 0);
    pv_view_bool(v, v->root, "has_separate", json_array_size(separate) > 0);
    pv_view_bool(v, v->root, "has_necessary", json_array_size(necessary) > 0);
    pv_view_set(v, v->root, "purposes", all);
    pv_view_set(v, v->root, "optional", optional);
    pv_view_set(v, v->root, "separate", separate);
    pv_view_set(v, v->root, "necessary", necessary);
}


void
pv_view_recipients(pv_view_t *v)
{
    size_t              i;
    json_t             *list;
    const pv_policy_t  *policy;

    policy = v->page->policy;
    list = json_array();

    for (i = 0; i < policy->recipients_count; i++) {
        pv_view_add(v, list, recipient(v, &policy->recipients[i]));
    }

    pv_view_set(v, v->root, "all_recipients", list);
    pv_view_bool(v, v->root, "has_all_recipients", policy->recipients_count > 0);
}
