/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * The publication log for who checks it from outside: a list of its entries in
 * the order in which they were published, and each of them as it was sealed.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_privacy_task.h"


#define NGX_HTTP_PRIVACY_LOG_PAGE  100              /* entries */
#define NGX_HTTP_PRIVACY_LOG_MAX   (256 * 1024)


typedef struct {
    const pv_head_t                *head;
    ngx_http_privacy_store_load_t  *load;
} ngx_http_privacy_log_t;


static ngx_int_t ngx_http_privacy_log_list(ngx_http_privacy_ctx_t *ctx);
static void ngx_http_privacy_log_page(pv_buf_t *b, ngx_http_privacy_ctx_t *ctx, size_t page, size_t pages);
static void ngx_http_privacy_log_item(pv_buf_t *b, const pv_log_t *log, const pv_head_t *head);
static void ngx_http_privacy_log_hex(pv_buf_t *b, const char *key, const u_char *digest);
static ngx_int_t ngx_http_privacy_log_entry(ngx_http_privacy_ctx_t *ctx, pv_str_t number);
static ngx_int_t ngx_http_privacy_log_loaded(ngx_http_privacy_ctx_t *ctx, ngx_int_t rc, void *data);


ngx_int_t
ngx_http_privacy_route_log(ngx_http_privacy_ctx_t *ctx, pv_str_t rest)
{
    return rest.len ? ngx_http_privacy_log_entry(ctx, rest) : ngx_http_privacy_log_list(ctx);
}


/* ?page=1, 2...: a full page never changes but for what the site has beyond it. */

static ngx_int_t
ngx_http_privacy_log_list(ngx_http_privacy_ctx_t *ctx)
{
    size_t                     n, pages;
    pv_buf_t                   body;
    ngx_str_t                  arg;
    ngx_int_t                  page;
    ngx_http_privacy_answer_t  answer;

    page = 1;

    if (ngx_http_arg(ctx->request, (u_char *) "page", 4, &arg) == NGX_OK) {
        page = ngx_atoi(arg.data, arg.len);
    }

    n = pv_log_count(ngx_http_privacy_store_log(ctx->site->store));
    pages = ngx_max((n + NGX_HTTP_PRIVACY_LOG_PAGE - 1) / NGX_HTTP_PRIVACY_LOG_PAGE, 1);

    if (page < 1 || (size_t) page > pages) {
        return ngx_http_privacy_send_error(ctx, NGX_HTTP_NOT_FOUND, "not_found", 0);
    }

    ngx_memzero(&answer, sizeof(ngx_http_privacy_answer_t));
    answer.status = NGX_HTTP_OK;
    answer.type = "application/json";
    answer.cache = NGX_HTTP_PRIVACY_REVALIDATE;

    pv_buf_init(&body, NGX_HTTP_PRIVACY_LOG_MAX);
    ngx_http_privacy_log_page(&body, ctx, page, pages);

    if (ngx_http_privacy_body_tag(ctx, &body, &answer.etag) != NGX_OK) {
        body.failed = 1;
    }

    return ngx_http_privacy_send(ctx, &answer, &body);
}


static void
ngx_http_privacy_log_page(pv_buf_t *b, ngx_http_privacy_ctx_t *ctx, size_t page, size_t pages)
{
    size_t           i, n, first;
    pv_str_t         prefix;
    const pv_log_t  *log;

    log = ngx_http_privacy_store_log(ctx->site->store);
    prefix = ngx_http_privacy_str(&ctx->server->prefix);

    n = pv_log_count(log);
    first = (page - 1) * NGX_HTTP_PRIVACY_LOG_PAGE;

    pv_buf_puts(b, "{\"site\":");
    pv_buf_json(b, ngx_http_privacy_str(&ctx->site->name));
    pv_buf_printf(b, ",\"total\":%zu,\"page\":%zu,\"pages\":%zu", n, page, pages);

    if (page < pages) {
        pv_buf_printf(b, ",\"next\":\"%.*slog?page=%zu\"", (int) prefix.len, (char *) prefix.data, page + 1);
    }

    pv_buf_puts(b, ",\"entries\":[");

    for (i = first; i < n && i < first + NGX_HTTP_PRIVACY_LOG_PAGE; i++) {
        pv_buf_puts(b, (i > first) ? ",\n" : "\n");
        ngx_http_privacy_log_item(b, log, pv_log_entry(log, i));
    }

    pv_buf_puts(b, "\n]}\n");
}


