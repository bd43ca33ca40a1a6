/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdio.h>
#include <string.h>

#include "ctl.h"
#include "ctl_table.h"


#define CTL_TABLE_COLUMNS  32
#define CTL_TABLE_CELL     256
#define CTL_OUTLINE_DEPTH  16


static size_t ctl_table_columns(const json_t *rows, const char *names[CTL_TABLE_COLUMNS]);
static size_t ctl_cell(char out[CTL_TABLE_CELL], const json_t *value);
static void ctl_pad(size_t n);
static int ctl_is_table(const json_t *value);


void
ctl_table(const json_t *rows, int indent)
{
    char          cell[CTL_TABLE_CELL];
    size_t        i, c, n, len, width[CTL_TABLE_COLUMNS];
    const char   *names[CTL_TABLE_COLUMNS];
    const json_t *row;

    n = ctl_table_columns(rows, names);

    for (c = 0; c < n; c++) {
        width[c] = strlen(names[c]);

        json_array_foreach(rows, i, row) {
            len = ctl_cell(cell, json_object_get(row, names[c]));
            width[c] = (len > width[c]) ? len : width[c];
        }
    }

    ctl_pad((size_t) indent);

    for (c = 0; c < n; c++) {
        ctl_print(pv_str(names[c]));
        ctl_pad((c + 1 < n) ? width[c] - strlen(names[c]) + 2 : 0);
    }

    putchar('\n');

    json_array_foreach(rows, i, row) {
        ctl_pad((size_t) indent);

        for (c = 0; c < n; c++) {
            len = ctl_cell(cell, json_object_get(row, names[c]));
            ctl_print(pv_str(cell));
            ctl_pad((c + 1 < n) ? width[c] - len + 2 : 0);
        }

        putchar('\n');
    }
}


static size_t
ctl_table_columns(const json_t *rows, const char *names[CTL_TABLE_COLUMNS])
{
    size_t         i, c, n;
    const json_t  *row;
    const char    *key;
    json_t        *value;

    n = 0;

    json_array_foreach(rows, i, row) {
        json_object_foreach((json_t *) row, key, value) {

            for (c = 0; c < n && strcmp(names[c], key) != 0; c++) { /* void */ }

            if (c == n && n < CTL_TABLE_COLUMNS) {
                names[n++] = key;
            }
        }
    }

    return n;
}


/* A value in one line. */

static size_t
ctl_cell(char out[CTL_TABLE_CELL], const json_t *value)
{
    int            n;
    size_t         i, len;
    const json_t  *element;

    n = 0;
    out[0] = '\0';

    if (json_is_string(value)) {
        n = snprintf(out, CTL_TABLE_CELL, "%s", json_string_value(value));

    } else if (json_is_integer(value)) {
        n = snprintf(out, CTL_TABLE_CELL, "%" JSON_INTEGER_FORMAT, json_integer_value(value));

    } else if (json_is_real(value)) {
        n = snprintf(out, CTL_TABLE_CELL, "%g", json_real_value(value));

    } else if (json_is_boolean(value)) {
        n = snprintf(out, CTL_TABLE_CELL, "%s", json_is_true(value) ? "yes" : "no");

    } else if (json_is_object(value)) {
        n = snprintf(out, CTL_TABLE_CELL, "...");

    } else if (json_is_array(value)) {

        for (i = 0, len = 0; i < json_array_size(value) && len + 3 < CTL_TABLE_CELL; i++) {
            element = json_array_get(value, i);

            if (i != 0) {
                out[len++] = ',';
            }

            n = snprintf(out + len, CTL_TABLE_CELL - len, "%s",
                         json_is_string(element) ? json_string_value(element) : "...");
            len += (n < 0) ? 0 : (size_t) n;
            len = (len < CTL_TABLE_CELL) ? len : CTL_TABLE_CELL - 1;
        }

        return len;
    }

    return (n < 0) ? 0 : (n < CTL_TABLE_CELL) ? (size_t) n : CTL_TABLE_CELL - 1;
}


void
ctl_outline(const json_t *value, int indent, const char *except)
{
    char         cell[CTL_TABLE_CELL];
    size_t       width, len;
    json_t      *member;
    const char  *key;

    if (indent / 2 > CTL_OUTLINE_DEPTH) {
        return;
    }

    width = 0;

    json_object_foreach((json_t *) value, key, member) {
        len = strlen(key);
        width = (len > width) ? len : width;
    }

    json_object_foreach((json_t *) value, key, member) {

        if (except != NULL && strcmp(key, except) == 0) {
            continue;
        }

        ctl_pad((size_t) indent);
        ctl_print(pv_str(key));

        if (json_is_object(member)) {
            putchar('\n');
            ctl_outline(member, indent + 2, except);

        } else if (ctl_is_table(member)) {
            putchar('\n');
            ctl_table(member, indent + 2);

        } else {
            (void) ctl_cell(cell, member);
            ctl_pad(width - strlen(key) + 2);
            ctl_print(pv_str(cell));
            putchar('\n');
        }
    }
}


static void
ctl_pad(size_t n)
{
    printf("%*s", (int) n, "");
}


static int
ctl_is_table(const json_t *value)
{
    size_t         i;
    const json_t  *row;

    if (!json_is_array(value) || json_array_size(value) == 0) {
        return 0;
    }

    json_array_foreach(value, i, row) {
        if (!json_is_object(row)) {
            return 0;
        }
    }

    return 1;
}
