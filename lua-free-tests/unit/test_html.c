/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * The documents are in html/: each is written with markers where insertions
 * are expected ([[HEAD]], [[BODY]], [[END]], [[policy]] ...); without them it
 * is the input.
 */

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "html_driver.h"


#define WANT_ALL  (PV_HTML_WANT_HEAD|PV_HTML_WANT_BODY|PV_HTML_WANT_END|PV_HTML_WANT_MARKED)
#define PIECES    12

typedef struct {
    char         name[64];
    html_text_t  expected;
    html_text_t  input;
} document_t;

static document_t  documents[256];
static size_t      documents_count;
static uint64_t    seed = 88172645463325252u;


static size_t
any(size_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;

    return (size_t) ((seed >> 16) % below);
}


static html_text_t
without_markers(html_text_t text)
{
    size_t       i, m;
    html_text_t  out = { NULL, 0 };

    static const char *const  markers[] = { "[[HEAD]]", "[[BODY]]", "[[END]]", "[[policy]]", "[[cookies]]",
        "[[settings]]", "[[version]]", "[[changes]]", "[[SOURCE]]" };

    html_add(&out, "", 0);

    for (i = 0; i < text.len; /* void */ ) {
        for (m = 0; m < sizeof(markers) / sizeof(markers[0]); m++) {
            if (text.len - i >= strlen(markers[m]) && memcmp(text.data + i, markers[m],
                strlen(markers[m])) == 0) {
                break;
            }
        }

        if (m < sizeof(markers) / sizeof(markers[0])) {
            i += strlen(markers[m]);

        } else {
            html_add(&out, text.data + i++, 1);
        }
    }

    return out;
}


static int
load(void **state)
{
    DIR            *dir;
    FILE           *file;
    char            folder[300], path[512], chunk[4096];
    size_t          n;
    document_t     *d;
    struct dirent  *entry;

    (void) state;

    assert_true(strlen(__FILE__) < 256);
    snprintf(folder, sizeof(folder), "%.*shtml", (int) (strrchr(__FILE__, '/') - __FILE__ + 1), __FILE__);
    dir = opendir(folder);
    assert_non_null(dir);

    while ((entry = readdir(dir)) != NULL) {
        if (strstr(entry->d_name, ".html") == NULL || strlen(entry->d_name) >= sizeof(documents[0].name)) {
            continue;
        }

        assert_true(documents_count < sizeof(documents) / sizeof(documents[0]));
        d = &documents[documents_count++];
        memcpy(d->name, entry->d_name, strlen(entry->d_name) + 1);

        snprintf(path, sizeof(path), "%.299s/%.63s", folder, d->name);
        file = fopen(path, "rb");
        assert_non_null(file);
        html_add(&d->expected, "", 0);

        while ((n = fread(chunk, 1, sizeof(chunk), file)) != 0) {
            html_add(&d->expected, chunk, n);
        }

        fclose(file);
        d->input = without_markers(d->expected);
    }

    closedir(dir);
    assert_true(documents_count >= 60);

    return 0;
}


static int
unload(void **state)
{
    (void) state;

    while (documents_count != 0) {
        documents_count--;
        free(documents[documents_count].expected.data);
        free(documents[documents_count].input.data);
    }

    return 0;
}


static void
same(const char *name, html_text_t got, html_text_t want)
{
    if (got.len != want.len || memcmp(got.data, want.data, want.len) != 0) {
        print_error("%s: got\n%.*s\nwanted\n%.*s\n", name, (int) got.len, got.data, (int) want.len,
            want.data);
    }

    assert_int_equal(got.len, want.len);
    assert_memory_equal(got.data, want.data, want.len);
    free(got.data);
}


