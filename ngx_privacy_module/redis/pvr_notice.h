/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PVR_NOTICE_H
#define PVR_NOTICE_H

/*
 * What is said to Redis about notices. NAME is the site; a subject is 16
 * bytes, in base64url in keys and events, binary as a member or a field.
 *
 *   privacy:NAME:notices             stream: explicit ids N-0, field "sealed"
 *   privacy:NAME:audience:DIGEST     set of subjects, content addressed
 *   privacy:NAME:users:SHARD         hash: subject = Unix time of the first
 *                                    meeting; SHARD: its first byte in hex
 *   privacy:{NAME:SUBJECT}:notices   hash: what became of notices (pv_notice.h)
 *
 * As in pvr.h: each function appends one formatted command to out, which has
 * one reply, unless it says otherwise.
 */

#include "pv_notice.h"
#include "pvr.h"

#define PVR_NOTICES_READ   256      /* notices in one reply, at most */
#define PVR_SUBJECTS_MAX   256      /* subjects in one command, at most */
#define PVR_SHARDS         256

size_t pvr_key_notice_stream(char *buf, pv_str_t site);
size_t pvr_key_audience(char *buf, pv_str_t site, const unsigned char *digest);
size_t pvr_key_users(char *buf, pv_str_t site, unsigned shard);
size_t pvr_key_notices(char *buf, pv_str_t site, const unsigned char *subject);


/* The stream. */

/* XADD notices NUMBER-0 sealed BYTES: PVR_EXISTS when that number, or a later one, is there already. */
int pvr_notices_append(pv_buf_t *out, pv_str_t site, uint32_t number, pv_str_t sealed);
/* XRANGE (AFTER-0 + COUNT; at most PVR_NOTICES_READ. */
int pvr_notices_read(pv_buf_t *out, pv_str_t site, uint32_t after, unsigned count);
/* XREVRANGE + - COUNT: the newest first. */
int pvr_notices_newest(pv_buf_t *out, pv_str_t site, unsigned count);

typedef struct {
    uint32_t  number;
    pv_str_t  sealed;       /* into the reply */
} pvr_notice_entry_t;

/*
 * Entry i of the reply to either. PV_INVALID: it is not one of ours; number
 * then says where it stands, to read on behind it, 0 when not even that can be
 * told.
 */
int pvr_notice_entry(pvr_notice_entry_t *e, const redisReply *reply, size_t i);


/* Audiences. */

/* SADD; n at most PVR_SUBJECTS_MAX. */
int pvr_audience_add(pv_buf_t *out, pv_str_t site, const unsigned char *digest,
    const unsigned char (*subjects)[PV_SUBJECT_LEN], size_t n);
/* SCARD. */
int pvr_audience_count(pv_buf_t *out, pv_str_t site, const unsigned char *digest);
/* SMISMEMBER: which of n (at most PVR_SUBJECTS_MAX) are in it. */
int pvr_audience_members(pv_buf_t *out, pv_str_t site, const unsigned char *digest,
    const unsigned char *const *subjects, size_t n);
/* listed[i] is 1 or 0; PV_INVALID when the reply is none about n subjects. */
int pvr_audience_listed(unsigned char *listed, size_t n, const redisReply *reply);
/* SSCAN; cursor: "0" first, then what pvr_scan() says. */
int pvr_audience_scan(pv_buf_t *out, pv_str_t site, const unsigned char *digest, pv_str_t cursor, unsigned count);


/* The index of users. */

/* HSETNX: the first meeting counts. */
int pvr_user_meet(pv_buf_t *out, pv_str_t site, const unsigned char *subject, int64_t time);
/* HGET; pvr_user_time() of the reply is 0 when the user is not there (or it is no time). */
int pvr_user_met(pv_buf_t *out, pv_str_t site, const unsigned char *subject);
int64_t pvr_user_time(const redisReply *reply);
/* HSCAN of one shard. */
int pvr_users_scan(pv_buf_t *out, pv_str_t site, unsigned shard, pv_str_t cursor, unsigned count);

