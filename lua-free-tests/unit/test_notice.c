/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* One notice: drafted, sealed, opened, addressed, answered, and as an event on the wire. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "bundle_fixture.h"
#include "keys_fixture.h"
#include "pv_notice.h"
#include "pv_notice_draft.h"
#include "pv_signed.h"

#define NOW  FIXTURE_NOW

static const char  incident[] =
    "{\"kind\":\"incident\",\"texts\":{"
    "\"en\":{\"title\":\"Leak\",\"happened\":\"Mail addresses were seen.\",\"measures\":\"Closed.\",\"advice\":\"Change "
    "your password.\",\"remedies\":\"Write to us.\"},"
    "\"zh-CN\":{\"title\":\"\xe6\xb3\x84\xe9\x9c\xb2\",\"happened\":\"\xe9\x82\xae\xe4\xbb\xb6\",\"measures\":"
    "\"\xe5\x85\xb3\","
    "\"advice\":\"\xe6\x94\xb9\",\"remedies\":\"\xe5\x86\x99\"}}}";

static const char  announcement[] =
    "{\"kind\":\"announcement\",\"texts\":{\"en\":{\"title\":\"Hello\",\"summary\":\"One.\\r\\n\\r\\nTwo. \\n\"}}}";


static pv_notice_context_t
context_of(pv_audience_kind_t audience)
{
    pv_notice_context_t  c;

    memset(&c, 0, sizeof(c));
    c.site = pv_str("shop");
    c.number = 3;
    c.log = 7;
    c.now = NOW;
    c.audience.kind = audience;

    return c;
}


static pv_str_t
bytes(const pv_buf_t *b)
{
    return (pv_str_t) { b->data, b->len };
}


/* Sealed and opened; fails when that does not work. */
static pv_notice_t *
sealed_as(const pv_notice_context_t *c, const char *draft, pv_buf_t *keep)
{
    pv_buf_t        out;
    pv_notice_t    *n;
    pv_problems_t   problems;

    pv_problems_init(&problems);
    pv_buf_init(&out, PV_NOTICE_SEALED_MAX);

    if (pv_notice_seal(&out, c, pv_str(draft), "notice.json", fixture_secret, &problems) != PV_OK
        || pv_notice_open(&n, bytes(&out), pv_str("shop"), &problems) != PV_OK)
    {
        fail_msg("%s: %s", problems.list[0].field, problems.list[0].reason);
    }

    pv_problems_free(&problems);

    if (keep != NULL) {
        *keep = out;
    } else {
        pv_buf_free(&out);
    }

    return n;
}


static void
test_sealed_and_opened(void **state)
{
    pv_buf_t             out;
    pv_notice_t         *n;
    unsigned char        pub[PV_ED25519_PUBLIC], other[PV_ED25519_PUBLIC] = { 9 };
    pv_notice_context_t  c;
    const pv_str_t       languages[] = { pv_string("zh-CN"), pv_string("en") };
    static const unsigned char  previous[PV_SHA256_LEN] = { 1, 2, 3 };

    (void) state;

    fixture_public(pub);
    c = context_of(PV_AUDIENCE_BOUND_BEFORE);
    c.audience.number = 5;
    c.audience.version = pv_str("2026-05");
    c.previous = previous;
    c.public = 1;
    c.corrects = 2;
    c.languages = languages;
    c.languages_count = 2;

    n = sealed_as(&c, incident, &out);

    assert_int_equal(n->kind, PV_NOTICE_INCIDENT);
    assert_string_equal(n->id, "n3");
    assert_int_equal(n->number, 3);
    assert_int_equal(n->log, 7);
    assert_int_equal(n->published, NOW);
    assert_int_equal(n->until, NOW + 180 * PV_DAY);
    assert_true(n->public && n->bar);
    assert_int_equal(n->corrects, 2);
    assert_memory_equal(n->previous, previous, PV_SHA256_LEN);
    assert_int_equal(n->audience.kind, PV_AUDIENCE_BOUND_BEFORE);
    assert_int_equal(n->audience.number, 5);
    assert_true(pv_str_eqs(n->audience.version, "2026-05"));
    assert_int_equal(n->texts_count, 2);
    assert_true(pv_str_eqs(n->texts[0].language, "zh-CN"));         /* the policy's default, not the file's first */
    assert_true(pv_str_eqs(n->texts[1].parts[PV_NOTICE_ADVICE], "Change your password."));
    assert_int_equal(n->texts[1].summary.len, 0);
    assert_in_range(n->memory, sizeof(pv_notice_t), 2048);

    assert_int_equal(pv_notice_verify(bytes(&out), pv_str("shop"), pub), PV_OK);
    assert_int_equal(pv_notice_verify(bytes(&out), pv_str("mall"), pub), PV_INVALID);
    assert_int_equal(pv_notice_verify(bytes(&out), pv_str("shop"), other), PV_INVALID);

    assert_ptr_equal(pv_notice_hold(n), n);
    pv_notice_free(n);
    assert_string_equal(n->id, "n3");
    pv_notice_free(n);
    pv_buf_free(&out);

    n = sealed_as(&(pv_notice_context_t) { .site = pv_str("shop"), .number = 1, .now = NOW, .until = NOW + 5,
                                           .audience = { .kind = PV_AUDIENCE_USERS } }, announcement, NULL);
    assert_true(pv_str_eqs(n->texts[0].summary, "One.\n\nTwo."));
    assert_int_equal(n->until, NOW + 5);
    assert_false(n->public || n->bar);
    pv_notice_free(n);
}


/* Not a byte of it can be another, or missing, or more. */

