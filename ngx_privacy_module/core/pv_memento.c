/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <string.h>

#include "pv_memento.h"
#include "pv_text.h"


#define PV_MEMENTO_ROLES  5
#define PV_TIMEMAP_PAGES  128       /* further ones would be of versions that no log can hold */
#define PV_DATE_LEN       10        /* "2021-04-02" */


/* A version that is linked to, and as what. */
typedef struct {
    const pv_head_t  *version;
    const char       *relations;    /* besides "memento"; each begins with a space */
} pv_memento_role_t;

/* A page of the TimeMap: its oldest and its newest version. */
typedef struct {
    const pv_head_t  *first, *last;
} pv_memento_page_t;


static const pv_head_t *pv_memento_first(const pv_log_t *log, const pv_head_t *in_force);
static const pv_head_t *pv_memento_next(const pv_log_t *log, const pv_head_t *in_force, const pv_head_t *version);
static void pv_memento_day(char day[PV_RFC3339_SIZE], const pv_head_t *version);
static void pv_memento_time(pv_buf_t *out, const char *name, int64_t time);
static void pv_memento_link(pv_buf_t *out, const char *before, pv_str_t base, const char *path, pv_str_t id,
    const char *relation);
static void pv_memento_roles(pv_buf_t *out, pv_str_t base, const pv_memento_role_t *roles);
static void pv_memento_timemap_link(pv_buf_t *out, const char *before, pv_str_t base, const char *relation,
    unsigned page, const pv_head_t *from, const pv_head_t *until);
static unsigned pv_memento_pages(pv_memento_page_t pages[PV_TIMEMAP_PAGES], const pv_log_t *log,
    const pv_head_t *in_force);


static const pv_str_t  pv_no_id = pv_string("");


int64_t
pv_memento_datetime(const pv_head_t *version)
{
    return version->effective > version->published ? version->effective : version->published;
}


int
pv_memento_is(const pv_log_t *log, const pv_head_t *in_force, const pv_head_t *version)
{
    return version->kind == PV_ENTRY_VERSION && version->sequence <= in_force->sequence
           && pv_log_withdrawal(log, version->sequence) == NULL;
}


static const pv_head_t *
pv_memento_first(const pv_log_t *log, const pv_head_t *in_force)
{
    size_t            i, n;
    const pv_head_t  *entry;

    n = pv_log_count(log);

    for (i = 0; i < n; i++) {
        entry = pv_log_entry(log, i);

        if (pv_memento_is(log, in_force, entry)) {
            return entry;
        }
    }

    return in_force;
}


static const pv_head_t *
pv_memento_next(const pv_log_t *log, const pv_head_t *in_force, const pv_head_t *version)
{
    const pv_head_t  *next;

    next = pv_log_after(log, version->sequence);

    return (next != NULL && next->sequence <= in_force->sequence) ? next : NULL;
}


const pv_head_t *
pv_memento_at(const pv_log_t *log, const pv_head_t *in_force, int64_t time)
{
    const pv_head_t  *version, *before;

    version = in_force;

    while (version != NULL && pv_memento_datetime(version) > time) {
        before = pv_log_before(log, version->sequence);

        if (before == NULL) {
            break;
        }

        version = before;
    }

    return version;
}


int
pv_memento_on(const pv_head_t **version, const pv_log_t *log, const pv_head_t *in_force, pv_str_t day)
{
    char              since[PV_RFC3339_SIZE], moment[PV_RFC3339_SIZE];
    int64_t           time;
    const pv_head_t  *before;

    if (day.len != PV_DATE_LEN) {
        return PV_INVALID;
    }

    memcpy(moment, day.data, PV_DATE_LEN);
    memcpy(moment + PV_DATE_LEN, "T00:00:00Z", sizeof("T00:00:00Z"));

    if (pv_rfc3339_parse(&time, pv_str(moment)) != PV_OK) {
        return PV_INVALID;
    }

    for (*version = in_force; *version != NULL; *version = before) {
        pv_memento_day(since, *version);
        before = pv_log_before(log, (*version)->sequence);

        if (memcmp(since, day.data, PV_DATE_LEN) <= 0 || before == NULL) {
            break;
        }
    }

    return PV_OK;
}


