/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define PV_SCAN_X86  1
#endif

#include "pv_html_token.h"


/*
 * Most of a page is text and ordinary tags. Sixty-four bytes at a time are
 * looked at as sets of bits, one bit a byte: where are the '<', the quotes ...
 * All tags that are complete within such a block and of the usual form are
 * recognised together, with some tens of operations on words and no branch;
 * what is not of that form is found at its first odd byte. A block begins
 * anywhere in text: one that ends inside a tag is followed by one that begins
 * with that tag, so that nothing is carried over.
 */

#define PV_SCAN_BLOCK  64

/* Bit i of each is byte i of the block. */
typedef struct {
    uint64_t  less;             /* < */
    uint64_t  greater;          /* > */
    uint64_t  equals;           /* = */
    uint64_t  double_quote;
    uint64_t  single_quote;
    uint64_t  slash;
    uint64_t  space;            /* what HTML calls white space */
    uint64_t  mark;             /* the p of "-p", as in data-privacy */
} pv_scan_block_t;

/* A value in quotes, or all that is between two kinds of bytes. */
typedef struct {
    uint64_t  inside;           /* from what opens it up to the byte before what closes it */
    uint64_t  difference;       /* where it opens: set unless it was open; where it closes: clear if it was */
} pv_scan_span_t;

typedef const unsigned char *(*pv_scan_pt)(const unsigned char *pos, const unsigned char *end,
    unsigned care);


static const unsigned char *pv_scan_portable(const unsigned char *pos, const unsigned char *end,
    unsigned care);
static const unsigned char *pv_scan_tag(const unsigned char *tag, const unsigned char *end, unsigned care);


/*
 * Start tags that need care are told by their first two letters: those in a
 * group of the first with those in the same group of the second. Now and then
 * others are among them.
 */
#define PV_GROUP_NO_TAG        0x0001   /* any other than a letter or '/' */
#define PV_GROUP_NO_END_TAG    0x0002   /* '/' with any other than a letter */
#define PV_GROUP_END           0x0004   /* </body </html */
#define PV_GROUP_SCRIPT        0x0008   /* script style svg */
#define PV_GROUP_TITLE         0x0010   /* title textarea template */
#define PV_GROUP_XMP           0x0020   /* xmp math */
#define PV_GROUP_IFRAME        0x0040   /* iframe plaintext */
#define PV_GROUP_NOSCRIPT      0x0080   /* noscript noembed noframes */
#define PV_GROUP_IMAGE         0x0100   /* img image embed */
#define PV_GROUP_OBJECT        0x0200
#define PV_GROUP_LINK          0x0400   /* link video */
#define PV_GROUP_AUDIO         0x0800
#define PV_GROUP_SOURCE        0x1000

#define PV_CARE_ALWAYS   (PV_GROUP_NO_TAG|PV_GROUP_NO_END_TAG|PV_GROUP_SCRIPT|PV_GROUP_TITLE|PV_GROUP_XMP              \
                          |PV_GROUP_IFRAME|PV_GROUP_NOSCRIPT)
#define PV_CARE_SOURCES  (PV_GROUP_IMAGE|PV_GROUP_OBJECT|PV_GROUP_LINK|PV_GROUP_AUDIO|PV_GROUP_SOURCE)
#define PV_CARE_MARK     0x8000         /* not of a tag's name: of its attributes */

#define pv_both(lower, groups)  [lower] = (groups), [(lower) - 32] = (groups)

