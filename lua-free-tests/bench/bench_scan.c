/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * The HTML machine reading a whole page for marked elements, against hopping
 * from '<' to '<' with memchr() through the same page: seconds a pass, paired
 * and interleaved in one process. One line a figure, tab separated:
 *
 *     name  ours  baseline  ratio (median)  first quartile  third quartile
 *
 * bench_scan [FILE]   measures that page instead of the generated one.
 * bench_scan -g SIZE  writes the generated page of that size to standard output.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pv_html_token.h"

#define PAIRS   101
#define PASSES  4

typedef struct {
    unsigned char  *data;
    size_t          len;
    size_t          size;
} page_t;

static uint64_t         seed = 88172645463325252u;
static volatile size_t  sink;


static unsigned
any(unsigned below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;

    return (unsigned) ((seed >> 16) % below);
}


static void
put(page_t *page, const char *text)
{
    size_t  len;

    len = strlen(text);

    if (page->len + len > page->size) {
        page->size = (page->len + len) * 2;
        page->data = realloc(page->data, page->size);

        if (page->data == NULL) {
            abort();
        }
    }

    memcpy(page->data + page->len, text, len);
    page->len += len;
}


static void
words(page_t *page, unsigned n)
{
    static const char *const  list[] = { "the ", "of ", "privacy ", "it's ", "item ", "price ", "\"new\" ",
        "and ", "page ",
        "more ", "a ", "settings ", "\xE9\x9A\x90\xE7\xA7\x81 ", "2026 ", "about ", "view " };

    while (n--) {
        put(page, list[any(16)]);
    }
}


/* A list page, as shops and portals have them: nested blocks, links, images, some scripts, comments,
    forms. */
static void
block(page_t *page, unsigned i)
{
    char  text[256];

    switch (any(12)) {

    case 0:
        snprintf(text, sizeof(text), "<div class=\"card card-%u\"><img src=\"/i/%u.jpg\" alt=\"item %u\">",
            i % 7, i, i);
        put(page, text);
        put(page, "<h3>");
        words(page, 5 + any(10));
        put(page, "</h3><p>");
        words(page, 4 + any(16));
        put(page, "</p></div>\n");
        break;

    case 1:
        put(page, "<ul class=\"nav\">\n");

        for (i = any(6) + 1; i != 0; i--) {
            put(page, "  <li><a href=\"/category/list\">");
            words(page, 2 + any(4));
            put(page, "</a></li>\n");
        }

        put(page, "</ul>\n");
        break;

    case 2:
        put(page, "<table><tbody>");

        for (i = any(5) + 1; i != 0; i--) {
            put(page, "<tr><td class=\"n\">");
            words(page, 3 + any(8));
            put(page, "</td><td>");
            words(page, 3 + any(8));
            put(page, "</td></tr>\n");
        }

        put(page, "</tbody></table>\n");
        break;

    case 3:
        if (any(4) == 0) {
            put(page,
                "<script>window.q = window.q || []; q.push({\"id\": 1, \"html\": \"<div class='x'></div>\"});\n"
                      "if (q.length < 3) { q.push('b'); }</script>\n");
            break;
        }

        put(page, "<p class=\"lead\">");
        words(page, 10 + any(20));
        put(page, "<br>");
        words(page, 6 + any(8));
        put(page, "</p>\n");
        break;

    case 4:
        if (any(4) == 0) {
            put(page, "<!-- section: more items -->\n");
        }

        put(page,
            "<form action=\"/search\" method=\"get\"><input type=\"text\" name=\"q\" value=\"\" placeholder=\"Search...\">"
                  "<button type=\"submit\">Go</button></form>\n");
        break;

    default:
        put(page, "<span>");
        words(page, 5 + any(10));
        put(page, "</span> <b>");
        words(page, 3 + any(4));
        put(page, "</b> <a href=\"/p/");
        snprintf(text, sizeof(text), "%u\" title=\"", i);
        put(page, text);
        words(page, 1);
        put(page, "\"><em>");
        words(page, 5 + any(10));
        put(page, "</em></a>\n");
    }
}


