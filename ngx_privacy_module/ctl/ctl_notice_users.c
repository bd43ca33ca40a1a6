/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl_audience.h"
#include "ctl_notice_users.h"
#include "pv_chain.h"
#include "pvr_notice.h"

#define CTL_USERS_BATCH      256        /* users that Redis is asked about at once */
#define CTL_USERS_COMMANDS   (4 * 1024 * 1024)
#define CTL_USERS_SCAN       1000
#define CTL_USERS_SHARD_MAX  8000000    /* of one shard: two thousand million users */


typedef struct {
    unsigned char  subject[PV_SUBJECT_LEN];
    int64_t        met;
} ctl_met_t;

typedef struct {
    ctl_notice_t        *c;
    const pv_notice_t   *notice;
    ctl_notice_user_pt   handler;
    void                *data;

    const char          *ids[PV_NOTICES_OPEN_MAX];      /* the notice, and the newer changes that close it */
    char                 id[PV_NOTICES_OPEN_MAX][PV_NOTICE_ID_SIZE];
    size_t               ids_count;
    pv_policy_t         *policy;                        /* in force: of a notice for who granted something */
    int64_t              now;

    ctl_met_t           *shard;
    size_t               count, size;

    ctl_notice_user_t    users[CTL_USERS_BATCH];
    uint32_t             length[CTL_USERS_BATCH];       /* of their ledgers; 0: not asked, or there is none */
    unsigned char        wanted[CTL_USERS_BATCH];       /* addressed, or the ledger has to tell */
    redisReply          *replies[CTL_USERS_BATCH];
} ctl_users_t;

#define CTL_USERS_NOT        0
#define CTL_USERS_ADDRESSED  1
#define CTL_USERS_LEDGER     2


static int ctl_users_prepare(ctl_users_t *u);
static int ctl_users_index(ctl_users_t *u);
static int ctl_users_shard(ctl_users_t *u, unsigned shard);
static int ctl_users_scan(ctl_users_t *u, unsigned shard, char cursor[CTL_CURSOR_MAX]);
static int ctl_users_add(ctl_users_t *u, const redisReply *reply, size_t n);
static int ctl_users_order(const void *one, const void *two);
static int ctl_users_list(ctl_users_t *u);
static int ctl_users_all(ctl_users_t *u);
static int ctl_users_batch(ctl_users_t *u, const ctl_met_t *met, size_t n);
static int ctl_users_marks(ctl_users_t *u, size_t n);
static int ctl_users_met(ctl_users_t *u, size_t n);
static int ctl_users_lengths(ctl_users_t *u, size_t n);
static int ctl_users_records(ctl_users_t *u, size_t n);
static int ctl_users_run(ctl_users_t *u, pv_buf_t *commands, size_t n);
static void ctl_users_read_marks(ctl_users_t *u, ctl_notice_user_t *user, const redisReply *reply);
static int ctl_users_first_judgement(const ctl_users_t *u, const ctl_notice_user_t *user);
static int ctl_users_judge(ctl_users_t *u, size_t i, const redisReply *record);


int
ctl_notice_users(ctl_notice_t *c, const pv_notice_t *notice, ctl_notice_user_pt handler, void *data)
{
    int           rc;
    ctl_users_t  *u;

    if (notice->kind == PV_NOTICE_RETRACTION
        || (notice->kind != PV_NOTICE_CHANGE && notice->audience.kind == PV_AUDIENCE_NONE))
    {
        return CTL_OK;
    }

    u = calloc(1, sizeof(ctl_users_t));
    if (u == NULL) {
        return ctl_fail(CTL_WRONG, "out of memory");
    }

    u->c = c;
    u->notice = notice;
    u->handler = handler;
    u->data = data;
    u->now = time(NULL);

    rc = ctl_users_prepare(u);

    if (rc == CTL_OK) {
        rc = notice->kind != PV_NOTICE_CHANGE && notice->audience.kind == PV_AUDIENCE_LIST ? ctl_users_list(u)
             : ctl_users_index(u);
    }

    pv_policy_free(u->policy);
    free(u->shard);
    free(u);

    return rc;
}


static int
ctl_users_prepare(ctl_users_t *u)
{
    size_t            i;
    const pv_head_t  *head;

    memcpy(u->id[0], u->notice->id, PV_NOTICE_ID_SIZE);
    u->ids[0] = u->id[0];
    u->ids_count = 1;

    for (i = pv_log_count(u->c->chain); u->notice->kind == PV_NOTICE_CHANGE && i > 0; i--) {
        head = pv_log_entry(u->c->chain, i - 1);

        if (head->sequence == u->notice->number || u->ids_count == PV_NOTICES_OPEN_MAX) {
            break;
        }

        if (head->kind == PV_ENTRY_VERSION) {
            pv_notice_id_write(u->id[u->ids_count], 'v', head->sequence);
            u->ids[u->ids_count] = u->id[u->ids_count];
            u->ids_count++;
        }
    }

    if (u->notice->kind != PV_NOTICE_CHANGE && u->notice->audience.kind == PV_AUDIENCE_GRANTED) {
        return ctl_notice_policy(u->c, &u->policy, CTL_NOTICE_IN_FORCE);
    }

    return CTL_OK;
}


