/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define PV_SEARCH_X86  1
#endif

#include "pv_html_token.h"


#define PV_SEAM          (PV_HTML_MARK_LEN - 1)
#define PV_BEFORE_DASH   (sizeof("data") - 1)


typedef const unsigned char *(*pv_search_pt)(const unsigned char *pos, const unsigned char *end);


static const unsigned char *pv_search_portable(const unsigned char *pos, const unsigned char *end);
#if (PV_SEARCH_X86)
static const unsigned char *pv_search_avx2(const unsigned char *pos, const unsigned char *end);
static const unsigned char *pv_search_sse2(const unsigned char *pos, const unsigned char *end);
#endif
static int pv_search_is_mark(const unsigned char *pos);


static pv_search_pt  pv_search_how;


void
pv_html_search_init(pv_html_search_t *s)
{
    s->found = 0;
    s->seam_len = 0;
}


int
pv_html_search(pv_html_search_t *s, pv_str_t piece)
{
    size_t                n, whole;
    const unsigned char  *at;

    n = piece.len < PV_SEAM ? piece.len : PV_SEAM;

    if (n != 0) {
        memcpy(s->seam + s->seam_len, piece.data, n);
    }

    whole = s->seam_len + n;
    at = pv_html_find_mark(s->seam, s->seam + whole);

    if (at != NULL) {
        s->found += (size_t) (at - s->seam) + PV_HTML_MARK_LEN - s->seam_len;
        return 1;
    }

    at = pv_html_find_mark(piece.data, piece.data + piece.len);

    if (at != NULL) {
        s->found += (size_t) (at - piece.data) + PV_HTML_MARK_LEN;
        return 1;
    }

    s->found += piece.len;

    if (piece.len >= PV_SEAM) {
        memcpy(s->seam, piece.data + piece.len - PV_SEAM, PV_SEAM);
        s->seam_len = PV_SEAM;

    } else {
        s->seam_len = whole < PV_SEAM ? whole : PV_SEAM;
        memmove(s->seam, s->seam + whole - s->seam_len, s->seam_len);
    }

    return 0;
}


/* Of a name's twelve bytes the "-p" is what text has least of. */
const unsigned char *
pv_html_find_mark(const unsigned char *pos, const unsigned char *end)
{
    if (end - pos < (ptrdiff_t) PV_HTML_MARK_LEN) {
        return NULL;
    }

    if (pv_search_how == NULL) {
        pv_html_search_use(NULL);
    }

    return pv_search_how(pos, end);
}


void
pv_html_search_use(const char *name)
{
    pv_search_how = pv_search_portable;

#if (PV_SEARCH_X86)

    if (name == NULL || strcmp(name, "sse2") == 0) {
        pv_search_how = pv_search_sse2;
    }

    if ((name == NULL || strcmp(name, "avx2") == 0) && __builtin_cpu_supports("avx2")) {
        pv_search_how = pv_search_avx2;
    }

#endif
}


static int
pv_search_is_mark(const unsigned char *pos)
{
    size_t  i;

    static const unsigned char  name[] = "data-privacy";

    for (i = 0; i < PV_HTML_MARK_LEN; i++) {
        if (pv_html_lower(pos[i]) != name[i]) {
            return 0;
        }
    }

    return 1;
}


static const unsigned char *
pv_search_portable(const unsigned char *pos, const unsigned char *end)
{
    const unsigned char  *dash, *last;

    last = end - PV_HTML_MARK_LEN + PV_BEFORE_DASH;     /* where the last dash may be */

    for (dash = pos + PV_BEFORE_DASH; dash <= last; dash++) {
        dash = memchr(dash, '-', (size_t) (last - dash) + 1);

        if (dash == NULL) {
            return NULL;
        }

        if (pv_search_is_mark(dash - PV_BEFORE_DASH)) {
            return dash - PV_BEFORE_DASH;
        }
    }

    return NULL;
}


#if (PV_SEARCH_X86)

#define pv_search_avx2_at(p)                                                                                 \
    _mm256_and_si256(                                                                                        \
        _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *) (const void *) (p)), dashes),                 \
        _mm256_cmpeq_epi8(_mm256_or_si256(_mm256_loadu_si256((const __m256i *) (const void *) ((p) + 1)),    \
                                          lower), letters))


__attribute__((target("avx2")))
static const unsigned char *
pv_search_avx2(const unsigned char *pos, const unsigned char *end)
{
    __m256i               dashes, letters, lower, a, b;
    uint64_t              found;
    const unsigned char  *name;

    dashes = _mm256_set1_epi8('-');
    letters = _mm256_set1_epi8('p');
    lower = _mm256_set1_epi8(0x20);

    /* a block: the places of the dash, and behind it what is left of the longest name */

    while (end - pos >= (ptrdiff_t) (64 + PV_HTML_MARK_LEN)) {
        a = pv_search_avx2_at(pos + PV_BEFORE_DASH);
        b = pv_search_avx2_at(pos + PV_BEFORE_DASH + 32);

        if (!_mm256_testz_si256(_mm256_or_si256(a, b), _mm256_or_si256(a, b))) {
            found = (uint64_t) (uint32_t) _mm256_movemask_epi8(a)
                    | (uint64_t) (uint32_t) _mm256_movemask_epi8(b) << 32;

            for ( /* void */ ; found != 0; found &= found - 1) {
                name = pos + __builtin_ctzll(found);

                if (pv_search_is_mark(name)) {
                    return name;
                }
            }
        }

        pos += 64;
    }

    return pv_search_portable(pos, end);
}


static const unsigned char *
pv_search_sse2(const unsigned char *pos, const unsigned char *end)
{
    __m128i               x, y;
    unsigned              found;
    const unsigned char  *name;

    while (end - pos >= (ptrdiff_t) (16 + PV_HTML_MARK_LEN)) {
        x = _mm_loadu_si128((const __m128i *) (const void *) (pos + PV_BEFORE_DASH));
        y = _mm_loadu_si128((const __m128i *) (const void *) (pos + PV_BEFORE_DASH + 1));
        y = _mm_or_si128(y, _mm_set1_epi8(0x20));
        x = _mm_and_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('-')), _mm_cmpeq_epi8(y, _mm_set1_epi8('p')));

        for (found = (unsigned) _mm_movemask_epi8(x); found != 0; found &= found - 1) {
            name = pos + __builtin_ctz(found);

            if (pv_search_is_mark(name)) {
                return name;
            }
        }

        pos += 16;
    }

    return pv_search_portable(pos, end);
}

#endif
