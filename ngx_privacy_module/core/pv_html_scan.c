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
 * Most of a page is text and ordinary tags. First the bytes that matter to a
 * tag's form are found for a whole window, one bit a byte, without a branch;
 * then the tags are walked through on those bits: a complete tag of the form
 * <name attribute="value" ...> is recognised with a few operations on words,
 * whatever it contains. Anything else is left to the tokenizer.
 */

#define PV_SCAN_BLOCK   64
#define PV_SCAN_FIRST   512
#define PV_SCAN_WINDOW  4096
#define PV_SCAN_BYTES   (PV_SCAN_WINDOW / 8 + 16)

/* Bit i of each is byte i of the window; zero behind its end. Little-endian. */
typedef struct {
    unsigned char  less[PV_SCAN_BYTES];         /* < */
    unsigned char  greater[PV_SCAN_BYTES];      /* > */
    unsigned char  equals[PV_SCAN_BYTES];       /* = */
    unsigned char  quote[PV_SCAN_BYTES];        /* " */
    unsigned char  space[PV_SCAN_BYTES];        /* white space (any control) and / */
    unsigned char  mark[PV_SCAN_BYTES];         /* the p of "-p", as in data-privacy */
} pv_scan_masks_t;

typedef void (*pv_scan_find_pt)(pv_scan_masks_t *m, const unsigned char *data, size_t len);


static const unsigned char *pv_scan_walk(const pv_scan_masks_t *m, const unsigned char *data, size_t n,
    size_t size, unsigned want, size_t *next);
static size_t pv_scan_tag(const pv_scan_masks_t *m, const unsigned char *data, size_t p, size_t n);
static size_t pv_scan_next(const unsigned char *mask, size_t from, size_t n);
static void pv_scan_find(pv_scan_masks_t *m, const unsigned char *data, size_t len);
static void pv_scan_portable(pv_scan_masks_t *m, const unsigned char *data, size_t len);


/* First two letters of start tags that need care, as bits: 32 second letters a first one. */
#define pv_bit(ch)  (1u << ((ch) & 31))

static const uint32_t  pv_scan_special[32] = {
    ['s' & 31] = pv_bit('c') | pv_bit('t') | pv_bit('v'),       /* script style svg */
    ['t' & 31] = pv_bit('i') | pv_bit('e'),                     /* title textarea template */
    ['x' & 31] = pv_bit('m'),                                   /* xmp */
    ['i' & 31] = pv_bit('f'),                                   /* iframe */
    ['n' & 31] = pv_bit('o'),                                   /* noscript noembed noframes */
    ['p' & 31] = pv_bit('l'),                                   /* plaintext */
    ['m' & 31] = pv_bit('a')                                    /* math */
};

static const uint32_t  pv_scan_sources[32] = {
    ['i' & 31] = pv_bit('m'),                                   /* img image */
    ['e' & 31] = pv_bit('m'),                                   /* embed */
    ['o' & 31] = pv_bit('b'),                                   /* object */
    ['v' & 31] = pv_bit('i'),                                   /* video */
    ['a' & 31] = pv_bit('u'),                                   /* audio */
    ['s' & 31] = pv_bit('o'),                                   /* source */
    ['l' & 31] = pv_bit('i')                                    /* link */
};

static pv_scan_find_pt  pv_scan_how;
static int              pv_scan_off;


