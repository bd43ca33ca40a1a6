/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_PREVIEW_H
#define CTL_PREVIEW_H

#include "ctl_serve.h"
#include "pv_log.h"
#include "pv_page.h"

typedef struct {
    const char      *port;          /* the options */
    int              json;
    pv_ui_t         *ui;
    pv_policy_t     *draft;         /* shown as in force */
    int              published;     /* it is the log's newest, not one that comes after it */
    pv_log_t        *chain;         /* of the site; NULL: none */
    /* An archived version out of the log; NULL when it cannot be read. */
    pv_policy_t   *(*open)(void *data, uint32_t sequence);
    void            *data;
} ctl_preview_t;

/* One page. data: a ctl_preview_t. */
void ctl_preview_answer(void *data, const ctl_request_t *request, ctl_response_t *response);

#endif /* CTL_PREVIEW_H */
