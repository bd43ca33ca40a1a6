/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* What may stand in a notice of the stream, field by field. */

#include <stdlib.h>
#include <string.h>

#include "pv_head_json.h"
#include "pv_notice_private.h"
#include "pv_text.h"


static int pv_notice_wrong(pv_problems_t *problems, const char *field, const char *reason);
static int pv_notice_common(const json_t *root, pv_str_t site, pv_problems_t *problems);
static int pv_notice_message(pv_declared_t *d, pv_notice_kind_t kind);
static int pv_notice_texts(pv_declared_t *d, pv_notice_kind_t kind);
static int pv_notice_audience(pv_declared_t *d);
static int pv_notice_retraction(const json_t *root, pv_problems_t *problems);
static json_int_t pv_notice_integer(const json_t *root, const char *name);


#define pv_notice_fields_of_all                                                                                     \
    { "format", PV_FIELD_INTEGER, 1 }, { "kind", PV_FIELD_STRING, 1 }, { "site", PV_FIELD_STRING, 1 },              \
    { "number", PV_FIELD_INTEGER, 1 }, { "previous", PV_FIELD_STRING, 1 }, { "published", PV_FIELD_INTEGER, 1 },    \
    { "log", PV_FIELD_INTEGER, 1 }

static const pv_field_t  pv_notice_message_fields[] = {
    pv_notice_fields_of_all,
    { "until", PV_FIELD_INTEGER, 1 }, { "public", PV_FIELD_BOOLEAN, 1 }, { "audience", PV_FIELD_OBJECT, 1 },
    { "corrects", PV_FIELD_INTEGER, 0 }, { "languages", PV_FIELD_LIST, 1 }, { "texts", PV_FIELD_OBJECT, 1 },
    { NULL, 0, 0 }
};

static const pv_field_t  pv_notice_retraction_fields[] = {
    pv_notice_fields_of_all,
    { "retracts", PV_FIELD_INTEGER, 1 }, { "reason", PV_FIELD_STRING, 1 }, { NULL, 0, 0 }
};

static const pv_field_t  pv_notice_incident_fields[] = {
    { "title", PV_FIELD_TEXT, 1 }, { "happened", PV_FIELD_TEXT, 1 }, { "measures", PV_FIELD_TEXT, 1 },
    { "advice", PV_FIELD_TEXT, 1 }, { "remedies", PV_FIELD_TEXT, 1 }, { NULL, 0, 0 }
};

static const pv_field_t  pv_notice_announcement_fields[] = {
    { "title", PV_FIELD_TEXT, 1 }, { "summary", PV_FIELD_TEXT, 1 }, { NULL, 0, 0 }
};

/* By pv_audience_kind_t. */
static const pv_field_t  pv_audience_fields[][5] = {
    { { "kind", PV_FIELD_STRING, 1 }, { NULL, 0, 0 } },
    { { "kind", PV_FIELD_STRING, 1 }, { NULL, 0, 0 } },
    { { "kind", PV_FIELD_STRING, 1 }, { "digest", PV_FIELD_STRING, 1 }, { "count", PV_FIELD_INTEGER, 1 }, { NULL, 0, 0 } },
    { { "kind", PV_FIELD_STRING, 1 }, { "number", PV_FIELD_INTEGER, 1 }, { "version", PV_FIELD_STRING, 1 }, { NULL, 0, 0 } },
    { { "kind", PV_FIELD_STRING, 1 }, { "purpose", PV_FIELD_STRING, 1 }, { NULL, 0, 0 } }
};


