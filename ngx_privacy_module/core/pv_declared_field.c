/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* What every object of policy.json has in common: known fields of the right type, with words that can be read. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "pv_declared.h"
#include "pv_text.h"


static void pv_declared_value(pv_declared_t *d, const json_t *value, const pv_path_t *path, pv_field_kind_t kind);
static void pv_declared_words(pv_declared_t *d, const json_t *value, const pv_path_t *path);
static void pv_declared_line(pv_declared_t *d, const json_t *value, const pv_path_t *path);
static int pv_declared_has_language(pv_declared_t *d, const char *tag);


/* Keys come from the input: what is odd in them must not reach a terminal. */
pv_path_t
pv_path_key(const pv_path_t *parent, const char *key)
{
    size_t     i;
    pv_path_t  path;

    snprintf(path.text, sizeof(path.text), "%.180s%s%.64s", parent ? parent->text : "",
             parent && parent->text[0] ? "." : "", key);

    for (i = 0; path.text[i] != '\0'; i++) {
        if ((unsigned char) path.text[i] < 0x20 || (unsigned char) path.text[i] >= 0x7f) {
            path.text[i] = '?';
        }
    }

    return path;
}


pv_path_t
pv_path_item(const pv_path_t *parent, const char *key, size_t i)
{
    pv_path_t  list, path;

    list = pv_path_key(parent, key);
    snprintf(path.text, sizeof(path.text), "%.230s[%zu]", list.text, i);

    return path;
}


void
pv_declared_error(pv_declared_t *d, const pv_path_t *path, const char *fmt, ...)
{
    char     reason[512];
    va_list  args;

    va_start(args, fmt);
    vsnprintf(reason, sizeof(reason), fmt, args);
    va_end(args);

    pv_problem(d->problems, d->file, 0, path && path->text[0] ? path->text : NULL, "%s", reason);
}


void
pv_declared_warning(pv_declared_t *d, const pv_path_t *path, const char *fmt, ...)
{
    char     reason[512];
    va_list  args;

    va_start(args, fmt);
    vsnprintf(reason, sizeof(reason), fmt, args);
    va_end(args);

    pv_warning(d->problems, d->file, 0, path && path->text[0] ? path->text : NULL, "%s", reason);
}


int
pv_declared_fields(pv_declared_t *d, const json_t *object, const pv_path_t *path, const pv_field_t *fields)
{
    pv_path_t          at;
    json_t            *value;
    const char        *key;
    const pv_field_t  *field;

    if (!json_is_object(object)) {
        pv_declared_error(d, path, "has to be an object");
        return 0;
    }

    json_object_foreach((json_t *) object, key, value) {
        for (field = fields; field->name != NULL && strcmp(field->name, key) != 0; field++) { /* void */ }

        at = pv_path_key(path, key);

        if (field->name == NULL) {
            pv_declared_error(d, &at, "is not a field that is known here");
            continue;
        }

        pv_declared_value(d, value, &at, field->kind);
    }

    for (field = fields; field->name != NULL; field++) {
        if (field->required && json_object_get(object, field->name) == NULL) {
            at = pv_path_key(path, field->name);
            pv_declared_error(d, &at, "is missing");
        }
    }

    return 1;
}


static void
pv_declared_value(pv_declared_t *d, const json_t *value, const pv_path_t *path, pv_field_kind_t kind)
{
    switch (kind) {

    case PV_FIELD_STRING:
        pv_declared_line(d, value, path);
        break;

    case PV_FIELD_TEXT:
        if (!json_is_string(value)) {
            pv_declared_error(d, path, "has to be a string");
        }
        break;

    case PV_FIELD_WORDS:
        pv_declared_words(d, value, path);
        break;

    case PV_FIELD_INTEGER:
        if (!json_is_integer(value)) {
            pv_declared_error(d, path, "has to be a whole number");
        }
        break;

    case PV_FIELD_BOOLEAN:
        if (!json_is_boolean(value)) {
            pv_declared_error(d, path, "has to be true or false");
        }
        break;

    case PV_FIELD_LIST:
        if (!json_is_array(value)) {
            pv_declared_error(d, path, "has to be a list");
        }
        break;

    case PV_FIELD_OBJECT:
        if (!json_is_object(value)) {
            pv_declared_error(d, path, "has to be an object");
        }
        break;
    }
}


