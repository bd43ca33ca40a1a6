/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* privacyctl backup. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "ctl.h"
#include "ctl_backup.h"

#define CTL_BACKUP_SAID  20     /* keys that are left out, by name */


static int ctl_backup_run(ctl_backup_t *b);
static int ctl_backup_output(ctl_backup_t *b);
static int ctl_backup_section(ctl_backup_t *b);
static int ctl_backup_section_end(ctl_backup_t *b);
static int ctl_backup_footer(ctl_backup_t *b);
static void ctl_backup_say(const ctl_backup_t *b);


const ctl_section_t  ctl_sections[] = {
    { "subjects", ctl_backup_subjects, 0, 1 },
    { "users", ctl_backup_users, 0, 0 },
    { "requests", ctl_backup_stream, 1, 0 },
    { "tombstones", ctl_backup_stream, 1, 0 },
    { "notices", ctl_backup_stream, 1, 0 },
    { "forms", ctl_backup_forms, 0, 1 },
    { "policies", ctl_backup_stream, 1, 0 },
    { "bundles", ctl_backup_bundles, 0, 0 },
    { NULL, NULL, 0, 0 }
};


int
ctl_backup(int argc, char **argv)
{
    int                  rc, operands;
    static ctl_backup_t  b;
    const ctl_option_t   options[] = {
        { "site", "NAME", &b.site, NULL, "the site" },
        { "redis", "URL", &b.redis_url, NULL, "where it is (or PRIVACY_REDIS)" },
        { "output", "FILE", &b.output, NULL, "a new file, readable by its owner only; without it, or -:\nstandard output" },
        { "resume", NULL, NULL, &b.resume, "go on with a FILE whose backup was interrupted" },
        { "json", NULL, NULL, &b.json, "print the result as JSON (with --output)" },
        { NULL, NULL, NULL, NULL, NULL }
    };
    const ctl_usage_t    usage = {
        "backup [options]",
        "Writes everything of a site as JSON lines: ledgers, what users were shown, the index of\n"
        "users, requests, tombstones, notices and whom they are for, the forms that were shown,\n"
        "the publication log with every sealed entry. Each line has a checksum, so have each\n"
        "section and the whole. The site goes on meanwhile: all of it is append only, and the\n"
        "backup has each ledger up to some position, with everything that it names. While slots\n"
        "of a cluster move, it is begun with after them, or read again: some stand in it twice.\n"
        "It is personal data: keep it as you keep Redis. The keys of the node and the site are\n"
        "not in it; without the ledger keys nothing of it is proof.\n"
        "\n"
        "Returns 0 when all is in it, 1 when something is not what it has to be, and was left\n"
        "out; 3 when Redis could not be reached: --resume goes on from there.\n",
        options, 0, 0
    };

    memset(&b, 0, sizeof(b));

    rc = ctl_options(&usage, argc, argv, &operands);
    if (rc == -1) {
        rc = ctl_backup_run(&b);
    }

    ctl_progress_end(&b.progress);

    if (b.out.file != NULL && b.out.file != stdout && fclose(b.out.file) != 0 && rc == CTL_OK) {
        rc = ctl_fail(CTL_WRONG, "%s: %s", b.out.path, strerror(errno));
    }

    ctl_sums_close(&b.out.sums);
    ctl_redis_close(b.redis);

    return rc;
}


static int
ctl_backup_run(ctl_backup_t *b)
{
    int          rc;
    const char  *url;

    if (!ctl_site(b->site)) {
        return CTL_USAGE;
    }

    b->site_name = pv_str(b->site);
    url = ctl_redis_url(b->redis_url);

    rc = url == NULL ? CTL_USAGE : ctl_redis_open(&b->redis, url);
    rc = rc == CTL_OK ? ctl_backup_output(b) : rc;

    if (rc != CTL_OK || b->state.whole) {
        return rc;
    }

    while (rc == CTL_OK && ctl_sections[b->state.ended].name != NULL) {
        b->section = &ctl_sections[b->state.ended];
        rc = ctl_backup_section(b);
    }

    rc = rc == CTL_OK ? ctl_backup_footer(b) : rc;
    ctl_progress_end(&b->progress);

    if (rc == CTL_OK) {
        ctl_backup_say(b);
        return b->rc;
    }

    if (b->out.file != stdout) {
        ctl_fail(0, "%s is not whole: the same command with --resume goes on", b->out.path);
    }

    return rc;
}


