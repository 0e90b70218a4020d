/* test_delta_table.c — a table of very few slots, so that each prefetch evicts, against a model
 * that knows every record: what is dirty, being sealed or named stays, and what is gone is what the
 * store has. */
#include "base/hash.h"
#include "base/random.h"
#include "ledger/store/delta_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RECORDS = 200, DIRTY = 24, BATCH = 12, NAMED = 30, CACHED = 3 };

struct record {
    u128 value;
    uint64_t rest[5];
    uint64_t key; /* 0: not there */
};
_Static_assert(sizeof(struct record) == 64, "the size of a slot");

static u128 key_of(const void *value)
{
    const struct record *record = value;
    return record->key;
}

static const struct table_kind kind = { .seed = 77, .size_log2 = 6, .key = key_of };
static const struct table_limits limits = { .dirty = DIRTY,
                                            .batch = BATCH,
                                            .spare = NAMED + CACHED };

struct model {
    struct random random;
    struct table table;
    void *memory;
    u128 digest;
    bool has_frozen;
    struct record now[RECORDS];
    struct record sealed[RECORDS]; /* what the store has */
    struct record frozen[DIRTY];
    uint32_t frozen_count;
    bool changed_live[RECORDS];
    uint32_t named[NAMED]; /* numbers; the record's key is the number + 1 */
    uint32_t named_count;
    uint32_t brought;
};

static struct model *model_open(uint64_t seed)
{
    struct model *model = calloc(1, sizeof *model);
    random_init(&model->random, seed);
    size_t size = 0;
    table_layout(&model->table, &kind, &limits, NULL, &size);
    const size_t rounded = (size + 63) / 64 * 64;
    model->memory = memset(aligned_alloc(64, rounded), 0, rounded);
    size_t placed = 0;
    table_layout(&model->table, &kind, &limits, model->memory, &placed);
    assert_int_equal(placed, size);
    return model;
}

static void model_close(struct model *model)
{
    free(model->memory);
    free(model);
}

static void prefetch(struct model *model)
{
    table_prefetch_begin(&model->table);
    model->named_count = (uint32_t)random_between(&model->random, 1, NAMED);
    for (uint32_t i = 0; i < model->named_count; i++) {
        uint32_t number = (uint32_t)random_below(&model->random, RECORDS);
        model->named[i] = number;
        const struct record *sealed = &model->sealed[number];
        if (table_pin(&model->table, number + 1) || sealed->key == 0) {
            continue;
        }
        assert_memory_equal(sealed, &model->now[number], sizeof *sealed);
        table_bring(&model->table, sealed);
        model->brought++;
    }
}

static void touch(struct model *model)
{
    uint32_t choice = model->named_count < BATCH ? model->named_count : BATCH;
    uint32_t number = model->named[random_below(&model->random, choice)];
    struct record *now = &model->now[number];
    struct record *record = table_find(&model->table, number + 1);
    assert_int_equal(record != NULL, now->key != 0);
    model->changed_live[number] = true;
    if (record == NULL) {
        *now = (struct record){ .key = number + 1, .value = random_u64(&model->random) };
        record = table_insert(&model->table, now);
        assert_ptr_equal(record, table_find(&model->table, number + 1));
        return;
    }
    assert_memory_equal(record, now, sizeof *now);
    table_change(&model->table, table_slot(&model->table, record));
    record->value++;
    record->rest[4] = random_u64(&model->random);
    *now = *record;
}

static void run_chain(struct model *model)
{
    struct record before[RECORDS];
    bool changed_before[RECORDS];
    memcpy(before, model->now, sizeof before);
    memcpy(changed_before, model->changed_live, sizeof changed_before);
    table_chain_open(&model->table);
    for (uint64_t left = random_between(&model->random, 1, 8); left > 0; left--) {
        touch(model);
    }
    bool keep = random_chance(&model->random, 1, 2);
    table_chain_close(&model->table, keep);
    if (!keep) {
        memcpy(model->now, before, sizeof before);
        memcpy(model->changed_live, changed_before, sizeof changed_before);
    }
}

static void batch(struct model *model)
{
    table_batch_begin(&model->table);
    for (uint32_t i = 0; i < 4; i++) {
        touch(model);
        run_chain(model);
    }
    model->digest += table_batch_end(&model->table);
    u128 digest = 0;
    for (uint32_t i = 0; i < RECORDS; i++) {
        const struct record *record = &model->now[i];
        digest += record->key == 0 ? 0 : hash_record(kind.seed, record, sizeof *record);
    }
    assert_true(digest == model->digest);
}

static void freeze(struct model *model)
{
    uint32_t expected = 0;
    for (uint32_t i = 0; i < RECORDS; i++) {
        expected += model->changed_live[i];
    }
    model->frozen_count = table_freeze(&model->table, model->frozen);
    assert_int_equal(model->frozen_count, expected);
    for (uint32_t i = 0; i < model->frozen_count; i++) {
        uint64_t number = model->frozen[i].key - 1;
        assert_true(model->changed_live[number]);
        assert_memory_equal(&model->frozen[i], &model->now[number], sizeof(struct record));
        model->changed_live[number] = false;
    }
    model->has_frozen = true;
}

static void drop(struct model *model)
{
    for (uint32_t i = 0; i < model->frozen_count; i++) {
        model->sealed[model->frozen[i].key - 1] = model->frozen[i];
    }
    table_frozen_drop(&model->table);
    model->has_frozen = false;
}

/* What the store does not have as it is now, memory must. */
static void check_unsealed_stay(const struct model *model)
{
    for (uint32_t i = 0; i < RECORDS; i++) {
        const struct record *record = table_find(&model->table, i + 1);
        if (record != NULL) {
            assert_memory_equal(record, &model->now[i], sizeof *record);
        } else {
            assert_memory_equal(&model->now[i], &model->sealed[i], sizeof *record);
        }
    }
    for (uint32_t i = 0; i < model->named_count; i++) {
        assert_int_equal(table_find(&model->table, model->named[i] + 1) != NULL,
                         model->now[model->named[i]].key != 0);
    }
}

static void a_full_table_equals_the_model(void **state)
{
    (void)state;
    struct model *model = model_open(31);
    for (uint32_t round = 0; round < 20000; round++) {
        prefetch(model);
        check_unsealed_stay(model);
        if (random_chance(&model->random, 2, 3)) {
            batch(model);
        }
        bool full = model->table.dirty_count + BATCH > DIRTY;
        if (model->has_frozen && (full || random_chance(&model->random, 1, 40))) {
            drop(model);
        }
        if (!model->has_frozen && (full || random_chance(&model->random, 1, 40))) {
            freeze(model);
        }
    }
    assert_true(model->brought > 20000);
    model_close(model);
}

/* The number of the prefetch wraps where table_state.used does. */
static void the_number_of_prefetches_wraps(void **state)
{
    (void)state;
    struct model *model = model_open(32);
    model->table.prefetch = TABLE_PREFETCH_MAX - 1;
    for (uint32_t round = 0; round < 5; round++) {
        prefetch(model);
        batch(model);
        check_unsealed_stay(model);
        freeze(model);
        drop(model);
    }
    assert_true(model->table.prefetch < 5);
    model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_table_equals_the_model),
        cmocka_unit_test(the_number_of_prefetches_wraps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
