/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * A publication log put in in any order, with gaps, forged entries among it,
 * and settled at any time: against a simple model of what is to be trusted and
 * of what follows. Keys are letters here, digests numbers, and a signature
 * says itself whether it holds.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pv_log.h"

#define ENTRIES  12
#define FORGED   6
#define NOW      1000
#define THIEF    'z'


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


typedef struct {
    const uint8_t  *data;
    size_t          size;
} bytes_t;

/* What was published. */
static pv_head_t  heads[ENTRIES + 1], forged[FORGED];
static uint32_t   count;


static void
want(int holds)
{
    if (!holds) {
        abort();
    }
}


static unsigned
next(bytes_t *b)
{
    if (b->size == 0) {
        return 0;
    }

    b->size--;

    return *b->data++;
}


static int
is_true(const pv_head_t *head)
{
    return head == &heads[head->sequence];
}


static int
verify(void *data, const pv_head_t *head)
{
    (void) data;

    return is_true(head) ? PV_OK : PV_INVALID;
}


/* The chain: each key hands over to the next letter. */
static void
publish(bytes_t *b)
{
    int         key;
    uint32_t    i;
    unsigned    byte;
    pv_head_t  *h;

    count = 1 + next(b) % ENTRIES;
    memset(heads, 0, sizeof(heads));

    for (i = 1, key = 'a'; i <= count; i++) {
        byte = next(b);
        h = &heads[i];
        h->sequence = i;
        h->digest[0] = (unsigned char) i;
        h->previous[0] = (unsigned char) (i - 1);
        h->key[0] = (unsigned char) key;
        h->published = NOW + (int64_t) i;
        h->kind = byte % 8 == 0 ? PV_ENTRY_KEY : byte % 8 == 1 && i > 1 ? PV_ENTRY_WITHDRAWAL : PV_ENTRY_VERSION;
        h->effective = NOW + (int64_t) (byte >> 3);
        h->reduces_rights = byte % 8 == 2;
        h->version = pv_str("");

        if (h->kind == PV_ENTRY_KEY) {
            h->new_key[0] = (unsigned char) ++key;
        }

        if (h->kind == PV_ENTRY_WITHDRAWAL) {
            h->withdraws = 1 + (byte >> 3) % (i - 1);
        }
    }
}


/* By somebody who has none of the keys, but may say that one signed, and knows all digests. */
static void
forge(pv_head_t *h, bytes_t *b)
{
    unsigned  byte;

    memset(h, 0, sizeof(pv_head_t));
    byte = next(b);
    h->sequence = 1 + next(b) % (ENTRIES + 1);
    h->digest[0] = 100;
    h->digest[1] = (unsigned char) next(b);
    h->previous[0] = byte & 0x80 ? (unsigned char) (h->sequence - 1) : 100;
    h->previous[1] = byte & 0x40 && !(byte & 0x80) ? (unsigned char) next(b) : 0;
    h->key[0] = byte & 0x20 ? THIEF : (unsigned char) ('a' + (byte & 3));
    h->kind = byte & 0x10 ? PV_ENTRY_KEY : byte & 0x08 && h->sequence > 1 ? PV_ENTRY_WITHDRAWAL : PV_ENTRY_VERSION;
    h->withdraws = h->kind == PV_ENTRY_WITHDRAWAL ? 1 : 0;
    h->new_key[0] = THIEF;      /* no key of ours countersigns it, which is looked at when it is opened */
    h->published = h->effective = NOW;
    h->version = pv_str("");
}


/* Which of the true heads that are there are trusted, by the rules as pv_log.h has them; there: bit i is entry i. */

static int
model_key(unsigned trusted, uint32_t at, int pub)
{
    uint32_t  i;

    for (i = at - 1; i > 0; i--) {
        if ((trusted >> i & 1) && heads[i].kind == PV_ENTRY_KEY) {
            return heads[i].new_key[0];
        }
    }

    for (i = at; i <= count; i++) {
        if ((trusted >> i & 1) && heads[i].kind == PV_ENTRY_KEY) {
            return heads[i].key[0];
        }
    }

    return pub;
}


static unsigned
model_trusts(unsigned there, int pub)
{
    int       key, proven;
    unsigned  trusted, run;
    uint32_t  first, end, i;

    trusted = 0;

again:

    /* a key that was handed over signs nothing any more */

    for (i = 1, key = 0; i <= count; i++) {
        if (trusted >> i & 1) {
            if (key && heads[i].key[0] != key) {
                trusted &= ~(1u << i);
                there &= ~(1u << i);
                goto again;
            }
            key = heads[i].kind == PV_ENTRY_KEY ? heads[i].new_key[0] : key;
        }
    }

    for (first = 1; first <= count; first = end) {
        for (end = first, run = 0; end <= count && (there >> end & 1); end++) {
            run |= 1u << end;
        }

        if (run == 0 || (run & ~trusted) == 0) {
            end += run == 0;
            continue;
        }

        key = model_key(trusted, end - 1, pub);
        proven = (run & trusted) != 0;

        for (i = first; i < end; i++) {
            proven |= heads[i].key[0] == key || (heads[i].kind == PV_ENTRY_KEY && heads[i].new_key[0] == pub);
        }

        if (proven) {
            trusted |= run;
            goto again;
        }
    }

    return trusted;
}


