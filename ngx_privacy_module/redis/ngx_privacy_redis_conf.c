/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_privacy_redis_link.h"


#define NGX_PRIVACY_REDIS_PORT      6379
#define NGX_PRIVACY_REDIS_DATABASE  16383
#define NGX_PRIVACY_REDIS_SECRET    4096


static ngx_int_t ngx_privacy_redis_parse_host(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *rest,
    ngx_uint_t tls);
static ngx_int_t ngx_privacy_redis_parse_unix(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *url);
static ngx_int_t ngx_privacy_redis_parse_query(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, u_char *p,
    u_char *last, ngx_uint_t address);
static ngx_int_t ngx_privacy_redis_parse_parameter(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, u_char *p,
    u_char *last, ngx_uint_t address);
static ngx_int_t ngx_privacy_redis_parse_password_file(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, u_char *p,
    u_char *last);
static ngx_int_t ngx_privacy_redis_parse_verify(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, u_char *p,
    u_char *last);
static ngx_int_t ngx_privacy_redis_readable(ngx_conf_t *cf, ngx_str_t *name);
static ngx_int_t ngx_privacy_redis_parse_tls(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf);
static ngx_int_t ngx_privacy_redis_parse_account(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf,
    ngx_str_t *account);
static ngx_int_t ngx_privacy_redis_parse_secret(ngx_conf_t *cf, ngx_str_t *out, u_char *p, u_char *last);
static ngx_int_t ngx_privacy_redis_parse_database(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, u_char *p,
    u_char *last);
static ngx_int_t ngx_privacy_redis_resolve(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *address);
static ngx_int_t ngx_privacy_redis_host(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *host);
static ngx_int_t ngx_privacy_redis_name(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, const char *scheme,
    ngx_str_t *address);


static const char *const  ngx_privacy_redis_later[] = { "sentinel://", "cluster://" };


/* What may follow a "?": where it goes, and for which addresses. */

#define NGX_PRIVACY_REDIS_UNIX  1
#define NGX_PRIVACY_REDIS_TCP   2
#define NGX_PRIVACY_REDIS_TLS   4
#define NGX_PRIVACY_REDIS_ANY   (NGX_PRIVACY_REDIS_UNIX|NGX_PRIVACY_REDIS_TCP|NGX_PRIVACY_REDIS_TLS)

typedef ngx_int_t (*ngx_privacy_redis_parameter_pt)(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, u_char *p,
    u_char *last);

typedef struct {
    ngx_str_t                       name;
    ngx_uint_t                      addresses;
    ngx_privacy_redis_parameter_pt  set;        /* NULL: a string, at offset */
    size_t                          offset;
} ngx_privacy_redis_parameter_t;

static const ngx_privacy_redis_parameter_t  ngx_privacy_redis_parameters[] = {
    { ngx_string("db"), NGX_PRIVACY_REDIS_UNIX, ngx_privacy_redis_parse_database, 0 },
    { ngx_string("user"), NGX_PRIVACY_REDIS_ANY, NULL, offsetof(ngx_privacy_redis_conf_t, user) },
    { ngx_string("password"), NGX_PRIVACY_REDIS_UNIX, NULL, offsetof(ngx_privacy_redis_conf_t, password) },
    { ngx_string("password_file"), NGX_PRIVACY_REDIS_ANY, ngx_privacy_redis_parse_password_file, 0 },
    { ngx_string("ca"), NGX_PRIVACY_REDIS_TLS, NULL, offsetof(ngx_privacy_redis_conf_t, ca) },
    { ngx_string("cert"), NGX_PRIVACY_REDIS_TLS, NULL, offsetof(ngx_privacy_redis_conf_t, certificate) },
    { ngx_string("key"), NGX_PRIVACY_REDIS_TLS, NULL, offsetof(ngx_privacy_redis_conf_t, certificate_key) },
    { ngx_string("name"), NGX_PRIVACY_REDIS_TLS, NULL, offsetof(ngx_privacy_redis_conf_t, name) },
    { ngx_string("verify"), NGX_PRIVACY_REDIS_TLS, ngx_privacy_redis_parse_verify, 0 },
    { ngx_null_string, 0, NULL, 0 }
};


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
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%s\" is not supported yet: use \"redis://\", "
                               "\"rediss://\" or \"unix:\"", ngx_privacy_redis_later[i]);
            return NULL;
        }
    }

    if (url->len > 8 && ngx_strncasecmp(url->data, (u_char *) "redis://", 8) == 0) {
        rest.data = url->data + 8;
        rest.len = url->len - 8;

        rc = ngx_privacy_redis_parse_host(cf, conf, &rest, 0);

    } else if (url->len > 9 && ngx_strncasecmp(url->data, (u_char *) "rediss://", 9) == 0) {
        rest.data = url->data + 9;
        rest.len = url->len - 9;

        rc = ngx_privacy_redis_parse_host(cf, conf, &rest, 1);

    } else if (url->len > 5 && ngx_strncasecmp(url->data, (u_char *) "unix:", 5) == 0) {
        rc = ngx_privacy_redis_parse_unix(cf, conf, url);

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "the Redis address has to be "
                           "\"redis://[user:password@]host[:port][/database]\", the same with \"rediss://\", or "
                           "\"unix:/path[?db=N]\"");
        return NULL;
    }

    if (rc == NGX_OK && conf->user.len && conf->password.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "a Redis user without a password");
        return NULL;
    }

    return (rc == NGX_OK) ? conf : NULL;
}


