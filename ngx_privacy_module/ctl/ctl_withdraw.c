/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* privacyctl withdraw */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "ctl_publish.h"
#include "pv_seal.h"


static int ctl_withdraw_run(ctl_publish_t *p, const char *version, const char *reason);
static const ctl_log_entry_t *ctl_withdraw_find(const ctl_publish_t *p, const char *version);
static int ctl_withdraw_confirmed(const ctl_publish_t *p, const ctl_log_entry_t *entry);
static int ctl_withdraw_append(ctl_publish_t *p, const ctl_log_entry_t *entry, const char *reason);
static int ctl_withdraw_version(ctl_publish_t *p, const ctl_log_entry_t *entry, char notice[PV_NOTICE_ID_SIZE]);
static void ctl_withdraw_say(const ctl_publish_t *p, const ctl_log_entry_t *entry, uint32_t number,
    const char *notice, int already);


int
ctl_withdraw(int argc, char **argv)
{
    int                  rc, operands;
    const char          *reason;
    ctl_publish_t        p;
    const ctl_option_t   options[] = {
        { "site", "NAME", &p.site, NULL, "the site that it was published for" },
        { "key", "FILE", &p.key, NULL, "the site's publication key" },
        { "redis", "URL", &p.redis_url, NULL, "where the log is (or PRIVACY_REDIS)" },
        { "reason", "TEXT", &reason, NULL, "why, in a sentence; it is published" },
        { "yes", NULL, NULL, &p.yes, "do not ask" },
        { "json", NULL, NULL, &p.json, "print the result as JSON" },
        { NULL, NULL, NULL, NULL, NULL }
    };
    const ctl_usage_t    usage = {
        "withdraw [options] VERSION",
        "Withdraws a version that has not come into force yet: it never will. It stays in the\n"
        "log and in the archive, marked as withdrawn, with the reason; its id is used up.\n"
        "A version that is in force already can only be followed by another one.\n"
        "Withdrawing it again is harmless.\n",
        options, 1, 1
    };

    reason = NULL;
    ctl_publish_init(&p);

    rc = ctl_options(&usage, argc, argv, &operands);
    if (rc == -1) {
        rc = ctl_withdraw_run(&p, argv[1], reason);
    }

    ctl_publish_free(&p);

    return rc;
}


static int
ctl_withdraw_run(ctl_publish_t *p, const char *version, const char *reason)
{
    int                     rc;
    char                    when[CTL_TIME_MAX], notice[PV_NOTICE_ID_SIZE];
    const pv_head_t        *already;
    const ctl_log_entry_t  *entry;

    if (p->site == NULL || p->key == NULL || reason == NULL) {
        return ctl_fail(CTL_USAGE, "withdraw needs --site NAME, --key FILE and --reason TEXT");
    }

    rc = ctl_publish_settings(p);
    rc = rc == CTL_OK ? ctl_publish_log(p) : rc;

    if (rc != CTL_OK) {
        return rc;
    }

    entry = ctl_withdraw_find(p, version);
    if (entry == NULL) {
        return ctl_fail(CTL_WRONG, "there is no such version: `privacyctl versions` lists them");
    }

    already = ctl_log_withdrawal(p->chain, entry);
    if (already != NULL) {
        rc = ctl_withdraw_version(p, entry, notice);

        if (rc == CTL_OK) {
            ctl_withdraw_say(p, entry, already->sequence, notice, 1);
        }

        return rc;
    }

    ctl_publish_context(p);

    if (entry->effective <= p->context.now) {
        return ctl_fail(CTL_WRONG, "version %s is in force, or has been, since %s: it cannot be withdrawn; publish "
                        "another one", entry->version, ctl_time(when, entry->effective));
    }

    if (!ctl_withdraw_confirmed(p, entry)) {
        return ctl_fail(CTL_WRONG, "nothing was withdrawn");
    }

    return ctl_withdraw_append(p, entry, reason);
}


/* The newest with that id. */
static const ctl_log_entry_t *
ctl_withdraw_find(const ctl_publish_t *p, const char *version)
{
    size_t  i;

    for (i = p->log.count; i > 0; i--) {
        if (p->log.entries[i - 1].kind == PV_ENTRY_VERSION && strcmp(p->log.entries[i - 1].version, version) == 0) {
            return &p->log.entries[i - 1];
        }
    }

    return NULL;
}


/* Asked only where somebody is there to answer. */
static int
ctl_withdraw_confirmed(const ctl_publish_t *p, const ctl_log_entry_t *entry)
{
    char  line[16], when[CTL_TIME_MAX];

    if (p->yes || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        return 1;
    }

    fprintf(stderr, "Withdraw version %s of %s, which would come into force on %s? It can not be taken back. [y/N] ",
            entry->version, p->site, ctl_time(when, entry->effective));

    return fgets(line, sizeof(line), stdin) != NULL && (line[0] == 'y' || line[0] == 'Y');
}


static int
ctl_withdraw_append(ctl_publish_t *p, const ctl_log_entry_t *entry, const char *reason)
{
    int   rc;
    char  notice[PV_NOTICE_ID_SIZE];

    /* What is withdrawn is what was signed, not what the stream says of it. */
    rc = ctl_withdraw_version(p, entry, notice);

    if (rc != CTL_OK) {
        return rc;
    }

    rc = pv_seal_withdrawal(&p->sealed, &p->context, entry->sequence, reason, p->secret, &p->problems);

    if (rc != PV_OK) {
        ctl_problems(&p->problems);
        return ctl_fail(CTL_WRONG, "refused: nothing was withdrawn");
    }

    rc = ctl_log_append(p->redis, p->site_name, (pv_str_t) { p->sealed.data, p->sealed.len });

    if (rc == CTL_OK) {
        ctl_withdraw_say(p, entry, p->context.sequence, notice, 0);

    } else if (rc == CTL_UNREACHABLE) {
        ctl_fail(rc, "it is not certain that it was withdrawn: run the same command again, which is harmless");
    }

    return rc;
}


/* What was signed; notice: the id of the notice that it is to users, or empty. */
static int
ctl_withdraw_version(ctl_publish_t *p, const ctl_log_entry_t *entry, char notice[PV_NOTICE_ID_SIZE])
{
    int           rc;
    pv_policy_t  *version;

    version = NULL;
    rc = ctl_publish_open(p, &version, entry);

    if (rc != CTL_OK || !ctl_publish_notice(version, notice)) {
        notice[0] = '\0';
    }

    pv_policy_free(version);

    return rc;
}


static void
ctl_withdraw_say(const ctl_publish_t *p, const ctl_log_entry_t *entry, uint32_t number, const char *notice,
    int already)
{
    json_t  *answer;

    if (!p->json) {
        printf("%s: version %s (number %" PRIu32 "), by entry %" PRIu32 " of the log\n",
               already ? "already withdrawn" : "withdrawn", entry->version, entry->sequence, number);

        if (notice[0] != '\0') {
            printf("notice    %s is retracted with it: where it is shown it closes, and nobody is shown it any more\n",
                   notice);
        }
        return;
    }

    answer = json_pack("{s:s, s:s, s:I, s:I, s:b, s:s?}", "site", p->site, "version", entry->version,
                       "withdraws", (json_int_t) entry->sequence, "number", (json_int_t) number, "already", already,
                       "retracts", notice[0] != '\0' ? notice : NULL);

    json_dumpf(answer, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(answer);
}
