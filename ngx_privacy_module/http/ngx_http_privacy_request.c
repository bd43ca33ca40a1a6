/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_notices.h"


/* Names of denied cookies that are remembered for expiring; the rest is only dropped. */
#define NGX_HTTP_PRIVACY_DENIED_MAX  32

/* What a request's header lines say to us; NULL: nothing. */
typedef struct {
    ngx_table_elt_t  *gpc;
    ngx_table_elt_t  *dnt;
    ngx_table_elt_t  *destination;
    ngx_table_elt_t  *language;
} ngx_http_privacy_said_t;

/* Our cookies as they came: a duplicate makes them none (an attack, or a broken client). */
typedef struct {
    ngx_str_t   value;
    ngx_uint_t  count;
} ngx_http_privacy_own_t;


static void ngx_http_privacy_cleanup(void *data);
static ngx_int_t ngx_http_privacy_begin(ngx_http_privacy_ctx_t *ctx);
static ngx_int_t ngx_http_privacy_unready(ngx_http_request_t *r, ngx_http_privacy_ctx_t **ctx);
static void ngx_http_privacy_read(ngx_http_privacy_ctx_t *ctx);
static void ngx_http_privacy_read_own_cookies(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_own_t *consent,
    ngx_http_privacy_own_t *binding);
static void ngx_http_privacy_read_consent(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_own_t *cookie);
static void ngx_http_privacy_read_headers(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_said_t *said);
static void ngx_http_privacy_read_header(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_said_t *said,
    ngx_table_elt_t *h);
static ngx_uint_t ngx_http_privacy_read_signal(ngx_http_privacy_said_t *said);
static void ngx_http_privacy_read_destination(ngx_http_privacy_ctx_t *ctx, ngx_table_elt_t *h);
static ngx_int_t ngx_http_privacy_apply(ngx_http_privacy_ctx_t *ctx);
static ngx_int_t ngx_http_privacy_strip_cookies(ngx_http_privacy_ctx_t *ctx);
static ngx_int_t ngx_http_privacy_strip_line(ngx_http_privacy_ctx_t *ctx, ngx_table_elt_t *h);
static void ngx_http_privacy_ask_identity(ngx_http_request_t *r);
static ngx_int_t ngx_http_privacy_forward(ngx_http_privacy_ctx_t *ctx);


/*
 * ngx_http_get_module_ctx() is wiped by error_page and internal redirects; the
 * cleanup of the request's pool is not.
 */

ngx_http_privacy_ctx_t *
ngx_http_privacy_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t      *cln;
    ngx_http_privacy_ctx_t  *ctx;

    r = r->main;
    ctx = ngx_http_get_module_ctx(r, ngx_http_privacy_module);

    if (ctx != NULL) {
        return ctx;
    }

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_privacy_cleanup) {
            ctx = cln->data;
            ngx_http_set_ctx(r, ctx, ngx_http_privacy_module);
            return ctx;
        }
    }

    return NULL;
}


ngx_http_privacy_ctx_t *
ngx_http_privacy_ctx_create(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t           *cln;
    ngx_http_privacy_ctx_t       *ctx;
    ngx_http_privacy_srv_conf_t  *pscf;

    r = r->main;
    ctx = ngx_http_privacy_ctx(r);

    if (ctx != NULL) {
        return ctx;
    }

    pscf = ngx_http_get_module_srv_conf(r, ngx_http_privacy_module);

    if (pscf->mode == NGX_HTTP_PRIVACY_OFF || pscf->site->store == NULL) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_privacy_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_http_privacy_ctx_t));

    cln->handler = ngx_http_privacy_cleanup;

    ctx->request = r;
    ctx->server = pscf;
    ctx->site = pscf->site;
    ctx->main = ngx_http_get_module_main_conf(r, ngx_http_privacy_module);
    ctx->policy = ngx_http_privacy_store_in_force(pscf->site->store);
    ctx->whole = ngx_http_privacy_store_hold_in_force(pscf->site->store);

    /* Nothing known and nothing declared: there is nothing to enforce. Status raises the alarm. */

    ctx->enforced = pscf->mode == NGX_HTTP_PRIVACY_ENFORCE && (ctx->policy != NULL || pscf->necessary_gate != NULL);

    ngx_http_set_ctx(r, ctx, ngx_http_privacy_module);

    ngx_http_privacy_judge(ctx);

    return ctx;
}


