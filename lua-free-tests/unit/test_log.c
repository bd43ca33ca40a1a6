/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* Heads of entries, and the chain over them: what is trusted, and what is not. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bundle_fixture.h"
#include "pv_log.h"
#include "pv_seal.h"
#include "pv_text.h"

#define DAY      86400
#define ENTRIES  10


/* Keys A, B, C, and one that is nobody's. */
static unsigned char  secrets[4][PV_ED25519_SECRET], keys[4][PV_ED25519_PUBLIC];
enum { A, B, C, THIEF };

/* A log as it was published, sealed; entry i has number i + 1. */
typedef struct {
    pv_buf_t  sealed[ENTRIES];
    size_t    count;
} entries_t;

static int  verifications;


static int
make_keys(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < 4; i++) {
        memset(secrets[i], (int) i + 1, PV_ED25519_SECRET);
        assert_int_equal(pv_ed25519_public(keys[i], secrets[i]), PV_OK);
    }

    return 0;
}


static pv_str_t
bytes(const pv_buf_t *b)
{
    return (pv_str_t) { b->data, b->len };
}


static pv_head_t *
opened(const pv_buf_t *sealed)
{
    pv_head_t      *head;
    pv_problems_t   problems;

    pv_problems_init(&problems);

    if (pv_head_open(&head, bytes(sealed), pv_str("shop"), NULL, &problems) != PV_OK) {
        fail_msg("%s: %s", problems.count ? problems.list[0].field : "", problems.count ? problems.list[0].reason : "cut");
    }

    pv_problems_free(&problems);

    return head;
}


static void
context_after(pv_bundle_context_t *context, const pv_head_t *last)
{
    memset(context, 0, sizeof(*context));
    context->site = pv_str("shop");
    context->sequence = last != NULL ? last->sequence + 1 : 1;
    context->last = last != NULL ? last->digest : NULL;
    context->now = FIXTURE_NOW;
    context->urgent = "test";
}


/* The next entry, after the one before it in e, signed with that key. */
static pv_buf_t *
next(entries_t *e, pv_head_t **last, pv_bundle_context_t *context)
{
    *last = e->count ? opened(&e->sealed[e->count - 1]) : NULL;
    context_after(context, *last);
    pv_buf_init(&e->sealed[e->count], PV_SEALED_MAX);

    return &e->sealed[e->count++];
}


static void
add_version(entries_t *e, int key, int days, const char *more)
{
    char                 json[1024], when[PV_RFC3339_SIZE];
    pv_buf_t            *out;
    pv_head_t           *last;
    pv_problems_t        problems;
    pv_bundle_text_t     text;
    pv_bundle_source_t   source;
    pv_bundle_context_t  context;

    out = next(e, &last, &context);
    pv_rfc3339_format(when, FIXTURE_NOW + (int64_t) days * DAY);
    snprintf(json, sizeof(json), "{\"version\":\"v%zu\",\"effective\":\"%s\",\"languages\":[\"en\"],%s"
             "\"controller\":{\"name\":\"Shop\",\"mail\":\"p@shop.example\"},\"purposes\":[{\"id\":\"n\",\"title\":\"N\","
             "\"text\":\"t\",\"necessary\":true,\"exempt_reason\":\"x\"}],\"changes\":[{\"kind\":\"editorial\","
             "\"summary\":\"s\"}]}", e->count, when, more);

    text = (pv_bundle_text_t) { pv_str("en"), pv_str("# Policy\n\nText\n"), "policy.en.md" };
    source = (pv_bundle_source_t) { pv_str(json), "policy.json", &text, 1 };

    pv_problems_init(&problems);
    if (pv_bundle_seal(out, &source, &context, secrets[key], &problems) != PV_OK) {
        fail_msg("%s: %s", problems.list[0].field, problems.list[0].reason);
    }
    pv_problems_free(&problems);
    pv_head_free(last);
}


