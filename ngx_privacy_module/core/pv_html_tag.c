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
    char           name[15];
    unsigned char  len;
    unsigned char  tag;
    unsigned char  flags;
} pv_html_element_t;

#define element(name, tag, flags)  { name, sizeof(name) - 1, PV_TAG_ ## tag, flags }


/* By first letter; only elements that differ from any other. */
static const pv_html_element_t  elements[] = {
    element("area", OTHER, VOID), element("audio", AUDIO, SOURCE),
    element("b", OTHER, BREAKOUT), element("base", OTHER, HEAD|VOID), element("basefont", OTHER, HEAD|VOID),
    element("bgsound", OTHER, HEAD|VOID), element("big", OTHER, BREAKOUT),
    element("blockquote", OTHER, BREAKOUT), element("body", BODY, BREAKOUT), element("br", BR, VOID|BREAKOUT),
    element("center", OTHER, BREAKOUT), element("code", OTHER, BREAKOUT), element("col", OTHER, VOID),
    element("colgroup", OTHER, UNMARKED),
    element("dd", OTHER, BREAKOUT), element("desc", DESC, 0), element("div", OTHER, BREAKOUT),
    element("dl", OTHER, BREAKOUT), element("dt", OTHER, BREAKOUT),
    element("em", OTHER, BREAKOUT), element("embed", EMBED, VOID|BREAKOUT|SOURCE),
    element("foreignobject", FOREIGNOBJECT, 0), element("frame", OTHER, VOID),
    element("frameset", FRAMESET, UNMARKED),
    element("h1", OTHER, BREAKOUT), element("h2", OTHER, BREAKOUT), element("h3", OTHER, BREAKOUT),
    element("h4", OTHER, BREAKOUT), element("h5", OTHER, BREAKOUT), element("h6", OTHER, BREAKOUT),
    element("head", HEAD, UNMARKED|BREAKOUT), element("hr", OTHER, VOID|BREAKOUT),
    element("html", HTML, UNMARKED),
    element("i", OTHER, BREAKOUT), element("iframe", IFRAME, RAW|SOURCE), element("image", IMG, VOID|SOURCE),
    element("img", IMG, VOID|BREAKOUT|SOURCE), element("input", OTHER, VOID),
    element("keygen", OTHER, VOID),
    element("li", OTHER, BREAKOUT), element("link", LINK, HEAD|VOID|SOURCE),
    element("listing", OTHER, BREAKOUT),
    element("math", MATH, UNMARKED), element("menu", OTHER, BREAKOUT),
    element("meta", OTHER, HEAD|VOID|BREAKOUT),
    element("mi", MI, 0), element("mn", MN, 0), element("mo", MO, 0), element("ms", MS, 0),
    element("mtext", MTEXT, 0),
    element("nobr", OTHER, BREAKOUT), element("noembed", NOEMBED, RAW),
    element("noframes", NOFRAMES, HEAD|RAW),
    element("noscript", NOSCRIPT, HEAD|RAW),
    element("object", OBJECT, SOURCE), element("ol", OTHER, BREAKOUT), element("optgroup", OTHER, UNMARKED),
    element("option", OTHER, UNMARKED),
    element("p", P, BREAKOUT), element("param", OTHER, VOID), element("plaintext", PLAINTEXT, UNMARKED),
    element("pre", OTHER, BREAKOUT),
    element("ruby", OTHER, BREAKOUT),
    element("s", OTHER, BREAKOUT), element("script", SCRIPT, HEAD|RAW|SOURCE),
    element("select", OTHER, UNMARKED),
    element("small", OTHER, BREAKOUT), element("source", SOURCE, VOID|SOURCE),
    element("span", OTHER, BREAKOUT),
    element("strike", OTHER, BREAKOUT), element("strong", OTHER, BREAKOUT), element("style", STYLE, HEAD|RAW),
    element("sub", OTHER, BREAKOUT), element("sup", OTHER, BREAKOUT), element("svg", SVG, UNMARKED),
    element("table", OTHER, UNMARKED|BREAKOUT), element("tbody", OTHER, UNMARKED),
    element("template", TEMPLATE, HEAD|UNMARKED), element("textarea", TEXTAREA, RAW),
    element("tfoot", OTHER, UNMARKED), element("thead", OTHER, UNMARKED), element("title", TITLE, HEAD|RAW),
    element("tr", OTHER, UNMARKED), element("track", OTHER, VOID), element("tt", OTHER, BREAKOUT),
    element("u", OTHER, BREAKOUT), element("ul", OTHER, BREAKOUT),
    element("var", OTHER, BREAKOUT), element("video", VIDEO, SOURCE),
    element("wbr", OTHER, VOID), element("xmp", XMP, RAW)
};


pv_html_tag_t
pv_html_element(const unsigned char *name, size_t len, unsigned *flags)
{
    size_t                    i;
    const pv_html_element_t  *e;

    *flags = 0;

    for (i = 0; i < sizeof(elements) / sizeof(elements[0]); i++) {
        e = &elements[i];

        if (e->name[0] < name[0]) {
            continue;
        }

        if (e->name[0] > name[0]) {
            break;
        }

        if (e->len == len && memcmp(e->name, name, len) == 0) {
            *flags = e->flags;
            return (pv_html_tag_t) e->tag;
        }
    }

    return PV_TAG_OTHER;
}
