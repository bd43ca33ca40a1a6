/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pv_declared_lookup.h"


/* The two sides of a text in the reader's language, and whether the default language says something else. */
typedef struct {
    pv_str_t  before, after;
    int       differs;
    int       meaning;
} pv_words_pair_t;


static void pv_diff_purposes(pv_declared_work_t *w);
static void pv_diff_purpose(pv_declared_work_t *w, const pv_purpose_t *a, const pv_purpose_t *b);
static void pv_diff_cookies(pv_declared_work_t *w);
static void pv_diff_cookie(pv_declared_work_t *w, pv_str_t purpose, const pv_cookie_declaration_t *a,
    const pv_cookie_declaration_t *b);
static void pv_diff_lists(pv_declared_work_t *w, const char *section);
static void pv_diff_recipients(pv_declared_work_t *w);
static void pv_diff_recipient(pv_declared_work_t *w, const pv_recipient_t *a, const pv_recipient_t *b);
static void pv_diff_retention(pv_declared_work_t *w);
static void pv_diff_contact(pv_declared_work_t *w);
static void pv_diff_terms(pv_declared_work_t *w);
static void pv_diff_languages(pv_declared_work_t *w);
static void pv_diff_strings(pv_declared_work_t *w, const char *section, const char *field, pv_str_t a, pv_str_t b,
    unsigned kinds);
static void pv_diff_number(pv_declared_work_t *w, const char *field, unsigned a, unsigned b, unsigned kinds);
static void pv_diff_words_of(pv_declared_work_t *w, pv_difference_t e, const pv_translation_t *a,
    const pv_translation_t *b, unsigned kinds);
static pv_words_pair_t pv_words_compare(const pv_declared_work_t *w, const pv_translation_t *a,
    const pv_translation_t *b);
static pv_str_t pv_words_in(const pv_policy_t *policy, const pv_translation_t *list, pv_str_t language);
static pv_str_t pv_purpose_name(const pv_declared_work_t *w, const pv_purpose_t *purpose);
static pv_str_t pv_recipient_name(const pv_declared_work_t *w, pv_str_t id);
static const pv_recipient_t *pv_recipient_of(const pv_policy_t *policy, pv_str_t id);
static void pv_difference_add(pv_declared_work_t *w, pv_difference_t e);


int
pv_declared_diff(pv_differences_t *d, const pv_policy_t *a, const pv_policy_t *b, pv_str_t language)
{
    pv_declared_work_t  w;

    memset(d, 0, sizeof(pv_differences_t));
    memset(&w, 0, sizeof(w));
    w.out = d;
    w.a = a;
    w.b = b;
    w.language = language;

    w.arena = malloc(sizeof(pv_arena_t));
    if (w.arena == NULL) {
        return PV_ERROR;
    }

    pv_arena_init(w.arena);
    d->memory = w.arena;

    pv_diff_purposes(&w);
    pv_diff_cookies(&w);
    pv_diff_lists(&w, "sources");
    pv_diff_recipients(&w);
    pv_diff_lists(&w, "recipients");
    pv_diff_retention(&w);
    pv_diff_contact(&w);
    pv_diff_terms(&w);
    pv_diff_languages(&w);

    if (w.failed || w.arena->failed) {
        pv_differences_free(d);
        return PV_ERROR;
    }

    return PV_OK;
}


void
pv_differences_free(pv_differences_t *d)
{
    if (d->memory != NULL) {
        pv_arena_free(d->memory);
        free(d->memory);
    }

    free(d->list);
    memset(d, 0, sizeof(pv_differences_t));
}


