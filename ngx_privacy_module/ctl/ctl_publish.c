/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* privacyctl publish. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "ctl_dropped.h"
#include "ctl_file.h"
#include "ctl_publish.h"

#define CTL_INVENTORY_MAX  (16 * 1024 * 1024)


static int ctl_publish_run(ctl_publish_t *p, const char *folder);
static int ctl_publish_chain(ctl_publish_t *p);
static int ctl_publish_refill(ctl_publish_t *p);
static int ctl_publish_already(ctl_publish_t *p, int *already);
static const char *ctl_publish_version(const ctl_publish_t *p, json_t **root);
static int ctl_publish_seal(ctl_publish_t *p);
static int ctl_publish_dropped(ctl_publish_t *p);
static int ctl_publish_confirmed(const ctl_publish_t *p);
static void ctl_publish_step(const ctl_publish_t *p, const char *what);


int
ctl_publish(int argc, char **argv)
{
    int                  rc, operands;
    ctl_publish_t        p;
    const ctl_option_t   options[] = {
        { "site", "NAME", &p.site, NULL, "the site that it is published for" },
        { "key", "FILE", &p.key, NULL, "the site's publication key (privacyctl keygen --site)" },
        { "redis", "URL", &p.redis_url, NULL, "where the log is (or PRIVACY_REDIS)" },
        { "cache", "DIR", &p.cache, NULL,
          "a node's folder of sealed bundles (privacy_cache_path): when Redis has lost\n"
          "its log, it is refilled from there first" },
        { "notice-days", "N", &p.notice_days, NULL, "lead time of a material change (7)" },
        { "urgent", "REASON", &p.urgent, NULL, "no lead time, for this reason, which is published" },
        { "inventory", "FILE", &p.inventory, NULL,
          "what `privacyctl inventory --json` wrote (- reads it from standard input):\n"
          "cookies that passed as necessary may not be dropped" },
        { "force", NULL, NULL, &p.force, "publish although necessary cookies would be dropped" },
        { "color", "WHEN", &p.color, NULL, "auto (on a terminal, unless NO_COLOR is set), always\nor never" },
        { "yes", NULL, NULL, &p.yes, "do not ask: for scripts" },
        { "json", NULL, NULL, &p.json, "print the result as JSON" },
        { NULL, NULL, NULL, NULL, NULL }
    };
    const ctl_usage_t    usage = {
        "publish [options] DIR",
        "Publishes the bundle in DIR as the site's next version. Checks it, shows what differs\n"
        "from the version before, which purposes people are asked for again and when it takes\n"
        "effect, and asks. Then signs it, appends it to the publication log in Redis, and wakes\n"
        "the nodes: every nginx takes it over within a second, or when its time comes.\n"
        "What differs has to be declared in changes as the kind of change that it is. A version\n"
        "with a material one is a notice to users: privacyctl notice says whom it reaches.\n"
        "A published version never changes. Publishing the same bundle again is harmless.\n"
        "Without a terminal it publishes with --yes only.\n",
        options, 1, 1
    };

    ctl_publish_init(&p);

    rc = ctl_options(&usage, argc, argv, &operands);
    if (rc == -1) {
        rc = ctl_publish_run(&p, argv[1]);
    }

    ctl_publish_free(&p);

    return rc;
}