static const uint16_t  pv_scan_first[256] = {
    [0 ... '/' - 1] = PV_GROUP_NO_TAG,
    ['/'] = PV_GROUP_NO_END_TAG|PV_GROUP_END,
    ['/' + 1 ... 'A' - 1] = PV_GROUP_NO_TAG,
    pv_both('a', PV_GROUP_AUDIO),
    pv_both('e', PV_GROUP_IMAGE),
    pv_both('i', PV_GROUP_IFRAME|PV_GROUP_IMAGE),
    pv_both('l', PV_GROUP_LINK),
    pv_both('m', PV_GROUP_XMP),
    pv_both('n', PV_GROUP_NOSCRIPT),
    pv_both('o', PV_GROUP_OBJECT),
    pv_both('p', PV_GROUP_IFRAME),
    pv_both('s', PV_GROUP_SCRIPT|PV_GROUP_SOURCE),
    pv_both('t', PV_GROUP_TITLE),
    pv_both('v', PV_GROUP_LINK),
    pv_both('x', PV_GROUP_XMP),
    ['Z' + 1 ... 'a' - 1] = PV_GROUP_NO_TAG,
    ['z' + 1 ... 255] = PV_GROUP_NO_TAG
};

#define PV_LETTER  PV_GROUP_NO_TAG
#define PV_OTHER   (PV_GROUP_NO_TAG|PV_GROUP_NO_END_TAG)

static const uint16_t  pv_scan_second[256] = {
    [0 ... 'A' - 1] = PV_OTHER,
    pv_both('a', PV_LETTER|PV_GROUP_XMP),
    pv_both('b', PV_LETTER|PV_GROUP_END|PV_GROUP_OBJECT),
    pv_both('c', PV_LETTER|PV_GROUP_SCRIPT),
    pv_both('d', PV_LETTER),
    pv_both('e', PV_LETTER|PV_GROUP_TITLE),
    pv_both('f', PV_LETTER|PV_GROUP_IFRAME),
    pv_both('g', PV_LETTER),
    pv_both('h', PV_LETTER|PV_GROUP_END),
    pv_both('i', PV_LETTER|PV_GROUP_TITLE|PV_GROUP_LINK),
    pv_both('j', PV_LETTER),
    pv_both('k', PV_LETTER),
    pv_both('l', PV_LETTER|PV_GROUP_IFRAME),
    pv_both('m', PV_LETTER|PV_GROUP_XMP|PV_GROUP_IMAGE),
    pv_both('n', PV_LETTER),
    pv_both('o', PV_LETTER|PV_GROUP_NOSCRIPT|PV_GROUP_SOURCE),
    pv_both('p', PV_LETTER),
    pv_both('q', PV_LETTER),
    pv_both('r', PV_LETTER),
    pv_both('s', PV_LETTER),
    pv_both('t', PV_LETTER|PV_GROUP_SCRIPT),
    pv_both('u', PV_LETTER|PV_GROUP_AUDIO),
    pv_both('v', PV_LETTER|PV_GROUP_SCRIPT),
    pv_both('w', PV_LETTER),
    pv_both('x', PV_LETTER),
    pv_both('y', PV_LETTER),
    pv_both('z', PV_LETTER),
    ['Z' + 1 ... 'a' - 1] = PV_OTHER,
    ['z' + 1 ... 255] = PV_OTHER
};

#define pv_scan_groups(tag)  ((unsigned) pv_scan_first[(tag)[1]] & pv_scan_second[(tag)[2]])

static pv_scan_pt  pv_scan_how;

int  pv_html_exact;


const unsigned char *
pv_html_scan(const unsigned char *pos, const unsigned char *end, unsigned want)
{
    unsigned              care;
    const unsigned char  *stop;

    if (pv_html_exact) {
        stop = memchr(pos, '<', (size_t) (end - pos));
        return stop != NULL ? stop : end;
    }

    if (pv_scan_how == NULL) {
        pv_html_scan_use(NULL);
    }

    care = PV_CARE_ALWAYS;
    care |= (want & PV_HTML_WANT_END) ? PV_GROUP_END : 0;
    care |= (want & PV_HTML_WANT_SOURCES) ? PV_CARE_SOURCES : 0;
    care |= (want & PV_HTML_WANT_MARKED) ? PV_CARE_MARK : 0;

    return pv_scan_how(pos, end, care);
}


