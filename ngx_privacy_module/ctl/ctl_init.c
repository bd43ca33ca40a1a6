/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* privacyctl init. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ctl.h"
#include "ctl_bundle.h"
#include "ctl_file.h"
#include "ctl_http.h"
#include "ctl_init.h"

#define CTL_INIT_LINE           1024
#define CTL_INIT_INVENTORY_MAX  (16 * 1024 * 1024)


typedef struct {
    ctl_init_t     init;
    const char    *lang, *languages, *inventory, *url, *site;
    int            yes, json;
    char           lines[CTL_INIT_ANSWERS][CTL_INIT_LINE];     /* what was answered to a question */
    char           version[16], effective[32], list[64];
    json_t        *status;                                      /* what init.seen is a part of */
} ctl_init_command_t;


static int ctl_init_run(ctl_init_command_t *c, const char *folder);
static int ctl_init_languages(ctl_init_command_t *c);
static int ctl_init_ask(ctl_init_command_t *c);
static void ctl_init_time(ctl_init_command_t *c);
static int ctl_init_seen(ctl_init_command_t *c);
static int ctl_init_build(ctl_init_command_t *c, const char *folder);
static int ctl_init_write(ctl_init_command_t *c, const char *folder, pv_str_t json, const pv_buf_t *texts);
static int ctl_init_is_free(const ctl_init_command_t *c, const char *folder);
static void ctl_init_say(const ctl_init_command_t *c, const char *folder);


/* In the order of ctl_init_answer_t; name is what has to be answered. */
static const struct { const char *option, *zh, *en; }  ctl_init_questions[] = {
    { "name", "个人信息处理者（公司）全称", "Full name of the company or person who is responsible" },
    { "mail", "个人信息保护电子邮箱", "Mail address for privacy matters" },
    { "telephone", "电话（可留空）", "Telephone (may be left empty)" },
    { "address", "地址", "Postal address" },
    { "department", "个人信息保护负责部门（可留空）", "Department in charge (may be left empty)" },
    { "complaint", "投诉渠道：邮箱、电话或网址", "Where people complain: mail, telephone or address" },
    { "country", "所在国家或地区", "Country or region" },
    { "necessary", "登录等必需的 Cookie 名称，逗号分隔（须由您确认，可留空）",
      "Cookies that login and the like need, with commas between (yours to answer for; may be left empty)" }
};


int
ctl_init(int argc, char **argv)
{
    int                   rc, operands;
    ctl_init_command_t    c;
    const ctl_option_t    options[] = {
        { "name", "NAME", &c.init.answers[CTL_INIT_NAME], NULL, "who is responsible: the company's full name" },
        { "mail", "MAIL", &c.init.answers[CTL_INIT_MAIL], NULL, "how privacy matters reach you" },
        { "telephone", "NUMBER", &c.init.answers[CTL_INIT_TELEPHONE], NULL, "the same by telephone" },
        { "address", "TEXT", &c.init.answers[CTL_INIT_ADDRESS], NULL, "the same by letter" },
        { "department", "NAME", &c.init.answers[CTL_INIT_DEPARTMENT], NULL, "the department in charge" },
        { "complaint", "TEXT", &c.init.answers[CTL_INIT_COMPLAINT], NULL, "where people complain" },
        { "country", "NAME", &c.init.answers[CTL_INIT_COUNTRY], NULL, "where you are: recipients elsewhere are abroad" },
        { "necessary", "NAMES", &c.init.answers[CTL_INIT_NECESSARY], NULL,
          "cookies that the site cannot work without, with\ncommas between: somebody has to answer for them" },
        { "languages", "TAGS", &c.languages, NULL, "zh-CN,en: the texts to write, the default language\nfirst" },
        { "version", "ID", &c.init.version, NULL, "the version's id (today's date)" },
        { "effective", "TIME", &c.init.effective, NULL, "when it takes effect (today: once it is published)" },
        { "inventory", "FILE", &c.inventory, NULL, "what `privacyctl inventory --json` wrote (- reads it\n"
          "from standard input): its cookies are declared" },
        { "url", "URL", &c.url, NULL, "the same, asked of a node: where privacy_status answers" },
        { "site", "NAME", &c.site, NULL, "of the inventory, this site only" },
        { "lang", "TAG", &c.lang, NULL, "zh-CN or en: of the questions" },
        { "yes", NULL, NULL, &c.yes, "ask nothing: what is not given is left out" },
        { "json", NULL, NULL, &c.json, "print what was written as JSON" },
        { NULL, NULL, NULL, NULL, NULL }
    };
    const ctl_usage_t     usage = {
        "init [options] DIR",
        "Writes a first bundle into DIR: policy.json, and a text in each language with every\n"
        "section that the law usually asks for. What is missing is asked on the terminal.\n"
        "Cookies that were seen and are not called necessary wait in a purpose of their own,\n"
        "\"" CTL_INIT_PURPOSE "\": they do not pass without consent. Put each into the purpose that it\n"
        "serves, fill in the places marked so, then `privacyctl check DIR`.\n"
        "What is there already is not touched.\n",
        options, 1, 1
    };

    memset(&c, 0, sizeof(c));

    rc = ctl_options(&usage, argc, argv, &operands);
    if (rc == -1) {
        rc = ctl_init_run(&c, argv[1]);
    }

    json_decref(c.status);

    return rc;
}


