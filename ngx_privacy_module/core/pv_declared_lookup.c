/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <string.h>

#include "pv_declared_lookup.h"


static pv_lookup_t pv_lookup(pv_declared_work_t *w, size_t n);
static void pv_lookup_sort(pv_lookup_t *keys);
static int pv_keyed_order(const void *x, const void *y);


static pv_lookup_t
pv_lookup(pv_declared_work_t *w, size_t n)
{
    pv_lookup_t  keys;

    keys.list = pv_arena_array(w->arena, n, sizeof(pv_keyed_t));
    keys.sorted = pv_arena_array(w->arena, n, sizeof(pv_keyed_t));
    keys.count = keys.list != NULL && keys.sorted != NULL ? n : 0;

    return keys;
}


static void
pv_lookup_sort(pv_lookup_t *keys)
{
    if (keys->count != 0) {
        memcpy(keys->sorted, keys->list, keys->count * sizeof(pv_keyed_t));
        qsort(keys->sorted, keys->count, sizeof(pv_keyed_t), pv_keyed_order);
    }
}


static int
pv_keyed_order(const void *x, const void *y)
{
    int                rc;
    const pv_keyed_t  *p = x, *q = y;

    rc = memcmp(p->key.data, q->key.data, p->key.len < q->key.len ? p->key.len : q->key.len);

    return rc != 0 ? rc : p->key.len < q->key.len ? -1 : p->key.len > q->key.len;
}


const void *
pv_lookup_find(const pv_lookup_t *keys, pv_str_t key)
{
    pv_keyed_t         wanted;
    const pv_keyed_t  *found;

    if (keys->count == 0) {
        return NULL;
    }

    wanted = (pv_keyed_t) { .key = key };
    found = bsearch(&wanted, keys->sorted, keys->count, sizeof(pv_keyed_t), pv_keyed_order);

    return found != NULL ? found->entry : NULL;
}


pv_lookup_t
pv_lookup_of_purposes(pv_declared_work_t *w, const pv_policy_t *policy)
{
    size_t       i;
    pv_lookup_t  keys;

    keys = pv_lookup(w, policy->purposes_count);

    for (i = 0; i < keys.count; i++) {
        keys.list[i].key = policy->purposes[i].id;
        keys.list[i].entry = &policy->purposes[i];
    }

    pv_lookup_sort(&keys);

    return keys;
}


/* A cookie of the same name elsewhere is another one. */
pv_lookup_t
pv_lookup_of_cookies(pv_declared_work_t *w, const pv_purpose_t *purpose)
{
    size_t                          i;
    pv_buf_t                        key;
    pv_lookup_t                     keys;
    const pv_cookie_declaration_t  *cookie;

    keys = pv_lookup(w, purpose->cookies_count);
    pv_buf_init(&key, SIZE_MAX);

    for (i = 0; i < keys.count; i++) {
        cookie = &purpose->cookies[i];
        key.len = 0;
        pv_buf_str(&key, cookie->name);
        pv_buf_add(&key, "\0", 1);
        pv_buf_str(&key, cookie->domain);
        pv_buf_add(&key, "\0", 1);
        pv_buf_str(&key, cookie->path);

        keys.list[i].key = pv_arena_copy(w->arena, key.data, key.failed ? 0 : key.len);
        keys.list[i].entry = cookie;
    }

    w->failed |= key.failed || w->arena->failed;
    keys.count = w->failed ? 0 : keys.count;
    pv_buf_free(&key);
    pv_lookup_sort(&keys);

    return keys;
}


pv_lookup_t
pv_lookup_of_strings(pv_declared_work_t *w, const pv_str_t *list, size_t n)
{
    size_t       i;
    pv_lookup_t  keys;

    keys = pv_lookup(w, n);

    for (i = 0; i < keys.count; i++) {
        keys.list[i].key = list[i];
        keys.list[i].entry = &list[i];
    }

    pv_lookup_sort(&keys);

    return keys;
}


pv_lookup_t
pv_lookup_of_recipients(pv_declared_work_t *w, const pv_policy_t *policy)
{
    size_t       i;
    pv_lookup_t  keys;

    keys = pv_lookup(w, policy->recipients_count);

    for (i = 0; i < keys.count; i++) {
        keys.list[i].key = policy->recipients[i].id;
        keys.list[i].entry = &policy->recipients[i];
    }

    pv_lookup_sort(&keys);

    return keys;
}