static void
ngx_http_privacy_cleanup(void *data)
{
    ngx_http_privacy_ctx_t  *ctx = data;

    ngx_http_privacy_lease_cancel(ctx);
    ngx_http_privacy_store_let_go(ctx->whole);
}


void
ngx_http_privacy_judge(ngx_http_privacy_ctx_t *ctx)
{
    uint64_t  before;

    before = ctx->verdict.allowed;

    if (ctx->policy == NULL) {
        ngx_memzero(&ctx->verdict, sizeof(pv_verdict_t));
        ctx->verdict.allowed = 1;           /* the only bit of the gate of privacy_necessary */
        return;
    }

    pv_policy_judge(&ctx->verdict, ctx->policy, ctx->has_consent ? &ctx->consent : NULL, ngx_time());

    if (ctx->restricted) {
        ctx->verdict.allowed &= before;
    }
}


ngx_uint_t
ngx_http_privacy_own_cookie(pv_str_t name)
{
    u_char  last;
    size_t  skip;

    /* "privacy" or "privacy-user" */

    if (name.len < 7 || ((last = name.data[name.len - 1] | 0x20) != 'y' && last != 'r')) {
        return 0;
    }

    skip = 0;

    if (name.len > 7 && ngx_strncasecmp((u_char *) name.data, (u_char *) "__Host-", 7) == 0) {
        skip = 7;

    } else if (name.len > 9 && ngx_strncasecmp((u_char *) name.data, (u_char *) "__Secure-", 9) == 0) {
        skip = 9;
    }

    name.data += skip;
    name.len -= skip;

    return (name.len == 7 && ngx_strncasecmp((u_char *) name.data, (u_char *) "privacy", 7) == 0)
           || (name.len == 12 && ngx_strncasecmp((u_char *) name.data, (u_char *) "privacy-user", 12) == 0);
}


ngx_uint_t
ngx_http_privacy_allows(ngx_http_privacy_ctx_t *ctx, pv_str_t name, uint64_t *purposes)
{
    uint64_t  covered;

    if (ctx->policy != NULL) {
        covered = pv_gate_purposes(ctx->policy->gate, name);

    } else if (ctx->server->necessary_gate != NULL) {
        covered = pv_gate_purposes(ctx->server->necessary_gate, name);

    } else {
        covered = 0;
    }

    if (purposes != NULL) {
        *purposes = covered;
    }

    return (covered & ctx->verdict.allowed) != 0;
}


/* NGX_OK and the context of a request whose own side is still to be worked out; anything else is a phase's answer. */

static ngx_int_t
ngx_http_privacy_unready(ngx_http_request_t *r, ngx_http_privacy_ctx_t **ctx)
{
    ngx_http_privacy_srv_conf_t  *pscf;

    if (r != r->main) {
        return NGX_DECLINED;
    }

    pscf = ngx_http_get_module_srv_conf(r, ngx_http_privacy_module);

    if (pscf->mode == NGX_HTTP_PRIVACY_OFF) {
        return NGX_DECLINED;
    }

    *ctx = ngx_http_privacy_ctx_create(r);

    if (*ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return (*ctx)->ready ? NGX_DECLINED : NGX_OK;
}


ngx_int_t
ngx_http_privacy_post_read_handler(ngx_http_request_t *r)
{
    ngx_int_t                rc;
    ngx_http_privacy_ctx_t  *ctx;

    rc = ngx_http_privacy_unready(r, &ctx);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ctx->lookup == NGX_HTTP_PRIVACY_LOOKUP_NONE) {
        ngx_http_privacy_read(ctx);
    }

    rc = ngx_http_privacy_lease_wait(ctx);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    return ngx_http_privacy_begin(ctx);
}


