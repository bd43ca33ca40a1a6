/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* Every version that was published: the list of them, each one whole, and how anybody can check it. */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_privacy_center.h"
#include "ngx_http_privacy_task.h"


#define NGX_HTTP_PRIVACY_VERSION_TYPES                                                                            \
    (1 << NGX_HTTP_PRIVACY_HTML | 1 << NGX_HTTP_PRIVACY_MARKDOWN | 1 << NGX_HTTP_PRIVACY_JSON)
#define NGX_HTTP_PRIVACY_LIST_TYPES                                                                               \
    (1 << NGX_HTTP_PRIVACY_HTML | 1 << NGX_HTTP_PRIVACY_JSON | 1 << NGX_HTTP_PRIVACY_ATOM)
#define NGX_HTTP_PRIVACY_PROOF_TYPES                                                                              \
    (1 << NGX_HTTP_PRIVACY_HTML | 1 << NGX_HTTP_PRIVACY_JSON)


/* What is asked for of one version, while it is fetched. */
typedef struct {
    const pv_head_t           *head;
    ngx_http_privacy_type_t    type;
    ngx_http_privacy_answer_t  answer;
} ngx_http_privacy_version_t;


static ngx_int_t ngx_http_privacy_list(ngx_http_privacy_ctx_t *ctx, ngx_uint_t page, pv_page_list_t *list);
static const pv_head_t *ngx_http_privacy_find_version(ngx_http_privacy_ctx_t *ctx, pv_str_t name,
    ngx_http_privacy_type_t *type);
static ngx_int_t ngx_http_privacy_get_version(ngx_http_privacy_ctx_t *ctx, const pv_head_t *head,
    ngx_http_privacy_type_t type, ngx_uint_t types, ngx_http_privacy_archive_pt handler);
static ngx_int_t ngx_http_privacy_version_got(ngx_http_privacy_ctx_t *ctx, ngx_int_t rc, pv_policy_t **policies,
    void *data);
static void ngx_http_privacy_version_around(ngx_http_privacy_ctx_t *ctx, const pv_head_t *head, pv_page_t *page,
    pv_page_version_t around[3]);
static ngx_int_t ngx_http_privacy_proof_got(ngx_http_privacy_ctx_t *ctx, ngx_int_t rc, pv_policy_t **policies,
    void *data);


static const pv_str_t  ngx_http_privacy_proof = pv_string("/proof");


