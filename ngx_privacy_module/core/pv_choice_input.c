/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stddef.h>
#include <string.h>

#include <jansson.h>

#include "pv_choice.h"


#define PV_CHOICE_FIELDS_MAX  256


static int pv_choice_how(pv_str_t name);
static int pv_choice_answer_how(pv_str_t name);
static int pv_choice_set(pv_str_t *field, pv_str_t value);
static int pv_choice_field(pv_choice_input_t *in, pv_str_t name, pv_str_t value, pv_str_t *choice);
static int pv_choice_name(pv_choice_input_t *in, pv_str_t id, int granted);
static int pv_choice_finish(pv_choice_input_t *in, pv_str_t choice, int how);
static long pv_choice_unescape(unsigned char *data, size_t len);
static int pv_choice_hex(unsigned char c);
static int pv_choice_json_string(json_t *value, pv_str_t *out);


static int
pv_choice_how(pv_str_t name)
{
    static const struct {
        const char  *name;
        int          how;
    } choices[] = {
        { "accept_all", PV_HOW_ACCEPT_ALL },
        { "reject_all", PV_HOW_REJECT_ALL },
        { "custom", PV_HOW_CUSTOM },
        { "withdraw", PV_HOW_WITHDRAW },
        { "agree", PV_HOW_AGREE }
    };

    size_t  i;

    for (i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
        if (pv_str_eqs(name, choices[i].name)) {
            return choices[i].how;
        }
    }

    return 0;
}


/* -1: no such answer. */

static int
pv_choice_answer_how(pv_str_t name)
{
    if (pv_str_eqs(name, "agree")) {
        return PV_HOW_AGREE;
    }

    if (pv_str_eqs(name, "decline")) {
        return PV_HOW_DECLINE;
    }

    return pv_str_eqs(name, "later") || pv_str_eqs(name, "acknowledge") || pv_str_eqs(name, "seen") ? 0 : -1;
}


/* Once only: of two tokens or two choices nobody can say which one was meant. */

static int
pv_choice_set(pv_str_t *field, pv_str_t value)
{
    if (field->data != NULL) {
        return PV_INVALID;
    }

    *field = value;

    return PV_OK;
}


static int
pv_choice_name(pv_choice_input_t *in, pv_str_t id, int granted)
{
    size_t  i;

    for (i = 0; i < in->count; i++) {
        if (pv_str_eq(in->id[i], id)) {
            /* the same box twice is the same box */
            return ((in->granted >> i & 1) == (uint64_t) granted) ? PV_OK : PV_INVALID;
        }
    }

    if (in->count == PV_PURPOSES_MAX) {
        return PV_INVALID;
    }

    in->granted |= (uint64_t) granted << in->count;
    in->id[in->count++] = id;

    return PV_OK;
}


static int
pv_choice_finish(pv_choice_input_t *in, pv_str_t choice, int how)
{
    in->how = how;

    if (in->answer.data != NULL) {
        in->how = pv_choice_answer_how(in->answer);

        if (how || choice.data != NULL || in->how < 0) {
            return PV_INVALID;
        }

        return in->token.len != 0 || pv_str_eqs(in->answer, "seen") ? PV_OK : PV_INVALID;
    }

    if (choice.data != NULL) {
        in->how = pv_choice_how(choice);

        if (how && in->how != how) {
            return PV_INVALID;
        }
    }

    if (in->how == 0 || in->token.len == 0) {
        return PV_INVALID;
    }

    return PV_OK;
}


int
pv_choice_read_form(pv_choice_input_t *in, unsigned char *body, size_t len, int how)
{
    long           n;
    size_t         fields;
    pv_str_t       name, value, choice;
    unsigned char *p, *end, *amp, *eq;

    memset(in, 0, offsetof(pv_choice_input_t, id));
    in->complete = 1;

    memset(&choice, 0, sizeof(choice));
    fields = 0;

    for (p = body, end = body + len; p < end; p = amp + 1) {

        amp = memchr(p, '&', (size_t) (end - p));
        if (amp == NULL) {
            amp = end;
        }

        eq = memchr(p, '=', (size_t) (amp - p));

        if (eq == NULL || fields++ == PV_CHOICE_FIELDS_MAX) {
            if (p == amp) {
                continue;
            }

            return PV_INVALID;
        }

        n = pv_choice_unescape(p, (size_t) (eq - p));
        if (n < 0) {
            return PV_INVALID;
        }

        name.data = p;
        name.len = (size_t) n;

        n = pv_choice_unescape(eq + 1, (size_t) (amp - eq - 1));
        if (n < 0) {
            return PV_INVALID;
        }

        value.data = eq + 1;
        value.len = (size_t) n;

        if (pv_choice_field(in, name, value, &choice) != PV_OK) {
            return PV_INVALID;
        }
    }

    return pv_choice_finish(in, choice, how);
}


