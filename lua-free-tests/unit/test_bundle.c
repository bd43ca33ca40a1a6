/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bundle_fixture.h"
#include "pv_gate.h"
#include "pv_head.h"

#define EARLY  "2026-12-01T00:00:00Z"
#define LATER  "2026-12-20T00:00:00+08:00"


static char *
plain(void)
{
    return fixture_json("v1", EARLY, "", fixture_purposes);
}


/* One thing is replaced in a policy that is in order: exactly this has to be found. */
static void
test_every_rule_has_a_message(void **state)
{
    size_t          i;
    char           *json, *broken;
    pv_buf_t        out;
    pv_problems_t   problems;

    static const struct { const char *from, *to, *field, *reason; }  rules[] = {
        { "\"version\":\"v1\"", "\"version\":\"v 1\"", "version", "letters, digits" },
        { "\"version\":\"v1\"", "\"version\":\"current\"", "version", "cannot" },
        { "\"version\":\"v1\",", "", "version", "is missing" },
        { "2026-12-01T00:00:00Z", "2026-12-01", "effective", "RFC 3339" },
        { "2026-12-01T00:00:00Z", "2026-02-30T00:00:00Z", "effective", "RFC 3339" },
        { "[\"zh-CN\",\"en\"]", "[]", "languages", "1 to 32" },
        { "[\"zh-CN\",\"en\"]", "[\"zh-CN\",\"zh-cn\",\"en\"]", "languages[1]", "twice" },
        { "[\"zh-CN\",\"en\"]", "[\"zh-CN\",\"../x\"]", "languages[1]", "language tag" },
        { "[\"zh-CN\",\"en\"]", "[\"zh-CN\",\"en\",\"fr\"]", "languages", "policy.fr.md" },
        { "[\"zh-CN\",\"en\"]", "[\"zh-CN\"]", NULL, "not among the languages" },
        { ",\"mail\":\"p@shop.example\"", "", "controller", "needs a contact" },
        { "\"controller\"", "\"choice_days\":401,\"controller\"", "choice_days", "1 to 400" },
        { "\"controller\"", "\"choice_days\":\"x\",\"controller\"", "choice_days", "whole number" },
        { "\"controller\"", "\"chioce_days\":1,\"controller\"", "chioce_days", "known" },
        { "\"id\":\"ads\"", "\"id\":\"Ads\"", "purposes[2].id", "a-z" },
        { "\"id\":\"ads\"", "\"id\":\"analytics\"", "purposes[2].id", "another" },
        { "\"title\":{\"zh-CN\":\"N\",", "\"title\":{", "purposes[0].title.zh-CN", "default language" },
        { "\"en\":\"Needed\"", "\"fr\":\"N\"", "purposes[0].title.fr", "languages" },
        { ",\"exempt_reason\":\"contract\"", "", "purposes[0].exempt_reason", "is missing" },
        { "\"sessionid\"", "\"*\"", "purposes[0].cookies[0].name", "every cookie" },
        { "\"sessionid\"", "\"a*b\"", "purposes[0].cookies[0].name", "ends" },
        { "\"sessionid\"", "\"a b\"", "purposes[0].cookies[0].name", "no cookie name" },
        { "\"sessionid\"", "\"__Host-privacy\"", "purposes[0].cookies[0].name", "belongs to this module" },
        { "\"path\":\"/\"", "\"path\":\"x\"", "purposes[0].cookies[0]", "path" },
        { ".shop.example", "shop..example", "purposes[2].cookies[0]", "domain" },
        { "stats.example.net", "https://stats.example.net", "purposes[1].sources[0]", "host" },
        { "[\"acme\"]", "[\"acme\",\"nobody\"]", "purposes[2].recipients[1]", "no recipient" },
        { "\"name\":\"Acme\",", "", "recipients[0].name", "is missing" },
        { "\"country\":\"China\"", "\"policy\":\"javascript:alert(1)\"", "recipients[0].policy", "https://" },
        { "\"changes\":[]", "\"changes\":[{}]", "changes[0].kind", "is missing" },
        { "\"changes\":[]", "\"changes\":[{\"kind\":\"big\"}]", "changes[0].kind", "has to be" },
        { "\"changes\":[]", "\"changes\":[{\"kind\":\"risk\"}]", "changes[0].summary", "is missing" },
        { "\"changes\":[]", "\"changes\":[{\"kind\":\"editorial\",\"purposes\":[\"x\"]}]", "changes[0].purposes[0]",
          "no such purpose" },
        { "\"name\":\"Shop\"", "\"name\":\"Sh\xe2\x80\xaeop\"", "controller.name", "bidirectional" },
        { "\"name\":\"Shop\"", "\"name\":\"Sh\\u001bop\"", "controller.name", "control character" },
        { "\"name\":\"Shop\"", "\"name\":\"Sh\xff\"", NULL, "is not JSON" },
        { "\"name\":\"Shop\"", "\"name\":\"Shop\",\"name\":\"x\"", NULL, "is not JSON" }
    };

    (void) state;
    json = plain();

    for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        broken = fixture_replace(json, rules[i].from, rules[i].to);
        pv_buf_init(&out, PV_SEALED_MAX);
        pv_problems_init(&problems);

        assert_int_equal(fixture_seal(&out, broken, NULL, NULL, &problems), PV_INVALID);
        assert_int_equal(out.len, 0);

        if (!fixture_has(&problems, rules[i].field, rules[i].reason)) {
            fail_msg("rule %zu (%s): said otherwise: %s: %s", i, rules[i].reason,
                     problems.count ? problems.list[0].field : "", problems.count ? problems.list[0].reason : "");
        }

        pv_problems_free(&problems);
        pv_buf_free(&out);
        free(broken);
    }

    free(json);
}


