/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "ctl_file.h"
#include "ctl_ledger.h"


#define CTL_LEDGER_JSON_MAX  (64 * 1024)


typedef struct {
    pv_str_t        site;
    unsigned char   subject[PV_SUBJECT_LEN];
    char            text[PV_SUBJECT_TEXT + 1];
    unsigned char   pub[PV_ED25519_PUBLIC];
    pv_keys_t      *keys;
    ctl_redis_t    *redis;
    ctl_ledger_t    ledger;
    ctl_policies_t  policies;
} ctl_ledger_run_t;


static int ctl_ledger_arguments(ctl_ledger_run_t *run, int operands, char **argv);
static int ctl_ledger_subject(ctl_ledger_run_t *run, const char *text);
static int ctl_ledger_show(ctl_ledger_run_t *run);
static void ctl_ledger_words(ctl_ledger_run_t *run, int verdict);
static void ctl_ledger_positions(const ctl_ledger_run_t *run, const char *label, int unproven);
static void ctl_ledger_record(ctl_ledger_run_t *run, const pv_record_t *r);
static void ctl_ledger_version(ctl_ledger_run_t *run, const char *label, uint32_t sequence);
static void ctl_ledger_purposes(ctl_ledger_run_t *run, const char *label, uint32_t sequence, uint64_t bits);
static pv_str_t ctl_ledger_purpose(ctl_ledger_run_t *run, char number[8], uint32_t sequence, unsigned bit);
static void ctl_ledger_json(ctl_ledger_run_t *run, int verdict);
static void ctl_ledger_json_record(ctl_ledger_run_t *run, pv_buf_t *out, const pv_record_t *r);
static void ctl_ledger_json_version(ctl_ledger_run_t *run, pv_buf_t *out, uint32_t sequence);
static void ctl_ledger_json_purposes(ctl_ledger_run_t *run, pv_buf_t *out, uint32_t sequence, uint64_t bits);
static void ctl_ledger_client(char out[24], const pv_record_t *r);


static const char  *ctl_site_option, *ctl_keys_option, *ctl_redis_option, *ctl_public_option, *ctl_user_option;
static int          ctl_json_option;

static const ctl_option_t  ctl_ledger_options[] = {
    { "site", "NAME", &ctl_site_option, NULL, "the site, as in privacy_site" },
    { "keys", "FILE", &ctl_keys_option, NULL, "the node's keys, as in privacy_keys" },
    { "redis", "URL", &ctl_redis_option, NULL,
      "redis://, rediss://, unix:, sentinel:// or cluster://,\nas in privacy_redis; default: PRIVACY_REDIS" },
    { "public", "FILE", &ctl_public_option, NULL,
      "the site's NAME.pub: names versions and purposes\ninstead of their numbers" },
    { "user", "ID", &ctl_user_option, NULL, "the logged-in user instead of SUBJECT" },
    { "json", NULL, NULL, &ctl_json_option, "for programs" },
    { NULL, NULL, NULL, NULL, NULL }
};

static const ctl_usage_t  ctl_ledger_usage = {
    "ledger [options] SUBJECT|--user ID",
    "Prints every choice of one subject, oldest first: when, how, on which version, what\n"
    "was granted and refused, and which form was on the screen. Then proves the chain:\n"
    "a record that was changed, swapped, moved or taken out is named by its position.\n"
    "\n"
    "SUBJECT is what the visitor's own record page shows, 22 letters and digits.\n"
    "What a chain cannot show is that its newest records were cut off: compare its\n"
    "last position with the one in the visitor's browser.\n"
    "\n"
    "Returns 0 when every record holds, 1 when one does not or there is none.\n",
    ctl_ledger_options, 0, 1
};


static const char *const  ctl_how[] = {
    "?", "accepted everything", "rejected everything", "chose", "sent a signal", "withdrew", "agreed to new terms",
    "a guardian decided", "by interface", "ran out", "declined what a new version changes"
};

static const char *const  ctl_state_text[PV_CHAIN_STATES] = {
    "holds",
    "MISSING: the record was taken out",
    "UNREADABLE: what stands here is no record",
    "NEWER: in a format that this privacyctl does not know: use a newer one",
    "CHANGED: not what was written here",
    "MOVED: not what was written here",
    "UNPROVEN: what stands before it is not right, so that this cannot be checked"
};


