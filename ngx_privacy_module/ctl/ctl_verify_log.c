/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* The log as the site serves it: the list, every entry, the chain. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_verify.h"

#define CTL_LIST_MAX  (4 * 1024 * 1024)     /* a page of it */


static int ctl_list_page(ctl_verify_t *v, size_t page, json_t **answer);
static int ctl_list_site(ctl_verify_t *v, const json_t *page);
static int ctl_list_entries(ctl_verify_t *v, const json_t *entries);
static int ctl_list_entry(ctl_listed_t *listed, const json_t *entry);
static int ctl_entry(ctl_verify_t *v, uint32_t number);
static int ctl_entry_open(ctl_verify_t *v, pv_str_t sealed, pv_head_t **head);
static void ctl_entry_region(ctl_verify_t *v, pv_str_t sealed, const char *reason);
static void ctl_entry_listed(ctl_verify_t *v, const pv_head_t *head);
static int ctl_entry_bodies(ctl_verify_t *v, const pv_head_t *head, pv_str_t sealed);
static int ctl_entry_body(ctl_verify_t *v, const pv_head_t *head, pv_str_t sealed, pv_body_t body, size_t language);
static int ctl_entry_version(ctl_verify_t *v, const pv_head_t *head, pv_str_t sealed);
static void ctl_chain(ctl_verify_t *v);
static int ctl_chain_signed(void *data, const pv_head_t *head);


int
ctl_verify_list(ctl_verify_t *v)
{
    int      rc;
    size_t   page, pages;
    json_t  *answer;

    pages = 1;
    rc = CTL_OK;

    for (page = 1; rc == CTL_OK && page <= pages; page++) {
        rc = ctl_list_page(v, page, &answer);

        if (rc != CTL_OK || answer == NULL) {
            return rc;
        }

        rc = ctl_list_site(v, answer);
        rc = rc == CTL_OK ? ctl_list_entries(v, json_object_get(answer, "entries")) : rc;

        pages = (size_t) json_integer_value(json_object_get(answer, "pages"));
        pages = pages > CTL_VERIFY_ENTRIES ? CTL_VERIFY_ENTRIES : pages;

        if (rc == CTL_OK && page >= pages
            && json_integer_value(json_object_get(answer, "total")) != (json_int_t) v->count)
        {
            ctl_verify_wrong(v, "log", "says that it has %" JSON_INTEGER_FORMAT " entries, and lists %zu",
                             json_integer_value(json_object_get(answer, "total")), v->count);
        }

        json_decref(answer);
    }

    if (rc == CTL_OK && v->count == 0) {
        ctl_verify_wrong(v, "log", "is empty: nothing was published, or everything was cut off");
    }

    return rc;
}


/* NULL when it is not served, or is none; which was said. */
static int
ctl_list_page(ctl_verify_t *v, size_t page, json_t **answer)
{
    int       rc, there;
    char      path[64];
    pv_buf_t  body;

    *answer = NULL;
    pv_buf_init(&body, CTL_LIST_MAX);
    snprintf(path, sizeof(path), "log?page=%zu", page);

    rc = ctl_verify_get(v, path, "application/json", &body, &there);

    if (rc == CTL_OK && there) {
        *answer = json_loadb(body.data != NULL ? (const char *) body.data : "", body.len, JSON_REJECT_DUPLICATES, NULL);

        if (!json_is_array(json_object_get(*answer, "entries")) || !json_is_string(json_object_get(*answer, "site"))) {
            ctl_verify_wrong(v, path, "is no page of a publication log");
            json_decref(*answer);
            *answer = NULL;
        }
    }

    pv_buf_free(&body);

    return rc;
}


