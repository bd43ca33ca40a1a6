/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "ctl_changes.h"
#include "pv_bundle_covered.h"
#include "pv_redline.h"

#define CTL_CHANGES_LINE  8192
#define CTL_CHANGES_JSON  (4 * 1024 * 1024)


static void ctl_changes_line(const pv_difference_t *e, unsigned declared, int colour);
static const pv_text_t *ctl_changes_text(const pv_policy_t *policy, pv_str_t language);
static int ctl_changes_redline(const pv_text_t *a, const pv_text_t *b, int colour);
static int ctl_changes_is_asked(const pv_policy_t *b, const pv_purpose_t *purpose);
static json_t *ctl_changes_json_declared(const pv_policy_t *a, const pv_policy_t *b, const char *language,
    int *covered);
static json_t *ctl_changes_json_texts(const pv_policy_t *a, const pv_policy_t *b, const char *language, int *same);
static json_t *ctl_changes_json_asked(const pv_policy_t *b);


int
ctl_colour(const char *when)
{
    const char  *none;

    if (when == NULL || strcmp(when, "auto") == 0) {
        none = getenv("NO_COLOR");
        return isatty(STDOUT_FILENO) && (none == NULL || none[0] == '\0');
    }

    if (strcmp(when, "always") == 0 || strcmp(when, "never") == 0) {
        return when[0] == 'a';
    }

    return ctl_fail(-1, "--color %s: it is auto, always or never", when);
}


int
ctl_changes_declared(const pv_policy_t *a, const pv_policy_t *b, const char *language, int colour)
{
    size_t             i;
    pv_differences_t   d;

    if (pv_declared_diff(&d, a, b, language != NULL ? pv_str(language) : b->texts[0].language) != PV_OK) {
        return ctl_fail(CTL_WRONG, "out of memory");
    }

    if (d.count == 0) {
        printf("Nothing of what is declared differs.\n");
    }

    for (i = 0; i < d.count; i++) {
        ctl_changes_line(&d.list[i], pv_kinds_declared(b), colour);
    }

    pv_differences_free(&d);

    return CTL_OK;
}


static void
ctl_changes_line(const pv_difference_t *e, unsigned declared, int colour)
{
    pv_buf_t                  line;
    static const char  *const  marks[] = {
        [PV_DIFFERENCE_ADDED] = "+ ", [PV_DIFFERENCE_REMOVED] = "- ", [PV_DIFFERENCE_ALTERED] = "~ "
    };
    static const char  *const  colours[] = {
        [PV_DIFFERENCE_ADDED] = "\033[32m", [PV_DIFFERENCE_REMOVED] = "\033[31m", [PV_DIFFERENCE_ALTERED] = "\033[33m"
    };

    pv_buf_init(&line, CTL_CHANGES_LINE);
    pv_difference_words(&line, e);

    if (e->kinds != 0) {
        pv_buf_puts(&line, "  (");
        pv_kinds_words(&line, e->kinds, "or");
        pv_buf_puts(&line, pv_difference_uncovered(e, declared) ? ": NOT DECLARED)" : ")");
    }

    fputs(colour ? colours[e->how] : "", stdout);
    fputs(marks[e->how], stdout);
    ctl_print((pv_str_t) { line.data, line.len });
    fputs(colour ? "\033[0m\n" : "\n", stdout);

    pv_buf_free(&line);
}


int
ctl_changes_texts(const pv_policy_t *a, const pv_policy_t *b, const char *language, int colour)
{
    int               rc;
    size_t            i;
    const pv_text_t  *before;

    rc = CTL_OK;

    for (i = 0; rc == CTL_OK && i < b->texts_count; i++) {
        if (language != NULL && !pv_str_eqs(b->texts[i].language, language)) {
            continue;
        }

        before = ctl_changes_text(a, b->texts[i].language);

        if (before != NULL) {
            rc = ctl_changes_redline(before, &b->texts[i], colour);
        } else {
            printf("\nThe text in %s is new.\n", (const char *) b->texts[i].language.data);
        }
    }

    return rc;
}


static const pv_text_t *
ctl_changes_text(const pv_policy_t *policy, pv_str_t language)
{
    size_t  i;

    for (i = 0; i < policy->texts_count; i++) {
        if (pv_str_eq(policy->texts[i].language, language)) {
            return &policy->texts[i];
        }
    }

    return NULL;
}


static int
ctl_changes_redline(const pv_text_t *a, const pv_text_t *b, int colour)
{
    int            rc;
    pv_buf_t       out;
    pv_diff_t     *diff;
    pv_redline_t   how = PV_REDLINE_DEFAULT;

    how.colour = colour != 0;
    pv_buf_init(&out, PV_REDLINE_MAX);

    rc = pv_diff_create(&diff, a->html, b->html, PV_DIFF_WORK);

    if (rc == PV_OK && pv_diff_same(diff)) {
        printf("\nThe text in %s is the same.\n", (const char *) b->language.data);

    } else if (rc == PV_OK) {
        rc = pv_redline_text(&out, diff, &how);
        printf("\n%sThe text in %s%s\n\n", colour ? "\033[1m" : "", (const char *) b->language.data,
               colour ? "\033[0m" : "");
        fwrite(out.data, 1, out.len, stdout);
    }

    pv_diff_free(rc == PV_OK ? diff : NULL);
    pv_buf_free(&out);

    return rc == PV_OK ? CTL_OK : ctl_fail(CTL_WRONG, "out of memory");
}


