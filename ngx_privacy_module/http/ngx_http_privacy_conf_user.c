/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy.h"


/*
 * The binding is checked before the location is known: the session cookies of
 * all locations of a server count for all of it.
 */

char *
ngx_http_privacy_conf_session(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_privacy_srv_conf_t  *pscf = conf;

    ngx_str_t   *value, *name;
    ngx_uint_t   i, j;

    if (pscf->sessions == NULL) {
        pscf->sessions = ngx_array_create(cf->pool, 2, sizeof(ngx_str_t));
        if (pscf->sessions == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_http_privacy_conf_cookie(cf, cmd, &value[i], 0) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        name = pscf->sessions->elts;

        for (j = 0; j < pscf->sessions->nelts; j++) {
            if (name[j].len == value[i].len && ngx_strncmp(name[j].data, value[i].data, value[i].len) == 0) {
                break;
            }
        }

        if (j < pscf->sessions->nelts) {
            continue;
        }

        name = ngx_array_push(pscf->sessions);
        if (name == NULL) {
            return NGX_CONF_ERROR;
        }

        *name = value[i];
    }

    return NGX_CONF_OK;
}


char *
ngx_http_privacy_conf_user_header(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_privacy_loc_conf_t  *plcf = conf;

    u_char      c;
    ngx_str_t  *value;
    ngx_uint_t  i;

    if (plcf->user_header.data != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 0; i < value[1].len; i++) {
        c = value[1].data[i];

        if (c <= ' ' || c > '~' || c == ':') {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid header name \"%V\": expected one such as "
                               "X-Privacy-User", &value[1]);
            return NGX_CONF_ERROR;
        }
    }

    ngx_strlow(value[1].data, value[1].data, value[1].len);
    plcf->user_header = value[1];

    return NGX_CONF_OK;
}


/* A name that is the same for everybody would make everybody the same user. */

char *
ngx_http_privacy_conf_user(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_privacy_loc_conf_t  *plcf = conf;

    char       *rv;
    ngx_str_t  *value;

    rv = ngx_http_set_complex_value_slot(cf, cmd, conf);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    value = cf->args->elts;

    if (plcf->user->lengths == NULL && value[1].len != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid privacy_user \"%V\": expected a variable, such as "
                           "$remote_user", &value[1]);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
