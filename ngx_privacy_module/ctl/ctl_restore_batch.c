/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl.h"
#include "ctl_restore.h"

#define CTL_BATCH_COMMANDS   1024
#define CTL_BATCH_BYTES      (4 * 1024 * 1024)
#define CTL_BATCH_MAX        (256u * 1024 * 1024)
#define CTL_BATCH_CONFLICTS  20                     /* that are said one by one */


/* Bytes in the batch's data. */
typedef struct {
    size_t  at, len;
} ctl_span_t;

typedef enum { CTL_SENT_FIELD, CTL_SENT_VALUE, CTL_SENT_ENTRY, CTL_SENT_MEMBERS, CTL_SENT_EXPIRE } ctl_sent_kind_t;

/* A command that was sent, for the comparison with what is there. */
typedef struct {
    ctl_sent_kind_t  kind;
    size_t           item;          /* number in the batch */
    ctl_span_t       key;
    ctl_span_t       name;          /* of a field, or the id of an entry */
    ctl_span_t       value;         /* of an entry: its words, each behind its length */
} ctl_sent_t;

struct ctl_batch_s {
    ctl_redis_t     *redis;
    pv_str_t         site;
    int64_t          now;           /* milliseconds */
    ctl_restored_t   restored;

    pv_buf_t         data, commands;
    ctl_sent_t      *sent;
    size_t           count, size;
    size_t           items;
};

typedef struct {
    unsigned long  position;
    size_t         at;
} ctl_place_t;


static int ctl_batch_item(ctl_batch_t *b, const ctl_item_t *item, ctl_span_t key);
static int ctl_batch_hash(ctl_batch_t *b, const ctl_item_t *item, ctl_span_t key);
static ctl_place_t *ctl_batch_order(const ctl_item_t *item, size_t n);
static int ctl_batch_place(const void *one, const void *two);
static int ctl_batch_value(ctl_batch_t *b, const ctl_item_t *item, ctl_span_t key);
static int ctl_batch_list(ctl_batch_t *b, const ctl_item_t *item, ctl_span_t key);
static int ctl_batch_expire(ctl_batch_t *b, const ctl_item_t *item, ctl_span_t key);
static ctl_span_t ctl_batch_decode(ctl_batch_t *b, const json_t *string);
static ctl_sent_t *ctl_batch_sent(ctl_batch_t *b, ctl_sent_kind_t kind, ctl_span_t key);
static void ctl_batch_words(pv_buf_t *commands, const ctl_batch_t *b, const char *command, const ctl_sent_t *s,
    const char *option);
static int ctl_batch_replies(ctl_batch_t *b, redisReply **replies, size_t *taken, size_t *n);
static int ctl_batch_compare(ctl_batch_t *b, const size_t *taken, size_t n);
static int ctl_batch_same(const ctl_batch_t *b, const ctl_sent_t *s, const redisReply *reply);
static int ctl_batch_same_entry(const ctl_batch_t *b, const ctl_sent_t *s, const redisReply *reply);
static int ctl_batch_moves(const ctl_batch_t *b, const ctl_sent_t *s);
static void ctl_batch_conflict(ctl_batch_t *b, const ctl_sent_t *s);


ctl_batch_t *
ctl_batch_create(ctl_redis_t *redis, pv_str_t site)
{
    ctl_batch_t  *b;

    b = calloc(1, sizeof(ctl_batch_t));

    if (b != NULL) {
        b->redis = redis;
        b->site = site;
        b->now = (int64_t) time(NULL) * 1000;
        pv_buf_init(&b->data, CTL_BATCH_MAX);
        pv_buf_init(&b->commands, CTL_BATCH_MAX);
    }

    return b;
}


void
ctl_batch_free(ctl_batch_t *b)
{
    if (b != NULL) {
        pv_buf_free(&b->data);
        pv_buf_free(&b->commands);
        free(b->sent);
        free(b);
    }
}


const ctl_restored_t *
ctl_batch_restored(const ctl_batch_t *b)
{
    return &b->restored;
}


