/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* What the site shows, compared with what was signed. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl_verify.h"

#define CTL_SHOWN_MAX  (16 * 1024 * 1024)


static int ctl_shown_markdown(ctl_verify_t *v, const pv_policy_t *policy, size_t language);
static int ctl_shown_html(ctl_verify_t *v, const pv_policy_t *policy, size_t language);
static size_t ctl_shown_heading(pv_str_t html);
static int ctl_shown_json(ctl_verify_t *v, const pv_policy_t *policy, size_t language);
static json_t *ctl_shown_expected(ctl_verify_t *v, const pv_policy_t *policy, size_t language);
static void ctl_shown_fields(ctl_verify_t *v, const char *where, const json_t *expected, const json_t *shown);
static int ctl_shown_proof(ctl_verify_t *v, const pv_policy_t *policy, const pv_head_t *head, pv_str_t sealed);
static int ctl_shown_versions(ctl_verify_t *v, size_t page, size_t *pages, size_t *listed);
static void ctl_shown_listed(ctl_verify_t *v, const json_t *version);
static int ctl_shown_in_force(ctl_verify_t *v);
static int ctl_shown_get(ctl_verify_t *v, const char *path, const char *accept, json_t **answer);


int
ctl_verify_version(ctl_verify_t *v, const pv_policy_t *policy, const pv_head_t *head, pv_str_t sealed)
{
    int     rc;
    size_t  i;

    rc = CTL_OK;

    for (i = 0; rc == CTL_OK && i < policy->texts_count; i++) {
        rc = ctl_shown_markdown(v, policy, i);
        rc = rc == CTL_OK ? ctl_shown_html(v, policy, i) : rc;
        rc = rc == CTL_OK ? ctl_shown_json(v, policy, i) : rc;
    }

    return rc == CTL_OK ? ctl_shown_proof(v, policy, head, sealed) : rc;
}


static int
ctl_shown_markdown(ctl_verify_t *v, const pv_policy_t *policy, size_t language)
{
    int              rc, there;
    char             path[256];
    size_t           i;
    pv_buf_t         body;
    const pv_text_t *text;

    text = &policy->texts[language];
    pv_buf_init(&body, CTL_SHOWN_MAX);
    snprintf(path, sizeof(path), "versions/%s.md?lang=%s", (const char *) policy->version.data,
             (const char *) text->language.data);

    rc = ctl_verify_get(v, path, NULL, &body, &there);

    if (rc == CTL_OK && there && !pv_str_eq((pv_str_t) { body.data, body.len }, text->markdown)) {
        for (i = 0; i < body.len && i < text->markdown.len && body.data[i] == text->markdown.data[i]; i++) { /* void */ }
        ctl_verify_wrong(v, path, "differs from what was signed from byte %zu on", i);
    }

    pv_buf_free(&body);

    return rc;
}


/* The rendered text has to stand in the page as it was signed, its title perhaps apart from the rest. */
static int
ctl_shown_html(ctl_verify_t *v, const pv_policy_t *policy, size_t language)
{
    int              rc, there;
    char             path[256];
    size_t           heading, rest, i;
    pv_buf_t         body;
    const pv_text_t *text;

    text = &policy->texts[language];
    heading = ctl_shown_heading(text->html);
    rest = text->html.len - heading;
    pv_buf_init(&body, CTL_SHOWN_MAX);
    snprintf(path, sizeof(path), "versions/%s.html?lang=%s", (const char *) policy->version.data,
             (const char *) text->language.data);

    rc = ctl_verify_get(v, path, NULL, &body, &there);

    if (rc == CTL_OK && there) {
        if (heading != 0 && memmem(body.data, body.len, text->html.data, heading) == NULL) {
            ctl_verify_wrong(v, path, "does not have the title that was signed");
        }

        if (rest != 0 && memmem(body.data, body.len, text->html.data + heading, rest) == NULL) {
            /* The longest beginning that is there says where it goes wrong. */
            for (i = rest / 2; i > 0 && memmem(body.data, body.len, text->html.data + heading, i) == NULL; i /= 2) {
                rest = i;
            }
            while (i + 1 < rest) {
                if (memmem(body.data, body.len, text->html.data + heading, (i + rest) / 2) != NULL) {
                    i = (i + rest) / 2;
                } else {
                    rest = (i + rest) / 2;
                }
            }
            ctl_verify_wrong(v, path, "does not have the text that was signed: it is missing, or differs at byte %zu of it",
                             heading + i);
        }
    }

    pv_buf_free(&body);

    return rc;
}


