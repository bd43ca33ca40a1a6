/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* privacyctl notice export, notice unreached: user by user, printed as they are read. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl_notice_users.h"
#include "ctl_subjects.h"
#include "pv_text.h"


typedef enum { CTL_EXPORT_CSV, CTL_EXPORT_JSONL } ctl_export_format_t;

typedef struct {
    ctl_notice_t          c;
    pv_notice_t          *notice;
    ctl_export_format_t   format;
    int                   unseen;
} ctl_export_t;

typedef struct {
    const char          *name;
    pv_notice_field_t    field;
} ctl_export_time_t;


static int ctl_export_run(ctl_export_t *e, const char *id, ctl_notice_user_pt handler);
static int ctl_export_user(void *data, const ctl_notice_user_t *user);
static void ctl_export_csv(const ctl_export_t *e, const ctl_notice_user_t *user);
static void ctl_export_cell(const char *text, int first);
static void ctl_export_jsonl(const ctl_export_t *e, const ctl_notice_user_t *user);
static void ctl_export_time(const char *name, int64_t at);
static const char *ctl_export_answer(const ctl_notice_user_t *user);
static int ctl_unreached_user(void *data, const ctl_notice_user_t *user);


static const ctl_export_time_t  ctl_export_times[] = {
    { "written", PV_NOTICE_WRITTEN },
    { "seen", PV_NOTICE_SEEN },
    { "acknowledged", PV_NOTICE_ACKNOWLEDGED },
    { "answered", PV_NOTICE_ANSWER },
    { "later", PV_NOTICE_LATER }
};

#define CTL_EXPORT_TIMES  (sizeof(ctl_export_times) / sizeof(ctl_export_times[0]))


int
ctl_notice_export(int argc, char **argv)
{
    int                  rc, operands;
    size_t               i;
    const char          *format;
    ctl_export_t         e;
    const ctl_option_t   options[] = {
        { "site", "NAME", &e.c.site, NULL, "the site" },
        { "redis", "URL", &e.c.redis_url, NULL, "where the notices are (or PRIVACY_REDIS)" },
        { "public", "FILE", &e.c.public, NULL, "the site's public key" },
        { "format", "FORMAT", &format, NULL, "csv (RFC 4180, for people) or jsonl (JSON lines, for\n"
          "programs); csv" },
        { NULL, NULL, NULL, NULL, NULL }
    };
    const ctl_usage_t    usage = {
        "notice export [options] ID",
        "Prints what became of a notice with each user whom it addresses: pseudonym, first login,\n"
        "when it was written, seen, acknowledged, answered, put off, and the answer: agreed,\n"
        "declined, understood, superseded (a newer change was answered), or none yet. In no\n"
        "order. ID is v7, n3, or a version's id.\n"
        "In csv a pseudonym that begins with - has a ' before it, so that no spreadsheet takes\n"
        "it for a formula.\n",
        options, 1, 1
    };

    format = "csv";
    memset(&e, 0, sizeof(e));
    ctl_notice_create(&e.c);

    rc = ctl_options(&usage, argc, argv, &operands);

    if (rc == -1 && strcmp(format, "csv") != 0 && strcmp(format, "jsonl") != 0) {
        rc = ctl_fail(CTL_USAGE, "--format is csv or jsonl");
    }

    if (rc == -1) {
        e.format = strcmp(format, "csv") == 0 ? CTL_EXPORT_CSV : CTL_EXPORT_JSONL;
        rc = ctl_export_run(&e, argv[1], NULL);

        if (rc == CTL_OK && e.format == CTL_EXPORT_CSV) {
            fputs("notice,subject,met,answer", stdout);

            for (i = 0; i < CTL_EXPORT_TIMES; i++) {
                printf(",%s", ctl_export_times[i].name);
            }

            fputs("\r\n", stdout);
        }

        rc = rc == CTL_OK ? ctl_notice_users(&e.c, e.notice, ctl_export_user, &e) : rc;
    }

    pv_notice_free(e.notice);
    ctl_notice_free(&e.c);

    return rc;
}


int
ctl_notice_unreached(int argc, char **argv)
{
    int                  rc, operands;
    ctl_export_t         e;
    const ctl_option_t   options[] = {
        { "site", "NAME", &e.c.site, NULL, "the site" },
        { "redis", "URL", &e.c.redis_url, NULL, "where the notices are (or PRIVACY_REDIS)" },
        { "public", "FILE", &e.c.public, NULL, "the site's public key" },
        { "unseen", NULL, NULL, &e.unseen, "only who has not even seen it" },
        { "json", NULL, NULL, &e.c.json, "print JSON lines, as notice export does" },
        { NULL, NULL, NULL, NULL, NULL }
    };
    const ctl_usage_t    usage = {
        "notice unreached [options] ID",
        "Lists the pseudonyms, one a line, of the users whom a notice addresses and who have not\n"
        "acknowledged it: neither said that they understood, nor agreed, nor declined, nor\n"
        "answered a newer change. They may have seen it; --unseen lists those of whom not even\n"
        "that is known. For mail or letters: whose a pseudonym is, `privacyctl subject --users`\n"
        "tells. ID is v7, n3, or a version's id.\n",
        options, 1, 1
    };

    memset(&e, 0, sizeof(e));
    ctl_notice_create(&e.c);

    rc = ctl_options(&usage, argc, argv, &operands);
    if (rc == -1) {
        e.format = CTL_EXPORT_JSONL;
        rc = ctl_export_run(&e, argv[1], ctl_unreached_user);
    }

    pv_notice_free(e.notice);
    ctl_notice_free(&e.c);

    return rc;
}


