/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_HTML_H
#define PV_HTML_H

/*
 * The HTML machine: reads a page as it streams by, as browsers read it, and
 * says where something is to be put. It copies nothing and keeps constant
 * memory; what it hands out is, in order, exactly the bytes that it was given
 * (P7), cut at the places where the caller inserts.
 *
 * Use, for each piece of the body:
 *
 *     pv_html_feed(&h, data, len, last);
 *     while ((event = pv_html_next(&h, &piece)) != PV_HTML_MORE) {
 *         switch (event) {
 *         case PV_HTML_BYTES:  pass piece on             (see held below)
 *         case PV_HTML_HEAD_START: ... insert here
 *         case PV_HTML_REST:   nothing further is sought: pass the rest of this
 *                              piece and all later ones on without feeding them
 *         }
 *     }
 *
 * Held bytes. Where an insertion may have to go before a tag whose name is not
 * complete at the end of a piece, the machine keeps those few bytes (at most
 * PV_HTML_HELD_MAX) and hands them out later from its own memory: piece then
 * points into the machine (piece_is_held is 1) and must be copied by the
 * caller before the next call. pv_html_held() says how many it keeps now;
 * pv_html_flush() gives them up (a slow upstream: nothing may wait), after
 * which the insertion takes the next good place. They come out of the next call
 * of pv_html_next().
 *
 * A document that ends inside a tag, a comment or raw text (cut off on its
 * way) gets no insertion there: it would not be read as one.
 */

#include "pv_bytes.h"

#define PV_HTML_HELD_MAX    16
#define PV_HTML_SOURCE_MAX  512     /* bytes of a source attribute that are kept for judging */

/* What is sought. */
#define PV_HTML_WANT_HEAD    0x01   /* the start of the head */
#define PV_HTML_WANT_BODY    0x02   /* the start of the body */
#define PV_HTML_WANT_END     0x04   /* before the last good place at the end of the body */
#define PV_HTML_WANT_MARKED  0x08   /* right after start tags with data-privacy="..." */
#define PV_HTML_WANT_SOURCES 0x10   /* seam: elements that load a source (script iframe img ...) */

typedef enum {
    PV_HTML_MORE,           /* the piece is used up */
    PV_HTML_BYTES,          /* hand these on */
    PV_HTML_HEAD_START,     /* insert: right after <head ...>, else where the head is implied */
    PV_HTML_BODY_START,     /* insert: right after <body ...>, else before what opens an implied body */
    PV_HTML_BODY_END,       /* insert: before </body>, else at the end */
    PV_HTML_MARKED,         /* insert: right after the start tag; h->marked says which */
    PV_HTML_SOURCE,         /* seam: a source element was read; details in h->source */
    PV_HTML_REST            /* nothing further is sought; piece: what is left of this one, maybe nothing */
} pv_html_event_t;

typedef enum { PV_MARKED_NONE, PV_MARKED_POLICY, PV_MARKED_COOKIES, PV_MARKED_SETTINGS, PV_MARKED_VERSION,
    PV_MARKED_CHANGES } pv_html_marked_t;

typedef struct pv_html_s  pv_html_t;

/* An element that loads something, as it was read: what a later rewriting of sources will start from. */
typedef struct {
    unsigned       tag;                         /* pv_html_tag_t, see pv_html_token.h */
    size_t         len;                         /* of url */
    unsigned       truncated:1;                 /* the URL is longer */
    unsigned char  url[PV_HTML_SOURCE_MAX];     /* as written: entities not decoded */
} pv_html_source_t;

#define PV_HTML_NAME_MAX     16     /* of a tag's name; longer ones are none of ours */
#define PV_HTML_CONTEXT_MAX  16     /* nested svg, math, template; deeper: nothing is marked any more */
#define PV_HTML_VALUE_MAX    10     /* of data-privacy */

/* Callers allocate it and read `marked`, `source` and `piece_is_held`; the rest is the machine's own. */
struct pv_html_s {
    pv_html_marked_t      marked;           /* of the last PV_HTML_MARKED */
    unsigned              piece_is_held;    /* the last piece lies in the machine: copy it first */

    unsigned              want;
    unsigned              found;            /* PV_HTML_WANT_*: what was handed out */

    const unsigned char  *pos;              /* next byte to read */
    const unsigned char  *end;
    const unsigned char  *out;              /* next byte to hand out */
    const unsigned char  *cut;              /* where `pending` is due */
    const unsigned char  *tag;              /* '<' of the tag being read; NULL: not in this piece */

    unsigned char         pending;          /* PV_HTML_WANT_*: due at cut, lowest bit first */
    unsigned char         late;             /* due at the next good place: their own was flushed away */
    unsigned char         after_tag;        /* due once the tag is complete */
    unsigned char         state;
    unsigned char         mode;             /* how far the document is: before head ... in body */
    unsigned char         last:1;
    unsigned char         ended:1;
    unsigned char         held_release:1;
    unsigned char         tag_flushed:1;
    unsigned char         tag_decided:1;
    unsigned char         end_tag:1;
    unsigned char         self_closing:1;
    unsigned char         closed_to_marks:1;

    unsigned char         rest_given:1;

    unsigned char         tag_id;
    unsigned char         flags;            /* of its element */
    unsigned char         raw;              /* tag of the raw text being read */
    unsigned char         step;             /* progress inside a state: dashes, matched bytes */
    unsigned char         escape;           /* of a script: none, escaped, double escaped */
    unsigned char         attribute;        /* the one being read: none of ours, data-privacy, a source */
    unsigned char         seen;             /* of them, which were complete: the first one counts */

    unsigned char         name_len;
    unsigned char         value_len;
    unsigned char         context_len;
    unsigned char         held_len;
    unsigned char         name[PV_HTML_NAME_MAX];
    unsigned char         value[PV_HTML_VALUE_MAX];
    unsigned char         context[PV_HTML_CONTEXT_MAX];
    unsigned char         held[PV_HTML_HELD_MAX];

    pv_html_source_t      source;
};

void pv_html_init(pv_html_t *h, unsigned want);
void pv_html_feed(pv_html_t *h, const unsigned char *data, size_t len, int last);
pv_html_event_t pv_html_next(pv_html_t *h, pv_str_t *piece);
size_t pv_html_held(const pv_html_t *h);
void pv_html_flush(pv_html_t *h);
/* 1 when the document turned out to be a frameset: nothing was or will be inserted in a body. */
int pv_html_is_frameset(const pv_html_t *h);

/*
 * Looking ahead. Marked elements are rare, and searching bytes for the name of
 * the attribute is many times faster than reading them as HTML: a caller who
 * has all the rest of a page at hand can find out that nothing in it is marked.
 */

/* 1 when nothing else is sought, and no tag is being read; *left: what is left of the piece that was fed. */
int pv_html_only_marks(const pv_html_t *h, pv_str_t *left);
/* The caller knows that no further element is marked. */
void pv_html_no_marks(pv_html_t *h);

#define PV_HTML_MARK_LEN  (sizeof("data-privacy") - 1)

typedef struct {
    size_t         found;       /* bytes that were searched up to the end of the name, when it was found */
    size_t         seam_len;
    unsigned char  seam[2 * (PV_HTML_MARK_LEN - 1)];    /* the last bytes before a piece, and its first ones */
} pv_html_search_t;

void pv_html_search_init(pv_html_search_t *s);
/* Searches the next piece, and across its beginning. 1: the name is there, in whatever context. */
int pv_html_search(pv_html_search_t *s, pv_str_t piece);

#endif /* PV_HTML_H */
