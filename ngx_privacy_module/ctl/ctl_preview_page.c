/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* Which page is asked for. Paths and choices by header are those of the centre in nginx. */

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl_preview_view.h"
#include "pv_language.h"


static void ctl_view_init(ctl_view_t *v, const ctl_preview_t *preview, const ctl_request_t *request,
    ctl_response_t *response);
static void ctl_view_center(ctl_view_t *v, const char *rest);
static void ctl_view_sample(ctl_view_t *v);
static void ctl_view_sample_banner(ctl_view_t *v, int *rc);
static void ctl_view_policy(ctl_view_t *v, const pv_policy_t *policy, ctl_type_t type);
static void ctl_view_around(ctl_view_t *v, const pv_policy_t *policy);
static const pv_head_t *ctl_view_before(const ctl_view_t *v, const pv_policy_t *policy);
static int ctl_view_list(ctl_view_t *v, size_t page);
static void ctl_view_version(ctl_view_t *v, pv_str_t name);
static void ctl_view_versions(ctl_view_t *v, ctl_type_t type);
static void ctl_view_choices(ctl_view_t *v);
static void ctl_view_diff(ctl_view_t *v, const char *rest);
static void ctl_view_compared(ctl_view_t *v, const pv_policy_t *a, const pv_policy_t *b, ctl_type_t type);
static void ctl_view_asset(ctl_view_t *v, const char *rest);


static const char *const  ctl_view_types[] = {
    "text/html; charset=utf-8", "text/markdown; charset=utf-8", "application/json", PV_ATOM_TYPE
};

static const char *const  ctl_view_suffixes[] = { ".html", ".md", ".json", ".atom" };


void
ctl_preview_answer(void *data, const ctl_request_t *request, ctl_response_t *response)
{
    size_t      len;
    ctl_view_t  v;

    len = strlen(CTL_PREVIEW_PREFIX);
    ctl_view_init(&v, data, request, response);

    if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0) {
        response->status = 501;
        pv_buf_puts(&response->body, "This is a preview: nothing is recorded.\n");

    } else if (strcmp(request->path, "/") == 0) {
        ctl_view_sample(&v);

    } else if (strcmp(request->path, "/notice") == 0) {
        ctl_view_notice_sample(&v);

    } else if (strcmp(request->path, "/privacy") == 0) {
        response->status = 301;
        response->location = CTL_PREVIEW_PREFIX;

    } else if (strncmp(request->path, CTL_PREVIEW_PREFIX, len) == 0) {
        ctl_view_center(&v, request->path + len);

    } else {
        ctl_view_missing(&v);
    }

    while (v.opened_count != 0) {
        pv_policy_free(v.opened[--v.opened_count]);
    }
}


static void
ctl_view_init(ctl_view_t *v, const ctl_preview_t *preview, const ctl_request_t *request, ctl_response_t *response)
{
    memset(v, 0, sizeof(*v));

    v->preview = preview;
    v->request = request;
    v->response = response;

    v->page.ui = preview->ui;
    v->page.policy = preview->draft;
    v->page.in_force = preview->draft;
    v->page.prefix = pv_str(CTL_PREVIEW_PREFIX);
    v->page.now = time(NULL);

    if (!ctl_query(v->wanted, sizeof(v->wanted), request->query, "lang")) {
        v->wanted[0] = '\0';
    }

    ctl_view_language(v, preview->draft);
    pv_policy_judge(&v->undecided, preview->draft, NULL, v->page.now);
}


static void
ctl_view_center(ctl_view_t *v, const char *rest)
{
    if (*rest == '\0') {
        ctl_view_policy(v, v->preview->draft, ctl_view_negotiate(v, CTL_ATOM));

    } else if (strcmp(rest, "choices") == 0) {
        ctl_view_choices(v);

    } else if (strcmp(rest, "versions") == 0) {
        ctl_view_versions(v, ctl_view_negotiate(v, CTL_TYPES));

    } else if (strcmp(rest, "versions.json") == 0 || strcmp(rest, "versions.atom") == 0) {
        ctl_view_versions(v, rest[9] == 'j' ? CTL_JSON : CTL_ATOM);

    } else if (strncmp(rest, "versions/", 9) == 0) {
        ctl_view_version(v, pv_str(rest + 9));

    } else if (strncmp(rest, "notices", 7) == 0 && (rest[7] == '\0' || rest[7] == '.')) {
        ctl_view_notices(v, rest + 7);

    } else if (strncmp(rest, "notices/", 8) == 0) {
        ctl_view_notice(v, pv_str(rest + 8));

    } else if (strncmp(rest, "diff/", 5) == 0) {
        ctl_view_diff(v, rest + 5);

    } else if (strncmp(rest, "assets/", 7) == 0) {
        ctl_view_asset(v, rest + 7);

    } else {
        ctl_view_missing(v);
    }
}


