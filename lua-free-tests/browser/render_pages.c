/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * Renders every page in each language into a folder, to be looked at and to
 * be checked for accessibility, without a server:
 *
 *     render_pages FOLDER
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bundle_fixture.h"
#include "page_diff_fixture.h"
#include "pv_html.h"
#include "pv_page_notice.h"


#define NOW  1795420800     /* 2026-11-23 */


static const char  *folder;


static void
put(const char *name, pv_str_t bytes)
{
    FILE  *f;
    char   path[1024];

    snprintf(path, sizeof(path), "%s/%s", folder, name);

    f = fopen(path, "wb");
    if (f == NULL || fwrite(bytes.data, 1, bytes.len, f) != bytes.len || fclose(f) != 0) {
        perror(path);
        exit(1);
    }
}


static void
done(pv_buf_t *b, int rc, const char *name, const char *language)
{
    char      file[256];
    pv_str_t  s;

    if (rc != PV_OK || b->failed) {
        fprintf(stderr, "%s.%s: cannot render\n", name, language);
        exit(1);
    }

    snprintf(file, sizeof(file), "%s.%s.html", name, language);
    s.data = b->data;
    s.len = b->len;
    put(file, s);

    b->len = 0;
}


/* A page of somebody else, with rules that a careless style sheet would fall for. */
static void
host_page(pv_buf_t *b, const pv_page_t *page, int shared)
{
    pv_banner_t  banner;

    pv_buf_puts(b, "<!DOCTYPE html><html lang=\"en\"><head><title>Shop</title>");
    pv_page_head(b, page, 0);
    pv_buf_puts(b, "<style>body{font:20px Georgia;margin:2em;text-align:center}"
                   "*{letter-spacing:.05em}button{background:#c00!important_;border-radius:0;float:right}"
                   "form p,#x p{color:#090;font-size:30px}section{margin:50px;border:4px dashed}"
                   "a{color:#f0f;text-transform:uppercase}</style></head><body>");

    if (shared) {
        pv_page_banner_shared(b, page);

    } else if (pv_page_banner(&banner, page) == PV_OK) {
        pv_buf_str(b, banner.parts[0]);
        pv_buf_puts(b, "token");
        pv_buf_str(b, banner.parts[1]);
        pv_buf_html(b, page->return_to);
        pv_buf_str(b, banner.parts[2]);
        printf("banner: %zu bytes\n", banner.bytes.len);
        pv_banner_free(&banner);
    }

    pv_buf_puts(b, "<main id=\"x\"><h1>Some shop</h1><p>Text of the page.</p></main></body></html>");
}


static void
render(pv_page_t page, size_t language)
{
    pv_buf_t       b;
    const char    *tag;
    pv_policy_t   *versions[3];
    pv_page_list_t  list;
    pv_page_version_t  items[4];
    pv_consent_t   consent;
    pv_verdict_t   verdict;

    static const char *const  messages[] = { "not_found", "unavailable", "no_policy" };

    versions[0] = page_fixture(1);
    versions[1] = page_fixture(2);
    versions[2] = page_fixture(3);

    page.policy = page.in_force = versions[1];
    page.language = language;
    tag = language ? "en" : "zh-CN";

    pv_buf_init(&b, 1024 * 1024);
    memset(&consent, 0, sizeof(pv_consent_t));

    page.signal = "gpc";
    pv_policy_judge(&verdict, page.policy, NULL, NOW);
    page.verdict = &verdict;
    host_page(&b, &page, 0);
    done(&b, PV_OK, "banner", tag);
    host_page(&b, &page, 1);
    done(&b, PV_OK, "shared", tag);
    done(&b, pv_page_choices(&b, &page), "choices-first", tag);
    page.signal = NULL;

    consent.position = 3;
    consent.decided_version = 1;
    consent.decided = 0x0e;
    consent.granted = 0x0a;
    consent.chosen = NOW - 40 * 86400;
    page.consent = &consent;
    pv_policy_judge(&verdict, page.policy, &consent, NOW);
    done(&b, pv_page_choices(&b, &page), "choices-stale", tag);

    consent.decided_version = 2;
    pv_policy_judge(&verdict, page.policy, &consent, NOW);
    page.saved = 1;
    done(&b, pv_page_choices(&b, &page), "choices-saved", tag);
    page.saved = 0;

    done(&b, pv_page_policy(&b, &page), "policy", tag);
    page.policy = versions[0];
    pv_page_version_policy(&items[0], versions[0]);
    pv_page_version_policy(&items[1], versions[1]);
    items[0].before = pv_str("2026-07-01");
    page.shown = page.earlier = &items[0];
    page.later = &items[1];
    page.at = NOW - 44 * 86400;
    page.missed = pv_str("zh-TW");
    done(&b, pv_page_policy(&b, &page), "policy-archived", tag);
    page.shown = page.earlier = page.later = NULL;
    page.at = 0;
    page.missed = pv_str("");
    page.policy = versions[1];

    /* Four: one to come, one that was withdrawn before it came, one in force, one archived. */
    list = page_fixture_list(versions, 3);
    items[0] = list.versions[0];
    items[1] = list.versions[0];
    items[1].version = pv_str("2026-11-20");
    items[1].withdrawn = 1;
    items[1].withdrawn_at = NOW - 86400;
    items[1].reason = pv_str(language ? "The new partner has not signed yet." : "新的合作伙伴尚未签署协议。");
    items[2] = list.versions[1];
    items[2].reduces_rights = 1;
    items[3] = list.versions[2];
    list.versions = items;
    list.n = 4;
    list.total = 320;
    list.page = 2;
    list.pages = 7;
    done(&b, pv_page_versions(&b, &page, &list), "versions", tag);
    done(&b, pv_page_not_found(&b, &page, &list), "not-found", tag);
    done(&b, pv_atom_versions(&b, &page, &list), "atom", tag);

    page.bound = &items[3];
    page.must_agree = 1;
    done(&b, pv_page_choices(&b, &page), "choices-agree", tag);
    page.must_agree = 0;

    done(&b, pv_page_message(&b, &page, messages[0]), "message-not-found", tag);
    done(&b, pv_page_message(&b, &page, messages[1]), "message-unavailable", tag);
    page.policy = page.in_force = NULL;
    page.consent = NULL;
    page.verdict = NULL;
    done(&b, pv_page_message(&b, &page, messages[2]), "message-no-policy", tag);

    pv_buf_free(&b);
}