static ngx_int_t
ngx_privacy_redis_parse_host(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *rest, ngx_uint_t tls)
{
    u_char     *p, *last, *slash, *query;
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

    query = ngx_strlchr(p, last, '?');

    if (query) {
        if (ngx_privacy_redis_parse_query(cf, conf, query + 1, last,
                                          tls ? NGX_PRIVACY_REDIS_TLS : NGX_PRIVACY_REDIS_TCP)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        last = query;
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

    if (ngx_privacy_redis_resolve(cf, conf, &address) != NGX_OK
        || (tls && ngx_privacy_redis_parse_tls(cf, conf) != NGX_OK))
    {
        return NGX_ERROR;
    }

    return ngx_privacy_redis_name(cf, conf, tls ? "rediss://" : "redis://", &address);
}


/* unix:PATH[?PARAMETERS] */

static ngx_int_t
ngx_privacy_redis_parse_unix(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *url)
{
    u_char     *query, *last;
    ngx_str_t   address;

    last = url->data + url->len;
    query = ngx_strlchr(url->data, last, '?');

    address.data = url->data;
    address.len = (query ? query : last) - url->data;

    if (query
        && ngx_privacy_redis_parse_query(cf, conf, query + 1, last, NGX_PRIVACY_REDIS_UNIX) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_privacy_redis_resolve(cf, conf, &address) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_privacy_redis_name(cf, conf, "", &address);
}


/* NAME=VALUE[&NAME=VALUE]..., values percent-encoded. */

static ngx_int_t
ngx_privacy_redis_parse_query(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, u_char *p, u_char *last,
    ngx_uint_t address)
{
    u_char  *end;

    while (p < last) {
        end = ngx_strlchr(p, last, '&');
        end = end ? end : last;

        if (ngx_privacy_redis_parse_parameter(cf, conf, p, end, address) != NGX_OK) {
            return NGX_ERROR;
        }

        p = end + 1;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_privacy_redis_parse_parameter(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, u_char *p, u_char *last,
    ngx_uint_t address)
{
    u_char                               *equal;
    ngx_str_t                             name;
    const ngx_privacy_redis_parameter_t  *parameter;

    equal = ngx_strlchr(p, last, '=');

    name.data = p;
    name.len = (equal ? equal : last) - p;

    for (parameter = ngx_privacy_redis_parameters; parameter->name.len; parameter++) {

        if (!(parameter->addresses & address) || equal == NULL || equal + 1 == last
            || name.len != parameter->name.len
            || ngx_strncmp(name.data, parameter->name.data, name.len) != 0)
        {
            continue;
        }

        if (parameter->set) {
            return parameter->set(cf, conf, equal + 1, last);
        }

        return ngx_privacy_redis_parse_secret(cf, (ngx_str_t *) ((u_char *) conf + parameter->offset), equal + 1,
                                              last);
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" is nothing that may stand behind the \"?\" of this Redis "
                       "address with a value", &name);

    return NGX_ERROR;
}


/* The file's first line, read when nginx starts. */

static ngx_int_t
ngx_privacy_redis_parse_password_file(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, u_char *p, u_char *last)
{
    u_char     *end;
    ssize_t     n;
    ngx_fd_t    fd;
    ngx_str_t   file;
    u_char      line[NGX_PRIVACY_REDIS_SECRET + 1];

    if (ngx_privacy_redis_parse_secret(cf, &file, p, last) != NGX_OK
        || ngx_conf_full_name(cf->cycle, &file, 1) != NGX_OK)
    {
        return NGX_ERROR;
    }

    fd = ngx_open_file(file.data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno, ngx_open_file_n " \"%V\" failed", &file);
        return NGX_ERROR;
    }

    n = ngx_read_fd(fd, line, sizeof(line));

    (void) ngx_close_file(fd);

    for (end = line; n > 0 && end < line + n && *end != '\n' && *end != '\r'; end++) { /* void */ }

    if (n <= 0 || end == line || end == line + sizeof(line)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "no password in the first line of \"%V\"", &file);
        return NGX_ERROR;
    }

    conf->password.len = end - line;
    conf->password.data = ngx_pnalloc(cf->pool, conf->password.len);
    if (conf->password.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(conf->password.data, line, conf->password.len);
    ngx_explicit_memzero(line, sizeof(line));

    return NGX_OK;
}


static ngx_int_t
ngx_privacy_redis_parse_verify(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, u_char *p, u_char *last)
{
    if (last - p == 3 && ngx_strncmp(p, "off", 3) == 0) {
        conf->unverified = 1;
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0, "Redis is not verified: whoever answers at its address is believed");
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "the verification of Redis is on, or \"verify=off\"");

    return NGX_ERROR;
}


static ngx_int_t
ngx_privacy_redis_parse_tls(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf)
{
    if (!conf->certificate.len != !conf->certificate_key.len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "for Redis, \"cert\" and \"key\" need each other");
        return NGX_ERROR;
    }

    if (ngx_privacy_redis_readable(cf, &conf->ca) != NGX_OK
        || ngx_privacy_redis_readable(cf, &conf->certificate) != NGX_OK
        || ngx_privacy_redis_readable(cf, &conf->certificate_key) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_privacy_redis_tls_conf(cf, conf) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "Redis cannot be spoken to over TLS");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_privacy_redis_parse_account(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *account)
{
    u_char  *colon, *last;

    last = account->data + account->len;
    colon = ngx_strlchr(account->data, last, ':');

    if (account->len == 0 || (colon && colon + 1 == last)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "the account in the Redis address has to be \"user:password@\", "
                           "\":password@\", or \"user@\" with a password_file");
        return NGX_ERROR;
    }

    if (ngx_privacy_redis_parse_secret(cf, &conf->user, account->data, colon ? colon : last) != NGX_OK) {
        return NGX_ERROR;
    }

    return colon ? ngx_privacy_redis_parse_secret(cf, &conf->password, colon + 1, last) : NGX_OK;
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

    *d = '\0';
    out->len = d - out->data;

    return NGX_OK;
}


/* OpenSSL does not say for which line of the configuration it wanted a file. An empty name is none. */

static ngx_int_t
ngx_privacy_redis_readable(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_fd_t   fd;
    ngx_str_t  file;

    if (name->len == 0) {
        return NGX_OK;
    }

    file = *name;

    if (ngx_conf_full_name(cf->cycle, &file, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    fd = ngx_open_file(file.data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno, ngx_open_file_n " \"%V\" failed", &file);
        return NGX_ERROR;
    }

    (void) ngx_close_file(fd);

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

    if (conf->name.len == 0 && u.family != AF_UNIX) {
        return ngx_privacy_redis_host(cf, conf, &u.host);
    }

    return NGX_OK;
}


/* Without the brackets of IPv6, and zero-terminated. */

static ngx_int_t
ngx_privacy_redis_host(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *host)
{
    ngx_uint_t  brackets;

    brackets = (host->len > 2 && host->data[0] == '[') ? 1 : 0;

    conf->name.len = host->len - 2 * brackets;
    conf->name.data = ngx_pnalloc(cf->pool, conf->name.len + 1);
    if (conf->name.data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_cpystrn(conf->name.data, host->data + brackets, conf->name.len + 1);

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
