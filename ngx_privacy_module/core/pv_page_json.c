/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "pv_page_ui.h"
#include "pv_text.h"


static int
dump_chunk(const char *data, size_t len, void *out)
{
    pv_buf_add(out, data, len);

    return ((pv_buf_t *) out)->failed ? -1 : 0;
}


/* Pure ASCII: the same bytes are right in a script of any charset. Frees the value. */
int
pv_json_dump(pv_buf_t *out, json_t *value, int failed)
{
    int  rc;

    rc = failed || value == NULL
         || json_dump_callback(value, dump_chunk, out, JSON_COMPACT | JSON_ENSURE_ASCII) != 0;

    json_decref(value);

    return rc ? PV_ERROR : PV_OK;
}


static json_t *
strings(pv_view_t *v, const pv_str_t *list, size_t n)
{
    size_t   i;
    json_t  *array;

    array = json_array();

    for (i = 0; i < n; i++) {
        pv_view_add(v, array, json_stringn((const char *) list[i].data, list[i].len));
    }

    return array;
}


/* Only what is there: an absent contact is no empty string. */
static void
optional(pv_view_t *v, json_t *object, const char *name, pv_str_t s)
{
    if (s.len) {
        pv_view_str(v, object, name, s);
    }
}


static json_t *
cookie_json(pv_view_t *v, const pv_cookie_declaration_t *cookie)
{
    json_t  *o;

    o = json_object();
    pv_view_str(v, o, "name", cookie->name);
    optional(v, o, "domain", cookie->domain);
    optional(v, o, "path", cookie->path);
    optional(v, o, "lifetime", cookie->lifetime);
    optional(v, o, "provider", cookie->provider);

    return o;
}


static json_t *
purpose_json(pv_view_t *v, const pv_purpose_t *purpose)
{
    size_t            i;
    json_t           *o, *cookies;
    const pv_page_t  *page;

    page = v->page;
    o = json_object();
    cookies = json_array();

    for (i = 0; i < purpose->cookies_count; i++) {
        pv_view_add(v, cookies, cookie_json(v, &purpose->cookies[i]));
    }

    pv_view_str(v, o, "id", purpose->id);
    pv_view_str(v, o, "title", pv_translation(page->policy, purpose->title, page->language));
    pv_view_str(v, o, "text", pv_translation(page->policy, purpose->text, page->language));
    pv_view_bool(v, o, "necessary", purpose->necessary);
    optional(v, o, "exempt_reason", pv_view_words(v, purpose->exempt_reason_in, purpose->exempt_reason));
    pv_view_bool(v, o, "separate", purpose->separate);
    pv_view_set(v, o, "asked_since", json_integer(purpose->asked_since));
    pv_view_set(v, o, "cookies", cookies);
    pv_view_set(v, o, "sources", strings(v, purpose->sources, purpose->sources_count));
    pv_view_set(v, o, "recipients", strings(v, purpose->recipients, purpose->recipients_count));
    optional(v, o, "retention", pv_view_words(v, purpose->retention_in, purpose->retention));

    return o;
}


static json_t *
controller_json(pv_view_t *v, const pv_controller_t *c)
{
    json_t  *o;

    o = json_object();
    pv_view_str(v, o, "name", c->name);
    optional(v, o, "mail", c->mail);
    optional(v, o, "telephone", c->telephone);
    optional(v, o, "address", c->address);
    optional(v, o, "department", c->department);
    optional(v, o, "complaint", c->complaint);

    return o;
}


static json_t *
recipients_json(pv_view_t *v, const pv_policy_t *policy)
{
    size_t                 i;
    json_t                *list, *o;
    const pv_recipient_t  *r;

    list = json_array();

    for (i = 0; i < policy->recipients_count; i++) {
        r = &policy->recipients[i];

        o = json_object();
        pv_view_str(v, o, "id", r->id);
        pv_view_str(v, o, "name", pv_view_words(v, r->name_in, r->name));
        optional(v, o, "data", pv_view_words(v, r->data_in, r->data));
        optional(v, o, "use", pv_view_words(v, r->use_in, r->use));
        optional(v, o, "policy", r->policy);
        optional(v, o, "country", pv_view_words(v, r->country_in, r->country));
        pv_view_add(v, list, o);
    }

    return list;
}


