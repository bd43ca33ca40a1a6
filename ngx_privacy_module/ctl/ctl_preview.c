/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* privacyctl preview: the pages that nginx will serve, rendered by the same code. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl_draft.h"
#include "ctl_preview.h"
#include "ctl_publish.h"
#include "ctl_serve.h"


static int ctl_preview_run(ctl_publish_t *p, ctl_preview_t *v, const char *folder);
static int ctl_preview_open(ctl_publish_t *p, ctl_preview_t *v);
static int ctl_preview_chain(ctl_publish_t *p, ctl_preview_t *v);
static pv_policy_t *ctl_preview_archived(void *data, uint32_t sequence);
static void ctl_preview_ready(void *data, unsigned port);


int
ctl_preview(int argc, char **argv)
{
    int                  rc, operands;
    ctl_publish_t        p;
    ctl_preview_t        v;
    const ctl_option_t   options[] = {
        { "port", "N", &v.port, NULL, "where to listen on 127.0.0.1 (any free port)" },
        { "site", "NAME", &p.site, NULL, "show it as the next version of this site: with its\nold versions, and what differs" },
        { "redis", "URL", &p.redis_url, NULL, "where the site's log is (or PRIVACY_REDIS)" },
        { "public", "FILE", &p.public, NULL, "the site's public key, needed with --site" },
        { "notice-days", "N", &p.notice_days, NULL, "lead time of a material change (7)" },
        { "urgent", "REASON", &p.urgent, NULL, "show it as published without lead time, for this reason" },
        { "json", NULL, NULL, &v.json, "print where it is as JSON" },
        { NULL, NULL, NULL, NULL, NULL }
    };
    const ctl_usage_t    usage = {
        "preview [options] DIR",
        "Shows the bundle in DIR in your browser as nginx will show it once it is in force: a\n"
        "page with the banner on it, the policy, the choices page, the versions and, with\n"
        "--site, what differs from the version before and the notice that it will be. Nothing is\n"
        "published or recorded. DIR is read once. Ctrl-C ends it.\n",
        options, 1, 1
    };

    memset(&v, 0, sizeof(v));
    ctl_publish_init(&p);

    rc = ctl_options(&usage, argc, argv, &operands);
    if (rc == -1) {
        rc = ctl_preview_run(&p, &v, argv[1]);
    }

    pv_policy_free(v.draft);
    pv_log_free(v.chain);
    pv_ui_free(v.ui);
    ctl_publish_free(&p);

    return rc;
}


static int
ctl_preview_run(ctl_publish_t *p, ctl_preview_t *v, const char *folder)
{
    int   rc;
    long  port;

    port = 0;
    if (v->port != NULL && !ctl_number(&port, v->port, "--port", 1, 65535)) {
        return CTL_USAGE;
    }

    rc = ctl_bundle_read(&p->bundle, folder, &p->problems);

    if (rc == CTL_OK && p->site != NULL) {
        rc = p->public == NULL ? ctl_fail(CTL_USAGE, "--site needs --public FILE") : ctl_publish_settings(p);
        rc = rc == CTL_OK ? ctl_publish_log(p) : rc;
        rc = rc == CTL_OK ? ctl_preview_chain(p, v) : rc;
    }

    rc = rc == CTL_OK ? ctl_preview_open(p, v) : rc;

    if (rc != CTL_OK) {
        return rc;
    }

    if (pv_ui_create(&v->ui, NULL, NULL, &p->problems) != PV_OK) {
        return ctl_fail(CTL_WRONG, "the pages' templates cannot be read");
    }

    return ctl_serve((unsigned) port, ctl_preview_answer, ctl_preview_ready, v);
}


/*
 * The folder as the version that it would become. Where it cannot follow the
 * one before yet, that is said, and it is shown by itself.
 */
