/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* The document as it is being read: text, and the blocks, containers and cells that it stands in. */

#include <stdlib.h>
#include <string.h>

#include "pv_diff_parse.h"

#define PV_HASH_FACTOR  0x9e3779b97f4a7c15u


static int pv_wide(const unsigned char *p, const unsigned char *end);
static uint64_t pv_block_hash(const unsigned char *p, size_t len);


void
pv_add_space(pv_parse_t *d, int soft)
{
    if (!d->space) {
        d->space = 1;
        d->soft = 0;
        d->space_run = pv_parse_style(d);
    }

    d->soft |= soft;
}


/* Text, with the space that is due before it. Opens a block where none is open. */
void
pv_add_text(pv_parse_t *d, const unsigned char *p, size_t len)
{
    uint32_t              from;
    const unsigned char  *text, *before;

    if (d->row && !d->cell) {
        return;     /* between cells */
    }

    if (d->block == PV_NONE && pv_open_block(d, PV_BLOCK_TEXT) == NULL) {
        return;
    }

    if (d->line) {
        d->line = 0;
        d->space = 0;
        pv_add_bytes(d, (const unsigned char *) "\n", 1, pv_parse_style(d));
    }

    text = d->doc->text;
    from = d->row ? d->cell_at : d->doc->blocks[d->block].at;

    if (d->space && d->doc->len > from && text[d->doc->len - 1] != '\n') {

        for (before = text + d->doc->len - 1; before > text + from && (*before & 0xc0) == 0x80; before--) { /* void */ }

        /* As browsers take it: a line end between two wide characters is for the source only. */
        if (!d->soft || !pv_wide(before, text + d->doc->len) || !pv_wide(p, p + len)) {
            pv_add_bytes(d, (const unsigned char *) " ", 1, d->space_run);
        }
    }

    d->space = 0;
    pv_add_bytes(d, p, len, pv_parse_style(d));
}


void
pv_add_bytes(pv_parse_t *d, const unsigned char *p, size_t len, pv_run_t style)
{
    pv_run_t  *last;
    pv_doc_t  *doc = d->doc;

    last = doc->runs_count != 0 ? &doc->runs[doc->runs_count - 1] : NULL;

    if (last == NULL || last->style != style.style || last->link != style.link) {

        last = pv_more((void **) &doc->runs, &doc->runs_size, doc->runs_count, sizeof(pv_run_t));
        if (last == NULL) {
            d->failed = 1;
            return;
        }

        *last = style;
        last->at = doc->len;
        doc->runs_count++;
    }

    memcpy(doc->text + doc->len, p, len);
    doc->len += (uint32_t) len;
}


pv_run_t
pv_parse_style(const pv_parse_t *d)
{
    pv_run_t  run;

    run.at = 0;
    run.link = d->link;
    run.style = (d->em ? PV_STYLE_EM : 0) | (d->strong ? PV_STYLE_STRONG : 0) | (d->code ? PV_STYLE_CODE : 0)
                | (d->entity ? PV_STYLE_ENTITY : 0);

    return run;
}


/* Han, Kana and their punctuation, fullwidth forms. */
static int
pv_wide(const unsigned char *p, const unsigned char *end)
{
    uint32_t  c;

    if (end - p >= 4 && p[0] == 0xf0 && p[1] >= 0xa0) {
        return 1;
    }

    if (end - p < 3 || (p[0] & 0xf0) != 0xe0) {
        return 0;
    }

    c = (uint32_t) (p[0] & 0x0f) << 12 | (uint32_t) (p[1] & 0x3f) << 6 | (p[2] & 0x3f);

    return (c >= 0x2e80 && c < 0xa4d0) || (c >= 0xf900 && c < 0xfb00) || (c >= 0xff00 && c < 0xff61);
}


void
pv_open_node(pv_parse_t *d, pv_container_kind_t kind, uint32_t number)
{
    pv_doc_t        *doc = d->doc;
    pv_container_t  *node;

    if (doc->nodes_count != 0 && doc->nodes[d->node].depth == PV_DEPTH_MAX) {
        d->ignored++;
        return;
    }

    node = pv_more((void **) &doc->nodes, &doc->nodes_size, doc->nodes_count, sizeof(pv_container_t));
    if (node == NULL) {
        d->failed = 1;
        return;
    }

    node->kind = kind;
    node->number = number;
    node->parent = d->node;
    node->depth = doc->nodes_count == 0 ? 0 : doc->nodes[d->node].depth + 1;
    node->merged = PV_NONE;
    d->node = (uint32_t) doc->nodes_count++;
}


/* The innermost of this kind, and what is within it; an item only of the list that is open. */
void
pv_close_node(pv_parse_t *d, pv_container_kind_t kind)
{
    uint32_t         node;
    pv_container_t  *nodes = d->doc->nodes;

    if (d->ignored != 0 && kind != PV_NODE_LI) {
        d->ignored--;
        return;
    }

    for (node = d->node; node != 0; node = nodes[node].parent) {

        if (nodes[node].kind == kind) {
            d->node = nodes[node].parent;
            return;
        }

        if (kind == PV_NODE_LI && (nodes[node].kind == PV_NODE_UL || nodes[node].kind == PV_NODE_OL)) {
            return;
        }
    }
}


