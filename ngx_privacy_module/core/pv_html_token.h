/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_HTML_TOKEN_H
#define PV_HTML_TOKEN_H

/*
 * Between the files of the HTML machine only: pv_html.c hands out bytes and
 * events and knows where an insertion may go; pv_html_token.c reads tags and
 * text, pv_html_attribute.c, pv_html_comment.c and pv_html_raw.c (scripts and
 * the like) what their names say; pv_html_tag.c knows the elements; pv_html_skip.c and
 * pv_html_scan.c skip fast what cannot matter: a tag's attributes, and ordinary
 * text with ordinary tags. pv_html_search.c looks for a name alone.
 */

#include "pv_html.h"

/* Nobody outside of the library calls these: in a shared object they are called directly. */
#pragma GCC visibility push(hidden)

typedef enum {
    PV_TAG_OTHER, PV_TAG_HTML, PV_TAG_HEAD, PV_TAG_BODY, PV_TAG_FRAMESET, PV_TAG_BR, PV_TAG_P,
    PV_TAG_TEMPLATE, PV_TAG_NOSCRIPT, PV_TAG_SCRIPT, PV_TAG_STYLE, PV_TAG_TITLE, PV_TAG_TEXTAREA,
    PV_TAG_XMP, PV_TAG_IFRAME,
    PV_TAG_NOEMBED, PV_TAG_NOFRAMES, PV_TAG_PLAINTEXT, PV_TAG_SVG, PV_TAG_MATH, PV_TAG_FOREIGNOBJECT,
    PV_TAG_DESC, PV_TAG_MI, PV_TAG_MO, PV_TAG_MN, PV_TAG_MS, PV_TAG_MTEXT, PV_TAG_IMG, PV_TAG_EMBED,
    PV_TAG_OBJECT, PV_TAG_VIDEO, PV_TAG_AUDIO, PV_TAG_SOURCE, PV_TAG_LINK
} pv_html_tag_t;

#define PV_ELEMENT_HEAD      0x01   /* belongs into a head: opens no body */
#define PV_ELEMENT_VOID      0x02   /* has no content */
#define PV_ELEMENT_RAW       0x04   /* its content is text up to its own end tag */
#define PV_ELEMENT_UNMARKED  0x08   /* nothing can be put right behind its start tag */
#define PV_ELEMENT_BREAKOUT  0x10   /* ends svg and math around it */
#define PV_ELEMENT_SOURCE    0x20   /* loads something */

/* name: PV_HTML_NAME_MAX bytes, len of them in lower case, the others zero. */
pv_html_tag_t pv_html_element(const unsigned char *name, size_t len, unsigned *flags);

typedef enum { PV_MODE_BEFORE_HEAD, PV_MODE_IN_HEAD, PV_MODE_AFTER_HEAD, PV_MODE_IN_BODY, PV_MODE_FRAMESET }
    pv_html_mode_t;

typedef enum {
    PV_S_BOM, PV_S_DATA, PV_S_TAG_OPEN, PV_S_END_TAG_OPEN, PV_S_TAG_NAME, PV_S_BEFORE_ATTRIBUTE,
    PV_S_ATTRIBUTE_NAME, PV_S_AFTER_ATTRIBUTE_NAME, PV_S_BEFORE_VALUE, PV_S_VALUE_DOUBLE, PV_S_VALUE_SINGLE,
    PV_S_VALUE_UNQUOTED, PV_S_AFTER_VALUE, PV_S_SELF_CLOSING, PV_S_MARKUP, PV_S_BOGUS_COMMENT,
    PV_S_COMMENT_START, PV_S_COMMENT_START_DASH, PV_S_COMMENT, PV_S_COMMENT_DASH, PV_S_COMMENT_END,
    PV_S_COMMENT_BANG, PV_S_CDATA, PV_S_RAW, PV_S_RAW_OPEN, PV_S_RAW_END_NAME, PV_S_SCRIPT_BANG,
    PV_S_SCRIPT_NAME, PV_S_PLAINTEXT
} pv_html_state_t;

/* Reads on until the piece is used up or something is due. */
void pv_html_read(pv_html_t *h);

/* One step of it: the states of each. */
void pv_html_step_tag(pv_html_t *h);
void pv_html_step_markup(pv_html_t *h);
void pv_html_step_comment(pv_html_t *h);
void pv_html_cdata(pv_html_t *h);
void pv_html_step_raw(pv_html_t *h);

/* pos: at the '<'. */
void pv_html_tag_start(pv_html_t *h);
/* pos: behind the '>'. */
void pv_html_tag_complete(pv_html_t *h);
/* The innermost of what we follow is svg or math, not HTML inside of it. */
int pv_html_foreign(const pv_html_t *h);

/* Where insertions go. The flags are the element's. */
int pv_html_seeking(const pv_html_t *h);
int pv_html_in_template(const pv_html_t *h);
void pv_html_place_text(pv_html_t *h, int at_tag);
void pv_html_place_tag(pv_html_t *h, pv_html_tag_t tag, unsigned flags);
void pv_html_no_place(pv_html_t *h);

#define PV_ATTRIBUTE_MARK    1
#define PV_ATTRIBUTE_SOURCE  2

/* What ends a name: 1 white space, 2 '/' and '>', 4 '=' (of an attribute only). */
extern const unsigned char  pv_html_ends_name[256];

/*
 * Reads the name of a tag, of which pos is the first byte, into h->name and
 * name_len, as far as there is room. Returns what ends it, or end.
 */
const unsigned char *pv_html_read_name(pv_html_t *h, const unsigned char *pos);

#define pv_html_is_space(ch)   (pv_html_ends_name[ch] & 1)
#define pv_html_is_letter(ch)  ((unsigned) (((ch) | 0x20) - 'a') < 26)
#define pv_html_lower(ch)      ((unsigned char) ((unsigned) ((ch) - 'A') < 26 ? (ch) | 0x20 : (ch)))

#define PV_SKIPPED_SELF_CLOSING  0x01
#define PV_SKIPPED_MARK          0x02   /* an attribute that may be data-privacy: read the tag with care */

/*
 * p: in a tag, right behind its name. Returns where the tag is over, or NULL
 * when that is not before end. Reads exactly as the tokenizer does.
 */
const unsigned char *pv_html_skip_attributes(const unsigned char *p, const unsigned char *end, unsigned *found);

/*
 * p: between tags of a head, outside template. Returns the first byte that has
 * to be read with care, or end: behind white space and what a head mostly
 * holds (meta, link, title, script, style), as far as that is complete.
 */
const unsigned char *pv_html_skip_head(const unsigned char *p, const unsigned char *end);

/*
 * From pos, in the text of a body outside svg, math and template: the next '<'
 * that has to be read with care, or end. Everything before it is ordinary text
 * and complete ordinary tags. Correct but needless stops are harmless.
 */
const unsigned char *pv_html_scan(const unsigned char *pos, const unsigned char *end, unsigned want);

/* The first "data-privacy" in any case, or NULL. */
const unsigned char *pv_html_find_mark(const unsigned char *pos, const unsigned char *end);

/*
 * For tests and benchmarks: "avx2", "sse2", "portable", or NULL for the best
 * that the machine has; "none" turns all fast paths off: the reference that
 * they are compared with. Returns 0 when this machine has not got it. Not
 * thread-safe.
 */
int pv_html_scan_use(const char *name);
void pv_html_search_use(const char *name);      /* is called by it */
extern int  pv_html_exact;      /* "none" */

#pragma GCC visibility pop

#endif /* PV_HTML_TOKEN_H */
