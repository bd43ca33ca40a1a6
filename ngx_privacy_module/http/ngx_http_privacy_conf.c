/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy.h"


#define NGX_HTTP_PRIVACY_ZONE_MIN      (1024 * 1024)


ngx_str_t  ngx_http_privacy_zone_name = ngx_string("privacy");


char *
ngx_http_privacy_conf_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_privacy_main_conf_t  *pmcf = conf;

    ssize_t     size;
    ngx_str_t  *value;

    if (pmcf->zone != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;
    size = ngx_parse_size(&value[1]);

    if (size == NGX_ERROR || size < NGX_HTTP_PRIVACY_ZONE_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid privacy_zone size \"%V\": expected at least 1m", &value[1]);
        return NGX_CONF_ERROR;
    }

    pmcf->zone = ngx_http_privacy_zone_add(cf, &ngx_http_privacy_zone_name, size, &ngx_http_privacy_module);

    return pmcf->zone ? NGX_CONF_OK : NGX_CONF_ERROR;
}


char *
ngx_http_privacy_conf_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_privacy_main_conf_t  *pmcf = conf;

    ngx_str_t  *value;

    if (pmcf->redis_conf != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;

    pmcf->redis_conf = ngx_privacy_redis_parse(cf, &value[1]);

    return pmcf->redis_conf ? NGX_CONF_OK : NGX_CONF_ERROR;
}