static void
pv_declared_words(pv_declared_t *d, const json_t *value, const pv_path_t *path)
{
    size_t       i;
    json_t      *text, *tag;
    pv_path_t    at;
    const char  *language;

    if (!json_is_object(value)) {
        pv_declared_line(d, value, path);
        return;
    }

    json_object_foreach((json_t *) value, language, text) {
        at = pv_path_key(path, language);
        if (!pv_declared_has_language(d, language)) {
            pv_declared_error(d, &at, "is not one of this policy's languages");
            continue;
        }
        pv_declared_line(d, text, &at);
    }

    json_array_foreach((json_t *) d->languages, i, tag) {
        if (json_object_get(value, json_string_value(tag)) != NULL) {
            continue;
        }
        at = pv_path_key(path, json_string_value(tag));
        if (i == 0) {
            pv_declared_error(d, &at, "is missing: the default language has to be there");
        } else {
            pv_declared_warning(d, &at, "is missing: the default language will be shown instead");
        }
    }
}


static void
pv_declared_line(pv_declared_t *d, const json_t *value, const pv_path_t *path)
{
    pv_str_t     text;
    const char  *problem;

    if (!json_is_string(value)) {
        pv_declared_error(d, path, "has to be a string");
        return;
    }

    text = (pv_str_t) { (const unsigned char *) json_string_value(value), json_string_length(value) };

    if (text.len == 0) {
        pv_declared_error(d, path, "is empty");
        return;
    }

    if (text.len > PV_DECLARED_STRING_MAX) {
        pv_declared_error(d, path, "is longer than %d bytes", PV_DECLARED_STRING_MAX);
        return;
    }

    problem = pv_text_problem(text, 0);
    if (problem != NULL) {
        pv_declared_error(d, path, "%s", problem);
    }
}


/* While the languages are not in order themselves, none is called unknown: one error, not many. */
static int
pv_declared_has_language(pv_declared_t *d, const char *tag)
{
    size_t   i;
    json_t  *one;

    if (d->languages == NULL) {
        return 1;
    }

    json_array_foreach((json_t *) d->languages, i, one) {
        if (strcmp(json_string_value(one), tag) == 0) {
            return 1;
        }
    }

    return 0;
}


const char *
pv_declared_string(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}


const json_t *
pv_declared_list(pv_declared_t *d, const json_t *object, const pv_path_t *path, const char *key, size_t max)
{
    pv_path_t      at;
    const json_t  *list;

    list = json_object_get(object, key);
    if (!json_is_array(list)) {
        return NULL;
    }

    if (json_array_size(list) > max) {
        at = pv_path_key(path, key);
        pv_declared_error(d, &at, "has more than %zu entries", max);
        return NULL;
    }

    return list;
}


void
pv_declared_references(pv_declared_t *d, const json_t *object, const pv_path_t *path, const char *key,
    const json_t *known, const char *what)
{
    size_t         i;
    json_t        *one, *seen;
    pv_path_t      at;
    const char    *id;
    const json_t  *list;

    list = pv_declared_list(d, object, path, key, PV_DECLARED_LIST_MAX);
    seen = json_object();

    json_array_foreach((json_t *) list, i, one) {
        at = pv_path_item(path, key, i);
        id = json_string_value(one);

        if (id == NULL) {
            pv_declared_error(d, &at, "has to be the id of a %s", what);

        } else if (json_object_get(known, id) == NULL) {
            pv_declared_error(d, &at, "there is no %s \"%.64s\"", what,
                              pv_text_problem(pv_str(id), 0) == NULL ? id : "?");

        } else if (json_object_get(seen, id) != NULL) {
            pv_declared_error(d, &at, "is named twice");

        } else {
            json_object_set_new(seen, id, json_true());
        }
    }

    json_decref(seen);
}


json_t *
pv_declared_ids(const json_t *list)
{
    size_t       i;
    json_t      *ids, *one;
    const char  *id;

    ids = json_object();

    json_array_foreach((json_t *) list, i, one) {
        id = pv_declared_string(one, "id");
        if (id != NULL) {
            json_object_set_new(ids, id, json_true());
        }
    }

    return ids;
}
