/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* What has no list in Redis, and is found by SCAN: the keys of subjects, forms, audience lists. */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "ctl_backup.h"

#define CTL_SCAN_COUNT    "512"
#define CTL_SCAN_BATCH    128       /* keys that are read at once */
#define CTL_SCAN_FIELDS   16384     /* fields of hashes that are read at once */
#define CTL_SCAN_HASH     32768     /* fields of one hash: a reply has at most twice as many elements */
#define CTL_SCAN_COMMAND  (256 * 1024)
#define CTL_SCAN_PASSES   10
#define CTL_SCAN_AGAIN    (-1)      /* no exit code: all of it has to be read again */


typedef struct {
    ctl_item_kind_t    kind;
    char               id[PVR_KEY_MAX];
    pv_str_t           key;         /* into the reply of SCAN */
    long long          fields;
} ctl_scanned_t;


static int ctl_scan(ctl_backup_t *b, const char *pattern);
static int ctl_scan_pass(ctl_backup_t *b, const char *pattern);
static int ctl_scan_node(ctl_backup_t *b, size_t node, const char *run, const char *pattern);
static int ctl_scan_keys(ctl_backup_t *b, const redisReply *keys);
static int ctl_scan_wanted(ctl_backup_t *b, ctl_scanned_t *one, const redisReply *key);
static int ctl_scan_batch(ctl_backup_t *b, ctl_scanned_t *batch, size_t n);
static int ctl_scan_sizes(ctl_backup_t *b, ctl_scanned_t *batch, size_t n);
static int ctl_scan_read(ctl_backup_t *b, const ctl_scanned_t *batch, size_t n);
static int ctl_scan_put(ctl_backup_t *b, const ctl_scanned_t *one, const redisReply *value, const redisReply *expires);
static int ctl_scan_set(ctl_backup_t *b, const ctl_scanned_t *one);
static int ctl_scan_error(ctl_backup_t *b, const ctl_scanned_t *one, const redisReply *reply);
static void ctl_scan_command(pv_buf_t *out, const char *name, pv_str_t key);


int
ctl_backup_subjects(ctl_backup_t *b)
{
    char  pattern[PVR_KEY_MAX];

    /* a site's name has nothing in it that a pattern would take for more */
    (void) snprintf(pattern, sizeof(pattern), "privacy:{%s:*", b->site);

    return ctl_scan(b, pattern);
}


int
ctl_backup_forms(ctl_backup_t *b)
{
    char  pattern[PVR_KEY_MAX];

    (void) snprintf(pattern, sizeof(pattern), "privacy:%s:*", b->site);

    return ctl_scan(b, pattern);
}


/*
 * A key that goes from a server which is still to be read to one which was
 * read already is seen on neither. So all are read again, until nothing moved
 * meanwhile: what was there all the time is seen at least once, and may stand
 * in the backup twice.
 */

static int
ctl_scan(ctl_backup_t *b, const char *pattern)
{
    int   rc, pass;
    char  slots[CTL_REDIS_SLOTS];

    for (pass = 0; pass < CTL_SCAN_PASSES; pass++) {
        rc = ctl_scan_pass(b, pattern);
        if (rc != CTL_OK && rc != CTL_SCAN_AGAIN) {
            return rc;
        }

        if (ctl_redis_slots(b->redis, slots) != CTL_OK) {
            return CTL_UNREACHABLE;
        }

        if (rc == CTL_OK && strcmp(slots, b->state.slots) == 0) {
            return CTL_OK;
        }

        memcpy(b->state.slots, slots, sizeof(slots));
        b->state.marks = 0;
    }

    return ctl_fail(CTL_UNREACHABLE, "keys went from one server to another each time that they were read");
}


static int
ctl_scan_pass(ctl_backup_t *b, const char *pattern)
{
    int     rc;
    char    run[CTL_BACKUP_RUN];
    size_t  node;

    rc = CTL_OK;

    for (node = 0; rc == CTL_OK && node < ctl_redis_nodes(b->redis); node++) {
        rc = ctl_backup_run_id(b->redis, node, run);

        rc = rc == CTL_OK ? ctl_scan_node(b, node, run, pattern)
             : rc == CTL_UNREACHABLE && ctl_redis_many(b->redis) ? CTL_SCAN_AGAIN : rc;
    }

    return rc;
}


