/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* The purposes of policy.json, with their cookies and sources. */

#include <stdio.h>
#include <string.h>

#include "pv_cookie.h"
#include "pv_declared.h"


static void pv_declared_purpose(pv_declared_t *d, const json_t *purpose, const pv_path_t *path, json_t *seen,
    const json_t *recipients);
static void pv_declared_purpose_id(pv_declared_t *d, const json_t *purpose, const pv_path_t *path, json_t *seen);
static size_t pv_declared_cookies(pv_declared_t *d, const json_t *purpose, const pv_path_t *path);
static void pv_declared_cookie(pv_declared_t *d, const json_t *cookie, const pv_path_t *path, json_t *seen,
    int necessary);
static const char *pv_declared_cookie_name_problem(const char *name, int necessary);
static const char *pv_declared_cookie_scope_problem(const char *domain, const char *path);
static void pv_declared_sources(pv_declared_t *d, const json_t *purpose, const pv_path_t *path);
static int pv_declared_source_valid(const char *source);
static size_t pv_declared_host_length(const char *host);


static const pv_field_t  pv_purpose_fields[] = {
    { "id", PV_FIELD_STRING, 1 },
    { "title", PV_FIELD_WORDS, 1 },
    { "text", PV_FIELD_WORDS, 1 },
    { "necessary", PV_FIELD_BOOLEAN, 0 },
    { "exempt_reason", PV_FIELD_WORDS, 0 },
    { "separate", PV_FIELD_BOOLEAN, 0 },
    { "cookies", PV_FIELD_LIST, 0 },
    { "sources", PV_FIELD_LIST, 0 },
    { "recipients", PV_FIELD_LIST, 0 },
    { "retention", PV_FIELD_WORDS, 0 },
    { NULL, 0, 0 }
};

static const pv_field_t  pv_cookie_fields[] = {
    { "name", PV_FIELD_STRING, 1 },
    { "domain", PV_FIELD_STRING, 0 },
    { "path", PV_FIELD_STRING, 0 },
    { "lifetime", PV_FIELD_STRING, 0 },
    { "provider", PV_FIELD_STRING, 0 },
    { NULL, 0, 0 }
};


void
pv_declared_purposes(pv_declared_t *d, const json_t *purposes)
{
    size_t      i, cookies, necessary;
    json_t     *one, *seen, *recipients;
    pv_path_t   path;

    if (!json_is_array(purposes)) {
        return;
    }

    path = pv_path_key(NULL, "purposes");

    if (json_array_size(purposes) > PV_PURPOSES_MAX) {
        pv_declared_error(d, &path, "has more than %d entries", PV_PURPOSES_MAX);
        return;
    }

    seen = json_object();
    recipients = pv_declared_ids(json_object_get(d->root, "recipients"));
    cookies = 0;
    necessary = 0;

    json_array_foreach((json_t *) purposes, i, one) {
        path = pv_path_item(NULL, "purposes", i);

        if (pv_declared_fields(d, one, &path, pv_purpose_fields)) {
            pv_declared_purpose(d, one, &path, seen, recipients);
            cookies += pv_declared_cookies(d, one, &path);
            necessary += json_is_true(json_object_get(one, "necessary"));
        }
    }

    path = pv_path_key(NULL, "purposes");

    if (cookies > PV_DECLARED_COOKIES_MAX) {
        pv_declared_error(d, &path, "declare more than %d cookies", PV_DECLARED_COOKIES_MAX);
    }

    if (necessary == 0) {
        pv_declared_warning(d, &path, "none is necessary: no cookie passes before a choice, also none of a login");
    }

    json_decref(recipients);
    json_decref(seen);
}


static void
pv_declared_purpose(pv_declared_t *d, const json_t *purpose, const pv_path_t *path, json_t *seen,
    const json_t *recipients)
{
    int        necessary, separate;
    pv_path_t  at;

    necessary = json_is_true(json_object_get(purpose, "necessary"));
    separate = json_is_true(json_object_get(purpose, "separate"));

    pv_declared_purpose_id(d, purpose, path, seen);

    if (necessary && json_object_get(purpose, "exempt_reason") == NULL) {
        at = pv_path_key(path, "exempt_reason");
        pv_declared_error(d, &at, "is missing: a necessary purpose has to say why it needs no consent");
    }

    if (!necessary && json_object_get(purpose, "exempt_reason") != NULL) {
        at = pv_path_key(path, "exempt_reason");
        pv_declared_error(d, &at, "belongs to necessary purposes only");
    }

    if (necessary && separate) {
        at = pv_path_key(path, "separate");
        pv_declared_error(d, &at, "a necessary purpose is not asked for, so not separately either");
    }

    pv_declared_sources(d, purpose, path);
    pv_declared_references(d, purpose, path, "recipients", recipients, "recipient");
}


