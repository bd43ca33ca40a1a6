/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pv_redline_view.h"


static void pv_html_items(pv_redline_view_t *v, pv_place_t *open);
static size_t pv_html_fold_end(const pv_redline_view_t *v, const pv_place_t *place, size_t from, uint32_t level);
static int pv_html_fold_within(const pv_place_t *path, uint32_t level);
static void pv_html_fold(pv_redline_view_t *v, pv_place_t *open, size_t from, size_t to, uint32_t level);
static void pv_html_item(pv_redline_view_t *v, pv_place_t *open, size_t i);
static void pv_html_enter(pv_redline_view_t *v, pv_place_t *open, const pv_place_t *path, uint32_t rules);
static void pv_html_leave(pv_redline_view_t *v, pv_place_t *open, uint32_t depth);
static void pv_html_block(pv_redline_view_t *v, size_t i);
static void pv_html_row(pv_redline_view_t *v, size_t i, const char *class);
static void pv_html_cell(pv_redline_view_t *v, size_t i, const pv_cell_t *a, const pv_cell_t *b, int first);
static void pv_html_first(pv_redline_view_t *v, size_t i);
static void pv_html_operations(pv_redline_view_t *v, const pv_item_t *item, uint32_t a, uint32_t a_end, uint32_t b,
    uint32_t b_end);
static void pv_html_equal(pv_redline_view_t *v, uint32_t from, uint32_t to, int code);
static void pv_html_marked(pv_redline_view_t *v, int side, uint32_t from, uint32_t to, int code);
static void pv_html_break(pv_redline_view_t *v, int side);
static void pv_html_text(pv_redline_view_t *v, int side, uint32_t from, uint32_t to, int code);
static void pv_html_run(pv_buf_t *out, pv_str_t text, const pv_run_t *run, pv_str_t link, int whole, int code);
static const char *pv_html_class(const pv_item_t *item);


int
pv_redline_html(pv_buf_t *out, const pv_diff_t *diff, const pv_redline_t *how, size_t *changes)
{
    pv_place_t         open;
    pv_redline_view_t  v;

    if (pv_redline_open(&v, out, diff, how) != PV_OK) {
        return PV_ERROR;
    }

    open.depth = 0;
    pv_html_items(&v, &open);
    pv_html_leave(&v, &open, 0);

    if (changes != NULL) {
        *changes = v.changes;
    }

    pv_redline_close(&v);

    return out->failed ? PV_ERROR : PV_OK;
}


static void
pv_html_items(pv_redline_view_t *v, pv_place_t *open)
{
    size_t      i, end;
    uint32_t    level;
    pv_place_t  place;

    for (i = 0; i < v->diff->items_count && !v->out->failed; /* void */) {

        end = i;

        if (!v->shown[i]) {
            pv_item_place(v->diff, &v->diff->items[i], &place);

            /* From the outside in: the widest fold, else one within what opens here. */
            for (level = pv_place_common(open, &place); level <= place.depth && end - i < v->how->fold; level++) {
                end = pv_html_fold_end(v, &place, i, level);
            }
        }

        if (end != i && end - i >= v->how->fold) {
            pv_html_fold(v, open, i, end, level - 1);
            i = end;

        } else {
            pv_html_item(v, open, i++);
        }
    }
}


/*
 * How far from an item on can be folded as one, at this level: nothing that
 * opens within may go on behind it, and what is around it has to have a place
 * for it.
 */
static size_t
pv_html_fold_end(const pv_redline_view_t *v, const pv_place_t *place, size_t from, uint32_t level)
{
    size_t      i, end;
    uint32_t    common;
    pv_place_t  path, next;

    if (!pv_html_fold_within(place, level)) {
        return from;
    }

    path = *place;

    for (i = from, end = from; i < v->diff->items_count && !v->shown[i]; i++, path = next) {
        common = 0;
        next.depth = 0;

        if (i + 1 < v->diff->items_count) {
            pv_item_place(v->diff, &v->diff->items[i + 1], &next);
            common = pv_place_common(&path, &next);
        }

        if (common <= level) {
            end = i + 1;
        }

        if (common < level) {
            break;
        }
    }

    return end;
}


static int
pv_html_fold_within(const pv_place_t *path, uint32_t level)
{
    if (level == 0) {
        return 1;
    }

    switch (path->node[level - 1]->kind) {
    case PV_NODE_TABLE:
    case PV_NODE_HEAD:
        return 0;
    default:
        return 1;
    }
}