static void
render_diff(pv_page_t page, const char *language, const char *name)
{
    pv_buf_t            b;
    pv_diff_t          *text;
    pv_policy_t        *from, *to;
    pv_page_diff_t      diff;
    pv_page_version_t   versions[2];

    page_diff_fixture(&from, &to);
    pv_buf_init(&b, 16 * 1024 * 1024);

    page.policy = page.in_force = to;
    page.language = page_diff_language(to, language);
    pv_page_version_policy(&versions[0], to);
    pv_page_version_policy(&versions[1], from);

    if (pv_diff_create(&text, from->texts[page.language].html, to->texts[page.language].html, PV_DIFF_WORK) != PV_OK) {
        fprintf(stderr, "no diff\n");
        exit(1);
    }

    memset(&diff, 0, sizeof(pv_page_diff_t));
    diff.from = from;
    diff.to = to;
    diff.text = text;
    diff.between = versions;
    diff.between_count = 1;

    if (strcmp(name, "diff-mine") == 0) {
        diff.mine = 1;
        page.bound = &versions[1];
        page.must_agree = 1;
        page.agree_token = pv_str("token");

    } else if (strcmp(name, "diff-none") == 0) {
        diff.text = NULL;

    } else if (strcmp(name, "diff-equal") == 0) {
        diff.from = to;
        pv_diff_free(text);
        pv_diff_create(&text, to->texts[page.language].html, to->texts[page.language].html, PV_DIFF_WORK);
        diff.text = text;
        diff.between_count = 0;
    }

    done(&b, pv_page_diff(&b, &page, &diff), name, language);
    pv_diff_free(text);
    pv_buf_free(&b);
}


