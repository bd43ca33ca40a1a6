/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_TABLE_H
#define CTL_TABLE_H

/* JSON for people. */

#include <jansson.h>

/* Objects as a table with one column a key, in the order that keys are first seen. */
void ctl_table(const json_t *rows, int indent);
/* Anything: objects as lines "key value", lists of objects as tables. except: a key left out, or NULL. */
void ctl_outline(const json_t *value, int indent, const char *except);

#endif /* CTL_TABLE_H */
