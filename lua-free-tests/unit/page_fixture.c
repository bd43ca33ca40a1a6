/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "page_fixture.h"


#define S(s)      pv_string(s)
#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))

#define HOSTILE   "\"'><script>alert(1)</script>&amp;{{{t.policy}}}"


typedef struct {
    pv_policy_t     policy;
    pv_purpose_t    purposes[4];
    pv_recipient_t  recipients[2];
    pv_change_t     changes[1];
    pv_text_t       texts[2];
} fixture_t;


static pv_translation_t  titles[4][2] = {
    { { S("zh-CN"), S("网站运行") }, { S("en"), S("Running the site") } },
    { { S("zh-CN"), S("访问统计") }, { S("en"), S("Statistics") } },
    { { S("zh-CN"), S("个性化广告") }, { S("en"), S("Personalised advertising") } },
    { { S("zh-CN"), S("向境外提供个人信息") }, { S("en"), S("Transfer abroad") } }
};

static pv_translation_t  texts[4][2] = {
    { { S("zh-CN"), S("保持您的登录状态、购物车内容和安全防护，没有它们网站无法工作。") },
      { S("en"), S("Keeps you logged in, holds your basket and protects forms against abuse.") } },
    { { S("zh-CN"), S("了解有多少人访问哪些页面，以便改进网站。我们不会据此识别您的身份。") },
      { S("en"), S("Counts which pages are visited, so that we can improve them. Nobody is identified.") } },
    { { S("zh-CN"), S("根据您浏览过的商品，在本站和合作网站上向您展示相关广告。") },
      { S("en"), S("Shows you advertisements that fit what you looked at, here and on partner sites.") } },
    { { S("zh-CN"), S("将您的订单信息提供给位于德国的售后服务合作方。") },
      { S("en"), S("Gives your order data to our service partner in Germany.") } }
};

static pv_cookie_declaration_t  cookies[3][2] = {
    { { S("sessionid"), S(""), S("/"), S("会话"), S("") }, { S("csrftoken"), S(""), S("/"), S("1 年"), S("") } },
    { { S("_ga*"), S(".example.com"), S("/"), S("13 个月"), S("Stats Ltd") },
      { S("_pk_*"), S(""), S("/"), S("13 个月"), S("Stats Ltd") } },
    { { S("track_id"), S(""), S("/"), S("90 天"), S("Ads Ltd") }, { S("ad*"), S(""), S("/"), S("90 天"), S("Ads Ltd") } }
};

static pv_str_t  sources[3][1] = { { S("stats.example.net") }, { S("ads.example.net") }, { S("map.example.org") } };
static pv_str_t  partners[2][1] = { { S("stats") }, { S("ads") } };
static pv_str_t  changed[1] = { S("marketing") };

static pv_translation_t  summaries[2] = {
    { S("zh-CN"), S("广告合作方由一家变为两家，个性化广告的使用目的有所扩大。") },
    { S("en"), S("A second advertising partner was added, and what it is used for became wider.") }
};

static const char  html_zh[] =
    "<h1 id=\"policy\">隐私政策</h1>\n<p>我们深知个人信息对您的重要性。本政策说明我们如何收集、使用、存储和保护您的"
    "个人信息，以及您享有的权利。</p>\n"
    "<h2 id=\"collect\">一、我们收集哪些信息</h2>\n<p>在您注册、下单和浏览时，我们会收集<strong>必要的</strong>信息：</p>\n"
    "<ul><li>账号信息：手机号码、昵称；</li><li>订单信息：收货人、地址、商品与金额；</li>"
    "<li>设备信息：浏览器类型、操作系统、IP 地址。</li></ul>\n"
    "<table><thead><tr><th>场景</th><th>信息</th><th>是否必需</th></tr></thead><tbody>"
    "<tr><td>注册</td><td>手机号码</td><td>是</td></tr><tr><td>配送</td><td>姓名、电话、地址</td><td>是</td></tr>"
    "</tbody></table>\n"
    "<h2 id=\"use\">二、我们如何使用信息</h2>\n<p>仅为本政策列明的目的使用；超出范围的，会另行征得您的同意。</p>\n"
    "<h2 id=\"rights\">三、您的权利</h2>\n<p>您有权查阅、复制、更正、删除个人信息，撤回同意，以及注销账号。我们会在"
    "<em>三十日</em>内答复。</p>\n<blockquote><p>撤回同意不影响撤回前处理活动的效力。</p></blockquote>\n"
    "<h2 id=\"minors\">四、未成年人保护</h2>\n<p>不满十四周岁的未成年人，须取得监护人的同意。</p>\n";

