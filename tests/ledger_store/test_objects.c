/* test_objects.c — objects and versions against a model that is two plain arrays: changed in and
 * out of chains, sealed in the middle of everything, evicted, read now and as of a time, listed. */
#include "base/random.h"
#include "ledger/store/store_internal.h"
#include "tests/ledger_store/books.h"
#include "tests/ledger_store/kv_kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { KINDS = 3, IDS = 50, VERSIONS = 4000, NAMED = 12, ROUNDS = 600, CUTS = 20 };

static const enum object_kind kinds[KINDS] = { OBJECT_ACCOUNT_CODE, OBJECT_FREEZE,
                                               OBJECT_METADATA_JOURNAL };

struct known {
    bool exists;
    uint8_t record[OBJECT_SIZE_MAX];
};

struct version {
    uint32_t kind;
    uint32_t id;
    uint64_t timestamp;
    uint8_t record[OBJECT_SIZE_MAX];
};

struct objects {
    struct known known[KINDS][IDS + 1];
    uint32_t version_count;
    uint32_t counts[KINDS];
};

struct world {
    struct random random;
    struct store *store;
    struct objects now;
    struct objects before_chain;
    struct version versions[VERSIONS];
    uint64_t clock;
    uint64_t entry;
};

static void change(struct world *world, uint32_t kind, uint32_t id)
{
    struct delta *delta = store_delta(world->store);
    struct known *known = &world->now.known[kind][id];
    const size_t size = object_size(kinds[kind]);
    uint8_t *record = delta_object(delta, kinds[kind], id);
    assert_int_equal(record != NULL, known->exists);
    if (record == NULL) {
        const u128 number = id;
        memcpy(known->record, &number, sizeof number);
        record = delta_object_insert(delta, kinds[kind], known->record);
        known->exists = true;
        world->now.counts[kind]++;
    }
    assert_memory_equal(record, known->record, size);
    delta_object_change(delta, kinds[kind], record);
    const size_t at = random_between(&world->random, sizeof(u128), size - 1);
    record[at] = known->record[at] = (uint8_t)random_below(&world->random, 3);
    world->clock++;
    if (world->now.version_count < VERSIONS && random_chance(&world->random, 1, 2)) {
        delta_version_append(delta, kinds[kind], record, world->clock);
        struct version *version = &world->versions[world->now.version_count];
        *version = (struct version){ .kind = kind, .id = id, .timestamp = world->clock };
        memcpy(version->record, record, size);
        world->now.version_count++;
    }
    assert_int_equal(delta_object_count(delta, kinds[kind]), world->now.counts[kind]);
}

static void one_batch(struct world *world)
{
    struct object_name names[NAMED];
    struct store_names named = { .objects = names, .object_count = NAMED };
    struct error error;
    struct delta *delta = store_delta(world->store);
    uint32_t kind[NAMED];
    for (uint32_t i = 0; i < NAMED; i++) {
        kind[i] = (uint32_t)random_below(&world->random, KINDS);
        names[i] = (struct object_name){ kinds[kind[i]], 1 + random_below(&world->random, IDS) };
    }
    assert_int_equal(store_prefetch(world->store, &named, &error), STATUS_OK);
    world->entry++;
    store_batch_index(world->store, world->entry);
    const u128 digest = delta_digest(delta);
    const bool nothing = random_chance(&world->random, 1, 6);
    delta_batch_begin(delta);
    for (uint32_t i = 0; i < NAMED; i++) {
        const bool chain = nothing || random_chance(&world->random, 1, 3);
        if (chain) {
            world->before_chain = world->now;
            delta_chain_open(delta);
            const uint32_t other = (uint32_t)random_below(&world->random, NAMED);
            change(world, kind[other], (uint32_t)names[other].id);
        }
        change(world, kind[i], (uint32_t)names[i].id);
        if (chain) {
            const bool keep = !nothing && random_chance(&world->random, 1, 2);
            delta_chain_close(delta, keep);
            world->now = keep ? world->now : world->before_chain;
        }
    }
    delta_batch_end(delta);
    assert_true(!nothing || delta_digest(delta) == digest);
}

