/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * privacy_status: what this node did and knows, as JSON or for Prometheus.
 * Counters are of the node, what concerns Redis is of the worker that answers.
 * Nothing in it is about a visitor.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_privacy_status.h"


#define NGX_HTTP_PRIVACY_STATUS_MAX  (16 * 1024 * 1024)


static ngx_uint_t ngx_http_privacy_status_prometheus(ngx_http_request_t *r);

static void ngx_http_privacy_status_json(pv_buf_t *b, ngx_http_privacy_main_conf_t *pmcf, ngx_pool_t *pool);
static void ngx_http_privacy_status_json_redis(pv_buf_t *b, ngx_http_privacy_main_conf_t *pmcf);
static ngx_uint_t ngx_http_privacy_status_json_endpoint(pv_buf_t *b, ngx_privacy_redis_t *redis, ngx_uint_t i,
    ngx_uint_t said);
static void ngx_http_privacy_status_json_durability(pv_buf_t *b, ngx_http_privacy_main_conf_t *pmcf);
static void ngx_http_privacy_status_json_site(pv_buf_t *b, ngx_http_privacy_main_conf_t *pmcf,
    ngx_http_privacy_site_t *site, ngx_pool_t *pool);
static void ngx_http_privacy_status_json_notices(pv_buf_t *b, ngx_http_privacy_site_t *site);
static void ngx_http_privacy_status_json_dropped(pv_buf_t *b, ngx_http_privacy_main_conf_t *pmcf,
    ngx_http_privacy_site_t *site, pv_policy_t *policy, ngx_uint_t response);
static void ngx_http_privacy_status_json_inventory(pv_buf_t *b, ngx_http_privacy_main_conf_t *pmcf,
    ngx_http_privacy_site_t *site, pv_policy_t *policy, ngx_pool_t *pool);
static void ngx_http_privacy_status_json_seen(pv_buf_t *b, ngx_http_privacy_seen_t *seen, pv_policy_t *policy);
static void ngx_http_privacy_status_string(pv_buf_t *b, ngx_str_t *s);
static const char *ngx_http_privacy_status_mode(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site);


ngx_int_t
ngx_http_privacy_status_handler(ngx_http_request_t *r)
{
    pv_buf_t                       body;
    ngx_int_t                      rc;
    ngx_http_privacy_ctx_t        *ctx;
    ngx_http_privacy_answer_t      answer;
    ngx_http_privacy_main_conf_t  *pmcf;

    if (r != r->main) {
        return NGX_HTTP_NOT_FOUND;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx = ngx_http_privacy_ctx_create(r);

    if (ctx == NULL) {
        /* a server of its own, where privacy is off */

        ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_privacy_ctx_t));
        if (ctx == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ctx->request = r;
    }

    pmcf = ngx_http_get_module_main_conf(r, ngx_http_privacy_module);

    ngx_memzero(&answer, sizeof(ngx_http_privacy_answer_t));
    answer.status = NGX_HTTP_OK;
    answer.cache = "no-store";
    answer.vary = "Accept";

    pv_buf_init(&body, NGX_HTTP_PRIVACY_STATUS_MAX);

    if (ngx_http_privacy_status_prometheus(r)) {
        answer.type = "text/plain";
        ngx_http_privacy_status_text(&body, pmcf);

    } else {
        answer.type = "application/json";
        ngx_http_privacy_status_json(&body, pmcf, r->pool);
    }

    return ngx_http_privacy_send(ctx, &answer, &body);
}


static ngx_uint_t
ngx_http_privacy_status_prometheus(ngx_http_request_t *r)
{
    pv_str_t          offers[2];
    ngx_str_t         format;
    ngx_table_elt_t  *accept;

    if (ngx_http_arg(r, (u_char *) "format", 6, &format) == NGX_OK) {
        return format.len == sizeof("prometheus") - 1 && ngx_memcmp(format.data, "prometheus", format.len) == 0;
    }

    accept = ngx_http_privacy_header_in(r, "accept");

    if (accept == NULL) {
        return 0;
    }

    offers[0] = pv_str("application/json");
    offers[1] = pv_str("text/plain");

    return pv_accept_choose(offers, 2, ngx_http_privacy_str(&accept->value)) == 1;
}


