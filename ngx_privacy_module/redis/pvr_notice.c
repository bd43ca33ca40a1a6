/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* Notices: keys and commands, and what came back of them. Events are in pvr_notice_event.c. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pvr_notice.h"
#include "pvr_private.h"

#define PVR_MARKS  PV_NOTICE_FIELDS     /* fields of one notice */


static int pvr_subjects(pv_buf_t *out, const char *word, pv_str_t key, const unsigned char *const *subjects, size_t n);
static int pvr_collection_scan(pv_buf_t *out, const char *word, const char *key, size_t len, pv_str_t cursor,
    unsigned count);
static const redisReply *pvr_scan_item(const redisReply *reply, size_t i);
static int pvr_is_subject(const redisReply *reply);
static int pvr_expire(pv_buf_t *out, const char *key, size_t len, int64_t seconds);
static pv_str_t pvr_text(const redisReply *reply);


size_t
pvr_key_notice_stream(char *buf, pv_str_t site)
{
    return pvr_key(buf, site, "notices", pv_str(""));
}


size_t
pvr_key_audience(char *buf, pv_str_t site, const unsigned char *digest)
{
    char      hex[PV_SHA256_LEN * 2];
    pv_str_t  id;

    id.data = (unsigned char *) hex;
    id.len = pv_hex_encode(hex, digest, PV_SHA256_LEN);

    return pvr_key(buf, site, "audience:", id);
}


size_t
pvr_key_users(char *buf, pv_str_t site, unsigned shard)
{
    char  hex[4];

    snprintf(hex, sizeof(hex), "%02x", shard & (PVR_SHARDS - 1));

    return pvr_key(buf, site, "users:", pv_str(hex));
}


size_t
pvr_key_notices(char *buf, pv_str_t site, const unsigned char *subject)
{
    return pvr_key_subject(buf, site, subject, "notices");
}


int
pvr_notices_append(pv_buf_t *out, pv_str_t site, uint32_t number, pv_str_t sealed)
{
    char           key[PVR_KEY_MAX], id[PVR_NUMBER_MAX];
    pvr_command_t  command = { .n = 0 };

    snprintf(id, sizeof(id), "%" PRIu32 "-0", number);

    pvr_word(&command, "XADD");
    pvr_add(&command, key, pvr_key_notice_stream(key, site));
    pvr_word(&command, id);
    pvr_word(&command, "sealed");
    pvr_add(&command, sealed.data, sealed.len);

    return pvr_emit(out, &command);
}


int
pvr_notices_read(pv_buf_t *out, pv_str_t site, uint32_t after, unsigned count)
{
    char           key[PVR_KEY_MAX], from[PVR_NUMBER_MAX], limit[PVR_NUMBER_MAX];
    pvr_command_t  command = { .n = 0 };

    snprintf(from, sizeof(from), "(%" PRIu32 "-0", after);
    snprintf(limit, sizeof(limit), "%u", count < PVR_NOTICES_READ ? count : PVR_NOTICES_READ);

    pvr_word(&command, "XRANGE");
    pvr_add(&command, key, pvr_key_notice_stream(key, site));
    pvr_word(&command, from);
    pvr_word(&command, "+");
    pvr_word(&command, "COUNT");
    pvr_word(&command, limit);

    return pvr_emit(out, &command);
}


int
pvr_notices_newest(pv_buf_t *out, pv_str_t site, unsigned count)
{
    char           key[PVR_KEY_MAX], limit[PVR_NUMBER_MAX];
    pvr_command_t  command = { .n = 0 };

    snprintf(limit, sizeof(limit), "%u", count < PVR_NOTICES_READ ? count : PVR_NOTICES_READ);

    pvr_word(&command, "XREVRANGE");
    pvr_add(&command, key, pvr_key_notice_stream(key, site));
    pvr_word(&command, "+");
    pvr_word(&command, "-");
    pvr_word(&command, "COUNT");
    pvr_word(&command, limit);

    return pvr_emit(out, &command);
}