static void
test_all_errors_at_once_with_file_and_line(void **state)
{
    char           *json, *a, *b;
    pv_buf_t        out;
    pv_problems_t   problems;

    (void) state;

    json = plain();
    a = fixture_replace(json, "sessionid", "a b");
    b = fixture_replace(a, "\"id\":\"ads\"", "\"id\":\"ADS\"");

    pv_buf_init(&out, PV_SEALED_MAX);
    pv_problems_init(&problems);

    assert_int_equal(fixture_seal(&out, b, NULL, NULL, &problems), PV_INVALID);
    assert_int_equal(problems.errors, 2);
    assert_string_equal(problems.list[0].file, "policy.json");
    pv_problems_free(&problems);

    pv_problems_init(&problems);
    assert_int_equal(fixture_seal(&out, "{\n\n\"version\": }", NULL, NULL, &problems), PV_INVALID);
    assert_int_equal(problems.list[0].line, 3);
    pv_problems_free(&problems);

    pv_buf_free(&out);
    free(json);
    free(a);
    free(b);
}


static void
test_what_is_sealed_opens(void **state)
{
    char         *json;
    pv_policy_t  *policy;

    (void) state;

    json = plain();
    policy = fixture_policy(json, NULL);

    assert_int_equal(policy->sequence, 1);
    assert_true(pv_str_eqs(policy->version, "v1"));
    assert_int_equal(policy->effective, FIXTURE_NOW);
    assert_int_equal(policy->published, FIXTURE_NOW);
    assert_int_equal(policy->choice_days, 180);
    assert_int_equal(policy->texts_count, 2);
    assert_true(pv_str_eqs(policy->texts[1].title, "Policy"));
    assert_non_null(strstr((const char *) policy->texts[1].html.data, "<p>Text</p>"));
    assert_int_equal(policy->purposes_count, 4);
    assert_int_equal(policy->all, 0x0f);
    assert_int_equal(policy->necessary, 0x01);
    assert_int_equal(policy->separate, 0x08);

    /* A missing translation is the default language's and says so. */
    assert_true(pv_str_eqs(pv_translation(policy, policy->purposes[0].title, 1), "Needed"));
    assert_true(pv_str_eqs(pv_translation(policy, policy->purposes[1].title, 1), "A"));
    assert_true(pv_str_eqs(policy->purposes[1].title[1].language, "zh-CN"));

    assert_int_equal(pv_gate_purposes(policy->gate, pv_str("sessionid")), 0x01);
    assert_int_equal(pv_gate_purposes(policy->gate, pv_str("_ga_123")), 0x02);
    assert_int_equal(pv_gate_purposes(policy->gate, pv_str("mystery")), 0);
    assert_true(pv_str_eqs(policy->cookies[pv_gate_declaration(policy->gate, pv_str("uid"))].domain,
                           ".shop.example"));

    pv_policy_free(policy);
    free(json);
}


