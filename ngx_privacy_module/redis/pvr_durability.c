/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdio.h>
#include <string.h>

#include "pvr_durability.h"
#include "pvr_private.h"

#define PVR_VALUE_MAX  32           /* bytes of a setting that are shown */


/* In the order in which they are asked. */
enum {
    PVR_SETTING_EVICTION = 0,
    PVR_SETTING_PERSISTENCE,
    PVR_SETTING_MODE,               /* appendfsync, or min-replicas-to-write */
    PVR_SETTING_REPLICATION,
    PVR_SETTING_SERVER,
    PVR_SETTING_REWRITE = PVR_SETTING_REPLICATION
};


static int pvr_setting(pv_buf_t *out, const char *command, const char *what, const char *name);
static pv_str_t pvr_setting_value(redisReply *const *replies, size_t n, size_t i);
static pv_str_t pvr_info(redisReply *const *replies, size_t n, size_t i);
static void pvr_judge_eviction(pv_buf_t *warning, pv_buf_t *unknown, pv_str_t value);
static void pvr_judge_persistence(pv_buf_t *warning, pv_buf_t *unknown, pv_str_t info);
static void pvr_judge_fsync(pv_buf_t *warning, pv_buf_t *unknown, pv_str_t value);
static void pvr_judge_rewrite(pv_buf_t *warning, pv_buf_t *unknown, pv_str_t value);
static void pvr_judge_refusing(pv_buf_t *warning, pv_buf_t *unknown, unsigned replicas, pv_str_t value);
static void pvr_judge_connected(pv_buf_t *warning, pv_buf_t *unknown, unsigned replicas, pv_str_t info);
static unsigned pvr_online(pv_str_t info);
static pv_str_t pvr_info_field(pv_str_t info, const char *name);
static int pvr_shown(pv_str_t value);
static void pvr_say(pv_buf_t *list, const char *text);


static const char *const  pvr_modes[] = { "memory", "fsync", "replicas" };


int
pvr_durability_parse(pvr_durability_t *durability, pv_str_t text)
{
    uint64_t  n;

    static const char  replicas[] = "replicas=";

    durability->replicas = 0;

    if (pv_str_eqs(text, pvr_modes[PVR_MEMORY])) {
        durability->mode = PVR_MEMORY;
        return PV_OK;
    }

    if (pv_str_eqs(text, pvr_modes[PVR_FSYNC])) {
        durability->mode = PVR_FSYNC;
        return PV_OK;
    }

    if (text.len < sizeof(replicas) || memcmp(text.data, replicas, sizeof(replicas) - 1) != 0
        || pvr_number(&n, (const char *) text.data + sizeof(replicas) - 1, text.len - (sizeof(replicas) - 1)) != PV_OK
        || n == 0 || n > PVR_REPLICAS_MAX)
    {
        return PV_INVALID;
    }

    durability->mode = PVR_REPLICAS;
    durability->replicas = (unsigned) n;

    return PV_OK;
}


size_t
pvr_durability_text(char text[PVR_DURABILITY_TEXT], const pvr_durability_t *durability)
{
    int  n;

    if (durability->mode == PVR_REPLICAS) {
        n = snprintf(text, PVR_DURABILITY_TEXT, "%s=%u", pvr_modes[PVR_REPLICAS], durability->replicas % 1000);

    } else {
        n = snprintf(text, PVR_DURABILITY_TEXT, "%s", pvr_modes[durability->mode]);
    }

    return (size_t) n;
}


int
pvr_settings_ask(pv_buf_t *out, const pvr_durability_t *durability)
{
    int  n;

    pvr_setting(out, "CONFIG", "GET", "maxmemory-policy");
    pvr_setting(out, "INFO", "persistence", NULL);
    n = PVR_SETTING_PERSISTENCE + 1;

    switch (durability->mode) {

    case PVR_FSYNC:
        pvr_setting(out, "CONFIG", "GET", "appendfsync");
        pvr_setting(out, "CONFIG", "GET", "no-appendfsync-on-rewrite");
        n = PVR_SETTING_REWRITE + 1;
        break;

    case PVR_REPLICAS:
        pvr_setting(out, "CONFIG", "GET", "min-replicas-to-write");
        pvr_setting(out, "INFO", "replication", NULL);
        pvr_info_server(out);
        n = PVR_SETTING_SERVER + 1;
        break;

    default:
        break;
    }

    return out->failed ? PV_ERROR : n;
}


int
pvr_info_server(pv_buf_t *out)
{
    return pvr_setting(out, "INFO", "server", NULL);
}


static int
pvr_setting(pv_buf_t *out, const char *command, const char *what, const char *name)
{
    pvr_command_t  words = { .n = 0 };

    pvr_word(&words, command);
    pvr_word(&words, what);

    if (name) {
        pvr_word(&words, name);
    }

    return pvr_emit(out, &words);
}


