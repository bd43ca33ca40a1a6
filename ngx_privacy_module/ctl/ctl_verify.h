/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_VERIFY_H
#define CTL_VERIFY_H

/* privacyctl verify: a live site, from outside, with nothing but the public key. */

#include <jansson.h>

#include "ctl.h"
#include "ctl_http.h"
#include "pv_log.h"
#include "pv_page.h"

#define CTL_VERIFY_ENTRIES   100000
#define CTL_VERIFY_FINDINGS  1000       /* further ones are counted only */
#define CTL_VERIFY_URL       2048

/* What ./log says of an entry. */
typedef struct {
    pv_entry_kind_t  kind;              /* 0: what it says is no entry */
    unsigned char    digest[PV_SHA256_LEN];
    unsigned char    previous[PV_SHA256_LEN];
    int64_t          published;
    char             version[PV_VERSION_MAX + 1];
    char             effective[64];
} ctl_listed_t;

typedef struct {
    const char     *url, *public, *site, *state, *length;
    int             json, log_only;

    char            base[CTL_VERIFY_URL];       /* the centre, with a slash at its end */
    char            name[PV_SITE_MAX + 1];      /* of the site, once it is known */
    unsigned char   pub[PV_ED25519_PUBLIC];
    ctl_http_t     *http;
    pv_ui_t        *ui;
    pv_log_t       *chain;
    ctl_listed_t   *listed;                     /* of number i + 1 */
    size_t          count;
    size_t          found;                      /* what was found wrong */
    json_t         *findings;
    uint32_t        entry;                      /* that is looked at; 0: the log, or the site as a whole */
    const char     *version;                    /* its id, or NULL */
    int             progress;                   /* a line of it stands on the terminal */
} ctl_verify_t;

/* Something is wrong: where (may be NULL) is a part of the entry, or what was asked for. */
void ctl_verify_wrong(ctl_verify_t *v, const char *where, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void ctl_verify_progress(ctl_verify_t *v, const char *what, size_t i, size_t n);

/*
 * GET of a path below the centre. Asks again for a while when the site is
 * busy. Appended to body, which bounds it. An exit code; a status that is not
 * 200 was said as wrong, and *there is 0 then.
 */
int ctl_verify_get(ctl_verify_t *v, const char *path, const char *accept, pv_buf_t *body, int *there);

/* Reads ./log into listed. An exit code: what is wrong in it does not stop. */
int ctl_verify_list(ctl_verify_t *v);
/* Every entry, and the chain; versions are compared with what the site shows of them. */
int ctl_verify_entries(ctl_verify_t *v);
/* What the site shows of one version. */
int ctl_verify_version(ctl_verify_t *v, const pv_policy_t *policy, const pv_head_t *head, pv_str_t sealed);
/* The list of versions, and what is in force. */
int ctl_verify_shown(ctl_verify_t *v);

#endif /* CTL_VERIFY_H */
