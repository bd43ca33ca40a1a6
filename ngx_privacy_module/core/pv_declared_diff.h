/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_DECLARED_DIFF_H
#define PV_DECLARED_DIFF_H

/*
 * What differs between the machine-readable parts of two versions, and which
 * of the declared kinds of change such a difference needs.
 */

#include "pv_policy.h"

/* The kinds of changes[] as a mask. */
#define PV_KIND_PURPOSES      0x01u
#define PV_KIND_ORGANISATION  0x02u
#define PV_KIND_RECIPIENTS    0x04u
#define PV_KIND_RIGHTS        0x08u
#define PV_KIND_CONTACT       0x10u
#define PV_KIND_RISK          0x20u
#define PV_KIND_EDITORIAL     0x40u
#define PV_KIND_MATERIAL      0x3fu

/* 0 for a word that is no kind. */
unsigned pv_kind(pv_str_t word);
/* The kinds that a version declares. */
unsigned pv_kinds_declared(const pv_policy_t *policy);

typedef enum { PV_DIFFERENCE_ADDED, PV_DIFFERENCE_REMOVED, PV_DIFFERENCE_ALTERED } pv_difference_how_t;

const char *pv_difference_how_name(pv_difference_how_t how);        /* "added" "removed" "altered" */

/*
 * One difference. What is added or removed as a whole is one entry with field
 * empty: its cookies, sources and recipients are not listed again.
 */
typedef struct {
    pv_difference_how_t  how;
    /* "purposes" "cookies" "sources" "recipients" "retention" "contact" "terms" "languages" */
    const char          *section;
    const char          *field;     /* as in policy.json ("lifetime", "necessary", "choice_days"), or "" */
    pv_str_t             purpose;   /* id of the purpose it is about, or empty */
    pv_str_t             id;        /* id of the purpose or recipient, name of the cookie, the source, the language */
    pv_str_t             name;      /* the same for people, in the reader's language */
    pv_str_t             before;    /* in the reader's language where it is words; true, false and numbers as in JSON */
    pv_str_t             after;
    unsigned             kinds;     /* declaring any one of these covers it; 0: any kind does, editorial too */
    unsigned             words:1;   /* before and after are in the reader's language, not identifiers */
} pv_difference_t;

typedef struct {
    pv_difference_t  *list;
    size_t            count;
    void             *memory;
} pv_differences_t;

/* language: the reader's, as BCP 47. Strings are borrowed from the policies and from the list. */
int pv_declared_diff(pv_differences_t *d, const pv_policy_t *a, const pv_policy_t *b, pv_str_t language);
void pv_differences_free(pv_differences_t *d);

/* 1 when the kinds do not cover this difference: publishing has to be refused. */
int pv_difference_uncovered(const pv_difference_t *e, unsigned declared);

/* Appends [{"how","section","field","purpose","id","name","before","after","kinds":[...]}]; empty ones are left out. */
int pv_differences_json(pv_buf_t *out, const pv_differences_t *d);

#endif /* PV_DECLARED_DIFF_H */
