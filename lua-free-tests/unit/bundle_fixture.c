/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bundle_fixture.h"


/* RFC 8032, test 1. */
const unsigned char  fixture_secret[PV_ED25519_SECRET] = {
    0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
    0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60
};

const char  fixture_purposes[] =
    "{\"id\":\"necessary\",\"title\":{\"zh-CN\":\"N\",\"en\":\"Needed\"},\"text\":\"t\",\"necessary\":true,"
    "\"exempt_reason\":\"contract\",\"cookies\":[{\"name\":\"sessionid\",\"path\":\"/\"}]},"
    "{\"id\":\"analytics\",\"title\":\"A\",\"text\":\"t\",\"cookies\":[{\"name\":\"_ga*\"}],"
    "\"sources\":[\"stats.example.net\"]},"
    "{\"id\":\"ads\",\"title\":\"Ads\",\"text\":\"t\",\"cookies\":[{\"name\":\"uid\",\"domain\":\".shop.example\"}],"
    "\"recipients\":[\"acme\"],\"retention\":\"90 d\"},"
    "{\"id\":\"abroad\",\"title\":\"Abroad\",\"text\":\"t\",\"separate\":true}";


char *
fixture_json(const char *version, const char *effective, const char *changes, const char *purposes)
{
    char  *json;

    assert_true(asprintf(&json, "{\"version\":\"%s\",\"effective\":\"%s\",\"languages\":[\"zh-CN\",\"en\"],"
                         "\"controller\":{\"name\":\"Shop\",\"mail\":\"p@shop.example\"},\"purposes\":[%s],"
                         "\"recipients\":[{\"id\":\"acme\",\"name\":\"Acme\",\"data\":\"d\",\"use\":\"u\","
                         "\"country\":\"China\"}],\"changes\":[%s]}",
                         version, effective, purposes, changes) > 0);

    return json;
}


int
fixture_seal(pv_buf_t *sealed, const char *json, const pv_policy_t *previous, const char *urgent,
    pv_problems_t *problems)
{
    pv_bundle_context_t  context;

    fixture_context(&context, previous);
    context.urgent = urgent;

    return fixture_seal_as(sealed, json, &context, problems);
}


void
fixture_context(pv_bundle_context_t *context, const pv_policy_t *previous)
{
    memset(context, 0, sizeof(*context));

    context->site = pv_str("shop");
    context->sequence = previous != NULL ? previous->sequence + 1 : 1;
    context->now = FIXTURE_NOW;
    context->notice_days = 7;
    context->previous = previous;
}


int
fixture_seal_as(pv_buf_t *sealed, const char *json, const pv_bundle_context_t *context, pv_problems_t *problems)
{
    pv_bundle_text_t    texts[2];
    pv_bundle_source_t  source;

    texts[0] = (pv_bundle_text_t) { pv_str("zh-CN"), pv_str("# \xe6\x94\xbf\xe7\xad\x96\n\n\xe6\x96\x87\n"),
                                    "policy.zh-CN.md" };
    texts[1] = (pv_bundle_text_t) { pv_str("en"), pv_str("# Policy\n\nText\n"), "policy.en.md" };
    source = (pv_bundle_source_t) { pv_str(json), "policy.json", texts, 2 };

    return pv_bundle_seal(sealed, &source, context, fixture_secret, problems);
}


pv_policy_t *
fixture_policy(const char *json, const pv_policy_t *previous)
{
    size_t          i;
    pv_buf_t        sealed;
    pv_policy_t    *policy;
    pv_problems_t   problems;
    unsigned char   pub[PV_ED25519_PUBLIC];

    pv_buf_init(&sealed, PV_SEALED_MAX);
    pv_problems_init(&problems);
    fixture_public(pub);

    if (fixture_seal(&sealed, json, previous, "test", &problems) != PV_OK) {
        for (i = 0; i < problems.count; i++) {
            print_error("%s: %s\n", problems.list[i].field, problems.list[i].reason);
        }
        fail_msg("the fixture could not be sealed");
    }

    assert_int_equal(pv_policy_open(&policy, (pv_str_t) { sealed.data, sealed.len }, pv_str("shop"), pub, &problems),
                     PV_OK);

    pv_buf_free(&sealed);
    pv_problems_free(&problems);

    return policy;
}


void
fixture_public(unsigned char pub[PV_ED25519_PUBLIC])
{
    assert_int_equal(pv_ed25519_public(pub, fixture_secret), PV_OK);
}


int
fixture_has(const pv_problems_t *problems, const char *field, const char *reason)
{
    size_t               i;
    const pv_problem_t  *p;

    for (i = 0; i < problems->count; i++) {
        p = &problems->list[i];

        if (strstr(p->reason, reason) != NULL
            && (field == NULL || (p->field != NULL && strcmp(p->field, field) == 0)))
        {
            return 1;
        }
    }

    return 0;
}


char *
fixture_replace(const char *s, const char *a, const char *b)
{
    char        *out;
    const char  *at;

    at = strstr(s, a);
    assert_non_null(at);
    assert_true(asprintf(&out, "%.*s%s%s", (int) (at - s), s, b, at + strlen(a)) >= 0);

    return out;
}
