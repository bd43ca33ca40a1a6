/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* The notices of a site: which are trusted, given the log; in which order they are; which are open. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pv_notice_draft.h"
#include "pv_notices.h"

#define NOW      1796083200LL
#define ENTRIES  9


static unsigned char  secrets[3][PV_ED25519_SECRET], keys[3][PV_ED25519_PUBLIC];
enum { A, B, THIEF };

/*
 * 1 the first version | 2 a material change | 3 an editorial one | 4 A to B |
 * 5 a material change that 6 withdraws | 7, 8, 9 material changes; a day apart.
 * Their heads are as they would be opened, but for what nobody looks at here.
 */
static pv_head_t         heads[ENTRIES + 1];
static pv_head_text_t    text = { .language = pv_string("en"), .title = pv_string("Policy") };
static pv_translation_t  summary = { pv_string("en"), pv_string("Changed.") };
static pv_change_t       material = { pv_string("rights"), NULL, 0, &summary, 1 };
static pv_change_t       editorial = { pv_string("editorial"), NULL, 0, &summary, 1 };


static int
make_heads(void **state)
{
    size_t      i;
    pv_head_t  *h;

    (void) state;

    for (i = 0; i < 3; i++) {
        memset(secrets[i], (int) i + 1, PV_ED25519_SECRET);
        assert_int_equal(pv_ed25519_public(keys[i], secrets[i]), PV_OK);
    }

    for (i = 1; i <= ENTRIES; i++) {
        h = &heads[i];
        h->kind = i == 4 ? PV_ENTRY_KEY : i == 6 ? PV_ENTRY_WITHDRAWAL : PV_ENTRY_VERSION;
        h->sequence = (uint32_t) i;
        h->published = NOW + (int64_t) i * PV_DAY;
        h->effective = h->published + 7 * PV_DAY;
        h->digest[0] = (unsigned char) i;
        h->previous[0] = (unsigned char) (i - 1);
        h->withdraws = i == 6 ? 5 : 0;
        h->version = h->effective_text = pv_str("x");
        h->texts = &text;
        h->texts_count = 1;
        h->changes = i == 3 ? &editorial : &material;
        h->changes_count = 1;
        memcpy(h->key, keys[i <= 4 ? A : B], PV_ED25519_PUBLIC);
        memcpy(h->new_key, keys[B], PV_ED25519_PUBLIC);
    }

    return 0;
}


static int
holds(void *data, const pv_head_t *head)
{
    (void) data;
    (void) head;

    return PV_OK;
}


/* The log up to that entry, without the one that is missing. */
static pv_log_t *
log_to(uint32_t last, uint32_t missing)
{
    uint32_t        i;
    pv_log_t       *log;
    pv_problems_t   problems;

    pv_problems_init(&problems);
    log = pv_log_create(keys[A]);

    for (i = 1; i <= last; i++) {
        if (i != missing) {
            assert_int_equal(pv_log_add(log, &heads[i], NULL), PV_OK);
        }
    }

    assert_int_equal(pv_log_settle(log, holds, NULL, &problems), PV_OK);
    pv_problems_free(&problems);

    return log;
}


/* An announcement, or a retraction of notice `retracts`. */
static pv_buf_t
notice(int key, uint32_t number, uint32_t last, int64_t now, uint32_t retracts, const unsigned char *previous)
{
    pv_buf_t             out;
    pv_problems_t        problems;
    pv_notice_context_t  c;

    memset(&c, 0, sizeof(c));
    c.site = pv_str("shop");
    c.number = number;
    c.log = last;
    c.now = now;
    c.previous = previous;
    c.audience.kind = PV_AUDIENCE_USERS;

    pv_problems_init(&problems);
    pv_buf_init(&out, PV_NOTICE_SEALED_MAX);

    if ((retracts ? pv_notice_seal_retraction(&out, &c, retracts, "x", secrets[key], &problems)
         : pv_notice_seal(&out, &c, pv_str("{\"kind\":\"announcement\",\"texts\":{\"en\":{\"title\":\"t\",\"summary\":"
                                           "\"s\"}}}"), NULL, secrets[key], &problems)) != PV_OK)
    {
        fail_msg("%s: %s", problems.list[0].field, problems.list[0].reason);
    }

    pv_problems_free(&problems);

    return out;
}


