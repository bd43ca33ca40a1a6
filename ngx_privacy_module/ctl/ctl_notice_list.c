/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* privacyctl notice list: every notice, in the order in which they were published, and whether each holds. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_notice.h"

#define CTL_LIST_MISSING  1000      /* as many are said */


typedef struct {
    int64_t   published;
    size_t    place;            /* in the order in which they were found */
    json_t   *json;
} ctl_listed_notice_t;

typedef struct {
    ctl_notice_t          c;
    ctl_listed_notice_t  *rows;
    size_t                count, size;
    size_t                wrong;
} ctl_list_t;


static int ctl_list_run(ctl_list_t *l);
static int ctl_list_changes(ctl_list_t *l);
static int ctl_list_stream(ctl_list_t *l);
static int ctl_list_window(ctl_list_t *l, uint32_t first, int newest);
static int ctl_list_missing(ctl_list_t *l, uint32_t last);
static int ctl_list_refused(ctl_list_t *l, uint32_t first);
static int ctl_list_wrong(ctl_list_t *l, uint32_t number, const char *reason);
static int ctl_list_add(ctl_list_t *l, const pv_notice_t *notice, const char *standing, int chained);
static int ctl_list_row(ctl_list_t *l, int64_t published, json_t *json);
static void ctl_list_retractions(ctl_list_t *l);
static json_t *ctl_list_find(const ctl_list_t *l, const char *id);
static int ctl_list_order(const void *one, const void *two);
static void ctl_list_say(const ctl_list_t *l);
static const char *ctl_list_audience(const json_t *row, char text[160]);
static void ctl_list_column(const char *text, int width);


int
ctl_notice_list(int argc, char **argv)
{
    int                  rc, operands;
    size_t               i;
    ctl_list_t           l;
    const ctl_option_t   options[] = {
        { "site", "NAME", &l.c.site, NULL, "the site" },
        { "redis", "URL", &l.c.redis_url, NULL, "where the notices are (or PRIVACY_REDIS)" },
        { "public", "FILE", &l.c.public, NULL, "the site's public key: each notice is verified with it" },
        { "json", NULL, NULL, &l.c.json, "print JSON" },
        { NULL, NULL, NULL, NULL, NULL }
    };
    const ctl_usage_t    usage = {
        "notice list [options]",
        "Lists every notice of a site: the material changes of its policy (v and a number) and\n"
        "what was sent (n and a number), to whom, whether it is open, and whether it holds: its\n"
        "signature, with the key that signed then, and the chain, in which each names the one\n"
        "before. nginx shows no notice that does not hold.\n"
        "Returns 1 when something does not.\n",
        options, 0, 0
    };

    memset(&l, 0, sizeof(l));
    ctl_notice_create(&l.c);

    rc = ctl_options(&usage, argc, argv, &operands);
    if (rc == -1) {
        rc = ctl_list_run(&l);
    }

    for (i = 0; i < l.count; i++) {
        json_decref(l.rows[i].json);
    }

    free(l.rows);
    ctl_notice_free(&l.c);

    return rc;
}


