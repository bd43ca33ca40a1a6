/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* privacyctl verify: options, what is remembered between runs, and what is said. */

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl_file.h"
#include "ctl_verify.h"

#define CTL_VERIFY_BUSY        5        /* times that a busy site is asked again */
#define CTL_VERIFY_STATE_MAX   4096


static int ctl_verify_run(ctl_verify_t *v);
static int ctl_verify_settings(ctl_verify_t *v);
static int ctl_verify_length(ctl_verify_t *v);
static int ctl_verify_remembered(ctl_verify_t *v);
static void ctl_verify_compare(ctl_verify_t *v, const json_t *state);
static int ctl_verify_remember(ctl_verify_t *v);
static void ctl_verify_say(ctl_verify_t *v, int rc);
static void ctl_verify_count(const ctl_verify_t *v, size_t kinds[PV_ENTRY_KEY + 1]);
static const pv_head_t *ctl_verify_last(const ctl_verify_t *v);


int
ctl_verify(int argc, char **argv)
{
    int                  rc, operands;
    ctl_verify_t         v;
    const ctl_option_t   options[] = {
        { "public", "FILE", &v.public, NULL, "the site's public key: its first one, or any later one" },
        { "site", "NAME", &v.site, NULL, "the site has to have this name" },
        { "state", "FILE", &v.state, NULL,
          "remembers the newest entry, and finds at the next run whether the log was cut\n"
          "or went another way; without it, a cut log looks like a shorter one" },
        { "expect-length", "N", &v.length, NULL, "the log has to have at least so many entries" },
        { "log-only", NULL, NULL, &v.log_only, "the log alone, not what the site shows of it" },
        { "json", NULL, NULL, &v.json, "print the result as JSON" },
        { NULL, NULL, NULL, NULL, NULL }
    };
    const ctl_usage_t    usage = {
        "verify [options] URL",
        "Verifies a live site with nothing but its public key. URL is where the privacy centre\n"
        "is, https://www.example/privacy/. Reads the whole publication log: every signature,\n"
        "every digest, every byte, the chain, new keys and withdrawals; then compares every\n"
        "version that the site shows, in every language and form, with what was signed.\n"
        "Returns 0 when all is as signed, 1 when something is wrong, 3 when there is no answer.\n",
        options, 1, 1
    };

    memset(&v, 0, sizeof(v));

    rc = ctl_options(&usage, argc, argv, &operands);
    if (rc == -1) {
        v.url = argv[1];
        rc = ctl_verify_run(&v);
    }

    json_decref(v.findings);
    pv_log_free(v.chain);
    pv_ui_free(v.ui);
    ctl_http_close(v.http);
    free(v.listed);

    return rc;
}


static int
ctl_verify_run(ctl_verify_t *v)
{
    int  rc;

    rc = ctl_verify_settings(v);
    rc = rc == CTL_OK ? ctl_verify_list(v) : rc;
    rc = rc == CTL_OK ? ctl_verify_entries(v) : rc;
    rc = rc == CTL_OK && !v->log_only ? ctl_verify_shown(v) : rc;

    v->entry = 0;
    v->version = NULL;

    rc = rc == CTL_OK ? ctl_verify_length(v) : rc;
    rc = rc == CTL_OK && v->state != NULL ? ctl_verify_remembered(v) : rc;

    if (rc == CTL_USAGE) {
        return rc;
    }

    ctl_verify_say(v, rc);

    return rc == CTL_OK && v->found ? CTL_WRONG : rc;
}


static int
ctl_verify_settings(ctl_verify_t *v)
{
    size_t         len;
    pv_problems_t  problems;

    if (v->public == NULL) {
        return ctl_fail(CTL_USAGE, "verify needs --public FILE");
    }

    if (v->site != NULL && !ctl_site(v->site)) {
        return CTL_USAGE;
    }

    len = strlen(v->url);
    if (len > CTL_VERIFY_URL - 512 || strpbrk(v->url, "?#") != NULL) {
        return ctl_fail(CTL_USAGE, "%.64s...: is no address of a privacy centre", v->url);
    }

    snprintf(v->base, sizeof(v->base), "%s%s", v->url, len && v->url[len - 1] == '/' ? "" : "/");

    if (ctl_public_key(v->pub, v->public) != PV_OK) {
        return CTL_WRONG;
    }

    pv_problems_init(&problems);
    v->findings = json_array();
    v->chain = pv_log_create(v->pub);

    len = v->findings == NULL || v->chain == NULL || pv_ui_create(&v->ui, NULL, NULL, &problems) != PV_OK;
    pv_problems_free(&problems);

    return len ? ctl_fail(CTL_WRONG, "out of memory") : ctl_http_open(&v->http);
}


