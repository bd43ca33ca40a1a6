/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* privacyctl restore. */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ctl.h"
#include "ctl_backup.h"
#include "ctl_bundle.h"
#include "ctl_restore.h"


typedef struct {
    const char        *site, *redis_url;
    int                partial, json;

    ctl_redis_t       *redis;
    ctl_backup_in_t    in;
    ctl_batch_t       *batch;
    ctl_progress_t     progress;
    int                whole;           /* the footer was read */
    uint32_t           published;       /* the log's newest entry */
} ctl_restore_t;


static int ctl_restore_run(ctl_restore_t *r, const char *path);
static int ctl_restore_check(ctl_restore_t *r, const char *path);
static int ctl_restore_read(ctl_restore_t *r);
static int ctl_restore_line(ctl_restore_t *r);
static void ctl_restore_wake(ctl_restore_t *r);
static int ctl_restore_say(const ctl_restore_t *r);


int
ctl_restore(int argc, char **argv)
{
    int                  rc, operands;
    ctl_restore_t        r;
    const ctl_option_t   options[] = {
        { "site", "NAME", &r.site, NULL, "the site; the backup has to be one of it" },
        { "redis", "URL", &r.redis_url, NULL, "where it goes (or PRIVACY_REDIS)" },
        { "partial", NULL, NULL, &r.partial, "also from a backup that was interrupted" },
        { "json", NULL, NULL, &r.json, "print the result as JSON" },
        { NULL, NULL, NULL, NULL, NULL }
    };
    const ctl_usage_t    usage = {
        "restore [options] FILE|-",
        "Brings a backup into Redis. A file is\n"
        "read through first, and nothing is written when it is not whole or was altered; of\n"
        "standard input each line is checked before it counts. Nothing is overwritten: what is\n"
        "there already is compared, and what differs is named, and kept. So an interrupted\n"
        "restore is simply repeated. Times of expiry are kept, and never brought forward; what\n"
        "has expired since is left out. What was erased since the backup comes back: erase it again.\n"
        "\n"
        "Returns 0 when everything is there, 1 when something differs or the file is not right,\n"
        "3 when Redis was lost, also when another server took its place: then repeat it.\n",
        options, 1, 1
    };

    memset(&r, 0, sizeof(r));

    rc = ctl_options(&usage, argc, argv, &operands);
    if (rc == -1) {
        rc = ctl_restore_run(&r, argv[1]);
    }

    ctl_progress_end(&r.progress);
    ctl_backup_close(&r.in);
    ctl_batch_free(r.batch);
    ctl_redis_close(r.redis);

    return rc;
}


static int
ctl_restore_run(ctl_restore_t *r, const char *path)
{
    int          rc;
    unsigned     lost;
    const char  *url;

    if (!ctl_site(r->site)) {
        return CTL_USAGE;
    }

    url = ctl_redis_url(r->redis_url);
    rc = url == NULL ? CTL_USAGE : ctl_restore_check(r, path);
    rc = rc == CTL_OK ? ctl_redis_open(&r->redis, url) : rc;

    if (rc == CTL_OK) {
        r->batch = ctl_batch_create(r->redis, pv_str(r->site));
        rc = r->batch != NULL ? ctl_backup_open(&r->in, path) : ctl_fail(CTL_WRONG, "out of memory");
    }

    if (rc != CTL_OK) {
        return rc;
    }

    r->whole = 0;
    lost = ctl_redis_lost(r->redis);
    rc = ctl_restore_read(r);
    rc = rc == CTL_OK ? ctl_batch_flush(r->batch) : rc;
    ctl_progress_end(&r->progress);

    if (rc != CTL_OK) {
        return ctl_fail(rc, "not everything is there: the same command again goes on");
    }

    ctl_redis_replicas(r->redis);
    lost = ctl_redis_lost(r->redis) - lost;
    ctl_restore_wake(r);
    rc = ctl_restore_say(r);

    if (rc == CTL_OK && lost != 0) {
        return ctl_fail(CTL_UNREACHABLE, "a server went away meanwhile, and the one in its place may lack what came last: "
                        "the same command again adds it");
    }

    return rc;
}


