/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "diff_check.h"
#include "pv_bundle.h"
#include "pv_diff_doc.h"

#define EDITED_TEXTS  3000
#define SEQUENCES     5000
#define SEQUENCE_MAX  40

/* What is marked after the clean-up, at most, over what would be without: the stated bound. */
#define CLEANUP_BOUND  3


/* Pieces to make texts of: in each script words or characters, its own marks, and what is hard to cut. */
typedef struct {
    const char  *name;
    const char  *space;
    const char  *pieces[24];
} script_t;

static const script_t  scripts[] = {
    { "latin", " ", { "we", "collect", "data,", "your", "consent", "don't", "1,000.50", "track_id", "the", "of", "a",
                      "purpose;", "shop.example", "withdraw.", "Straße", "naïve", "(see", "below)", "30", "days" } },
    { "combining", " ", { "e\xcc\x81t\xc3\xa9", "a\xcc\x8a\xcc\xa3", "o\xcc\x88" "ffnen", "n\xcc\x83", "e", "o",
                          "\xe0\xa4\x95\xe0\xa5\x8d\xe0\xa4\xb7\xe0\xa4\xbf", "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8",
                          "\xec\x9a\xb0\xeb\xa6\xac\xeb\x8a\x94", "x\xcc\x81\xcc\x82\xcc\x83" } },
    { "chinese", "", { "我", "们", "收", "集", "个", "人", "信息", "，", "。", "处理", "、", "同意", "30", "天",
                       "Cookie", "；", "向", "第三方", "提供", "您" } },
    { "japanese", "", { "私", "たち", "は", "データ", "を", "収集", "します", "。", "、", "クッキー", "が",
                        "か\xe3\x82\x99", "利用", "目的", "サービス", "ー", "の" } },
    { "arabic", " ", { "نحن", "نجمع", "بيانات", "المستخدم،", "موافقتك", "مُحَمَّد", "لا", "شارك.", "٣٠", "يوما؛",
                       "سياسة", "الخصوصية" } },
    { "thai", "", { "เรา", "เก็บ", "ข้อมูล", "ส่วน", "บุคคล", "ของ", "ท่าน", " ", "น้ำ", "ที่", "30", "วัน" } },
    { "emoji", "", { "\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7",
                     "\xf0\x9f\x91\xa9\xf0\x9f\x8f\xbd", "\xf0\x9f\x87\xa8\xf0\x9f\x87\xb3", "\xf0\x9f\x87\xa9",
                     "\xf0\x9f\x91\xa9", "\xe2\x80\x8d", "\xef\xb8\x8f", "\xe2\x9d\xa4\xef\xb8\x8f", "x", " ", "文",
                     "\xcc\x81" } },
    { "mixed", " ", { "we", "收集", "البيانات", "データ", "ข้อมูล", "*not*", "**bold**", "`code`", "[link](/a)",
                      "[link](/b)", "&amp;", "&eacute;", "<br>", "1.", "\xf0\x9f\x87\xa8\xf0\x9f\x87\xb3" } }
};

#define SCRIPTS  (sizeof(scripts) / sizeof(scripts[0]))

static uint64_t  seed = 88172645463325252u;

/* How many allocations succeed from now on; negative: all. */
static long  allocations = -1;


#ifndef PRIVACY_SANITIZE

/* The C library's own, under the names that it keeps for such as us. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);

static int
fails(void)
{
    return allocations == 0 || (allocations > 0 && allocations-- == 0);
}


void *
malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}


void *
calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}


void *
realloc(void *p, size_t size)
{
    return fails() ? NULL : __libc_realloc(p, size);
}

#endif


static unsigned
any(unsigned below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;

    return (unsigned) ((seed >> 16) % below);
}


static const char *
piece(const script_t *s)
{
    unsigned  n;

    for (n = 0; n < 24 && s->pieces[n] != NULL; n++) { /* void */ }

    return s->pieces[any(n)];
}


static pv_diff_t *
diffed_html(const char *a, size_t a_len, const char *b, size_t b_len, uint64_t work)
{
    pv_diff_t  *diff;

    assert_int_equal(pv_diff_create(&diff, (pv_str_t) { (const unsigned char *) a, a_len },
                                    (pv_str_t) { (const unsigned char *) b, b_len }, work), PV_OK);

    return diff;
}