/* Somebody's page, with what nginx puts into it: at the start of its head, and at the start of its body. */
static void
ctl_view_sample(ctl_view_t *v)
{
    int        rc;
    pv_buf_t  *out;

    out = &v->response->body;
    v->page.verdict = &v->undecided;

    pv_buf_puts(out, "<!doctype html>\n<html>\n<head>");
    rc = pv_page_head(out, &v->page, 0);
    pv_buf_puts(out, "\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n"
                "<title>Preview</title>\n</head>\n<body>");

    ctl_view_sample_banner(v, &rc);

    pv_buf_puts(out, "\n<h1>A page of your site</h1>\n"
                "<p>The banner is what nginx puts into each page. Below it is a page of yours, as it is.</p>\n"
                "<ul>\n<li><a href=\"" CTL_PREVIEW_PREFIX "\">The policy</a></li>\n"
                "<li><a href=\"" CTL_PREVIEW_PREFIX "choices\">The choices page</a></li>\n"
                "<li><a href=\"" CTL_PREVIEW_PREFIX "versions\">The versions</a></li>\n"
                "<li><a href=\"" CTL_PREVIEW_PREFIX "notices\">The notices</a>, as who is logged in has them; "
                "<a href=\"/notice\">in a page</a></li>\n</ul>\n</body>\n</html>\n");

    ctl_view_done(v, rc, CTL_HTML);
}


/* Where nothing is asked, there is a link to the choices page only. */
static void
ctl_view_sample_banner(ctl_view_t *v, int *rc)
{
    pv_buf_t     *out;
    pv_banner_t   banner;

    out = &v->response->body;

    if (*rc != PV_OK) {
        return;
    }

    if (v->undecided.asked == 0) {
        *rc = pv_page_settings(out, &v->page);
        return;
    }

    *rc = pv_page_banner(&banner, &v->page);

    if (*rc == PV_OK) {
        pv_buf_str(out, banner.parts[0]);
        pv_buf_str(out, banner.parts[1]);
        pv_buf_puts(out, "/");
        pv_buf_str(out, banner.parts[2]);
        pv_banner_free(&banner);
    }
}


static void
ctl_view_policy(ctl_view_t *v, const pv_policy_t *policy, ctl_type_t type)
{
    int               rc;
    const pv_text_t  *text;

    v->page.policy = policy;
    ctl_view_language(v, policy);
    text = &policy->texts[v->page.language];
    rc = PV_OK;

    switch (type) {

    case CTL_MARKDOWN:
        pv_buf_str(&v->response->body, text->markdown);
        break;

    case CTL_JSON:
        rc = pv_json_policy(&v->response->body, &v->page);
        break;

    default:
        rc = pv_page_policy(&v->response->body, &v->page);
        type = CTL_HTML;
    }

    ctl_view_done(v, rc, type);
}


/* ID, or ID with one of the suffixes: a version's own id may hold dots, so that the whole name is tried first. */
static void
ctl_view_version(ctl_view_t *v, pv_str_t name)
{
    size_t              i, len;
    pv_str_t            id;
    const pv_policy_t  *policy;

    policy = ctl_view_find(v, name);
    if (policy != NULL) {
        ctl_view_around(v, policy);
        ctl_view_policy(v, policy, ctl_view_negotiate(v, CTL_ATOM));
        return;
    }

    for (i = CTL_HTML; i <= CTL_JSON; i++) {
        len = strlen(ctl_view_suffixes[i]);

        if (name.len <= len || memcmp(name.data + name.len - len, ctl_view_suffixes[i], len) != 0) {
            continue;
        }

        id = (pv_str_t) { name.data, name.len - len };
        policy = ctl_view_find(v, id);

        if (policy != NULL) {
            ctl_view_around(v, policy);
            ctl_view_policy(v, policy, (ctl_type_t) i);
            return;
        }
    }

    ctl_view_missing(v);
}


/* What the log says of it, and which versions are before it and after it. */
static void
ctl_view_around(ctl_view_t *v, const pv_policy_t *policy)
{
    const pv_log_t   *chain;
    const pv_head_t  *head;

    chain = v->preview->chain;
    head = ctl_view_before(v, policy);

    if (head != NULL) {
        ctl_view_listed(v, head, &v->around[0]);
        v->page.earlier = &v->around[0];
    }

    if (policy == v->preview->draft) {
        ctl_view_drafted(v, &v->around[2]);
        v->page.shown = &v->around[2];
        return;
    }

    ctl_view_listed(v, pv_log_find(chain, policy->sequence), &v->around[2]);
    v->page.shown = &v->around[2];

    head = pv_log_after(chain, policy->sequence);

    if (head != NULL) {
        ctl_view_listed(v, head, &v->around[1]);
        v->page.later = &v->around[1];

    } else {
        ctl_view_drafted(v, &v->around[1]);
        v->page.later = &v->around[1];
    }
}


