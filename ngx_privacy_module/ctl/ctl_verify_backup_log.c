/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* The publication log of a backup: its entries, what was sealed, the chain; and its other streams. */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "ctl_verify_backup.h"

#define CTL_PROVE_LOG_MAX  100000


static int ctl_prove_policy(ctl_prove_t *p, const ctl_item_t *item);
static int ctl_prove_fields(ctl_log_entry_t *entry, const ctl_item_t *item);
static ctl_proven_t *ctl_prove_find(ctl_prove_t *p, const unsigned char *digest);
static int ctl_prove_sealed(ctl_prove_t *p, const char *id, pv_str_t sealed);
static void ctl_prove_bodies(ctl_prove_t *p, const pv_head_t *head, pv_str_t sealed);
static int ctl_prove_chain(ctl_prove_t *p);
static int ctl_prove_signed(void *data, const pv_head_t *head);


int
ctl_prove_entry(ctl_prove_t *p, const ctl_item_t *item)
{
    size_t  i;

    static const char *const  streams[CTL_PROVEN_STREAMS] = { "policies", "notices", "requests", "tombstones" };

    for (i = 0; i < CTL_PROVEN_STREAMS; i++) {
        p->entries[i] += strcmp(streams[i], item->id) == 0;
    }

    return strcmp(item->id, "policies") == 0 ? ctl_prove_policy(p, item)
           : strcmp(item->id, "notices") == 0 ? ctl_prove_notice(p, item) : CTL_OK;
}


static int
ctl_prove_policy(ctl_prove_t *p, const ctl_item_t *item)
{
    ctl_proven_t  *log, *proven;

    if (p->log_count == CTL_PROVE_LOG_MAX) {
        return ctl_fail(CTL_WRONG, "the log has more entries than can be ours");
    }

    log = realloc(p->log, (p->log_count + 1) * sizeof(ctl_proven_t));
    if (log == NULL) {
        return ctl_fail(CTL_WRONG, "out of memory");
    }

    p->log = log;
    proven = &log[p->log_count++];
    memset(proven, 0, sizeof(ctl_proven_t));
    pv_buf_init(&proven->prefix, PV_HEAD_PREFIX_MAX);

    if (!ctl_prove_fields(&proven->entry, item)
        || proven->entry.sequence != (p->log_count > 1 ? proven[-1].entry.sequence + 1 : 1))
    {
        ctl_prove_wrong(p, "log: entry %s is not one of ours, or one is missing before it", item->entry);
    }

    return CTL_OK;
}


static int
ctl_prove_fields(ctl_log_entry_t *entry, const ctl_item_t *item)
{
    int          digest;
    size_t       i;
    const char  *name, *value;

    digest = 0;
    entry->sequence = (uint32_t) strtoul(item->entry, NULL, 10);

    for (i = 0; i + 1 < json_array_size(item->list); i += 2) {
        name = json_string_value(json_array_get(item->list, i));
        value = json_string_value(json_array_get(item->list, i + 1));

        if (strcmp(name, "digest") == 0) {
            digest = pv_hex_decode(entry->digest, PV_SHA256_LEN, pv_str(value)) == PV_OK;

        } else if (strcmp(name, "kind") == 0) {
            entry->kind = pv_entry_kind(pv_str(value));

        } else if (strcmp(name, "version") == 0) {
            (void) snprintf(entry->version, sizeof(entry->version), "%s", value);

        } else if (strcmp(name, "effective") == 0) {
            entry->effective = strtoll(value, NULL, 10);
        }
    }

    return digest && entry->kind != 0 && entry->sequence != 0;
}


int
ctl_prove_bundle(ctl_prove_t *p, const ctl_item_t *item)
{
    int       rc;
    pv_buf_t  sealed;

    pv_buf_init(&sealed, PV_SEALED_MAX);

    if (ctl_backup_decode(&sealed, json_object_get(item->root, "value")) != PV_OK) {
        rc = ctl_fail(CTL_WRONG, "%s: something in it is not spelled as it has to be", item->id);

    } else {
        rc = ctl_prove_sealed(p, item->id, (pv_str_t) { sealed.data, sealed.len });
    }

    pv_buf_free(&sealed);

    return rc;
}


