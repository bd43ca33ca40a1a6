/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_DIFF_PARSE_H
#define PV_DIFF_PARSE_H

/* Between pv_diff_doc.c, which reads tags, and pv_diff_block.c, which adds to the document. */

#include "pv_diff_doc.h"

typedef struct {
    pv_doc_t             *doc;
    pv_links_t           *links;
    const unsigned char  *p, *end;
    uint32_t              node;
    uint32_t              ignored;      /* containers that are open past the depth that is kept */
    uint32_t              block;        /* open, or PV_NONE */
    uint32_t              rules;
    uint32_t              em, strong, code, link;
    uint32_t              cell_at;      /* where the open cell's text begins */
    unsigned              space:1;      /* one is due before the next character */
    unsigned              soft:1;       /* it is, or has, a line end */
    unsigned              verbatim:1;
    unsigned              row:1;
    unsigned              cell:1;
    unsigned              entity:1;
    unsigned              full:1;       /* no more blocks: what follows are lines of the last one */
    unsigned              line:1;       /* a new one is due */
    pv_run_t              space_run;    /* what the space looks like */
    int                   failed;
} pv_parse_t;

typedef enum {
    TAG_NONE, TAG_P, TAG_HEADING, TAG_UL, TAG_OL, TAG_LI, TAG_QUOTE, TAG_PRE, TAG_CODE, TAG_TABLE, TAG_HEAD,
    TAG_BODY, TAG_ROW, TAG_TH, TAG_TD, TAG_EM, TAG_STRONG, TAG_A, TAG_BR, TAG_HR
} pv_tag_kind_t;

typedef struct {
    pv_tag_kind_t  kind;
    uint32_t       level;
    int            end;
    pv_str_t       attributes;
} pv_tag_t;


/* As it is written between its quotes; empty when it is not there. */
pv_str_t pv_tag_attribute(const pv_tag_t *tag, const char *name);

/* What follows sets failed when memory runs out. soft: the space that is due is, or has, a line end. */
void pv_add_space(pv_parse_t *d, int soft);
void pv_add_text(pv_parse_t *d, const unsigned char *p, size_t len);
void pv_add_bytes(pv_parse_t *d, const unsigned char *p, size_t len, pv_run_t style);
pv_run_t pv_parse_style(const pv_parse_t *d);
void pv_open_node(pv_parse_t *d, pv_container_kind_t kind, uint32_t number);
void pv_close_node(pv_parse_t *d, pv_container_kind_t kind);
void pv_leave_to_flow(pv_parse_t *d);
/* NULL: failed. */
pv_block_t *pv_open_block(pv_parse_t *d, pv_block_kind_t kind);
void pv_close_block(pv_parse_t *d);
void pv_open_cell(pv_parse_t *d, const pv_tag_t *tag);
void pv_close_cell(pv_parse_t *d);

#endif /* PV_DIFF_PARSE_H */
