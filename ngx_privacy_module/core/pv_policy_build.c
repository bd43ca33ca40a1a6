/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * Copies a checked entry into a pv_policy_t. Where memory runs out the arena
 * remembers it, and the whole policy is given up at the end.
 */

#include <stdlib.h>
#include <string.h>

#include "pv_arena.h"
#include "pv_declared.h"
#include "pv_gate.h"
#include "pv_policy_build.h"
#include "pv_text.h"


/* What is carried through the building. */
typedef struct {
    pv_policy_t      *policy;
    pv_arena_t       *arena;
    const pv_head_t  *head;
    const json_t     *root;         /* the head as JSON */
    const json_t     *declared;
    pv_str_t          sealed;
} pv_build_t;


static void pv_build_head(pv_build_t *b);
static void pv_build_controller(pv_build_t *b);
static void pv_build_texts(pv_build_t *b);
static pv_str_t pv_build_body(pv_build_t *b, pv_body_t body, size_t language);
static void pv_build_bits(pv_build_t *b);
static void pv_build_purposes(pv_build_t *b);
static int pv_build_is_unnamed(const pv_build_t *b, const char *id);
static void pv_build_purpose(pv_build_t *b, pv_purpose_t *purpose, const json_t *from);
static void pv_build_cookies(pv_build_t *b, pv_purpose_t *purpose, const json_t *list);
static void pv_build_recipients(pv_build_t *b);
static void pv_build_changes(pv_build_t *b);
static int pv_build_gate(pv_build_t *b);
static pv_str_t pv_build_string(pv_build_t *b, const json_t *object, const char *key);
static pv_str_t *pv_build_strings(pv_build_t *b, const json_t *list, size_t *count);
static pv_translation_t *pv_build_words(pv_build_t *b, const json_t *object, const char *key);
static pv_str_t pv_first_words(const pv_translation_t *words);
static unsigned pv_build_number(const json_t *object, const char *key, unsigned otherwise);


int
pv_policy_build(pv_policy_t **policy, const pv_head_t *head, const json_t *root, const json_t *declared,
    pv_str_t sealed)
{
    int         rc;
    pv_build_t  b;

    b.policy = calloc(1, sizeof(pv_policy_t));
    b.arena = calloc(1, sizeof(pv_arena_t));

    if (b.policy == NULL || b.arena == NULL) {
        free(b.policy);
        free(b.arena);
        return PV_ERROR;
    }

    pv_arena_init(b.arena);
    b.policy->memory = b.arena;
    b.head = head;
    b.root = root;
    b.declared = declared;
    b.sealed = sealed;

    pv_build_head(&b);
    pv_build_controller(&b);
    pv_build_texts(&b);
    pv_build_bits(&b);
    pv_build_recipients(&b);
    pv_build_purposes(&b);
    pv_build_changes(&b);

    b.policy->declared = pv_build_body(&b, PV_BODY_DECLARED, 0);

    rc = b.arena->failed ? PV_ERROR : pv_build_gate(&b);

    if (rc != PV_OK) {
        pv_policy_free(b.policy);
        return rc;
    }

    *policy = b.policy;

    return PV_OK;
}


void
pv_policy_free(pv_policy_t *policy)
{
    if (policy == NULL) {
        return;
    }

    if (policy->gate != NULL) {
        pv_gate_free(policy->gate);
    }

    pv_arena_free(policy->memory);
    free(policy->memory);
    free(policy);
}