static int
ctl_publish_run(ctl_publish_t *p, const char *folder)
{
    int  rc, already;

    if (p->site == NULL || p->key == NULL) {
        return ctl_fail(CTL_USAGE, "publish needs --site NAME and --key FILE");
    }

    rc = ctl_publish_settings(p);
    rc = rc == CTL_OK ? ctl_bundle_read(&p->bundle, folder, &p->problems) : rc;

    ctl_publish_step(p, "reading the log");
    rc = rc == CTL_OK ? ctl_publish_log(p) : rc;
    rc = rc == CTL_OK ? ctl_publish_refill(p) : rc;

    if (rc != CTL_OK) {
        return rc;
    }

    rc = ctl_publish_already(p, &already);
    if (rc != CTL_OK || already) {
        return rc;
    }

    ctl_publish_context(p);
    ctl_publish_version_is_new(p);

    ctl_publish_step(p, "checking and signing");
    rc = ctl_publish_seal(p);
    rc = rc == CTL_OK ? ctl_publish_dropped(p) : rc;
    rc = rc == CTL_OK ? ctl_publish_show(p) : rc;
    rc = rc == CTL_OK ? ctl_publish_confirmed(p) : rc;

    if (rc == CTL_OK) {
        ctl_publish_step(p, "publishing");
        rc = ctl_log_append(p->redis, p->site_name, (pv_str_t) { p->sealed.data, p->sealed.len });
    }

    if (rc == CTL_OK) {
        ctl_publish_say(p, p->next, 0);

    } else if (rc == CTL_UNREACHABLE) {
        ctl_fail(rc, "it is not certain that it was published: run the same command again, which is harmless");
    }

    return rc;
}


int
ctl_publish_settings(ctl_publish_t *p)
{
    long         days;
    const char  *url;

    if (!ctl_site(p->site)) {
        return CTL_USAGE;
    }

    p->site_name = pv_str(p->site);

    days = 7;
    if (p->notice_days != NULL && !ctl_number(&days, p->notice_days, "--notice-days", 0, 3650)) {
        return CTL_USAGE;
    }

    p->days = (unsigned) days;

    if (p->key != NULL) {
        if (ctl_secret_key(p->secret, p->key) != PV_OK) {
            return CTL_WRONG;
        }
        if (pv_ed25519_public(p->pub, p->secret) != PV_OK) {
            return ctl_fail(CTL_WRONG, "%s is no usable key", p->key);
        }

    } else if (ctl_public_key(p->pub, p->public) != PV_OK) {
        return CTL_WRONG;
    }

    url = ctl_redis_url(p->redis_url);
    if (url == NULL) {
        return CTL_USAGE;
    }

    return ctl_redis_open(&p->redis, url);
}


int
ctl_publish_log(ctl_publish_t *p)
{
    int               rc;
    size_t            i;
    ctl_log_entry_t  *entry;

    ctl_log_free(&p->log);

    rc = ctl_log_read(&p->log, p->redis, p->site_name);
    rc = rc == CTL_OK ? ctl_publish_chain(p) : rc;

    for (i = p->log.count; rc == CTL_OK && p->previous == NULL && i > 0; i--) {
        entry = &p->log.entries[i - 1];

        if (entry->kind != PV_ENTRY_VERSION) {
            continue;
        }

        if (ctl_log_withdrawal(p->chain, entry) == NULL) {
            rc = ctl_publish_open(p, &p->previous, entry);

        } else if (p->newest == NULL) {
            rc = ctl_publish_open(p, &p->newest, entry);
        }
    }

    return rc;
}


static int
ctl_publish_chain(ctl_publish_t *p)
{
    int             rc;
    uint32_t        next;
    unsigned char   pub[PV_ED25519_PUBLIC];

    rc = ctl_log_chain(&p->chain, &p->log, p->redis, p->site_name, p->pub, CTL_LOG_NEWEST, &p->problems);

    if (rc != CTL_OK) {
        ctl_problems(&p->problems);
        return ctl_fail(rc, "the log cannot be followed: what it ends with does not verify with this key");
    }

    next = p->log.count ? p->log.entries[p->log.count - 1].sequence + 1 : 1;
    pv_log_key(p->chain, next, pub);

    if (p->key != NULL && memcmp(pub, p->pub, PV_ED25519_PUBLIC) != 0) {
        return ctl_fail(CTL_WRONG, "%s signs nothing any more: the log hands over to a newer key", p->key);
    }

    return CTL_OK;
}