static int
add(pv_notices_t *list, uint32_t number, pv_buf_t sealed)
{
    int            rc;
    pv_problems_t  problems;

    pv_problems_init(&problems);
    rc = pv_notices_add(list, number, (pv_str_t) { sealed.data, sealed.len }, &problems);
    pv_problems_free(&problems);
    pv_buf_free(&sealed);

    return rc;
}


/* How many were refused, or warned of. */
static size_t
settle(pv_notices_t *list, const pv_log_t *log)
{
    int            rc;
    size_t         refused;
    pv_problems_t  problems;

    pv_problems_init(&problems);
    rc = pv_notices_settle(list, log, &problems);
    refused = problems.errors + problems.warnings;
    assert_int_equal(rc, problems.errors != 0 ? PV_INVALID : PV_OK);
    pv_problems_free(&problems);

    return refused;
}


/* The ids in order, or only those that are open at that time. */
static const char *
ids(const pv_notices_t *list, int64_t now)
{
    size_t        i, n;
    static char   out[1024];
    pv_notice_t  *open[PV_NOTICES_OPEN_MAX];

    n = now ? pv_notices_open(list, now, open) : pv_notices_count(list);

    for (i = 0, out[0] = '\0'; i < n; i++) {
        snprintf(out + strlen(out), sizeof(out) - strlen(out), "%s%s", i ? " " : "",
                 (now ? open[i] : pv_notices_at(list, i))->id);
    }

    return out;
}


static void
test_changes_of_the_log(void **state)
{
    pv_log_t      *log;
    pv_notice_t   *held;
    pv_notices_t  *list;

    (void) state;

    list = pv_notices_create(pv_str("shop"));
    log = log_to(1, 0);
    assert_int_equal(settle(list, log), 0);
    assert_string_equal(ids(list, 0), "");
    pv_log_free(log);

    /* not the first, not what is editorial, not a hand-over */

    log = log_to(5, 0);
    assert_int_equal(settle(list, log), 0);
    assert_string_equal(ids(list, 0), "v2 v5");
    assert_string_equal(ids(list, NOW), "v2 v5");
    held = pv_notice_hold(pv_notices_find(list, pv_str("v5")));
    pv_log_free(log);

    /* withdrawn; and what was there stays the very same */

    log = log_to(9, 0);
    assert_int_equal(settle(list, log), 0);
    assert_string_equal(ids(list, 0), "v2 v5 v7 v8 v9");
    assert_string_equal(ids(list, NOW), "v2 v7 v8 v9");
    assert_ptr_equal(pv_notices_find(list, pv_str("v5")), held);
    assert_int_equal(pv_notices_standing(list, held, NOW), PV_NOTICE_RETRACTED);
    assert_int_equal(pv_notices_standing(list, pv_notices_find(list, pv_str("v2")), NOW), PV_NOTICE_OPEN);
    pv_log_free(log);

    /* another log: what is not in it is gone, but for who holds it */

    log = log_to(2, 0);
    assert_int_equal(settle(list, log), 0);
    assert_string_equal(ids(list, 0), "v2");
    assert_null(pv_notices_find(list, pv_str("v5")));
    pv_log_free(log);
    pv_notices_free(list);
    assert_string_equal(held->id, "v5");
    pv_notice_free(held);
}


/* In the order in which they were sent, in whatever order they are found. */

static void
test_order(void **state)
{
    size_t         i, k, n;
    pv_log_t      *log;
    pv_notices_t  *list;
    uint32_t       order[5], swap;

    static const struct { int key; uint32_t last; } sent[] = { { A, 1 }, { A, 2 }, { B, 4 }, { B, 8 }, { B, 8 } };

    (void) state;

    srand(7);
    log = log_to(9, 0);

    for (n = 0; n < 50; n++) {
        list = pv_notices_create(pv_str("shop"));

        for (i = 0; i < 5; i++) {
            order[i] = (uint32_t) i;
        }

        for (i = 4; i > 0; i--) {
            k = (size_t) rand() % (i + 1);
            swap = order[i];
            order[i] = order[k];
            order[k] = swap;
        }

        for (i = 0; i < 5; i++) {
            k = order[i];
            assert_int_equal(add(list, (uint32_t) k + 1, notice(sent[k].key, (uint32_t) k + 1, sent[k].last,
                                 NOW + (int64_t) sent[k].last * PV_DAY, 0, NULL)), PV_OK);
            if (rand() % 2) {
                (void) settle(list, log);
            }
        }

        (void) settle(list, log);
        assert_string_equal(ids(list, 0), "n1 v2 n2 n3 v5 v7 v8 n4 n5 v9");
        assert_int_equal(pv_notices_last(list), 5);
        assert_string_equal(pv_notices_newest(list)->id, "n5");
        pv_notices_free(list);
    }

    pv_log_free(log);
}