/* The day on which it came into force, where it was published: in the zone of its effective time as written. */

static void
pv_memento_day(char day[PV_RFC3339_SIZE], const pv_head_t *version)
{
    char      local[PV_RFC3339_SIZE];
    int64_t   time, zone;
    pv_str_t  written;

    zone = 0;
    written = version->effective_text;

    if (written.len >= sizeof(local) - 2) {
        memcpy(local, written.data, sizeof(local) - 2);
        memcpy(local + sizeof(local) - 2, "Z", 2);

        if (pv_rfc3339_parse(&time, pv_str(local)) == PV_OK) {
            zone = time - version->effective;
        }
    }

    pv_rfc3339_format(day, pv_memento_datetime(version) + zone);
}


static void
pv_memento_time(pv_buf_t *out, const char *name, int64_t time)
{
    char  date[PV_HTTP_DATE_SIZE];

    pv_http_date_format(date, time);
    pv_buf_printf(out, "; %s=\"%s\"", name, date);
}


/* A version's id is all unreserved characters: it stands in an address as it is. */

static void
pv_memento_link(pv_buf_t *out, const char *before, pv_str_t base, const char *path, pv_str_t id,
    const char *relation)
{
    pv_buf_puts(out, before);
    pv_buf_puts(out, "<");
    pv_buf_str(out, base);
    pv_buf_puts(out, path);
    pv_buf_str(out, id);
    pv_buf_printf(out, ">; rel=\"%s\"", relation);
}


/* One link a version, with all that it is. */

static void
pv_memento_roles(pv_buf_t *out, pv_str_t base, const pv_memento_role_t *roles)
{
    size_t  i, k;

    for (i = 0; i < PV_MEMENTO_ROLES; i++) {

        for (k = 0; k < i && roles[k].version != roles[i].version; k++) { /* void */ }

        if (roles[i].version == NULL || k < i) {
            continue;
        }

        pv_buf_puts(out, ", <");
        pv_buf_str(out, base);
        pv_buf_puts(out, "versions/");
        pv_buf_str(out, roles[i].version->version);
        pv_buf_puts(out, ">; rel=\"memento");

        for (k = i; k < PV_MEMENTO_ROLES; k++) {
            if (roles[k].version == roles[i].version) {
                pv_buf_puts(out, roles[k].relations);
            }
        }

        pv_buf_puts(out, "\"");
        pv_memento_time(out, "datetime", pv_memento_datetime(roles[i].version));
    }
}


static void
pv_memento_timemap_link(pv_buf_t *out, const char *before, pv_str_t base, const char *relation, unsigned page,
    const pv_head_t *from, const pv_head_t *until)
{
    pv_buf_puts(out, before);
    pv_buf_puts(out, "<");
    pv_buf_str(out, base);
    pv_buf_puts(out, "timemap");

    if (page > 1) {
        pv_buf_printf(out, "?page=%u", page);
    }

    pv_buf_printf(out, ">; rel=\"%s\"; type=\"application/link-format\"", relation);
    pv_memento_time(out, "from", pv_memento_datetime(from));
    pv_memento_time(out, "until", pv_memento_datetime(until));
}


void
pv_memento_original_links(pv_buf_t *out, const pv_log_t *log, const pv_head_t *in_force, pv_str_t base)
{
    const pv_head_t  *before;

    pv_memento_link(out, "", base, "timegate", pv_no_id, "timegate");
    pv_memento_timemap_link(out, ", ", base, "timemap", 1, pv_memento_first(log, in_force), in_force);
    pv_memento_link(out, ", ", base, "versions", pv_no_id, "version-history");
    pv_memento_link(out, ", ", base, "versions/", in_force->version, "memento last latest-version");
    pv_memento_time(out, "datetime", pv_memento_datetime(in_force));

    before = pv_log_before(log, in_force->sequence);

    if (before != NULL) {
        pv_memento_link(out, ", ", base, "versions/", before->version, "predecessor-version");
    }
}