static void
test_one_piece(void **state)
{
    size_t  i, bad;

    (void) state;

    for (i = 0, bad = 0; i < documents_count; i++) {
        html_text_t  got = html_run(documents[i].input.data, documents[i].input.len, WANT_ALL, NULL, 0, 0, 1);

        if (got.len != documents[i].expected.len || memcmp(got.data, documents[i].expected.data,
            got.len) != 0) {
            print_error("%s: got\n%.*s\n", documents[i].name, (int) got.len, got.data);
            bad++;
        }

        free(got.data);
    }

    assert_int_equal(bad, 0);
}


static void
test_every_split(void **state)
{
    size_t       i, at, sizes[2];
    document_t  *d;

    (void) state;

    for (i = 0; i < documents_count; i++) {
        d = &documents[i];

        for (at = 0; at <= d->input.len; at++) {
            sizes[0] = at;
            same(d->name, html_run(d->input.data, d->input.len, WANT_ALL, sizes, 1, 0, 1), d->expected);

            /* and with the byte behind it alone */
            sizes[1] = 1;
            same(d->name, html_run(d->input.data, d->input.len, WANT_ALL, sizes, 2, 0, 1), d->expected);
        }
    }
}


static void
random_sizes(size_t *sizes, size_t *n, size_t len)
{
    size_t  i, longest;

    *n = any(PIECES);
    longest = any(2) ? 4 : 2 * len / PIECES + 2;

    for (i = 0; i < *n; i++) {
        sizes[i] = any(longest);
    }
}


static void
test_random_splits(void **state)
{
    size_t       i, round, n, sizes[PIECES];
    document_t  *d;

    (void) state;

    for (i = 0; i < documents_count; i++) {
        d = &documents[i];

        for (round = 0; round < 500; round++) {
            random_sizes(sizes, &n, d->input.len);

            /* often right where the markers are: the beginning of the document is skipped in one go */
            if (n != 0 && any(2)) {
                sizes[0] = any(d->input.len + 1);
            }

            same(d->name, html_run(d->input.data, d->input.len, WANT_ALL, sizes, n, 0, 1), d->expected);
        }
    }
}


/* Nothing held for longer: insertions may move, bytes may not, and none comes twice. */
static void
test_flushed(void **state)
{
    size_t         i, round, n, sizes[PIECES];
    document_t    *d;
    html_text_t    got;
    unsigned char *head;
    unsigned long  flush;

    (void) state;

    for (i = 0; i < documents_count; i++) {
        d = &documents[i];

        for (round = 0; round < 300; round++) {
            random_sizes(sizes, &n, d->input.len);
            flush = any((size_t) 1 << 31);

            got = html_run(d->input.data, d->input.len, WANT_ALL, sizes, n, flush, 1);
            same(d->name, without_markers(got), d->input);

            head = memmem(got.data, got.len, "[[BODY]]", 8);

            if (head != NULL) {
                head += 8;
                assert_null(memmem(head, got.len - (size_t) (head - got.data), "[[BODY]]", 8));
            }

            free(got.data);
        }
    }
}


/* What is wanted decides what is found, not where. */
static void
test_wants(void **state)
{
    size_t       i;
    unsigned     want;
    document_t  *d;
    html_text_t  got;

    (void) state;

    for (i = 0; i < documents_count; i++) {
        d = &documents[i];

        for (want = 0; want < 32; want++) {
            got = html_run(d->input.data, d->input.len, want, NULL, 0, 0, 1);
            same(d->name, without_markers(got), d->input);

            if (want & PV_HTML_WANT_BODY) {
                assert_int_equal(memmem(got.data, got.len, "[[BODY]]", 8) != NULL,
                                 memmem(d->expected.data, d->expected.len, "[[BODY]]", 8) != NULL);

            } else {
                assert_null(memmem(got.data, got.len, "[[BODY]]", 8));
            }

            free(got.data);
        }
    }
}