char *
ngx_http_privacy_conf_keys(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_privacy_main_conf_t  *pmcf = conf;

    int                  rc;
    pv_str_t             text;
    ngx_str_t           *value, bytes;
    struct stat          st;
    pv_problems_t        problems;
    ngx_pool_cleanup_t  *cln;

    if (pmcf->keys != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;
    pmcf->keys_file = value[1];

    if (ngx_http_privacy_conf_read_file(cf, &pmcf->keys_file, PV_KEYS_FILE_MAX, &bytes, &st) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (st.st_mode & 077) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0, "key file \"%V\" can be read by others than its owner: "
                           "expected mode 0600", &pmcf->keys_file);
    }

    text = ngx_http_privacy_str(&bytes);

    pv_problems_init(&problems);
    rc = pv_keys_parse(&pmcf->keys, text, (char *) pmcf->keys_file.data, &problems);
    ngx_http_privacy_conf_problems(cf, &problems);
    pv_problems_free(&problems);

    ngx_explicit_memzero(bytes.data, bytes.len);

    if (rc != PV_OK) {
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = (ngx_pool_cleanup_pt) pv_keys_free;
    cln->data = pmcf->keys;

    return NGX_CONF_OK;
}


char *
ngx_http_privacy_conf_cache_path(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_privacy_main_conf_t  *pmcf = conf;

    ngx_str_t   *value;
    ngx_path_t  *path;

    if (pmcf->cache_path != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        return "needs a folder";
    }

    path = ngx_pcalloc(cf->pool, sizeof(ngx_path_t));
    if (path == NULL) {
        return NGX_CONF_ERROR;
    }

    path->name = value[1];

    if (path->name.len > 1 && path->name.data[path->name.len - 1] == '/') {
        path->name.data[--path->name.len] = '\0';
    }

    if (ngx_conf_full_name(cf->cycle, &path->name, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_privacy_conf_folder(cf, cmd, &path->name, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    path->conf_file = cf->conf_file->file.name.data;
    path->line = cf->conf_file->line;

    pmcf->cache_path = path;

    /* An ngx_path_t is made, and given to the workers' user, by the master. */

    if (ngx_add_path(cf, &pmcf->cache_path) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_privacy_conf_templates(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_privacy_main_conf_t  *pmcf = conf;

    ngx_str_t  *value;

    if (pmcf->templates.data != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;
    pmcf->templates = value[1];

    if (ngx_conf_full_name(cf->cycle, &pmcf->templates, 1) != NGX_OK
        || ngx_http_privacy_conf_folder(cf, cmd, &pmcf->templates, 0) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_privacy_conf_mode(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_privacy_srv_conf_t  *pscf = conf;

    pscf->file = cf->conf_file->file.name.data;
    pscf->line = cf->conf_file->line;

    return ngx_conf_set_enum_slot(cf, cmd, conf);
}


static ngx_http_privacy_site_t *
ngx_http_privacy_conf_new_site(ngx_conf_t *cf, ngx_http_privacy_main_conf_t *pmcf, ngx_str_t *name, ngx_str_t *file)
{
    ngx_str_t                  text;
    struct stat                st;
    ngx_http_privacy_site_t   *site, **slot;

    site = ngx_pcalloc(cf->pool, sizeof(ngx_http_privacy_site_t));
    if (site == NULL) {
        return NULL;
    }

    site->name = *name;
    site->public_key_file = *file;

    if (ngx_http_privacy_conf_read_file(cf, file, 4096, &text, &st) != NGX_OK) {
        return NULL;
    }

    if (pv_public_key_parse(site->public_key, ngx_http_privacy_str(&text)) != PV_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" is not a publication public key: expected a line "
                           "\"privacy-publication-public ...\" as privacyctl keygen writes it", file);
        return NULL;
    }

    slot = ngx_array_push(&pmcf->sites);
    if (slot == NULL) {
        return NULL;
    }

    *slot = site;

    return site;
}


char *
ngx_http_privacy_conf_site(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_privacy_srv_conf_t  *pscf = conf;

    ngx_str_t                      *value, file;
    ngx_uint_t                      i;
    ngx_http_privacy_site_t       **sites;
    ngx_http_privacy_main_conf_t   *pmcf;

    if (pscf->site != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0 || value[1].len > PV_SITE_MAX || value[1].data[0] == '.'
        || !ngx_http_privacy_conf_made_of(&value[1], "._-"))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid site name \"%V\": expected 1 to %d characters of "
                           "A-Z a-z 0-9 . _ -", &value[1], PV_SITE_MAX);
        return NGX_CONF_ERROR;
    }

    if (value[2].len <= 4 || ngx_strncmp(value[2].data, "key=", 4) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid parameter \"%V\": expected key=FILE, the site's "
                           "publication public key", &value[2]);
        return NGX_CONF_ERROR;
    }

    file.data = value[2].data + 4;
    file.len = value[2].len - 4;

    if (ngx_conf_full_name(cf->cycle, &file, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_privacy_module);
    sites = pmcf->sites.elts;

    for (i = 0; i < pmcf->sites.nelts; i++) {
        if (sites[i]->name.len != value[1].len || ngx_strncmp(sites[i]->name.data, value[1].data, value[1].len) != 0) {
            continue;
        }

        if (sites[i]->public_key_file.len != file.len
            || ngx_strncmp(sites[i]->public_key_file.data, file.data, file.len) != 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "site \"%V\" has another key \"%V\" elsewhere",
                               &value[1], &sites[i]->public_key_file);
            return NGX_CONF_ERROR;
        }

        pscf->site = sites[i];
        return NGX_CONF_OK;
    }

    pscf->site = ngx_http_privacy_conf_new_site(cf, pmcf, &value[1], &file);

    return pscf->site ? NGX_CONF_OK : NGX_CONF_ERROR;
}


char *
ngx_http_privacy_conf_origin(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_privacy_srv_conf_t  *pscf = conf;

    size_t      skip;
    ngx_str_t  *value, host;

    if (pscf->origin.data != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;
    skip = 0;

    if (value[1].len > 8 && ngx_strncasecmp(value[1].data, (u_char *) "https://", 8) == 0) {
        skip = 8;

    } else if (value[1].len > 7 && ngx_strncasecmp(value[1].data, (u_char *) "http://", 7) == 0) {
        skip = 7;
    }

    host.data = value[1].data + skip;
    host.len = value[1].len - skip;

    if (skip == 0 || !ngx_http_privacy_conf_made_of(&host, ".-_:[]")) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid privacy_origin \"%V\": expected an origin such as "
                           "https://www.example, without a path", &value[1]);
        return NGX_CONF_ERROR;
    }

    ngx_strlow(value[1].data, value[1].data, value[1].len);
    pscf->origin = value[1];

    return NGX_CONF_OK;
}


char *
ngx_http_privacy_conf_cookie_domain(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_privacy_srv_conf_t  *pscf = conf;

    ngx_str_t  *value, *domain;

    if (pscf->cookie_domain.data != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;
    domain = &value[1];

    ngx_strlow(domain->data, domain->data, domain->len);

    if (!ngx_http_privacy_conf_made_of(domain, ".-") || domain->len < 3 || domain->len > 253 || ngx_strlchr(domain->data + 1,
        domain->data + domain->len, '.') == NULL)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid privacy_cookie_domain \"%V\": expected a domain such as "
                           ".example.com", domain);
        return NGX_CONF_ERROR;
    }

    pscf->cookie_domain = *domain;

    return NGX_CONF_OK;
}


char *
ngx_http_privacy_conf_streams(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_privacy_main_conf_t  *pmcf = conf;

    ngx_int_t   n;
    ngx_str_t  *value;

    if (pmcf->streams_user) {
        return "is duplicate";
    }

    value = cf->args->elts;

    n = ngx_atoi(value[1].data, value[1].len);

    if (n < 1 || n > NGX_HTTP_PRIVACY_STREAMS_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid number of streams \"%V\": expected 1 to %d", &value[1],
                           NGX_HTTP_PRIVACY_STREAMS_MAX);
        return NGX_CONF_ERROR;
    }

    pmcf->streams_user = n;

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    n = NGX_ERROR;

    if (value[2].len > 6 && ngx_strncmp(value[2].data, "total=", 6) == 0) {
        n = ngx_atoi(value[2].data + 6, value[2].len - 6);
    }

    if (n < 1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid parameter \"%V\": expected total=NUMBER", &value[2]);
        return NGX_CONF_ERROR;
    }

    pmcf->streams_total = n;

    return NGX_CONF_OK;
}


char *
ngx_http_privacy_conf_lease(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_privacy_srv_conf_t  *pscf = conf;

    ngx_str_t  *value, s;

    if (pscf->lease != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    pscf->lease = ngx_parse_time(&value[1], 1);

    if (pscf->lease == (time_t) NGX_ERROR || pscf->lease == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid lease \"%V\": expected a time such as 5m", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    if (value[2].len > 6 && ngx_strncmp(value[2].data, "grace=", 6) == 0) {
        s.data = value[2].data + 6;
        s.len = value[2].len - 6;

        pscf->grace = ngx_parse_time(&s, 1);

        if (pscf->grace != (time_t) NGX_ERROR) {
            return NGX_CONF_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid parameter \"%V\": expected grace=TIME", &value[2]);

    return NGX_CONF_ERROR;
}


char *
ngx_http_privacy_conf_necessary(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_privacy_srv_conf_t  *pscf = conf;

    ngx_str_t           *value, *name;
    ngx_uint_t           i;
    pv_gate_rule_t      *rules;
    ngx_pool_cleanup_t  *cln;

    if (pscf->necessary != NULL) {
        return "is duplicate";
    }

    pscf->necessary = ngx_array_create(cf->pool, cf->args->nelts, sizeof(ngx_str_t));
    rules = ngx_pcalloc(cf->temp_pool, cf->args->nelts * sizeof(pv_gate_rule_t));
    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (pscf->necessary == NULL || rules == NULL || cln == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_http_privacy_conf_cookie(cf, cmd, &value[i], 1) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        name = ngx_array_push(pscf->necessary);
        if (name == NULL) {
            return NGX_CONF_ERROR;
        }

        *name = value[i];
        rules[i - 1].name = ngx_http_privacy_str(name);
        rules[i - 1].purposes = 1;
    }

    if (pv_gate_compile(&pscf->necessary_gate, rules, cf->args->nelts - 1) != PV_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid privacy_necessary: expected cookie names, with \"*\" at "
                           "either end at most");
        return NGX_CONF_ERROR;
    }

    cln->handler = (ngx_pool_cleanup_pt) pv_gate_free;
    cln->data = pscf->necessary_gate;

    return NGX_CONF_OK;
}


char *
ngx_http_privacy_conf_center(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_privacy_srv_conf_t  *pscf = conf;

    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (pscf->prefix.len) {
        return "is duplicate in this server";
    }

#if (NGX_PCRE)
    if (clcf->regex) {
        return "needs a plain location such as /privacy/, not a regular expression";
    }
#endif

    if (clcf->named || clcf->exact_match || clcf->noname || clcf->name.len < 2
        || clcf->name.data[clcf->name.len - 1] != '/')
    {
        return "needs a location that ends with a slash, such as /privacy/";
    }

    if (!ngx_http_privacy_conf_made_of(&clcf->name, "/._~-")) {
        return "needs a location of letters, digits and / . _ ~ - only";
    }

    pscf->link.data = ngx_pnalloc(cf->pool, clcf->name.len + sizeof("<>; rel=\"privacy-policy\""));
    if (pscf->link.data == NULL) {
        return NGX_CONF_ERROR;
    }

    pscf->link.len = ngx_sprintf(pscf->link.data, "<%V>; rel=\"privacy-policy\"", &clcf->name) - pscf->link.data;

    pscf->prefix = clcf->name;
    clcf->handler = ngx_http_privacy_center_handler;
    clcf->auto_redirect = 1;

    return NGX_CONF_OK;
}


char *
ngx_http_privacy_conf_handler(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = (ngx_http_handler_pt) cmd->post;

    return NGX_CONF_OK;
}


char *
ngx_http_privacy_conf_server(ngx_conf_t *cf, ngx_http_privacy_srv_conf_t *pscf)
{
    ngx_http_privacy_srv_conf_t   **slot;
    ngx_http_privacy_main_conf_t   *pmcf;

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_privacy_module);

    if (pscf->site == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "\"privacy\" needs a privacy_site for the same server in %s:%ui",
                      pscf->file, pscf->line);
        return NGX_CONF_ERROR;
    }

    if (pscf->mode == NGX_HTTP_PRIVACY_ENFORCE && pscf->prefix.len == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "\"privacy enforce\" needs a location with privacy_center in the "
                      "same server, such as \"location /privacy/ { privacy_center; }\", in %s:%ui",
                      pscf->file, pscf->line);
        return NGX_CONF_ERROR;
    }

    slot = ngx_array_push(&pmcf->servers);
    if (slot == NULL) {
        return NGX_CONF_ERROR;
    }

    *slot = pscf;
    pmcf->enabled = 1;

    return NGX_CONF_OK;
}
