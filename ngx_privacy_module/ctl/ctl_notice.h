/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_NOTICE_H
#define CTL_NOTICE_H

/* privacyctl notice: what its sub-commands have in common. Nothing unsigned is shown, followed or counted. */

#include <stdio.h>

#include <jansson.h>

#include "ctl.h"
#include "ctl_bundle.h"
#include "pv_notice_draft.h"
#include "pv_notices.h"

typedef struct {
    const char     *site, *key, *public, *redis_url;
    int             json;

    pv_str_t        site_name;
    unsigned char   secret[PV_ED25519_SECRET];      /* with key only */
    unsigned char   pub[PV_ED25519_PUBLIC];
    ctl_redis_t    *redis;
    ctl_log_t       log;
    pv_log_t       *chain;
    pv_notices_t   *notices;
    uint32_t        last;                           /* number of the stream's newest entry; 0: there is none */
    pv_problems_t   problems;                       /* of the notices that were read: by number */
} ctl_notice_t;

int ctl_notice_init(int argc, char **argv);
int ctl_notice_send(int argc, char **argv);
int ctl_notice_retract(int argc, char **argv);
int ctl_notice_list(int argc, char **argv);
int ctl_notice_status(int argc, char **argv);
int ctl_notice_export(int argc, char **argv);
int ctl_notice_unreached(int argc, char **argv);

void ctl_notice_create(ctl_notice_t *c);
void ctl_notice_free(ctl_notice_t *c);

/* Site, key, Redis: from the options; then the publication log, whole. An exit code, said. */
int ctl_notice_open(ctl_notice_t *c);
/*
 * Reads the newest notices of the stream, and settles them. What is refused of
 * them is in problems, and nothing else happens to it. An exit code.
 */
int ctl_notice_read(ctl_notice_t *c);
/* The same of PV_NOTICES_MAX entries, or as many as there are, from number first on. */
int ctl_notice_window(ctl_notice_t *c, uint32_t first);

/*
 * The notice that v7, n3 or a version's id names. CTL_WRONG, and said, when
 * there is none, or what there is does not hold. Freed by pv_notice_free().
 */
int ctl_notice_find(ctl_notice_t *c, pv_notice_t **notice, const char *id);
pv_notice_standing_t ctl_notice_standing(const ctl_notice_t *c, const pv_notice_t *notice);
/* "open" "ended" "retracted" */
const char *ctl_notice_standing_name(pv_notice_standing_t standing);

/* Appends a sealed notice to the stream, and wakes the nodes. *taken: 1 when its number was, by another one. */
int ctl_notice_append(ctl_notice_t *c, uint32_t number, pv_str_t sealed, int *taken);

/* A policy of the log: the version in force, or (newest) the one that comes next, too. NULL: there is none, or said. */
#define CTL_NOTICE_IN_FORCE  0
#define CTL_NOTICE_NEWEST    1
int ctl_notice_policy(ctl_notice_t *c, pv_policy_t **policy, int which);

/* Words: "the 120 users on a list", "users bound to an older version than 2026-12" ... */
void ctl_notice_audience(FILE *out, const pv_notice_t *notice);
/* The notice with its texts in every language, as users read it. */
void ctl_notice_words(const pv_notice_t *notice);
/* {"id", "kind", "published", ...}, without texts; NULL when out of memory. */
json_t *ctl_notice_json(const pv_notice_t *notice);

#endif /* CTL_NOTICE_H */
