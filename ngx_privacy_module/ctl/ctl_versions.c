/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* privacyctl versions */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "ctl.h"
#include "ctl_bundle.h"
#include "ctl_file.h"
#include "pv_text.h"


typedef struct {
    const char          *site, *public, *redis_url;
    int                  json;

    pv_str_t             site_name;
    unsigned char        pub[PV_ED25519_PUBLIC];
    ctl_redis_t         *redis;
    ctl_log_t            log;
    size_t               in_force;      /* index; count: none */
    unsigned char        last[PV_SHA256_LEN];
    uint32_t             last_sequence;
    json_t              *answer;
} ctl_versions_t;


static int ctl_versions_run(ctl_versions_t *v);
static int ctl_versions_connect(ctl_versions_t *v);
static void ctl_versions_in_force(ctl_versions_t *v, int64_t now);
static int ctl_versions_one(ctl_versions_t *v, size_t i);
static void ctl_versions_chain(ctl_versions_t *v, const ctl_log_entry_t *entry, const pv_policy_t *policy,
    pv_problems_t *problems);
static void ctl_versions_line(const ctl_versions_t *v, size_t i, const pv_policy_t *policy,
    const pv_problems_t *problems);
static void ctl_versions_kinds(char *out, size_t size, const pv_policy_t *policy);
static void ctl_versions_json(ctl_versions_t *v, size_t i, const pv_policy_t *policy,
    const pv_problems_t *problems);


int
ctl_versions(int argc, char **argv)
{
    int                  rc, operands;
    ctl_versions_t       v;
    const ctl_option_t   options[] = {
        { "site", "NAME", &v.site, NULL, "the site" },
        { "redis", "URL", &v.redis_url, NULL, "where the log is (or PRIVACY_REDIS)" },
        { "public", "FILE", &v.public, NULL, "the site's public key: each version is verified with it" },
        { "json", NULL, NULL, &v.json, "print JSON" },
        { NULL, NULL, NULL, NULL, NULL }
    };
    const ctl_usage_t    usage = {
        "versions [options]",
        "Lists every version that a site published: number, id, when it was published and took\n"
        "effect, which is in force, the kinds of its changes, its digest, and whether signature\n"
        "and chain hold. Returns 1 when one of them does not.\n",
        options, 0, 0
    };

    memset(&v, 0, sizeof(v));

    rc = ctl_options(&usage, argc, argv, &operands);
    if (rc == -1) {
        rc = ctl_versions_run(&v);
    }

    if (v.redis != NULL) {
        ctl_redis_close(v.redis);
    }

    ctl_log_free(&v.log);
    json_decref(v.answer);

    return rc;
}


static int
ctl_versions_run(ctl_versions_t *v)
{
    int     rc, one;
    size_t  i;

    rc = ctl_versions_connect(v);
    rc = rc == CTL_OK ? ctl_log_read(&v->log, v->redis, v->site_name) : rc;

    if (rc != CTL_OK) {
        return rc;
    }

    ctl_versions_in_force(v, time(NULL));
    v->answer = json_array();

    if (!v->json) {
        printf("%6s  %-20s %-21s %-21s %-9s %-24s %-12s  %s\n", "number", "version", "published", "effective",
               "in force", "changes", "digest", "verified");
    }

    for (i = 0; i < v->log.count; i++) {
        one = ctl_versions_one(v, i);
        if (one == CTL_UNREACHABLE) {
            return one;
        }
        rc = one != CTL_OK ? one : rc;
    }

    if (v->json) {
        json_dumpf(v->answer, stdout, JSON_INDENT(2));
        putchar('\n');

    } else if (v->log.count == 0) {
        printf("nothing was published\n");
    }

    return rc;
}


static int
ctl_versions_connect(ctl_versions_t *v)
{
    const char  *url;

    if (v->site == NULL || v->public == NULL) {
        return ctl_fail(CTL_USAGE, "versions needs --site NAME and --public FILE");
    }

    if (!ctl_site(v->site)) {
        return CTL_USAGE;
    }

    v->site_name = pv_str(v->site);

    if (ctl_public_key(v->pub, v->public) != PV_OK) {
        return CTL_WRONG;
    }

    url = ctl_redis_url(v->redis_url);

    return url != NULL ? ctl_redis_open(&v->redis, url) : CTL_USAGE;
}


/* The newest whose effective time has come. */
static void
ctl_versions_in_force(ctl_versions_t *v, int64_t now)
{
    size_t  i;

    v->in_force = v->log.count;

    for (i = 0; i < v->log.count; i++) {
        if (v->log.entries[i].effective <= now) {
            v->in_force = i;
        }
    }
}


