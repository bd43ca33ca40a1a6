/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_privacy_redis_link.h"


#define NGX_PRIVACY_REDIS_PORT      6379
#define NGX_PRIVACY_REDIS_DATABASE  16383
#define NGX_PRIVACY_REDIS_SECRET    4096


static ngx_int_t ngx_privacy_redis_parse_host(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *rest);
static ngx_int_t ngx_privacy_redis_parse_unix(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *url);
static ngx_int_t ngx_privacy_redis_parse_account(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf,
    ngx_str_t *account);
static ngx_int_t ngx_privacy_redis_parse_secret(ngx_conf_t *cf, ngx_str_t *out, u_char *p, u_char *last);
static ngx_int_t ngx_privacy_redis_parse_database(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, u_char *p,
    u_char *last);
static ngx_int_t ngx_privacy_redis_resolve(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *address);
static ngx_int_t ngx_privacy_redis_name(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, const char *scheme,
    ngx_str_t *address);


static const char *const  ngx_privacy_redis_later[] = { "rediss://", "sentinel://", "cluster://" };


ngx_privacy_redis_conf_t *
ngx_privacy_redis_parse(ngx_conf_t *cf, ngx_str_t *url)
{
    size_t                     len;
    ngx_int_t                  rc;
    ngx_str_t                  rest;
    ngx_uint_t                 i;
    ngx_privacy_redis_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_privacy_redis_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->connect_timeout = 1000;
    conf->max_queued = 1024;
    conf->max_bytes = 16 * 1024 * 1024;

    for (i = 0; i < sizeof(ngx_privacy_redis_later) / sizeof(ngx_privacy_redis_later[0]); i++) {
        len = ngx_strlen(ngx_privacy_redis_later[i]);

        if (url->len >= len && ngx_strncasecmp(url->data, (u_char *) ngx_privacy_redis_later[i], len) == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%s\" is not supported yet: use \"redis://\" or \"unix:\"",
                               ngx_privacy_redis_later[i]);
            return NULL;
        }
    }

    if (url->len > 8 && ngx_strncasecmp(url->data, (u_char *) "redis://", 8) == 0) {
        rest.data = url->data + 8;
        rest.len = url->len - 8;

        rc = ngx_privacy_redis_parse_host(cf, conf, &rest);

    } else if (url->len > 5 && ngx_strncasecmp(url->data, (u_char *) "unix:", 5) == 0) {
        rc = ngx_privacy_redis_parse_unix(cf, conf, url);

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "the Redis address has to be "
                           "\"redis://[user:password@]host[:port][/database]\" or \"unix:/path[?db=N]\"");
        return NULL;
    }

    return (rc == NGX_OK) ? conf : NULL;
}


static ngx_int_t
ngx_privacy_redis_parse_host(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *rest)
{
    u_char     *p, *last, *slash;
    ngx_str_t   account, address;

    p = rest->data;
    last = rest->data + rest->len;

    /* the last "@": one in a password need not be escaped, a host has none */

    for (slash = last; slash > p; slash--) {
        if (slash[-1] == '@') {
            account.data = p;
            account.len = slash - 1 - p;

            if (ngx_privacy_redis_parse_account(cf, conf, &account) != NGX_OK) {
                return NGX_ERROR;
            }

            p = slash;
            break;
        }
    }

    slash = ngx_strlchr(p, last, '/');

    if (slash) {
        /* "host/" is database 0 */
        if (slash + 1 != last
            && ngx_privacy_redis_parse_database(cf, conf, slash + 1, last) != NGX_OK)
        {
            return NGX_ERROR;
        }

        last = slash;
    }

    address.data = p;
    address.len = last - p;

    if (address.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "no host in the Redis address");
        return NGX_ERROR;
    }

    if (ngx_privacy_redis_resolve(cf, conf, &address) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_privacy_redis_name(cf, conf, "redis://", &address);
}


/* unix:PATH[?db=N][&user=NAME][&password=SECRET] */

