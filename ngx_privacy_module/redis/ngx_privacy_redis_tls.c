/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * rediss://: nginx's own OpenSSL layer on the client's connections. The
 * server's certificate and its name are verified unless told not to.
 */

#include "ngx_privacy_redis_link.h"

#if (NGX_SSL)

#include <openssl/x509v3.h>


#define NGX_PRIVACY_REDIS_TLS_DEPTH  8


static ngx_str_t *ngx_privacy_redis_tls_name(ngx_privacy_redis_link_t *link);
static void ngx_privacy_redis_tls_handshaken(ngx_connection_t *c);
static const char *ngx_privacy_redis_tls_verify(ngx_privacy_redis_link_t *link, ngx_connection_t *c);


ngx_int_t
ngx_privacy_redis_tls_conf(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf)
{
    ngx_pool_cleanup_t  *cln;

    conf->tls = ngx_pcalloc(cf->pool, sizeof(ngx_ssl_t));
    if (conf->tls == NULL) {
        return NGX_ERROR;
    }

    conf->tls->log = cf->log;

    if (ngx_ssl_create(conf->tls, NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3, NULL) != NGX_OK) {
        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        ngx_ssl_cleanup_ctx(conf->tls);
        return NGX_ERROR;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = conf->tls;

    if (conf->certificate.len
        && ngx_ssl_certificate(cf, conf->tls, &conf->certificate, &conf->certificate_key, NULL) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (conf->ca.len) {
        return ngx_ssl_trusted_certificate(cf, conf->tls, &conf->ca, NGX_PRIVACY_REDIS_TLS_DEPTH);
    }

    if (SSL_CTX_set_default_verify_paths(conf->tls->ctx) == 0) {
        ngx_ssl_error(NGX_LOG_EMERG, cf->log, 0, "the system's certificates cannot be used to verify Redis");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* Over a connection that was made just now; its timer runs on. NGX_ERROR: the caller fails the link. */

ngx_int_t
ngx_privacy_redis_tls_start(ngx_privacy_redis_link_t *link)
{
    ngx_int_t                  rc;
    ngx_str_t                 *host;
    ngx_connection_t          *c;
    ngx_privacy_redis_conf_t  *conf;
    u_char                     name[NGX_PRIVACY_REDIS_TLS_NAME + 1];

    c = link->peer.connection;
    conf = link->server->conf;
    host = ngx_privacy_redis_tls_name(link);

    if (ngx_ssl_create_connection(conf->tls, c, NGX_SSL_CLIENT) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!ngx_privacy_redis_is_address(host)) {
        ngx_cpystrn(name, host->data, ngx_min(host->len, NGX_PRIVACY_REDIS_TLS_NAME) + 1);

        if (SSL_set_tlsext_host_name(c->ssl->connection, (char *) name) == 0) {
            return NGX_ERROR;
        }
    }

    link->state = NGX_PRIVACY_REDIS_HANDSHAKE;
    c->sendfile = 0;

    rc = ngx_ssl_handshake(c);

    if (rc == NGX_AGAIN) {
        c->ssl->handler = ngx_privacy_redis_tls_handshaken;
        return NGX_OK;
    }

    ngx_privacy_redis_tls_handshaken(c);

    return NGX_OK;
}


/* Whom its certificate has to name: the server that was asked for, or the name that the configuration gives. */

static ngx_str_t *
ngx_privacy_redis_tls_name(ngx_privacy_redis_link_t *link)
{
    ngx_privacy_redis_server_t  *server;

    server = link->server;

    return server->conf->name.len ? &server->conf->name : &server->host;
}


static void
ngx_privacy_redis_tls_handshaken(ngx_connection_t *c)
{
    const char                *why;
    ngx_privacy_redis_link_t  *link;

    link = c->data;

    ngx_privacy_redis_link_handlers(link);

    if (!c->ssl->handshaked) {
        ngx_privacy_redis_link_fail(link, c->read->timedout ? PVR_TIMEOUT : PVR_UNREACHABLE, "no TLS handshake");
        return;
    }

    why = ngx_privacy_redis_tls_verify(link, c);

    if (why) {
        ngx_privacy_redis_link_fail(link, PVR_UNREACHABLE, why);
        return;
    }

    ngx_privacy_redis_link_greet(link);
}


/* NULL: it is who it has to be. */

static const char *
ngx_privacy_redis_tls_verify(ngx_privacy_redis_link_t *link, ngx_connection_t *c)
{
    int                        rc;
    X509                      *certificate;
    long                       result;
    ngx_str_t                 *host;
    ngx_privacy_redis_conf_t  *conf;

    conf = link->server->conf;
    host = ngx_privacy_redis_tls_name(link);

    if (conf->unverified) {
        return NULL;
    }

    result = SSL_get_verify_result(c->ssl->connection);

    if (result != X509_V_OK) {
        return X509_verify_cert_error_string(result);
    }

    if (!ngx_privacy_redis_is_address(host)) {
        return (ngx_ssl_check_host(c, host) == NGX_OK) ? NULL : "its certificate is for another name";
    }

    certificate = SSL_get_peer_certificate(c->ssl->connection);

    if (certificate == NULL) {
        return "it has no certificate";
    }

    rc = X509_check_ip_asc(certificate, (char *) host->data, 0);
    X509_free(certificate);

    return (rc == 1) ? NULL : "its certificate is for another address";
}


void
ngx_privacy_redis_tls_close(ngx_connection_t *c)
{
    /* there is nothing more to say, and nobody waits for the answer */

    c->ssl->no_wait_shutdown = 1;
    c->ssl->no_send_shutdown = 1;

    (void) ngx_ssl_shutdown(c);
}

#else

ngx_int_t
ngx_privacy_redis_tls_conf(ngx_conf_t *cf, ngx_privacy_redis_conf_t *conf)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"rediss://\" needs an nginx that was built with OpenSSL");

    return NGX_ERROR;
}

#endif