static int
ctl_prove_sealed(ctl_prove_t *p, const char *id, pv_str_t sealed)
{
    pv_head_t       *head;
    ctl_proven_t    *proven;
    pv_problems_t    problems;

    pv_problems_init(&problems);

    if (pv_head_open(&head, sealed, p->site_name, NULL, &problems) != PV_OK) {
        ctl_prove_wrong(p, "sealed entry %s: %s", id, problems.count != 0 ? problems.list[0].reason : "is cut");
        pv_problems_free(&problems);
        return CTL_OK;
    }

    pv_problems_free(&problems);
    proven = ctl_prove_find(p, head->digest);

    if (proven == NULL || head->sequence != proven->entry.sequence || head->kind != proven->entry.kind
        || (head->kind == PV_ENTRY_VERSION && (head->effective != proven->entry.effective
                                               || !pv_str_eqs(head->version, proven->entry.version))))
    {
        ctl_prove_wrong(p, "sealed entry %s: the log does not say that of it", id);
        pv_head_free(head);
        return CTL_OK;
    }

    ctl_prove_bodies(p, head, sealed);

    if (proven->head != NULL) {
        pv_head_free(head);
        return CTL_OK;
    }

    pv_buf_add(&proven->prefix, sealed.data, head->bodies);
    proven->head = head;

    return proven->prefix.failed ? ctl_fail(CTL_WRONG, "out of memory") : CTL_OK;
}


static ctl_proven_t *
ctl_prove_find(ctl_prove_t *p, const unsigned char *digest)
{
    size_t  i;

    for (i = 0; i < p->log_count; i++) {
        if (memcmp(p->log[i].entry.digest, digest, PV_SHA256_LEN) == 0) {
            return &p->log[i];
        }
    }

    return NULL;
}


static void
ctl_prove_bodies(ctl_prove_t *p, const pv_head_t *head, pv_str_t sealed)
{
    int       rc;
    size_t    i;
    pv_str_t  body;

    rc = head->kind == PV_ENTRY_VERSION ? pv_head_body(&body, head, sealed, PV_BODY_DECLARED, 0) : PV_OK;

    for (i = 0; rc == PV_OK && i < head->texts_count; i++) {
        rc = pv_head_body(&body, head, sealed, PV_BODY_MARKDOWN, i);
        rc = rc == PV_OK ? pv_head_body(&body, head, sealed, PV_BODY_HTML, i) : rc;
    }

    if (rc != PV_OK || sealed.len != head->size) {
        ctl_prove_wrong(p, "sealed entry %" PRIu32 ": what is in it is not what its head says", head->sequence);
    }
}


int
ctl_prove_log(ctl_prove_t *p)
{
    size_t  i;

    for (i = 0; i < p->log_count; i++) {
        if (p->log[i].head == NULL) {
            ctl_prove_wrong(p, "log: the sealed entry %" PRIu32 " is not in it, or does not open",
                            p->log[i].entry.sequence);
        }
    }

    return p->public != NULL ? ctl_prove_chain(p) : ctl_prove_notices(p, NULL);
}


static int
ctl_prove_chain(ctl_prove_t *p)
{
    int             rc;
    size_t          i;
    pv_log_t       *chain;
    pv_problems_t   problems;

    chain = pv_log_create(p->pub);
    if (chain == NULL) {
        return ctl_fail(CTL_WRONG, "out of memory");
    }

    for (i = 0; i < p->log_count; i++) {
        if (p->log[i].head != NULL && pv_log_add(chain, p->log[i].head, NULL) == PV_OK) {
            p->log[i].head = NULL;
        }
    }

    pv_problems_init(&problems);
    rc = pv_log_settle(chain, ctl_prove_signed, p, &problems);

    for (i = 0; i < problems.count; i++) {
        if (!problems.list[i].warning) {
            ctl_prove_wrong(p, "log: entry %u: %s", problems.list[i].line, problems.list[i].reason);
        }
    }

    pv_problems_free(&problems);
    rc = rc == PV_ERROR ? ctl_fail(CTL_WRONG, "out of memory") : ctl_prove_notices(p, chain);
    pv_log_free(chain);

    return rc;
}


static int
ctl_prove_signed(void *data, const pv_head_t *head)
{
    ctl_prove_t   *p;
    ctl_proven_t  *proven;

    p = data;
    proven = ctl_prove_find(p, head->digest);

    return proven == NULL ? PV_INVALID
           : pv_head_verify((pv_str_t) { proven->prefix.data, proven->prefix.len }, p->site_name, head->key);
}