static void
test_altered_truncated_and_foreign_ones_do_not_open(void **state)
{
    size_t          i;
    char           *json;
    pv_str_t        site, s;
    pv_buf_t        sealed;
    pv_policy_t    *policy;
    pv_problems_t   problems;
    unsigned char   pub[PV_ED25519_PUBLIC];

    (void) state;

    json = plain();
    site = pv_str("shop");
    pv_buf_init(&sealed, PV_SEALED_MAX);
    pv_problems_init(&problems);
    fixture_public(pub);
    assert_int_equal(fixture_seal(&sealed, json, NULL, NULL, &problems), PV_OK);

    for (i = 0; i < sealed.len; i++) {
        s = (pv_str_t) { sealed.data, i };
        assert_int_equal(pv_policy_open(&policy, s, site, pub, &problems), PV_INVALID);
        assert_null(policy);
    }

    s = (pv_str_t) { sealed.data, sealed.len };

    for (i = 0; i < sealed.len; i++) {
        sealed.data[i] ^= (unsigned char) (1 << (i % 8));
        assert_int_equal(pv_policy_open(&policy, s, site, pub, &problems), PV_INVALID);
        sealed.data[i] ^= (unsigned char) (1 << (i % 8));
    }

    assert_int_equal(pv_policy_open(&policy, s, pv_str("other"), pub, &problems), PV_INVALID);
    assert_int_equal(pv_policy_open(&policy, s, pv_str("shop\n"), pub, &problems), PV_INVALID);

    pub[3] ^= 1;
    assert_int_equal(pv_policy_open(&policy, s, site, pub, &problems), PV_INVALID);
    pub[3] ^= 1;

    assert_int_equal(pv_policy_open(&policy, s, site, pub, &problems), PV_OK);
    pv_policy_free(policy);

    pv_problems_free(&problems);
    pv_buf_free(&sealed);
    free(json);
}


/*
 * The entry again with a replaced by b, in its head or in what it declares; the digests that follow from that are made
 * to fit. It is not signed again. To be freed.
 */
static pv_buf_t
altered(const pv_buf_t *sealed, const char *a, const char *b)
{
    char           *head, *declared, *changed, *with, *part, hex[2 * PV_SHA256_LEN + 1], now[128], was[128];
    pv_buf_t        out;
    pv_str_t        signature, text, bodies, one;
    pv_head_t      *opened;
    pv_problems_t   problems;
    unsigned char   digest[PV_SHA256_LEN];

    pv_problems_init(&problems);
    one = (pv_str_t) { sealed->data, sealed->len };
    assert_int_equal(pv_head_open(&opened, one, pv_str("shop"), NULL, &problems), PV_OK);
    assert_int_equal(pv_sealed_split(one, &signature, &text, &bodies, NULL), PV_OK);

    head = strndup((const char *) text.data, text.len);
    declared = strndup((const char *) bodies.data, opened->declared.size);

    if (strstr(head, a) != NULL) {
        with = fixture_replace(head, a, b);
        changed = strdup(declared);

    } else {
        changed = fixture_replace(declared, a, b);
        one = pv_str(changed);
        assert_int_equal(pv_sha256(digest, &one, 1), PV_OK);
        pv_hex_encode(hex, opened->declared.digest, PV_SHA256_LEN);
        hex[2 * PV_SHA256_LEN] = '\0';
        snprintf(was, sizeof(was), "{\"sha256\":\"%s\",\"size\":%u}", hex, (unsigned) opened->declared.size);
        pv_hex_encode(hex, digest, PV_SHA256_LEN);
        snprintf(now, sizeof(now), "{\"sha256\":\"%s\",\"size\":%zu}", hex, strlen(changed));
        part = fixture_replace(head, was, now);
        with = part;
    }

    pv_buf_init(&out, PV_SEALED_MAX);
    pv_buf_add(&out, sealed->data, (size_t) (text.data - sealed->data));
    pv_buf_puts(&out, with);
    pv_buf_puts(&out, "\n");
    pv_buf_puts(&out, changed);
    pv_buf_add(&out, bodies.data + opened->declared.size, bodies.len - opened->declared.size);

    pv_problems_free(&problems);
    pv_head_free(opened);
    free(changed);
    free(declared);
    free(with);
    free(head);

    return out;
}


