/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * The readers of sealed entries, behind the signature and in front of it; what
 * opens has to be coherent. The first byte says which: 0 an entry, whose head
 * is a line and whose bodies are parted by zeros: their sizes and digests are
 * made to fit, for no fuzzer guesses them; 1 a sealed entry as it is, whole;
 * 2 policy.json of a bundle that is yet to be published.
 */

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "pv_bundle.h"
#include "pv_bundle_advice.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static void made_to_fit(pv_str_t bytes, pv_problems_t *problems);
static json_t *part(pv_buf_t *bodies, pv_str_t *rest);
static void entry(pv_str_t sealed, pv_problems_t *problems);
static void opened(const pv_policy_t *policy);
static void source(pv_str_t json, pv_problems_t *problems);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pv_str_t        bytes;
    pv_policy_t    *policy;
    pv_problems_t   problems;
    static const unsigned char  pub[PV_ED25519_PUBLIC] = { 1 };

    if (size == 0) {
        return 0;
    }

    bytes.data = data + 1;
    bytes.len = size - 1;
    policy = NULL;

    pv_problems_init(&problems);

    switch (data[0] % 3) {
    case 0:
        made_to_fit(bytes, &problems);
        break;
    case 1:
        entry(bytes, &problems);
        if (pv_policy_open(&policy, bytes, pv_str("shop"), pub, &problems) == PV_OK) {
            abort();        /* nobody signed this */
        }
        break;
    default:
        source(bytes, &problems);
    }

    pv_policy_free(policy);
    pv_problems_free(&problems);

    return 0;
}


static void
made_to_fit(pv_str_t bytes, pv_problems_t *problems)
{
    size_t       i;
    char        *text;
    json_t      *head, *tag, *object;
    pv_buf_t     sealed, bodies;
    pv_str_t     line, rest;
    const char  *end;

    end = bytes.len != 0 ? memchr(bytes.data, '\n', bytes.len) : NULL;
    line = (pv_str_t) { bytes.data, end != NULL ? (size_t) (end - (const char *) bytes.data) : bytes.len };
    rest = (pv_str_t) { line.data + line.len + (end != NULL), bytes.len - line.len - (end != NULL) };

    pv_buf_init(&sealed, PV_SEALED_MAX);
    pv_buf_init(&bodies, PV_SEALED_MAX);
    head = json_loadb((const char *) line.data, line.len, 0, NULL);

    if (json_is_object(json_object_get(head, "declared"))) {
        json_object_set_new(head, "declared", part(&bodies, &rest));
    }

    json_array_foreach(json_object_get(head, "languages"), i, tag) {
        object = json_is_string(tag) ? json_object_get(json_object_get(head, "texts"), json_string_value(tag)) : NULL;

        if (json_is_object(object)) {
            json_object_set_new(object, "markdown", part(&bodies, &rest));
            json_object_set_new(object, "html", part(&bodies, &rest));
        }
    }

    text = head != NULL ? json_dumps(head, JSON_SORT_KEYS | JSON_COMPACT) : NULL;

    if (text != NULL) {
        pv_buf_printf(&sealed, "%s%0*d\n%s\n", PV_SEALED_MAGIC, (int) pv_base64url_size(PV_ED25519_SIG), 0, text);
        pv_buf_add(&sealed, bodies.data, bodies.len);
        memset(sealed.data + sizeof(PV_SEALED_MAGIC) - 1, 'A', pv_base64url_size(PV_ED25519_SIG));
        entry((pv_str_t) { sealed.data, sealed.len }, problems);
    }

    free(text);
    json_decref(head);
    pv_buf_free(&bodies);
    pv_buf_free(&sealed);
}


