/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_privacy_redis_link.h"


/*
 * Where a server is, and how one says who one is. A name is resolved when
 * nginx starts, and again after each failure where the http block has a
 * `resolver`: never by a call that blocks.
 */

#define NGX_PRIVACY_REDIS_SECOND     1000           /* ms */
#define NGX_PRIVACY_REDIS_GREETING   (64 * 1024)
#define NGX_PRIVACY_REDIS_RESOLVED   16             /* addresses of a name that are tried */


static ngx_int_t ngx_privacy_redis_server_greeting(ngx_privacy_redis_server_t *server,
    ngx_privacy_redis_role_e role);
static void ngx_privacy_redis_server_auth(ngx_privacy_redis_server_t *server, ngx_str_t *user, ngx_str_t *password);
static void ngx_privacy_redis_server_command(ngx_privacy_redis_server_t *server, pv_str_t *words, int n);
static pv_str_t ngx_privacy_redis_server_text(ngx_str_t *s);
static void ngx_privacy_redis_server_resolved(ngx_resolver_ctx_t *ctx);
static ngx_int_t ngx_privacy_redis_server_numeric(const pvr_address_t *address, ngx_sockaddr_t *sockaddr,
    socklen_t *socklen);
static ngx_int_t ngx_privacy_redis_server_take(ngx_privacy_redis_server_t *server, ngx_resolver_addr_t *addrs,
    ngx_uint_t naddrs);


ngx_int_t
ngx_privacy_redis_server_init(ngx_privacy_redis_server_t *server, ngx_privacy_redis_conf_t *conf,
    ngx_privacy_redis_role_e role, ngx_log_t *log)
{
    server->conf = conf;
    server->log = log;
    server->name = conf->url;

    return ngx_privacy_redis_server_greeting(server, role);
}


void
ngx_privacy_redis_server_close(ngx_privacy_redis_server_t *server)
{
    if (server->resolving) {
        ngx_resolve_name_done(server->resolving);
        server->resolving = NULL;
    }

    if (server->resolved) {
        ngx_free(server->resolved);
        server->resolved = NULL;
    }

    server->naddrs = 0;
    pv_buf_free(&server->greeting);
}


static ngx_int_t
ngx_privacy_redis_server_greeting(ngx_privacy_redis_server_t *server, ngx_privacy_redis_role_e role)
{
    u_char                    *last, db[NGX_INT_T_LEN];
    pv_str_t                   words[2];
    ngx_privacy_redis_conf_t  *conf;

    conf = server->conf;
    pv_buf_init(&server->greeting, NGX_PRIVACY_REDIS_GREETING);

    if (role == NGX_PRIVACY_REDIS_A_SENTINEL) {
        ngx_privacy_redis_server_auth(server, &conf->sentinel_user, &conf->sentinel_password);

    } else {
        ngx_privacy_redis_server_auth(server, &conf->user, &conf->password);
    }

    if (conf->database && role != NGX_PRIVACY_REDIS_A_SENTINEL) {
        last = ngx_sprintf(db, "%ui", conf->database);

        words[0] = pv_str("SELECT");
        words[1].data = db;
        words[1].len = last - db;
        ngx_privacy_redis_server_command(server, words, 2);
    }

    if (role == NGX_PRIVACY_REDIS_MASTER) {
        words[0] = pv_str("ROLE");
        ngx_privacy_redis_server_command(server, words, 1);
        server->role = server->greeting_n;
    }

    words[0] = pv_str("PING");
    ngx_privacy_redis_server_command(server, words, 1);

    return server->greeting.failed ? NGX_ERROR : NGX_OK;
}


static void
ngx_privacy_redis_server_auth(ngx_privacy_redis_server_t *server, ngx_str_t *user, ngx_str_t *password)
{
    pv_str_t  words[3];

    if (password->len == 0) {
        return;
    }

    words[0] = pv_str("AUTH");
    words[1] = ngx_privacy_redis_server_text(user->len ? user : password);
    words[2] = ngx_privacy_redis_server_text(password);

    ngx_privacy_redis_server_command(server, words, user->len ? 3 : 2);
}