static int
ctl_versions_one(ctl_versions_t *v, size_t i)
{
    int                     rc;
    pv_policy_t            *policy;
    pv_problems_t           problems;
    const ctl_log_entry_t  *entry;

    entry = &v->log.entries[i];
    pv_problems_init(&problems);

    rc = ctl_log_open(&policy, v->redis, v->site_name, entry, v->pub, &problems);

    if (rc != CTL_UNREACHABLE) {
        ctl_versions_chain(v, entry, policy, &problems);
        rc = problems.errors ? CTL_WRONG : CTL_OK;

        if (v->json) {
            ctl_versions_json(v, i, policy, &problems);
        } else {
            ctl_versions_line(v, i, policy, &problems);
        }
    }

    pv_policy_free(policy);
    pv_problems_free(&problems);

    return rc;
}


/* The log's entries carry the digests, so that a broken bundle does not hide the chain after it. */
static void
ctl_versions_chain(ctl_versions_t *v, const ctl_log_entry_t *entry, const pv_policy_t *policy,
    pv_problems_t *problems)
{
    if (entry->sequence != v->last_sequence + 1) {
        pv_problem(problems, NULL, 0, NULL, "a number is missing before it");

    } else if (policy != NULL && memcmp(policy->previous, v->last, PV_SHA256_LEN) != 0) {
        pv_problem(problems, NULL, 0, NULL, "it was not signed as the next after the version before it");
    }

    v->last_sequence = entry->sequence;
    memcpy(v->last, entry->digest, PV_SHA256_LEN);
}


static void
ctl_versions_line(const ctl_versions_t *v, size_t i, const pv_policy_t *policy, const pv_problems_t *problems)
{
    size_t                  k;
    char                    digest[13], published[CTL_TIME_MAX], effective[CTL_TIME_MAX], kinds[128];
    const ctl_log_entry_t  *entry;

    entry = &v->log.entries[i];

    pv_hex_encode(digest, entry->digest, 6);
    digest[12] = '\0';
    ctl_versions_kinds(kinds, sizeof(kinds), policy);

    printf("%6" PRIu32 "  ", entry->sequence);
    ctl_print(pv_str(entry->version));
    printf("%*s %-21s %-21s %-9s %-24s %-12s  ", strlen(entry->version) < 20 ? 20 - (int) strlen(entry->version) : 0,
           "", policy != NULL ? ctl_time(published, policy->published) : "?", ctl_time(effective, entry->effective),
           i == v->in_force ? "yes" : entry->effective > time(NULL) ? "later" : "", kinds, digest);

    for (k = 0; k < problems->count; k++) {
        if (!problems->list[k].warning) {
            printf("NO: %s\n", problems->list[k].reason);
            return;
        }
    }

    printf("yes\n");
}


/* Each kind once. */
static void
ctl_versions_kinds(char *out, size_t size, const pv_policy_t *policy)
{
    size_t       i, len;
    const char  *kind;

    snprintf(out, size, "%s", policy == NULL ? "?" : policy->changes_count == 0 ? "-" : "");

    for (i = 0; policy != NULL && i < policy->changes_count; i++) {
        kind = (const char *) policy->changes[i].kind.data;
        len = strlen(out);

        if (strstr(out, kind) == NULL && len + strlen(kind) + 2 < size) {
            snprintf(out + len, size - len, "%s%s", len ? "," : "", kind);
        }
    }
}


static void
ctl_versions_json(ctl_versions_t *v, size_t i, const pv_policy_t *policy, const pv_problems_t *problems)
{
    size_t                  k;
    char                    digest[2 * PV_SHA256_LEN + 1], effective[PV_RFC3339_SIZE], published[PV_RFC3339_SIZE];
    json_t                 *one, *kinds, *wrong;
    const ctl_log_entry_t  *entry;

    entry = &v->log.entries[i];

    pv_hex_encode(digest, entry->digest, PV_SHA256_LEN);
    digest[2 * PV_SHA256_LEN] = '\0';
    pv_rfc3339_format(effective, entry->effective);
    pv_rfc3339_format(published, policy != NULL ? policy->published : 0);

    kinds = json_array();
    wrong = json_array();

    for (k = 0; policy != NULL && k < policy->changes_count; k++) {
        json_array_append_new(kinds, json_string((const char *) policy->changes[k].kind.data));
    }

    for (k = 0; k < problems->count; k++) {
        if (!problems->list[k].warning) {
            json_array_append_new(wrong, json_string(problems->list[k].reason));
        }
    }

    one = json_pack("{s:I, s:s, s:s?, s:s, s:b, s:o, s:s, s:b, s:o}", "number", (json_int_t) entry->sequence,
                    "version", entry->version, "published", policy != NULL ? published : NULL,
                    "effective", effective, "in_force", i == v->in_force, "changes", kinds, "digest", digest,
                    "verified", problems->errors == 0, "problems", wrong);

    json_array_append_new(v->answer, one);
}
