/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/crypto.h>

#include "ctl.h"
#include "ctl_file.h"
#include "ctl_keygen.h"


static int ctl_keygen_new(const char *folder, const char *site);
static int ctl_keygen_publication(const char *folder, const char *site);
static void ctl_keygen_say(const char *path, const char *what);
static int ctl_keygen_single(const char *folder, const char *site, const char *end, const char *name,
    const unsigned char *key, mode_t mode);
static int ctl_keygen_change(const char *path, int next, const char *kind);
static int ctl_keygen_changed(const char *path, int next, pv_key_kind_t kind, const char *name);
static int ctl_keygen_replace(const char *path, int next, const char *name, const pv_keys_change_t *change,
    pv_str_t text);
static int ctl_keygen_path(char path[PATH_MAX], const char *folder, const char *name, const char *end);


static const char  *ctl_keygen_site, *ctl_keygen_next, *ctl_keygen_rotate;
static int          ctl_keygen_json, ctl_keygen_quiet;
static json_t      *ctl_keygen_files;       /* what was written, when it is wanted as JSON */

static const ctl_option_t  ctl_keygen_options[] = {
    { "site", "NAME", &ctl_keygen_site, NULL,
      "also the pair that signs what this site publishes:\n"
      "NAME.key stays with who publishes, NAME.pub goes to nginx" },
    { "next", "KIND", &ctl_keygen_next, NULL,
      "a further key of KIND (cookie, form or ledger) in an\n"
      "existing file: it verifies, and waits to sign" },
    { "rotate", "KIND", &ctl_keygen_rotate, NULL,
      "the key of KIND that waits signs from now on, or a new one\n"
      "where none waits; old ones go on verifying" },
    { "json", NULL, NULL, &ctl_keygen_json, "print what was written as JSON" },
    { NULL, NULL, NULL, NULL, NULL }
};

static const ctl_usage_t  ctl_keygen_usage = {
    "keygen [--site NAME] DIR\n       privacyctl keygen --next|--rotate cookie|form|ledger FILE",
    "Makes the keys of a node. DIR/keys is what privacy_keys names; every node of a\n"
    "site has the same. Nothing is ever overwritten.\n"
    "\n"
    "Keep a copy of DIR/keys in a safe place: without its ledger keys no consent can\n"
    "be proven any more. To rotate a key of several nodes, run --next, bring the file to\n"
    "all nodes and reload them; then do the same with --rotate. Then no node ever meets\n"
    "what it cannot verify. One node needs --rotate and a reload only.\n",
    ctl_keygen_options, 1, 1
};


