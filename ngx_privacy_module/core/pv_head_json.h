/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_HEAD_JSON_H
#define PV_HEAD_JSON_H

/* Heads as JSON: for the files that write and open them. */

#include <jansson.h>

#include "pv_head.h"

#define PV_HEAD_FORMAT  1

/* The JSON of a head, every field checked; *kind is which. PV_INVALID: see problems. */
int pv_head_read(json_t **root, pv_entry_kind_t *kind, pv_str_t head, pv_str_t site, pv_problems_t *problems);
/* 1 when "format" is one that a later version of the software writes: then nothing else is looked at, and that is said. */
int pv_head_newer(const json_t *root, int known, pv_problems_t *problems);
/* A head again, compact with sorted keys; without: a field that is left out, or NULL. NULL: out of memory. To be freed. */
char *pv_head_canonical(const json_t *root, const char *without);

/* The changes of policy.json as the head has them: summaries always by language. A new reference, or NULL. */
json_t *pv_head_changes(const json_t *declared);

/* 1 when the bytes of the new key, in base64url, signed this key entry (without the proof itself). */
int pv_head_proof(const json_t *root, pv_str_t site);

#endif /* PV_HEAD_JSON_H */
