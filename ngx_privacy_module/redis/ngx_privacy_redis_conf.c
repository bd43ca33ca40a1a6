/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_privacy_redis_private.h"


#define NGX_PRIVACY_REDIS_DATABASE  16383
#define NGX_PRIVACY_REDIS_SECRET    4096


static ngx_int_t ngx_privacy_redis_parse_unix(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *url);
static ngx_int_t ngx_privacy_redis_parse_query(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, u_char *p,
    u_char *last, ngx_uint_t address);
static ngx_int_t ngx_privacy_redis_parse_parameter(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, u_char *p,
    u_char *last, ngx_uint_t address);
static ngx_int_t ngx_privacy_redis_parse_password_file(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *out,
    u_char *p, u_char *last);
static ngx_int_t ngx_privacy_redis_parse_verify(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *out,
    u_char *p, u_char *last);
static ngx_int_t ngx_privacy_redis_readable(ngx_conf_t *cf, ngx_str_t *name);
static ngx_int_t ngx_privacy_redis_parse_tls(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf);
static ngx_int_t ngx_privacy_redis_parse_account(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf,
    ngx_str_t *account);
static ngx_int_t ngx_privacy_redis_parse_secret(ngx_conf_t *cf, ngx_str_t *out, u_char *p, u_char *last);
static ngx_int_t ngx_privacy_redis_parse_database(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *out,
    u_char *p, u_char *last);
static ngx_int_t ngx_privacy_redis_name(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, const char *scheme,
    ngx_str_t *address);


typedef struct {
    ngx_str_t                  prefix;
    ngx_privacy_redis_kind_e   kind;
    ngx_uint_t                 encrypted;
} ngx_privacy_redis_scheme_t;

static ngx_int_t ngx_privacy_redis_parse_host(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf,
    const ngx_privacy_redis_scheme_t *scheme, ngx_str_t *rest);
static ngx_int_t ngx_privacy_redis_parse_path(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, u_char *p, u_char *last);
static ngx_int_t ngx_privacy_redis_parse_encrypted(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *out,
    u_char *p, u_char *last);


static const ngx_privacy_redis_scheme_t  ngx_privacy_redis_schemes[] = {
    { ngx_string("redis://"), NGX_PRIVACY_REDIS_SINGLE, 0 },
    { ngx_string("rediss://"), NGX_PRIVACY_REDIS_SINGLE, 1 },
    { ngx_string("sentinel://"), NGX_PRIVACY_REDIS_SENTINEL, 0 },
    { ngx_string("cluster://"), NGX_PRIVACY_REDIS_CLUSTER, 0 },
    { ngx_null_string, NGX_PRIVACY_REDIS_SINGLE, 0 }
};


/* What may follow a "?": where it goes, and for which addresses. */

#define NGX_PRIVACY_REDIS_UNIX   1
#define NGX_PRIVACY_REDIS_TCP    2
#define NGX_PRIVACY_REDIS_TLS    4
#define NGX_PRIVACY_REDIS_NAMED  8       /* by sentinels */
#define NGX_PRIVACY_REDIS_MANY   16
#define NGX_PRIVACY_REDIS_SETS   (NGX_PRIVACY_REDIS_NAMED|NGX_PRIVACY_REDIS_MANY)
#define NGX_PRIVACY_REDIS_ANY    (NGX_PRIVACY_REDIS_UNIX|NGX_PRIVACY_REDIS_TCP|NGX_PRIVACY_REDIS_TLS \
                                  |NGX_PRIVACY_REDIS_SETS)

/* out: where it goes, when it is a string */
typedef ngx_int_t (*ngx_privacy_redis_parameter_pt)(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *out,
    u_char *p, u_char *last);

typedef struct {
    ngx_str_t                       name;
    ngx_uint_t                      addresses;
    ngx_privacy_redis_parameter_pt  set;        /* NULL: a string, at offset */
    size_t                          offset;
} ngx_privacy_redis_parameter_t;