/* A page of somebody else with a bar in it; notice NULL: with what the script's panel is made of, for pages.mjs. */
static void
notice_host(pv_buf_t *b, const pv_page_t *page, const pv_page_notice_t *notice, int public)
{
    size_t       cut;
    pv_buf_t     head;
    pv_banner_t  bar;

    pv_buf_init(&head, 1024 * 1024);
    pv_page_head_user(&head, &cut, page);

    pv_buf_puts(b, "<!DOCTYPE html><html lang=\"en\"><head><meta name=\"viewport\" content=\"width=device-width\">"
                   "<title>Shop</title>");
    pv_buf_add(b, head.data, cut);
    pv_buf_puts(b, "0123456789abcdef");
    pv_buf_add(b, head.data + cut, head.len - cut);
    pv_buf_puts(b, "<style>body{font:20px Georgia;margin:0;text-align:center}*{letter-spacing:.05em}"
                   "form p,#x p{color:#090;font-size:30px}section{margin:50px;border:4px dashed;display:none}"
                   "li{list-style:none}details{color:red}a{color:#f0f;text-transform:uppercase}</style></head><body>");

    if (notice == NULL) {
        pv_buf_puts(b, "<script type=\"application/json\" id=\"hello\">{\"user\":\"0123456789abcdef\",");
        pv_page_hello(b, page->ui, page->policy->texts[page->language].language);
        pv_buf_puts(b, "}</script>");

    } else if (public) {
        pv_page_notice_public(b, page, notice);

    } else if (pv_page_notice_bar(&bar, page, notice, 2) == PV_OK) {
        pv_buf_str(b, bar.parts[0]);
        pv_buf_puts(b, "token");
        pv_buf_str(b, bar.parts[1]);
        pv_buf_html(b, page->return_to);
        pv_buf_str(b, bar.parts[2]);
        printf("notice bar: %zu bytes\n", bar.bytes.len);
        pv_banner_free(&bar);
    }

    pv_buf_puts(b, "<main id=\"x\"><h1>Some shop</h1><p>Text of the page.</p></main></body></html>");
    pv_buf_free(&head);
}


static pv_page_notice_t
incident(int english, const unsigned char *digest)
{
    size_t            i;
    pv_page_notice_t  notice;

    static const char *const  parts[2][PV_NOTICE_PARTS] = {
        { "2026 年 11 月 20 日，一台备份服务器因配置错误可被外部访问约六小时，其中包含昵称与电子邮箱。密码与支付信息未受影响。\n"
          "可能的影响：您可能收到冒充我们的邮件。",
          "发现后我们立即关闭了该服务器，并更换了全部密钥。我们已向监管部门报告，外部审计将于十二月完成。",
          "请勿点击来源不明邮件中的链接；我们不会通过邮件索要密码。",
          "我们提供一年的免费身份信息监测服务，并开通专线 400-000-0000。" },
        { "On 20 November 2026 a backup server could be reached from outside for about six hours, because it was set up "
          "wrongly. Nicknames and mail addresses were on it; passwords and payment data were not.\nYou may get mail from "
          "people who pretend to be us.",
          "We closed the server as soon as we knew and changed every key. The authority was told; an audit from outside ends "
          "in December.",
          "Do not follow links in mail that you did not expect. We never ask for a password by mail.",
          "We pay for a year of identity monitoring, and answer questions under 400-000-0000." }
    };

    memset(&notice, 0, sizeof(pv_page_notice_t));
    notice.id = pv_str("n3");
    notice.kind = "incident";
    notice.language = pv_str(english ? "en" : "zh-CN");
    notice.title = pv_str(english ? "Mail addresses could be read by others" : "部分电子邮箱地址可能被他人读取");
    notice.digest = digest;
    notice.published = NOW - 3600;
    notice.listed = 1;

    for (i = 0; i < PV_NOTICE_PARTS; i++) {
        notice.parts[i] = pv_str(parts[english][i]);
    }

    return notice;
}


static void
render_notices(pv_page_t page, size_t language)
{
    pv_buf_t            b;
    const char         *tag;
    pv_policy_t        *policy;
    pv_page_version_t   version;
    pv_page_notice_t    items[4];
    pv_page_notices_t   list;

    policy = page_fixture(2);
    tag = language ? "en" : "zh-CN";

    page.policy = page.in_force = policy;
    page.language = language;
    page.token = pv_str("token");
    pv_page_version_policy(&version, policy);
    version.before = pv_str("2026-09-01");

    pv_buf_init(&b, 1024 * 1024);

    items[0] = incident((int) language, policy->digest);
    items[0].mine = items[0].due = 1;

    memset(&items[1], 0, sizeof(pv_page_notice_t));
    items[1].id = pv_str("v3");
    items[1].kind = "change";
    items[1].language = policy->texts[language].language;
    items[1].title = policy->texts[language].title;
    items[1].summary = policy->changes[0].summary[language].text;
    items[1].digest = policy->digest;
    items[1].published = policy->published;
    items[1].version = &version;
    items[1].listed = items[1].mine = items[1].due = 1;

    items[2] = items[1];
    items[2].due = 0;
    items[2].answer = "agreed";
    items[2].answered = NOW;

    items[3] = items[0];
    items[3].mine = items[3].due = 0;
    items[3].retracted = NOW;
    items[3].corrected = 4;
    items[3].reason = pv_str(language ? "The numbers were wrong." : "通知中的数字有误。");

    list.notices = items;
    list.n = 4;

    notice_host(&b, &page, &items[0], 0);
    done(&b, PV_OK, "notice-bar-incident", tag);
    notice_host(&b, &page, &items[1], 0);
    done(&b, PV_OK, "notice-bar-change", tag);
    notice_host(&b, &page, &items[0], 1);
    done(&b, PV_OK, "notice-public", tag);
    notice_host(&b, &page, NULL, 0);
    done(&b, PV_OK, "notice-panel", tag);
    done(&b, pv_json_notices(&b, &page, &list), "notices-json", tag);
    done(&b, pv_page_notices(&b, &page, &list), "notices", tag);
    done(&b, pv_atom_notices(&b, &page, &list), "notices-atom", tag);
    done(&b, pv_page_notice(&b, &page, &items[0]), "notice-incident", tag);
    done(&b, pv_page_notice(&b, &page, &items[1]), "notice-change", tag);
    done(&b, pv_page_notice(&b, &page, &items[2]), "notice-answered", tag);
    done(&b, pv_page_notice(&b, &page, &items[3]), "notice-retracted", tag);

    pv_buf_free(&b);
}


