/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_NOTICES_H
#define PV_NOTICES_H

/*
 * The notices of a site: those that its publication log makes, and those of
 * its stream, put in as they are found, in any order, with gaps.
 *
 * What is trusted. A notice of the stream is, when
 *   - its signature holds with the key that signs at its place in the log
 *     (`log`), which has to be known without a gap up to there: until then it
 *     waits;
 *   - where that key was handed over since, it was not published after that
 *     (with a day for clocks): an old key sends nothing any more;
 *   - `log` is not below that of a trusted notice with a smaller number;
 *   - of several with one number, it is the one that knew most of the log,
 *     and of these the one published last.
 * Each is signed on its own, so that one that is missing takes no other along;
 * that it names another one before it than there is only gets told.
 *
 * A thief of an old key could make another stream for nodes that know none
 * yet, backdated to when that key signed: it ends with its notices' terms.
 */

#include "pv_log.h"
#include "pv_notice.h"

#define PV_NOTICES_MAX  256     /* of the stream, and as many of the log: the newest are kept */

typedef struct pv_notices_s  pv_notices_t;

/* NULL: out of memory. */
pv_notices_t *pv_notices_create(pv_str_t site);
/* With all notices in it that nobody else holds. */
void pv_notices_free(pv_notices_t *notices);

/*
 * Puts entry `number` of the stream in, not trusted yet. PV_INVALID: it is no
 * notice with that number (see problems), or the very same is there already.
 * To be settled after PV_NOTICES_MAX of them at the latest: past that, some go.
 */
int pv_notices_add(pv_notices_t *notices, uint32_t number, pv_str_t sealed, pv_problems_t *problems);
/* The highest number that was put in, refused or not: what to read on from. */
uint32_t pv_notices_last(const pv_notices_t *notices);

/*
 * After notices were put in, and whenever the log has grown: works out which
 * are to be trusted, and makes those of the log. What was refused is a problem
 * (its number in the problem's line), what is odd a warning. PV_OK, PV_INVALID
 * when one was refused, PV_ERROR.
 */
int pv_notices_settle(pv_notices_t *notices, const pv_log_t *log, pv_problems_t *problems);
/* Notices that wait for the log to be read up to their place. */
size_t pv_notices_waiting(const pv_notices_t *notices);


/*
 * The rest is about what is settled. In the order in which they were sent: a
 * change after the notices that did not know its version yet. Pointers stay
 * good until pv_notices_settle() or _free(); hold what is kept longer.
 */
size_t pv_notices_count(const pv_notices_t *notices);
pv_notice_t *pv_notices_at(const pv_notices_t *notices, size_t i);
/* By "v7", "n3"; NULL: there is none. */
pv_notice_t *pv_notices_find(const pv_notices_t *notices, pv_str_t id);

typedef enum {
    PV_NOTICE_OPEN = 1,
    PV_NOTICE_ENDED,        /* its time is over, or it is none of the newest PV_NOTICES_OPEN_MAX */
    PV_NOTICE_RETRACTED     /* or its version was withdrawn */
} pv_notice_standing_t;

pv_notice_standing_t pv_notices_standing(const pv_notices_t *notices, const pv_notice_t *notice, int64_t now);
/* The open ones, at most PV_NOTICES_OPEN_MAX, in the order in which they were sent; returns how many. */
size_t pv_notices_open(const pv_notices_t *notices, int64_t now, pv_notice_t *open[PV_NOTICES_OPEN_MAX]);
/* When the next of them ends; 0: none does. */
int64_t pv_notices_next(const pv_notices_t *notices, int64_t now);
/* The notice that retracts it (not of a change: pv_log_withdrawal()), the newest that corrects it; or NULL. */
pv_notice_t *pv_notices_retraction(const pv_notices_t *notices, const pv_notice_t *notice);
pv_notice_t *pv_notices_correction(const pv_notices_t *notices, const pv_notice_t *notice);
/* The newest of the stream that is trusted: what the next one names as the one before; NULL: there is none. */
pv_notice_t *pv_notices_newest(const pv_notices_t *notices);
/* 0 when it names another one before it than the trusted one that is there. */
int pv_notices_chained(const pv_notices_t *notices, const pv_notice_t *notice);

#endif /* PV_NOTICES_H */
