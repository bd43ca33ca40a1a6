/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "pv_diff_doc.h"


static void pv_json_operation(pv_buf_t *out, const pv_diff_t *diff, const pv_diff_op_t *op);


int
pv_diff_json(pv_buf_t *out, const pv_diff_t *diff)
{
    size_t                  i;
    const pv_diff_link_t   *link;
    const pv_diff_stats_t  *s = &diff->stats;

    pv_buf_printf(out, "{\"unit\":\"bytes\",\"same\":%s,\"limited\":%s,", pv_diff_same(diff) ? "true" : "false",
                  s->limited ? "true" : "false");
    pv_buf_printf(out, "\"characters\":{\"a\":%zu,\"b\":%zu,\"inserted\":%zu,\"deleted\":%zu,\"moved\":%zu},",
                  s->characters[0], s->characters[1], s->inserted, s->deleted, s->moved);
    pv_buf_printf(out, "\"blocks\":{\"unchanged\":%zu,\"changed\":%zu,\"inserted\":%zu,\"deleted\":%zu,\"moved\":%zu},",
                  s->blocks_unchanged, s->blocks_changed, s->blocks_inserted, s->blocks_deleted, s->blocks_moved);

    pv_buf_puts(out, "\"links\":[");

    for (i = 0; i < diff->changed_count; i++) {
        link = &diff->changed[i];
        pv_buf_printf(out, "%s{\"a\":%u,\"b\":%u,\"length\":%u,\"from\":", i ? "," : "", link->a, link->b, link->len);
        pv_buf_json(out, link->from);
        pv_buf_puts(out, ",\"to\":");
        pv_buf_json(out, link->to);
        pv_buf_puts(out, "}");
    }

    pv_buf_puts(out, "],\"script\":[");

    for (i = 0; i < diff->script_count; i++) {
        pv_buf_puts(out, i ? "," : "");
        pv_json_operation(out, diff, &diff->script[i]);
    }

    pv_buf_puts(out, "]}");

    return out->failed ? PV_ERROR : PV_OK;
}


static void
pv_json_operation(pv_buf_t *out, const pv_diff_t *diff, const pv_diff_op_t *op)
{
    static const char *const  names[] = {
        [PV_DIFF_EQUAL] = "equal", [PV_DIFF_DELETE] = "delete", [PV_DIFF_INSERT] = "insert",
        [PV_DIFF_MOVE_FROM] = "move_from", [PV_DIFF_MOVE_TO] = "move_to"
    };

    pv_buf_printf(out, "{\"op\":\"%s\"", names[op->kind]);

    if (op->kind != PV_DIFF_INSERT) {
        pv_buf_printf(out, ",\"a\":%u", op->a);
    }

    if (op->kind != PV_DIFF_DELETE && op->kind != PV_DIFF_MOVE_FROM) {
        pv_buf_printf(out, ",\"b\":%u", op->b);
    }

    pv_buf_printf(out, ",\"length\":%u", op->kind == PV_DIFF_INSERT ? op->b_len : op->a_len);

    if (op->move != 0) {
        pv_buf_printf(out, ",\"move\":%u", op->move);
    }

    if (op->kind == PV_DIFF_DELETE) {
        pv_buf_puts(out, ",\"text\":");
        pv_buf_json(out, (pv_str_t) { diff->doc[0].text + op->a, op->a_len });

    } else if (op->kind == PV_DIFF_INSERT) {
        pv_buf_puts(out, ",\"text\":");
        pv_buf_json(out, (pv_str_t) { diff->doc[1].text + op->b, op->b_len });
    }

    pv_buf_puts(out, "}");
}