/* The bytes up to the next zero are a body. */
static json_t *
part(pv_buf_t *bodies, pv_str_t *rest)
{
    char                  hex[2 * PV_SHA256_LEN + 1];
    pv_str_t              one;
    unsigned char         digest[PV_SHA256_LEN];
    const unsigned char  *end;

    end = rest->len != 0 ? memchr(rest->data, '\0', rest->len) : NULL;
    one = (pv_str_t) { rest->data, end != NULL ? (size_t) (end - rest->data) : rest->len };
    rest->data += one.len + (end != NULL);
    rest->len -= one.len + (end != NULL);

    pv_buf_str(bodies, one);
    (void) pv_sha256(digest, &one, 1);
    hex[pv_hex_encode(hex, digest, PV_SHA256_LEN)] = '\0';

    return json_pack("{s:s, s:I}", "sha256", hex, "size", (json_int_t) one.len);
}


/* What opens whole has a head that opens from its first bytes, and says the same. */
static void
entry(pv_str_t sealed, pv_problems_t *problems)
{
    int           rc;
    size_t        need;
    pv_head_t    *head, *again;
    pv_policy_t  *policy;

    rc = pv_head_open(&head, sealed, pv_str("shop"), &need, problems);

    if (rc == PV_INVALID && problems->errors == 0) {
        abort();            /* refused without a word */
    }

    if (rc == PV_SHORT && (need <= sealed.len || need > PV_HEAD_PREFIX_MAX)) {
        abort();
    }

    if (rc == PV_OK) {
        if (head->bodies > PV_HEAD_PREFIX_MAX || head->size < head->bodies || head->sequence == 0
            || pv_head_open(&again, (pv_str_t) { sealed.data, head->bodies }, pv_str("shop"), NULL, problems) != PV_OK
            || memcmp(again->digest, head->digest, PV_SHA256_LEN) != 0)
        {
            abort();
        }
        pv_head_free(again);
    }

    if (pv_policy_parse(&policy, sealed, pv_str("shop"), problems) == PV_OK) {
        if (rc != PV_OK || head->kind != PV_ENTRY_VERSION || policy->effective != head->effective
            || policy->texts_count != head->texts_count || policy->changes_count != head->changes_count)
        {
            abort();
        }
        opened(policy);
        pv_policy_free(policy);

    } else if (problems->errors == 0) {
        abort();
    }

    pv_head_free(head);
}


static void
opened(const pv_policy_t *policy)
{
    size_t         i;
    uint64_t       seen;
    pv_verdict_t   verdict;

    for (i = 0, seen = 0; i < policy->purposes_count; i++) {
        if (policy->purposes[i].bit > 63 || (seen & ((uint64_t) 1 << policy->purposes[i].bit))) {
            abort();
        }
        seen |= (uint64_t) 1 << policy->purposes[i].bit;

        if (pv_translation(policy, policy->purposes[i].title, policy->texts_count - 1).data == NULL) {
            abort();
        }
    }

    pv_policy_judge(&verdict, policy, NULL, 0);

    if (seen != policy->all || verdict.allowed != policy->necessary || (verdict.allowed & ~policy->all)
        || (policy->necessary & policy->separate) || policy->texts_count == 0)
    {
        abort();
    }
}


/* What the validator takes has to be sealed, and to open again. */
static void
source(pv_str_t json, pv_problems_t *problems)
{
    pv_buf_t             sealed;
    pv_bundle_text_t     texts[2];
    pv_bundle_source_t   from;
    pv_bundle_context_t  context;
    static const unsigned char  secret[PV_ED25519_SECRET] = { 1 };

    memset(&context, 0, sizeof(context));
    texts[0] = (pv_bundle_text_t) { pv_str("zh-CN"), pv_str("# T"), "policy.zh-CN.md" };
    texts[1] = (pv_bundle_text_t) { pv_str("en"), pv_str("# T"), "policy.en.md" };
    from = (pv_bundle_source_t) { json, "policy.json", texts, 2 };

    context.site = pv_str("shop");
    context.sequence = 1;

    pv_buf_init(&sealed, PV_SEALED_MAX);

    /* One that is taken is only refused when its head gets too large for the frame, which is said. */
    if (pv_bundle_check(&from, &context, problems) == PV_OK
        && pv_bundle_seal(&sealed, &from, &context, secret, problems) != PV_OK && problems->errors == 0)
    {
        abort();
    }

    if (pv_bundle_advise(&from, problems) != PV_OK) {
        abort();
    }

    pv_buf_free(&sealed);
}