static void
ngx_http_privacy_status_json(pv_buf_t *b, ngx_http_privacy_main_conf_t *pmcf, ngx_pool_t *pool)
{
    size_t                     size, unused;
    ngx_uint_t                 i;
    ngx_http_privacy_site_t  **sites;

    size = 0;
    unused = 0;

    if (pmcf->zone && pmcf->enabled) {
        ngx_http_privacy_zone_usage(pmcf->zone, &size, &unused);
    }

    pv_buf_printf(b, "{\"node\":{\"nginx\":\"%s\",\"worker\":%ld,\"time\":%ld,\"zone_size\":%zu,\"zone_free\":%zu,"
                  "\"keys\":%s,\"archive_memory\":%zu,\"streams\":%lu,\"streams_total\":%lu}", NGINX_VERSION,
                  (long) ngx_pid, (long) ngx_time(), size, unused, pmcf->keys ? "true" : "false",
                  ngx_http_privacy_store_memory(), (unsigned long) ngx_http_privacy_streams_count(),
                  (unsigned long) ngx_http_privacy_streams_most(pmcf));

    pv_buf_puts(b, ",\"redis\":");
    ngx_http_privacy_status_json_redis(b, pmcf);

    pv_buf_puts(b, ",\"sites\":[");

    sites = pmcf->sites.elts;

    for (i = 0; pmcf->enabled && i < pmcf->sites.nelts; i++) {
        if (i) {
            pv_buf_puts(b, ",");
        }

        ngx_http_privacy_status_json_site(b, pmcf, sites[i], pool);
    }

    pv_buf_puts(b, "]}\n");
}


static void
ngx_http_privacy_status_json_redis(pv_buf_t *b, ngx_http_privacy_main_conf_t *pmcf)
{
    ngx_uint_t                  i, said;
    ngx_privacy_redis_status_t  status;

    if (pmcf->redis == NULL || pmcf->redis_conf == NULL) {
        pv_buf_puts(b, "{\"configured\":false}");
        return;
    }

    ngx_privacy_redis_status(pmcf->redis, &status);

    pv_buf_puts(b, "{\"configured\":true,\"url\":");
    ngx_http_privacy_status_string(b, &pmcf->redis_conf->url);

    pv_buf_printf(b, ",\"topology\":\"%s\",\"changed\":%ld,\"redirected\":%lu,\"connected\":%s,\"queued\":%lu,"
                  "\"in_flight\":%lu,\"reconnects\":%lu,\"answered\":%lu,\"timed_out\":%lu,\"refused\":%lu,"
                  "\"latency_ms\":%lu,\"last_error\":\"%s\",\"warning\":", status.topology, (long) status.changed,
                  (unsigned long) status.redirected, status.connected ? "true" : "false",
                  (unsigned long) status.queued, (unsigned long) status.in_flight, (unsigned long) status.reconnects,
                  (unsigned long) status.answered, (unsigned long) status.timed_out,
                  (unsigned long) status.refused, (unsigned long) status.latency,
                  pvr_status_name(status.last_error));

    ngx_http_privacy_status_string(b, &status.warning);

    pv_buf_puts(b, ",\"durability\":");
    ngx_http_privacy_status_json_durability(b, pmcf);

    pv_buf_puts(b, ",\"endpoints\":[");

    for (i = 0, said = 0; i < status.endpoints; i++) {
        said += ngx_http_privacy_status_json_endpoint(b, pmcf->redis, i, said);
    }

    pv_buf_puts(b, "]}");
}


/* Returns 1, or 0 for one that is not needed now. */

static ngx_uint_t
ngx_http_privacy_status_json_endpoint(pv_buf_t *b, ngx_privacy_redis_t *redis, ngx_uint_t i, ngx_uint_t said)
{
    ngx_privacy_redis_endpoint_status_t  status;

    if (ngx_privacy_redis_endpoint_status(redis, i, &status) != NGX_OK) {
        return 0;
    }

    pv_buf_puts(b, said ? ",{\"address\":" : "{\"address\":");
    ngx_http_privacy_status_string(b, &status.address);

    pv_buf_printf(b, ",\"connected\":%s,\"breaker\":\"%s\",\"slots\":%lu,\"queued\":%lu,\"in_flight\":%lu,"
                  "\"reconnects\":%lu,\"answered\":%lu,\"timed_out\":%lu,\"refused\":%lu,\"latency_ms\":%lu,"
                  "\"last_error\":\"%s\",\"warning\":", status.connected ? "true" : "false", status.breaker,
                  (unsigned long) status.slots, (unsigned long) status.queued, (unsigned long) status.in_flight,
                  (unsigned long) status.reconnects, (unsigned long) status.answered,
                  (unsigned long) status.timed_out, (unsigned long) status.refused, (unsigned long) status.latency,
                  pvr_status_name(status.last_error));

    ngx_http_privacy_status_string(b, &status.warning);
    pv_buf_puts(b, "}");

    return 1;
}


