/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* privacyctl notice send. */

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ctl_audience.h"
#include "ctl_file.h"
#include "ctl_notice.h"
#include "pv_text.h"

#define CTL_SEND_DRAFT_MAX  (1024 * 1024)   /* bytes of the file; what is sent of it has PV_NOTICE_MAX */
#define CTL_SEND_TRIES      16              /* others that send at the same time take a number each */


typedef struct {
    ctl_notice_t           notice;
    const char            *kind, *users, *subjects, *keys, *bound_before, *granted, *corrects, *until;
    int                    all, public, yes, dry_run;

    char                   path[PATH_MAX];
    pv_buf_t               draft;
    ctl_audience_t         audience;
    pv_notice_context_t    context;
    pv_str_t               languages[PV_LANGUAGES_MAX];
    int                    list_is_wrong;       /* it was said why */
    pv_policy_t           *policy;
    pv_problems_t          problems;
    pv_buf_t               sealed;
    pv_notice_t           *next;        /* what was sealed */
} ctl_send_t;


static int ctl_send_run(ctl_send_t *s, const char *path);
static int ctl_send_options(ctl_send_t *s, const char *path);
static int ctl_send_draft(ctl_send_t *s, const char *path);
static int ctl_send_until(int64_t *until, const char *text);
static int ctl_send_audience(ctl_send_t *s);
static int ctl_send_list(ctl_send_t *s);
static void ctl_send_bound_before(ctl_send_t *s);
static int ctl_send_granted(ctl_send_t *s);
static void ctl_send_corrects(ctl_send_t *s);
static int ctl_send_languages(ctl_send_t *s);
static int ctl_send_seal(ctl_send_t *s);
static const pv_notice_t *ctl_send_already(const ctl_send_t *s);
static int ctl_send_is_same(const pv_notice_t *a, const pv_notice_t *b);
static int ctl_send_confirmed(const ctl_send_t *s);
static int ctl_send_append(ctl_send_t *s);
static void ctl_send_refused(const ctl_send_t *s);
static void ctl_send_show(const ctl_send_t *s);
static void ctl_send_say(const ctl_send_t *s, const pv_notice_t *notice, int already);


int
ctl_notice_send(int argc, char **argv)
{
    int                  rc, operands;
    ctl_send_t           s;
    const ctl_option_t   options[] = {
        { "site", "NAME", &s.notice.site, NULL, "the site that it is sent for" },
        { "key", "FILE", &s.notice.key, NULL, "the site's publication key (privacyctl keygen --site)" },
        { "redis", "URL", &s.notice.redis_url, NULL, "where the log is (or PRIVACY_REDIS)" },
        { "kind", "KIND", &s.kind, NULL, "incident or announcement: FILE has to say the same" },
        { "all", NULL, NULL, &s.all, "to every user who is logged in while it is open\n"
          "(so it is without any of these, unless --public)" },
        { "users", "FILE", &s.users, NULL, "to the users in it, one a line, named as the\n"
          "application names them (- reads standard input)" },
        { "keys", "FILE", &s.keys, NULL, "with --users: the node's keys, as in privacy_keys" },
        { "subjects", "FILE", &s.subjects, NULL, "the same from what `privacyctl subject --users`\n"
          "printed, where those keys live" },
        { "bound-before", "VERSION", &s.bound_before, NULL, "to users bound to an older version than this" },
        { "granted", "PURPOSE", &s.granted, NULL, "to users who consent to this purpose" },
        { "public", NULL, NULL, &s.public, "also to everybody: as a bar to all visitors, on the\n"
          "page of notices, in the feed" },
        { "corrects", "ID", &s.corrects, NULL, "it corrects this notice, which stays" },
        { "until", "TIME", &s.until, NULL, "is shown until then: 2026-12-31 or\n"
          "2026-12-31T18:00:00+08:00 (180 days from now)" },
        { "dry-run", NULL, NULL, &s.dry_run, "check it and show who would get what; send nothing" },
        { "yes", NULL, NULL, &s.yes, "do not ask" },
        { "json", NULL, NULL, &s.notice.json, "print the result as JSON" },
        { NULL, NULL, NULL, NULL, NULL }
    };
    const ctl_usage_t    usage = {
        "notice send [options] FILE|DIR",
        "Sends the notice in FILE (or DIR/notice.json) to users of a site: an incident, with\n"
        "what happened, what is done, what they can do and their remedies, or an announcement.\n"
        "Checks it, says everything that is wrong with it at once, and shows who gets what. A\n"
        "notice never changes once it is sent; it can be corrected by another one, or retracted.\n"
        "Whoever is online sees it within a second, all others at their next page or login.\n"
        "An open notice that says the same to the same people is not sent again: after an\n"
        "interruption, run the same command. Asks only where somebody is there to answer.\n",
        options, 1, 1
    };

    memset(&s, 0, sizeof(s));
    ctl_notice_create(&s.notice);
    pv_problems_init(&s.problems);
    pv_buf_init(&s.draft, CTL_SEND_DRAFT_MAX);
    pv_buf_init(&s.sealed, PV_NOTICE_SEALED_MAX);

    rc = ctl_options(&usage, argc, argv, &operands);
    if (rc == -1) {
        rc = ctl_send_run(&s, argv[1]);
    }

    pv_notice_free(s.next);
    pv_policy_free(s.policy);
    ctl_audience_free(&s.audience);
    pv_buf_free(&s.draft);
    pv_buf_free(&s.sealed);
    pv_problems_free(&s.problems);
    ctl_notice_free(&s.notice);

    return rc;
}


