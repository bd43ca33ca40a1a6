/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "pv_bundle_advice.h"
#include "pv_declared.h"
#include "pv_json_line.h"
#include "pv_markdown_outline.h"
#include "pv_text.h"

#define PV_ADVICE_DAYS  365


typedef struct {
    const pv_bundle_source_t  *source;
    const json_t              *root;
    pv_problems_t             *problems;
} pv_advice_t;

/* What a section is known by, whatever its heading: words of a language, parted by "|". */
typedef struct {
    const char  *language;
    const char  *words;
} pv_advice_words_t;

typedef struct {
    const char         *what;
    const char         *law;
    pv_advice_words_t   words[3];
} pv_advice_section_t;


static void pv_advise(const pv_advice_t *a, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void pv_advise_controller(const pv_advice_t *a);
static void pv_advise_terms(const pv_advice_t *a);
static void pv_advise_purposes(const pv_advice_t *a);
static void pv_advise_cookies(const pv_advice_t *a, const json_t *purpose, size_t i);
static void pv_advise_abroad(const pv_advice_t *a, const json_t *purpose, size_t i);
static void pv_advise_recipients(const pv_advice_t *a);
static int pv_advise_is_abroad(const pv_advice_t *a, const json_t *recipient);
static const json_t *pv_advise_recipient(const pv_advice_t *a, const char *id);
static void pv_advise_translated(const pv_advice_t *a, const json_t *object, const char *parent, const char *key);
static void pv_advise_sections(const pv_advice_t *a, const pv_bundle_text_t *text);
static void pv_advise_blanks(const pv_advice_t *a, const char *file, pv_str_t text);
static int pv_advise_has(pv_str_t text, const char *words);
static int pv_advise_texts(const pv_advice_t *a);
static void pv_advise_structure(const pv_advice_t *a, const pv_bundle_text_t *text, const pv_outline_t *outline,
    const pv_bundle_text_t *first, const pv_outline_t *first_outline);
static int pv_words_meet(const json_t *a, const json_t *b);
static const char *pv_words_shown(const json_t *words);


static const pv_advice_section_t  pv_advice_sections[] = {
    { "the rights that people have",
      "PIPL Articles 17 and 44 to 50, GDPR Article 13(2)(b)",
      { { "zh", "权利|權利" }, { "en", "right to|rights" }, { NULL, NULL } } },
    { "how long information is kept", "PIPL Article 17, GDPR Article 13(2)(a)",
      { { "zh", "保存期限|存储期限|保存至|保存时间|保留期限|保存期間|保留期間" },
        { "en", "retain|retention|keep|kept|store" }, { NULL, NULL } } },
    { "minors and their guardians", "PIPL Article 31, GDPR Article 8",
      { { "zh", "未成年|儿童|兒童|监护人|監護人" }, { "en", "minor|child|guardian" }, { NULL, NULL } } },
    { "how consent is withdrawn", "PIPL Article 15, GDPR Articles 7(3) and 13(2)(c)",
      { { "zh", "撤回|撤销|撤銷" }, { "en", "withdraw" }, { NULL, NULL } } },
    { "where to complain", "PIPL Article 65, GDPR Article 13(2)(d)",
      { { "zh", "投诉|投訴|举报|舉報|申诉" }, { "en", "complain" }, { NULL, NULL } } },
    { "how this policy changes", "PIPL Article 17, GDPR Articles 12 and 13(3)",
      { { "zh", "变更|修订|更新|變更|修訂" }, { "en", "change|amend|update|revise" }, { NULL, NULL } } }
};


int
pv_bundle_advise(const pv_bundle_source_t *source, pv_problems_t *problems)
{
    int           rc;
    size_t        first;
    json_t       *root;
    pv_str_t      json;
    pv_advice_t   a;

    json = source->json;

    if (json.len >= 3 && memcmp(json.data, "\xef\xbb\xbf", 3) == 0) {
        json.data += 3;
        json.len -= 3;
    }

    root = json.data != NULL ? json_loadb((const char *) json.data, json.len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (!json_is_object(root)) {
        json_decref(root);
        return PV_OK;
    }

    first = problems->count;

    a.source = source;
    a.root = root;
    a.problems = problems;

    pv_advise_controller(&a);
    pv_advise_terms(&a);
    pv_advise_purposes(&a);
    pv_advise_recipients(&a);
    pv_advise_blanks(&a, source->json_file, json);
    rc = pv_advise_texts(&a);

    pv_problems_lines(problems, first, source->json_file, source->json);
    json_decref(root);

    return rc;
}


static void
pv_advise(const pv_advice_t *a, const char *field, const char *fmt, ...)
{
    char     reason[512];
    va_list  args;

    va_start(args, fmt);
    vsnprintf(reason, sizeof(reason), fmt, args);
    va_end(args);

    pv_warning(a->problems, a->source->json_file, 0, field, "%s", reason);
}


static void
pv_advise_controller(const pv_advice_t *a)
{
    const json_t  *c;

    c = json_object_get(a->root, "controller");

    if (json_object_get(c, "mail") == NULL && json_object_get(c, "telephone") == NULL) {
        pv_advise(a, "controller", "has neither mail nor telephone: PIPL Article 17 and GDPR Article 13(1)(a) ask how "
                  "you are reached, and a letter is slow");
    }

    if (json_object_get(c, "address") == NULL) {
        pv_advise(a, "controller.address", "is missing: who you are and where is what PIPL Article 17 and GDPR Article "
                  "13(1)(a) ask first");
    }

    if (json_object_get(c, "department") == NULL) {
        pv_advise(a, "controller.department", "is missing: PIPL Article 52 asks large handlers to publish how their "
                  "person in charge is reached, GDPR Article 13(1)(b) the data protection officer");
    }

    if (json_object_get(c, "complaint") == NULL) {
        pv_advise(a, "controller.complaint", "is missing: PIPL Articles 50 and 65 ask for a convenient way to make "
                  "requests and complaints, GDPR Article 13(2)(d) for where to complain");
    }
}


static void
pv_advise_terms(const pv_advice_t *a)
{
    const json_t  *days, *age;

    days = json_object_get(a->root, "choice_days");
    age = json_object_get(a->root, "minor_age");

    if (json_is_integer(days) && json_integer_value(days) > PV_ADVICE_DAYS) {
        pv_advise(a, "choice_days", "is over a year: authorities that apply GDPR Article 7 expect a choice to be asked "
                  "for again after six to twelve months");
    }

    if (age == NULL) {
        pv_advise(a, "minor_age", "is not declared, so that 14 holds (PIPL Article 31); GDPR Article 8 has 16, or 13 to "
                  "16 by country");

    } else if (json_is_integer(age) && json_integer_value(age) < 13) {
        pv_advise(a, "minor_age", "is below 13: PIPL Article 31 asks for a guardian's consent up to 14, GDPR Article 8 "
                  "up to 13 at least");
    }
}


static void
pv_advise_purposes(const pv_advice_t *a)
{
    char         field[96];
    size_t       i;
    json_t      *purpose;
    const char  *id;

    json_array_foreach(json_object_get(a->root, "purposes"), i, purpose) {
        snprintf(field, sizeof(field), "purposes[%zu]", i);

        pv_advise_translated(a, purpose, field, "title");
        pv_advise_translated(a, purpose, field, "text");
        pv_advise_translated(a, purpose, field, "exempt_reason");
        pv_advise_translated(a, purpose, field, "retention");

        id = pv_declared_string(purpose, "id");

        if (id != NULL && strcmp(id, "to-classify") == 0) {
            pv_advise(a, field, "is what `privacyctl init` found and nobody sorted yet: consent to it is consent to "
                      "nothing in particular (PIPL Article 14, GDPR Article 4(11))");
        }

        if (json_object_get(purpose, "retention") == NULL) {
            snprintf(field, sizeof(field), "purposes[%zu].retention", i);
            pv_advise(a, field, "is missing: how long information is kept for this purpose is what PIPL Article 17 and "
                      "GDPR Article 13(2)(a) ask");
        }

        pv_advise_cookies(a, purpose, i);
        pv_advise_abroad(a, purpose, i);
    }
}


/* One warning a purpose, at its first cookie without: not one a cookie. */
static void
pv_advise_cookies(const pv_advice_t *a, const json_t *purpose, size_t i)
{
    char     field[96];
    size_t   k;
    json_t  *cookie;

    json_array_foreach(json_object_get(purpose, "cookies"), k, cookie) {
        if (json_object_get(cookie, "lifetime") != NULL) {
            continue;
        }

        snprintf(field, sizeof(field), "purposes[%zu].cookies[%zu].lifetime", i, k);
        pv_advise(a, field, "is missing: how long a cookie lives is part of what people consent to (GDPR Article "
                  "13(2)(a), as the Court of Justice reads it in C-673/17)");
        return;
    }
}


/* Who gets it elsewhere: consented to on its own. */
static void
pv_advise_abroad(const pv_advice_t *a, const json_t *purpose, size_t i)
{
    char           field[96];
    size_t         k;
    json_t        *id;
    const json_t  *recipient;

    if (json_is_true(json_object_get(purpose, "separate"))) {
        return;
    }

    json_array_foreach(json_object_get(purpose, "recipients"), k, id) {
        recipient = json_is_string(id) ? pv_advise_recipient(a, json_string_value(id)) : NULL;

        if (recipient == NULL || !pv_advise_is_abroad(a, recipient)) {
            continue;
        }

        snprintf(field, sizeof(field), "purposes[%zu].recipients[%zu]", i, k);
        pv_advise(a, field, "is abroad (%.64s): PIPL Article 39 asks for a separate consent, %s; GDPR Articles 13(1)(f) "
                  "and 44 to 49 ask what protects it there", pv_words_shown(json_object_get(recipient, "country")),
                  json_is_true(json_object_get(purpose, "necessary"))
                  ? "and this purpose is not asked for at all" : "\"separate\": true");
    }
}


static void
pv_advise_recipients(const pv_advice_t *a)
{
    int      countries;
    char     field[96];
    size_t   i;
    json_t  *one;

    countries = 0;

    json_array_foreach(json_object_get(a->root, "recipients"), i, one) {
        snprintf(field, sizeof(field), "recipients[%zu]", i);
        pv_advise_translated(a, one, field, "data");
        pv_advise_translated(a, one, field, "use");

        if (json_object_get(one, "policy") == NULL) {
            snprintf(field, sizeof(field), "recipients[%zu].policy", i);
            pv_advise(a, field, "is missing: PIPL Article 23 asks how the recipient is reached, and what it does with "
                      "the information; its own policy says both");
        }

        if (json_object_get(one, "country") == NULL) {
            snprintf(field, sizeof(field), "recipients[%zu].country", i);
            pv_advise(a, field, "is missing: whether information leaves the country has to be told (PIPL Article 39, "
                      "GDPR Article 13(1)(f))");
        }

        countries |= json_object_get(one, "country") != NULL;
    }

    if (countries && json_object_get(json_object_get(a->root, "controller"), "country") == NULL) {
        pv_advise(a, "controller.country", "is missing: with it, it can be told which recipients are abroad (PIPL "
                  "Articles 38 to 40, GDPR Articles 44 to 49)");
    }
}


static int
pv_advise_is_abroad(const pv_advice_t *a, const json_t *recipient)
{
    const json_t  *ours, *theirs;

    ours = json_object_get(json_object_get(a->root, "controller"), "country");
    theirs = json_object_get(recipient, "country");

    return ours != NULL && theirs != NULL && !pv_words_meet(ours, theirs);
}


static const json_t *
pv_advise_recipient(const pv_advice_t *a, const char *id)
{
    size_t       i;
    json_t      *one;
    const char  *s;

    json_array_foreach(json_object_get(a->root, "recipients"), i, one) {
        s = pv_declared_string(one, "id");
        if (s != NULL && strcmp(s, id) == 0) {
            return one;
        }
    }

    return NULL;
}


/* A string where there are several languages: it is shown to all of them. */
static void
pv_advise_translated(const pv_advice_t *a, const json_t *object, const char *parent, const char *key)
{
    char  field[128];

    if (!json_is_string(json_object_get(object, key))
        || json_array_size(json_object_get(a->root, "languages")) < 2)
    {
        return;
    }

    snprintf(field, sizeof(field), "%s.%s", parent, key);
    pv_advise(a, field, "is in one language only, and shown so in every other: PIPL Article 17 and GDPR Article 12(1) "
              "ask for words that people understand");
}


static int
pv_advise_texts(const pv_advice_t *a)
{
    int                        rc;
    size_t                     i, first;
    pv_str_t                   bytes;
    pv_outline_t               outlines[PV_LANGUAGES_MAX];
    pv_problems_t              elsewhere;
    const char                *tag;
    const pv_bundle_source_t  *s;

    s = a->source;
    tag = json_string_value(json_array_get(json_object_get(a->root, "languages"), 0));
    rc = PV_OK;

    memset(outlines, 0, sizeof(outlines));
    pv_problems_init(&elsewhere);       /* said by who validates */

    for (i = 0, first = s->texts_count; i < s->texts_count && i < PV_LANGUAGES_MAX && rc == PV_OK; i++) {
        bytes = s->texts[i].bytes;

        if (bytes.data == NULL || bytes.len >= PV_BUNDLE_TEXT_MAX || pv_text_problem(bytes, 1) != NULL) {
            continue;
        }

        rc = pv_outline_read(&outlines[i], bytes, s->texts[i].file, &elsewhere);
        pv_advise_sections(a, &s->texts[i]);
        pv_advise_blanks(a, s->texts[i].file, bytes);

        if (tag != NULL && pv_str_eqs(s->texts[i].language, tag)) {
            first = i;
        }
    }

    for (i = 0; first != s->texts_count && i < s->texts_count && i < PV_LANGUAGES_MAX && rc == PV_OK; i++) {
        if (i != first && outlines[i].count != 0) {
            pv_advise_structure(a, &s->texts[i], &outlines[i], &s->texts[first], &outlines[first]);
        }
    }

    for (i = 0; i < PV_LANGUAGES_MAX; i++) {
        pv_outline_free(&outlines[i]);
    }

    pv_problems_free(&elsewhere);

    return rc;
}


/* What a skeleton left to be filled in is not to be published. */
static void
pv_advise_blanks(const pv_advice_t *a, const char *file, pv_str_t text)
{
    size_t                 i, at, len;
    unsigned               line, said;
    static const char     *blanks[] = { "\xe3\x80\x90\xe8\xaf\xb7\xe5\xa1\xab\xe5\x86\x99", "[To fill in" };

    for (at = 0, line = 1, said = 0; at < text.len; at++) {
        line += text.data[at] == '\n';

        for (i = 0; i < sizeof(blanks) / sizeof(blanks[0]); i++) {
            len = strlen(blanks[i]);

            if (said != line && text.len - at >= len && memcmp(text.data + at, blanks[i], len) == 0) {
                said = line;
                pv_warning(a->problems, file, line, NULL, "has a place that is still to be filled in");
            }
        }
    }
}


/* What the text does not speak of, in a language whose words we know. */
static void
pv_advise_sections(const pv_advice_t *a, const pv_bundle_text_t *text)
{
    size_t                      i, k, len;
    const pv_advice_section_t  *section;

    for (i = 0; i < sizeof(pv_advice_sections) / sizeof(pv_advice_sections[0]); i++) {
        section = &pv_advice_sections[i];

        for (k = 0; section->words[k].language != NULL; k++) {
            len = strlen(section->words[k].language);

            if (text->language.len < len
                || strncasecmp((const char *) text->language.data, section->words[k].language, len) != 0
                || (text->language.len > len && text->language.data[len] != '-')
                || pv_advise_has(text->bytes, section->words[k].words))
            {
                continue;
            }

            pv_warning(a->problems, text->file, 0, NULL, "seems to say nothing of %s (%s)", section->what, section->law);
        }
    }
}


static int
pv_advise_has(pv_str_t text, const char *words)
{
    size_t  at, len;

    for ( /* void */ ; *words != '\0'; words += len + (words[len] == '|')) {
        len = strcspn(words, "|");

        for (at = 0; at + len <= text.len; at++) {
            if (strncasecmp((const char *) text.data + at, words, len) == 0) {
                return 1;
            }
        }
    }

    return 0;
}


/* The same sections and tables in the same order: else one of the two says something that the other does not. */
static void
pv_advise_structure(const pv_advice_t *a, const pv_bundle_text_t *text, const pv_outline_t *outline,
    const pv_bundle_text_t *first, const pv_outline_t *first_outline)
{
    size_t               i;
    const pv_heading_t  *ours, *theirs;

    for (i = 0; i < outline->count && i < first_outline->count; i++) {
        ours = &outline->headings[i];
        theirs = &first_outline->headings[i];

        if (ours->level != theirs->level) {
            pv_warning(a->problems, text->file, ours->line, NULL, "\"%s\" is a heading of level %u where %s (line %u) "
                       "has \"%s\" of level %u: do they say the same? (GDPR Article 12(1), PIPL Article 17)",
                       ours->text, ours->level, first->file, theirs->line, theirs->text, theirs->level);
            return;
        }
    }

    if (outline->count != first_outline->count) {
        pv_warning(a->problems, text->file, 0, NULL, "has %zu headings, %s has %zu: do they say the same? (GDPR Article "
                   "12(1), PIPL Article 17)", outline->count, first->file, first_outline->count);

    } else if (outline->tables != first_outline->tables || outline->rows != first_outline->rows) {
        pv_warning(a->problems, text->file, 0, NULL, "has %zu tables with %zu rows, %s has %zu with %zu: do they say the "
                   "same? (GDPR Article 12(1), PIPL Article 17)", outline->tables, outline->rows, first->file,
                   first_outline->tables, first_outline->rows);

    }
}


/* Whether two values of words have a name in common, in whatever language. */
static int
pv_words_meet(const json_t *a, const json_t *b)
{
    json_t      *one;
    const char  *language;

    if (json_is_object(a)) {
        json_object_foreach((json_t *) a, language, one) {
            if (pv_words_meet(b, one)) {
                return 1;
            }
        }
        return 0;
    }

    if (json_is_object(b)) {
        return pv_words_meet(b, a);
    }

    return json_is_string(a) && json_is_string(b) && strcasecmp(json_string_value(a), json_string_value(b)) == 0;
}


static const char *
pv_words_shown(const json_t *words)
{
    const char  *s;

    s = json_string_value(json_is_object(words) ? json_object_iter_value(json_object_iter((json_t *) words)) : words);

    return s != NULL && pv_text_problem(pv_str(s), 0) == NULL ? s : "?";
}
