/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pv_page_notice_view.h"


void
pv_page_notice_of(pv_page_notice_t *item, const pv_notice_t *notice, size_t text, const pv_page_version_t *version)
{
    const pv_notice_text_t  *said;

    memset(item, 0, sizeof(pv_page_notice_t));

    item->id = pv_str(notice->id);
    item->kind = pv_notice_kind_name(notice->kind);
    item->digest = notice->digest;
    item->published = notice->published;
    item->until = notice->until;
    item->corrects = notice->corrects;
    item->retracts = notice->retracts;
    item->reason = notice->reason;
    item->listed = notice->public || notice->kind == PV_NOTICE_CHANGE;

    if (notice->kind == PV_NOTICE_CHANGE) {
        item->version = version;
    }

    if (text < notice->texts_count) {
        said = &notice->texts[text];
        item->language = said->language;
        item->title = said->title;
        item->summary = said->summary;
        memcpy(item->parts, said->parts, sizeof(item->parts));
    }
}


static void
fill_one(pv_view_t *v, json_t *object, const char *name, const char *key, const char *field, pv_str_t value)
{
    pv_fill_t  fill;

    fill.name = field;
    fill.value = value;

    pv_view_fill(v, object, name, pv_view_string(v, key), &fill, 1);
}


static void
fill_day(pv_view_t *v, json_t *object, const char *name, const char *key, int64_t time)
{
    char      text[PV_RFC3339_SIZE];
    pv_str_t  day;

    pv_rfc3339_format(text, time);

    day.data = (const unsigned char *) text;
    day.len = sizeof("2026-12-01") - 1;

    fill_one(v, object, name, key, "date", day);
}


/* ["paragraph", ...]: plain text has one a line. */
static json_t *
paragraphs(pv_view_t *v, pv_str_t text)
{
    json_t               *list;
    pv_str_t              line;
    const unsigned char  *p, *end, *next;

    list = json_array();
    end = text.data + text.len;

    for (p = text.data; p < end; p = next + 1) {
        next = memchr(p, '\n', (size_t) (end - p));
        next = next ? next : end;

        line.data = p;
        line.len = (size_t) (next - p);

        if (line.len) {
            pv_view_add(v, list, json_stringn((const char *) line.data, line.len));
        }
    }

    return list;
}


static pv_str_t
first_line(pv_str_t text)
{
    const unsigned char  *end;

    end = text.len ? memchr(text.data, '\n', text.len) : NULL;
    text.len = end ? (size_t) (end - text.data) : text.len;

    return text;
}


const char *
pv_notice_part_key(size_t i)
{
    static const char *const  keys[PV_NOTICE_PARTS] = {
        "notice_happened", "notice_measures", "notice_advice", "notice_remedies"
    };

    return keys[i];
}


static void
view_parts(pv_view_t *v, json_t *object, const pv_page_notice_t *notice)
{
    size_t   i;
    json_t  *list, *item;

    list = json_array();

    for (i = 0; i < PV_NOTICE_PARTS; i++) {
        if (notice->parts[i].len == 0) {
            continue;
        }

        item = json_object();
        pv_view_str(v, item, "name", pv_view_string(v, pv_notice_part_key(i)));
        pv_view_set(v, item, "text", paragraphs(v, notice->parts[i]));
        pv_view_bool(v, item, "first", i == 0);
        pv_view_add(v, list, item);
    }

    pv_view_set(v, object, "parts", list);
}


int
pv_notice_changes(const pv_page_t *page, const pv_page_notice_t *notice, const pv_purpose_t *purpose)
{
    if (notice->version == NULL || page->policy->sequence != notice->version->sequence) {
        return 0;
    }

    return pv_policy_changed_by(page->policy, notice->version->sequence) >> purpose->bit & 1;
}


/* Titles of the purposes that the change touches: 0: all, 1: those that need a consent of their own, 2: the others. */
static size_t
titles(pv_buf_t *out, pv_view_t *v, const pv_page_notice_t *notice, int which)
{
    size_t               i, n;
    const pv_policy_t   *policy;
    const pv_purpose_t  *purpose;

    policy = v->page->policy;

    for (i = 0, n = 0; i < policy->purposes_count; i++) {
        purpose = &policy->purposes[i];

        if (!pv_notice_changes(v->page, notice, purpose) || (which && (which == 1) != purpose->separate)) {
            continue;
        }

        if (n++) {
            pv_buf_str(out, pv_view_string(v, "comma"));
        }

        pv_buf_str(out, pv_translation(policy, purpose->title, v->page->language));
    }

    return n;
}


