/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* What may stand in a head, field by field. */

#include <stdlib.h>
#include <string.h>

#include "pv_declared.h"
#include "pv_head_json.h"
#include "pv_text.h"


static int pv_head_is_canonical(const json_t *root, pv_str_t head);
static int pv_head_common(const json_t *root, pv_str_t site, pv_problems_t *problems);
static int pv_head_version(const json_t *root, pv_problems_t *problems);
static int pv_head_bits(const json_t *root, pv_problems_t *problems);
static int pv_head_summaries(const json_t *root, pv_problems_t *problems);
static int pv_head_texts(const json_t *root, json_int_t *total, pv_problems_t *problems);
static int pv_head_is_part(const json_t *part, json_int_t most, json_int_t *total);
static int pv_head_is_digest(const json_t *value);
static int pv_head_withdrawal(const json_t *root, pv_problems_t *problems);
static int pv_head_key(const json_t *root, pv_str_t site, pv_problems_t *problems);
static int pv_head_key_decode(unsigned char pub[PV_ED25519_PUBLIC], const json_t *value);
static int pv_head_wrong(pv_problems_t *problems, const char *field, const char *reason);


#define pv_head_fields_of_all                                                                                       \
    { "format", PV_FIELD_INTEGER, 1 }, { "kind", PV_FIELD_STRING, 1 }, { "site", PV_FIELD_STRING, 1 },              \
    { "sequence", PV_FIELD_INTEGER, 1 }, { "previous", PV_FIELD_STRING, 1 }, { "published", PV_FIELD_INTEGER, 1 },  \
    { "key", PV_FIELD_STRING, 1 }

static const pv_field_t  pv_head_version_fields[] = {
    pv_head_fields_of_all,
    { "version", PV_FIELD_STRING, 1 }, { "effective", PV_FIELD_STRING, 1 }, { "languages", PV_FIELD_LIST, 1 },
    { "reduces_rights", PV_FIELD_BOOLEAN, 1 }, { "urgent", PV_FIELD_STRING, 0 }, { "changes", PV_FIELD_LIST, 1 },
    { "bits", PV_FIELD_OBJECT, 1 }, { "asked_since", PV_FIELD_OBJECT, 1 }, { "unnamed", PV_FIELD_LIST, 0 },
    { "declared", PV_FIELD_OBJECT, 1 },
    { "texts", PV_FIELD_OBJECT, 1 }, { NULL, 0, 0 }
};

static const pv_field_t  pv_head_withdrawal_fields[] = {
    pv_head_fields_of_all,
    { "withdraws", PV_FIELD_INTEGER, 1 }, { "reason", PV_FIELD_STRING, 1 }, { NULL, 0, 0 }
};

static const pv_field_t  pv_head_key_fields[] = {
    pv_head_fields_of_all,
    { "new_key", PV_FIELD_STRING, 1 }, { "proof", PV_FIELD_STRING, 1 }, { NULL, 0, 0 }
};

static const pv_field_t *const  pv_head_fields[] = {
    NULL, pv_head_version_fields, pv_head_withdrawal_fields, pv_head_key_fields
};


int
pv_head_read(json_t **root, pv_entry_kind_t *kind, pv_str_t head, pv_str_t site, pv_problems_t *problems)
{
    int            rc;
    size_t         errors;
    pv_path_t      top;
    const char    *name;
    json_error_t   error;
    pv_declared_t  d;

    *root = json_loadb((const char *) head.data, head.len, JSON_REJECT_DUPLICATES, &error);
    if (*root == NULL) {
        return pv_head_wrong(problems, NULL, "the head is not JSON");
    }

    errors = problems->errors;
    memset(&top, 0, sizeof(top));
    memset(&d, 0, sizeof(d));
    d.problems = problems;

    name = pv_declared_string(*root, "kind");
    *kind = name != NULL ? pv_entry_kind(pv_str(name)) : 0;
    rc = PV_OK;

    if (pv_head_newer(*root, PV_HEAD_FORMAT, problems)) {
        /* what follows may be anything */
        rc = PV_INVALID;

    } else if (*kind == 0) {
        rc = pv_head_wrong(problems, "kind", "is none that this version of the software knows");

    } else if (!pv_declared_fields(&d, *root, &top, pv_head_fields[*kind]) || problems->errors != errors) {
        rc = PV_INVALID;
    }

    rc = rc == PV_OK ? pv_head_common(*root, site, problems) : rc;

    if (rc == PV_OK) {
        rc = *kind == PV_ENTRY_VERSION ? pv_head_version(*root, problems)
             : *kind == PV_ENTRY_WITHDRAWAL ? pv_head_withdrawal(*root, problems)
             : pv_head_key(*root, site, problems);
    }

    if (rc == PV_OK && !pv_head_is_canonical(*root, head)) {
        rc = pv_head_wrong(problems, NULL, "the head is not in canonical form");
    }

    if (rc != PV_OK) {
        json_decref(*root);
        *root = NULL;
    }

    return rc;
}