int
ctl_batch_add(ctl_batch_t *b, const ctl_item_t *item)
{
    int         rc;
    char        name[PVR_KEY_MAX];
    ctl_span_t  key;

    if (item->expires != 0 && item->expires <= b->now) {
        b->restored.expired++;
        return CTL_OK;
    }

    key.len = ctl_item_key(name, b->site, item->kind, item->id);
    key.at = b->data.len;
    pv_buf_add(&b->data, name, key.len);

    rc = ctl_batch_item(b, item, key);

    if (rc == PV_INVALID) {
        return ctl_fail(CTL_WRONG, "%s: something in it is not spelled as it has to be", item->id);
    }

    if (rc != PV_OK || b->data.failed || b->commands.failed) {
        return ctl_fail(CTL_WRONG, "out of memory, or %s is too large", item->id);
    }

    b->items++;

    return b->count >= CTL_BATCH_COMMANDS || b->commands.len >= CTL_BATCH_BYTES ? ctl_batch_flush(b) : CTL_OK;
}


static int
ctl_batch_item(ctl_batch_t *b, const ctl_item_t *item, ctl_span_t key)
{
    int  rc;

    switch (item->kind) {

    case CTL_ITEM_FORM:
    case CTL_ITEM_BUNDLE:
        rc = ctl_batch_value(b, item, key);
        break;

    case CTL_ITEM_ENTRY:
    case CTL_ITEM_AUDIENCE:
        rc = ctl_batch_list(b, item, key);
        break;

    default:
        rc = ctl_batch_hash(b, item, key);
    }

    return rc == PV_OK && item->expires != 0 ? ctl_batch_expire(b, item, key) : rc;
}


/* A ledger in the order of its positions: whoever reads it meanwhile sees one that is shorter, never one with gaps. */

static int
ctl_batch_hash(ctl_batch_t *b, const ctl_item_t *item, ctl_span_t key)
{
    size_t        i, n;
    ctl_span_t    name, value;
    ctl_sent_t   *s;
    ctl_place_t  *places;

    n = json_array_size(item->list) / 2;

    places = ctl_batch_order(item, n);
    if (places == NULL) {
        return PV_ERROR;
    }

    for (i = 0; i < n; i++) {
        name = ctl_batch_decode(b, json_array_get(item->list, 2 * places[i].at));
        value = ctl_batch_decode(b, json_array_get(item->list, 2 * places[i].at + 1));
        s = ctl_batch_sent(b, CTL_SENT_FIELD, key);

        if (s == NULL || name.at == SIZE_MAX || value.at == SIZE_MAX) {
            free(places);
            return s == NULL ? PV_ERROR : PV_INVALID;
        }

        s->name = name;
        s->value = value;
        ctl_batch_words(&b->commands, b, "HSETNX", s, NULL);
    }

    free(places);

    return PV_OK;
}


static ctl_place_t *
ctl_batch_order(const ctl_item_t *item, size_t n)
{
    size_t        i;
    ctl_place_t  *places;

    places = calloc(n, sizeof(ctl_place_t));

    for (i = 0; places != NULL && i < n; i++) {
        places[i].at = i;
        places[i].position = item->kind == CTL_ITEM_LEDGER
                             ? strtoul(json_string_value(json_array_get(item->list, 2 * i)), NULL, 10) : i;
    }

    if (places != NULL) {
        qsort(places, n, sizeof(ctl_place_t), ctl_batch_place);
    }

    return places;
}


static int
ctl_batch_place(const void *one, const void *two)
{
    const ctl_place_t  *a = one, *b = two;

    return a->position < b->position ? -1 : a->position > b->position ? 1 : a->at < b->at ? -1 : 1;
}


static int
ctl_batch_value(ctl_batch_t *b, const ctl_item_t *item, ctl_span_t key)
{
    ctl_span_t   value;
    ctl_sent_t  *s;

    value = ctl_batch_decode(b, json_object_get(item->root, "value"));
    s = ctl_batch_sent(b, CTL_SENT_VALUE, key);

    if (s == NULL || value.at == SIZE_MAX) {
        return s == NULL ? PV_ERROR : PV_INVALID;
    }

    s->value = value;
    ctl_batch_words(&b->commands, b, "SET", s, "NX");

    return PV_OK;
}


