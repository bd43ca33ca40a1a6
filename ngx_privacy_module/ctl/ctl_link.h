/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_LINK_H
#define CTL_LINK_H

/* One blocking connection to one Redis server. */

#include "ctl_url.h"
#include "pvr.h"

typedef struct ctl_link_s  ctl_link_t;

/* Whose account it signs in with. */
typedef enum { CTL_LINK_SERVER, CTL_LINK_SENTINEL } ctl_link_as_t;

/*
 * All of them: CTL_OK, or an exit code of ctl.h and ctl_link_why() says why;
 * the connection then is of no further use.
 *
 * Connects to url's host and port, or unix socket, signs in and selects the
 * database.
 */
int ctl_link_open(ctl_link_t **link, const ctl_url_t *url, ctl_link_as_t as);
int ctl_link_send(ctl_link_t *link, const void *data, size_t len);
/* The next reply, to be freed by freeReplyObject(); it may be an error reply. */
int ctl_link_reply(ctl_link_t *link, redisReply **reply);
/* One command of words and its reply. */
int ctl_link_command(ctl_link_t *link, redisReply **reply, int argc, const char **argv);
/* Half a minute is waited for an answer, unless this says otherwise. */
void ctl_link_patience(ctl_link_t *link, int seconds);
#define CTL_LINK_PATIENCE  30
void ctl_link_close(ctl_link_t *link);

/* Why the last call that failed did. */
const char *ctl_link_why(void);
/* Whether the reason is one that no waiting helps against: the account, a certificate. */
int ctl_link_lasts(void);
int ctl_link_for_good(int code);
/* For who has another reason, which may go away; returns code. */
int ctl_link_failed(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif /* CTL_LINK_H */
