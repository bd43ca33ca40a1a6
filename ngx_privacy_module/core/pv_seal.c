/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <string.h>

#include "pv_head_json.h"
#include "pv_seal.h"
#include "pv_text.h"


static int pv_seal_small(pv_buf_t *out, const pv_bundle_context_t *context, json_t *head,
    const unsigned char secret[PV_ED25519_SECRET], pv_problems_t *problems);
static json_t *pv_seal_public(const unsigned char secret[PV_ED25519_SECRET]);


int
pv_seal_withdrawal(pv_buf_t *out, const pv_bundle_context_t *context, uint32_t withdraws, const char *reason,
    const unsigned char secret[PV_ED25519_SECRET], pv_problems_t *problems)
{
    json_t      *head;
    pv_buf_t     nfc;
    const char  *problem;

    problem = pv_text_problem(pv_str(reason), 0);
    problem = problem == NULL && *reason == '\0' ? "is empty" : problem;
    problem = problem == NULL && strlen(reason) > PV_REASON_MAX ? "is too long" : problem;

    if (problem != NULL) {
        pv_problem(problems, NULL, 0, "reason", "%s", problem);
        return PV_INVALID;
    }

    pv_buf_init(&nfc, 4 * PV_REASON_MAX);
    head = pv_text_nfc(&nfc, pv_str(reason)) == PV_OK ? pv_seal_head(context, PV_ENTRY_WITHDRAWAL, secret) : NULL;

    if (head != NULL
        && (json_object_set_new(head, "withdraws", json_integer(withdraws)) != 0
            || json_object_set_new(head, "reason", json_stringn((const char *) nfc.data, nfc.len)) != 0))
    {
        json_decref(head);
        head = NULL;
    }

    pv_buf_free(&nfc);

    return pv_seal_small(out, context, head, secret, problems);
}


int
pv_seal_key(pv_buf_t *out, const pv_bundle_context_t *context, const unsigned char secret[PV_ED25519_SECRET],
    const unsigned char next[PV_ED25519_SECRET], pv_problems_t *problems)
{
    int            rc;
    char          *text;
    json_t        *head;
    unsigned char  proof[PV_SIGNATURE_TEXT + 1];

    head = pv_seal_head(context, PV_ENTRY_KEY, secret);
    rc = head != NULL && json_object_set_new(head, "new_key", pv_seal_public(next)) == 0 ? PV_OK : PV_ERROR;
    text = rc == PV_OK ? pv_head_canonical(head, NULL) : NULL;

    rc = text != NULL ? pv_signed_sign(proof, PV_SEALED_MAGIC, context->site, pv_str(text), next) : PV_ERROR;
    rc = rc == PV_OK && json_object_set_new(head, "proof", json_string((const char *) proof)) == 0 ? PV_OK : PV_ERROR;

    free(text);

    if (rc != PV_OK) {
        json_decref(head);
        head = NULL;
    }

    return pv_seal_small(out, context, head, secret, problems);
}


/* An entry without bodies; nothing is sealed that would be refused. Takes the head, NULL when memory ran out. */
static int
pv_seal_small(pv_buf_t *out, const pv_bundle_context_t *context, json_t *head,
    const unsigned char secret[PV_ED25519_SECRET], pv_problems_t *problems)
{
    int         rc;
    size_t      start;
    pv_str_t    sealed;
    pv_head_t  *opened;

    start = out->len;
    rc = head != NULL ? pv_seal(out, context->site, head, (pv_str_t) { NULL, 0 }, secret, problems) : PV_ERROR;
    json_decref(head);

    if (rc != PV_OK) {
        return rc;
    }

    sealed = (pv_str_t) { out->data + start, out->len - start };
    rc = pv_head_open(&opened, sealed, context->site, NULL, problems);
    pv_head_free(opened);

    if (rc != PV_OK) {
        out->len = start;
    }

    return rc == PV_SHORT ? PV_ERROR : rc;
}


json_t *
pv_seal_head(const pv_bundle_context_t *context, pv_entry_kind_t kind, const unsigned char secret[PV_ED25519_SECRET])
{
    char                  previous[2 * PV_SHA256_LEN + 1];
    const unsigned char  *last;
    static const unsigned char  zeros[PV_SHA256_LEN];

    last = context->last != NULL ? context->last : context->previous != NULL ? context->previous->digest : zeros;

    pv_hex_encode(previous, last, PV_SHA256_LEN);
    previous[2 * PV_SHA256_LEN] = '\0';

    return json_pack("{s:i, s:s, s:s%, s:I, s:s, s:I, s:o}",
                     "format", PV_HEAD_FORMAT,
                     "kind", pv_entry_kind_name(kind),
                     "site", (const char *) context->site.data, context->site.len,
                     "sequence", (json_int_t) context->sequence,
                     "previous", previous,
                     "published", (json_int_t) context->now,
                     "key", pv_seal_public(secret));
}


int
pv_seal(pv_buf_t *out, pv_str_t site, const json_t *head, pv_str_t bodies,
    const unsigned char secret[PV_ED25519_SECRET], pv_problems_t *problems)
{
    int    rc;
    char  *text;

    text = pv_head_canonical(head, NULL);
    if (text == NULL) {
        return PV_ERROR;
    }

    if (strlen(text) > PV_HEAD_MAX) {
        pv_problem(problems, NULL, 0, "changes", "their summaries, the titles and the ids of purposes come to more than "
                   "%d bytes", PV_HEAD_MAX);
        free(text);
        return PV_INVALID;
    }

    rc = pv_signed_seal(out, PV_SEALED_MAGIC, site, pv_str(text), secret);
    free(text);

    if (rc == PV_OK) {
        pv_buf_str(out, bodies);
    }

    return rc == PV_OK && out->failed ? PV_ERROR : rc;
}


static json_t *
pv_seal_public(const unsigned char secret[PV_ED25519_SECRET])
{
    size_t         len;
    unsigned char  pub[PV_ED25519_PUBLIC], text[pv_base64url_size(PV_ED25519_PUBLIC) + 1];

    if (pv_ed25519_public(pub, secret) != PV_OK) {
        return NULL;
    }

    len = pv_base64url_encode(text, (pv_str_t) { pub, sizeof(pub) });

    return json_stringn((const char *) text, len);
}
