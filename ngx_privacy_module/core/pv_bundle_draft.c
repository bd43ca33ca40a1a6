/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* From bytes to a draft: JSON, encodings, canonical form, rendering. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "pv_bundle_draft.h"
#include "pv_declared.h"
#include "pv_json_line.h"
#include "pv_markdown.h"
#include "pv_markdown_outline.h"
#include "pv_text.h"


static json_t *pv_draft_json(const pv_bundle_source_t *source, pv_problems_t *problems);
static json_t *pv_json_nfc(const json_t *value);
static json_t *pv_json_nfc_string(const json_t *value);
static int pv_draft_texts(pv_draft_t *draft, const pv_bundle_source_t *source, pv_problems_t *problems);
static const pv_bundle_text_t *pv_draft_find_text(const pv_bundle_source_t *source, const char *language);
static int pv_draft_text(pv_draft_t *draft, const pv_bundle_text_t *text, pv_problems_t *problems);
static void pv_draft_summaries(const pv_draft_t *draft, const char *file, pv_problems_t *problems);
static int pv_draft_markdown(pv_buf_t *out, const pv_bundle_text_t *text, pv_problems_t *problems);
static int pv_draft_characters(pv_buf_t *good, pv_str_t text, const char *file, pv_problems_t *problems);
static int pv_draft_render(pv_buf_t *html, pv_buf_t *title, const pv_buf_t *markdown, const char *file,
    pv_problems_t *problems);
static void pv_draft_lines(pv_buf_t *out, pv_str_t text);
static void pv_draft_strangers(const pv_draft_t *draft, const pv_bundle_source_t *source, pv_problems_t *problems);
static int pv_draft_set(json_t *object, const char *key, const pv_buf_t *value);


int
pv_draft_read(pv_draft_t *draft, const pv_bundle_source_t *source, const json_t *bits, pv_problems_t *problems)
{
    int      rc;
    size_t   errors, first;
    json_t  *declared;

    memset(draft, 0, sizeof(*draft));
    errors = problems->errors;
    first = problems->count;

    draft->json = source->json;
    draft->texts = json_object();
    declared = pv_draft_json(source, problems);

    /* The texts are looked at in any case: all errors at once. */
    if (declared != NULL) {
        pv_declared_check(declared, bits, source->json_file, problems);
        draft->declared = pv_json_nfc(declared);
        json_decref(declared);
    }

    if (draft->texts == NULL || (declared != NULL && draft->declared == NULL)) {
        return PV_ERROR;
    }

    pv_draft_summaries(draft, source->json_file, problems);

    rc = pv_draft_texts(draft, source, problems);
    pv_problems_lines(problems, first, source->json_file, source->json);

    if (rc == PV_ERROR) {
        return rc;
    }

    return declared == NULL || problems->errors != errors ? PV_INVALID : PV_OK;
}


void
pv_draft_free(pv_draft_t *draft)
{
    json_decref(draft->declared);
    json_decref(draft->texts);
    json_decref(draft->bits);
    json_decref(draft->asked_since);
    json_decref(draft->unnamed);
    memset(draft, 0, sizeof(*draft));
}


static json_t *
pv_draft_json(const pv_bundle_source_t *source, pv_problems_t *problems)
{
    json_t        *root;
    pv_str_t       bytes;
    json_error_t   error;

    bytes = source->json;

    if (bytes.data == NULL) {
        return NULL;        /* whoever could not read it has said so */
    }

    if (bytes.len > PV_BUNDLE_JSON_MAX) {
        pv_problem(problems, source->json_file, 0, NULL, "is larger than %d bytes", PV_BUNDLE_JSON_MAX);
        return NULL;
    }

    if (bytes.len >= 3 && memcmp(bytes.data, "\xef\xbb\xbf", 3) == 0) {
        bytes.data += 3;
        bytes.len -= 3;
    }

    root = json_loadb((const char *) bytes.data, bytes.len, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        pv_problem(problems, source->json_file, error.line > 0 ? (unsigned) error.line : 0, NULL,
                   "is not JSON: %.200s", pv_text_problem(pv_str(error.text), 0) == NULL ? error.text : "bad bytes");
    }

    return root;
}