static int
pv_choice_field(pv_choice_input_t *in, pv_str_t name, pv_str_t value, pv_str_t *choice)
{
    if (pv_str_eqs(name, "token")) {
        return pv_choice_set(&in->token, value);
    }

    if (pv_str_eqs(name, "return")) {
        return pv_choice_set(&in->return_to, value);
    }

    if (pv_str_eqs(name, "choice")) {
        return pv_choice_set(choice, value);
    }

    if (pv_str_eqs(name, "answer")) {
        return pv_choice_set(&in->answer, value);
    }

    if (pv_str_eqs(name, "purpose")) {
        return pv_choice_name(in, value, 1);
    }

    return PV_OK;
}


/* application/x-www-form-urlencoded, in place; a broken escape is refused. */

static long
pv_choice_unescape(unsigned char *data, size_t len)
{
    int             high, low;
    size_t          i;
    unsigned char  *out;

    /* mostly there is nothing to be undone */

    if (memchr(data, '%', len) == NULL && memchr(data, '+', len) == NULL) {
        return (long) len;
    }

    out = data;

    for (i = 0; i < len; i++) {

        if (data[i] == '+') {
            *out++ = ' ';
            continue;
        }

        if (data[i] != '%') {
            *out++ = data[i];
            continue;
        }

        if (len - i < 3) {
            return PV_INVALID;
        }

        high = pv_choice_hex(data[i + 1]);
        low = pv_choice_hex(data[i + 2]);

        if (high < 0 || low < 0) {
            return PV_INVALID;
        }

        *out++ = (unsigned char) (high << 4 | low);
        i += 2;
    }

    return out - data;
}


static int
pv_choice_hex(unsigned char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;

    return (c >= 'a' && c <= 'f') ? c - 'a' + 10 : -1;
}


int
pv_choice_read_json(pv_choice_input_t *in, pv_str_t body, int how)
{
    json_t      *root, *value, *purposes;
    pv_str_t     choice, id;
    const char  *key;

    memset(in, 0, offsetof(pv_choice_input_t, id));
    memset(&choice, 0, sizeof(choice));

    root = json_loadb((const char *) body.data, body.len, JSON_REJECT_DUPLICATES, NULL);
    if (root == NULL) {
        return PV_INVALID;
    }

    in->json = root;

    if (!json_is_object(root)
        || pv_choice_json_string(json_object_get(root, "token"), &in->token) != PV_OK
        || pv_choice_json_string(json_object_get(root, "return"), &in->return_to) != PV_OK
        || pv_choice_json_string(json_object_get(root, "choice"), &choice) != PV_OK
        || pv_choice_json_string(json_object_get(root, "answer"), &in->answer) != PV_OK)
    {
        return PV_INVALID;
    }

    purposes = json_object_get(root, "purposes");

    if (purposes && !json_is_object(purposes)) {
        return PV_INVALID;
    }

    json_object_foreach(purposes, key, value) {
        id = pv_str(key);

        if (!json_is_boolean(value) || pv_choice_name(in, id, json_is_true(value)) != PV_OK) {
            return PV_INVALID;
        }
    }

    return pv_choice_finish(in, choice, how);
}


static int
pv_choice_json_string(json_t *value, pv_str_t *out)
{
    if (value == NULL) {
        return PV_OK;
    }

    if (!json_is_string(value)) {
        return PV_INVALID;
    }

    out->data = (const unsigned char *) json_string_value(value);
    out->len = json_string_length(value);

    return PV_OK;
}


void
pv_choice_input_free(pv_choice_input_t *in)
{
    json_decref(in->json);
    in->json = NULL;
}