/* The sentence with these purposes in it; where there are none, nothing is said. */
static size_t
add_purposes(pv_view_t *v, json_t *list, const char *key, const pv_page_notice_t *notice, int which)
{
    size_t     n;
    json_t    *holder;
    pv_buf_t   b;
    pv_str_t   s;

    pv_buf_init(&b, PV_SENTENCE_MAX / 2);
    n = titles(&b, v, notice, which);

    if (n) {
        s.data = b.data;
        s.len = b.len;
        holder = json_object();
        fill_one(v, holder, "said", key, "purposes", s);
        pv_view_add(v, list, json_incref(json_object_get(holder, "said")));
        json_decref(holder);
    }

    v->failed |= b.failed;
    pv_buf_free(&b);

    return n;
}


/* What each answer to a change does, in sentences. */
static void
view_terms(pv_view_t *v, json_t *object, const pv_page_notice_t *notice)
{
    size_t   n;
    json_t  *list;

    list = json_array();

    add_purposes(v, list, "notice_allows", notice, 2);
    add_purposes(v, list, "notice_separate", notice, 1);
    n = add_purposes(v, list, "notice_switches_off", notice, 0);

    if (notice->version->reduces_rights) {
        pv_view_add(v, list, json_incref(json_object_get(v->strings, "notice_reduces")));

    } else if (n == 0) {
        pv_view_add(v, list, json_incref(json_object_get(v->strings, "notice_nothing_switched")));
    }

    pv_view_bool(v, object, "has_terms", 1);
    pv_view_set(v, object, "terms", list);
}


/* Where to see what changed: for this user since what binds him, for everybody since the version before. */
pv_str_t
pv_notice_diff(char room[PV_NOTICE_DIFF_SIZE], const pv_page_notice_t *notice)
{
    int       mine;
    pv_str_t  from, to;

    mine = notice->mine;
    from = notice->version->before;
    to = notice->version->version;

    if (!mine && from.len == 0) {
        snprintf(room, PV_NOTICE_DIFF_SIZE, "versions/%.*s", (int) to.len, (const char *) to.data);

    } else {
        snprintf(room, PV_NOTICE_DIFF_SIZE, "diff/%.*s/%.*s", mine ? 4 : (int) from.len,
                 mine ? "mine" : (const char *) from.data, (int) to.len, (const char *) to.data);
    }

    return pv_str(room);
}


static void
view_change(pv_view_t *v, json_t *object, const pv_page_notice_t *notice)
{
    char      room[PV_NOTICE_DIFF_SIZE], since[PV_RFC3339_SIZE];
    pv_str_t  day;

    day = pv_page_version_since(notice->version, since);
    day.len = day.len > 10 ? 10 : day.len;

    fill_one(v, object, "effective_sentence", "notice_effective", "date", day);
    pv_view_str(v, object, "version_id", notice->version->version);
    pv_view_str(v, object, "diff", pv_notice_diff(room, notice));
    view_terms(v, object, notice);
}


static void
view_answer(pv_view_t *v, json_t *object, const pv_page_notice_t *notice)
{
    char  key[64];

    pv_view_bool(v, object, "due", notice->due);
    pv_view_bool(v, object, "mine", notice->mine);

    if (notice->answer != NULL && !notice->due) {
        snprintf(key, sizeof(key), "notice_was_%s", notice->answer);
        fill_day(v, object, "answer_sentence", key, notice->answered);
    }

    pv_view_bool(v, object, "retracted", notice->retracted != 0);

    if (notice->retracted) {
        fill_day(v, object, "retracted_sentence", "notice_taken_back_on", notice->retracted);
        pv_view_str(v, object, "reason", notice->reason);
    }
}


pv_str_t
pv_view_kind(const pv_view_t *v, const pv_page_notice_t *notice)
{
    char  key[64];

    snprintf(key, sizeof(key), "notice_kind_%s", notice->kind);

    return pv_view_string(v, key);
}


/* Of a change the policy's title: it says which version, too. */
void
pv_view_title(pv_view_t *v, json_t *object, const char *name, const pv_page_notice_t *notice)
{
    pv_buf_t  b;

    pv_buf_init(&b, PV_SENTENCE_MAX);
    pv_buf_str(&b, notice->title.len ? notice->title : pv_view_kind(v, notice));

    if (notice->version != NULL) {
        pv_buf_puts(&b, " ");
        pv_buf_str(&b, notice->version->version);
    }

    pv_view_take(v, object, name, &b);
}


pv_str_t
pv_notice_other(char room[PV_NOTICE_ID_SIZE], uint32_t number)
{
    room[0] = '\0';

    if (number) {
        pv_notice_id_write(room, 'n', number);
    }

    return pv_str(room);
}


static void
view_other(pv_view_t *v, json_t *object, const char *name, uint32_t number)
{
    char  room[PV_NOTICE_ID_SIZE];

    pv_view_str(v, object, name, pv_notice_other(room, number));
}


