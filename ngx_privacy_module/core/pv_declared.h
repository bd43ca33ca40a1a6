/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_DECLARED_H
#define PV_DECLARED_H

/*
 * What policy.json may say. One validator, used before a bundle is sealed and
 * again whenever a sealed one is opened. docs/policy.schema.json says the same.
 */

#include <jansson.h>

#include "pv_policy.h"

#define PV_DECLARED_STRING_MAX   4096
#define PV_DECLARED_COOKIES_MAX  65536      /* in all purposes together */
#define PV_DECLARED_LIST_MAX     1024       /* sources of a purpose, recipients, changes */

/*
 * bits: a JSON object whose keys are the ids of all purposes that there ever
 * were; NULL when not known: then a change that names an unknown purpose is
 * a warning only.
 */
void pv_declared_check(const json_t *declared, const json_t *bits, const char *file, pv_problems_t *problems);

/* The fields that a version's head has in common with policy.json: version, effective, languages, changes. */
void pv_declared_head(const json_t *head, const json_t *bits, pv_problems_t *problems);

/* 1 for a language tag that is well-formed enough to be a file name and an attribute (BCP 47, 35 characters). */
int pv_declared_language(const char *tag);
/* 1 for one of the six kinds that need a summary and lead time. */
int pv_declared_material(const char *kind);


/* For the files that make up the validator. */

typedef enum {
    PV_FIELD_STRING,        /* one line */
    PV_FIELD_TEXT,          /* a string, of any number of lines: what else it has to be is looked at by whoever has one */
    PV_FIELD_WORDS,         /* a line, or an object of lines by language */
    PV_FIELD_INTEGER,
    PV_FIELD_BOOLEAN,
    PV_FIELD_LIST,
    PV_FIELD_OBJECT
} pv_field_kind_t;

typedef struct {
    const char       *name;
    pv_field_kind_t   kind;
    unsigned          required;
} pv_field_t;

typedef struct { char text[256]; } pv_path_t;

typedef struct {
    const json_t   *root;
    const json_t   *languages;      /* NULL when they are not in order themselves */
    const json_t   *bits;
    const char     *file;
    pv_problems_t  *problems;
} pv_declared_t;

pv_path_t pv_path_key(const pv_path_t *parent, const char *key);
pv_path_t pv_path_item(const pv_path_t *parent, const char *key, size_t i);
void pv_declared_error(pv_declared_t *d, const pv_path_t *path, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void pv_declared_warning(pv_declared_t *d, const pv_path_t *path, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Unknown, missing and mistyped fields; 1 when object is an object at all. */
int pv_declared_fields(pv_declared_t *d, const json_t *object, const pv_path_t *path, const pv_field_t *fields);
/* The string of a field, or NULL when it is absent or no string. */
const char *pv_declared_string(const json_t *object, const char *key);
/* The list of a field, or NULL; says so when it is longer than max. */
const json_t *pv_declared_list(pv_declared_t *d, const json_t *object, const pv_path_t *path, const char *key,
    size_t max);
/* root's languages, which are d->languages when they are in order. */
void pv_declared_languages(pv_declared_t *d);
void pv_declared_purposes(pv_declared_t *d, const json_t *purposes);
/* Each of object[key] is a string, unique, and a key of known; what: "recipient". */
void pv_declared_references(pv_declared_t *d, const json_t *object, const pv_path_t *path, const char *key,
    const json_t *known, const char *what);
/* A new object whose keys are the ids of the list's objects. */
json_t *pv_declared_ids(const json_t *list);

#endif /* PV_DECLARED_H */