static ngx_int_t
ngx_http_privacy_begin(ngx_http_privacy_ctx_t *ctx)
{
    ctx->ready = 1;

    ngx_http_privacy_judge(ctx);

    /* asked now, it is mostly answered by the time the response comes */

    ngx_http_privacy_notice_meet(ctx);

    if (ngx_http_privacy_apply(ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_DECLINED;
}


/*
 * A request that nginx refused while it read its headers has been through no
 * phase, and an error_page begins in the rewrite phases, server's or location's:
 * what answers it is not to see more than it would have.
 */

ngx_int_t
ngx_http_privacy_rewrite_handler(ngx_http_request_t *r)
{
    ngx_int_t                rc;
    ngx_http_privacy_ctx_t  *ctx;

    rc = ngx_http_privacy_unready(r, &ctx);

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_http_privacy_read(ctx);

    return ngx_http_privacy_begin(ctx);
}


/*
 * privacy_user: the location has authenticated by now.  Cookies that its new
 * user did not agree to go too; none that is gone comes back.
 */

ngx_int_t
ngx_http_privacy_precontent_handler(ngx_http_request_t *r)
{
    ngx_str_t                     user;
    ngx_http_privacy_ctx_t       *ctx;
    ngx_http_privacy_loc_conf_t  *plcf;

    if (r != r->main) {
        return NGX_DECLINED;
    }

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_privacy_module);

    if (plcf->user == NULL) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_privacy_ctx(r);

    if (ctx == NULL || !ctx->enforced || ctx->user_asserted || ctx->user_logged_out) {
        return NGX_DECLINED;
    }

    if (ngx_http_complex_value(r, plcf->user, &user) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_privacy_user_assert(ctx, &user) != NGX_OK
        || ngx_http_privacy_strip_cookies(ctx) != NGX_OK
        || ngx_http_privacy_forward(ctx) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->restricted && ctx->matched.len) {
        ngx_http_privacy_validators_forget(ctx);
    }

    return NGX_DECLINED;
}


static void
ngx_http_privacy_read(ngx_http_privacy_ctx_t *ctx)
{
    size_t                   i;
    pv_str_t                 accept, tags[PV_LANGUAGES_MAX], none = { NULL, 0 };
    ngx_http_privacy_own_t   consent, binding;
    ngx_http_privacy_said_t  said;

    ngx_http_privacy_read_headers(ctx, &said);

    ctx->signal = ngx_http_privacy_read_signal(&said);
    ngx_http_privacy_read_destination(ctx, said.destination);

    if (ctx->signal == NGX_HTTP_PRIVACY_GPC) {
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_SIGNAL_GPC, 1);

    } else if (ctx->signal == NGX_HTTP_PRIVACY_DNT) {
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_SIGNAL_DNT, 1);
    }

    if (ctx->policy != NULL && ctx->policy->texts_count > 1) {
        accept = said.language ? ngx_http_privacy_str(&said.language->value) : none;

        for (i = 0; i < ctx->policy->texts_count && i < PV_LANGUAGES_MAX; i++) {
            tags[i] = ctx->policy->texts[i].language;
        }

        ctx->language = pv_language_choose(tags, i, accept, none);
    }

    ngx_http_privacy_read_own_cookies(ctx, &consent, &binding);

    if (binding.count == 1) {
        ngx_http_privacy_user_read(ctx, &binding.value);
    }

    ctx->binding_present = (binding.count != 0);

    if (consent.count) {
        ngx_http_privacy_read_consent(ctx, &consent);
    }

    if (ctx->has_consent) {
        ngx_http_privacy_lease_check(ctx);
    }
}