static void
add_withdrawal(entries_t *e, int key, uint32_t withdraws, int days)
{
    pv_buf_t            *out;
    pv_head_t           *last;
    pv_problems_t        problems;
    pv_bundle_context_t  context;

    out = next(e, &last, &context);
    context.now += (int64_t) days * DAY;

    pv_problems_init(&problems);
    assert_int_equal(pv_seal_withdrawal(out, &context, withdraws, "a mistake", secrets[key], &problems), PV_OK);
    pv_problems_free(&problems);
    pv_head_free(last);
}


static void
add_key(entries_t *e, int key, int new_key)
{
    pv_buf_t            *out;
    pv_head_t           *last;
    pv_problems_t        problems;
    pv_bundle_context_t  context;

    out = next(e, &last, &context);
    pv_problems_init(&problems);
    assert_int_equal(pv_seal_key(out, &context, secrets[key], secrets[new_key], &problems), PV_OK);
    pv_problems_free(&problems);
    pv_head_free(last);
}


static void
entries_free(entries_t *e)
{
    while (e->count) {
        pv_buf_free(&e->sealed[--e->count]);
    }
}


/* v1, v2 | A to B | v4 (20 days), 5 withdraws it | B to C | v7 (30 days), v8 (40 days, reduces rights), v9 (50 days) */
static entries_t
usual(void)
{
    entries_t  e;

    e.count = 0;
    add_version(&e, A, 0, "");
    add_version(&e, A, 10, "");
    add_key(&e, A, B);
    add_version(&e, B, 20, "");
    add_withdrawal(&e, B, 4, 0);
    add_key(&e, B, C);
    add_version(&e, C, 30, "");
    add_version(&e, C, 40, "\"reduces_rights\":true,");
    add_version(&e, C, 50, "");

    return e;
}


static int
verify(void *data, const pv_head_t *head)
{
    entries_t  *e = data;

    verifications++;

    return pv_head_verify(bytes(&e->sealed[head->sequence - 1]), pv_str("shop"), head->key);
}


/* The log of the entries whose bit is set, from that key; which numbers are in it afterwards, as bits. */
static pv_log_t *
settled(entries_t *e, int key, unsigned which, unsigned *in)
{
    size_t          i;
    pv_log_t       *log;
    pv_problems_t   problems;

    log = pv_log_create(keys[key]);
    pv_problems_init(&problems);
    verifications = 0;

    for (i = e->count; i > 0; i--) {
        if (which & (1u << (i - 1))) {
            assert_int_equal(pv_log_add(log, opened(&e->sealed[i - 1]), NULL), PV_OK);
        }
    }

    (void) pv_log_settle(log, verify, e, &problems);

    for (i = 0, *in = 0; i < pv_log_count(log); i++) {
        *in |= 1u << (pv_log_entry(log, i)->sequence - 1);
    }

    assert_int_equal(problems.errors, (size_t) __builtin_popcount(which & ~*in));
    pv_problems_free(&problems);

    return log;
}


static unsigned
trusted(entries_t *e, int key, unsigned which)
{
    unsigned   in;

    pv_log_free(settled(e, key, which, &in));

    return in;
}