static inline uint64_t
pv_scan_load(const unsigned char *mask, size_t at)
{
    uint64_t  word;

    memcpy(&word, mask + (at >> 3), 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif

    return word >> (at & 7);
}


static inline void
pv_scan_store(unsigned char *mask, size_t at, uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    memcpy(mask + (at >> 3), &word, 8);
}


/* Of what counts as a space in the masks: the other control characters are part of a name. */
static inline int
pv_scan_ends_name(unsigned char ch)
{
    return ch == ' ' || ch == '/' || ch == '\n' || ch == '\t' || ch == '\r' || ch == '\f';
}


const unsigned char *
pv_html_scan(const unsigned char *pos, const unsigned char *end, unsigned want)
{
    size_t                n, next, window;
    pv_scan_masks_t       m;
    const unsigned char  *stop;

    /* not worth the tables */

    if (end - pos < PV_SCAN_BLOCK || pv_scan_off) {
        stop = memchr(pos, '<', (size_t) (end - pos));
        return stop != NULL ? stop : end;
    }

    window = PV_SCAN_FIRST;
    next = 0;

    while (pos != end) {
        n = (size_t) (end - pos) < window ? (size_t) (end - pos) : window;

        pv_scan_find(&m, pos, n);
        stop = pv_scan_walk(&m, pos, n, (size_t) (end - pos), want, &next);

        if (stop != NULL) {
            return stop;
        }

        pos += next;
        window = PV_SCAN_WINDOW;
    }

    return end;
}


/* In bits: an odd number of quotes up to here, this one included. */
static inline uint64_t
pv_scan_inside(uint64_t quotes)
{
    quotes ^= quotes << 1;
    quotes ^= quotes << 2;
    quotes ^= quotes << 4;
    quotes ^= quotes << 8;
    quotes ^= quotes << 16;
    quotes ^= quotes << 32;

    return quotes;
}


/*
 * Returns a '<' that needs care, or NULL: all of the window up to *next is
 * ordinary. A tag that the window's end cuts begins the next one.
 */
static const unsigned char *
pv_scan_walk(const pv_scan_masks_t *m, const unsigned char *data, size_t n, size_t size, unsigned want,
    size_t *next)
{
    size_t          p, close;
    uint64_t        greater, equals, quotes, inside, spaces, opening, before, less;
    unsigned        a, b, special;

    p = pv_scan_next(m->less, 0, n);

    while (p < n) {
        if (p + 4 > size) {
            return data + p;
        }

        if (p + 4 > n) {
            *next = p;
            return NULL;
        }

        a = data[p + 1];
        b = data[p + 2];

        if (a == '/') {
            /* only </body> and </html> can matter outside of what we follow */
            special = (want & PV_HTML_WANT_END) ? ((b | 0x20) == 'b' || (b | 0x20) == 'h') : 0;
            special |= ((b | 0x20) - 'a') >= 26;

        } else {
            special = (pv_scan_special[a & 31] >> (b & 31)) & 1;
            special |= (want & PV_HTML_WANT_SOURCES) ? (pv_scan_sources[a & 31] >> (b & 31)) & 1 : 0;
            special |= ((a | 0x20) - 'a') >= 26;
        }

        if (special) {
            return data + p;
        }

        greater = pv_scan_load(m->greater, p);
        equals = pv_scan_load(m->equals, p);
        before = (greater & (~greater + 1)) - 1;

        if (greater == 0 || (equals & before) != 0) {
            quotes = pv_scan_load(m->quote, p);
            spaces = pv_scan_load(m->space, p);
            inside = pv_scan_inside(quotes);
            greater &= ~inside;
            before = (greater & (~greater + 1)) - 1;
            opening = quotes & inside & before;

            /*
             * Every '=' outside of quotes opens a value in double quotes, every such quote follows one;
             * before '=' stands a name, not a space or a quote that closes; and the tag's own name has ended.
             */
            if (greater == 0
                || (equals & ~inside & before) != opening >> 1
                || ((spaces | (quotes & ~inside)) << 1 & (opening >> 1)) != 0
                || (spaces & ((equals & (~equals + 1)) - 1)) == 0
                || !pv_scan_ends_name(data[p + (size_t) __builtin_ctzll(spaces)]))
            {
                close = pv_scan_tag(m, data, p, n);

                if (close == 0) {
                    if (p == 0 || n == size) {
                        return data + p;
                    }

                    *next = p;
                    return NULL;
                }

                if (close == (size_t) -1) {
                    return data + p;
                }

                if ((want & PV_HTML_WANT_MARKED) && pv_scan_next(m->mark, p, close) < close) {
                    return data + p;
                }

                p = pv_scan_next(m->less, close + 1, n);
                continue;
            }
        }

        if ((pv_scan_load(m->mark, p) & before) != 0 && (want & PV_HTML_WANT_MARKED)) {
            return data + p;
        }

        less = pv_scan_load(m->less, p) & ~before;

        if (less != 0) {
            p += (size_t) __builtin_ctzll(less);

        } else {
            p = pv_scan_next(m->less, p + 57, n);
        }
    }

    *next = n;

    return NULL;
}


/*
 * The same for any length, value by value. Returns where the tag closes, 0
 * when not within the window, -1 when it is not of the usual form.
 */
static size_t
pv_scan_tag(const pv_scan_masks_t *m, const unsigned char *data, size_t p, size_t n)
{
    size_t         at, greater, equals, name_end;
    unsigned char  quote;

    const unsigned char  *close;

    name_end = pv_scan_next(m->space, p + 2, n);
    at = p + 1;

    for ( ;; ) {
        greater = pv_scan_next(m->greater, at, n);
        equals = pv_scan_next(m->equals, at, n);

        if (greater < equals) {
            return greater;
        }

        if (equals + 1 >= n) {
            return 0;
        }

        quote = data[equals + 1];

        if (name_end > equals || !pv_scan_ends_name(data[name_end]) || equals == at
            || (quote != '"' && quote != '\'')
            || (pv_scan_load(m->space, equals - 1) & 1))
        {
            return (size_t) -1;
        }

        close = memchr(data + equals + 2, quote, n - equals - 2);

        if (close == NULL) {
            return 0;
        }

        at = (size_t) (close - data) + 1;
    }
}


/* The next bit set from `from` on, or n. */
static size_t
pv_scan_next(const unsigned char *mask, size_t from, size_t n)
{
    uint64_t  word;

    while (from < n) {
        word = pv_scan_load(mask, from);

        if (word != 0) {
            from += (size_t) __builtin_ctzll(word);
            return from < n ? from : n;
        }

        from = (from | 7) + 1 + 48;
    }

    return n;
}


#if (PV_SCAN_X86)

/* movemask of the four or two parts of a block, as one word */
#define pv_scan_sse2_word(a, b, c, d)                                                                        \
    ((uint64_t) (uint32_t) _mm_movemask_epi8(a) | (uint64_t) (uint32_t) _mm_movemask_epi8(b) << 16           \
     | (uint64_t) (uint32_t) _mm_movemask_epi8(c) << 32 | (uint64_t) (uint32_t) _mm_movemask_epi8(d) << 48)

#define pv_scan_sse2_is(ch)                                                                                  \
    pv_scan_sse2_word(_mm_cmpeq_epi8(x[0], _mm_set1_epi8(ch)), _mm_cmpeq_epi8(x[1], _mm_set1_epi8(ch)),      \
                      _mm_cmpeq_epi8(x[2], _mm_set1_epi8(ch)), _mm_cmpeq_epi8(x[3], _mm_set1_epi8(ch)))

#define pv_scan_sse2_spaces(v)                                                                               \
    _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x20)), v), _mm_cmpeq_epi8(v, _mm_set1_epi8('/')))