static const char  html_en[] =
    "<h1 id=\"policy\">Privacy policy</h1>\n<p>Your personal data matters to you, and so it does to us. This policy says "
    "what we collect, what for, how it is kept, and what your rights are.</p>\n"
    "<h2 id=\"collect\">1. What we collect</h2>\n<p>When you register, order and browse we collect what is "
    "<strong>needed</strong>:</p>\n<ul><li>account: telephone number, nickname;</li><li>orders: recipient, address, "
    "goods and amount;</li><li>device: browser, operating system, IP address.</li></ul>\n"
    "<h2 id=\"use\">2. What we use it for</h2>\n<p>Only what this policy names. For anything else we ask you.</p>\n"
    "<h2 id=\"rights\">3. Your rights</h2>\n<p>You may see, copy, correct and delete your data, withdraw consent and close "
    "your account. We answer within <em>thirty days</em>.</p>\n"
    "<h2 id=\"minors\">4. Minors</h2>\n<p>Under fourteen, a guardian has to agree.</p>\n";


static void
set_purpose(pv_purpose_t *p, size_t i, const char *id)
{
    memset(p, 0, sizeof(pv_purpose_t));

    p->id = pv_str(id);
    p->bit = (unsigned) i;
    p->asked_since = 1;
    p->title = titles[i];
    p->text = texts[i];
    p->retention = pv_str("自收集之日起十三个月");

    if (i < 3) {
        p->cookies = cookies[i];
        p->cookies_count = 2;
    }

    if (i > 0) {
        p->sources = sources[i - 1];
        p->sources_count = 1;
    }

    if (i == 1 || i == 2) {
        p->recipients = partners[i - 1];
        p->recipients_count = 1;
    }
}


static void
set_purposes(fixture_t *f)
{
    set_purpose(&f->purposes[0], 0, "necessary");
    set_purpose(&f->purposes[1], 1, "analytics");
    set_purpose(&f->purposes[2], 2, "marketing");
    set_purpose(&f->purposes[3], 3, "crossborder");

    f->purposes[0].necessary = 1;
    f->purposes[0].exempt_reason = pv_str("履行您作为一方当事人的合同所必需（个人信息保护法第十三条）");
    f->purposes[3].separate = 1;

    f->policy.purposes = f->purposes;
    f->policy.purposes_count = 4;
    f->policy.all = 0x0f;
    f->policy.necessary = 0x01;
    f->policy.separate = 0x08;
}


static void
set_recipients(fixture_t *f)
{
    static const pv_recipient_t  stats = {
        .id = S("stats"), .name = S("Stats Ltd"), .data = S("页面地址、浏览器类型"), .use = S("访问统计"),
        .policy = S("https://stats.example.net/privacy"), .country = S("CN")
    };
    static const pv_recipient_t  ads = {
        .id = S("ads"), .name = S("Ads Ltd"), .data = S("浏览过的商品"), .use = S("个性化广告"),
        .policy = S("https://ads.example.net/privacy"), .country = S("SG")
    };

    f->recipients[0] = stats;
    f->recipients[1] = ads;
    f->policy.recipients = f->recipients;
    f->policy.recipients_count = 2;
}


static void
set_texts(fixture_t *f)
{
    memset(f->texts, 0, sizeof(f->texts));

    f->texts[0].language = pv_str("zh-CN");
    f->texts[0].title = pv_str("隐私政策");
    f->texts[0].html = pv_str(html_zh);
    f->texts[0].markdown = pv_str("# 隐私政策\n");
    f->texts[1].language = pv_str("en");
    f->texts[1].title = pv_str("Privacy policy");
    f->texts[1].html = pv_str(html_en);
    f->texts[1].markdown = pv_str("# Privacy policy\n");

    f->policy.texts = f->texts;
    f->policy.texts_count = 2;
}


