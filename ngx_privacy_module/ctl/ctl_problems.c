/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* Problems, for people and for programs. */

#include <stdio.h>

#include <jansson.h>

#include "ctl.h"


void
ctl_problems(const pv_problems_t *problems)
{
    size_t               i;
    const pv_problem_t  *p;

    for (i = 0; i < problems->count; i++) {
        p = &problems->list[i];

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

    if (problems->errors + problems->warnings > problems->count) {
        fprintf(stderr, "and %zu more\n", problems->errors + problems->warnings - problems->count);
    }
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
