/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * Our own HTML into blocks of plain text with their containers. Only the
 * vocabulary of pv_markdown.c is known; any other tag is passed over, and what
 * does not nest as it should is put where it may stand.
 */

#include <stdlib.h>
#include <string.h>

#include "pv_diff_parse.h"
#include "pv_text.h"


static void pv_parse_tag(pv_parse_t *d, const unsigned char *close);
static pv_tag_kind_t pv_tag_kind(pv_str_t name, uint32_t *level);
static uint32_t pv_tag_number(pv_str_t s, const char *prefix, uint32_t otherwise);
static void pv_parse_start(pv_parse_t *d, const pv_tag_t *tag);
static void pv_parse_end(pv_parse_t *d, const pv_tag_t *tag);
static int pv_parse_inline(pv_parse_t *d, const pv_tag_t *tag);
static void pv_parse_link(pv_parse_t *d, pv_str_t href);
static void pv_parse_text(pv_parse_t *d);
static void pv_parse_entity(pv_parse_t *d);
static const unsigned char *pv_parse_span(const pv_parse_t *d);


void *
pv_more(void **list, size_t *size, size_t count, size_t element)
{
    void   *grown;
    size_t  n;

    if (count == *size) {
        n = *size == 0 ? 64 : *size * 2;

        grown = realloc(*list, n * element);
        if (grown == NULL) {
            return NULL;
        }

        *list = grown;
        *size = n;
    }

    return (unsigned char *) *list + count * element;
}


int
pv_doc_parse(pv_doc_t *doc, pv_links_t *links, pv_str_t html)
{
    int                   last;
    pv_parse_t            d;
    const unsigned char  *close;

    /* Every "\n" and "\t" of the text stands for a tag, which is longer; one "\n" may stand for the end. */
    doc->text = malloc(html.len + 2);
    if (doc->text == NULL) {
        return PV_ERROR;
    }

    memset(&d, 0, sizeof(d));
    d.doc = doc;
    d.links = links;
    d.p = html.data;
    d.end = html.data + html.len;
    d.block = PV_NONE;

    pv_open_node(&d, PV_NODE_ROOT, 0);
    last = 0;

    while (d.p < d.end && !d.failed) {

        close = NULL;

        if (*d.p == '<' && !last && d.end - d.p > 2 && (d.p[1] == '/' || (d.p[1] >= 'a' && d.p[1] <= 'z'))) {
            close = memchr(d.p, '>', (size_t) (d.end - d.p));
            last = close == NULL;
        }

        if (close != NULL) {
            pv_parse_tag(&d, close);

        } else {
            pv_parse_text(&d);
        }
    }

    d.full = 0;
    pv_close_block(&d);

    return d.failed ? PV_ERROR : PV_OK;
}


void
pv_doc_free(pv_doc_t *doc)
{
    free(doc->text);
    free(doc->nodes);
    free(doc->blocks);
    free(doc->runs);
    free(doc->cells);
    free(doc->tokens);
}


static void
pv_parse_tag(pv_parse_t *d, const unsigned char *close)
{
    pv_tag_t  tag;
    pv_str_t  name;

    tag.end = d->p[1] == '/';
    tag.level = 0;
    name.data = d->p + 1 + tag.end;

    for (name.len = 0; name.data + name.len < close && name.data[name.len] != ' '; name.len++) { /* void */ }

    tag.kind = pv_tag_kind(name, &tag.level);
    tag.attributes.data = name.data + name.len;
    tag.attributes.len = (size_t) (close - tag.attributes.data);
    d->p = close + 1;

    if (tag.kind == TAG_NONE || pv_parse_inline(d, &tag)) {
        return;
    }

    if (tag.end) {
        pv_parse_end(d, &tag);

    } else {
        pv_parse_start(d, &tag);
    }
}


static pv_tag_kind_t
pv_tag_kind(pv_str_t name, uint32_t *level)
{
    size_t  i;
    static const struct { const char *name; pv_tag_kind_t kind; }  tags[] = {
        { "p", TAG_P }, { "li", TAG_LI }, { "td", TAG_TD }, { "tr", TAG_ROW }, { "a", TAG_A },
        { "strong", TAG_STRONG }, { "em", TAG_EM }, { "code", TAG_CODE }, { "ul", TAG_UL }, { "ol", TAG_OL },
        { "blockquote", TAG_QUOTE }, { "pre", TAG_PRE }, { "table", TAG_TABLE }, { "thead", TAG_HEAD },
        { "tbody", TAG_BODY }, { "th", TAG_TH }, { "br", TAG_BR }, { "hr", TAG_HR }
    };

    if (name.len == 2 && name.data[0] == 'h' && name.data[1] >= '1' && name.data[1] <= '6') {
        *level = name.data[1] - '0';
        return TAG_HEADING;
    }

    for (i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        if (pv_str_eqs(name, tags[i].name)) {
            return tags[i].kind;
        }
    }

    return TAG_NONE;
}


