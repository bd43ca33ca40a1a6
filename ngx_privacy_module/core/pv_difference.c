/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* What is said of differences: the kinds of change by their names, and the JSON. */

#include "pv_declared_diff.h"


static const struct { const char *name; unsigned mask; }  pv_kind_names[] = {
    { "purposes", PV_KIND_PURPOSES }, { "organisation", PV_KIND_ORGANISATION }, { "recipients", PV_KIND_RECIPIENTS },
    { "rights", PV_KIND_RIGHTS }, { "contact", PV_KIND_CONTACT }, { "risk", PV_KIND_RISK },
    { "editorial", PV_KIND_EDITORIAL }
};

#define PV_KIND_NAMES  (sizeof(pv_kind_names) / sizeof(pv_kind_names[0]))


unsigned
pv_kind(pv_str_t word)
{
    size_t  i;

    for (i = 0; i < PV_KIND_NAMES; i++) {
        if (pv_str_eqs(word, pv_kind_names[i].name)) {
            return pv_kind_names[i].mask;
        }
    }

    return 0;
}


unsigned
pv_kinds_declared(const pv_policy_t *policy)
{
    size_t    i;
    unsigned  kinds;

    for (kinds = 0, i = 0; i < policy->changes_count; i++) {
        kinds |= pv_kind(policy->changes[i].kind);
    }

    return kinds;
}


const char *
pv_difference_how_name(pv_difference_how_t how)
{
    return how == PV_DIFFERENCE_ADDED ? "added" : how == PV_DIFFERENCE_REMOVED ? "removed" : "altered";
}


int
pv_difference_uncovered(const pv_difference_t *e, unsigned declared)
{
    return e->kinds != 0 && (e->kinds & declared) == 0;
}


int
pv_differences_json(pv_buf_t *out, const pv_differences_t *d)
{
    size_t                  i, k;
    const char             *comma;
    const pv_difference_t  *e;

    pv_buf_puts(out, "[");

    for (i = 0; i < d->count; i++) {
        e = &d->list[i];
        pv_buf_printf(out, "%s{\"how\":\"%s\",\"section\":\"%s\"", i ? "," : "", pv_difference_how_name(e->how),
                      e->section);

        const struct { const char *name; pv_str_t value; }  members[] = {
            { "field", pv_str(e->field) }, { "purpose", e->purpose }, { "id", e->id }, { "name", e->name },
            { "before", e->before }, { "after", e->after }
        };

        for (k = 0; k < sizeof(members) / sizeof(members[0]); k++) {
            if (members[k].value.len != 0) {
                pv_buf_printf(out, ",\"%s\":", members[k].name);
                pv_buf_json(out, members[k].value);
            }
        }

        pv_buf_puts(out, ",\"kinds\":[");

        for (comma = "", k = 0; k < PV_KIND_NAMES; k++) {
            if (e->kinds & pv_kind_names[k].mask) {
                pv_buf_printf(out, "%s\"%s\"", comma, pv_kind_names[k].name);
                comma = ",";
            }
        }

        pv_buf_puts(out, "]}");
    }

    pv_buf_puts(out, "]");

    return out->failed ? PV_ERROR : PV_OK;
}
