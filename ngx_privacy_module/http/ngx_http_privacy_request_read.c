/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "ngx_http_privacy_request.h"


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


static void ngx_http_privacy_read_own_cookies(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_own_t *consent,
    ngx_http_privacy_own_t *binding);
static void ngx_http_privacy_read_consent(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_own_t *cookie);
static void ngx_http_privacy_read_headers(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_said_t *said);
static void ngx_http_privacy_read_header(ngx_http_privacy_ctx_t *ctx, ngx_http_privacy_said_t *said,
    ngx_table_elt_t *h);
static ngx_uint_t ngx_http_privacy_read_signal(ngx_http_privacy_said_t *said);
static void ngx_http_privacy_read_destination(ngx_http_privacy_ctx_t *ctx, ngx_table_elt_t *h);


void
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
