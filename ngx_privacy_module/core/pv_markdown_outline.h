/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_MARKDOWN_OUTLINE_H
#define PV_MARKDOWN_OUTLINE_H

/* What a text is made of, by line: for who writes it, never for who reads it. */

#include "pv_bytes.h"

#define PV_HEADINGS_MAX      1024
#define PV_HEADING_TEXT_MAX  128

typedef struct {
    unsigned  level;
    unsigned  line;
    char      text[PV_HEADING_TEXT_MAX];    /* cut between characters */
} pv_heading_t;

typedef struct {
    pv_heading_t  *headings;
    size_t         count;           /* those kept; further ones are not */
    size_t         tables;
    size_t         rows;            /* of all tables, without their heads */
} pv_outline_t;

/*
 * markdown: UTF-8 without control characters. Says as problems of file what
 * may not stand in a text: HTML, and links that lead where none may; as
 * warnings what will not be shown. PV_OK, or PV_ERROR (out of memory); the
 * outline is to be freed in any case.
 */
int pv_outline_read(pv_outline_t *outline, pv_str_t markdown, const char *file, pv_problems_t *problems);
void pv_outline_free(pv_outline_t *outline);

#endif /* PV_MARKDOWN_OUTLINE_H */