/* Behind the signature nothing is taken on trust either. */
static void
test_an_entry_is_checked_field_by_field(void **state)
{
    size_t          i;
    char           *json;
    pv_buf_t        sealed, broken;
    pv_policy_t    *policy;
    pv_problems_t   problems;

    static const struct { const char *from, *to, *field; }  changes[] = {
        { "\"format\":1", "\"format\":2", "format" },
        { "\"kind\":\"version\"", "\"kind\":\"withdrawal\"", NULL },
        { "\"kind\":\"version\"", "\"kind\":\"note\"", "kind" },
        { "\"sequence\":1", "\"sequence\":0", "sequence" },
        { "\"sequence\":1", "\"sequence\":2", "previous" },
        { "\"sequence\":1", "\"sequence\":1.0", "sequence" },
        { "\"site\":\"shop\"", "\"site\":\"shop2\"", "site" },
        { "\"published\":", "\"published\":-", "published" },
        { "\"abroad\":3", "\"abroad\":2", "bits" },
        { "\"abroad\":3", "\"abroad\":64", "bits" },
        { "\"abroad\":3", "\"abroad\":-1", "bits" },
        { "\"abroad\":3,", "", "asked_since" },
        { "\"analytics\":1,\"necessary\":0}", "\"analytics\":2,\"necessary\":0}", "bits" },
        { "\"asked_since\":{\"abroad\":1,", "\"asked_since\":{", NULL },
        { "\"asked_since\":{\"abroad\":1,", "\"asked_since\":{\"abroad\":2,", "asked_since" },
        { "\"asked_since\":{\"abroad\":1,", "\"asked_since\":{\"abroad\":1,\"x\":1,", "asked_since" },
        { "\"title\":\"Policy\"", "\"titel\":\"Policy\"", "texts" },
        { "\"title\":\"Policy\"", "\"title\":\"Pol\\u202eicy\"", "texts" },
        { "\"texts\":{\"en\":", "\"texts\":{\"fr\":", "texts" },
        { "{\"asked_since\"", "{\"amore\":1,\"asked_since\"", "amore" },
        { "\"changes\":[]", "\"changes\":[{\"kind\":\"editorial\"}]", "changes" },
        { "\"effective\":\"2026-12-01T00:00:00Z\"", "\"effective\":\"2026-12-02T00:00:00Z\"", "effective" },
        { "\"languages\":[\"zh-CN\",\"en\"]", "\"languages\":[\"en\",\"zh-CN\"]", NULL },
        { "\"reduces_rights\":false", "\"reduces_rights\":true", "reduces_rights" },
        { "\"version\":\"v1\"", "\"version\":\"v2\"", "version" },
        { "\"version\":\"v1\"", "\"version\":\"../v\"", "version" },
        { "\"size\":", "\"size\":1", NULL },
        { "\"key\":\"", "\"key\":\"A", "key" },
        { "\"format\":1", "\"format\": 1", NULL },
        { "\"format\":1,", "\"format\":1,\"format\":1,", NULL },
        { "\"kind\":\"version\"", "\"kind\":\"v\\u0065rsion\"", NULL },
        /* These are declared. */
        { "\"sessionid\"", "\"*\"", "purposes[0].cookies[0].name" },
        { "\"controller\"", "\"choice_days\":0,\"controller\"", NULL },
        { "{\"changes\"", "{ \"changes\"", NULL },
        { "\"id\":\"ads\"", "\"id\":\"adz\"", NULL }
    };

    (void) state;

    json = plain();
    pv_buf_init(&sealed, PV_SEALED_MAX);
    pv_problems_init(&problems);
    assert_int_equal(fixture_seal(&sealed, json, NULL, NULL, &problems), PV_OK);
    assert_int_equal(pv_policy_parse(&policy, (pv_str_t) { sealed.data, sealed.len }, pv_str("shop"), &problems),
                     PV_OK);
    pv_policy_free(policy);
    pv_problems_free(&problems);

    for (i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        broken = altered(&sealed, changes[i].from, changes[i].to);
        pv_problems_init(&problems);

        if (pv_policy_parse(&policy, (pv_str_t) { broken.data, broken.len }, pv_str("shop"), &problems)
            != PV_INVALID)
        {
            fail_msg("%s was taken", changes[i].to);
        }

        if (!fixture_has(&problems, changes[i].field, "")) {
            fail_msg("%s: said otherwise: %s: %s", changes[i].to, problems.count ? problems.list[0].field : "",
                     problems.count ? problems.list[0].reason : "");
        }

        pv_problems_free(&problems);
        pv_buf_free(&broken);
    }

    pv_buf_free(&sealed);
    free(json);
}


static void
follows(const pv_policy_t *previous, const char *version, const char *effective, const char *changes,
    const char *urgent, const char *field)
{
    int             rc;
    char           *json;
    pv_buf_t        out;
    pv_problems_t   problems;

    json = fixture_json(version, effective, changes, fixture_purposes);
    pv_buf_init(&out, PV_SEALED_MAX);
    pv_problems_init(&problems);

    rc = fixture_seal(&out, json, previous, urgent, &problems);

    assert_int_equal(rc, field != NULL ? PV_INVALID : PV_OK);
    assert_true(field == NULL || fixture_has(&problems, field, ""));

    pv_problems_free(&problems);
    pv_buf_free(&out);
    free(json);
}


