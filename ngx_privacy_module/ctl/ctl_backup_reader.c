/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* A backup, line by line. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "ctl_backup_item.h"

#define CTL_BACKUP_CHUNK  (64 * 1024)


static int ctl_backup_fetch(ctl_backup_in_t *in);
static int ctl_backup_more(ctl_backup_in_t *in);
static int ctl_backup_format(const ctl_backup_in_t *in);
static int ctl_backup_sum(ctl_backup_in_t *in);
static int ctl_backup_parse(ctl_backup_in_t *in);
static int ctl_backup_shape(ctl_item_t *item);
static int ctl_backup_list(const json_t *list, size_t step);
static int ctl_backup_totals(ctl_backup_in_t *in);
static int ctl_backup_total(ctl_backup_in_t *in, const char *what, uint64_t lines, const EVP_MD_CTX *context);


static const char  ctl_backup_encoded[] = "base64url:";


int
ctl_backup_open(ctl_backup_in_t *in, const char *path)
{
    memset(in, 0, sizeof(ctl_backup_in_t));

    in->path = strcmp(path, "-") == 0 ? "standard input" : path;
    in->file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");

    if (in->file == NULL) {
        return ctl_fail(CTL_WRONG, "%s: %s", path, strerror(errno));
    }

    return ctl_sums_open(&in->sums) == PV_OK ? CTL_OK : ctl_fail(CTL_WRONG, "out of memory");
}


void
ctl_backup_close(ctl_backup_in_t *in)
{
    if (in->file != NULL && in->file != stdin) {
        (void) fclose(in->file);
    }

    json_decref(in->item.root);
    free(in->data);
    ctl_sums_close(&in->sums);

    memset(in, 0, sizeof(ctl_backup_in_t));
}


int
ctl_backup_next(ctl_backup_in_t *in)
{
    int  rc;

    json_decref(in->item.root);
    memset(&in->item, 0, sizeof(in->item));

    rc = ctl_backup_fetch(in);
    rc = rc == CTL_OK ? ctl_backup_format(in) : rc;
    rc = rc == CTL_OK ? ctl_backup_sum(in) : rc;
    rc = rc == CTL_OK ? ctl_backup_parse(in) : rc;
    rc = rc == CTL_OK ? ctl_backup_totals(in) : rc;

    if (rc == CTL_OK) {
        in->offset += in->line.len;

        if (ctl_sums_line(&in->sums, in->line, (const char *) in->line.data + in->line.len - CTL_BACKUP_SUM - 3)
            != PV_OK)
        {
            rc = ctl_fail(CTL_WRONG, "the cryptographic library failed");
        }
    }

    return rc;
}


/* A whole line, its newline included, into in->line. */

static int
ctl_backup_fetch(ctl_backup_in_t *in)
{
    int             rc;
    size_t          seen;
    unsigned char  *end;

    in->at += in->line.len;
    in->line.len = 0;
    seen = 0;

    for ( ;; ) {
        end = in->len > in->at + seen
              ? memchr(in->data + in->at + seen, '\n', in->len - in->at - seen) : NULL;

        if (end != NULL) {
            in->line.data = (unsigned char *) in->data + in->at;
            in->line.len = (size_t) (end + 1 - in->line.data);
            return CTL_OK;
        }

        seen = in->len - in->at;

        if (seen > CTL_BACKUP_LINE_MAX) {
            return ctl_fail(CTL_WRONG, "%s:%llu: is too long to be a line of a backup", in->path,
                            (unsigned long long) in->sums.lines + 1);
        }

        rc = ctl_backup_more(in);
        if (rc != CTL_OK) {
            in->cut = (seen != 0);
            return rc;
        }
    }
}


