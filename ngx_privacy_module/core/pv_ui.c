/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "pv_crypto.h"
#include "pv_ui_data.h"
#include "pv_ui_private.h"


#define ASSET_MAX     (1024 * 1024)


/* What a template has to use, or a form could not be answered. */
typedef struct {
    const char  *file;
    const char  *name;
} required_t;


typedef struct {
    const pv_ui_t  *ui;
    const char     *file;
    pv_problems_t  *problems;
    const char     *wanted;         /* a name that is looked for */
    int             found;
} names_t;


static const required_t  required[] = {
    { "banner.html", "slot.token" },
    { "banner.html", "slot.return" },
    { "banner.html", "prefix" },
    { "head_user.html", "slot.user" },
    { "notice_bar.html", "slot.token" },
    { "notice_bar.html", "slot.return" },
    { "notice_bar.html", "prefix" },
    { "notice_form.html", "token" },
    { "notice_form.html", "prefix" },
    { "choices_form.html", "token" },
    { "choices_form.html", "prefix" }
};


static const char *
extension(const char *name)
{
    const char  *dot;

    dot = strrchr(name, '.');

    return dot ? dot : "";
}


/* These go into other people's pages. */
static int
is_fragment(const char *name)
{
    return strncmp(name, "banner", 6) == 0 || strncmp(name, "marked_", 7) == 0
           || strncmp(name, "head", 4) == 0 || strcmp(name, "settings.html") == 0
           || strcmp(name, "notice_bar.html") == 0 || strcmp(name, "notice_public.html") == 0;
}


static int
add_asset(pv_ui_t *ui, const char *name, pv_str_t bytes, pv_problems_t *problems)
{
    pv_asset_t     *asset;
    unsigned char  *copy, hash[PV_SHA256_LEN];

    if (bytes.len > ASSET_MAX) {
        pv_problem(problems, name, 0, NULL, "larger than %d bytes", ASSET_MAX);
        return PV_INVALID;
    }

    asset = &ui->assets[ui->assets_count];

    if (strlen(name) >= sizeof(asset->name) || pv_sha256(hash, &bytes, 1) != PV_OK) {
        return PV_ERROR;
    }

    copy = malloc(bytes.len + 1);
    if (copy == NULL) {
        return PV_ERROR;
    }

    memcpy(copy, bytes.data, bytes.len);
    copy[bytes.len] = '\0';

    strcpy(asset->name, name);
    asset->type = strcmp(extension(name), ".css") == 0 ? "text/css; charset=utf-8"
                                                       : "text/javascript; charset=utf-8";
    pv_hex_encode(asset->hash, hash, 8);
    asset->hash[16] = '\0';
    asset->bytes.data = copy;
    asset->bytes.len = bytes.len;
    ui->assets_count++;

    return PV_OK;
}


static int
add_template(pv_ui_t *ui, const char *name, pv_str_t bytes, pv_problems_t *problems)
{
    int  rc;

    rc = pv_template_parse(&ui->template[ui->templates_count], bytes, name,
                           is_fragment(name) ? PV_TEMPLATE_DENSE : 0, problems);
    if (rc == PV_OK) {
        ui->template_name[ui->templates_count++] = name;
    }

    return rc;
}


static int
add_file(pv_ui_t *ui, const pv_ui_file_t *file, pv_ui_override_pt override, void *data,
    pv_problems_t *problems)
{
    pv_str_t     bytes, other;
    const char  *type;

    bytes.data = file->data;
    bytes.len = file->len;

    if (override != NULL) {
        other = override(data, file->name);
        if (other.data != NULL) {
            bytes = other;
        }
    }

    type = extension(file->name);

    if (strcmp(type, ".html") == 0 && ui->templates_count < PV_UI_MAX) {
        return add_template(ui, file->name, bytes, problems);
    }

    if (strcmp(type, ".json") == 0 && ui->languages_count < PV_UI_MAX) {
        return pv_ui_add_language(ui, file->name, bytes, problems);
    }

    return ui->assets_count < PV_UI_MAX ? add_asset(ui, file->name, bytes, problems) : PV_ERROR;
}


static void
check_name(void *data, int what, pv_str_t name, unsigned line)
{
    char      key[160];
    names_t  *names;

    names = data;

    if (names->wanted != NULL) {
        names->found += pv_str_eqs(name, names->wanted);
        return;
    }

    if (what == '>') {
        if (pv_ui_partial(names->ui, name) == NULL) {
            pv_problem(names->problems, names->file, line, NULL, "there is no template \"%.*s\"",
                       (int) name.len, name.data);
        }
        return;
    }

    if (name.len <= 2 || memcmp(name.data, "t.", 2) != 0 || name.len - 2 >= sizeof(key)) {
        return;
    }

    memcpy(key, name.data + 2, name.len - 2);
    key[name.len - 2] = '\0';

    if (json_object_get(names->ui->fallback, key) == NULL) {
        pv_problem(names->problems, names->file, line, NULL, "there is no string \"%s\"", key);
    }
}


