/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_PRIVACY_ZONE_H
#define NGX_HTTP_PRIVACY_ZONE_H

/*
 * What the workers of a node share: per site the in-force mark, counters, the
 * inventory of cookies seen, leases, what users have to be shown; and token
 * buckets against flooding.
 *
 * Everything is bounded by the zone's size: the oldest entry goes first. A
 * worker may die at any instruction, its mutex is then forced open: an entry
 * becomes visible, and is updated, by one final write. Survives a reload.
 */

#include <ngx_config.h>
#include <ngx_core.h>

#include "pv_network.h"
#include "pv_state.h"


#define NGX_HTTP_PRIVACY_SITES_MAX  64


/* Counters of a site. Names for status in the same order: ngx_http_privacy_counter_names[]. */
typedef enum {
    NGX_HTTP_PRIVACY_PAGES_PERSONAL = 0,    /* pages decorated */
    NGX_HTTP_PRIVACY_PAGES_SHARED,
    NGX_HTTP_PRIVACY_PAGES_UNDECIDED,       /* served without a choice */
    NGX_HTTP_PRIVACY_SKIPPED_SUBREQUEST,    /* not decorated, and why */
    NGX_HTTP_PRIVACY_SKIPPED_STATUS,
    NGX_HTTP_PRIVACY_SKIPPED_TYPE,
    NGX_HTTP_PRIVACY_SKIPPED_NO_TRANSFORM,
    NGX_HTTP_PRIVACY_SKIPPED_CHARSET,
    NGX_HTTP_PRIVACY_SKIPPED_FRAGMENT,
    NGX_HTTP_PRIVACY_SKIPPED_ENCODING,
    NGX_HTTP_PRIVACY_SKIPPED_FRAMESET,
    NGX_HTTP_PRIVACY_SKIPPED_NO_POLICY,
    NGX_HTTP_PRIVACY_COOKIES_PASSED_REQUEST,
    NGX_HTTP_PRIVACY_COOKIES_PASSED_RESPONSE,
    NGX_HTTP_PRIVACY_COOKIES_DROPPED_REQUEST,
    NGX_HTTP_PRIVACY_COOKIES_DROPPED_RESPONSE,
    NGX_HTTP_PRIVACY_COOKIES_EXPIRED,
    NGX_HTTP_PRIVACY_COOKIES_INVALID,       /* forged, foreign, duplicated or damaged cookies of ours */
    NGX_HTTP_PRIVACY_SIGNAL_GPC,
    NGX_HTTP_PRIVACY_SIGNAL_DNT,
    NGX_HTTP_PRIVACY_CHOICE_ACCEPT_ALL,     /* recorded */
    NGX_HTTP_PRIVACY_CHOICE_REJECT_ALL,
    NGX_HTTP_PRIVACY_CHOICE_CUSTOM,
    NGX_HTTP_PRIVACY_CHOICE_WITHDRAW,
    NGX_HTTP_PRIVACY_CHOICE_AGREE,
    NGX_HTTP_PRIVACY_CHOICE_DECLINE,
    NGX_HTTP_PRIVACY_CHOICE_STALE,          /* refused with a fresh form */
    NGX_HTTP_PRIVACY_CHOICE_REFUSED,        /* 4xx */
    NGX_HTTP_PRIVACY_CHOICE_FLOODING,       /* 429 */
    NGX_HTTP_PRIVACY_CHOICE_UNAVAILABLE,    /* 503 */
    NGX_HTTP_PRIVACY_PENDING_RECORDED,      /* refusals recorded with a later contact */
    NGX_HTTP_PRIVACY_LEASE_REFRESHED,
    NGX_HTTP_PRIVACY_LEASE_FAILED,
    NGX_HTTP_PRIVACY_LEASE_EXPIRED,         /* past the grace: served as undecided */
    NGX_HTTP_PRIVACY_LEASE_WAITED,          /* first page of a user that waited for Redis */
    NGX_HTTP_PRIVACY_REVOKED,               /* revocations heard of */
    NGX_HTTP_PRIVACY_LEDGERS_MISSING,       /* the ledger of a cookie was not there */
    NGX_HTTP_PRIVACY_LEDGERS_DAMAGED,       /* a record did not verify */
    NGX_HTTP_PRIVACY_USERS_BOUND,
    NGX_HTTP_PRIVACY_USERS_IGNORED,         /* user headers on cached or cacheable responses */
    NGX_HTTP_PRIVACY_NOTICES_BARS,          /* bars in pages */
    NGX_HTTP_PRIVACY_NOTICES_WRITTEN,       /* to a connection or into a page of the user, recorded */
    NGX_HTTP_PRIVACY_NOTICES_SEEN,
    NGX_HTTP_PRIVACY_NOTICES_ACKNOWLEDGED,  /* understood, agreed or declined */
    NGX_HTTP_PRIVACY_NOTICES_AGREED,
    NGX_HTTP_PRIVACY_NOTICES_DECLINED,
    NGX_HTTP_PRIVACY_NOTICES_LATER,
    NGX_HTTP_PRIVACY_NOTICES_REFUSED,       /* in Redis, but not signed, altered, or out of place */
    NGX_HTTP_PRIVACY_NOTICES_FAILED,        /* look-ups and recordings that Redis did not answer */
    NGX_HTTP_PRIVACY_STREAMS_OPENED,
    NGX_HTTP_PRIVACY_STREAMS_REFUSED,       /* 503: this worker has as many as it may */
    NGX_HTTP_PRIVACY_STREAMS_SLOW,          /* let go: too much waited for the client */
    NGX_HTTP_PRIVACY_STREAMS_CAPPED,        /* ended: as long as they may last */
    NGX_HTTP_PRIVACY_STREAMS_REPLACED,      /* ended: the user opened too many others */
    NGX_HTTP_PRIVACY_COUNTERS
} ngx_http_privacy_counter_t;

