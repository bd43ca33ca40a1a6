/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "ctl_backup_item.h"


static int ctl_item_id(ctl_item_kind_t kind, const char *id);
static int ctl_item_subject(const char *id, size_t len);


/* Where a key has its id: "privacy:SITE:PREFIX ID", or of a subject "privacy:{SITE:ID}:PREFIX". */
static const struct {
    const char  *name;
    const char  *prefix;
    unsigned     subject;
    size_t       hex;           /* so many hex digits are an id; 0: see ctl_item_id() */
} ctl_items[CTL_ITEM_KINDS] = {
    { "ledger", "ledger", 1, 0 },
    { "notices", "notices", 1, 0 },
    { "users", "users:", 0, 2 },
    { "entry", "", 0, 0 },
    { "audience", "audience:", 0, PV_SHA256_LEN * 2 },
    { "form", "form:", 0, 16 },
    { "bundle", "bundle:", 0, PV_SHA256_LEN * 2 },
    { "backup", NULL, 0, 0 },
    { "section", NULL, 0, 0 },
    { "mark", NULL, 0, 0 },
    { "end", NULL, 0, 0 },
    { "footer", NULL, 0, 0 }
};

static const char *const  ctl_item_streams[] = { "policies", "notices", "requests", "tombstones" };


const char *
ctl_item_name(ctl_item_kind_t kind)
{
    return ctl_items[kind].name;
}


size_t
ctl_item_key(char *buf, pv_str_t site, ctl_item_kind_t kind, const char *id)
{
    int  len;

    if (!ctl_item_id(kind, id)) {
        return 0;
    }

    if (ctl_items[kind].subject) {
        len = snprintf(buf, PVR_KEY_MAX, "privacy:{%.*s:%s}:%s", (int) site.len, (const char *) site.data, id,
                       ctl_items[kind].prefix);

    } else {
        len = snprintf(buf, PVR_KEY_MAX, "privacy:%.*s:%s%s", (int) site.len, (const char *) site.data,
                       ctl_items[kind].prefix, id);
    }

    return (len > 0 && len < PVR_KEY_MAX) ? (size_t) len : 0;
}


/* Whether there is such an item: nobody names a key of another kind by what stands in a file. */

static int
ctl_item_id(ctl_item_kind_t kind, const char *id)
{
    size_t  i, len;

    len = strlen(id);

    if (kind >= CTL_ITEM_KEYS) {
        return 0;
    }

    if (ctl_items[kind].subject) {
        return ctl_item_subject(id, len);
    }

    if (ctl_items[kind].hex != 0) {
        return len == ctl_items[kind].hex && strspn(id, "0123456789abcdef") == len;
    }

    for (i = 0; i < sizeof(ctl_item_streams) / sizeof(ctl_item_streams[0]); i++) {
        if (strcmp(ctl_item_streams[i], id) == 0) {
            return 1;
        }
    }

    return 0;
}


static int
ctl_item_subject(const char *id, size_t len)
{
    pv_str_t       text;
    unsigned char  subject[PV_SUBJECT_LEN];

    text.data = (const unsigned char *) id;
    text.len = len;

    return len == PV_SUBJECT_TEXT && pv_base64url_decode(subject, PV_SUBJECT_LEN, text) == PV_SUBJECT_LEN;
}


int
ctl_item_of_key(ctl_item_kind_t *kind, char *id, pv_str_t site, pv_str_t key)
{
    int     k;
    char    again[PVR_KEY_MAX];
    size_t  len, skip;

    for (k = 0; k < CTL_ITEM_KEYS; k++) {
        /* "privacy:" SITE ":", or with the two braces */
        skip = 8 + site.len + 1 + (ctl_items[k].subject ? 1 : strlen(ctl_items[k].prefix));
        len = ctl_items[k].subject ? PV_SUBJECT_TEXT : key.len - skip;

        if (key.len < skip || key.len - skip < len || len >= PVR_KEY_MAX) {
            continue;
        }

        memcpy(id, key.data + skip, len);
        id[len] = '\0';

        if (strlen(id) == len && ctl_item_key(again, site, (ctl_item_kind_t) k, id) == key.len
            && memcmp(again, key.data, key.len) == 0)
        {
            *kind = (ctl_item_kind_t) k;
            return 1;
        }
    }

    return 0;
}
