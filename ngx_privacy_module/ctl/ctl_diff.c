/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* privacyctl diff. */

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "ctl_changes.h"
#include "ctl_draft.h"
#include "ctl_publish.h"


typedef struct {
    ctl_publish_t   site;           /* the site's log, once something of it is wanted */
    const char     *language, *color;
    int             json, opened;
    pv_policy_t    *a, *b;
} ctl_diff_t;


static int ctl_diff_run(ctl_diff_t *d, const char *a, const char *b);
static int ctl_diff_open(ctl_diff_t *d, pv_policy_t **policy, const char *name);
static int ctl_diff_folder(pv_policy_t **policy, const char *folder);
static int ctl_diff_log(ctl_diff_t *d);
static int ctl_diff_version(ctl_diff_t *d, pv_policy_t **policy, const char *name);
static int ctl_diff_language(const ctl_diff_t *d);
static int ctl_diff_say(const ctl_diff_t *d);


int
ctl_diff(int argc, char **argv)
{
    int                  rc, operands;
    ctl_diff_t           d;
    const ctl_option_t   options[] = {
        { "site", "NAME", &d.site.site, NULL, "the site, for versions of its log" },
        { "public", "FILE", &d.site.public, NULL, "the site's public key" },
        { "redis", "URL", &d.site.redis_url, NULL, "where the log is (or PRIVACY_REDIS)" },
        { "lang", "TAG", &d.language, NULL, "the text in this language only" },
        { "color", "WHEN", &d.color, NULL, "auto (on a terminal, unless NO_COLOR is set), always\nor never" },
        { "json", NULL, NULL, &d.json, "print the differences as JSON" },
        { NULL, NULL, NULL, NULL, NULL }
    };
    const ctl_usage_t    usage = {
        "diff [options] A B",
        "Shows what differs between A and B: first what is declared (purposes, cookies,\n"
        "sources, recipients, retention, contact), with the kind of change that each difference\n"
        "needs, then the texts, by word, in each language. A and B are versions by their ids,\n"
        "`current` for the one in force, or folders with bundles that are not published yet.\n",
        options, 2, 2
    };

    memset(&d, 0, sizeof(d));
    ctl_publish_init(&d.site);

    rc = ctl_options(&usage, argc, argv, &operands);
    if (rc == -1) {
        rc = ctl_diff_run(&d, argv[1], argv[2]);
    }

    pv_policy_free(d.a);
    pv_policy_free(d.b);
    ctl_publish_free(&d.site);

    return rc;
}


static int
ctl_diff_run(ctl_diff_t *d, const char *a, const char *b)
{
    int  rc;

    if (ctl_colour(d->color) == -1) {
        return CTL_USAGE;
    }

    rc = ctl_diff_open(d, &d->a, a);
    rc = rc == CTL_OK ? ctl_diff_open(d, &d->b, b) : rc;
    rc = rc == CTL_OK ? ctl_diff_language(d) : rc;

    return rc == CTL_OK ? ctl_diff_say(d) : rc;
}


/* A folder is what has a slash in it, or is one. */
static int
ctl_diff_open(ctl_diff_t *d, pv_policy_t **policy, const char *name)
{
    int          rc;
    struct stat  st;

    if (strchr(name, '/') != NULL || (stat(name, &st) == 0 && S_ISDIR(st.st_mode))) {
        return ctl_diff_folder(policy, name);
    }

    rc = d->opened ? CTL_OK : ctl_diff_log(d);
    d->opened = 1;

    return rc == CTL_OK ? ctl_diff_version(d, policy, name) : rc;
}


