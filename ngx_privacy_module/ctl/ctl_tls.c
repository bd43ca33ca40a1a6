/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "ctl.h"
#include "ctl_link.h"
#include "ctl_tls.h"


struct ctl_tls_s {
    SSL_CTX  *context;
    SSL      *ssl;
};


static int ctl_tls_files(SSL_CTX *context, const ctl_url_t *url);
static int ctl_tls_name(SSL *ssl, const ctl_url_t *url);
static int ctl_tls_why(const ctl_tls_t *tls, const char *what);
static ssize_t ctl_tls_result(const ctl_tls_t *tls, int n);


int
ctl_tls_open(ctl_tls_t **out, int fd, const ctl_url_t *url)
{
    int         rc;
    ctl_tls_t  *tls;

    *out = NULL;

    tls = calloc(1, sizeof(ctl_tls_t));
    if (tls == NULL) {
        return ctl_link_failed(CTL_UNREACHABLE, "out of memory");
    }

    /* OpenSSL writes without MSG_NOSIGNAL: a server that went away is an error, not an end */
    signal(SIGPIPE, SIG_IGN);

    ERR_clear_error();
    tls->context = SSL_CTX_new(TLS_client_method());

    rc = (tls->context != NULL && SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION) == 1)
         ? ctl_tls_files(tls->context, url) : ctl_link_failed(CTL_UNREACHABLE, "cannot set up TLS");

    if (rc == CTL_OK) {
        tls->ssl = SSL_new(tls->context);

        if (tls->ssl == NULL || SSL_set_fd(tls->ssl, fd) != 1 || ctl_tls_name(tls->ssl, url) != 1) {
            rc = ctl_link_failed(CTL_UNREACHABLE, "cannot set up TLS");

        } else if (SSL_connect(tls->ssl) != 1) {
            rc = ctl_tls_why(tls, "Redis: no TLS handshake");
        }
    }

    if (rc != CTL_OK) {
        ctl_tls_close(tls);
        return rc;
    }

    *out = tls;

    return CTL_OK;
}


static int
ctl_tls_files(SSL_CTX *context, const ctl_url_t *url)
{
    SSL_CTX_set_verify(context, url->unverified ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);

    if (url->ca[0] != '\0') {
        if (SSL_CTX_load_verify_locations(context, url->ca, NULL) != 1) {
            return ctl_link_failed(CTL_WRONG, "%s: no certificates of authorities can be read from it", url->ca);
        }

    } else if (SSL_CTX_set_default_verify_paths(context) != 1) {
        return ctl_link_failed(CTL_WRONG, "the system's certificates cannot be used");
    }

    if (url->certificate[0] != '\0'
        && (SSL_CTX_use_certificate_chain_file(context, url->certificate) != 1
            || SSL_CTX_use_PrivateKey_file(context, url->certificate_key, SSL_FILETYPE_PEM) != 1
            || SSL_CTX_check_private_key(context) != 1))
    {
        return ctl_link_failed(CTL_WRONG, "%s and %s are no certificate and its key", url->certificate,
                        url->certificate_key);
    }

    return CTL_OK;
}


/* A name is asked for, and has to be in the certificate; so has an address. */

static int
ctl_tls_name(SSL *ssl, const ctl_url_t *url)
{
    const char     *name;
    unsigned char   address[16];

    name = url->name[0] != '\0' ? url->name : url->host;

    if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name);
    }

    return SSL_set_tlsext_host_name(ssl, name) == 1 && SSL_set1_host(ssl, name) == 1;
}


static int
ctl_tls_why(const ctl_tls_t *tls, const char *what)
{
    long         verified;
    const char  *reason;

    verified = SSL_get_verify_result(tls->ssl);

    if (verified != X509_V_OK) {
        return ctl_link_for_good(ctl_link_failed(CTL_UNREACHABLE, "%s: %s", what,
                                                 X509_verify_cert_error_string(verified)));
    }

    reason = ERR_reason_error_string(ERR_get_error());

    return ctl_link_failed(CTL_UNREACHABLE, "%s: %s", what, reason != NULL ? reason : "the connection was closed");
}


ssize_t
ctl_tls_read(ctl_tls_t *tls, void *data, size_t len)
{
    errno = 0;

    return ctl_tls_result(tls, SSL_read(tls->ssl, data, len > INT_MAX ? INT_MAX : (int) len));
}


ssize_t
ctl_tls_write(ctl_tls_t *tls, const void *data, size_t len)
{
    errno = 0;

    return ctl_tls_result(tls, SSL_write(tls->ssl, data, len > INT_MAX ? INT_MAX : (int) len));
}


static ssize_t
ctl_tls_result(const ctl_tls_t *tls, int n)
{
    if (n > 0) {
        return n;
    }

    switch (SSL_get_error(tls->ssl, n)) {

    case SSL_ERROR_ZERO_RETURN:
        return 0;

    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;

    default:
        errno = (errno == 0) ? EPROTO : errno;
        return -1;
    }
}


void
ctl_tls_close(ctl_tls_t *tls)
{
    if (tls == NULL) {
        return;
    }

    SSL_free(tls->ssl);
    SSL_CTX_free(tls->context);
    free(tls);
}
