/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_REDIS_H
#define CTL_REDIS_H

/*
 * Redis, for privacyctl only: blocking; one server, the master that Sentinel
 * knows, or a cluster. Commands and replies are those of pvr.h.
 */

#include "pvr_cluster.h"

typedef struct ctl_redis_s  ctl_redis_t;

/*
 * See ctl_url.h for what url may be. Connects, signs in, and finds out which
 * servers there are; a replica is no master. Returns an exit code of ctl.h:
 * CTL_OK, or CTL_USAGE or CTL_UNREACHABLE, said on standard error.
 */
int ctl_redis_open(ctl_redis_t **redis, const char *url);

/*
 * Sends the bytes of `commands`, which hold n commands, each to the server
 * that has its key, and reads n replies. CTL_OK: each of replies[0..n-1] is to
 * be freed by freeReplyObject() (any may be an error reply: pvr_status()).
 * CTL_UNREACHABLE: said on standard error, and replies are all NULL. commands
 * is left as it is.
 *
 * Behind Sentinel and in a cluster redirections are followed, and servers that
 * went away are looked for again, half a minute long: then a command may be
 * sent twice, so that only such are to be sent that may be. MULTI is not
 * among them, for commands are sent one by one.
 */
int ctl_redis_run(ctl_redis_t *redis, pv_buf_t *commands, redisReply **replies, size_t n);

/*
 * The servers that hold keys, by number, which may change with every command;
 * what one of them is asked for all that it holds (SCAN). Nothing is sent
 * twice.
 */
size_t ctl_redis_nodes(const ctl_redis_t *redis);
/* Whether another server may take the place of one that went away. */
int ctl_redis_many(const ctl_redis_t *redis);
int ctl_redis_run_on(ctl_redis_t *redis, size_t node, pv_buf_t *commands, redisReply **replies, size_t n);

/*
 * How many connections were lost so far. Another server may have taken the
 * place of the one behind it, without what that acknowledged last.
 */
unsigned ctl_redis_lost(const ctl_redis_t *redis);

/*
 * A cursor means nothing but to the process that gave it. by: 0 at first; to
 * be asked after each answer that has a cursor. 1: this answer is of another
 * one than the one before. What it names is there, but the whole has to be
 * read again, from cursor 0.
 */
int ctl_redis_other(const ctl_redis_t *redis, uint64_t *by);

/*
 * Which of them holds what, now, as a digest: the same text as long as no key
 * can have gone from one to another. Keys that are on their way are waited
 * for. An exit code, and said.
 */
#define CTL_REDIS_SLOTS  65
int ctl_redis_slots(ctl_redis_t *redis, char text[CTL_REDIS_SLOTS]);

/*
 * After what was written: behind Sentinel and in a cluster, the replicas that
 * are connected are waited for, a few seconds long, since one of them may have
 * to take over. Where they do not say that they have it, or it may not be
 * asked, that is said on standard error, once a server, and they are not waited
 * for again: it is written, and no more than that.
 */
void ctl_redis_replicas(ctl_redis_t *redis);

/* Appends one command; len may be NULL, when the words are strings. */
void ctl_redis_add(pv_buf_t *commands, int argc, const char **argv, const size_t *len);

void ctl_redis_replies_free(redisReply **replies, size_t n);
void ctl_redis_close(ctl_redis_t *redis);

#endif /* CTL_REDIS_H */
