/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* A template of an overriding folder, whatever is in it, rendered over a context with one value of each kind. */

#include <stdint.h>
#include <stdlib.h>

#include "pv_page_ui.h"


static json_t  *context;


static const pv_template_t *
find(const void *data, pv_str_t name)
{
    return name.len == 1 ? data : NULL;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pv_buf_t             out;
    pv_str_t             source;
    pv_problems_t        problems;
    pv_template_t       *t;
    pv_template_cuts_t   cuts;

    if (context == NULL) {
        context = json_pack("{s:s,s:i,s:b,s:[s,{s:s}],s:{s:{s:s}}}", "s", "<&>", "i", 7, "b", 1, "l", "x", "s", "y",
                            "o", "o", "s", "z");
    }

    source.data = data;
    source.len = size;

    pv_problems_init(&problems);

    if (pv_template_parse(&t, source, "fuzz.html", size & 1 ? PV_TEMPLATE_DENSE : 0, &problems) == PV_OK) {
        pv_buf_init(&out, 64 * 1024);
        pv_template_render(&out, t, context, find, t, &cuts);
        pv_buf_free(&out);
        pv_template_free(t);

    } else if (problems.errors == 0) {
        abort();
    }

    pv_problems_free(&problems);

    /* The other reader of markup here: headings of a policy's text. */
    json_decref(pv_toc(source));

    return 0;
}
