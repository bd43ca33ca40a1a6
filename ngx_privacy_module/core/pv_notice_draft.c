/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* From what an author wrote to a sealed notice. */

#include <stdlib.h>
#include <string.h>

#include "pv_head_json.h"
#include "pv_json_line.h"
#include "pv_notice_draft.h"
#include "pv_notice_private.h"
#include "pv_signed.h"
#include "pv_text.h"


typedef struct {
    const pv_notice_context_t  *context;
    pv_declared_t               declared;   /* whose problems these are */
    pv_notice_kind_t            kind;
    json_t                     *root;       /* of the notice */
    json_t                     *languages, *texts;      /* the same, in root */
    int                         failed;     /* out of memory */
} pv_notice_draft_t;


static int pv_draft_build(pv_notice_draft_t *d, const json_t *draft);
static void pv_draft_common(pv_notice_draft_t *d);
static void pv_notice_draft_texts(pv_notice_draft_t *d, const json_t *texts);
static void pv_notice_draft_text(pv_notice_draft_t *d, const json_t *texts, const char *language);
static void pv_draft_field(pv_notice_draft_t *d, json_t *out, const json_t *text, const pv_path_t *path, const char *name);
static void pv_draft_clean(pv_buf_t *out, const char *text);
static json_t *pv_draft_audience(const pv_audience_t *audience);
static void pv_draft_set(pv_notice_draft_t *d, json_t *object, const char *name, json_t *value);
static int pv_draft_seal(pv_buf_t *out, pv_str_t site, const json_t *root, const char *file,
    const unsigned char secret[PV_ED25519_SECRET], pv_problems_t *problems);


static const pv_field_t  pv_draft_fields[] = {
    { "$schema", PV_FIELD_STRING, 0 }, { "kind", PV_FIELD_STRING, 1 }, { "texts", PV_FIELD_OBJECT, 1 }, { NULL, 0, 0 }
};


int
pv_notice_seal(pv_buf_t *out, const pv_notice_context_t *context, pv_str_t draft, const char *file,
    const unsigned char secret[PV_ED25519_SECRET], pv_problems_t *problems)
{
    int           rc;
    size_t        first, errors;
    json_t       *json;
    pv_notice_draft_t    d;
    json_error_t  error;

    first = problems->count;
    errors = problems->errors;

    json = json_loadb((const char *) draft.data, draft.len, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL) {
        pv_problem(problems, file, error.line > 0 ? (unsigned) error.line : 0, NULL, "is not JSON: %s",
                   pv_text_problem(pv_str(error.text), 0) == NULL ? error.text : "it cannot be read");
        return PV_INVALID;
    }

    memset(&d, 0, sizeof(d));
    d.context = context;
    d.declared.file = file;
    d.declared.problems = problems;

    rc = pv_draft_build(&d, json);
    rc = problems->errors != errors ? PV_INVALID : rc;
    rc = rc == PV_OK && d.failed ? PV_ERROR : rc;
    rc = rc == PV_OK ? pv_draft_seal(out, context->site, d.root, file, secret, problems) : rc;

    if (file != NULL) {
        pv_problems_lines(problems, first, file, draft);
    }

    json_decref(d.root);
    json_decref(json);

    return rc;
}


static int
pv_draft_build(pv_notice_draft_t *d, const json_t *draft)
{
    pv_path_t    top, at;
    const char  *name;

    memset(&top, 0, sizeof(top));

    if (!pv_declared_fields(&d->declared, draft, &top, pv_draft_fields)) {
        return PV_INVALID;
    }

    name = pv_declared_string(draft, "kind");
    d->kind = name != NULL ? pv_notice_kind(pv_str(name)) : 0;

    if (d->kind != PV_NOTICE_INCIDENT && d->kind != PV_NOTICE_ANNOUNCEMENT) {
        at = pv_path_key(NULL, "kind");
        pv_declared_error(&d->declared, &at, "has to be incident or announcement: changes are announced by publishing "
                          "them, and retract takes a notice back");
        return PV_INVALID;
    }

    pv_draft_common(d);

    if (json_is_object(json_object_get(draft, "texts"))) {
        pv_notice_draft_texts(d, json_object_get(draft, "texts"));
    }

    return d->failed ? PV_ERROR : PV_OK;
}