static void
ngx_http_privacy_read_own_cookies(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_own_t *consent,
    ngx_http_privacy_own_t *binding)
{
    size_t                  cursor;
    pv_str_t                line, consent_name, binding_name;
    ngx_str_t               name;
    ngx_table_elt_t        *h;
    pv_cookie_pair_t        pair;
    ngx_http_privacy_own_t  *own;

    ngx_memzero(consent, sizeof(ngx_http_privacy_own_t));
    ngx_memzero(binding, sizeof(ngx_http_privacy_own_t));

    h = ngx_http_privacy_cookie_line(ctx->request, 0);
    if (h == NULL) {
        return;
    }

    name = ngx_http_privacy_cookie_name(ctx, NGX_HTTP_PRIVACY_CONSENT_COOKIE);
    consent_name = ngx_http_privacy_str(&name);
    name = ngx_http_privacy_cookie_name(ctx, NGX_HTTP_PRIVACY_USER_COOKIE);
    binding_name = ngx_http_privacy_str(&name);

    ngx_http_privacy_each_cookie_line(ctx->request, h, i) {
        line = ngx_http_privacy_str(&h->value);
        cursor = 0;

        /* the one name begins the other */

        while (pv_cookie_next_of(line, &cursor, consent_name, &pair)) {
            own = pv_str_eq(pair.name, consent_name) ? consent : pv_str_eq(pair.name, binding_name) ? binding : NULL;

            if (own != NULL) {
                own->value.data = (u_char *) pair.value.data;
                own->value.len = pair.value.len;
                own->count++;
            }
        }
    }
}


static void
ngx_http_privacy_read_consent(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_own_t *cookie)
{
    pv_consent_t  *c;

    c = &ctx->consent;

    if (cookie->count > 1
        || pv_memo_consent(ctx->site->memo, c, ngx_http_privacy_str(&cookie->value), ctx->main->keys,
                           ngx_http_privacy_str(&ctx->site->name))
           != PV_OK)
    {
        ctx->consent_invalid = 1;
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_COOKIES_INVALID, 1);
        return;
    }

    /* A choice belongs to whoever made it: another user, or nobody logged in, starts from their own. */

    if (c->flags & PV_STATE_USER) {
        ctx->has_consent = ctx->has_user && ngx_memcmp(c->user_tag, ctx->user_tag, PV_USER_TAG_LEN) == 0
                           && ngx_memcmp(c->subject, ctx->user.subject, PV_SUBJECT_LEN) == 0;
        return;
    }

    ctx->has_consent = !ctx->has_user;
}


/* All of them in one pass, told apart by their lengths first. */

static void
ngx_http_privacy_read_headers(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_said_t *said)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    ngx_memzero(said, sizeof(ngx_http_privacy_said_t));

    for (part = &ctx->request->headers_in.headers.part; part != NULL; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            ngx_http_privacy_read_header(ctx, said, &h[i]);
        }
    }
}


static ngx_inline void
ngx_http_privacy_read_one(ngx_table_elt_t **said, ngx_table_elt_t *h, const char *lowcase)
{
    if (*said == NULL && h->hash
        && (h->lowcase_key != NULL ? ngx_memcmp(h->lowcase_key, lowcase, h->key.len)
                                   : ngx_strncasecmp(h->key.data, (u_char *) lowcase, h->key.len))
           == 0)
    {
        *said = h;
    }
}


static void
ngx_http_privacy_read_header(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_said_t *said, ngx_table_elt_t *h)
{
    switch (h->key.len) {

    case sizeof("dnt") - 1:
        ngx_http_privacy_read_one(&said->dnt, h, "dnt");
        break;

    case sizeof("sec-gpc") - 1:
        ngx_http_privacy_read_one(&said->gpc, h, "sec-gpc");
        break;

    case sizeof("sec-fetch-dest") - 1:
        ngx_http_privacy_read_one(&said->destination, h, "sec-fetch-dest");
        ctx->claims |= ngx_http_privacy_header_named(h, "x-privacy-user");
        break;

    case sizeof("accept-language") - 1:
        ngx_http_privacy_read_one(&said->language, h, "accept-language");
        break;

    case sizeof("x-privacy-consent") - 1:
        ctx->claims |= ngx_http_privacy_header_named(h, "x-privacy-consent")
                       || ngx_http_privacy_header_named(h, "x-privacy-version");
        break;
    }
}


