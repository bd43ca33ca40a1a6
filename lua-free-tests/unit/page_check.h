/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PAGE_CHECK_H
#define PAGE_CHECK_H

/* What every page has to be, whatever is on it. */

#include "page_fixture.h"

#define PAGE_NOW  1795420800     /* 2026-11-23 */

/* A page about the policy, which is in force; below /privacy/. */
pv_page_t page_of(pv_ui_t *ui, pv_policy_t *policy, size_t language);

/* What was rendered, as a string; fails the test when that went wrong. */
const char *check_text(const pv_buf_t *b);
unsigned check_count(const char *haystack, const char *needle);

/* Every start tag has its end tag, in order; attributes are quoted, so no '>' or '<' stands in one. */
void check_balanced(const char *html);
/* No markup that a publisher wrote into a field became markup, and no template was read out of one. */
void check_harmless(const char *html);
void check_ascii(const char *html);

#endif /* PAGE_CHECK_H */