static int
ctl_backup_more(ctl_backup_in_t *in)
{
    char    *data;
    size_t   n, size;

    if (in->at != 0) {
        memmove(in->data, in->data + in->at, in->len - in->at);
        in->len -= in->at;
        in->at = 0;
    }

    if (in->size - in->len < CTL_BACKUP_CHUNK) {
        size = in->size * 2 + CTL_BACKUP_CHUNK;
        data = realloc(in->data, size);

        if (data == NULL) {
            return ctl_fail(CTL_WRONG, "out of memory");
        }

        in->data = data;
        in->size = size;
    }

    n = fread(in->data + in->len, 1, CTL_BACKUP_CHUNK, in->file);
    in->len += n;

    if (n == 0 && ferror(in->file)) {
        return ctl_fail(CTL_WRONG, "%s: %s", in->path, strerror(errno));
    }

    return n != 0 ? CTL_OK : CTL_BACKUP_LAST;
}


/* Before anything else, for what is new may be anywhere in the line. */

static int
ctl_backup_format(const ctl_backup_in_t *in)
{
    long  format;
    char  start[32];

    (void) snprintf(start, sizeof(start), "%.*s", (int) (in->line.len < 31 ? in->line.len : 31),
                    (const char *) in->line.data);

    if (strncmp(start, "{\"v\":", 5) != 0 || start[5] < '1' || start[5] > '9') {
        return in->sums.lines == 0 ? ctl_fail(CTL_WRONG, "%s: is no backup", in->path)
               : ctl_fail(CTL_WRONG, "%s:%llu: is no line of a backup", in->path,
                          (unsigned long long) in->sums.lines + 1);
    }

    format = strtol(start + 5, NULL, 10);

    if (format > CTL_BACKUP_FORMAT) {
        return ctl_fail(CTL_WRONG, "%s:%llu: is in format %ld, and this privacyctl reads formats up to %d: "
                        "use a newer one", in->path, (unsigned long long) in->sums.lines + 1, format,
                        CTL_BACKUP_FORMAT);
    }

    return CTL_OK;
}


static int
ctl_backup_sum(ctl_backup_in_t *in)
{
    char      sum[CTL_BACKUP_SUM + 1], end[CTL_BACKUP_SUM + 16];
    size_t    len;
    pv_str_t  content;

    /* ,"sum":"0123456789abcdef"}\n */
    len = 8 + CTL_BACKUP_SUM + 3;
    content.data = in->line.data;
    content.len = in->line.len > len ? in->line.len - len : 0;

    if (ctl_sums_next(&in->sums, sum, content) != PV_OK) {
        return ctl_fail(CTL_WRONG, "the cryptographic library failed");
    }

    (void) snprintf(end, sizeof(end), ",\"sum\":\"%s\"}\n", sum);

    if (content.len == 0 || memcmp(in->line.data + content.len, end, len) != 0) {
        return ctl_fail(CTL_WRONG, "%s:%llu: was altered, or a line before it is missing: its sum does not hold",
                        in->path, (unsigned long long) in->sums.lines + 1);
    }

    return CTL_OK;
}


static int
ctl_backup_parse(ctl_backup_in_t *in)
{
    int            k;
    const char    *id;
    json_error_t   error;

    in->item.root = json_loadb((const char *) in->line.data, in->line.len, JSON_REJECT_DUPLICATES, &error);
    in->item.kind = CTL_ITEM_KINDS;

    for (k = 0; k < CTL_ITEM_KINDS && in->item.kind == CTL_ITEM_KINDS; k++) {
        id = json_string_value(json_object_get(in->item.root, ctl_item_name((ctl_item_kind_t) k)));

        if (id != NULL) {
            in->item.kind = (ctl_item_kind_t) k;
            in->item.id = id;
        }
    }

    if (in->item.kind == CTL_ITEM_KINDS || !ctl_backup_shape(&in->item)
        || (in->sums.lines == 0) != (in->item.kind == CTL_ITEM_HEADER))
    {
        return ctl_fail(CTL_WRONG, "%s:%llu: is nothing that a backup has there", in->path,
                        (unsigned long long) in->sums.lines + 1);
    }

    return CTL_OK;
}


/* 1 when everything in it is there, and is what it has to be. */