/* A file is read through before anything is written. */

static int
ctl_restore_check(ctl_restore_t *r, const char *path)
{
    int          rc;
    struct stat  st;

    if (strcmp(path, "-") == 0 || stat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
        return CTL_OK;
    }

    rc = ctl_backup_open(&r->in, path);
    rc = rc == CTL_OK ? ctl_restore_read(r) : rc;
    ctl_backup_close(&r->in);

    return rc == CTL_OK ? CTL_OK : ctl_fail(rc, "nothing was restored");
}


static int
ctl_restore_read(ctl_restore_t *r)
{
    int  rc;

    do {
        rc = ctl_backup_next(&r->in);
        rc = rc == CTL_OK ? ctl_restore_line(r) : rc;
    } while (rc == CTL_OK);

    if (rc == CTL_BACKUP_LAST && (r->whole || r->partial)) {
        return CTL_OK;
    }

    return rc == CTL_BACKUP_LAST ? ctl_fail(CTL_WRONG, "%s: the backup is not whole: it was interrupted; go on with it "
                                            "(backup --resume), or take what there is with --partial", r->in.path) : rc;
}


static int
ctl_restore_line(ctl_restore_t *r)
{
    const ctl_item_t  *item;

    item = &r->in.item;

    ctl_progress(&r->progress, "%s: %" PRIu64 " lines, %" PRIu64 " MB", r->batch != NULL ? "restoring" : "reading",
                 r->in.sums.lines, r->in.offset >> 20);

    if (r->whole) {
        return ctl_fail(CTL_WRONG, "%s: goes on behind its end", r->in.path);
    }

    if (item->kind == CTL_ITEM_HEADER && strcmp(item->id, r->site) != 0) {
        return ctl_fail(CTL_WRONG, "%s is a backup of site %s", r->in.path, item->id);
    }

    r->whole = item->kind == CTL_ITEM_FOOTER;

    if (item->kind == CTL_ITEM_ENTRY && strcmp(item->id, "policies") == 0) {
        r->published = (uint32_t) strtoul(item->entry, NULL, 10);
    }

    return item->kind < CTL_ITEM_KEYS && r->batch != NULL ? ctl_batch_add(r->batch, item) : CTL_OK;
}


/* To wake only: nodes that miss it read the log by themselves. */

static void
ctl_restore_wake(ctl_restore_t *r)
{
    char         text[64];
    pv_buf_t     command;
    redisReply  *reply;

    (void) snprintf(text, sizeof(text), PVR_EVENT_PUBLISHED " %" PRIu32, r->published);
    pv_buf_init(&command, PVR_KEY_MAX * 2);

    if (r->published != 0 && pvr_event_publish(&command, pv_str(r->site), pv_str(text)) == PV_OK
        && ctl_redis_run(r->redis, &command, &reply, 1) == CTL_OK)
    {
        freeReplyObject(reply);
    }

    pv_buf_free(&command);
}


static int
ctl_restore_say(const ctl_restore_t *r)
{
    const ctl_restored_t  *n;

    n = ctl_batch_restored(r->batch);

    if (r->json) {
        printf("{\"site\":\"%s\",\"whole\":%s,\"written\":%" PRIu64 ",\"there\":%" PRIu64 ",\"expired\":%" PRIu64
               ",\"conflicts\":%" PRIu64 "}\n", r->site, r->whole ? "true" : "false", n->written, n->there,
               n->expired, n->conflicts);

    } else {
        ctl_backup_count(stdout, "", n->written, "item written", "items written");
        printf(", %" PRIu64 " there already, %" PRIu64 " expired", n->there, n->expired);
        ctl_backup_count(stdout, ", ", n->conflicts, "conflict\n", "conflicts\n");
    }

    return n->conflicts == 0 ? CTL_OK : CTL_WRONG;
}
