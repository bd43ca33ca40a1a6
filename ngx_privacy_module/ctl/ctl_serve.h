/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_SERVE_H
#define CTL_SERVE_H

/*
 * Pages for one's own browser: HTTP on loopback, one process, a request a
 * connection, everything bounded (connections, heads, time). Bodies of
 * requests are not read.
 */

#include "pv_bytes.h"

/* Borrowed; strings are zero-terminated, empty where there is none. */
typedef struct {
    const char  *method;
    const char  *path;              /* as it was sent, up to '?' */
    const char  *query;             /* behind it */
    const char  *accept, *accept_language;
} ctl_request_t;

typedef struct {
    unsigned     status;            /* 200 unless the handler says otherwise */
    const char  *type;
    const char  *location;          /* NULL, or where a redirect leads: static */
    pv_buf_t     language;          /* for Content-Language; empty: none */
    pv_buf_t     body;
} ctl_response_t;

/* Fills the response; body.failed gives a 500. */
typedef void (*ctl_serve_pt)(void *data, const ctl_request_t *request, ctl_response_t *response);

/*
 * port: 0 for any that is free. ready is called once, with the port that is
 * listened on. Returns an exit code of ctl.h: CTL_OK after an interrupt
 * (SIGINT, SIGTERM).
 */
int ctl_serve(unsigned port, ctl_serve_pt handler, void (*ready)(void *data, unsigned port), void *data);

/* The decoded value of NAME=VALUE in a query, into out; 0 when it is not there or does not fit. */
int ctl_query(char *out, size_t size, const char *query, const char *name);

#endif /* CTL_SERVE_H */