static void
test_heads_of_every_kind(void **state)
{
    entries_t   e;
    pv_str_t    body;
    pv_head_t  *head;

    (void) state;
    e = usual();

    head = opened(&e.sealed[7]);
    assert_int_equal(head->kind, PV_ENTRY_VERSION);
    assert_int_equal(head->sequence, 8);
    assert_int_equal(head->published, FIXTURE_NOW);
    assert_int_equal(head->effective, FIXTURE_NOW + 40 * DAY);
    assert_true(head->reduces_rights);
    assert_true(pv_str_eqs(head->version, "v8"));
    assert_true(pv_str_eqs(head->urgent, "test"));
    assert_int_equal(head->texts_count, 1);
    assert_true(pv_str_eqs(head->texts[0].title, "Policy"));
    assert_true(pv_str_eqs(head->changes[0].summary[0].text, "s"));
    assert_true(pv_str_eqs(head->changes[0].summary[0].language, "en"));
    assert_int_equal(head->size, e.sealed[7].len);
    assert_memory_equal(head->key, keys[C], PV_ED25519_PUBLIC);
    assert_in_range(head->memory, sizeof(pv_head_t), 2048);
    assert_int_equal(pv_head_body(&body, head, bytes(&e.sealed[7]), PV_BODY_MARKDOWN, 0), PV_OK);
    assert_true(pv_str_eqs(body, "# Policy\n\nText\n"));
    assert_int_equal(pv_head_body(&body, head, bytes(&e.sealed[7]), PV_BODY_HTML, 1), PV_INVALID);
    pv_head_free(head);

    head = opened(&e.sealed[4]);
    assert_int_equal(head->kind, PV_ENTRY_WITHDRAWAL);
    assert_int_equal(head->withdraws, 4);
    assert_true(pv_str_eqs(head->reason, "a mistake"));
    assert_int_equal(pv_head_body(&body, head, bytes(&e.sealed[4]), PV_BODY_DECLARED, 0), PV_INVALID);
    pv_head_free(head);

    head = opened(&e.sealed[2]);
    assert_int_equal(head->kind, PV_ENTRY_KEY);
    assert_memory_equal(head->new_key, keys[B], PV_ED25519_PUBLIC);
    pv_head_free(head);

    entries_free(&e);
}


/* Without its head's end it is short and says what it needs, whatever the length; bodies do not matter. */
static void
test_heads_from_their_first_bytes(void **state)
{
    size_t          i, need;
    entries_t       e;
    pv_head_t      *head, *whole;
    pv_problems_t   problems;

    (void) state;
    e = usual();
    whole = opened(&e.sealed[0]);
    pv_problems_init(&problems);

    for (i = 0; i <= e.sealed[0].len; i++) {
        need = 0;
        head = NULL;

        if (i < whole->bodies) {
            assert_int_equal(pv_head_open(&head, (pv_str_t) { e.sealed[0].data, i }, pv_str("shop"), &need, &problems),
                             PV_SHORT);
            assert_null(head);
            assert_true(need > i && need <= PV_HEAD_PREFIX_MAX);
            assert_int_equal(pv_head_verify((pv_str_t) { e.sealed[0].data, i }, pv_str("shop"), keys[A]), PV_INVALID);
            continue;
        }

        assert_int_equal(pv_head_open(&head, (pv_str_t) { e.sealed[0].data, i }, pv_str("shop"), &need, &problems), PV_OK);
        assert_memory_equal(head->digest, whole->digest, PV_SHA256_LEN);
        pv_head_free(head);
    }

    assert_int_equal(problems.errors, 0);
    pv_problems_free(&problems);
    pv_head_free(whole);
    entries_free(&e);
}


static void
test_a_flipped_bit_is_refused_or_unsigned(void **state)
{
    size_t          i, k;
    entries_t       e;
    pv_head_t      *head, *whole;
    pv_problems_t   problems;

    (void) state;
    e = usual();
    pv_problems_init(&problems);

    for (k = 0; k < e.count; k++) {
        whole = opened(&e.sealed[k]);

        for (i = 0; i < whole->bodies; i++) {
            e.sealed[k].data[i] ^= (unsigned char) (1 << (i % 8));

            if (pv_head_open(&head, bytes(&e.sealed[k]), pv_str("shop"), NULL, &problems) == PV_OK) {
                assert_int_not_equal(pv_head_verify(bytes(&e.sealed[k]), pv_str("shop"), whole->key), PV_OK);
                pv_head_free(head);
            }

            e.sealed[k].data[i] ^= (unsigned char) (1 << (i % 8));
        }

        assert_int_equal(pv_head_verify(bytes(&e.sealed[k]), pv_str("shop"), whole->key), PV_OK);
        assert_int_not_equal(pv_head_verify(bytes(&e.sealed[k]), pv_str("other"), whole->key), PV_OK);
        pv_head_free(whole);
    }

    pv_problems_free(&problems);
    entries_free(&e);
}


