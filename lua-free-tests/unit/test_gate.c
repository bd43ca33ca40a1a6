/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pv_gate.h"


#define RULES_MAX  64

static uint64_t  seed = 88172645463325252u;


static unsigned
any(unsigned below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;

    return (unsigned) ((seed >> 16) % below);
}


static pv_str_t
text(const char *s)
{
    return (pv_str_t) { (const unsigned char *) s, strlen(s) };
}


/*
 * The model: every rule tried in turn. Returns the length of the literal, or
 * -1; exact ones count as longest. at: where in the name it was found first.
 */
static long
model_match(pv_str_t rule, pv_str_t name, unsigned *kind, size_t *at)
{
    int     before, after;
    size_t  i;

    after = rule.len > 0 && rule.data[rule.len - 1] == '*';
    before = rule.len > 1 && rule.data[0] == '*';
    rule.data += before;
    rule.len -= (size_t) before + (size_t) after;
    *kind = (unsigned) (before ? (after ? 3 : 2) : (after ? 1 : 0));

    for (i = 0; i + rule.len <= name.len; i++) {
        if ((!before && i != 0) || (!after && i + rule.len != name.len)) {
            continue;
        }

        if (rule.len == 0 || memcmp(name.data + i, rule.data, rule.len) == 0) {
            *at = *kind == 3 ? i : 0;
            return *kind == 0 ? 100000 : (long) rule.len;
        }
    }

    return -1;
}


static void
model(const pv_gate_rule_t *rules, size_t n, pv_str_t name, uint64_t *purposes, long *declaration)
{
    long      match, best;
    size_t    i, at, best_at;
    unsigned  kind, best_kind;

    best = -1;
    best_at = 0;
    best_kind = 0;
    *purposes = 0;
    *declaration = -1;

    for (i = 0; i < n; i++) {
        match = model_match(rules[i].name, name, &kind, &at);

        if (match < 0) {
            continue;
        }

        *purposes |= rules[i].purposes;

        if (match > best
            || (match == best && kind < best_kind)
            || (match == best && kind == best_kind && at < best_at)
            || (match == best && kind == best_kind && at == best_at
                && (long) rules[i].declaration < *declaration))
        {
            best = match;
            best_at = at;
            best_kind = kind;
            *declaration = (long) rules[i].declaration;
        }
    }
}


static void
test_plain(void **state)
{
    pv_gate_t             *gate;
    const pv_gate_rule_t   rules[] = {
        { pv_string("sessionid"), 1, 0 },
        { pv_string("_ga"), 2, 1 },
        { pv_string("_ga_*"), 4, 2 },
        { pv_string("*_track"), 8, 3 },
        { pv_string("*pix*"), 16, 4 },
        { pv_string("_ga_X*"), 32, 5 },
    };

    (void) state;

    assert_int_equal(pv_gate_compile(&gate, rules, 6), PV_OK);

    assert_int_equal(pv_gate_purposes(gate, text("sessionid")), 1);
    assert_int_equal(pv_gate_purposes(gate, text("SessionId")), 0);
    assert_int_equal(pv_gate_purposes(gate, text("sessionid2")), 0);
    assert_int_equal(pv_gate_purposes(gate, text("_ga")), 2);
    assert_int_equal(pv_gate_purposes(gate, text("_ga_")), 4);
    assert_int_equal(pv_gate_purposes(gate, text("_ga_X1")), 4 | 32);
    assert_int_equal(pv_gate_purposes(gate, text("_track")), 8);
    assert_int_equal(pv_gate_purposes(gate, text("_ga_pix_track")), 4 | 8 | 16);
    assert_int_equal(pv_gate_purposes(gate, text("")), 0);

    assert_int_equal(pv_gate_declaration(gate, text("_ga_X1")), 5);
    assert_int_equal(pv_gate_declaration(gate, text("_ga_pix")), 2);
    assert_int_equal(pv_gate_declaration(gate, text("pixel")), 4);
    assert_int_equal(pv_gate_declaration(gate, text("none")), -1);

    pv_gate_free(gate);
}


