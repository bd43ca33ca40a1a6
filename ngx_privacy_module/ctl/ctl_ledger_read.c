/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "ctl_ledger.h"


#define CTL_LEDGER_BATCH    64
#define CTL_LEDGER_EMPTY    16      /* batches without a record, after which no further is looked for */
#define CTL_LEDGER_COMMAND  (64 * 1024)


static int ctl_ledger_length(ctl_redis_t *redis, pv_str_t site, const unsigned char *subject, long long *length);
static int ctl_ledger_batch(ctl_ledger_t *ledger, ctl_redis_t *redis, pv_str_t site, const unsigned char *subject,
    uint32_t first, size_t *found);
static void ctl_ledger_entry(ctl_ledger_t *ledger, uint32_t position, const redisReply *value);
static int ctl_one(ctl_redis_t *redis, pv_buf_t *command, redisReply **reply);
static pv_policy_t *ctl_policies_read(ctl_policies_t *policies, uint32_t sequence);


int
ctl_ledger_read(ctl_ledger_t *ledger, ctl_redis_t *redis, pv_str_t site, const unsigned char subject[PV_SUBJECT_LEN])
{
    int        rc;
    size_t     found;
    unsigned   empty;
    uint32_t   first;
    long long  length;

    memset(ledger, 0, sizeof(ctl_ledger_t));
    length = 0;

    rc = ctl_ledger_length(redis, site, subject, &length);
    if (rc != CTL_OK) {
        return rc;
    }

    if (length > PV_CHAIN_MAX) {
        return ctl_fail(CTL_WRONG, "the ledger has %lld records: more than %d are not ours", length, PV_CHAIN_MAX);
    }

    ledger->entries = calloc(PV_CHAIN_MAX + CTL_LEDGER_BATCH, sizeof(pv_chain_entry_t));
    if (ledger->entries == NULL) {
        return ctl_fail(CTL_WRONG, "out of memory");
    }

    empty = 0;

    for (first = 1;
         (long long) ledger->present < length && first <= PV_CHAIN_MAX && empty < CTL_LEDGER_EMPTY;
         first += CTL_LEDGER_BATCH)
    {
        rc = ctl_ledger_batch(ledger, redis, site, subject, first, &found);
        if (rc != CTL_OK) {
            ctl_ledger_free(ledger);
            return rc;
        }

        empty = (found == 0) ? empty + 1 : 0;
    }

    /* a choice may have been made since the length was asked */

    ledger->foreign = (length > (long long) ledger->present) ? length - (long long) ledger->present : 0;

    return CTL_OK;
}


static int
ctl_ledger_length(ctl_redis_t *redis, pv_str_t site, const unsigned char *subject, long long *length)
{
    int          rc;
    pv_buf_t     command;
    redisReply  *reply;

    pv_buf_init(&command, CTL_LEDGER_COMMAND);
    (void) pvr_ledger_length(&command, site, subject);

    rc = ctl_one(redis, &command, &reply);
    if (rc != CTL_OK) {
        return rc;
    }

    if (reply->type == REDIS_REPLY_INTEGER) {
        *length = reply->integer;

    } else {
        rc = ctl_fail(CTL_WRONG, "Redis has something else where the ledger should be");
    }

    freeReplyObject(reply);

    return rc;
}


static int
ctl_ledger_batch(ctl_ledger_t *ledger, ctl_redis_t *redis, pv_str_t site, const unsigned char *subject,
    uint32_t first, size_t *found)
{
    int          rc;
    size_t       i, before;
    pv_buf_t     command;
    redisReply  *reply;

    pv_buf_init(&command, CTL_LEDGER_COMMAND);
    (void) pvr_ledger_read(&command, site, subject, first, CTL_LEDGER_BATCH);

    rc = ctl_one(redis, &command, &reply);
    if (rc != CTL_OK) {
        return rc;
    }

    before = ledger->present;

    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == CTL_LEDGER_BATCH) {
        for (i = 0; i < reply->elements; i++) {
            ctl_ledger_entry(ledger, first + (uint32_t) i, reply->element[i]);
        }

    } else {
        rc = ctl_fail(CTL_WRONG, "Redis did not answer as it should when the ledger was read");
    }

    *found = ledger->present - before;
    freeReplyObject(reply);

    return rc;
}


