/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* What is found without looking for it: streams, the index of users, the log's sealed entries. */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "ctl_backup.h"
#include "ctl_bundle.h"

#define CTL_READ_COUNT    "128"
#define CTL_READ_SHARDS   256
#define CTL_READ_COMMAND  4096


static int ctl_stream_entry(ctl_backup_t *b, const redisReply *entry, char last[CTL_BACKUP_CURSOR]);
static int ctl_users_shard(ctl_backup_t *b, const char *shard);
static int ctl_users_put(ctl_backup_t *b, const char *shard, const redisReply *reply, char cursor[CTL_BACKUP_CURSOR]);
static int ctl_bundle_put(ctl_backup_t *b, const ctl_log_entry_t *entry);
static int ctl_read_command(ctl_backup_t *b, redisReply **reply, int argc, const char **argv);
static int ctl_read_type(ctl_backup_t *b, const char *key, const redisReply *reply);
static void ctl_read_bytes(pv_buf_t *line, size_t i, const redisReply *value);


int
ctl_backup_stream(ctl_backup_t *b)
{
    int          rc;
    char         key[PVR_KEY_MAX], from[CTL_BACKUP_CURSOR + 1], last[CTL_BACKUP_CURSOR];
    size_t       i, n;
    const char  *at, *argv[6];
    redisReply  *reply;

    at = ctl_backup_cursor(b, "");
    (void) snprintf(last, sizeof(last), "%s", at != NULL ? at : "0");
    (void) ctl_item_key(key, b->site_name, CTL_ITEM_ENTRY, b->section->name);

    do {
        (void) snprintf(from, sizeof(from), "(%s", last);
        argv[0] = "XRANGE";
        argv[1] = key;
        argv[2] = from;
        argv[3] = "+";
        argv[4] = "COUNT";
        argv[5] = CTL_READ_COUNT;

        rc = ctl_read_command(b, &reply, 6, argv);
        if (rc != CTL_OK) {
            return rc;
        }

        n = reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
        rc = reply->type == REDIS_REPLY_ARRAY ? CTL_OK : ctl_read_type(b, key, reply);

        for (i = 0; rc == CTL_OK && i < n; i++) {
            rc = ctl_stream_entry(b, reply->element[i], last);
        }

        freeReplyObject(reply);
        rc = rc == CTL_OK && n != 0 ? ctl_backup_mark(b, "", last) : rc;

    } while (rc == CTL_OK && n != 0);

    return rc;
}


static int
ctl_stream_entry(ctl_backup_t *b, const redisReply *entry, char last[CTL_BACKUP_CURSOR])
{
    size_t             i;
    pv_buf_t           line;
    const redisReply  *id, *fields;

    id = entry->type == REDIS_REPLY_ARRAY && entry->elements == 2 ? entry->element[0] : NULL;
    fields = id != NULL ? entry->element[1] : NULL;

    if (id == NULL || id->type != REDIS_REPLY_STRING || id->len >= CTL_BACKUP_CURSOR
        || strspn(id->str, "0123456789-") != (size_t) id->len || fields->type != REDIS_REPLY_ARRAY)
    {
        return ctl_fail(CTL_WRONG, "%s: Redis does not answer as it should", b->section->name);
    }

    strcpy(last, id->str);

    ctl_backup_line(&line, ctl_item_name(CTL_ITEM_ENTRY), b->section->name);
    pv_buf_printf(&line, ",\"id\":\"%s\",\"fields\":[", last);

    for (i = 0; i < fields->elements; i++) {
        ctl_read_bytes(&line, i, fields->element[i]);
    }

    pv_buf_puts(&line, "]");
    ctl_backup_wrote(b, CTL_ITEM_ENTRY);

    return ctl_backup_put(&b->out, &line);
}


int
ctl_backup_users(ctl_backup_t *b)
{
    int          rc;
    char         shard[8];
    unsigned     i;
    const char  *at;

    at = ctl_backup_cursor(b, "");
    rc = CTL_OK;

    for (i = 0; rc == CTL_OK && i < CTL_READ_SHARDS; i++) {
        (void) snprintf(shard, sizeof(shard), "%02x", i);

        if (at != NULL && strcmp(shard, at) <= 0) {
            continue;
        }

        rc = ctl_users_shard(b, shard);
        rc = rc == CTL_OK ? ctl_backup_mark(b, "", shard) : rc;
        at = NULL;
    }

    return rc;
}


static int
ctl_users_shard(ctl_backup_t *b, const char *shard)
{
    int          rc, again;
    char         key[PVR_KEY_MAX], cursor[CTL_BACKUP_CURSOR];
    uint64_t     by;
    const char  *argv[5];
    redisReply  *reply;

    (void) ctl_item_key(key, b->site_name, CTL_ITEM_USERS, shard);
    strcpy(cursor, "0");
    by = 0;

    do {
        argv[0] = "HSCAN";
        argv[1] = key;
        argv[2] = cursor;
        argv[3] = "COUNT";
        argv[4] = CTL_READ_COUNT;

        rc = ctl_read_command(b, &reply, 5, argv);
        if (rc != CTL_OK) {
            return rc;
        }

        if (reply->type == REDIS_REPLY_ARRAY) {
            rc = ctl_users_put(b, shard, reply, cursor);

        } else {
            rc = ctl_read_type(b, key, reply);
            strcpy(cursor, "0");
        }

        again = ctl_redis_other(b->redis, &by);

        if (again) {
            strcpy(cursor, "0");
        }

        freeReplyObject(reply);

    } while (rc == CTL_OK && (again || strcmp(cursor, "0") != 0));

    return rc;
}


