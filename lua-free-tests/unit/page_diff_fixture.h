/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PAGE_DIFF_FIXTURE_H
#define PAGE_DIFF_FIXTURE_H

/*
 * Two versions to compare: words, paragraphs, a moved paragraph, a table's
 * row and a link that changed, and differences in what is declared; in zh-CN,
 * en, ja and ar. Static: nothing to free.
 */

#include "page_fixture.h"

void page_diff_fixture(pv_policy_t **from, pv_policy_t **to);

/* The index of a language in both. */
size_t page_diff_language(const pv_policy_t *policy, const char *language);

#endif /* PAGE_DIFF_FIXTURE_H */
