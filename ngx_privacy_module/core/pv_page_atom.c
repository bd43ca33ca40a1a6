/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * The list of versions as a feed: RFC 4287, in pages as of RFC 5005. Ids are
 * UUIDs (version 8, RFC 9562) made of the digests, so that they stay the same
 * on every node and under every address.
 */

#include <string.h>

#include "pv_crypto.h"
#include "pv_page_ui.h"
#include "pv_text.h"


typedef struct {
    pv_buf_t              *out;
    const pv_page_t       *page;
    const pv_page_list_t  *list;
    pv_view_t              view;        /* for its strings */
} pv_atom_t;


static void pv_atom_feed_id(pv_atom_t *a);
static void pv_atom_address(pv_atom_t *a, const char *path, pv_str_t id, const char *after);
static void pv_atom_language(pv_atom_t *a, const char *separator);
static void pv_atom_page(pv_atom_t *a, const char *rel, size_t number);
static void pv_atom_links(pv_atom_t *a);
static int64_t pv_atom_changed(const pv_page_version_t *version);
static void pv_atom_entry(pv_atom_t *a, const pv_page_version_t *version);
static void pv_atom_title(pv_atom_t *a, const pv_page_version_t *version);
static void pv_atom_summary(pv_atom_t *a, const pv_page_version_t *version, json_t *changes);


int
pv_atom_versions(pv_buf_t *out, const pv_page_t *page, const pv_page_list_t *list)
{
    size_t     i;
    int64_t    updated, t;
    pv_atom_t  a;

    if (page->policy == NULL) {
        return PV_INVALID;
    }

    a.out = out;
    a.page = page;
    a.list = list;
    pv_view_init(&a.view, page, NULL);

    for (i = 0, updated = 0; i < list->n; i++) {
        t = pv_atom_changed(&list->versions[i]);
        updated = t > updated ? t : updated;
    }

    pv_buf_puts(out, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
                     "<feed xmlns=\"http://www.w3.org/2005/Atom\" xml:lang=\"");
    pv_buf_html(out, pv_view_string(&a.view, "tag"));
    pv_buf_puts(out, "\">\n");

    pv_atom_feed_id(&a);
    pv_atom_element(out, "title", pv_view_string(&a.view, "versions_title"));
    pv_atom_time(out, "updated", updated);

    pv_buf_puts(out, "<author><name>");
    pv_buf_html(out, page->policy->controller.name);
    pv_buf_puts(out, "</name></author>\n");

    pv_atom_links(&a);

    for (i = 0; i < list->n; i++) {
        pv_atom_entry(&a, &list->versions[i]);
    }

    pv_buf_puts(out, "</feed>\n");

    i = (size_t) a.view.failed;
    pv_view_free(&a.view);

    return i || out->failed ? PV_ERROR : PV_OK;
}


static void
pv_atom_feed_id(pv_atom_t *a)
{
    pv_str_t       parts[2];
    unsigned char  digest[PV_SHA256_LEN];

    parts[0] = pv_str("privacy versions\n");
    parts[1] = a->page->policy->site;

    if (pv_sha256(digest, parts, 2) != PV_OK) {
        a->out->failed = 1;
        return;
    }

    pv_atom_id(a->out, digest);
}