static json_t *
changes_json(pv_view_t *v, const pv_page_version_t *version)
{
    size_t              i, j;
    json_t             *list, *o, *summary;
    pv_str_t            tag;
    char                key[64];
    const pv_change_t  *change;

    list = json_array();

    for (i = 0; i < version->changes_count; i++) {
        change = &version->changes[i];
        summary = json_object();

        for (j = 0; j < change->summary_count; j++) {
            tag = change->summary[j].language;
            snprintf(key, sizeof(key), "%.*s", (int) tag.len, (const char *) tag.data);
            pv_view_str(v, summary, key, change->summary[j].text);
        }

        o = json_object();
        pv_view_str(v, o, "kind", change->kind);
        pv_view_set(v, o, "purposes", strings(v, change->purposes, change->purposes_count));
        pv_view_set(v, o, "summary", summary);
        pv_view_add(v, list, o);
    }

    return list;
}


/* What every JSON document says of a version. */
static void
version_json(pv_view_t *v, json_t *o, const pv_page_version_t *version)
{
    char                hex[PV_SHA256_LEN * 2], times[2][PV_RFC3339_SIZE];
    pv_str_t            digest;
    const pv_policy_t  *in_force;

    digest.data = (const unsigned char *) hex;
    digest.len = pv_hex_encode(hex, version->digest, PV_SHA256_LEN);

    in_force = v->page->in_force;

    pv_rfc3339_format(times[0], version->published);
    pv_rfc3339_format(times[1], version->withdrawn_at);

    pv_view_str(v, o, "version", version->version);
    pv_view_set(v, o, "sequence", json_integer(version->sequence));
    pv_view_str(v, o, "effective", version->effective_text);
    pv_view_str(v, o, "published", pv_str(times[0]));
    pv_view_str(v, o, "digest", digest);
    pv_view_bool(v, o, "in_force", in_force != NULL && in_force->sequence == version->sequence);
    pv_view_bool(v, o, "reduces_rights", version->reduces_rights);
    pv_view_set(v, o, "languages", strings(v, version->languages, version->languages_count));
    pv_view_set(v, o, "changes", changes_json(v, version));
    optional(v, o, "urgent", version->urgent);

    if (version->withdrawn) {
        pv_view_str(v, o, "withdrawn", pv_str(times[1]));
        pv_view_str(v, o, "reason", version->reason);
    }
}


json_t *
pv_json_version(pv_view_t *v, const pv_policy_t *policy)
{
    json_t             *o;
    pv_page_version_t   version;

    o = json_object();
    pv_page_version_policy(&version, policy);
    version_json(v, o, &version);

    return o;
}


int
pv_json_policy(pv_buf_t *out, const pv_page_t *page)
{
    size_t              i;
    json_t             *o, *purposes;
    pv_view_t           v;
    const pv_text_t    *text;
    const pv_policy_t  *policy;
    pv_page_version_t   version;

    policy = page->policy;

    if (policy == NULL) {
        return PV_INVALID;
    }

    pv_view_init(&v, page, NULL);
    pv_page_version_policy(&version, policy);

    text = &policy->texts[page->language];
    o = json_object();
    purposes = json_array();

    for (i = 0; i < policy->purposes_count; i++) {
        pv_view_add(&v, purposes, purpose_json(&v, &policy->purposes[i]));
    }

    pv_view_str(&v, o, "site", policy->site);
    version_json(&v, o, &version);
    pv_view_str(&v, o, "language", text->language);
    pv_view_str(&v, o, "title", text->title);
    pv_view_set(&v, o, "controller", controller_json(&v, &policy->controller));
    pv_view_set(&v, o, "choice_days", json_integer(policy->choice_days));
    pv_view_set(&v, o, "minor_age", json_integer(policy->minor_age));
    pv_view_set(&v, o, "purposes", purposes);
    pv_view_set(&v, o, "recipients", recipients_json(&v, policy));
    pv_view_str(&v, o, "markdown", text->markdown);

    pv_view_free(&v);

    return pv_json_dump(out, o, v.failed);
}