static void
test_rest_is_not_read(void **state)
{
    pv_html_t        h;
    pv_str_t         piece;

    static const unsigned char  page[] = "<html><head><title>t</title></head><body class=x>text</body>";
    static const unsigned char  more[] = "<body>more";

    (void) state;

    pv_html_init(&h, PV_HTML_WANT_HEAD|PV_HTML_WANT_BODY);
    pv_html_feed(&h, page, sizeof(page) - 1, 0);

    assert_int_equal(pv_html_next(&h, &piece), PV_HTML_BYTES);
    assert_int_equal(pv_html_next(&h, &piece), PV_HTML_HEAD_START);
    assert_int_equal(pv_html_next(&h, &piece), PV_HTML_BYTES);
    assert_int_equal(pv_html_next(&h, &piece), PV_HTML_BODY_START);
    assert_int_equal(pv_html_next(&h, &piece), PV_HTML_REST);
    assert_int_equal(piece.len, 11);
    assert_memory_equal(piece.data, "text</body>", 11);
    assert_int_equal(pv_html_next(&h, &piece), PV_HTML_MORE);

    pv_html_feed(&h, more, sizeof(more) - 1, 1);
    assert_int_equal(pv_html_next(&h, &piece), PV_HTML_REST);
    assert_int_equal(piece.len, sizeof(more) - 1);
    assert_int_equal(pv_html_next(&h, &piece), PV_HTML_MORE);
}


static void
test_frameset(void **state)
{
    pv_html_t     h;
    html_text_t   out = { NULL, 0 };

    static const unsigned char  page[] = "<html><head></head><frameset cols=2><frame src=a></frameset></html>";

    (void) state;

    pv_html_init(&h, WANT_ALL);
    pv_html_feed(&h, page, sizeof(page) - 1, 1);
    assert_false(pv_html_is_frameset(&h));
    html_drain(&h, &out, 0);
    assert_true(pv_html_is_frameset(&h));
    free(out.data);
}


static void
test_sources(void **state)
{
    html_text_t  got;

    static const char  page[] = "<body><img alt=x src='a>b'><a href=x><script src=s></script><link rel=x HREF=\"h\">"
                                "<object data=d></object><p src=x><svg><image href=x></svg><img>";
    static const char  want[] = "<body><img alt=x src='a>b'>[[SOURCE]]<a href=x><script src=s>[[SOURCE]]</script>"
                                "<link rel=x HREF=\"h\">[[SOURCE]]<object data=d>[[SOURCE]]</object><p src=x><svg>"
                                "<image href=x></svg><img>";

    (void) state;

    got = html_run((const unsigned char *) page, sizeof(page) - 1, PV_HTML_WANT_SOURCES, NULL, 0, 0, 1);
    assert_int_equal(got.len, sizeof(want) - 1);
    assert_memory_equal(got.data, want, got.len);
    free(got.data);
}


/* Random mixtures of what pages are made of; every fast path has to read them as the tokenizer alone does. */
static void
random_page(html_text_t *page, size_t parts)
{
    size_t  i;

    static const char *const  words[] = {
        "<div class=\"a b\">", "</div>", "<p>", "</p>", "text ", "it's \"quoted\" = text ",
        "<a href=\"/x?y=1&z>2\">",
        "<a href='/x\"y'>", "</a>", "<img src=x alt=\"a>b\">", "<br/>", "<input disabled value=\"<body>\">",
        "<div data-privacy=\"policy\">", "<span data-privacy='version' id=\"x\">",
        "<DIV DATA-PRIVACY=settings>",
        "<div title=\"data-privacy=\" class=\"x\">",
        "<div data-page=\"1\" class=\"very long class list to pass the sixty-four bytes of a word\" id=\"x\">",
        "<script>if (a < b) '</body>'</script>", "<!-- <div -->",
        "<style>a>b{}</style>", "<svg><path d=\"M0 0\"/></svg>",
        "<template><div data-privacy=\"policy\"></template>",
        "<div =\"x>y\">", "<div a=b=\"c>d\">", "<div=\"x>", "<div a =\"x>y\">", "<div a= \"x>y\">",
        "<div a=\"b\"c=\"d>\">",
        "<div a=\"b\"=\"d>\">", "<div/a=\"b>\">", "<div /=\"b>\">", "<div a\"b=\"c>\">", "</div a=\"x>y\">",
        "< ", "<", ">",
        "\"", "'", "=", "<a b=c\"d e=\"f>g\">", "<a b='\"' c=\"x>y\">", "<textarea>", "</textarea>", "-",
        "p", "<x-p y>",
        "\n    ", "<td data-privacy=\"cookies\">", "<select data-privacy=\"cookies\">", "<div a==\"x>y\">",
        "<!x>", "</>", "<b\1a=\"x>y\">", "<b\1a b=\"c>d\">",
        "<ul class=\"a-b\" data-p=\"1\"><li>", "<div\tdata-privacy\n=\n\"changes\"\n>",
        "<div a data-privacy=\"policy\"/>",
    };

    html_add(page, "<body>", 6);

    for (i = 0; i < parts; i++) {
        const char  *word = words[any(sizeof(words) / sizeof(words[0]))];

        html_add(page, word, strlen(word));
    }
}