static const ngx_privacy_redis_parameter_t  ngx_privacy_redis_parameters[] = {
    { ngx_string("db"), NGX_PRIVACY_REDIS_UNIX|NGX_PRIVACY_REDIS_NAMED, ngx_privacy_redis_parse_database, 0 },
    { ngx_string("user"), NGX_PRIVACY_REDIS_ANY, NULL, offsetof(ngx_privacy_redis_conf_t, user) },
    { ngx_string("password"), NGX_PRIVACY_REDIS_UNIX, NULL, offsetof(ngx_privacy_redis_conf_t, password) },
    { ngx_string("password_file"), NGX_PRIVACY_REDIS_ANY, ngx_privacy_redis_parse_password_file,
      offsetof(ngx_privacy_redis_conf_t, password) },
    { ngx_string("sentinel_user"), NGX_PRIVACY_REDIS_NAMED, NULL, offsetof(ngx_privacy_redis_conf_t, sentinel_user) },
    { ngx_string("sentinel_password_file"), NGX_PRIVACY_REDIS_NAMED, ngx_privacy_redis_parse_password_file,
      offsetof(ngx_privacy_redis_conf_t, sentinel_password) },
    { ngx_string("tls"), NGX_PRIVACY_REDIS_SETS, ngx_privacy_redis_parse_encrypted, 0 },
    { ngx_string("ca"), NGX_PRIVACY_REDIS_TLS|NGX_PRIVACY_REDIS_SETS, NULL, offsetof(ngx_privacy_redis_conf_t, ca) },
    { ngx_string("cert"), NGX_PRIVACY_REDIS_TLS|NGX_PRIVACY_REDIS_SETS, NULL, offsetof(ngx_privacy_redis_conf_t, certificate) },
    { ngx_string("key"), NGX_PRIVACY_REDIS_TLS|NGX_PRIVACY_REDIS_SETS, NULL, offsetof(ngx_privacy_redis_conf_t, certificate_key) },
    { ngx_string("name"), NGX_PRIVACY_REDIS_TLS|NGX_PRIVACY_REDIS_SETS, NULL, offsetof(ngx_privacy_redis_conf_t, name) },
    { ngx_string("verify"), NGX_PRIVACY_REDIS_TLS|NGX_PRIVACY_REDIS_SETS, ngx_privacy_redis_parse_verify, 0 },
    { ngx_null_string, 0, NULL, 0 }
};


ngx_privacy_redis_conf_t *
ngx_privacy_redis_parse(ngx_conf_t *cf, ngx_str_t *url)
{
    ngx_int_t                          rc;
    ngx_str_t                          rest;
    ngx_privacy_redis_conf_t          *conf;
    const ngx_privacy_redis_scheme_t  *scheme;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_privacy_redis_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->connect_timeout = 1000;
    conf->max_queued = 1024;
    conf->max_bytes = 16 * 1024 * 1024;

    for (scheme = ngx_privacy_redis_schemes; scheme->prefix.len; scheme++) {

        if (url->len > scheme->prefix.len
            && ngx_strncasecmp(url->data, scheme->prefix.data, scheme->prefix.len) == 0)
        {
            break;
        }
    }

    if (scheme->prefix.len) {
        rest.data = url->data + scheme->prefix.len;
        rest.len = url->len - scheme->prefix.len;

        conf->kind = scheme->kind;
        conf->encrypted = scheme->encrypted;

        rc = ngx_privacy_redis_parse_host(cf, conf, scheme, &rest);

    } else if (url->len > 5 && ngx_strncasecmp(url->data, (u_char *) "unix:", 5) == 0) {
        rc = ngx_privacy_redis_parse_unix(cf, conf, url);

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "the Redis address has to be "
                           "\"redis://[user:password@]host[:port][/database]\", the same with \"rediss://\", "
                           "\"sentinel://[user:password@]host[:port][,host[:port]].../master\", "
                           "\"cluster://[user:password@]host[:port][,host[:port]]...\", or \"unix:/path[?db=N]\"");
        return NULL;
    }

    if (rc == NGX_OK && conf->user.len && conf->password.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "a Redis user without a password");
        return NULL;
    }

    if (rc == NGX_OK && conf->sentinel_user.len && conf->sentinel_password.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "a sentinel_user without a sentinel_password_file");
        return NULL;
    }

    return (rc == NGX_OK) ? conf : NULL;
}


/* [ACCOUNT@]HOSTS[/DATABASE or MASTER][?PARAMETERS] */