static void
test_any_key_of_the_log_opens_all_of_it(void **state)
{
    unsigned    all;
    entries_t   e;

    (void) state;
    e = usual();
    all = (1u << e.count) - 1;

    /* backwards by digests: one signature; forwards by keys: one more for each hand-over */
    assert_int_equal(trusted(&e, C, all), all);
    assert_int_equal(verifications, 1);
    assert_int_equal(trusted(&e, B, all), all);
    assert_int_equal(verifications, 2);
    assert_int_equal(trusted(&e, A, all), all);
    assert_int_equal(verifications, 3);
    assert_int_equal(trusted(&e, THIEF, all), 0);

    entries_free(&e);
}


/* A node's folder may have gaps; a key is known when an entry that hands it over is. */
static void
test_gaps(void **state)
{
    entries_t   e;

    (void) state;
    e = usual();

    assert_int_equal(trusted(&e, A, 0x1fb), 0x003);         /* the first hand-over is missing */
    assert_int_equal(trusted(&e, A, 0x1f7), 0x1f7);         /* a version is: the keys still lead on */
    assert_int_equal(trusted(&e, C, 0x1fd), 0x1fd);         /* from behind, digests and keys lead back */
    assert_int_equal(trusted(&e, C, 0x1fb), 0x1f8);
    assert_int_equal(trusted(&e, C, 0x1df), 0x1c0);         /* but not past a hand-over that is missing */
    assert_int_equal(trusted(&e, B, 0x100), 0x000);
    assert_int_equal(trusted(&e, C, 0x100), 0x100);
    assert_int_equal(trusted(&e, A, 0x001), 0x001);

    entries_free(&e);
}


static void
test_what_a_thief_of_the_old_key_can_not_do(void **state)
{
    size_t          i;
    unsigned        in;
    entries_t       e;
    pv_log_t       *log;
    pv_problems_t   problems;

    (void) state;
    e = usual();
    pv_buf_free(&e.sealed[8]);
    e.count--;

    /* go on where another key signs */
    add_version(&e, A, 60, "");
    for (i = A; i <= C; i++) {
        assert_int_equal(trusted(&e, (int) i, 0x1ff), 0x0ff);
    }

    /* hand over once more */
    pv_buf_free(&e.sealed[--e.count]);
    add_key(&e, A, THIEF);
    for (i = A; i <= C; i++) {
        assert_int_equal(trusted(&e, (int) i, 0x1ff), 0x0ff);
    }

    /* behind a gap that hides the hand-over it passes, until that is seen */
    log = settled(&e, A, 0x103, &in);
    assert_int_equal(in, 0x103);
    pv_problems_init(&problems);
    for (i = 2; i < 8; i++) {
        assert_int_equal(pv_log_add(log, opened(&e.sealed[i]), NULL), PV_OK);
        assert_int_equal(pv_log_settle(log, verify, &e, &problems), i == 2 ? PV_INVALID : PV_OK);
    }
    assert_int_equal(pv_log_complete(log), 8);
    assert_int_equal(pv_log_count(log), 8);
    pv_problems_free(&problems);
    pv_log_free(log);

    /* and else not behind a gap either */
    in = trusted(&e, A, 0x17f);
    assert_int_equal(in, 0x07f);
    in = trusted(&e, C, 0x17f);
    assert_int_equal(in, 0x07f);

    entries_free(&e);
}


