/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pv_html_token.h"


#define HEAD      PV_ELEMENT_HEAD
#define VOID      PV_ELEMENT_VOID
#define RAW       PV_ELEMENT_RAW
#define UNMARKED  PV_ELEMENT_UNMARKED
#define BREAKOUT  PV_ELEMENT_BREAKOUT
#define SOURCE    PV_ELEMENT_SOURCE

typedef struct {
    char           name[PV_HTML_NAME_MAX];
    unsigned char  len;
    unsigned char  tag;
    unsigned char  flags;
} pv_html_element_t;

#define element(name, tag, flags)  { name, sizeof(name) - 1, PV_TAG_ ## tag, flags }
#define last                       { "", 0, PV_TAG_OTHER, 0 }


/* By first letter, usual ones first; only elements that differ from any other. */
static const pv_html_element_t  none[] = { last };

static const pv_html_element_t  of_a[] = {
    element("area", OTHER, VOID), element("audio", AUDIO, SOURCE), last
};

static const pv_html_element_t  of_b[] = {
    element("br", BR, VOID|BREAKOUT), element("b", OTHER, BREAKOUT), element("body", BODY, BREAKOUT),
    element("base", OTHER, HEAD|VOID), element("basefont", OTHER, HEAD|VOID),
    element("bgsound", OTHER, HEAD|VOID), element("big", OTHER, BREAKOUT),
    element("blockquote", OTHER, BREAKOUT), last
};

static const pv_html_element_t  of_c[] = {
    element("center", OTHER, BREAKOUT), element("code", OTHER, BREAKOUT), element("col", OTHER, VOID),
    element("colgroup", OTHER, UNMARKED), last
};

static const pv_html_element_t  of_d[] = {
    element("div", OTHER, BREAKOUT), element("dd", OTHER, BREAKOUT), element("dt", OTHER, BREAKOUT),
    element("desc", DESC, 0), element("dl", OTHER, BREAKOUT), last
};

static const pv_html_element_t  of_e[] = {
    element("em", OTHER, BREAKOUT), element("embed", EMBED, VOID|BREAKOUT|SOURCE), last
};

static const pv_html_element_t  of_f[] = {
    element("foreignobject", FOREIGNOBJECT, 0), element("frame", OTHER, VOID),
    element("frameset", FRAMESET, UNMARKED), last
};

static const pv_html_element_t  of_h[] = {
    element("h2", OTHER, BREAKOUT), element("h3", OTHER, BREAKOUT),
    element("head", HEAD, UNMARKED|BREAKOUT), element("html", HTML, UNMARKED),
    element("h1", OTHER, BREAKOUT), element("h4", OTHER, BREAKOUT), element("h5", OTHER, BREAKOUT),
    element("h6", OTHER, BREAKOUT), element("hr", OTHER, VOID|BREAKOUT), last
};

static const pv_html_element_t  of_i[] = {
    element("img", IMG, VOID|BREAKOUT|SOURCE), element("i", OTHER, BREAKOUT), element("input", OTHER, VOID),
    element("iframe", IFRAME, RAW|SOURCE), element("image", IMG, VOID|SOURCE), last
};

static const pv_html_element_t  of_k[] = {
    element("keygen", OTHER, VOID), last
};

static const pv_html_element_t  of_l[] = {
    element("li", OTHER, BREAKOUT), element("link", LINK, HEAD|VOID|SOURCE),
    element("listing", OTHER, BREAKOUT), last
};

static const pv_html_element_t  of_m[] = {
    element("meta", OTHER, HEAD|VOID|BREAKOUT), element("math", MATH, UNMARKED),
    element("menu", OTHER, BREAKOUT), element("mi", MI, 0), element("mn", MN, 0), element("mo", MO, 0),
    element("ms", MS, 0), element("mtext", MTEXT, 0), last
};

static const pv_html_element_t  of_n[] = {
    element("noscript", NOSCRIPT, HEAD|RAW), element("nobr", OTHER, BREAKOUT),
    element("noembed", NOEMBED, RAW), element("noframes", NOFRAMES, HEAD|RAW), last
};

static const pv_html_element_t  of_o[] = {
    element("option", OTHER, UNMARKED), element("ol", OTHER, BREAKOUT), element("object", OBJECT, SOURCE),
    element("optgroup", OTHER, UNMARKED), last
};

static const pv_html_element_t  of_p[] = {
    element("p", P, BREAKOUT), element("param", OTHER, VOID), element("plaintext", PLAINTEXT, UNMARKED),
    element("pre", OTHER, BREAKOUT), last
};

static const pv_html_element_t  of_r[] = {
    element("ruby", OTHER, BREAKOUT), last
};

static const pv_html_element_t  of_s[] = {
    element("span", OTHER, BREAKOUT), element("script", SCRIPT, HEAD|RAW|SOURCE),
    element("strong", OTHER, BREAKOUT), element("style", STYLE, HEAD|RAW), element("s", OTHER, BREAKOUT),
    element("select", OTHER, UNMARKED), element("small", OTHER, BREAKOUT),
    element("source", SOURCE, VOID|SOURCE), element("strike", OTHER, BREAKOUT),
    element("sub", OTHER, BREAKOUT), element("sup", OTHER, BREAKOUT), element("svg", SVG, UNMARKED), last
};

static const pv_html_element_t  of_t[] = {
    element("tr", OTHER, UNMARKED), element("title", TITLE, HEAD|RAW),
    element("table", OTHER, UNMARKED|BREAKOUT), element("tbody", OTHER, UNMARKED),
    element("template", TEMPLATE, HEAD|UNMARKED), element("textarea", TEXTAREA, RAW),
    element("tfoot", OTHER, UNMARKED), element("thead", OTHER, UNMARKED), element("track", OTHER, VOID),
    element("tt", OTHER, BREAKOUT), last
};

static const pv_html_element_t  of_u[] = {
    element("ul", OTHER, BREAKOUT), element("u", OTHER, BREAKOUT), last
};

static const pv_html_element_t  of_v[] = {
    element("var", OTHER, BREAKOUT), element("video", VIDEO, SOURCE), last
};

static const pv_html_element_t  of_w[] = {
    element("wbr", OTHER, VOID), last
};

static const pv_html_element_t  of_x[] = {
    element("xmp", XMP, RAW), last
};

static const pv_html_element_t *const  by_letter[26] = {
    of_a, of_b, of_c, of_d, of_e, of_f, none, of_h, of_i, none, of_k, of_l, of_m,
    of_n, of_o, of_p, none, of_r, of_s, of_t, of_u, of_v, of_w, of_x, none, none
};


pv_html_tag_t
pv_html_element(const unsigned char *name, size_t len, unsigned *flags)
{
    unsigned                  letter;
    const pv_html_element_t  *e;

    letter = (unsigned) name[0] - 'a';
    e = letter < 26 ? by_letter[letter] : none;

    /* of a constant size: two comparisons of words, no call */

    while (e->len != 0 && (e->len != len || memcmp(e->name, name, PV_HTML_NAME_MAX) != 0)) {
        e++;
    }

    *flags = e->flags;

    return (pv_html_tag_t) e->tag;
}
