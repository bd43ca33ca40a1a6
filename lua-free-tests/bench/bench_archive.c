/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * Fills a node's folder with a long publication log:
 *
 *     bench_archive FOLDER FIRST SECRET_KEY COUNT
 *
 * FIRST is entry 1, sealed by privacyctl. The others say the same, but for their number: wherever "00000001" stands,
 * in the version's id and in its texts, each has its own. Each is a good entry, signed and chained.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "pv_head_json.h"
#include "pv_keys.h"
#include "pv_seal.h"

#define DIGITS  8
#define MARK    "00000001"


static void
fail(const char *what)
{
    fprintf(stderr, "bench_archive: %s\n", what);
    exit(1);
}


static pv_str_t
slurp(const char *path)
{
    FILE           *in;
    size_t          len;
    unsigned char  *data;

    in = fopen(path, "rb");
    data = malloc(PV_SEALED_MAX);

    if (in == NULL || data == NULL) {
        fail(path);
    }

    len = fread(data, 1, PV_SEALED_MAX, in);
    fclose(in);

    return (pv_str_t) { data, len };
}


static void
spew(const char *folder, unsigned n, pv_str_t bytes)
{
    FILE  *out;
    char   path[4096];

    snprintf(path, sizeof(path), "%s/%010u.bundle", folder, n);

    out = fopen(path, "wb");
    if (out == NULL || fwrite(bytes.data, 1, bytes.len, out) != bytes.len || fclose(out) != 0) {
        fail(path);
    }
}


static void
number(unsigned char *bytes, size_t len, unsigned n)
{
    char            digits[DIGITS + 1];
    unsigned char  *p, *end;

    snprintf(digits, sizeof(digits), "%0*u", DIGITS, n);
    end = bytes + len;

    for (p = bytes; (p = memmem(p, (size_t) (end - p), MARK, DIGITS)) != NULL; p += DIGITS) {
        memcpy(p, digits, DIGITS);
    }
}


/* The digest of a part as the new head has it; the sizes stay. */
static void
digest(json_t *part, const unsigned char **at)
{
    char           hex[2 * PV_SHA256_LEN + 1];
    pv_str_t       bytes;
    unsigned char  hash[PV_SHA256_LEN];

    bytes.data = *at;
    bytes.len = (size_t) json_integer_value(json_object_get(part, "size"));
    *at += bytes.len;

    if (pv_sha256(hash, &bytes, 1) != PV_OK) {
        fail("digest");
    }

    hex[pv_hex_encode(hex, hash, sizeof(hash))] = '\0';
    json_object_set_new(part, "sha256", json_string(hex));
}


static void
digests(json_t *head, const unsigned char *bodies)
{
    size_t   i;
    json_t  *language, *text;

    digest(json_object_get(head, "declared"), &bodies);

    json_array_foreach(json_object_get(head, "languages"), i, language) {
        text = json_object_get(json_object_get(head, "texts"), json_string_value(language));
        digest(json_object_get(text, "markdown"), &bodies);
        digest(json_object_get(text, "html"), &bodies);
    }
}


static void
fill(const char *folder, pv_str_t first, const unsigned char *secret, unsigned count)
{
    char            text[2 * PV_SHA256_LEN + DIGITS + 2];
    json_t         *head;
    pv_buf_t        sealed;
    unsigned        n;
    pv_str_t        signature, line, bodies, site;
    unsigned char  *copy, hash[PV_SHA256_LEN];
    pv_problems_t   problems;

    if (pv_sealed_split(first, &signature, &line, &bodies, NULL) != PV_OK) {
        fail("the first entry is none");
    }

    head = json_loadb((const char *) line.data, line.len, 0, NULL);
    site = pv_str(json_string_value(json_object_get(head, "site")));
    copy = malloc(bodies.len);

    pv_problems_init(&problems);
    pv_buf_init(&sealed, PV_SEALED_MAX);

    for (n = 2; n <= count; n++) {
        pv_sha256(hash, &line, 1);
        text[pv_hex_encode(text, hash, sizeof(hash))] = '\0';

        json_object_set_new(head, "previous", json_string(text));
        json_object_set_new(head, "sequence", json_integer(n));

        snprintf(text, sizeof(text), "v%0*u", DIGITS, n);
        json_object_set_new(head, "version", json_string(text));

        memcpy(copy, bodies.data, bodies.len);
        number(copy, bodies.len, n);
        digests(head, copy);

        sealed.len = 0;

        if (pv_seal(&sealed, site, head, (pv_str_t) { copy, bodies.len }, secret, &problems) != PV_OK) {
            fail("sealing");
        }

        spew(folder, n, (pv_str_t) { sealed.data, sealed.len });

        pv_sealed_split((pv_str_t) { sealed.data, sealed.len }, &signature, &line, &(pv_str_t) { NULL, 0 }, NULL);
    }
}


int
main(int argc, char **argv)
{
    pv_str_t       first;
    unsigned char  secret[PV_ED25519_SECRET];

    if (argc != 5) {
        fail("FOLDER FIRST SECRET_KEY COUNT");
    }

    first = slurp(argv[2]);

    if (pv_secret_key_parse(secret, slurp(argv[3])) != PV_OK) {
        fail("no secret key");
    }

    mkdir(argv[1], 0755);
    spew(argv[1], 1, first);
    fill(argv[1], first, secret, (unsigned) atoi(argv[4]));

    return 0;
}
