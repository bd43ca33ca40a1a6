/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <string.h>

#include "pv_template.h"


typedef enum {
    NODE_TEXT,
    NODE_VALUE,
    NODE_RAW,
    NODE_SECTION,
    NODE_INVERTED,
    NODE_END,
    NODE_PARTIAL
} node_kind_t;


/* The template is a flat list; a section knows the index of its NODE_END. */
typedef struct {
    node_kind_t  kind;
    unsigned     line;
    size_t       end;
    pv_str_t     name;          /* of a tag; of a text: its bytes */
} node_t;


struct pv_template_s {
    unsigned char  *source;     /* the names and texts point into it */
    node_t         *nodes;
    size_t          count;
    size_t          size;
};


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


typedef struct {
    pv_buf_t             *out;
    pv_template_find_pt   find;
    const void           *data;
    pv_template_cuts_t   *cuts;
    json_t               *stack[(PV_TEMPLATE_DEPTH_MAX + 1) * (PV_TEMPLATE_INCLUDES + 1)];
    size_t                depth;
    unsigned              includes;
    int                   failed;
} renderer_t;


static int parse_tag(parser_t *p);
static int render_nodes(renderer_t *r, const pv_template_t *t, size_t from, size_t to);


static node_t *
node_add(pv_template_t *t, node_kind_t kind, const unsigned char *data, size_t len, unsigned line)
{
    node_t  *nodes;
    size_t   size;

    if (t->count == t->size) {
        size = t->size ? t->size * 2 : 32;

        nodes = realloc(t->nodes, size * sizeof(node_t));
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
            if (i > start && node_add(p->template, NODE_TEXT, s + start, i - start, p->line) == NULL) {
                return PV_ERROR;
            }

            while (i + 1 < to && is_blank(s[i + 1])) {
                i++;
            }

            start = i + 1;
        }

        p->line++;
    }

    if (to > start && node_add(p->template, NODE_TEXT, s + start, to - start, p->line) == NULL) {
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
    node_t  *open;

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

    return node_add(p->template, NODE_END, name.data, name.len, p->line) ? PV_OK : PV_ERROR;
}


