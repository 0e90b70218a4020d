/* test_kv_contract.c — kv.h, on every implementation: RocksDB, and kv_file on a simulated disk and
 * on the kernel's files. */
#include "base/random.h"
#include "ledger/store/kv.h"
#include "ledger/store/store_rocks.h"
#include "tests/ledger_store/folder.h"
#include "tests/ledger_store/kv_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static struct error error;

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

/* pairs: key, value (NULL: deleted), key, value, NULL */
static void write_table(struct kv *kv, const char *name, const char *const *pairs)
{
    struct kv_table *table;
    uint64_t size;
    assert_int_equal(kv->ops->table_open(kv, name, &table, &error), STATUS_OK);
    for (; *pairs != NULL; pairs += 2) {
        struct bytes value = pairs[1] == NULL ? (struct bytes){ 0 } : text(pairs[1]);
        assert_int_equal(kv->ops->table_add(table, text(pairs[0]), value, &error), STATUS_OK);
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
    if (fixture->home.kind == KV_ROCKS) {
        char tables[DISK_PATH_MAX];
        assert_int_equal(disk_join(tables, fixture->home.folder, "tables", &error), STATUS_OK);
        assert_int_equal(folder_bytes(tables, ""), 0);
    }
    if (fixture->home.kind == KV_FILES) {
        assert_int_equal(folder_bytes(fixture->home.folder, ".data"), 0);
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
    assert_int_equal(kv->ops->iterate(kv, text("c"), false, &iterator, &error), STATUS_OK);
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

static void assert_next(struct kv *kv, struct kv_iterator *iterator, const char *expected)
{
    struct bytes key, value;
    assert_int_equal(kv->ops->next(iterator, &key, &value, &error), STATUS_OK);
    assert_int_equal(key.data != NULL, expected != NULL);
    if (expected != NULL) {
        assert_int_equal(key.size, strlen(expected));
        assert_memory_equal(key.data, expected, key.size);
    }
}

static void iterators_go_both_ways_and_seek(void **state)
{
    struct kv *kv = ((struct fixture *)*state)->kv;
    static const char *const one[] = { "b", "1", "bb", "1", "d", "1", "f", "1", NULL };
    static const char *const two[] = { "bb", NULL, "h", "2", NULL };
    static const char *const names[] = { "one", "two" };
    write_table(kv, "one", one);
    write_table(kv, "two", two);
    assert_int_equal(kv->ops->ingest(kv, names, 2, &error), STATUS_OK);
    struct kv_iterator *iterator;
    assert_int_equal(kv->ops->iterate(kv, text("e"), true, &iterator, &error), STATUS_OK);
    assert_next(kv, iterator, "d");
    assert_next(kv, iterator, "b");
    assert_next(kv, iterator, NULL);
    assert_next(kv, iterator, NULL);
    assert_int_equal(kv->ops->seek(iterator, text("f"), &error), STATUS_OK);
    assert_next(kv, iterator, "f");
    assert_int_equal(kv->ops->seek(iterator, text("zz"), &error), STATUS_OK);
    assert_next(kv, iterator, "h");
    assert_int_equal(kv->ops->seek(iterator, text("a"), &error), STATUS_OK);
    assert_next(kv, iterator, NULL);
    kv->ops->iterate_end(iterator);
    assert_int_equal(kv->ops->iterate(kv, text("c"), false, &iterator, &error), STATUS_OK);
    assert_next(kv, iterator, "d");
    assert_int_equal(kv->ops->seek(iterator, text("g"), &error), STATUS_OK);
    assert_next(kv, iterator, "h");
    assert_next(kv, iterator, NULL);
    assert_int_equal(kv->ops->seek(iterator, text("b"), &error), STATUS_OK);
    assert_next(kv, iterator, "b");
    assert_next(kv, iterator, "d");
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
                bool deleted = random_chance(&random, 1, 3);
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

static struct kv_home copy_of(const struct kv_home *home)
{
    struct kv_home copy = *home;
    int size = snprintf(copy.folder, sizeof copy.folder, "%.1000s-copy", home->folder);
    assert_true(size > 0 && (size_t)size < sizeof copy.folder);
    return copy;
}

static void a_checkpoint_is_a_store_of_its_own(void **state)
{
    struct fixture *fixture = *state;
    static const char *const pairs[] = { "b", "1", "c", "1", NULL };
    static const char *const names[] = { "t" };
    commit(fixture->kv, "a", "1");
    commit(fixture->kv, "gone", "1");
    write_table(fixture->kv, "t", pairs);
    assert_int_equal(fixture->kv->ops->ingest(fixture->kv, names, 1, &error), STATUS_OK);
    commit(fixture->kv, "gone", NULL);
    struct kv_home copy = copy_of(&fixture->home);
    assert_int_equal(fixture->kv->ops->checkpoint(fixture->kv, copy.folder, &error), STATUS_OK);
    commit(fixture->kv, "a", "2");
    for (int i = 0; i < 2; i++) { /* it can be written too, and lasts */
        struct kv *other = kv_home_open(&copy);
        assert_value(other, "a", i == 0 ? "1" : "3");
        assert_value(other, "b", "1");
        assert_value(other, "c", "1");
        assert_value(other, "gone", NULL);
        commit(other, "a", "3");
        other->ops->close(other);
    }
    assert_value(fixture->kv, "a", "2");
    assert_int_equal(fixture->kv->ops->checkpoint(fixture->kv, copy.folder, &error), STATUS_EXISTS);
}

static void a_copy_of_nothing_is_empty(void **state)
{
    struct fixture *fixture = *state;
    struct kv_home copy = copy_of(&fixture->home);
    assert_int_equal(fixture->kv->ops->checkpoint(fixture->kv, copy.folder, &error), STATUS_OK);
    struct kv *other = kv_home_open(&copy);
    assert_value(other, "a", NULL);
    other->ops->close(other);
}

static void one_process_at_a_time(void **state)
{
    struct fixture *fixture = *state;
    struct kv_rocks_options options = { .folder = fixture->home.folder,
                                        .cache_bytes = 1024 * 1024,
                                        .background_jobs = 1 };
    struct kv *other;
    assert_int_equal(kv_rocks_open(&options, &other, &error), STATUS_LOCKED);
    assert_non_null(strstr(error.text, fixture->home.folder));
    options.folder = "/proc/no-such-folder";
    assert_int_not_equal(kv_rocks_open(&options, &other, &error), STATUS_OK);
    assert_non_null(strstr(error.text, "/proc/no-such-folder"));
}

/* However fast tables come, level 0 does not grow: an ingest waits for compaction. */
static void level_0_is_bounded(void **state)
{
    enum { TABLES = 3 * ROCKS_LEVEL_0_MAX, KEYS = 300 };
    struct kv *kv = ((struct fixture *)*state)->kv;
    for (uint32_t round = 0; round < TABLES; round++) {
        struct kv_table *table;
        uint64_t size;
        static const char *const names[] = { "t" };
        assert_int_equal(kv->ops->table_open(kv, "t", &table, &error), STATUS_OK);
        for (uint32_t i = 0; i < KEYS; i++) {
            char key[16];
            (void)snprintf(key, sizeof key, "%06u", i * 7 + round % 5);
            struct bytes value = { (const uint8_t *)&round, sizeof round };
            assert_int_equal(kv->ops->table_add(table, text(key), value, &error), STATUS_OK);
        }
        assert_int_equal(kv->ops->table_close(table, &size, &error), STATUS_OK);
        assert_int_equal(kv->ops->ingest(kv, names, 1, &error), STATUS_OK);
        struct rocks_load load = rocks_load(kv);
        assert_true(load.level_0_files <= ROCKS_LEVEL_0_MAX);
        assert_false(load.failed);
    }
}

#define ON_ALL(test)                                                                               \
    { "simulated: " #test, test, set_up_simulated, tear_down, NULL },                              \
        { "files: " #test, test, set_up_files, tear_down, NULL },                                  \
    {                                                                                              \
        "rocksdb: " #test, test, set_up_rocks, tear_down, NULL                                     \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_ALL(what_is_committed_is_there_after_reopening),
        ON_ALL(a_longer_value_than_asked_for_is_corrupt),
        ON_ALL(tables_are_invisible_until_ingested_and_then_win),
        ON_ALL(a_missing_table_ingests_nothing),
        ON_ALL(abandoned_and_forgotten_tables_leave_nothing),
        ON_ALL(an_iterator_sees_one_state_in_order),
        ON_ALL(iterators_go_both_ways_and_seek),
        ON_ALL(large_batches_of_look_ups),
        ON_ALL(a_random_run_equals_an_array),
        ON_ALL(a_checkpoint_is_a_store_of_its_own),
        ON_ALL(a_copy_of_nothing_is_empty),
        cmocka_unit_test_setup_teardown(level_0_is_bounded, set_up_rocks, tear_down),
        cmocka_unit_test_setup_teardown(one_process_at_a_time, set_up_rocks, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
