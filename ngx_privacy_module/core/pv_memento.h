/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_MEMENTO_H
#define PV_MEMENTO_H

/*
 * Which version was in force at a time, and the links by which archives and
 * browsers find it: Memento (RFC 7089), link relations for versions (RFC 5829),
 * link format (RFC 6690). The policy's address is the original resource, each
 * version that has come into force is a memento of it.
 *
 * in_force is the head of the version in force now: nothing newer is a memento
 * yet. Withdrawn versions never were one.
 */

#include "pv_log.h"

#define PV_HTTP_DATE_SIZE     30        /* "Sun, 06 Nov 1994 08:49:37 GMT" and the zero */
#define PV_TIMEMAP_PAGE       1000      /* mementos on one page of a TimeMap */
#define PV_MEMENTO_LINKS_MAX  4096
#define PV_TIMEMAP_MAX        (1024 * 1024)

/* IMF-fixdate, RFC 9110 5.6.7, nothing else, years 1970 to 2105; the weekday has to be that day's. */
int pv_http_date_parse(int64_t *time, pv_str_t text);
void pv_http_date_format(char out[PV_HTTP_DATE_SIZE], int64_t time);

/* Since when a version holds: its effective time, or when it was published where that was later. */
int64_t pv_memento_datetime(const pv_head_t *version);

/* 1 for a version that has come into force. */
int pv_memento_is(const pv_log_t *log, const pv_head_t *in_force, const pv_head_t *version);

/* The version that was in force then. Before the first one: the first. NULL: there is none at all. */
const pv_head_t *pv_memento_at(const pv_log_t *log, const pv_head_t *in_force, int64_t time);
/*
 * The one in force at the end of a day, "2021-04-02", as the publisher counts
 * days: each version's own effective time says in which zone. PV_INVALID: no
 * such day.
 */
int pv_memento_on(const pv_head_t **version, const pv_log_t *log, const pv_head_t *in_force, pv_str_t day);

/*
 * Values of a Link header. base: the centre's address with its last slash, as
 * it stands in links; absolute or a path.
 */

/* Of the policy's own address. */
void pv_memento_original_links(pv_buf_t *out, const pv_log_t *log, const pv_head_t *in_force, pv_str_t base);
/* Of the TimeGate's answer that leads to version (NULL: to none). */
void pv_memento_timegate_links(pv_buf_t *out, const pv_log_t *log, const pv_head_t *in_force,
    const pv_head_t *version, pv_str_t base);
/* Of a version's page; of one that is no memento (not yet in force, withdrawn) only where its history is. */
void pv_memento_version_links(pv_buf_t *out, const pv_log_t *log, const pv_head_t *in_force,
    const pv_head_t *version, pv_str_t base);

/*
 * A page (from 1) of the TimeMap, application/link-format, oldest first; names
 * all pages when there are several. PV_INVALID: there is no such page.
 */
int pv_memento_timemap(pv_buf_t *out, const pv_log_t *log, const pv_head_t *in_force, pv_str_t base, unsigned page);

#endif /* PV_MEMENTO_H */