/* The version before it: a draft comes after all of the log. */
static const pv_head_t *
ctl_view_before(const ctl_view_t *v, const pv_policy_t *policy)
{
    if (v->preview->chain == NULL) {
        return NULL;
    }

    return pv_log_before(v->preview->chain, policy == v->preview->draft && !v->preview->published ? UINT32_MAX
                         : policy->sequence);
}


void
ctl_view_listed(const ctl_view_t *v, const pv_head_t *head, pv_page_version_t *version)
{
    const pv_head_t  *before;

    pv_page_version_head(version, head, pv_log_withdrawal(v->preview->chain, head->sequence));
    before = pv_log_before(v->preview->chain, head->sequence);

    if (before != NULL) {
        version->before = before->version;
    }
}


void
ctl_view_drafted(const ctl_view_t *v, pv_page_version_t *version)
{
    const pv_head_t  *before;

    pv_page_version_policy(version, v->preview->draft);
    before = ctl_view_before(v, v->preview->draft);

    if (before != NULL) {
        version->before = before->version;
    }
}


/* A page of the list, newest first; 0: there is no such page. */
static int
ctl_view_list(ctl_view_t *v, size_t page)
{
    size_t            i, skip;
    const pv_log_t   *chain;
    const pv_head_t  *head;

    chain = v->preview->chain;
    memset(&v->list, 0, sizeof(v->list));
    v->list.total = chain == NULL || !v->preview->published;

    for (i = 0; chain != NULL && i < pv_log_count(chain); i++) {
        v->list.total += pv_log_entry(chain, i)->kind == PV_ENTRY_VERSION;
    }

    v->list.versions = v->versions;
    v->list.page = page;
    v->list.pages = (v->list.total + PV_PAGE_VERSIONS - 1) / PV_PAGE_VERSIONS;

    if (page == 0 || page > v->list.pages) {
        return 0;
    }

    skip = (page - 1) * PV_PAGE_VERSIONS;

    if (chain == NULL || !v->preview->published) {
        if (skip == 0) {
            ctl_view_drafted(v, &v->versions[v->list.n++]);
        } else {
            skip--;
        }
    }

    for (i = chain != NULL ? pv_log_count(chain) : 0; i > 0 && v->list.n < PV_PAGE_VERSIONS; i--) {
        head = pv_log_entry(chain, i - 1);

        if (head->kind != PV_ENTRY_VERSION) {
            continue;
        }

        if (skip != 0) {
            skip--;
            continue;
        }

        ctl_view_listed(v, head, &v->versions[v->list.n++]);
    }

    return 1;
}


static void
ctl_view_versions(ctl_view_t *v, ctl_type_t type)
{
    int        rc;
    char       page[8];
    pv_buf_t  *out;

    out = &v->response->body;

    if (!ctl_view_list(v, ctl_query(page, sizeof(page), v->request->query, "page") ? strtoul(page, NULL, 10) : 1)) {
        ctl_view_missing(v);
        return;
    }

    rc = type == CTL_JSON ? pv_json_versions(out, &v->page, &v->list)
         : type == CTL_ATOM ? pv_atom_versions(out, &v->page, &v->list)
         : pv_page_versions(out, &v->page, &v->list);

    ctl_view_done(v, rc, type == CTL_MARKDOWN ? CTL_HTML : type);
}


static void
ctl_view_choices(ctl_view_t *v)
{
    int  rc;

    v->page.verdict = &v->undecided;

    rc = pv_page_choices(&v->response->body, &v->page);
    ctl_view_done(v, rc, CTL_HTML);
}


/* A/B, or A/B.json: a version's own id may hold dots, so that the whole name is tried first. */
static void
ctl_view_diff(ctl_view_t *v, const char *rest)
{
    pv_str_t            from, to;
    ctl_type_t          type;
    const char         *slash;
    const pv_policy_t  *a, *b;

    slash = strchr(rest, '/');

    if (slash == NULL) {
        ctl_view_missing(v);
        return;
    }

    from = (pv_str_t) { (const unsigned char *) rest, (size_t) (slash - rest) };
    to = pv_str(slash + 1);
    type = CTL_HTML;

    a = ctl_view_find(v, from);
    b = ctl_view_find(v, to);

    if (b == NULL && to.len > 5 && memcmp(to.data + to.len - 5, ".json", 5) == 0) {
        to.len -= 5;
        b = ctl_view_find(v, to);
        type = CTL_JSON;
    }

    if (a == NULL || b == NULL) {
        ctl_view_missing(v);
        return;
    }

    ctl_view_compared(v, a, b, type);
}


