/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* From a sealed notice to a pv_notice_t. */

#include <string.h>

#include "pv_notice_private.h"
#include "pv_signed.h"


typedef struct {
    const json_t      *root;
    pv_notice_kind_t   kind;
    pv_str_t           signature, text;
} pv_notice_source_t;


static int pv_notice_fill(pv_notice_t *n, pv_arena_t *arena, const void *data);
static void pv_notice_fill_audience(pv_notice_t *n, pv_arena_t *arena, const json_t *audience);
static int pv_notice_fill_texts(pv_notice_t *n, pv_arena_t *arena, const json_t *root);
static uint32_t pv_notice_number(const json_t *object, const char *name);
static pv_str_t pv_notice_string(pv_arena_t *arena, const json_t *object, const char *name);


int
pv_notice_open(pv_notice_t **notice, pv_str_t sealed, pv_str_t site, pv_problems_t *problems)
{
    int                 rc;
    size_t              errors;
    json_t             *root;
    pv_str_t            rest;
    pv_notice_source_t  source;

    *notice = NULL;
    root = NULL;
    errors = problems->errors;
    memset(&source, 0, sizeof(source));

    rc = pv_site_valid(site) && sealed.len <= PV_NOTICE_SEALED_MAX
         ? pv_signed_split(sealed, PV_NOTICE_MAGIC, PV_NOTICE_MAX, &source.signature, &source.text, &rest) : PV_INVALID;
    rc = rc == PV_OK && rest.len == 0 ? PV_OK : PV_INVALID;
    rc = rc == PV_OK ? pv_notice_read(&root, &source.kind, source.text, site, problems) : rc;
    source.root = root;
    rc = rc == PV_OK ? pv_notice_make(notice, pv_notice_fill, &source) : rc;
    json_decref(root);

    if (rc == PV_INVALID && problems->errors == errors) {
        pv_problem(problems, NULL, 0, NULL, "is no sealed notice");
    }

    return rc;
}


int
pv_notice_verify(pv_str_t sealed, pv_str_t site, const unsigned char pub[PV_ED25519_PUBLIC])
{
    if (!pv_site_valid(site) || sealed.len > PV_NOTICE_SEALED_MAX) {
        return PV_INVALID;
    }

    return pv_signed_verify(sealed, PV_NOTICE_MAGIC, PV_NOTICE_MAX, site, pub);
}


static int
pv_notice_fill(pv_notice_t *n, pv_arena_t *arena, const void *data)
{
    int                        rc;
    const json_t              *root;
    const pv_notice_source_t  *source;

    source = data;
    root = source->root;

    rc = pv_signed_signature(n->signature, source->signature);
    rc = rc == PV_OK ? pv_sha256(n->digest, &source->text, 1) : rc;

    if (rc != PV_OK) {
        return rc;
    }

    n->kind = source->kind;
    n->number = pv_notice_number(root, "number");
    n->log = pv_notice_number(root, "log");
    n->published = json_integer_value(json_object_get(root, "published"));
    n->until = json_integer_value(json_object_get(root, "until"));
    n->public = n->bar = json_is_true(json_object_get(root, "public"));
    n->corrects = pv_notice_number(root, "corrects");
    n->retracts = pv_notice_number(root, "retracts");
    (void) pv_hex_decode(n->previous, PV_SHA256_LEN, pv_str(pv_declared_string(root, "previous")));

    n->reason = pv_notice_string(arena, root, "reason");
    n->version = n->effective_text = (pv_str_t) pv_string("");

    pv_notice_fill_audience(n, arena, json_object_get(root, "audience"));

    return pv_notice_fill_texts(n, arena, root);
}


static void
pv_notice_fill_audience(pv_notice_t *n, pv_arena_t *arena, const json_t *audience)
{
    const char  *name, *digest;

    name = pv_declared_string(audience, "kind");
    digest = pv_declared_string(audience, "digest");

    while (name != NULL && strcmp(name, pv_audience_kind_name(n->audience.kind)) != 0) {
        n->audience.kind++;     /* one of them: it was looked at */
    }

    if (digest != NULL) {
        (void) pv_hex_decode(n->audience.digest, PV_SHA256_LEN, pv_str(digest));
    }

    n->audience.count = pv_notice_number(audience, "count");
    n->audience.number = pv_notice_number(audience, "number");
    n->audience.version = pv_notice_string(arena, audience, "version");
    n->audience.purpose = pv_notice_string(arena, audience, "purpose");
}


static int
pv_notice_fill_texts(pv_notice_t *n, pv_arena_t *arena, const json_t *root)
{
    size_t         i, part;
    json_t        *languages, *tag;
    const json_t  *from;

    languages = json_object_get(root, "languages");
    n->texts = pv_arena_array(arena, json_array_size(languages), sizeof(pv_notice_text_t));

    if (n->texts == NULL) {
        return n->kind == PV_NOTICE_RETRACTION ? PV_OK : PV_ERROR;
    }

    n->texts_count = json_array_size(languages);

    json_array_foreach(languages, i, tag) {
        from = json_object_get(json_object_get(root, "texts"), json_string_value(tag));

        n->texts[i].language = pv_arena_copy(arena, json_string_value(tag), json_string_length(tag));
        n->texts[i].title = pv_notice_string(arena, from, "title");
        n->texts[i].summary = pv_notice_string(arena, from, "summary");

        for (part = 0; part < PV_NOTICE_PARTS; part++) {
            n->texts[i].parts[part] = pv_notice_string(arena, from, pv_notice_part_name(part));
        }
    }

    return PV_OK;
}


static uint32_t
pv_notice_number(const json_t *object, const char *name)
{
    return (uint32_t) json_integer_value(json_object_get(object, name));
}


/* Empty, never NULL, where there is none. */
static pv_str_t
pv_notice_string(pv_arena_t *arena, const json_t *object, const char *name)
{
    const json_t  *value;

    value = json_object_get(object, name);

    return json_is_string(value) ? pv_arena_copy(arena, json_string_value(value), json_string_length(value))
           : (pv_str_t) pv_string("");
}