static void
pv_draft_common(pv_notice_draft_t *d)
{
    char                        previous[2 * PV_SHA256_LEN + 1];
    const pv_notice_context_t  *c;
    static const unsigned char  zeros[PV_SHA256_LEN];

    c = d->context;

    pv_hex_encode(previous, c->previous != NULL ? c->previous : zeros, PV_SHA256_LEN);
    previous[2 * PV_SHA256_LEN] = '\0';

    d->root = json_pack("{s:i, s:s, s:s%, s:I, s:s, s:I, s:I}",
                        "format", PV_NOTICE_FORMAT,
                        "kind", pv_notice_kind_name(d->kind),
                        "site", (const char *) c->site.data, c->site.len,
                        "number", (json_int_t) c->number,
                        "previous", previous,
                        "published", (json_int_t) c->now,
                        "log", (json_int_t) c->log);

    if (d->root == NULL || d->kind == PV_NOTICE_RETRACTION) {
        d->failed |= d->root == NULL;
        return;
    }

    pv_draft_set(d, d->root, "until", json_integer(c->until != 0 ? c->until
                                                   : c->now + (int64_t) PV_NOTICE_DAYS * PV_DAY));
    pv_draft_set(d, d->root, "public", json_boolean(c->public));
    pv_draft_set(d, d->root, "audience", pv_draft_audience(&c->audience));

    if (c->corrects != 0) {
        pv_draft_set(d, d->root, "corrects", json_integer(c->corrects));
    }

    d->languages = json_array();
    d->texts = json_object();
    pv_draft_set(d, d->root, "languages", d->languages);
    pv_draft_set(d, d->root, "texts", d->texts);
}


/* In the order of the policy's languages, then whatever else there is. */
static void
pv_notice_draft_texts(pv_notice_draft_t *d, const json_t *texts)
{
    size_t       i;
    char         tag[64];
    json_t      *text;
    pv_path_t    path, at;
    pv_str_t     language;
    const char  *name;

    path = pv_path_key(NULL, "texts");

    for (i = 0; i < d->context->languages_count; i++) {
        language = d->context->languages[i];

        if (language.len >= sizeof(tag)) {
            continue;
        }

        memcpy(tag, language.data, language.len);
        tag[language.len] = '\0';

        if (json_object_get(texts, tag) == NULL) {
            at = pv_path_key(&path, tag);
            pv_declared_error(&d->declared, &at, "is missing: the policy is published in this language");
            continue;
        }

        pv_notice_draft_text(d, texts, tag);
    }

    json_object_foreach((json_t *) texts, name, text) {
        if (json_object_get(d->texts, name) == NULL) {
            pv_notice_draft_text(d, texts, name);
        }
    }

    if (json_object_size(texts) == 0) {
        pv_declared_error(&d->declared, &path, "has no text in it");
    }
}


static void
pv_notice_draft_text(pv_notice_draft_t *d, const json_t *texts, const char *language)
{
    size_t             errors;
    json_t            *out;
    pv_path_t          path, at;
    const json_t      *text;
    const pv_field_t  *field;

    at = pv_path_key(NULL, "texts");
    path = pv_path_key(&at, language);
    text = json_object_get(texts, language);
    errors = d->declared.problems->errors;

    if (!pv_declared_language(language)) {
        pv_declared_error(&d->declared, &path, "is no language tag such as \"zh-CN\" or \"en\"");
        return;
    }

    out = json_object();
    pv_draft_set(d, d->texts, language, out);

    if (out == NULL || json_array_append_new(d->languages, json_string(language)) != 0) {
        d->failed = 1;
        return;
    }

    if (!pv_declared_fields(&d->declared, text, &path, pv_notice_text_fields(d->kind))
        || d->declared.problems->errors != errors)
    {
        return;
    }

    for (field = pv_notice_text_fields(d->kind); field->name != NULL; field++) {
        pv_draft_field(d, out, text, &path, field->name);
    }
}


static void
pv_draft_field(pv_notice_draft_t *d, json_t *out, const json_t *text, const pv_path_t *path, const char *name)
{
    pv_buf_t     clean;
    pv_path_t    at;
    const char  *problem;

    pv_buf_init(&clean, 4 * PV_NOTICE_MAX);
    pv_draft_clean(&clean, pv_declared_string(text, name));

    problem = clean.failed ? "is too long" : pv_notice_text_problem(name, (pv_str_t) { clean.data, clean.len });

    if (problem != NULL) {
        at = pv_path_key(path, name);
        pv_declared_error(&d->declared, &at, "%s", problem);

    } else {
        pv_draft_set(d, out, name, json_stringn((const char *) clean.data, clean.len));
    }

    pv_buf_free(&clean);
}


