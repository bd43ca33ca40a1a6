/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdio.h>
#include <string.h>

#include "pv_bundle_covered.h"
#include "pv_json_line.h"

#define PV_COVERED_LINE   1024
#define PV_COVERED_VALUE  120


static void pv_covered_field(char *out, size_t size, const pv_difference_t *e, const pv_policy_t *next);
static void pv_covered_value(pv_buf_t *out, pv_str_t value);


static const char *const  pv_covered_kinds[] = {
    "purposes", "organisation", "recipients", "rights", "contact", "risk", "editorial", NULL
};


int
pv_bundle_covered(const pv_policy_t *previous, const pv_policy_t *next, const char *file, pv_str_t json,
    pv_problems_t *problems)
{
    size_t             i, first, errors;
    char               field[96];
    unsigned           declared;
    pv_buf_t           what, needs, has;
    pv_differences_t   d;

    if (pv_declared_diff(&d, previous, next, next->texts[0].language) != PV_OK) {
        return PV_ERROR;
    }

    first = problems->count;
    errors = problems->errors;
    declared = pv_kinds_declared(next);

    for (i = 0; i < d.count; i++) {
        if (!pv_difference_uncovered(&d.list[i], declared)) {
            continue;
        }

        pv_buf_init(&what, 4 * PV_COVERED_LINE);
        pv_buf_init(&needs, PV_COVERED_LINE);
        pv_buf_init(&has, PV_COVERED_LINE);

        pv_difference_words(&what, &d.list[i]);
        pv_kinds_words(&needs, d.list[i].kinds, "or");
        pv_kinds_words(&has, declared, "and");

        pv_covered_field(field, sizeof(field), &d.list[i], next);
        pv_problem(problems, file, 0, field, "%s: that is a change of kind %s, and changes declares %s only",
                   (const char *) what.data, (const char *) needs.data,
                   has.data != NULL ? (const char *) has.data : "nothing");

        pv_buf_free(&what);
        pv_buf_free(&needs);
        pv_buf_free(&has);
    }

    pv_differences_free(&d);
    pv_problems_lines(problems, first, file, json);

    return problems->errors != errors ? PV_INVALID : PV_OK;
}


/* Where the new version has it; what is gone is missing in the list around it. */
static void
pv_covered_field(char *out, size_t size, const pv_difference_t *e, const pv_policy_t *next)
{
    int       itself;
    size_t    i;
    pv_str_t  purpose;

    itself = *e->field != '\0' && (e->id.len == 0 || e->purpose.len == 0 || pv_str_eq(e->id, e->purpose));
    purpose = strcmp(e->section, "purposes") == 0 && e->purpose.len == 0 ? e->id : e->purpose;

    for (i = 0; purpose.len != 0 && i < next->purposes_count; i++) {
        if (pv_str_eq(next->purposes[i].id, purpose)) {
            snprintf(out, size, "purposes[%zu]%s%s", i, itself ? "." : "", itself ? e->field : "");
            return;
        }
    }

    for (i = 0; strcmp(e->section, "recipients") == 0 && e->purpose.len == 0 && i < next->recipients_count; i++) {
        if (pv_str_eq(next->recipients[i].id, e->id)) {
            snprintf(out, size, "recipients[%zu]%s%s", i, *e->field != '\0' ? "." : "", e->field);
            return;
        }
    }

    if (strcmp(e->section, "contact") == 0) {
        snprintf(out, size, "controller.%s", e->field);

    } else if (strcmp(e->section, "terms") == 0) {
        snprintf(out, size, "%s", e->field);

    } else {
        snprintf(out, size, "%s", purpose.len != 0 ? "purposes" : e->section);
    }
}


void
pv_difference_words(pv_buf_t *out, const pv_difference_t *e)
{
    pv_buf_printf(out, "%s %s", e->section, pv_difference_how_name(e->how));

    if (e->id.len != 0) {
        pv_buf_puts(out, ", ");
        pv_covered_value(out, e->id);
    }

    if (e->purpose.len != 0 && !pv_str_eq(e->purpose, e->id)) {
        pv_buf_puts(out, " of ");
        pv_covered_value(out, e->purpose);
    }

    if (*e->field != '\0') {
        pv_buf_printf(out, ", %s", e->field);
    }

    if (e->before.len != 0 || e->after.len != 0) {
        pv_buf_puts(out, ": ");
        pv_covered_value(out, e->before.len != 0 ? e->before : pv_str("nothing"));
        pv_buf_puts(out, " is now ");
        pv_covered_value(out, e->after.len != 0 ? e->after : pv_str("nothing"));
    }
}


/* In quotes, cut between characters. */
static void
pv_covered_value(pv_buf_t *out, pv_str_t value)
{
    size_t  len;

    for (len = value.len; len > PV_COVERED_VALUE || (len < value.len && (value.data[len] & 0xc0) == 0x80); len--) {
        /* void */
    }

    pv_buf_puts(out, "\"");
    pv_buf_add(out, value.data, len);
    pv_buf_puts(out, len < value.len ? "...\"" : "\"");
}


void
pv_kinds_words(pv_buf_t *out, unsigned kinds, const char *conjunction)
{
    size_t    i;
    unsigned  mask, left;

    for (i = 0, left = kinds; pv_covered_kinds[i] != NULL; i++) {
        mask = pv_kind(pv_str(pv_covered_kinds[i]));

        if (!(kinds & mask)) {
            continue;
        }

        left &= ~mask;
        pv_buf_puts(out, pv_covered_kinds[i]);

        if ((left & (left - 1)) != 0) {
            pv_buf_puts(out, ", ");

        } else if (left != 0) {
            pv_buf_printf(out, " %s ", conjunction);
        }
    }
}
