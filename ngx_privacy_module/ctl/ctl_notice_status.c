/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* privacyctl notice status: counted from what is kept of each user, exact as of when each was read. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl_notice_users.h"
#include "pv_text.h"

#define CTL_HOUR          3600
#define CTL_HOURS_MAX     (24 * (PV_NOTICE_DAYS_MAX + 1))   /* later than any notice is open: counted in the last */
#define CTL_HOURS_WATCH   12                                /* the newest, as fit on a screen */
#define CTL_WATCH_SECONDS 2
#define CTL_WATCH_SHARE   4         /* at most a fifth of the time Redis is asked */


typedef enum {
    CTL_COUNT_WRITTEN, CTL_COUNT_SEEN, CTL_COUNT_ACKNOWLEDGED, CTL_COUNT_AGREED, CTL_COUNT_DECLINED, CTL_COUNTS
} ctl_count_t;

typedef struct {
    ctl_notice_t    c;
    pv_notice_t    *notice;
    int             watch;
    long            interval;

    int64_t         start;                          /* of the first hour */
    uint64_t        addressed, met, later, superseded, waiting;
    uint64_t        total[CTL_COUNTS];
    uint32_t      (*hours)[CTL_COUNTS];             /* CTL_HOURS_MAX of them */
} ctl_follow_t;


static int ctl_follow_notice(ctl_follow_t *s, const char *id);
static int ctl_follow_count(ctl_follow_t *s, const char *id);
static int ctl_follow_user(void *data, const ctl_notice_user_t *user);
static void ctl_follow_mark(ctl_follow_t *s, ctl_count_t which, int64_t at);
static int ctl_follow_watch(ctl_follow_t *s, const char *id);
static void ctl_follow_reset(ctl_follow_t *s);
static void ctl_follow_words(const ctl_follow_t *s);
static void ctl_follow_line(const ctl_follow_t *s);
static void ctl_follow_of(const ctl_follow_t *s, const char *label, uint64_t n, const char *what);
static void ctl_follow_hours(const ctl_follow_t *s, size_t most);
static void ctl_follow_json(const ctl_follow_t *s);
static int ctl_follow_has(const ctl_follow_t *s, size_t hour);


static const char *const  ctl_count_names[CTL_COUNTS] = {
    "written", "seen", "acknowledged", "agreed", "declined"
};


int
ctl_notice_status(int argc, char **argv)
{
    int                  rc, operands;
    const char          *interval;
    ctl_follow_t         s;
    const ctl_option_t   options[] = {
        { "site", "NAME", &s.c.site, NULL, "the site" },
        { "redis", "URL", &s.c.redis_url, NULL, "where the notices are (or PRIVACY_REDIS)" },
        { "public", "FILE", &s.c.public, NULL, "the site's public key" },
        { "watch", NULL, NULL, &s.watch, "count again and again, until Ctrl-C: on a terminal the\n"
          "figures are drawn anew, else a line each time" },
        { "interval", "N", &interval, NULL, "with --watch: seconds between (2; more where counting\n"
          "itself takes long)" },
        { "json", NULL, NULL, &s.c.json, "print JSON; with --watch an object a line" },
        { NULL, NULL, NULL, NULL, NULL }
    };
    const ctl_usage_t    usage = {
        "notice status [options] ID",
        "Says how far a notice has come: how many users it addresses, and of how many it was\n"
        "written (to a connection, or into a page), seen (it was visible), acknowledged, agreed\n"
        "to and declined, with the hours in which they did. ID is v7, n3, or a version's id.\n"
        "Addressed is whoever has met it, and whoever it would be shown to now: of users who were\n"
        "ever logged in, or of the list. What it counts is kept as long as the users' ledgers.\n",
        options, 1, 1
    };

    interval = NULL;
    memset(&s, 0, sizeof(s));
    ctl_notice_create(&s.c);

    rc = ctl_options(&usage, argc, argv, &operands);

    if (rc == -1 && (s.c.site == NULL || s.c.public == NULL)) {
        rc = ctl_fail(CTL_USAGE, "notice status needs --site NAME and --public FILE");
    }

    s.interval = CTL_WATCH_SECONDS;
    if (rc == -1 && interval != NULL && !ctl_number(&s.interval, interval, "--interval", 1, 86400)) {
        rc = CTL_USAGE;
    }

    if (rc == -1) {
        s.hours = calloc(CTL_HOURS_MAX, sizeof(*s.hours));
        rc = s.hours == NULL ? ctl_fail(CTL_WRONG, "out of memory") : s.watch ? ctl_follow_watch(&s, argv[1])
             : ctl_follow_count(&s, argv[1]);

        if (rc == CTL_OK && !s.watch) {
            s.c.json ? ctl_follow_json(&s) : ctl_follow_words(&s);
        }
    }

    free(s.hours);
    pv_notice_free(s.notice);
    ctl_notice_free(&s.c);

    return rc;
}


