/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef DIFF_CHECK_H
#define DIFF_CHECK_H

/*
 * What has to hold of every diff and of every redline, whatever the texts: for
 * unit tests and for fuzzing. diff_holds() returns NULL, or what does not hold.
 */

#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <utf8proc.h>

#include "pv_diff.h"
#include "pv_redline.h"

#define DIFF_DEPTH  512

static const char *diff_holds(const pv_diff_t *diff);


static pv_str_t
diff_str(const pv_buf_t *b)
{
    return (pv_str_t) { b->data != NULL ? b->data : (const unsigned char *) "", b->len };
}


/* Every byte once; what is said to be equal is. */
static const char *
diff_partition_holds(const pv_diff_t *diff)
{
    size_t               i, k, n, seen[2];
    pv_str_t             text[2];
    const pv_diff_op_t  *ops;
    unsigned char       *map;
    const char          *wrong;

    ops = pv_diff_ops(diff, &n);
    text[0] = pv_diff_text(diff, 0);
    text[1] = pv_diff_text(diff, 1);
    map = calloc(text[0].len + 1, 1);
    seen[0] = seen[1] = 0;
    wrong = NULL;

    for (i = 0; i < n && wrong == NULL; i++) {

        if (ops[i].kind != PV_DIFF_DELETE && ops[i].kind != PV_DIFF_MOVE_FROM) {
            wrong = ops[i].b != seen[1] ? "B is not said in its order" : NULL;
            seen[1] += ops[i].b_len;
        }

        if (ops[i].kind == PV_DIFF_INSERT || ops[i].kind == PV_DIFF_MOVE_FROM) {
            continue;
        }

        for (k = ops[i].a; k < ops[i].a + ops[i].a_len; k++) {
            if (k >= text[0].len || map[k]++) {
                wrong = "a byte of A is said twice";
                break;
            }
            seen[0]++;
        }

        if (ops[i].kind != PV_DIFF_DELETE
            && (ops[i].a_len != ops[i].b_len || seen[1] > text[1].len
                || memcmp(text[0].data + ops[i].a, text[1].data + ops[i].b, ops[i].a_len) != 0))
        {
            wrong = "what is called equal differs";
        }
    }

    free(map);

    return wrong != NULL ? wrong : seen[0] != text[0].len ? "a byte of A is not said"
           : seen[1] != text[1].len ? "a byte of B is not said" : NULL;
}


/* Marks where a grapheme cluster begins, by the library's own rule over the whole text. */
static unsigned char *
diff_clusters(pv_str_t text)
{
    size_t            at;
    int32_t           c, before, state;
    unsigned char    *begins;
    utf8proc_ssize_t  n;

    begins = calloc(text.len + 1, 1);
    begins[0] = begins[text.len] = 1;

    for (at = 0, before = -1, state = 0; at < text.len; at += (size_t) n) {
        n = utf8proc_iterate(text.data + at, (utf8proc_ssize_t) (text.len - at), &c);

        if (n <= 0) {
            n = 1;
            c = -1;
            state = 0;
        }

        begins[at] = before < 0 || c < 0 || utf8proc_grapheme_break_stateful(before, c, &state);
        before = c;
    }

    return begins;
}


static const char *
diff_clusters_hold(const pv_diff_t *diff)
{
    size_t               i, n;
    unsigned char       *a, *b;
    const char          *wrong;
    const pv_diff_op_t  *ops;

    ops = pv_diff_ops(diff, &n);
    a = diff_clusters(pv_diff_text(diff, 0));
    b = diff_clusters(pv_diff_text(diff, 1));
    wrong = NULL;

    for (i = 0; i < n; i++) {
        if ((ops[i].a_len != 0 && !(a[ops[i].a] && a[ops[i].a + ops[i].a_len]))
            || (ops[i].b_len != 0 && !(b[ops[i].b] && b[ops[i].b + ops[i].b_len])))
        {
            wrong = "a cluster is cut";
        }
    }

    free(a);
    free(b);

    return wrong;
}


static const char *
diff_apply_holds(const pv_diff_t *diff)
{
    int          reverse;
    pv_buf_t     out;
    const char  *wrong;

    for (wrong = NULL, reverse = 0; reverse < 2 && wrong == NULL; reverse++) {
        pv_buf_init(&out, PV_DIFF_JSON_MAX);

        if (pv_diff_apply(&out, diff, pv_diff_text(diff, reverse), reverse) != PV_OK
            || !pv_str_eq(diff_str(&out), pv_diff_text(diff, !reverse)))
        {
            wrong = reverse ? "B does not become A" : "A does not become B";
        }

        pv_buf_free(&out);
    }

    return wrong;
}