/* Tag by tag: for what is left of a piece, and where there are no blocks. */
static const unsigned char *
pv_scan_portable(const unsigned char *pos, const unsigned char *end, unsigned care)
{
    const unsigned char  *tag;

    for ( ;; ) {
        tag = memchr(pos, '<', (size_t) (end - pos));

        if (tag == NULL) {
            return end;
        }

        pos = pv_scan_tag(tag, end, care);

        if (pos == NULL) {
            return tag;
        }
    }
}


/* Returns where the tag is over, or NULL when it needs care: also when it is not over before end. */
static __attribute__((noinline)) const unsigned char *
pv_scan_tag(const unsigned char *tag, const unsigned char *end, unsigned care)
{
    unsigned              found;
    const unsigned char  *p;

    if (end - tag < 4 || (pv_scan_groups(tag) & care) != 0) {
        return NULL;
    }

    for (p = tag + 2; p != end && !(pv_html_ends_name[*p] & 3); p++) { /* void */ }

    p = pv_html_skip_attributes(p, end, &found);

    if ((found & PV_SKIPPED_MARK) && (care & PV_CARE_MARK)) {
        return NULL;
    }

    return p;
}


#if (PV_SCAN_X86)

/*
 * What a subtraction does from the lowest bit up: a bit of `open` borrows until
 * the next bit of `close`. No bit is in both.
 */
static inline pv_scan_span_t
pv_scan_span(uint64_t open, uint64_t close)
{
    pv_scan_span_t  span;

    span.difference = close - open;
    span.inside = span.difference & ~close;

    return span;
}


/*
 * Where the block is not of the usual form. All that is said here of a bit
 * depends on the bits below it, and is true as long as none of them is odd:
 *
 *   a value in quotes opens right behind a '='; it may not hold a '=' with the
 *   same quote behind it, nor one with the other quote; so quoted text is odd
 *   a '<' is odd in a tag, unless in a value
 *   a '=' is odd in a tag, unless in a value or behind an attribute's name:
 *   there is white space between it and what was before, a '<' or a '=',
 *   but none beside it, nor a '/' before it
 *   "-p" is odd in a tag, unless in a value
 *
 * All other quotes and slashes in a tag are read as letters are: a quote opens
 * a value behind the '=' of an attribute only.
 */
static inline __attribute__((always_inline)) uint64_t
pv_scan_odd(const pv_scan_block_t *b, unsigned care, uint64_t *starts, uint64_t *ends, uint64_t *tag)
{
    uint64_t        behind_equals, open_double, open_single, close_double, close_single, equals, values, odd;
    uint64_t        bare;
    pv_scan_span_t  in_double, in_single, in_tag, in_name;

    behind_equals = b->equals << 1;

    open_double = b->double_quote & behind_equals;
    close_double = b->double_quote & ~behind_equals;
    in_double = pv_scan_span(open_double, close_double);

    open_single = b->single_quote & behind_equals;
    close_single = b->single_quote & ~behind_equals;
    in_single = pv_scan_span(open_single, close_single);

    values = in_double.inside | in_single.inside;

    *starts = b->less & ~values;
    *ends = b->greater & ~values;
    in_tag = pv_scan_span(*starts, *ends);
    *tag = in_tag.inside;
    bare = in_tag.inside & ~values;

    equals = b->equals & bare;
    in_name = pv_scan_span(equals | *starts, b->space & ~values);

    odd = *starts & ~in_tag.difference;
    odd |= (open_double | open_single) & ~in_tag.inside;
    odd |= open_double & (~in_double.difference | in_single.inside);
    odd |= open_single & (~in_single.difference | in_double.inside);
    odd |= equals & (~in_name.difference | (b->space | b->slash) << 1 | b->space >> 1);
    odd |= (care & PV_CARE_MARK) ? b->mark & bare : 0;

    *starts &= in_tag.difference;

    return odd;
}


