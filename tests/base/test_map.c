#include "base/hash.h"
#include "base/map.h"
#include "base/random.h"
#include "tests/base/panic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CAPACITY = 64, KEYS = 160, SLOTS_MAX = 128 };

_Alignas(8) static struct map_slot memory[SLOTS_MAX];
_Alignas(8) static struct map_slot other_memory[SLOTS_MAX];

static void begin(struct map *map, struct map_slot *slots)
{
    memset(slots, 0, SLOTS_MAX * sizeof *slots);
    map_init(map, slots, CAPACITY);
}

/* Keys that differ in the low half, the high half or both. */
static u128 key_of(uint64_t number)
{
    return u128_make(number % 3, number / 2 * 0x100000001);
}

static void keys_of_this_test_are_distinct(void **state)
{
    (void)state;
    for (uint64_t a = 0; a < KEYS; a++) {
        for (uint64_t b = 0; b < a; b++) {
            assert_true(key_of(a) != key_of(b));
        }
    }
}

struct model {
    bool there[KEYS];
    uint32_t value[KEYS];
    uint32_t count;
};

static void compare(const struct map *map, const struct model *model)
{
    assert_int_equal(map->count, model->count);
    for (uint64_t number = 0; number < KEYS; number++) {
        const uint32_t *value = map_find(map, key_of(number));
        if (model->there[number]) {
            assert_non_null(value);
            assert_int_equal(*value, model->value[number]);
        } else {
            assert_null(value);
        }
    }
}

static void step(struct map *map, struct model *model, struct random *random)
{
    uint64_t number = random_below(random, KEYS);
    uint32_t value = (uint32_t)random_u64(random);
    u128 key = key_of(number);
    map_prefetch(map, key);
    if (random_chance(random, 1, 500)) {
        map_clear(map);
        memset(model, 0, sizeof *model);
    } else if (model->there[number] && random_chance(random, 1, 2)) {
        *map_find(map, key) = value;
        model->value[number] = value;
    } else if (model->there[number]) {
        assert_true(map_remove(map, key));
        model->there[number] = false;
        model->count--;
    } else if (model->count < CAPACITY) {
        map_insert(map, key, value);
        model->there[number] = true;
        model->value[number] = value;
        model->count++;
    } else {
        assert_false(map_remove(map, key));
    }
}

static void behaves_like_an_array_of_flags(void **state)
{
    (void)state;
    struct random random;
    struct map map;
    static struct model model;
    random_init(&random, 7);
    assert_true(map_footprint(CAPACITY) <= sizeof memory);
    begin(&map, memory);
    for (unsigned i = 0; i < 60000; i++) {
        step(&map, &model, &random);
        if (i % 16 == 0) {
            compare(&map, &model);
        }
    }
}

static void clearing_survives_the_wrap_of_the_generation(void **state)
{
    (void)state;
    struct map map;
    begin(&map, memory);
    map_insert(&map, 1, 10); /* a slot of generation 1, which comes again after the wrap */
    map.generation = UINT32_MAX - 1;
    map.count = 0;
    for (unsigned i = 0; i < 4; i++) {
        assert_null(map_find(&map, 1));
        assert_null(map_find(&map, 2));
        map_insert(&map, 2, i);
        assert_true(map_remove(&map, 2));
        assert_null(map_find(&map, 2));
        map_insert(&map, 2, i);
        assert_int_equal(*map_find(&map, 2), i);
        map_clear(&map);
    }
    assert_null(map_find(&map, 1));
    assert_int_equal(map.generation, 3);
}

/* The keys of one cluster that begins in the last slot and goes on in the first: removing any of
 * them must keep the others reachable. */
static void removal_closes_holes_across_the_end_of_the_table(void **state)
{
    (void)state;
    enum { CLUSTER = 6 };
    struct map map;
    begin(&map, memory);
    u128 keys[CLUSTER];
    uint64_t candidate = 0;
    for (unsigned i = 0; i < CLUSTER; i++) { /* homes: two in the last slot, then last but one... */
        uint32_t home = i % 2 == 0 ? map.mask : map.mask - 1;
        while (((uint32_t)hash_u128(candidate) & map.mask) != home) {
            candidate++;
        }
        keys[i] = candidate++;
    }
    for (unsigned removed = 0; removed < CLUSTER; removed++) {
        map_clear(&map);
        for (unsigned i = 0; i < CLUSTER; i++) {
            map_insert(&map, keys[i], i);
        }
        assert_true(map_remove(&map, keys[removed]));
        assert_false(map_remove(&map, keys[removed]));
        for (unsigned i = 0; i < CLUSTER; i++) {
            const uint32_t *value = map_find(&map, keys[i]);
            assert_true((value != NULL) == (i != removed));
            assert_true(value == NULL || *value == i);
        }
    }
}

static void the_same_operations_give_the_same_slots(void **state)
{
    (void)state;
    struct map one;
    struct map two;
    begin(&one, memory);
    begin(&two, other_memory);
    struct random random_one;
    struct random random_two;
    random_init(&random_one, 9);
    random_init(&random_two, 9);
    static struct model model_one;
    static struct model model_two;
    for (unsigned i = 0; i < 5000; i++) {
        step(&one, &model_one, &random_one);
        step(&two, &model_two, &random_two);
    }
    assert_memory_equal(memory, other_memory, map_footprint(CAPACITY));
}

