/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_DIFF_DOC_H
#define PV_DIFF_DOC_H

/* What the sources behind pv_diff.h and pv_redline.h share; nobody else includes it. */

#include "pv_arena.h"
#include "pv_diff.h"

#define PV_NONE        UINT32_MAX
#define PV_DEPTH_MAX   64           /* containers within each other; deeper ones are not told apart */
#define PV_BLOCKS_MAX  32768         /* of a text; what follows is told apart by lines only */


/* A container instance: a tree by parent, 0 is the root. */
typedef enum {
    PV_NODE_ROOT, PV_NODE_QUOTE, PV_NODE_UL, PV_NODE_OL, PV_NODE_LI, PV_NODE_TABLE, PV_NODE_HEAD, PV_NODE_BODY
} pv_container_kind_t;

typedef struct {
    pv_container_kind_t  kind;
    uint32_t        parent;
    uint32_t        depth;          /* the root's is 0 */
    uint32_t        number;         /* OL: of its next item; LI in an OL: its own */
    uint32_t        merged;         /* which container of the merged text this is */
} pv_container_t;


typedef enum { PV_BLOCK_TEXT, PV_BLOCK_P, PV_BLOCK_HEADING, PV_BLOCK_CODE, PV_BLOCK_ROW } pv_block_kind_t;

typedef struct {
    pv_block_kind_t  kind;
    uint32_t         level;         /* of a heading */
    uint32_t         section;       /* of a heading: N of privacy-section-N; 0: none */
    uint32_t         rules;         /* <hr> before it */
    uint32_t         node;
    uint32_t         at, len;       /* in the text; the "\n" behind it not counted */
    uint32_t         run;           /* the first one that reaches into it */
    uint32_t         cell, cells;   /* of a row */
    uint32_t         class;         /* the same for blocks with the same text, in both documents */
    uint32_t         token, tokens;
    uint32_t         match;         /* the block of the other document, or PV_NONE */
    uint32_t         move;          /* match is elsewhere: number of the move */
    uint32_t         joined;        /* 1: goes on where the block before it ends: its match is that one's */
    uint64_t         hash;
} pv_block_t;

/* From at to the next one's at, text looks the same. */
#define PV_STYLE_EM      0x01u
#define PV_STYLE_STRONG  0x02u
#define PV_STYLE_CODE    0x04u
#define PV_STYLE_ENTITY  0x08u      /* an entity that the browser reads */

typedef struct {
    uint32_t  at;
    uint32_t  style;
    uint32_t  link;                 /* 0: none; else in links, for both documents */
} pv_run_t;

typedef struct {
    uint32_t  at, len;
    uint8_t   header;
    uint8_t   align;                /* 'r', 'c' or 0 */
} pv_cell_t;

typedef enum {
    PV_TOKEN_WORD, PV_TOKEN_CHARACTER,              /* in scripts with spaces, and without */
    PV_TOKEN_OPEN, PV_TOKEN_CLAUSE, PV_TOKEN_STOP, PV_TOKEN_OTHER
} pv_diff_token_kind_t;

/* White space is no token: it lies between them. */
typedef struct {
    uint32_t  at, len;
    uint32_t  id;                   /* the same for the same bytes, in both documents */
    uint16_t  characters;           /* code points, at most 65535 */
    uint8_t   kind;
} pv_diff_token_t;

typedef struct {
    unsigned char  *text;           /* plain */
    uint32_t        len;
    pv_container_t      *nodes;
    pv_block_t     *blocks;
    pv_run_t       *runs;
    pv_cell_t      *cells;
    pv_diff_token_t     *tokens;
    size_t          nodes_count, nodes_size;
    size_t          blocks_count, blocks_size;
    size_t          runs_count, runs_size;
    size_t          cells_count, cells_size;
    size_t          tokens_count, tokens_size;
} pv_doc_t;

/* Addresses, without escapes; each once. */
typedef struct {
    pv_str_t   *list;               /* the first is empty: no link */
    size_t      count, size;
    pv_arena_t  memory;
} pv_links_t;