static void
pv_html_fold(pv_redline_view_t *v, pv_place_t *open, size_t from, size_t to, uint32_t level)
{
    size_t               i;
    pv_place_t           path;
    pv_container_kind_t  within;
    const pv_block_t    *block;

    block = pv_item_block(v->diff, &v->diff->items[from]);
    pv_item_place(v->diff, &v->diff->items[from], &path);
    path.depth = level;
    pv_html_enter(v, open, &path, 0);
    within = level == 0 ? PV_NODE_ROOT : path.node[level - 1]->kind;

    if (within == PV_NODE_UL || within == PV_NODE_OL) {
        pv_buf_puts(v->out, "<li class=\"privacy-fold-item\">");

    } else if (within == PV_NODE_BODY) {
        pv_buf_printf(v->out, "<tr class=\"privacy-fold-row\"><td colspan=\"%u\">", block->cells);
    }

    pv_buf_puts(v->out, "<details class=\"privacy-fold\"><summary>");
    pv_redline_say(v->out, to - from == 1 ? v->strings->unchanged_one : v->strings->unchanged, to - from, pv_str(""),
                   pv_str(""), pv_buf_html);
    pv_buf_puts(v->out, "</summary>\n");

    pv_buf_puts(v->out, within == PV_NODE_UL ? "<ul>\n" : within == PV_NODE_OL ? "<ol>\n" : within == PV_NODE_BODY
                        ? "<div class=\"privacy-table\" tabindex=\"0\"><table><tbody>\n" : "");

    for (i = from; i < to; i++) {
        pv_html_item(v, open, i);
    }

    pv_html_leave(v, open, level);

    pv_buf_puts(v->out, within == PV_NODE_UL ? "</ul>\n" : within == PV_NODE_OL ? "</ol>\n" : within == PV_NODE_BODY
                        ? "</tbody></table></div>\n" : "");
    pv_buf_puts(v->out, "</details>");
    pv_buf_puts(v->out, within == PV_NODE_UL || within == PV_NODE_OL ? "</li>\n" : within == PV_NODE_BODY
                        ? "</td></tr>\n" : "\n");
}


static void
pv_html_item(pv_redline_view_t *v, pv_place_t *open, size_t i)
{
    pv_place_t        path;
    const pv_item_t  *item = &v->diff->items[i];

    pv_item_place(v->diff, item, &path);
    pv_html_enter(v, open, &path, pv_item_side(item) ? pv_item_block(v->diff, item)->rules : 0);
    pv_html_block(v, i);
}


static void
pv_html_enter(pv_redline_view_t *v, pv_place_t *open, const pv_place_t *path, uint32_t rules)
{
    uint32_t               depth;
    pv_container_kind_t    within;
    const pv_container_t  *node;

    static const char *const  starts[] = {
        [PV_NODE_QUOTE] = "<blockquote>\n", [PV_NODE_UL] = "<ul>\n", [PV_NODE_OL] = "<ol>\n", [PV_NODE_LI] = "<li>",
        [PV_NODE_TABLE] = "<div class=\"privacy-table\" tabindex=\"0\"><table>\n", [PV_NODE_HEAD] = "<thead>\n",
        [PV_NODE_BODY] = "<tbody>\n"
    };

    depth = pv_place_common(open, path);
    pv_html_leave(v, open, depth);
    within = depth == 0 ? PV_NODE_ROOT : path->node[depth - 1]->kind;

    if (within == PV_NODE_ROOT || within == PV_NODE_QUOTE || within == PV_NODE_LI) {
        for ( /* void */ ; rules > 0; rules--) {
            pv_buf_puts(v->out, "<hr>\n");
        }
    }

    for ( /* void */ ; depth < path->depth; depth++) {
        node = path->node[depth];

        /* Items keep the number that they have in their text, whatever stands between them. */
        if (node->kind == PV_NODE_LI && depth > 0 && path->node[depth - 1]->kind == PV_NODE_OL) {
            pv_buf_printf(v->out, "<li value=\"%u\">", node->number);

        } else {
            pv_buf_puts(v->out, starts[node->kind]);
        }

        open->node[depth] = node;
    }

    open->depth = path->depth;
}