static void
test_fast_paths(void **state)
{
    size_t       round, i, n, sizes[PIECES];
    html_text_t  page, plain;

    static const char *const  ways[] = { "portable", "sse2", "avx2" };

    (void) state;

    for (round = 0; round < 1000; round++) {
        page = (html_text_t) { NULL, 0 };
        random_page(&page, round % 100 == 0 ? 2000 : any(200));

        pv_html_scan_use("none");
        plain = html_run(page.data, page.len, WANT_ALL, NULL, 0, 0, 1);
        same("bytes", without_markers(plain), page);

        for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
            if (pv_html_scan_use(ways[i])) {
                same(ways[i], html_run(page.data, page.len, WANT_ALL, NULL, 0, 0, 1), plain);

                random_sizes(sizes, &n, page.len);
                same(ways[i], html_run(page.data, page.len, WANT_ALL, sizes, n, 0, 1), plain);
            }
        }

        free(plain.data);
        free(page.data);
    }

    pv_html_scan_use(NULL);
}


/* Tags of nothing but the bytes that their form hangs on; marks behind them show where they were read to end. */
static void
random_tags(html_text_t *page, size_t tags)
{
    size_t       length, kinds;
    const char  *part;

    static const char *const  bytes[] = { "\"", "=", " ", "a", "'", "/", "<", "-p", "\vb=\"", "\1b='", "\n",
        "=\"", "='", " b=\"", " b='", "\xE9", "!" };
    static const char *const  ends[] = { ">", ">", "\">", "'>", "/>", " >", ">t\">", ">t'>" };
    static const char *const  marks[] = { "<p data-privacy=policy>", "<b data-privacy='version'>", "<i>", "", "t",
        "it's ", "</p>", "<script>\"</script>" };

    for ( /* void */ ; tags != 0; tags--) {
        html_add(page, "</", 1 + any(2));
        html_add(page, "a b", 1 + any(3));
        kinds = 5 + any(sizeof(bytes) / sizeof(bytes[0]) - 4);

        for (length = any(10); length != 0; length--) {
            part = bytes[any(kinds)];
            html_add(page, part, strlen(part));
        }

        part = ends[any(sizeof(ends) / sizeof(ends[0]))];
        html_add(page, part, strlen(part));

        for (length = any(3); length != 0; length--) {
            part = marks[any(sizeof(marks) / sizeof(marks[0]))];
            html_add(page, part, strlen(part));
        }
    }
}


