/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_MARKDOWN_H
#define PV_MARKDOWN_H

#include "pv_bytes.h"

/*
 * As pv_markdown_html() of pv_bundle.h, and the first heading as plain text
 * (title may be NULL). dropped counts the links whose target was refused: their
 * text stays.
 */
int pv_markdown_render(pv_buf_t *html, pv_buf_t *title, unsigned *dropped, pv_str_t markdown);

#endif /* PV_MARKDOWN_H */