/* Goes on behind a block. Returns NULL, with *pos at a tag, when that needs care. */
static inline __attribute__((always_inline)) const unsigned char *
pv_scan_block(const pv_scan_block_t *b, const unsigned char **pos, const unsigned char *end, unsigned care)
{
    unsigned              at, groups;
    uint64_t              starts, ends, tag, odd, bit, left;
    const unsigned char  *p;

    p = *pos;
    odd = pv_scan_odd(b, care, &starts, &ends, &tag);

    /* the last one may be cut by the block's end; it is looked at again, but its letters are there to read */

    groups = 0;

    for (left = starts; left != 0; left &= left - 1) {
        groups |= pv_scan_groups(p + __builtin_ctzll(left));
    }

    if (groups & care) {
        for (left = starts; left != 0; left &= left - 1) {
            at = (unsigned) __builtin_ctzll(left);
            odd |= (uint64_t) ((pv_scan_groups(p + at) & care) != 0) << at;
        }
    }

    if (odd == 0) {
        if ((tag >> 63) == 0) {
            return p + PV_SCAN_BLOCK;
        }

        at = 63 - (unsigned) __builtin_clzll(starts);

        /* a block that begins with it; unless it is a long one, which would not fit there either */

        if (at > PV_SCAN_BLOCK / 2) {
            return p + at;
        }

    } else {
        bit = odd & (~odd + 1);
        starts &= bit | (bit - 1);
        ends &= bit - 1;

        /* in text, where only a '<' matters? */

        if (starts <= ends) {
            left = b->less & ~(bit | (bit - 1));
            return p + (left != 0 ? __builtin_ctzll(left) : PV_SCAN_BLOCK);
        }

        at = 63 - (unsigned) __builtin_clzll(starts);
    }

    *pos = p + at;

    return pv_scan_tag(p + at, end, care);
}


#define pv_scan_avx2_word(a, b)                                                                              \
    ((uint64_t) (uint32_t) _mm256_movemask_epi8(a) | (uint64_t) (uint32_t) _mm256_movemask_epi8(b) << 32)

#define pv_scan_avx2_is(ch)                                                                                  \
    pv_scan_avx2_word(_mm256_cmpeq_epi8(x, _mm256_set1_epi8(ch)), _mm256_cmpeq_epi8(y, _mm256_set1_epi8(ch)))


__attribute__((target("avx2,bmi,bmi2")))
static const unsigned char *
pv_scan_avx2(const unsigned char *pos, const unsigned char *end, unsigned care)
{
    __m256i               x, y, spaces;
    pv_scan_block_t       block;
    const unsigned char  *next;

    /* by the lower half of a byte: the white space that has it, else what has not */
    spaces = _mm256_setr_epi8(' ', 0, 0, 0, 0, 0, 0, 0, 0, '\t', '\n', 0, '\f', '\r', 0, 0,
                              ' ', 0, 0, 0, 0, 0, 0, 0, 0, '\t', '\n', 0, '\f', '\r', 0, 0);

    while (end - pos >= PV_SCAN_BLOCK + 2) {
        x = _mm256_loadu_si256((const __m256i *) (const void *) pos);
        y = _mm256_loadu_si256((const __m256i *) (const void *) (pos + 32));

        block.less = pv_scan_avx2_is('<');

        if (block.less == 0) {
            pos = memchr(pos + PV_SCAN_BLOCK, '<', (size_t) (end - pos) - PV_SCAN_BLOCK);

            if (pos == NULL) {
                return end;
            }

            continue;
        }

        block.greater = pv_scan_avx2_is('>');
        block.equals = pv_scan_avx2_is('=');
        block.double_quote = pv_scan_avx2_is('"');
        block.single_quote = pv_scan_avx2_is('\'');
        block.slash = pv_scan_avx2_is('/');
        block.space = pv_scan_avx2_word(_mm256_cmpeq_epi8(_mm256_shuffle_epi8(spaces, x), x),
                                        _mm256_cmpeq_epi8(_mm256_shuffle_epi8(spaces, y), y));
        block.mark = pv_scan_avx2_is('-') << 1;

        x = _mm256_or_si256(x, _mm256_set1_epi8(0x20));
        y = _mm256_or_si256(y, _mm256_set1_epi8(0x20));
        block.mark &= pv_scan_avx2_is('p');

        next = pv_scan_block(&block, &pos, end, care);

        if (next == NULL) {
            return pos;
        }

        pos = next;
    }

    return pv_scan_portable(pos, end, care);
}