static int
ctl_send_run(ctl_send_t *s, const char *path)
{
    int                 rc;
    const pv_notice_t  *already;

    rc = ctl_send_options(s, path);
    rc = rc == CTL_OK ? ctl_send_draft(s, path) : rc;
    rc = rc == CTL_OK ? ctl_notice_open(&s->notice) : rc;
    rc = rc == CTL_OK ? ctl_notice_read(&s->notice) : rc;
    rc = rc == CTL_OK ? ctl_send_audience(s) : rc;
    rc = rc == CTL_OK ? ctl_send_languages(s) : rc;
    rc = rc == CTL_OK ? ctl_send_seal(s) : rc;

    if (rc != CTL_OK) {
        return rc;
    }

    already = ctl_send_already(s);
    if (already != NULL) {
        ctl_send_say(s, already, 1);
        return CTL_OK;
    }

    if (!s->notice.json || s->dry_run) {
        ctl_send_show(s);
    }

    if (s->dry_run) {
        return CTL_OK;
    }

    return ctl_send_confirmed(s) ? ctl_send_append(s) : ctl_fail(CTL_WRONG, "nothing was sent");
}


static int
ctl_send_options(ctl_send_t *s, const char *path)
{
    if (s->notice.site == NULL || s->notice.key == NULL) {
        return ctl_fail(CTL_USAGE, "notice send needs --site NAME and --key FILE");
    }

    if (s->kind != NULL && strcmp(s->kind, "incident") != 0 && strcmp(s->kind, "announcement") != 0) {
        return ctl_fail(CTL_USAGE, "--kind is incident or announcement; a change of the policy is published");
    }

    if ((s->all != 0) + (s->users != NULL) + (s->subjects != NULL) + (s->bound_before != NULL) + (s->granted != NULL)
        > 1)
    {
        return ctl_fail(CTL_USAGE, "to whom? one of --all, --users, --subjects, --bound-before and --granted");
    }

    if ((s->users != NULL) != (s->keys != NULL)) {
        return ctl_fail(CTL_USAGE, "--users FILE and --keys FILE go together: where those keys are not, say --subjects");
    }

    if (strcmp(path, "-") == 0 && ((s->users != NULL && strcmp(s->users, "-") == 0)
                                   || (s->subjects != NULL && strcmp(s->subjects, "-") == 0)))
    {
        return ctl_fail(CTL_USAGE, "standard input is either the notice or the list");
    }

    return CTL_OK;
}


static int
ctl_send_draft(ctl_send_t *s, const char *path)
{
    struct stat  st;

    s->context.public = s->public != 0;

    if ((size_t) snprintf(s->path, sizeof(s->path), "%s%s", path,
                          stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? "/notice.json" : "") >= sizeof(s->path))
    {
        return ctl_fail(CTL_USAGE, "%.64s...: is too long", path);
    }

    if (s->until != NULL && !ctl_send_until(&s->context.until, s->until)) {
        return CTL_USAGE;
    }

    return ctl_file_read(&s->draft, s->path, CTL_SEND_DRAFT_MAX) == PV_OK ? CTL_OK : CTL_WRONG;
}