/* What follows from a log that is whole. */

static int
model_counts(uint32_t number)
{
    uint32_t  i;

    if (heads[number].kind != PV_ENTRY_VERSION) {
        return 0;
    }

    for (i = number + 1; i <= count; i++) {
        if (heads[i].kind == PV_ENTRY_WITHDRAWAL && heads[i].withdraws == number
            && heads[i].published < heads[number].effective)
        {
            return 0;
        }
    }

    return 1;
}


static void
follows(const pv_log_t *log, bytes_t *b)
{
    int64_t           now, soonest;
    uint32_t          i, in_force, floor, before, stands, bound;
    const pv_head_t  *head;

    want(pv_log_complete(log) == count && pv_log_count(log) == count);

    now = NOW + (int64_t) (next(b) % 40);
    floor = next(b) % (count + 1);

    for (i = 1, in_force = 0, before = 0; i <= count; i++) {
        want(pv_log_find(log, i) == &heads[i] && pv_log_entry(log, pv_log_place(log, i)) == &heads[i]);
        want((pv_log_withdrawal(log, i) == NULL) == (heads[i].kind != PV_ENTRY_VERSION || model_counts(i)));

        head = pv_log_before(log, i);
        want((head != NULL ? head->sequence : 0) == before);

        if (model_counts(i)) {
            before = i;
            in_force = heads[i].effective <= now || i <= floor ? i : in_force;
        }
    }

    head = pv_log_in_force(log, now, floor);
    want((head != NULL ? head->sequence : 0) == in_force);

    for (i = in_force + 1, soonest = 0; i <= count; i++) {
        if (model_counts(i) && (soonest == 0 || heads[i].effective < soonest)) {
            soonest = heads[i].effective;
        }
    }

    want(pv_log_next(log, in_force) == soonest);

    /* where who is bound stands: moved along by what counts, up to what reduces rights */

    bound = 1 + next(b) % count;

    if (in_force == 0) {
        return;
    }

    stands = 0;

    for (i = 1; i <= in_force && i <= bound; i++) {
        stands = model_counts(i) ? i : stands;
    }

    for (i = bound + 1; i <= in_force && !(model_counts(i) && heads[i].reduces_rights); i++) {
        stands = model_counts(i) ? i : stands;
    }

    head = pv_log_bound(log, bound, in_force);
    want((head != NULL ? head->sequence : 0) == (heads[bound].kind == PV_ENTRY_VERSION ? stands : 0));
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int             pub, any;
    size_t          i, n;
    unsigned        there, trusted, what;
    bytes_t         b = { data, size };
    pv_log_t       *log;
    unsigned char   configured[PV_ED25519_PUBLIC] = { 0 };
    pv_problems_t   problems;

    publish(&b);

    /* one that was ours at some time: the first, or one that was handed over to */

    pub = 'a';

    for (i = 1, n = next(&b); i <= count; i++) {
        pub = heads[i].kind == PV_ENTRY_KEY && n-- % 3 ? heads[i].new_key[0] : pub;
    }

    configured[0] = (unsigned char) pub;
    log = pv_log_create(configured);
    pv_problems_init(&problems);
    there = 0;
    any = 0;
    n = 0;

    while (b.size != 0) {
        what = next(&b);

        if (what < 160) {
            i = 1 + what % count;
            if (pv_log_add(log, &heads[i], NULL) == PV_OK) {
                there |= 1u << i;
            }

        } else if (what < 200 && n < FORGED) {
            forge(&forged[n], &b);
            any |= pv_log_add(log, &forged[n], NULL) == PV_OK;
            n++;

        } else {
            (void) pv_log_settle(log, verify, NULL, &problems);

            for (i = 0, trusted = 0; i < pv_log_count(log); i++) {
                want(is_true(pv_log_entry(log, i)));        /* nothing forged, ever */
                trusted |= 1u << pv_log_entry(log, i)->sequence;
            }

            want((trusted & ~there) == 0);

            if (!any) {
                want(trusted == model_trusts(there, pub));
            }

            there = trusted;
            any = 1;        /* what was trusted before stays so: the model begins anew each time */
        }
    }

    /* whatever was there: once all of the truth is, it is what is trusted, and nothing else */

    (void) pv_log_settle(log, verify, NULL, &problems);

    for (i = count; i > 0; i--) {
        (void) pv_log_add(log, &heads[i], NULL);
    }

    (void) pv_log_settle(log, verify, NULL, &problems);

    for (i = count; i > 0; i--) {
        (void) pv_log_add(log, &heads[i], NULL);
    }

    (void) pv_log_settle(log, verify, NULL, &problems);
    b = (bytes_t) { data, size };
    follows(log, &b);

    pv_problems_free(&problems);
    pv_log_free(log);

    return 0;
}