/* XADD or SADD: words, each behind its length, for there may be any number of them. */

static int
ctl_batch_list(ctl_batch_t *b, const ctl_item_t *item, ctl_span_t key)
{
    size_t       i, at;
    uint32_t     len;
    ctl_span_t   value, word, id;
    ctl_sent_t  *s;
    json_t      *one;

    id.at = b->data.len;
    id.len = item->entry != NULL ? strlen(item->entry) : 0;
    pv_buf_add(&b->data, item->entry != NULL ? item->entry : "", id.len);

    value.at = b->data.len;

    json_array_foreach(item->list, i, one) {
        at = b->data.len;
        len = 0;
        pv_buf_add(&b->data, &len, sizeof(len));
        word = ctl_batch_decode(b, one);

        if (word.at == SIZE_MAX) {
            return PV_INVALID;
        }

        len = (uint32_t) word.len;

        if (!b->data.failed) {
            memcpy(b->data.data + at, &len, sizeof(len));
        }
    }

    value.len = b->data.len - value.at;
    s = ctl_batch_sent(b, item->kind == CTL_ITEM_ENTRY ? CTL_SENT_ENTRY : CTL_SENT_MEMBERS, key);

    if (s == NULL || b->data.failed) {
        return PV_ERROR;
    }

    s->name = id;
    s->value = value;
    ctl_batch_words(&b->commands, b, item->kind == CTL_ITEM_ENTRY ? "XADD" : "SADD", s, NULL);

    return PV_OK;
}


/* Later only, never sooner: what is there may have gone on. */

static int
ctl_batch_expire(ctl_batch_t *b, const ctl_item_t *item, ctl_span_t key)
{
    int          i;
    char         at[32];
    ctl_span_t   value;
    ctl_sent_t  *s;

    (void) snprintf(at, sizeof(at), "%" JSON_INTEGER_FORMAT, item->expires);
    value.at = b->data.len;
    value.len = strlen(at);
    pv_buf_add(&b->data, at, value.len);

    for (i = 0; i < 2; i++) {
        s = ctl_batch_sent(b, CTL_SENT_EXPIRE, key);
        if (s == NULL) {
            return PV_ERROR;
        }

        s->value = value;
        ctl_batch_words(&b->commands, b, "PEXPIREAT", s, i == 0 ? "NX" : "GT");
    }

    return PV_OK;
}


/* at is SIZE_MAX when it is not spelled as it has to be. */

static ctl_span_t
ctl_batch_decode(ctl_batch_t *b, const json_t *string)
{
    ctl_span_t  span;

    span.at = b->data.len;

    if (ctl_backup_decode(&b->data, string) == PV_INVALID) {
        span.at = SIZE_MAX;
    }

    span.len = b->data.len - span.at;

    return span;
}


static ctl_sent_t *
ctl_batch_sent(ctl_batch_t *b, ctl_sent_kind_t kind, ctl_span_t key)
{
    size_t       size;
    ctl_sent_t  *sent;

    if (b->count == b->size) {
        size = b->size * 2 + CTL_BATCH_COMMANDS;
        sent = realloc(b->sent, size * sizeof(ctl_sent_t));

        if (sent == NULL) {
            return NULL;
        }

        b->sent = sent;
        b->size = size;
    }

    sent = &b->sent[b->count++];
    memset(sent, 0, sizeof(ctl_sent_t));
    sent->kind = kind;
    sent->item = b->items;
    sent->key = key;

    return sent;
}


/* The command, the key, the name when there is one, the value or values, the option when there is one. */

