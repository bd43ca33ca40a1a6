/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_privacy_redis_cluster.h"


/*
 * Who is meant by an address that a server of the cluster names. A table of
 * slots names the same few many thousands of times, in any order: who was
 * meant last by an address with the same hash is looked at first.
 */


static u_char *ngx_privacy_redis_cluster_hint(ngx_privacy_redis_cluster_t *cluster, const pvr_address_t *address);
static ngx_privacy_redis_endpoint_t *ngx_privacy_redis_cluster_add(ngx_privacy_redis_t *redis,
    const pvr_address_t *address);
static ngx_uint_t ngx_privacy_redis_cluster_same(ngx_privacy_redis_endpoint_t *endpoint, const pvr_address_t *address);
static ngx_privacy_redis_endpoint_t *ngx_privacy_redis_cluster_retired(ngx_privacy_redis_t *redis);


ngx_privacy_redis_endpoint_t *
ngx_privacy_redis_cluster_endpoint(ngx_privacy_redis_endpoint_t *told, pvr_address_t *address)
{
    u_char                        *hint;
    ngx_uint_t                     i;
    ngx_privacy_redis_t           *redis;
    ngx_privacy_redis_endpoint_t  *endpoint;

    redis = told->redis;

    if (address->host[0] == '\0') {

        if (told->server.port == address->port || told->server.host.len >= PVR_HOST_MAX) {
            return told;
        }

        ngx_memcpy(address->host, told->server.host.data, told->server.host.len);
        address->host[told->server.host.len] = '\0';
    }

    hint = ngx_privacy_redis_cluster_hint(redis->cluster, address);

    if (*hint && ngx_privacy_redis_cluster_same(redis->endpoints[*hint - 1], address)) {
        return redis->endpoints[*hint - 1];
    }

    endpoint = NULL;

    for (i = 0; endpoint == NULL && i < redis->nendpoints; i++) {
        if (ngx_privacy_redis_cluster_same(redis->endpoints[i], address)) {
            endpoint = redis->endpoints[i];
        }
    }

    if (endpoint == NULL) {
        endpoint = ngx_privacy_redis_cluster_add(redis, address);
    }

    if (endpoint) {
        *hint = (u_char) (endpoint->index + 1);
    }

    return endpoint;
}


/* Addresses of a network differ in their last digits only, which ngx_hash() leaves side by side: spread by Fibonacci's. */

static u_char *
ngx_privacy_redis_cluster_hint(ngx_privacy_redis_cluster_t *cluster, const pvr_address_t *address)
{
    uint32_t     key;
    const char  *p;

    key = (uint32_t) address->port;

    for (p = address->host; *p; p++) {
        key = (uint32_t) ngx_hash(key, *p);
    }

    return &cluster->hints[key * 2654435769u >> (32 - NGX_PRIVACY_REDIS_HINT_BITS)];
}


static ngx_privacy_redis_endpoint_t *
ngx_privacy_redis_cluster_add(ngx_privacy_redis_t *redis, const pvr_address_t *address)
{
    ngx_privacy_redis_endpoint_t  *endpoint;

    endpoint = ngx_privacy_redis_endpoint_add(redis, NGX_PRIVACY_REDIS_ANY_ROLE);

    if (endpoint == NULL) {
        endpoint = ngx_privacy_redis_cluster_retired(redis);
    }

    if (endpoint == NULL || ngx_privacy_redis_server_set_address(&endpoint->server, address) != NGX_OK) {
        return NULL;
    }

    endpoint->link.failures = 0;
    endpoint->unanswered = 0;
    endpoint->warning.len = 0;
    endpoint->unverified.len = 0;

    return endpoint;
}


/* By the name that it goes by, or by the only address that the configuration's name led to. */

static ngx_uint_t
ngx_privacy_redis_cluster_same(ngx_privacy_redis_endpoint_t *endpoint, const pvr_address_t *address)
{
    size_t                       len;
    ngx_privacy_redis_server_t  *server;
    u_char                       text[NGX_SOCKADDR_STRLEN];

    server = &endpoint->server;
    len = ngx_strlen(address->host);

    if (server->port != address->port) {
        return 0;
    }

    if (server->host.len == len && ngx_strncmp(server->host.data, address->host, len) == 0) {
        return 1;
    }

    if (!endpoint->seed || server->naddrs != 1) {
        return 0;
    }

    return ngx_sock_ntop(server->addrs[0].sockaddr, server->addrs[0].socklen, text, NGX_SOCKADDR_STRLEN, 0) == len
           && ngx_strncmp(text, address->host, len) == 0;
}


/* One that has nothing to do any more. */

static ngx_privacy_redis_endpoint_t *
ngx_privacy_redis_cluster_retired(ngx_privacy_redis_t *redis)
{
    ngx_uint_t                     i;
    ngx_privacy_redis_endpoint_t  *endpoint;

    for (i = 0; i < redis->nendpoints; i++) {
        endpoint = redis->endpoints[i];

        if (endpoint->slots == 0 && !endpoint->seed && endpoint->link.state == NGX_PRIVACY_REDIS_DOWN
            && endpoint->queued == 0 && endpoint->in_flight == 0 && redis->listening != i
            && endpoint->named != redis->cluster->tables
            && memchr(redis->cluster->owner, (int) (i + 1), PVR_SLOTS) == NULL)
        {
            return endpoint;
        }
    }

    return NULL;
}