void
pv_atom_id(pv_buf_t *out, const unsigned char *digest)
{
    char           hex[32];
    unsigned char  uuid[16];

    memcpy(uuid, digest, sizeof(uuid));
    uuid[6] = (unsigned char) ((uuid[6] & 0x0f) | 0x80);
    uuid[8] = (unsigned char) ((uuid[8] & 0x3f) | 0x80);

    pv_hex_encode(hex, uuid, sizeof(uuid));

    pv_buf_printf(out, "<id>urn:uuid:%.8s-%.4s-%.4s-%.4s-%.12s</id>\n", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}


void
pv_atom_element(pv_buf_t *out, const char *name, pv_str_t text)
{
    pv_buf_printf(out, "<%s>", name);
    pv_buf_html(out, text);
    pv_buf_printf(out, "</%s>\n", name);
}


void
pv_atom_time(pv_buf_t *out, const char *name, int64_t time)
{
    char  text[PV_RFC3339_SIZE];

    pv_rfc3339_format(text, time);
    pv_atom_element(out, name, pv_str(text));
}


/* Everything in an address is safe in XML but the & of its query. */

static void
pv_atom_address(pv_atom_t *a, const char *path, pv_str_t id, const char *after)
{
    pv_buf_html(a->out, a->page->origin);
    pv_buf_html(a->out, a->page->prefix);
    pv_buf_puts(a->out, path);
    pv_buf_html(a->out, id);
    pv_buf_puts(a->out, after);
}


static void
pv_atom_language(pv_atom_t *a, const char *separator)
{
    if (a->page->policy->texts_count > 1) {
        pv_buf_printf(a->out, "%slang=", separator);
        pv_buf_html(a->out, pv_page_language(a->page));
    }
}


static void
pv_atom_page(pv_atom_t *a, const char *rel, size_t number)
{
    char  text[24];

    snprintf(text, sizeof(text), "%zu", number);

    pv_buf_printf(a->out, "<link rel=\"%s\" type=\"" PV_ATOM_TYPE "\" href=\"", rel);
    pv_atom_address(a, "versions.atom?page=", pv_str(text), "");
    pv_atom_language(a, "&amp;");
    pv_buf_puts(a->out, "\"/>\n");
}


static void
pv_atom_links(pv_atom_t *a)
{
    pv_buf_puts(a->out, "<link rel=\"alternate\" type=\"text/html\" href=\"");
    pv_atom_address(a, "versions", pv_str(""), "");
    pv_atom_language(a, "?");
    pv_buf_puts(a->out, "\"/>\n");

    pv_atom_page(a, "self", a->list->page);
    pv_atom_page(a, "first", 1);
    pv_atom_page(a, "last", a->list->pages);

    if (a->list->page > 1) {
        pv_atom_page(a, "previous", a->list->page - 1);
    }

    if (a->list->page < a->list->pages) {
        pv_atom_page(a, "next", a->list->page + 1);
    }
}


static int64_t
pv_atom_changed(const pv_page_version_t *version)
{
    return version->withdrawn ? version->withdrawn_at : version->published;
}


static void
pv_atom_entry(pv_atom_t *a, const pv_page_version_t *version)
{
    size_t     i;
    json_t    *o, *changes, *change;
    pv_buf_t  *out;

    out = a->out;
    o = json_object();
    pv_view_changes(&a->view, o, version);
    changes = json_object_get(o, "changes");

    pv_buf_puts(out, "<entry>\n");
    pv_atom_id(out, version->digest);
    pv_atom_title(a, version);
    pv_atom_time(out, "published", version->published);
    pv_atom_time(out, "updated", pv_atom_changed(version));

    pv_buf_puts(out, "<link rel=\"alternate\" type=\"text/html\" href=\"");
    pv_atom_address(a, "versions/", version->version, "");
    pv_atom_language(a, "?");
    pv_buf_puts(out, "\"/>\n");

    if (version->before.len) {
        pv_buf_puts(out, "<link rel=\"related\" type=\"text/html\" title=\"");
        pv_buf_html(out, pv_view_string(&a->view, "diff_version"));
        pv_buf_puts(out, "\" href=\"");
        pv_atom_address(a, "diff/", version->before, "/");
        pv_buf_html(out, version->version);
        pv_atom_language(a, "?");
        pv_buf_puts(out, "\"/>\n");
    }

    json_array_foreach(changes, i, change) {
        pv_buf_puts(out, "<category term=\"");
        pv_buf_html(out, pv_str(json_string_value(json_object_get(change, "kind"))));
        pv_buf_puts(out, "\" label=\"");
        pv_buf_html(out, pv_str(json_string_value(json_object_get(change, "kind_name"))));
        pv_buf_puts(out, "\"/>\n");
    }

    pv_atom_summary(a, version, changes);
    pv_buf_puts(out, "</entry>\n");
    json_decref(o);
}


/* "2026-12-01, effective 2026-12-15" */

static void
pv_atom_title(pv_atom_t *a, const pv_page_version_t *version)
{
    char       since[PV_RFC3339_SIZE];
    pv_str_t   day;
    pv_buf_t  *out;

    out = a->out;
    day = pv_page_version_since(version, since);
    day.len = day.len > 10 ? 10 : day.len;

    pv_buf_puts(out, "<title>");
    pv_buf_html(out, version->version);
    pv_buf_html(out, pv_view_string(&a->view, "comma"));
    pv_buf_html(out, pv_view_string(&a->view, version->withdrawn ? "withdrawn" : "effective"));

    if (!version->withdrawn) {
        pv_buf_puts(out, " ");
        pv_buf_html(out, day);
    }

    pv_buf_puts(out, "</title>\n");
}


/* A line for each change; what has none says that. */

static void
pv_atom_summary(pv_atom_t *a, const pv_page_version_t *version, json_t *changes)
{
    size_t     i;
    json_t    *change;
    pv_buf_t  *out;

    out = a->out;

    /* What a version says is in one of its own languages. */
    change = json_array_get(changes, 0);

    pv_buf_puts(out, "<summary xml:lang=\"");
    pv_buf_html(out, change ? pv_str(json_string_value(json_object_get(change, "language")))
                            : pv_view_string(&a->view, "tag"));
    pv_buf_puts(out, "\">");

    if (version->withdrawn) {
        pv_buf_html(out, pv_view_string(&a->view, "withdrawn_help"));
        pv_buf_puts(out, " ");
        pv_buf_html(out, version->reason);
        pv_buf_puts(out, "\n");
    }

    json_array_foreach(changes, i, change) {
        pv_buf_html(out, pv_str(json_string_value(json_object_get(change, "kind_name"))));
        pv_buf_html(out, pv_view_string(&a->view, "colon"));
        pv_buf_html(out, pv_str(json_string_value(json_object_get(change, "summary"))));
        pv_buf_puts(out, "\n");
    }

    if (json_array_size(changes) == 0 && !version->withdrawn) {
        pv_buf_html(out, pv_view_string(&a->view, version->before.len ? "no_changes" : "first_version"));
    }

    pv_buf_puts(out, "</summary>\n");
}