/* A day means to its end, in UTC. */
static int
ctl_send_until(int64_t *until, const char *text)
{
    char  day[32];

    (void) snprintf(day, sizeof(day), "%.10sT23:59:59Z", text);

    if (pv_rfc3339_parse(until, pv_str(strlen(text) == 10 ? day : text)) == PV_OK) {
        return 1;
    }

    (void) ctl_fail(0, "--until %.40s: is neither a day, 2026-12-31, nor a time, 2026-12-31T18:00:00+08:00", text);

    return 0;
}


/* What does not exist is a problem like others, to be said with those of the text. */
static int
ctl_send_audience(ctl_send_t *s)
{
    int  rc;

    rc = ctl_notice_policy(&s->notice, &s->policy, CTL_NOTICE_NEWEST);
    if (rc != CTL_OK) {
        return rc;
    }

    s->context.audience.kind = s->public && !s->all ? PV_AUDIENCE_NONE : PV_AUDIENCE_USERS;

    if (s->users != NULL || s->subjects != NULL) {
        rc = ctl_send_list(s);

    } else if (s->bound_before != NULL) {
        ctl_send_bound_before(s);

    } else if (s->granted != NULL) {
        rc = ctl_send_granted(s);
    }

    if (s->corrects != NULL) {
        ctl_send_corrects(s);
    }

    return rc;
}


static int
ctl_send_list(ctl_send_t *s)
{
    int         rc;
    pv_keys_t  *keys;

    keys = NULL;

    if (s->users != NULL && ctl_keys(&keys, s->keys) != PV_OK) {
        return CTL_WRONG;
    }

    rc = ctl_audience_read(&s->audience, s->users != NULL ? s->users : s->subjects, keys, s->notice.site_name);
    pv_keys_free(keys);

    if (rc != CTL_OK) {
        s->list_is_wrong = 1;
        return CTL_OK;
    }

    s->context.audience.kind = PV_AUDIENCE_LIST;
    s->context.audience.count = (uint32_t) s->audience.count;
    memcpy(s->context.audience.digest, s->audience.digest, PV_SHA256_LEN);

    return CTL_OK;
}


static void
ctl_send_bound_before(ctl_send_t *s)
{
    const pv_head_t  *head;

    head = pv_log_version(s->notice.chain, pv_str(s->bound_before));

    if (head == NULL) {
        pv_problem(&s->problems, NULL, 0, "--bound-before", "there is no version %.80s", s->bound_before);

    } else if (pv_log_before(s->notice.chain, head->sequence) == NULL) {
        pv_problem(&s->problems, NULL, 0, "--bound-before", "no version is older than %.80s", s->bound_before);

    } else {
        s->context.audience.kind = PV_AUDIENCE_BOUND_BEFORE;
        s->context.audience.number = head->sequence;
        s->context.audience.version = head->version;
    }
}


/* Of the version in force, which says whose consent holds, or of one that comes. */
static int
ctl_send_granted(ctl_send_t *s)
{
    int                  rc;
    pv_policy_t         *in_force;
    const pv_purpose_t  *purpose;

    rc = ctl_notice_policy(&s->notice, &in_force, CTL_NOTICE_IN_FORCE);
    if (rc != CTL_OK) {
        return rc;
    }

    purpose = in_force != NULL ? pv_policy_purpose(in_force, pv_str(s->granted)) : NULL;

    if (purpose == NULL && s->policy != NULL) {
        purpose = pv_policy_purpose(s->policy, pv_str(s->granted));
    }

    if (purpose == NULL) {
        pv_problem(&s->problems, NULL, 0, "--granted", "there is no purpose %.80s", s->granted);

    } else if (purpose->necessary) {
        pv_problem(&s->problems, NULL, 0, "--granted", "%.80s is necessary, nobody consents to it: say --all",
                   s->granted);

    } else {
        s->context.audience.kind = PV_AUDIENCE_GRANTED;
        s->context.audience.purpose = pv_str(s->granted);
    }

    pv_policy_free(in_force);

    return CTL_OK;
}


