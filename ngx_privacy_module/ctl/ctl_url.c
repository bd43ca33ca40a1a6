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


static int ctl_url_server(ctl_url_t *url, const char *text, size_t len);
static int ctl_url_query(ctl_url_t *url, const char *text);
static int ctl_url_parameter(ctl_url_t *url, const char *name, size_t len, const char *value);
static int ctl_url_password_file(ctl_url_t *url, const char *file);
static int ctl_url_host(ctl_url_t *url, const char *text, size_t len, int port);
static int ctl_url_credentials(ctl_url_t *url, const char *text, size_t len);
static int ctl_url_copy(char *out, size_t size, const char *text, size_t len);
static int ctl_url_unescape(char *out, size_t size, const char *text, size_t len);
static int ctl_url_hex(char ch);
static int ctl_url_bounded(long *out, const char *text, long min, long max);


int
ctl_url_redis(ctl_url_t *url, const char *text)
{
    size_t       len;
    const char  *rest, *query;

    memset(url, 0, sizeof(ctl_url_t));

    rest = NULL;
    query = text + strcspn(text, "?");

    if (strncmp(text, "unix:", 5) == 0) {
        rest = text + 5;
        len = (size_t) (query - rest);

        if (len == 0 || !ctl_url_copy(url->path, sizeof(url->path), rest, len)) {
            rest = NULL;
        }

    } else if (strncmp(text, "redis://", 8) == 0 || strncmp(text, "rediss://", 9) == 0) {
        url->tls = (text[5] == 's');
        rest = text + 8 + url->tls;

        /* the last "@": a password may hold one, and a "?" too */
        query = strrchr(rest, '@') != NULL ? strrchr(rest, '@') : rest;
        query += strcspn(query, "?");

        if (!ctl_url_server(url, rest, (size_t) (query - rest))) {
            rest = NULL;
        }
    }

    if (rest != NULL && (*query == '\0' || ctl_url_query(url, query + 1))
        && (url->user[0] == '\0' || url->password[0] != '\0')
        && (url->certificate[0] == '\0') == (url->certificate_key[0] == '\0'))
    {
        return CTL_OK;
    }

    /* without the text: there may be a password in it */

    return ctl_fail(CTL_USAGE, "where Redis is has to be redis[s]://[USER:PASSWORD@]HOST[:PORT][/DB] "
                    "or unix:PATH[?db=N]; see privacyctl(1)");
}


/* [USER:PASSWORD@]HOST[:PORT][/DB] */

static int
ctl_url_server(ctl_url_t *url, const char *text, size_t len)
{
    char         database[16];
    const char  *at, *slash;

    for (at = text + len; at > text && at[-1] != '@'; at--) { /* void */ }

    if (at > text) {
        if (!ctl_url_credentials(url, text, (size_t) (at - 1 - text))) {
            return 0;
        }

        len -= (size_t) (at - text);
        text = at;
    }

    slash = memchr(text, '/', len);

    if (slash != NULL && slash + 1 != text + len) {
        if (!ctl_url_copy(database, sizeof(database), slash + 1, len - (size_t) (slash + 1 - text))
            || !ctl_url_bounded(&url->database, database, 0, 65535))
        {
            return 0;
        }
    }

    return ctl_url_host(url, text, slash != NULL ? (size_t) (slash - text) : len, 6379)
           && ctl_url_copy(url->name, sizeof(url->name), url->host, strlen(url->host));
}


/* NAME=VALUE[&NAME=VALUE]..., values percent-encoded. */

static int
ctl_url_query(ctl_url_t *url, const char *text)
{
    char     value[512];
    size_t   i, len, name_len;

    const struct { const char *name; char *out; size_t size; int tls; }  strings[] = {
        { "user", url->user, sizeof(url->user), 0 },
        { "password", url->password, sizeof(url->password), 0 },
        { "ca", url->ca, sizeof(url->ca), 1 },
        { "cert", url->certificate, sizeof(url->certificate), 1 },
        { "key", url->certificate_key, sizeof(url->certificate_key), 1 },
        { "name", url->name, sizeof(url->name), 1 }
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
            if ((strings[i].tls && !url->tls)
                || !ctl_url_copy(strings[i].out, strings[i].size, value, strlen(value)))
            {
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
        return url->path[0] != '\0' && ctl_url_bounded(&url->database, value, 0, 65535);
    }

    if (len == 13 && memcmp(name, "password_file", 13) == 0) {
        return ctl_url_password_file(url, value);
    }

    if (len == 6 && memcmp(name, "verify", 6) == 0) {
        url->unverified = 1;
        return url->tls && strcmp(value, "off") == 0;
    }

    return 0;
}


/* The file's first line. */

static int
ctl_url_password_file(ctl_url_t *url, const char *file)
{
    FILE  *in;

    in = fopen(file, "r");
    if (in == NULL) {
        (void) ctl_fail(0, "%s: %s", file, strerror(errno));
        return 0;
    }

    if (fgets(url->password, sizeof(url->password), in) == NULL) {
        url->password[0] = '\0';
    }

    (void) fclose(in);
    url->password[strcspn(url->password, "\r\n")] = '\0';

    return url->password[0] != '\0';
}


/* HOST[:PORT] or [IPv6][:PORT]. */

static int
ctl_url_host(ctl_url_t *url, const char *text, size_t len, int port)
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

    if (host_len == 0 || !ctl_url_copy(url->host, sizeof(url->host), text, host_len)
        || strpbrk(url->host, " \r\n\t") != NULL)
    {
        return 0;
    }

    if (text[host_len] == ']') {
        text++;
    }

    url->port = port;

    if (len == host_len) {
        return 1;
    }

    if (text[host_len] != ':'
        || !ctl_url_copy(digits, sizeof(digits), text + host_len + 1, len - host_len - 1)
        || !ctl_url_bounded(&number, digits, 1, 65535))
    {
        return 0;
    }

    url->port = (int) number;

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