static void
ctl_batch_words(pv_buf_t *commands, const ctl_batch_t *b, const char *command, const ctl_sent_t *s, const char *option)
{
    int             n;
    size_t          at, *len;
    uint32_t        size;
    const char    **argv;

    if (b->data.failed) {
        commands->failed = 1;
        return;
    }

    /* a word behind its length takes more than four bytes */
    argv = calloc(s->value.len / sizeof(size) + 6, sizeof(char *));
    len = calloc(s->value.len / sizeof(size) + 6, sizeof(size_t));

    if (argv == NULL || len == NULL) {
        commands->failed = 1;
        goto done;
    }

    n = 0;
    argv[n] = command;
    len[n++] = strlen(command);
    argv[n] = (const char *) b->data.data + s->key.at;
    len[n++] = s->key.len;

    if (s->kind == CTL_SENT_FIELD || s->kind == CTL_SENT_ENTRY) {
        argv[n] = (const char *) b->data.data + s->name.at;
        len[n++] = s->name.len;
    }

    if (s->kind == CTL_SENT_ENTRY || s->kind == CTL_SENT_MEMBERS) {
        for (at = s->value.at; at < s->value.at + s->value.len; at += len[n++]) {
            memcpy(&size, b->data.data + at, sizeof(size));
            at += sizeof(size);
            argv[n] = (const char *) b->data.data + at;
            len[n] = size;
        }

    } else {
        argv[n] = (const char *) b->data.data + s->value.at;
        len[n++] = s->value.len;
    }

    if (option != NULL) {
        argv[n] = option;
        len[n++] = strlen(option);
    }

    ctl_redis_add(commands, n, argv, len);

done:

    free(argv);
    free(len);
}


int
ctl_batch_flush(ctl_batch_t *b)
{
    int           rc;
    size_t       *taken, n;
    redisReply  **replies;

    if (b->count == 0) {
        return CTL_OK;
    }

    replies = calloc(b->count, sizeof(redisReply *));
    taken = calloc(b->count, sizeof(size_t));

    rc = replies != NULL && taken != NULL ? ctl_redis_run(b->redis, &b->commands, replies, b->count)
         : ctl_fail(CTL_WRONG, "out of memory");

    if (rc == CTL_OK) {
        rc = ctl_batch_replies(b, replies, taken, &n);
        ctl_redis_replies_free(replies, b->count);
        rc = rc == CTL_OK && n != 0 ? ctl_batch_compare(b, taken, n) : rc;
    }

    free(replies);
    free(taken);

    pv_buf_free(&b->data);
    pv_buf_free(&b->commands);
    pv_buf_init(&b->data, CTL_BATCH_MAX);
    pv_buf_init(&b->commands, CTL_BATCH_MAX);
    b->count = 0;
    b->items = 0;

    return rc;
}


/* taken: the commands whose place was taken. Items are counted by whether anything of them was new. */

static int
ctl_batch_replies(ctl_batch_t *b, redisReply **replies, size_t *taken, size_t *n)
{
    int                 fresh, done;
    size_t              i;
    pvr_status_t        status;
    const redisReply   *r;

    *n = 0;
    fresh = 0;

    for (i = 0; i < b->count; i++) {
        r = replies[i];
        status = pvr_status(r);

        if (status != PVR_OK && status != PVR_EXISTS && strncmp(r->str, "WRONGTYPE", 9) != 0) {
            return ctl_fail(status == PVR_ERROR ? CTL_WRONG : CTL_UNREACHABLE, "Redis says %.200s", r->str);
        }

        done = status == PVR_OK && r->type != REDIS_REPLY_NIL && !(r->type == REDIS_REPLY_INTEGER && r->integer == 0);

        if (b->sent[i].kind != CTL_SENT_EXPIRE) {
            fresh |= done;

            if (!done && (b->sent[i].kind != CTL_SENT_MEMBERS || status != PVR_OK)) {
                taken[(*n)++] = i;
            }
        }

        if (i + 1 == b->count || b->sent[i + 1].item != b->sent[i].item) {
            b->restored.written += (uint64_t) fresh;
            b->restored.there += (uint64_t) !fresh;
            fresh = 0;
        }
    }

    return CTL_OK;
}