static int
ctl_list_run(ctl_list_t *l)
{
    int      rc;
    size_t   i;
    json_t  *answer;

    if (l->c.site == NULL || l->c.public == NULL) {
        return ctl_fail(CTL_USAGE, "notice list needs --site NAME and --public FILE");
    }

    rc = ctl_notice_open(&l->c);
    rc = rc == CTL_OK ? ctl_list_changes(l) : rc;
    rc = rc == CTL_OK ? ctl_list_stream(l) : rc;

    if (rc != CTL_OK) {
        return rc;
    }

    ctl_list_retractions(l);

    if (l->count != 0) {
        qsort(l->rows, l->count, sizeof(ctl_listed_notice_t), ctl_list_order);
    }

    if (l->c.json) {
        answer = json_array();

        for (i = 0; i < l->count; i++) {
            json_array_append(answer, l->rows[i].json);
        }

        json_dumpf(answer, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(answer);

    } else {
        ctl_list_say(l);
    }

    return l->wrong != 0 ? CTL_WRONG : CTL_OK;
}


static int
ctl_list_changes(ctl_list_t *l)
{
    int               rc;
    size_t            i;
    pv_notice_t      *notice;

    rc = ctl_notice_read(&l->c);

    for (i = 0; rc == CTL_OK && i < pv_log_count(l->c.chain); i++) {
        if (pv_notice_from_head(&notice, pv_log_entry(l->c.chain, i)) != PV_OK) {
            return ctl_fail(CTL_WRONG, "out of memory");
        }

        if (notice != NULL) {
            rc = ctl_list_add(l, notice, ctl_notice_standing_name(ctl_notice_standing(&l->c, notice)), 1);
            pv_notice_free(notice);
        }
    }

    return rc;
}


/* As many at a time as are kept of them, each time with the last one of before, which the next one names. */
static int
ctl_list_stream(ctl_list_t *l)
{
    int       rc;
    uint32_t  first, last, end;

    last = l->c.last;

    for (first = 1, end = 0; end < last; first = end) {
        rc = ctl_notice_window(&l->c, first);
        if (rc != CTL_OK) {
            return rc;
        }

        if (pv_notices_last(l->c.notices) <= end) {
            break;
        }

        end = pv_notices_last(l->c.notices);
        rc = ctl_list_window(l, first, end >= last);

        if (rc != CTL_OK) {
            return rc;
        }
    }

    return ctl_list_missing(l, last);
}


/* What was taken out of the stream. */
static int
ctl_list_missing(ctl_list_t *l, uint32_t last)
{
    int       rc;
    char      id[PV_NOTICE_ID_SIZE];
    size_t    found;
    uint32_t  number;

    rc = CTL_OK;

    for (number = 1, found = 0; rc == CTL_OK && number < last && found < CTL_LIST_MISSING; number++) {
        pv_notice_id_write(id, 'n', number);

        if (ctl_list_find(l, id) == NULL) {
            found++;
            rc = ctl_list_wrong(l, number, "is missing: it was taken out of the stream");
        }
    }

    return rc;
}


static int
ctl_list_window(ctl_list_t *l, uint32_t first, int newest)
{
    int           rc;
    size_t        i;
    const char   *standing;
    pv_notice_t  *notice;

    rc = ctl_list_refused(l, first);

    for (i = 0; rc == CTL_OK && i < pv_notices_count(l->c.notices); i++) {
        notice = pv_notices_at(l->c.notices, i);

        if (notice->kind == PV_NOTICE_CHANGE || (first > 1 && notice->number == first)) {
            continue;
        }

        standing = newest ? ctl_notice_standing_name(ctl_notice_standing(&l->c, notice)) : "ended";
        rc = ctl_list_add(l, notice, standing, notice->number == 1 || pv_notices_chained(l->c.notices, notice));
    }

    return rc;
}


/* What does not hold has a number and a reason, and nothing that it says is repeated. */
static int
ctl_list_refused(ctl_list_t *l, uint32_t first)
{
    int                  rc;
    size_t               i;
    const pv_problem_t  *problem;

    rc = CTL_OK;

    for (i = 0; rc == CTL_OK && i < l->c.problems.count; i++) {
        problem = &l->c.problems.list[i];

        if (!problem->warning && !(first > 1 && problem->line == first)) {
            rc = ctl_list_wrong(l, problem->line, problem->reason);
        }
    }

    return rc;
}


static int
ctl_list_wrong(ctl_list_t *l, uint32_t number, const char *reason)
{
    char  id[PV_NOTICE_ID_SIZE];

    l->wrong++;
    pv_notice_id_write(id, 'n', number);

    return ctl_list_row(l, INT64_MAX, json_pack("{s:s, s:b, s:s}", "id", id, "verified", 0, "problem", reason));
}


static int
ctl_list_add(ctl_list_t *l, const pv_notice_t *notice, const char *standing, int chained)
{
    json_t  *row;

    row = ctl_notice_json(notice);
    json_object_set_new(row, "standing", json_string(notice->kind == PV_NOTICE_RETRACTION ? "done" : standing));
    json_object_set_new(row, "verified", json_boolean(chained));

    if (!chained) {
        l->wrong++;
        json_object_set_new(row, "problem", json_string("names another notice before it than there is"));
    }

    return ctl_list_row(l, notice->published, row);
}


static int
ctl_list_row(ctl_list_t *l, int64_t published, json_t *json)
{
    void    *grown;
    size_t   size;

    if (l->count == l->size) {
        size = l->size ? 2 * l->size : 64;
        grown = realloc(l->rows, size * sizeof(ctl_listed_notice_t));

        if (grown == NULL || json == NULL) {
            json_decref(json);
            return ctl_fail(CTL_WRONG, "out of memory");
        }

        l->rows = grown;
        l->size = size;
    }

    l->rows[l->count] = (ctl_listed_notice_t) { published, l->count, json };
    l->count++;

    return CTL_OK;
}


/* Whatever is between the two. */
static void
ctl_list_retractions(ctl_list_t *l)
{
    size_t       i;
    json_t      *row;
    const char  *id, *retracts, *corrects;

    for (i = 0; i < l->count; i++) {
        id = json_string_value(json_object_get(l->rows[i].json, "id"));
        retracts = json_string_value(json_object_get(l->rows[i].json, "retracts"));
        corrects = json_string_value(json_object_get(l->rows[i].json, "corrects"));

        row = retracts != NULL ? ctl_list_find(l, retracts) : NULL;
        if (row != NULL) {
            json_object_set_new(row, "standing", json_string("retracted"));
            json_object_set_new(row, "retracted_by", json_string(id));
        }

        row = corrects != NULL ? ctl_list_find(l, corrects) : NULL;
        if (row != NULL) {
            json_object_set_new(row, "corrected_by", json_string(id));
        }
    }
}


static json_t *
ctl_list_find(const ctl_list_t *l, const char *id)
{
    size_t  i;

    for (i = 0; i < l->count; i++) {
        if (strcmp(json_string_value(json_object_get(l->rows[i].json, "id")), id) == 0) {
            return l->rows[i].json;
        }
    }

    return NULL;
}


static int
ctl_list_order(const void *one, const void *two)
{
    const ctl_listed_notice_t  *a, *b;

    a = one;
    b = two;

    if (a->published != b->published) {
        return a->published < b->published ? -1 : 1;
    }

    return a->place < b->place ? -1 : 1;
}


static void
ctl_list_say(const ctl_list_t *l)
{
    char           text[160];
    size_t         i;
    const char    *problem;
    const json_t  *row;

    if (l->count == 0) {
        puts("there is no notice: nothing material has changed, and none was sent");
        return;
    }

    printf("%-6s %-13s %-21s %-10s %-9s %-40s %s\n", "id", "kind", "published", "standing", "verified", "to", "title");

    for (i = 0; i < l->count; i++) {
        row = l->rows[i].json;
        problem = json_string_value(json_object_get(row, "problem"));

        ctl_list_column(json_string_value(json_object_get(row, "id")), 6);
        ctl_list_column(json_string_value(json_object_get(row, "kind")), 13);
        ctl_list_column(json_string_value(json_object_get(row, "published")), 21);
        ctl_list_column(json_string_value(json_object_get(row, "standing")), 10);

        if (problem != NULL) {
            printf("NO: ");
            ctl_print(pv_str(problem));
            putchar('\n');
            continue;
        }

        ctl_list_column("yes", 9);
        ctl_list_column(ctl_list_audience(row, text), 40);
        ctl_print(pv_str(json_string_value(json_object_get(row, json_object_get(row, "reason") != NULL ? "reason"
                                                           : "title"))));
        putchar('\n');
    }
}


static const char *
ctl_list_audience(const json_t *row, char text[160])
{
    const char    *kind, *retracts;
    const json_t  *audience;

    audience = json_object_get(row, "audience");
    kind = json_string_value(json_object_get(audience, "kind"));
    retracts = json_string_value(json_object_get(row, "retracts"));

    if (retracts != NULL) {
        snprintf(text, 160, "retracts %s", retracts);

    } else if (kind == NULL) {
        snprintf(text, 160, "version %s", json_string_value(json_object_get(row, "version")));

    } else if (strcmp(kind, "list") == 0) {
        snprintf(text, 160, "a list of %" JSON_INTEGER_FORMAT,
                 json_integer_value(json_object_get(audience, "count")));

    } else if (strcmp(kind, "bound_before") == 0) {
        snprintf(text, 160, "bound before %s", json_string_value(json_object_get(audience, "version")));

    } else if (strcmp(kind, "granted") == 0) {
        snprintf(text, 160, "granted %s", json_string_value(json_object_get(audience, "purpose")));

    } else {
        snprintf(text, 160, "%s", strcmp(kind, "users") == 0 ? "all users" : "the public only");
    }

    return text;
}


static void
ctl_list_column(const char *text, int width)
{
    int  len;

    text = text != NULL ? text : "-";
    len = (int) strlen(text);

    ctl_print(pv_str(text));
    printf("%*s", len < width ? width - len + 1 : 1, "");
}
