/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdio.h>
#include <string.h>

#include "ctl_init.h"
#include "pv_bundle.h"
#include "pv_template.h"


static json_t *ctl_init_context(const json_t *policy);
static json_t *ctl_init_rows(const json_t *policy);
static json_t *ctl_init_both(const char *text);
static json_t *ctl_init_escaped(const char *text);
static json_t *ctl_init_code(const char *name);


int
ctl_init_text(pv_buf_t *out, const json_t *policy, const char *language)
{
    int                     rc;
    json_t                 *context;
    pv_template_t          *template;
    pv_problems_t           problems;
    const ctl_skeleton_t   *skeleton;

    for (skeleton = ctl_skeletons; skeleton->language != NULL && strcmp(skeleton->language, language) != 0; skeleton++) {
        /* void */
    }

    if (skeleton->language == NULL) {
        return PV_ERROR;
    }

    template = NULL;
    context = ctl_init_context(policy);
    pv_problems_init(&problems);

    rc = pv_template_parse(&template, skeleton->text, "skeleton", 0, &problems);
    rc = rc == PV_OK ? pv_template_render(out, template, context, NULL, NULL, NULL) : rc;

    pv_template_free(template);
    pv_problems_free(&problems);
    json_decref(context);

    return rc == PV_OK && !out->failed ? PV_OK : PV_ERROR;
}


/* What the skeletons name. Answers are words, not Markdown. */
static json_t *
ctl_init_context(const json_t *policy)
{
    char         day[11];
    json_t      *context, *value;
    const char  *key, *effective;

    effective = json_string_value(json_object_get(policy, "effective"));
    snprintf(day, sizeof(day), "%.10s", effective != NULL ? effective : "");

    context = json_pack("{s:O, s:O, s:s, s:O, s:o}", "version", json_object_get(policy, "version"),
                        "minor_age", json_object_get(policy, "minor_age"), "day", day,
                        "purposes", json_object_get(policy, "purposes"), "cookies", ctl_init_rows(policy));

    json_object_foreach(json_object_get(policy, "controller"), key, value) {
        json_object_set_new(context, key, ctl_init_escaped(json_string_value(value)));
    }

    json_object_set(context, "mail_address", json_object_get(json_object_get(policy, "controller"), "mail"));

    return context;
}


/* A cookie a row, with the purpose that it is declared in. */
static json_t *
ctl_init_rows(const json_t *policy)
{
    size_t       i, k;
    json_t      *rows, *purpose, *cookie;
    const char  *lifetime;

    rows = json_array();

    json_array_foreach(json_object_get(policy, "purposes"), i, purpose) {
        json_array_foreach(json_object_get(purpose, "cookies"), k, cookie) {
            lifetime = json_string_value(json_object_get(cookie, "lifetime"));

            json_array_append_new(rows,
                json_pack("{s:o, s:O, s:o}", "name", ctl_init_code(json_string_value(json_object_get(cookie, "name"))),
                          "purpose", json_object_get(purpose, "title"),
                          "lifetime", ctl_init_both(lifetime != NULL ? lifetime : "?")));
        }
    }

    return rows;
}


/* "90 天 / 90 days" */
static json_t *
ctl_init_both(const char *text)
{
    const char  *parted;

    parted = strstr(text, " / ");

    if (parted == NULL) {
        return json_pack("{s:s, s:s}", "zh-CN", text, "en", text);
    }

    return json_pack("{s:s%, s:s}", "zh-CN", text, (size_t) (parted - text), "en", parted + 3);
}


static json_t *
ctl_init_escaped(const char *text)
{
    json_t    *value;
    pv_buf_t   out;

    pv_buf_init(&out, 64 * 1024);

    for ( /* void */ ; text != NULL && *text != '\0'; text++) {
        if (strchr("\\`*_[]<>|#&~", *text) != NULL) {
            pv_buf_puts(&out, "\\");
        }
        pv_buf_add(&out, text, 1);
    }

    value = json_stringn(out.data != NULL ? (const char *) out.data : "", out.len);
    pv_buf_free(&out);

    return value;
}


/* A cookie's name as code; the few that would end the code or the cell are escaped instead. */
static json_t *
ctl_init_code(const char *name)
{
    return strpbrk(name, "`|") != NULL ? ctl_init_escaped(name) : json_sprintf("`%s`", name);
}
