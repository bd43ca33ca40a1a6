/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdlib.h>
#include <string.h>

#include "page_diff_fixture.h"
#include "pv_bundle.h"


#define LANGUAGES  4


typedef struct {
    const char  *language;
    const char  *title;
    const char  *markdown[2];
} fixture_text_t;


static const fixture_text_t  texts[LANGUAGES] = {
    { "zh-CN", "隐私政策", {
        "# 隐私政策\n\n我们深知个人信息对您的重要性。本政策说明我们如何收集、使用、存储和保护您的个人信息。\n\n"
        "## 一、我们收集哪些信息\n\n在您注册、下单和浏览时，我们会收集必要的信息：\n\n"
        "- 账号信息：手机号码、昵称；\n- 订单信息：收货人、地址、商品与金额；\n- 设备信息：浏览器类型、操作系统。\n\n"
        "| 场景 | 信息 | 是否必需 |\n| --- | --- | --- |\n| 注册 | 手机号码 | 是 |\n| 配送 | 姓名、电话、地址 | 是 |\n\n"
        "## 二、我们如何使用信息\n\n仅为本政策列明的目的使用；超出范围的，会另行征得您的同意。\n\n"
        "您可以随时联系我们的个人信息保护部，我们会在十五个工作日内答复您提出的每一项请求。\n\n"
        "## 三、您的权利\n\n您有权查阅、复制、更正、删除个人信息，撤回同意，以及注销账号。我们会在三十日内答复。\n\n"
        "撤回同意不影响撤回前处理活动的效力。\n\n详见[权利说明](https://shop.example/rights)。\n\n"
        "## 四、未成年人保护\n\n不满十四周岁的未成年人，须取得监护人的同意。\n\n"
        "监护人可以随时联系我们。\n\n我们会尽快删除相关信息。\n\n本节适用于所有服务。\n\n其余依法律规定。\n",

        "# 隐私政策\n\n我们深知个人信息对您的重要性。本政策说明我们如何收集、使用、共享和保护您的个人信息。\n\n"
        "## 一、我们收集哪些信息\n\n在您注册、下单和浏览时，我们会收集必要的信息：\n\n"
        "- 账号信息：手机号码、昵称；\n- 订单信息：收货人、地址、商品与金额；\n- 设备信息：浏览器类型、操作系统、IP 地址；\n"
        "- 位置信息：仅在您使用门店地图时。\n\n"
        "| 场景 | 信息 | 是否必需 |\n| --- | --- | --- |\n| 注册 | 手机号码、电子邮箱 | 是 |\n| 配送 | 姓名、电话、地址 | 是 |\n"
        "| 地图 | 位置 | 否 |\n\n"
        "## 二、我们如何使用信息\n\n仅为本政策列明的目的使用；超出范围的，会另行征得您的同意。\n\n"
        "## 三、您的权利\n\n您有权查阅、复制、更正、删除个人信息，撤回同意，以及注销账号。我们会在十五日内答复。\n\n"
        "详见[权利说明](https://shop.example/your-rights)。\n\n"
        "您可以随时联系我们的个人信息保护部，我们会在十五个工作日内答复您提出的每一项请求。\n\n"
        "## 四、未成年人保护\n\n不满十四周岁的未成年人，须取得监护人的同意。\n\n"
        "监护人可以随时联系我们。\n\n我们会尽快删除相关信息。\n\n本节适用于所有服务。\n\n其余依法律规定。\n\n"
        "## 五、自动化决策\n\n您可以要求我们说明自动化决策的规则，并予以拒绝。\n" } },

    { "en", "Privacy policy", {
        "# Privacy policy\n\nYour personal data matters to you, and so it does to us. This policy says what we collect, "
        "what for, and how it is kept.\n\n"
        "## 1. What we collect\n\nWhen you register, order and browse we collect what is needed:\n\n"
        "- account: telephone number, nickname;\n- orders: recipient, address, goods and amount;\n"
        "- device: browser, operating system.\n\n"
        "| Occasion | Data | Required |\n| --- | --- | --- |\n| Sign-up | telephone | yes |\n| Delivery | name, address | yes |\n\n"
        "## 2. What we use it for\n\nOnly what this policy names. For anything else we ask you.\n\n"
        "You can write to our data protection office at any time, and we answer every request within fifteen working days.\n\n"
        "## 3. Your rights\n\nYou may see, copy, correct and delete your data, withdraw consent and close your account. "
        "We answer within thirty days.\n\nA withdrawal does not affect what was done before it.\n\n"
        "More in [your rights](https://shop.example/rights).\n\n"
        "## 4. Minors\n\nUnder fourteen, a guardian has to agree.\n\nGuardians can write to us at any time.\n\n"
        "We then delete the data soon.\n\nThis holds for all services.\n\nFor the rest the law applies.\n",

        "# Privacy policy\n\nYour personal data matters to you, and so it does to us. This policy says what we collect, "
        "what for, with whom we share it, and how it is kept.\n\n"
        "## 1. What we collect\n\nWhen you register, order and browse we collect what is needed:\n\n"
        "- account: telephone number, nickname;\n- orders: recipient, address, goods and amount;\n"
        "- device: browser, operating system, IP address;\n- location: only while you use the store map.\n\n"
        "| Occasion | Data | Required |\n| --- | --- | --- |\n| Sign-up | telephone, mail | yes |\n"
        "| Delivery | name, address | yes |\n| Map | location | no |\n\n"
        "## 2. What we use it for\n\nOnly what this policy names. For anything else we ask you.\n\n"
        "## 3. Your rights\n\nYou may see, copy, correct and delete your data, withdraw consent and close your account. "
        "We answer within fifteen days.\n\nMore in [your rights](https://shop.example/your-rights).\n\n"
        "You can write to our data protection office at any time, and we answer every request within fifteen working days.\n\n"
        "## 4. Minors\n\nUnder fourteen, a guardian has to agree.\n\nGuardians can write to us at any time.\n\n"
        "We then delete the data soon.\n\nThis holds for all services.\n\nFor the rest the law applies.\n\n"
        "## 5. Automated decisions\n\nYou may ask us to explain the rules of automated decisions, and refuse them.\n" } },

    { "ja", "プライバシーポリシー", {
        "# プライバシーポリシー\n\n当社は、お客様の個人情報を大切に取り扱います。本ポリシーは、個人情報の収集、利用および保存の方法を説明するものです。\n\n"
        "## 1. 収集する情報\n\n会員登録、ご注文および閲覧の際に、必要な情報を収集します。\n\n"
        "## 2. お客様の権利\n\nお客様は、個人情報の開示、訂正および削除を請求できます。三十日以内に回答いたします。\n",

        "# プライバシーポリシー\n\n当社は、お客様の個人情報を大切に取り扱います。本ポリシーは、個人情報の収集、利用、共有および保存の方法を説明するものです。\n\n"
        "## 1. 収集する情報\n\n会員登録、ご注文および閲覧の際に、必要な情報を収集します。位置情報は、店舗地図をご利用の場合に限ります。\n\n"
        "## 2. お客様の権利\n\nお客様は、個人情報の開示、訂正、利用停止および削除を請求できます。十五日以内に回答いたします。\n" } },

    { "ar", "سياسة الخصوصية", {
        "# سياسة الخصوصية\n\nنحن ندرك أهمية بياناتك الشخصية. توضح هذه السياسة كيف نجمع بياناتك ونستخدمها ونحفظها.\n\n"
        "## 1. ما نجمعه\n\nنجمع ما هو ضروري عند التسجيل والطلب.\n\n"
        "## 2. حقوقك\n\nيحق لك الاطلاع على بياناتك وتصحيحها وحذفها. نجيب خلال ثلاثين يوما.\n",

        "# سياسة الخصوصية\n\nنحن ندرك أهمية بياناتك الشخصية. توضح هذه السياسة كيف نجمع بياناتك ونستخدمها ونشاركها ونحفظها.\n\n"
        "## 1. ما نجمعه\n\nنجمع ما هو ضروري عند التسجيل والطلب، وموقعك عند استخدام الخريطة (Map).\n\n"
        "## 2. حقوقك\n\nيحق لك الاطلاع على بياناتك وتصحيحها وحذفها. نجيب خلال خمسة عشر يوما.\n" } }
};


