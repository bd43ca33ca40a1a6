/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>
#include <strings.h>
#include <time.h>

#include "pv_language.h"
#include "pv_page_ui.h"


static void view_controller(pv_view_t *v, const pv_controller_t *c);
static void view_languages(pv_view_t *v);


void
pv_view_set(pv_view_t *v, json_t *object, const char *name, json_t *value)
{
    if (value == NULL || json_object_set_new(object, name, value) != 0) {
        v->failed = 1;
    }
}


void
pv_view_add(pv_view_t *v, json_t *list, json_t *value)
{
    if (value == NULL || json_array_append_new(list, value) != 0) {
        v->failed = 1;
    }
}


void
pv_view_str(pv_view_t *v, json_t *object, const char *name, pv_str_t s)
{
    json_t  *value;

    value = json_stringn(s.len ? (const char *) s.data : "", s.len);

    /* Not UTF-8: nothing that a bundle may hold, so it came with the request. */
    pv_view_set(v, object, name, value ? value : json_string(""));
}


void
pv_view_bool(pv_view_t *v, json_t *object, const char *name, int value)
{
    pv_view_set(v, object, name, json_boolean(value));
}


void
pv_view_time(pv_view_t *v, json_t *object, const char *name, int64_t t, pv_str_t written)
{
    char       day[64], moment[64], key[64];
    time_t     seconds;
    struct tm  tm;

    seconds = (time_t) t;

    if (gmtime_r(&seconds, &tm) == NULL) {
        memset(&tm, 0, sizeof(struct tm));
    }

    strftime(day, sizeof(day), "%Y-%m-%d", &tm);
    strftime(moment, sizeof(moment), "%Y-%m-%dT%H:%M:%SZ", &tm);
    snprintf(key, sizeof(key), "%s_time", name);

    /* As the publisher wrote it: their day, in their offset. */
    if (written.len >= 10) {
        pv_view_str(v, object, key, written);
        written.len = 10;
        pv_view_str(v, object, name, written);
        return;
    }

    pv_view_str(v, object, key, pv_str(moment));
    pv_view_str(v, object, name, pv_str(day));
}


pv_str_t
pv_view_string(const pv_view_t *v, const char *key)
{
    const char  *s;

    s = json_string_value(json_object_get(v->strings, key));

    return pv_str(s ? s : "");
}


pv_str_t
pv_page_language(const pv_page_t *page)
{
    pv_str_t  none = pv_string("");

    return page->policy ? page->policy->texts[page->language].language : none;
}


static void
view_lang_query(pv_view_t *v)
{
    pv_buf_t          b;
    const pv_page_t  *page;

    page = v->page;
    pv_buf_init(&b, 256);

    if (page->policy != NULL && page->policy->texts_count > 1) {
        pv_buf_puts(&b, "?lang=");
        pv_buf_str(&b, pv_page_language(page));
    }

    pv_view_take(v, v->root, "lang_query", &b);
}


/* A tag that came with the request: only what can be one. */
static int
is_tag(pv_str_t s)
{
    size_t  i;

    for (i = 0; i < s.len; i++) {
        if (!(s.data[i] == '-' || (s.data[i] >= '0' && s.data[i] <= '9')
              || ((s.data[i] | 0x20) >= 'a' && (s.data[i] | 0x20) <= 'z')))
        {
            return 0;
        }
    }

    return s.len > 1 && s.len <= 35;
}


/* Said in the language that was missed, if the interface speaks it: who asked for it reads it. */
static void
view_missed(pv_view_t *v)
{
    pv_str_t    missed;
    json_t     *strings;
    pv_fill_t   fills[2];

    missed = v->page->missed;

    if (!is_tag(missed)) {
        return;
    }

    strings = pv_ui_speaks(v->page->ui, missed) ? pv_ui_strings(v->page->ui, missed) : v->strings;

    fills[0].name = "wanted";
    fills[0].value = pv_ui_language_name(v->page->ui, missed);
    fills[1].name = "language";
    fills[1].value = pv_ui_language_name(v->page->ui, pv_page_language(v->page));

    pv_view_str(v, v->root, "missed_language", pv_str(json_string_value(json_object_get(strings, "tag"))));
    pv_view_fill(v, v->root, "missed", pv_str(json_string_value(json_object_get(strings, "no_text"))), fills, 2);
}