static void
test_altered(void **state)
{
    size_t               i;
    pv_buf_t             out;
    pv_notice_t         *n;
    unsigned char        pub[PV_ED25519_PUBLIC];
    pv_problems_t        problems;
    pv_notice_context_t  c;

    (void) state;

    fixture_public(pub);
    c = context_of(PV_AUDIENCE_USERS);
    n = sealed_as(&c, incident, &out);
    pv_notice_free(n);

    pv_problems_init(&problems);

    for (i = 0; i < out.len; i++) {
        out.data[i] ^= 0x01;
        assert_true(pv_notice_open(&n, bytes(&out), pv_str("shop"), &problems) != PV_OK
                    || pv_notice_verify(bytes(&out), pv_str("shop"), pub) != PV_OK);
        pv_notice_free(n);
        out.data[i] ^= 0x01;

        assert_int_equal(pv_notice_open(&n, (pv_str_t) { out.data, i }, pv_str("shop"), &problems), PV_INVALID);
        assert_null(n);
    }

    pv_buf_puts(&out, "x");
    assert_int_equal(pv_notice_open(&n, bytes(&out), pv_str("shop"), &problems), PV_INVALID);
    assert_int_equal(pv_notice_open(&n, (pv_str_t) { out.data, out.len - 1 }, pv_str("mall"), &problems), PV_INVALID);
    pv_problems_free(&problems);
    pv_buf_free(&out);
}


/* What somebody who holds the key could sign, and nobody takes. a is replaced by b in what was signed. */

static void
test_signed_nonsense(void **state)
{
    char                *text;
    size_t               i;
    pv_buf_t             out, forged;
    pv_str_t             signature, json, rest;
    pv_notice_t         *n;
    pv_problems_t        problems;
    pv_notice_context_t  c;

    static const struct { const char *a, *b; } cases[] = {
        { "\"format\":1", "\"format\":2" }, { "\"kind\":\"incident\"", "\"kind\":\"change\"" },
        { "\"kind\":\"incident\"", "\"kind\":\"announcement\"" }, { "\"kind\":\"incident\"", "\"kind\":\"retraction\"" },
        { "\"site\":\"shop\"", "\"site\":\"mall\"" }, { "\"number\":3", "\"number\":0" },
        { "\"number\":3", "\"number\":4294967296" }, { "\"log\":7", "\"log\":-1" }, { "\"log\":7,", "" },
        { "\"log\":7", "\"log\":7.0" }, { "\"log\":7", "\"log\": 7" }, { "\"public\":true", "\"public\":1" },
        { "\"languages\":[\"en\",\"zh-CN\"]", "\"languages\":[\"en\"]" },
        { "\"languages\":[\"en\",\"zh-CN\"]", "\"languages\":[\"en\",\"EN\"]" },
        { "\"languages\":[\"en\",\"zh-CN\"]", "\"languages\":[]" },
        { "\"remedies\":\"Write to us.\"", "\"remedies\":\" \\n \"" }, { ",\"remedies\":\"Write to us.\"", "" },
        { "\"remedies\":\"Write to us.\"", "\"remedies\":\"a\\u0007b\"" },
        { "\"remedies\":\"Write to us.\"", "\"remedies\":\"a\\rb\"" },
        { "\"remedies\":\"Write to us.\"", "\"remedies\":\"a\\tb\"" },
        { "\"remedies\":\"Write to us.\"", "\"remedies\":\"e\xcc\x81\"" },             /* not NFC */
        { "\"remedies\":\"Write to us.\"", "\"remedies\":\"\xe2\x80\xae\"" },          /* reads backwards */
        { "\"remedies\":\"Write to us.\"", "\"remedies\":7" },
        { "\"title\":\"Leak\"", "\"title\":\"Le\\nak\"" }, { "\"title\":\"Leak\"", "\"title\":\"Leak\",\"zz\":1" },
        { "\"audience\":{\"kind\":\"users\"}", "\"audience\":{\"kind\":\"all\"}" },
        { "\"audience\":{\"kind\":\"users\"}", "\"audience\":{\"kind\":\"list\"}" },
        { "\"audience\":{\"kind\":\"users\"}", "\"audience\":{\"count\":1,\"digest\":\"xy\",\"kind\":\"list\"}" },
        { "\"audience\":{\"kind\":\"users\"}", "\"audience\":{\"kind\":\"users\",\"purpose\":\"ads\"}" },
        { "\"audience\":{\"kind\":\"users\"}", "\"audience\":{\"kind\":\"bound_before\",\"number\":0,\"version\":\"a\"}" },
        { "\"previous\":\"0", "\"previous\":\"A" }, { "\"until\":", "\"until\":1" }, { "\"until\":", "\"until\":-" },
        { "\"format\":1", "\"corrects\":3,\"format\":1" }, { "\"format\":1", "\"corrects\":0,\"format\":1" },
        { "\"format\":1", "\"format\":1,\"format\":1" }, { "\"format\":1", "\"extra\":1,\"format\":1" }
    };

    (void) state;

    c = context_of(PV_AUDIENCE_USERS);
    c.public = 1;
    n = sealed_as(&c, incident, &out);
    pv_notice_free(n);
    assert_int_equal(pv_signed_split(bytes(&out), PV_NOTICE_MAGIC, PV_NOTICE_MAX, &signature, &json, &rest), PV_OK);
    out.data[out.len - 1] = '\0';

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        text = fixture_replace((const char *) json.data, cases[i].a, cases[i].b);
        pv_buf_init(&forged, PV_NOTICE_SEALED_MAX);
        pv_problems_init(&problems);

        assert_int_equal(pv_signed_seal(&forged, PV_NOTICE_MAGIC, pv_str("shop"), pv_str(text), fixture_secret), PV_OK);

        if (pv_notice_open(&n, bytes(&forged), pv_str("shop"), &problems) != PV_INVALID || problems.errors == 0) {
            fail_msg("%s", cases[i].b);
        }

        pv_problems_free(&problems);
        pv_buf_free(&forged);
        free(text);
    }

    pv_buf_free(&out);
}


/* What is refused of an author, and where it is said to be. */

