/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* privacyctl verify-backup. */

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "ctl_file.h"
#include "ctl_verify_backup.h"

#define CTL_PROVE_SAID  50


static int ctl_prove_run(ctl_prove_t *p, const char *path);
static int ctl_prove_read(ctl_prove_t *p);
static int ctl_prove_line(ctl_prove_t *p);
static int ctl_prove_header(ctl_prove_t *p);
static int ctl_prove_say(const ctl_prove_t *p);
static void ctl_prove_kinds(const ctl_prove_t *p);
static void ctl_prove_json(const ctl_prove_t *p);
static void ctl_prove_free(ctl_prove_t *p);


static const char *const  ctl_prove_streams[CTL_PROVEN_STREAMS] = { "policies", "notices", "requests", "tombstones" };


int
ctl_verify_backup(int argc, char **argv)
{
    int                  rc, operands;
    ctl_prove_t          p;
    const ctl_option_t   options[] = {
        { "site", "NAME", &p.site, NULL, "the backup has to be of this site" },
        { "public", "FILE", &p.public, NULL, "the site's public key: proves the publication log and\nthe notices" },
        { "keys", "FILE", &p.keys_file, NULL, "the node's keys: proves every ledger" },
        { "json", NULL, NULL, &p.json, "print the result as JSON" },
        { NULL, NULL, NULL, NULL, NULL }
    };
    const ctl_usage_t    usage = {
        "verify-backup [options] FILE|-",
        "Reads a backup through: every checksum, the digests of sealed entries, forms and lists,\n"
        "and that what its records name is in it. With --public also the signatures and the\n"
        "chain of the publication log and of the notices, with --keys the chain of every ledger:\n"
        "what was changed, swapped, moved or taken out is named. Says in words what is in it.\n"
        "Needs no Redis.\n"
        "\n"
        "Returns 0 when all of it holds, 1 when something does not.\n",
        options, 1, 1
    };

    memset(&p, 0, sizeof(p));

    rc = ctl_options(&usage, argc, argv, &operands);
    if (rc == -1) {
        rc = ctl_prove_run(&p, argv[1]);
    }

    ctl_prove_free(&p);

    return rc;
}


static int
ctl_prove_run(ctl_prove_t *p, const char *path)
{
    int  rc;

    if (p->site != NULL && !ctl_site(p->site)) {
        return CTL_USAGE;
    }

    if ((p->public != NULL && ctl_public_key(p->pub, p->public) != PV_OK)
        || (p->keys_file != NULL && ctl_keys(&p->keys, p->keys_file) != PV_OK))
    {
        return CTL_WRONG;
    }

    p->chain = calloc(PV_CHAIN_MAX, sizeof(pv_chain_entry_t));
    rc = p->chain != NULL ? ctl_backup_open(&p->in, path) : ctl_fail(CTL_WRONG, "out of memory");
    rc = rc == CTL_OK ? ctl_prove_read(p) : rc;
    rc = rc == CTL_OK ? ctl_prove_log(p) : rc;
    rc = rc == CTL_OK ? ctl_prove_forms(p) : rc;
    ctl_progress_end(&p->progress);

    return rc == CTL_OK ? ctl_prove_say(p) : rc;
}


static int
ctl_prove_read(ctl_prove_t *p)
{
    int  rc;

    for ( ;; ) {
        rc = ctl_backup_next(&p->in);

        if (rc == CTL_BACKUP_LAST) {
            break;
        }

        rc = rc == CTL_OK ? ctl_prove_line(p) : rc;

        if (rc != CTL_OK) {
            return rc;
        }

        ctl_progress(&p->progress, "%" PRIu64 " lines, %" PRIu64 " MB", p->in.sums.lines, p->in.offset >> 20);
    }

    if (!p->whole) {
        return ctl_fail(CTL_WRONG, "%s: the backup is not whole: it was interrupted%s", p->in.path,
                        p->in.cut ? ", within a line" : "");
    }

    return CTL_OK;
}


static int
ctl_prove_line(ctl_prove_t *p)
{
    int                rc;
    const ctl_item_t  *item;

    item = &p->in.item;

    if (p->whole) {
        return ctl_fail(CTL_WRONG, "%s: goes on behind its end", p->in.path);
    }

    if (item->kind < CTL_ITEM_KEYS) {
        p->items[item->kind]++;
    }

    if (item->kind != CTL_ITEM_AUDIENCE && p->audience[0] != '\0') {
        rc = ctl_prove_audience_end(p);
        if (rc != CTL_OK) {
            return rc;
        }
    }

    switch (item->kind) {

    case CTL_ITEM_HEADER:
        return ctl_prove_header(p);

    case CTL_ITEM_LEDGER:
        return ctl_prove_ledger(p, item);

    case CTL_ITEM_USERS:
        return ctl_prove_users(p, item);

    case CTL_ITEM_ENTRY:
        return ctl_prove_entry(p, item);

    case CTL_ITEM_AUDIENCE:
        return ctl_prove_audience(p, item);

    case CTL_ITEM_FORM:
        return ctl_prove_form(p, item);

    case CTL_ITEM_BUNDLE:
        return ctl_prove_bundle(p, item);

    case CTL_ITEM_FOOTER:
        p->whole = 1;
        (void) snprintf(p->ended, sizeof(p->ended), "%s",
                        json_string_value(json_object_get(item->root, "ended")) != NULL
                        ? json_string_value(json_object_get(item->root, "ended")) : "?");
        return CTL_OK;

    default:
        return CTL_OK;
    }
}


