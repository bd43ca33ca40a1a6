/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* The body of a choice: any bytes, as a form and as JSON. What is read points into what was given. */

#include <stdlib.h>
#include <string.h>

#include "pv_choice.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t             i;
    pv_str_t           body;
    unsigned char     *copy;
    pv_choice_input_t  in;

    if (size > PV_CHOICE_BODY_MAX) {
        return 0;
    }

    copy = malloc(size + 1);
    if (copy == NULL) {
        return 0;
    }

    memcpy(copy, data, size);

    if (pv_choice_read_form(&in, copy, size, 0) == PV_OK) {
        if (in.how == 0 || in.token.len == 0 || in.count > PV_PURPOSES_MAX) {
            abort();
        }

        for (i = 0; i < in.count; i++) {
            if (in.id[i].data < copy || in.id[i].data + in.id[i].len > copy + size) {
                abort();
            }
        }
    }

    pv_choice_input_free(&in);

    body.data = data;
    body.len = size;

    if (pv_choice_read_json(&in, body, PV_HOW_WITHDRAW) == PV_OK && in.how != PV_HOW_WITHDRAW) {
        abort();
    }

    pv_choice_input_free(&in);
    free(copy);

    return 0;
}
