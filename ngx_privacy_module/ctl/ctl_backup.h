/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_BACKUP_H
#define CTL_BACKUP_H

/*
 * privacyctl backup: everything of a site, section by section. What refers to
 * something is read before what it refers to (ledgers before forms, forms
 * before the log), so that whatever a backup names is in it, although the site
 * goes on meanwhile.
 */

#include "ctl_backup_item.h"
#include "ctl_progress.h"
#include "ctl_redis.h"

#define CTL_BACKUP_MARKS   256      /* servers */
#define CTL_BACKUP_RUN     64
#define CTL_BACKUP_CURSOR  64

typedef struct ctl_backup_s  ctl_backup_t;

typedef struct {
    const char  *name;
    int        (*run)(ctl_backup_t *b);     /* an exit code, and said */
    unsigned     stream;                    /* its name is the stream's */
    unsigned     shared;                    /* among all servers: their slots must not move meanwhile */
} ctl_section_t;

/* How far a server, or the section, was read. */
typedef struct {
    char  node[CTL_BACKUP_RUN];
    char  cursor[CTL_BACKUP_CURSOR];
} ctl_mark_t;

typedef struct {
    unsigned    ended;                      /* sections that are whole */
    int         inside;                     /* 1: the next one has begun */
    int         whole;                      /* 1: the footer is there */
    char        slots[CTL_REDIS_SLOTS];     /* of the section that has begun */
    size_t      marks;
    ctl_mark_t  mark[CTL_BACKUP_MARKS];
    uint64_t    items[CTL_ITEM_KEYS];
    uint64_t    offset;                     /* of the file, as far as that goes */
} ctl_backup_state_t;

struct ctl_backup_s {
    const char          *site, *redis_url, *output;
    int                  resume, json;

    pv_str_t             site_name;
    ctl_redis_t         *redis;
    ctl_backup_out_t     out;
    ctl_backup_state_t   state;
    const ctl_section_t *section;
    uint64_t             left_out;          /* keys that are not ours, or not what they have to be */
    int                  rc;                /* CTL_WRONG once something of ours was left out */
    ctl_progress_t       progress;
};

/* In order; ends with an entry without a name. */
extern const ctl_section_t  ctl_sections[];

int ctl_backup_subjects(ctl_backup_t *b);
int ctl_backup_forms(ctl_backup_t *b);
int ctl_backup_users(ctl_backup_t *b);
int ctl_backup_stream(ctl_backup_t *b);
int ctl_backup_bundles(ctl_backup_t *b);

/* Counts an item that was written. */
void ctl_backup_wrote(ctl_backup_t *b, ctl_item_kind_t kind);
/* Where the section, or one server of it (node: its run), is; NULL: at its beginning. */
const char *ctl_backup_cursor(const ctl_backup_t *b, const char *node);
int ctl_backup_mark(ctl_backup_t *b, const char *node, const char *cursor);
/* Adds the mark to the state; 0 when there are too many. */
int ctl_backup_state_mark(ctl_backup_state_t *state, const char *node, const char *cursor);
/* Says that a key is left out, and why; ours: that makes the exit code CTL_WRONG. */
void ctl_backup_left_out(ctl_backup_t *b, pv_str_t key, const char *why, int ours);
/* A server's run id, which is another one after each start; empty when it does not say. An exit code. */
int ctl_backup_run_id(ctl_redis_t *redis, size_t node, char run[CTL_BACKUP_RUN]);

/* The file's first line. */
int ctl_backup_header(ctl_backup_t *b);
/* Reads what there is of the file, and cuts off what cannot be gone on from. An exit code, and said. */
int ctl_backup_resume(ctl_backup_t *b);

/* "1 form", "2 forms". */
void ctl_backup_count(FILE *out, const char *before, uint64_t n, const char *one, const char *more);

#endif /* CTL_BACKUP_H */
