/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "ctl_url.h"


static int ctl_url_consistent(const ctl_url_t *url);
static int ctl_url_servers(ctl_url_t *url, const char *text, size_t len, int port);
static int ctl_url_path(ctl_url_t *url, const char *text, size_t len);
static int ctl_url_query(ctl_url_t *url, const char *text);
static int ctl_url_parameter(ctl_url_t *url, const char *name, size_t len, const char *value);
static int ctl_url_password_file(char password[256], const char *file);
static int ctl_url_host(char *host, size_t size, int *port, const char *text, size_t len, int otherwise);
static int ctl_url_credentials(ctl_url_t *url, const char *text, size_t len);
static int ctl_url_copy(char *out, size_t size, const char *text, size_t len);
static int ctl_url_unescape(char *out, size_t size, const char *text, size_t len);
static int ctl_url_hex(char ch);
static int ctl_url_bounded(long *out, const char *text, long min, long max);


int
ctl_url_redis(ctl_url_t *url, const char *text)
{
    size_t       i, len;
    const char  *rest, *query;

    static const struct { const char *scheme; ctl_url_kind_t kind; int tls, port; }  schemes[] = {
        { "redis://", CTL_URL_SERVER, 0, 6379 },
        { "rediss://", CTL_URL_SERVER, 1, 6379 },
        { "sentinel://", CTL_URL_SENTINEL, 0, 26379 },
        { "cluster://", CTL_URL_CLUSTER, 0, 6379 }
    };

    memset(url, 0, sizeof(ctl_url_t));

    rest = NULL;
    query = text + strcspn(text, "?");

    if (strncmp(text, "unix:", 5) == 0) {
        rest = text + 5;
        len = (size_t) (query - rest);

        if (len == 0 || !ctl_url_copy(url->path, sizeof(url->path), rest, len)) {
            rest = NULL;
        }
    }

    for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        len = strlen(schemes[i].scheme);

        if (strncmp(text, schemes[i].scheme, len) != 0) {
            continue;
        }

        url->kind = schemes[i].kind;
        url->tls = schemes[i].tls;
        rest = text + len;

        /* the last "@": a password may hold one, and a "?" too */
        query = strrchr(rest, '@') != NULL ? strrchr(rest, '@') : rest;
        query += strcspn(query, "?");

        if (!ctl_url_servers(url, rest, (size_t) (query - rest), schemes[i].port)) {
            rest = NULL;
        }

        break;
    }

    if (rest != NULL && (*query == '\0' || ctl_url_query(url, query + 1)) && ctl_url_consistent(url)) {
        return CTL_OK;
    }

    /* without the text: there may be a password in it */

    return ctl_fail(CTL_USAGE, "where Redis is has to be redis[s]://[USER:PASSWORD@]HOST[:PORT][/DB], unix:PATH[?db=N], "
                    "sentinel://HOST[,HOST]/NAME or cluster://HOST[,HOST]; see privacyctl(1)");
}


static int
ctl_url_consistent(const ctl_url_t *url)
{
    int  for_tls;

    for_tls = url->ca[0] != '\0' || url->certificate[0] != '\0' || url->certificate_key[0] != '\0' || url->unverified
              || url->name[0] != '\0';

    return (url->user[0] == '\0' || url->password[0] != '\0')
           && (url->sentinel_user[0] == '\0' || url->sentinel_password[0] != '\0')
           && (url->certificate[0] == '\0') == (url->certificate_key[0] == '\0')
           && (url->tls || !for_tls);
}


/* [USER:PASSWORD@]HOST[:PORT] and then [/DB], or further hosts, or further ones and /NAME. */

