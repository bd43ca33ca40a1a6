/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>
#include <strings.h>

#include "pvr_cluster.h"
#include "pvr_private.h"

#define PVR_PORT_MAX          65535
#define PVR_WORDS_MAX         (1024 * 1024)
#define PVR_BULK_MAX          (512u * 1024 * 1024)


static unsigned pvr_crc16(const unsigned char *data, size_t len);
static int pvr_unsigned(unsigned long *out, pv_str_t text, unsigned long max);
static int pvr_cluster_server(pvr_address_t *address, const redisReply *server);
static int pvr_address(pvr_address_t *address, pv_str_t host, pv_str_t port);
static int pvr_is_host(pv_str_t host);
static pv_str_t pvr_word_next(pv_str_t *text);
static pv_str_t pvr_reply_str(const redisReply *reply);
static int pvr_header(pv_str_t *rest, char type, unsigned long *number, unsigned long max);
static int pvr_keyless(pv_str_t name);


/* Commands of ours that concern no key, or that say to every server what they say to one. */
static const char *const  pvr_keyless_names[] = {
    "PUBLISH", "PING", "INFO", "ROLE", "SCAN", "CONFIG", "CLUSTER", "AUTH", "SELECT", "WAIT"
};


unsigned
pvr_slot(const void *key, size_t len)
{
    size_t                tag;
    const unsigned char  *p, *open, *close;

    p = key;
    open = memchr(p, '{', len);

    if (open != NULL) {
        tag = len - (size_t) (open + 1 - p);
        close = memchr(open + 1, '}', tag);

        if (close != NULL && close != open + 1) {
            p = open + 1;
            len = (size_t) (close - p);
        }
    }

    return pvr_crc16(p, len) % PVR_SLOTS;
}


/*
 * CRC16 as of XMODEM.  What a byte alone comes to needs no table: the bits of
 * the polynomial 0x1021 lie so far apart that a byte is folded back only once.
 */

static unsigned
pvr_crc16(const unsigned char *data, size_t len)
{
    size_t    i;
    unsigned  crc, byte;

    crc = 0;

    for (i = 0; i < len; i++) {
        byte = crc >> 8 ^ data[i];
        byte ^= byte >> 4;
        crc = (crc << 8 ^ byte << 12 ^ byte << 5 ^ byte) & 0xFFFF;
    }

    return crc;
}


int
pvr_redirect(pvr_redirect_t *redirect, const redisReply *reply)
{
    size_t         i;
    pv_str_t       text, slot, host, port;
    unsigned long  number;

    memset(redirect, 0, sizeof(pvr_redirect_t));
    redirect->kind = pvr_status(reply);

    if (redirect->kind != PVR_MOVED && redirect->kind != PVR_ASK) {
        return PV_INVALID;
    }

    text = pvr_reply_str(reply);
    (void) pvr_word_next(&text);
    slot = pvr_word_next(&text);
    host = pvr_word_next(&text);

    /* the last colon: there are others in an IPv6 address */

    for (i = host.len; i > 0 && host.data[i - 1] != ':'; i--) { /* void */ }

    if (i == 0) {
        return PV_INVALID;
    }

    port.data = host.data + i;
    port.len = host.len - i;
    host.len = i - 1;

    if (pvr_unsigned(&number, slot, PVR_SLOTS - 1) != PV_OK || pvr_address(&redirect->address, host, port) != PV_OK) {
        return PV_INVALID;
    }

    redirect->slot = (unsigned) number;

    return PV_OK;
}


int
pvr_cluster_range(pvr_range_t *range, const redisReply *slots, size_t i)
{
    const redisReply  *one;

    memset(range, 0, sizeof(pvr_range_t));

    if (slots == NULL || slots->type != REDIS_REPLY_ARRAY || i >= slots->elements) {
        return PV_INVALID;
    }

    one = slots->element[i];

    if (one->type != REDIS_REPLY_ARRAY || one->elements < 3
        || one->element[0]->type != REDIS_REPLY_INTEGER || one->element[1]->type != REDIS_REPLY_INTEGER
        || one->element[0]->integer < 0 || one->element[0]->integer > one->element[1]->integer
        || one->element[1]->integer >= PVR_SLOTS)
    {
        return PV_INVALID;
    }

    range->first = (unsigned) one->element[0]->integer;
    range->last = (unsigned) one->element[1]->integer;

    return pvr_cluster_server(&range->master, one->element[2]);
}