static void
test_fast_paths_by_bytes(void **state)
{
    size_t       round, i;
    html_text_t  page, plain;

    static const char *const  ways[] = { "portable", "sse2", "avx2" };

    (void) state;

    for (round = 0; round < 20000; round++) {
        page = (html_text_t) { NULL, 0 };
        html_add(&page, "<body>", 6);
        random_tags(&page, 1 + any(12));
        html_add(&page, "<p data-privacy=policy>", 23);
        random_tags(&page, 3);

        pv_html_scan_use("none");
        plain = html_run(page.data, page.len, WANT_ALL, NULL, 0, 0, 1);

        for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
            if (pv_html_scan_use(ways[i])) {
                same(ways[i], html_run(page.data, page.len, WANT_ALL, NULL, 0, 0, 1), plain);
            }
        }

        free(plain.data);
        free(page.data);
    }

    pv_html_scan_use(NULL);
}


/* What a head mostly holds is skipped at once: also in pieces, whatever else stands between. */
static void
test_fast_heads(void **state)
{
    size_t       i, round, n, sizes[PIECES];
    const char  *part;
    html_text_t  page, plain;

    static const char *const  parts[] = {
        "<meta charset=utf-8>", "<META name='a > b'\tcontent=\"</title>\"/>", "<meta>",
        "<link rel=x href=\"/a<b\">", "<link", "<linkx>", "<metal>", "<meta/a='>'>", "<title>a<b></titlex></title >",
        "<Title>x</tITLE a='>'>", "<title>t</title", "<script>if (a < b && c > d) { '</div>' }</script>",
        "<script><!-- <script> </script> --></script>", "<script src='>'></SCRIPT/>", "<script>'<!'</script>",
        "<script>",
        "</script>", "<style>a > b { content: '</' }</style>", "<style></style><style></style>", "<styles>", "</style>",
        "<!-- <body> -->", "\n  ", " ", "<noscript><body></noscript>", "<template><meta></template>", "<base href='/'>",
        "<svg><title><p></title></svg>", "text", "</head>", "<p data-privacy=policy>", "<body a='>'>", "<m", "<s",
        "<", "'"
    };

    (void) state;

    for (round = 0; round < 30000; round++) {
        page = (html_text_t) { NULL, 0 };
        html_add(&page, round & 1 ? "<head>" : "<!doctype html>\n<meta>", round & 1 ? 6 : 22);

        for (i = any(12); i != 0; i--) {
            /* what ends a head less often */
            part = parts[any(any(4) != 0 ? 23 : sizeof(parts) / sizeof(parts[0]))];
            html_add(&page, part, strlen(part));
        }

        pv_html_scan_use("none");
        plain = html_run(page.data, page.len, WANT_ALL, NULL, 0, 0, 1);
        pv_html_scan_use(NULL);

        same("a head", html_run(page.data, page.len, WANT_ALL, NULL, 0, 0, 1), plain);
        random_sizes(sizes, &n, page.len);
        same("a head in pieces", html_run(page.data, page.len, WANT_ALL, sizes, n, 0, 1), plain);

        free(plain.data);
        free(page.data);
    }
}


/* Offset behind the first name in the pieces of that many bytes, or 0. */
static size_t
search(const unsigned char *data, size_t len, size_t first, size_t each)
{
    size_t             n;
    pv_str_t           piece;
    unsigned char     *copy;
    pv_html_search_t   s;

    pv_html_search_init(&s);

    for (n = first; len != 0; n = each) {
        n = n > len ? len : n;
        copy = malloc(n ? n : 1);           /* a block of its own: a byte read too far is seen */
        memcpy(copy, data, n);
        piece.data = copy;
        piece.len = n;

        if (pv_html_search(&s, piece)) {
            free(copy);
            return s.found;
        }

        free(copy);
        data += n;
        len -= n;
    }

    return 0;
}