int
ctl_ledger(int argc, char **argv)
{
    int               rc, operands;
    const char       *url;
    ctl_ledger_run_t  run;

    rc = ctl_options(&ctl_ledger_usage, argc, argv, &operands);
    if (rc != -1) {
        return rc;
    }

    memset(&run, 0, sizeof(run));

    rc = ctl_ledger_arguments(&run, operands, argv);

    if (rc == CTL_OK) {
        url = ctl_redis_url(ctl_redis_option);
        rc = (url == NULL) ? CTL_USAGE : ctl_redis_open(&run.redis, url);
    }

    if (rc == CTL_OK) {
        rc = ctl_ledger_read(&run.ledger, run.redis, run.site, run.subject);
    }

    if (rc == CTL_OK) {
        run.policies.redis = run.redis;
        run.policies.site = run.site;
        run.policies.pub = (ctl_public_option != NULL) ? run.pub : NULL;

        rc = ctl_ledger_show(&run);
    }

    ctl_policies_free(&run.policies);
    ctl_ledger_free(&run.ledger);
    ctl_redis_close(run.redis);
    pv_keys_free(run.keys);

    return rc;
}


static int
ctl_ledger_arguments(ctl_ledger_run_t *run, int operands, char **argv)
{
    if (!ctl_site(ctl_site_option)) {
        return CTL_USAGE;
    }

    if (ctl_keys_option == NULL) {
        return ctl_fail(CTL_USAGE, "which keys? --keys FILE, as in privacy_keys");
    }

    if ((operands == 1) == (ctl_user_option != NULL)) {
        return ctl_fail(CTL_USAGE, "whose ledger? either SUBJECT or --user ID");
    }

    if (ctl_public_option != NULL && ctl_public_key(run->pub, ctl_public_option) != PV_OK) {
        return CTL_WRONG;
    }

    run->site = pv_str(ctl_site_option);

    if (ctl_keys(&run->keys, ctl_keys_option) != PV_OK) {
        return CTL_WRONG;
    }

    return ctl_ledger_subject(run, (operands == 1) ? argv[1] : NULL);
}


static int
ctl_ledger_subject(ctl_ledger_run_t *run, const char *text)
{
    size_t    len;
    pv_str_t  bytes;

    if (text != NULL) {
        if (pv_base64url_decode(run->subject, PV_SUBJECT_LEN, pv_str(text)) != PV_SUBJECT_LEN) {
            return ctl_fail(CTL_USAGE, "a subject has %d of the characters A-Z a-z 0-9 - _", PV_SUBJECT_TEXT);
        }

    } else if (pv_pseudonym(run->subject, run->keys, run->site, pv_str(ctl_user_option)) != PV_OK) {
        return ctl_fail(CTL_USAGE, "--user needs the id of a user");
    }

    bytes.data = run->subject;
    bytes.len = PV_SUBJECT_LEN;

    len = pv_base64url_encode((unsigned char *) run->text, bytes);
    run->text[len] = '\0';

    return CTL_OK;
}


static int
ctl_ledger_show(ctl_ledger_run_t *run)
{
    int  verdict;

    verdict = pv_chain_verify(run->ledger.entries, run->ledger.count, run->keys, run->site, run->subject);

    if (verdict == PV_ERROR) {
        return ctl_fail(CTL_WRONG, "the chain could not be computed");
    }

    if (run->ledger.foreign != 0) {
        verdict = PV_INVALID;
    }

    if (ctl_json_option) {
        ctl_ledger_json(run, verdict);

    } else {
        ctl_ledger_words(run, verdict);
    }

    return (verdict == PV_OK && run->ledger.present != 0) ? CTL_OK : CTL_WRONG;
}