static int
ctl_backup_shape(ctl_item_t *item)
{
    char           key[PVR_KEY_MAX];
    const json_t  *expires;

    if (item->kind >= CTL_ITEM_KEYS) {
        return strlen(item->id) <= PV_SITE_MAX;
    }

    if (ctl_item_key(key, pv_str("x"), item->kind, item->id) == 0) {
        return 0;
    }

    expires = json_object_get(item->root, "expires");
    item->expires = json_integer_value(expires);

    if (expires != NULL && item->expires <= 0) {
        return 0;
    }

    if (item->kind == CTL_ITEM_FORM || item->kind == CTL_ITEM_BUNDLE) {
        return json_is_string(json_object_get(item->root, "value"));
    }

    item->list = json_object_get(item->root, item->kind == CTL_ITEM_AUDIENCE ? "members" : "fields");
    item->entry = json_string_value(json_object_get(item->root, "id"));

    return ctl_backup_list(item->list, item->kind == CTL_ITEM_AUDIENCE ? 1 : 2)
           && (item->kind != CTL_ITEM_ENTRY
               || (item->entry != NULL && strlen(item->entry) < 42
                   && strspn(item->entry, "0123456789-") == strlen(item->entry)));
}


static int
ctl_backup_list(const json_t *list, size_t step)
{
    size_t         i;
    const json_t  *one;

    if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) % step != 0) {
        return 0;
    }

    json_array_foreach(list, i, one) {
        if (!json_is_string(one)) {
            return 0;
        }
    }

    return 1;
}


/* Sections and the footer say what came before them. */

static int
ctl_backup_totals(ctl_backup_in_t *in)
{
    switch (in->item.kind) {

    case CTL_ITEM_SECTION:
        return ctl_sums_section(&in->sums) == PV_OK ? CTL_OK : ctl_fail(CTL_WRONG, "the cryptographic library failed");

    case CTL_ITEM_END:
        return ctl_backup_total(in, "the section", in->sums.section_lines, in->sums.section);

    case CTL_ITEM_FOOTER:
        return ctl_backup_total(in, "the backup", in->sums.lines, in->sums.whole);

    default:
        return CTL_OK;
    }
}


static int
ctl_backup_total(ctl_backup_in_t *in, const char *what, uint64_t lines, const EVP_MD_CTX *context)
{
    char         hex[CTL_BACKUP_HEX];
    const char  *said;

    said = json_string_value(json_object_get(in->item.root, "sha256"));

    if (ctl_sums_hex(hex, context) != PV_OK) {
        return ctl_fail(CTL_WRONG, "the cryptographic library failed");
    }

    if (said == NULL || strcmp(said, hex) != 0
        || (uint64_t) json_integer_value(json_object_get(in->item.root, "lines")) != lines)
    {
        return ctl_fail(CTL_WRONG, "%s:%llu: %s that ends here was altered: its sum does not hold", in->path,
                        (unsigned long long) in->sums.lines + 1, what);
    }

    return CTL_OK;
}


int
ctl_backup_decode(pv_buf_t *out, const json_t *string)
{
    long            len;
    size_t          skip;
    pv_str_t        text;
    unsigned char  *p;

    text.data = (const unsigned char *) json_string_value(string);
    text.len = json_string_length(string);
    skip = sizeof(ctl_backup_encoded) - 1;

    if (text.len < skip || memcmp(text.data, ctl_backup_encoded, skip) != 0) {
        pv_buf_str(out, text);
        return out->failed ? PV_ERROR : PV_OK;
    }

    text.data += skip;
    text.len -= skip;

    p = pv_buf_room(out, text.len * 3 / 4 + 1);
    if (p == NULL) {
        return PV_ERROR;
    }

    len = pv_base64url_decode(p, text.len * 3 / 4 + 1, text);
    if (len < 0) {
        return PV_INVALID;
    }

    pv_buf_took(out, p + len);

    return PV_OK;
}