int
pv_head_newer(const json_t *root, int known, pv_problems_t *problems)
{
    json_int_t  format;

    format = json_integer_value(json_object_get(root, "format"));

    if (format <= known) {
        return 0;
    }

    pv_problem(problems, NULL, 0, "format", "is format %" JSON_INTEGER_FORMAT ", and this version of the "
               "software knows formats up to %d: use a newer one", format, known);

    return 1;
}


/* One head has one spelling: its digest is that of what it says. */
static int
pv_head_is_canonical(const json_t *root, pv_str_t head)
{
    int    same;
    char  *text;

    text = pv_head_canonical(root, NULL);
    same = text != NULL && pv_str_eqs(head, text);
    free(text);

    return same;
}


char *
pv_head_canonical(const json_t *root, const char *without)
{
    char    *text;
    json_t  *copy;

    if (without == NULL) {
        return json_dumps(root, JSON_SORT_KEYS | JSON_COMPACT);
    }

    copy = json_copy((json_t *) root);
    (void) json_object_del(copy, without);
    text = copy != NULL ? json_dumps(copy, JSON_SORT_KEYS | JSON_COMPACT) : NULL;
    json_decref(copy);

    return text;
}


static int
pv_head_common(const json_t *root, pv_str_t site, pv_problems_t *problems)
{
    pv_str_t       hex;
    json_int_t     sequence, published;
    unsigned char  previous[PV_SHA256_LEN], pub[PV_ED25519_PUBLIC];
    static const unsigned char  zeros[PV_SHA256_LEN];

    if (json_integer_value(json_object_get(root, "format")) != PV_HEAD_FORMAT) {
        return pv_head_wrong(problems, "format", "is none that there ever was");
    }

    if (!pv_str_eqs(site, pv_declared_string(root, "site"))) {
        return pv_head_wrong(problems, "site", "is another site's");
    }

    sequence = json_integer_value(json_object_get(root, "sequence"));
    if (sequence < 1 || sequence > UINT32_MAX) {
        return pv_head_wrong(problems, "sequence", "is out of range");
    }

    published = json_integer_value(json_object_get(root, "published"));
    if (published < 0 || published > UINT32_MAX) {
        return pv_head_wrong(problems, "published", "is out of range");
    }

    hex = pv_str(pv_declared_string(root, "previous"));
    if (!pv_head_is_digest(json_object_get(root, "previous"))
        || pv_hex_decode(previous, sizeof(previous), hex) != PV_OK
        || (memcmp(previous, zeros, sizeof(zeros)) == 0) != (sequence == 1))
    {
        return pv_head_wrong(problems, "previous", "is not the digest of an entry before");
    }

    if (pv_head_key_decode(pub, json_object_get(root, "key")) != PV_OK) {
        return pv_head_wrong(problems, "key", "is no public key");
    }

    return PV_OK;
}