static void check_list(struct world *world, uint32_t kind)
{
    static uint8_t records[(IDS + 1) * OBJECT_SIZE_MAX];
    const size_t size = object_size(kinds[kind]);
    const uint32_t after = (uint32_t)random_below(&world->random, IDS + 2);
    const size_t max = random_between(&world->random, 1, IDS + 1);
    size_t count;
    size_t expected = 0;
    struct error error;
    assert_int_equal(
        store_objects_list(world->store, kinds[kind], after, max, records, &count, &error),
        STATUS_OK);
    for (uint32_t id = after + 1; id <= IDS && expected < max; id++) {
        if (world->now.known[kind][id].exists) {
            assert_true(expected < count);
            assert_memory_equal(records + expected * size, world->now.known[kind][id].record, size);
            expected++;
        }
    }
    assert_int_equal(count, expected);
}

static void check_at(struct world *world, uint32_t kind, uint32_t id)
{
    const uint64_t at = random_below(&world->random, world->clock + 2);
    const struct version *expected = NULL;
    for (uint32_t i = 0; i < world->now.version_count; i++) {
        const struct version *version = &world->versions[i];
        if (version->kind == kind && version->id == id && version->timestamp <= at) {
            expected = version;
        }
    }
    uint8_t record[OBJECT_SIZE_MAX];
    bool found;
    struct error error;
    assert_int_equal(store_object_at(world->store, kinds[kind], id, at, record, &found, &error),
                     STATUS_OK);
    assert_int_equal(found, expected != NULL);
    if (found) {
        assert_memory_equal(record, expected->record, object_size(kinds[kind]));
    }
}

static void check_versions(struct world *world, uint32_t kind, uint32_t id)
{
    enum { MAX = 5 };
    uint8_t records[MAX * OBJECT_SIZE_MAX];
    const size_t size = object_size(kinds[kind]);
    const uint64_t before = random_below(&world->random, world->clock + 3);
    const size_t max = random_between(&world->random, 1, MAX);
    size_t count;
    size_t expected = 0;
    struct error error;
    assert_int_equal(
        store_object_versions(world->store, kinds[kind], id, before, max, records, &count, &error),
        STATUS_OK);
    for (uint32_t i = world->now.version_count; i > 0 && expected < max; i--) {
        const struct version *version = &world->versions[i - 1];
        if (version->kind == kind && version->id == id && version->timestamp < before) {
            assert_true(expected < count);
            assert_memory_equal(records + expected * size, version->record, size);
            expected++;
        }
    }
    assert_int_equal(count, expected);
}

static void check(struct world *world)
{
    for (uint32_t i = 0; i < 6; i++) {
        const uint32_t kind = (uint32_t)random_below(&world->random, KINDS);
        const uint32_t id = (uint32_t)random_between(&world->random, 1, IDS);
        const struct known *known = &world->now.known[kind][id];
        uint8_t record[OBJECT_SIZE_MAX];
        bool found;
        struct error error;
        assert_int_equal(store_object(world->store, kinds[kind], id, record, &found, &error),
                         STATUS_OK);
        assert_int_equal(found, known->exists);
        if (found) {
            assert_memory_equal(record, known->record, object_size(kinds[kind]));
        }
        check_at(world, kind, id);
        check_versions(world, kind, id);
        check_list(world, kind);
    }
}

static void freeze(struct world *world)
{
    const struct store_checkpoint checkpoint = {
        .log_index = world->entry,
        .digest = delta_digest(store_delta(world->store)),
    };
    store_freeze(world->store, &checkpoint);
}

static void seal_some(struct world *world, uint32_t steps)
{
    struct error error;
    bool more = true;
    for (uint32_t i = 0; i < steps && more; i++) {
        assert_int_equal(store_seal_step(world->store, &more, &error), STATUS_OK);
    }
}

