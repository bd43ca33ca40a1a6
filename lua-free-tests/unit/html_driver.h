/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef HTML_DRIVER_H
#define HTML_DRIVER_H

/*
 * Feeds a document to the HTML machine piece by piece and writes down what
 * comes out, with a marker such as [[BODY]] at each insertion. For the unit
 * test and the fuzzer.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pv_html_token.h"

typedef struct {
    unsigned char  *data;
    size_t          len;
} html_text_t;

static const char *const  html_marked[] = { "none", "policy", "cookies", "settings", "version", "changes" };


static inline void
html_add(html_text_t *out, const void *data, size_t len)
{
    out->data = realloc(out->data, out->len + len + 1);

    if (out->data == NULL) {
        abort();
    }

    if (len != 0) {
        memcpy(out->data + out->len, data, len);
    }

    out->len += len;
}


static inline void
html_drain(pv_html_t *h, html_text_t *out, int marks)
{
    char             marker[32];
    pv_str_t         piece;
    const char      *text;
    pv_html_event_t  event;

    while ((event = pv_html_next(h, &piece)) != PV_HTML_MORE) {
        switch (event) {
        case PV_HTML_BYTES:
        case PV_HTML_REST:
            html_add(out, piece.data, piece.len);
            continue;

        case PV_HTML_HEAD_START:
            text = "[[HEAD]]";
            break;

        case PV_HTML_BODY_START:
            text = "[[BODY]]";
            break;

        case PV_HTML_BODY_END:
            text = "[[END]]";
            break;

        case PV_HTML_MARKED:
            snprintf(marker, sizeof(marker), "[[%s]]", html_marked[h->marked]);
            text = marker;
            break;

        default:
            text = "[[SOURCE]]";
        }

        if (marks) {
            html_add(out, text, strlen(text));
        }
    }
}


/* sizes: of the pieces, one after another; what is left goes last. flush: bit i: flush after piece i. */
static inline html_text_t
html_run(const unsigned char *data, size_t len, unsigned want, const size_t *sizes, size_t n,
    unsigned long flush,
    int marks)
{
    size_t          i, size;
    pv_html_t       h;
    html_text_t     out = { NULL, 0 };
    unsigned char  *copy;

    pv_html_init(&h, want);
    html_add(&out, "", 0);

    for (i = 0; i <= n; i++) {
        size = (i == n || sizes[i] > len) ? len : sizes[i];

        /* a block of its own: a byte read too far is seen, and one kept by address too */
        copy = malloc(size ? size : 1);

        if (copy == NULL) {
            abort();
        }

        memcpy(copy, data, size);
        pv_html_feed(&h, copy, size, i == n);
        html_drain(&h, &out, marks);

        if (i != n && (flush >> (i & 31) & 1)) {
            pv_html_flush(&h);
            html_drain(&h, &out, marks);

            if (pv_html_held(&h) != 0) {
                abort();
            }
        }

        if (pv_html_held(&h) > PV_HTML_HELD_MAX) {
            abort();
        }

        memset(copy, '#', size);
        free(copy);
        data += size;
        len -= size;
    }

    return out;
}

#endif /* HTML_DRIVER_H */