/* The JSON by itself, as somebody else would read it: A's text and the script are B's text. */
static const char *
diff_json_holds(const pv_diff_t *diff)
{
    size_t       i;
    json_t      *root, *script, *op;
    pv_buf_t     json, out;
    pv_str_t     a;
    const char  *name, *wrong;

    pv_buf_init(&json, PV_DIFF_JSON_MAX);
    pv_buf_init(&out, PV_DIFF_JSON_MAX);
    a = pv_diff_text(diff, 0);

    root = pv_diff_json(&json, diff) == PV_OK ? json_loadb((char *) json.data, json.len, 0, NULL) : NULL;
    script = json_object_get(root, "script");

    json_array_foreach(script, i, op) {
        name = json_string_value(json_object_get(op, "op"));

        if (strcmp(name, "equal") == 0 || strcmp(name, "move_to") == 0) {
            pv_buf_add(&out, a.data + json_integer_value(json_object_get(op, "a")),
                       (size_t) json_integer_value(json_object_get(op, "length")));

        } else if (strcmp(name, "insert") == 0) {
            pv_buf_add(&out, json_string_value(json_object_get(op, "text")),
                       json_string_length(json_object_get(op, "text")));
        }
    }

    wrong = root == NULL ? "the JSON cannot be read" : !pv_str_eq(diff_str(&out), pv_diff_text(diff, 1))
            ? "the JSON does not make B of A" : NULL;

    json_decref(root);
    pv_buf_free(&json);
    pv_buf_free(&out);

    return wrong;
}


/* What is read of a redline: tags nest, and stand where they may; each side's text. */
typedef struct {
    struct { char name[12]; int skip_a, skip_b; }  open[DIFF_DEPTH];
    size_t       depth;
    pv_buf_t     text[2];
    const char  *wrong;
} diff_page_t;