void
pv_view_init(pv_view_t *v, const pv_page_t *page, const char *title)
{
    pv_str_t            language;
    pv_page_version_t   version;
    const pv_policy_t  *policy;

    memset(v, 0, sizeof(pv_view_t));

    language = pv_page_language(page);
    policy = page->policy;

    v->page = page;
    v->strings = pv_ui_strings(page->ui, language);
    v->root = json_object();

    if (v->root == NULL) {
        v->failed = 1;
        return;
    }

    if (json_object_set(v->root, "t", v->strings) != 0) {
        v->failed = 1;
    }

    pv_view_str(v, v->root, "ui_language", pv_view_string(v, "tag"));
    pv_view_str(v, v->root, "ui_direction", pv_view_string(v, "direction"));
    pv_view_str(v, v->root, "prefix", page->prefix);
    pv_view_str(v, v->root, "token", page->token);
    pv_view_str(v, v->root, "return", page->return_to);
    view_lang_query(v);

    if (title != NULL) {
        pv_view_str(v, v->root, "page_title", pv_view_string(v, title));
    }

    if (policy == NULL) {
        return;
    }

    pv_view_str(v, v->root, "language", language);
    pv_view_str(v, v->root, "direction", pv_str(pv_language_direction(language)));
    pv_page_version_policy(&version, policy);
    pv_view_version(v, v->root, &version);
    view_controller(v, &policy->controller);
    view_languages(v);
    view_missed(v);
}


void
pv_view_free(pv_view_t *v)
{
    json_decref(v->root);
    v->root = NULL;
}


int
pv_view_render(pv_view_t *v, pv_buf_t *out, const char *template)
{
    int                   rc;
    const pv_template_t  *t;

    t = pv_ui_template(v->page->ui, template);
    rc = PV_ERROR;

    if (!v->failed && t != NULL) {
        rc = pv_template_render(out, t, v->root, pv_ui_partial, v->page->ui, NULL);
    }

    pv_view_free(v);

    return rc;
}


int
pv_is_web_address(pv_str_t s)
{
    return (s.len > 8 && strncasecmp((const char *) s.data, "https://", 8) == 0)
           || (s.len > 7 && strncasecmp((const char *) s.data, "http://", 7) == 0);
}


/* An address that may be a link, else nothing. */
static void
view_link(pv_view_t *v, json_t *object, const char *name, pv_str_t address)
{
    pv_view_str(v, object, name, pv_is_web_address(address) ? address : pv_str(""));
}


/* "+86 (10) 1234-5678" as tel: wants it. */
static pv_str_t
telephone_link(char *buf, size_t size, pv_str_t telephone)
{
    int       c;
    size_t    i;
    pv_str_t  s;

    s.data = (const unsigned char *) buf;
    s.len = 0;

    for (i = 0; i < telephone.len && s.len < size; i++) {
        c = telephone.data[i];

        if ((c >= '0' && c <= '9') || (c == '+' && s.len == 0)) {
            buf[s.len++] = (char) c;
        }
    }

    return s;
}


static void
view_controller(pv_view_t *v, const pv_controller_t *c)
{
    char     buf[32];
    json_t  *object;

    object = json_object();

    pv_view_str(v, object, "name", c->name);
    pv_view_str(v, object, "mail", c->mail);
    pv_view_str(v, object, "telephone", c->telephone);
    pv_view_str(v, object, "telephone_link", telephone_link(buf, sizeof(buf), c->telephone));
    pv_view_str(v, object, "address", c->address);
    pv_view_str(v, object, "department", c->department);
    pv_view_str(v, object, "complaint", c->complaint);
    view_link(v, object, "complaint_link", c->complaint);
    pv_view_set(v, v->root, "controller", object);
}


static void
view_languages(pv_view_t *v)
{
    size_t              i;
    json_t             *list, *item;
    const pv_policy_t  *policy;

    policy = v->page->policy;
    list = json_array();

    for (i = 0; i < policy->texts_count; i++) {
        item = json_object();
        pv_view_str(v, item, "tag", policy->texts[i].language);
        pv_view_str(v, item, "name", pv_ui_language_name(v->page->ui, policy->texts[i].language));
        pv_view_bool(v, item, "current", i == v->page->language);

        pv_view_add(v, list, item);
    }

    pv_view_set(v, v->root, "languages", list);
    pv_view_bool(v, v->root, "languages_offered", policy->texts_count > 1);
}


/* The value that a {name} stands for; NULL when it is none of these. */
static const pv_fill_t *
find_fill(const pv_fill_t *fills, size_t n, const unsigned char *name, size_t len)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (strlen(fills[i].name) == len && memcmp(fills[i].name, name, len) == 0) {
            return &fills[i];
        }
    }

    return NULL;
}


