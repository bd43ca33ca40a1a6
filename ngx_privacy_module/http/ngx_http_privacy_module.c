/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_stream.h"
#include "ngx_http_privacy_task.h"


/* Consent cookies that a worker remembers as verified, a site: visitors who are loading a page right now. */
#define NGX_HTTP_PRIVACY_MEMO  1024


#define NGX_HTTP_PRIVACY_ZONE_SIZE   (16 * 1024 * 1024)
#define NGX_HTTP_PRIVACY_LEASE       300
#define NGX_HTTP_PRIVACY_GRACE       3600
#define NGX_HTTP_PRIVACY_PROOF_DAYS  1095
#define NGX_HTTP_PRIVACY_RESOLVER_TIMEOUT  5000     /* ms, as much as nginx waits itself */


static void *ngx_http_privacy_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_privacy_create_srv_conf(ngx_conf_t *cf);
static char *ngx_http_privacy_merge_srv_conf(ngx_conf_t *cf, void *parent, void *child);
static void *ngx_http_privacy_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_privacy_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child);
static ngx_int_t ngx_http_privacy_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_privacy_postconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_privacy_init_module(ngx_cycle_t *cycle);
static void ngx_http_privacy_init_resolver(ngx_cycle_t *cycle, ngx_privacy_redis_conf_t *conf);
static ngx_int_t ngx_http_privacy_init_process(ngx_cycle_t *cycle);
static void ngx_http_privacy_exit_process(ngx_cycle_t *cycle);