static void
pv_build_head(pv_build_t *b)
{
    pv_policy_t  *p;

    p = b->policy;

    p->sequence = b->head->sequence;
    p->published = b->head->published;
    p->site = pv_build_string(b, b->root, "site");
    p->urgent = pv_build_string(b, b->root, "urgent");

    memcpy(p->digest, b->head->digest, PV_SHA256_LEN);
    memcpy(p->previous, b->head->previous, PV_SHA256_LEN);
    memcpy(p->key, b->head->key, PV_ED25519_PUBLIC);
    memcpy(p->signature, b->head->signature, PV_ED25519_SIG);
    p->sealed_head = pv_arena_copy(b->arena, b->sealed.data, b->head->bodies);

    p->version = pv_build_string(b, b->declared, "version");
    p->effective_text = pv_build_string(b, b->declared, "effective");
    (void) pv_rfc3339_parse(&p->effective, p->effective_text);

    p->choice_days = pv_build_number(b->declared, "choice_days", 180);
    p->minor_age = pv_build_number(b->declared, "minor_age", 14);
    p->reduces_rights = json_is_true(json_object_get(b->declared, "reduces_rights"));
}


static void
pv_build_controller(pv_build_t *b)
{
    const json_t     *from;
    pv_controller_t  *c;

    c = &b->policy->controller;
    from = json_object_get(b->declared, "controller");

    c->name = pv_build_string(b, from, "name");
    c->mail = pv_build_string(b, from, "mail");
    c->telephone = pv_build_string(b, from, "telephone");
    c->address = pv_build_string(b, from, "address");
    c->department = pv_build_string(b, from, "department");
    c->complaint = pv_build_string(b, from, "complaint");
}


static void
pv_build_texts(pv_build_t *b)
{
    size_t                 i;
    pv_text_t             *texts;
    const pv_head_text_t  *from;

    texts = pv_arena_array(b->arena, b->head->texts_count, sizeof(pv_text_t));
    if (texts == NULL) {
        return;
    }

    for (i = 0; i < b->head->texts_count; i++) {
        from = &b->head->texts[i];

        texts[i].language = pv_arena_copy(b->arena, from->language.data, from->language.len);
        texts[i].title = pv_arena_copy(b->arena, from->title.data, from->title.len);
        texts[i].markdown = pv_build_body(b, PV_BODY_MARKDOWN, i);
        texts[i].html = pv_build_body(b, PV_BODY_HTML, i);
    }

    b->policy->texts = texts;
    b->policy->texts_count = b->head->texts_count;
}


static pv_str_t
pv_build_body(pv_build_t *b, pv_body_t body, size_t language)
{
    return pv_arena_copy(b->arena, b->sealed.data + pv_head_offset(b->head, body, language),
                         pv_head_part(b->head, body, language)->size);
}


static void
pv_build_bits(pv_build_t *b)
{
    json_t      *from, *bit;
    pv_bit_t    *bits;
    const char  *id;

    from = json_object_get(b->root, "bits");

    bits = pv_arena_array(b->arena, json_object_size(from), sizeof(pv_bit_t));
    if (bits == NULL) {
        return;
    }

    b->policy->bits = bits;
    b->policy->bits_count = json_object_size(from);

    json_object_foreach(from, id, bit) {
        bits->id = pv_arena_copy(b->arena, id, strlen(id));
        bits->bit = (unsigned) json_integer_value(bit);
        bits++;
    }
}


static void
pv_build_purposes(pv_build_t *b)
{
    size_t        i, cookies;
    json_t       *from, *one;
    pv_policy_t  *p;

    p = b->policy;
    from = json_object_get(b->declared, "purposes");
    cookies = 0;

    json_array_foreach(from, i, one) {
        cookies += json_array_size(json_object_get(one, "cookies"));
    }

    p->cookies = pv_arena_array(b->arena, cookies, sizeof(pv_cookie_declaration_t));
    p->purposes = pv_arena_array(b->arena, json_array_size(from), sizeof(pv_purpose_t));

    if (b->arena->failed) {
        return;
    }

    json_array_foreach(from, i, one) {
        pv_build_purpose(b, &p->purposes[i], one);
        p->purposes_count++;
    }
}


static int
pv_build_is_unnamed(const pv_build_t *b, const char *id)
{
    size_t   i;
    json_t  *one;

    json_array_foreach(json_object_get(b->root, "unnamed"), i, one) {
        if (strcmp(json_string_value(one), id) == 0) {
            return 1;
        }
    }

    return 0;
}


