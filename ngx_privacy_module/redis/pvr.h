/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PVR_H
#define PVR_H

/*
 * What is said to Redis: key names, commands (RESP, formatted by hiredis) and
 * the meaning of replies. No I/O: nginx's client and privacyctl share it.
 */

#include <hiredis/hiredis.h>

#include "pv_head.h"

/* What became of a command. Each has one answer, never none. */
typedef enum {
    PVR_OK,             /* a reply that is not an error */
    PVR_TIMEOUT,        /* the deadline passed; the outcome is unknown */
    PVR_CLOSED,         /* the connection broke after it was sent; the outcome is unknown */
    PVR_UNREACHABLE,    /* never sent: no connection, or the queue is full */
    PVR_LOADING,        /* and the rest: what the server answered */
    PVR_READONLY,
    PVR_OOM,
    PVR_MISCONF,
    PVR_NOREPLICAS,
    PVR_CLUSTERDOWN,
    PVR_MOVED,
    PVR_ASK,
    PVR_TRYAGAIN,
    PVR_NOPERM,
    PVR_NOAUTH,
    PVR_EXISTS,         /* XADD: the id is not greater than the last */
    PVR_ERROR,          /* any other error reply */
    PVR_PROTOCOL,       /* garbage, or a reply past the limits: the connection is closed */
    PVR_SHORT,          /* carried out, but too few replicas have it: it may yet be lost */
    PVR_STATUSES
} pvr_status_t;

const char *pvr_status_name(pvr_status_t s);
/* Of an error reply's text ("MOVED 3999 127.0.0.1:6381"). */
pvr_status_t pvr_status(const redisReply *reply);
/* 1 when the command may have been carried out although no reply said so. */
int pvr_unknown(pvr_status_t s);

/* Limits on what a server may answer; past them: PVR_PROTOCOL. */
#define PVR_REPLY_MAX       (64u * 1024 * 1024)     /* bytes of one reply */
#define PVR_REPLY_ELEMENTS  (512u * 1024)           /* CLUSTER SLOTS has up to 28 a slot, with four replicas each */
#define PVR_REPLY_DEPTH     4
#define PVR_KEY_MAX         256

/*
 * Keys, into buf (PVR_KEY_MAX), zero-terminated; return the length.
 * digest: 32 bytes, in hex. subject: 16 bytes, in base64url.
 */
size_t pvr_key_bundle(char *buf, pv_str_t site, const unsigned char *digest);
size_t pvr_key_policies(char *buf, pv_str_t site);
size_t pvr_key_form(char *buf, pv_str_t site, uint64_t form);           /* N as 16 hex digits */
size_t pvr_key_ledger(char *buf, pv_str_t site, const unsigned char *subject);
size_t pvr_key_events(char *buf, pv_str_t site);

/*
 * Commands: each appends one formatted command to out. Several may be appended
 * one after another; each then has one reply, in order.
 */

/* MULTI, HSETNX ledger POSITION RECORD, EXPIRE ledger TERM, EXEC: four replies; the fourth is the array.
 * term: seconds from now on that the ledger is kept, by Redis' clock: ours may be wrong. */
int pvr_ledger_append(pv_buf_t *out, pv_str_t site, const unsigned char *subject, uint32_t position,
    pv_str_t record, int64_t term);
#define PVR_LEDGER_APPEND_REPLIES  4
/* What the EXEC array said: 1 appended, 0 the position was taken, or -1 (not such a reply). */
int pvr_ledger_appended(const redisReply *exec);

/* HMGET ledger POSITION ... (n of them, from first). */
int pvr_ledger_read(pv_buf_t *out, pv_str_t site, const unsigned char *subject, uint32_t first, unsigned n);
/* HLEN ledger. */
int pvr_ledger_length(pv_buf_t *out, pv_str_t site, const unsigned char *subject);

/* SET form:N bytes NX; an existing one is success (write once). */
int pvr_form_put(pv_buf_t *out, pv_str_t site, uint64_t form, pv_str_t bytes);
int pvr_form_exists(pv_buf_t *out, pv_str_t site, uint64_t form);

/*
 * The publication log: id SEQUENCE-0, fields kind and digest (hex); of a version also version and effective (Unix
 * seconds). bundle:DIGEST holds the sealed entry, of every kind.
 */
int pvr_bundle_put(pv_buf_t *out, pv_str_t site, const unsigned char *digest, pv_str_t sealed);  /* SET NX */
int pvr_bundle_get(pv_buf_t *out, pv_str_t site, const unsigned char *digest);
/* GETRANGE: the bytes from first to last, both included, as far as there are. */
int pvr_bundle_range(pv_buf_t *out, pv_str_t site, const unsigned char *digest, size_t first, size_t last);
int pvr_policies_append(pv_buf_t *out, pv_str_t site, const pv_head_t *head);
/* XRANGE (after-0 + COUNT */
int pvr_policies_read(pv_buf_t *out, pv_str_t site, uint32_t after, unsigned count);

typedef struct {
    uint32_t          sequence;
    pv_entry_kind_t   kind;
    unsigned char     digest[PV_SHA256_LEN];
    pv_str_t          version;      /* into the reply; empty when it is no version */
    int64_t           effective;
} pvr_policy_entry_t;

/* Entry i of an XRANGE reply; PV_INVALID when it is not one of ours. */
int pvr_policy_entry(pvr_policy_entry_t *e, const redisReply *xrange, size_t i);

/* Wake-ups: PUBLISH privacy:NAME:events TEXT, with TEXT one of */
#define PVR_EVENT_PUBLISHED  "published"            /* "published SEQUENCE" */
#define PVR_EVENT_REVOKED    "revoked"              /* "revoked SUBJECT POSITION" */
int pvr_event_publish(pv_buf_t *out, pv_str_t site, pv_str_t text);
int pvr_subscribe(pv_buf_t *out, pv_str_t site);

#endif /* PVR_H */