extern const char *ngx_http_privacy_counter_names[NGX_HTTP_PRIVACY_COUNTERS];


typedef struct ngx_http_privacy_zone_s  ngx_http_privacy_zone_t;   /* shm_zone->data */

/* At configuration time. */
ngx_shm_zone_t *ngx_http_privacy_zone_add(ngx_conf_t *cf, ngx_str_t *name, size_t size, void *tag);
/* A site's slot, by name: kept over a reload. NGX_ERROR when there are too many. Call in the zone's init (after data is
 * there) or in init_module. */
ngx_int_t ngx_http_privacy_zone_site(ngx_shm_zone_t *zone, ngx_str_t *site);

/* The in-force mark: never goes back. */
uint32_t ngx_http_privacy_zone_in_force(ngx_shm_zone_t *zone, ngx_int_t site);
void ngx_http_privacy_zone_set_in_force(ngx_shm_zone_t *zone, ngx_int_t site, uint32_t sequence);

/* Forms that are in Redis, and when (Unix seconds) that was found; 0: it is not known. Old ones are forgotten. */
time_t ngx_http_privacy_zone_form(ngx_shm_zone_t *zone, ngx_int_t site, uint64_t form);
void ngx_http_privacy_zone_set_form(ngx_shm_zone_t *zone, ngx_int_t site, uint64_t form, time_t found);

/* Counters: atomic, no lock. By purpose: cookies dropped, per purpose bit; 64 is "undeclared". */
void ngx_http_privacy_zone_count(ngx_shm_zone_t *zone, ngx_int_t site, ngx_http_privacy_counter_t counter,
    ngx_uint_t n);
ngx_atomic_uint_t ngx_http_privacy_zone_counter(ngx_shm_zone_t *zone, ngx_int_t site,
    ngx_http_privacy_counter_t counter);
void ngx_http_privacy_zone_dropped(ngx_shm_zone_t *zone, ngx_int_t site, ngx_uint_t response, uint64_t purposes);
ngx_atomic_uint_t ngx_http_privacy_zone_dropped_count(ngx_shm_zone_t *zone, ngx_int_t site, ngx_uint_t response,
    ngx_uint_t bit);

/*
 * Leases: the newest state that this node knows of a subject. `missing`: the
 * ledger was looked up and is not there (or does not match): old cookies count
 * for nothing.
 */