void
ctl_verify_wrong(ctl_verify_t *v, const char *where, const char *fmt, ...)
{
    char     what[1024], place[128];
    json_t  *one;
    va_list  args;

    if (++v->found > CTL_VERIFY_FINDINGS) {
        return;
    }

    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);

    one = json_pack("{s:o, s:s?, s:s?, s:s}", "entry", v->entry ? json_integer(v->entry) : json_null(),
                    "version", v->version, "where", where, "what", what);
    json_array_append_new(v->findings, one);

    if (v->json) {
        return;
    }

    if (v->progress) {
        fputs("\r\033[K", stderr);
        v->progress = 0;
    }

    snprintf(place, sizeof(place), v->entry ? "entry %" PRIu32 : "the log", v->entry);
    fputs(place, stdout);

    if (v->version != NULL) {
        fputs(" (version ", stdout);
        ctl_print(pv_str(v->version));
        fputs(")", stdout);
    }

    if (where != NULL) {
        fputs(", ", stdout);
        ctl_print(pv_str(where));
    }

    fputs(": ", stdout);
    ctl_print(pv_str(what));
    fputs("\n", stdout);
}


void
ctl_verify_progress(ctl_verify_t *v, const char *what, size_t i, size_t n)
{
    if (!isatty(STDERR_FILENO)) {
        return;
    }

    fprintf(stderr, "\r\033[K%s %zu of %zu%s", what, i, n, i == n ? "\r\033[K" : "");
    v->progress = i != n;
}


int
ctl_verify_get(ctl_verify_t *v, const char *path, const char *accept, pv_buf_t *body, int *there)
{
    int   rc, i;
    long  status;
    char  url[CTL_VERIFY_URL];

    *there = 0;
    snprintf(url, sizeof(url), "%s%s", v->base, path);

    for (i = 0; /* void */ ; i++) {
        rc = ctl_http_request(v->http, url, accept, &status, body);

        if (rc != CTL_OK || (status != 503 && status != 429) || i == CTL_VERIFY_BUSY) {
            break;
        }

        body->len = 0;
        sleep(1);
    }

    if (rc != CTL_OK) {
        return rc;
    }

    if (status == 503 || status == 429) {
        return ctl_fail(CTL_UNREACHABLE, "%s: answers %ld, again and again", url, status);
    }

    *there = status == 200;

    if (!*there) {
        ctl_verify_wrong(v, path, "is not served: the answer is %ld", status);
    }

    return CTL_OK;
}


static int
ctl_verify_length(ctl_verify_t *v)
{
    long  expected;

    if (v->length == NULL) {
        return CTL_OK;
    }

    if (!ctl_number(&expected, v->length, "--expect-length", 0, CTL_VERIFY_ENTRIES)) {
        return CTL_USAGE;
    }

    if (v->count < (size_t) expected) {
        ctl_verify_wrong(v, NULL, "has %zu entries, and should have %ld: its end was cut off", v->count, expected);
    }

    return CTL_OK;
}


static int
ctl_verify_remembered(ctl_verify_t *v)
{
    int       rc;
    json_t   *state;
    pv_buf_t  bytes;

    rc = CTL_OK;

    if (access(v->state, F_OK) == 0) {
        pv_buf_init(&bytes, CTL_VERIFY_STATE_MAX);
        state = NULL;

        if (ctl_file_read(&bytes, v->state, CTL_VERIFY_STATE_MAX) != PV_OK) {
            rc = CTL_USAGE;

        } else {
            state = json_loadb(bytes.data != NULL ? (const char *) bytes.data : "", bytes.len, 0, NULL);

            if (!json_is_string(json_object_get(state, "site")) || !json_is_string(json_object_get(state, "digest"))
                || json_integer_value(json_object_get(state, "entries")) < 1)
            {
                rc = ctl_fail(CTL_USAGE, "%s is not what verify has written", v->state);
            }
        }

        if (rc == CTL_OK) {
            ctl_verify_compare(v, state);
        }

        json_decref(state);
        pv_buf_free(&bytes);
    }

    return rc == CTL_OK && v->found == 0 ? ctl_verify_remember(v) : rc;
}


