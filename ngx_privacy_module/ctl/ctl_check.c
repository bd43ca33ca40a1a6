/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* privacyctl check. */

#include <stdio.h>

#include "ctl_changes.h"
#include "ctl_draft.h"
#include "ctl_publish.h"
#include "pv_bundle_advice.h"


static int ctl_check_run(ctl_publish_t *p, const char *folder);


int
ctl_check(int argc, char **argv)
{
    int                  rc, operands;
    ctl_publish_t        p;
    const ctl_option_t   options[] = {
        { "site", "NAME", &p.site, NULL, "with --redis: check against this site's log too" },
        { "redis", "URL", &p.redis_url, NULL, "where the log is (or PRIVACY_REDIS)" },
        { "public", "FILE", &p.public, NULL, "the site's public key, needed with --site" },
        { "notice-days", "N", &p.notice_days, NULL, "lead time of a material change (7)" },
        { "urgent", "REASON", &p.urgent, NULL, "no lead time, for this reason" },
        { "strict", NULL, NULL, &p.strict, "take warnings for errors" },
        { "json", NULL, NULL, &p.json, "print what was found as JSON" },
        { NULL, NULL, NULL, NULL, NULL }
    };
    const ctl_usage_t    usage = {
        "check [options] DIR",
        "Checks a bundle: policy.json and a policy.LANGUAGE.md for each language in DIR.\n"
        "Says everything that is wrong at once, by file and field. Nothing is published.\n"
        "With --site also whether it can follow the version that was published last.\n",
        options, 1, 1
    };

    ctl_publish_init(&p);

    rc = ctl_options(&usage, argc, argv, &operands);
    if (rc == -1) {
        rc = ctl_check_run(&p, argv[1]);
    }

    ctl_publish_free(&p);

    return rc;
}


static int
ctl_check_run(ctl_publish_t *p, const char *folder)
{
    int  rc;

    rc = ctl_bundle_read(&p->bundle, folder, &p->problems);

    if (rc == CTL_OK && p->site != NULL) {
        rc = p->public == NULL ? ctl_fail(CTL_USAGE, "--site needs --public FILE") : ctl_publish_settings(p);
        rc = rc == CTL_OK ? ctl_publish_log(p) : rc;
    }

    if (rc != CTL_OK) {
        return rc;
    }

    if (p->site != NULL) {
        if (p->previous != NULL && pv_bundle_same(&p->bundle.source, p->previous)) {
            fprintf(stderr, "privacyctl: the version that was published last is this very bundle\n");
        } else {
            ctl_publish_context(p);
            ctl_publish_version_is_new(p);
        }
    }

    /* What differs is known of an opened version: it is made as for publishing, under a key that nobody keeps. */
    if ((p->context.site.len != 0 ? ctl_draft_open(&p->next, &p->bundle.source, &p->context, &p->problems)
         : pv_bundle_check(&p->bundle.source, NULL, &p->problems)) != PV_OK
        || p->problems.errors)
    {
        rc = CTL_WRONG;
    }

    if (pv_bundle_advise(&p->bundle.source, &p->problems) != PV_OK) {
        return ctl_fail(CTL_WRONG, "out of memory");
    }

    if (p->strict && ctl_problems_strict(&p->problems) != 0) {
        rc = CTL_WRONG;
    }

    if (p->json) {
        ctl_problems_json(&p->problems);

    } else {
        if (rc == CTL_OK && p->next != NULL) {
            ctl_changes_asked(p->previous, p->next);
        }

        ctl_problems(&p->problems);
        printf("%s: %s, %zu errors, %zu warnings\n", folder, rc == CTL_OK ? "in order" : "refused",
               p->problems.errors, p->problems.warnings);
    }

    return rc;
}