static void
test_trust(void **state)
{
    pv_buf_t       junk;
    pv_log_t      *log;
    pv_notices_t  *list;

    (void) state;

    log = log_to(9, 0);
    list = pv_notices_create(pv_str("shop"));

    /* by nobody; by the next key too early; by the old one after it handed over, whatever it says of the time */

    assert_int_equal(add(list, 1, notice(THIEF, 1, 2, NOW + 2 * PV_DAY, 0, NULL)), PV_OK);
    assert_int_equal(add(list, 2, notice(B, 2, 3, NOW + 3 * PV_DAY, 0, NULL)), PV_OK);
    assert_int_equal(add(list, 3, notice(A, 3, 5, NOW + 5 * PV_DAY, 0, NULL)), PV_OK);
    assert_int_equal(add(list, 4, notice(A, 4, 3, NOW + 9 * PV_DAY, 0, NULL)), PV_OK);
    assert_int_equal(settle(list, log), 4);
    assert_string_equal(ids(list, NOW), "v2 v7 v8 v9");
    assert_null(pv_notices_newest(list));
    assert_int_equal(pv_notices_last(list), 4);         /* to be read on from behind them, all the same */

    /* the clocks of a hand-over */

    assert_int_equal(add(list, 5, notice(A, 5, 3, NOW + 5 * PV_DAY, 0, NULL)), PV_OK);
    assert_int_equal(settle(list, log), 0);

    /* once the new key has spoken, the old one's are late, however they are dated */

    assert_int_equal(add(list, 6, notice(B, 6, 4, NOW + 4 * PV_DAY, 0, NULL)), PV_OK);
    (void) settle(list, log);
    assert_int_equal(add(list, 7, notice(A, 7, 3, NOW + 3 * PV_DAY, 0, NULL)), PV_OK);
    assert_int_equal(settle(list, log), 1);
    assert_string_equal(ids(list, NOW), "v2 n5 n6 v7 v8 v9");

    /* under another number than its own; twice; no notice at all */

    assert_int_equal(add(list, 9, notice(B, 8, 9, NOW + 9 * PV_DAY, 0, NULL)), PV_INVALID);
    assert_int_equal(add(list, 6, notice(B, 6, 4, NOW + 4 * PV_DAY, 0, NULL)), PV_INVALID);
    pv_buf_init(&junk, 100);
    pv_buf_puts(&junk, "privacy-notice 1\n");
    assert_int_equal(add(list, 10, junk), PV_INVALID);
    assert_int_equal(pv_notices_last(list), 10);

    pv_notices_free(list);
    pv_log_free(log);
}


/* The key at its place has to be known: no hand-over may hide in a gap. */

