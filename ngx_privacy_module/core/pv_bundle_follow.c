/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * How a version follows the one before: lead time, bits, and which purposes
 * it leaves undecided.
 */

#include <stdio.h>
#include <string.h>

#include "pv_bundle_draft.h"
#include "pv_declared.h"
#include "pv_json_line.h"
#include "pv_text.h"

#define PV_DAY  86400


typedef struct {
    const pv_bundle_context_t  *context;
    const char                 *file;
    pv_problems_t              *problems;
    const json_t               *now;            /* what is declared by this version */
    json_t                     *before;         /* and by the one before; NULL for the first */
} pv_follow_t;


static void pv_follow_times(const pv_follow_t *f);
static int pv_follow_material(const json_t *declared);
static int pv_follow_bits(const pv_follow_t *f, json_t *bits);
static long pv_follow_free_bit(const json_t *bits);
static int pv_follow_asked_since(const pv_follow_t *f, json_t *asked_since, json_t *unnamed);
static int pv_follow_unnamed(const pv_follow_t *f, const json_t *purpose, uint32_t since);
static uint32_t pv_follow_purpose(const pv_follow_t *f, const json_t *purpose, const char *field);
static int pv_follow_named(const json_t *declared, const char *id, int material);
static int pv_follow_all_editorial(const json_t *declared);
static int pv_follow_scope_differs(const pv_follow_t *f, const json_t *a, const json_t *b);
static int pv_follow_words_differ(const pv_follow_t *f, const json_t *a, const json_t *b);
static int pv_follow_recipients_differ(const pv_follow_t *f, const json_t *purpose, const char *const *keys);
static const json_t *pv_follow_by_id(const json_t *list, const char *id);
static int pv_follow_same_words(const pv_follow_t *f, const json_t *a, const json_t *b, const char *key);
static int pv_follow_same(const json_t *a, const json_t *b, const char *key);
static const json_t *pv_follow_default(const json_t *declared, const json_t *words);


/* What widens a purpose, whatever its words say. */
static const char  *pv_scope_keys[] = { "cookies", "sources", "recipients", NULL };
static const char  *pv_recipient_scope_keys[] = { "country", NULL };
static const char  *pv_recipient_word_keys[] = { "name", "data", "use", NULL };


int
pv_draft_follow(pv_draft_t *draft, const pv_bundle_context_t *context, const char *file, pv_problems_t *problems)
{
    size_t              errors, first;
    json_error_t        error;
    pv_follow_t         f;
    const pv_policy_t  *previous;

    errors = problems->errors;
    first = problems->count;
    previous = context->previous;

    memset(&f, 0, sizeof(f));
    f.context = context;
    f.file = file;
    f.problems = problems;
    f.now = draft->declared;

    if (previous != NULL) {
        f.before = json_loadb((const char *) previous->declared.data, previous->declared.len, 0, &error);
        if (f.before == NULL) {
            return PV_ERROR;
        }
    }

    json_decref(draft->bits);
    draft->bits = pv_draft_bits(context);
    draft->asked_since = json_object();
    draft->unnamed = json_array();

    if (draft->bits == NULL || draft->asked_since == NULL || draft->unnamed == NULL
        || pv_follow_bits(&f, draft->bits) != PV_OK
        || pv_follow_asked_since(&f, draft->asked_since, draft->unnamed) != PV_OK)
    {
        json_decref(f.before);
        return PV_ERROR;
    }

    pv_follow_times(&f);
    json_decref(f.before);
    pv_problems_lines(problems, first, file, draft->json);

    return problems->errors != errors ? PV_INVALID : PV_OK;
}


void
pv_draft_times(const pv_draft_t *draft, const pv_bundle_context_t *context, const char *file, pv_problems_t *problems)
{
    size_t       first;
    pv_follow_t  f;

    memset(&f, 0, sizeof(f));
    f.context = context;
    f.file = file;
    f.problems = problems;
    f.now = draft->declared;

    first = problems->count;
    pv_follow_times(&f);
    pv_problems_lines(problems, first, file, draft->json);
}


json_t *
pv_draft_bits(const pv_bundle_context_t *context)
{
    size_t              i;
    json_t             *bits;
    const pv_policy_t  *newest;

    bits = json_object();
    newest = context->newest != NULL ? context->newest : context->previous;

    for (i = 0; bits != NULL && newest != NULL && i < newest->bits_count; i++) {
        if (json_object_set_new(bits, (const char *) newest->bits[i].id.data, json_integer(newest->bits[i].bit)) != 0)
        {
            json_decref(bits);
            return NULL;
        }
    }

    return bits;
}


