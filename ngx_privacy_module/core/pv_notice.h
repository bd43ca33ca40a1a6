/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_NOTICE_H
#define PV_NOTICE_H

/*
 * A notice: a message about a change or an incident. Of two sources:
 *
 *   v7   the version with number 7 of the publication log, where it changed
 *        something material: pv_notice_from_head(). What is announced is what
 *        was signed.
 *   n3   the third entry of the site's stream of notices: one sealed string,
 *          "privacy-notice 1\n"
 *          BASE64URL(Ed25519 signature) "\n"
 *          JSON "\n"               canonical (sorted, compact), one line
 *
 * Signed is "privacy-notice 1\n" SITE "\n" JSON, with the key that signs the
 * entry of the log after number `log`, the newest when the notice was sent;
 * its digest is SHA-256 of JSON, and the next notice names it. Which notices
 * of a site are to be trusted, and which are open: pv_notices.h.
 */

#include "pv_policy.h"

#define PV_NOTICE_MAGIC       "privacy-notice 1\n"
#define PV_NOTICE_MAX         (64 * 1024)           /* bytes of JSON */
#define PV_NOTICE_SEALED_MAX  (PV_NOTICE_MAX + 128)
#define PV_NOTICE_TITLE_MAX   512                   /* bytes of UTF-8, after NFC */
#define PV_NOTICE_TEXT_MAX    8192                  /* the same, of a summary or one of the four parts */
#define PV_NOTICE_ID_SIZE     16                    /* "v4294967295" and the zero */
#define PV_NOTICE_DAYS        180                   /* an incident or announcement is open, unless it says otherwise */
#define PV_NOTICE_DAYS_MAX    1100                  /* and at most */
#define PV_SESSION_TAG_LEN    8

typedef enum {
    PV_NOTICE_CHANGE = 1,
    PV_NOTICE_INCIDENT,
    PV_NOTICE_ANNOUNCEMENT,
    PV_NOTICE_RETRACTION
} pv_notice_kind_t;

/* "change" ...; the way back: 0 for anything else. */
const char *pv_notice_kind_name(pv_notice_kind_t kind);
pv_notice_kind_t pv_notice_kind(pv_str_t name);

/* The parts of an incident: none may be empty. "happened" "measures" "advice" "remedies". */
typedef enum {
    PV_NOTICE_HAPPENED,         /* what happened and its possible effect */
    PV_NOTICE_MEASURES,         /* what was done and will be done */
    PV_NOTICE_ADVICE,           /* what the user can do */
    PV_NOTICE_REMEDIES,
    PV_NOTICE_PARTS
} pv_notice_part_t;

const char *pv_notice_part_name(pv_notice_part_t part);

/* Plain text, NFC, paragraphs by "\n", no control characters. */
typedef struct {
    pv_str_t  language;                     /* BCP 47 */
    pv_str_t  title;                        /* of a change: that of the policy's text */
    pv_str_t  summary;                      /* of a change: of each material change, a line each; empty of an incident */
    pv_str_t  parts[PV_NOTICE_PARTS];       /* empty but of an incident */
} pv_notice_text_t;

typedef enum {
    PV_AUDIENCE_NONE,           /* nobody in particular: to be read where public notices are */
    PV_AUDIENCE_USERS,          /* everybody who is logged in, met at any time while it is open */
    PV_AUDIENCE_LIST,           /* whose pseudonyms are in the set that the digest names */
    PV_AUDIENCE_BOUND_BEFORE,   /* whose bound version is known, and older than number */
    PV_AUDIENCE_GRANTED         /* whose grant of a purpose holds now */
} pv_audience_kind_t;

const char *pv_audience_kind_name(pv_audience_kind_t kind);     /* "none" "users" "list" "bound_before" "granted" */

typedef struct {
    pv_audience_kind_t  kind;
    unsigned char       digest[PV_SHA256_LEN];  /* of a list: pv_audience_digest() */
    uint32_t            count;                  /* of a list: pseudonyms in it */
    uint32_t            number;                 /* bound_before */
    pv_str_t            version;                /* bound_before: its id */
    pv_str_t            purpose;                /* granted: its id */
} pv_audience_t;

