/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_NOTICE_USERS_H
#define CTL_NOTICE_USERS_H

/*
 * Whom a notice addresses, and what became of it with each. Read from the
 * index of logged-in users, shard by shard (of a list from the list), and from
 * what is kept of each of them; nothing is kept of one when the next one
 * comes, but a shard's pseudonyms: a 256th of the index.
 *
 * Addressed is who has any mark of the notice, and whoever it addresses now,
 * as nginx would find when they came: by the newest record of their ledger,
 * whose chain is not proven here (privacyctl ledger does), and by when they
 * were met first.
 */

#include "ctl_notice.h"

typedef struct {
    unsigned char      subject[PV_SUBJECT_LEN];
    int64_t            met;             /* Unix seconds of the first login; 0: never, a list only */
    pv_notice_state_t  state;
    int                superseded;      /* a change: a newer one was answered, which closed it */
} ctl_notice_user_t;

/* Not CTL_OK ends it, with that. */
typedef int (*ctl_notice_user_pt)(void *data, const ctl_notice_user_t *user);

/* Calls handler with each user that the notice addresses, once. An exit code, said. */
int ctl_notice_users(ctl_notice_t *c, const pv_notice_t *notice, ctl_notice_user_pt handler, void *data);

/* 1 when they answered it (or a newer change): understood, agreed or declined. */
int ctl_notice_answered(const ctl_notice_user_t *user);
/* "agreed" "declined" or NULL. */
const char *ctl_notice_answer(const ctl_notice_user_t *user);

#endif /* CTL_NOTICE_USERS_H */