static ngx_uint_t
ngx_http_privacy_read_signal(ngx_http_privacy_said_t *said)
{
    if (said->gpc != NULL && said->gpc->value.len == 1 && said->gpc->value.data[0] == '1') {
        return NGX_HTTP_PRIVACY_GPC;
    }

    if (said->dnt != NULL && said->dnt->value.len && said->dnt->value.data[0] == '1') {
        return NGX_HTTP_PRIVACY_DNT;
    }

    return NGX_HTTP_PRIVACY_SIGNAL_NONE;
}


/* Where the browser does not say it, it may be a page. */

static void
ngx_http_privacy_read_destination(ngx_http_privacy_ctx_t *ctx, ngx_table_elt_t *h)
{
    if (h == NULL) {
        ctx->navigation = 1;
        return;
    }

    ctx->document = (h->value.len == 8 && ngx_strncmp(h->value.data, "document", 8) == 0)
                    || (h->value.len == 6 && ngx_strncmp(h->value.data, "iframe", 6) == 0);
    ctx->navigation = ctx->document;
}


/* What the rest of nginx and the upstream get to see of the request. */

static ngx_int_t
ngx_http_privacy_apply(ngx_http_privacy_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    r = ctx->request;

    if (ngx_http_privacy_strip_cookies(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!ctx->enforced) {
        return NGX_OK;
    }

    if (ngx_http_privacy_forward(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->claims) {
        (void) ngx_http_privacy_header_in_remove(r, "x-privacy-user");
    }

    if (ctx->policy == NULL) {
        return NGX_OK;
    }

    if (ctx->navigation && (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD|NGX_HTTP_POST))) {
        ngx_http_privacy_ask_identity(r);
    }

    return ngx_http_privacy_validators_in(ctx);
}


static ngx_int_t
ngx_http_privacy_strip_cookies(ngx_http_privacy_ctx_t *ctx)
{
    ngx_uint_t           n;
    ngx_table_elt_t     *h;
    ngx_http_request_t  *r;

    r = ctx->request;

    for (n = 0; (h = ngx_http_privacy_cookie_line(r, n)) != NULL; /* void */ ) {

        if (ngx_http_privacy_strip_line(ctx, h) != NGX_OK) {
            return NGX_ERROR;
        }

        if (ctx->enforced && h->value.len == 0) {
            ngx_http_privacy_cookie_line_remove(r, n);
            continue;
        }

        n++;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_privacy_strip_line(ngx_http_privacy_ctx_t *ctx, ngx_table_elt_t *h)
{
    u_char            *p, *kept;
    size_t             cursor;
    pv_str_t           line;
    uint64_t           purposes;
    ngx_str_t         *name;
    ngx_uint_t         passed, dropped, own;
    pv_cookie_pair_t   pair;

    line = ngx_http_privacy_str(&h->value);
    cursor = 0;
    passed = 0;
    dropped = 0;
    own = 0;

    /* A pair has a byte at least, and the space that we put in front of it may not have been there. */

    kept = ngx_pnalloc(ctx->request->pool, line.len + line.len / 2 + 2);
    if (kept == NULL) {
        return NGX_ERROR;
    }

    p = kept;

    while (pv_cookie_next(line, &cursor, &pair)) {

        if (ngx_http_privacy_own_cookie(pair.name)) {
            own++;
            continue;
        }

        if (ngx_http_privacy_allows(ctx, pair.name, &purposes)) {
            if (p != kept) {
                *p++ = ';';
                *p++ = ' ';
            }

            p = ngx_cpymem(p, pair.raw.data, pair.raw.len);
            passed++;
            continue;
        }

        dropped++;
        ngx_http_privacy_zone_dropped(ctx->main->zone, ctx->site->slot, 0, purposes);

        if (ctx->denied == NULL) {
            ctx->denied = ngx_array_create(ctx->request->pool, 4, sizeof(ngx_str_t));
            if (ctx->denied == NULL) {
                return NGX_ERROR;
            }
        }

        if (ctx->denied->nelts < NGX_HTTP_PRIVACY_DENIED_MAX && pair.name.len) {
            name = ngx_array_push(ctx->denied);
            if (name == NULL) {
                return NGX_ERROR;
            }

            name->data = (u_char *) pair.name.data;
            name->len = pair.name.len;
        }
    }

    if (passed) {
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_COOKIES_PASSED_REQUEST, passed);
    }

    if (dropped) {
        ngx_http_privacy_count(ctx, NGX_HTTP_PRIVACY_COOKIES_DROPPED_REQUEST, dropped);
    }

    /* A line that stays whole stays as it was written. */

    if (ctx->enforced && (dropped || own)) {
        h->value.data = kept;
        h->value.len = p - kept;
    }

    return NGX_OK;
}


/*
 * An encoded body cannot be read: the upstream is asked for a plain one, and
 * nginx's own gunzip and gzip_static believe for now that this client takes no
 * gzip.  The header filter takes that back, so that gzip still compresses.
 */

static void
ngx_http_privacy_ask_identity(ngx_http_request_t *r)
{
#if (NGX_HTTP_GZIP || NGX_HTTP_HEADERS)
    if (r->headers_in.accept_encoding != NULL) {
        ngx_http_privacy_header_in_detach(r, r->headers_in.accept_encoding);
    }
#endif

#if (NGX_HTTP_GZIP)
    r->gzip_tested = 1;
    r->gzip_ok = 0;
#endif
}


/* A client's own line of that name is an attack, however it is spelled. */

static ngx_int_t
ngx_http_privacy_forward(ngx_http_privacy_ctx_t *ctx)
{
    size_t               i;
    pv_buf_t             b;
    ngx_str_t            value;
    ngx_int_t            rc;
    pv_purpose_t        *p;
    ngx_http_request_t  *r;

    r = ctx->request;

    /* There are some too when they were written before: for who the visitor seemed to be. */

    if (ctx->claims || ctx->server->forward) {
        (void) ngx_http_privacy_header_in_remove(r, "x-privacy-consent");
        (void) ngx_http_privacy_header_in_remove(r, "x-privacy-version");
    }

    if (!ctx->server->forward || ctx->policy == NULL) {
        return NGX_OK;
    }

    pv_buf_init(&b, 64 * 1024);

    for (i = 0; i < ctx->policy->purposes_count; i++) {
        p = &ctx->policy->purposes[i];

        if (!p->necessary && (ctx->verdict.allowed & ((uint64_t) 1 << p->bit))) {
            if (b.len) {
                pv_buf_add(&b, ",", 1);
            }

            pv_buf_str(&b, p->id);
        }
    }

    rc = NGX_ERROR;

    if (b.failed) {
        goto done;
    }

    value.len = b.len;
    value.data = ngx_pnalloc(r->pool, b.len + 1);
    if (value.data == NULL) {
        goto done;
    }

    ngx_memcpy(value.data, b.data ? b.data : (u_char *) "", b.len);

    if (ngx_http_privacy_header_in_add(r, "X-Privacy-Consent", &value) != NGX_OK) {
        goto done;
    }

    value.data = (u_char *) ctx->policy->version.data;
    value.len = ctx->policy->version.len;

    rc = ngx_http_privacy_header_in_add(r, "X-Privacy-Version", &value);

done:

    pv_buf_free(&b);

    return rc;
}
