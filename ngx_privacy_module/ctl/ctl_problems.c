/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* Problems, for people and for programs. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "ctl.h"


static int ctl_problem_order(const void *one, const void *two);
static void ctl_problem(const pv_problem_t *p);


void
ctl_problems(const pv_problems_t *problems)
{
    size_t               i;
    const pv_problem_t  *sorted[PV_PROBLEMS_MAX];

    for (i = 0; i < problems->count; i++) {
        sorted[i] = &problems->list[i];
    }

    /* cppcheck-suppress uninitvar; only those that were copied are sorted */
    qsort(sorted, i, sizeof(sorted[0]), ctl_problem_order);

    for (i = 0; i < problems->count; i++) {
        ctl_problem(sorted[i]);
    }

    if (problems->errors + problems->warnings > problems->count) {
        fprintf(stderr, "and %zu more\n", problems->errors + problems->warnings - problems->count);
    }
}


/* As one reads: file by file, line by line, else as they were found. */
static int
ctl_problem_order(const void *one, const void *two)
{
    int                  rc;
    const pv_problem_t  *a, *b;

    a = *(const pv_problem_t *const *) one;
    b = *(const pv_problem_t *const *) two;

    rc = strcmp(a->file != NULL ? a->file : "", b->file != NULL ? b->file : "");

    if (rc == 0 && a->line != b->line) {
        rc = a->line < b->line ? -1 : 1;
    }

    return rc != 0 ? rc : a < b ? -1 : a > b;
}


static void
ctl_problem(const pv_problem_t *p)
{
    fputs(p->warning ? "warning: " : "error: ", stderr);

    if (p->file != NULL && p->line != 0) {
        fprintf(stderr, "%s:%u: ", p->file, p->line);

    } else if (p->file != NULL) {
        fprintf(stderr, "%s: ", p->file);
    }

    if (p->field != NULL) {
        fprintf(stderr, "%s: ", p->field);
    }

    fprintf(stderr, "%s\n", p->reason);
}


size_t
ctl_problems_strict(pv_problems_t *problems)
{
    size_t  i;

    for (i = 0; i < problems->count; i++) {
        problems->list[i].warning = 0;
    }

    problems->errors += problems->warnings;
    problems->warnings = 0;

    return problems->errors;
}


void
ctl_problems_json(const pv_problems_t *problems)
{
    size_t               i;
    json_t              *answer, *one;
    const pv_problem_t  *problem;

    answer = json_pack("{s:[], s:[]}", "errors", "warnings");

    for (i = 0; i < problems->count; i++) {
        problem = &problems->list[i];

        one = json_pack("{s:s?, s:s?, s:s, s:i}", "file", problem->file, "field", problem->field,
                        "reason", problem->reason, "line", (int) problem->line);

        json_array_append_new(json_object_get(answer, problem->warning ? "warnings" : "errors"), one);
    }

    json_dumpf(answer, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(answer);
}