static void
ctl_send_corrects(ctl_send_t *s)
{
    char                source;
    uint32_t            number;
    const pv_notice_t  *notice;

    if (pv_notice_id_read(&source, &number, pv_str(s->corrects)) != PV_OK || source != 'n') {
        pv_problem(&s->problems, NULL, 0, "--corrects", "%.80s is not the id of a notice that was sent, such as n3: a "
                   "change is corrected by another version", s->corrects);
        return;
    }

    notice = pv_notices_find(s->notice.notices, pv_str(s->corrects));

    if (notice == NULL || notice->kind == PV_NOTICE_RETRACTION) {
        pv_problem(&s->problems, NULL, 0, "--corrects", "there is no notice %s, or not any more", s->corrects);

    } else {
        s->context.corrects = number;
    }
}


/* Those of the policy: whoever reads it in one of them reads the notice in it, too. */
static int
ctl_send_languages(ctl_send_t *s)
{
    size_t  i;

    for (i = 0; s->policy != NULL && i < s->policy->texts_count && i < PV_LANGUAGES_MAX; i++) {
        s->languages[i] = s->policy->texts[i].language;
    }

    s->context.languages = s->languages;
    s->context.languages_count = i;
    s->context.site = s->notice.site_name;
    s->context.log = pv_log_complete(s->notice.chain);

    return CTL_OK;
}


static int
ctl_send_seal(ctl_send_t *s)
{
    int                 rc;
    const pv_notice_t  *newest;

    newest = pv_notices_newest(s->notice.notices);
    s->context.now = time(NULL);
    s->context.previous = newest != NULL ? newest->digest : NULL;
    s->context.number = s->notice.last + 1;

    pv_notice_free(s->next);
    s->next = NULL;
    s->sealed.len = 0;

    rc = pv_notice_seal(&s->sealed, &s->context, (pv_str_t) { s->draft.data, s->draft.len }, s->path,
                        s->notice.secret, &s->problems);

    if (rc == PV_ERROR) {
        return ctl_fail(CTL_WRONG, "out of memory, or the cryptographic library failed");
    }

    if (rc == PV_OK && pv_notice_open(&s->next, (pv_str_t) { s->sealed.data, s->sealed.len }, s->notice.site_name,
                                      &s->problems) != PV_OK)
    {
        return ctl_fail(CTL_WRONG, "what was sealed does not open");
    }

    if (s->next != NULL && s->kind != NULL && s->next->kind != pv_notice_kind(pv_str(s->kind))) {
        pv_problem(&s->problems, s->path, 0, "kind", "is %s, and --kind says %s", pv_notice_kind_name(s->next->kind),
                   s->kind);
    }

    if (s->problems.errors != 0 || s->list_is_wrong) {
        ctl_send_refused(s);
        return ctl_fail(CTL_WRONG, "refused: nothing was sent");
    }

    return CTL_OK;
}


static void
ctl_send_refused(const ctl_send_t *s)
{
    if (s->notice.json) {
        ctl_problems_json(&s->problems);
    } else {
        ctl_problems(&s->problems);
    }
}


/* The same to the same people, and still open: it was sent before, perhaps by a command that did not get to say so. */
static const pv_notice_t *
ctl_send_already(const ctl_send_t *s)
{
    size_t        i, n;
    pv_notice_t  *open[PV_NOTICES_OPEN_MAX];

    n = pv_notices_open(s->notice.notices, s->context.now, open);

    for (i = 0; i < n; i++) {
        if (ctl_send_is_same(open[i], s->next) && (s->until == NULL || open[i]->until == s->next->until)) {
            return open[i];
        }
    }

    return NULL;
}


static int
ctl_send_is_same(const pv_notice_t *a, const pv_notice_t *b)
{
    size_t                   i, k;
    const pv_notice_text_t  *x, *y;

    if (a->kind != b->kind || a->public != b->public || a->bar != b->bar || a->corrects != b->corrects
        || a->texts_count != b->texts_count || a->audience.kind != b->audience.kind
        || memcmp(a->audience.digest, b->audience.digest, PV_SHA256_LEN) != 0
        || a->audience.number != b->audience.number || !pv_str_eq(a->audience.purpose, b->audience.purpose))
    {
        return 0;
    }

    for (i = 0; i < a->texts_count; i++) {
        x = &a->texts[i];
        y = &b->texts[i];

        if (!pv_str_eq(x->language, y->language) || !pv_str_eq(x->title, y->title)
            || !pv_str_eq(x->summary, y->summary))
        {
            return 0;
        }

        for (k = 0; k < PV_NOTICE_PARTS; k++) {
            if (!pv_str_eq(x->parts[k], y->parts[k])) {
                return 0;
            }
        }
    }

    return 1;
}