static pv_diff_t *
diffed(const char *a, const char *b, uint64_t work)
{
    pv_buf_t    x, y;
    pv_diff_t  *diff;

    pv_buf_init(&x, PV_BUNDLE_HTML_MAX);
    pv_buf_init(&y, PV_BUNDLE_HTML_MAX);
    assert_int_equal(pv_markdown_html(&x, pv_str(a)), PV_OK);
    assert_int_equal(pv_markdown_html(&y, pv_str(b)), PV_OK);

    diff = diffed_html((const char *) x.data, x.len, (const char *) y.data, y.len, work);
    pv_buf_free(&x);
    pv_buf_free(&y);

    return diff;
}


static void
assert_holds(const pv_diff_t *diff, const char *a, const char *b)
{
    const char  *wrong;

    wrong = diff_holds(diff);

    if (wrong != NULL) {
        print_error("%s\n--- A\n%s\n--- B\n%s\n", wrong, a, b);
    }

    assert_null(wrong);
}


/* The lines of the terminal's redline, nothing folded. */
static void
assert_reads(const char *a, const char *b, const char *expected)
{
    pv_buf_t      text;
    pv_diff_t    *diff;
    pv_redline_t  how = { NULL, 0, 0, 0 };

    diff = diffed(a, b, PV_DIFF_WORK);
    assert_holds(diff, a, b);

    pv_buf_init(&text, PV_REDLINE_MAX);
    assert_int_equal(pv_redline_text(&text, diff, &how), PV_OK);
    assert_string_equal(text.data != NULL ? (const char *) text.data : "", expected);
    pv_buf_free(&text);
    pv_diff_free(diff);
}


static void
test_words(void **state)
{
    size_t  i;

    static const struct { const char *a, *b, *reads; }  cases[] = {
        { "", "", "" },
        { "x", "x", "x\n\n" },
        { "", "x", "{+x+}\n\n" },
        { "x", "", "[-x-]\n\n" },
        { "We keep it for 30 days.", "We keep it for 60 days.", "We keep it for [-30-]{+60+} days.\n\n" },
        { "We collect data", "We collects data", "We [-collect-]{+collects+} data\n\n" },
        { "We keep your data", "We keep all your data", "We keep {+all +}your data\n\n" },
        { "We keep data.", "We keep data and logs.", "We keep data{+ and logs+}.\n\n" },
        { "One. Three.", "One. Two. Three.", "One. {+Two. +}Three.\n\n" },
        { "a, b and c", "a, d, b and c", "a, {+d, +}b and c\n\n" },
        { "It costs 1,000.50 at shop.example", "It costs 1,000.60 at shop.example",
          "It costs [-1,000.50-]{+1,000.60+} at shop.example\n\n" },
        { "we don't share", "we do share", "we [-don't-]{+do+} share\n\n" },

        /* No confetti: what stays between two changes is less than they are. */
        { "alpha beta of gamma delta stay where they are", "one two of three four stay where they are",
          "[-alpha beta of gamma delta-]{+one two of three four+} stay where they are\n\n" },

        /* What is long enough stays. */
        { "first you can switch it off at any time second", "other you can switch it off at any time more",
          "[-first-]{+other+} you can switch it off at any time [-second-]{+more+}\n\n" },

        /* Clauses and characters where there are no spaces. */
        { "我们收集姓名、电话。", "我们收集姓名、地址、电话。", "我们收集姓名、{+地址、+}电话。\n\n" },
        { "保存三十日。", "保存六十日。", "保存[-三-]{+六+}十日。\n\n" },
        { "我们保护信息。您可以查询。", "我们保护信息。我们不出售信息。您可以查询。",
          "我们保护信息。{+我们不出售信息。+}您可以查询。\n\n" },
        { "利用目的を通知します。", "利用の目的を通知します。", "利用{+の+}目的を通知します。\n\n" },
        { "クッキーを使います", "サービスを使います", "[-クッキー-]{+サービス+}を使います\n\n" },
        { "نحن نجمع بيانات", "نحن نجمع كل بيانات", "نحن نجمع {+كل +}بيانات\n\n" },
        { "เก็บน้ำ", "เก็บน้า", "เก็บ[-น้ำ-]{+น้า+}\n\n" },

        /* A combining sequence is one thing. */
        { "cafe\xcc\x81 x", "cafe x", "[-cafe\xcc\x81-]{+cafe+} x\n\n" },
        { "文か\xe3\x82\x99字", "文か字", "文[-か\xe3\x82\x99-]{+か+}字\n\n" },
        { "a \xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9 b", "a \xf0\x9f\x91\xa8 b",
          "a [-\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9-]{+\xf0\x9f\x91\xa8+} b\n\n" }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_reads(cases[i].a, cases[i].b, cases[i].reads);
    }
}


