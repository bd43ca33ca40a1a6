/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdio.h>
#include <string.h>

#include "ctl_init.h"


static json_t *ctl_init_controller(const ctl_init_t *init);
static json_t *ctl_init_purposes(ctl_init_t *init);
static json_t *ctl_init_words(const ctl_init_t *init, const char *zh, const char *en);
static void ctl_init_cookies(ctl_init_t *init, json_t *necessary, json_t *others);
static void ctl_init_named(const char *names, json_t *necessary);
static json_t *ctl_init_cookie(const json_t *seen);
static void ctl_init_lifetime(char text[96], json_int_t seconds);
static int ctl_init_is_named(const char *names, const char *name);
static int ctl_init_can_declare(const char *name);
static int ctl_init_has(const json_t *list, const json_t *cookie);


static const char *const  ctl_init_fields[] = {
    "name", "mail", "telephone", "address", "department", "complaint", "country"
};


json_t *
ctl_init_policy(ctl_init_t *init)
{
    size_t   i;
    json_t  *languages;

    languages = json_array();

    for (i = 0; init->languages[i] != NULL; i++) {
        json_array_append_new(languages, json_string(init->languages[i]));
    }

    return json_pack("{s:s, s:s, s:o, s:o, s:i, s:i, s:o, s:[], s:[]}",
                     "version", init->version, "effective", init->effective, "languages", languages,
                     "controller", ctl_init_controller(init), "choice_days", 180, "minor_age", 14,
                     "purposes", ctl_init_purposes(init), "recipients", "changes");
}


static json_t *
ctl_init_controller(const ctl_init_t *init)
{
    size_t   i;
    json_t  *controller;

    controller = json_object();

    for (i = 0; i < sizeof(ctl_init_fields) / sizeof(ctl_init_fields[0]); i++) {
        if (init->answers[i] != NULL && init->answers[i][0] != '\0') {
            json_object_set_new(controller, ctl_init_fields[i], json_string(init->answers[i]));
        }
    }

    return controller;
}


/*
 * Nothing is guessed to be necessary: that is what somebody answers for. What
 * was seen and not named waits, denied without consent, in a purpose whose name
 * says that it is none.
 */
static json_t *
ctl_init_purposes(ctl_init_t *init)
{
    json_t  *purposes, *necessary, *others;

    necessary = json_array();
    others = json_array();
    ctl_init_cookies(init, necessary, others);

    purposes = json_pack("[{s:s, s:o, s:o, s:b, s:o, s:o, s:o}]",
        "id", "necessary",
        "title", ctl_init_words(init, "网站运行所必需", "Needed to run the site"),
        "text", ctl_init_words(init, "保持登录状态，防止伪造请求，保障网站安全、稳定运行。",
                               "Keeps you signed in, prevents forged requests, and keeps the site safe and running."),
        "necessary", 1,
        "exempt_reason", ctl_init_words(init,
            "订立、履行您作为一方当事人的合同所必需（《个人信息保护法》第十三条第一款第二项）。",
            "Necessary to conclude or perform a contract to which you are a party (PIPL, Article 13(1)(2))."),
        "retention", ctl_init_words(init, "浏览会话期间", "for the session"),
        "cookies", necessary);

    if (json_array_size(others) == 0) {
        json_decref(others);
        return purposes;
    }

    json_array_append_new(purposes, json_pack("{s:s, s:o, s:o, s:o, s:o}",
        "id", CTL_INIT_PURPOSE,
        "title", ctl_init_words(init, "待分类", "To be classified"),
        "text", ctl_init_words(init, "【请填写：将这些 Cookie 归入各自的处理目的，并说明每个目的】",
                               "[To fill in: put these cookies into the purposes that they serve, say what each is for]"),
        "retention", ctl_init_words(init, "【请填写：保存期限】", "[To fill in: how long]"),
        "cookies", others));

    return purposes;
}


/* In the languages of the bundle. */
static json_t *
ctl_init_words(const ctl_init_t *init, const char *zh, const char *en)
{
    size_t   i;
    json_t  *words;

    words = json_object();

    for (i = 0; init->languages[i] != NULL; i++) {
        json_object_set_new(words, init->languages[i],
                            json_string(strcmp(init->languages[i], "en") == 0 ? en : zh));
    }

    return words;
}