static void
test_a_version_fits_the_one_before(void **state)
{
    char         *json;
    pv_policy_t  *v1;

    static const char  editorial[] = "{\"kind\":\"editorial\"}";
    static const char  contact[] = "{\"kind\":\"contact\",\"summary\":{\"zh-CN\":\"s\",\"en\":\"s\"}}";

    (void) state;

    json = plain();
    v1 = fixture_policy(json, NULL);

    follows(v1, "v2", EARLY, editorial, NULL, NULL);
    follows(v1, "v1", EARLY, editorial, NULL, "version");
    follows(v1, "v2", "2026-11-30T23:59:59Z", editorial, NULL, "effective");
    follows(v1, "v2", EARLY, "", NULL, "changes");
    follows(v1, "v2", EARLY, contact, NULL, "effective");
    follows(v1, "v2", EARLY, contact, "a court said so", NULL);
    follows(v1, "v2", LATER, contact, NULL, NULL);
    follows(v1, "v2", "2026-12-08T00:00:00Z", contact, NULL, NULL);
    follows(v1, "v2", "2026-12-07T23:59:59Z", contact, NULL, "effective");
    follows(v1, "v2", EARLY, contact, "", "urgent");

    pv_policy_free(v1);
    free(json);
}


/* A text is in force from when it is published, whatever it says; only what came before us may be older. */
static void
test_nothing_takes_effect_before_it_is_published(void **state)
{
    char         *json;
    pv_policy_t  *v1;

    static const char  editorial[] = "{\"kind\":\"editorial\"}";

    (void) state;

    follows(NULL, "v1", "2019-01-01T00:00:00Z", "", NULL, NULL);

    json = fixture_json("v1", "2019-01-01T00:00:00Z", "", fixture_purposes);
    v1 = fixture_policy(json, NULL);

    follows(v1, "v2", "2026-11-29T23:59:59Z", editorial, NULL, "effective");
    follows(v1, "v2", "2026-11-30T00:00:00Z", editorial, NULL, NULL);
    follows(v1, "v2", "2026-11-01T00:00:00Z", editorial, "a court said so", NULL);

    pv_policy_free(v1);
    free(json);
}


/* v1 -> purposes with a replaced by b, declared with changes: which version is that purpose asked since? 0: refused. */
static uint32_t
asked_since(const char *a, const char *b, const char *changes, const char *id)
{
    char            *json, *purposes, *first;
    uint32_t         since;
    pv_buf_t         out;
    pv_policy_t     *v1, *v2;
    pv_problems_t    problems;

    first = plain();
    v1 = fixture_policy(first, NULL);
    purposes = fixture_replace(fixture_purposes, a, b);
    json = fixture_json("v2", EARLY, changes, purposes);
    since = 0;

    pv_buf_init(&out, PV_SEALED_MAX);
    pv_problems_init(&problems);

    if (fixture_seal(&out, json, v1, "test", &problems) == PV_OK) {
        v2 = fixture_policy(json, v1);
        since = pv_policy_purpose(v2, pv_str(id))->asked_since;
        assert_memory_equal(v2->previous, v1->digest, PV_SHA256_LEN);
        pv_policy_free(v2);
    }

    pv_problems_free(&problems);
    pv_buf_free(&out);
    pv_policy_free(v1);
    free(purposes);
    free(first);
    free(json);

    return since;
}