void
pv_view_notice(pv_view_t *v, json_t *object, const pv_page_notice_t *notice)
{
    size_t  i, len;

    for (i = 0, len = notice->summary.len; i < PV_NOTICE_PARTS; i++) {
        len += notice->parts[i].len;
    }

    pv_view_str(v, object, "id", notice->id);
    pv_view_str(v, object, "kind", pv_str(notice->kind));
    pv_view_str(v, object, "kind_name", pv_view_kind(v, notice));
    pv_view_bool(v, object, "is_change", notice->version != NULL);
    pv_view_str(v, object, "language", notice->title.len ? notice->language : pv_view_string(v, "tag"));
    pv_view_title(v, object, "title", notice);
    pv_view_time(v, object, "published", notice->published, pv_str(""));
    pv_view_bool(v, object, "long", len > PV_NOTICE_BAR_TEXT);
    view_other(v, object, "corrects", notice->corrects);
    view_other(v, object, "corrected", notice->corrected);
    view_other(v, object, "retracts", notice->retracts);

    pv_view_str(v, object, "lead", first_line(notice->summary.len ? notice->summary : notice->parts[0]));
    pv_view_set(v, object, "summary", paragraphs(v, notice->summary));

    view_parts(v, object, notice);
    view_answer(v, object, notice);

    if (notice->version != NULL) {
        view_change(v, object, notice);
    }
}


int
pv_page_notice_bar(pv_banner_t *bar, const pv_page_t *page, const pv_page_notice_t *notice, size_t waiting)
{
    pv_view_t         v;
    pv_page_notice_t  neutral;

    static const char *const  slots[] = { "token", "return" };

    memset(bar, 0, sizeof(pv_banner_t));

    if (page->policy == NULL) {
        return PV_INVALID;
    }

    neutral = *notice;
    neutral.mine = neutral.due = 1;
    neutral.answer = NULL;

    pv_view_init(&v, page, NULL);
    pv_view_notice(&v, v.root, &neutral);

    if (waiting) {
        pv_view_count(&v, v.root, "waiting", "notice_waiting", waiting);
    }

    return pv_fragment_cut(bar, &v, "notice_bar.html", slots);
}


int
pv_page_notice_public(pv_buf_t *out, const pv_page_t *page, const pv_page_notice_t *notice)
{
    pv_view_t  v;

    if (page->policy == NULL) {
        return PV_INVALID;
    }

    pv_view_init(&v, page, NULL);
    pv_view_asset(&v, "notices_style", "notices.css");
    pv_view_asset(&v, "notice_bar_script", "notice_bar.js");
    pv_view_notice(&v, v.root, notice);

    return pv_fragment_render(&v, out, "notice_public.html");
}


int
pv_page_notice_form(pv_buf_t *out, const pv_page_t *page, const pv_page_notice_t *notice)
{
    pv_page_t         neutral;
    pv_view_t         v;
    pv_page_notice_t  shown;

    if (page->policy == NULL) {
        return PV_INVALID;
    }

    neutral = *page;
    neutral.token = pv_str("");
    neutral.return_to = pv_str("");

    shown = *notice;
    shown.mine = shown.due = 1;
    shown.answer = NULL;

    pv_view_init(&v, &neutral, NULL);
    pv_view_notice(&v, v.root, &shown);

    return pv_view_render(&v, out, "notice_form.html");
}


int
pv_page_notices(pv_buf_t *out, const pv_page_t *page, const pv_page_notices_t *list)
{
    size_t      i;
    json_t     *item, *own, *others;
    pv_view_t   v;

    if (page->policy == NULL) {
        return PV_INVALID;
    }

    pv_view_init(&v, page, "notices_title");
    pv_view_assets(&v);
    pv_view_bool(&v, v.root, "at_notices", 1);

    own = json_array();
    others = json_array();

    for (i = 0; i < list->n; i++) {
        item = json_object();
        pv_view_notice(&v, item, &list->notices[i]);
        pv_view_add(&v, list->notices[i].mine ? own : others, item);
    }

    pv_view_bool(&v, v.root, "has_own", json_array_size(own) > 0);
    pv_view_bool(&v, v.root, "has_others", json_array_size(others) > 0);
    pv_view_bool(&v, v.root, "none", list->n == 0);
    pv_view_set(&v, v.root, "own", own);
    pv_view_set(&v, v.root, "others", others);

    return pv_view_render(&v, out, "notices.html");
}


int
pv_page_notice(pv_buf_t *out, const pv_page_t *page, const pv_page_notice_t *notice)
{
    pv_view_t  v;

    if (page->policy == NULL) {
        return PV_INVALID;
    }

    pv_view_init(&v, page, NULL);
    pv_view_assets(&v);
    pv_view_bool(&v, v.root, "at_notices", 1);
    pv_view_notice(&v, v.root, notice);
    pv_view_title(&v, v.root, "page_title", notice);

    if (page->message != NULL) {
        pv_view_str(&v, v.root, "message", pv_page_sentence(page->ui, pv_page_language(page), page->message));
    }

    return pv_view_render(&v, out, "notice.html");
}