int
ctl_keygen(int argc, char **argv)
{
    int          rc, operands;
    const char  *kind;

    rc = ctl_options(&ctl_keygen_usage, argc, argv, &operands);
    if (rc != -1) {
        return rc;
    }

    kind = ctl_keygen_next != NULL ? ctl_keygen_next : ctl_keygen_rotate;

    if (ctl_keygen_next != NULL && ctl_keygen_rotate != NULL) {
        return ctl_fail(CTL_USAGE, "--next and --rotate do not go together: between them, the file goes to all nodes");
    }

    if (kind != NULL && ctl_keygen_site != NULL) {
        return ctl_fail(CTL_USAGE, "--%s and --site do not go together: a publication key is replaced by"
                        " `privacyctl rollover`", ctl_keygen_next != NULL ? "next" : "rotate");
    }

    if (ctl_keygen_site != NULL && !ctl_site(ctl_keygen_site)) {
        return CTL_USAGE;
    }

    ctl_keygen_files = ctl_keygen_json ? json_array() : NULL;

    rc = kind != NULL ? ctl_keygen_change(argv[1], ctl_keygen_next != NULL, kind)
         : ctl_keygen_new(argv[1], ctl_keygen_site);

    if (ctl_keygen_files != NULL) {
        json_dumpf(ctl_keygen_files, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(ctl_keygen_files);
        ctl_keygen_files = NULL;
    }

    return rc;
}


static void
ctl_keygen_say(const char *path, const char *what)
{
    if (ctl_keygen_files != NULL) {
        json_array_append_new(ctl_keygen_files, json_pack("{s:s, s:s}", "file", path, "what", what));

    } else if (!ctl_keygen_quiet) {
        printf("%s: %s\n", path, what);
    }
}


static int
ctl_keygen_new(const char *folder, const char *site)
{
    int       rc;
    char      path[PATH_MAX];
    pv_buf_t  text;

    if (ctl_folder(folder, 0755) != PV_OK || ctl_keygen_path(path, folder, "keys", "") != PV_OK) {
        return CTL_WRONG;
    }

    pv_buf_init(&text, PV_KEYS_FILE_MAX);

    rc = pv_keys_generate(&text);

    if (rc != PV_OK) {
        (void) ctl_fail(0, "no random bytes for keys");

    } else {
        rc = ctl_file_write(path, (pv_str_t) { text.data, text.len }, 0600, CTL_FILE_NEW);
        OPENSSL_cleanse(text.data, text.len);
    }

    pv_buf_free(&text);

    if (rc == PV_OK) {
        ctl_keygen_say(path, "the keys of the node (privacy_keys)");
    }

    /* the pair is wanted also where the node's keys were there before */

    if (site != NULL && ctl_keygen_publication(folder, site) != PV_OK) {
        rc = PV_ERROR;
    }

    return (rc == PV_OK) ? CTL_OK : CTL_WRONG;
}


static int
ctl_keygen_publication(const char *folder, const char *site)
{
    int            rc;
    unsigned char  pub[PV_ED25519_PUBLIC], secret[PV_ED25519_SECRET];

    if (pv_ed25519_keygen(pub, secret) != PV_OK) {
        (void) ctl_fail(0, "no publication key could be made");
        return PV_ERROR;
    }

    rc = ctl_keygen_single(folder, site, ".key", "privacy-publication-key", secret, 0600);

    if (rc == PV_OK) {
        rc = ctl_keygen_single(folder, site, ".pub", "privacy-publication-public", pub, 0644);
    }

    OPENSSL_cleanse(secret, sizeof(secret));

    return rc;
}


int
ctl_keygen_pair(const char *folder, const char *site, int quiet)
{
    ctl_keygen_quiet = quiet;

    return ctl_folder(folder, 0755) == PV_OK ? ctl_keygen_publication(folder, site) : PV_ERROR;
}


int
ctl_keygen_find(const char *folder, const char *site, char path[PATH_MAX],
    unsigned char secret[PV_ED25519_SECRET], unsigned char pub[PV_ED25519_PUBLIC])
{
    char  public[PATH_MAX];

    if (ctl_keygen_path(path, folder, site, ".key") != PV_OK
        || ctl_keygen_path(public, folder, site, ".pub") != PV_OK)
    {
        return CTL_WRONG;
    }

    if (access(path, F_OK) != 0) {
        return CTL_KEYGEN_NONE;
    }

    if (ctl_secret_key(secret, path) != PV_OK || pv_ed25519_public(pub, secret) != PV_OK) {
        return CTL_WRONG;
    }

    /* it was interrupted between the two */

    if (access(public, F_OK) != 0
        && ctl_keygen_single(folder, site, ".pub", "privacy-publication-public", pub, 0644) != PV_OK)
    {
        return CTL_WRONG;
    }

    return CTL_OK;
}


static int
ctl_keygen_single(const char *folder, const char *site, const char *end, const char *name,
    const unsigned char *key, mode_t mode)
{
    int            rc;
    char           path[PATH_MAX];
    size_t         len;
    pv_buf_t       text;
    unsigned char  encoded[pv_base64url_size(PV_KEY_LEN)];

    if (ctl_keygen_path(path, folder, site, end) != PV_OK) {
        return PV_ERROR;
    }

    len = pv_base64url_encode(encoded, (pv_str_t) { key, PV_KEY_LEN });

    pv_buf_init(&text, 256);
    pv_buf_printf(&text, "%s %.*s\n", name, (int) len, (const char *) encoded);

    rc = text.failed ? PV_ERROR : ctl_file_write(path, (pv_str_t) { text.data, text.len }, mode, CTL_FILE_NEW);

    if (rc == PV_OK) {
        ctl_keygen_say(path, (mode == 0600) ? "signs what is published; nginx must not have it"
                                            : "for nginx (privacy_site ... key=)");
    }

    OPENSSL_cleanse(encoded, sizeof(encoded));

    if (text.data != NULL) {
        OPENSSL_cleanse(text.data, text.len);
    }

    pv_buf_free(&text);

    return rc;
}


static int
ctl_keygen_change(const char *path, int next, const char *kind)
{
    if (strcmp(kind, "cookie") == 0) {
        return ctl_keygen_changed(path, next, PV_KEY_COOKIE, kind);
    }

    if (strcmp(kind, "form") == 0) {
        return ctl_keygen_changed(path, next, PV_KEY_FORM, kind);
    }

    if (strcmp(kind, "ledger") == 0) {
        return ctl_keygen_changed(path, next, PV_KEY_LEDGER, kind);
    }

    return ctl_fail(CTL_USAGE, "%s: cookie, form and ledger keys rotate; pseudonym keys never do", kind);
}


static int
ctl_keygen_changed(const char *path, int next, pv_key_kind_t kind, const char *name)
{
    int               rc;
    pv_buf_t          old, text;
    pv_str_t          bytes;
    pv_problems_t     problems;
    pv_keys_change_t  change;

    pv_buf_init(&old, PV_KEYS_FILE_MAX);
    pv_buf_init(&text, PV_KEYS_FILE_MAX);
    pv_problems_init(&problems);

    rc = ctl_file_read(&old, path, PV_KEYS_FILE_MAX);

    if (rc == PV_OK) {
        bytes.data = old.data;
        bytes.len = old.len;
        rc = next ? pv_keys_next(&text, bytes, kind, &change, &problems)
             : pv_keys_rotate(&text, bytes, kind, &change, &problems);
        ctl_problems(&problems);

        if (rc == PV_OK) {
            rc = ctl_keygen_replace(path, next, name, &change, (pv_str_t) { text.data, text.len });

        } else {
            (void) ctl_fail(0, "%s is left as it was", path);
        }
    }

    if (old.data != NULL) {
        OPENSSL_cleanse(old.data, old.len);
    }

    if (text.data != NULL) {
        OPENSSL_cleanse(text.data, text.len);
    }

    pv_problems_free(&problems);
    pv_buf_free(&text);
    pv_buf_free(&old);

    return (rc == PV_OK) ? CTL_OK : CTL_WRONG;
}


/* Which of the two a rotation was is said: what a key signs that did not wait, other nodes do not know yet. */

static int
ctl_keygen_replace(const char *path, int next, const char *name, const pv_keys_change_t *change, pv_str_t text)
{
    char         what[128];
    const char  *format;

    if (next) {
        format = change->waited ? "%s key %02x waits already, nothing was changed: --rotate once all nodes have it"
                 : "%s key %02x verifies from the next reload on, and waits: --rotate once all nodes have it";

    } else {
        format = change->waited ? "%s key %02x, which waited, signs from the next reload on"
                 : "no %s key waited: a new one, %02x, signs from the next reload on";
    }

    if (!(next && change->waited) && ctl_file_write(path, text, 0600, CTL_FILE_REPLACE) != PV_OK) {
        return PV_ERROR;
    }

    snprintf(what, sizeof(what), format, name, change->id);
    ctl_keygen_say(path, what);

    return PV_OK;
}


static int
ctl_keygen_path(char path[PATH_MAX], const char *folder, const char *name, const char *end)
{
    if ((size_t) snprintf(path, PATH_MAX, "%s/%s%s", folder, name, end) >= PATH_MAX) {
        (void) ctl_fail(0, "%s: the name is too long", folder);
        return PV_ERROR;
    }

    return PV_OK;
}