static void
ctl_ledger_words(ctl_ledger_run_t *run, int verdict)
{
    size_t             i;
    pv_chain_entry_t  *e;

    printf("Ledger of %s at site %s\n", run->text, ctl_site_option);

    for (i = 0; i < run->ledger.count; i++) {
        e = &run->ledger.entries[i];

        printf("\nPosition %zu\n", i + 1);

        if (e->readable) {
            ctl_ledger_record(run, &e->record);
        }

        printf("  proof     %s", ctl_state_text[e->state]);

        if (e->state == PV_CHAIN_MOVED) {
            printf("; the record that was stands at position %u", e->elsewhere);
        }

        putchar('\n');
    }

    if (run->ledger.present == 0) {
        puts("\nThere is no record: never chosen, run out, erased, or another site or subject.");
        return;
    }

    printf("\n%zu record%s", run->ledger.present, run->ledger.present == 1 ? "" : "s");

    if (verdict == PV_OK) {
        puts("; every one holds.");
        return;
    }

    ctl_ledger_positions(run, "; WRONG at position", 0);
    ctl_ledger_positions(run, "; for that reason not to be checked at position", 1);
    puts(".");

    if (run->ledger.foreign != 0) {
        printf("WRONG: %lld entries stand at places that are no positions.\n", run->ledger.foreign);
    }
}


/* Those that are wrong, or those that are unproven; nothing when there are none. */

static void
ctl_ledger_positions(const ctl_ledger_run_t *run, const char *label, int unproven)
{
    size_t   i, n;
    uint8_t  state;

    for (i = 0, n = 0; i < run->ledger.count; i++) {
        state = run->ledger.entries[i].state;

        if (state != PV_CHAIN_HOLDS && (state == PV_CHAIN_UNPROVEN) == unproven) {
            printf("%s %zu", n++ ? "," : label, i + 1);
        }
    }
}


static void
ctl_ledger_record(ctl_ledger_run_t *run, const pv_record_t *r)
{
    char  time[CTL_TIME_MAX], client[24];

    ctl_ledger_client(client, r);

    printf("  time      %s\n", ctl_time(time, r->time));
    printf("  how       %s (%s)\n", ctl_how[r->how], pv_how_name(r->how));
    ctl_ledger_purposes(run, "granted", r->decided_version, r->granted);
    ctl_ledger_purposes(run, "refused", r->decided_version, r->decided & ~r->granted);
    ctl_ledger_version(run, "chosen on", r->decided_version);

    if (r->carried != 0) {
        printf("  carried   purposes as chosen %u days before\n", r->carried);
    }

    ctl_ledger_version(run, "bound to", r->bound_version);

    if (r->ahead != 0) {
        ctl_ledger_version(run, "ahead to", r->how == PV_HOW_AGREE ? r->bound_version : r->decided_version + r->ahead);
    }

    if (r->form != 0) {
        printf("  form      %016" PRIx64 "\n", r->form);
    }

    if (r->client_len != 0) {
        printf("  client    %s\n", client);
    }
}


static void
ctl_ledger_version(ctl_ledger_run_t *run, const char *label, uint32_t sequence)
{
    const pv_policy_t  *policy;

    printf("  %-9s version %u", label, sequence);

    policy = ctl_policies_get(&run->policies, sequence);

    if (policy != NULL) {
        fputs(" (", stdout);
        ctl_print(policy->version);
        fputs(")", stdout);
    }

    putchar('\n');
}


static void
ctl_ledger_purposes(ctl_ledger_run_t *run, const char *label, uint32_t sequence, uint64_t bits)
{
    char      number[8];
    unsigned  bit, n;

    printf("  %-9s ", label);

    for (bit = 0, n = 0; bit < PV_PURPOSES_MAX; bit++) {
        if (bits >> bit & 1) {
            fputs(n++ ? ", " : "", stdout);
            ctl_print(ctl_ledger_purpose(run, number, sequence, bit));
        }
    }

    puts(n ? "" : "nothing");
}


/* The purpose's id as the signed version says, else its number. */

static pv_str_t
ctl_ledger_purpose(ctl_ledger_run_t *run, char number[8], uint32_t sequence, unsigned bit)
{
    size_t              i;
    const pv_policy_t  *policy;

    policy = ctl_policies_get(&run->policies, sequence);

    for (i = 0; policy != NULL && i < policy->bits_count; i++) {
        if (policy->bits[i].bit == bit) {
            return policy->bits[i].id;
        }
    }

    (void) snprintf(number, 8, "#%u", bit);

    return pv_str(number);
}