static int
ctl_url_servers(ctl_url_t *url, const char *text, size_t len, int port)
{
    size_t       n;
    const char  *at, *slash, *comma;

    for (at = text + len; at > text && at[-1] != '@'; at--) { /* void */ }

    if (at > text) {
        if (!ctl_url_credentials(url, text, (size_t) (at - 1 - text))) {
            return 0;
        }

        len -= (size_t) (at - text);
        text = at;
    }

    slash = memchr(text, '/', len);

    if (!ctl_url_path(url, slash != NULL ? slash + 1 : "", slash != NULL ? len - (size_t) (slash + 1 - text) : 0)) {
        return 0;
    }

    len = slash != NULL ? (size_t) (slash - text) : len;

    if (url->kind == CTL_URL_SERVER) {
        return ctl_url_host(url->host, sizeof(url->host), &url->port, text, len, port);
    }

    for ( ;; ) {
        comma = memchr(text, ',', len);
        n = comma != NULL ? (size_t) (comma - text) : len;

        if (url->hosts_count == CTL_URL_HOSTS
            || !ctl_url_host(url->hosts[url->hosts_count].host, sizeof(url->hosts[0].host),
                             &url->hosts[url->hosts_count].port, text, n, port))
        {
            return 0;
        }

        url->hosts_count++;

        if (comma == NULL) {
            return 1;
        }

        text += n + 1;
        len -= n + 1;
    }
}


/* What stands behind the slash. */

static int
ctl_url_path(ctl_url_t *url, const char *text, size_t len)
{
    char  database[16];

    switch (url->kind) {

    case CTL_URL_SENTINEL:
        return len != 0 && ctl_url_unescape(url->master, sizeof(url->master), text, len)
               && strpbrk(url->master, " /\r\n") == NULL;

    case CTL_URL_CLUSTER:
        return len == 0;

    default:
        return len == 0 || (ctl_url_copy(database, sizeof(database), text, len)
                            && ctl_url_bounded(&url->database, database, 0, 65535));
    }
}


/* NAME=VALUE[&NAME=VALUE]..., values percent-encoded. */

static int
ctl_url_query(ctl_url_t *url, const char *text)
{
    char     value[512];
    size_t   i, len, name_len;

    const struct { const char *name; char *out; size_t size; }  strings[] = {
        { "user", url->user, sizeof(url->user) },
        { "password", url->password, sizeof(url->password) },
        { "sentinel_user", url->sentinel_user, sizeof(url->sentinel_user) },
        { "ca", url->ca, sizeof(url->ca) },
        { "cert", url->certificate, sizeof(url->certificate) },
        { "key", url->certificate_key, sizeof(url->certificate_key) },
        { "name", url->name, sizeof(url->name) }
    };

    for ( ; ; text += len + 1) {
        len = strcspn(text, "&");
        name_len = strcspn(text, "=&");

        if (name_len >= len || !ctl_url_unescape(value, sizeof(value), text + name_len + 1, len - name_len - 1)
            || value[0] == '\0')
        {
            return 0;
        }

        for (i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
            if (strlen(strings[i].name) == name_len && memcmp(strings[i].name, text, name_len) == 0) {
                break;
            }
        }

        if (i < sizeof(strings) / sizeof(strings[0])) {
            if (!ctl_url_copy(strings[i].out, strings[i].size, value, strlen(value))) {
                return 0;
            }

        } else if (!ctl_url_parameter(url, text, name_len, value)) {
            return 0;
        }

        if (text[len] == '\0') {
            return 1;
        }
    }
}


/* Those that are no strings. */

static int
ctl_url_parameter(ctl_url_t *url, const char *name, size_t len, const char *value)
{
    if (len == 2 && memcmp(name, "db", 2) == 0) {
        return (url->path[0] != '\0' || url->kind == CTL_URL_SENTINEL)
               && ctl_url_bounded(&url->database, value, 0, 65535);
    }

    if (len == 13 && memcmp(name, "password_file", 13) == 0) {
        return ctl_url_password_file(url->password, value);
    }

    if (len == 22 && memcmp(name, "sentinel_password_file", 22) == 0) {
        return ctl_url_password_file(url->sentinel_password, value);
    }

    if (len == 6 && memcmp(name, "verify", 6) == 0) {
        url->unverified = 1;
        return strcmp(value, "off") == 0;
    }

    if (len == 3 && memcmp(name, "tls", 3) == 0) {
        url->tls = 1;
        return url->kind != CTL_URL_SERVER && strcmp(value, "on") == 0;
    }

    return 0;
}