static void
test_drafts(void **state)
{
    size_t               i;
    char                *draft, *word;
    pv_buf_t             out;
    pv_problems_t        problems;
    pv_notice_context_t  c;
    const pv_str_t       languages[] = { pv_string("en"), pv_string("zh-CN"), pv_string("de") };

    static const char *const  parts[] = { "Mail addresses were seen.", "Closed.", "Change your password.", "Write to us." };
    static const char *const  chinese[] = { "\xe9\x82\xae\xe4\xbb\xb6", "\xe5\x85\xb3", "\xe6\x94\xb9", "\xe5\x86\x99" };

    (void) state;

    c = context_of(PV_AUDIENCE_USERS);
    pv_buf_init(&out, PV_NOTICE_SEALED_MAX);

    /* an empty part, in whichever language */

    for (i = 0; i < 8; i++) {
        pv_problems_init(&problems);
        draft = fixture_replace(incident, i < 4 ? parts[i] : chinese[i - 4], " \\n ");
        assert_true(asprintf(&word, "texts.%s.%s", i < 4 ? "en" : "zh-CN", pv_notice_part_name(i % 4)) > 0);
        assert_int_equal(pv_notice_seal(&out, &c, pv_str(draft), "notice.json", fixture_secret, &problems), PV_INVALID);
        assert_true(fixture_has(&problems, word, "is empty"));
        assert_string_equal(problems.list[0].file, "notice.json");
        assert_int_equal(problems.list[0].line, 1);
        assert_int_equal(out.len, 0);
        free(draft);
        free(word);
        pv_problems_free(&problems);
    }

    /* the languages of the policy */

    pv_problems_init(&problems);
    c.languages = languages;
    c.languages_count = 3;
    assert_int_equal(pv_notice_seal(&out, &c, pv_str(incident), NULL, fixture_secret, &problems), PV_INVALID);
    assert_int_equal(problems.errors, 1);
    assert_true(fixture_has(&problems, "texts.de", "the policy is published in this language"));
    pv_problems_free(&problems);
    c.languages_count = 0;

    static const struct { const char *draft, *field, *reason; } bad[] = {
        { "", NULL, "not JSON" }, { "[]", NULL, "object" }, { "{\"kind\":\"incident\"}", "texts", "is missing" },
        { "{\"kind\":\"change\",\"texts\":{}}", "kind", "by publishing" },
        { "{\"kind\":\"retraction\",\"texts\":{}}", "kind", "retract" },
        { "{\"kind\":\"announcement\",\"texts\":{}}", "texts", "no text" },
        { "{\"kind\":\"announcement\",\"texts\":{\"x y\":{\"title\":\"a\",\"summary\":\"b\"}}}", "texts.x y",
          "language tag" },
        { "{\"kind\":\"announcement\",\"texts\":{\"en\":{\"title\":\"a\"}}}", "texts.en.summary", "is missing" },
        { "{\"kind\":\"announcement\",\"texts\":{\"en\":{\"title\":\"a\",\"summary\":\"b\",\"advice\":\"c\"}}}",
          "texts.en.advice", "not a field" },
        { "{\"kind\":\"announcement\",\"texts\":{\"en\":{\"title\":\"a\\nb\",\"summary\":\"b\"}}}", "texts.en.title",
          "line" },
        { "{\"kind\":\"announcement\",\"texts\":{\"en\":{\"title\":\"a\",\"summary\":\"b\\u0000\"}}}", NULL, "not JSON" },
        { "{\"kind\":\"announcement\",\"texts\":{\"en\":{\"title\":\"a\",\"summary\":\"b\\u001b[31m\"}}}",
          "texts.en.summary", "control" },
        { "{\"kind\":\"announcement\",\"texts\":{\"en\":{\"title\":\"a\",\"summary\":\"b\"},\"EN\":{\"title\":\"a\","
          "\"summary\":\"b\"}}}", NULL, "twice" },
        { "{\"kind\":\"announcement\",\"public\":true,\"texts\":{\"en\":{\"title\":\"a\",\"summary\":\"b\"}}}", "public",
          "not a field" }
    };

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        pv_problems_init(&problems);

        if (pv_notice_seal(&out, &c, pv_str(bad[i].draft), NULL, fixture_secret, &problems) != PV_INVALID
            || !fixture_has(&problems, bad[i].field, bad[i].reason) || out.len != 0)
        {
            fail_msg("%s: %s", bad[i].draft, problems.count ? problems.list[0].reason : "taken");
        }

        pv_problems_free(&problems);
    }

    /* for nobody; too far; a decomposed text is composed */

    pv_problems_init(&problems);
    c = context_of(PV_AUDIENCE_NONE);
    assert_int_equal(pv_notice_seal(&out, &c, pv_str(incident), NULL, fixture_secret, &problems), PV_INVALID);
    assert_true(fixture_has(&problems, "audience", "nobody"));
    c.public = 1;
    c.until = NOW + (PV_NOTICE_DAYS_MAX + 1) * (int64_t) PV_DAY;
    assert_int_equal(pv_notice_seal(&out, &c, pv_str(incident), NULL, fixture_secret, &problems), PV_INVALID);
    assert_true(fixture_has(&problems, "until", ""));
    c.until = NOW;
    assert_int_equal(pv_notice_seal(&out, &c, pv_str(incident), NULL, fixture_secret, &problems), PV_INVALID);
    c.until = 0;
    assert_int_equal(pv_notice_seal(&out, &c, pv_str("{\"kind\":\"announcement\",\"texts\":{\"en\":{\"title\":\"e\xcc\x81\","
                                    "\"summary\":\"b\"}}}"), NULL, fixture_secret, &problems), PV_OK);
    assert_non_null(memmem(out.data, out.len, "\xc3\xa9", 2));
    pv_problems_free(&problems);
    pv_buf_free(&out);
}