pv_str_t
pv_tag_attribute(const pv_tag_t *tag, const char *name)
{
    size_t                len;
    pv_str_t              value;
    const unsigned char  *from, *to, *end;

    value.data = NULL;
    value.len = 0;

    if (tag->attributes.len == 0) {
        return value;
    }

    end = tag->attributes.data + tag->attributes.len;
    len = strlen(name);

    from = memmem(tag->attributes.data, tag->attributes.len, name, len);
    if (from == NULL) {
        return value;
    }

    from += len;

    to = memchr(from, '"', (size_t) (end - from));
    if (to != NULL) {
        value.data = from;
        value.len = (size_t) (to - from);
    }

    return value;
}


static uint32_t
pv_tag_number(pv_str_t s, const char *prefix, uint32_t otherwise)
{
    size_t    i, len;
    uint32_t  n;

    len = strlen(prefix);

    if (s.len <= len || s.len > len + 9 || memcmp(s.data, prefix, len) != 0) {
        return otherwise;
    }

    for (n = 0, i = len; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') {
            return otherwise;
        }
        n = n * 10 + (s.data[i] - '0');
    }

    return n;
}


/* What stands within a line; 1 when the tag was one of these. */
static int
pv_parse_inline(pv_parse_t *d, const pv_tag_t *tag)
{
    uint32_t  *depth;

    switch (tag->kind) {
    case TAG_EM:
        depth = &d->em;
        break;
    case TAG_STRONG:
        depth = &d->strong;
        break;
    case TAG_CODE:
        depth = &d->code;
        break;
    case TAG_A:
        d->link = 0;
        if (!tag->end) {
            pv_parse_link(d, pv_tag_attribute(tag, " href=\""));
        }
        return 1;
    case TAG_BR:
        if (d->block != PV_NONE) {
            d->space = 0;
            pv_add_bytes(d, (const unsigned char *) "\n", 1, pv_parse_style(d));
        }
        return 1;
    default:
        return 0;
    }

    *depth += tag->end ? (*depth != 0 ? UINT32_MAX : 0) : 1;

    return 1;
}


static void
pv_parse_start(pv_parse_t *d, const pv_tag_t *tag)
{
    pv_block_t  *block;

    if (tag->kind == TAG_TH || tag->kind == TAG_TD) {
        if (d->row) {
            pv_open_cell(d, tag);
            return;
        }
    }

    pv_close_block(d);

    switch (tag->kind) {

    case TAG_HEADING:
        block = pv_open_block(d, PV_BLOCK_HEADING);
        if (block != NULL && !d->full) {
            block->level = tag->level;
            block->section = pv_tag_number(pv_tag_attribute(tag, " id=\""), "privacy-section-", 0);
        }
        break;

    case TAG_P:
        (void) pv_open_block(d, PV_BLOCK_P);
        break;

    case TAG_PRE:
        (void) pv_open_block(d, PV_BLOCK_CODE);
        d->verbatim = 1;
        break;

    case TAG_UL:
        pv_leave_to_flow(d);
        pv_open_node(d, PV_NODE_UL, 0);
        break;

    case TAG_OL:
        pv_leave_to_flow(d);
        pv_open_node(d, PV_NODE_OL, pv_tag_number(pv_tag_attribute(tag, " start=\""), "", 1));
        break;

    case TAG_LI:
        pv_close_node(d, PV_NODE_LI);
        if (d->doc->nodes[d->node].kind == PV_NODE_UL || d->doc->nodes[d->node].kind == PV_NODE_OL) {
            pv_open_node(d, PV_NODE_LI, d->doc->nodes[d->node].number++);
        }
        break;

    case TAG_QUOTE:
        pv_leave_to_flow(d);
        pv_open_node(d, PV_NODE_QUOTE, 0);
        break;

    case TAG_TABLE:
        pv_leave_to_flow(d);
        pv_open_node(d, PV_NODE_TABLE, 0);
        break;

    case TAG_HEAD:
    case TAG_BODY:
        pv_close_node(d, PV_NODE_HEAD);
        pv_close_node(d, PV_NODE_BODY);
        if (d->doc->nodes[d->node].kind == PV_NODE_TABLE) {
            pv_open_node(d, tag->kind == TAG_HEAD ? PV_NODE_HEAD : PV_NODE_BODY, 0);
        }
        break;

    case TAG_ROW:
        if (d->doc->nodes[d->node].kind == PV_NODE_TABLE) {
            pv_open_node(d, PV_NODE_BODY, 0);
        }
        if (d->doc->nodes[d->node].kind == PV_NODE_HEAD || d->doc->nodes[d->node].kind == PV_NODE_BODY) {
            d->row = pv_open_block(d, PV_BLOCK_ROW) != NULL && !d->full;
        }
        break;

    case TAG_HR:
        d->rules++;
        break;

    default:
        break;
    }
}