/* In the language that is asked for, of those that both have. */
static void
ctl_view_compared(ctl_view_t *v, const pv_policy_t *a, const pv_policy_t *b, ctl_type_t type)
{
    int               rc;
    size_t            i, k, n, common[PV_LANGUAGES_MAX];
    pv_str_t          tags[PV_LANGUAGES_MAX];
    pv_diff_t        *text;
    pv_page_diff_t    diff;

    v->page.policy = b;
    ctl_view_language(v, b);

    text = NULL;
    rc = PV_OK;
    n = pv_page_diff_languages(common, a, b);

    for (i = 0; i < n; i++) {
        tags[i] = b->texts[common[i]].language;
    }

    if (n != 0) {
        v->page.language = common[pv_language_choose(tags, n, pv_str(v->request->accept_language), pv_str(v->wanted))];

        for (k = 0; k < a->texts_count && !pv_str_eq(a->texts[k].language, b->texts[v->page.language].language); k++) {
            /* void */
        }

        rc = pv_diff_create(&text, a->texts[k].html, b->texts[v->page.language].html, PV_DIFF_WORK);
    }

    memset(&diff, 0, sizeof(diff));
    diff.from = a;
    diff.to = b;
    diff.text = text;

    if (rc == PV_OK) {
        rc = type == CTL_JSON ? pv_json_diff(&v->response->body, &v->page, &diff)
             : pv_page_diff(&v->response->body, &v->page, &diff);
        pv_diff_free(text);
    }

    ctl_view_done(v, rc, type);
}


static void
ctl_view_asset(ctl_view_t *v, const char *rest)
{
    const char        *name;
    const pv_asset_t  *asset;

    name = strchr(rest, '/');
    asset = name != NULL ? pv_ui_asset(v->page.ui, pv_str(name + 1)) : NULL;

    if (asset == NULL) {
        ctl_view_missing(v);
        return;
    }

    v->response->type = asset->type;
    pv_buf_str(&v->response->body, asset->bytes);
}


void
ctl_view_missing(ctl_view_t *v)
{
    v->response->status = 404;
    ctl_view_done(v, pv_page_message(&v->response->body, &v->page, "not_found"), CTL_HTML);
}


/* Of the first n types; what a browser that accepts none of them gets is HTML. */
ctl_type_t
ctl_view_negotiate(const ctl_view_t *v, ctl_type_t n)
{
    int       chosen;
    size_t    i;
    pv_str_t  offers[CTL_TYPES];

    for (i = 0; i < CTL_TYPES; i++) {
        offers[i] = pv_str(ctl_view_types[i]);
        offers[i].len = strcspn(ctl_view_types[i], ";");
    }

    chosen = pv_accept_choose(offers, n, pv_str(v->request->accept));

    return chosen < 0 ? CTL_HTML : (ctl_type_t) chosen;
}


void
ctl_view_language(ctl_view_t *v, const pv_policy_t *policy)
{
    size_t    i;
    pv_str_t  accept, wanted, tags[PV_LANGUAGES_MAX];

    for (i = 0; i < policy->texts_count && i < PV_LANGUAGES_MAX; i++) {
        tags[i] = policy->texts[i].language;
    }

    accept = pv_str(v->request->accept_language);
    wanted = pv_str(v->wanted);

    v->page.language = pv_language_choose(tags, i, accept, wanted);
    v->page.missed = pv_language_missed(tags[v->page.language], accept, wanted);
}


const pv_policy_t *
ctl_view_find(ctl_view_t *v, pv_str_t name)
{
    pv_policy_t            *policy;
    const pv_head_t        *head;
    const ctl_preview_t    *preview;

    preview = v->preview;

    if (pv_str_eq(preview->draft->version, name) || pv_str_eqs(name, "current")) {
        return preview->draft;
    }

    head = preview->chain != NULL ? pv_log_version(preview->chain, name) : NULL;

    if (head == NULL || v->opened_count == sizeof(v->opened) / sizeof(v->opened[0])) {
        return NULL;
    }

    policy = preview->open(preview->data, head->sequence);

    if (policy != NULL) {
        v->opened[v->opened_count++] = policy;
    }

    return policy;
}


void
ctl_view_done(ctl_view_t *v, int rc, ctl_type_t type)
{
    v->response->type = ctl_view_types[type];

    if (type == CTL_HTML || type == CTL_MARKDOWN) {
        pv_buf_str(&v->response->language, v->page.policy->texts[v->page.language].language);
    }

    if (rc != PV_OK) {
        v->response->body.failed = 1;
    }
}