static void
search_everywhere(void)
{
    size_t         at, first, each;
    unsigned char  text[300];

    static const char  names[3][13] = { "data-privacy", "DATA-PRIVACY", "Data-prIvacy" };

    for (at = 0; at + 12 <= sizeof(text); at++) {
        memset(text, '-', sizeof(text));
        memcpy(text + at, names[at % 3], 12);

        /* near misses before it */
        if (at >= 40) {
            memcpy(text + at - 40, "data-privac!data_privacy-pdata-privacx", 38);
        }

        for (each = 1; each <= 13; each++) {
            assert_int_equal(search(text, sizeof(text), each, each), at + 12);
        }

        for (first = 0; first <= sizeof(text); first++) {
            assert_int_equal(search(text, sizeof(text), first, sizeof(text)), at + 12);
        }

        for (each = 0; each < 12; each++) {
            text[at + each] ^= 1;
            assert_int_equal(search(text, sizeof(text), sizeof(text), 1), 0);
            assert_int_equal(search(text, sizeof(text), 7, 7), 0);
            text[at + each] ^= 1;
        }

        /* a name that is not complete */
        assert_int_equal(search(text, at + 11, sizeof(text), 1), 0);
        assert_int_equal(search(text, at + 11, 5, 5), 0);
    }
}


static void
test_search(void **state)
{
    size_t  i;

    static const char *const  ways[] = { "portable", "sse2", "avx2" };

    (void) state;

    for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        if (pv_html_scan_use(ways[i])) {
            search_everywhere();
        }
    }

    pv_html_scan_use(NULL);
}


/*
 * A caller who looks ahead, as the page filter does, wherever he may: at the
 * start of a piece and behind each insertion. Nothing comes out otherwise.
 */
static html_text_t
looking_ahead(const unsigned char *data, size_t len, size_t size, unsigned *given_up)
{
    size_t             n, left;
    int                event;
    char               marker[32];
    pv_str_t           piece, ahead;
    pv_html_t          h;
    html_text_t        out = { NULL, 0 };
    pv_html_search_t   s;

    pv_html_init(&h, PV_HTML_WANT_HEAD|PV_HTML_WANT_BODY|PV_HTML_WANT_MARKED);
    html_add(&out, "", 0);

    for (left = len; left != 0; left -= n) {
        n = left < size ? left : size;
        pv_html_feed(&h, data + len - left, n, n == left);
        event = PV_HTML_MORE;

        do {
            if (pv_html_only_marks(&h, &ahead)) {
                ahead.len += left - n;
                pv_html_search_init(&s);

                if (!pv_html_search(&s, ahead)) {
                    pv_html_no_marks(&h);
                    (*given_up)++;
                }
            }

            event = pv_html_next(&h, &piece);

            if (event == PV_HTML_BYTES || event == PV_HTML_REST) {
                html_add(&out, piece.data, piece.len);

            } else if (event != PV_HTML_MORE) {
                snprintf(marker, sizeof(marker), "[[%s]]", event == PV_HTML_HEAD_START ? "HEAD"
                         : event == PV_HTML_BODY_START ? "BODY" : html_marked[h.marked]);
                html_add(&out, marker, strlen(marker));
            }

        } while (event != PV_HTML_MORE);
    }

    return out;
}


static void
test_looking_ahead(void **state)
{
    size_t       i, size;
    unsigned     given_up;
    document_t  *d;
    html_text_t  whole;

    (void) state;

    for (i = 0, given_up = 0; i < documents_count; i++) {
        d = &documents[i];
        whole = html_run(d->input.data, d->input.len, WANT_ALL & ~(unsigned) PV_HTML_WANT_END, NULL, 0, 0, 1);

        for (size = 1; d->input.len != 0 && size <= d->input.len + 1; size++) {
            same(d->name, looking_ahead(d->input.data, d->input.len, size, &given_up), whole);
        }

        free(whole.data);
    }

    assert_true(given_up > 1000);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_one_piece),
        cmocka_unit_test(test_every_split),
        cmocka_unit_test(test_random_splits),
        cmocka_unit_test(test_flushed),
        cmocka_unit_test(test_wants),
        cmocka_unit_test(test_rest_is_not_read),
        cmocka_unit_test(test_frameset),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_fast_paths),
        cmocka_unit_test(test_fast_paths_by_bytes),
        cmocka_unit_test(test_fast_heads),
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_looking_ahead),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
