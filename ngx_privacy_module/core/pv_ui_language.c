/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* The languages of the interface. */

#include <string.h>

#include "pv_language.h"
#include "pv_ui_data.h"
#include "pv_ui_private.h"


#define LANGUAGE_MAX  (256 * 1024)


int
pv_ui_add_language(pv_ui_t *ui, const char *name, pv_str_t bytes, pv_problems_t *problems)
{
    json_t        *strings, *value;
    const char    *key;
    json_error_t   error;

    if (bytes.len > LANGUAGE_MAX) {
        pv_problem(problems, name, 0, NULL, "larger than %d bytes", LANGUAGE_MAX);
        return PV_INVALID;
    }

    strings = json_loadb((const char *) bytes.data, bytes.len, JSON_REJECT_DUPLICATES, &error);

    if (!json_is_object(strings)) {
        pv_problem(problems, name, error.line > 0 ? (unsigned) error.line : 0, NULL, "%s",
                   strings ? "not a JSON object" : error.text);
        json_decref(strings);
        return PV_INVALID;
    }

    ui->language[ui->languages_count++] = strings;

    json_object_foreach(strings, key, value) {
        if (!json_is_string(value)) {
            pv_problem(problems, name, 0, key, "is not a string");
        }
    }

    return PV_OK;
}


static int
is_compiled_in(const char *name)
{
    size_t  i;

    for (i = 0; i < pv_ui_files_count; i++) {
        if (strcmp(pv_ui_files[i].name, name) == 0) {
            return 1;
        }
    }

    return 0;
}


int
pv_ui_more_languages(pv_ui_t *ui, pv_ui_override_pt override, void *data, pv_problems_t *problems)
{
    int                        rc;
    char                       name[64];
    size_t                     i;
    pv_str_t                   bytes;
    const pv_language_name_t  *language;

    for (i = 0; (language = pv_language_name_at(i)) != NULL && ui->languages_count < PV_UI_MAX; i++) {
        snprintf(name, sizeof(name), "%s.json", language->tag);

        if (is_compiled_in(name)) {
            continue;
        }

        bytes = override(data, name);
        rc = bytes.data != NULL ? pv_ui_add_language(ui, name, bytes, problems) : PV_OK;

        if (rc == PV_ERROR) {
            return PV_ERROR;
        }
    }

    return PV_OK;
}


int
pv_ui_complete_languages(pv_ui_t *ui, pv_problems_t *problems)
{
    size_t       i;
    json_t      *value;
    const char  *key, *tag;

    for (i = 0; i < ui->languages_count; i++) {
        tag = json_string_value(json_object_get(ui->language[i], "tag"));

        if (tag == NULL || tag[0] == '\0') {
            pv_problem(problems, "a language file", 0, "tag", "is missing");
            continue;
        }

        if (strcmp(tag, "en") == 0) {
            ui->fallback = ui->language[i];
        }
    }

    if (ui->fallback == NULL) {
        pv_problem(problems, "en.json", 0, "tag", "has to be \"en\"");
        return PV_INVALID;
    }

    for (i = 0; i < ui->languages_count; i++) {
        tag = json_string_value(json_object_get(ui->language[i], "tag"));

        json_object_foreach(ui->fallback, key, value) {
            if (json_object_get(ui->language[i], key) != NULL) {
                continue;
            }

            pv_warning(problems, tag, 0, key, "is missing; the English one is shown");

            if (json_object_set(ui->language[i], key, value) != 0) {
                return PV_ERROR;
            }
        }
    }

    return PV_OK;
}


/* RFC 4647: zh-HK is said in zh-TW rather than in zh-CN. NULL: not at all. */
static json_t *
find_language(const pv_ui_t *ui, pv_str_t language)
{
    size_t    i;
    pv_str_t  tags[PV_UI_MAX];

    for (i = 0; i < ui->languages_count; i++) {
        tags[i] = pv_str(json_string_value(json_object_get(ui->language[i], "tag")));
    }

    i = pv_language_lookup(tags, i, language);

    return i != PV_LANGUAGE_NONE ? ui->language[i] : NULL;
}


json_t *
pv_ui_strings(const pv_ui_t *ui, pv_str_t language)
{
    json_t  *strings;

    strings = find_language(ui, language);

    return strings ? strings : ui->fallback;
}


json_t *
pv_ui_strings_at(const pv_ui_t *ui, size_t i)
{
    return i < ui->languages_count ? ui->language[i] : NULL;
}


int
pv_ui_speaks(const pv_ui_t *ui, pv_str_t language)
{
    return find_language(ui, language) != NULL;
}


pv_str_t
pv_ui_language_name(const pv_ui_t *ui, pv_str_t language)
{
    json_t      *strings;
    const char  *name;

    strings = find_language(ui, language);

    /* "zh-TW" is not what zh-CN calls itself. */
    if (strings != NULL && pv_str_eqs(language, json_string_value(json_object_get(strings, "tag")))) {
        return pv_str(json_string_value(json_object_get(strings, "name")));
    }

    name = pv_language_name(language);

    return name ? pv_str(name) : language;
}
