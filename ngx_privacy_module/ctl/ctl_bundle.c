/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ctl.h"
#include "ctl_bundle.h"
#include "ctl_file.h"
#include "pv_declared.h"


static int ctl_bundle_texts(ctl_folder_bundle_t *b, const char *folder, pv_problems_t *problems);
static int ctl_bundle_text(ctl_folder_bundle_t *b, const char *folder, const char *name, pv_problems_t *problems);
static pv_str_t ctl_bundle_file(pv_buf_t *bytes, const char *path, size_t max, pv_problems_t *problems);
static int ctl_bundle_is_text(const struct dirent *entry);


int
ctl_bundle_read(ctl_folder_bundle_t *b, const char *folder, pv_problems_t *problems)
{
    memset(b, 0, sizeof(*b));
    pv_buf_init(&b->json, PV_BUNDLE_JSON_MAX);

    if (asprintf(&b->json_file, "%s/policy.json", folder) < 0) {
        b->json_file = NULL;
        return ctl_fail(CTL_WRONG, "out of memory");
    }

    b->source.json_file = b->json_file;
    b->source.json = ctl_bundle_file(&b->json, b->json_file, PV_BUNDLE_JSON_MAX, problems);
    b->source.texts = b->list;

    return ctl_bundle_texts(b, folder, problems);
}


void
ctl_bundle_free(ctl_folder_bundle_t *b)
{
    size_t  i;

    for (i = 0; i < b->source.texts_count; i++) {
        pv_buf_free(&b->texts[i]);
        free((void *) b->list[i].language.data);
        free(b->files[i]);
    }

    pv_buf_free(&b->json);
    free(b->json_file);
}


static int
ctl_bundle_texts(ctl_folder_bundle_t *b, const char *folder, pv_problems_t *problems)
{
    int              i, n, rc;
    struct dirent  **entries;

    n = scandir(folder, &entries, ctl_bundle_is_text, alphasort);
    if (n < 0) {
        return ctl_fail(CTL_WRONG, "cannot read the folder %s: %s", folder, strerror(errno));
    }

    rc = CTL_OK;

    if (n > PV_LANGUAGES_MAX) {
        pv_problem(problems, folder, 0, NULL, "has texts in more than %d languages", PV_LANGUAGES_MAX);
    }

    for (i = 0; i < n; i++) {
        if (rc == CTL_OK && i < PV_LANGUAGES_MAX) {
            rc = ctl_bundle_text(b, folder, entries[i]->d_name, problems);
        }
        free(entries[i]);
    }

    free(entries);

    return rc;
}


/* policy.LANG.md */
static int
ctl_bundle_is_text(const struct dirent *entry)
{
    size_t  len;

    len = strlen(entry->d_name);

    return len > 10 && strncmp(entry->d_name, "policy.", 7) == 0 && strcmp(entry->d_name + len - 3, ".md") == 0;
}


static int
ctl_bundle_text(ctl_folder_bundle_t *b, const char *folder, const char *name, pv_problems_t *problems)
{
    char    *tag;
    size_t   i;

    i = b->source.texts_count;
    tag = strndup(name + 7, strlen(name) - 10);

    if (tag == NULL || asprintf(&b->files[i], "%s/%s", folder, name) < 0) {
        free(tag);
        return ctl_fail(CTL_WRONG, "out of memory");
    }

    if (!pv_declared_language(tag)) {
        pv_problem(problems, b->files[i], 0, NULL, "its name has no language tag such as zh-CN or en in it");
        free(b->files[i]);
        free(tag);
        return CTL_OK;
    }

    b->source.texts_count++;
    b->list[i].language = pv_str(tag);
    b->list[i].file = b->files[i];
    pv_buf_init(&b->texts[i], PV_BUNDLE_TEXT_MAX);
    b->list[i].bytes = ctl_bundle_file(&b->texts[i], b->files[i], PV_BUNDLE_TEXT_MAX, problems);

    return CTL_OK;
}


/* What is in it; without data when it cannot be read, which is then said. */
static pv_str_t
ctl_bundle_file(pv_buf_t *bytes, const char *path, size_t max, pv_problems_t *problems)
{
    struct stat  st;

    if (stat(path, &st) != 0) {
        pv_problem(problems, path, 0, NULL, "cannot be read: %s", strerror(errno));

    } else if (!S_ISREG(st.st_mode)) {
        pv_problem(problems, path, 0, NULL, "is not a file");

    } else if (st.st_size > (off_t) max) {
        pv_problem(problems, path, 0, NULL, "is larger than %zu bytes", max);

    } else if (ctl_file_read(bytes, path, max) != PV_OK) {
        pv_problem(problems, path, 0, NULL, "cannot be read");

    } else {
        return bytes->data != NULL ? (pv_str_t) { bytes->data, bytes->len } : pv_str("");
    }

    return (pv_str_t) { NULL, 0 };
}