void
pv_view_fill(pv_view_t *v, json_t *object, const char *name, pv_str_t sentence, const pv_fill_t *fills, size_t n)
{
    pv_buf_t              b;
    const pv_fill_t      *fill;
    const unsigned char  *p, *end, *open, *close;

    pv_buf_init(&b, PV_SENTENCE_MAX);

    p = sentence.data;
    end = p + sentence.len;

    while (p < end) {
        open = memchr(p, '{', (size_t) (end - p));
        close = open ? memchr(open, '}', (size_t) (end - open)) : NULL;
        fill = close ? find_fill(fills, n, open + 1, (size_t) (close - open - 1)) : NULL;

        if (close == NULL) {
            pv_buf_add(&b, p, (size_t) (end - p));
            break;
        }

        pv_buf_add(&b, p, (size_t) ((fill ? open : close + 1) - p));
        if (fill != NULL) {
            pv_buf_str(&b, fill->value);
        }

        p = close + 1;
    }

    pv_view_take(v, object, name, &b);
}


void
pv_view_count(pv_view_t *v, json_t *object, const char *name, const char *key, size_t n)
{
    char       one[64], number[24];
    pv_str_t   sentence;
    pv_fill_t  fill;

    snprintf(one, sizeof(one), "%s_one", key);
    snprintf(number, sizeof(number), "%zu", n);

    sentence = n == 1 ? pv_view_string(v, one) : pv_str("");

    fill.name = "n";
    fill.value = pv_str(number);
    pv_view_fill(v, object, name, sentence.len ? sentence : pv_view_string(v, key), &fill, 1);
}


void
pv_view_take(pv_view_t *v, json_t *object, const char *name, pv_buf_t *b)
{
    pv_str_t  s;

    s.data = b->data;
    s.len = b->len;
    v->failed |= b->failed;
    pv_view_str(v, object, name, s);
    pv_buf_free(b);
}


void
pv_view_signal(pv_view_t *v)
{
    char       key[32];
    pv_fill_t  fill;

    pv_view_str(v, v->root, "signal", pv_str(v->page->signal ? v->page->signal : ""));

    if (v->page->signal == NULL) {
        return;
    }

    snprintf(key, sizeof(key), "signal_%s", v->page->signal);
    fill.name = "signal";
    fill.value = pv_view_string(v, key);

    pv_view_fill(v, v->root, "signal_banner", pv_view_string(v, "signal_banner"), &fill, 1);
    pv_view_fill(v, v->root, "signal_choices", pv_view_string(v, "signal_choices"), &fill, 1);
}


/* The heading that a text begins with stands by itself: the page puts the version's dates under it. */
static size_t
heading_len(pv_str_t html)
{
    const char  *end;

    if (html.len < 3 || memcmp(html.data, "<h1", 3) != 0) {
        return 0;
    }

    end = memmem(html.data, html.len, "</h1>", 5);

    return end ? (size_t) (end - (const char *) html.data) + 5 : 0;
}


void
pv_view_text(pv_view_t *v)
{
    json_t           *toc;
    pv_str_t          heading, rest;
    const pv_text_t  *text;

    text = &v->page->policy->texts[v->page->language];

    pv_view_str(v, v->root, "html", text->html);
    pv_view_str(v, v->root, "page_title", text->title.len ? text->title : pv_view_string(v, "policy"));

    heading.data = text->html.data;
    heading.len = heading_len(text->html);
    rest.data = text->html.data + heading.len;
    rest.len = text->html.len - heading.len;

    pv_view_str(v, v->root, "heading", heading);
    pv_view_str(v, v->root, "text", rest);

    toc = pv_toc(text->html);
    pv_view_bool(v, v->root, "has_toc", json_array_size(toc) > 1);
    pv_view_set(v, v->root, "toc", toc);
}


void
pv_view_asset(pv_view_t *v, const char *name, const char *file)
{
    pv_buf_t           b;
    const pv_asset_t  *asset;

    pv_buf_init(&b, 4096);
    asset = pv_ui_asset(v->page->ui, pv_str(file));

    if (asset != NULL) {
        pv_buf_str(&b, v->page->prefix);
        pv_buf_printf(&b, "assets/%s/%s", asset->hash, asset->name);
    }

    pv_view_take(v, v->root, name, &b);
}


void
pv_view_assets(pv_view_t *v)
{
    pv_view_asset(v, "style", "privacy.css");
    pv_view_asset(v, "script", "privacy.js");
    pv_view_asset(v, "pages_style", "pages.css");
    pv_view_asset(v, "archive_style", "archive.css");
    pv_view_asset(v, "notices_style", "notices.css");
    pv_view_asset(v, "notices_script", "notices.js");
    pv_view_str(v, v->root, "session_tag", v->page->session_tag);
}