static void
ngx_privacy_redis_server_command(ngx_privacy_redis_server_t *server, pv_str_t *words, int n)
{
    int          i, size;
    char        *formatted;
    size_t       len[3];
    const char  *argv[3];

    for (i = 0; i < n; i++) {
        argv[i] = (const char *) words[i].data;
        len[i] = words[i].len;
    }

    size = redisFormatCommandArgv(&formatted, n, argv, len);
    if (size < 0) {
        server->greeting.failed = 1;
        return;
    }

    pv_buf_add(&server->greeting, formatted, size);
    redisFreeCommand(formatted);

    server->greeting_n++;
}


static pv_str_t
ngx_privacy_redis_server_text(ngx_str_t *s)
{
    pv_str_t  text;

    text.data = s->data;
    text.len = s->len;

    return text;
}


ngx_msec_t
ngx_privacy_redis_server_try(ngx_privacy_redis_server_t *server)
{
    ngx_msec_t  since, *oldest;

    oldest = &server->tried[server->tries % NGX_PRIVACY_REDIS_TRIES];
    since = ngx_current_msec - *oldest;

    if (server->tries >= NGX_PRIVACY_REDIS_TRIES && since < NGX_PRIVACY_REDIS_SECOND) {
        return NGX_PRIVACY_REDIS_SECOND - since;
    }

    *oldest = ngx_current_msec;
    server->tries++;

    return 0;
}


void
ngx_privacy_redis_server_set_host(ngx_privacy_redis_server_t *server, ngx_privacy_redis_host_t *host)
{
    server->host = host->host;
    server->port = host->port;
    server->addrs = host->addrs;
    server->naddrs = host->naddrs;

    if (server->conf->kind != NGX_PRIVACY_REDIS_SINGLE) {
        server->name = host->text;
    }

    if (server->naddrs == 0) {
        ngx_privacy_redis_server_resolve(server);
    }
}


ngx_int_t
ngx_privacy_redis_server_set_address(ngx_privacy_redis_server_t *server, const pvr_address_t *address)
{
    size_t               len;
    u_char              *last;
    socklen_t            socklen;
    ngx_sockaddr_t       sockaddr;
    ngx_resolver_addr_t  addr;

    len = ngx_strlen(address->host);

    if (server->host.len == len && ngx_strncmp(server->host.data, address->host, len) == 0
        && server->port == address->port)
    {
        return NGX_DECLINED;
    }

    if (server->resolving) {
        ngx_resolve_name_done(server->resolving);
        server->resolving = NULL;
    }

    ngx_memcpy(server->host_data, address->host, len + 1);
    server->host.data = server->host_data;
    server->host.len = len;
    server->port = (in_port_t) address->port;

    last = ngx_strlchr(server->host_data, server->host_data + len, ':')
           ? ngx_sprintf(server->name_data, "[%V]:%ui", &server->host, (ngx_uint_t) server->port)
           : ngx_sprintf(server->name_data, "%V:%ui", &server->host, (ngx_uint_t) server->port);

    server->name.data = server->name_data;
    server->name.len = last - server->name_data;

    server->naddrs = 0;
    server->asked = 0;
    server->unresolved = 0;

    if (ngx_privacy_redis_server_numeric(address, &sockaddr, &socklen) == NGX_OK) {
        addr.sockaddr = &sockaddr.sockaddr;
        addr.socklen = socklen;

        return ngx_privacy_redis_server_take(server, &addr, 1);
    }

    if (server->conf->resolver == NULL) {
        ngx_log_error(NGX_LOG_ERR, server->log, 0, "privacy: Redis at %V is called by a name: it cannot be found "
                      "without a \"resolver\" in the http block", &server->name);
    }

    ngx_privacy_redis_server_resolve(server);

    return NGX_OK;
}


static ngx_int_t
ngx_privacy_redis_server_numeric(const pvr_address_t *address, ngx_sockaddr_t *sockaddr, socklen_t *socklen)
{
    size_t     len;
    in_addr_t  ip4;

    ngx_memzero(sockaddr, sizeof(ngx_sockaddr_t));

    len = ngx_strlen(address->host);
    ip4 = ngx_inet_addr((u_char *) address->host, len);

    if (ip4 != INADDR_NONE) {
        sockaddr->sockaddr_in.sin_family = AF_INET;
        sockaddr->sockaddr_in.sin_addr.s_addr = ip4;
        *socklen = sizeof(struct sockaddr_in);
        return NGX_OK;
    }

#if (NGX_HAVE_INET6)
    if (ngx_inet6_addr((u_char *) address->host, len, sockaddr->sockaddr_in6.sin6_addr.s6_addr) == NGX_OK) {
        sockaddr->sockaddr_in6.sin6_family = AF_INET6;
        *socklen = sizeof(struct sockaddr_in6);
        return NGX_OK;
    }
#endif

    return NGX_ERROR;
}


