/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "pv_bytes.h"
#include "pv_table.h"


/* Every word of a payload follows from key and value, so that a torn one shows. */
typedef struct {
    uint64_t  group;
    uint64_t  name;
    uint64_t  value;
    uint64_t  words[13];
} item_t;


#define ITEM_GROUP  sizeof(uint64_t)
#define ITEM_KEY    (2 * sizeof(uint64_t))


static item_t
item(uint64_t group, uint64_t name, uint64_t value)
{
    item_t    it;
    unsigned  i;

    it.group = group;
    it.name = name;
    it.value = value;

    for (i = 0; i < 13; i++) {
        it.words[i] = (group * 31 + name) * 1000003 + value * 7 + i;
    }

    return it;
}


static int
item_whole(const item_t *it)
{
    item_t  expected;

    expected = item(it->group, it->name, it->value);

    return memcmp(&expected, it, sizeof(item_t)) == 0;
}


static void
table_create(pv_table_t *table, size_t entries)
{
    void    *memory;
    size_t   size;

    size = pv_table_size(sizeof(item_t), entries);
    memory = calloc(1, size);
    assert_non_null(memory);
    assert_int_equal(pv_table_init(table, memory, size, sizeof(item_t), ITEM_GROUP, ITEM_KEY, 0x1234567), PV_OK);
}


static void
test_finds_what_was_put(void **state)
{
    item_t         it;
    uint64_t       i;
    pv_table_t     table;
    const item_t  *found;

    (void) state;
    table_create(&table, 4096);

    for (i = 0; i < 500; i++) {
        it = item(i, i % 3, i * i);
        assert_int_equal(pv_table_put(&table, &it, 1, NULL, NULL), 0);
    }

    for (i = 0; i < 500; i++) {
        it = item(i, i % 3, i * i + 1);
        assert_int_equal(pv_table_put(&table, &it, 2, NULL, NULL), 0);
    }

    assert_int_equal(table.used, 500);

    for (i = 0; i < 500; i++) {
        it = item(i, i % 3, 0);
        found = pv_table_find(&table, &it, 3);
        assert_non_null(found);
        assert_int_equal(found->value, i * i + 1);
        assert_true(item_whole(found));

        it = item(i, 3, 0);
        assert_null(pv_table_find(&table, &it, 3));
    }

    free(table.slots);
}


static void
test_too_small(void **state)
{
    pv_table_t  table;

    (void) state;

    assert_int_equal(pv_table_init(&table, NULL, pv_table_size(sizeof(item_t), 1) - 1, sizeof(item_t), ITEM_GROUP,
                                   ITEM_KEY, 1),
                     PV_INVALID);
    assert_int_equal(pv_table_size(sizeof(item_t), 1), pv_table_size(sizeof(item_t), PV_TABLE_WAYS));
    assert_true(pv_table_size(sizeof(item_t), PV_TABLE_WAYS + 1) > pv_table_size(sizeof(item_t), PV_TABLE_WAYS));
}


static void
test_oldest_goes_first(void **state)
{
    item_t      it;
    uint32_t    idle;
    uint64_t    i;
    pv_table_t  table;

    (void) state;
    table_create(&table, PV_TABLE_WAYS);

    for (i = 0; i < PV_TABLE_WAYS; i++) {
        it = item(i, 0, 0);
        assert_int_equal(pv_table_put(&table, &it, 100 + i, NULL, NULL), 0);
    }

    it = item(0, 0, 0);
    assert_non_null(pv_table_find(&table, &it, 200));

    it = item(99, 0, 0);
    assert_int_equal(pv_table_put(&table, &it, 201, NULL, &idle), 1);
    assert_int_equal(idle, 100);

    it = item(0, 0, 0);
    assert_non_null(pv_table_find(&table, &it, 202));
    it = item(1, 0, 0);
    assert_null(pv_table_find(&table, &it, 202));
    it = item(2, 0, 0);
    assert_non_null(pv_table_find(&table, &it, 202));

    free(table.slots);
}


static void
test_oldest_over_the_wrap_of_time(void **state)
{
    item_t      it;
    uint64_t    i;
    pv_table_t  table;

    (void) state;
    table_create(&table, PV_TABLE_WAYS);

    for (i = 0; i < PV_TABLE_WAYS; i++) {
        it = item(i, 0, 0);
        (void) pv_table_put(&table, &it, UINT32_MAX - 5 + (uint32_t) i, NULL, NULL);
    }

    it = item(99, 0, 0);
    assert_int_equal(pv_table_put(&table, &it, 100, NULL, NULL), 1);

    it = item(0, 0, 0);
    assert_null(pv_table_find(&table, &it, 101));

    free(table.slots);
}


static unsigned
worth_by_value(const void *payload)
{
    return ((const item_t *) payload)->value > 0;
}


