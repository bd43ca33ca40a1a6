/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pv_html_token.h"


#define PV_HTML_PLACES  (PV_HTML_WANT_HEAD|PV_HTML_WANT_BODY|PV_HTML_WANT_END)


static int pv_html_nothing_left(const pv_html_t *h);
static pv_html_event_t pv_html_due(pv_html_t *h, pv_str_t *piece);
static void pv_html_finish(pv_html_t *h);
static int pv_html_undecided(const pv_html_t *h);
static void pv_html_hold(pv_html_t *h, pv_str_t *piece);
static void pv_html_place(pv_html_t *h, unsigned places);
static unsigned pv_html_before_start_tag(pv_html_t *h, pv_html_tag_t tag, unsigned flags);
static unsigned pv_html_before_end_tag(pv_html_t *h, pv_html_tag_t tag);


void
pv_html_init(pv_html_t *h, unsigned want)
{
    memset(h, 0, offsetof(pv_html_t, source));

    h->source.tag = PV_TAG_OTHER;
    h->source.len = 0;
    h->source.truncated = 0;
    h->want = want;
    h->state = PV_S_BOM;
    h->mode = PV_MODE_BEFORE_HEAD;
}


void
pv_html_feed(pv_html_t *h, const unsigned char *data, size_t len, int last)
{
    static const unsigned char  nothing[1];

    h->pos = h->out = len != 0 ? data : nothing;
    h->end = h->pos + len;
    h->tag = NULL;
    h->last = (last != 0);
    h->rest_given = 0;
}


pv_html_event_t
pv_html_next(pv_html_t *h, pv_str_t *piece)
{
    h->piece_is_held = 0;

    for ( ;; ) {
        if (h->pending) {
            return pv_html_due(h, piece);
        }

        if (h->held_release) {
            piece->data = h->held;
            piece->len = h->held_len;
            h->piece_is_held = 1;
            h->held_release = 0;
            h->held_len = 0;

            return PV_HTML_BYTES;
        }

        if (pv_html_nothing_left(h)) {
            if (h->rest_given) {
                return PV_HTML_MORE;
            }

            piece->data = h->out;
            piece->len = (size_t) (h->end - h->out);
            h->pos = h->out = h->end;
            h->rest_given = 1;

            return PV_HTML_REST;
        }

        if (h->pos != h->end) {
            pv_html_read(h);
            continue;
        }

        if (h->last && !h->ended) {
            h->ended = 1;
            pv_html_finish(h);
            continue;
        }

        pv_html_hold(h, piece);

        return piece->len != 0 ? PV_HTML_BYTES : PV_HTML_MORE;
    }
}


size_t
pv_html_held(const pv_html_t *h)
{
    return h->held_len;
}


void
pv_html_flush(pv_html_t *h)
{
    if (h->held_len == 0 || h->held_release) {
        return;
    }

    h->held_release = 1;
    h->tag_flushed = 1;
}


int
pv_html_is_frameset(const pv_html_t *h)
{
    return h->mode == PV_MODE_FRAMESET;
}


int
pv_html_only_marks(const pv_html_t *h, pv_str_t *left)
{
    left->data = h->pos;
    left->len = (size_t) (h->end - h->pos);

    return (h->want & (PV_HTML_WANT_MARKED|PV_HTML_WANT_SOURCES)) == PV_HTML_WANT_MARKED && !pv_html_seeking(h)
           && !h->pending && !h->late && h->held_len == 0
           && (h->state <= PV_S_TAG_NAME || h->state >= PV_S_MARKUP);
}


void
pv_html_no_marks(pv_html_t *h)
{
    h->want &= ~(unsigned) PV_HTML_WANT_MARKED;
}


static int
pv_html_nothing_left(const pv_html_t *h)
{
    if (h->held_len != 0 || h->ended) {
        return 0;
    }

    if (h->mode == PV_MODE_FRAMESET || h->state == PV_S_PLAINTEXT) {
        return 1;
    }

    return !pv_html_seeking(h) && (h->want & (PV_HTML_WANT_MARKED|PV_HTML_WANT_SOURCES)) == 0;
}