static void
test_waits_for_the_log(void **state)
{
    pv_log_t      *log;
    pv_notices_t  *list;

    (void) state;

    list = pv_notices_create(pv_str("shop"));
    assert_int_equal(add(list, 1, notice(B, 1, 4, NOW + 4 * PV_DAY, 0, NULL)), PV_OK);
    assert_int_equal(add(list, 2, notice(B, 2, 8, NOW + 8 * PV_DAY, 0, NULL)), PV_OK);

    log = log_to(3, 0);
    assert_int_equal(settle(list, log), 0);
    assert_int_equal(pv_notices_waiting(list), 2);
    assert_string_equal(ids(list, NOW), "v2");
    pv_log_free(log);

    log = log_to(7, 0);
    assert_int_equal(settle(list, log), 0);
    assert_int_equal(pv_notices_waiting(list), 1);
    pv_log_free(log);

    log = log_to(9, 8);
    assert_int_equal(settle(list, log), 0);
    assert_int_equal(pv_notices_waiting(list), 1);
    assert_string_equal(ids(list, NOW), "v2 n1 v7 v9");
    pv_log_free(log);

    log = log_to(9, 0);
    (void) settle(list, log);
    assert_int_equal(pv_notices_waiting(list), 0);
    assert_string_equal(ids(list, NOW), "v2 n1 v7 v8 n2 v9");
    pv_log_free(log);

    /* trusted as long as the log did not tell of the hand-over */

    pv_notices_free(list);
    list = pv_notices_create(pv_str("shop"));
    assert_int_equal(add(list, 1, notice(A, 1, 3, NOW + 8 * PV_DAY, 0, NULL)), PV_OK);
    log = log_to(3, 0);
    assert_int_equal(settle(list, log), 0);
    assert_string_equal(ids(list, NOW), "v2 n1");
    pv_log_free(log);
    log = log_to(5, 0);
    assert_int_equal(settle(list, log), 1);
    assert_string_equal(ids(list, NOW), "v2 v5");
    pv_log_free(log);

    pv_notices_free(list);
}


static void
test_retracted_and_ended(void **state)
{
    pv_buf_t        one;
    int64_t         t;
    pv_log_t       *log;
    pv_notice_t    *n1;
    pv_notices_t   *list;
    pv_problems_t   problems;

    (void) state;

    t = NOW + 4 * PV_DAY;
    log = log_to(4, 0);
    list = pv_notices_create(pv_str("shop"));

    one = notice(B, 1, 4, t, 0, NULL);
    pv_problems_init(&problems);
    assert_int_equal(pv_notices_add(list, 1, (pv_str_t) { one.data, one.len }, &problems), PV_OK);
    pv_problems_free(&problems);
    pv_buf_free(&one);
    (void) settle(list, log);
    n1 = pv_notice_hold(pv_notices_find(list, pv_str("n1")));

    assert_int_equal(add(list, 2, notice(B, 2, 4, t + 10, 0, n1->digest)), PV_OK);
    assert_int_equal(settle(list, log), 0);
    assert_true(pv_notices_chained(list, pv_notices_find(list, pv_str("n2"))));
    assert_string_equal(ids(list, t), "v2 n1 n2");

    /* half a year each; then the change alone */

    assert_int_equal(pv_notices_next(list, t), t + PV_NOTICE_DAYS * PV_DAY);
    assert_string_equal(ids(list, t + PV_NOTICE_DAYS * PV_DAY), "v2 n2");
    assert_int_equal(pv_notices_next(list, t + PV_NOTICE_DAYS * PV_DAY), t + PV_NOTICE_DAYS * PV_DAY + 10);
    assert_string_equal(ids(list, t + 200 * PV_DAY), "v2");
    assert_int_equal(pv_notices_next(list, t + 200 * PV_DAY), 0);
    assert_int_equal(pv_notices_standing(list, n1, t + 200 * PV_DAY), PV_NOTICE_ENDED);

    /* retracted, by one that names the wrong one before it: it counts, and is told of once */

    assert_int_equal(add(list, 3, notice(B, 3, 4, t + 20, 1, n1->digest)), PV_OK);
    assert_int_equal(settle(list, log), 1);
    assert_int_equal(settle(list, log), 0);
    assert_false(pv_notices_chained(list, pv_notices_find(list, pv_str("n3"))));
    assert_string_equal(ids(list, t), "v2 n2");
    assert_int_equal(pv_notices_standing(list, n1, t), PV_NOTICE_RETRACTED);
    assert_string_equal(pv_notices_retraction(list, n1)->id, "n3");
    assert_int_equal(pv_notices_standing(list, pv_notices_find(list, pv_str("n3")), t), PV_NOTICE_ENDED);

    /* a thief's retracts nothing */

    assert_int_equal(add(list, 4, notice(THIEF, 4, 4, t + 20, 2, n1->digest)), PV_OK);
    assert_int_equal(settle(list, log), 1);
    assert_string_equal(ids(list, t), "v2 n2");

    pv_notice_free(n1);
    pv_notices_free(list);
    pv_log_free(log);
}


