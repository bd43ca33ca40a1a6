/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <string.h>

#include "pv_gate.h"


/*
 * A trie whose nodes lie flat in one array, breadth first, so that a node's
 * children are neighbours. Which bytes have a child is a bitmap; the child's
 * place is the number of bits below: one step costs the same whether a node
 * has one child or 256.
 *
 * For "*x*" the same trie is searched at every place of the name at once, with
 * the failure links of Aho and Corasick; purposes then hold what ends here or
 * at any shorter end of the same bytes.
 */

#define PV_GATE_NONE  UINT32_MAX

typedef struct {
    uint64_t  present[4];
    uint64_t  purposes;         /* of the rules that end here */
    uint32_t  first_child;
    uint32_t  declaration;      /* PV_GATE_NONE: no rule ends here */
    uint32_t  failure;
    uint32_t  depth;            /* of the rule that `declaration` is of */
    uint8_t   below[4];         /* children in the words of `present` before this one */
} pv_gate_node_t;

typedef struct {
    pv_gate_node_t  *nodes;     /* NULL: no rule of this kind */
    uint32_t         count;
} pv_gate_trie_t;

typedef struct {
    uint64_t  hash;
    uint64_t  purposes;
    uint32_t  name;             /* offset in names */
    uint32_t  len;
    uint32_t  declaration;      /* PV_GATE_NONE: an empty slot */
} pv_gate_slot_t;

struct pv_gate_s {
    pv_gate_slot_t  *slots;     /* open addressing, a power of two, at most half full */
    uint64_t         mask;
    unsigned char   *names;
    pv_gate_trie_t   prefix;    /* "x*" */
    pv_gate_trie_t   suffix;    /* "*x", from the last byte on */
    pv_gate_trie_t   inner;     /* "*x*" */
};

/* A rule taken apart. */
typedef enum { PV_GATE_EXACT, PV_GATE_PREFIX, PV_GATE_SUFFIX, PV_GATE_INNER } pv_gate_kind_t;

typedef struct {
    pv_str_t  text;             /* without the stars */
    uint64_t  purposes;
    uint32_t  declaration;
    unsigned  backwards:1;
} pv_gate_pattern_t;

/* What matched so far, the most exact first. */
typedef struct {
    uint64_t  purposes;
    uint32_t  declaration;
    uint32_t  depth;
} pv_gate_match_t;


static pv_gate_kind_t pv_gate_take_apart(pv_gate_pattern_t *pattern, const pv_gate_rule_t *rule);
static int pv_gate_compile_exact(pv_gate_t *gate, const pv_gate_rule_t *rules, size_t n);
static void pv_gate_put(pv_gate_t *gate, const pv_gate_pattern_t *pattern, uint32_t *names_len);
static int pv_gate_compile_trie(pv_gate_trie_t *trie, pv_gate_kind_t kind, const pv_gate_rule_t *rules,
    size_t n, pv_gate_pattern_t *patterns);
static int pv_gate_build(pv_gate_trie_t *trie, const pv_gate_pattern_t *patterns, size_t n);
static size_t pv_gate_end_here(pv_gate_node_t *node, const pv_gate_pattern_t *patterns, size_t from,
    size_t to, size_t depth);
static void pv_gate_link(pv_gate_trie_t *trie);
static int pv_gate_pattern_cmp(const void *a, const void *b);
static unsigned char pv_gate_byte(const pv_gate_pattern_t *pattern, size_t i);
static uint64_t pv_gate_hash(pv_str_t name);
static inline uint32_t pv_gate_child(const pv_gate_node_t *node, unsigned char ch);
static const pv_gate_slot_t *pv_gate_find(const pv_gate_t *gate, pv_str_t name);
static inline void pv_gate_matched(pv_gate_match_t *match, const pv_gate_node_t *node);
static void pv_gate_wildcards(const pv_gate_t *gate, pv_str_t name, pv_gate_match_t *match);


int
pv_gate_compile(pv_gate_t **out, const pv_gate_rule_t *rules, size_t n)
{
    int                 rc;
    pv_gate_t          *gate;
    pv_gate_pattern_t  *patterns;

    *out = NULL;

    gate = calloc(1, sizeof(pv_gate_t));
    patterns = malloc((n + 1) * sizeof(pv_gate_pattern_t));

    if (gate == NULL || patterns == NULL) {
        free(gate);
        free(patterns);
        return PV_ERROR;
    }

    rc = pv_gate_compile_exact(gate, rules, n);

    if (rc == PV_OK) {
        rc = pv_gate_compile_trie(&gate->prefix, PV_GATE_PREFIX, rules, n, patterns);
    }

    if (rc == PV_OK) {
        rc = pv_gate_compile_trie(&gate->suffix, PV_GATE_SUFFIX, rules, n, patterns);
    }

    if (rc == PV_OK) {
        rc = pv_gate_compile_trie(&gate->inner, PV_GATE_INNER, rules, n, patterns);
    }

    free(patterns);

    if (rc != PV_OK) {
        pv_gate_free(gate);
        return rc;
    }

    if (gate->inner.nodes != NULL) {
        pv_gate_link(&gate->inner);
    }

    *out = gate;

    return PV_OK;
}