static void
pv_diff_purposes(pv_declared_work_t *w)
{
    size_t               i;
    pv_lookup_t          a, b;
    const pv_purpose_t  *purpose, *before;

    a = pv_lookup_of_purposes(w, w->a);
    b = pv_lookup_of_purposes(w, w->b);

    for (i = 0; i < b.count; i++) {
        purpose = b.list[i].entry;
        before = pv_lookup_find(&a, purpose->id);

        if (before != NULL) {
            pv_diff_purpose(w, before, purpose);

        } else {
            pv_difference_add(w, (pv_difference_t) { .how = PV_DIFFERENCE_ADDED, .section = "purposes",
                .id = purpose->id, .name = pv_purpose_name(w, purpose), .kinds = PV_KIND_PURPOSES });
        }
    }

    for (i = 0; i < a.count; i++) {
        purpose = a.list[i].entry;

        if (pv_lookup_find(&b, purpose->id) == NULL) {
            pv_difference_add(w, (pv_difference_t) { .how = PV_DIFFERENCE_REMOVED, .section = "purposes",
                .id = purpose->id, .name = pv_words_in(w->a, purpose->title, w->language), .kinds = PV_KIND_PURPOSES });
        }
    }
}


/* Its own fields. What its words say may be said better: that needs no material kind. */
static void
pv_diff_purpose(pv_declared_work_t *w, const pv_purpose_t *a, const pv_purpose_t *b)
{
    pv_difference_t  e;

    memset(&e, 0, sizeof(e));
    e.how = PV_DIFFERENCE_ALTERED;
    e.section = "purposes";
    e.purpose = b->id;
    e.id = b->id;
    e.name = pv_purpose_name(w, b);

    e.field = "title";
    pv_diff_words_of(w, e, a->title, b->title, 0);
    e.field = "text";
    pv_diff_words_of(w, e, a->text, b->text, 0);
    e.field = "exempt_reason";
    pv_diff_words_of(w, e, a->exempt_reason_in, b->exempt_reason_in, 0);

    e.kinds = PV_KIND_PURPOSES | PV_KIND_RIGHTS;

    if (a->necessary != b->necessary) {
        e.field = "necessary";
        e.before = pv_str(a->necessary ? "true" : "false");
        e.after = pv_str(b->necessary ? "true" : "false");
        pv_difference_add(w, e);
    }

    if (a->separate != b->separate) {
        e.field = "separate";
        e.before = pv_str(a->separate ? "true" : "false");
        e.after = pv_str(b->separate ? "true" : "false");
        pv_difference_add(w, e);
    }
}


/* Of purposes that both have. */
static void
pv_diff_cookies(pv_declared_work_t *w)
{
    size_t                          i, k;
    pv_lookup_t                     a, b;
    const pv_purpose_t             *purpose, *before;
    const pv_cookie_declaration_t  *cookie;

    for (i = 0; i < w->b->purposes_count; i++) {
        purpose = &w->b->purposes[i];
        before = pv_policy_purpose(w->a, purpose->id);

        if (before == NULL) {
            continue;
        }

        a = pv_lookup_of_cookies(w, before);
        b = pv_lookup_of_cookies(w, purpose);

        for (k = 0; k < b.count; k++) {
            cookie = b.list[k].entry;
            pv_diff_cookie(w, purpose->id, pv_lookup_find(&a, b.list[k].key), cookie);
        }

        for (k = 0; k < a.count; k++) {
            if (pv_lookup_find(&b, a.list[k].key) == NULL) {
                cookie = a.list[k].entry;
                pv_diff_cookie(w, purpose->id, cookie, NULL);
            }
        }
    }
}


static void
pv_diff_cookie(pv_declared_work_t *w, pv_str_t purpose, const pv_cookie_declaration_t *a,
    const pv_cookie_declaration_t *b)
{
    pv_difference_t  e;

    memset(&e, 0, sizeof(e));
    e.section = "cookies";
    e.field = "";
    e.purpose = purpose;
    /* cppcheck-suppress nullPointerRedundantCheck; one of the two is always there */
    e.id = b != NULL ? b->name : a->name;
    e.name = e.id;
    e.kinds = PV_KIND_PURPOSES;

    if (a == NULL || b == NULL) {
        e.how = a == NULL ? PV_DIFFERENCE_ADDED : PV_DIFFERENCE_REMOVED;
        pv_difference_add(w, e);
        return;
    }

    e.how = PV_DIFFERENCE_ALTERED;

    if (!pv_str_eq(a->lifetime, b->lifetime)) {
        e.field = "lifetime";
        e.before = a->lifetime;
        e.after = b->lifetime;
        pv_difference_add(w, e);
    }

    if (!pv_str_eq(a->provider, b->provider)) {
        e.field = "provider";
        e.before = a->provider;
        e.after = b->provider;
        e.kinds = PV_KIND_PURPOSES | PV_KIND_RECIPIENTS;
        pv_difference_add(w, e);
    }
}


