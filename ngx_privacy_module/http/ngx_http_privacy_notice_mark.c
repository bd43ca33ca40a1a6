/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_notices.h"
#include "ngx_http_privacy_ledger_private.h"
#include "pvr_cluster.h"


/*
 * What became of notices, recorded: of each user in a hash of his own, where
 * the first time counts.  "Written" is recorded of many users at a time and
 * waits for nothing; the rest is what a user did, who is told that it is saved
 * when Redis said so.
 */

#define NGX_HTTP_PRIVACY_MARK_BYTES      (256 * 1024)
#define NGX_HTTP_PRIVACY_MARK_DEADLINE   10000      /* ms, of what was written: nobody waits for it */


typedef struct {
    ngx_http_privacy_main_conf_t  *main;
    ngx_http_privacy_site_t       *site;
    ngx_uint_t                     step;            /* replies a user */
    pv_buf_t                       commands;        /* some may have to be sent again */
    ngx_uint_t                     again;           /* these are those */
} ngx_http_privacy_written_t;


struct ngx_http_privacy_mark_s {
    ngx_http_privacy_main_conf_t  *main;
    ngx_http_privacy_site_t       *site;
    u_char                         subject[PV_SUBJECT_LEN];
    ngx_http_privacy_mark_what_t   what;
    ngx_msec_t                     end;             /* ngx_current_msec when it has to be over */
    pv_buf_t                       commands;        /* the transaction, for it may have to be sent again */
    ngx_uint_t                     n;               /* replies that it has */
    ngx_uint_t                     moves;
    ngx_http_privacy_mark_pt       handler;         /* NULL: nobody waits for it any more */
    void                          *data;
};


static void ngx_http_privacy_written_send(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_notice_t *notice,
    const u_char *subjects[], ngx_uint_t n, ngx_uint_t kept, ngx_uint_t endpoint, ngx_uint_t endpoints);
static void ngx_http_privacy_written_again(pv_buf_t *commands, pv_str_t first, pv_str_t site, const u_char *subject);
static void ngx_http_privacy_written_done(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n);
static ngx_uint_t ngx_http_privacy_written_elsewhere(ngx_http_privacy_written_t *written, redisReply **replies,
    ngx_uint_t n);
static void ngx_http_privacy_written_free(ngx_http_privacy_written_t *written);
static ngx_int_t ngx_http_privacy_mark_send(ngx_http_privacy_mark_t *mark);
static void ngx_http_privacy_mark_done(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n);
static ngx_int_t ngx_http_privacy_mark_settle(ngx_http_privacy_mark_t *mark);
static void ngx_http_privacy_mark_settled(void *data, pvr_status_t status);
static void ngx_http_privacy_mark_free(ngx_http_privacy_mark_t *mark);


int64_t
ngx_http_privacy_notice_term(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site)
{
    int64_t                        at, longest;
    ngx_uint_t                     i;
    pv_policy_t                   *policy;
    ngx_http_privacy_srv_conf_t  **servers;

    longest = 86400;
    servers = pmcf->servers.elts;
    policy = ngx_http_privacy_store_in_force(site->store);

    for (i = 0; i < pmcf->servers.nelts; i++) {
        if (servers[i]->site == site) {
            at = ngx_http_privacy_ledger_expire_at(servers[i], policy) - (int64_t) ngx_time();
            longest = ngx_max(longest, at);
        }
    }

    return longest;
}


void
ngx_http_privacy_notice_written(ngx_http_privacy_notice_t *notice, const u_char *subjects[], ngx_uint_t n,
    ngx_uint_t kept)
{
    ngx_uint_t                     i, batch, endpoint, endpoints;
    ngx_http_privacy_main_conf_t  *pmcf;

    pmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle, ngx_http_privacy_module);

    if (pmcf->redis == NULL) {
        return;
    }

    endpoints = ngx_privacy_redis_endpoints(pmcf->redis);

    for (i = 0; i < n; i += batch) {
        batch = ngx_min(n - i, NGX_HTTP_PRIVACY_NOTICE_WRITTEN);

        for (endpoint = 0; endpoint < endpoints; endpoint++) {
            ngx_http_privacy_written_send(pmcf, notice, subjects + i, batch, kept, endpoint, endpoints);
        }
    }
}