ngx_int_t
ngx_http_privacy_route_versions(ngx_http_privacy_ctx_t *ctx, pv_str_t rest)
{
    int                        rc;
    pv_buf_t                   body;
    pv_page_t                  page;
    ngx_str_t                  origin;
    pv_page_list_t             list;
    ngx_http_privacy_type_t    type;
    ngx_http_privacy_answer_t  answer;

    if (ctx->policy == NULL) {
        return ngx_http_privacy_refuse(ctx, NGX_HTTP_SERVICE_UNAVAILABLE, "no_policy", 5);
    }

    ngx_memzero(&answer, sizeof(ngx_http_privacy_answer_t));
    answer.status = NGX_HTTP_OK;
    answer.cache = NGX_HTTP_PRIVACY_REVALIDATE;
    answer.vary = "Accept, Accept-Language";

    /* what is behind "versions": nothing, or a suffix that says as what */

    type = rest.len ? ngx_http_privacy_suffix(&rest, NGX_HTTP_PRIVACY_LIST_TYPES)
                    : ngx_http_privacy_negotiate(ctx, NGX_HTTP_PRIVACY_LIST_TYPES);

    if (rest.len) {
        return ngx_http_privacy_refuse(ctx, NGX_HTTP_NOT_FOUND, "not_found", 0);
    }

    if (type == NGX_HTTP_PRIVACY_ANY) {
        return ngx_http_privacy_not_acceptable(ctx, NGX_HTTP_PRIVACY_LIST_TYPES);
    }

    rc = ngx_http_privacy_list(ctx, ngx_http_privacy_page_number(ctx->request), &list);

    if (rc != NGX_OK) {
        return (rc == NGX_DECLINED) ? ngx_http_privacy_refuse(ctx, NGX_HTTP_NOT_FOUND, "not_found", 0)
                                    : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_privacy_public_page(ctx, &page, ctx->policy);

    pv_buf_init(&body, NGX_HTTP_PRIVACY_DOCUMENT_MAX);

    answer.type = ngx_http_privacy_types[type];
    answer.language = page.policy->texts[page.language].language;

    switch (type) {

    case NGX_HTTP_PRIVACY_JSON:
        rc = pv_json_versions(&body, &page, &list);
        break;

    case NGX_HTTP_PRIVACY_ATOM:

        /* a feed is read elsewhere: its addresses have to be whole */

        if (ngx_http_privacy_origin(ctx, &origin) == NGX_OK) {
            page.origin = ngx_http_privacy_str(&origin);
        }

        rc = pv_atom_versions(&body, &page, &list);
        break;

    default:
        rc = pv_page_versions(&body, &page, &list);
        break;
    }

    return ngx_http_privacy_send_tagged(ctx, &answer, &body, rc);
}


/* A page of the list, newest first. NGX_DECLINED: there is no such page. */

static ngx_int_t
ngx_http_privacy_list(ngx_http_privacy_ctx_t *ctx, ngx_uint_t page, pv_page_list_t *list)
{
    size_t              i, skip;
    const pv_log_t     *log;
    const pv_head_t    *head;
    pv_page_version_t  *versions;

    ngx_memzero(list, sizeof(pv_page_list_t));

    log = ngx_http_privacy_store_log(ctx->site->store);

    list->total = ngx_http_privacy_store_versions(ctx->site->store);
    list->page = page;
    list->pages = list->total ? (list->total + PV_PAGE_VERSIONS - 1) / PV_PAGE_VERSIONS : 1;

    if (page == 0 || page > list->pages) {
        return NGX_DECLINED;
    }

    versions = ngx_palloc(ctx->request->pool, PV_PAGE_VERSIONS * sizeof(pv_page_version_t));
    if (versions == NULL) {
        return NGX_ERROR;
    }

    skip = (page - 1) * PV_PAGE_VERSIONS;

    for (i = pv_log_count(log); i > 0 && list->n < PV_PAGE_VERSIONS; i--) {
        head = pv_log_entry(log, i - 1);

        if (head->kind != PV_ENTRY_VERSION) {
            continue;
        }

        if (skip) {
            skip--;
            continue;
        }

        ngx_http_privacy_listed(ctx, head, &versions[list->n++]);
    }

    list->versions = versions;

    return NGX_OK;
}


void
ngx_http_privacy_listed(ngx_http_privacy_ctx_t *ctx, const pv_head_t *head, pv_page_version_t *version)
{
    const pv_log_t   *log;
    const pv_head_t  *before;

    log = ngx_http_privacy_store_log(ctx->site->store);

    pv_page_version_head(version, head, pv_log_withdrawal(log, head->sequence));

    before = pv_log_before(log, head->sequence);

    if (before) {
        version->before = before->version;
    }
}


ngx_int_t
ngx_http_privacy_no_version(ngx_http_privacy_ctx_t *ctx)
{
    pv_buf_t                   body;
    pv_page_t                  page;
    pv_page_list_t             list;
    ngx_http_privacy_answer_t  answer;

    if (ctx->policy == NULL || ngx_http_privacy_wants_json(ctx->request)) {
        return ngx_http_privacy_send_error(ctx, NGX_HTTP_NOT_FOUND, "not_found", 0);
    }

    if (ngx_http_privacy_list(ctx, 1, &list) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&answer, sizeof(ngx_http_privacy_answer_t));
    answer.status = NGX_HTTP_NOT_FOUND;
    answer.cache = NGX_HTTP_PRIVACY_REVALIDATE;
    answer.type = "text/html";
    answer.vary = "Accept, Accept-Language";

    ngx_http_privacy_public_page(ctx, &page, ctx->policy);
    answer.language = page.policy->texts[page.language].language;

    pv_buf_init(&body, NGX_HTTP_PRIVACY_DOCUMENT_MAX);

    if (pv_page_not_found(&body, &page, &list) != PV_OK) {
        body.failed = 1;
    }

    return ngx_http_privacy_send(ctx, &answer, &body);
}


ngx_int_t
ngx_http_privacy_route_version(ngx_http_privacy_ctx_t *ctx, pv_str_t rest)
{
    size_t                    len;
    const pv_head_t          *head;
    ngx_http_privacy_type_t   type;

    len = ngx_http_privacy_proof.len;

    head = ngx_http_privacy_find_version(ctx, rest, &type);

    if (head) {
        return ngx_http_privacy_get_version(ctx, head, type, NGX_HTTP_PRIVACY_VERSION_TYPES,
                                            ngx_http_privacy_version_got);
    }

    type = ngx_http_privacy_suffix(&rest, 1 << NGX_HTTP_PRIVACY_JSON);

    if (rest.len > len && ngx_memcmp(rest.data + rest.len - len, ngx_http_privacy_proof.data, len) == 0) {
        rest.len -= len;
        head = pv_log_version(ngx_http_privacy_store_log(ctx->site->store), rest);
    }

    if (head == NULL) {
        return ngx_http_privacy_no_version(ctx);
    }

    return ngx_http_privacy_get_version(ctx, head, type, NGX_HTTP_PRIVACY_PROOF_TYPES, ngx_http_privacy_proof_got);
}


/* ID, or ID.html, ID.md, ID.json; a version's own id may hold dots, so that the whole name is tried first. */

static const pv_head_t *
ngx_http_privacy_find_version(ngx_http_privacy_ctx_t *ctx, pv_str_t name, ngx_http_privacy_type_t *type)
{
    const pv_log_t   *log;
    const pv_head_t  *head;

    log = ngx_http_privacy_store_log(ctx->site->store);

    *type = NGX_HTTP_PRIVACY_ANY;

    head = pv_log_version(log, name);
    if (head) {
        return head;
    }

    *type = ngx_http_privacy_suffix(&name, NGX_HTTP_PRIVACY_VERSION_TYPES);

    return (*type != NGX_HTTP_PRIVACY_ANY) ? pv_log_version(log, name) : NULL;
}


/* type: as the address says it; NGX_HTTP_PRIVACY_ANY: it is negotiated. */

static ngx_int_t
ngx_http_privacy_get_version(ngx_http_privacy_ctx_t *ctx, const pv_head_t *head, ngx_http_privacy_type_t type,
    ngx_uint_t types, ngx_http_privacy_archive_pt handler)
{
    ngx_str_t                    arg;
    ngx_uint_t                   fixed;
    ngx_http_privacy_version_t  *version;

    version = ngx_pcalloc(ctx->request->pool, sizeof(ngx_http_privacy_version_t));
    if (version == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    version->head = head;
    version->type = type;
    version->answer.status = NGX_HTTP_OK;
    version->answer.vary = "Accept-Language";

    fixed = (ngx_http_arg(ctx->request, (u_char *) "lang", 4, &arg) == NGX_OK);

    if (type == NGX_HTTP_PRIVACY_ANY) {
        version->answer.vary = "Accept, Accept-Language";
        version->type = ngx_http_privacy_negotiate(ctx, types);

        if (version->type == NGX_HTTP_PRIVACY_ANY) {
            return ngx_http_privacy_not_acceptable(ctx, types);
        }

    } else if (fixed || type == NGX_HTTP_PRIVACY_JSON) {
        version->answer.vary = NULL;
    }

    return ngx_http_privacy_archive_get(ctx, &head->sequence, 1, handler, version);
}


/*
 * Its text and its JSON never change. The page around it says whether it is in
 * force, and which one came after it, which changes until it has been superseded.
 */

static ngx_int_t
ngx_http_privacy_version_got(ngx_http_privacy_ctx_t *ctx, ngx_int_t rc, pv_policy_t **policies, void *data)
{
    ngx_http_privacy_version_t *version = data;

    pv_page_t           page;
    pv_page_version_t   around[3];

    if (rc != NGX_OK) {
        return ngx_http_privacy_archive_refuse(ctx, rc);
    }

    if (ngx_http_privacy_version_links(ctx, version->head) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    version->answer.cache = NGX_HTTP_PRIVACY_IMMUTABLE;

    if (version->type == NGX_HTTP_PRIVACY_HTML
        && (ctx->policy == NULL || version->head->sequence >= ctx->policy->sequence))
    {
        version->answer.cache = NGX_HTTP_PRIVACY_REVALIDATE;
    }

    ngx_http_privacy_public_page(ctx, &page, policies[0]);

    ngx_http_privacy_version_around(ctx, version->head, &page, around);

    page.at = ngx_http_privacy_at_moment(ngx_http_privacy_argument(ctx->request, "at"));

    return ngx_http_privacy_document(ctx, &page, version->type, &version->answer);
}


/* What the log says of it, and the ones before and after as far as they have come into force. */

static void
ngx_http_privacy_version_around(ngx_http_privacy_ctx_t *ctx, const pv_head_t *head, pv_page_t *page,
    pv_page_version_t around[3])
{
    const pv_log_t   *log;
    const pv_head_t  *earlier, *later;

    log = ngx_http_privacy_store_log(ctx->site->store);

    ngx_http_privacy_listed(ctx, head, &around[2]);
    page->shown = &around[2];

    earlier = pv_log_before(log, head->sequence);
    later = pv_log_after(log, head->sequence);

    if (earlier) {
        ngx_http_privacy_listed(ctx, earlier, &around[0]);
        page->earlier = &around[0];
    }

    if (later && ctx->policy && later->sequence <= ctx->policy->sequence) {
        ngx_http_privacy_listed(ctx, later, &around[1]);
        page->later = &around[1];
    }
}


static ngx_int_t
ngx_http_privacy_proof_got(ngx_http_privacy_ctx_t *ctx, ngx_int_t rc, pv_policy_t **policies, void *data)
{
    ngx_http_privacy_version_t *version = data;

    size_t            n;
    pv_buf_t          body;
    pv_page_t         page;
    ngx_str_t         origin;
    const pv_log_t   *log;
    pv_page_proof_t   proof;

    if (rc != NGX_OK) {
        return ngx_http_privacy_archive_refuse(ctx, rc);
    }

    log = ngx_http_privacy_store_log(ctx->site->store);
    n = pv_log_count(log);

    ngx_memzero(&proof, sizeof(pv_page_proof_t));
    proof.head = version->head;
    proof.sealed = policies[0]->sealed_head;
    proof.newest = n ? pv_log_entry(log, n - 1)->sequence : version->head->sequence;

    ngx_http_privacy_public_page(ctx, &page, policies[0]);

    version->answer.cache = NGX_HTTP_PRIVACY_REVALIDATE;
    version->answer.type = ngx_http_privacy_types[version->type];

    pv_buf_init(&body, NGX_HTTP_PRIVACY_DOCUMENT_MAX);

    if (version->type == NGX_HTTP_PRIVACY_JSON) {
        rc = pv_json_proof(&body, &page, &proof);

    } else {

        /* what is to be typed elsewhere needs whole addresses */

        if (ngx_http_privacy_origin(ctx, &origin) == NGX_OK) {
            page.origin = ngx_http_privacy_str(&origin);
        }

        version->answer.language = page.policy->texts[page.language].language;
        rc = pv_page_proof(&body, &page, &proof);
    }

    return ngx_http_privacy_send_tagged(ctx, &version->answer, &body, rc);
}
