/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PAGE_FIXTURE_H
#define PAGE_FIXTURE_H

/* A policy of a small shop, put together by hand: two languages, four purposes, two recipients. */

#include "pv_page.h"

/* sequence: 1 to 3. Static: nothing to free. Each call gives a policy of its own, for up to four at a time. */
pv_policy_t *page_fixture(unsigned sequence);

/* The same, with markup and script wherever a publisher may write. */
pv_policy_t *page_fixture_hostile(void);

/* n versions, oldest first, as a list of one page: its items are static, for up to 100, until the next call. */
pv_page_list_t page_fixture_list(pv_policy_t *const *versions, size_t n);

#endif /* PAGE_FIXTURE_H */
