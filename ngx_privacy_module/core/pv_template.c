/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <string.h>

#include "pv_template_node.h"


typedef struct {
    pv_template_t  *template;
    pv_str_t        source;
    const char     *file;
    unsigned        flags;
    pv_problems_t  *problems;
    size_t          pos;
    unsigned        line;
    size_t          open[PV_TEMPLATE_DEPTH_MAX];
    size_t          depth;
} parser_t;


static pv_node_t *
node_add(pv_template_t *t, pv_node_kind_t kind, const unsigned char *data, size_t len, unsigned line)
{
    pv_node_t  *nodes;
    size_t      size;

    if (t->count == t->size) {
        size = t->size ? t->size * 2 : 32;

        nodes = realloc(t->nodes, size * sizeof(pv_node_t));
        if (nodes == NULL) {
            return NULL;
        }

        t->nodes = nodes;
        t->size = size;
    }

    nodes = &t->nodes[t->count++];
    nodes->kind = kind;
    nodes->line = line;
    nodes->end = 0;
    nodes->name.data = data;
    nodes->name.len = len;

    return nodes;
}


static int
is_blank(int c)
{
    return c == ' ' || c == '\t' || c == '\r';
}


/* Adds source[from, to); a dense template loses its line breaks and what indents the lines. */
static int
text_add(parser_t *p, size_t from, size_t to)
{
    size_t                i, start;
    const unsigned char  *s;

    s = p->source.data;
    start = from;

    for (i = from; i < to; i++) {

        if (s[i] != '\n') {
            continue;
        }

        if (p->flags & PV_TEMPLATE_DENSE) {
            if (i > start && node_add(p->template, PV_NODE_TEXT, s + start, i - start, p->line) == NULL) {
                return PV_ERROR;
            }

            while (i + 1 < to && is_blank(s[i + 1])) {
                i++;
            }

            start = i + 1;
        }

        p->line++;
    }

    if (to > start && node_add(p->template, PV_NODE_TEXT, s + start, to - start, p->line) == NULL) {
        return PV_ERROR;
    }

    return PV_OK;
}


static size_t
find_open(const parser_t *p, size_t pos)
{
    const unsigned char  *s, *at, *end;

    s = p->source.data + pos;
    end = p->source.data + p->source.len;

    while (end - s >= 2) {
        at = memchr(s, '{', (size_t) (end - s - 1));
        if (at == NULL) {
            break;
        }

        if (at[1] == '{') {
            return (size_t) (at - p->source.data);
        }

        s = at + 1;
    }

    return p->source.len;
}


/*
 * A tag of the kinds that put nothing out takes its line with it when it is
 * alone there: *from is moved to the line's start, *to past its end.
 */
static void
widen_to_line(const parser_t *p, size_t text_start, size_t *from, size_t *to)
{
    size_t                start, end;
    const unsigned char  *s;

    s = p->source.data;
    start = *from;
    end = *to;

    while (start > text_start && is_blank(s[start - 1])) {
        start--;
    }

    /* The text before may begin in the middle of a line: then the tag is not alone. */
    if (start > 0 && s[start - 1] != '\n') {
        return;
    }

    while (end < p->source.len && is_blank(s[end])) {
        end++;
    }

    if (end < p->source.len) {
        if (s[end] != '\n') {
            return;
        }
        end++;
    }

    *from = start;
    *to = end;
}


static int
tag_end(const parser_t *p, size_t from, int raw, size_t *inner_end, size_t *end)
{
    size_t                i, n;
    const unsigned char  *s;

    s = p->source.data;
    n = raw ? 3 : 2;

    for (i = from; i + n <= p->source.len; i++) {
        if (s[i] == '}' && s[i + 1] == '}' && (!raw || s[i + 2] == '}')) {
            *inner_end = i;
            *end = i + n;
            return PV_OK;
        }
    }

    return PV_INVALID;
}


static pv_str_t
trim(const unsigned char *data, size_t len)
{
    pv_str_t  s;

    while (len && (is_blank(data[0]) || data[0] == '\n')) {
        data++;
        len--;
    }

    while (len && (is_blank(data[len - 1]) || data[len - 1] == '\n')) {
        len--;
    }

    s.data = data;
    s.len = len;

    return s;
}


static int
name_is_good(pv_str_t name)
{
    size_t  i;
    int     c;

    if (name.len == 0 || name.len > 128) {
        return 0;
    }

    for (i = 0; i < name.len; i++) {
        c = name.data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
              || c == '_' || c == '-' || c == '.'))
        {
            return 0;
        }
    }

    return 1;
}


static int
section_close(parser_t *p, pv_str_t name)
{
    pv_node_t  *open;

    if (p->depth == 0) {
        pv_problem(p->problems, p->file, p->line, NULL, "{{/%.*s}} closes nothing", (int) name.len,
                   name.data);
        return PV_OK;
    }

    open = &p->template->nodes[p->open[--p->depth]];

    if (open->name.len != name.len || memcmp(open->name.data, name.data, name.len) != 0) {
        pv_problem(p->problems, p->file, p->line, NULL, "{{/%.*s}} where {{#%.*s}} of line %u is open",
                   (int) name.len, name.data, (int) open->name.len, open->name.data, open->line);
    }

    open->end = p->template->count;

    return node_add(p->template, PV_NODE_END, name.data, name.len, p->line) ? PV_OK : PV_ERROR;
}