void
pv_json_address(pv_view_t *v, json_t *o, const char *name, const char *what, pv_str_t id, const char *after)
{
    pv_buf_t  b;

    pv_buf_init(&b, 4096);
    pv_buf_str(&b, v->page->prefix);
    pv_buf_puts(&b, what);
    pv_buf_str(&b, id);
    pv_buf_puts(&b, after);

    pv_view_take(v, o, name, &b);
}


static void
page_address(pv_view_t *v, json_t *o, const char *name, size_t page)
{
    char  number[32];

    snprintf(number, sizeof(number), "%zu", page);
    pv_json_address(v, o, name, "versions.json?page=", pv_str(number), "");
}


static json_t *
listed_json(pv_view_t *v, const pv_page_version_t *version)
{
    char     both[2 * PV_VERSION_MAX + 8];
    json_t  *o;

    o = json_object();

    version_json(v, o, version);
    pv_json_address(v, o, "url", "versions/", version->version, "");
    pv_json_address(v, o, "proof", "versions/", version->version, "/proof");

    if (version->before.len) {
        snprintf(both, sizeof(both), "%.*s/%.*s", (int) version->before.len, (const char *) version->before.data,
                 (int) version->version.len, (const char *) version->version.data);
        pv_json_address(v, o, "diff", "diff/", pv_str(both), "");
    }

    return o;
}


int
pv_json_versions(pv_buf_t *out, const pv_page_t *page, const pv_page_list_t *list)
{
    size_t              i;
    json_t             *o, *versions;
    pv_view_t           v = { page, NULL, NULL, 0 };
    const pv_policy_t  *in_force;

    o = json_object();
    versions = json_array();
    in_force = page->in_force;

    for (i = 0; i < list->n; i++) {
        pv_view_add(&v, versions, listed_json(&v, &list->versions[i]));
    }

    pv_view_set(&v, o, "in_force", in_force ? json_stringn((const char *) in_force->version.data,
                                                           in_force->version.len)
                                            : json_null());
    pv_view_set(&v, o, "total", json_integer((json_int_t) list->total));
    pv_view_set(&v, o, "page", json_integer((json_int_t) list->page));
    pv_view_set(&v, o, "pages", json_integer((json_int_t) list->pages));

    if (list->page > 1) {
        page_address(&v, o, "newer", list->page - 1);
    }

    if (list->page < list->pages) {
        page_address(&v, o, "older", list->page + 1);
    }

    pv_view_set(&v, o, "versions", versions);

    return pv_json_dump(out, o, v.failed);
}


int
pv_form_document(pv_buf_t *out, const pv_page_t *page, const char *kind, pv_str_t html)
{
    json_t             *o;
    pv_view_t           v = { NULL, NULL, NULL, 0 };
    const pv_policy_t  *policy;

    policy = page->policy;

    if (policy == NULL) {
        return PV_INVALID;
    }

    o = json_object();
    pv_view_str(&v, o, "site", policy->site);
    pv_view_str(&v, o, "version", policy->version);
    pv_view_set(&v, o, "sequence", json_integer(policy->sequence));
    pv_view_str(&v, o, "language", policy->texts[page->language].language);
    pv_view_str(&v, o, "kind", pv_str(kind));
    pv_view_str(&v, o, "html", html);

    return pv_json_dump(out, o, v.failed);
}
