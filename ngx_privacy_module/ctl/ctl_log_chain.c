/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* The chain of a log's heads, read from Redis: only the first bytes of each entry are fetched. */

#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "ctl_bundle.h"

#define CTL_CHAIN_BATCH  128


typedef struct {
    pv_log_t         *chain;
    const ctl_log_t  *log;
    ctl_redis_t      *redis;
    pv_str_t          site;
    pv_problems_t    *problems;
    int               rc;           /* what went wrong while a signature was verified */
} ctl_chain_t;


static void ctl_chain_choose(const ctl_log_t *log, const pv_log_t *chain, int which, unsigned char *wanted);
static void ctl_chain_choose_first(const ctl_log_t *log, int which, unsigned char *wanted);
static int ctl_chain_fetch(ctl_chain_t *c, const unsigned char *wanted);
static int ctl_chain_batch(ctl_chain_t *c, const size_t *batch, size_t n);
static int ctl_chain_add(ctl_chain_t *c, const ctl_log_entry_t *entry, const redisReply *reply);
static int ctl_chain_head(ctl_chain_t *c, const ctl_log_entry_t *entry, pv_str_t prefix, pv_head_t **head);
static int ctl_chain_is_entry(const pv_head_t *head, const ctl_log_entry_t *entry);
static int ctl_chain_prefix(pv_buf_t *prefix, ctl_chain_t *c, const unsigned char *digest, size_t len);
static int ctl_chain_verify(void *data, const pv_head_t *head);


int
ctl_log_chain(pv_log_t **chain, const ctl_log_t *log, ctl_redis_t *redis, pv_str_t site,
    const unsigned char pub[PV_ED25519_PUBLIC], int which, pv_problems_t *problems)
{
    int             i, rc;
    size_t          errors;
    ctl_chain_t     c;
    unsigned char  *wanted;

    *chain = pv_log_create(pub);
    wanted = calloc(log->count + 1, 1);
    c = (ctl_chain_t) { *chain, log, redis, site, problems, CTL_OK };
    rc = *chain != NULL && wanted != NULL ? CTL_OK : ctl_fail(CTL_WRONG, "out of memory");
    errors = problems->errors;

    /* First what tells which versions were withdrawn, then the versions that count. */
    for (i = 0; rc == CTL_OK && i < 2; i++) {
        ctl_chain_choose(log, i == 0 ? NULL : *chain, which, wanted);
        rc = ctl_chain_fetch(&c, wanted);

        if (rc == CTL_OK && pv_log_settle(*chain, ctl_chain_verify, &c, problems) == PV_ERROR) {
            rc = ctl_fail(CTL_WRONG, "out of memory");
        }
        rc = rc == CTL_OK ? c.rc : rc;
    }

    free(wanted);

    return rc == CTL_OK && problems->errors != errors ? CTL_WRONG : rc;
}


static void
ctl_chain_choose(const ctl_log_t *log, const pv_log_t *chain, int which, unsigned char *wanted)
{
    size_t  i;

    memset(wanted, 0, log->count);

    if (chain == NULL) {
        ctl_chain_choose_first(log, which, wanted);
        return;
    }

    for (i = log->count; which == CTL_LOG_NEWEST && i > 0; i--) {
        if (log->entries[i - 1].kind != PV_ENTRY_VERSION) {
            continue;
        }

        wanted[i - 1] = pv_log_find(chain, log->entries[i - 1].sequence) == NULL;

        if (ctl_log_withdrawal(chain, &log->entries[i - 1]) == NULL) {
            return;
        }
    }
}


/*
 * What stands between two hand-overs as well: the newest key is countersigned
 * by the newest of them only, and from there digests lead back to the others.
 */

static void
ctl_chain_choose_first(const ctl_log_t *log, int which, unsigned char *wanted)
{
    size_t  i, oldest, newest;

    oldest = log->count;
    newest = 0;

    for (i = 0; i < log->count; i++) {
        if (log->entries[i].kind == PV_ENTRY_KEY) {
            oldest = oldest < i ? oldest : i;
            newest = i;
        }
    }

    for (i = 0; i < log->count; i++) {
        wanted[i] = which == CTL_LOG_ALL || log->entries[i].kind != PV_ENTRY_VERSION || i + 1 == log->count
                    || (i > oldest && i < newest);
    }
}


const pv_head_t *
ctl_log_withdrawal(const pv_log_t *chain, const ctl_log_entry_t *version)
{
    size_t            i;
    const pv_head_t  *head;

    for (i = 0; i < pv_log_count(chain); i++) {
        head = pv_log_entry(chain, i);

        if (head->kind == PV_ENTRY_WITHDRAWAL && head->withdraws == version->sequence
            && head->published < version->effective)
        {
            return head;
        }
    }

    return NULL;
}


static int
ctl_chain_fetch(ctl_chain_t *c, const unsigned char *wanted)
{
    int     rc;
    size_t  i, n, batch[CTL_CHAIN_BATCH];

    rc = CTL_OK;

    for (i = 0, n = 0; rc == CTL_OK && i < c->log->count; i++) {
        if (wanted[i]) {
            batch[n++] = i;
        }

        if (n == CTL_CHAIN_BATCH) {
            rc = ctl_chain_batch(c, batch, n);
            n = 0;
        }
    }

    return rc == CTL_OK && n != 0 ? ctl_chain_batch(c, batch, n) : rc;
}


