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
 * Verifies and opens: the head, and the policy when it is a version (else NULL). origin: for the log. NGX_ERROR:
 * refused, and said why. digest may be NULL: whatever the bytes give.
 */
ngx_int_t ngx_http_privacy_store_open(ngx_http_privacy_store_t *store, pv_str_t sealed, uint32_t sequence,
    const u_char *digest, const char *origin, pv_head_t **head, pv_policy_t **policy);
/*
 * Takes both over, in any case. NGX_DECLINED: known already. NGX_ERROR: it cannot be, or no memory. What was added
 * counts once it is settled.
 */
ngx_int_t ngx_http_privacy_store_add(ngx_http_privacy_store_t *store, pv_head_t *head, pv_policy_t *policy);
/* Takes out what does not fit the chain. */
void ngx_http_privacy_store_settle(ngx_http_privacy_store_t *store);
/* Works out anew what is in force; on_change follows in the next turn of the event loop. */
void ngx_http_privacy_store_update(ngx_http_privacy_store_t *store, ngx_uint_t added);
/* Logs, and keeps for the status page. */
void ngx_http_privacy_store_refuse(ngx_http_privacy_store_t *store, const char *fmt, ...);

void ngx_http_privacy_store_save(ngx_http_privacy_store_t *store, uint32_t sequence, u_char *sealed, size_t len);

void ngx_http_privacy_store_sync_stop(ngx_http_privacy_store_t *store);

#endif /* NGX_HTTP_PRIVACY_STORE_PRIVATE_H */