static void
generate(page_t *page, size_t size)
{
    unsigned  i;

    put(page, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Items</title>\n"
              "<link rel=\"stylesheet\" href=\"/s.css\">\n</head>\n<body class=\"home\">\n");

    for (i = 0; page->len + 400 < size; i++) {
        block(page, i);
    }

    put(page, "<div data-privacy=\"policy\"></div>\n</body>\n</html>\n");
}


static double
now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);

    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}


static double
hop(const page_t *page)
{
    size_t                n;
    double                start;
    unsigned              pass;
    const unsigned char  *p, *end;

    start = now();

    for (pass = 0; pass < PASSES; pass++) {
        end = page->data + page->len;
        n = 0;

        for (p = page->data; (p = memchr(p, '<', (size_t) (end - p))) != NULL; p++) {
            n++;
        }

        sink += n;
    }

    return (now() - start) / PASSES;
}


/* In pieces of 32 KB, as a proxied body comes. */
static double
read_page(const page_t *page)
{
    size_t           at, len, n;
    double           start;
    unsigned         pass;
    pv_str_t         piece;
    pv_html_t        h;
    pv_html_event_t  event;

    start = now();

    for (pass = 0; pass < PASSES; pass++) {
        n = 0;
        pv_html_init(&h, PV_HTML_WANT_HEAD|PV_HTML_WANT_BODY|PV_HTML_WANT_MARKED);

        for (at = 0; at < page->len; at += len) {
            len = page->len - at < 32768 ? page->len - at : 32768;
            pv_html_feed(&h, page->data + at, len, at + len == page->len);

            while ((event = pv_html_next(&h, &piece)) != PV_HTML_MORE) {
                n += piece.len + (event == PV_HTML_MARKED);
            }
        }

        if (n < page->len) {
            abort();
        }

        sink += n;
    }

    return (now() - start) / PASSES;
}


static int
by_size(const void *a, const void *b)
{
    double  x = *(const double *) a, y = *(const double *) b;

    return (x > y) - (x < y);
}


static void
measure(const char *name, const page_t *page)
{
    unsigned       i;
    static double  ours[PAIRS], base[PAIRS], ratio[PAIRS];

    for (i = 0; i < PAIRS; i++) {
        if (i & 1) {
            ours[i] = read_page(page);
            base[i] = hop(page);

        } else {
            base[i] = hop(page);
            ours[i] = read_page(page);
        }

        ratio[i] = ours[i] / base[i];
    }

    qsort(ours, PAIRS, sizeof(double), by_size);
    qsort(base, PAIRS, sizeof(double), by_size);
    qsort(ratio, PAIRS, sizeof(double), by_size);

    printf("%s\t%.9f\t%.9f\t%.3f\t%.3f\t%.3f\n", name, ours[PAIRS / 2], base[PAIRS / 2], ratio[PAIRS / 2],
           ratio[PAIRS / 4], ratio[PAIRS * 3 / 4]);
}


int
main(int argc, char **argv)
{
    FILE           *file;
    page_t          page = { NULL, 0, 0 };
    unsigned char   chunk[4096];
    size_t          n;

    if (argc == 3 && strcmp(argv[1], "-g") == 0) {
        generate(&page, (size_t) strtoul(argv[2], NULL, 10));
        fwrite(page.data, 1, page.len, stdout);
        free(page.data);
        return 0;
    }

    if (argc == 2) {
        file = fopen(argv[1], "rb");

        if (file == NULL) {
            perror(argv[1]);
            return 1;
        }

        while ((n = fread(chunk, 1, sizeof(chunk), file)) != 0) {
            page.data = realloc(page.data, page.len + n);

            if (page.data == NULL) {
                abort();
            }

            memcpy(page.data + page.len, chunk, n);
            page.len += n;
        }

        fclose(file);

    } else {
        generate(&page, 1024 * 1024);
    }

    measure("page.scan.memchr", &page);

    if (pv_html_scan_use("sse2")) {
        measure("page.scan.memchr.sse2", &page);
    }

    pv_html_scan_use("portable");
    measure("page.scan.memchr.portable", &page);
    free(page.data);

    return 0;
}