static void
ctl_verify_compare(ctl_verify_t *v, const json_t *state)
{
    json_int_t        entries;
    const char       *site;
    unsigned char     digest[PV_SHA256_LEN];
    const pv_head_t  *head;

    site = json_string_value(json_object_get(state, "site"));
    entries = json_integer_value(json_object_get(state, "entries"));

    if (strcmp(site, v->name) != 0) {
        ctl_verify_wrong(v, NULL, "is of the site %.64s, and was of %.64s", v->name, site);
        return;
    }

    if ((size_t) entries > v->count) {
        ctl_verify_wrong(v, NULL, "has %zu entries, and had %" JSON_INTEGER_FORMAT " before: its end was cut off",
                         v->count, entries);
        return;
    }

    head = pv_log_find(v->chain, (uint32_t) entries);

    if (head != NULL
        && (pv_hex_decode(digest, sizeof(digest), pv_str(json_string_value(json_object_get(state, "digest")))) != PV_OK
            || memcmp(digest, head->digest, PV_SHA256_LEN) != 0))
    {
        v->entry = head->sequence;
        ctl_verify_wrong(v, NULL, "is another one than was seen before: the log was written anew, or there are two");
        v->entry = 0;
    }
}


static int
ctl_verify_remember(ctl_verify_t *v)
{
    int               rc;
    char              digest[2 * PV_SHA256_LEN + 1];
    pv_buf_t          text;
    const pv_head_t  *last;

    last = ctl_verify_last(v);
    if (last == NULL) {
        return CTL_OK;
    }

    pv_hex_encode(digest, last->digest, PV_SHA256_LEN);
    digest[2 * PV_SHA256_LEN] = '\0';

    pv_buf_init(&text, CTL_VERIFY_STATE_MAX);
    pv_buf_printf(&text, "{\"site\":\"%s\",\"entries\":%" PRIu32 ",\"digest\":\"%s\"}\n", v->name, last->sequence, digest);

    rc = !text.failed
         && ctl_file_write(v->state, (pv_str_t) { text.data, text.len }, 0644, CTL_FILE_REPLACE) == PV_OK
         ? CTL_OK : CTL_WRONG;

    pv_buf_free(&text);

    return rc;
}


static const pv_head_t *
ctl_verify_last(const ctl_verify_t *v)
{
    size_t  n;

    n = pv_log_count(v->chain);

    return n != 0 ? pv_log_entry(v->chain, n - 1) : NULL;
}


static void
ctl_verify_say(ctl_verify_t *v, int rc)
{
    char              digest[2 * PV_SHA256_LEN + 1];
    size_t            kinds[PV_ENTRY_KEY + 1];
    json_t           *answer;
    const pv_head_t  *last;

    ctl_verify_count(v, kinds);
    last = ctl_verify_last(v);

    if (last != NULL) {
        pv_hex_encode(digest, last->digest, PV_SHA256_LEN);
        digest[2 * PV_SHA256_LEN] = '\0';
    }

    if (v->json) {
        answer = json_pack("{s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:s?, s:I, s:O}", "url", v->base, "site", v->name,
                           "ok", rc == CTL_OK && v->found == 0, "complete", rc == CTL_OK,
                           "entries", (json_int_t) v->count, "versions", (json_int_t) kinds[PV_ENTRY_VERSION],
                           "withdrawals", (json_int_t) kinds[PV_ENTRY_WITHDRAWAL],
                           "keys", (json_int_t) kinds[PV_ENTRY_KEY], "newest", last != NULL ? digest : NULL,
                           "wrong", (json_int_t) v->found, "findings", v->findings);
        json_dumpf(answer, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(answer);
        return;
    }

    if (v->found > CTL_VERIFY_FINDINGS) {
        printf("and %zu more\n", v->found - CTL_VERIFY_FINDINGS);
    }

    if (rc == CTL_OK && v->found == 0) {
        printf("all is as signed: %zu entries (%zu versions, %zu withdrawals, %zu new keys)%s\nnewest    %s\n", v->count,
               kinds[PV_ENTRY_VERSION], kinds[PV_ENTRY_WITHDRAWAL], kinds[PV_ENTRY_KEY],
               v->log_only ? "" : ", and what the site shows of them", last != NULL ? digest : "-");

    } else if (rc == CTL_OK) {
        printf("%zu found wrong in %zu entries and what the site shows of them\n", v->found, v->count);
    }
}


static void
ctl_verify_count(const ctl_verify_t *v, size_t kinds[PV_ENTRY_KEY + 1])
{
    size_t  i;

    memset(kinds, 0, (PV_ENTRY_KEY + 1) * sizeof(size_t));

    for (i = 0; i < pv_log_count(v->chain); i++) {
        kinds[pv_log_entry(v->chain, i)->kind]++;
    }
}
