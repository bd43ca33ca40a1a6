/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_PREVIEW_H
#define CTL_PREVIEW_H

#include "ctl_serve.h"
#include "pv_page.h"

typedef struct {
    const char         *port;       /* the options */
    int                 json;
    pv_ui_t            *ui;
    pv_policy_t        *draft;      /* shown as in force */
    const pv_policy_t  *before;     /* the version before it, or NULL */
} ctl_preview_t;

/* One page. data: a ctl_preview_t. */
void ctl_preview_answer(void *data, const ctl_request_t *request, ctl_response_t *response);

#endif /* CTL_PREVIEW_H */