static int
tag_add(parser_t *p, int sigil, pv_str_t name)
{
    pv_node_kind_t  kind;

    switch (sigil) {
    case '#':
        kind = PV_NODE_SECTION;
        break;
    case '^':
        kind = PV_NODE_INVERTED;
        break;
    case '>':
        kind = PV_NODE_PARTIAL;
        break;
    case '{':
    case '&':
        kind = PV_NODE_RAW;
        break;
    case '/':
        return section_close(p, name);
    default:
        kind = PV_NODE_VALUE;
    }

    if (kind == PV_NODE_SECTION || kind == PV_NODE_INVERTED) {

        if (p->depth == PV_TEMPLATE_DEPTH_MAX) {
            pv_problem(p->problems, p->file, p->line, NULL, "sections are nested too deep");
            return PV_INVALID;
        }

        p->open[p->depth++] = p->template->count;
    }

    return node_add(p->template, kind, name.data, name.len, p->line) ? PV_OK : PV_ERROR;
}


static unsigned
lines_in(const parser_t *p, size_t from, size_t to)
{
    unsigned  n;

    for (n = 0; from < to; from++) {
        n += p->source.data[from] == '\n';
    }

    return n;
}


/* Reads the text up to the next tag, and the tag. */
static int
parse_tag(parser_t *p)
{
    int       rc, raw, sigil;
    size_t    from, inner, inner_end, end, start, stop;
    pv_str_t  name;

    from = find_open(p, p->pos);
    if (from == p->source.len) {
        rc = text_add(p, p->pos, from);
        p->pos = from;
        return rc;
    }

    inner = from + 2;
    sigil = inner < p->source.len ? p->source.data[inner] : 0;
    raw = sigil == '{';

    if (tag_end(p, inner, raw, &inner_end, &end) != PV_OK) {
        pv_problem(p->problems, p->file, p->line + lines_in(p, p->pos, from), NULL, "a tag is not closed");
        return PV_INVALID;
    }

    start = from;
    stop = end;

    if (sigil && strchr("#^/!{&>", sigil) != NULL) {
        inner++;
        if (sigil != '{' && sigil != '&' && sigil != '>') {
            widen_to_line(p, p->pos, &start, &stop);
        }
    } else {
        sigil = 0;
    }

    if (start > p->pos) {
        rc = text_add(p, p->pos, start);
        if (rc != PV_OK) {
            return rc;
        }
    }

    if (sigil != '!') {
        name = trim(p->source.data + inner, inner_end > inner ? inner_end - inner : 0);

        if (!name_is_good(name)) {
            pv_problem(p->problems, p->file, p->line, NULL, "\"%.*s\" is no name", (int) name.len, name.data);

        } else {
            rc = tag_add(p, sigil, name);
            if (rc != PV_OK) {
                return rc;
            }
        }
    }

    p->line += lines_in(p, start, stop);
    p->pos = stop;

    return PV_OK;
}


int
pv_template_parse(pv_template_t **template, pv_str_t source, const char *file, unsigned flags,
    pv_problems_t *problems)
{
    int             rc;
    size_t          errors;
    pv_node_t         *open;
    parser_t        p;
    pv_template_t  *t;

    *template = NULL;

    if (source.len > PV_TEMPLATE_MAX) {
        pv_problem(problems, file, 0, NULL, "larger than %d bytes", PV_TEMPLATE_MAX);
        return PV_INVALID;
    }

    t = calloc(1, sizeof(pv_template_t));
    if (t == NULL) {
        return PV_ERROR;
    }

    t->source = malloc(source.len + 1);
    if (t->source == NULL) {
        free(t);
        return PV_ERROR;
    }

    if (source.len) {
        memcpy(t->source, source.data, source.len);
    }
    t->source[source.len] = '\0';

    errors = problems->errors;

    memset(&p, 0, sizeof(parser_t));
    p.template = t;
    p.source.data = t->source;
    p.source.len = source.len;
    p.file = file;
    p.flags = flags;
    p.problems = problems;
    p.line = 1;

    rc = PV_OK;

    while (rc == PV_OK && p.pos < p.source.len) {
        rc = parse_tag(&p);
    }

    if (rc == PV_OK && p.depth) {
        open = &t->nodes[p.open[p.depth - 1]];
        pv_problem(problems, file, open->line, NULL, "{{#%.*s}} is not closed", (int) open->name.len,
                   open->name.data);
    }

    if (rc == PV_OK && problems->errors > errors) {
        rc = PV_INVALID;
    }

    if (rc != PV_OK) {
        pv_template_free(t);
        return rc;
    }

    *template = t;

    return PV_OK;
}


void
pv_template_free(pv_template_t *template)
{
    if (template == NULL) {
        return;
    }

    free(template->nodes);
    free(template->source);
    free(template);
}


void
pv_template_names(const pv_template_t *template, pv_template_name_pt name, void *data)
{
    size_t            i;
    const pv_node_t  *node;

    for (i = 0; i < template->count; i++) {
        node = &template->nodes[i];

        switch (node->kind) {
        case PV_NODE_VALUE:
        case PV_NODE_RAW:
            name(data, '{', node->name, node->line);
            break;
        case PV_NODE_SECTION:
        case PV_NODE_INVERTED:
            name(data, '#', node->name, node->line);
            break;
        case PV_NODE_PARTIAL:
            name(data, '>', node->name, node->line);
            break;
        default:
            break;
        }
    }
}
