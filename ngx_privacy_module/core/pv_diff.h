/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_DIFF_H
#define PV_DIFF_H

/*
 * What changed between two versions of a text in one language.
 *
 * Compared is the plain text of what pv_markdown_html() made: one block (a
 * heading, a paragraph, a list item's text, a table row, code) after another,
 * each ended by "\n"; a row's cells are parted by "\t", a forced line break is
 * "\n", white space is one space (outside code). Formatting is no text. Where
 * a link leads is none either, but it is substance: see pv_diff_link_t.
 *
 * First blocks are matched, then words within matched blocks: words in scripts
 * that have spaces, characters (grapheme clusters) in those that have none.
 * No operation begins or ends within a cluster.
 *
 * Work is metered. Past the limit, what is not compared yet is said block by
 * block: longer, and as correct. Past 32768 blocks the rest of a text is one
 * block of many lines. Memory is bounded by the size of the texts
 * (some 20 bytes for each byte of changed text).
 */

#include "pv_bytes.h"

/* Of each text: what pv_markdown_html() gives at most. */
#define PV_DIFF_HTML_MAX  (8 * 1024 * 1024)

/* Enough for anything that people write; some 100 ms on a slow core when all of it is used. */
#define PV_DIFF_WORK      (12 * 1000 * 1000)

#define PV_DIFF_JSON_MAX  (64 * 1024 * 1024)

typedef struct pv_diff_s  pv_diff_t;

typedef enum {
    PV_DIFF_EQUAL,          /* A's bytes at a are B's bytes at b */
    PV_DIFF_DELETE,
    PV_DIFF_INSERT,
    PV_DIFF_MOVE_FROM,      /* a block that stands elsewhere in B: a mark, covers what MOVE_TO and DELETE say of it */
    PV_DIFF_MOVE_TO         /* A's bytes at a, out of turn, are B's bytes at b */
} pv_diff_kind_t;

/*
 * In the order of B, what was deleted in its place between. Every byte of B
 * is in exactly one EQUAL, INSERT or MOVE_TO, every byte of A in exactly one
 * EQUAL, DELETE or MOVE_TO. A moved block that was also edited is several
 * operations with the same move number.
 */
typedef struct {
    pv_diff_kind_t  kind;
    uint32_t        move;       /* from 1; 0: not part of a move */
    uint32_t        a, a_len;   /* bytes of A's plain text; a_len 0 for INSERT */
    uint32_t        b, b_len;   /* bytes of B's plain text; b_len 0 for DELETE and MOVE_FROM */
} pv_diff_op_t;

/* The same words, leading elsewhere; from or to is empty where there was or is no link. */
typedef struct {
    uint32_t  a, b, len;
    pv_str_t  from, to;
} pv_diff_link_t;

typedef struct {
    /* Characters are code points. moved: counted once, and neither inserted nor deleted. */
    size_t    inserted, deleted, moved;
    size_t    characters[2];        /* in A and in B */
    size_t    blocks_unchanged, blocks_changed, blocks_inserted, blocks_deleted, blocks_moved;
    size_t    links;
    uint64_t  work;                 /* spent */
    unsigned  limited:1;            /* the limit was reached: some blocks were not compared by word */
} pv_diff_stats_t;

/*
 * The HTML has to be pv_markdown_html()'s (anything else gives a diff of what
 * could be made of it) and is not needed afterwards. work: how much to spend,
 * PV_DIFF_WORK or what is right for the caller. PV_INVALID: larger than
 * PV_DIFF_HTML_MAX.
 */
int pv_diff_create(pv_diff_t **diff, pv_str_t a_html, pv_str_t b_html, uint64_t work);
void pv_diff_free(pv_diff_t *diff);

/* Borrowed from the diff. side: 0 for A, 1 for B. */
pv_str_t pv_diff_text(const pv_diff_t *diff, int side);
const pv_diff_op_t *pv_diff_ops(const pv_diff_t *diff, size_t *n);
const pv_diff_link_t *pv_diff_links(const pv_diff_t *diff, size_t *n);
const pv_diff_stats_t *pv_diff_stats(const pv_diff_t *diff);
/* 1: the texts are the same, and so are the links. */
int pv_diff_same(const pv_diff_t *diff);

/*
 * Appends what the script makes of text: B's plain text when it is A's, and
 * the other way round when reverse. PV_INVALID when the text does not fit.
 */
int pv_diff_apply(pv_buf_t *out, const pv_diff_t *diff, pv_str_t text, int reverse);

/*
 * The script as a JSON object, without what the caller knows of the versions:
 *
 *   {"unit":"bytes","same":false,"limited":false,
 *    "characters":{"a":N,"b":N,"inserted":N,"deleted":N,"moved":N},
 *    "blocks":{"unchanged":N,"changed":N,"inserted":N,"deleted":N,"moved":N},
 *    "links":[{"a":0,"b":0,"length":4,"from":"/x","to":"/y"}],
 *    "script":[{"op":"equal","a":0,"b":0,"length":12},
 *              {"op":"delete","a":12,"length":3,"text":"old"},
 *              {"op":"insert","b":12,"length":3,"text":"new"},
 *              {"op":"move_from","a":20,"length":80,"move":1},
 *              {"op":"move_to","a":20,"b":400,"length":80,"move":1}]}
 *
 * Offsets are bytes of UTF-8. The script alone turns A's plain text into B's
 * and back; text stands where it cannot be taken from the other side.
 */
int pv_diff_json(pv_buf_t *out, const pv_diff_t *diff);

#endif /* PV_DIFF_H */