/* A copy with every string in NFC; NULL when memory ran out. Recursion is bounded by the parser's own depth limit. */
static json_t *
pv_json_nfc(const json_t *value)
{
    size_t       i;
    json_t      *copy, *one;
    const char  *key;

    switch (json_typeof(value)) {

    case JSON_OBJECT:
        copy = json_object();
        json_object_foreach((json_t *) value, key, one) {
            if (copy != NULL && json_object_set_new(copy, key, pv_json_nfc(one)) != 0) {
                json_decref(copy);
                return NULL;
            }
        }
        return copy;

    case JSON_ARRAY:
        copy = json_array();
        json_array_foreach((json_t *) value, i, one) {
            if (copy != NULL && json_array_append_new(copy, pv_json_nfc(one)) != 0) {
                json_decref(copy);
                return NULL;
            }
        }
        return copy;

    case JSON_STRING:
        return pv_json_nfc_string(value);

    default:
        return json_copy((json_t *) value);
    }
}


static json_t *
pv_json_nfc_string(const json_t *value)
{
    json_t    *copy;
    pv_buf_t   out;

    pv_buf_init(&out, 4 * PV_BUNDLE_JSON_MAX);
    copy = NULL;

    if (pv_text_nfc(&out, (pv_str_t) { (const unsigned char *) json_string_value(value), json_string_length(value) })
        == PV_OK)
    {
        copy = json_stringn(out.data != NULL ? (const char *) out.data : "", out.len);
    }

    pv_buf_free(&out);

    return copy;
}


static int
pv_draft_texts(pv_draft_t *draft, const pv_bundle_source_t *source, pv_problems_t *problems)
{
    size_t                   i;
    json_t                  *languages, *tag;
    const char              *language;
    const pv_bundle_text_t  *text;

    languages = json_object_get(draft->declared, "languages");

    json_array_foreach(languages, i, tag) {
        language = json_string_value(tag);
        if (language == NULL || i == PV_LANGUAGES_MAX || !pv_declared_language(language)) {
            continue;
        }

        text = pv_draft_find_text(source, language);
        if (text == NULL) {
            pv_problem(problems, source->json_file, 0, "languages", "names \"%s\": there has to be a file "
                       "policy.%s.md", language, language);
        }
    }

    for (i = 0; i < source->texts_count; i++) {
        if (source->texts[i].bytes.data != NULL
            && pv_draft_text(draft, &source->texts[i], problems) == PV_ERROR)
        {
            return PV_ERROR;
        }
    }

    if (json_is_array(languages)) {
        pv_draft_strangers(draft, source, problems);
    }

    return PV_OK;
}


/* A material change concerns people whatever language they read. */
static void
pv_draft_summaries(const pv_draft_t *draft, const char *file, pv_problems_t *problems)
{
    size_t       i, k;
    char         field[64];
    json_t      *change, *tag, *summary, *languages;
    const char  *kind;

    languages = json_object_get(draft->declared, "languages");

    json_array_foreach(json_object_get(draft->declared, "changes"), i, change) {
        kind = pv_declared_string(change, "kind");
        summary = json_object_get(change, "summary");

        if (kind == NULL || !pv_declared_material(kind) || summary == NULL) {
            continue;
        }

        json_array_foreach(languages, k, tag) {
            if (k == 0 || !json_is_string(tag) || json_object_get(summary, json_string_value(tag)) != NULL) {
                continue;
            }

            snprintf(field, sizeof(field), "changes[%zu].summary", i);
            pv_problem(problems, file, 0, field, "is missing in \"%.35s\": a material change has to be summed up in "
                       "every language", json_string_value(tag));
        }
    }
}


