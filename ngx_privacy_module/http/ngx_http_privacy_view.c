/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy.h"
#include "pv_page_notice.h"


#define NGX_HTTP_PRIVACY_FRAGMENT_MAX  (4 * 1024 * 1024)

/* A version's forms: banner and choices, of each a signal each, and one that agrees to the version. */
#define NGX_HTTP_PRIVACY_FORM_BANNER   0
#define NGX_HTTP_PRIVACY_FORM_CHOICES  NGX_HTTP_PRIVACY_SIGNALS
#define NGX_HTTP_PRIVACY_FORM_AGREE    (2 * NGX_HTTP_PRIVACY_SIGNALS)
#define NGX_HTTP_PRIVACY_FORMS         (NGX_HTTP_PRIVACY_FORM_AGREE + 1)


static const char  *ngx_http_privacy_signal_names[NGX_HTTP_PRIVACY_SIGNALS] = { NULL, "gpc", "dnt" };


/*
 * What is inserted into pages of one server, for one version and language.
 * Kept as long as the version is in memory: responses under way point into it,
 * and their requests hold the version.  Forms are shown to people and signed
 * for in tokens, so they are numbered and kept with it.
 */

typedef struct {
    ngx_queue_t               queue;
    pv_policy_t              *policy;
    size_t                    language;
    ngx_http_privacy_view_t   view;
    ngx_http_privacy_form_t   forms[NGX_HTTP_PRIVACY_FORMS];
    ngx_http_privacy_kept_t   kept[NGX_HTTP_PRIVACY_KEPT];
    unsigned                  ready:1;
    unsigned                  broken:1;     /* rendering failed: said once */
} ngx_http_privacy_view_entry_t;


/* The last one signed for a form: everybody without a ledger gets the same within a second, under a pad of their own. */
typedef struct {
    pv_token_t  token;
    u_char      packed[PV_TOKEN_BYTES];
} ngx_http_privacy_signed_t;


#define NGX_HTTP_PRIVACY_SIGNED  8


struct ngx_http_privacy_views_s {
    ngx_queue_t                entries;     /* newest used first */
    ngx_http_privacy_signed_t  tokens[NGX_HTTP_PRIVACY_SIGNED];     /* by form number */
};


static ngx_http_privacy_view_entry_t *ngx_http_privacy_view_entry(ngx_http_privacy_srv_conf_t *pscf,
    ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_whole_t *whole, size_t language);
static size_t ngx_http_privacy_view_bytes(ngx_http_privacy_view_entry_t *entry);
static void ngx_http_privacy_view_free(ngx_http_privacy_view_entry_t *entry);
static ngx_int_t ngx_http_privacy_view_render(ngx_http_privacy_view_entry_t *entry,
    ngx_http_privacy_srv_conf_t *pscf, ngx_http_privacy_main_conf_t *pmcf);
static ngx_int_t ngx_http_privacy_view_fragments(ngx_http_privacy_view_entry_t *entry, pv_page_t *page);
static ngx_int_t ngx_http_privacy_view_forms(ngx_http_privacy_view_entry_t *entry, pv_page_t *page);
static ngx_int_t ngx_http_privacy_view_page_form(ngx_http_privacy_view_entry_t *entry,
    ngx_http_privacy_form_t *form, pv_page_t *page, const char *kind,
    int (*render)(pv_buf_t *out, const pv_page_t *page));
static ngx_int_t ngx_http_privacy_view_form(ngx_http_privacy_view_entry_t *entry, ngx_http_privacy_form_t *form,
    pv_page_t *page, const char *kind, uint64_t number, pv_str_t html);
static uint64_t ngx_http_privacy_form_number(ngx_http_privacy_ctx_t *ctx, ngx_uint_t form);
static ngx_int_t ngx_http_privacy_view_keep(pv_str_t *out, pv_buf_t *b, int rc);
static void ngx_http_privacy_view_variant(u_char out[8], pv_policy_t *policy, pv_str_t head, pv_str_t body);