static int
ctl_scan_node(ctl_backup_t *b, size_t node, const char *run, const char *pattern)
{
    int          rc;
    char         cursor[CTL_BACKUP_CURSOR];
    pv_buf_t     command;
    uint64_t     by;
    const char  *at, *argv[6];
    redisReply  *reply;

    by = 0;
    (void) ctl_redis_other(b->redis, &by);

    at = run[0] != '\0' ? ctl_backup_cursor(b, run) : NULL;
    (void) snprintf(cursor, sizeof(cursor), "%s", at != NULL ? at : "0");

    if (at != NULL && strcmp(at, "0") == 0) {
        return CTL_OK;
    }

    do {
        argv[0] = "SCAN";
        argv[1] = cursor;
        argv[2] = "MATCH";
        argv[3] = pattern;
        argv[4] = "COUNT";
        argv[5] = CTL_SCAN_COUNT;

        pv_buf_init(&command, CTL_SCAN_COMMAND);
        ctl_redis_add(&command, 6, argv, NULL);
        rc = ctl_redis_run_on(b->redis, node, &command, &reply, 1);
        pv_buf_free(&command);

        if (rc != CTL_OK) {
            return rc == CTL_UNREACHABLE && ctl_redis_many(b->redis) ? CTL_SCAN_AGAIN : rc;
        }

        if (ctl_redis_other(b->redis, &by)) {
            freeReplyObject(reply);
            return CTL_SCAN_AGAIN;
        }

        if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2
            && reply->element[0]->type == REDIS_REPLY_STRING && reply->element[0]->len < (int) sizeof(cursor)
            && strspn(reply->element[0]->str, "0123456789") == (size_t) reply->element[0]->len
            && reply->element[1]->type == REDIS_REPLY_ARRAY)
        {
            (void) snprintf(cursor, sizeof(cursor), "%s", reply->element[0]->str);
            rc = ctl_scan_keys(b, reply->element[1]);

        } else {
            rc = ctl_fail(CTL_UNREACHABLE, "keys cannot be listed: Redis says %.200s",
                          reply->type == REDIS_REPLY_ERROR ? reply->str : "something else");
        }

        freeReplyObject(reply);
        rc = rc == CTL_OK ? ctl_backup_mark(b, run, cursor) : rc;

    } while (rc == CTL_OK && strcmp(cursor, "0") != 0);

    return rc;
}


static int
ctl_scan_keys(ctl_backup_t *b, const redisReply *keys)
{
    int             rc;
    size_t          i, n;
    ctl_scanned_t  *batch;

    batch = calloc(CTL_SCAN_BATCH, sizeof(ctl_scanned_t));
    if (batch == NULL) {
        return ctl_fail(CTL_WRONG, "out of memory");
    }

    rc = CTL_OK;
    n = 0;

    for (i = 0; rc == CTL_OK && i < keys->elements; i++) {
        n += ctl_scan_wanted(b, &batch[n], keys->element[i]);

        if (n == CTL_SCAN_BATCH) {
            rc = ctl_scan_batch(b, batch, n);
            n = 0;
        }
    }

    rc = rc == CTL_OK ? ctl_scan_batch(b, batch, n) : rc;
    free(batch);

    return rc;
}


/* 1 when it belongs to this section; what belongs to none is said. */

static int
ctl_scan_wanted(ctl_backup_t *b, ctl_scanned_t *one, const redisReply *key)
{
    if (key->type != REDIS_REPLY_STRING) {
        return 0;
    }

    one->key.data = (const unsigned char *) key->str;
    one->key.len = (size_t) key->len;
    one->fields = 0;

    if (!ctl_item_of_key(&one->kind, one->id, b->site_name, one->key)) {
        ctl_backup_left_out(b, one->key, "is none of the keys that a site has", 0);
        return 0;
    }

    return b->section->run == ctl_backup_subjects ? one->kind == CTL_ITEM_LEDGER || one->kind == CTL_ITEM_NOTICES
           : one->kind == CTL_ITEM_FORM || one->kind == CTL_ITEM_AUDIENCE;
}


/* In as few round trips as their sizes allow: hashes are read whole, so that each is as it was at one moment. */

