/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pvr_private.h"


#define PVR_READ_MAX       256      /* positions in one HMGET */
#define PVR_APPEND_MAX     1024     /* bytes of the commands that append a record */


/* What differs between two records that are appended, and where in the commands it stands: the key twice. */
enum {
    PVR_APPEND_KEY = 0,
    PVR_APPEND_POSITION,
    PVR_APPEND_RECORD,
    PVR_APPEND_KEY_AGAIN,
    PVR_APPEND_TERM,
    PVR_APPEND_BLANKS
};

typedef struct {
    size_t         blank[PVR_APPEND_BLANKS];        /* offsets */
    size_t         len[PVR_APPEND_BLANKS];
    size_t         size;
    unsigned char  bytes[PVR_APPEND_MAX];
} pvr_append_t;


static int pvr_append_shape(pvr_append_t *shape, const pv_str_t *blanks);
static int pvr_append_blanks(pvr_append_t *shape);
static int pvr_policy_field(pvr_policy_entry_t *e, const redisReply *name, const redisReply *value);


static const char *const  pvr_names[PVR_STATUSES] = {
    "ok", "timeout", "closed", "unreachable", "loading", "readonly", "oom", "misconf", "noreplicas",
    "clusterdown", "moved", "ask", "tryagain", "noperm", "noauth", "exists", "error", "protocol",
    "short"
};


static const struct {
    const char    *prefix;
    pvr_status_t   status;
} pvr_errors[] = {
    { "LOADING ", PVR_LOADING },
    { "BUSY ", PVR_LOADING },           /* a script runs: as LOADING, later it may answer */
    { "MASTERDOWN ", PVR_LOADING },
    { "READONLY ", PVR_READONLY },
    { "OOM ", PVR_OOM },
    { "MISCONF ", PVR_MISCONF },
    { "NOREPLICAS ", PVR_NOREPLICAS },
    { "CLUSTERDOWN ", PVR_CLUSTERDOWN },
    { "MOVED ", PVR_MOVED },
    { "ASK ", PVR_ASK },
    { "TRYAGAIN ", PVR_TRYAGAIN },
    { "NOPERM ", PVR_NOPERM },
    { "NOAUTH ", PVR_NOAUTH },
    { "WRONGPASS ", PVR_NOAUTH },
    { "ERR invalid password", PVR_NOAUTH },
    { "ERR Client sent AUTH", PVR_NOAUTH },
    { "ERR AUTH ", PVR_NOAUTH },
    { "ERR The ID specified in XADD is equal or smaller", PVR_EXISTS }
};


const char *
pvr_status_name(pvr_status_t s)
{
    return ((unsigned) s < PVR_STATUSES) ? pvr_names[s] : "unknown";
}


pvr_status_t
pvr_status(const redisReply *reply)
{
    size_t  i, len;

    if (reply == NULL) {
        return PVR_PROTOCOL;
    }

    if (reply->type != REDIS_REPLY_ERROR) {
        return PVR_OK;
    }

    for (i = 0; i < sizeof(pvr_errors) / sizeof(pvr_errors[0]); i++) {
        len = strlen(pvr_errors[i].prefix);

        if (reply->len >= len && memcmp(reply->str, pvr_errors[i].prefix, len) == 0) {
            return pvr_errors[i].status;
        }
    }

    return PVR_ERROR;
}


int
pvr_unknown(pvr_status_t s)
{
    return s == PVR_TIMEOUT || s == PVR_CLOSED || s == PVR_PROTOCOL || s == PVR_SHORT;
}


size_t
pvr_key_bundle(char *buf, pv_str_t site, const unsigned char *digest)
{
    char      hex[PV_SHA256_LEN * 2];
    pv_str_t  id;

    id.data = (unsigned char *) hex;
    id.len = pv_hex_encode(hex, digest, PV_SHA256_LEN);

    return pvr_key(buf, site, "bundle:", id);
}


