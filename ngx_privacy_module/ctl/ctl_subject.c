/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* privacyctl subject */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "ctl_file.h"
#include "ctl_subjects.h"


static int ctl_subject_run(pv_keys_t **keys);
static int ctl_subject_one(const pv_keys_t *keys);
static int ctl_subject_line(void *data, pv_str_t user, const unsigned char *subject);
static int ctl_subject_json(pv_str_t user, const char *subject);


static const char  *ctl_subject_site, *ctl_subject_keys, *ctl_subject_user, *ctl_subject_users;
static int          ctl_subject_as_json;

static const ctl_option_t  ctl_subject_options[] = {
    { "site", "NAME", &ctl_subject_site, NULL, "the site, as in privacy_site" },
    { "keys", "FILE", &ctl_subject_keys, NULL, "the node's keys, as in privacy_keys" },
    { "user", "NAME", &ctl_subject_user, NULL, "one user, named as the application names them to nginx" },
    { "users", "FILE", &ctl_subject_users, NULL,
      "all users in it, one a line (- reads standard input):\nprints pseudonym, tab, user" },
    { "json", NULL, NULL, &ctl_subject_as_json, "for programs: an object a line" },
    { NULL, NULL, NULL, NULL, NULL }
};

static const ctl_usage_t  ctl_subject_usage = {
    "subject [options] --user NAME|--users FILE",
    "Prints the pseudonym of a logged-in user: the name that Redis and `privacyctl notice`\n"
    "know them by. It is made with the pseudonym key of a node's key file, and nothing else\n"
    "is asked: run it where that key lives.\n"
    "\n"
    "From a pseudonym there is no way back to the name. Who needs one, to write to those whom\n"
    "a notice did not reach, lets --users print all users of the site, and looks there; such\n"
    "a file says who is who: delete it afterwards.\n"
    "What --users prints `privacyctl notice send --subjects` takes.\n",
    ctl_subject_options, 0, 0
};


int
ctl_subject(int argc, char **argv)
{
    int         rc, operands;
    pv_keys_t  *keys;

    rc = ctl_options(&ctl_subject_usage, argc, argv, &operands);
    if (rc != -1) {
        return rc;
    }

    keys = NULL;
    rc = ctl_subject_run(&keys);
    pv_keys_free(keys);

    return rc;
}


static int
ctl_subject_run(pv_keys_t **keys)
{
    if (!ctl_site(ctl_subject_site)) {
        return CTL_USAGE;
    }

    if (ctl_subject_keys == NULL) {
        return ctl_fail(CTL_USAGE, "which keys? --keys FILE, as in privacy_keys");
    }

    if ((ctl_subject_user != NULL) == (ctl_subject_users != NULL)) {
        return ctl_fail(CTL_USAGE, "whose pseudonym? either --user NAME or --users FILE");
    }

    if (ctl_keys(keys, ctl_subject_keys) != PV_OK) {
        return CTL_WRONG;
    }

    if (ctl_subject_user != NULL) {
        return ctl_subject_one(*keys);
    }

    return ctl_subjects_read(ctl_subject_users, *keys, pv_str(ctl_subject_site), ctl_subject_line, NULL);
}


static int
ctl_subject_one(const pv_keys_t *keys)
{
    char           text[PV_SUBJECT_TEXT + 1];
    pv_str_t       user;
    unsigned char  subject[PV_SUBJECT_LEN];

    user = pv_str(ctl_subject_user);

    if (user.len == 0 || user.len > CTL_USER_MAX) {
        return ctl_fail(CTL_USAGE, "--user needs the name of a user, 1 to %d bytes", CTL_USER_MAX);
    }

    if (pv_pseudonym(subject, keys, pv_str(ctl_subject_site), user) != PV_OK) {
        return ctl_fail(CTL_WRONG, "no pseudonym can be made: out of memory, or the keys have none for it");
    }

    ctl_subject_write(text, subject);

    if (ctl_subject_as_json) {
        return ctl_subject_json(user, text);
    }

    puts(text);

    return CTL_OK;
}


static int
ctl_subject_line(void *data, pv_str_t user, const unsigned char *subject)
{
    char  text[PV_SUBJECT_TEXT + 1];

    (void) data;

    ctl_subject_write(text, subject);

    if (ctl_subject_as_json) {
        return ctl_subject_json(user, text);
    }

    printf("%s\t", text);

    if (isatty(STDOUT_FILENO)) {
        ctl_print(user);

    } else {
        fwrite(user.data, 1, user.len, stdout);
    }

    putchar('\n');

    return ferror(stdout) ? CTL_WRONG : CTL_OK;
}


static int
ctl_subject_json(pv_str_t user, const char *subject)
{
    int       rc;
    pv_buf_t  line;

    /* at worst each byte becomes an escape of six */
    pv_buf_init(&line, 6 * CTL_USER_MAX + 256);

    pv_buf_printf(&line, "{\"subject\":\"%s\",\"user\":", subject);
    pv_buf_json(&line, user);
    pv_buf_puts(&line, "}\n");

    rc = line.failed ? ctl_fail(CTL_WRONG, "out of memory") : CTL_OK;

    if (rc == CTL_OK) {
        fwrite(line.data, 1, line.len, stdout);
        rc = ferror(stdout) ? CTL_WRONG : CTL_OK;
    }

    pv_buf_free(&line);

    return rc;
}
