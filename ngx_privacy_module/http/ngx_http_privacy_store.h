/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_HTTP_PRIVACY_STORE_H
#define NGX_HTTP_PRIVACY_STORE_H

/*
 * The policy store of one site in one worker: the heads of all entries of its
 * publication log (pv_log.h: look there for versions, neighbours, withdrawals),
 * and whole policies: always that of the version in force and that of the one
 * that comes into force next, others when asked for.
 *
 * Heads are read from the node's folder at process start and from the log in
 * Redis afterwards; both go through one gate, pv_log_settle().  Whole entries
 * are read when asked for, from the folder, else from Redis, and are verified
 * against their head.  What does not pass is logged and left out.
 *
 * Heads and the version in force are memory: looking at them waits for nothing.
 */

#include <ngx_config.h>
#include <ngx_core.h>

#include "pv_log.h"
#include "pv_policy.h"
#include "ngx_privacy_redis.h"


#define NGX_HTTP_PRIVACY_STORE_VERSIONS  20000      /* entries; past it: logged, and not added */
#define NGX_HTTP_PRIVACY_STORE_ERROR     256
#define NGX_HTTP_PRIVACY_STORE_MEMORY    (8 * 1024 * 1024)  /* of policies that nobody holds, a worker */
#define NGX_HTTP_PRIVACY_STORE_MISSED    16


typedef struct ngx_http_privacy_store_s  ngx_http_privacy_store_t;

/* Versions were added, or another one came into force. */
typedef void (*ngx_http_privacy_store_change_pt)(void *data, ngx_http_privacy_store_t *store);
/* A policy goes away: what was made of it goes too. */
typedef void (*ngx_http_privacy_store_drop_pt)(void *data, pv_policy_t *policy);
/*
 * A wake-up that is not about publishing: "revoked SUBJECT POSITION", "noticed N". The text is borrowed. NULL: the
 * channel was (re)subscribed, and what was said before may have been missed.
 */
typedef void (*ngx_http_privacy_store_event_pt)(void *data, ngx_str_t *text);


/*
 * A whole policy in memory.  Whoever holds it can use policy; when nobody
 * does, it stays as long as there is room, and goes, longest unused first.
 */
typedef struct {
    ngx_queue_t                       queue;        /* of its store */
    ngx_queue_t                       unused;       /* of the worker, when nobody holds it */
    ngx_http_privacy_store_t         *store;
    pv_policy_t                      *policy;
    ngx_uint_t                        held;
    size_t                            bytes;
} ngx_http_privacy_whole_t;


/* A whole entry on its way into memory: see ngx_http_privacy_store_load(). */
typedef struct ngx_http_privacy_store_load_s  ngx_http_privacy_store_load_t;

/* An entry that could not be had a moment ago. */
typedef struct {
    uint32_t                          sequence;
    time_t                            until;
} ngx_http_privacy_store_missed_t;


struct ngx_http_privacy_store_s {
    /* Set by the caller after create, before open. Each may be NULL. */
    ngx_http_privacy_store_change_pt  on_change;
    ngx_http_privacy_store_drop_pt    on_drop;
    ngx_http_privacy_store_event_pt   on_event;
    void                             *data;

    /* For the status page: read only. */
    ngx_str_t                         site;
    ngx_uint_t                        log_missing;  /* 1: Redis has no log, or a shorter one than we know: emptied */
    time_t                            last_sync;    /* when the log was last read to its end; 0: never */
    ngx_str_t                         last_error;   /* of the newest refusal or failure; empty: none since last_sync */

    /* The rest is the store's own. */
    ngx_pool_t                       *pool;
    ngx_log_t                        *log;
    u_char                            public_key[PV_ED25519_PUBLIC];
    ngx_str_t                         folder;       /* FOLDER/SITE, zero-terminated */
    ngx_privacy_redis_t              *redis;

    pv_log_t                         *chain;

    ngx_queue_t                       wholes;
    ngx_queue_t                       loads;        /* under way */
    ngx_http_privacy_whole_t         *in_force;     /* these two are held */
    ngx_http_privacy_whole_t         *upcoming;     /* what is in force next; NULL: nothing, or not loaded yet */
    ngx_http_privacy_store_missed_t   missed[NGX_HTTP_PRIVACY_STORE_MISSED];
    ngx_uint_t                        missed_next;

    uint32_t                          floor;
    time_t                            next;         /* when a newer known version comes into force; 0: none waits */
    ngx_event_t                       effective;    /* then, or when on_change is to be called, or to try again */
    ngx_uint_t                        changed;      /* on_change is due */
    ngx_uint_t                        opening;      /* process start: files are read at once */
    ngx_uint_t                        lacking;      /* a version is wanted that cannot be had: try again */

