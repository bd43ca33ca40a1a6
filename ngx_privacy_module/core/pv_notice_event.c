/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* Notices as JSON, and as server-sent events. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pv_language.h"
#include "pv_notice.h"
#include "pv_text.h"


static void pv_notice_member(pv_buf_t *out, const char *name, pv_str_t value);
static void pv_notice_json_parts(pv_buf_t *out, const pv_notice_text_t *text, const pv_str_t *titles);
static void pv_notice_json_change(pv_buf_t *out, const pv_notice_t *notice, pv_str_t language,
    const pv_policy_t *policy);
static void pv_notice_json_purposes(pv_buf_t *out, const pv_notice_t *notice, pv_str_t language,
    const pv_policy_t *policy);


int
pv_cursor_read(pv_cursor_t *cursor, pv_str_t text)
{
    size_t     i, digits;
    uint64_t   n[2];
    unsigned   which;

    memset(cursor, 0, sizeof(pv_cursor_t));
    n[0] = n[1] = 0;
    which = 0;
    digits = 0;

    for (i = 0; i < text.len; i++) {

        if (text.data[i] == '-' && which == 0 && digits != 0) {
            which = 1;
            digits = 0;
            continue;
        }

        /* one spelling: no zeros in front */

        if (text.data[i] < '0' || text.data[i] > '9' || (digits != 0 && n[which] == 0)) {
            return PV_INVALID;
        }

        n[which] = n[which] * 10 + (text.data[i] - '0');
        digits++;

        if (n[which] > UINT32_MAX) {
            return PV_INVALID;
        }
    }

    if (which == 0 || digits == 0) {
        return PV_INVALID;
    }

    cursor->log = (uint32_t) n[0];
    cursor->number = (uint32_t) n[1];

    return PV_OK;
}


size_t
pv_cursor_write(char out[PV_CURSOR_MAX], pv_cursor_t cursor)
{
    return (size_t) snprintf(out, PV_CURSOR_MAX, "%" PRIu32 "-%" PRIu32, cursor.log, cursor.number);
}


void
pv_notice_json(pv_buf_t *out, const pv_notice_t *notice, size_t language, const pv_policy_t *policy,
    const pv_str_t *titles)
{
    char                     published[PV_RFC3339_SIZE];
    const pv_notice_text_t  *text;

    text = language < notice->texts_count ? &notice->texts[language] : notice->texts;

    pv_buf_printf(out, "{\"id\":\"%s\",\"kind\":\"%s\"", notice->id, pv_notice_kind_name(notice->kind));

    pv_rfc3339_format(published, notice->published);
    pv_notice_member(out, "published", pv_str(published));

    if (text != NULL) {
        pv_notice_member(out, "language", text->language);
        pv_notice_member(out, "title", text->title);
    }

    if (notice->kind == PV_NOTICE_INCIDENT && text != NULL) {
        pv_notice_json_parts(out, text, titles);

    } else if (notice->kind != PV_NOTICE_RETRACTION && text != NULL) {
        pv_notice_member(out, "summary", text->summary);
    }

    if (notice->kind == PV_NOTICE_CHANGE && text != NULL) {
        pv_notice_json_change(out, notice, text->language, policy);
    }

    if (notice->corrects != 0) {
        pv_buf_printf(out, ",\"corrects\":\"n%" PRIu32 "\"", notice->corrects);
    }

    if (notice->retracts != 0) {
        pv_buf_printf(out, ",\"retracts\":\"n%" PRIu32 "\"", notice->retracts);
        pv_notice_member(out, "reason", notice->reason);
    }

    pv_buf_puts(out, "}");
}


static void
pv_notice_member(pv_buf_t *out, const char *name, pv_str_t value)
{
    pv_buf_printf(out, ",\"%s\":", name);
    pv_buf_json(out, value);
}


