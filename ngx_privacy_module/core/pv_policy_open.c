/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * From a sealed bundle to a pv_policy_t. First the frame and the signature,
 * over bytes; only then is JSON parsed, and what it declares goes through the
 * same validator as at publication.
 */

#include <stdlib.h>
#include <string.h>

#include "pv_bundle.h"
#include "pv_declared.h"
#include "pv_policy_build.h"
#include "pv_text.h"


static int pv_payload_check(const json_t *root, pv_str_t site, pv_problems_t *problems);
static int pv_payload_numbers(const json_t *root, pv_problems_t *problems);
static int pv_payload_bits(const json_t *root, pv_problems_t *problems);
static int pv_payload_asked_since(const json_t *root, pv_problems_t *problems);
static int pv_payload_texts(const json_t *root, pv_problems_t *problems);
static int pv_payload_text(const json_t *text, const char *language, pv_problems_t *problems);


int
pv_sealed_split(pv_str_t sealed, pv_str_t *signature, pv_str_t *payload)
{
    size_t                head;
    const unsigned char  *end;

    head = sizeof(PV_SEALED_MAGIC) - 1;

    if (sealed.len > PV_SEALED_MAX || sealed.len < head || memcmp(sealed.data, PV_SEALED_MAGIC, head) != 0) {
        return PV_INVALID;
    }

    end = memchr(sealed.data + head, '\n', sealed.len - head);
    if (end == NULL) {
        return PV_INVALID;
    }

    signature->data = sealed.data + head;
    signature->len = (size_t) (end - signature->data);
    payload->data = end + 1;
    payload->len = sealed.len - (size_t) (payload->data - sealed.data);

    if (signature->len != pv_base64url_size(PV_ED25519_SIG) || payload->len == 0) {
        return PV_INVALID;
    }

    return PV_OK;
}


void
pv_sealed_message(pv_buf_t *out, pv_str_t site, pv_str_t payload)
{
    pv_buf_puts(out, PV_SEALED_MAGIC);
    pv_buf_str(out, site);
    pv_buf_puts(out, "\n");
    pv_buf_str(out, payload);
}


int
pv_policy_open(pv_policy_t **policy, pv_str_t sealed, pv_str_t site, const unsigned char pub[PV_ED25519_PUBLIC],
    pv_problems_t *problems)
{
    int            rc;
    pv_buf_t       message;
    pv_str_t       signature, payload;
    unsigned char  raw[PV_ED25519_SIG + 2];

    *policy = NULL;

    if (!pv_site_valid(site)) {
        pv_problem(problems, NULL, 0, "site", "is no site name");
        return PV_INVALID;
    }

    if (pv_sealed_split(sealed, &signature, &payload) != PV_OK
        || pv_base64url_decode(raw, sizeof(raw), signature) != PV_ED25519_SIG)
    {
        pv_problem(problems, NULL, 0, NULL, "is no sealed bundle");
        return PV_INVALID;
    }

    pv_buf_init(&message, PV_SEALED_MAX + 256);
    pv_sealed_message(&message, site, payload);
    rc = message.failed ? PV_ERROR : pv_ed25519_verify(raw, pub, message.data, message.len);
    pv_buf_free(&message);

    if (rc != PV_OK) {
        if (rc == PV_INVALID) {
            pv_problem(problems, NULL, 0, NULL, "the signature does not hold: altered, of another site, "
                       "or signed with another key");
        }
        return rc;
    }

    return pv_policy_parse(policy, payload, site, problems);
}


int
pv_policy_parse(pv_policy_t **policy, pv_str_t payload, pv_str_t site, pv_problems_t *problems)
{
    int            rc;
    json_t        *root;
    pv_str_t       part;
    json_error_t   error;
    unsigned char  digest[PV_SHA256_LEN];

    *policy = NULL;

    root = json_loadb((const char *) payload.data, payload.len, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        pv_problem(problems, NULL, error.line > 0 ? (unsigned) error.line : 0, NULL, "the payload is not JSON");
        return PV_INVALID;
    }

    part = payload;
    rc = pv_sha256(digest, &part, 1);

    if (rc == PV_OK) {
        rc = pv_payload_check(root, site, problems);
    }

    if (rc == PV_OK) {
        rc = pv_policy_build(policy, root, digest);
    }

    json_decref(root);

    return rc;
}


