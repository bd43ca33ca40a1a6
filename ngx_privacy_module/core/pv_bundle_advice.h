/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_BUNDLE_ADVICE_H
#define PV_BUNDLE_ADVICE_H

#include "pv_bundle.h"

/*
 * What laws on personal information usually ask of a policy and this bundle
 * does not say: a warning each, in plain words, with the article that asks it
 * (PIPL: China's Personal Information Protection Law; GDPR: Regulation (EU)
 * 2016/679). And where its languages do not say the same. It takes nobody's
 * place who knows the law: it sees what is missing, not what is wrong.
 *
 * Sources that have errors are looked at as far as they can be read.
 */
int pv_bundle_advise(const pv_bundle_source_t *source, pv_problems_t *problems);

#endif /* PV_BUNDLE_ADVICE_H */