/* Emphasis, code, headings, the source's own lines: none is a change of text. */
static void
test_formatting(void **state)
{
    size_t      i;
    pv_diff_t  *diff;

    static const struct { const char *a, *b; }  cases[] = {
        { "a b c", "a **b** *c*" },
        { "a b", "a `b`" },
        { "# a", "## a" },
        { "a", "# a" },
        { "one two\nthree", "one\ntwo three" },
        { "我们收集\n信息", "我们收集信息" },
        { "- a\n- b", "- a\n\n- b" },
        { "- a\n- b", "* a\n* b" },
        { "a\n\n---\n\nb", "a\n\nb" },
        { "a\nb  c", "a b c" },
        { "|a|b|\n|---|---|\n|1|2|", "|a|b|\n|---:|:---:|\n|1|2|" }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        diff = diffed(cases[i].a, cases[i].b, PV_DIFF_WORK);
        assert_holds(diff, cases[i].a, cases[i].b);
        assert_int_equal(pv_diff_same(diff), 1);
        pv_diff_free(diff);
    }
}


static void
test_links(void **state)
{
    size_t                 i, n;
    pv_diff_t             *diff;
    const pv_diff_link_t  *links;

    static const struct { const char *a, *b, *words, *from, *to; }  cases[] = {
        { "see [our page](/a) now", "see [our page](/b) now", "our page", "/a", "/b" },
        { "see our page now", "see [our page](/b?x=1&y=2) now", "our page", "", "/b?x=1&y=2" },
        { "see [our page](/a'b) now", "see our page now", "our page", "/a'b", "" },
        { "see [our **page**](/a) now", "see [*our* page](/b) here", "our page", "/a", "/b" },
        { "|[x](/a)|\n|---|\n|1|", "|[x](/b)|\n|---|\n|1|", "x", "/a", "/b" }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        diff = diffed(cases[i].a, cases[i].b, PV_DIFF_WORK);
        assert_holds(diff, cases[i].a, cases[i].b);
        assert_int_equal(pv_diff_same(diff), 0);

        links = pv_diff_links(diff, &n);
        assert_int_equal(n, 1);
        assert_int_equal(links->len, strlen(cases[i].words));
        assert_memory_equal(pv_diff_text(diff, 0).data + links->a, cases[i].words, links->len);
        assert_memory_equal(pv_diff_text(diff, 1).data + links->b, cases[i].words, links->len);
        assert_true(pv_str_eqs(links->from, cases[i].from));
        assert_true(pv_str_eqs(links->to, cases[i].to));
        pv_diff_free(diff);
    }

    diff = diffed("[a](/x) b", "[a](/x) c", PV_DIFF_WORK);
    assert_int_equal(pv_diff_stats(diff)->links, 0);
    pv_diff_free(diff);
}


static const char  staying[] = "What is kept here is longer than what moves.\n\nIt is of two paragraphs, and both "
                               "of them stay where they were.\n\nA third one.\n\nA fourth.";
static const char  moving[] = "The department responsible for personal information answers within thirty days.";


static void
test_moves(void **state)
{
    char                    a[1024], b[1024];
    pv_diff_t              *diff;
    const pv_diff_stats_t  *s;

    (void) state;

    /* As it is, with its heading. */
    snprintf(a, sizeof(a), "## Short\n\n%s\n\n%s", moving, staying);
    snprintf(b, sizeof(b), "%s\n\n## Short\n\n%s", staying, moving);
    diff = diffed(a, b, PV_DIFF_WORK);
    assert_holds(diff, a, b);
    s = pv_diff_stats(diff);
    assert_int_equal(s->blocks_moved, 2);
    assert_int_equal(s->moved, strlen(moving) + strlen("Short") + 2);
    assert_int_equal(s->inserted + s->deleted, 0);
    pv_diff_free(diff);

    /* Edited on the way. */
    snprintf(b, sizeof(b), "%s\n\n%.*ssixty days.", staying, (int) (sizeof(moving) - 13), moving);
    diff = diffed(a, b, PV_DIFF_WORK);
    assert_holds(diff, a, b);
    s = pv_diff_stats(diff);
    assert_int_equal(s->blocks_moved, 1);
    assert_int_equal(s->inserted, strlen("sixty"));
    pv_diff_free(diff);

    /* The lighter part moves, together: each by itself would be too short. */
    snprintf(a, sizeof(a), "%s\n\nshort words of some kind\n\nand some more such words", moving);
    snprintf(b, sizeof(b), "short words of some kind\n\nand some more such words\n\n%s", moving);
    diff = diffed(a, b, PV_DIFF_WORK);
    assert_holds(diff, a, b);
    assert_int_equal(pv_diff_stats(diff)->blocks_moved, 2);
    assert_int_equal(pv_diff_stats(diff)->blocks_unchanged, 1);
    pv_diff_free(diff);

    /* Too short to be called moved. */
    diff = diffed("gone\n\nx y\n\nz w\n\nu v", "x y\n\nz w\n\nu v\n\ngone", PV_DIFF_WORK);
    assert_int_equal(pv_diff_stats(diff)->blocks_moved, 0);
    pv_diff_free(diff);
}