void
pv_memento_timegate_links(pv_buf_t *out, const pv_log_t *log, const pv_head_t *in_force, const pv_head_t *version,
    pv_str_t base)
{
    pv_memento_role_t  roles[PV_MEMENTO_ROLES];

    memset(roles, 0, sizeof(roles));

    pv_memento_link(out, "", base, "", pv_no_id, "original");

    if (in_force == NULL) {
        return;
    }

    pv_memento_timemap_link(out, ", ", base, "timemap", 1, pv_memento_first(log, in_force), in_force);

    roles[0] = (pv_memento_role_t) { pv_memento_first(log, in_force), " first" };
    roles[1] = (pv_memento_role_t) { in_force, " last" };
    roles[2] = (pv_memento_role_t) { version, "" };

    pv_memento_roles(out, base, roles);
}


void
pv_memento_version_links(pv_buf_t *out, const pv_log_t *log, const pv_head_t *in_force, const pv_head_t *version,
    pv_str_t base)
{
    pv_memento_role_t  roles[PV_MEMENTO_ROLES];

    memset(roles, 0, sizeof(roles));

    if (in_force == NULL || !pv_memento_is(log, in_force, version)) {
        pv_memento_link(out, "", base, "versions", pv_no_id, "version-history");
        return;
    }

    pv_memento_link(out, "", base, "", pv_no_id, "original latest-version");
    pv_memento_link(out, ", ", base, "timegate", pv_no_id, "timegate");
    pv_memento_timemap_link(out, ", ", base, "timemap", 1, pv_memento_first(log, in_force), in_force);
    pv_memento_link(out, ", ", base, "versions", pv_no_id, "version-history");

    roles[0] = (pv_memento_role_t) { version, "" };
    roles[1] = (pv_memento_role_t) { pv_memento_first(log, in_force), " first" };
    roles[2] = (pv_memento_role_t) { pv_log_before(log, version->sequence), " prev predecessor-version" };
    roles[3] = (pv_memento_role_t) { pv_memento_next(log, in_force, version), " next successor-version" };
    roles[4] = (pv_memento_role_t) { in_force, " last" };

    pv_memento_roles(out, base, roles);
}


int
pv_memento_timemap(pv_buf_t *out, const pv_log_t *log, const pv_head_t *in_force, pv_str_t base, unsigned page)
{
    unsigned           i, count;
    const pv_head_t   *version;
    pv_memento_page_t  pages[PV_TIMEMAP_PAGES];

    count = pv_memento_pages(pages, log, in_force);

    if (page == 0 || page > count) {
        return PV_INVALID;
    }

    pv_memento_link(out, "", base, "", pv_no_id, "original");
    pv_memento_link(out, ",\n", base, "timegate", pv_no_id, "timegate");

    for (i = 1; i <= count; i++) {
        pv_memento_timemap_link(out, ",\n", base, i == page ? "self" : "timemap", i, pages[i - 1].first,
                                pages[i - 1].last);
    }

    for (version = pages[page - 1].first; version != NULL; version = pv_memento_next(log, in_force, version)) {
        pv_memento_link(out, ",\n", base, "versions/", version->version, "memento");
        pv_memento_time(out, "datetime", pv_memento_datetime(version));

        if (version == pages[page - 1].last) {
            break;
        }
    }

    pv_buf_puts(out, "\n");

    return out->failed ? PV_ERROR : PV_OK;
}


static unsigned
pv_memento_pages(pv_memento_page_t pages[PV_TIMEMAP_PAGES], const pv_log_t *log, const pv_head_t *in_force)
{
    size_t            i, n, count;
    const pv_head_t  *entry;

    n = pv_log_count(log);
    count = 0;

    for (i = 0; i < n && count < PV_TIMEMAP_PAGES * PV_TIMEMAP_PAGE; i++) {
        entry = pv_log_entry(log, i);

        if (!pv_memento_is(log, in_force, entry)) {
            continue;
        }

        if (count % PV_TIMEMAP_PAGE == 0) {
            pages[count / PV_TIMEMAP_PAGE].first = entry;
        }

        pages[count / PV_TIMEMAP_PAGE].last = entry;
        count++;
    }

    return (unsigned) ((count + PV_TIMEMAP_PAGE - 1) / PV_TIMEMAP_PAGE);
}