/* Asked only where somebody is there to answer. */
static int
ctl_send_confirmed(const ctl_send_t *s)
{
    char  line[16];

    if (s->yes || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        return 1;
    }

    fprintf(stderr, "\nSend this %s to ", pv_notice_kind_name(s->next->kind));
    ctl_notice_audience(stderr, s->next);
    fprintf(stderr, "? It can not be changed any more. [y/N] ");

    return fgets(line, sizeof(line), stdin) != NULL && (line[0] == 'y' || line[0] == 'Y');
}


/* The list first: a notice that names one never stands without it. */
static int
ctl_send_append(ctl_send_t *s)
{
    int                 rc, taken, i;
    const pv_notice_t  *already;

    rc = s->audience.count != 0 ? ctl_audience_write(&s->audience, s->notice.redis, s->notice.site_name) : CTL_OK;
    taken = 1;

    /* sealed anew, for somebody may have thought about it for a while */

    rc = rc == CTL_OK ? ctl_send_seal(s) : rc;

    for (i = 0; rc == CTL_OK && taken && i < CTL_SEND_TRIES; i++) {
        rc = ctl_notice_append(&s->notice, s->next->number, (pv_str_t) { s->sealed.data, s->sealed.len }, &taken);

        if (rc != CTL_OK || !taken) {
            break;
        }

        /* Somebody else sent theirs in the meantime: this one comes after it, unless theirs is the same. */

        rc = ctl_notice_read(&s->notice);
        already = rc == CTL_OK ? ctl_send_already(s) : NULL;

        if (already != NULL) {
            ctl_send_say(s, already, 1);
            return CTL_OK;
        }

        rc = rc == CTL_OK ? ctl_send_seal(s) : rc;
    }

    if (rc == CTL_OK && taken) {
        return ctl_fail(CTL_WRONG, "others send one notice after the other: nothing was sent, try again");
    }

    if (rc == CTL_OK) {
        ctl_send_say(s, s->next, 0);

    } else if (rc == CTL_UNREACHABLE) {
        ctl_fail(rc, "it is not certain that it was sent: run the same command again, which is harmless");
    }

    return rc;
}


static void
ctl_send_show(const ctl_send_t *s)
{
    json_t  *answer;

    if (s->notice.json) {
        answer = ctl_notice_json(s->next);
        json_object_set_new(answer, "site", json_string(s->notice.site));
        json_object_set_new(answer, "sent", json_false());
        json_dumpf(answer, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(answer);
        return;
    }

    printf("%s for users of %s\n\n", s->next->kind == PV_NOTICE_INCIDENT ? "Incident" : "Announcement",
           s->notice.site);
    ctl_notice_words(s->next);

    if (s->audience.lines != s->audience.count) {
        printf("\nThe list has %zu lines: whoever stands on it twice gets one notice\n", s->audience.lines);
    }

    putchar('\n');

    if (s->dry_run) {
        printf("Nothing was sent: it would be n%" PRIu32 "\n", s->next->number);
    }
}


static void
ctl_send_say(const ctl_send_t *s, const pv_notice_t *notice, int already)
{
    json_t  *answer;

    if (s->notice.json) {
        answer = ctl_notice_json(notice);
        json_object_set_new(answer, "site", json_string(s->notice.site));
        json_object_set_new(answer, "number", json_integer(notice->number));
        json_object_set_new(answer, "sent", json_true());
        json_object_set_new(answer, "already", json_boolean(already));
        json_dumpf(answer, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(answer);
        return;
    }

    printf("%s: notice %s, to ", already ? "already sent" : "sent", notice->id);
    ctl_notice_audience(stdout, notice);
    printf("\nfollow it with  privacyctl notice status %s --site %s --public %s.pub\n", notice->id, s->notice.site,
           s->notice.site);
}
