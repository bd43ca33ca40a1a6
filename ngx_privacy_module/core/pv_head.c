/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* Heads of sealed entries: the frame, the signature, and where the bodies are. */

#include <string.h>

#include "pv_head.h"


static const char *const  pv_entry_kinds[] = { "", "version", "withdrawal", "key" };


const char *
pv_entry_kind_name(pv_entry_kind_t kind)
{
    return pv_entry_kinds[kind <= PV_ENTRY_KEY ? kind : 0];
}


pv_entry_kind_t
pv_entry_kind(pv_str_t name)
{
    unsigned  kind;

    for (kind = PV_ENTRY_VERSION; kind <= PV_ENTRY_KEY; kind++) {
        if (pv_str_eqs(name, pv_entry_kinds[kind])) {
            return kind;
        }
    }

    return 0;
}


int
pv_site_valid(pv_str_t site)
{
    size_t         i;
    unsigned char  c;

    for (i = 0; i < site.len; i++) {
        c = site.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
              || c == '.' || c == '_' || c == '-'))
        {
            return 0;
        }
    }

    return site.len >= 1 && site.len <= PV_SITE_MAX;
}


int
pv_sealed_split(pv_str_t sealed, pv_str_t *signature, pv_str_t *head, pv_str_t *bodies, size_t *need)
{
    int  rc;

    if (sealed.len > PV_SEALED_MAX) {
        return PV_INVALID;
    }

    rc = pv_signed_split(sealed, PV_SEALED_MAGIC, PV_HEAD_MAX, signature, head, bodies);

    if (rc == PV_SHORT && need != NULL) {
        *need = sealed.len < PV_HEAD_PREFIX ? PV_HEAD_PREFIX : PV_HEAD_PREFIX_MAX;
    }

    return rc;
}


int
pv_head_verify(pv_str_t prefix, pv_str_t site, const unsigned char pub[PV_ED25519_PUBLIC])
{
    if (!pv_site_valid(site) || prefix.len > PV_SEALED_MAX) {
        return PV_INVALID;
    }

    return pv_signed_verify(prefix, PV_SEALED_MAGIC, PV_HEAD_MAX, site, pub);
}


const pv_part_t *
pv_head_part(const pv_head_t *head, pv_body_t body, size_t language)
{
    switch (body) {

    case PV_BODY_MARKDOWN:
        return &head->texts[language].markdown;

    case PV_BODY_HTML:
        return &head->texts[language].html;

    case PV_BODY_DECLARED:
        break;
    }

    return &head->declared;
}


size_t
pv_head_offset(const pv_head_t *head, pv_body_t body, size_t language)
{
    size_t  i, at;

    at = head->bodies;

    if (body == PV_BODY_DECLARED) {
        return at;
    }

    at += head->declared.size;

    for (i = 0; i < language; i++) {
        at += (size_t) head->texts[i].markdown.size + head->texts[i].html.size;
    }

    return body == PV_BODY_HTML ? at + head->texts[language].markdown.size : at;
}


int
pv_head_body_verify(const pv_head_t *head, pv_body_t body, size_t language, pv_str_t bytes)
{
    const pv_part_t  *part;
    unsigned char     digest[PV_SHA256_LEN];

    part = pv_head_part(head, body, language);

    if (bytes.len != part->size) {
        return PV_INVALID;
    }

    if (pv_sha256(digest, &bytes, 1) != PV_OK) {
        return PV_ERROR;
    }

    return memcmp(digest, part->digest, PV_SHA256_LEN) == 0 ? PV_OK : PV_INVALID;
}


int
pv_head_body(pv_str_t *out, const pv_head_t *head, pv_str_t sealed, pv_body_t body, size_t language)
{
    if (head->kind != PV_ENTRY_VERSION || sealed.len != head->size
        || (body != PV_BODY_DECLARED && language >= head->texts_count))
    {
        return PV_INVALID;
    }

    out->data = sealed.data + pv_head_offset(head, body, language);
    out->len = pv_head_part(head, body, language)->size;

    return pv_head_body_verify(head, body, language, *out);
}