static void
test_too_long(void **state)
{
    char                *draft, *text, tag[3];
    size_t               i;
    json_t              *root, *texts;
    pv_buf_t             out;
    pv_problems_t        problems;
    pv_notice_context_t  c;

    (void) state;

    c = context_of(PV_AUDIENCE_USERS);
    pv_buf_init(&out, PV_NOTICE_SEALED_MAX);

    text = calloc(1, PV_NOTICE_TEXT_MAX + 2);
    assert_non_null(text);
    memset(text, 'a', PV_NOTICE_TEXT_MAX + 1);

    for (i = 0; i < 2; i++) {
        root = json_pack("{s:s, s:{s:{s:s, s:s}}}", "kind", "announcement", "texts", "en", "title", "t", "summary", text);
        draft = json_dumps(root, 0);
        pv_problems_init(&problems);
        assert_int_equal(pv_notice_seal(&out, &c, pv_str(draft), NULL, fixture_secret, &problems), i ? PV_OK : PV_INVALID);
        assert_int_equal(fixture_has(&problems, "texts.en.summary", "too long"), !i);
        pv_problems_free(&problems);
        free(draft);
        json_decref(root);
        text[PV_NOTICE_TEXT_MAX] = '\0';
    }

    /* each of them short enough, and too much together */

    texts = json_object();

    for (i = 0; i < 9; i++) {
        snprintf(tag, sizeof(tag), "a%c", (char) ('a' + i));
        json_object_set_new(texts, tag, json_pack("{s:s, s:s}", "title", "t", "summary", text));
    }

    root = json_pack("{s:s, s:o}", "kind", "announcement", "texts", texts);
    draft = json_dumps(root, 0);
    out.len = 0;
    pv_problems_init(&problems);
    assert_int_equal(pv_notice_seal(&out, &c, pv_str(draft), NULL, fixture_secret, &problems), PV_INVALID);
    assert_true(fixture_has(&problems, "texts", "come to more"));
    assert_int_equal(out.len, 0);
    pv_problems_free(&problems);
    free(draft);
    json_decref(root);
    free(text);
    pv_buf_free(&out);
}


static void
test_retraction(void **state)
{
    pv_buf_t             out;
    pv_notice_t         *n;
    pv_problems_t        problems;
    pv_notice_context_t  c;

    (void) state;

    c = context_of(PV_AUDIENCE_NONE);
    pv_buf_init(&out, PV_NOTICE_SEALED_MAX);
    pv_problems_init(&problems);

    assert_int_equal(pv_notice_seal_retraction(&out, &c, 2, " sent in error ", fixture_secret, &problems), PV_OK);
    assert_int_equal(pv_notice_open(&n, bytes(&out), pv_str("shop"), &problems), PV_OK);
    assert_int_equal(n->kind, PV_NOTICE_RETRACTION);
    assert_int_equal(n->retracts, 2);
    assert_true(pv_str_eqs(n->reason, "sent in error"));
    assert_int_equal(n->texts_count, 0);
    assert_int_equal(pv_notice_language(n, pv_str("de"), pv_str("")), 0);
    assert_false(pv_notice_addresses(n, &(pv_notice_reader_t) { .bound = 1, .met = 1 }));
    pv_notice_free(n);

    out.len = 0;
    assert_int_equal(pv_notice_seal_retraction(&out, &c, 3, "x", fixture_secret, &problems), PV_INVALID);  /* itself */
    assert_int_equal(pv_notice_seal_retraction(&out, &c, 2, " ", fixture_secret, &problems), PV_INVALID);
    assert_int_equal(pv_notice_seal_retraction(&out, &c, 2, "a\nb", fixture_secret, &problems), PV_INVALID);
    assert_int_equal(out.len, 0);
    pv_problems_free(&problems);
    pv_buf_free(&out);
}


/* A version after the first: what of it is a notice. */

static pv_notice_t *
change_of(const char *changes, const char *more)
{
    char           *json, *with;
    pv_buf_t        sealed;
    pv_head_t      *head;
    pv_notice_t    *n;
    pv_policy_t    *first;
    pv_problems_t   problems;

    pv_problems_init(&problems);
    pv_buf_init(&sealed, PV_SEALED_MAX);

    json = fixture_json("1", "2026-12-01T00:00:00Z", "", fixture_purposes);
    first = fixture_policy(json, NULL);
    free(json);

    json = fixture_json("2", "2026-12-20T00:00:00+08:00", changes, fixture_purposes);
    with = fixture_replace(json, "\"controller\"", more);
    if (fixture_seal(&sealed, with, first, NULL, &problems) != PV_OK
        || pv_head_open(&head, bytes(&sealed), pv_str("shop"), NULL, &problems) != PV_OK)
    {
        fail_msg("%s: %s", problems.list[0].field, problems.list[0].reason);
    }

    assert_int_equal(pv_notice_from_head(&n, head), PV_OK);
    pv_head_free(head);
    pv_policy_free(first);
    pv_buf_free(&sealed);
    pv_problems_free(&problems);
    free(json);
    free(with);

    return n;
}


static void
test_changes(void **state)
{
    pv_notice_t  *n;

    (void) state;

    n = change_of("{\"kind\":\"purposes\",\"purposes\":[\"ads\",\"analytics\"],\"summary\":{\"zh-CN\":\"\xe7\x94\xb2\","
                  "\"en\":\"More ads\"}},{\"kind\":\"editorial\",\"purposes\":[\"abroad\"],\"summary\":{\"zh-CN\":\"x\","
                  "\"en\":\"Typo\"}},"
                  "{\"kind\":\"rights\",\"purposes\":[\"ads\"],\"summary\":{\"zh-CN\":\"\xe4\xb9\x99\",\"en\":\"Less\"}}",
                  "\"reduces_rights\":true,\"controller\"");
    assert_non_null(n);
    assert_int_equal(n->kind, PV_NOTICE_CHANGE);
    assert_string_equal(n->id, "v2");
    assert_int_equal(n->log, 2);
    assert_int_equal(n->published, FIXTURE_NOW);
    assert_true(n->public && !n->bar && n->reduces_rights);
    assert_true(pv_str_eqs(n->version, "2"));
    assert_true(pv_str_eqs(n->effective_text, "2026-12-20T00:00:00+08:00"));
    assert_int_equal(n->texts_count, 2);
    assert_true(pv_str_eqs(n->texts[1].summary, "More ads\nLess"));
    assert_true(pv_str_eqs(n->texts[0].summary, "\xe7\x94\xb2\n\xe4\xb9\x99"));
    assert_int_equal(n->purposes_count, 2);
    assert_true(pv_str_eqs(n->purposes[0], "ads") && pv_str_eqs(n->purposes[1], "analytics"));
    assert_int_equal(n->until, 0);
    pv_notice_free(n);

    assert_null(change_of("{\"kind\":\"editorial\",\"summary\":{\"zh-CN\":\"x\",\"en\":\"Typo\"}}", "\"controller\""));
}


/* What is not translated throughout, as it was once possible to publish, is in no other language. */

