#include "base/random.h"
#include "tests/base/panic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The published first outputs of xoshiro256** from the state 1, 2, 3, 4. */
static void generator_equals_the_reference(void **state)
{
    (void)state;
    static const uint64_t EXPECTED[] = {
        11520U,
        0U,
        1509978240U,
        1215971899390074240U,
        1216172134540287360U,
        607988272756665600U,
        16172922978634559625U,
        8476171486693032832U,
        10595114339597558777U,
        2904607092377533576U,
    };
    struct random random = { .state = { 1, 2, 3, 4 } };
    for (size_t i = 0; i < sizeof EXPECTED / sizeof EXPECTED[0]; i++) {
        assert_int_equal(random_u64(&random), EXPECTED[i]);
    }
}

/* The published first outputs of splitmix64 from the seed 1234567. */
static void seeding_equals_the_reference(void **state)
{
    (void)state;
    static const uint64_t EXPECTED[4] = { 6457827717110365317U, 3203168211198807973U,
                                          9817491932198370423U, 4593380528125082431U };
    struct random random;
    random_init(&random, 1234567);
    assert_memory_equal(random.state, EXPECTED, sizeof EXPECTED);
}

static void the_same_seed_gives_the_same_sequence(void **state)
{
    (void)state;
    struct random one;
    struct random two;
    struct random three;
    random_init(&one, 5);
    random_init(&two, 5);
    random_init(&three, 6);
    unsigned equal = 0;
    for (unsigned i = 0; i < 1000; i++) {
        u128 value = random_u128(&one);
        assert_true(value == random_u128(&two));
        equal += value == random_u128(&three) ? 1U : 0U;
    }
    assert_int_equal(equal, 0);
    random_init(&one, 0); /* zero is a seed like any other: the state is never all zero */
    assert_int_not_equal(one.state[0] | one.state[1] | one.state[2] | one.state[3], 0);
}

static void below_is_even_and_in_range(void **state)
{
    (void)state;
    enum { LIMIT = 10, DRAWS = 100000 };
    struct random random;
    random_init(&random, 11);
    unsigned count[LIMIT] = { 0 };
    for (unsigned i = 0; i < DRAWS; i++) {
        uint64_t value = random_below(&random, LIMIT);
        assert_true(value < LIMIT);
        count[value]++;
    }
    for (unsigned i = 0; i < LIMIT; i++) { /* 10,000 each, deviation 95 */
        assert_in_range(count[i], 9500, 10500);
    }
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(random_below(&random, 1), 0);
        assert_true(random_below(&random, UINT64_MAX) < UINT64_MAX);
    }
}

/* With limit 3 * 2^62 a multiplication without rejection draws every third value twice as often,
 * and a modulo the lowest third. */
static void below_has_no_bias(void **state)
{
    (void)state;
    enum { DRAWS = 30000 };
    struct random random;
    random_init(&random, 12);
    unsigned third[3] = { 0 };
    unsigned remainder[3] = { 0 };
    for (unsigned i = 0; i < DRAWS; i++) {
        uint64_t value = random_below(&random, 3ULL << 62);
        third[value >> 62]++;
        remainder[value % 3]++;
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_in_range(third[i], DRAWS / 3 - 500, DRAWS / 3 + 500);
        assert_in_range(remainder[i], DRAWS / 3 - 500, DRAWS / 3 + 500);
    }
}

static void between_includes_both_ends(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 13);
    bool low = false;
    bool high = false;
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t value = random_between(&random, 100, 103);
        assert_in_range(value, 100, 103);
        low = low || value == 100;
        high = high || value == 103;
        assert_int_equal(random_between(&random, 7, 7), 7);
        assert_int_equal(random_between(&random, UINT64_MAX, UINT64_MAX), UINT64_MAX);
    }
    assert_true(low && high);
    struct random copy = random;
    assert_int_equal(random_between(&random, 0, UINT64_MAX), random_u64(&copy));
}

static void chance_follows_its_ratio(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 14);
    unsigned hits = 0;
    for (unsigned i = 0; i < 10000; i++) {
        assert_false(random_chance(&random, 0, 7));
        assert_true(random_chance(&random, 7, 7));
        hits += random_chance(&random, 1, 4) ? 1U : 0U;
    }
    assert_in_range(hits, 2300, 2700);
}

static void draw_below_zero(void *context)
{
    random_below(context, 0);
}

static void draw_upside_down(void *context)
{
    random_between(context, 2, 1);
}

static void misuse_panics(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 1);
    assert_true(panics(draw_below_zero, &random));
    assert_true(panics(draw_upside_down, &random));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generator_equals_the_reference),
        cmocka_unit_test(seeding_equals_the_reference),
        cmocka_unit_test(the_same_seed_gives_the_same_sequence),
        cmocka_unit_test(below_is_even_and_in_range),
        cmocka_unit_test(below_has_no_bias),
        cmocka_unit_test(between_includes_both_ends),
        cmocka_unit_test(chance_follows_its_ratio),
        cmocka_unit_test(misuse_panics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
