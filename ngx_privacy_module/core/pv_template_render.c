/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pv_template_node.h"


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


static int render_nodes(renderer_t *r, const pv_template_t *t, size_t from, size_t to);


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
render_value(renderer_t *r, const pv_node_t *node)
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

    if (node->kind == PV_NODE_RAW) {
        pv_buf_str(r->out, s);
    } else {
        pv_buf_html(r->out, s);
    }
}


/* 1 when the node is a cut and was noted as one. */
static int
render_cut(renderer_t *r, const pv_node_t *node)
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
render_with(renderer_t *r, const pv_template_t *t, const pv_node_t *section, size_t from, json_t *context)
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
    json_t           *value;
    size_t            i;
    const pv_node_t  *section;

    section = &t->nodes[at];
    value = look_up(r, section->name);

    if (is_true(value) != (section->kind == PV_NODE_SECTION)) {
        return PV_OK;
    }

    if (section->kind == PV_NODE_INVERTED) {
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
render_partial(renderer_t *r, const pv_node_t *node)
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
    int               rc;
    size_t            i;
    const pv_node_t  *node;

    for (i = from; i < to; i++) {
        node = &t->nodes[i];
        rc = PV_OK;

        switch (node->kind) {
        case PV_NODE_TEXT:
            pv_buf_str(r->out, node->name);
            break;
        case PV_NODE_VALUE:
        case PV_NODE_RAW:
            if (!render_cut(r, node)) {
                render_value(r, node);
            }
            break;
        case PV_NODE_SECTION:
        case PV_NODE_INVERTED:
            rc = render_section(r, t, i);
            i = node->end;
            break;
        case PV_NODE_PARTIAL:
            rc = render_partial(r, node);
            break;
        case PV_NODE_END:
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