static int
diff_is(const char *name, const char *list)
{
    size_t       len;
    const char  *at;

    len = strlen(name);
    at = strstr(list, name);

    return at != NULL && (at == list || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0');
}


static void
diff_page_start(diff_page_t *p, const char *name, const char *tag, size_t len)
{
    int          hidden;
    const char  *in;

    in = p->depth != 0 ? p->open[p->depth - 1].name : "";

    if ((strcmp(name, "li") == 0) != (diff_is(in, "ul ol"))
        || (strcmp(name, "tr") == 0) != (diff_is(in, "thead tbody"))
        || diff_is(name, "td th") != (strcmp(in, "tr") == 0)
        || diff_is(name, "thead tbody") != (strcmp(in, "table") == 0)
        || (diff_is(in, "p h1 h2 h3 h4 h5 h6 ins del a span strong em code pre summary")
            && !diff_is(name, "ins del a span strong em code br"))
        || (diff_is(name, "ins del a") && diff_is(in, name)))
    {
        p->wrong = "an element stands where it may not";
    }

    if (diff_is(name, "br hr")) {
        return;
    }

    if (p->depth == DIFF_DEPTH) {
        p->wrong = "too deep";
        return;
    }

    hidden = strcmp(name, "summary") == 0 || memmem(tag, len, "\"privacy-mark\"", 14) != NULL
             || memmem(tag, len, "\"privacy-link\"", 14) != NULL || memmem(tag, len, "\"privacy-break\"", 15) != NULL
             || memmem(tag, len, "\"privacy-move\"", 14) != NULL;

    p->open[p->depth].skip_a = hidden || strcmp(name, "ins") == 0
                               || memmem(tag, len, "\"privacy-moved-to\"", 18) != NULL
                               || (p->depth != 0 && p->open[p->depth - 1].skip_a);
    p->open[p->depth].skip_b = hidden || strcmp(name, "del") == 0 || (p->depth != 0 && p->open[p->depth - 1].skip_b);
    strcpy(p->open[p->depth++].name, name);
}


static void
diff_page_tag(diff_page_t *p, const char *tag, size_t len)
{
    char    name[12];
    size_t  i, n;
    int     end;

    end = tag[1] == '/';

    for (i = 1 + (size_t) end, n = 0; i < len && n < sizeof(name) - 1 && tag[i] != ' ' && tag[i] != '>'; i++) {
        name[n++] = tag[i];
    }

    name[n] = '\0';

    if (!end) {
        diff_page_start(p, name, tag, len);

    } else if (p->depth == 0 || strcmp(p->open[--p->depth].name, name) != 0) {
        p->wrong = "tags do not nest";
    }
}


/* White space is left out: it is where blocks, cells and notes are. */
static void
diff_page_character(diff_page_t *p, char c)
{
    if (c == ' ' || c == '\n' || c == '\t') {
        return;
    }

    if (p->depth != 0 && diff_is(p->open[p->depth - 1].name, "ul ol table thead tbody tr")) {
        p->wrong = "text stands where it may not";
    }

    if (p->depth == 0 || !p->open[p->depth - 1].skip_a) {
        pv_buf_add(&p->text[0], &c, 1);
    }

    if (p->depth == 0 || !p->open[p->depth - 1].skip_b) {
        pv_buf_add(&p->text[1], &c, 1);
    }
}


static void
diff_page_read(diff_page_t *p, const char *html, size_t len)
{
    size_t       i, k, n;
    const char  *close;

    static const struct { const char *escaped; char c; }  escapes[] = {
        { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' }, { "&#39;", '\'' }
    };

    for (i = 0; i < len && p->wrong == NULL; i += n) {
        n = 1;

        if (html[i] == '<') {
            close = memchr(html + i, '>', len - i);
            if (close == NULL) {
                p->wrong = "a tag does not end";
                return;
            }
            n = (size_t) (close - html) - i + 1;
            diff_page_tag(p, html + i, n);
            continue;
        }

        for (k = 0; html[i] == '&' && k < sizeof(escapes) / sizeof(escapes[0]); k++) {
            if (strncmp(html + i, escapes[k].escaped, strlen(escapes[k].escaped)) == 0) {
                n = strlen(escapes[k].escaped);
                diff_page_character(p, escapes[k].c);
                break;
            }
        }

        if (n == 1) {
            diff_page_character(p, html[i]);
        }
    }

    if (p->depth != 0 && p->wrong == NULL) {
        p->wrong = "tags are left open";
    }
}


static const char *
diff_redline_holds(const pv_diff_t *diff, unsigned fold)
{
    int           side;
    size_t        i, n, changes;
    pv_buf_t      html;
    pv_str_t      text;
    diff_page_t   page;
    pv_redline_t  how = PV_REDLINE_DEFAULT;

    memset(&page, 0, sizeof(page));
    pv_buf_init(&html, PV_REDLINE_MAX);
    how.fold = fold;

    if (pv_redline_html(&html, diff, &how, &changes) != PV_OK) {
        page.wrong = "there is no redline";
    }

    for (side = 0; side < 2 && page.wrong == NULL; side++) {
        pv_buf_init(&page.text[0], PV_REDLINE_MAX);
        pv_buf_init(&page.text[1], PV_REDLINE_MAX);
        page.depth = 0;

        diff_page_read(&page, html.data != NULL ? (const char *) html.data : "", html.len);
        text = pv_diff_text(diff, side);

        for (i = 0, n = 0; i < text.len && page.wrong == NULL; i++) {
            if (strchr(" \n\t", text.data[i]) != NULL && text.data[i] != '\0') {
                continue;
            }
            if (n == page.text[side].len || page.text[side].data[n++] != text.data[i]) {
                page.wrong = side ? "the redline without deletions is not B"
                                  : "the redline without insertions is not A";
            }
        }

        if (page.wrong == NULL && n != page.text[side].len) {
            page.wrong = "the redline says more";
        }

        pv_buf_free(&page.text[0]);
        pv_buf_free(&page.text[1]);
    }

    pv_buf_free(&html);

    return page.wrong;
}


/* No escape sequence, no control character but the line end. */
static const char *
diff_terminal_holds(const pv_diff_t *diff)
{
    size_t        i;
    pv_buf_t      out;
    const char   *wrong;
    pv_redline_t  how = PV_REDLINE_DEFAULT;

    pv_buf_init(&out, PV_REDLINE_MAX);
    wrong = pv_redline_text(&out, diff, &how) != PV_OK ? "there is no text" : NULL;

    for (i = 0; i < out.len; i++) {
        if ((out.data[i] < 0x20 && out.data[i] != '\n') || out.data[i] == 0x7f) {
            wrong = "a control character reaches the terminal";
        }
    }

    pv_buf_free(&out);

    return wrong;
}


static const char *
diff_holds(const pv_diff_t *diff)
{
    const char  *wrong;

    wrong = diff_partition_holds(diff);
    wrong = wrong == NULL ? diff_clusters_hold(diff) : wrong;
    wrong = wrong == NULL ? diff_apply_holds(diff) : wrong;
    wrong = wrong == NULL ? diff_json_holds(diff) : wrong;
    wrong = wrong == NULL ? diff_redline_holds(diff, 0) : wrong;
    wrong = wrong == NULL ? diff_redline_holds(diff, 2) : wrong;

    return wrong == NULL ? diff_terminal_holds(diff) : wrong;
}

#endif /* DIFF_CHECK_H */
