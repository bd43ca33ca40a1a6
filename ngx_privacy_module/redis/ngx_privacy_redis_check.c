/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_privacy_redis_wait.h"


/*
 * Whether the server keeps what it acknowledges: asked on each connect, since
 * it may be another one, and again while it holds, since it may be configured
 * anew. An account that may not ask, or a service that hides CONFIG, is not
 * held against it.
 */

#define NGX_PRIVACY_REDIS_CHECK        5000
#define NGX_PRIVACY_REDIS_CHECK_AGAIN  10000
#define NGX_PRIVACY_REDIS_CHECK_BYTES  1024


static void ngx_privacy_redis_check_again(ngx_event_t *ev);
static ngx_uint_t ngx_privacy_redis_check_matters(ngx_privacy_redis_endpoint_t *endpoint);
static void ngx_privacy_redis_check_ask(ngx_privacy_redis_endpoint_t *endpoint);
static void ngx_privacy_redis_checked(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n);
static void ngx_privacy_redis_check_judge(ngx_privacy_redis_endpoint_t *endpoint, redisReply **replies, ngx_uint_t n);
static void ngx_privacy_redis_check_take(ngx_str_t *text, u_char *data, const pv_buf_t *b);


void
ngx_privacy_redis_check(ngx_privacy_redis_endpoint_t *endpoint)
{
    endpoint->check.handler = ngx_privacy_redis_check_again;
    endpoint->check.data = endpoint;
    endpoint->check.log = endpoint->redis->log;
    endpoint->check.cancelable = 1;

    /* which process it is has to be known before replicas can be waited for: to the last choice of a worker, too */

    if (ngx_privacy_redis_endpoint_ready(endpoint) && (endpoint->wait || ngx_privacy_redis_check_matters(endpoint))) {
        ngx_privacy_redis_check_ask(endpoint);
    }

    if (!ngx_exiting) {
        ngx_add_timer(&endpoint->check, NGX_PRIVACY_REDIS_CHECK_AGAIN);
    }
}


void
ngx_privacy_redis_check_close(ngx_privacy_redis_endpoint_t *endpoint)
{
    if (endpoint->check.timer_set) {
        ngx_del_timer(&endpoint->check);
    }
}


/* What a server without slots is set to does not. */

static ngx_uint_t
ngx_privacy_redis_check_matters(ngx_privacy_redis_endpoint_t *endpoint)
{
    return endpoint->slots || endpoint->redis->cluster == NULL || endpoint->redis->changed == 0;
}


static void
ngx_privacy_redis_check_again(ngx_event_t *ev)
{
    ngx_privacy_redis_check(ev->data);
}


static void
ngx_privacy_redis_check_ask(ngx_privacy_redis_endpoint_t *endpoint)
{
    int       n;
    pv_buf_t  commands;

    pv_buf_init(&commands, NGX_PRIVACY_REDIS_CHECK_BYTES);

    n = pvr_settings_ask(&commands, &endpoint->redis->conf->durability);

    if (n > 0) {
        (void) ngx_privacy_redis_send_to(endpoint, NGX_PRIVACY_REDIS_NO_SLOT, commands.data, commands.len,
                                         (ngx_uint_t) n, NGX_PRIVACY_REDIS_CHECK, 0, ngx_privacy_redis_checked,
                                         endpoint);
    }

    pv_buf_free(&commands);
}


static void
ngx_privacy_redis_checked(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n)
{
    ngx_privacy_redis_endpoint_t  *endpoint;

    endpoint = data;

    if (status != PVR_OK) {
        return;
    }

    if (ngx_privacy_redis_check_matters(endpoint)) {
        ngx_privacy_redis_check_judge(endpoint, replies, n);
    }

    if (endpoint->wait) {
        ngx_privacy_redis_wait_told(endpoint->wait, pvr_settings_run_id(replies, n));
    }
}


static void
ngx_privacy_redis_check_judge(ngx_privacy_redis_endpoint_t *endpoint, redisReply **replies, ngx_uint_t n)
{
    pv_buf_t  warning, unknown;

    pv_buf_init(&warning, sizeof(endpoint->warning_data));
    pv_buf_init(&unknown, sizeof(endpoint->unverified_data));

    pvr_settings_judge(&warning, &unknown, &endpoint->redis->conf->durability, replies, n);

    ngx_privacy_redis_check_take(&endpoint->unverified, endpoint->unverified_data, &unknown);

    if (warning.len != endpoint->warning.len
        || (warning.len && ngx_memcmp(warning.data, endpoint->warning.data, warning.len) != 0))
    {
        ngx_privacy_redis_check_take(&endpoint->warning, endpoint->warning_data, &warning);

        if (warning.len) {
            ngx_log_error(NGX_LOG_WARN, endpoint->redis->log, 0, "privacy: Redis at %V may lose or refuse choices: %V",
                          &endpoint->server.name, &endpoint->warning);

        } else {
            ngx_log_error(NGX_LOG_WARN, endpoint->redis->log, 0, "privacy: Redis at %V keeps choices as it has to again",
                          &endpoint->server.name);
        }
    }

    pv_buf_free(&warning);
    pv_buf_free(&unknown);
}


/* Never more than there is room for: the buffer is bounded by it. */

static void
ngx_privacy_redis_check_take(ngx_str_t *text, u_char *data, const pv_buf_t *b)
{
    text->data = data;
    text->len = b->len;

    if (b->len) {
        ngx_memcpy(data, b->data, b->len);
    }
}
