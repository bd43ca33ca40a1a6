/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * Redlines of generated policies. A policy is sections of paragraphs, lists and
 * tables put together from clauses; its next version has one block in twenty
 * edited as people do: a word, a number, a clause or a sentence is replaced,
 * put in or taken out, a paragraph comes, goes or moves.
 *
 * bench_diff -g KIND NUMBER DIR   writes DIR/a.txt and DIR/b.txt, the plain texts that are compared: for the others
 * bench_diff -m KIND NUMBER       one line: milliseconds of CPU for diff and redline (the best of five), of that the
 *                                 diff, characters marked, bytes of A, 1 when the work limit was reached, units of work
 * bench_diff -i KIND NUMBER       diffs once, nothing else: for callgrind
 * bench_diff -r COMMAND ...       runs it, and says on standard error how many milliseconds of CPU it took
 *
 * KIND: en, zh (100 KB, 95 % shared), none-en, none-zh (1 MB, nothing shared), near-en (1 MB, every block edited), line
 * (1 MB in one paragraph,
 * the same thousand words in another order).
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "pv_bundle.h"
#include "pv_redline.h"

#define RUNS  5


typedef struct {
    const char *const  *clauses;
    size_t              clauses_count;
    const char *const  *words;          /* what stands for % in a clause, and what words are replaced by */
    size_t              words_count;
    const char         *comma, *stop, *space;
} tongue_t;

typedef struct { char *text; } block_t;


static const char *const  en_clauses[] = {
    "we collect the % that you give us when you place an order",
    "the % is kept for as long as it is needed to provide the %",
    "you can ask us at any time which % we hold about you",
    "our partners receive only the % that they need for the %",
    "we do not sell your % to anybody",
    "the legal basis for the use of your % is the performance of our contract with you",
    "your % may be transferred to a recipient abroad, but only with your separate consent",
    "we use % to keep you signed in and to protect the % from misuse",
    "statistics on the use of the % help us to improve it",
    "a refusal has no influence on the % that we offer",
    "the department responsible for the % answers within 30 days",
    "we delete the % when its purpose is fulfilled or when you withdraw your consent",
    "employees who work with your % are bound to confidentiality",
    "access to the % is logged and the logs are kept for six months",
    "we tell you without delay when your % has been disclosed to somebody without authority",
    "minors may use the % only together with their parents",
    "the % is encrypted on its way and where it is stored",
    "you may have your % corrected, completed, transferred or erased",
    "before a material change to this % takes effect we tell you on our pages",
    "this does not affect the lawfulness of what was done with the % before"
};

static const char *const  en_words[] = {
    "delivery address", "telephone number", "order history", "payment details", "account", "service", "cookies",
    "browser settings", "device identifier", "personal information", "location", "purchase", "newsletter", "website",
    "support request", "contract", "retention period", "language preference", "shopping cart", "security log",
    "consent record", "marketing profile", "search terms", "invoice", "complaint"
};

static const char *const  zh_clauses[] = {
    "我们收集您在下单时提供的%", "%仅在实现%所必需的期限内保存", "您可以随时查询我们保存了您的哪些%",
    "合作伙伴只能获得实现%所必需的%", "我们不会向任何人出售您的%", "处理您的%的合法性基础是履行与您订立的合同",
    "只有在取得您的单独同意后，您的%才会提供给境外接收方", "我们使用%保持登录状态，并防止%被滥用",
    "对%使用情况的统计有助于我们改进页面", "您拒绝提供%，不影响我们提供的其他服务", "负责%的部门在三十日内答复您的请求",
    "处理目的已经实现或者您撤回同意的，我们删除相关的%", "接触您的%的员工负有保密义务", "对%的访问均留有日志，日志保存六个月",
    "您的%发生泄露的，我们会立即通知您", "未成年人应当在监护人陪同下使用%", "%在传输和存储过程中均经过加密",
    "您有权更正、补充、转移或者删除您的%", "本政策有关%的内容发生重大变更前，我们会在网站上告知您",
    "上述规定不影响此前对%进行处理的效力"
};

static const char *const  zh_words[] = {
    "收货地址", "联系电话", "订单记录", "支付信息", "账户", "服务", "浏览器设置", "设备标识", "个人信息", "位置信息",
    "购物车", "客服记录", "合同", "保存期限", "语言偏好", "安全日志", "同意记录", "营销画像", "搜索词", "发票", "投诉"
};

