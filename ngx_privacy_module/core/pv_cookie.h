/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_COOKIE_H
#define PV_COOKIE_H

/*
 * Cookies on the wire (RFC 6265 and 6265bis): the request's Cookie lines and
 * the response's Set-Cookie. Lenient as servers are in what is recognised as a
 * pair, exact in names. Nothing is copied.
 */

#include "pv_bytes.h"

/* One name=value of a Cookie header line. */
typedef struct {
    pv_str_t  name;         /* trimmed; empty for a pair without '=' (then value is all of it) */
    pv_str_t  value;        /* trimmed, quotes kept */
    pv_str_t  raw;          /* from the name's first byte to the value's last: what is sent on when kept */
} pv_cookie_pair_t;

/* Reads the next pair at *cursor (0 at first); 1 when there was one, 0 at the end. */
int pv_cookie_next(pv_str_t line, size_t *cursor, pv_cookie_pair_t *pair);

/* The same, of the pairs whose name begins with prefix only; at least one byte, none of them white space or '='. */
int pv_cookie_next_of(pv_str_t line, size_t *cursor, pv_str_t prefix, pv_cookie_pair_t *pair);

/* What a Set-Cookie says. Attributes that we do not know are left alone. */
typedef struct {
    pv_str_t  name, value;
    pv_str_t  domain, path;     /* as written; empty when absent */
    int64_t   max_age;          /* seconds; meaningful when has_max_age */
    int64_t   expires;          /* Unix seconds; meaningful when has_expires */
    unsigned  has_max_age:1;
    unsigned  has_expires:1;
    unsigned  secure:1;
    unsigned  http_only:1;
    unsigned  partitioned:1;
    unsigned  same_site:2;      /* 0 absent or unknown, 1 Strict, 2 Lax, 3 None */
} pv_set_cookie_t;

/* PV_OK, or PV_INVALID when no browser would store anything from it (no name and no value). */
int pv_set_cookie_parse(pv_set_cookie_t *c, pv_str_t line);

/*
 * The name alone, and what stands behind the value: attributes, from the first
 * ';' on. PV_INVALID when the line has no name or has to be read with care:
 * then pv_set_cookie_parse() knows.
 */
int pv_set_cookie_name(pv_str_t line, pv_str_t *name, pv_str_t *attributes);

/* The cookie-date of RFC 6265 5.1.1; PV_INVALID when it is none. */
int pv_cookie_date(int64_t *out, pv_str_t text);

/* What makes a name unfit to be a cookie's (RFC 6265), as the end of a sentence, or NULL. patterns: "*" at either end. */
const char *pv_cookie_name_problem(pv_str_t name, int patterns);

#endif /* PV_COOKIE_H */
