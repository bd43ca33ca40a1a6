/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * The bundle reader, behind the signature and in front of it; what opens has
 * to be coherent. The first byte says which: 0 a payload, 1 a sealed bundle,
 * 2 policy.json of a bundle that is yet to be published.
 */

#include <stdlib.h>
#include <string.h>

#include "pv_bundle.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static void opened(const pv_policy_t *policy);
static void source(pv_str_t json, pv_problems_t *problems);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pv_str_t        bytes;
    pv_policy_t    *policy;
    pv_problems_t   problems;
    static const unsigned char  pub[PV_ED25519_PUBLIC] = { 1 };

    if (size == 0) {
        return 0;
    }

    bytes.data = data + 1;
    bytes.len = size - 1;
    policy = NULL;

    pv_problems_init(&problems);

    switch (data[0] % 3) {
    case 0:
        if (pv_policy_parse(&policy, bytes, pv_str("shop"), &problems) == PV_OK) {
            opened(policy);
        } else if (problems.errors == 0) {
            abort();        /* refused without a word */
        }
        break;
    case 1:
        if (pv_policy_open(&policy, bytes, pv_str("shop"), pub, &problems) == PV_OK) {
            abort();        /* nobody signed this */
        }
        break;
    default:
        source(bytes, &problems);
    }

    pv_policy_free(policy);
    pv_problems_free(&problems);

    return 0;
}


static void
opened(const pv_policy_t *policy)
{
    size_t         i;
    uint64_t       seen;
    pv_verdict_t   verdict;

    for (i = 0, seen = 0; i < policy->purposes_count; i++) {
        if (policy->purposes[i].bit > 63 || (seen & ((uint64_t) 1 << policy->purposes[i].bit))) {
            abort();
        }
        seen |= (uint64_t) 1 << policy->purposes[i].bit;

        if (pv_translation(policy, policy->purposes[i].title, policy->texts_count - 1).data == NULL) {
            abort();
        }
    }

    pv_policy_judge(&verdict, policy, NULL, 0);

    if (seen != policy->all || verdict.allowed != policy->necessary || (verdict.allowed & ~policy->all)
        || (policy->necessary & policy->separate) || policy->texts_count == 0)
    {
        abort();
    }
}


/* What the validator takes has to be sealed, and to open again. */
static void
source(pv_str_t json, pv_problems_t *problems)
{
    pv_buf_t             sealed;
    pv_bundle_text_t     texts[2];
    pv_bundle_source_t   from;
    pv_bundle_context_t  context;
    static const unsigned char  secret[PV_ED25519_SECRET] = { 1 };

    memset(&context, 0, sizeof(context));
    texts[0] = (pv_bundle_text_t) { pv_str("zh-CN"), pv_str("# T"), "policy.zh-CN.md" };
    texts[1] = (pv_bundle_text_t) { pv_str("en"), pv_str("# T"), "policy.en.md" };
    from = (pv_bundle_source_t) { json, "policy.json", texts, 2 };

    context.site = pv_str("shop");
    context.sequence = 1;

    pv_buf_init(&sealed, PV_SEALED_MAX);

    if (pv_bundle_check(&from, &context, problems) == PV_OK
        && pv_bundle_seal(&sealed, &from, &context, secret, problems) != PV_OK)
    {
        abort();
    }

    pv_buf_free(&sealed);
}
