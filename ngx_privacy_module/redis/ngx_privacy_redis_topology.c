/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_privacy_redis_private.h"


/* One server, whatever the key. Where its name leads may change: it is resolved again (_server.c). */


static ngx_int_t ngx_privacy_redis_single_start(ngx_privacy_redis_t *redis);
static ngx_privacy_redis_endpoint_t *ngx_privacy_redis_single_route(ngx_privacy_redis_t *redis, ngx_uint_t slot);


const ngx_privacy_redis_topology_t  ngx_privacy_redis_single = {
    .name = "single",
    .start = ngx_privacy_redis_single_start,
    .route = ngx_privacy_redis_single_route
};


static ngx_int_t
ngx_privacy_redis_single_start(ngx_privacy_redis_t *redis)
{
    ngx_privacy_redis_endpoint_t  *endpoint;

    endpoint = ngx_privacy_redis_endpoint_add(redis, NGX_PRIVACY_REDIS_ANY_ROLE);
    if (endpoint == NULL) {
        return NGX_ERROR;
    }

    ngx_privacy_redis_server_set_host(&endpoint->server, &redis->conf->hosts[0]);
    ngx_privacy_redis_link_wake(&endpoint->link);

    return NGX_OK;
}


static ngx_privacy_redis_endpoint_t *
ngx_privacy_redis_single_route(ngx_privacy_redis_t *redis, ngx_uint_t slot)
{
    (void) slot;

    return redis->endpoints[0];
}
