/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_REDIS_H
#define CTL_REDIS_H

/*
 * A blocking connection to Redis, for privacyctl only. Commands and replies
 * are those of pvr.h.
 */

#include "pvr.h"

typedef struct ctl_redis_s  ctl_redis_t;

/*
 * redis://[[USER]:PASSWORD@]HOST[:PORT][/DB] or unix:PATH[?db=N]; percent
 * escapes in user and password. Signs in and selects the database. Returns an
 * exit code of ctl.h: CTL_OK, or CTL_USAGE or CTL_UNREACHABLE, said on
 * standard error.
 */
int ctl_redis_open(ctl_redis_t **redis, const char *url);

/*
 * Sends the bytes of `commands`, which hold n commands, and reads n replies.
 * CTL_OK: each of replies[0..n-1] is to be freed by freeReplyObject() (any may
 * be an error reply: pvr_status()). CTL_UNREACHABLE: said on standard error,
 * replies are all NULL, and the connection is of no further use. commands is
 * left as it is.
 */
int ctl_redis_run(ctl_redis_t *redis, pv_buf_t *commands, redisReply **replies, size_t n);

void ctl_redis_replies_free(redisReply **replies, size_t n);
void ctl_redis_close(ctl_redis_t *redis);

#endif /* CTL_REDIS_H */