static void
ngx_http_privacy_log_item(pv_buf_t *b, const pv_log_t *log, const pv_head_t *head)
{
    const pv_head_t  *withdrawal;

    pv_buf_printf(b, "{\"number\":%lu,\"kind\":\"%s\",", (unsigned long) head->sequence,
                  pv_entry_kind_name(head->kind));

    if (head->kind == PV_ENTRY_VERSION) {
        pv_buf_puts(b, "\"version\":");
        pv_buf_json(b, head->version);
        pv_buf_puts(b, ",\"effective\":");
        pv_buf_json(b, head->effective_text);
        pv_buf_puts(b, ",");

        withdrawal = pv_log_withdrawal(log, head->sequence);

        if (withdrawal) {
            pv_buf_printf(b, "\"withdrawn\":%lu,", (unsigned long) withdrawal->sequence);
        }

    } else if (head->kind == PV_ENTRY_WITHDRAWAL) {
        pv_buf_printf(b, "\"withdraws\":%lu,", (unsigned long) head->withdraws);
    }

    pv_buf_printf(b, "\"published\":%lld,\"size\":%lu,", (long long) head->published, (unsigned long) head->size);

    ngx_http_privacy_log_hex(b, "digest", head->digest);
    pv_buf_puts(b, ",");
    ngx_http_privacy_log_hex(b, "previous", head->previous);
    pv_buf_puts(b, "}");
}


static void
ngx_http_privacy_log_hex(pv_buf_t *b, const char *key, const u_char *digest)
{
    char  hex[2 * PV_SHA256_LEN];

    pv_buf_printf(b, "\"%s\":\"", key);
    pv_buf_add(b, hex, pv_hex_encode(hex, digest, PV_SHA256_LEN));
    pv_buf_puts(b, "\"");
}


static ngx_int_t
ngx_http_privacy_log_entry(ngx_http_privacy_ctx_t *ctx, pv_str_t number)
{
    ngx_int_t                n, rc;
    ngx_queue_t             *waiting;
    const pv_head_t         *head;
    ngx_http_privacy_log_t  *entry;

    n = (number.len <= 10 && number.data[0] != '0') ? ngx_atoi((u_char *) number.data, number.len) : NGX_ERROR;
    head = NULL;

    if (n > 0 && (uint64_t) n <= 0xffffffff) {
        head = pv_log_find(ngx_http_privacy_store_log(ctx->site->store), (uint32_t) n);
    }

    if (head == NULL) {
        return ngx_http_privacy_archive_refuse(ctx, NGX_HTTP_NOT_FOUND);
    }

    entry = ngx_palloc(ctx->request->pool, sizeof(ngx_http_privacy_log_t));
    if (entry == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    entry->head = head;

    rc = ngx_http_privacy_store_load_sealed(ctx->site->store, head, &entry->load, &waiting);

    if (rc != NGX_OK) {
        return ngx_http_privacy_archive_refuse(ctx, NGX_HTTP_SERVICE_UNAVAILABLE);
    }

    return ngx_http_privacy_wait(ctx, waiting, ngx_http_privacy_log_loaded, entry);
}


/* Whole and verified: from the very file that was, or from memory. */

static ngx_int_t
ngx_http_privacy_log_loaded(ngx_http_privacy_ctx_t *ctx, ngx_int_t rc, void *data)
{
    ngx_http_privacy_log_t  *entry = data;

    u_char                     *hex;
    ngx_fd_t                    fd;
    pv_buf_t                    body;
    ngx_http_privacy_answer_t   answer;

    if (rc != NGX_OK) {
        return ngx_http_privacy_archive_refuse(ctx, rc);
    }

    hex = ngx_pnalloc(ctx->request->pool, 2 * PV_SHA256_LEN);
    if (hex == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&answer, sizeof(ngx_http_privacy_answer_t));
    answer.status = NGX_HTTP_OK;
    answer.type = "application/octet-stream";
    answer.cache = NGX_HTTP_PRIVACY_IMMUTABLE;
    answer.etag.data = hex;
    answer.etag.len = pv_hex_encode((char *) hex, entry->head->digest, PV_SHA256_LEN);

    ngx_http_privacy_store_take_sealed(entry->load, &fd, &body);

    if (fd == NGX_INVALID_FILE) {
        return ngx_http_privacy_send(ctx, &answer, &body);
    }

    return ngx_http_privacy_send_file(ctx, &answer, fd, entry->head->size);
}