/* movemask of the four parts of a block, as one word */
#define pv_scan_sse2_word(a, b, c, d)                                                                        \
    ((uint64_t) (uint32_t) _mm_movemask_epi8(a) | (uint64_t) (uint32_t) _mm_movemask_epi8(b) << 16           \
     | (uint64_t) (uint32_t) _mm_movemask_epi8(c) << 32 | (uint64_t) (uint32_t) _mm_movemask_epi8(d) << 48)

#define pv_scan_sse2_is(ch)                                                                                  \
    pv_scan_sse2_word(_mm_cmpeq_epi8(x[0], _mm_set1_epi8(ch)), _mm_cmpeq_epi8(x[1], _mm_set1_epi8(ch)),      \
                      _mm_cmpeq_epi8(x[2], _mm_set1_epi8(ch)), _mm_cmpeq_epi8(x[3], _mm_set1_epi8(ch)))


/* ' ' and of 9 to 13 all but 11 */
static inline __m128i
pv_scan_sse2_spaces(__m128i v)
{
    __m128i  from_tab, controls;

    from_tab = _mm_sub_epi8(v, _mm_set1_epi8('\t'));
    controls = _mm_cmpeq_epi8(_mm_min_epu8(from_tab, _mm_set1_epi8('\r' - '\t')), from_tab);
    controls = _mm_andnot_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\v')), controls);

    return _mm_or_si128(controls, _mm_cmpeq_epi8(v, _mm_set1_epi8(' ')));
}


static const unsigned char *
pv_scan_sse2(const unsigned char *pos, const unsigned char *end, unsigned care)
{
    __m128i               x[4];
    unsigned              i;
    pv_scan_block_t       block;
    const unsigned char  *next;

    while (end - pos >= PV_SCAN_BLOCK + 2) {
        for (i = 0; i < 4; i++) {
            x[i] = _mm_loadu_si128((const __m128i *) (const void *) (pos + i * 16));
        }

        block.less = pv_scan_sse2_is('<');

        if (block.less == 0) {
            pos = memchr(pos + PV_SCAN_BLOCK, '<', (size_t) (end - pos) - PV_SCAN_BLOCK);

            if (pos == NULL) {
                return end;
            }

            continue;
        }

        block.greater = pv_scan_sse2_is('>');
        block.equals = pv_scan_sse2_is('=');
        block.double_quote = pv_scan_sse2_is('"');
        block.single_quote = pv_scan_sse2_is('\'');
        block.slash = pv_scan_sse2_is('/');
        block.space = pv_scan_sse2_word(pv_scan_sse2_spaces(x[0]), pv_scan_sse2_spaces(x[1]),
                                        pv_scan_sse2_spaces(x[2]), pv_scan_sse2_spaces(x[3]));
        block.mark = pv_scan_sse2_is('-') << 1;

        for (i = 0; i < 4; i++) {
            x[i] = _mm_or_si128(x[i], _mm_set1_epi8(0x20));
        }

        block.mark &= pv_scan_sse2_is('p');

        next = pv_scan_block(&block, &pos, end, care);

        if (next == NULL) {
            return pos;
        }

        pos = next;
    }

    return pv_scan_portable(pos, end, care);
}

#endif


int
pv_html_scan_use(const char *name)
{
    pv_html_exact = (name != NULL && strcmp(name, "none") == 0);
    pv_html_search_use(name);

#if (PV_SCAN_X86)

    if ((name == NULL || strcmp(name, "avx2") == 0) && __builtin_cpu_supports("avx2")
        && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2"))
    {
        pv_scan_how = pv_scan_avx2;
        return 1;
    }

    if (name == NULL || strcmp(name, "sse2") == 0) {
        pv_scan_how = pv_scan_sse2;
        return 1;
    }

#endif

    pv_scan_how = pv_scan_portable;

    return name == NULL || strcmp(name, "portable") == 0 || pv_html_exact;
}