void
ctl_changes_asked(const pv_policy_t *a, const pv_policy_t *b)
{
    size_t               i, n;
    const pv_purpose_t  *purpose;

    printf(a == NULL ? "Everybody is asked for:\n" : "Asked again:\n");

    for (i = 0, n = 0; i < b->purposes_count; i++) {
        purpose = &b->purposes[i];

        if (ctl_changes_is_asked(b, purpose)) {
            n++;
            printf("  %s  ", (const char *) purpose->id.data);
            ctl_print(pv_translation(b, purpose->title, 0));
            printf("%s\n", a != NULL && pv_policy_purpose(a, purpose->id) == NULL ? "  (new)" : "");
        }
    }

    if (n == 0) {
        printf(a == NULL ? "  nothing: all of it is necessary\n" : "  nothing: every choice that was made still holds\n");
    }
}


static int
ctl_changes_is_asked(const pv_policy_t *b, const pv_purpose_t *purpose)
{
    return !purpose->necessary && purpose->asked_since == b->sequence;
}


json_t *
ctl_changes_json(const pv_policy_t *a, const pv_policy_t *b, const char *language, int texts)
{
    int      covered, same;
    json_t  *answer, *declared;

    same = 1;
    declared = ctl_changes_json_declared(a, b, language, &covered);
    answer = json_pack("{s:{s:s, s:I}, s:{s:s, s:I}, s:o, s:b}",
                       "from", "version", (const char *) a->version.data, "number", (json_int_t) a->sequence,
                       "to", "version", (const char *) b->version.data, "number", (json_int_t) b->sequence,
                       "declared", declared, "covered", covered);

    if (texts) {
        json_object_set_new(answer, "texts", ctl_changes_json_texts(a, b, language, &same));
        json_object_set_new(answer, "same", json_boolean(same && json_array_size(declared) == 0));

    } else {
        json_object_set_new(answer, "asked", ctl_changes_json_asked(b));
    }

    return answer;
}


static json_t *
ctl_changes_json_declared(const pv_policy_t *a, const pv_policy_t *b, const char *language, int *covered)
{
    size_t             i;
    json_t            *list;
    pv_buf_t           out;
    pv_differences_t   d;

    *covered = 1;

    if (pv_declared_diff(&d, a, b, language != NULL ? pv_str(language) : b->texts[0].language) != PV_OK) {
        return NULL;
    }

    for (i = 0; i < d.count; i++) {
        *covered &= !pv_difference_uncovered(&d.list[i], pv_kinds_declared(b));
    }

    pv_buf_init(&out, CTL_CHANGES_JSON);
    list = pv_differences_json(&out, &d) == PV_OK ? json_loadb((const char *) out.data, out.len, 0, NULL) : NULL;

    pv_buf_free(&out);
    pv_differences_free(&d);

    return list;
}


/* null where only one of the two has the language. */
static json_t *
ctl_changes_json_texts(const pv_policy_t *a, const pv_policy_t *b, const char *language, int *same)
{
    size_t            i;
    json_t           *texts, *one;
    pv_buf_t          out;
    pv_diff_t        *diff;
    const pv_text_t  *before;

    texts = json_object();

    for (i = 0; i < b->texts_count; i++) {
        if (language != NULL && !pv_str_eqs(b->texts[i].language, language)) {
            continue;
        }

        one = NULL;
        before = ctl_changes_text(a, b->texts[i].language);

        if (before != NULL && pv_diff_create(&diff, before->html, b->texts[i].html, PV_DIFF_WORK) == PV_OK) {
            pv_buf_init(&out, PV_DIFF_JSON_MAX);

            if (pv_diff_json(&out, diff) == PV_OK) {
                one = json_loadb((const char *) out.data, out.len, 0, NULL);
                *same &= pv_diff_same(diff);
            }

            pv_buf_free(&out);
            pv_diff_free(diff);
        }

        *same &= one != NULL;
        json_object_set_new(texts, (const char *) b->texts[i].language.data, one != NULL ? one : json_null());
    }

    return texts;
}


static json_t *
ctl_changes_json_asked(const pv_policy_t *b)
{
    size_t   i;
    json_t  *asked;

    asked = json_array();

    for (i = 0; i < b->purposes_count; i++) {
        if (ctl_changes_is_asked(b, &b->purposes[i])) {
            json_array_append_new(asked, json_string((const char *) b->purposes[i].id.data));
        }
    }

    return asked;
}
