/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * Notices: what Redis holds, what clients send, and what authors write. The
 * first byte says which of these the rest is.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pv_notice.h"
#include "pv_notice_draft.h"
#include "pv_text.h"
#include "pvr_notice.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static const pv_str_t  site = pv_string("shop");


static void
want(int holds)
{
    if (!holds) {
        abort();
    }
}


static void
text_is_plain(pv_str_t text)
{
    want(pv_text_problem(text, 1) == NULL && memchr(text.data, '\r', text.len) == NULL
         && memchr(text.data, '\t', text.len) == NULL);
}


/* Four lines, whatever the texts say. */
static void
is_one_event(const pv_buf_t *out)
{
    size_t  i, lines;

    for (i = 0, lines = 0; i < out->len; i++) {
        want(out->data[i] != '\r');
        lines += out->data[i] == '\n';
        want(out->data[i] != '\n' || i + 1 == out->len || i + 2 == out->len || memcmp(out->data + i + 1, "event: ", 7) == 0
             || memcmp(out->data + i + 1, "data: ", 6) == 0);
    }

    want(lines == 4 && memcmp(out->data, "id: ", 4) == 0 && memcmp(out->data + out->len - 3, "}\n\n", 3) == 0);
}


static void
notice_is_sound(const pv_notice_t *n)
{
    size_t              i, part;
    pv_buf_t            out;
    pv_notice_reader_t  reader;

    want(n->number != 0 && strcmp(n->id, "n") > 0 && n->published > 0);
    want(n->kind == PV_NOTICE_RETRACTION ? n->retracts != 0 && n->retracts < n->number && n->texts_count == 0
         : n->until > n->published && n->texts_count >= 1 && n->texts_count <= PV_LANGUAGES_MAX);
    want(n->corrects < n->number && (n->audience.kind != PV_AUDIENCE_NONE || n->public || n->kind == PV_NOTICE_RETRACTION));

    for (i = 0; i < n->texts_count; i++) {
        want(n->texts[i].title.len != 0 && n->texts[i].title.len <= PV_NOTICE_TITLE_MAX);
        text_is_plain(n->texts[i].title);
        text_is_plain(n->texts[i].summary);
        want((n->kind == PV_NOTICE_INCIDENT) == (n->texts[i].summary.len == 0));

        for (part = 0; part < PV_NOTICE_PARTS; part++) {
            want((n->kind == PV_NOTICE_INCIDENT) == (n->texts[i].parts[part].len != 0));
            text_is_plain(n->texts[i].parts[part]);
        }

        pv_buf_init(&out, 1024 * 1024);
        pv_notice_event(&out, n, i, (pv_cursor_t) { n->log, n->number }, NULL, NULL);
        want(!out.failed);
        is_one_event(&out);
        pv_buf_free(&out);
    }

    memset(&reader, 0, sizeof(reader));
    reader.listed = PV_NOTICE_ASK;
    want(pv_notice_addresses(n, &reader) <= PV_NOTICE_ASK);
    want(pv_notice_language(n, pv_str("zh-CN, en;q=0.5"), pv_str("")) < (n->texts_count ? n->texts_count : 1));
}


static void
open_sealed(pv_str_t sealed)
{
    pv_notice_t    *n;
    pv_problems_t   problems;

    pv_problems_init(&problems);

    if (pv_notice_open(&n, sealed, site, &problems) == PV_OK) {
        notice_is_sound(n);
        pv_notice_free(n);
    } else {
        want(n == NULL && problems.errors != 0);
    }

    pv_problems_free(&problems);
}


/* With a frame around it, so that the fuzzer need not find that. */
static void
framed(pv_str_t text)
{
    pv_buf_t  sealed;

    pv_buf_init(&sealed, 2 * PV_NOTICE_SEALED_MAX);
    pv_buf_puts(&sealed, PV_NOTICE_MAGIC);
    pv_buf_printf(&sealed, "%0*d", (int) pv_base64url_size(PV_ED25519_SIG), 0);
    memset(sealed.data + sizeof(PV_NOTICE_MAGIC) - 1, 'A', pv_base64url_size(PV_ED25519_SIG));
    pv_buf_puts(&sealed, "\n");
    pv_buf_str(&sealed, text);
    pv_buf_puts(&sealed, "\n");

    if (!sealed.failed) {
        open_sealed((pv_str_t) { sealed.data, sealed.len });
    }

    pv_buf_free(&sealed);
}


