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


typedef int (*change_pt)(pv_buf_t *text, pv_str_t old, pv_key_kind_t kind, pv_keys_change_t *c, pv_problems_t *p);


/*
 * A file that is read can be changed, unless there is no room, and is then read again with one key more, or with the one
 * that waited. It is the caller's, and its text that of out.
 */

static pv_keys_t *
changed(pv_buf_t *out, change_pt change, pv_str_t text, const pv_keys_t *keys, pv_key_kind_t kind)
{
    pv_keys_t         *next;
    pv_problems_t      p;
    pv_keys_change_t   what;

    next = NULL;
    pv_problems_init(&p);

    if (change(out, text, kind, &what, &p) == PV_OK
        && pv_keys_parse(&next, (pv_str_t) { out->data, out->len }, "keys", &p) == PV_OK)
    {
        if (what.waited != (pv_keys_waiting(keys, kind) != NULL)
            || next->count[kind] != keys->count[kind] + (what.waited ? 0 : 1)
            || (what.waited && what.id != pv_keys_waiting(keys, kind)->id))
        {
            abort();
        }

        if (pv_keys_find(next, kind, what.id)
            != (change == pv_keys_rotate ? pv_keys_first(next, kind) : pv_keys_waiting(next, kind)))
        {
            abort();
        }

    } else if (keys->count[kind] != PV_KEYS_MAX && out->len <= PV_KEYS_FILE_MAX) {
        abort();
    }

    pv_problems_free(&p);

    return next;
}


/* At once, and by way of a key that waits: which signs then. */

static void
rotate(pv_str_t text, const pv_keys_t *keys, pv_key_kind_t kind)
{
    pv_buf_t    waits, out;
    pv_keys_t  *next, *signs;

    pv_buf_init(&out, 2 * PV_KEYS_FILE_MAX);
    pv_buf_init(&waits, 2 * PV_KEYS_FILE_MAX);

    pv_keys_free(changed(&out, pv_keys_rotate, text, keys, kind));
    pv_buf_free(&out);
    pv_buf_init(&out, 2 * PV_KEYS_FILE_MAX);

    next = changed(&waits, pv_keys_next, text, keys, kind);

    if (next != NULL) {
        signs = changed(&out, pv_keys_rotate, (pv_str_t) { waits.data, waits.len }, next, kind);

        if (signs == NULL || pv_keys_first(signs, kind)->id != pv_keys_waiting(next, kind)->id
            || pv_keys_waiting(signs, kind) != NULL)
        {
            abort();
        }

        pv_keys_free(signs);
        pv_keys_free(next);
    }

    pv_buf_free(&waits);
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