/* Only who has both keys makes a hand-over: the new one has to countersign this very entry. */
static void
test_a_key_that_did_not_countersign(void **state)
{
    char           *head, *forged, text[64];
    size_t          len;
    pv_buf_t        out;
    entries_t       e;
    pv_str_t        signature, old, bodies;
    pv_head_t      *opens;
    pv_problems_t   problems;
    unsigned char   encoded[2][pv_base64url_size(PV_ED25519_PUBLIC) + 1];

    (void) state;
    e = usual();
    pv_problems_init(&problems);
    assert_int_equal(pv_sealed_split(bytes(&e.sealed[2]), &signature, &old, &bodies, NULL), PV_OK);

    for (len = 0; len < 2; len++) {
        encoded[len][pv_base64url_encode(encoded[len], (pv_str_t) { keys[len == 0 ? B : C], PV_ED25519_PUBLIC })] = '\0';
    }

    /* in B's place C's key, with B's countersignature */
    head = strndup((const char *) old.data, old.len);
    forged = fixture_replace(head, (const char *) encoded[0], (const char *) encoded[1]);
    pv_buf_init(&out, PV_SEALED_MAX);
    pv_buf_printf(&out, "%s%.*s\n%s\n", PV_SEALED_MAGIC, (int) signature.len, (const char *) signature.data, forged);
    assert_int_equal(pv_head_open(&opens, bytes(&out), pv_str("shop"), NULL, &problems), PV_INVALID);
    assert_true(fixture_has(&problems, "proof", "new key's signature"));
    free(forged);

    /* at another place in the log */
    snprintf(text, sizeof(text), "\"sequence\":%d", 3);
    forged = fixture_replace(head, text, "\"sequence\":7");
    out.len = 0;
    pv_buf_printf(&out, "%s%.*s\n%s\n", PV_SEALED_MAGIC, (int) signature.len, (const char *) signature.data, forged);
    assert_int_equal(pv_head_open(&opens, bytes(&out), pv_str("shop"), NULL, &problems), PV_INVALID);
    free(forged);
    free(head);

    /* A hand-over to the configured key that its old key did not sign is still that key's word. */
    e.sealed[2].data[sizeof(PV_SEALED_MAGIC) + 3] ^= 1;
    assert_int_equal(trusted(&e, A, 0x1ff), 0x003);
    assert_int_equal(trusted(&e, B, 0x007), 0x007);

    pv_buf_free(&out);
    pv_problems_free(&problems);
    entries_free(&e);
}


static void
test_forks_and_foreign_entries(void **state)
{
    unsigned          in;
    entries_t         e, other;
    pv_log_t         *log;
    pv_head_t        *head;
    pv_problems_t     problems;
    const pv_head_t  *known;

    (void) state;
    e = usual();
    other.count = 0;
    add_version(&other, A, 1, "");
    add_version(&other, A, 10, "");

    /* a second of the same number */
    log = settled(&e, A, 0x1ff, &in);
    head = opened(&other.sealed[1]);
    assert_int_equal(pv_log_add(log, head, &known), PV_INVALID);
    assert_int_equal(known->sequence, 2);
    assert_memory_not_equal(known->digest, head->digest, PV_SHA256_LEN);
    pv_head_free(head);
    pv_log_free(log);

    /* one of another log, signed with the right key, where it does not fit the neighbour */
    log = settled(&e, A, 0x001, &in);
    assert_int_equal(pv_log_add(log, opened(&other.sealed[1]), NULL), PV_OK);
    pv_problems_init(&problems);
    assert_int_equal(pv_log_settle(log, verify, &other, &problems), PV_INVALID);
    assert_int_equal(problems.list[0].line, 2);
    assert_int_equal(pv_log_count(log), 1);
    pv_log_free(log);

    /* an older one that a newer one does not name */
    log = settled(&e, A, 0x1fe, &in);
    assert_int_equal(pv_log_add(log, opened(&other.sealed[0]), NULL), PV_OK);
    assert_int_equal(pv_log_settle(log, verify, &other, &problems), PV_INVALID);
    assert_int_equal(pv_log_entry(log, 0)->sequence, 2);
    pv_log_free(log);

    pv_problems_free(&problems);
    entries_free(&other);
    entries_free(&e);
}