/* Immutable; owns all that it points to, in one piece of memory. Strings have a zero behind them. */
typedef struct {
    pv_notice_kind_t   kind;
    char               id[PV_NOTICE_ID_SIZE];   /* "v7", "n3" */
    uint32_t           number;                  /* 7, 3 */
    uint32_t           log;                     /* newest entry of the log when it was sent; of a change its number */
    int64_t            published;               /* Unix seconds */
    int64_t            until;                   /* is open as long; 0: without end */
    unsigned           public:1;                /* everybody may read it */
    unsigned           bar:1;                   /* and is shown it: a bar to all visitors */
    pv_audience_t      audience;                /* of a change: not looked at */
    uint32_t           corrects;                /* number of the notice n... that this one corrects; 0: none */
    uint32_t           retracts;                /* of a retraction: number of a notice n... */
    pv_str_t           reason;                  /* of a retraction; empty else */
    pv_notice_text_t  *texts;                   /* the first is the default language; a retraction has none */
    size_t             texts_count;
    unsigned char      digest[PV_SHA256_LEN];   /* of a change: of the entry's head */
    unsigned char      previous[PV_SHA256_LEN]; /* digest of the notice before; zeros of the first, and of a change */
    unsigned char      signature[PV_ED25519_SIG];   /* zeros of a change */

    /* A change. */
    pv_str_t           version;                 /* the new one's id */
    int64_t            effective;
    pv_str_t           effective_text;          /* RFC 3339 as written */
    unsigned           reduces_rights:1;
    pv_str_t          *purposes;                /* ids of those that its changes name, each once */
    size_t             purposes_count;

    uint32_t           memory;                  /* bytes that this notice takes, for who counts */
    unsigned           refs;
    void              *block;                   /* it is in */
} pv_notice_t;

/*
 * Opens a sealed notice; every field is checked, one that is not known is
 * refused, and so is any other spelling. The signature is not verified.
 * PV_INVALID: the reason is in problems.
 */
int pv_notice_open(pv_notice_t **notice, pv_str_t sealed, pv_str_t site, pv_problems_t *problems);
/* PV_OK when it was signed with pub, for that site; else PV_INVALID. */
int pv_notice_verify(pv_str_t sealed, pv_str_t site, const unsigned char pub[PV_ED25519_PUBLIC]);
/*
 * The notice that a version is. *notice is NULL when it is none: no version,
 * the log's entry 1, or nothing material changed. PV_OK, PV_ERROR.
 */
int pv_notice_from_head(pv_notice_t **notice, const pv_head_t *head);

/* One reference more, to be given back by pv_notice_free(). Not for several threads. */
pv_notice_t *pv_notice_hold(pv_notice_t *notice);
void pv_notice_free(pv_notice_t *notice);

/* "v7", "n3": source is 'v' or 'n'. PV_INVALID for anything else: from addresses, Redis, privacyctl's arguments. */
int pv_notice_id_read(char *source, uint32_t *number, pv_str_t id);
void pv_notice_id_write(char id[PV_NOTICE_ID_SIZE], char source, uint32_t number);

/* The best text: an index. accept: an Accept-Language header or a tag; wanted goes first (?lang=); both may be empty. */
size_t pv_notice_language(const pv_notice_t *notice, pv_str_t accept, pv_str_t wanted);


/* Who is addressed. */

typedef struct {
    uint32_t            bound;      /* number of the version that the newest record binds to; 0: none is known */
    int64_t             met;        /* Unix seconds of the first meeting; 0: not known */
    uint64_t            granted;    /* bits of the purposes that are granted now */
    const pv_policy_t  *policy;     /* whose bits they are; NULL: nothing is granted */
    int                 listed;     /* on the notice's list: 1, 0, or PV_NOTICE_ASK: not known yet */
} pv_notice_reader_t;

#define PV_NOTICE_ASK  2

/*
 * 1, 0, or PV_NOTICE_ASK: it is for a list, and reader->listed was that. A
 * change is for those whose bound version is older, and for whoever was met
 * before it was published. Whether the notice is open is not looked at.
 */
int pv_notice_addresses(const pv_notice_t *notice, const pv_notice_reader_t *reader);

/*
 * Digest of a list: SHA-256 of the pseudonyms, sorted, each once. Sorts them
 * in place and takes repeated ones out: *n is how many are left.
 */
int pv_audience_digest(unsigned char digest[PV_SHA256_LEN], unsigned char (*subjects)[PV_SUBJECT_LEN], size_t *n);


/*
 * What became of a notice with one user. Fields of a hash in Redis:
 *   v7:written v7:seen v7:acknowledged = Unix seconds, the first counts
 *   v7:answer = "agreed 17..." or "declined 17..."
 *   v7:later  = "TAG 17..."; TAG: the session's tag in hex
 */
typedef enum {
    PV_NOTICE_WRITTEN,          /* to a connection, or into a page */
    PV_NOTICE_SEEN,             /* it was visible */
    PV_NOTICE_ACKNOWLEDGED,     /* understood, agreed or declined: done with */
    PV_NOTICE_ANSWER,
    PV_NOTICE_LATER,
    PV_NOTICE_FIELDS
} pv_notice_field_t;

typedef enum { PV_ANSWER_NONE, PV_ANSWER_AGREED, PV_ANSWER_DECLINED } pv_notice_answer_t;

typedef struct {
    char           id[PV_NOTICE_ID_SIZE];
    int64_t        at[PV_NOTICE_FIELDS];        /* Unix seconds; 0: has not been */
    uint8_t        answer;                      /* pv_notice_answer_t */
    unsigned char  session[PV_SESSION_TAG_LEN]; /* that asked for later */
} pv_notice_state_t;

