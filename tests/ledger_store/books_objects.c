#include "tests/ledger_store/books_objects.h"

#include "base/clock.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum object_kind books_object_kind(uint32_t i)
{
    static const enum object_kind kinds[BOOKS_OBJECT_KINDS] = { OBJECT_ACCOUNT_CODE, OBJECT_FREEZE,
                                                                OBJECT_METADATA_ACCOUNT };
    return kinds[i];
}

static void start(struct random *random, uint64_t seed, uint64_t number)
{
    random_init(random, seed * 7919 + number * 31 + 5);
}

void books_name_objects(uint64_t seed, uint64_t number,
                        struct object_name names[BOOKS_OBJECTS_AN_ENTRY])
{
    struct random random;
    start(&random, seed, number);
    for (uint32_t i = 0; i < BOOKS_OBJECTS_AN_ENTRY; i++) {
        names[i].kind = books_object_kind((uint32_t)random_below(&random, BOOKS_OBJECT_KINDS));
        names[i].id = 1 + random_below(&random, BOOKS_OBJECT_IDS);
    }
}

static void touch(struct delta *delta, struct object_name name, struct random *random,
                  uint64_t timestamp)
{
    _Alignas(16) uint8_t fresh[OBJECT_SIZE_MAX] = { 0 };
    uint8_t *record = delta_object(delta, name.kind, name.id);
    if (record == NULL) {
        memcpy(fresh, &name.id, sizeof name.id);
        record = delta_object_insert(delta, name.kind, fresh);
    }
    delta_object_change(delta, name.kind, record);
    const size_t size = random_between(random, sizeof name.id, object_size(name.kind));
    memset(record + sizeof name.id, (int)random_below(random, 256), size - sizeof name.id);
    if (random_chance(random, 1, 2)) {
        delta_version_append(delta, name.kind, record, timestamp);
    }
}

void books_apply_objects(struct delta *delta, uint64_t seed, uint64_t number,
                         uint64_t first_timestamp)
{
    struct object_name names[BOOKS_OBJECTS_AN_ENTRY];
    struct random random;
    books_name_objects(seed, number, names);
    start(&random, seed, ~number);
    for (uint32_t i = 0; i < BOOKS_OBJECTS_AN_ENTRY; i++) {
        const bool chain = random_chance(&random, 1, 3);
        if (chain) {
            delta_chain_open(delta);
            touch(delta, names[random_below(&random, BOOKS_OBJECTS_AN_ENTRY)], &random,
                  first_timestamp + 2 * (uint64_t)i);
        }
        touch(delta, names[i], &random, first_timestamp + 2 * (uint64_t)i + 1);
        if (chain) {
            delta_chain_close(delta, random_chance(&random, 1, 2));
        }
    }
}

static size_t list(const struct books *books, enum object_kind kind,
                   uint8_t records[BOOKS_OBJECT_IDS * OBJECT_SIZE_MAX])
{
    struct error error = { 0 };
    size_t count;
    if (store_objects_list(books->store, kind, 0, BOOKS_OBJECT_IDS, records, &count, &error) !=
        STATUS_OK) {
        fail_msg("%s", error.text);
    }
    return count;
}

static void assert_versions_equal(const struct books *left, const struct books *right,
                                  struct object_name name)
{
    uint8_t records[2][OBJECT_SIZE_MAX];
    bool found[2];
    struct error error;
    for (uint64_t entry = 1; entry <= left->entry + 1; entry += 1 + left->entry / 9) {
        const uint64_t at = entry * NS_PER_S;
        assert_int_equal(
            store_object_at(left->store, name.kind, name.id, at, records[0], &found[0], &error),
            STATUS_OK);
        assert_int_equal(
            store_object_at(right->store, name.kind, name.id, at, records[1], &found[1], &error),
            STATUS_OK);
        assert_int_equal(found[0], found[1]);
        if (found[0]) {
            assert_memory_equal(records[0], records[1], object_size(name.kind));
        }
    }
}

void books_assert_objects_equal(const struct books *left, const struct books *right)
{
    static uint8_t records[2][BOOKS_OBJECT_IDS * OBJECT_SIZE_MAX];
    for (uint32_t i = 0; i < BOOKS_OBJECT_KINDS; i++) {
        const enum object_kind kind = books_object_kind(i);
        const size_t count = list(left, kind, records[0]);
        assert_int_equal(list(right, kind, records[1]), count);
        assert_memory_equal(records[0], records[1], count * object_size(kind));
        for (u128 id = 1; id <= BOOKS_OBJECT_IDS; id += 7) {
            assert_versions_equal(left, right, (struct object_name){ kind, id });
        }
    }
}