static int
ctl_users_index(ctl_users_t *u)
{
    int       rc;
    unsigned  shard;

    rc = CTL_OK;

    for (shard = 0; rc == CTL_OK && shard < PVR_SHARDS; shard++) {
        rc = ctl_users_shard(u, shard);
        rc = rc == CTL_OK ? ctl_users_all(u) : rc;
    }

    return rc;
}


/* A scan says some twice while Redis resizes the hash, or has to begin anew: each is kept once. */
static int
ctl_users_shard(ctl_users_t *u, unsigned shard)
{
    int       rc, again;
    char      cursor[CTL_CURSOR_MAX];
    size_t    i, n;
    uint64_t  by;

    u->count = 0;
    by = 0;
    strcpy(cursor, "0");

    do {
        rc = ctl_users_scan(u, shard, cursor);
        again = ctl_redis_other(u->c->redis, &by);

        if (again) {
            strcpy(cursor, "0");
        }

    } while (rc == CTL_OK && (again || strcmp(cursor, "0") != 0));

    if (rc != CTL_OK || u->count == 0) {
        return rc;
    }

    qsort(u->shard, u->count, sizeof(ctl_met_t), ctl_users_order);

    for (i = 1, n = 1; i < u->count; i++) {
        if (memcmp(u->shard[i].subject, u->shard[n - 1].subject, PV_SUBJECT_LEN) != 0) {
            u->shard[n++] = u->shard[i];
        }
    }

    u->count = n;

    return CTL_OK;
}


static int
ctl_users_scan(ctl_users_t *u, unsigned shard, char cursor[CTL_CURSOR_MAX])
{
    int          rc;
    size_t       n;
    pv_buf_t     command;
    redisReply  *reply;

    pv_buf_init(&command, 4096);

    rc = pvr_users_scan(&command, u->c->site_name, shard, pv_str(cursor), CTL_USERS_SCAN);
    rc = rc == PV_OK ? ctl_log_run(u->c->redis, &command, &reply) : ctl_fail(CTL_WRONG, "out of memory");

    if (rc != CTL_OK) {
        return rc;
    }

    rc = ctl_log_error(reply, "the index of users cannot be read");

    if (rc == CTL_OK && !ctl_cursor(cursor, &n, reply)) {
        rc = ctl_fail(CTL_WRONG, "the index of users is not what it has to be");
    }

    rc = rc == CTL_OK ? ctl_users_add(u, reply, pvr_scan_users(n)) : rc;
    freeReplyObject(reply);

    return rc;
}


static int
ctl_users_add(ctl_users_t *u, const redisReply *reply, size_t n)
{
    void    *grown;
    size_t   i, size;

    if (u->count + n > CTL_USERS_SHARD_MAX) {
        return ctl_fail(CTL_WRONG, "the index has more users than can be");
    }

    if (u->count + n > u->size) {
        size = 2 * (u->count + n);
        grown = realloc(u->shard, size * sizeof(ctl_met_t));

        if (grown == NULL) {
            return ctl_fail(CTL_WRONG, "out of memory");
        }

        u->shard = grown;
        u->size = size;
    }

    for (i = 0; i < n; i++) {
        if (pvr_scan_user(u->shard[u->count].subject, &u->shard[u->count].met, reply, i) == PV_OK) {
            u->count++;
        }
    }

    return CTL_OK;
}


static int
ctl_users_order(const void *one, const void *two)
{
    return memcmp(((const ctl_met_t *) one)->subject, ((const ctl_met_t *) two)->subject, PV_SUBJECT_LEN);
}


/* All of the list, also those who never came: they are addressed. */
static int
ctl_users_list(ctl_users_t *u)
{
    int              rc;
    size_t           i;
    ctl_audience_t   audience;

    rc = ctl_audience_fetch(&audience, u->c->redis, u->c->site_name, u->notice->audience.digest);

    u->shard = rc == CTL_OK ? calloc(CTL_USERS_BATCH, sizeof(ctl_met_t)) : NULL;
    if (rc == CTL_OK && u->shard == NULL) {
        rc = ctl_fail(CTL_WRONG, "out of memory");
    }

    for (i = 0; rc == CTL_OK && i < audience.count; i++) {
        memcpy(u->shard[u->count++].subject, audience.subjects[i], PV_SUBJECT_LEN);

        if (u->count == CTL_USERS_BATCH || i + 1 == audience.count) {
            rc = ctl_users_all(u);
            u->count = 0;
        }
    }

    ctl_audience_free(&audience);

    return rc;
}