static size_t
ctl_shown_heading(pv_str_t html)
{
    const unsigned char  *end;

    if (html.len < 3 || memcmp(html.data, "<h1", 3) != 0) {
        return 0;
    }

    end = memmem(html.data, html.len, "</h1>", 5);

    return end != NULL ? (size_t) (end - html.data) + 5 : 0;
}


static int
ctl_shown_json(ctl_verify_t *v, const pv_policy_t *policy, size_t language)
{
    int      rc;
    char     path[256];
    json_t  *expected, *shown;

    snprintf(path, sizeof(path), "versions/%s.json?lang=%s", (const char *) policy->version.data,
             (const char *) policy->texts[language].language.data);

    rc = ctl_shown_get(v, path, NULL, &shown);
    if (rc != CTL_OK || shown == NULL) {
        return rc;
    }

    expected = ctl_shown_expected(v, policy, language);

    if (expected == NULL) {
        rc = ctl_fail(CTL_WRONG, "out of memory");
    } else {
        ctl_shown_fields(v, path, expected, shown);
    }

    json_decref(expected);
    json_decref(shown);

    return rc;
}


/* What nginx makes of that version, for it is made by the same code. */
static json_t *
ctl_shown_expected(ctl_verify_t *v, const pv_policy_t *policy, size_t language)
{
    json_t     *expected;
    pv_buf_t    out;
    pv_page_t   page;

    memset(&page, 0, sizeof(page));
    page.ui = v->ui;
    page.policy = policy;
    page.language = language;
    page.prefix = pv_str("/");

    pv_buf_init(&out, CTL_SHOWN_MAX);
    expected = NULL;

    if (pv_json_policy(&out, &page) == PV_OK) {
        expected = json_loadb((const char *) out.data, out.len, 0, NULL);
    }

    pv_buf_free(&out);

    return expected;
}


/* in_force is a matter of the time, and is looked at apart. */
static void
ctl_shown_fields(ctl_verify_t *v, const char *where, const json_t *expected, const json_t *shown)
{
    json_t      *value;
    const char  *key;

    json_object_foreach((json_t *) expected, key, value) {
        if (strcmp(key, "in_force") != 0 && !json_equal(value, json_object_get(shown, key))) {
            ctl_verify_wrong(v, where, "says of \"%s\" what was not signed", key);
        }
    }
}


static int
ctl_shown_proof(ctl_verify_t *v, const pv_policy_t *policy, const pv_head_t *head, pv_str_t sealed)
{
    int              rc;
    char             path[256];
    json_t          *shown, *expected;
    pv_buf_t         out;
    pv_page_t        page;
    pv_page_proof_t  proof;

    snprintf(path, sizeof(path), "versions/%s/proof", (const char *) policy->version.data);

    rc = ctl_shown_get(v, path, "application/json", &shown);
    if (rc != CTL_OK || shown == NULL) {
        return rc;
    }

    memset(&page, 0, sizeof(page));
    page.ui = v->ui;
    page.policy = policy;
    page.prefix = pv_str("/");
    proof = (pv_page_proof_t) { head, sealed, (uint32_t) v->count };

    pv_buf_init(&out, CTL_SHOWN_MAX);
    expected = pv_json_proof(&out, &page, &proof) == PV_OK
               ? json_loadb((const char *) out.data, out.len, 0, NULL) : NULL;
    pv_buf_free(&out);

    /* Where it is, and how far the log has got, are not signed. */
    (void) json_object_del(expected, "entry");
    (void) json_object_del(expected, "newest");

    ctl_shown_fields(v, path, expected, shown);
    json_decref(expected);
    json_decref(shown);

    return expected != NULL ? CTL_OK : ctl_fail(CTL_WRONG, "out of memory");
}


int
ctl_verify_shown(ctl_verify_t *v)
{
    int     rc;
    size_t  i, page, pages, listed, versions;

    versions = 0;

    for (i = 0; i < pv_log_count(v->chain); i++) {
        versions += pv_log_entry(v->chain, i)->kind == PV_ENTRY_VERSION;
    }

    rc = CTL_OK;
    pages = 1;
    listed = 0;

    for (page = 1; rc == CTL_OK && page <= pages; page++) {
        rc = ctl_shown_versions(v, page, &pages, &listed);
    }

    v->entry = 0;
    v->version = NULL;

    if (rc == CTL_OK && listed != versions) {
        ctl_verify_wrong(v, "versions.json", "lists %zu versions, and the log has %zu", listed, versions);
    }

    return rc == CTL_OK ? ctl_shown_in_force(v) : rc;
}


