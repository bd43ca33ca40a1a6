/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_JSON_LINE_H
#define PV_JSON_LINE_H

/* Where in a JSON document a value stands: jansson knows the line of an error of its own only. */

#include "pv_bytes.h"

/*
 * The line, from 1, of the value at a path as problems name it
 * ("purposes[2].cookies[0].name"); where there is no such value, of the one
 * around it: what is missing is missing there. Bounded by the document's
 * length, whatever it is. 0 when there is nothing in it.
 */
unsigned pv_json_line(pv_str_t json, const char *path);

/* Gives the problems from number `first` on that name a field of that file, and no line, theirs. */
void pv_problems_lines(pv_problems_t *problems, size_t first, const char *file, pv_str_t json);

#endif /* PV_JSON_LINE_H */