static void
test_change_half_translated(void **state)
{
    pv_head_t         head;
    pv_notice_t      *n;
    pv_change_t       changes[2];
    pv_head_text_t    texts[2];
    pv_translation_t  words[4] = {
        { pv_string("zh-CN"), pv_string("a") }, { pv_string("en"), pv_string("b") },
        { pv_string("zh-CN"), pv_string("c") }, { pv_string("zh-CN"), pv_string("c") }
    };

    (void) state;

    memset(&head, 0, sizeof(head));
    memset(changes, 0, sizeof(changes));
    memset(texts, 0, sizeof(texts));
    head.kind = PV_ENTRY_VERSION;
    head.sequence = 2;
    head.texts = texts;
    head.texts_count = 2;
    head.changes = changes;
    head.changes_count = 2;
    texts[0].language = pv_str("zh-CN");
    texts[1].language = pv_str("en");
    changes[0].kind = pv_str("rights");
    changes[0].summary = words;
    changes[0].summary_count = 2;
    changes[1].kind = pv_str("risk");
    changes[1].summary = words + 2;
    changes[1].summary_count = 2;

    assert_int_equal(pv_notice_from_head(&n, &head), PV_OK);
    assert_int_equal(n->texts_count, 1);
    assert_true(pv_str_eqs(n->texts[0].language, "zh-CN"));
    assert_true(pv_str_eqs(n->texts[0].summary, "a\nc"));
    pv_notice_free(n);

    /* the first entry of a log, and what is no version, are none */

    head.sequence = 1;
    assert_int_equal(pv_notice_from_head(&n, &head), PV_OK);
    assert_null(n);
    head.sequence = 2;
    head.kind = PV_ENTRY_KEY;
    assert_int_equal(pv_notice_from_head(&n, &head), PV_OK);
    assert_null(n);
}


static void
test_language(void **state)
{
    pv_notice_t          *n;
    pv_notice_context_t   c;

    (void) state;

    c = context_of(PV_AUDIENCE_USERS);
    n = sealed_as(&c, incident, NULL);

    assert_int_equal(pv_notice_language(n, pv_str("zh-Hans;q=0.9, fr"), pv_str("")), 1);
    assert_int_equal(pv_notice_language(n, pv_str("en-GB"), pv_str("")), 0);
    assert_int_equal(pv_notice_language(n, pv_str("en"), pv_str("zh-CN")), 1);
    assert_int_equal(pv_notice_language(n, pv_str("fr"), pv_str("")), 0);
    assert_int_equal(pv_notice_language(n, pv_str(""), pv_str("")), 0);
    pv_notice_free(n);
}


static void
test_addressed(void **state)
{
    size_t               i;
    pv_notice_t          n;
    pv_policy_t          policy;
    pv_purpose_t         ads;

    static const struct { int kind, audience; uint32_t bound; int64_t met; uint64_t granted; int listed, want; } cases[] = {
        /* a change that has number 7 and was published at 1000 */
        { PV_NOTICE_CHANGE, PV_AUDIENCE_USERS, 6, 0, 0, 0, 1 }, { PV_NOTICE_CHANGE, PV_AUDIENCE_USERS, 7, 0, 0, 0, 0 },
        { PV_NOTICE_CHANGE, PV_AUDIENCE_USERS, 0, 0, 0, 0, 0 }, { PV_NOTICE_CHANGE, PV_AUDIENCE_USERS, 0, 999, 0, 0, 1 },
        { PV_NOTICE_CHANGE, PV_AUDIENCE_USERS, 0, 1000, 0, 0, 0 }, { PV_NOTICE_CHANGE, PV_AUDIENCE_USERS, 7, 999, 0, 0, 1 },
        { PV_NOTICE_INCIDENT, PV_AUDIENCE_USERS, 0, 0, 0, 0, 1 }, { PV_NOTICE_INCIDENT, PV_AUDIENCE_NONE, 1, 1, 2, 1, 0 },
        { PV_NOTICE_INCIDENT, PV_AUDIENCE_LIST, 1, 1, 2, 1, 1 }, { PV_NOTICE_INCIDENT, PV_AUDIENCE_LIST, 1, 1, 2, 0, 0 },
        { PV_NOTICE_INCIDENT, PV_AUDIENCE_LIST, 1, 1, 2, PV_NOTICE_ASK, PV_NOTICE_ASK },
        { PV_NOTICE_INCIDENT, PV_AUDIENCE_BOUND_BEFORE, 4, 0, 0, 0, 1 },
        { PV_NOTICE_INCIDENT, PV_AUDIENCE_BOUND_BEFORE, 5, 0, 0, 0, 0 },
        { PV_NOTICE_INCIDENT, PV_AUDIENCE_BOUND_BEFORE, 0, 1, 0, 0, 0 },
        { PV_NOTICE_INCIDENT, PV_AUDIENCE_GRANTED, 0, 0, 2, 0, 1 },
        { PV_NOTICE_INCIDENT, PV_AUDIENCE_GRANTED, 0, 0, 5, 0, 0 }
    };

    (void) state;

    memset(&n, 0, sizeof(n));
    memset(&policy, 0, sizeof(policy));
    memset(&ads, 0, sizeof(ads));
    ads.id = pv_str("ads");
    ads.bit = 1;
    policy.purposes = &ads;
    policy.purposes_count = 1;
    n.number = 7;
    n.published = 1000;
    n.audience.number = 5;
    n.audience.purpose = pv_str("ads");

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        n.kind = cases[i].kind;
        n.audience.kind = cases[i].audience;

        if (pv_notice_addresses(&n, &(pv_notice_reader_t) { cases[i].bound, cases[i].met, cases[i].granted, &policy,
                                                            cases[i].listed }) != cases[i].want)
        {
            fail_msg("case %zu", i);
        }
    }

    /* no policy: nothing is known to be granted; a purpose that there is not */

    n.audience.kind = PV_AUDIENCE_GRANTED;
    assert_false(pv_notice_addresses(&n, &(pv_notice_reader_t) { .granted = UINT64_MAX }));
    n.audience.purpose = pv_str("gone");
    assert_false(pv_notice_addresses(&n, &(pv_notice_reader_t) { .granted = UINT64_MAX, .policy = &policy }));
}


