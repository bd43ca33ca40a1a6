/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_TEXT_H
#define PV_TEXT_H

/* Text that people wrote: what may stand in it, its one spelling (NFC), and times in RFC 3339. */

#include "pv_bytes.h"

/*
 * NULL when the text is well-formed UTF-8 without control characters (line
 * breaks and tabs only when multiline) and without the bidirectional controls
 * that make a text read differently from what it says; else what is wrong.
 */
const char *pv_text_problem(pv_str_t text, int multiline);

/* Appends the text in Unicode Normalization Form C. PV_INVALID when it is not UTF-8. */
int pv_text_nfc(pv_buf_t *out, pv_str_t text);

/* Appends one code point as UTF-8; what is none becomes U+FFFD. */
void pv_text_add_code_point(pv_buf_t *out, uint32_t code_point);

/* "2026-12-01T00:00:00+08:00" to Unix seconds, years 1970 to 2105; PV_INVALID for anything else. */
int pv_rfc3339_parse(int64_t *out, pv_str_t text);

#define PV_RFC3339_SIZE  21         /* "2026-11-30T16:00:00Z" and the zero */

/* In UTC. Times outside the years above become the nearest one within. */
void pv_rfc3339_format(char out[PV_RFC3339_SIZE], int64_t time);

#endif /* PV_TEXT_H */
