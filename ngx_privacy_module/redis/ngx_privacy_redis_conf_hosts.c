/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_privacy_redis_private.h"


/* The hosts of a Redis address, found when nginx reads its configuration. */

#define NGX_PRIVACY_REDIS_PORT               6379
#define NGX_PRIVACY_REDIS_PORT_OF_SENTINELS  26379


static ngx_int_t ngx_privacy_redis_conf_name(ngx_conf_t *cf, ngx_privacy_redis_host_t *to, ngx_str_t *host);


/* HOST[:PORT][,HOST[:PORT]]... Of several, one that can be found is enough. */

ngx_int_t
ngx_privacy_redis_conf_hosts(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *hosts)
{
    u_char      *p, *last, *comma;
    ngx_str_t    one;
    ngx_uint_t   i;

    p = hosts->data;
    last = hosts->data + hosts->len;

    for ( ;; ) {
        comma = (conf->kind == NGX_PRIVACY_REDIS_SINGLE) ? NULL : ngx_strlchr(p, last, ',');

        one.data = p;
        one.len = (comma ? comma : last) - p;

        if (one.len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "no host in the Redis address");
            return NGX_ERROR;
        }

        if (conf->nhosts == NGX_PRIVACY_REDIS_HOSTS) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "more than %d hosts in the Redis address",
                               NGX_PRIVACY_REDIS_HOSTS);
            return NGX_ERROR;
        }

        if (ngx_privacy_redis_conf_host(cf, conf, &one) != NGX_OK) {
            return NGX_ERROR;
        }

        if (comma == NULL) {
            break;
        }

        p = comma + 1;
    }

    for (i = 0; i < conf->nhosts && conf->hosts[i].naddrs == 0; i++) { /* void */ }

    if (i == conf->nhosts) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "no address for Redis at \"%V\"", hosts);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* One more host. */

ngx_int_t
ngx_privacy_redis_conf_host(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *address)
{
    ngx_url_t                  u;
    ngx_privacy_redis_host_t  *host;

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = *address;
    u.default_port = (conf->kind == NGX_PRIVACY_REDIS_SENTINEL) ? NGX_PRIVACY_REDIS_PORT_OF_SENTINELS
                                                                : NGX_PRIVACY_REDIS_PORT;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK) {

        if (conf->kind == NGX_PRIVACY_REDIS_SINGLE || u.host.len == 0 || u.err == NULL
            || ngx_strcmp(u.err, "host not found") != 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s in the Redis address \"%V\"",
                               u.err ? u.err : "cannot resolve the host", address);
            return NGX_ERROR;
        }

        ngx_conf_log_error(NGX_LOG_WARN, cf, 0, "%s in the Redis address \"%V\"", u.err, address);
        u.naddrs = 0;
    }

    host = &conf->hosts[conf->nhosts++];

    host->text = *address;
    host->port = u.port;
    host->addrs = u.addrs;
    host->naddrs = u.naddrs;

    return (u.family == AF_UNIX) ? NGX_OK : ngx_privacy_redis_conf_name(cf, host, &u.host);
}


/* Without the brackets of IPv6, and zero-terminated. */

static ngx_int_t
ngx_privacy_redis_conf_name(ngx_conf_t *cf, ngx_privacy_redis_host_t *to, ngx_str_t *host)
{
    ngx_uint_t  brackets;

    brackets = (host->len > 2 && host->data[0] == '[') ? 1 : 0;

    to->host.len = host->len - 2 * brackets;
    to->host.data = ngx_pnalloc(cf->pool, to->host.len + 1);
    if (to->host.data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_cpystrn(to->host.data, host->data + brackets, to->host.len + 1);

    return NGX_OK;
}