static void
draft(pv_str_t text)
{
    pv_buf_t             out;
    pv_notice_t         *n;
    pv_problems_t        problems;
    pv_notice_context_t  c;
    static const unsigned char  secret[PV_ED25519_SECRET] = { 1 };

    memset(&c, 0, sizeof(c));
    c.site = site;
    c.number = 2;
    c.now = 1796083200;
    c.audience.kind = PV_AUDIENCE_USERS;

    pv_problems_init(&problems);
    pv_buf_init(&out, PV_NOTICE_SEALED_MAX);

    if (pv_notice_seal(&out, &c, text, "notice.json", secret, &problems) == PV_OK) {
        want(pv_notice_open(&n, (pv_str_t) { out.data, out.len }, site, &problems) == PV_OK);
        notice_is_sound(n);
        pv_notice_free(n);
    } else {
        want(out.len == 0 && problems.errors != 0);
    }

    pv_problems_free(&problems);
    pv_buf_free(&out);
}


/* What is read is written as the same bytes. */
static void
cursor(pv_str_t text)
{
    char                again[PV_CURSOR_MAX], source, id[PV_NOTICE_ID_SIZE];
    uint32_t            number;
    pv_cursor_t         c;
    pvr_notice_event_t  event;

    if (pv_cursor_read(&c, text) == PV_OK) {
        want(pv_cursor_write(again, c) == text.len && memcmp(again, text.data, text.len) == 0);
    } else {
        want(c.log == 0 && c.number == 0);
    }

    if (pv_notice_id_read(&source, &number, text) == PV_OK) {
        pv_notice_id_write(id, source, number);
        want(number != 0 && pv_str_eqs(text, id));
    }

    (void) pvr_notice_event_read(&event, text);
}


/* Lines: field, value, field, value... */
static void
pairs(pv_str_t text)
{
    size_t                len;
    char                  again[PV_NOTICE_VALUE_MAX], id[PV_NOTICE_ID_SIZE];
    pv_str_t              part[2];
    unsigned              which;
    pv_notice_state_t     one;
    pv_notice_field_t     field;
    pv_notice_states_t    states;
    const unsigned char  *end;

    memset(&states, 0, sizeof(states));
    strcpy(states.states[0].id, "v7");
    strcpy(states.states[1].id, "n3");
    states.count = 2;

    for (which = 0; text.len != 0; which ^= 1) {
        end = memchr(text.data, '\n', text.len);
        len = end != NULL ? (size_t) (end - text.data) : text.len;
        part[which] = (pv_str_t) { text.data, len };
        text.data += len + (end != NULL);
        text.len -= len + (end != NULL);

        if (which == 0) {
            continue;
        }

        pv_notice_states_read(&states, part[0], part[1]);
        memset(&one, 0, sizeof(one));

        if (pv_notice_field_read(id, &field, part[0]) == PV_OK && pv_notice_state_set(&one, field, part[1]) == PV_OK) {
            len = pv_notice_value_write(again, field, one.at[field], one.answer, one.session);
            want(len == part[1].len && memcmp(again, part[1].data, len) == 0);
        }
    }

    want(states.count == 2);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pv_str_t  rest;

    if (size == 0) {
        return 0;
    }

    rest = (pv_str_t) { data + 1, size - 1 };

    switch (data[0]) {

    case 's':
        open_sealed(rest);
        break;

    case 'j':
        framed(rest);
        break;

    case 'd':
        draft(rest);
        break;

    case 'p':
        pairs(rest);
        break;

    default:
        cursor(rest);
    }

    return 0;
}