static void
ngx_http_privacy_status_json_durability(pv_buf_t *b, ngx_http_privacy_main_conf_t *pmcf)
{
    char                            mode[PVR_DURABILITY_TEXT];
    ngx_privacy_redis_durability_t  durability;

    (void) pvr_durability_text(mode, &pmcf->durability);
    ngx_privacy_redis_durability(pmcf->redis, NGX_MAX_UINT32_VALUE, &durability);

    pv_buf_printf(b, "{\"mode\":\"%s\",\"unverified\":", mode);
    ngx_http_privacy_status_string(b, &durability.unverified);

    pv_buf_printf(b, ",\"waiting\":%lu,\"waits\":%lu,\"short\":%lu,\"last_count\":",
                  (unsigned long) durability.waiting, (unsigned long) durability.waits,
                  (unsigned long) durability.unsettled);

    if (durability.last < 0) {
        pv_buf_puts(b, "null}");

    } else {
        pv_buf_printf(b, "%ld}", (long) durability.last);
    }
}


static void
ngx_http_privacy_status_json_site(pv_buf_t *b, ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site,
    ngx_pool_t *pool)
{
    size_t                     n;
    ngx_uint_t                 i;
    pv_policy_t               *policy;
    ngx_http_privacy_store_t  *store;

    store = site->store;
    policy = store ? ngx_http_privacy_store_in_force(store) : NULL;

    pv_buf_puts(b, "{\"name\":");
    ngx_http_privacy_status_string(b, &site->name);
    pv_buf_printf(b, ",\"mode\":\"%s\",\"version\":", ngx_http_privacy_status_mode(pmcf, site));

    if (policy) {
        pv_buf_json(b, policy->version);
        pv_buf_printf(b, ",\"sequence\":%lu,\"effective\":", (unsigned long) policy->sequence);
        pv_buf_json(b, policy->effective_text);
        pv_buf_printf(b, ",\"age\":%ld", (long) (ngx_time() - (time_t) policy->effective));

    } else {
        pv_buf_puts(b, "null,\"sequence\":0");
    }

    n = 0;

    if (store) {
        n = ngx_http_privacy_store_versions(store);

        pv_buf_printf(b, ",\"versions\":%zu,\"entries\":%zu,\"log_missing\":%s,\"subscribed\":%s,\"last_sync\":%ld,"
                      "\"last_error\":", n, pv_log_count(ngx_http_privacy_store_log(store)),
                      store->log_missing ? "true" : "false",
                      ngx_http_privacy_status_subscribed(pmcf, site) ? "true" : "false", (long) store->last_sync);
        ngx_http_privacy_status_string(b, &store->last_error);
    }

    ngx_http_privacy_status_json_notices(b, site);

    pv_buf_printf(b, ",\"leases\":%lu,\"served_without_choice\":%lu,\"counters\":{",
                  (unsigned long) ngx_http_privacy_zone_lease_count(pmcf->zone, site->slot),
                  (unsigned long) ngx_http_privacy_zone_counter(pmcf->zone, site->slot,
                                                                NGX_HTTP_PRIVACY_PAGES_UNDECIDED));

    for (i = 0; i < NGX_HTTP_PRIVACY_COUNTERS; i++) {
        pv_buf_printf(b, "%s\"%s\":%lu", i ? "," : "", ngx_http_privacy_counter_names[i],
                      (unsigned long) ngx_http_privacy_zone_counter(pmcf->zone, site->slot,
                                                                    (ngx_http_privacy_counter_t) i));
    }

    pv_buf_puts(b, "},\"dropped\":{\"request\":");
    ngx_http_privacy_status_json_dropped(b, pmcf, site, policy, 0);
    pv_buf_puts(b, ",\"response\":");
    ngx_http_privacy_status_json_dropped(b, pmcf, site, policy, 1);
    pv_buf_puts(b, "},\"inventory\":");
    ngx_http_privacy_status_json_inventory(b, pmcf, site, policy, pool);
    pv_buf_puts(b, "}");
}


ngx_uint_t
ngx_http_privacy_status_subscribed(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site)
{
    char       key[PVR_KEY_MAX];
    ngx_str_t  channel;

    channel.len = pvr_key_events(key, ngx_http_privacy_str(&site->name));
    channel.data = (u_char *) key;

    return pmcf->redis && ngx_privacy_redis_subscribed(pmcf->redis, &channel);
}


/* Open ones, in the order in which this worker came to know them. */

static void
ngx_http_privacy_status_json_notices(pv_buf_t *b, ngx_http_privacy_site_t *site)
{
    pv_cursor_t                 cursor;
    const char                 *comma;
    ngx_http_privacy_notice_t  *notice;

    if (site->notices == NULL) {
        return;
    }

    cursor = ngx_http_privacy_notices_cursor(site);

    pv_buf_printf(b, ",\"notices\":{\"log\":%lu,\"number\":%lu,\"lost\":%s,\"last_sync\":%ld,\"open\":[",
                  (unsigned long) cursor.log, (unsigned long) cursor.number,
                  ngx_http_privacy_notices_lost(site) ? "true" : "false",
                  (long) ngx_http_privacy_notices_last_sync(site));

    comma = "";

    for (notice = ngx_http_privacy_notice_next(site, NULL);
         notice != NULL;
         notice = ngx_http_privacy_notice_next(site, notice))
    {
        pv_buf_printf(b, "%s{\"id\":\"%s\",\"kind\":\"%s\",\"published\":%lld}", comma, notice->notice->id,
                      pv_notice_kind_name(notice->notice->kind), (long long) notice->notice->published);
        comma = ",";
    }

    pv_buf_puts(b, "]}");
}


