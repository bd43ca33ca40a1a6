/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* Ledgers, forms, users and audience lists of a backup. */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "ctl_verify_backup.h"

#define CTL_PROVE_MEMBERS  (64u * 1024 * 1024)      /* bytes of one audience list */
#define CTL_PROVE_NUMBERS  (4 * 1024 * 1024)


static int ctl_prove_record(ctl_prove_t *p, const char *subject, const char *position, const json_t *value,
    size_t *count);
static int ctl_prove_decoded(ctl_prove_t *p, const char *subject, size_t position);
static int ctl_prove_links(ctl_prove_t *p, const char *id, size_t count);
static int ctl_numbers_add(ctl_numbers_t *numbers, uint64_t number);
static void ctl_numbers_sort(ctl_numbers_t *numbers);
static int ctl_numbers_order(const void *one, const void *two);
static int ctl_members_order(const void *one, const void *two);


int
ctl_prove_ledger(ctl_prove_t *p, const ctl_item_t *item)
{
    int     rc;
    size_t  i, count;

    count = 0;
    rc = CTL_OK;

    for (i = 0; rc == CTL_OK && i + 1 < json_array_size(item->list); i += 2) {
        rc = ctl_prove_record(p, item->id, json_string_value(json_array_get(item->list, i)),
                              json_array_get(item->list, i + 1), &count);
    }

    if (rc == CTL_OK) {
        rc = ctl_prove_links(p, item->id, count);
    }

    memset(p->chain, 0, count * sizeof(pv_chain_entry_t));

    return rc;
}


/* count: the last position so far. */

static int
ctl_prove_record(ctl_prove_t *p, const char *subject, const char *position, const json_t *value, size_t *count)
{
    int                rc;
    char              *end;
    pv_buf_t           bytes;
    unsigned long      at;
    pv_chain_entry_t  *e;

    at = strtoul(position, &end, 10);

    if (position[0] < '1' || position[0] > '9' || *end != '\0' || at > PV_CHAIN_MAX) {
        ctl_prove_wrong(p, "ledger %s: something stands where no position is", subject);
        return CTL_OK;
    }

    pv_buf_init(&bytes, CTL_BACKUP_LINE_MAX);
    rc = ctl_backup_decode(&bytes, value);

    if (rc != PV_OK) {
        pv_buf_free(&bytes);
        return ctl_fail(CTL_WRONG, "ledger %s: something in it is not spelled as it has to be", subject);
    }

    p->records++;
    *count = at > *count ? at : *count;

    e = &p->chain[at - 1];
    e->too_long = bytes.len > PV_RECORD_MAX || bytes.len == 0;
    e->len = e->too_long ? 0 : (uint8_t) bytes.len;

    if (!e->too_long) {
        memcpy(e->data, bytes.data, bytes.len);
    }

    pv_buf_free(&bytes);

    return ctl_prove_decoded(p, subject, at);
}


/* What can be told without keys. */

static int
ctl_prove_decoded(ctl_prove_t *p, const char *subject, size_t position)
{
    pv_record_t        record;
    pv_chain_entry_t  *e;

    e = &p->chain[position - 1];

    if (pv_record_decode(&record, (pv_str_t) { e->data, e->len }) == PV_OK) {
        return record.form == 0 || ctl_numbers_add(&p->named, record.form) == PV_OK ? CTL_OK
               : ctl_fail(CTL_WRONG, "out of memory");
    }

    if (pv_record_newer((pv_str_t) { e->data, e->len })) {
        ctl_prove_wrong(p, "ledger %s: position %zu is in format %u, and this privacyctl reads formats up to %d: use a "
                        "newer one", subject, position, e->data[0], PV_RECORD_FORMAT);

    } else if (p->keys == NULL) {
        ctl_prove_wrong(p, "ledger %s: what stands at position %zu is no record", subject, position);
    }

    return CTL_OK;
}


