/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * The first bytes say how the rest is cut. Whatever the cuts and whichever
 * fast path: the same insertions; and the bytes are the document's.
 */

#include "../unit/html_driver.h"

#define CUTS  8


static void
check(int holds)
{
    if (!holds) {
        abort();
    }
}


static int
equal(html_text_t a, html_text_t b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}


int LLVMFuzzerTestOneInput(const unsigned char *data, size_t len);

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t len)
{
    size_t         i, sizes[CUTS];
    unsigned       want;
    html_text_t    whole, cut, other, input;
    unsigned long  flush;

    static const char *const  ways[] = { "none", "portable", "sse2" };

    if (len < CUTS + 3 || len > 65536) {
        return 0;
    }

    want = data[0] & 31;
    flush = data[1];

    for (i = 0; i < CUTS; i++) {
        sizes[i] = data[2 + i] & 0x80 ? (size_t) (data[2 + i] & 0x7f) * (len / 128 + 1) : data[2 + i] & 0x0f;
    }

    input.data = (unsigned char *) data + CUTS + 2;
    input.len = len - CUTS - 2;

    pv_html_scan_use(NULL);
    whole = html_run(input.data, input.len, want, NULL, 0, 0, 1);
    cut = html_run(input.data, input.len, want, sizes, CUTS, 0, 1);
    check(equal(whole, cut));
    free(cut.data);

    cut = html_run(input.data, input.len, want, sizes, CUTS, flush, 0);
    check(equal(cut, input));
    free(cut.data);

    for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        if (pv_html_scan_use(ways[i])) {
            other = html_run(input.data, input.len, want, NULL, 0, 0, 1);
            check(equal(whole, other));
            free(other.data);
        }
    }

    free(whole.data);

    return 0;
}