static ngx_int_t
ngx_privacy_redis_parse_host(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf,
    const ngx_privacy_redis_scheme_t *scheme, ngx_str_t *rest)
{
    u_char     *p, *last, *slash, *query;
    ngx_str_t   account, address;

    static const ngx_uint_t  addresses[] = { NGX_PRIVACY_REDIS_TCP, NGX_PRIVACY_REDIS_NAMED, NGX_PRIVACY_REDIS_MANY };

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
                                          scheme->encrypted ? NGX_PRIVACY_REDIS_TLS : addresses[conf->kind])
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        last = query;
    }

    slash = ngx_strlchr(p, last, '/');

    address.data = p;
    address.len = (slash ? slash : last) - p;

    if (ngx_privacy_redis_parse_path(cf, conf, slash ? slash + 1 : last, last) != NGX_OK
        || ngx_privacy_redis_conf_hosts(cf, conf, &address) != NGX_OK
        || ngx_privacy_redis_parse_tls(cf, conf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_privacy_redis_name(cf, conf, (const char *) scheme->prefix.data, &address);
}


/* What stands behind the slash. */

static ngx_int_t
ngx_privacy_redis_parse_path(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, u_char *p, u_char *last)
{
    u_char  *c;

    if (conf->kind == NGX_PRIVACY_REDIS_SENTINEL) {

        if (ngx_privacy_redis_parse_secret(cf, &conf->master, p, last) != NGX_OK) {
            return NGX_ERROR;
        }

        for (c = conf->master.data; c < conf->master.data + conf->master.len && *c > ' ' && *c != '/'; c++) { /* void */ }

        if (conf->master.len == 0 || *c != '\0') {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "the Redis address has to end with \"/\" and the name by which "
                               "the sentinels know the master");
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    if (p == last) {
        /* "host/" is database 0 */
        return NGX_OK;
    }

    if (conf->kind == NGX_PRIVACY_REDIS_CLUSTER) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "a Redis cluster has no databases: \"/%*s\"", (size_t) (last - p), p);
        return NGX_ERROR;
    }

    return ngx_privacy_redis_parse_database(cf, conf, NULL, p, last);
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

    if (ngx_privacy_redis_conf_host(cf, conf, &address) != NGX_OK) {
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
    ngx_str_t                             name, *out;
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

        out = (ngx_str_t *) ((u_char *) conf + parameter->offset);

        if (parameter->set) {
            return parameter->set(cf, conf, out, equal + 1, last);
        }

        return ngx_privacy_redis_parse_secret(cf, out, equal + 1, last);
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" is nothing that may stand behind the \"?\" of this Redis "
                       "address with a value", &name);

    return NGX_ERROR;
}


/* The file's first line, read when nginx starts. */

static ngx_int_t
ngx_privacy_redis_parse_password_file(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *out, u_char *p,
    u_char *last)
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

    out->len = end - line;
    out->data = ngx_pnalloc(cf->pool, out->len);
    if (out->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(out->data, line, out->len);
    ngx_explicit_memzero(line, sizeof(line));

    return NGX_OK;
}


static ngx_int_t
ngx_privacy_redis_parse_verify(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *out, u_char *p,
    u_char *last)
{
    (void) out;

    if (last - p == 3 && ngx_strncmp(p, "off", 3) == 0) {
        conf->unverified = 1;
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0, "Redis is not verified: whoever answers at its address is believed");
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "the verification of Redis is on, or \"verify=off\"");

    return NGX_ERROR;
}


static ngx_int_t
ngx_privacy_redis_parse_encrypted(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *out, u_char *p,
    u_char *last)
{
    (void) out;

    if (last - p == 2 && ngx_strncmp(p, "on", 2) == 0) {
        conf->encrypted = 1;
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "for Redis, TLS is off, or \"tls=on\"");

    return NGX_ERROR;
}


static ngx_int_t
ngx_privacy_redis_parse_tls(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf)
{
    if (!conf->encrypted) {

        if (conf->ca.len || conf->certificate.len || conf->certificate_key.len || conf->name.len || conf->unverified) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "certificates of Redis need \"tls=on\"");
            return NGX_ERROR;
        }

        return NGX_OK;
    }

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
ngx_privacy_redis_parse_database(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, ngx_str_t *out, u_char *p,
    u_char *last)
{
    ngx_int_t  n;

    (void) out;

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


/* How it is called in logs and on the status page: without what is secret. */

static ngx_int_t
ngx_privacy_redis_name(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf, const char *scheme, ngx_str_t *address)
{
    u_char  *p, *last;
    size_t   len;

    len = ngx_strlen(scheme) + address->len + 1 + conf->master.len + 1 + NGX_INT_T_LEN;

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    conf->url.data = p;
    last = p + len;

    p = ngx_slprintf(p, last, "%s%V", scheme, address);

    if (conf->master.len) {
        p = ngx_slprintf(p, last, "/%V", &conf->master);
    }

    if (conf->database) {
        p = ngx_slprintf(p, last, "/%ui", conf->database);
    }

    conf->url.len = p - conf->url.data;

    return NGX_OK;
}