static ngx_int_t
ngx_privacy_redis_parse_unix(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *url)
{
    u_char     *p, *end, *last;
    ngx_int_t   rc;
    ngx_str_t   address;

    last = url->data + url->len;
    p = ngx_strlchr(url->data, last, '?');

    address.data = url->data;
    address.len = (p ? p : last) - url->data;

    while (p && p < last) {
        p++;
        end = ngx_strlchr(p, last, '&');
        end = end ? end : last;

        if (end - p > 3 && ngx_strncmp(p, "db=", 3) == 0) {
            rc = ngx_privacy_redis_parse_database(cf, conf, p + 3, end);

        } else if (end - p > 5 && ngx_strncmp(p, "user=", 5) == 0) {
            rc = ngx_privacy_redis_parse_secret(cf, &conf->user, p + 5, end);

        } else if (end - p > 9 && ngx_strncmp(p, "password=", 9) == 0) {
            rc = ngx_privacy_redis_parse_secret(cf, &conf->password, p + 9, end);

        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "after \"?\" a Redis address may have \"db=\", \"user=\" and \"password=\" only");
            return NGX_ERROR;
        }

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }

        p = end;
    }

    if (conf->user.len && conf->password.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "a Redis user without a password");
        return NGX_ERROR;
    }

    if (ngx_privacy_redis_resolve(cf, conf, &address) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_privacy_redis_name(cf, conf, "", &address);
}


static ngx_int_t
ngx_privacy_redis_parse_account(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *account)
{
    u_char  *colon, *last;

    last = account->data + account->len;
    colon = ngx_strlchr(account->data, last, ':');

    if (colon == NULL || colon + 1 == last) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the account in the Redis address has to be \"user:password@\" or \":password@\"");
        return NGX_ERROR;
    }

    if (ngx_privacy_redis_parse_secret(cf, &conf->user, account->data, colon) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_privacy_redis_parse_secret(cf, &conf->password, colon + 1, last);
}


/* Percent-decoded. */

static ngx_int_t
ngx_privacy_redis_parse_secret(ngx_conf_t *cf, ngx_str_t *out, u_char *p, u_char *last)
{
    u_char     *d;
    ngx_int_t   c;

    if (last - p > NGX_PRIVACY_REDIS_SECRET) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "user or password in the Redis address is too long");
        return NGX_ERROR;
    }

    out->data = ngx_pnalloc(cf->pool, last - p + 1);
    if (out->data == NULL) {
        return NGX_ERROR;
    }

    d = out->data;

    while (p < last) {

        if (*p != '%') {
            *d++ = *p++;
            continue;
        }

        c = (last - p >= 3) ? ngx_hextoi(p + 1, 2) : NGX_ERROR;

        if (c == NGX_ERROR) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "in the Redis address, \"%%\" has to be followed by two "
                               "hex digits (a \"%%\" in a password is written \"%%25\")");
            return NGX_ERROR;
        }

        *d++ = (u_char) c;
        p += 3;
    }

    out->len = d - out->data;

    return NGX_OK;
}


static ngx_int_t
ngx_privacy_redis_parse_database(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, u_char *p, u_char *last)
{
    ngx_int_t  n;

    n = ngx_atoi(p, last - p);

    if (n == NGX_ERROR || n > NGX_PRIVACY_REDIS_DATABASE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the database in the Redis address has to be a number up to %d, not \"%*s\"",
                           NGX_PRIVACY_REDIS_DATABASE, (size_t) (last - p), p);
        return NGX_ERROR;
    }

    conf->database = n;

    return NGX_OK;
}


static ngx_int_t
ngx_privacy_redis_resolve(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *address)
{
    ngx_url_t  u;

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = *address;
    u.default_port = NGX_PRIVACY_REDIS_PORT;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s in the Redis address \"%V\"",
                           u.err ? u.err : "cannot resolve the host", address);
        return NGX_ERROR;
    }

    if (u.naddrs == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "no address for Redis at \"%V\"", address);
        return NGX_ERROR;
    }

    conf->addrs = u.addrs;
    conf->naddrs = u.naddrs;

    return NGX_OK;
}


/* How it is called in logs and on the status page: without what is secret. */

static ngx_int_t
ngx_privacy_redis_name(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, const char *scheme, ngx_str_t *address)
{
    u_char  *p, *last;
    size_t   len;

    len = ngx_strlen(scheme) + address->len + 1 + NGX_INT_T_LEN;

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    conf->url.data = p;
    last = p + len;

    p = ngx_slprintf(p, last, "%s%V", scheme, address);

    if (conf->database) {
        p = ngx_slprintf(p, last, "/%ui", conf->database);
    }

    conf->url.len = p - conf->url.data;

    return NGX_OK;
}