ngx_http_privacy_view_t *
ngx_http_privacy_view(ngx_http_privacy_ctx_t *ctx, ngx_uint_t decoration)
{
    size_t                          language;
    ngx_http_privacy_view_entry_t  *entry;

    if (ctx->policy == NULL) {
        return NULL;
    }

    /* The same bytes for everybody, whatever they prefer to read: the policy's first language. */

    language = (decoration == NGX_HTTP_PRIVACY_SHARED) ? 0 : ctx->language;

    entry = ngx_http_privacy_view_entry(ctx->server, ctx->main, ctx->whole, language);

    return entry ? &entry->view : NULL;
}


static ngx_http_privacy_view_entry_t *
ngx_http_privacy_view_entry(ngx_http_privacy_srv_conf_t *pscf, ngx_http_privacy_main_conf_t *pmcf,
    ngx_http_privacy_whole_t *whole, size_t language)
{
    ngx_queue_t                    *q;
    pv_policy_t                    *policy;
    ngx_http_privacy_view_entry_t  *entry;

    policy = whole->policy;

    if (pscf->views == NULL) {
        pscf->views = ngx_alloc(sizeof(ngx_http_privacy_views_t), ngx_cycle->log);
        if (pscf->views == NULL) {
            return NULL;
        }

        ngx_memzero(pscf->views, sizeof(ngx_http_privacy_views_t));
        ngx_queue_init(&pscf->views->entries);
    }

    for (q = ngx_queue_head(&pscf->views->entries);
         q != ngx_queue_sentinel(&pscf->views->entries);
         q = ngx_queue_next(q))
    {
        entry = ngx_queue_data(q, ngx_http_privacy_view_entry_t, queue);

        if (entry->policy != policy || entry->language != language) {
            continue;
        }

        if (q != ngx_queue_head(&pscf->views->entries)) {
            ngx_queue_remove(q);
            ngx_queue_insert_head(&pscf->views->entries, q);
        }

        return entry->ready ? entry : NULL;
    }

    entry = ngx_calloc(sizeof(ngx_http_privacy_view_entry_t), ngx_cycle->log);
    if (entry == NULL) {
        return NULL;
    }

    entry->policy = policy;
    entry->language = language;

    ngx_queue_insert_head(&pscf->views->entries, &entry->queue);

    if (ngx_http_privacy_view_render(entry, pscf, pmcf) != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0, "the pages of policy \"%*s\" could not be rendered",
                      policy->version.len, policy->version.data);
        return NULL;
    }

    entry->ready = 1;
    ngx_http_privacy_store_weigh(whole, ngx_http_privacy_view_bytes(entry));

    return entry;
}


void
ngx_http_privacy_view_forget(ngx_http_privacy_main_conf_t *pmcf, ngx_http_privacy_site_t *site, pv_policy_t *policy)
{
    ngx_uint_t                      i;
    ngx_queue_t                    *q, *next;
    ngx_http_privacy_srv_conf_t   **servers;
    ngx_http_privacy_view_entry_t  *entry;

    servers = pmcf->servers.elts;

    for (i = 0; i < pmcf->servers.nelts; i++) {

        if (servers[i]->site != site || servers[i]->views == NULL) {
            continue;
        }

        for (q = ngx_queue_head(&servers[i]->views->entries);
             q != ngx_queue_sentinel(&servers[i]->views->entries);
             q = next)
        {
            next = ngx_queue_next(q);
            entry = ngx_queue_data(q, ngx_http_privacy_view_entry_t, queue);

            if (entry->policy == policy) {
                ngx_queue_remove(q);
                ngx_http_privacy_view_free(entry);
            }
        }
    }
}