static int
ctl_shown_versions(ctl_verify_t *v, size_t page, size_t *pages, size_t *listed)
{
    int      rc;
    char     path[64];
    size_t   i;
    json_t  *answer, *one;

    v->entry = 0;
    v->version = NULL;
    snprintf(path, sizeof(path), "versions.json?page=%zu", page);

    rc = ctl_shown_get(v, path, NULL, &answer);
    if (rc != CTL_OK || answer == NULL) {
        return rc;
    }

    *pages = (size_t) json_integer_value(json_object_get(answer, "pages"));
    *pages = *pages > CTL_VERIFY_ENTRIES ? CTL_VERIFY_ENTRIES : *pages;

    json_array_foreach(json_object_get(answer, "versions"), i, one) {
        ctl_shown_listed(v, one);
        (*listed)++;
    }

    json_decref(answer);

    return CTL_OK;
}


static void
ctl_shown_listed(ctl_verify_t *v, const json_t *version)
{
    char               digest[2 * PV_SHA256_LEN + 1];
    json_int_t         sequence;
    const char        *field, *id, *shown, *effective;
    const pv_head_t   *head;

    sequence = json_integer_value(json_object_get(version, "sequence"));
    id = json_string_value(json_object_get(version, "version"));
    shown = json_string_value(json_object_get(version, "digest"));
    effective = json_string_value(json_object_get(version, "effective"));

    head = sequence > 0 && sequence <= UINT32_MAX ? pv_log_find(v->chain, (uint32_t) sequence) : NULL;

    if (head == NULL || head->kind != PV_ENTRY_VERSION) {
        ctl_verify_wrong(v, "versions.json", "lists number %" JSON_INTEGER_FORMAT ", which is no version of the log",
                         sequence);
        return;
    }

    pv_hex_encode(digest, head->digest, PV_SHA256_LEN);
    digest[2 * PV_SHA256_LEN] = '\0';

    v->entry = head->sequence;
    v->version = (const char *) head->version.data;

    field = id == NULL || !pv_str_eqs(head->version, id) ? "version"
            : shown == NULL || strcmp(shown, digest) != 0 ? "digest"
            : effective == NULL || !pv_str_eqs(head->effective_text, effective) ? "effective"
            : json_is_true(json_object_get(version, "reduces_rights")) != (int) head->reduces_rights ? "reduces_rights"
            : (json_object_get(version, "withdrawn") != NULL) != (pv_log_withdrawal(v->chain, head->sequence) != NULL)
            ? "withdrawn" : NULL;

    if (field != NULL) {
        ctl_verify_wrong(v, "versions.json", "says of \"%s\" what was not signed", field);
    }
}


/* The one that the site gives as its policy is the one that the log puts in force: before or after it was asked. */
static int
ctl_shown_in_force(ctl_verify_t *v)
{
    int               rc;
    json_t           *answer;
    time_t            before, after;
    json_int_t        sequence;
    const char       *digest;
    unsigned char     raw[PV_SHA256_LEN];
    const pv_head_t  *then, *now, *shown;

    v->entry = 0;
    v->version = NULL;
    before = time(NULL) - 5;        /* their clock is not ours */

    rc = ctl_shown_get(v, "", "application/json", &answer);
    if (rc != CTL_OK || answer == NULL) {
        return rc;
    }

    after = time(NULL) + 5;
    then = pv_log_in_force(v->chain, before, 0);
    now = pv_log_in_force(v->chain, after, 0);
    sequence = json_integer_value(json_object_get(answer, "sequence"));
    digest = json_string_value(json_object_get(answer, "digest"));
    shown = now != NULL && sequence == now->sequence ? now : then;

    if (shown == NULL || shown->sequence != sequence || digest == NULL
        || pv_hex_decode(raw, sizeof(raw), pv_str(digest)) != PV_OK
        || memcmp(raw, shown->digest, PV_SHA256_LEN) != 0)
    {
        ctl_verify_wrong(v, "the policy in force", "is number %" JSON_INTEGER_FORMAT ", and by the log it is %" PRIu32,
                         sequence, now != NULL ? now->sequence : 0);
    }

    json_decref(answer);

    return CTL_OK;
}


/* NULL when it is not served, or no JSON, which was said. */
static int
ctl_shown_get(ctl_verify_t *v, const char *path, const char *accept, json_t **answer)
{
    int       rc, there;
    pv_buf_t  body;

    *answer = NULL;
    pv_buf_init(&body, CTL_SHOWN_MAX);

    rc = ctl_verify_get(v, path, accept, &body, &there);

    if (rc == CTL_OK && there) {
        *answer = json_loadb(body.data != NULL ? (const char *) body.data : "", body.len, JSON_REJECT_DUPLICATES, NULL);

        if (!json_is_object(*answer)) {
            ctl_verify_wrong(v, path, "is no JSON document");
            json_decref(*answer);
            *answer = NULL;
        }
    }

    pv_buf_free(&body);

    return rc;
}
