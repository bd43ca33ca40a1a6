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
    pv_log_t            *chain;
    pv_problems_t        problems;      /* of the chain: by number */
    uint32_t             in_force;      /* 0: none */
    json_t              *answer;
} ctl_versions_t;


static int ctl_versions_run(ctl_versions_t *v);
static int ctl_versions_connect(ctl_versions_t *v);
static int ctl_versions_chain(ctl_versions_t *v);
static int ctl_versions_one(ctl_versions_t *v, size_t i);
static int ctl_versions_wrong(const ctl_versions_t *v, size_t i, pv_problems_t *problems);
static const char *ctl_versions_state(const ctl_versions_t *v, const ctl_log_entry_t *entry);
static void ctl_versions_line(const ctl_versions_t *v, size_t i, const pv_policy_t *policy,
    const pv_problems_t *problems);
static void ctl_versions_kinds(char *out, size_t size, int version, const pv_policy_t *policy);
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
        "and chain hold; and with them withdrawals and new keys, which have numbers, too.\n"
        "Returns 1 when something does not hold.\n",
        options, 0, 0
    };

    memset(&v, 0, sizeof(v));
    pv_problems_init(&v.problems);

    rc = ctl_options(&usage, argc, argv, &operands);
    if (rc == -1) {
        rc = ctl_versions_run(&v);
    }

    if (v.redis != NULL) {
        ctl_redis_close(v.redis);
    }

    pv_problems_free(&v.problems);
    pv_log_free(v.chain);
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
    rc = rc == CTL_OK ? ctl_versions_chain(v) : rc;

    if (rc != CTL_OK) {
        return rc;
    }

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


/* What is wrong in it is said entry by entry. */
static int
ctl_versions_chain(ctl_versions_t *v)
{
    int               rc;
    const pv_head_t  *head;

    rc = ctl_log_chain(&v->chain, &v->log, v->redis, v->site_name, v->pub, CTL_LOG_ALL, &v->problems);

    if (rc != CTL_OK && v->problems.errors == 0) {
        return rc;
    }

    head = pv_log_in_force(v->chain, time(NULL), 0);
    v->in_force = head != NULL ? head->sequence : 0;

    return CTL_OK;
}


static int
ctl_versions_one(ctl_versions_t *v, size_t i)
{
    int                     rc;
    pv_policy_t            *policy;
    unsigned char           key[PV_ED25519_PUBLIC];
    pv_problems_t           problems;
    const ctl_log_entry_t  *entry;

    rc = CTL_OK;
    policy = NULL;
    entry = &v->log.entries[i];
    pv_problems_init(&problems);

    if (!ctl_versions_wrong(v, i, &problems) && entry->kind == PV_ENTRY_VERSION) {
        pv_log_key(v->chain, entry->sequence, key);
        rc = ctl_log_open(&policy, v->redis, v->site_name, entry, key, &problems);
    }

    if (rc != CTL_UNREACHABLE) {
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


/* What the chain found of it. */
static int
ctl_versions_wrong(const ctl_versions_t *v, size_t i, pv_problems_t *problems)
{
    size_t    k;
    uint32_t  sequence;

    sequence = v->log.entries[i].sequence;

    if (sequence != (i > 0 ? v->log.entries[i - 1].sequence + 1 : 1)) {
        pv_problem(problems, NULL, 0, NULL, "a number is missing before it");
    }

    for (k = 0; k < v->problems.count; k++) {
        if (!v->problems.list[k].warning && v->problems.list[k].line == sequence) {
            pv_problem(problems, NULL, 0, NULL, "%s", v->problems.list[k].reason);
        }
    }

    if (problems->errors == 0 && pv_log_find(v->chain, sequence) == NULL) {
        pv_problem(problems, NULL, 0, NULL, "it was refused");
    }

    return problems->errors != 0;
}


static const char *
ctl_versions_state(const ctl_versions_t *v, const ctl_log_entry_t *entry)
{
    if (entry->kind != PV_ENTRY_VERSION) {
        return "";
    }

    return pv_log_withdrawal(v->chain, entry->sequence) != NULL ? "withdrawn"
           : entry->sequence == v->in_force ? "yes" : entry->effective > time(NULL) ? "later" : "";
}


static void
ctl_versions_line(const ctl_versions_t *v, size_t i, const pv_policy_t *policy, const pv_problems_t *problems)
{
    size_t                  k;
    char                    digest[13], published[CTL_TIME_MAX], effective[CTL_TIME_MAX], kinds[128], subject[32];
    const char             *name;
    const pv_head_t        *head;
    const ctl_log_entry_t  *entry;

    entry = &v->log.entries[i];
    head = pv_log_find(v->chain, entry->sequence);

    snprintf(subject, sizeof(subject), "withdraws %" PRIu32, head != NULL ? head->withdraws : 0);
    if (entry->kind == PV_ENTRY_KEY) {
        snprintf(subject, sizeof(subject), "new key");
    }

    pv_hex_encode(digest, entry->digest, 6);
    digest[12] = '\0';
    ctl_versions_kinds(kinds, sizeof(kinds), entry->kind == PV_ENTRY_VERSION, policy);

    name = entry->kind == PV_ENTRY_VERSION ? entry->version : head == NULL ? "?" : subject;

    printf("%6" PRIu32 "  ", entry->sequence);
    ctl_print(pv_str(name));
    printf("%*s %-21s %-21s %-9s %-24s %-12s  ", strlen(name) < 20 ? 20 - (int) strlen(name) : 0, "",
           head != NULL ? ctl_time(published, head->published) : "?",
           entry->kind == PV_ENTRY_VERSION ? ctl_time(effective, entry->effective) : "-",
           ctl_versions_state(v, entry), kinds, digest);

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
ctl_versions_kinds(char *out, size_t size, int version, const pv_policy_t *policy)
{
    size_t       i, len;
    const char  *kind;

    snprintf(out, size, "%s", !version ? "-" : policy == NULL ? "?" : policy->changes_count == 0 ? "-" : "");

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
    const pv_head_t        *head;
    const ctl_log_entry_t  *entry;

    entry = &v->log.entries[i];
    head = pv_log_find(v->chain, entry->sequence);

    pv_hex_encode(digest, entry->digest, PV_SHA256_LEN);
    digest[2 * PV_SHA256_LEN] = '\0';
    pv_rfc3339_format(published, head != NULL ? head->published : 0);

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

    one = json_pack("{s:I, s:s, s:s?, s:s, s:b, s:o}", "number", (json_int_t) entry->sequence,
                    "kind", pv_entry_kind_name(entry->kind), "published", head != NULL ? published : NULL,
                    "digest", digest, "verified", problems->errors == 0, "problems", wrong);

    if (entry->kind == PV_ENTRY_VERSION) {
        pv_rfc3339_format(effective, entry->effective);
        json_object_set_new(one, "version", json_string(entry->version));
        json_object_set_new(one, "effective", json_string(effective));
        json_object_set_new(one, "in_force", json_boolean(entry->sequence == v->in_force));
        json_object_set_new(one, "withdrawn", json_boolean(pv_log_withdrawal(v->chain, entry->sequence) != NULL));
        json_object_set(one, "changes", kinds);

    } else if (head != NULL && entry->kind == PV_ENTRY_WITHDRAWAL) {
        json_object_set_new(one, "withdraws", json_integer(head->withdraws));
        json_object_set_new(one, "reason", json_string((const char *) head->reason.data));
    }

    json_decref(kinds);
    json_array_append_new(v->answer, one);
}