static void
set_texts(pv_policy_t *policy, pv_text_t *list, pv_buf_t *html, size_t side)
{
    size_t     i;
    pv_str_t   markdown;

    for (i = 0; i < LANGUAGES; i++) {
        markdown = pv_str(texts[i].markdown[side]);

        if (html[i].data == NULL) {
            pv_buf_init(&html[i], PV_BUNDLE_HTML_MAX);

            if (pv_markdown_html(&html[i], markdown) != PV_OK) {
                abort();
            }
        }

        list[i].language = pv_str(texts[i].language);
        list[i].title = pv_str(texts[i].title);
        list[i].markdown = markdown;
        list[i].html.data = html[i].data;
        list[i].html.len = html[i].len;
    }

    policy->texts = list;
    policy->texts_count = LANGUAGES;
}


/* Titles and texts have an entry a language: where there is none, the default language's. */
static void
translate(pv_policy_t *policy, pv_translation_t translations[4][2][LANGUAGES])
{
    size_t             i, j, k;
    pv_translation_t  *from[2];

    for (i = 0; i < policy->purposes_count; i++) {
        from[0] = policy->purposes[i].title;
        from[1] = policy->purposes[i].text;

        for (j = 0; j < 2; j++) {
            for (k = 0; k < LANGUAGES; k++) {
                translations[i][j][k] = from[j][k < 2 ? k : 0];
            }
        }

        policy->purposes[i].title = translations[i][0];
        policy->purposes[i].text = translations[i][1];
    }
}


void
page_diff_fixture(pv_policy_t **from, pv_policy_t **to)
{
    static pv_buf_t   html[2][LANGUAGES];
    static pv_text_t  list[2][LANGUAGES];

    static pv_translation_t  translations[2][4][2][LANGUAGES];

    static pv_cookie_declaration_t  cookies[2] = {
        { pv_string("track_id"), pv_string(""), pv_string("/"), pv_string("180 天"), pv_string("Ads Ltd") },
        { pv_string("uid_map"), pv_string(""), pv_string("/stores"), pv_string("30 天"), pv_string("Maps Pte") }
    };

    *from = page_fixture(1);
    *to = page_fixture(2);

    set_texts(*from, list[0], html[0], 0);
    set_texts(*to, list[1], html[1], 1);

    (*to)->purposes[2].cookies = cookies;
    (*to)->purposes[2].retention = pv_str("自收集之日起十八个月");
    (*from)->recipients_count = 1;
    (*from)->controller.mail = pv_str("office@shop.example");
    (*to)->reduces_rights = 1;

    translate(*from, translations[0]);
    translate(*to, translations[1]);
}


size_t
page_diff_language(const pv_policy_t *policy, const char *language)
{
    size_t  i;

    for (i = 0; i < policy->texts_count; i++) {
        if (pv_str_eqs(policy->texts[i].language, language)) {
            return i;
        }
    }

    abort();
}