/* A purpose's sources, or its recipients. */
static void
pv_diff_lists(pv_declared_work_t *w, const char *section)
{
    int                  sources;
    size_t               i, k;
    pv_lookup_t          a, b;
    pv_difference_t      e;
    const pv_purpose_t  *purpose, *before;

    sources = strcmp(section, "sources") == 0;

    for (i = 0; i < w->b->purposes_count; i++) {
        purpose = &w->b->purposes[i];
        before = pv_policy_purpose(w->a, purpose->id);

        if (before == NULL) {
            continue;
        }

        a = sources ? pv_lookup_of_strings(w, before->sources, before->sources_count)
                    : pv_lookup_of_strings(w, before->recipients, before->recipients_count);
        b = sources ? pv_lookup_of_strings(w, purpose->sources, purpose->sources_count)
                    : pv_lookup_of_strings(w, purpose->recipients, purpose->recipients_count);

        memset(&e, 0, sizeof(e));
        e.section = section;
        e.field = "";
        e.purpose = purpose->id;
        e.kinds = PV_KIND_PURPOSES | PV_KIND_RECIPIENTS;

        for (k = 0; k < a.count + b.count; k++) {
            e.how = k < b.count ? PV_DIFFERENCE_ADDED : PV_DIFFERENCE_REMOVED;
            e.id = k < b.count ? b.list[k].key : a.list[k - b.count].key;

            if (pv_lookup_find(k < b.count ? &a : &b, e.id) == NULL) {
                e.name = sources ? e.id : pv_recipient_name(w, e.id);
                pv_difference_add(w, e);
            }
        }
    }
}


static void
pv_diff_recipients(pv_declared_work_t *w)
{
    size_t                 i;
    pv_lookup_t            a, b;
    pv_difference_t        e;
    const pv_recipient_t  *before;

    a = pv_lookup_of_recipients(w, w->a);
    b = pv_lookup_of_recipients(w, w->b);

    memset(&e, 0, sizeof(e));
    e.section = "recipients";
    e.field = "";
    e.kinds = PV_KIND_RECIPIENTS;

    for (i = 0; i < a.count + b.count; i++) {
        e.how = i < b.count ? PV_DIFFERENCE_ADDED : PV_DIFFERENCE_REMOVED;
        e.id = i < b.count ? b.list[i].key : a.list[i - b.count].key;
        before = pv_lookup_find(i < b.count ? &a : &b, e.id);

        if (before == NULL) {
            e.name = pv_recipient_name(w, e.id);
            pv_difference_add(w, e);

        } else if (i < b.count) {
            pv_diff_recipient(w, before, b.list[i].entry);
        }
    }
}


static void
pv_diff_recipient(pv_declared_work_t *w, const pv_recipient_t *a, const pv_recipient_t *b)
{
    pv_difference_t  e;

    memset(&e, 0, sizeof(e));
    e.how = PV_DIFFERENCE_ALTERED;
    e.section = "recipients";
    e.id = b->id;
    e.name = pv_recipient_name(w, b->id);

    e.field = "name";
    pv_diff_words_of(w, e, a->name_in, b->name_in, PV_KIND_RECIPIENTS | PV_KIND_ORGANISATION);
    e.field = "data";
    pv_diff_words_of(w, e, a->data_in, b->data_in, PV_KIND_RECIPIENTS);
    e.field = "use";
    pv_diff_words_of(w, e, a->use_in, b->use_in, PV_KIND_RECIPIENTS);
    e.field = "country";
    pv_diff_words_of(w, e, a->country_in, b->country_in, PV_KIND_RECIPIENTS | PV_KIND_RISK);

    /* Where their own policy is to be found is for the reader's use, and moves about. */
    if (!pv_str_eq(a->policy, b->policy)) {
        e.field = "policy";
        e.before = a->policy;
        e.after = b->policy;
        pv_difference_add(w, e);
    }
}