size_t
pvr_key_policies(char *buf, pv_str_t site)
{
    return pvr_key(buf, site, "policies", pv_str(""));
}


size_t
pvr_key_form(char *buf, pv_str_t site, uint64_t form)
{
    char  id[PVR_NUMBER_MAX];

    snprintf(id, sizeof(id), "%016" PRIx64, form);

    return pvr_key(buf, site, "form:", pv_str(id));
}


size_t
pvr_key_ledger(char *buf, pv_str_t site, const unsigned char *subject)
{
    return pvr_key_subject(buf, site, subject, "ledger");
}


size_t
pvr_key_events(char *buf, pv_str_t site)
{
    return pvr_key(buf, site, "events", pv_str(""));
}


/* Commands. */

/*
 * hiredis allocates and prints for each argument, and the four commands of
 * every record look the same but for what fits into blanks of the same size:
 * their shape is formatted once, and then filled in.
 */

int
pvr_ledger_append(pv_buf_t *out, pv_str_t site, const unsigned char *subject, uint32_t position,
    pv_str_t record, int64_t term)
{
    int             i;
    char            key[PVR_KEY_MAX], field[PVR_NUMBER_MAX], seconds[PVR_NUMBER_MAX];
    pv_str_t        blanks[PVR_APPEND_BLANKS];
    unsigned char  *p;

    static _Thread_local pvr_append_t  shape;

    blanks[PVR_APPEND_KEY].data = (unsigned char *) key;
    blanks[PVR_APPEND_KEY].len = pvr_key_ledger(key, site, subject);
    blanks[PVR_APPEND_POSITION].data = (unsigned char *) field;
    blanks[PVR_APPEND_POSITION].len = pvr_decimal(field, position);
    blanks[PVR_APPEND_RECORD] = record;
    blanks[PVR_APPEND_KEY_AGAIN] = blanks[PVR_APPEND_KEY];
    blanks[PVR_APPEND_TERM].data = (unsigned char *) seconds;
    blanks[PVR_APPEND_TERM].len = pvr_decimal(seconds, term > 0 ? (uint64_t) term : 0);

    for (i = 0; i < PVR_APPEND_BLANKS && blanks[i].len == shape.len[i]; i++) { /* void */ }

    if ((shape.size == 0 || i != PVR_APPEND_BLANKS) && pvr_append_shape(&shape, blanks) != PV_OK) {
        out->failed = 1;
        return PV_ERROR;
    }

    p = pv_buf_room(out, shape.size);
    if (p == NULL) {
        return PV_ERROR;
    }

    memcpy(p, shape.bytes, shape.size);

    for (i = 0; i < PVR_APPEND_BLANKS; i++) {
        memcpy(p + shape.blank[i], blanks[i].data, blanks[i].len);
    }

    pv_buf_took(out, p + shape.size);

    return PV_OK;
}


/* Formats the commands with blanks of the sizes that are asked for. */

