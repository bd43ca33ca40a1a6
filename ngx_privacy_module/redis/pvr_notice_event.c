/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* Events about notices: words on a channel that whoever can reach Redis may say. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pvr_notice.h"
#include "pvr_private.h"

#define PVR_EVENT_MAX  96


static int pvr_event_number(uint32_t *number, pv_str_t text);
static size_t pvr_event_word(pv_str_t *word, pv_str_t *rest);


int
pvr_event_noticed(pv_buf_t *out, pv_str_t site, uint32_t number)
{
    char  text[PVR_EVENT_MAX];

    snprintf(text, sizeof(text), PVR_EVENT_NOTICED " %" PRIu32, number);

    return pvr_event_publish(out, site, pv_str(text));
}


int
pvr_event_answered(pv_buf_t *out, pv_str_t site, const unsigned char *subject, const char *id)
{
    char           text[PVR_EVENT_MAX];
    unsigned char  name[PV_SUBJECT_TEXT];

    pv_base64url_encode(name, (pv_str_t) { subject, PV_SUBJECT_LEN });
    snprintf(text, sizeof(text), PVR_EVENT_ANSWERED " %.*s %.15s", PV_SUBJECT_TEXT, (const char *) name, id);

    return pvr_event_publish(out, site, pv_str(text));
}


int
pvr_event_left(pv_buf_t *out, pv_str_t site, const unsigned char *subject, const unsigned char *session)
{
    char           text[PVR_EVENT_MAX], tag[2 * PV_SESSION_TAG_LEN];
    unsigned char  name[PV_SUBJECT_TEXT];

    pv_base64url_encode(name, (pv_str_t) { subject, PV_SUBJECT_LEN });
    pv_hex_encode(tag, session, PV_SESSION_TAG_LEN);
    snprintf(text, sizeof(text), PVR_EVENT_LEFT " %.*s %.*s", PV_SUBJECT_TEXT, (const char *) name, (int) sizeof(tag),
             tag);

    return pvr_event_publish(out, site, pv_str(text));
}


int
pvr_notice_event_read(pvr_notice_event_t *event, pv_str_t text)
{
    char           source;
    uint32_t       number;
    pv_str_t       word;
    unsigned char  subject[PV_SUBJECT_LEN + 2];

    memset(event, 0, sizeof(*event));
    (void) pvr_event_word(&word, &text);

    if (pv_str_eqs(word, PVR_EVENT_NOTICED)) {
        event->kind = PVR_NOTICED;
        return pvr_event_number(&event->number, text);
    }

    event->kind = pv_str_eqs(word, PVR_EVENT_ANSWERED) ? PVR_ANSWERED : pv_str_eqs(word, PVR_EVENT_LEFT) ? PVR_LEFT : 0;

    if (event->kind == 0 || pvr_event_word(&word, &text) != PV_SUBJECT_TEXT
        || pv_base64url_decode(subject, sizeof(subject), word) != PV_SUBJECT_LEN)
    {
        return PV_INVALID;
    }

    memcpy(event->subject, subject, PV_SUBJECT_LEN);

    if (event->kind == PVR_LEFT) {
        return pv_hex_decode(event->session, PV_SESSION_TAG_LEN, text);
    }

    if (pv_notice_id_read(&source, &number, text) != PV_OK) {
        return PV_INVALID;
    }

    pv_notice_id_write(event->id, source, number);

    return PV_OK;
}


static int
pvr_event_number(uint32_t *number, pv_str_t text)
{
    uint64_t  n;

    if (pvr_number(&n, (const char *) text.data, text.len) != PV_OK || n == 0 || n > UINT32_MAX) {
        return PV_INVALID;
    }

    *number = (uint32_t) n;

    return PV_OK;
}


/* Takes the first word, and the blank behind it, off rest. */
static size_t
pvr_event_word(pv_str_t *word, pv_str_t *rest)
{
    const unsigned char  *blank;

    blank = rest->len != 0 ? memchr(rest->data, ' ', rest->len) : NULL;

    *word = (pv_str_t) { rest->data, blank != NULL ? (size_t) (blank - rest->data) : rest->len };
    rest->data += blank != NULL ? word->len + 1 : word->len;
    rest->len -= blank != NULL ? word->len + 1 : word->len;

    return word->len;
}