/*
 * Of these users, those whose keys go to one endpoint.  Their commands differ in the pseudonym alone: the first is
 * formatted, the others are it with another one.
 */

static void
ngx_http_privacy_written_send(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_notice_t *notice,
    const u_char *subjects[], ngx_uint_t n, ngx_uint_t kept, ngx_uint_t endpoint, ngx_uint_t endpoints)
{
    char                         key[PVR_KEY_MAX], first[PVR_KEY_MAX];
    u_char                       bytes[3 * PVR_KEY_MAX];        /* two commands, whose keys are not that long */
    pv_buf_t                     commands;
    pv_str_t                     site, command;
    ngx_str_t                    route, candidate;
    ngx_uint_t                   i, sent;
    ngx_http_privacy_written_t  *written;

    site = ngx_http_privacy_str(&notice->site->name);

    sent = 0;
    ngx_str_null(&route);
    command.data = NULL;
    command.len = 0;
    pv_buf_init(&commands, NGX_HTTP_PRIVACY_MARK_BYTES);

    for (i = 0; i < n; i++) {

        if (endpoints > 1 || sent == 0) {
            candidate.data = (u_char *) key;
            candidate.len = pvr_key_notices(key, site, subjects[i]);

            if (endpoints > 1 && ngx_privacy_redis_endpoint(pmcf->redis, &candidate) != endpoint) {
                continue;
            }
        }

        if (sent == 0) {
            ngx_memcpy(first, key, candidate.len);
            route.data = (u_char *) first;
            route.len = candidate.len;

            (void) pvr_notice_set(&commands, site, subjects[i], notice->notice->id, PV_NOTICE_WRITTEN, ngx_time(),
                                  PV_ANSWER_NONE, NULL);

            if (!kept) {
                (void) pvr_notice_expire(&commands, site, subjects[i],
                                         ngx_http_privacy_notice_term(pmcf, notice->site));
            }

            command.data = bytes;
            command.len = commands.failed ? 0 : ngx_min(commands.len, sizeof(bytes));
            ngx_memcpy(bytes, commands.data, command.len);

        } else {
            ngx_http_privacy_written_again(&commands, command, site, subjects[i]);
        }

        sent++;
    }

    if (sent == 0) {
        pv_buf_free(&commands);
        return;
    }

    written = commands.failed ? NULL : ngx_calloc(sizeof(ngx_http_privacy_written_t), ngx_cycle->log);

    if (written == NULL) {
        pv_buf_free(&commands);
        ngx_http_privacy_zone_count(pmcf->zone, notice->site->slot, NGX_HTTP_PRIVACY_NOTICES_FAILED, sent);
        return;
    }

    written->main = pmcf;
    written->site = notice->site;
    written->step = kept ? 1 : 2;
    written->commands = commands;

    if (ngx_privacy_redis_send(pmcf->redis, &route, commands.data, commands.len, written->step * sent,
                               NGX_HTTP_PRIVACY_MARK_DEADLINE, 1, ngx_http_privacy_written_done, written)
        == NULL)
    {
        ngx_http_privacy_zone_count(pmcf->zone, notice->site->slot, NGX_HTTP_PRIVACY_NOTICES_FAILED, sent);
        ngx_http_privacy_written_free(written);
        return;
    }

    if (endpoints == 1) {
        /* there is no other place to send them to */
        pv_buf_free(&written->commands);
    }
}


/* The first user's commands once more, for another one: the pseudonym stands after "{SITE:" in each key. */

static void
ngx_http_privacy_written_again(pv_buf_t *commands, pv_str_t first, pv_str_t site, const u_char *subject)
{
    u_char    *p, *end;
    pv_str_t   bytes;

    pv_buf_str(commands, first);

    if (commands->failed) {
        return;
    }

    end = commands->data + commands->len;
    bytes.data = subject;
    bytes.len = PV_SUBJECT_LEN;

    for (p = end - first.len; (p = memchr(p, '{', end - p)) != NULL; p += PV_SUBJECT_TEXT) {
        p += 1 + site.len + 1;
        (void) pv_base64url_encode(p, bytes);
    }
}