/* Out of lists and tables that are between two items or rows: only those may stand there. */
void
pv_leave_to_flow(pv_parse_t *d)
{
    pv_container_kind_t  kind;

    for (kind = d->doc->nodes[d->node].kind;
         kind != PV_NODE_ROOT && kind != PV_NODE_QUOTE && kind != PV_NODE_LI;
         kind = d->doc->nodes[d->node].kind)
    {
        d->node = d->doc->nodes[d->node].parent;
    }
}


pv_block_t *
pv_open_block(pv_parse_t *d, pv_block_kind_t kind)
{
    pv_doc_t    *doc = d->doc;
    pv_block_t  *block;

    if (d->full) {
        return &doc->blocks[d->block];
    }

    if (doc->blocks_count == PV_BLOCKS_MAX - 1) {
        d->full = 1;
        d->node = 0;
        kind = PV_BLOCK_TEXT;
    }

    if (kind != PV_BLOCK_ROW) {
        pv_leave_to_flow(d);
    }

    block = pv_more((void **) &doc->blocks, &doc->blocks_size, doc->blocks_count, sizeof(pv_block_t));
    if (block == NULL) {
        d->failed = 1;
        return NULL;
    }

    memset(block, 0, sizeof(pv_block_t));
    block->kind = kind;
    block->node = d->node;
    block->at = doc->len;
    block->run = (uint32_t) doc->runs_count;
    block->cell = (uint32_t) doc->cells_count;
    block->match = PV_NONE;
    block->rules = d->rules;
    d->block = (uint32_t) doc->blocks_count++;
    d->space = 0;

    return block;
}


/* A block without text is none, but for a row: its cells are there. */
void
pv_close_block(pv_parse_t *d)
{
    pv_doc_t    *doc = d->doc;
    pv_block_t  *block;

    if (d->block == PV_NONE) {
        return;
    }

    if (d->full) {
        d->line = doc->len > doc->blocks[d->block].at;
        d->verbatim = 0;
        return;
    }

    pv_close_cell(d);

    block = &doc->blocks[d->block];

    while (doc->len > block->at && doc->text[doc->len - 1] == '\n') {
        doc->len--;
    }

    block->len = doc->len - block->at;
    block->cells = (uint32_t) doc->cells_count - block->cell;
    d->block = PV_NONE;
    d->row = 0;
    d->space = 0;
    d->verbatim = 0;

    if (block->len == 0 && block->cells == 0) {
        doc->blocks_count--;
        return;
    }

    d->rules = 0;

    block->hash = pv_block_hash(doc->text + block->at, block->len);
    doc->text[doc->len++] = '\n';

    /* Runs do not reach from one block into the next: each has its first one. */
    if (block->run > 0 && (block->run == doc->runs_count || doc->runs[block->run].at > block->at)) {
        block->run--;
    }
}


void
pv_open_cell(pv_parse_t *d, const pv_tag_t *tag)
{
    pv_doc_t   *doc = d->doc;
    pv_str_t    class;
    pv_cell_t  *cell;

    pv_close_cell(d);

    if (doc->cells_count != doc->blocks[d->block].cell) {
        pv_add_bytes(d, (const unsigned char *) "\t", 1, pv_parse_style(d));
    }

    cell = pv_more((void **) &doc->cells, &doc->cells_size, doc->cells_count, sizeof(pv_cell_t));
    if (cell == NULL) {
        d->failed = 1;
        return;
    }

    class = pv_tag_attribute(tag, " class=\"");
    cell->at = doc->len;
    cell->len = 0;
    cell->header = tag->kind == TAG_TH;
    cell->align = pv_str_eqs(class, "privacy-right") ? 'r' : pv_str_eqs(class, "privacy-center") ? 'c' : 0;
    doc->cells_count++;
    d->cell_at = doc->len;
    d->cell = 1;
    d->space = 0;
}


void
pv_close_cell(pv_parse_t *d)
{
    pv_cell_t  *cell;

    if (!d->cell) {
        return;
    }

    cell = &d->doc->cells[d->doc->cells_count - 1];

    while (d->doc->len > cell->at && d->doc->text[d->doc->len - 1] == '\n') {
        d->doc->len--;
    }

    cell->len = d->doc->len - cell->at;
    d->cell = 0;
    d->space = 0;
}


static uint64_t
pv_block_hash(const unsigned char *p, size_t len)
{
    uint64_t  hash, word;

    for (hash = len; len >= 8; p += 8, len -= 8) {
        memcpy(&word, p, 8);
        hash = (hash ^ word) * PV_HASH_FACTOR;
        hash ^= hash >> 32;
    }

    word = 0;
    memcpy(&word, p, len);
    hash = (hash ^ word) * PV_HASH_FACTOR;

    return hash ^ (hash >> 32);
}
