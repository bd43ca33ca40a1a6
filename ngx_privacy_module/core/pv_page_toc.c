/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pv_page_ui.h"


#define TOC_MAX  200


/* Finds s in [p, end), NULL when it is not there. */
static const char *
find(const char *p, const char *end, const char *s)
{
    return p < end ? memmem(p, (size_t) (end - p), s, strlen(s)) : NULL;
}


/* The value of id="..." within a start tag, as it is written. */
static pv_str_t
tag_id(const char *tag, const char *end)
{
    pv_str_t     id;
    const char  *from, *to;

    memset(&id, 0, sizeof(pv_str_t));

    from = find(tag, end, " id=\"");
    if (from == NULL) {
        return id;
    }

    from += sizeof(" id=\"") - 1;
    to = find(from, end, "\"");

    if (to != NULL) {
        id.data = (const unsigned char *) from;
        id.len = (size_t) (to - from);
    }

    return id;
}


/* What stands between tags: still HTML, with its references, but without any tag. */
static void
add_text(pv_buf_t *out, const char *p, const char *end)
{
    const char  *open, *close;

    while (p < end) {
        open = find(p, end, "<");
        pv_buf_add(out, p, (size_t) ((open ? open : end) - p));

        if (open == NULL) {
            return;
        }

        close = find(open, end, ">");
        if (close == NULL) {
            return;
        }

        p = close + 1;
    }
}


static json_t *
entry(pv_str_t id, const char *from, const char *to)
{
    json_t    *text;
    pv_buf_t   b;

    pv_buf_init(&b, 64 * 1024);
    add_text(&b, from, to);

    text = json_stringn(b.len ? (const char *) b.data : "", b.len);
    pv_buf_free(&b);

    /* Takes both, also when it fails. */
    return json_pack("{s:o,s:o}", "id", json_stringn((const char *) id.data, id.len), "text", text);
}


json_t *
pv_toc(pv_str_t html)
{
    json_t      *list, *item;
    pv_str_t     id;
    const char  *p, *end, *open, *close;

    list = json_array();
    if (list == NULL || html.len == 0) {
        return list;
    }

    p = (const char *) html.data;
    end = p + html.len;

    while (json_array_size(list) < TOC_MAX && (p = find(p, end, "<h2")) != NULL) {

        open = find(p, end, ">");
        close = open ? find(open, end, "</h2>") : NULL;

        if (close == NULL) {
            break;
        }

        id = tag_id(p, open);
        p = close;

        if (id.len == 0) {
            continue;
        }

        item = entry(id, open + 1, close);

        if (item == NULL || json_array_append_new(list, item) != 0) {
            json_decref(list);
            return NULL;
        }
    }

    return list;
}
