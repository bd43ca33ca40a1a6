/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_PRIVACY_STORE_PRIVATE_H
#define NGX_HTTP_PRIVACY_STORE_PRIVATE_H

/* Between the files of the policy store; nobody else's business. */

#include "pv_bundle.h"
#include "ngx_http_privacy_store.h"


/*
 * Verifies and opens. origin: for the log. NULL: refused, and said why. digest
 * may be NULL: whatever the bytes give.
 */
pv_policy_t *ngx_http_privacy_store_open(ngx_http_privacy_store_t *store, pv_str_t sealed, uint32_t sequence,
    const u_char *digest, const char *origin);
/* Takes the policy over when NGX_OK. NGX_DECLINED: known already. NGX_ERROR: does not fit the chain, or no memory. */
ngx_int_t ngx_http_privacy_store_add(ngx_http_privacy_store_t *store, pv_policy_t *policy);
/* Works out anew what is in force; on_change follows in the next turn of the event loop. */
void ngx_http_privacy_store_update(ngx_http_privacy_store_t *store, ngx_uint_t added);
/* The last of 1, 2, 3... that is known without a gap. */
uint32_t ngx_http_privacy_store_complete(ngx_http_privacy_store_t *store);
/* Logs, and keeps for the status page. */
void ngx_http_privacy_store_refuse(ngx_http_privacy_store_t *store, const char *fmt, ...);

void ngx_http_privacy_store_save(ngx_http_privacy_store_t *store, uint32_t sequence, u_char *sealed, size_t len);

void ngx_http_privacy_store_sync_stop(ngx_http_privacy_store_t *store);

#endif /* NGX_HTTP_PRIVACY_STORE_PRIVATE_H */
