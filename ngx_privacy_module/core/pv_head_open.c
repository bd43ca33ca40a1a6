/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * From the first bytes of a sealed entry to a pv_head_t. It is built twice:
 * once to learn how much memory it takes, once in a piece of that size, for a
 * worker keeps thousands.
 */

#include <string.h>

#include "pv_arena.h"
#include "pv_declared.h"
#include "pv_head_json.h"
#include "pv_text.h"


typedef struct {
    pv_head_t     *head;
    pv_arena_t     arena;
    const json_t  *root;
    pv_str_t       signature;
    pv_str_t       text;
} pv_open_t;


static int pv_open_build(pv_open_t *o, pv_entry_kind_t kind);
static void pv_open_common(pv_open_t *o);
static void pv_open_version(pv_open_t *o);
static void pv_open_texts(pv_open_t *o);
static void pv_open_changes(pv_open_t *o);
static void pv_open_summary(pv_open_t *o, pv_change_t *change, const json_t *summary);
static pv_str_t pv_open_string(pv_open_t *o, const json_t *value);
static void pv_open_part(pv_part_t *part, const json_t *from);
static void pv_open_key(unsigned char pub[PV_ED25519_PUBLIC], const json_t *value);


int
pv_head_open(pv_head_t **head, pv_str_t prefix, pv_str_t site, size_t *need, pv_problems_t *problems)
{
    int              rc;
    size_t           used;
    json_t          *root;
    pv_str_t         bodies;
    pv_open_t        o;
    pv_entry_kind_t  kind;

    *head = NULL;
    memset(&o, 0, sizeof(o));

    if (!pv_site_valid(site)) {
        pv_problem(problems, NULL, 0, "site", "is no site name");
        return PV_INVALID;
    }

    rc = pv_sealed_split(prefix, &o.signature, &o.text, &bodies, need);

    if (rc == PV_SHORT) {
        return rc;
    }

    rc = rc == PV_OK ? pv_head_read(&root, &kind, o.text, site, problems) : rc;

    if (rc != PV_OK) {
        if (problems->errors == 0) {
            pv_problem(problems, NULL, 0, NULL, "is no sealed bundle");
        }
        return rc;
    }

    o.root = root;
    pv_arena_init(&o.arena);
    rc = pv_open_build(&o, kind);
    used = pv_arena_used(&o.arena);
    pv_arena_free(&o.arena);

    if (rc == PV_OK) {
        pv_arena_init(&o.arena);
        pv_arena_reserve(&o.arena, used);
        rc = pv_open_build(&o, kind);
    }

    rc = rc == PV_OK ? pv_sha256(o.head->digest, &o.text, 1) : rc;
    json_decref(root);

    if (rc != PV_OK) {
        pv_arena_free(&o.arena);
        if (rc == PV_INVALID) {
            pv_problem(problems, NULL, 0, NULL, "is no sealed bundle: its signature is none");
        }
        return rc;
    }

    o.head->block = o.arena.blocks;
    o.head->memory = (uint32_t) used;
    *head = o.head;

    return PV_OK;
}


void
pv_head_free(pv_head_t *head)
{
    pv_arena_t  arena;

    if (head != NULL) {
        pv_arena_init(&arena);
        arena.blocks = head->block;
        pv_arena_free(&arena);
    }
}


static int
pv_open_build(pv_open_t *o, pv_entry_kind_t kind)
{
    size_t      i;
    pv_head_t  *head;

    head = pv_arena_array(&o->arena, 1, sizeof(pv_head_t));
    o->head = head;

    if (head == NULL) {
        return PV_ERROR;
    }

    if (pv_signed_signature(head->signature, o->signature) != PV_OK) {
        return PV_INVALID;
    }

    head->kind = kind;

    pv_open_common(o);

    if (kind == PV_ENTRY_VERSION) {
        pv_open_version(o);

    } else if (kind == PV_ENTRY_WITHDRAWAL) {
        head->withdraws = (uint32_t) json_integer_value(json_object_get(o->root, "withdraws"));

    } else {
        pv_open_key(head->new_key, json_object_get(o->root, "new_key"));
    }

    head->size = head->bodies + head->declared.size;

    for (i = 0; i < head->texts_count; i++) {
        head->size += head->texts[i].markdown.size + head->texts[i].html.size;
    }

    return o->arena.failed ? PV_ERROR : PV_OK;
}