/* One spelling: NFC, line breaks as "\n", no blanks around. What cannot be read stays as it is, for who complains of it. */
static void
pv_draft_clean(pv_buf_t *out, const char *text)
{
    size_t    len;
    pv_str_t  rest;
    pv_buf_t  lines;

    text += strspn(text, " \t\r\n");
    len = strlen(text);

    while (len != 0 && strchr(" \t\r\n", text[len - 1]) != NULL) {
        len--;
    }

    pv_buf_init(&lines, 4 * PV_NOTICE_MAX);

    while (len != 0) {
        rest = (pv_str_t) { (const unsigned char *) text, strcspn(text, "\r") };
        rest.len = rest.len > len ? len : rest.len;
        pv_buf_str(&lines, rest);

        text += rest.len;
        len -= rest.len;

        if (len != 0) {
            pv_buf_puts(&lines, len > 1 && text[1] == '\n' ? "" : "\n");
            text++;
            len--;
        }
    }

    rest = (pv_str_t) { lines.data, lines.len };

    if (pv_text_nfc(out, rest) != PV_OK) {
        pv_buf_str(out, rest);
    }

    out->failed |= lines.failed;
    pv_buf_free(&lines);
}


static json_t *
pv_draft_audience(const pv_audience_t *a)
{
    char         digest[2 * PV_SHA256_LEN];
    const char  *kind;

    kind = pv_audience_kind_name(a->kind);

    switch (a->kind) {

    case PV_AUDIENCE_LIST:
        pv_hex_encode(digest, a->digest, PV_SHA256_LEN);
        return json_pack("{s:s, s:s%, s:I}", "kind", kind, "digest", digest, sizeof(digest),
                         "count", (json_int_t) a->count);

    case PV_AUDIENCE_BOUND_BEFORE:
        return json_pack("{s:s, s:I, s:s%}", "kind", kind, "number", (json_int_t) a->number,
                         "version", (const char *) a->version.data, a->version.len);

    case PV_AUDIENCE_GRANTED:
        return json_pack("{s:s, s:s%}", "kind", kind, "purpose", (const char *) a->purpose.data, a->purpose.len);

    case PV_AUDIENCE_NONE:
    case PV_AUDIENCE_USERS:
        break;
    }

    return json_pack("{s:s}", "kind", kind);
}


static void
pv_draft_set(pv_notice_draft_t *d, json_t *object, const char *name, json_t *value)
{
    if (value == NULL || json_object_set_new(object, name, value) != 0) {
        d->failed = 1;
    }
}


int
pv_notice_seal_retraction(pv_buf_t *out, const pv_notice_context_t *context, uint32_t retracts, const char *reason,
    const unsigned char secret[PV_ED25519_SECRET], pv_problems_t *problems)
{
    int          rc;
    pv_buf_t     clean;
    pv_notice_draft_t   d;
    const char  *problem;

    memset(&d, 0, sizeof(d));
    d.context = context;
    d.kind = PV_NOTICE_RETRACTION;

    pv_buf_init(&clean, 4 * PV_NOTICE_MAX);
    pv_draft_clean(&clean, reason);

    problem = clean.len == 0 ? "is empty" : clean.failed || clean.len > PV_REASON_MAX ? "is too long"
              : pv_text_problem((pv_str_t) { clean.data, clean.len }, 0);

    if (problem != NULL) {
        pv_problem(problems, NULL, 0, "reason", "%s", problem);
        pv_buf_free(&clean);
        return PV_INVALID;
    }

    pv_draft_common(&d);

    if (d.root != NULL) {
        pv_draft_set(&d, d.root, "retracts", json_integer(retracts));
        pv_draft_set(&d, d.root, "reason", json_stringn((const char *) clean.data, clean.len));
    }

    rc = d.failed ? PV_ERROR : pv_draft_seal(out, context->site, d.root, NULL, secret, problems);

    json_decref(d.root);
    pv_buf_free(&clean);

    return rc;
}


/* Nothing is sealed that would be refused. */
static int
pv_draft_seal(pv_buf_t *out, pv_str_t site, const json_t *root, const char *file,
    const unsigned char secret[PV_ED25519_SECRET], pv_problems_t *problems)
{
    int           rc;
    char         *text;
    size_t        start;
    pv_notice_t  *opened;

    text = pv_head_canonical(root, NULL);
    if (text == NULL) {
        return PV_ERROR;
    }

    if (strlen(text) > PV_NOTICE_MAX) {
        pv_problem(problems, file, 0, "texts", "come to more than %d bytes", PV_NOTICE_MAX);
        free(text);
        return PV_INVALID;
    }

    start = out->len;
    rc = pv_signed_seal(out, PV_NOTICE_MAGIC, site, pv_str(text), secret);
    free(text);

    if (rc != PV_OK) {
        return rc;
    }

    rc = pv_notice_open(&opened, (pv_str_t) { out->data + start, out->len - start }, site, problems);
    pv_notice_free(opened);

    if (rc != PV_OK) {
        out->len = start;
    }

    return rc;
}