static void
pv_diff_retention(pv_declared_work_t *w)
{
    size_t               i;
    pv_difference_t      e;
    const pv_purpose_t  *purpose, *before;

    for (i = 0; i < w->b->purposes_count; i++) {
        purpose = &w->b->purposes[i];
        before = pv_policy_purpose(w->a, purpose->id);

        if (before != NULL) {
            memset(&e, 0, sizeof(e));
            e.section = "retention";
            e.field = "retention";
            e.purpose = purpose->id;
            e.id = purpose->id;
            e.name = pv_purpose_name(w, purpose);
            pv_diff_words_of(w, e, before->retention_in, purpose->retention_in, PV_KIND_PURPOSES | PV_KIND_RIGHTS);
        }
    }
}


static void
pv_diff_contact(pv_declared_work_t *w)
{
    const pv_controller_t  *a, *b;

    a = &w->a->controller;
    b = &w->b->controller;

    pv_diff_strings(w, "contact", "name", a->name, b->name, PV_KIND_ORGANISATION);
    pv_diff_strings(w, "contact", "department", a->department, b->department, PV_KIND_ORGANISATION | PV_KIND_CONTACT);
    pv_diff_strings(w, "contact", "address", a->address, b->address, PV_KIND_ORGANISATION | PV_KIND_CONTACT);
    pv_diff_strings(w, "contact", "mail", a->mail, b->mail, PV_KIND_CONTACT);
    pv_diff_strings(w, "contact", "telephone", a->telephone, b->telephone, PV_KIND_CONTACT);
    pv_diff_strings(w, "contact", "complaint", a->complaint, b->complaint, PV_KIND_CONTACT);
}


static void
pv_diff_terms(pv_declared_work_t *w)
{
    pv_diff_number(w, "choice_days", w->a->choice_days, w->b->choice_days, PV_KIND_PURPOSES | PV_KIND_RIGHTS);
    pv_diff_number(w, "minor_age", w->a->minor_age, w->b->minor_age, PV_KIND_RIGHTS);

    /* That a version takes nothing away is no change to what the one before took. */
    pv_diff_strings(w, "terms", "reduces_rights", pv_str(w->a->reduces_rights ? "true" : "false"),
                    pv_str(w->b->reduces_rights ? "true" : "false"), w->b->reduces_rights ? PV_KIND_RIGHTS : 0);
}


static void
pv_diff_number(pv_declared_work_t *w, const char *field, unsigned a, unsigned b, unsigned kinds)
{
    int       n;
    char      text[2][16];
    pv_str_t  before, after;

    if (a == b) {
        return;
    }

    n = snprintf(text[0], sizeof(text[0]), "%u", a);
    before = pv_arena_copy(w->arena, text[0], (size_t) n);
    n = snprintf(text[1], sizeof(text[1]), "%u", b);
    after = pv_arena_copy(w->arena, text[1], (size_t) n);

    pv_diff_strings(w, "terms", field, before, after, kinds);
}


static void
pv_diff_languages(pv_declared_work_t *w)
{
    size_t              i, k, side;
    pv_difference_t     e;
    const pv_policy_t  *policy, *other;

    for (side = 0; side < 2; side++) {
        policy = side ? w->a : w->b;
        other = side ? w->b : w->a;

        for (i = 0; i < policy->texts_count; i++) {

            for (k = 0; k < other->texts_count; k++) {
                if (pv_str_eq(policy->texts[i].language, other->texts[k].language)) {
                    break;
                }
            }

            if (k == other->texts_count) {
                memset(&e, 0, sizeof(e));
                e.how = side ? PV_DIFFERENCE_REMOVED : PV_DIFFERENCE_ADDED;
                e.section = "languages";
                e.field = "";
                e.id = policy->texts[i].language;
                e.name = e.id;
                pv_difference_add(w, e);
            }
        }
    }
}


