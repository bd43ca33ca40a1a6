/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_BUNDLE_DRAFT_H
#define PV_BUNDLE_DRAFT_H

/* A bundle on its way to be sealed: read, in canonical form, and judged against the version before. */

#include <jansson.h>

#include "pv_bundle.h"

typedef struct {
    json_t    *declared;    /* policy.json, strings in NFC; NULL when it is no JSON */
    json_t    *texts;       /* {language: {markdown, html, title}}, whole */
    json_t    *bits;        /* {purpose: bit}, of all purposes that ever were */
    json_t    *asked_since; /* {purpose: sequence} */
    json_t    *unnamed;     /* [purpose]: that version did not name it among its changes */
    pv_str_t   json;        /* policy.json as it is: where its fields stand; the caller's */
} pv_draft_t;

/* Reads, validates and renders; says everything that is wrong. Fills declared and texts. */
int pv_draft_read(pv_draft_t *draft, const pv_bundle_source_t *source, const json_t *bits, pv_problems_t *problems);
/* Whether it can follow the version before; fills bits, asked_since and unnamed. */
int pv_draft_follow(pv_draft_t *draft, const pv_bundle_context_t *context, const char *file,
    pv_problems_t *problems);
/* Of that, what can be told of a draft with errors, too: all reasons at once. */
void pv_draft_times(const pv_draft_t *draft, const pv_bundle_context_t *context, const char *file,
    pv_problems_t *problems);
void pv_draft_free(pv_draft_t *draft);

/* The bits that were given in the site up to now, as a new object; NULL when out of memory. */
json_t *pv_draft_bits(const pv_bundle_context_t *context);

#endif /* PV_BUNDLE_DRAFT_H */
