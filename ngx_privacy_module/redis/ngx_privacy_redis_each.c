/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_privacy_redis_private.h"


/*
 * Commands about keys that may be anywhere: in a cluster each is a request of
 * its own, and the handler is called when the last of them was answered. The
 * request that the caller holds is in no queue then.
 */

typedef struct {
    ngx_privacy_redis_request_t  *whole;
    ngx_privacy_redis_request_t  *request;      /* NULL: it was answered, or not sent */
    ngx_uint_t                    i;
} ngx_privacy_redis_part_t;


struct ngx_privacy_redis_parts_s {
    pvr_status_t                  status;       /* of the first that failed */
    ngx_uint_t                    left;
    ngx_privacy_redis_part_t      part[1];
};


static ngx_privacy_redis_request_t *ngx_privacy_redis_whole(ngx_privacy_redis_t *redis, ngx_uint_t n,
    ngx_privacy_redis_handler_pt handler, void *data);
static void ngx_privacy_redis_part_done(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n);
static void ngx_privacy_redis_whole_free(ngx_privacy_redis_request_t *whole);


ngx_privacy_redis_request_t *
ngx_privacy_redis_send_each(ngx_privacy_redis_t *redis, u_char *commands, size_t len, ngx_uint_t n,
    ngx_msec_t deadline, ngx_uint_t retry, ngx_privacy_redis_handler_pt handler, void *data)
{
    pv_str_t                      rest, command, key;
    ngx_str_t                     route;
    ngx_uint_t                    i;
    ngx_privacy_redis_part_t     *part;
    ngx_privacy_redis_request_t  *whole;

    if (redis->conf->kind != NGX_PRIVACY_REDIS_CLUSTER) {
        return ngx_privacy_redis_send(redis, NULL, commands, len, n, deadline, retry, handler, data);
    }

    whole = ngx_privacy_redis_whole(redis, n, handler, data);
    if (whole == NULL) {
        return NULL;
    }

    rest.data = commands;
    rest.len = len;

    for (i = 0; i < n; i++) {
        part = &whole->parts->part[i];
        part->whole = whole;
        part->i = i;

        if (pvr_command_next(&rest, &command, &key) == PV_OK) {
            route.data = (u_char *) key.data;
            route.len = key.len;

            part->request = ngx_privacy_redis_send(redis, &route, (u_char *) command.data, command.len, 1, deadline,
                                                   retry, ngx_privacy_redis_part_done, part);
        }

        if (part->request) {
            whole->parts->left++;

        } else {
            whole->parts->status = PVR_UNREACHABLE;
        }
    }

    if (whole->parts->left == 0) {
        ngx_privacy_redis_whole_free(whole);
        return NULL;
    }

    return whole;
}


static ngx_privacy_redis_request_t *
ngx_privacy_redis_whole(ngx_privacy_redis_t *redis, ngx_uint_t n, ngx_privacy_redis_handler_pt handler, void *data)
{
    u_char                       *p;
    ngx_privacy_redis_request_t  *whole;

    if (n == 0) {
        return NULL;
    }

    p = ngx_calloc(sizeof(ngx_privacy_redis_request_t) + n * sizeof(redisReply *)
                   + sizeof(ngx_privacy_redis_parts_t) + (n - 1) * sizeof(ngx_privacy_redis_part_t), redis->log);
    if (p == NULL) {
        return NULL;
    }

    whole = (ngx_privacy_redis_request_t *) p;

    whole->redis = redis;
    whole->handler = handler;
    whole->data = data;
    whole->n = n;
    whole->replies = (redisReply **) (p + sizeof(ngx_privacy_redis_request_t));
    whole->parts = (ngx_privacy_redis_parts_t *) (whole->replies + n);

    return whole;
}


static void
ngx_privacy_redis_part_done(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n)
{
    ngx_privacy_redis_part_t     *part = data;

    ngx_privacy_redis_parts_t    *parts;
    ngx_privacy_redis_request_t  *whole;

    whole = part->whole;
    parts = whole->parts;
    part->request = NULL;

    if (status == PVR_OK && n == 1) {
        /* kept until the others are there, too */
        whole->replies[part->i] = replies[0];
        replies[0] = NULL;

    } else if (parts->status == PVR_OK) {
        parts->status = status;
    }

    if (--parts->left) {
        return;
    }

    if (parts->status == PVR_OK) {
        whole->handler(whole->data, PVR_OK, whole->replies, whole->n);

    } else {
        whole->handler(whole->data, parts->status, NULL, 0);
    }

    ngx_privacy_redis_whole_free(whole);
}


void
ngx_privacy_redis_detach_each(ngx_privacy_redis_request_t *whole)
{
    ngx_uint_t  i;

    for (i = 0; i < whole->n; i++) {
        if (whole->parts->part[i].request) {
            ngx_privacy_redis_detach(whole->parts->part[i].request);
        }
    }

    ngx_privacy_redis_whole_free(whole);
}


static void
ngx_privacy_redis_whole_free(ngx_privacy_redis_request_t *whole)
{
    ngx_uint_t  i;

    for (i = 0; i < whole->n; i++) {
        pvr_reply_free(whole->replies[i]);
    }

    ngx_free(whole);
}
