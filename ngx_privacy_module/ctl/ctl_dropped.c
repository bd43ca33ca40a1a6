/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include <jansson.h>

#include "ctl_dropped.h"
#include "pv_gate.h"
#include "pv_text.h"


static void ctl_dropped_declared(const pv_policy_t *before, const pv_policy_t *next, pv_problems_t *problems);
static void ctl_dropped_seen(const pv_policy_t *before, const pv_policy_t *next, const json_t *sites,
    pv_problems_t *problems);
static void ctl_dropped_cookie(const pv_policy_t *before, const pv_policy_t *next, const json_t *cookie,
    pv_problems_t *problems);
static const json_t *ctl_dropped_sites(const json_t *root);
static int ctl_passes(const pv_policy_t *policy, pv_str_t name);


int
ctl_dropped(const pv_policy_t *before, const pv_policy_t *next, const pv_str_t *inventory, pv_problems_t *problems)
{
    json_t        *root;
    json_error_t   error;
    const json_t  *sites;

    if (inventory == NULL) {
        ctl_dropped_declared(before, next, problems);
        return PV_OK;
    }

    root = json_loadb((const char *) inventory->data, inventory->len, JSON_REJECT_DUPLICATES, &error);
    sites = ctl_dropped_sites(root);

    if (sites == NULL) {
        pv_problem(problems, "inventory", root == NULL && error.line > 0 ? (unsigned) error.line : 0, NULL,
                   "is not what `privacyctl inventory --json` writes");
        json_decref(root);
        return PV_INVALID;
    }

    ctl_dropped_seen(before, next, sites, problems);
    json_decref(root);

    return PV_OK;
}


/* {"sites": [...]}, or the list itself. */
static const json_t *
ctl_dropped_sites(const json_t *root)
{
    const json_t  *sites;

    sites = json_is_array(root) ? root : json_object_get(root, "sites");

    return json_is_array(sites) ? sites : NULL;
}


static void
ctl_dropped_seen(const pv_policy_t *before, const pv_policy_t *next, const json_t *sites, pv_problems_t *problems)
{
    size_t       i, k;
    json_t      *site, *cookie;
    const char  *name;

    json_array_foreach((json_t *) sites, i, site) {
        name = json_string_value(json_object_get(site, "name"));

        if (name == NULL || !pv_str_eqs(before->site, name)) {
            continue;
        }

        json_array_foreach(json_object_get(site, "inventory"), k, cookie) {
            ctl_dropped_cookie(before, next, cookie, problems);
        }
    }
}


static void
ctl_dropped_cookie(const pv_policy_t *before, const pv_policy_t *next, const json_t *cookie,
    pv_problems_t *problems)
{
    json_int_t     count, dropped;
    const char    *text;
    const json_t  *name;

    name = json_object_get(cookie, "name");
    text = json_string_value(name);
    count = json_integer_value(json_object_get(cookie, "count"));
    dropped = json_integer_value(json_object_get(cookie, "dropped"));

    if (text == NULL || count <= dropped || !ctl_passes(before, pv_str(text)) || ctl_passes(next, pv_str(text))) {
        return;
    }

    pv_problem(problems, "policy.json", 0, "purposes", "the cookie \"%.128s\" passed as necessary %" JSON_INTEGER_FORMAT
               " times and would be dropped", pv_text_problem(pv_str(text), 0) == NULL ? text : "?", count - dropped);
}


/* A name with a wildcard matches its own declaration, or a wider one. */
static void
ctl_dropped_declared(const pv_policy_t *before, const pv_policy_t *next, pv_problems_t *problems)
{
    size_t    i, k;
    pv_str_t  name;

    for (i = 0; i < before->purposes_count; i++) {
        if (!before->purposes[i].necessary) {
            continue;
        }

        for (k = 0; k < before->purposes[i].cookies_count; k++) {
            name = before->purposes[i].cookies[k].name;

            if (!ctl_passes(next, name)) {
                pv_problem(problems, "policy.json", 0, "purposes", "the cookie \"%.128s\" was necessary in the version "
                           "before and would be dropped", (const char *) name.data);
            }
        }
    }
}


static int
ctl_passes(const pv_policy_t *policy, pv_str_t name)
{
    return (pv_gate_purposes(policy->gate, name) & policy->necessary) != 0;
}
