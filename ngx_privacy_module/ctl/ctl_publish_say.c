/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* What `publish` is about to do, and what it did, for people and for programs. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "ctl_changes.h"
#include "ctl_publish.h"
#include "pv_bundle_advice.h"
#include "pv_text.h"


static void ctl_publish_show_advice(const ctl_publish_t *p);
static void ctl_publish_show_kinds(const pv_policy_t *next);
static void ctl_publish_say_json(const ctl_publish_t *p, const pv_policy_t *policy, int already);


/* The redline only where somebody reads it before saying yes. */
int
ctl_publish_show(const ctl_publish_t *p)
{
    int   rc, colour;
    char  when[CTL_TIME_MAX];

    colour = ctl_colour(p->color);

    if (colour == -1) {
        return CTL_USAGE;
    }

    if (p->json) {
        return CTL_OK;
    }

    rc = CTL_OK;

    if (p->previous != NULL) {
        printf("From version %s to version %s of %s\n\n", (const char *) p->previous->version.data,
               (const char *) p->next->version.data, p->site);
        ctl_publish_show_kinds(p->next);
        rc = ctl_changes_declared(p->previous, p->next, NULL, colour);
        rc = rc == CTL_OK && !p->yes ? ctl_changes_texts(p->previous, p->next, NULL, colour) : rc;
    } else {
        printf("Version %s is the first of %s\n", (const char *) p->next->version.data, p->site);
    }

    ctl_publish_show_advice(p);

    putchar('\n');
    ctl_changes_asked(p->previous, p->next);

    if (p->next->effective > time(NULL)) {
        printf("In force from %s on\n", ctl_time(when, p->next->effective));
    } else {
        printf("In force as soon as it is published\n");
    }

    if (p->next->reduces_rights) {
        printf("It reduces rights: it binds only who says Agree\n");
    }

    return rc;
}


/* What `check` warns of is no reason to refuse, and none to be silent. */
static void
ctl_publish_show_advice(const ctl_publish_t *p)
{
    pv_problems_t  problems;

    pv_problems_init(&problems);

    if (pv_bundle_advise(&p->bundle.source, &problems) == PV_OK && problems.warnings != 0) {
        printf("\nOf what laws usually ask for, %zu things are missing: privacyctl check says which\n",
               problems.warnings);
    }

    pv_problems_free(&problems);
}


static void
ctl_publish_show_kinds(const pv_policy_t *next)
{
    size_t              i;
    const pv_change_t  *change;

    for (i = 0; i < next->changes_count; i++) {
        change = &next->changes[i];
        printf("Declared as %s%s", (const char *) change->kind.data, change->summary_count != 0 ? ": " : "");

        if (change->summary_count != 0) {
            ctl_print(change->summary[0].text);
        }

        putchar('\n');
    }

    if (next->urgent.len != 0) {
        printf("Urgent: ");
        ctl_print(next->urgent);
        putchar('\n');
    }
}


void
ctl_publish_say(const ctl_publish_t *p, const pv_policy_t *policy, int already)
{
    char  digest[2 * PV_SHA256_LEN + 1], when[CTL_TIME_MAX], id[PV_NOTICE_ID_SIZE];

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

    if (ctl_publish_notice(policy, id)) {
        printf("notice    %s: users who were met before are told, now or when they come; follow it with\n"
               "          privacyctl notice status %s --site %s --public %s.pub\n", id, id, p->site, p->site);
    }
}


int
ctl_publish_notice(const pv_policy_t *policy, char id[PV_NOTICE_ID_SIZE])
{
    int             is;
    pv_head_t      *head;
    pv_notice_t    *notice;
    pv_problems_t   problems;

    notice = NULL;
    pv_problems_init(&problems);

    if (pv_head_open(&head, policy->sealed_head, policy->site, NULL, &problems) == PV_OK) {
        (void) pv_notice_from_head(&notice, head);
        pv_head_free(head);
    }

    pv_problems_free(&problems);
    is = notice != NULL;

    if (is) {
        memcpy(id, notice->id, PV_NOTICE_ID_SIZE);
        pv_notice_free(notice);
    }

    return is;
}


static void
ctl_publish_say_json(const ctl_publish_t *p, const pv_policy_t *policy, int already)
{
    char     digest[2 * PV_SHA256_LEN + 1], published[PV_RFC3339_SIZE], id[PV_NOTICE_ID_SIZE];
    json_t  *answer;

    pv_hex_encode(digest, policy->digest, PV_SHA256_LEN);
    digest[2 * PV_SHA256_LEN] = '\0';
    pv_rfc3339_format(published, policy->published);

    answer = json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:b}", "site", p->site,
                       "version", (const char *) policy->version.data, "number", (json_int_t) policy->sequence,
                       "digest", digest, "published", published,
                       "effective", (const char *) policy->effective_text.data, "already", already);

    json_object_set_new(answer, "notice", ctl_publish_notice(policy, id) ? json_string(id) : json_null());

    if (p->previous != NULL && p->next != NULL) {
        json_object_set_new(answer, "changes", ctl_changes_json(p->previous, p->next, NULL, 0));
    }

    json_dumpf(answer, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(answer);
}