int
ctl_publish_open(ctl_publish_t *p, pv_policy_t **policy, const ctl_log_entry_t *entry)
{
    int            rc;
    unsigned char  key[PV_ED25519_PUBLIC];

    pv_log_key(p->chain, entry->sequence, key);

    rc = ctl_log_open(policy, p->redis, p->site_name, entry, key, &p->problems);
    if (rc == CTL_OK) {
        return CTL_OK;
    }

    ctl_problems(&p->problems);

    return ctl_fail(rc, "version %s (number %" PRIu32 ") cannot be followed: it does not verify", entry->version,
                    entry->sequence);
}


static int
ctl_publish_refill(ctl_publish_t *p)
{
    int     rc;
    size_t  n;

    if (p->cache == NULL) {
        return CTL_OK;
    }

    rc = ctl_log_refill(&p->log, p->redis, p->cache, p->site_name, p->pub, &n);

    if (n != 0) {
        fprintf(stderr, "privacyctl: the log in Redis had lost %zu entries: refilled from %s\n", n, p->cache);
    }

    if (rc != CTL_OK || n == 0) {
        return rc;
    }

    pv_policy_free(p->previous);
    pv_policy_free(p->newest);
    pv_log_free(p->chain);

    p->previous = NULL;
    p->newest = NULL;
    p->chain = NULL;

    return ctl_publish_log(p);
}


/* Whether the log has this very bundle, also as a version that others followed: then there is nothing to do. */
static int
ctl_publish_already(ctl_publish_t *p, int *already)
{
    int           rc;
    size_t        i;
    json_t       *root;
    const char   *version;
    pv_policy_t  *policy;

    *already = 0;
    policy = NULL;
    rc = CTL_OK;
    version = ctl_publish_version(p, &root);

    for (i = 0; version != NULL && i < p->log.count; i++) {
        if (strcmp(p->log.entries[i].version, version) != 0) {
            continue;
        }

        if (ctl_log_withdrawal(p->chain, &p->log.entries[i]) != NULL) {
            rc = ctl_fail(CTL_WRONG, "version %s was withdrawn: a new one needs an id of its own", version);
            break;
        }

        rc = ctl_publish_open(p, &policy, &p->log.entries[i]);
        if (rc != CTL_OK) {
            break;
        }

        *already = pv_bundle_same(&p->bundle.source, policy);
        if (*already) {
            ctl_publish_say(p, policy, 1);
        }

        pv_policy_free(policy);
        break;
    }

    json_decref(root);

    return rc;
}


/* The version id that policy.json gives, into *root; NULL when it gives none: the validator will say so. */
static const char *
ctl_publish_version(const ctl_publish_t *p, json_t **root)
{
    *root = json_loadb((const char *) p->bundle.json.data, p->bundle.json.len, 0, NULL);

    return json_string_value(json_object_get(*root, "version"));
}


void
ctl_publish_context(ctl_publish_t *p)
{
    p->context.site = p->site_name;
    p->context.sequence = p->log.count ? p->log.entries[p->log.count - 1].sequence + 1 : 1;
    p->context.last = p->log.count ? p->log.entries[p->log.count - 1].digest : NULL;
    p->context.now = time(NULL);
    p->context.notice_days = p->days;
    p->context.urgent = p->urgent;
    p->context.previous = p->previous;
    p->context.newest = p->newest;
}


/* A version id names one bundle for ever. The validator sees the one before only. */
void
ctl_publish_version_is_new(ctl_publish_t *p)
{
    size_t        i;
    json_t       *root;
    const char   *version;

    version = ctl_publish_version(p, &root);

    for (i = 0; version != NULL && i < p->log.count; i++) {
        if (strcmp(p->log.entries[i].version, version) == 0
            && (p->previous == NULL || p->log.entries[i].sequence != p->previous->sequence))
        {
            pv_problem(&p->problems, p->bundle.json_file, 0, "version", "was published already, as number %" PRIu32,
                       p->log.entries[i].sequence);
        }
    }

    json_decref(root);
}