static int
pvr_append_shape(pvr_append_t *shape, const pv_str_t *blanks)
{
    int             i, rc;
    char            blank[PVR_APPEND_BLANKS][PVR_KEY_MAX];
    pv_buf_t        out;
    pvr_command_t   multi = { .n = 0 }, set = { .n = 0 }, expire = { .n = 0 }, exec = { .n = 0 };

    shape->size = 0;

    for (i = 0; i < PVR_APPEND_BLANKS; i++) {

        if (blanks[i].len == 0 || blanks[i].len > PVR_KEY_MAX) {
            return PV_ERROR;
        }

        /* found again by a byte that no command has */
        memset(blank[i], i + 1, blanks[i].len);
        shape->len[i] = blanks[i].len;
    }

    pvr_word(&multi, "MULTI");

    pvr_word(&set, "HSETNX");
    pvr_add(&set, blank[PVR_APPEND_KEY], shape->len[PVR_APPEND_KEY]);
    pvr_add(&set, blank[PVR_APPEND_POSITION], shape->len[PVR_APPEND_POSITION]);
    pvr_add(&set, blank[PVR_APPEND_RECORD], shape->len[PVR_APPEND_RECORD]);

    /*
     * The expiry moves also when the position was taken. That is harmless: it
     * is now plus a constant, by the one clock of Redis, so that it hardly ever
     * goes back. (A time by ours would, with a clock that is behind, lie in the
     * past, and EXPIREAT would then take away the ledger with the new record.)
     */

    pvr_word(&expire, "EXPIRE");
    pvr_add(&expire, blank[PVR_APPEND_KEY_AGAIN], shape->len[PVR_APPEND_KEY_AGAIN]);
    pvr_add(&expire, blank[PVR_APPEND_TERM], shape->len[PVR_APPEND_TERM]);

    pvr_word(&exec, "EXEC");

    pv_buf_init(&out, PVR_APPEND_MAX);

    rc = PV_ERROR;

    if (pvr_emit(&out, &multi) == PV_OK && pvr_emit(&out, &set) == PV_OK && pvr_emit(&out, &expire) == PV_OK
        && pvr_emit(&out, &exec) == PV_OK)
    {
        memcpy(shape->bytes, out.data, out.len);
        shape->size = out.len;

        rc = pvr_append_blanks(shape);
    }

    pv_buf_free(&out);

    return rc;
}


static int
pvr_append_blanks(pvr_append_t *shape)
{
    int                   i;
    const unsigned char  *p;

    for (i = 0; i < PVR_APPEND_BLANKS; i++) {
        p = memchr(shape->bytes, i + 1, shape->size);

        if (p == NULL) {
            shape->size = 0;
            return PV_ERROR;
        }

        shape->blank[i] = (size_t) (p - shape->bytes);
    }

    return PV_OK;
}


int
pvr_ledger_appended(const redisReply *exec)
{
    const redisReply  *set, *expire;

    if (exec == NULL || exec->type != REDIS_REPLY_ARRAY || exec->elements != 2) {
        return -1;
    }

    set = exec->element[0];
    expire = exec->element[1];

    if (set->type != REDIS_REPLY_INTEGER || (set->integer != 0 && set->integer != 1)
        || expire->type != REDIS_REPLY_INTEGER)
    {
        return -1;
    }

    return (int) set->integer;
}


int
pvr_ledger_read(pv_buf_t *out, pv_str_t site, const unsigned char *subject, uint32_t first, unsigned n)
{
    int          rc;
    char         key[PVR_KEY_MAX];
    char       (*field)[PVR_NUMBER_MAX];
    size_t       *len;
    unsigned      i;
    const char  **argv;

    if (n == 0 || n > PVR_READ_MAX) {
        out->failed = 1;
        return PV_ERROR;
    }

    argv = calloc(n + 2, sizeof(char *));
    len = calloc(n + 2, sizeof(size_t));
    field = calloc(n, sizeof(*field));

    if (argv == NULL || len == NULL || field == NULL) {
        out->failed = 1;
        rc = PV_ERROR;
        goto done;
    }

    argv[0] = "HMGET";
    len[0] = sizeof("HMGET") - 1;
    argv[1] = key;
    len[1] = pvr_key_ledger(key, site, subject);

    for (i = 0; i < n; i++) {
        argv[i + 2] = field[i];
        len[i + 2] = pvr_decimal(field[i], (uint64_t) first + i);
    }

    if (len[1] == 0) {
        out->failed = 1;
        rc = PV_ERROR;
        goto done;
    }

    rc = pvr_format(out, (int) n + 2, argv, len);

done:

    free(argv);
    free(len);
    free(field);

    return rc;
}


int
pvr_ledger_length(pv_buf_t *out, pv_str_t site, const unsigned char *subject)
{
    char           key[PVR_KEY_MAX];
    pvr_command_t  command = { .n = 0 };

    pvr_word(&command, "HLEN");
    pvr_add(&command, key, pvr_key_ledger(key, site, subject));

    return pvr_emit(out, &command);
}