static void
pv_scan_sse2(pv_scan_masks_t *m, const unsigned char *data, size_t len)
{
    size_t    at;
    __m128i   x[4];
    uint64_t  dashes, carry;
    unsigned  i;

    carry = 0;

    for (at = 0; at < len; at += PV_SCAN_BLOCK) {
        for (i = 0; i < 4; i++) {
            x[i] = _mm_loadu_si128((const __m128i *) (const void *) (data + at + i * 16));
        }

        pv_scan_store(m->less, at, pv_scan_sse2_is('<'));
        pv_scan_store(m->greater, at, pv_scan_sse2_is('>'));
        pv_scan_store(m->equals, at, pv_scan_sse2_is('='));
        pv_scan_store(m->quote, at, pv_scan_sse2_is('"'));
        pv_scan_store(m->space, at, pv_scan_sse2_word(pv_scan_sse2_spaces(x[0]), pv_scan_sse2_spaces(x[1]),
                                                      pv_scan_sse2_spaces(x[2]), pv_scan_sse2_spaces(x[3])));

        dashes = pv_scan_sse2_is('-');

        for (i = 0; i < 4; i++) {
            x[i] = _mm_or_si128(x[i], _mm_set1_epi8(0x20));
        }

        pv_scan_store(m->mark, at, pv_scan_sse2_is('p') & (dashes << 1 | carry));
        carry = dashes >> 63;
    }
}


#define pv_scan_avx2_word(a, b)                                                                              \
    ((uint64_t) (uint32_t) _mm256_movemask_epi8(a) | (uint64_t) (uint32_t) _mm256_movemask_epi8(b) << 32)

#define pv_scan_avx2_is(ch)                                                                                  \
    pv_scan_avx2_word(_mm256_cmpeq_epi8(x, _mm256_set1_epi8(ch)), _mm256_cmpeq_epi8(y, _mm256_set1_epi8(ch)))

#define pv_scan_avx2_spaces(v)                                                                               \
    _mm256_or_si256(_mm256_cmpeq_epi8(_mm256_min_epu8(v, _mm256_set1_epi8(0x20)), v),                        \
                    _mm256_cmpeq_epi8(v, _mm256_set1_epi8('/')))