void
pv_gate_free(pv_gate_t *gate)
{
    if (gate == NULL) {
        return;
    }

    free(gate->slots);
    free(gate->names);
    free(gate->prefix.nodes);
    free(gate->suffix.nodes);
    free(gate->inner.nodes);
    free(gate);
}


uint64_t
pv_gate_purposes(const pv_gate_t *gate, pv_str_t name)
{
    pv_gate_match_t        match;
    const pv_gate_slot_t  *slot;

    slot = pv_gate_find(gate, name);

    match.purposes = slot != NULL ? slot->purposes : 0;
    match.declaration = PV_GATE_NONE;
    match.depth = 0;

    pv_gate_wildcards(gate, name, &match);

    return match.purposes;
}


long
pv_gate_declaration(const pv_gate_t *gate, pv_str_t name)
{
    pv_gate_match_t        match;
    const pv_gate_slot_t  *slot;

    slot = pv_gate_find(gate, name);

    if (slot != NULL) {
        return (long) slot->declaration;
    }

    match.purposes = 0;
    match.declaration = PV_GATE_NONE;
    match.depth = 0;

    pv_gate_wildcards(gate, name, &match);

    return match.declaration == PV_GATE_NONE ? -1 : (long) match.declaration;
}


/* A lone "*" is a prefix of no bytes, "**" something of no bytes inside: both match every name. */
static pv_gate_kind_t
pv_gate_take_apart(pv_gate_pattern_t *pattern, const pv_gate_rule_t *rule)
{
    unsigned  before, after;

    pattern->text = rule->name;
    pattern->purposes = rule->purposes;
    pattern->declaration = rule->declaration;
    pattern->backwards = 0;

    after = (rule->name.len != 0 && rule->name.data[rule->name.len - 1] == '*');
    before = (rule->name.len > 1 && rule->name.data[0] == '*');

    pattern->text.len -= after + before;
    pattern->text.data += before;

    if (before && after) {
        return PV_GATE_INNER;
    }

    if (before) {
        pattern->backwards = 1;
        return PV_GATE_SUFFIX;
    }

    return after ? PV_GATE_PREFIX : PV_GATE_EXACT;
}


static int
pv_gate_compile_exact(pv_gate_t *gate, const pv_gate_rule_t *rules, size_t n)
{
    size_t             i, exact, bytes;
    uint32_t           names_len;
    uint64_t           slots;
    pv_gate_pattern_t  pattern;

    exact = 0;
    bytes = 0;

    for (i = 0; i < n; i++) {
        if (pv_gate_take_apart(&pattern, &rules[i]) == PV_GATE_EXACT) {
            exact++;
            bytes += pattern.text.len;
        }
    }

    if (bytes > UINT32_MAX / 2 || exact > UINT32_MAX / 8) {
        return PV_INVALID;
    }

    for (slots = 4; slots < exact * 4; slots *= 2) { /* void */ }

    gate->slots = malloc(slots * sizeof(pv_gate_slot_t));
    gate->names = malloc(bytes + 1);
    gate->mask = slots - 1;

    if (gate->slots == NULL || gate->names == NULL) {
        return PV_ERROR;
    }

    for (i = 0; i < slots; i++) {
        gate->slots[i].declaration = PV_GATE_NONE;
        gate->slots[i].hash = 0;
    }

    names_len = 0;

    for (i = 0; i < n; i++) {
        if (pv_gate_take_apart(&pattern, &rules[i]) == PV_GATE_EXACT) {
            pv_gate_put(gate, &pattern, &names_len);
        }
    }

    return PV_OK;
}


static void
pv_gate_put(pv_gate_t *gate, const pv_gate_pattern_t *pattern, uint32_t *names_len)
{
    uint64_t         hash, i;
    pv_gate_slot_t  *slot;

    slot = (pv_gate_slot_t *) pv_gate_find(gate, pattern->text);

    if (slot != NULL) {
        slot->purposes |= pattern->purposes;

        if (pattern->declaration < slot->declaration) {
            slot->declaration = pattern->declaration;
        }

        return;
    }

    hash = pv_gate_hash(pattern->text);

    for (i = hash & gate->mask; gate->slots[i].declaration != PV_GATE_NONE; i = (i + 1) & gate->mask) {
        /* void */
    }

    slot = &gate->slots[i];
    slot->hash = hash;
    slot->purposes = pattern->purposes;
    slot->declaration = pattern->declaration;
    slot->name = *names_len;
    slot->len = (uint32_t) pattern->text.len;

    if (slot->len != 0) {
        memcpy(gate->names + *names_len, pattern->text.data, slot->len);
        *names_len += slot->len;
    }
}