static void
test_audience_digest(void **state)
{
    size_t         n;
    unsigned char  a[5][PV_SUBJECT_LEN] = { { 3 }, { 1 }, { 3 }, { 2 }, { 1 } };
    unsigned char  b[3][PV_SUBJECT_LEN] = { { 1 }, { 2 }, { 3 } };
    unsigned char  one[PV_SHA256_LEN], two[PV_SHA256_LEN], want[PV_SHA256_LEN];

    (void) state;

    n = 5;
    assert_int_equal(pv_audience_digest(one, a, &n), PV_OK);
    assert_int_equal(n, 3);
    assert_memory_equal(a, b, sizeof(b));
    assert_int_equal(pv_audience_digest(two, b, &n), PV_OK);
    assert_memory_equal(one, two, PV_SHA256_LEN);
    assert_int_equal(pv_sha256(want, &(pv_str_t) { b[0], sizeof(b) }, 1), PV_OK);
    assert_memory_equal(one, want, PV_SHA256_LEN);

    n = 0;
    assert_int_equal(pv_audience_digest(two, b, &n), PV_OK);
    assert_memory_not_equal(one, two, PV_SHA256_LEN);
}


static void
test_ids_and_cursors(void **state)
{
    char         source, id[PV_NOTICE_ID_SIZE], text[PV_CURSOR_MAX];
    size_t       i;
    uint32_t     number;
    pv_cursor_t  cursor;

    static const char *const  bad_ids[] = {
        "", "v", "n", "x1", "v0", "v01", "v4294967296", "v99999999999", "n1 ", "n-1", "V1"
    };
    static const char *const  bad_cursors[] = {
        "", "-", "7", "7-", "-3", "7-3-1", "07-3", "7-03", "4294967296-1", "1-4294967296", "7- 3", "7\n3", "a-b", "7-3 ",
        "99999999999999999999-1"
    };

    (void) state;

    assert_int_equal(pv_notice_id_read(&source, &number, pv_str("n4294967295")), PV_OK);
    assert_int_equal(source, 'n');
    assert_int_equal(number, UINT32_MAX);
    pv_notice_id_write(id, source, number);
    assert_string_equal(id, "n4294967295");

    for (i = 0; i < sizeof(bad_ids) / sizeof(bad_ids[0]); i++) {
        assert_int_equal(pv_notice_id_read(&source, &number, pv_str(bad_ids[i])), PV_INVALID);
    }

    assert_int_equal(pv_cursor_read(&cursor, pv_str("4294967295-0")), PV_OK);
    assert_int_equal(cursor.log, UINT32_MAX);
    assert_int_equal(cursor.number, 0);
    assert_int_equal(pv_cursor_write(text, cursor), 12);
    assert_string_equal(text, "4294967295-0");

    for (i = 0; i < sizeof(bad_cursors) / sizeof(bad_cursors[0]); i++) {
        cursor.log = cursor.number = 9;
        assert_int_equal(pv_cursor_read(&cursor, pv_str(bad_cursors[i])), PV_INVALID);
        assert_int_equal(cursor.log | cursor.number, 0);
    }
}


static void
read_pair(pv_notice_states_t *states, const char *field, const char *value)
{
    pv_notice_states_read(states, pv_str(field), pv_str(value));
}


static void
test_state_of_a_user(void **state)
{
    char                 field[PV_NOTICE_FIELD_MAX], value[PV_NOTICE_VALUE_MAX], id[PV_NOTICE_ID_SIZE];
    size_t               i, len;
    pv_notice_t          v7, n3;
    pv_notice_field_t    f, back;
    pv_notice_state_t    one;
    pv_notice_states_t   s;
    static const unsigned char  session[PV_SESSION_TAG_LEN] = { 0xab, 1, 2, 3, 4, 5, 6, 7 };
    static const unsigned char  other[PV_SESSION_TAG_LEN] = { 1 };
    static const unsigned char  none[PV_SESSION_TAG_LEN];

    (void) state;

    memset(&s, 0, sizeof(s));
    memset(&v7, 0, sizeof(v7));
    memset(&n3, 0, sizeof(n3));
    v7.kind = PV_NOTICE_CHANGE;
    v7.number = 7;
    n3.kind = PV_NOTICE_INCIDENT;
    n3.number = 3;

    strcpy(s.states[0].id, "v7");
    strcpy(s.states[1].id, "n3");
    s.count = 2;

    /* what is written is read, whatever the field */

    for (f = 0; f < PV_NOTICE_FIELDS; f++) {
        memset(&one, 0, sizeof(one));
        len = pv_notice_field_write(field, "v4294967295", f);
        assert_int_equal(len, strlen(field));
        assert_int_equal(pv_notice_field_read(id, &back, pv_str(field)), PV_OK);
        assert_int_equal(back, f);
        assert_string_equal(id, "v4294967295");
        len = pv_notice_value_write(value, f, UINT32_MAX, PV_ANSWER_DECLINED, session);
        assert_int_equal(len, strlen(value));
        assert_int_equal(pv_notice_state_set(&one, f, pv_str(value)), PV_OK);
        assert_int_equal(one.at[f], UINT32_MAX);
        assert_int_equal(one.answer, f == PV_NOTICE_ANSWER ? PV_ANSWER_DECLINED : 0);
    }

    assert_int_equal(pv_notice_value_write(value, PV_NOTICE_LATER, 17, 0, session), 19);
    assert_string_equal(value, "ab01020304050607 17");

    /* what is not ours is passed over */

    static const char *const  bad[][2] = {
        { "v7:seen", "" }, { "v7:seen", "0" }, { "v7:seen", "-1" }, { "v7:seen", "x" }, { "v7:seen", "4294967296" },
        { "v7:seen", "1 2" }, { "v7:answer", "agreed" }, { "v7:answer", "17" }, { "v7:answer", "maybe 17" },
        { "v7:later", "17" }, { "v7:later", "ab 17" }, { "v7:later", "AB01020304050607 17" }, { "v7:SEEN", "1" },
        { "v7", "1" }, { ":seen", "1" }, { "v07:seen", "1" }, { "", "" }, { "v7:acknowledged", "99999999999" }
    };

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        read_pair(&s, bad[i][0], bad[i][1]);
    }

    for (i = 0; i < PV_NOTICE_FIELDS; i++) {
        assert_int_equal(s.states[0].at[i] | s.states[1].at[i], 0);
    }

    assert_int_equal(s.changes_done, 0);
    assert_true(pv_notice_due(&v7, &s.states[0], 0, session, NOW));
    assert_true(pv_notice_due(&v7, NULL, 0, session, NOW));

    /* seen is not done; later holds in its session, without sessions for a day */

    read_pair(&s, "v7:written", "100");
    read_pair(&s, "v7:seen", "101");
    assert_true(pv_notice_due(&v7, &s.states[0], 0, session, NOW));
    read_pair(&s, "v7:later", "ab01020304050607 1000");
    assert_false(pv_notice_due(&v7, &s.states[0], 0, session, NOW));
    assert_true(pv_notice_due(&v7, &s.states[0], 0, other, 1001));
    assert_false(pv_notice_due(&v7, &s.states[0], 0, NULL, 1000 + PV_DAY - 1));
    assert_false(pv_notice_due(&v7, &s.states[0], 0, none, 1000 + PV_DAY - 1));
    assert_true(pv_notice_due(&v7, &s.states[0], 0, none, 1000 + PV_DAY));
    assert_true(pv_notice_due(&v7, &s.states[0], 0, NULL, 999));
    assert_false(pv_notice_done(&v7, &s.states[0], 0));

    /* a newer change that was answered closes the older ones, and nothing else */

    read_pair(&s, "v8:answer", "agreed 2000");
    assert_int_equal(s.changes_done, 8);
    assert_true(pv_notice_done(&v7, &s.states[0], s.changes_done));
    assert_true(pv_notice_due(&n3, &s.states[1], s.changes_done, session, NOW));
    read_pair(&s, "n9:acknowledged", "2000");
    assert_int_equal(s.changes_done, 8);
    read_pair(&s, "n3:acknowledged", "2001");
    assert_false(pv_notice_due(&n3, &s.states[1], s.changes_done, session, NOW));
    read_pair(&s, "v6:acknowledged", "2001");
    assert_int_equal(s.changes_done, 8);
}