static void
test_what_is_in_force(void **state)
{
    size_t      i;
    unsigned    in;
    entries_t   e;
    pv_log_t   *log;

    static const struct { int day; uint32_t floor, sequence; int next; }  cases[] = {
        { -1, 0, 0, 0 }, { 0, 0, 1, 10 }, { 9, 0, 1, 10 }, { 10, 0, 2, 30 }, { 20, 0, 2, 30 }, { 29, 0, 2, 30 },
        { 30, 0, 7, 40 }, { 45, 0, 8, 50 }, { 50, 0, 9, -1 },
        /* A clock that was set back; the floor is a version that was withdrawn, or no version. */
        { 0, 7, 7, 40 }, { 0, 4, 2, 30 }, { -1, 3, 2, 30 }, { -1, 99, 9, -1 }
    };

    (void) state;
    e = usual();
    log = settled(&e, A, 0x1ff, &in);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t           now = FIXTURE_NOW + (int64_t) cases[i].day * DAY;
        const pv_head_t  *head = pv_log_in_force(log, now, cases[i].floor);

        if ((head != NULL ? head->sequence : 0) != cases[i].sequence) {
            fail_msg("case %zu: %u", i, head != NULL ? (unsigned) head->sequence : 0);
        }

        assert_int_equal(pv_log_next(log, cases[i].sequence),
                         cases[i].next < 0 ? 0 : FIXTURE_NOW + (int64_t) cases[i].next * DAY);
    }

    assert_int_equal(pv_log_withdrawal(log, 4)->sequence, 5);
    assert_null(pv_log_withdrawal(log, 2));
    assert_int_equal(pv_log_before(log, 7)->sequence, 2);
    assert_int_equal(pv_log_after(log, 2)->sequence, 7);
    assert_null(pv_log_before(log, 1));
    assert_null(pv_log_after(log, 9));
    assert_int_equal(pv_log_version(log, pv_str("v7"))->sequence, 7);
    assert_null(pv_log_version(log, pv_str("v6")));
    assert_int_equal(pv_log_complete(log), 9);

    pv_log_free(log);
    entries_free(&e);
}


static void
test_where_a_subject_stands(void **state)
{
    unsigned    in;
    entries_t   e;
    pv_log_t   *log;

    (void) state;
    e = usual();
    log = settled(&e, A, 0x1ff, &in);

    /* past what was withdrawn and what is no version, up to what reduces rights */
    assert_int_equal(pv_log_bound(log, 1, 1)->sequence, 1);
    assert_int_equal(pv_log_bound(log, 1, 7)->sequence, 7);
    assert_int_equal(pv_log_bound(log, 1, 9)->sequence, 7);
    assert_int_equal(pv_log_bound(log, 8, 9)->sequence, 9);
    assert_int_equal(pv_log_bound(log, 9, 9)->sequence, 9);
    assert_null(pv_log_bound(log, 3, 9));
    assert_null(pv_log_bound(log, 10, 9));

    /* agreed to before it was in force: until then where all stand who agreed to go along */
    assert_int_equal(pv_log_bound(log, 8, 7)->sequence, 7);
    assert_int_equal(pv_log_bound(log, 9, 8)->sequence, 8);
    assert_int_equal(pv_log_bound(log, 4, 2)->sequence, 2);

    /* and withdrawn after that: it binds nobody, and what comes behind it as it would have */
    assert_int_equal(pv_log_bound(log, 4, 6)->sequence, 2);
    assert_int_equal(pv_log_bound(log, 4, 7)->sequence, 7);
    assert_int_equal(pv_log_bound(log, 4, 9)->sequence, 7);
    pv_log_free(log);

    /* a number that is not known may have reduced rights */
    log = settled(&e, A, 0x1fd, &in);
    assert_int_equal(in, 0x1fd);
    assert_int_equal(pv_log_bound(log, 1, 9)->sequence, 1);
    pv_log_free(log);

    entries_free(&e);
}


