/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_TEMPLATE_H
#define PV_TEMPLATE_H

/*
 * A template: the logic-less core of Mustache over jansson values.
 *
 *   {{a.b}}            the value, HTML-escaped      {{.}} the current item
 *   {{{a}}} {{&a}}     the value as it is
 *   {{#a}} ... {{/a}}  for each item; once for an object or a true value
 *   {{^a}} ... {{/a}}  when a is absent, false, 0, "" or empty
 *   {{> name}}         another template of the set, in the current context
 *   {{! ... }}         nothing
 *
 * A name is looked up in the innermost context that has its first part.
 * Section, comment and closing tags that stand alone on a line take the line
 * with them. No lambdas, no change of delimiters.
 *
 * A variable {{slot.NAME}} is a cut when the caller asks for cuts: nothing is
 * put out, the place is noted. Values can therefore never be mistaken for one.
 *
 * Parsed once, rendered often; a template is read only afterwards.
 */

#include <jansson.h>

#include "pv_bytes.h"

#define PV_TEMPLATE_MAX        (256 * 1024)     /* bytes of source */
#define PV_TEMPLATE_DEPTH_MAX  16               /* sections within sections */
#define PV_TEMPLATE_INCLUDES   8                /* partials within partials */
#define PV_TEMPLATE_CUTS_MAX   8

/* Line breaks and the indentation after them are dropped: for what goes into other people's pages. */
#define PV_TEMPLATE_DENSE  0x01

typedef struct pv_template_s  pv_template_t;

/* file: for messages; kept by reference. Every problem is reported; PV_INVALID when there is one. */
int pv_template_parse(pv_template_t **template, pv_str_t source, const char *file, unsigned flags,
    pv_problems_t *problems);
void pv_template_free(pv_template_t *template);

/* Finds the template that {{> name}} means; NULL when there is none. */
typedef const pv_template_t *(*pv_template_find_pt)(const void *data, pv_str_t name);

typedef struct {
    pv_str_t  name;             /* what follows "slot." ; into the template */
    size_t    offset;           /* in out->data */
} pv_template_cut_t;

typedef struct {
    pv_template_cut_t  cut[PV_TEMPLATE_CUTS_MAX];
    size_t             count;
} pv_template_cuts_t;

/* find, cuts: may be NULL. PV_ERROR when out failed or something was nested past the limits. */
int pv_template_render(pv_buf_t *out, const pv_template_t *template, json_t *context,
    pv_template_find_pt find, const void *data, pv_template_cuts_t *cuts);

/* Calls back with every name that is used, in order; what: '{' a value, '#' a section, '>' a partial. */
typedef void (*pv_template_name_pt)(void *data, int what, pv_str_t name, unsigned line);
void pv_template_names(const pv_template_t *template, pv_template_name_pt name, void *data);

#endif /* PV_TEMPLATE_H */