#define count_of(list)  (sizeof(list) / sizeof((list)[0]))

static const tongue_t  en = { en_clauses, count_of(en_clauses), en_words, count_of(en_words), ", ", ". ", " " };
static const tongue_t  zh = { zh_clauses, count_of(zh_clauses), zh_words, count_of(zh_words), "，", "。", "" };

static uint64_t  seed;


static unsigned
any(unsigned below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;

    return (unsigned) ((seed >> 16) % below);
}


static void
clause(pv_buf_t *out, const tongue_t *t)
{
    const char  *c;

    for (c = t->clauses[any((unsigned) t->clauses_count)]; *c != '\0'; c++) {
        if (*c == '%') {
            pv_buf_puts(out, t->words[any((unsigned) t->words_count)]);
        } else {
            pv_buf_add(out, c, 1);
        }
    }
}


static void
sentences(pv_buf_t *out, const tongue_t *t, unsigned n)
{
    unsigned  more;

    for ( /* void */ ; n > 0; n--) {
        for (more = 1 + any(2); more > 0; more--) {
            clause(out, t);
            pv_buf_puts(out, more > 1 ? t->comma : "");
        }
        pv_buf_printf(out, any(4) == 0 ? "%s%u %s" : "%.0s%.0u%s", t->space, 10 + any(90), t->stop);
    }
}


static char *
taken(pv_buf_t *b)
{
    char  *text;

    text = strdup(b->data != NULL ? (const char *) b->data : "");
    pv_buf_free(b);
    pv_buf_init(b, 1 << 24);

    return text;
}


/* Blocks of Markdown, each with the blank line or the line end behind it. */
static block_t *
policy(const tongue_t *t, size_t bytes, size_t *count)
{
    size_t    n, len;
    unsigned  k, rows;
    block_t  *blocks;
    pv_buf_t  b;

    blocks = malloc((bytes / 4 + 64) * sizeof(block_t));
    pv_buf_init(&b, 1 << 24);

    for (n = 0, len = 0; len < bytes; /* void */) {

        pv_buf_puts(&b, "## ");
        clause(&b, t);
        pv_buf_puts(&b, "\n\n");
        blocks[n++].text = taken(&b);

        for (k = 2 + any(5); k > 0; k--) {
            sentences(&b, t, 2 + any(5));
            pv_buf_puts(&b, "\n\n");
            len += b.len;
            blocks[n++].text = taken(&b);
        }

        for (k = any(6); k > 0; k--) {
            pv_buf_puts(&b, "- ");
            sentences(&b, t, 1);
            pv_buf_puts(&b, k > 1 ? "\n" : "\n\n");
            len += b.len;
            blocks[n++].text = taken(&b);
        }

        rows = any(3) == 0 ? 3 + any(6) : 0;
        for (k = 0; k < rows; k++) {
            pv_buf_printf(&b, "| %s | ", t->words[any((unsigned) t->words_count)]);
            clause(&b, t);
            pv_buf_printf(&b, " | %u |\n%s", any(400), k == 0 ? "|---|---|---|\n" : k + 1 == rows ? "\n" : "");
            len += b.len;
            blocks[n++].text = taken(&b);
        }
    }

    pv_buf_free(&b);
    *count = n;

    return blocks;
}


/* One word, number, clause or sentence of a block. */
static char *
edited(const tongue_t *t, const char *text)
{
    size_t       i, len, step;
    pv_buf_t     b;
    const char  *at, *end, *word;

    pv_buf_init(&b, 1 << 24);
    len = strlen(text);
    at = NULL;
    word = "";

    /* A term that is in there, from a random one on. */
    for (step = 0, i = any((unsigned) t->words_count); step < t->words_count && at == NULL; step++) {
        word = t->words[(i + step) % t->words_count];
        at = strstr(text, word);
    }

    /* Rows stay rows, headings short. */
    switch (strchr("|#", text[0]) != NULL ? (at != NULL ? 2 : 5) : any(at != NULL ? 5 : 2)) {

    case 0:         /* a sentence more */
    case 1:
        end = strstr(text, t->stop);
        end = end != NULL ? end + strlen(t->stop) : text + len - strspn(text + len - 2, "\n");
        pv_buf_add(&b, text, (size_t) (end - text));
        sentences(&b, t, 1);
        pv_buf_puts(&b, end);
        break;

    case 2:         /* another term */
        pv_buf_add(&b, text, (size_t) (at - text));
        pv_buf_puts(&b, t->words[any((unsigned) t->words_count)]);
        pv_buf_puts(&b, at + strlen(word));
        break;

    case 3:         /* a clause instead */
        end = strstr(at, t->comma);
        end = end != NULL ? end : strstr(at, t->stop);
        pv_buf_add(&b, text, (size_t) (at - text));
        clause(&b, t);
        pv_buf_puts(&b, end != NULL ? end : at + strlen(word));
        break;

    case 5:         /* nothing to be edited */
        pv_buf_puts(&b, text);
        break;

    default:        /* a term more */
        pv_buf_add(&b, text, (size_t) (at - text) + strlen(word));
        pv_buf_printf(&b, "%s%s", t->comma, t->words[any((unsigned) t->words_count)]);
        pv_buf_puts(&b, at + strlen(word));
    }

    return taken(&b);
}


