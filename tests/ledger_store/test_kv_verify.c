/* test_kv_verify.c — the walk of a scrubber through all bytes of a kv (kv.h), on every
 * implementation: it ends, it misses nothing, and it sees the medium and not a cache. */
#include "base/limits.h"
#include "base/random.h"
#include "tests/ledger_store/kv_fixture.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct error error;

enum { VERIFIED_KEYS = 3000, VERIFIED_VALUE = 100 };

/* Records enough for many blocks, looked up once so that caches are warm. */
static void fill(struct kv *kv)
{
    static uint8_t noise[VERIFIED_VALUE];
    struct random random;
    struct kv_table *table;
    uint64_t size;
    random_init(&random, 3);
    assert_int_equal(kv->ops->table_open(kv, "full", &table, &error), STATUS_OK);
    for (unsigned i = 0; i < VERIFIED_KEYS; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "key-%06u", i);
        for (size_t at = 0; at < sizeof noise; at++) {
            noise[at] = (uint8_t)random_u64(&random);
        }
        assert_int_equal(
            kv->ops->table_add(table, text(key), (struct bytes){ noise, sizeof noise }, &error),
            STATUS_OK);
    }
    assert_int_equal(kv->ops->table_close(table, &size, &error), STATUS_OK);
    static const char *const names[] = { "full" };
    assert_int_equal(kv->ops->ingest(kv, names, 1, &error), STATUS_OK);
    for (unsigned i = 0; i < VERIFIED_KEYS; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "key-%06u", i);
        struct kv_get get = { .key = text(key), .value = noise, .value_max = sizeof noise };
        assert_int_equal(kv->ops->multi_get(kv, &get, 1, &error), STATUS_OK);
        assert_true(get.found);
    }
}

/* A whole walk; gives the first status that is not OK, and the number of calls that got on: one
 * that meets files which a compaction removes is tried again. */
static enum status walk(struct kv *kv, uint64_t bytes_budget, unsigned *calls)
{
    struct kv_place place = { .size = 0 };
    bool done = false;
    *calls = 0;
    for (unsigned i = 0; !done; i++) {
        const struct kv_place before = place;
        assert_true(i < 10000);
        TRY(kv->ops->verify(kv, &place, bytes_budget, &done, &error));
        assert_true(place.size == 0 || !done);
        bool on =
            done || place.size != before.size || memcmp(place.bytes, before.bytes, place.size) != 0;
        *calls += on ? 1 : 0;
    }
    return STATUS_OK;
}

static void a_walk_in_pieces_comes_to_its_end(void **state)
{
    struct fixture *fixture = *state;
    unsigned calls;
    assert_int_equal(walk(fixture->kv, 1000, &calls), STATUS_OK);
    assert_int_equal(calls, 1);
    fill(fixture->kv);
    assert_int_equal(walk(fixture->kv, 30000, &calls), STATUS_OK);
    assert_true(calls >= 10 && calls <= 12); /* 330 kB */
    assert_int_equal(walk(fixture->kv, UINT64_MAX, &calls), STATUS_OK);
    assert_int_equal(calls, 1);
    struct kv_place place = { .size = 0 }; /* while it goes on, and one that is given up */
    bool done;
    for (unsigned i = 0; i < 40; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "key-%06u", i * 50);
        commit(fixture->kv, key, "new");
        assert_int_equal(fixture->kv->ops->verify(fixture->kv, &place, 30000, &done, &error),
                         STATUS_OK);
    }
    assert_int_equal(walk(fixture->kv, 0, &calls), STATUS_OK);
    assert_true(calls >= VERIFIED_KEYS);
}

static bool is_data(const char *name)
{
    size_t size = strlen(name);
    return (size > 5 && strcmp(name + size - 5, ".data") == 0) ||
           (size > 4 && strcmp(name + size - 4, ".sst") == 0);
}

struct largest {
    struct kv_home *home;
    uint64_t size;
    char path[DISK_PATH_MAX];
};

static void see_file(void *context, const char *name)
{
    struct largest *largest = context;
    struct disk *disk = kv_home_disk(largest->home);
    char path[DISK_PATH_MAX];
    struct disk_file file;
    uint64_t size;
    if (is_data(name)) {
        assert_int_equal(disk_join(path, largest->home->folder, name, &error), STATUS_OK);
        assert_int_equal(disk_open(disk, path, DISK_READ, &file, &error), STATUS_OK);
        assert_int_equal(disk_size(disk, file, &size, &error), STATUS_OK);
        disk_close(disk, file);
        if (size > largest->size) {
            largest->size = size;
            memcpy(largest->path, path, sizeof path);
        }
    }
}

static void flip(struct kv_home *home, const char *path, uint64_t offset)
{
    struct disk *disk = kv_home_disk(home);
    struct disk_file file;
    uint8_t byte;
    struct disk_slice slice = { &byte, 1 };
    assert_int_equal(disk_open(disk, path, DISK_WRITE, &file, &error), STATUS_OK);
    assert_int_equal(disk_read(disk, file, offset, &byte, 1, &error), STATUS_OK);
    byte ^= 0x40;
    assert_int_equal(disk_write(disk, file, offset, &slice, 1, &error), STATUS_OK);
    disk_close(disk, file);
}

