/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* What is known of languages by their tags: how they call themselves, and which way they are written. */

#include <string.h>
#include <strings.h>

#include "pv_language.h"


static const pv_language_name_t  pv_language_names[] = {
    { "ar", "العربية" },
    { "bg", "Български" },
    { "bn", "বাংলা" },
    { "bo", "བོད་སྐད་" },
    { "ca", "Català" },
    { "cs", "Čeština" },
    { "da", "Dansk" },
    { "de", "Deutsch" },
    { "el", "Ελληνικά" },
    { "en", "English" },
    { "es", "Español" },
    { "et", "Eesti" },
    { "eu", "Euskara" },
    { "fa", "فارسی" },
    { "fi", "Suomi" },
    { "fr", "Français" },
    { "ga", "Gaeilge" },
    { "he", "עברית" },
    { "hi", "हिन्दी" },
    { "hr", "Hrvatski" },
    { "hu", "Magyar" },
    { "id", "Bahasa Indonesia" },
    { "is", "Íslenska" },
    { "it", "Italiano" },
    { "ja", "日本語" },
    { "kk", "Қазақ тілі" },
    { "ko", "한국어" },
    { "lt", "Lietuvių" },
    { "lv", "Latviešu" },
    { "mn", "Монгол" },
    { "ms", "Bahasa Melayu" },
    { "mt", "Malti" },
    { "nb", "Norsk bokmål" },
    { "nl", "Nederlands" },
    { "nn", "Norsk nynorsk" },
    { "no", "Norsk" },
    { "pl", "Polski" },
    { "pt", "Português" },
    { "pt-BR", "Português (Brasil)" },
    { "pt-PT", "Português (Portugal)" },
    { "ro", "Română" },
    { "ru", "Русский" },
    { "sk", "Slovenčina" },
    { "sl", "Slovenščina" },
    { "sr", "Српски" },
    { "sv", "Svenska" },
    { "sw", "Kiswahili" },
    { "ta", "தமிழ்" },
    { "th", "ไทย" },
    { "tr", "Türkçe" },
    { "ug", "ئۇيغۇرچە" },
    { "uk", "Українська" },
    { "ur", "اردو" },
    { "uz", "Oʻzbekcha" },
    { "vi", "Tiếng Việt" },
    { "zh", "中文" },
    { "zh-CN", "简体中文" },
    { "zh-HK", "繁體中文（香港）" },
    { "zh-Hans", "简体中文" },
    { "zh-Hant", "繁體中文" },
    { "zh-MO", "繁體中文（澳門）" },
    { "zh-SG", "简体中文（新加坡）" },
    { "zh-TW", "繁體中文（台灣）" }
};

#define PV_LANGUAGE_NAMES  (sizeof(pv_language_names) / sizeof(pv_language_names[0]))


const pv_language_name_t *
pv_language_name_at(size_t i)
{
    return i < PV_LANGUAGE_NAMES ? &pv_language_names[i] : NULL;
}


const char *
pv_language_name(pv_str_t tag)
{
    size_t  i;

    for (i = 0; i < PV_LANGUAGE_NAMES; i++) {
        if (strlen(pv_language_names[i].tag) == tag.len
            && strncasecmp(pv_language_names[i].tag, (const char *) tag.data, tag.len) == 0)
        {
            return pv_language_names[i].name;
        }
    }

    return NULL;
}


static int
pv_language_listed(const char *const *list, size_t n, const char *word, size_t len)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (strlen(list[i]) == len && strncasecmp(list[i], word, len) == 0) {
            return 1;
        }
    }

    return 0;
}


const char *
pv_language_direction(pv_str_t tag)
{
    int          rtl;
    size_t       i, start;
    const char  *text;

    static const char *const  languages[] = {
        "ar", "arc", "arz", "ckb", "dv", "fa", "he", "ks", "pnb", "prs", "ps", "sd", "syr", "ug", "ur", "yi"
    };
    static const char *const  scripts[] = {
        "Adlm", "Arab", "Aran", "Hebr", "Mand", "Mend", "Nkoo", "Rohg", "Samr", "Syrc", "Thaa"
    };

    text = (const char *) tag.data;
    rtl = 0;

    for (i = 0, start = 0; i <= tag.len; i++) {

        if (i < tag.len && text[i] != '-') {
            continue;
        }

        if (start == 0) {
            rtl = pv_language_listed(languages, sizeof(languages) / sizeof(languages[0]), text, i);

        } else if (i - start == 4 && (text[start] | 0x20) >= 'a' && (text[start] | 0x20) <= 'z') {
            rtl = pv_language_listed(scripts, sizeof(scripts) / sizeof(scripts[0]), text + start, 4);
            break;

        } else if (i - start == 1) {
            break;              /* what follows a singleton is an extension */
        }

        start = i + 1;
    }

    return rtl ? "rtl" : "ltr";
}