typedef struct {
    uint64_t  spent, limit;
    int       over;                 /* stays 1 */
} pv_work_t;


/* One line of the merged text. */
typedef enum {
    PV_ITEM_SAME, PV_ITEM_CHANGED, PV_ITEM_DELETED, PV_ITEM_INSERTED, PV_ITEM_MOVED_FROM, PV_ITEM_MOVED_TO
} pv_item_kind_t;

typedef struct {
    pv_item_kind_t  kind;
    uint32_t        a, b;           /* blocks; PV_NONE */
    uint32_t        move;
    uint32_t        op, ops;        /* of pv_diff_t.ops; what is outside of the bytes below is another item's */
    uint32_t        a_at, a_end;    /* bytes of A and of B, without the line end */
    uint32_t        b_at, b_end;
    uint32_t        broken;         /* 1: the next item is the rest of what was one block */
    uint32_t        pair, pairs;    /* of pv_diff_t.pairs: a row's cells */
    uint32_t        links;          /* how many links changed in it */
} pv_item_t;

/* A row's cell, by number within its row; PV_NONE on one side: only on the other. */
typedef struct {
    uint32_t  a, b;
} pv_pair_t;

struct pv_diff_s {
    pv_doc_t         doc[2];
    pv_links_t       links;
    pv_work_t        work;
    pv_item_t       *items;
    pv_diff_op_t    *ops;           /* an item's together */
    pv_diff_op_t    *script;        /* neighbours joined */
    pv_pair_t       *pairs;
    pv_diff_link_t  *changed;
    size_t           items_count, items_size;
    size_t           ops_count, ops_size;
    size_t           script_count, script_size;
    size_t           pairs_count, pairs_size;
    size_t           changed_count, changed_size;
    uint32_t         merged;        /* containers of the merged text */
    pv_diff_stats_t  stats;
};


/* Makes room for one more element; NULL when memory ran out. */
void *pv_more(void **list, size_t *size, size_t count, size_t element);

/* pv_diff_doc.c, with pv_diff_block.c: doc is zeroed. */
int pv_doc_parse(pv_doc_t *doc, pv_links_t *links, pv_str_t html);
void pv_doc_free(pv_doc_t *doc);

/* pv_diff_token.c. Both documents share one interner. */
typedef struct pv_intern_s  pv_intern_t;

pv_intern_t *pv_intern_create(size_t words);
void pv_intern_free(pv_intern_t *intern);
int pv_doc_tokens(pv_doc_t *doc, uint32_t block, pv_intern_t *intern);
/* Where the grapheme cluster that begins at p ends; first: its first code point. */
const unsigned char *pv_cluster_end(const unsigned char *p, const unsigned char *end, int32_t *first);

/*
 * pv_diff_sequence.c: sets the flags of what is not common to both. Minimal as
 * long as no part needs more than some 2000 edits and the work that is left is
 * ample; then good, and cheap. Once the work is over, the rest is flagged.
 */
int pv_sequence_diff(const uint32_t *a, size_t n, const uint32_t *b, size_t m, uint8_t *a_changed,
    uint8_t *b_changed, pv_work_t *work);

/* pv_diff_match.c: sets class, match and move of the blocks. */
int pv_diff_match(pv_diff_t *diff);

/*
 * pv_diff_words.c: appends the operations of two matched blocks (pairs too,
 * for rows). a_last, b_last: the item's own blocks, or the last ones that are
 * joined with these.
 */
int pv_diff_words(pv_diff_t *diff, pv_item_t *item, uint32_t a_last, uint32_t b_last);

/* pv_diff_containers.c: sets merged of the containers, by the items. */
void pv_diff_containers(pv_diff_t *diff);

/* Appends an operation, joined with the one before where it goes on from it. */
int pv_diff_add(pv_diff_t *diff, const pv_item_t *item, pv_diff_op_t op);

#endif /* PV_DIFF_DOC_H */