static void
pv_declared_purpose_id(pv_declared_t *d, const json_t *purpose, const pv_path_t *path, json_t *seen)
{
    pv_path_t    at;
    const char  *id;

    id = pv_declared_string(purpose, "id");
    if (id == NULL || *id == '\0') {
        return;
    }

    at = pv_path_key(path, "id");

    if (id[0] < 'a' || id[0] > 'z' || strlen(id) > 32
        || id[strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789_-")] != '\0')
    {
        pv_declared_error(d, &at, "has to begin with a-z, then up to 31 of a-z, 0-9, \"_\" and \"-\"");

    } else if (json_object_get(seen, id) != NULL) {
        pv_declared_error(d, &at, "there is another purpose \"%s\"", id);
    }

    json_object_set_new(seen, id, json_true());
}


static size_t
pv_declared_cookies(pv_declared_t *d, const json_t *purpose, const pv_path_t *path)
{
    int            necessary;
    size_t         i;
    json_t        *one, *seen;
    pv_path_t      at;
    const json_t  *list;

    list = pv_declared_list(d, purpose, path, "cookies", PV_DECLARED_COOKIES_MAX);
    necessary = json_is_true(json_object_get(purpose, "necessary"));
    seen = json_object();

    json_array_foreach((json_t *) list, i, one) {
        at = pv_path_item(path, "cookies", i);

        if (pv_declared_fields(d, one, &at, pv_cookie_fields)) {
            pv_declared_cookie(d, one, &at, seen, necessary);
        }
    }

    json_decref(seen);

    return json_array_size(list);
}


static void
pv_declared_cookie(pv_declared_t *d, const json_t *cookie, const pv_path_t *path, json_t *seen, int necessary)
{
    char         key[1024];
    pv_path_t    at;
    const char  *name, *domain, *url_path, *problem;

    name = pv_declared_string(cookie, "name");
    if (name == NULL || *name == '\0') {
        return;
    }

    problem = pv_declared_cookie_name_problem(name, necessary);
    if (problem != NULL) {
        at = pv_path_key(path, "name");
        pv_declared_error(d, &at, "%s", problem);
        return;
    }

    domain = pv_declared_string(cookie, "domain");
    url_path = pv_declared_string(cookie, "path");

    problem = pv_declared_cookie_scope_problem(domain, url_path);
    if (problem != NULL) {
        pv_declared_error(d, path, "%s", problem);
        return;
    }

    /* The parts cannot hold a space, so the key is unambiguous. */
    snprintf(key, sizeof(key), "%s %s %s", name, domain ? domain : "", url_path ? url_path : "");

    if (json_object_get(seen, key) != NULL) {
        pv_declared_error(d, path, "this purpose declares the cookie \"%s\" twice", name);
    }

    json_object_set_new(seen, key, json_true());
}


static const char *
pv_declared_cookie_name_problem(const char *name, int necessary)
{
    const char  *problem;

    problem = pv_cookie_name_problem(pv_str(name), 1);
    if (problem != NULL) {
        return problem;
    }

    if (necessary && name[strspn(name, "*")] == '\0') {
        return "would let every cookie pass without consent: name those that are necessary";
    }

    if (strncmp(name, "__Host-privacy", 14) == 0 || strncmp(name, "__Secure-privacy", 16) == 0) {
        return "belongs to this module, which needs no declaration for it";
    }

    return NULL;
}


static const char *
pv_declared_cookie_scope_problem(const char *domain, const char *path)
{
    size_t  i;

    if (domain != NULL) {
        domain += domain[0] == '.';
        if (pv_declared_host_length(domain) == 0 || domain[pv_declared_host_length(domain)] != '\0') {
            return "the domain has to be a host name in lower case (international names in Punycode)";
        }
    }

    if (path != NULL) {
        for (i = 0; path[i] > 0x20 && path[i] < 0x7f && path[i] != ';' && i <= 512; i++) { /* void */ }
        if (path[0] != '/' || path[i] != '\0') {
            return "the path has to begin with \"/\" and be ASCII without spaces and \";\"";
        }
    }

    return NULL;
}


static void
pv_declared_sources(pv_declared_t *d, const json_t *purpose, const pv_path_t *path)
{
    size_t         i;
    json_t        *one, *seen;
    pv_path_t      at;
    const char    *source;
    const json_t  *list;

    list = pv_declared_list(d, purpose, path, "sources", PV_DECLARED_LIST_MAX);
    seen = json_object();

    json_array_foreach((json_t *) list, i, one) {
        at = pv_path_item(path, "sources", i);
        source = json_string_value(one);

        if (source == NULL || !pv_declared_source_valid(source)) {
            pv_declared_error(d, &at, "has to be a host in lower case, \"*.\" may stand in front and a path behind: "
                              "\"ads.example.net\", \"*.example.net/pixel/\"");

        } else if (json_object_get(seen, source) != NULL) {
            pv_declared_error(d, &at, "is named twice");

        } else {
            json_object_set_new(seen, source, json_true());
        }
    }

    json_decref(seen);
}


static int
pv_declared_source_valid(const char *source)
{
    size_t  i;

    if (strncmp(source, "*.", 2) == 0) {
        source += 2;
    }

    i = pv_declared_host_length(source);
    if (i == 0 || strchr(source, '.') == NULL) {
        return 0;
    }

    if (source[i] == '\0') {
        return 1;
    }

    if (source[i] != '/') {
        return 0;
    }

    for ( /* void */ ; source[i] > 0x20 && source[i] < 0x7f && strchr("\"'<>\\?#*", source[i]) == NULL; i++) {
        /* void */
    }

    return i <= 512 && source[i] == '\0';
}


/* The length of the host name at the start, 0 when there is none that is valid. */
static size_t
pv_declared_host_length(const char *host)
{
    size_t  i, label;

    for (i = 0, label = 0; ; i++) {

        if ((host[i] >= 'a' && host[i] <= 'z') || (host[i] >= '0' && host[i] <= '9')
            || (host[i] == '-' && label > 0))
        {
            label++;
            continue;
        }

        if (label == 0 || label > 63 || host[i - 1] == '-') {
            return 0;
        }

        if (host[i] != '.') {
            break;
        }

        label = 0;
    }

    return i <= 253 ? i : 0;
}