/* A partial that includes itself, by whatever detour, would fail only when it is rendered: find it now. */
typedef struct {
    const pv_ui_t  *ui;
    unsigned        depth;
    unsigned        deepest;
} includes_t;


static void
count_includes(void *data, int what, pv_str_t name, unsigned line)
{
    includes_t           *inc;
    const pv_template_t  *t;

    (void) line;

    inc = data;

    if (what != '>' || inc->depth > PV_TEMPLATE_INCLUDES) {
        return;
    }

    t = pv_ui_partial(inc->ui, name);
    if (t == NULL) {
        return;
    }

    inc->depth++;
    if (inc->depth > inc->deepest) {
        inc->deepest = inc->depth;
    }

    /* Once too deep it stays so: do not walk an exponential number of ways there. */
    if (inc->deepest <= PV_TEMPLATE_INCLUDES) {
        pv_template_names(t, count_includes, inc);
    }
    inc->depth--;
}


static void
check_templates(const pv_ui_t *ui, pv_problems_t *problems)
{
    size_t      i;
    names_t     names;
    includes_t  inc;

    for (i = 0; i < ui->templates_count; i++) {
        memset(&names, 0, sizeof(names_t));
        names.ui = ui;
        names.file = ui->template_name[i];
        names.problems = problems;
        pv_template_names(ui->template[i], check_name, &names);

        memset(&inc, 0, sizeof(includes_t));
        inc.ui = ui;
        pv_template_names(ui->template[i], count_includes, &inc);

        if (inc.deepest > PV_TEMPLATE_INCLUDES) {
            pv_problem(problems, names.file, 0, NULL, "includes itself, or includes too deep");
        }
    }

    for (i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
        memset(&names, 0, sizeof(names_t));
        names.wanted = required[i].name;
        pv_template_names(pv_ui_template(ui, required[i].file), check_name, &names);

        if (names.found == 0 || (names.found > 1 && strncmp(required[i].name, "slot.", 5) == 0)) {
            pv_problem(problems, required[i].file, 0, NULL, "{{%s}} has to be there%s", required[i].name,
                       names.found ? " only once" : "");
        }
    }
}


int
pv_ui_create(pv_ui_t **ui, pv_ui_override_pt override, void *data, pv_problems_t *problems)
{
    int      rc;
    size_t   i, errors;
    pv_ui_t *u;

    *ui = NULL;

    u = calloc(1, sizeof(pv_ui_t));
    if (u == NULL) {
        return PV_ERROR;
    }

    errors = problems->errors;

    for (i = 0; i < pv_ui_files_count; i++) {
        rc = add_file(u, &pv_ui_files[i], override, data, problems);
        if (rc == PV_ERROR) {
            pv_ui_free(u);
            return PV_ERROR;
        }
    }

    if (override != NULL && pv_ui_more_languages(u, override, data, problems) == PV_ERROR) {
        pv_ui_free(u);
        return PV_ERROR;
    }

    rc = problems->errors > errors ? PV_INVALID : pv_ui_complete_languages(u, problems);

    if (rc == PV_OK) {
        check_templates(u, problems);
        rc = problems->errors > errors ? PV_INVALID : PV_OK;
    }

    if (rc != PV_OK) {
        pv_ui_free(u);
        return rc;
    }

    *ui = u;

    return PV_OK;
}


void
pv_ui_free(pv_ui_t *ui)
{
    size_t  i;

    if (ui == NULL) {
        return;
    }

    for (i = 0; i < ui->assets_count; i++) {
        free((void *) ui->assets[i].bytes.data);
    }

    for (i = 0; i < ui->templates_count; i++) {
        pv_template_free(ui->template[i]);
    }

    for (i = 0; i < ui->languages_count; i++) {
        json_decref(ui->language[i]);
    }

    free(ui);
}


const pv_asset_t *
pv_ui_asset(const pv_ui_t *ui, pv_str_t name)
{
    size_t  i;

    for (i = 0; i < ui->assets_count; i++) {
        if (pv_str_eqs(name, ui->assets[i].name)) {
            return &ui->assets[i];
        }
    }

    return NULL;
}


const pv_asset_t *
pv_ui_assets(const pv_ui_t *ui, size_t *n)
{
    *n = ui->assets_count;

    return ui->assets;
}


const pv_template_t *
pv_ui_template(const pv_ui_t *ui, const char *name)
{
    size_t  i;

    for (i = 0; i < ui->templates_count; i++) {
        if (strcmp(ui->template_name[i], name) == 0) {
            return ui->template[i];
        }
    }

    return NULL;
}


const pv_template_t *
pv_ui_partial(const void *data, pv_str_t name)
{
    size_t          i, len;
    const pv_ui_t  *ui;

    ui = data;

    for (i = 0; i < ui->templates_count; i++) {
        len = strlen(ui->template_name[i]) - (sizeof(".html") - 1);

        if (len == name.len && memcmp(ui->template_name[i], name.data, len) == 0) {
            return ui->template[i];
        }
    }

    return NULL;
}