static const pv_bundle_text_t *
pv_draft_find_text(const pv_bundle_source_t *source, const char *language)
{
    size_t  i;

    for (i = 0; i < source->texts_count; i++) {
        if (pv_str_eqs(source->texts[i].language, language)) {
            return &source->texts[i];
        }
    }

    return NULL;
}


/* A text whose language policy.json does not name would be left out in silence. */
static void
pv_draft_strangers(const pv_draft_t *draft, const pv_bundle_source_t *source, pv_problems_t *problems)
{
    size_t   i, k;
    int      known;
    json_t  *languages, *tag;

    languages = json_object_get(draft->declared, "languages");

    for (i = 0; i < source->texts_count; i++) {
        known = 0;

        json_array_foreach(languages, k, tag) {
            known |= json_is_string(tag) && pv_str_eqs(source->texts[i].language, json_string_value(tag));
        }

        if (!known) {
            pv_problem(problems, source->texts[i].file, 0, NULL, "its language is not among the languages of %s",
                       source->json_file);
        }
    }
}


static int
pv_draft_text(pv_draft_t *draft, const pv_bundle_text_t *text, pv_problems_t *problems)
{
    int        rc;
    json_t    *object;
    pv_buf_t   markdown, html, title;

    pv_buf_init(&markdown, PV_BUNDLE_TEXT_MAX);
    pv_buf_init(&html, PV_BUNDLE_HTML_MAX);
    pv_buf_init(&title, 1024);

    rc = pv_draft_markdown(&markdown, text, problems);
    rc = rc == PV_OK ? pv_draft_render(&html, &title, &markdown, text->file, problems) : rc;

    if (rc == PV_OK) {
        object = json_object();

        if (pv_draft_set(object, "markdown", &markdown) != PV_OK || pv_draft_set(object, "html", &html) != PV_OK
            || pv_draft_set(object, "title", &title) != PV_OK
            || json_object_setn(draft->texts, (const char *) text->language.data, text->language.len, object) != 0)
        {
            rc = PV_ERROR;
        }

        json_decref(object);
    }

    pv_buf_free(&markdown);
    pv_buf_free(&html);
    pv_buf_free(&title);

    return rc;
}


static int
pv_draft_render(pv_buf_t *html, pv_buf_t *title, const pv_buf_t *markdown, const char *file, pv_problems_t *problems)
{
    int            rc;
    size_t         errors;
    pv_str_t       source;
    const char    *problem;
    pv_outline_t   outline;

    errors = problems->errors;
    source = (pv_str_t) { markdown->data, markdown->len };

    rc = pv_outline_read(&outline, source, file, problems);
    pv_outline_free(&outline);

    if (rc != PV_OK) {
        return rc;
    }

    rc = pv_markdown_render(html, title, NULL, source);

    if (rc == PV_ERROR && html->failed && html->len > PV_BUNDLE_HTML_MAX / 2) {
        pv_problem(problems, file, 0, NULL, "is larger than %d bytes when rendered", PV_BUNDLE_HTML_MAX);
        return PV_INVALID;
    }

    if (rc != PV_OK) {
        return rc;
    }

    if (title->len == 0) {
        pv_problem(problems, file, 1, NULL, "has no heading: the first one is the title");
    }

    problem = pv_text_problem((pv_str_t) { html->data, html->len }, 1);
    problem = problem == NULL ? pv_text_problem((pv_str_t) { title->data, title->len }, 0) : problem;

    if (problem != NULL) {
        pv_problem(problems, file, 0, NULL, "what is rendered from it %s", problem);
    }

    return problems->errors != errors ? PV_INVALID : PV_OK;
}