/* A paragraph cut in two, or two put together: only that is marked. */
static void
test_splits(void **state)
{
#define FIRST   "You can withdraw your consent at any time."
#define SECOND  "The withdrawal takes effect at once, everywhere on the site and on all of your devices."
#define THIRD   "It costs the same effort as giving it."

    (void) state;

    assert_reads(FIRST " " SECOND, FIRST "\n\n" SECOND, FIRST "[- -]{+\xc2\xb6+}\n\n" SECOND "\n\n");
    assert_reads(FIRST "\n\n" SECOND, FIRST " " SECOND, FIRST "[-\xc2\xb6-]{+ +}" SECOND "\n\n");
    assert_reads(SECOND " " FIRST, SECOND "\n\n" FIRST, SECOND "[- -]{+\xc2\xb6+}\n\n" FIRST "\n\n");
    assert_reads(FIRST " " SECOND " " THIRD, FIRST "\n\n" SECOND "\n\n" THIRD,
                 FIRST "[- -]{+\xc2\xb6+}\n\n" SECOND "[- -]{+\xc2\xb6+}\n\n" THIRD "\n\n");

    /* Edited, too; and a link in each part that leads elsewhere. */
    assert_reads(FIRST " [x](/a) " SECOND " [y](/a)", FIRST " [x](/b)\n\nNow " SECOND " [y](/b)",
                 FIRST " x{+\xc2\xb6+} [link: now /b, before /a]\n\n{+Now+} " SECOND
                 " y [link: now /b, before /a]\n\n");
}


/* Rows by their cells; a column more is one cell in each row. */
static void
test_tables(void **state)
{
    (void) state;

    assert_reads("|name|days|\n|---|---|\n|sid|14|\n|lang|30|", "|name|days|\n|---|---|\n|sid|14|\n|lang|60|",
                 "name | days\nsid | 14\nlang | [-30-]{+60+}\n");
    assert_reads("|name|days|\n|---|---|\n|sid|14|", "|name|who|days|\n|---|---|---|\n|sid|we|14|",
                 "name{+ | who+} | days\nsid{+ | we+} | 14\n");
    assert_reads("|name|days|\n|---|---|\n|sid|14|", "|name|days|\n|---|---|\n|sid|14|\n|new cookie|1|",
                 "name | days\nsid | 14\n{+new cookie | 1+}\n");
}


static void
test_lists(void **state)
{
    (void) state;

    assert_reads("1. a one\n2. b two\n3. c three", "1. a one\n2. c three", " 1. a one\n 2. [-b two-]\n 2. c three\n");
    assert_reads("- a one\n  - b two", "- a one\n  - b two\n  - d four",
                 "  - a one\n      - b two\n      - {+d four+}\n");
}


/* Blocks of markdown from the pieces of one script. */
static void
random_text(pv_buf_t *out, const script_t *s, unsigned blocks)
{
    unsigned  n, words;

    static const char *const  begins[] = { "", "", "", "# ", "### ", "- ", "1. ", "> ", "  - ", "|x|y|\n|---|---|\n|",
                                           "    " };

    for (n = 0; n < blocks; n++) {
        pv_buf_puts(out, begins[any(sizeof(begins) / sizeof(begins[0]))]);

        for (words = 1 + any(30); words > 0; words--) {
            pv_buf_puts(out, piece(s));
            pv_buf_puts(out, any(20) == 0 ? "\n" : any(25) == 0 ? "  \n" : any(25) == 0 ? "|" : s->space);
        }

        pv_buf_puts(out, any(4) ? "\n\n" : "\n");
    }
}


