/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "ctl_bundle.h"
#include "ctl_file.h"
#include "pv_declared.h"


static int ctl_bundle_texts(ctl_folder_bundle_t *b, const char *folder);
static int ctl_bundle_text(ctl_folder_bundle_t *b, const char *folder, const char *name);
static int ctl_bundle_is_text(const struct dirent *entry);


int
ctl_bundle_read(ctl_folder_bundle_t *b, const char *folder)
{
    memset(b, 0, sizeof(*b));
    pv_buf_init(&b->json, PV_BUNDLE_JSON_MAX);

    if (asprintf(&b->json_file, "%s/policy.json", folder) < 0) {
        b->json_file = NULL;
        return ctl_fail(CTL_WRONG, "out of memory");
    }

    if (ctl_file_read(&b->json, b->json_file, PV_BUNDLE_JSON_MAX) != PV_OK) {
        return CTL_WRONG;
    }

    b->source.json = (pv_str_t) { b->json.data, b->json.len };
    b->source.json_file = b->json_file;
    b->source.texts = b->list;

    return ctl_bundle_texts(b, folder);
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
ctl_bundle_texts(ctl_folder_bundle_t *b, const char *folder)
{
    int              i, n, rc;
    struct dirent  **entries;

    n = scandir(folder, &entries, ctl_bundle_is_text, alphasort);
    if (n < 0) {
        return ctl_fail(CTL_WRONG, "cannot read the folder %s: %s", folder, strerror(errno));
    }

    rc = CTL_OK;

    for (i = 0; i < n; i++) {
        if (rc == CTL_OK) {
            rc = ctl_bundle_text(b, folder, entries[i]->d_name);
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
ctl_bundle_text(ctl_folder_bundle_t *b, const char *folder, const char *name)
{
    char    *tag;
    size_t   i;

    i = b->source.texts_count;
    if (i == PV_LANGUAGES_MAX) {
        return ctl_fail(CTL_WRONG, "%s has texts in more than %d languages", folder, PV_LANGUAGES_MAX);
    }

    tag = strndup(name + 7, strlen(name) - 10);
    if (tag == NULL || asprintf(&b->files[i], "%s/%s", folder, name) < 0) {
        free(tag);
        return ctl_fail(CTL_WRONG, "out of memory");
    }

    b->source.texts_count++;
    b->list[i].language = pv_str(tag);
    b->list[i].file = b->files[i];
    pv_buf_init(&b->texts[i], PV_BUNDLE_TEXT_MAX);

    if (!pv_declared_language(tag)) {
        return ctl_fail(CTL_WRONG, "%s: \"%s\" is no language tag such as zh-CN or en", b->files[i], tag);
    }

    if (ctl_file_read(&b->texts[i], b->files[i], PV_BUNDLE_TEXT_MAX) != PV_OK) {
        return CTL_WRONG;
    }

    b->list[i].bytes = (pv_str_t) { b->texts[i].data, b->texts[i].len };

    return CTL_OK;
}
