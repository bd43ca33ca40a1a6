/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PVR_CLUSTER_H
#define PVR_CLUSTER_H

/*
 * More than one server: which slot a key is in, what servers say of each
 * other, and the commands that ask them. No I/O; every reply is untrusted.
 */

#include "pvr.h"

#define PVR_SLOTS          16384
#define PVR_HOST_MAX       256
#define PVR_REDIRECTS_MAX  5        /* of one request */

/* Of a server, as another one names it: an address or a name. host may be empty: the one that was asked. */
typedef struct {
    char  host[PVR_HOST_MAX];
    int   port;
} pvr_address_t;

/* The slot of a key: of what stands between the first { and the next }, when that is not empty, else of all of it. */
unsigned pvr_slot(const void *key, size_t len);


/* "MOVED 3999 127.0.0.1:6381" or "ASK ...". PV_OK, or PV_INVALID: it is neither. */
typedef struct {
    pvr_status_t   kind;            /* PVR_MOVED: for good; PVR_ASK: this time, behind ASKING */
    unsigned       slot;
    pvr_address_t  address;
} pvr_redirect_t;

int pvr_redirect(pvr_redirect_t *redirect, const redisReply *reply);


/* CLUSTER SLOTS: element i, the slots first to last and their master. PV_INVALID when it is none. */
typedef struct {
    unsigned       first, last;
    pvr_address_t  master;
} pvr_range_t;

int pvr_cluster_slots(pv_buf_t *out);
int pvr_cluster_range(pvr_range_t *range, const redisReply *slots, size_t i);
/* Its replica k, from 0; PV_INVALID when there is none. */
int pvr_cluster_replica(pvr_address_t *replica, const redisReply *slots, size_t i, size_t k);
/* CLUSTER NODES: 1 when a slot is on its way from or to the server that was asked, 0 when none is, or PV_INVALID. */
int pvr_cluster_nodes(pv_buf_t *out);
int pvr_cluster_moving(const redisReply *nodes);
/* The next command concerns a slot that is being moved here. */
int pvr_asking(pv_buf_t *out);


/* ROLE: 1 a master, 0 a replica or a sentinel, or PV_INVALID. */
int pvr_role(pv_buf_t *out);
int pvr_is_master(const redisReply *role);
/* How many replicas a master has that are connected and up to date, or -1: it is no master. */
long pvr_replicas(const redisReply *role);

/* SENTINEL get-master-addr-by-name NAME. PV_OK, or PV_INVALID: it knows none of that name. */
int pvr_sentinel_ask(pv_buf_t *out, pv_str_t name);
int pvr_sentinel_master(pvr_address_t *master, const redisReply *reply);
/* What sentinels publish on +switch-master: "NAME OLD-HOST OLD-PORT HOST PORT". PV_INVALID also for another name. */
#define PVR_SWITCH_MASTER  "+switch-master"
int pvr_switch_master(pvr_address_t *master, pv_str_t message, pv_str_t name);


/*
 * The next command of formatted ones (pvr.h), taken off rest: its bytes, and
 * the key that it goes by; an empty one when any server may have it. PV_OK, or
 * PV_INVALID: these are no commands.
 */
int pvr_command_next(pv_str_t *rest, pv_str_t *command, pv_str_t *key);

#endif /* PVR_CLUSTER_H */
