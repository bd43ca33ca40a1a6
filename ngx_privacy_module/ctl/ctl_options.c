/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl.h"
#include "pv_record.h"


#define CTL_OPTIONS_MAX  32


static int ctl_option(const ctl_usage_t *usage, const char *word, const char *next, unsigned *seen, int *used);
static int ctl_is_subject(const char *word);
static int ctl_misuse(const ctl_usage_t *usage, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void ctl_help(const ctl_usage_t *usage);
static size_t ctl_visible(pv_str_t text, size_t at, int *shown);


int
ctl_options(const ctl_usage_t *usage, int argc, char **argv, int *operands)
{
    int       i, rc, used, ended;
    char     *word;
    unsigned  seen;

    seen = 0;
    ended = 0;
    *operands = 0;

    for (i = 1; i < argc; i++) {
        word = argv[i];

        if (ended || word[0] != '-' || word[1] == '\0' || ctl_is_subject(word)) {
            argv[++*operands] = word;
            continue;
        }

        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            ctl_help(usage);
            return CTL_OK;
        }

        if (strcmp(word, "--") == 0) {
            ended = 1;
            continue;
        }

        rc = ctl_option(usage, word, (i + 1 < argc) ? argv[i + 1] : NULL, &seen, &used);
        if (rc != -1) {
            return rc;
        }

        i += used;
    }

    if (*operands < usage->operands_min) {
        return ctl_misuse(usage, "something is missing");
    }

    if (*operands > usage->operands_max) {
        return ctl_misuse(usage, "%s: one word too many", argv[usage->operands_max + 1]);
    }

    return -1;
}


/* A subject is base64url, so that it may begin with dashes; no option is spelled like one. */

static int
ctl_is_subject(const char *word)
{
    unsigned char  subject[PV_SUBJECT_LEN];

    return strlen(word) == PV_SUBJECT_TEXT
           && pv_base64url_decode(subject, PV_SUBJECT_LEN, pv_str(word)) == PV_SUBJECT_LEN;
}


/* used: how many further words it took. -1 when the option is right, else an exit code. */

static int
ctl_option(const ctl_usage_t *usage, const char *word, const char *next, unsigned *seen, int *used)
{
    size_t               len;
    unsigned             i;
    const char          *value;
    const ctl_option_t  *option;

    len = strcspn(word, "=");
    value = (word[len] == '=') ? word + len + 1 : NULL;

    *used = 0;

    for (i = 0, option = usage->options; option != NULL && option->name != NULL; i++, option++) {

        if (len < 3 || strncmp(word, "--", 2) != 0 || strlen(option->name) != len - 2
            || memcmp(word + 2, option->name, len - 2) != 0)
        {
            continue;
        }

        if (i < CTL_OPTIONS_MAX && (*seen & 1u << i)) {
            return ctl_misuse(usage, "--%s is given twice", option->name);
        }

        *seen |= 1u << i % CTL_OPTIONS_MAX;

        if (option->flag != NULL) {
            *option->flag = 1;
            return (value == NULL) ? -1 : ctl_misuse(usage, "--%s takes no value", option->name);
        }

        if (value == NULL) {
            value = next;
            *used = 1;
        }

        if (value == NULL) {
            return ctl_misuse(usage, "--%s needs a value: %s", option->name, option->value);
        }

        *option->string = value;

        return -1;
    }

    return ctl_misuse(usage, "there is no option %s", word);
}


static int
ctl_misuse(const ctl_usage_t *usage, const char *fmt, ...)
{
    va_list  args;

    fputs("privacyctl: ", stderr);

    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);

    fprintf(stderr, "\nusage: privacyctl %s\n", usage->usage);
    fprintf(stderr, "privacyctl %.*s--help says more\n", (int) strcspn(usage->usage, "["), usage->usage);

    return CTL_USAGE;
}