static void
set_controller(pv_policy_t *p)
{
    p->controller.name = pv_str("小木商店有限公司");
    p->controller.mail = pv_str("privacy@shop.example");
    p->controller.telephone = pv_str("+86 (10) 1234-5678");
    p->controller.address = pv_str("北京市海淀区示例路 1 号");
    p->controller.department = pv_str("个人信息保护部");
    p->controller.complaint = pv_str("https://www.12377.cn/");
}


static void
set_change(fixture_t *f)
{
    f->changes[0].kind = pv_str("recipients");
    f->changes[0].purposes = changed;
    f->changes[0].purposes_count = COUNT(changed);
    f->changes[0].summary = summaries;
    f->changes[0].summary_count = COUNT(summaries);
    f->policy.changes = f->changes;
    f->policy.changes_count = 1;
}


pv_policy_t *
page_fixture(unsigned sequence)
{
    size_t            i;
    fixture_t        *f;

    static fixture_t  fixtures[4];
    static unsigned   next;
    static const struct { const char *version, *effective; int64_t time; } versions[3] = {
        { "2026-09-01", "2026-10-01T00:00:00+08:00", 1790784000 },
        { "2026-11-01", "2026-11-15T00:00:00+08:00", 1794672000 },
        { "2026-12-01", "2026-12-15T00:00:00+08:00", 1797264000 }
    };

    f = &fixtures[next++ % COUNT(fixtures)];
    memset(f, 0, sizeof(fixture_t));

    i = sequence - 1;
    f->policy.sequence = sequence;
    f->policy.site = pv_str("shop");
    f->policy.version = pv_str(versions[i].version);
    f->policy.effective_text = pv_str(versions[i].effective);
    f->policy.effective = versions[i].time;
    f->policy.published = versions[i].time - 30 * 86400;
    f->policy.choice_days = 180;
    f->policy.minor_age = 14;
    memset(f->policy.digest, (int) (0x3b * sequence), PV_SHA256_LEN);

    set_controller(&f->policy);
    set_texts(f);
    set_purposes(f);
    set_recipients(f);

    if (sequence > 1) {
        set_change(f);
        f->purposes[2].asked_since = 2;
    }

    return &f->policy;
}


pv_policy_t *
page_fixture_hostile(void)
{
    pv_policy_t    *p;
    pv_purpose_t    *purpose;
    pv_recipient_t  *recipient;

    static pv_translation_t         words[2] = { { S("zh-CN"), S(HOSTILE) }, { S("en"), S(HOSTILE) } };
    static pv_cookie_declaration_t  cookie[1] = {
        { S(HOSTILE), S(HOSTILE), S(HOSTILE), S(HOSTILE), S(HOSTILE) }
    };
    static pv_str_t                 source[1] = { S(HOSTILE) };

    p = page_fixture(2);

    purpose = &p->purposes[2];
    purpose->title = words;
    purpose->text = words;
    purpose->cookies = cookie;
    purpose->cookies_count = 1;
    purpose->sources = source;
    purpose->retention = words[0].text;

    p->purposes[0].exempt_reason = words[0].text;

    recipient = &p->recipients[0];
    recipient->name = recipient->data = recipient->use = recipient->country = words[0].text;
    recipient->policy = pv_str("javascript:alert(1)");

    p->changes[0].summary = words;
    p->changes[0].kind = words[0].text;
    p->controller.name = p->controller.mail = p->controller.telephone = words[0].text;
    p->controller.address = p->controller.department = words[0].text;
    p->controller.complaint = pv_str("javascript:alert(1)");

    return p;
}


pv_page_list_t
page_fixture_list(pv_policy_t *const *versions, size_t n)
{
    size_t                    i;
    pv_page_list_t            list;
    static pv_page_version_t  items[100];

    for (i = 0; i < n; i++) {
        pv_page_version_policy(&items[i], versions[n - 1 - i]);

        if (i + 1 < n) {
            items[i].before = versions[n - 2 - i]->version;
        }
    }

    memset(&list, 0, sizeof(pv_page_list_t));
    list.versions = items;
    list.n = list.total = n;
    list.page = list.pages = 1;

    return list;
}
