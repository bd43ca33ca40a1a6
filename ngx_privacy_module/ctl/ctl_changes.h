/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_CHANGES_H
#define CTL_CHANGES_H

/* What differs between two versions, for people on a terminal and for programs. */

#include <jansson.h>

#include "pv_policy.h"

/* --color WHEN: "auto" (or NULL), "always", "never"; NO_COLOR is honoured. 1 or 0; -1: what WHEN is was said. */
int ctl_colour(const char *when);

/* What is declared: a difference a line, with the kinds that it needs; those that b does not declare are marked. */
int ctl_changes_declared(const pv_policy_t *a, const pv_policy_t *b, const char *language, int colour);
/* The redline of the texts in each language that both have; language: in that one only, or NULL. */
int ctl_changes_texts(const pv_policy_t *a, const pv_policy_t *b, const char *language, int colour);
/* Which purposes of b people are asked for again, since they meant something else in a (NULL: b is the first). */
void ctl_changes_asked(const pv_policy_t *a, const pv_policy_t *b);

/*
 * The same: {"from":{...},"to":{...},"same","covered","declared":[...],"texts":{LANGUAGE:{...}},"asked":[...]}.
 * texts: 0 leaves them out. NULL when out of memory.
 */
json_t *ctl_changes_json(const pv_policy_t *a, const pv_policy_t *b, const char *language, int texts);

#endif /* CTL_CHANGES_H */
