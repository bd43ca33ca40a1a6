/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* A notice in words, and as JSON. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl_notice.h"
#include "pv_text.h"


static void ctl_notice_text(const pv_notice_t *notice, const pv_notice_text_t *text);
static void ctl_notice_lines(const char *label, pv_str_t text);
static json_t *ctl_notice_audience_json(const pv_notice_t *notice);


static const char *const  ctl_notice_part_titles[PV_NOTICE_PARTS] = {
    "What happened and its possible effect", "What was done and will be done", "What the user can do", "Remedies"
};


void
ctl_notice_audience(FILE *out, const pv_notice_t *notice)
{
    const pv_audience_t  *a;

    a = &notice->audience;

    if (notice->kind == PV_NOTICE_CHANGE) {
        fputs("users bound to an older version, or met before it was published", out);
        return;
    }

    switch (a->kind) {

    case PV_AUDIENCE_USERS:
        fputs("every user who is logged in while it is open", out);
        break;

    case PV_AUDIENCE_LIST:
        fprintf(out, a->count == 1 ? "the one user of a list" : "the %" PRIu32 " users of a list", a->count);
        break;

    case PV_AUDIENCE_BOUND_BEFORE:
        fprintf(out, "users bound to an older version than %s (number %" PRIu32 ")",
                (const char *) a->version.data, a->number);
        break;

    case PV_AUDIENCE_GRANTED:
        fprintf(out, "users who consent to the purpose %s", (const char *) a->purpose.data);
        break;

    case PV_AUDIENCE_NONE:
        fputs("nobody in particular", out);
        break;
    }
}


void
ctl_notice_words(const pv_notice_t *notice)
{
    char    when[CTL_TIME_MAX];
    size_t  i;

    printf("To        ");
    ctl_notice_audience(stdout, notice);
    putchar('\n');

    if (notice->kind == PV_NOTICE_CHANGE) {
        printf("Public    yes: it is a version of the policy\n");

    } else {
        printf("Public    %s\n", notice->bar ? "yes: a bar to all visitors, the page of notices, the feed"
                                 : notice->public ? "yes: the page of notices, the feed" : "no");
    }

    if (notice->until != 0) {
        printf("Until     %s\n", ctl_time(when, notice->until));
    }

    if (notice->corrects != 0) {
        printf("Corrects  n%" PRIu32 "\n", notice->corrects);
    }

    for (i = 0; i < notice->texts_count; i++) {
        ctl_notice_text(notice, &notice->texts[i]);
    }
}


static void
ctl_notice_text(const pv_notice_t *notice, const pv_notice_text_t *text)
{
    size_t  i;

    printf("\nIn ");
    ctl_print(text->language);
    printf(text == notice->texts ? " (and in every language that is not here)\n" : "\n");

    ctl_notice_lines(NULL, text->title);

    for (i = 0; notice->kind == PV_NOTICE_INCIDENT && i < PV_NOTICE_PARTS; i++) {
        ctl_notice_lines(ctl_notice_part_titles[i], text->parts[i]);
    }

    if (text->summary.len != 0) {
        ctl_notice_lines(NULL, text->summary);
    }
}


static void
ctl_notice_lines(const char *label, pv_str_t text)
{
    size_t                len;
    const unsigned char  *end;

    if (label != NULL) {
        printf("  %s:\n", label);
    }

    while (text.len != 0) {
        end = memchr(text.data, '\n', text.len);
        len = end != NULL ? (size_t) (end - text.data) : text.len;

        printf(label != NULL ? "    " : "  ");
        ctl_print((pv_str_t) { text.data, len });
        putchar('\n');

        len += end != NULL;
        text.data += len;
        text.len -= len;
    }
}


json_t *
ctl_notice_json(const pv_notice_t *notice)
{
    char     digest[2 * PV_SHA256_LEN + 1], published[PV_RFC3339_SIZE], until[PV_RFC3339_SIZE], id[PV_NOTICE_ID_SIZE];
    json_t  *one;

    pv_hex_encode(digest, notice->digest, PV_SHA256_LEN);
    digest[2 * PV_SHA256_LEN] = '\0';
    pv_rfc3339_format(published, notice->published);

    one = json_pack("{s:s, s:s, s:s, s:s, s:b}", "id", notice->id, "kind", pv_notice_kind_name(notice->kind),
                    "published", published, "digest", digest, "public", (int) notice->public);

    if (notice->until != 0) {
        pv_rfc3339_format(until, notice->until);
        json_object_set_new(one, "until", json_string(until));
    }

    if (notice->texts_count != 0) {
        json_object_set_new(one, "title", json_string((const char *) notice->texts[0].title.data));
    }

    if (notice->kind == PV_NOTICE_CHANGE) {
        json_object_set_new(one, "version", json_string((const char *) notice->version.data));
        json_object_set_new(one, "effective", json_string((const char *) notice->effective_text.data));

    } else if (notice->kind == PV_NOTICE_RETRACTION) {
        pv_notice_id_write(id, 'n', notice->retracts);
        json_object_set_new(one, "retracts", json_string(id));
        json_object_set_new(one, "reason", json_string((const char *) notice->reason.data));

    } else {
        json_object_set_new(one, "audience", ctl_notice_audience_json(notice));
    }

    if (notice->corrects != 0) {
        pv_notice_id_write(id, 'n', notice->corrects);
        json_object_set_new(one, "corrects", json_string(id));
    }

    return one;
}


static json_t *
ctl_notice_audience_json(const pv_notice_t *notice)
{
    char                  digest[2 * PV_SHA256_LEN + 1];
    json_t               *audience;
    const pv_audience_t  *a;

    a = &notice->audience;
    audience = json_pack("{s:s}", "kind", pv_audience_kind_name(a->kind));

    if (a->kind == PV_AUDIENCE_LIST) {
        pv_hex_encode(digest, a->digest, PV_SHA256_LEN);
        digest[2 * PV_SHA256_LEN] = '\0';
        json_object_set_new(audience, "digest", json_string(digest));
        json_object_set_new(audience, "count", json_integer(a->count));

    } else if (a->kind == PV_AUDIENCE_BOUND_BEFORE) {
        json_object_set_new(audience, "version", json_string((const char *) a->version.data));
        json_object_set_new(audience, "number", json_integer(a->number));

    } else if (a->kind == PV_AUDIENCE_GRANTED) {
        json_object_set_new(audience, "purpose", json_string((const char *) a->purpose.data));
    }

    return audience;
}
