/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef KEYS_FIXTURE_H
#define KEYS_FIXTURE_H

/* Keys, two sites and two subjects that what is signed is tried with. */

#include "pv_keys.h"
#include "pv_record.h"

/* There between the group's setup and teardown. */
extern pv_keys_t  *keys;
extern pv_keys_t  *rotated;        /* newer keys in front of the same ones; the pseudonym's stays */
extern pv_keys_t  *foreign;        /* the same ids, other keys */

extern const pv_str_t  site;
extern const pv_str_t  other_site;

extern const unsigned char  subject[PV_SUBJECT_LEN];
extern const unsigned char  other_subject[PV_SUBJECT_LEN];

/* The group's setup and teardown. */
int keys_fixture_setup(void **state);
int keys_fixture_teardown(void **state);

/* A key file's two parts, one after the other; aborts when they are no key file. To be freed. */
pv_keys_t *keys_fixture_load(const char *a, const char *b);

#endif /* KEYS_FIXTURE_H */