static int
pv_gate_compile_trie(pv_gate_trie_t *trie, pv_gate_kind_t kind, const pv_gate_rule_t *rules, size_t n,
    pv_gate_pattern_t *patterns)
{
    size_t  i, count;

    count = 0;

    for (i = 0; i < n; i++) {
        if (pv_gate_take_apart(&patterns[count], &rules[i]) == kind) {
            count++;
        }
    }

    if (count == 0) {
        return PV_OK;
    }

    qsort(patterns, count, sizeof(pv_gate_pattern_t), pv_gate_pattern_cmp);

    return pv_gate_build(trie, patterns, count);
}


/*
 * The patterns are sorted: those below one node are neighbours, and each
 * node's run of them is cut into its children's runs.
 */
static int
pv_gate_build(pv_gate_trie_t *trie, const pv_gate_pattern_t *patterns, size_t n)
{
    size_t           i, total, from, to, depth;
    uint32_t         next, count;
    unsigned char    ch;
    pv_gate_node_t  *node;

    typedef struct { uint32_t from, to, depth; } run_t;
    run_t           *runs;

    total = 1;

    for (i = 0; i < n; i++) {
        total += patterns[i].text.len;
    }

    if (total > UINT32_MAX / 2 || n > UINT32_MAX / 2) {
        return PV_INVALID;
    }

    trie->nodes = calloc(total, sizeof(pv_gate_node_t));
    runs = malloc(total * sizeof(run_t));

    if (trie->nodes == NULL || runs == NULL) {
        free(runs);
        return PV_ERROR;
    }

    runs[0] = (run_t) { 0, (uint32_t) n, 0 };
    count = 1;

    for (next = 0; next < count; next++) {
        node = &trie->nodes[next];
        depth = runs[next].depth;
        to = runs[next].to;
        from = pv_gate_end_here(node, patterns, runs[next].from, to, depth);

        node->first_child = count;

        while (from < to) {
            ch = pv_gate_byte(&patterns[from], depth);

            for (i = from; i < to && pv_gate_byte(&patterns[i], depth) == ch; i++) { /* void */ }

            node->present[ch >> 6] |= (uint64_t) 1 << (ch & 63);
            runs[count++] = (run_t) { (uint32_t) from, (uint32_t) i, (uint32_t) depth + 1 };
            from = i;
        }

        for (i = 1; i < 4; i++) {
            node->below[i] = (uint8_t) (node->below[i - 1] + __builtin_popcountll(node->present[i - 1]));
        }
    }

    trie->count = count;
    free(runs);

    return PV_OK;
}


/* The patterns that end at this node stand first in its run; returns where those that go on begin. */
static size_t
pv_gate_end_here(pv_gate_node_t *node, const pv_gate_pattern_t *patterns, size_t from, size_t to,
    size_t depth)
{
    node->declaration = PV_GATE_NONE;
    node->depth = (uint32_t) depth;

    for ( /* void */ ; from < to && patterns[from].text.len == depth; from++) {
        node->purposes |= patterns[from].purposes;

        if (patterns[from].declaration < node->declaration) {
            node->declaration = patterns[from].declaration;
        }
    }

    return from;
}


/*
 * Failure links, breadth first: a node's is the longest shorter end of its
 * bytes that is in the trie too. What ends there ends here as well.
 */
static void
pv_gate_link(pv_gate_trie_t *trie)
{
    uint32_t         i, child, from, target;
    unsigned         ch;
    pv_gate_node_t  *node, *failure;

    for (i = 0; i < trie->count; i++) {
        node = &trie->nodes[i];

        if (i != 0) {
            failure = &trie->nodes[node->failure];
            node->purposes |= failure->purposes;

            if (node->declaration == PV_GATE_NONE) {
                node->declaration = failure->declaration;
                node->depth = failure->depth;
            }
        }

        for (ch = 0; ch < 256; ch++) {
            child = pv_gate_child(node, (unsigned char) ch);

            if (child == PV_GATE_NONE) {
                continue;
            }

            target = PV_GATE_NONE;

            for (from = i; from != 0 && target == PV_GATE_NONE; /* void */ ) {
                from = trie->nodes[from].failure;
                target = pv_gate_child(&trie->nodes[from], (unsigned char) ch);
            }

            trie->nodes[child].failure = target == PV_GATE_NONE ? 0 : target;
        }
    }
}