/* By itself: whether it can follow another is not what was asked. */
static int
ctl_diff_folder(pv_policy_t **policy, const char *folder)
{
    int                   rc;
    pv_problems_t         problems;
    ctl_folder_bundle_t   bundle;
    pv_bundle_context_t   alone;

    memset(&alone, 0, sizeof(alone));
    alone.site = pv_str("diff");
    alone.sequence = 1;
    alone.now = time(NULL);

    pv_problems_init(&problems);
    rc = ctl_bundle_read(&bundle, folder, &problems);

    if (rc == CTL_OK && ctl_draft_open(policy, &bundle.source, &alone, &problems) != PV_OK) {
        ctl_problems(&problems);
        rc = ctl_fail(CTL_WRONG, "%s has errors: it cannot be compared", folder);
    }

    ctl_bundle_free(&bundle);
    pv_problems_free(&problems);

    return rc;
}


static int
ctl_diff_log(ctl_diff_t *d)
{
    int             rc;
    ctl_publish_t  *p;

    p = &d->site;

    if (p->site == NULL || p->public == NULL) {
        return ctl_fail(CTL_USAGE, "versions of a log need --site NAME and --public FILE; a folder has a slash in it");
    }

    rc = ctl_publish_settings(p);
    rc = rc == CTL_OK ? ctl_log_read(&p->log, p->redis, p->site_name) : rc;

    if (rc == CTL_OK) {
        rc = ctl_log_chain(&p->chain, &p->log, p->redis, p->site_name, p->pub, CTL_LOG_ALL, &p->problems);
        ctl_problems(&p->problems);
    }

    return rc;
}


static int
ctl_diff_version(ctl_diff_t *d, pv_policy_t **policy, const char *name)
{
    int               rc;
    size_t            i;
    ctl_publish_t    *p;
    pv_problems_t     problems;
    unsigned char     key[PV_ED25519_PUBLIC];
    const pv_head_t  *head;

    p = &d->site;
    head = strcmp(name, "current") == 0 ? pv_log_in_force(p->chain, time(NULL), 0)
           : pv_log_version(p->chain, pv_str(name));

    if (head == NULL && strcmp(name, "current") == 0) {
        return ctl_fail(CTL_WRONG, "no version of %s is in force yet", p->site);
    }

    if (head == NULL) {
        return ctl_fail(CTL_WRONG, "%s has no version \"%s\": `privacyctl versions` lists them", p->site, name);
    }

    for (i = 0; i < p->log.count && p->log.entries[i].sequence != head->sequence; i++) { /* void */ }

    pv_problems_init(&problems);
    pv_log_key(p->chain, head->sequence, key);

    rc = ctl_log_open(policy, p->redis, p->site_name, &p->log.entries[i], key, &problems);

    if (rc == CTL_WRONG) {
        ctl_problems(&problems);
        ctl_fail(rc, "version %s cannot be read", name);
    }

    pv_problems_free(&problems);

    return rc;
}


static int
ctl_diff_language(const ctl_diff_t *d)
{
    size_t  i;

    for (i = 0; d->language != NULL && i < d->b->texts_count; i++) {
        if (pv_str_eqs(d->b->texts[i].language, d->language)) {
            return CTL_OK;
        }
    }

    return d->language == NULL ? CTL_OK : ctl_fail(CTL_WRONG, "version %s has no text in %s",
                                                   (const char *) d->b->version.data, d->language);
}


static int
ctl_diff_say(const ctl_diff_t *d)
{
    int      rc, colour;
    json_t  *answer;

    if (d->json) {
        answer = ctl_changes_json(d->a, d->b, d->language, 1);
        rc = answer != NULL && json_dumpf(answer, stdout, JSON_INDENT(2)) == 0 ? CTL_OK
             : ctl_fail(CTL_WRONG, "not everything could be written");
        putchar('\n');
        json_decref(answer);
        return rc;
    }

    colour = ctl_colour(d->color);
    printf("%sFrom version %s to version %s%s\n\n", colour ? "\033[1m" : "", (const char *) d->a->version.data,
           (const char *) d->b->version.data, colour ? "\033[0m" : "");

    rc = ctl_changes_declared(d->a, d->b, d->language, colour);

    return rc == CTL_OK ? ctl_changes_texts(d->a, d->b, d->language, colour) : rc;
}