/* All from the beginning: also what was retracted in the meantime, and Redis that was gone for a while. */
static int
ctl_follow_count(ctl_follow_t *s, const char *id)
{
    int  rc;

    ctl_follow_reset(s);
    rc = ctl_follow_notice(s, id);

    return rc == CTL_OK ? ctl_notice_users(&s->c, s->notice, ctl_follow_user, s) : rc;
}


static int
ctl_follow_notice(ctl_follow_t *s, const char *id)
{
    int  rc;

    rc = ctl_notice_open(&s->c);
    rc = rc == CTL_OK ? ctl_notice_find(&s->c, &s->notice, id) : rc;

    if (rc == CTL_OK && s->notice->kind == PV_NOTICE_RETRACTION) {
        return ctl_fail(CTL_WRONG, "%s retracts n%" PRIu32 ", and is shown to nobody itself", s->notice->id,
                        s->notice->retracts);
    }

    if (rc == CTL_OK) {
        s->start = s->notice->published - s->notice->published % CTL_HOUR;
    }

    return rc;
}


static void
ctl_follow_reset(ctl_follow_t *s)
{
    ctl_notice_t  options;

    ctl_notice_create(&options);
    options.site = s->c.site;
    options.public = s->c.public;
    options.redis_url = s->c.redis_url;
    options.json = s->c.json;

    ctl_notice_free(&s->c);
    s->c = options;

    pv_notice_free(s->notice);
    s->notice = NULL;

    s->addressed = s->met = s->later = s->superseded = s->waiting = 0;
    memset(s->total, 0, sizeof(s->total));
    memset(s->hours, 0, CTL_HOURS_MAX * sizeof(*s->hours));
}


static int
ctl_follow_user(void *data, const ctl_notice_user_t *user)
{
    ctl_follow_t             *s;
    const pv_notice_state_t  *state;

    s = data;
    state = &user->state;

    s->addressed++;
    s->met += user->met != 0;

    ctl_follow_mark(s, CTL_COUNT_WRITTEN, state->at[PV_NOTICE_WRITTEN]);
    ctl_follow_mark(s, CTL_COUNT_SEEN, state->at[PV_NOTICE_SEEN]);
    ctl_follow_mark(s, CTL_COUNT_ACKNOWLEDGED, state->at[PV_NOTICE_ACKNOWLEDGED]);

    if (state->answer != PV_ANSWER_NONE) {
        ctl_follow_mark(s, state->answer == PV_ANSWER_AGREED ? CTL_COUNT_AGREED : CTL_COUNT_DECLINED,
                        state->at[PV_NOTICE_ANSWER]);
    }

    if (!ctl_notice_answered(user)) {
        s->waiting++;
        s->later += state->at[PV_NOTICE_LATER] != 0;

    } else if (state->at[PV_NOTICE_ACKNOWLEDGED] == 0 && state->answer == PV_ANSWER_NONE) {
        s->superseded++;
    }

    return CTL_OK;
}


