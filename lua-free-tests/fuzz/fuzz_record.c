/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pv_record.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* Whatever is read as a record is written as the same bytes, and stays within what a record may say. */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t         len;
    pv_record_t    r;
    unsigned char  out[PV_RECORD_MAX];

    if (pv_record_decode(&r, (pv_str_t) { data, size }) != PV_OK) {
        return 0;
    }

    len = pv_record_encode(out, &r);

    if (len != size || memcmp(out, data, size) != 0) {
        abort();
    }

    if ((r.granted & ~r.decided) || pv_how_name(r.how) == NULL) {
        abort();
    }

    return 0;
}