static void
test_least_worth_goes_first(void **state)
{
    item_t      it;
    uint64_t    i;
    pv_table_t  table;

    (void) state;
    table_create(&table, PV_TABLE_WAYS);

    for (i = 0; i < PV_TABLE_WAYS; i++) {
        it = item(i, 0, i != 7);
        (void) pv_table_put(&table, &it, 100 + i, worth_by_value, NULL);
    }

    it = item(99, 0, 1);
    assert_int_equal(pv_table_put(&table, &it, 200, worth_by_value, NULL), 1);

    it = item(7, 0, 0);
    assert_null(pv_table_find(&table, &it, 201));
    it = item(0, 0, 0);
    assert_non_null(pv_table_find(&table, &it, 201));

    free(table.slots);
}


static void
test_group(void **state)
{
    item_t       it;
    size_t       n, i;
    unsigned     seen;
    pv_table_t   table;
    const void  *found[PV_TABLE_WAYS];

    (void) state;
    table_create(&table, 1024);

    for (i = 0; i < 5; i++) {
        it = item(42, i, i);
        (void) pv_table_put(&table, &it, 1, NULL, NULL);
        it = item(43 + i, i, i);
        (void) pv_table_put(&table, &it, 1, NULL, NULL);
    }

    it = item(42, 0, 0);
    n = pv_table_group(&table, &it, found, PV_TABLE_WAYS);
    assert_int_equal(n, 5);

    seen = 0;

    for (i = 0; i < n; i++) {
        assert_int_equal(((const item_t *) found[i])->group, 42);
        seen |= 1u << ((const item_t *) found[i])->name;
    }

    assert_int_equal(seen, 0x1f);
    assert_int_equal(pv_table_group(&table, &it, found, 3), 3);

    it = item(7, 0, 0);
    assert_int_equal(pv_table_group(&table, &it, found, PV_TABLE_WAYS), 0);

    free(table.slots);
}


/* Against a plain array that never forgets: what is found is what was put last, and only the full set forgets. */
static void
test_against_a_model(void **state)
{
    item_t         it;
    size_t         i, live;
    uint64_t       key, model[400];
    unsigned       evicted;
    pv_table_t     table;
    const item_t  *found;

    (void) state;
    table_create(&table, 256);
    memset(model, 0, sizeof(model));
    srandom(20261123);
    evicted = 0;

    for (i = 1; i < 200000; i++) {
        key = (uint64_t) random() % 400;
        it = item(key / 2, key % 2, i);

        if (random() % 2) {
            evicted += pv_table_put(&table, &it, (uint32_t) i, NULL, NULL);
            model[key] = i;
            continue;
        }

        found = pv_table_find(&table, &it, (uint32_t) i);

        if (found != NULL) {
            assert_true(item_whole(found));
            assert_int_equal(found->value, model[key]);
        }
    }

    live = 0;

    for (i = 0; i < pv_table_slots(&table); i++) {
        found = pv_table_at(&table, i);

        if (found != NULL) {
            live++;
            assert_true(item_whole(found));
            assert_int_equal(found->value, model[found->group * 2 + found->name]);
        }
    }

    assert_int_equal(live, table.used);
    assert_true(live > 200 && live <= 256);
    assert_true(evicted > 0);

    free(table.slots);
}


/* A writer is killed again and again; whatever it was doing, every entry is whole and the table goes on working. */
static void
test_killed_writer(void **state)
{
    int              status;
    pid_t            pid;
    void            *memory;
    size_t           i, size, round;
    item_t           it;
    pv_table_t      *table;
    const item_t    *found;
    struct timespec  pause;

    (void) state;

    size = pv_table_size(sizeof(item_t), 64);
    memory = mmap(NULL, size + sizeof(pv_table_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);

    table = memory;
    assert_int_equal(pv_table_init(table, table + 1, size, sizeof(item_t), ITEM_GROUP, ITEM_KEY, 5), PV_OK);

    for (round = 0; round < 200; round++) {
        pid = fork();
        assert_true(pid >= 0);

        if (pid == 0) {
            for (i = 0; ; i++) {
                it = item(i % 100, 0, i + round * 1000000);
                (void) pv_table_put(table, &it, (uint32_t) i, NULL, NULL);
            }
        }

        pause.tv_sec = 0;
        pause.tv_nsec = 200000 + (long) (round * 7919 % 1000000);
        (void) nanosleep(&pause, NULL);

        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);

        for (i = 0; i < pv_table_slots(table); i++) {
            found = pv_table_at(table, i);
            assert_true(found == NULL || item_whole(found));
        }

        it = item(1000 + round, 0, round);
        (void) pv_table_put(table, &it, 0, NULL, NULL);
        assert_non_null(pv_table_find(table, &it, 0));
    }

    (void) munmap(memory, size + sizeof(pv_table_t));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_finds_what_was_put),
        cmocka_unit_test(test_too_small),
        cmocka_unit_test(test_oldest_goes_first),
        cmocka_unit_test(test_oldest_over_the_wrap_of_time),
        cmocka_unit_test(test_least_worth_goes_first),
        cmocka_unit_test(test_group),
        cmocka_unit_test(test_against_a_model),
        cmocka_unit_test(test_killed_writer),
    };

    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
