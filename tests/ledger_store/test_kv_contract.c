/* test_kv_contract.c — kv.h, on both implementations. */
#include "base/random.h"
#include "ledger/store/kv.h"
#include "tests/ledger_store/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

struct fixture {
    bool rocks;
    char folder[DISK_PATH_MAX];
    struct kv *kv;
};

static struct error error;

static struct kv *rocks_open(const char *folder)
{
    struct kv_rocks_options options = { .folder = folder,
                                        .cache_bytes = 4 * 1024 * 1024,
                                        .background_jobs = 2 };
    struct kv *kv;
    if (kv_rocks_open(&options, &kv, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    return kv;
}

static int set_up_memory(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){ .rocks = false };
    assert_int_equal(kv_memory_open(&fixture.kv, &error), STATUS_OK);
    *state = &fixture;
    return 0;
}

static int set_up_rocks(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){ .rocks = true };
    folder_make(fixture.folder);
    fixture.kv = rocks_open(fixture.folder);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    fixture->kv->ops->close(fixture->kv);
    if (fixture->rocks) {
        folder_remove(fixture->folder);
    }
    return 0;
}

static void reopen(struct fixture *fixture)
{
    if (fixture->rocks) {
        fixture->kv->ops->close(fixture->kv);
        fixture->kv = rocks_open(fixture->folder);
    }
}

static struct bytes text(const char *chars)
{
    return (struct bytes){ (const uint8_t *)chars, strlen(chars) };
}

static void commit(struct kv *kv, const char *key, const char *value)
{
    struct kv_put put = { .key = text(key) };
    if (value != NULL) {
        put.value = text(value);
    }
    assert_int_equal(kv->ops->commit(kv, &put, 1, &error), STATUS_OK);
}

static void assert_value(struct kv *kv, const char *key, const char *expected)
{
    char value[64];
    struct kv_get get = { .key = text(key), .value = value, .value_max = sizeof value };
    assert_int_equal(kv->ops->multi_get(kv, &get, 1, &error), STATUS_OK);
    assert_int_equal(get.found, expected != NULL);
    if (expected != NULL) {
        assert_int_equal(get.value_size, strlen(expected));
        assert_memory_equal(value, expected, get.value_size);
    }
}

/* pairs: key, value, key, value, NULL */
static void write_table(struct kv *kv, const char *name, const char *const *pairs)
{
    struct kv_table *table;
    uint64_t size;
    assert_int_equal(kv->ops->table_open(kv, name, &table, &error), STATUS_OK);
    for (; *pairs != NULL; pairs += 2) {
        assert_int_equal(kv->ops->table_add(table, text(pairs[0]), text(pairs[1]), &error),
                         STATUS_OK);
    }
    assert_int_equal(kv->ops->table_close(table, &size, &error), STATUS_OK);
    assert_true(size > 0);
}

static void what_is_committed_is_there_after_reopening(void **state)
{
    struct fixture *fixture = *state;
    commit(fixture->kv, "b", "two");
    commit(fixture->kv, "a", "");
    commit(fixture->kv, "c", "three");
    commit(fixture->kv, "c", NULL);
    for (int i = 0; i < 2; i++) {
        assert_value(fixture->kv, "a", "");
        assert_value(fixture->kv, "b", "two");
        assert_value(fixture->kv, "c", NULL);
        assert_value(fixture->kv, "", NULL);
        assert_value(fixture->kv, "aa", NULL);
        reopen(fixture);
    }
}

static void a_longer_value_than_asked_for_is_corrupt(void **state)
{
    struct fixture *fixture = *state;
    commit(fixture->kv, "a", "12345");
    char value[4];
    struct kv_get get = { .key = text("a"), .value = value, .value_max = sizeof value };
    assert_int_equal(fixture->kv->ops->multi_get(fixture->kv, &get, 1, &error), STATUS_CORRUPT);
}

static void tables_are_invisible_until_ingested_and_then_win(void **state)
{
    struct fixture *fixture = *state;
    struct kv *kv = fixture->kv;
    commit(kv, "b", "old");
    commit(kv, "d", "stays");
    static const char *const one[] = { "a", "1", "b", "1", "c", "1", NULL };
    static const char *const two[] = { "b", "2", "e", "2", NULL };
    static const char *const three[] = { "e", "3", NULL };
    write_table(kv, "one", one);
    write_table(kv, "two", two);
    assert_value(kv, "a", NULL);
    assert_value(kv, "b", "old");
    static const char *const names[] = { "one", "two" };
    assert_int_equal(kv->ops->ingest(kv, names, 2, &error), STATUS_OK);
    write_table(kv, "three", three);
    static const char *const last[] = { "three" };
    assert_int_equal(kv->ops->ingest(kv, last, 1, &error), STATUS_OK);
    for (int i = 0; i < 2; i++) {
        assert_value(fixture->kv, "a", "1");
        assert_value(fixture->kv, "b", "2");
        assert_value(fixture->kv, "c", "1");
        assert_value(fixture->kv, "d", "stays");
        assert_value(fixture->kv, "e", "3");
        reopen(fixture);
    }
    commit(fixture->kv, "b", "newest");
    assert_value(fixture->kv, "b", "newest");
}

