/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef REDIS_FIXTURE_H
#define REDIS_FIXTURE_H

/* A redis-server of a test's own, on a private Unix socket. */

#include <hiredis/hiredis.h>

#include "pv_bytes.h"

extern redisContext  *redis;            /* NULL: there is none on this machine, skip what needs it */
extern char           redis_address[128];

/* The group's setup and teardown. */
int redis_fixture_start(void **state);
int redis_fixture_stop(void **state);

/* Sends what is in out, and gives the last of n replies. */
redisReply *redis_ask(redisContext *c, pv_buf_t *out, int n);
/* The same of one reply that is a number. */
long long redis_number(redisContext *c, pv_buf_t *out);

#endif /* REDIS_FIXTURE_H */
