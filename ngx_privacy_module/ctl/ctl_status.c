/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "ctl.h"
#include "ctl_http.h"
#include "ctl_table.h"


#define CTL_STATUS_OPTIONS                                                                                    \
    { "url", "URL", &ctl_status_url, NULL,                                                                    \
      "where privacy_status answers:\nhttp://HOST[:PORT]/URI or unix:PATH:/URI" },                            \
    { "site", "NAME", &ctl_status_site, NULL, "only this site" },                                             \
    { "json", NULL, NULL, &ctl_status_json, "for programs" },                                                 \
    { NULL, NULL, NULL, NULL, NULL }


static int ctl_status_run(const ctl_usage_t *usage, int argc, char **argv, json_t **status);
static int ctl_status_fetch(json_t **status);
static int ctl_status_choose(json_t *status);
static json_t *ctl_inventory_words(const json_t *list);
static void ctl_inventory_lifetime(json_t *cookie);
static void ctl_inventory_time(json_t *cookie, const char *key);
static json_t *ctl_inventory_only(const json_t *status);
static int ctl_status_dump(const json_t *value);


static const char  *ctl_status_url, *ctl_status_site;
static int          ctl_status_json;

static const ctl_option_t  ctl_status_options[] = {
    CTL_STATUS_OPTIONS
};

static const ctl_usage_t  ctl_status_usage = {
    "status [options] --url URL",
    "Asks one node how it is: which version is in force, whether Redis answers, what was\n"
    "decorated, dropped, chosen and recorded since it started. The node needs a location\n"
    "with privacy_status that may be reached from here.\n",
    ctl_status_options, 0, 0
};

static const ctl_usage_t  ctl_inventory_usage = {
    "inventory [options] --url URL",
    "Lists the cookies that one node saw in answers of the site, declared or not: where\n"
    "they hold, how long, which purposes cover them, how many were let through and how\n"
    "many were dropped (in observe: would have been). What is not declared belongs into\n"
    "policy.json, or should not be set. --json is what publish --inventory reads.\n",
    ctl_status_options, 0, 0
};


int
ctl_status(int argc, char **argv)
{
    int            rc;
    json_t        *status, *rest;
    size_t         i;
    const json_t  *site, *name;

    rc = ctl_status_run(&ctl_status_usage, argc, argv, &status);
    if (status == NULL) {
        return rc;
    }

    if (ctl_status_json) {
        rc = ctl_status_dump(status);

    } else {
        rest = json_copy(status);
        (void) json_object_del(rest, "sites");
        ctl_outline(rest, 0, NULL);
        json_decref(rest);

        json_array_foreach(json_object_get(status, "sites"), i, site) {
            name = json_object_get(site, "name");

            fputs("\nsite ", stdout);
            ctl_print(pv_str(json_string_value(name)));
            putchar('\n');
            ctl_outline(site, 2, "inventory");
        }
    }

    json_decref(status);

    return rc;
}


int
ctl_inventory(int argc, char **argv)
{
    int            rc;
    size_t         i;
    json_t        *status, *only, *words;
    const json_t  *site, *list;

    rc = ctl_status_run(&ctl_inventory_usage, argc, argv, &status);
    if (status == NULL) {
        return rc;
    }

    if (ctl_status_json) {
        only = ctl_inventory_only(status);
        rc = ctl_status_dump(only);
        json_decref(only);

    } else {
        json_array_foreach(json_object_get(status, "sites"), i, site) {
            list = json_object_get(site, "inventory");

            fputs(i ? "\nsite " : "site ", stdout);
            ctl_print(pv_str(json_string_value(json_object_get(site, "name"))));
            putchar('\n');

            if (json_array_size(list) != 0) {
                words = ctl_inventory_words(list);
                ctl_table(words, 2);
                json_decref(words);

            } else {
                puts("  no cookie was seen yet");
            }
        }
    }

    json_decref(status);

    return rc;
}


/* status is NULL when there is nothing to show: then the exit code is returned. */

static int
ctl_status_run(const ctl_usage_t *usage, int argc, char **argv, json_t **status)
{
    int  rc, operands;

    *status = NULL;

    rc = ctl_options(usage, argc, argv, &operands);
    if (rc != -1) {
        return rc;
    }

    if (ctl_status_url == NULL) {
        return ctl_fail(CTL_USAGE, "which node? --url URL, where privacy_status answers");
    }

    if (ctl_status_site != NULL && !ctl_site(ctl_status_site)) {
        return CTL_USAGE;
    }

    rc = ctl_status_fetch(status);

    if (rc == CTL_OK) {
        rc = ctl_status_choose(*status);
    }

    if (rc != CTL_OK) {
        json_decref(*status);
        *status = NULL;
    }

    return rc;
}


