/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_POLICY_H
#define PV_POLICY_H

/*
 * One published version, ready for use: opened from a sealed bundle whose
 * signature, digest and every field were checked. Immutable afterwards; owns
 * all that it points to.
 *
 * A version is named by its id ("2026-12-01") and by its sequence number:
 * its place in the site's publication log, from 1. Cookies and records carry
 * the number.
 *
 * Whether a grant still covers a purpose is worked out at publication: every
 * purpose carries the number of the version that last changed its meaning
 * (asked_since). A choice made on version D says nothing on purposes whose
 * asked_since is later than D. O(purposes), for any pair of versions.
 */

#include "pv_head.h"

#define PV_PURPOSES_MAX   64

typedef struct {
    pv_str_t  name;                 /* '*' at either end */
    pv_str_t  domain, path;         /* empty when not declared */
    pv_str_t  lifetime, provider;   /* empty when not declared; as written */
} pv_cookie_declaration_t;

typedef struct {
    pv_str_t                  id;
    unsigned                  bit;          /* 0..63, never reused in a site */
    unsigned                  necessary:1;
    unsigned                  separate:1;
    uint32_t                  asked_since;  /* version that last changed its meaning */
    unsigned                  unnamed:1;    /* without naming it among its changes */
    pv_str_t                  exempt_reason;    /* in the default language; the same for retention */
    /*
     * Lists of translations have one entry a language of the policy, in the
     * same order. Where a translation is missing, the entry is the default
     * language's (and says so in .language), so that any entry can be shown.
     */
    pv_translation_t         *title, *text;
    pv_translation_t         *exempt_reason_in, *retention_in;      /* NULL when not declared */
    pv_cookie_declaration_t  *cookies;
    size_t                    cookies_count;
    pv_str_t                 *sources;
    size_t                    sources_count;
    pv_str_t                 *recipients;   /* ids */
    size_t                    recipients_count;
    pv_str_t                  retention;
} pv_purpose_t;

typedef struct {
    pv_str_t           id, name, data, use, policy, country;    /* as in the default language */
    pv_translation_t  *name_in, *data_in, *use_in, *country_in; /* NULL when not declared */
} pv_recipient_t;

typedef struct {
    pv_str_t  name, mail, telephone, address, department, complaint;
} pv_controller_t;

typedef struct {
    pv_str_t  language;             /* BCP 47, "zh-CN" */
    pv_str_t  title;                /* the first heading, plain text */
    pv_str_t  markdown;             /* NFC */
    pv_str_t  html;                 /* rendered and sanitised, UTF-8 */
} pv_text_t;

typedef struct pv_gate_s  pv_gate_t;

/* Every purpose that ever had a bit in the site, also removed ones: a bit is never given twice. */
typedef struct {
    pv_str_t  id;
    unsigned  bit;
} pv_bit_t;

typedef struct {
    uint32_t          sequence;
    pv_str_t          site;
    pv_str_t          version;
    int64_t           effective;            /* Unix seconds */
    int64_t           published;
    pv_str_t          effective_text;       /* RFC 3339 as written */
    unsigned char     digest[PV_SHA256_LEN];    /* of the signed head */
    unsigned char     previous[PV_SHA256_LEN];  /* digest of the log's entry before; zeros at 1 */
    unsigned char     key[PV_ED25519_PUBLIC];   /* that signed it */
    unsigned char     signature[PV_ED25519_SIG];
    pv_str_t          sealed_head;          /* the entry's first bytes as far as its head goes: for who proves it */
    unsigned          choice_days;
    unsigned          minor_age;
    unsigned          reduces_rights:1;
    pv_controller_t   controller;
    pv_text_t        *texts;                /* the first is the default */
    size_t            texts_count;
    pv_purpose_t     *purposes;             /* in the order of policy.json */
    size_t            purposes_count;
    pv_recipient_t   *recipients;
    size_t            recipients_count;
    pv_change_t      *changes;
    size_t            changes_count;
    pv_str_t          urgent;               /* why a material change had no lead time; empty: it had */
    pv_bit_t         *bits;
    size_t            bits_count;
    /* The cookies of all purposes: what pv_gate_declaration() counts in. purposes[i].cookies points into it. */
    pv_cookie_declaration_t  *cookies;
    size_t            cookies_count;

    uint64_t          all;                  /* masks of purpose bits */
    uint64_t          necessary;
    uint64_t          separate;

    pv_str_t          declared;             /* canonical policy.json */
    pv_gate_t        *gate;                 /* compiled from the declared cookies */
    void             *memory;               /* the arena */
} pv_policy_t;

/*
 * Verifies and opens a whole sealed version: signature by pub over site and
 * head, the digests of all bodies, bounds, every field. PV_INVALID with the
 * reason in problems for anything else, also for an entry of another kind.
 * *policy is freed by pv_policy_free().
 */
int pv_policy_open(pv_policy_t **policy, pv_str_t sealed, pv_str_t site,
    const unsigned char pub[PV_ED25519_PUBLIC], pv_problems_t *problems);
void pv_policy_free(pv_policy_t *policy);
/* The same but for the signature: for who has verified it already, and for fuzzing. */
int pv_policy_parse(pv_policy_t **policy, pv_str_t sealed, pv_str_t site, pv_problems_t *problems);

const pv_purpose_t *pv_policy_purpose(const pv_policy_t *policy, pv_str_t id);
/* The translation for texts[language]; falls back to the default language. */
pv_str_t pv_translation(const pv_policy_t *policy, const pv_translation_t *list, size_t language);

/* The purposes whose meaning changed after version `decided` was in force. */
uint64_t pv_policy_changed_since(const pv_policy_t *policy, uint32_t decided);
/*
 * Those whose meaning version `version` changed last, and named among its
 * changes; not the necessary ones. What its notice asks for: who agrees grants
 * of these what is not separate, who declines refuses them all.
 */
uint64_t pv_policy_changed_by(const pv_policy_t *policy, uint32_t version);
/*
 * What a choice still says under this version: as worded then, and what was
 * answered in advance, before this version was in force. How old it is does
 * not count, nor whether it was made on a version that is newer than this one.
 */
void pv_policy_holds(const pv_policy_t *policy, const pv_consent_t *consent, uint64_t *decided, uint64_t *granted);


/* What a consent is worth under a policy, now. */
typedef enum {
    PV_UNDECIDED,
    PV_CURRENT,
    PV_STALE,           /* chose, but something is to be asked again */
    PV_WITHDRAWN,
    PV_MINOR
} pv_standing_t;

const char *pv_standing_name(pv_standing_t s);

typedef struct {
    pv_standing_t  standing;
    uint64_t       allowed;     /* necessary purposes and valid grants: what the gate lets through */
    uint64_t       decided;     /* purposes with a valid yes or no */
    uint64_t       asked;       /* purposes that the banner has to ask for: not 0 keeps it open */
} pv_verdict_t;


/*
 * consent: NULL for none. A choice older than choice_days, or made on a
 * version newer than this node knows, grants nothing (the latter does not open
 * the banner either). now: Unix seconds.
 */
void pv_policy_judge(pv_verdict_t *verdict, const pv_policy_t *policy, const pv_consent_t *consent, int64_t now);

#endif /* PV_POLICY_H */