/* A user may stand twice in the index of a backup: HSCAN may answer twice. */

static int
ctl_users_put(ctl_backup_t *b, const char *shard, const redisReply *reply, char cursor[CTL_BACKUP_CURSOR])
{
    size_t             i;
    pv_buf_t           line;
    const redisReply  *fields;

    if (reply->elements != 2 || reply->element[0]->type != REDIS_REPLY_STRING
        || reply->element[0]->len >= CTL_BACKUP_CURSOR || reply->element[1]->type != REDIS_REPLY_ARRAY)
    {
        return ctl_fail(CTL_WRONG, "the index of users: Redis does not answer as it should");
    }

    strcpy(cursor, reply->element[0]->str);
    fields = reply->element[1];

    if (fields->elements == 0) {
        return CTL_OK;
    }

    ctl_backup_line(&line, ctl_item_name(CTL_ITEM_USERS), shard);
    pv_buf_puts(&line, ",\"fields\":[");

    for (i = 0; i < fields->elements; i++) {
        ctl_read_bytes(&line, i, fields->element[i]);
    }

    pv_buf_puts(&line, "]");
    ctl_backup_wrote(b, CTL_ITEM_USERS);

    return ctl_backup_put(&b->out, &line);
}


/* One at a time: each may have tens of megabytes. */

int
ctl_backup_bundles(ctl_backup_t *b)
{
    int          rc;
    char         at[16];
    size_t       i;
    ctl_log_t    log;
    const char  *cursor;

    cursor = ctl_backup_cursor(b, "");
    rc = ctl_log_read(&log, b->redis, b->site_name);

    for (i = 0; rc == CTL_OK && i < log.count; i++) {
        if (cursor != NULL && log.entries[i].sequence <= strtoul(cursor, NULL, 10)) {
            continue;
        }

        (void) snprintf(at, sizeof(at), "%" PRIu32, log.entries[i].sequence);

        rc = ctl_bundle_put(b, &log.entries[i]);
        rc = rc == CTL_OK ? ctl_backup_mark(b, "", at) : rc;
    }

    ctl_log_free(&log);

    return rc;
}


static int
ctl_bundle_put(ctl_backup_t *b, const ctl_log_entry_t *entry)
{
    int       rc;
    char      digest[CTL_BACKUP_HEX], key[PVR_KEY_MAX];
    pv_buf_t  sealed, line;

    pv_hex_encode(digest, entry->digest, PV_SHA256_LEN);
    digest[CTL_BACKUP_HEX - 1] = '\0';

    pv_buf_init(&sealed, PV_SEALED_MAX);
    rc = ctl_log_get(&sealed, b->redis, b->site_name, entry->digest);

    if (rc == CTL_OK && sealed.len == 0) {
        (void) ctl_item_key(key, b->site_name, CTL_ITEM_BUNDLE, digest);
        ctl_backup_left_out(b, pv_str(key), "the log names it, and it is not there", 1);

    } else if (rc == CTL_OK) {
        ctl_backup_line(&line, ctl_item_name(CTL_ITEM_BUNDLE), digest);
        pv_buf_puts(&line, ",\"value\":");
        ctl_backup_bytes(&line, (pv_str_t) { sealed.data, sealed.len });
        ctl_backup_wrote(b, CTL_ITEM_BUNDLE);
        rc = ctl_backup_put(&b->out, &line);
    }

    pv_buf_free(&sealed);

    return rc;
}


int
ctl_backup_run_id(ctl_redis_t *redis, size_t node, char run[CTL_BACKUP_RUN])
{
    int          rc;
    size_t       len;
    pv_buf_t     command;
    const char  *at, *argv[2];
    redisReply  *reply;

    argv[0] = "INFO";
    argv[1] = "server";
    run[0] = '\0';

    pv_buf_init(&command, CTL_READ_COMMAND);
    ctl_redis_add(&command, 2, argv, NULL);
    rc = ctl_redis_run_on(redis, node, &command, &reply, 1);
    pv_buf_free(&command);

    if (rc != CTL_OK) {
        return rc;
    }

    at = reply->type == REDIS_REPLY_STRING ? strstr(reply->str, "\nrun_id:") : NULL;

    if (at != NULL) {
        at += sizeof("\nrun_id:") - 1;
        len = strspn(at, "0123456789abcdef");

        if (len < CTL_BACKUP_RUN) {
            memcpy(run, at, len);
            run[len] = '\0';
        }
    }

    freeReplyObject(reply);

    return CTL_OK;
}


static int
ctl_read_command(ctl_backup_t *b, redisReply **reply, int argc, const char **argv)
{
    int       rc;
    pv_buf_t  command;

    pv_buf_init(&command, CTL_READ_COMMAND);
    ctl_redis_add(&command, argc, argv, NULL);
    rc = ctl_redis_run(b->redis, &command, reply, 1);
    pv_buf_free(&command);

    return rc;
}


/* Something else stands there: it is left out, and the others go on. */

static int
ctl_read_type(ctl_backup_t *b, const char *key, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "WRONGTYPE", 9) != 0) {
        return ctl_log_error(reply, key);
    }

    ctl_backup_left_out(b, pv_str(key), "is not what it has to be", 1);

    return CTL_OK;
}


static void
ctl_read_bytes(pv_buf_t *line, size_t i, const redisReply *value)
{
    pv_buf_puts(line, i == 0 ? "" : ",");
    ctl_backup_bytes(line, (pv_str_t) { (const unsigned char *) value->str, (size_t) value->len });
}