/* What could not be recorded is not repeated: it is written again to whoever comes back and has not answered. */

static void
ngx_http_privacy_written_done(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n)
{
    ngx_http_privacy_written_t  *written = data;

    ngx_uint_t  i, failed, first, again;

    again = (status == PVR_OK && !written->again) ? ngx_http_privacy_written_elsewhere(written, replies, n) : 0;
    first = 0;
    failed = (status != PVR_OK);

    for (i = 0; status == PVR_OK && i < n; i += written->step) {

        if (replies[i]->type != REDIS_REPLY_INTEGER) {
            failed++;

        } else if (replies[i]->integer == 1) {
            first++;
        }
    }

    ngx_http_privacy_zone_count(written->main->zone, written->site->slot, NGX_HTTP_PRIVACY_NOTICES_WRITTEN, first);
    ngx_http_privacy_zone_count(written->main->zone, written->site->slot, NGX_HTTP_PRIVACY_NOTICES_FAILED,
                                failed - again);

    if (again == 0) {
        ngx_http_privacy_written_free(written);
    }
}


/* Of those whose slot is at another server by now, each command once more, where it belongs; returns how many they are. */

static ngx_uint_t
ngx_http_privacy_written_elsewhere(ngx_http_privacy_written_t *written, redisReply **replies, ngx_uint_t n)
{
    pv_buf_t      commands;
    pv_str_t      rest, command, key;
    ngx_uint_t    i, users;
    pvr_status_t  status;

    rest.data = written->commands.data;
    rest.len = written->commands.len;

    users = 0;
    status = PVR_OK;
    pv_buf_init(&commands, NGX_HTTP_PRIVACY_MARK_BYTES);

    for (i = 0; i < n && pvr_command_next(&rest, &command, &key) == PV_OK; i++) {

        if (i % written->step == 0) {
            status = pvr_status(replies[i]);
            users += (status == PVR_MOVED || status == PVR_ASK);
        }

        if (status == PVR_MOVED || status == PVR_ASK) {
            pv_buf_str(&commands, command);
        }
    }

    pv_buf_free(&written->commands);
    written->commands = commands;
    written->again = 1;

    if (users == 0 || commands.failed
        || ngx_privacy_redis_send_each(written->main->redis, commands.data, commands.len, written->step * users,
                                       NGX_HTTP_PRIVACY_MARK_DEADLINE, 1, ngx_http_privacy_written_done, written)
           == NULL)
    {
        return 0;
    }

    return users;
}


static void
ngx_http_privacy_written_free(ngx_http_privacy_written_t *written)
{
    pv_buf_free(&written->commands);
    ngx_free(written);
}


ngx_http_privacy_mark_t *
ngx_http_privacy_notice_mark(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_notice_t *notice,
    const ngx_http_privacy_reader_t *reader, ngx_http_privacy_mark_what_t what, ngx_msec_t deadline,
    ngx_http_privacy_mark_pt handler, void *data)
{
    ngx_http_privacy_mark_t  *mark;

    if (pmcf->redis == NULL) {
        return NULL;
    }

    mark = ngx_calloc(sizeof(ngx_http_privacy_mark_t), ngx_cycle->log);
    if (mark == NULL) {
        return NULL;
    }

    mark->main = pmcf;
    mark->site = notice->site;
    mark->what = what;
    mark->end = ngx_current_msec + deadline;
    ngx_memcpy(mark->subject, reader->subject, PV_SUBJECT_LEN);
    mark->handler = handler;
    mark->data = data;

    pv_buf_init(&mark->commands, NGX_HTTP_PRIVACY_MARK_BYTES);

    mark->n = pvr_notice_record(&mark->commands, ngx_http_privacy_str(&notice->site->name), reader->subject,
                                notice->notice->id,
                                what == NGX_HTTP_PRIVACY_MARK_SEEN ? PV_NOTICE_SEEN
                                : what == NGX_HTTP_PRIVACY_MARK_LATER ? PV_NOTICE_LATER : PV_NOTICE_ACKNOWLEDGED,
                                ngx_time(),
                                what == NGX_HTTP_PRIVACY_MARK_AGREED ? PV_ANSWER_AGREED
                                : what == NGX_HTTP_PRIVACY_MARK_DECLINED ? PV_ANSWER_DECLINED : PV_ANSWER_NONE,
                                reader->session, ngx_http_privacy_notice_term(pmcf, notice->site));

    if (ngx_http_privacy_mark_send(mark) != NGX_OK) {
        ngx_http_privacy_mark_free(mark);
        return NULL;
    }

    return mark;
}