static int
ctl_scan_batch(ctl_backup_t *b, ctl_scanned_t *batch, size_t n)
{
    int        rc;
    size_t     i, first;
    long long  fields;

    rc = b->section->run == ctl_backup_subjects ? ctl_scan_sizes(b, batch, n) : CTL_OK;
    fields = 0;

    for (i = 0, first = 0; rc == CTL_OK && i < n; i++) {
        fields += batch[i].fields;

        if (i + 1 == n || fields + batch[i + 1].fields > CTL_SCAN_FIELDS || batch[i].kind == CTL_ITEM_FORM) {
            rc = ctl_scan_read(b, batch + first, i + 1 - first);
            first = i + 1;
            fields = 0;
        }
    }

    return rc;
}


static int
ctl_scan_sizes(ctl_backup_t *b, ctl_scanned_t *batch, size_t n)
{
    int          rc;
    size_t       i;
    pv_buf_t     commands;
    redisReply  *replies[CTL_SCAN_BATCH];

    if (n == 0) {
        return CTL_OK;
    }

    pv_buf_init(&commands, CTL_SCAN_COMMAND);

    for (i = 0; i < n; i++) {
        ctl_scan_command(&commands, "HLEN", batch[i].key);
    }

    rc = ctl_redis_run(b->redis, &commands, replies, n);
    pv_buf_free(&commands);

    if (rc != CTL_OK) {
        return rc;
    }

    for (i = 0; rc == CTL_OK && i < n; i++) {
        if (replies[i]->type == REDIS_REPLY_INTEGER && replies[i]->integer <= CTL_SCAN_HASH) {
            batch[i].fields = replies[i]->integer;

        } else if (replies[i]->type == REDIS_REPLY_INTEGER) {
            ctl_backup_left_out(b, batch[i].key, "has more in it than can be ours", 1);

        } else {
            rc = ctl_scan_error(b, &batch[i], replies[i]);
        }
    }

    ctl_redis_replies_free(replies, n);

    return rc;
}


static int
ctl_scan_read(ctl_backup_t *b, const ctl_scanned_t *batch, size_t n)
{
    int          rc;
    size_t       i, k;
    pv_buf_t     commands;
    redisReply  *replies[CTL_SCAN_BATCH * 2];

    pv_buf_init(&commands, 2 * CTL_SCAN_COMMAND);

    for (i = 0, k = 0; i < n; i++) {
        if (batch[i].kind == CTL_ITEM_FORM || batch[i].fields != 0) {
            ctl_scan_command(&commands, batch[i].kind == CTL_ITEM_FORM ? "GET" : "HGETALL", batch[i].key);
            ctl_scan_command(&commands, "PEXPIRETIME", batch[i].key);
            k += 2;
        }
    }

    rc = k != 0 ? ctl_redis_run(b->redis, &commands, replies, k) : CTL_OK;
    pv_buf_free(&commands);

    if (rc != CTL_OK) {
        return rc;
    }

    for (i = 0, k = 0; rc == CTL_OK && i < n; i++) {
        if (batch[i].kind == CTL_ITEM_FORM || batch[i].fields != 0) {
            rc = ctl_scan_put(b, &batch[i], replies[k], replies[k + 1]);
            freeReplyObject(replies[k]);
            freeReplyObject(replies[k + 1]);
            replies[k] = replies[k + 1] = NULL;
            k += 2;

        } else if (batch[i].kind == CTL_ITEM_AUDIENCE) {
            rc = ctl_scan_set(b, &batch[i]);
        }
    }

    for ( ; rc != CTL_OK && i < n; i++) {
        if (batch[i].kind == CTL_ITEM_FORM || batch[i].fields != 0) {
            ctl_redis_replies_free(replies + k, 2);
            k += 2;
        }
    }

    return rc;
}


