/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * Two texts, parted by a zero byte, and what makes HTML of them: the first byte
 * says whether they are markdown (as published) or taken as HTML as they are
 * (what no renderer makes), and how much work there may be.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/diff_check.h"
#include "pv_bundle.h"
#include "pv_text.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int          rc;
    pv_buf_t     html[2];
    pv_str_t     text[2];
    uint64_t     work;
    pv_diff_t   *diff;
    const char  *wrong;

    if (size < 2) {
        return 0;
    }

    text[0].data = data + 1;
    text[1].data = memchr(data + 1, '\0', size - 1);

    if (text[1].data == NULL) {
        return 0;
    }

    text[0].len = (size_t) (text[1].data++ - text[0].data);
    text[1].len = size - 2 - text[0].len;
    work = data[0] & 2 ? (uint64_t) (data[0] >> 2) * 16 : PV_DIFF_WORK;

    /* The validator lets nothing else come this far, and JSON has to be able to say it. */
    if (pv_text_problem(text[0], 1) != NULL || pv_text_problem(text[1], 1) != NULL) {
        return 0;
    }

    pv_buf_init(&html[0], PV_BUNDLE_HTML_MAX);
    pv_buf_init(&html[1], PV_BUNDLE_HTML_MAX);

    if (data[0] & 1) {
        pv_buf_str(&html[0], text[0]);
        pv_buf_str(&html[1], text[1]);
        rc = PV_OK;

    } else {
        rc = pv_markdown_html(&html[0], text[0]) == PV_OK && pv_markdown_html(&html[1], text[1]) == PV_OK ? PV_OK
                                                                                                      : PV_INVALID;
    }

    if (rc == PV_OK && pv_diff_create(&diff, diff_str(&html[0]), diff_str(&html[1]), work) == PV_OK) {
        wrong = diff_holds(diff);

        if (wrong != NULL) {
            fprintf(stderr, "%s\n", wrong);
            abort();
        }

        pv_diff_free(diff);
    }

    pv_buf_free(&html[0]);
    pv_buf_free(&html[1]);

    return 0;
}
