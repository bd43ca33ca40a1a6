/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <string.h>

#include "pv_bundle_covered.h"
#include "pv_bundle_draft.h"
#include "pv_head_json.h"
#include "pv_seal.h"
#include "pv_text.h"


static int pv_bundle_draft(pv_draft_t *draft, const pv_bundle_source_t *source, const pv_bundle_context_t *context,
    pv_problems_t *problems);
static int pv_bundle_urgent(const pv_bundle_context_t *context, pv_problems_t *problems);
static int pv_bundle_entry(pv_buf_t *out, const pv_draft_t *draft, const pv_bundle_context_t *context,
    const unsigned char secret[PV_ED25519_SECRET], pv_problems_t *problems);
static int pv_bundle_head(json_t *head, const pv_draft_t *draft, const pv_bundle_context_t *context);
static int pv_bundle_texts(json_t *head, pv_buf_t *bodies, const pv_draft_t *draft);
static json_t *pv_bundle_part(pv_buf_t *bodies, pv_str_t bytes);
static pv_str_t pv_bundle_string(const json_t *value);
static int pv_bundle_reads_back(pv_str_t sealed, const pv_bundle_source_t *source, const pv_bundle_context_t *context,
    const unsigned char secret[PV_ED25519_SECRET], pv_problems_t *problems);


int
pv_bundle_check(const pv_bundle_source_t *source, const pv_bundle_context_t *context, pv_problems_t *problems)
{
    int         rc;
    pv_draft_t  draft;

    rc = pv_bundle_draft(&draft, source, context, problems);
    pv_draft_free(&draft);

    return rc;
}


int
pv_bundle_seal(pv_buf_t *out, const pv_bundle_source_t *source, const pv_bundle_context_t *context,
    const unsigned char secret[PV_ED25519_SECRET], pv_problems_t *problems)
{
    int         rc;
    size_t      start;
    pv_draft_t  draft;

    rc = pv_bundle_draft(&draft, source, context, problems);
    if (rc != PV_OK) {
        pv_draft_free(&draft);
        return rc;
    }

    start = out->len;
    rc = pv_bundle_entry(out, &draft, context, secret, problems);

    if (rc == PV_OK) {
        rc = pv_bundle_reads_back((pv_str_t) { out->data + start, out->len - start }, source, context, secret,
                                  problems);
    }

    if (rc != PV_OK) {
        out->len = start;
    }

    pv_draft_free(&draft);

    return rc;
}


static int
pv_bundle_draft(pv_draft_t *draft, const pv_bundle_source_t *source, const pv_bundle_context_t *context,
    pv_problems_t *problems)
{
    int      rc;
    json_t  *bits;

    bits = NULL;

    if (context != NULL) {
        bits = pv_draft_bits(context);
        if (bits == NULL) {
            memset(draft, 0, sizeof(*draft));
            return PV_ERROR;
        }
    }

    rc = pv_draft_read(draft, source, bits, problems);
    json_decref(bits);

    if (rc == PV_INVALID && context != NULL && draft->declared != NULL) {
        pv_draft_times(draft, context, source->json_file, problems);
    }

    if (rc != PV_OK || context == NULL) {
        return rc;
    }

    rc = pv_draft_follow(draft, context, source->json_file, problems);

    if (pv_bundle_urgent(context, problems) != PV_OK && rc == PV_OK) {
        rc = PV_INVALID;
    }

    return rc;
}


static int
pv_bundle_urgent(const pv_bundle_context_t *context, pv_problems_t *problems)
{
    const char  *problem;

    if (context->urgent == NULL) {
        return PV_OK;
    }

    problem = pv_text_problem(pv_str(context->urgent), 0);
    problem = problem == NULL && *context->urgent == '\0' ? "is empty" : problem;
    problem = problem == NULL && strlen(context->urgent) > 1024 ? "is longer than 1024 bytes" : problem;

    if (problem != NULL) {
        pv_problem(problems, NULL, 0, "urgent", "the reason %s", problem);
        return PV_INVALID;
    }

    return PV_OK;
}


static int
pv_bundle_entry(pv_buf_t *out, const pv_draft_t *draft, const pv_bundle_context_t *context,
    const unsigned char secret[PV_ED25519_SECRET], pv_problems_t *problems)
{
    int        rc;
    char      *declared;
    json_t    *head;
    pv_buf_t   bodies;

    pv_buf_init(&bodies, PV_SEALED_MAX);

    head = pv_seal_head(context, PV_ENTRY_VERSION, secret);
    declared = json_dumps(draft->declared, JSON_SORT_KEYS | JSON_COMPACT);
    rc = head != NULL && declared != NULL ? pv_bundle_head(head, draft, context) : PV_ERROR;

    if (rc == PV_OK && json_object_set_new(head, "declared", pv_bundle_part(&bodies, pv_str(declared))) != 0) {
        rc = PV_ERROR;
    }

    rc = rc == PV_OK ? pv_bundle_texts(head, &bodies, draft) : rc;

    if (rc == PV_OK && bodies.failed) {
        pv_problem(problems, NULL, 0, NULL, "the texts come to more than %d bytes together", PV_SEALED_MAX);
        rc = PV_INVALID;
    }

    rc = rc == PV_OK ? pv_seal(out, context->site, head, (pv_str_t) { bodies.data, bodies.len }, secret, problems) : rc;

    pv_buf_free(&bodies);
    json_decref(head);
    free(declared);

    return rc;
}


