/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>
#include <strings.h>

#include "pv_declared.h"
#include "pv_text.h"


static void pv_declared_root(pv_declared_t *d);
static void pv_declared_version(pv_declared_t *d);
static void pv_declared_number(pv_declared_t *d, const char *key, json_int_t least, json_int_t most);
static void pv_declared_controller(pv_declared_t *d);
static void pv_declared_recipients(pv_declared_t *d);
static void pv_declared_url(pv_declared_t *d, const json_t *object, const pv_path_t *path, const char *key);
static void pv_declared_changes(pv_declared_t *d);
static void pv_declared_change(pv_declared_t *d, const json_t *change, const pv_path_t *path, const json_t *purposes);
static void pv_declared_change_purposes(pv_declared_t *d, const json_t *change, const pv_path_t *path,
    const json_t *purposes);


static const pv_field_t  pv_root_fields[] = {
    { "$schema", PV_FIELD_STRING, 0 },
    { "version", PV_FIELD_STRING, 1 },
    { "effective", PV_FIELD_STRING, 1 },
    { "languages", PV_FIELD_LIST, 1 },
    { "controller", PV_FIELD_OBJECT, 1 },
    { "choice_days", PV_FIELD_INTEGER, 0 },
    { "minor_age", PV_FIELD_INTEGER, 0 },
    { "reduces_rights", PV_FIELD_BOOLEAN, 0 },
    { "purposes", PV_FIELD_LIST, 1 },
    { "recipients", PV_FIELD_LIST, 0 },
    { "changes", PV_FIELD_LIST, 0 },
    { NULL, 0, 0 }
};

static const pv_field_t  pv_controller_fields[] = {
    { "name", PV_FIELD_STRING, 1 },
    { "mail", PV_FIELD_STRING, 0 },
    { "telephone", PV_FIELD_STRING, 0 },
    { "address", PV_FIELD_STRING, 0 },
    { "department", PV_FIELD_STRING, 0 },
    { "complaint", PV_FIELD_STRING, 0 },
    { "country", PV_FIELD_WORDS, 0 },
    { NULL, 0, 0 }
};

static const pv_field_t  pv_recipient_fields[] = {
    { "id", PV_FIELD_STRING, 1 },
    { "name", PV_FIELD_WORDS, 1 },
    { "data", PV_FIELD_WORDS, 1 },
    { "use", PV_FIELD_WORDS, 1 },
    { "policy", PV_FIELD_STRING, 0 },
    { "country", PV_FIELD_WORDS, 0 },
    { NULL, 0, 0 }
};

static const pv_field_t  pv_change_fields[] = {
    { "kind", PV_FIELD_STRING, 1 },
    { "purposes", PV_FIELD_LIST, 0 },
    { "summary", PV_FIELD_WORDS, 0 },
    { NULL, 0, 0 }
};

static const char  *pv_material_kinds[] = {
    "purposes", "organisation", "recipients", "rights", "contact", "risk", NULL
};


void
pv_declared_check(const json_t *declared, const json_t *bits, const char *file, pv_problems_t *problems)
{
    pv_path_t      top;
    pv_declared_t  d;

    memset(&d, 0, sizeof(d));
    memset(&top, 0, sizeof(top));

    d.root = declared;
    d.bits = bits;
    d.file = file;
    d.problems = problems;

    if (!json_is_object(declared)) {
        pv_declared_error(&d, NULL, "has to be a JSON object");
        return;
    }

    pv_declared_languages(&d);

    if (pv_declared_fields(&d, declared, &top, pv_root_fields)) {
        pv_declared_root(&d);
    }
}


void
pv_declared_head(const json_t *head, const json_t *bits, pv_problems_t *problems)
{
    pv_declared_t  d;

    memset(&d, 0, sizeof(d));

    d.root = head;
    d.bits = bits;
    d.problems = problems;

    pv_declared_languages(&d);
    pv_declared_version(&d);
    pv_declared_changes(&d);
}


static void
pv_declared_root(pv_declared_t *d)
{
    pv_declared_version(d);
    pv_declared_number(d, "choice_days", 1, 400);
    pv_declared_number(d, "minor_age", 1, 21);
    pv_declared_controller(d);
    pv_declared_recipients(d);
    pv_declared_purposes(d, json_object_get(d->root, "purposes"));
    pv_declared_changes(d);
}


