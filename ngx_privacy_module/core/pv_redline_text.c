/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pv_redline_view.h"

#define PV_ANSI_END      "\033[0m"
#define PV_ANSI_QUIET    "\033[2m"
#define PV_ANSI_HEADING  "\033[1m"
#define PV_ANSI_DELETED  "\033[31;9m"
#define PV_ANSI_INSERTED "\033[32m"
#define PV_ANSI_MOVED    "\033[36m"


static void pv_text_fold(pv_redline_view_t *v, size_t n);
static void pv_text_item(pv_redline_view_t *v, size_t i, pv_place_t *before);
static void pv_text_indent(pv_redline_view_t *v, const pv_place_t *path, const pv_place_t *before,
    const pv_block_t *block);
static void pv_text_operation(pv_redline_view_t *v, const pv_item_t *item, const pv_diff_op_t *op,
    const pv_place_t *path);
static void pv_text_links(pv_redline_view_t *v, uint32_t n);
static void pv_text_note(pv_redline_view_t *v, pv_str_t string, size_t n, pv_str_t from, pv_str_t to);
static void pv_text_words(pv_redline_view_t *v, pv_str_t text, const pv_place_t *path);
static void pv_text_plain(pv_buf_t *out, pv_str_t s);


int
pv_redline_text(pv_buf_t *out, const pv_diff_t *diff, const pv_redline_t *how)
{
    size_t             i, n;
    pv_place_t         before;
    pv_redline_view_t  v;

    if (pv_redline_open(&v, out, diff, how) != PV_OK) {
        return PV_ERROR;
    }

    before.depth = 0;

    for (i = 0; i < diff->items_count && !out->failed; /* void */) {

        for (n = 0; i + n < diff->items_count && !v.shown[i + n]; n++) { /* void */ }

        if (n != 0 && n >= how->fold) {
            pv_text_fold(&v, n);
            before.depth = 0;
            i += n;
            continue;
        }

        for (n = n != 0 ? n : 1; n > 0; n--) {
            pv_text_item(&v, i++, &before);
        }
    }

    pv_redline_close(&v);

    return out->failed ? PV_ERROR : PV_OK;
}


static void
pv_text_fold(pv_redline_view_t *v, size_t n)
{
    pv_buf_puts(v->out, v->how->colour ? PV_ANSI_QUIET : "");
    pv_buf_puts(v->out, "... ");
    pv_redline_say(v->out, n == 1 ? v->strings->unchanged_one : v->strings->unchanged, n, pv_str(""), pv_str(""),
                   pv_text_plain);
    pv_buf_puts(v->out, v->how->colour ? PV_ANSI_END "\n\n" : "\n\n");
}


static void
pv_text_item(pv_redline_view_t *v, size_t i, pv_place_t *before)
{
    uint32_t           k;
    pv_place_t         path;
    const pv_item_t   *item = &v->diff->items[i];
    const pv_block_t  *block;

    block = pv_item_block(v->diff, item);
    pv_item_place(v->diff, item, &path);
    pv_text_indent(v, &path, before, block);
    *before = path;

    if (block->kind == PV_BLOCK_HEADING && v->how->colour) {
        pv_buf_puts(v->out, PV_ANSI_HEADING);
    }

    if (pv_item_first_of_move(v->diff, i)) {
        pv_text_note(v, item->kind == PV_ITEM_MOVED_TO ? v->strings->moved_from : v->strings->moved_to, item->move,
                     pv_str(""), pv_str(""));
        pv_buf_puts(v->out, ": ");
    }

    for (k = 0; k < item->ops; k++) {
        pv_text_operation(v, item, &v->diff->ops[item->op + k], &path);
    }

    if (item->broken) {
        pv_buf_puts(v->out, v->how->colour ? PV_ANSI_INSERTED "\xc2\xb6" PV_ANSI_END : "{+\xc2\xb6+}");
    }

    pv_text_links(v, item->links);

    if (block->kind == PV_BLOCK_HEADING && v->how->colour) {
        pv_buf_puts(v->out, PV_ANSI_END);
    }

    /* Items and rows follow each other closely, paragraphs do not. */
    pv_buf_puts(v->out, block->kind == PV_BLOCK_ROW || (path.depth != 0 && block->kind == PV_BLOCK_TEXT)
                        ? "\n" : "\n\n");
}


static void
pv_text_indent(pv_redline_view_t *v, const pv_place_t *path, const pv_place_t *before, const pv_block_t *block)
{
    uint32_t               i, common;
    const pv_container_t  *node;

    common = pv_place_common(path, before);

    for (i = 0; i < path->depth; i++) {
        node = path->node[i];

        if (node->kind == PV_NODE_QUOTE) {
            pv_buf_puts(v->out, "> ");

        } else if (node->kind == PV_NODE_LI) {
            if (i < common) {
                pv_buf_puts(v->out, "    ");

            } else if (i > 0 && path->node[i - 1]->kind == PV_NODE_OL) {
                pv_buf_printf(v->out, "%2u. ", node->number);

            } else {
                pv_buf_puts(v->out, "  - ");
            }
        }
    }

    for (i = 0; block->kind == PV_BLOCK_HEADING && i < block->level; i++) {
        pv_buf_puts(v->out, i + 1 < block->level ? "#" : "# ");
    }
}