typedef struct {
    pv_consent_t  consent;          /* consent.checked: when it was looked up */
    uint32_t      settled;          /* which refusal that had been pending got into the ledger last; 0: none */
    uint32_t      floor;            /* a revocation was heard: what is older than this position is not trusted */
    unsigned      missing:1;
} ngx_http_privacy_lease_t;

/* NGX_OK and a copy, or NGX_DECLINED: then only `floor` says something. */
ngx_int_t ngx_http_privacy_zone_lease(ngx_shm_zone_t *zone, ngx_int_t site, const u_char *subject,
    ngx_http_privacy_lease_t *lease);
/* Keeps the newer: a lower position never replaces a higher one (unless `missing`). */
ngx_int_t ngx_http_privacy_zone_set_lease(ngx_shm_zone_t *zone, ngx_int_t site, ngx_http_privacy_lease_t *lease);
/* Who looks a subject up: NGX_OK for one caller within `hold` seconds over all workers, else NGX_BUSY. */
ngx_int_t ngx_http_privacy_zone_claim(ngx_shm_zone_t *zone, ngx_int_t site, const u_char *subject, time_t hold);
/* A revocation was heard: what is known of the subject below `position` is not trusted any more. */
void ngx_http_privacy_zone_revoke(ngx_shm_zone_t *zone, ngx_int_t site, const u_char *subject, uint32_t position);
/*
 * What was looked up in the future (the clock was ahead, and is right again; or another node's is) was looked up who knows
 * when: 0, which any reading is later than. Else when it was.
 */
uint32_t ngx_http_privacy_zone_lease_checked(uint32_t checked);
ngx_uint_t ngx_http_privacy_zone_lease_count(ngx_shm_zone_t *zone, ngx_int_t site);

/*
 * Notices: what a user has to be shown, as it was looked up. What arrived
 * since stands behind the cursor (log, number) and is judged anew by who asks.
 */
#define NGX_HTTP_PRIVACY_ZONE_DUE  8

typedef struct {
    uint32_t    id;                 /* ngx_http_privacy_zone_notice_id() */
    uint32_t    written;            /* 1: it is known to be recorded that it was written */
    u_char      later[8];           /* put off: in the session with this tag, or until this Unix time; zeros: not */
} ngx_http_privacy_zone_due_t;

typedef struct {
    u_char                       subject[PV_SUBJECT_LEN];
    uint32_t                     log;
    uint32_t                     number;
    uint32_t                     met;       /* Unix seconds of the first meeting; 0: not known */
    uint32_t                     age;       /* out: seconds since it was looked up */
    uint32_t                     epoch;     /* out; in: of the claim that the look-up began with */
    uint32_t                     n;
    ngx_http_privacy_zone_due_t  due[NGX_HTTP_PRIVACY_ZONE_DUE];
} ngx_http_privacy_zone_user_t;

#define ngx_http_privacy_zone_notice_id(change, number)  ((uint32_t) (number) << 1 | ((change) ? 0 : 1))

/* NGX_OK and a copy, or NGX_DECLINED: nothing is known. */
ngx_int_t ngx_http_privacy_zone_user(ngx_shm_zone_t *zone, ngx_int_t site, const u_char *subject,
    ngx_http_privacy_zone_user_t *user);
/*
 * A look-up begins: its answer counts only when nothing was done to the user's notices meanwhile (epoch). hold:
 * NGX_BUSY when another one began within so many seconds; 0: it begins in any case.
 */
ngx_int_t ngx_http_privacy_zone_user_claim(ngx_shm_zone_t *zone, ngx_int_t site, const u_char *subject, time_t hold,
    uint32_t *epoch);