enum { LARGE = 50000, LARGE_KEYS = 60000 };

static u128 large_key(uint32_t number)
{
    return u128_make(number % 7, number * UINT64_C(0x9E3779B97F4A7C15));
}

/* What is there: `there[number]` is the value plus one, 0 for none. */
static void compare_large(const struct map *map, const uint32_t *there)
{
    for (uint32_t number = 0; number < LARGE_KEYS; number++) {
        const uint32_t *value = map_find(map, large_key(number));
        assert_int_equal(value == NULL ? 0 : *value + 1, there[number]);
    }
}

/* Fills it from nothing, with keys removed on the way, so that it takes more slots several times:
 * by doubling, and at last all it has. */
static void fill_large(struct map *map, uint32_t *there, struct random *random)
{
    uint32_t mask = map->mask;
    for (uint32_t i = 0; i < 4 * LARGE; i++) {
        uint32_t number = (uint32_t)random_below(random, LARGE_KEYS);
        if (there[number] == 0 && map->count < LARGE) {
            map_insert(map, large_key(number), i);
            there[number] = i + 1;
        } else if (there[number] != 0 && random_chance(random, 1, 4)) {
            assert_true(map_remove(map, large_key(number)));
            there[number] = 0;
        }
        if (map->mask != mask) {
            mask = map->mask;
            compare_large(map, there);
        }
    }
    compare_large(map, there);
}

static void nothing_is_lost_when_it_takes_more_slots(void **state)
{
    (void)state;
    struct random random;
    struct map map;
    uint32_t *there = calloc(LARGE_KEYS, sizeof *there);
    void *slots = calloc(1, map_footprint(LARGE));
    assert_non_null(there);
    assert_non_null(slots);
    random_init(&random, 11);
    map_init(&map, slots, LARGE);
    assert_int_equal(map.mask, MAP_SLOTS_FIRST - 1);
    fill_large(&map, there, &random);
    assert_int_equal((map.mask + 1) * sizeof(struct map_slot), map_footprint(LARGE));
    map_clear(&map); /* keeps them */
    memset(there, 0, LARGE_KEYS * sizeof *there);
    fill_large(&map, there, &random);
    free(slots);
    free(there);
}

/* The generation at which it grows next is the last one there is: old slots stay forgotten. */
static void growing_survives_the_wrap_of_the_generation(void **state)
{
    (void)state;
    struct map map;
    void *slots = calloc(1, map_footprint(LARGE));
    assert_non_null(slots);
    map_init(&map, slots, LARGE);
    map_insert(&map, 1, 10); /* slots of the generations that the renumbered ones get */
    map.generation = 2;
    map.count = 0;
    map_insert(&map, 2, 10);
    map.generation = UINT32_MAX;
    map.count = 0;
    const uint32_t count = MAP_SLOTS_FIRST / 2 + 1;
    for (uint32_t i = 0; i < count; i++) {
        map_insert(&map, 100 + i, i);
    }
    assert_true(map.mask >= MAP_SLOTS_FIRST && map.generation == 2);
    assert_null(map_find(&map, 1));
    assert_null(map_find(&map, 2));
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t *value = map_find(&map, 100 + i);
        assert_true(value != NULL && *value == i);
    }
    free(slots);
}

static void insert_again(void *context)
{
    map_insert(context, 5, 1);
}

static void insert_another(void *context)
{
    map_insert(context, 1000, 1);
}

static void misuse_panics(void **state)
{
    (void)state;
    struct map map;
    begin(&map, memory);
    map_insert(&map, 5, 1);
    assert_true(panics(insert_again, &map));
    for (uint32_t i = 1; i < CAPACITY; i++) {
        map_insert(&map, (u128)i + 5, i);
    }
    assert_int_equal(map.count, map.capacity);
    assert_true(panics(insert_another, &map));
}

static void the_table_is_at_most_half_full(void **state)
{
    (void)state;
    static const uint32_t CAPACITIES[] = { 0, 1, 3, 4, 5, 1000, 1024, 1025, 8190, 1000000 };
    for (size_t i = 0; i < sizeof CAPACITIES / sizeof CAPACITIES[0]; i++) {
        size_t slots = map_footprint(CAPACITIES[i]) / sizeof(struct map_slot);
        assert_true(slots >= (size_t)2 * CAPACITIES[i]);
        assert_true(slots <= 8 || slots < (size_t)4 * CAPACITIES[i]);
        assert_int_equal(slots & (slots - 1), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_this_test_are_distinct),
        cmocka_unit_test(behaves_like_an_array_of_flags),
        cmocka_unit_test(clearing_survives_the_wrap_of_the_generation),
        cmocka_unit_test(removal_closes_holes_across_the_end_of_the_table),
        cmocka_unit_test(the_same_operations_give_the_same_slots),
        cmocka_unit_test(nothing_is_lost_when_it_takes_more_slots),
        cmocka_unit_test(growing_survives_the_wrap_of_the_generation),
        cmocka_unit_test(misuse_panics),
        cmocka_unit_test(the_table_is_at_most_half_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
