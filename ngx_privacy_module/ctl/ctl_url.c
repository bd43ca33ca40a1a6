/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "ctl_url.h"


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
    const char  *rest, *at, *slash;

    memset(url, 0, sizeof(ctl_url_t));

    if (strncmp(text, "unix:", 5) == 0) {
        rest = text + 5;
        len = strcspn(rest, "?");

        if (len != 0 && ctl_url_copy(url->path, sizeof(url->path), rest, len)
            && (rest[len] == '\0'
                || (strncmp(rest + len, "?db=", 4) == 0
                    && ctl_url_bounded(&url->database, rest + len + 4, 0, 65535))))
        {
            return CTL_OK;
        }

    } else if (strncmp(text, "redis://", 8) == 0) {
        rest = text + 8;
        at = strrchr(rest, '@');

        if (at == NULL || ctl_url_credentials(url, rest, (size_t) (at - rest))) {
            rest = (at == NULL) ? rest : at + 1;
            slash = strchr(rest, '/');
            len = (slash == NULL) ? strlen(rest) : (size_t) (slash - rest);

            if (ctl_url_host(url, rest, len, 6379)
                && (slash == NULL || slash[1] == '\0' || ctl_url_bounded(&url->database, slash + 1, 0, 65535)))
            {
                return CTL_OK;
            }
        }
    }

    /* without the text: there may be a password in it */

    return ctl_fail(CTL_USAGE, "where Redis is has to be redis://[USER:PASSWORD@]HOST[:PORT][/DB] "
                    "or unix:PATH[?db=N]");
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
        return 0;
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
