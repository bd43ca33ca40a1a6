/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* privacyctl notice retract. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl_notice.h"

#define CTL_RETRACT_TRIES  16


static int ctl_retract_run(ctl_notice_t *c, const char *id, const char *reason, int yes);
static int ctl_retract_find(ctl_notice_t *c, pv_notice_t **notice, const char *id);
static int ctl_retract_confirmed(const ctl_notice_t *c, const pv_notice_t *notice, int yes);
static int ctl_retract_append(ctl_notice_t *c, const pv_notice_t *notice, const char *reason);
static int ctl_retract_seal(ctl_notice_t *c, pv_buf_t *sealed, uint32_t *number, const pv_notice_t *notice,
    const char *reason);
static void ctl_retract_say(const ctl_notice_t *c, const pv_notice_t *notice, uint32_t number, int already);


int
ctl_notice_retract(int argc, char **argv)
{
    int                  rc, operands, yes;
    const char          *reason;
    ctl_notice_t         c;
    const ctl_option_t   options[] = {
        { "site", "NAME", &c.site, NULL, "the site that it was sent for" },
        { "key", "FILE", &c.key, NULL, "the site's publication key" },
        { "redis", "URL", &c.redis_url, NULL, "where the log is (or PRIVACY_REDIS)" },
        { "reason", "TEXT", &reason, NULL, "why, in a sentence; it is published" },
        { "yes", NULL, NULL, &yes, "do not ask" },
        { "json", NULL, NULL, &c.json, "print the result as JSON" },
        { NULL, NULL, NULL, NULL, NULL }
    };
    const ctl_usage_t    usage = {
        "notice retract [options] ID",
        "Takes the notice ID (n3) back: where it is shown it closes, and nobody is shown it any\n"
        "more. It stays in the stream with the reason, and so does what users answered. What is\n"
        "wrong in a notice that people have read is better corrected: notice send --corrects.\n"
        "The notice of a change goes with its version: privacyctl withdraw.\n"
        "Retracting it again is harmless.\n",
        options, 1, 1
    };

    yes = 0;
    reason = NULL;
    ctl_notice_create(&c);

    rc = ctl_options(&usage, argc, argv, &operands);
    if (rc == -1) {
        rc = ctl_retract_run(&c, argv[1], reason, yes);
    }

    ctl_notice_free(&c);

    return rc;
}


static int
ctl_retract_run(ctl_notice_t *c, const char *id, const char *reason, int yes)
{
    int                 rc;
    pv_notice_t        *notice;
    const pv_notice_t  *already;

    if (c->site == NULL || c->key == NULL || reason == NULL) {
        return ctl_fail(CTL_USAGE, "notice retract needs --site NAME, --key FILE and --reason TEXT");
    }

    notice = NULL;
    rc = ctl_notice_open(c);
    rc = rc == CTL_OK ? ctl_retract_find(c, &notice, id) : rc;

    if (rc != CTL_OK) {
        pv_notice_free(notice);
        return rc;
    }

    already = pv_notices_retraction(c->notices, notice);

    if (already != NULL) {
        ctl_retract_say(c, notice, already->number, 1);

    } else if (!ctl_retract_confirmed(c, notice, yes)) {
        rc = ctl_fail(CTL_WRONG, "nothing was retracted");

    } else {
        rc = ctl_retract_append(c, notice, reason);
    }

    pv_notice_free(notice);

    return rc;
}


static int
ctl_retract_find(ctl_notice_t *c, pv_notice_t **notice, const char *id)
{
    int  rc;

    rc = ctl_notice_find(c, notice, id);
    if (rc != CTL_OK) {
        return rc;
    }

    if ((*notice)->kind == PV_NOTICE_CHANGE) {
        return ctl_fail(CTL_WRONG, "%s is what version %s announces: `privacyctl withdraw` takes both back, as long as "
                        "the version is not in force", (*notice)->id, (const char *) (*notice)->version.data);
    }

    if ((*notice)->kind == PV_NOTICE_RETRACTION) {
        return ctl_fail(CTL_WRONG, "%s retracts n%" PRIu32 ": it cannot be retracted itself; send the notice again",
                        (*notice)->id, (*notice)->retracts);
    }

    if (ctl_notice_standing(c, *notice) == PV_NOTICE_ENDED) {
        return ctl_fail(CTL_WRONG, "%s has ended: nobody is shown it any more", (*notice)->id);
    }

    return CTL_OK;
}


