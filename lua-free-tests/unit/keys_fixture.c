/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdio.h>
#include <stdlib.h>

#include "keys_fixture.h"


static const char  keys_text[] =
    "cookie    01 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
    "form      01 AgECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
    "ledger    01 AwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
    "pseudonym 01 BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n";

static const char  rotated_text[] =
    "cookie    02 EAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
    "form      02 EgECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
    "ledger    02 EwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n";

static const char  foreign_text[] =
    "cookie    01 IAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
    "form      01 IgECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
    "ledger    01 IwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
    "pseudonym 01 JAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n";

pv_keys_t  *keys, *rotated, *foreign;

const pv_str_t  site = pv_string("example");
const pv_str_t  other_site = pv_string("exampld");

const unsigned char  subject[PV_SUBJECT_LEN] = "0123456789abcdef";
const unsigned char  other_subject[PV_SUBJECT_LEN] = "1123456789abcdef";


int
keys_fixture_setup(void **state)
{
    (void) state;

    keys = keys_fixture_load(keys_text, "");
    rotated = keys_fixture_load(rotated_text, keys_text);
    foreign = keys_fixture_load(foreign_text, "");

    return 0;
}


int
keys_fixture_teardown(void **state)
{
    (void) state;

    pv_keys_free(keys);
    pv_keys_free(rotated);
    pv_keys_free(foreign);

    return 0;
}


pv_keys_t *
keys_fixture_load(const char *a, const char *b)
{
    char            text[2048];
    pv_keys_t      *k;
    pv_problems_t   p;

    (void) snprintf(text, sizeof(text), "%s%s", a, b);
    pv_problems_init(&p);

    if (pv_keys_parse(&k, pv_str(text), "keys", &p) != PV_OK) {
        abort();
    }

    return k;
}