void
pv_declared_languages(pv_declared_t *d)
{
    size_t         i, j, errors;
    json_t        *one;
    pv_path_t      path;
    const char    *tag;
    const json_t  *list;

    list = json_object_get(d->root, "languages");
    if (!json_is_array(list)) {
        return;     /* said with the fields */
    }

    errors = d->problems->errors;
    path = pv_path_key(NULL, "languages");

    if (json_array_size(list) == 0 || json_array_size(list) > PV_LANGUAGES_MAX) {
        pv_declared_error(d, &path, "has to have 1 to %d entries, the first is the default", PV_LANGUAGES_MAX);
        return;
    }

    json_array_foreach((json_t *) list, i, one) {
        path = pv_path_item(NULL, "languages", i);
        tag = json_string_value(one);

        if (tag == NULL || !pv_declared_language(tag)) {
            pv_declared_error(d, &path, "has to be a language tag such as \"zh-CN\" or \"en\"");
            continue;
        }

        for (j = 0; j < i; j++) {
            if (json_is_string(json_array_get(list, j))
                && strcasecmp(json_string_value(json_array_get(list, j)), tag) == 0)
            {
                pv_declared_error(d, &path, "is named twice");
            }
        }
    }

    if (d->problems->errors == errors) {
        d->languages = list;
    }
}


int
pv_declared_language(const char *tag)
{
    size_t  i, part;

    for (i = 0, part = 0; tag[i] != '\0'; i++) {

        if (tag[i] == '-') {
            if (part == 0 || (i == part && part < 2)) {
                return 0;
            }
            part = 0;
            continue;
        }

        if (!((tag[i] >= 'a' && tag[i] <= 'z') || (tag[i] >= 'A' && tag[i] <= 'Z')
              || (tag[i] >= '0' && tag[i] <= '9' && part != i)))
        {
            return 0;
        }

        if (++part > 8) {
            return 0;
        }
    }

    return i >= 2 && i <= 35 && part > 0;
}


static void
pv_declared_version(pv_declared_t *d)
{
    size_t       len;
    int64_t      effective;
    pv_path_t    path;
    const char  *s;

    s = pv_declared_string(d->root, "version");

    if (s != NULL && *s != '\0') {
        len = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
        path = pv_path_key(NULL, "version");

        if (s[len] != '\0' || len > PV_VERSION_MAX) {
            pv_declared_error(d, &path, "has to be 1 to %d letters, digits, \".\", \"_\" or \"-\"", PV_VERSION_MAX);

        } else if (s[0] == '.' || s[0] == '-' || strcmp(s, "current") == 0 || strcmp(s, "mine") == 0) {
            /* They mean something else in URLs, in folders, and to commands. */
            pv_declared_error(d, &path, "cannot begin with \".\" or \"-\", nor be \"current\" or \"mine\"");
        }
    }

    s = pv_declared_string(d->root, "effective");

    if (s != NULL && *s != '\0' && pv_rfc3339_parse(&effective, pv_str(s)) != PV_OK) {
        path = pv_path_key(NULL, "effective");
        pv_declared_error(d, &path, "has to be a time with zone such as \"2026-12-01T00:00:00+08:00\" (RFC 3339)");
    }
}


static void
pv_declared_number(pv_declared_t *d, const char *key, json_int_t least, json_int_t most)
{
    json_int_t     n;
    pv_path_t      path;
    const json_t  *value;

    value = json_object_get(d->root, key);
    if (!json_is_integer(value)) {
        return;
    }

    n = json_integer_value(value);
    if (n < least || n > most) {
        path = pv_path_key(NULL, key);
        pv_declared_error(d, &path, "has to be from %d to %d", (int) least, (int) most);
    }
}


static void
pv_declared_controller(pv_declared_t *d)
{
    pv_path_t      path;
    const json_t  *controller;

    controller = json_object_get(d->root, "controller");
    if (!json_is_object(controller)) {
        return;
    }

    path = pv_path_key(NULL, "controller");
    pv_declared_fields(d, controller, &path, pv_controller_fields);

    if (json_object_get(controller, "mail") == NULL && json_object_get(controller, "telephone") == NULL
        && json_object_get(controller, "address") == NULL)
    {
        pv_declared_error(d, &path, "needs a contact: mail, telephone or address");
    }
}