static int
pv_gate_pattern_cmp(const void *a, const void *b)
{
    size_t                    i;
    int                       diff;
    const pv_gate_pattern_t  *one, *two;

    one = a;
    two = b;

    for (i = 0; i < one->text.len && i < two->text.len; i++) {
        diff = (int) pv_gate_byte(one, i) - (int) pv_gate_byte(two, i);

        if (diff != 0) {
            return diff;
        }
    }

    return (one->text.len > two->text.len) - (one->text.len < two->text.len);
}


static unsigned char
pv_gate_byte(const pv_gate_pattern_t *pattern, size_t i)
{
    return pattern->backwards ? pattern->text.data[pattern->text.len - 1 - i] : pattern->text.data[i];
}


/* One to seven bytes, without a call: both halves overlap. */
static inline uint64_t
pv_gate_short_word(pv_str_t name)
{
    uint32_t  first, last;

    if (name.len >= 4) {
        memcpy(&first, name.data, 4);
        memcpy(&last, name.data + name.len - 4, 4);

    } else {
        first = name.data[0];
        last = (uint32_t) name.data[name.len / 2] << 8 | name.data[name.len - 1];
    }

    return (uint64_t) first << 32 | last;
}


/*
 * Eight bytes a step. Declared names come from the publisher, so that nobody
 * can make the table's chains long from outside; it needs no secret.
 */
static uint64_t
pv_gate_hash(pv_str_t name)
{
    size_t    i;
    uint64_t  hash, word;

    hash = name.len * 0x9E3779B97F4A7C15u;

    for (i = 0; i < name.len; i += 8) {

        if (name.len - i >= 8) {
            memcpy(&word, name.data + i, 8);

        } else if (name.len >= 8) {
            memcpy(&word, name.data + name.len - 8, 8);     /* some bytes of it again */

        } else {
            word = pv_gate_short_word(name);
        }

        hash = (hash ^ word) * 0xFF51AFD7ED558CCDu;
        hash ^= hash >> 32;
    }

    return hash;
}


static inline uint32_t
pv_gate_child(const pv_gate_node_t *node, unsigned char ch)
{
    uint64_t  bit, word;

    word = node->present[ch >> 6];
    bit = (uint64_t) 1 << (ch & 63);

    if ((word & bit) == 0) {
        return PV_GATE_NONE;
    }

    return node->first_child + node->below[ch >> 6] + (uint32_t) __builtin_popcountll(word & (bit - 1));
}


static const pv_gate_slot_t *
pv_gate_find(const pv_gate_t *gate, pv_str_t name)
{
    uint64_t               hash, i;
    const pv_gate_slot_t  *slot;

    hash = pv_gate_hash(name);

    for (i = hash & gate->mask; /* void */ ; i = (i + 1) & gate->mask) {
        slot = &gate->slots[i];

        if (slot->declaration == PV_GATE_NONE) {
            return NULL;
        }

        if (slot->hash == hash && slot->len == name.len
            && (name.len == 0 || memcmp(gate->names + slot->name, name.data, name.len) == 0))
        {
            return slot;
        }
    }
}


/* The longest literal is the most exact; of equally long ones the first that is asked. */
static inline void
pv_gate_matched(pv_gate_match_t *match, const pv_gate_node_t *node)
{
    match->purposes |= node->purposes;

    if (node->declaration != PV_GATE_NONE
        && (match->declaration == PV_GATE_NONE || node->depth > match->depth))
    {
        match->declaration = node->declaration;
        match->depth = node->depth;
    }
}


static void
pv_gate_wildcards(const pv_gate_t *gate, pv_str_t name, pv_gate_match_t *match)
{
    size_t                 i;
    uint32_t               at, child;
    const pv_gate_node_t  *nodes;

    nodes = gate->prefix.nodes;

    if (nodes != NULL) {
        pv_gate_matched(match, &nodes[0]);

        for (at = 0, i = 0; i < name.len; i++) {
            at = pv_gate_child(&nodes[at], name.data[i]);
            if (at == PV_GATE_NONE) {
                break;
            }

            pv_gate_matched(match, &nodes[at]);
        }
    }

    nodes = gate->suffix.nodes;

    if (nodes != NULL) {
        pv_gate_matched(match, &nodes[0]);

        for (at = 0, i = name.len; i > 0; i--) {
            at = pv_gate_child(&nodes[at], name.data[i - 1]);
            if (at == PV_GATE_NONE) {
                break;
            }

            pv_gate_matched(match, &nodes[at]);
        }
    }

    nodes = gate->inner.nodes;

    if (nodes != NULL) {
        pv_gate_matched(match, &nodes[0]);

        for (at = 0, i = 0; i < name.len; i++) {
            while ((child = pv_gate_child(&nodes[at], name.data[i])) == PV_GATE_NONE && at != 0) {
                at = nodes[at].failure;
            }

            at = child == PV_GATE_NONE ? 0 : child;
            pv_gate_matched(match, &nodes[at]);
        }
    }
}