static void
pv_html_leave(pv_redline_view_t *v, pv_place_t *open, uint32_t depth)
{
    static const char *const  ends[] = {
        [PV_NODE_QUOTE] = "</blockquote>\n", [PV_NODE_UL] = "</ul>\n", [PV_NODE_OL] = "</ol>\n",
        [PV_NODE_LI] = "</li>\n", [PV_NODE_TABLE] = "</table></div>\n", [PV_NODE_HEAD] = "</thead>\n",
        [PV_NODE_BODY] = "</tbody>\n"
    };

    while (open->depth > depth) {
        pv_buf_puts(v->out, ends[open->node[--open->depth]->kind]);
    }
}


static void
pv_html_block(pv_redline_view_t *v, size_t i)
{
    const char        *class;
    pv_buf_t          *out = v->out;
    const pv_item_t   *item = &v->diff->items[i];
    const pv_block_t  *block;

    block = pv_item_block(v->diff, item);
    class = pv_html_class(item);

    switch (block->kind) {

    case PV_BLOCK_ROW:
        pv_html_row(v, i, class);
        return;

    case PV_BLOCK_HEADING:
        pv_buf_printf(out, "<h%u", block->level);
        if (pv_item_side(item) && block->section != 0) {
            pv_buf_printf(out, " id=\"privacy-section-%u\"", block->section);
        }
        break;

    case PV_BLOCK_TEXT:
        pv_buf_puts(out, class != NULL ? "<div" : "");
        break;

    default:
        pv_buf_puts(out, block->kind == PV_BLOCK_CODE ? "<pre" : "<p");
    }

    if (class != NULL) {
        pv_buf_printf(out, " class=\"%s\"", class);
    }

    pv_buf_puts(out, block->kind != PV_BLOCK_TEXT || class != NULL ? ">" : "");
    pv_html_first(v, i);
    pv_buf_puts(out, block->kind == PV_BLOCK_CODE ? "<code>" : "");

    pv_html_operations(v, item, item->a_at, item->a_end, item->b_at, item->b_end);

    if (item->broken) {
        pv_html_break(v, 1);
    }

    switch (block->kind) {
    case PV_BLOCK_HEADING:
        pv_buf_printf(out, "</h%u>\n", block->level);
        break;
    case PV_BLOCK_TEXT:
        pv_buf_puts(out, class != NULL ? "</div>\n" : "");
        break;
    default:
        pv_buf_puts(out, block->kind == PV_BLOCK_CODE ? "</code></pre>\n" : "</p>\n");
    }
}


static const char *
pv_html_class(const pv_item_t *item)
{
    static const char *const  classes[] = {
        [PV_ITEM_SAME] = NULL, [PV_ITEM_CHANGED] = "privacy-changed", [PV_ITEM_DELETED] = "privacy-deleted",
        [PV_ITEM_INSERTED] = "privacy-inserted", [PV_ITEM_MOVED_FROM] = "privacy-moved-from",
        [PV_ITEM_MOVED_TO] = "privacy-moved-to"
    };

    return classes[item->kind];
}


/* Where to jump to, and where a move leads: within the block, for it may be an item's text or a row. */
static void
pv_html_first(pv_redline_view_t *v, size_t i)
{
    int               to;
    const pv_item_t  *item = &v->diff->items[i];

    if (item->kind != PV_ITEM_SAME && (i == 0 || item[-1].kind == PV_ITEM_SAME)) {
        v->changes++;
        pv_buf_printf(v->out, "<span id=\"privacy-change-%zu\"></span>", v->changes);
    }

    if (pv_item_first_of_move(v->diff, i)) {
        to = item->kind == PV_ITEM_MOVED_TO;
        pv_buf_printf(v->out, "<a class=\"privacy-move\" id=\"privacy-move-%u-%s\" href=\"#privacy-move-%u-%s\">",
                      item->move, to ? "to" : "from", item->move, to ? "from" : "to");
        pv_redline_say(v->out, to ? v->strings->moved_from : v->strings->moved_to, item->move, pv_str(""), pv_str(""),
                       pv_buf_html);
        pv_buf_puts(v->out, "</a> ");
    }
}


