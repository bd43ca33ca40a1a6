/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "pvr_reader.h"


#define PVR_BLOCK        512    /* bytes: the four replies of a recorded choice need less, each */

/* A sanitizer sees what is used after it was freed only when it is freed. */
#ifndef __has_feature
#define __has_feature(name)  0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define PVR_BLOCKS_KEPT  0
#else
#define PVR_BLOCKS_KEPT  128
#endif


/* The first block of a reply begins with the reply itself. */
typedef struct pvr_block_s  pvr_block_t;

struct pvr_block_s {
    pvr_block_t  *next;         /* of the same reply, in no order; or the next that is kept */
    size_t        used;
    size_t        size;         /* of data */
    alignas(max_align_t) unsigned char  data[];
};


static void *pvr_create_string(const redisReadTask *task, char *str, size_t len);
static void *pvr_create_array(const redisReadTask *task, int n);
static void *pvr_create_integer(const redisReadTask *task, long long value);
static void *pvr_create_nil(const redisReadTask *task);
static void pvr_free_object(void *reply);
static redisReply *pvr_object(const redisReadTask *task, size_t more, void **space);
static void *pvr_block_take(pvr_block_t *block, size_t len);
static pvr_block_t *pvr_block_create(size_t size);
static pvr_block_t *pvr_block_of(redisReply *reply);
static void pvr_block_free(pvr_block_t *block);


static redisReplyObjectFunctions  pvr_functions = {
    .createString = pvr_create_string,
    .createArray = pvr_create_array,
    .createInteger = pvr_create_integer,
    .createNil = pvr_create_nil,
    .freeObject = pvr_free_object
};

static pvr_block_t  *pvr_kept;
static unsigned      pvr_kept_n;


redisReader *
pvr_reader_create(void)
{
    return redisReaderCreateWithFunctions(&pvr_functions);
}


void
pvr_reply_free(redisReply *reply)
{
    pvr_block_t  *block, *next;

    if (reply == NULL) {
        return;
    }

    for (block = pvr_block_of(reply); block != NULL; block = next) {
        next = block->next;
        pvr_block_free(block);
    }
}


/* hiredis frees what it has not finished reading, from the outermost array on. */

static void
pvr_free_object(void *reply)
{
    pvr_reply_free(reply);
}


static void *
pvr_create_string(const redisReadTask *task, char *str, size_t len)
{
    void        *copy;
    redisReply  *reply;

    reply = pvr_object(task, len + 1, &copy);
    if (reply == NULL) {
        return NULL;
    }

    memcpy(copy, str, len);
    ((char *) copy)[len] = '\0';

    reply->str = copy;
    reply->len = len;

    return reply;
}


static void *
pvr_create_array(const redisReadTask *task, int n)
{
    size_t       size;
    void        *element;
    redisReply  *reply;

    /* no more than PVR_REPLY_ELEMENTS: pvr_limit_feed() has refused others */
    size = (size_t) (n > 0 ? n : 0) * sizeof(redisReply *);

    reply = pvr_object(task, size, &element);
    if (reply == NULL) {
        return NULL;
    }

    if (size != 0) {
        memset(element, 0, size);
        reply->element = element;
        reply->elements = (size_t) n;
    }

    return reply;
}


static void *
pvr_create_integer(const redisReadTask *task, long long value)
{
    redisReply  *reply;

    reply = pvr_object(task, 0, NULL);
    if (reply != NULL) {
        reply->integer = value;
    }

    return reply;
}


static void *
pvr_create_nil(const redisReadTask *task)
{
    redisReply  *reply;

    reply = pvr_object(task, 0, NULL);
    if (reply != NULL) {
        reply->type = REDIS_REPLY_NIL;
    }

    return reply;
}


/* An object with so much space behind it, in the block of the reply that it is part of, and made known there. */

static redisReply *
pvr_object(const redisReadTask *task, size_t more, void **space)
{
    redisReply           *reply, *array;
    pvr_block_t          *block;
    const redisReadTask  *outermost;

    if (more > SIZE_MAX / 2) {
        return NULL;
    }

    if (task->parent == NULL) {
        block = pvr_block_create(sizeof(redisReply) + more);

    } else {
        for (outermost = task->parent; outermost->parent != NULL; outermost = outermost->parent) { /* void */ }
        block = pvr_block_of(outermost->obj);
    }

    reply = (block != NULL) ? pvr_block_take(block, sizeof(redisReply) + more) : NULL;
    if (reply == NULL) {
        return NULL;
    }

    memset(reply, 0, sizeof(redisReply));
    reply->type = task->type;

    if (space != NULL) {
        *space = reply + 1;
    }

    if (task->parent != NULL) {
        array = task->parent->obj;
        array->element[task->idx] = reply;
    }

    return reply;
}


/* From the first block of a reply, or from the one that was added last. */

static void *
pvr_block_take(pvr_block_t *block, size_t len)
{
    void         *p;
    pvr_block_t  *from;

    len = (len + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    from = block;

    if (len > from->size - from->used) {
        from = block->next;
    }

    if (from == NULL || len > from->size - from->used) {
        from = pvr_block_create(len);
        if (from == NULL) {
            return NULL;
        }

        from->next = block->next;
        block->next = from;
    }

    p = from->data + from->used;
    from->used += len;

    return p;
}


static pvr_block_t *
pvr_block_create(size_t size)
{
    pvr_block_t  *block;

    if (size <= PVR_BLOCK && pvr_kept != NULL) {
        block = pvr_kept;
        pvr_kept = block->next;
        pvr_kept_n--;

    } else {
        size = (size <= PVR_BLOCK) ? PVR_BLOCK : (size + alignof(max_align_t));

        block = malloc(sizeof(pvr_block_t) + size);
        if (block == NULL) {
            return NULL;
        }

        block->size = size;
    }

    block->next = NULL;
    block->used = 0;

    return block;
}


static pvr_block_t *
pvr_block_of(redisReply *reply)
{
    return (pvr_block_t *) ((unsigned char *) reply - offsetof(pvr_block_t, data));
}


static void
pvr_block_free(pvr_block_t *block)
{
    if (block->size != PVR_BLOCK || pvr_kept_n == PVR_BLOCKS_KEPT) {
        free(block);
        return;
    }

    block->next = pvr_kept;
    pvr_kept = block;
    pvr_kept_n++;
}