static int
ctl_batch_compare(ctl_batch_t *b, const size_t *taken, size_t n)
{
    int            rc;
    size_t         i, len[4];
    pv_buf_t       commands;
    ctl_sent_t    *s;
    const char    *argv[4];
    redisReply   **replies;

    static const char *const  ask[] = { "HGET", "GET", "XRANGE", "SCARD", "TYPE" };

    pv_buf_init(&commands, CTL_BATCH_MAX);

    for (i = 0; i < n; i++) {
        s = &b->sent[taken[i]];

        argv[0] = ask[s->kind];
        len[0] = strlen(argv[0]);
        argv[1] = (const char *) b->data.data + s->key.at;
        len[1] = s->key.len;
        argv[2] = argv[3] = (const char *) b->data.data + s->name.at;
        len[2] = len[3] = s->name.len;

        ctl_redis_add(&commands, s->kind == CTL_SENT_ENTRY ? 4 : s->kind == CTL_SENT_FIELD ? 3 : 2, argv, len);
    }

    replies = calloc(n, sizeof(redisReply *));
    rc = replies != NULL ? ctl_redis_run(b->redis, &commands, replies, n) : ctl_fail(CTL_WRONG, "out of memory");
    pv_buf_free(&commands);

    for (i = 0; rc == CTL_OK && i < n; i++) {
        if (!ctl_batch_same(b, &b->sent[taken[i]], replies[i]) && !ctl_batch_moves(b, &b->sent[taken[i]])) {
            ctl_batch_conflict(b, &b->sent[taken[i]]);
        }
    }

    if (replies != NULL) {
        ctl_redis_replies_free(replies, n);
    }

    free(replies);

    return rc;
}


static int
ctl_batch_same(const ctl_batch_t *b, const ctl_sent_t *s, const redisReply *reply)
{
    if (s->kind == CTL_SENT_ENTRY) {
        return ctl_batch_same_entry(b, s, reply);
    }

    return reply->type == REDIS_REPLY_STRING && (size_t) reply->len == s->value.len
           && memcmp(reply->str, b->data.data + s->value.at, s->value.len) == 0;
}


/* The one entry with that id, with the same words. */

static int
ctl_batch_same_entry(const ctl_batch_t *b, const ctl_sent_t *s, const redisReply *reply)
{
    size_t             i, at;
    uint32_t           len;
    const redisReply  *words, *word;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 1 || reply->element[0]->type != REDIS_REPLY_ARRAY
        || reply->element[0]->elements != 2 || reply->element[0]->element[1]->type != REDIS_REPLY_ARRAY)
    {
        return 0;
    }

    words = reply->element[0]->element[1];
    at = s->value.at;

    for (i = 0; i < words->elements && at < s->value.at + s->value.len; i++) {
        memcpy(&len, b->data.data + at, sizeof(len));
        at += sizeof(len);
        word = words->element[i];

        if (word->type != REDIS_REPLY_STRING || (size_t) word->len != len
            || memcmp(word->str, b->data.data + at, len) != 0)
        {
            return 0;
        }

        at += len;
    }

    return i == words->elements && at == s->value.at + s->value.len;
}


/* The one field that is ever written again: that somebody wants to be reminded later. What is there is newer. */

static int
ctl_batch_moves(const ctl_batch_t *b, const ctl_sent_t *s)
{
    pv_str_t  key, name;

    key = (pv_str_t) { b->data.data + s->key.at, s->key.len };
    name = (pv_str_t) { b->data.data + s->name.at, s->name.len };

    return key.len > 8 && memcmp(key.data + key.len - 8, ":notices", 8) == 0
           && name.len > 6 && memcmp(name.data + name.len - 6, ":later", 6) == 0;
}


static void
ctl_batch_conflict(ctl_batch_t *b, const ctl_sent_t *s)
{
    size_t  i;
    char    name[64];

    if (b->restored.conflicts++ >= CTL_BATCH_CONFLICTS) {
        return;
    }

    for (i = 0; i < s->name.len && i + 1 < sizeof(name); i++) {
        name[i] = (char) b->data.data[s->name.at + i];
        name[i] = (name[i] < 0x20 || name[i] > 0x7E) ? '?' : name[i];
    }

    name[i] = '\0';

    ctl_fail(0, "conflict: %.*s%s%s: Redis has something else there, which is kept", (int) s->key.len,
             (const char *) b->data.data + s->key.at, name[0] != '\0' ? " " : "", name);
}