static int
ctl_scan_put(ctl_backup_t *b, const ctl_scanned_t *one, const redisReply *value, const redisReply *expires)
{
    size_t    i;
    pv_buf_t  line;

    if (value->type == REDIS_REPLY_ERROR || expires->type == REDIS_REPLY_ERROR) {
        return ctl_scan_error(b, one, value->type == REDIS_REPLY_ERROR ? value : expires);
    }

    /* it ran out, or was erased, since it was seen */

    if (value->type == REDIS_REPLY_NIL || (value->type == REDIS_REPLY_ARRAY && value->elements == 0)
        || (expires->type == REDIS_REPLY_INTEGER && expires->integer == -2))
    {
        return CTL_OK;
    }

    ctl_backup_line(&line, ctl_item_name(one->kind), one->id);

    if (expires->type == REDIS_REPLY_INTEGER && expires->integer > 0) {
        pv_buf_printf(&line, ",\"expires\":%lld", expires->integer);
    }

    pv_buf_puts(&line, value->type == REDIS_REPLY_STRING ? ",\"value\":" : ",\"fields\":[");

    if (value->type == REDIS_REPLY_STRING) {
        ctl_backup_bytes(&line, (pv_str_t) { (const unsigned char *) value->str, (size_t) value->len });
    }

    for (i = 0; value->type == REDIS_REPLY_ARRAY && i < value->elements; i++) {
        pv_buf_puts(&line, i == 0 ? "" : ",");
        ctl_backup_bytes(&line, (pv_str_t) { (const unsigned char *) value->element[i]->str,
                                             (size_t) value->element[i]->len });
    }

    pv_buf_puts(&line, value->type == REDIS_REPLY_STRING ? "" : "]");
    ctl_backup_wrote(b, one->kind);

    return ctl_backup_put(&b->out, &line);
}


/* A list may be long: several lines, and a member may stand in two of them. */

static int
ctl_scan_set(ctl_backup_t *b, const ctl_scanned_t *one)
{
    int          rc, again;
    char         cursor[CTL_BACKUP_CURSOR], key[PVR_KEY_MAX];
    size_t       i;
    pv_buf_t     command, line;
    uint64_t     by;
    redisReply  *reply;
    const char  *argv[5];

    (void) snprintf(key, sizeof(key), "%.*s", (int) one->key.len, (const char *) one->key.data);
    strcpy(cursor, "0");
    by = 0;

    do {
        argv[0] = "SSCAN";
        argv[1] = key;
        argv[2] = cursor;
        argv[3] = "COUNT";
        argv[4] = CTL_SCAN_COUNT;

        pv_buf_init(&command, CTL_SCAN_COMMAND);
        ctl_redis_add(&command, 5, argv, NULL);
        rc = ctl_redis_run(b->redis, &command, &reply, 1);
        pv_buf_free(&command);

        if (rc != CTL_OK) {
            return rc;
        }

        if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2
            || reply->element[0]->type != REDIS_REPLY_STRING || reply->element[0]->len >= CTL_BACKUP_CURSOR
            || reply->element[1]->type != REDIS_REPLY_ARRAY)
        {
            rc = ctl_scan_error(b, one, reply);
            freeReplyObject(reply);
            return rc;
        }

        again = ctl_redis_other(b->redis, &by);
        strcpy(cursor, again ? "0" : reply->element[0]->str);

        if (reply->element[1]->elements != 0) {
            ctl_backup_line(&line, ctl_item_name(one->kind), one->id);
            pv_buf_puts(&line, ",\"members\":[");

            for (i = 0; i < reply->element[1]->elements; i++) {
                pv_buf_puts(&line, i == 0 ? "" : ",");
                ctl_backup_bytes(&line, (pv_str_t) { (const unsigned char *) reply->element[1]->element[i]->str,
                                                     (size_t) reply->element[1]->element[i]->len });
            }

            pv_buf_puts(&line, "]");
            ctl_backup_wrote(b, one->kind);
            rc = ctl_backup_put(&b->out, &line);
        }

        freeReplyObject(reply);

    } while (rc == CTL_OK && (again || strcmp(cursor, "0") != 0));

    return rc;
}


/* Something else stands at a key of ours: the others go on. Any other error is the end. */

static int
ctl_scan_error(ctl_backup_t *b, const ctl_scanned_t *one, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "WRONGTYPE", 9) != 0) {
        return ctl_fail(pvr_status(reply) == PVR_ERROR ? CTL_WRONG : CTL_UNREACHABLE, "%s: Redis says %.200s",
                        one->id, reply->str);
    }

    ctl_backup_left_out(b, one->key, "is not what it has to be", 1);

    return CTL_OK;
}


static void
ctl_scan_command(pv_buf_t *out, const char *name, pv_str_t key)
{
    size_t       len[2];
    const char  *argv[2];

    argv[0] = name;
    len[0] = strlen(name);
    argv[1] = (const char *) key.data;
    len[1] = key.len;

    ctl_redis_add(out, 2, argv, len);
}