    ngx_event_t                       poll;         /* the next look at the log */
    ngx_privacy_redis_request_t      *request;      /* the one that a read of the log waits for */
    ngx_uint_t                        syncing;      /* a read of the log is under way */
    ngx_uint_t                        again;        /* woken meanwhile: read once more afterwards */
    ngx_uint_t                        added;        /* entries since the last update of what is in force */
    ngx_uint_t                        refused;      /* something was wrong in this read */
    ngx_uint_t                        failures;     /* reads in a row that failed: backs off */
    uint32_t                          after;        /* the page being read starts after this sequence */
    ngx_uint_t                        more;         /* there may be another page */

    struct ngx_http_privacy_store_entry_s *wanted;  /* entries of the page whose heads are still to be fetched */
    ngx_uint_t                        wanted_count;
    ngx_uint_t                        wanted_next;
    ngx_uint_t                        batch;        /* so many of them are asked for now */
    size_t                            prefix;       /* so many bytes of each */

    struct ngx_http_privacy_store_mirror_s *mirror; /* whole entries into the folder; NULL: no folder or no Redis */

    u_char                            error[NGX_HTTP_PRIVACY_STORE_ERROR];
};


/* In init_process. public_key: 32 bytes. folder: privacy_cache_path, may be empty. redis may be NULL: folder only. */
ngx_http_privacy_store_t *ngx_http_privacy_store_create(ngx_pool_t *pool, ngx_log_t *log, ngx_str_t *site,
    u_char *public_key, ngx_str_t *folder, ngx_privacy_redis_t *redis);

/*
 * Reads the heads in FOLDER/SITE/NNNNNNNNNN.bundle and the version in force,
 * with plain blocking calls: for process start only. A bad file is logged and
 * ignored. NGX_ERROR: out of memory.
 */
ngx_int_t ngx_http_privacy_store_open(ngx_http_privacy_store_t *store);

/*
 * Subscribes to the site's events and follows the log: after each connect, on
 * each "published", and every 60 s. What the log has and the folder has not is
 * copied there, one entry after another, by one worker at a time.
 */
void ngx_http_privacy_store_start(ngx_http_privacy_store_t *store);

/* In exit_process, before ngx_privacy_redis_close(): frees every head and policy. */
void ngx_http_privacy_store_destroy(ngx_http_privacy_store_t *store);

/* All known entries, settled. Heads stay good until destroy. */
static ngx_inline const pv_log_t *
ngx_http_privacy_store_log(ngx_http_privacy_store_t *store)
{
    return store->chain;
}

/* How many of them are versions, withdrawn ones too. */
size_t ngx_http_privacy_store_versions(ngx_http_privacy_store_t *store);

/* The newest version whose effective time has come, never an older one than before or than the floor. NULL: none. */
pv_policy_t *ngx_http_privacy_store_in_force(ngx_http_privacy_store_t *store);

/* The zone's in-force mark: what any worker, before or after a reload, has had in force. Only ever rises. */
void ngx_http_privacy_store_set_floor(ngx_http_privacy_store_t *store, uint32_t sequence);


/* A whole policy that is in memory, held; NULL: it is not. let_go() for each hold; let_go(NULL) does nothing. */
ngx_http_privacy_whole_t *ngx_http_privacy_store_hold(ngx_http_privacy_store_t *store, uint32_t sequence);
void ngx_http_privacy_store_let_go(ngx_http_privacy_whole_t *whole);
/* What those take that nobody holds, in this worker. */
size_t ngx_http_privacy_store_memory(void);
/* So many bytes more were made of it, and go with it. */
void ngx_http_privacy_store_weigh(ngx_http_privacy_whole_t *whole, size_t bytes);

/* The one that ngx_http_privacy_store_in_force() named just now, held. */
static ngx_inline ngx_http_privacy_whole_t *
ngx_http_privacy_store_hold_in_force(ngx_http_privacy_store_t *store)
{
    if (store->in_force) {
        store->in_force->held++;
    }

    return store->in_force;
}


/*
 * Begins to load a whole version, or joins a load of it that is under way.
 * *waiting: the queue for ngx_http_privacy_wait(); its end is told NGX_OK when
 * the policy is in memory, and can be held at once, else 503.  NGX_DECLINED:
 * could not be had a moment ago.  NGX_BUSY: too much is under way.
 */
ngx_int_t ngx_http_privacy_store_load(ngx_http_privacy_store_t *store, const pv_head_t *version,
    ngx_queue_t **waiting);

/*
 * The same for a sealed entry as it is, of any kind, for one who waits alone.
 * When the wait is over with NGX_OK, and not later, take_sealed() hands it
 * over, verified: an open file, else (NGX_INVALID_FILE) its bytes.
 */
ngx_int_t ngx_http_privacy_store_load_sealed(ngx_http_privacy_store_t *store, const pv_head_t *entry,
    ngx_http_privacy_store_load_t **load, ngx_queue_t **waiting);
void ngx_http_privacy_store_take_sealed(ngx_http_privacy_store_load_t *load, ngx_fd_t *fd, pv_buf_t *bytes);

#endif /* NGX_HTTP_PRIVACY_STORE_H */
