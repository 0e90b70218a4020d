/* test_id_filter.c — the filter of ids: never wrong about one that was added, and as sharp as its
 * header says, whatever ids look like. */
#include "base/random.h"
#include "ledger/store/id_filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { IDS = 100000, ASKED = 200000, PART = IDS / 20 };

static u128 random_one(struct random *random, uint64_t i)
{
    (void)i;
    return random_u128(random);
}

static u128 counted(struct random *random, uint64_t i)
{
    (void)random;
    return i + 1;
}

static u128 counted_above(struct random *random, uint64_t i)
{
    (void)random;
    return (u128)(i + 1) << 64;
}

/* A time, and a number that grows with it. */
static u128 by_time(struct random *random, uint64_t i)
{
    return (u128)(0x019000000000U + i / 8) << 80 | (u128)(i % 8) << 70 | random_u64(random);
}

/* As eras do: in the order of the ids, each known by a timestamp. */
static uint64_t part_of(uint64_t i)
{
    return i / PART == 0 ? 0 : 1700000000000000000U + i / PART * 1000000;
}

/* Wrong "maybe"s in 10,000 questions: about ids that were not added, about other parts of those
 * that were. */
struct wrong {
    uint64_t ids;
    uint64_t parts;
};

static struct wrong wrong_of_10000(u128 (*make)(struct random *, uint64_t), double bits_an_id)
{
    const size_t bytes =
        (size_t)(bits_an_id * IDS / 8) / ID_FILTER_BLOCK_BYTES * ID_FILTER_BLOCK_BYTES;
    void *memory = aligned_alloc(ID_FILTER_BLOCK_BYTES, bytes);
    assert_non_null(memory);
    memset(memory, 0, bytes);
    struct id_filter filter;
    id_filter_init(&filter, memory, bytes);
    struct random random;
    u128 *ids = calloc(IDS, sizeof *ids);
    random_init(&random, 3);
    for (uint64_t i = 0; i < IDS; i++) {
        ids[i] = make(&random, i);
        id_filter_add(&filter, ids[i], part_of(i));
    }
    for (uint64_t i = 0; i < IDS; i++) {
        id_filter_hint(&filter, ids[i]);
        assert_true(id_filter_may_have(&filter, ids[i]));
        assert_true(id_filter_may_have_in(&filter, ids[i], part_of(i)));
    }
    struct wrong wrong = { 0 };
    for (uint64_t i = 0; i < ASKED; i++) {
        wrong.ids += id_filter_may_have(&filter, make(&random, IDS + i));
        wrong.parts += id_filter_may_have_in(&filter, ids[i % IDS], part_of(i % IDS + PART));
    }
    free(ids);
    free(memory);
    return (struct wrong){ wrong.ids * 10000 / ASKED, wrong.parts * 10000 / ASKED };
}

static void as_sharp_as_it_says(void **state)
{
    (void)state;
    u128 (*const kinds[])(struct random *, uint64_t) = { random_one, counted, counted_above,
                                                         by_time };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct wrong wrong = wrong_of_10000(kinds[i], 16);
        assert_in_range(wrong.ids, 100, 250);
        assert_in_range(wrong.parts, 350, 650);
        wrong = wrong_of_10000(kinds[i], 10);
        assert_in_range(wrong.ids, 500, 850);
        assert_in_range(wrong.parts, 1100, 1600);
        wrong = wrong_of_10000(kinds[i], 5);
        assert_in_range(wrong.ids, 2800, 3700);
        assert_in_range(wrong.parts, 3900, 4700);
    }
}

static void an_empty_one_has_nothing_and_a_small_one_still_answers(void **state)
{
    (void)state;
    _Alignas(ID_FILTER_BLOCK_BYTES) uint8_t block[ID_FILTER_BLOCK_BYTES + 10] = { 0 };
    struct id_filter filter;
    struct random random;
    random_init(&random, 4);
    id_filter_init(&filter, block, sizeof block);
    for (int i = 0; i < 1000; i++) {
        assert_false(id_filter_may_have(&filter, random_u128(&random)));
    }
    id_filter_add(&filter, 7, 1);
    assert_true(id_filter_may_have(&filter, 7));
    for (int i = 0; i < 10000; i++) { /* every bit is set: all is maybe */
        id_filter_add(&filter, random_u128(&random), 2);
    }
    assert_true(id_filter_may_have(&filter, 8));
    for (size_t i = ID_FILTER_BLOCK_BYTES; i < sizeof block; i++) {
        assert_int_equal(block[i], 0); /* beyond the whole block */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_sharp_as_it_says),
        cmocka_unit_test(an_empty_one_has_nothing_and_a_small_one_still_answers),
    };
    return cmocka_run_group_tests_name("ledger_store.id_filter", tests, NULL, NULL);
}