/* What a cache would still answer is found on the medium. */
static void a_walk_finds_damage(void **state)
{
    struct fixture *fixture = *state;
    struct largest largest = { .home = &fixture->home };
    struct disk *disk = kv_home_disk(&fixture->home);
    unsigned calls;
    fill(fixture->kv);
    assert_int_equal(disk_list(disk, fixture->home.folder, see_file, &largest, &error), STATUS_OK);
    assert_true(largest.size > 200000);
    for (uint64_t at = 100; at < 250000; at += 24989) {
        flip(&fixture->home, largest.path, at);
        assert_int_equal(walk(fixture->kv, 50000, &calls), STATUS_CORRUPT);
        assert_non_null(strstr(error.text, strrchr(largest.path, '/')));
        flip(&fixture->home, largest.path, at);
    }
    assert_int_equal(walk(fixture->kv, 50000, &calls), STATUS_OK);
}

/* One that is gone; the database has it open and does not see that. It may also have gone to a
 * compaction while the walk began, so the first failures are not told. */
static void a_walk_misses_a_file(void **state)
{
    struct fixture *fixture = *state;
    struct largest largest = { .home = &fixture->home };
    struct disk *disk = kv_home_disk(&fixture->home);
    struct kv_place place = { .size = 0 };
    bool done = false;
    unsigned quiet = 0;
    fill(fixture->kv);
    assert_int_equal(disk_list(disk, fixture->home.folder, see_file, &largest, &error), STATUS_OK);
    assert_int_equal(disk_remove(disk, largest.path, &error), STATUS_OK);
    while (fixture->kv->ops->verify(fixture->kv, &place, 50000, &done, &error) == STATUS_OK) {
        assert_false(done);
        assert_int_equal(place.size, 0);
        assert_true(++quiet < 10);
    }
    assert_int_equal(error.status, STATUS_CORRUPT);
    assert_int_equal(quiet, 2);
}

/* --- many files --- */

enum { TABLES = 4 * STORE_VERIFY_FILES_MAX, TABLE_KEYS = 40 };

static void add_table(struct kv *kv, unsigned at)
{
    static const uint8_t value[VERIFIED_VALUE];
    struct kv_table *table;
    uint64_t size;
    char name[16];
    (void)snprintf(name, sizeof name, "t%u", at);
    assert_int_equal(kv->ops->table_open(kv, name, &table, &error), STATUS_OK);
    for (unsigned i = 0; i < TABLE_KEYS; i++) {
        char key[24];
        (void)snprintf(key, sizeof key, "key-%06u-%03u", at, i);
        assert_int_equal(
            kv->ops->table_add(table, text(key), (struct bytes){ value, sizeof value }, &error),
            STATUS_OK);
    }
    assert_int_equal(kv->ops->table_close(table, &size, &error), STATUS_OK);
    const char *const names[] = { name };
    assert_int_equal(kv->ops->ingest(kv, names, 1, &error), STATUS_OK);
}

static unsigned files_open(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;
    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    (void)closedir(folder);
    return count;
}

static void a_walk_opens_few_of_many_files(void **state)
{
    struct fixture *fixture = *state;
    struct kv_place place = { .size = 0 };
    bool done = false;
    unsigned most = 0;
    for (unsigned i = 0; i < TABLES; i++) {
        add_table(fixture->kv, i);
    }
    unsigned before = files_open();
    while (!done) {
        assert_int_equal(fixture->kv->ops->verify(fixture->kv, &place, 5000, &done, &error),
                         STATUS_OK);
        unsigned now = files_open();
        most = now > most ? now : most;
    }
    print_message("%u tables: %u files open, %u with the walk\n", (unsigned)TABLES, before, most);
    assert_true(most > before);
    assert_true(most <= before + STORE_VERIFY_FILES_MAX + 8);
}

/* The files that the walk has before it go to compactions while it is under way; a walk counts on
 * what it sees anew, and tells of no damage. */
static void files_that_go_to_a_compaction_are_no_damage(void **state)
{
    struct fixture *fixture = *state;
    struct kv_place place = { .size = 0 };
    bool done = false;
    unsigned calls = 0;
    for (unsigned i = 0; i < TABLES; i++) {
        add_table(fixture->kv, i);
    }
    while (!done) {
        assert_int_equal(fixture->kv->ops->verify(fixture->kv, &place, 5000, &done, &error),
                         STATUS_OK);
        add_table(fixture->kv, TABLES - 1 - calls % (TABLES / 2)); /* above one that is there */
        calls++;
        assert_true(calls < 10 * TABLES);
    }
    assert_true(calls > TABLES / 2);
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
        ON_ALL(a_walk_in_pieces_comes_to_its_end),
        ON_ALL(a_walk_finds_damage),
        { "rocksdb: a_walk_misses_a_file", a_walk_misses_a_file, set_up_rocks, tear_down, NULL },
        { "rocksdb: a_walk_opens_few_of_many_files", a_walk_opens_few_of_many_files, set_up_rocks,
          tear_down, NULL },
        { "rocksdb: files_that_go_to_a_compaction_are_no_damage",
          files_that_go_to_a_compaction_are_no_damage, set_up_rocks, tear_down, NULL },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