/* The name is believed when entries are signed for it, which comes later. */
static int
ctl_list_site(ctl_verify_t *v, const json_t *page)
{
    const char  *site;

    site = json_string_value(json_object_get(page, "site"));

    if (!pv_site_valid(pv_str(site)) || (v->name[0] != '\0' && strcmp(v->name, site) != 0)) {
        ctl_verify_wrong(v, "log", "names no site, or another one on each page");
        return v->name[0] != '\0' ? CTL_OK : CTL_WRONG;
    }

    if (v->site != NULL && v->name[0] == '\0' && strcmp(v->site, site) != 0) {
        ctl_verify_wrong(v, "log", "is of the site %s, not of %s", site, v->site);
    }

    snprintf(v->name, sizeof(v->name), "%s", v->site != NULL ? v->site : site);

    return CTL_OK;
}


static int
ctl_list_entries(ctl_verify_t *v, const json_t *entries)
{
    size_t         i, n;
    json_t        *entry;
    json_int_t     number;
    ctl_listed_t  *listed;

    n = json_array_size(entries);

    if (n > CTL_VERIFY_ENTRIES - v->count) {
        return ctl_fail(CTL_WRONG, "the log has more than %d entries", CTL_VERIFY_ENTRIES);
    }

    listed = realloc(v->listed, (v->count + n + 1) * sizeof(ctl_listed_t));
    if (listed == NULL) {
        return ctl_fail(CTL_WRONG, "out of memory");
    }

    v->listed = listed;

    json_array_foreach((json_t *) entries, i, entry) {
        number = json_integer_value(json_object_get(entry, "number"));

        if (number != (json_int_t) v->count + 1) {
            ctl_verify_wrong(v, "log", "lists number %" JSON_INTEGER_FORMAT " where %zu has to be", number, v->count + 1);
        }

        v->entry = (uint32_t) v->count + 1;

        if (ctl_list_entry(&v->listed[v->count++], entry) != PV_OK) {
            ctl_verify_wrong(v, "log", "what it lists there is no entry");
        }

        v->entry = 0;
    }

    return CTL_OK;
}


static int
ctl_list_entry(ctl_listed_t *listed, const json_t *entry)
{
    const char  *kind, *digest, *previous, *version, *effective;

    memset(listed, 0, sizeof(*listed));

    kind = json_string_value(json_object_get(entry, "kind"));
    digest = json_string_value(json_object_get(entry, "digest"));
    previous = json_string_value(json_object_get(entry, "previous"));
    version = json_string_value(json_object_get(entry, "version"));
    effective = json_string_value(json_object_get(entry, "effective"));

    if (kind == NULL || digest == NULL || previous == NULL
        || pv_hex_decode(listed->digest, PV_SHA256_LEN, pv_str(digest)) != PV_OK
        || pv_hex_decode(listed->previous, PV_SHA256_LEN, pv_str(previous)) != PV_OK)
    {
        return PV_INVALID;
    }

    listed->kind = pv_entry_kind(pv_str(kind));
    listed->published = json_integer_value(json_object_get(entry, "published"));
    snprintf(listed->version, sizeof(listed->version), "%s", version != NULL ? version : "");
    snprintf(listed->effective, sizeof(listed->effective), "%s", effective != NULL ? effective : "");

    return listed->kind != 0 ? PV_OK : PV_INVALID;
}


int
ctl_verify_entries(ctl_verify_t *v)
{
    int     rc;
    size_t  i;

    rc = CTL_OK;

    for (i = 0; rc == CTL_OK && i < v->count; i++) {
        rc = ctl_entry(v, (uint32_t) i + 1);
        ctl_verify_progress(v, "entry", i + 1, v->count);
    }

    v->entry = 0;
    v->version = NULL;

    if (rc == CTL_OK) {
        ctl_chain(v);
    }

    return rc;
}


