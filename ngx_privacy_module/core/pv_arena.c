/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "pv_arena.h"

#define PV_ARENA_BLOCK  (64 * 1024)
#define PV_ARENA_ALIGN  alignof(max_align_t)


struct pv_arena_block_s {
    pv_arena_block_t           *next;
    size_t                      used, size;
    alignas(max_align_t) unsigned char  data[];
};


static void *pv_arena_alloc(pv_arena_t *a, size_t size);
static int pv_arena_block(pv_arena_t *a, size_t room);


void
pv_arena_init(pv_arena_t *a)
{
    a->blocks = NULL;
    a->failed = 0;
}


void
pv_arena_free(pv_arena_t *a)
{
    pv_arena_block_t  *block, *next;

    for (block = a->blocks; block != NULL; block = next) {
        next = block->next;
        free(block);
    }

    a->blocks = NULL;
}


void
pv_arena_reserve(pv_arena_t *a, size_t size)
{
    (void) pv_arena_block(a, size);
}


size_t
pv_arena_used(const pv_arena_t *a)
{
    size_t                   used;
    const pv_arena_block_t  *block;

    used = 0;

    for (block = a->blocks; block != NULL; block = block->next) {
        used += block->used;
    }

    return used;
}


void *
pv_arena_array(pv_arena_t *a, size_t n, size_t size)
{
    void  *p;

    if (n == 0) {
        return NULL;
    }

    if (size > SIZE_MAX / 2 / n) {
        a->failed = 1;
        return NULL;
    }

    p = pv_arena_alloc(a, n * size);
    if (p != NULL) {
        memset(p, 0, n * size);
    }

    return p;
}


pv_str_t
pv_arena_copy(pv_arena_t *a, const void *data, size_t len)
{
    pv_str_t        s;
    unsigned char  *p;

    p = pv_arena_alloc(a, len + 1);
    if (p == NULL) {
        return (pv_str_t) { NULL, 0 };
    }

    if (len != 0) {
        memcpy(p, data, len);
    }
    p[len] = '\0';

    s.data = p;
    s.len = len;

    return s;
}


/* A request that does not fit gets a block, of its own size when it is large. */
static void *
pv_arena_alloc(pv_arena_t *a, size_t size)
{
    void              *p;
    size_t             room;
    pv_arena_block_t  *block;

    size = (size + PV_ARENA_ALIGN - 1) & ~(PV_ARENA_ALIGN - 1);
    block = a->blocks;

    if (block == NULL || block->size - block->used < size) {
        room = size > PV_ARENA_BLOCK / 4 ? size : PV_ARENA_BLOCK;

        if (pv_arena_block(a, room) != PV_OK) {
            return NULL;
        }

        block = a->blocks;
    }

    p = block->data + block->used;
    block->used += size;

    return p;
}


static int
pv_arena_block(pv_arena_t *a, size_t room)
{
    pv_arena_block_t  *block;

    block = malloc(sizeof(pv_arena_block_t) + room);
    if (block == NULL) {
        a->failed = 1;
        return PV_ERROR;
    }

    block->used = 0;
    block->size = room;
    block->next = a->blocks;
    a->blocks = block;

    return PV_OK;
}
