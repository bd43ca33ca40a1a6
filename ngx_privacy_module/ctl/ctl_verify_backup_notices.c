/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* The stream of notices of a backup. It stands there before the log that says which key signed: kept until then. */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "ctl_verify_backup.h"
#include "pv_notices.h"

#define CTL_PROVE_NOTICES  100000
#define CTL_PROVE_WINDOW   (PV_NOTICES_MAX / 2)     /* that are judged at once, with the one before */


static uint32_t ctl_notice_number(const ctl_item_t *item);
static int ctl_notice_keep(ctl_prove_t *p, uint32_t number, pv_buf_t *sealed);
static int ctl_notice_judge(ctl_prove_t *p, const pv_log_t *log, size_t first, size_t n);
static void ctl_notice_wrongs(ctl_prove_t *p, const pv_problems_t *problems);


int
ctl_prove_notice(ctl_prove_t *p, const ctl_item_t *item)
{
    int       rc;
    uint32_t  number, expected;
    pv_buf_t  sealed;

    pv_buf_init(&sealed, PV_NOTICE_SEALED_MAX);
    number = ctl_notice_number(item);
    expected = p->notices_count != 0 ? p->notices[p->notices_count - 1].number + 1 : 1;

    if (number == 0 || ctl_backup_decode(&sealed, json_array_get(item->list, 1)) != PV_OK || sealed.failed) {
        ctl_prove_wrong(p, "notices: entry %s is not one of ours", item->entry);
        pv_buf_free(&sealed);
        return CTL_OK;
    }

    if (number != expected) {
        ctl_prove_wrong(p, "notices: n%" PRIu32 " is not in it, or not in its place: n%" PRIu32 " stands there",
                        expected, number);
    }

    rc = ctl_notice_keep(p, number, &sealed);

    if (rc != CTL_OK) {
        pv_buf_free(&sealed);
    }

    return rc;
}


/* "7-0", with one field; 0: it is no notice. */

static uint32_t
ctl_notice_number(const ctl_item_t *item)
{
    char           *end;
    unsigned long   number;

    number = item->entry[0] >= '1' && item->entry[0] <= '9' ? strtoul(item->entry, &end, 10) : 0;

    if (number == 0 || number > UINT32_MAX || strcmp(end, "-0") != 0 || json_array_size(item->list) != 2
        || strcmp(json_string_value(json_array_get(item->list, 0)), "sealed") != 0)
    {
        return 0;
    }

    return (uint32_t) number;
}


/* Takes what is sealed over. */

static int
ctl_notice_keep(ctl_prove_t *p, uint32_t number, pv_buf_t *sealed)
{
    size_t             size;
    ctl_kept_notice_t  *notices;

    if (p->notices_count == p->notices_size) {
        size = p->notices_size * 2 + 64;
        notices = size <= CTL_PROVE_NOTICES ? realloc(p->notices, size * sizeof(ctl_kept_notice_t)) : NULL;

        if (notices == NULL) {
            return ctl_fail(CTL_WRONG, "there are more notices than can be kept");
        }

        p->notices = notices;
        p->notices_size = size;
    }

    p->notices[p->notices_count].number = number;
    p->notices[p->notices_count++].sealed = *sealed;

    return CTL_OK;
}


int
ctl_prove_notices(ctl_prove_t *p, const pv_log_t *log)
{
    int     rc;
    size_t  first, n;

    rc = CTL_OK;

    for (first = 0; rc == CTL_OK && first < p->notices_count; first += n) {
        n = p->notices_count - first;
        n = n < CTL_PROVE_WINDOW ? n : CTL_PROVE_WINDOW;

        rc = ctl_notice_judge(p, log, first, n);
    }

    return rc;
}


/* log: NULL, when it is not proven either: then only what each says of itself is looked at. */

static int
ctl_notice_judge(ctl_prove_t *p, const pv_log_t *log, size_t first, size_t n)
{
    int             rc;
    size_t          i;
    pv_str_t        sealed;
    pv_notices_t   *notices;
    pv_problems_t   problems;

    notices = pv_notices_create(p->site_name);
    if (notices == NULL) {
        return ctl_fail(CTL_WRONG, "out of memory");
    }

    rc = PV_OK;

    for (i = first != 0 ? first - 1 : 0; rc != PV_ERROR && i < first + n; i++) {
        pv_problems_init(&problems);
        sealed = (pv_str_t) { p->notices[i].sealed.data, p->notices[i].sealed.len };
        rc = pv_notices_add(notices, p->notices[i].number, sealed, &problems);

        if (rc == PV_INVALID && i >= first) {
            ctl_prove_wrong(p, "notice n%" PRIu32 ": %s", p->notices[i].number,
                            problems.count != 0 ? problems.list[0].reason : "stands there twice");
        }

        pv_problems_free(&problems);
    }

    pv_problems_init(&problems);

    if (rc != PV_ERROR && log != NULL) {
        rc = pv_notices_settle(notices, log, &problems);
        ctl_notice_wrongs(p, &problems);

        if (pv_notices_waiting(notices) != 0) {
            ctl_prove_wrong(p, "notices: %zu of n%" PRIu32 " to n%" PRIu32 " knew more of the log than is in the backup",
                            pv_notices_waiting(notices), p->notices[first].number, p->notices[first + n - 1].number);
        }
    }

    pv_problems_free(&problems);
    pv_notices_free(notices);

    return rc != PV_ERROR ? CTL_OK : ctl_fail(CTL_WRONG, "out of memory");
}


/* That one does not name the one before is odd for who reads on, and here a sign that one was taken out. */

static void
ctl_notice_wrongs(ctl_prove_t *p, const pv_problems_t *problems)
{
    size_t  i;

    for (i = 0; i < problems->count; i++) {
        ctl_prove_wrong(p, "notice n%u: %s", problems->list[i].line, problems->list[i].reason);
    }
}