int
pvr_form_put(pv_buf_t *out, pv_str_t site, uint64_t form, pv_str_t bytes)
{
    char           key[PVR_KEY_MAX];
    pvr_command_t  command = { .n = 0 };

    pvr_word(&command, "SET");
    pvr_add(&command, key, pvr_key_form(key, site, form));
    pvr_add(&command, bytes.data, bytes.len);
    pvr_word(&command, "NX");

    return pvr_emit(out, &command);
}


int
pvr_form_exists(pv_buf_t *out, pv_str_t site, uint64_t form)
{
    char           key[PVR_KEY_MAX];
    pvr_command_t  command = { .n = 0 };

    pvr_word(&command, "EXISTS");
    pvr_add(&command, key, pvr_key_form(key, site, form));

    return pvr_emit(out, &command);
}


int
pvr_bundle_put(pv_buf_t *out, pv_str_t site, const unsigned char *digest, pv_str_t sealed)
{
    char           key[PVR_KEY_MAX];
    pvr_command_t  command = { .n = 0 };

    pvr_word(&command, "SET");
    pvr_add(&command, key, pvr_key_bundle(key, site, digest));
    pvr_add(&command, sealed.data, sealed.len);
    pvr_word(&command, "NX");

    return pvr_emit(out, &command);
}


int
pvr_bundle_get(pv_buf_t *out, pv_str_t site, const unsigned char *digest)
{
    char           key[PVR_KEY_MAX];
    pvr_command_t  command = { .n = 0 };

    pvr_word(&command, "GET");
    pvr_add(&command, key, pvr_key_bundle(key, site, digest));

    return pvr_emit(out, &command);
}


int
pvr_bundle_range(pv_buf_t *out, pv_str_t site, const unsigned char *digest, size_t first, size_t last)
{
    char           key[PVR_KEY_MAX], from[PVR_NUMBER_MAX], to[PVR_NUMBER_MAX];
    pvr_command_t  command = { .n = 0 };

    pvr_word(&command, "GETRANGE");
    pvr_add(&command, key, pvr_key_bundle(key, site, digest));
    pvr_add(&command, from, pvr_decimal(from, first));
    pvr_add(&command, to, pvr_decimal(to, last));

    return pvr_emit(out, &command);
}


int
pvr_policies_append(pv_buf_t *out, pv_str_t site, const pv_head_t *head)
{
    char           key[PVR_KEY_MAX], id[PVR_NUMBER_MAX], at[PVR_NUMBER_MAX], hex[PV_SHA256_LEN * 2];
    pvr_command_t  command = { .n = 0 };

    snprintf(id, sizeof(id), "%" PRIu32 "-0", head->sequence);
    snprintf(at, sizeof(at), "%" PRId64, head->effective);
    pv_hex_encode(hex, head->digest, PV_SHA256_LEN);

    pvr_word(&command, "XADD");
    pvr_add(&command, key, pvr_key_policies(key, site));
    pvr_word(&command, id);
    pvr_word(&command, "kind");
    pvr_word(&command, pv_entry_kind_name(head->kind));
    pvr_word(&command, "digest");
    pvr_add(&command, hex, sizeof(hex));

    if (head->kind == PV_ENTRY_VERSION) {
        pvr_word(&command, "version");
        pvr_add(&command, head->version.data, head->version.len);
        pvr_word(&command, "effective");
        pvr_word(&command, at);
    }

    return pvr_emit(out, &command);
}


int
pvr_policies_read(pv_buf_t *out, pv_str_t site, uint32_t after, unsigned count)
{
    char           key[PVR_KEY_MAX], from[PVR_NUMBER_MAX], limit[PVR_NUMBER_MAX];
    pvr_command_t  command = { .n = 0 };

    snprintf(from, sizeof(from), "(%" PRIu32 "-0", after);
    snprintf(limit, sizeof(limit), "%u", count);

    pvr_word(&command, "XRANGE");
    pvr_add(&command, key, pvr_key_policies(key, site));
    pvr_word(&command, from);
    pvr_word(&command, "+");
    pvr_word(&command, "COUNT");
    pvr_word(&command, limit);

    return pvr_emit(out, &command);
}


