/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_INIT_H
#define CTL_INIT_H

/* A first bundle: what was answered, and what was seen, as policy.json and texts to be filled in. */

#include <jansson.h>

#include "pv_bytes.h"

/* policy.LANGUAGE.md of ctl/skeleton/, a template; the last has no language. */
typedef struct {
    const char  *language;
    pv_str_t     text;
} ctl_skeleton_t;

extern const ctl_skeleton_t  ctl_skeletons[];

/* Each an index into answers. */
typedef enum {
    CTL_INIT_NAME, CTL_INIT_MAIL, CTL_INIT_TELEPHONE, CTL_INIT_ADDRESS, CTL_INIT_DEPARTMENT, CTL_INIT_COMPLAINT,
    CTL_INIT_COUNTRY, CTL_INIT_NECESSARY, CTL_INIT_ANSWERS
} ctl_init_answer_t;

typedef struct {
    const char  *answers[CTL_INIT_ANSWERS];     /* NULL or empty: none */
    const char  *version, *effective;
    const char  *languages[4];                  /* of ctl_skeletons; NULL ends them */
    json_t      *seen;                          /* a list as of `privacyctl inventory --json`, or NULL */
    size_t       unclassified;                  /* set: cookies that a lawyer has to put into purposes */
    size_t       skipped;                       /* set: names that no declaration can have */
} ctl_init_t;

/* policy.json; NULL when out of memory. */
json_t *ctl_init_policy(ctl_init_t *init);
/* The text that goes with it, in a language of ctl_skeletons. PV_OK or PV_ERROR. */
int ctl_init_text(pv_buf_t *out, const json_t *policy, const char *language);

/* The purpose that what was seen is put into. */
#define CTL_INIT_PURPOSE  "to-classify"

#endif /* CTL_INIT_H */
