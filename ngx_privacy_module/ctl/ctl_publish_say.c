/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* What `publish` did, for people and for programs. */

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include <jansson.h>

#include "ctl_publish.h"
#include "pv_text.h"


static void ctl_publish_say_json(const ctl_publish_t *p, const pv_policy_t *policy, int already);


void
ctl_publish_say(const ctl_publish_t *p, const pv_policy_t *policy, int already)
{
    char  digest[2 * PV_SHA256_LEN + 1], when[CTL_TIME_MAX];

    if (p->json) {
        ctl_publish_say_json(p, policy, already);
        return;
    }

    pv_hex_encode(digest, policy->digest, PV_SHA256_LEN);
    digest[2 * PV_SHA256_LEN] = '\0';

    printf("%s: version %s, number %" PRIu32 "\n", already ? "already published" : "published",
           (const char *) policy->version.data, policy->sequence);
    printf("digest    %s\n", digest);

    if (p->previous != NULL && p->previous->sequence > policy->sequence) {
        printf("in force  no: version %s is newer\n", (const char *) p->previous->version.data);

    } else if (policy->effective > time(NULL)) {
        printf("in force  from %s on\n", ctl_time(when, policy->effective));
    } else {
        printf("in force  now\n");
    }
}


static void
ctl_publish_say_json(const ctl_publish_t *p, const pv_policy_t *policy, int already)
{
    char     digest[2 * PV_SHA256_LEN + 1], published[PV_RFC3339_SIZE];
    json_t  *answer;

    pv_hex_encode(digest, policy->digest, PV_SHA256_LEN);
    digest[2 * PV_SHA256_LEN] = '\0';
    pv_rfc3339_format(published, policy->published);

    answer = json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:b}", "site", p->site,
                       "version", (const char *) policy->version.data, "number", (json_int_t) policy->sequence,
                       "digest", digest, "published", published,
                       "effective", (const char *) policy->effective_text.data, "already", already);

    json_dumpf(answer, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(answer);
}