static void
test_only_what_changed_is_asked_again(void **state)
{
    static const char  editorial[] = "{\"kind\":\"editorial\"}";
    static const char  risk[] = "{\"kind\":\"risk\",\"summary\":{\"zh-CN\":\"s\",\"en\":\"s\"}}";
    static const char  more[] = "{\"kind\":\"purposes\",\"summary\":{\"zh-CN\":\"s\",\"en\":\"s\"}}";
    static const char  ads[] = "{\"kind\":\"purposes\",\"purposes\":[\"ads\"],\"summary\":{\"zh-CN\":\"s\",\"en\":\"s\"}}";
    static const char  both[] = "{\"kind\":\"risk\",\"summary\":{\"zh-CN\":\"s\",\"en\":\"s\"}},"
                                "{\"kind\":\"editorial\",\"purposes\":[\"ads\"]}";

    (void) state;

    /* Named, without any difference in what is declared. */
    assert_int_equal(asked_since("\"90 d\"", "\"90 d\"", ads, "ads"), 2);
    assert_int_equal(asked_since("\"90 d\"", "\"90 d\"", ads, "analytics"), 1);
    assert_int_equal(asked_since("\"90 d\"", "\"90 d\"", risk, "ads"), 1);

    /* Words: editorial or not. */
    assert_int_equal(asked_since("\"title\":\"Ads\"", "\"title\":\"Adverts\"", editorial, "ads"), 1);
    assert_int_equal(asked_since("\"title\":\"Ads\"", "\"title\":\"Adverts\"", risk, "ads"), 2);
    assert_int_equal(asked_since("\"title\":\"Ads\"", "\"title\":\"Adverts\"", both, "ads"), 1);
    /* The same words said by language, and a translation added: nobody is asked again. */
    assert_int_equal(asked_since("\"title\":\"Ads\"", "\"title\":{\"zh-CN\":\"Ads\",\"en\":\"x\"}", risk, "ads"), 1);

    /* What is machine-readable is never editorial. */
    assert_int_equal(asked_since("\"uid\"", "\"uid*\"", editorial, "ads"), 0);
    assert_int_equal(asked_since("\"uid\"", "\"uid*\"", both, "ads"), 0);
    assert_int_equal(asked_since("\"uid\"", "\"uid*\"", more, "ads"), 2);
    assert_int_equal(asked_since("\"stats.example.net\"", "\"*.example.net\"", more, "analytics"), 2);
    assert_int_equal(asked_since("\"separate\":true", "\"separate\":false", editorial, "abroad"), 0);
    assert_int_equal(asked_since("[\"acme\"]", "[]", more, "ads"), 2);

    /* A new purpose. */
    assert_int_equal(asked_since("\"id\":\"ads\"", "\"id\":\"adverts\"", more, "adverts"), 2);
}


/* v1 -> json with a replaced by b, declared with one change of that kind: what is said of it; NULL: it is published. */
static void
uncovered(const char *a, const char *b, const char *kind, const char *field, const char *reason)
{
    char            *first, *json, *second, *change;
    pv_buf_t         out;
    pv_policy_t     *v1;
    pv_problems_t    problems;

    first = plain();
    v1 = fixture_policy(first, NULL);
    assert_true(asprintf(&change, "{\"kind\":\"%s\",\"summary\":{\"zh-CN\":\"s\",\"en\":\"s\"}}", kind) > 0);
    json = fixture_json("v2", EARLY, change, fixture_purposes);
    second = fixture_replace(json, a, b);

    pv_buf_init(&out, PV_SEALED_MAX);
    pv_problems_init(&problems);

    assert_int_equal(fixture_seal(&out, second, v1, "test", &problems), reason != NULL ? PV_INVALID : PV_OK);
    if (reason != NULL && !fixture_has(&problems, field, reason)) {
        fail_msg("%s: %s", problems.list[0].field, problems.list[0].reason);
    }

    assert_true(reason == NULL || out.len == 0);

    pv_problems_free(&problems);
    pv_buf_free(&out);
    pv_policy_free(v1);
    free(second);
    free(change);
    free(first);
    free(json);
}


static void
test_a_difference_needs_its_kind(void **state)
{
    static const char  acme[] = "\"recipients\":[{\"id\":\"acme\"";
    static const char  both[] = "\"recipients\":[{\"id\":\"other\",\"name\":\"O\",\"data\":\"d\",\"use\":\"u\"},"
                                "{\"id\":\"acme\"";

    (void) state;

    uncovered(acme, both, "editorial", "recipients[0]", "of kind recipients, and changes declares editorial only");
    uncovered(acme, both, "contact", "recipients[0]", "recipients added, \"other\"");
    uncovered(acme, both, "recipients", NULL, NULL);

    uncovered("p@shop.example", "q@shop.example", "editorial", "controller.mail", "\"p@shop.example\" is now \"q@");
    uncovered("p@shop.example", "q@shop.example", "contact", NULL, NULL);
    uncovered("\"name\":\"Shop\"", "\"name\":\"Store\"", "contact", "controller.name", "of kind organisation");

    uncovered("\"changes\"", "\"choice_days\":90,\"changes\"", "editorial", "choice_days", "purposes or rights");
    uncovered("\"changes\"", "\"reduces_rights\":true,\"changes\"", "purposes", "reduces_rights", "of kind rights");
    uncovered("\"90 d\"", "\"91 d\"", "contact", "purposes[2].retention", "\"90 d\" is now \"91 d\"");
    uncovered("\"path\":\"/\"", "\"path\":\"/x\"", "risk", "purposes[0]", "of kind purposes");
    uncovered("\"stats.example.net\"", "\"s.example.net\"", "contact", "purposes[1]", "sources");
}