static ngx_conf_enum_t  ngx_http_privacy_modes[] = {
    { ngx_string("off"), NGX_HTTP_PRIVACY_OFF },
    { ngx_string("observe"), NGX_HTTP_PRIVACY_OBSERVE },
    { ngx_string("enforce"), NGX_HTTP_PRIVACY_ENFORCE },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_privacy_decorations[] = {
    { ngx_string("auto"), NGX_HTTP_PRIVACY_AUTO },
    { ngx_string("personal"), NGX_HTTP_PRIVACY_PERSONAL },
    { ngx_string("shared"), NGX_HTTP_PRIVACY_SHARED },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_privacy_places[] = {
    { ngx_string("start"), NGX_HTTP_PRIVACY_START },
    { ngx_string("end"), NGX_HTTP_PRIVACY_END },
    { ngx_null_string, 0 }
};


static ngx_conf_num_bounds_t  ngx_http_privacy_proof_bounds = { ngx_conf_check_num_bounds, 0, 36500 };


static ngx_command_t  ngx_http_privacy_commands[] = {

    { ngx_string("privacy_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_privacy_conf_zone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("privacy_redis"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_privacy_conf_redis,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("privacy_durability"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_privacy_conf_durability,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("privacy_keys"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_privacy_conf_keys,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("privacy_cache_path"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_privacy_conf_cache_path,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("privacy_templates"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_privacy_conf_templates,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("privacy_streams"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
      ngx_http_privacy_conf_streams,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("privacy"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_CONF_TAKE1,
      ngx_http_privacy_conf_mode,
      NGX_HTTP_SRV_CONF_OFFSET,
      offsetof(ngx_http_privacy_srv_conf_t, mode),
      ngx_http_privacy_modes },

    { ngx_string("privacy_site"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_CONF_TAKE2,
      ngx_http_privacy_conf_site,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("privacy_origin"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_CONF_TAKE1,
      ngx_http_privacy_conf_origin,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("privacy_cookie_domain"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_CONF_TAKE1,
      ngx_http_privacy_conf_cookie_domain,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("privacy_lease"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_CONF_TAKE12,
      ngx_http_privacy_conf_lease,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("privacy_necessary"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_CONF_1MORE,
      ngx_http_privacy_conf_necessary,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("privacy_forward"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_SRV_CONF_OFFSET,
      offsetof(ngx_http_privacy_srv_conf_t, forward),
      NULL },

    { ngx_string("privacy_proof_days"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_SRV_CONF_OFFSET,
      offsetof(ngx_http_privacy_srv_conf_t, proof_days),
      &ngx_http_privacy_proof_bounds },

    { ngx_string("privacy_session"),
      NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_privacy_conf_session,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("privacy_user_header"),
      NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_privacy_conf_user_header,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("privacy_user"),
      NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_privacy_conf_user,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_privacy_loc_conf_t, user),
      NULL },

    { ngx_string("privacy_decorate"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_privacy_loc_conf_t, decorate),
      ngx_http_privacy_decorations },

    { ngx_string("privacy_banner_place"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_privacy_loc_conf_t, place),
      ngx_http_privacy_places },

    { ngx_string("privacy_marked"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_privacy_loc_conf_t, marked),
      NULL },

    { ngx_string("privacy_center"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_privacy_conf_center,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("privacy_gpc"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_privacy_conf_handler,
      0,
      0,
      ngx_http_privacy_gpc_handler },

    { ngx_string("privacy_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_privacy_conf_handler,
      0,
      0,
      ngx_http_privacy_status_handler },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_privacy_module_ctx = {
    ngx_http_privacy_preconfiguration,     /* preconfiguration */
    ngx_http_privacy_postconfiguration,    /* postconfiguration */

    ngx_http_privacy_create_main_conf,     /* create main configuration */
    NULL,                                  /* init main configuration */

    ngx_http_privacy_create_srv_conf,      /* create server configuration */
    ngx_http_privacy_merge_srv_conf,       /* merge server configuration */

    ngx_http_privacy_create_loc_conf,      /* create location configuration */
    ngx_http_privacy_merge_loc_conf        /* merge location configuration */
};


ngx_module_t  ngx_http_privacy_module = {
    NGX_MODULE_V1,
    &ngx_http_privacy_module_ctx,          /* module context */
    ngx_http_privacy_commands,             /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_privacy_init_module,          /* init module */
    ngx_http_privacy_init_process,         /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_privacy_exit_process,         /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_privacy_preconfiguration(ngx_conf_t *cf)
{
    return ngx_http_privacy_variables_add(cf);
}


static ngx_int_t
ngx_http_privacy_postconfiguration(ngx_conf_t *cf)
{
    ngx_http_handler_pt           *h;
    ngx_http_core_main_conf_t     *cmcf;
    ngx_http_privacy_main_conf_t  *pmcf;

    pmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_privacy_module);

    if (!pmcf->enabled) {
        return NGX_OK;
    }

    if (ngx_http_privacy_conf_check(cf, pmcf) != NGX_OK || ngx_http_privacy_task_init(cf) != NGX_OK) {
        return NGX_ERROR;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    /*
     * Cookies have to be gone before the rewrite phases evaluate $cookie_...;
     * handlers of a phase run last registered first, so realip has been first
     * only if it is built in: what we read here does not depend on it.
     */

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_POST_READ_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_privacy_post_read_handler;

    /* In front of the rewrite module's own, which was registered before. */

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_SERVER_REWRITE_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_privacy_rewrite_handler;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_REWRITE_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_privacy_rewrite_handler;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_privacy_precontent_handler;

    return ngx_http_privacy_filter_init(cf);
}


static void *
ngx_http_privacy_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_privacy_main_conf_t  *pmcf;

    pmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_privacy_main_conf_t));
    if (pmcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     pmcf->zone = NULL;
     *     pmcf->redis_conf = NULL;
     *     pmcf->keys_file = { 0, NULL };
     *     pmcf->keys = NULL;
     *     pmcf->cache_path = NULL;
     *     pmcf->templates = { 0, NULL };
     *     pmcf->ui = NULL;
     *     pmcf->enabled = 0;
     *     pmcf->redis = NULL;
     */

    if (ngx_array_init(&pmcf->sites, cf->pool, 4, sizeof(ngx_http_privacy_site_t *)) != NGX_OK
        || ngx_array_init(&pmcf->servers, cf->pool, 4, sizeof(ngx_http_privacy_srv_conf_t *)) != NGX_OK)
    {
        return NULL;
    }

    return pmcf;
}


static void *
ngx_http_privacy_create_srv_conf(ngx_conf_t *cf)
{
    ngx_http_privacy_srv_conf_t  *pscf;

    pscf = ngx_pcalloc(cf->pool, sizeof(ngx_http_privacy_srv_conf_t));
    if (pscf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     pscf->site = NULL;
     *     pscf->site_name = { 0, NULL };
     *     pscf->prefix = { 0, NULL };
     *     pscf->origin = { 0, NULL };
     *     pscf->cookie_domain = { 0, NULL };
     *     pscf->necessary = NULL;
     *     pscf->necessary_gate = NULL;
     *     pscf->sessions = NULL;
     *     pscf->views = NULL;
     *     pscf->file = NULL;
     *     pscf->line = 0;
     */

    pscf->mode = NGX_CONF_UNSET_UINT;
    pscf->lease = NGX_CONF_UNSET;
    pscf->grace = NGX_CONF_UNSET;
    pscf->forward = NGX_CONF_UNSET;
    pscf->proof_days = NGX_CONF_UNSET_UINT;

    return pscf;
}


static char *
ngx_http_privacy_merge_srv_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_privacy_srv_conf_t  *prev = parent;
    ngx_http_privacy_srv_conf_t  *conf = child;

    if (conf->mode == NGX_CONF_UNSET_UINT) {
        conf->file = prev->file;
        conf->line = prev->line;
    }

    ngx_conf_merge_uint_value(conf->mode, prev->mode, NGX_HTTP_PRIVACY_OFF);
    ngx_conf_merge_str_value(conf->origin, prev->origin, "");
    ngx_conf_merge_str_value(conf->cookie_domain, prev->cookie_domain, "");
    ngx_conf_merge_sec_value(conf->lease, prev->lease, NGX_HTTP_PRIVACY_LEASE);
    ngx_conf_merge_sec_value(conf->grace, prev->grace, NGX_HTTP_PRIVACY_GRACE);
    ngx_conf_merge_value(conf->forward, prev->forward, 0);
    ngx_conf_merge_uint_value(conf->proof_days, prev->proof_days, NGX_HTTP_PRIVACY_PROOF_DAYS);

    if (conf->site == NULL) {
        conf->site = prev->site;
    }

    if (conf->necessary == NULL) {
        conf->necessary = prev->necessary;
        conf->necessary_gate = prev->necessary_gate;
    }

    if (conf->mode == NGX_HTTP_PRIVACY_OFF) {
        return NGX_CONF_OK;
    }

    return ngx_http_privacy_conf_server(cf, conf);
}


static void *
ngx_http_privacy_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_privacy_loc_conf_t  *plcf;

    plcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_privacy_loc_conf_t));
    if (plcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     plcf->user_header = { 0, NULL };
     *     plcf->user = NULL;
     */

    plcf->decorate = NGX_CONF_UNSET_UINT;
    plcf->place = NGX_CONF_UNSET_UINT;
    plcf->marked = NGX_CONF_UNSET;

    return plcf;
}


static char *
ngx_http_privacy_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_privacy_loc_conf_t  *prev = parent;
    ngx_http_privacy_loc_conf_t  *conf = child;

    ngx_conf_merge_uint_value(conf->decorate, prev->decorate, NGX_HTTP_PRIVACY_AUTO);
    ngx_conf_merge_uint_value(conf->place, prev->place, NGX_HTTP_PRIVACY_START);
    ngx_conf_merge_value(conf->marked, prev->marked, 0);
    ngx_conf_merge_str_value(conf->user_header, prev->user_header, "");

    if (conf->user == NULL) {
        conf->user = prev->user;
    }

    return NGX_CONF_OK;
}


/* The zone is there now: every site gets its slot, kept by name over reloads. */

static ngx_int_t
ngx_http_privacy_init_module(ngx_cycle_t *cycle)
{
    ngx_uint_t                      i;
    ngx_http_privacy_site_t       **sites;
    ngx_http_privacy_main_conf_t   *pmcf;

    pmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_privacy_module);

    if (pmcf == NULL || !pmcf->enabled) {
        return NGX_OK;
    }

    sites = pmcf->sites.elts;

    for (i = 0; i < pmcf->sites.nelts; i++) {
        sites[i]->slot = ngx_http_privacy_zone_site(pmcf->zone, &sites[i]->name);

        if (sites[i]->slot == NGX_ERROR) {
            ngx_log_error(NGX_LOG_EMERG, cycle->log, 0, "privacy_zone has no room for site \"%V\"", &sites[i]->name);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_http_privacy_store_changed(void *data, ngx_http_privacy_store_t *store)
{
    ngx_http_privacy_site_t  *site = data;

    pv_policy_t                   *policy;
    ngx_http_privacy_main_conf_t  *pmcf;

    pmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle, ngx_http_privacy_module);
    policy = ngx_http_privacy_store_in_force(store);

    if (policy != NULL) {
        ngx_http_privacy_zone_set_in_force(pmcf->zone, site->slot, policy->sequence);
    }

    ngx_http_privacy_notices_update(site);
}


/* What a wake-up is about is for who knows: it is text, from whoever can write to Redis. */

static void
ngx_http_privacy_store_event(void *data, ngx_str_t *text)
{
    ngx_http_privacy_site_t  *site = data;

    if (text != NULL) {
        ngx_http_privacy_lease_event(site, text);
    }

    ngx_http_privacy_notices_event(site, text);
}


static void
ngx_http_privacy_store_dropped(void *data, pv_policy_t *policy)
{
    ngx_http_privacy_site_t  *site = data;

    ngx_http_privacy_view_forget(ngx_http_cycle_get_module_main_conf(ngx_cycle, ngx_http_privacy_module), site,
                                 policy);
}


static ngx_int_t
ngx_http_privacy_init_site(ngx_cycle_t *cycle, ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site)
{
    ngx_str_t                  folder;
    ngx_http_privacy_store_t  *store;

    ngx_str_null(&folder);

    if (pmcf->cache_path != NULL) {
        folder = pmcf->cache_path->name;
    }

    store = ngx_http_privacy_store_create(cycle->pool, cycle->log, &site->name, site->public_key, &folder,
                                          pmcf->redis);
    if (store == NULL) {
        return NGX_ERROR;
    }

    store->on_change = ngx_http_privacy_store_changed;
    store->on_drop = ngx_http_privacy_store_dropped;
    store->on_event = ngx_http_privacy_store_event;
    store->data = site;

    site->store = store;
    site->memo = pv_memo_create(NGX_HTTP_PRIVACY_MEMO);

    ngx_http_privacy_store_set_floor(store, ngx_http_privacy_zone_in_force(pmcf->zone, site->slot));

    if (ngx_http_privacy_store_open(store) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_privacy_store_changed(site, store);

    if (ngx_http_privacy_notices_start(pmcf, site, cycle->pool) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_privacy_streams_start(site);
    ngx_http_privacy_store_start(store);

    return NGX_OK;
}


/* The resolver of the http block: what a server or a location says is for itself. */

static void
ngx_http_privacy_init_resolver(ngx_cycle_t *cycle, ngx_privacy_redis_conf_t *conf)
{
    ngx_http_conf_ctx_t       *ctx;
    ngx_http_core_loc_conf_t  *clcf;

    ctx = (ngx_http_conf_ctx_t *) cycle->conf_ctx[ngx_http_module.index];
    clcf = ctx->loc_conf[ngx_http_core_module.ctx_index];

    if (clcf->resolver && clcf->resolver->connections.nelts) {
        conf->resolver = clcf->resolver;
        conf->resolver_timeout = (clcf->resolver_timeout == NGX_CONF_UNSET_MSEC) ? NGX_HTTP_PRIVACY_RESOLVER_TIMEOUT
                                                                                 : clcf->resolver_timeout;
    }
}


static ngx_int_t
ngx_http_privacy_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                      i;
    ngx_http_privacy_site_t       **sites;
    ngx_http_privacy_main_conf_t   *pmcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE) {
        return NGX_OK;
    }

    pmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_privacy_module);

    if (pmcf == NULL || !pmcf->enabled) {
        return NGX_OK;
    }

    if (pmcf->redis_conf != NULL) {
        ngx_http_privacy_init_resolver(cycle, pmcf->redis_conf);

        pmcf->redis_conf->durability = pmcf->durability;
        pmcf->redis = ngx_privacy_redis_create(cycle->pool, pmcf->redis_conf, cycle->log);
        if (pmcf->redis == NULL) {
            return NGX_ERROR;
        }
    }

    sites = pmcf->sites.elts;

    for (i = 0; i < pmcf->sites.nelts; i++) {
        if (ngx_http_privacy_init_site(cycle, pmcf, sites[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_http_privacy_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                      i;
    ngx_http_privacy_site_t       **sites;
    ngx_http_privacy_srv_conf_t   **servers;
    ngx_http_privacy_main_conf_t   *pmcf;

    pmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_privacy_module);

    if (pmcf == NULL || !pmcf->enabled) {
        return;
    }

    sites = pmcf->sites.elts;

    servers = pmcf->servers.elts;

    for (i = 0; i < pmcf->servers.nelts; i++) {
        ngx_http_privacy_bars_free(servers[i]);
    }

    for (i = 0; i < pmcf->sites.nelts; i++) {
        ngx_http_privacy_notices_stop(sites[i]);

        if (sites[i]->store != NULL) {
            ngx_http_privacy_store_destroy(sites[i]->store);
        }

        pv_memo_free(sites[i]->memo);
    }

    if (pmcf->redis != NULL) {
        ngx_privacy_redis_close(pmcf->redis);
    }

    ngx_http_privacy_zone_leave(pmcf->zone);
}