static int
ctl_prove_links(ctl_prove_t *p, const char *id, size_t count)
{
    int            verdict;
    size_t         i;
    unsigned char  subject[PV_SUBJECT_LEN];

    if (p->keys == NULL || count == 0) {
        return CTL_OK;
    }

    (void) pv_base64url_decode(subject, PV_SUBJECT_LEN, pv_str(id));
    verdict = pv_chain_verify(p->chain, count, p->keys, p->site_name, subject);

    if (verdict == PV_ERROR) {
        return ctl_fail(CTL_WRONG, "the chain could not be computed");
    }

    for (i = 0; verdict == PV_INVALID && i < count; i++) {
        if (p->chain[i].state != PV_CHAIN_HOLDS && p->chain[i].state != PV_CHAIN_UNPROVEN) {
            ctl_prove_wrong(p, "ledger %s: position %zu does not hold: %s", id, i + 1,
                            pv_chain_state_name((pv_chain_state_t) p->chain[i].state));
        }
    }

    return CTL_OK;
}


/* What is kept is a document about the form; its number is that of the form itself. */

int
ctl_prove_form(ctl_prove_t *p, const ctl_item_t *item)
{
    int            rc;
    json_t        *document;
    pv_buf_t       bytes;
    pv_str_t       html;
    uint64_t       number;
    const json_t  *form;

    pv_buf_init(&bytes, CTL_BACKUP_LINE_MAX);

    if (ctl_backup_decode(&bytes, json_object_get(item->root, "value")) != PV_OK) {
        pv_buf_free(&bytes);
        return ctl_fail(CTL_WRONG, "form %s: something in it is not spelled as it has to be", item->id);
    }

    document = json_loadb((const char *) bytes.data, bytes.len, JSON_REJECT_DUPLICATES, NULL);
    form = json_object_get(document, "html");
    html = (pv_str_t) { (const unsigned char *) json_string_value(form), json_string_length(form) };
    number = strtoull(item->id, NULL, 16);

    if (form == NULL || pv_form_number(html) != number) {
        ctl_prove_wrong(p, "form %s: is not the form with that number", item->id);
    }

    rc = ctl_numbers_add(&p->forms, number);
    json_decref(document);
    pv_buf_free(&bytes);

    return rc == PV_OK ? CTL_OK : ctl_fail(CTL_WRONG, "out of memory");
}


/* Every form that a record names. */

int
ctl_prove_forms(ctl_prove_t *p)
{
    size_t  i;

    ctl_numbers_sort(&p->forms);
    ctl_numbers_sort(&p->named);

    for (i = 0; i < p->named.count; i++) {
        if (bsearch(&p->named.list[i], p->forms.list, p->forms.count, sizeof(uint64_t), ctl_numbers_order) == NULL) {
            ctl_prove_wrong(p, "form %016" PRIx64 ": records name it, and it is not in the backup", p->named.list[i]);
        }
    }

    return CTL_OK;
}


int
ctl_prove_users(ctl_prove_t *p, const ctl_item_t *item)
{
    int       rc;
    char      shard[3];
    size_t    i;
    pv_buf_t  user;

    for (i = 0; i + 1 < json_array_size(item->list); i += 2) {
        pv_buf_init(&user, CTL_BACKUP_LINE_MAX);
        rc = ctl_backup_decode(&user, json_array_get(item->list, i));

        if (rc == PV_OK && user.len == PV_SUBJECT_LEN) {
            pv_hex_encode(shard, user.data, 1);
            shard[2] = '\0';
            rc = strcmp(shard, item->id) == 0 ? PV_OK : PV_INVALID;

        } else {
            rc = PV_INVALID;
        }

        if (rc != PV_OK) {
            ctl_prove_wrong(p, "the index of users: what is none of its users stands in part %s", item->id);
        }

        p->users++;
        pv_buf_free(&user);
    }

    return CTL_OK;
}


