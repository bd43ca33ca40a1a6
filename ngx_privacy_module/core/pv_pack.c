/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pv_pack.h"


static unsigned pv_pack_length(uint64_t value);
static unsigned char *pv_pack_number(unsigned char *p, uint64_t value, unsigned len);
static uint64_t pv_unpack_number(pv_unpack_t *u, unsigned len);


unsigned char *
pv_pack_bytes(unsigned char *p, const void *data, size_t len)
{
    memcpy(p, data, len);

    return p + len;
}


unsigned char *
pv_pack_u16(unsigned char *p, uint16_t value)
{
    return pv_pack_number(p, value, 2);
}


unsigned char *
pv_pack_u32(unsigned char *p, uint32_t value)
{
    return pv_pack_number(p, value, 4);
}


unsigned char *
pv_pack_u64(unsigned char *p, uint64_t value)
{
    return pv_pack_number(p, value, 8);
}


unsigned char *
pv_pack_pair(unsigned char *p, uint64_t a, uint64_t b)
{
    unsigned  a_len, b_len;

    a_len = pv_pack_length(a);
    b_len = pv_pack_length(b);

    *p++ = (unsigned char) (a_len << 4 | b_len);
    p = pv_pack_number(p, a, a_len);

    return pv_pack_number(p, b, b_len);
}


static unsigned
pv_pack_length(uint64_t value)
{
    unsigned  len;

    for (len = 0; value != 0; len++) {
        value >>= 8;
    }

    return len;
}


static unsigned char *
pv_pack_number(unsigned char *p, uint64_t value, unsigned len)
{
    unsigned  i;

    for (i = len; i != 0; i--) {
        p[i - 1] = (unsigned char) value;
        value >>= 8;
    }

    return p + len;
}


void
pv_unpack_init(pv_unpack_t *u, const unsigned char *data, size_t len)
{
    u->p = data;
    u->end = data + len;
    u->failed = 0;
}


void
pv_unpack_bytes(pv_unpack_t *u, void *out, size_t len)
{
    if (u->failed || len > (size_t) (u->end - u->p)) {
        u->failed = 1;
        memset(out, 0, len);
        return;
    }

    memcpy(out, u->p, len);
    u->p += len;
}


uint8_t
pv_unpack_u8(pv_unpack_t *u)
{
    return (uint8_t) pv_unpack_number(u, 1);
}


uint16_t
pv_unpack_u16(pv_unpack_t *u)
{
    return (uint16_t) pv_unpack_number(u, 2);
}


uint32_t
pv_unpack_u32(pv_unpack_t *u)
{
    return (uint32_t) pv_unpack_number(u, 4);
}


uint64_t
pv_unpack_u64(pv_unpack_t *u)
{
    return pv_unpack_number(u, 8);
}


void
pv_unpack_pair(pv_unpack_t *u, uint64_t *a, uint64_t *b, unsigned max)
{
    unsigned  lengths, a_len, b_len;

    lengths = pv_unpack_u8(u);
    a_len = lengths >> 4;
    b_len = lengths & 15;

    if (a_len > max || b_len > max) {
        u->failed = 1;
    }

    *a = pv_unpack_number(u, a_len);
    *b = pv_unpack_number(u, b_len);

    /* one value, one spelling */

    if (pv_pack_length(*a) != a_len || pv_pack_length(*b) != b_len) {
        u->failed = 1;
    }
}


static uint64_t
pv_unpack_number(pv_unpack_t *u, unsigned len)
{
    uint64_t  value;

    if (u->failed || len > (size_t) (u->end - u->p)) {
        u->failed = 1;
        return 0;
    }

    for (value = 0; len != 0; len--) {
        value = value << 8 | *u->p++;
    }

    return value;
}


int
pv_unpack_done(const pv_unpack_t *u)
{
    return !u->failed && u->p == u->end;
}