int
pvr_notice_entry(pvr_notice_entry_t *e, const redisReply *reply, size_t i)
{
    uint64_t           number;
    const redisReply  *entry, *id, *fields;

    memset(e, 0, sizeof(*e));

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || i >= reply->elements
        || reply->element[i]->type != REDIS_REPLY_ARRAY || reply->element[i]->elements != 2)
    {
        return PV_INVALID;
    }

    entry = reply->element[i];
    id = entry->element[0];
    fields = entry->element[1];

    if (id->type != REDIS_REPLY_STRING || id->len < 3 || memcmp(id->str + id->len - 2, "-0", 2) != 0
        || pvr_number(&number, id->str, id->len - 2) != PV_OK || number == 0 || number > UINT32_MAX)
    {
        return PV_INVALID;
    }

    e->number = (uint32_t) number;

    if (fields->type != REDIS_REPLY_ARRAY || fields->elements != 2 || !pv_str_eqs(pvr_text(fields->element[0]), "sealed")
        || fields->element[1]->type != REDIS_REPLY_STRING || fields->element[1]->len > PV_NOTICE_SEALED_MAX)
    {
        return PV_INVALID;
    }

    e->sealed = pvr_text(fields->element[1]);

    return PV_OK;
}


/* Empty when it is no string. */
static pv_str_t
pvr_text(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING ? (pv_str_t) { (const unsigned char *) reply->str, reply->len }
           : (pv_str_t) pv_string("");
}


int
pvr_audience_add(pv_buf_t *out, pv_str_t site, const unsigned char *digest,
    const unsigned char (*subjects)[PV_SUBJECT_LEN], size_t n)
{
    char                  key[PVR_KEY_MAX];
    size_t                i, len;
    const unsigned char  *list[PVR_SUBJECTS_MAX];

    for (i = 0; i < n && i < PVR_SUBJECTS_MAX; i++) {
        list[i] = subjects[i];
    }

    len = pvr_key_audience(key, site, digest);

    return pvr_subjects(out, "SADD", (pv_str_t) { (unsigned char *) key, len }, list, n);
}


int
pvr_audience_members(pv_buf_t *out, pv_str_t site, const unsigned char *digest, const unsigned char *const *subjects,
    size_t n)
{
    char    key[PVR_KEY_MAX];
    size_t  len;

    len = pvr_key_audience(key, site, digest);

    return pvr_subjects(out, "SMISMEMBER", (pv_str_t) { (unsigned char *) key, len }, subjects, n);
}


static int
pvr_subjects(pv_buf_t *out, const char *word, pv_str_t key, const unsigned char *const *subjects, size_t n)
{
    size_t       i, len[PVR_SUBJECTS_MAX + 2];
    const char  *argv[PVR_SUBJECTS_MAX + 2];

    if (n == 0 || n > PVR_SUBJECTS_MAX || key.len == 0) {
        out->failed = 1;
        return PV_ERROR;
    }

    argv[0] = word;
    len[0] = strlen(word);
    argv[1] = (const char *) key.data;
    len[1] = key.len;

    for (i = 0; i < n; i++) {
        argv[i + 2] = (const char *) subjects[i];
        len[i + 2] = PV_SUBJECT_LEN;
    }

    return pvr_format(out, (int) n + 2, argv, len);
}


int
pvr_audience_listed(unsigned char *listed, size_t n, const redisReply *reply)
{
    size_t  i;

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != n) {
        return PV_INVALID;
    }

    for (i = 0; i < n; i++) {
        if (reply->element[i]->type != REDIS_REPLY_INTEGER) {
            return PV_INVALID;
        }

        listed[i] = reply->element[i]->integer == 1;
    }

    return PV_OK;
}


int
pvr_audience_count(pv_buf_t *out, pv_str_t site, const unsigned char *digest)
{
    char           key[PVR_KEY_MAX];
    pvr_command_t  command = { .n = 0 };

    pvr_word(&command, "SCARD");
    pvr_add(&command, key, pvr_key_audience(key, site, digest));

    return pvr_emit(out, &command);
}


int
pvr_audience_scan(pv_buf_t *out, pv_str_t site, const unsigned char *digest, pv_str_t cursor, unsigned count)
{
    char    key[PVR_KEY_MAX];
    size_t  len;

    len = pvr_key_audience(key, site, digest);

    return pvr_collection_scan(out, "SSCAN", key, len, cursor, count);
}


int
pvr_user_meet(pv_buf_t *out, pv_str_t site, const unsigned char *subject, int64_t time)
{
    char           key[PVR_KEY_MAX], at[PVR_NUMBER_MAX];
    pvr_command_t  command = { .n = 0 };

    pvr_word(&command, "HSETNX");
    pvr_add(&command, key, pvr_key_users(key, site, subject[0]));
    pvr_add(&command, subject, PV_SUBJECT_LEN);
    pvr_add(&command, at, pvr_decimal(at, time > 0 ? (uint64_t) time : 0));

    return pvr_emit(out, &command);
}