static void
pv_follow_times(const pv_follow_t *f)
{
    int64_t                     effective;
    const char                 *written;
    const pv_bundle_context_t  *c;

    c = f->context;
    written = pv_declared_string(f->now, "effective");

    if (written == NULL || pv_rfc3339_parse(&effective, pv_str(written)) != PV_OK) {
        return;
    }

    if (effective < c->now - PV_DAY && c->previous != NULL && c->urgent == NULL) {
        pv_problem(f->problems, f->file, 0, "effective", "is in the past: a version takes effect when it is published, "
                   "not before; give the day of publishing (or be urgent, with the reason)");

    } else if (effective < c->now) {
        pv_warning(f->problems, f->file, 0, "effective", "is in the past: the version takes effect when it is "
                   "published");
    }

    if (c->previous == NULL) {
        return;
    }

    if (effective < c->previous->effective) {
        pv_problem(f->problems, f->file, 0, "effective", "is before that of the version before (%.40s)",
                   (const char *) c->previous->effective_text.data);
    }

    written = pv_declared_string(f->now, "version");

    if (written != NULL && pv_str_eqs(c->previous->version, written)) {
        pv_problem(f->problems, f->file, 0, "version", "is that of the version before, which says something else: "
                   "a published version never changes");
    }

    if (json_array_size(json_object_get(f->now, "changes")) == 0) {
        pv_problem(f->problems, f->file, 0, "changes", "is empty: what changed, and of which kind is it?");
    }

    if (pv_follow_material(f->now) && c->urgent == NULL
        && effective < c->now + (int64_t) c->notice_days * PV_DAY)
    {
        pv_problem(f->problems, f->file, 0, "effective", "a material change has to be published %u days before it "
                   "takes effect (or be urgent, with the reason)", c->notice_days);
    }
}


static int
pv_follow_material(const json_t *declared)
{
    size_t       i;
    json_t      *change;
    const char  *kind;

    json_array_foreach(json_object_get(declared, "changes"), i, change) {
        kind = pv_declared_string(change, "kind");
        if (kind != NULL && pv_declared_material(kind)) {
            return 1;
        }
    }

    return 0;
}


/* A purpose keeps its bit by its id; a new one gets a bit that none ever had. */
static int
pv_follow_bits(const pv_follow_t *f, json_t *bits)
{
    long         bit;
    size_t       i;
    char         field[64];
    json_t      *purpose;
    const char  *id;

    json_array_foreach(json_object_get(f->now, "purposes"), i, purpose) {
        id = pv_declared_string(purpose, "id");

        if (json_object_get(bits, id) != NULL) {
            continue;
        }

        bit = pv_follow_free_bit(bits);
        if (bit < 0) {
            snprintf(field, sizeof(field), "purposes[%zu]", i);
            pv_problem(f->problems, f->file, 0, field, "a site can have %d purposes in all its life: none is left",
                       PV_PURPOSES_MAX);
            continue;
        }

        if (json_object_set_new(bits, id, json_integer(bit)) != 0) {
            return PV_ERROR;
        }
    }

    return PV_OK;
}


static long
pv_follow_free_bit(const json_t *bits)
{
    long         i;
    json_t      *bit;
    uint64_t     taken;
    const char  *id;

    taken = 0;

    json_object_foreach((json_t *) bits, id, bit) {
        taken |= (uint64_t) 1 << json_integer_value(bit);
    }

    for (i = 0; i < PV_PURPOSES_MAX; i++) {
        if (!(taken & ((uint64_t) 1 << i))) {
            return i;
        }
    }

    return -1;
}


static int
pv_follow_asked_since(const pv_follow_t *f, json_t *asked_since, json_t *unnamed)
{
    size_t       i;
    char         field[64];
    json_t      *purpose;
    uint32_t     since;
    const char  *id;

    json_array_foreach(json_object_get(f->now, "purposes"), i, purpose) {
        snprintf(field, sizeof(field), "purposes[%zu]", i);
        since = pv_follow_purpose(f, purpose, field);

        id = pv_declared_string(purpose, "id");

        if (json_object_set_new(asked_since, id, json_integer(since)) != 0
            || (pv_follow_unnamed(f, purpose, since) && json_array_append_new(unnamed, json_string(id)) != 0))
        {
            return PV_ERROR;
        }
    }

    return PV_OK;
}


/* Whether the version that changed the purpose last did so without a word: then nobody agrees to that by agreeing to it. */
static int
pv_follow_unnamed(const pv_follow_t *f, const json_t *purpose, uint32_t since)
{
    const char  *id;

    id = pv_declared_string(purpose, "id");

    if (f->before == NULL || json_is_true(json_object_get(purpose, "necessary"))) {
        return 0;
    }

    return since == f->context->sequence ? !pv_follow_named(f->now, id, 1)
           : pv_policy_purpose(f->context->previous, pv_str(id))->unnamed;
}