static int
ctl_entry(ctl_verify_t *v, uint32_t number)
{
    int         rc, there;
    char        path[32];
    size_t      found;
    pv_str_t    sealed;
    pv_buf_t    body;
    pv_head_t  *head;

    v->entry = number;
    v->version = v->listed[number - 1].version[0] != '\0' ? v->listed[number - 1].version : NULL;
    found = v->found;
    head = NULL;

    pv_buf_init(&body, PV_SEALED_MAX);
    snprintf(path, sizeof(path), "log/%" PRIu32, number);

    rc = ctl_verify_get(v, path, NULL, &body, &there);
    sealed = (pv_str_t) { body.data, body.len };

    if (rc == CTL_OK && there && ctl_entry_open(v, sealed, &head) == PV_OK) {
        ctl_entry_listed(v, head);
        rc = ctl_entry_bodies(v, head, sealed);

        if (rc == CTL_OK && v->found == found && head->kind == PV_ENTRY_VERSION) {
            rc = ctl_entry_version(v, head, sealed);
        }

        if (pv_log_add(v->chain, head, NULL) == PV_OK) {
            head = NULL;
        }
    }

    pv_head_free(head);
    pv_buf_free(&body);

    return rc;
}


/* The frame, the head, the signature. *head is NULL when it was wrong, which was said. */
static int
ctl_entry_open(ctl_verify_t *v, pv_str_t sealed, pv_head_t **head)
{
    int             rc;
    pv_problems_t   problems;

    pv_problems_init(&problems);
    rc = pv_head_open(head, sealed, pv_str(v->name), NULL, &problems);

    if (rc == PV_OK && pv_head_verify(sealed, pv_str(v->name), (*head)->key) != PV_OK) {
        ctl_entry_region(v, sealed, "the signature does not hold: one of the two was altered, or it is another site's");
        rc = PV_INVALID;

    } else if (rc != PV_OK) {
        ctl_entry_region(v, sealed, rc == PV_SHORT ? "it is cut"
                         : problems.count ? problems.list[0].reason : "it is no sealed bundle");
    }

    if (rc == PV_OK && (*head)->sequence != v->entry) {
        ctl_verify_wrong(v, NULL, "what is served is number %" PRIu32 ": out of order, or put there twice",
                         (*head)->sequence);
        rc = PV_INVALID;
    }

    if (rc != PV_OK) {
        pv_head_free(*head);
        *head = NULL;
    }

    pv_problems_free(&problems);

    return rc;
}


/* Where signature and head lie, as far as they can be told; by the digest that the log lists, which of them it was. */
static void
ctl_entry_region(ctl_verify_t *v, pv_str_t sealed, const char *reason)
{
    size_t         first;
    pv_str_t       signature, head, bodies;
    unsigned char  digest[PV_SHA256_LEN];

    if (pv_sealed_split(sealed, &signature, &head, &bodies, NULL) != PV_OK) {
        ctl_verify_wrong(v, "frame", "it does not have a bundle's first line, a signature and a head: %s", reason);
        return;
    }

    first = (size_t) (head.data - sealed.data);

    if (pv_sha256(digest, &head, 1) == PV_OK && memcmp(digest, v->listed[v->entry - 1].digest, PV_SHA256_LEN) == 0) {
        ctl_verify_wrong(v, "signature", "bytes %zu to %zu: %s", (size_t) (signature.data - sealed.data), first - 2,
                         reason);
        return;
    }

    ctl_verify_wrong(v, "head", "bytes %zu to %zu: %s", first, first + head.len, reason);
}


static void
ctl_entry_listed(ctl_verify_t *v, const pv_head_t *head)
{
    const char          *field;
    const ctl_listed_t  *listed;

    listed = &v->listed[v->entry - 1];

    field = head->kind != listed->kind ? "kind"
            : memcmp(head->digest, listed->digest, PV_SHA256_LEN) != 0 ? "digest"
            : memcmp(head->previous, listed->previous, PV_SHA256_LEN) != 0 ? "previous"
            : head->published != listed->published ? "published"
            : !pv_str_eqs(head->version, listed->version) ? "version"
            : !pv_str_eqs(head->effective_text, listed->effective) ? "effective" : NULL;

    if (field != NULL) {
        ctl_verify_wrong(v, "log", "its list says of \"%s\" what the signed entry does not", field);
    }
}