static void
ctl_follow_mark(ctl_follow_t *s, ctl_count_t which, int64_t at)
{
    int64_t  hour;

    if (at == 0) {
        return;
    }

    /* a node whose clock was behind: in the first hour */

    hour = at < s->start ? 0 : (at - s->start) / CTL_HOUR;
    hour = hour < CTL_HOURS_MAX ? hour : CTL_HOURS_MAX - 1;

    s->total[which]++;
    s->hours[hour][which]++;
}


static int
ctl_follow_watch(ctl_follow_t *s, const char *id)
{
    int              rc, tty;
    long             took;
    struct timespec  before, after;

    tty = isatty(STDOUT_FILENO) && !s->c.json;

    for ( ;; ) {
        (void) clock_gettime(CLOCK_MONOTONIC, &before);
        rc = ctl_follow_count(s, id);
        (void) clock_gettime(CLOCK_MONOTONIC, &after);

        if (rc != CTL_OK && rc != CTL_UNREACHABLE) {
            return rc;
        }

        if (rc == CTL_OK) {
            if (tty) {
                fputs("\033[H\033[J", stdout);
                ctl_follow_words(s);

            } else if (s->c.json) {
                ctl_follow_json(s);

            } else {
                ctl_follow_line(s);
            }
        }

        if (fflush(stdout) != 0 || ferror(stdout)) {
            return CTL_OK;
        }

        took = (long) (after.tv_sec - before.tv_sec) * CTL_WATCH_SHARE;
        sleep((unsigned) (took > s->interval ? took : s->interval));
    }
}


static void
ctl_follow_words(const ctl_follow_t *s)
{
    char  when[CTL_TIME_MAX];

    printf("Notice %s of %s: ", s->notice->id, s->c.site);

    if (s->notice->kind == PV_NOTICE_CHANGE) {
        printf("version %s, published", (const char *) s->notice->version.data);
    } else {
        printf("%s, sent", pv_notice_kind_name(s->notice->kind));
    }

    printf(" on %s, %s\n", ctl_time(when, s->notice->published),
           ctl_notice_standing_name(ctl_notice_standing(&s->c, s->notice)));
    printf("  ");
    ctl_print(s->notice->texts[0].title);
    printf("\n  to ");
    ctl_notice_audience(stdout, s->notice);
    printf("\n\n");

    ctl_follow_of(s, "addressed", s->addressed, "");
    if (s->met != s->addressed) {
        ctl_follow_of(s, "ever met", s->met, "the others never logged in");
    }

    ctl_follow_of(s, "written", s->total[CTL_COUNT_WRITTEN], "to a connection, or into a page");
    ctl_follow_of(s, "seen", s->total[CTL_COUNT_SEEN], "it was visible");
    ctl_follow_of(s, "acknowledged", s->total[CTL_COUNT_ACKNOWLEDGED], "understood, agreed or declined");

    if (s->notice->kind == PV_NOTICE_CHANGE) {
        ctl_follow_of(s, "agreed", s->total[CTL_COUNT_AGREED], "");
        ctl_follow_of(s, "declined", s->total[CTL_COUNT_DECLINED], "");
    }

    if (s->superseded != 0) {
        ctl_follow_of(s, "superseded", s->superseded, "answered a newer change instead");
    }

    ctl_follow_of(s, "waiting", s->waiting, "have not answered: privacyctl notice unreached lists them");
    if (s->later != 0) {
        ctl_follow_of(s, "put off", s->later, "of these: asked for later");
    }

    ctl_follow_hours(s, isatty(STDOUT_FILENO) ? CTL_HOURS_WATCH : CTL_HOURS_MAX);
}


