/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "ctl.h"
#include "ctl_subjects.h"

#define CTL_SUBJECTS_LINE    (CTL_USER_MAX + 64)
#define CTL_SUBJECTS_WRONG   20         /* lines that are said; further ones are counted */


typedef struct {
    const char       *name;             /* of the file, for messages */
    const pv_keys_t  *keys;
    pv_str_t          site;
    ctl_subject_pt    handler;
    void             *data;
    size_t            line;
    size_t            wrong;
} ctl_subjects_t;


static FILE *ctl_subjects_open(const char *path);
static int ctl_subjects_line(FILE *in, char *line, size_t *len, int *end);
static int ctl_subjects_one(ctl_subjects_t *s, pv_str_t text);
static int ctl_subjects_pseudonym(unsigned char *subject, pv_str_t text);
static void ctl_subjects_wrong(ctl_subjects_t *s, const char *reason);


int
ctl_subjects_read(const char *path, const pv_keys_t *keys, pv_str_t site, ctl_subject_pt handler, void *data)
{
    int             rc, end;
    char            line[CTL_SUBJECTS_LINE];
    FILE           *in;
    size_t          len, skip;
    ctl_subjects_t  s;

    in = ctl_subjects_open(path);
    if (in == NULL) {
        return CTL_WRONG;
    }

    s = (ctl_subjects_t) { strcmp(path, "-") == 0 ? "standard input" : path, keys, site, handler, data, 0, 0 };
    rc = CTL_OK;

    for (end = 0; rc == CTL_OK && !end; /* void */) {
        if (!ctl_subjects_line(in, line, &len, &end)) {
            break;
        }

        s.line++;
        /* what editors on some systems put first: it would hide the first user */
        skip = s.line == 1 && len >= 3 && memcmp(line, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
        rc = ctl_subjects_one(&s, (pv_str_t) { (unsigned char *) line + skip, len - skip });
    }

    if (ferror(in)) {
        rc = ctl_fail(CTL_WRONG, "cannot read %s: %s", s.name, strerror(errno));
    }

    if (in != stdin) {
        (void) fclose(in);
    }

    if (s.wrong > CTL_SUBJECTS_WRONG) {
        fprintf(stderr, "and %zu more\n", s.wrong - CTL_SUBJECTS_WRONG);
    }

    return rc == CTL_OK && s.wrong != 0 ? CTL_WRONG : rc;
}


static FILE *
ctl_subjects_open(const char *path)
{
    FILE         *in;
    struct stat   st;

    in = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");

    if (in == NULL) {
        (void) ctl_fail(0, "cannot open %s: %s", path, strerror(errno));
        return NULL;
    }

    if (fstat(fileno(in), &st) == -1 || S_ISDIR(st.st_mode)) {
        (void) ctl_fail(0, "%s is not a file", path);
        (void) fclose(in);
        return NULL;
    }

    return in;
}


/* One line without its end; 0 when there is none any more. Of a longer one than fits len is that of the array. */

static int
ctl_subjects_line(FILE *in, char *line, size_t *len, int *end)
{
    int  c;

    *len = 0;

    for ( ;; ) {
        c = getc(in);

        if (c == EOF || c == '\n') {
            break;
        }

        if (*len < CTL_SUBJECTS_LINE) {
            line[(*len)++] = (char) c;
        }
    }

    *end = c == EOF;

    if (*len != 0 && *len < CTL_SUBJECTS_LINE && line[*len - 1] == '\r') {
        (*len)--;
    }

    return c != EOF || *len != 0;
}


static int
ctl_subjects_one(ctl_subjects_t *s, pv_str_t text)
{
    unsigned char  subject[PV_SUBJECT_LEN];

    if (text.len == 0) {
        return CTL_OK;
    }

    if (s->keys == NULL) {
        if (ctl_subjects_pseudonym(subject, text) != PV_OK) {
            ctl_subjects_wrong(s, "does not begin with a pseudonym, 22 of the characters A-Z a-z 0-9 - _");
            return CTL_OK;
        }

        return s->handler(s->data, (pv_str_t) { NULL, 0 }, subject);
    }

    if (text.len > CTL_USER_MAX) {
        ctl_subjects_wrong(s, "is longer than nginx takes as the name of a user");
        return CTL_OK;
    }

    if (memchr(text.data, '\0', text.len) != NULL) {
        ctl_subjects_wrong(s, "has a zero in it: is this a text file in UTF-8?");
        return CTL_OK;
    }

    /* nginx takes the blanks around a header's value away: such a name never logs in */

    if (strchr(" \t", text.data[0]) != NULL || strchr(" \t", text.data[text.len - 1]) != NULL) {
        ctl_subjects_wrong(s, "begins or ends with a blank");
        return CTL_OK;
    }

    if (pv_pseudonym(subject, s->keys, s->site, text) != PV_OK) {
        return ctl_fail(CTL_WRONG, "no pseudonym can be made: out of memory, or the keys have none for it");
    }

    return s->handler(s->data, text, subject);
}


static int
ctl_subjects_pseudonym(unsigned char *subject, pv_str_t text)
{
    /* a spreadsheet's mark that it is text */

    if (text.len > PV_SUBJECT_TEXT && text.data[0] == '\'') {
        text.data++;
        text.len--;
    }

    if (text.len < PV_SUBJECT_TEXT || (text.len > PV_SUBJECT_TEXT && text.data[PV_SUBJECT_TEXT] != '\t')) {
        return PV_INVALID;
    }

    text.len = PV_SUBJECT_TEXT;

    return pv_base64url_decode(subject, PV_SUBJECT_LEN, text) == PV_SUBJECT_LEN ? PV_OK : PV_INVALID;
}


static void
ctl_subjects_wrong(ctl_subjects_t *s, const char *reason)
{
    if (s->wrong++ < CTL_SUBJECTS_WRONG) {
        fprintf(stderr, "error: %s:%zu: %s\n", s->name, s->line, reason);
    }
}


void
ctl_subject_write(char text[PV_SUBJECT_TEXT + 1], const unsigned char subject[PV_SUBJECT_LEN])
{
    size_t  len;

    len = pv_base64url_encode((unsigned char *) text, (pv_str_t) { subject, PV_SUBJECT_LEN });
    text[len] = '\0';
}
