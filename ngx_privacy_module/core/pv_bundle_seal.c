/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <string.h>

#include "pv_bundle_draft.h"
#include "pv_text.h"


static int pv_bundle_draft(pv_draft_t *draft, const pv_bundle_source_t *source, const pv_bundle_context_t *context,
    pv_problems_t *problems);
static int pv_bundle_urgent(const pv_bundle_context_t *context, pv_problems_t *problems);
static json_t *pv_bundle_payload(const pv_draft_t *draft, const pv_bundle_context_t *context);
static int pv_bundle_sign(pv_buf_t *out, pv_str_t payload, pv_str_t site,
    const unsigned char secret[PV_ED25519_SECRET]);
static int pv_bundle_reads_back(pv_str_t sealed, pv_str_t site, const unsigned char secret[PV_ED25519_SECRET],
    pv_problems_t *problems);


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
    char       *text;
    size_t      start;
    json_t     *payload;
    pv_draft_t  draft;

    rc = pv_bundle_draft(&draft, source, context, problems);
    if (rc != PV_OK) {
        pv_draft_free(&draft);
        return rc;
    }

    start = out->len;
    payload = pv_bundle_payload(&draft, context);
    text = payload != NULL ? json_dumps(payload, JSON_SORT_KEYS | JSON_COMPACT) : NULL;

    rc = text != NULL ? pv_bundle_sign(out, pv_str(text), context->site, secret) : PV_ERROR;

    if (rc == PV_OK) {
        rc = pv_bundle_reads_back((pv_str_t) { out->data + start, out->len - start }, context->site, secret,
                                  problems);
    }

    free(text);
    json_decref(payload);
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
        bits = pv_draft_bits(context->previous);
        if (bits == NULL) {
            memset(draft, 0, sizeof(*draft));
            return PV_ERROR;
        }
    }

    rc = pv_draft_read(draft, source, bits, problems);
    json_decref(bits);

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


static json_t *
pv_bundle_payload(const pv_draft_t *draft, const pv_bundle_context_t *context)
{
    char      previous[2 * PV_SHA256_LEN + 1];
    json_t   *payload, *urgent;
    pv_buf_t  reason;
    static const unsigned char  zeros[PV_SHA256_LEN];

    pv_hex_encode(previous, context->previous != NULL ? context->previous->digest : zeros, PV_SHA256_LEN);
    previous[2 * PV_SHA256_LEN] = '\0';

    payload = json_pack("{s:i, s:s%, s:I, s:s, s:I, s:O, s:O, s:O, s:O}",
                        "format", 1,
                        "site", (const char *) context->site.data, context->site.len,
                        "sequence", (json_int_t) context->sequence,
                        "previous", previous,
                        "published", (json_int_t) context->now,
                        "bits", draft->bits,
                        "asked_since", draft->asked_since,
                        "policy", draft->declared,
                        "texts", draft->texts);

    if (payload == NULL || context->urgent == NULL) {
        return payload;
    }

    pv_buf_init(&reason, 4 * 1024);
    urgent = NULL;

    if (pv_text_nfc(&reason, pv_str(context->urgent)) == PV_OK) {
        urgent = json_stringn((const char *) reason.data, reason.len);
    }

    if (json_object_set_new(payload, "urgent", urgent) != 0) {
        json_decref(payload);
        payload = NULL;
    }

    pv_buf_free(&reason);

    return payload;
}


static int
pv_bundle_sign(pv_buf_t *out, pv_str_t payload, pv_str_t site, const unsigned char secret[PV_ED25519_SECRET])
{
    int            rc;
    pv_buf_t       message;
    unsigned char  signature[PV_ED25519_SIG], text[pv_base64url_size(PV_ED25519_SIG) + 1];

    pv_buf_init(&message, PV_SEALED_MAX + 256);
    pv_sealed_message(&message, site, payload);
    rc = message.failed ? PV_ERROR : pv_ed25519_sign(signature, secret, message.data, message.len);
    pv_buf_free(&message);

    if (rc != PV_OK) {
        return rc;
    }

    pv_buf_puts(out, PV_SEALED_MAGIC);
    pv_buf_add(out, text, pv_base64url_encode(text, (pv_str_t) { signature, sizeof(signature) }));
    pv_buf_puts(out, "\n");
    pv_buf_str(out, payload);

    return out->failed ? PV_ERROR : PV_OK;
}


/* Nothing is published that a node would refuse. */
static int
pv_bundle_reads_back(pv_str_t sealed, pv_str_t site, const unsigned char secret[PV_ED25519_SECRET],
    pv_problems_t *problems)
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

    rc = pv_policy_open(&policy, sealed, site, pub, &again);
    if (rc == PV_OK) {
        pv_policy_free(policy);
    }

    for (i = 0; rc == PV_INVALID && i < again.count; i++) {
        if (!again.list[i].warning) {
            pv_problem(problems, again.list[i].file, 0, again.list[i].field, "%s", again.list[i].reason);
        }
    }

    pv_problems_free(&again);

    return rc;
}