/* The version since which the purpose means what it means now. */
static uint32_t
pv_follow_purpose(const pv_follow_t *f, const json_t *purpose, const char *field)
{
    int                  editorial, named, scope;
    const char          *id;
    const json_t        *before;
    const pv_purpose_t  *previous;

    id = pv_declared_string(purpose, "id");
    before = pv_follow_by_id(json_object_get(f->before, "purposes"), id);

    if (before == NULL) {
        return f->context->sequence;
    }

    named = pv_follow_named(f->now, id, 1);
    editorial = !named && (pv_follow_named(f->now, id, 0) || pv_follow_all_editorial(f->now));
    scope = pv_follow_scope_differs(f, before, purpose);

    if (scope && editorial) {
        pv_problem(f->problems, f->file, 0, field, "its cookies, sources, recipients or kind differ from the version "
                   "before, which is more than an editorial change");
    }

    if (scope && !editorial && !named && !json_is_true(json_object_get(purpose, "necessary"))) {
        pv_warning(f->problems, f->file, 0, field, "differs from the version before, but no change names it: it will "
                   "be asked for again");
    }

    if (named || scope || (!editorial && pv_follow_words_differ(f, before, purpose))) {
        return f->context->sequence;
    }

    previous = pv_policy_purpose(f->context->previous, pv_str(id));

    return previous->asked_since;
}


/* Whether a change of that sort names the purpose. */
static int
pv_follow_named(const json_t *declared, const char *id, int material)
{
    size_t   i, k;
    json_t  *change, *one;

    json_array_foreach(json_object_get(declared, "changes"), i, change) {
        if (pv_declared_material(pv_declared_string(change, "kind")) != material) {
            continue;
        }

        json_array_foreach(json_object_get(change, "purposes"), k, one) {
            if (strcmp(json_string_value(one), id) == 0) {
                return 1;
            }
        }
    }

    return 0;
}


static int
pv_follow_all_editorial(const json_t *declared)
{
    return json_array_size(json_object_get(declared, "changes")) != 0 && !pv_follow_material(declared);
}


static int
pv_follow_scope_differs(const pv_follow_t *f, const json_t *a, const json_t *b)
{
    size_t  i;

    for (i = 0; pv_scope_keys[i] != NULL; i++) {
        if (!pv_follow_same(a, b, pv_scope_keys[i])) {
            return 1;
        }
    }

    return json_is_true(json_object_get(a, "necessary")) != json_is_true(json_object_get(b, "necessary"))
           || json_is_true(json_object_get(a, "separate")) != json_is_true(json_object_get(b, "separate"))
           || pv_follow_recipients_differ(f, b, pv_recipient_scope_keys);
}


static int
pv_follow_words_differ(const pv_follow_t *f, const json_t *a, const json_t *b)
{
    return !pv_follow_same_words(f, a, b, "title") || !pv_follow_same_words(f, a, b, "text")
           || !pv_follow_same_words(f, a, b, "retention")
           || pv_follow_recipients_differ(f, b, pv_recipient_word_keys);
}


/* Whether one of the purpose's recipients is another than it was: who it is, where, what for. */
static int
pv_follow_recipients_differ(const pv_follow_t *f, const json_t *purpose, const char *const *keys)
{
    size_t         i, k;
    json_t        *one;
    const json_t  *a, *b;

    json_array_foreach(json_object_get(purpose, "recipients"), i, one) {
        a = pv_follow_by_id(json_object_get(f->before, "recipients"), json_string_value(one));
        b = pv_follow_by_id(json_object_get(f->now, "recipients"), json_string_value(one));

        for (k = 0; a != NULL && b != NULL && keys[k] != NULL; k++) {
            if (!pv_follow_same_words(f, a, b, keys[k])) {
                return 1;
            }
        }
    }

    return 0;
}


static const json_t *
pv_follow_by_id(const json_t *list, const char *id)
{
    size_t       i;
    json_t      *one;
    const char  *s;

    json_array_foreach((json_t *) list, i, one) {
        s = pv_declared_string(one, "id");
        if (s != NULL && strcmp(s, id) == 0) {
            return one;
        }
    }

    return NULL;
}


/* An absent list is an empty one. */
static int
pv_follow_same(const json_t *a, const json_t *b, const char *key)
{
    const json_t  *x, *y;

    x = json_object_get(a, key);
    y = json_object_get(b, key);

    if (json_array_size(x) == 0 && json_array_size(y) == 0) {
        return 1;
    }

    return x != NULL && y != NULL && json_equal((json_t *) x, (json_t *) y);
}


/* The default language decides: a better translation asks nobody again. */
static int
pv_follow_same_words(const pv_follow_t *f, const json_t *a, const json_t *b, const char *key)
{
    const json_t  *x, *y;

    x = pv_follow_default(f->before, json_object_get(a, key));
    y = pv_follow_default(f->now, json_object_get(b, key));

    return (x == NULL && y == NULL) || (x != NULL && y != NULL && json_equal((json_t *) x, (json_t *) y));
}


static const json_t *
pv_follow_default(const json_t *declared, const json_t *words)
{
    const json_t  *tag;

    if (!json_is_object(words)) {
        return words;
    }

    tag = json_array_get(json_object_get(declared, "languages"), 0);

    return json_object_get(words, json_string_value(tag));
}
