/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * Going on with a backup that was interrupted: behind its last mark, when the
 * servers are still the same processes with the same slots, for the cursor of
 * a SCAN means nothing to another one; else where its last section began.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "ctl.h"
#include "ctl_backup.h"


/* Two points of the file that can be gone on from. */
typedef struct {
    ctl_backup_in_t      in;
    ctl_backup_state_t   now, base, mark;
    ctl_sums_t           base_sums, mark_sums;
} ctl_resume_t;


static int ctl_resume_read(ctl_backup_t *b, ctl_resume_t *r);
static int ctl_resume_line(ctl_backup_t *b, ctl_resume_t *r);
static int ctl_resume_mark(ctl_resume_t *r);
static int ctl_resume_same(ctl_backup_t *b, const ctl_backup_state_t *state, int *same);
static int ctl_resume_from(ctl_backup_t *b, const ctl_backup_state_t *state, const ctl_sums_t *sums);


int
ctl_backup_resume(ctl_backup_t *b)
{
    int            rc, same;
    ctl_resume_t  *r;

    r = calloc(1, sizeof(ctl_resume_t));

    if (r == NULL || ctl_sums_open(&r->base_sums) != PV_OK || ctl_sums_open(&r->mark_sums) != PV_OK) {
        rc = ctl_fail(CTL_WRONG, "out of memory");

    } else {
        rc = ctl_backup_open(&r->in, b->output);
    }

    rc = rc == CTL_OK ? ctl_resume_read(b, r) : rc;
    same = 0;

    if (rc == CTL_OK && r->base.whole) {
        b->state.whole = 1;
        printf("%s is whole already\n", b->output);

    } else if (rc == CTL_OK) {
        rc = ctl_resume_same(b, &r->mark, &same);
        rc = rc == CTL_OK ? ctl_resume_from(b, same ? &r->mark : &r->base, same ? &r->mark_sums : &r->base_sums) : rc;
    }

    if (r != NULL) {
        ctl_backup_close(&r->in);
        ctl_sums_close(&r->base_sums);
        ctl_sums_close(&r->mark_sums);
        free(r);
    }

    return rc;
}


static int
ctl_resume_read(ctl_backup_t *b, ctl_resume_t *r)
{
    int  rc;

    do {
        rc = ctl_backup_next(&r->in);

        if (rc == CTL_OK) {
            rc = ctl_resume_line(b, r);
            ctl_progress(&b->progress, "reading %s: %llu MB", b->output, (unsigned long long) r->in.offset >> 20);
        }

    } while (rc == CTL_OK && !r->base.whole);

    return rc == CTL_BACKUP_LAST ? CTL_OK : rc;
}


static int
ctl_resume_line(ctl_backup_t *b, ctl_resume_t *r)
{
    const char        *slots;
    const ctl_item_t  *item;

    item = &r->in.item;

    switch (item->kind) {

    case CTL_ITEM_HEADER:
        if (strcmp(item->id, b->site) != 0) {
            return ctl_fail(CTL_WRONG, "%s is a backup of site %s", b->output, item->id);
        }

        break;

    case CTL_ITEM_SECTION:
        slots = json_string_value(json_object_get(item->root, "slots"));
        (void) snprintf(r->now.slots, sizeof(r->now.slots), "%s", slots != NULL ? slots : "");
        r->now.inside = 1;
        r->now.marks = 0;
        r->mark = r->now;
        return CTL_OK;

    case CTL_ITEM_MARK:
        return ctl_resume_mark(r);

    case CTL_ITEM_END:
        if (ctl_sections[r->now.ended].name == NULL || strcmp(ctl_sections[r->now.ended].name, item->id) != 0) {
            return ctl_fail(CTL_WRONG, "%s: the section %s is not expected there", b->output, item->id);
        }

        r->now.ended++;
        r->now.inside = 0;
        break;

    case CTL_ITEM_FOOTER:
        r->base.whole = 1;
        return CTL_OK;

    default:
        r->now.items[item->kind]++;
        return CTL_OK;
    }

    r->now.offset = r->in.offset;
    r->base = r->mark = r->now;

    return ctl_sums_copy(&r->base_sums, &r->in.sums) == PV_OK ? CTL_OK
           : ctl_fail(CTL_WRONG, "the cryptographic library failed");
}


static int
ctl_resume_mark(ctl_resume_t *r)
{
    const char  *node, *cursor;

    node = json_string_value(json_object_get(r->in.item.root, "node"));
    cursor = json_string_value(json_object_get(r->in.item.root, "cursor"));

    if (node == NULL || cursor == NULL || !ctl_backup_state_mark(&r->now, node, cursor)) {
        return ctl_fail(CTL_WRONG, "%s: a mark is none", r->in.path);
    }

    r->now.offset = r->in.offset;
    r->mark = r->now;

    return ctl_sums_copy(&r->mark_sums, &r->in.sums) == PV_OK ? CTL_OK
           : ctl_fail(CTL_WRONG, "the cryptographic library failed");
}


/* Whether the marks of its last section still mean something. */

static int
ctl_resume_same(ctl_backup_t *b, const ctl_backup_state_t *state, int *same)
{
    int     rc;
    char    run[CTL_BACKUP_RUN], slots[CTL_REDIS_SLOTS];
    size_t  node, found;

    *same = 0;

    if (!state->inside || state->marks == 0) {
        return CTL_OK;
    }

    if (!ctl_sections[state->ended].shared) {
        *same = 1;
        return CTL_OK;
    }

    rc = ctl_redis_slots(b->redis, slots);
    found = 0;
    b->state = *state;

    for (node = 0; rc == CTL_OK && node < ctl_redis_nodes(b->redis); node++) {
        rc = ctl_backup_run_id(b->redis, node, run);
        found += rc == CTL_OK && run[0] != '\0' && ctl_backup_cursor(b, run) != NULL;
    }

    *same = rc == CTL_OK && found == state->marks && strcmp(slots, state->slots) == 0;

    return rc;
}


static int
ctl_resume_from(ctl_backup_t *b, const ctl_backup_state_t *state, const ctl_sums_t *sums)
{
    int  fd;

    b->state = *state;
    fd = open(b->output, O_WRONLY | O_CLOEXEC);

    if (fd != -1 && flock(fd, LOCK_EX | LOCK_NB) == -1) {
        (void) close(fd);
        return ctl_fail(CTL_WRONG, "%s: another privacyctl is writing it", b->output);
    }

    if (fd == -1 || ftruncate(fd, (off_t) state->offset) == -1 || lseek(fd, 0, SEEK_END) == -1
        || (b->out.file = fdopen(fd, "w")) == NULL)
    {
        return ctl_fail(CTL_WRONG, "%s: %s", b->output, strerror(errno));
    }

    b->out.bytes = state->offset;

    if (ctl_sums_copy(&b->out.sums, sums) != PV_OK) {
        return ctl_fail(CTL_WRONG, "the cryptographic library failed");
    }

    /* it may have ended before it began */
    return state->offset == 0 ? ctl_backup_header(b) : CTL_OK;
}