static void
pv_html_row(pv_redline_view_t *v, size_t i, const char *class)
{
    uint32_t           k;
    const pv_item_t   *item = &v->diff->items[i];
    const pv_pair_t   *pair;
    const pv_block_t  *block;
    const pv_cell_t   *cells, *others;

    block = pv_item_block(v->diff, item);
    cells = v->diff->doc[pv_item_side(item)].cells + block->cell;

    pv_buf_puts(v->out, "<tr");
    if (class != NULL) {
        pv_buf_printf(v->out, " class=\"%s\"", class);
    }
    pv_buf_puts(v->out, ">");

    if (item->pairs == 0) {
        for (k = 0; k < block->cells; k++) {
            pv_html_cell(v, i, pv_item_side(item) ? NULL : &cells[k], pv_item_side(item) ? &cells[k] : NULL, k == 0);
        }

    } else {
        others = v->diff->doc[0].cells + v->diff->doc[0].blocks[item->a].cell;

        for (k = 0; k < item->pairs; k++) {
            pair = &v->diff->pairs[item->pair + k];
            pv_html_cell(v, i, pair->a != PV_NONE ? &others[pair->a] : NULL,
                         pair->b != PV_NONE ? &cells[pair->b] : NULL, k == 0);
        }
    }

    pv_buf_puts(v->out, "</tr>\n");
}


/* A cell that is on one side only is all of its text, marked. */
static void
pv_html_cell(pv_redline_view_t *v, size_t i, const pv_cell_t *a, const pv_cell_t *b, int first)
{
    const pv_cell_t  *cell;

    cell = b != NULL ? b : a;

    /* cppcheck-suppress nullPointerRedundantCheck; one of the two is always there */
    pv_buf_printf(v->out, "<%s%s>", cell->header ? "th scope=\"col\"" : "td",
                  cell->align == 'r' ? " class=\"privacy-right\""
                  : cell->align == 'c' ? " class=\"privacy-center\"" : "");

    if (first) {
        pv_html_first(v, i);
    }

    pv_html_operations(v, &v->diff->items[i], a != NULL ? a->at : 0, a != NULL ? a->at + a->len : 0,
                       b != NULL ? b->at : 0, b != NULL ? b->at + b->len : 0);
    pv_buf_puts(v->out, cell->header ? "</th>" : "</td>");
}


/* What an item's operations say of a stretch of A and of B. */
static void
pv_html_operations(pv_redline_view_t *v, const pv_item_t *item, uint32_t a, uint32_t a_end, uint32_t b, uint32_t b_end)
{
    int                  side, code;
    uint32_t             i, from, to;
    const pv_diff_op_t  *op;

    code = pv_item_block(v->diff, item)->kind == PV_BLOCK_CODE;

    for (i = 0; i < item->ops; i++) {
        op = &v->diff->ops[item->op + i];
        side = op->kind != PV_DIFF_DELETE && op->kind != PV_DIFF_MOVE_FROM;

        from = side ? op->b : op->a;
        to = from + (side ? op->b_len : op->a_len);
        from = from < (side ? b : a) ? (side ? b : a) : from;
        to = to > (side ? b_end : a_end) ? (side ? b_end : a_end) : to;

        if (from >= to) {
            continue;
        }

        if (op->kind == PV_DIFF_DELETE && to - from == 1 && !code && v->diff->doc[0].text[from] == '\n') {
            pv_html_break(v, 0);
            continue;
        }

        switch (op->kind) {
        case PV_DIFF_EQUAL:
            pv_html_equal(v, from, to, code);
            break;
        case PV_DIFF_MOVE_TO:
            pv_buf_puts(v->out, "<ins class=\"privacy-moved\">");
            pv_html_equal(v, from, to, code);
            pv_buf_puts(v->out, "</ins>");
            break;
        default:
            pv_html_marked(v, side, from, to, code);
        }
    }
}


/* Of B, with a note behind each link that leads elsewhere now. */
static void
pv_html_equal(pv_redline_view_t *v, uint32_t from, uint32_t to, int code)
{
    uint32_t               end;
    const pv_diff_link_t  *link;

    for ( /* void */ ; v->link < v->diff->changed_count && from < to; v->link++) {
        link = &v->diff->changed[v->link];
        end = link->b + link->len;

        if (link->b >= to) {
            break;
        }

        if (end <= from) {
            continue;
        }

        pv_html_text(v, 1, from, end < to ? end : to, code);
        from = end < to ? end : to;

        pv_buf_puts(v->out, " <span class=\"privacy-link\">");
        pv_redline_say(v->out, pv_redline_link_string(v->strings, link), 0, link->from, link->to, pv_buf_html);
        pv_buf_puts(v->out, "</span>");
    }

    pv_html_text(v, 1, from, to, code);
}


