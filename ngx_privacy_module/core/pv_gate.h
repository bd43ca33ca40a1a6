/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef PV_GATE_H
#define PV_GATE_H

/*
 * The gate: which purposes cover a cookie name. Compiled once a version: exact
 * names in a hash, wildcards ('*' at either end) in tries; the cost of a
 * look-up depends on the name, not on how much is declared.
 * Names are case-sensitive, compared as bytes (RFC 6265).
 */

#include "pv_bytes.h"

typedef struct pv_gate_s  pv_gate_t;

typedef struct {
    pv_str_t  name;             /* '*' at either end, or both; borrowed until compiled, then copied */
    uint64_t  purposes;         /* the bits that this declaration covers */
    uint32_t  declaration;      /* the caller's index, handed back by pv_gate_declaration() */
} pv_gate_rule_t;

int pv_gate_compile(pv_gate_t **gate, const pv_gate_rule_t *rules, size_t n);
void pv_gate_free(pv_gate_t *gate);

/* The purposes that cover the name, all rules that match taken together; 0: undeclared. */
uint64_t pv_gate_purposes(const pv_gate_t *gate, pv_str_t name);
/* The declaration of the most exact rule that matches, or -1. For Domain and Path when expiring. */
long pv_gate_declaration(const pv_gate_t *gate, pv_str_t name);

#endif /* PV_GATE_H */
