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

/* Which media type to answer with: RFC 9110 12.5.1. Returns an index into offers, or -1 when none is acceptable. */
int pv_accept_choose(const pv_str_t *offers, size_t n, pv_str_t accept);

#endif /* PV_LANGUAGE_H */