static void
pv_build_purpose(pv_build_t *b, pv_purpose_t *purpose, const json_t *from)
{
    uint64_t      mask;
    const char   *id;
    pv_policy_t  *p;

    p = b->policy;
    id = pv_declared_string(from, "id");

    purpose->id = pv_build_string(b, from, "id");
    purpose->bit = (unsigned) json_integer_value(json_object_get(json_object_get(b->root, "bits"), id));
    purpose->asked_since = (uint32_t)
        json_integer_value(json_object_get(json_object_get(b->root, "asked_since"), id));
    purpose->unnamed = pv_build_is_unnamed(b, id);
    purpose->necessary = json_is_true(json_object_get(from, "necessary"));
    purpose->separate = json_is_true(json_object_get(from, "separate"));

    purpose->title = pv_build_words(b, from, "title");
    purpose->text = pv_build_words(b, from, "text");
    purpose->exempt_reason_in = pv_build_words(b, from, "exempt_reason");
    purpose->exempt_reason = pv_first_words(purpose->exempt_reason_in);
    purpose->retention_in = pv_build_words(b, from, "retention");
    purpose->retention = pv_first_words(purpose->retention_in);

    purpose->sources = pv_build_strings(b, json_object_get(from, "sources"), &purpose->sources_count);
    purpose->recipients = pv_build_strings(b, json_object_get(from, "recipients"), &purpose->recipients_count);

    pv_build_cookies(b, purpose, json_object_get(from, "cookies"));

    mask = (uint64_t) 1 << purpose->bit;
    p->all |= mask;
    p->necessary |= purpose->necessary ? mask : 0;
    p->separate |= purpose->separate ? mask : 0;
}


static void
pv_build_cookies(pv_build_t *b, pv_purpose_t *purpose, const json_t *list)
{
    size_t                    i;
    json_t                   *one;
    pv_cookie_declaration_t  *cookie;

    if (json_array_size(list) == 0) {
        return;
    }

    purpose->cookies = b->policy->cookies + b->policy->cookies_count;
    purpose->cookies_count = json_array_size(list);
    b->policy->cookies_count += purpose->cookies_count;

    json_array_foreach((json_t *) list, i, one) {
        cookie = &purpose->cookies[i];

        cookie->name = pv_build_string(b, one, "name");
        cookie->domain = pv_build_string(b, one, "domain");
        cookie->path = pv_build_string(b, one, "path");
        cookie->lifetime = pv_build_string(b, one, "lifetime");
        cookie->provider = pv_build_string(b, one, "provider");
    }
}


static void
pv_build_recipients(pv_build_t *b)
{
    size_t           i;
    json_t          *from, *one;
    pv_recipient_t  *r;

    from = json_object_get(b->declared, "recipients");

    r = pv_arena_array(b->arena, json_array_size(from), sizeof(pv_recipient_t));
    if (r == NULL) {
        return;
    }

    b->policy->recipients = r;
    b->policy->recipients_count = json_array_size(from);

    json_array_foreach(from, i, one) {
        r[i].id = pv_build_string(b, one, "id");
        r[i].policy = pv_build_string(b, one, "policy");
        r[i].name_in = pv_build_words(b, one, "name");
        r[i].name = pv_first_words(r[i].name_in);
        r[i].data_in = pv_build_words(b, one, "data");
        r[i].data = pv_first_words(r[i].data_in);
        r[i].use_in = pv_build_words(b, one, "use");
        r[i].use = pv_first_words(r[i].use_in);
        r[i].country_in = pv_build_words(b, one, "country");
        r[i].country = pv_first_words(r[i].country_in);
    }
}