static void
test_a_bit_is_never_used_again(void **state)
{
    char         *json, *without, *again, *renamed;
    pv_policy_t  *v1, *v2, *v3;

    static const char  changed[] = "{\"kind\":\"purposes\",\"summary\":{\"zh-CN\":\"s\",\"en\":\"s\"}}";

    (void) state;

    json = plain();
    v1 = fixture_policy(json, NULL);
    assert_int_equal(pv_policy_purpose(v1, pv_str("ads"))->bit, 2);

    renamed = fixture_replace(fixture_purposes, "\"id\":\"ads\"", "\"id\":\"social\"");
    without = fixture_json("v2", EARLY, changed, renamed);
    v2 = fixture_policy(without, v1);
    assert_int_equal(pv_policy_purpose(v2, pv_str("social"))->bit, 4);
    assert_null(pv_policy_purpose(v2, pv_str("ads")));
    assert_int_equal(v2->bits_count, 5);
    assert_int_equal(v2->all & 0x04, 0);

    /* Back again: its own bit, but asked anew. */
    again = fixture_json("v3", EARLY, changed, fixture_purposes);
    v3 = fixture_policy(again, v2);
    assert_int_equal(pv_policy_purpose(v3, pv_str("ads"))->bit, 2);
    assert_int_equal(pv_policy_purpose(v3, pv_str("ads"))->asked_since, 3);
    assert_int_equal(pv_policy_purpose(v3, pv_str("analytics"))->asked_since, 1);

    pv_policy_free(v1);
    pv_policy_free(v2);
    pv_policy_free(v3);
    free(json);
    free(without);
    free(again);
    free(renamed);
}


static void
test_sixty_four_purposes_in_a_life(void **state)
{
    int             i;
    char            one[128];
    char           *first, *second;
    pv_buf_t        list, out;
    pv_policy_t    *v1;
    pv_problems_t   problems;

    (void) state;

    pv_buf_init(&list, 65536);
    for (i = 0; i < 64; i++) {
        snprintf(one, sizeof(one), "%s{\"id\":\"p%d\",\"title\":\"t\",\"text\":\"t\"}", i ? "," : "", i);
        pv_buf_puts(&list, one);
    }

    first = fixture_json("v1", EARLY, "", (const char *) list.data);
    v1 = fixture_policy(first, NULL);
    assert_true(v1->all == UINT64_MAX);

    second = fixture_json("v2", EARLY, "{\"kind\":\"editorial\"}", fixture_purposes);
    pv_buf_init(&out, PV_SEALED_MAX);
    pv_problems_init(&problems);
    assert_int_equal(fixture_seal(&out, second, v1, "x", &problems), PV_INVALID);
    assert_true(fixture_has(&problems, "purposes[0]", "none is left"));

    pv_problems_free(&problems);
    pv_policy_free(v1);
    pv_buf_free(&out);
    pv_buf_free(&list);
    free(first);
    free(second);
}


static void
test_texts_are_canonical(void **state)
{
    char                *json, *one;
    pv_policy_t         *policy;
    pv_problems_t        problems;
    pv_bundle_text_t     text;
    pv_bundle_source_t   source;

    (void) state;

    one = plain();
    json = fixture_replace(one, "[\"zh-CN\",\"en\"]", "[\"zh-CN\"]");
    free(one);
    one = fixture_replace(json, ",\"en\":\"Needed\"", "");
    free(json);
    json = one;

    source = (pv_bundle_source_t) { pv_str(json), "policy.json", &text, 1 };
    text.language = pv_str("zh-CN");
    text.file = "policy.zh-CN.md";

    pv_problems_init(&problems);

    text.bytes = pv_str("\xef\xbb\xbf# A\r\n\r\nx");
    assert_int_equal(pv_bundle_check(&source, NULL, &problems), PV_OK);

    text.bytes = pv_str("# A\n\nl\xe2\x80\xaeine");
    assert_int_equal(pv_bundle_check(&source, NULL, &problems), PV_INVALID);
    assert_int_equal(problems.list[problems.count - 1].line, 3);

    text.bytes = pv_str("# A\n\nx&#x202E;y");
    assert_int_equal(pv_bundle_check(&source, NULL, &problems), PV_INVALID);

    text.bytes = pv_str("# A\n\n\xc3(");
    assert_int_equal(pv_bundle_check(&source, NULL, &problems), PV_INVALID);

    text.bytes = pv_str("no heading");
    assert_int_equal(pv_bundle_check(&source, NULL, &problems), PV_INVALID);

    pv_problems_free(&problems);
    free(json);

    /* Decomposed and composed spelling are one. */
    one = plain();
    json = fixture_replace(one, "\"name\":\"Shop\"", "\"name\":\"Cafe\xcc\x81\"");
    policy = fixture_policy(json, NULL);
    assert_true(pv_str_eqs(policy->controller.name, "Caf\xc3\xa9"));
    pv_policy_free(policy);
    free(json);
    free(one);
}