static int
pv_head_version(const json_t *root, pv_problems_t *problems)
{
    size_t      errors;
    json_int_t  total;

    errors = problems->errors;
    total = PV_HEAD_PREFIX_MAX;

    if (pv_head_bits(root, problems) != PV_OK || pv_head_summaries(root, problems) != PV_OK) {
        return PV_INVALID;
    }

    pv_declared_head(root, json_object_get(root, "bits"), problems);
    if (problems->errors != errors) {
        return PV_INVALID;
    }

    if (strlen(pv_declared_string(root, "urgent") != NULL ? pv_declared_string(root, "urgent") : "")
        > PV_REASON_MAX)
    {
        return pv_head_wrong(problems, "urgent", "is too long");
    }

    if (!pv_head_is_part(json_object_get(root, "declared"), PV_DECLARED_MAX, &total)) {
        return pv_head_wrong(problems, "declared", "is not a size and a digest, or too large");
    }

    if (pv_head_texts(root, &total, problems) != PV_OK) {
        return PV_INVALID;
    }

    return total <= PV_SEALED_MAX ? PV_OK : pv_head_wrong(problems, "texts", "are too large together");
}


/* No two purposes that ever were have the same bit; what is asked since when is known of some of them. */
static int
pv_head_bits(const json_t *root, pv_problems_t *problems)
{
    size_t       i;
    json_t      *bits, *since, *value;
    uint64_t     taken, mask;
    json_int_t   sequence;
    const char  *id;

    taken = 0;
    bits = json_object_get(root, "bits");
    sequence = json_integer_value(json_object_get(root, "sequence"));

    json_object_foreach(bits, id, value) {
        if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) >= 64
            || *id == '\0' || strlen(id) > 32)
        {
            return pv_head_wrong(problems, "bits", "one is out of range");
        }

        mask = (uint64_t) 1 << json_integer_value(value);
        if (taken & mask) {
            return pv_head_wrong(problems, "bits", "one is given twice");
        }

        taken |= mask;
    }

    json_object_foreach(json_object_get(root, "asked_since"), id, value) {
        if (!json_is_integer(value) || json_integer_value(value) < 1 || json_integer_value(value) > sequence
            || json_object_get(bits, id) == NULL)
        {
            return pv_head_wrong(problems, "asked_since", "one is out of range, or of no purpose");
        }
    }

    since = json_object_get(root, "asked_since");

    json_array_foreach(json_object_get(root, "unnamed"), i, value) {
        if (!json_is_string(value) || json_object_get(since, json_string_value(value)) == NULL) {
            return pv_head_wrong(problems, "unnamed", "one is no purpose");
        }
    }

    return PV_OK;
}


/* In policy.json a summary may be one string for all languages; here it has one spelling. */
static int
pv_head_summaries(const json_t *root, pv_problems_t *problems)
{
    size_t         i;
    json_t        *change;
    const json_t  *summary;

    json_array_foreach(json_object_get(root, "changes"), i, change) {
        summary = json_object_get(change, "summary");

        if (summary != NULL && !json_is_object(summary)) {
            return pv_head_wrong(problems, "changes", "a summary is not by language");
        }
    }

    return PV_OK;
}


json_t *
pv_head_changes(const json_t *declared)
{
    size_t       i;
    json_t      *changes, *one, *summary;
    const char  *language;

    changes = json_deep_copy(json_object_get(declared, "changes"));
    changes = changes != NULL ? changes : json_array();
    language = json_string_value(json_array_get(json_object_get(declared, "languages"), 0));

    json_array_foreach(changes, i, one) {
        summary = json_object_get(one, "summary");

        if (json_is_string(summary)
            && json_object_set_new(one, "summary", json_pack("{s:O}", language, summary)) != 0)
        {
            json_decref(changes);
            return NULL;
        }
    }

    return changes;
}


static int
pv_head_texts(const json_t *root, json_int_t *total, pv_problems_t *problems)
{
    size_t         i;
    pv_str_t       title;
    json_t        *texts, *languages, *tag;
    const json_t  *text, *value;

    texts = json_object_get(root, "texts");
    languages = json_object_get(root, "languages");

    if (json_object_size(texts) != json_array_size(languages)) {
        return pv_head_wrong(problems, "texts", "are not those of the languages");
    }

    json_array_foreach(languages, i, tag) {
        text = json_object_get(texts, json_string_value(tag));
        value = json_object_get(text, "title");

        if (!json_is_string(value) || json_object_size(text) != 3
            || !pv_head_is_part(json_object_get(text, "markdown"), PV_BUNDLE_TEXT_MAX, total)
            || !pv_head_is_part(json_object_get(text, "html"), PV_BUNDLE_HTML_MAX, total))
        {
            return pv_head_wrong(problems, "texts", "one is not a title and two parts, or too large");
        }

        title = (pv_str_t) { (const unsigned char *) json_string_value(value), json_string_length(value) };

        if (title.len > 1024 || pv_text_problem(title, 0) != NULL) {
            return pv_head_wrong(problems, "texts", "a title is too long, or has what no text may have");
        }
    }

    return PV_OK;
}