static size_t
ngx_http_privacy_view_bytes(ngx_http_privacy_view_entry_t *entry)
{
    int                       marked;
    size_t                    bytes;
    ngx_uint_t                i;
    ngx_http_privacy_view_t  *view;

    view = &entry->view;
    bytes = sizeof(ngx_http_privacy_view_entry_t) + view->banner_shared.len + view->settings.len + view->head.len
            + view->head_user.len + view->head_shared.len;

    for (i = 0; i < NGX_HTTP_PRIVACY_SIGNALS; i++) {
        bytes += view->banner[i].bytes.size;
    }

    for (marked = PV_MARKED_POLICY; marked <= PV_MARKED_CHANGES; marked++) {
        bytes += view->marked[marked].len;
    }

    for (i = 0; i < sizeof(entry->forms) / sizeof(entry->forms[0]); i++) {
        bytes += entry->forms[i].document.size;
    }

    return bytes;
}


static void
ngx_http_privacy_view_free(ngx_http_privacy_view_entry_t *entry)
{
    int                       marked;
    ngx_uint_t                i;
    ngx_http_privacy_view_t  *view;

    view = &entry->view;

    for (i = 0; i < NGX_HTTP_PRIVACY_SIGNALS; i++) {
        pv_banner_free(&view->banner[i]);
    }

    ngx_free((void *) view->banner_shared.data);
    ngx_free((void *) view->settings.data);
    ngx_free((void *) view->head.data);
    ngx_free((void *) view->head_user.data);
    ngx_free((void *) view->head_shared.data);

    for (marked = PV_MARKED_POLICY; marked <= PV_MARKED_CHANGES; marked++) {
        ngx_free((void *) view->marked[marked].data);
    }

    for (i = 0; i < sizeof(entry->forms) / sizeof(entry->forms[0]); i++) {
        pv_buf_free(&entry->forms[i].document);
    }

    for (i = 0; i < NGX_HTTP_PRIVACY_KEPT; i++) {
        ngx_free((void *) entry->kept[i].bytes.data);
    }

    ngx_free(entry);
}


static ngx_int_t
ngx_http_privacy_view_render(ngx_http_privacy_view_entry_t *entry, ngx_http_privacy_srv_conf_t *pscf,
    ngx_http_privacy_main_conf_t *pmcf)
{
    ngx_uint_t          i;
    pv_page_t           page;
    pv_verdict_t        undecided;
    const pv_head_t    *before;
    pv_page_version_t   shown;

    pv_policy_judge(&undecided, entry->policy, NULL, ngx_time());

    pv_page_version_policy(&shown, entry->policy);

    before = pv_log_before(ngx_http_privacy_store_log(pscf->site->store), entry->policy->sequence);

    if (before) {
        shown.before = before->version;
    }

    ngx_memzero(&page, sizeof(pv_page_t));

    page.ui = pmcf->ui;
    page.policy = entry->policy;
    page.in_force = entry->policy;
    page.language = entry->language;
    page.prefix = ngx_http_privacy_str(&pscf->prefix);
    page.verdict = &undecided;
    page.shown = &shown;
    page.now = ngx_time();

    if (ngx_http_privacy_view_fragments(entry, &page) != NGX_OK
        || ngx_http_privacy_view_forms(entry, &page) != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_HTTP_PRIVACY_SIGNALS; i++) {
        pv_str_t  banner = { entry->view.banner[i].bytes.data, entry->view.banner[i].bytes.len };

        ngx_http_privacy_view_variant(entry->view.variant_banner[i], entry->policy, entry->view.head, banner);
    }

    ngx_http_privacy_view_variant(entry->view.variant_settings, entry->policy, entry->view.head,
                                  entry->view.settings);
    ngx_http_privacy_view_variant(entry->view.variant_user, entry->policy, entry->view.head_user,
                                  entry->view.settings);
    ngx_http_privacy_view_variant(entry->view.variant_shared, entry->policy, entry->view.head_shared,
                                  entry->view.banner_shared);

    return NGX_OK;
}