static int
ctl_preview_open(ctl_publish_t *p, ctl_preview_t *v)
{
    int                  rc;
    pv_problems_t        problems;
    pv_bundle_context_t  alone;

    if (p->previous != NULL && pv_bundle_same(&p->bundle.source, p->previous)) {
        v->draft = p->previous;
        v->published = 1;
        p->previous = NULL;
        fprintf(stderr, "privacyctl: the version that was published last is this very bundle: shown as published\n");
        return CTL_OK;
    }

    memset(&alone, 0, sizeof(alone));
    alone.site = p->site != NULL ? p->site_name : pv_str("preview");
    alone.sequence = 1;
    alone.now = time(NULL);

    pv_problems_init(&problems);
    rc = PV_INVALID;

    if (p->site != NULL) {
        ctl_publish_context(p);
        rc = ctl_draft_open(&v->draft, &p->bundle.source, &p->context, &problems);

        if (rc == PV_INVALID) {
            ctl_problems(&problems);
        }
    }

    if (rc == PV_INVALID) {
        rc = ctl_draft_open(&v->draft, &p->bundle.source, &alone, &p->problems);

        if (rc == PV_OK && p->site != NULL) {
            fprintf(stderr, "privacyctl: publishing would refuse it so: it is shown by itself\n");
        } else {
            ctl_problems(&p->problems);
        }
    }

    pv_problems_free(&problems);

    return rc == PV_OK ? CTL_OK : ctl_fail(CTL_WRONG, "there is nothing to show");
}


/* Every head of the log, for lists; the versions themselves are read when they are asked for. */
static int
ctl_preview_chain(ctl_publish_t *p, ctl_preview_t *v)
{
    int            rc;
    pv_problems_t  problems;

    pv_problems_init(&problems);

    rc = ctl_log_chain(&v->chain, &p->log, p->redis, p->site_name, p->pub, CTL_LOG_ALL, &problems);
    ctl_problems(&problems);
    pv_problems_free(&problems);

    v->open = ctl_preview_archived;
    v->data = p;

    return rc;
}


/* data: the ctl_publish_t. */
static pv_policy_t *
ctl_preview_archived(void *data, uint32_t sequence)
{
    int             rc;
    size_t          i;
    pv_policy_t    *policy;
    ctl_publish_t  *p = data;
    pv_problems_t   problems;
    unsigned char   key[PV_ED25519_PUBLIC];

    for (i = 0; i < p->log.count && p->log.entries[i].sequence != sequence; i++) { /* void */ }

    if (i == p->log.count) {
        return NULL;
    }

    policy = NULL;
    pv_problems_init(&problems);
    pv_log_key(p->chain, sequence, key);

    rc = ctl_log_open(&policy, p->redis, p->site_name, &p->log.entries[i], key, &problems);
    ctl_problems(&problems);
    pv_problems_free(&problems);

    return rc == CTL_OK ? policy : NULL;
}


static void
ctl_preview_ready(void *data, unsigned port)
{
    ctl_preview_t    *v = data;
    const pv_head_t  *before;

    if (v->json) {
        printf("{\"url\": \"http://127.0.0.1:%u/\", \"port\": %u}\n", port, port);
        fflush(stdout);
        return;
    }

    printf("http://127.0.0.1:%u/                  a page with the banner\n", port);
    printf("http://127.0.0.1:%u/privacy/          the policy\n", port);
    printf("http://127.0.0.1:%u/privacy/choices   the choices page\n", port);
    printf("http://127.0.0.1:%u/privacy/versions  the versions\n", port);
    printf("http://127.0.0.1:%u/privacy/notices   the notices, as users have them\n", port);

    before = v->chain == NULL ? NULL
             : pv_log_before(v->chain, v->published ? v->draft->sequence : UINT32_MAX);

    if (before != NULL) {
        printf("http://127.0.0.1:%u/privacy/diff/%s/%s  what differs\n", port, (const char *) before->version.data,
               (const char *) v->draft->version.data);
    }

    printf("Ctrl-C ends it.\n");
    fflush(stdout);
}
