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


/* In the order in which one comes to need them. */
static const struct {
    const char      *task;
    const char      *name;
    ctl_command_pt   run;
    const char      *summary;
} ctl_commands[] = {
    { "Set up", "keygen", ctl_keygen, "make the keys of a node, or of a site that publishes" },
    { "Set up", "rollover", ctl_rollover, "hand the publication over to a new key" },
    { "Write a policy", "init", ctl_init, "write a first bundle, with texts to fill in" },
    { "Write a policy", "check", ctl_check, "say everything that is wrong with a bundle" },
    { "Write a policy", "preview", ctl_preview, "show a bundle in a browser as nginx will show it" },
    { "Write a policy", "diff", ctl_diff, "show what differs between two versions, or bundles" },
    { "Publish it", "publish", ctl_publish, "sign a bundle and put it in force" },
    { "Publish it", "withdraw", ctl_withdraw, "take back a version that is not in force yet" },
    { "Publish it", "versions", ctl_versions, "list what was published" },
    { "Tell people", "notice", ctl_notice, "send notices to users, and follow whom they reach" },
    { "Tell people", "subject", ctl_subject, "say by which pseudonym a user is known" },
    { "Prove it", "verify", ctl_verify, "prove a live site from outside, with its public key" },
    { "Prove it", "ledger", ctl_ledger, "print one subject's choices in words, and prove them" },
    { "Keep it", "backup", ctl_backup, "write everything of a site into a file" },
    { "Keep it", "restore", ctl_restore, "bring a backup into Redis, wherever it is" },
    { "Keep it", "verify-backup", ctl_verify_backup, "prove a backup, and say what is in it" },
    { "Watch it", "inventory", ctl_inventory, "list the cookies that were seen, declared or not" },
    { "Watch it", "status", ctl_status, "ask a node how it is" }
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
        if (i == 0 || strcmp(ctl_commands[i].task, ctl_commands[i - 1].task) != 0) {
            fprintf(out, "%s%s:\n", i != 0 ? "\n" : "", ctl_commands[i].task);
        }

        fprintf(out, "  %-13s %s\n", ctl_commands[i].name, ctl_commands[i].summary);
    }

    fputs("\nprivacyctl COMMAND --help says more, and so does privacyctl(1). Where Redis is,\n"
          "is said as in nginx: redis:// rediss:// unix: sentinel://HOST,HOST/NAME cluster://HOST,HOST;\n"
          "PRIVACY_REDIS in the environment stands for --redis. It returns 0 when all is well, 1 when\n"
          "something is refused or found wrong, 2 when it was called wrongly, 3 when Redis or the\n"
          "node cannot be reached.\n", out);
}