/* The canonical source text: UTF-8 without BOM, lines ended by LF, NFC. */
static int
pv_draft_markdown(pv_buf_t *out, const pv_bundle_text_t *text, pv_problems_t *problems)
{
    int           rc;
    pv_buf_t      lines;
    pv_str_t      bytes;
    pv_outline_t  outline;

    memset(&outline, 0, sizeof(outline));
    bytes = text->bytes;

    if (bytes.len >= 3 && memcmp(bytes.data, "\xef\xbb\xbf", 3) == 0) {
        bytes.data += 3;
        bytes.len -= 3;
    }

    if (bytes.len > PV_BUNDLE_TEXT_MAX / 2) {       /* room for what NFC may add */
        pv_problem(problems, text->file, 0, NULL, "is larger than %d bytes", PV_BUNDLE_TEXT_MAX / 2);
        return PV_INVALID;
    }

    pv_buf_init(&lines, PV_BUNDLE_TEXT_MAX);

    rc = pv_draft_characters(&lines, bytes, text->file, problems);

    if (rc == PV_OK) {
        lines.len = 0;
        pv_draft_lines(&lines, bytes);
        rc = pv_text_nfc(out, (pv_str_t) { lines.data, lines.len });

    } else if (pv_outline_read(&outline, (pv_str_t) { lines.data, lines.len }, text->file, problems) != PV_OK) {
        rc = PV_ERROR;
    }

    rc = lines.failed ? PV_ERROR : rc;
    pv_outline_free(&outline);
    pv_buf_free(&lines);

    return rc;
}


/* Says every line that is not in order by itself. The good ones are kept in their places, to be looked at further. */
static int
pv_draft_characters(pv_buf_t *good, pv_str_t text, const char *file, pv_problems_t *problems)
{
    int                   rc;
    size_t                at;
    unsigned              line;
    pv_str_t              one;
    const char           *problem;
    const unsigned char  *end;

    rc = PV_OK;

    for (at = 0, line = 1; at < text.len; at += one.len + 1, line++) {
        end = memchr(text.data + at, '\n', text.len - at);

        one.data = text.data + at;
        one.len = end != NULL ? (size_t) (end - one.data) : text.len - at;
        problem = pv_text_problem(one, 1);

        if (problem != NULL) {
            pv_problem(problems, file, line, NULL, "%s", problem);
            rc = PV_INVALID;
        } else {
            pv_buf_str(good, one);
        }

        pv_buf_puts(good, "\n");
    }

    return rc;
}


static void
pv_draft_lines(pv_buf_t *out, pv_str_t text)
{
    size_t                at;
    const unsigned char  *end;

    for (at = 0; at < text.len; /* void */ ) {
        end = memchr(text.data + at, '\r', text.len - at);

        if (end == NULL) {
            pv_buf_add(out, text.data + at, text.len - at);
            return;
        }

        pv_buf_add(out, text.data + at, (size_t) (end - text.data) - at);
        pv_buf_puts(out, "\n");

        at = (size_t) (end - text.data) + 1;
        at += at < text.len && text.data[at] == '\n';
    }
}


static int
pv_draft_set(json_t *object, const char *key, const pv_buf_t *value)
{
    if (value->failed) {
        return PV_ERROR;
    }

    return json_object_set_new(object, key, json_stringn(value->data != NULL ? (const char *) value->data : "",
                                                         value->len)) == 0 ? PV_OK : PV_ERROR;
}


int
pv_bundle_same(const pv_bundle_source_t *source, const pv_policy_t *published)
{
    int            same;
    size_t         i;
    char          *text;
    json_t        *value;
    pv_draft_t     draft;
    pv_problems_t  problems;

    pv_problems_init(&problems);

    same = pv_draft_read(&draft, source, NULL, &problems) == PV_OK;
    text = same ? json_dumps(draft.declared, JSON_SORT_KEYS | JSON_COMPACT) : NULL;
    same = text != NULL && pv_str_eqs(published->declared, text);

    for (i = 0; same && i < published->texts_count; i++) {
        value = json_object_get(json_object_get(draft.texts, (const char *) published->texts[i].language.data),
                                "markdown");
        same = json_is_string(value) && pv_str_eqs(published->texts[i].markdown, json_string_value(value));
    }

    free(text);
    pv_draft_free(&draft);
    pv_problems_free(&problems);

    return same;
}