static void
pv_build_changes(pv_build_t *b)
{
    size_t        i;
    json_t       *from, *one;
    pv_change_t  *c;

    from = json_object_get(b->declared, "changes");

    c = pv_arena_array(b->arena, json_array_size(from), sizeof(pv_change_t));
    if (c == NULL) {
        return;
    }

    b->policy->changes = c;
    b->policy->changes_count = json_array_size(from);

    json_array_foreach(from, i, one) {
        c[i].kind = pv_build_string(b, one, "kind");
        c[i].purposes = pv_build_strings(b, json_object_get(one, "purposes"), &c[i].purposes_count);
        c[i].summary = pv_build_words(b, one, "summary");
        c[i].summary_count = c[i].summary != NULL ? b->policy->texts_count : 0;
    }
}


static int
pv_build_gate(pv_build_t *b)
{
    int              rc;
    size_t           i, k, n;
    pv_policy_t     *p;
    pv_purpose_t    *purpose;
    pv_gate_rule_t  *rules;

    p = b->policy;

    rules = calloc(p->cookies_count + 1, sizeof(pv_gate_rule_t));
    if (rules == NULL) {
        return PV_ERROR;
    }

    for (i = 0, n = 0; i < p->purposes_count; i++) {
        purpose = &p->purposes[i];

        for (k = 0; k < purpose->cookies_count; k++, n++) {
            rules[n].name = purpose->cookies[k].name;
            rules[n].purposes = (uint64_t) 1 << purpose->bit;
            rules[n].declaration = (uint32_t) n;
        }
    }

    rc = pv_gate_compile(&p->gate, rules, n);
    free(rules);

    return rc;
}


/* Empty, but never NULL, when the field is absent. */
static pv_str_t
pv_build_string(pv_build_t *b, const json_t *object, const char *key)
{
    const json_t  *value;
    static const pv_str_t  none = pv_string("");

    value = json_object_get(object, key);
    if (!json_is_string(value)) {
        return none;
    }

    return pv_arena_copy(b->arena, json_string_value(value), json_string_length(value));
}


static pv_str_t *
pv_build_strings(pv_build_t *b, const json_t *list, size_t *count)
{
    size_t     i;
    json_t    *one;
    pv_str_t  *strings;

    strings = pv_arena_array(b->arena, json_array_size(list), sizeof(pv_str_t));
    *count = strings != NULL ? json_array_size(list) : 0;

    if (strings != NULL) {
        json_array_foreach((json_t *) list, i, one) {
            strings[i] = pv_arena_copy(b->arena, json_string_value(one), json_string_length(one));
        }
    }

    return strings;
}


/* Words without translations are taken to be in the default language. */
static pv_translation_t *
pv_build_words(pv_build_t *b, const json_t *object, const char *key)
{
    size_t             i;
    const json_t      *value, *text;
    pv_policy_t       *p;
    pv_translation_t  *words;

    p = b->policy;

    value = json_object_get(object, key);
    if (value == NULL || p->texts_count == 0) {
        return NULL;
    }

    words = pv_arena_array(b->arena, p->texts_count, sizeof(pv_translation_t));
    if (words == NULL) {
        return NULL;
    }

    for (i = 0; i < p->texts_count; i++) {
        text = json_is_object(value) ? json_object_get(value, (const char *) p->texts[i].language.data)
                                     : i == 0 ? value : NULL;
        if (text == NULL) {
            words[i] = words[0];
            continue;
        }

        words[i].language = p->texts[i].language;
        words[i].text = pv_arena_copy(b->arena, json_string_value(text), json_string_length(text));
    }

    return words;
}


static pv_str_t
pv_first_words(const pv_translation_t *words)
{
    static const pv_str_t  none = pv_string("");

    return words != NULL ? words[0].text : none;
}


static unsigned
pv_build_number(const json_t *object, const char *key, unsigned otherwise)
{
    const json_t  *value;

    value = json_object_get(object, key);

    return value != NULL ? (unsigned) json_integer_value(value) : otherwise;
}
