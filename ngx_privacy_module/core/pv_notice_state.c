/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* Whom a notice addresses, and what became of it with one user. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pv_notice.h"

#define PV_SESSION_TAG_DOMAIN  "privacy session tag 1"
#define PV_SESSION_TAG_HEX     (2 * PV_SESSION_TAG_LEN)


static int pv_notice_time(int64_t *time, pv_str_t text);
static int pv_notice_postponed(const pv_notice_state_t *state, const unsigned char *session, int64_t now);
static int pv_audience_compare(const void *a, const void *b);


static const char *const  pv_notice_fields[] = { "written", "seen", "acknowledged", "answer", "later" };

static const unsigned char  pv_session_none[PV_SESSION_TAG_LEN];


int
pv_notice_addresses(const pv_notice_t *notice, const pv_notice_reader_t *reader)
{
    const pv_purpose_t  *purpose;

    if (notice->kind == PV_NOTICE_RETRACTION) {
        return 0;
    }

    if (notice->kind == PV_NOTICE_CHANGE) {
        return (reader->bound != 0 && reader->bound < notice->number)
               || (reader->met != 0 && reader->met < notice->published);
    }

    switch (notice->audience.kind) {

    case PV_AUDIENCE_USERS:
        return 1;

    case PV_AUDIENCE_LIST:
        return reader->listed;

    case PV_AUDIENCE_BOUND_BEFORE:
        return reader->bound != 0 && reader->bound < notice->audience.number;

    case PV_AUDIENCE_GRANTED:
        purpose = reader->policy != NULL ? pv_policy_purpose(reader->policy, notice->audience.purpose) : NULL;
        return purpose != NULL && (reader->granted >> purpose->bit & 1);

    case PV_AUDIENCE_NONE:
        break;
    }

    return 0;
}


int
pv_audience_digest(unsigned char digest[PV_SHA256_LEN], unsigned char (*subjects)[PV_SUBJECT_LEN], size_t *n)
{
    size_t    i, kept;
    pv_str_t  all;

    if (*n > 1) {
        qsort(subjects, *n, PV_SUBJECT_LEN, pv_audience_compare);
    }

    for (i = 0, kept = 0; i < *n; i++) {
        if (kept == 0 || memcmp(subjects[kept - 1], subjects[i], PV_SUBJECT_LEN) != 0) {
            memmove(subjects[kept++], subjects[i], PV_SUBJECT_LEN);
        }
    }

    *n = kept;
    all = (pv_str_t) { (const unsigned char *) subjects, kept * PV_SUBJECT_LEN };

    return pv_sha256(digest, &all, 1);
}


static int
pv_audience_compare(const void *a, const void *b)
{
    return memcmp(a, b, PV_SUBJECT_LEN);
}


size_t
pv_notice_field_write(char out[PV_NOTICE_FIELD_MAX], const char *id, pv_notice_field_t field)
{
    return (size_t) snprintf(out, PV_NOTICE_FIELD_MAX, "%.15s:%s", id, pv_notice_fields[field]);
}


size_t
pv_notice_value_write(char out[PV_NOTICE_VALUE_MAX], pv_notice_field_t field, int64_t time, pv_notice_answer_t answer,
    const unsigned char *session)
{
    char  tag[PV_SESSION_TAG_HEX];

    switch (field) {

    case PV_NOTICE_ANSWER:
        return (size_t) snprintf(out, PV_NOTICE_VALUE_MAX, "%s %" PRId64,
                                 answer == PV_ANSWER_AGREED ? "agreed" : "declined", time);

    case PV_NOTICE_LATER:
        pv_hex_encode(tag, session != NULL ? session : pv_session_none, PV_SESSION_TAG_LEN);
        return (size_t) snprintf(out, PV_NOTICE_VALUE_MAX, "%.*s %" PRId64, PV_SESSION_TAG_HEX, tag, time);

    default:
        return (size_t) snprintf(out, PV_NOTICE_VALUE_MAX, "%" PRId64, time);
    }
}


int
pv_notice_field_read(char id[PV_NOTICE_ID_SIZE], pv_notice_field_t *field, pv_str_t text)
{
    char                  source;
    uint32_t              number;
    unsigned              i;
    pv_str_t              name;
    const unsigned char  *colon;

    colon = text.len != 0 ? memchr(text.data, ':', text.len) : NULL;

    if (colon == NULL
        || pv_notice_id_read(&source, &number, (pv_str_t) { text.data, (size_t) (colon - text.data) }) != PV_OK)
    {
        return PV_INVALID;
    }

    name = (pv_str_t) { colon + 1, text.len - (size_t) (colon + 1 - text.data) };

    for (i = 0; i < PV_NOTICE_FIELDS; i++) {
        if (pv_str_eqs(name, pv_notice_fields[i])) {
            pv_notice_id_write(id, source, number);
            *field = i;
            return PV_OK;
        }
    }

    return PV_INVALID;
}