void
pvr_settings_judge(pv_buf_t *warning, pv_buf_t *unknown, const pvr_durability_t *durability,
    redisReply *const *replies, size_t n)
{
    pvr_judge_eviction(warning, unknown, pvr_setting_value(replies, n, PVR_SETTING_EVICTION));
    pvr_judge_persistence(warning, unknown, pvr_info(replies, n, PVR_SETTING_PERSISTENCE));

    switch (durability->mode) {

    case PVR_FSYNC:
        pvr_judge_fsync(warning, unknown, pvr_setting_value(replies, n, PVR_SETTING_MODE));
        pvr_judge_rewrite(warning, unknown, pvr_setting_value(replies, n, PVR_SETTING_REWRITE));
        break;

    case PVR_REPLICAS:
        pvr_judge_refusing(warning, unknown, durability->replicas, pvr_setting_value(replies, n, PVR_SETTING_MODE));
        pvr_judge_connected(warning, unknown, durability->replicas, pvr_info(replies, n, PVR_SETTING_REPLICATION));
        break;

    default:
        break;
    }
}


/* What CONFIG GET of one name said; empty: nothing. */

static pv_str_t
pvr_setting_value(redisReply *const *replies, size_t n, size_t i)
{
    pv_str_t           value = pv_string("");
    const redisReply  *reply;

    reply = (i < n) ? replies[i] : NULL;

    if (reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2
        && reply->element[1]->type == REDIS_REPLY_STRING)
    {
        value.data = (const unsigned char *) reply->element[1]->str;
        value.len = (size_t) reply->element[1]->len;
    }

    return value;
}


static pv_str_t
pvr_info(redisReply *const *replies, size_t n, size_t i)
{
    pv_str_t           info = pv_string("");
    const redisReply  *reply;

    reply = (i < n) ? replies[i] : NULL;

    if (reply != NULL && reply->type == REDIS_REPLY_STRING) {
        info.data = (const unsigned char *) reply->str;
        info.len = (size_t) reply->len;
    }

    return info;
}


static void
pvr_judge_eviction(pv_buf_t *warning, pv_buf_t *unknown, pv_str_t value)
{
    if (value.len == 0) {
        pvr_say(unknown, "maxmemory-policy");

    } else if (!pv_str_eqs(value, "noeviction")) {
        pvr_say(warning, "maxmemory-policy is \"");
        pv_buf_printf(warning, "%.*s\", it has to be \"noeviction\"", pvr_shown(value), (const char *) value.data);
    }
}


static void
pvr_judge_persistence(pv_buf_t *warning, pv_buf_t *unknown, pv_str_t info)
{
    pv_str_t  enabled;

    enabled = pvr_info_field(info, "aof_enabled:");

    if (enabled.len == 0) {
        pvr_say(unknown, "appendonly");

    } else if (pv_str_eqs(enabled, "0")) {
        pvr_say(warning, "appendonly is \"no\", what came since the last snapshot is lost with the process");

    } else if (pv_str_eqs(pvr_info_field(info, "aof_last_write_status:"), "err")) {
        pvr_say(warning, "the last write of the append-only file failed");
    }
}


static void
pvr_judge_fsync(pv_buf_t *warning, pv_buf_t *unknown, pv_str_t value)
{
    if (value.len == 0) {
        pvr_say(unknown, "appendfsync");

    } else if (!pv_str_eqs(value, "always")) {
        pvr_say(warning, "appendfsync is \"");
        pv_buf_printf(warning, "%.*s\", it has to be \"always\"", pvr_shown(value), (const char *) value.data);
    }
}


/* Whatever appendfsync is, nothing is synced then while a child process writes a file. */

static void
pvr_judge_rewrite(pv_buf_t *warning, pv_buf_t *unknown, pv_str_t value)
{
    if (value.len == 0) {
        pvr_say(unknown, "no-appendfsync-on-rewrite");

    } else if (!pv_str_eqs(value, "no")) {
        pvr_say(warning, "no-appendfsync-on-rewrite is \"");
        pv_buf_printf(warning, "%.*s\", it has to be \"no\"", pvr_shown(value), (const char *) value.data);
    }
}


/* Redis itself refuses what comes while too few replicas are there: nothing is then written that will not be answered. */

static void
pvr_judge_refusing(pv_buf_t *warning, pv_buf_t *unknown, unsigned replicas, pv_str_t value)
{
    uint64_t  n;

    if (pvr_number(&n, (const char *) value.data, value.len) != PV_OK) {
        pvr_say(unknown, "min-replicas-to-write");

    } else if (n < replicas) {
        pvr_say(warning, "min-replicas-to-write is ");
        pv_buf_printf(warning, "%u, it has to be %u", (unsigned) n, replicas);
    }
}


