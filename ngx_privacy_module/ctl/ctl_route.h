/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_ROUTE_H
#define CTL_ROUTE_H

/* Commands on their way to the servers that have their keys. */

#include "ctl_servers.h"

/*
 * n commands and n replies. server: the one that gets all of them, once;
 * SIZE_MAX: each goes where its key is. An exit code; ctl_link_why() says why,
 * and replies are all NULL.
 */
int ctl_route(ctl_redis_t *redis, size_t server, pv_str_t commands, redisReply **replies, size_t n);

#endif /* CTL_ROUTE_H */
