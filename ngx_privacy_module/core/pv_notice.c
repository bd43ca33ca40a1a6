/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/* Notices: their names, their memory, and those that a version of the policy is. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pv_language.h"
#include "pv_notice_private.h"


static int pv_notice_first(pv_arena_t *arena, pv_notice_t **notice);
static int pv_notice_fill_change(pv_notice_t *n, pv_arena_t *arena, const void *data);
static int pv_notice_is_material(const pv_change_t *change);
static int pv_notice_translated(const pv_head_t *head, size_t language);
static void pv_notice_summary(pv_notice_text_t *text, pv_arena_t *arena, const pv_head_t *head, size_t language);
static void pv_notice_purposes(pv_notice_t *n, pv_arena_t *arena, const pv_head_t *head);


static const char *const  pv_notice_kinds[] = { "", "change", "incident", "announcement", "retraction" };
static const char *const  pv_notice_parts[] = { "happened", "measures", "advice", "remedies" };
static const char *const  pv_audience_kinds[] = { "none", "users", "list", "bound_before", "granted" };


const char *
pv_notice_kind_name(pv_notice_kind_t kind)
{
    return pv_notice_kinds[kind <= PV_NOTICE_RETRACTION ? kind : 0];
}


pv_notice_kind_t
pv_notice_kind(pv_str_t name)
{
    unsigned  kind;

    for (kind = PV_NOTICE_CHANGE; kind <= PV_NOTICE_RETRACTION; kind++) {
        if (pv_str_eqs(name, pv_notice_kinds[kind])) {
            return kind;
        }
    }

    return 0;
}


const char *
pv_notice_part_name(pv_notice_part_t part)
{
    return part < PV_NOTICE_PARTS ? pv_notice_parts[part] : "";
}


const char *
pv_audience_kind_name(pv_audience_kind_t kind)
{
    return pv_audience_kinds[kind <= PV_AUDIENCE_GRANTED ? kind : PV_AUDIENCE_NONE];
}


int
pv_notice_id_read(char *source, uint32_t *number, pv_str_t id)
{
    size_t    i;
    uint64_t  n;

    if (id.len < 2 || id.len > 11 || (id.data[0] != 'v' && id.data[0] != 'n') || id.data[1] == '0') {
        return PV_INVALID;
    }

    n = 0;

    for (i = 1; i < id.len; i++) {
        if (id.data[i] < '0' || id.data[i] > '9') {
            return PV_INVALID;
        }

        n = n * 10 + (id.data[i] - '0');
    }

    if (n > UINT32_MAX) {
        return PV_INVALID;
    }

    *source = (char) id.data[0];
    *number = (uint32_t) n;

    return PV_OK;
}


void
pv_notice_id_write(char id[PV_NOTICE_ID_SIZE], char source, uint32_t number)
{
    snprintf(id, PV_NOTICE_ID_SIZE, "%c%" PRIu32, source, number);
}


size_t
pv_notice_language(const pv_notice_t *notice, pv_str_t accept, pv_str_t wanted)
{
    size_t    i;
    pv_str_t  tags[PV_LANGUAGES_MAX];

    for (i = 0; i < notice->texts_count && i < PV_LANGUAGES_MAX; i++) {
        tags[i] = notice->texts[i].language;
    }

    return i > 1 ? pv_language_choose(tags, i, accept, wanted) : 0;
}


int
pv_notice_make(pv_notice_t **notice, pv_notice_fill_pt fill, const void *data)
{
    int           rc;
    size_t        used;
    pv_arena_t    arena;
    pv_notice_t  *n;

    *notice = NULL;

    pv_arena_init(&arena);
    rc = pv_notice_first(&arena, &n);
    rc = rc == PV_OK ? fill(n, &arena, data) : rc;
    rc = rc == PV_OK && arena.failed ? PV_ERROR : rc;
    used = pv_arena_used(&arena);
    pv_arena_free(&arena);

    if (rc != PV_OK) {
        return rc;
    }

    pv_arena_init(&arena);
    pv_arena_reserve(&arena, used);
    rc = pv_notice_first(&arena, &n);
    rc = rc == PV_OK ? fill(n, &arena, data) : rc;
    rc = rc == PV_OK && arena.failed ? PV_ERROR : rc;

    if (rc != PV_OK) {
        pv_arena_free(&arena);
        return rc;
    }

    pv_notice_id_write(n->id, n->kind == PV_NOTICE_CHANGE ? 'v' : 'n', n->number);
    n->block = arena.blocks;
    n->memory = (uint32_t) used;
    n->refs = 1;
    *notice = n;

    return PV_OK;
}


static int
pv_notice_first(pv_arena_t *arena, pv_notice_t **notice)
{
    *notice = pv_arena_array(arena, 1, sizeof(pv_notice_t));

    return *notice != NULL ? PV_OK : PV_ERROR;
}


pv_notice_t *
pv_notice_hold(pv_notice_t *notice)
{
    notice->refs++;

    return notice;
}


void
pv_notice_free(pv_notice_t *notice)
{
    pv_arena_t  arena;

    if (notice == NULL || --notice->refs != 0) {
        return;
    }

    pv_arena_init(&arena);
    arena.blocks = notice->block;
    pv_arena_free(&arena);
}


int
pv_notice_from_head(pv_notice_t **notice, const pv_head_t *head)
{
    size_t  i;

    *notice = NULL;

    if (head->kind != PV_ENTRY_VERSION || head->sequence == 1) {
        return PV_OK;
    }

    for (i = 0; i < head->changes_count; i++) {
        if (pv_notice_is_material(&head->changes[i])) {
            return pv_notice_make(notice, pv_notice_fill_change, head);
        }
    }

    return PV_OK;
}


static int
pv_notice_is_material(const pv_change_t *change)
{
    return change->summary_count != 0 && pv_declared_material((const char *) change->kind.data);
}


static int
pv_notice_fill_change(pv_notice_t *n, pv_arena_t *arena, const void *data)
{
    size_t             i;
    const pv_head_t   *head;
    pv_notice_text_t  *text;

    head = data;

    n->kind = PV_NOTICE_CHANGE;
    n->number = head->sequence;
    n->log = head->sequence;
    n->published = head->published;
    n->public = 1;
    n->audience.kind = PV_AUDIENCE_USERS;
    n->version = pv_arena_copy(arena, head->version.data, head->version.len);
    n->effective = head->effective;
    n->effective_text = pv_arena_copy(arena, head->effective_text.data, head->effective_text.len);
    n->reduces_rights = head->reduces_rights;
    n->reason = n->audience.version = n->audience.purpose = (pv_str_t) pv_string("");
    memcpy(n->digest, head->digest, PV_SHA256_LEN);

    n->texts = pv_arena_array(arena, head->texts_count, sizeof(pv_notice_text_t));
    if (n->texts == NULL) {
        return PV_ERROR;
    }

    for (i = 0; i < head->texts_count; i++) {
        if (i != 0 && !pv_notice_translated(head, i)) {
            continue;
        }

        text = &n->texts[n->texts_count++];
        text->language = pv_arena_copy(arena, head->texts[i].language.data, head->texts[i].language.len);
        text->title = pv_arena_copy(arena, head->texts[i].title.data, head->texts[i].title.len);
        pv_notice_summary(text, arena, head, i);
    }

    pv_notice_purposes(n, arena, head);

    return PV_OK;
}


/* 1 when all that is material is summed up in that language: a text is never half in another one. */
static int
pv_notice_translated(const pv_head_t *head, size_t language)
{
    size_t              i;
    const pv_change_t  *change;

    for (i = 0; i < head->changes_count; i++) {
        change = &head->changes[i];

        if (pv_notice_is_material(change)
            && !pv_str_eq(change->summary[language].language, head->texts[language].language))
        {
            return 0;
        }
    }

    return 1;
}