static pv_html_event_t
pv_html_due(pv_html_t *h, pv_str_t *piece)
{
    unsigned  place;

    if (h->out < h->cut) {
        piece->data = h->out;
        piece->len = (size_t) (h->cut - h->out);
        h->out = h->cut;

        return PV_HTML_BYTES;
    }

    place = h->pending & (~h->pending + 1u);
    h->pending &= (unsigned char) ~place;
    piece->data = h->out;
    piece->len = 0;

    switch (place) {

    case PV_HTML_WANT_HEAD:
        h->found |= place;
        return PV_HTML_HEAD_START;

    case PV_HTML_WANT_BODY:
        h->found |= place;
        return PV_HTML_BODY_START;

    case PV_HTML_WANT_END:
        h->found |= place;
        return PV_HTML_BODY_END;

    case PV_HTML_WANT_MARKED:
        return PV_HTML_MARKED;

    default: /* PV_HTML_WANT_SOURCES */
        return PV_HTML_SOURCE;
    }
}


/* The document is over: what has no place yet gets it here, if here is read as content. */
static void
pv_html_finish(pv_html_t *h)
{
    int       at_tag;
    unsigned  places;

    places = h->want & ~h->found & PV_HTML_PLACES;
    at_tag = pv_html_undecided(h);

    if (h->mode == PV_MODE_FRAMESET) {
        places &= PV_HTML_WANT_HEAD;
    }

    if ((h->state == PV_S_DATA || at_tag) && !pv_html_in_template(h)) {
        h->pending |= (unsigned char) places;
        h->late = 0;
        h->cut = (at_tag && h->held_len != 0) ? h->out : (at_tag && h->tag != NULL) ? h->tag : h->end;
    }

    h->held_release = (h->held_len != 0);
}


/* Something may still have to go before the tag (or the byte order mark) that is being read. */
static int
pv_html_undecided(const pv_html_t *h)
{
    return !h->tag_decided && !h->tag_flushed && h->state <= PV_S_TAG_NAME && h->state != PV_S_DATA
           && pv_html_seeking(h);
}


static void
pv_html_hold(pv_html_t *h, pv_str_t *piece)
{
    const unsigned char  *from;

    from = h->end;

    if (!h->last && pv_html_undecided(h)) {
        from = h->tag != NULL ? h->tag : h->out;

        if (from != h->end && (size_t) (h->end - from) <= PV_HTML_HELD_MAX - (size_t) h->held_len) {
            memcpy(h->held + h->held_len, from, (size_t) (h->end - from));
            h->held_len += (unsigned char) (h->end - from);
        }
    }

    piece->data = h->out;
    piece->len = (size_t) (from - h->out);

    h->pos = h->out = h->end;
    h->tag = NULL;
}


int
pv_html_seeking(const pv_html_t *h)
{
    return (h->want & ~h->found & PV_HTML_PLACES) != 0;
}


int
pv_html_in_template(const pv_html_t *h)
{
    unsigned  i;

    for (i = 0; i < h->context_len; i++) {
        if (h->context[i] == PV_TAG_TEMPLATE) {
            return 1;
        }
    }

    return h->closed_to_marks;
}


/* Before the tag that is being read, or later when its first bytes are gone already. */
static void
pv_html_place(pv_html_t *h, unsigned places)
{
    places &= h->want & ~h->found & ~h->late;

    if (places != 0) {
        if (h->tag_flushed) {
            h->late |= (unsigned char) places;

        } else {
            h->pending |= (unsigned char) places;
            h->cut = h->tag != NULL ? h->tag : h->out;
        }
    }

    pv_html_no_place(h);
}


