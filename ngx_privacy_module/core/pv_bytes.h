/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_BYTES_H
#define PV_BYTES_H

/*
 * Bytes: borrowed strings, a bounded growable buffer, and the list of problems
 * that a validator hands back.  Nothing here knows about nginx.
 */

#include <stddef.h>
#include <stdint.h>


/* What every function of core/ returns unless it says otherwise. */
#define PV_OK         0
#define PV_ERROR    (-1)    /* out of memory, or the crypto library failed */
#define PV_INVALID  (-2)    /* the input is not what it has to be */


/* Borrowed bytes: never freed through this type, not zero-terminated. */
typedef struct {
    const unsigned char  *data;
    size_t                len;
} pv_str_t;

#define pv_string(s)  { (const unsigned char *) (s), sizeof(s) - 1 }

pv_str_t pv_str(const char *s);                     /* strlen() */
int pv_str_eq(pv_str_t a, pv_str_t b);              /* 1 when equal; not constant-time */
int pv_str_eqs(pv_str_t a, const char *s);


/*
 * A growable buffer.  It owns data (malloc).  Once it failed (out of memory,
 * or past max bytes) it stays failed and further appends do nothing: check
 * failed once at the end.  data is kept zero-terminated past len (NULL as long
 * as nothing was added).  max is a bound, also when it is 0: say what is meant.
 */
typedef struct {
    unsigned char  *data;
    size_t          len;
    size_t          size;
    size_t          max;
    int             failed;
} pv_buf_t;

void pv_buf_init(pv_buf_t *b, size_t max);
void pv_buf_free(pv_buf_t *b);
void pv_buf_add(pv_buf_t *b, const void *data, size_t len);
/* Room for that many bytes behind what is there, to be written directly; NULL when there can be none. */
unsigned char *pv_buf_room(pv_buf_t *b, size_t more);
/* Takes what was written there, up to end. */
void pv_buf_took(pv_buf_t *b, const unsigned char *end);
void pv_buf_str(pv_buf_t *b, pv_str_t s);
void pv_buf_puts(pv_buf_t *b, const char *s);
void pv_buf_printf(pv_buf_t *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* HTML text or quoted attribute: & < > " ' escaped, the rest as it is. */
void pv_buf_html(pv_buf_t *b, pv_str_t s);
/* A JSON string, with its quotes. Invalid UTF-8 becomes U+FFFD. */
void pv_buf_json(pv_buf_t *b, pv_str_t s);
/*
 * UTF-8 HTML as pure ASCII: every code point above 0x7F becomes &#N;, so that
 * it reads right inside a GBK, Big5 or Shift_JIS page. Invalid UTF-8 becomes
 * &#65533;.
 */
void pv_buf_ascii(pv_buf_t *b, pv_str_t html);


/*
 * What is wrong with an input, all of it at once: "file: field: reason".
 * Bounded: past PV_PROBLEMS_MAX further ones are counted only.
 */
#define PV_PROBLEMS_MAX  256

typedef struct {
    char      *file;        /* may be NULL */
    char      *field;       /* may be NULL: a path such as purposes[2].cookies[0].name */
    char      *reason;
    unsigned   line;        /* 1-based; 0 when not known */
    unsigned   warning;     /* 1: worth saying, does not refuse */
} pv_problem_t;

typedef struct {
    pv_problem_t  *list;
    size_t         count;   /* entries in list */
    size_t         errors;  /* all that were reported, also those not kept */
    size_t         warnings;
} pv_problems_t;

void pv_problems_init(pv_problems_t *p);
void pv_problems_free(pv_problems_t *p);
void pv_problem(pv_problems_t *p, const char *file, unsigned line,
    const char *field, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void pv_warning(pv_problems_t *p, const char *file, unsigned line,
    const char *field, const char *fmt, ...) __attribute__((format(printf, 5, 6)));


/* Base64url without padding (RFC 4648, 5); decoding refuses anything else. */
#define pv_base64url_size(n)  (((n) * 4 + 2) / 3)

size_t pv_base64url_encode(unsigned char *out, pv_str_t in);
/* Returns the length, or PV_INVALID; out holds at least in.len * 3 / 4 bytes.
 * Non-canonical trailing bits are refused: one value, one spelling. */
long pv_base64url_decode(unsigned char *out, size_t size, pv_str_t in);

size_t pv_hex_encode(char *out, const void *in, size_t len);    /* lower case, no NUL */
int pv_hex_decode(unsigned char *out, size_t len, pv_str_t in); /* exactly len bytes */

#endif /* PV_BYTES_H */