static ngx_int_t
ngx_http_privacy_mark_send(ngx_http_privacy_mark_t *mark)
{
    char            key[PVR_KEY_MAX];
    ngx_str_t       route;
    ngx_msec_int_t  left;

    left = (ngx_msec_int_t) (mark->end - ngx_current_msec);

    if (mark->n == 0 || left <= 0) {
        return NGX_ERROR;
    }

    route.data = (u_char *) key;
    route.len = pvr_key_notices(key, ngx_http_privacy_str(&mark->site->name), mark->subject);

    return ngx_privacy_redis_send(mark->main->redis, &route, mark->commands.data, mark->commands.len, mark->n,
                                  (ngx_msec_t) left, 1, ngx_http_privacy_mark_done, mark)
           ? NGX_OK : NGX_ERROR;
}


void
ngx_http_privacy_notice_mark_detach(ngx_http_privacy_mark_t *mark)
{
    mark->handler = NULL;
}


static void
ngx_http_privacy_mark_done(void *data, pvr_status_t status, redisReply **replies, ngx_uint_t n)
{
    ngx_http_privacy_mark_t  *mark = data;

    status = ngx_http_privacy_replies_status(status, replies, n);

    if (status == PVR_OK && pvr_notice_recorded(replies[n - 1]) != PV_OK) {
        status = PVR_PROTOCOL;
    }

    if (status == PVR_OK) {

        switch (ngx_http_privacy_mark_settle(mark)) {

        case NGX_OK:
            return;

        case NGX_DECLINED:
            break;

        default:
            status = PVR_SHORT;
            break;
        }
    }

    ngx_http_privacy_mark_settled(mark, status);
}


/* An answer is proof: it has to be as durable as a choice. That it was seen, or put off, need not be. */

static ngx_int_t
ngx_http_privacy_mark_settle(ngx_http_privacy_mark_t *mark)
{
    pv_buf_t  touch;

    if (mark->what < NGX_HTTP_PRIVACY_MARK_ACKNOWLEDGED) {
        return NGX_DECLINED;
    }

    pv_buf_init(&touch, NGX_HTTP_PRIVACY_MARK_BYTES);
    (void) pvr_notice_expire(&touch, ngx_http_privacy_str(&mark->site->name), mark->subject,
                             ngx_http_privacy_notice_term(mark->main, mark->site));

    return ngx_http_privacy_settle(mark->main, &touch, mark->end, ngx_http_privacy_mark_settled, mark, NULL);
}


static void
ngx_http_privacy_mark_settled(void *data, pvr_status_t status)
{
    ngx_http_privacy_mark_t  *mark = data;

    if (ngx_http_privacy_settle_again(status, &mark->moves) && ngx_http_privacy_mark_send(mark) == NGX_OK) {
        return;
    }

    if (status != PVR_OK) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0, "privacy: site \"%V\": what a user answered to a notice could "
                      "not be recorded: %s", &mark->site->name, pvr_status_name(status));
    }

    if (mark->handler) {
        mark->handler(mark->data, status);
    }

    ngx_http_privacy_mark_free(mark);
}


static void
ngx_http_privacy_mark_free(ngx_http_privacy_mark_t *mark)
{
    pv_buf_free(&mark->commands);
    ngx_free(mark);
}