static void
ctl_init_cookies(ctl_init_t *init, json_t *necessary, json_t *others)
{
    size_t       i;
    json_t      *seen, *cookie, *list;
    const char  *name, *names;

    names = init->answers[CTL_INIT_NECESSARY] != NULL ? init->answers[CTL_INIT_NECESSARY] : "";

    json_array_foreach(init->seen, i, seen) {
        name = json_string_value(json_object_get(seen, "name"));

        if (name == NULL || !ctl_init_can_declare(name)) {
            init->skipped++;
            continue;
        }

        cookie = ctl_init_cookie(seen);
        list = ctl_init_is_named(names, name) ? necessary : others;

        if (ctl_init_has(list, cookie)) {
            json_decref(cookie);
        } else {
            json_array_append_new(list, cookie);
        }
    }

    ctl_init_named(names, necessary);
    init->unclassified = json_array_size(others);
}


/* Those that were named and not seen. */
static void
ctl_init_named(const char *names, json_t *necessary)
{
    int          found;
    size_t       i, len;
    json_t      *cookie;
    const char  *name;

    for ( /* void */ ; *names != '\0'; names += len + (names[len] == ',')) {
        len = strcspn(names, ",");
        found = len == 0;

        json_array_foreach(necessary, i, cookie) {
            name = json_string_value(json_object_get(cookie, "name"));
            found |= strlen(name) == len && memcmp(name, names, len) == 0;
        }

        if (!found) {
            json_array_append_new(necessary, json_pack("{s:s%, s:s, s:s}", "name", names, len, "path", "/",
                                                       "lifetime", "会话 / session"));
        }
    }
}


/* Domain and path are needed to expire it; an odd one is left to who knows it. */
static json_t *
ctl_init_cookie(const json_t *seen)
{
    char           lifetime[96];
    json_t        *cookie;
    const char    *domain, *path;
    const json_t  *seconds;

    domain = json_string_value(json_object_get(seen, "domain"));
    path = json_string_value(json_object_get(seen, "path"));
    seconds = json_object_get(seen, "lifetime");

    cookie = json_pack("{s:O}", "name", json_object_get(seen, "name"));

    if (domain != NULL && domain[0] != '\0'
        && domain[strspn(domain, "abcdefghijklmnopqrstuvwxyz0123456789.-")] == '\0')
    {
        json_object_set_new(cookie, "domain", json_string(domain));
    }

    if (path != NULL && path[0] == '/' && strlen(path) <= 512
        && path[strspn(path, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._~%!$&'()*+,=:@-")]
           == '\0')
    {
        json_object_set_new(cookie, "path", json_string(path));
    }

    if (json_is_integer(seconds)) {
        ctl_init_lifetime(lifetime, json_integer_value(seconds));
        json_object_set_new(cookie, "lifetime", json_string(lifetime));
    }

    return cookie;
}


static void
ctl_init_lifetime(char text[96], json_int_t seconds)
{
    long long  n;

    n = seconds;

    if (n < 0) {
        snprintf(text, 96, "会话 / session");

    } else if (n < 2 * 3600) {
        snprintf(text, 96, "%lld 分钟 / %lld minutes", n / 60, n / 60);

    } else if (n < 2 * 86400) {
        snprintf(text, 96, "%lld 小时 / %lld hours", n / 3600, n / 3600);

    } else {
        snprintf(text, 96, "%lld 天 / %lld days", n / 86400, n / 86400);
    }
}


static int
ctl_init_is_named(const char *names, const char *name)
{
    size_t  len;

    for ( /* void */ ; *names != '\0'; names += len + (names[len] == ',')) {
        len = strcspn(names, ",");

        if (strlen(name) == len && memcmp(name, names, len) == 0) {
            return 1;
        }
    }

    return 0;
}


/* A name that policy.json may have: "*" stands for anything there, and our own cookies need no declaration. */
static int
ctl_init_can_declare(const char *name)
{
    return name[0] != '\0' && strlen(name) <= 256
           && name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'+-.^_`|~")] == '\0'
           && strncmp(name, "__Host-privacy", 14) != 0 && strncmp(name, "__Secure-privacy", 16) != 0;
}


static int
ctl_init_has(const json_t *list, const json_t *cookie)
{
    size_t             i, k;
    json_t            *one;
    const json_t      *a, *b;
    static const char  *keys[] = { "name", "domain", "path" };

    json_array_foreach((json_t *) list, i, one) {
        for (k = 0; k < 3; k++) {
            a = json_object_get(one, keys[k]);
            b = json_object_get(cookie, keys[k]);

            if (a != b && !json_equal((json_t *) a, (json_t *) b)) {
                break;
            }
        }

        if (k == 3) {
            return 1;
        }
    }

    return 0;
}