static size_t
boundary(const pv_buf_t *b, size_t at)
{
    while (at < b->len && (b->data[at] & 0xc0) == 0x80) {
        at++;
    }

    return at;
}


/* Something replaced by something else, anywhere; or a stretch put elsewhere. */
static void
random_edit(pv_buf_t *text, const script_t *s)
{
    size_t    from, to, at;
    unsigned  n;
    pv_buf_t  out;

    pv_buf_init(&out, PV_BUNDLE_TEXT_MAX);
    from = boundary(text, any((unsigned) text->len + 1));
    to = boundary(text, from + any(any(4) ? 12 : 400));
    to = to > text->len ? text->len : to;

    if (any(5) == 0) {
        at = boundary(text, any((unsigned) from + 1));
        pv_buf_add(&out, text->data, at);
        pv_buf_add(&out, text->data + from, to - from);
        pv_buf_add(&out, text->data + at, from - at);

    } else {
        pv_buf_add(&out, text->data, from);
        for (n = any(4); n > 0; n--) {
            pv_buf_puts(&out, any(8) ? piece(s) : "\n\n");
            pv_buf_puts(&out, s->space);
        }
    }

    pv_buf_add(&out, text->data + to, text->len - to);
    pv_buf_free(text);
    *text = out;
}


/* Thousands of texts and what edits make of them: everything that has to hold, holds. */
static void
test_edited_texts(void **state)
{
    size_t           i;
    unsigned         n;
    pv_buf_t         a, b;
    pv_diff_t       *diff;
    const script_t  *s;

    (void) state;

    for (i = 0; i < EDITED_TEXTS; i++) {
        s = &scripts[i % SCRIPTS];
        pv_buf_init(&a, PV_BUNDLE_TEXT_MAX);
        pv_buf_init(&b, PV_BUNDLE_TEXT_MAX);
        random_text(&a, s, 1 + any(12));
        pv_buf_str(&b, (pv_str_t) { a.data, a.len });

        for (n = any(8); n > 0; n--) {
            random_edit(&b, s);
        }

        diff = diffed((const char *) a.data, b.data != NULL ? (const char *) b.data : "",
                      any(4) ? PV_DIFF_WORK : any(6000));
        assert_holds(diff, (const char *) a.data, b.data != NULL ? (const char *) b.data : "");
        pv_diff_free(diff);
        pv_buf_free(&a);
        pv_buf_free(&b);
    }
}


static size_t
common(const uint32_t *a, size_t n, const uint32_t *b, size_t m)
{
    size_t  i, k, length[SEQUENCE_MAX + 1][SEQUENCE_MAX + 1];

    memset(length, 0, sizeof(length));

    for (i = n; i-- > 0; /* void */) {
        for (k = m; k-- > 0; /* void */) {
            length[i][k] = a[i] == b[k] ? length[i + 1][k + 1] + 1
                           : length[i + 1][k] > length[i][k + 1] ? length[i + 1][k] : length[i][k + 1];
        }
    }

    return length[0][0];
}


/* Against the textbook's table: as short as can be, and what is not flagged is the same on both sides. */
static void
test_sequences(void **state)
{
    size_t     i, k, n, m, same, other;
    uint8_t    changed[2][SEQUENCE_MAX];
    uint32_t   a[SEQUENCE_MAX], b[SEQUENCE_MAX];
    unsigned   letters, limited;
    pv_work_t  work;

    (void) state;

    for (i = 0; i < SEQUENCES; i++) {
        n = any(SEQUENCE_MAX);
        m = any(SEQUENCE_MAX);
        letters = 1 + any(12);
        limited = any(4) == 0;
        memset(&work, 0, sizeof(work));
        memset(changed, 0, sizeof(changed));
        work.limit = limited ? any(60) : 1000 * 1000;

        for (k = 0; k < n; k++) {
            a[k] = any(letters);
        }

        for (k = 0; k < m; k++) {
            b[k] = k < n && any(3) ? a[k] : any(letters);
        }

        assert_int_equal(pv_sequence_diff(a, n, b, m, changed[0], changed[1], &work), PV_OK);

        for (same = 0, k = 0, other = 0; k < n; k++) {
            if (changed[0][k]) {
                continue;
            }
            for ( /* void */ ; other < m && changed[1][other]; other++) { /* void */ }
            assert_true(other < m);
            assert_int_equal(a[k], b[other]);
            other++;
            same++;
        }

        for ( /* void */ ; other < m; other++) {
            assert_true(changed[1][other]);
        }

        if (!limited) {
            assert_int_equal(same, common(a, n, b, m));
            assert_int_equal(work.over, 0);
        }
    }
}