int
pvr_user_met(pv_buf_t *out, pv_str_t site, const unsigned char *subject)
{
    char           key[PVR_KEY_MAX];
    pvr_command_t  command = { .n = 0 };

    pvr_word(&command, "HGET");
    pvr_add(&command, key, pvr_key_users(key, site, subject[0]));
    pvr_add(&command, subject, PV_SUBJECT_LEN);

    return pvr_emit(out, &command);
}


int64_t
pvr_user_time(const redisReply *reply)
{
    uint64_t  time;

    if (reply == NULL || reply->type != REDIS_REPLY_STRING || pvr_number(&time, reply->str, reply->len) != PV_OK
        || time > UINT32_MAX)
    {
        return 0;
    }

    return (int64_t) time;
}


int
pvr_users_scan(pv_buf_t *out, pv_str_t site, unsigned shard, pv_str_t cursor, unsigned count)
{
    char    key[PVR_KEY_MAX];
    size_t  len;

    len = pvr_key_users(key, site, shard);

    return pvr_collection_scan(out, "HSCAN", key, len, cursor, count);
}


static int
pvr_collection_scan(pv_buf_t *out, const char *word, const char *key, size_t len, pv_str_t cursor, unsigned count)
{
    char           limit[PVR_NUMBER_MAX];
    pvr_command_t  command = { .n = 0 };

    pvr_word(&command, word);
    pvr_add(&command, key, len);
    pvr_add(&command, cursor.data, cursor.len);
    pvr_word(&command, "COUNT");
    pvr_add(&command, limit, pvr_decimal(limit, count != 0 ? count : 1));

    return pvr_emit(out, &command);
}


int
pvr_scan(pv_str_t *cursor, size_t *n, const redisReply *reply)
{
    size_t             i;
    const redisReply  *next;

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2
        || reply->element[1]->type != REDIS_REPLY_ARRAY)
    {
        return PV_INVALID;
    }

    next = reply->element[0];

    if (next->type != REDIS_REPLY_STRING || next->len == 0 || next->len > 20) {
        return PV_INVALID;
    }

    for (i = 0; i < next->len; i++) {
        if (next->str[i] < '0' || next->str[i] > '9') {
            return PV_INVALID;
        }
    }

    *cursor = pvr_text(next);
    *n = reply->element[1]->elements;

    return PV_OK;
}


static const redisReply *
pvr_scan_item(const redisReply *reply, size_t i)
{
    return i < reply->element[1]->elements ? reply->element[1]->element[i] : NULL;
}


static int
pvr_is_subject(const redisReply *reply)
{
    return reply != NULL && reply->type == REDIS_REPLY_STRING && reply->len == PV_SUBJECT_LEN;
}


int
pvr_scan_member(unsigned char subject[PV_SUBJECT_LEN], const redisReply *reply, size_t i)
{
    const redisReply  *item;

    item = pvr_scan_item(reply, i);

    if (!pvr_is_subject(item)) {
        return PV_INVALID;
    }

    memcpy(subject, item->str, PV_SUBJECT_LEN);

    return PV_OK;
}


int
pvr_scan_user(unsigned char subject[PV_SUBJECT_LEN], int64_t *met, const redisReply *reply, size_t i)
{
    *met = pvr_user_time(pvr_scan_item(reply, 2 * i + 1));

    return *met != 0 ? pvr_scan_member(subject, reply, 2 * i) : PV_INVALID;
}


size_t
pvr_scan_users(size_t n)
{
    return n / 2;
}


int
pvr_notice_state(pv_buf_t *out, pv_str_t site, const unsigned char *subject)
{
    char           key[PVR_KEY_MAX];
    pvr_command_t  command = { .n = 0 };

    pvr_word(&command, "HGETALL");
    pvr_add(&command, key, pvr_key_notices(key, site, subject));

    return pvr_emit(out, &command);
}


int
pvr_notice_state_read(pv_notice_states_t *states, const redisReply *reply)
{
    size_t  i;

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements % 2 != 0) {
        return PV_INVALID;
    }

    for (i = 0; i < reply->elements; i += 2) {
        pv_notice_states_read(states, pvr_text(reply->element[i]), pvr_text(reply->element[i + 1]));
    }

    return PV_OK;
}


