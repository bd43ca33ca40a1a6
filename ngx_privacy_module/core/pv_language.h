/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_LANGUAGE_H
#define PV_LANGUAGE_H

/* Which language to answer in: RFC 4647 lookup over Accept-Language, zh scripts and regions right. */

#include "pv_bytes.h"

/*
 * tags: what there is, the first is the default. accept: the header, may be
 * empty. wanted: ?lang=, may be empty, goes first. Returns an index; never fails.
 */
size_t pv_language_choose(const pv_str_t *tags, size_t n, pv_str_t accept, pv_str_t wanted);

#define PV_LANGUAGE_NONE  ((size_t) -1)

/* RFC 4647 lookup of one range: an index, or PV_LANGUAGE_NONE. */
size_t pv_language_lookup(const pv_str_t *tags, size_t n, pv_str_t range);

/*
 * What was asked for in vain: empty when `chosen` is one of the languages that
 * the reader can do with, or when nothing was asked for; else wanted, or the
 * header's first choice. A Chinese text in the other script is not what was
 * asked for.
 */
pv_str_t pv_language_missed(pv_str_t chosen, pv_str_t accept, pv_str_t wanted);

/* "rtl" or "ltr": by the script that a tag names, else by the one that its language is mostly written in. */
const char *pv_language_direction(pv_str_t tag);

/*
 * How languages call themselves: the i-th of the table, NULL past its end. A
 * tag there is a language, with a script or region only where it says more.
 */
typedef struct { const char *tag, *name; } pv_language_name_t;

const pv_language_name_t *pv_language_name_at(size_t i);
/* NULL when it is not in the table; for "de-AT" that of "de" is no answer. */
const char *pv_language_name(pv_str_t tag);

/* Which media type to answer with: RFC 9110 12.5.1. Returns an index into offers, or -1 when none is acceptable. */
int pv_accept_choose(const pv_str_t *offers, size_t n, pv_str_t accept);

#endif /* PV_LANGUAGE_H */
