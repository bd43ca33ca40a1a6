/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "pv_chain.h"


#define PV_CHAIN_NEAR  256      /* how far to either side a record is looked for */


typedef struct {
    pv_chain_entry_t     *entries;
    size_t                n;
    const pv_keys_t      *keys;
    pv_str_t              site;
    const unsigned char  *subject;
    const unsigned char  *previous;     /* the link before; NULL when it is not known */
    unsigned              trusted;      /* previous is of a record that was written there */
} pv_chain_t;


static int pv_chain_step(pv_chain_t *chain, size_t i);
static int pv_chain_fits(const pv_chain_t *chain, size_t from, size_t i);
static int pv_chain_search(const pv_chain_t *chain, size_t i, size_t *found);
static void pv_chain_misfit(pv_chain_t *chain, pv_chain_entry_t *e);


static const char *const  pv_chain_names[PV_CHAIN_STATES] = {
    "holds", "missing", "unreadable", "newer", "changed", "moved", "unproven"
};


const char *
pv_chain_state_name(pv_chain_state_t s)
{
    return ((unsigned) s < PV_CHAIN_STATES) ? pv_chain_names[s] : "unknown";
}


int
pv_chain_verify(pv_chain_entry_t *entries, size_t n, const pv_keys_t *keys, pv_str_t site,
    const unsigned char subject[PV_SUBJECT_LEN])
{
    int         rc;
    size_t      i;
    pv_str_t    bytes;
    pv_chain_t  chain;

    if (n > PV_CHAIN_MAX) {
        return PV_INVALID;
    }

    for (i = 0; i < n; i++) {
        bytes.data = entries[i].data;
        bytes.len = entries[i].len;

        entries[i].readable = (pv_record_decode(&entries[i].record, bytes) == PV_OK);
        entries[i].elsewhere = 0;
    }

    chain.entries = entries;
    chain.n = n;
    chain.keys = keys;
    chain.site = site;
    chain.subject = subject;
    chain.previous = NULL;
    chain.trusted = 1;

    rc = PV_OK;

    for (i = 0; i < n; i++) {
        if (pv_chain_step(&chain, i) == PV_ERROR) {
            return PV_ERROR;
        }

        if (entries[i].state != PV_CHAIN_HOLDS) {
            rc = PV_INVALID;
        }
    }

    return rc;
}


/*
 * Judges one position, and finds the link that the next one is checked with.
 * Where a record is out of its place, what belongs there is looked for, so
 * that the records around it are not blamed as well.
 */

static int
pv_chain_step(pv_chain_t *chain, size_t i)
{
    int                rc;
    size_t             found;
    pv_chain_entry_t  *e;

    e = &chain->entries[i];
    rc = pv_chain_fits(chain, i, i);

    if (rc == PV_OK) {
        e->state = PV_CHAIN_HOLDS;
        chain->previous = e->record.link;
        chain->trusted = 1;
        return PV_OK;
    }

    if (rc == PV_INVALID) {
        rc = pv_chain_search(chain, i, &found);
    }

    if (rc == PV_OK) {
        e->state = PV_CHAIN_MOVED;
        /* cppcheck-suppress legacyUninitvar; set by pv_chain_search(), the only way to PV_OK from here */
        e->elsewhere = (uint32_t) found + 1;
        chain->previous = chain->entries[found].record.link;
        chain->trusted = 1;
        return PV_OK;
    }

    if (rc == PV_INVALID) {
        pv_chain_misfit(chain, e);
    }

    return rc;
}


/* Whether what stands at index `from` was written for index i. */

static int
pv_chain_fits(const pv_chain_t *chain, size_t from, size_t i)
{
    const pv_chain_entry_t  *e;

    e = &chain->entries[from];

    if (!e->readable || (i > 0 && chain->previous == NULL)) {
        return PV_INVALID;
    }

    return pv_record_verify(&e->record, chain->keys, chain->site, chain->subject, (uint32_t) i + 1,
                            chain->previous);
}


static int
pv_chain_search(const pv_chain_t *chain, size_t i, size_t *found)
{
    int     rc;
    size_t  from, to;

    to = (chain->n - i > PV_CHAIN_NEAR) ? i + PV_CHAIN_NEAR : chain->n;

    for (from = (i > PV_CHAIN_NEAR) ? i - PV_CHAIN_NEAR : 0; from < to; from++) {

        if (from == i) {
            continue;
        }

        rc = pv_chain_fits(chain, from, i);

        if (rc != PV_INVALID) {
            *found = from;
            return rc;
        }
    }

    return PV_INVALID;
}


/* A position that nothing fits. Its link, when it has one, may still lead on. */

static void
pv_chain_misfit(pv_chain_t *chain, pv_chain_entry_t *e)
{
    if (e->readable) {
        e->state = chain->trusted ? PV_CHAIN_CHANGED : PV_CHAIN_UNPROVEN;
        chain->previous = e->record.link;

    } else {
        e->state = pv_record_newer((pv_str_t) { e->data, e->len }) ? PV_CHAIN_NEWER
                   : (e->len == 0 && !e->too_long) ? PV_CHAIN_MISSING : PV_CHAIN_UNREADABLE;
        chain->previous = NULL;
    }

    chain->trusted = 0;
}
