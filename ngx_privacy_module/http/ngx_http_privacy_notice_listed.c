/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* Who of those that are online is on a notice's list: a list is long, and in Redis only. */

#include "ngx_http_privacy_notices.h"


#define NGX_HTTP_PRIVACY_LISTED_BYTES     (8 * 1024)
#define NGX_HTTP_PRIVACY_LISTED_DEADLINE  2000      /* ms */


typedef struct {
    ngx_http_privacy_listed_pt   handler;
    void                        *data;
    ngx_uint_t                   n;
} ngx_http_privacy_listing_t;


static void ngx_http_privacy_notice_listed_said(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n);


ngx_int_t
ngx_http_privacy_notice_listed(ngx_http_privacy_notice_t *notice, const u_char *subjects[], ngx_uint_t n,
    ngx_http_privacy_listed_pt handler, void *data)
{
    char                           key[PVR_KEY_MAX];
    pv_buf_t                       command;
    pv_str_t                       site;
    ngx_str_t                      route;
    ngx_privacy_redis_request_t   *sent;
    ngx_http_privacy_listing_t    *listing;
    ngx_http_privacy_main_conf_t  *pmcf;

    pmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle, ngx_http_privacy_module);
    site = ngx_http_privacy_str(&notice->site->name);

    listing = (pmcf->redis != NULL) ? ngx_alloc(sizeof(ngx_http_privacy_listing_t), ngx_cycle->log) : NULL;
    if (listing == NULL) {
        return NGX_ERROR;
    }

    listing->handler = handler;
    listing->data = data;
    listing->n = n;

    route.data = (u_char *) key;
    route.len = pvr_key_audience(key, site, notice->notice->audience.digest);

    pv_buf_init(&command, NGX_HTTP_PRIVACY_LISTED_BYTES);
    (void) pvr_audience_members(&command, site, notice->notice->audience.digest, subjects, n);

    sent = command.failed ? NULL : ngx_privacy_redis_send(pmcf->redis, &route, command.data, command.len, 1,
                                                          NGX_HTTP_PRIVACY_LISTED_DEADLINE, 1,
                                                          ngx_http_privacy_notice_listed_said, listing);
    pv_buf_free(&command);

    if (sent == NULL) {
        ngx_free(listing);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_http_privacy_notice_listed_said(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n)
{
    ngx_http_privacy_listing_t  *listing = data;

    u_char  listed[NGX_HTTP_PRIVACY_NOTICE_BATCH];

    if (status == PVR_OK && n == 1 && listing->n <= NGX_HTTP_PRIVACY_NOTICE_BATCH
        && pvr_audience_listed(listed, listing->n, replies[0]) == PV_OK)
    {
        listing->handler(listing->data, listed);

    } else {
        listing->handler(listing->data, NULL);
    }

    ngx_free(listing);
}
