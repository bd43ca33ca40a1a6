/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PVR_READER_H
#define PVR_READER_H

/*
 * hiredis' reader, for replies that are many and small: a reply with all that
 * is in it lies in one block of memory (in several when it is large), where
 * hiredis by itself allocates each object, each string and each array.  Blocks
 * are used again, so a reply usually costs no allocation at all.
 *
 * The blocks that are kept belong to the process: for one thread only.
 */

#include "pvr.h"

/* Owned by the caller, freed by redisReaderFree(); NULL: no memory.  Its replies are freed by pvr_reply_free(), whole
 * and only so: neither by freeReplyObject() nor a part of one. */
redisReader *pvr_reader_create(void);
void pvr_reply_free(redisReply *reply);         /* NULL is none */

#endif /* PVR_READER_H */