static void
test_session_tag(void **state)
{
    unsigned char  a[PV_SESSION_TAG_LEN], b[PV_SESSION_TAG_LEN];
    static const unsigned char  none[PV_SESSION_TAG_LEN];

    (void) state;

    assert_int_equal(pv_session_tag(a, keys, site, subject, pv_str("s1")), PV_OK);
    assert_int_equal(pv_session_tag(b, rotated, site, subject, pv_str("s1")), PV_OK);
    assert_memory_equal(a, b, sizeof(a));
    assert_int_equal(pv_session_tag(b, keys, site, subject, pv_str("s2")), PV_OK);
    assert_memory_not_equal(a, b, sizeof(a));
    assert_int_equal(pv_session_tag(b, keys, site, other_subject, pv_str("s1")), PV_OK);
    assert_memory_not_equal(a, b, sizeof(a));
    assert_int_equal(pv_session_tag(b, keys, other_site, subject, pv_str("s1")), PV_OK);
    assert_memory_not_equal(a, b, sizeof(a));

    /* nobody's session still says whose it is */

    assert_int_equal(pv_session_tag(a, keys, site, subject, pv_str("")), PV_OK);
    assert_int_equal(pv_session_tag(b, keys, site, other_subject, pv_str("")), PV_OK);
    assert_memory_not_equal(a, b, sizeof(a));
    assert_memory_not_equal(a, none, sizeof(a));
}


/* A reader of event streams, as HTML has it: lines end with CR LF, LF or CR. Takes one event off; 0: there is none. */

typedef struct { char id[64], event[64], data[8192]; size_t events; } stream_t;


static void
dispatch(stream_t *s, const pv_buf_t *in)
{
    size_t  i, start, len, value;
    int     any;

    memset(s, 0, sizeof(*s));

    for (i = 0, start = 0, any = 0; i < in->len; i++) {
        if (in->data[i] != '\n' && in->data[i] != '\r') {
            continue;
        }

        len = i - start;

        if (len == 0) {
            s->events += (size_t) any;
            any = 0;

        } else if (in->data[start] != ':') {
            for (value = 0; value < len && in->data[start + value] != ':'; value++) { /* void */ }

            any |= strncmp((const char *) in->data + start, "data", value) == 0 && value == 4;
            value += 1 + (value + 1 < len && in->data[start + value + 1] == ' ');

            if (in->data[start] == 'd') {
                assert_int_equal(s->data[0], 0);        /* one data line an event */
                memcpy(s->data, in->data + start + value, len - value);
            } else if (in->data[start] == 'e') {
                memcpy(s->event, in->data + start + value, len - value);
            } else if (in->data[start] == 'i') {
                memcpy(s->id, in->data + start + value, len - value);
            }
        }

        i += in->data[i] == '\r' && i + 1 < in->len && in->data[i + 1] == '\n';
        start = i + 1;
    }

    assert_int_equal(start, in->len);
}