static void
ctl_ledger_json(ctl_ledger_run_t *run, int verdict)
{
    size_t             i;
    pv_buf_t           out;
    pv_chain_entry_t  *e;

    printf("{\"site\":\"%s\",\"subject\":\"%s\",\"records\":[", ctl_site_option, run->text);

    for (i = 0; i < run->ledger.count; i++) {
        e = &run->ledger.entries[i];

        pv_buf_init(&out, CTL_LEDGER_JSON_MAX);
        pv_buf_printf(&out, "%s\n{\"position\":%zu,\"proof\":\"%s\"", i ? "," : "", i + 1,
                      pv_chain_state_name((pv_chain_state_t) e->state));

        if (e->state == PV_CHAIN_MOVED) {
            pv_buf_printf(&out, ",\"stands_at\":%u", e->elsewhere);
        }

        if (e->readable) {
            ctl_ledger_json_record(run, &out, &e->record);
        }

        pv_buf_puts(&out, "}");

        fwrite(out.data, 1, out.len, stdout);
        pv_buf_free(&out);
    }

    printf("\n],\"count\":%zu,\"foreign\":%lld,\"holds\":%s}\n", run->ledger.present, run->ledger.foreign,
           (verdict == PV_OK && run->ledger.present != 0) ? "true" : "false");
}


static void
ctl_ledger_json_record(ctl_ledger_run_t *run, pv_buf_t *out, const pv_record_t *r)
{
    char  time[CTL_TIME_MAX], client[24];

    pv_buf_printf(out, ",\"time\":\"%s\",\"how\":\"%s\",\"form\":\"%016" PRIx64 "\",\"decided_version\":",
                  ctl_time(time, r->time), pv_how_name(r->how), r->form);
    ctl_ledger_json_version(run, out, r->decided_version);

    pv_buf_puts(out, ",\"bound_version\":");
    ctl_ledger_json_version(run, out, r->bound_version);

    pv_buf_puts(out, ",\"granted\":");
    ctl_ledger_json_purposes(run, out, r->decided_version, r->granted);

    pv_buf_puts(out, ",\"refused\":");
    ctl_ledger_json_purposes(run, out, r->decided_version, r->decided & ~r->granted);

    if (r->how == PV_HOW_AGREE || r->how == PV_HOW_DECLINE) {
        pv_buf_printf(out, ",\"carried_days\":%u,\"ahead\":%u", r->carried, r->ahead);
    }

    if (r->client_len != 0) {
        ctl_ledger_client(client, r);
        pv_buf_printf(out, ",\"client\":\"%s\"", client);
    }

    pv_buf_printf(out, ",\"key\":\"%02x\"", r->key_id);
}


static void
ctl_ledger_json_version(ctl_ledger_run_t *run, pv_buf_t *out, uint32_t sequence)
{
    const pv_policy_t  *policy;

    pv_buf_printf(out, "{\"sequence\":%u", sequence);

    policy = ctl_policies_get(&run->policies, sequence);

    if (policy != NULL) {
        pv_buf_puts(out, ",\"version\":");
        pv_buf_json(out, policy->version);
    }

    pv_buf_puts(out, "}");
}


static void
ctl_ledger_json_purposes(ctl_ledger_run_t *run, pv_buf_t *out, uint32_t sequence, uint64_t bits)
{
    char         number[8];
    unsigned     bit;
    const char  *comma;

    pv_buf_puts(out, "[");

    for (bit = 0, comma = ""; bit < PV_PURPOSES_MAX; bit++) {
        if (bits >> bit & 1) {
            pv_buf_puts(out, comma);
            pv_buf_json(out, ctl_ledger_purpose(run, number, sequence, bit));
            comma = ",";
        }
    }

    pv_buf_puts(out, "]");
}


/* The coarse address that was kept: an IPv4 /24 or an IPv6 /48. */

static void
ctl_ledger_client(char out[24], const pv_record_t *r)
{
    const unsigned char  *c;

    c = r->client;
    out[0] = '\0';

    if (r->client_len == 3) {
        (void) snprintf(out, 24, "%u.%u.%u.0/24", c[0], c[1], c[2]);

    } else if (r->client_len == 6) {
        (void) snprintf(out, 24, "%x:%x:%x::/48", c[0] << 8 | c[1], c[2] << 8 | c[3], c[4] << 8 | c[5]);
    }
}