static void
test_withdrawals_that_change_nothing(void **state)
{
    unsigned         in;
    entries_t        e;
    pv_log_t        *log;
    unsigned char    pub[PV_ED25519_PUBLIC];

    (void) state;

    e.count = 0;
    add_version(&e, A, 10, "");
    add_withdrawal(&e, A, 1, 10);       /* at the very time it comes into force */
    add_withdrawal(&e, A, 2, 0);        /* of what is no version */
    add_version(&e, A, 20, "");
    add_withdrawal(&e, A, 4, 1);
    add_withdrawal(&e, A, 4, 2);        /* once more */

    log = settled(&e, A, 0x3f, &in);
    assert_int_equal(in, 0x3f);
    assert_null(pv_log_withdrawal(log, 1));
    assert_int_equal(pv_log_withdrawal(log, 4)->sequence, 5);
    assert_int_equal(pv_log_in_force(log, FIXTURE_NOW + 30 * DAY, 0)->sequence, 1);

    pv_log_key(log, 7, pub);
    assert_memory_equal(pub, keys[A], PV_ED25519_PUBLIC);

    pv_log_free(log);
    entries_free(&e);
}


static void
test_what_can_not_be_sealed(void **state)
{
    char                 *long_reason;
    pv_buf_t              out;
    pv_problems_t         problems;
    pv_bundle_context_t   context;
    unsigned char         digest[PV_SHA256_LEN];

    (void) state;
    memset(digest, 1, sizeof(digest));
    context_after(&context, NULL);
    context.sequence = 5;
    context.last = digest;
    pv_buf_init(&out, PV_SEALED_MAX);
    pv_problems_init(&problems);

    long_reason = calloc(PV_REASON_MAX + 2, 1);
    memset(long_reason, 'x', PV_REASON_MAX + 1);

    assert_int_equal(pv_seal_withdrawal(&out, &context, 4, "", secrets[A], &problems), PV_INVALID);
    assert_int_equal(pv_seal_withdrawal(&out, &context, 4, "a\nb", secrets[A], &problems), PV_INVALID);
    assert_int_equal(pv_seal_withdrawal(&out, &context, 4, long_reason, secrets[A], &problems), PV_INVALID);
    assert_int_equal(pv_seal_withdrawal(&out, &context, 5, "x", secrets[A], &problems), PV_INVALID);
    assert_int_equal(pv_seal_withdrawal(&out, &context, 0, "x", secrets[A], &problems), PV_INVALID);
    assert_int_equal(pv_seal_key(&out, &context, secrets[A], secrets[A], &problems), PV_INVALID);
    assert_int_equal(out.len, 0);
    long_reason[PV_REASON_MAX] = '\0';
    assert_int_equal(pv_seal_withdrawal(&out, &context, 4, long_reason, secrets[A], &problems), PV_OK);

    free(long_reason);
    pv_problems_free(&problems);
    pv_buf_free(&out);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_heads_of_every_kind),
        cmocka_unit_test(test_heads_from_their_first_bytes),
        cmocka_unit_test(test_a_flipped_bit_is_refused_or_unsigned),
        cmocka_unit_test(test_any_key_of_the_log_opens_all_of_it),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_what_a_thief_of_the_old_key_can_not_do),
        cmocka_unit_test(test_a_key_that_did_not_countersign),
        cmocka_unit_test(test_forks_and_foreign_entries),
        cmocka_unit_test(test_what_is_in_force),
        cmocka_unit_test(test_where_a_subject_stands),
        cmocka_unit_test(test_withdrawals_that_change_nothing),
        cmocka_unit_test(test_what_can_not_be_sealed)
    };

    return cmocka_run_group_tests(tests, make_keys, NULL);
}