static int
ctl_entry_bodies(ctl_verify_t *v, const pv_head_t *head, pv_str_t sealed)
{
    int     rc;
    size_t  i;

    if (sealed.len != head->size) {
        ctl_verify_wrong(v, NULL, "has %zu bytes, and was signed with %" PRIu32, sealed.len, head->size);
    }

    if (head->kind != PV_ENTRY_VERSION) {
        return CTL_OK;
    }

    rc = ctl_entry_body(v, head, sealed, PV_BODY_DECLARED, 0);

    for (i = 0; rc == CTL_OK && i < head->texts_count; i++) {
        rc = ctl_entry_body(v, head, sealed, PV_BODY_MARKDOWN, i);
        rc = rc == CTL_OK ? ctl_entry_body(v, head, sealed, PV_BODY_HTML, i) : rc;
    }

    return rc;
}


static int
ctl_entry_body(ctl_verify_t *v, const pv_head_t *head, pv_str_t sealed, pv_body_t body, size_t language)
{
    int       rc;
    char      where[128];
    size_t    at;
    pv_str_t  bytes;

    at = pv_head_offset(head, body, language);
    bytes.len = pv_head_part(head, body, language)->size;

    rc = PV_INVALID;

    if (at <= sealed.len && bytes.len <= sealed.len - at) {
        bytes.data = sealed.data + at;
        rc = pv_head_body_verify(head, body, language, bytes);
    }

    if (rc == PV_ERROR) {
        return ctl_fail(CTL_WRONG, "the cryptographic library failed");
    }

    if (rc != PV_OK) {
        snprintf(where, sizeof(where), "%s%s%s", body == PV_BODY_DECLARED ? "policy.json"
                 : (const char *) head->texts[language].language.data, body == PV_BODY_DECLARED ? "" : ", ",
                 body == PV_BODY_MARKDOWN ? "Markdown" : body == PV_BODY_HTML ? "HTML" : "");
        ctl_verify_wrong(v, where, "bytes %zu to %zu are not what was signed", at, at + bytes.len);
    }

    return CTL_OK;
}


/* Every field, then what the site shows of it. */
static int
ctl_entry_version(ctl_verify_t *v, const pv_head_t *head, pv_str_t sealed)
{
    int             rc;
    pv_policy_t    *policy;
    pv_problems_t   problems;

    rc = CTL_OK;
    pv_problems_init(&problems);

    if (pv_policy_open(&policy, sealed, pv_str(v->name), head->key, &problems) != PV_OK) {
        ctl_verify_wrong(v, problems.count ? problems.list[0].field : NULL, "%s",
                         problems.count ? problems.list[0].reason : "it does not open");

    } else if (!v->log_only) {
        rc = ctl_verify_version(v, policy, head, sealed);
    }

    pv_policy_free(policy);
    pv_problems_free(&problems);

    return rc;
}


static void
ctl_chain(ctl_verify_t *v)
{
    size_t            i;
    pv_problems_t     problems;
    const pv_head_t  *head, *withdrawn;

    pv_problems_init(&problems);
    (void) pv_log_settle(v->chain, ctl_chain_signed, NULL, &problems);

    for (i = 0; i < problems.count; i++) {
        v->entry = problems.list[i].line;
        ctl_verify_wrong(v, NULL, "%s", problems.list[i].reason);
    }

    for (i = 0; i < pv_log_count(v->chain); i++) {
        head = pv_log_entry(v->chain, i);
        v->entry = head->sequence;

        if (i > 0 && head->sequence != pv_log_entry(v->chain, i - 1)->sequence + 1) {
            ctl_verify_wrong(v, NULL, "the one before it is not there to hold on to");
        }

        withdrawn = head->kind == PV_ENTRY_WITHDRAWAL ? pv_log_withdrawal(v->chain, head->withdraws) : NULL;

        if (head->kind == PV_ENTRY_WITHDRAWAL && withdrawn != head) {
            ctl_verify_wrong(v, NULL, "withdraws nothing: number %" PRIu32 " is no version, was withdrawn before, or was "
                             "in force already", head->withdraws);
        }
    }

    v->entry = 0;
    pv_problems_free(&problems);
}


/* When it was read. */
static int
ctl_chain_signed(void *data, const pv_head_t *head)
{
    (void) data;
    (void) head;

    return PV_OK;
}