int
pv_site_valid(pv_str_t site)
{
    size_t         i;
    unsigned char  c;

    for (i = 0; i < site.len; i++) {
        c = site.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
              || c == '.' || c == '_' || c == '-'))
        {
            return 0;
        }
    }

    return site.len >= 1 && site.len <= PV_SITE_MAX;
}


static int
pv_payload_check(const json_t *root, pv_str_t site, pv_problems_t *problems)
{
    size_t             errors;
    pv_path_t          top;
    const char        *s;
    pv_declared_t      d;
    static const pv_field_t  fields[] = {
        { "format", PV_FIELD_INTEGER, 1 }, { "site", PV_FIELD_STRING, 1 }, { "sequence", PV_FIELD_INTEGER, 1 },
        { "previous", PV_FIELD_STRING, 1 }, { "published", PV_FIELD_INTEGER, 1 }, { "urgent", PV_FIELD_STRING, 0 },
        { "bits", PV_FIELD_OBJECT, 1 }, { "asked_since", PV_FIELD_OBJECT, 1 }, { "policy", PV_FIELD_OBJECT, 1 },
        { "texts", PV_FIELD_OBJECT, 1 }, { NULL, 0, 0 }
    };

    errors = problems->errors;

    memset(&top, 0, sizeof(top));
    memset(&d, 0, sizeof(d));
    d.problems = problems;

    if (!pv_declared_fields(&d, root, &top, fields) || problems->errors != errors) {
        return PV_INVALID;
    }

    s = pv_declared_string(root, "site");
    if (!pv_str_eq(pv_str(s), site)) {
        pv_problem(problems, NULL, 0, "site", "is another site's");
        return PV_INVALID;
    }

    pv_declared_check(json_object_get(root, "policy"), json_object_get(root, "bits"), "policy.json", problems);
    if (problems->errors != errors) {
        return PV_INVALID;
    }

    if (pv_payload_numbers(root, problems) != PV_OK || pv_payload_bits(root, problems) != PV_OK
        || pv_payload_asked_since(root, problems) != PV_OK || pv_payload_texts(root, problems) != PV_OK)
    {
        return PV_INVALID;
    }

    return PV_OK;
}


static int
pv_payload_numbers(const json_t *root, pv_problems_t *problems)
{
    pv_str_t       hex;
    json_int_t     sequence, published;
    unsigned char  previous[PV_SHA256_LEN];
    static const unsigned char  zeros[PV_SHA256_LEN];

    if (json_integer_value(json_object_get(root, "format")) != 1) {
        pv_problem(problems, NULL, 0, "format", "is one that this version of the software does not know");
        return PV_INVALID;
    }

    sequence = json_integer_value(json_object_get(root, "sequence"));
    if (sequence < 1 || sequence > UINT32_MAX) {
        pv_problem(problems, NULL, 0, "sequence", "is out of range");
        return PV_INVALID;
    }

    published = json_integer_value(json_object_get(root, "published"));
    if (published < 0 || published > UINT32_MAX) {
        pv_problem(problems, NULL, 0, "published", "is out of range");
        return PV_INVALID;
    }

    hex = pv_str(pv_declared_string(root, "previous"));
    if (pv_hex_decode(previous, sizeof(previous), hex) != PV_OK
        || (memcmp(previous, zeros, sizeof(zeros)) == 0) != (sequence == 1))
    {
        pv_problem(problems, NULL, 0, "previous", "is not the digest of a version before");
        return PV_INVALID;
    }

    return PV_OK;
}