/* Cookies dropped, by the id of the purpose that covers them. */

static void
ngx_http_privacy_status_json_dropped(pv_buf_t *b, ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site,
    pv_policy_t *policy, ngx_uint_t response)
{
    size_t  i;

    pv_buf_printf(b, "{\"undeclared\":%lu",
                  (unsigned long) ngx_http_privacy_zone_dropped_count(pmcf->zone, site->slot, response,
                                                                      NGX_HTTP_PRIVACY_UNDECLARED));

    for (i = 0; policy && i < policy->purposes_count; i++) {
        pv_buf_puts(b, ",");
        pv_buf_json(b, policy->purposes[i].id);
        pv_buf_printf(b, ":%lu",
                      (unsigned long) ngx_http_privacy_zone_dropped_count(pmcf->zone, site->slot, response,
                                                                          policy->purposes[i].bit));
    }

    pv_buf_puts(b, "}");
}


static void
ngx_http_privacy_status_json_inventory(pv_buf_t *b, ngx_http_privacy_main_conf_t *pmcf,
    ngx_http_privacy_site_t *site, pv_policy_t *policy, ngx_pool_t *pool)
{
    ngx_uint_t                i;
    ngx_array_t              *inventory;
    ngx_http_privacy_seen_t  *seen;

    inventory = ngx_http_privacy_zone_inventory(pmcf->zone, site->slot, pool);

    if (inventory == NULL) {
        b->failed = 1;
        return;
    }

    seen = inventory->elts;

    pv_buf_puts(b, "[");

    for (i = 0; i < inventory->nelts; i++) {
        if (i) {
            pv_buf_puts(b, ",");
        }

        ngx_http_privacy_status_json_seen(b, &seen[i], policy);
    }

    pv_buf_puts(b, "]");
}


static void
ngx_http_privacy_status_json_seen(pv_buf_t *b, ngx_http_privacy_seen_t *seen, pv_policy_t *policy)
{
    size_t      i;
    uint64_t    purposes;
    const char *comma;

    /* judged by the version in force now, not by the one when it was seen */

    purposes = policy ? pv_gate_purposes(policy->gate, ngx_http_privacy_str(&seen->name)) : seen->purposes;

    pv_buf_puts(b, "{\"name\":");
    ngx_http_privacy_status_string(b, &seen->name);
    pv_buf_puts(b, ",\"domain\":");
    ngx_http_privacy_status_string(b, &seen->domain);
    pv_buf_puts(b, ",\"path\":");
    ngx_http_privacy_status_string(b, &seen->path);

    pv_buf_printf(b, ",\"lifetime\":%lld,\"declared\":%s,\"purposes\":[", (long long) seen->lifetime,
                  purposes ? "true" : "false");

    comma = "";

    for (i = 0; policy && i < policy->purposes_count; i++) {
        if (purposes >> policy->purposes[i].bit & 1) {
            pv_buf_puts(b, comma);
            pv_buf_json(b, policy->purposes[i].id);
            comma = ",";
        }
    }

    pv_buf_printf(b, "],\"count\":%lu,\"dropped\":%lu,\"http_only\":%s,\"partitioned\":%s,\"last\":%ld,"
                  "\"last_necessary\":%ld}", (unsigned long) seen->count, (unsigned long) seen->dropped,
                  seen->http_only ? "true" : "false", seen->partitioned ? "true" : "false", (long) seen->last,
                  (long) seen->last_necessary);
}


static void
ngx_http_privacy_status_string(pv_buf_t *b, ngx_str_t *s)
{
    pv_buf_json(b, ngx_http_privacy_str(s));
}


static const char *
ngx_http_privacy_status_mode(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site)
{
    ngx_uint_t                     i, seen;
    ngx_http_privacy_srv_conf_t  **servers;

    static const char *const  names[] = { "off", "observe", "enforce", "observe, enforce" };

    seen = 0;
    servers = pmcf->servers.elts;

    for (i = 0; i < pmcf->servers.nelts; i++) {
        if (servers[i]->site == site) {
            seen |= servers[i]->mode;       /* 1 observe, 2 enforce */
        }
    }

    return names[seen & 3];
}