/* handler: NULL only finds the notice. */
static int
ctl_export_run(ctl_export_t *e, const char *id, ctl_notice_user_pt handler)
{
    int  rc;

    if (e->c.site == NULL || e->c.public == NULL) {
        return ctl_fail(CTL_USAGE, "notice %s needs --site NAME and --public FILE",
                        handler == NULL ? "export" : "unreached");
    }

    rc = ctl_notice_open(&e->c);
    rc = rc == CTL_OK ? ctl_notice_find(&e->c, &e->notice, id) : rc;

    if (rc == CTL_OK && e->notice->kind == PV_NOTICE_RETRACTION) {
        return ctl_fail(CTL_WRONG, "%s retracts n%" PRIu32 ", and is shown to nobody itself", e->notice->id,
                        e->notice->retracts);
    }

    if (rc == CTL_OK && e->notice->kind != PV_NOTICE_CHANGE && e->notice->audience.kind == PV_AUDIENCE_NONE) {
        return ctl_fail(CTL_WRONG, "%s addresses nobody in particular: it is public, and nobody was asked",
                        e->notice->id);
    }

    return rc == CTL_OK && handler != NULL ? ctl_notice_users(&e->c, e->notice, handler, e) : rc;
}


static int
ctl_export_user(void *data, const ctl_notice_user_t *user)
{
    const ctl_export_t  *e;

    e = data;

    if (e->format == CTL_EXPORT_CSV) {
        ctl_export_csv(e, user);
    } else {
        ctl_export_jsonl(e, user);
    }

    return ferror(stdout) ? CTL_WRONG : CTL_OK;
}


static int
ctl_unreached_user(void *data, const ctl_notice_user_t *user)
{
    char                 subject[PV_SUBJECT_TEXT + 1];
    const ctl_export_t  *e;

    e = data;

    if (ctl_notice_answered(user) || (e->unseen && user->state.at[PV_NOTICE_SEEN] != 0)) {
        return CTL_OK;
    }

    if (e->c.json) {
        ctl_export_jsonl(e, user);

    } else {
        ctl_subject_write(subject, user->subject);
        puts(subject);
    }

    return ferror(stdout) ? CTL_WRONG : CTL_OK;
}


static void
ctl_export_csv(const ctl_export_t *e, const ctl_notice_user_t *user)
{
    char         subject[PV_SUBJECT_TEXT + 1], when[CTL_TIME_MAX];
    size_t       i;
    int64_t      at;
    const char  *answer;

    ctl_subject_write(subject, user->subject);
    answer = ctl_export_answer(user);

    ctl_export_cell(e->notice->id, 1);
    ctl_export_cell(subject, 0);
    ctl_export_cell(user->met != 0 ? ctl_time(when, user->met) : "", 0);
    ctl_export_cell(answer != NULL ? answer : "", 0);

    for (i = 0; i < CTL_EXPORT_TIMES; i++) {
        at = user->state.at[ctl_export_times[i].field];
        ctl_export_cell(at != 0 ? ctl_time(when, at) : "", 0);
    }

    fputs("\r\n", stdout);
}


/* A spreadsheet takes what begins so for a formula, and computes it; in quotes, too. */
static void
ctl_export_cell(const char *text, int first)
{
    if (!first) {
        putchar(',');
    }

    if (text[0] != '\0' && strchr("=+-@\t\r", text[0]) != NULL) {
        putchar('\'');
    }

    fputs(text, stdout);
}


static void
ctl_export_jsonl(const ctl_export_t *e, const ctl_notice_user_t *user)
{
    char         subject[PV_SUBJECT_TEXT + 1];
    size_t       i;
    const char  *answer;

    ctl_subject_write(subject, user->subject);
    answer = ctl_export_answer(user);

    printf("{\"notice\":\"%s\",\"subject\":\"%s\"", e->notice->id, subject);
    ctl_export_time("met", user->met);
    printf(answer != NULL ? ",\"answer\":\"%s\"" : ",\"answer\":null", answer);

    for (i = 0; i < CTL_EXPORT_TIMES; i++) {
        ctl_export_time(ctl_export_times[i].name, user->state.at[ctl_export_times[i].field]);
    }

    fputs("}\n", stdout);
}


static void
ctl_export_time(const char *name, int64_t at)
{
    char  when[CTL_TIME_MAX];

    if (at != 0) {
        printf(",\"%s\":\"%s\"", name, ctl_time(when, at));
    } else {
        printf(",\"%s\":null", name);
    }
}


/* NULL: none yet. */
static const char *
ctl_export_answer(const ctl_notice_user_t *user)
{
    if (ctl_notice_answer(user) != NULL) {
        return ctl_notice_answer(user);
    }

    if (user->state.at[PV_NOTICE_ACKNOWLEDGED] != 0) {
        return "understood";
    }

    return user->superseded ? "superseded" : NULL;
}
