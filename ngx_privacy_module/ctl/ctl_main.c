/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "ctl.h"


static void ctl_overview(FILE *out);


static const struct {
    const char      *name;
    ctl_command_pt   run;
    const char      *summary;
} ctl_commands[] = {
    { "keygen", ctl_keygen, "make the keys of a node, or of a site that publishes" },
    { "init", ctl_init, "write a first bundle, with texts to fill in" },
    { "check", ctl_check, "read a bundle folder and say everything that is wrong with it" },
    { "preview", ctl_preview, "show a bundle in a browser as nginx will show it" },
    { "diff", ctl_diff, "show what differs between two versions, or bundles" },
    { "publish", ctl_publish, "sign a bundle and put it in force" },
    { "withdraw", ctl_withdraw, "take back a version that is not in force yet" },
    { "rollover", ctl_rollover, "hand the publication over to a new key" },
    { "versions", ctl_versions, "list what was published" },
    { "inventory", ctl_inventory, "list the cookies that were seen, declared or not" },
    { "ledger", ctl_ledger, "print one subject's choices in words, and prove them" },
    { "status", ctl_status, "ask a node how it is" }
};


int
main(int argc, char **argv)
{
    int     rc;
    size_t  i;

    /* A server that goes away is said, with an exit code of its own: no silent end. */
    (void) signal(SIGPIPE, SIG_IGN);

    if (argc < 2) {
        ctl_overview(stderr);
        return CTL_USAGE;
    }

    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        ctl_overview(stdout);
        return CTL_OK;
    }

    for (i = 0; i < sizeof(ctl_commands) / sizeof(ctl_commands[0]); i++) {

        if (strcmp(argv[1], ctl_commands[i].name) != 0) {
            continue;
        }

        rc = ctl_commands[i].run(argc - 1, argv + 1);

        if (fflush(stdout) != 0 || ferror(stdout)) {
            rc = rc == CTL_OK ? CTL_WRONG : rc;
            return errno == EPIPE ? rc : ctl_fail(rc, "not everything could be written");
        }

        return rc;
    }

    (void) ctl_fail(0, "there is no command %s", argv[1]);
    ctl_overview(stderr);

    return CTL_USAGE;
}


static void
ctl_overview(FILE *out)
{
    size_t  i;

    fputs("usage: privacyctl COMMAND [options] ...\n\n", out);

    for (i = 0; i < sizeof(ctl_commands) / sizeof(ctl_commands[0]); i++) {
        fprintf(out, "  %-10s %s\n", ctl_commands[i].name, ctl_commands[i].summary);
    }

    fputs("\nprivacyctl COMMAND --help says more. PRIVACY_REDIS in the environment stands for --redis.\n"
          "It returns 0 when all is well, 1 when something is refused or found wrong, 2 when it was\n"
          "called wrongly, 3 when Redis or the node cannot be reached.\n", out);
}
