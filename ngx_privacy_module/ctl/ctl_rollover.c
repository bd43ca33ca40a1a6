/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* privacyctl rollover */

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/crypto.h>

#include "ctl_file.h"
#include "ctl_keygen.h"
#include "ctl_publish.h"
#include "pv_seal.h"


typedef struct {
    ctl_publish_t   p;
    const char     *folder;
    char            path[PATH_MAX];         /* the new secret key's */
    unsigned char   next[PV_ED25519_SECRET];
    unsigned char   next_pub[PV_ED25519_PUBLIC];
} ctl_rollover_t;


static int ctl_rollover_run(ctl_rollover_t *r);
static int ctl_rollover_pair(ctl_rollover_t *r);
static int ctl_rollover_log(ctl_rollover_t *r, const pv_head_t **already);
static int ctl_rollover_confirmed(const ctl_rollover_t *r);
static int ctl_rollover_append(ctl_rollover_t *r);
static void ctl_rollover_say(const ctl_rollover_t *r, uint32_t number, int already);


int
ctl_rollover(int argc, char **argv)
{
    int                  rc, operands;
    ctl_rollover_t       r;
    const ctl_option_t   options[] = {
        { "site", "NAME", &r.p.site, NULL, "the site" },
        { "key", "FILE", &r.p.key, NULL, "the publication key that signs now" },
        { "redis", "URL", &r.p.redis_url, NULL, "where the log is (or PRIVACY_REDIS)" },
        { "yes", NULL, NULL, &r.p.yes, "do not ask" },
        { "json", NULL, NULL, &r.p.json, "print the result as JSON" },
        { NULL, NULL, NULL, NULL, NULL }
    };
    const ctl_usage_t    usage = {
        "rollover [options] DIR",
        "A new publication key. DIR, another folder than the old key's, gets the new pair,\n"
        "NAME.key and NAME.pub, unless it is there already; then the old key signs, and the new\n"
        "one countersigns, an entry of the log: from there on only the new one can publish.\n"
        "Nodes follow by themselves, whichever of the two they are configured with.\n"
        "After a theft of the old key, give nodes the new NAME.pub at once.\n"
        "Run again after it was interrupted, it finishes.\n",
        options, 1, 1
    };

    memset(&r, 0, sizeof(r));
    ctl_publish_init(&r.p);

    rc = ctl_options(&usage, argc, argv, &operands);
    if (rc == -1) {
        r.folder = argv[1];
        rc = ctl_rollover_run(&r);
    }

    OPENSSL_cleanse(r.next, sizeof(r.next));
    ctl_publish_free(&r.p);

    return rc;
}


static int
ctl_rollover_run(ctl_rollover_t *r)
{
    int               rc;
    const pv_head_t  *already;

    if (r->p.site == NULL || r->p.key == NULL) {
        return ctl_fail(CTL_USAGE, "rollover needs --site NAME and --key FILE");
    }

    already = NULL;
    rc = ctl_publish_settings(&r->p);
    rc = rc == CTL_OK ? ctl_rollover_log(r, &already) : rc;

    if (rc != CTL_OK || already != NULL) {
        return rc;
    }

    if (!ctl_rollover_confirmed(r)) {
        return ctl_fail(CTL_WRONG, "nothing was changed");
    }

    /* The new secret is safe on the disk before anybody is told of it. */
    rc = ctl_rollover_pair(r);

    return rc == CTL_OK ? ctl_rollover_append(r) : rc;
}


