/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* Reads past a heap block (location /overflow) or shifts too far (any other): what sanitizers have to report. */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


static char *ngx_http_canary(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


static ngx_command_t  ngx_http_canary_commands[] = {

    { ngx_string("canary"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_canary,
      0,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_canary_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_canary_module = {
    NGX_MODULE_V1,
    &ngx_http_canary_module_ctx,           /* module context */
    ngx_http_canary_commands,              /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_canary_handler(ngx_http_request_t *r)
{
    size_t           n;
    volatile int     bits;
    volatile u_char  byte, *block;

    n = r->uri.len;

    if (n == sizeof("/overflow") - 1) {
        block = ngx_alloc(n, r->connection->log);
        if (block == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        byte = block[n];
        ngx_free((void *) block);

        return byte == 1 ? NGX_HTTP_CREATED : NGX_HTTP_NO_CONTENT;
    }

    bits = 1;
    bits <<= n + 60;

    return bits == 1 ? NGX_HTTP_CREATED : NGX_HTTP_NO_CONTENT;
}


static char *
ngx_http_canary(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_canary_handler;

    return NGX_CONF_OK;
}
