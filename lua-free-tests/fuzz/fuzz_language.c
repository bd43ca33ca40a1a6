/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* Accept-Language, ?lang= and Accept, as any client writes them. The first byte says where the first two part. */

#include <stdint.h>
#include <stdlib.h>

#include "pv_language.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int       type;
    size_t    cut;
    pv_str_t  accept, wanted;

    static const pv_str_t  tags[] = {
        pv_string("zh-CN"), pv_string("zh-Hant"), pv_string("en"), pv_string("en-GB"), pv_string("fr")
    };
    static const pv_str_t  offers[] = {
        pv_string("text/html"), pv_string("application/json"), pv_string("text/markdown")
    };

    if (size == 0) {
        return 0;
    }

    cut = data[0] < size ? data[0] : size - 1;

    wanted.data = data + 1;
    wanted.len = cut;
    accept.data = data + 1 + cut;
    accept.len = size - 1 - cut;

    if (pv_language_choose(tags, 5, accept, wanted) >= 5 || pv_language_choose(tags, 1, accept, wanted) != 0) {
        abort();
    }

    type = pv_accept_choose(offers, 3, accept);

    if (type < -1 || type > 2) {
        abort();
    }

    return 0;
}