__attribute__((target("avx2")))
static void
pv_scan_avx2(pv_scan_masks_t *m, const unsigned char *data, size_t len)
{
    size_t    at;
    __m256i   x, y;
    uint64_t  dashes, carry;

    carry = 0;

    for (at = 0; at < len; at += PV_SCAN_BLOCK) {
        x = _mm256_loadu_si256((const __m256i *) (const void *) (data + at));
        y = _mm256_loadu_si256((const __m256i *) (const void *) (data + at + 32));

        pv_scan_store(m->less, at, pv_scan_avx2_is('<'));
        pv_scan_store(m->greater, at, pv_scan_avx2_is('>'));
        pv_scan_store(m->equals, at, pv_scan_avx2_is('='));
        pv_scan_store(m->quote, at, pv_scan_avx2_is('"'));
        pv_scan_store(m->space, at, pv_scan_avx2_word(pv_scan_avx2_spaces(x), pv_scan_avx2_spaces(y)));

        dashes = pv_scan_avx2_is('-');
        x = _mm256_or_si256(x, _mm256_set1_epi8(0x20));
        y = _mm256_or_si256(y, _mm256_set1_epi8(0x20));

        pv_scan_store(m->mark, at, pv_scan_avx2_is('p') & (dashes << 1 | carry));
        carry = dashes >> 63;
    }
}

#endif


/* Eight bytes at a time: bit i of the answer is 1 where byte i of the word is ch. */
static inline uint64_t
pv_scan_word_is(uint64_t word, unsigned char ch)
{
    uint64_t  low, differs;

    low = 0x7F7F7F7F7F7F7F7Fu;
    word ^= 0x0101010101010101u * ch;
    differs = ((word & low) + low) | word | low;

    return ((~differs >> 7) * 0x0102040810204080u) >> 56;
}


/* Where the byte is 0x20 or less. */
static inline uint64_t
pv_scan_word_controls(uint64_t word)
{
    uint64_t  low, above;

    low = 0x7F7F7F7F7F7F7F7Fu;
    above = ((word & low) + 0x5F5F5F5F5F5F5F5Fu) | word | low;

    return ((~above >> 7) * 0x0102040810204080u) >> 56;
}


static void
pv_scan_portable(pv_scan_masks_t *m, const unsigned char *data, size_t len)
{
    size_t    at;
    uint64_t  word, dashes, carry;

    carry = 0;

    for (at = 0; at < len; at += 8) {
        memcpy(&word, data + at, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
#endif

        m->less[at / 8] = (unsigned char) pv_scan_word_is(word, '<');
        m->greater[at / 8] = (unsigned char) pv_scan_word_is(word, '>');
        m->equals[at / 8] = (unsigned char) pv_scan_word_is(word, '=');
        m->quote[at / 8] = (unsigned char) pv_scan_word_is(word, '"');
        m->space[at / 8] = (unsigned char) (pv_scan_word_controls(word) | pv_scan_word_is(word, '/'));

        dashes = pv_scan_word_is(word, '-');
        word |= 0x2020202020202020u;
        m->mark[at / 8] = (unsigned char) (pv_scan_word_is(word, 'p') & (dashes << 1 | carry));
        carry = dashes >> 7;
    }
}


int
pv_html_scan_use(const char *name)
{
    pv_scan_off = (name != NULL && strcmp(name, "none") == 0);

#if (PV_SCAN_X86)

    if ((name == NULL || strcmp(name, "avx2") == 0) && __builtin_cpu_supports("avx2")) {
        pv_scan_how = pv_scan_avx2;
        return 1;
    }

    if (name == NULL || strcmp(name, "sse2") == 0) {
        pv_scan_how = pv_scan_sse2;
        return 1;
    }

#endif

    pv_scan_how = pv_scan_portable;

    return name == NULL || strcmp(name, "portable") == 0 || pv_scan_off;
}


/* The last, incomplete block is completed with zeros. */
static void
pv_scan_find(pv_scan_masks_t *m, const unsigned char *data, size_t len)
{
    size_t           whole;
    unsigned char    tail[PV_SCAN_BLOCK];
    pv_scan_masks_t  last;

    if (pv_scan_how == NULL) {
        pv_html_scan_use(NULL);
    }

    whole = len & ~(size_t) (PV_SCAN_BLOCK - 1);
    pv_scan_how(m, data, whole);

    if (whole != len) {
        memset(tail, 0, sizeof(tail));
        memcpy(tail, data + whole, len - whole);
        pv_scan_how(&last, tail, PV_SCAN_BLOCK);

        if (whole != 0 && data[whole - 1] == '-' && (tail[0] | 0x20) == 'p') {
            last.mark[0] |= 1;
        }
    }

#define pv_scan_tail(field)                                                                                  \
    if (whole != len) {                                                                                      \
        memcpy(m->field + whole / 8, last.field, 8);                                                         \
        memset(m->field + whole / 8 + 8, 0, 8);                                                              \
    } else {                                                                                                 \
        memset(m->field + whole / 8, 0, 8);                                                                  \
    }

    pv_scan_tail(less)
    pv_scan_tail(greater)
    pv_scan_tail(equals)
    pv_scan_tail(quote)
    pv_scan_tail(space)
    pv_scan_tail(mark)
}
