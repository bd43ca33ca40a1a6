/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy.h"


#define NGX_HTTP_PRIVACY_ZONE_DEFAULT  (16 * 1024 * 1024)
#define NGX_HTTP_PRIVACY_TEMPLATE_MAX  (256 * 1024)


typedef struct {
    ngx_conf_t  *cf;
    ngx_str_t   *folder;
} ngx_http_privacy_override_t;


static pv_str_t ngx_http_privacy_conf_override(void *data, const char *name);


ngx_int_t
ngx_http_privacy_conf_check(ngx_conf_t *cf, ngx_http_privacy_main_conf_t *pmcf)
{
    int                            rc;
    pv_problems_t                  problems;
    ngx_pool_cleanup_t            *cln;
    ngx_http_privacy_override_t    override;
    ngx_http_privacy_srv_conf_t  **servers;

    if (pmcf->keys == NULL) {
        servers = pmcf->servers.elts;
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "\"privacy\" needs privacy_keys, a file that privacyctl keygen "
                      "writes, in %s:%ui", servers[0]->file, servers[0]->line);
        return NGX_ERROR;
    }

    if (pmcf->redis_conf == NULL) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0, "no privacy_redis: no choice can be recorded");
    }

    if (pmcf->cache_path == NULL) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0, "no privacy_cache_path: a worker that starts while Redis is away "
                      "knows no policy");
    }

    if (pmcf->zone == NULL) {
        pmcf->zone = ngx_http_privacy_zone_add(cf, &ngx_http_privacy_zone_name, NGX_HTTP_PRIVACY_ZONE_DEFAULT,
                                               &ngx_http_privacy_module);
        if (pmcf->zone == NULL) {
            return NGX_ERROR;
        }
    }

    override.cf = cf;
    override.folder = &pmcf->templates;

    pv_problems_init(&problems);
    rc = pv_ui_create(&pmcf->ui, pmcf->templates.len ? ngx_http_privacy_conf_override : NULL, &override, &problems);
    ngx_http_privacy_conf_problems(cf, &problems);
    pv_problems_free(&problems);

    if (rc != PV_OK) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "the pages of privacy_templates \"%V\" cannot be used",
                      &pmcf->templates);
        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = (ngx_pool_cleanup_pt) pv_ui_free;
    cln->data = pmcf->ui;

    return NGX_OK;
}


ngx_int_t
ngx_http_privacy_conf_read_file(ngx_conf_t *cf, ngx_str_t *name, size_t max, ngx_str_t *text, struct stat *st)
{
    ssize_t   n;
    ngx_fd_t  fd;

    if (ngx_conf_full_name(cf->cycle, name, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    fd = ngx_open_file(name->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno, ngx_open_file_n " \"%V\" failed", name);
        return NGX_ERROR;
    }

    if (ngx_fd_info(fd, st) == NGX_FILE_ERROR || !ngx_is_file(st) || st->st_size > (off_t) max) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" is not a file of at most %uz bytes", name, max);
        goto failed;
    }

    text->len = (size_t) st->st_size;
    text->data = ngx_pnalloc(cf->temp_pool, text->len + 1);
    if (text->data == NULL) {
        goto failed;
    }

    n = ngx_read_fd(fd, text->data, text->len);

    if (n != (ssize_t) text->len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno, ngx_read_fd_n " \"%V\" failed", name);
        goto failed;
    }

    text->data[n] = '\0';

    (void) ngx_close_file(fd);

    return NGX_OK;

failed:

    (void) ngx_close_file(fd);

    return NGX_ERROR;
}


ngx_int_t
ngx_http_privacy_conf_folder(ngx_conf_t *cf, ngx_command_t *cmd, ngx_str_t *name, ngx_uint_t may_be_made)
{
    ngx_err_t        err;
    ngx_file_info_t  fi;

    err = (ngx_file_info(name->data, &fi) == NGX_FILE_ERROR) ? ngx_errno : 0;

    if (err == 0 && ngx_is_dir(&fi)) {
        return NGX_OK;
    }

    if (err == NGX_ENOENT && may_be_made) {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, err, "invalid %V \"%V\": expected a folder", &cmd->name, name);

    return NGX_ERROR;
}


ngx_uint_t
ngx_http_privacy_conf_made_of(ngx_str_t *s, const char *more)
{
    u_char      c;
    ngx_uint_t  i;

    for (i = 0; i < s->len; i++) {
        c = s->data[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) {
            continue;
        }

        if (c == '\0' || ngx_strchr(more, c) == NULL) {
            return 0;
        }
    }

    return 1;
}


ngx_int_t
ngx_http_privacy_conf_cookie(ngx_conf_t *cf, ngx_command_t *cmd, ngx_str_t *name, ngx_uint_t patterns)
{
    const char  *problem;

    problem = pv_cookie_name_problem(ngx_http_privacy_str(name), patterns);

    if (problem == NULL && patterns && strspn((char *) name->data, "*") == name->len) {
        problem = "would let every cookie pass: name those that are necessary";
    }

    if (problem != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid %V: the name \"%V\" %s", &cmd->name, name, problem);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* Called while the interface is made only; absent files are the rule. */

static pv_str_t
ngx_http_privacy_conf_override(void *data, const char *name)
{
    ngx_http_privacy_override_t  *override = data;

    u_char           *p;
    pv_str_t          none = { NULL, 0 };
    ngx_str_t         path, text;
    struct stat       st;
    ngx_file_info_t   fi;

    path.len = override->folder->len + 1 + ngx_strlen(name);
    path.data = ngx_pnalloc(override->cf->temp_pool, path.len + 1);
    if (path.data == NULL) {
        return none;
    }

    p = ngx_sprintf(path.data, "%V/%s", override->folder, name);
    *p = '\0';

    if (ngx_file_info(path.data, &fi) == NGX_FILE_ERROR) {
        return none;
    }

    if (ngx_http_privacy_conf_read_file(override->cf, &path, NGX_HTTP_PRIVACY_TEMPLATE_MAX, &text, &st) != NGX_OK) {
        return none;
    }

    return ngx_http_privacy_str(&text);
}


void
ngx_http_privacy_conf_problems(ngx_conf_t *cf, pv_problems_t *problems)
{
    size_t         i;
    ngx_uint_t     level;
    pv_problem_t  *p;

    for (i = 0; i < problems->count; i++) {
        p = &problems->list[i];
        level = p->warning ? NGX_LOG_WARN : NGX_LOG_EMERG;

        if (p->line) {
            ngx_log_error(level, cf->log, 0, "%s:%ui: %s%s%s", p->file ? p->file : "privacy", (ngx_uint_t) p->line,
                          p->field ? p->field : "", p->field ? ": " : "", p->reason);
            continue;
        }

        ngx_log_error(level, cf->log, 0, "%s: %s%s%s", p->file ? p->file : "privacy", p->field ? p->field : "",
                      p->field ? ": " : "", p->reason);
    }
}
