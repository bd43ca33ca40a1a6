/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <string.h>

#include "pv_memo.h"


typedef struct {
    size_t         len;         /* 0: nothing here */
    unsigned char  cookie[PV_COOKIE_MAX + 1];
    pv_consent_t   consent;
} pv_memo_entry_t;


struct pv_memo_s {
    uint64_t         seed[2];
    size_t           mask;
    pv_memo_entry_t  entries[];
};


static pv_memo_entry_t *pv_memo_place(pv_memo_t *memo, pv_str_t cookie);


pv_memo_t *
pv_memo_create(size_t entries)
{
    pv_memo_t  *memo;

    memo = calloc(1, sizeof(pv_memo_t) + entries * sizeof(pv_memo_entry_t));
    if (memo == NULL) {
        return NULL;
    }

    if (pv_random(memo->seed, sizeof(memo->seed)) != PV_OK) {
        free(memo);
        return NULL;
    }

    memo->mask = entries - 1;

    return memo;
}


void
pv_memo_free(pv_memo_t *memo)
{
    free(memo);
}


int
pv_memo_consent(pv_memo_t *memo, pv_consent_t *c, pv_str_t cookie, const pv_keys_t *keys, pv_str_t site)
{
    int               rc;
    pv_memo_entry_t  *entry;

    if (memo == NULL || cookie.len == 0 || cookie.len > PV_COOKIE_MAX) {
        return pv_consent_decode(c, cookie, keys, site);
    }

    entry = pv_memo_place(memo, cookie);

    if (entry->len == cookie.len && memcmp(entry->cookie, cookie.data, cookie.len) == 0) {
        *c = entry->consent;
        return PV_OK;
    }

    rc = pv_consent_decode(c, cookie, keys, site);

    if (rc == PV_OK) {
        memcpy(entry->cookie, cookie.data, cookie.len);
        entry->len = cookie.len;
        entry->consent = *c;
    }

    return rc;
}


/* What a word does depends on the seed and on all words before it: a place can not be worked out from outside. */

static pv_memo_entry_t *
pv_memo_place(pv_memo_t *memo, pv_str_t cookie)
{
    size_t    i, n;
    uint64_t  hash, word;

    hash = memo->seed[0] ^ cookie.len;

    for (i = 0; i < cookie.len; i += n) {
        n = cookie.len - i;
        word = 0;

        if (n >= sizeof(word)) {
            n = sizeof(word);
            memcpy(&word, cookie.data + i, sizeof(word));

        } else {
            memcpy(&word, cookie.data + i, n);
        }

        hash = (hash ^ word) * UINT64_C(0xd6e8feb86659fd93);
        hash = (hash ^ hash >> 32) + memo->seed[1];
    }

    hash *= UINT64_C(0xd6e8feb86659fd93);

    return &memo->entries[(hash >> 32) & memo->mask];
}