int
pvr_event_publish(pv_buf_t *out, pv_str_t site, pv_str_t text)
{
    char           key[PVR_KEY_MAX];
    pvr_command_t  command = { .n = 0 };

    pvr_word(&command, "PUBLISH");
    pvr_add(&command, key, pvr_key_events(key, site));
    pvr_add(&command, text.data, text.len);

    return pvr_emit(out, &command);
}


int
pvr_subscribe(pv_buf_t *out, pv_str_t site)
{
    char           key[PVR_KEY_MAX];
    pvr_command_t  command = { .n = 0 };

    pvr_word(&command, "SUBSCRIBE");
    pvr_add(&command, key, pvr_key_events(key, site));

    return pvr_emit(out, &command);
}


/* Replies. */

int
pvr_policy_entry(pvr_policy_entry_t *e, const redisReply *xrange, size_t i)
{
    size_t             j;
    uint64_t           sequence;
    unsigned           seen;
    const redisReply  *entry, *id, *fields;

    if (xrange == NULL || xrange->type != REDIS_REPLY_ARRAY || i >= xrange->elements) {
        return PV_INVALID;
    }

    entry = xrange->element[i];

    if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2) {
        return PV_INVALID;
    }

    id = entry->element[0];
    fields = entry->element[1];

    if (id->type != REDIS_REPLY_STRING || id->len < 3 || memcmp(id->str + id->len - 2, "-0", 2) != 0
        || pvr_number(&sequence, id->str, id->len - 2) != PV_OK
        || sequence == 0 || sequence > UINT32_MAX
        || fields->type != REDIS_REPLY_ARRAY || fields->elements % 2 != 0)
    {
        return PV_INVALID;
    }

    memset(e, 0, sizeof(*e));
    e->sequence = (uint32_t) sequence;
    seen = 0;

    for (j = 0; j < fields->elements; j += 2) {
        int  bit = pvr_policy_field(e, fields->element[j], fields->element[j + 1]);

        if (bit < 0 || (seen & (unsigned) bit)) {
            return PV_INVALID;
        }

        seen |= (unsigned) bit;
    }

    return (seen == (e->kind == PV_ENTRY_VERSION ? 15 : 9)) ? PV_OK : PV_INVALID;
}


/* The bit of the field that was read, 0 for one that we do not know, or PV_INVALID. */

static int
pvr_policy_field(pvr_policy_entry_t *e, const redisReply *name, const redisReply *value)
{
    int       negative;
    pv_str_t  field, text;
    uint64_t  number;

    if (name->type != REDIS_REPLY_STRING || value->type != REDIS_REPLY_STRING) {
        return PV_INVALID;
    }

    field.data = (const unsigned char *) name->str;
    field.len = name->len;
    text.data = (const unsigned char *) value->str;
    text.len = value->len;

    if (pv_str_eqs(field, "digest")) {
        return (pv_hex_decode(e->digest, PV_SHA256_LEN, text) == PV_OK) ? 1 : PV_INVALID;
    }

    if (pv_str_eqs(field, "version")) {
        if (text.len == 0 || text.len > 64) {
            return PV_INVALID;
        }

        e->version = text;
        return 2;
    }

    if (pv_str_eqs(field, "effective")) {
        negative = (value->len > 0 && value->str[0] == '-');

        if (pvr_number(&number, value->str + negative, value->len - (size_t) negative) != PV_OK) {
            return PV_INVALID;
        }

        e->effective = negative ? -(int64_t) number : (int64_t) number;
        return 4;
    }

    if (pv_str_eqs(field, "kind")) {
        e->kind = pv_entry_kind(text);
        return (e->kind != 0) ? 8 : PV_INVALID;
    }

    return 0;
}
