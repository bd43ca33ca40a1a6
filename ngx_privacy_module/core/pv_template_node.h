/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_TEMPLATE_NODE_H
#define PV_TEMPLATE_NODE_H

/* A parsed template, as pv_template.c makes it and pv_template_render.c reads it; nobody else includes it. */

#include "pv_template.h"

typedef enum {
    PV_NODE_TEXT,
    PV_NODE_VALUE,
    PV_NODE_RAW,
    PV_NODE_SECTION,
    PV_NODE_INVERTED,
    PV_NODE_END,
    PV_NODE_PARTIAL
} pv_node_kind_t;

/* The template is a flat list; a section knows the index of its PV_NODE_END. */
typedef struct {
    pv_node_kind_t  kind;
    unsigned        line;
    size_t          end;
    pv_str_t        name;       /* of a tag; of a text: its bytes */
} pv_node_t;

struct pv_template_s {
    unsigned char  *source;     /* the names and texts point into it */
    pv_node_t      *nodes;
    size_t          count;
    size_t          size;
};

#endif /* PV_TEMPLATE_NODE_H */