static void
pv_notice_json_parts(pv_buf_t *out, const pv_notice_text_t *text, const pv_str_t *titles)
{
    size_t  i;

    pv_buf_puts(out, ",\"parts\":[");

    for (i = 0; i < PV_NOTICE_PARTS; i++) {
        pv_buf_puts(out, i != 0 ? ",{" : "{");

        if (titles != NULL) {
            pv_buf_puts(out, "\"title\":");
            pv_buf_json(out, titles[i]);
            pv_buf_puts(out, ",");
        }

        pv_buf_puts(out, "\"text\":");
        pv_buf_json(out, text->parts[i]);
        pv_buf_puts(out, "}");
    }

    pv_buf_puts(out, "]");
}


static void
pv_notice_json_change(pv_buf_t *out, const pv_notice_t *notice, pv_str_t language, const pv_policy_t *policy)
{
    pv_notice_json_purposes(out, notice, language, policy);
    pv_notice_member(out, "effective", notice->effective_text);
    pv_notice_member(out, "version", notice->version);

    /* a version's id has nothing in it that an address would have to escape */

    pv_buf_puts(out, ",\"diff\":\"diff/mine/");
    pv_buf_str(out, notice->version);
    pv_buf_printf(out, "\",\"reduces_rights\":%s", notice->reduces_rights ? "true" : "false");
}


static void
pv_notice_json_purposes(pv_buf_t *out, const pv_notice_t *notice, pv_str_t language, const pv_policy_t *policy)
{
    size_t               i, index;
    pv_str_t             tags[PV_LANGUAGES_MAX];
    uint64_t             changed;
    const char          *between;
    const pv_purpose_t  *purpose;

    index = 0;
    between = "";
    changed = policy != NULL ? pv_policy_changed_by(policy, notice->number) : 0;

    if (policy != NULL) {
        for (i = 0; i < policy->texts_count && i < PV_LANGUAGES_MAX; i++) {
            tags[i] = policy->texts[i].language;
        }

        index = pv_language_lookup(tags, i, language);
        index = index == PV_LANGUAGE_NONE ? 0 : index;
    }

    pv_buf_puts(out, ",\"purposes\":[");

    for (i = 0; i < notice->purposes_count; i++) {
        purpose = policy != NULL ? pv_policy_purpose(policy, notice->purposes[i]) : NULL;

        /* only what an answer decides: see pv_choice_answer() */

        if (policy != NULL && (purpose == NULL || !(changed >> purpose->bit & 1))) {
            continue;
        }

        pv_buf_printf(out, "%s{\"id\":", between);
        pv_buf_json(out, notice->purposes[i]);
        between = ",";

        if (purpose != NULL) {
            pv_notice_member(out, "title", pv_translation(policy, purpose->title, index));
            pv_buf_puts(out, purpose->separate ? ",\"separate\":true" : "");
        }

        pv_buf_puts(out, "}");
    }

    pv_buf_puts(out, "]");
}


void
pv_notice_event(pv_buf_t *out, const pv_notice_t *notice, size_t language, pv_cursor_t cursor,
    const pv_policy_t *policy, const pv_str_t *titles)
{
    pv_buf_printf(out, "id: %" PRIu32 "-%" PRIu32 "\nevent: notice\ndata: ", cursor.log, cursor.number);
    pv_notice_json(out, notice, language, policy, titles);
    pv_buf_puts(out, "\n\n");
}


void
pv_notice_closed_event(pv_buf_t *out, const char *id, const char *why)
{
    pv_buf_puts(out, "event: closed\ndata: {\"id\":");
    pv_buf_json(out, pv_str(id));
    pv_notice_member(out, "why", pv_str(why));
    pv_buf_puts(out, "}\n\n");
}


void
pv_notice_hello_event(pv_buf_t *out, unsigned retry, const unsigned char session[PV_SESSION_TAG_LEN], pv_str_t more)
{
    char  tag[2 * PV_SESSION_TAG_LEN];

    if (more.len != 0 && (memchr(more.data, '\n', more.len) != NULL || memchr(more.data, '\r', more.len) != NULL)) {
        out->failed = 1;
        return;
    }

    pv_hex_encode(tag, session, PV_SESSION_TAG_LEN);
    pv_buf_printf(out, "retry: %u\nevent: hello\ndata: {\"user\":\"%.*s\"%s", retry, (int) sizeof(tag), tag,
                  more.len != 0 ? "," : "");
    pv_buf_str(out, more);
    pv_buf_puts(out, "}\n\n");
}