static void a_missing_table_ingests_nothing(void **state)
{
    struct kv *kv = ((struct fixture *)*state)->kv;
    static const char *const pairs[] = { "a", "1", NULL };
    write_table(kv, "here", pairs);
    static const char *const names[] = { "here", "missing" };
    assert_int_not_equal(kv->ops->ingest(kv, names, 2, &error), STATUS_OK);
    assert_value(kv, "a", NULL);
}

static void abandoned_and_forgotten_tables_leave_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct kv_table *table;
    static const char *const pairs[] = { "a", "1", NULL };
    write_table(fixture->kv, "closed-only", pairs);
    assert_int_equal(fixture->kv->ops->table_open(fixture->kv, "given-up", &table, &error),
                     STATUS_OK);
    assert_int_equal(fixture->kv->ops->table_add(table, text("a"), text("2"), &error), STATUS_OK);
    fixture->kv->ops->table_abandon(table);
    reopen(fixture);
    assert_value(fixture->kv, "a", NULL);
    if (fixture->rocks) {
        char tables[DISK_PATH_MAX];
        assert_int_equal(disk_join(tables, fixture->folder, "tables", &error), STATUS_OK);
        assert_int_equal(folder_bytes(tables, ""), 0);
    }
    write_table(fixture->kv, "closed-only", pairs); /* the name is free again */
}

static void an_iterator_sees_one_state_in_order(void **state)
{
    struct kv *kv = ((struct fixture *)*state)->kv;
    commit(kv, "b", "1");
    commit(kv, "d", "1");
    commit(kv, "f", "1");
    struct kv_iterator *iterator;
    assert_int_equal(kv->ops->iterate(kv, text("c"), &iterator, &error), STATUS_OK);
    commit(kv, "e", "late");
    commit(kv, "f", NULL);
    struct bytes key, value;
    assert_int_equal(kv->ops->next(iterator, &key, &value, &error), STATUS_OK);
    assert_memory_equal(key.data, "d", 1);
    assert_int_equal(kv->ops->next(iterator, &key, &value, &error), STATUS_OK);
    assert_memory_equal(key.data, "f", 1);
    assert_memory_equal(value.data, "1", 1);
    assert_int_equal(kv->ops->next(iterator, &key, &value, &error), STATUS_OK);
    assert_null(key.data);
    assert_int_equal(kv->ops->next(iterator, &key, &value, &error), STATUS_OK);
    assert_null(key.data);
    kv->ops->iterate_end(iterator);
}

/* More keys than one piece of a look-up, found and not, sorted and not. */
static void large_batches_of_look_ups(void **state)
{
    struct kv *kv = ((struct fixture *)*state)->kv;
    enum { COUNT = 5000 };
    static char keys[COUNT][8];
    static uint32_t values[COUNT];
    static struct kv_get gets[COUNT];
    struct kv_table *table;
    uint64_t size;
    assert_int_equal(kv->ops->table_open(kv, "many", &table, &error), STATUS_OK);
    for (uint32_t i = 0; i < COUNT; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "%06u", (unsigned)i);
        struct bytes value = { (const uint8_t *)&i, sizeof i };
        if (i % 3 != 0) {
            assert_int_equal(kv->ops->table_add(table, text(keys[i]), value, &error), STATUS_OK);
        }
    }
    assert_int_equal(kv->ops->table_close(table, &size, &error), STATUS_OK);
    static const char *const names[] = { "many" };
    assert_int_equal(kv->ops->ingest(kv, names, 1, &error), STATUS_OK);
    for (uint32_t stride = 1; stride < 4; stride += 2) { /* 5000 and 3 have no common factor */
        for (uint32_t i = 0; i < COUNT; i++) {
            uint32_t number = i * stride % COUNT;
            gets[i] = (struct kv_get){ .key = text(keys[number]),
                                       .value = &values[i],
                                       .value_max = sizeof values[i] };
        }
        assert_int_equal(kv->ops->multi_get(kv, gets, COUNT, &error), STATUS_OK);
        for (uint32_t i = 0; i < COUNT; i++) {
            uint32_t number = i * stride % COUNT;
            assert_int_equal(gets[i].found, number % 3 != 0);
            assert_true(!gets[i].found || values[i] == number);
        }
    }
    assert_int_equal(kv->ops->multi_get(kv, gets, 0, &error), STATUS_OK);
}

