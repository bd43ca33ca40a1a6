/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <string.h>

#include "ctl.h"
#include "ctl_backup_line.h"


static const char  ctl_backup_encoded[] = "base64url:";


static int ctl_backup_is_plain(pv_str_t bytes);


int
ctl_sums_open(ctl_sums_t *sums)
{
    memset(sums, 0, sizeof(ctl_sums_t));
    memset(sums->last, '0', CTL_BACKUP_SUM);

    sums->whole = EVP_MD_CTX_new();
    sums->section = EVP_MD_CTX_new();

    return (sums->whole != NULL && sums->section != NULL
            && EVP_DigestInit_ex(sums->whole, EVP_sha256(), NULL) == 1
            && EVP_DigestInit_ex(sums->section, EVP_sha256(), NULL) == 1) ? PV_OK : PV_ERROR;
}


void
ctl_sums_close(ctl_sums_t *sums)
{
    EVP_MD_CTX_free(sums->whole);
    EVP_MD_CTX_free(sums->section);

    memset(sums, 0, sizeof(ctl_sums_t));
}


int
ctl_sums_copy(ctl_sums_t *to, const ctl_sums_t *from)
{
    memcpy(to->last, from->last, sizeof(to->last));
    to->lines = from->lines;
    to->section_lines = from->section_lines;

    return (EVP_MD_CTX_copy_ex(to->whole, from->whole) == 1
            && EVP_MD_CTX_copy_ex(to->section, from->section) == 1) ? PV_OK : PV_ERROR;
}


int
ctl_sums_next(const ctl_sums_t *sums, char sum[CTL_BACKUP_SUM + 1], pv_str_t content)
{
    pv_str_t       parts[2];
    unsigned char  digest[PV_SHA256_LEN];

    parts[0].data = (const unsigned char *) sums->last;
    parts[0].len = CTL_BACKUP_SUM;
    parts[1] = content;

    if (pv_sha256(digest, parts, 2) != PV_OK) {
        return PV_ERROR;
    }

    pv_hex_encode(sum, digest, CTL_BACKUP_SUM / 2);
    sum[CTL_BACKUP_SUM] = '\0';

    return PV_OK;
}


int
ctl_sums_line(ctl_sums_t *sums, pv_str_t line, const char *sum)
{
    memcpy(sums->last, sum, CTL_BACKUP_SUM);
    sums->lines++;
    sums->section_lines++;

    return (EVP_DigestUpdate(sums->whole, line.data, line.len) == 1
            && EVP_DigestUpdate(sums->section, line.data, line.len) == 1) ? PV_OK : PV_ERROR;
}


int
ctl_sums_section(ctl_sums_t *sums)
{
    sums->section_lines = 0;

    return EVP_DigestInit_ex(sums->section, EVP_sha256(), NULL) == 1 ? PV_OK : PV_ERROR;
}


int
ctl_sums_hex(char hex[CTL_BACKUP_HEX], const EVP_MD_CTX *context)
{
    int             rc;
    EVP_MD_CTX     *copy;
    unsigned char   digest[PV_SHA256_LEN];

    copy = EVP_MD_CTX_new();

    rc = (copy != NULL && EVP_MD_CTX_copy_ex(copy, context) == 1 && EVP_DigestFinal_ex(copy, digest, NULL) == 1)
         ? PV_OK : PV_ERROR;

    EVP_MD_CTX_free(copy);

    if (rc == PV_OK) {
        pv_hex_encode(hex, digest, PV_SHA256_LEN);
        hex[CTL_BACKUP_HEX - 1] = '\0';
    }

    return rc;
}


void
ctl_backup_line(pv_buf_t *line, const char *kind, const char *id)
{
    pv_buf_init(line, CTL_BACKUP_LINE_MAX);
    pv_buf_printf(line, "{\"v\":%d,\"%s\":\"%s\"", CTL_BACKUP_FORMAT, kind, id);
}


void
ctl_backup_bytes(pv_buf_t *line, pv_str_t bytes)
{
    unsigned char  *p;

    pv_buf_puts(line, "\"");

    if (ctl_backup_is_plain(bytes)) {
        pv_buf_str(line, bytes);

    } else {
        pv_buf_puts(line, ctl_backup_encoded);

        p = pv_buf_room(line, pv_base64url_size(bytes.len));
        if (p != NULL) {
            pv_buf_took(line, p + pv_base64url_encode(p, bytes));
        }
    }

    pv_buf_puts(line, "\"");
}


static int
ctl_backup_is_plain(pv_str_t bytes)
{
    size_t  i;

    for (i = 0; i < bytes.len; i++) {
        if (bytes.data[i] < 0x20 || bytes.data[i] > 0x7E || bytes.data[i] == '"' || bytes.data[i] == '\\') {
            return 0;
        }
    }

    return bytes.len < sizeof(ctl_backup_encoded) - 1
           || memcmp(bytes.data, ctl_backup_encoded, sizeof(ctl_backup_encoded) - 1) != 0;
}


int
ctl_backup_put(ctl_backup_out_t *out, pv_buf_t *line)
{
    int   rc;
    char  sum[CTL_BACKUP_SUM + 1];

    rc = ctl_sums_next(&out->sums, sum, (pv_str_t) { line->data, line->len });

    if (rc == PV_OK) {
        pv_buf_printf(line, ",\"sum\":\"%s\"}\n", sum);
        rc = line->failed ? PV_ERROR : ctl_sums_line(&out->sums, (pv_str_t) { line->data, line->len }, sum);
    }

    if (rc != PV_OK) {
        rc = ctl_fail(CTL_WRONG, "out of memory, or an item is too large");

    } else if (fwrite(line->data, 1, line->len, out->file) != line->len) {
        rc = ctl_fail(CTL_WRONG, "%s: %s", out->path, strerror(errno));

    } else {
        out->bytes += line->len;
        rc = CTL_OK;
    }

    pv_buf_free(line);

    return rc;
}
