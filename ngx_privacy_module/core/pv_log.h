/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_LOG_H
#define PV_LOG_H

/*
 * A site's publication log, over heads alone: the chain of digests, the keys
 * that signed it, what was withdrawn, and which version is in force. No files,
 * no sockets: heads are put in as they are found, in any order, with gaps.
 *
 * What is trusted. A head is, when
 *   - it is signed with the key that signs at its place: the configured one,
 *     or one that a trusted key entry before (or after, going back) names; or
 *   - a trusted head names its digest as that of the entry before; or
 *   - it hands over to the configured key, which countersigned it.
 * So the configured key may be the first one of the log or any later one: what
 * lies before it is held by digests, what lies after by the keys handed over.
 * A key that was handed over signs nothing any more.
 *
 * A thief of an old key could make another end for a log that its readers do
 * not know yet, where they are configured with that old key: after a theft,
 * configure the new one.
 */

#include "pv_head.h"

typedef struct pv_log_s  pv_log_t;

/* pub: the configured key. NULL: out of memory. */
pv_log_t *pv_log_create(const unsigned char pub[PV_ED25519_PUBLIC]);
/* With all heads in it. */
void pv_log_free(pv_log_t *log);

/*
 * Puts a head in, which the log owns then, not trusted yet. PV_INVALID: the
 * head stays the caller's; its number is taken: *known is the head that has it
 * (known may be NULL), perhaps the very same.
 */
int pv_log_add(pv_log_t *log, pv_head_t *head, const pv_head_t **known);

/*
 * Whether the head's signature holds with head->key: PV_OK, PV_INVALID, or
 * PV_ERROR (could not be told now: the head goes as when it does not hold).
 * The caller finds the bytes again: pv_head_verify(). Asked for few heads: the
 * newest of each run without gaps, and the key entries after the configured key.
 */
typedef int (*pv_log_verify_pt)(void *data, const pv_head_t *head);

/*
 * Works out which of the heads that were put in are to be trusted, and takes
 * the others out again; each of them is a problem, with its number in
 * problems' line. PV_OK, PV_INVALID when one was taken out, PV_ERROR.
 */
int pv_log_settle(pv_log_t *log, pv_log_verify_pt verify, void *data, pv_problems_t *problems);


/*
 * The rest is about settled logs. Entries in ascending order; i of
 * pv_log_count(). Pointers stay good as long as the log.
 */
size_t pv_log_count(const pv_log_t *log);
const pv_head_t *pv_log_entry(const pv_log_t *log, size_t i);
const pv_head_t *pv_log_find(const pv_log_t *log, uint32_t sequence);
/* By version id. */
const pv_head_t *pv_log_version(const pv_log_t *log, pv_str_t version);
/* The last of 1, 2, 3... that is known without a gap. */
uint32_t pv_log_complete(const pv_log_t *log);
/* Index of the first entry whose number is not below sequence. */
size_t pv_log_place(const pv_log_t *log, uint32_t sequence);

/* The withdrawal of a version, or NULL. A withdrawal that was published too late withdraws nothing. */
const pv_head_t *pv_log_withdrawal(const pv_log_t *log, uint32_t sequence);

/* The key that signs entry `sequence`, as far as the log tells. */
void pv_log_key(const pv_log_t *log, uint32_t sequence, unsigned char pub[PV_ED25519_PUBLIC]);

/*
 * The newest version whose effective time has come and that was not withdrawn;
 * never an older one than floor, the newest that once was in force (unless
 * that was withdrawn). NULL: none.
 */
const pv_head_t *pv_log_in_force(const pv_log_t *log, int64_t now, uint32_t floor);
/* The earliest effective time of those that are newer than in_force; 0: there is none. */
int64_t pv_log_next(const pv_log_t *log, uint32_t in_force);
/* The version before the one with that number, and the one after: not withdrawn, whether in force or not. */
const pv_head_t *pv_log_before(const pv_log_t *log, uint32_t sequence);
const pv_head_t *pv_log_after(const pv_log_t *log, uint32_t sequence);
/*
 * Where a subject bound to version `bound` stands when version in_force is: it
 * moves along by itself, up to one that reduces rights. Who agreed to a version
 * in advance agreed to what is before it: they stand at the one in force until
 * then, and where that version was withdrawn, at the one before it. NULL: bound
 * is not known.
 */
const pv_head_t *pv_log_bound(const pv_log_t *log, uint32_t bound, uint32_t in_force);

#endif /* PV_LOG_H */