int
pv_notice_read(json_t **root, pv_notice_kind_t *kind, pv_str_t text, pv_str_t site, pv_problems_t *problems)
{
    int            rc;
    char          *canonical;
    size_t         errors;
    pv_path_t      top;
    const char    *name;
    pv_declared_t  d;

    *root = json_loadb((const char *) text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    if (*root == NULL) {
        return pv_notice_wrong(problems, NULL, "the notice is not JSON");
    }

    errors = problems->errors;
    memset(&top, 0, sizeof(top));
    memset(&d, 0, sizeof(d));
    d.root = *root;
    d.problems = problems;

    name = pv_declared_string(*root, "kind");
    *kind = name != NULL ? pv_notice_kind(pv_str(name)) : 0;
    rc = PV_OK;

    if (pv_head_newer(*root, PV_NOTICE_FORMAT, problems)) {
        rc = PV_INVALID;

    } else if (*kind == 0 || *kind == PV_NOTICE_CHANGE) {
        rc = pv_notice_wrong(problems, "kind", "is none that this version of the software knows");

    } else if (!pv_declared_fields(&d, *root, &top, *kind == PV_NOTICE_RETRACTION ? pv_notice_retraction_fields
                                                                                  : pv_notice_message_fields)
               || problems->errors != errors)
    {
        rc = PV_INVALID;
    }

    rc = rc == PV_OK ? pv_notice_common(*root, site, problems) : rc;

    if (rc == PV_OK) {
        rc = *kind == PV_NOTICE_RETRACTION ? pv_notice_retraction(*root, problems) : pv_notice_message(&d, *kind);
    }

    if (rc == PV_OK) {
        /* one notice has one spelling: its digest is that of what it says */

        canonical = pv_head_canonical(*root, NULL);
        rc = canonical == NULL ? PV_ERROR : pv_str_eqs(text, canonical) ? PV_OK
             : pv_notice_wrong(problems, NULL, "the notice is not in canonical form");
        free(canonical);
    }

    if (rc != PV_OK) {
        json_decref(*root);
        *root = NULL;
    }

    return rc;
}


static int
pv_notice_wrong(pv_problems_t *problems, const char *field, const char *reason)
{
    pv_problem(problems, NULL, 0, field, "%s", reason);

    return PV_INVALID;
}


static json_int_t
pv_notice_integer(const json_t *root, const char *name)
{
    return json_integer_value(json_object_get(root, name));
}


static int
pv_notice_common(const json_t *root, pv_str_t site, pv_problems_t *problems)
{
    json_int_t     n;
    unsigned char  previous[PV_SHA256_LEN];

    if (pv_notice_integer(root, "format") != PV_NOTICE_FORMAT) {
        return pv_notice_wrong(problems, "format", "is none that there ever was");
    }

    if (!pv_str_eqs(site, pv_declared_string(root, "site"))) {
        return pv_notice_wrong(problems, "site", "is another site's");
    }

    n = pv_notice_integer(root, "number");
    if (n < 1 || n > UINT32_MAX) {
        return pv_notice_wrong(problems, "number", "is out of range");
    }

    n = pv_notice_integer(root, "log");
    if (n < 0 || n > UINT32_MAX) {
        return pv_notice_wrong(problems, "log", "is out of range");
    }

    n = pv_notice_integer(root, "published");
    if (n < 1 || n > UINT32_MAX) {
        return pv_notice_wrong(problems, "published", "is out of range");
    }

    if (pv_hex_decode(previous, sizeof(previous), pv_str(pv_declared_string(root, "previous"))) != PV_OK) {
        return pv_notice_wrong(problems, "previous", "is not the digest of a notice before");
    }

    return PV_OK;
}


static int
pv_notice_message(pv_declared_t *d, pv_notice_kind_t kind)
{
    json_int_t  until, published, corrects;

    published = pv_notice_integer(d->root, "published");
    until = pv_notice_integer(d->root, "until");

    if (until <= published || until - published > (json_int_t) PV_NOTICE_DAYS_MAX * PV_DAY) {
        return pv_notice_wrong(d->problems, "until", "is not after it is sent, or too far");
    }

    corrects = pv_notice_integer(d->root, "corrects");

    if (json_object_get(d->root, "corrects") != NULL
        && (corrects < 1 || corrects >= pv_notice_integer(d->root, "number")))
    {
        return pv_notice_wrong(d->problems, "corrects", "is not the number of a notice before");
    }

    return pv_notice_audience(d) == PV_OK ? pv_notice_texts(d, kind) : PV_INVALID;
}


static int
pv_notice_texts(pv_declared_t *d, pv_notice_kind_t kind)
{
    size_t             i, errors;
    json_t            *texts, *languages, *tag, *text, *value;
    pv_path_t          path, one, at;
    const char        *field, *problem;

    errors = d->problems->errors;
    pv_declared_languages(d);

    if (d->problems->errors != errors) {
        return PV_INVALID;
    }

    texts = json_object_get(d->root, "texts");
    languages = json_object_get(d->root, "languages");

    if (json_object_size(texts) != json_array_size(languages)) {
        return pv_notice_wrong(d->problems, "texts", "are not those of the languages");
    }

    path = pv_path_key(NULL, "texts");

    json_array_foreach(languages, i, tag) {
        one = pv_path_key(&path, json_string_value(tag));
        text = json_object_get(texts, json_string_value(tag));

        if (!pv_declared_fields(d, text, &one, pv_notice_text_fields(kind)) || d->problems->errors != errors) {
            return PV_INVALID;
        }

        json_object_foreach(text, field, value) {
            at = pv_path_key(&one, field);
            problem = pv_notice_text_problem(field, (pv_str_t) { (const unsigned char *) json_string_value(value),
                                                                 json_string_length(value) });
            if (problem != NULL) {
                return pv_notice_wrong(d->problems, at.text, problem);
            }
        }
    }

    return PV_OK;
}


const pv_field_t *
pv_notice_text_fields(pv_notice_kind_t kind)
{
    return kind == PV_NOTICE_INCIDENT ? pv_notice_incident_fields : pv_notice_announcement_fields;
}


const char *
pv_notice_text_problem(const char *field, pv_str_t text)
{
    int          title, same;
    size_t       i;
    pv_buf_t     nfc;
    const char  *problem;

    title = strcmp(field, "title") == 0;

    for (i = 0; i < text.len && strchr(" \n\t\r", text.data[i]) != NULL; i++) { /* void */ }

    if (i == text.len) {
        return "is empty";
    }

    if (text.len > (title ? PV_NOTICE_TITLE_MAX : PV_NOTICE_TEXT_MAX)) {
        return "is too long";
    }

    problem = pv_text_problem(text, !title);

    if (problem != NULL) {
        return problem;
    }

    if (memchr(text.data, '\r', text.len) != NULL || memchr(text.data, '\t', text.len) != NULL) {
        return "has a control character in it";
    }

    pv_buf_init(&nfc, 4 * PV_NOTICE_TEXT_MAX);
    same = pv_text_nfc(&nfc, text) == PV_OK && pv_str_eq(text, (pv_str_t) { nfc.data, nfc.len });
    pv_buf_free(&nfc);

    return same ? NULL : "is not in Unicode Normalization Form C";
}


static int
pv_notice_audience(pv_declared_t *d)
{
    size_t         errors;
    unsigned       kind;
    json_int_t     n;
    pv_path_t      path;
    const char    *name;
    const json_t  *audience;
    unsigned char  digest[PV_SHA256_LEN];

    errors = d->problems->errors;
    path = pv_path_key(NULL, "audience");
    audience = json_object_get(d->root, "audience");
    name = pv_declared_string(audience, "kind");

    for (kind = 0; name != NULL && kind <= PV_AUDIENCE_GRANTED && strcmp(name, pv_audience_kind_name(kind)) != 0; kind++)
    {
        /* void */
    }

    if (name == NULL || kind > PV_AUDIENCE_GRANTED) {
        return pv_notice_wrong(d->problems, "audience.kind", "is none that this version of the software knows");
    }

    if (!pv_declared_fields(d, audience, &path, pv_audience_fields[kind]) || d->problems->errors != errors) {
        return PV_INVALID;
    }

    if (kind == PV_AUDIENCE_NONE && !json_is_true(json_object_get(d->root, "public"))) {
        return pv_notice_wrong(d->problems, "audience", "is nobody: say whom it is for, or make it public");
    }

    n = kind == PV_AUDIENCE_LIST ? pv_notice_integer(audience, "count") : pv_notice_integer(audience, "number");

    if ((kind == PV_AUDIENCE_LIST || kind == PV_AUDIENCE_BOUND_BEFORE) && (n < 1 || n > UINT32_MAX)) {
        return pv_notice_wrong(d->problems, "audience", "a number is out of range");
    }

    if (kind == PV_AUDIENCE_LIST
        && pv_hex_decode(digest, sizeof(digest), pv_str(pv_declared_string(audience, "digest"))) != PV_OK)
    {
        return pv_notice_wrong(d->problems, "audience.digest", "is none");
    }

    if (kind == PV_AUDIENCE_BOUND_BEFORE && strlen(pv_declared_string(audience, "version")) > PV_VERSION_MAX) {
        return pv_notice_wrong(d->problems, "audience.version", "is too long");
    }

    return PV_OK;
}


static int
pv_notice_retraction(const json_t *root, pv_problems_t *problems)
{
    json_int_t  retracts;

    retracts = pv_notice_integer(root, "retracts");

    if (retracts < 1 || retracts >= pv_notice_integer(root, "number")) {
        return pv_notice_wrong(problems, "retracts", "is not the number of a notice before");
    }

    return strlen(pv_declared_string(root, "reason")) <= PV_REASON_MAX
           ? PV_OK : pv_notice_wrong(problems, "reason", "is too long");
}