/* What the clean-up marks of one paragraph, against the fewest characters that could be marked. */
static void
test_cleanup_bound(void **state)
{
    size_t                  i, k, n, m, kept, least, marked;
    uint32_t                a[SEQUENCE_MAX], b[SEQUENCE_MAX];
    pv_buf_t                x, y;
    unsigned                chinese, edits;
    pv_diff_t              *diff;
    const pv_diff_stats_t  *s;

    /* Words and characters of one length: the fewest tokens are the fewest characters. */
    static const char *const  words[] = { "aaa", "bbb", "ccc", "ddd", "eee", "fff", "ggg", "hhh", "iii", "jjj", "kkk",
                                          "lll", "mmm", "nnn", "ooo", "ppp", "qqq", "rrr", "sss", "ttt" };
    static const char *const  characters[] = { "甲", "乙", "丙", "丁", "戊", "己", "庚", "辛", "壬", "癸", "子", "丑",
                                               "寅", "卯", "辰", "巳", "午", "未", "申", "酉" };

    (void) state;

    for (i = 0; i < SEQUENCES; i++) {
        chinese = any(2);
        n = 20 + any(SEQUENCE_MAX - 20);
        pv_buf_init(&x, 4096);
        pv_buf_init(&y, 4096);

        for (k = 0; k < n; k++) {
            a[k] = any(20);
        }

        memcpy(b, a, sizeof(b));
        m = n;

        for (edits = 1 + any(5); edits > 0; edits--) {
            k = any((unsigned) m);

            switch (any(3)) {
            case 0:
                b[k] = any(20);
                break;
            case 1:
                memmove(b + k, b + k + 1, (m - k - 1) * sizeof(b[0]));
                m--;
                break;
            default:
                if (m < SEQUENCE_MAX) {
                    memmove(b + k + 1, b + k, (m - k) * sizeof(b[0]));
                    b[k] = any(20);
                    m++;
                }
            }
        }

        for (k = 0; k < n; k++) {
            pv_buf_printf(&x, "%s%s", k && !chinese ? " " : "", chinese ? characters[a[k]] : words[a[k]]);
        }

        for (k = 0; k < m; k++) {
            pv_buf_printf(&y, "%s%s", k && !chinese ? " " : "", chinese ? characters[b[k]] : words[b[k]]);
        }

        diff = diffed((const char *) x.data, (const char *) y.data, PV_DIFF_WORK);
        s = pv_diff_stats(diff);
        kept = common(a, n, b, m);
        least = n + m - 2 * kept;
        marked = (s->inserted + s->deleted) / (chinese ? 1 : 3);

        /* Spaces are counted with words: a quarter more. */
        if (marked > CLEANUP_BOUND * least * (chinese ? 4 : 5) / 4) {
            print_error("%zu marked, %zu are enough\n%s\n%s\n", marked, least, (char *) x.data, (char *) y.data);
            fail();
        }

        pv_diff_free(diff);
        pv_buf_free(&x);
        pv_buf_free(&y);
    }
}


/* Too little work: whole blocks, and right. None at all: the same. */
static void
test_work(void **state)
{
    pv_diff_t  *diff;
    uint64_t    work;

    static const char  a[] = "one two three\n\nfour five six\n\nsame here";
    static const char  b[] = "one 2 three\n\nfour 5 six\n\nsame here";

    (void) state;

    diff = diffed(a, b, PV_DIFF_WORK);
    work = pv_diff_stats(diff)->work;
    assert_int_equal(pv_diff_stats(diff)->limited, 0);
    assert_int_equal(pv_diff_stats(diff)->blocks_changed, 2);
    pv_diff_free(diff);

    diff = diffed(a, b, 0);
    assert_int_equal(pv_diff_stats(diff)->limited, 1);
    assert_int_equal(pv_diff_stats(diff)->blocks_unchanged, 1);
    assert_int_equal(pv_diff_stats(diff)->blocks_deleted, 2);
    assert_holds(diff, a, b);
    pv_diff_free(diff);

    for ( /* void */ ; work > 0; work--) {
        diff = diffed(a, b, work);
        assert_holds(diff, a, b);
        pv_diff_free(diff);
    }
}