static void
pv_notice_summary(pv_notice_text_t *text, pv_arena_t *arena, const pv_head_t *head, size_t language)
{
    size_t    i;
    pv_buf_t  lines;

    pv_buf_init(&lines, PV_HEAD_MAX + PV_DECLARED_LIST_MAX);

    for (i = 0; i < head->changes_count; i++) {
        if (!pv_notice_is_material(&head->changes[i])) {
            continue;
        }

        pv_buf_puts(&lines, lines.len != 0 ? "\n" : "");
        pv_buf_str(&lines, head->changes[i].summary[language].text);
    }

    arena->failed |= lines.failed;

    text->summary = pv_arena_copy(arena, lines.data, lines.len);
    for (i = 0; i < PV_NOTICE_PARTS; i++) {
        text->parts[i] = (pv_str_t) pv_string("");
    }

    pv_buf_free(&lines);
}


static void
pv_notice_purposes(pv_notice_t *n, pv_arena_t *arena, const pv_head_t *head)
{
    size_t    i, j, k, most;
    pv_str_t  id;

    most = 0;

    for (i = 0; i < head->changes_count; i++) {
        most += pv_notice_is_material(&head->changes[i]) ? head->changes[i].purposes_count : 0;
    }

    most = most > PV_PURPOSES_MAX ? PV_PURPOSES_MAX : most;
    n->purposes = pv_arena_array(arena, most, sizeof(pv_str_t));

    if (n->purposes == NULL) {
        return;
    }

    for (i = 0; i < head->changes_count; i++) {
        if (!pv_notice_is_material(&head->changes[i])) {
            continue;
        }

        for (j = 0; j < head->changes[i].purposes_count; j++) {
            id = head->changes[i].purposes[j];

            for (k = 0; k < n->purposes_count && !pv_str_eq(n->purposes[k], id); k++) { /* void */ }

            if (k == n->purposes_count && k < most) {
                n->purposes[n->purposes_count++] = pv_arena_copy(arena, id.data, id.len);
            }
        }
    }
}
