/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef CTL_SUBJECTS_H
#define CTL_SUBJECTS_H

/* Files of users, or of their pseudonyms, one a line; read line by line, whatever their length. */

#include "pv_record.h"

#define CTL_USER_MAX  512       /* bytes of a user's name, as in nginx */

/* One line: a user's name (empty in a file of pseudonyms) and the pseudonym. Not CTL_OK ends the reading with it. */
typedef int (*ctl_subject_pt)(void *data, pv_str_t user, const unsigned char subject[PV_SUBJECT_LEN]);

/*
 * Of names: keys makes the pseudonyms. NULL: each line begins with one, as
 * `privacyctl subject` prints them; what follows behind a tab is not looked
 * at. Empty lines are passed over. "-" is standard input. An exit code: each
 * line that is wrong was said, with its number, and then it is CTL_WRONG.
 */
int ctl_subjects_read(const char *path, const pv_keys_t *keys, pv_str_t site, ctl_subject_pt handler, void *data);

/* 22 letters and the zero. */
void ctl_subject_write(char text[PV_SUBJECT_TEXT + 1], const unsigned char subject[PV_SUBJECT_LEN]);

#endif /* CTL_SUBJECTS_H */