/* Every purpose has a bit, no two that ever were have the same. */
static int
pv_payload_bits(const json_t *root, pv_problems_t *problems)
{
    size_t       i;
    json_t      *bits, *bit, *one;
    uint64_t     taken, mask;
    const char  *id;

    taken = 0;
    bits = json_object_get(root, "bits");

    json_object_foreach(bits, id, bit) {
        if (!json_is_integer(bit) || json_integer_value(bit) < 0 || json_integer_value(bit) >= PV_PURPOSES_MAX
            || *id == '\0' || strlen(id) > 32)
        {
            pv_problem(problems, NULL, 0, "bits", "one is out of range");
            return PV_INVALID;
        }

        mask = (uint64_t) 1 << json_integer_value(bit);
        if (taken & mask) {
            pv_problem(problems, NULL, 0, "bits", "one is given twice");
            return PV_INVALID;
        }

        taken |= mask;
    }

    json_array_foreach(json_object_get(json_object_get(root, "policy"), "purposes"), i, one) {
        if (json_object_get(bits, pv_declared_string(one, "id")) == NULL) {
            pv_problem(problems, NULL, 0, "bits", "a purpose has none");
            return PV_INVALID;
        }
    }

    return PV_OK;
}


static int
pv_payload_asked_since(const json_t *root, pv_problems_t *problems)
{
    size_t       i;
    json_t      *asked_since, *since, *purposes, *one;
    json_int_t   sequence;

    asked_since = json_object_get(root, "asked_since");
    purposes = json_object_get(json_object_get(root, "policy"), "purposes");
    sequence = json_integer_value(json_object_get(root, "sequence"));

    json_array_foreach(purposes, i, one) {
        since = json_object_get(asked_since, pv_declared_string(one, "id"));

        if (!json_is_integer(since) || json_integer_value(since) < 1 || json_integer_value(since) > sequence) {
            pv_problem(problems, NULL, 0, "asked_since", "is missing for a purpose, or out of range");
            return PV_INVALID;
        }
    }

    if (json_object_size(asked_since) != json_array_size(purposes)) {
        pv_problem(problems, NULL, 0, "asked_since", "names a purpose that there is not");
        return PV_INVALID;
    }

    return PV_OK;
}


static int
pv_payload_texts(const json_t *root, pv_problems_t *problems)
{
    size_t       i;
    json_t      *texts, *languages, *tag;

    texts = json_object_get(root, "texts");
    languages = json_object_get(json_object_get(root, "policy"), "languages");

    if (json_object_size(texts) != json_array_size(languages)) {
        pv_problem(problems, NULL, 0, "texts", "are not those of the languages");
        return PV_INVALID;
    }

    json_array_foreach(languages, i, tag) {
        if (pv_payload_text(json_object_get(texts, json_string_value(tag)), json_string_value(tag), problems)
            != PV_OK)
        {
            return PV_INVALID;
        }
    }

    return PV_OK;
}


static int
pv_payload_text(const json_t *text, const char *language, pv_problems_t *problems)
{
    size_t          i;
    pv_str_t        s;
    const json_t   *value;
    const char     *problem;
    static const struct { const char *key; size_t max; int multiline; }  fields[] = {
        { "markdown", PV_BUNDLE_TEXT_MAX, 1 }, { "html", PV_BUNDLE_HTML_MAX, 1 }, { "title", 1024, 0 }
    };

    for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        value = json_object_get(text, fields[i].key);
        problem = "is missing";

        if (json_is_string(value)) {
            s = (pv_str_t) { (const unsigned char *) json_string_value(value), json_string_length(value) };
            problem = s.len > fields[i].max ? "is too large" : pv_text_problem(s, fields[i].multiline);
        }

        if (problem != NULL) {
            pv_problem(problems, language, 0, fields[i].key, "%s", problem);
            return PV_INVALID;
        }
    }

    if (json_object_size(text) != i) {
        pv_problem(problems, language, 0, NULL, "has a field that is not known");
        return PV_INVALID;
    }

    return PV_OK;
}
