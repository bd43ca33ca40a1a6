/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pv_keys.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* A file that is read can be rotated, and is then read again with one key more, which signs. */

static void
rotate(pv_str_t text, const pv_keys_t *keys, pv_key_kind_t kind)
{
    pv_buf_t        out;
    pv_keys_t      *next;
    pv_problems_t   p;

    pv_buf_init(&out, 2 * PV_KEYS_FILE_MAX);
    pv_problems_init(&p);

    if (pv_keys_rotate(&out, text, kind, &p) == PV_OK
        && pv_keys_parse(&next, (pv_str_t) { out.data, out.len }, "keys", &p) == PV_OK)
    {
        if (next->count[kind] != keys->count[kind] + 1
            || pv_keys_first(next, kind)->id == pv_keys_first(keys, kind)->id)
        {
            abort();
        }

        pv_keys_free(next);

    } else if (keys->count[kind] != PV_KEYS_MAX && out.len <= PV_KEYS_FILE_MAX) {
        abort();
    }

    pv_problems_free(&p);
    pv_buf_free(&out);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pv_str_t        text = { data, size };
    pv_keys_t      *keys;
    pv_problems_t   p;
    unsigned char   key[PV_KEY_LEN];

    (void) pv_public_key_parse(key, text);
    (void) pv_secret_key_parse(key, text);

    pv_problems_init(&p);

    if (pv_keys_parse(&keys, text, "keys", &p) == PV_OK) {
        if (p.errors != 0 || keys->count[PV_KEY_PSEUDONYM] != 1) {
            abort();
        }

        rotate(text, keys, PV_KEY_COOKIE);
        rotate(text, keys, PV_KEY_LEDGER);
        pv_keys_free(keys);

    } else if (p.errors == 0 || keys != NULL) {
        abort();
    }

    pv_problems_free(&p);

    return 0;
}