/* The file's first line. */

static int
ctl_url_password_file(char password[256], const char *file)
{
    FILE  *in;

    in = fopen(file, "r");
    if (in == NULL) {
        (void) ctl_fail(0, "%s: %s", file, strerror(errno));
        return 0;
    }

    if (fgets(password, 256, in) == NULL) {
        password[0] = '\0';
    }

    (void) fclose(in);
    password[strcspn(password, "\r\n")] = '\0';

    return password[0] != '\0';
}


/* HOST[:PORT] or [IPv6][:PORT]. */

static int
ctl_url_host(char *host, size_t size, int *port, const char *text, size_t len, int otherwise)
{
    long         number;
    char         digits[8];
    size_t       host_len;
    const char  *end;

    if (len != 0 && text[0] == '[') {
        end = memchr(text, ']', len);
        if (end == NULL) {
            return 0;
        }

        host_len = (size_t) (end - text) - 1;
        text++;
        len -= 2;

    } else {
        end = memchr(text, ':', len);
        host_len = (end == NULL) ? len : (size_t) (end - text);
    }

    if (host_len == 0 || !ctl_url_copy(host, size, text, host_len) || strpbrk(host, ", \r\n\t") != NULL) {
        return 0;
    }

    if (text[host_len] == ']') {
        text++;
    }

    *port = otherwise;

    if (len == host_len) {
        return 1;
    }

    if (text[host_len] != ':'
        || !ctl_url_copy(digits, sizeof(digits), text + host_len + 1, len - host_len - 1)
        || !ctl_url_bounded(&number, digits, 1, 65535))
    {
        return 0;
    }

    *port = (int) number;

    return 1;
}


static int
ctl_url_credentials(ctl_url_t *url, const char *text, size_t len)
{
    size_t       user_len;
    const char  *colon;

    colon = memchr(text, ':', len);
    if (colon == NULL) {
        /* the password is in a file */
        return len != 0 && ctl_url_unescape(url->user, sizeof(url->user), text, len);
    }

    user_len = (size_t) (colon - text);

    return ctl_url_unescape(url->user, sizeof(url->user), text, user_len)
           && ctl_url_unescape(url->password, sizeof(url->password), colon + 1, len - user_len - 1)
           && url->password[0] != '\0';
}


static int
ctl_url_copy(char *out, size_t size, const char *text, size_t len)
{
    if (len >= size) {
        return 0;
    }

    memcpy(out, text, len);
    out[len] = '\0';

    return 1;
}


static int
ctl_url_unescape(char *out, size_t size, const char *text, size_t len)
{
    int     high, low;
    size_t  i, n;

    for (i = 0, n = 0; i < len; i++, n++) {

        if (n + 1 >= size) {
            return 0;
        }

        if (text[i] != '%') {
            out[n] = text[i];
            continue;
        }

        if (len - i < 3) {
            return 0;
        }

        high = ctl_url_hex(text[i + 1]);
        low = ctl_url_hex(text[i + 2]);

        if (high < 0 || low < 0 || (high == 0 && low == 0)) {
            return 0;
        }

        out[n] = (char) (high << 4 | low);
        i += 2;
    }

    out[n] = '\0';

    return 1;
}


static int
ctl_url_hex(char ch)
{
    if (ch >= '0' && ch <= '9') {
        return ch - '0';
    }

    ch |= 0x20;

    return (ch >= 'a' && ch <= 'f') ? ch - 'a' + 10 : -1;
}


static int
ctl_url_bounded(long *out, const char *text, long min, long max)
{
    size_t  len;

    len = strlen(text);

    if (len == 0 || len > 9 || strspn(text, "0123456789") != len) {
        return 0;
    }

    *out = strtol(text, NULL, 10);

    return *out >= min && *out <= max;
}