/* What no renderer makes is taken as it can be, and gives a page that nests. */
static void
test_odd_html(void **state)
{
    size_t      i, k;
    pv_diff_t  *diff;

    static const char *const  texts[] = {
        "", "<", "<p", "text", "<p>a<p>b", "</ul>x</li>", "<li>a</li>", "<tr><td>a</td></tr>", "<td>a", "<ul>a<li>b",
        "<table><tr><td>a<p>b</td><td>c", "<table><p>a", "<em>a</p>b", "<a href=\"x\">a<a href=\"y\">b",
        "&amp;&#39;&x;&;",
        "<ul><li><ul><li><ul><li>deep", "<pre><code>a\r\nb\n\n\n</code></pre>", "<br><hr>x<br>", "<h1>a<h2>b",
        "<blockquote>a<ul><li>b</blockquote>c", "\x80\xff<p>\xe4\xb8",
        "<table><thead><tr><th>a</th></tr></thead></table>b"
    };

    (void) state;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        for (k = 0; k < sizeof(texts) / sizeof(texts[0]); k++) {
            diff = diffed_html(texts[i], strlen(texts[i]), texts[k], strlen(texts[k]), PV_DIFF_WORK);

            /* JSON says a stray byte as U+FFFD: that text cannot be made again from it. */
            if (strchr(texts[i], '\x80') == NULL && strchr(texts[k], '\x80') == NULL) {
                assert_holds(diff, texts[i], texts[k]);
            }

            assert_null(diff_apply_holds(diff));
            pv_diff_free(diff);
        }
    }
}


static void
test_deep(void **state)
{
    size_t      i;
    pv_buf_t    a, b;
    pv_diff_t  *diff;

    (void) state;

    pv_buf_init(&a, 1 << 20);
    pv_buf_init(&b, 1 << 20);

    for (i = 0; i < 1000; i++) {
        pv_buf_puts(&a, i % 3 ? "<ul><li>" : "<blockquote>");
        pv_buf_printf(&a, "a%zu", i);
    }

    pv_buf_str(&b, (pv_str_t) { a.data, a.len });
    b.data[a.len - 1] = 'x';

    diff = diffed_html((const char *) a.data, a.len, (const char *) b.data, b.len, PV_DIFF_WORK);
    assert_holds(diff, "deep", "deep");
    pv_diff_free(diff);
    pv_buf_free(&a);
    pv_buf_free(&b);
}


static int
says_html(pv_buf_t *out, const pv_diff_t *diff, const pv_redline_t *how)
{
    return pv_redline_html(out, diff, how, NULL);
}


static int
says_text(pv_buf_t *out, const pv_diff_t *diff, const pv_redline_t *how)
{
    return pv_redline_text(out, diff, how);
}


static int
says_json(pv_buf_t *out, const pv_diff_t *diff, const pv_redline_t *how)
{
    (void) how;

    return pv_diff_json(out, diff);
}


/* Memory ends at each allocation in turn: said so, nothing lost, nothing touched that is not there. */
static void
test_out_of_memory(void **state)
{
    int              rc;
    long             n, last;
    size_t           i;
    pv_buf_t         html[2], out;
    pv_diff_t       *diff;
    pv_redline_t     how = PV_REDLINE_DEFAULT;
    static int     (*const  says[])(pv_buf_t *, const pv_diff_t *, const pv_redline_t *) = { says_html, says_text,
                                                                                             says_json };

    (void) state;

    for (i = 0; i < 2; i++) {
        pv_buf_init(&html[i], PV_BUNDLE_HTML_MAX);
        pv_buf_puts(&html[i], "<h2>a</h2><table><tbody><tr><td>x</td><td>y z</td></tr></tbody></table>");
        for (n = 0; n < 200; n++) {
            pv_buf_printf(&html[i], "<p>p%ld one <a href=\"/x%zu\">two</a> %ld</p>", n % 90, i, n * (long) (i + 1));
        }
    }

    for (diff = NULL, n = 0, rc = PV_ERROR; rc != PV_OK; n++) {
        allocations = n;
        rc = pv_diff_create(&diff, diff_str(&html[0]), diff_str(&html[1]), PV_DIFF_WORK);
        allocations = -1;
        assert_true(rc == PV_OK || rc == PV_ERROR);
    }

#ifndef PRIVACY_SANITIZE
    assert_true(n > 20);
#endif

    for (i = 0; i < 3; i++) {
        for (last = 0, rc = PV_ERROR; rc != PV_OK; last++) {
            pv_buf_init(&out, PV_REDLINE_MAX);
            allocations = last;
            rc = says[i](&out, diff, &how);
            allocations = -1;
            assert_true(rc == PV_OK || rc == PV_ERROR);
            pv_buf_free(&out);
        }
    }

    pv_diff_free(diff);
    pv_buf_free(&html[0]);
    pv_buf_free(&html[1]);
}


