/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_privacy_status.h"


/* privacy_status in the text format of Prometheus, 0.0.4. */


static void ngx_http_privacy_status_text_redis(pv_buf_t *b, ngx_http_privacy_main_conf_t *pmcf);
static void ngx_http_privacy_status_text_endpoints(pv_buf_t *b, ngx_privacy_redis_t *redis, ngx_uint_t n);
static void ngx_http_privacy_status_text_sites(pv_buf_t *b, ngx_http_privacy_main_conf_t *pmcf);
static void ngx_http_privacy_status_text_dropped(pv_buf_t *b, ngx_http_privacy_main_conf_t *pmcf,
    ngx_http_privacy_site_t *site, ngx_uint_t response);
static void ngx_http_privacy_status_label(pv_buf_t *b, pv_str_t value);
static void ngx_http_privacy_status_metric(pv_buf_t *b, const char *name, const char *type, const char *help);


void
ngx_http_privacy_status_text(pv_buf_t *b, ngx_http_privacy_main_conf_t *pmcf)
{
    size_t                     size, unused;
    ngx_uint_t                 i, k;
    ngx_http_privacy_site_t  **sites;

    if (!pmcf->enabled || pmcf->zone == NULL) {
        return;
    }

    ngx_http_privacy_zone_usage(pmcf->zone, &size, &unused);

    ngx_http_privacy_status_metric(b, "privacy_zone_size_bytes", "gauge", "Shared memory of the zone.");
    pv_buf_printf(b, "privacy_zone_size_bytes %zu\n", size);
    ngx_http_privacy_status_metric(b, "privacy_zone_free_bytes", "gauge", "Shared memory not in use.");
    pv_buf_printf(b, "privacy_zone_free_bytes %zu\n", unused);

    ngx_http_privacy_status_metric(b, "privacy_streams", "gauge", "Event streams that are open, in this worker.");
    pv_buf_printf(b, "privacy_streams %lu\n", (unsigned long) ngx_http_privacy_streams_count());

    ngx_http_privacy_status_text_redis(b, pmcf);
    ngx_http_privacy_status_text_sites(b, pmcf);

    sites = pmcf->sites.elts;

    for (i = 0; i < NGX_HTTP_PRIVACY_COUNTERS; i++) {
        pv_buf_printf(b, "# TYPE privacy_%s_total counter\n", ngx_http_privacy_counter_names[i]);

        for (k = 0; k < pmcf->sites.nelts; k++) {
            pv_buf_printf(b, "privacy_%s_total{site=", ngx_http_privacy_counter_names[i]);
            ngx_http_privacy_status_label(b, ngx_http_privacy_str(&sites[k]->name));
            pv_buf_printf(b, "} %lu\n",
                          (unsigned long) ngx_http_privacy_zone_counter(pmcf->zone, sites[k]->slot,
                                                                        (ngx_http_privacy_counter_t) i));
        }
    }

    ngx_http_privacy_status_metric(b, "privacy_cookies_dropped_by_purpose_total", "counter",
                                   "Cookies dropped, by direction and by the purpose that covers them.");

    for (k = 0; k < pmcf->sites.nelts; k++) {
        ngx_http_privacy_status_text_dropped(b, pmcf, sites[k], 0);
        ngx_http_privacy_status_text_dropped(b, pmcf, sites[k], 1);
    }
}


static void
ngx_http_privacy_status_text_redis(pv_buf_t *b, ngx_http_privacy_main_conf_t *pmcf)
{
    ngx_uint_t                      i;
    ngx_privacy_redis_status_t      status;
    ngx_privacy_redis_durability_t  durability;

    if (pmcf->redis == NULL) {
        return;
    }

    ngx_privacy_redis_status(pmcf->redis, &status);
    ngx_privacy_redis_durability(pmcf->redis, NGX_MAX_UINT32_VALUE, &durability);

    struct {
        const char     *name, *type, *help;
        unsigned long   value;
    } metrics[] = {
        { "privacy_redis_connected", "gauge", "1 when this worker can send commands now.", status.connected },
        { "privacy_redis_queued", "gauge", "Requests that wait for a connection.", status.queued },
        { "privacy_redis_in_flight", "gauge", "Requests that wait for a reply.", status.in_flight },
        { "privacy_redis_latency_milliseconds", "gauge", "Moving average of answered requests.", status.latency },
        { "privacy_redis_warning", "gauge", "1 when the server's settings cannot keep what is acknowledged.",
          status.warning.len != 0 },
        { "privacy_redis_waiting", "gauge", "Choices that wait for replicas.", durability.waiting },
        { "privacy_redis_replicas", "gauge", "Replicas that had what was waited for last.",
          (unsigned long) ngx_max(durability.last, 0) },
        { "privacy_redis_waits_total", "counter", "WAIT commands.", durability.waits },
        { "privacy_redis_short_total", "counter", "Choices not acknowledged for want of replicas.",
          durability.unsettled },
        { "privacy_redis_reconnects_total", "counter", "Connections made after the first.", status.reconnects },
        { "privacy_redis_answered_total", "counter", "Requests answered.", status.answered },
        { "privacy_redis_timed_out_total", "counter", "Requests past their deadline.", status.timed_out },
        { "privacy_redis_refused_total", "counter", "Requests that were not sent.", status.refused },
        { "privacy_redis_redirected_total", "counter", "Requests sent again to another server.", status.redirected }
    };

    for (i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
        ngx_http_privacy_status_metric(b, metrics[i].name, metrics[i].type, metrics[i].help);
        pv_buf_printf(b, "%s{worker=\"%ld\"} %lu\n", metrics[i].name, (long) ngx_pid, metrics[i].value);
    }

    ngx_http_privacy_status_text_endpoints(b, pmcf->redis, status.endpoints);
}


