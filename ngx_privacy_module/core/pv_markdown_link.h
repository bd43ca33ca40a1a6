/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_MARKDOWN_LINK_H
#define PV_MARKDOWN_LINK_H

/* Where the links of a text lead. For the sources that read Markdown; nobody else includes it. */

#include <md4c.h>

#include "pv_bytes.h"

/* The target. PV_INVALID where it has an entity that we do not know: what a browser makes of it cannot be judged. */
int pv_attribute_decode(pv_buf_t *out, const MD_ATTRIBUTE *attribute);
int pv_entity_decode(uint32_t *code_point, pv_str_t entity);
/* 1 for http, https, mailto, tel and within the site; elsewhere: it leaves the site. */
int pv_link_allowed(pv_str_t link, int *elsewhere);
void pv_link_escape(pv_buf_t *out, pv_str_t link);

#endif /* PV_MARKDOWN_LINK_H */