static void
ctl_ledger_entry(ctl_ledger_t *ledger, uint32_t position, const redisReply *value)
{
    pv_chain_entry_t  *e;

    if (value->type != REDIS_REPLY_STRING) {
        return;
    }

    e = &ledger->entries[position - 1];

    if ((size_t) value->len > PV_RECORD_MAX || value->len == 0) {
        e->too_long = 1;

    } else {
        memcpy(e->data, value->str, (size_t) value->len);
        e->len = (uint8_t) value->len;
    }

    ledger->present++;
    ledger->count = position;
}


void
ctl_ledger_free(ctl_ledger_t *ledger)
{
    free(ledger->entries);
    memset(ledger, 0, sizeof(ctl_ledger_t));
}


/* One command and its reply, which is not an error; frees the command. */

static int
ctl_one(ctl_redis_t *redis, pv_buf_t *command, redisReply **reply)
{
    int  rc;

    rc = ctl_redis_run(redis, command, reply, 1);
    pv_buf_free(command);

    if (rc == CTL_OK && pvr_status(*reply) != PVR_OK) {
        rc = ctl_fail((pvr_status(*reply) == PVR_ERROR) ? CTL_WRONG : CTL_UNREACHABLE, "Redis answers: %s",
                      (*reply)->str);
        ctl_redis_replies_free(reply, 1);
    }

    return rc;
}


const pv_policy_t *
ctl_policies_get(ctl_policies_t *policies, uint32_t sequence)
{
    size_t  i;

    if (policies->pub == NULL || sequence == 0) {
        return NULL;
    }

    for (i = 0; i < policies->count; i++) {
        if (policies->sequence[i] == sequence) {
            return policies->policy[i];
        }
    }

    if (policies->count == CTL_POLICIES_MAX) {
        return NULL;
    }

    policies->sequence[policies->count] = sequence;
    policies->policy[policies->count] = ctl_policies_read(policies, sequence);

    return policies->policy[policies->count++];
}


static pv_policy_t *
ctl_policies_read(ctl_policies_t *policies, uint32_t sequence)
{
    pv_str_t             sealed;
    pv_buf_t             command;
    redisReply          *reply;
    pv_policy_t         *policy;
    pv_problems_t        problems;
    pvr_policy_entry_t   entry;

    pv_buf_init(&command, CTL_LEDGER_COMMAND);
    (void) pvr_policies_read(&command, policies->site, sequence - 1, 1);

    if (ctl_one(policies->redis, &command, &reply) != CTL_OK) {
        return NULL;
    }

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 1
        || pvr_policy_entry(&entry, reply, 0) != PV_OK || entry.sequence != sequence)
    {
        freeReplyObject(reply);
        return NULL;
    }

    freeReplyObject(reply);

    pv_buf_init(&command, CTL_LEDGER_COMMAND);
    (void) pvr_bundle_get(&command, policies->site, entry.digest);

    if (ctl_one(policies->redis, &command, &reply) != CTL_OK) {
        return NULL;
    }

    policy = NULL;
    pv_problems_init(&problems);

    if (reply->type == REDIS_REPLY_STRING) {
        sealed.data = (const unsigned char *) reply->str;
        sealed.len = (size_t) reply->len;

        if (pv_policy_open(&policy, sealed, policies->site, policies->pub, &problems) != PV_OK) {
            ctl_problems(&problems);
            policy = NULL;

        } else if (policy->sequence != sequence) {
            (void) ctl_fail(0, "what the log calls version %u is version %u", sequence, policy->sequence);
            pv_policy_free(policy);
            policy = NULL;
        }
    }

    pv_problems_free(&problems);
    freeReplyObject(reply);

    return policy;
}


void
ctl_policies_free(ctl_policies_t *policies)
{
    size_t  i;

    for (i = 0; i < policies->count; i++) {
        pv_policy_free(policies->policy[i]);
    }

    policies->count = 0;
}