static int
ctl_init_run(ctl_init_command_t *c, const char *folder)
{
    int  rc;

    rc = ctl_init_languages(c);
    rc = rc == CTL_OK && !ctl_init_is_free(c, folder) ? CTL_WRONG : rc;
    rc = rc == CTL_OK ? ctl_init_seen(c) : rc;
    rc = rc == CTL_OK ? ctl_init_ask(c) : rc;

    if (rc != CTL_OK) {
        return rc;
    }

    ctl_init_time(c);

    return ctl_init_build(c, folder);
}


static int
ctl_init_languages(ctl_init_command_t *c)
{
    char                  *tag, *rest;
    size_t                 n, i;
    const char            *env;
    const ctl_skeleton_t  *s;

    env = getenv("LC_ALL") != NULL ? getenv("LC_ALL") : getenv("LANG");

    if (c->lang == NULL) {
        c->lang = env != NULL && strncmp(env, "zh", 2) == 0 ? "zh-CN" : "en";

    } else if (strcmp(c->lang, "zh-CN") != 0 && strcmp(c->lang, "en") != 0) {
        return ctl_fail(CTL_USAGE, "--lang %s: questions are in zh-CN or en", c->lang);
    }

    snprintf(c->list, sizeof(c->list), "%s", c->languages != NULL ? c->languages : "zh-CN,en");
    n = 0;

    for (tag = strtok_r(c->list, ",", &rest); tag != NULL; tag = strtok_r(NULL, ",", &rest)) {
        for (s = ctl_skeletons; s->language != NULL && strcmp(s->language, tag) != 0; s++) { /* void */ }

        for (i = 0; i < n && strcmp(c->init.languages[i], tag) != 0; i++) { /* void */ }

        if (s->language == NULL || i != n || n == 3) {
            return ctl_fail(CTL_USAGE, "--languages: one or both of zh-CN and en; translate from these");
        }

        c->init.languages[n++] = tag;
    }

    return n != 0 ? CTL_OK : ctl_fail(CTL_USAGE, "--languages: one or both of zh-CN and en");
}


/* Only where somebody is there to answer; who is responsible cannot be left out. */
static int
ctl_init_ask(ctl_init_command_t *c)
{
    int          asks, zh;
    size_t       i, len;
    const char **answers;

    asks = !c->yes && isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
    zh = strcmp(c->lang, "zh-CN") == 0;
    answers = c->init.answers;

    for (i = 0; asks && i < CTL_INIT_ANSWERS; i++) {
        if (answers[i] != NULL) {
            continue;
        }

        fprintf(stderr, "%s%s ", zh ? ctl_init_questions[i].zh : ctl_init_questions[i].en, zh ? "：" : ":");

        if (fgets(c->lines[i], CTL_INIT_LINE, stdin) == NULL) {
            fputc('\n', stderr);
            return ctl_fail(CTL_WRONG, "nothing was written");
        }

        len = strcspn(c->lines[i], "\r\n");
        c->lines[i][len] = '\0';
        answers[i] = c->lines[i];
    }

    if (answers[CTL_INIT_NAME] == NULL || answers[CTL_INIT_NAME][0] == '\0') {
        return ctl_fail(CTL_USAGE, "who is responsible? --name NAME");
    }

    for (i = CTL_INIT_MAIL; i <= CTL_INIT_ADDRESS; i++) {
        if (answers[i] != NULL && answers[i][0] != '\0') {
            return CTL_OK;
        }
    }

    return ctl_fail(CTL_USAGE, "how are you reached? --mail, --telephone or --address");
}