static void open_store(struct world *world, struct kv *kv)
{
    const struct store_options options = { .delta = { .seal_events = 40, .accounts_cached = 2 },
                                           .kv = kv };
    struct store_checkpoint recovered;
    struct error error = { 0 };
    if (store_open(&options, &world->store, &recovered, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    assert_int_equal(recovered.log_index, world->entry);
}

/* All is sealed, read as a whole, and found again. */
static void close_and_open(struct world *world, struct kv_faulty *faulty, struct kv *memory)
{
    struct error error = { 0 };
    u128 digest;
    seal_some(world, UINT32_MAX);
    if (store_checkpoint_index(world->store) != world->entry) {
        freeze(world);
        seal_some(world, UINT32_MAX);
    }
    assert_int_equal(store_checkpoint_index(world->store), world->entry);
    digest = delta_digest(store_delta(world->store));
    u128 recomputed;
    if (store_recompute_digest(world->store, &recomputed, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    assert_true(recomputed == digest);
    store_close(world->store);
    open_store(world, kv_faulty_init(faulty, memory, 0));
    assert_true(delta_digest(store_delta(world->store)) == digest);
}

static void objects_are_those_of_the_model(void **state)
{
    (void)state;
    struct world *world = calloc(1, sizeof *world);
    struct kv *memory = kv_simulated_open();
    struct kv_faulty faulty;
    random_init(&world->random, 20261123);
    world->clock = 1;
    open_store(world, kv_faulty_init(&faulty, memory, 0));
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        if (store_seal_due(world->store)) {
            if (store_seal_busy(world->store)) {
                seal_some(world, UINT32_MAX);
            }
            freeze(world);
        }
        one_batch(world);
        seal_some(world, (uint32_t)random_below(&world->random, CUTS));
        check(world);
        if (round % 100 == 0) {
            close_and_open(world, &faulty, memory);
            check(world);
        }
    }
    assert_true(world->now.version_count > 1000);
    store_close(world->store);
    memory->ops->close(memory);
    free(world);
}

/* What is not the one form of an object, or of its key, is damage. */
static void only_one_form_is_read(void **state)
{
    (void)state;
    uint8_t key[KEY_SIZE_MAX];
    uint8_t value[VALUE_RECORD_MAX];
    _Alignas(16) uint8_t record[OBJECT_SIZE_MAX] = { 5, [40] = 9 };
    uint8_t read[OBJECT_SIZE_MAX];
    const struct object_name name = { OBJECT_FREEZE, 5 };
    struct object_name named;
    uint64_t timestamp;
    const size_t size = value_of_object(value, name.kind, record);
    assert_int_equal(size, 1 + 41 - 16);
    assert_true(value_read_object((struct bytes){ value, size }, name, read));
    assert_memory_equal(read, record, object_size(name.kind));
    value[size] = 0; /* a trailing zero */
    assert_false(value_read_object((struct bytes){ value, size + 1 }, name, read));
    assert_false(value_read_object((struct bytes){ value, 0 }, name, read));
    value[0] = 2;
    assert_false(value_read_object((struct bytes){ value, size }, name, read));
    assert_int_equal(key_of_object(key, name), 18);
    assert_true(key_read_object((struct bytes){ key, 18 }, &named));
    assert_true(named.kind == name.kind && named.id == name.id);
    assert_false(key_read_object((struct bytes){ key, 17 }, &named));
    key[1] = OBJECT_KINDS;
    assert_false(key_read_object((struct bytes){ key, 18 }, &named));
    assert_int_equal(key_of_version(key, name, 77), 26);
    assert_true(key_read_version((struct bytes){ key, 26 }, &named, &timestamp));
    assert_true(named.id == 5 && timestamp == 77);
    assert_false(key_read_object((struct bytes){ key, 26 }, &named));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_those_of_the_model),
        cmocka_unit_test(only_one_form_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