static void
pv_text_operation(pv_redline_view_t *v, const pv_item_t *item, const pv_diff_op_t *op, const pv_place_t *path)
{
    int       side, colour;
    uint32_t  from, to;
    pv_str_t  text;

    static const struct { const char *ansi, *begin, *end; }  marks[] = {
        [PV_DIFF_EQUAL] = { "", "", "" }, [PV_DIFF_DELETE] = { PV_ANSI_DELETED, "[-", "-]" },
        [PV_DIFF_INSERT] = { PV_ANSI_INSERTED, "{+", "+}" }, [PV_DIFF_MOVE_FROM] = { PV_ANSI_DELETED, "[-", "-]" },
        [PV_DIFF_MOVE_TO] = { PV_ANSI_MOVED, "{+", "+}" }
    };

    side = op->kind != PV_DIFF_DELETE && op->kind != PV_DIFF_MOVE_FROM;
    from = side ? op->b : op->a;
    to = from + (side ? op->b_len : op->a_len);

    /* A block's own end is the line's end. */
    from = from < (side ? item->b_at : item->a_at) ? (side ? item->b_at : item->a_at) : from;
    to = to > (side ? item->b_end : item->a_end) ? (side ? item->b_end : item->a_end) : to;

    if (from >= to) {
        return;
    }

    text.data = v->diff->doc[side].text + from;
    text.len = to - from;
    if (op->kind == PV_DIFF_DELETE && text.len == 1 && text.data[0] == '\n') {
        text = pv_str("\xc2\xb6");
    }

    colour = v->how->colour;
    pv_buf_puts(v->out, colour ? marks[op->kind].ansi : marks[op->kind].begin);
    pv_text_words(v, text, path);
    pv_buf_puts(v->out, op->kind == PV_DIFF_EQUAL ? "" : colour ? PV_ANSI_END : marks[op->kind].end);
}


/* Behind the block that they are in. */
static void
pv_text_links(pv_redline_view_t *v, uint32_t n)
{
    const pv_diff_link_t  *link;

    for ( /* void */ ; n > 0 && v->link < v->diff->changed_count; n--) {
        link = &v->diff->changed[v->link++];
        pv_buf_puts(v->out, " ");
        pv_text_note(v, pv_redline_link_string(v->strings, link), 0, link->from, link->to);
    }
}


static void
pv_text_note(pv_redline_view_t *v, pv_str_t string, size_t n, pv_str_t from, pv_str_t to)
{
    pv_buf_puts(v->out, v->how->colour ? PV_ANSI_MOVED : "");
    pv_redline_say(v->out, string, n, from, to, pv_text_plain);
    pv_buf_puts(v->out, v->how->colour ? PV_ANSI_END : "");
}


/* Cells are parted by bars; lines within a block begin below its first one. */
static void
pv_text_words(pv_redline_view_t *v, pv_str_t text, const pv_place_t *path)
{
    size_t    i, from;
    uint32_t  depth;

    for (i = 0, from = 0; i < text.len; i++) {

        if (text.data[i] != '\t' && text.data[i] != '\n') {
            continue;
        }

        pv_text_plain(v->out, (pv_str_t) { text.data + from, i - from });
        pv_buf_puts(v->out, text.data[i] == '\t' ? " | " : "\n");

        for (depth = 0; text.data[i] == '\n' && depth < path->depth; depth++) {
            pv_buf_puts(v->out, path->node[depth]->kind == PV_NODE_LI ? "    "
                                : path->node[depth]->kind == PV_NODE_QUOTE ? "> " : "");
        }

        from = i + 1;
    }

    pv_text_plain(v->out, (pv_str_t) { text.data + from, text.len - from });
}


/* Nothing that a terminal takes for a command, or that turns the direction of what follows. */
static void
pv_text_plain(pv_buf_t *out, pv_str_t s)
{
    size_t                i, from, n;
    const unsigned char  *p = s.data;

    for (i = 0, from = 0; i < s.len; i += n) {
        n = 1;

        if (p[i] >= 0x20 && p[i] < 0x7f) {
            continue;
        }

        if (p[i] == 0xc2 && s.len - i > 1 && p[i + 1] < 0xa0) {
            n = 2;

        } else if (p[i] == 0xe2 && s.len - i > 2
                   && ((p[i + 1] == 0x80 && p[i + 2] >= 0xaa && p[i + 2] <= 0xae)
                       || (p[i + 1] == 0x81 && p[i + 2] >= 0xa6 && p[i + 2] <= 0xa9)))
        {
            n = 3;

        } else if (p[i] >= 0x80) {
            continue;
        }

        pv_buf_add(out, p + from, i - from);
        pv_buf_puts(out, "\xef\xbf\xbd");
        from = i + n;
    }

    pv_buf_add(out, p + from, s.len - from);
}