static ngx_int_t
ngx_http_privacy_view_fragments(ngx_http_privacy_view_entry_t *entry, pv_page_t *page)
{
    int                       rc, marked;
    pv_buf_t                  b;
    ngx_uint_t                i;
    ngx_http_privacy_view_t  *view;

    view = &entry->view;

    for (i = 0; i < NGX_HTTP_PRIVACY_SIGNALS; i++) {
        page->signal = ngx_http_privacy_signal_names[i];

        if (pv_page_banner(&view->banner[i], page) != PV_OK) {
            return NGX_ERROR;
        }
    }

    page->signal = NULL;

    pv_buf_init(&b, NGX_HTTP_PRIVACY_FRAGMENT_MAX);
    rc = pv_page_banner_shared(&b, page);

    if (ngx_http_privacy_view_keep(&view->banner_shared, &b, rc) != NGX_OK) {
        return NGX_ERROR;
    }

    pv_buf_init(&b, NGX_HTTP_PRIVACY_FRAGMENT_MAX);
    rc = pv_page_settings(&b, page);

    if (ngx_http_privacy_view_keep(&view->settings, &b, rc) != NGX_OK) {
        return NGX_ERROR;
    }

    pv_buf_init(&b, NGX_HTTP_PRIVACY_FRAGMENT_MAX);
    rc = pv_page_head(&b, page, 0);

    if (ngx_http_privacy_view_keep(&view->head, &b, rc) != NGX_OK) {
        return NGX_ERROR;
    }

    pv_buf_init(&b, NGX_HTTP_PRIVACY_FRAGMENT_MAX);
    rc = pv_page_head_user(&b, &view->head_cut, page);

    if (ngx_http_privacy_view_keep(&view->head_user, &b, rc) != NGX_OK) {
        return NGX_ERROR;
    }

    pv_buf_init(&b, NGX_HTTP_PRIVACY_FRAGMENT_MAX);
    rc = pv_page_head(&b, page, 1);

    if (ngx_http_privacy_view_keep(&view->head_shared, &b, rc) != NGX_OK) {
        return NGX_ERROR;
    }

    for (marked = PV_MARKED_POLICY; marked <= PV_MARKED_CHANGES; marked++) {
        pv_buf_init(&b, 4 * NGX_HTTP_PRIVACY_FRAGMENT_MAX);
        rc = pv_page_marked(&b, page, marked);

        if (ngx_http_privacy_view_keep(&view->marked[marked], &b, rc) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_privacy_view_forms(ngx_http_privacy_view_entry_t *entry, pv_page_t *page)
{
    pv_str_t                  bytes;
    ngx_int_t                 rc;
    ngx_uint_t                i;
    pv_banner_t              *banner;
    ngx_http_privacy_form_t  *form;

    rc = NGX_OK;

    for (i = 0; i < NGX_HTTP_PRIVACY_SIGNALS && rc == NGX_OK; i++) {
        page->signal = ngx_http_privacy_signal_names[i];

        banner = &entry->view.banner[i];
        form = &entry->forms[NGX_HTTP_PRIVACY_FORM_BANNER + i];

        bytes.data = banner->bytes.data;
        bytes.len = banner->bytes.len;

        rc = ngx_http_privacy_view_form(entry, form, page, "banner", banner->form, bytes);

        if (rc == NGX_OK) {
            form = &entry->forms[NGX_HTTP_PRIVACY_FORM_CHOICES + i];
            rc = ngx_http_privacy_view_page_form(entry, form, page, "choices", pv_page_choices_form);
        }
    }

    page->signal = NULL;

    if (rc == NGX_OK) {
        form = &entry->forms[NGX_HTTP_PRIVACY_FORM_AGREE];
        rc = ngx_http_privacy_view_page_form(entry, form, page, "agree", pv_page_agree_form);
    }

    return rc;
}


/* A form of the centre's own pages: its number is of its HTML as it is the same for everybody. */

static ngx_int_t
ngx_http_privacy_view_page_form(ngx_http_privacy_view_entry_t *entry, ngx_http_privacy_form_t *form,
    pv_page_t *page, const char *kind, int (*render)(pv_buf_t *out, const pv_page_t *page))
{
    pv_buf_t   html;
    pv_str_t   bytes;
    ngx_int_t  rc;

    pv_buf_init(&html, NGX_HTTP_PRIVACY_FRAGMENT_MAX);

    if (render(&html, page) != PV_OK || html.failed) {
        pv_buf_free(&html);
        return NGX_ERROR;
    }

    bytes.data = html.data;
    bytes.len = html.len;

    rc = ngx_http_privacy_view_form(entry, form, page, kind, pv_form_number(bytes), bytes);

    pv_buf_free(&html);

    return rc;
}


static ngx_int_t
ngx_http_privacy_view_form(ngx_http_privacy_view_entry_t *entry, ngx_http_privacy_form_t *form, pv_page_t *page,
    const char *kind, uint64_t number, pv_str_t html)
{
    form->number = number;
    form->policy = entry->policy;
    form->language = entry->language;

    pv_buf_init(&form->document, 2 * NGX_HTTP_PRIVACY_FRAGMENT_MAX);

    return (pv_form_document(&form->document, page, kind, html) == PV_OK) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_privacy_view_keep(pv_str_t *out, pv_buf_t *b, int rc)
{
    if (rc != PV_OK || b->failed) {
        pv_buf_free(b);
        return NGX_ERROR;
    }

    out->data = b->data;
    out->len = b->len;

    return NGX_OK;
}


static void
ngx_http_privacy_view_variant(u_char out[8], pv_policy_t *policy, pv_str_t head, pv_str_t body)
{
    uint32_t  crc;

    ngx_crc32_init(crc);
    ngx_crc32_update(&crc, policy->digest, PV_SHA256_LEN);
    ngx_crc32_update(&crc, (u_char *) head.data, head.len);
    ngx_crc32_update(&crc, (u_char *) body.data, body.len);
    ngx_crc32_final(crc);

    ngx_sprintf(out, "%08xD", crc);
}


void
ngx_http_privacy_page(ngx_http_privacy_ctx_t *ctx, pv_page_t *page)
{
    ngx_memzero(page, sizeof(pv_page_t));

    page->ui = ctx->main->ui;
    page->policy = ctx->policy;
    page->in_force = ctx->policy;
    page->language = ctx->language;
    page->prefix = ngx_http_privacy_str(&ctx->server->prefix);
    page->consent = ctx->has_consent ? &ctx->consent : NULL;
    page->verdict = ctx->policy ? &ctx->verdict : NULL;
    page->signal = ngx_http_privacy_signal_names[ctx->signal];
    page->user = ctx->has_user;
    page->pending = ctx->has_consent && (ctx->consent.flags & PV_STATE_PENDING);
    page->now = ngx_time();

    ngx_http_privacy_page_session(ctx, page);
}


void
ngx_http_privacy_page_session(ngx_http_privacy_ctx_t *ctx, pv_page_t *page)
{
    if (ngx_http_privacy_user_session_tag(ctx) == NGX_OK) {
        page->session_tag.data = ctx->session_text;
        page->session_tag.len = sizeof(ctx->session_text);
    }
}


ngx_int_t
ngx_http_privacy_token(ngx_http_privacy_ctx_t *ctx, uint64_t form, char out[PV_TOKEN_MAX + 1])
{
    return ngx_http_privacy_token_of(ctx, form, ctx->policy->sequence, out);
}


ngx_int_t
ngx_http_privacy_token_of(ngx_http_privacy_ctx_t *ctx, uint64_t form, uint32_t version, char out[PV_TOKEN_MAX + 1])
{
    pv_token_t                  token;
    ngx_http_privacy_signed_t  *memo;

    ngx_memzero(&token, sizeof(pv_token_t));

    token.form = form;
    token.version = version;
    token.issued = ngx_time();

    if (ctx->has_consent || ctx->has_past) {
        token.position = ctx->consent.position;

        if (ctx->consent.flags & PV_STATE_PENDING) {
            token.position++;           /* what is shown already counts the refusal that is on its way */
        }

        if (pv_user_tag(token.subject_tag, ctx->consent.subject) != PV_OK) {
            return NGX_ERROR;
        }
    }

    if (ctx->has_user) {
        ngx_memcpy(token.user_tag, ctx->user_tag, PV_USER_TAG_LEN);
    }

    if (ctx->server->views == NULL) {
        return pv_token_encode(out, &token, ctx->main->keys, ngx_http_privacy_str(&ctx->site->name));
    }

    memo = &ctx->server->views->tokens[form % NGX_HTTP_PRIVACY_SIGNED];

    if (ngx_memcmp(&memo->token, &token, sizeof(pv_token_t)) != 0) {

        if (pv_token_sign(memo->packed, &token, ctx->main->keys, ngx_http_privacy_str(&ctx->site->name)) != PV_OK) {
            ngx_memzero(&memo->token, sizeof(pv_token_t));
            return NGX_ERROR;
        }

        memo->token = token;
    }

    return pv_token_mask(out, memo->packed);
}


ngx_http_privacy_form_t *
ngx_http_privacy_form_find(ngx_http_privacy_srv_conf_t *pscf, ngx_http_privacy_main_conf_t *pmcf, uint64_t number,
    uint32_t version)
{
    size_t                          language;
    ngx_uint_t                      i;
    ngx_http_privacy_form_t        *form;
    ngx_http_privacy_whole_t       *whole;
    ngx_http_privacy_view_entry_t  *entry;

    whole = ngx_http_privacy_store_hold(pscf->site->store, version);

    if (whole == NULL) {
        return NULL;
    }

    form = NULL;

    for (language = 0; form == NULL && language < whole->policy->texts_count; language++) {
        entry = ngx_http_privacy_view_entry(pscf, pmcf, whole, language);

        for (i = 0; entry != NULL && i < NGX_HTTP_PRIVACY_FORMS; i++) {
            if (entry->forms[i].number == number) {
                form = &entry->forms[i];
                break;
            }
        }
    }

    ngx_http_privacy_store_let_go(whole);

    return form;
}


uint64_t
ngx_http_privacy_form_choices(ngx_http_privacy_ctx_t *ctx)
{
    return ngx_http_privacy_form_number(ctx, NGX_HTTP_PRIVACY_FORM_CHOICES + ctx->signal);
}


uint64_t
ngx_http_privacy_form_agree(ngx_http_privacy_ctx_t *ctx)
{
    return ngx_http_privacy_form_number(ctx, NGX_HTTP_PRIVACY_FORM_AGREE);
}


static uint64_t
ngx_http_privacy_form_number(ngx_http_privacy_ctx_t *ctx, ngx_uint_t form)
{
    ngx_http_privacy_view_entry_t  *entry;

    entry = ngx_http_privacy_view_entry(ctx->server, ctx->main, ctx->whole, ctx->language);

    return entry ? entry->forms[form].number : 0;
}


ngx_http_privacy_kept_t *
ngx_http_privacy_kept(ngx_http_privacy_ctx_t *ctx, ngx_uint_t which)
{
    ngx_http_privacy_view_entry_t  *entry;

    entry = ngx_http_privacy_view_entry(ctx->server, ctx->main, ctx->whole, ctx->language);

    return entry ? &entry->kept[which] : NULL;
}


ngx_int_t
ngx_http_privacy_keep(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_kept_t *kept, pv_buf_t *body)
{
    pv_str_t  tag;

    if (ngx_http_privacy_body_tag(ctx, body, &tag) != NGX_OK) {
        pv_buf_free(body);
        return NGX_ERROR;
    }

    kept->bytes.data = body->data;
    kept->bytes.len = body->len;
    ngx_memcpy(kept->tag, tag.data, sizeof(kept->tag));

    ngx_http_privacy_store_weigh(ctx->whole, body->size);

    return NGX_OK;
}