ngx_uint_t
ngx_privacy_redis_is_address(ngx_str_t *host)
{
#if (NGX_HAVE_INET6)
    u_char  ip6[16];

    if (ngx_inet6_addr(host->data, host->len, ip6) == NGX_OK) {
        return 1;
    }
#endif

    return ngx_inet_addr(host->data, host->len) != INADDR_NONE;
}


void
ngx_privacy_redis_server_resolve(ngx_privacy_redis_server_t *server)
{
    ngx_resolver_ctx_t  *ctx;

    if (server->conf->resolver == NULL || server->resolving || server->host.len == 0 || ngx_exiting
        || (server->asked && ngx_current_msec - server->asked < NGX_PRIVACY_REDIS_SECOND)
        || ngx_privacy_redis_is_address(&server->host))
    {
        return;
    }

    server->asked = ngx_current_msec;

    ctx = ngx_resolve_start(server->conf->resolver, NULL);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        return;
    }

    ctx->name = server->host;
    ctx->handler = ngx_privacy_redis_server_resolved;
    ctx->data = server;
    ctx->timeout = server->conf->resolver_timeout;
    ctx->cancelable = 1;

    server->resolving = ctx;

    if (ngx_resolve_name(ctx) != NGX_OK) {
        /* and it is freed */
        server->resolving = NULL;
    }
}


static void
ngx_privacy_redis_server_resolved(ngx_resolver_ctx_t *ctx)
{
    ngx_int_t                    rc;
    ngx_uint_t                   level;
    ngx_privacy_redis_server_t  *server;

    server = ctx->data;
    server->resolving = NULL;

    rc = NGX_ERROR;

    if (ctx->state) {
        level = server->unresolved ? NGX_LOG_INFO : NGX_LOG_WARN;
        server->unresolved = 1;

        ngx_log_error(level, server->log, 0, "privacy: Redis at %V: its name could not be resolved (%i: %s)",
                      &server->name, ctx->state, ngx_resolver_strerror(ctx->state));

    } else {
        server->unresolved = 0;
        rc = ngx_privacy_redis_server_take(server, ctx->addrs, ctx->naddrs);
    }

    ngx_resolve_name_done(ctx);

    if (server->found && (rc == NGX_OK || server->naddrs == 0)) {
        server->found(server);
    }
}


/* Other addresses instead of those that were. On failure they stay. */

static ngx_int_t
ngx_privacy_redis_server_take(ngx_privacy_redis_server_t *server, ngx_resolver_addr_t *addrs, ngx_uint_t naddrs)
{
    u_char          *text;
    ngx_uint_t       i;
    ngx_addr_t      *to;
    ngx_sockaddr_t  *sockaddr;

    naddrs = ngx_min(naddrs, NGX_PRIVACY_REDIS_RESOLVED);

    if (naddrs == 0) {
        return NGX_ERROR;
    }

    to = ngx_alloc(naddrs * (sizeof(ngx_addr_t) + sizeof(ngx_sockaddr_t) + NGX_SOCKADDR_STRLEN), server->log);
    if (to == NULL) {
        return NGX_ERROR;
    }

    sockaddr = (ngx_sockaddr_t *) (to + naddrs);
    text = (u_char *) (sockaddr + naddrs);

    for (i = 0; i < naddrs; i++) {
        ngx_memcpy(&sockaddr[i], addrs[i].sockaddr, ngx_min(addrs[i].socklen, (socklen_t) sizeof(ngx_sockaddr_t)));
        ngx_inet_set_port(&sockaddr[i].sockaddr, server->port);

        to[i].sockaddr = &sockaddr[i].sockaddr;
        to[i].socklen = addrs[i].socklen;
        to[i].name.data = text + i * NGX_SOCKADDR_STRLEN;
        to[i].name.len = ngx_sock_ntop(to[i].sockaddr, to[i].socklen, to[i].name.data, NGX_SOCKADDR_STRLEN, 1);
    }

    if (server->resolved) {
        ngx_free(server->resolved);
    }

    server->resolved = to;
    server->addrs = to;
    server->naddrs = naddrs;

    return NGX_OK;
}