static void a_random_run_equals_an_array(void **state)
{
    struct fixture *fixture = *state;
    enum { KEYS = 60 };
    static char model[KEYS][8];
    static const char *pairs[2 * KEYS + 1];
    static char keys[KEYS][8];
    memset(model, 0, sizeof model);
    struct random random;
    random_init(&random, 17);
    for (unsigned i = 0; i < KEYS; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "k%02u", i);
    }
    for (unsigned round = 1; round < 60; round++) {
        size_t count = 0;
        bool table = random_chance(&random, 1, 2);
        for (unsigned i = 0; i < KEYS; i++) {
            if (random_chance(&random, 1, 5)) {
                bool deleted = !table && random_chance(&random, 1, 3);
                (void)snprintf(model[i], sizeof model[i], "%u", round);
                model[i][0] = deleted ? 0 : model[i][0];
                pairs[count++] = keys[i];
                pairs[count++] = deleted ? NULL : model[i];
            }
        }
        pairs[count] = NULL;
        if (table && count > 0) {
            static const char *const names[] = { "t" };
            write_table(fixture->kv, "t", pairs);
            assert_int_equal(fixture->kv->ops->ingest(fixture->kv, names, 1, &error), STATUS_OK);
        } else {
            struct kv_put puts[KEYS] = { 0 };
            for (size_t i = 0; i < count; i += 2) {
                puts[i / 2].key = text(pairs[i]);
                puts[i / 2].value = pairs[i + 1] == NULL ? (struct bytes){ 0 } : text(pairs[i + 1]);
            }
            assert_int_equal(fixture->kv->ops->commit(fixture->kv, puts, count / 2, &error),
                             STATUS_OK);
        }
        if (round % 20 == 0) {
            reopen(fixture);
        }
        for (unsigned i = 0; i < KEYS; i++) {
            assert_value(fixture->kv, keys[i], model[i][0] == 0 ? NULL : model[i]);
        }
    }
}

static void a_checkpoint_is_a_store_of_its_own(void **state)
{
    struct fixture *fixture = *state;
    char copy[DISK_PATH_MAX];
    commit(fixture->kv, "a", "1");
    if (!fixture->rocks) {
        assert_int_equal(fixture->kv->ops->checkpoint(fixture->kv, "anywhere", &error),
                         STATUS_UNIMPLEMENTED);
        return;
    }
    assert_int_equal(disk_join(copy, fixture->folder, "copy", &error), STATUS_OK);
    assert_int_equal(fixture->kv->ops->checkpoint(fixture->kv, copy, &error), STATUS_OK);
    commit(fixture->kv, "a", "2");
    struct kv *other = rocks_open(copy);
    assert_value(other, "a", "1");
    other->ops->close(other);
    assert_int_not_equal(fixture->kv->ops->checkpoint(fixture->kv, copy, &error), STATUS_OK);
}

static void one_process_at_a_time(void **state)
{
    struct fixture *fixture = *state;
    struct kv_rocks_options options = { .folder = fixture->folder,
                                        .cache_bytes = 1024 * 1024,
                                        .background_jobs = 1 };
    struct kv *other;
    assert_int_equal(kv_rocks_open(&options, &other, &error), STATUS_LOCKED);
    assert_non_null(strstr(error.text, fixture->folder));
    options.folder = "/proc/no-such-folder";
    assert_int_not_equal(kv_rocks_open(&options, &other, &error), STATUS_OK);
    assert_non_null(strstr(error.text, "/proc/no-such-folder"));
}

#define ON_BOTH(test)                                                                              \
    { "memory: " #test, test, set_up_memory, tear_down, NULL },                                    \
    {                                                                                              \
        "rocksdb: " #test, test, set_up_rocks, tear_down, NULL                                     \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(what_is_committed_is_there_after_reopening),
        ON_BOTH(a_longer_value_than_asked_for_is_corrupt),
        ON_BOTH(tables_are_invisible_until_ingested_and_then_win),
        ON_BOTH(a_missing_table_ingests_nothing),
        ON_BOTH(abandoned_and_forgotten_tables_leave_nothing),
        ON_BOTH(an_iterator_sees_one_state_in_order),
        ON_BOTH(large_batches_of_look_ups),
        ON_BOTH(a_random_run_equals_an_array),
        ON_BOTH(a_checkpoint_is_a_store_of_its_own),
        cmocka_unit_test_setup_teardown(one_process_at_a_time, set_up_rocks, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
