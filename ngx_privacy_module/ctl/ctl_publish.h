/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_PUBLISH_H
#define CTL_PUBLISH_H

/* What `check` and `publish` have in common: a bundle, and the log that it has to fit. */

#include "ctl.h"
#include "ctl_bundle.h"
#include "pv_notice.h"

typedef struct {
    const char           *site, *key, *public, *redis_url, *cache, *inventory, *notice_days, *urgent, *color;
    int                   yes, force, json, strict;

    pv_str_t              site_name;
    unsigned              days;
    unsigned char         secret[PV_ED25519_SECRET];
    unsigned char         pub[PV_ED25519_PUBLIC];
    ctl_redis_t          *redis;
    ctl_log_t             log;
    pv_log_t             *chain;
    pv_policy_t          *previous;     /* the newest version that was not withdrawn */
    pv_policy_t          *newest;       /* the newest of all, when that is another one */
    ctl_folder_bundle_t   bundle;
    pv_bundle_context_t   context;
    pv_problems_t         problems;
    pv_buf_t              sealed;
    pv_policy_t          *next;
} ctl_publish_t;

void ctl_publish_init(ctl_publish_t *p);
void ctl_publish_free(ctl_publish_t *p);

/* Site, keys, lead time, Redis: from the options. An exit code. */
int ctl_publish_settings(ctl_publish_t *p);
/* Reads the log, and opens the versions that a new one follows. An exit code. */
int ctl_publish_log(ctl_publish_t *p);
/* A version of the log, whole; what is wrong is said. An exit code. */
int ctl_publish_open(ctl_publish_t *p, pv_policy_t **policy, const ctl_log_entry_t *entry);
void ctl_publish_context(ctl_publish_t *p);
/* A version id names one bundle for ever: a problem when the log has it. */
void ctl_publish_version_is_new(ctl_publish_t *p);

/* What will be published: what differs, who is asked again, when it takes effect. An exit code. */
int ctl_publish_show(const ctl_publish_t *p);
/* What was published. already: it had been before. */
void ctl_publish_say(const ctl_publish_t *p, const pv_policy_t *policy, int already);
/* 1 and its id, when the version is a notice to users. */
int ctl_publish_notice(const pv_policy_t *policy, char id[PV_NOTICE_ID_SIZE]);

#endif /* CTL_PUBLISH_H */
