/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* privacyctl notice: which sub-command; the site, its keys and its log. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctl_file.h"
#include "ctl_notice.h"


static void ctl_notice_overview(FILE *out);
static int ctl_notice_settings(ctl_notice_t *c);
static int ctl_notice_chain(ctl_notice_t *c);
static const ctl_log_entry_t *ctl_notice_version(const ctl_notice_t *c, int which);


static const struct {
    const char      *name;
    ctl_command_pt   run;
    const char      *summary;
} ctl_notice_commands[] = {
    { "init", ctl_notice_init, "write a notice with texts to fill in" },
    { "send", ctl_notice_send, "sign a notice and send it" },
    { "retract", ctl_notice_retract, "take a notice back, for those who have not answered it" },
    { "list", ctl_notice_list, "list all notices, and prove their chain" },
    { "status", ctl_notice_status, "count whom a notice reached, who agreed, who declined" },
    { "export", ctl_notice_export, "the same user by user, as CSV or JSON lines" },
    { "unreached", ctl_notice_unreached, "list whom it did not reach, for mail or letters" }
};


int
ctl_notice(int argc, char **argv)
{
    size_t  i;

    if (argc < 2) {
        ctl_notice_overview(stderr);
        return CTL_USAGE;
    }

    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        ctl_notice_overview(stdout);
        return CTL_OK;
    }

    for (i = 0; i < sizeof(ctl_notice_commands) / sizeof(ctl_notice_commands[0]); i++) {
        if (strcmp(argv[1], ctl_notice_commands[i].name) == 0) {
            return ctl_notice_commands[i].run(argc - 1, argv + 1);
        }
    }

    if (argv[1][0] == '-') {
        (void) ctl_fail(0, "there is no option %s", argv[1]);
    } else {
        (void) ctl_fail(0, "there is no command notice %s", argv[1]);
    }

    ctl_notice_overview(stderr);

    return CTL_USAGE;
}


static void
ctl_notice_overview(FILE *out)
{
    size_t  i;

    fputs("usage: privacyctl notice COMMAND [options] ...\n\n"
          "Messages to the users of a site. A material change of the policy is a notice by itself,\n"
          "v and its number in the log; what `send` sends is n and its number: n3. All are signed\n"
          "with the site's publication key: nginx shows no others. ID stands for v7, n3, or the id\n"
          "of a version.\n\n", out);

    for (i = 0; i < sizeof(ctl_notice_commands) / sizeof(ctl_notice_commands[0]); i++) {
        fprintf(out, "  %-10s %s\n", ctl_notice_commands[i].name, ctl_notice_commands[i].summary);
    }

    fputs("\nprivacyctl notice COMMAND --help says more.\n", out);
}


void
ctl_notice_create(ctl_notice_t *c)
{
    memset(c, 0, sizeof(*c));
    pv_problems_init(&c->problems);
}


void
ctl_notice_free(ctl_notice_t *c)
{
    explicit_bzero(c->secret, sizeof(c->secret));

    if (c->redis != NULL) {
        ctl_redis_close(c->redis);
    }

    pv_notices_free(c->notices);
    pv_log_free(c->chain);
    ctl_log_free(&c->log);
    pv_problems_free(&c->problems);
}


int
ctl_notice_open(ctl_notice_t *c)
{
    int  rc;

    rc = ctl_notice_settings(c);
    rc = rc == CTL_OK ? ctl_log_read(&c->log, c->redis, c->site_name) : rc;

    return rc == CTL_OK ? ctl_notice_chain(c) : rc;
}


static int
ctl_notice_settings(ctl_notice_t *c)
{
    const char  *url;

    if (!ctl_site(c->site)) {
        return CTL_USAGE;
    }

    c->site_name = pv_str(c->site);

    if (c->key != NULL) {
        if (ctl_secret_key(c->secret, c->key) != PV_OK) {
            return CTL_WRONG;
        }
        if (pv_ed25519_public(c->pub, c->secret) != PV_OK) {
            return ctl_fail(CTL_WRONG, "%s is no usable key", c->key);
        }

    } else if (ctl_public_key(c->pub, c->public) != PV_OK) {
        return CTL_WRONG;
    }

    url = ctl_redis_url(c->redis_url);

    return url != NULL ? ctl_redis_open(&c->redis, url) : CTL_USAGE;
}


static int
ctl_notice_chain(ctl_notice_t *c)
{
    int            rc;
    unsigned char  pub[PV_ED25519_PUBLIC];

    rc = ctl_log_chain(&c->chain, &c->log, c->redis, c->site_name, c->pub, CTL_LOG_ALL, &c->problems);

    if (rc != CTL_OK) {
        ctl_problems(&c->problems);
        return ctl_fail(rc, "the publication log does not verify with this key: `privacyctl versions` says where");
    }

    if (pv_log_count(c->chain) == 0) {
        return ctl_fail(CTL_WRONG, "nothing was published for %s yet: notices stand on its policy", c->site);
    }

    if (c->key == NULL) {
        return CTL_OK;
    }

    pv_log_key(c->chain, pv_log_complete(c->chain) + 1, pub);

    if (memcmp(pub, c->pub, PV_ED25519_PUBLIC) != 0) {
        return ctl_fail(CTL_WRONG, "%s signs nothing any more: the log hands over to a newer key", c->key);
    }

    return CTL_OK;
}


int
ctl_notice_policy(ctl_notice_t *c, pv_policy_t **policy, int which)
{
    int                     rc;
    unsigned char           key[PV_ED25519_PUBLIC];
    pv_problems_t           problems;
    const ctl_log_entry_t  *entry;

    *policy = NULL;
    entry = ctl_notice_version(c, which);

    if (entry == NULL) {
        return CTL_OK;
    }

    pv_problems_init(&problems);
    pv_log_key(c->chain, entry->sequence, key);
    rc = ctl_log_open(policy, c->redis, c->site_name, entry, key, &problems);

    if (rc != CTL_OK) {
        ctl_problems(&problems);
        rc = ctl_fail(rc, "version %s (number %" PRIu32 ") does not verify", entry->version, entry->sequence);
    }

    pv_problems_free(&problems);

    return rc;
}


static const ctl_log_entry_t *
ctl_notice_version(const ctl_notice_t *c, int which)
{
    size_t                  i;
    const pv_head_t        *in_force;
    const ctl_log_entry_t  *entry;

    in_force = pv_log_in_force(c->chain, time(NULL), 0);

    for (i = c->log.count; i > 0; i--) {
        entry = &c->log.entries[i - 1];

        if (which == CTL_NOTICE_IN_FORCE ? in_force != NULL && entry->sequence == in_force->sequence
            : entry->kind == PV_ENTRY_VERSION && ctl_log_withdrawal(c->chain, entry) == NULL)
        {
            return entry;
        }
    }

    return NULL;
}