/* Today, in the zone of this machine: in force as soon as it is published. */
static void
ctl_init_time(ctl_init_command_t *c)
{
    time_t     day;
    struct tm  tm;

    day = time(NULL);
    localtime_r(&day, &tm);
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    tm.tm_isdst = -1;
    (void) mktime(&tm);

    strftime(c->version, sizeof(c->version), "%Y-%m-%d", &tm);
    strftime(c->effective, sizeof(c->effective), "%Y-%m-%dT%H:%M:%S%z", &tm);

    /* RFC 3339 has a colon in the zone. */
    memmove(c->effective + 23, c->effective + 22, 3);
    c->effective[22] = ':';

    c->init.version = c->init.version != NULL ? c->init.version : c->version;
    c->init.effective = c->init.effective != NULL ? c->init.effective : c->effective;
}


/* The lists of all sites, or of the one that is wanted, as one. */
static int
ctl_init_seen(ctl_init_command_t *c)
{
    int          rc;
    size_t       i;
    json_t      *site, *sites;
    pv_buf_t     bytes;
    const char  *name;

    if (c->inventory == NULL && c->url == NULL) {
        return CTL_OK;
    }

    if (c->inventory != NULL && c->url != NULL) {
        return ctl_fail(CTL_USAGE, "--inventory or --url, not both");
    }

    pv_buf_init(&bytes, CTL_INIT_INVENTORY_MAX);

    if (c->url != NULL) {
        rc = ctl_http_get(&bytes, c->url);
    } else {
        rc = ctl_file_read(&bytes, c->inventory, CTL_INIT_INVENTORY_MAX) == PV_OK ? CTL_OK : CTL_WRONG;
    }

    if (rc == CTL_OK) {
        c->status = json_loadb(bytes.data != NULL ? (const char *) bytes.data : "", bytes.len, 0, NULL);
        sites = json_is_array(c->status) ? c->status : json_object_get(c->status, "sites");

        if (!json_is_array(sites)) {
            rc = ctl_fail(CTL_WRONG, "%s is not what `privacyctl inventory --json` writes",
                          c->url != NULL ? c->url : c->inventory);
        }
    }

    pv_buf_free(&bytes);

    if (rc != CTL_OK) {
        return rc;
    }

    c->init.seen = json_array();

    json_array_foreach(sites, i, site) {
        name = json_string_value(json_object_get(site, "name"));

        if (c->site == NULL || (name != NULL && strcmp(name, c->site) == 0)) {
            json_array_extend(c->init.seen, json_object_get(site, "inventory"));
        }
    }

    return CTL_OK;
}


/* All of it in memory, checked, before the first file is written. */
static int
ctl_init_build(ctl_init_command_t *c, const char *folder)
{
    int                  rc;
    char                *json;
    size_t               i;
    json_t              *policy;
    pv_buf_t             texts[3];
    pv_problems_t        problems;
    pv_bundle_text_t     list[3];
    pv_bundle_source_t   source;

    memset(list, 0, sizeof(list));
    pv_problems_init(&problems);

    policy = ctl_init_policy(&c->init);
    json = policy != NULL ? json_dumps(policy, JSON_INDENT(4)) : NULL;
    rc = json != NULL ? PV_OK : PV_ERROR;

    for (i = 0; c->init.languages[i] != NULL; i++) {
        pv_buf_init(&texts[i], PV_BUNDLE_TEXT_MAX);
        rc = rc == PV_OK ? ctl_init_text(&texts[i], policy, c->init.languages[i]) : rc;

        list[i].language = pv_str(c->init.languages[i]);
        list[i].bytes = (pv_str_t) { texts[i].data, texts[i].len };
        list[i].file = c->init.languages[i];
    }

    if (rc == PV_OK) {
        source = (pv_bundle_source_t) { pv_str(json), "policy.json", list, i };
        rc = pv_bundle_check(&source, NULL, &problems);
    }

    if (rc == PV_OK) {
        rc = ctl_init_write(c, folder, pv_str(json), texts);

    } else {
        ctl_problems(&problems);
        rc = ctl_fail(CTL_WRONG, rc == PV_INVALID ? "what was given cannot stand in a policy: nothing was written"
                      : "out of memory");
    }

    for (i = 0; c->init.languages[i] != NULL; i++) {
        pv_buf_free(&texts[i]);
    }

    pv_problems_free(&problems);
    free(json);
    json_decref(policy);
    json_decref(c->init.seen);

    return rc;
}


