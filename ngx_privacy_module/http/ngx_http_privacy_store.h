/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_PRIVACY_STORE_H
#define NGX_HTTP_PRIVACY_STORE_H

/*
 * The policy store of one site in one worker: every entry of the publication
 * log that this worker knows, and which version is in force. It is filled from
 * the node's folder at process start and from the log in Redis afterwards;
 * both go through one gate: signature, site, digests, and the chain over what
 * is known (pv_log.h). What does not pass is logged and left out.
 *
 * Nothing here waits: look-ups are memory only. Opened policies are kept for
 * the life of the process, so a pointer that was handed out stays good until
 * ngx_http_privacy_store_destroy().
 */

#include <ngx_config.h>
#include <ngx_core.h>

#include "pv_log.h"
#include "pv_policy.h"
#include "ngx_privacy_redis.h"


#define NGX_HTTP_PRIVACY_STORE_VERSIONS  10000      /* entries; past it: logged, and not added */
#define NGX_HTTP_PRIVACY_STORE_ERROR     256


typedef struct ngx_http_privacy_store_s  ngx_http_privacy_store_t;

/* Versions were added, or another one came into force. */
typedef void (*ngx_http_privacy_store_change_pt)(void *data, ngx_http_privacy_store_t *store);
/* A wake-up that is not about publishing: "revoked SUBJECT POSITION", "noticed ...". The text is borrowed. */
typedef void (*ngx_http_privacy_store_event_pt)(void *data, ngx_str_t *text);


struct ngx_http_privacy_store_s {
    /* Set by the caller after create, before load. Each may be NULL. */
    ngx_http_privacy_store_change_pt  on_change;
    ngx_http_privacy_store_event_pt   on_event;
    void                             *data;

    /* For the status page: read only. */
    ngx_str_t                         site;
    ngx_uint_t                        log_missing;  /* 1: Redis has no log, or a shorter one than we know: emptied */
    ngx_uint_t                        subscribed;   /* 1: the event channel was heard of at least once */
    time_t                            last_sync;    /* when the log was last read to its end; 0: never */
    ngx_str_t                         last_error;   /* of the newest refusal or failure; empty: none since last_sync */

    /* The rest is the store's own. */
    ngx_pool_t                       *pool;
    ngx_log_t                        *log;
    u_char                            public_key[PV_ED25519_PUBLIC];
    ngx_str_t                         folder;       /* FOLDER/SITE, zero-terminated */
    ngx_privacy_redis_t              *redis;

    pv_log_t                         *chain;        /* every entry that is known; a node's folder may have gaps */
    pv_policy_t                     **versions;     /* the versions among them, by sequence, ascending */
    size_t                            count;
    size_t                            size;

    pv_policy_t                      *in_force;
    uint32_t                          floor;
    time_t                            next;         /* when a newer known version comes into force; 0: none waits */
    ngx_event_t                       effective;    /* then, or when on_change is to be called */
    ngx_uint_t                        changed;      /* on_change is due */

    ngx_event_t                       poll;         /* the next look at the log */
    ngx_privacy_redis_request_t      *request;      /* the one that a read of the log waits for */
    ngx_uint_t                        syncing;      /* a read of the log is under way */
    ngx_uint_t                        again;        /* woken meanwhile: read once more afterwards */
    ngx_uint_t                        added;        /* versions since the last update of what is in force */
    ngx_uint_t                        refused;      /* something was wrong in this read */
    ngx_uint_t                        failures;     /* reads in a row that failed: backs off */
    uint32_t                          after;        /* the page being read starts after this sequence */
    ngx_uint_t                        more;         /* there may be another page */

    struct ngx_http_privacy_store_entry_s *wanted;  /* entries of the page that are still to be fetched */
    ngx_uint_t                        wanted_count;
    ngx_uint_t                        wanted_next;

    u_char                            error[NGX_HTTP_PRIVACY_STORE_ERROR];
};


/* In init_process. public_key: 32 bytes. folder: privacy_cache_path, may be empty. redis may be NULL: folder only. */
ngx_http_privacy_store_t *ngx_http_privacy_store_create(ngx_pool_t *pool, ngx_log_t *log, ngx_str_t *site,
    u_char *public_key, ngx_str_t *folder, ngx_privacy_redis_t *redis);

/*
 * Reads FOLDER/SITE/NNNNNNNNNN.bundle, by sequence. Reads files with plain
 * blocking calls: for process start only. A bad file is logged and ignored.
 * NGX_ERROR: out of memory.
 */
ngx_int_t ngx_http_privacy_store_load(ngx_http_privacy_store_t *store);

/*
 * Subscribes to the site's events and follows the log: after each connect, on
 * each "published", and every 60 s.
 */
void ngx_http_privacy_store_start(ngx_http_privacy_store_t *store);

/* In exit_process, before ngx_privacy_redis_close(): frees every policy. */
void ngx_http_privacy_store_destroy(ngx_http_privacy_store_t *store);

/* The entries of all kinds that are known, settled. */
const pv_log_t *ngx_http_privacy_store_chain(ngx_http_privacy_store_t *store);

/*
 * All known versions by sequence, ascending, also those that were withdrawn.
 * The array moves when one is added: do not keep it, keep policies.
 */
pv_policy_t *const *ngx_http_privacy_store_versions(ngx_http_privacy_store_t *store, size_t *n);

/* By sequence, or NULL. By id ("2026-12-01"), or NULL. */
pv_policy_t *ngx_http_privacy_store_sequence(ngx_http_privacy_store_t *store, uint32_t sequence);
pv_policy_t *ngx_http_privacy_store_version(ngx_http_privacy_store_t *store, pv_str_t version);

/*
 * The newest version whose effective time has come and that was not withdrawn, never an older one than before or than
 * the floor. NULL: none.
 */
pv_policy_t *ngx_http_privacy_store_in_force(ngx_http_privacy_store_t *store);

/* The zone's in-force mark: what any worker, before or after a reload, has had in force. Only ever rises. */
void ngx_http_privacy_store_set_floor(ngx_http_privacy_store_t *store, uint32_t sequence);

#endif /* NGX_HTTP_PRIVACY_STORE_H */
