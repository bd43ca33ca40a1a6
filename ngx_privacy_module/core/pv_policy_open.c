/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * From a whole sealed version to a pv_policy_t. First the frame and the
 * signature, over bytes; only then is JSON parsed, and what it declares goes
 * through the same validator as at publication.
 */

#include <stdlib.h>
#include <string.h>

#include "pv_declared.h"
#include "pv_head_json.h"
#include "pv_policy_build.h"
#include "pv_text.h"


static int pv_open_entry(pv_policy_t **policy, pv_str_t sealed, pv_str_t site, const unsigned char *pub,
    pv_problems_t *problems);
static int pv_open_bodies(const pv_head_t *head, pv_str_t sealed, pv_problems_t *problems);
static int pv_open_declared(json_t **declared, const pv_head_t *head, const json_t *root, pv_str_t sealed,
    pv_problems_t *problems);
static int pv_open_agrees(const json_t *root, const json_t *declared, pv_problems_t *problems);
static int pv_open_purposes(const json_t *root, const json_t *declared, pv_problems_t *problems);


int
pv_policy_open(pv_policy_t **policy, pv_str_t sealed, pv_str_t site, const unsigned char pub[PV_ED25519_PUBLIC],
    pv_problems_t *problems)
{
    int  rc;

    *policy = NULL;

    rc = pv_head_verify(sealed, site, pub);

    if (rc == PV_INVALID) {
        pv_problem(problems, NULL, 0, NULL, "the signature does not hold: altered, of another site, "
                   "or signed with another key");
    }

    return rc == PV_OK ? pv_open_entry(policy, sealed, site, pub, problems) : rc;
}


int
pv_policy_parse(pv_policy_t **policy, pv_str_t sealed, pv_str_t site, pv_problems_t *problems)
{
    *policy = NULL;

    return pv_open_entry(policy, sealed, site, NULL, problems);
}


static int
pv_open_entry(pv_policy_t **policy, pv_str_t sealed, pv_str_t site, const unsigned char *pub,
    pv_problems_t *problems)
{
    int              rc;
    json_t          *root, *declared;
    pv_str_t         signature, text, bodies;
    pv_head_t       *head;
    pv_entry_kind_t  kind;

    root = NULL;
    declared = NULL;

    rc = pv_head_open(&head, sealed, site, NULL, problems);

    if (rc == PV_SHORT) {
        pv_problem(problems, NULL, 0, NULL, "is cut in its head");
        return PV_INVALID;
    }

    if (rc == PV_OK && head->kind != PV_ENTRY_VERSION) {
        pv_problem(problems, NULL, 0, "kind", "is no version");
        rc = PV_INVALID;
    }

    if (rc == PV_OK && pub != NULL && memcmp(head->key, pub, PV_ED25519_PUBLIC) != 0) {
        pv_problem(problems, NULL, 0, "key", "is not the one that it is signed with");
        rc = PV_INVALID;
    }

    rc = rc == PV_OK ? pv_open_bodies(head, sealed, problems) : rc;
    rc = rc == PV_OK ? pv_sealed_split(sealed, &signature, &text, &bodies, NULL) : rc;
    rc = rc == PV_OK ? pv_head_read(&root, &kind, text, site, problems) : rc;
    rc = rc == PV_OK ? pv_open_declared(&declared, head, root, sealed, problems) : rc;
    rc = rc == PV_OK ? pv_policy_build(policy, head, root, declared, sealed) : rc;

    json_decref(declared);
    json_decref(root);
    pv_head_free(head);

    return rc;
}