int
pv_notice_state_set(pv_notice_state_t *state, pv_notice_field_t field, pv_str_t value)
{
    int64_t               time;
    pv_str_t              word;
    const unsigned char  *blank;
    unsigned char         session[PV_SESSION_TAG_LEN];
    pv_notice_answer_t    answer;

    blank = value.len != 0 ? memchr(value.data, ' ', value.len) : NULL;
    word = (pv_str_t) { value.data, blank != NULL ? (size_t) (blank - value.data) : 0 };

    if (field == PV_NOTICE_ANSWER || field == PV_NOTICE_LATER) {
        if (blank == NULL) {
            return PV_INVALID;
        }

        value = (pv_str_t) { blank + 1, value.len - word.len - 1 };
    }

    answer = pv_str_eqs(word, "agreed") ? PV_ANSWER_AGREED : pv_str_eqs(word, "declined") ? PV_ANSWER_DECLINED
             : PV_ANSWER_NONE;

    if (pv_notice_time(&time, value) != PV_OK
        || (field == PV_NOTICE_ANSWER && answer == PV_ANSWER_NONE)
        || (field == PV_NOTICE_LATER && pv_hex_decode(session, sizeof(session), word) != PV_OK))
    {
        return PV_INVALID;
    }

    state->at[field] = time;

    if (field == PV_NOTICE_ANSWER) {
        state->answer = (uint8_t) answer;

    } else if (field == PV_NOTICE_LATER) {
        memcpy(state->session, session, sizeof(session));
    }

    return PV_OK;
}


static int
pv_notice_time(int64_t *time, pv_str_t text)
{
    size_t   i;
    int64_t  n;

    if (text.len == 0 || text.len > 10 || text.data[0] == '0') {
        return PV_INVALID;
    }

    n = 0;

    for (i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return PV_INVALID;
        }

        n = n * 10 + (text.data[i] - '0');
    }

    *time = n;

    return n <= UINT32_MAX ? PV_OK : PV_INVALID;
}


void
pv_notice_states_read(pv_notice_states_t *states, pv_str_t field, pv_str_t value)
{
    char               id[PV_NOTICE_ID_SIZE], source;
    size_t             i;
    uint32_t           number;
    pv_notice_field_t  which;
    pv_notice_state_t  state;

    memset(&state, 0, sizeof(state));

    if (pv_notice_field_read(id, &which, field) != PV_OK || pv_notice_state_set(&state, which, value) != PV_OK) {
        return;
    }

    (void) pv_notice_id_read(&source, &number, pv_str(id));

    if (source == 'v' && (which == PV_NOTICE_ACKNOWLEDGED || which == PV_NOTICE_ANSWER)
        && number > states->changes_done)
    {
        states->changes_done = number;
    }

    for (i = 0; i < states->count; i++) {
        if (strcmp(states->states[i].id, id) == 0) {
            (void) pv_notice_state_set(&states->states[i], which, value);
            return;
        }
    }
}


int
pv_notice_done(const pv_notice_t *notice, const pv_notice_state_t *state, uint32_t changes_done)
{
    if (notice->kind == PV_NOTICE_CHANGE && notice->number <= changes_done) {
        return 1;
    }

    return state != NULL && (state->at[PV_NOTICE_ACKNOWLEDGED] != 0 || state->at[PV_NOTICE_ANSWER] != 0);
}


int
pv_notice_due(const pv_notice_t *notice, const pv_notice_state_t *state, uint32_t changes_done,
    const unsigned char *session, int64_t now)
{
    return !pv_notice_done(notice, state, changes_done)
           && (state == NULL || !pv_notice_postponed(state, session, now));
}


/* In the session that asked for it; without sessions, for a day, and not for longer when the clock was set back. */
static int
pv_notice_postponed(const pv_notice_state_t *state, const unsigned char *session, int64_t now)
{
    int64_t  since;

    if (state->at[PV_NOTICE_LATER] == 0) {
        return 0;
    }

    if (session != NULL && memcmp(session, pv_session_none, PV_SESSION_TAG_LEN) != 0) {
        return memcmp(session, state->session, PV_SESSION_TAG_LEN) == 0;
    }

    since = now - state->at[PV_NOTICE_LATER];

    return since >= 0 && since < PV_DAY;
}


int
pv_session_tag(unsigned char tag[PV_SESSION_TAG_LEN], const pv_keys_t *keys, pv_str_t site,
    const unsigned char subject[PV_SUBJECT_LEN], pv_str_t session)
{
    int              rc;
    pv_str_t         parts[2];
    const pv_key_t  *key;
    unsigned char    mac[PV_MAC_LEN];

    key = pv_keys_first(keys, PV_KEY_PSEUDONYM);
    if (key == NULL) {
        return PV_ERROR;
    }

    parts[0] = (pv_str_t) { subject, PV_SUBJECT_LEN };
    parts[1] = session;

    rc = pv_keys_mac(mac, key, PV_SESSION_TAG_DOMAIN, site, parts, 2);
    if (rc != PV_OK) {
        return rc;
    }

    memcpy(tag, mac, PV_SESSION_TAG_LEN);

    if (memcmp(tag, pv_session_none, PV_SESSION_TAG_LEN) == 0) {
        tag[0] = 1;     /* zeros mean that there is none */
    }

    return PV_OK;
}