/* Redis lost a notice that was sent, and got another under its number: all come to show the later one. */

static void
test_one_number_twice(void **state)
{
    int            first;
    pv_log_t      *log;
    pv_notices_t  *list;

    (void) state;

    log = log_to(9, 0);

    for (first = 0; first < 2; first++) {
        list = pv_notices_create(pv_str("shop"));
        assert_int_equal(add(list, 1, notice(B, 1, 7, NOW + 7 * PV_DAY + !first, 0, NULL)), PV_OK);
        assert_int_equal(settle(list, log), 0);
        assert_int_equal(add(list, 1, notice(B, 1, 7, NOW + 7 * PV_DAY + first, 0, NULL)), PV_OK);
        assert_int_equal(settle(list, log), 1);
        assert_string_equal(ids(list, NOW), "v2 v7 n1 v8 v9");
        assert_int_equal(pv_notices_find(list, pv_str("n1"))->published, NOW + 7 * PV_DAY + 1);

        /* and what knew more of the log comes before the hands of a clock; what is not signed takes no place */

        assert_int_equal(add(list, 1, notice(B, 1, 8, NOW + 7 * PV_DAY, 0, NULL)), PV_OK);
        assert_int_equal(add(list, 1, notice(THIEF, 1, 9, NOW + 9 * PV_DAY, 0, NULL)), PV_OK);
        assert_int_equal(settle(list, log), 2);
        assert_int_equal(pv_notices_find(list, pv_str("n1"))->log, 8);
        pv_notices_free(list);
    }

    pv_log_free(log);
}


/* However much there is: bounded, and the newest are kept; what waits for ever pushes out nothing that is trusted. */

static void
test_bounds(void **state)
{
    size_t         n;
    uint32_t       i;
    pv_log_t      *log;
    pv_notice_t   *open[PV_NOTICES_OPEN_MAX];
    pv_notices_t  *list;

    (void) state;

    log = log_to(9, 0);
    list = pv_notices_create(pv_str("shop"));

    for (i = 1; i <= 2 * PV_NOTICES_MAX + 10; i++) {
        assert_int_equal(add(list, i, notice(B, i, 9, NOW + 9 * PV_DAY + i, 0, NULL)), PV_OK);
        if (i % 50 == 0) {
            (void) settle(list, log);
        }
    }

    (void) settle(list, log);
    assert_int_equal(pv_notices_count(list), PV_NOTICES_MAX + 5);
    assert_null(pv_notices_find(list, pv_str("n266")));
    assert_non_null(pv_notices_find(list, pv_str("n267")));

    n = pv_notices_open(list, NOW, open);
    assert_int_equal(n, PV_NOTICES_OPEN_MAX);
    assert_string_equal(open[0]->id, "n459");
    assert_string_equal(open[63]->id, "n522");
    assert_int_equal(pv_notices_standing(list, pv_notices_find(list, pv_str("n458")), NOW), PV_NOTICE_ENDED);

    for (i = 1000; i < 1000 + 3 * PV_NOTICES_MAX; i++) {
        (void) add(list, i, notice(THIEF, i, 4000000000u, NOW + 9 * PV_DAY, 0, NULL));
    }

    (void) settle(list, log);
    assert_int_equal(pv_notices_open(list, NOW, open), n);
    assert_string_equal(open[63]->id, "n522");
    assert_in_range(pv_notices_waiting(list), 1, PV_NOTICES_MAX);

    /* and one that is sent among them is found */

    assert_int_equal(add(list, 2000, notice(B, 2000, 9, NOW + 10 * PV_DAY, 0, NULL)), PV_OK);
    (void) settle(list, log);
    assert_string_equal(pv_notices_newest(list)->id, "n2000");

    pv_notices_free(list);
    pv_log_free(log);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_changes_of_the_log),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_trust),
        cmocka_unit_test(test_waits_for_the_log),
        cmocka_unit_test(test_retracted_and_ended),
        cmocka_unit_test(test_one_number_twice),
        cmocka_unit_test(test_bounds)
    };

    return cmocka_run_group_tests(tests, make_heads, NULL);
}
