/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_REDLINE_H
#define PV_REDLINE_H

/*
 * A diff to read: as an HTML fragment for the centre's own pages, and as text
 * for a terminal.
 *
 * The fragment is the newer text with its structure, the older one's deletions
 * in their places: <ins> and <del> stand inside paragraphs, items and cells;
 * lists stay lists and tables stay tables. Its classes:
 *
 *   privacy-mark        span: "[inserted: " and the like, before and after what is marked. To be hidden
 *                       visually on a screen, shown in print and where colours are forced
 *   privacy-inserted    a block that is new as a whole      (on p, div, tr, h1 to h6, pre: a bar at its side)
 *   privacy-deleted     a block that is gone as a whole
 *   privacy-changed     a block with changes in it
 *   privacy-moved-from  a block where it was; its text is in <del>
 *   privacy-moved-to    the same where it is now; its text is in <ins class="privacy-moved">
 *   privacy-move        a: "moved to ..." and "moved from ...", first in the block, to the other place
 *   privacy-link        span: a note behind words that lead elsewhere now
 *   privacy-break       span: a paragraph's end that came or went, as a sign, in <ins> or <del>
 *   privacy-fold        details: what did not change. Within lists it is in li.privacy-fold-item, within
 *                       tables in tr.privacy-fold-row > td
 *
 * Ids: headings keep the newer text's privacy-section-N; privacy-move-N-from and
 * privacy-move-N-to are the two places of a move; privacy-change-N (from 1) is each
 * run of changed blocks, for links from one change to the next.
 */

#include "pv_diff.h"

#define PV_REDLINE_MAX  (64 * 1024 * 1024)

/*
 * In the reader's language, plain text. {n} is a number, {from} and {to} are
 * addresses. The marks carry their own brackets and spaces ("[inserted: " and
 * "]"), for they are read as they stand, in print too.
 */
typedef struct {
    pv_str_t  inserted, inserted_end;
    pv_str_t  deleted, deleted_end;
    pv_str_t  moved_from;           /* "Moved here from another place ({n})" */
    pv_str_t  moved_to;             /* "Moved to another place ({n})" */
    pv_str_t  link_changed;         /* "[link: now {to}, before {from}]" */
    pv_str_t  link_added;           /* "[link: now {to}, before none]" */
    pv_str_t  link_removed;         /* "[link: now none, before {from}]" */
    pv_str_t  unchanged;            /* "{n} unchanged paragraphs" */
    pv_str_t  unchanged_one;        /* "1 unchanged paragraph" */
} pv_redline_strings_t;

/* English, for a terminal and for tests. */
extern const pv_redline_strings_t  pv_redline_english;

typedef struct {
    const pv_redline_strings_t  *strings;       /* NULL: English */
    unsigned                     context;       /* unchanged paragraphs kept on each side of a change */
    unsigned                     fold;          /* runs of so many and more are folded; 0: none are */
    unsigned                     colour:1;      /* text only: ANSI colours instead of [-deleted-] and {+inserted+} */
} pv_redline_t;

#define PV_REDLINE_DEFAULT  { NULL, 1, 3, 0 }

/* Appends the fragment, UTF-8. changes (may be NULL): how many privacy-change-N there are. */
int pv_redline_html(pv_buf_t *out, const pv_diff_t *diff, const pv_redline_t *how, size_t *changes);

/*
 * Appends lines of text, a block a line, as long as they are: a terminal wraps
 * them. Folded runs are one line; headings are marked with #, items with their
 * bullet or number. Control characters of the texts do not get through.
 */
int pv_redline_text(pv_buf_t *out, const pv_diff_t *diff, const pv_redline_t *how);

#endif /* PV_REDLINE_H */
