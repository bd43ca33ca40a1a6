/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_KEYGEN_H
#define CTL_KEYGEN_H

/* Publication key pairs in a folder: SITE.key and SITE.pub. */

#include <limits.h>

#include "pv_crypto.h"

#define CTL_KEYGEN_NONE  (-1)

/*
 * A new pair, in a folder that is made if need be. PV_ERROR, and says so, also
 * when there is one. quiet: which files it wrote is not printed.
 */
int ctl_keygen_pair(const char *folder, const char *site, int quiet);
/*
 * The pair of the folder; path is set to SITE.key in any case. A SITE.pub that
 * is missing is written. CTL_KEYGEN_NONE when there is none; else an exit code.
 */
int ctl_keygen_find(const char *folder, const char *site, char path[PATH_MAX],
    unsigned char secret[PV_ED25519_SECRET], unsigned char pub[PV_ED25519_PUBLIC]);

#endif /* CTL_KEYGEN_H */