static void
ctl_follow_of(const ctl_follow_t *s, const char *label, uint64_t n, const char *what)
{
    char  share[16];

    share[0] = '\0';

    if (s->addressed != 0) {
        snprintf(share, sizeof(share), "%.1f %%", 100.0 * (double) n / (double) s->addressed);
    }

    printf("%-13s %10" PRIu64 "  %8s%s%s\n", label, n, share, what[0] != '\0' ? "  " : "", what);
}


static void
ctl_follow_line(const ctl_follow_t *s)
{
    char       now[CTL_TIME_MAX];
    unsigned   i;

    printf("%s  addressed %" PRIu64, ctl_time(now, time(NULL)), s->addressed);

    for (i = 0; i < CTL_COUNTS; i++) {
        printf("  %s %" PRIu64, ctl_count_names[i], s->total[i]);
    }

    printf("  waiting %" PRIu64 "\n", s->waiting);
}


/* The hours in which something was, the newest `most` of them. */
static void
ctl_follow_hours(const ctl_follow_t *s, size_t most)
{
    char      hour[CTL_TIME_MAX];
    size_t    i, n;
    unsigned  k;

    for (i = CTL_HOURS_MAX, n = 0; i > 0 && n < most; i--) {
        n += (size_t) ctl_follow_has(s, i - 1);
    }

    if (n == 0) {
        return;
    }

    printf("\n%-17s", "by hour (UTC)");
    for (k = 0; k < CTL_COUNTS; k++) {
        printf(" %12s", ctl_count_names[k]);
    }
    putchar('\n');

    for (/* void */; i < CTL_HOURS_MAX; i++) {
        if (!ctl_follow_has(s, i)) {
            continue;
        }

        printf("%-17.13s", ctl_time(hour, s->start + (int64_t) i * CTL_HOUR));
        for (k = 0; k < CTL_COUNTS; k++) {
            printf(" %12" PRIu32, s->hours[i][k]);
        }
        putchar('\n');
    }
}


static int
ctl_follow_has(const ctl_follow_t *s, size_t hour)
{
    unsigned  k;

    for (k = 0; k < CTL_COUNTS; k++) {
        if (s->hours[hour][k] != 0) {
            return 1;
        }
    }

    return 0;
}


static void
ctl_follow_json(const ctl_follow_t *s)
{
    char      hour[PV_RFC3339_SIZE];
    size_t    i;
    json_t   *answer, *hours, *one;
    unsigned  k;

    answer = ctl_notice_json(s->notice);
    json_object_set_new(answer, "site", json_string(s->c.site));
    json_object_set_new(answer, "standing",
                        json_string(ctl_notice_standing_name(ctl_notice_standing(&s->c, s->notice))));
    json_object_set_new(answer, "addressed", json_integer((json_int_t) s->addressed));
    json_object_set_new(answer, "met", json_integer((json_int_t) s->met));

    for (k = 0; k < CTL_COUNTS; k++) {
        json_object_set_new(answer, ctl_count_names[k], json_integer((json_int_t) s->total[k]));
    }

    json_object_set_new(answer, "superseded", json_integer((json_int_t) s->superseded));
    json_object_set_new(answer, "waiting", json_integer((json_int_t) s->waiting));
    json_object_set_new(answer, "later", json_integer((json_int_t) s->later));

    hours = json_array();

    for (i = 0; i < CTL_HOURS_MAX; i++) {
        if (!ctl_follow_has(s, i)) {
            continue;
        }

        pv_rfc3339_format(hour, s->start + (int64_t) i * CTL_HOUR);
        one = json_pack("{s:s}", "hour", hour);

        for (k = 0; k < CTL_COUNTS; k++) {
            json_object_set_new(one, ctl_count_names[k], json_integer(s->hours[i][k]));
        }

        json_array_append_new(hours, one);
    }

    json_object_set_new(answer, "hours", hours);

    json_dumpf(answer, stdout, s->watch ? JSON_COMPACT : JSON_INDENT(2));
    putchar('\n');
    json_decref(answer);
}