static void
test_no_text_forges_an_event(void **state)
{
    size_t            i;
    json_t           *root;
    pv_buf_t          out;
    stream_t          s;
    pv_notice_t       n;
    pv_notice_text_t  text;
    pv_str_t          purpose;

    static const char *const  nasty[] = {
        "\n\ndata: {\"id\":\"v9\"}\n\n", "\r\revent: closed\rdata: x\r\r", "\r\n\r\nid: 9-9\r\n", "a\ndata: b", ":\n",
        "\"}\n\n",
        "\xe2\x80\xa8\xe2\x80\xa9\xc2\x85", "\\n\\n", "</script>", "\x0b\x0c\x01", "\xff\xfe\n\n"
    };

    (void) state;

    for (i = 0; i < sizeof(nasty) / sizeof(nasty[0]); i++) {
        memset(&n, 0, sizeof(n));
        memset(&text, 0, sizeof(text));

        /* past what would have been refused */
        n.kind = i % 2 ? PV_NOTICE_CHANGE : PV_NOTICE_INCIDENT;
        strcpy(n.id, "n3");
        text.language = text.title = text.summary = purpose = n.effective_text = pv_str(nasty[i]);
        text.parts[0] = text.parts[1] = text.parts[2] = text.parts[3] = pv_str(nasty[i]);
        n.version = pv_str("2026-12");
        n.texts = &text;
        n.texts_count = 1;
        n.purposes = &purpose;
        n.purposes_count = 1;

        pv_buf_init(&out, 64 * 1024);
        pv_notice_event(&out, &n, 0, (pv_cursor_t) { 7, 3 }, NULL, text.parts);
        assert_false(out.failed);

        dispatch(&s, &out);
        assert_int_equal(s.events, 1);
        assert_string_equal(s.event, "notice");
        assert_string_equal(s.id, "7-3");

        root = json_loads(s.data, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(root);

        if (nasty[i][0] != '\xff') {
            assert_string_equal(json_string_value(json_object_get(root, "title")), nasty[i]);
        }

        assert_int_equal(json_array_size(json_object_get(root, "parts")), i % 2 ? 0 : 4);
        json_decref(root);
        pv_buf_free(&out);
    }

    pv_buf_init(&out, 1024);
    pv_notice_hello_event(&out, 3000, (const unsigned char *) "12345678", pv_str("\"language\":\"en\"\n\ndata: x"));
    assert_true(out.failed);
    pv_buf_free(&out);

    pv_buf_init(&out, 1024);
    pv_notice_hello_event(&out, 3000, (const unsigned char *) "12345678", pv_str("\"language\":\"en\""));
    dispatch(&s, &out);
    assert_string_equal(s.event, "hello");
    assert_string_equal(s.data, "{\"user\":\"3132333435363738\",\"language\":\"en\"}");
    pv_buf_free(&out);

    pv_buf_init(&out, 1024);
    pv_notice_closed_event(&out, "v7", "answered");
    dispatch(&s, &out);
    assert_string_equal(s.event, "closed");
    assert_string_equal(s.id, "");
    assert_string_equal(s.data, "{\"id\":\"v7\",\"why\":\"answered\"}");
    pv_buf_free(&out);
}


static void
test_what_an_event_says(void **state)
{
    json_t            *root, *want;
    pv_buf_t           out;
    stream_t           s;
    pv_notice_t       *n;
    pv_policy_t        policy;
    pv_purpose_t       purposes[2];
    pv_text_t          texts[1];
    pv_translation_t   title = { pv_string("en"), pv_string("Advertising") };

    (void) state;

    memset(&policy, 0, sizeof(policy));
    memset(purposes, 0, sizeof(purposes));
    memset(texts, 0, sizeof(texts));
    texts[0].language = pv_str("en");
    purposes[0].id = pv_str("ads");
    purposes[0].title = purposes[1].title = &title;
    purposes[0].separate = 1;
    purposes[0].asked_since = purposes[1].asked_since = 2;
    purposes[1].id = pv_str("necessary");
    purposes[1].necessary = 1;
    purposes[1].bit = 1;
    policy.purposes = purposes;
    policy.purposes_count = 2;
    policy.texts = texts;
    policy.texts_count = 1;

    n = change_of("{\"kind\":\"purposes\",\"purposes\":[\"necessary\",\"ads\",\"abroad\"],\"summary\":{"
                  "\"zh-CN\":\"\xe7\x94\xb2\",\"en\":\"More ads\"}}", "\"controller\"");
    pv_buf_init(&out, 4096);
    pv_notice_event(&out, n, 1, (pv_cursor_t) { 2, 0 }, &policy, NULL);
    dispatch(&s, &out);
    root = json_loads(s.data, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(root, "id")), "v2");
    assert_string_equal(json_string_value(json_object_get(root, "kind")), "change");
    assert_string_equal(json_string_value(json_object_get(root, "diff")), "diff/mine/2");
    assert_string_equal(json_string_value(json_object_get(root, "published")), "2026-12-01T00:00:00Z");
    assert_true(json_is_false(json_object_get(root, "reduces_rights")));
    want = json_pack("[{s:s, s:s, s:b}]", "id", "ads", "title", "Advertising", "separate", 1);
    assert_true(json_equal(json_object_get(root, "purposes"), want));       /* what an answer decides, and nothing else */
    json_decref(want);
    json_decref(root);
    pv_buf_free(&out);

    pv_buf_init(&out, 4096);
    pv_notice_json(&out, n, 0, NULL, NULL);
    root = json_loads((const char *) out.data, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(root, "language")), "zh-CN");
    assert_int_equal(json_array_size(json_object_get(root, "purposes")), 3);
    json_decref(root);
    pv_buf_free(&out);
    pv_notice_free(n);
}


/* 500 bytes of text do not become much more on the wire. */

static void
test_size_of_an_event(void **state)
{
    char                 draft[1024], text[501];
    pv_buf_t             out;
    pv_notice_t         *n;
    pv_notice_context_t  c;

    (void) state;

    memset(text, 'a', 500);
    text[500] = '\0';
    snprintf(draft, sizeof(draft), "{\"kind\":\"announcement\",\"texts\":{\"en\":{\"title\":\"News\",\"summary\":"
             "\"%s\"}}}", text);
    c = context_of(PV_AUDIENCE_USERS);
    n = sealed_as(&c, draft, NULL);

    pv_buf_init(&out, 4096);
    pv_notice_event(&out, n, 0, (pv_cursor_t) { 7, 3 }, NULL, NULL);
    assert_in_range(out.len, 500, 660);
    pv_buf_free(&out);
    pv_notice_free(n);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_sealed_and_opened),
        cmocka_unit_test(test_altered),
        cmocka_unit_test(test_signed_nonsense),
        cmocka_unit_test(test_drafts),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_retraction),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_change_half_translated),
        cmocka_unit_test(test_language),
        cmocka_unit_test(test_addressed),
        cmocka_unit_test(test_audience_digest),
        cmocka_unit_test(test_ids_and_cursors),
        cmocka_unit_test(test_state_of_a_user),
        cmocka_unit_test(test_session_tag),
        cmocka_unit_test(test_no_text_forges_an_event),
        cmocka_unit_test(test_what_an_event_says),
        cmocka_unit_test(test_size_of_an_event)
    };

    return cmocka_run_group_tests(tests, keys_fixture_setup, keys_fixture_teardown);
}
