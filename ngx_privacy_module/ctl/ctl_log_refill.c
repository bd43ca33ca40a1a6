/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* A log that Redis lost, wholly or its end, from the sealed entries that a node kept. */

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "ctl_bundle.h"
#include "ctl_file.h"


typedef struct {
    const ctl_log_t      *log;
    ctl_redis_t          *redis;
    const char           *folder;
    pv_str_t              site;
    pv_log_t             *chain;
    uint32_t              next;         /* the number that the log lacks first */
} ctl_refill_t;


static int ctl_refill_is_sealed(const struct dirent *entry);
static int ctl_refill_run(ctl_refill_t *r, struct dirent **entries, size_t count, size_t *n);
static int ctl_refill_read(ctl_refill_t *r, const char *name, pv_buf_t *sealed);
static int ctl_refill_check(ctl_refill_t *r, const char *name);
static int ctl_refill_open(ctl_refill_t *r, pv_str_t sealed, const char *name, pv_head_t **head);
static int ctl_refill_fits(ctl_refill_t *r, const pv_head_t *head, const char *name);
static int ctl_refill_settle(ctl_refill_t *r);
static int ctl_refill_signed(void *data, const pv_head_t *head);
static int ctl_refill_write(ctl_refill_t *r, size_t *n);


int
ctl_log_refill(const ctl_log_t *log, ctl_redis_t *redis, const char *cache, pv_str_t site,
    const unsigned char pub[PV_ED25519_PUBLIC], size_t *n)
{
    int              i, count, rc;
    char            *folder;
    ctl_refill_t     r;
    pv_problems_t    problems;
    struct dirent  **entries;

    *n = 0;

    if (asprintf(&folder, "%s/%.*s", cache, (int) site.len, (const char *) site.data) < 0) {
        return ctl_fail(CTL_WRONG, "out of memory");
    }

    count = scandir(folder, &entries, ctl_refill_is_sealed, alphasort);
    if (count < 0) {
        rc = errno == ENOENT ? CTL_OK : ctl_fail(CTL_WRONG, "cannot read the folder %s: %s", folder, strerror(errno));
        free(folder);
        return rc;
    }

    pv_problems_init(&problems);
    r = (ctl_refill_t) { log, redis, folder, site, NULL, log->count ? log->entries[log->count - 1].sequence + 1 : 1 };

    rc = ctl_log_chain(&r.chain, log, redis, site, pub, CTL_LOG_NEWEST, &problems);
    rc = rc == CTL_OK ? ctl_refill_run(&r, entries, (size_t) count, n) : rc;

    for (i = 0; i < count; i++) {
        free(entries[i]);
    }

    pv_problems_free(&problems);
    pv_log_free(r.chain);
    free(entries);
    free(folder);

    return rc;
}


/* Ten digits, ".bundle": sorted by name is sorted by number. */
static int
ctl_refill_is_sealed(const struct dirent *entry)
{
    return strlen(entry->d_name) == 17 && strspn(entry->d_name, "0123456789") == 10
           && strcmp(entry->d_name + 10, ".bundle") == 0;
}


/* All are verified before the first is written: never half of a log. */
static int
ctl_refill_run(ctl_refill_t *r, struct dirent **entries, size_t count, size_t *n)
{
    int     rc;
    size_t  i;

    rc = CTL_OK;

    for (i = 0; rc == CTL_OK && i < count; i++) {
        rc = ctl_refill_check(r, entries[i]->d_name);
    }

    rc = rc == CTL_OK ? ctl_refill_settle(r) : rc;

    return rc == CTL_OK ? ctl_refill_write(r, n) : rc;
}


static int
ctl_refill_check(ctl_refill_t *r, const char *name)
{
    int         rc;
    pv_buf_t    sealed;
    pv_head_t  *head;

    head = NULL;
    pv_buf_init(&sealed, PV_SEALED_MAX);

    rc = ctl_refill_read(r, name, &sealed);
    rc = rc == CTL_OK ? ctl_refill_open(r, (pv_str_t) { sealed.data, sealed.len }, name, &head) : rc;
    rc = rc == CTL_OK ? ctl_refill_fits(r, head, name) : rc;

    if (rc == CTL_OK && head->sequence >= r->next && pv_log_add(r->chain, head, NULL) == PV_OK) {
        head = NULL;
    }

    pv_head_free(head);
    pv_buf_free(&sealed);

    return rc;
}