/* What changed without being named is asked for again, but is not what who agrees agrees to; until it is named. */

static void
test_unnamed(void **state)
{
    char         *json;
    pv_policy_t  *v[4];
    char         *purposes;

#define WORDS  "{\"zh-CN\":\"s\",\"en\":\"s\"}"
    static const char  ads[] = "{\"kind\":\"purposes\",\"purposes\":[\"ads\"],\"summary\":" WORDS "},"
                               "{\"kind\":\"recipients\",\"summary\":" WORDS "}";
    static const char  typo[] = "{\"kind\":\"editorial\",\"summary\":" WORDS "}";
    static const char  named[] = "{\"kind\":\"purposes\",\"purposes\":[\"analytics\"],\"summary\":" WORDS "}";

    (void) state;

    purposes = fixture_replace(fixture_purposes, "stats.example.net", "other.example.net");

    json = fixture_json("1", "2026-12-01T00:00:00Z", "", fixture_purposes);
    v[0] = fixture_policy(json, NULL);
    free(json);
    json = fixture_json("2", "2026-12-02T00:00:00Z", ads, purposes);
    v[1] = fixture_policy(json, v[0]);
    free(json);
    json = fixture_json("3", "2026-12-03T00:00:00Z", typo, purposes);
    v[2] = fixture_policy(json, v[1]);
    free(json);
    json = fixture_json("4", "2026-12-04T00:00:00Z", named, purposes);
    v[3] = fixture_policy(json, v[2]);
    free(json);
    free(purposes);

    assert_int_equal(pv_policy_purpose(v[1], pv_str("analytics"))->asked_since, 2);
    assert_true(pv_policy_purpose(v[1], pv_str("analytics"))->unnamed);
    assert_false(pv_policy_purpose(v[1], pv_str("ads"))->unnamed);
    assert_int_equal(pv_policy_changed_by(v[1], 2), 1u << pv_policy_purpose(v[1], pv_str("ads"))->bit);

    assert_int_equal(pv_policy_purpose(v[2], pv_str("analytics"))->asked_since, 2);
    assert_true(pv_policy_purpose(v[2], pv_str("analytics"))->unnamed);
    assert_int_equal(pv_policy_changed_by(v[2], 2), 1u << pv_policy_purpose(v[2], pv_str("ads"))->bit);

    assert_false(pv_policy_purpose(v[3], pv_str("analytics"))->unnamed);
    assert_int_equal(pv_policy_changed_by(v[3], 4), 1u << pv_policy_purpose(v[3], pv_str("analytics"))->bit);

    pv_policy_free(v[0]);
    pv_policy_free(v[1]);
    pv_policy_free(v[2]);
    pv_policy_free(v[3]);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_every_rule_has_a_message),
        cmocka_unit_test(test_all_errors_at_once_with_file_and_line),
        cmocka_unit_test(test_what_is_sealed_opens),
        cmocka_unit_test(test_unnamed),
        cmocka_unit_test(test_altered_truncated_and_foreign_ones_do_not_open),
        cmocka_unit_test(test_an_entry_is_checked_field_by_field),
        cmocka_unit_test(test_a_version_fits_the_one_before),
        cmocka_unit_test(test_nothing_takes_effect_before_it_is_published),
        cmocka_unit_test(test_only_what_changed_is_asked_again),
        cmocka_unit_test(test_a_difference_needs_its_kind),
        cmocka_unit_test(test_a_bit_is_never_used_again),
        cmocka_unit_test(test_sixty_four_purposes_in_a_life),
        cmocka_unit_test(test_texts_are_canonical)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