static int
ctl_users_all(ctl_users_t *u)
{
    int     rc;
    size_t  i, n, most;

    rc = CTL_OK;
    most = CTL_USERS_BATCH / u->ids_count;

    for (i = 0; rc == CTL_OK && i < u->count; i += n) {
        n = u->count - i;
        n = n < most ? n : most;
        rc = ctl_users_batch(u, &u->shard[i], n);
    }

    return rc;
}


static int
ctl_users_batch(ctl_users_t *u, const ctl_met_t *met, size_t n)
{
    int     rc;
    size_t  i;

    memset(u->users, 0, sizeof(u->users));
    memset(u->length, 0, sizeof(u->length));

    for (i = 0; i < n; i++) {
        memcpy(u->users[i].subject, met[i].subject, PV_SUBJECT_LEN);
        u->users[i].met = met[i].met;
    }

    rc = u->notice->kind != PV_NOTICE_CHANGE && u->notice->audience.kind == PV_AUDIENCE_LIST ? ctl_users_met(u, n)
         : CTL_OK;
    rc = rc == CTL_OK ? ctl_users_marks(u, n) : rc;
    rc = rc == CTL_OK ? ctl_users_lengths(u, n) : rc;
    rc = rc == CTL_OK ? ctl_users_records(u, n) : rc;

    for (i = 0; rc == CTL_OK && i < n; i++) {
        if (u->wanted[i] == CTL_USERS_ADDRESSED) {
            rc = u->handler(u->data, &u->users[i]);
        }
    }

    return rc;
}


static int
ctl_users_met(ctl_users_t *u, size_t n)
{
    int       rc, failed;
    size_t    i;
    pv_buf_t  commands;

    failed = 0;
    pv_buf_init(&commands, CTL_USERS_COMMANDS);

    for (i = 0; i < n; i++) {
        failed |= pvr_user_met(&commands, u->c->site_name, u->users[i].subject) != PV_OK;
    }

    commands.failed |= failed;
    rc = ctl_users_run(u, &commands, n);

    for (i = 0; rc == CTL_OK && i < n; i++) {
        u->users[i].met = pvr_user_time(u->replies[i]);
    }

    ctl_redis_replies_free(u->replies, n);

    return rc;
}


static int
ctl_users_marks(ctl_users_t *u, size_t n)
{
    int       rc, failed;
    size_t    i;
    pv_buf_t  commands;

    failed = 0;
    pv_buf_init(&commands, CTL_USERS_COMMANDS);

    for (i = 0; i < n; i++) {
        failed |= pvr_notice_marks(&commands, u->c->site_name, u->users[i].subject, u->ids, u->ids_count) != PV_OK;
    }

    commands.failed |= failed;
    rc = ctl_users_run(u, &commands, n);

    for (i = 0; rc == CTL_OK && i < n; i++) {
        ctl_users_read_marks(u, &u->users[i], u->replies[i]);
        u->wanted[i] = (unsigned char) ctl_users_first_judgement(u, &u->users[i]);
    }

    ctl_redis_replies_free(u->replies, n);

    return rc;
}


static void
ctl_users_read_marks(ctl_users_t *u, ctl_notice_user_t *user, const redisReply *reply)
{
    size_t             i;
    pv_notice_state_t  states[PV_NOTICES_OPEN_MAX];

    memset(states, 0, u->ids_count * sizeof(states[0]));

    for (i = 0; i < u->ids_count; i++) {
        memcpy(states[i].id, u->id[i], PV_NOTICE_ID_SIZE);
    }

    /* what is none of ours there counts as nothing: it was not proven that they saw it */

    (void) pvr_notice_marks_read(states, u->ids_count, reply);
    user->state = states[0];

    for (i = 1; i < u->ids_count; i++) {
        user->superseded |= states[i].at[PV_NOTICE_ACKNOWLEDGED] != 0 || states[i].answer != PV_ANSWER_NONE;
    }
}


/* What needs no ledger. */
static int
ctl_users_first_judgement(const ctl_users_t *u, const ctl_notice_user_t *user)
{
    size_t                i;
    const pv_audience_t  *audience;

    for (i = 0; i < PV_NOTICE_FIELDS; i++) {
        if (user->state.at[i] != 0) {
            return CTL_USERS_ADDRESSED;
        }
    }

    audience = &u->notice->audience;

    if (u->notice->kind == PV_NOTICE_CHANGE) {
        return user->met != 0 && user->met < u->notice->published ? CTL_USERS_ADDRESSED : CTL_USERS_LEDGER;
    }

    return audience->kind == PV_AUDIENCE_USERS || audience->kind == PV_AUDIENCE_LIST ? CTL_USERS_ADDRESSED
           : CTL_USERS_LEDGER;
}