static void
pv_open_common(pv_open_t *o)
{
    pv_head_t  *head;

    head = o->head;

    head->bodies = (uint32_t) (sizeof(PV_SEALED_MAGIC) - 1 + o->signature.len + 1 + o->text.len + 1);
    head->sequence = (uint32_t) json_integer_value(json_object_get(o->root, "sequence"));
    head->published = json_integer_value(json_object_get(o->root, "published"));
    (void) pv_hex_decode(head->previous, PV_SHA256_LEN, pv_str(pv_declared_string(o->root, "previous")));
    pv_open_key(head->key, json_object_get(o->root, "key"));

    /* Empty, never NULL, where the kind has none. */
    head->version = pv_open_string(o, json_object_get(o->root, "version"));
    head->effective_text = pv_open_string(o, json_object_get(o->root, "effective"));
    head->urgent = pv_open_string(o, json_object_get(o->root, "urgent"));
    head->reason = pv_open_string(o, json_object_get(o->root, "reason"));
}


static void
pv_open_version(pv_open_t *o)
{
    (void) pv_rfc3339_parse(&o->head->effective, o->head->effective_text);
    o->head->reduces_rights = json_is_true(json_object_get(o->root, "reduces_rights"));
    pv_open_part(&o->head->declared, json_object_get(o->root, "declared"));

    pv_open_texts(o);
    pv_open_changes(o);
}


static void
pv_open_texts(pv_open_t *o)
{
    size_t           i;
    json_t          *languages, *tag;
    const json_t    *from;
    pv_head_text_t  *texts;

    languages = json_object_get(o->root, "languages");

    texts = pv_arena_array(&o->arena, json_array_size(languages), sizeof(pv_head_text_t));
    if (texts == NULL) {
        return;
    }

    o->head->texts = texts;
    o->head->texts_count = json_array_size(languages);

    json_array_foreach(languages, i, tag) {
        from = json_object_get(json_object_get(o->root, "texts"), json_string_value(tag));

        texts[i].language = pv_open_string(o, tag);
        texts[i].title = pv_open_string(o, json_object_get(from, "title"));
        pv_open_part(&texts[i].markdown, json_object_get(from, "markdown"));
        pv_open_part(&texts[i].html, json_object_get(from, "html"));
    }
}


static void
pv_open_changes(pv_open_t *o)
{
    size_t        i, k;
    json_t       *from, *one, *ids, *id;
    pv_change_t  *c;

    from = json_object_get(o->root, "changes");

    c = pv_arena_array(&o->arena, json_array_size(from), sizeof(pv_change_t));
    if (c == NULL) {
        return;
    }

    o->head->changes = c;
    o->head->changes_count = json_array_size(from);

    json_array_foreach(from, i, one) {
        c[i].kind = pv_open_string(o, json_object_get(one, "kind"));

        ids = json_object_get(one, "purposes");
        c[i].purposes = pv_arena_array(&o->arena, json_array_size(ids), sizeof(pv_str_t));
        c[i].purposes_count = c[i].purposes != NULL ? json_array_size(ids) : 0;

        json_array_foreach(ids, k, id) {
            if (c[i].purposes != NULL) {
                c[i].purposes[k] = pv_open_string(o, id);
            }
        }

        pv_open_summary(o, &c[i], json_object_get(one, "summary"));
    }
}


static void
pv_open_summary(pv_open_t *o, pv_change_t *change, const json_t *summary)
{
    size_t             i;
    const json_t      *text;
    pv_translation_t  *words;

    if (summary == NULL) {
        return;
    }

    words = pv_arena_array(&o->arena, o->head->texts_count, sizeof(pv_translation_t));
    if (words == NULL) {
        return;
    }

    change->summary = words;
    change->summary_count = o->head->texts_count;

    for (i = 0; i < o->head->texts_count; i++) {
        text = json_object_get(summary, (const char *) o->head->texts[i].language.data);

        if (text == NULL) {
            words[i] = words[0];
            continue;
        }

        words[i].language = o->head->texts[i].language;
        words[i].text = pv_open_string(o, text);
    }
}


static pv_str_t
pv_open_string(pv_open_t *o, const json_t *value)
{
    static const pv_str_t  none = pv_string("");

    if (!json_is_string(value)) {
        return none;
    }

    return pv_arena_copy(&o->arena, json_string_value(value), json_string_length(value));
}


static void
pv_open_part(pv_part_t *part, const json_t *from)
{
    part->size = (uint32_t) json_integer_value(json_object_get(from, "size"));
    (void) pv_hex_decode(part->digest, PV_SHA256_LEN, pv_str(pv_declared_string(from, "sha256")));
}


static void
pv_open_key(unsigned char pub[PV_ED25519_PUBLIC], const json_t *value)
{
    unsigned char  raw[PV_ED25519_PUBLIC + 3];

    (void) pv_base64url_decode(raw, sizeof(raw), pv_str(json_string_value(value)));
    memcpy(pub, raw, PV_ED25519_PUBLIC);
}