/* The texts first: a folder is a bundle when it has its policy.json. */
static int
ctl_init_write(ctl_init_command_t *c, const char *folder, pv_str_t json, const pv_buf_t *texts)
{
    int       rc;
    char     *path;
    size_t    i;
    pv_buf_t  whole;

    rc = ctl_folder(folder, 0755) == PV_OK ? PV_OK : PV_ERROR;

    for (i = 0; rc == PV_OK && c->init.languages[i] != NULL; i++) {
        if (asprintf(&path, "%s/policy.%s.md", folder, c->init.languages[i]) < 0) {
            return ctl_fail(CTL_WRONG, "out of memory");
        }
        rc = ctl_file_write(path, (pv_str_t) { texts[i].data, texts[i].len }, 0644, CTL_FILE_NEW);
        free(path);
    }

    pv_buf_init(&whole, PV_BUNDLE_JSON_MAX);
    pv_buf_str(&whole, json);
    pv_buf_puts(&whole, "\n");

    if (asprintf(&path, "%s/policy.json", folder) < 0) {
        path = NULL;
        rc = PV_ERROR;
    }

    if (rc == PV_OK) {
        rc = ctl_file_write(path, (pv_str_t) { whole.data, whole.len }, 0644, CTL_FILE_NEW);
    }

    free(path);
    pv_buf_free(&whole);

    if (rc != PV_OK) {
        return CTL_WRONG;
    }

    ctl_init_say(c, folder);

    return CTL_OK;
}


/* Nothing of a bundle may be there. */
static int
ctl_init_is_free(const ctl_init_command_t *c, const char *folder)
{
    int          taken;
    char        *path;
    size_t       i;
    struct stat  st;

    for (i = 0, taken = 0; !taken; i++) {
        if (i == 0 ? asprintf(&path, "%s/policy.json", folder) < 0
            : asprintf(&path, "%s/policy.%s.md", folder, c->init.languages[i - 1]) < 0)
        {
            ctl_fail(0, "out of memory");
            return 0;
        }

        taken = stat(path, &st) == 0;
        if (taken) {
            ctl_fail(0, "%s is there already: nothing was written", path);
        }

        free(path);

        if (c->init.languages[i] == NULL) {
            break;
        }
    }

    return !taken;
}


static void
ctl_init_say(const ctl_init_command_t *c, const char *folder)
{
    size_t   i;
    json_t  *answer;

    if (c->json) {
        answer = json_pack("{s:s, s:s, s:[], s:I, s:I}", "folder", folder, "version", c->init.version, "files",
                           "unclassified", (json_int_t) c->init.unclassified,
                           "skipped", (json_int_t) c->init.skipped);
        json_array_append_new(json_object_get(answer, "files"), json_string("policy.json"));

        for (i = 0; c->init.languages[i] != NULL; i++) {
            json_array_append_new(json_object_get(answer, "files"), json_sprintf("policy.%s.md", c->init.languages[i]));
        }

        json_dumpf(answer, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(answer);
        return;
    }

    printf("%s: policy.json", folder);

    for (i = 0; c->init.languages[i] != NULL; i++) {
        printf(", policy.%s.md", c->init.languages[i]);
    }

    putchar('\n');

    if (c->init.unclassified != 0) {
        printf("%zu cookies that were seen wait in the purpose \"" CTL_INIT_PURPOSE "\": put each into the purpose that "
               "it serves.\n", c->init.unclassified);
    }

    if (c->init.skipped != 0) {
        printf("%zu cookies have names that cannot be declared, or are the module's own: left out.\n", c->init.skipped);
    }

    printf("Fill in the places marked so, then: privacyctl check %s\n", folder);
}