/* NGX_DECLINED: something was done meanwhile. */
ngx_int_t ngx_http_privacy_zone_set_user(ngx_shm_zone_t *zone, ngx_int_t site, ngx_http_privacy_zone_user_t *user);
/* A notice was answered: it goes, and with a change all older ones. What is not known any more is looked up again. */
void ngx_http_privacy_zone_user_answered(ngx_shm_zone_t *zone, ngx_int_t site, const u_char *subject, uint32_t id);
/* The user chose: other notices may be for him now. What was looked up before is not known any more. */
void ngx_http_privacy_zone_user_chose(ngx_shm_zone_t *zone, ngx_int_t site, const u_char *subject);
/* It was put off, or recorded as written. */
void ngx_http_privacy_zone_user_later(ngx_shm_zone_t *zone, ngx_int_t site, const u_char *subject, uint32_t id,
    const u_char later[8]);
void ngx_http_privacy_zone_user_written(ngx_shm_zone_t *zone, ngx_int_t site, const u_char *subject, uint32_t id);

/*
 * The inventory: cookies by name, Domain, Path, learned from Set-Cookie only.
 * At most 1024 a site, fewer in a small zone; names up to 128 bytes. What is
 * not declared goes first. What is new is there for all workers at once; how
 * often it was seen since, within a second.
 */
typedef struct {
    ngx_str_t   name, domain, path;     /* copies in the pool given */
    ngx_str_t   attributes;             /* only on the way in: as written, from the first ';' on; domain, path lie within */
    int64_t     lifetime;               /* seconds; -1: session; the longest seen */
    uint64_t    purposes;               /* 0: undeclared (as of last seen) */
    ngx_uint_t  count, dropped;
    unsigned    http_only:1;
    unsigned    partitioned:1;
    time_t      last;
    time_t      last_necessary;         /* when it last passed as necessary; 0 never */
} ngx_http_privacy_seen_t;

/*
 * The short way: 1 when the worker told of a cookie of that name with these very attributes already, and it is counted
 * now. Else what it says has to be read.
 */
ngx_uint_t ngx_http_privacy_zone_saw_again(ngx_shm_zone_t *zone, ngx_int_t site, ngx_str_t *name,
    ngx_str_t *attributes, uint64_t purposes, ngx_uint_t dropped, ngx_uint_t necessary);
/* seen: all but count, dropped and the times. */
void ngx_http_privacy_zone_saw(ngx_shm_zone_t *zone, ngx_int_t site, ngx_http_privacy_seen_t *seen, ngx_uint_t dropped,
    ngx_uint_t necessary);
/* The worker ends: what it saw is told, nothing is kept. */
void ngx_http_privacy_zone_leave(ngx_shm_zone_t *zone);
/* All (array of ngx_http_privacy_seen_t), copied into pool. */
ngx_array_t *ngx_http_privacy_zone_inventory(ngx_shm_zone_t *zone, ngx_int_t site, ngx_pool_t *pool);
/* The Domain and Path variants learned for a name (at most max), for expiring. Returns how many. */
ngx_uint_t ngx_http_privacy_zone_learned(ngx_shm_zone_t *zone, ngx_int_t site, ngx_str_t *name,
    ngx_http_privacy_seen_t *seen, ngx_uint_t max, ngx_pool_t *pool);

/* What is taken from buckets of its own. */
typedef enum {
    NGX_HTTP_PRIVACY_BUCKET_CHOICES,
    NGX_HTTP_PRIVACY_BUCKET_DIFFS,
    NGX_HTTP_PRIVACY_BUCKET_NOTICES
} ngx_http_privacy_bucket_t;

/* pv_network() of a peer's address; 0: a unix socket. */
size_t ngx_http_privacy_network(u_char network[PV_NETWORK_MAX], struct sockaddr *sockaddr);

/* A token bucket an address prefix (IPv4 /24, IPv6 /48; unix sockets share one): NGX_BUSY when it is empty. */
ngx_int_t ngx_http_privacy_zone_take(ngx_shm_zone_t *zone, ngx_http_privacy_bucket_t what, struct sockaddr *sockaddr,
    ngx_uint_t rate_per_minute, ngx_uint_t burst);

/* For status: the bytes set aside for leases, and how many of them were never used. */
void ngx_http_privacy_zone_usage(ngx_shm_zone_t *zone, size_t *size, size_t *free);

#endif /* NGX_HTTP_PRIVACY_ZONE_H */