/* *already: the entry that handed over to the key in DIR, when that was done before. */
static int
ctl_rollover_log(ctl_rollover_t *r, const pv_head_t **already)
{
    int             rc;
    size_t          i;
    unsigned char   key[PV_ED25519_PUBLIC];
    ctl_publish_t  *p;

    p = &r->p;

    rc = ctl_log_read(&p->log, p->redis, p->site_name);
    rc = rc == CTL_OK ? ctl_log_chain(&p->chain, &p->log, p->redis, p->site_name, p->pub, CTL_LOG_NEWEST, &p->problems)
         : rc;

    if (rc != CTL_OK) {
        ctl_problems(&p->problems);
        return ctl_fail(rc, "the log cannot be followed: what it ends with does not verify with this key");
    }

    if (p->log.count == 0) {
        return ctl_fail(CTL_WRONG, "nothing was published yet: make a new pair with `privacyctl keygen` instead");
    }

    ctl_publish_context(p);
    pv_log_key(p->chain, p->context.sequence, key);

    if (memcmp(key, p->pub, PV_ED25519_PUBLIC) == 0) {
        return CTL_OK;
    }

    rc = ctl_keygen_find(r->folder, p->site, r->path, r->next, r->next_pub);

    for (i = pv_log_count(p->chain); rc == CTL_OK && i > 0; i--) {
        *already = pv_log_entry(p->chain, i - 1);

        if ((*already)->kind == PV_ENTRY_KEY && memcmp((*already)->new_key, r->next_pub, PV_ED25519_PUBLIC) == 0) {
            ctl_rollover_say(r, (*already)->sequence, 1);
            return CTL_OK;
        }
    }

    return ctl_fail(CTL_WRONG, "%s signs nothing any more: the log hands over to another key than the one in %s", p->key,
                    r->folder);
}


static int
ctl_rollover_pair(ctl_rollover_t *r)
{
    int  rc;

    rc = ctl_keygen_find(r->folder, r->p.site, r->path, r->next, r->next_pub);

    if (rc == CTL_WRONG) {
        return rc;
    }

    if (rc == CTL_KEYGEN_NONE) {
        if (ctl_keygen_pair(r->folder, r->p.site, r->p.json) != PV_OK) {
            return CTL_WRONG;
        }
        rc = ctl_keygen_find(r->folder, r->p.site, r->path, r->next, r->next_pub);
    }

    if (rc == CTL_OK && memcmp(r->next_pub, r->p.pub, PV_ED25519_PUBLIC) == 0) {
        return ctl_fail(CTL_WRONG, "%s is the key that signs now: name a folder for the new one", r->path);
    }

    return rc == CTL_OK ? CTL_OK : CTL_WRONG;
}


/* Asked only where somebody is there to answer. */
static int
ctl_rollover_confirmed(const ctl_rollover_t *r)
{
    char  line[16];

    if (r->p.yes || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        return 1;
    }

    fprintf(stderr, "Hand the publication of %s over to the key in %s? %s will sign nothing any more. [y/N] ",
            r->p.site, r->folder, r->p.key);

    return fgets(line, sizeof(line), stdin) != NULL && (line[0] == 'y' || line[0] == 'Y');
}


static int
ctl_rollover_append(ctl_rollover_t *r)
{
    int             rc;
    ctl_publish_t  *p;

    p = &r->p;

    if (pv_seal_key(&p->sealed, &p->context, p->secret, r->next, &p->problems) != PV_OK) {
        ctl_problems(&p->problems);
        return ctl_fail(CTL_WRONG, "refused: nothing was changed");
    }

    rc = ctl_log_append(p->redis, p->site_name, (pv_str_t) { p->sealed.data, p->sealed.len });

    if (rc == CTL_OK) {
        ctl_rollover_say(r, p->context.sequence, 0);

    } else if (rc == CTL_UNREACHABLE) {
        ctl_fail(rc, "it is not certain that it was handed over: run the same command again, which finishes it");
    }

    return rc;
}


static void
ctl_rollover_say(const ctl_rollover_t *r, uint32_t number, int already)
{
    size_t         len;
    json_t        *answer;
    unsigned char  text[pv_base64url_size(PV_ED25519_PUBLIC) + 1];

    if (r->p.json) {
        len = pv_base64url_encode(text, (pv_str_t) { r->next_pub, PV_ED25519_PUBLIC });
        answer = json_pack("{s:s, s:I, s:s%, s:s, s:b}", "site", r->p.site, "number", (json_int_t) number,
                           "new_key", (const char *) text, len, "file", r->path, "already", already);
        json_dumpf(answer, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(answer);
        return;
    }

    printf("%s: entry %" PRIu32 " of the log\n\n"
           "Publish with --key %s from now on; keep it as safe as the old one was.\n"
           "Nodes need nothing: they follow the log. For nodes that are yet to come, and for all of\n"
           "them at once when the old key was stolen, put %s/%s.pub where privacy_site's key= points,\n"
           "and reload. Then destroy %s.\n",
           already ? "handed over already" : "handed over", number, r->path, r->folder, r->p.site, r->p.key);
}