/* More blocks than are told apart: the rest is one, line by line. */
static void
test_many_blocks(void **state)
{
    size_t                  i;
    pv_buf_t                a, b;
    pv_diff_t              *diff;
    const pv_diff_stats_t  *s;

    (void) state;

    pv_buf_init(&a, 1 << 20);
    pv_buf_init(&b, 1 << 20);

    for (i = 0; i < PV_BLOCKS_MAX + 500; i++) {
        pv_buf_printf(&a, i % 7 ? "<p>p%zu</p>" : "<table><tbody><tr><td>p%zu</td></tr></tbody></table>", i);
        pv_buf_printf(&b, i % 7 ? "<p>p%zu</p>" : "<h2>p%zu</h2>", i == PV_BLOCKS_MAX + 300 ? 1 : i);
    }

    diff = diffed_html((const char *) a.data, a.len, (const char *) b.data, b.len, PV_DIFF_WORK);
    assert_holds(diff, "many", "blocks");
    s = pv_diff_stats(diff);
    assert_int_equal(s->blocks_unchanged + s->blocks_changed + s->blocks_inserted, PV_BLOCKS_MAX);
    pv_diff_free(diff);
    pv_buf_free(&a);
    pv_buf_free(&b);
}


static void
test_too_large(void **state)
{
    pv_diff_t  *diff;
    pv_str_t    huge = { (const unsigned char *) "", PV_DIFF_HTML_MAX + 1 };

    (void) state;

    assert_int_equal(pv_diff_create(&diff, huge, pv_str(""), PV_DIFF_WORK), PV_INVALID);
    assert_int_equal(pv_diff_create(&diff, pv_str(""), huge, PV_DIFF_WORK), PV_INVALID);
}


static void
test_apply_refuses(void **state)
{
    pv_buf_t    out;
    pv_diff_t  *diff;

    (void) state;

    diff = diffed("a b c", "a x c", PV_DIFF_WORK);
    pv_buf_init(&out, 64);
    assert_int_equal(pv_diff_apply(&out, diff, pv_str("a b"), 0), PV_INVALID);
    assert_int_equal(pv_diff_apply(&out, diff, pv_str("a q c\n"), 0), PV_INVALID);
    assert_int_equal(pv_diff_apply(&out, diff, pv_str("a b c\n"), 1), PV_INVALID);
    pv_buf_free(&out);
    pv_diff_free(diff);
}


static void
test_json(void **state)
{
    pv_buf_t    json;
    pv_diff_t  *diff;

    (void) state;

    diff = diffed("a [b](/x) c", "a [b](/y) \"d\"", PV_DIFF_WORK);
    pv_buf_init(&json, PV_DIFF_JSON_MAX);
    assert_int_equal(pv_diff_json(&json, diff), PV_OK);
    assert_string_equal((const char *) json.data,
        "{\"unit\":\"bytes\",\"same\":false,\"limited\":false,"
        "\"characters\":{\"a\":6,\"b\":8,\"inserted\":3,\"deleted\":1,\"moved\":0},"
        "\"blocks\":{\"unchanged\":0,\"changed\":1,\"inserted\":0,\"deleted\":0,\"moved\":0},"
        "\"links\":[{\"a\":2,\"b\":2,\"length\":1,\"from\":\"/x\",\"to\":\"/y\"}],"
        "\"script\":[{\"op\":\"equal\",\"a\":0,\"b\":0,\"length\":4},"
        "{\"op\":\"delete\",\"a\":4,\"length\":1,\"text\":\"c\"},"
        "{\"op\":\"insert\",\"b\":4,\"length\":3,\"text\":\"\\\"d\\\"\"},"
        "{\"op\":\"equal\",\"a\":5,\"b\":7,\"length\":1}]}");
    pv_buf_free(&json);
    pv_diff_free(diff);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_formatting),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_splits),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_sequences),
        cmocka_unit_test(test_edited_texts),
        cmocka_unit_test(test_cleanup_bound),
        cmocka_unit_test(test_work),
        cmocka_unit_test(test_odd_html),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_many_blocks),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_apply_refuses),
        cmocka_unit_test(test_json)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