/* Asked only where somebody is there to answer. */
static int
ctl_retract_confirmed(const ctl_notice_t *c, const pv_notice_t *notice, int yes)
{
    char  line[16];

    if (yes || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        return 1;
    }

    fprintf(stderr, "Retract notice %s of %s, to ", notice->id, c->site);
    ctl_notice_audience(stderr, notice);
    fprintf(stderr, "? It can not be taken back. [y/N] ");

    return fgets(line, sizeof(line), stdin) != NULL && (line[0] == 'y' || line[0] == 'Y');
}


static int
ctl_retract_append(ctl_notice_t *c, const pv_notice_t *notice, const char *reason)
{
    int                 rc, taken, i;
    uint32_t            number;
    pv_buf_t            sealed;
    const pv_notice_t  *already;

    taken = 1;
    number = 0;
    rc = CTL_OK;
    pv_buf_init(&sealed, PV_NOTICE_SEALED_MAX);

    for (i = 0; rc == CTL_OK && taken && i < CTL_RETRACT_TRIES; i++) {

        /* after the first time: somebody else sent or retracted one in the meantime */

        rc = i > 0 ? ctl_notice_read(c) : CTL_OK;
        already = rc == CTL_OK ? pv_notices_retraction(c->notices, notice) : NULL;

        if (already != NULL) {
            ctl_retract_say(c, notice, already->number, 1);
            pv_buf_free(&sealed);
            return CTL_OK;
        }

        rc = rc == CTL_OK ? ctl_retract_seal(c, &sealed, &number, notice, reason) : rc;
        rc = rc == CTL_OK ? ctl_notice_append(c, number, (pv_str_t) { sealed.data, sealed.len }, &taken) : rc;
    }

    pv_buf_free(&sealed);

    if (rc == CTL_UNREACHABLE) {
        return ctl_fail(rc, "it is not certain that it was retracted: run the same command again, which is harmless");
    }

    if (rc == CTL_OK && taken) {
        return ctl_fail(CTL_WRONG, "others send one notice after the other: nothing was retracted, try again");
    }

    if (rc == CTL_OK) {
        ctl_retract_say(c, notice, number, 0);
    }

    return rc;
}


static int
ctl_retract_seal(ctl_notice_t *c, pv_buf_t *sealed, uint32_t *number, const pv_notice_t *notice, const char *reason)
{
    int                  rc;
    pv_problems_t        problems;
    const pv_notice_t   *newest;
    pv_notice_context_t  context;

    memset(&context, 0, sizeof(context));
    pv_problems_init(&problems);

    newest = pv_notices_newest(c->notices);
    *number = c->last + 1;

    context.site = c->site_name;
    context.number = *number;
    context.previous = newest != NULL ? newest->digest : NULL;
    context.log = pv_log_complete(c->chain);
    context.now = time(NULL);

    sealed->len = 0;
    rc = pv_notice_seal_retraction(sealed, &context, notice->number, reason, c->secret, &problems);

    if (rc != PV_OK) {
        ctl_problems(&problems);
        rc = ctl_fail(CTL_WRONG, "refused: nothing was retracted");
    }

    pv_problems_free(&problems);

    return rc == PV_OK ? CTL_OK : CTL_WRONG;
}


static void
ctl_retract_say(const ctl_notice_t *c, const pv_notice_t *notice, uint32_t number, int already)
{
    char     by[PV_NOTICE_ID_SIZE];
    json_t  *answer;

    pv_notice_id_write(by, 'n', number);

    if (!c->json) {
        printf("%s: notice %s, by %s\n", already ? "already retracted" : "retracted", notice->id, by);
        return;
    }

    answer = json_pack("{s:s, s:s, s:s, s:b}", "site", c->site, "retracts", notice->id, "id", by, "already", already);
    json_dumpf(answer, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(answer);
}
