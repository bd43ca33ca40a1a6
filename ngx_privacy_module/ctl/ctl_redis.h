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

/* The servers that hold keys, by number; what one of them is asked for all that it holds (SCAN). */
size_t ctl_redis_nodes(const ctl_redis_t *redis);
int ctl_redis_run_on(ctl_redis_t *redis, size_t node, pv_buf_t *commands, redisReply **replies, size_t n);

/*
 * Which of them holds what, now, as a digest: the same text as long as no key
 * can have gone from one to another. An exit code, and said, also when keys
 * are on their way.
 */
#define CTL_REDIS_SLOTS  65
int ctl_redis_slots(ctl_redis_t *redis, char text[CTL_REDIS_SLOTS]);

/* Appends one command; len may be NULL, when the words are strings. */
void ctl_redis_add(pv_buf_t *commands, int argc, const char **argv, const size_t *len);

void ctl_redis_replies_free(redisReply **replies, size_t n);
void ctl_redis_close(ctl_redis_t *redis);

#endif /* CTL_REDIS_H */
