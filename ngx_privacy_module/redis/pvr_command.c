/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* What keys and commands are made of. */

#include <string.h>

#include "pvr_private.h"


static size_t pvr_join(char *buf, const pv_str_t *parts, size_t n);


/* Keys. A site is at most PV_SITE_MAX bytes, so that each fits. */

static size_t
pvr_join(char *buf, const pv_str_t *parts, size_t n)
{
    size_t  i, len;

    len = 0;

    for (i = 0; i < n; i++) {

        if (parts[i].len >= PVR_KEY_MAX - len) {
            /* an empty key is refused by pvr_emit(): never a cut one, which would be another's */
            len = 0;
            break;
        }

        memcpy(buf + len, parts[i].data, parts[i].len);
        len += parts[i].len;
    }

    buf[len] = '\0';

    return len;
}


size_t
pvr_key(char *buf, pv_str_t site, const char *kind, pv_str_t id)
{
    pv_str_t  parts[5];

    parts[0] = pv_str("privacy:");
    parts[1] = site;
    parts[2] = pv_str(":");
    parts[3] = pv_str(kind);
    parts[4] = id;

    return pvr_join(buf, parts, 5);
}


size_t
pvr_key_subject(char *buf, pv_str_t site, const unsigned char *subject, const char *what)
{
    char      *p;
    size_t     len;
    pv_str_t   in;

    static const char  prefix[] = "privacy:{";

    in.data = subject;
    in.len = PV_SUBJECT_LEN;

    len = strlen(what);

    if (site.len > PVR_KEY_MAX - sizeof(prefix) - PV_SUBJECT_TEXT - len - 3) {
        /* an empty key is refused by pvr_emit(): never a cut one, which would be another's */
        buf[0] = '\0';
        return 0;
    }

    memcpy(buf, prefix, sizeof(prefix) - 1);
    p = buf + sizeof(prefix) - 1;
    memcpy(p, site.data, site.len);
    p += site.len;
    *p++ = ':';
    p += pv_base64url_encode((unsigned char *) p, in);
    *p++ = '}';
    *p++ = ':';
    memcpy(p, what, len + 1);

    return (size_t) (p - buf) + len;
}


void
pvr_add(pvr_command_t *command, const void *data, size_t len)
{
    command->argv[command->n] = data;
    command->len[command->n] = len;
    command->n++;
}


void
pvr_word(pvr_command_t *command, const char *word)
{
    pvr_add(command, word, strlen(word));
}


size_t
pvr_decimal(char buf[PVR_NUMBER_MAX], uint64_t number)
{
    char    digits[PVR_NUMBER_MAX], *p;
    size_t  len;

    p = digits + sizeof(digits);

    do {
        *--p = (char) ('0' + number % 10);
        number /= 10;
    } while (number != 0);

    len = (size_t) (digits + sizeof(digits) - p);
    memcpy(buf, p, len);

    return len;
}


int
pvr_emit(pv_buf_t *out, pvr_command_t *command)
{
    if (command->n > 1 && command->len[1] == 0) {
        out->failed = 1;
        return PV_ERROR;
    }

    return pvr_format(out, command->n, command->argv, command->len);
}


int
pvr_format(pv_buf_t *out, int n, const char **argv, const size_t *len)
{
    int    size;
    char  *formatted;

    size = redisFormatCommandArgv(&formatted, n, argv, len);
    if (size < 0) {
        out->failed = 1;
        return PV_ERROR;
    }

    pv_buf_add(out, formatted, (size_t) size);
    redisFreeCommand(formatted);

    return out->failed ? PV_ERROR : PV_OK;
}


int
pvr_number(uint64_t *out, const char *text, size_t len)
{
    size_t    i;
    uint64_t  n;

    if (len == 0 || len > 18 || (len > 1 && text[0] == '0')) {
        return PV_INVALID;
    }

    n = 0;

    for (i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return PV_INVALID;
        }

        n = n * 10 + (uint64_t) (text[i] - '0');
    }

    *out = n;

    return PV_OK;
}