int
ctl_prove_audience(ctl_prove_t *p, const ctl_item_t *item)
{
    int      rc;
    size_t   i, before;
    json_t  *member;

    if (strcmp(p->audience, item->id) != 0) {
        rc = ctl_prove_audience_end(p);
        if (rc != CTL_OK) {
            return rc;
        }

        (void) snprintf(p->audience, sizeof(p->audience), "%s", item->id);
        pv_buf_init(&p->audience_members, CTL_PROVE_MEMBERS);
    }

    json_array_foreach(item->list, i, member) {
        before = p->audience_members.len;
        rc = ctl_backup_decode(&p->audience_members, member);

        if (!p->audience_members.failed && (rc != PV_OK || p->audience_members.len - before != PV_SUBJECT_LEN)) {
            ctl_prove_wrong(p, "audience %s: what is no user stands in it", item->id);
            p->audience_members.len = before;
        }

        p->members++;
    }

    return CTL_OK;
}


/* The name of a list is the digest of its members, sorted, each once. */

int
ctl_prove_audience_end(ctl_prove_t *p)
{
    char            hex[CTL_BACKUP_HEX];
    size_t          i, n;
    pv_str_t        all;
    unsigned char  *list, digest[PV_SHA256_LEN];

    if (p->audience[0] == '\0') {
        return CTL_OK;
    }

    list = p->audience_members.data;

    if (p->audience_members.failed) {
        p->unchecked++;

    } else if (list != NULL) {
        qsort(list, p->audience_members.len / PV_SUBJECT_LEN, PV_SUBJECT_LEN, ctl_members_order);

        for (i = PV_SUBJECT_LEN, n = PV_SUBJECT_LEN; i < p->audience_members.len; i += PV_SUBJECT_LEN) {
            if (memcmp(list + i, list + n - PV_SUBJECT_LEN, PV_SUBJECT_LEN) != 0) {
                memmove(list + n, list + i, PV_SUBJECT_LEN);
                n += PV_SUBJECT_LEN;
            }
        }

        all.data = list;
        all.len = n;

        if (pv_sha256(digest, &all, 1) != PV_OK) {
            return ctl_fail(CTL_WRONG, "the cryptographic library failed");
        }

        pv_hex_encode(hex, digest, PV_SHA256_LEN);
        hex[CTL_BACKUP_HEX - 1] = '\0';

        if (strcmp(hex, p->audience) != 0) {
            ctl_prove_wrong(p, "audience %s: is not the list with that digest", p->audience);
        }
    }

    pv_buf_free(&p->audience_members);
    p->audience[0] = '\0';

    return CTL_OK;
}


static int
ctl_members_order(const void *one, const void *two)
{
    return memcmp(one, two, PV_SUBJECT_LEN);
}


/* Few different ones come again and again: they are thinned out before there is more room for them. */

static int
ctl_numbers_add(ctl_numbers_t *numbers, uint64_t number)
{
    size_t     size;
    uint64_t  *list;

    if (numbers->count == numbers->size) {
        ctl_numbers_sort(numbers);

        if (numbers->count >= numbers->size / 2) {
            size = numbers->size * 2 + 1024;
            list = size <= CTL_PROVE_NUMBERS ? realloc(numbers->list, size * sizeof(uint64_t)) : NULL;

            if (list == NULL) {
                return PV_ERROR;
            }

            numbers->list = list;
            numbers->size = size;
        }
    }

    numbers->list[numbers->count++] = number;

    return PV_OK;
}


static void
ctl_numbers_sort(ctl_numbers_t *numbers)
{
    size_t  i, n;

    if (numbers->count == 0) {
        return;
    }

    qsort(numbers->list, numbers->count, sizeof(uint64_t), ctl_numbers_order);

    for (i = 1, n = 1; i < numbers->count; i++) {
        if (numbers->list[i] != numbers->list[n - 1]) {
            numbers->list[n++] = numbers->list[i];
        }
    }

    numbers->count = n;
}


static int
ctl_numbers_order(const void *one, const void *two)
{
    uint64_t  a, b;

    memcpy(&a, one, sizeof(a));
    memcpy(&b, two, sizeof(b));

    return a < b ? -1 : a > b;
}