/*
 * What a SSCAN or HSCAN says: the cursor to go on with ("0": that was all),
 * into the reply, and how many items there are. PV_INVALID: no such reply. An
 * item may come twice.
 */
int pvr_scan(pv_str_t *cursor, size_t *n, const redisReply *reply);
/* Item i of n of a SSCAN, as subject; of a HSCAN the same with pvr_scan_user(). PV_INVALID: none of ours, pass it over. */
int pvr_scan_member(unsigned char subject[PV_SUBJECT_LEN], const redisReply *reply, size_t i);
int pvr_scan_user(unsigned char subject[PV_SUBJECT_LEN], int64_t *met, const redisReply *reply, size_t i);
/* How many items a HSCAN has: its fields, not twice as many. */
size_t pvr_scan_users(size_t n);


/* What became of notices with one user. */

/* HGETALL, and its reply read into states (ids and count are set): PV_INVALID when it is none. */
int pvr_notice_state(pv_buf_t *out, pv_str_t site, const unsigned char *subject);
int pvr_notice_state_read(pv_notice_states_t *states, const redisReply *reply);

/* HMGET of all fields of n notices (1 to PV_NOTICES_OPEN_MAX); the reply read into as many states, whose ids are set. */
int pvr_notice_marks(pv_buf_t *out, pv_str_t site, const unsigned char *subject, const char *const *ids, size_t n);
int pvr_notice_marks_read(pv_notice_state_t *states, size_t n, const redisReply *reply);

/*
 * One field: HSETNX, for the first counts (the reply says 1 when this was it);
 * HSET of PV_NOTICE_LATER. answer and session as for pv_notice_value_write().
 */
int pvr_notice_set(pv_buf_t *out, pv_str_t site, const unsigned char *subject, const char *id,
    pv_notice_field_t field, int64_t time, pv_notice_answer_t answer, const unsigned char *session);
/*
 * What a user did with a notice, as one transaction: seen it (who put it off or
 * answered it has), and put it off (PV_NOTICE_LATER), or understood or answered
 * it (PV_NOTICE_ACKNOWLEDGED; of PV_ANSWER_NONE no answer is kept); EXPIRE.
 * Returns how many replies it has, 0 when it could not be written.
 */
unsigned pvr_notice_record(pv_buf_t *out, pv_str_t site, const unsigned char *subject, const char *id,
    pv_notice_field_t what, int64_t time, pv_notice_answer_t answer, const unsigned char *session, int64_t seconds);
/* The last of them: PV_OK when it was carried out. */
int pvr_notice_recorded(const redisReply *exec);
/* EXPIRE. */
int pvr_notice_expire(pv_buf_t *out, pv_str_t site, const unsigned char *subject, int64_t seconds);


/* Events: on the channel of pvr_event_publish(). */

#define PVR_EVENT_NOTICED   "noticed"       /* "noticed NUMBER": the stream has a new entry */
#define PVR_EVENT_ANSWERED  "answered"      /* "answered SUBJECT ID": close it on every device */
#define PVR_EVENT_LEFT      "left"          /* "left SUBJECT TAG": a session ended, close its streams */

int pvr_event_noticed(pv_buf_t *out, pv_str_t site, uint32_t number);
int pvr_event_answered(pv_buf_t *out, pv_str_t site, const unsigned char *subject, const char *id);
int pvr_event_left(pv_buf_t *out, pv_str_t site, const unsigned char *subject, const unsigned char *session);

typedef enum { PVR_NOTICED = 1, PVR_ANSWERED, PVR_LEFT } pvr_notice_event_kind_t;

typedef struct {
    pvr_notice_event_kind_t  kind;
    uint32_t                 number;                        /* noticed */
    unsigned char            subject[PV_SUBJECT_LEN];       /* the others */
    char                     id[PV_NOTICE_ID_SIZE];         /* answered */
    unsigned char            session[PV_SESSION_TAG_LEN];   /* left */
} pvr_notice_event_t;

/* PV_INVALID: it is another event, or none. */
int pvr_notice_event_read(pvr_notice_event_t *event, pv_str_t text);

#endif /* PVR_NOTICE_H */