/* Decided: nothing more goes before this tag; what was held can go. */
void
pv_html_no_place(pv_html_t *h)
{
    h->tag_decided = 1;
    h->held_release = (h->held_len != 0);
}


/* Text that is not white space implies what has not been opened. */
void
pv_html_place_text(pv_html_t *h, int at_tag)
{
    unsigned  places;

    if (!at_tag) {
        h->tag = h->pos;
        h->tag_flushed = 0;
    }

    places = 0;

    if (h->mode < PV_MODE_IN_BODY && !pv_html_in_template(h)) {
        places = PV_HTML_WANT_HEAD|PV_HTML_WANT_BODY;
        h->mode = PV_MODE_IN_BODY;
    }

    pv_html_place(h, places);
}


void
pv_html_place_tag(pv_html_t *h, pv_html_tag_t tag, unsigned flags)
{
    unsigned  places;

    places = 0;

    if (!pv_html_in_template(h)) {
        places = h->end_tag ? pv_html_before_end_tag(h, tag) : pv_html_before_start_tag(h, tag, flags);
    }

    pv_html_place(h, places);
}


/* The insertion modes of the HTML standard up to "in body", as far as they differ for us. */
static unsigned
pv_html_before_start_tag(pv_html_t *h, pv_html_tag_t tag, unsigned flags)
{
    unsigned  places;

    places = 0;

    switch (h->mode) {

    case PV_MODE_BEFORE_HEAD:
        if (tag == PV_TAG_HTML) {
            return 0;
        }

        h->mode = PV_MODE_IN_HEAD;

        if (tag == PV_TAG_HEAD) {
            h->after_tag = PV_HTML_WANT_HEAD;
            return 0;
        }

        places = PV_HTML_WANT_HEAD;

        /* fall through */

    case PV_MODE_IN_HEAD:
        if ((flags & PV_ELEMENT_HEAD) || tag == PV_TAG_HTML || tag == PV_TAG_HEAD) {
            return places;
        }

        h->mode = PV_MODE_AFTER_HEAD;

        /* fall through */

    case PV_MODE_AFTER_HEAD:
        if (tag == PV_TAG_HTML || tag == PV_TAG_HEAD
            || ((flags & PV_ELEMENT_HEAD) && tag != PV_TAG_NOSCRIPT))
        {
            return places;
        }

        if (tag == PV_TAG_FRAMESET) {
            h->mode = PV_MODE_FRAMESET;
            return places;
        }

        h->mode = PV_MODE_IN_BODY;

        if (tag == PV_TAG_BODY) {
            h->after_tag = PV_HTML_WANT_BODY;
            return places;
        }

        return places | PV_HTML_WANT_BODY;

    default:
        return 0;
    }
}


static unsigned
pv_html_before_end_tag(pv_html_t *h, pv_html_tag_t tag)
{
    unsigned  places;

    /* of all end tags only these imply what is missing; the others are ignored */

    if (tag != PV_TAG_HEAD && tag != PV_TAG_BODY && tag != PV_TAG_HTML && tag != PV_TAG_BR) {
        return 0;
    }

    places = 0;

    switch (h->mode) {

    case PV_MODE_BEFORE_HEAD:
        places = PV_HTML_WANT_HEAD;
        h->mode = PV_MODE_IN_HEAD;

        /* fall through */

    case PV_MODE_IN_HEAD:
        h->mode = PV_MODE_AFTER_HEAD;

        if (tag == PV_TAG_HEAD) {
            return places;
        }

        /* fall through */

    case PV_MODE_AFTER_HEAD:
        if (tag == PV_TAG_HEAD) {
            return places;
        }

        places |= PV_HTML_WANT_BODY;
        h->mode = PV_MODE_IN_BODY;

        /* fall through */

    case PV_MODE_IN_BODY:
        if (tag == PV_TAG_BODY || tag == PV_TAG_HTML) {
            places |= PV_HTML_WANT_END;
        }

        return places;

    default:
        return 0;
    }
}