static int
ctl_prove_header(ctl_prove_t *p)
{
    const char  *began;

    if (!pv_site_valid(pv_str(p->in.item.id))) {
        return ctl_fail(CTL_WRONG, "%s: is of no site", p->in.path);
    }

    if (p->site != NULL && strcmp(p->in.item.id, p->site) != 0) {
        return ctl_fail(CTL_WRONG, "%s is a backup of site %s", p->in.path, p->in.item.id);
    }

    began = json_string_value(json_object_get(p->in.item.root, "began"));

    (void) snprintf(p->name, sizeof(p->name), "%s", p->in.item.id);
    (void) snprintf(p->began, sizeof(p->began), "%s", began != NULL ? began : "?");
    p->site_name = pv_str(p->name);

    return CTL_OK;
}


void
ctl_prove_wrong(ctl_prove_t *p, const char *fmt, ...)
{
    char     text[1024];
    va_list  args;

    if (p->wrong++ >= CTL_PROVE_SAID) {
        return;
    }

    va_start(args, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    ctl_progress_end(&p->progress);
    ctl_fail(0, "WRONG: %s", text);
}


static int
ctl_prove_say(const ctl_prove_t *p)
{
    if (p->json) {
        ctl_prove_json(p);

    } else {
        printf("Backup of site %s, from %s to %s:\n", p->name, p->began, p->ended);
        ctl_prove_kinds(p);

        if (p->wrong == 0) {
            puts("Every checksum holds.");
        } else {
            ctl_backup_count(stdout, "Every checksum holds, but ", p->wrong, "thing is WRONG.\n",
                             "things are WRONG.\n");
        }
    }

    return p->wrong == 0 ? CTL_OK : CTL_WRONG;
}


static void
ctl_prove_kinds(const ctl_prove_t *p)
{
    size_t  i;

    ctl_backup_count(stdout, "  ", p->items[CTL_ITEM_LEDGER], "subject", "subjects");
    ctl_backup_count(stdout, " with ", p->records, "record", "records");
    puts(p->keys == NULL ? " (not proven: --keys)" : p->wrong == 0 ? ": every chain holds" : "");

    ctl_backup_count(stdout, "  ", p->entries[0], "published entry", "published entries");
    puts(p->public == NULL ? " (not proven: --public)" : p->wrong == 0 ? ": signatures and chain hold" : "");

    ctl_backup_count(stdout, "  ", p->items[CTL_ITEM_FORM], "form\n", "forms\n");
    ctl_backup_count(stdout, "  ", p->items[CTL_ITEM_NOTICES], "user who was shown notices\n",
                     "users who were shown notices\n");
    ctl_backup_count(stdout, "  ", p->users, "user in the index\n", "users in the index\n");
    ctl_backup_count(stdout, "  ", p->members, "user in audience lists\n", "users in audience lists\n");

    for (i = 1; i < CTL_PROVEN_STREAMS; i++) {
        printf("  %" PRIu64 " in the stream of %s", p->entries[i], ctl_prove_streams[i]);
        puts(i != 1 || p->entries[i] == 0 ? "" : p->public == NULL ? " (not proven: --public)"
             : p->wrong == 0 ? ": signatures and chain hold" : "");
    }

    if (p->unchecked != 0) {
        ctl_backup_count(stdout, "  ", p->unchecked, "list of an audience was too long to be compared with its digest\n",
                         "lists of audiences were too long to be compared with their digests\n");
    }
}


static void
ctl_prove_json(const ctl_prove_t *p)
{
    printf("{\"site\":\"%s\",\"began\":\"%s\",\"ended\":\"%s\",\"subjects\":%" PRIu64 ",\"records\":%" PRIu64
           ",\"ledgers_proven\":%s,\"published\":%" PRIu64 ",\"log_proven\":%s,\"forms\":%" PRIu64
           ",\"notices_of_users\":%" PRIu64 ",\"users\":%" PRIu64 ",\"audience_members\":%" PRIu64
           ",\"notices\":%" PRIu64 ",\"notices_proven\":%s,\"requests\":%" PRIu64 ",\"tombstones\":%" PRIu64
           ",\"wrong\":%" PRIu64 "}\n",
           p->name, p->began, p->ended, p->items[CTL_ITEM_LEDGER], p->records, p->keys != NULL ? "true" : "false",
           p->entries[0], p->public != NULL ? "true" : "false", p->items[CTL_ITEM_FORM], p->items[CTL_ITEM_NOTICES],
           p->users, p->members, p->entries[1], p->public != NULL ? "true" : "false", p->entries[2], p->entries[3],
           p->wrong);
}


static void
ctl_prove_free(ctl_prove_t *p)
{
    size_t  i;

    for (i = 0; i < p->log_count; i++) {
        pv_buf_free(&p->log[i].prefix);
        pv_head_free(p->log[i].head);
    }

    for (i = 0; i < p->notices_count; i++) {
        pv_buf_free(&p->notices[i].sealed);
    }

    ctl_progress_end(&p->progress);
    ctl_backup_close(&p->in);
    pv_buf_free(&p->audience_members);
    pv_keys_free(p->keys);
    free(p->log);
    free(p->notices);
    free(p->chain);
    free(p->forms.list);
    free(p->named.list);
}