static int
pv_open_bodies(const pv_head_t *head, pv_str_t sealed, pv_problems_t *problems)
{
    int         rc;
    size_t      i;
    pv_str_t    bytes;
    pv_body_t   body;
    const char *problem;

    if (sealed.len != head->size) {
        pv_problem(problems, NULL, 0, NULL, "is %zu bytes long, and should be %zu", sealed.len, (size_t) head->size);
        return PV_INVALID;
    }

    rc = pv_head_body(&bytes, head, sealed, PV_BODY_DECLARED, 0);
    if (rc != PV_OK) {
        pv_problem(problems, NULL, 0, "declared", "is not what was signed");
        return rc;
    }

    for (i = 0; i < 2 * head->texts_count; i++) {
        body = i % 2 == 0 ? PV_BODY_MARKDOWN : PV_BODY_HTML;

        rc = pv_head_body(&bytes, head, sealed, body, i / 2);
        problem = rc == PV_OK ? pv_text_problem(bytes, 1) : "is not what was signed";

        if (problem != NULL) {
            pv_problem(problems, (const char *) head->texts[i / 2].language.data, 0,
                       body == PV_BODY_MARKDOWN ? "markdown" : "html", "%s", problem);
            return rc == PV_ERROR ? rc : PV_INVALID;
        }
    }

    return PV_OK;
}


/* What is declared, checked as at publication, and against what the head says of it. */
static int
pv_open_declared(json_t **declared, const pv_head_t *head, const json_t *root, pv_str_t sealed,
    pv_problems_t *problems)
{
    int            same;
    char          *text;
    size_t         errors;
    pv_str_t       bytes;
    json_error_t   error;

    errors = problems->errors;
    bytes = (pv_str_t) { sealed.data + pv_head_offset(head, PV_BODY_DECLARED, 0), head->declared.size };

    *declared = json_loadb((const char *) bytes.data, bytes.len, JSON_REJECT_DUPLICATES, &error);
    if (*declared == NULL) {
        pv_problem(problems, "policy.json", 0, NULL, "is not JSON");
        return PV_INVALID;
    }

    text = pv_head_canonical(*declared, NULL);
    same = text != NULL && pv_str_eqs(bytes, text);
    free(text);

    if (!same) {
        pv_problem(problems, "policy.json", 0, NULL, "is not in canonical form");
        return PV_INVALID;
    }

    pv_declared_check(*declared, json_object_get(root, "bits"), "policy.json", problems);
    if (problems->errors != errors) {
        return PV_INVALID;
    }

    if (pv_open_agrees(root, *declared, problems) != PV_OK) {
        return PV_INVALID;
    }

    return pv_open_purposes(root, *declared, problems);
}


/* Who reads the head only has to read the same. */
static int
pv_open_agrees(const json_t *root, const json_t *declared, pv_problems_t *problems)
{
    int      same;
    size_t   i;
    json_t  *changes;
    static const char *const  fields[] = { "version", "effective", "languages" };

    for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (!json_equal(json_object_get(root, fields[i]), json_object_get(declared, fields[i]))) {
            pv_problem(problems, NULL, 0, fields[i], "is not that of policy.json");
            return PV_INVALID;
        }
    }

    if (json_is_true(json_object_get(root, "reduces_rights"))
        != json_is_true(json_object_get(declared, "reduces_rights")))
    {
        pv_problem(problems, NULL, 0, "reduces_rights", "is not that of policy.json");
        return PV_INVALID;
    }

    changes = pv_head_changes(declared);
    same = json_equal(changes, json_object_get(root, "changes"));
    json_decref(changes);

    if (!same) {
        pv_problem(problems, NULL, 0, "changes", "are not those of policy.json");
    }

    return same ? PV_OK : PV_INVALID;
}


/* Every purpose has a bit, and a version that it is asked since. */
static int
pv_open_purposes(const json_t *root, const json_t *declared, pv_problems_t *problems)
{
    size_t         i;
    json_t        *purposes, *one;
    const char    *id;
    const json_t  *bits, *since;

    bits = json_object_get(root, "bits");
    since = json_object_get(root, "asked_since");
    purposes = json_object_get(declared, "purposes");

    json_array_foreach(purposes, i, one) {
        id = pv_declared_string(one, "id");

        if (json_object_get(bits, id) == NULL || json_object_get(since, id) == NULL) {
            pv_problem(problems, NULL, 0, "bits", "a purpose has none, or is not said since when it is asked");
            return PV_INVALID;
        }
    }

    if (json_object_size(since) != json_array_size(purposes)) {
        pv_problem(problems, NULL, 0, "asked_since", "names a purpose that there is not");
        return PV_INVALID;
    }

    return PV_OK;
}
