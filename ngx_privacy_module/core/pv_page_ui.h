/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_PAGE_UI_H
#define PV_PAGE_UI_H

/* What the sources behind pv_page.h share; nobody else includes it. */

#include <jansson.h>

#include "pv_page.h"
#include "pv_template.h"
#include "pv_text.h"

/* Bounds on what is rendered: a page with the largest text, and a fragment. */
#define PV_PAGE_MAX      (16 * 1024 * 1024)
#define PV_FRAGMENT_MAX  (8 * 1024 * 1024)

/* A template by its file's name ("banner.html"). */
const pv_template_t *pv_ui_template(const pv_ui_t *ui, const char *name);
/* What {{> name}} means, data is the pv_ui_t. */
const pv_template_t *pv_ui_partial(const void *data, pv_str_t name);
/* The interface's strings for a policy language; never NULL. */
json_t *pv_ui_strings(const pv_ui_t *ui, pv_str_t language);
/* 0: English stands in for it. */
int pv_ui_speaks(const pv_ui_t *ui, pv_str_t language);
/* The strings of every interface language, in turn; NULL past the last. */
json_t *pv_ui_strings_at(const pv_ui_t *ui, size_t i);
/* How a language calls itself ("English"), or its tag. */
pv_str_t pv_ui_language_name(const pv_ui_t *ui, pv_str_t language);


/* A page while it is put together: the values that its template sees. */
typedef struct {
    const pv_page_t  *page;
    json_t           *strings;      /* borrowed */
    json_t           *root;
    int               failed;       /* out of memory somewhere: checked once, when rendering */
} pv_view_t;

/* title: the key of the page's title among the strings, or NULL. */
void pv_view_init(pv_view_t *v, const pv_page_t *page, const char *title);
void pv_view_free(pv_view_t *v);
/* Renders, and frees the view. */
int pv_view_render(pv_view_t *v, pv_buf_t *out, const char *template);

/* Setters; a value that could not be made marks the view as failed. */
void pv_view_set(pv_view_t *v, json_t *object, const char *name, json_t *value);
void pv_view_add(pv_view_t *v, json_t *list, json_t *value);
void pv_view_str(pv_view_t *v, json_t *object, const char *name, pv_str_t s);
/* The buffer's bytes; frees it. */
void pv_view_take(pv_view_t *v, json_t *object, const char *name, pv_buf_t *b);
void pv_view_bool(pv_view_t *v, json_t *object, const char *name, int value);
/* name: the day, "2026-12-01"; name_time: the moment, RFC 3339. */
void pv_view_time(pv_view_t *v, json_t *object, const char *name, int64_t t, pv_str_t written);

/* In the page's language where it was declared so, else as it was written. */
pv_str_t pv_view_words(const pv_view_t *v, const pv_translation_t *list, pv_str_t written);

pv_str_t pv_view_string(const pv_view_t *v, const char *key);

/* A sentence with its {name}s filled in; what is in braces and has no value stays as it is. */
typedef struct { const char *name; pv_str_t value; } pv_fill_t;

#define PV_SENTENCE_MAX  (64 * 1024)

void pv_view_fill(pv_view_t *v, json_t *object, const char *name, pv_str_t sentence, const pv_fill_t *fills,
    size_t n);
/* The string `key`, or `key`_one where n is 1 and there is one, with {n} filled in. */
void pv_view_count(pv_view_t *v, json_t *object, const char *name, const char *key, size_t n);
/* The language of the text that is shown; empty: no policy. */
pv_str_t pv_page_language(const pv_page_t *page);

/* What a version says of itself, into object. */
void pv_view_version(pv_view_t *v, json_t *object, const pv_page_version_t *version);
/* Since when it holds, RFC 3339: as the publisher wrote it, or when it was published, where that was later. */
pv_str_t pv_page_version_since(const pv_page_version_t *version, char room[PV_RFC3339_SIZE]);
/* Purposes and recipients; marks: 1 to show this visitor's choices. */
void pv_view_purposes(pv_view_t *v, int marks);
void pv_view_recipients(pv_view_t *v);
void pv_view_changes(pv_view_t *v, json_t *object, const pv_page_version_t *version);
void pv_view_agree(pv_view_t *v);
/* Version and changes, and where to see them. */
void pv_view_listed(pv_view_t *v, json_t *object, const pv_page_version_t *version);
/* Published, and to come into force; the one in force. */
int pv_page_is_upcoming(const pv_page_t *page, const pv_page_version_t *version);
int pv_page_is_current(const pv_page_t *page, const pv_page_version_t *version);
void pv_view_text(pv_view_t *v);
/* The address of a file, as the value of name; and of those that every page has. */
void pv_view_asset(pv_view_t *v, const char *name, const char *file);
void pv_view_assets(pv_view_t *v);
void pv_view_signal(pv_view_t *v);

/*
 * Fragments for other people's pages: rendered as pure ASCII; and cut at two
 * slots, in this order, and numbered. Both free the view.
 */
int pv_fragment_render(pv_view_t *v, pv_buf_t *out, const char *template);
int pv_fragment_cut(pv_banner_t *cut, pv_view_t *v, const char *template, const char *const slots[2]);

/* Elements of feeds. The id is a UUID of the digest's first bytes. */
void pv_atom_id(pv_buf_t *out, const unsigned char *digest);
void pv_atom_element(pv_buf_t *out, const char *name, pv_str_t text);
void pv_atom_time(pv_buf_t *out, const char *name, int64_t time);

/* JSON documents: an address below the prefix, what every one says of a version; pure ASCII, frees the value. */
void pv_json_address(pv_view_t *v, json_t *o, const char *name, const char *what, pv_str_t id, const char *after);
json_t *pv_json_version(pv_view_t *v, const pv_policy_t *policy);
int pv_json_dump(pv_buf_t *out, json_t *value, int failed);

/* The table of contents of sanitised HTML: [{"id","text"}] of its <h2 id>; NULL when out of memory. */
json_t *pv_toc(pv_str_t html);

/* 1 for an absolute http or https address: what may become a link. */
int pv_is_web_address(pv_str_t s);

#endif /* PV_PAGE_UI_H */