int
pvr_cluster_replica(pvr_address_t *replica, const redisReply *slots, size_t i, size_t k)
{
    memset(replica, 0, sizeof(pvr_address_t));

    if (slots == NULL || slots->type != REDIS_REPLY_ARRAY || i >= slots->elements
        || slots->element[i]->type != REDIS_REPLY_ARRAY || k >= slots->element[i]->elements
        || slots->element[i]->elements - k <= 3)
    {
        return PV_INVALID;
    }

    return pvr_cluster_server(replica, slots->element[i]->element[3 + k]);
}


/* HOST, PORT, and what newer servers say besides. */

static int
pvr_cluster_server(pvr_address_t *address, const redisReply *server)
{
    pv_str_t  host;

    if (server->type != REDIS_REPLY_ARRAY || server->elements < 2 || server->element[1]->type != REDIS_REPLY_INTEGER
        || server->element[1]->integer < 1 || server->element[1]->integer > PVR_PORT_MAX)
    {
        return PV_INVALID;
    }

    address->port = (int) server->element[1]->integer;

    /* a server that does not know its own address says nil, or nothing: the one that was asked */

    host = pvr_reply_str(server->element[0]);

    if (pv_str_eqs(host, "?")) {
        host.len = 0;
    }

    if (!pvr_is_host(host)) {
        return PV_INVALID;
    }

    if (host.len != 0) {
        memcpy(address->host, host.data, host.len);
    }

    return PV_OK;
}


int
pvr_cluster_moving(const redisReply *nodes)
{
    pv_str_t  text, line, word, flags;

    text = pvr_reply_str(nodes);

    while (text.len != 0) {
        line.data = text.data;
        line.len = 0;

        while (line.len < text.len && text.data[line.len] != '\n') {
            line.len++;
        }

        text.data += line.len + (line.len < text.len);
        text.len -= line.len + (line.len < text.len);

        (void) pvr_word_next(&line);
        (void) pvr_word_next(&line);
        flags = pvr_word_next(&line);

        if (flags.len < 6 || memcmp(flags.data, "myself", 6) != 0) {
            continue;
        }

        /* "[93-<-ID]" or "[93->-ID]" behind the slots */

        for (word = pvr_word_next(&line); word.len != 0; word = pvr_word_next(&line)) {
            if (word.data[0] == '[') {
                return 1;
            }
        }

        return 0;
    }

    return PV_INVALID;
}


int
pvr_is_master(const redisReply *role)
{
    pv_str_t  name;

    if (role == NULL || role->type != REDIS_REPLY_ARRAY || role->elements == 0) {
        return PV_INVALID;
    }

    name = pvr_reply_str(role->element[0]);

    if (pv_str_eqs(name, "master")) {
        return 1;
    }

    return (pv_str_eqs(name, "slave") || pv_str_eqs(name, "sentinel")) ? 0 : PV_INVALID;
}


long
pvr_replicas(const redisReply *role)
{
    if (pvr_is_master(role) != 1 || role->elements < 3 || role->element[2]->type != REDIS_REPLY_ARRAY
        || role->element[2]->elements > PVR_REPLY_ELEMENTS)
    {
        return -1;
    }

    return (long) role->element[2]->elements;
}


int
pvr_sentinel_master(pvr_address_t *master, const redisReply *reply)
{
    memset(master, 0, sizeof(pvr_address_t));

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
        return PV_INVALID;
    }

    return pvr_address(master, pvr_reply_str(reply->element[0]), pvr_reply_str(reply->element[1])) == PV_OK
           && master->host[0] != '\0' ? PV_OK : PV_INVALID;
}


int
pvr_switch_master(pvr_address_t *master, pv_str_t message, pv_str_t name)
{
    pv_str_t  host, port;

    memset(master, 0, sizeof(pvr_address_t));

    if (!pv_str_eq(pvr_word_next(&message), name)) {
        return PV_INVALID;
    }

    (void) pvr_word_next(&message);
    (void) pvr_word_next(&message);
    host = pvr_word_next(&message);
    port = pvr_word_next(&message);

    return host.len != 0 ? pvr_address(master, host, port) : PV_INVALID;
}


/* Commands. */

int
pvr_cluster_slots(pv_buf_t *out)
{
    const char  *words[] = { "CLUSTER", "SLOTS" };
    size_t       len[] = { 7, 5 };

    return pvr_format(out, 2, words, len);
}


int
pvr_cluster_nodes(pv_buf_t *out)
{
    const char  *words[] = { "CLUSTER", "NODES" };
    size_t       len[] = { 7, 5 };

    return pvr_format(out, 2, words, len);
}


int
pvr_asking(pv_buf_t *out)
{
    const char  *words[] = { "ASKING" };
    size_t       len[] = { 6 };

    return pvr_format(out, 1, words, len);
}