/* A version as it is sealed, so that what the page says can be checked with what it says. */
static void
render_proof(pv_page_t page, size_t language, const char *tag)
{
    char               *json;
    size_t              need;
    pv_buf_t            b, sealed;
    pv_str_t            bytes;
    pv_head_t          *head;
    pv_policy_t        *policy;
    pv_problems_t       problems;
    pv_page_proof_t     proof;
    unsigned char       pub[PV_ED25519_PUBLIC];

    static const char  first[] = "{\"kind\":\"editorial\",\"summary\":{\"zh-CN\":\"\xe6\x96\x87\",\"en\":\"Text\"}}";

    pv_problems_init(&problems);
    pv_buf_init(&sealed, PV_SEALED_MAX);
    pv_buf_init(&b, 1024 * 1024);
    fixture_public(pub);

    json = fixture_json("2026-12-01", "2026-12-15T00:00:00+08:00", first, fixture_purposes);
    assert_int_equal(fixture_seal(&sealed, json, NULL, "test", &problems), PV_OK);

    bytes.data = sealed.data;
    bytes.len = sealed.len;
    assert_int_equal(pv_head_open(&head, bytes, pv_str("shop"), &need, &problems), PV_OK);
    assert_int_equal(pv_policy_open(&policy, bytes, pv_str("shop"), pub, &problems), PV_OK);

    page.policy = page.in_force = policy;
    page.language = language;
    page.origin = pv_str("https://www.shop.example");
    proof.head = head;
    proof.sealed = bytes;
    proof.newest = 12;

    put("entry", bytes);
    done(&b, pv_page_proof(&b, &page, &proof), "proof", tag);
    done(&b, pv_json_proof(&b, &page, &proof), "proof-json", tag);

    pv_policy_free(policy);
    pv_head_free(head);
    pv_problems_free(&problems);
    pv_buf_free(&sealed);
    pv_buf_free(&b);
    free(json);
}


int
main(int argc, char **argv)
{
    size_t             i, n;
    char               path[256];
    pv_ui_t           *ui;
    pv_page_t          page;
    pv_problems_t      problems;
    const pv_asset_t  *assets;

    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }

    folder = argv[1];
    pv_problems_init(&problems);

    if (pv_ui_create(&ui, NULL, NULL, &problems) != PV_OK) {
        for (i = 0; i < problems.count; i++) {
            fprintf(stderr, "%s:%u: %s\n", problems.list[i].file, problems.list[i].line,
                    problems.list[i].reason);
        }
        return 1;
    }

    memset(&page, 0, sizeof(pv_page_t));
    page.ui = ui;
    page.prefix = pv_str("/privacy/");
    page.return_to = pv_str("/goods?id=7&page=2");
    page.now = NOW;

    render(page, 0);
    render(page, 1);

    render_notices(page, 0);
    render_notices(page, 1);

    render_proof(page, 0, "zh-CN");
    render_proof(page, 1, "en");

    render_diff(page, "zh-CN", "diff");
    render_diff(page, "en", "diff");
    render_diff(page, "ja", "diff");
    render_diff(page, "ar", "diff");
    render_diff(page, "en", "diff-mine");
    render_diff(page, "zh-CN", "diff-mine");
    render_diff(page, "en", "diff-none");
    render_diff(page, "en", "diff-equal");

    assets = pv_ui_assets(ui, &n);
    for (i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "%s", assets[i].name);
        put(path, assets[i].bytes);
        printf("%s: %zu bytes\n", assets[i].name, assets[i].bytes.len);
    }

    pv_ui_free(ui);
    pv_problems_free(&problems);

    return 0;
}
