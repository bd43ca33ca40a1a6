/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PVR_DURABILITY_H
#define PVR_DURABILITY_H

/*
 * What an acknowledged choice survives: how that is written in a
 * configuration, what the server's settings say to it, and how WAIT is asked.
 * No I/O.
 */

#include "pvr.h"

typedef enum {
    PVR_MEMORY,         /* Redis has it in memory */
    PVR_FSYNC,          /* and on its disk: it syncs before it answers, where it is set to */
    PVR_REPLICAS        /* and that many replicas have it in memory: WAIT said so */
} pvr_durability_mode_t;

typedef struct {
    pvr_durability_mode_t  mode;
    unsigned               replicas;        /* 0 in the other modes */
} pvr_durability_t;

#define PVR_REPLICAS_MAX     16
#define PVR_DURABILITY_TEXT  16

/* "memory", "fsync", "replicas=N". PV_OK, or PV_INVALID. */
int pvr_durability_parse(pvr_durability_t *durability, pv_str_t text);
/* As it is written; zero-terminated. */
size_t pvr_durability_text(char text[PVR_DURABILITY_TEXT], const pvr_durability_t *durability);


/*
 * Settings. What is asked depends on the mode: the number of commands that
 * were appended, or PV_ERROR; their replies, in order, are what is judged.
 * Each text is a list with "; " between, empty when there is nothing to say:
 * warning of what breaks the promise, unknown of what the server does not tell
 * this account (that is not held against it).
 */
#define PVR_SETTINGS_MAX  5

int pvr_settings_ask(pv_buf_t *out, const pvr_durability_t *durability);
void pvr_settings_judge(pv_buf_t *warning, pv_buf_t *unknown, const pvr_durability_t *durability,
    redisReply *const *replies, size_t n);
/* What tells one process of a server from another, in the replies of PVR_REPLICAS; empty: it was not told. */
pv_str_t pvr_settings_run_id(redisReply *const *replies, size_t n);
/* The same of a reply to INFO server. */
pv_str_t pvr_run_id(const redisReply *info);
int pvr_info_server(pv_buf_t *out);


/*
 * WAIT counts the replicas that have what its own connection wrote last, and
 * with it all that was written anywhere before that. EXPIRE says a ledger's
 * term once more: a write that changes nothing, on whatever shard the ledger
 * is.
 */
int pvr_ledger_touch(pv_buf_t *out, pv_str_t site, const unsigned char *subject, int64_t term);
/* 1: it was such a write; 0: the server has no such ledger, or it failed. */
int pvr_touched(const redisReply *reply);
int pvr_wait(pv_buf_t *out, unsigned replicas, unsigned msec);
/* How many have it, or -1: no such reply. */
long pvr_waited(const redisReply *reply);

#endif /* PVR_DURABILITY_H */