/* Of the whole policy: the field is its own name. */
static void
pv_diff_strings(pv_declared_work_t *w, const char *section, const char *field, pv_str_t a, pv_str_t b,
    unsigned kinds)
{
    if (!pv_str_eq(a, b)) {
        pv_difference_add(w, (pv_difference_t) {
            .how = a.len == 0 ? PV_DIFFERENCE_ADDED : b.len == 0 ? PV_DIFFERENCE_REMOVED : PV_DIFFERENCE_ALTERED,
            .section = section, .field = field, .id = pv_str(field), .name = pv_str(field), .before = a, .after = b,
            .kinds = kinds });
    }
}


/* Lists may be NULL: not declared. kinds: of another meaning; another translation needs none. */
static void
pv_diff_words_of(pv_declared_work_t *w, pv_difference_t e, const pv_translation_t *a, const pv_translation_t *b,
    unsigned kinds)
{
    pv_words_pair_t  pair;

    pair = pv_words_compare(w, a, b);

    if (!pair.differs) {
        return;
    }

    e.how = pair.before.len == 0 ? PV_DIFFERENCE_ADDED : pair.after.len == 0 ? PV_DIFFERENCE_REMOVED
            : PV_DIFFERENCE_ALTERED;
    e.before = pair.before;
    e.after = pair.after;
    e.words = 1;
    e.kinds = pair.meaning ? kinds : 0;
    pv_difference_add(w, e);
}


static pv_words_pair_t
pv_words_compare(const pv_declared_work_t *w, const pv_translation_t *a, const pv_translation_t *b)
{
    pv_str_t         before, after, language;
    pv_words_pair_t  pair;

    /* The default language decides whether it is another meaning, as where grants are judged. */
    language = w->b->texts_count != 0 ? w->b->texts[0].language : pv_str("");
    before = pv_words_in(w->a, a, language);
    after = pv_words_in(w->b, b, language);
    pair.meaning = !pv_str_eq(before, after);

    pair.before = pv_words_in(w->a, a, w->language);
    pair.after = pv_words_in(w->b, b, w->language);
    pair.differs = !pv_str_eq(pair.before, pair.after);

    if (pair.meaning && !pair.differs) {
        pair.before = before;
        pair.after = after;
        pair.differs = 1;
    }

    return pair;
}


static pv_str_t
pv_words_in(const pv_policy_t *policy, const pv_translation_t *list, pv_str_t language)
{
    size_t  i;

    if (list == NULL || policy->texts_count == 0) {
        return pv_str("");
    }

    for (i = 0; i < policy->texts_count; i++) {
        if (pv_str_eq(policy->texts[i].language, language)) {
            return list[i].text;
        }
    }

    return list[0].text;
}


static pv_str_t
pv_purpose_name(const pv_declared_work_t *w, const pv_purpose_t *purpose)
{
    return pv_words_in(w->b, purpose->title, w->language);
}


/* As it is called now, else as it was. */
static pv_str_t
pv_recipient_name(const pv_declared_work_t *w, pv_str_t id)
{
    const pv_policy_t     *policy;
    const pv_recipient_t  *r;

    policy = w->b;
    r = pv_recipient_of(policy, id);

    if (r == NULL) {
        policy = w->a;
        r = pv_recipient_of(policy, id);
    }

    return r == NULL ? id : r->name_in != NULL ? pv_words_in(policy, r->name_in, w->language) : r->name;
}


static const pv_recipient_t *
pv_recipient_of(const pv_policy_t *policy, pv_str_t id)
{
    size_t  i;

    for (i = 0; i < policy->recipients_count; i++) {
        if (pv_str_eq(policy->recipients[i].id, id)) {
            return &policy->recipients[i];
        }
    }

    return NULL;
}


static void
pv_difference_add(pv_declared_work_t *w, pv_difference_t e)
{
    size_t            size;
    pv_difference_t  *list;

    if (w->out->count == w->size) {
        size = w->size == 0 ? 16 : w->size * 2;

        list = realloc(w->out->list, size * sizeof(pv_difference_t));
        if (list == NULL) {
            w->failed = 1;
            return;
        }

        w->out->list = list;
        w->size = size;
    }

    e.field = e.field != NULL ? e.field : "";
    w->out->list[w->out->count++] = e;
}
