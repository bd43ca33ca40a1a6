/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_PACK_H
#define PV_PACK_H

/*
 * How numbers lie in records, cookies and tokens: big-endian; small ones
 * shortened two by two. Every value has exactly one spelling.
 */

#include "pv_bytes.h"

#define PV_PACK_PAIR_MAX(len)  (1 + 2 * (len))

/* Each writes at p, which has room, and returns what is behind. */
unsigned char *pv_pack_bytes(unsigned char *p, const void *data, size_t len);
unsigned char *pv_pack_u16(unsigned char *p, uint16_t value);
unsigned char *pv_pack_u32(unsigned char *p, uint32_t value);
unsigned char *pv_pack_u64(unsigned char *p, uint64_t value);
/* One byte says how many bytes each takes (0 to 8), leading zeros left out. */
unsigned char *pv_pack_pair(unsigned char *p, uint64_t a, uint64_t b);

/* Once something did not fit, failed stays set and further values are 0. */
typedef struct {
    const unsigned char  *p, *end;
    int                   failed;
} pv_unpack_t;

void pv_unpack_init(pv_unpack_t *u, const unsigned char *data, size_t len);
void pv_unpack_bytes(pv_unpack_t *u, void *out, size_t len);
uint8_t pv_unpack_u8(pv_unpack_t *u);
uint16_t pv_unpack_u16(pv_unpack_t *u);
uint32_t pv_unpack_u32(pv_unpack_t *u);
uint64_t pv_unpack_u64(pv_unpack_t *u);
/* max: bytes that each may take at most. */
void pv_unpack_pair(pv_unpack_t *u, uint64_t *a, uint64_t *b, unsigned max);
/* 1 when nothing failed and nothing is left. */
int pv_unpack_done(const pv_unpack_t *u);

#endif /* PV_PACK_H */
