/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PVR_LIMIT_H
#define PVR_LIMIT_H

/*
 * Reads the skeleton of a RESP stream before hiredis does, and refuses what is
 * past our limits before memory is taken for it: hiredis 0.14 allocates what a
 * "*" header promises, and buffers what a "$" header promises.
 *
 * Feed every byte that was received, in order, in pieces of any size. The
 * limits are for one reply each: bytes, elements in all of its arrays
 * together, depth.
 */

#include "pvr.h"

#define PVR_LIMIT_LINE  (64 * 1024)     /* of a status, error, number or header line */

typedef struct {
    unsigned   state;
    unsigned   type;                    /* of the line that is being read */
    unsigned   depth;
    unsigned   negative:1;
    unsigned   digits;
    uint64_t   number;
    uint64_t   skip;                    /* bytes of a bulk string, with its CRLF, still to come */
    size_t     line;
    size_t     bytes;                   /* of the reply so far */
    size_t     elements;
    uint32_t   left[PVR_REPLY_DEPTH];   /* elements still to come, an array inside another */
    uint64_t   replies;                 /* complete ones, since pvr_limit_init() */
} pvr_limit_t;

void pvr_limit_init(pvr_limit_t *limit);
/* PV_OK, or PV_INVALID: past a limit, or not RESP. It then stays invalid. */
int pvr_limit_feed(pvr_limit_t *limit, const unsigned char *data, size_t len);

#endif /* PVR_LIMIT_H */