static void
ctl_help(const ctl_usage_t *usage)
{
    int                  n;
    size_t               len;
    const char          *line;
    const ctl_option_t  *option;

    printf("usage: privacyctl %s\n\n%s", usage->usage, usage->text);

    if (usage->options != NULL && usage->options->name != NULL) {
        fputs("\nOptions:\n", stdout);
    }

    for (option = usage->options; option != NULL && option->name != NULL; option++) {
        n = printf("  --%s%s%s", option->name, option->value != NULL ? " " : "",
                   option->value != NULL ? option->value : "");

        for (line = option->help; line != NULL && *line != '\0'; line += len + (line[len] == '\n')) {
            len = strcspn(line, "\n");

            if (n > 22) {
                putchar('\n');
                n = 0;
            }

            printf("%*s%.*s\n", 24 - n, "", (int) len, line);
            n = 0;
        }

        if (n != 0) {
            putchar('\n');
        }
    }

    printf("  --help%16s%s\n", "", "this text");
}


int
ctl_fail(int code, const char *fmt, ...)
{
    va_list  args;

    fputs("privacyctl: ", stderr);

    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);

    fputc('\n', stderr);

    return code;
}


int
ctl_number(long *out, const char *text, const char *name, long min, long max)
{
    size_t  len;

    len = strlen(text);

    if (len != 0 && len <= 18 && strspn(text, "0123456789") == len) {
        *out = strtol(text, NULL, 10);

        if (*out >= min && *out <= max) {
            return 1;
        }
    }

    (void) ctl_fail(0, "%s: %s has to be a number from %ld to %ld", text, name, min, max);

    return 0;
}


int
ctl_site(const char *site)
{
    size_t  len;

    if (site == NULL) {
        (void) ctl_fail(0, "which site? --site NAME, as in privacy_site");
        return 0;
    }

    len = strlen(site);

    if (len != 0 && len <= PV_SITE_MAX && len == strspn(site, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                         "abcdefghijklmnopqrstuvwxyz0123456789._-"))
    {
        return 1;
    }

    (void) ctl_fail(0, "the name of a site has 1 to %d of the characters A-Z a-z 0-9 . _ -", PV_SITE_MAX);

    return 0;
}


const char *
ctl_time(char text[CTL_TIME_MAX], int64_t at)
{
    time_t     t;
    struct tm  tm;

    t = (time_t) at;

    if (gmtime_r(&t, &tm) == NULL || strftime(text, CTL_TIME_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
        strcpy(text, "?");
    }

    return text;
}


void
ctl_print(pv_str_t text)
{
    int     shown;
    size_t  i, len;

    for (i = 0; i < text.len; i += len) {
        len = ctl_visible(text, i, &shown);

        if (shown) {
            fwrite(text.data + i, 1, len, stdout);

        } else {
            fputs("\xEF\xBF\xBD", stdout);
        }
    }
}


/* The length of the character at `at`; shown: it is whole, and moves neither cursor nor direction. */

static size_t
ctl_visible(pv_str_t text, size_t at, int *shown)
{
    size_t                len, i;
    const unsigned char  *p;

    p = text.data + at;
    *shown = 0;

    if (p[0] < 0x80) {
        *shown = (p[0] >= 0x20 && p[0] != 0x7F);
        return 1;
    }

    len = (p[0] >= 0xF0) ? 4 : (p[0] >= 0xE0) ? 3 : 2;

    if (p[0] < 0xC2 || p[0] > 0xF4 || len > text.len - at) {
        return 1;
    }

    for (i = 1; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80) {
            return 1;
        }
    }

    /* U+0080 to U+009F; U+200E, U+200F, U+2028 to U+202E, U+2066 to U+2069 */

    *shown = !(p[0] == 0xC2 && p[1] < 0xA0)
             && !(p[0] == 0xE2 && p[1] == 0x80 && (p[2] == 0x8E || p[2] == 0x8F || (p[2] >= 0xA8 && p[2] <= 0xAE)))
             && !(p[0] == 0xE2 && p[1] == 0x81 && p[2] >= 0xA6 && p[2] <= 0xA9);

    return len;
}


const char *
ctl_redis_url(const char *option)
{
    const char  *url;

    url = (option != NULL) ? option : getenv("PRIVACY_REDIS");

    if (url == NULL || url[0] == '\0') {
        (void) ctl_fail(0, "where is Redis? --redis URL, or PRIVACY_REDIS in the environment");
        return NULL;
    }

    return url;
}