static int
ctl_users_lengths(ctl_users_t *u, size_t n)
{
    int       rc, failed;
    size_t    i, k;
    pv_buf_t  commands;

    failed = 0;
    pv_buf_init(&commands, CTL_USERS_COMMANDS);

    for (i = 0, k = 0; i < n; i++) {
        if (u->wanted[i] == CTL_USERS_LEDGER) {
            failed |= pvr_ledger_length(&commands, u->c->site_name, u->users[i].subject) != PV_OK;
            k++;
        }
    }

    commands.failed |= failed;
    rc = ctl_users_run(u, &commands, k);

    for (i = 0, k = 0; rc == CTL_OK && i < n; i++) {
        if (u->wanted[i] != CTL_USERS_LEDGER) {
            continue;
        }

        if (u->replies[k]->type == REDIS_REPLY_INTEGER && u->replies[k]->integer > 0
            && u->replies[k]->integer <= PV_CHAIN_MAX)
        {
            u->length[i] = (uint32_t) u->replies[k]->integer;
        }

        k++;
    }

    ctl_redis_replies_free(u->replies, k);

    return rc;
}


/* The newest record alone says what holds. */
static int
ctl_users_records(ctl_users_t *u, size_t n)
{
    int       rc, failed;
    size_t    i, k;
    pv_buf_t  commands;

    failed = 0;
    pv_buf_init(&commands, CTL_USERS_COMMANDS);

    for (i = 0, k = 0; i < n; i++) {
        if (u->length[i] != 0) {
            failed |= pvr_ledger_read(&commands, u->c->site_name, u->users[i].subject, u->length[i], 1) != PV_OK;
            k++;
        }
    }

    commands.failed |= failed;
    rc = ctl_users_run(u, &commands, k);

    for (i = 0, k = 0; rc == CTL_OK && i < n; i++) {
        if (u->wanted[i] == CTL_USERS_LEDGER) {
            u->wanted[i] = (unsigned char) ctl_users_judge(u, i, u->length[i] != 0 ? u->replies[k] : NULL);
        }

        k += u->length[i] != 0;
    }

    ctl_redis_replies_free(u->replies, k);

    return rc;
}


static int
ctl_users_judge(ctl_users_t *u, size_t i, const redisReply *reply)
{
    pv_record_t         record;
    pv_verdict_t        verdict;
    pv_consent_t        consent;
    const redisReply   *bytes;
    pv_notice_reader_t  reader;

    memset(&reader, 0, sizeof(reader));
    reader.met = u->users[i].met;

    bytes = reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 1 ? reply->element[0] : NULL;

    if (bytes != NULL && bytes->type == REDIS_REPLY_STRING
        && pv_record_decode(&record, (pv_str_t) { (unsigned char *) bytes->str, bytes->len }) == PV_OK)
    {
        reader.bound = record.bound_version;

        if (u->policy != NULL) {
            pv_consent_from_record(&consent, &record, u->users[i].subject, u->length[i], (uint32_t) u->now);
            pv_policy_judge(&verdict, u->policy, &consent, u->now);
            reader.policy = u->policy;
            reader.granted = verdict.allowed;
        }
    }

    return pv_notice_addresses(u->notice, &reader) == 1 ? CTL_USERS_ADDRESSED : CTL_USERS_NOT;
}


/* Runs n commands, none of whose replies is an error, into u->replies; frees the commands. */
static int
ctl_users_run(ctl_users_t *u, pv_buf_t *commands, size_t n)
{
    int     rc;
    size_t  i;

    memset(u->replies, 0, sizeof(u->replies));
    rc = commands->failed ? ctl_fail(CTL_WRONG, "out of memory")
         : n != 0 ? ctl_redis_run(u->c->redis, commands, u->replies, n) : CTL_OK;
    pv_buf_free(commands);

    for (i = 0; rc == CTL_OK && i < n; i++) {
        rc = ctl_log_error(u->replies[i], "what is kept of a user cannot be read");
    }

    return rc;
}


int
ctl_notice_answered(const ctl_notice_user_t *user)
{
    return user->superseded || user->state.at[PV_NOTICE_ACKNOWLEDGED] != 0 || user->state.answer != PV_ANSWER_NONE;
}


const char *
ctl_notice_answer(const ctl_notice_user_t *user)
{
    return user->state.answer == PV_ANSWER_AGREED ? "agreed" : user->state.answer == PV_ANSWER_DECLINED ? "declined"
           : NULL;
}