static void
pv_html_marked(pv_redline_view_t *v, int side, uint32_t from, uint32_t to, int code)
{
    pv_buf_puts(v->out, side ? "<ins><span class=\"privacy-mark\">" : "<del><span class=\"privacy-mark\">");
    pv_buf_html(v->out, side ? v->strings->inserted : v->strings->deleted);
    pv_buf_puts(v->out, "</span>");
    pv_html_text(v, side, from, to, code);
    pv_buf_puts(v->out, "<span class=\"privacy-mark\">");
    pv_buf_html(v->out, side ? v->strings->inserted_end : v->strings->deleted_end);
    pv_buf_puts(v->out, side ? "</span></ins>" : "</span></del>");
}


/* The end of a paragraph that came, or went. */
static void
pv_html_break(pv_redline_view_t *v, int side)
{
    pv_buf_puts(v->out, side ? "<ins><span class=\"privacy-mark\">" : "<del><span class=\"privacy-mark\">");
    pv_buf_html(v->out, side ? v->strings->inserted : v->strings->deleted);
    pv_buf_puts(v->out, "</span><span class=\"privacy-break\">\xc2\xb6</span><span class=\"privacy-mark\">");
    pv_buf_html(v->out, side ? v->strings->inserted_end : v->strings->deleted_end);
    pv_buf_puts(v->out, side ? "</span></ins>" : "</span></del>");
}


/* A stretch of one document as it looks there, run by run: nothing stays open behind it. */
static void
pv_html_text(pv_redline_view_t *v, int side, uint32_t from, uint32_t to, int code)
{
    size_t           low, high, middle;
    uint32_t         end;
    const pv_doc_t  *doc = &v->diff->doc[side];
    const pv_run_t  *run;

    for (low = 0, high = doc->runs_count; high - low > 1; /* void */) {
        middle = low + (high - low) / 2;

        if (doc->runs[middle].at <= from) {
            low = middle;
        } else {
            high = middle;
        }
    }

    for ( /* void */ ; from < to; low++, from = end) {
        run = &doc->runs[low];
        end = low + 1 < doc->runs_count && doc->runs[low + 1].at < to ? doc->runs[low + 1].at : to;

        pv_html_run(v->out, (pv_str_t) { doc->text + from, end - from }, run, v->diff->links.list[run->link],
                    run->at == from, code);
    }
}


static void
pv_html_run(pv_buf_t *out, pv_str_t text, const pv_run_t *run, pv_str_t link, int whole, int code)
{
    size_t                len;
    const unsigned char  *line;

    if (run->link != 0) {
        pv_buf_puts(out, "<a href=\"");
        pv_buf_html(out, link);
        pv_buf_puts(out, "\" rel=\"noopener noreferrer\">");
    }

    pv_buf_puts(out, run->style & PV_STYLE_STRONG ? "<strong>" : "");
    pv_buf_puts(out, run->style & PV_STYLE_EM ? "<em>" : "");
    pv_buf_puts(out, run->style & PV_STYLE_CODE && !code ? "<code>" : "");

    /* An entity is one only in full; a browser reads what is left of it as text. */
    if (run->style & PV_STYLE_ENTITY && whole && text.data[0] == '&' && text.data[text.len - 1] == ';') {
        pv_buf_str(out, text);
        text.len = 0;
    }

    while (!code && (line = memchr(text.data, '\n', text.len)) != NULL) {
        len = (size_t) (line - text.data);
        pv_buf_html(out, (pv_str_t) { text.data, len });
        pv_buf_puts(out, "<br>\n");
        text.data += len + 1;
        text.len -= len + 1;
    }

    pv_buf_html(out, text);
    pv_buf_puts(out, run->style & PV_STYLE_CODE && !code ? "</code>" : "");
    pv_buf_puts(out, run->style & PV_STYLE_EM ? "</em>" : "");
    pv_buf_puts(out, run->style & PV_STYLE_STRONG ? "</strong>" : "");
    pv_buf_puts(out, run->link != 0 ? "</a>" : "");
}
