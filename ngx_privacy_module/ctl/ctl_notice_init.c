/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* privacyctl notice init. */

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "ctl_file.h"
#include "ctl_notice.h"

#define CTL_DRAFT_MAX        (64 * 1024)
#define CTL_DRAFT_LANGUAGES  256


static int ctl_draft_write(const char *path, const char *kind, const char *languages, int json);
static int ctl_draft_json(pv_buf_t *out, const char *kind, const char *languages);
static void ctl_draft_say(const char *path, const char *kind, int json);


/* Of an incident; of an announcement only the first and the last are there. */
static const struct { const char *field, *incident, *what; }  ctl_draft_fields[] = {
    { "title", NULL, "a line that says what it is about" },
    { "happened", "incident", "what happened to which data, since when, why, and what it may lead to" },
    { "measures", "incident", "what was done and will be done, by whom and until when" },
    { "advice", "incident", "what the user can do: change a password, watch an account, ignore certain mails" },
    { "remedies", "incident", "what you offer them, and how you, and who complains, can be reached" },
    { "summary", "announcement", "the message" }
};


int
ctl_notice_init(int argc, char **argv)
{
    int                  rc, operands, json;
    char                 path[PATH_MAX];
    const char          *kind, *languages;
    struct stat          st;
    const ctl_option_t   options[] = {
        { "kind", "KIND", &kind, NULL, "incident or announcement (announcement)" },
        { "languages", "TAGS", &languages, NULL, "with commas between: those of the policy, its default\n"
          "language first (zh-CN,en)" },
        { "json", NULL, NULL, &json, "print what was written as JSON" },
        { NULL, NULL, NULL, NULL, NULL }
    };
    const ctl_usage_t    usage = {
        "notice init [options] FILE|DIR",
        "Writes a notice to be filled in, FILE (or DIR/notice.json), and says what belongs into\n"
        "each field. `notice send` refuses it as long as one is empty. Texts are plain; a new\n"
        "paragraph begins with \\n. docs/notice.schema.json describes the file, for editors.\n"
        "What is there already is not touched.\n",
        options, 1, 1
    };

    kind = "announcement";
    languages = "zh-CN,en";
    json = 0;

    rc = ctl_options(&usage, argc, argv, &operands);
    if (rc != -1) {
        return rc;
    }

    if (strcmp(kind, "incident") != 0 && strcmp(kind, "announcement") != 0) {
        return ctl_fail(CTL_USAGE, "--kind is incident or announcement; a change of the policy is published");
    }

    if ((size_t) snprintf(path, sizeof(path), "%s%s", argv[1],
                          stat(argv[1], &st) == 0 && S_ISDIR(st.st_mode) ? "/notice.json" : "") >= sizeof(path))
    {
        return ctl_fail(CTL_USAGE, "%.64s...: is too long", argv[1]);
    }

    return ctl_draft_write(path, kind, languages, json);
}


static int
ctl_draft_write(const char *path, const char *kind, const char *languages, int json)
{
    int       rc;
    pv_buf_t  out;

    pv_buf_init(&out, CTL_DRAFT_MAX);
    rc = ctl_draft_json(&out, kind, languages);

    if (rc == CTL_OK && ctl_file_write(path, (pv_str_t) { out.data, out.len }, 0644, CTL_FILE_NEW) != PV_OK) {
        rc = CTL_WRONG;
    }

    pv_buf_free(&out);

    if (rc == CTL_OK) {
        ctl_draft_say(path, kind, json);
    }

    return rc;
}


/* Written line by line, in the order in which it is read: each empty text is on a line of its own. */
static int
ctl_draft_json(pv_buf_t *out, const char *kind, const char *languages)
{
    char        *tag, *rest, list[CTL_DRAFT_LANGUAGES];
    size_t       i, n;
    const char  *comma;

    if ((size_t) snprintf(list, sizeof(list), "%s", languages) >= sizeof(list)) {
        return ctl_fail(CTL_USAGE, "--languages: these are too many");
    }

    pv_buf_printf(out, "{\n    \"kind\": \"%s\",\n    \"texts\": {", kind);

    for (n = 0, tag = strtok_r(list, ",", &rest); tag != NULL; tag = strtok_r(NULL, ",", &rest), n++) {
        if (strspn(tag, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") != strlen(tag)) {
            return ctl_fail(CTL_USAGE, "--languages: %s is no language, such as zh-CN or en", tag);
        }

        pv_buf_printf(out, "%s\n        \"%s\": {", n ? "," : "", tag);
        comma = "";

        for (i = 0; i < sizeof(ctl_draft_fields) / sizeof(ctl_draft_fields[0]); i++) {
            if (ctl_draft_fields[i].incident == NULL || strcmp(ctl_draft_fields[i].incident, kind) == 0) {
                pv_buf_printf(out, "%s\n            \"%s\": \"\"", comma, ctl_draft_fields[i].field);
                comma = ",";
            }
        }

        pv_buf_puts(out, "\n        }");
    }

    pv_buf_puts(out, "\n    }\n}\n");

    if (n == 0) {
        return ctl_fail(CTL_USAGE, "--languages: at least one, such as zh-CN");
    }

    return out->failed ? ctl_fail(CTL_WRONG, "out of memory") : CTL_OK;
}


static void
ctl_draft_say(const char *path, const char *kind, int json)
{
    size_t   i;
    json_t  *answer;

    if (json) {
        answer = json_pack("{s:s, s:s}", "file", path, "kind", kind);
        json_dumpf(answer, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(answer);
        return;
    }

    printf("%s: to be filled in, in each language\n\n", path);

    for (i = 0; i < sizeof(ctl_draft_fields) / sizeof(ctl_draft_fields[0]); i++) {
        if (ctl_draft_fields[i].incident == NULL || strcmp(ctl_draft_fields[i].incident, kind) == 0) {
            printf("  %-10s %s\n", ctl_draft_fields[i].field, ctl_draft_fields[i].what);
        }
    }

    if (strcmp(kind, "incident") == 0) {
        printf("\nThe four parts are what GB/T 35273, PIPL 57 and GDPR 34 ask for. Users are one side of it:\n"
               "authorities are told apart from this, at once (PIPL 57), within 72 hours (GDPR 33).\n");
    }

    printf("\nThen  privacyctl notice send --dry-run --site NAME --key NAME.key %s\n", path);
}