/* One block in `every` is edited; of those some are put in, taken out or moved. */
static void
next_version(pv_buf_t *out, const tongue_t *t, block_t *blocks, size_t n, unsigned every)
{
    size_t    i;
    char     *other;
    unsigned  what;
    block_t   moved = { NULL };
    pv_buf_t  b;

    for (i = 0; i < n; i++) {
        what = any(every) == 0 ? any(20) : 99;

        if (what == 0 && blocks[i].text[0] != '|') {
            continue;

        } else if (what == 1 && blocks[i].text[0] != '|') {
            pv_buf_init(&b, 1 << 24);
            sentences(&b, t, 3);
            pv_buf_puts(out, "\n\n");
            pv_buf_add(out, b.data, b.len);
            pv_buf_puts(out, "\n\n");
            pv_buf_free(&b);
            pv_buf_puts(out, blocks[i].text);

        } else if (what == 2 && moved.text == NULL && strchr("|#-", blocks[i].text[0]) == NULL) {
            moved = blocks[i];
            continue;

        } else if (what < 20) {
            other = edited(t, blocks[i].text);
            pv_buf_puts(out, other);
            free(other);

        } else {
            pv_buf_puts(out, blocks[i].text);
        }

        if (moved.text != NULL && blocks[i].text[0] == '#' && any(3) == 0) {
            pv_buf_puts(out, moved.text);
            moved.text = NULL;
        }
    }

    pv_buf_puts(out, moved.text != NULL ? moved.text : "");
}


/* Words that no other text has. */
static void
strange(pv_buf_t *out, unsigned side, size_t bytes, const tongue_t *t, int lines)
{
    unsigned  i;

    for (i = 0; out->len < bytes; i++) {

        if (t == &zh) {
            pv_buf_printf(out, "%c%c%c", 0xe4 + (int) side * 2, 0xb8 + (int) any(7), 0x80 + (int) any(64));
            pv_buf_puts(out, i % 20 == 19 ? "。" : "");

        } else {
            pv_buf_printf(out, "%s%x ", side ? "x" : "y", any(1 << 24));
        }

        pv_buf_puts(out, lines && i % 60 == 59 ? "\n\n" : "");
    }
}


/* The two texts of a kind, as HTML. */
static void
generate(const char *kind, unsigned number, pv_buf_t html[2])
{
    size_t           i, n;
    block_t         *blocks;
    pv_buf_t         text[2];
    const tongue_t  *t;

    seed = 88172645463325252u + number * 0x9e3779b97f4a7c15u;
    t = strstr(kind, "zh") != NULL ? &zh : &en;
    pv_buf_init(&text[0], PV_BUNDLE_TEXT_MAX);
    pv_buf_init(&text[1], PV_BUNDLE_TEXT_MAX);

    if (strncmp(kind, "none", 4) == 0) {
        strange(&text[0], 0, 1 << 20, t, 1);
        strange(&text[1], 1, 1 << 20, t, 1);

    } else if (strcmp(kind, "line") == 0) {
        for (i = 0; text[0].len < 1 << 20; i++) {
            pv_buf_printf(&text[0], "w%x ", any(1000));
            pv_buf_printf(&text[1], "w%x ", any(1000));
        }

    } else {
        blocks = policy(t, strncmp(kind, "near", 4) == 0 ? 1 << 20 : 100 * 1024, &n);

        for (i = 0; i < n; i++) {
            pv_buf_puts(&text[0], blocks[i].text);
        }

        next_version(&text[1], t, blocks, n, strncmp(kind, "near", 4) == 0 ? 1 : 8);

        for (i = 0; i < n; i++) {
            free(blocks[i].text);
        }
        free(blocks);
    }

    for (i = 0; i < 2; i++) {
        pv_buf_init(&html[i], PV_BUNDLE_HTML_MAX);

        if (text[i].failed || pv_markdown_html(&html[i], (pv_str_t) { text[i].data, text[i].len }) != PV_OK) {
            fprintf(stderr, "%s: no text\n", kind);
            exit(1);
        }
        pv_buf_free(&text[i]);
    }
}