static void
pv_parse_end(pv_parse_t *d, const pv_tag_t *tag)
{
    if (tag->kind == TAG_TH || tag->kind == TAG_TD) {
        if (d->row) {
            pv_close_cell(d);
            return;
        }
    }

    pv_close_block(d);

    switch (tag->kind) {
    case TAG_UL:
        pv_close_node(d, PV_NODE_UL);
        break;
    case TAG_OL:
        pv_close_node(d, PV_NODE_OL);
        break;
    case TAG_LI:
        pv_close_node(d, PV_NODE_LI);
        break;
    case TAG_QUOTE:
        pv_close_node(d, PV_NODE_QUOTE);
        break;
    case TAG_TABLE:
        pv_close_node(d, PV_NODE_TABLE);
        break;
    case TAG_HEAD:
        pv_close_node(d, PV_NODE_HEAD);
        break;
    case TAG_BODY:
        pv_close_node(d, PV_NODE_BODY);
        break;
    default:
        break;
    }
}


/* Addresses are compared and shown as they are, so without their escapes. */
static void
pv_parse_link(pv_parse_t *d, pv_str_t href)
{
    size_t          i, k, len;
    pv_str_t       *link;
    unsigned char  *copy;

    static const struct { pv_str_t escaped; unsigned char c; }  escapes[] = {
        { pv_string("&amp;"), '&' }, { pv_string("&#39;"), '\'' }, { pv_string("&quot;"), '"' },
        { pv_string("&lt;"), '<' }, { pv_string("&gt;"), '>' }
    };

    if (href.len == 0) {
        return;
    }

    link = pv_more((void **) &d->links->list, &d->links->size, d->links->count, sizeof(pv_str_t));
    copy = pv_arena_array(&d->links->memory, href.len, 1);

    if (link == NULL || copy == NULL) {
        d->failed = 1;
        return;
    }

    for (i = 0, len = 0; i < href.len; len++) {
        copy[len] = href.data[i++];

        for (k = 0; copy[len] == '&' && k < sizeof(escapes) / sizeof(escapes[0]); k++) {
            if (href.len - i + 1 >= escapes[k].escaped.len
                && memcmp(href.data + i - 1, escapes[k].escaped.data, escapes[k].escaped.len) == 0)
            {
                copy[len] = escapes[k].c;
                i += escapes[k].escaped.len - 1;
                break;
            }
        }
    }

    link->data = copy;
    link->len = len;
    d->link = (uint32_t) d->links->count++;
}


static void
pv_parse_text(pv_parse_t *d)
{
    const unsigned char  *from;

    if (d->verbatim) {
        for (from = d->p; d->p < d->end && *d->p != '<' && *d->p != '&' && *d->p != '\r'; d->p++) { /* void */ }

        if (d->p != from) {
            pv_add_text(d, from, (size_t) (d->p - from));

        } else if (*d->p == '&') {
            pv_parse_entity(d);

        } else if (*d->p++ == '\r') {
            if (d->p == d->end || *d->p != '\n') {
                pv_add_text(d, (const unsigned char *) "\n", 1);
            }

        } else {
            pv_add_text(d, (const unsigned char *) "<", 1);
        }

        return;
    }

    switch (*d->p) {

    case ' ':
    case '\t':
    case '\n':
    case '\r':
        pv_add_space(d, *d->p == '\n');
        d->p++;
        return;

    case '&':
        pv_parse_entity(d);
        return;

    default:
        from = d->p;
        d->p = pv_parse_span(d);
        pv_add_text(d, from, (size_t) (d->p - from));
    }
}


/* Up to a tag, an entity, or white space that is more than a space between two words. At least one byte. */
static const unsigned char *
pv_parse_span(const pv_parse_t *d)
{
    const unsigned char  *p;

    for (p = d->p + 1; p < d->end; p++) {

        if (*p > '<' || (*p > ' ' && *p != '&' && *p != '<')) {
            continue;
        }

        if (*p == ' ' && d->end - p > 1 && p[1] > ' ' && p[1] != '<' && p[1] != '&') {
            continue;
        }

        if (*p >= ' ' || *p == '\t' || *p == '\n' || *p == '\r') {
            break;
        }
    }

    return p;
}


/* The escapes of pv_buf_html() are decoded; other names are left to the browser, and compared as they are written. */
static void
pv_parse_entity(pv_parse_t *d)
{
    size_t                i;
    unsigned char         c;
    const unsigned char  *from, *p;

    static const struct { pv_str_t name; unsigned char c; }  entities[] = {
        { pv_string("&amp;"), '&' }, { pv_string("&#39;"), '\'' }, { pv_string("&quot;"), '"' },
        { pv_string("&lt;"), '<' }, { pv_string("&gt;"), '>' }
    };

    from = d->p;

    for (i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
        if ((size_t) (d->end - from) >= entities[i].name.len
            && memcmp(from, entities[i].name.data, entities[i].name.len) == 0)
        {
            c = entities[i].c;
            d->p += entities[i].name.len;
            pv_add_text(d, &c, 1);
            return;
        }
    }

    for (p = from + 1; p < d->end && p - from < 48; p++) {
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (p > from + 1 && *p >= '0' && *p <= '9'))) {
            break;
        }
    }

    if (p < d->end && *p == ';' && p > from + 1) {
        d->entity = 1;
        p++;

    } else {
        p = from + 1;
    }

    d->p = p;
    pv_add_text(d, from, (size_t) (p - from));
    d->entity = 0;
}
