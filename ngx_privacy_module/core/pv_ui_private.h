/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_UI_PRIVATE_H
#define PV_UI_PRIVATE_H

/* What pv_ui.c and pv_ui_language.c share; nobody else includes it. */

#include "pv_page_ui.h"

#define PV_UI_MAX  128          /* files of each kind */

struct pv_ui_s {
    pv_asset_t       assets[PV_UI_MAX];
    size_t           assets_count;
    const char      *template_name[PV_UI_MAX];
    pv_template_t   *template[PV_UI_MAX];
    size_t           templates_count;
    json_t          *language[PV_UI_MAX];
    size_t           languages_count;
    json_t          *fallback;          /* English: borrowed from language[] */
};

int pv_ui_add_language(pv_ui_t *ui, const char *name, pv_str_t bytes, pv_problems_t *problems);
/* Interface languages that only the override has, "TAG.json" for the tags of pv_language_name_at(). */
int pv_ui_more_languages(pv_ui_t *ui, pv_ui_override_pt override, void *data, pv_problems_t *problems);
/* A language that lacks a string borrows it from English: an older override still works. */
int pv_ui_complete_languages(pv_ui_t *ui, pv_problems_t *problems);

#endif /* PV_UI_PRIVATE_H */