static double
now(void)
{
    struct timespec  t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);

    return (double) t.tv_sec * 1e3 + (double) t.tv_nsec / 1e6;
}


static pv_diff_t *
diffed(const pv_buf_t html[2])
{
    pv_diff_t  *diff;

    if (pv_diff_create(&diff, (pv_str_t) { html[0].data, html[0].len }, (pv_str_t) { html[1].data, html[1].len },
                       PV_DIFF_WORK) != PV_OK)
    {
        exit(1);
    }

    return diff;
}


static void
measure(const pv_buf_t html[2])
{
    int                     run;
    double                  begin, middle, end, best, best_diff;
    pv_buf_t                out;
    pv_diff_t              *diff;
    pv_redline_t            how = PV_REDLINE_DEFAULT;
    const pv_diff_stats_t  *s;

    for (run = 0, best = best_diff = 1e9; ; run++) {
        pv_buf_init(&out, PV_REDLINE_MAX);
        begin = now();
        diff = diffed(html);
        middle = now();
        (void) pv_redline_html(&out, diff, &how, NULL);
        pv_buf_free(&out);
        end = now();

        best = end - begin < best ? end - begin : best;
        best_diff = middle - begin < best_diff ? middle - begin : best_diff;

        if (run + 1 == RUNS) {
            break;
        }
        pv_diff_free(diff);
    }

    /* A block that moved is marked in both places. */
    s = pv_diff_stats(diff);
    printf("%.3f\t%.3f\t%zu\t%zu\t%d\t%llu\n", best, best_diff, s->inserted + s->deleted + 2 * s->moved,
           pv_diff_text(diff, 0).len, s->limited, (unsigned long long) s->work);
    pv_diff_free(diff);
}


static void
write_texts(const pv_buf_t html[2], const char *dir)
{
    int         side;
    char        path[1024];
    FILE       *file;
    pv_str_t    text;
    pv_diff_t  *diff;

    diff = diffed(html);

    for (side = 0; side < 2; side++) {
        snprintf(path, sizeof(path), "%s/%c.txt", dir, 'a' + side);
        text = pv_diff_text(diff, side);
        file = fopen(path, "wb");

        if (file == NULL || fwrite(text.data, 1, text.len, file) != text.len || fclose(file) != 0) {
            perror(path);
            exit(1);
        }
    }

    pv_diff_free(diff);
}


static int
run(char **command)
{
    int            status;
    pid_t          pid;
    struct rusage  usage;

    pid = fork();

    if (pid == 0) {
        execvp(command[0], command);
        perror(command[0]);
        _exit(127);
    }

    if (pid < 0 || wait4(pid, &status, 0, &usage) != pid) {
        perror("wait");
        return 1;
    }

    fprintf(stderr, "%.3f\n", (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3
            + (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3);

    return 0;
}


int
main(int argc, char **argv)
{
    pv_buf_t  html[2];

    if (argc > 2 && strcmp(argv[1], "-r") == 0) {
        return run(argv + 2);
    }

    if (argc < 4 || (strcmp(argv[1], "-g") == 0 && argc < 5)) {
        fprintf(stderr, "usage: bench_diff -g KIND NUMBER DIR | -m KIND NUMBER | -i KIND NUMBER | -r COMMAND\n");
        return 2;
    }

    generate(argv[2], (unsigned) atoi(argv[3]), html);

    if (strcmp(argv[1], "-g") == 0) {
        write_texts(html, argv[4]);

    } else if (strcmp(argv[1], "-m") == 0) {
        measure(html);

    } else {
        pv_diff_free(diffed(html));
    }

    pv_buf_free(&html[0]);
    pv_buf_free(&html[1]);

    return 0;
}