int
pvr_notice_marks(pv_buf_t *out, pv_str_t site, const unsigned char *subject, const char *const *ids, size_t n)
{
    char         key[PVR_KEY_MAX], fields[PV_NOTICES_OPEN_MAX * PVR_MARKS][PV_NOTICE_FIELD_MAX];
    size_t       i, len[PV_NOTICES_OPEN_MAX * PVR_MARKS + 2];
    const char  *argv[PV_NOTICES_OPEN_MAX * PVR_MARKS + 2];

    argv[0] = "HMGET";
    len[0] = sizeof("HMGET") - 1;
    argv[1] = key;
    len[1] = pvr_key_notices(key, site, subject);

    if (n == 0 || n > PV_NOTICES_OPEN_MAX || len[1] == 0) {
        out->failed = 1;
        return PV_ERROR;
    }

    for (i = 0; i < n * PVR_MARKS; i++) {
        argv[i + 2] = fields[i];
        len[i + 2] = pv_notice_field_write(fields[i], ids[i / PVR_MARKS], i % PVR_MARKS);
    }

    return pvr_format(out, (int) (n * PVR_MARKS) + 2, argv, len);
}


int
pvr_notice_marks_read(pv_notice_state_t *states, size_t n, const redisReply *reply)
{
    size_t  i;

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != n * PVR_MARKS) {
        return PV_INVALID;
    }

    for (i = 0; i < reply->elements; i++) {
        (void) pv_notice_state_set(&states[i / PVR_MARKS], i % PVR_MARKS, pvr_text(reply->element[i]));
    }

    return PV_OK;
}


int
pvr_notice_set(pv_buf_t *out, pv_str_t site, const unsigned char *subject, const char *id, pv_notice_field_t field,
    int64_t time, pv_notice_answer_t answer, const unsigned char *session)
{
    char           key[PVR_KEY_MAX], name[PV_NOTICE_FIELD_MAX], value[PV_NOTICE_VALUE_MAX];
    pvr_command_t  command = { .n = 0 };

    pvr_word(&command, field == PV_NOTICE_LATER ? "HSET" : "HSETNX");
    pvr_add(&command, key, pvr_key_notices(key, site, subject));
    pvr_add(&command, name, pv_notice_field_write(name, id, field));
    pvr_add(&command, value, pv_notice_value_write(value, field, time, answer, session));

    return pvr_emit(out, &command);
}


unsigned
pvr_notice_record(pv_buf_t *out, pv_str_t site, const unsigned char *subject, const char *id, pv_notice_field_t what,
    int64_t time, pv_notice_answer_t answer, const unsigned char *session, int64_t seconds)
{
    unsigned       n;
    pvr_command_t  multi = { .n = 0 }, exec = { .n = 0 };

    pvr_word(&multi, "MULTI");
    (void) pvr_emit(out, &multi);
    (void) pvr_notice_set(out, site, subject, id, PV_NOTICE_SEEN, time, PV_ANSWER_NONE, NULL);
    n = 2;

    if (answer != PV_ANSWER_NONE) {
        (void) pvr_notice_set(out, site, subject, id, PV_NOTICE_ANSWER, time, answer, NULL);
        n++;
    }

    if (what != PV_NOTICE_SEEN) {
        (void) pvr_notice_set(out, site, subject, id, what, time, PV_ANSWER_NONE, session);
        n++;
    }

    (void) pvr_notice_expire(out, site, subject, seconds);
    pvr_word(&exec, "EXEC");
    (void) pvr_emit(out, &exec);

    return out->failed ? 0 : n + 2;
}


int
pvr_notice_recorded(const redisReply *exec)
{
    size_t  i;

    if (exec == NULL || exec->type != REDIS_REPLY_ARRAY || exec->elements < 2) {
        return PV_INVALID;
    }

    for (i = 0; i < exec->elements; i++) {
        if (exec->element[i]->type != REDIS_REPLY_INTEGER) {
            return PV_INVALID;
        }
    }

    return PV_OK;
}


int
pvr_notice_expire(pv_buf_t *out, pv_str_t site, const unsigned char *subject, int64_t seconds)
{
    char  key[PVR_KEY_MAX];

    return pvr_expire(out, key, pvr_key_notices(key, site, subject), seconds);
}


/* Never none at all: Redis takes a key out whose time is zero. */
static int
pvr_expire(pv_buf_t *out, const char *key, size_t len, int64_t seconds)
{
    char           term[PVR_NUMBER_MAX];
    pvr_command_t  command = { .n = 0 };

    pvr_word(&command, "EXPIRE");
    pvr_add(&command, key, len);
    pvr_add(&command, term, pvr_decimal(term, seconds > 0 ? (uint64_t) seconds : 1));

    return pvr_emit(out, &command);
}