static int
ctl_refill_read(ctl_refill_t *r, const char *name, pv_buf_t *sealed)
{
    int    rc;
    char  *file;

    if (asprintf(&file, "%s/%s", r->folder, name) < 0) {
        return ctl_fail(CTL_WRONG, "out of memory");
    }

    rc = ctl_file_read(sealed, file, PV_SEALED_MAX) == PV_OK ? CTL_OK : CTL_WRONG;
    free(file);

    return rc;
}


/* Signed with the key that it names; whether that one signs at its place is settled with all of them. */
static int
ctl_refill_open(ctl_refill_t *r, pv_str_t sealed, const char *name, pv_head_t **head)
{
    int             rc;
    pv_policy_t    *policy;
    pv_problems_t   problems;

    policy = NULL;
    pv_problems_init(&problems);

    rc = pv_head_open(head, sealed, r->site, NULL, &problems);

    if (rc == PV_OK && (*head)->kind == PV_ENTRY_VERSION) {
        rc = pv_policy_open(&policy, sealed, r->site, (*head)->key, &problems);

    } else if (rc == PV_OK) {
        rc = sealed.len == (*head)->size ? pv_head_verify(sealed, r->site, (*head)->key) : PV_INVALID;
    }

    if (rc != PV_OK) {
        ctl_problems(&problems);
        (void) ctl_fail(0, "%s/%s is not a bundle of this site: the log is not refilled", r->folder, name);
    }

    pv_policy_free(policy);
    pv_problems_free(&problems);

    return rc == PV_OK ? CTL_OK : CTL_WRONG;
}


/* It has the number of its name, and is the log's own as far as the log goes. */
static int
ctl_refill_fits(ctl_refill_t *r, const pv_head_t *head, const char *name)
{
    size_t  i;
    char    expected[32];

    snprintf(expected, sizeof(expected), "%010" PRIu32 ".bundle", head->sequence);

    if (strcmp(expected, name) != 0) {
        return ctl_fail(CTL_WRONG, "%s/%s is number %" PRIu32 ", not the one of its name", r->folder, name,
                        head->sequence);
    }

    for (i = 0; i < r->log->count; i++) {
        if (r->log->entries[i].sequence == head->sequence
            && memcmp(head->digest, r->log->entries[i].digest, PV_SHA256_LEN) != 0)
        {
            return ctl_fail(CTL_WRONG, "%s/%s is not what the log in Redis has as number %" PRIu32 ": another log",
                            r->folder, name, head->sequence);
        }
    }

    return CTL_OK;
}


static int
ctl_refill_settle(ctl_refill_t *r)
{
    int               rc;
    size_t            i;
    uint32_t          next;
    pv_problems_t     problems;

    pv_problems_init(&problems);
    rc = CTL_OK;

    if (pv_log_settle(r->chain, ctl_refill_signed, NULL, &problems) != PV_OK) {
        rc = ctl_fail(CTL_WRONG, "%s/%010u.bundle %s: the log is not refilled", r->folder, problems.list[0].line,
                      problems.list[0].reason);
    }

    next = r->next;

    for (i = pv_log_place(r->chain, next); rc == CTL_OK && i < pv_log_count(r->chain); i++, next++) {
        if (pv_log_entry(r->chain, i)->sequence != next) {
            rc = ctl_fail(CTL_WRONG, "%s lacks number %" PRIu32 ", which the log lacks too: it is not refilled",
                          r->folder, next);
        }
    }

    pv_problems_free(&problems);

    return rc;
}


/* Those of the folder when they were opened, those of the log when it was read. */
static int
ctl_refill_signed(void *data, const pv_head_t *head)
{
    (void) data;
    (void) head;

    return PV_OK;
}


static int
ctl_refill_write(ctl_refill_t *r, size_t *n)
{
    int       rc;
    char      name[32];
    size_t    i;
    pv_buf_t  sealed;

    rc = CTL_OK;

    for (i = pv_log_place(r->chain, r->next); rc == CTL_OK && i < pv_log_count(r->chain); i++) {
        snprintf(name, sizeof(name), "%010" PRIu32 ".bundle", pv_log_entry(r->chain, i)->sequence);
        pv_buf_init(&sealed, PV_SEALED_MAX);

        rc = ctl_refill_read(r, name, &sealed);
        rc = rc == CTL_OK ? ctl_log_append(r->redis, r->site, (pv_str_t) { sealed.data, sealed.len }) : rc;
        *n += rc == CTL_OK;

        pv_buf_free(&sealed);
    }

    return rc;
}