static void
pv_declared_recipients(pv_declared_t *d)
{
    size_t         i;
    json_t        *one, *seen;
    pv_path_t      path, top, at;
    const char    *id;
    const json_t  *list;

    memset(&top, 0, sizeof(top));
    list = pv_declared_list(d, d->root, &top, "recipients", PV_DECLARED_LIST_MAX);
    seen = json_object();

    json_array_foreach((json_t *) list, i, one) {
        path = pv_path_item(NULL, "recipients", i);

        if (!pv_declared_fields(d, one, &path, pv_recipient_fields)) {
            continue;
        }

        pv_declared_url(d, one, &path, "policy");

        id = pv_declared_string(one, "id");
        if (id == NULL || *id == '\0') {
            continue;
        }

        at = pv_path_key(&path, "id");

        if (id[strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789._-")] != '\0' || strlen(id) > 64) {
            pv_declared_error(d, &at, "has to be 1 to 64 of a-z, 0-9, \".\", \"_\" and \"-\"");

        } else if (json_object_get(seen, id) != NULL) {
            pv_declared_error(d, &at, "there is another recipient \"%s\"", id);
        }

        json_object_set_new(seen, id, json_true());
    }

    json_decref(seen);
}


/* It becomes a link on the policy page: nothing but the web. */
static void
pv_declared_url(pv_declared_t *d, const json_t *object, const pv_path_t *path, const char *key)
{
    size_t       i, host;
    pv_path_t    at;
    const char  *url;

    url = pv_declared_string(object, key);
    if (url == NULL || *url == '\0') {
        return;
    }

    host = strncmp(url, "https://", 8) == 0 ? 8 : strncmp(url, "http://", 7) == 0 ? 7 : 0;

    for (i = 0; url[i] != '\0'; i++) {
        if (url[i] <= 0x20 || url[i] >= 0x7f || strchr("\"'<>\\^`{|}", url[i]) != NULL) {
            break;
        }
    }

    if (host == 0 || url[i] != '\0' || url[host] == '\0' || url[host] == '/' || strlen(url) > 2048) {
        at = pv_path_key(path, key);
        pv_declared_error(d, &at, "has to be an address that begins with https:// or http://, in ASCII");
    }
}


static void
pv_declared_changes(pv_declared_t *d)
{
    size_t         i;
    json_t        *one, *purposes;
    pv_path_t      path, top;
    const json_t  *list;

    memset(&top, 0, sizeof(top));
    list = pv_declared_list(d, d->root, &top, "changes", PV_DECLARED_LIST_MAX);
    purposes = pv_declared_ids(json_object_get(d->root, "purposes"));

    json_array_foreach((json_t *) list, i, one) {
        path = pv_path_item(NULL, "changes", i);

        if (pv_declared_fields(d, one, &path, pv_change_fields)) {
            pv_declared_change(d, one, &path, purposes);
        }
    }

    json_decref(purposes);
}


static void
pv_declared_change(pv_declared_t *d, const json_t *change, const pv_path_t *path, const json_t *purposes)
{
    pv_path_t    at;
    const char  *kind;

    kind = pv_declared_string(change, "kind");

    if (kind != NULL && *kind != '\0') {

        if (pv_declared_material(kind)) {
            if (json_object_get(change, "summary") == NULL) {
                at = pv_path_key(path, "summary");
                pv_declared_error(d, &at, "is missing: a material change has to be summed up for those it concerns");
            }

        } else if (strcmp(kind, "editorial") != 0) {
            at = pv_path_key(path, "kind");
            pv_declared_error(d, &at, "has to be purposes, organisation, recipients, rights, contact, risk "
                              "or editorial");
        }
    }

    pv_declared_change_purposes(d, change, path, purposes);
}


/* A change may also name a purpose that this version removed. */
static void
pv_declared_change_purposes(pv_declared_t *d, const json_t *change, const pv_path_t *path, const json_t *purposes)
{
    size_t         i;
    json_t        *one;
    pv_path_t      at;
    const char    *id;
    const json_t  *list;

    list = pv_declared_list(d, change, path, "purposes", PV_PURPOSES_MAX);

    json_array_foreach((json_t *) list, i, one) {
        at = pv_path_item(path, "purposes", i);
        id = json_string_value(one);

        if (id == NULL) {
            pv_declared_error(d, &at, "has to be the id of a purpose");

        } else if (json_object_get(purposes, id) == NULL && json_object_get(d->bits, id) == NULL) {
            if (d->bits != NULL) {
                pv_declared_error(d, &at, "there is no such purpose, nor was there one");
            } else {
                pv_declared_warning(d, &at, "there is no such purpose in this version: is it one that was removed?");
            }
        }
    }
}


int
pv_declared_material(const char *kind)
{
    size_t  i;

    for (i = 0; pv_material_kinds[i] != NULL; i++) {
        if (strcmp(kind, pv_material_kinds[i]) == 0) {
            return 1;
        }
    }

    return 0;
}