/* What the head says besides the parts. */
static int
pv_bundle_head(json_t *head, const pv_draft_t *draft, const pv_bundle_context_t *context)
{
    int        rc;
    json_t    *reduces;
    pv_buf_t   reason;

    reduces = json_boolean(json_is_true(json_object_get(draft->declared, "reduces_rights")));

    rc = json_object_set(head, "version", json_object_get(draft->declared, "version")) == 0
         && json_object_set(head, "effective", json_object_get(draft->declared, "effective")) == 0
         && json_object_set(head, "languages", json_object_get(draft->declared, "languages")) == 0
         && json_object_set_new(head, "reduces_rights", reduces) == 0
         && json_object_set_new(head, "changes", pv_head_changes(draft->declared)) == 0
         && json_object_set(head, "bits", draft->bits) == 0
         && json_object_set(head, "asked_since", draft->asked_since) == 0
         && (json_array_size(draft->unnamed) == 0 || json_object_set(head, "unnamed", draft->unnamed) == 0)
         ? PV_OK : PV_ERROR;

    if (rc != PV_OK || context->urgent == NULL) {
        return rc;
    }

    pv_buf_init(&reason, 4 * 1024);
    rc = pv_text_nfc(&reason, pv_str(context->urgent));

    if (rc == PV_OK
        && json_object_set_new(head, "urgent", json_stringn((const char *) reason.data, reason.len)) != 0)
    {
        rc = PV_ERROR;
    }

    pv_buf_free(&reason);

    return rc;
}


static int
pv_bundle_texts(json_t *head, pv_buf_t *bodies, const pv_draft_t *draft)
{
    size_t       i;
    json_t      *texts, *from, *tag, *markdown, *html;
    const char  *language;

    texts = json_object();

    json_array_foreach(json_object_get(draft->declared, "languages"), i, tag) {
        language = json_string_value(tag);
        from = json_object_get(draft->texts, language);

        markdown = pv_bundle_part(bodies, pv_bundle_string(json_object_get(from, "markdown")));
        html = pv_bundle_part(bodies, pv_bundle_string(json_object_get(from, "html")));

        if (json_object_set_new(texts, language, json_pack("{s:O, s:o, s:o}", "title", json_object_get(from, "title"),
                                                           "markdown", markdown, "html", html)) != 0)
        {
            json_decref(texts);
            return PV_ERROR;
        }
    }

    return json_object_set_new(head, "texts", texts) == 0 ? PV_OK : PV_ERROR;
}


/* Adds the bytes to the bodies; the size and digest that the head names, or NULL. */
static json_t *
pv_bundle_part(pv_buf_t *bodies, pv_str_t bytes)
{
    char           hex[2 * PV_SHA256_LEN + 1];
    unsigned char  digest[PV_SHA256_LEN];

    pv_buf_str(bodies, bytes);

    if (pv_sha256(digest, &bytes, 1) != PV_OK) {
        return NULL;
    }

    pv_hex_encode(hex, digest, PV_SHA256_LEN);
    hex[2 * PV_SHA256_LEN] = '\0';

    return json_pack("{s:I, s:s}", "size", (json_int_t) bytes.len, "sha256", hex);
}


static pv_str_t
pv_bundle_string(const json_t *value)
{
    return (pv_str_t) { (const unsigned char *) json_string_value(value), json_string_length(value) };
}


/* Nothing is published that a node would refuse, or whose changes are not declared as what they are. */
static int
pv_bundle_reads_back(pv_str_t sealed, const pv_bundle_source_t *source, const pv_bundle_context_t *context,
    const unsigned char secret[PV_ED25519_SECRET], pv_problems_t *problems)
{
    int             rc;
    size_t          i;
    pv_policy_t    *policy;
    pv_problems_t   again;
    unsigned char   pub[PV_ED25519_PUBLIC];

    rc = pv_ed25519_public(pub, secret);
    if (rc != PV_OK) {
        return rc;
    }

    pv_problems_init(&again);

    rc = pv_policy_open(&policy, sealed, context->site, pub, &again);

    if (rc == PV_OK && context->previous != NULL) {
        rc = pv_bundle_covered(context->previous, policy, source->json_file, source->json, problems);
    }

    pv_policy_free(policy);

    for (i = 0; rc == PV_INVALID && i < again.count; i++) {
        if (!again.list[i].warning) {
            pv_problem(problems, again.list[i].file, 0, again.list[i].field, "%s", again.list[i].reason);
        }
    }

    pv_problems_free(&again);

    return rc;
}