static int
tag_add(parser_t *p, int sigil, pv_str_t name)
{
    node_kind_t  kind;

    switch (sigil) {
    case '#':
        kind = NODE_SECTION;
        break;
    case '^':
        kind = NODE_INVERTED;
        break;
    case '>':
        kind = NODE_PARTIAL;
        break;
    case '{':
    case '&':
        kind = NODE_RAW;
        break;
    case '/':
        return section_close(p, name);
    default:
        kind = NODE_VALUE;
    }

    if (kind == NODE_SECTION || kind == NODE_INVERTED) {

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
    node_t         *open;
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


static json_t *
member(json_t *object, const unsigned char *name, size_t len)
{
    return json_is_object(object) ? json_object_getn(object, (const char *) name, len) : NULL;
}


/* The innermost context that has the first part decides; the further parts go down from there. */
static json_t *
look_up(const renderer_t *r, pv_str_t name)
{
    json_t                     *value;
    size_t                      i, len;
    const unsigned char        *p, *end, *dot;

    if (name.len == 1 && name.data[0] == '.') {
        return r->stack[r->depth - 1];
    }

    p = name.data;
    end = p + name.len;
    value = NULL;

    for (i = r->depth; ; ) {
        dot = memchr(p, '.', (size_t) (end - p));
        len = (size_t) ((dot ? dot : end) - p);

        if (p == name.data) {
            while (i > 0 && value == NULL) {
                value = member(r->stack[--i], p, len);
            }

        } else {
            value = member(value, p, len);
        }

        if (value == NULL || dot == NULL) {
            return value;
        }

        p = dot + 1;
    }
}


static int
is_true(json_t *value)
{
    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_OBJECT:
    case JSON_TRUE:
        return 1;
    case JSON_ARRAY:
        return json_array_size(value) > 0;
    case JSON_STRING:
        return json_string_length(value) > 0;
    case JSON_INTEGER:
        return json_integer_value(value) != 0;
    case JSON_REAL:
        return json_real_value(value) != 0;
    default:
        return 0;
    }
}


static void
render_value(renderer_t *r, const node_t *node)
{
    json_t    *value;
    pv_str_t   s;

    value = look_up(r, node->name);

    if (json_is_integer(value)) {
        pv_buf_printf(r->out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return;
    }

    if (!json_is_string(value)) {
        return;
    }

    s.data = (const unsigned char *) json_string_value(value);
    s.len = json_string_length(value);

    if (node->kind == NODE_RAW) {
        pv_buf_str(r->out, s);
    } else {
        pv_buf_html(r->out, s);
    }
}


/* 1 when the node is a cut and was noted as one. */
static int
render_cut(renderer_t *r, const node_t *node)
{
    pv_template_cut_t  *cut;

    if (r->cuts == NULL || node->name.len <= 5 || memcmp(node->name.data, "slot.", 5) != 0) {
        return 0;
    }

    if (r->cuts->count == PV_TEMPLATE_CUTS_MAX) {
        r->failed = 1;
        return 1;
    }

    cut = &r->cuts->cut[r->cuts->count++];
    cut->name.data = node->name.data + 5;
    cut->name.len = node->name.len - 5;
    cut->offset = r->out->len;

    return 1;
}


static int
render_with(renderer_t *r, const pv_template_t *t, const node_t *section, size_t from, json_t *context)
{
    int  rc;

    if (r->depth == sizeof(r->stack) / sizeof(r->stack[0])) {
        return PV_ERROR;
    }

    r->stack[r->depth++] = context;
    rc = render_nodes(r, t, from, section->end);
    r->depth--;

    return rc;
}


static int
render_section(renderer_t *r, const pv_template_t *t, size_t at)
{
    json_t        *value;
    size_t         i;
    const node_t  *section;

    section = &t->nodes[at];
    value = look_up(r, section->name);

    if (is_true(value) != (section->kind == NODE_SECTION)) {
        return PV_OK;
    }

    if (section->kind == NODE_INVERTED) {
        return render_nodes(r, t, at + 1, section->end);
    }

    if (!json_is_array(value)) {
        return render_with(r, t, section, at + 1, value);
    }

    for (i = 0; i < json_array_size(value); i++) {
        if (render_with(r, t, section, at + 1, json_array_get(value, i)) != PV_OK) {
            return PV_ERROR;
        }
    }

    return PV_OK;
}


static int
render_partial(renderer_t *r, const node_t *node)
{
    int                   rc;
    const pv_template_t  *t;

    t = r->find ? r->find(r->data, node->name) : NULL;

    if (t == NULL || r->includes == PV_TEMPLATE_INCLUDES) {
        return PV_ERROR;
    }

    r->includes++;
    rc = render_nodes(r, t, 0, t->count);
    r->includes--;

    return rc;
}


static int
render_nodes(renderer_t *r, const pv_template_t *t, size_t from, size_t to)
{
    int            rc;
    size_t         i;
    const node_t  *node;

    for (i = from; i < to; i++) {
        node = &t->nodes[i];
        rc = PV_OK;

        switch (node->kind) {
        case NODE_TEXT:
            pv_buf_str(r->out, node->name);
            break;
        case NODE_VALUE:
        case NODE_RAW:
            if (!render_cut(r, node)) {
                render_value(r, node);
            }
            break;
        case NODE_SECTION:
        case NODE_INVERTED:
            rc = render_section(r, t, i);
            i = node->end;
            break;
        case NODE_PARTIAL:
            rc = render_partial(r, node);
            break;
        case NODE_END:
            break;
        }

        if (rc != PV_OK || r->failed || r->out->failed) {
            return PV_ERROR;
        }
    }

    return PV_OK;
}


int
pv_template_render(pv_buf_t *out, const pv_template_t *template, json_t *context, pv_template_find_pt find,
    const void *data, pv_template_cuts_t *cuts)
{
    renderer_t  r;

    memset(&r, 0, sizeof(renderer_t));
    r.out = out;
    r.find = find;
    r.data = data;
    r.cuts = cuts;
    r.stack[r.depth++] = context;

    if (cuts != NULL) {
        cuts->count = 0;
    }

    return render_nodes(&r, template, 0, template->count);
}


void
pv_template_names(const pv_template_t *template, pv_template_name_pt name, void *data)
{
    size_t         i;
    const node_t  *node;

    for (i = 0; i < template->count; i++) {
        node = &template->nodes[i];

        switch (node->kind) {
        case NODE_VALUE:
        case NODE_RAW:
            name(data, '{', node->name, node->line);
            break;
        case NODE_SECTION:
        case NODE_INVERTED:
            name(data, '#', node->name, node->line);
            break;
        case NODE_PARTIAL:
            name(data, '>', node->name, node->line);
            break;
        default:
            break;
        }
    }
}