static int
ctl_backup_output(ctl_backup_t *b)
{
    int  fd, to_file;

    to_file = b->output != NULL && strcmp(b->output, "-") != 0;
    b->out.path = to_file ? b->output : "standard output";

    if (ctl_sums_open(&b->out.sums) != PV_OK) {
        return ctl_fail(CTL_WRONG, "out of memory");
    }

    if (!to_file) {
        if (b->resume || b->json || isatty(STDOUT_FILENO)) {
            return ctl_fail(CTL_USAGE, "%s: --output FILE", b->resume ? "which file is to be gone on with?"
                            : b->json ? "what is printed there is the backup" : "a backup is nothing for a terminal");
        }

        b->out.file = stdout;
        return ctl_backup_header(b);
    }

    if (b->resume && access(b->output, F_OK) == 0) {
        return ctl_backup_resume(b);
    }

    fd = open(b->output, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    b->out.file = fd != -1 ? fdopen(fd, "w") : NULL;

    if (b->out.file == NULL) {
        return ctl_fail(CTL_WRONG, "%s: %s%s", b->output, strerror(errno),
                        errno == EEXIST ? "; --resume goes on with one that was interrupted" : "");
    }

    /* who goes on with a file finds out that somebody is still at it */
    (void) flock(fd, LOCK_EX | LOCK_NB);

    return ctl_backup_header(b);
}


int
ctl_backup_header(ctl_backup_t *b)
{
    char      now[CTL_TIME_MAX];
    pv_buf_t  line;

    ctl_backup_line(&line, ctl_item_name(CTL_ITEM_HEADER), b->site);
    pv_buf_printf(&line, ",\"began\":\"%s\"", ctl_time(now, time(NULL)));

    return ctl_backup_put(&b->out, &line);
}


static int
ctl_backup_section(ctl_backup_t *b)
{
    int       rc;
    pv_buf_t  line;

    if (!b->state.inside) {
        strcpy(b->state.slots, "all");

        rc = b->section->shared ? ctl_redis_slots(b->redis, b->state.slots) : CTL_OK;
        if (rc != CTL_OK) {
            return rc;
        }

        if (ctl_sums_section(&b->out.sums) != PV_OK) {
            return ctl_fail(CTL_WRONG, "the cryptographic library failed");
        }

        ctl_backup_line(&line, ctl_item_name(CTL_ITEM_SECTION), b->section->name);
        pv_buf_printf(&line, ",\"slots\":\"%s\"", b->state.slots);
        b->state.inside = 1;
        b->state.marks = 0;

        rc = ctl_backup_put(&b->out, &line);
        if (rc != CTL_OK) {
            return rc;
        }
    }

    rc = b->section->run(b);

    return rc == CTL_OK ? ctl_backup_section_end(b) : rc;
}


static int
ctl_backup_section_end(ctl_backup_t *b)
{
    char      hex[CTL_BACKUP_HEX];
    pv_buf_t  line;

    if (ctl_sums_hex(hex, b->out.sums.section) != PV_OK) {
        return ctl_fail(CTL_WRONG, "the cryptographic library failed");
    }

    ctl_backup_line(&line, ctl_item_name(CTL_ITEM_END), b->section->name);
    pv_buf_printf(&line, ",\"lines\":%" PRIu64 ",\"sha256\":\"%s\"", b->out.sums.section_lines, hex);

    b->state.ended++;
    b->state.inside = 0;

    return ctl_backup_put(&b->out, &line);
}


static int
ctl_backup_footer(ctl_backup_t *b)
{
    int       rc;
    char      now[CTL_TIME_MAX], hex[CTL_BACKUP_HEX];
    pv_buf_t  line;

    if (ctl_sums_hex(hex, b->out.sums.whole) != PV_OK) {
        return ctl_fail(CTL_WRONG, "the cryptographic library failed");
    }

    ctl_backup_line(&line, ctl_item_name(CTL_ITEM_FOOTER), b->site);
    pv_buf_printf(&line, ",\"ended\":\"%s\",\"lines\":%" PRIu64 ",\"sha256\":\"%s\"", ctl_time(now, time(NULL)),
                  b->out.sums.lines, hex);

    rc = ctl_backup_put(&b->out, &line);

    if (rc == CTL_OK && (fflush(b->out.file) != 0 || (b->out.file != stdout && fsync(fileno(b->out.file)) != 0))) {
        rc = ctl_fail(CTL_WRONG, "%s: %s", b->out.path, strerror(errno));
    }

    return rc;
}


static void
ctl_backup_say(const ctl_backup_t *b)
{
    FILE            *to;
    pv_buf_t         file;
    const uint64_t  *n;

    n = b->state.items;

    if (b->json) {
        pv_buf_init(&file, PVR_KEY_MAX * 32);
        pv_buf_json(&file, pv_str(b->out.path));

        printf("{\"site\":\"%s\",\"file\":%s,\"ledgers\":%" PRIu64 ",\"notices_of_users\":%" PRIu64 ",\"forms\":%" PRIu64
               ",\"entries\":%" PRIu64 ",\"bundles\":%" PRIu64 ",\"left_out\":%" PRIu64 "}\n", b->site,
               file.failed ? "null" : (const char *) file.data, n[CTL_ITEM_LEDGER], n[CTL_ITEM_NOTICES],
               n[CTL_ITEM_FORM], n[CTL_ITEM_ENTRY], n[CTL_ITEM_BUNDLE], b->left_out);

        pv_buf_free(&file);
        return;
    }

    to = b->out.file == stdout ? stderr : stdout;

    fprintf(to, "%s: ", b->out.path);
    ctl_backup_count(to, "", n[CTL_ITEM_LEDGER], "ledger", "ledgers");
    ctl_backup_count(to, ", ", n[CTL_ITEM_FORM], "form", "forms");
    ctl_backup_count(to, ", ", n[CTL_ITEM_ENTRY], "entry of streams", "entries of streams");
    ctl_backup_count(to, ", ", n[CTL_ITEM_BUNDLE], "sealed entry", "sealed entries");
    fputs("\n", to);

    if (b->left_out != 0) {
        ctl_backup_count(to, "left out: ", b->left_out, "key\n", "keys\n");
    }
}


void
ctl_backup_count(FILE *out, const char *before, uint64_t n, const char *one, const char *more)
{
    fprintf(out, "%s%" PRIu64 " %s", before, n, n == 1 ? one : more);
}


void
ctl_backup_wrote(ctl_backup_t *b, ctl_item_kind_t kind)
{
    b->state.items[kind]++;

    ctl_progress(&b->progress, "%s: %" PRIu64 " ledgers, %" PRIu64 " forms, %" PRIu64 " MB", b->section->name,
                 b->state.items[CTL_ITEM_LEDGER], b->state.items[CTL_ITEM_FORM], b->out.bytes >> 20);
}


const char *
ctl_backup_cursor(const ctl_backup_t *b, const char *node)
{
    size_t  i;

    for (i = 0; i < b->state.marks; i++) {
        if (strcmp(b->state.mark[i].node, node) == 0) {
            return b->state.mark[i].cursor;
        }
    }

    return NULL;
}


int
ctl_backup_mark(ctl_backup_t *b, const char *node, const char *cursor)
{
    pv_buf_t  line;

    if (!ctl_backup_state_mark(&b->state, node, cursor)) {
        return ctl_fail(CTL_WRONG, "there are too many servers");
    }

    ctl_backup_line(&line, ctl_item_name(CTL_ITEM_MARK), b->section->name);
    pv_buf_printf(&line, ",\"node\":\"%s\",\"cursor\":\"%s\"", node, cursor);

    return ctl_backup_put(&b->out, &line);
}


int
ctl_backup_state_mark(ctl_backup_state_t *state, const char *node, const char *cursor)
{
    size_t  i;

    for (i = 0; i < state->marks && strcmp(state->mark[i].node, node) != 0; i++) { /* void */ }

    if (i == CTL_BACKUP_MARKS || strlen(node) >= CTL_BACKUP_RUN || strlen(cursor) >= CTL_BACKUP_CURSOR) {
        return 0;
    }

    strcpy(state->mark[i].node, node);
    strcpy(state->mark[i].cursor, cursor);
    state->marks += (i == state->marks);

    return 1;
}


void
ctl_backup_left_out(ctl_backup_t *b, pv_str_t key, const char *why, int ours)
{
    size_t  i;
    char    name[PVR_KEY_MAX];

    for (i = 0; i < key.len && i + 1 < sizeof(name); i++) {
        name[i] = (key.data[i] < 0x20 || key.data[i] > 0x7E) ? '?' : (char) key.data[i];
    }

    name[i] = '\0';

    if (b->left_out++ < CTL_BACKUP_SAID) {
        ctl_progress_end(&b->progress);
        ctl_fail(0, "left out: %s: %s", name, why);
    }

    if (ours) {
        b->rc = CTL_WRONG;
    }
}
