/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_PRIVACY_REDIS_CLUSTER_H
#define NGX_PRIVACY_REDIS_CLUSTER_H

/*
 * Private to the Redis client. A cluster as this worker knows it: who has
 * which slot (_cluster.c), and who is meant by an address (_cluster_server.c).
 */

#include "ngx_privacy_redis_private.h"

#define NGX_PRIVACY_REDIS_HINT_BITS  12      /* many more than there are servers: few of them share one */
#define NGX_PRIVACY_REDIS_HINTS      (1 << NGX_PRIVACY_REDIS_HINT_BITS)


struct ngx_privacy_redis_cluster_s {
    u_char        owner[PVR_SLOTS];     /* an index of endpoints and 1; 0: unknown */
    u_char        hints[NGX_PRIVACY_REDIS_HINTS];   /* the same, of who was meant by an address with that hash last */
    ngx_event_t   refresh;
    ngx_uint_t    asked;                /* of so many; none has answered yet */
    ngx_uint_t    next;                 /* whom to ask */
    ngx_uint_t    tables;               /* read so far, with the one that is being read */
    ngx_uint_t    unusable;             /* the last one was; said once */
    ngx_msec_t    asked_at;
    ngx_msec_t    pause;                /* ms between two questions, for what it costs to read the answer; at least */
};


/*
 * told: who named it; it is meant itself where the host is empty, which is
 * filled in then. One that nobody named before is added, in the place of one
 * that has nothing to do any more when there are too many. NULL: no place, or
 * no memory.
 */
ngx_privacy_redis_endpoint_t *ngx_privacy_redis_cluster_endpoint(ngx_privacy_redis_endpoint_t *told,
    pvr_address_t *address);

#endif /* NGX_PRIVACY_REDIS_CLUSTER_H */