int
pvr_role(pv_buf_t *out)
{
    const char  *words[] = { "ROLE" };
    size_t       len[] = { 4 };

    return pvr_format(out, 1, words, len);
}


int
pvr_sentinel_ask(pv_buf_t *out, pv_str_t name)
{
    const char  *words[] = { "SENTINEL", "get-master-addr-by-name", (const char *) name.data };
    size_t       len[] = { 8, 23, name.len };

    return pvr_format(out, 3, words, len);
}


/* Formatted commands, read again. */

int
pvr_command_next(pv_str_t *rest, pv_str_t *command, pv_str_t *key)
{
    pv_str_t       at, word, name;
    unsigned long  i, words, len;

    at = *rest;
    memset(key, 0, sizeof(pv_str_t));
    memset(&name, 0, sizeof(pv_str_t));

    if (pvr_header(&at, '*', &words, PVR_WORDS_MAX) != PV_OK || words == 0) {
        return PV_INVALID;
    }

    for (i = 0; i < words; i++) {
        if (pvr_header(&at, '$', &len, PVR_BULK_MAX) != PV_OK || at.len < len + 2) {
            return PV_INVALID;
        }

        word.data = at.data;
        word.len = len;
        at.data += len + 2;
        at.len -= len + 2;

        if (i == 0) {
            name = word;

        } else if (i == 1 && !pvr_keyless(name)) {
            *key = word;
        }
    }

    command->data = rest->data;
    command->len = (size_t) (at.data - rest->data);
    *rest = at;

    return PV_OK;
}


static int
pvr_keyless(pv_str_t name)
{
    size_t  i;

    for (i = 0; i < sizeof(pvr_keyless_names) / sizeof(pvr_keyless_names[0]); i++) {
        if (strlen(pvr_keyless_names[i]) == name.len
            && strncasecmp(pvr_keyless_names[i], (const char *) name.data, name.len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* "*3\r\n" */

static int
pvr_header(pv_str_t *rest, char type, unsigned long *number, unsigned long max)
{
    pv_str_t              digits;
    const unsigned char  *end;

    if (rest->len < 4 || rest->data[0] != (unsigned char) type) {
        return PV_INVALID;
    }

    end = memchr(rest->data, '\r', rest->len < 16 ? rest->len : 16);
    if (end == NULL) {
        return PV_INVALID;
    }

    digits.data = rest->data + 1;
    digits.len = (size_t) (end - digits.data);

    if (pvr_unsigned(number, digits, max) != PV_OK || digits.len + 3 > rest->len) {
        return PV_INVALID;
    }

    rest->data += digits.len + 3;
    rest->len -= digits.len + 3;

    return PV_OK;
}


static int
pvr_unsigned(unsigned long *out, pv_str_t text, unsigned long max)
{
    size_t  i;

    if (text.len == 0 || text.len > 9) {
        return PV_INVALID;
    }

    *out = 0;

    for (i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return PV_INVALID;
        }

        *out = *out * 10 + (unsigned long) (text.data[i] - '0');
    }

    return *out <= max ? PV_OK : PV_INVALID;
}


static int
pvr_address(pvr_address_t *address, pv_str_t host, pv_str_t port)
{
    unsigned long  number;

    if (pvr_unsigned(&number, port, PVR_PORT_MAX) != PV_OK || number == 0 || !pvr_is_host(host)) {
        return PV_INVALID;
    }

    memcpy(address->host, host.data, host.len);
    address->host[host.len] = '\0';
    address->port = (int) number;

    return PV_OK;
}


/* What addresses and names are made of, and nothing that could be mistaken for something else in a log. Or empty. */

static int
pvr_is_host(pv_str_t host)
{
    size_t         i;
    unsigned char  c;

    if (host.len >= PVR_HOST_MAX) {
        return 0;
    }

    for (i = 0; i < host.len; i++) {
        c = host.data[i];

        if (!((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '.' || c == '-' || c == '_'
              || c == ':'))
        {
            return 0;
        }
    }

    return 1;
}


/* Up to the next space, which is taken off with it. */

static pv_str_t
pvr_word_next(pv_str_t *text)
{
    pv_str_t  word;

    word.data = text->data;
    word.len = 0;

    while (word.len < text->len && text->data[word.len] != ' ') {
        word.len++;
    }

    text->data += word.len + (word.len < text->len);
    text->len -= word.len + (word.len < text->len);

    return word;
}


static pv_str_t
pvr_reply_str(const redisReply *reply)
{
    pv_str_t  text = pv_string("");

    if (reply != NULL && (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS
                          || reply->type == REDIS_REPLY_ERROR))
    {
        text.data = (const unsigned char *) reply->str;
        text.len = (size_t) reply->len;
    }

    return text;
}