static int
ctl_chain_batch(ctl_chain_t *c, const size_t *batch, size_t n)
{
    int          rc;
    size_t       i;
    pv_buf_t     commands;
    redisReply  *replies[CTL_CHAIN_BATCH];

    pv_buf_init(&commands, CTL_CHAIN_BATCH * 512);

    for (i = 0; i < n; i++) {
        (void) pvr_bundle_range(&commands, c->site, c->log->entries[batch[i]].digest, 0, PV_HEAD_PREFIX - 1);
    }

    rc = ctl_redis_run(c->redis, &commands, replies, n);
    pv_buf_free(&commands);

    if (rc != CTL_OK) {
        return rc;
    }

    for (i = 0; rc == CTL_OK && i < n; i++) {
        rc = ctl_chain_add(c, &c->log->entries[batch[i]], replies[i]);
    }

    ctl_redis_replies_free(replies, n);

    return rc;
}


/* What is wrong with one entry is a problem, and the others go on. */
static int
ctl_chain_add(ctl_chain_t *c, const ctl_log_entry_t *entry, const redisReply *reply)
{
    int         rc;
    pv_str_t    prefix;
    pv_head_t  *head;

    rc = ctl_log_error(reply, "a bundle cannot be read");
    if (rc != CTL_OK) {
        return rc;
    }

    if (reply->type != REDIS_REPLY_STRING || reply->len == 0) {
        pv_problem(c->problems, NULL, entry->sequence, NULL, "its bundle is not in Redis");
        return CTL_OK;
    }

    prefix = (pv_str_t) { (const unsigned char *) reply->str, (size_t) reply->len };

    rc = ctl_chain_head(c, entry, prefix, &head);
    if (rc != CTL_OK || head == NULL) {
        return rc;
    }

    if (!ctl_chain_is_entry(head, entry)) {
        pv_problem(c->problems, NULL, entry->sequence, NULL, "the log's entry is not what was signed");
        pv_head_free(head);
        return CTL_OK;
    }

    if (pv_log_add(c->chain, head, NULL) != PV_OK) {
        pv_head_free(head);
        return ctl_fail(CTL_WRONG, "out of memory");
    }

    return CTL_OK;
}


/* *head is NULL when it is refused. A head that is longer than its first bytes is fetched again, whole. */
static int
ctl_chain_head(ctl_chain_t *c, const ctl_log_entry_t *entry, pv_str_t prefix, pv_head_t **head)
{
    int             rc, opened;
    size_t          need;
    pv_buf_t        longer;
    pv_problems_t   problems;

    rc = CTL_OK;
    pv_buf_init(&longer, PV_HEAD_PREFIX_MAX);
    pv_problems_init(&problems);

    opened = pv_head_open(head, prefix, c->site, &need, &problems);

    if (opened == PV_SHORT) {
        rc = ctl_chain_prefix(&longer, c, entry->digest, PV_HEAD_PREFIX_MAX);
        prefix = (pv_str_t) { longer.data, longer.len };
        opened = rc == CTL_OK ? pv_head_open(head, prefix, c->site, &need, &problems) : opened;
    }

    if (rc == CTL_OK && opened != PV_OK) {
        pv_problem(c->problems, NULL, entry->sequence, problems.count ? problems.list[0].field : NULL, "%s",
                   problems.count ? problems.list[0].reason : "is cut in its head");
    }

    pv_problems_free(&problems);
    pv_buf_free(&longer);

    return rc;
}


static int
ctl_chain_is_entry(const pv_head_t *head, const ctl_log_entry_t *entry)
{
    return head->sequence == entry->sequence && head->kind == entry->kind && head->effective == entry->effective
           && pv_str_eqs(head->version, entry->version) && memcmp(head->digest, entry->digest, PV_SHA256_LEN) == 0;
}


static int
ctl_chain_prefix(pv_buf_t *prefix, ctl_chain_t *c, const unsigned char *digest, size_t len)
{
    int          rc;
    pv_buf_t     command;
    redisReply  *reply;

    pv_buf_init(&command, 512);
    (void) pvr_bundle_range(&command, c->site, digest, 0, len - 1);

    rc = ctl_log_run(c->redis, &command, &reply);
    if (rc != CTL_OK) {
        return rc;
    }

    rc = ctl_log_error(reply, "a bundle cannot be read");

    if (rc == CTL_OK && reply->type == REDIS_REPLY_STRING) {
        pv_buf_add(prefix, reply->str, (size_t) reply->len);
    }

    freeReplyObject(reply);

    return rc;
}


static int
ctl_chain_verify(void *data, const pv_head_t *head)
{
    int           rc;
    pv_buf_t      prefix;
    ctl_chain_t  *c;

    c = data;
    pv_buf_init(&prefix, PV_HEAD_PREFIX_MAX);

    c->rc = ctl_chain_prefix(&prefix, c, head->digest, head->bodies);
    rc = c->rc == CTL_OK ? pv_head_verify((pv_str_t) { prefix.data, prefix.len }, c->site, head->key) : PV_ERROR;

    pv_buf_free(&prefix);

    return rc;
}
