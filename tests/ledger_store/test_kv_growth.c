/* test_kv_growth.c — the store in files does not grow for ever: neither in bytes nor in files. */
#include "base/random.h"
#include "tests/ledger_store/folder.h"
#include "tests/ledger_store/kv_kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct error error;

struct files {
    struct kv_home *home;
    unsigned count;
    uint64_t bytes;
};

static void see_file(void *context, const char *name)
{
    struct files *files = context;
    char path[DISK_PATH_MAX];
    assert_int_equal(disk_join(path, files->home->folder, name, &error), STATUS_OK);
    files->count++;
    files->bytes += sim_disk_bytes(files->home->sim, path)->size;
}

static struct files files_of(struct kv_home *home)
{
    struct files files = { .home = home };
    assert_int_equal(disk_list(kv_home_disk(home), home->folder, see_file, &files, &error),
                     STATUS_OK);
    return files;
}

enum { KEYS = 64, ROUNDS = 400, VALUE = 200 };

struct grown {
    struct kv_home home;
    struct kv *kv;
    uint8_t values[KEYS][VALUE];
    bool there[KEYS];
    struct random random;
};

/* Writes or deletes about one of `each` keys. */
static void change_some(struct grown *grown, uint8_t round, uint32_t each)
{
    struct kv_put puts[KEYS];
    uint8_t keys[KEYS];
    size_t count = 0;
    for (unsigned i = 0; i < KEYS; i++) {
        if (!random_chance(&grown->random, 1, each)) {
            continue;
        }
        grown->there[i] = each == 1 || random_chance(&grown->random, 2, 3);
        memset(grown->values[i], round, VALUE);
        keys[i] = (uint8_t)(i + 1);
        puts[count] = (struct kv_put){ .key = { &keys[i], 1 } };
        if (grown->there[i]) {
            puts[count].value = (struct bytes){ grown->values[i], VALUE };
        }
        count++;
    }
    assert_int_equal(grown->kv->ops->commit(grown->kv, puts, count, &error), STATUS_OK);
}

static void assert_small(struct grown *grown)
{
    struct files files = files_of(&grown->home);
    assert_true(files.count <= 2 + 17); /* manifests, and what one change more brings */
    assert_true(files.bytes < (uint64_t)6 * KEYS * VALUE);
}

static void assert_values(struct grown *grown)
{
    for (unsigned i = 0; i < KEYS; i++) {
        uint8_t key = (uint8_t)(i + 1);
        uint8_t value[VALUE];
        struct kv_get get = { .key = { &key, 1 }, .value = value, .value_max = VALUE };
        assert_int_equal(grown->kv->ops->multi_get(grown->kv, &get, 1, &error), STATUS_OK);
        assert_int_equal(get.found, grown->there[i]);
        if (get.found) {
            assert_memory_equal(value, grown->values[i], VALUE);
        }
    }
}

/* Tables each less than half as large as the one before: of those no more than two are merged at
 * once, and every ingest brings many. */
static void files_do_not_get_many(void **state)
{
    (void)state;
    enum { TABLES = 8, INGESTS = 6 };
    static const uint8_t value[3000];
    struct kv_home home;
    kv_home_begin(&home, KV_SIMULATED);
    struct kv *kv = kv_home_open(&home);
    for (uint8_t round = 0; round < INGESTS; round++) {
        char name[TABLES][2];
        const char *names[TABLES];
        for (uint8_t i = 0; i < TABLES; i++) {
            struct kv_table *table;
            uint64_t size;
            uint8_t key[2] = { round, i };
            name[i][0] = (char)('a' + i);
            name[i][1] = 0;
            names[i] = name[i];
            assert_int_equal(kv->ops->table_open(kv, names[i], &table, &error), STATUS_OK);
            assert_int_equal(kv->ops->table_add(table, (struct bytes){ key, sizeof key },
                                                (struct bytes){ value, sizeof value >> (2 * i) },
                                                &error),
                             STATUS_OK);
            assert_int_equal(kv->ops->table_close(table, &size, &error), STATUS_OK);
        }
        assert_int_equal(kv->ops->ingest(kv, names, TABLES, &error), STATUS_OK);
    }
    assert_true(files_of(&home).count < 18);
    kv->ops->close(kv);
    kv_home_end(&home);
}

static void files_do_not_grow_for_ever(void **state)
{
    (void)state;
    struct grown *grown = calloc(1, sizeof *grown);
    assert_non_null(grown);
    kv_home_begin(&grown->home, KV_SIMULATED);
    random_init(&grown->random, 6);
    grown->kv = kv_home_open(&grown->home);
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint32_t each = round % 100 == 0 ? 1 : round < ROUNDS / 2 ? 16 : 4;
        change_some(grown, (uint8_t)round, each);
        assert_small(grown);
        assert_values(grown);
    }
    grown->kv->ops->close(grown->kv);
    grown->kv = kv_home_open(&grown->home);
    assert_values(grown);
    grown->kv->ops->close(grown->kv);
    kv_home_end(&grown->home);
    free(grown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_do_not_get_many),
        cmocka_unit_test(files_do_not_grow_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