/* {"sha256": HEX, "size": N}; adds the size to total. */
static int
pv_head_is_part(const json_t *part, json_int_t most, json_int_t *total)
{
    json_int_t     size;
    const json_t  *value;

    value = json_object_get(part, "size");
    size = json_integer_value(value);

    if (json_object_size(part) != 2 || !json_is_integer(value) || size < 0 || size > most
        || !pv_head_is_digest(json_object_get(part, "sha256")))
    {
        return 0;
    }

    *total += size;

    return 1;
}


static int
pv_head_is_digest(const json_t *value)
{
    const char  *hex;

    hex = json_string_value(value);

    return hex != NULL && strlen(hex) == 2 * PV_SHA256_LEN && strspn(hex, "0123456789abcdef") == 2 * PV_SHA256_LEN;
}


static int
pv_head_withdrawal(const json_t *root, pv_problems_t *problems)
{
    json_int_t  withdraws;

    withdraws = json_integer_value(json_object_get(root, "withdraws"));

    if (withdraws < 1 || withdraws >= json_integer_value(json_object_get(root, "sequence"))) {
        return pv_head_wrong(problems, "withdraws", "is not the number of a version before");
    }

    return strlen(pv_declared_string(root, "reason")) <= PV_REASON_MAX
           ? PV_OK : pv_head_wrong(problems, "reason", "is too long");
}


static int
pv_head_key(const json_t *root, pv_str_t site, pv_problems_t *problems)
{
    unsigned char  old[PV_ED25519_PUBLIC], new[PV_ED25519_PUBLIC];

    if (pv_head_key_decode(old, json_object_get(root, "key")) != PV_OK
        || pv_head_key_decode(new, json_object_get(root, "new_key")) != PV_OK
        || memcmp(old, new, sizeof(old)) == 0)
    {
        return pv_head_wrong(problems, "new_key", "is no other public key");
    }

    return pv_head_proof(root, site) ? PV_OK
           : pv_head_wrong(problems, "proof", "is not the new key's signature of this entry");
}


int
pv_head_proof(const json_t *root, pv_str_t site)
{
    int            holds;
    char          *text;
    unsigned char  pub[PV_ED25519_PUBLIC], proof[PV_ED25519_SIG];

    if (pv_head_key_decode(pub, json_object_get(root, "new_key")) != PV_OK
        || pv_signed_signature(proof, pv_str(pv_declared_string(root, "proof"))) != PV_OK)
    {
        return 0;
    }

    text = pv_head_canonical(root, "proof");
    holds = text != NULL && pv_signed_holds(proof, PV_SEALED_MAGIC, site, pv_str(text), pub) == PV_OK;
    free(text);

    return holds;
}


static int
pv_head_key_decode(unsigned char pub[PV_ED25519_PUBLIC], const json_t *value)
{
    unsigned char  raw[PV_ED25519_PUBLIC + 3];

    if (!json_is_string(value)
        || json_string_length(value) != pv_base64url_size(PV_ED25519_PUBLIC)
        || pv_base64url_decode(raw, sizeof(raw), pv_str(json_string_value(value))) != PV_ED25519_PUBLIC)
    {
        return PV_INVALID;
    }

    memcpy(pub, raw, PV_ED25519_PUBLIC);

    return PV_OK;
}


static int
pv_head_wrong(pv_problems_t *problems, const char *field, const char *reason)
{
    pv_problem(problems, NULL, 0, field, "%s", reason);

    return PV_INVALID;
}