static void
pvr_judge_connected(pv_buf_t *warning, pv_buf_t *unknown, unsigned replicas, pv_str_t info)
{
    unsigned  n;

    if (pvr_info_field(info, "connected_slaves:").len == 0) {
        pvr_say(unknown, "replicas");
        return;
    }

    if (pv_str_eqs(pvr_info_field(info, "role:"), "slave")) {
        return;         /* it takes no choice, and has none of its own: it was asked before that was known */
    }

    n = pvr_online(info);

    if (n < replicas) {
        pvr_say(warning, "");
        pv_buf_printf(warning, "%u of %u replica%s connected", n, replicas, (replicas == 1) ? " is" : "s are");
    }
}


/* Of those that are connected, who is past its first copy: only they acknowledge. */

static unsigned
pvr_online(pv_str_t info)
{
    unsigned              n;
    const unsigned char  *p, *last;

    static const char  online[] = ",state=online";

    n = 0;
    p = info.data;
    last = info.data + info.len;

    while (n <= PVR_REPLICAS_MAX && (p = memmem(p, (size_t) (last - p), online, sizeof(online) - 1)) != NULL) {
        p += sizeof(online) - 1;
        n++;
    }

    return n;
}


/* "name:" begins a line; what stands behind it, empty when there is no such line. */

static pv_str_t
pvr_info_field(pv_str_t info, const char *name)
{
    size_t                len;
    pv_str_t              value = pv_string("");
    const unsigned char  *p, *end, *last;

    len = strlen(name);
    last = info.data + info.len;

    for (p = info.data; p < last; p = end + 1) {
        end = memchr(p, '\n', (size_t) (last - p));

        if (end == NULL) {
            end = last;
        }

        if ((size_t) (end - p) > len && memcmp(p, name, len) == 0) {
            value.data = p + len;
            value.len = (size_t) (end - p) - len;

            if (value.data[value.len - 1] == '\r') {
                value.len--;
            }

            break;
        }
    }

    return value;
}


/* For "%.*s": only what can stand in a log as it is. */

static int
pvr_shown(pv_str_t value)
{
    size_t  n;

    for (n = 0; n < value.len && n < PVR_VALUE_MAX && value.data[n] > ' ' && value.data[n] < 0x7f; n++) { /* void */ }

    return (int) n;
}


static void
pvr_say(pv_buf_t *list, const char *text)
{
    if (list->len) {
        pv_buf_puts(list, "; ");
    }

    pv_buf_puts(list, text);
}


pv_str_t
pvr_settings_run_id(redisReply *const *replies, size_t n)
{
    return pvr_run_id((PVR_SETTING_SERVER < n) ? replies[PVR_SETTING_SERVER] : NULL);
}


pv_str_t
pvr_run_id(const redisReply *info)
{
    redisReply  *reply;

    reply = (redisReply *) info;

    return pvr_info_field(pvr_info(&reply, 1, 0), "run_id:");
}


int
pvr_ledger_touch(pv_buf_t *out, pv_str_t site, const unsigned char *subject, int64_t term)
{
    char           key[PVR_KEY_MAX], seconds[PVR_NUMBER_MAX];
    pvr_command_t  command = { .n = 0 };

    if (term <= 0) {
        /* it would be the end of the ledger */
        out->failed = 1;
        return PV_ERROR;
    }

    pvr_word(&command, "EXPIRE");
    pvr_add(&command, key, pvr_key_ledger(key, site, subject));
    pvr_add(&command, seconds, pvr_decimal(seconds, (uint64_t) term));

    return pvr_emit(out, &command);
}


int
pvr_touched(const redisReply *reply)
{
    return reply != NULL && reply->type == REDIS_REPLY_INTEGER && reply->integer == 1;
}


int
pvr_wait(pv_buf_t *out, unsigned replicas, unsigned msec)
{
    char           number[PVR_NUMBER_MAX], timeout[PVR_NUMBER_MAX];
    pvr_command_t  command = { .n = 0 };

    if (msec == 0) {
        /* for ever */
        out->failed = 1;
        return PV_ERROR;
    }

    pvr_word(&command, "WAIT");
    pvr_add(&command, number, pvr_decimal(number, replicas));
    pvr_add(&command, timeout, pvr_decimal(timeout, msec));

    return pvr_emit(out, &command);
}


long
pvr_waited(const redisReply *reply)
{
    if (reply == NULL || reply->type != REDIS_REPLY_INTEGER || reply->integer < 0
        || reply->integer > PVR_REPLY_ELEMENTS)
    {
        return -1;
    }

    return (long) reply->integer;
}