static void
ngx_http_privacy_status_text_endpoints(pv_buf_t *b, ngx_privacy_redis_t *redis, ngx_uint_t n)
{
    ngx_uint_t                           i, k;
    ngx_privacy_redis_endpoint_status_t  status;

    static const struct {
        const char  *name, *help;
    } metrics[] = {
        { "privacy_redis_endpoint_connected", "1 when this worker can send commands to this server now." },
        { "privacy_redis_endpoint_breaker_open", "1 while requests for this server are refused at once." },
        { "privacy_redis_endpoint_slots", "Slots that this server has in a cluster." }
    };

    for (k = 0; k < sizeof(metrics) / sizeof(metrics[0]); k++) {
        ngx_http_privacy_status_metric(b, metrics[k].name, "gauge", metrics[k].help);

        for (i = 0; i < n; i++) {
            if (ngx_privacy_redis_endpoint_status(redis, i, &status) != NGX_OK) {
                continue;
            }

            unsigned long  values[] = { status.connected, ngx_strcmp(status.breaker, "closed") != 0, status.slots };

            pv_buf_printf(b, "%s{worker=\"%ld\",server=", metrics[k].name, (long) ngx_pid);
            ngx_http_privacy_status_label(b, ngx_http_privacy_str(&status.address));
            pv_buf_printf(b, "} %lu\n", values[k]);
        }
    }
}


static void
ngx_http_privacy_status_text_sites(pv_buf_t *b, ngx_http_privacy_main_conf_t *pmcf)
{
    ngx_uint_t                 i, k;
    pv_policy_t               *policy;
    ngx_http_privacy_site_t  **sites;

    static const struct {
        const char  *name, *help;
    } metrics[] = {
        { "privacy_policy_sequence", "Number of the version in force; 0 when none is known." },
        { "privacy_policy_age_seconds", "Since the version in force came into force." },
        { "privacy_policy_log_missing", "1 when Redis has lost the publication log." },
        { "privacy_leases", "Subjects whose newest state this node keeps." },
        { "privacy_events_heard", "1 while this worker hears what other nodes say." },
        { "privacy_notices_lost", "1 when Redis has lost notices that this worker knows." }
    };

    sites = pmcf->sites.elts;

    for (i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
        ngx_http_privacy_status_metric(b, metrics[i].name, "gauge", metrics[i].help);

        for (k = 0; k < pmcf->sites.nelts; k++) {
            policy = sites[k]->store ? ngx_http_privacy_store_in_force(sites[k]->store) : NULL;

            long  values[] = {
                policy ? (long) policy->sequence : 0,
                policy ? (long) (ngx_time() - (time_t) policy->effective) : 0,
                sites[k]->store ? (long) sites[k]->store->log_missing : 0,
                (long) ngx_http_privacy_zone_lease_count(pmcf->zone, sites[k]->slot),
                (long) ngx_http_privacy_status_subscribed(pmcf, sites[k]),
                sites[k]->notices ? (long) ngx_http_privacy_notices_lost(sites[k]) : 0
            };

            pv_buf_printf(b, "%s{site=", metrics[i].name);
            ngx_http_privacy_status_label(b, ngx_http_privacy_str(&sites[k]->name));
            pv_buf_printf(b, "} %ld\n", values[i]);
        }
    }
}


static void
ngx_http_privacy_status_text_dropped(pv_buf_t *b, ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site,
    ngx_uint_t response)
{
    size_t        i, n;
    pv_str_t      purpose;
    ngx_uint_t    bit;
    pv_policy_t  *policy;

    policy = site->store ? ngx_http_privacy_store_in_force(site->store) : NULL;
    n = policy ? policy->purposes_count : 0;

    for (i = 0; i <= n; i++) {
        purpose = (i < n) ? policy->purposes[i].id : pv_str("");
        bit = (i < n) ? policy->purposes[i].bit : NGX_HTTP_PRIVACY_UNDECLARED;

        pv_buf_puts(b, "privacy_cookies_dropped_by_purpose_total{site=");
        ngx_http_privacy_status_label(b, ngx_http_privacy_str(&site->name));
        pv_buf_printf(b, ",direction=\"%s\",purpose=", response ? "response" : "request");
        ngx_http_privacy_status_label(b, purpose);
        pv_buf_printf(b, "} %lu\n",
                      (unsigned long) ngx_http_privacy_zone_dropped_count(pmcf->zone, site->slot, response, bit));
    }
}


static void
ngx_http_privacy_status_label(pv_buf_t *b, pv_str_t value)
{
    size_t  i;

    pv_buf_puts(b, "\"");

    for (i = 0; i < value.len; i++) {

        switch (value.data[i]) {

        case '"':
        case '\\':
            pv_buf_puts(b, "\\");
            pv_buf_add(b, &value.data[i], 1);
            break;

        case '\n':
            pv_buf_puts(b, "\\n");
            break;

        default:
            pv_buf_add(b, &value.data[i], 1);
            break;
        }
    }

    pv_buf_puts(b, "\"");
}


static void
ngx_http_privacy_status_metric(pv_buf_t *b, const char *name, const char *type, const char *help)
{
    pv_buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}
