/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_PRIVACY_ZONE_SHARED_H
#define NGX_HTTP_PRIVACY_ZONE_SHARED_H

/*
 * How the zone looks in memory: for the zone's own files only. No address of
 * code may stand in it, for a reload may bring another build of the module.
 *
 * Leases, users' notices, token buckets and inventories are pv_table_t: taken from the slab
 * once, never given back, and torn by no death of a worker.
 */

#include <ngx_config.h>
#include <ngx_core.h>

#include "pv_table.h"
#include "ngx_http_privacy_zone.h"


#define NGX_HTTP_PRIVACY_UNDECLARED       64        /* in `dropped`, after the bits of the purposes */

#define NGX_HTTP_PRIVACY_ZONE_FORMS       32        /* of a site */
#define NGX_HTTP_PRIVACY_ZONE_FORM_PLACES 4

#define NGX_HTTP_PRIVACY_SEEN_TEXT        128
#define NGX_HTTP_PRIVACY_SEEN_MAX         1024      /* cookies in the inventory of one site */


typedef struct {
    ngx_atomic_t  in_force;
    ngx_atomic_t  counters[NGX_HTTP_PRIVACY_COUNTERS];
    uint64_t      forms[NGX_HTTP_PRIVACY_ZONE_FORMS][NGX_HTTP_PRIVACY_ZONE_FORM_PLACES];  /* half the number, and when */
    ngx_atomic_t  dropped[2][NGX_HTTP_PRIVACY_UNDECLARED + 1];     /* in requests, in responses */
    pv_table_t    inventory;
    size_t        name_len;
    u_char        name[PV_SITE_MAX];
} ngx_http_privacy_zone_site_t;


typedef struct {
    uint64_t                       layout;          /* of the build that made the zone */
    ngx_atomic_t                   warned;          /* that it is too small */
    ngx_atomic_t                   sites_count;     /* raised when the site stands complete */
    ngx_http_privacy_zone_site_t  *sites[NGX_HTTP_PRIVACY_SITES_MAX];
    pv_table_t                     leases;
    pv_table_t                     users;
    pv_table_t                     buckets;
} ngx_http_privacy_zone_shared_t;


typedef struct ngx_http_privacy_zone_notes_s  ngx_http_privacy_zone_notes_t;

struct ngx_http_privacy_zone_s {
    ngx_http_privacy_zone_shared_t  *shared;
    ngx_slab_pool_t                 *pool;
    ngx_http_privacy_zone_notes_t   *notes;     /* the worker's own: what it saw and did not tell yet */
};


/* A subject in a site. The key comes first and has no padding. */
typedef struct {
    u_char        subject[PV_SUBJECT_LEN];
    uint64_t      site;
    pv_consent_t  consent;      /* when known */
    uint32_t      floor;        /* what is known at a lower position is not trusted */
    uint32_t      claimed;      /* somebody looks it up until then; 0: nobody. Seconds of the monotonic clock */
    uint32_t      known;        /* KNOWN_... */
    uint32_t      settled;
} ngx_http_privacy_zone_lease_t;

#define NGX_HTTP_PRIVACY_KNOWN_NOTHING   0
#define NGX_HTTP_PRIVACY_KNOWN_CONSENT   1
#define NGX_HTTP_PRIVACY_KNOWN_MISSING   2


/* What a subject has to be shown. The key comes first and has no padding. */
typedef struct {
    u_char                       subject[PV_SUBJECT_LEN];
    uint64_t                     site;
    uint32_t                     looked;    /* when the answer came; 0: nothing is known. Of the monotonic clock, s */
    uint32_t                     claimed;   /* when the last look-up began; 0: none did */
    uint32_t                     epoch;     /* raised by what makes the answer to a look-up under way an old one */
    uint32_t                     log;
    uint32_t                     number;
    uint32_t                     met;
    uint32_t                     n;
    uint32_t                     unused;
    ngx_http_privacy_zone_due_t  due[NGX_HTTP_PRIVACY_ZONE_DUE];
} ngx_http_privacy_zone_entry_t;


/* A cookie in an inventory: grouped by name, named by name, domain and path. */
typedef struct {
    uint64_t  name_len;
    u_char    name[NGX_HTTP_PRIVACY_SEEN_TEXT];
    uint32_t  domain_len;
    uint32_t  path_len;
    u_char    domain[NGX_HTTP_PRIVACY_SEEN_TEXT];
    u_char    path[NGX_HTTP_PRIVACY_SEEN_TEXT];
    int64_t   lifetime;
    uint64_t  purposes;
    uint64_t  count;
    uint64_t  dropped;
    int64_t   last;
    int64_t   last_necessary;
    uint32_t  http_only;
    uint32_t  partitioned;
} ngx_http_privacy_zone_seen_t;


/* A token bucket. The excess is what was taken and has not flowed back, in thousandths of a token. */
typedef struct {
    u_char    prefix[8];        /* how long the network is, the network, what is taken */
    uint64_t  excess;
    uint64_t  last;             /* ngx_current_msec */
} ngx_http_privacy_zone_bucket_t;


static ngx_inline ngx_http_privacy_zone_t *
ngx_http_privacy_zone_of(ngx_shm_zone_t *zone)
{
    return (zone != NULL) ? zone->data : NULL;
}


/* NULL for a site that has no slot. */
static ngx_inline ngx_http_privacy_zone_site_t *
ngx_http_privacy_zone_site_of(ngx_shm_zone_t *zone, ngx_int_t site)
{
    ngx_http_privacy_zone_t  *ctx;

    ctx = ngx_http_privacy_zone_of(zone);

    if (ctx == NULL || site < 0 || (ngx_uint_t) site >= ctx->shared->sites_count) {
        return NULL;
    }

    return ctx->shared->sites[site];
}


/* Seconds that only rise: what the clock on the wall does must not matter. */
static ngx_inline uint32_t
ngx_http_privacy_zone_now(void)
{
    return (uint32_t) (ngx_current_msec / 1000);
}

#endif /* NGX_HTTP_PRIVACY_ZONE_SHARED_H */
