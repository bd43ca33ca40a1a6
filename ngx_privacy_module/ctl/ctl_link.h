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
 * the connection then is of no further use. Only what is wrong with TLS is
 * said on standard error at once.
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
void ctl_link_close(ctl_link_t *link);

/* Why the last call that failed did. */
const char *ctl_link_why(void);

#endif /* CTL_LINK_H */