static int
ctl_publish_seal(ctl_publish_t *p)
{
    int  rc;

    rc = pv_bundle_seal(&p->sealed, &p->bundle.source, &p->context, p->secret, &p->problems);

    if (p->json && p->problems.errors) {
        ctl_problems_json(&p->problems);
    } else {
        ctl_problems(&p->problems);
    }

    if (rc != PV_OK || p->problems.errors) {
        return rc == PV_ERROR ? ctl_fail(CTL_WRONG, "out of memory, or the cryptographic library failed")
               : ctl_fail(CTL_WRONG, "refused: nothing was published");
    }

    if (pv_policy_open(&p->next, (pv_str_t) { p->sealed.data, p->sealed.len }, p->site_name, p->pub, &p->problems)
        != PV_OK)
    {
        return ctl_fail(CTL_WRONG, "what was sealed does not open");
    }

    return CTL_OK;
}


static int
ctl_publish_dropped(ctl_publish_t *p)
{
    int             rc;
    pv_buf_t        bytes;
    pv_str_t        inventory;
    pv_problems_t   dropped;

    if (p->previous == NULL) {
        return CTL_OK;
    }

    pv_buf_init(&bytes, CTL_INVENTORY_MAX);
    pv_problems_init(&dropped);
    rc = CTL_OK;

    if (p->inventory != NULL && ctl_file_read(&bytes, p->inventory, CTL_INVENTORY_MAX) != PV_OK) {
        rc = CTL_WRONG;
    }

    if (rc == CTL_OK) {
        inventory = (pv_str_t) { bytes.data, bytes.len };
        rc = ctl_dropped(p->previous, p->next, p->inventory != NULL ? &inventory : NULL, &dropped) == PV_OK
             ? CTL_OK : CTL_WRONG;

        if (p->json && dropped.errors && !p->force) {
            ctl_problems_json(&dropped);
        } else {
            ctl_problems(&dropped);
        }

        if (dropped.errors && !(p->force && rc == CTL_OK)) {
            rc = ctl_fail(CTL_WRONG, "refused: people would be logged out by it. Declare what is missing, show with "
                          "--inventory that it is not in use, or use --force");
        }
    }

    pv_problems_free(&dropped);
    pv_buf_free(&bytes);

    return rc;
}


/* Published for ever: somebody says yes, at the terminal or in the script. */
static int
ctl_publish_confirmed(const ctl_publish_t *p)
{
    char  line[16];

    if (p->yes) {
        return CTL_OK;
    }

    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        return ctl_fail(CTL_USAGE, "nobody is here to be asked: nothing was published. --yes publishes without asking");
    }

    fprintf(stderr, "\nPublish version %s of %s as number %" PRIu32 "? It stays in the log for ever. [y/N] ",
            (const char *) p->next->version.data, p->site, p->next->sequence);

    if (fgets(line, sizeof(line), stdin) != NULL && (line[0] == 'y' || line[0] == 'Y')) {
        return CTL_OK;
    }

    return ctl_fail(CTL_WRONG, "nothing was published");
}


/* A log of many versions on a slow line takes a while: who watches is told. */
static void
ctl_publish_step(const ctl_publish_t *p, const char *what)
{
    if (!p->json && isatty(STDERR_FILENO)) {
        fprintf(stderr, "privacyctl: %s\n", what);
    }
}


void
ctl_publish_init(ctl_publish_t *p)
{
    memset(p, 0, sizeof(*p));
    pv_problems_init(&p->problems);
    pv_buf_init(&p->sealed, PV_SEALED_MAX);
}


void
ctl_publish_free(ctl_publish_t *p)
{
    explicit_bzero(p->secret, sizeof(p->secret));

    if (p->redis != NULL) {
        ctl_redis_close(p->redis);
    }

    pv_policy_free(p->next);
    pv_policy_free(p->previous);
    pv_policy_free(p->newest);
    pv_log_free(p->chain);
    ctl_log_free(&p->log);
    ctl_bundle_free(&p->bundle);
    pv_problems_free(&p->problems);
    pv_buf_free(&p->sealed);
}