static int
ctl_status_fetch(json_t **status)
{
    int           rc;
    pv_buf_t      body;
    json_error_t  error;

    pv_buf_init(&body, CTL_HTTP_MAX);

    rc = ctl_http_get(&body, ctl_status_url);

    if (rc == CTL_OK) {
        *status = json_loadb(body.len != 0 ? (char *) body.data : "", body.len, JSON_REJECT_DUPLICATES, &error);

        if (*status == NULL) {
            rc = ctl_fail(CTL_WRONG, "the answer is not the status of a node: line %d: %s", error.line, error.text);
        }
    }

    pv_buf_free(&body);

    return rc;
}


/* Leaves the site that is wanted; whatever comes is looked at before it is believed to have the shape. */

static int
ctl_status_choose(json_t *status)
{
    size_t        i;
    json_t       *sites;
    const char   *name;

    sites = json_object_get(status, "sites");

    if (!json_is_array(sites)) {
        return ctl_fail(CTL_WRONG, "the answer is not the status of a node: it has no list of sites");
    }

    for (i = json_array_size(sites); i-- != 0; /* void */) {
        name = json_string_value(json_object_get(json_array_get(sites, i), "name"));

        if (name == NULL) {
            return ctl_fail(CTL_WRONG, "the answer is not the status of a node: a site has no name");
        }

        if (ctl_status_site != NULL && strcmp(name, ctl_status_site) != 0) {
            (void) json_array_remove(sites, i);
        }
    }

    if (ctl_status_site != NULL && json_array_size(sites) == 0) {
        return ctl_fail(CTL_WRONG, "the node has no site %s", ctl_status_site);
    }

    return CTL_OK;
}


static json_t *
ctl_inventory_only(const json_t *status)
{
    size_t         i;
    json_t        *sites, *entry, *list;
    const json_t  *site;

    sites = json_array();

    json_array_foreach(json_object_get(status, "sites"), i, site) {
        list = json_object_get(site, "inventory");

        entry = json_object();
        (void) json_object_set(entry, "name", json_object_get(site, "name"));
        (void) json_object_set_new(entry, "inventory", json_is_array(list) ? json_incref(list) : json_array());
        (void) json_array_append_new(sites, entry);
    }

    return json_pack("{s:o}", "sites", sites);
}


/* The same for people: seconds as days, times as dates. Keys that are not known stay as they are. */

static json_t *
ctl_inventory_words(const json_t *list)
{
    size_t   i;
    json_t  *words, *cookie;

    words = json_deep_copy(list);

    json_array_foreach(words, i, cookie) {
        ctl_inventory_lifetime(cookie);
        ctl_inventory_time(cookie, "last");
        ctl_inventory_time(cookie, "last_necessary");
    }

    return words;
}


static void
ctl_inventory_lifetime(json_t *cookie)
{
    char           text[32];
    json_int_t     seconds;
    const json_t  *value;

    value = json_object_get(cookie, "lifetime");
    if (!json_is_integer(value)) {
        return;
    }

    seconds = json_integer_value(value);

    if (seconds < 0) {
        snprintf(text, sizeof(text), "session");

    } else if (seconds < 2 * 3600) {
        snprintf(text, sizeof(text), "%lld min", (long long) seconds / 60);

    } else if (seconds < 2 * 86400) {
        snprintf(text, sizeof(text), "%lld h", (long long) seconds / 3600);

    } else {
        snprintf(text, sizeof(text), "%lld days", (long long) seconds / 86400);
    }

    (void) json_object_set_new(cookie, "lifetime", json_string(text));
}


static void
ctl_inventory_time(json_t *cookie, const char *key)
{
    char           text[32];
    time_t         time;
    struct tm      tm;
    const json_t  *value;

    value = json_object_get(cookie, key);
    if (!json_is_integer(value)) {
        return;
    }

    time = (time_t) json_integer_value(value);

    if (time == 0 || gmtime_r(&time, &tm) == NULL || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
        snprintf(text, sizeof(text), "never");
    }

    (void) json_object_set_new(cookie, key, json_string(text));
}


static int
ctl_status_dump(const json_t *value)
{
    if (value == NULL || json_dumpf(value, stdout, JSON_INDENT(2)) != 0) {
        return ctl_fail(CTL_WRONG, "not everything could be written");
    }

    putchar('\n');

    return CTL_OK;
}
