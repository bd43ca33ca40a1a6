/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_H
#define CTL_H

/*
 * privacyctl: sub-commands, their options and what they return.
 */

#include "pv_keys.h"

/* Exit codes. */
#define CTL_OK           0
#define CTL_WRONG        1      /* refused, or something was found wrong */
#define CTL_USAGE        2
#define CTL_UNREACHABLE  3      /* Redis, or the address that was asked */

/* A sub-command: argv[0] is its own name. Returns an exit code. */
typedef int (*ctl_command_pt)(int argc, char **argv);

int ctl_keygen(int argc, char **argv);
int ctl_init(int argc, char **argv);
int ctl_check(int argc, char **argv);
int ctl_preview(int argc, char **argv);
int ctl_diff(int argc, char **argv);
int ctl_publish(int argc, char **argv);
int ctl_withdraw(int argc, char **argv);
int ctl_rollover(int argc, char **argv);
int ctl_versions(int argc, char **argv);
int ctl_notice(int argc, char **argv);
int ctl_subject(int argc, char **argv);
int ctl_verify(int argc, char **argv);
int ctl_inventory(int argc, char **argv);
int ctl_ledger(int argc, char **argv);
int ctl_status(int argc, char **argv);
int ctl_backup(int argc, char **argv);
int ctl_restore(int argc, char **argv);
int ctl_verify_backup(int argc, char **argv);


/*
 * Options. A table ends with an entry whose name is NULL. --name VALUE and
 * --name=VALUE are the same; options and operands may be mixed; "--" ends the
 * options. An option given twice, an unknown one, or one without its value is
 * an error.
 */
typedef struct {
    const char   *name;         /* "notice-days" */
    const char   *value;        /* what the value is called in --help, "N"; NULL: a flag */
    const char  **string;       /* where the value goes; NULL for a flag */
    int          *flag;         /* set to 1; NULL for an option with a value */
    const char   *help;         /* one or more lines, separated by \n */
} ctl_option_t;

typedef struct {
    const char          *usage;     /* "publish [options] DIR": behind "privacyctl " */
    const char          *text;      /* what it does, in paragraphs; ends with a newline */
    const ctl_option_t  *options;
    int                  operands_min, operands_max;
} ctl_usage_t;

/*
 * Reads argv[1..]: the operands are moved to argv[1..*operands]. Returns -1
 * when the command goes on, else the exit code to return: --help was printed
 * (CTL_OK), or what is wrong was said (CTL_USAGE).
 */
int ctl_options(const ctl_usage_t *usage, int argc, char **argv, int *operands);

/* "privacyctl: " and the message on standard error; returns code. */
int ctl_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A decimal number within bounds; 0 when it is none. name: for the message. */
int ctl_number(long *out, const char *text, const char *name, long min, long max);
/* Every problem on standard error: "error: file:line: field: reason". */
void ctl_problems(const pv_problems_t *problems);
/* Makes errors of warnings; how many there are then. */
size_t ctl_problems_strict(pv_problems_t *problems);
/* The same on standard output, {"errors": [...], "warnings": [...]}. */
void ctl_problems_json(const pv_problems_t *problems);
/* The site's name as it has to be written, [A-Za-z0-9._-]{1,64}; says what is wrong and returns 0 otherwise. */
int ctl_site(const char *site);
/* Unix seconds as "2026-12-01T08:00:00Z" into text. */
#define CTL_TIME_MAX  32
const char *ctl_time(char text[CTL_TIME_MAX], int64_t at);
/*
 * Text of others on a terminal: control characters, bidirectional overrides
 * and invalid UTF-8 are shown as U+FFFD, so that nothing can move the cursor.
 */
void ctl_print(pv_str_t text);


/* --redis URL, else PRIVACY_REDIS, else says so and returns NULL. */
const char *ctl_redis_url(const char *option);

#endif /* CTL_H */