static void
test_empty_and_all(void **state)
{
    pv_gate_t       *gate;
    pv_gate_rule_t   rule = { pv_string("*"), 1, 7 };

    (void) state;

    assert_int_equal(pv_gate_compile(&gate, NULL, 0), PV_OK);
    assert_int_equal(pv_gate_purposes(gate, text("a")), 0);
    assert_int_equal(pv_gate_declaration(gate, text("")), -1);
    pv_gate_free(gate);

    assert_int_equal(pv_gate_compile(&gate, &rule, 1), PV_OK);
    assert_int_equal(pv_gate_purposes(gate, text("a")), 1);
    assert_int_equal(pv_gate_purposes(gate, text("")), 1);
    assert_int_equal(pv_gate_declaration(gate, text("x")), 7);
    pv_gate_free(gate);

    pv_gate_free(NULL);
}


static size_t
random_text(char *out, unsigned letters, unsigned longest)
{
    size_t  i, n;

    n = any(longest + 1);

    for (i = 0; i < n; i++) {
        out[i] = (char) (any(20) == 0 ? (int) any(256) : 'a' + (int) any(letters));
    }

    return n;
}


/* Few letters, so that names and rules share beginnings, ends and middles. */
static void
test_against_model(void **state)
{
    char             names[RULES_MAX][16], name[16];
    long             declaration;
    size_t           i, n, len;
    uint64_t         purposes;
    unsigned         round, look, letters;
    pv_gate_t       *gate;
    pv_gate_rule_t   rules[RULES_MAX];

    (void) state;

    for (round = 0; round < 3000; round++) {
        n = any(RULES_MAX);
        letters = 1 + any(4);

        for (i = 0; i < n; i++) {
            len = 0;

            if (any(2)) {
                names[i][len++] = '*';
            }

            len += random_text(names[i] + len, letters, 6);

            if (any(2)) {
                names[i][len++] = '*';
            }

            rules[i].name = (pv_str_t) { (unsigned char *) names[i], len };
            rules[i].purposes = (uint64_t) 1 << any(64);
            rules[i].declaration = any(1000);
        }

        assert_int_equal(pv_gate_compile(&gate, rules, n), PV_OK);

        for (look = 0; look < 60; look++) {
            len = random_text(name, letters, 10);
            model(rules, n, (pv_str_t) { (unsigned char *) name, len }, &purposes, &declaration);

            assert_true(pv_gate_purposes(gate, (pv_str_t) { (unsigned char *) name, len }) == purposes);
            assert_int_equal(pv_gate_declaration(gate, (pv_str_t) { (unsigned char *) name, len }),
                declaration);
        }

        for (i = 0; i < n; i++) {
            model(rules, n, rules[i].name, &purposes, &declaration);
            assert_true(pv_gate_purposes(gate, rules[i].name) == purposes);
        }

        pv_gate_free(gate);
    }
}


static void
test_many(void **state)
{
    char             name[32];
    size_t           i;
    pv_gate_t       *gate;
    pv_gate_rule_t  *rules;

    enum { N = 20000 };

    (void) state;

    rules = calloc(N, sizeof(pv_gate_rule_t));

    for (i = 0; i < N; i++) {
        char  *copy = malloc(32);

        snprintf(copy, 32, i % 2 ? "cookie_%zu" : "wild_%zu_*", i);
        rules[i].name = text(copy);
        rules[i].purposes = i + 1;
        rules[i].declaration = (uint32_t) i;
    }

    assert_int_equal(pv_gate_compile(&gate, rules, N), PV_OK);

    for (i = 0; i < N; i++) {
        free((void *) rules[i].name.data);
    }

    free(rules);

    for (i = 0; i < N; i++) {
        snprintf(name, sizeof(name), i % 2 ? "cookie_%zu" : "wild_%zu_x", i);
        assert_int_equal(pv_gate_purposes(gate, text(name)), i + 1);
        assert_int_equal(pv_gate_declaration(gate, text(name)), i);
    }

    assert_int_equal(pv_gate_purposes(gate, text("cookie_2")), 0);
    assert_int_equal(pv_gate_purposes(gate, text("wild_1_x")), 0);
    pv_gate_free(gate);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_empty_and_all),
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