#define PV_NOTICE_FIELD_MAX  32     /* "v4294967295:acknowledged" and the zero */
#define PV_NOTICE_VALUE_MAX  48

/* "v7:seen". The value of PV_NOTICE_ANSWER takes answer, that of PV_NOTICE_LATER session. Both return the length. */
size_t pv_notice_field_write(char out[PV_NOTICE_FIELD_MAX], const char *id, pv_notice_field_t field);
size_t pv_notice_value_write(char out[PV_NOTICE_VALUE_MAX], pv_notice_field_t field, int64_t time,
    pv_notice_answer_t answer, const unsigned char *session);

/* PV_OK and which notice's which field; PV_INVALID for anything else. */
int pv_notice_field_read(char id[PV_NOTICE_ID_SIZE], pv_notice_field_t *field, pv_str_t text);
/* Sets the field as the value says; PV_INVALID: not one of ours, nothing is set. */
int pv_notice_state_set(pv_notice_state_t *state, pv_notice_field_t field, pv_str_t value);

/*
 * Of all that is kept of one user, what concerns a few notices: put their ids
 * into states[i].id (the rest zeroed) and set count, then read each pair of
 * the hash. What is not understood is passed over. Fixed memory, whatever is
 * in the hash.
 */
#define PV_NOTICES_OPEN_MAX  64

typedef struct {
    pv_notice_state_t  states[PV_NOTICES_OPEN_MAX];
    size_t             count;
    uint32_t           changes_done;    /* the newest change that was acknowledged or answered: closes it and older ones */
} pv_notice_states_t;

void pv_notice_states_read(pv_notice_states_t *states, pv_str_t field, pv_str_t value);

/*
 * 1 when the user has still to be shown it: not acknowledged, not answered, no
 * newer change answered, and not put off. session: the tag of this one; NULL
 * or zeros: no session cookies are configured, *later* lasts a day. state:
 * NULL when nothing is known of it. Whom it addresses is not looked at.
 */
int pv_notice_due(const pv_notice_t *notice, const pv_notice_state_t *state, uint32_t changes_done,
    const unsigned char *session, int64_t now);
/* The first half: 1 when it is done with, in whatever session. */
int pv_notice_done(const pv_notice_t *notice, const pv_notice_state_t *state, uint32_t changes_done);

/*
 * Names a login session of a user without telling its cookies: what *later*
 * holds in, and "left" closes the streams of. session: as for pv_user_encode().
 * With the pseudonym key, which never rotates, so that all workers and nodes
 * agree on it. Without session cookies: one tag a user.
 */
int pv_session_tag(unsigned char tag[PV_SESSION_TAG_LEN], const pv_keys_t *keys, pv_str_t site,
    const unsigned char subject[PV_SUBJECT_LEN], pv_str_t session);


/*
 * Server-sent events. Each function appends one whole event to out, or marks
 * it failed. All that is not ours goes out as JSON in one data line, so that
 * nothing in a text can end the line, and with it the event.
 */

/* The id of an event: entries of the log up to log, notices up to number were considered. "7-3". */
typedef struct { uint32_t log, number; } pv_cursor_t;

#define PV_CURSOR_MAX  24

/* PV_INVALID, and zeros: anything else (Last-Event-ID is what a client says). */
int pv_cursor_read(pv_cursor_t *cursor, pv_str_t text);
size_t pv_cursor_write(char out[PV_CURSOR_MAX], pv_cursor_t cursor);

/*
 * The notice as JSON: id, kind, published, language, title, summary; parts of
 * an incident, their titles from titles (NULL: without); of a change purposes,
 * effective, version, diff, reduces_rights; corrects. Where policy (that of the
 * change; may be NULL) is known, purposes are those that an answer decides,
 * with their titles, and separate ones say so.
 */
void pv_notice_json(pv_buf_t *out, const pv_notice_t *notice, size_t language, const pv_policy_t *policy,
    const pv_str_t *titles);
/* "id: 7-3\nevent: notice\ndata: {the same}\n\n" */
void pv_notice_event(pv_buf_t *out, const pv_notice_t *notice, size_t language, pv_cursor_t cursor,
    const pv_policy_t *policy, const pv_str_t *titles);
/* event: closed; why: "answered", "retracted". Has no id: whoever missed it is told what is due when it comes back. */
void pv_notice_closed_event(pv_buf_t *out, const char *id, const char *why);
/*
 * retry: and event: hello. more: the other members of its object ("\"language\":\"en\",..."), which have no line break
 * in them, or nothing.
 */
void pv_notice_hello_event(pv_buf_t *out, unsigned retry, const unsigned char session[PV_SESSION_TAG_LEN],
    pv_str_t more);

#endif /* PV_NOTICE_H */
